/* What is let in and what is not: methods, fields, bodies, addresses; and what would be read in two ways. */
#include "alg_world.h"
#include "edge/alg_check.h"
#include "sip/framer.h"

#define COMMON                                                                            \
    "Via: SIP/2.0/TLS b.example;branch=z9hG4bK1\r\nFrom: <sip:b@b.example>;tag=1\r\nTo: " \
    "<sip:a@a.example>\r\nCall-ID: x\r\n"
#define CONTACT "Contact: <sip:b@192.0.2.4:5061;transport=tls>\r\n"
#define MESSAGE(method, more) method " sip:a@a.example SIP/2.0\r\n" COMMON "CSeq: 1 " method "\r\n" more

struct row {
    const char *head, *body;
    unsigned status; /* 0: good */
    enum alg_refusal refusal;
};

static void run(const struct row *rows, size_t count, enum edge_side from)
{
    struct alg_world w;
    struct alg_limits limits;
    alg_world_init(&w);
    alg_limits_default(&limits);
    for (size_t i = 0; i < count; i++) {
        struct alg_verdict verdict = {0};
        struct sip_message m = alg_world_message(&w, rows[i].head, rows[i].body);
        int err = m.is_request ? alg_check_request(&w.options, &limits, &m, from, &verdict)
                               : alg_check_response(&w.options, &limits, &m, from, &verdict);
        if (err != (rows[i].status ? ERR_FORBIDDEN : 0) || verdict.status != rows[i].status ||
            (err && (verdict.refusal != rows[i].refusal || !verdict.rule || verdict.octet > m.octets.n)))
            fail_msg("%s\n%u, %s: %s", rows[i].head, verdict.status, alg_refusal_name(verdict.refusal), verdict.rule);
    }
    alg_world_fini(&w);
}
#define RUN(rows, from) run(rows, sizeof(rows) / sizeof *(rows), from)

