/* Dialing rules by tables: what was dialed, and what becomes of it. */
#include "agent/dialing.h"
#include "testing.h"

#include <stdio.h>

static struct agent_short_numbers shorts;

static struct agent_dial_plan plan_of(const char *country, const char *area)
{
    struct agent_dial_plan plan;
    agent_short_numbers_default(&shorts);
    agent_dial_plan_init(&plan);
    if (country[0])
        assert_int_equal(agent_dial_plan_set_country(&plan, slice_str(country)), 0);
    strcpy(plan.area, area);
    return plan;
}

struct row {
    const char *dialed;
    const char *number; /* NULL: no +E.164; "short" */
    enum agent_dial_kind kind;
};

static void check_in(const struct agent_dial_plan *plan, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct agent_dialed d;
        struct agent_dial_trace trace;
        agent_dial_in(plan, &shorts, slice_str(rows[i].dialed), &trace, &d);
        const char *result = d.verdict == AGENT_DIAL_SHORT  ? "short"
                             : d.verdict == AGENT_DIAL_E164 ? d.number.text
                                                            : "-";
        const char *expected = rows[i].number ? rows[i].number : "-";
        if (strcmp(result, expected) != 0)
            fail_msg("%s: %s, not %s", rows[i].dialed, result, expected);
        if (d.verdict == AGENT_DIAL_E164)
            assert_int_equal(d.kind, rows[i].kind);
        assert_true(trace.n > 0);
        if (d.verdict == AGENT_DIAL_E164)
            assert_string_equal(trace.steps[trace.n - 1].number, d.number.text);
    }
}

#define CHECK_IN(plan, ...) \
    check_in(plan, (const struct row[]){__VA_ARGS__}, sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row))

static void test_germany(void **state)
{
    struct agent_dial_plan plan = plan_of("+49", "30");
    (void)state;
    CHECK_IN(&plan, {"+4930200000", "+4930200000", AGENT_DIAL_INTERNATIONAL},
             {"004930200000", "+4930200000", AGENT_DIAL_INTERNATIONAL},
             {"0012125550100", "+12125550100", AGENT_DIAL_INTERNATIONAL},
             {"030 200-000", "+4930200000", AGENT_DIAL_NATIONAL}, {"(089) 123.456", "+4989123456", AGENT_DIAL_NATIONAL},
             {"200000", "+4930200000", AGENT_DIAL_SUBSCRIBER},
             {"tel:+49-30-200000", "+4930200000", AGENT_DIAL_INTERNATIONAL},
             {"sip:030200000@pbx.a.example;user=phone", "+4930200000", AGENT_DIAL_NATIONAL},
             {"+49 (0)30 200000", "+4930200000", AGENT_DIAL_INTERNATIONAL}, {"112", "short", 0}, {"110", "short", 0},
             {"sip:112@a.example", "short", 0}, {"116117", "short", 0},
             {"1161170", "+49301161170", AGENT_DIAL_SUBSCRIBER}, {"alice", NULL, 0}, {"*21#", NULL, 0}, {"", NULL, 0},
             {"+", NULL, 0}, {"0", "short", 0}, {"+4930200000000001", NULL, 0}, {"+0123", NULL, 0},
             {"12345678901234567890123456789012345678901", NULL, 0}, {"0049 30 200000 extra", NULL, 0});
}

static void test_america(void **state)
{
    struct agent_dial_plan plan = plan_of("1", "212");
    (void)state;
    CHECK_IN(&plan, {"5550100", "+12125550100", AGENT_DIAL_SUBSCRIBER},
             {"4085550100", "+14085550100", AGENT_DIAL_NATIONAL}, {"14085550100", "+14085550100", AGENT_DIAL_NATIONAL},
             {"0114930200000", "+4930200000", AGENT_DIAL_INTERNATIONAL}, {"911", "short", 0});
}

static void test_country_without_national_prefix(void **state)
{
    struct agent_dial_plan plan = plan_of("39", "");
    (void)state;
    CHECK_IN(&plan, {"0612345678", "+390612345678", AGENT_DIAL_NATIONAL},
             {"0049302000", "+49302000", AGENT_DIAL_INTERNATIONAL}, {"113", "short", 0});
}

static void test_without_country(void **state)
{
    struct agent_dial_plan plan = plan_of("", "");
    (void)state;
    CHECK_IN(&plan, {"+4930200000", "+4930200000", AGENT_DIAL_INTERNATIONAL},
             {"004930200000", "+4930200000", AGENT_DIAL_INTERNATIONAL}, {"030200000", NULL, 0}, {"200000", NULL, 0});
}

