/* What one peer stores for the ring (RFC 6940 section 7): Store with all of its checks, Fetch, Stat, Find, lifetimes, and what
 * replication and hand-over need.
 *
 * A Store is answered only when it is durable: the new values lie beside the old ones until the write is reported done, and then take
 * their place; a failed write leaves everything as it was. Meanwhile further stores to the same resource wait their turn and are checked
 * against what the earlier ones leave behind; reads see what is durable.
 *
 * Errors are the RFC's (enum reload_error_code), chosen so:
 *     not responsible (original store)           Error_Not_Found: the resource is not here
 *     no replica duty, or not its owner's peer   Error_Forbidden (7.4.1.1)
 *     unknown Kinds                              Error_Unknown_Kind with their list
 *     generation counter differs                 Error_Generation_Counter_Too_Low with a StoreAns
 *     storage_time not newer (a replay, too)     Error_Data_Too_Old
 *     a limit of the Kind, a quota               Error_Data_Too_Large; error_info says which
 *     signature, signer, access control          Error_Forbidden
 *     breaks a rule of the format                Error_Invalid_Message
 *     disk, memory, too much under way           Error_Request_Timeout: the one error after which the sender "MAY resend the request at a
 *                                                later time" (6.3.3.1)
 * They are checked in this order, the cheap ones before the signatures. */
#ifndef RELOAD_STORAGE_H
#define RELOAD_STORAGE_H

#include "base/buf.h"
#include "base/counter.h"
#include "base/kv.h"
#include "base/log.h"
#include "base/region.h"
#include "base/time.h"
#include "reload/body.h"
#include "reload/kind.h"
#include "reload/security.h"

#define STORAGE_KEY_OCTETS_MAX 128 /* of a dictionary key */

struct storage;

struct storage_options {
    uint32_t entries_max;          /* values, removed ones included: 4194304 */
    uint64_t octets_max;           /* their keys, values and signatures: 2 GiB */
    uint32_t certificates_max;     /* of signers: 65536 */
    uint32_t removed_per_slot_max; /* removed values remembered per resource and Kind, besides max-count: 64 */
    uint32_t node_slot_max;        /* values of one Node-ID per resource and Kind: 16 */
    uint32_t pending_max;          /* stores that are being written: 4096 */
    uint32_t waiting_max;          /* stores that wait for another one to the same resource: 1024 */
    uint32_t lifetime_max_s;       /* longer lifetimes are cut to it: 30 days */
    uint64_t seed;                 /* for hash tables, from the entropy port */
};

void storage_options_default(struct storage_options *options);

/* What one Node-ID has here, by the values that it signed. */
struct storage_usage {
    uint32_t entries;         /* stored here as the responsible peer */
    uint64_t octets;          /* of these, and of the removed ones */
    uint32_t replica_entries; /* stored here as copies */
    uint64_t replica_octets;
    uint32_t removed_entries; /* removed values that are remembered until their lifetime ends */
};

/* A policy's question: may this node have more? Asked when values are stored or overwritten, and when a value is removed that is not here;
 * removing what is here is always allowed. */
struct storage_claim {
    struct id resource;
    struct id node; /* the values' signer */
    bool replica;   /* we are asked to hold copies */
    struct storage_usage usage;
    uint32_t adding_entries; /* may be 0: old values replaced by new ones, in whichever role */
    uint64_t adding_octets;  /* of all values of this node in the request, replaced ones not taken off */
};

/* What only the peer knows about a resource. Set by the peer; without one everything is refused. */
struct storage_duty {
    /* Whether we are responsible for it now. */
    bool (*responsible)(void *ctx, struct id resource);
    /* Whether we expect to be a replica for it, and the node that sends the copy may be responsible or in the replica set (7.4.1.1). */
    bool (*replica)(void *ctx, struct id resource, struct id sender);
    /* Where copies of it go, for StoreAns. Returns how many. */
    size_t (*replicas)(void *ctx, struct id resource, struct id *ret_nodes, size_t max);
    void *ctx;
};

struct storage_quota {
    bool (*allows)(void *ctx, const struct storage_claim *claim); /* NULL: no policy */
    void *ctx;
};

