/* The table of call records: durable before it is acknowledged, the identical record once, timers that survive a restart, and room for
 * many. */
#include "base/mem.h"
#include "pvp/vcr.h"
#include "store/memory.h"
#include "testing.h"

#include <stdio.h>

static const struct wall begin = {1767225600000};

struct world {
    struct memory_store *store;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct pvp_vcr_config config;
    struct pvp_vcr_table *table;
    struct now now;
};

static void open_table(struct world *w)
{
    assert_int_equal(pvp_vcr_table_new(&w->config, memory_store_kv(w->store), &w->entropy, NULL, w->now, &w->table), 0);
}

static void open_world(struct world *w)
{
    *w = (struct world){.config = PVP_VCR_CONFIG_DEFAULT, .seed = {3}, .now = {{0}, begin}};
    w->entropy = seeded_entropy_port(&w->seed);
    assert_int_equal(memory_store_new(&w->store), 0);
    open_table(w);
}

static void close_world(struct world *w)
{
    pvp_vcr_table_free(w->table);
    memory_store_free(w->store);
}

/* Another process, some time later: the monotonic clock begins anew. */
static void restart(struct world *w, int64_t later_ms)
{
    memory_store_crash(w->store);
    pvp_vcr_table_free(w->table);
    w->now = (struct now){{0}, wall_after_ms(w->now.wall, later_ms)};
    open_table(w);
}

static void pass_ms(struct world *w, int64_t ms)
{
    w->now.mono = mono_after_ms(w->now.mono, ms);
    w->now.wall = wall_after_ms(w->now.wall, ms);
}

static struct pvp_vcr_record record(enum pvp_direction direction, unsigned n)
{
    char text[32];
    struct pvp_vcr_record r = {.direction = direction,
                               .start = wall_after_ms(begin, -600000),
                               .stop = wall_after_ms(begin, -500000),
                               .vservice_id = 1,
                               .client = slice_str("pbx")};
    snprintf(text, sizeof text, "+49%u", 1000000 + n);
    assert_true(e164_parse(slice_str(text), &r.called));
    assert_true(e164_parse(slice_str("+4989"), &r.calling));
    return r;
}

static void note(void *arg, int err)
{
    *(int *)arg = err;
}

static int upload(struct world *w, const struct pvp_vcr_record *r)
{
    int done = 1;
    int err = pvp_vcr_upload(w->table, w->now, r, note, &done);
    assert_int_equal(done, 1); /* never from within */
    if (err)
        return err;
    memory_store_turn(w->store);
    assert_int_not_equal(done, 1);
    return done;
}

static struct pvp_vcr_totals totals(const struct world *w)
{
    struct pvp_vcr_totals t;
    pvp_vcr_table_totals(w->table, &t);
    return t;
}

static void test_acknowledged_means_durable(void **state)
{
    (void)state;
    struct world w;
    int done = 1;
    open_world(&w);
    struct pvp_vcr_record one = record(PVP_TERMINATING, 1);
    struct pvp_vcr_record two = record(PVP_TERMINATING, 2);
    assert_int_equal(upload(&w, &one), 0);
    assert_int_equal(pvp_vcr_upload(w.table, w.now, &two, note, &done), 0);
    assert_int_equal(totals(&w).terminating, 1); /* the second does not count yet */
    restart(&w, 0);
    assert_int_equal(done, 1);
    assert_int_equal(totals(&w).records, 1);

    memory_store_fail(w.store, 1, ERR_NO_SPACE);
    assert_int_equal(upload(&w, &two), ERR_NO_SPACE);
    memory_store_refuse(w.store, ERR_IO);
    assert_int_equal(upload(&w, &two), ERR_IO);
    memory_store_refuse(w.store, 0);
    assert_int_equal(totals(&w).records, 1);
    assert_int_equal(upload(&w, &two), 0);
    assert_int_equal(totals(&w).terminating, 2);
    close_world(&w);
}

