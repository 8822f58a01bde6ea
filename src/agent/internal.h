/* The objects of the call agent, and which file does what with them. Its PBXs and trunks: trunk_internal.h. */
#ifndef AGENT_INTERNAL_H
#define AGENT_INTERNAL_H

#include "agent/agent.h"
#include "agent/fallback.h"
#include "agent/journal.h"
#include "agent/leftover.h"
#include "agent/stranger.h"
#include "agent/trunk_internal.h"
#include "base/lateness.h"
#include "base/map.h"
#include "base/mem.h"
#include "media/tone.h"
#include "sip/dialog.h"
#include "sip/session.h"

/* What we can do ourselves. */
#define AGENT_ALLOW \
    "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, SUBSCRIBE, NOTIFY, PUBLISH, MESSAGE, REGISTER"

#define WAYS_MAX 16
#define FORKS_MAX 16       /* early dialogs of one call */
#define CALL_RELAYS_MAX 16 /* requests under way in one call */
#define LATE_ANSWERS_MAX 1000
#define COUNTER_SETS_MAX 16
#define CALL_TEXTS_OCTETS_MAX (256 * 1024) /* of the ways of a call */
#define LINGER_MS (64 * SIP_T1_MS)         /* how long retransmissions may still come */

struct call;
struct pair;

/* ---- calls ---- */

/* One way that a request may go. Texts lie in the call's region. */
struct way {
    enum agent_side side;
    struct trunk *trunk; /* NULL: IME */
    struct sip_hop hop;
    struct addr place;               /* IME: where it ends, by the learned route; the hop may be the edge before it */
    const char *uri;                 /* Request-URI */
    const char *routes;              /* NULL: none */
    const char *domain;              /* host of the URIs that are ours to write */
    const char *name;                /* for people */
    const struct agent_route *route; /* IME: with its ticket */
};

/* One end of a pair of dialogs, or a leg of its own (detour.c). */
struct end {
    struct agent *agent;
    struct call *call; /* NULL: of a leg that has no call */
    struct pair *pair; /* NULL: a leg */
    struct end *other; /* who hears what it says */
    bool is_called;    /* the called side, else the caller's */
    enum agent_side side;
    struct trunk *trunk; /* NULL: IME */
    struct sip_hop hop;  /* where it was first heard, or reached */
    struct sip_dialog dialog;
    unsigned place_of; /* dialog.changes when its place, a trunk's, was read: where requests go */
    enum sip_transport place_transport;
    struct addr place;
    bool ready;        /* it has a dialog, which stands in agent.ends */
    bool gone;         /* it said, or was told, goodbye */
    struct end *alike; /* another with that tag: a fork of the same request */
    char tag[TAG_OCTETS];
    struct mono heard;              /* the last time, or asked whether it is there */
    struct client *probe;           /* asks whether it is there; NULL: it was not asked */
    struct sip_accepted accepted;   /* the 2xx that we sent here */
    uint64_t accepted_server;       /* its transaction */
    uint32_t accepted_cseq;         /* the INVITE's at the other end */
    bool answers_by_ack;            /* that INVITE had no offer */
    struct timer timer;             /* of that 2xx */
    uint32_t owes_ack;              /* an INVITE of ours was answered with 2xx, nobody acknowledged it yet: its CSeq */
    char *credentials;              /* of that INVITE, as client_credentials_shown gave them; NULL: none */
    struct sip_confirmed confirmed; /* the ACK that we sent here */
};

/* Two dialogs that are one for those who speak in them: 0 towards the caller, 1 towards the called. */
struct pair {
    struct list link; /* in call.pairs */
    struct call *call;
    struct attempt *attempt; /* NULL once that is gone */
    struct end ends[2];
    char remote_tag[]; /* of the called side */
};

