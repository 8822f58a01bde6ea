/* Outcomes of validations, one after the other: written first, applied to memory when the store says so, then told. */
#include "base/mem.h"
#include "pvp/pool_private.h"

/* The results of the pool that lie in the bucket of a number; they are more by one than what is there now. Sets fill. */
static int collect_bucket(struct operation *op, const struct peer *peer, const struct pool *pool)
{
    size_t n = 1;
    op->outcome.fill = op->result->result.worth;
    if (pool) {
        LIST_EACH(at, &pool->results)
            n++;
    }
    op->learned = mem_alloc(n * sizeof *op->learned);
    if (!op->learned)
        return ERR_NO_MEMORY;
    size_t count = 0;
    if (pool) {
        LIST_EACH(at, &pool->results) {
            const struct pvp_result *r = &CONTAINER_OF(at, struct stored_result, link)->result;
            if (!pvp_same_bucket(peer, &r->called, &op->called))
                continue;
            op->learned[count++] = *r;
            op->outcome.fill += r->worth;
        }
    }
    op->learned[count++] = op->result->result;
    op->outcome.learned_count = count;
    return 0;
}

/* Writes what a success changes; undo: writes it back. */
static int write_success(const struct operation *op, bool undo)
{
    const struct pvp_pools *p = op->pools;
    int err = 0;
    if (op->outcome.event != PVP_POOL_LEARNED)
        return undo ? pvp_pool_row_remove(p, &op->node_id, op->domain, &op->result->result)
                    : pvp_pool_row_put(p, &op->node_id, op->domain, &op->result->result);
    for (size_t i = 0; i + 1 < op->outcome.learned_count && !err; i++)
        err = undo ? pvp_pool_row_put(p, &op->node_id, op->domain, &op->learned[i])
                   : pvp_pool_row_remove(p, &op->node_id, op->domain, &op->learned[i]);
    return err;
}

/* The pool that the operation changes, made if need be; NULL when memory is short. */
static struct pool *hold_pool(const struct operation *op)
{
    struct peer *peer = pvp_peer_hold(op->pools, &op->node_id);
    return peer ? pvp_pool_hold(op->pools, peer, slice_str(op->domain)) : NULL;
}

/* What it held, and was not used in the end. */
static void release_pool(const struct operation *op)
{
    struct peer *peer = pvp_peer_find(op->pools, &op->node_id);
    struct pool *pool = pvp_pool_find(peer, slice_str(op->domain));
    if (pool)
        pvp_pool_drop_if_empty(op->pools, pool);
    if (peer)
        pvp_peer_drop_if_empty(op->pools, peer);
}

static int begin_success(struct operation *op)
{
    struct pvp_pools *p = op->pools;
    const struct peer *peer = pvp_peer_find(p, &op->node_id);
    int err = collect_bucket(op, peer, pvp_pool_find(peer, slice_str(op->domain)));
    if (err)
        return err;
    op->outcome.threshold = p->config.bucketentropy;
    op->outcome.in_penalty_box = pvp_penalty_find(peer, &op->called) != NULL;
    op->outcome.event = op->outcome.fill > p->config.bucketentropy ? PVP_POOL_LEARNED : PVP_POOL_CREDITED;
    if (op->outcome.event == PVP_POOL_LEARNED) {
        op->outcome.learned = op->learned;
    } else {
        op->outcome.learned_count = 0;
        if (!hold_pool(op))
            return ERR_NO_MEMORY; /* before anything is written that memory could not follow */
    }
    return write_success(op, false);
}

static int write_failure(struct operation *op, bool undo)
{
    const struct pvp_pools *p = op->pools;
    const struct peer *peer = pvp_peer_find(p, &op->node_id);
    int err = 0;
    op->outcome.lost_count = 0;
    if (peer) {
        LIST_EACH(in, &peer->pools) {
            const struct pool *pool = CONTAINER_OF(in, struct pool, link);
            LIST_EACH(at, &pool->results) {
                const struct pvp_result *r = &CONTAINER_OF(at, struct stored_result, link)->result;
                int one = undo ? pvp_pool_row_put(p, &op->node_id, pool->domain, r)
                               : pvp_pool_row_remove(p, &op->node_id, pool->domain, r);
                err = err ? err : one;
                op->outcome.lost_count++;
            }
        }
    }
    const struct penalty *old = pvp_penalty_find(peer, &op->called);
    int last = !undo ? pvp_penalty_row_put(p, &op->node_id, &op->called, op->now)
               : old ? pvp_penalty_row_put(p, &op->node_id, &op->called, old->since)
                     : pvp_penalty_row_remove(p, &op->node_id, &op->called);
    return err ? err : last;
}

