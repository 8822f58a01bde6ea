/* The objects of the phone network. Private to network.c, call.c, gateway.c, relay.c, route.c, trunk.c and show.c. */
#ifndef PSTN_NETWORK_PRIVATE_H
#define PSTN_NETWORK_PRIVATE_H

#include "pstn/leg.h"
#include "pstn/network.h"
#include "pstn/party.h"
#include "pstn/registration.h"
#include "sip/digest.h"

#define PSTN_CONTACT_OCTETS 300 /* of a phone that registered */

struct pstn_trunk {
    struct pstn_network *network;
    const struct pstn_trunk_options *options;
    struct sip_hop hop;
    bool is_there;                       /* the hop is known, and takes calls as far as we know */
    char contact[PSTN_CONTACT_OCTETS];   /* of an extension that registered: its URI */
    struct ua_timer expiry;              /* of its registration */
    struct wall registered_at;           /* 0: it is not */
    struct ua_registration registration; /* ours there */
    struct ua_password password;         /* for it, and for calls */
    char domain[ADDR_TEXT_OCTETS];       /* host of its URIs */
    uint64_t calls_in, calls_out;        /* from there; to there */
};

enum pstn_state {
    PSTN_BEFORE_SETUP, /* the INVITE has not gone on yet */
    PSTN_RINGING,      /* it has, or the network only rings */
    PSTN_ANSWERED,     /* the called side has answered, the caller does not know yet */
    PSTN_UP,
    PSTN_RELEASING /* one side has hung up, the other does not know yet */
};

enum { CALLER, CALLED };

struct pstn_call {
    struct list link;
    struct pstn_network *network;
    enum pstn_state state;
    struct leg *legs[2]; /* NULL: none, or gone */
    struct pstn_trunk *from, *to;
    struct ua_timer timer;                   /* of the state: when it goes on, or has lasted too long */
    struct region texts;                     /* of what is carried */
    struct carried carried;                  /* the offer; then the answer */
    bool has_offer;                          /* in the INVITE */
    int64_t setup_ms, answer_ms, release_ms; /* drawn, with some of these: */
    bool is_private, is_withheld, is_lost, is_shortened, is_rewritten, is_busy, is_unanswered;
    char sent[PSTN_DIALED_OCTETS]; /* the called number as the called side is to see it */
    unsigned max_forwards;
    size_t media;                 /* which of the carrier's calls with media, from 1; 0: it relays none. With it: */
    struct pstn_party parties[2]; /* what we are to each side */
    struct carried for_caller;    /* what the caller is told with the answer */
    bool is_told[2];              /* a side is being told that the other one holds the call, or does no longer … */
    bool is_to_be_told[2];        /* … or has to be */
    struct ua_timer tell_timer;
    struct {
        uint32_t timestamp;
        bool is_known, is_lost;
    } digits[2]; /* the last one of each side */
    struct pstn_record record;
};

/* A packet on its way through a carrier. */
struct pstn_parcel {
    struct list link;
    struct mono due;
    unsigned carrier;
    size_t port;   /* that it leaves from */
    uint64_t call; /* its number: another one may have the port then */
    size_t n;
    uint8_t octets[];
};

struct pstn_network {
    const struct pstn_options *options;
    const struct entropy *entropy;
    const struct log *log;
    struct ua ua;
    struct sip_digest_server digest;
    struct pstn_trunk trunks[PSTN_TRUNKS_MAX];
    struct list calls;
    struct pstn_call *media[PSTN_CARRIERS_MAX][PSTN_MEDIA_CALLS_MAX];
    size_t media_next[PSTN_CARRIERS_MAX]; /* one after the other: what comes late for a call is not for the next one */
    struct list parcels[PSTN_CARRIERS_MAX]; /* in the order in which they are due */
    size_t parcel_count;
    struct pstn_parcel *given; /* the last one, which is still looked at */
    size_t call_count;
    uint64_t last_number; /* of the newest call */
    struct pstn_record *records;
    struct pstn_account accounts[PSTN_CARRIERS_MAX];
    struct pstn_counters counters;
    struct wall started_at;
    bool stopping, wants_shutdown;
};

static inline bool pstn_draws(const struct pstn_network *n, unsigned percent)
{
    return entropy_below(n->entropy, 100) < percent;
}
static inline int64_t pstn_draw_ms(const struct pstn_network *n, const struct pstn_span *span)
{
    return entropy_between(n->entropy, span->low_ms, span->high_ms);
}

/* call.c */
void pstn_call_begin(struct pstn_network *n, const struct sip_event *event, struct pstn_trunk *from);
void pstn_call_stop(struct pstn_call *c);
void pstn_call_free(struct pstn_call *c);
extern const struct ua_user pstn_call_user;

/* route.c: who calls, whose the number is, and what the called side is told */
void pstn_route_read(struct pstn_call *c,
                     const struct sip_message *invite);  /* into the record; "" where it is no number */
struct pstn_trunk *pstn_route_find(struct pstn_call *c); /* NULL: nobody has the number. Fills `sent` */
void pstn_route_show_caller(struct pstn_call *c, struct leg_invite *ret_invite);

/* gateway.c: a carrier that relays media talks to each side for itself. What is for the other side is made up anew, or left out. */
bool pstn_gateway_begin(struct pstn_call *c); /* false: no port is free */
void pstn_gateway_end(struct pstn_call *c);
unsigned pstn_gateway_call(struct pstn_call *c, const struct sip_message *invite); /* 0, or the status of a refusal */
void pstn_gateway_hear(struct pstn_call *c, unsigned side, struct slice body);     /* an answer to an offer of ours */
void pstn_gateway_asked(struct pstn_call *c, unsigned side, uint64_t server, const struct sip_message *request);
#define PSTN_TOLD_COOKIE (UINT64_MAX - 1) /* of requests of its own */
void pstn_gateway_told(struct pstn_call *c, unsigned side, unsigned status, const struct sip_message *response);

/* A carrier whose customers talk past it: there is no video in the phone network all the same. */
void pstn_gateway_without_video(struct pstn_call *c, struct carried *carried);

/* relay.c */
void pstn_relay_init(struct pstn_network *n);
void pstn_relay_fini(struct pstn_network *n);
struct mono pstn_relay_deadline(const struct pstn_network *n);

/* network.c */
void pstn_network_asked(void *ctx, const struct sip_event *event); /* something is to begin */

/* trunk.c */
int pstn_trunks_init(struct pstn_network *n);
void pstn_trunks_fini(struct pstn_network *n);
void pstn_trunks_start(struct pstn_network *n);
void pstn_trunks_stop(struct pstn_network *n);
bool pstn_trunks_are_quiet(const struct pstn_network *n);
struct pstn_trunk *pstn_trunk_of(struct pstn_network *n,
                                 const struct sip_flow *flow); /* NULL: of nobody that we know */
bool pstn_trunk_is_usable(const struct pstn_trunk *t);         /* as far as we know */

/* Who wants something: as above, or an extension that From names, which is still to prove it. */
struct pstn_trunk *pstn_trunk_asking(struct pstn_network *n, const struct sip_event *event);
void pstn_trunk_register(struct pstn_network *n, const struct sip_event *event);
/* By its password, if it has one. False: it was answered. */
bool pstn_trunk_admits(struct pstn_network *n, const struct pstn_trunk *t, const struct sip_event *event);

#endif