static int compare(void *arg, const struct pvp_vcr *v)
{
    const struct pvp_vcr_record *expected = arg;
    struct pvp_vcr_record r;
    pvp_vcr_get(v, &r);
    assert_int_equal(r.direction, expected->direction);
    assert_string_equal(r.called.text, expected->called.text);
    assert_string_equal(r.calling.text, expected->calling.text);
    assert_int_equal(r.start.ms, expected->start.ms);
    assert_int_equal(r.stop.ms, expected->stop.ms);
    assert_true(r.vservice_id == expected->vservice_id);
    assert_slice_equal(r.client, expected->client);
    return 7;
}

static void test_all_fields_survive(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    struct pvp_vcr_record r = record(PVP_ORIGINATING, 1);
    assert_true(e164_parse(slice_str("+999999999999999"), &r.called));
    r.calling = (struct e164){0};
    r.vservice_id = UINT64_MAX;
    assert_int_equal(upload(&w, &r), 0);
    assert_int_equal(pvp_vcr_each(w.table, &r.called, compare, &r), 7);
    restart(&w, 1000);
    assert_int_equal(pvp_vcr_each(w.table, NULL, compare, &r), 7);
    close_world(&w);
}

static void test_the_identical_record_is_the_same(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    struct pvp_vcr_record r = record(PVP_ORIGINATING, 1);
    assert_int_equal(upload(&w, &r), 0);
    assert_int_equal(upload(&w, &r), 0);
    r.client = slice_str("the other pbx");
    assert_int_equal(upload(&w, &r), 0);
    assert_int_equal(totals(&w).records, 1);
    assert_int_equal(pvp_vcr_table_counters(w.table)->uploads_identical, 2);
    /* Twice before the first is written; both are acknowledged. */
    struct pvp_vcr_record other = record(PVP_ORIGINATING, 2);
    int done[2] = {1, 1};
    assert_int_equal(pvp_vcr_upload(w.table, w.now, &other, note, &done[0]), 0);
    assert_int_equal(pvp_vcr_upload(w.table, w.now, &other, note, &done[1]), 0);
    memory_store_turn(w.store);
    assert_int_equal(done[0] | done[1], 0);
    /* One differing millisecond is another call. */
    other.stop.ms++;
    assert_int_equal(upload(&w, &other), 0);
    assert_int_equal(totals(&w).records, 3);
    close_world(&w);
}

/* A finished record that is uploaded again is not validated again. */
static void test_an_end_is_not_undone_by_an_upload(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    struct pvp_vcr_record r = record(PVP_ORIGINATING, 1);
    assert_int_equal(upload(&w, &r), 0);
    pass_ms(&w, w.config.tv_max_ms);
    struct pvp_vcr *v = pvp_vcr_table_due(w.table, w.now);
    assert_non_null(v);
    assert_int_equal(pvp_vcr_finish(w.table, v, w.now, PVP_VCR_DONE, PVP_REASON_NONE, true), 0);
    memory_store_turn(w.store);
    assert_int_equal(upload(&w, &r), 0);
    assert_int_equal(pvp_vcr_state(v), PVP_VCR_DONE);
    restart(&w, w.config.tv_max_ms / 2);
    assert_null(pvp_vcr_table_due(w.table, w.now));
    assert_int_equal(totals(&w).records, 1);
    close_world(&w);
}

