/* Messages: their parts, what is refused where, limits, and looking up fields. */
#include "vector.h"

#include "base/mem.h"

#define HEAD                                   \
    "Via: SIP/2.0/UDP a.example;branch=z9\r\n" \
    "From: <sip:a@a.example>;tag=1\r\n"        \
    "To: <sip:b@b.example>\r\n"                \
    "Call-ID: c\r\n"                           \
    "CSeq: 1 OPTIONS\r\n"

static int try_parse(const char *text, enum sip_carrier carrier, struct sip_message *m, struct fault *fault)
{
    struct region region;
    region_init(&region, 65536);
    int err = sip_parse(&region, slice_str(text), carrier, m, fault);
    region_fini(&region);
    return err;
}

static void assert_refused(const char *text, int err, size_t octet)
{
    struct sip_message m;
    struct fault fault = {0};
    assert_int_equal(try_parse(text, SIP_DATAGRAM, &m, &fault), err);
    assert_int_equal(fault.octet, octet);
    assert_non_null(fault.rule);
}

static void test_parts(void **state)
{
    (void)state;
    struct region region;
    struct sip_message m;
    parse_good(&region,
               "\r\n\r\nOPTIONS sip:b@b.example SIP/2.0\r\n" HEAD "m : <sip:a@1.2.3.4>\r\nX-Thing:\r\nL: 2\r\n\r\nabc",
               &m);
    assert_true(m.is_request);
    assert_int_equal(m.method, SIP_OPTIONS);
    assert_slice_text(m.uri, "sip:b@b.example");
    assert_int_equal(m.field_count, 8);
    assert_slice_text(m.body, "ab");
    assert_memory_equal(m.octets.p, "OPTIONS", 7);
    const struct sip_field *contact = sip_field_first(&m, SIP_CONTACT);
    assert_slice_text(contact->name, "m");
    assert_slice_text(contact->value, "<sip:a@1.2.3.4>");
    assert_slice_text(contact->line, "m : <sip:a@1.2.3.4>\r\n");
    assert_null(sip_field_next(&m, contact));
    assert_slice_text(sip_field_named(&m, "x-thing")->value, "");
    assert_null(sip_field_named(&m, "x-things"));
    assert_null(sip_field_first(&m, SIP_ROUTE));
    region_fini(&region);
}

static void test_responses(void **state)
{
    (void)state;
    struct region region;
    struct sip_message m;
    parse_good(&region, "SIP/2.0 180\r\n" HEAD "\r\n", &m);
    assert_false(m.is_request);
    assert_int_equal(m.status, 180);
    assert_int_equal(m.method, SIP_OPTIONS);
    assert_int_equal(m.reason.n, 0);
    region_fini(&region);
    assert_refused("SIP/2.0 099 Low\r\n" HEAD "\r\n", ERR_RANGE, 8);
    assert_refused("SIP/2.0 700 High\r\n" HEAD "\r\n", ERR_RANGE, 8);
    assert_refused("SIP/2.0 20 Short\r\n" HEAD "\r\n", ERR_RANGE, 8);
    assert_refused("SIP/2.0 200OK!\r\n" HEAD "\r\n", ERR_SYNTAX, 11);
}

/* What nobody can read as a message. */
static void test_refusals(void **state)
{
    (void)state;
    assert_refused("", ERR_TRUNCATED, 0);
    assert_refused("\r\n", ERR_TRUNCATED, 0);
    assert_refused("OPTIONS sip:b SIP/2.0", ERR_TRUNCATED, 21);
    assert_refused("A:b\r\n", ERR_SYNTAX, 0);
    assert_refused("OPTIONS/1 sip:b SIP/2.0\r\n\r\n", ERR_SYNTAX, 7);
    assert_refused("OPTIONS SIP/2.0\r\n\r\n", ERR_SYNTAX, 7);
    assert_refused("OPTIONS sip:b SIP/2.0\r\nVia\r\n\r\n", ERR_SYNTAX, 26);
    assert_refused("OPTIONS sip:b SIP/2.0\r\n: x\r\n\r\n", ERR_SYNTAX, 23);
    assert_refused("OPTIONS sip:b SIP/2.0\r\n Via: x\r\n\r\n", ERR_SYNTAX, 24);
    assert_refused("OPTIONS sip:b SIP/2.0\r\nVia x: y\r\n\r\n", ERR_SYNTAX, 27);
    assert_refused("OPTIONS sip:b SIP/2.0\r\nVia: x\r\n", ERR_TRUNCATED, 31);
    assert_refused("OPTIONS sip:b SIP/2.0\r\nVia: x", ERR_TRUNCATED, 29);
}

