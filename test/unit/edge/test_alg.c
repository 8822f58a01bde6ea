/* What becomes of a head on its way through the edge: octet for octet, but for what the rules change. */
#include "alg_world.h"

#include "base/mem.h"

static struct alg_way way_out(struct alg_world *w)
{
    return (struct alg_way){&w->options, EDGE_INSIDE, EDGE_OUTSIDE, SIP_TLS, "a.example", &w->region};
}

static struct alg_way way_in(struct alg_world *w)
{
    return (struct alg_way){&w->options, EDGE_OUTSIDE, EDGE_INSIDE, SIP_TCP, "a.example", &w->region};
}

static void finish(struct alg_world *w, struct sip_edit *e, const char *wanted, bool leaves)
{
    buf_clear(&w->out);
    assert_int_equal(sip_edit_write(e, &w->out), 0);
    assert_string_equal(buf_text(&w->out), wanted);
    struct slice leak = leaves ? alg_find_leak(&w->options, &w->region, buf_slice(&w->out)) : (struct slice){0};
    if (leak.n)
        fail_msg("leaks %.*s", SLICE_PRINT(leak));
}

static void assert_request(struct alg_world *w, const struct alg_way *way, const char *head, const char *uri,
                           const char *wanted)
{
    struct sip_message m = alg_world_message(w, head, "");
    struct sip_edit *e = sip_edit_new(&w->region, &m);
    assert_int_equal(alg_edit_request(way, &m, uri ? slice_str(uri) : (struct slice){0}, e), 0);
    finish(w, e, wanted, way->to == EDGE_OUTSIDE);
}

static void test_invite_out(void **state)
{
    (void)state;
    struct alg_world w;
    alg_world_init(&w);
    struct alg_way way = way_out(&w);
    assert_request(
        &w, &way,
        "INVITE sip:+4930123@b.example;user=phone SIP/2.0\r\n"
        "v: SIP/2.0/TCP 10.1.0.5:5060;branch=z9hG4bK1;rport\r\n"
        "Via: SIP/2.0/UDP 10.1.2.3;branch=z9hG4bK0, SIP/2.0/UDP pbx.local;branch=z9hG4bK-\r\n"
        "Record-Route: <sip:10.1.0.5;lr>\r\n"
        "Route: <sip:b.example:5061;maddr=192.0.2.9;transport=tls;lr>\r\n"
        "Max-Forwards:  68\r\n"
        "f:  \"Ann  B.\"  <sip:+49891@10.1.0.5:5060;user=phone> ;tag=1;x=y\r\n"
        "To: <sip:+4930123@b.example>\r\n"
        "Call-ID: a84b@10.1.0.5\r\n"
        "CSeq:  1   INVITE\r\n"
        "m: "
        "<sip:ann;x=1@10.1.0.5:5060;ob;transport=tcp;maddr=10.1.0.9;alias=10.1.0.5~5060~1>;+sip.instance=\"<urn:x>\";"
        "received=\"sip:10.1.0.5\";q=0.5\r\n"
        "P-Asserted-Identity: \"Ann\" <sip:+49891@pbx.local>, <tel:+49891>\r\n"
        "User-Agent: Phone 1.2.3.4 (10.1.2.3)\r\n"
        "X-Odd :  folded\r\n and  kept\r\n"
        "X-IME-Domain: evil.example\r\n"
        "Call-Info: <http://10.1.0.5/pic>;purpose=icon, <http://www.a.example/card>;purpose=card\r\n"
        "Alert-Info: <http://pbx.local/ring>\r\n"
        "P-Charging-Vector: icid-value=1\r\n"
        "Proxy-Authorization: Digest username=\"x\"\r\n"
        "X-Asterisk: from 10.1.2.3:5060 to [fd00::5]\r\n",
        NULL,
        "INVITE sip:+4930123@b.example;user=phone SIP/2.0\r\n"
        "Max-Forwards: 67\r\n"
        "f:  \"Ann  B.\"  <sip:+49891@a.example;user=phone> ;tag=1;x=y\r\n"
        "To: <sip:+4930123@b.example>\r\n"
        "Call-ID: a84b@10.1.0.5\r\n"
        "CSeq:  1   INVITE\r\n"
        "m: <sip:ann;x=1@edge.a.example:5061;ob;transport=tls>;+sip.instance=\"<urn:x>\";q=0.5\r\n"
        "P-Asserted-Identity: \"Ann\" <sip:+49891@a.example>, <tel:+49891>\r\n"
        "User-Agent: Phone 1.2.3.4 (a.example)\r\n"
        "X-Odd :  folded\r\n and  kept\r\n"
        "Call-Info: <http://www.a.example/card>;purpose=card\r\n"
        "X-Asterisk: from a.example:5060 to a.example\r\n"
        "Content-Length: 0\r\n\r\n");
    alg_world_fini(&w);
}

