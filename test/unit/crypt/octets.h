/* Hexadecimal octets in tests. */
#ifndef TEST_CRYPT_OCTETS_H
#define TEST_CRYPT_OCTETS_H

#include "base/text.h"
#include "testing.h"

struct octets {
    uint8_t p[512];
    size_t n;
};

static inline struct octets unhex(const char *hex)
{
    struct octets o = {.n = strlen(hex) / 2};
    assert_true(o.n <= sizeof o.p);
    assert_int_equal(hex_parse(slice_str(hex), o.p), 0);
    return o;
}

/* The octet repeated. */
static inline struct octets repeat(uint8_t octet, size_t n)
{
    struct octets o = {.n = n};
    assert_true(n <= sizeof o.p);
    memset(o.p, octet, n);
    return o;
}

/* first, first + 1, … last. */
static inline struct octets count_up(uint8_t first, uint8_t last)
{
    struct octets o = {.n = (size_t)(last - first) + 1};
    for (size_t i = 0; i < o.n; i++)
        o.p[i] = (uint8_t)(first + i);
    return o;
}

#define OCTETS(o) slice_of((o).p, (o).n)

#define assert_hex(octets, hex)                                \
    do {                                                       \
        char text_[2 * sizeof(octets) + 1];                    \
        hex_format(slice_of((octets), sizeof(octets)), text_); \
        assert_string_equal(text_, hex);                       \
    } while (0)

#endif
