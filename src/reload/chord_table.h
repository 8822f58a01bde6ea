/* The routing table of a peer (RFC 6940 10.1, 10.3): the peers that it may route through, sorted as met when walking up the ring from
 * here. Neighbor table and finger table are views of it: the successors are its first entries, the predecessors its last ones, a finger
 * is an entry in the finger's range. So a failed neighbor is replaced by the best match by just being removed (10.7.1). */
#ifndef RELOAD_CHORD_TABLE_H
#define RELOAD_CHORD_TABLE_H

#include "base/id.h"

struct chord_table {
    struct id self;
    struct id *nodes; /* ascending by (node - self) mod 2^128; owned */
    size_t n;
    size_t capacity;
};

/* Allocates nothing yet. */
void chord_table_init(struct chord_table *table, struct id self);
void chord_table_fini(struct chord_table *table);

/* 0, ERR_EXISTS (also for self) or ERR_NO_MEMORY. */
int chord_table_add(struct chord_table *table, struct id node);

/* False if it was not there. */
bool chord_table_remove(struct chord_table *table, struct id node);
bool chord_table_has(const struct chord_table *table, struct id node);

/* The i-th successor or predecessor from 0. The caller checks i < n. */
static inline struct id chord_table_successor(const struct chord_table *table, size_t i)
{
    return table->nodes[i];
}

static inline struct id chord_table_predecessor(const struct chord_table *table, size_t i)
{
    return table->nodes[table->n - 1 - i];
}

/* Where the message for this place goes next: the last entry not behind it, else the first one (10.3). False if the table is empty. */
bool chord_table_next_hop(const struct chord_table *table, struct id place, struct id *ret_node);

/* How many entries stand before a place or at it: the first ones of the table. */
size_t chord_table_before(const struct chord_table *table, struct id place);

/* The first entry at or behind a place. False: that is self, or the table is empty. */
bool chord_table_at_or_behind(const struct chord_table *table, struct id place, struct id *ret_node);

/* The entry nearest to, and not before, the start of a range of the ring (both ends included) that lies in it. False if there is none. */
bool chord_table_in_range(const struct chord_table *table, struct id first, struct id last, struct id *ret_node);

/* The peer that is responsible for a place as far as this table knows, self included. */
struct id chord_table_responsible(const struct chord_table *table, struct id place);

/* How many peers stand between the one responsible for the place and self: 0 if that is self itself, 1 if it is the predecessor … */
size_t chord_table_steps_behind(const struct chord_table *table, struct id place);

/* How many entries stand between two of them, on the shorter way over self (self is one of them) or beside it. */
size_t chord_table_between(const struct chord_table *table, struct id a, struct id b);

/* Whether a node is, or would be once known, among the `wanted` nearest on one of the sides. */
bool chord_table_would_be_neighbor(const struct chord_table *table, struct id node, size_t wanted);

/* The range of the finger i, from 1: self + 2^(128-i) … self + 2^(129-i) - 1 (10.7.4.2). */
void chord_finger_range(struct id self, unsigned i, struct id *ret_first, struct id *ret_last);

/* Number of nodes in the ring, guessed from how dense the `wanted` nearest on each side lie; at least n + 1 when all are known. */
double chord_table_ring_size(const struct chord_table *table, size_t wanted);

#endif