static void test_invite_in(void **state)
{
    (void)state;
    struct alg_world w;
    alg_world_init(&w);
    struct alg_way way = way_in(&w);
    const char *head = "INVITE sip:+4989123@edge.a.example:5061;transport=tls SIP/2.0\r\n"
                       "Via: SIP/2.0/TLS sbc.b.example;branch=z9hG4bK1\r\n"
                       "Record-Route: <sip:p.b.example;lr>\r\n"
                       "Path: <sip:p.b.example;lr>\r\n"
                       "Max-Forwards: 70\r\n"
                       "From: <sip:+4930@b.example>;tag=1\r\n"
                       "To: <sip:+4989123@a.example>\r\n"
                       "Call-ID: x\r\n"
                       "CSeq: 1 INVITE\r\n"
                       "Contact: sip:bob@192.0.2.4:5061;transport=tls;expires=5\r\n"
                       "Alert-Info: <http://127.0.0.1/ring>;info=alert-external\r\n"
                       "X-IME-Domain: other.example\r\n"
                       "x-ime-anything: 1\r\n"
                       "Server: who is at 10.9.9.9\r\n"
                       "X-Cisco-ViPR-Ticket: abc\r\n";
    assert_request(&w, &way, head, NULL,
                   "INVITE sip:+4989123@a.example;transport=tls SIP/2.0\r\n"
                   "Max-Forwards: 69\r\n"
                   "From: <sip:+4930@b.example>;tag=1\r\n"
                   "To: <sip:+4989123@a.example>\r\n"
                   "Call-ID: x\r\n"
                   "CSeq: 1 INVITE\r\n"
                   "Contact: <sip:bob@10.1.0.1:5060;transport=tcp>;transport=tls;expires=5\r\n"
                   "Server: who is at 10.9.9.9\r\n"
                   "X-Cisco-ViPR-Ticket: abc\r\n"
                   "Content-Length: 0\r\n\r\n");
    struct sip_message m = alg_world_message(&w, head, "");
    struct sip_edit *e = sip_edit_new(&w.region, &m);
    assert_int_equal(alg_edit_request(&way, &m, slice_str("sip:call7@10.1.0.5:5060"), e), 0);
    sip_edit_append_named(e, "X-IME-Domain",
                          slice_str("b.example")); /* the caller's own word, behind what was taken away */
    sip_edit_set(e, SIP_ROUTE, slice_str("<sip:10.1.0.5;lr>"));
    buf_clear(&w.out);
    assert_int_equal(sip_edit_write(e, &w.out), 0);
    assert_non_null(strstr(buf_text(&w.out), "INVITE sip:call7@10.1.0.5:5060 SIP/2.0\r\n"));
    assert_non_null(strstr(buf_text(&w.out), "\r\nX-IME-Domain: b.example\r\n"));
    assert_null(strstr(buf_text(&w.out), "other.example"));
    assert_non_null(strstr(buf_text(&w.out), "\r\nRoute: <sip:10.1.0.5;lr>\r\n"));
    alg_world_fini(&w);
}

#define REFER(uri, fields)                                                                 \
    "REFER " uri " SIP/2.0\r\n"                                                            \
    "Via: SIP/2.0/TCP x;branch=z9hG4bK1\r\n"                                               \
    "Max-Forwards: 70\r\nFrom: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>;tag=2\r\n" \
    "Call-ID: c\r\nCSeq: 2 REFER\r\n" fields
#define REFERRED(uri, fields)                                                                                    \
    "REFER " uri " SIP/2.0\r\n"                                                                                  \
    "Max-Forwards: 69\r\nFrom: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>;tag=2\r\nCall-ID: c\r\nCSeq: 2 " \
    "REFER\r\n" fields "Content-Length: 0\r\n\r\n"

