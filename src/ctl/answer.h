/* The client's side: an answer as a line of JSON, and how it is shown to people. */
#ifndef CTL_ANSWER_H
#define CTL_ANSWER_H

#include "ctl/command.h"

struct json_t; /* of jansson */

struct ctl_answer {
    struct json_t *root;   /* owned */
    int64_t id;            /* -1: the daemon could not tell which request it answers */
    struct json_t *result; /* NULL: refused */
    const char *code;      /* when refused; never NULL then */
    const char *message;   /* never NULL when refused */
    const char *hint;      /* may be NULL */
};

/* 0, or ERR_SYNTAX with the reason. */
int ctl_answer_decode(struct slice line, struct ctl_answer *ret_answer, struct buf *why);

/* The error object of a refusal. */
const struct json_t *ctl_answer_error(const struct ctl_answer *a);

void ctl_answer_fini(struct ctl_answer *a);

/* Turns seconds since the Unix epoch into a text of at most 63 octets: the client's local time, which is no business of this module. */
typedef void ctl_local_time_fn(int64_t seconds, char *ret_text, size_t octets);

/* The result for people: "label: value" lines, then the table of rows (struct ctl_command). Control characters are replaced. */
void ctl_render(const struct ctl_command *command, const struct json_t *result, ctl_local_time_fn *local_time,
                struct buf *out);

/* The result as JSON, indented. */
void ctl_render_json(const struct json_t *result, struct buf *out);

/* Whether a part of the command failed though the rest is done: its member `failed` is not 0. */
bool ctl_answer_has_failures(const struct ctl_command *command, const struct ctl_answer *a);

#endif
