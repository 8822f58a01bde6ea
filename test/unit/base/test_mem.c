/* Allocation and its failures on demand, wiping, comparison of secrets. */
#include "base/mem.h"
#include "testing.h"

static void test_fail_at(void **state)
{
    (void)state;
    mem_fail_at(2);
    void *a = mem_alloc(10);
    void *b = mem_alloc(10);
    void *c = mem_alloc(10);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    mem_fail_at(1);
    assert_null(mem_resize(a, 20));
    mem_fail_at(1);
    assert_null(mem_strdup("x"));
    mem_free(a);
    mem_free(c);
    mem_free(NULL);
}

static void test_alloc_zeroes(void **state)
{
    (void)state;
    static const uint8_t zeros[1000];
    void *p = mem_alloc(sizeof zeros);
    assert_memory_equal(p, zeros, sizeof zeros);
    memset(p, 0xff, sizeof zeros);
    mem_wipe(p, sizeof zeros);
    assert_memory_equal(p, zeros, sizeof zeros);
    mem_free(p);
    p = mem_alloc(0);
    assert_non_null(p);
    mem_free(p);
}

static void test_equal_secret(void **state)
{
    (void)state;
    uint8_t a[16] = {1, 2, 3}, b[16] = {1, 2, 3};
    assert_true(mem_equal_secret(a, b, sizeof a));
    for (size_t i = 0; i < sizeof a; i++) {
        b[i] ^= 0x80;
        assert_false(mem_equal_secret(a, b, sizeof a));
        b[i] ^= 0x80;
    }
    assert_true(mem_equal_secret(a, b, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_at),
        cmocka_unit_test(test_alloc_zeroes),
        cmocka_unit_test(test_equal_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
