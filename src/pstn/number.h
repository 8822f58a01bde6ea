/* Numbers as people dial them and as a phone network shows them, and whose they are. */
#ifndef PSTN_NUMBER_H
#define PSTN_NUMBER_H

#include "base/e164.h"
#include "base/err.h"
#include "base/slice.h"

/* Where a trunk is: what its numbers without a country or an area mean. */
struct pstn_place {
    const char *country; /* "49", without "+" */
    const char *area;    /* "30", without the leading 0; NULL: numbers without an area are not understood */
};

/* "+4930123", "004930123", "030123", "123" (in Berlin); visual separators are taken away before. False: no number that exists. */
bool pstn_number_read(const struct pstn_place *place, struct slice dialed, struct e164 *ret_number);

/* As a network of that country shows a caller: "030123", or "0033123" for one from elsewhere. Returns text. */
#define PSTN_SHOWN_OCTETS 24
const char *pstn_number_national(const struct pstn_place *place, const struct e164 *number,
                                 char text[PSTN_SHOWN_OCTETS]);

/* A range: "+4930100XXXX" (each X any digit), "+4930200*" (whatever follows), or one number. */
#define PSTN_PATTERN_OCTETS_MAX 20
bool pstn_pattern_is_valid(struct slice pattern);

/* How many of its digits it demands, if the number is in it; else 0. The range that demands most has the number. */
unsigned pstn_pattern_match(const char *pattern, const struct e164 *number);

#endif
