/* Steps of a cursor, for the readers of values. Private to src/sip. */
#ifndef SIP_CURSOR_H
#define SIP_CURSOR_H

#include "sip/header.h"
#include "sip/scan.h"

/* Records an error, unless there is one already. Returns the cursor's error. (cold: what leads there is to stand apart from what is mostly run.) */
__attribute__((cold)) int sip_cursor_fail(struct sip_cursor *c, int err, const char *rule);
__attribute__((cold)) int sip_cursor_fail_at(struct sip_cursor *c, int err, const uint8_t *at, const char *rule);

/* Skips white space and folding. */
static inline void sip_cursor_space(struct sip_cursor *c)
{
    c->p = sip_skip_space(c->p, c->end);
}

/* Takes a separator with the white space around it; false, and nothing taken, if another octet stands there. */
static inline bool sip_cursor_take(struct sip_cursor *c, char separator)
{
    const uint8_t *p = sip_skip_space(c->p, c->end);
    if (p == c->end || *p != (uint8_t)separator)
        return false;
    c->p = sip_skip_space(p + 1, c->end);
    return true;
}

/* At least one octet of these classes (scan.h). */
static inline struct slice sip_cursor_span(struct sip_cursor *c, unsigned classes, const char *rule)
{
    const uint8_t *begin = c->p;
    c->p = sip_span(begin, c->end, classes);
    if (c->p == begin)
        sip_cursor_fail(c, ERR_SYNTAX, rule);
    return slice_of(begin, (size_t)(c->p - begin));
}

/* Before each value of a list: false at the end and on an error. An empty list is an error by this rule, unless it is allowed. */
bool sip_cursor_begin(struct sip_cursor *c, bool may_be_empty, const char *rule);

/* Behind each value of a list: a comma, or the end. False on an error. */
bool sip_cursor_finish(struct sip_cursor *c, const char *rule);

/* Nothing may be left behind a single value. Returns the cursor's error. */
int sip_cursor_end(struct sip_cursor *c, const char *rule);

/* The list of parameters that has been read since the cursor stood at begin. */
struct slice sip_cursor_params_since(const struct sip_cursor *c, const uint8_t *begin);

#endif
