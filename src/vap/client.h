/* The VAP client (draft-jennings-vipr-vap-02 sections 5, 7, 8): a call agent's connections to its primary and its backup server as one
 * core. It is told what happened on connections and the time; it answers with effects, taken with vap_client_next, and a deadline.
 *
 * What it is told to be is kept up by itself: it connects and registers with every server, again after a loss; refreshes registrations;
 * publishes the VService on every server; subscribes on the acting server only; publishes numbers on every server and refreshes them
 * before the ring forgets them. The acting server is the primary, or the backup while the primary is not reached.
 *
 * Call records go to the acting server; those of received calls also to the other, if it is online (8.6). What a lost connection or an
 * overloaded server left unanswered is sent again; every record and every number has its result exactly once
 * (numbers again after each refresh, if that is wanted; a result that nobody has taken yet is replaced by the next one). */
#ifndef VAP_CLIENT_H
#define VAP_CLIENT_H

#include "base/counter.h"
#include "base/entropy.h"
#include "base/log.h"
#include "base/time.h"
#include "vap/description.h"
#include "vap/message.h"

struct vap_client;

#define VAP_SERVERS_MAX 2
#define VAP_PRIMARY 0
#define VAP_BACKUP 1

struct vap_client_config {
    const char *name;  /* Client-Name, "vendor/product/version/host" */
    const char *label; /* Client-Label */
    const char *user;
    const char *password;
    unsigned servers; /* 1 or 2 */
    uint64_t vservice_id;
    const struct vap_description *description; /* NULL: another client publishes the VService. Copied */
    bool subscribe;
    const char *const *key_domains; /* of a border element: whose tickets' keys it wants of the acting server. Copied */
    size_t key_domain_count;
    int64_t reconnect_ms;   /* longest pause between attempts: 60–600 s */
    int64_t transaction_ms; /* Ti */
    size_t window;          /* requests to one server not yet answered */
    size_t queue_max;       /* call records waiting or unanswered; beyond: ERR_LIMIT */
    size_t numbers_max;
    bool report_refreshes; /* a number has a result after each refresh, too */
    unsigned attempts_max; /* for a request that the server answers with an error that may pass */
};

void vap_client_config_init(struct vap_client_config *config);

/* clang-format off */
#define VAP_CLIENT_COUNTERS(X) \
    X(connects) X(connect_failures) X(connections_lost) X(registered) X(refreshed) X(register_failures) \
    X(vservice_published) X(vservice_failures) X(vservice_revoked) X(subscribed) X(vcrs_acked) X(vcrs_failed) \
    X(vcrs_copied) X(vcrs_retried) X(numbers_published) X(numbers_failed) X(notifies) X(notifies_refused) X(keys_subscribed) X(keys_refused) \
    X(timeouts) X(responses_discarded) X(requests_refused) X(alarms)
/* clang-format on */

COUNTERS_DECLARE(vap_client_counters, VAP_CLIENT_COUNTERS)

/* The first CONNECT effects are there at once. The log may be NULL; the entropy must outlive the client. */
int vap_client_new(const struct vap_client_config *config, const struct entropy *entropy, const struct log *log,
                   struct now now, struct vap_client **ret_client);
void vap_client_free(struct vap_client *c);

/* What happened on connections. After CONNECT the caller reports connected or closed; after connected, closed at the latest when a
 * DISCONNECT was carried out (then it may report it, but need not). */
void vap_client_connected(struct vap_client *c, struct now now, unsigned server);
void vap_client_input(struct vap_client *c, struct now now, unsigned server, struct slice octets);
void vap_client_closed(struct vap_client *c, struct now now, unsigned server, const char *why);

void vap_client_tick(struct vap_client *c, struct now now);
struct mono vap_client_deadline(const struct vap_client *c);

/* Changed routes, lists or counts: published anew with a higher version (8.5). */
int vap_client_set_description(struct vap_client *c, struct now now, const struct vap_description *description);

