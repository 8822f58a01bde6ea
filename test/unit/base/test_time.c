/* Time: saturating deadlines, NTP in both eras, the calendar. */
#include "base/time.h"
#include "testing.h"

#include <time.h>

static void test_deadlines_saturate(void **state)
{
    (void)state;
    struct mono t = {5};
    assert_true(mono_after_us(t, INT64_MAX).us == MONO_NEVER.us);
    assert_true(mono_after_ms(t, INT64_MAX).us == MONO_NEVER.us);
    assert_true(mono_after_ms(t, 2).us == 2005);
    assert_true(mono_due(t, t));
    assert_false(mono_due(t, (struct mono){4}));
    assert_true(mono_min(t, MONO_NEVER).us == 5);
    assert_true(mono_max(t, MONO_NEVER).us == MONO_NEVER.us);
}

static void test_ntp(void **state)
{
    (void)state;
    assert_true(wall_to_ntp((struct wall){0}) == UINT64_C(2208988800) << 32);
    assert_true(wall_to_ntp((struct wall){500}) == (UINT64_C(2208988800) << 32 | UINT64_C(0x80000000)));
    /* Every millisecond of a second, before and after the beginning of era 1 (2036-02-07T06:28:16Z), survives. */
    static const int64_t starts[] = {0, 1772366400, 2085978495, 2085978496, 4102444800};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        for (int64_t ms = 0; ms < 1000; ms++) {
            struct wall t = {starts[i] * 1000 + ms};
            assert_true(wall_from_ntp(wall_to_ntp(t)).ms == t.ms);
        }
    }
}

static void test_calendar_against_the_c_library(void **state)
{
    (void)state;
    char ours[WALL_TEXT_OCTETS], theirs[64];
    for (int64_t seconds = -90000000000; seconds < 90000000000; seconds += 86400 * 17 + 12345) {
        time_t t = (time_t)seconds;
        struct tm tm;
        gmtime_r(&t, &tm);
        assert_true(calendar_seconds(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec) ==
                    seconds);
        if (tm.tm_year + 1900 < 1000 || tm.tm_year + 1900 > 9999)
            continue;
        strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%SZ", &tm);
        assert_string_equal(wall_format((struct wall){seconds * 1000 + 999}, ours), theirs);
    }
}

static void test_leap_days(void **state)
{
    (void)state;
    char text[WALL_TEXT_OCTETS];
    assert_string_equal(wall_format((struct wall){calendar_seconds(2024, 2, 29, 23, 59, 59) * 1000}, text),
                        "2024-02-29T23:59:59Z");
    assert_true(calendar_seconds(2024, 3, 1, 0, 0, 0) - calendar_seconds(2024, 2, 28, 0, 0, 0) == 2 * 86400);
    assert_true(calendar_seconds(2100, 3, 1, 0, 0, 0) - calendar_seconds(2100, 2, 28, 0, 0, 0) == 86400);
    assert_true(calendar_seconds(1970, 1, 1, 0, 0, 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlines_saturate),
        cmocka_unit_test(test_ntp),
        cmocka_unit_test(test_calendar_against_the_c_library),
        cmocka_unit_test(test_leap_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
