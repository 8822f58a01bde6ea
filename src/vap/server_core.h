/* The objects of the server and what its files do for one another. Private to vap.
 *
 * Ownership: the server owns everything through its maps; a connection owns its client while it is bound to it; a client owns its
 * subscriptions, its instances, and through its connection our open requests. Effects are allocated before the state changes that
 * they report, so that running out of memory refuses a request and never loses an effect. */
#ifndef VAP_SERVER_CORE_H
#define VAP_SERVER_CORE_H

#include "base/addr.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "vap/server.h"

struct conn;

/* Owned by whoever prepared it, then by the queue. */
struct effect {
    struct list link;
    struct vap_server_effect e;
    struct conn *conn; /* of a SEND or CLOSE */
};

struct account {
    char *user;
    struct vap_key key;
    size_t clients;
    const char *key_domains[VAP_KEY_DOMAINS_MAX]; /* whose tickets' keys it may have: then it may do nothing else */
    size_t key_domain_count;
};

/* A domain whose keys somebody may have. Never freed before the server, as a ring. */
struct key_domain {
    struct list link;
    char name[]; /* lower case */
};

/* A ring. Never freed before the server, so effects may point to its name. */
struct dht {
    struct list link;
    bool available;
    uint32_t quota_limit;
    uint32_t lifetime_s;
    char name[VAP_DHT_NAME_OCTETS_MAX + 1];
};

struct client {
    uint32_t handle;
    struct conn *conn;
    struct account *account;
    char *name;
    char *label;
    struct wall registered_at;
    struct list subscriptions;
    struct list instances;
    size_t subscription_count;
    size_t instance_count;
    uint32_t next_subscription_id;
    int64_t vcr_credit_us; /* token bucket: a record costs one second's share */
    struct mono vcr_credit_at;
    uint64_t vcrs;
    uint64_t numbers;
    uint64_t errors;
    struct effect *gone; /* prepared */
};

struct conn {
    struct vap_server *server;
    uint64_t id;
    bool tls;
    bool closing; /* nothing more is taken; only what was sent before is still to go out */
    bool lingering;
    char peer[ADDR_TEXT_OCTETS];
    struct vap_framer framer;
    const struct vap_key *key; /* of who asked last, then of the client's account: answers are signed with it */
    struct client *client;
    struct list requests; /* not yet answered */
    size_t in_flight;
    struct list calls; /* our requests, not yet answered */
    size_t call_count;
    unsigned auth_failures;
    struct mono last_seen;
    struct heap_node timer;
    struct buf out;
    struct effect *send;  /* prepared; NULL while queued */
    struct effect *close; /* prepared; NULL once queued */
};

/* A client's request that waits for vap_server_complete. */
struct request {
    uint64_t id;
    struct list link;
    struct conn *conn; /* NULL: it ended meanwhile */
    uint16_t method;
    struct vap_transaction transaction;
    const struct dht *dht; /* of a number; NULL for a VCR */
};

/* Our request to a client. */
struct call {
    struct list link;
    struct vap_transaction transaction;
    struct conn *conn;
    struct heap_node timer;
    struct effect *done; /* prepared; NULL for PublishRevoke, which nobody waits for */
};

struct subscription {
    struct list link;
    uint32_t id;
    uint64_t vservice_id;
    const char *key_domain; /* to the keys of its tickets; NULL: to the VService */
    struct client *client;
    struct effect *gone; /* prepared */
};

struct instance {
    struct list of_vservice;
    struct list of_client;
    struct vservice *vservice;
    struct client *client;
    uint64_t id;
    uint32_t version;
    struct vap_description description;
    struct buf content; /* the description in canonical form, for comparison */
};

struct vservice {
    uint64_t id;
    struct dht *dht;
    struct list instances; /* in order of their latest publication */
    size_t instance_count;
    struct effect *gone; /* prepared */
};

struct vap_server {
    struct vap_server_config config;
    const struct entropy *entropy;
    const struct log *log;
    struct vap_server_counters counters;
    struct mono next_warning; /* of strangers */
    struct map accounts;      /* user → struct account */
    struct map conns;         /* number → struct conn */
    struct map clients;       /* handle → struct client */
    struct map vservices;     /* VServiceID → struct vservice */
    struct map requests;      /* number → struct request */
    struct list dhts;
    struct list key_domains;
    size_t publishes_queued;
    uint64_t next_request;
    struct heap conn_timers;
    struct heap call_timers;
    struct list effects;
    struct buf lent;     /* octets of the SEND effect that was taken last */
    struct conn *closed; /* whose CLOSE effect was taken last */
    struct buf routes;   /* of the view that was asked for last */
};

/* Keys of the maps: numbers as octets. */
static inline struct slice key_of(const uint64_t *number)
{
    return slice_of(number, sizeof *number);
}

/* server.c: connections and effects. */
struct effect *vap_effect_new(enum vap_server_effect_kind kind);
void vap_effect_push(struct vap_server *s, struct effect *effect);
void vap_conn_flush(struct conn *c);
void vap_conn_close(struct conn *c, const char *reason);
struct dht *vap_dht_find(struct vap_server *s, const char *name);

/* server_request.c: transactions. Replying: begin, attributes into conn->out, end. */
void vap_request_receive(struct conn *c, struct now now, const struct vap_message *m, int err,
                         const struct fault *fault);
size_t vap_reply_begin(struct conn *c, uint16_t method, enum vap_class kind, const struct vap_transaction *transaction);
void vap_reply_end(struct conn *c, size_t mark);
void vap_reply_success(struct conn *c, const struct vap_message *m);
void vap_reply_error(struct conn *c, uint16_t method, const struct vap_transaction *transaction, unsigned code,
                     const char *reason);
void vap_reply_error_unsigned(struct conn *c, uint16_t method, const struct vap_transaction *transaction, unsigned code,
                              const char *reason);

/* server_client.c: registration. */
void vap_client_register(struct conn *c, struct now now, const struct vap_message *m, struct account *account);
void vap_client_unregister(struct conn *c, struct now now, const struct vap_message *m);
void vap_client_destroy(struct client *client);

/* server_service.c: VServices, numbers, call records. */
void vap_service_publish(struct conn *c, const struct vap_message *m);
void vap_service_unpublish(struct conn *c, const struct vap_message *m);
void vap_service_upload(struct conn *c, struct now now, const struct vap_message *m);
void vap_instance_destroy(struct instance *instance);
struct vservice *vap_vservice_find(const struct vap_server *s, uint64_t id);

/* server_keys.c: the keys of tickets, and who may have them. */
void vap_keys_subscribe(struct conn *c, const struct vap_message *m);
bool vap_keys_may_ask(const struct conn *c, const struct account *account, const struct vap_message *m,
                      const char **ret_reason);
void vap_keys_free(struct vap_server *s);

/* server_notify.c: subscriptions and our requests. */
void vap_subscription_add(struct conn *c, const struct vap_message *m);
struct subscription *vap_subscription_begin(struct conn *c, const struct vap_message *m, uint64_t vservice_id,
                                            const char *key_domain);
void vap_subscription_remove(struct conn *c, const struct vap_message *m);
void vap_subscription_destroy(struct subscription *subscription);
void vap_call_answered(struct conn *c, const struct vap_message *m);
void vap_call_finish(struct call *call, int err, unsigned code);
void vap_call_revoke(struct instance *instance, struct now now);

#endif