static void test_refer(void **state)
{
    (void)state;
    static const struct {
        bool in;
        const char *refer_to, *wanted;
    } rows[] = {
        /* the agent, or we as the inside knows us, with a dialog of ours */
        {false, "<sip:7f@10.1.0.5:5060?Replaces=a%4010.1.0.5%3Bto-tag%3D1%3Bfrom-tag%3D2&Subject=x>",
         "<sip:7f@edge.a.example:5061;transport=tls?Replaces=a%4010.1.0.5%3Bto-tag%3D1%3Bfrom-tag%3D2&Subject=x>"},
        {false, "sip:7f@10.1.0.1", "<sip:7f@edge.a.example:5061;transport=tls>"},
        {false, "<sip:7f@pbx;x=y?X-From=10.1.2.3&X-B=1>", "<sip:7f@edge.a.example:5061;x=y;transport=tls?X-B=1>"},
        {false, "<sip:7f@c.example;x=%31%30.1.2.3>", "<sip:7f@c.example>"},
        /* other companies and numbers */
        {false, "\"C\"  <sip:+44@c.example>;x=y", "\"C\"  <sip:+44@c.example>;x=y"},
        {false, "<tel:+4420>", "<tel:+4420>"},
        {false, "<tel:4420;phone-context=pbx.local>",
         "<tel:4420;phone-context=pbx.local>"}, /* no host: a name of numbers */
        {false, "<tel:+4420;x=10.1.2.3>", "<tel:+4420;x=a.example>"},
        {false, "<mailto:a@10.1.2.3>", "<sip:a.example>"},
        {false, "<mailto:a@c.example>", "<mailto:a@c.example>"},
        {false, "<sip:+44@192.0.2.9:5061;maddr=192.0.2.8>", "<sip:+44@192.0.2.9:5061;maddr=192.0.2.8>"},
        {false, "<sip:+44@c.example;maddr=10.1.0.5>", "<sip:+44@c.example>"},
        /* from outside: we, and others */
        {true, "<sip:7f@edge.a.example:5061;transport=tls>", "<sip:7f@10.1.0.1:5060;transport=tcp>"},
        {true, "<sip:7f@c.example>", "<sip:7f@c.example>"},
    };
    struct alg_world w;
    alg_world_init(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char head[1024], wanted[1024];
        struct alg_way way = rows[i].in ? way_in(&w) : way_out(&w);
        snprintf(head, sizeof head, REFER("sip:b@b.example", "Refer-To: %s\r\nReferred-By: <sip:a@%s>\r\n"),
                 rows[i].refer_to, rows[i].in ? "b.example" : "10.1.0.5");
        snprintf(wanted, sizeof wanted, REFERRED("sip:b@b.example", "Refer-To: %s\r\nReferred-By: <sip:a@%s>\r\n"),
                 rows[i].wanted, rows[i].in ? "b.example" : "a.example");
        assert_request(&w, &way, head, NULL, wanted);
    }
    alg_world_fini(&w);
}

/* Octets that look like escapes, and tags that look like addresses. */
static void test_odd(void **state)
{
    (void)state;
    struct alg_world w;
    alg_world_init(&w);
    struct alg_way way = way_out(&w);
    assert_request(&w, &way,
                   "BYE sip:b@b.example SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
                   "From: <sip:a@[fd00::5]>;tag=%;x=%31%30.1.0.5;y=%zz\r\nTo: <sip:b@b.example>;tag=10.1.0.5\r\n"
                   "Call-ID: c\r\nCSeq: 2 BYE\r\nX-A: 10.1.0.4.00::1 10.1.0.5.\r\n"
                   "X-B: sip:10.1.0.5sfd00::1\r\n",
                   NULL,
                   "BYE sip:b@b.example SIP/2.0\r\nMax-Forwards: 69\r\n"
                   "From: <sip:a@a.example>;tag=%;y=%zz\r\nTo: <sip:b@b.example>;tag=10.1.0.5\r\n"
                   "Call-ID: c\r\nCSeq: 2 BYE\r\nX-A: a.example a.example.\r\nX-B: "
                   "sip:a.examplea.example\r\nContent-Length: 0\r\n\r\n");
    alg_world_fini(&w);
}

