/* A peer of the ring (RFC 6940 with CHORD-RELOAD): links, routing, transactions, Attach, the Chord table, joining, replication.
 *
 * The peer is passive. Its environment tells it what happened, always with the time, and then takes out what the peer wants done:
 *
 *     peer_link_input(peer, now, link, octets);
 *     while ((effect = peer_effect_next(peer)) != NULL) { … peer_effect_free(effect); }
 *     sleep until peer_deadline(peer), then peer_tick(peer, now);
 *
 * The storage answers later, when its writes are durable: after completions of its kv port the effects are taken out as well. peer_tick and
 * peer_deadline include the storage's.
 *
 * Links are TLS connections that the environment makes and accepts, mutually authenticated by it against the overlay's authorities; the
 * peer adds what only it can check: the overlay, the expected Node-ID, bans, one link per node. Requests of the layer above carry a token
 * of its choice and end in exactly one PEER_RESULT with that token, also when the peer leaves; not when it is freed. */
#ifndef RELOAD_PEER_H
#define RELOAD_PEER_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/entropy.h"
#include "base/id.h"
#include "base/log.h"
#include "base/region.h"
#include "base/time.h"
#include "reload/config.h"
#include "reload/security.h"
#include "reload/storage.h"

struct peer;

/* ---- making one ---- */

#define PEER_BOOTSTRAPS_MAX 16
#define PEER_APPLICATIONS_MAX 8
#define PEER_NEIGHBORS_MAX 8

struct peer_options {
    struct id self;
    struct addr address; /* our ring listener as others reach it: the candidate in Attach (6.5.1.11) */
    struct addr
        other_address; /* the same in the other family of addresses: a second candidate; family 0: there is none */
    bool first;        /* may start a ring alone when no bootstrap node answers (4.5.2); for bootstrap nodes only */

    /* What follows has defaults: peer_options_default. */
    unsigned neighbors;             /* wanted on each side: 3 to PEER_NEIGHBORS_MAX (10.1) */
    unsigned fingers;               /* wanted, as far as the ring has them: 24 */
    unsigned replicas;              /* successors that get a copy: 2 (10.4) */
    uint32_t links_wanted;          /* beyond it only neighbors are attached to, and admitted: 64 */
    uint32_t links_max;             /* open links; the least useful one gives way, or the new one is refused */
    uint32_t link_queue_octets_max; /* sent and not acknowledged: beyond it the link is closed */
    uint32_t transactions_max;      /* own requests under way */
    uint32_t requests_per_s;        /* that one node may ask of us, weighed by cost; 0: no limit */
    uint32_t requests_burst;        /* so many at once, once */
    uint32_t via_octets_max;        /* a longer via list is kept here behind an opaque id (6.1.3) */
    int64_t
        neighbor_keepalive_ms;  /* a quiet link to the next neighbors is pinged; to the others less often; 0: never */
    int64_t link_keepalive_ms;  /* links to fingers */
    int64_t partition_check_ms; /* Ping through a bootstrap node (10.7.4.4) */
    int64_t
        replacement_hold_down_ms; /* before copies go to a new successor in a failed one's place: up to 30 s (10.7.1) */
    int64_t first_wait_ms;        /* how long a `first` node looks for an existing ring before it starts one */
};

void peer_options_default(struct peer_options *options);

struct peer_ports {
    struct entropy entropy;
    const struct log *log;     /* may be NULL */
    struct security *security; /* not owned; outlives the peer */
    struct storage *storage;   /* not owned; outlives the peer */
};

/* The configuration is not owned until replaced: the first document stays the caller's; a document that arrives by ConfigUpdate goes up
 * as PEER_CONFIG_CHANGED and comes into use when peer_config_set is called with it. 0, ERR_NO_MEMORY or ERR_RANGE (options). */
int peer_new(const struct peer_options *options, const struct peer_ports *ports, const struct config *config,
             struct now now, struct peer **ret_peer);
void peer_free(struct peer *peer);

/* ---- events ---- */

/* Joins the ring through the first bootstrap node that answers; goes on trying with growing intervals. Our own addresses in the list, and
 * those of a family that we do not have, are skipped. Addresses are copied. */
void peer_start(struct peer *peer, struct now now, const struct addr *bootstraps, size_t count);

/* Other bootstrap nodes than at the start, as a new configuration names them. Copied. */
void peer_bootstraps_set(struct peer *peer, const struct addr *bootstraps, size_t count);

/* Hands data over, tells neighbors and closes all links; PEER_STATE with PEER_LEFT tells when it is done (bounded time). */
void peer_leave(struct peer *peer, struct now now);

