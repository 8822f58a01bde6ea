/* A +E.164 number as one integer whose order is that of the digits: 15 digits, padded with zeros at the end, times 16, plus how many there
 * are. All numbers with the same beginning are one range. */
#ifndef AGENT_NUMBER_KEY_H
#define AGENT_NUMBER_KEY_H

#include "base/e164.h"

#define AGENT_DIGITS_E164 15

/* "+" and digits; empty or no number: 0. */
static inline uint64_t agent_number_key(struct slice number)
{
    uint64_t v = 0;
    size_t n = number.n && number.p[0] == '+' ? number.n - 1 : 0;
    if (!n || n > AGENT_DIGITS_E164)
        return 0;
    for (size_t i = 0; i < AGENT_DIGITS_E164; i++)
        v = 10 * v + (i < n ? (uint64_t)(number.p[i + 1] - '0') : 0);
    return v << 4 | n;
}

static inline struct e164 agent_number_of_key(uint64_t key)
{
    struct e164 number = {{0}};
    size_t n = key & 15;
    uint64_t v = key >> 4;
    for (size_t i = AGENT_DIGITS_E164; i > 0; i--, v /= 10)
        if (i <= n)
            number.text[i] = (char)('0' + v % 10);
    if (n)
        number.text[0] = '+';
    return number;
}

/* The first key behind all numbers that begin like this one. */
static inline uint64_t agent_number_key_end(uint64_t key)
{
    uint64_t step = 16;
    for (size_t n = key & 15; n < AGENT_DIGITS_E164; n++)
        step *= 10;
    return (key & ~UINT64_C(15)) + step;
}

#endif
