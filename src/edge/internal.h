/* The objects of the edge, and which file does what with them. */
#ifndef EDGE_INTERNAL_H
#define EDGE_INTERNAL_H

#include "base/heap.h"
#include "base/lateness.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "edge/alg.h"
#include "edge/alg_check.h"
#include "edge/alg_sdp.h"
#include "edge/edge.h"
#include "edge/notice.h"
#include "edge/trunk.h"
#include "sip/dialog.h"
#include "sip/edit.h"

#define FORKS_MAX 16       /* dialogs of one call */
#define CALL_RELAYS_MAX 16 /* requests under way in one call */
#define COUNTER_SETS_MAX 16
#define LINGER_MS (64 * SIP_T1_MS) /* how long retransmissions may still come */
#define NUMBER_OCTETS 32

/* Call-record cause codes (doc/profile.md), told to call agents and other edges in Reason. */
enum edge_cause {
    EDGE_CAUSE_NONE = 0,
    EDGE_CAUSE_CONNECTION_TIMEOUT = 135,
    EDGE_CAUSE_SOCKET_ERROR = 137,
    EDGE_CAUSE_EXPIRED_TICKET = 140,
    EDGE_CAUSE_REMOTE_UNREGISTERED = 142,
    EDGE_CAUSE_REMOTE_DISABLED = 143,
    EDGE_CAUSE_REMOTE_TRUNK_URI = 144,
    EDGE_CAUSE_REMOTE_NOT_E164 = 145,
    EDGE_CAUSE_INVALID_TICKET = 147,
    EDGE_CAUSE_UNKNOWN = 148
};

struct edge_call;
struct edge_dialog;

/* ---- time ---- */

struct edge_timer {
    struct heap_node node;
    void (*fire)(struct edge *e, void *owner);
    void *owner;
};

/* ---- a request that was sent ---- */

/* status: of the response, 408 for none in time, 503 for nowhere to send it. response NULL: none came. */
typedef void edge_client_fn(struct edge *e, void *owner, unsigned status, const struct sip_message *response);

struct edge_client {
    uint64_t token; /* 0: not under way */
    uint64_t id;    /* of the layer */
    enum edge_side side;
    struct edge_call *call;
    edge_client_fn *heard;
    void *owner;
};

/* ---- calls ---- */

/* What is known of one end of a dialog. Numbers are those of CSeq. */
struct edge_end {
    char *target;       /* Contact: the Request-URI of requests to it; NULL: none yet */
    char *routes;       /* the route set of requests to it, first hop first; NULL: none */
    uint32_t cseq;      /* of its last request, as it counts */
    bool has_cseq;      /* it has made one */
    uint32_t sent;      /* of the last request that was sent to it */
    uint32_t shift;     /* added to the numbers of the other end's requests, because of requests of our own */
    uint8_t subscribed; /* so many times it has asked to be notified, and was not told that this is over */
    bool probing;       /* it is being asked whether it is there */
    uint8_t unasked;    /* times in a row that it could not be */
    struct mono heard;
};

/* A connection that calls came over: they use it as long as it lives. */
struct edge_conn {
    uint64_t number;
    unsigned users;
    bool gone;
    bool is_shared; /* it was asked for, whatever came of it */
};

/* How one end of a call was heard, or is reached. */
struct edge_way {
    struct sip_hop hop;
    struct edge_conn *conn; /* NULL: we make one when it is needed */
    bool is_stale;          /* it was that of another process */
};

enum edge_dialog_state { EDGE_EARLY, EDGE_CONFIRMED, EDGE_ENDING, EDGE_ENDED };

/* A dialog of the two ends: one for each fork of the called side. */
struct edge_dialog {
    struct list link; /* in call.dialogs */
    struct edge_call *call;
    enum edge_dialog_state state;
    char *tag; /* of the called side */
    struct edge_end ends[EDGE_SIDES];
    uint32_t rseq;       /* of the last reliable provisional response that passed; 0: none */
    struct alg_sdp *sdp; /* offers and answers; NULL: nothing was described in it yet */

