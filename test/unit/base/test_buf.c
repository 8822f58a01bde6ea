/* The growing buffer: limits, sticky errors, length fields, text. */
#include "base/buf.h"
#include "base/mem.h"
#include "testing.h"

#include <stdio.h>

static void test_numbers_are_big_endian(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 64);
    buf_u8(&b, 0x01);
    buf_u16(&b, 0x0203);
    buf_u24(&b, 0x040506);
    buf_u32(&b, 0x0708090a);
    buf_u64(&b, UINT64_C(0x0b0c0d0e0f101112));
    assert_int_equal(b.err, 0);
    assert_int_equal(b.n, 18);
    for (size_t i = 0; i < b.n; i++)
        assert_int_equal(b.p[i], i + 1);
    buf_fini(&b);
}

static void test_limit_sticks(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    buf_u32(&b, 1);
    assert_int_equal(b.err, 0);
    buf_u8(&b, 1);
    assert_int_equal(b.err, ERR_LIMIT);
    assert_int_equal(b.n, 4);
    buf_clear(&b);
    buf_u8(&b, 7);
    assert_int_equal(b.err, 0);
    assert_int_equal(b.n, 1);
    buf_fini(&b);
}

static void test_no_memory_sticks(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    mem_fail_at(1);
    buf_u8(&b, 1);
    assert_int_equal(b.err, ERR_NO_MEMORY);
    buf_u8(&b, 1);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

static void test_length_field_is_filled_in(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    size_t mark = buf_open(&b, 2);
    buf_str(&b, "abc");
    buf_close(&b, mark, 2);
    assert_slice_equal(buf_slice(&b), slice_of("\0\3abc", 5));
    buf_fini(&b);
}

static void test_length_beyond_its_field_is_an_error(void **state)
{
    (void)state;
    static const uint8_t octets[256];
    struct buf b;
    buf_init(&b, 1000);
    size_t mark = buf_open(&b, 1);
    buf_put(&b, octets, sizeof octets);
    buf_close(&b, mark, 1);
    assert_int_equal(b.err, ERR_RANGE);
    buf_clear(&b);
    buf_opaque(&b, 1, slice_of(octets, sizeof octets));
    assert_int_equal(b.err, ERR_RANGE);
    buf_clear(&b);
    buf_opaque(&b, 1, slice_of(octets, 255));
    assert_int_equal(b.err, 0);
    buf_fini(&b);
}

static void test_text(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 12);
    buf_printf(&b, "%s-%d", "seven", 42);
    assert_string_equal(buf_text(&b), "seven-42");
    assert_int_equal(b.n, 8);
    buf_printf(&b, "%s", "too much");
    assert_int_equal(b.err, ERR_LIMIT);
    buf_fini(&b);
}

/* Texts of every length behind texts of every length: those that fit the limit are whole, the others are not there at all. */
static void test_text_lengths(void **state)
{
    static const char digits[] = "0123456789012345678901234567890123456789";
    (void)state;
    for (int first = 0; first <= 20; first++) {
        for (int second = 0; second <= 40; second++) {
            char both[64];
            struct buf b;
            buf_init(&b, 40);
            buf_printf(&b, "%.*s", first, digits);
            buf_printf(&b, "%.*s", second, digits);
            snprintf(both, sizeof both, "%.*s%.*s", first, digits, second, digits);
            assert_int_equal(b.err, first + second <= 40 ? 0 : ERR_LIMIT);
            both[b.err ? first : first + second] = '\0';
            assert_slice_text(buf_slice(&b), both);
            buf_fini(&b);
        }
    }
}

static void assert_printed(const char *format, ...)
{
    char expected[200];
    struct buf b;
    va_list args;
    va_start(args, format);
    vsnprintf(expected, sizeof expected, format, args);
    va_end(args);
    buf_init(&b, 200);
    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    assert_slice_text(buf_slice(&b), expected);
    buf_fini(&b);
}

/* As the C library prints it, whoever prints it. */
static void test_text_is_as_of_printf(void **state)
{
    (void)state;
    assert_printed("plain");
    assert_printed("%s", "");
    assert_printed("%s%s", "a", "b");
    assert_printed("sip:%s@%.*s;%s=%u", "name", 4, "host and more", "port", 5060u);
    assert_printed("%.*s|%.*s|%.*s", 9, "short", 0, "none", -1, "all of it");
    assert_printed("%u %u %u %u", 0u, 9u, 10u, 4294967295u);
    assert_printed("%5u %-3u| %05u", 7u, 7u, 7u);
    assert_printed("%d %zu %c %%", -7, (size_t)42, 'x');
    assert_printed("%s %x", "hexadecimal", 255u);
    assert_printed("%.3s %8s", "abcdef", "right");
}

static void test_drop(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 64);
    buf_str(&b, "abcdef");
    buf_drop(&b, 2);
    assert_slice_text(buf_slice(&b), "cdef");
    buf_drop(&b, 100);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

/* NULL means an error: also for nothing, also at the start. */
static void test_extending_by_nothing_is_no_error(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 64);
    assert_non_null(buf_extend(&b, 0));
    buf_put(&b, NULL, 0);
    assert_int_equal(b.err, 0);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

/* Nothing of it is left in the memory that is kept; an empty one has none. */
static void test_secrets_are_wiped(void **state)
{
    (void)state;
    static const uint8_t zeros[8];
    struct buf b;
    buf_init(&b, 64);
    buf_clear_secret(&b);
    buf_u64(&b, UINT64_MAX);
    const uint8_t *memory = b.p;
    buf_clear_secret(&b);
    assert_int_equal(b.n, 0);
    assert_memory_equal(memory, zeros, sizeof zeros);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_big_endian),
        cmocka_unit_test(test_limit_sticks),
        cmocka_unit_test(test_secrets_are_wiped),
        cmocka_unit_test(test_no_memory_sticks),
        cmocka_unit_test(test_length_field_is_filled_in),
        cmocka_unit_test(test_length_beyond_its_field_is_an_error),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_lengths),
        cmocka_unit_test(test_text_is_as_of_printf),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_extending_by_nothing_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
