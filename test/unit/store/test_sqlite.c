/* The store on SQLite over real files: what was reported durable is there after a killed process, and nothing was reported that is not;
 * full and read-only disks; two processes; damage. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite.h"
#include "testing.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

struct place {
    char folder[64];
    char path[80];
    char events[4096]; /* event names that were logged */
    struct log log;
    unsigned wakes;
    size_t recent_octets_max;
};

struct outcome {
    unsigned calls;
    int err;
};

static void note(void *arg, int err)
{
    struct outcome *outcome = arg;
    outcome->calls++;
    outcome->err = err;
}

static void note_event(void *ctx, enum log_level level, const char *event, const char *text)
{
    struct place *place = ctx;
    (void)level;
    (void)text;
    size_t n = strlen(place->events);
    snprintf(place->events + n, sizeof place->events - n, "%s ", event);
}

static void note_wake(void *arg)
{
    ((struct place *)arg)->wakes++;
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/ime-store-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/store.db", place->folder);
    place->log = (struct log){note_event, place, LEVEL_DEBUG};
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", place->path, suffixes[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(place->folder), 0);
    free(place);
    return 0;
}

static int open_place(struct place *place, uint32_t pages_max, struct sqlite_store **ret_store)
{
    const struct sqlite_store_options options = {.path = place->path,
                                                 .log = &place->log,
                                                 .wake = note_wake,
                                                 .wake_arg = place,
                                                 .pages_max = pages_max,
                                                 .recent_octets_max = place->recent_octets_max};
    return sqlite_store_open(&options, ret_store);
}

static struct sqlite_store *open_store(struct place *place)
{
    struct sqlite_store *store;
    assert_int_equal(open_place(place, 0, &store), 0);
    return store;
}

static struct slice number_key(const unsigned *number, char *text)
{
    return slice_of(text, (size_t)sprintf(text, "%08u", *number));
}

static int put_number(const struct kv *kv, unsigned number, struct slice value)
{
    char text[16];
    return kv_put(kv, KV_PVP_VCR, number_key(&number, text), value);
}

static bool has_number(const struct kv *kv, unsigned number)
{
    char text[16];
    struct slice value;
    return kv_get(kv, KV_PVP_VCR, number_key(&number, text), &value) == 0;
}

static void test_reopen(void **state)
{
    struct place *place = *state;
    struct sqlite_store *store = open_store(place);
    const struct kv *kv = sqlite_store_kv(store);
    struct outcome outcome = {0, 1};
    struct slice value;
    assert_int_equal(kv_put(kv, KV_ROUTE, slice_str("k"), slice_str("v1")), 0);
    assert_int_equal(kv_put(kv, KV_ROUTE, slice_str("k"), slice_str("v2")), 0);
    assert_int_equal(kv_put(kv, KV_ROUTE, slice_of(NULL, 0), slice_of(NULL, 0)), 0);
    assert_int_equal(kv_put(kv, KV_NUMBERS, slice_str("k"), slice_str("another table")), 0);
    kv_commit(kv, note, &outcome);
    assert_int_equal(outcome.calls, 0);
    assert_int_equal(place->wakes, 1);
    sqlite_store_turn(store);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.err, 0);
    assert_int_equal(kv_remove(kv, KV_NUMBERS, slice_str("k")), 0);
    sqlite_store_turn(store);
    assert_int_equal(sqlite_store_counters(store)->transactions, 2);
    assert_int_equal(sqlite_store_counters(store)->rows_written, 4); /* the one that was put twice is written once */
    sqlite_store_close(store);

    struct stat status;
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    store = open_store(place);
    kv = sqlite_store_kv(store);
    assert_int_equal(kv_get(kv, KV_ROUTE, slice_str("k"), &value), 0);
    assert_slice_text(value, "v2");
    assert_int_equal(kv_get(kv, KV_ROUTE, slice_of(NULL, 0), &value), 0);
    assert_int_equal(value.n, 0);
    assert_int_equal(kv_get(kv, KV_NUMBERS, slice_str("k"), &value), ERR_NOT_FOUND);
    sqlite_store_close(store);
}

/* The core that waits is gone when its store is closed; what it wrote is kept. */
static void test_close_commits_and_calls_nobody(void **state)
{
    struct place *place = *state;
    struct sqlite_store *store = open_store(place);
    const struct kv *kv = sqlite_store_kv(store);
    struct outcome outcome = {0, 1};
    struct slice value;
    assert_int_equal(kv_put(kv, KV_ROUTE, slice_str("k"), slice_str("v")), 0);
    kv_commit(kv, note, &outcome);
    sqlite_store_close(store);
    assert_int_equal(outcome.calls, 0);
    store = open_store(place);
    assert_int_equal(kv_get(sqlite_store_kv(store), KV_ROUTE, slice_str("k"), &value), 0);
    assert_slice_text(value, "v");
    sqlite_store_close(store);
}

