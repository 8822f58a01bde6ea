/* Where a URI leads (RFC 3263): an ordered list of next hops, from NAPTR, SRV and address records, or at once when the host is an address.
 * A core: it asks the DNS by effects and keeps what it was answered for as long as that is valid.
 *
 * The caller tries the hops in their order (4.3) and reports how that went: an address that failed is put behind all others for a while. */
#ifndef SIP_LOCATE_H
#define SIP_LOCATE_H

#include "base/counter.h"
#include "base/entropy.h"
#include "base/time.h"
#include "sip/dns.h"
#include "sip/flow.h"
#include "sip/uri.h"

struct sip_locator;

#define SIP_HOPS_MAX 16
#define SIP_LOCATE_SIDES_MAX 72 /* two, and one for each of 64 domains that the edge serves */

/* A request above this size does not go by UDP when its target leaves the choice to us (18.1.1: path MTU unknown). */
#define SIP_DATAGRAM_OCTETS_MAX 1300

/* What is asked. */
struct sip_target {
    unsigned side;
    /* Of the URI: a name, or an address without brackets; what a TLS certificate must be for. */
    char host[SIP_HOST_OCTETS_MAX + 1];
    char maddr[SIP_HOST_OCTETS_MAX + 1]; /* goes there instead; "" : none */
    uint16_t port;                       /* 0: none given */
    bool has_transport;                  /* given: no other is tried */
    enum sip_transport transport;
    /* TLS only: the scheme is sips, or the caller wants it so. TCP means TLS over TCP then (RFC 3261 26.2.2). */
    bool secure;
};

/* A sip or sips URI with its port, maddr and transport. ERR_UNSUPPORTED: another scheme, or a transport that is not UDP, TCP or TLS; ERR_RANGE: too
 * long a host. */
int sip_target_of_uri(const struct sip_uri *uri, unsigned side, struct sip_target *ret_target);

/* What a side can do. */
struct sip_locate_side {
    bool transports[SIP_TLS + 1];
    bool ip4;
    bool ip6;
};

struct sip_locate_config {
    size_t jobs_max;        /* look-ups under way; beyond: ERR_LIMIT */
    size_t names_max;       /* answers kept; the one that was used longest ago gives way */
    uint32_t ttl_max_s;     /* no answer is kept longer, whatever it says */
    uint32_t failure_ttl_s; /* for how long a server that failed is not asked the same again */
    uint32_t stale_s;       /* an answer that expired still serves so long when the DNS does not answer (RFC 8767) */
    int64_t patience_ms;    /* for one look-up, all its questions together */
    int64_t penalty_ms;     /* an address that failed goes to the end for so long */
    size_t penalties_max;
    uint64_t seed;
};
void sip_locate_config_init(struct sip_locate_config *config);

/* clang-format off */
#define SIP_LOCATE_COUNTERS(X) \
    X(asked) X(at_once) X(found) X(nowhere) X(timeouts) X(queries) X(cached) X(stale) X(failures) X(penalties) X(refused_limit) X(memory_refused)
/* clang-format on */
COUNTERS_DECLARE(sip_locate_counters, SIP_LOCATE_COUNTERS)

/* entropy: for the order among SRV records of one priority (RFC 2782); must outlive the locator. */
int sip_locator_new(const struct sip_locate_config *config, const struct entropy *entropy,
                    struct sip_locator **ret_locator);
void sip_locator_free(struct sip_locator *l);

/* What a side can do, nothing at first; for look-ups from then on. */
void sip_locate_set_side(struct sip_locator *l, unsigned side, const struct sip_locate_side *can);

/* Best first; n 0: there is nowhere to go. */
struct sip_hops {
    size_t n;
    struct mono expires; /* ask again then; MONO_NEVER for addresses that came with the target */
    struct sip_hop hop[SIP_HOPS_MAX];
};

/* 0: known at once. 1: SIP_LOCATE_FOUND with the token follows. ERR_LIMIT, ERR_RANGE (side), ERR_NO_MEMORY. */
int sip_locate(struct sip_locator *l, struct now now, const struct sip_target *target, uint64_t token,
               struct sip_hops *ret_hops);

/* Nothing follows for these. */
void sip_locate_cancel(struct sip_locator *l, uint64_t token);

/* The hop did not answer, or it did. */
void sip_locate_failed(struct sip_locator *l, struct now now, const struct sip_hop *hop);
void sip_locate_worked(struct sip_locator *l, const struct sip_hop *hop);

/* The answer to SIP_LOCATE_ASK. Late ones, and such to no question, are dropped. */
void sip_locate_answer(struct sip_locator *l, struct now now, uint64_t query, const struct sip_dns_answer *answer);

void sip_locate_tick(struct sip_locator *l, struct now now);
struct mono sip_locate_deadline(const struct sip_locator *l);

/* Forgets all answers and penalties: the operator has changed the DNS. */
void sip_locate_forget(struct sip_locator *l);

enum sip_locate_effect_kind {
    SIP_LOCATE_ASK,  /* query, type, name: ask the DNS */
    SIP_LOCATE_FOUND /* token, hops */
};

/* Valid until the next call. */
struct sip_locate_effect {
    enum sip_locate_effect_kind kind;
    uint64_t query;
    enum sip_dns_type type;
    const char *name;
    uint64_t token;
    const struct sip_hops *hops;
};
bool sip_locate_next(struct sip_locator *l, struct now now, struct sip_locate_effect *ret_effect);

const struct sip_locate_counters *sip_locate_counters(const struct sip_locator *l);

#endif
