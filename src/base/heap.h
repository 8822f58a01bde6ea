/* Binary heap of deadlines: the node sits in the element that waits. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/time.h"

#include <stddef.h>

struct heap_node {
    struct mono due;
    size_t index; /* 1-based; 0: not in a heap */
};

/* What is compared stands in the heap itself, so that nodes are only touched when they move. */
struct heap_entry {
    struct mono due;
    uint64_t order; /* among equal deadlines, first set is first due: traces are reproducible */
    struct heap_node *node;
};

struct heap {
    struct heap_entry *entries; /* each has up to four children */
    size_t n;
    size_t capacity;
    uint64_t next_order;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h);

/* Adds the node or moves it to another deadline. 0 or ERR_NO_MEMORY (only when it was not in the heap). */
int heap_set(struct heap *h, struct heap_node *node, struct mono due);

/* Harmless when the node is not in the heap. */
void heap_remove(struct heap *h, struct heap_node *node);

/* MONO_NEVER when empty. */
struct mono heap_deadline(const struct heap *h);

/* Whether it waits in this very heap. */
static inline bool heap_has(const struct heap *h, const struct heap_node *node)
{
    return node->index && node->index <= h->n && h->entries[node->index - 1].node == node;
}

/* The earliest node, or NULL. */
static inline struct heap_node *heap_first(const struct heap *h)
{
    return h->n ? h->entries[0].node : NULL;
}

/* Unlinks and returns the earliest node if it is due, else NULL. */
struct heap_node *heap_pop_due(struct heap *h, struct mono now);

#endif
