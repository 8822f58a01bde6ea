/* What the files of this module share: the composed object and the calls between its parts. */
#ifndef SERVER_INTERNAL_H
#define SERVER_INTERNAL_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/region.h"
#include "numbers/pace.h"
#include "numbers/publisher.h"
#include "numbers/reader.h"
#include "pvp/pool.h"
#include "pvp/spacing.h"
#include "pvp/vcr.h"
#include "reload/storage.h"
#include "server/journal.h"
#include "server/node_rows.h"
#include "server/route.h"
#include "server/server.h"

#define PVP_APPLICATION_ID 61441 /* AppAttach: reference ring.md */
#define CONNS_MAX 100000
#define KEYRINGS_MAX 64 /* granting domains */
#define DELIVERIES_MAX 100000
#define COUNTER_SETS_MAX 16
#define LISTED_MAX 10000 /* rows of a list that control shows */
#define WAITERS_MAX 64
#define LOOKUPS_MAX 1024 /* under way without a validation */

/* One Node-ID of ours in the ring. */
struct node {
    struct server *server;
    unsigned number;
    struct id self;
    struct addr address;
    struct addr other_address;
    struct security *security;
    struct node_rows rows; /* not of node 0 */
    struct storage *storage;
    struct peer *peer;
    struct pvp_identity identity; /* not of node 0: the server's */
    bool retires;
    bool gone; /* it has left, for good */
};

/* A validation connection of either direction. */
struct conn {
    uint64_t id;
    struct pvp_inbound *inbound;   /* accepted */
    struct validation *validation; /* ours */
};

enum validation_phase { VALIDATION_LOOKUP, VALIDATION_ATTACH, VALIDATION_PROVE, VALIDATION_STORE };

struct claimant {
    struct id node_id;
    uint64_t vservice_id;
};

/* One originating record on its way: from the look-up to the verdict. */
struct validation {
    struct list link; /* in server.validations */
    uint64_t token;   /* of the request to ring or reader under way; 0: none */
    struct id vcr_id;
    struct pvp_vcr_record record; /* the client's name is not kept */
    struct wall began;
    enum validation_phase phase;
    struct claimant *claimants;
    size_t claimant_count;
    size_t current;
    struct addr addr; /* of the current claimant's listener */
    struct pvp_validation *proof;
    struct conn *conn;
    bool asked;                                     /* somebody: the number rests afterwards */
    unsigned successes, failures, refusals, misses; /* verdicts so far */
    const char *why;                                /* of the last miss or refusal */
    enum pvp_method method;                         /* of the last proof */
};

/* A Notify under way: which route it tells of. */
struct delivery {
    uint64_t token;
    uint64_t vservice_id;
    struct e164 number;
    struct id node_id;
    size_t expected; /* answers */
};

struct keyring_slot {
    char *domain;
    struct keyring *keyring;
    bool generating;
    struct mono activate_at; /* a new epoch waits for border elements until then; MONO_NEVER: none waits */
};

/* The key of a password on its way through a worker thread. */
struct derivation {
    struct list link;
    struct keyring_job *job;
    struct keyring_slot *slot;
    struct reply *reply; /* of imectl; NULL: the configuration file wants it */
};

/* A setting that imectl may change; kept in the store. */
enum setting {
    SETTING_BUCKETENTROPY,
    SETTING_MINIMUM_INTERVAL,
    SETTING_MAXIMUM_DELAY,
    SETTING_MINIMUM_CALL,
    SETTING_PENDING_ALERT,
    SETTING_MAX_ORIGINATING,
    SETTING_MAX_TERMINATING,
    SETTINGS
};

struct setting_value {
    int64_t value;
    struct wall set_at; /* 0: not set by imectl */
};

/* Alerts (reference ime-product.md): raised once, shown until their cause is gone. */
enum alert {
    ALERT_BANNED,
    ALERT_CERTIFICATE_EXPIRING,
    ALERT_CACHE_FAILURE,
    ALERT_INVALID_CREDENTIALS,
    ALERT_SOFTWARE_UPDATE,
    ALERT_VALIDATIONS_PENDING,
    ALERT_STORE_FAILURE,
    ALERT_INVALID_CERTIFICATE,
    ALERT_NODE_IDS,
    ALERT_NO_COMMON_FAMILY,
    ALERTS
};

#define ALERT_TEXT_OCTETS 512

struct alert_state {
    bool raised;
    struct wall since;
    struct mono next_log; /* alerts that stay are logged again at intervals */
};

struct counter_set {
    const char *prefix;
    const char *const *names;
    const uint64_t *values;
};