/* Tv is random between its bounds, and keeps its time over a restart. */
static void test_timer_tv(void **state)
{
    (void)state;
    struct world w;
    int64_t least = INT64_MAX;
    int64_t most = 0;
    open_world(&w);
    w.config.tv_max_ms = 90000;
    restart(&w, 0);
    for (unsigned i = 0; i < 1000; i++) {
        struct pvp_vcr_record r = record(PVP_ORIGINATING, i);
        assert_int_equal(upload(&w, &r), 0);
    }
    int64_t first = pvp_vcr_table_deadline(w.table).us;
    assert_null(pvp_vcr_table_due(w.table, (struct now){{first - 1}, w.now.wall}));
    restart(&w, 20000);
    assert_int_equal(pvp_vcr_table_deadline(w.table).us, first - 20000000);
    for (unsigned fired = 0; fired < 1000; fired++) {
        struct mono due = pvp_vcr_table_deadline(w.table);
        struct pvp_vcr *v = pvp_vcr_table_due(w.table, (struct now){due, w.now.wall});
        assert_non_null(v);
        assert_int_equal(pvp_vcr_state(v), PVP_VCR_LOOKING_UP);
        least = due.us < least ? due.us : least;
        most = due.us > most ? due.us : most;
    }
    assert_in_range(least, 10000000, 12000000); /* 30 to 90 s from the upload, of which 20 have passed */
    assert_in_range(most, 68000000, 70000000);
    assert_int_equal(totals(&w).active, 1000);
    assert_int_equal(totals(&w).pending, 0);
    close_world(&w);
}

/* Looked up or validated when the process died: it begins again. */
static void test_interrupted_work_waits_again(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    struct pvp_vcr_record r = record(PVP_ORIGINATING, 1);
    assert_int_equal(upload(&w, &r), 0);
    pass_ms(&w, w.config.tv_max_ms);
    pvp_vcr_validating(w.table, pvp_vcr_table_due(w.table, w.now));
    assert_int_equal(totals(&w).active, 1);
    restart(&w, 0);
    assert_int_equal(totals(&w).pending, 1);
    assert_non_null(pvp_vcr_table_due(w.table, w.now));
    close_world(&w);
}

static void test_retries_are_counted_and_postponements_are_not(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    w.config.tries_max = 2;
    restart(&w, 0);
    struct pvp_vcr_record r = record(PVP_ORIGINATING, 1);
    assert_int_equal(upload(&w, &r), 0);
    pass_ms(&w, w.config.tv_max_ms);
    for (int i = 0; i < 5; i++) {
        struct pvp_vcr *v = pvp_vcr_table_due(w.table, w.now);
        assert_int_equal(pvp_vcr_retry(w.table, v, w.now, 1000, PVP_REASON_SPACING, false), 0);
        memory_store_turn(w.store);
        restart(&w, 1000);
    }
    for (int i = 0; i < 3; i++) {
        struct pvp_vcr *v = pvp_vcr_table_due(w.table, w.now);
        assert_int_equal(pvp_vcr_retry(w.table, v, w.now, 1000, PVP_REASON_UNREACHABLE, true), 0);
        assert_int_equal(pvp_vcr_state(v), i < 2 ? PVP_VCR_WAITING : PVP_VCR_FAILED);
        memory_store_turn(w.store);
        restart(&w, 1000);
    }
    assert_null(pvp_vcr_table_due(w.table, w.now));
    close_world(&w);
}

static void test_what_is_kept_how_long(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    struct pvp_vcr_record terminating = record(PVP_TERMINATING, 1);
    struct pvp_vcr_record shorter = record(PVP_TERMINATING, 2);
    shorter.stop.ms = shorter.start.ms + 9999;
    assert_int_equal(upload(&w, &terminating), 0);
    assert_int_equal(upload(&w, &shorter), 0);
    assert_int_equal(pvp_vcr_table_counters(w.table)->uploads_too_short, 1);
    pass_ms(&w, w.config.keep_finished_ms);
    pvp_vcr_table_expire(w.table, w.now);
    assert_int_equal(totals(&w).records, 1);
    pass_ms(&w, w.config.keep_terminating_ms - w.config.keep_finished_ms - 1);
    assert_int_equal(pvp_vcr_table_expire(w.table, w.now).us, w.config.keep_terminating_ms * 1000);
    assert_int_equal(totals(&w).records, 1);
    pass_ms(&w, 1);
    assert_int_equal(pvp_vcr_table_expire(w.table, w.now).us, INT64_MAX);
    memory_store_turn(w.store);
    assert_int_equal(totals(&w).records, 0);
    assert_int_equal(memory_store_count(w.store, KV_PVP_VCR), 0);
    close_world(&w);
}

