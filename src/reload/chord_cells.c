/* Cells of the finger table: reload/chord_cells.h. */
#include "reload/chord_cells.h"

#include <math.h>

#define SIZE_DOUBT_BITS 0.4 /* an estimate of log2 N is seldom farther off */
#define PER_TWO_OCTAVES_MIN 3
#define PER_TWO_OCTAVES_MAX 8

static double per_octave(const struct chord_cells *cells)
{
    return cells->per_two_octaves / 2.0;
}

/* The finest cells of which no more than `fingers` fill these octaves. */
static unsigned finest(double octaves, unsigned fingers)
{
    unsigned per_two_octaves = PER_TWO_OCTAVES_MAX;
    while (per_two_octaves > PER_TWO_OCTAVES_MIN && per_two_octaves / 2.0 * octaves > fingers)
        per_two_octaves--;
    return per_two_octaves;
}

void chord_cells_choose(struct chord_cells *cells, double ring_size, unsigned neighbors, unsigned fingers)
{
    double octaves = log2(ring_size / (neighbors + 1));
    if (octaves < 0)
        octaves = 0;
    unsigned least = finest(octaves + SIZE_DOUBT_BITS, fingers), most = finest(octaves - SIZE_DOUBT_BITS, fingers);
    if (!cells->per_two_octaves)
        cells->per_two_octaves = finest(octaves, fingers);
    else if (cells->per_two_octaves < least)
        cells->per_two_octaves = least;
    else if (cells->per_two_octaves > most)
        cells->per_two_octaves = most;
    double count = ceil(octaves * per_octave(cells));
    cells->count = count < CHORD_CELLS_MAX ? (unsigned)count : CHORD_CELLS_MAX;
}

unsigned chord_cells_of(const struct chord_cells *cells, struct id self, struct id node)
{
    double fraction = id_fraction(self, node);
    if (fraction <= 0)
        return CHORD_CELLS_MAX;
    double cell = -log2(fraction) * per_octave(cells);
    return cell < CHORD_CELLS_MAX ? (unsigned)cell : CHORD_CELLS_MAX;
}

struct id chord_cells_place(const struct chord_cells *cells, struct id self, unsigned cell, double part)
{
    double far = exp2(-(double)cell / per_octave(cells)), near = exp2(-(double)(cell + 1) / per_octave(cells));
    double fraction = near + part * (far - near);
    struct id distance = {{0}};
    for (unsigned i = 0; i < 7; i++) { /* 56 bits: all that a double has */
        fraction *= 256;
        distance.octets[i] = fraction < 256 ? (uint8_t)fraction : 255;
        fraction -= distance.octets[i];
    }
    return id_add(self, distance);
}

double chord_cells_population(const struct chord_cells *cells, double ring_size, unsigned cell)
{
    return ring_size * (exp2(-(double)cell / per_octave(cells)) - exp2(-(double)(cell + 1) / per_octave(cells)));
}
