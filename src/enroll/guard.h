/* How often one source may show a wrong token: a bucket per address (IPv6: per /64) that holds a few and refills slowly. A fixed number
 * of buckets, chosen by a keyed hash, so that no flood of addresses costs memory. */
#ifndef ENROLL_GUARD_H
#define ENROLL_GUARD_H

#include "base/addr.h"
#include "base/time.h"

#define GUARD_BUCKETS 4096

struct guard {
    uint64_t seed[2];
    unsigned failures_max; /* at once */
    int64_t refill_ms;     /* one more failure is allowed after so long */
    struct guard_bucket {
        int64_t level_ms; /* failures, in refill times, as of `since` */
        struct mono since;
    } buckets[GUARD_BUCKETS];
};

void guard_init(struct guard *guard, uint64_t seed, unsigned failures_max, int64_t refill_ms);

/* False: this source has to wait. */
bool guard_allows(const struct guard *guard, const struct addr *source, struct mono now);

void guard_note_failure(struct guard *guard, const struct addr *source, struct mono now);

#endif
