/* The objects of the phone network. Private to network.c, call.c, trunk.c and show.c. */
#ifndef PSTN_NETWORK_PRIVATE_H
#define PSTN_NETWORK_PRIVATE_H

#include "pstn/leg.h"
#include "pstn/network.h"
#include "sip/digest.h"

struct pstn_trunk {
    struct pstn_network *network;
    const struct pstn_trunk_options *options;
    struct sip_hop hop;
    bool is_there;             /* the hop is known */
    struct ua_timer expiry;    /* of its registration */
    struct wall registered_at; /* 0: it is not */
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
    const struct pstn_trunk *from, *to;
    struct ua_timer timer;                   /* of the state: when it goes on, or has lasted too long */
    struct region texts;                     /* of what is carried */
    struct carried carried;                  /* the offer; then the answer */
    bool has_offer;                          /* in the INVITE */
    int64_t setup_ms, answer_ms, release_ms; /* drawn, with some of these: */
    bool is_private, is_withheld, is_lost, is_busy, is_unanswered, has_number;
    unsigned max_forwards;
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
void pstn_call_begin(struct pstn_network *n, const struct sip_event *event, const struct pstn_trunk *from);
void pstn_call_stop(struct pstn_call *c);
void pstn_call_free(struct pstn_call *c);
extern const struct ua_user pstn_call_user;

/* network.c */
void pstn_network_asked(void *ctx, const struct sip_event *event); /* something is to begin */

/* trunk.c */
int pstn_trunks_init(struct pstn_network *n);
void pstn_trunks_fini(struct pstn_network *n);
struct pstn_trunk *pstn_trunk_of(struct pstn_network *n,
                                 const struct sip_flow *flow); /* NULL: of nobody that we know */
void pstn_trunk_register(struct pstn_network *n, const struct sip_event *event);
/* By its password, if it has one. False: it was answered. */
bool pstn_trunk_admits(struct pstn_network *n, const struct pstn_trunk *t, const struct sip_event *event);

#endif
