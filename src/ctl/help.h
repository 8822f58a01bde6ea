/* Help, the manual page's list of commands, and completion, all from the table. */
#ifndef CTL_HELP_H
#define CTL_HELP_H

#include "ctl/command.h"

/* The commands by chapters, one line each. */
void ctl_help_list(struct buf *out);

/* Everything about the commands that begin with these words. ERR_NOT_FOUND, with the reason in out: there are none. */
int ctl_help_words(const char *const *words, size_t n, struct buf *out);

/* The COMMANDS part of imectl(1). */
void ctl_help_man(struct buf *out);

/* Calls for each word that may complete the last of these words (which may be ""), in the order of the table. The text of a candidate is
 * valid during the call. */
void ctl_complete(const char *const *words, size_t n, ctl_choice_fn *candidate, void *arg);

#endif
