/* Inside of the module: who may make how many guesses at which record. */
#ifndef PVP_GUARD_H
#define PVP_GUARD_H

#include "pvp/announce.h"
#include "pvp/terminator.h"

/* Who a connection may be: the Node-IDs that announced its address, or a stranger (none). What one of several Node-IDs did, all of
 * them are charged with; what one of them may do, the connection may do. */
struct pvp_prover {
    struct id nodes[PVP_NODES_PER_ADDRESS];
    size_t node_count;
};

static inline bool pvp_prover_is_stranger(const struct pvp_prover *p)
{
    return p->node_count == 0;
}

bool pvp_prover_may_be(const struct pvp_prover *p, const struct id *node_id);

/* The record that a username means, or NULL. Blocks that fell since the window began leave the order as it was, so that the originator's
 * count of tries holds. */
struct pvp_vcr *pvp_guard_pick(const struct pvp_terminator_config *config, const struct pvp_vcr_table *vcrs,
                               const struct pvp_username *u, const struct pvp_prover *prover, struct mono window_since);

/* A handshake begins. False: no guess is left. Otherwise one is taken, until pvp_guard_end. charged: the Node-IDs that it was taken from. */
bool pvp_guard_begin(const struct pvp_terminator_config *config, struct pvp_vcr *v, const struct pvp_prover *prover,
                     struct pvp_prover *ret_charged);

/* It ended: the guess is given back, or lost. Writes (kv_put) what was lost. ret_burnt: the record is burnt by it. */
int pvp_guard_end(const struct pvp_terminator_config *config, struct pvp_vcr_table *vcrs, struct pvp_vcr *v,
                  const struct pvp_prover *charged, struct mono now, bool failed, bool *ret_burnt);

/* The record was proved by this Node-ID: consumed, and its wrong guesses at other calls between the same two numbers are forgiven (one
 * call proves once, so that this cannot be had for nothing). Writes all of it. ERR_NOT_FOUND: another was quicker, or the answer was given often enough. */
int pvp_guard_consume(struct pvp_vcr_table *vcrs, struct pvp_vcr *v, const struct id *prover, bool *ret_repeated);

/* The write of that failed. */
void pvp_guard_unconsume(struct pvp_vcr_table *vcrs, struct pvp_vcr *v, const struct id *prover, bool repeated);

#endif
