/* An ordered map from numbers (number_key.h) to slots, for millions: a B+ tree. No operation takes longer than a few nodes' worth of work,
 * there is no moment when all of it is moved. Nodes that become empty are freed; others are not merged. Private to the routes. */
#ifndef AGENT_ROUTE_INDEX_H
#define AGENT_ROUTE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent_index_node;

struct agent_index {
    struct agent_index_node *root; /* NULL: empty */
    unsigned height;               /* levels of inner nodes above the leaves */
    size_t n;                      /* keys */
    size_t octets;                 /* of all nodes */
};

void agent_index_init(struct agent_index *x);
void agent_index_fini(struct agent_index *x);

/* The value's place, or NULL. Valid until the next change of keys. */
uint32_t *agent_index_get(const struct agent_index *x, uint64_t key);

/* The place of a new key's value, or of the one that is there already. NULL without memory: then nothing has changed. */
uint32_t *agent_index_put(struct agent_index *x, uint64_t key);

void agent_index_remove(struct agent_index *x, uint64_t key);

/* The first key that is not below `from`. False at the end. */
bool agent_index_seek(const struct agent_index *x, uint64_t from, uint64_t *ret_key, uint32_t *ret_value);

#endif
