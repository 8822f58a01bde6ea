/* Enrolled patterns and exclusions, fallback profiles, trust groups. */
#include "agent/enrolled.h"
#include "base/mem.h"
#include "testing.h"

#include <stdio.h>

static struct e164 number_of(const char *text)
{
    struct e164 number = {""};
    if (text[0])
        assert_true(e164_parse(slice_str(text), &number));
    return number;
}

static int setup(void **state)
{
    struct agent_enrolled *e;
    struct agent_fallback_profile profile;
    size_t group;
    assert_int_equal(agent_enrolled_new(&e), 0);
    agent_fallback_profile_init(&profile);
    strcpy(profile.name, "default");
    assert_int_equal(agent_enrolled_add_profile(e, &profile), 0);
    strcpy(profile.name, "video");
    profile.quality = AGENT_QUALITY_AGGRESSIVE;
    assert_int_equal(agent_enrolled_add_profile(e, &profile), 0);
    assert_int_equal(agent_enrolled_add_group(e, "berlin", "default", &group), 0);
    assert_int_equal(group, 0);
    assert_int_equal(agent_enrolled_add_group(e, "rooms", "video", &group), 0);
    assert_int_equal(group, 1);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    agent_enrolled_free(*state);
    return 0;
}

static int add(struct agent_enrolled *e, const char *pattern)
{
    return agent_enrolled_add_pattern(e, pattern[3] == '9', slice_str(pattern));
}

/* The pattern that holds the number; "-": none. */
static void expect(const struct agent_enrolled *e, const char *text, const char *pattern)
{
    struct agent_enrollment found = {.pattern = "-"};
    struct e164 number = number_of(text);
    agent_enrolled_find(e, &number, &found);
    assert_string_equal(found.pattern, pattern);
}

static void test_patterns(void **state)
{
    struct agent_enrolled *e = *state;
    struct agent_enrollment found;
    struct e164 number = number_of("+49902007");
    assert_int_equal(add(e, "+4930200XXXX"), 0);
    assert_int_equal(add(e, "+493020012XX"), 0);
    assert_int_equal(add(e, "+49302001234"), 0);
    assert_int_equal(add(e, "+499020XX"), 0);
    assert_int_equal(add(e, "+4930X001"), 0);
    expect(e, "+49302001234", "+49302001234");
    expect(e, "+49302001235", "+493020012XX");
    expect(e, "+49302009999", "+4930200XXXX");
    expect(e, "+4930200999", "-");
    expect(e, "+493020099990", "-");
    expect(e, "+49302001", "+4930X001");
    expect(e, "+4", "-");
    expect(e, "", "-");
    assert_true(agent_enrolled_find(e, &number, &found));
    assert_string_equal(found.group, "rooms");
    assert_int_equal(found.profile->quality, AGENT_QUALITY_AGGRESSIVE);
    assert_int_equal(agent_enrolled_patterns(e), 5);
}

static void test_bad_patterns(void **state)
{
    static const char *const bad[] = {"", "+", "49", "+0123", "+X123", "+49x", "+49 3", "+1234567890123456", "+49*"};
    struct agent_enrolled *e = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(agent_enrolled_add_pattern(e, 0, slice_str(bad[i])), ERR_SYNTAX);
    assert_int_equal(add(e, "+493020XX"), 0);
    assert_int_equal(add(e, "+493020XX"), ERR_EXISTS);
    assert_int_equal(add(e, "+4931XXXXXX"), ERR_LIMIT); /* a million, and there are a hundred already */
    assert_int_equal(add(e, "+4931XXXXX"), 0);
    assert_int_equal(agent_enrolled_count(e), 100100);
}