static void test_group_commit_is_one_transaction(void **state)
{
    struct place *place = *state;
    struct sqlite_store *store = open_store(place);
    const struct kv *kv = sqlite_store_kv(store);
    struct outcome outcomes[100] = {{0, 0}};
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(put_number(kv, i, slice_str("row")), 0);
        kv_commit(kv, note, &outcomes[i]);
    }
    assert_int_equal(place->wakes, 1);
    sqlite_store_turn(store);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(outcomes[i].calls, 1);
        assert_int_equal(outcomes[i].err, 0);
    }
    assert_int_equal(sqlite_store_counters(store)->transactions, 1);
    sqlite_store_close(store);
}

static int count_row(void *arg, struct slice key, struct slice value)
{
    (void)key;
    (void)value;
    return ++*(int *)arg == 3 ? 42 : 0;
}

static void test_scan(void **state)
{
    struct place *place = *state;
    struct sqlite_store *store = open_store(place);
    const struct kv *kv = sqlite_store_kv(store);
    int rows = 0;
    assert_int_equal(kv_scan(kv, KV_PVP_VCR, count_row, &rows), 0);
    assert_int_equal(rows, 0);
    put_number(kv, 1, slice_str("a"));
    put_number(kv, 2, slice_str("b"));
    assert_int_equal(kv_scan(kv, KV_PVP_VCR, count_row, &rows), 0);
    assert_int_equal(rows, 2);
    put_number(kv, 3, slice_str("c"));
    rows = 0;
    assert_int_equal(kv_scan(kv, KV_PVP_VCR, count_row, &rows), 42);
    sqlite_store_close(store);
}

/* In a child: writes numbers in small transactions and reports each over the pipe once it is durable, until it is killed. */
static void write_until_killed(struct place *place, int reports)
{
    struct sqlite_store *store;
    if (open_place(place, 0, &store) != 0)
        _exit(2);
    const struct kv *kv = sqlite_store_kv(store);
    uint8_t value[300] = {1};
    unsigned first = 0;
    while (has_number(kv, first))
        first++;
    for (unsigned i = first;; i++) {
        struct outcome outcome = {0, 1};
        if (put_number(kv, i, slice_of(value, sizeof value)) != 0)
            _exit(3);
        kv_commit(kv, note, &outcome);
        /* Between the commit and the turn lies what may be lost, but never reported. */
        sqlite_store_turn(store);
        if (outcome.calls != 1 || outcome.err)
            _exit(4);
        if (write(reports, &i, sizeof i) != (ssize_t)sizeof i)
            _exit(0);
    }
}

