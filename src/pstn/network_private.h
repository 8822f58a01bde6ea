/* The objects of the phone network. Private to network.c, call.c, route.c, trunk.c and show.c. */
#ifndef PSTN_NETWORK_PRIVATE_H
#define PSTN_NETWORK_PRIVATE_H

#include "pstn/leg.h"
#include "pstn/network.h"
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
    bool is_private, is_withheld, is_lost, is_busy, is_unanswered;
    char sent[PSTN_DIALED_OCTETS]; /* the called number as the called side is to see it */
    unsigned max_forwards;
    size_t media;            /* which of the carrier's calls with media, from 1; 0: it relays none */
    struct addr hears_at[2]; /* where each side wants it */
    struct pstn_record record;
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

/* relay.c */
bool pstn_relay_begin(struct pstn_call *c); /* false: no port is free */
void pstn_relay_end(struct pstn_call *c);
/* A description of that side is on its way to the other one. */
void pstn_relay_describe(struct pstn_call *c, unsigned side, struct carried *carried);

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
