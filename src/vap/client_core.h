/* The objects of the client and what its files do for one another. Private to vap.
 *
 * Effects that say how a session stands are nodes within the session: setting one again moves it to the end of the queue, so what is
 * taken last is what holds, and no effect of a session can be lost for lack of memory. Results sit in what they are the result of. */
#ifndef VAP_CLIENT_CORE_H
#define VAP_CLIENT_CORE_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "vap/client.h"

#define REASON_OCTETS 160

struct note {
    struct list link;
    struct vap_client_effect e;
    char reason[REASON_OCTETS];
    bool own; /* allocated by itself, freed when it was taken */
};

enum session_state {
    SESSION_IDLE,          /* until retry_at */
    SESSION_CONNECTING,    /* CONNECT was asked for */
    SESSION_REGISTERING,   /* connected, the first Register is under way */
    SESSION_PUBLISHING,    /* registered; the VService is not (or no longer) published */
    SESSION_ONLINE,        /* registered and, if there is one, the VService published */
    SESSION_UNREGISTERING, /* stopping */
    SESSION_FINAL          /* never again */
};

enum request_kind {
    REQUEST_REGISTER,
    REQUEST_REFRESH,
    REQUEST_UNREGISTER,
    REQUEST_VSERVICE,
    REQUEST_SUBSCRIBE,
    REQUEST_UNSUBSCRIBE,
    REQUEST_KEYS, /* to subscribe */
    REQUEST_KEYS_NO_MORE,
    REQUEST_UPLOAD,
    REQUEST_COPY, /* of a call record, to the server that does not act */
    REQUEST_NUMBER
};

struct session;

/* A call record on its way. */
struct upload {
    struct list link; /* in the queue, while it waits */
    struct vap_vcr vcr;
    uint64_t token;
    unsigned attempts;
    struct note result;
};

/* A number that is kept published. */
struct number {
    struct e164 e164;
    uint64_t token;
    bool reported;  /* its result was given */
    bool forgotten; /* freed when no request of it is under way */
    struct publication {
        struct number *number;
        struct heap_node due; /* at that server */
        bool in_flight;
        unsigned failures; /* since the last success */
    } at[VAP_SERVERS_MAX];
    struct note result;
};

/* A request of ours under way. All have the same patience, so a session's list is in order of deadlines. */
struct request {
    struct list link;
    enum request_kind kind;
    struct vap_transaction transaction;
    struct mono deadline;
    struct upload *upload;
    struct number *number;
    size_t key; /* which subscription to keys */
};

/* A subscription to the keys of one domain's tickets. */
struct key_subscription {
    bool subscribed;
    bool asking; /* a request about it is under way */
    uint32_t id;
    struct mono retry_at; /* after a refusal */
    struct note subscription, refused;
};

/* A Notify that its taker has not answered yet. */
struct notify {
    struct list link;
    uint64_t id;
    struct vap_transaction transaction;
    struct buf content;
    struct note note;
};

struct session {
    struct vap_client *client;
    unsigned index;
    enum session_state state;
    bool failed; /* since it was last online */
    struct vap_framer framer;
    struct buf out;
    uint16_t version_minor;
    uint32_t handle;
    uint32_t keepalive_ms;
    struct mono deadline; /* of the state: retry, connect, or unregister */
    struct mono refresh_at;
    struct mono publish_at; /* when the VService is to be tried again */
    int64_t pause_ms;
    uint32_t dht_lifetime_s;
    bool publishing;
    bool subscribed;
    bool subscribing;
    uint32_t subscription_id;
    bool holding; /* the server is overloaded: nothing new until hold_until */
    struct mono hold_until;
    int64_t hold_ms;
    struct list requests;
    size_t in_flight;
    size_t numbers_in_flight;
    struct heap numbers; /* of struct publication, by when they are due */
    struct list notifies;
    size_t notify_count;
    struct key_subscription *keys; /* one for each of config.key_domains */
    struct note connect, send, disconnect, online, offline, subscription, revoked;
};

