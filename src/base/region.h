/* A region: memory that lives as long as one message or one request and is freed in one go. */
#ifndef BASE_REGION_H
#define BASE_REGION_H

#include "base/err.h"
#include "base/slice.h"

struct region_block;

struct region {
    struct region_block *blocks;
    size_t used;  /* octets handed out */
    size_t limit; /* octets handed out at most */
};

void region_init(struct region *r, size_t limit_octets);
void region_fini(struct region *r);

/* As region_fini, but keeps a block for what comes next: for a region that is emptied again and again. */
void region_clear(struct region *r);

/* Zeroed and aligned for any type; NULL when the limit or the memory is exhausted. */
void *region_alloc(struct region *r, size_t octets);

/* Likewise, but not zeroed: for octets that are written at once. */
uint8_t *region_octets(struct region *r, size_t octets);

/* Gets one block for allocations of so many octets together, alignment included, when the caller knows what is to come; without it, blocks
 * grow by doubling. Changes nothing when that fails: 0, ERR_LIMIT, ERR_NO_MEMORY. */
int region_reserve(struct region *r, size_t octets);

/* An array; NULL also when count * octets overflows. */
void *region_array(struct region *r, size_t count, size_t octets);

/* A copy of the octets; p is NULL when that failed and n was not 0. */
struct slice region_copy(struct region *r, struct slice s);

/* A NUL-terminated copy, or NULL. */
char *region_text(struct region *r, struct slice s);

#endif
