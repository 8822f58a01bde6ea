/* What a daemon does to itself at start, and the ports that only the kernel can fill: randomness and standard error. */
#ifndef IO_PROCESS_H
#define IO_PROCESS_H

#include "base/entropy.h"
#include "base/log.h"

/* No core dumps, not to be traced by others of the same user, umask 077, SIGPIPE ignored, as many descriptors as allowed. */
void process_harden(void);

/* So many files and sockets may be open at a time. */
size_t process_files_max(void);

/* The kernel's randomness. A process that cannot have it ends. */
struct entropy kernel_entropy(void);

/* Lines on standard error: for the journal "<6>event key=value", else with date and level in front. The struct refers to static state only. */
struct log stderr_log(enum log_level level);

#endif
