/* The originator's interval: counted from the last mark, durable, bounded. */
#include "pvp/spacing.h"
#include "store/memory.h"
#include "testing.h"

static const struct wall begin = {1767225600000};

static struct e164 number(const char *text)
{
    struct e164 n;
    assert_true(e164_parse(slice_str(text), &n));
    return n;
}

static void test_interval_survives_a_crash(void **state)
{
    (void)state;
    struct memory_store *store;
    struct pvp_spacing *s;
    struct e164 one = number("+491");
    struct e164 two = number("+492");
    assert_int_equal(memory_store_new(&store), 0);
    assert_int_equal(pvp_spacing_new(3600000, 10, 1, memory_store_kv(store), begin, &s), 0);
    assert_int_equal(pvp_spacing_free_at(s, &one, begin).ms, begin.ms);
    assert_int_equal(pvp_spacing_mark(s, &one, begin, true), 0);
    assert_int_equal(pvp_spacing_free_at(s, &one, begin).ms, begin.ms + 3600000);
    assert_int_equal(pvp_spacing_free_at(s, &two, begin).ms, begin.ms);
    /* The end of the validation counts, not its beginning. */
    assert_int_equal(pvp_spacing_mark(s, &one, wall_after_ms(begin, 5000), true), 0);
    memory_store_turn(store);
    memory_store_crash(store);
    pvp_spacing_free(s);
    assert_int_equal(pvp_spacing_new(3600000, 10, 1, memory_store_kv(store), wall_after_ms(begin, 6000), &s), 0);
    assert_int_equal(pvp_spacing_free_at(s, &one, wall_after_ms(begin, 6000)).ms, begin.ms + 3605000);
    pvp_spacing_set_interval(s, 1000);
    assert_int_equal(pvp_spacing_free_at(s, &one, wall_after_ms(begin, 6000)).ms, begin.ms + 6000);
    pvp_spacing_sweep(s, wall_after_ms(begin, 6000));
    memory_store_turn(store);
    assert_int_equal(memory_store_count(store, KV_PVP_SPACING), 0);
    pvp_spacing_free(s);
    memory_store_free(store);
}

/* Written under a clock that was ahead: one interval from now, not until then. */
static void test_a_clock_set_back(void **state)
{
    (void)state;
    struct memory_store *store;
    struct pvp_spacing *s;
    struct e164 one = number("+491");
    assert_int_equal(memory_store_new(&store), 0);
    assert_int_equal(pvp_spacing_new(1000, 10, 1, memory_store_kv(store), begin, &s), 0);
    assert_int_equal(pvp_spacing_mark(s, &one, wall_after_ms(begin, 1000000), true), 0);
    memory_store_turn(store);
    pvp_spacing_free(s);
    assert_int_equal(pvp_spacing_new(1000, 10, 1, memory_store_kv(store), begin, &s), 0);
    assert_int_equal(pvp_spacing_free_at(s, &one, begin).ms, begin.ms + 1000);
    pvp_spacing_free(s);
    memory_store_free(store);
}

static void test_the_oldest_gives_way(void **state)
{
    (void)state;
    struct memory_store *store;
    struct pvp_spacing *s;
    struct e164 numbers[3] = {number("+491"), number("+492"), number("+493")};
    assert_int_equal(memory_store_new(&store), 0);
    assert_int_equal(pvp_spacing_new(1000, 2, 1, memory_store_kv(store), begin, &s), 0);
    assert_int_equal(pvp_spacing_mark(s, &numbers[0], wall_after_ms(begin, 2), true), 0);
    assert_int_equal(pvp_spacing_mark(s, &numbers[1], wall_after_ms(begin, 1), true), 0);
    assert_int_equal(pvp_spacing_mark(s, &numbers[2], wall_after_ms(begin, 3), true), 0);
    assert_int_equal(pvp_spacing_free_at(s, &numbers[1], begin).ms, begin.ms);
    assert_int_equal(pvp_spacing_free_at(s, &numbers[0], begin).ms, begin.ms + 1002);
    assert_int_equal(memory_store_count(store, KV_PVP_SPACING), 2);
    pvp_spacing_free(s);
    memory_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interval_survives_a_crash),
        cmocka_unit_test(test_a_clock_set_back),
        cmocka_unit_test(test_the_oldest_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
