/* Updates (RFC 6940 10.7): telling others of our neighbors, learning ours from theirs, and doing so periodically (10.7.4.1). */
#include "reload/peer_internal.h"

#define FINGERS_IN_UPDATE_MAX 128

static void ignore_answer(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    (void)peer, (void)now, (void)ctx, (void)outcome; /* the next Update will tell as much */
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
    if (type == RELOAD_CHORD_FULL) {
        struct link *link = peer_link_to(peer, node);
        body.update_req.fingers = (struct reload_ids){fingers, chord_fingers(peer, fingers, FINGERS_IN_UPDATE_MAX)};
        if (link)
            link->shown = peer->table_additions;
    }
    struct route route = {.is_node = true, .id = node};
    struct buf coordinates;
    buf_init(&coordinates, (2 * PEER_NEIGHBORS_MAX + FINGERS_IN_UPDATE_MAX + 1) * COORDINATE_OCTETS);
    chord_coordinates_encode(peer, &body.update_req, &coordinates);
    struct reload_extension extension = {.type = EXTENSION_COORDINATES, .contents = buf_slice(&coordinates)};
    if (peer_transaction_start_extended(peer, now, &route, &body, &extension, ignore_answer, NULL) == 0)
        peer->counters.updates_sent++;
    buf_fini(&coordinates);
}

enum whom { TO_ALL, TO_NEIGHBORS, TO_DUE };

static bool is_meant(const struct peer *peer, const struct link *link, enum whom whom)
{
    return whom == TO_ALL || (whom == TO_DUE ? link->update_due : chord_is_neighbor(peer, link->node));
}

/* A link may close meanwhile, so by Node-ID. */
static void send_to_links(struct peer *peer, struct now now, enum whom whom)
{
    struct id nodes[64];
    struct id after = {{0}};
    size_t n;
    chord_coordinates_settle(peer);
    do {
        n = 0;
        for (size_t i = 0; i < peer->by_node_count && n < 64; i++)
            if (id_cmp(peer->by_node[i]->node, after) > 0)
                nodes[n++] = peer->by_node[i]->node;
        for (size_t i = 0; i < n; i++) {
            struct link *link = peer_link_to(peer, nodes[i]);
            if (!link || !is_meant(peer, link, whom))
                continue;
            link->update_due = false;
            chord_update_send(peer, now, nodes[i], RELOAD_CHORD_NEIGHBORS);
        }
        if (n)
            after = nodes[n - 1];
    } while (n == 64);
}

void chord_updates_send_all(struct peer *peer, struct now now)
{
    heap_remove(&peer->timers, &peer->update_timer.node);
    send_to_links(peer, now, TO_ALL);
}

void chord_updates_send_neighbors(struct peer *peer, struct now now)
{
    heap_remove(&peer->timers, &peer->update_timer.node);
    send_to_links(peer, now, TO_NEIGHBORS);
}

static void update_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    (void)timer;
    if (peer->state != PEER_JOINED)
        return;
    peer->updates_sent = now.mono;
    send_to_links(peer, now, TO_DUE);
}

/* Changes of one moment go out as one, and those of a wave once in a while. To the neighbors alone: all entries of the Connection Table, as 10.7.3
 * has it, would be many more, and a finger does nothing with the news (README). */
void chord_update_soon(struct peer *peer, struct now now)
{
    for (size_t i = 0; i < peer->by_node_count; i++)
        if (chord_is_neighbor(peer, peer->by_node[i]->node))
            peer->by_node[i]->update_due = true;
    peer->update_timer.fire = update_timer_fire;
    struct mono due = mono_after_ms(now.mono, UPDATE_DELAY_MS);
    if (peer->updates_sent.us)
        due = mono_max(due, mono_after_ms(peer->updates_sent, UPDATE_PAUSE_MS));
    if (!peer->update_timer.node.index)
        heap_set(&peer->timers, &peer->update_timer.node, due);
}

static bool lists(const struct reload_update_req *update, struct id node)
{
    for (size_t i = 0; i < update->predecessors.count; i++)
        if (id_eq(update->predecessors.items[i], node))
            return true;
    for (size_t i = 0; i < update->successors.count; i++)
        if (id_eq(update->successors.items[i], node))
            return true;
    return false;
}

/* A peer that is new to us has sent its own Update to all whom it lists: they need not hear of it from us. Nor need those who are too far from
 * it to be its neighbors. */
static void settle_news(struct peer *peer, struct id newcomer, const struct reload_update_req *update)
{
    bool any = false;
    for (size_t i = 0; i < peer->by_node_count; i++) {
        struct link *link = peer->by_node[i];
        if (!link->update_due)
            continue;
        if (id_eq(link->node, newcomer) || lists(update, link->node) ||
            chord_table_between(&peer->table, link->node, newcomer) >= peer->options.neighbors)
            link->update_due = false;
        any |= link->update_due;
    }
    if (!any)
        heap_remove(&peer->timers, &peer->update_timer.node);
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
    chord_coordinates_learn(peer, now, link, request);
    bool new_here = !chord_table_has(&peer->table, node), news_waited = peer->update_timer.node.index != 0;
    if (!link->suspect)
        chord_node_ready(peer, now, node, false);
    if (new_here && !news_waited)
        settle_news(peer, node, update);
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
    send_to_links(peer, now, TO_NEIGHBORS);
    chord_handover_drop(peer, now); /* first: the check begins transfers, and nothing is dropped while there are any */
    chord_copies_check(peer, now);
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