static void test_request_uri(void **state)
{
    (void)state;
    static const struct {
        bool in;
        const char *uri, *wanted;
    } rows[] = {
        {false, "sip:b@b.example;maddr=192.0.2.1;x=y", "sip:b@b.example;x=y"},
        {false, "sip:b@10.1.0.1:5060;user=phone", "sip:b@a.example;user=phone"},
        {false, "sip:b@[2001:db8::1]:5061;x=10.0.0.1", "sip:b@[2001:db8::1]:5061"},
        {false, "tel:+4930", "tel:+4930"},
        {false, "sips:b@b.example;x", "sips:b@b.example;x"},
        {true, "sip:b@edge.a.example", "sip:b@a.example"},
        {true, "sip:b@a.example;maddr=10.1.0.7", "sip:b@a.example"},
        {true, "sip:b@a.example;x=10.1.0.7", "sip:b@a.example;x=10.1.0.7"},
    };
    struct alg_world w;
    alg_world_init(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char head[1024], wanted[1024];
        struct alg_way way = rows[i].in ? way_in(&w) : way_out(&w);
        snprintf(head, sizeof head, REFER("%s", ""), rows[i].uri);
        snprintf(wanted, sizeof wanted, REFERRED("%s", ""), rows[i].wanted);
        assert_request(&w, &way, head, NULL, wanted);
    }
    alg_world_fini(&w);
}

#define INVITE_IN                                                                                                      \
    "INVITE sip:+4989123@a.example SIP/2.0\r\nVia: SIP/2.0/TLS sbc.b.example;branch=z9hG4bK1;received=192.0.2.4\r\n"   \
    "v: SIP/2.0/UDP 192.168.1.1;branch=z9hG4bK0\r\nRecord-Route: <sip:p.b.example;lr>\r\nRecord-Route: "               \
    "<sip:q.b.example;lr>\r\n"                                                                                         \
    "From:  Bob <sip:+4930@b.example>;tag=1\r\nTo: \"A\" <sip:+4989123@edge.a.example:5061>\r\nCall-ID: x\r\nCSeq: 1 " \
    "INVITE\r\n"

static void test_response_out(void **state)
{
    (void)state;
    struct alg_world w;
    alg_world_init(&w);
    struct alg_way way = way_out(&w);
    struct sip_message request = alg_world_message(&w, INVITE_IN, "");
    struct sip_message m = alg_world_message(&w,
                                             "SIP/2.0 200 Good from 10.1.0.5\r\n"
                                             "Via: SIP/2.0/TCP 10.1.0.1:5060;branch=z9hG4bK77\r\n"
                                             "Record-Route: <sip:10.1.0.5;lr>\r\n"
                                             "From: <sip:+4930@b.example>;tag=1\r\n"
                                             "t: <sip:+4989123@a.example>;tag=z9\r\n"
                                             "Call-ID: x\r\n"
                                             "CSeq: 1 INVITE\r\n"
                                             "Contact: \"10.1.2.3\" <sips:7f@[fd00::5]:5061>\r\n"
                                             "Warning: 399 10.1.0.5 \"low on coins\"\r\n"
                                             "Server: x\r\n",
                                             "");
    struct sip_edit *e = sip_edit_new(&w.region, &m);
    assert_int_equal(alg_edit_response(&way, &m, &request, e), 0);
    finish(&w, e,
           "SIP/2.0 200 Good from a.example\r\n"
           "Via: SIP/2.0/TLS sbc.b.example;branch=z9hG4bK1;received=192.0.2.4, SIP/2.0/UDP "
           "192.168.1.1;branch=z9hG4bK0\r\n"
           "Record-Route: <sip:p.b.example;lr>, <sip:q.b.example;lr>\r\n"
           "From: Bob <sip:+4930@b.example>;tag=1\r\n"
           "t: \"A\" <sip:+4989123@edge.a.example:5061>;tag=z9\r\n"
           "Call-ID: x\r\n"
           "CSeq: 1 INVITE\r\n"
           "Contact: \"a.example\" <sips:7f@edge.a.example:5061;transport=tls>\r\n"
           "Warning: 399 a.example \"low on coins\"\r\n"
           "Server: x\r\n"
           "Content-Length: 0\r\n\r\n",
           true);
    alg_world_fini(&w);
}