/* A link that PEER_CONNECT asked for is up, TLS and all. The certificate is what the other side showed, DER. On failure (other overlay,
 * other Node-ID, banned, too many) the peer forgets the link: the environment closes it without a further event. */
int peer_link_up(struct peer *peer, struct now now, uint64_t link, struct slice certificate);

/* Somebody connected to us. 0 gives the link its number; otherwise as peer_link_up. */
int peer_link_accept(struct peer *peer, struct now now, const struct addr *remote, struct slice certificate,
                     uint64_t *ret_link);

/* PEER_CONNECT came to nothing: ERR_UNREACHABLE, ERR_TIMEOUT, or ERR_AUTH when the certificate was refused. */
void peer_link_connect_failed(struct peer *peer, struct now now, uint64_t link, int err);

/* Octets from the link in order, of any length. */
void peer_link_input(struct peer *peer, struct now now, uint64_t link, struct slice octets);

/* The connection is gone. Unknown links (closed by the peer meanwhile) are ignored here and in peer_link_input. */
void peer_link_down(struct peer *peer, struct now now, uint64_t link);

/* Does what is due. */
void peer_tick(struct peer *peer, struct now now);
struct mono peer_deadline(const struct peer *peer);

/* A configuration document that the environment has verified and made durable, newer than the one in use. Not owned; it must live until
 * the next one is set or the peer is freed. */
void peer_config_set(struct peer *peer, struct now now, const struct config *config);

/* ---- effects ---- */

enum peer_state {
    PEER_IDLE,
    PEER_CONNECTING, /* to a bootstrap node */
    PEER_ATTACHING,  /* to the admitting peer and the neighbors-to-be */
    PEER_JOINING,    /* Join sent; data is handed over to us */
    PEER_JOINED,
    PEER_LEAVING,
    PEER_LEFT,
    PEER_SHUT_OUT /* banned: no links; begins anew when a configuration comes that does not list us any longer */
};
const char *peer_state_name(enum peer_state state);

/* As users of the product know it: 0 red, 1 yellow, 2 green. */
enum peer_health {
    PEER_RED,    /* not in the ring */
    PEER_YELLOW, /* in it, but alone without being first, or with fewer neighbors than the ring has to offer */
    PEER_GREEN
};

enum peer_effect_type {
    PEER_CONNECT, /* link, addr, node: open a TLS connection; the node's certificate is checked in peer_link_up */
    PEER_SEND,    /* link, octets */
    PEER_CLOSE,   /* link, reason: send what was queued before, then close; no event follows */
    PEER_RESULT,  /* result */
    PEER_STATE,   /* state, health */
    PEER_CONFIG_CHANGED, /* octets: a newer signed document, verified; make it durable, then peer_config_set */
    PEER_APP_ATTACHED, /* node, application, addr: a node announces from where its application connects or where it listens */
    PEER_BANNED        /* we are listed as bad-node in the configuration: all links are closed. After PEER_STATE */
};

/* The ring's answer to a request of the layer above. Slices and arrays live as long as the effect. */
struct peer_result {
    uint64_t token;
    int err; /* 0, or why there is none: ERR_TIMEOUT, ERR_LIMIT, ERR_WRONG_STATE, ERR_NO_MEMORY, ERR_FORBIDDEN … */
    uint16_t error_code; /* the ring's error (6.3.3.1) when one was received, else 0; err says the same in our words */
    struct slice error_info;
    struct id responder; /* who signed the answer; zero if none */
    int64_t elapsed_us;

    uint64_t generation; /* Store, Fetch, Stat: of the Kind asked for */
    struct peer_item *items;
    size_t item_count;   /* Fetch, Stat: values. Find: one per found resource */
    struct id *replicas; /* Store: where copies go */
    size_t replica_count;

    struct addr addr;         /* AppAttach: where to connect */
    uint32_t responsible_ppb; /* Probe */
    uint32_t num_resources;
    uint32_t uptime_s;
    struct id next; /* RouteQuery: the next peer */
};

struct peer_effect {
    enum peer_effect_type type;
    uint64_t link;
    struct addr addr;
    struct id node; /* PEER_CONNECT: the expected Node-ID, zero for a bootstrap node whose identity is not known yet */
    uint16_t application;
    const char *reason; /* static */
    struct slice octets;
    enum peer_state state;
    enum peer_health health;
    struct peer_result *result;
};

/* The oldest effect, now the caller's; NULL when there is none. */
struct peer_effect *peer_effect_next(struct peer *peer);
void peer_effect_free(struct peer_effect *effect);

/* ---- requests of the layer above ---- */

