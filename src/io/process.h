/* What a daemon does to itself at start, and the ports that only the kernel can fill: randomness and standard error. */
#ifndef IO_PROCESS_H
#define IO_PROCESS_H

#include "base/entropy.h"
#include "base/log.h"

/* No core dumps, not to be traced by others of the same user, umask 077, SIGPIPE ignored, as many descriptors as allowed. */
void process_harden(void);

/* So many files and sockets may be open at a time. */
size_t process_files_max(void);

/* The process goes on as another user, with the groups of that one, and cannot go back; only root may. ERR_NOT_FOUND: there is no such user, and nothing has
 * changed. ERR_FORBIDDEN, ERR_IO: the process is good for nothing but its end. */
int process_become(const char *user);

/* The kernel's randomness. A process that cannot have it ends. */
struct entropy kernel_entropy(void);

/* Lines on standard error: for the journal "<6>event key=value", else with date and level in front. The struct refers to static state only. */
struct log stderr_log(enum log_level level);

/* From now on lines wait for the next stderr_log_flush, and leave in one call of the kernel; first_waits(arg) is called when there is something to wait
 * for. A warning or an error waits for nothing, and nothing waits longer than the process lives: not when it exits, forks, aborts or touches what is
 * no memory of its own. For processes of which one thread logs. NULL: each line is written by itself, as at first. */
void stderr_log_gather(void (*first_waits)(void *arg), void *arg);
void stderr_log_flush(void);

#endif
