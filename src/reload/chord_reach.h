/* Whom the node of a link is linked to, as its Updates tell (RFC 6940 10.7): so a peer looks one hop ahead. Of fifty links that have
 * fifty each, one leads nearer to a place in two hops than the last entry before it does; and among those that lead equally near, some are
 * on the way there and others lie behind an ocean.
 *
 * Hearsay, and old at times: it decides who gets a message, who decides by what it knows itself. */
#ifndef RELOAD_CHORD_REACH_H
#define RELOAD_CHORD_REACH_H

#include "base/id.h"

#define CHORD_REACH_MAX 128 /* of more, the nearest ones on both sides */

/* A node that another one is linked to. */
struct chord_reached {
    uint32_t ahead; /* of the other one, in 2^-32 of the ring */
    uint8_t way;    /* their round trip in units of CHORD_REACH_UNIT_MS */
};

#define CHORD_REACH_UNIT_MS 2

struct chord_reach {
    uint32_t *ahead; /* ascending; owned */
    uint8_t *way;    /* behind it, in the same piece of memory */
    uint8_t count;
    uint8_t successors;   /* the first ones: they stand one behind the other */
    uint8_t predecessors; /* the last ones as well */
};

void chord_reach_fini(struct chord_reach *reach);

/* One entry of an Update of `from`. */
struct chord_reached chord_reached_of(struct id from, struct id node, float round_trip_ms);

/* Takes an Update: `successors` and `predecessors` of the nodes are neighbors, in whatever order all of them stand in the list. Without
 * fingers in it (`full` false) those that were told before are kept. False: no memory, everything is as it was. */
bool chord_reach_learn(struct chord_reach *reach, const struct chord_reached *nodes, size_t count, size_t successors,
                       size_t predecessors, bool full);

/* What a hop is reckoned to take beyond its round trip, so that hops stay few. */
#define CHORD_HOP_MS 100.0f

/* The time that a message is reckoned to take, there and back and hops counted as above, to the owner of a place from the node that
 * this is the reach of; `from` is that node, which stands before the place. */
float chord_reach_ms(const struct chord_reach *reach, struct id from, struct id place, double ring_size);

/* Whether this node is the one that it would go to next, as far as can be told from here. */
bool chord_reach_leads_to(const struct chord_reach *reach, struct id from, struct id place, double ring_size,
                          struct id node);

#endif