static void test_requests(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {MESSAGE("INVITE", CONTACT), "", 0, 0},
        {MESSAGE("OPTIONS", ""), "", 0, 0},
        {MESSAGE("BYE", "Max-Forwards: 1\r\nReason: Q.850;cause=16\r\n"), "", 0, 0},
        {MESSAGE("PRACK", "RAck: 1 1 INVITE\r\n"), "", 0, 0},
        {MESSAGE("INFO", "Content-Type: application/dtmf-relay\r\n"), "Signal=1", 0, 0},
        /* methods */
        {MESSAGE("REGISTER", CONTACT), "", 405, ALG_REFUSED_METHOD},
        {MESSAGE("FOO", ""), "", 405, ALG_REFUSED_METHOD},
        {MESSAGE("invite", CONTACT), "", 405, ALG_REFUSED_METHOD},
        {MESSAGE("OPTIONS", "Max-Forwards: 0\r\n"), "", 483, ALG_REFUSED_HEADERS},
        {MESSAGE("OPTIONS", "Proxy-Require: foo\r\n"), "", 420, ALG_REFUSED_HEADERS},
        {MESSAGE("PRACK", ""), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("REFER", CONTACT), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("SUBSCRIBE", CONTACT), "", 489, ALG_REFUSED_HEADERS},
        {MESSAGE("PUBLISH", ""), "", 489, ALG_REFUSED_HEADERS},
        {MESSAGE("NOTIFY", CONTACT "Event: refer\r\n"), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("NOTIFY", CONTACT "Event: refer\r\nSubscription-State: active;expires=60\r\n"), "", 0, 0},
        /* once */
        {MESSAGE("INVITE", CONTACT "Expires: 5\r\nExpires: 6\r\n"), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("INVITE", CONTACT "Session-Expires: 90\r\nx: 91\r\n"), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("INVITE", CONTACT "X-Cisco-ViPR-Ticket: a\r\nX-Cisco-ViPR-Ticket: b\r\n"), "", 400,
         ALG_REFUSED_HEADERS},
        /* readable */
        {MESSAGE("INVITE", CONTACT "Session-Expires: x\r\n"), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("INVITE", CONTACT "Require: a b\r\n"), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("INVITE", CONTACT "P-Asserted-Identity: <sip:a@b.example\r\n"), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("INVITE", CONTACT "Record-Route: <sip:>\r\n"), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("INVITE", CONTACT "Date: yesterday\r\nAlert-Info: ring-answer\r\n"), "", 0, 0},
        {MESSAGE("INVITE", CONTACT "X-Any: <sip:\r\n"), "", 0, 0},
        /* bodies */
        {MESSAGE("MESSAGE", ""), "hello", 400, ALG_REFUSED_BODY},
        {MESSAGE("MESSAGE", "Content-Type: text/plain\r\n"), "hello", 0, 0},
        {MESSAGE("MESSAGE", "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n"), "hello", 415, ALG_REFUSED_BODY},
        {MESSAGE("MESSAGE", "Content-Type: text/plain\r\ne: identity\r\n"), "hello", 0, 0},
        {MESSAGE("MESSAGE", "Content-Type: text\r\n"), "hello", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("MESSAGE", "Content-Type: multipart/mixed;boundary=x\r\n"), "--x\r\n\r\nhello", 400, ALG_REFUSED_BODY},
        {MESSAGE("MESSAGE", "Content-Type: multipart/mixed\r\n"), "--x\r\n\r\nhello\r\n--x--", 400, ALG_REFUSED_BODY},
        {MESSAGE("MESSAGE", "Content-Type: multipart/mixed;boundary=x\r\n"), "--x\r\n\r\nhello\r\n--x--", 0, 0},
        /* Contact */
        {MESSAGE("INVITE", ""), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("UPDATE", ""), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("INVITE", CONTACT CONTACT), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("INVITE", "Contact: *\r\n"), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("INVITE", "Contact: <tel:+49>\r\n"), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("INVITE", "Contact: <sip:x\r\n"), "", 400, ALG_REFUSED_HEADERS},
        {MESSAGE("OPTIONS", "Contact: <mailto:a@b.example>\r\n"), "", 0, 0},
        /* where it must not point */
        {MESSAGE("INVITE", "Contact: <sip:b@127.0.0.1>\r\n"), "", 403, ALG_REFUSED_ADDRESS},
        {MESSAGE("INVITE", "Contact: <sip:b@10.1.0.5>\r\n"), "", 403, ALG_REFUSED_ADDRESS},
        {MESSAGE("INVITE", "Contact: <sip:b@[::1]>\r\n"), "", 403, ALG_REFUSED_ADDRESS},
        {MESSAGE("INVITE", "Contact: <sip:b@224.0.0.1>\r\n"), "", 403, ALG_REFUSED_ADDRESS},
        {MESSAGE("INVITE", "Contact: <sip:b@[ff02::1]>\r\n"), "", 403, ALG_REFUSED_ADDRESS},
        {MESSAGE("INVITE", "Contact: <sip:b@198.51.100.7:5061>\r\n"), "", 403, ALG_REFUSED_ADDRESS},
        {MESSAGE("INVITE", "Contact: <sip:b@[2001:db8::4]>\r\n"), "", 0, 0},
        {MESSAGE("REFER", CONTACT "Refer-To: <sip:c@10.1.0.9>\r\n"), "", 403, ALG_REFUSED_ADDRESS},
        {MESSAGE("REFER", CONTACT "Refer-To: <sip:c@pbx.local>\r\n"), "", 403, ALG_REFUSED_ADDRESS},
        {MESSAGE("REFER", CONTACT "Refer-To: <sip:7f@edge.a.example:5061>\r\n"), "", 0, 0},
        {MESSAGE("REFER", CONTACT "Refer-To: <sip:c@c.example>\r\n"), "", 0, 0},
        {MESSAGE("REFER", CONTACT "Refer-To: <tel:+49>\r\n"), "", 0, 0},
    };
    RUN(rows, EDGE_OUTSIDE);
}

/* From inside, inside addresses are what is to be expected. */
static void test_inside(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {MESSAGE("INVITE", "Contact: <sip:b@10.1.0.5>\r\n"), "", 0, 0},
        {MESSAGE("REFER", "Contact: <sip:b@10.1.0.5>\r\nRefer-To: <sip:c@10.1.0.9>\r\n"), "", 0, 0},
        {MESSAGE("REGISTER", CONTACT), "", 405, ALG_REFUSED_METHOD},
    };
    RUN(rows, EDGE_INSIDE);
}

