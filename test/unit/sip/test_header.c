/* Values of header fields. */
#include "vector.h"

static struct sip_cursor cursor(const char *text)
{
    struct sip_cursor c;
    sip_cursor_init(&c, slice_str(text), slice_str(text));
    return c;
}

static void test_names(void **state)
{
    (void)state;
    for (int i = SIP_OTHER_HEADER + 1; i < SIP_HEADER_COUNT; i++) {
        const char *name = sip_header_name((enum sip_header)i);
        char upper[64];
        snprintf(upper, sizeof upper, "%s", name);
        for (char *p = upper; *p; p++)
            *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 0x20 : *p);
        assert_int_equal(sip_header_find(slice_str(name)), i);
        assert_int_equal(sip_header_find(slice_str(upper)), i);
        if (i != SIP_TO) /* "T" is its compact form */
            assert_int_equal(sip_header_find(slice_of(name, strlen(name) - 1)), SIP_OTHER_HEADER);
    }
    static const struct {
        char letter;
        enum sip_header header;
    } compact[] = {{'i', SIP_CALL_ID},
                   {'m', SIP_CONTACT},
                   {'e', SIP_CONTENT_ENCODING},
                   {'l', SIP_CONTENT_LENGTH},
                   {'c', SIP_CONTENT_TYPE},
                   {'f', SIP_FROM},
                   {'s', SIP_SUBJECT},
                   {'k', SIP_SUPPORTED},
                   {'t', SIP_TO},
                   {'v', SIP_VIA},
                   {'o', SIP_EVENT},
                   {'u', SIP_ALLOW_EVENTS},
                   {'r', SIP_REFER_TO},
                   {'b', SIP_REFERRED_BY},
                   {'x', SIP_SESSION_EXPIRES},
                   {'z', SIP_OTHER_HEADER},
                   {'-', SIP_OTHER_HEADER},
                   {'\xe4', SIP_OTHER_HEADER}};
    for (size_t i = 0; i < sizeof compact / sizeof *compact; i++)
        assert_int_equal(sip_header_find(slice_of(&compact[i].letter, 1)), compact[i].header);
    assert_int_equal(sip_header_find(slice_str("")), SIP_OTHER_HEADER);
    assert_int_equal(sip_header_find(slice_str("Zeta")), SIP_OTHER_HEADER);
}

static void test_via(void **state)
{
    (void)state;
    struct sip_via via;
    struct sip_cursor c = cursor("SIP/2.0/TLS [2001:db8::1] : 5061 ;received=2001:db8::2;rport;branch=a , "
                                 "SIP/2.0/UDP h;rport=5062;received=[2001:db8::3];x=\"a,b\"");
    assert_true(sip_read_via(&c, &via));
    assert_slice_text(via.transport, "TLS");
    assert_slice_text(via.host, "2001:db8::1");
    assert_int_equal(via.port, 5061);
    assert_slice_text(via.params, ";received=2001:db8::2;rport;branch=a");
    assert_slice_text(via.received, "2001:db8::2");
    assert_true(via.has_rport && via.rport == 0);
    assert_slice_text(via.branch, "a");
    assert_true(sip_read_via(&c, &via));
    assert_int_equal(via.rport, 5062);
    assert_int_equal(via.port, 0);
    assert_slice_text(via.received, "[2001:db8::3]");
    assert_slice_text(via.whole, "SIP/2.0/UDP h;rport=5062;received=[2001:db8::3];x=\"a,b\"");
    assert_false(sip_read_via(&c, &via));
    assert_int_equal(c.err, 0);
}

