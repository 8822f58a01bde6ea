/* Joining the ring (RFC 6940 10.5): the admitting peer, our neighbors-to-be, Join, data, and the Update that names us. How a way into the ring
 * is found is chord_bootstrap.c's. Every step has a time after which it all begins anew, later and later. */
#include "reload/peer_internal.h"

#define JOIN_ASK_MS 6000        /* an answer from who has not said that it is a member: two transmissions */
#define JOIN_NEIGHBORS_MS 6000  /* for attaching to those that the admitting peer named */
#define JOIN_ADMISSION_MS 15000 /* between signs of life of an admission under way */
#define JOIN_LOST_MS 1000       /* an Update so long after we asked says that the node was no peer before */

static void join_retry(struct peer *peer, struct now now);

static void wait_ms(struct peer *peer, struct now now, int64_t ms)
{
    heap_set(&peer->timers, &peer->join.timer.node, mono_after_ms(now.mono, ms));
}

/* ---- step 2: the admitting peer ---- */

static void ignore_answer(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    (void)peer, (void)now, (void)ctx, (void)outcome; /* the Update that it brings is what counts */
}

/* It has been a peer, and has lost the ring. Nothing goes by it any longer: others would take its word for ours. */
static void no_member(struct peer *peer, struct now now, struct id node)
{
    struct link *link = peer_link_to(peer, node);
    if (link)
        link->member = false;
    chord_node_lost(peer, now, node, false);
}

/* Nobody attached to us. If the very node that we asked says that it is outside, others are asked. */
static void not_admitted(struct peer *peer, struct now now, int err, struct id node)
{
    struct join *join = &peer->join;
    bool outside = (err == ERR_NOT_FOUND || err == ERR_WRONG_STATE) && id_eq(node, join->asked_node);
    if (!outside) {
        join_retry(peer, now);
        return;
    }
    chord_bootstrap_answered(peer, node, err);
    chord_set_state(peer, PEER_CONNECTING);
    no_member(peer, now, node);
    chord_bootstrap_look(peer, now);
}

static void admitting_attached(struct peer *peer, struct now now, void *ctx, int err, struct id node)
{
    struct join *join = ctx;
    if (err || id_eq(node, peer->options.self)) {
        not_admitted(peer, now, err, node);
        return;
    }
    join->admitting = node;
    wait_ms(peer, now, JOIN_ADMISSION_MS);
    if (!id_eq(join->updated_by, node) || !peer_link_to(peer, node))
        return;
    /* Its Update came, over its link to us, before its answer, through the ring, told us that it is the one: once more. */
    struct route route = {.is_node = true, .id = node};
    struct reload_body body = {.code = RELOAD_ROUTE_QUERY_REQ};
    body.route_query.send_update = true;
    body.route_query.destination = reload_destination_node(peer->options.self);
    peer_transaction_start(peer, now, &route, &body, ignore_answer, NULL);
}

void chord_join_ask(struct peer *peer, struct now now, const struct link *link)
{
    struct join *join = &peer->join;
    peer_attach_cancel(peer, join);
    join->admitting = (struct id){{0}};
    join->updated_by = (struct id){{0}};
    join->asked_node = link->node;
    join->asked = now.mono;
    join->resting = false;
    struct route route = {.id = id_add(peer->options.self, id_power_of_two(0)), .first_link = link->number};
    int64_t life_ms = JOIN_ASK_MS;
    if (link->member)
        life_ms = REQUEST_TRANSMISSIONS * (int64_t)peer->config->overlay_reliability_timer_ms + ATTACH_LINK_MS;
    else if (peer->options.first)
        life_ms = peer->options.first_wait_ms;
    chord_set_state(peer, PEER_ATTACHING);
    wait_ms(peer, now, life_ms);
    peer_attach_start(peer, now, &route, admitting_attached, join); /* if it cannot even be sent, the timer runs */
}

/* Through bootstrap nodes that we chose at once, through others when they say that they are peers. */
void chord_join_link_up(struct peer *peer, struct now now, struct link *link)
{
    if (peer->state == PEER_CONNECTING && link->member)
        chord_join_ask(peer, now, link);
    else if (peer->state == PEER_CONNECTING && link->bootstrap)
        chord_bootstrap_look(peer, now);
}

/* ---- step 3: our neighbors-to-be, as the admitting peer sees them ---- */

static void send_join(struct peer *peer, struct now now);

static void neighbor_attached(struct peer *peer, struct now now, void *ctx, int err, struct id node)
{
    struct join *join = ctx;
    (void)err, (void)node; /* who cannot be reached is found, or found out, later by the Updates of the others */
    if (join->neighbors_pending && --join->neighbors_pending == 0 && peer->state == PEER_ATTACHING)
        send_join(peer, now);
}

static void attach_neighbors(struct peer *peer, struct now now, const struct reload_ids *nodes)
{
    struct join *join = &peer->join;
    for (size_t i = 0; i < nodes->count; i++) {
        struct id node = nodes->items[i];
        if (id_is_zero(node) || id_eq(node, peer->options.self) || peer_link_to(peer, node) ||
            peer_attach_pending(peer, node) || config_is_bad_node(peer->config, node) ||
            !chord_table_would_be_neighbor(&peer->table, node, peer->options.neighbors))
            continue;
        struct route route = {.is_node = true, .id = node, .has_via = true, .via = join->admitting};
        join->neighbors_pending++;
        if (peer_attach_start(peer, now, &route, neighbor_attached, join))
            join->neighbors_pending--;
    }
}

/* ---- steps 5 to 7: Join, data, and the Update in which we are the predecessor ---- */

static void join_answered(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    (void)ctx;
    if (peer->state != PEER_JOINING)
        return;
    if (outcome->err)
        join_retry(peer, now);
    else
        wait_ms(peer, now, JOIN_ADMISSION_MS);
}

