/* Rows in memory that are to stand in the database: for each key the newest value, or that it has been removed. Private to store. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "base/buf.h"
#include "base/kv.h"

struct row {
    struct row *next; /* of the same bucket */
    uint64_t hash;
    uint32_t key_octets, value_octets;
    uint8_t table;
    bool is_removed;
    uint8_t octets[]; /* key, value */
};

struct rows {
    struct row **buckets;
    size_t bucket_count; /* 0, or a power of two */
    size_t n;
    size_t octets; /* of memory, about */
    uint64_t seed[2];
    struct row **sorted; /* room for rows_sort */
    size_t sorted_capacity;
};

void rows_init(struct rows *r, const uint64_t seed[2]);
void rows_fini(struct rows *r);
void rows_clear(struct rows *r);

/* Takes the place of what is known of that key. The value of a removed row is empty. 0, ERR_LIMIT (longer than 4 GiB) or ERR_NO_MEMORY. */
int rows_set(struct rows *r, enum kv_table table, struct slice key, bool is_removed, struct slice value);

/* NULL: nothing is known. */
const struct row *rows_find(const struct rows *r, enum kv_table table, struct slice key);

/* All of `from` takes the place of what `to`, which has the same seed, knows of those keys. Cannot fail. */
void rows_move(struct rows *from, struct rows *to);

/* r->n rows in the order of table and key, valid until the next change; NULL: no memory, or none. */
struct row *const *rows_sort(struct rows *r);

/* As octets and back: into rows which may know others. 0, ERR_SYNTAX and the like, ERR_NO_MEMORY. */
void rows_encode(const struct rows *r, struct buf *out);
int rows_decode(struct rows *r, struct slice octets);

static inline struct slice row_key(const struct row *row)
{
    return slice_of(row->octets, row->key_octets);
}

static inline struct slice row_value(const struct row *row)
{
    return slice_of(row->octets + row->key_octets, row->value_octets);
}

#endif
