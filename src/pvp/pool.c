/* Peers, pools, penalties: the memory, and what may be asked of it. */
#include "pvp/pool.h"

#include "base/mem.h"
#include "base/text.h"
#include "pvp/pool_private.h"

COUNTERS_DEFINE(pvp_pool_counters, PVP_POOL_COUNTERS)

struct peer *pvp_peer_find(const struct pvp_pools *p, const struct id *node_id)
{
    return map_get(&p->peers, id_slice(node_id));
}

struct peer *pvp_peer_hold(struct pvp_pools *p, const struct id *node_id)
{
    struct peer *peer = pvp_peer_find(p, node_id);
    if (peer)
        return peer;
    peer = mem_alloc(sizeof *peer);
    if (!peer)
        return NULL;
    peer->node_id = *node_id;
    list_init(&peer->pools);
    list_init(&peer->penalties);
    if (map_set(&p->peers, id_slice(node_id), peer) < 0) {
        mem_free(peer);
        return NULL;
    }
    return peer;
}

void pvp_peer_drop_if_empty(struct pvp_pools *p, struct peer *peer)
{
    if (!list_empty(&peer->pools) || !list_empty(&peer->penalties))
        return;
    map_remove(&p->peers, id_slice(&peer->node_id));
    mem_free(peer);
}

struct pool *pvp_pool_find(const struct peer *peer, struct slice domain)
{
    if (!peer)
        return NULL;
    LIST_EACH(at, &peer->pools) {
        struct pool *pool = CONTAINER_OF(at, struct pool, link);
        if (slice_eq_str(domain, pool->domain))
            return pool;
    }
    return NULL;
}

struct pool *pvp_pool_hold(struct pvp_pools *p, struct peer *peer, struct slice domain)
{
    struct pool *pool = pvp_pool_find(peer, domain);
    if (pool)
        return pool;
    pool = mem_alloc(sizeof *pool);
    if (!pool)
        return NULL;
    pool->peer = peer;
    text_lower(domain, pool->domain);
    list_init(&pool->results);
    list_append(&peer->pools, &pool->link);
    p->pool_count++;
    return pool;
}

void pvp_pool_drop_if_empty(struct pvp_pools *p, struct pool *pool)
{
    if (!list_empty(&pool->results))
        return;
    list_remove(&pool->link);
    p->pool_count--;
    mem_free(pool);
}

struct penalty *pvp_penalty_find(const struct peer *peer, const struct e164 *called)
{
    if (!peer)
        return NULL;
    LIST_EACH(at, &peer->penalties) {
        struct penalty *penalty = CONTAINER_OF(at, struct penalty, link);
        if (slice_eq(e164_slice(&penalty->called), e164_slice(called)))
            return penalty;
    }
    return NULL;
}

int pvp_penalty_set(struct pvp_pools *p, struct peer *peer, const struct e164 *called, struct wall since)
{
    struct penalty *penalty = pvp_penalty_find(peer, called);
    bool is_new = !penalty;
    if (is_new) {
        penalty = mem_alloc(sizeof *penalty);
        if (!penalty)
            return ERR_NO_MEMORY;
        penalty->peer = peer;
        penalty->called = *called;
        list_append(&peer->penalties, &penalty->link);
    }
    penalty->since = since;
    int err = heap_set(&p->penalties, &penalty->node, (struct mono){since.ms});
    if (err && is_new) {
        list_remove(&penalty->link);
        mem_free(penalty);
    }
    return err;
}

void pvp_penalty_drop(struct pvp_pools *p, struct penalty *penalty)
{
    heap_remove(&p->penalties, &penalty->node);
    list_remove(&penalty->link);
    mem_free(penalty);
}

bool pvp_same_bucket(const struct peer *peer, const struct e164 *a, const struct e164 *b)
{
    if (slice_eq(e164_slice(a), e164_slice(b)))
        return true;
    return !pvp_penalty_find(peer, a) && !pvp_penalty_find(peer, b);
}

