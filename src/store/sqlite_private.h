/* The insides of the SQLite store, shared by its two files. */
#ifndef STORE_SQLITE_PRIVATE_H
#define STORE_SQLITE_PRIVATE_H

#include "base/buf.h"
#include "store/sqlite.h"

#include <sqlite3.h>

enum sqlite_statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_PUT,
    STATEMENT_REMOVE,
    STATEMENT_GET,
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
    bool awake;                 /* a turn was asked for */
    bool failing;               /* the last transaction failed: said once, not each time */
    int doom;                   /* why the current turn cannot succeed, or 0 */
    uint64_t rows_waiting;      /* in the open transaction */
    struct completions waiting; /* of the current turn */
    struct completions called;  /* empty; its memory is used again in the next turn */
    struct buf value;           /* what get answers with */
    struct sqlite_store_counters counters;
};

/* A result code of SQLite as one of ours. */
int sqlite_err(sqlite3 *db, int code);

void sqlite_store_fill_port(struct sqlite_store *store);

#endif
