/* Notes about numbers: kept in order, bounded per number and in all, durable. */
#include "base/buf.h"
#include "base/mem.h"
#include "server/journal.h"
#include "store/memory.h"
#include "testing.h"

#include <stdio.h>

struct world {
    struct memory_store *store;
    const struct kv *kv;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct journal *journal;
};

static struct now at(int64_t ms)
{
    return (struct now){{ms * 1000}, {1772366400000 + ms}};
}

static struct e164 e164(const char *text)
{
    struct e164 number;
    assert_true(e164_parse(slice_str(text), &number));
    return number;
}

static int setup(void **state)
{
    static struct world w;
    w = (struct world){.seed = {5}};
    w.entropy = seeded_entropy_port(&w.seed);
    assert_int_equal(memory_store_new(&w.store), 0);
    w.kv = memory_store_kv(w.store);
    assert_int_equal(journal_new(w.kv, &w.entropy, &w.journal), 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    journal_free(w->journal);
    memory_store_free(w->store);
    return 0;
}

static void restart(struct world *w)
{
    journal_free(w->journal);
    assert_int_equal(journal_new(w->kv, &w->entropy, &w->journal), 0);
}

static void collect(void *ctx, struct wall when, const char *text)
{
    buf_printf(ctx, "%lld %s|", (long long)(when.ms - 1772366400000), text);
}

static void assert_notes(struct world *w, const char *number, const char *expected)
{
    struct buf text;
    struct e164 of = e164(number);
    buf_init(&text, 65536);
    journal_each(w->journal, &of, collect, &text);
    assert_string_equal(buf_text(&text), expected);
    buf_fini(&text);
}

static void note(struct world *w, int64_t ms, const char *number, const char *text)
{
    struct e164 of = e164(number);
    journal_note(w->journal, at(ms), &of, "%s", text);
    memory_store_turn(w->store);
}

static void test_notes_stay_in_order(void **state)
{
    struct world *w = *state;
    note(w, 1, "+491", "one");
    note(w, 2, "+4911", "of another number");
    note(w, 3, "+491", "two");
    note(w, 3, "+491", "three");
    assert_notes(w, "+491", "1 one|3 two|3 three|");
    assert_notes(w, "+4911", "2 of another number|");
    assert_notes(w, "+49111", "");
    assert_int_equal(journal_numbers(w->journal), 2);
    restart(w);
    assert_notes(w, "+491", "1 one|3 two|3 three|");
    note(w, 4, "+491", "four");
    restart(w);
    assert_notes(w, "+491", "1 one|3 two|3 three|4 four|");
}

static void test_what_was_not_committed_is_lost(void **state)
{
    struct world *w = *state;
    note(w, 1, "+491", "one");
    struct e164 of = e164("+491");
    journal_note(w->journal, at(2), &of, "two");
    assert_notes(w, "+491", "1 one|2 two|");
    memory_store_crash(w->store);
    restart(w);
    assert_notes(w, "+491", "1 one|");
}

static void test_long_notes_are_cut(void **state)
{
    struct world *w = *state;
    char text[1000];
    memset(text, 'x', sizeof text);
    text[999] = 0;
    note(w, 0, "+491", text);
    text[JOURNAL_TEXT_OCTETS_MAX] = 0;
    char expected[1010];
    snprintf(expected, sizeof expected, "0 %s|", text);
    assert_notes(w, "+491", expected);
    restart(w);
    assert_notes(w, "+491", expected);
}

static void test_the_oldest_notes_of_a_number_give_way(void **state)
{
    struct world *w = *state;
    struct buf expected;
    buf_init(&expected, 65536);
    for (int i = 0; i < JOURNAL_NOTES_PER_NUMBER_MAX + 7; i++) {
        char text[32];
        snprintf(text, sizeof text, "note %d", i);
        note(w, i, "+491", text);
        if (i >= 7)
            buf_printf(&expected, "%d %s|", i, text);
    }
    assert_notes(w, "+491", buf_text(&expected));
    assert_int_equal(journal_dropped(w->journal), 7);
    assert_int_equal(memory_store_count(w->store, KV_EVENT), JOURNAL_NOTES_PER_NUMBER_MAX);
    restart(w);
    assert_notes(w, "+491", buf_text(&expected));
    buf_fini(&expected);
}

static void fill(struct world *w, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char number[16];
        snprintf(number, sizeof number, "+49%08u", i);
        struct e164 of = e164(number);
        journal_note(w->journal, at(i), &of, "noted");
    }
    memory_store_turn(w->store);
}

/* Also after a restart it is the number that was noted the longest ago, whatever its digits. */
static void test_the_number_untouched_for_longest_gives_way(void **state)
{
    struct world *w = *state;
    fill(w, 0, JOURNAL_NUMBERS_MAX);
    note(w, 1, "+4900000000", "again"); /* the first number is the last now */
    restart(w);
    note(w, 2, "+1555", "one more");
    assert_int_equal(journal_numbers(w->journal), JOURNAL_NUMBERS_MAX);
    assert_notes(w, "+4900000000", "0 noted|1 again|");
    assert_notes(w, "+4900000001", "");
    assert_notes(w, "+4900000002", "2 noted|");
    assert_int_equal(memory_store_count(w->store, KV_EVENT), JOURNAL_NUMBERS_MAX + 1);
}

static void test_a_full_disk_costs_the_explanation_only(void **state)
{
    struct world *w = *state;
    note(w, 1, "+491", "one");
    memory_store_refuse(w->store, ERR_NO_SPACE);
    note(w, 2, "+491", "two");
    memory_store_refuse(w->store, 0);
    assert_notes(w, "+491", "1 one|2 two|");
    note(w, 3, "+491", "three");
    restart(w);
    assert_notes(w, "+491", "1 one|3 three|");
}

static void test_rows_that_are_no_notes_are_left_out(void **state)
{
    struct world *w = *state;
    static const char *const keys[] = {"", "+", "+491", "nonsense", "+491\0abc", "+49x\0abcdefgh"};
    note(w, 1, "+491", "one");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_int_equal(kv_put(w->kv, KV_EVENT,
                                slice_of(keys[i], i < 4    ? strlen(keys[i])
                                                  : i == 4 ? 8
                                                           : 13),
                                slice_str("12345678text")),
                         0);
    static const uint8_t short_value[] = {'+', '4', '9', '2', 0, 0, 0, 0, 0, 0, 0, 0, 9};
    assert_int_equal(kv_put(w->kv, KV_EVENT, slice_of(short_value, sizeof short_value), slice_str("1234567")), 0);
    kv_commit(w->kv, NULL, NULL);
    memory_store_turn(w->store);
    restart(w);
    assert_notes(w, "+491", "1 one|");
    assert_int_equal(journal_numbers(w->journal), 1);
}

static void test_short_memory(void **state)
{
    struct world *w = *state;
    for (unsigned long nth = 1; nth < 12; nth++) {
        mem_fail_at(nth);
        note(w, 1, "+491", "one");
        mem_fail_at(0);
    }
    note(w, 2, "+491", "two");
    for (unsigned long nth = 1;; nth++) {
        struct journal *again = NULL;
        mem_fail_at(nth);
        int err = journal_new(w->kv, &w->entropy, &again);
        mem_fail_at(0);
        journal_free(again);
        if (!err)
            break;
        assert_int_equal(err, ERR_NO_MEMORY);
        assert_null(again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_notes_stay_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_not_committed_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_notes_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_oldest_notes_of_a_number_give_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_number_untouched_for_longest_gives_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_disk_costs_the_explanation_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_that_are_no_notes_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
