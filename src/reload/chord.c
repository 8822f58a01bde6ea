/* What a change of the routing table means (RFC 6940 10.7): for the range that we are responsible for, for the copies of its data, for those
 * who have to hear of it. */
#include "reload/peer_internal.h"

const char *peer_state_name(enum peer_state state)
{
    static const char *const names[] = {"idle",   "connecting", "attaching", "joining",
                                        "joined", "leaving",    "left",      "banned"};
    return names[state];
}

size_t chord_neighbor_count(const struct peer *peer)
{
    return peer->table.n < peer->options.neighbors ? peer->table.n : peer->options.neighbors;
}

bool chord_is_neighbor(const struct peer *peer, struct id node)
{
    return chord_table_has(&peer->table, node) &&
           chord_table_would_be_neighbor(&peer->table, node, peer->options.neighbors);
}

size_t chord_replica_holders(const struct peer *peer, struct id *ret_nodes, size_t max)
{
    size_t n = 0;
    for (; n < peer->table.n && n < peer->options.replicas && n < max; n++)
        ret_nodes[n] = chord_table_successor(&peer->table, n);
    return n;
}

bool chord_is_replica_holder(const struct peer *peer, struct id node)
{
    for (size_t i = 0; i < peer->table.n && i < peer->options.replicas; i++)
        if (id_eq(chord_table_successor(&peer->table, i), node))
            return true;
    return false;
}

struct id chord_predecessor(const struct peer *peer)
{
    return peer->table.n ? chord_table_predecessor(&peer->table, 0) : peer->options.self;
}

/* ---- health ---- */

enum peer_health peer_health(const struct peer *peer)
{
    if (peer->state != PEER_JOINED)
        return PEER_RED;
    if (!peer->table.n)
        return peer->options.first ? PEER_GREEN : PEER_YELLOW;
    /* Neighbors that we know of and have no link to yet, or no more. */
    for (size_t i = 0; peer->shunned && i < SHUNNED_MAX; i++)
        if (!id_is_zero(peer->shunned[i].node) && !mono_due(peer->shunned[i].until, peer->now.mono) &&
            chord_table_would_be_neighbor(&peer->table, peer->shunned[i].node, peer->options.neighbors))
            return PEER_YELLOW;
    return PEER_GREEN;
}

void chord_tell_state(struct peer *peer)
{
    enum peer_health health = peer_health(peer);
    if (peer->state == peer->told_state && health == peer->told_health)
        return;
    if (peer->state != peer->told_state)
        /* The steps on the way into the ring are details; being in it, and falling out of it, are not. */
        log_event(peer->ports.log,
                  peer->state == PEER_JOINED                                       ? LEVEL_NOTICE
                  : peer->told_state == PEER_JOINED && peer->state != PEER_LEAVING ? LEVEL_WARNING
                                                                                   : LEVEL_DEBUG,
                  "ring.state", "state=%s was=%s", peer_state_name(peer->state), peer_state_name(peer->told_state));
    peer->told_state = peer->state;
    peer->told_health = health;
    peer_effect_state(peer);
}

void chord_set_state(struct peer *peer, enum peer_state state)
{
    peer->state = state;
    chord_tell_state(peer);
}

/* ---- changes ---- */

struct neighborhood {
    struct id predecessors[PEER_NEIGHBORS_MAX];
    struct id successors[PEER_NEIGHBORS_MAX];
    size_t n;
};

static void neighborhood_of(const struct peer *peer, struct neighborhood *ret_now)
{
    *ret_now = (struct neighborhood){.n = chord_neighbor_count(peer)};
    for (size_t i = 0; i < ret_now->n; i++) {
        ret_now->predecessors[i] = chord_table_predecessor(&peer->table, i);
        ret_now->successors[i] = chord_table_successor(&peer->table, i);
    }
}

static bool is_among(const struct id *nodes, size_t n, struct id node)
{
    for (size_t i = 0; i < n; i++)
        if (id_eq(nodes[i], node))
            return true;
    return false;
}

/* Our range was (before, self] and is (after, self]. */
static void range_changed(struct peer *peer, struct now now, struct id before, struct id after, bool handed_over,
                          int64_t delay_ms)
{
    struct id self = peer->options.self;
    bool smaller = id_eq(before, self) || id_in_open_open(before, after, self);
    if (smaller) {
        if (!handed_over)
            chord_handover(peer, now, before);
        return;
    }
    /* What was a copy for the failed predecessor is ours now, and wants as many copies as before. */
    struct id holders[PEER_NEIGHBORS_MAX];
    size_t n = chord_replica_holders(peer, holders, PEER_NEIGHBORS_MAX);
    for (size_t i = 0; i < n; i++)
        peer_transfer_start(peer, now, TRANSFER_REPLICA, holders[i], after, before, (uint8_t)(i + 1), delay_ms, NULL,
                            NULL);
}

/* To all of those that get copies. */
static void copy_own_range(struct peer *peer, struct now now, int64_t delay_ms)
{
    struct id holders[PEER_NEIGHBORS_MAX], any;
    size_t n = chord_replica_holders(peer, holders, PEER_NEIGHBORS_MAX);
    struct id predecessor = chord_predecessor(peer);
    if (!storage_first_resource(peer->ports.storage, predecessor, peer->options.self, &any))
        return;
    for (size_t i = 0; i < n; i++)
        peer_transfer_start(peer, now, TRANSFER_REPLICA, holders[i], predecessor, peer->options.self, (uint8_t)(i + 1),
                            delay_ms, NULL, NULL);
}