static void test_extensions_and_outside_line(void **state)
{
    struct agent_dial_plan plan = plan_of("49", "30");
    (void)state;
    strcpy(plan.outside_line, "9");
    strcpy(plan.extension_prefix, "+4930123");
    plan.extension_digits = 3;
    CHECK_IN(&plan, {"456", "+4930123456", AGENT_DIAL_EXTENSION}, {"9456789", "+4930456789", AGENT_DIAL_SUBSCRIBER},
             {"90891234", "+49891234", AGENT_DIAL_NATIONAL}, {"9001212555", "+1212555", AGENT_DIAL_INTERNATIONAL},
             {"9112", "short", 0}, {"9911", "short", 0}, {"112", "short", 0}, {"0112", "+49112", AGENT_DIAL_NATIONAL});
    plan.extension_prefix[0] = 0;
    CHECK_IN(&plan, {"456", NULL, 0});
}

static void test_what_no_rule_is_for(void **state)
{
    struct agent_dial_plan plan = plan_of("49", "30");
    struct agent_dialed d;
    (void)state;
    strcpy(plan.outside_line, "9");
    agent_dial_in(&plan, &shorts, slice_str("9 112"), NULL, &d);
    assert_int_equal(d.verdict, AGENT_DIAL_SHORT);
    assert_string_equal(d.text, "112"); /* of the PBX's code for an outside line the carrier knows nothing */
    agent_dial_out_short(&plan, &d);
    assert_string_equal(d.text, "9112"); /* to a trunk that wants it, too */
    strcpy(plan.outside_line, "");
    agent_dial_out_short(&plan, &d);
    assert_string_equal(d.text, "9112");
    strcpy(plan.outside_line, "9");
    agent_dial_in(&plan, &shorts, slice_str("9+0"), NULL, &d);
    assert_int_equal(d.verdict, AGENT_DIAL_NO_E164);
    assert_string_equal(d.text, "9+0");
}

static void test_rules_of_a_trunk_go_first(void **state)
{
    struct agent_dial_plan plan = plan_of("49", "30");
    struct agent_dial_trace trace;
    struct agent_dialed d;
    (void)state;
    plan.rules[AGENT_DIAL_IN][AGENT_DIAL_NATIONAL] = (struct agent_dial_rule){true, 3, "+4940"};
    agent_dial_in(&plan, &shorts, slice_str("0891234"), &trace, &d);
    assert_string_equal(d.number.text, "+49401234");
    assert_int_equal(trace.n, 4);
    assert_string_equal(trace.steps[2].what, "rule");
    assert_string_equal(trace.steps[2].why, "3 off the front, then +4940 before it (the trunk's rule)");
    plan.rules[AGENT_DIAL_IN][AGENT_DIAL_INTERNATIONAL] = (struct agent_dial_rule){true, 20, "+1"};
    agent_dial_in(&plan, &shorts, slice_str("+4930200000"), &trace, &d); /* what has a + is left alone */
    assert_string_equal(d.number.text, "+4930200000");
    agent_dial_in(&plan, &shorts, slice_str("004930200000"), &trace, &d);
    assert_string_equal(d.number.text, "+1");
}

static void check_out(const struct agent_dial_plan *plan, const char *number, const char *text)
{
    struct e164 e164 = {""};
    struct agent_dialed d;
    struct agent_dial_trace trace;
    assert_true(e164_parse(slice_str(number), &e164));
    agent_dial_out(plan, &shorts, &e164, &trace, &d);
    assert_string_equal(d.text, text);
    assert_string_equal(trace.steps[trace.n - 1].number, text);
}

static void test_out(void **state)
{
    struct agent_dial_plan plan = plan_of("49", "30");
    (void)state;
    check_out(&plan, "+4930200000", "+4930200000");
    plan.plus = false;
    check_out(&plan, "+12125550100", "0012125550100");
    check_out(&plan, "+4989123456", "089123456");
    check_out(&plan, "+4930200000", "030200000");
    plan.rules[AGENT_DIAL_OUT][AGENT_DIAL_SUBSCRIBER] = (struct agent_dial_rule){true, 5, ""};
    check_out(&plan, "+4930200000", "200000");
    check_out(&plan, "+4930110", "+4930110"); /* else it would be the police */
    strcpy(plan.outside_line, "9");
    check_out(&plan, "+4930200000", "9200000");
    plan.extension_digits = 2;
    check_out(&plan, "+493011", "+493011"); /* behind the 9 it would be the police */
    check_out(&plan, "+493021", "+493021");
    strcpy(plan.extension_prefix, "+4930123");
    plan.extension_digits = 3;
    check_out(&plan, "+4930123456", "456");
    check_out(&plan, "+49301234567", "91234567");
    check_out(&plan, "+4930123", "9123");
    check_out(&plan, "+4930123112", "+4930123112");
}

