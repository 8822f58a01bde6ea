/* What the service manager is told: that the daemon is up, reads its configuration again, or ends. The protocol of sd_notify(3): one datagram of lines
 * NAME=VALUE to the Unix socket that the environment names in NOTIFY_SOCKET. Without that variable nobody asked, and nothing is done. */
#ifndef IO_NOTIFY_H
#define IO_NOTIFY_H

#include "base/time.h"

/* Who depends on this daemon may start; also after a reload, whatever came of it. */
int notify_ready(void);

/* Until notify_ready, new settings are taken over. since: by the monotonic clock (loop_clock), at the beginning. */
int notify_reloading(struct mono since);

/* It ends in good order: calls get their BYE, what was written becomes durable. */
int notify_stopping(void);

/* All of them: 0 if it was told or nobody asked. ERR_UNSUPPORTED: the variable names no Unix socket; ERR_UNREACHABLE: nobody listens there; ERR_IO. They
 * never wait: a manager that does not read is not told (ERR_LIMIT). */

#endif
