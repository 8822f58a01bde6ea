/* The one place that allocates. A limit in octets and a failure on the Nth call can be set, for tests and for a bounded process.
 * Every other module calls these and never malloc (lint-layers checks it). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Zeroed memory, or NULL. A size of 0 gives a valid pointer. */
void *mem_alloc(size_t octets);

/* As realloc; what is added is not zeroed. On failure the old block is untouched. */
void *mem_resize(void *p, size_t octets);

/* NULL is allowed. */
void mem_free(void *p);

/* A NUL-terminated copy, or NULL. Free with mem_free. */
char *mem_strdup(const char *s);

/* Overwrites a secret in a way that the compiler keeps. */
void mem_wipe(void *p, size_t octets);

/* True if both hold the same octets; takes the same time wherever they differ. */
_Bool mem_equal_secret(const void *a, const void *b, size_t octets);

/* For tests: the Nth allocation from now on fails (1 = the next one); 0 turns it off. */
void mem_fail_at(unsigned long nth);

#endif
