/* Answers: signing and sending them, and remembering those of the last 15 seconds, so that a request which is transmitted again gets the same
 * answer and is done once (RFC 6940 6.2.1). */
#include "reload/peer_internal.h"

/* A request that was served, or is being served. */
struct served {
    struct list order; /* oldest first */
    struct mono until;
    uint8_t key[ID_OCTETS + 8];
    struct slice rest; /* contents and security block of the answer; p NULL: not answered yet. Owned */
};

static void served_key(struct id requester, uint64_t transaction_id, uint8_t ret_key[ID_OCTETS + 8])
{
    memcpy(ret_key, requester.octets, ID_OCTETS);
    for (unsigned i = 0; i < 8; i++)
        ret_key[ID_OCTETS + i] = (uint8_t)(transaction_id >> (56 - 8 * i));
}

static struct served *served_find(const struct peer *peer, const struct reply *reply)
{
    uint8_t key[ID_OCTETS + 8];
    served_key(reply->requester, reply->transaction_id, key);
    return map_get(&peer->served, slice_of(key, sizeof key));
}

static void served_drop(struct peer *peer, struct served *served)
{
    map_remove(&peer->served, slice_of(served->key, sizeof served->key));
    list_remove(&served->order);
    peer->served_octets -= served->rest.n;
    mem_free((void *)(uintptr_t)served->rest.p);
    mem_free(served);
}

static struct served *served_oldest(const struct peer *peer)
{
    return list_empty(&peer->served_order) ? NULL : CONTAINER_OF(peer->served_order.next, struct served, order);
}

static void served_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    struct served *oldest;
    while ((oldest = served_oldest(peer)) != NULL && mono_due(oldest->until, now.mono))
        served_drop(peer, oldest);
    if (oldest)
        heap_set(&peer->timers, &timer->node, oldest->until);
}

void peer_served_init(struct peer *peer)
{
    map_init(&peer->served, SERVED_MAX, entropy_u64(&peer->ports.entropy));
    list_init(&peer->served_order);
    peer->served_timer.fire = served_timer_fire;
}

void peer_served_fini(struct peer *peer)
{
    LIST_EACH(it, &peer->served_order)
        served_drop(peer, CONTAINER_OF(it, struct served, order));
    map_fini(&peer->served);
    heap_remove(&peer->timers, &peer->served_timer.node);
}

static void send_answer(struct peer *peer, struct now now, const struct reply *reply, struct slice rest)
{
    struct region region;
    struct fault fault;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    struct reload_header header = {
        .overlay = peer->overlay,
        .configuration_sequence = peer->config->sequence,
        .ttl = (uint8_t)peer->config->initial_ttl,
        .fragment = RELOAD_FRAGMENT_WHOLE,
        .transaction_id = reply->transaction_id,
        .options = reply->options,
        .option_count = reply->option_count,
    };
    if (reload_destinations_decode(reply->destinations, &region, &header.destinations, &header.destination_count,
                                   &fault))
        peer->counters.memory_refused++;
    else
        peer_forward_originate(peer, now, 0, &header, rest, NULL);
    region_fini(&region);
}

bool peer_served_again(struct peer *peer, struct now now, const struct reply *reply)
{
    struct served *served = served_find(peer, reply);
    if (!served)
        return false;
    peer->counters.requests_duplicate++;
    if (served->rest.p)
        send_answer(peer, now, reply, served->rest);
    return true;
}

void peer_served_begin(struct peer *peer, struct now now, const struct reply *reply)
{
    while (peer->served.n >= SERVED_MAX || peer->served_octets > SERVED_OCTETS_MAX)
        served_drop(peer, served_oldest(peer));
    struct served *served = mem_alloc(sizeof *served);
    if (!served) {
        peer->counters.memory_refused++;
        return;
    }
    served_key(reply->requester, reply->transaction_id, served->key);
    list_init(&served->order);
    served->until = mono_after_ms(now.mono, REQUEST_LIFETIME_MS);
    if (map_set(&peer->served, slice_of(served->key, sizeof served->key), served)) {
        peer->counters.memory_refused++;
        mem_free(served);
        return;
    }
    if (list_empty(&peer->served_order))
        heap_set(&peer->timers, &peer->served_timer.node, served->until);
    list_append(&peer->served_order, &served->order);
}

static void served_remember(struct peer *peer, const struct reply *reply, struct slice rest)
{
    struct served *served = served_find(peer, reply);
    uint8_t *copy = served && !served->rest.p ? mem_alloc(rest.n) : NULL;
    if (!copy)
        return;
    memcpy(copy, rest.p, rest.n);
    served->rest = slice_of(copy, rest.n);
    peer->served_octets += rest.n;
}

int peer_sign(struct peer *peer, uint64_t transaction_id, const struct reload_contents *contents,
              const struct slice *value_certs, size_t value_cert_count, struct buf *ret_rest)
{
    struct region region;
    struct reload_security block;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    int err = reload_contents_encode(contents, ret_rest);
    if (!err)
        err = security_sign_message(peer->ports.security, peer->overlay, transaction_id, buf_slice(ret_rest),
                                    value_certs, value_cert_count, &region, &block);
    if (!err)
        err = reload_security_encode(&block, ret_rest);
    region_fini(&region);
    return err;
}

void peer_answer_contents(struct peer *peer, struct now now, const struct reply *reply,
                          const struct reload_contents *contents, const struct slice *value_certs,
                          size_t value_cert_count)
{
    struct buf rest;
    buf_init(&rest, RELOAD_MESSAGE_OCTETS_MAX);
    int err = peer_sign(peer, reply->transaction_id, contents, value_certs, value_cert_count, &rest);
    size_t octets = rest.n + RELOAD_HEADER_FIXED_OCTETS + reply->destinations.n;
    size_t limit = peer->config->max_message_size;
    if (reply->max_response_length && reply->max_response_length < limit)
        limit = reply->max_response_length;
    if (err) {
        peer->counters.memory_refused++;
    } else if (octets > limit && contents->code != RELOAD_ERROR) {
        peer_answer_error(peer, now, reply, RELOAD_ERROR_RESPONSE_TOO_LARGE, "larger than max_response_length");
    } else {
        served_remember(peer, reply, buf_slice(&rest));
        send_answer(peer, now, reply, buf_slice(&rest));
    }
    buf_fini(&rest);
}

void peer_answer_with(struct peer *peer, struct now now, const struct reply *reply, uint16_t code, struct slice body,
                      const struct slice *value_certs, size_t value_cert_count)
{
    struct reload_contents contents = {.code = code, .body = body};
    peer_answer_contents(peer, now, reply, &contents, value_certs, value_cert_count);
}

void peer_answer_body(struct peer *peer, struct now now, const struct reply *reply, const struct reload_body *body)
{
    struct buf octets;
    buf_init(&octets, RELOAD_MESSAGE_OCTETS_MAX);
    if (reload_body_encode(body, &octets))
        peer->counters.memory_refused++;
    else
        peer_answer_with(peer, now, reply, body->code, buf_slice(&octets), NULL, 0);
    buf_fini(&octets);
}

void peer_answer_error_info(struct peer *peer, struct now now, const struct reply *reply, uint16_t code,
                            struct slice info)
{
    peer->counters.errors_sent++;
    peer_answer_body(peer, now, reply, &(struct reload_body){.code = RELOAD_ERROR, .error = {code, info}});
}

void peer_answer_error(struct peer *peer, struct now now, const struct reply *reply, uint16_t code, const char *text)
{
    peer_answer_error_info(peer, now, reply, code, slice_str(text));
}
