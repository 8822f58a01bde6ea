/* Cells: what a finger may be (RFC 6940 10.7.4.2). The RFC's i'th finger lies between 1/2^i and 1/2^(i-1) of the ring ahead of us. Each such octave is cut
 * into a few cells of equal ratio, and every cell wants one finger, at any place in it. With c cells per octave, greedy routing
 * takes about 0.31 hops per bit of the ring's size at c = 2 and 0.27 at c = 3, and looking ahead (reload/chord_reach.h) a seventh less; it takes c log2 N fingers and as many links from those
 * whose finger we are. So c follows the size of the ring: as many cells as a fixed number of fingers fills. It is at least 1.5, and
 * then each octave still holds a whole cell, so that the RFC's fingers are among ours.
 *
 * Cells are numbered from 0, the far side of the ring, towards us. */
#ifndef RELOAD_CHORD_CELLS_H
#define RELOAD_CHORD_CELLS_H

#include "base/id.h"

#define CHORD_CELLS_MAX 128

struct chord_cells {
    unsigned per_two_octaves; /* 3 to 8; 0: not chosen yet */
    unsigned count;           /* those that lie beyond our neighbors */
};

/* Chooses for a ring of this size, of which we know `neighbors` on each side anyway, so that at most about `fingers` cells are to be filled. What was
 * chosen before stays as long as the estimate of the size may be as far off as estimates are. */
void chord_cells_choose(struct chord_cells *cells, double ring_size, unsigned neighbors, unsigned fingers);

/* The cell in which a node lies. May be count or more: then nobody is wanted there. */
unsigned chord_cells_of(const struct chord_cells *cells, struct id self, struct id node);

/* A place in a cell: at `part` of it, 0 (its near edge) to 1. */
struct id chord_cells_place(const struct chord_cells *cells, struct id self, unsigned cell, double part);

/* How many nodes a cell holds, on average. */
double chord_cells_population(const struct chord_cells *cells, double ring_size, unsigned cell);

#endif
