/* The view of the store that a further Node-ID has: node_rows.h. */
#include "server/node_rows.h"

#include "base/buf.h"
#include "base/reader.h"

#define KEY_OCTETS_MAX 1024
#define KEYS_OCTETS_MAX (256u << 20)

/* False: no table of reload's. */
static bool table_of(enum kv_table table, enum kv_table *ret_table)
{
    if (table != KV_RELOAD_DATA && table != KV_RELOAD_META)
        return false;
    *ret_table = table == KV_RELOAD_DATA ? KV_RELOAD_NODES_DATA : KV_RELOAD_NODES_META;
    return true;
}

/* The key as it lies in the table of all nodes. */
static int key_of(const struct node_rows *rows, struct slice key, uint8_t octets[KEY_OCTETS_MAX], struct slice *ret_key)
{
    if (key.n >= KEY_OCTETS_MAX)
        return ERR_LIMIT;
    octets[0] = rows->number;
    if (key.n)
        memcpy(octets + 1, key.p, key.n);
    *ret_key = slice_of(octets, key.n + 1);
    return 0;
}

static int rows_put(void *ctx, enum kv_table table, struct slice key, struct slice value)
{
    struct node_rows *rows = ctx;
    uint8_t octets[KEY_OCTETS_MAX];
    int err = table_of(table, &table) ? key_of(rows, key, octets, &key) : ERR_WRONG_STATE;
    return err ? err : kv_put(rows->under, table, key, value);
}

static int rows_remove(void *ctx, enum kv_table table, struct slice key)
{
    struct node_rows *rows = ctx;
    uint8_t octets[KEY_OCTETS_MAX];
    int err = table_of(table, &table) ? key_of(rows, key, octets, &key) : ERR_WRONG_STATE;
    return err ? err : kv_remove(rows->under, table, key);
}

static void rows_commit(void *ctx, kv_done_fn *done, void *arg)
{
    struct node_rows *rows = ctx;
    kv_commit(rows->under, done, arg);
}

struct scan {
    uint8_t number;
    kv_row_fn *row;
    void *arg;
};

static int scan_row(void *arg, struct slice key, struct slice value)
{
    struct scan *scan = arg;
    if (!key.n || key.p[0] != scan->number)
        return 0;
    return scan->row(scan->arg, slice_of(key.p + 1, key.n - 1), value);
}

static int rows_scan(void *ctx, enum kv_table table, kv_row_fn *row, void *arg)
{
    struct node_rows *rows = ctx;
    struct scan scan = {rows->number, row, arg};
    return table_of(table, &table) ? kv_scan(rows->under, table, scan_row, &scan) : ERR_WRONG_STATE;
}

static int rows_get(void *ctx, enum kv_table table, struct slice key, struct slice *ret_value)
{
    struct node_rows *rows = ctx;
    uint8_t octets[KEY_OCTETS_MAX];
    int err = table_of(table, &table) ? key_of(rows, key, octets, &key) : ERR_WRONG_STATE;
    return err ? err : kv_get(rows->under, table, key, ret_value);
}

void node_rows_init(struct node_rows *rows, const struct kv *under, uint8_t number)
{
    *rows = (struct node_rows){
        .kv = {rows, rows_put, rows_remove, rows_commit, rows_scan, rows_get},
        .under = under,
        .number = number,
    };
}

static int note_key(void *arg, struct slice key, struct slice value)
{
    struct buf *keys = arg;
    (void)value;
    buf_opaque(keys, 2, key);
    return keys->err;
}

static int clear_table(struct node_rows *rows, enum kv_table table)
{
    struct buf keys; /* a scan must not be disturbed */
    struct reader r;
    buf_init(&keys, KEYS_OCTETS_MAX);
    int err = kv_scan(&rows->kv, table, note_key, &keys);
    reader_init(&r, buf_slice(&keys));
    while (!err && reader_left(&r))
        err = kv_remove(&rows->kv, table, read_opaque(&r, 2, "key"));
    buf_fini(&keys);
    return err;
}

int node_rows_clear(struct node_rows *rows)
{
    int err = clear_table(rows, KV_RELOAD_DATA);
    return err ? err : clear_table(rows, KV_RELOAD_META);
}
