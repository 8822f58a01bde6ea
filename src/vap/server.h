/* The VAP server (draft-jennings-vipr-vap-02 sections 5, 6, 9): all connections of a server as one core. It is given what happened on
 * connections and the time; it answers with effects, which the caller takes with vap_server_next until there are none, and with its
 * next deadline.
 *
 * The core keeps clients, subscriptions and VServices (section 6). It keeps neither numbers nor VCRs: those requests go up as effects with
 * a request number, and the client is answered when vap_server_complete reports how it went, so that nothing is acknowledged before it
 * is durable. A request whose connection ended meanwhile may still be completed: then nobody is answered.
 *
 * Strings and slices in effects and views belong to the core and are valid until the next call into it. */
#ifndef VAP_SERVER_H
#define VAP_SERVER_H

#include "base/counter.h"
#include "base/e164.h"
#include "base/entropy.h"
#include "base/log.h"
#include "base/time.h"
#include "vap/description.h"
#include "vap/message.h"

struct vap_server;

struct vap_server_config {
    uint32_t keepalive_ms;       /* a client that is silent for so long is removed (10.3.9) */
    int64_t transaction_ms;      /* Ti of our own requests, and for a new connection to register (5.1) */
    int64_t unregister_close_ms; /* a client that unregistered has so long to close (9.3) */
    size_t message_octets_max;
    size_t connections_max;
    size_t connections_per_user_max;
    size_t in_flight_max;        /* requests of one connection not yet answered; beyond: 503 */
    size_t publishes_queued_max; /* numbers of all clients being published; beyond: 481 */
    size_t notifies_max;         /* our requests to one client not yet answered */
    size_t subscriptions_max;    /* of one client; beyond: 503 */
    size_t instances_max;        /* VService instances of one client; beyond: 503 */
    uint32_t vcrs_per_second;    /* of one client, on average; beyond: 503 */
    uint32_t vcr_burst;
    unsigned auth_failures_max; /* on one connection, which is then closed */
};

/* The defaults of all of them. */
void vap_server_config_init(struct vap_server_config *config);

/* clang-format off */
#define VAP_SERVER_COUNTERS(X) \
    X(connections) X(connections_refused) X(messages_received) X(messages_sent) X(malformed) X(not_vap) X(oversized) \
    X(unknown_user) X(bad_integrity) X(missing_integrity) X(registered) X(refreshed) X(unregistered) X(expired) \
    X(vservices_published) X(vservices_unpublished) X(vservices_revoked) X(numbers_published) X(numbers_failed) \
    X(vcrs_uploaded) X(vcrs_failed) X(subscribed) X(unsubscribed) \
    X(keys_subscribed) X(keys_refused) X(account_not_over_tls) X(notifies_sent) X(notifies_acked) \
    X(notifies_failed) X(limit_in_flight) X(limit_publishes) X(limit_vcr_rate) X(limit_notifies) \
    X(limit_subscriptions) X(limit_instances) X(errors_sent) X(responses_discarded) X(completions_late)
/* clang-format on */

COUNTERS_DECLARE(vap_server_counters, VAP_SERVER_COUNTERS)

/* The log may be NULL. Seeds of tables and handles come from the entropy, which must outlive the server. */
int vap_server_new(const struct vap_server_config *config, const struct entropy *entropy, const struct log *log,
                   struct vap_server **ret_server);
void vap_server_free(struct vap_server *s);

/* Takes effect for new connections and requests. */
void vap_server_set_config(struct vap_server *s, const struct vap_server_config *config);

/* Who may connect. Only the derived key is kept. Setting an account again changes its password: connections go on and the next
 * request is checked with the new one. Removing it closes its connections. */
int vap_server_set_account(struct vap_server *s, struct slice user, struct slice password);
/* Makes an account that of a border element: it may subscribe to the keys of these domains' tickets, over TLS only, and may do nothing else.
 * Before its first connection. ERR_NOT_FOUND, ERR_LIMIT, ERR_NO_MEMORY. */
#define VAP_KEY_DOMAINS_MAX 32
int vap_server_grant_keys(struct vap_server *s, struct slice user, struct slice domain);
void vap_server_remove_account(struct vap_server *s, struct slice user);

/* A ring that VServices may be published into, with its quota of numbers and the lifetime of its data (9.4.1). A VService for any other
 * ring is answered 481. */
int vap_server_set_dht(struct vap_server *s, const char *name, uint32_t quota_limit, uint32_t lifetime_s);

/* The ring is no longer available: PublishRevoke to every instance in it, which is then forgotten (9.10). */
void vap_server_revoke_dht(struct vap_server *s, struct now now, const char *name);

/* What happened on connections. The caller chooses their numbers. A refused connection is the caller's to close: ERR_LIMIT,
 * ERR_EXISTS, ERR_NO_MEMORY. What comes for a number that is not (or no longer) open is ignored. */
int vap_server_open(struct vap_server *s, struct now now, uint64_t conn, bool tls, const char *peer);
void vap_server_input(struct vap_server *s, struct now now, uint64_t conn, struct slice octets);
void vap_server_closed(struct vap_server *s, uint64_t conn);