/* One try at a B leg. */
struct attempt {
    struct list link; /* in call.attempts */
    struct call *call;
    const struct way *way; /* NULL when the first request is over */
    enum agent_side side;
    struct trunk *trunk;
    struct client client;
    uint32_t cseq;
    char tag[TAG_OCTETS];
    char call_id[2 * TAG_OCTETS];
    bool heard;         /* anything at all */
    bool rang;          /* 180 and above */
    bool given_up;      /* another one counts now, or none */
    bool counts_direct; /* against direct_max */
    struct list asking; /* in agent.asking: the mapping service was asked, nothing has been sent */
    uint64_t question;
    struct timer timer;
    unsigned step; /* in the record; CALL_STEPS_MAX: none */
};

/* A request that came in at one end and goes out at the other. The first one of a call has attempts instead of a client. */
struct relay {
    struct list link; /* in call.relays */
    struct call *call;
    struct end *from, *to; /* where it came in, and where it goes; NULL: the first one */
    uint64_t server;       /* 0: it has its final answer */
    struct client client;
    const struct trunk *heard_from; /* who answers the first request */
    enum sip_method method;
    enum sip_transport transport; /* it came by */
    uint32_t cseq, out_cseq;      /* as it came, as it went on */
    bool ends_call;               /* NOTIFY: the subscription is terminated */
};

enum call_kind {
    CALL_VOICE,        /* INVITE */
    CALL_SUBSCRIPTION, /* SUBSCRIBE, or REFER outside of a call, with its NOTIFYs */
    CALL_SINGLE        /* MESSAGE, PUBLISH, INFO …: one request */
};

enum call_state { CALL_SETTING_UP, CALL_UP, CALL_OVER };

/* Everything that begins with a request outside of a dialog. */
struct call {
    struct list link;         /* in agent.calls */
    struct list closing_link; /* in agent.closing */
    struct agent *agent;
    enum call_kind kind;
    enum call_state state;
    enum agent_side from;
    struct trunk *from_trunk; /* NULL: IME */
    struct sip_hop from_hop;
    struct relay *first; /* the request that began it; NULL once that is over */
    struct region texts; /* of the ways; empty once the first request is over */
    struct way *ways;
    size_t way_count, way_room, next_way;
    struct attempt *current; /* NULL: none counts */
    struct list attempts, pairs, relays;
    struct list farewells; /* BYEs of ours on their way: call.c */
    size_t pair_count, relay_count;
    struct pair *confirmed;
    bool tried_direct;
    struct timer timer;        /* ringing for too long; then nothing heard for too long */
    struct list keep_link;     /* in agent.unkept */
    uint64_t kept_as;          /* the number of its row in the store; 0: none */
    struct fallback *fallback; /* NULL: it cannot move to the phone network */
    struct call_record record; /* CALL_VOICE */
};

struct counter_set {
    const char *prefix;
    const char *const *names;
    const uint64_t *values;
};

struct agent {
    const struct agent_options *options;
    struct agent_ports ports;
    struct agent_parts parts;
    uint64_t vservice_id; /* of call records; 0: there is no service */
    struct agent_service_effect vap;
    struct mapping_client *mapper; /* NULL: no mapping service */
    struct mapping_client_effect mapping;
    struct list asking; /* attempts that wait for it */
    struct sip_layer *layer;
    struct call_journal *journal;
    struct now now; /* of the current event */
    struct wall started_at;
    uint64_t next_token;
    struct heap timers;
    struct map clients;  /* token → struct client */
    struct map servers;  /* server → struct relay: INVITEs that are not answered */
    struct map ends;     /* our tag of it → struct end: the newest of those alike */
    struct map attempts; /* our From tag → struct attempt, of subscriptions: NOTIFY may come first */
    struct list calls;
    struct map late; /* sip_dialog_key → struct late_answer */
    size_t call_count, direct_count, leg_count;
    struct lateness lateness; /* busy: no direct ways */
    size_t request_count;     /* of the calls: those that are none for people */
    struct list closing;      /* calls that may be freed when the event is over */
    struct list unkept;       /* calls that were answered, and that the store is to have soon */
    struct list leftovers;    /* of before a crash */
    struct list fallbacks;    /* calls that can move to the phone network */
    size_t fallback_count, away_count;
    struct list legs, legs_closing;
    struct map tokens; /* digits → struct fallback, called side */
    unsigned wrong_tokens;
    struct mono wrong_tokens_until;
    bool quality_rings;
    struct map voices;    /* port → struct voice */
    struct list speaking; /* voices with a packet that is due */
    uint8_t packet[TONE_PACKET_OCTETS_MAX];
    struct timer keep_timer, leftover_timer;
    uint64_t next_kept;
    struct trunk trunks[AGENT_TRUNKS_MAX];
    size_t trunk_count;
    struct sip_digest_server digest; /* of PBXs that register */
    struct strangers strangers;
    struct region scratch;         /* emptied before each event */
    struct buf octets;             /* a message being written */
    struct buf text;               /* a value being written */
    struct agent_route_list found; /* routes of the call that is being planned */
    uint32_t locate;               /* trunks to be asked for, a bit each */
    bool stopping, stopped, stop_told;
    struct timer stop_timer, flush_timer; /* flush: of the journal */
    bool wants_shutdown;
    struct counter_set counter_sets[COUNTER_SETS_MAX];
    size_t counter_set_count;
    struct agent_counters counters;
};

