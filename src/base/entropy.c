/* Uniform numbers from the randomness port, and the seeded generator. */
#include "base/entropy.h"

#include <string.h>

uint64_t entropy_u64(const struct entropy *e)
{
    uint64_t v;
    entropy_fill(e, &v, sizeof v);
    return v;
}

uint64_t entropy_below(const struct entropy *e, uint64_t bound)
{
    if (bound == 0)
        return 0;
    /* Values above the largest multiple of the bound are drawn again, so that none is favored. */
    uint64_t excess = (UINT64_MAX % bound + 1) % bound;
    uint64_t v;
    do
        v = entropy_u64(e);
    while (v > UINT64_MAX - excess);
    return v % bound;
}

int64_t entropy_between(const struct entropy *e, int64_t low, int64_t high)
{
    return high <= low ? low : low + (int64_t)entropy_below(e, (uint64_t)(high - low) + 1);
}

void seeded_entropy_fill(void *seeded, void *octets, size_t n)
{
    struct seeded_entropy *s = seeded;
    uint8_t *p = octets;
    while (n) {
        s->state += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = s->state;
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        z ^= z >> 31;
        size_t take = n < sizeof z ? n : sizeof z;
        memcpy(p, &z, take);
        p += take;
        n -= take;
    }
}
