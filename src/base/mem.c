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

/* ---- middling blocks ---- */

/* Messages and calls come and go in blocks that are too large for malloc's own caches: it would look for the best place for each, and so use all of
 * its memory in turn, none of which is in the processor's caches then. So a few of them are kept, and what was given back last is handed out first. Each
 * thread has its own. Sanitizers are to see each block come and go. */
#define KEPT_OCTETS_STEP 512
#define KEPT_STEPS_MIN 2
#define KEPT_STEPS_MAX 16
#define KEPT_BLOCKS_MAX 32 /* of a size */

struct kept {
    struct kept *next;
};

static _Thread_local struct {
    struct kept *first;
    unsigned n;
} kept[KEPT_STEPS_MAX + 1]; /* by how many whole steps they have room for */

static _Bool is_middling(size_t steps)
{
    return !SANITIZED && steps >= KEPT_STEPS_MIN && steps <= KEPT_STEPS_MAX;
}

static void *take(size_t octets)
{
    const size_t steps = (octets + KEPT_OCTETS_STEP - 1) / KEPT_OCTETS_STEP;
    if (!is_middling(steps))
        return malloc(octets ? octets : 1);
    struct kept *k = kept[steps].first;
    if (!k)
        return malloc(steps * KEPT_OCTETS_STEP);
    kept[steps].first = k->next;
    kept[steps].n--;
    return k;
}

static void give_back(void *p)
{
    const size_t steps = p && !SANITIZED ? malloc_usable_size(p) / KEPT_OCTETS_STEP : 0;
    if (!is_middling(steps) || kept[steps].n >= KEPT_BLOCKS_MAX) {
        free(p);
        return;
    }
    struct kept *k = p;
    k->next = kept[steps].first;
    kept[steps].first = k;
    kept[steps].n++;
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