    /* The 2xx to the last INVITE, until its ACK has passed, and that ACK, as long as the 2xx may come again. */
    uint64_t answered_server;
    enum edge_side answered_to; /* whose INVITE it was */
    uint32_t answered_cseq;     /* the INVITE's, as its sender counts */
    uint32_t answered_sent;     /* the same as it was sent on */
    bool awaits_ack;
    struct buf answer, ack;
    struct edge_timer forget; /* these */
    struct mono session_end;  /* when it ends that is not refreshed (RFC 4028) */
    const char *ended_by;
};

/* A request that came in at one side and went out at the other. */
struct edge_relay {
    struct list link; /* in call.relays */
    struct edge_call *call;
    struct edge_dialog *dialog; /* NULL: outside of dialogs */
    enum edge_side from;
    uint64_t server; /* 0: it has its final answer */
    struct edge_client client;
    enum sip_method method;
    uint32_t cseq;      /* as it came in */
    uint32_t sent_cseq; /* as it went out */
    char *target;       /* the Contact that it brought, for a dialog that is there; NULL: none */
    bool heard;         /* anything at all came back */
    bool ends_subscription;
    bool lingers; /* an answered INVITE: only further 2xx can come */
    struct edge_timer timer;
};

enum edge_errand_kind { EDGE_ERRAND_BYE, EDGE_ERRAND_PROBE, EDGE_ERRAND_QUALITY, EDGE_ERRAND_GONE };

/* A request of our own in a dialog of others. */
struct edge_errand {
    struct list link; /* in call.errands */
    struct edge_call *call;
    struct edge_dialog *dialog;
    enum edge_side to;
    enum edge_errand_kind kind;
    struct edge_client client;
    struct edge_timer patience; /* outside, with a question: until it is taken for gone */
    bool is_late;               /* that is over; what comes nevertheless is heard */
};

enum edge_kind { EDGE_CALL, EDGE_SUBSCRIPTION, EDGE_SINGLE };
enum edge_call_state { EDGE_SETTING_UP, EDGE_UP, EDGE_OVER };

/* Everything that begins with a request outside of a dialog. */
struct edge_call {
    struct list link;         /* in edge.calls */
    struct list closing_link; /* in edge.closing */
    struct edge *edge;
    enum edge_kind kind;
    enum edge_call_state state;
    enum edge_side from; /* where the caller is */
    unsigned domain;     /* served, that calls or is called */
    unsigned agent;      /* where it went, from outside */
    uint32_t agents_tried;
    struct edge_trunk *trunk;
    struct edge_way ways[EDGE_SIDES];
    bool is_known;                                   /* stands in edge.by_dialog */
    bool is_counted;                                 /* at its trunk */
    char *texts;                                     /* of the following, in one piece */
    const char *call_id, *tag, *from_text, *to_text; /* tag: of the caller; From: with it; To: without one */
    char number[NUMBER_OCTETS];
    uint32_t cseq;            /* of the first request */
    char *target;             /* the caller's, until it is refreshed in a dialog */
    char *routes;             /* the caller's */
    struct edge_relay *first; /* the request that began it; NULL once that is over */
    struct list dialogs, relays, errands;
    unsigned dialog_count, relay_count;
    struct edge_dialog *confirmed; /* the first one that was; NULL: none is */
    uint64_t session;              /* of media; 0: none is open, and all that was to be said of it was said */
    bool session_closed;
    bool is_described;       /* something was: its alg_sdp is here or its dialogs' */
    struct alg_sdp *sdp;     /* of the first request, until its answer */
    uint8_t sensitivity;     /* of the quality watch: the options', or the agent's word */
    uint8_t bad_streams;     /* a bit each: told to be bad, and not good again */
    bool is_gone;            /* nobody outside answers; the agent has the call as long as it wants it */
    bool asks_outside;       /* whether somebody is there: when the timer fires */
    struct edge_timer timer; /* ringing for too long; then nothing heard for too long */
    struct wall begun_at, answered_at;
    unsigned status;  /* of the final answer */
    uint32_t expires; /* of a subscription, in seconds */
};

struct edge_counter_set {
    const char *prefix;
    const char *const *names;
    const uint64_t *values;
};