/* Another idea of where a line ends would hide header fields from us, or from whom we send them to. */
static void test_line_ends(void **state)
{
    (void)state;
    assert_refused("OPTIONS sip:b SIP/2.0\nVia: x\r\n\r\n", ERR_SYNTAX, 21);
    assert_refused("OPTIONS sip:b SIP/2.0\r\nX: a\nVia: x\r\n\r\n", ERR_SYNTAX, 27);
    assert_refused("OPTIONS sip:b SIP/2.0\r\nX: a\rVia: x\r\n\r\n", ERR_SYNTAX, 27);
    assert_refused("OPTIONS sip:b SIP/2.0\r\nX: a long value with\001\r\n\r\n", ERR_SYNTAX, 43);
    assert_refused("OPTIONS sip:b SIP/2.0\r\nX: a long value with\177 in it\r\n\r\n", ERR_SYNTAX, 43);
    assert_refused("OPTIONS sip:b SIP/2.0\r\nX: \"\\\\\001\"\r\n\r\n", ERR_SYNTAX, 29);
    assert_refused("OPTIONS sip:b SIP/2.0\r\nX: \"\\\n\"\r\n\r\n", ERR_SYNTAX, 28);
    struct sip_message m;
    struct fault fault;
    assert_int_equal(
        try_parse("OPTIONS sip:b SIP/2.0\r\nX: \"\\\\\\\001\"\tand\r\n\tmore\r\n\r\n", SIP_DATAGRAM, &m, &fault), 0);
}

/* At each place of a long value, so that each way to look at eight octets is taken. */
static void test_control_anywhere(void **state)
{
    (void)state;
    static const char start[] = "OPTIONS sip:b SIP/2.0\r\nX: ";
    for (size_t at = 0; at < 40; at++) {
        char text[120];
        snprintf(text, sizeof text, "%s%.*s%s\r\n\r\n", start, 40, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "");
        text[sizeof start - 1 + at] = 0x1f;
        assert_refused(text, ERR_SYNTAX, sizeof start - 1 + at);
        text[sizeof start - 1 + at] = (char)0x80;
        struct sip_message m;
        struct fault fault;
        assert_int_equal(try_parse(text, SIP_DATAGRAM, &m, &fault), 0);
        text[sizeof start - 1 + at] = '\t';
        assert_int_equal(try_parse(text, SIP_DATAGRAM, &m, &fault), 0);
    }
}

struct check_row {
    const char *text;
    unsigned status;
    const char *rule;
};

