/* Numbers as a trunk or a PBX writes them, to +E.164 and from it, by rules per trunk and direction; each step can be told.
 *
 * Emergency and short numbers are found first, are never changed, and never leave the phone network. */
#ifndef AGENT_DIALING_H
#define AGENT_DIALING_H

#include "base/e164.h"
#include "base/err.h"

#include <stdbool.h>

#define AGENT_DIGITS_MAX 40      /* of a number as it is dialed */
#define AGENT_DIAL_PREFIX_MAX 16 /* with "+" */
#define AGENT_DIAL_STEPS_MAX 8
#define AGENT_SHORT_NUMBERS_MAX 64
#define AGENT_SHORT_DIGITS_MAX 8

/* What kind of number it is, by how it is written (in) or by where it leads (out). */
enum agent_dial_kind {
    AGENT_DIAL_INTERNATIONAL, /* with "+" or the international prefix; out: of another country */
    AGENT_DIAL_NATIONAL,      /* with the national prefix; out: of the same country */
    AGENT_DIAL_SUBSCRIBER,    /* without any prefix; out: of the same area */
    AGENT_DIAL_EXTENSION,     /* no longer than an extension; out: one of our own numbers */
    AGENT_DIAL_UNKNOWN,       /* no rule of the trunk knows it */
    AGENT_DIAL_KINDS
};
const char *agent_dial_kind_name(enum agent_dial_kind kind); /* "international" */

enum agent_dial_direction { AGENT_DIAL_IN, AGENT_DIAL_OUT }; /* to +E.164; from +E.164 */

/* Takes digits (and "+") off the front, then puts others there. */
struct agent_dial_rule {
    bool set; /* else what follows from country, area and prefixes */
    unsigned strip;
    char prefix[AGENT_DIAL_PREFIX_MAX + 1];
};

/* Texts are digits; "" means that there is none. */
struct agent_dial_plan {
    char country[4];                                      /* country code: "49" */
    char area[8];                                         /* without the national prefix: "30" */
    char international_prefix[AGENT_DIAL_PREFIX_MAX + 1]; /* "00" */
    char national_prefix[AGENT_DIAL_PREFIX_MAX + 1];      /* "0" */
    char outside_line[AGENT_DIAL_PREFIX_MAX + 1];         /* dialed before all other numbers: "9" */
    char extension_prefix[AGENT_DIAL_PREFIX_MAX + 1];     /* "+4930123": extensions are behind it */
    unsigned extension_digits; /* numbers without a prefix of up to so many digits are extensions; 0: there are none */
    bool plus;                 /* out: write +E.164 as it is, unless a rule below says otherwise */
    struct agent_dial_rule rules[2][AGENT_DIAL_KINDS]; /* by direction and kind */
};

/* Out as +E.164, in with "00" and "0". */
void agent_dial_plan_init(struct agent_dial_plan *plan);

/* Country code ("49" or "+49") and the prefixes that are usual there. ERR_SYNTAX. */
int agent_dial_plan_set_country(struct agent_dial_plan *plan, struct slice country);

/* Emergency and short numbers beside those of up to three digits: patterns of digits, X for any digit; none: the emergency numbers of the country
 * of who dials (emergency.h), or of all countries if the plan has none. */
struct agent_short_numbers {
    size_t n;
    char patterns[AGENT_SHORT_NUMBERS_MAX][AGENT_SHORT_DIGITS_MAX + 1];
};

void agent_short_numbers_default(struct agent_short_numbers *s);

/* ERR_SYNTAX, ERR_LIMIT, ERR_EXISTS. */
int agent_short_numbers_add(struct agent_short_numbers *s, struct slice pattern);

/* Why the digits, as they are dialed under the plan, are such a number; NULL: they are none. Static storage. */
const char *agent_short_number_reason(const struct agent_dial_plan *plan, const struct agent_short_numbers *s,
                                      struct slice digits);

static inline bool agent_is_short_number(const struct agent_dial_plan *plan, const struct agent_short_numbers *s,
                                         struct slice digits)
{
    return agent_short_number_reason(plan, s, digits) != NULL;
}

/* What was done, for people. */
struct agent_dial_step {
    const char *what; /* static storage: "national prefix" */
    char why[96];
    char number[AGENT_DIGITS_MAX + AGENT_DIAL_PREFIX_MAX + 1]; /* after it */
};

struct agent_dial_trace {
    size_t n;
    struct agent_dial_step steps[AGENT_DIAL_STEPS_MAX];
};

enum agent_dial_verdict {
    AGENT_DIAL_E164,    /* number is set */
    AGENT_DIAL_SHORT,   /* emergency or short number, text: to the phone network as it is, whatever the rules are */
    AGENT_DIAL_NO_E164, /* the rules make no +E.164 number of it: to the phone network as it was dialed */
};

struct agent_dialed {
    enum agent_dial_verdict verdict;
    enum agent_dial_kind kind;
    struct e164 number;
    char
        text[AGENT_DIGITS_MAX + AGENT_DIAL_PREFIX_MAX + 1]; /* the digits without separators; out: what is to be sent */
};

/* As dialed, or the user part or whole of a sip: or tel: address. The trace may be NULL. */
void agent_dial_in(const struct agent_dial_plan *plan, const struct agent_short_numbers *shorts, struct slice dialed,
                   struct agent_dial_trace *ret_trace, struct agent_dialed *ret_dialed);

/* A +E.164 number as the trunk wants it. What would come out as a short number is left as +E.164: a call to a subscriber must not become one
 * to the police. */
void agent_dial_out(const struct agent_dial_plan *plan, const struct agent_short_numbers *shorts,
                    const struct e164 *number, struct agent_dial_trace *ret_trace, struct agent_dialed *ret_dialed);

/* An emergency or short number as the trunk wants it: behind its code for an outside line, which may not be the one that was dialed. */
void agent_dial_out_short(const struct agent_dial_plan *plan, struct agent_dialed *dialed);

#endif