/* A request of the agent whose From was changed on its way out gets its own From back. */
static void test_response_in(void **state)
{
    (void)state;
    struct alg_world w;
    alg_world_init(&w);
    struct alg_way way = way_in(&w);
    struct sip_message request = alg_world_message(&w,
                                                   "BYE sip:b@10.1.0.1 SIP/2.0\r\n"
                                                   "Via: SIP/2.0/TCP 10.1.0.5;branch=z9hG4bK1\r\n"
                                                   "From: <sip:ann@10.1.0.5>;tag=1\r\n"
                                                   "To: <sip:b@b.example>;tag=2\r\n"
                                                   "Call-ID: x\r\nCSeq: 3 BYE\r\n",
                                                   "");
    struct sip_message m = alg_world_message(&w,
                                             "SIP/2.0 200 OK\r\n"
                                             "Via: SIP/2.0/TLS edge.a.example:5061;branch=z9hG4bK9\r\n"
                                             "From: <sip:ann@a.example>;tag=1\r\n"
                                             "To: <sip:b@b.example>;tag=2\r\n"
                                             "Call-ID: x\r\nCSeq: 3 BYE\r\n"
                                             "X-A: 192.168.7.7\r\n",
                                             "");
    struct sip_edit *e = sip_edit_new(&w.region, &m);
    assert_int_equal(alg_edit_response(&way, &m, &request, e), 0);
    finish(&w, e,
           "SIP/2.0 200 OK\r\n"
           "Via: SIP/2.0/TCP 10.1.0.5;branch=z9hG4bK1\r\n"
           "From: <sip:ann@10.1.0.5>;tag=1\r\n"
           "To: <sip:b@b.example>;tag=2\r\n"
           "Call-ID: x\r\nCSeq: 3 BYE\r\n"
           "X-A: 192.168.7.7\r\n"
           "Content-Length: 0\r\n\r\n",
           false);
    alg_world_fini(&w);
}

/* Others that are named in a redirection are not ours; what is inside becomes ours. */
static void test_redirection(void **state)
{
    (void)state;
    struct alg_world w;
    alg_world_init(&w);
    struct alg_way way = way_out(&w);
    struct sip_message request = alg_world_message(&w, INVITE_IN, "");
    struct sip_message m =
        alg_world_message(&w,
                          "SIP/2.0 302 Moved\r\nVia: SIP/2.0/TCP 10.1.0.1:5060;branch=z9hG4bK77\r\n"
                          "From: <sip:+4930@b.example>;tag=1\r\nTo: <sip:+4989123@a.example>;tag=z9\r\nCall-ID: x\r\n"
                          "CSeq: 1 INVITE\r\n"
                          "Contact: <sip:c@10.1.0.6>;q=0.1 , <sip:d@d.example;x>;q=0.5,\r\n <tel:+4471>\r\n"
                          "Contact: <sip:e@pbx.local>\r\n",
                          "");
    struct sip_edit *e = sip_edit_new(&w.region, &m);
    assert_int_equal(alg_edit_response(&way, &m, &request, e), 0);
    buf_clear(&w.out);
    assert_int_equal(sip_edit_write(e, &w.out), 0);
    assert_non_null(strstr(buf_text(&w.out),
                           "Contact: <sip:c@edge.a.example:5061;transport=tls>;q=0.1 , <sip:d@d.example;x>;q=0.5,\r\n "
                           "<tel:+4471>\r\nContact: <sip:e@edge.a.example:5061;transport=tls>\r\n"));
    alg_world_fini(&w);
}

static void test_contact(void **state)
{
    (void)state;
    struct alg_world w;
    alg_world_init(&w);
    struct alg_way out = way_out(&w), in = way_in(&w);
    assert_slice_text(alg_contact(&out, slice_str("sip:a:b@10.1.0.5;x=y;transport=udp?X=1")),
                      "sip:a:b@edge.a.example:5061;x=y;transport=tls?X=1");
    assert_slice_text(alg_contact(&in, slice_str("sips:b.example")), "sip:10.1.0.1:5060;transport=tcp");
    assert_int_equal(alg_contact(&in, slice_str("tel:+49")).n, 0);
    edge_options_fini(&w.options);
    edge_options_default(&w.options);
    assert_int_equal(alg_contact(&in, slice_str("sip:b.example")).n, 0);
    struct sip_message m = alg_world_message(&w, INVITE_IN, "");
    struct sip_edit *e = sip_edit_new(&w.region, &m);
    assert_int_equal(alg_edit_request(&out, &m, (struct slice){0}, e), ERR_NOT_FOUND);
    alg_world_fini(&w);
}

