/* Pools and buckets: how many proofs make a route.
 *
 * A pool belongs to a peer Node-ID and the domain it proved; it has a default bucket and number buckets. A success goes into the number
 * bucket if there is one, else into the default bucket. When the sum of worths in a bucket exceeds the threshold (bucketentropy), all
 * results in it become learned routes and it is emptied. A failure empties every bucket of all pools of the Node-ID and opens a number
 * bucket for that number: the penalty box.
 *
 * Outcomes are handled one after the other, each durable (KV_PVP_POOL, KV_PVP_PENALTY) before it counts in memory and before its effect.
 * The stage hook writes, in the same transaction, what must not be torn apart from it: learned routes, the end of the VCR. */
#ifndef PVP_POOL_H
#define PVP_POOL_H

#include "base/counter.h"
#include "base/e164.h"
#include "base/id.h"
#include "base/kv.h"
#include "base/log.h"
#include "base/time.h"

#define PVP_BUCKETENTROPY_DEFAULT 24
#define PVP_BUCKETENTROPY_MAX 1000

/* One success. Slices are borrowed in calls into the pools, and belong to the pools in what they hand out. */
struct pvp_result {
    struct id vcr_id;
    struct e164 called;
    uint64_t vservice_id; /* the originator's: whom to notify */
    unsigned worth;
    struct wall when;
    struct slice valinfo_xml;
};

enum pvp_pool_event {
    PVP_POOL_CREDITED, /* a success was counted; nothing learned yet */
    PVP_POOL_LEARNED,  /* … and the bucket overflowed: see learned */
    PVP_POOL_EMPTIED   /* a failure: buckets emptied, penalty box set */
};

struct pvp_pool_outcome {
    enum pvp_pool_event event;
    struct id node_id;
    struct slice domain; /* "" for a failure */
    struct e164 called;
    struct id vcr_id;
    unsigned fill;      /* of the bucket afterwards (before it was emptied, if LEARNED) */
    unsigned threshold; /* that it must exceed */
    bool in_penalty_box;
    const struct pvp_result *learned; /* LEARNED: all results of the bucket, the newest last */
    size_t learned_count;
    size_t lost_count; /* EMPTIED: how many results were thrown away */
};

/* Where outcomes go. Valid during the calls. */
struct pvp_pool_port {
    void *ctx;
    /* Before the commit: kv_put what belongs to it. An error gives the whole outcome up. May be NULL. */
    int (*stage)(void *ctx, const struct pvp_pool_outcome *outcome);
    /* After the commit. */
    void (*done)(void *ctx, const struct pvp_pool_outcome *outcome, int err);
};

#define PVP_POOL_COUNTERS(X) \
    X(successes)             \
    X(duplicates)            \
    X(failures)              \
    X(buckets_learned)       \
    X(routes_learned)        \
    X(results_discarded)     \
    X(penalties_evicted)     \
    X(pools_full)            \
    X(queue_full)            \
    X(write_failed)
COUNTERS_DECLARE(pvp_pool_counters, PVP_POOL_COUNTERS)

struct pvp_pool_config {
    unsigned bucketentropy;
    size_t pools_max;     /* more: ERR_LIMIT, the success is not counted */
    size_t penalties_max; /* the oldest gives way */
    size_t queue_max;     /* outcomes waiting for the store */
    uint64_t hash_seed;
};

#define PVP_POOL_CONFIG_DEFAULT                                                                                     \
    {                                                                                                               \
        .bucketentropy = PVP_BUCKETENTROPY_DEFAULT, .pools_max = 100000, .penalties_max = 100000, .queue_max = 4096 \
    }

struct pvp_pools;

/* Ports are borrowed; log may be NULL. Loads what is stored. */
int pvp_pools_new(const struct pvp_pool_config *config, const struct kv *kv, const struct pvp_pool_port *port,
                  const struct log *log, struct pvp_pools **ret_pools);

/* The store must not complete any more what is under way. */
void pvp_pools_free(struct pvp_pools *p);

const struct pvp_pool_counters *pvp_pools_counters(const struct pvp_pools *p);

/* Takes effect with the next success; 1 … PVP_BUCKETENTROPY_MAX. */
int pvp_pools_set_bucketentropy(struct pvp_pools *p, unsigned bucketentropy);

/* A success. 0: port->done tells (from within only if the store refuses at once). ERR_EXISTS: this record counts in this pool already. ERR_LIMIT, ERR_RANGE or ERR_NO_MEMORY. */
int pvp_pool_success(struct pvp_pools *p, const struct id *node_id, struct slice domain,
                     const struct pvp_result *result);

/* A failure. 0: port->done tells, as above. */
int pvp_pool_failure(struct pvp_pools *p, const struct id *node_id, const struct e164 *called, const struct id *vcr_id,
                     struct wall now);

/* Outcomes whose write has not ended. */
size_t pvp_pools_pending(const struct pvp_pools *p);

/* For show: bucket by bucket. number is "" for a default bucket. A penalty box without results, of a Node-ID without pools, has an empty
 * domain. A return other than 0 ends it. */
struct pvp_bucket_info {
    struct id node_id;
    struct slice domain;
    struct e164 number;
    unsigned fill;
    unsigned threshold;
    struct wall penalty_since; /* number buckets */
    const struct pvp_result *const *results;
    size_t result_count;
};
typedef int pvp_bucket_fn(void *arg, const struct pvp_bucket_info *info);
int pvp_pools_each(const struct pvp_pools *p, pvp_bucket_fn *each, void *arg);

#endif
