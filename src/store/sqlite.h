/* The store on SQLite: one database file, one table of rows, everything written in one turn of the loop one transaction. What was reported
 * durable survives a killed process and a power cut (WAL, synchronous=FULL).
 *
 * Rows that are replaced or removed soon need not get into the table: with recent_octets_max a transaction is one string of octets, kept in a table
 * of recent ones, until so much has come together that what is left of it goes to the table of rows at once, in order of keys. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "base/kv.h"
#include "base/log.h"

struct sqlite_store;

/* How the store asks for sqlite_store_turn to be called at the end of the current turn; io/loop.h's LOOP_STAGE_COMMIT does it. */
typedef void sqlite_store_wake_fn(void *arg);

struct sqlite_store_options {
    const char *path; /* the database file, created with mode 0600 */
    const struct log *log;
    sqlite_store_wake_fn *wake;
    void *wake_arg;
    uint32_t pages_max;       /* of 4096 octets; 0: no limit but the disk's */
    size_t recent_octets_max; /* 0: each transaction writes the table of rows */
};

struct sqlite_store_counters {
    uint64_t transactions;
    uint64_t transactions_failed;
    uint64_t rows_written; /* one that is put twice in a transaction counts once */
};

/* Opens or creates the database, checks it, and locks it: ERR_CONFLICT if another process has it open, ERR_SYNTAX if it is damaged or no
 * database, ERR_UNSUPPORTED if a later version wrote it, ERR_NO_SPACE, ERR_FORBIDDEN, ERR_IO. The log has the sentence. */
int sqlite_store_open(const struct sqlite_store_options *options, struct sqlite_store **ret_store);

/* Commits what waits, then closes. Completions are not called any more: the cores that wait for them end before their store. */
void sqlite_store_close(struct sqlite_store *store);

/* Valid as long as the store. */
const struct kv *sqlite_store_kv(struct sqlite_store *store);

/* Commits and calls the completions. After a failure everything written since the last success is gone, all completions have been told
 * so, and the next write tries again. */
void sqlite_store_turn(struct sqlite_store *store);

const struct sqlite_store_counters *sqlite_store_counters(const struct sqlite_store *store);

#endif