static void nothing_reported_is_lost_when_killed(struct place *place)
{
    unsigned reported = 0;
    for (unsigned round = 0; round < 20; round++) {
        int reports[2];
        assert_int_equal(pipe(reports), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(reports[0]);
            write_until_killed(place, reports[1]);
        }
        close(reports[1]);
        unsigned number, seen = 0;
        while (seen < 3 + round * 7 && read(reports[0], &number, sizeof number) == (ssize_t)sizeof number) {
            assert_int_equal(number, reported);
            reported = number + 1;
            seen++;
        }
        assert_int_equal(seen, 3 + round * 7);
        kill(child, SIGKILL);
        while (read(reports[0], &number, sizeof number) == (ssize_t)sizeof number)
            reported = number + 1;
        close(reports[0]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct sqlite_store *store = open_store(place);
        const struct kv *kv = sqlite_store_kv(store);
        for (unsigned i = 0; i < reported; i++)
            assert_true(has_number(kv, i));
        /* At most the one whose report the kill cut off is there beyond. */
        assert_false(has_number(kv, reported + 1));
        if (has_number(kv, reported))
            reported++;
        sqlite_store_close(store);
    }
}

static void test_nothing_reported_is_lost_when_killed(void **state)
{
    nothing_reported_is_lost_when_killed(*state);
}

/* So little may be recent that rows go to the table in the midst of a round, too. */
static void test_nothing_recent_is_lost_when_killed(void **state)
{
    struct place *place = *state;
    place->recent_octets_max = 10 * 400;
    nothing_reported_is_lost_when_killed(place);
}

static void full_disk(struct place *place)
{
    struct sqlite_store *store;
    assert_int_equal(open_place(place, 20, &store), 0);
    const struct kv *kv = sqlite_store_kv(store);
    uint8_t value[3000] = {7};
    unsigned durable = 0;
    int err = 0;
    for (unsigned i = 0; i < 100 && !err; i++) {
        struct outcome outcome = {0, 1};
        int refused = put_number(kv, i, slice_of(value, sizeof value));
        kv_commit(kv, note, &outcome);
        sqlite_store_turn(store);
        assert_int_equal(outcome.calls, 1);
        if (refused)
            assert_int_equal(refused, outcome.err);
        err = outcome.err;
        durable += err == 0;
    }
    assert_int_equal(err, ERR_NO_SPACE);
    assert_true(durable > 5);
    assert_string_equal(place->events, "store.write.failed ");

    /* All who wrote in a doomed turn are told, also those whose own write had succeeded, or came later. */
    struct outcome before = {0, 1}, after = {0, 1};
    assert_int_equal(kv_remove(kv, KV_PVP_VCR, slice_str("00000000")), 0);
    kv_commit(kv, note, &before);
    assert_int_equal(put_number(kv, 1000, slice_of(value, sizeof value)), 0);
    for (unsigned i = 1001; i < 1010; i++)
        (void)put_number(kv, i, slice_of(value, sizeof value));
    kv_commit(kv, note, &after);
    sqlite_store_turn(store);
    assert_int_equal(before.err, ERR_NO_SPACE);
    assert_int_equal(after.err, ERR_NO_SPACE);
    assert_true(has_number(kv, 0));
    assert_false(has_number(kv, 1000));
    assert_int_equal(sqlite_store_counters(store)->transactions_failed, 2);

    /* Room again: the store goes on by itself. */
    struct outcome again = {0, 1};
    assert_int_equal(kv_remove(kv, KV_PVP_VCR, slice_str("00000000")), 0);
    kv_commit(kv, note, &again);
    sqlite_store_turn(store);
    assert_int_equal(again.err, 0);
    assert_string_equal(place->events, "store.write.failed store.write.recovered ");
    sqlite_store_close(store);

    store = open_store(place);
    for (unsigned i = 1; i < durable; i++)
        assert_true(has_number(sqlite_store_kv(store), i));
    sqlite_store_close(store);
}

static void test_full_disk(void **state)
{
    full_disk(*state);
}

static void test_full_disk_with_recent_rows(void **state)
{
    struct place *place = *state;
    place->recent_octets_max = 12000;
    full_disk(place);
}

/* ---- recent rows ---- */

static int note_scanned(void *arg, struct slice key, struct slice value)
{
    struct buf *text = arg;
    buf_slice_put(text, key);
    buf_str(text, "=");
    buf_slice_put(text, value);
    buf_str(text, " ");
    return 0;
}

static void assert_rows(const struct kv *kv, const char *expected)
{
    struct buf text;
    buf_init(&text, 4096);
    assert_int_equal(kv_scan(kv, KV_ROUTE, note_scanned, &text), 0);
    assert_string_equal(buf_text(&text), expected);
    buf_fini(&text);
}

static void put_text(const struct kv *kv, const char *key, const char *value)
{
    assert_int_equal(
        value ? kv_put(kv, KV_ROUTE, slice_str(key), slice_str(value)) : kv_remove(kv, KV_ROUTE, slice_str(key)), 0);
}

static void assert_value(const struct kv *kv, const char *key, const char *value)
{
    struct slice found;
    int err = kv_get(kv, KV_ROUTE, slice_str(key), &found);
    assert_int_equal(err, value ? 0 : ERR_NOT_FOUND);
    if (value)
        assert_slice_text(found, value);
}

/* The newest of the three places where a row may be counts. */
static void test_recent_rows_are_seen(void **state)
{
    struct place *place = *state;
    struct sqlite_store *store = open_store(place);
    put_text(sqlite_store_kv(store), "in the table", "1");
    put_text(sqlite_store_kv(store), "removed soon", "1");
    sqlite_store_close(store);

    place->recent_octets_max = 1 << 20;
    store = open_store(place);
    const struct kv *kv = sqlite_store_kv(store);
    put_text(kv, "recent", "1");
    put_text(kv, "replaced", "1");
    put_text(kv, "removed soon", NULL);
    sqlite_store_turn(store);
    put_text(kv, "replaced", "2");
    put_text(kv, "pending", "1");
    assert_value(kv, "in the table", "1");
    assert_value(kv, "recent", "1");
    assert_value(kv, "replaced", "2");
    assert_value(kv, "pending", "1");
    assert_value(kv, "removed soon", NULL);
    assert_rows(kv, "in the table=1 pending=1 recent=1 replaced=2 ");
    put_text(kv, "pending", NULL);
    assert_value(kv, "recent", "1");
    assert_value(kv, "pending", NULL);
    sqlite_store_turn(store);
    assert_rows(kv, "in the table=1 recent=1 replaced=2 ");
    sqlite_store_close(store);
}

/* Rows that come and go beside those of the table, before, between and behind its keys; there is another table, with nothing in it. */
static void test_removed_rows_are_gone(void **state)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    struct place *place = *state;
    place->recent_octets_max = 1 << 20;
    struct sqlite_store *store = open_store(place);
    const struct kv *kv = sqlite_store_kv(store);
    put_text(kv, "b", "1");
    put_text(kv, "d", "1");
    assert_rows(kv, "b=1 d=1 ");
    for (unsigned i = 0; i < 5; i++)
        put_text(kv, keys[i], "2");
    kv_put(kv, KV_AGENT_CALL, slice_str("a"), slice_str("1"));
    sqlite_store_turn(store);
    for (unsigned i = 0; i < 5; i++)
        put_text(kv, keys[i], NULL);
    kv_remove(kv, KV_AGENT_CALL, slice_str("a"));
    sqlite_store_turn(store);
    put_text(kv, "f", "1");
    put_text(kv, "g", NULL);
    assert_rows(kv, "f=1 ");
    sqlite_store_close(store);
    store = open_store(place);
    assert_rows(sqlite_store_kv(store), "f=1 ");
    sqlite_store_close(store);
}

