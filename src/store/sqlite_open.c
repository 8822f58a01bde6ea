/* The SQLite store: opening, the schema, closing. */
#include "base/mem.h"
#include "store/sqlite_private.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <unistd.h>

#define APPLICATION_ID 0x494d4531 /* "IME1" */
#define SCHEMA_VERSION 2
#define SCHEMA_VERSION_WITHOUT_RECENT 1
#define VALUE_OCTETS_MAX (16u << 20)

static const char *const statement_texts[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_PUT] =
        "INSERT INTO kv (tbl, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    [STATEMENT_REMOVE] = "DELETE FROM kv WHERE tbl = ? AND key = ?",
    [STATEMENT_GET] = "SELECT value FROM kv WHERE tbl = ? AND key = ?",
    [STATEMENT_LAST] = "SELECT max(key) FROM kv WHERE tbl = ?",
    [STATEMENT_APPEND] = "INSERT INTO recent (rows) VALUES (?)",
    [STATEMENT_FORGET] = "DELETE FROM recent",
};

static int errno_err(int number)
{
    switch (number) {
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

/* SQLite would create the file readable to others, and not make its name durable. */
static int create_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0 : errno_err(errno);
    int err = fsync(fd) == 0 ? 0 : errno_err(errno);
    close(fd);
    char *copy = mem_strdup(path);
    if (!copy)
        return ERR_NO_MEMORY;
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mem_free(copy);
    if (folder < 0)
        return err ? err : errno_err(errno);
    if (fsync(folder) != 0 && !err)
        err = errno_err(errno);
    close(folder);
    return err;
}

static int execute(struct sqlite_store *store, const char *sql)
{
    return sqlite_err(store->db, sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

static int query_int(struct sqlite_store *store, const char *sql, int *ret_value)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    int err = code == SQLITE_ROW ? 0 : code == SQLITE_DONE ? ERR_NOT_FOUND : sqlite_err(store->db, code);
    if (!err)
        *ret_value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return err;
}

/* The first complaint of SQLite's own check goes to the log. */
static int check_integrity(struct sqlite_store *store)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    int err = sqlite_err(store->db, code);
    if (!err) {
        const char *verdict = (const char *)sqlite3_column_text(statement, 0);
        if (!verdict || strcmp(verdict, "ok") != 0) {
            log_event(store->log, LEVEL_ERROR, "store.damaged", "detail=\"%s\"", verdict ? verdict : "no answer");
            err = ERR_SYNTAX;
        }
    }
    sqlite3_finalize(statement);
    return err;
}

#define CREATE_RECENT "CREATE TABLE recent (number INTEGER PRIMARY KEY, rows BLOB NOT NULL);"

static int create_schema(struct sqlite_store *store)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE;"
             "CREATE TABLE kv (tbl INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (tbl, key)) "
             "WITHOUT ROWID;" CREATE_RECENT "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             APPLICATION_ID, SCHEMA_VERSION);
    return execute(store, sql);
}

static int add_recent(struct sqlite_store *store)
{
    char sql[256];
    snprintf(sql, sizeof sql, "BEGIN IMMEDIATE;" CREATE_RECENT "PRAGMA user_version = %d; COMMIT", SCHEMA_VERSION);
    return execute(store, sql);
}

static int check_schema(struct sqlite_store *store)
{
    int application, version, tables;
    int err = query_int(store, "PRAGMA application_id", &application);
    if (!err)
        err = query_int(store, "PRAGMA user_version", &version);
    if (!err)
        err = query_int(store, "SELECT count(*) FROM sqlite_master", &tables);
    if (err)
        return err;
    if (application == 0 && version == 0 && tables == 0)
        return create_schema(store);
    if (application != APPLICATION_ID) {
        log_event(store->log, LEVEL_ERROR, "store.foreign", "application_id=%d", application);
        return ERR_SYNTAX;
    }
    if (version == SCHEMA_VERSION_WITHOUT_RECENT)
        return add_recent(store);
    if (version != SCHEMA_VERSION) {
        log_event(store->log, LEVEL_ERROR, "store.version", "version=%d expected=%d", version, SCHEMA_VERSION);
        return ERR_UNSUPPORTED;
    }
    return 0;
}

static int prepare_statements(struct sqlite_store *store)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        int code = sqlite3_prepare_v3(store->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &store->statements[i], NULL);
        if (code != SQLITE_OK)
            return sqlite_err(store->db, code);
    }
    return 0;
}

