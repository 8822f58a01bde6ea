/* Updates (RFC 6940 10.7): telling others of our neighbors, learning ours from theirs, and doing so periodically (10.7.4.1). */
#include "reload/peer_internal.h"

#define FINGERS_IN_UPDATE_MAX 128

static void ignore_answer(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    (void)peer, (void)now, (void)ctx, (void)outcome; /* the next Update will tell as much */
}

/* All peers in the table that are no neighbors, in numerical order. Returns how many. */
size_t chord_fingers(const struct peer *peer, struct id *ret_fingers, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < peer->by_node_count && n < max; i++) {
        struct id node = peer->by_node[i]->node;
        if (chord_table_has(&peer->table, node) && !chord_is_neighbor(peer, node))
            ret_fingers[n++] = node;
    }
    return n;
}

void chord_update_send(struct peer *peer, struct now now, struct id node, enum reload_chord_update_type type)
{
    struct id predecessors[PEER_NEIGHBORS_MAX], successors[PEER_NEIGHBORS_MAX], fingers[FINGERS_IN_UPDATE_MAX];
    size_t n = chord_neighbor_count(peer);
    for (size_t i = 0; i < n; i++) {
        predecessors[i] = chord_table_predecessor(&peer->table, i);
        successors[i] = chord_table_successor(&peer->table, i);
    }
    struct reload_body body = {.code = RELOAD_UPDATE_REQ};
    body.update_req.uptime_s = peer_uptime_s(peer, now);
    body.update_req.type = (uint8_t)type;
    if (type != RELOAD_CHORD_PEER_READY) {
        body.update_req.predecessors = (struct reload_ids){predecessors, n};
        body.update_req.successors = (struct reload_ids){successors, n};
    }
    if (type == RELOAD_CHORD_FULL)
        body.update_req.fingers = (struct reload_ids){fingers, chord_fingers(peer, fingers, FINGERS_IN_UPDATE_MAX)};
    struct route route = {.is_node = true, .id = node};
    if (peer_transaction_start(peer, now, &route, &body, ignore_answer, NULL) == 0)
        peer->counters.updates_sent++;
}

/* A link may close meanwhile, so by Node-ID. */
static void send_to_links(struct peer *peer, struct now now, bool neighbors_only)
{
    struct id nodes[64];
    struct id after = {{0}};
    size_t n;
    do {
        n = 0;
        for (size_t i = 0; i < peer->by_node_count && n < 64; i++)
            if (id_cmp(peer->by_node[i]->node, after) > 0)
                nodes[n++] = peer->by_node[i]->node;
        for (size_t i = 0; i < n; i++)
            if (!neighbors_only || chord_is_neighbor(peer, nodes[i]))
                chord_update_send(peer, now, nodes[i], RELOAD_CHORD_NEIGHBORS);
        if (n)
            after = nodes[n - 1];
    } while (n == 64);
}

void chord_updates_send_all(struct peer *peer, struct now now)
{
    heap_remove(&peer->timers, &peer->update_timer.node);
    send_to_links(peer, now, false);
}

static void update_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    (void)timer;
    if (peer->state == PEER_JOINED)
        chord_updates_send_all(peer, now);
}

/* To all entries of the Connection Table (10.7.3); changes of one moment go out as one. */
void chord_update_soon(struct peer *peer, struct now now)
{
    peer->update_timer.fire = update_timer_fire;
    if (!peer->update_timer.node.index)
        heap_set(&peer->timers, &peer->update_timer.node, mono_after_ms(now.mono, UPDATE_DELAY_MS));
}

void chord_update_learn(struct peer *peer, struct now now, struct id from, const struct reload_ids *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        struct id node = nodes->items[i];
        if (id_is_zero(node) || id_is_wildcard(node) || id_eq(node, peer->options.self))
            continue;
        if (!chord_table_would_be_neighbor(&peer->table, node, peer->options.neighbors))
            continue;
        if (peer_link_to(peer, node) || peer_link_connecting(peer, node) || peer_attach_pending(peer, node) ||
            peer_node_is_shunned(peer, now, node) || config_is_bad_node(peer->config, node))
            continue;
        /* Source-routed through who told us of it (10.6). */
        struct route route = {.is_node = true, .id = node, .has_via = peer_link_to(peer, from) != NULL, .via = from};
        peer_attach_start(peer, now, &route, NULL, NULL);
    }
}

void chord_update_serve(struct peer *peer, struct now now, struct request *request)
{
    const struct reload_update_req *update = &request->body.update_req;
    struct id node = request->signer->node;
    struct link *link = request->direct ? peer_link_to(peer, node) : NULL;
    if (!link) {
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_FORBIDDEN, "an Update comes from a direct neighbor");
        return;
    }
    peer->counters.updates_received++;
    peer_answer_body(peer, now, request->reply, &(struct reload_body){.code = RELOAD_UPDATE_ANS});
    if ((link = peer_link_to(peer, node)) == NULL)
        return;
    link->member = true;
    if (!link->suspect)
        chord_node_ready(peer, now, node, false);
    if (peer->state == PEER_JOINED) {
        chord_update_learn(peer, now, node, &update->predecessors);
        chord_update_learn(peer, now, node, &update->successors);
        chord_update_learn(peer, now, node, &update->fingers);
    } else {
        chord_join_update(peer, now, node, update);
    }
}

/* ---- repair ---- */

/* A neighbor that we were told of could not be reached. If it exists, those next to us go on knowing it: they are asked again. */
static void repair_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    (void)timer;
    if (peer->state != PEER_JOINED || !peer->table.n)
        return;
    struct id asked[2] = {chord_table_successor(&peer->table, 0), chord_table_predecessor(&peer->table, 0)};
    for (size_t i = 0; i < (id_eq(asked[0], asked[1]) ? 1 : 2); i++) {
        struct route route = {.is_node = true, .id = asked[i]};
        struct reload_body body = {.code = RELOAD_ROUTE_QUERY_REQ};
        body.route_query.send_update = true;
        body.route_query.destination = reload_destination_node(peer->options.self);
        peer_transaction_start(peer, now, &route, &body, ignore_answer, NULL);
    }
}

void chord_repair_later(struct peer *peer, struct now now, struct id node)
{
    if (!chord_table_would_be_neighbor(&peer->table, node, peer->options.neighbors))
        return;
    peer->repair_timer.fire = repair_timer_fire;
    if (!peer->repair_timer.node.index)
        heap_set(&peer->timers, &peer->repair_timer.node, mono_after_ms(now.mono, SHUN_MS + 1));
}

/* ---- periodically ---- */

static void stabilize_schedule(struct peer *peer, struct now now)
{
    int64_t interval_ms = (int64_t)peer->config->chord_update_interval_s * 1000;
    int64_t ms = entropy_between(&peer->ports.entropy, interval_ms * 3 / 4, interval_ms * 5 / 4);
    heap_set(&peer->timers, &peer->stabilize_timer.node, mono_after_ms(now.mono, ms));
}

static void stabilize_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    (void)timer;
    if (peer->state != PEER_JOINED)
        return;
    stabilize_schedule(peer, now);
    send_to_links(peer, now, true);
    chord_handover_drop(peer, now);
}

void chord_stabilize_start(struct peer *peer, struct now now)
{
    peer->stabilize_timer.fire = stabilize_timer_fire;
    stabilize_schedule(peer, now);
}

void chord_stabilize_stop(struct peer *peer)
{
    heap_remove(&peer->timers, &peer->stabilize_timer.node);
    heap_remove(&peer->timers, &peer->update_timer.node);
    heap_remove(&peer->timers, &peer->repair_timer.node);
}
