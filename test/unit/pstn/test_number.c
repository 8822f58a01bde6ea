/* Numbers as they are dialed and shown, and ranges. */
#include "pstn/number.h"
#include "testing.h"

static const struct pstn_place berlin = {"49", "30"}, nowhere = {"49", NULL};

static const char *read_as(const struct pstn_place *place, const char *dialed)
{
    static struct e164 number;
    return pstn_number_read(place, slice_str(dialed), &number) ? number.text : "none";
}

static void reads(void **state)
{
    (void)state;
    assert_string_equal(read_as(&berlin, "+49 (30) 100-1234"), "+49301001234");
    assert_string_equal(read_as(&berlin, "0033123456789"), "+33123456789");
    assert_string_equal(read_as(&berlin, "0891234"), "+49891234");
    assert_string_equal(read_as(&berlin, "1001234"), "+49301001234");
    assert_string_equal(read_as(&nowhere, "0891234"), "+49891234");
}

static void refuses(void **state)
{
    (void)state;
    assert_string_equal(read_as(&nowhere, "1001234"), "none");
    assert_string_equal(read_as(&berlin, ""), "none");
    assert_string_equal(read_as(&berlin, "+"), "none");
    assert_string_equal(read_as(&berlin, "+0123"), "none");
    assert_string_equal(read_as(&berlin, "anonymous"), "none");
    assert_string_equal(read_as(&berlin, "+49x30"), "none");
    assert_string_equal(read_as(&berlin, "+4930100123456789"), "none");
    assert_string_equal(read_as(&berlin, "0123456789012345678901234567890123456789"), "none");
}

static const char *shown(const char *text)
{
    static char out[PSTN_SHOWN_OCTETS];
    struct e164 number;
    assert_true(e164_parse(slice_str(text), &number));
    return pstn_number_national(&berlin, &number, out);
}

static void shows(void **state)
{
    (void)state;
    assert_string_equal(shown("+49301001234"), "0301001234");
    assert_string_equal(shown("+33123456789"), "0033123456789");
    assert_string_equal(shown("+999999999999999"), "00999999999999999");
}

static unsigned matches(const char *pattern, const char *text)
{
    struct e164 number;
    assert_true(e164_parse(slice_str(text), &number));
    return pstn_pattern_match(pattern, &number);
}

static void ranges(void **state)
{
    (void)state;
    assert_true(pstn_pattern_is_valid(slice_str("+4930100XXXX")));
    assert_true(pstn_pattern_is_valid(slice_str("+49*")));
    assert_true(pstn_pattern_is_valid(slice_str("+49301001234")));
    assert_false(pstn_pattern_is_valid(slice_str("+XXXX")));
    assert_false(pstn_pattern_is_valid(slice_str("+*")));
    assert_false(pstn_pattern_is_valid(slice_str("+49X*")));
    assert_false(pstn_pattern_is_valid(slice_str("+49X1")));
    assert_false(pstn_pattern_is_valid(slice_str("4930")));
    assert_false(pstn_pattern_is_valid(slice_str("+493010012345678901234")));

    assert_int_equal(matches("+4930100XXXX", "+49301001234"), 8);
    assert_int_equal(matches("+4930100XXXX", "+4930100123"), 0);
    assert_int_equal(matches("+4930100XXXX", "+493010012345"), 0);
    assert_int_equal(matches("+4930100XXXX", "+49302001234"), 0);
    assert_int_equal(matches("+4930*", "+49301001234"), 5);
    assert_int_equal(matches("+49301001234", "+49301001234"), 12);
    assert_int_equal(matches("+49301001234", "+493010012345"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses),
        cmocka_unit_test(shows),
        cmocka_unit_test(ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
