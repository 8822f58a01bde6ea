/* The store on SQLite: writes, reads and the transaction of a turn. Opening and checking is in sqlite_open.c.
 *
 * What is put waits in memory for sqlite_store_turn, which makes one transaction of it. A write that fails dooms the turn: everything is taken
 * back at once and every commit of that turn is told the error, since nobody could say any more whose rows were in it. */
#include "store/sqlite_private.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

#define PENDING_OCTETS_MAX (4u << 20) /* beyond, they go to the transaction before its end */

int sqlite_err(sqlite3 *db, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_FULL:
    case SQLITE_READONLY:
        return ERR_NO_SPACE;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_CONFLICT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_SYNTAX;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERR_FORBIDDEN;
    default:
        break;
    }
    switch (db ? sqlite3_system_errno(db) : 0) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EROFS:
        return ERR_NO_SPACE;
    case EACCES:
    case EPERM:
        return ERR_FORBIDDEN;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    default:
        return ERR_IO;
    }
}

static int run(struct sqlite_store *store, enum sqlite_statement which)
{
    sqlite3_stmt *statement = store->statements[which];
    int code = sqlite3_step(statement);
    int err = sqlite_err(store->db, code);
    sqlite3_reset(statement);
    return err;
}

static void wake(struct sqlite_store *store)
{
    if (store->awake)
        return;
    store->awake = true;
    if (store->wake)
        store->wake(store->wake_arg);
}

static void roll_back(struct sqlite_store *store)
{
    /* After some errors SQLite has done so itself. */
    if (!sqlite3_get_autocommit(store->db))
        (void)run(store, STATEMENT_ROLLBACK);
    rows_clear(&store->pending);
    store->settled = false;
    store->rows_waiting = 0;
}

/* Notes why this turn fails, once, and takes back what was written in it. */
static int doom(struct sqlite_store *store, int err)
{
    if (!store->doom) {
        store->doom = err;
        if (!store->failing)
            log_event(store->log, LEVEL_ERROR, "store.write.failed", "error=%s detail=\"%s\"", err_name(err),
                      err == ERR_NO_MEMORY ? err_text(err) : sqlite3_errmsg(store->db));
        store->failing = true;
        roll_back(store);
    }
    return store->doom;
}

/* ---- the two ways of pending rows into the database ---- */

static int begin(struct sqlite_store *store)
{
    return sqlite3_get_autocommit(store->db) ? run(store, STATEMENT_BEGIN) : 0;
}

static void bind_octets(sqlite3_stmt *statement, int parameter, struct slice octets)
{
    /* A NULL pointer would bind NULL, which is not the empty string. */
    sqlite3_bind_blob64(statement, parameter, octets.n ? (const void *)octets.p : "", octets.n, SQLITE_STATIC);
}

static void bind_key(sqlite3_stmt *statement, enum kv_table table, struct slice key)
{
    sqlite3_bind_int(statement, 1, (int)table);
    bind_octets(statement, 2, key);
}

static int write_row(struct sqlite_store *store, const struct row *row)
{
    const enum sqlite_statement which = row->is_removed ? STATEMENT_REMOVE : STATEMENT_PUT;
    sqlite3_stmt *statement = store->statements[which];
    bind_key(statement, (enum kv_table)row->table, row_key(row));
    if (!row->is_removed)
        bind_octets(statement, 3, row_value(row));
    int err = run(store, which);
    sqlite3_clear_bindings(statement);
    return err;
}

/* The last key that the table of rows has, in store->value. ERR_NOT_FOUND: it has none. */
static int read_last(struct sqlite_store *store, enum kv_table table)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_LAST];
    sqlite3_bind_int(statement, 1, (int)table);
    int code = sqlite3_step(statement);
    int err = code == SQLITE_ROW ? 0 : sqlite_err(store->db, code);
    buf_clear(&store->value);
    if (!err && sqlite3_column_type(statement, 0) == SQLITE_NULL)
        err = ERR_NOT_FOUND;
    else if (!err)
        buf_put(&store->value, sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0));
    sqlite3_reset(statement);
    return err ? err : store->value.err;
}

