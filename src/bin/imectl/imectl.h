/* What the files of imectl share. */
#ifndef IMECTL_H
#define IMECTL_H

#include "base/buf.h"
#include "ctl/args.h"

/* Exit codes; part of the interface (imectl(1)). */
enum exit_code { EXIT_GOOD = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_NO_CONNECTION = 3 };

struct options {
    const char *socket; /* path; NULL: that of the daemon which answers the command */
    const char *name;   /* socket NAME.sock in CONTROL_FOLDER */
    bool json;
    int64_t timeout_ms;
    bool batch; /* standard input holds commands: it cannot hold a password as well */
};

#define CONTROL_FOLDER "/run/ime"

/* One exchange over a new connection: sends the line (a newline is added) and receives one. Prints what went wrong, and what to do, to
 * standard error. */
enum exit_code client_exchange(const struct options *o, unsigned programs, struct slice request,
                               struct buf *ret_answer);

/* Reads the password of a command from the file, or asks for it, or takes the first line of standard input, and adds it. */
enum exit_code secret_add(const struct options *o, const char *file, struct ctl_args *args);

/* Reads what a command wants of a file, or of standard input for "-", and adds it. */
enum exit_code file_add(const struct options *o, const char *file, struct ctl_args *args);

/* Runs one command line: help is answered here, everything else by a daemon. */
enum exit_code run_words(const struct options *o, const char *const *words, size_t n);

/* Splits a line and runs it; nothing for empty lines and comments. */
enum exit_code run_line(const struct options *o, const char *line);

/* Reads lines from a terminal, with history and completion, until end of input or `quit`. */
enum exit_code run_interactive(const struct options *o);

void print_usage(struct buf *out);
void print_manual(struct buf *out);

#endif
