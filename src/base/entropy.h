/* The port through which cores get randomness: the kernel's in daemons, a seeded generator in tests and in the simulator. */
#ifndef BASE_ENTROPY_H
#define BASE_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

struct entropy {
    /* Fills all octets; cannot fail (a daemon without randomness ends). */
    void (*fill)(void *ctx, void *octets, size_t n);
    void *ctx;
};

static inline void entropy_fill(const struct entropy *e, void *octets, size_t n)
{
    e->fill(e->ctx, octets, n);
}

uint64_t entropy_u64(const struct entropy *e);

/* Uniform in 0 … bound-1; bound 0 gives 0. */
uint64_t entropy_below(const struct entropy *e, uint64_t bound);

/* Uniform in low … high, both included. */
int64_t entropy_between(const struct entropy *e, int64_t low, int64_t high);

/* A reproducible generator (splitmix64) for tests and simulation: never for secrets. */
struct seeded_entropy {
    uint64_t state;
};
void seeded_entropy_fill(void *seeded, void *octets, size_t n);

static inline struct entropy seeded_entropy_port(struct seeded_entropy *s)
{
    return (struct entropy){seeded_entropy_fill, s};
}

#endif