/* Most of what was removed was never in the table: its key was put since, and is larger than all that are there. */
static int write_rows(struct sqlite_store *store, struct rows *rows)
{
    struct row *const *sorted = rows_sort(rows);
    int err = rows->n && !sorted ? ERR_NO_MEMORY : 0;
    bool is_empty = false;
    for (size_t i = 0; !err && i < rows->n; i++) {
        const struct row *row = sorted[i];
        if (!i || row->table != sorted[i - 1]->table) {
            err = read_last(store, (enum kv_table)row->table);
            is_empty = err == ERR_NOT_FOUND;
            err = is_empty ? 0 : err;
        }
        if (!err && !(row->is_removed && (is_empty || slice_cmp(row_key(row), buf_slice(&store->value)) > 0)))
            err = write_row(store, row);
    }
    return err;
}

int sqlite_store_settle(struct sqlite_store *store)
{
    if (store->doom)
        return store->doom;
    int err = begin(store);
    if (!err && !store->settled && store->recent.n) {
        err = run(store, STATEMENT_FORGET); /* first: there may be no other room for the rows */
        if (!err)
            err = write_rows(store, &store->recent);
    }
    if (!err)
        err = write_rows(store, &store->pending);
    if (err)
        return doom(store, err);
    store->settled = true;
    store->rows_waiting += store->pending.n;
    rows_clear(&store->pending);
    return 0;
}

static int append(struct sqlite_store *store)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_APPEND];
    buf_clear(&store->encoded);
    rows_encode(&store->pending, &store->encoded);
    int err = store->encoded.err ? store->encoded.err : begin(store);
    if (err)
        return doom(store, err);
    bind_octets(statement, 1, buf_slice(&store->encoded));
    err = run(store, STATEMENT_APPEND);
    sqlite3_clear_bindings(statement);
    if (err)
        return doom(store, err);
    store->rows_waiting += store->pending.n;
    return 0;
}

/* ---- the port ---- */

static int set_row(struct sqlite_store *store, enum kv_table table, struct slice key, bool is_removed,
                   struct slice value)
{
    wake(store);
    if (store->doom)
        return store->doom;
    int err = rows_set(&store->pending, table, key, is_removed, value);
    if (err)
        return doom(store, err);
    return store->pending.octets > PENDING_OCTETS_MAX ? sqlite_store_settle(store) : 0;
}

static int sqlite_put(void *ctx, enum kv_table table, struct slice key, struct slice value)
{
    return set_row(ctx, table, key, false, value);
}

static int sqlite_remove(void *ctx, enum kv_table table, struct slice key)
{
    return set_row(ctx, table, key, true, slice_of(NULL, 0));
}

static void sqlite_commit(void *ctx, kv_done_fn *done, void *arg)
{
    struct sqlite_store *store = ctx;
    wake(store);
    if (!done)
        return;
    struct completions *waiting = &store->waiting;
    if (waiting->n == waiting->capacity) {
        size_t capacity = waiting->capacity ? waiting->capacity * 2 : 16;
        struct completion *grown = mem_resize(waiting->list, capacity * sizeof *grown);
        if (!grown)
            abort(); /* somebody would wait forever; after a restart the durable state is whole */
        waiting->list = grown;
        waiting->capacity = capacity;
    }
    waiting->list[waiting->n++] = (struct completion){done, arg};
}