/* agent.c */
void agent_tag(struct agent *a, char tag[TAG_OCTETS]);
void agent_call_id(struct agent *a, char call_id[2 * TAG_OCTETS]);
int agent_timer(struct agent *a, struct timer *t, int64_t after_ms);
void agent_timer_stop(struct agent *a, struct timer *t);
struct slice agent_print(struct agent *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));                    /* lives as long as the event; empty: no memory */
void agent_note(struct agent *a, struct call_record *record); /* into the journal */
void agent_sweep(struct agent *a);                            /* what was needed for one event only */
/* The 2xx to an INVITE that came in at that end, of our own; repeated until it is acknowledged. */
void agent_accept(struct end *end, uint64_t server, struct slice description);
/* A call that went over the phone network, and ends now, for the IME server. */
void agent_upload(struct agent *a, enum vap_direction direction, const struct e164 *calling, const struct e164 *called,
                  struct wall answered_at, const char *call_id);
/* "host:port" of ours, as the other side sees it. */
const char *agent_point(const struct agent *a, enum agent_side side, enum sip_transport transport);
/* An answer of our own, without a body; with one more field unless name is NULL. */
void agent_answer(struct agent *a, uint64_t server, unsigned status, const char *name, struct slice value);
/* Where it came from. */
struct sip_hop agent_hop(const struct sip_flow *flow);

/* plan.c: where a call may go */
unsigned plan_call(struct call *c); /* 0, or the status that refuses it; the record has the reason */
/* Who calls, as +E.164, and whom, by what a trunk says. */
void plan_caller(struct agent *a, const struct trunk *trunk, const struct sip_message *m, struct e164 *ret_calling);
bool plan_called(struct agent *a, const struct trunk *trunk, const struct sip_message *m, struct e164 *ret_called);
unsigned plan_note(struct call *c, enum agent_side side, enum agent_cause cause, const char *format, ...)
    __attribute__((format(printf, 4, 5))); /* a step of the record */
void plan_redirect(struct call *c);

/* call.c */
void call_begin(struct agent *a, const struct sip_event *event, struct trunk *trunk);
void call_next_way(struct call *c, unsigned status, const struct sip_message *response);
void call_answered(struct call *c, struct pair *pair, const struct sip_message *response);
void call_refreshed(struct call *c, const struct sip_message *response); /* a subscription, by that 2xx */
void call_cancelled(struct call *c);
void call_bye(struct end *end, const struct sip_event *event);
void call_end(struct call *c, unsigned status, const char *by); /* whoever is still there is told */
void call_over(struct call *c, const char *by);
void call_check(struct call *c); /* freed after the event if nothing is under way any longer */
void call_free(struct call *c);
void call_goodbye(struct call *c, struct trunk *trunk, const struct sip_hop *hop, uint32_t cseq,
                  struct slice octets);                             /* a BYE, followed to its end */
void call_farewell(struct end *end, const struct sip_message *bye); /* BYE; NULL: of our own */
void call_wait(struct call *c);                                     /* sets its timer */