struct stored_result *pvp_result_copy(const struct pvp_result *result)
{
    struct stored_result *s = mem_alloc(sizeof *s + result->valinfo_xml.n);
    if (!s)
        return NULL;
    list_init(&s->link);
    s->result = *result;
    if (result->valinfo_xml.n)
        memcpy(s->xml, result->valinfo_xml.p, result->valinfo_xml.n);
    s->result.valinfo_xml = slice_of(s->xml, result->valinfo_xml.n);
    return s;
}

static bool is_bucketentropy(unsigned v)
{
    return v >= 1 && v <= PVP_BUCKETENTROPY_MAX;
}

int pvp_pools_new(const struct pvp_pool_config *config, const struct kv *kv, const struct pvp_pool_port *port,
                  const struct log *log, struct pvp_pools **ret_pools)
{
    if (!is_bucketentropy(config->bucketentropy))
        return ERR_RANGE;
    struct pvp_pools *p = mem_alloc(sizeof *p);
    if (!p)
        return ERR_NO_MEMORY;
    p->config = *config;
    p->kv = kv;
    p->port = *port;
    p->log = log;
    map_init(&p->peers, SIZE_MAX, config->hash_seed); /* bounded by pools and penalties */
    heap_init(&p->penalties);
    list_init(&p->queue);
    int err = pvp_pool_rows_load(p);
    if (err) {
        pvp_pools_free(p);
        return err;
    }
    *ret_pools = p;
    return 0;
}

static void free_pool(struct pvp_pools *p, struct pool *pool)
{
    LIST_EACH(at, &pool->results)
        mem_free(CONTAINER_OF(at, struct stored_result, link));
    list_init(&pool->results);
    pvp_pool_drop_if_empty(p, pool);
}

void pvp_pools_free(struct pvp_pools *p)
{
    struct map_iter it;
    if (!p)
        return;
    LIST_EACH(at, &p->queue)
        pvp_pool_operation_free(CONTAINER_OF(at, struct operation, link));
    if (p->writing)
        pvp_pool_operation_free(p->writing);
    heap_fini(&p->penalties);
    map_iter_init(&it);
    while (map_iter_next(&p->peers, &it)) {
        struct peer *peer = it.value;
        LIST_EACH(at, &peer->pools)
            free_pool(p, CONTAINER_OF(at, struct pool, link));
        LIST_EACH(at, &peer->penalties)
            mem_free(CONTAINER_OF(at, struct penalty, link));
        mem_free(peer);
    }
    map_fini(&p->peers);
    mem_free(p);
}

const struct pvp_pool_counters *pvp_pools_counters(const struct pvp_pools *p)
{
    return &p->counters;
}

int pvp_pools_set_bucketentropy(struct pvp_pools *p, unsigned bucketentropy)
{
    if (!is_bucketentropy(bucketentropy))
        return ERR_RANGE;
    p->config.bucketentropy = bucketentropy;
    return 0;
}

size_t pvp_pools_pending(const struct pvp_pools *p)
{
    return p->pending;
}

/* Whether the record counts in the pool, or will. */
static bool is_known(const struct pvp_pools *p, const struct id *node_id, struct slice domain, const struct id *vcr_id)
{
    const struct pool *pool = pvp_pool_find(pvp_peer_find(p, node_id), domain);
    if (pool) {
        LIST_EACH(at, &pool->results)
            if (id_eq(CONTAINER_OF(at, struct stored_result, link)->result.vcr_id, *vcr_id))
                return true;
    }
    LIST_EACH(at, &p->queue) {
        const struct operation *op = CONTAINER_OF(at, struct operation, link);
        if (!op->is_failure && id_eq(op->node_id, *node_id) && id_eq(op->vcr_id, *vcr_id) &&
            slice_eq_str(domain, op->domain))
            return true;
    }
    const struct operation *w = p->writing;
    return w && !w->is_failure && id_eq(w->node_id, *node_id) && id_eq(w->vcr_id, *vcr_id) &&
           slice_eq_str(domain, w->domain);
}

static int enqueue(struct pvp_pools *p, const struct operation *filled)
{
    if (p->pending >= p->config.queue_max) {
        p->counters.queue_full++;
        return ERR_LIMIT;
    }
    struct operation *op = mem_alloc(sizeof *op);
    if (!op)
        return ERR_NO_MEMORY;
    *op = *filled;
    op->pools = p;
    list_append(&p->queue, &op->link);
    p->pending++;
    pvp_pool_run(p);
    return 0;
}