struct edge {
    const struct edge_options *options;
    struct edge_ports ports;
    struct sip_layer *layer;
    struct now now; /* of the current event */
    struct wall started_at;
    uint64_t next_token, next_session;
    struct heap timers;
    struct map clients;   /* token → struct edge_client */
    struct map servers;   /* server → struct edge_relay: INVITEs that are not answered */
    struct map by_dialog; /* the caller's tag and the Call-ID → struct edge_call */
    struct map sessions;  /* of media → struct edge_call */
    struct map conns;     /* number → struct edge_conn */
    struct edge_trunks trunks;
    struct list calls;
    size_t call_count, subscription_count, request_count, dialog_count;
    struct lateness lateness; /* busy: nothing new from outside */
    struct mono late_until;   /* of a second in which so many late answers were looked at */
    unsigned late_count;
    struct mono agents_down_until[EDGE_AGENTS_MAX];
    struct list closing;   /* calls that may be freed when the event is over */
    struct region scratch; /* emptied after each event */
    struct buf octets;     /* a message being written */
    struct buf text;       /* a value being written */
    struct buf key;
    struct edge_notices notices;
    const char *rule; /* that the message of this event breaks (edge_judge); NULL: none */
    struct alg_limits limits;
    uint64_t close_conns[16]; /* to be ended */
    size_t close_count;
    struct edge_timer trunk_timer, stop_timer;
    bool stopping, stopped, stop_told, wants_shutdown;
    struct edge_counter_set counter_sets[COUNTER_SETS_MAX];
    size_t counter_set_count;
    struct edge_counters counters;
};

