/* The insides of the locator: what the DNS said (locate_answers.c), the way through it (locate_walk.c), who waits for it (locate.c). */
#ifndef SIP_LOCATE_PRIVATE_H
#define SIP_LOCATE_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "sip/locate.h"

/* What is known of one name and type. While a question is under way, an older answer stays beside it. */
struct known {
    struct list used;    /* in locator.known: the one that was used longest ago first */
    struct list asking;  /* in locator.asking, until the question went out */
    struct list waiting; /* jobs that cannot go on without it */
    enum sip_dns_type type;
    char name[SIP_DNS_NAME_OCTETS_MAX + 1];
    uint64_t query; /* under way; 0: none */
    bool answered;  /* the rest is valid */
    bool failing;   /* it was asked again since, in vain */
    struct mono since;
    struct mono expires;
    struct mono stale_until; /* serves so long if the DNS fails */
    int err;
    size_t count;
    struct sip_dns_record *records;
};

struct look_up {
    struct mono since;
    uint64_t seed;    /* of its choices: the same each time that the way is walked */
    bool out_of_time; /* goes on with what there is */
    struct sip_target target;
};

/* A look-up that was not answered at once. */
struct job {
    struct list link;  /* in locator.jobs, oldest first */
    struct list state; /* in known.waiting, or in locator.ready */
    uint64_t token;
    struct look_up look_up;
};

/* An address that failed. */
struct penalty {
    struct list link; /* oldest first */
    struct mono until;
    enum sip_transport transport;
    struct addr addr;
};

struct sip_locator {
    struct sip_locate_config config;
    struct sip_locate_side sides[SIP_LOCATE_SIDES_MAX];
    const struct entropy *entropy;
    struct sip_locate_counters counters;

    struct map by_name; /* type and name → known */
    struct map by_query;
    struct list known;
    struct list asking;
    uint64_t last_query;

    struct list jobs;
    struct list ready;
    size_t job_count;

    struct map penalties_by_addr;
    struct list penalties;

    struct sip_hops found; /* of the last effect */
};

/* ---- locate_answers.c ---- */

/* What is known and good for the look-up; else the question is put (if it is not under way) and ret_wait says what to wait for.

 * An answer that has expired serves a look-up that is out of time, and any while the DNS is known not to answer. NULL with ret_wait NULL: there is no room or memory, so nothing will be known. */
const struct known *sip_known_get(struct sip_locator *l, struct now now, const struct look_up *look_up,
                                  enum sip_dns_type type, const char *name, struct known **ret_wait);

/* All that nobody waits for; what is under way will be asked for anew. */
void sip_known_forget_all(struct sip_locator *l);
void sip_known_free_all(struct sip_locator *l);

/* ---- locate_walk.c ---- */

/* All hops of a target. NULL: complete. Else what it has to wait for. */
struct known *sip_walk(struct sip_locator *l, struct now now, const struct look_up *look_up, struct sip_hops *ret_hops);

/* ---- locate.c ---- */

bool sip_locate_is_penalized(const struct sip_locator *l, struct now now, const struct sip_hop *hop);

#endif
