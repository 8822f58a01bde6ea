/* The port to durable storage: tables of octet-string keys and values, written in batches. Cores declare what they keep in tables of
 * their own number range; src/store implements the port on SQLite and in memory.
 *
 * A core writes with kv_put and kv_remove and then calls kv_commit with a completion. The completion is called later, never from within
 * kv_commit, once everything written before is durable (0) or lost (ERR_NO_SPACE, ERR_IO). Several commits may share one disk
 * transaction (group commit): it succeeds or fails for all of them. Until its completion a core acknowledges nothing and changes
 * nothing in memory that it could not take back. */
#ifndef BASE_KV_H
#define BASE_KV_H

#include "base/slice.h"

/* Table numbers of all modules, so that no two use the same. They are part of the database format: never renumber. */
enum kv_table {
    KV_SERVER_META = 1,
    KV_RELOAD_DATA = 10,       /* stored values of the ring */
    KV_RELOAD_META = 11,       /* configuration document, generation counters of resources */
    KV_RELOAD_NODES_DATA = 12, /* the same two of a server's further Node-IDs */
    KV_RELOAD_NODES_META = 13,
    KV_NUMBERS = 20,
    KV_PVP_VCR = 30,
    KV_PVP_POOL = 31,
    KV_PVP_PENALTY = 32,
    KV_PVP_SPACING = 33, /* last validation of a called number */
    KV_PVP_ATTEMPTS = 34,
    KV_TICKET_EPOCH = 40,
    KV_TICKET_REVOKED = 41,
    KV_TICKET_CONFIRMED = 42, /* when the source of copied keys said the last time that they hold */
    KV_ROUTE = 50,
    KV_VALIDATION = 51,
    KV_SETTING = 60, /* what imectl set */
    KV_EVENT = 61,   /* what happened to a number: for explain */
    KV_ENROLL_CA = 70,
    KV_ENROLL_TOKEN = 71,
    KV_ENROLL_CERTIFICATE = 72,
    KV_ENROLL_CONFIG = 73,
    KV_AGENT_ROUTE = 80,     /* learned routes */
    KV_AGENT_VCR = 81,       /* call records that no server has acknowledged */
    KV_AGENT_CALL = 82,      /* what became of each call */
    KV_AGENT_PROVISION = 83, /* numbers and trust that imectl has added */
    KV_AGENT_DIALOG = 84,    /* the goodbyes of calls in progress */
    KV_AGENT_BINDING = 85    /* where PBXs are reached that have registered */
};

typedef void kv_done_fn(void *arg, int err);

/* Called per row in key order; a return other than 0 ends the scan with that value. */
typedef int kv_row_fn(void *arg, struct slice key, struct slice value);

struct kv {
    void *ctx;
    /* Both return 0, ERR_NO_MEMORY, or the error of a store that is known to be unwritable. */
    int (*put)(void *ctx, enum kv_table table, struct slice key, struct slice value);
    int (*remove)(void *ctx, enum kv_table table, struct slice key);
    /* done may be NULL: nobody waits, but a failure is still logged and counted by the store. */
    void (*commit)(void *ctx, kv_done_fn *done, void *arg);
    /* Sees what was put, whether committed or not. For start-up; not for use in the middle of a protocol. */
    int (*scan)(void *ctx, enum kv_table table, kv_row_fn *row, void *arg);
    /* The value is valid until the next call. ERR_NOT_FOUND if absent. */
    int (*get)(void *ctx, enum kv_table table, struct slice key, struct slice *ret_value);
};

static inline int kv_put(const struct kv *kv, enum kv_table table, struct slice key, struct slice value)
{
    return kv->put(kv->ctx, table, key, value);
}

static inline int kv_remove(const struct kv *kv, enum kv_table table, struct slice key)
{
    return kv->remove(kv->ctx, table, key);
}

static inline void kv_commit(const struct kv *kv, kv_done_fn *done, void *arg)
{
    kv->commit(kv->ctx, done, arg);
}

static inline int kv_scan(const struct kv *kv, enum kv_table table, kv_row_fn *row, void *arg)
{
    return kv->scan(kv->ctx, table, row, arg);
}

static inline int kv_get(const struct kv *kv, enum kv_table table, struct slice key, struct slice *ret_value)
{
    return kv->get(kv->ctx, table, key, ret_value);
}

#endif