/* edge.c */
int edge_timer_set(struct edge *e, struct edge_timer *t, int64_t after_ms);
void edge_timer_stop(struct edge *e, struct edge_timer *t);
struct slice edge_print(struct edge *e, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* lives as long as the event; empty: no memory */
/* The value of a Reason, by which others know that the edge has ended something, and not a person. */
struct slice edge_reason(struct edge *e, enum edge_cause cause, const char *text);
/* "host:port" of ours, as that side knows it. */
const char *edge_point(const struct edge *e, enum edge_side side, enum sip_transport transport);
/* An answer of our own, with one more field unless name is NULL. */
void edge_answer(struct edge *e, uint64_t server, unsigned status, const char *name, struct slice value);
/* The same with a Reason. */
__attribute__((cold)) void edge_refuse(struct edge *e, uint64_t server, unsigned status, enum edge_cause cause,
                                       const char *text);
/* No answer at all. */
void edge_drop(struct edge *e, const struct sip_event *event);
void edge_close_conn(struct edge *e, uint64_t conn);

/* client.c */
void edge_client_init(struct edge_client *c, struct edge_call *call, edge_client_fn *heard, void *owner);
int edge_client_send(struct edge *e, struct edge_client *c, const struct sip_hop *hop, struct slice octets);
void edge_client_drop(struct edge *e, struct edge_client *c);
bool edge_client_event(struct edge *e, const struct sip_event *event);
/* sip_layer_config.may_answer; ctx is the edge. */
bool edge_client_may_hear(void *ctx, uint64_t token, const struct sip_flow *flow); /* false: of a client that is gone */

/* conn.c */
/* The way back to where a message came from. Holds its connection; ERR_NO_MEMORY. */
int edge_way_set(struct edge *e, struct edge_way *way, const struct sip_flow *flow);
void edge_way_clear(struct edge *e, struct edge_way *way);
/* A request with a good ticket came over it: whether ours to its domain may go there, too (RFC 5923). */
void edge_conn_share(struct edge *e, const struct edge_call *c, const struct sip_event *event);
bool edge_conn_lost(struct edge *e, uint64_t number); /* true: calls went over it */

/* admission.c */
/* Counts what was found wrong with a message, writes it down; the status that a request is refused with. */
__attribute__((cold)) unsigned edge_judge(struct edge *e, const struct sip_message *m, const char *from,
                                          const struct alg_verdict *verdict);
/* Who is there, for people. */
const char *edge_far_name(const struct sip_flow *flow);
/* Each: 0, or it was refused, which is counted. Whether we are busy; how much the far domain asks (trunk NULL: there are too many domains); whether the
 * message is right; and all of it with the ticket, for a request outside of dialogs from another company. */
int edge_room(struct edge *e, const struct sip_event *event);
int edge_trunk_room(struct edge *e, const struct sip_event *event, struct edge_trunk *trunk);
int edge_check(struct edge *e, const struct sip_event *event);
int edge_admit(struct edge *e, const struct sip_event *event, unsigned *ret_domain, struct edge_trunk **ret_trunk);

/* outbound.c: from inside, outside of dialogs: where it goes. 0, or it was refused. */
int edge_outbound(struct edge *e, const struct sip_event *event, unsigned *ret_domain, struct edge_trunk **ret_trunk,
                  struct sip_hop *ret_hop);
/* May something outside be there? */
bool edge_address_is_outside(const struct edge *e, const struct addr *addr);

/* inbound.c: the next agent that was not tried yet, best first. False: there is none. */
bool edge_next_agent(struct edge_call *c, struct sip_hop *ret_hop);
bool edge_has_agent(const struct edge_call *c); /* there is one */
void edge_agent_failed(struct edge *e, unsigned agent);
void edge_agent_worked(struct edge *e, unsigned agent);
bool edge_is_agent(const struct edge *e, const struct addr *peer);

/* call.c */
void edge_call_begin(struct edge *e, const struct sip_event *event);
void edge_call_answered(struct edge_call *c, struct edge_dialog *d,
                        const struct sip_message *response); /* the first request */
void edge_call_refreshed(struct edge_call *c, const struct sip_message *response);
void edge_call_wait(struct edge_call *c);                                                        /* sets its timer */
void edge_call_end(struct edge_call *c, unsigned status, enum edge_cause cause, const char *by); /* all are told */
void edge_call_over(struct edge_call *c, const char *by);
void edge_call_check(struct edge_call *c); /* freed after the event if nothing is under way any longer */
void edge_call_settle(struct edge_call *c, const char *by); /* over if none of its dialogs is left */
void edge_call_free(struct edge_call *c);
/* An empty one, and its name, by which it is found. */
struct edge_call *edge_call_alloc(struct edge *e, enum edge_kind kind);
void edge_call_count(struct edge_call *c); /* at its far domain */
int edge_call_name(struct edge_call *c, struct slice call_id, struct slice tag, struct slice from, struct slice to);
struct edge_call *edge_call_find(struct edge *e, struct slice call_id, struct slice caller_tag);

/* dialog.c */
/* That of the called side's tag; made if there is none yet. NULL: too many, or no memory. */
struct edge_dialog *edge_dialog_of(struct edge_call *c, struct slice called_tag);
struct edge_dialog *edge_dialog_find(const struct edge_call *c, struct slice called_tag);
/* That of a message inside of one. side: where it came from. NULL: none. A NOTIFY may be faster than what begins its dialog, and begins it. */
struct edge_dialog *edge_dialog_of_request(struct edge *e, const struct sip_message *m, enum edge_side side);
void edge_dialog_free(struct edge_dialog *d);
/* What it learns from a Contact, and from the Record-Route of what began it (reverse: of a response). NULL: nothing, or no memory. */
char *edge_contact_of(const struct sip_message *m);
char *edge_routes_of(const struct sip_message *m, bool reverse);
void edge_end_set_target(struct edge_end *end, char **target); /* takes it over; nothing if it is NULL */
void edge_dialog_learn(struct edge_dialog *d, enum edge_side from, const struct sip_message *response);
/* 0 if its state allows the request; else the status that it is refused with, counted. */
unsigned edge_dialog_allows(struct edge_dialog *d, const struct sip_message *m, enum edge_side from);
/* The number that a request to that side gets which has this one at the other end; that of a request of our own. */
uint32_t edge_dialog_shifted(const struct edge_dialog *d, enum edge_side to, uint32_t cseq);
uint32_t edge_dialog_own_cseq(struct edge_dialog *d, enum edge_side to);
struct sip_hop edge_dialog_hop(const struct edge_dialog *d, enum edge_side to);
/* A 2xx to an INVITE passed; it and its ACK are kept for as long as they may be repeated. */
void edge_dialog_answered(struct edge_dialog *d, const struct edge_relay *r, struct slice answer);
void edge_dialog_end(struct edge_dialog *d, const char *by);

/* relay.c */
int edge_relay_new(struct edge_call *c, const struct sip_event *event, struct edge_relay **ret_relay);
void edge_relay_free(struct edge_relay *r);
void edge_relay_first(struct edge_relay *r, const struct sip_message *m);
void edge_relay_inside(struct edge_dialog *d, const struct sip_event *event);
void edge_relay_fail(struct edge_relay *r, unsigned status, enum edge_cause cause, const char *text);
struct edge_relay *edge_relay_pending(const struct edge_dialog *d, enum sip_method method, enum edge_side from);

/* answer.c: ACK, CANCEL, and answers that come again or that nobody waits for */
void edge_acked(struct edge *e, const struct sip_event *event);
void edge_cancelled(struct edge *e, const struct sip_event *event);
void edge_answered_again(struct edge_dialog *d, const struct sip_message *response);
void edge_answered_late(struct edge *e, const struct sip_flow *flow, const struct sip_message *response);
void edge_stray(struct edge *e, const struct sip_event *event);

/* patch.c: what is changed in a message that passes, into e->octets. 0, or the status to refuse it with, which is counted. */
unsigned edge_patch_request(struct edge_relay *r, const struct sip_message *m);
unsigned edge_patch_response(struct edge_relay *r, struct edge_dialog *d, const struct sip_message *m,
                             const struct sip_message *request);
unsigned edge_patch_ack(struct edge_dialog *d, const struct sip_message *m, enum edge_side from);
/* A request of our own, in the name of the other end; its last fields may be NULL. */
struct edge_field {
    const char *name;
    const char *value;
};
unsigned edge_patch_own(struct edge_dialog *d, enum edge_side to, const char *method, uint32_t cseq,
                        const struct edge_field *fields, size_t count);

/* errand.c: requests of our own. False: it could not be sent. */
bool edge_errand_send(struct edge_dialog *d, enum edge_side to, enum edge_errand_kind kind,
                      const struct edge_field *fields, size_t count);
void edge_errand_free(struct edge_errand *errand);
/* Is that end still there? At once; and if it was not heard for long. */
void edge_dialog_ask(struct edge_dialog *d, enum edge_side to);
void edge_dialog_probe(struct edge_dialog *d, enum edge_side to);
/* ACK (if one is owed) and BYE to that end. */
void edge_dialog_goodbye(struct edge_dialog *d, enum edge_side to, const char *reason);

/* media.c: what descriptions open. 0, or the status to refuse with, which is counted; the description in the edit is changed. d NULL: there is no dialog
 * yet. request: that which a response answers, else NULL. */
unsigned edge_media_pass(struct edge_call *c, struct edge_dialog *d, enum edge_side from, const struct sip_message *m,
                         const struct sip_message *request, struct sip_edit *edit);
void edge_media_withdraw(struct edge_call *c, struct edge_dialog *d); /* the request with an offer had no answer */
void edge_media_choose(struct edge_dialog *d); /* of several forks, that one was answered: its media are the call's */
void edge_media_event(struct edge_call *c, const struct media_event *event);
void edge_media_close(struct edge_call *c);
void edge_media_forget(struct edge_call *c); /* nothing more is to be heard of it */

/* quality.c: what the agent is told about the way of its call */
void edge_quality(struct edge_call *c, const struct media_event *event);
void edge_far_gone(struct edge_call *c);                  /* nobody outside answers */
void edge_far_back(struct edge_call *c);                  /* somebody does, after all */
void edge_far_lost(struct edge *e, uint64_t conn);        /* it has ended: whoever has calls over it is asked */
const char *edge_call_quality(const struct edge_call *c); /* for people */

static inline enum edge_side edge_other(enum edge_side side)
{
    return side == EDGE_INSIDE ? EDGE_OUTSIDE : EDGE_INSIDE;
}

#endif
