/* Fingers (RFC 6940 10.5, 10.7.4.2, 10.7.4.3): found once after joining, then searched for at random where they are missing. */
#include "reload/peer_internal.h"

#define FINGERS_MAX 128

/* How many fingers are worth having: 16, or what the size of the ring asks for. */
static unsigned wanted_fingers(const struct peer *peer)
{
    unsigned wanted = 1;
    for (double nodes = peer_ring_size(peer); nodes > 1 && wanted < FINGERS_MAX; nodes /= 2)
        wanted++;
    return wanted > peer->options.fingers ? wanted : peer->options.fingers;
}

/* Whether there is no need to ask who is at a place, because it lies among our neighbors. */
static bool is_among_neighbors(const struct peer *peer, struct id place)
{
    size_t n = peer->options.neighbors;
    if (peer->table.n < 2 * n)
        return true; /* all peers of the ring are neighbors */
    return id_in_open_closed(peer->options.self, place, chord_table_successor(&peer->table, n - 1)) ||
           id_in_open_closed(chord_table_predecessor(&peer->table, n - 1), place, peer->options.self);
}

static bool is_missing(const struct peer *peer, unsigned i, struct id *ret_first)
{
    struct id first, last, finger;
    chord_finger_range(peer->options.self, i, &first, &last);
    *ret_first = first;
    return !is_among_neighbors(peer, first) && !chord_table_in_range(&peer->table, first, last, &finger);
}

static void fingers_fill(struct peer *peer, struct now now)
{
    unsigned wanted = wanted_fingers(peer);
    for (unsigned i = 1; i <= wanted; i++) {
        struct id place;
        if (is_missing(peer, i, &place))
            peer_attach_start(peer, now, &(struct route){.id = place}, NULL, NULL);
    }
}

/* Somebody stands where a finger was missing: attach to it if it is in the range. */
static void finger_found(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    (void)ctx;
    struct id node = outcome->responder, place;
    if (outcome->err || peer->state != PEER_JOINED || peer_link_to(peer, node) || peer_attach_pending(peer, node) ||
        id_eq(node, peer->options.self))
        return;
    unsigned wanted = wanted_fingers(peer);
    for (unsigned i = 1; i <= wanted; i++) {
        struct id first, last;
        chord_finger_range(peer->options.self, i, &first, &last);
        bool in_range = id_eq(node, first) || id_in_open_closed(first, node, last);
        if (in_range && is_missing(peer, i, &place))
            peer_attach_start(peer, now, &(struct route){.is_node = true, .id = node}, NULL, NULL);
    }
}

/* A place at random in the range of a finger. */
static struct id random_place(struct peer *peer, unsigned i)
{
    struct id first, last, offset, size = id_power_of_two(128 - i);
    chord_finger_range(peer->options.self, i, &first, &last);
    struct id mask = id_sub(size, id_power_of_two(0));
    entropy_fill(&peer->ports.entropy, offset.octets, sizeof offset.octets);
    for (size_t k = 0; k < ID_OCTETS; k++)
        offset.octets[k] &= mask.octets[k];
    return id_add(first, offset);
}

static void fingers_schedule(struct peer *peer, struct now now)
{
    int64_t interval_ms = (int64_t)peer->config->chord_ping_interval_s * 1000;
    int64_t ms = entropy_between(&peer->ports.entropy, interval_ms * 3 / 4, interval_ms * 5 / 4);
    heap_set(&peer->timers, &peer->finger_timer.node, mono_after_ms(now.mono, ms));
}

/* Alternative 1 of 10.7.4.2: one Ping, for an earlier entry twice as likely as for the next one. */
static void finger_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    (void)timer;
    if (peer->state != PEER_JOINED)
        return;
    if (!peer->fingers_filled) {
        peer->fingers_filled = true;
        fingers_schedule(peer, now);
        fingers_fill(peer, now);
        return;
    }
    fingers_schedule(peer, now);
    unsigned wanted = wanted_fingers(peer);
    for (unsigned i = 1; i <= wanted; i++) {
        struct id place;
        if (!is_missing(peer, i, &place) || entropy_below(&peer->ports.entropy, 2))
            continue;
        struct route route = {.id = random_place(peer, i)};
        struct reload_body body = {.code = RELOAD_PING_REQ};
        peer_transaction_start(peer, now, &route, &body, finger_found, NULL);
        return;
    }
}

/* The first time soon after joining, when the neighbors are known. */
void chord_fingers_start(struct peer *peer, struct now now)
{
    peer->finger_timer.fire = finger_timer_fire;
    peer->fingers_filled = false;
    heap_set(&peer->timers, &peer->finger_timer.node, mono_after_ms(now.mono, FINGERS_AFTER_MS));
}

void chord_fingers_stop(struct peer *peer)
{
    heap_remove(&peer->timers, &peer->finger_timer.node);
}

/* 6.4.2.4, 10.8. */
void chord_route_query_serve(struct peer *peer, struct now now, struct request *request)
{
    const struct reload_route_query_req *query = &request->body.route_query;
    struct reload_body answer = {.code = RELOAD_ROUTE_QUERY_ANS};
    if (!peer_forward_next_hop(peer, &query->destination, &answer.route_query_ans)) {
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_NOT_FOUND, "no way there");
        return;
    }
    peer_answer_body(peer, now, request->reply, &answer);
    if (query->send_update && peer->state == PEER_JOINED && peer_link_to(peer, request->signer->node))
        chord_update_send(peer, now, request->signer->node, RELOAD_CHORD_FULL);
}
