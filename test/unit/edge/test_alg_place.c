/* Whose an address is, what is hidden, and where free text has something that is. */
#include "alg_world.h"

static void test_places(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum alg_place place;
    } rows[] = {
        {"192.0.2.1", ALG_FAR},
        {"8.8.8.8", ALG_FAR},
        {"198.51.100.7:9", ALG_OURS}, /* with any port */
        {"10.1.0.1", ALG_OURS},
        {"10.1.0.5", ALG_INSIDE},      /* an agent */
        {"203.0.113.200", ALG_INSIDE}, /* a network of the options */
        {"10.9.9.9", ALG_INSIDE},
        {"172.16.0.1", ALG_INSIDE},
        {"172.31.255.255", ALG_INSIDE},
        {"172.32.0.1", ALG_FAR},
        {"172.15.255.255", ALG_FAR},
        {"192.168.200.1", ALG_INSIDE},
        {"100.64.0.1", ALG_INSIDE},
        {"100.127.255.255", ALG_INSIDE},
        {"100.128.0.1", ALG_FAR},
        {"127.0.0.1", ALG_NOWHERE},
        {"127.255.255.255", ALG_NOWHERE},
        {"169.254.1.1", ALG_NOWHERE},
        {"0.0.0.0", ALG_NOWHERE},
        {"0.0.0.1", ALG_NOWHERE},
        {"224.0.0.1", ALG_NOWHERE},
        {"239.255.255.255", ALG_NOWHERE},
        {"240.0.0.1", ALG_NOWHERE},
        {"255.255.255.255", ALG_NOWHERE},
        {"[2001:db8::1]", ALG_FAR},
        {"[::]", ALG_NOWHERE},
        {"[::1]", ALG_NOWHERE},
        {"[fe80::1]", ALG_NOWHERE},
        {"[febf::1]", ALG_NOWHERE},
        {"[fec0::1]", ALG_INSIDE},
        {"[fc00::1]", ALG_INSIDE},
        {"[fdff::1]", ALG_INSIDE},
        {"[fe00::1]", ALG_FAR},
        {"[ff02::1]", ALG_NOWHERE},
        {"[::ffff:10.9.9.9]", ALG_INSIDE}, /* others in disguise */
        {"[::ffff:127.0.0.1]", ALG_NOWHERE},
        {"[::ffff:192.0.2.1]", ALG_FAR},
        {"[::ffff:198.51.100.7]", ALG_OURS},
        {"[::10.1.0.5]", ALG_INSIDE},
        {"[64:ff9b::a09:909]", ALG_INSIDE},
        {"[64:ff9b::c000:201]", ALG_FAR},
        {"[::ffff:0:a09:909]", ALG_INSIDE},
        {"[::ffff:0:7f00:1]", ALG_NOWHERE},
        {"[::ffff:0:c000:201]", ALG_FAR},
        {"[64:ff9b:1::a09:909]", ALG_INSIDE},
        {"[64:ff9b:1:a09:9:900::]", ALG_INSIDE},
        {"[64:ff9b:2::a09:909]", ALG_FAR},
        {"[2002:7f00:1::1]", ALG_NOWHERE},
        {"[2002:c000:201::1]", ALG_FAR},
        {"[2001:0:c000:201::f5f6:f6f6]", ALG_INSIDE},
        {"[2001:0:c000:201::3fff:fdfe]", ALG_FAR},
        {"[2001:db8::5efe:a09:909]", ALG_INSIDE},
        {"[2001:db8::200:5efe:7f00:1]", ALG_NOWHERE},
        {"[2001:db8::200:5efe:c000:201]", ALG_FAR},
        {"[2001:db8::5eff:a09:909]", ALG_FAR},
    };
    struct alg_world w;
    alg_world_init(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr a = addr_of(rows[i].text);
        if (alg_place_of(&w.options, &a) != rows[i].place)
            fail_msg("%s: %s", rows[i].text, alg_place_name(alg_place_of(&w.options, &a)));
    }
    alg_world_fini(&w);
}

static enum alg_place place(struct alg_world *w, const char *text)
{
    struct addr a = addr_of(text);
    return alg_place_of(&w->options, &a);
}

