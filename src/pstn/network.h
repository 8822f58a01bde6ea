/* The phone network, or a PBX, as one passive object. The program reports messages and time, and does what the effects say:
 *
 *     pstn_network_input(network, now, &flow, octets);
 *     while (pstn_network_next(network, now, &effect)) { … }
 *     sleep until pstn_network_deadline(network), then pstn_network_tick(network, now)
 *
 * Carriers are the sides of its flows and hops: each listens at an address of its own. A call comes in over a trunk of one carrier and goes out
 * over the trunk that has the number, of the same carrier or another one. Between the two it is delayed, and what the called side sees of the
 * caller is what the caller's carrier lets through.
 *
 * A PBX is the same with one carrier, which is the company's own: some of its trunks are extensions, where phones register. What a phone dials is
 * another extension, or begins with the digit for an outside line and goes out over the first trunk that is there. */
#ifndef PSTN_NETWORK_H
#define PSTN_NETWORK_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/entropy.h"
#include "base/log.h"
#include "base/time.h"
#include "ctl/session.h"
#include "pstn/number.h"
#include "sip/transaction.h"

#define PSTN_CARRIERS_MAX 8
#define PSTN_TRUNKS_MAX 64
#define PSTN_ENTRIES_MAX 1024       /* of each table of numbers */
#define PSTN_NAME_OCTETS 32         /* with the NUL */
#define PSTN_POINT_OCTETS 300       /* a host, a port, a NUL */
#define PSTN_MEDIA_CALLS_MAX 256    /* of a carrier that relays media */
#define PSTN_PACKET_OCTETS_MAX 1500 /* of media */
#define PSTN_DIALED_OCTETS 40       /* what is dialed: digits, and a NUL */

/* Drawn anew for each call, evenly from low to high, both included. */
struct pstn_span {
    int64_t low_ms, high_ms;
};

/* A price: thousandths of the currency's unit. */
struct pstn_tariff {
    int64_t per_call;   /* of each answered call */
    int64_t per_minute; /* of each minute that has begun */
};

struct pstn_carrier_options {
    char name[PSTN_NAME_OCTETS];
    char points[SIP_TLS + 1][PSTN_POINT_OCTETS]; /* "host:port" that others see in Via and Contact; "": not in use */

    struct pstn_span setup;   /* from the caller's INVITE to the called side's */
    struct pstn_span answer;  /* from the called side's answer to the caller's */
    struct pstn_span release; /* from one side's BYE to the other's */

    /* Of its customers' calls, in hundred. */
    unsigned withheld_percent,
        lost_percent; /* the called side is told that the caller wants to be unknown; is told nothing */
    unsigned
        shortened_percent, /* is told the last digits alone; is told the number of a gateway, with the last digits behind it */
        rewritten_percent;
    unsigned busy_percent, unanswered_percent; /* as if the called phone were busy; as if nobody came to it */

    struct addr
        media; /* relays the audio of its customers' calls, from this port on; family 0: it goes between the ends */
    unsigned media_calls;         /* at a time, with two ports each; beyond: 503 */
    unsigned media_lost_percent;  /* of packets */
    int64_t media_delay_ms;       /* of each, on its way through */
    unsigned digits_lost_percent; /* of digits in its customers' calls (RFC 4733) */

    bool shows_e164; /* callers are shown as +E.164, not in the national form */
    struct pstn_tariff tariff;
};

/* Texts are borrowed. */
struct pstn_trunk_options {
    char name[PSTN_NAME_OCTETS];
    unsigned carrier; /* its index */
    struct pstn_place place;
    enum sip_transport transport;
    struct addr addr;     /* where it is; family 0: it registers */
    struct e164 shown_as; /* its callers are shown as that number; "": as their own */
    const char *tls_name; /* that its certificate must be for; NULL: any that verifies */
    const char *user;     /* of its registration and password; NULL: none */
    const char *password; /* a secret: REGISTER and INVITE are challenged. NULL: it is believed for its address */
    bool registers;       /* the other way round: we register there as the user, and have the password */

    /* Of a PBX. */
    const char *extension; /* what is dialed inside for this phone; NULL: a trunk to the outside */
    struct e164 number;    /* that reaches the extension from outside; "": none */
    bool shows_extension;  /* of a trunk: callers are told of by extension, not by number */
};

/* What makes a PBX of it. */
struct pstn_pbx_options {
    const char *outside_line; /* digits before a number outside; "": none */
    bool keeps_outside_line;  /* they are sent on, too: what was dialed goes out as it is */
};

/* A range of numbers, or a single number that was ported, and the trunk that has it. */
struct pstn_range {
    char pattern[PSTN_PATTERN_OCTETS_MAX + 1];
    unsigned trunk;
};

struct pstn_numbers {
    struct e164 numbers[PSTN_ENTRIES_MAX];
    size_t n;
};

struct pstn_options {
    struct pstn_carrier_options carriers[PSTN_CARRIERS_MAX];
    size_t carrier_count;
    struct pstn_trunk_options trunks[PSTN_TRUNKS_MAX];
    size_t trunk_count;
    struct pstn_range ranges[PSTN_ENTRIES_MAX];
    size_t range_count;
    struct pstn_range ported[PSTN_ENTRIES_MAX]; /* before any range */
    size_t ported_count;
    const struct pstn_pbx_options *pbx;   /* NULL: a phone network. A PBX has no ranges */
    struct pstn_numbers busy, unanswered; /* always so */
    int64_t ring_ms;                      /* a call that nobody answers ends after it */
    int64_t register_ms;                  /* granted to trunks at most */
    size_t calls_max;                     /* beyond: 503 */
    size_t records_max;                   /* the last calls, kept in memory */
};

