/* Ranges of numbers. */
#include "base/text.h"
#include "cdr/dial.h"

#include <stdio.h>

static uint64_t digits_of(const char *number)
{
    uint64_t v = 0;
    u64_parse(slice_str(number + 1), UINT64_MAX, &v);
    return v;
}

/* The end of "+A-+B" or "+A-B", where B are the last digits of A's own length. */
static int parse_high(struct slice text, struct dial_range *r)
{
    size_t n = strlen(r->low);
    uint64_t ignored;
    if (text.n && text.p[0] == '+') {
        if (text.n != n || !e164_is_valid(text))
            return ERR_SYNTAX;
        snprintf(r->high, sizeof r->high, "%.*s", SLICE_PRINT(text));
    } else {
        if (text.n >= n || u64_parse(text, UINT64_MAX, &ignored) < 0)
            return ERR_SYNTAX;
        snprintf(r->high, sizeof r->high, "%.*s%.*s", (int)(n - text.n), r->low, SLICE_PRINT(text));
    }
    return strcmp(r->high, r->low) < 0 ? ERR_RANGE : 0;
}

int dial_range_parse(struct slice text, struct dial_range *ret_range)
{
    struct dial_range r = {0};
    struct slice rest = text_trim(text);
    if (rest.n && rest.p[rest.n - 1] == '*') {
        r.prefix = true;
        rest.n--;
    }
    struct slice low = r.prefix ? rest : text_trim(text_cut(&rest, '-'));
    if (!e164_is_valid(low))
        return ERR_SYNTAX;
    snprintf(r.low, sizeof r.low, "%.*s", SLICE_PRINT(low));
    memcpy(r.high, r.low, sizeof r.high);
    if (!r.prefix && rest.p) {
        int err = parse_high(text_trim(rest), &r);
        if (err)
            return err;
    }
    *ret_range = r;
    return 0;
}

bool dial_range_holds(const struct dial_range *range, const struct e164 *number)
{
    size_t n = strlen(range->low);
    if (range->prefix)
        return strncmp(number->text, range->low, n) == 0;
    return strlen(number->text) == n && strcmp(number->text, range->low) >= 0 && strcmp(number->text, range->high) <= 0;
}

uint64_t dial_range_count(const struct dial_range *range)
{
    return range->prefix ? 0 : digits_of(range->high) - digits_of(range->low) + 1;
}

struct e164 dial_range_at(const struct dial_range *range, uint64_t index)
{
    struct e164 number;
    snprintf(number.text, sizeof number.text, "+%llu", (unsigned long long)(digits_of(range->low) + index));
    return number;
}
