/* Between the files of the daemon: the configuration, as the command line and a reload need it. */
#ifndef BIN_DAEMON_PRIVATE_H
#define BIN_DAEMON_PRIVATE_H

#include "bin/daemon/daemon.h"

/* The file as a whole: its keys and what the program makes of them. Errors are lines of `errors`; then nothing is left to free. */
int daemon_load(const struct daemon_program *program, const char *path, struct buf *errors, struct conf **ret_conf,
                struct settings **ret_settings);

/* The section of the program's common keys. */
const struct conf_group *daemon_keys(const struct daemon *d, const struct conf *conf);

/* Log, loop, start, turns, end; the exit code. The configuration is loaded. */
int daemon_run(struct daemon *d);

/* What happens on a signal; for daemon_open_control. */
int daemon_heed_signals(struct daemon *d);

#endif
