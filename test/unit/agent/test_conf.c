/* agent.conf: numbers and services. */
#include "agent/conf.h"
#include "testing.h"

static const struct conf_section sections[] = {AGENT_CONF_SECTIONS, {"trunk", true, "A trunk."}};
static const struct conf_key keys[] = {AGENT_CONF_KEYS, AGENT_CONF_DIALING_KEYS("trunk")};
static const struct conf_table table = {
    .intro = "A test.",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

static struct buf errors;

static int setup(void **state)
{
    (void)state;
    buf_init(&errors, 65536);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&errors);
    return 0;
}

static struct conf *parse(const char *text)
{
    struct conf *c = NULL;
    buf_clear(&errors);
    if (conf_parse(&table, "agent.conf", slice_str(text), &errors, &c) < 0)
        fail_msg("%s", buf_text(&errors));
    return c;
}

static void expect_enrolled(const char *text, const char *complaint)
{
    struct conf *c = parse(text);
    struct agent_enrolled *e = NULL;
    int err = agent_conf_enrolled(c, &errors, &e);
    assert_string_equal(buf_text(&errors), complaint);
    assert_int_equal(err, *complaint ? ERR_SYNTAX : 0);
    agent_enrolled_free(e);
    conf_free(c);
}

static void test_enrolled(void **state)
{
    struct agent_enrollment found;
    struct agent_enrolled *e;
    struct e164 number = {"+49302001234"};
    (void)state;
    struct conf *c = parse("[fallback video]\nsensitivity = aggressive\nnumber = +4930200000\nanswer-timer = 8s\n"
                           "[enrolled berlin]\npattern = +4930200XXXX, +49302011XX\nfallback = video\n"
                           "[enrolled munich]\npattern = +49892000XX\n"
                           "[excluded boss]\nnumber = +49302000001\n"
                           "[trust friends]\ntrusted = yes\ndomain = b.example, .b.example\n"
                           "[trust expensive]\ntrusted = no\nprefix = +1900!\n");
    assert_int_equal(agent_conf_enrolled(c, &errors, &e), 0);
    assert_true(agent_enrolled_find(e, &number, &found));
    assert_string_equal(found.group, "berlin");
    assert_string_equal(found.profile->name, "video");
    assert_int_equal(found.profile->quality, AGENT_QUALITY_AGGRESSIVE);
    assert_int_equal(found.profile->answer_ms, 8000);
    assert_string_equal(found.profile->number.text, "+4930200000");
    number = (struct e164){"+4989200012"};
    assert_true(agent_enrolled_find(e, &number, &found));
    assert_string_equal(found.profile->name, "default");
    assert_int_equal(found.profile->return_ms, 30000);
    number = (struct e164){"+49302000001"};
    assert_false(agent_enrolled_find(e, &number, &found));
    assert_int_equal(agent_trust_check(e, slice_str("x.b.example"), &number), AGENT_CAUSE_NONE);
    assert_int_equal(agent_trust_check(e, slice_str("c.example"), &number), AGENT_CAUSE_DOMAIN_BLOCKED);
    number = (struct e164){"+19005550100"};
    assert_int_equal(agent_trust_check(e, slice_str("b.example"), &number), AGENT_CAUSE_PREFIX_BLOCKED);
    agent_enrolled_free(e);
    conf_free(c);
}

/* The file's defaults are those of profiles, and each key arrives. */
static void test_fallback(void **state)
{
    struct agent_fallback_profile profile;
    struct agent_enrollment found;
    struct agent_enrolled *e;
    struct e164 number = {"+491"};
    (void)state;
    agent_fallback_profile_init(&profile);
    strcpy(profile.name, "a");
    struct conf *c = parse("[fallback a]\n[enrolled x]\npattern = +491\nfallback = a\n");
    assert_int_equal(agent_conf_enrolled(c, &errors, &e), 0);
    assert_true(agent_enrolled_find(e, &number, &found));
    assert_memory_equal(found.profile, &profile, sizeof profile);
    agent_enrolled_free(e);
    conf_free(c);
    c = parse("[fallback a]\nreturn = no\nrelease-delay = 0\ncollection-timer = 20s\ninter-digit-timer = 1s500ms\n"
              "correlation-digits = 0\nsimultaneous-calls = 7\n[enrolled x]\npattern = +491\nfallback = a\n");
    assert_int_equal(agent_conf_enrolled(c, &errors, &e), 0);
    assert_true(agent_enrolled_find(e, &number, &found));
    assert_int_equal(found.profile->return_ms, 0);
    assert_int_equal(found.profile->release_ms, 0);
    assert_int_equal(found.profile->collection_ms, 20000);
    assert_int_equal(found.profile->inter_digit_ms, 1500);
    assert_int_equal(found.profile->dtmf_digits, 0);
    assert_int_equal(found.profile->simultaneous_calls, 7);
    agent_enrolled_free(e);
    conf_free(c);
    expect_enrolled("[fallback a]\nreturn = soon\n",
                    "[fallback a] soon: return is a duration, for example 30s, or no\n");
    expect_enrolled("[fallback a]\nreturn = 0\n", "[fallback a] 0: return is a duration, for example 30s, or no\n");
    expect_enrolled("[fallback a]\nreturn = 11m\n", "[fallback a] a call returns after 5 seconds to 10 minutes\n");
    expect_enrolled("[fallback a]\ncollection-timer = 2s\n",
                    "[fallback a] the inter-digit timer is half a second at least, and no longer than the collection "
                    "timer\n");
}