static int begin_failure(struct operation *op)
{
    op->outcome.event = PVP_POOL_EMPTIED;
    op->outcome.threshold = op->pools->config.bucketentropy;
    op->outcome.in_penalty_box = true;
    return write_failure(op, false);
}

/* Takes results of the same bucket as the number out of the pool; all of them if number is NULL. */
static void empty_bucket(struct peer *peer, struct pool *pool, const struct e164 *number)
{
    LIST_EACH(at, &pool->results) {
        struct stored_result *s = CONTAINER_OF(at, struct stored_result, link);
        if (number && !pvp_same_bucket(peer, &s->result.called, number))
            continue;
        list_remove(at);
        mem_free(s);
    }
}

/* The memory follows the store. */
static void apply_success(struct operation *op)
{
    struct peer *peer = pvp_peer_find(op->pools, &op->node_id);
    struct pool *pool = pvp_pool_find(peer, slice_str(op->domain));
    if (op->outcome.event == PVP_POOL_LEARNED) {
        if (pool)
            empty_bucket(peer, pool, &op->called);
        return;
    }
    list_append(&pool->results, &op->result->link);
    op->result = NULL;
}

static void evict_penalty(struct pvp_pools *p)
{
    struct penalty *oldest = CONTAINER_OF(heap_first(&p->penalties), struct penalty, node);
    struct peer *peer = oldest->peer;
    if (pvp_penalty_row_remove(p, &peer->node_id, &oldest->called) == 0)
        kv_commit(p->kv, NULL, NULL);
    pvp_penalty_drop(p, oldest);
    pvp_peer_drop_if_empty(p, peer);
    p->counters.penalties_evicted++;
}

/* A penalty that cannot be held for want of memory is there again after a restart. */
static void apply_failure(struct operation *op)
{
    struct pvp_pools *p = op->pools;
    struct peer *peer = pvp_peer_hold(p, &op->node_id);
    if (!peer)
        return;
    LIST_EACH(at, &peer->pools) {
        struct pool *pool = CONTAINER_OF(at, struct pool, link);
        empty_bucket(peer, pool, NULL);
        pvp_pool_drop_if_empty(p, pool);
    }
    pvp_penalty_set(p, peer, &op->called, op->now);
    pvp_peer_drop_if_empty(p, peer);
    while (p->penalties.n > p->config.penalties_max)
        evict_penalty(p);
}

static void count(struct pvp_pools *p, const struct pvp_pool_outcome *o)
{
    switch (o->event) {
    case PVP_POOL_LEARNED:
        p->counters.buckets_learned++;
        p->counters.routes_learned += o->learned_count;
        p->counters.successes++;
        break;
    case PVP_POOL_CREDITED:
        p->counters.successes++;
        break;
    case PVP_POOL_EMPTIED:
        p->counters.failures++;
        p->counters.results_discarded += o->lost_count;
        break;
    }
}

void pvp_pool_operation_free(struct operation *op)
{
    mem_free(op->learned);
    mem_free(op->result);
    mem_free(op);
}

/* Tells how it ended. The results that were learned are still there while it does. */
static void finish(struct operation *op, int err)
{
    struct pvp_pools *p = op->pools;
    if (err) {
        p->counters.write_failed++;
        log_event(p->log, LEVEL_ERROR, "pvp.pool.lost", "called=%s error=%s", op->called.text, err_name(err));
    } else {
        count(p, &op->outcome);
    }
    if (p->port.done)
        p->port.done(p->port.ctx, &op->outcome, err);
    if (!err && op->is_failure)
        apply_failure(op);
    else if (!err)
        apply_success(op);
    release_pool(op);
    p->pending--;
    p->writing = NULL;
    pvp_pool_operation_free(op);
}

static void written(void *arg, int err)
{
    struct operation *op = arg;
    struct pvp_pools *p = op->pools;
    finish(op, err);
    pvp_pool_run(p);
}

/* 0 when its write is under way. */
static int begin(struct operation *op)
{
    struct pvp_pools *p = op->pools;
    op->outcome.node_id = op->node_id;
    op->outcome.domain = slice_str(op->domain);
    op->outcome.called = op->called;
    op->outcome.vcr_id = op->vcr_id;
    int err = op->is_failure ? begin_failure(op) : begin_success(op);
    if (!err && p->port.stage)
        err = p->port.stage(p->port.ctx, &op->outcome);
    if (err) /* nothing of it may go into somebody else's commit */
        op->is_failure ? write_failure(op, true) : write_success(op, true);
    return err;
}

void pvp_pool_run(struct pvp_pools *p)
{
    while (!p->writing && !list_empty(&p->queue)) {
        struct operation *op = CONTAINER_OF(list_pop(&p->queue), struct operation, link);
        p->writing = op;
        int err = begin(op);
        if (!err)
            kv_commit(p->kv, written, op);
        else
            finish(op, err);
    }
}
