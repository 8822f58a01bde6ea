/* URIs: their parts, when they are equal, and the numbers in them. */
#include "sip/uri.h"
#include "testing.h"

static struct sip_uri parse(const char *text)
{
    struct sip_uri uri;
    struct fault fault = {0};
    if (sip_uri_parse(slice_str(text), &uri, &fault) < 0)
        fail_msg("%s: octet %zu: %s", text, fault.octet, fault.rule);
    return uri;
}

static void test_parts(void **state)
{
    (void)state;
    struct slice value;
    struct sip_uri u = parse("SIPS:a%20b:pw@[2001:db8::1]:5070;lr;Transport=tcp;x=[y]:z?Subject=a%20b&Priority=");
    assert_int_equal(u.scheme, SIP_SCHEME_SIPS);
    assert_slice_text(u.user, "a%20b");
    assert_slice_text(u.password, "pw");
    assert_slice_text(u.host, "2001:db8::1");
    assert_true(u.host_is_ipv6);
    assert_int_equal(u.port, 5070);
    assert_slice_text(u.params, ";lr;Transport=tcp;x=[y]:z");
    assert_slice_text(u.headers, "Subject=a%20b&Priority=");
    assert_true(sip_uri_param(&u, "transport", &value));
    assert_slice_text(value, "tcp");
    assert_true(sip_uri_param(&u, "LR", &value));
    assert_int_equal(value.n, 0);
    assert_false(sip_uri_param(&u, "l", &value));

    u = parse("sip:my_pbx.example.");
    assert_false(u.has_user);
    assert_slice_text(u.host, "my_pbx.example.");
    assert_int_equal(u.port, 0);
    u = parse("sip:a:@b"); /* a password of no octets */
    assert_int_equal(u.password.n, 0);
    u = parse("urn:service:sos?x=1");
    assert_int_equal(u.scheme, SIP_SCHEME_OTHER);
    assert_slice_text(u.user, "service:sos?x=1");
    u = parse("tel:+1-201-555-0123;ext=12-3;isub=a%20b");
    assert_int_equal(u.scheme, SIP_SCHEME_TEL);
    assert_slice_text(u.user, "+1-201-555-0123");
    assert_true(sip_uri_param(&u, "ext", &value));
    assert_slice_text(value, "12-3");
    u = parse("tel:*21#;phone-context=example.com");
    assert_slice_text(u.user, "*21#");
    parse("tel:a(b)c;phone-context=+1-914");
}

