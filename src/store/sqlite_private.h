/* The insides of the SQLite store, shared by its two files. A row is in the newest of three places: `pending`, what was put since the last
 * transaction; `recent`, what is durable as octets in the table of that name; the table of rows itself. */
#ifndef STORE_SQLITE_PRIVATE_H
#define STORE_SQLITE_PRIVATE_H

#include "store/rows.h"
#include "store/sqlite.h"

#include <sqlite3.h>

enum sqlite_statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_PUT,
    STATEMENT_REMOVE,
    STATEMENT_GET,
    STATEMENT_LAST,
    STATEMENT_APPEND,
    STATEMENT_FORGET,
    STATEMENT_COUNT
};

struct completion {
    kv_done_fn *done;
    void *arg;
};

struct completions {
    struct completion *list;
    size_t n;
    size_t capacity;
};

struct sqlite_store {
    struct kv kv;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    const struct log *log;
    sqlite_store_wake_fn *wake;
    void *wake_arg;
    bool awake;   /* a turn was asked for */
    bool failing; /* the last transaction failed: said once, not each time */
    int doom;     /* why the current turn cannot succeed, or 0 */
    struct rows pending;
    struct rows recent;
    size_t recent_octets_max;
    bool settled;               /* the open transaction has brought all that was recent to the table of rows */
    uint64_t rows_waiting;      /* in the open transaction */
    struct completions waiting; /* of the current turn */
    struct completions called;  /* empty; its memory is used again in the next turn */
    struct buf value;           /* what get answers with */
    struct buf encoded;         /* pending rows on their way to the table of recent ones */
    struct sqlite_store_counters counters;
};

/* A result code of SQLite as one of ours. */
int sqlite_err(sqlite3 *db, int code);

/* Brings all rows to where they belong, in the open transaction. 0, or why the current turn cannot succeed. */
int sqlite_store_settle(struct sqlite_store *store);

void sqlite_store_fill_port(struct sqlite_store *store);

#endif
