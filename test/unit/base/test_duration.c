/* Durations: exact in both directions, and nothing half-understood. */
#include "base/duration.h"
#include "testing.h"

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0},         {"0s", 0},          {"500ms", 500},      {"30s", 30000},      {"10m", 600000},
        {"1h", 3600000},  {"1h30m", 5400000}, {"1y", 31536000000}, {"14d", 1209600000}, {"1d1ms", 86400001},
        {"90m", 5400000},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t ms = -1;
        assert_int_equal(duration_parse(slice_str(good[i].text), &ms), 0);
        assert_int_equal(ms, good[i].ms);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "1",  "s",  "-1s",  "1 s", "1s ",  "1s2h",
                                      "1s1s", "1w", "1H", "1.5h", "1hh", "0x1s", "1h30"};
    int64_t ms = 77;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(duration_parse(slice_str(bad[i]), &ms), ERR_SYNTAX);
    assert_int_equal(duration_parse(slice_str("9223372036854775807y"), &ms), ERR_RANGE);
    assert_int_equal(duration_parse(slice_str("99999999999999999999s"), &ms), ERR_RANGE);
    assert_int_equal(ms, 77);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const int64_t values[] = {0,        1, 999, 1000, 61001, 3600000, 90061001, INT64_C(31536000000) * 40 + 1,
                                     INT64_MAX};
    char text[DURATION_TEXT_OCTETS];
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        int64_t ms = -1;
        assert_int_equal(duration_parse(slice_str(duration_format(values[i], text)), &ms), 0);
        assert_true(ms == values[i]);
    }
    assert_string_equal(duration_format(5400000, text), "1h30m");
    assert_string_equal(duration_format(-1500, text), "-1s500ms");
    assert_true(strlen(duration_format(INT64_MIN, text)) < DURATION_TEXT_OCTETS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
