/* Identifiers on the ring: arithmetic modulo 2^128, intervals that wrap. */
#include "base/id.h"
#include "testing.h"

#include <math.h>

static struct id id_of(const char *hex)
{
    struct id id;
    assert_int_equal(id_parse(slice_str(hex), &id), 0);
    return id;
}

/* A small identifier: 0x…0n. */
static struct id small(uint8_t n)
{
    struct id id = {{0}};
    id.octets[ID_OCTETS - 1] = n;
    return id;
}

static void test_text(void **state)
{
    (void)state;
    char text[ID_HEX_OCTETS];
    struct id id = id_of("00112233445566778899AABBCCDDEEFF");
    assert_string_equal(id_format(id, text), "00112233445566778899aabbccddeeff");
    assert_int_equal(id_parse(slice_str("00112233445566778899aabbccddeef"), &id), ERR_SYNTAX);
    assert_int_equal(id_parse(slice_str("00112233445566778899aabbccddeefg"), &id), ERR_SYNTAX);
}

static void test_arithmetic_wraps(void **state)
{
    (void)state;
    struct id all = id_wildcard();
    assert_true(id_is_wildcard(all));
    assert_true(id_is_zero(id_add(all, small(1))));
    assert_true(id_eq(id_sub(small(0), small(1)), all));
    assert_true(
        id_eq(id_sub(id_of("01000000000000000000000000000000"), small(1)), id_of("00ffffffffffffffffffffffffffffff")));
    assert_true(
        id_eq(id_add(id_of("00ffffffffffffffffffffffffffffff"), small(2)), id_of("01000000000000000000000000000001")));
    assert_true(id_eq(id_power_of_two(0), small(1)));
    assert_true(id_eq(id_power_of_two(127), id_of("80000000000000000000000000000000")));
    assert_true(id_is_zero(id_power_of_two(128)));
}

static void test_intervals(void **state)
{
    (void)state;
    assert_true(id_in_open_closed(small(5), small(7), small(9)));
    assert_true(id_in_open_closed(small(5), small(9), small(9)));
    assert_false(id_in_open_closed(small(5), small(5), small(9)));
    assert_false(id_in_open_closed(small(5), small(10), small(9)));
    assert_true(id_in_open_closed(small(9), small(2), small(5)));
    assert_true(id_in_open_closed(small(9), id_wildcard(), small(5)));
    assert_false(id_in_open_closed(small(9), small(7), small(5)));
    assert_true(id_in_open_closed(small(9), small(9), small(9)));
    assert_true(id_in_open_open(small(5), small(7), small(9)));
    assert_false(id_in_open_open(small(5), small(9), small(9)));
    assert_false(id_in_open_open(small(9), small(9), small(9)));
    assert_true(id_in_open_open(small(9), small(8), small(9)));
}

static void test_fraction(void **state)
{
    (void)state;
    assert_true(fabs(id_fraction(small(0), id_power_of_two(127)) - 0.5) < 1e-15);
    assert_true(fabs(id_fraction(id_power_of_two(127), small(0)) - 0.5) < 1e-15);
    assert_true(fabs(id_fraction(id_power_of_two(126), small(0)) - 0.75) < 1e-15);
    assert_true(id_fraction(small(1), small(1)) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_arithmetic_wraps),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_fraction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