/* What is in the table of recent rows. */
static int load_recent(struct sqlite_store *store)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(store->db, "SELECT rows FROM recent ORDER BY number", -1, &statement, NULL);
    if (code != SQLITE_OK)
        return sqlite_err(store->db, code);
    int err = 0;
    while (!err && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const void *octets = sqlite3_column_blob(statement, 0);
        err = rows_decode(&store->recent, slice_of(octets, (size_t)sqlite3_column_bytes(statement, 0)));
    }
    if (!err)
        err = sqlite_err(store->db, code);
    sqlite3_finalize(statement);
    return err && err != ERR_NO_MEMORY && err != ERR_IO ? ERR_SYNTAX : err;
}

/* A new database gets large pages if its transactions are long strings: each page is two calls of the kernel on its way out, and one before its place
 * is free again. An old one keeps what it has. */
#define PAGE_OCTETS 4096
#define LARGE_PAGE_OCTETS 16384
#define LOG_OCTETS_MAX (16u << 20)

static int choose_pages(struct sqlite_store *store, const struct sqlite_store_options *options)
{
    char sql[128];
    snprintf(sql, sizeof sql, "PRAGMA page_size = %d", options->recent_octets_max ? LARGE_PAGE_OCTETS : PAGE_OCTETS);
    return execute(store, sql);
}

/* The same few pages are written again and again: the log of writes may grow before what is newest in it goes to their places. */
static int limit_pages(struct sqlite_store *store, const struct sqlite_store_options *options)
{
    char sql[128];
    int page_octets;
    int err = query_int(store, "PRAGMA page_size", &page_octets);
    if (err)
        return err;
    snprintf(sql, sizeof sql, "PRAGMA wal_autocheckpoint = %u", LOG_OCTETS_MAX / (unsigned)page_octets);
    err = execute(store, sql);
    if (err || !options->pages_max)
        return err;
    snprintf(sql, sizeof sql, "PRAGMA max_page_count = %llu",
             (unsigned long long)options->pages_max * PAGE_OCTETS / (unsigned)page_octets);
    return execute(store, sql);
}

static int set_up(struct sqlite_store *store, const struct sqlite_store_options *options)
{
    int code = sqlite3_open_v2(options->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return sqlite_err(store->db, code);
    sqlite3_extended_result_codes(store->db, 1);
    if (sqlite3_db_readonly(store->db, "main") == 1)
        return ERR_NO_SPACE;
    /* The exclusive mode keeps a second process out for as long as the database is open, and needs no shared memory. */
    int err = choose_pages(store, options);
    if (!err)
        err = execute(store, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                             "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; BEGIN IMMEDIATE; COMMIT");
    if (!err)
        err = limit_pages(store, options);
    if (!err)
        err = check_integrity(store);
    if (!err)
        err = check_schema(store);
    if (!err)
        err = prepare_statements(store);
    return err ? err : load_recent(store);
}

static void store_free(struct sqlite_store *store)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    buf_fini(&store->value);
    buf_fini(&store->encoded);
    rows_fini(&store->pending);
    rows_fini(&store->recent);
    mem_free(store->waiting.list);
    mem_free(store->called.list);
    mem_free(store);
}

int sqlite_store_open(const struct sqlite_store_options *options, struct sqlite_store **ret_store)
{
    struct sqlite_store *store = mem_alloc(sizeof *store);
    if (!store)
        return ERR_NO_MEMORY;
    store->log = options->log;
    store->wake = options->wake;
    store->wake_arg = options->wake_arg;
    buf_init(&store->value, VALUE_OCTETS_MAX);
    buf_init(&store->encoded, SIZE_MAX);
    uint64_t seed[2];
    sqlite3_randomness(sizeof seed, seed);
    rows_init(&store->pending, seed);
    rows_init(&store->recent, seed);
    store->recent_octets_max = options->recent_octets_max;
    sqlite_store_fill_port(store);
    int err = create_file(options->path);
    if (!err)
        err = set_up(store, options);
    if (err) {
        log_event(store->log, LEVEL_ERROR, "store.open.failed", "path=%s error=%s detail=\"%s\"", options->path,
                  err_name(err),
                  err == ERR_CONFLICT ? "another process has it open"
                  : err == ERR_SYNTAX ? "damaged, or no database: restore a backup, or move it away to begin empty"
                  : store->db && sqlite3_errcode(store->db) != SQLITE_OK ? sqlite3_errmsg(store->db)
                                                                         : err_text(err));
        store_free(store);
        return err;
    }
    *ret_store = store;
    return 0;
}

void sqlite_store_close(struct sqlite_store *store)
{
    if (!store)
        return;
    store->waiting.n = 0;
    sqlite_store_turn(store);
    if (store->recent.n && !sqlite_store_settle(store)) {
        store->awake = true;
        sqlite_store_turn(store);
    }
    store_free(store);
}
