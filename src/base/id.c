/* Arithmetic on the ring of 128-bit identifiers. */
#include "base/id.h"

#include "base/text.h"

static bool id_all(struct id a, uint8_t octet)
{
    for (size_t i = 0; i < ID_OCTETS; i++)
        if (a.octets[i] != octet)
            return false;
    return true;
}

bool id_is_zero(struct id a)
{
    return id_all(a, 0);
}

bool id_is_wildcard(struct id a)
{
    return id_all(a, 0xff);
}

struct id id_wildcard(void)
{
    struct id a;
    memset(a.octets, 0xff, sizeof a.octets);
    return a;
}

/* Written out for the same reason as id_half: one byte swap and one store. */
static void put_half(uint64_t half, uint8_t octets[8])
{
    octets[0] = (uint8_t)(half >> 56);
    octets[1] = (uint8_t)(half >> 48);
    octets[2] = (uint8_t)(half >> 40);
    octets[3] = (uint8_t)(half >> 32);
    octets[4] = (uint8_t)(half >> 24);
    octets[5] = (uint8_t)(half >> 16);
    octets[6] = (uint8_t)(half >> 8);
    octets[7] = (uint8_t)half;
}

static struct id of_halves(uint64_t high, uint64_t low)
{
    struct id a;
    put_half(high, a.octets);
    put_half(low, a.octets + 8);
    return a;
}

struct id id_add(struct id a, struct id b)
{
    uint64_t low = id_low(a) + id_low(b);
    return of_halves(id_high(a) + id_high(b) + (low < id_low(b)), low);
}

struct id id_sub(struct id a, struct id b)
{
    return of_halves(id_high(a) - id_high(b) - (id_low(a) < id_low(b)), id_low(a) - id_low(b));
}

struct id id_power_of_two(unsigned exponent)
{
    struct id a = {{0}};
    if (exponent < 8 * ID_OCTETS)
        a.octets[ID_OCTETS - 1 - exponent / 8] = (uint8_t)(1u << (exponent % 8));
    return a;
}

bool id_in_open_closed(struct id from, struct id x, struct id to)
{
    if (id_eq(from, to))
        return true;
    struct id reach = id_sub(to, from);
    struct id step = id_sub(x, from);
    return !id_is_zero(step) && id_cmp(step, reach) <= 0;
}

bool id_in_open_open(struct id from, struct id x, struct id to)
{
    return !id_eq(x, to) && !id_eq(x, from) && id_in_open_closed(from, x, to);
}

double id_fraction(struct id a, struct id b)
{
    return (double)id_high(id_sub(b, a)) * 0x1p-64;
}

const char *id_format(struct id a, char *text)
{
    return hex_format(id_slice(&a), text);
}

int id_parse(struct slice text, struct id *ret_id)
{
    struct id a;
    if (text.n != 2 * ID_OCTETS || hex_parse(text, a.octets) < 0)
        return ERR_SYNTAX;
    *ret_id = a;
    return 0;
}
