/* Chained hash map with SipHash-2-4. */
#include "base/map.h"

#include "base/err.h"
#include "base/mem.h"

#include <endian.h>

struct map_entry {
    struct map_entry *next;
    void *value;
    uint64_t hash;
    size_t key_octets;
    uint8_t key[];
};

static inline uint64_t rotl(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* Up to eight octets; with a number that the compiler knows, one instruction. */
static inline uint64_t little_endian(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return le64toh(v);
}

uint64_t map_hash(const uint64_t seed[2], struct slice key)
{
    uint64_t v[4] = {seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
                     seed[0] ^ UINT64_C(0x6c7967656e657261), seed[1] ^ UINT64_C(0x7465646279746573)};
    size_t whole = key.n & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t m = little_endian(key.p + i, 8);
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)key.n << 56;
    if (key.n > whole)
        last |= little_endian(key.p + whole, key.n - whole);
    v[3] ^= last;
    sip_round(v);
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

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
    struct map_entry **at = find(m, key, map_hash(m->seed, key));
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
    uint64_t hash = map_hash(m->seed, key);
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
    struct map_entry **at = find(m, key, map_hash(m->seed, key));
    return at && *at ? remove_at(m, at) : NULL;
}

void map_remove_value(struct map *m, struct slice key, const void *value)
{
    struct map_entry **at = find(m, key, map_hash(m->seed, key));
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
