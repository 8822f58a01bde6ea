/* Buckets of failures. */
#include "enroll/guard.h"

#include "base/siphash.h"

void guard_init(struct guard *guard, uint64_t seed, unsigned failures_max, int64_t refill_ms)
{
    *guard = (struct guard){.seed = {seed, ~seed}, .failures_max = failures_max, .refill_ms = refill_ms};
}

static size_t index_of(const struct guard *guard, const struct addr *source)
{
    struct slice key = slice_of(source->ip, source->family == 4 ? 4 : 8);
    return siphash_quick(guard->seed, key) % GUARD_BUCKETS;
}

static int64_t level(const struct guard_bucket *bucket, struct mono now)
{
    int64_t left = bucket->level_ms - mono_since_us(now, bucket->since) / 1000;
    return left > 0 ? left : 0;
}

bool guard_allows(const struct guard *guard, const struct addr *source, struct mono now)
{
    return level(&guard->buckets[index_of(guard, source)], now) <=
           (int64_t)(guard->failures_max - 1) * guard->refill_ms;
}

void guard_note_failure(struct guard *guard, const struct addr *source, struct mono now)
{
    struct guard_bucket *bucket = &guard->buckets[index_of(guard, source)];
    bucket->level_ms = level(bucket, now) + guard->refill_ms;
    bucket->since = now;
}
