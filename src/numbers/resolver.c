/* The cache of slots and the queue of hashes that are yet to be computed. */
#include "numbers/resolver.h"

#include "base/map.h"
#include "base/mem.h"

COUNTERS_DEFINE(numbers_resolver_counters, NUMBERS_RESOLVER_COUNTERS)

enum entry_state {
    QUEUED,  /* in the list `queued` */
    STARTED, /* in the list `started` */
    KNOWN    /* in the list `known`, the one asked for last at its end */
};

struct entry {
    struct list link;
    struct list waits;
    struct e164 number;
    enum entry_state state;
    uint64_t job;
    struct numbers_slot slots[NUMBERS_COPIES]; /* KNOWN */
};

struct numbers_resolver {
    struct numbers_resolver_config config;
    struct numbers_profile profile;
    struct numbers_hasher hasher;
    struct map entries;
    struct list queued;
    struct list started;
    struct list known;
    size_t pending_count; /* queued or started */
    size_t started_count;
    size_t known_count;
    uint64_t last_job;
    uint64_t generation;
    struct numbers_resolver_counters counters;
};

static int copy_profile(const struct numbers_profile *profile, struct numbers_profile *ret_copy)
{
    uint8_t *overlay = mem_alloc(profile->overlay.n);
    if (!overlay)
        return ERR_NO_MEMORY;
    if (profile->overlay.n)
        memcpy(overlay, profile->overlay.p, profile->overlay.n);
    *ret_copy = *profile;
    ret_copy->overlay.p = overlay;
    return 0;
}

static void free_profile(struct numbers_profile *profile)
{
    /* Ours since copy_profile. */
    mem_free((void *)(uintptr_t)profile->overlay.p);
}

int numbers_resolver_new(const struct numbers_resolver_config *config, const struct numbers_profile *profile,
                         const struct numbers_hasher *hasher, struct numbers_resolver **ret_resolver)
{
    struct numbers_resolver *resolver = mem_alloc(sizeof *resolver);
    if (!resolver)
        return ERR_NO_MEMORY;
    if (copy_profile(profile, &resolver->profile)) {
        mem_free(resolver);
        return ERR_NO_MEMORY;
    }
    resolver->config = *config;
    if (hasher)
        resolver->hasher = *hasher;
    map_init(&resolver->entries, config->cache_max + config->pending_max, config->hash_seed);
    list_init(&resolver->queued);
    list_init(&resolver->started);
    list_init(&resolver->known);
    *ret_resolver = resolver;
    return 0;
}

static void free_entry(struct entry *entry)
{
    numbers_slots_wipe(entry->slots);
    mem_free(entry);
}

static void forget_waits(struct entry *entry)
{
    while (list_pop(&entry->waits))
        continue;
}

static void free_list(struct list *list)
{
    LIST_EACH(it, list) {
        struct entry *entry = CONTAINER_OF(it, struct entry, link);
        forget_waits(entry);
        free_entry(entry);
    }
}

void numbers_resolver_free(struct numbers_resolver *resolver)
{
    if (!resolver)
        return;
    free_list(&resolver->queued);
    free_list(&resolver->started);
    free_list(&resolver->known);
    map_fini(&resolver->entries);
    free_profile(&resolver->profile);
    mem_free(resolver);
}

const struct numbers_profile *numbers_resolver_profile(const struct numbers_resolver *resolver)
{
    return &resolver->profile;
}

uint64_t numbers_resolver_generation(const struct numbers_resolver *resolver)
{
    return resolver->generation;
}

const struct numbers_resolver_counters *numbers_resolver_counters(const struct numbers_resolver *resolver)
{
    return &resolver->counters;
}

/* Takes the entry out of everything and ends its waits. */
static void drop(struct numbers_resolver *resolver, struct entry *entry)
{
    list_remove(&entry->link);
    map_remove(&resolver->entries, e164_slice(&entry->number));
    resolver->pending_count -= entry->state != KNOWN;
    resolver->started_count -= entry->state == STARTED;
    resolver->known_count -= entry->state == KNOWN;
}

static void end_waits(struct entry *entry, struct now now, int err)
{
    struct list *link;
    while ((link = list_pop(&entry->waits)) != NULL) {
        struct numbers_wait *wait = CONTAINER_OF(link, struct numbers_wait, link);
        wait->done(wait, now, err, err ? NULL : entry->slots);
    }
}

static void fail(struct numbers_resolver *resolver, struct entry *entry, struct now now, int err)
{
    resolver->counters.failed++;
    drop(resolver, entry);
    end_waits(entry, now, err);
    free_entry(entry);
}

static void remember(struct numbers_resolver *resolver, struct entry *entry)
{
    resolver->pending_count--;
    resolver->started_count--;
    resolver->known_count++;
    entry->state = KNOWN;
    list_remove(&entry->link);
    list_append(&resolver->known, &entry->link);
    while (resolver->known_count > resolver->config.cache_max) {
        struct entry *oldest = CONTAINER_OF(resolver->known.next, struct entry, link);
        if (oldest == entry)
            break; /* a cache of no entries: this one goes when its waits have ended */
        resolver->counters.evicted++;
        drop(resolver, oldest);
        free_entry(oldest);
    }
}