/* Whichever allocation fails, the answer is an error and no message with a hole. */
static void test_memory(void **state)
{
    (void)state;
    struct alg_world w;
    alg_world_init(&w);
    struct alg_way way = way_out(&w);
    struct sip_message m =
        alg_world_message(&w,
                          REFER("sip:b@b.example;maddr=10.0.0.1",
                                "Refer-To: <sip:7f@10.1.0.5>\r\nReferred-By: <sip:a@pbx>\r\n"
                                "Call-Info: <http://b.example>, <http://10.0.0.1>\r\nX-A: 10.0.0.1 %41\r\n"),
                          "");
    buf_clear(&w.out);
    buf_extend(&w.out, 4096); /* not what is to fail */
    for (unsigned long nth = 1;; nth++) {
        struct region region;
        region_init(&region, 1 << 16);
        way.region = &region;
        struct sip_edit *e = sip_edit_new(&w.region, &m);
        buf_clear(&w.out);
        mem_fail_at(nth);
        int err = alg_edit_request(&way, &m, (struct slice){0}, e);
        err = err ? err : sip_edit_write(e, &w.out);
        mem_fail_at(0);
        /* What cannot be looked at for want of memory goes, too. */
        bool whole = !err && alg_find_leak(&w.options, &w.region, buf_slice(&w.out)).n == 0 &&
                     strstr(buf_text(&w.out), "REFER sip:b@b.example SIP/2.0\r\nMax-Forwards: 69\r\nFrom: ") &&
                     strstr(buf_text(&w.out), "Refer-To: <sip:7f@edge.a.example:5061;transport=tls>\r\n");
        region_fini(&region);
        assert_true(whole || err == ERR_NO_MEMORY);
        if (whole && nth > 20)
            break;
    }
    alg_world_fini(&w);
}

/* The checker finds what it is for. */
static void test_leaks(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        const char *found; /* "" : nothing */
    } rows[] = {
        {"Contact: <sip:a@10.1.0.5>\r\n", "10.1.0.5"},
        {"Contact: <sip:10.1.0.5@b.example>\r\n", ""}, /* a user */
        {"Via: SIP/2.0/TCP pbx;branch=z9hG4bK0\r\n", "pbx"},
        {"Via: SIP/2.0/TCP b.example;received=10.1.0.5;branch=z9hG4bK0\r\n", "10.1.0.5"},
        {"Refer-To: <sip:a@b.example?Replaces=x%4010.1.0.5>\r\n", ""},
        {"Refer-To: <sip:a@b.example?Replaces=x&X=10.1.0.5>\r\n", "10.1.0.5"},
        {"Replaces: x@10.1.0.5;to-tag=1;from-tag=2\r\n", ""},
        {"In-Reply-To: x@10.1.0.5\r\n", ""},
        {"Record-Route: <sip:pbx.local;lr>\r\n", "pbx.local"},
        {"X-Any: [fd00::1]\r\n", "fd00::1"},
    };
    struct alg_world w;
    alg_world_init(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char head[1024];
        snprintf(head, sizeof head,
                 "OPTIONS sip:b.example SIP/2.0\r\nVia: SIP/2.0/TLS edge.a.example:5061;branch=z9hG4bK1\r\nFrom: "
                 "<sip:a@a.example>;tag=1\r\nTo: <sip:b.example>\r\nCall-ID: x@10.1.0.5\r\nCSeq: 1 OPTIONS\r\n%s",
                 rows[i].fields);
        struct sip_message m = alg_world_message(&w, head, "");
        struct slice found = alg_find_leak(&w.options, &w.region, m.octets);
        if (!slice_eq_str(found, rows[i].found))
            fail_msg("%s: %.*s", rows[i].fields, SLICE_PRINT(found));
    }
    alg_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invite_out),  cmocka_unit_test(test_invite_in),    cmocka_unit_test(test_refer),
        cmocka_unit_test(test_request_uri), cmocka_unit_test(test_response_out), cmocka_unit_test(test_response_in),
        cmocka_unit_test(test_redirection), cmocka_unit_test(test_contact),      cmocka_unit_test(test_memory),
        cmocka_unit_test(test_leaks),       cmocka_unit_test(test_odd),
    };
    return cmocka_run_group_tests_name("alg", tests, NULL, NULL);
}