static void send_join(struct peer *peer, struct now now)
{
    struct join *join = &peer->join;
    struct reload_body body = {.code = RELOAD_JOIN_REQ};
    body.join_req.joining_peer_id = peer->options.self;
    chord_set_state(peer, PEER_JOINING);
    struct route route = {.is_node = true, .id = join->admitting};
    if (!peer_link_to(peer, join->admitting) || peer_transaction_start(peer, now, &route, &body, join_answered, join))
        join_retry(peer, now);
    else
        wait_ms(peer, now, REQUEST_LIFETIME_MS + JOIN_ADMISSION_MS);
}

static bool names_us(const struct peer *peer, const struct reload_update_req *update)
{
    return update && update->predecessors.count && id_eq(update->predecessors.items[0], peer->options.self);
}

/* An Update came in while we are not in the ring. */
void chord_join_update(struct peer *peer, struct now now, struct id from, const struct reload_update_req *update)
{
    struct join *join = &peer->join;
    bool admitting = chord_join_is_admitting(peer, from);
    if (peer->state == PEER_JOINING && admitting && names_us(peer, update)) {
        chord_became_member(peer, now);
        chord_update_learn(peer, now, from, &update->predecessors);
        chord_update_learn(peer, now, from, &update->successors);
    } else if (peer->state == PEER_ATTACHING && admitting && !join->neighbors_pending) {
        attach_neighbors(peer, now, &update->predecessors);
        attach_neighbors(peer, now, &update->successors);
        if (join->neighbors_pending)
            wait_ms(peer, now, JOIN_NEIGHBORS_MS);
        else
            send_join(peer, now);
    } else if (peer->state == PEER_CONNECTING || (peer->state == PEER_ATTACHING && id_is_zero(join->admitting))) {
        /* A peer that may just have become one: what we asked it before was lost. */
        struct link *link = peer_link_to(peer, from);
        bool lost = mono_since_us(now.mono, join->asked) > (int64_t)JOIN_LOST_MS * 1000;
        if (link && (peer->state == PEER_CONNECTING || lost))
            chord_join_ask(peer, now, link);
        join->updated_by = from;
    }
}

/* ---- when a step fails ---- */

static void join_retry(struct peer *peer, struct now now)
{
    struct join *join = &peer->join;
    if (peer->state != PEER_CONNECTING && peer->state != PEER_ATTACHING && peer->state != PEER_JOINING)
        return;
    peer_attach_cancel(peer, join);
    join->neighbors_pending = 0;
    join->admitting = (struct id){{0}};
    chord_set_state(peer, PEER_CONNECTING);
    chord_bootstrap_rest(peer, now);
}

static void join_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    (void)timer;
    struct join *join = &peer->join;
    if (peer->state == PEER_ATTACHING && join->neighbors_pending) {
        join->neighbors_pending = 0;
        send_join(peer, now); /* without those that did not answer */
    } else if (peer->state == PEER_ATTACHING && id_is_zero(join->admitting)) {
        peer_attach_cancel(peer, join); /* silence: others are asked */
        chord_set_state(peer, PEER_CONNECTING);
        chord_bootstrap_look(peer, now);
    } else if (peer->state == PEER_CONNECTING) {
        chord_bootstrap_timer(peer, now);
    } else if (peer->state == PEER_ATTACHING || peer->state == PEER_JOINING) {
        join_retry(peer, now);
    }
}

void chord_join_link_lost(struct peer *peer, struct now now, uint64_t link, struct id node)
{
    struct join *join = &peer->join;
    bool outside = peer->state == PEER_CONNECTING || peer->state == PEER_ATTACHING || peer->state == PEER_JOINING;
    chord_bootstrap_lost(peer, link);
    if (!outside || peer_link_to(peer, node))
        return;
    if (peer->state == PEER_CONNECTING) {
        chord_bootstrap_look(peer, now);
    } else if (!id_is_zero(join->admitting)) {
        if (id_eq(node, join->admitting))
            join_retry(peer, now);
    } else if (peer->state == PEER_ATTACHING && id_eq(node, join->asked_node)) {
        peer_attach_cancel(peer, join);
        chord_set_state(peer, PEER_CONNECTING);
        chord_bootstrap_look(peer, now);
    }
}

bool chord_join_is_admitting(const struct peer *peer, struct id node)
{
    return !id_is_zero(peer->join.admitting) && id_eq(node, peer->join.admitting);
}

void chord_join_data_came(struct peer *peer, struct now now)
{
    if (peer->state == PEER_JOINING)
        wait_ms(peer, now, JOIN_ADMISSION_MS);
}

void chord_join_start(struct peer *peer, struct now now)
{
    peer->join.timer.fire = join_timer_fire;
    peer->join.began = now.mono;
    peer->join.failures = 0;
    chord_bootstrap_round(peer, now);
}

/* All peers that we knew are gone (10.7.1): back to the beginning. A `first` node is the ring, as long as nobody else says otherwise. */
void chord_join_again(struct peer *peer, struct now now)
{
    if (peer->options.first)
        return;
    log_event(peer->ports.log, LEVEL_WARNING, "ring.lost", "no peer is left: joining again");
    chord_stabilize_stop(peer);
    chord_fingers_stop(peer);
    chord_handover_stop(peer);
    chord_join_start(peer, now);
}

void chord_join_stop(struct peer *peer)
{
    peer_attach_cancel(peer, &peer->join);
    peer_transactions_forget(peer, &peer->join);
    peer->join.neighbors_pending = 0;
    peer->join.admitting = (struct id){{0}};
    heap_remove(&peer->timers, &peer->join.timer.node);
}
