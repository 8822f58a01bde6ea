/* The control socket of a daemon: every connection to the Unix socket is a session of the ctl core. */
#ifndef IO_CONTROL_H
#define IO_CONTROL_H

#include "base/log.h"
#include "ctl/session.h"
#include "io/loop.h"

struct control;

struct control_options {
    const char *path;                /* of the socket; its folder must be there */
    const struct ctl_server *server; /* must outlive the control */
    const struct log *log;
    loop_fn *before; /* called before and after requests are handled, with arg; NULL: nothing to do */
    loop_fn *after;
    void *arg;
};

/* As listener_open_unix. */
int control_open(struct loop *loop, const struct control_options *options, struct control **ret_control);

/* Sends what is ready, then ends all sessions. NULL is allowed. */
void control_close(struct control *control);

#endif