#define ANSWER(status, method, more) "SIP/2.0 " status "\r\n" COMMON "CSeq: 1 " method "\r\n" more

static void test_responses(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {ANSWER("200 OK", "INVITE", CONTACT), "", 0, 0},
        {ANSWER("100 Trying", "INVITE", ""), "", 0, 0},
        {ANSWER("180 Ringing", "INVITE", ""), "", 0, 0},
        {ANSWER("200 OK", "BYE", ""), "", 0, 0},
        {ANSWER("302 Moved", "INVITE", "Contact: <sip:c@c.example>, <tel:+49>\r\n"), "", 0, 0},
        {ANSWER("200 OK", "INVITE", ""), "", 502, ALG_REFUSED_HEADERS},
        {ANSWER("200 OK", "SUBSCRIBE", ""), "", 502, ALG_REFUSED_HEADERS},
        {ANSWER("200 OK", "INVITE", CONTACT CONTACT), "", 502, ALG_REFUSED_HEADERS},
        {ANSWER("200 OK", "INVITE", "Contact: <sip:b@127.0.0.1>\r\n"), "", 502, ALG_REFUSED_ADDRESS},
        {ANSWER("302 Moved", "INVITE", "Contact: <sip:c@10.1.0.5>\r\n"), "", 502, ALG_REFUSED_ADDRESS},
        {ANSWER("183 P", "INVITE", "Require: 100rel\r\n"), "", 502, ALG_REFUSED_HEADERS},
        {ANSWER("183 P", "INVITE", "Require: 100rel\r\nRSeq: 4\r\n"), "", 0, 0},
        {ANSWER("200 OK", "INVITE", CONTACT "Content-Encoding: gzip\r\nContent-Type: a/b\r\n"), "x", 502,
         ALG_REFUSED_BODY},
        {ANSWER("486 Busy", "INVITE", "Retry-After: soon\r\n"), "", 0, 0},
        {ANSWER("486 Busy", "INVITE", "Min-SE: soon\r\n"), "", 502, ALG_REFUSED_HEADERS},
    };
    RUN(rows, EDGE_OUTSIDE);
}

static unsigned status_of(struct alg_world *w, const struct alg_limits *limits, const char *head, const char *body)
{
    struct alg_verdict verdict = {0};
    struct sip_message m = alg_world_message(w, head, body);
    return alg_check_request(&w->options, limits, &m, EDGE_OUTSIDE, &verdict) ? verdict.status : 0;
}

static void test_limits(void **state)
{
    (void)state;
    struct alg_world w;
    struct alg_limits limits;
    struct buf allow;
    static const char head[] =
        MESSAGE("OPTIONS", "Contact: <sip:a@b.example>, <sip:b@b.example>\r\nContent-Type: a/b\r\n");
    alg_world_init(&w);
    alg_limits_default(&limits);
    assert_int_equal(status_of(&w, &limits, head, "12345"), 0);
    limits.contacts_max = 1;
    assert_int_equal(status_of(&w, &limits, head, "12345"), 400);
    limits.body_octets_max = 4;
    assert_int_equal(status_of(&w, &limits, head, "12345"), 413);
    limits.fields_max = 7;
    assert_int_equal(status_of(&w, &limits, head, "12345"), 400);
    limits.head_octets_max = 100;
    assert_int_equal(status_of(&w, &limits, head, "12345"), 513);
    limits.uri_octets_max = 14;
    assert_int_equal(status_of(&w, &limits, head, "12345"), 414);
    limits.methods[EDGE_OUTSIDE] = 1U << SIP_BYE | 1U << SIP_ACK;
    assert_int_equal(status_of(&w, &limits, head, "12345"), 405);
    buf_init(&allow, 100);
    alg_allow(&limits, EDGE_OUTSIDE, &allow);
    assert_string_equal(buf_text(&allow), "ACK, BYE");
    /* Unknown methods, where they are wanted. */
    alg_limits_default(&limits);
    limits.methods[EDGE_OUTSIDE] |= 1U << SIP_METHOD_OTHER;
    assert_int_equal(status_of(&w, &limits, MESSAGE("FOO", ""), ""), 0);
    buf_fini(&allow);
    alg_world_fini(&w);
}