/* What can be answered, and with what. */
static void test_checks(void **state)
{
    (void)state;
#define START "OPTIONS sip:b@b.example SIP/2.0\r\n"
#define VIA "Via: SIP/2.0/UDP a.example;branch=z9\r\n"
#define FROM "From: <sip:a@a.example>;tag=1\r\n"
#define TO "To: <sip:b@b.example>\r\n"
#define CALL "Call-ID: c\r\n"
#define CSEQ "CSeq: 1 OPTIONS\r\n"
    static const struct check_row rows[] = {
        {START FROM TO CALL CSEQ "\r\n", 400, "Via missing, RFC 3261 8.1.1"},
        {START VIA TO CALL CSEQ "\r\n", 400, "From missing, RFC 3261 8.1.1"},
        {START VIA FROM CALL CSEQ "\r\n", 400, "To missing, RFC 3261 8.1.1"},
        {START VIA FROM TO CSEQ "\r\n", 400, "Call-ID missing, RFC 3261 8.1.1"},
        {START VIA FROM TO CALL "\r\n", 400, "CSeq missing, RFC 3261 8.1.1"},
        {START HEAD "Max-Forwards: 256\r\n\r\n", 400, "Max-Forwards, RFC 3261 20.22"},
        {START HEAD "Max-Forwards: 1\r\nMax-Forwards: 1\r\n\r\n", 400, "more than one Max-Forwards, RFC 3261 7.3.1"},
        {START HEAD "Content-Type: a/b\r\nc: a/b\r\n\r\n", 400, "more than one Content-Type, RFC 3261 7.3.1"},
        {START VIA FROM TO "Call-ID: a@\r\n" CSEQ "\r\n", 400, "Call-ID, RFC 3261 20.8"},
        {START VIA FROM TO "Call-ID:\r\n" CSEQ "\r\n", 400, "Call-ID, RFC 3261 20.8"},
        {START VIA FROM TO CALL "CSeq: 1OPTIONS\r\n\r\n", 400, "CSeq, RFC 3261 20.16"},
        {START VIA FROM TO CALL "CSeq: 2147483648 OPTIONS\r\n\r\n", 400, "CSeq, RFC 3261 20.16"},
        {START VIA FROM TO CALL "CSeq: 1 options\r\n\r\n", 400, "method in CSeq is another, RFC 3261 8.1.1.5"},
        {START "Via: SIP/3.0/UDP a\r\n" FROM TO CALL CSEQ "\r\n", 505, "protocol of the Via, RFC 3261 20.42"},
        {START "Via:\r\n" FROM TO CALL CSEQ "\r\n", 400, "Via without a value, RFC 3261 20.42"},
        {START VIA FROM TO CALL CSEQ "v: SIP/2.0/UDP\r\n\r\n", 400, "Via: sent-protocol, RFC 3261 20.42"},
        {START VIA "From: *\r\n" TO CALL CSEQ "\r\n", 400, "one address, RFC 3261 20.20, 20.39"},
        {START VIA "From: <sip:a@b>, <sip:c@d>\r\n" TO CALL CSEQ "\r\n", 400, "one address, RFC 3261 20.20, 20.39"},
        {START VIA "From: <sip:@b>\r\n" TO CALL CSEQ "\r\n", 400, "user, RFC 3261 25.1"},
        {START HEAD "Content-Length: 4\r\n\r\nabc", 400, "body shorter than Content-Length, RFC 3261 18.3"},
        {"OPTIONS sip:b HTTP/1.1\r\n" HEAD "\r\n", 400, "SIP-Version, RFC 3261 7.1"},
        {"OPTIONS sip:b SIP/2.1\r\n" HEAD "\r\n", 505, "SIP-Version, RFC 3261 7.1"},
        {"OPTIONS http://b SIP/2.0\r\n" HEAD "\r\n", 416, "scheme of the Request-URI, RFC 3261 8.2.2.1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct region region;
        struct sip_message m;
        struct fault fault = {0};
        unsigned status = 0;
        region_init(&region, 65536);
        assert_int_equal(sip_parse(&region, slice_str(rows[i].text), SIP_DATAGRAM, &m, &fault), 0);
        assert_true(sip_check(&m, &status, &fault) < 0);
        assert_string_equal(fault.rule, rows[i].rule);
        assert_int_equal(status, rows[i].status);
        assert_true(fault.octet <= m.octets.n);
        region_fini(&region);
    }
}

static void test_vias(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    for (unsigned more = 0; more < 2; more++) {
        struct region region;
        struct sip_message m;
        struct fault fault = {0};
        unsigned status = 0;
        buf_clear(&b);
        buf_str(&b, START FROM TO CALL CSEQ);
        for (unsigned i = 0; i < SIP_VIAS_MAX + more; i += 2)
            buf_printf(&b, "Via: SIP/2.0/UDP h%u%s\r\n", i, i + 1 < SIP_VIAS_MAX + more ? ", SIP/2.0/UDP x" : "");
        buf_str(&b, "\r\n");
        region_init(&region, 65536);
        assert_int_equal(sip_parse(&region, buf_slice(&b), SIP_DATAGRAM, &m, NULL), 0);
        assert_int_equal(sip_check(&m, &status, &fault), more ? ERR_LIMIT : 0);
        assert_slice_text(m.via.host, "h0");
        assert_int_equal(status, more ? 483 : 0);
        assert_int_equal(fault.octet, more ? b.n - strlen("SIP/2.0/UDP h70\r\n\r\n") : 0);
        region_fini(&region);
    }
    buf_fini(&b);
}

struct field_row {
    const char *line;
    const char *rule; /* NULL: good */
    int err;
};

/* The reader that each header has, seen from outside. */
static void test_field_checks(void **state)
{
    (void)state;
    static const struct field_row rows[] = {
        {"Content-Type: text/plain;charset=utf-8", NULL, 0},
        {"Content-Type: text", "type and subtype, RFC 3261 20.15, 20.11", ERR_SYNTAX},
        {"Content-Disposition: a/b", "type and subtype, RFC 3261 20.15, 20.11", ERR_SYNTAX},
        {"Event: presence;id=1", NULL, 0},
        {"Subscription-State: active;expires=60", NULL, 0},
        {"Expires: 4294967296", "number, RFC 3261 25.1", ERR_RANGE},
        {"Session-Expires: 90;refresher=", "parameter's value, RFC 3261 25.1", ERR_SYNTAX},
        {"Contact: *", NULL, 0},
        {"Route: *", "star instead of an address, RFC 3261 20.10", ERR_SYNTAX},
        {"Route: <sip:a;lr>, <sip:b c>", "address, RFC 3261 20.10: URI", ERR_SYNTAX},
        {"Contact: <sip:a>, <sip:@b>", "user, RFC 3261 25.1", ERR_SYNTAX},
        {"Refer-To: <sip:a>, <sip:b>", "more than one address, RFC 3261 7.3.1", ERR_SYNTAX},
        {"Supported: a,", "token missing, RFC 3261 7.3.1", ERR_SYNTAX},
        {"Supported:", NULL, 0},
        {"Require: a b", "behind a token, RFC 3261 25.1", ERR_SYNTAX},
        {"RAck: 1 2", "RAck, RFC 3262 7.2", ERR_SYNTAX},
        {"RSeq: -1", "number, RFC 3261 25.1", ERR_SYNTAX},
        {"Reason: SIP;cause=70000", "Reason: cause, RFC 3326 2", ERR_RANGE},
        {"Retry-After: 5 (soon);duration=1", NULL, 0},
        {"Date: today", "Date, RFC 3261 20.17", ERR_SYNTAX},
        {"User-Agent: ,;,(", NULL, 0},
        {"X-Other: ,;,(", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct region region;
        struct sip_message m;
        struct fault fault = {0};
        char text[500];
        snprintf(text, sizeof text, START HEAD "%s\r\n\r\n", rows[i].line);
        parse_good(&region, text, &m);
        assert_int_equal(sip_check_field(&m, &m.fields[m.field_count - 1], &fault), rows[i].err);
        if (rows[i].rule)
            assert_string_equal(fault.rule, rows[i].rule);
        region_fini(&region);
    }
}

/* One message exactly, and its length given. */
static void test_stream(void **state)
{
    (void)state;
    struct region region;
    struct sip_message m;
    static const char *const bad[] = {
        START HEAD "\r\nabc",
        START HEAD "Content-Length: 2\r\n\r\nabc",
        START HEAD "Content-Length: 4\r\n\r\nabc",
    };
    region_init(&region, 65536);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sip_parse(&region, slice_str(bad[i]), SIP_STREAM, &m, NULL), 0);
        assert_true(sip_check(&m, NULL, NULL) < 0);
    }
    assert_int_equal(sip_parse(&region, slice_str(START HEAD "Content-Length: 3\r\n\r\nabc"), SIP_STREAM, &m, NULL), 0);
    assert_int_equal(sip_check(&m, NULL, NULL), 0);
    region_fini(&region);
}

