/* A machine that pauses is not one that is too busy. */
#include "base/lateness.h"
#include "testing.h"

#define LATE_US 200000

static struct lateness l;

/* Timers of `due_ms` are told at `now_ms`. */
static bool is_busy_after(int64_t due_ms, int64_t now_ms)
{
    const struct mono now = {now_ms * 1000};
    lateness_tick(&l, now, (struct mono){due_ms * 1000}, LATE_US);
    return lateness_is_busy(&l, now);
}

static bool is_busy_at(int64_t now_ms)
{
    return lateness_is_busy(&l, (struct mono){now_ms * 1000});
}

static void test_in_time(void **state)
{
    (void)state;
    l = (struct lateness){0};
    assert_false(is_busy_at(0));
    for (int64_t ms = 1000; ms < 5000; ms += 250)
        assert_false(is_busy_after(ms - 200, ms)); /* as late as may be */
}

/* What fell due in a pause is told at its end, or soon after that; then all is in time. */
static void test_a_pause(void **state)
{
    (void)state;
    l = (struct lateness){0};
    assert_false(is_busy_after(1000, 4000));
    assert_false(is_busy_after(2500, 4000));
    assert_false(is_busy_after(3999, 4300));
    assert_false(is_busy_after(4400, 4401));
    assert_false(is_busy_after(4410, 4900)); /* another pause */
    assert_false(is_busy_after(4950, 4950));
}

static void test_late_and_late_again(void **state)
{
    (void)state;
    l = (struct lateness){0};
    assert_false(is_busy_after(1000, 1300));
    assert_true(is_busy_after(1310, 1600));
    assert_true(is_busy_at(2599));
    assert_false(is_busy_at(2600));
    assert_true(is_busy_after(2000, 2601)); /* it has not become better */
    assert_false(is_busy_after(3700, 3701));
    assert_false(is_busy_after(3800, 4100));
    assert_true(is_busy_after(4200, 4500));
}

/* Two pauses with nothing to do between them are two pauses. */
static void test_nothing_to_do_in_between(void **state)
{
    (void)state;
    l = (struct lateness){0};
    assert_false(is_busy_after(1000, 2000));
    assert_false(is_busy_after(3001, 4000));
    assert_true(is_busy_after(5000, 6000));
}

/* A core is also told the time when no timer is due. */
static void test_nothing_due(void **state)
{
    (void)state;
    l = (struct lateness){0};
    lateness_tick(&l, (struct mono){1000000}, MONO_NEVER, LATE_US);
    assert_false(is_busy_after(2000, 2300));
    assert_false(is_busy_after(2400, 2350));
    assert_true(is_busy_after(2400, 2700));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_time),
        cmocka_unit_test(test_a_pause),
        cmocka_unit_test(test_late_and_late_again),
        cmocka_unit_test(test_nothing_to_do_in_between),
        cmocka_unit_test(test_nothing_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
