/* Allocation, wiping and constant-time comparison. */
#include "base/mem.h"

#include "base/sanitized.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static unsigned long fail_countdown;

static _Bool must_fail(void)
{
    return fail_countdown != 0 && --fail_countdown == 0;
}

void mem_fail_at(unsigned long nth)
{
    fail_countdown = nth;
}

/* ---- blocks that are kept ---- */

/* Messages and calls come and go in blocks of many sizes, more of each than malloc keeps at hand: it would join them with their neighbors, look for the best
 * place for each new one, and so use all of its memory in turn, none of which is in the processor's caches then. So some of them are kept, and what was
 * given back last is handed out first. Each thread has its own. Sanitizers are to see each block come and go.
 *
 * A block that is kept is not looked at: which ones there are is written elsewhere. */
#define SMALL_OCTETS_STEP 32
#define SMALL_OCTETS_MAX 1024
#define SMALL_BLOCKS_MAX 128 /* of a size */
#define MIDDLING_OCTETS_STEP 512
#define MIDDLING_OCTETS_MAX 8192
#define MIDDLING_BLOCKS_MAX 32

#define SMALL_SIZES (SMALL_OCTETS_MAX / SMALL_OCTETS_STEP)
#define MIDDLING_SIZES (MIDDLING_OCTETS_MAX / MIDDLING_OCTETS_STEP)

static _Thread_local struct {
    unsigned n;
    void *blocks[SMALL_BLOCKS_MAX];
} small[SMALL_SIZES + 1]; /* by how many whole steps they have room for */

static _Thread_local struct {
    unsigned n;
    void *blocks[MIDDLING_BLOCKS_MAX];
} middling[MIDDLING_SIZES + 1];

static inline size_t steps_of(size_t octets, size_t step)
{
    return (octets + step - 1) / step;
}

static void *take(size_t octets)
{
    if (SANITIZED || octets > MIDDLING_OCTETS_MAX)
        return malloc(octets ? octets : 1);
    if (octets <= SMALL_OCTETS_MAX) {
        const size_t steps = octets ? steps_of(octets, SMALL_OCTETS_STEP) : 1;
        return small[steps].n ? small[steps].blocks[--small[steps].n] : malloc(steps * SMALL_OCTETS_STEP);
    }
    const size_t steps = steps_of(octets, MIDDLING_OCTETS_STEP);
    return middling[steps].n ? middling[steps].blocks[--middling[steps].n] : malloc(steps * MIDDLING_OCTETS_STEP);
}

static void give_back(void *p)
{
    const size_t octets = p && !SANITIZED ? malloc_usable_size(p) : 0;
    const size_t small_steps = octets / SMALL_OCTETS_STEP, steps = octets / MIDDLING_OCTETS_STEP;
    if (small_steps && small_steps <= SMALL_SIZES && small[small_steps].n < SMALL_BLOCKS_MAX)
        small[small_steps].blocks[small[small_steps].n++] = p;
    else if (small_steps > SMALL_SIZES && steps <= MIDDLING_SIZES && middling[steps].n < MIDDLING_BLOCKS_MAX)
        middling[steps].blocks[middling[steps].n++] = p;
    else
        free(p);
}

/* ---- allocation ---- */

/* glibc's calloc does without the caches that make malloc fast; large blocks come zeroed from the kernel. */
#define ZEROED_BY_KERNEL_OCTETS 65536

void *mem_alloc(size_t octets)
{
    if (must_fail())
        return NULL;
    if (octets >= ZEROED_BY_KERNEL_OCTETS)
        return calloc(1, octets);
    void *p = take(octets);
    return p ? memset(p, 0, octets) : NULL;
}

void *mem_resize(void *p, size_t octets)
{
    if (must_fail())
        return NULL;
    return p ? realloc(p, octets ? octets : 1) : take(octets);
}

void mem_free(void *p)
{
    give_back(p);
}

char *mem_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = mem_alloc(n);
    if (copy)
        memcpy(copy, s, n);
    return copy;
}

void mem_wipe(void *p, size_t octets)
{
    if (octets) /* else there may be no memory at all */
        explicit_bzero(p, octets);
}

_Bool mem_equal_secret(const void *a, const void *b, size_t octets)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < octets; i++)
        difference = (uint8_t)(difference | (x[i] ^ y[i]));
    return difference == 0;
}