static void assert_limit(struct buf *b, const char *rule)
{
    struct region region;
    struct sip_message m;
    struct fault fault = {0};
    region_init(&region, 65536);
    assert_int_equal(b->err, 0);
    assert_int_equal(sip_parse(&region, buf_slice(b), SIP_DATAGRAM, &m, &fault), rule ? ERR_LIMIT : 0);
    if (rule)
        assert_string_equal(fault.rule, rule);
    region_fini(&region);
}

static void begin_large(struct buf *b, size_t octets)
{
    buf_clear(b);
    buf_str(b, START HEAD "X: ");
    while (octets--)
        buf_u8(b, 'a');
    buf_str(b, "\r\n\r\n");
}

static void test_limits(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    begin_large(&b, SIP_HEADER_OCTETS_MAX - 5);
    assert_limit(&b, NULL);
    begin_large(&b, SIP_HEADER_OCTETS_MAX - 4);
    assert_limit(&b, "header field longer than allowed");
    for (size_t more = 0; more < 2; more++) {
        buf_clear(&b);
        buf_str(&b, START HEAD);
        for (size_t i = 5; i < SIP_HEADERS_MAX + more; i++)
            buf_str(&b, "X: y\r\n");
        buf_str(&b, "\r\n");
        assert_limit(&b, more ? "more header fields than allowed" : NULL);
    }
    buf_str(&b, "\r\n");
    while (b.n <= SIP_MESSAGE_OCTETS_MAX)
        buf_u8(&b, 'a');
    assert_limit(&b, "message longer than allowed");
    buf_fini(&b);
}

