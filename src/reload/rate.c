/* How much one node may ask of us. Two buckets: requests that come over a link, whoever made them, before their signatures cost anything; and
 * requests to us by who signed them, weighed by what they cost. What is too much is dropped without an answer: who asked repeats it after
 * seconds (6.2.1) and is slowed by that, and an answer would cost as much as the deed. Copies from neighbors are free: they come one after
 * the other's answer, and the ring lives by them. */
#include "reload/peer_internal.h"

#define SIGNERS_MAX 1024
#define LINK_SHARE 4          /* a link carries the requests of several nodes */
#define NAMED_MS 3600000      /* for so long a slowed node is shown */
#define LOG_INTERVAL_MS 60000 /* per node */

struct rate {
    struct list order; /* by last request, oldest first */
    struct id node;
    struct mono empty_at; /* when all that it has asked for is worked off */
    struct mono slowed_at;
    struct mono logged_at;
    uint64_t slowed;
};

static void rate_free(struct peer *peer, struct rate *rate)
{
    map_remove(&peer->rates, id_slice(&rate->node));
    list_remove(&rate->order);
    mem_free(rate);
}

/* Nothing would be different without it. */
static bool is_idle(const struct rate *rate, struct now now)
{
    return mono_due(rate->empty_at, now.mono) &&
           (!rate->slowed || mono_since_us(now.mono, rate->slowed_at) > INT64_C(1000) * NAMED_MS);
}

static struct rate *rate_of(struct peer *peer, struct now now, struct id node)
{
    struct rate *rate = map_get(&peer->rates, id_slice(&node));
    if (rate) {
        list_remove(&rate->order);
        list_append(&peer->rate_order, &rate->order);
        return rate;
    }
    for (unsigned i = 0; i < 2 && !list_empty(&peer->rate_order); i++) {
        struct rate *oldest = CONTAINER_OF(peer->rate_order.next, struct rate, order);
        if (!is_idle(oldest, now) && peer->rates.n < SIGNERS_MAX)
            break;
        rate_free(peer, oldest);
    }
    rate = mem_alloc(sizeof *rate);
    if (!rate)
        return NULL;
    rate->node = node;
    rate->empty_at = now.mono;
    rate->logged_at = (struct mono){INT64_MIN};
    list_init(&rate->order);
    if (map_set(&peer->rates, id_slice(&node), rate)) {
        mem_free(rate);
        return NULL;
    }
    list_append(&peer->rate_order, &rate->order);
    return rate;
}

/* Takes so much out of a bucket. False: there is not enough in it. */
static bool take(struct mono *empty_at, struct mono now, int64_t cost, int64_t per_s, int64_t burst)
{
    int64_t begin = empty_at->us > now.us ? empty_at->us : now.us;
    int64_t end = begin + cost * 1000000 / per_s;
    if (end - now.us > burst * 1000000 / per_s)
        return false;
    empty_at->us = end;
    return true;
}

static void slow(struct peer *peer, struct now now, struct id node)
{
    struct rate *rate = rate_of(peer, now, node);
    char hex[ID_HEX_OCTETS];
    peer->counters.requests_slowed++;
    if (!rate)
        return;
    rate->slowed++;
    rate->slowed_at = now.mono;
    if (rate->logged_at.us != INT64_MIN && mono_since_us(now.mono, rate->logged_at) < INT64_C(1000) * LOG_INTERVAL_MS)
        return;
    rate->logged_at = now.mono;
    log_event(peer->ports.log, LEVEL_WARNING, "ring.slowed", "node=%s dropped=%llu reason=\"it asks for too much\"",
              id_format(node, hex), (unsigned long long)rate->slowed);
}

bool peer_rate_link(struct peer *peer, struct now now, struct link *from)
{
    int64_t per_s = peer->options.requests_per_s;
    if (!from || !per_s)
        return true;
    if (take(&from->asked_until, now.mono, 1, LINK_SHARE * per_s, LINK_SHARE * (int64_t)peer->options.requests_burst))
        return true;
    slow(peer, now, from->node);
    return false;
}

static int64_t values_in(const struct reload_store_req *store)
{
    size_t n = 0;
    for (size_t i = 0; i < store->kind_count; i++)
        n += store->kinds[i].value_count;
    return (int64_t)n;
}

/* In signatures to check or to make, about. */
static int64_t cost_of(const struct request *request)
{
    switch (request->message->contents.code) {
    case RELOAD_STORE_REQ:
        return 1 + values_in(&request->body.store_req);
    case RELOAD_PING_REQ:
        return request->message->contents.extension_count ? 5 : 1;
    case RELOAD_FIND_REQ:
        return 2;
    case RELOAD_ATTACH_REQ:
    case RELOAD_APP_ATTACH_REQ:
        return 5; /* a connection follows */
    case RELOAD_JOIN_REQ:
        return 20;
    default:
        return 1;
    }
}

bool peer_rate_request(struct peer *peer, struct now now, const struct request *request)
{
    int64_t per_s = peer->options.requests_per_s;
    struct id node = request->signer->node;
    bool copy = request->message->contents.code == RELOAD_STORE_REQ && request->body.store_req.replica_number > 0;
    if (!request->link || !per_s || (copy && (chord_is_neighbor(peer, node) || chord_join_is_admitting(peer, node))))
        return true;
    struct rate *rate = rate_of(peer, now, node);
    if (!rate || take(&rate->empty_at, now.mono, cost_of(request), per_s, peer->options.requests_burst))
        return true;
    slow(peer, now, node);
    return false;
}

void peer_rates_init(struct peer *peer)
{
    map_init(&peer->rates, SIGNERS_MAX, entropy_u64(&peer->ports.entropy));
    list_init(&peer->rate_order);
}

void peer_rates_fini(struct peer *peer)
{
    LIST_EACH(it, &peer->rate_order)
        rate_free(peer, CONTAINER_OF(it, struct rate, order));
    map_fini(&peer->rates);
}

size_t peer_rates_view(const struct peer *peer, struct now now, struct peer_slowed_view *ret_slowed, size_t max)
{
    size_t n = 0;
    for (const struct list *it = peer->rate_order.prev; it != &peer->rate_order && n < max; it = it->prev) {
        const struct rate *rate = CONTAINER_OF(it, const struct rate, order);
        if (rate->slowed)
            ret_slowed[n++] =
                (struct peer_slowed_view){rate->node, rate->slowed, mono_since_us(now.mono, rate->slowed_at)};
    }
    return n;
}
