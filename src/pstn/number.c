/* Numbers: from what was dialed to +E.164, to what is shown, and which range has them. */
#include "pstn/number.h"

#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 32

static bool is_digits(const char *text)
{
    return text[strspn(text, "0123456789")] == 0;
}

bool pstn_number_read(const struct pstn_place *place, struct slice dialed, struct e164 *ret_number)
{
    char digits[DIGITS_MAX + 1], text[2 * DIGITS_MAX];
    size_t n = 0;
    const bool plus = dialed.n && dialed.p[0] == '+';
    for (size_t i = plus; i < dialed.n; i++) {
        if (memchr("-.() ", dialed.p[i], 5))
            continue;
        if (n == DIGITS_MAX)
            return false;
        digits[n++] = (char)dialed.p[i];
    }
    digits[n] = 0;
    if (!n || !is_digits(digits))
        return false;
    if (plus)
        snprintf(text, sizeof text, "+%s", digits);
    else if (!strncmp(digits, "00", 2))
        snprintf(text, sizeof text, "+%s", digits + 2);
    else if (digits[0] == '0')
        snprintf(text, sizeof text, "+%s%s", place->country, digits + 1);
    else if (place->area)
        snprintf(text, sizeof text, "+%s%s%s", place->country, place->area, digits);
    else
        return false;
    return e164_parse(slice_str(text), ret_number);
}

const char *pstn_number_national(const struct pstn_place *place, const struct e164 *number,
                                 char text[PSTN_SHOWN_OCTETS])
{
    const size_t n = strlen(place->country);
    const char *digits = number->text + 1;
    if (!strncmp(digits, place->country, n))
        snprintf(text, PSTN_SHOWN_OCTETS, "0%s", digits + n);
    else
        snprintf(text, PSTN_SHOWN_OCTETS, "00%s", digits);
    return text;
}

bool pstn_pattern_is_valid(struct slice pattern)
{
    char text[PSTN_PATTERN_OCTETS_MAX + 1];
    if (pattern.n < 2 || pattern.n > PSTN_PATTERN_OCTETS_MAX || pattern.p[0] != '+')
        return false;
    memcpy(text, pattern.p, pattern.n);
    text[pattern.n] = 0;
    const size_t digits = strspn(text + 1, "0123456789");
    const char *rest = text + 1 + digits;
    return digits && (!strcmp(rest, "*") || rest[strspn(rest, "X")] == 0);
}

unsigned pstn_pattern_match(const char *pattern, const struct e164 *number)
{
    const char *digit = number->text;
    const char *p = pattern;
    while (*p && *p == *digit) {
        p++;
        digit++;
    }
    const unsigned demanded = (unsigned)(p - pattern);
    if (*p == '*')
        return demanded;
    while (*p == 'X' && *digit) {
        p++;
        digit++;
    }
    return *p || *digit ? 0 : demanded;
}