/* Dies with rows in each place. */
static void die_with_recent_rows(struct place *place)
{
    struct sqlite_store *store;
    if (open_place(place, 0, &store) != 0)
        _exit(2);
    const struct kv *kv = sqlite_store_kv(store);
    static const char *const written[][2] = {{"b", "1"}, {"a", NULL}, {"b", "2"}, {"c", "1"}, {"c", NULL}, {"d", "1"}};
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        struct outcome outcome = {0, 1};
        put_text(kv, written[i][0], written[i][1]);
        kv_commit(kv, note, &outcome);
        sqlite_store_turn(store);
        if (outcome.err)
            _exit(3);
    }
    put_text(kv, "e", "not durable");
    _exit(0);
}

static void test_recent_rows_are_found_again(void **state)
{
    struct place *place = *state;
    struct sqlite_store *store = open_store(place);
    put_text(sqlite_store_kv(store), "a", "1");
    sqlite_store_close(store);
    place->recent_octets_max = 1 << 20;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        die_with_recent_rows(place);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    store = open_store(place);
    assert_value(sqlite_store_kv(store), "a", NULL);
    assert_value(sqlite_store_kv(store), "b", "2");
    put_text(sqlite_store_kv(store), "d", "2");
    assert_rows(sqlite_store_kv(store), "b=2 d=2 ");
    sqlite_store_close(store);

    /* Whoever keeps nothing recent finds all in the table. */
    place->recent_octets_max = 0;
    store = open_store(place);
    assert_rows(sqlite_store_kv(store), "b=2 d=2 ");
    sqlite_store_close(store);
}

/* What was written before a version with recent rows is taken on. */
static void test_earlier_version(void **state)
{
    struct place *place = *state;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TABLE kv (tbl INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
                                  " PRIMARY KEY (tbl, key)) WITHOUT ROWID;"
                                  "INSERT INTO kv VALUES (50, x'61', x'31');"
                                  "PRAGMA application_id = 0x494d4531; PRAGMA user_version = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    for (unsigned i = 0; i < 2; i++) {
        struct sqlite_store *store = open_store(place);
        assert_rows(sqlite_store_kv(store), "a=1 ");
        sqlite_store_close(store);
    }
}

/* A string of recent rows that says nothing is damage. */
static void test_damaged_recent_rows(void **state)
{
    static const char *const strings[] = {"x'3200000000016100000001'", "x'320200000001610000000131'", "x'32'"};
    struct place *place = *state;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        struct sqlite_store *store = open_store(place);
        sqlite_store_close(store);
        sqlite3 *db;
        char sql[128];
        snprintf(sql, sizeof sql, "DELETE FROM recent; INSERT INTO recent (rows) VALUES (%s)", strings[i]);
        assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(open_place(place, 0, &store), ERR_SYNTAX);
        assert_int_equal(unlink(place->path), 0);
    }
}

