/* Ends of calls: a leg is one dialog that we are a party of, from its INVITE to the last answer, whoever called. A ua is all legs of a
 * network or a phone, over one transaction layer. Its user gives orders and is told what the other side does; what SIP wants done besides (100, ACK of
 * failures, repeated answers, crossing requests, late answers) is done here.
 *
 * A leg belongs to its user until leg_end, or until the user has been told `failed` or `ended`: from then on the user does not touch it. It goes
 * away by itself when nothing is under way any more. For src/pstn and the simulator's phones. */
#ifndef PSTN_LEG_H
#define PSTN_LEG_H

#include "base/buf.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/region.h"
#include "sip/100rel.h"
#include "sip/dialog.h"
#include "sip/digest.h"
#include "sip/edit.h"
#include "sip/session.h"
#include "sip/transaction.h"

#define LEG_TAG_OCTETS 17 /* 64 bits in hexadecimal and a NUL */
#define UA_ALLOW "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK"
#define LEG_ASKED_MAX 4 /* requests inside of a leg that wait for our answer */

struct leg;

/* ---- what goes from one leg to another ---- */

/* A body with what describes it, and the terms of a session timer. Nothing else. */
struct carried {
    struct slice type, disposition, body;
    struct slice session_expires, min_se;
    bool has_timer;   /* Supported or Require lists it */
    bool needs_timer; /* Require does */
};
void carried_read(const struct sip_message *m, struct carried *ret_carried); /* borrows */
int carried_copy(struct region *region, const struct carried *from, struct carried *ret_copy);
void carried_put(const struct carried *c, struct buf *out); /* fields and body: ends the message */

/* ---- who uses legs ---- */

/* message NULL: none came (a timeout is 408, nowhere to send it 503). */
struct ua_user {
    /* A request that begins a call, or any other one outside of dialogs but OPTIONS. The user answers it with ua_answer, or takes an INVITE with leg_take. */
    void (*asked)(void *ctx, const struct sip_event *event);

    /* The others have the leg's owner. */
    void (*ringing)(void *owner, struct leg *leg, const struct sip_message *response);  /* 101 to 199 */
    void (*answered)(void *owner, struct leg *leg, const struct sip_message *response); /* leg_ack is to follow */
    void (*failed)(void *owner, struct leg *leg, unsigned status, const struct sip_message *response);
    void (*acked)(void *owner, struct leg *leg,
                  const struct sip_message *ack); /* the first ACK for what leg_answer or leg_reply sent */

    /* INVITE, UPDATE or INFO inside of the call: leg_reply with this server is to follow. */
    void (*request)(void *owner, struct leg *leg, uint64_t server, const struct sip_message *request);
    void (*cancelled)(void *owner, struct leg *leg, uint64_t server); /* such an INVITE */
    void (*reply)(void *owner, struct leg *leg, uint64_t cookie, unsigned status, const struct sip_message *response);

    /* BYE, or the CANCEL of its first INVITE; answered already. request NULL: an answer of ours was never acknowledged. */
    void (*ended)(void *owner, struct leg *leg, const struct sip_message *request);

    /* The BYE of leg_end has been answered: the last thing that an owner hears. May be NULL. */
    void (*closed)(void *owner, unsigned status);
};

typedef void ua_fire_fn(void *owner);
struct ua_timer {
    struct heap_node node;
    ua_fire_fn *fire;
    void *owner;
};

struct ua_options {
    size_t legs_max;
    int64_t ring_ms; /* an INVITE of ours may ring so long at least */
};

struct ua {
    const struct ua_user *user;
    void *ctx;
    const char *(*point)(const void *ctx, unsigned side, enum sip_transport transport); /* "host:port" of ours */
    const struct entropy *entropy;
    const struct log *log;
    struct sip_layer *layer;
    struct now now; /* of the current event */
    struct heap timers;
    struct map clients; /* token → struct ua_client */
    struct map dialogs; /* sip_dialog_key → struct leg */
    struct map tags;    /* our tag → struct leg */
    struct map calls;   /* server of a first INVITE → struct leg */
    struct list legs;
    struct list closing; /* legs that go away after the event */
    size_t leg_count, legs_max;
    uint64_t next_token;
    struct region scratch; /* emptied after each event */
    struct buf octets;     /* a message being written */
    struct buf text;
};

/* The user, ctx and point must outlive it. 0 or ERR_NO_MEMORY; afterwards ua_fini is to be called in either case. */
int ua_init(struct ua *u, const struct ua_options *options, const struct ua_user *user, void *ctx,
            const char *(*point)(const void *ctx, unsigned side, enum sip_transport transport),
            const struct entropy *entropy, const struct log *log, struct now now);
void ua_fini(struct ua *u);

void ua_input(struct ua *u, struct now now, const struct sip_flow *flow, struct slice octets);
void ua_unreachable(struct ua *u, struct now now, const struct sip_hop *hop);
void ua_tick(struct ua *u, struct now now);
struct mono ua_deadline(const struct ua *u);
bool ua_next(struct ua *u, struct now now, const struct sip_hop **ret_hop, struct slice *ret_octets);

