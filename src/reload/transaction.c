/* Requests of ours, from end to end (RFC 6940 6.2.1): transmitted up to five times, answered by the right node or not at all. */
#include "reload/peer_internal.h"

#define CONFIG_RETRY_MS 300 /* times the transmissions: until the document that spreads has reached the other side */
#define CIRCLE_RETRY_MS 200 /* times the transmissions: until the peers of a changing ring agree */

_Static_assert(FIRST_HOPS_MAX == REQUEST_TRANSMISSIONS - 1, "all attempts but for the last one are remembered");

struct transaction {
    struct timer timer;
    struct list order;
    uint64_t id;
    uint16_t code;
    uint16_t error_code; /* of the last answer that asks to try again */
    unsigned transmissions;
    struct first_hops tried;
    struct route route;
    struct slice rest; /* contents and security block; owned */
    struct mono started;
    answer_fn *done;
    void *ctx;
};

static struct slice id_key(const uint64_t *id)
{
    return slice_of(id, sizeof *id);
}

static void transaction_free(struct peer *peer, struct transaction *t)
{
    heap_remove(&peer->timers, &t->timer.node);
    map_remove(&peer->transactions, id_key(&t->id));
    list_remove(&t->order);
    mem_free((void *)(uintptr_t)t->rest.p);
    mem_free((void *)(uintptr_t)t->route.path.p);
    mem_free(t);
}

static void transaction_end(struct peer *peer, struct now now, struct transaction *t, struct outcome *outcome)
{
    answer_fn *done = t->done;
    void *ctx = t->ctx;
    outcome->elapsed_us = mono_since_us(now.mono, t->started);
    transaction_free(peer, t);
    if (done)
        done(peer, now, ctx, outcome);
}

static void transmit(struct peer *peer, struct now now, struct transaction *t)
{
    const struct route *route = &t->route;
    struct reload_destination destinations[2];
    size_t n = 0;
    if (route->has_via)
        destinations[n++] = reload_destination_node(route->via);
    destinations[n++] =
        route->is_node ? reload_destination_node(route->id) : reload_destination_resource(id_slice(&route->id));
    struct reload_header header = {
        .overlay = peer->overlay,
        .configuration_sequence =
            t->code == RELOAD_CONFIG_UPDATE_REQ ? RELOAD_CONFIG_SEQUENCE_ANY : peer->config->sequence,
        .ttl = (uint8_t)peer->config->initial_ttl,
        .fragment = RELOAD_FRAGMENT_WHOLE,
        .transaction_id = t->id,
        .max_response_length = peer->config->max_message_size,
        .destinations = route->path.p ? NULL : destinations,
        .destination_count = route->path.p ? 0 : n,
    };
    t->transmissions++;
    heap_set(&peer->timers, &t->timer.node, mono_after_ms(now.mono, peer->config->overlay_reliability_timer_ms));
    struct region region;
    struct fault fault;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    if (!route->path.p ||
        !reload_destinations_decode(route->path, &region, &header.destinations, &header.destination_count, &fault))
        peer_forward_originate(peer, now, route->first_link, &header, t->rest, &t->tried);
    region_fini(&region);
}

static void transaction_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    struct transaction *t = CONTAINER_OF(timer, struct transaction, timer);
    bool gone = t->route.first_link && !peer_link_find(peer, t->route.first_link);
    if (t->transmissions < REQUEST_TRANSMISSIONS && !gone) {
        peer->counters.requests_retransmitted++;
        transmit(peer, now, t);
        return;
    }
    peer->counters.requests_timed_out++;
    struct outcome outcome = {.err = gone ? ERR_CLOSED : ERR_TIMEOUT, .error_code = t->error_code};
    if (t->error_code && !gone)
        outcome.err = peer_err_of_error_code(t->error_code);
    transaction_end(peer, now, t, &outcome);
}

static struct transaction *transaction_new(struct peer *peer, const struct route *route, uint16_t code)
{
    struct transaction *t = mem_alloc(sizeof *t);
    if (!t)
        return NULL;
    list_init(&t->order);
    t->timer.fire = transaction_timer_fire;
    t->route = *route;
    t->code = code;
    if (route->path.n) {
        uint8_t *path = mem_alloc(route->path.n);
        if (!path) {
            mem_free(t);
            return NULL;
        }
        memcpy(path, route->path.p, route->path.n);
        t->route.path.p = path;
    }
    do
        t->id = entropy_u64(&peer->ports.entropy);
    while (map_get(&peer->transactions, id_key(&t->id)));
    return t;
}

