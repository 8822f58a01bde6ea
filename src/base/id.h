/* 128-bit identifiers on a ring: Node-IDs and Resource-IDs (RFC 6940 section 3.1, 10.1), big-endian. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/err.h"
#include "base/slice.h"

#define ID_OCTETS 16
#define ID_HEX_OCTETS 33 /* with the NUL */

struct id {
    uint8_t octets[ID_OCTETS];
};

/* As two numbers, for arithmetic: written so that compilers see one load and one byte swap each. */
static inline uint64_t id_half(const uint8_t octets[8])
{
    return (uint64_t)octets[0] << 56 | (uint64_t)octets[1] << 48 | (uint64_t)octets[2] << 40 |
           (uint64_t)octets[3] << 32 | (uint64_t)octets[4] << 24 | (uint64_t)octets[5] << 16 |
           (uint64_t)octets[6] << 8 | octets[7];
}

static inline uint64_t id_high(struct id a)
{
    return id_half(a.octets);
}

static inline uint64_t id_low(struct id a)
{
    return id_half(a.octets + 8);
}

static inline int id_cmp(struct id a, struct id b)
{
    uint64_t x = id_high(a), y = id_high(b);
    if (x == y) {
        x = id_low(a);
        y = id_low(b);
    }
    return (x > y) - (x < y);
}

static inline bool id_eq(struct id a, struct id b)
{
    return memcmp(a.octets, b.octets, ID_OCTETS) == 0;
}

static inline struct slice id_slice(const struct id *a)
{
    return slice_of(a->octets, ID_OCTETS);
}

/* All zeros: the invalid Node-ID (RFC 6940 section 11.4: 0 is never assigned). All ones is the wildcard. */
bool id_is_zero(struct id a);
bool id_is_wildcard(struct id a);
struct id id_wildcard(void);

/* Arithmetic modulo 2^128. */
struct id id_add(struct id a, struct id b);
struct id id_sub(struct id a, struct id b);
struct id id_power_of_two(unsigned exponent);

/* True if walking up from `from` (not included) meets x no later than `to` (included). from == to means the whole ring. */
bool id_in_open_closed(struct id from, struct id x, struct id to);

/* The same with `to` not included. from == to means all but that one. */
bool id_in_open_open(struct id from, struct id x, struct id to);

/* The distance a → b as a fraction of the ring, 0 … 1. */
double id_fraction(struct id a, struct id b);

/* 32 lower-case hexadecimal digits, always terminated; the text has ID_HEX_OCTETS octets. Returns text. */
const char *id_format(struct id a, char *text);

/* 32 hexadecimal digits of either case. 0 or ERR_SYNTAX. */
int id_parse(struct slice text, struct id *ret_id);

#endif