static void test_complaints(void **state)
{
    (void)state;
    expect_enrolled("", "");
    expect_enrolled("[enrolled a]\npattern = 4930, +49X\n",
                    "[enrolled a] 4930: a pattern is + and digits, or X for any digit; the first is a digit from 1\n");
    expect_enrolled("[enrolled a]\npattern = +49X\n[enrolled b]\npattern = +49X\n",
                    "[enrolled b] +49X: it is there twice\n");
    expect_enrolled("[enrolled a]\npattern = +49X\nfallback = none\n",
                    "[enrolled a] none: there is no such section [fallback …]\n");
    expect_enrolled("[enrolled a]\npattern = +491\n[excluded b]\nnumber = +491\n",
                    "[excluded b] +491: it is enrolled, too\n");
    expect_enrolled("[trust a]\ntrusted = yes\n", "[trust a] a group has either domains or prefixes\n");
    expect_enrolled("[trust a]\ntrusted = yes\ndomain = x.y\n[trust b]\ntrusted = no\ndomain = X.y\n",
                    "[trust b] X.y: it is trusted and blocked\n");
    expect_enrolled("[trust a]\ntrusted = yes\nprefix = 49!\n",
                    "[trust a] 49!: a prefix is + and 1 to 15 digits, or + and 1 to 14 digits and !\n");
    expect_enrolled("[fallback a]\ncorrelation-digits = 2\nsimultaneous-calls = 11\n",
                    "[fallback a] the correlation digits must tell ten times the simultaneous calls apart\n");
}

static void expect_dialing(const char *text, const char *complaint)
{
    struct agent_dial_plan plan;
    struct conf *c = parse(text);
    int err = agent_conf_dialing(conf_next(c, "trunk", NULL), "trunk t", &errors, &plan);
    assert_string_equal(buf_text(&errors), complaint);
    assert_int_equal(err, *complaint ? ERR_SYNTAX : 0);
    conf_free(c);
}

static void test_dialing(void **state)
{
    struct agent_dial_plan p;
    (void)state;
    struct conf *c = parse("[trunk t]\ncountry = +49\narea = 30\noutside-line = 9\nextension-prefix = +4930123\n"
                           "extension-digits = 3\nformat = dialed\nin-rule = unknown 0 +4930, national 1 +49\n"
                           "out-rule = subscriber 5\n");
    assert_int_equal(agent_conf_dialing(conf_next(c, "trunk", NULL), "trunk t", &errors, &p), 0);
    assert_string_equal(p.country, "49");
    assert_string_equal(p.national_prefix, "0");
    assert_string_equal(p.outside_line, "9");
    assert_int_equal(p.extension_digits, 3);
    assert_false(p.plus);
    assert_true(p.rules[AGENT_DIAL_IN][AGENT_DIAL_UNKNOWN].set);
    assert_string_equal(p.rules[AGENT_DIAL_IN][AGENT_DIAL_NATIONAL].prefix, "+49");
    assert_int_equal(p.rules[AGENT_DIAL_OUT][AGENT_DIAL_SUBSCRIBER].strip, 5);
    assert_string_equal(p.rules[AGENT_DIAL_OUT][AGENT_DIAL_SUBSCRIBER].prefix, "");
    assert_false(p.rules[AGENT_DIAL_OUT][AGENT_DIAL_NATIONAL].set);
    conf_free(c);
    expect_dialing("[trunk t]\n", "");
    expect_dialing("[trunk t]\ncountry = 0\n", "[trunk t] country: \"0\" is no country code\n");
    expect_dialing("[trunk t]\narea = 30\n", "[trunk t] area: it needs a country\n");
    expect_dialing("[trunk t]\nnational-prefix = x\n", "[trunk t] national-prefix: \"x\" is no digits\n");
    expect_dialing("[trunk t]\nin-rule = local 1\n", "[trunk t] in-rule: \"local 1\" is not KIND STRIP [PREFIX], "
                                                     "for example \"national 1 +49\"\n");
    expect_dialing("[trunk t]\nout-rule = national 1 2 3\n", "[trunk t] out-rule: \"national 1 2 3\" is not KIND "
                                                             "STRIP [PREFIX], for example \"national 1 +49\"\n");
}