/* Does what is due. */
void vap_server_tick(struct vap_server *s, struct now now);
struct mono vap_server_deadline(const struct vap_server *s);

enum vap_server_effect_kind {
    VAP_SERVER_SEND, /* conn, octets */
    VAP_SERVER_CLOSE, /* conn, reason: once what was sent is out. The core has forgotten the connection; do not report it closed */
    VAP_SERVER_REGISTERED,    /* client */
    VAP_SERVER_UNREGISTERED,  /* client: gone for whatever reason */
    VAP_SERVER_VSERVICE,      /* vservice_id: new or changed; see vap_server_vservice */
    VAP_SERVER_VSERVICE_GONE, /* vservice_id: the last instance is gone */
    VAP_SERVER_SUBSCRIBED,   /* client, vservice_id, subscription_id; already answered, so it may be notified at once */
    VAP_SERVER_UNSUBSCRIBED, /* the same */
    VAP_SERVER_KEYS_WANTED, /* client, user, subscription_id, key_domain: as SUBSCRIBED, to the keys of that domain's tickets */
    VAP_SERVER_KEYS_UNWANTED, /* client, subscription_id */
    VAP_SERVER_PUBLISH_NUMBER, /* request, client, vservice_id, number, dht: store it in the ring, then vap_server_complete */
    VAP_SERVER_UPLOAD_VCR, /* request, client, user, vcr: make it durable, then vap_server_complete */
    VAP_SERVER_NOTIFY_DONE /* token, client, subscription_id, err, code: the client's answer, or why there will be none. Once per Notify */
};

struct vap_server_effect {
    enum vap_server_effect_kind kind;
    uint64_t conn;
    struct slice octets;
    const char *reason;
    uint32_t client;        /* Client-Handle */
    const char *user;       /* UPLOAD_VCR, KEYS_WANTED: of the client's account */
    const char *key_domain; /* lower case; static until the server is freed */
    uint64_t vservice_id;
    uint32_t subscription_id;
    uint64_t request;
    struct e164 number;
    const char *dht;
    struct vap_vcr vcr;
    uint64_t token;
    int err;       /* 0 acknowledged; ERR_TIMEOUT, ERR_CLOSED; ERR_FORBIDDEN: refused with code */
    unsigned code; /* enum vap_code */
};

/* False when there is nothing left to do. */
bool vap_server_next(struct vap_server *s, struct vap_server_effect *ret_effect);

/* How a request went. 0: success. For numbers any error is 481. For VCRs ERR_LIMIT is 503, ERR_NOT_FOUND 474, ERR_RANGE and ERR_SYNTAX
 * 400, any other 500. The reason, for people, may be NULL. */
void vap_server_complete(struct vap_server *s, uint64_t request, int err, const char *reason);

/* Sends a Notify with a ValInfo document (10.2) on every subscription to the VService; each gives one NOTIFY_DONE with the token. Returns
 * how many were sent; those that a limit stopped are not, and are counted. */
size_t vap_server_notify(struct vap_server *s, struct now now, uint64_t vservice_id, struct slice valinfo,
                         uint64_t token);

/* The same to one subscription. ERR_NOT_FOUND; ERR_LIMIT: try again after a NOTIFY_DONE of this client; ERR_RANGE: too long. */
int vap_server_notify_one(struct vap_server *s, struct now now, uint32_t client, uint32_t subscription_id,
                          struct slice valinfo, uint64_t token);

/* The same with octets of keyset_write, to a subscription to keys: a secret. */
int vap_server_notify_keys(struct vap_server *s, struct now now, uint32_t client, uint32_t subscription_id,
                           struct slice page, uint64_t token);

/* Views. */
struct vap_vservice_view {
    uint64_t id;
    const struct vap_description
        *description; /* of the latest publication: its routes are those of that instance only */
    size_t instance_count;
    const char **routes; /* of all instances, oldest instance first */
    size_t route_count;
};

/* False if it is not being published. */
bool vap_server_vservice(struct vap_server *s, uint64_t vservice_id, struct vap_vservice_view *ret_view);

typedef void vap_vservice_fn(void *arg, const struct vap_vservice_view *view);
void vap_server_each_vservice(struct vap_server *s, vap_vservice_fn *each, void *arg);

struct vap_client_view {
    uint32_t handle;
    uint64_t conn;
    const char *peer; /* as given to vap_server_open */
    bool tls;
    const char *user;
    const char *name;  /* Client-Name: what the client says of itself */
    const char *label; /* Client-Label */
    struct wall registered_at;
    int64_t silent_ms; /* since its last message */
    size_t in_flight;
    size_t notifies;
    size_t subscriptions;
    size_t instances;
    uint64_t vcrs;    /* uploaded with success */
    uint64_t numbers; /* published with success */
    uint64_t errors;  /* error responses it got */
};

typedef void vap_client_fn(void *arg, const struct vap_client_view *view);
void vap_server_each_client(struct vap_server *s, struct now now, vap_client_fn *each, void *arg);

size_t vap_server_client_count(const struct vap_server *s);

/* Numbers counted by all VServices of a ring: the Quota's current value. */
uint32_t vap_server_quota_used(const struct vap_server *s, const char *dht);

const struct vap_server_counters *vap_server_counters(const struct vap_server *s);

#endif
