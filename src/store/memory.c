/* The store in memory. Rows are changed at once and every change is noted with what was there before; a turn forgets the notes, a failed
 * turn or a crash takes the changes back. */
#include "store/memory.h"

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>

#define TABLES_MAX 128

struct row {
    size_t n;
    uint8_t octets[];
};

struct change {
    struct list link;
    enum kv_table table;
    struct row *before; /* NULL: there was no such row */
    size_t key_octets;
    uint8_t key[];
};

struct completion {
    struct list link;
    kv_done_fn *done;
    void *arg;
};

/* Made when the first row is put: a simulation has a store for each of many servers, most of whose tables stay empty. */
struct table {
    enum kv_table number;
    struct map rows;
};

struct memory_store {
    struct kv kv;
    struct table *tables;
    size_t table_count;
    struct list changes;     /* not durable yet, oldest first */
    struct list completions; /* not called yet */
    bool waits;              /* a commit was asked for */
    size_t failures;         /* turns that are to fail */
    int failure;
    int refusal;
};

static struct row *row_new(struct slice value)
{
    struct row *row = mem_alloc(sizeof *row + value.n);
    if (!row)
        return NULL;
    row->n = value.n;
    if (value.n)
        memcpy(row->octets, value.p, value.n);
    return row;
}

static struct change *change_new(enum kv_table table, struct slice key, struct row *before)
{
    struct change *change = mem_alloc(sizeof *change + key.n);
    if (!change)
        return NULL;
    change->table = table;
    change->before = before;
    change->key_octets = key.n;
    if (key.n)
        memcpy(change->key, key.p, key.n);
    return change;
}

/* NULL: nothing was ever put there. */
static struct map *table_find(const struct memory_store *store, enum kv_table number)
{
    for (size_t i = 0; i < store->table_count; i++)
        if (store->tables[i].number == number)
            return &store->tables[i].rows;
    return NULL;
}

static int table_make(struct memory_store *store, enum kv_table number, struct map **ret_rows)
{
    if ((size_t)number >= TABLES_MAX)
        return ERR_RANGE;
    struct map *rows = table_find(store, number);
    if (!rows) {
        struct table *grown = mem_resize(store->tables, (store->table_count + 1) * sizeof *grown);
        if (!grown)
            return ERR_NO_MEMORY;
        store->tables = grown;
        grown[store->table_count].number = number;
        rows = &grown[store->table_count++].rows;
        map_init(rows, SIZE_MAX, (uint64_t)number);
    }
    *ret_rows = rows;
    return 0;
}

static int memory_put(void *ctx, enum kv_table table, struct slice key, struct slice value)
{
    struct memory_store *store = ctx;
    struct map *rows;
    if (store->refusal)
        return (size_t)table < TABLES_MAX ? store->refusal : ERR_RANGE;
    int err = table_make(store, table, &rows);
    if (err)
        return err;
    struct row *row = row_new(value);
    struct change *change = change_new(table, key, map_get(rows, key));
    err = row && change ? map_set(rows, key, row) : ERR_NO_MEMORY;
    if (err) {
        mem_free(row);
        mem_free(change);
        return err;
    }
    list_append(&store->changes, &change->link);
    return 0;
}

static int memory_remove(void *ctx, enum kv_table table, struct slice key)
{
    struct memory_store *store = ctx;
    struct map *rows = table_find(store, table);
    if ((size_t)table >= TABLES_MAX)
        return ERR_RANGE;
    if (store->refusal)
        return store->refusal;
    if (!rows)
        return 0;
    struct row *before = map_get(rows, key);
    if (!before)
        return 0;
    struct change *change = change_new(table, key, before);
    if (!change)
        return ERR_NO_MEMORY;
    map_remove(rows, key);
    list_append(&store->changes, &change->link);
    return 0;
}

static void memory_commit(void *ctx, kv_done_fn *done, void *arg)
{
    struct memory_store *store = ctx;
    store->waits = true;
    if (!done)
        return;
    /* Completions are owed, so they are not subject to the allocator's refusal: a test's fault lands in put. */
    struct completion *completion = mem_alloc(sizeof *completion);
    if (!completion)
        completion = mem_alloc(sizeof *completion);
    if (!completion)
        abort();
    *completion = (struct completion){.done = done, .arg = arg};
    list_append(&store->completions, &completion->link);
}

struct scanned {
    struct slice key;
    struct row *row;
};

static int scanned_cmp(const void *a, const void *b)
{
    const struct scanned *x = a, *y = b;
    return slice_cmp(x->key, y->key);
}