static void test_shorts(void **state)
{
    struct agent_short_numbers s;
    struct agent_dial_plan plan;
    (void)state;
    agent_dial_plan_init(&plan);
    plan.extension_digits = 3;
    struct conf *c = parse("");
    assert_int_equal(agent_conf_shorts(c, &errors, &s), 0);
    assert_true(agent_is_short_number(&plan, &s, slice_str("911")));
    conf_free(c);
    c = parse("[numbers]\nshort = 112, 19X\n");
    assert_int_equal(agent_conf_shorts(c, &errors, &s), 0);
    assert_true(agent_is_short_number(&plan, &s, slice_str("112")) &&
                agent_is_short_number(&plan, &s, slice_str("192")));
    assert_false(agent_is_short_number(&plan, &s, slice_str("911")));
    conf_free(c);
    c = parse("[numbers]\nshort = 112, 112, 1-2\n");
    assert_int_equal(agent_conf_shorts(c, &errors, &s), ERR_SYNTAX);
    assert_string_equal(buf_text(&errors), "[numbers] short: \"112\": it is there twice\n"
                                           "[numbers] short: \"1-2\": digits, or X for any digit\n");
    conf_free(c);
}

#define SERVICE "[service main]\ndomain = a.example\nvservice-id = 7eeb6a7036478351\nuser = agent\n"

static void expect_service(const char *text, const char *complaint)
{
    struct agent_conf_service s;
    struct conf *c = parse(text);
    int err = agent_conf_service(conf_next(c, "service", NULL), &errors, &s);
    assert_string_equal(buf_text(&errors), complaint);
    assert_int_equal(err, *complaint ? ERR_SYNTAX : 0);
    conf_free(c);
}

static void test_service(void **state)
{
    struct agent_conf_service s;
    (void)state;
    struct conf *c = parse(SERVICE "server = ime1.a.example:5621, [2001:db8::1]\nca = /ca.pem\n"
                                   "external-address = 192.0.2.1:5061, [2001:db8::2]:5062\n");
    assert_int_equal(agent_conf_service(conf_next(c, "service", NULL), &errors, &s), 0);
    assert_int_equal(s.config.vservice_id, UINT64_C(0x7eeb6a7036478351));
    assert_int_equal(s.config.servers, 2);
    assert_string_equal(s.hosts[0], "ime1.a.example");
    assert_int_equal(s.ports[0], 5621);
    assert_string_equal(s.hosts[1], "2001:db8::1");
    assert_int_equal(s.ports[1], 5620);
    assert_int_equal(s.config.route_count, 2);
    assert_string_equal(s.config.routes[0], "sip:agent@a.example:5061;maddr=192.0.2.1;transport=tcp");
    assert_int_equal(s.config.reconnect_ms, 120000);
    conf_free(c);
    expect_service(SERVICE "server = a, b, c\nplain = yes\nexternal-address = 192.0.2.1\n",
                   "[service main] server: there is one primary, and at most one backup\n");
    expect_service(SERVICE "server = a:0\nplain = yes\nexternal-address = 192.0.2.1\n",
                   "[service main] server: a:0: it is HOST or HOST:PORT\n");
    expect_service(SERVICE "server = a\nexternal-address = 192.0.2.1\n",
                   "[service main] ca: either the authority that is to be trusted, or plain = yes\n");
    expect_service(SERVICE "server = a\nplain = yes\nexternal-address = 192.0.2.1\nagent-id = a@b c\n",
                   "[service main] agent-id: a@b c: no URI can be made with it\n");
}

static void test_routes_and_records(void **state)
{
    struct agent_routes_config routes, routes_default;
    struct agent_records_config records, records_default;
    (void)state;
    struct conf *c = parse("");
    agent_conf_routes(c, &routes);
    agent_conf_records(c, &records);
    agent_routes_config_init(&routes_default);
    agent_records_config_init(&records_default);
    assert_memory_equal(&routes, &routes_default, sizeof routes);
    assert_memory_equal(&records, &records_default, sizeof records);
    conf_free(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_enrolled), TEST(test_fallback), TEST(test_complaints),         TEST(test_dialing),
        TEST(test_shorts),   TEST(test_service),  TEST(test_routes_and_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
