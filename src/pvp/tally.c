/* Bounded counts per key. */
#include "pvp/tally.h"

#include "base/mem.h"

#define MINUTE_US INT64_C(60000000)

void pvp_tally_init(struct pvp_tally_table *t, size_t max, uint64_t hash_seed)
{
    t->max = max ? max : 1;
    map_init(&t->map, t->max, hash_seed);
    list_init(&t->used);
}

static void drop(struct pvp_tally_table *t, struct pvp_tally *tally)
{
    map_remove(&t->map, slice_of(tally->key, tally->key_octets));
    list_remove(&tally->link);
    mem_free(tally);
}

void pvp_tally_fini(struct pvp_tally_table *t)
{
    while (!list_empty(&t->used))
        drop(t, CONTAINER_OF(t->used.next, struct pvp_tally, link));
    map_fini(&t->map);
}

struct pvp_tally *pvp_tally_find(const struct pvp_tally_table *t, struct slice key)
{
    return map_get(&t->map, key);
}

static struct pvp_tally *add(struct pvp_tally_table *t, struct slice key, struct mono now)
{
    if (t->map.n >= t->max)
        drop(t, CONTAINER_OF(t->used.next, struct pvp_tally, link));
    struct pvp_tally *tally = mem_alloc(sizeof *tally + key.n);
    if (!tally)
        return NULL;
    tally->since = now;
    tally->key_octets = key.n;
    memcpy(tally->key, key.p, key.n);
    list_init(&tally->link);
    if (map_set(&t->map, key, tally) < 0) {
        mem_free(tally);
        return NULL;
    }
    return tally;
}

struct pvp_tally *pvp_tally_get(struct pvp_tally_table *t, struct slice key, struct mono now, int64_t period_ms)
{
    struct pvp_tally *tally = map_get(&t->map, key);
    if (!tally)
        tally = add(t, key, now);
    if (!tally)
        return NULL;
    list_remove(&tally->link);
    list_append(&t->used, &tally->link);
    if (mono_due(mono_after_ms(tally->since, period_ms), now)) {
        tally->since = now;
        tally->count = 0;
    }
    return tally;
}

/* Time gives back what it allows, one by one: who has come too often waits for a moment, not for a minute. */
static void leak(struct pvp_tally *tally, struct mono now, unsigned max_per_minute)
{
    int64_t us = mono_since_us(now, tally->since);
    if (us >= MINUTE_US || !max_per_minute || !tally->count) {
        tally->count = 0;
        tally->since = now;
        return;
    }
    int64_t back = us * max_per_minute / MINUTE_US;
    if (back <= 0)
        return;
    tally->count = back < tally->count ? tally->count - (uint32_t)back : 0;
    tally->since = mono_after_us(tally->since, back * MINUTE_US / max_per_minute);
}

bool pvp_tally_take(struct pvp_tally_table *t, struct slice key, struct mono now, unsigned max_per_minute)
{
    struct pvp_tally *tally = pvp_tally_get(t, key, now, INT64_MAX);
    if (!tally)
        return false;
    leak(tally, now, max_per_minute);
    if (tally->count >= max_per_minute)
        return false;
    tally->count++;
    return true;
}
