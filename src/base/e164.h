/* Telephone numbers as this product writes them: "+" and 1 to 15 digits, the first not 0 (ITU-T E.164). */
#ifndef BASE_E164_H
#define BASE_E164_H

#include "base/slice.h"

#define E164_OCTETS_MAX 16 /* "+" and 15 digits, no NUL */

struct e164 {
    char text[E164_OCTETS_MAX + 1]; /* NUL-terminated; "" is "no number" */
};

bool e164_is_valid(struct slice text);

/* False, and the output untouched, if the text is no such number. */
bool e164_parse(struct slice text, struct e164 *ret_number);

static inline struct slice e164_slice(const struct e164 *number)
{
    return slice_str(number->text);
}

#endif
