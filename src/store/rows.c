/* A hash table of rows; each is one block of memory. */
#include "store/rows.h"

#include "base/mem.h"
#include "base/reader.h"
#include "base/siphash.h"

#include <stdlib.h>

#define BUCKETS_MIN 64
#define KEY_LENGTH_OCTETS 4
#define VALUE_LENGTH_OCTETS 4

void rows_init(struct rows *r, const uint64_t seed[2])
{
    *r = (struct rows){.seed = {seed[0], seed[1]}};
}

void rows_fini(struct rows *r)
{
    rows_clear(r);
    mem_free(r->buckets);
    mem_free(r->sorted);
    *r = (struct rows){.seed = {r->seed[0], r->seed[1]}};
}

void rows_clear(struct rows *r)
{
    for (size_t i = 0; i < r->bucket_count && r->n; i++) {
        struct row *row;
        while ((row = r->buckets[i])) {
            r->buckets[i] = row->next;
            mem_free(row);
            r->n--;
        }
    }
    r->octets = 0;
}

static size_t octets_of(const struct row *row)
{
    return sizeof *row + row->key_octets + row->value_octets;
}

static uint64_t hash_of(const struct rows *r, enum kv_table table, struct slice key)
{
    const uint64_t seed[2] = {r->seed[0] ^ (uint64_t)table, r->seed[1]};
    return siphash_quick(seed, key);
}

/* The place that points to the row, or to where it would be. There is at least one bucket. */
static struct row **place_of(const struct rows *r, uint64_t hash, enum kv_table table, struct slice key)
{
    struct row **at = &r->buckets[hash & (r->bucket_count - 1)];
    while (*at && ((*at)->hash != hash || (*at)->table != table || !slice_eq(row_key(*at), key)))
        at = &(*at)->next;
    return at;
}

/* What cannot grow gets slower, but the first buckets are needed. */
static int make_room(struct rows *r, size_t n)
{
    size_t count = r->bucket_count ? r->bucket_count : BUCKETS_MIN;
    while (count < n)
        count *= 2;
    if (count == r->bucket_count)
        return 0;
    struct row **buckets = mem_alloc(count * sizeof *buckets);
    if (!buckets)
        return r->bucket_count ? 0 : ERR_NO_MEMORY;
    for (size_t i = 0; i < r->bucket_count; i++) {
        struct row *next;
        for (struct row *row = r->buckets[i]; row; row = next) {
            next = row->next;
            row->next = buckets[row->hash & (count - 1)];
            buckets[row->hash & (count - 1)] = row;
        }
    }
    mem_free(r->buckets);
    r->buckets = buckets;
    r->bucket_count = count;
    return 0;
}

static void add(struct rows *r, struct row *row)
{
    struct row **at = place_of(r, row->hash, (enum kv_table)row->table, row_key(row));
    struct row *old = *at;
    row->next = old ? old->next : NULL;
    *at = row;
    r->n += !old;
    r->octets += octets_of(row);
    if (old)
        r->octets -= octets_of(old);
    mem_free(old);
}

int rows_set(struct rows *r, enum kv_table table, struct slice key, bool is_removed, struct slice value)
{
    if (key.n > UINT32_MAX || value.n > UINT32_MAX)
        return ERR_LIMIT;
    struct row *row = make_room(r, r->n + 1) ? NULL : mem_resize(NULL, sizeof *row + key.n + value.n);
    if (!row)
        return ERR_NO_MEMORY;
    *row = (struct row){.hash = hash_of(r, table, key),
                        .key_octets = (uint32_t)key.n,
                        .value_octets = (uint32_t)value.n,
                        .table = (uint8_t)table,
                        .is_removed = is_removed};
    if (key.n)
        memcpy(row->octets, key.p, key.n);
    if (value.n)
        memcpy(row->octets + key.n, value.p, value.n);
    add(r, row);
    return 0;
}

const struct row *rows_find(const struct rows *r, enum kv_table table, struct slice key)
{
    return r->n ? *place_of(r, hash_of(r, table, key), table, key) : NULL;
}

void rows_move(struct rows *from, struct rows *to)
{
    if (!to->bucket_count) {
        const struct rows empty = *to;
        *to = *from;
        *from = empty;
        return;
    }
    make_room(to, to->n + from->n);
    for (size_t i = 0; i < from->bucket_count && from->n; i++) {
        struct row *row;
        while ((row = from->buckets[i])) {
            from->buckets[i] = row->next;
            from->n--;
            add(to, row);
        }
    }
    from->octets = 0;
}

static int compare(const void *a, const void *b)
{
    const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    const size_t n = x->key_octets < y->key_octets ? x->key_octets : y->key_octets;
    const int order = memcmp(x->octets, y->octets, n);
    return order ? order : x->key_octets < y->key_octets ? -1 : x->key_octets > y->key_octets;
}

struct row *const *rows_sort(struct rows *r)
{
    if (r->n > r->sorted_capacity) {
        const size_t capacity = r->n + r->n / 2;
        struct row **grown = mem_resize(r->sorted, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        r->sorted = grown;
        r->sorted_capacity = capacity;
    }
    size_t n = 0;
    for (size_t i = 0; i < r->bucket_count; i++)
        for (struct row *row = r->buckets[i]; row; row = row->next)
            r->sorted[n++] = row;
    if (n > 1)
        qsort(r->sorted, n, sizeof(struct row *), compare);
    return r->sorted;
}

void rows_encode(const struct rows *r, struct buf *out)
{
    for (size_t i = 0; i < r->bucket_count; i++)
        for (const struct row *row = r->buckets[i]; row; row = row->next) {
            buf_u8(out, row->table);
            buf_u8(out, row->is_removed);
            buf_opaque(out, KEY_LENGTH_OCTETS, row_key(row));
            buf_opaque(out, VALUE_LENGTH_OCTETS, row_value(row));
        }
}

int rows_decode(struct rows *r, struct slice octets)
{
    struct reader in;
    reader_init(&in, octets);
    while (reader_left(&in)) {
        const uint8_t table = read_u8(&in, "table"), is_removed = read_u8(&in, "whether it was removed");
        const struct slice key = read_opaque(&in, KEY_LENGTH_OCTETS, "key");
        const struct slice value = read_opaque(&in, VALUE_LENGTH_OCTETS, "value");
        if (is_removed > 1)
            reader_fail(&in, ERR_RANGE, "whether it was removed");
        int err = in.err ? in.err : rows_set(r, (enum kv_table)table, key, is_removed, value);
        if (err)
            return err;
    }
    return in.err;
}