/* attempt.c */
int attempt_begin(struct call *c, const struct way *way);
/* The answer to its question. err: there is no way. */
void attempt_mapped(struct attempt *at, int err, const struct addr *inside);
void attempt_give_up(struct attempt *at, const char *reason);
void attempt_free(struct attempt *at);

/* late.c: answers that nobody waits for. hop: where it came from, or where the INVITE went. */
void late_answer(struct agent *a, const struct sip_hop *hop, struct trunk *trunk, const struct sip_message *response,
                 struct slice credentials);
bool late_is_busy(const struct agent *a); /* a BYE is under way */
void late_free_all(struct agent *a);

/* mapped.c: the mapping service. 1: *hop leads to that place; 0: attempt_mapped follows, with that question; or an error. */
int mapped_init(struct agent *a);
void mapped_fini(struct agent *a);
int mapped_ask(struct attempt *at, struct sip_hop *hop);
void mapped_led_nowhere(struct agent *a, const struct addr *place);
bool mapped_next(struct agent *a, struct agent_effect *ret_effect); /* what the program is to do for it */
bool mapped_answered(struct agent *a); /* else: whether there was an answer, which has been heeded */

/* pair.c */
/* That which a response, or a NOTIFY that was faster, belongs to; made if there is none yet. NULL: there are too many, or no memory. */
struct pair *pair_of(struct attempt *at, const struct sip_message *response);
struct pair *pair_by_request(struct attempt *at, const struct sip_message *request);
int pair_confirm(struct pair *p, const struct sip_message *response);
void pair_free(struct pair *p);
struct end *end_find(const struct agent *a, struct slice call_id, struct slice local_tag, struct slice remote_tag);
/* An end in its owner's storage. Known by its dialog once that is there; a dialog that cannot be known is taken down again. */
void end_init(struct end *e, struct agent *a, struct call *c, enum agent_side side, struct trunk *trunk,
              const struct sip_hop *hop);
int end_register(struct agent *a, struct end *e);
/* By a response to our request with its tag and that Call-ID and CSeq, to that URI: what the response repeats of the request is not read again. */
int end_open(struct end *e, const char *call_id, uint32_t cseq, const char *uri, const struct sip_message *response);
void end_fini(struct agent *a, struct end *e);
void end_probe(struct end *e); /* asks whether it is there, unless it was asked already */
void end_probe_drop(struct end *e);
struct sip_hop end_hop(struct end *e);
/* Where requests inside of a dialog go whose other side was reached, or heard, at that hop. trunk NULL: IME. */
struct sip_hop end_hop_by(const struct agent *a, struct trunk *trunk, const struct sip_hop *hop,
                          const struct sip_dialog *d);
bool agent_uri_addr(const struct sip_uri *uri, uint16_t port, struct addr *ret_addr); /* false: it has a name */
/* Our Contact URI there; what stands behind its "@". */
struct slice end_point(struct agent *a, enum agent_side side, enum sip_transport transport);
struct slice end_contact(struct agent *a, enum agent_side side, enum sip_transport transport, const char *tag);

/* relay.c */
int relay_new(struct call *c, const struct sip_event *event, struct relay **ret_relay);
void relay_free(struct relay *r);
void relay_inside(struct end *end, const struct sip_event *event);
/* A response goes back where the request came from. pair: of the first request; NULL: the response makes no dialog. */
void relay_respond(struct relay *r, struct pair *pair, const struct sip_message *response);
void relay_fail(struct relay *r, unsigned status);
void relay_acked(struct end *end, const struct sip_message *ack);
void relay_acknowledge(struct end *end, struct slice description); /* ACK of our own, if the end waits for one */
void relay_acknowledge_for(struct end *end); /* likewise the one that this end has in mind: its own will not come */
void relay_forget(struct end *end);          /* it is about to go: those from and to it */
void relay_give_up(struct end *to);          /* it does not answer: those to it may be tried again */
void relay_stray(struct agent *a, const struct sip_event *event); /* a response of a client that is gone */

