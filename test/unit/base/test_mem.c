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

#define SIZES_MAX 700
#define OCTETS_OF(i) (13 * (i)) /* across all sizes of blocks that are kept, and beyond */

static void fill(uint8_t *block, size_t i)
{
    memset(block, (int)(i % 251 + 1), OCTETS_OF(i));
}

static bool is_filled(const uint8_t *block, size_t i)
{
    for (size_t k = 0; k < OCTETS_OF(i); k++)
        if (block[k] != i % 251 + 1)
            return false;
    return true;
}

/* What is kept of freed blocks is never handed out twice, never too small, and zeroed where that is promised. */
static void test_blocks_are_used_again(void **state)
{
    (void)state;
    static uint8_t *blocks[SIZES_MAX];
    for (unsigned round = 0; round < 5; round++) {
        for (size_t i = 0; i < SIZES_MAX; i++) {
            const bool zeroed = (i + round) % 2;
            blocks[i] = zeroed ? mem_alloc(OCTETS_OF(i)) : mem_resize(NULL, OCTETS_OF(i));
            assert_non_null(blocks[i]);
            for (size_t k = 0; zeroed && k < OCTETS_OF(i); k++)
                assert_int_equal(blocks[i][k], 0);
            fill(blocks[i], i);
        }
        for (size_t i = 0; i < SIZES_MAX; i += 3) {
            const size_t next = i + 1 < SIZES_MAX ? i + 1 : i;
            blocks[i] = mem_resize(blocks[i], OCTETS_OF(next));
            assert_non_null(blocks[i]);
            assert_true(is_filled(blocks[i], i));
        }
        for (size_t i = 0; i < SIZES_MAX; i++)
            assert_true(is_filled(blocks[i], i));
        for (size_t i = 0; i < SIZES_MAX; i++)
            mem_free(blocks[round % 2 ? i : SIZES_MAX - 1 - i]);
    }
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
        cmocka_unit_test(test_blocks_are_used_again),
        cmocka_unit_test(test_equal_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