struct storage_ports {
    struct kv kv;              /* tables KV_RELOAD_DATA and KV_RELOAD_META, the latter with keys beginning with 's' */
    struct security *security; /* not owned */
    const struct log *log;     /* may be NULL */
};

/* Empty, with a copy of the Kinds. 0 or ERR_NO_MEMORY. */
int storage_new(const struct storage_options *options, const struct storage_ports *ports,
                const struct kind_table *kinds, struct storage **ret_storage);

/* Stores under way are answered with Error_Request_Timeout, whatever becomes of their writing; the kv port must not call back after this.
 * NULL is allowed. */
void storage_free(struct storage *storage);

/* Reads what was stored before. Rows that do not hold together, are expired, or whose signer's certificate is no longer good are counted,
 * skipped and removed. 0, or the kv port's error. */
int storage_load(struct storage *storage, struct now now);

/* Both are copied. */
void storage_set_duty(struct storage *storage, const struct storage_duty *duty);
void storage_set_quota(struct storage *storage, const struct storage_quota *quota);

/* A new configuration's Kinds: values of Kinds that are gone or changed their data model are discarded, and so are those of signers that
 * the security object, to be told first, does not admit any more (11.1). */
void storage_set_kinds(struct storage *storage, struct now now, const struct kind_table *kinds);

/* Longer lifetimes are cut to this. A copy is never granted more than what is left of it since its storage_time: who keeps an old value and
 * sends it as a copy cannot make it live longer than its signer could have. */
void storage_set_lifetime_max(struct storage *storage, uint32_t lifetime_max_s);

/* ---- Store (7.4.1) ---- */

struct storage_outcome {
    uint16_t error_code; /* 0, or enum reload_error_code */
    struct slice octets; /* the StoreAns; or error_info */
    struct id resource;
    bool changed;      /* something is different now: an original store is to be replicated */
    uint64_t revision; /* what this store changed has this revision: see storage_walk */
};
typedef void storage_done_fn(void *arg, const struct storage_outcome *outcome);

struct storage_request {
    const struct reload_store_req *store;
    const struct reload_security *security;  /* of the message: certificates of the values' signers */
    const struct security_signer *requester; /* who signed the message, verified */
};

/* Calls done exactly once: from within when the store is refused, else when it is durable or the write failed. The outcome lives as long
 * as that call. Everything that is needed later is copied. */
void storage_store(struct storage *storage, struct now now, const struct storage_request *request,
                   storage_done_fn *done, void *arg);

/* Whoever asked goes away: what was begun with this arg goes on, but done is not called. */
void storage_forget(struct storage *storage, const void *arg);

/* ---- Fetch, Stat, Find (7.4.2 … 7.4.4) ---- */

/* All of them append the answer's body, or the error_info, and return 0 or the error code (Error_Response_Too_Large when the buffer's limit
 * does not suffice, Error_Request_Timeout when memory is short). Fetch and Stat answer from what is here, responsible or not: replicas
 * are asked, too (7.4.1.2). */

/* The certificates of the values' signers, each once, in the region: for security_sign_message. */
struct storage_certs {
    struct slice *ders;
    size_t n;
};
uint16_t storage_fetch(struct storage *storage, struct now now, const struct reload_fetch_req *request,
                       struct region *region, struct buf *ret_body, struct storage_certs *ret_certs);
uint16_t storage_stat(struct storage *storage, struct now now, const struct reload_fetch_req *request,
                      struct region *region, struct buf *ret_body);
uint16_t storage_find(struct storage *storage, struct now now, const struct reload_find_req *request,
                      struct region *region, struct buf *ret_body);

/* ---- replication and hand-over (10.4, 10.7.3) ---- */

/* Walks the values of the resources in (from, to] on the ring, Kind by Kind in ring order, in portions for one StoreReq each; from == to is
 * the whole ring. What changes meanwhile is seen or not, nothing else is missed or repeated. */
struct storage_walk {
    struct id from;
    struct id to;
    uint64_t since; /* only values of this revision or a later one; 0: all */
    /* Where it stands: behind this value. */
    uint64_t kind;
    struct id resource;
    uint32_t index;
    size_t key_octets;
    bool in_kind;
    bool in_slot;
    bool finished;
    uint8_t key[STORAGE_KEY_OCTETS_MAX];
};
void storage_walk_init(struct storage_walk *walk, struct id from, struct id to, uint64_t since);

