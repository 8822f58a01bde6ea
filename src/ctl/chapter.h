/* For the files of the table: each holds one chapter, in the order in which help shows its commands. A daemon's handlers write results with the
 * keys that are named as columns; every other member of a result is shown as "label: value". */
#ifndef CTL_CHAPTER_H
#define CTL_CHAPTER_H

#include "ctl/command.h"

#define ARGS(...) ((const struct ctl_arg[]){__VA_ARGS__, {0}})
#define COLUMNS(...) ((const struct ctl_column[]){__VA_ARGS__, {0}})
#define COMMANDS(list) (sizeof(list) / sizeof((list)[0]))

extern const struct ctl_chapter ctl_chapter_all, ctl_chapter_server, ctl_chapter_enroll, ctl_chapter_agent,
    ctl_chapter_edge, ctl_chapter_pstn, ctl_chapter_impair;

#endif
