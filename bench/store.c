/* Durable uploads of call records, with every check, the table in memory and group commit, against bare SQLite that inserts the same
 * rows into the same schema with the same settings: both put BATCH rows into a transaction, as a turn of the loop does. */
#include "bench.h"

#include "pvp/vcr.h"
#include "store/sqlite.h"

#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 256, SAMPLE_OCTETS_MAX = 512 };

static void remove_database(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    char name[512];
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
}

static void database_path(const char *name, char *ret_path, size_t octets)
{
    const char *folder = getenv("IME_BUILD");
    snprintf(ret_path, octets, "%s/bench-%s.db", folder ? folder : ".", name);
    remove_database(ret_path);
}

/* ---- ours ---- */

struct uploads {
    char path[256];
    struct sqlite_store *store;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct pvp_vcr_table *table;
    uint64_t next;
    unsigned long acknowledged;
};

static void count_acknowledged(void *arg, int err)
{
    bench_need(err == 0, "the write of an upload");
    ((struct uploads *)arg)->acknowledged++;
}

/* Different calls of different callers to a thousand numbers. */
static struct pvp_vcr_record record_of(uint64_t n)
{
    struct pvp_vcr_record r = {.direction = PVP_TERMINATING,
                               .start = {INT64_C(1767225600000) + (int64_t)n * 100},
                               .stop = {INT64_C(1767225660000) + (int64_t)n * 137},
                               .vservice_id = 7,
                               .client = slice_str("pbx1")};
    snprintf(r.called.text, sizeof r.called.text, "+4930%06llu", (unsigned long long)(n % 1000));
    snprintf(r.calling.text, sizeof r.calling.text, "+1408%07llu", (unsigned long long)(n % 10000000));
    return r;
}

static void upload(void *arg, unsigned long times)
{
    struct uploads *u = arg;
    struct now now = {{1000000}, {INT64_C(1767312000000)}};
    for (unsigned long i = 0; i < times; i++) {
        u->acknowledged = 0;
        for (int k = 0; k < BATCH; k++) {
            struct pvp_vcr_record r = record_of(u->next++);
            bench_need(pvp_vcr_upload(u->table, now, &r, count_acknowledged, u) == 0, "an upload");
        }
        sqlite_store_turn(u->store);
        bench_need(u->acknowledged == BATCH, "the acknowledgement of every upload");
    }
}

static void uploads_init(struct uploads *u)
{
    struct now now = {{0}, {INT64_C(1767312000000)}};
    struct pvp_vcr_config config = PVP_VCR_CONFIG_DEFAULT;
    config.records_max = config.records_per_client_max = 100000000;
    database_path("store-ours", u->path, sizeof u->path);
    struct sqlite_store_options options = {.path = u->path};
    bench_need(sqlite_store_open(&options, &u->store) == 0, "opening the store");
    u->entropy = seeded_entropy_port(&u->seed);
    bench_need(pvp_vcr_table_new(&config, sqlite_store_kv(u->store), &u->entropy, NULL, now, &u->table) == 0,
               "the table");
}

static void uploads_fini(struct uploads *u)
{
    sqlite_store_turn(u->store);
    pvp_vcr_table_free(u->table);
    sqlite_store_close(u->store);
    remove_database(u->path);
}

/* ---- bare SQLite ---- */

struct bare {
    char path[256];
    sqlite3 *db;
    sqlite3_stmt *begin, *insert, *commit;
    struct seeded_entropy keys; /* as unordered as our digests */
    uint8_t value[SAMPLE_OCTETS_MAX];
    size_t value_octets;
};

static void step(sqlite3_stmt *statement)
{
    bench_need(sqlite3_step(statement) == SQLITE_DONE && sqlite3_reset(statement) == SQLITE_OK, "an SQLite statement");
}

static void insert(void *arg, unsigned long times)
{
    struct bare *b = arg;
    for (unsigned long i = 0; i < times; i++) {
        step(b->begin);
        for (int k = 0; k < BATCH; k++) {
            uint8_t key[16];
            seeded_entropy_fill(&b->keys, key, sizeof key);
            sqlite3_bind_int(b->insert, 1, KV_PVP_VCR);
            sqlite3_bind_blob(b->insert, 2, key, sizeof key, SQLITE_STATIC);
            sqlite3_bind_blob(b->insert, 3, b->value, (int)b->value_octets, SQLITE_STATIC);
            step(b->insert);
        }
        step(b->commit);
    }
}

static void prepare(struct bare *b, const char *sql, sqlite3_stmt **ret_statement)
{
    bench_need(sqlite3_prepare_v2(b->db, sql, -1, ret_statement, NULL) == SQLITE_OK, sql);
}

static void bare_init(struct bare *b)
{
    database_path("store-bare", b->path, sizeof b->path);
    bench_need(sqlite3_open(b->path, &b->db) == SQLITE_OK, "opening a database");
    bench_need(sqlite3_exec(b->db,
                            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                            "CREATE TABLE kv (tbl INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
                            " PRIMARY KEY (tbl, key)) WITHOUT ROWID",
                            NULL, NULL, NULL) == SQLITE_OK,
               "the schema");
    prepare(b, "BEGIN IMMEDIATE", &b->begin);
    prepare(b, "INSERT INTO kv (tbl, key, value) VALUES (?1, ?2, ?3)", &b->insert);
    prepare(b, "COMMIT", &b->commit);
}

static void bare_fini(struct bare *b)
{
    sqlite3_finalize(b->begin);
    sqlite3_finalize(b->insert);
    sqlite3_finalize(b->commit);
    sqlite3_close(b->db);
    remove_database(b->path);
}

/* A row as ours writes it, for the other side to write. */
static int take_sample(void *arg, struct slice key, struct slice value)
{
    struct bare *b = arg;
    bench_need(key.n == 16 && value.n <= sizeof b->value, "a row of the expected size");
    memcpy(b->value, value.p, value.n);
    b->value_octets = value.n;
    return 1;
}

int main(void)
{
    static struct uploads ours = {.seed = {1}};
    static struct bare bare = {.keys = {2}};
    uploads_init(&ours);
    bare_init(&bare);
    upload(&ours, 1);
    bench_need(kv_scan(sqlite_store_kv(ours.store), KV_PVP_VCR, take_sample, &bare) == 1, "a row");

    struct bench_side subject = {"durable VCR upload", upload, &ours, BATCH};
    struct bench_side baseline = {"bare SQLite batch insert", insert, &bare, BATCH};
    bool good = bench_compare(&subject, &baseline, RATE_AT_LEAST, 0.5, 4);
    uploads_fini(&ours);
    bare_fini(&bare);
    return !good;
}
