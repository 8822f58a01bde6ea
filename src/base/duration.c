/* Reads and writes durations with units. */
#include "base/duration.h"

#include <stdio.h>

static const struct {
    const char *name;
    int64_t ms;
} units[] = {
    {"y", INT64_C(365) * 86400000}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
enum { UNIT_COUNT = sizeof units / sizeof units[0] };

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* The digits at the start of the text, which moves behind them. */
static int parse_digits(struct slice *text, int64_t *ret_value)
{
    int64_t value = 0;
    size_t i = 0;
    for (; i < text->n && is_digit(text->p[i]); i++) {
        if (value > (INT64_MAX - 9) / 10)
            return ERR_RANGE;
        value = value * 10 + (text->p[i] - '0');
    }
    if (i == 0)
        return ERR_SYNTAX;
    *text = slice_of(text->p + i, text->n - i);
    *ret_value = value;
    return 0;
}

int duration_parse(struct slice text, int64_t *ret_ms)
{
    if (slice_eq_str(text, "0")) {
        *ret_ms = 0;
        return 0;
    }
    int64_t total = 0;
    int next_unit = 0;
    do {
        int64_t value;
        int err = parse_digits(&text, &value);
        if (err)
            return err;
        size_t letters = 0;
        while (letters < text.n && !is_digit(text.p[letters]))
            letters++;
        struct slice name = slice_of(text.p, letters);
        int unit = next_unit;
        while (unit < UNIT_COUNT && !slice_eq_str(name, units[unit].name))
            unit++;
        if (unit == UNIT_COUNT)
            return ERR_SYNTAX;
        if (value > (INT64_MAX - total) / units[unit].ms)
            return ERR_RANGE;
        total += value * units[unit].ms;
        next_unit = unit + 1;
        text = slice_of(text.p + letters, text.n - letters);
    } while (text.n);
    *ret_ms = total;
    return 0;
}

const char *duration_format(int64_t ms, char *text)
{
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    size_t n = 0;
    if (ms < 0)
        text[n++] = '-';
    for (int i = 0; i < UNIT_COUNT; i++) {
        uint64_t count = left / (uint64_t)units[i].ms;
        left %= (uint64_t)units[i].ms;
        if (count)
            n += (size_t)snprintf(text + n, DURATION_TEXT_OCTETS - n, "%llu%s", (unsigned long long)count,
                                  units[i].name);
    }
    if (ms == 0)
        text[n++] = '0';
    text[n] = 0;
    return text;
}
