/* The store on SQLite: writes, reads and the transaction of a turn. Opening and checking is in sqlite_open.c.
 *
 * The first write of a turn begins a transaction; sqlite_store_turn ends it. A write that fails dooms the turn: the transaction is rolled
 * back at once and every commit of that turn is told the error, since nobody could say any more whose rows were in it. */
#include "store/sqlite_private.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

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
    store->rows_waiting = 0;
}

/* Notes why this turn fails, once, and takes back what was written in it. */
static int doom(struct sqlite_store *store, int err)
{
    if (!store->doom) {
        store->doom = err;
        if (!store->failing)
            log_event(store->log, LEVEL_ERROR, "store.write.failed", "error=%s detail=\"%s\"", err_name(err),
                      sqlite3_errmsg(store->db));
        store->failing = true;
        roll_back(store);
    }
    return store->doom;
}

static int begin(struct sqlite_store *store)
{
    wake(store);
    if (store->doom)
        return store->doom;
    if (!sqlite3_get_autocommit(store->db))
        return 0;
    int err = run(store, STATEMENT_BEGIN);
    return err ? doom(store, err) : 0;
}

static void bind_key(sqlite3_stmt *statement, enum kv_table table, struct slice key)
{
    sqlite3_bind_int(statement, 1, (int)table);
    /* A NULL pointer would bind NULL, which is not the empty key. */
    sqlite3_bind_blob64(statement, 2, key.n ? (const void *)key.p : "", key.n, SQLITE_STATIC);
}

static int write_row(struct sqlite_store *store, enum sqlite_statement which)
{
    int err = run(store, which);
    sqlite3_clear_bindings(store->statements[which]);
    if (err)
        return doom(store, err);
    store->rows_waiting++;
    return 0;
}

static int sqlite_put(void *ctx, enum kv_table table, struct slice key, struct slice value)
{
    struct sqlite_store *store = ctx;
    int err = begin(store);
    if (err)
        return err;
    sqlite3_stmt *statement = store->statements[STATEMENT_PUT];
    bind_key(statement, table, key);
    sqlite3_bind_blob64(statement, 3, value.n ? (const void *)value.p : "", value.n, SQLITE_STATIC);
    return write_row(store, STATEMENT_PUT);
}

static int sqlite_remove(void *ctx, enum kv_table table, struct slice key)
{
    struct sqlite_store *store = ctx;
    int err = begin(store);
    if (err)
        return err;
    bind_key(store->statements[STATEMENT_REMOVE], table, key);
    return write_row(store, STATEMENT_REMOVE);
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

static int sqlite_get(void *ctx, enum kv_table table, struct slice key, struct slice *ret_value)
{
    struct sqlite_store *store = ctx;
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

void sqlite_store_fill_port(struct sqlite_store *store)
{
    store->kv = (struct kv){store, sqlite_put, sqlite_remove, sqlite_commit, sqlite_scan, sqlite_get};
}

const struct kv *sqlite_store_kv(struct sqlite_store *store)
{
    return &store->kv;
}

/* Ends the transaction. Returns what everybody who waits is told. */
static int end_transaction(struct sqlite_store *store)
{
    if (!store->doom && !sqlite3_get_autocommit(store->db)) {
        uint64_t rows = store->rows_waiting;
        int err = run(store, STATEMENT_COMMIT);
        if (err) {
            doom(store, err);
        } else {
            store->counters.transactions++;
            store->counters.rows_written += rows;
            store->rows_waiting = 0;
            if (store->failing)
                log_event(store->log, LEVEL_NOTICE, "store.write.recovered", "transactions_failed=%llu",
                          (unsigned long long)store->counters.transactions_failed);
            store->failing = false;
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