void chord_copies_check(struct peer *peer, struct now now)
{
    if (peer->state == PEER_JOINED && peer_transfers_idle(peer))
        copy_own_range(peer, now, 0);
}

static void replicas_changed(struct peer *peer, struct now now, const struct neighborhood *before, int64_t delay_ms)
{
    struct id holders[PEER_NEIGHBORS_MAX];
    size_t n = chord_replica_holders(peer, holders, PEER_NEIGHBORS_MAX);
    size_t had = before->n < peer->options.replicas ? before->n : peer->options.replicas;
    struct id predecessor = chord_predecessor(peer);
    for (size_t i = 0; i < n; i++)
        if (!is_among(before->successors, had, holders[i]))
            peer_transfer_start(peer, now, TRANSFER_REPLICA, holders[i], predecessor, peer->options.self,
                                (uint8_t)(i + 1), delay_ms, NULL, NULL);
}

/* `before` is the neighborhood as it was. */
static void changed(struct peer *peer, struct now now, const struct neighborhood *before, bool failed, bool handed_over)
{
    struct neighborhood after;
    neighborhood_of(peer, &after);
    if (memcmp(before, &after, sizeof after) == 0)
        return;
    peer->neighbors_changed = now.mono;
    for (size_t i = 0; i < after.n; i++) {
        struct link *succ = peer_link_to(peer, after.successors[i]), *pred = peer_link_to(peer, after.predecessors[i]);
        if (succ)
            peer_link_schedule(peer, succ); /* a neighbor is watched more closely */
        if (pred)
            peer_link_schedule(peer, pred);
    }
    if (peer->state != PEER_JOINED) {
        chord_tell_state(peer);
        return;
    }
    if (!after.n) {
        chord_join_again(peer, now);
        return;
    }
    struct id self = peer->options.self;
    struct id range_before = before->n ? before->predecessors[0] : self;
    bool range = !id_eq(range_before, after.predecessors[0]);
    int64_t delay_ms = failed ? peer->options.replacement_hold_down_ms : 0;
    if (range)
        range_changed(peer, now, range_before, after.predecessors[0], handed_over, delay_ms);
    replicas_changed(peer, now, before, delay_ms);
    if (range || peer->config->chord_reactive)
        chord_update_soon(peer, now);
    chord_tell_state(peer);
}

void chord_node_ready(struct peer *peer, struct now now, struct id node, bool handed_over)
{
    struct neighborhood before;
    neighborhood_of(peer, &before);
    int err = chord_table_add(&peer->table, node);
    if (err == ERR_NO_MEMORY)
        peer->counters.memory_refused++;
    if (err)
        return;
    chord_table_grew(peer, node);
    changed(peer, now, &before, false, handed_over);
}

/* It may be the link alone that failed (10.7.1). The way there is that of the place next to it: ours may include the place itself now. */
static void reconnect(struct peer *peer, struct now now, struct id node)
{
    struct route route = {.is_node = true, .id = node, .has_via = true};
    if (peer_link_to(peer, node) || peer_attach_pending(peer, node) || config_is_bad_node(peer->config, node))
        return;
    if (chord_table_next_hop(&peer->table, node, &route.via))
        peer_attach_start(peer, now, &route, NULL, NULL);
}

void chord_node_lost(struct peer *peer, struct now now, struct id node, bool failed)
{
    struct neighborhood before;
    bool neighbor = chord_is_neighbor(peer, node);
    neighborhood_of(peer, &before);
    if (!chord_table_remove(&peer->table, node))
        return;
    if (failed && neighbor)
        peer->counters.neighbors_failed++;
    changed(peer, now, &before, failed, false);
    if (failed && neighbor && peer->state == PEER_JOINED)
        reconnect(peer, now, node);
}

void chord_became_member(struct peer *peer, struct now now)
{
    chord_join_stop(peer);
    chord_set_state(peer, PEER_JOINED);
    /* What our disk has kept may be more than what the others have. */
    copy_own_range(peer, now, 0);
    chord_handover(peer, now, peer->options.self);
    chord_updates_send_all(peer, now);
    chord_stabilize_start(peer, now);
    chord_fingers_start(peer, now);
    chord_partition_start(peer, now);
}

/* ---- what storage asks (7.4.1.1) ---- */

static bool duty_responsible(void *ctx, struct id resource)
{
    return peer_forward_is_ours(ctx, resource);
}

/* A copy is welcome from who may send it as far as we can see: the admitting peer while we join; a neighbor that stands between the place and
 * us, if we are one of the successors that get copies. What is ours may come from anybody who was responsible for it in another part of the ring: it is verified, and neither
 * older than what we have nor longer to live than its signer could have asked for. */
static bool duty_replica(void *ctx, struct id resource, struct id sender)
{
    const struct peer *peer = ctx;
    if (peer->state == PEER_JOINING)
        return chord_join_is_admitting(peer, sender);
    if (peer->state != PEER_JOINED && peer->state != PEER_LEAVING)
        return false;
    size_t steps = chord_table_steps_behind(&peer->table, resource);
    struct id before = id_sub(resource, id_power_of_two(0));
    return steps == 0 || (steps <= peer->options.replicas && chord_is_neighbor(peer, sender) &&
                          id_in_open_open(before, sender, peer->options.self));
}

static size_t duty_replicas(void *ctx, struct id resource, struct id *ret_nodes, size_t max)
{
    (void)resource;
    return chord_replica_holders(ctx, ret_nodes, max);
}

void chord_take_duty(struct peer *peer)
{
    struct storage_duty duty = {duty_responsible, duty_replica, duty_replicas, peer};
    storage_set_duty(peer->ports.storage, &duty);
}
