/* Uniform numbers from the randomness port, and that a seed gives the same run again. */
#include "base/entropy.h"
#include "testing.h"

static void test_seed_repeats(void **state)
{
    (void)state;
    struct seeded_entropy a = {5}, b = {5}, c = {6};
    struct entropy ea = seeded_entropy_port(&a), eb = seeded_entropy_port(&b), ec = seeded_entropy_port(&c);
    uint8_t octets[2][100];
    entropy_fill(&ea, octets[0], sizeof octets[0]);
    entropy_fill(&eb, octets[1], sizeof octets[1]);
    assert_memory_equal(octets[0], octets[1], sizeof octets[0]);
    entropy_fill(&ec, octets[1], sizeof octets[1]);
    assert_memory_not_equal(octets[0], octets[1], sizeof octets[0]);
}

static void test_bounds(void **state)
{
    (void)state;
    struct seeded_entropy seeded = {1};
    struct entropy e = seeded_entropy_port(&seeded);
    unsigned seen[7] = {0};
    for (int i = 0; i < 7000; i++)
        seen[entropy_below(&e, 7)]++;
    for (size_t i = 0; i < 7; i++)
        assert_in_range(seen[i], 800, 1200);
    for (int i = 0; i < 1000; i++) {
        int64_t v = entropy_between(&e, -2, 2);
        assert_true(v >= -2 && v <= 2);
    }
    assert_int_equal(entropy_below(&e, 0), 0);
    assert_int_equal(entropy_below(&e, 1), 0);
    assert_int_equal(entropy_between(&e, 9, 9), 9);
    assert_int_equal(entropy_between(&e, 9, 3), 9);
}

/* A source that first gives a value which would favor small results. */
static void fill_scripted(void *ctx, void *octets, size_t n)
{
    uint64_t **next = ctx;
    assert_int_equal(n, sizeof **next);
    memcpy(octets, (*next)++, n);
}

static void test_excess_is_drawn_again(void **state)
{
    (void)state;
    uint64_t script[] = {UINT64_MAX, UINT64_MAX - 1, 5};
    uint64_t *next = script;
    struct entropy e = {fill_scripted, &next};
    /* 2^64 mod 3 = 1: only the very largest value is in excess. */
    assert_int_equal(entropy_below(&e, 3), (UINT64_MAX - 1) % 3);
    assert_ptr_equal(next, script + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed_repeats),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_excess_is_drawn_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
