/* The arguments of one command, checked against the table: what a handler is given, and what imectl makes from a command line. */
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include "base/id.h"
#include "ctl/command.h"

#define CTL_REPEATED_MAX 64 /* values of all arguments together */

struct ctl_value {
    const struct ctl_arg *arg;
    char *text;      /* as written, NUL-terminated; owned */
    int64_t integer; /* CTL_INTEGER, CTL_DURATION (milliseconds), CTL_SWITCH (1) */
};

struct ctl_args {
    const struct ctl_command *command;
    size_t n;
    struct ctl_value values[CTL_REPEATED_MAX];
};

void ctl_args_init(struct ctl_args *a, const struct ctl_command *command);

/* Wipes the texts. */
void ctl_args_fini(struct ctl_args *a);

/* Checks a value and adds it. On failure a sentence goes to why ("N must be 1 to 255, not 300"). 0, ERR_RANGE, ERR_SYNTAX, ERR_EXISTS
 * (given twice), ERR_LIMIT, ERR_NO_MEMORY. */
int ctl_args_add(struct ctl_args *a, const struct ctl_arg *arg, struct slice text, struct buf *why);

/* All that is mandatory must be there; secrets and files only if with_apart. 0 or ERR_NOT_FOUND with the reason. */
int ctl_args_complete(const struct ctl_args *a, bool with_apart, struct buf *why);

/* Values by the argument's name, which must be in the table (asserted). Absent: false, 0, NULL, the zero id. */
bool ctl_args_has(const struct ctl_args *a, const char *name);
int64_t ctl_args_integer(const struct ctl_args *a, const char *name);
const char *ctl_args_text(const struct ctl_args *a, const char *name);
struct id ctl_args_id(const struct ctl_args *a, const char *name);

/* Repeated arguments: the i-th value, NULL after the last. */
const char *ctl_args_text_at(const struct ctl_args *a, const char *name, size_t i);

/* A command line, split into words already. Finds the command and checks its arguments, except that a secret or a file is still to be
 * had from what is named in ret_file (NULL, only for a secret: ask). On failure: ERR_NOT_FOUND (no such command) or another error with
 * the reason. */
int ctl_args_from_words(struct ctl_args *a, const char *const *words, size_t n, unsigned programs,
                        const char **ret_file, struct buf *why);

/* The argument of the command that is read from a file or a terminal; NULL if there is none. */
const struct ctl_arg *ctl_command_apart(const struct ctl_command *command);

/* Splits a line as a shell does: spaces, double quotes, single quotes, backslash. The words lie in `storage`, which has as many octets
 * as the line and one more. ERR_SYNTAX for an open quote, ERR_LIMIT for more than `max` words. */
int ctl_split_line(const char *line, char *storage, const char **ret_words, size_t max, size_t *ret_n);

/* "show pools [--peer NODE-ID]" */
void ctl_command_usage(const struct ctl_command *command, struct buf *out);

#endif