static void test_bad_via(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t octet;
        int err;
    } rows[] = {
        {"SIP/2.0 UDP h", 7, ERR_SYNTAX},
        {"SIP/2.0/UDP", 11, ERR_SYNTAX},
        {"SIP/2.0/UDP h:0", 14, ERR_RANGE},
        {"SIP/2.0/UDP h:65536", 14, ERR_RANGE},
        {"SIP/2.0/UDP h:", 14, ERR_SYNTAX},
        {"SIP/2.0/UDP [::1", 12, ERR_SYNTAX},
        {"SIP/2.0/UDP h;rport=x", 20, ERR_RANGE},
        {"SIP/2.0/UDP h;", 14, ERR_SYNTAX},
        {"SIP/2.0/UDP h, ", 15, ERR_SYNTAX},
        {"SIP/2.0/UDP h x", 14, ERR_SYNTAX},
        {"SIP/2.0/UDP 1.2.3", 12, ERR_SYNTAX},
        {"SIP/2.0/UDP h;b=", 16, ERR_SYNTAX},
        {"SIP/2.0/UDP 1.2.3.256", 12, ERR_SYNTAX},
        {"SIP/2.0/UDP a..b", 12, ERR_SYNTAX},
        {"SIP/2.0/UDP a;rport;rport", 20, ERR_SYNTAX},
        {"SIP/2.0/UDP a;branch=1;branch=1", 23, ERR_SYNTAX},
        {"SIP/2.0/UDP a;received=1.1.1.1;received=2.2.2.2", 31, ERR_SYNTAX},
        {"SIP/2.0/UDP [1.2.3.4]", 12, ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sip_via via = {.port = 9};
        struct sip_cursor c = cursor(rows[i].text);
        while (sip_read_via(&c, &via))
            ;
        assert_int_equal(c.err, rows[i].err);
        assert_int_equal(c.fault.octet, rows[i].octet);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    struct sip_address a;
    struct sip_cursor c =
        cursor("\"A, \\\"B\\\" <x>\" <sip:a@b;lr>;q=0.1;tag=t , sip:c@d;tag=u,Mr Token <tel:+1>, <sip:e>");
    assert_true(sip_read_address(&c, &a));
    assert_slice_text(a.display, "\"A, \\\"B\\\" <x>\"");
    assert_slice_text(a.uri, "sip:a@b;lr");
    assert_slice_text(a.params, ";q=0.1;tag=t");
    assert_slice_text(a.tag, "t");
    assert_true(a.in_brackets);
    assert_true(sip_read_address(&c, &a));
    assert_slice_text(a.uri, "sip:c@d");
    assert_slice_text(a.tag, "u");
    assert_slice_text(a.whole, "sip:c@d;tag=u");
    assert_false(a.in_brackets);
    assert_int_equal(a.display.n, 0);
    assert_true(sip_read_address(&c, &a));
    assert_slice_text(a.display, "Mr Token");
    assert_slice_text(a.uri, "tel:+1");
    assert_true(sip_read_address(&c, &a));
    assert_slice_text(a.whole, "<sip:e>");
    assert_int_equal(a.params.n, 0);
    assert_false(sip_read_address(&c, &a));
    assert_int_equal(c.err, 0);

    c = cursor(" * ");
    assert_true(sip_read_address(&c, &a));
    assert_true(a.is_star && !a.display.n && !a.uri.n);
    assert_slice_text(a.whole, "*");
    assert_false(sip_read_address(&c, &a));
    c = cursor("* <sip:star@a>");
    assert_true(sip_read_address(&c, &a));
    assert_false(a.is_star);
    assert_slice_text(a.display, "*");
}

static void test_bad_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t octet;
    } rows[] = {
        {"", 0},
        {"sip:a@b?x=y", 7},
        {"<sip:a@b", 8},
        {"\"A <sip:a@b>", 12},
        {"\"\xff\" <sip:a@b>", 2},
        {"A \xc3\xa4 <sip:a@b>", 2},
        {"<sip:a@b> x", 10},
        {"<sip:a@b>;", 10},
        {"<sip:a@b>,", 10},
        {"<sip:a@b>,*", 11},
        {"*, <sip:a@b>", 1},
        {"<sip:a@b>;tag=1;Tag=1", 16},
        {"<>", 1},
        {"<sip:a \r\n @b>", 6},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sip_address a;
        struct sip_cursor c = cursor(rows[i].text);
        while (sip_read_address(&c, &a))
            ;
        assert_int_equal(c.err, ERR_SYNTAX);
        assert_int_equal(c.fault.octet, rows[i].octet);
    }
}

