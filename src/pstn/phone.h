/* Phones that follow a script: one that places a call, one that answers. Passive objects, driven as a network is (network.h). A phone offers or
 * answers one audio stream that is inactive: there is no media, but the description is a real one. */
#ifndef PSTN_PHONE_H
#define PSTN_PHONE_H

#include "pstn/network.h"

struct pstn_phone;

#define PSTN_PHONE_NUMBERS_MAX 64

/* Texts are borrowed, for the life of the phone. */
struct pstn_phone_options {
    const char *point;   /* "host:port" of ours, in Via and Contact, over UDP and TCP */
    struct addr media;   /* named in the description; nothing is sent or taken there */
    size_t number_count; /* a phone that answers: the numbers it has; 0: all */
    const char *numbers[PSTN_PHONE_NUMBERS_MAX];
    struct pstn_span ring; /* until it answers */
    int64_t talk_ms;       /* until it hangs up; 0: it never does */
    bool is_busy;          /* it refuses every call */
    size_t calls_max;      /* at a time; beyond: busy */
};

/* What became of a call. Times are 0 for what did not happen. */
struct pstn_phone_call {
    char from[64], to[64]; /* user parts, as this phone sees them */
    bool is_ours;          /* placed by this phone */
    bool rang;
    unsigned status; /* the final one; 0: none */
    struct wall begun_at, rang_at, answered_at, ended_at;
    bool ended_by_us;
    bool in_order; /* it was answered, and the BYE of one side was answered by the other */
};

/* A call has begun to ring, was answered, is over. */
typedef void pstn_phone_fn(void *arg, const struct pstn_phone_call *call);

int pstn_phone_new(const struct pstn_phone_options *options, const struct entropy *entropy, const struct log *log,
                   struct now now, pstn_phone_fn *news, void *arg, struct pstn_phone **ret_phone);
void pstn_phone_free(struct pstn_phone *p); /* NULL is allowed */

/* Calls a number through a trunk, for so long after the answer. patience_ms: cancels it if nobody has answered then. 0, ERR_LIMIT,
 * ERR_NO_MEMORY, ERR_RANGE (a number with characters that no URI takes). */
int pstn_phone_call(struct pstn_phone *p, struct now now, const struct sip_hop *via, const char *domain,
                    const char *from, const char *to, int64_t talk_ms, int64_t patience_ms);

/* Hangs up. */
void pstn_phone_stop(struct pstn_phone *p, struct now now);
bool pstn_phone_is_quiet(const struct pstn_phone *p); /* no call, and nothing that waits for an answer */

void pstn_phone_input(struct pstn_phone *p, struct now now, const struct sip_flow *flow, struct slice octets);
void pstn_phone_unreachable(struct pstn_phone *p, struct now now, const struct sip_hop *hop);
void pstn_phone_tick(struct pstn_phone *p, struct now now);
struct mono pstn_phone_deadline(const struct pstn_phone *p);
bool pstn_phone_next(struct pstn_phone *p, struct now now, struct pstn_effect *ret_effect);

#endif
