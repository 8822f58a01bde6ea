/* Leaving the ring (RFC 6940 6.4.2.2, 10.9): our data to those who will answer for it, a Leave to every neighbor, then the links. */
#include "reload/peer_internal.h"

#define LEAVE_HAND_OVER_MS 10000 /* then we go without having handed over all */
#define LEAVE_ANSWERS_MS 2000

static void end(struct peer *peer, struct now now, enum peer_state state, const char *reason)
{
    heap_remove(&peer->timers, &peer->leave_timer.node);
    chord_set_state(peer, state);
    peer_transfers_fini(peer);
    peer_transactions_end(peer, now, ERR_CLOSED);
    peer_links_close(peer, now, reason);
}

static void left(struct peer *peer, struct now now)
{
    end(peer, now, PEER_LEFT, "leaving the ring");
}

static void leave_answered(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    (void)ctx, (void)outcome;
    if (peer->state == PEER_LEAVING && peer->leaves_pending && --peer->leaves_pending == 0)
        left(peer, now);
}

static void send_leave(struct peer *peer, struct now now, struct id to, bool we_are_successor)
{
    struct id nodes[PEER_NEIGHBORS_MAX];
    size_t n = chord_neighbor_count(peer);
    for (size_t i = 0; i < n; i++)
        nodes[i] = we_are_successor ? chord_table_successor(&peer->table, i) : chord_table_predecessor(&peer->table, i);
    struct reload_body body = {.code = RELOAD_LEAVE_REQ};
    body.leave_req.leaving_peer_id = peer->options.self;
    body.leave_req.type = we_are_successor ? RELOAD_CHORD_LEAVE_FROM_SUCC : RELOAD_CHORD_LEAVE_FROM_PRED;
    body.leave_req.nodes = (struct reload_ids){nodes, n};
    struct route route = {.is_node = true, .id = to};
    if (peer_transaction_start(peer, now, &route, &body, leave_answered, NULL) == 0)
        peer->leaves_pending++;
}

static void say_goodbye(struct peer *peer, struct now now)
{
    if (peer->leaves_pending)
        return;
    size_t n = chord_neighbor_count(peer);
    heap_set(&peer->timers, &peer->leave_timer.node, mono_after_ms(now.mono, LEAVE_ANSWERS_MS));
    peer->leaves_pending = 1; /* this loop's own, so that an end within it does not count as the last */
    for (size_t i = 0; i < n; i++)
        send_leave(peer, now, chord_table_predecessor(&peer->table, i), true);
    for (size_t i = 0; i < n; i++) {
        struct id successor = chord_table_successor(&peer->table, i);
        bool is_predecessor = false; /* a small ring: it has been told */
        for (size_t k = 0; k < n; k++)
            is_predecessor |= id_eq(successor, chord_table_predecessor(&peer->table, k));
        if (!is_predecessor)
            send_leave(peer, now, successor, false);
    }
    if (--peer->leaves_pending == 0)
        left(peer, now);
}

static transfer_fn handed_over;

/* Everything that is ours goes to our successor, who will answer for it. */
static void hand_over(struct peer *peer, struct now now)
{
    if (!peer->table.n || peer_transfer_start(peer, now, TRANSFER_LEAVE, chord_table_successor(&peer->table, 0),
                                              chord_predecessor(peer), peer->options.self, 1, 0, handed_over, NULL))
        say_goodbye(peer, now);
}

static void handed_over(struct peer *peer, struct now now, void *ctx, int err)
{
    (void)ctx;
    if (peer->state != PEER_LEAVING || peer->leaves_pending)
        return;
    if (err)
        log_event(peer->ports.log, LEVEL_WARNING, "ring.leave", "the data could not be handed over: %s", err_text(err));
    if (err == ERR_CLOSED)
        hand_over(peer, now); /* our successor has gone: to the next one */
    else
        say_goodbye(peer, now);
}

static void leave_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    (void)timer;
    if (peer->leaves_pending)
        left(peer, now);
    else
        say_goodbye(peer, now);
}

void peer_leave(struct peer *peer, struct now now)
{
    if (peer->state == PEER_LEAVING || peer->state == PEER_LEFT)
        return;
    bool member = peer->state == PEER_JOINED && peer->table.n;
    peer->now = now;
    peer->leave_timer.fire = leave_timer_fire;
    chord_join_stop(peer);
    chord_stabilize_stop(peer);
    chord_fingers_stop(peer);
    chord_partition_stop(peer);
    chord_handover_stop(peer);
    peer_transfers_fini(peer);
    chord_admissions_fini(peer);
    chord_set_state(peer, PEER_LEAVING);
    heap_set(&peer->timers, &peer->leave_timer.node, mono_after_ms(now.mono, LEAVE_HAND_OVER_MS));
    if (member)
        hand_over(peer, now);
    else
        left(peer, now);
    peer_settle(peer, now);
}

/* Without a word to anybody: nobody would listen. */
void peer_shut_out(struct peer *peer, struct now now)
{
    if (peer->state == PEER_SHUT_OUT || peer->state == PEER_LEFT)
        return;
    bool leaving = peer->state == PEER_LEAVING;
    log_event(peer->ports.log, LEVEL_ERROR, "ring.banned", "the configuration lists us as bad-node");
    chord_join_stop(peer);
    chord_stabilize_stop(peer);
    chord_fingers_stop(peer);
    chord_partition_stop(peer);
    chord_handover_stop(peer);
    peer_transfers_fini(peer);
    chord_admissions_fini(peer);
    end(peer, now, leaving ? PEER_LEFT : PEER_SHUT_OUT, "banned from the ring");
    struct peer_effect *effect = peer_effect_new(peer, PEER_BANNED);
    if (effect)
        peer_effect_queue(peer, effect);
    peer_settle(peer, now);
}

void chord_leave_serve(struct peer *peer, struct now now, struct request *request)
{
    const struct reload_leave_req *leave = &request->body.leave_req;
    struct id node = leave->leaving_peer_id;
    if (!request->direct || !id_eq(node, request->signer->node)) {
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_FORBIDDEN,
                          "a Leave comes from the leaving peer itself");
        return;
    }
    peer->counters.leaves_received++;
    peer_answer_body(peer, now, request->reply, &(struct reload_body){.code = RELOAD_LEAVE_ANS});
    struct link *link = peer_link_to(peer, node);
    if (link)
        link->member = false;
    peer_node_shun(peer, now, node); /* Updates of others still name it for a while */
    chord_node_lost(peer, now, node, false);
    if (peer->state == PEER_JOINED)
        chord_update_learn(peer, now, node, &leave->nodes);
}