/* One value of a Kind at a resource (7.2). */
struct peer_item {
    uint32_t kind;
    uint32_t index;   /* array Kinds; 0xffffffff appends (7.4.1.1) */
    struct slice key; /* dictionary Kinds */
    bool exists;      /* false: remove what is there (7.4.1.3) */
    struct slice value;
    uint32_t lifetime_s;

    /* Only in results. */
    struct wall storage_time;
    struct id signer;   /* the Node-ID that signed the value; items whose signature is bad are left out and counted */
    struct id resource; /* Find: the nearest resource */
    uint32_t value_octets;   /* Stat: length of the value */
    struct slice value_hash; /* Stat: SHA-256 of the value */
};

/* Stores values of one Kind, signed with our key. generation 0 means whatever is there (7.4.1.1). Everything is copied. All requests:
 * the token comes back in one PEER_RESULT; with an error at once if the request cannot even be sent (never by return value, so that there
 * is one way to learn of failure). */
void peer_store(struct peer *peer, struct now now, uint64_t token, struct id resource, uint64_t generation,
                const struct peer_item *items, size_t count);

/* All values of a Kind at a resource; dictionaries: all keys, arrays: all indices (7.4.2). */
void peer_fetch(struct peer *peer, struct now now, uint64_t token, struct id resource, uint32_t kind);

/* What is stored there, without the values (7.4.3). */
void peer_stat(struct peer *peer, struct now now, uint64_t token, struct id resource, uint32_t kind);

/* Resources of a Kind at or behind this place, of the peer responsible for it (7.4.4). */
void peer_find(struct peer *peer, struct now now, uint64_t token, struct id resource, uint32_t kind);

/* A place on the ring: a node by its ID, or whoever is responsible for a resource. */
struct peer_target {
    bool is_node;
    struct id id;
};
void peer_ping(struct peer *peer, struct now now, uint64_t token, struct peer_target target);
void peer_probe(struct peer *peer, struct now now, uint64_t token, struct peer_target target);
void peer_route_query(struct peer *peer, struct now now, uint64_t token, struct id node,
                      struct peer_target destination);

/* Asks a node for an application's address (6.5.2); ours goes along as the candidate, and what we have registered in the other family. */
void peer_app_attach(struct peer *peer, struct now now, uint64_t token, struct id node, uint16_t application,
                     struct addr own);

/* Answers AppAttach requests for this application with this address; PEER_APP_ATTACHED tells of each. Without registration the answer is
 * Error_Not_Found. 0 or ERR_LIMIT. A second call replaces the address of its family or adds that of the other one; family 0 takes the
 * registration back. */
int peer_app_register(struct peer *peer, uint16_t application, struct addr own);

/* ---- looking at it ---- */