/* No carrier, no trunk; everything else has a default. */
void pstn_options_default(struct pstn_options *options);

/* ---- life ---- */

struct pstn_network;

/* The options and ports must outlive it; the log may be NULL. 0, ERR_RANGE (a trunk of no carrier, a span that ends before it begins),
 * ERR_NO_MEMORY. */
int pstn_network_new(const struct pstn_options *options, const struct entropy *entropy, const struct log *log,
                     struct now now, struct pstn_network **ret_network);
void pstn_network_free(struct pstn_network *n); /* NULL is allowed */

/* Ends all calls; pstn_network_is_quiet when that is done. */
void pstn_network_stop(struct pstn_network *n, struct now now);
bool pstn_network_is_quiet(const struct pstn_network *n);

/* ---- what happened, and what is to be done ---- */

void pstn_network_input(struct pstn_network *n, struct now now, const struct sip_flow *flow, struct slice octets);
void pstn_network_unreachable(struct pstn_network *n, struct now now, const struct sip_hop *hop);
void pstn_network_tick(struct pstn_network *n, struct now now);
struct mono pstn_network_deadline(const struct pstn_network *n);

/* Valid until the next call of it: send the octets to the hop. */
struct pstn_effect {
    const struct sip_hop *hop;
    struct slice octets;
};
bool pstn_network_next(struct pstn_network *n, struct now now, struct pstn_effect *ret_effect);

/* ---- media that a carrier relays ---- */

/* Its ports are counted from 0; there are two for each of its media_calls. */
struct addr pstn_media_addr(const struct pstn_carrier_options *carrier, size_t port);

/* A packet came to a port. */
void pstn_network_take(struct pstn_network *n, struct now now, unsigned carrier, size_t port, const struct addr *from,
                       struct slice octets);

/* What is to be sent now, from a port of a carrier; valid until the next call of it. Ask after each packet, and when the deadline has come. */
struct pstn_packet {
    unsigned carrier;
    size_t port;
    struct addr to;
    struct slice octets;
};
bool pstn_network_give(struct pstn_network *n, struct now now, struct pstn_packet *ret_packet);

/* ---- what is known of calls ---- */

enum pstn_cause {
    PSTN_CAUSE_NONE,  /* it is not over */
    PSTN_CAUSE_ENDED, /* answered, and ended by one of both */
    PSTN_CAUSE_BUSY,
    PSTN_CAUSE_NO_ANSWER,
    PSTN_CAUSE_CANCELLED,   /* the caller hung up before the answer */
    PSTN_CAUSE_NO_NUMBER,   /* nobody has it, or it is none */
    PSTN_CAUSE_UNREACHABLE, /* the trunk that has it does not answer, or has not registered */
    PSTN_CAUSE_REFUSED,     /* by the called side */
    PSTN_CAUSE_LOST,        /* an answer that was never acknowledged */
    PSTN_CAUSE_STOPPED,
    PSTN_CAUSES
};
const char *pstn_cause_word(enum pstn_cause cause); /* "no-answer" */

/* Times of the wall clock; 0: never. Each side's are as that side measures them. */
struct pstn_record {
    uint64_t number;                                       /* of the call, from 1 */
    char from[PSTN_DIALED_OCTETS], to[PSTN_DIALED_OCTETS]; /* +E.164, inside a PBX extensions; "": could not be read */
    const char *from_trunk, *to_trunk;                     /* names; NULL: none */
    unsigned carrier;                                      /* who is paid */
    char shown[PSTN_DIALED_OCTETS]; /* what the called side was told of the caller; "": nothing */
    enum pstn_cause cause;
    unsigned status; /* that the caller got */
    struct wall begun_at;
    struct wall answered_at[2], ended_at[2]; /* of the caller, of the called side */
    int64_t price;
    uint64_t packets[2]; /* relayed, from each side */
    uint64_t digits[2];  /* relayed, from each side */
};

size_t pstn_network_calls(const struct pstn_network *n); /* under way */

/* The last ones, newest first; NULL behind the oldest that is kept. Valid until the next event. */
const struct pstn_record *pstn_network_record(const struct pstn_network *n, size_t i);

/* What a carrier has earned. */
struct pstn_account {
    uint64_t calls;    /* that it was asked for */
    uint64_t answered; /* and over */
    int64_t talk_ms;
    int64_t price;
};
const struct pstn_account *pstn_network_account(const struct pstn_network *n, unsigned carrier);

/* clang-format off */
#define PSTN_COUNTERS(X) \
    X(calls) X(calls_answered) X(calls_busy) X(calls_unanswered) X(calls_cancelled) X(calls_no_number) X(calls_unreachable) \
    X(calls_refused) X(calls_refused_limit) X(calls_lost) X(callers_withheld) X(callers_lost) X(callers_shortened) X(callers_rewritten) X(ported) X(refused_source) X(refused_password) \
    X(registrations) X(requests_passed) X(requests_answered) X(media_relayed) X(media_lost) X(media_refused) X(media_held) X(digits_lost) X(descriptions_wrong)
/* clang-format on */
COUNTERS_DECLARE(pstn_counters, PSTN_COUNTERS)
const struct pstn_counters *pstn_network_counters(const struct pstn_network *n);

/* imectl's commands; ctx is the network. */
extern const struct ctl_handler pstn_handlers[];
extern const size_t pstn_handler_count;
bool pstn_network_wants_shutdown(const struct pstn_network *n);

#endif
