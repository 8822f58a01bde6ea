/* How many failures a source may have, and how they are forgiven. */
#include "enroll/guard.h"
#include "testing.h"

static struct addr source(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_parse(slice_str(text), 1, &addr), 0);
    return addr;
}

static struct mono at_ms(int64_t ms)
{
    return (struct mono){ms * 1000};
}

static void test_bucket(void **state)
{
    static struct guard guard;
    struct addr a = source("192.0.2.1:1000"), same = source("192.0.2.1:2000"), other = source("192.0.2.2:1000");
    (void)state;
    guard_init(&guard, 42, 3, 1000);
    for (int i = 0; i < 3; i++) {
        assert_true(guard_allows(&guard, &a, at_ms(0)));
        guard_note_failure(&guard, &a, at_ms(0));
    }
    assert_false(guard_allows(&guard, &a, at_ms(0)));
    assert_false(guard_allows(&guard, &same, at_ms(999)));
    assert_true(guard_allows(&guard, &other, at_ms(0)));
    assert_true(guard_allows(&guard, &same, at_ms(1000)));
    guard_note_failure(&guard, &a, at_ms(1000));
    assert_false(guard_allows(&guard, &a, at_ms(1999)));
    assert_true(guard_allows(&guard, &a, at_ms(2000)));
    /* After long enough, all is forgotten, and no more than that. */
    for (int i = 0; i < 3; i++) {
        assert_true(guard_allows(&guard, &a, at_ms(100000)));
        guard_note_failure(&guard, &a, at_ms(100000));
    }
    assert_false(guard_allows(&guard, &a, at_ms(100000)));
}

static void test_ipv6_counts_by_64(void **state)
{
    static struct guard guard;
    struct addr a = source("[2001:db8:1:2::1]:1"), same = source("[2001:db8:1:2:ffff::9]:1"),
                other = source("[2001:db8:1:3::1]:1");
    (void)state;
    guard_init(&guard, 7, 1, 1000);
    guard_note_failure(&guard, &a, at_ms(0));
    assert_false(guard_allows(&guard, &same, at_ms(0)));
    assert_true(guard_allows(&guard, &other, at_ms(0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bucket), cmocka_unit_test(test_ipv6_counts_by_64)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
