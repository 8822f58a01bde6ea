/* Numbers as a telephone system writes them, into +E.164: the dialing rules of a country, and ranges of numbers. */
#ifndef CDR_DIAL_H
#define CDR_DIAL_H

#include "base/e164.h"
#include "base/err.h"

/* Prefixes are digits, at most DIAL_PREFIX_MAX; "" means that there is none. */
#define DIAL_PREFIX_MAX 15

struct dial_rules {
    char
        country[DIAL_PREFIX_MAX + 1]; /* country code; "": only numbers with + or international prefix are understood */
    char international[DIAL_PREFIX_MAX + 1]; /* "00": what follows begins with a country code */
    char trunk[DIAL_PREFIX_MAX + 1];         /* "0": what follows is a national number */
    char area[DIAL_PREFIX_MAX + 1];          /* put before a number without any prefix, national without it */
    char extension[E164_OCTETS_MAX + 1]; /* "+4930123": put before an extension; "": extensions are nobody's number */
    unsigned extension_digits_max;       /* numbers without prefix of up to so many digits are extensions */
};

/* No country; extensions have up to 6 digits. */
void dial_rules_init(struct dial_rules *rules);

/* Sets the country code and the prefixes that are usual there. ERR_SYNTAX unless it is 1 to 3 digits, not beginning with 0. */
int dial_rules_set_country(struct dial_rules *rules, struct slice country);

enum dial_kind {
    DIAL_E164,      /* ret_number is set */
    DIAL_EXTENSION, /* inside the telephone system, and the rules give it no number of its own */
    DIAL_NONE       /* empty, withheld ("anonymous", "unknown"), or no number at all */
};

/* Spaces, dots, dashes, slashes and parentheses are dropped, and a "tel:" or "sip:" address is cut down to its number. */
enum dial_kind dial_normalize(const struct dial_rules *rules, struct slice text, struct e164 *ret_number);

/* Ranges: "+4930123" (one number), "+493012300-+493012399", "+493012300-99" (the last digits), "+4930123*" (all that begin so). */
struct dial_range {
    char low[E164_OCTETS_MAX + 1];
    char high[E164_OCTETS_MAX + 1]; /* as long as low */
    bool prefix;                    /* low is the beginning of the numbers */
};

/* 0 or ERR_SYNTAX (no such text), ERR_RANGE (the end is before the beginning). */
int dial_range_parse(struct slice text, struct dial_range *ret_range);

bool dial_range_holds(const struct dial_range *range, const struct e164 *number);

/* How many numbers it has; 0 for a prefix, whose numbers cannot be told. */
uint64_t dial_range_count(const struct dial_range *range);

/* The number at an index below the count. */
struct e164 dial_range_at(const struct dial_range *range, uint64_t index);

#endif