/* The cases of RFC 5118 (IPv6 torture messages): sections 4.1 to 4.4, 4.7 to 4.10. */
static void test_ipv6(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        unsigned port;
    } rows[] = {
        {"sip:user@[2001:db8::10]", "2001:db8::10", 0},
        {"sip:2001:db8::10", NULL, 0},
        {"sip:[2001:db8::10:5070]", "2001:db8::10:5070", 0},
        {"sip:[2001:db8::10]:5070", "2001:db8::10", 5070},
        {"sip:user@[2001:db8::10:5070]:6000;lr", "2001:db8::10:5070", 6000},
        {"sip:user@[::ffff:192.0.2.10]:19823", "::ffff:192.0.2.10", 19823},
        {"sip:user@[2001:db8:::192.0.2.1]", NULL, 0},
        {"sip:user@[2001:db8::192.0.2.1]", "2001:db8::192.0.2.1", 0},
        {"sip:user@[2001:db8::10", NULL, 0},
        {"sip:user@[2001:db8::10]x", NULL, 0},
        {"sip:user@[]", NULL, 0},
        {"sip:user@[fe80::1%25eth0]", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sip_uri uri;
        assert_int_equal(sip_uri_parse(slice_str(rows[i].text), &uri, NULL) == 0, rows[i].host != NULL);
        if (!rows[i].host)
            continue;
        assert_slice_text(uri.host, rows[i].host);
        assert_int_equal(uri.port, rows[i].port);
        assert_true(uri.host_is_ipv6);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t octet;
        int err;
    } rows[] = {
        {"", 0, ERR_SYNTAX},
        {"sip", 3, ERR_SYNTAX},
        {"1sip:a", 0, ERR_SYNTAX},
        {"sip:", 4, ERR_SYNTAX},
        {"sip:@a", 4, ERR_SYNTAX},
        {"sip:a b@c", 5, ERR_SYNTAX},
        {"sip:a#b@c", 5, ERR_SYNTAX},
        {"sip:a%4@c", 5, ERR_SYNTAX},
        {"sip:a%4gb@c", 5, ERR_SYNTAX},
        {"sip:a@b@c", 7, ERR_SYNTAX},
        {"sip:a:b/c@d", 7, ERR_SYNTAX},
        {"sip:\xc3\xa4@c", 4, ERR_SYNTAX},
        {"sip:a@", 6, ERR_SYNTAX},
        {"sip:a@b:", 8, ERR_SYNTAX},
        {"sip:a@b:99999", 8, ERR_RANGE},
        {"sip:a@b:5060x", 12, ERR_SYNTAX},
        {"sip:a@[::1", 6, ERR_SYNTAX},
        {"sip:a@[::g]", 6, ERR_SYNTAX},
        {"sip:a@.b", 6, ERR_SYNTAX},
        {"sip:a@1.2.3", 6, ERR_SYNTAX},
        {"sip:a@1.2.3.4.5", 6, ERR_SYNTAX},
        {"sip:a@b;", 8, ERR_SYNTAX},
        {"sip:a@b;x=", 10, ERR_SYNTAX},
        {"sip:a@b;;x", 8, ERR_SYNTAX},
        {"sip:a@b?x", 9, ERR_SYNTAX},
        {"sip:a@b?", 8, ERR_SYNTAX},
        {"sip:a@b?x=y&", 12, ERR_SYNTAX},
        {"sip:a@b;x;y=1;X=2", 14, ERR_SYNTAX},
        {"tel:", 4, ERR_SYNTAX},
        {"tel:+", 4, ERR_SYNTAX},
        {"tel:+-", 4, ERR_SYNTAX},
        {"tel:+1*2", 4, ERR_SYNTAX},
        {"tel:123", 7, ERR_SYNTAX},
        {"tel:123;phone-context=", 22, ERR_SYNTAX},
        {"tel:123;phone-context=+", 22, ERR_SYNTAX},
        {"tel:+1;ext=a", 11, ERR_SYNTAX},
        {"tel:+1@b", 6, ERR_SYNTAX},
        {"http:", 5, ERR_SYNTAX},
        {"http://a b", 8, ERR_SYNTAX},
        {"http://a>", 8, ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sip_uri uri;
        struct fault fault = {0};
        int err = sip_uri_parse(slice_str(rows[i].text), &uri, &fault);
        if (err != rows[i].err || fault.octet != rows[i].octet)
            fail_msg("%s: %d at octet %zu: %s", rows[i].text, err, fault.octet, fault.rule);
    }
}

static void test_many_params(void **state)
{
    (void)state;
    struct buf b;
    struct sip_uri uri;
    struct fault fault = {0};
    buf_init(&b, 2000);
    buf_str(&b, "sip:a");
    for (unsigned i = 0; i < SIP_URI_PARAMS_MAX; i++)
        buf_printf(&b, ";p%u", i);
    assert_int_equal(sip_uri_parse(buf_slice(&b), &uri, &fault), 0);
    size_t end = b.n;
    buf_str(&b, ";q");
    assert_int_equal(sip_uri_parse(buf_slice(&b), &uri, &fault), ERR_LIMIT);
    assert_int_equal(fault.octet, end);
    buf_fini(&b);
}

/* The examples of RFC 3261 19.1.4 and RFC 3966 section 4, and more. */
static void test_equal(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true},
        {"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
        {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", true},
        {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
        {"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
         "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true},
        {"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
         "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
        {"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
        {"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
        {"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
        {"sip:a@b?x=1&x=2", "sip:a@b?x=2&x=1", true},
        {"sip:a@b?x=1&x=2", "sip:a@b?x=2&x=2", false},
        {"sip:a@b", "sips:a@b", false},
        {"sip:a@b;user=phone", "sip:a@b", false},
        {"sip:a%3Bb@c", "sip:a;b@c", false},
        {"sip:a%2db@c", "sip:a-b@c", true},
        {"sip:a:x@c", "sip:a:X@c", false},
        {"sip:b", "sip:a@b", false},
        {"tel:+1-201-555-0123", "tel:+1.201(555)0123", true},
        {"tel:+12015550123", "tel:+12015550124", false},
        {"tel:123;phone-context=+1-914", "tel:1-2-3;PHONE-context=+1914", true},
        {"tel:123;phone-context=a.example", "tel:123;phone-context=b.example", false},
        {"tel:12ab;phone-context=a.example", "tel:12AB;phone-context=A.EXAMPLE", true},
        {"tel:+1;a=b;ext=1-2", "tel:+1;ext=12;a=B", true},
        {"tel:+1;a=b", "tel:+1", false},
        {"urn:a", "URN:a", true},
        {"urn:a", "urn:A", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sip_uri a = parse(rows[i].a), b = parse(rows[i].b);
        if (sip_uri_equal(&a, &b) != rows[i].equal || sip_uri_equal(&b, &a) != rows[i].equal)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
        assert_true(sip_uri_equal(&a, &a) && sip_uri_equal(&b, &b));
    }
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        const char *dialed; /* NULL: no dial string */
        const char *number; /* NULL: no +E.164 number */
    } rows[] = {
        {"tel:+49-30-(12).34", "+49301234", "+49301234"},
        {"tel:030123;phone-context=+49", "030123", NULL},
        {"sip:+4930123@pbx.example;user=phone", "+4930123", "+4930123"},
        {"sip:+4930123;ext=7@pbx.example", "+4930123", "+4930123"},
        {"sip:%2B4930123@pbx.example", "+4930123", "+4930123"},
        {"sips:030123@pbx.example", "030123", NULL},
        {"sip:*21%23@pbx.example", "*21#", NULL},
        {"sip:12ad@pbx.example", "12AD", NULL},
        {"sip:+0123@pbx.example", "+0123", NULL},
        {"sip:+1234567890123456@pbx.example", "+1234567890123456", NULL},
        {"sip:12345678901234567890123456789012@p", "12345678901234567890123456789012", NULL},
        {"sip:123456789012345678901234567890123@p", NULL, NULL},
        {"sip:1+2@pbx.example", NULL, NULL},
        {"sip:alice@pbx.example", NULL, NULL},
        {"sip:%00@pbx.example", NULL, NULL},
        {"sip:+@pbx.example", NULL, NULL},
        {"sip:-@pbx.example", NULL, NULL},
        {"sip:pbx.example", NULL, NULL},
        {"isbn:123", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sip_uri uri = parse(rows[i].uri);
        struct e164 number = {"untouched"};
        char dialed[SIP_DIALED_MAX + 1] = "untouched";
        assert_int_equal(sip_uri_dialed(&uri, dialed), rows[i].dialed != NULL);
        assert_string_equal(dialed, rows[i].dialed ? rows[i].dialed : "untouched");
        assert_int_equal(sip_uri_number(&uri, &number), rows[i].number != NULL);
        assert_string_equal(number.text, rows[i].number ? rows[i].number : "untouched");
    }
}

static void test_escapes(void **state)
{
    (void)state;
    struct buf escaped, again;
    buf_init(&escaped, 2000);
    buf_init(&again, 2000);
    uint8_t all[256];
    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    sip_escape_user(slice_of(all, 256), &escaped);
    assert_int_equal(sip_unescape(buf_slice(&escaped), &again), 0);
    assert_slice_equal(buf_slice(&again), slice_of(all, 256));
    buf_clear(&again);
    buf_printf(&again, "sip:%s@a", buf_text(&escaped));
    parse(buf_text(&again));
    buf_clear(&escaped);
    sip_escape_user(slice_str("+49 *#;a=b"), &escaped);
    assert_slice_text(buf_slice(&escaped), "+49%20*%23;a=b");
    assert_int_equal(sip_unescape(slice_str("a%4"), &again), ERR_SYNTAX);
    assert_int_equal(sip_unescape(slice_str("%zz"), &again), ERR_SYNTAX);
    buf_fini(&escaped);
    buf_fini(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),   cmocka_unit_test(test_bad),     cmocka_unit_test(test_equal),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_escapes), cmocka_unit_test(test_many_params),
        cmocka_unit_test(test_ipv6),
    };
    return cmocka_run_group_tests_name("SIP URIs", tests, NULL, NULL);
}