/* Whatever a trunk's numbers look like, what goes out comes in as the same number. */
static void test_there_and_back(void **state)
{
    static const char *const numbers[] = {"+4930200000", "+4989123456", "+12125550100", "+4930123456", "+390612345678"};
    static const char *const countries[] = {"49", "1", "39", "7", "61"};
    (void)state;
    for (size_t c = 0; c < sizeof countries / sizeof countries[0]; c++) {
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            struct agent_dial_plan plan = plan_of(countries[c], "");
            struct agent_dialed out, in;
            struct e164 number = {""};
            plan.plus = false;
            assert_true(e164_parse(slice_str(numbers[i]), &number));
            agent_dial_out(&plan, &shorts, &number, NULL, &out);
            assert_int_not_equal(out.text[0], '+');
            agent_dial_in(&plan, &shorts, slice_str(out.text), NULL, &in);
            assert_int_equal(in.verdict, AGENT_DIAL_E164);
            assert_string_equal(in.number.text, numbers[i]);
        }
    }
}

static void test_short_numbers(void **state)
{
    struct agent_short_numbers s = {.n = 0};
    struct agent_dial_plan plan = plan_of("49", "30");
    char text[8];
    (void)state;
    plan.extension_digits = 3;
    assert_int_equal(agent_short_numbers_add(&s, slice_str("12X")), 0);
    assert_int_equal(agent_short_numbers_add(&s, slice_str("12X")), ERR_EXISTS);
    assert_int_equal(agent_short_numbers_add(&s, slice_str("")), ERR_SYNTAX);
    assert_int_equal(agent_short_numbers_add(&s, slice_str("+112")), ERR_SYNTAX);
    assert_int_equal(agent_short_numbers_add(&s, slice_str("123456789")), ERR_SYNTAX);
    assert_true(agent_is_short_number(&plan, &s, slice_str("125")));
    assert_false(agent_is_short_number(&plan, &s, slice_str("12")));
    assert_false(agent_is_short_number(&plan, &s, slice_str("1255")));
    assert_false(agent_is_short_number(&plan, &s, slice_str("12X")));
    assert_false(agent_is_short_number(&plan, &s, slice_str("110"))); /* the file names others */
    for (unsigned i = 1; i < AGENT_SHORT_NUMBERS_MAX; i++) {
        snprintf(text, sizeof text, "9%03u", i);
        assert_int_equal(agent_short_numbers_add(&s, slice_str(text)), 0);
    }
    assert_int_equal(agent_short_numbers_add(&s, slice_str("1")), ERR_LIMIT);
    agent_short_numbers_default(&s);
    assert_true(agent_is_short_number(&plan, &s, slice_str("116117")));
}

/* Of the country, of all countries without one, by length where there are no extensions of it. */
static void test_emergency_numbers(void **state)
{
    struct agent_dial_plan germany = plan_of("49", "30"), nowhere = plan_of("", "");
    (void)state;
    assert_string_equal(agent_short_number_reason(&germany, &shorts, slice_str("110")),
                        "an emergency or service number there");
    assert_string_equal(agent_short_number_reason(&germany, &shorts, slice_str("100")),
                        "too short for a subscriber's number");
    assert_null(agent_short_number_reason(&germany, &shorts, slice_str("1001")));
    assert_null(agent_short_number_reason(&germany, &shorts, slice_str("12a")));
    assert_null(agent_short_number_reason(&germany, &shorts, slice_str("")));
    germany.extension_digits = 3; /* 100 is a phone here, 110 is the police all the same, 999 is not */
    assert_null(agent_short_number_reason(&germany, &shorts, slice_str("100")));
    assert_null(agent_short_number_reason(&germany, &shorts, slice_str("999")));
    assert_true(agent_is_short_number(&germany, &shorts, slice_str("110")));
    assert_true(agent_is_short_number(&germany, &shorts, slice_str("112")));
    assert_true(agent_is_short_number(&germany, &shorts, slice_str("911")));
    nowhere.extension_digits = 3;
    assert_string_equal(agent_short_number_reason(&nowhere, &shorts, slice_str("999")),
                        "an emergency or service number in some country");
    nowhere.extension_digits = 4;
    assert_true(agent_is_short_number(&nowhere, &shorts, slice_str("1669")));
    assert_true(agent_is_short_number(&nowhere, &shorts, slice_str("1355"))); /* 13XX in Gabon */
    assert_false(agent_is_short_number(&nowhere, &shorts, slice_str("1455")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_germany),
        cmocka_unit_test(test_america),
        cmocka_unit_test(test_country_without_national_prefix),
        cmocka_unit_test(test_without_country),
        cmocka_unit_test(test_extensions_and_outside_line),
        cmocka_unit_test(test_what_no_rule_is_for),
        cmocka_unit_test(test_rules_of_a_trunk_go_first),
        cmocka_unit_test(test_out),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_short_numbers),
        cmocka_unit_test(test_emergency_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