/* identity.c: who is named in a message */
struct identity_path {
    const struct trunk *from, *to; /* NULL: IME */
};
void identity_patch(struct agent *a, struct sip_edit *e, const struct sip_message *m, const struct identity_path *path);
/* From of a first request, without its tag. */
struct slice identity_of_caller(struct agent *a, const struct identity_path *path, const struct sip_message *m);
/* A URI as the other side is to see it. */
struct slice identity_of(struct agent *a, const struct identity_path *path, struct slice uri);
/* The number that it stands for, in the text as the other side writes it. False: for none. */
bool identity_number(struct agent *a, const struct identity_path *path, const struct sip_uri *uri,
                     struct agent_dialed *ret_dialed);

/* refer.c: which dialogs are named in it */
struct refer_path {
    struct identity_path people;
    const char *from_point; /* who we are where it came from: "host:port" */
    struct slice to_point;  /* and where it goes, with the transport as a parameter of URIs */
    const char *to_tag;     /* inside of a dialog: ours where it goes */
};
void refer_patch_to(struct agent *a, struct sip_edit *e, const struct sip_message *m, const struct refer_path *path);
void refer_patch_replaces(struct agent *a, struct sip_edit *e, const struct sip_message *m);
/* The end where the call is that this INVITE is to take the place of, or to join; NULL: none of ours. */
struct end *refer_replaced(struct agent *a, const struct sip_message *m);
/* The end that the user part of such an address leads to, or NULL; and (empty: none) the user there, of another company's agent. */
struct end *refer_named(struct agent *a, struct slice user, struct slice *ret_far_user);

/* patch.c */
struct patch {
    struct slice uri;
    struct slice from, to; /* values, tags included */
    const char *call_id;
    uint32_t cseq;
    const char *routes; /* NULL or "": none */
    struct slice contact;
    const char *ticket; /* NULL: none */
    uint32_t rack_cseq; /* PRACK: of the request that it is about; 0: it stays */
    struct refer_path path;
    struct slice body;      /* in place of the message's; empty: that stays */
    struct attempt *direct; /* a first INVITE to another company; NULL: none */
};
/* What a response is to have. */
struct patch_back {
    struct slice tag, contact;
    struct identity_path people;
    struct slice body;  /* as above */
    struct call *first; /* to the first request of a call; NULL: of none */
};
int patch_request(struct agent *a, const struct sip_message *m, const struct patch *p, struct buf *out);
int patch_response(struct agent *a, const struct sip_message *m, const struct sip_message *request,
                   const struct patch_back *p, struct buf *out);
/* A request goes on inside the dialog of that end. */
int patch_inside(const struct sip_message *m, struct end *from, struct end *to, uint32_t cseq, uint32_t rack_cseq,
                 struct buf *out);
/* A first request goes that way, with a tag and Call-ID of ours. */
int patch_first(struct attempt *at, const struct sip_message *m, const struct way *way, struct buf *out);

/* quality.c: what the edge tells of a call. Fields of such names are between the edge and us (patch.c). */
#define EDGE_HEADERS "X-IME-"
#define EDGE_DOMAIN_HEADER "X-IME-Domain"   /* in requests: the company that they are from, by its certificate */
#define EDGE_QUALITY_HEADER "X-IME-Quality" /* in a REFER inside of a call: its quality has become bad, or good again */
bool relay_quality_told(struct end *end, const struct sip_event *event); /* it was that REFER, and has its answer */

/* verdict.c */
struct verdict {
    bool elsewhere; /* try the next way */
    enum agent_cause cause;
};
/* status 408 or 503 without response: none came in time; there was no way to send it. */
struct verdict verdict_of(const struct attempt *at, unsigned status, const struct sip_message *response);
struct slice verdict_reason(struct agent *a, enum agent_cause cause); /* what others are told: a value of Reason */
enum agent_cause verdict_told(const struct sip_message *m);           /* AGENT_CAUSE_NONE: nobody says */
void verdict_words(const struct sip_message *m, struct buf *out);     /* what it says besides, if it can be shown */
bool verdict_is_told(const struct sip_message *m); /* an edge or agent has made it, whatever the cause */

#endif
