/* Binary heap of deadlines: the node sits in the element that waits. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/time.h"

#include <stddef.h>

struct heap_node {
    struct mono due;
    uint64_t order; /* among equal deadlines, first set is first due: traces are reproducible */
    size_t index;   /* 1-based; 0: not in a heap */
};

struct heap {
    struct heap_node **nodes;
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

/* Unlinks and returns the earliest node if it is due, else NULL. */
struct heap_node *heap_pop_due(struct heap *h, struct mono now);

#endif
