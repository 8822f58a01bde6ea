/* The secure sketch of reference time: two sides measured the same instant a second or so apart, and agree on it without telling it.
 *
 * With lattice width R the originator, whose time is v, sends s = v mod R in the clear. The terminator, whose time is w, takes the value
 * congruent to s that is nearest to w: that is v whenever |v - w| < R/2. The secret is the lattice cell of v, of which s says nothing. */
#ifndef PVP_SKETCH_H
#define PVP_SKETCH_H

#include "base/time.h"

/* R, one per ring. */
#define PVP_LATTICE_MS_MIN 1000
#define PVP_LATTICE_MS_MAX 16000
#define PVP_LATTICE_MS_DEFAULT 4000

/* s: 0 … R-1 milliseconds. */
uint32_t pvp_sketch(struct wall v, uint32_t lattice_ms);

/* The value congruent to the sketch that is nearest to our own time; of two equally near ones the earlier. */
struct wall pvp_recover(struct wall own, uint32_t sketch, uint32_t lattice_ms);

/* The cell that a value lies in: the largest n with n * R <= v. */
int64_t pvp_cell(struct wall v, uint32_t lattice_ms);

#endif
