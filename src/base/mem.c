/* Allocation, wiping and constant-time comparison. */
#include "base/mem.h"

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

/* glibc's calloc does without the caches that make malloc fast; large blocks come zeroed from the kernel. */
#define ZEROED_BY_KERNEL_OCTETS 65536

void *mem_alloc(size_t octets)
{
    if (must_fail())
        return NULL;
    if (octets >= ZEROED_BY_KERNEL_OCTETS)
        return calloc(1, octets);
    void *p = malloc(octets ? octets : 1);
    return p ? memset(p, 0, octets) : NULL;
}

void *mem_resize(void *p, size_t octets)
{
    return must_fail() ? NULL : realloc(p, octets ? octets : 1);
}

void mem_free(void *p)
{
    free(p);
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