static int memory_scan(void *ctx, enum kv_table table, kv_row_fn *fn, void *arg)
{
    const struct map *rows = table_find(ctx, table);
    if (!rows)
        return (size_t)table < TABLES_MAX ? 0 : ERR_RANGE;
    struct scanned *found = mem_alloc(rows->n * sizeof *found);
    if (!found)
        return ERR_NO_MEMORY;
    size_t n = 0;
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(rows, &it))
        found[n++] = (struct scanned){it.key, it.value};
    qsort(found, n, sizeof *found, scanned_cmp);
    int result = 0;
    for (size_t i = 0; i < n && !result; i++)
        result = fn(arg, found[i].key, slice_of(found[i].row->octets, found[i].row->n));
    mem_free(found);
    return result;
}

static int memory_get(void *ctx, enum kv_table table, struct slice key, struct slice *ret_value)
{
    const struct map *rows = table_find(ctx, table);
    if (!rows)
        return (size_t)table < TABLES_MAX ? ERR_NOT_FOUND : ERR_RANGE;
    const struct row *row = map_get(rows, key);
    if (!row)
        return ERR_NOT_FOUND;
    *ret_value = slice_of(row->octets, row->n);
    return 0;
}

int memory_store_new(struct memory_store **ret_store)
{
    struct memory_store *store = mem_alloc(sizeof *store);
    if (!store)
        return ERR_NO_MEMORY;
    store->kv = (struct kv){store, memory_put, memory_remove, memory_commit, memory_scan, memory_get};
    list_init(&store->changes);
    list_init(&store->completions);
    *ret_store = store;
    return 0;
}

const struct kv *memory_store_kv(struct memory_store *store)
{
    return &store->kv;
}

/* Makes what was changed durable: there is no way back any more. */
static void forget_changes(struct memory_store *store)
{
    struct list *link;
    while ((link = list_pop(&store->changes))) {
        struct change *change = CONTAINER_OF(link, struct change, link);
        mem_free(change->before);
        mem_free(change);
    }
}

static void take_changes_back(struct memory_store *store)
{
    while (!list_empty(&store->changes)) {
        struct change *change = CONTAINER_OF(store->changes.prev, struct change, link);
        list_remove(&change->link);
        struct map *rows = table_find(store, change->table); /* there since the change was made */
        struct slice key = slice_of(change->key, change->key_octets);
        mem_free(map_remove(rows, key));
        /* A second try, since a fault injected into the model of a disk has no meaning. */
        if (change->before && map_set(rows, key, change->before) != 0 && map_set(rows, key, change->before) != 0)
            abort();
        mem_free(change);
    }
}

size_t memory_store_turn(struct memory_store *store)
{
    if (!store->waits)
        return 0;
    store->waits = false;
    int err = 0;
    if (store->failures) {
        store->failures--;
        err = store->failure;
        take_changes_back(store);
    } else {
        forget_changes(store);
    }
    struct list due;
    list_init(&due);
    struct list *link;
    while ((link = list_pop(&store->completions)))
        list_append(&due, link);
    size_t called = 0;
    while ((link = list_pop(&due))) {
        struct completion *completion = CONTAINER_OF(link, struct completion, link);
        struct completion call = *completion;
        mem_free(completion);
        call.done(call.arg, err);
        called++;
    }
    return called;
}

bool memory_store_waits(const struct memory_store *store)
{
    return store->waits;
}

void memory_store_fail(struct memory_store *store, size_t transactions, int err)
{
    store->failures = transactions;
    store->failure = err;
}

void memory_store_refuse(struct memory_store *store, int err)
{
    store->refusal = err;
}

void memory_store_crash(struct memory_store *store)
{
    take_changes_back(store);
    struct list *link;
    while ((link = list_pop(&store->completions)))
        mem_free(CONTAINER_OF(link, struct completion, link));
    store->waits = false;
}

size_t memory_store_count(const struct memory_store *store, enum kv_table table)
{
    const struct map *rows = table_find(store, table);
    return rows ? rows->n : 0;
}

void memory_store_free(struct memory_store *store)
{
    if (!store)
        return;
    memory_store_crash(store);
    for (size_t i = 0; i < store->table_count; i++) {
        struct map_iter it;
        map_iter_init(&it);
        while (map_iter_next(&store->tables[i].rows, &it))
            mem_free(it.value);
        map_fini(&store->tables[i].rows);
    }
    mem_free(store->tables);
    mem_free(store);
}