/* What src/sip refuses already: one message for us, another for somebody behind us. Never taken for a message that passes. */
static void test_smuggling(void **state)
{
    (void)state;
#define LINES(more) "OPTIONS sip:a@a.example SIP/2.0\r\n" COMMON "CSeq: 1 OPTIONS\r\n" more
    static const char *const rows[] = {
        LINES("Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello"),
        LINES("Content-Length: 0\r\nl: 5\r\n\r\nhello"),
        LINES("Content-Length: 5, 0\r\n\r\nhello"),
        LINES("Content-Length: +5\r\n\r\nhello"),
        LINES("Content-Length: -1\r\n\r\n"),
        LINES("Content-Length: 0x5\r\n\r\nhello"),
        LINES("Content-Length: 99999999999999999999\r\n\r\n"),
        LINES("Content-Length:\r\n\r\n"),
        LINES("\r\n"), /* in a stream it must be there */
        LINES("Content-Length: 0\n\r\n"),
        LINES("X: a\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n"),
        LINES("X: a\rContent-Length: 5\r\nContent-Length: 0\r\n\r\n"),
        LINES("Content-Length : 5\r\nContent-Length: 0\r\n\r\nhello"),
        LINES("Content-Length: 0\r\n\n"),
        LINES("X\r\nContent-Length: 0\r\n\r\n"),
        LINES(": x\r\nContent-Length: 0\r\n\r\n"),
        LINES("X-\x01: x\r\nContent-Length: 0\r\n\r\n"),
        LINES("Via: SIP/2.0/TLS b.example;branch=1\r\nCSeq: 2 OPTIONS\r\nContent-Length: 0\r\n\r\n"),
        LINES("From: <sip:other@b.example>;tag=1\r\nContent-Length: 0\r\n\r\n"),
        LINES("t: <sip:other@b.example>\r\nContent-Length: 0\r\n\r\n"),
        LINES("i: y\r\nContent-Length: 0\r\n\r\n"),
        " OPTIONS sip:a@a.example SIP/2.0\r\n" COMMON "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        "OPTIONS  sip:a@a.example SIP/2.0\r\n" COMMON "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        "OPTIONS sip:a@a.example HTTP/1.1\r\n" COMMON "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        "OPTIONS sip:a@a.example SIP/2.0\r\n" COMMON "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
        "OPTIONS sip:a@a.example SIP/2.0\r\n" COMMON "CSeq: 4294967296 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        "OPTIONS sip:a@a.example SIP/2.0\r\n" COMMON "CSeq: 2147483648 OPTIONS\r\nContent-Length: 0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_framer framer;
        struct region region;
        struct sip_message m;
        struct slice input = slice_str(rows[i]), octets;
        sip_framer_init(&framer, 65535);
        region_init(&region, 1 << 16);
        if (sip_framer_next(&framer, &input, &octets) == SIP_FRAMED_MESSAGE &&
            sip_parse(&region, octets, SIP_STREAM, &m, NULL) == 0 && sip_check(&m, NULL, NULL) == 0)
            fail_msg("taken: %s", rows[i]);
        sip_framer_fini(&framer);
        region_fini(&region);
    }
    /* Two in one piece are two: the second is checked as such. */
    static const char one[] = LINES("Content-Length: 5\r\n\r\nhello");
    struct sip_framer framer;
    char two[2 * sizeof one];
    snprintf(two, sizeof two, "%s%s", one, one);
    struct slice input = slice_str(two), octets;
    sip_framer_init(&framer, 65535);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sip_framer_next(&framer, &input, &octets), SIP_FRAMED_MESSAGE);
        assert_slice_text(octets, one);
    }
    sip_framer_fini(&framer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests), cmocka_unit_test(test_inside),    cmocka_unit_test(test_responses),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_smuggling),
    };
    return cmocka_run_group_tests_name("alg_check", tests, NULL, NULL);
}