int peer_transaction_start_contents(struct peer *peer, struct now now, const struct route *route,
                                    const struct reload_contents *contents, const struct slice *value_certs,
                                    size_t value_cert_count, answer_fn *done, void *ctx)
{
    if (peer->transactions.n >= peer->options.transactions_max)
        return ERR_LIMIT;
    struct transaction *t = transaction_new(peer, route, contents->code);
    if (!t) {
        peer->counters.memory_refused++;
        return ERR_NO_MEMORY;
    }
    struct buf rest;
    buf_init(&rest, RELOAD_MESSAGE_OCTETS_MAX);
    int err = peer_sign(peer, t->id, contents, value_certs, value_cert_count, &rest);
    if (!err && rest.n + 256 > peer->config->max_message_size)
        err = ERR_LIMIT;
    if (!err)
        err = map_set(&peer->transactions, id_key(&t->id), t);
    if (err) {
        buf_fini(&rest);
        mem_free((void *)(uintptr_t)t->route.path.p);
        mem_free(t);
        return err;
    }
    t->rest = buf_slice(&rest);
    t->done = done;
    t->ctx = ctx;
    t->started = now.mono;
    list_append(&peer->transaction_order, &t->order);
    peer->counters.requests_sent++;
    transmit(peer, now, t);
    return 0;
}

int peer_transaction_start_octets(struct peer *peer, struct now now, const struct route *route, uint16_t code,
                                  struct slice body, const struct slice *value_certs, size_t value_cert_count,
                                  answer_fn *done, void *ctx)
{
    struct reload_contents contents = {.code = code, .body = body};
    return peer_transaction_start_contents(peer, now, route, &contents, value_certs, value_cert_count, done, ctx);
}

int peer_transaction_start_extended(struct peer *peer, struct now now, const struct route *route,
                                    const struct reload_body *body, const struct reload_extension *extension,
                                    answer_fn *done, void *ctx)
{
    struct buf octets;
    buf_init(&octets, RELOAD_MESSAGE_OCTETS_MAX);
    int err = reload_body_encode(body, &octets);
    struct reload_contents contents = {body->code, buf_slice(&octets), extension, extension ? 1 : 0};
    if (!err)
        err = peer_transaction_start_contents(peer, now, route, &contents, NULL, 0, done, ctx);
    buf_fini(&octets);
    return err;
}

int peer_transaction_start(struct peer *peer, struct now now, const struct route *route, const struct reload_body *body,
                           answer_fn *done, void *ctx)
{
    return peer_transaction_start_extended(peer, now, route, body, NULL, done, ctx);
}

/* Errors that a peer on the way sends in the destination's place (6.1.2, 6.3.2, 6.6). */
static bool is_transit_error(uint16_t code)
{
    return code == RELOAD_ERROR_TTL_EXCEEDED || code == RELOAD_ERROR_UNSUPPORTED_FORWARDING_OPTION ||
           code == RELOAD_ERROR_MESSAGE_TOO_LARGE || code == RELOAD_ERROR_INCOMPATIBLE_WITH_OVERLAY ||
           code == RELOAD_ERROR_FORBIDDEN;
}

/* 6.3.4: a Node-ID answers for itself; for a resource, nobody answers who is farther from it than a neighbor of ours. */
static bool may_answer(const struct peer *peer, const struct route *route, struct id signer)
{
    if (route->is_node)
        return id_is_wildcard(route->id) || id_eq(route->id, signer);
    if (peer->state != PEER_JOINED)
        return true;
    struct id distance = id_sub(signer, route->id);
    size_t count = chord_neighbor_count(peer);
    for (size_t i = 0; i < count; i++) {
        struct id succ = chord_table_successor(&peer->table, i), pred = chord_table_predecessor(&peer->table, i);
        if (id_cmp(id_sub(succ, route->id), distance) < 0 || id_cmp(id_sub(pred, route->id), distance) < 0)
            return false;
    }
    return id_cmp(id_sub(peer->options.self, route->id), distance) >= 0;
}

