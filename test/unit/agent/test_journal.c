/* Call records: bounded, found again by number and Call-ID, there after a restart. */
#include "agent/journal.h"
#include "store/memory.h"
#include "testing.h"

#include <stdio.h>

#define MAX 10

static struct memory_store *store;
static struct call_journal *journal;
static const struct now then = {{0}, {INT64_C(1700000000000)}};

static void open_journal(void)
{
    assert_int_equal(call_journal_new(memory_store_kv(store), MAX, then, &journal), 0);
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(memory_store_new(&store), 0);
    open_journal();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    call_journal_free(journal);
    memory_store_free(store);
    return 0;
}

static struct call_record record_of(unsigned i)
{
    struct call_record r = {.direction = CALL_OUTBOUND,
                            .from = AGENT_PBX,
                            .to = AGENT_PSTN,
                            .begun_at = {then.wall.ms + i},
                            .answered_at = {then.wall.ms + 1000},
                            .ended_at = {then.wall.ms + 61000},
                            .status = 200,
                            .ended_by = "the caller",
                            .step_count = 1};
    snprintf(r.called.text, sizeof r.called.text, "+4930200%04u", i % 10000);
    snprintf(r.calling.text, sizeof r.calling.text, "+49301001234");
    snprintf(r.call_id, sizeof r.call_id, "call-%u", i);
    r.steps[0] = (struct call_step){.side = AGENT_IME, .cause = AGENT_CAUSE_INVALID_TICKET, .status = 403};
    snprintf(r.steps[0].text, sizeof r.steps[0].text, "b.example");
    return r;
}

static void write_records(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        struct call_record r = record_of(i);
        call_journal_write(journal, &r);
        assert_int_equal(r.sequence, i + 1);
    }
    call_journal_flush(journal);
    memory_store_turn(store);
}

static bool count(void *ctx, const struct call_record *r)
{
    (void)r;
    ++*(unsigned *)ctx;
    return true;
}

static bool take(void *ctx, const struct call_record *r)
{
    *(struct call_record *)ctx = *r;
    return false;
}

static unsigned found(const char *sought)
{
    unsigned n = 0;
    call_journal_find(journal, slice_str(sought), count, &n);
    return n;
}

static void the_oldest_give_way(void **state)
{
    (void)state;
    write_records(0, 3 * MAX);
    assert_int_equal(call_journal_count(journal), MAX);
    assert_int_equal(memory_store_count(store, KV_AGENT_CALL), MAX);
    assert_int_equal(found("call-19"), 0);
    assert_int_equal(found("call-20"), 1);
    assert_int_equal(found("+49302000029"), 1);
    assert_int_equal(found("+49301001234"), MAX);
    assert_int_equal(found("call-2"), 0); /* no part of one */
}

static void there_after_a_restart(void **state)
{
    struct call_record before = record_of(4), after = {0};
    (void)state;
    write_records(0, 5);
    call_journal_free(journal);
    open_journal();
    call_journal_each(journal, take, &after);
    before.sequence = 5;
    assert_memory_equal(&before, &after, sizeof before);
    write_records(5, 6); /* numbers go on */
}

/* What is in the store may have been damaged, or be of another version: it is left out. */
static void damaged_rows(void **state)
{
    const struct kv *kv = memory_store_kv(store);
    (void)state;
    write_records(0, 3);
    static const uint8_t keys[][8] = {{0, 0, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 2}};
    kv_put(kv, KV_AGENT_CALL, slice_of(keys[0], 8), slice_str("\001\377"));
    kv_put(kv, KV_AGENT_CALL, slice_of(keys[1], 8), slice_str("\377"));
    kv_put(kv, KV_AGENT_CALL, slice_str("key"), slice_str("x"));
    kv_commit(kv, NULL, NULL);
    memory_store_turn(store);
    call_journal_free(journal);
    open_journal();
    assert_int_equal(call_journal_count(journal), 1);
}

static void calls_of_a_crash_are_closed(void **state)
{
    struct call_record r = record_of(0), after = {0};
    (void)state;
    r.ended_at = (struct wall){0};
    r.ended_by[0] = 0;
    call_journal_write(journal, &r);
    call_journal_flush(journal);
    memory_store_turn(store);
    call_journal_free(journal);
    open_journal();
    call_journal_each(journal, take, &after);
    assert_int_equal(after.ended_at.ms, then.wall.ms);
    assert_string_equal(after.ended_by, "the agent: it was not running any longer");
}

static void a_full_disk_costs_records_only(void **state)
{
    (void)state;
    memory_store_refuse(store, ERR_NO_SPACE);
    write_records(0, 3);
    assert_int_equal(found("+49301001234"), 3);
    memory_store_refuse(store, 0);
}

static void in_words(void **state)
{
    struct call_record r = record_of(7);
    struct buf text, expected;
    (void)state;
    buf_init(&text, 4096);
    buf_init(&expected, 4096);
    call_record_explain(&r, &text);
    buf_str(&expected, "2023-11-14T22:13:20Z: +49301001234 called +49302000007; it went by the phone network.\n"
                       "- direct: b.example, answered with 403; cause 147, the other side did not take the ticket\n"
                       "Answered 2023-11-14T22:13:21Z; ended 2023-11-14T22:14:21Z by the caller.\n");
    buf_printf(&expected, "Cause 147: %s\n", agent_cause_advice(AGENT_CAUSE_INVALID_TICKET));
    assert_string_equal(buf_text(&text), buf_text(&expected));
    buf_fini(&text);
    buf_fini(&expected);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_oldest_give_way),         CASE(there_after_a_restart),          CASE(damaged_rows),
        CASE(calls_of_a_crash_are_closed), CASE(a_full_disk_costs_records_only), CASE(in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
