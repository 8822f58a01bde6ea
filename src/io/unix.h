/* Unix sockets as streams: the control socket of each daemon, and imectl's side of it. */
#ifndef IO_UNIX_H
#define IO_UNIX_H

#include "io/stream.h"

/* Creates the socket with mode 0600 (so that only the daemon's user and root may connect) and listens. A socket that a dead daemon left
 * behind is removed; one that answers is not: ERR_EXISTS, as when the path is anything but a socket. ERR_RANGE: the path is longer than
 * sockets allow. The bind address of the options is ignored; listener_close removes the socket. */
int listener_open_unix(struct loop *loop, const char *path, const struct listener_options *options,
                       listener_accept_fn *accept, void *arg, struct listener **ret_listener);

/* As stream_connect. */
int stream_connect_unix(struct loop *loop, const char *path, const struct stream_options *options,
                        const struct stream_handler *handler, void *arg, struct stream **ret_stream);

#endif
