/* Slots of numbers (Resource-IDs and record keys) without waiting for slow hashes: SHA-1 is computed on the spot; Argon2id is started through a port, its result
 * is told later, and a bounded number of results is remembered. Requests for a number that is being hashed share the job. */
#ifndef NUMBERS_RESOLVER_H
#define NUMBERS_RESOLVER_H

#include "base/counter.h"
#include "base/list.h"
#include "base/time.h"
#include "numbers/record.h"

/* The port to a worker that calls numbers_slots_derive. start copies what it needs, profile, overlay's name and number (another
 * configuration of the ring may come while the worker is at it), and returns 0, or an error when it cannot take the job now; the end of
 * each job is told by numbers_resolver_done, never from within start. */
struct numbers_hasher {
    int (*start)(void *ctx, uint64_t job, const struct numbers_profile *profile, const struct e164 *number);
    void *ctx;
};

struct numbers_resolver;

struct numbers_resolver_config {
    size_t cache_max;   /* numbers remembered: the one not asked for the longest gives way */
    size_t jobs_max;    /* started at once */
    size_t pending_max; /* numbers started or waiting: beyond it ERR_LIMIT */
    uint64_t hash_seed;
};

#define NUMBERS_RESOLVER_CONFIG_DEFAULT                            \
    {                                                              \
        .cache_max = 100000, .jobs_max = 2, .pending_max = 100000, \
    }

/* The overlay's name is copied. hasher may be NULL for profiles with SHA-1 only. 0 or ERR_NO_MEMORY. */
int numbers_resolver_new(const struct numbers_resolver_config *config, const struct numbers_profile *profile,
                         const struct numbers_hasher *hasher, struct numbers_resolver **ret_resolver);

/* Jobs under way are forgotten: their ends must not be told any more. Waits are forgotten too. */
void numbers_resolver_free(struct numbers_resolver *resolver);

/* Valid as long as the resolver; its content changes with numbers_resolver_set_profile. */
const struct numbers_profile *numbers_resolver_profile(const struct numbers_resolver *resolver);

/* The profile of another ring configuration. If it differs, what is remembered is forgotten and pending numbers are hashed again. 0 or
 * ERR_NO_MEMORY. */
int numbers_resolver_set_profile(struct numbers_resolver *resolver, struct now now,
                                 const struct numbers_profile *profile);

/* Changes with each profile that differs from the one before: slots of another generation are worth nothing. */
uint64_t numbers_resolver_generation(const struct numbers_resolver *resolver);

/* A place in the queue, in the caller's storage. */
struct numbers_wait;
typedef void numbers_resolved_fn(struct numbers_wait *wait, struct now now, int err, const struct numbers_slot *slots);
struct numbers_wait {
    struct list link;
    numbers_resolved_fn
        *done; /* err 0 and NUMBERS_COPIES slots, or an error of the hasher; the wait is over before it is called */
};

static inline void numbers_wait_init(struct numbers_wait *wait, numbers_resolved_fn *done)
{
    list_init(&wait->link);
    wait->done = done;
}

/* Harmless when nothing is waited for. */
static inline void numbers_wait_cancel(struct numbers_wait *wait)
{
    list_remove(&wait->link);
}

#define NUMBERS_LATER 1

/* 0: the slots are there, to be wiped by the caller. NUMBERS_LATER: wait->done will be called, once; when the hasher refuses the job, it has been already. Or ERR_LIMIT,
 * ERR_NO_MEMORY. */
int numbers_resolve(struct numbers_resolver *resolver, struct now now, const struct e164 *number,
                    struct numbers_wait *wait, struct numbers_slot ret_slots[NUMBERS_COPIES]);

/* The end of a job, and what it derived, which is copied. Unknown jobs are ignored. */
void numbers_resolver_done(struct numbers_resolver *resolver, struct now now, uint64_t job, int err,
                           const struct numbers_slot slots[NUMBERS_COPIES]);

#define NUMBERS_RESOLVER_COUNTERS(X) X(computed) X(remembered) X(shared) X(evicted) X(failed) X(refused_limit)
COUNTERS_DECLARE(numbers_resolver_counters, NUMBERS_RESOLVER_COUNTERS)
const struct numbers_resolver_counters *numbers_resolver_counters(const struct numbers_resolver *resolver);

#endif