#define PEER_COUNTERS(X)                                                                           \
    X(links_opened)                                                                                \
    X(links_accepted)                                                                              \
    X(links_closed)                                                                                \
    X(link_refused_overlay)     /* the certificate names no node of this overlay */                \
    X(link_refused_node_id)     /* another node than the one attached to */                        \
    X(link_refused_banned)      /* bad-node */                                                     \
    X(link_refused_certificate) /* the environment's TLS refused it */                             \
    X(link_refused_self)        /* we connected to ourselves, or somebody has our certificate */   \
    X(link_refused_limit)                                                                          \
    X(link_duplicate)      /* two links to one node: one was given up */                           \
    X(link_queue_overflow) /* the slow link was closed */                                          \
    X(link_ack_timeout)    /* silent: taken out of routing, closed after 30 s */                   \
    X(frame_bad)                                                                                   \
    X(frames_received)                                                                             \
    X(frames_sent)                                                                                 \
    X(octets_received)                                                                             \
    X(octets_sent)                                                                                 \
    X(message_malformed)                                                                           \
    X(message_too_large)                                                                           \
    X(message_other_overlay)                                                                       \
    X(message_other_version)                                                                       \
    X(message_from_client)   /* routed into the ring by a node that has not joined it */           \
    X(message_before_attach) /* of a node whose certificate names several */                       \
    X(ttl_exceeded)                                                                                \
    X(option_unsupported)                                                                          \
    X(forwarded)                                                                                   \
    X(messages_early) /* came while we joined: kept until we are a member */                       \
    X(forward_no_route)                                                                            \
    X(dropped_destination) /* destination lists that the RFC wants dropped silently */             \
    X(opaque_ids_made)                                                                             \
    X(opaque_id_unknown)                                                                           \
    X(fragment_dropped)                                                                            \
    X(requests_sent)                                                                               \
    X(requests_retransmitted)                                                                      \
    X(requests_timed_out)                                                                          \
    X(requests_received)                                                                           \
    X(requests_slowed) /* dropped: their node asks for too much */                                 \
    X(requests_duplicate)                                                                          \
    X(responses_received)                                                                          \
    X(responses_unexpected) /* late, or of no transaction of ours */                               \
    X(responses_wrong_node) /* signed by a node that could not know (6.3.4) */                     \
    X(errors_sent)                                                                                 \
    X(errors_received)                                                                             \
    X(signature_bad) /* forged, or of an unknown signer */                                         \
    X(signer_banned)                                                                               \
    X(value_signature_bad)     /* a fetched value that does not verify */                          \
    X(config_too_old_received) /* a request with an older configuration */                         \
    X(config_too_new_received)                                                                     \
    X(config_offers_held) /* of a document that another neighbor is sending us */                  \
    X(config_updates_sent)                                                                         \
    X(config_updates_received)                                                                     \
    X(config_updates_refused)                                                                      \
    X(config_updates_unsupported) /* among them: a mandatory-extension that we do not have, … */ \
    X(attaches_sent)                                                                               \
    X(attaches_failed)                                                                             \
    X(attach_no_family) /* of nodes that have no family of addresses in common with us */          \
    X(bootstrap_no_family)                                                                         \
    X(attaches_declined) /* asked of us when we had all the links that we want */                  \
    X(joins_admitted)                                                                              \
    X(joins_refused)                                                                               \
    X(leaves_received)                                                                             \
    X(updates_sent)                                                                                \
    X(updates_received)                                                                            \
    X(neighbors_failed)                                                                            \
    X(fingers_improved)    /* a node was foretold to be clearly nearer: attached to */             \
    X(links_surplus)       /* closed: neither neighbor nor finger any more */                      \
    X(coordinates_refused) /* in an Update: of the wrong length, or off the Earth */               \
    X(replicas_sent)       /* Store requests with a replica number, and hand-over */               \
    X(replicas_failed)                                                                             \
    X(compares_sent) /* ranges compared before they are copied */                                  \
    X(compares_served)                                                                             \
    X(ranges_alike) /* parts that had not to be copied */                                          \
    X(partition_found)                                                                             \
    X(memory_refused) /* something was not done because the allocator refused */

COUNTERS_DECLARE(peer_counters, PEER_COUNTERS)

struct peer_link_view {
    uint64_t link;
    struct id node;
    struct addr addr;
    const char *state; /* "connecting", "attached", "peer", "suspect", "closing" */
    bool incoming;
    int64_t age_us;
    int64_t quiet_us; /* since octets came */
    int64_t rtt_us;   /* 0: not measured */
    const char *user; /* of its certificate: "ime1.example.com@ring.example.net"; "" if it is not known (any longer) */
    uint16_t config_sequence; /* that the node last told; CONFIG_SEQUENCE_ANY: none yet */
    uint32_t unacknowledged_octets;
};

/* A node that asked for too much lately. */
struct peer_slowed_view {
    struct id node;
    uint64_t requests; /* that were dropped */
    int64_t since_us;  /* the last one */
};

#define PEER_SLOWED_MAX 16

struct peer_view {
    enum peer_state state;
    enum peer_health health;
    struct id self;
    struct id predecessor; /* with self: the owned range is (predecessor, self]; self when alone, zero before joining */
    struct id *predecessors, *successors, *fingers;
    size_t predecessor_count, successor_count, finger_count;
    struct peer_link_view *links;
    size_t link_count;
    struct peer_slowed_view *slowed; /* the latest first, PEER_SLOWED_MAX at most */
    size_t slowed_count;
    double ring_size; /* estimated number of nodes */
    double owned;     /* fraction of the ring we are responsible for */
    double duty;      /* the same with what we hold as replica: the share that quotas are reckoned by */
    uint32_t uptime_s;
    uint16_t config_sequence;
    size_t transactions; /* own requests under way */
};

/* A picture of the peer, allocated in the region. 0 or ERR_NO_MEMORY. */
int peer_view(const struct peer *peer, struct now now, struct region *region, struct peer_view *ret_view);

const struct peer_counters *peer_counters(const struct peer *peer);
enum peer_state peer_state(const struct peer *peer);
enum peer_health peer_health(const struct peer *peer);
double peer_ring_size(const struct peer *peer);

/* Shares of the ring, 0 … 1: what we are responsible for, and that with what we hold copies of. While we join: what we are about to have. */
double peer_share_owned(const struct peer *peer);
double peer_share_duty(const struct peer *peer);

/* Addresses of up to max nodes that we are connected to, for the next start (11.4: cached bootstrap nodes). Returns how many. */
size_t peer_known_addresses(const struct peer *peer, struct addr *ret_addrs, size_t max);

#endif