static void test_many_of_one(void **state)
{
    (void)state;
    struct region region;
    struct sip_message m;
    struct buf b;
    buf_init(&b, 100000);
    buf_str(&b, START HEAD);
    for (unsigned i = 0; i < 100; i++)
        buf_printf(&b, "Route: <sip:%u.example;lr>\r\nX-%u: y\r\n", i, i);
    buf_str(&b, "\r\n");
    parse_good(&region, buf_text(&b), &m);
    unsigned n = 0;
    for (const struct sip_field *f = sip_field_first(&m, SIP_ROUTE); f; f = sip_field_next(&m, f), n++) {
        char text[40];
        snprintf(text, sizeof text, "<sip:%u.example;lr>", n);
        assert_slice_text(f->value, text);
    }
    assert_int_equal(n, 100);
    region_fini(&region);
    buf_fini(&b);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    buf_str(&b, START HEAD);
    for (unsigned i = 0; i < 100; i++)
        buf_str(&b, "X: y\r\n");
    buf_str(&b, "\r\n");
    unsigned long nth = 1;
    for (int err = ERR_NO_MEMORY; err; nth++) {
        struct region region;
        struct sip_message m;
        region_init(&region, 1 << 20);
        mem_fail_at(nth);
        err = sip_parse(&region, buf_slice(&b), SIP_DATAGRAM, &m, NULL);
        mem_fail_at(0);
        assert_true(err == 0 || err == ERR_NO_MEMORY);
        region_fini(&region);
    }
    assert_true(nth > 2);
    buf_fini(&b);
}

static void test_words(void **state)
{
    (void)state;
    for (int i = SIP_ACK; i <= SIP_UPDATE; i++)
        assert_int_equal(sip_method_find(slice_str(sip_method_name((enum sip_method)i))), i);
    assert_int_equal(sip_method_find(slice_str("invite")), SIP_METHOD_OTHER);
    assert_int_equal(sip_method_find(slice_str("")), SIP_METHOD_OTHER);
    assert_string_equal(sip_status_reason(100), "Trying");
    assert_string_equal(sip_status_reason(487), "Request Terminated");
    assert_string_equal(sip_status_reason(608), "Rejected");
    assert_string_equal(sip_status_reason(299), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_control_anywhere),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many_of_one),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_field_checks),
        cmocka_unit_test(test_vias),
    };
    return cmocka_run_group_tests_name("SIP messages", tests, NULL, NULL);
}