static int sqlite_scan(void *ctx, enum kv_table table, kv_row_fn *row, void *arg)
{
    struct sqlite_store *store = ctx;
    sqlite3_stmt *statement;
    if (store->pending.n || (store->recent.n && !store->settled)) {
        wake(store);
        int err = sqlite_store_settle(store);
        if (err)
            return err;
    }
    int code =
        sqlite3_prepare_v2(store->db, "SELECT key, value FROM kv WHERE tbl = ? ORDER BY key", -1, &statement, NULL);
    if (code != SQLITE_OK)
        return sqlite_err(store->db, code);
    sqlite3_bind_int(statement, 1, (int)table);
    int result = 0;
    while (!result && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct slice key = slice_of(sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0));
        struct slice value = slice_of(sqlite3_column_blob(statement, 1), (size_t)sqlite3_column_bytes(statement, 1));
        result = row(arg, key, value);
    }
    if (!result && code != SQLITE_DONE)
        result = sqlite_err(store->db, code);
    sqlite3_finalize(statement);
    return result;
}

static int read_row(struct sqlite_store *store, enum kv_table table, struct slice key, struct slice *ret_value)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_GET];
    bind_key(statement, table, key);
    int code = sqlite3_step(statement);
    int err = code == SQLITE_ROW ? 0 : code == SQLITE_DONE ? ERR_NOT_FOUND : sqlite_err(store->db, code);
    if (!err) {
        buf_clear(&store->value);
        buf_put(&store->value, sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0));
        err = store->value.err;
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (!err)
        *ret_value = buf_slice(&store->value);
    return err;
}

static int sqlite_get(void *ctx, enum kv_table table, struct slice key, struct slice *ret_value)
{
    struct sqlite_store *store = ctx;
    const struct row *row = rows_find(&store->pending, table, key);
    if (!row && !store->settled)
        row = rows_find(&store->recent, table, key);
    if (!row)
        return read_row(store, table, key, ret_value);
    if (row->is_removed)
        return ERR_NOT_FOUND;
    *ret_value = row_value(row);
    return 0;
}

void sqlite_store_fill_port(struct sqlite_store *store)
{
    store->kv = (struct kv){store, sqlite_put, sqlite_remove, sqlite_commit, sqlite_scan, sqlite_get};
}

const struct kv *sqlite_store_kv(struct sqlite_store *store)
{
    return &store->kv;
}

/* What is durable now, and where. */
static void committed(struct sqlite_store *store)
{
    store->counters.transactions++;
    store->counters.rows_written += store->rows_waiting;
    store->rows_waiting = 0;
    if (store->settled)
        rows_clear(&store->recent);
    else
        rows_move(&store->pending, &store->recent);
    store->settled = false;
    if (store->failing)
        log_event(store->log, LEVEL_NOTICE, "store.write.recovered", "transactions_failed=%llu",
                  (unsigned long long)store->counters.transactions_failed);
    store->failing = false;
}

/* Ends the transaction. Returns what everybody who waits is told. */
static int end_transaction(struct sqlite_store *store)
{
    if (!store->doom && (store->pending.n || store->settled)) {
        /* After a failure there may be no room but that which removed rows leave. */
        const bool fits = store->recent.octets + store->pending.octets <= store->recent_octets_max && !store->failing;
        int err = fits && !store->settled ? append(store) : sqlite_store_settle(store);
        if (!err) {
            err = run(store, STATEMENT_COMMIT);
            if (err)
                doom(store, err);
            else
                committed(store);
        }
    }
    int err = store->doom;
    store->doom = 0;
    if (err)
        store->counters.transactions_failed++;
    return err;
}

void sqlite_store_turn(struct sqlite_store *store)
{
    if (!store->awake)
        return;
    store->awake = false;
    int err = end_transaction(store);
    /* Completions may write again: theirs is the next turn's list. */
    struct completions due = store->waiting;
    store->waiting = store->called;
    store->called = (struct completions){0};
    for (size_t i = 0; i < due.n; i++)
        due.list[i].done(due.list[i].arg, err);
    due.n = 0;
    store->called = due;
}

const struct sqlite_store_counters *sqlite_store_counters(const struct sqlite_store *store)
{
    return &store->counters;
}
