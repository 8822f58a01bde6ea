/* The commands: each runs the loop until it is done and gives the exit code. */
#ifndef IME_VCR_COMMANDS_H
#define IME_VCR_COMMANDS_H

#include "link.h"

/* Set by main on SIGINT and SIGTERM; the loop calls `interrupt` of the running command. */
struct command_run {
    void (*interrupt)(void *arg);
    void *arg;
};

enum exit_code publish_run(const struct options *o, struct loop *loop, struct command_run *run);
enum exit_code upload_run(const struct options *o, struct loop *loop, struct command_run *run);
enum exit_code watch_run(const struct options *o, struct loop *loop, struct command_run *run);

#endif