/* The walk over one resource. */
void storage_walk_resource(struct storage_walk *walk, struct id resource, uint64_t since);

struct storage_portion {
    struct reload_store_req store; /* lifetimes already reduced by the time that the values lay here (7.4.1.1) */
    struct storage_certs certs;
    struct id resource;
};

/* The next portion: one resource, values of about octets_max octets together with their certificates, but at least one. Points into the
 * region and the storage: encode it before anything else is done with the storage. 0; ERR_NOT_FOUND at the end; ERR_NO_MEMORY, after which it
 * can be called again. */
int storage_walk_next(const struct storage *storage, struct storage_walk *walk, struct now now, uint8_t replica_number,
                      size_t octets_max, struct region *region, struct storage_portion *ret_portion);

/* What lies in (from, to], removed values included, as a number that two peers can compare. The key is drawn for each comparison. */
struct storage_digest {
    uint64_t sum;
    uint32_t values;
};
void storage_digest(const struct storage *storage, struct now now, struct id from, struct id to, const uint64_t key[2],
                    struct storage_digest *ret_digest);

/* Up to max places, in order, that cut (from, to] into parts with about equally many resources. Returns how many. */
size_t storage_divide(const struct storage *storage, struct id from, struct id to, struct id *ret_places, size_t max);

/* The first resource in (from, to]. False if there is none. */
bool storage_first_resource(const struct storage *storage, struct id from, struct id to, struct id *ret_resource);

/* Removes up to max resources that do not lie in (from, to], durably; those with a store under way stay until they are asked about again. Returns how many are left
 * to remove or busy, at least: call again while it is not 0. */
size_t storage_keep_only(struct storage *storage, struct now now, struct id from, struct id to, size_t max);

/* ---- time ---- */

/* Expires what is due; a bounded amount per call. */
void storage_tick(struct storage *storage, struct now now);
struct mono storage_deadline(const struct storage *storage);

/* ---- looking at it ---- */

#define STORAGE_COUNTERS(X)                                                      \
    X(stores)         /* original ones, durable */                               \
    X(replica_stores) /* copies, durable */                                      \
    X(values_stored)  /* by either */                                            \
    X(values_removed) /* stored with exists false */                             \
    X(values_expired)                                                            \
    X(values_dropped) /* handed over, or of a Kind or a signer that is gone */   \
    X(fetches)                                                                   \
    X(stats)                                                                     \
    X(finds)                                                                     \
    X(stores_waited)      /* for another one to the same resource */             \
    X(replica_older_kept) /* a copy was older than what we have, which stayed */ \
    X(refused_responsibility)                                                    \
    X(refused_replica)                                                           \
    X(refused_kind)                                                              \
    X(refused_generation)                                                        \
    X(refused_too_old)                                                           \
    X(refused_too_large)                                                         \
    X(refused_signature)                                                         \
    X(refused_access)                                                            \
    X(refused_unsigned) /* identity none: only made-up values have it */         \
    X(refused_quota)                                                             \
    X(refused_malformed)                                                         \
    X(refused_full) /* entries_max, octets_max, certificates_max */              \
    X(refused_busy) /* pending_max, waiting_max */                               \
    X(refused_memory)                                                            \
    X(writes_failed)                                                             \
    X(generations_bounded) /* a copy's counter that was far ahead of ours */     \
    X(copies_too_old)      /* of values that must have expired: left aside */    \
    X(lifetimes_cut)                                                             \
    X(rows_loaded)                                                               \
    X(rows_corrupt)                                                              \
    X(rows_expired)                                                              \
    X(rows_signer_gone)

COUNTERS_DECLARE(storage_counters, STORAGE_COUNTERS)

const struct storage_counters *storage_counters(const struct storage *storage);

struct storage_view {
    uint64_t entries; /* removed ones that are remembered included */
    uint64_t octets;
    uint64_t resources;
    uint64_t certificates;
    uint64_t pending;
    uint64_t waiting;
};
void storage_view(const struct storage *storage, struct storage_view *ret_view);

/* What one node has here; zeros if nothing. */
void storage_usage(const struct storage *storage, struct id node, struct storage_usage *ret_usage);

#endif