static void start_jobs(struct numbers_resolver *resolver, struct now now)
{
    while (resolver->started_count < resolver->config.jobs_max && !list_empty(&resolver->queued)) {
        struct entry *entry = CONTAINER_OF(resolver->queued.next, struct entry, link);
        entry->job = ++resolver->last_job;
        int err = resolver->hasher.start
                      ? resolver->hasher.start(resolver->hasher.ctx, entry->job, &resolver->profile, &entry->number)
                      : ERR_UNSUPPORTED;
        if (err) {
            fail(resolver, entry, now, err);
            continue;
        }
        list_remove(&entry->link);
        list_append(&resolver->started, &entry->link);
        entry->state = STARTED;
        resolver->started_count++;
    }
}

static struct entry *add_entry(struct numbers_resolver *resolver, const struct e164 *number)
{
    struct entry *entry = mem_alloc(sizeof *entry);
    if (!entry)
        return NULL;
    entry->number = *number;
    if (map_set(&resolver->entries, e164_slice(number), entry)) {
        mem_free(entry);
        return NULL;
    }
    list_init(&entry->waits);
    list_init(&entry->link);
    list_append(&resolver->queued, &entry->link);
    resolver->pending_count++;
    return entry;
}

int numbers_resolve(struct numbers_resolver *resolver, struct now now, const struct e164 *number,
                    struct numbers_wait *wait, struct numbers_slot ret_slots[NUMBERS_COPIES])
{
    if (resolver->profile.hash == CONFIG_HASH_SHA1) {
        resolver->counters.computed++;
        return numbers_slots_derive(&resolver->profile, number, ret_slots);
    }
    struct entry *entry = map_get(&resolver->entries, e164_slice(number));
    if (entry && entry->state == KNOWN) {
        resolver->counters.remembered++;
        list_remove(&entry->link);
        list_append(&resolver->known, &entry->link);
        memcpy(ret_slots, entry->slots, sizeof entry->slots);
        return 0;
    }
    if (entry) {
        resolver->counters.shared++;
    } else if (resolver->pending_count >= resolver->config.pending_max) {
        resolver->counters.refused_limit++;
        return ERR_LIMIT;
    } else {
        entry = add_entry(resolver, number);
        if (!entry)
            return ERR_NO_MEMORY;
    }
    list_remove(&wait->link);
    list_append(&entry->waits, &wait->link);
    start_jobs(resolver, now);
    return NUMBERS_LATER;
}

static struct entry *find_job(struct numbers_resolver *resolver, uint64_t job)
{
    LIST_EACH(it, &resolver->started) {
        struct entry *entry = CONTAINER_OF(it, struct entry, link);
        if (entry->job == job)
            return entry;
    }
    return NULL;
}

void numbers_resolver_done(struct numbers_resolver *resolver, struct now now, uint64_t job, int err,
                           const struct numbers_slot slots[NUMBERS_COPIES])
{
    struct entry *entry = find_job(resolver, job);
    if (!entry)
        return;
    if (err) {
        fail(resolver, entry, now, err);
    } else {
        resolver->counters.computed++;
        memcpy(entry->slots, slots, sizeof entry->slots);
        remember(resolver, entry);
        end_waits(entry, now, 0);
        if (resolver->known_count > resolver->config.cache_max) {
            drop(resolver, entry);
            free_entry(entry);
        }
    }
    start_jobs(resolver, now);
}

static bool is_same_profile(const struct numbers_profile *a, const struct numbers_profile *b)
{
    if (!slice_eq(a->overlay, b->overlay) || a->hash != b->hash)
        return false;
    return a->hash == CONFIG_HASH_SHA1 || (a->cost.passes == b->cost.passes &&
                                           a->cost.memory_kib == b->cost.memory_kib && a->cost.lanes == b->cost.lanes);
}

int numbers_resolver_set_profile(struct numbers_resolver *resolver, struct now now,
                                 const struct numbers_profile *profile)
{
    struct numbers_profile copy;
    if (is_same_profile(profile, &resolver->profile))
        return 0;
    if (copy_profile(profile, &copy))
        return ERR_NO_MEMORY;
    resolver->generation++;
    free_profile(&resolver->profile);
    resolver->profile = copy;
    LIST_EACH(it, &resolver->known) {
        struct entry *entry = CONTAINER_OF(it, struct entry, link);
        drop(resolver, entry);
        free_entry(entry);
    }
    /* Jobs under way go on in vain; their numbers wait again, first in the queue. */
    LIST_EACH(it, &resolver->started) {
        struct entry *entry = CONTAINER_OF(it, struct entry, link);
        entry->state = QUEUED;
        list_remove(&entry->link);
        list_prepend(&resolver->queued, &entry->link);
    }
    resolver->started_count = 0;
    if (profile->hash == CONFIG_HASH_SHA1) {
        LIST_EACH(it, &resolver->queued) {
            struct entry *entry = CONTAINER_OF(it, struct entry, link);
            drop(resolver, entry);
            end_waits(entry, now, numbers_slots_derive(&resolver->profile, &entry->number, entry->slots));
            free_entry(entry);
        }
    }
    start_jobs(resolver, now);
    return 0;
}