#define SERVER_COUNTERS(X)               \
    X(validation_attempts)               \
    X(validations_succeeded)             \
    X(validations_failed)                \
    X(validations_refused)               \
    X(validations_missed)                \
    X(validations_no_claimant)           \
    X(validations_postponed)             \
    X(claimants_ignored)                 \
    X(blocked_validation_orig_tls_limit) \
    X(blocked_validation_term_tls_limit) \
    X(routes_learned)                    \
    X(routes_refused)                    \
    X(routes_expired)                    \
    X(routes_delivered)                  \
    X(routes_refused_by_client)          \
    X(publishes)                         \
    X(publishes_failed)                  \
    X(tickets_granted)                   \
    X(tickets_verified)                  \
    X(tickets_refused)                   \
    X(configs_applied)                   \
    X(configs_refused)                   \
    X(store_failures)

COUNTERS_DECLARE(server_counters, SERVER_COUNTERS)

struct server {
    const struct server_options *options;
    struct server_ports ports;
    struct config *config;             /* in use */
    struct config *next_config;        /* being written */
    struct ctl_request *config_waiter; /* answered when it is; NULL: none */
    struct id self;
    struct wall certificate_end;
    struct wall started_at;
    struct now now; /* of the current event: kv completions carry no time */
    uint64_t next_token;

    struct node *nodes[SERVER_NODES_MAX]; /* by number; NULL: there is none */
    struct storage *storage;              /* of node 0, as the peer */
    struct peer *peer;
    struct numbers_resolver *resolver;
    struct numbers_publisher *publisher;
    struct numbers_reader *reader;
    struct vap_server *vap;
    struct pvp_vcr_table *vcrs;
    struct pvp_pools *pools;
    struct pvp_spacing *spacing;
    struct pvp_terminator *terminator;
    struct pvp_identity identity;
    struct route_table *routes;
    struct journal *journal;

    struct keyring_slot keyrings[KEYRINGS_MAX];
    size_t keyring_count;
    struct list derivations; /* struct derivation */
    struct list key_edges;   /* keys.c: border elements that have subscribed to keys */

    struct map conns; /* id → struct conn */
    uint64_t next_conn;
    struct list validations;
    size_t validation_count;
    struct list lookups; /* struct lookup */
    size_t lookup_count;
    size_t proof_count;    /* validations with a TLS session */
    struct pace reads;     /* look-ups per second */
    struct map deliveries; /* token → struct delivery */

    struct setting_value settings[SETTINGS];
    struct alert_state alerts[ALERTS];
    struct list waiters; /* control requests that wait for the ring */
    struct counter_set counter_sets[COUNTER_SETS_MAX];
    size_t counter_set_count;

    struct peer_effect *held; /* the peer's effect that the caller is looking at */
    struct region scratch;    /* for what the service port hands out; emptied per call */
    struct list out;          /* struct out: effects of our own */
    struct out *held_out;
    bool config_pending; /* the caller was shown SERVER_CONFIG; apply it now */
    bool wants_shutdown;
    bool started;
    bool leaving;              /* all nodes, the highest number first */
    bool joined;               /* once */
    bool ring_announced;       /* VServices may be published */
    bool config_unsupported;   /* the ring has a newer one that this version cannot use */
    uint64_t unsupported_seen; /* how many of them its peer had counted */
    bool was_banned;           /* since we were in the ring: what we stored in it is gone */
    uint64_t no_family;        /* peers without a family of ours, when alerts were checked last */
    struct mono no_family_at;  /* the last one */
    uint64_t bad_credentials;  /* of VAP clients, when alerts were checked last */
    struct mono next_delivery; /* routes that were not taken are told again */
    struct mono joined_at;     /* the last time */
    struct mono ring_seen;
    bool peers_kept; /* the store names peers by which the ring is found again */
    struct mono next_sweep;
    struct server_counters counters;
};

/* An effect that does not come from a part. */
struct out {
    struct list link;
    struct server_effect effect;
    char username[PVP_USERNAME_OCTETS_MAX + 1];
    char password[PVP_PASSWORD_OCTETS_MAX + 1];
    size_t octet_count;
    uint8_t octets[];
};

/* server.c */
struct out *server_out(struct server *s, enum server_effect_kind kind, uint64_t conn, struct slice octets);
uint64_t server_token(struct server *s);
void server_identity_refresh(struct server *s);
void node_identity(struct node *n);
struct conn *conn_new(struct server *s);
struct conn *conn_find(const struct server *s, uint64_t id);
void conn_free(struct server *s, struct conn *c);

/* nodes.c: our Node-IDs */
int nodes_add_own(struct server *s);
void nodes_free(struct server *s);
bool nodes_effect(struct server *s,
                  struct server_effect *ret_effect); /* true if there was one: for the kernel if s->held */
void nodes_tick(struct server *s);
struct mono nodes_deadline(const struct server *s);
void nodes_config_apply(struct server *s, const struct config *old, const struct config *config);
void nodes_start(struct server *s); /* but node 0 */
void nodes_leave(struct server *s);
void nodes_state_changed(struct server *s, struct node *node, enum peer_state state);
bool nodes_is_own(const struct server *s, struct id node);
/* Attempts to link of nodes that we have no family of addresses in common with. */
uint64_t nodes_without_family(const struct server *s);
struct wall nodes_certificate_end(const struct server *s); /* the first one to end */
void nodes_stored(const struct server *s, uint64_t *ret_entries, uint64_t *ret_octets);
unsigned nodes_count(const struct server *s, unsigned *ret_in_ring); /* those that do not retire */

