/* Counts per key: periods that start again, rates that time gives back, and the bound of the table. */
#include "pvp/tally.h"
#include "testing.h"

static struct mono at_ms(int64_t ms)
{
    return (struct mono){1000000000 + ms * 1000};
}

static unsigned take_all(struct pvp_tally_table *t, const char *key, int64_t ms, unsigned max)
{
    unsigned taken = 0;
    while (taken <= 10 * max && pvp_tally_take(t, slice_str(key), at_ms(ms), max))
        taken++;
    return taken;
}

/* A minute's worth at once; then one by one, never more in any minute than twice that; after a rest all again. */
static void test_a_rate_is_given_back_as_time_passes(void **state)
{
    (void)state;
    struct pvp_tally_table t;
    pvp_tally_init(&t, 8, 1);
    assert_int_equal(take_all(&t, "a", 0, 600), 600);
    assert_int_equal(take_all(&t, "a", 99, 600), 0);
    assert_int_equal(take_all(&t, "a", 100, 600), 1);
    assert_int_equal(take_all(&t, "a", 150, 600), 0);
    assert_int_equal(take_all(&t, "a", 1250, 600), 11);
    assert_int_equal(take_all(&t, "a", 1299, 600), 0); /* half of a hundred is not lost */
    assert_int_equal(take_all(&t, "a", 1300, 600), 1);
    assert_int_equal(take_all(&t, "b", 1300, 600), 600);
    assert_int_equal(take_all(&t, "a", 31300, 600), 300);
    assert_int_equal(take_all(&t, "a", 200000, 600), 600);
    pvp_tally_fini(&t);
}

/* In all of a long time no more than the rate and one burst, whatever the steps. */
static void test_odd_steps_gain_nothing(void **state)
{
    (void)state;
    for (unsigned max = 1; max <= 700; max += 233) {
        struct pvp_tally_table t;
        unsigned taken = 0;
        pvp_tally_init(&t, 8, 1);
        for (int64_t ms = 0; ms < 600000; ms += 7)
            taken += take_all(&t, "a", ms, max);
        assert_in_range(taken, 10 * max, 11 * max);
        pvp_tally_fini(&t);
    }
}

static void test_a_period_starts_again(void **state)
{
    (void)state;
    struct pvp_tally_table t;
    pvp_tally_init(&t, 8, 1);
    pvp_tally_get(&t, slice_str("a"), at_ms(0), 1000)->count = 5;
    assert_int_equal(pvp_tally_get(&t, slice_str("a"), at_ms(999), 1000)->count, 5);
    assert_int_equal(pvp_tally_get(&t, slice_str("a"), at_ms(1000), 1000)->count, 0);
    pvp_tally_fini(&t);
}

static void test_the_least_recently_used_gives_way(void **state)
{
    (void)state;
    struct pvp_tally_table t;
    pvp_tally_init(&t, 2, 1);
    assert_int_equal(take_all(&t, "a", 0, 3), 3);
    assert_int_equal(take_all(&t, "b", 0, 3), 3);
    assert_int_equal(take_all(&t, "a", 0, 3), 0);
    assert_int_equal(take_all(&t, "c", 0, 3), 3);
    assert_null(pvp_tally_find(&t, slice_str("b")));
    assert_int_equal(take_all(&t, "a", 0, 3), 0);
    pvp_tally_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rate_is_given_back_as_time_passes),
        cmocka_unit_test(test_odd_steps_gain_nothing),
        cmocka_unit_test(test_a_period_starts_again),
        cmocka_unit_test(test_the_least_recently_used_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
