/* The store in memory: order of completions, failed transactions, crashes, the allocator's refusals. */
#include "base/err.h"
#include "base/mem.h"
#include "store/memory.h"
#include "testing.h"

#define KEY(s) slice_str(s)

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

static int set_up(void **state)
{
    struct memory_store *store;
    assert_int_equal(memory_store_new(&store), 0);
    *state = store;
    return 0;
}

static int tear_down(void **state)
{
    memory_store_free(*state);
    return 0;
}

static void assert_row(const struct kv *kv, const char *key, const char *value)
{
    struct slice found;
    int err = kv_get(kv, KV_NUMBERS, KEY(key), &found);
    if (!value) {
        assert_int_equal(err, ERR_NOT_FOUND);
        return;
    }
    assert_int_equal(err, 0);
    assert_slice_text(found, value);
}

static void test_put_commit_turn(void **state)
{
    struct memory_store *store = *state;
    const struct kv *kv = memory_store_kv(store);
    struct outcome outcome = {0, 1};
    assert_int_equal(kv_put(kv, KV_NUMBERS, KEY("a"), KEY("1")), 0);
    kv_commit(kv, note, &outcome);
    assert_int_equal(outcome.calls, 0);
    assert_true(memory_store_waits(store));
    assert_int_equal(memory_store_turn(store), 1);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.err, 0);
    assert_int_equal(memory_store_turn(store), 0);
    assert_row(kv, "a", "1");
    assert_int_equal(memory_store_count(store, KV_NUMBERS), 1);
    assert_int_equal(memory_store_count(store, KV_ROUTE), 0);
}

static void test_failed_turn_takes_all_back(void **state)
{
    struct memory_store *store = *state;
    const struct kv *kv = memory_store_kv(store);
    struct outcome outcome = {0, 1};
    kv_put(kv, KV_NUMBERS, KEY("kept"), KEY("old"));
    kv_put(kv, KV_NUMBERS, KEY("removed"), KEY("old"));
    kv_commit(kv, NULL, NULL);
    memory_store_turn(store);

    memory_store_fail(store, 1, ERR_NO_SPACE);
    kv_put(kv, KV_NUMBERS, KEY("kept"), KEY("new"));
    kv_put(kv, KV_NUMBERS, KEY("kept"), KEY("newer"));
    kv_put(kv, KV_NUMBERS, KEY("fresh"), KEY("new"));
    kv_remove(kv, KV_NUMBERS, KEY("removed"));
    kv_remove(kv, KV_NUMBERS, KEY("never there"));
    assert_row(kv, "kept", "newer");
    assert_row(kv, "removed", NULL);
    kv_commit(kv, note, &outcome);
    memory_store_turn(store);
    assert_int_equal(outcome.err, ERR_NO_SPACE);
    assert_row(kv, "kept", "old");
    assert_row(kv, "fresh", NULL);
    assert_row(kv, "removed", "old");

    kv_put(kv, KV_NUMBERS, KEY("kept"), KEY("new"));
    kv_commit(kv, note, &outcome);
    memory_store_turn(store);
    assert_int_equal(outcome.err, 0);
    assert_row(kv, "kept", "new");
}

static void test_crash_loses_what_was_not_durable(void **state)
{
    struct memory_store *store = *state;
    const struct kv *kv = memory_store_kv(store);
    struct outcome outcome = {0, 1};
    kv_put(kv, KV_NUMBERS, KEY("a"), KEY("durable"));
    kv_commit(kv, NULL, NULL);
    memory_store_turn(store);
    kv_put(kv, KV_NUMBERS, KEY("a"), KEY("lost"));
    kv_commit(kv, note, &outcome);
    memory_store_crash(store);
    assert_int_equal(memory_store_turn(store), 0);
    assert_int_equal(outcome.calls, 0);
    assert_row(kv, "a", "durable");
}

struct chain {
    const struct kv *kv;
    struct outcome second;
};

static void write_again(void *arg, int err)
{
    struct chain *chain = arg;
    assert_int_equal(err, 0);
    kv_put(chain->kv, KV_NUMBERS, KEY("b"), KEY("2"));
    kv_commit(chain->kv, note, &chain->second);
}

static void test_completion_may_write(void **state)
{
    struct memory_store *store = *state;
    struct chain chain = {memory_store_kv(store), {0, 1}};
    kv_put(chain.kv, KV_NUMBERS, KEY("a"), KEY("1"));
    kv_commit(chain.kv, write_again, &chain);
    assert_int_equal(memory_store_turn(store), 1);
    assert_int_equal(chain.second.calls, 0);
    memory_store_fail(store, 1, ERR_IO);
    assert_int_equal(memory_store_turn(store), 1);
    assert_int_equal(chain.second.err, ERR_IO);
    assert_row(chain.kv, "a", "1");
    assert_row(chain.kv, "b", NULL);
}

static int note_row(void *arg, struct slice key, struct slice value)
{
    char *text = arg;
    size_t n = strlen(text);
    memcpy(text + n, key.p, key.n);
    memcpy(text + n + key.n, value.p, value.n);
    return key.p[0] == 'z' ? 7 : 0;
}

static void test_scan_in_key_order(void **state)
{
    const struct kv *kv = memory_store_kv(*state);
    const char *const keys[] = {"d", "a", "cc", "c", "b"};
    for (size_t i = 0; i < 5; i++)
        kv_put(kv, KV_NUMBERS, KEY(keys[i]), KEY("."));
    kv_put(kv, KV_ROUTE, KEY("x"), KEY("."));
    char text[64] = "";
    assert_int_equal(kv_scan(kv, KV_NUMBERS, note_row, text), 0);
    assert_string_equal(text, "a.b.c.cc.d.");
    kv_put(kv, KV_ROUTE, KEY("z"), KEY("."));
    assert_int_equal(kv_scan(kv, KV_ROUTE, note_row, text), 7);
}

static void test_refusals(void **state)
{
    struct memory_store *store = *state;
    const struct kv *kv = memory_store_kv(store);
    memory_store_refuse(store, ERR_NO_SPACE);
    assert_int_equal(kv_put(kv, KV_NUMBERS, KEY("a"), KEY("1")), ERR_NO_SPACE);
    memory_store_refuse(store, 0);
    for (unsigned long nth = 1; nth <= 2; nth++) {
        mem_fail_at(nth);
        assert_int_equal(kv_put(kv, KV_NUMBERS, KEY("a"), KEY("1")), ERR_NO_MEMORY);
        mem_fail_at(0);
        assert_row(kv, "a", NULL);
    }
    assert_int_equal(kv_put(kv, KV_NUMBERS, KEY("a"), KEY("1")), 0);
    assert_row(kv, "a", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_commit_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_turn_takes_all_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crash_loses_what_was_not_durable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_completion_may_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_scan_in_key_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
