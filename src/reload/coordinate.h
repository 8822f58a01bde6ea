/* Network coordinates (Vivaldi, with a height): every peer keeps a point such that the distance of two of them foretells the round trip between
 * their nodes, so that a node that was never spoken to can be judged. Three dimensions for the globe, and a height for the way from the node
 * to the net, which every path goes down and up. Points are moved by measured round trips alone; what others say of themselves is
 * believed as far as it only decides which of several nodes is tried first.
 *
 * On the wire (Updates, see README): x, y, z and height as 16-bit numbers in units of 50 microseconds, the first three signed, and the relative
 * error in 1/254, 255 for a point that is not known. */
#ifndef RELOAD_COORDINATE_H
#define RELOAD_COORDINATE_H

#include "base/buf.h"
#include "base/entropy.h"
#include "base/reader.h"

#define COORDINATE_OCTETS 9

struct coordinate {
    float axis[3]; /* milliseconds, as all of it but the error */
    float height;
    float error; /* of foretold round trips, relative: 0 to 1. Above 1: not known */
};

/* Not known. */
struct coordinate coordinate_unknown(void);

static inline bool coordinate_is_known(const struct coordinate *c)
{
    return c->error <= 1;
}

/* Where a node begins: at the origin, and sure of nothing. */
struct coordinate coordinate_origin(void);

/* The round trip that two known points foretell. */
float coordinate_rtt_ms(const struct coordinate *a, const struct coordinate *b);

/* Moves `self` a step to where the measured round trip to `other` asks it to be; the less it trusts itself and the more the other, the further, but
 * never more than a bounded step. Unknown points and round trips out of all reason move nothing. */
void coordinate_observe(struct coordinate *self, const struct coordinate *other, float rtt_ms,
                        const struct entropy *entropy);

void coordinate_encode(const struct coordinate *c, struct buf *out);

/* Consumes COORDINATE_OCTETS. A point farther away than any on Earth is ERR_RANGE; what the reader then says is its error. */
int coordinate_decode(struct reader *r, struct coordinate *ret_coordinate);

#endif