/* ring.c: between peer, storage and number records */
void ring_effect(struct server *s, struct node *node, struct peer_effect *e);
bool ring_effect_is_for_kernel(const struct peer_effect *e);
void ring_quota(struct node *node); /* sets that of its storage */
size_t ring_bootstraps(struct server *s, struct addr *ret_addrs, size_t max);
bool ring_numbers(struct server *s); /* true if there was something to do */
int ring_init(struct server *s);
void ring_fini(struct server *s);
void ring_start(struct server *s);
void ring_tick(struct server *s);
void ring_watch(struct server *s);
void ring_reconfigure(struct server *s);
bool ring_is_up(const struct server *s);

/* signing.c: after the certificate may have changed; the commit is the caller's */
int signing_check(struct node *node);

/* configuration.c: the ring's configuration */
void configuration_start(struct server *s);
void configuration_arrived(struct server *s, struct slice document);
void configuration_apply(struct server *s);
void configuration_load(void *ctx, struct ctl_request *request);
void configuration_drop_waiter(struct server *s);
/* What it says about a ban of ours; NULL: nothing. */
const struct config_ban *configuration_own_ban(const struct server *s, bool *ret_banned);

/* clients.c: VAP requests */
void clients_effect(struct server *s, const struct vap_server_effect *e);
void clients_deliver(struct server *s, uint64_t vservice_id);
void clients_deliver_again(struct server *s);
int clients_init(struct server *s);

/* validate.c: our calls */
void validate_due(struct server *s);
void validate_looked_up(struct server *s, const struct numbers_reader_effect *found);
bool validate_attached(struct server *s, const struct peer_result *result);
void validate_connected(struct server *s, struct validation *v, enum pvp_connect result, const uint8_t *exporter);
void validate_input(struct server *s, struct validation *v, struct slice octets);
void validate_closed(struct server *s, struct validation *v);
void validate_tick(struct server *s);
struct mono validate_deadline(const struct server *s);
void validate_free_all(struct server *s);
struct pvp_pool_port validate_pool_port(struct server *s);

/* lookup.c: numbers that are looked up without a validation */
bool lookup_ended(struct server *s, const struct numbers_reader_effect *found); /* false: it was none of these */
void lookup_command(void *ctx, struct ctl_request *request);
void lookup_drop_all(struct server *s);

/* answer.c: calls of others */
bool answer_effect(struct server *s);
struct pvp_service_port answer_service_port(struct server *s);

/* tickets.c: one key ring per granting domain */
int tickets_init(struct server *s);
void tickets_fini(struct server *s);
struct keyring *tickets_keyring(struct server *s, struct slice domain);       /* made if need be */
struct keyring *tickets_keyring_known(struct server *s, struct slice domain); /* NULL if there is none */
struct keyring_slot *tickets_slot(struct server *s, struct slice domain);     /* NULL if there is none */
int tickets_install(struct server *s, struct derivation *d);                  /* of the configuration file */
void tickets_expire(struct server *s);

/* keys.c: the keys of tickets at border elements */
void keys_slot_made(struct server *s, struct keyring_slot *slot);
void keys_wanted(struct server *s, const struct vap_server_effect *e);
void keys_unwanted(struct server *s, const struct vap_server_effect *e);
bool keys_answered(struct server *s, const struct vap_server_effect *e); /* false: it was another notification */
bool keys_run(struct server *s);                                         /* true if something was told */
struct mono keys_deadline(const struct server *s);
void keys_fini(struct server *s);
/* Accounts of border elements that have all epochs of a domain, of those that may. */
void keys_count(const struct server *s, const struct keyring_slot *slot, size_t *ret_have, size_t *ret_expected);

/* setting.c */
int setting_load(struct server *s);
const char *setting_name(enum setting which);
int setting_set(struct server *s, enum setting which, int64_t value, kv_done_fn *done, void *arg);
void setting_describe(const struct server *s, enum setting which, struct ctl_writer *w);
int64_t setting(const struct server *s, enum setting which);

/* alerts.c */
void alerts_check(struct server *s);
void alert_set(struct server *s, enum alert which, bool raised);
void alert_store(struct server *s, int err); /* how a write came out */
const char *alert_name(enum alert which);
const char *alert_severity(enum alert which);
void alert_text(const struct server *s, enum alert which, char *text, size_t octets);

/* control.c */
void server_control_waiters(struct server *s);
void server_control_drop(struct server *s); /* requests that wait are refused */
struct mono server_control_deadline(const struct server *s);

#endif
