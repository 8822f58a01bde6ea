/* Bump allocation in blocks that grow. */
#include "base/region.h"

#include "base/mem.h"
#include "base/sanitized.h"

#include <stdalign.h>

#define BLOCK_OCTETS_MIN 1024

struct region_block {
    struct region_block *next;
    size_t used;
    size_t capacity;
    alignas(max_align_t) uint8_t octets[];
};

void region_init(struct region *r, size_t limit_octets)
{
    *r = (struct region){.limit = limit_octets};
}

void region_fini(struct region *r)
{
    struct region_block *next;
    for (struct region_block *b = r->blocks; b; b = next) {
        next = b->next;
        mem_free(b);
    }
    *r = (struct region){.limit = r->limit};
}

/* The newest block is the largest. Sanitizers are to find who looks at what was cleared. */
void region_clear(struct region *r)
{
    struct region_block *kept = SANITIZED ? NULL : r->blocks;
    if (kept) {
        r->blocks = kept->next;
        kept->used = 0;
        kept->next = NULL;
    }
    region_fini(r);
    r->blocks = kept;
}

static struct region_block *add_block(struct region *r, size_t capacity)
{
    struct region_block *b = mem_resize(NULL, sizeof *b + capacity); /* zeroed when it is handed out */
    if (!b)
        return NULL;
    b->used = 0;
    b->capacity = capacity;
    b->next = r->blocks;
    r->blocks = b;
    return b;
}

int region_reserve(struct region *r, size_t octets)
{
    const struct region_block *b = r->blocks;
    if (octets > r->limit - r->used)
        return ERR_LIMIT;
    if (b && b->capacity - b->used >= octets)
        return 0;
    return add_block(r, octets) ? 0 : ERR_NO_MEMORY;
}

uint8_t *region_octets(struct region *r, size_t octets)
{
    size_t align = alignof(max_align_t);
    if (octets > r->limit - r->used)
        return NULL;
    size_t need = (octets + align - 1) / align * align;
    if (need < octets)
        return NULL;
    struct region_block *b = r->blocks;
    if (!b || b->capacity - b->used < need) {
        size_t capacity = b ? 2 * b->capacity : BLOCK_OCTETS_MIN;
        if (capacity < need)
            capacity = need;
        b = add_block(r, capacity);
        if (!b)
            return NULL;
    }
    uint8_t *p = b->octets + b->used;
    b->used += need;
    r->used += octets;
    return p;
}

void *region_alloc(struct region *r, size_t octets)
{
    uint8_t *p = region_octets(r, octets);
    return p ? memset(p, 0, octets) : NULL;
}

void *region_array(struct region *r, size_t count, size_t octets)
{
    if (octets && count > SIZE_MAX / octets)
        return NULL;
    return region_alloc(r, count * octets);
}

struct slice region_copy(struct region *r, struct slice s)
{
    uint8_t *p = region_octets(r, s.n);
    if (!p)
        return (struct slice){NULL, 0};
    if (s.n)
        memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

char *region_text(struct region *r, struct slice s)
{
    if (s.n == SIZE_MAX)
        return NULL;
    char *p = (char *)region_octets(r, s.n + 1);
    if (!p)
        return NULL;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}