static void test_too_short_calls_are_not_validated(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    struct pvp_vcr_record r = record(PVP_ORIGINATING, 1);
    r.stop.ms = r.start.ms + 9999;
    assert_int_equal(upload(&w, &r), 0);
    r.stop.ms++;
    assert_int_equal(upload(&w, &r), 0);
    pass_ms(&w, w.config.tv_max_ms);
    assert_non_null(pvp_vcr_table_due(w.table, w.now));
    assert_null(pvp_vcr_table_due(w.table, w.now));
    close_world(&w);
}

static void test_limits(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    w.config.records_max = 3;
    w.config.records_per_client_max = 2;
    restart(&w, 0);
    struct pvp_vcr_record r[5];
    for (unsigned i = 0; i < 5; i++)
        r[i] = record(PVP_TERMINATING, i);
    assert_int_equal(upload(&w, &r[0]), 0);
    assert_int_equal(upload(&w, &r[1]), 0);
    assert_int_equal(upload(&w, &r[2]), ERR_LIMIT);
    assert_int_equal(upload(&w, &r[1]), 0); /* there already */
    r[2].client = slice_str("other");
    assert_int_equal(upload(&w, &r[2]), 0);
    r[3].client = slice_str("third");
    assert_int_equal(upload(&w, &r[3]), ERR_LIMIT);
    assert_int_equal(pvp_vcr_table_counters(w.table)->client_full, 1);
    assert_int_equal(pvp_vcr_table_counters(w.table)->table_full, 1);
    close_world(&w);
}

static void test_invalid_records(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    struct pvp_vcr_record r = record(PVP_TERMINATING, 1);
    r.stop.ms = r.start.ms - 1;
    assert_int_equal(upload(&w, &r), ERR_RANGE);
    r = record(PVP_TERMINATING, 1);
    r.called = (struct e164){"030"};
    assert_int_equal(upload(&w, &r), ERR_RANGE);
    r = record(PVP_TERMINATING, 1);
    r.client = slice_str("");
    assert_int_equal(upload(&w, &r), ERR_RANGE);
    r.client = slice_str("new\nline");
    assert_int_equal(upload(&w, &r), ERR_RANGE);
    r = record((enum pvp_direction)2, 1);
    assert_int_equal(upload(&w, &r), ERR_RANGE);
    assert_int_equal(pvp_vcr_table_counters(w.table)->uploads_invalid, 5);
    close_world(&w);
}

/* Whichever allocation fails: an error, nothing taken, and the next attempt works. */
static void test_allocation_failures(void **state)
{
    (void)state;
    struct pvp_vcr_record r = record(PVP_ORIGINATING, 1);
    bool reached_the_end = false;
    for (unsigned long nth = 1; !reached_the_end; nth++) {
        struct world w;
        int done = 1;
        open_world(&w);
        mem_fail_at(nth);
        int err = pvp_vcr_upload(w.table, w.now, &r, note, &done);
        if (!err)
            memory_store_turn(w.store);
        reached_the_end = !err && done == 0;
        mem_fail_at(0);
        if (!reached_the_end) {
            assert_int_equal(err ? err : done, ERR_NO_MEMORY);
            assert_int_equal(totals(&w).records, 0);
        }
        assert_int_equal(upload(&w, &r), 0);
        assert_int_equal(totals(&w).pending, 1);
        close_world(&w);
        assert_true(nth < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acknowledged_means_durable),
        cmocka_unit_test(test_all_fields_survive),
        cmocka_unit_test(test_the_identical_record_is_the_same),
        cmocka_unit_test(test_an_end_is_not_undone_by_an_upload),
        cmocka_unit_test(test_timer_tv),
        cmocka_unit_test(test_interrupted_work_waits_again),
        cmocka_unit_test(test_retries_are_counted_and_postponements_are_not),
        cmocka_unit_test(test_what_is_kept_how_long),
        cmocka_unit_test(test_too_short_calls_are_not_validated),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_invalid_records),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