static void test_tokens(void **state)
{
    (void)state;
    struct slice token;
    struct sip_cursor c = cursor(" 100rel ,\r\n timer");
    assert_true(sip_read_token(&c, &token));
    assert_slice_text(token, "100rel");
    assert_true(sip_read_token(&c, &token));
    assert_slice_text(token, "timer");
    assert_false(sip_read_token(&c, &token));
    assert_int_equal(c.err, 0);
    c = cursor(" ");
    assert_false(sip_read_token(&c, &token));
    assert_int_equal(c.err, 0);
    c = cursor("a,,b");
    assert_true(sip_read_token(&c, &token));
    assert_false(sip_read_token(&c, &token));
    assert_int_equal(c.err, ERR_SYNTAX);
    assert_int_equal(c.fault.octet, 2);
}

static void test_params(void **state)
{
    (void)state;
    struct sip_param p;
    struct sip_cursor c = cursor("; a = b ;c;D=\"x;y\\\"\" ");
    assert_true(sip_param_next(&c, &p));
    assert_slice_text(p.name, "a");
    assert_slice_text(p.value, "b");
    assert_true(sip_param_next(&c, &p));
    assert_slice_text(p.name, "c");
    assert_false(p.has_value);
    assert_true(sip_param_next(&c, &p));
    assert_slice_text(p.value, "\"x;y\\\"\"");
    assert_false(sip_param_next(&c, &p));
    assert_int_equal(c.err, 0);
    struct slice value;
    assert_true(sip_param_find(slice_str(";a=b;c;D=\"x\""), "d", &value));
    assert_slice_text(value, "\"x\"");
    assert_false(sip_param_find(slice_str(";a=b"), "b", &value));
    assert_false(sip_param_find(slice_str(""), "b", &value));
}

static void test_quotes(void **state)
{
    (void)state;
    static const char plain[] = "a \"b\" \\ \001\tc";
    struct buf quoted, again;
    buf_init(&quoted, 100);
    buf_init(&again, 100);
    sip_quote(slice_str(plain), &quoted);
    assert_slice_text(buf_slice(&quoted), "\"a \\\"b\\\" \\\\ \\\001\tc\"");
    sip_unquote(buf_slice(&quoted), &again);
    assert_slice_text(buf_slice(&again), plain);
    buf_clear(&again);
    sip_unquote(slice_str("token"), &again);
    assert_slice_text(buf_slice(&again), "token");
    buf_clear(&quoted);
    sip_quote(slice_str("a\r\nb"), &quoted);
    assert_slice_text(buf_slice(&quoted), "\"a  b\"");
    buf_fini(&quoted);
    buf_fini(&again);
}

static void test_unfold(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    sip_unfold(slice_str(" \r\n a  b\t\r\n\tc \r\n "), &b);
    assert_slice_text(buf_slice(&b), "a  b c");
    buf_fini(&b);
}

static void test_numbers(void **state)
{
    (void)state;
    uint32_t n = 7;
    struct sip_cursor c = cursor(" 0068 ");
    assert_int_equal(sip_read_number(&c, 255, &n), 0);
    assert_int_equal(n, 68);
    c = cursor("256");
    assert_int_equal(sip_read_number(&c, 255, &n), ERR_RANGE);
    c = cursor("99999999999999999999999999999");
    assert_int_equal(sip_read_number(&c, UINT32_MAX, &n), ERR_RANGE);
    c = cursor("-1");
    assert_int_equal(sip_read_number(&c, 255, &n), ERR_SYNTAX);
    c = cursor("1 2");
    assert_int_equal(sip_read_number(&c, 255, &n), ERR_SYNTAX);
    assert_int_equal(c.fault.octet, 2);
    assert_int_equal(n, 68);
}

