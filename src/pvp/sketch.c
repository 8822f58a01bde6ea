/* Residues, nearest congruent values, cells. Division rounds down, so that times before 1970 are no special case. */
#include "pvp/sketch.h"

static int64_t floor_mod(int64_t a, int64_t n)
{
    int64_t r = a % n;
    return r < 0 ? r + n : r;
}

uint32_t pvp_sketch(struct wall v, uint32_t lattice_ms)
{
    return (uint32_t)floor_mod(v.ms, lattice_ms);
}

struct wall pvp_recover(struct wall own, uint32_t sketch, uint32_t lattice_ms)
{
    /* How far our time lies behind the last congruent value, 0 … R-1. */
    int64_t behind = floor_mod(own.ms - (int64_t)sketch, lattice_ms);
    int64_t below = own.ms - behind;
    return (struct wall){2 * behind <= (int64_t)lattice_ms ? below : below + (int64_t)lattice_ms};
}

int64_t pvp_cell(struct wall v, uint32_t lattice_ms)
{
    return (v.ms - floor_mod(v.ms, lattice_ms)) / (int64_t)lattice_ms;
}
