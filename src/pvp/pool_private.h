/* Inside of the module: pools in memory.
 *
 * Which bucket a result lies in follows from its number: the number's own bucket, if the Node-ID has a penalty for that number, else the
 * default bucket. A penalty begins with all buckets empty, so a result never changes its bucket on the way. */
#ifndef PVP_POOL_PRIVATE_H
#define PVP_POOL_PRIVATE_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "pvp/pool.h"

#define POOL_DOMAIN_OCTETS_MAX 253

struct stored_result {
    struct list link;
    struct pvp_result result; /* valinfo_xml points to the octets below */
    uint8_t xml[];
};

struct peer {
    struct id node_id;
    struct list pools;
    struct list penalties;
};

struct pool {
    struct list link;
    struct peer *peer;
    struct list results; /* the oldest first */
    char domain[POOL_DOMAIN_OCTETS_MAX + 1];
};

struct penalty {
    struct list link;
    struct heap_node node; /* by `since`, in milliseconds: the oldest gives way */
    struct peer *peer;
    struct e164 called;
    struct wall since;
};

/* An outcome that waits for its turn, or for the store. */
struct operation {
    struct list link;
    struct pvp_pools *pools;
    bool is_failure;
    struct id node_id;
    char domain[POOL_DOMAIN_OCTETS_MAX + 1]; /* "" for a failure */
    struct stored_result *result;            /* of a success; moves into the pool */
    struct e164 called;
    struct id vcr_id;
    struct wall now;
    struct pvp_pool_outcome outcome;
    struct pvp_result *learned;
};

struct pvp_pools {
    struct pvp_pool_config config;
    const struct kv *kv;
    struct pvp_pool_port port;
    const struct log *log;
    struct pvp_pool_counters counters;
    struct map peers; /* Node-ID → struct peer */
    struct heap penalties;
    size_t pool_count;
    struct list queue;         /* operations that wait for their turn */
    struct operation *writing; /* the one that waits for the store */
    size_t pending;
};

/* pool.c */
struct peer *pvp_peer_find(const struct pvp_pools *p, const struct id *node_id);
struct peer *pvp_peer_hold(struct pvp_pools *p, const struct id *node_id);
void pvp_peer_drop_if_empty(struct pvp_pools *p, struct peer *peer);
struct pool *pvp_pool_find(const struct peer *peer, struct slice domain);
struct pool *pvp_pool_hold(struct pvp_pools *p, struct peer *peer, struct slice domain);
void pvp_pool_drop_if_empty(struct pvp_pools *p, struct pool *pool);
struct penalty *pvp_penalty_find(const struct peer *peer, const struct e164 *called);
int pvp_penalty_set(struct pvp_pools *p, struct peer *peer, const struct e164 *called, struct wall since);
void pvp_penalty_drop(struct pvp_pools *p, struct penalty *penalty);
bool pvp_same_bucket(const struct peer *peer, const struct e164 *a, const struct e164 *b);
struct stored_result *pvp_result_copy(const struct pvp_result *result);

/* pool_row.c */
int pvp_pool_row_put(const struct pvp_pools *p, const struct id *node_id, const char *domain,
                     const struct pvp_result *result);
int pvp_pool_row_remove(const struct pvp_pools *p, const struct id *node_id, const char *domain,
                        const struct pvp_result *result);
int pvp_penalty_row_put(const struct pvp_pools *p, const struct id *node_id, const struct e164 *called,
                        struct wall since);
int pvp_penalty_row_remove(const struct pvp_pools *p, const struct id *node_id, const struct e164 *called);
int pvp_pool_rows_load(struct pvp_pools *p);

/* pool_outcome.c: starts the next operation if none is being written. */
void pvp_pool_run(struct pvp_pools *p);
void pvp_pool_operation_free(struct operation *op);

#endif