static void test_exclusions(void **state)
{
    struct agent_enrolled *e = *state;
    struct agent_enrolled_iter it = {0};
    struct e164 number;
    char text[512] = "";
    assert_int_equal(add(e, "+49302X"), 0);
    assert_int_equal(add(e, "+493025"), 0);
    assert_int_equal(add(e, "+49307"), 0);
    assert_int_equal(agent_enrolled_exclude(e, slice_str("+493023")), 0);
    assert_int_equal(agent_enrolled_exclude(e, slice_str("+493023")), ERR_EXISTS);
    assert_int_equal(agent_enrolled_exclude(e, slice_str("+49307")), ERR_CONFLICT);
    assert_int_equal(agent_enrolled_exclude(e, slice_str("+4930X")), ERR_SYNTAX);
    assert_int_equal(agent_enrolled_exclude(e, slice_str("+49308")), 0);
    assert_int_equal(add(e, "+49308"), ERR_CONFLICT);
    expect(e, "+493023", "-");
    expect(e, "+493024", "+49302X");
    number = number_of("+493023");
    assert_true(agent_enrolled_is_excluded(e, &number));
    while (agent_enrolled_next(e, &it, &number))
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", number.text + 5);
    assert_string_equal(text, "20 21 22 24 26 27 28 29 25 7 ");
    assert_false(agent_enrolled_next(e, &it, &number));
}

static void test_groups_and_profiles(void **state)
{
    struct agent_enrolled *e = *state;
    struct agent_fallback_profile p;
    const char *reason;
    size_t group;
    assert_int_equal(agent_enrolled_add_group(e, "berlin", "default", &group), ERR_EXISTS);
    assert_int_equal(agent_enrolled_add_group(e, "x", "none", &group), ERR_NOT_FOUND);
    agent_fallback_profile_init(&p);
    assert_int_equal(agent_fallback_profile_check(&p, &reason), 0);
    strcpy(p.name, "default");
    assert_int_equal(agent_enrolled_add_profile(e, &p), ERR_EXISTS);
    p.dtmf_digits = 3;
    p.simultaneous_calls = 100;
    assert_int_equal(agent_fallback_profile_check(&p, &reason), 0);
    p.simultaneous_calls = 101;
    assert_int_equal(agent_fallback_profile_check(&p, &reason), ERR_RANGE);
    p.simultaneous_calls = 1;
    p.caller_id_digits = 3;
    assert_int_equal(agent_fallback_profile_check(&p, &reason), ERR_RANGE);
    p.caller_id_digits = 15;
    p.answer_ms = 10001;
    assert_int_equal(agent_fallback_profile_check(&p, &reason), ERR_RANGE);
    strcpy(p.name, "other");
    assert_int_equal(agent_enrolled_add_profile(e, &p), ERR_RANGE);
}

static enum agent_cause trust(const struct agent_enrolled *e, const char *domain, const char *text)
{
    struct e164 number = number_of(text);
    return agent_trust_check(e, slice_str(domain), &number);
}

static void test_untrusted_are_blocked(void **state)
{
    struct agent_enrolled *e = *state;
    const char *domains[4];
    bool white;
    assert_int_equal(trust(e, "b.example", "+4930"), AGENT_CAUSE_NONE);
    assert_int_equal(agent_trust_add_domain(e, slice_str("Bad.example"), false), 0);
    assert_int_equal(agent_trust_add_domain(e, slice_str(".bad.example"), false), 0);
    assert_int_equal(agent_trust_add_domain(e, slice_str("bad.EXAMPLE"), false), ERR_EXISTS);
    assert_int_equal(agent_trust_add_domain(e, slice_str("bad.example"), true), ERR_CONFLICT);
    assert_int_equal(agent_trust_add_domain(e, slice_str("a b"), false), ERR_SYNTAX);
    assert_int_equal(agent_trust_add_domain(e, slice_str(""), false), ERR_SYNTAX);
    assert_int_equal(trust(e, "BAD.example", "+4930"), AGENT_CAUSE_DOMAIN_BLOCKED);
    assert_int_equal(trust(e, "x.y.bad.example", "+4930"), AGENT_CAUSE_DOMAIN_BLOCKED);
    assert_int_equal(trust(e, "notbad.example", "+4930"), AGENT_CAUSE_NONE);
    assert_int_equal(trust(e, "", "+4930"), AGENT_CAUSE_NONE);
    assert_int_equal(agent_trust_domains(e, &white, domains, 4), 1);
    assert_false(white);
    assert_string_equal(domains[0], "bad.example");
}