void ua_tag(struct ua *u, char tag[LEG_TAG_OCTETS]);
int ua_timer(struct ua *u, struct ua_timer *t, int64_t after_ms);
void ua_timer_stop(struct ua *u, struct ua_timer *t);
struct slice ua_print(struct ua *u, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* lives as long as the event */

/* An answer without a body; with one more field unless name is NULL. */
void ua_answer(struct ua *u, uint64_t server, unsigned status, const char *name, struct slice value);

/* Contact, into ua.octets: how that user is reached on that side. */
void ua_put_contact(struct ua *u, const char *user, unsigned side, enum sip_transport transport);

/* ---- requests of ours ---- */

/* One, until its final answer. Its owner's storage; all zero but `heard` in the beginning. */
struct ua_client {
    uint64_t token; /* 0: it is not under way */
    uint64_t id;
    void (*heard)(struct ua_client *c, unsigned status, const struct sip_message *response); /* NULL: none came */
};

/* Sends what stands in ua.octets. `heard` follows with every answer, at last with a final one. 0 or what sip_client_request says. */
int ua_send(struct ua *u, struct ua_client *c, const struct sip_hop *hop);
void ua_forget(struct ua *u, struct ua_client *c); /* nothing more is heard of it */

/* A name and a password that others may ask for. Its owner's storage, texts are borrowed. */
struct ua_password {
    const char *user, *secret; /* secret NULL: there is none */
    struct sip_digest_client digest;
};
void ua_password_init(struct ua_password *p, const char *user, const char *secret);
void ua_password_fini(struct ua_password *p);

/* A 401 or 407 to what was sent: the same again stands in ua.octets then, with that CSeq and the answer to the challenge. False: we have no
 * answer (p may be NULL), or it was not believed. */
bool ua_password_answer(struct ua *u, struct ua_password *p, struct slice sent, uint32_t cseq,
                        const struct sip_message *response);

/* ---- legs ---- */

enum leg_state {
    LEG_CALLING, /* INVITE sent */
    LEG_CALLED,  /* INVITE received */
    LEG_UP,      /* 2xx sent or received */
    LEG_OVER
};

struct leg_client {
    struct ua_client client;
    struct list link; /* in leg.clients */
    struct leg *leg;
    uint64_t cookie; /* 0: the first INVITE, or BYE */
    enum sip_method method;
    uint32_t cseq;
    void *owner; /* BYE: who is told */
};

struct leg {
    struct list link;         /* in ua.legs */
    struct list closing_link; /* in ua.closing */
    struct ua *ua;
    void *owner; /* NULL: it has no user any more */
    enum leg_state state;
    struct sip_hop hop; /* where it was first heard, or reached */
    bool stays;         /* all requests go there, whatever the Contact says: a trunk that registered */
    bool ready;         /* it has a dialog */
    struct sip_dialog dialog;
    char tag[LEG_TAG_OCTETS];
    uint64_t server;               /* of the first INVITE that came in, without a final answer */
    uint64_t asked[LEG_ASKED_MAX]; /* 0: free */
    struct list clients;           /* requests of ours under way */
    struct buf invite;             /* the first INVITE that went out, without Via */
    uint32_t invite_cseq;          /* its number: it goes up with each password that is asked for */
    unsigned challenges;           /* so often that was */
    struct ua_password *password;  /* NULL: none */
    bool is_reliable;              /* what rings is to be acknowledged (RFC 3262): the caller demands it */
    struct sip_100rel_server reliable;
    struct ua_timer reliable_timer;
    struct sip_accepted accepted;
    uint64_t accepted_server;
    struct ua_timer repeat;
    uint32_t owes_ack; /* an INVITE of ours was answered with 2xx: its CSeq */
    struct sip_confirmed confirmed;
    bool ends_when_acked; /* BYE has to wait for the ACK (RFC 3261 15) */
    void *ends_for;       /* who hears of that BYE's end */
};

/* What a first INVITE says. Slices and carried are borrowed for the call. */
struct leg_invite {
    struct sip_hop hop;
    bool stays;
    struct slice uri;
    struct slice from; /* without a tag */
    struct slice to;
    unsigned max_forwards;
    struct slice asserted;        /* P-Asserted-Identity; empty: none */
    bool is_private;              /* Privacy: id */
    struct ua_password *password; /* must outlive the leg; NULL: none */
    const struct carried *carried;
};

/* Calls. 0, ERR_LIMIT, ERR_NO_MEMORY or what sip_client_request says. */
int leg_call(struct ua *u, const struct leg_invite *invite, void *owner, struct leg **ret_leg);

/* Takes an INVITE that came in. 0, ERR_SYNTAX (it has no good Contact), ERR_LIMIT, ERR_NO_MEMORY: then it is still to be answered. */
int leg_take(struct ua *u, const struct sip_event *event, void *owner, struct leg **ret_leg);

/* LEG_CALLED: 101 to 199; 2xx; a failure, after which the user has no leg any more. carried NULL: no body. */
void leg_ring(struct leg *l, unsigned status, const struct carried *carried);
void leg_answer(struct leg *l, const struct carried *carried);
void leg_refuse(struct leg *l, unsigned status);

/* After `answered`, and after a `reply` with 2xx to INVITE: with the answer to an offer that came in the 2xx. Harmless if none is owed. */
void leg_ack(struct leg *l, const struct carried *carried);

/* Inside of a call that is up. Its `reply` has the cookie. 0 or an error: there will be no reply. */
int leg_request(struct leg *l, enum sip_method method, const struct carried *carried, uint64_t cookie);
void leg_reply(struct leg *l, uint64_t server, unsigned status, const struct carried *carried);

/* Gives up a re-INVITE; its `reply` follows. */
void leg_cancel(struct leg *l, uint64_t cookie);

/* Ends it in the way that fits its state: CANCEL, 487 or BYE. */
void leg_end(struct leg *l);

#endif
