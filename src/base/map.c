/* Chained hash map. */
#include "base/map.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/siphash.h"

struct map_entry {
    struct map_entry *next;
    void *value;
    uint64_t hash;
    size_t key_octets;
    uint8_t key[];
};

void map_init(struct map *m, size_t limit, uint64_t seed)
{
    *m = (struct map){.limit = limit, .seed = {seed, ~seed}};
}

void map_fini(struct map *m)
{
    for (size_t i = 0; i < m->bucket_count; i++) {
        struct map_entry *next;
        for (struct map_entry *e = m->buckets[i]; e; e = next) {
            next = e->next;
            mem_free(e);
        }
    }
    mem_free(m->buckets);
    m->buckets = NULL;
    m->bucket_count = 0;
    m->n = 0;
}

/* The place that points to the entry, or to where it would be; NULL in an empty table. */
static struct map_entry **find(const struct map *m, struct slice key, uint64_t hash)
{
    if (!m->bucket_count)
        return NULL;
    struct map_entry **at = &m->buckets[hash & (m->bucket_count - 1)];
    while (*at && ((*at)->hash != hash || !slice_eq(slice_of((*at)->key, (*at)->key_octets), key)))
        at = &(*at)->next;
    return at;
}

void *map_get(const struct map *m, struct slice key)
{
    struct map_entry **at = find(m, key, siphash_quick(m->seed, key));
    return at && *at ? (*at)->value : NULL;
}

static int grow(struct map *m)
{
    size_t count = m->bucket_count ? 2 * m->bucket_count : 16;
    struct map_entry **buckets = mem_alloc(count * sizeof *buckets);
    if (!buckets)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < m->bucket_count; i++) {
        struct map_entry *next;
        for (struct map_entry *e = m->buckets[i]; e; e = next) {
            next = e->next;
            e->next = buckets[e->hash & (count - 1)];
            buckets[e->hash & (count - 1)] = e;
        }
    }
    mem_free(m->buckets);
    m->buckets = buckets;
    m->bucket_count = count;
    return 0;
}

int map_set(struct map *m, struct slice key, void *value)
{
    uint64_t hash = siphash_quick(m->seed, key);
    struct map_entry **at = find(m, key, hash);
    if (at && *at) {
        (*at)->value = value;
        return 0;
    }
    if (m->n >= m->limit)
        return ERR_LIMIT;
    if (m->n >= m->bucket_count) {
        int err = grow(m);
        if (err)
            return err;
    }
    struct map_entry *e = mem_alloc(sizeof *e + key.n);
    if (!e)
        return ERR_NO_MEMORY;
    e->value = value;
    e->hash = hash;
    e->key_octets = key.n;
    if (key.n)
        memcpy(e->key, key.p, key.n);
    e->next = m->buckets[hash & (m->bucket_count - 1)];
    m->buckets[hash & (m->bucket_count - 1)] = e;
    m->n++;
    return 0;
}

static void *remove_at(struct map *m, struct map_entry **at)
{
    struct map_entry *e = *at;
    void *value = e->value;
    *at = e->next;
    mem_free(e);
    m->n--;
    return value;
}

void *map_remove(struct map *m, struct slice key)
{
    struct map_entry **at = find(m, key, siphash_quick(m->seed, key));
    return at && *at ? remove_at(m, at) : NULL;
}

void map_remove_value(struct map *m, struct slice key, const void *value)
{
    struct map_entry **at = find(m, key, siphash_quick(m->seed, key));
    if (at && *at && (*at)->value == value)
        remove_at(m, at);
}

void map_iter_init(struct map_iter *it)
{
    *it = (struct map_iter){0};
}

bool map_iter_next(const struct map *m, struct map_iter *it)
{
    while (!it->next) {
        if (it->bucket >= m->bucket_count)
            return false;
        it->next = m->buckets[it->bucket++];
    }
    struct map_entry *e = it->next;
    it->next = e->next;
    it->key = slice_of(e->key, e->key_octets);
    it->value = e->value;
    return true;
}