static void test_single_values(void **state)
{
    (void)state;
    struct sip_cseq cseq;
    struct sip_cursor c = cursor("2147483647 \r\n INVITE");
    assert_int_equal(sip_read_cseq(&c, &cseq), 0);
    assert_int_equal(cseq.number, 2147483647);
    assert_slice_text(cseq.method, "INVITE");
    c = cursor("1 INVITE x");
    assert_int_equal(sip_read_cseq(&c, &cseq), ERR_SYNTAX);

    struct sip_rack rack;
    c = cursor("776656 1 INVITE");
    assert_int_equal(sip_read_rack(&c, &rack), 0);
    assert_int_equal(rack.rseq, 776656);
    assert_int_equal(rack.cseq.number, 1);
    c = cursor("776656");
    assert_int_equal(sip_read_rack(&c, &rack), ERR_SYNTAX);

    struct sip_delta delta;
    struct slice value;
    c = cursor("1800 ;refresher=uac");
    assert_int_equal(sip_read_delta(&c, &delta), 0);
    assert_int_equal(delta.seconds, 1800);
    assert_true(sip_param_find(delta.params, "refresher", &value));
    assert_slice_text(value, "uac");
    c = cursor("120 (I'm (really) \\) away);duration=60");
    assert_int_equal(sip_read_delta(&c, &delta), 0);
    assert_slice_text(delta.params, ";duration=60");
    c = cursor("120 (open");
    assert_int_equal(sip_read_delta(&c, &delta), ERR_SYNTAX);

    struct sip_reason reason;
    c = cursor("Q.850 ;cause=16;text=\"Normal, bye\", SIP;cause=200");
    assert_true(sip_read_reason(&c, &reason));
    assert_slice_text(reason.protocol, "Q.850");
    assert_int_equal(reason.cause, 16);
    assert_slice_text(reason.text, "\"Normal, bye\"");
    assert_true(sip_read_reason(&c, &reason));
    assert_int_equal(reason.cause, 200);
    assert_false(sip_read_reason(&c, &reason));
    assert_int_equal(c.err, 0);

    struct sip_media_type type;
    c = cursor("session ; handling = optional");
    assert_int_equal(sip_read_media_type(&c, &type), 0);
    assert_slice_text(type.type, "session");
    assert_int_equal(type.subtype.n, 0);
    assert_slice_text(type.params, "; handling = optional");
    c = cursor("application/sdp, x");
    assert_int_equal(sip_read_media_type(&c, &type), ERR_SYNTAX);
}

static void test_dates(void **state)
{
    (void)state;
    int64_t seconds = 0;
    struct sip_cursor c = cursor("Sat, 13 Nov 2010 23:29:00 GMT");
    assert_int_equal(sip_read_date(&c, &seconds), 0);
    assert_int_equal(seconds, 1289690940);
    static const struct {
        const char *text;
        size_t octet;
    } bad[] = {
        {"Sat, 13 Nov 2010 23:29:00 EST", 26}, {"Sat, 13 Nov 2010 23:29:00", 25},
        {"Sat, 13 Abc 2010 23:29:00 GMT", 8},  {"Xyz, 13 Nov 2010 23:29:00 GMT", 0},
        {"Sat, 32 Nov 2010 23:29:00 GMT", 5},  {"Sat, 13 Nov 2010 24:29:00 GMT", 5},
        {"Sat, 1 Nov 2010 23:29:00 GMT", 6},   {"Sat, 13 Nov 2010 23:29:00 GMT x", 30},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        c = cursor(bad[i].text);
        assert_true(sip_read_date(&c, &seconds) < 0);
        assert_int_equal(c.fault.octet, bad[i].octet);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),         cmocka_unit_test(test_via),    cmocka_unit_test(test_bad_via),
        cmocka_unit_test(test_addresses),     cmocka_unit_test(test_tokens), cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_params),        cmocka_unit_test(test_quotes), cmocka_unit_test(test_unfold),
        cmocka_unit_test(test_single_values), cmocka_unit_test(test_dates),  cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests_name("SIP header fields", tests, NULL, NULL);
}