static void test_trusted_are_the_only_ones(void **state)
{
    struct agent_enrolled *e = *state;
    const char *domains[4];
    bool white;
    assert_int_equal(agent_trust_add_domain(e, slice_str(".good.example"), true), 0);
    assert_int_equal(agent_trust_add_domain(e, slice_str("good.example"), true), 0);
    assert_int_equal(agent_trust_add_domain(e, slice_str("x.good.example"), false), 0);
    assert_int_equal(trust(e, "good.example", "+4930"), AGENT_CAUSE_NONE);
    assert_int_equal(trust(e, "a.good.example", "+4930"), AGENT_CAUSE_NONE);
    assert_int_equal(trust(e, "x.good.example", "+4930"), AGENT_CAUSE_DOMAIN_BLOCKED);
    assert_int_equal(trust(e, "other.example", "+4930"), AGENT_CAUSE_DOMAIN_BLOCKED);
    assert_int_equal(agent_trust_domains(e, &white, domains, 4), 1);
    assert_true(white);
    assert_string_equal(domains[0], "good.example");
}

static void test_prefixes(void **state)
{
    struct agent_enrolled *e = *state;
    assert_int_equal(agent_trust_add_prefix(e, slice_str("+4930!"), false), 0);
    assert_int_equal(agent_trust_add_prefix(e, slice_str("+4930!"), false), ERR_EXISTS);
    assert_int_equal(agent_trust_add_prefix(e, slice_str("+4930!"), true), ERR_CONFLICT);
    assert_int_equal(agent_trust_add_prefix(e, slice_str("+1900555"), false), 0);
    assert_int_equal(trust(e, "b.example", "+49305"), AGENT_CAUSE_PREFIX_BLOCKED);
    assert_int_equal(trust(e, "b.example", "+4930"), AGENT_CAUSE_NONE); /* at least one digit follows */
    assert_int_equal(trust(e, "b.example", "+1900555"), AGENT_CAUSE_PREFIX_BLOCKED);
    assert_int_equal(trust(e, "b.example", "+19005551"), AGENT_CAUSE_NONE);
    assert_int_equal(agent_trust_add_prefix(e, slice_str("+493020!"), true), 0); /* the longest decides */
    assert_int_equal(agent_trust_add_prefix(e, slice_str("+49302012"), false), 0);
    assert_int_equal(trust(e, "b.example", "+4930201"), AGENT_CAUSE_NONE);
    assert_int_equal(trust(e, "b.example", "+49302012"), AGENT_CAUSE_PREFIX_BLOCKED);
    assert_int_equal(trust(e, "b.example", "+4930211"), AGENT_CAUSE_PREFIX_BLOCKED);
    assert_int_equal(trust(e, "b.example", "+4989"), AGENT_CAUSE_PREFIX_BLOCKED); /* not among the trusted ones */
    assert_int_equal(agent_trust_add_prefix(e, slice_str("+123456789012345!"), false), ERR_SYNTAX);
    assert_int_equal(agent_trust_add_prefix(e, slice_str("+12345678901234!"), false), 0);
    assert_int_equal(agent_trust_add_prefix(e, slice_str("+123456789012345"), false), 0);
    assert_int_equal(agent_trust_add_prefix(e, slice_str("+!"), false), ERR_SYNTAX);
    assert_int_equal(agent_trust_add_prefix(e, slice_str("!"), false), ERR_SYNTAX);
}

static void test_lack_of_memory(void **state)
{
    struct agent_enrolled *e = *state;
    for (unsigned i = 0; i < 300; i++) {
        char text[32];
        snprintf(text, sizeof text, "+4930%u", 100 + i);
        mem_fail_at(1 + i % 3);
        int pattern = agent_enrolled_add_pattern(e, 0, slice_str(text));
        mem_fail_at(1 + i % 3);
        int domain = agent_trust_add_domain(e, slice_str(text), false);
        mem_fail_at(0);
        expect(e, text, pattern ? "-" : text);
        assert_int_equal(trust(e, text, ""), domain ? AGENT_CAUSE_NONE : AGENT_CAUSE_DOMAIN_BLOCKED);
        if (pattern)
            assert_int_equal(agent_enrolled_add_pattern(e, 0, slice_str(text)), 0);
        if (domain)
            assert_int_equal(agent_trust_add_domain(e, slice_str(text), false), 0);
    }
    assert_int_equal(agent_enrolled_count(e), 300);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_patterns),
        TEST(test_bad_patterns),
        TEST(test_exclusions),
        TEST(test_groups_and_profiles),
        TEST(test_untrusted_are_blocked),
        TEST(test_trusted_are_the_only_ones),
        TEST(test_prefixes),
        TEST(test_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