struct vap_client {
    struct vap_client_config config;
    char *name;
    char *label;
    char *user;
    char **key_domains;
    struct vap_key key;
    const struct entropy *entropy;
    const struct log *log;
    struct vap_client_counters counters;
    uint64_t instance;
    uint32_t version; /* of the description; 0: there is none */
    struct buf description;
    struct session sessions[VAP_SERVERS_MAX];
    struct list queue; /* of struct upload that wait */
    size_t uploads;    /* without a result */
    struct map numbers;
    uint64_t next_notify;
    bool stopping;
    bool told; /* that it has stopped */
    struct note stopped;
    struct list notes;
    struct buf lent; /* octets of the SEND effect that was taken last */
    /* What the effect that was taken last sits in: freed at the next call. */
    struct note *taken;
    struct upload *taken_upload;
    struct number *taken_number; /* if it is forgotten */
};

/* client.c */
void vap_note_push(struct vap_client *c, struct note *note, const char *reason);
void vap_alarm_raise(struct session *s, enum vap_alarm alarm, const char *reason);
void vap_client_dispatch(struct vap_client *c, struct now now);
struct session *vap_client_acting(struct vap_client *c);

/* client_session.c: the life of a connection. */
void vap_session_init(struct session *s, struct vap_client *c, unsigned index, struct now now);
void vap_session_fini(struct session *s);
void vap_session_fail(struct session *s, struct now now, const char *reason);
void vap_session_end(struct session *s, const char *reason);
void vap_session_registered(struct session *s, struct now now, const struct vap_message *m);
void vap_session_published(struct session *s, const struct vap_message *m);
void vap_session_publish_refused(struct session *s, struct now now, unsigned code, const char *reason);
void vap_session_refresh(struct session *s, struct now now);
void vap_session_tick(struct session *s, struct now now);
struct mono vap_session_deadline(const struct session *s);
bool vap_session_is_registered(const struct session *s);

/* client_request.c: transactions. A request is begun, given its attributes in s->out, and sent. NULL without memory. */
struct request *vap_request_begin(struct session *s, struct now now, enum vap_method method, enum request_kind kind,
                                  size_t *ret_mark);
void vap_request_send(struct session *s, size_t mark);
void vap_request_put_service(struct session *s, uint16_t subservice, uint64_t instance);
void vap_request_drop_all(struct session *s, struct now now);
void vap_request_timeout(struct session *s, struct now now);
void vap_response_receive(struct session *s, struct now now, const struct vap_message *m);
bool vap_session_has_room(const struct session *s);
void vap_session_hold(struct session *s, struct now now);

/* client_notify.c: subscription, and the server's requests. */
void vap_subscription_update(struct session *s, struct now now, bool wanted);
void vap_server_request_receive(struct session *s, struct now now, const struct vap_message *m, int err);
void vap_notify_drop_all(struct session *s);
void vap_notify_refuse(struct session *s, const struct vap_message *m, unsigned code, const char *reason);
/* Hands the content of a Notify up, as an effect of that kind. */
void vap_notify_pass(struct session *s, const struct vap_message *m, enum vap_client_effect_kind kind, size_t domain);

/* client_keys.c: subscriptions to keys of tickets. */
int vap_keys_init(struct vap_client *c, const struct vap_client_config *config);
void vap_keys_fini(struct vap_client *c);
void vap_keys_reset(struct session *s);
void vap_keys_update(struct session *s, struct now now, bool wanted);
void vap_keys_answered(struct session *s, struct now now, const struct request *request, const struct vap_message *m,
                       unsigned code, const char *reason);
void vap_keys_receive(struct session *s, const struct vap_message *m);
struct mono vap_keys_deadline(const struct session *s);

/* client_upload.c */
void vap_upload_dispatch(struct vap_client *c, struct now now);
void vap_upload_answered(struct session *s, struct now now, struct upload *upload, unsigned code, const char *reason);
void vap_upload_lost(struct vap_client *c, struct upload *upload, bool timed_out);
void vap_upload_finish(struct vap_client *c, struct upload *upload, int err, unsigned code, const char *reason);

/* client_number.c */
void vap_number_dispatch(struct session *s, struct now now);
void vap_number_answered(struct session *s, struct now now, struct number *number, unsigned code, const char *reason,
                         const struct vap_message *m);
void vap_number_lost(struct session *s, struct now now, struct number *number);
void vap_number_report(struct vap_client *c, struct number *number, int err, unsigned code, const char *reason);
void vap_number_free_all(struct vap_client *c);
bool vap_number_has_room(const struct session *s);
bool vap_number_free_forgotten(struct number *number);

#endif