/* Answers after which the request is sent again: once the configurations agree (6.3.2.1); and a message that went in circles while the ring was
 * changing finds its way a moment later: the timer of a lost message would be too long for that. */
static bool try_again(struct peer *peer, struct now now, struct transaction *t, uint16_t error_code)
{
    bool config = error_code == RELOAD_ERROR_CONFIG_TOO_OLD || error_code == RELOAD_ERROR_CONFIG_TOO_NEW;
    if (!config && error_code != RELOAD_ERROR_TTL_EXCEEDED)
        return false;
    t->error_code = error_code;
    if (config)
        t->tried.n = 0; /* who was asked has answered: the way was good */
    if (t->transmissions == REQUEST_TRANSMISSIONS)
        return true;
    if (error_code == RELOAD_ERROR_CONFIG_TOO_NEW)
        heap_set(&peer->timers, &t->timer.node, mono_after_ms(now.mono, CONFIG_RETRY_MS * (int64_t)t->transmissions));
    else if (error_code == RELOAD_ERROR_TTL_EXCEEDED)
        heap_set(&peer->timers, &t->timer.node, mono_after_ms(now.mono, CIRCLE_RETRY_MS * (int64_t)t->transmissions));
    return true;
}

void peer_transaction_answer(struct peer *peer, struct now now, const struct reload_message *message,
                             const struct security_signer *signer, struct region *region)
{
    uint16_t code = message->contents.code;
    struct transaction *t = map_get(&peer->transactions, id_key(&message->header.transaction_id));
    if (!t || (code != RELOAD_ERROR && code != t->code + 1)) {
        peer->counters.responses_unexpected++;
        return;
    }
    struct reload_models models = kind_models(&peer->config->kinds);
    struct reload_body body;
    struct fault fault;
    if (reload_body_decode(message, &models, region, &body, &fault)) {
        peer->counters.message_malformed++;
        return;
    }
    uint16_t error_code = code == RELOAD_ERROR ? body.error.code : 0;
    if (!may_answer(peer, &t->route, signer->node) && !is_transit_error(error_code)) {
        peer->counters.responses_wrong_node++;
        return;
    }
    peer->counters.responses_received++;
    peer->counters.errors_received += error_code != 0;
    config_answer_seen(peer, now, t->code, message->header.configuration_sequence, signer->node);
    if (try_again(peer, now, t, error_code))
        return;
    struct outcome outcome = {
        .err = error_code ? peer_err_of_error_code(error_code) : 0,
        .error_code = error_code,
        .message = message,
        .body = &body,
        .responder = signer->node,
        .signer = signer,
        .region = region,
    };
    if (error_code)
        outcome.error_info = body.error.info;
    transaction_end(peer, now, t, &outcome);
}

void peer_transactions_resend(struct peer *peer, struct now now)
{
    LIST_EACH(it, &peer->transaction_order) {
        struct transaction *t = CONTAINER_OF(it, struct transaction, order);
        if (t->error_code == RELOAD_ERROR_CONFIG_TOO_OLD || t->error_code == RELOAD_ERROR_CONFIG_TOO_NEW)
            heap_set(&peer->timers, &t->timer.node, now.mono);
    }
}

void peer_transactions_forget(struct peer *peer, const void *ctx)
{
    LIST_EACH(it, &peer->transaction_order) {
        struct transaction *t = CONTAINER_OF(it, struct transaction, order);
        if (t->ctx == ctx)
            transaction_free(peer, t);
    }
}

void peer_transactions_end(struct peer *peer, struct now now, int err)
{
    for (size_t n = peer->transactions.n; n && !list_empty(&peer->transaction_order); n--) {
        struct outcome outcome = {.err = err};
        transaction_end(peer, now, CONTAINER_OF(peer->transaction_order.next, struct transaction, order), &outcome);
    }
}

void peer_transactions_fini(struct peer *peer)
{
    LIST_EACH(it, &peer->transaction_order)
        transaction_free(peer, CONTAINER_OF(it, struct transaction, order));
    map_fini(&peer->transactions);
}
