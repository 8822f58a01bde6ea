/* A hash table whose links sit in the elements: a transaction is in several, and being in one costs no memory of its own. */
#include "base/mem.h"
#include "sip/transaction_core.h"

#define BUCKETS_MIN 64

int sip_table_init(struct table *t)
{
    *t = (struct table){.bucket_count = BUCKETS_MIN};
    t->buckets = mem_alloc(BUCKETS_MIN * sizeof(struct link *));
    return t->buckets ? 0 : ERR_NO_MEMORY;
}

void sip_table_fini(struct table *t)
{
    mem_free(t->buckets);
    *t = (struct table){0};
}

static struct link **bucket(const struct table *t, uint64_t hash)
{
    return &t->buckets[hash & (t->bucket_count - 1)];
}

static void grow(struct table *t)
{
    struct table wider = {.bucket_count = 2 * t->bucket_count, .n = t->n};
    wider.buckets = mem_alloc(wider.bucket_count * sizeof(struct link *));
    if (!wider.buckets)
        return;
    for (size_t i = 0; i < t->bucket_count; i++) {
        struct link *next;
        for (struct link *at = t->buckets[i]; at; at = next) {
            next = at->next;
            at->next = *bucket(&wider, at->hash);
            *bucket(&wider, at->hash) = at;
        }
    }
    mem_free(t->buckets);
    *t = wider;
}

void sip_table_add(struct table *t, struct link *link, uint64_t hash)
{
    if (2 * t->n >= t->bucket_count) /* a foreign element on the way costs more than an empty bucket */
        grow(t);
    *link = (struct link){.next = *bucket(t, hash), .hash = hash, .is_in = true};
    *bucket(t, hash) = link;
    t->n++;
}

void sip_table_remove(struct table *t, struct link *link)
{
    if (!link->is_in)
        return;
    struct link **at = bucket(t, link->hash);
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    link->is_in = false;
    t->n--;
}

static struct link *of_hash(struct link *at, uint64_t hash)
{
    while (at && at->hash != hash)
        at = at->next;
    return at;
}

struct link *sip_table_first(const struct table *t, uint64_t hash)
{
    return of_hash(*bucket(t, hash), hash);
}

struct link *sip_table_next(const struct link *link)
{
    return of_hash(link->next, link->hash);
}