/* What the options allow, and what they cannot. */
static void test_options(void **state)
{
    (void)state;
    struct alg_world w;
    struct addr loopback = addr_of("127.0.2.0"), lab = addr_of("10.1.0.0"), multicast = addr_of("224.0.0.0"),
                port = addr_of("192.0.2.9:5061"), media = addr_of("192.0.2.77");
    alg_world_init(&w);
    w.options.allow_private_outside = true;
    assert_int_equal(place(&w, "192.168.1.1"), ALG_FAR);
    assert_int_equal(place(&w, "10.1.0.5"), ALG_INSIDE); /* the agent is not */
    assert_int_equal(place(&w, "127.0.2.1"), ALG_NOWHERE);
    assert_int_equal(edge_options_outside_network(&w.options, &loopback, 24), 0);
    assert_int_equal(edge_options_outside_network(&w.options, &lab, 16), 0);
    assert_int_equal(edge_options_outside_network(&w.options, &multicast, 4), 0);
    assert_int_equal(edge_options_outside_network(&w.options, &multicast, 33), ERR_RANGE);
    assert_int_equal(place(&w, "127.0.2.1"), ALG_FAR);
    assert_int_equal(place(&w, "127.0.3.1"), ALG_NOWHERE);
    assert_int_equal(place(&w, "10.1.0.5"), ALG_INSIDE);
    assert_int_equal(place(&w, "224.0.0.5"), ALG_NOWHERE);
    assert_int_equal(edge_options_own(&w.options, &port), 0);
    assert_int_equal(place(&w, "192.0.2.9:5061"), ALG_OURS);
    assert_int_equal(place(&w, "192.0.2.9:5062"), ALG_FAR);
    const struct addr other_port = addr_of("192.0.2.9:20000"), mapped = addr_of("[::ffff:192.0.2.9]:20000"),
                      neighbor = addr_of("192.0.2.10:5061");
    assert_true(alg_is_own_host(&w.options, &other_port));
    assert_true(alg_is_own_host(&w.options, &mapped));
    assert_false(alg_is_own_host(&w.options, &neighbor));
    w.options.media_advertised[EDGE_OUTSIDE][0] = media;
    assert_int_equal(place(&w, "192.0.2.77:20000"), ALG_OURS);
    alg_world_fini(&w);
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const hidden[] = {"10.1.0.1",          "10.1.0.5",
                                         "203.0.113.9",       "fd00::1",
                                         "127.0.0.1",         "pbx",
                                         "PBX.local",         "agent.a.example",
                                         "localhost",         "x.home.arpa",
                                         "sbc.corp.internal", "::ffff:10.0.0.1",
                                         "pbx.lan.",          "10.0.0.1.nip.example"};
    static const char *const shown[] = {"198.51.100.7", "edge.a.example", "b.example",
                                        "a.example",    "192.0.2.1",      "2001:db8::1",
                                        "0.0.0.0",      "home.example",   "anonymous.invalid"};
    struct alg_world w;
    alg_world_init(&w);
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        if (!alg_hides_host(&w.options, slice_str(hidden[i])))
            fail_msg("%s is not hidden", hidden[i]);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        if (alg_hides_host(&w.options, slice_str(shown[i])))
            fail_msg("%s is hidden", shown[i]);
    alg_world_fini(&w);
}

static void test_points(void **state)
{
    (void)state;
    struct alg_world w;
    alg_world_init(&w);
    assert_slice_text(alg_point(&w.options, EDGE_INSIDE, SIP_TCP), "10.1.0.1:5060");
    assert_slice_text(alg_point(&w.options, EDGE_INSIDE, SIP_TLS), "10.1.0.1:5060");
    assert_int_equal(edge_options_point(&w.options, EDGE_INSIDE, SIP_TLS, "[fd00::1]:5061"), 0);
    assert_slice_text(alg_point(&w.options, EDGE_INSIDE, SIP_TLS), "[fd00::1]:5061");
    assert_true(alg_is_point(&w.options, EDGE_INSIDE, slice_str("fd00:0::1")));
    assert_true(alg_is_point(&w.options, EDGE_OUTSIDE, slice_str("EDGE.a.example")));
    assert_false(alg_is_point(&w.options, EDGE_INSIDE, slice_str("edge.a.example")));
    alg_world_fini(&w);
}

static void test_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *found; /* "": nothing */
    } rows[] = {
        {"", ""},
        {"Asterisk PBX 18.9.0", ""},
        {"Grandstream GXP1625 1.0.4.132", ""},
        {"x 0.9.8.1", ""}, /* nobody's: a version */
        {"at 10.1.0.5", "10.1.0.5"},
        {"10.1.0.5:5060", "10.1.0.5"},
        {"(10.1.0.5.)", "10.1.0.5"},
        {"a=10.0.0.300", ""},
        {"1.10.0.0.1", ""},
        {"192.0.2.1, 127.0.0.1", "127.0.0.1"},
        {"10.0.0.1~5060~1", "10.0.0.1"},
        {"[fd00::1]:5060", "fd00::1"},
        {"sip:fd00::1", "fd00::1"},
        {"::1", "::1"},
        {"x ::ffff:10.0.0.1 y", "::ffff:10.0.0.1"},
        {"fe80::1.", "fe80::1"},
        {"at 12:30:05", ""},
        {"2001:db8::1", ""},
        {"00:0c:29:3e:aa:01", ""},
        {"<sip:alice@pbx>", "pbx"},
        {"<sip:alice@b.example>", ""},
        {"sip:pbx.local;lr", "pbx.local"},
        {"sip:alice@b.example;x=y", ""},
        {"http://files.lan/x", "files.lan"},
        {"HTTP://b.example/x", ""},
        {"abc@10.0.0.1", "10.0.0.1"},
    };
    struct alg_world w;
    alg_world_init(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice found = alg_find_hidden(&w.options, slice_str(rows[i].text));
        if (!slice_eq_str(found, rows[i].found))
            fail_msg("%s: %.*s", rows[i].text, SLICE_PRINT(found));
    }
    alg_world_fini(&w);
}

/* A key may have any letters, slashes among them. */
static void test_descriptions(void **state)
{
    static const char crypto[] = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline://pbx/+//phone.lan|2^31\r\n";
    static const char tool[] = "a=tool:http://pbx/\r\n",
                      sprop[] = "a=fmtp:96 sprop-parameter-sets=Z0//KeKQ,aM4//pbx\r\n";
    char text[256];
    struct alg_world w;
    (void)state;
    alg_world_init(&w);
    snprintf(text, sizeof text, "v=0\r\n%s%s", crypto, sprop);
    assert_int_equal(alg_find_hidden_in_sdp(&w.options, slice_str(text)).n, 0);
    snprintf(text, sizeof text, "v=0\r\n%s%s", crypto, tool);
    assert_slice_text(alg_find_hidden_in_sdp(&w.options, slice_str(text)), "pbx");
    alg_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places), cmocka_unit_test(test_options), cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_points), cmocka_unit_test(test_text),    cmocka_unit_test(test_descriptions),
    };
    return cmocka_run_group_tests_name("alg_place", tests, NULL, NULL);
}
