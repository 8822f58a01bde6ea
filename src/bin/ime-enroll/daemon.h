/* The running enrollment server: the core, and everything of the kernel that it needs. One object, made in main, known to every file here. */
#ifndef IME_ENROLL_DAEMON_H
#define IME_ENROLL_DAEMON_H

#include "io/control.h"
#include "io/http.h"
#include "settings.h"
#include "store/sqlite.h"

struct daemon {
    const char *settings_path;
    struct settings settings;
    struct log log;
    struct entropy entropy;
    struct loop *loop;
    struct loop_task commit;
    int lock;
    struct sqlite_store *store;
    struct enroll *enroll;
    struct tls_context *tls;
    struct loop_timer *tls_timer;
    struct http_server *http;
    struct ctl_server ctl;
    struct control *control;
};

/* https.c: the listener, its routes, and its own certificate, which is made anew in time. */
int https_open(struct daemon *d);
void https_close(struct daemon *d);
/* A new certificate, for example for other names. */
int https_renew(struct daemon *d);

#endif
