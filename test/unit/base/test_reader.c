/* The decoders' cursor: faults name the octet and the rule of the first failure, whatever is read after it. */
#include "base/reader.h"
#include "testing.h"

static struct reader over(const char *octets, size_t n)
{
    struct reader r;
    reader_init(&r, slice_of(octets, n));
    return r;
}

static void test_reads_in_order(void **state)
{
    (void)state;
    struct reader r = over("\1\2\3\4\5\6\7\10\11\12", 10);
    assert_int_equal(read_u8(&r, "a"), 1);
    assert_int_equal(read_u16(&r, "b"), 0x0203);
    assert_int_equal(read_u24(&r, "c"), 0x040506);
    assert_int_equal(read_u32(&r, "d"), 0x0708090a);
    assert_int_equal(reader_end(&r, "end"), 0);
}

static void test_first_failure_is_kept(void **state)
{
    (void)state;
    struct reader r = over("\1\2\3", 3);
    read_u16(&r, "two");
    assert_int_equal(read_u32(&r, "four"), 0);
    read_u64(&r, "eight");
    assert_int_equal(r.err, ERR_TRUNCATED);
    assert_int_equal(r.fault.octet, 2);
    assert_string_equal(r.fault.rule, "four");
    assert_int_equal(reader_left(&r), 0);
}

static void test_length_beyond_the_input_is_blamed_on_the_length(void **state)
{
    (void)state;
    struct reader r = over("\1\0\5abc", 6);
    read_u8(&r, "first");
    struct slice s = read_opaque(&r, 2, "value");
    assert_int_equal(s.n, 0);
    assert_int_equal(r.err, ERR_TRUNCATED);
    assert_int_equal(r.fault.octet, 1);
}

static void test_leftover_in_a_part_is_an_error_at_its_octet(void **state)
{
    (void)state;
    struct reader r = over("\3abcd", 5);
    struct reader part = read_sub_opaque(&r, 1, "part");
    assert_int_equal(read_u16(&part, "two"), 0x6162);
    reader_close(&r, &part, "nothing more in the part");
    assert_int_equal(r.err, ERR_SYNTAX);
    assert_int_equal(r.fault.octet, 3);
}

static void test_part_cannot_read_beyond_itself(void **state)
{
    (void)state;
    struct reader r = over("\1abcd", 5);
    struct reader part = read_sub_opaque(&r, 1, "part");
    read_u16(&part, "two");
    reader_close(&r, &part, "end");
    assert_int_equal(r.err, ERR_TRUNCATED);
    assert_int_equal(r.fault.octet, 1);
    assert_string_equal(r.fault.rule, "two");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_in_order),
        cmocka_unit_test(test_first_failure_is_kept),
        cmocka_unit_test(test_length_beyond_the_input_is_blamed_on_the_length),
        cmocka_unit_test(test_leftover_in_a_part_is_an_error_at_its_octet),
        cmocka_unit_test(test_part_cannot_read_beyond_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
