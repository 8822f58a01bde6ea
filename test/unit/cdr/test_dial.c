/* Dialing rules and ranges. */
#include "cdr/dial.h"
#include "testing.h"

static struct dial_rules rules_of(const char *country)
{
    struct dial_rules rules;
    dial_rules_init(&rules);
    if (country)
        assert_int_equal(dial_rules_set_country(&rules, slice_str(country)), 0);
    return rules;
}

static void assert_number(const struct dial_rules *rules, const char *text, const char *expected)
{
    struct e164 number = {""};
    assert_int_equal(dial_normalize(rules, slice_str(text), &number), DIAL_E164);
    assert_string_equal(number.text, expected);
}

static void assert_kind(const struct dial_rules *rules, const char *text, enum dial_kind kind)
{
    struct e164 number = {""};
    assert_int_equal(dial_normalize(rules, slice_str(text), &number), kind);
    assert_string_equal(number.text, "");
}

static void test_germany(void **state)
{
    (void)state;
    struct dial_rules rules = rules_of("49");
    assert_number(&rules, "+4930123456", "+4930123456");
    assert_number(&rules, "004930123456", "+4930123456");
    assert_number(&rules, "030123456", "+4930123456");
    assert_number(&rules, "(030) 123-45.6", "+4930123456");
    assert_number(&rules, "0017325552496", "+17325552496");
    assert_number(&rules, "30123456", "+4930123456");
    assert_number(&rules, "tel:+4930123456", "+4930123456");
    assert_number(&rules, "sip:+4930123456@pbx.example;user=phone", "+4930123456");
    assert_kind(&rules, "1001", DIAL_EXTENSION);
    assert_kind(&rules, "anonymous", DIAL_NONE);
    assert_kind(&rules, "", DIAL_NONE);
    assert_kind(&rules, "s", DIAL_NONE);
    assert_kind(&rules, "*97", DIAL_NONE);
    assert_kind(&rules, "+0123", DIAL_NONE);
    assert_kind(&rules, "00491234567890123456", DIAL_NONE);
    strcpy(rules.area, "30");
    assert_number(&rules, "1234567", "+49301234567");
    strcpy(rules.extension, "+4930123");
    assert_number(&rules, "456", "+4930123456");
}

static void test_other_countries(void **state)
{
    (void)state;
    struct dial_rules us = rules_of("+1");
    assert_number(&us, "7325552496", "+17325552496");
    assert_number(&us, "17325552496", "+17325552496");
    assert_number(&us, "1-732-555-2496", "+17325552496");
    assert_number(&us, "011493012345", "+493012345");
    struct dial_rules italy = rules_of("39");
    assert_number(&italy, "0612345678", "+390612345678"); /* the zero belongs to the number */
    struct dial_rules spain = rules_of("34");
    assert_number(&spain, "912345678", "+34912345678");
    struct dial_rules hungary = rules_of("36");
    assert_number(&hungary, "0611234567", "+3611234567");
    struct dial_rules russia = rules_of("7");
    assert_number(&russia, "84951234567", "+74951234567");
    assert_number(&russia, "8104930123456", "+4930123456");
}

static void test_without_a_country(void **state)
{
    (void)state;
    struct dial_rules rules = rules_of(NULL);
    assert_number(&rules, "+4930123456", "+4930123456");
    assert_number(&rules, "004930123456", "+4930123456");
    assert_kind(&rules, "030123456", DIAL_NONE);
    assert_int_equal(dial_rules_set_country(&rules, slice_str("049")), ERR_SYNTAX);
    assert_int_equal(dial_rules_set_country(&rules, slice_str("")), ERR_SYNTAX);
    assert_int_equal(dial_rules_set_country(&rules, slice_str("4999")), ERR_SYNTAX);
    assert_int_equal(dial_rules_set_country(&rules, slice_str("de")), ERR_SYNTAX);
}

static void assert_range(const char *text, uint64_t count, const char *first, const char *last)
{
    struct dial_range range;
    assert_int_equal(dial_range_parse(slice_str(text), &range), 0);
    assert_true(dial_range_count(&range) == count);
    if (count) {
        assert_string_equal(dial_range_at(&range, 0).text, first);
        assert_string_equal(dial_range_at(&range, count - 1).text, last);
        struct e164 number = dial_range_at(&range, count - 1);
        assert_true(dial_range_holds(&range, &number));
    }
}

static void test_ranges(void **state)
{
    (void)state;
    assert_range("+4930123", 1, "+4930123", "+4930123");
    assert_range("+493012300-+493012399", 100, "+493012300", "+493012399");
    assert_range(" +493012300 - 99 ", 100, "+493012300", "+493012399");
    assert_range("+4930123*", 0, NULL, NULL);
    assert_range("+999999999999999", 1, "+999999999999999", "+999999999999999");

    struct dial_range range;
    const struct e164 inside = {"+493012350"}, longer = {"+4930123500"}, below = {"+493012249"};
    assert_int_equal(dial_range_parse(slice_str("+493012300-99"), &range), 0);
    assert_true(dial_range_holds(&range, &inside));
    assert_false(dial_range_holds(&range, &longer));
    assert_false(dial_range_holds(&range, &below));
    assert_int_equal(dial_range_parse(slice_str("+4930123*"), &range), 0);
    assert_true(dial_range_holds(&range, &longer));
    assert_false(dial_range_holds(&range, &below));
}

static void test_what_is_no_range(void **state)
{
    (void)state;
    static const char *const texts[] = {"",         "4930123", "+",          "+49-",       "+49-x", "+4930-+493",
                                        "+49-4930", "+49**",   "+49301-99x", "+4930 1-99", "-",     "*"};
    struct dial_range range;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(dial_range_parse(slice_str(texts[i]), &range), ERR_SYNTAX);
    assert_int_equal(dial_range_parse(slice_str("+493099-00"), &range), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_germany),           cmocka_unit_test(test_other_countries),
        cmocka_unit_test(test_without_a_country), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_what_is_no_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