/* One result with the token. ERR_LIMIT: wait for results. */
int vap_client_upload(struct vap_client *c, struct now now, const struct vap_vcr *vcr, uint64_t token);

/* One result with the token, then refreshed until the end. ERR_EXISTS, ERR_LIMIT. */
int vap_client_publish_number(struct vap_client *c, struct now now, const struct e164 *number, uint64_t token);

/* No longer refreshed: the ring forgets it when its lifetime is over (8.4.2). Its result, if still due, is ERR_CLOSED. */
int vap_client_forget_number(struct vap_client *c, const struct e164 *number);

/* Answers a NOTIFY or KEYS effect: good once it is kept for sure. */
void vap_client_notify_done(struct vap_client *c, struct now now, uint64_t notify, bool good);

/* Unregisters everywhere, then disconnects; open results come as ERR_CLOSED. STOPPED follows. */
void vap_client_stop(struct vap_client *c, struct now now);

enum vap_client_effect_kind {
    VAP_CLIENT_CONNECT,    /* server */
    VAP_CLIENT_SEND,       /* server, octets */
    VAP_CLIENT_DISCONNECT, /* server: after what was sent */
    VAP_CLIENT_ONLINE,     /* server: registered and, if there is one, the VService published */
    VAP_CLIENT_OFFLINE, /* server, reason, retry_ms; final: it will not be tried again (wrong user or password, version) */
    VAP_CLIENT_UPLOADED,        /* token, err, code, reason */
    VAP_CLIENT_PUBLISHED,       /* token, err, code, reason; quota */
    VAP_CLIENT_SUBSCRIBED,      /* server */
    VAP_CLIENT_NOTIFY,          /* server, notify, octets: the ValInfo document; answer with vap_client_notify_done */
    VAP_CLIENT_KEYS_SUBSCRIBED, /* server, domain: what comes begins anew */
    VAP_CLIENT_KEYS_REFUSED,    /* server, domain, reason: it is tried again later */
    VAP_CLIENT_KEYS, /* server, domain, notify, octets: a page for keyset_receive, a secret; answer with vap_client_notify_done */
    VAP_CLIENT_REVOKED, /* server: the ring is gone; it will be published again later */
    VAP_CLIENT_ALARM,   /* server, alarm, reason: for the operator */
    VAP_CLIENT_STOPPED
};

/* By the names of the product's alarms. */
enum vap_alarm {
    VAP_ALARM_NONE,
    VAP_ALARM_INVALID_CREDENTIALS,
    VAP_ALARM_BAD_REQUEST,
    VAP_ALARM_OUT_OF_STEP, /* client and server disagree on state: 471, 474, 476, 477 */
    VAP_ALARM_OVER_QUOTA,
    VAP_ALARM_PUBLISH_FAILED,
    VAP_ALARM_RING_INACTIVE,
    VAP_ALARM_UNSUPPORTED_VERSION,
    VAP_ALARM_FORBIDDEN /* 403: the account may not do this, or not over this connection */
};
const char *vap_alarm_name(enum vap_alarm alarm);

struct vap_client_effect {
    enum vap_client_effect_kind kind;
    unsigned server;
    struct slice octets;
    const char *reason; /* valid until the next call */
    bool final;
    int64_t retry_ms; /* until the next attempt */
    uint64_t token;
    int err;       /* 0; ERR_FORBIDDEN: refused with code; ERR_TIMEOUT; ERR_CLOSED */
    unsigned code; /* enum vap_code */
    uint64_t notify;
    size_t domain; /* of key_domains */
    enum vap_alarm alarm;
    uint32_t quota_limit;
    uint32_t quota_current;
};

bool vap_client_next(struct vap_client *c, struct vap_client_effect *ret_effect);

/* Views. */
bool vap_client_is_online(const struct vap_client *c, unsigned server);
size_t vap_client_queued(const struct vap_client *c); /* call records without a result yet */
const struct vap_client_counters *vap_client_counters(const struct vap_client *c);

#endif