/* More than may wait in memory goes to the transaction before its end, and is taken back with it. */
static void test_large_turn(void **state)
{
    struct place *place = *state;
    struct sqlite_store *store;
    assert_int_equal(open_place(place, 3000, &store), 0);
    const struct kv *kv = sqlite_store_kv(store);
    static const uint8_t value[100000];
    for (unsigned round = 0; round < 2; round++) {
        struct outcome outcome = {0, 1};
        for (unsigned i = 0; i < 60 + 60 * round; i++)
            (void)put_number(kv, 1000 * round + i, slice_of(value, sizeof value));
        assert_int_equal(has_number(kv, 1000 * round), round == 0);
        kv_commit(kv, note, &outcome);
        sqlite_store_turn(store);
        assert_int_equal(outcome.calls, 1);
        assert_int_equal(outcome.err, round ? ERR_NO_SPACE : 0);
    }
    assert_true(has_number(kv, 0) && has_number(kv, 59));
    assert_int_equal(sqlite_store_counters(store)->rows_written, 60);
    sqlite_store_close(store);
}

/* Root may write anywhere: the child gives that up. Returns its exit status. */
static int as_nobody(struct place *place, void (*fn)(struct place *place))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(99);
        fn(place);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static void open_and_exit(struct place *place)
{
    struct sqlite_store *store;
    _exit(-open_place(place, 0, &store));
}

static void test_read_only(void **state)
{
    struct place *place = *state;
    assert_int_equal(chmod(place->folder, 0555), 0);
    assert_int_equal(as_nobody(place, open_and_exit), -ERR_FORBIDDEN); /* cannot create */
    assert_int_equal(chmod(place->folder, 0700), 0);
    struct sqlite_store *store = open_store(place);
    sqlite_store_close(store);
    assert_int_equal(chmod(place->folder, 0755), 0);
    assert_int_equal(chmod(place->path, 0444), 0);
    assert_int_equal(as_nobody(place, open_and_exit), -ERR_NO_SPACE); /* can read, cannot write */
    assert_int_equal(chmod(place->folder, 0700), 0);
}

static void open_a_second_time(struct place *place)
{
    open_and_exit(place);
}

static void test_two_processes(void **state)
{
    struct place *place = *state;
    struct sqlite_store *store = open_store(place);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        open_a_second_time(place);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), -ERR_CONFLICT);
    sqlite_store_close(store);
    sqlite_store_close(open_store(place));
}

static void overwrite(struct place *place, off_t at, const char *text)
{
    int fd = open(place->path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, text, strlen(text), at), (ssize_t)strlen(text));
    close(fd);
}

static void test_damage(void **state)
{
    struct place *place = *state;
    struct sqlite_store *store;
    overwrite(place, 0, "this is a text of some length, and not a database of any kind. ");
    assert_int_equal(open_place(place, 0, &store), ERR_SYNTAX);
    assert_string_equal(place->events, "store.open.failed ");
    assert_int_equal(unlink(place->path), 0);

    store = open_store(place);
    for (unsigned i = 0; i < 200; i++)
        put_number(sqlite_store_kv(store), i, slice_str("a value of a few octets"));
    sqlite_store_close(store);
    overwrite(place, 4096 * 3 + 10, "garbage in the middle of a page of the table");
    assert_int_equal(open_place(place, 0, &store), ERR_SYNTAX);
}

static void test_later_version(void **state)
{
    struct place *place = *state;
    struct sqlite_store *store = open_store(place);
    sqlite_store_close(store);
    /* The user version lies at octet 60 of the header (SQLite's file format, 1.3). */
    int fd = open(place->path, O_RDWR);
    assert_int_equal(pwrite(fd, "\0\0\0\3", 4, 60), 4);
    close(fd);
    assert_int_equal(open_place(place, 0, &store), ERR_UNSUPPORTED);
    assert_non_null(strstr(place->events, "store.version"));
}

static void test_no_folder(void **state)
{
    struct place *place = *state;
    struct sqlite_store *store;
    struct place other = *place;
    other.log.ctx = &other;
    snprintf(other.path, sizeof other.path, "%s/none/x.db", place->folder);
    assert_int_equal(open_place(&other, 0, &store), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reopen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_commits_and_calls_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_group_commit_is_one_transaction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_scan, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_reported_is_lost_when_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_recent_is_lost_when_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk_with_recent_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_recent_rows_are_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removed_rows_are_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_recent_rows_are_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_earlier_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_recent_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_processes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_later_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_folder, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