int pvp_pool_success(struct pvp_pools *p, const struct id *node_id, struct slice domain,
                     const struct pvp_result *result)
{
    struct operation op = {
        .node_id = *node_id, .called = result->called, .vcr_id = result->vcr_id, .now = result->when};
    if (!domain_is_valid(domain) || !e164_is_valid(e164_slice(&result->called)) || !result->worth ||
        result->worth > PVP_BUCKETENTROPY_MAX || !result->valinfo_xml.n || result->valinfo_xml.n > UINT16_MAX)
        return ERR_RANGE;
    text_lower(domain, op.domain);
    if (is_known(p, node_id, slice_str(op.domain), &result->vcr_id)) {
        p->counters.duplicates++;
        return ERR_EXISTS;
    }
    if (p->pool_count >= p->config.pools_max && !pvp_pool_find(pvp_peer_find(p, node_id), slice_str(op.domain))) {
        p->counters.pools_full++;
        return ERR_LIMIT;
    }
    op.result = pvp_result_copy(result);
    if (!op.result)
        return ERR_NO_MEMORY;
    int err = enqueue(p, &op);
    if (err)
        mem_free(op.result);
    return err;
}

int pvp_pool_failure(struct pvp_pools *p, const struct id *node_id, const struct e164 *called, const struct id *vcr_id,
                     struct wall now)
{
    struct operation op = {.is_failure = true, .node_id = *node_id, .called = *called, .vcr_id = *vcr_id, .now = now};
    return e164_is_valid(e164_slice(called)) ? enqueue(p, &op) : ERR_RANGE;
}

/* One bucket of a pool (NULL: the peer has none), as `show` wants it. */
static int show_bucket(const struct pvp_pools *p, const struct peer *peer, const struct pool *pool,
                       const struct penalty *penalty, pvp_bucket_fn *each, void *arg)
{
    struct pvp_bucket_info info = {.node_id = peer->node_id, .threshold = p->config.bucketentropy};
    size_t n = 0;
    if (pool) {
        info.domain = slice_str(pool->domain);
        LIST_EACH(at, &pool->results)
            n++;
    }
    const struct pvp_result **results = mem_alloc((n ? n : 1) * sizeof *results);
    if (!results)
        return ERR_NO_MEMORY;
    if (penalty) {
        info.number = penalty->called;
        info.penalty_since = penalty->since;
    }
    if (pool) {
        LIST_EACH(at, &pool->results) {
            const struct pvp_result *r = &CONTAINER_OF(at, struct stored_result, link)->result;
            const struct penalty *its = pvp_penalty_find(peer, &r->called);
            if (its != penalty)
                continue;
            results[info.result_count++] = r;
            info.fill += r->worth;
        }
    }
    info.results = results;
    int stop = penalty || info.result_count ? each(arg, &info) : 0;
    mem_free(results);
    return stop;
}

static int show_peer(const struct pvp_pools *p, const struct peer *peer, pvp_bucket_fn *each, void *arg)
{
    int stop = 0;
    LIST_EACH(at, &peer->pools) {
        const struct pool *pool = CONTAINER_OF(at, struct pool, link);
        stop = show_bucket(p, peer, pool, NULL, each, arg);
        LIST_EACH(pen, &peer->penalties)
            stop = stop ? stop : show_bucket(p, peer, pool, CONTAINER_OF(pen, struct penalty, link), each, arg);
        if (stop)
            return stop;
    }
    if (list_empty(&peer->pools)) {
        LIST_EACH(pen, &peer->penalties)
            stop = stop ? stop : show_bucket(p, peer, NULL, CONTAINER_OF(pen, struct penalty, link), each, arg);
    }
    return stop;
}

int pvp_pools_each(const struct pvp_pools *p, pvp_bucket_fn *each, void *arg)
{
    struct map_iter it;
    int stop = 0;
    map_iter_init(&it);
    while (!stop && map_iter_next(&p->peers, &it))
        stop = show_peer(p, it.value, each, arg);
    return stop;
}
