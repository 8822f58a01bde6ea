/* Who may begin something: each refusal of what comes from outside, and of what the agent asks for. */
#include "edge_stage.h"

#include "ticket/keyring.h"

#include <stdio.h>
#include <string.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, edge_stage_setup, edge_stage_teardown)

/* ---- from outside ---- */

static void expect_refusal(struct stage *s, enum peer peer, const char *more, const char *status, int cause,
                           const uint64_t *counter, const char *event)
{
    struct talk t;
    char reason[64];
    const uint64_t before = *counter;
    talk_call_with(s, &t, peer, more);
    talk_heard(&t, status);
    snprintf(reason, sizeof reason, "X-IME ;cause=%d ;text=", cause);
    if (cause)
        assert_ptr_equal(strstr(stage_field(s, SIP_REASON), reason), stage_field(s, SIP_REASON));
    talk_ack(&t);
    stage_quiet(s);
    assert_int_equal(*counter, before + 1);
    assert_string_equal(s->last_event, event);
}

static void ticket_missing(void **state)
{
    struct stage *s = *state;
    expect_refusal(s, FAR, "", "403", 147, &stage_counters(s)->ticket_missing, "edge.ticket.missing");
}

static void ticket_altered(void **state)
{
    struct stage *s = *state;
    char header[1200];
    snprintf(header, sizeof header, "%s", stage_good_ticket(s));
    char *last = strstr(header, "\r\n") - 4; /* of the integrity */
    *last = *last == 'A' ? 'B' : 'A';
    expect_refusal(s, FAR, header, "403", 147, &stage_counters(s)->ticket_integrity, "edge.ticket.invalid");
    expect_refusal(s, FAR, "X-Cisco-ViPR-Ticket: bm90aGluZw==\r\n", "403", 147, &stage_counters(s)->ticket_syntax,
                   "edge.ticket.invalid");
}

static void ticket_expired(void **state)
{
    struct stage *s = *state;
    expect_refusal(s, FAR, stage_ticket(s, OURS, "b.example", -2000, -1000), "403", 140,
                   &stage_counters(s)->ticket_expired, "edge.ticket.invalid");
    expect_refusal(s, FAR, stage_ticket(s, OURS, "b.example", 1000, 2000), "403", 147,
                   &stage_counters(s)->ticket_not_yet_valid, "edge.ticket.invalid");
}

static void ticket_of_another_number(void **state)
{
    struct stage *s = *state;
    expect_refusal(s, FAR, stage_ticket(s, "+49301001235", "b.example", -1000, 1000), "403", 147,
                   &stage_counters(s)->ticket_number, "edge.ticket.invalid");
}

/* The same ticket, replayed by another company over its own TLS. */
static void ticket_of_another_domain(void **state)
{
    struct stage *s = *state;
    expect_refusal(s, OTHER, stage_good_ticket(s), "403", 147, &stage_counters(s)->ticket_domain,
                   "edge.ticket.invalid");
}

/* One certificate for several domains: any of them may be the ticket's. */
static void ticket_of_a_second_name(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    s->domains[FAR] = "www.b.example b.example";
    talk_connect(s, &bob, FAR, &ann, AGENT);
    talk_bye(&bob, &ann);
    s->domains[FAR] = "b.example.evil.example xb.example";
    expect_refusal(s, FAR, stage_good_ticket(s), "403", 147, &stage_counters(s)->ticket_domain, "edge.ticket.invalid");
}

static void stored(void *arg, int err)
{
    (void)arg;
    assert_int_equal(err, 0);
}

static void ticket_revoked(void **state)
{
    struct stage *s = *state;
    char header[1200];
    snprintf(header, sizeof header, "%s", stage_good_ticket(s));
    assert_int_equal(keyring_revoke(s->keyring, REVOKED_DOMAIN, slice_str("b.example"), s->now.wall, stored, NULL), 0);
    memory_store_turn(s->store);
    expect_refusal(s, FAR, header, "403", 147, &stage_counters(s)->ticket_revoked, "edge.ticket.invalid");
}

/* A key that was replaced is good for its grace, and no longer. */
static void ticket_of_an_old_epoch(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    char header[1200];
    snprintf(header, sizeof header, "%s", stage_ticket(s, OURS, "b.example", -1000, 3 * KEYRING_GRACE_MS_DEFAULT));
    assert_int_equal(keyring_generate(s->keyring, 2, s->now.wall, stored, NULL), 0);
    memory_store_turn(s->store);
    talk_call_with(s, &bob, FAR, header);
    talk_asked_first(s, &ann, AGENT, "INVITE");
    talk_accept(&bob, &ann);
    talk_bye(&bob, &ann);
    stage_run(s, 100000);
    s->now.wall.ms += KEYRING_GRACE_MS_DEFAULT + 1;
    expect_refusal(s, FAR, header, "403", 147, &stage_counters(s)->ticket_epoch, "edge.ticket.invalid");
}

/* Without a good ticket the answer to a message is the same wherever it points: else a stranger could ask which addresses and names are of the inside. */
static void nobody_learns_where_the_inside_is(void **state)
{
    struct stage *s = *state;
    struct talk t;
    char bad[1200], reason[1200] = "";
    static const char *const contacts[] = {"sip:x@203.0.113.9;transport=tls", "sip:x@10.1.0.5;transport=tls",
                                           "sip:x@127.0.0.1;transport=tls", "sip:x@pbx.internal;transport=tls"};
    snprintf(bad, sizeof bad, "%s", stage_ticket(s, "+49301001235", "b.example", -1000, 1000));
    for (size_t i = 0; i < 2 * sizeof contacts / sizeof contacts[0]; i++) {
        const bool is_good = i >= sizeof contacts / sizeof contacts[0];
        if (is_good && i % 4 == 0)
            continue;
        talk_ask(s, &t, FAR, "OPTIONS", NULL, NULL);
        talk_heard(&t, "403");
        t.contact = contacts[i % 4];
        snprintf(t.remote, sizeof t.remote, "<sip:" OURS "@a.example>");
        talk_request(&t, "INVITE", is_good ? stage_good_ticket(s) : bad, stage_secure_sdp);
        talk_heard(&t, "403");
        if (!i)
            snprintf(reason, sizeof reason, "%s", stage_field(s, SIP_REASON));
        assert_int_equal(!strcmp(stage_field(s, SIP_REASON), reason), !is_good);
        talk_ack(&t);
        stage_quiet(s);
    }
    assert_non_null(strstr(reason, "cause=147"));
    assert_int_equal(stage_counters(s)->ticket_number, 4);
    assert_int_equal(stage_counters(s)->refused_address, 3);
}

static void no_keys(void **state)
{
    struct stage *s = *state;
    struct talk t;
    talk_ask(s, &t, FAR, "OPTIONS", NULL, NULL);
    talk_heard(&t, "403");
    snprintf(t.remote, sizeof t.remote, "<sip:x@second.example>");
    snprintf(t.target, sizeof t.target, "sip:" OURS "@second.example;user=phone");
    talk_request(&t, "MESSAGE", stage_good_ticket(s), NULL);
    talk_heard(&t, "403");
    assert_int_equal(stage_counters(s)->ticket_no_keys, 1);
    stage_quiet(s);
}

static void target_is_not_ours(void **state)
{
    struct stage *s = *state;
    struct talk t;
    talk_ask(s, &t, FAR, "MESSAGE", NULL, NULL);
    talk_heard(&t, "403");
    snprintf(t.remote, sizeof t.remote, "<sip:x@c.example>");
    snprintf(t.target, sizeof t.target, "sip:" OURS "@c.example;user=phone");
    talk_request(&t, "MESSAGE", stage_good_ticket(s), NULL);
    talk_heard(&t, "404");
    assert_int_equal(stage_counters(s)->refused_domain, 1);
    snprintf(t.remote, sizeof t.remote, "<sip:x@c.example>");
    snprintf(t.target, sizeof t.target, "sip:ann@a.example");
    talk_request(&t, "MESSAGE", stage_good_ticket(s), NULL);
    talk_heard(&t, "484");
    assert_int_equal(stage_counters(s)->refused_number, 1);
    stage_quiet(s);
}

static void method_not_allowed(void **state)
{
    struct stage *s = *state;
    struct talk t;
    talk_ask(s, &t, FAR, "REGISTER", stage_good_ticket(s), NULL);
    talk_heard(&t, "405");
    assert_non_null(strstr(stage_field(s, SIP_ALLOW), "INVITE"));
    assert_null(strstr(stage_field(s, SIP_ALLOW), "REGISTER"));
    talk_ask(s, &t, FAR, "FROB", stage_good_ticket(s), NULL);
    talk_heard(&t, "405");
    assert_int_equal(stage_counters(s)->refused_method, 2);
    stage_quiet(s);
}

/* Silence, and the connection ends. */
static void no_certificate(void **state)
{
    struct stage *s = *state;
    struct talk t;
    s->domains[FAR] = NULL;
    talk_call_with(s, &t, FAR, stage_good_ticket(s));
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->refused_certificate, 1);
    assert_int_equal(s->last_closed_conn, s->conns[FAR]);
}

static void stranger_inside(void **state)
{
    struct stage *s = *state;
    struct sip_flow flow = {.transport = SIP_TCP, .side = EDGE_INSIDE, .conn = 77};
    struct edge_effect e;
    assert_int_equal(addr_parse(slice_str("10.0.0.66:4000"), 0, &flow.peer), 0);
    edge_input(s->edge, s->now, &flow, slice_str("OPTIONS sip:x@y SIP/2.0\r\n\r\n"));
    assert_true(edge_next(s->edge, s->now, &e));
    assert_int_equal(e.kind, EDGE_CLOSE);
    assert_int_equal(e.conn, 77);
    assert_false(edge_next(s->edge, s->now, &e));
    assert_int_equal(stage_counters(s)->dropped_strangers, 1);
}

static void no_hops_left(void **state)
{
    struct stage *s = *state;
    stage_send(s, FAR,
               "MESSAGE sip:" OURS "@a.example SIP/2.0\r\nVia: SIP/2.0/TLS x;branch=z9hG4bKh\r\nMax-Forwards: 0\r\n"
               "From: <sip:x@b.example>;tag=1\r\nTo: <sip:" OURS "@a.example>\r\nCall-ID: h\r\nCSeq: 1 MESSAGE\r\n"
               "Content-Length: 0\r\n\r\n");
    stage_take(s, FAR, "483");
    stage_quiet(s);
}

/* ---- limits ---- */

static void too_many(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    s->options.calls_max = 1;
    talk_connect(s, &bob, FAR, &ann, AGENT);
    expect_refusal(s, FAR, stage_good_ticket(s), "503", 143, &stage_counters(s)->refused_calls, "edge.limit");
    s->options.calls_max = 10;
    s->options.calls_per_domain_max = 1;
    expect_refusal(s, FAR, stage_good_ticket(s), "503", 143, &stage_counters(s)->refused_domain_calls, "edge.limit");
    s->options.calls_per_domain_max = 10;
    s->options.requests_per_domain_max = 0;
    expect_refusal(s, FAR, stage_good_ticket(s), "503", 143, &stage_counters(s)->refused_rate, "edge.limit");
    s->options.requests_per_domain_max = 10;
    talk_bye(&ann, &bob); /* calls in progress are not touched */
}

/* The machine stands still for so long, and tells what is due then. */
static void stand_still(struct stage *s, int64_t ms)
{
    s->now.mono = mono_after_ms(s->now.mono, ms);
    stage_run(s, 0);
}

/* A pause of the machine turns nobody away. If it comes late to its timers again, new calls from outside wait for better times; those from inside are served. */
static void too_busy(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann, bob2, ann2;
    talk_begin(s, &bob, FAR, &ann, AGENT); /* 100 is due in 200 ms */
    stand_still(s, 5000);
    talk_heard(&bob, "100");
    talk_begin(s, &bob2, FAR, &ann2, AGENT);
    stand_still(s, 5000);
    talk_heard(&bob2, "100");
    talk_accept(&bob2, &ann2);
    talk_bye(&bob2, &ann2);
    expect_refusal(s, FAR, stage_good_ticket(s), "503", 143, &stage_counters(s)->refused_busy, "edge.limit");
    talk_begin(s, &ann2, AGENT, &bob2, FAR);
    talk_accept(&ann2, &bob2);
    talk_bye(&ann2, &bob2);
    talk_accept(&bob, &ann);
    talk_bye(&bob, &ann);
}

static void stopping(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_connect(s, &bob, FAR, &ann, AGENT);
    edge_stop(s->edge, s->now);
    stage_run(s, 0);
    talk_asked(&bob, "BYE");
    talk_asked(&ann, "BYE");
    talk_answer(&bob, 200, NULL);
    assert_false(s->stopped);
    talk_answer(&ann, 200, NULL);
    assert_true(s->stopped);
    expect_refusal(s, FAR, stage_good_ticket(s), "503", 143, &stage_counters(s)->refused_busy, "edge.limit");
}

/* The log has a line for each, up to so many a second, and then how many were left out. */
static void log_is_bounded(void **state)
{
    struct stage *s = *state;
    struct talk t;
    const unsigned before = s->notices;
    for (unsigned i = 0; i < 50; i++) {
        talk_call_with(s, &t, FAR, "");
        talk_heard(&t, "403");
        talk_ack(&t);
    }
    assert_int_equal(s->notices - before, 20);
    stage_run(s, 1500);
    talk_call_with(s, &t, FAR, "");
    talk_heard(&t, "403");
    talk_ack(&t);
    assert_non_null(strstr(s->last_line, "left_out=30"));
    assert_int_equal(stage_counters(s)->ticket_missing, 51);
}

/* ---- from inside ---- */

static void expect_route_refused(struct stage *s, const char *more)
{
    expect_refusal(s, AGENT, more, "403", 144, &stage_counters(s)->refused_route, "edge.route.refused");
}

static void route_is_checked(void **state)
{
    struct stage *s = *state;
    static const char *const bad[] = {
        "",
        "Route: <sip:b.example:5061;maddr=127.0.0.1;transport=tls;lr>\r\n",
        "Route: <sip:b.example:5061;maddr=10.0.0.1;transport=tls;lr>\r\n",
        "Route: <sip:b.example:5061;maddr=192.168.1.1;transport=tls;lr>\r\n",
        "Route: <sip:b.example:5061;maddr=224.0.0.1;transport=tls;lr>\r\n",
        "Route: <sip:b.example:5061;maddr=[::1];transport=tls;lr>\r\n",
        "Route: <sip:b.example:5061;maddr=[::ffff:10.0.0.1];transport=tls;lr>\r\n",
        "Route: <sip:b.example:5061;maddr=203.0.113.1;transport=tls;lr>\r\n", /* ourselves */
        "Route: <sip:b.example:5061;maddr=203.0.113.9;transport=tls>\r\n",
        "Route: <sip:b.example:5061;maddr=203.0.113.9;lr>\r\n",
        "Route: <sip:b.example:5061;maddr=203.0.113.9;transport=udp;lr>\r\n",
        "Route: <sip:c.example:5061;maddr=203.0.113.9;transport=tls;lr>\r\n",
        "Route: <sip:b.example:5061;transport=tls;lr>\r\n",
        "Route: <sip:b.example:5061;maddr=b.example;transport=tls;lr>\r\n",
        "Route: <sip:x@b.example:5061;maddr=203.0.113.9;transport=tls;lr>\r\n",
        WAY "Route: <sip:c.example;lr>\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_route_refused(s, bad[i]);
}

static void way_of_our_own_is_skipped(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_call_with(s, &ann, AGENT, "Route: <sip:10.0.0.9:5060;lr>\r\n" WAY);
    talk_asked_first(s, &bob, FAR, "INVITE");
    assert_string_equal(stage_field(s, SIP_ROUTE), "");
    talk_accept(&ann, &bob);
    talk_bye(&ann, &bob);
}

/* Whoever calls from none of our domains gets no certificate of ours; who is anonymous calls by the ticket. */
static void calling_domain(void **state)
{
    struct stage *s = *state;
    struct talk t, bob;
    talk_ask(s, &t, AGENT, "OPTIONS", NULL, NULL);
    talk_heard(&t, "200"); /* for ourselves */
    snprintf(t.local, sizeof t.local, "<sip:anonymous@anonymous.invalid>;tag=x");
    snprintf(t.remote, sizeof t.remote, "<sip:" THEIRS "@b.example>");
    snprintf(t.target, sizeof t.target, "sip:" THEIRS "@b.example;user=phone");
    talk_request(&t, "MESSAGE", WAY, NULL);
    talk_heard(&t, "403");
    assert_int_equal(stage_counters(s)->refused_calling_domain, 1);
    char more[2048];
    snprintf(more, sizeof more, WAY "%s", stage_ticket(s, THEIRS, "second.example", -1000, 1000));
    snprintf(t.remote, sizeof t.remote, "<sip:" THEIRS "@b.example>");
    talk_request(&t, "MESSAGE", more, NULL);
    talk_asked_first(s, &bob, FAR, "MESSAGE");
    assert_int_equal(s->taken->hop.side, EDGE_FIRST_DOMAIN + 1);
    talk_answer(&bob, 200, NULL);
    talk_heard(&t, "200");
}

static bool map(void *ctx, struct now now, const struct addr *local, struct addr *ret_far)
{
    struct stage *s = ctx;
    (void)now;
    (void)local;
    return s->media_full ? false : addr_parse(slice_str("203.0.113.9:5061"), 0, ret_far) == 0;
}

static int setup_mapping(void **state)
{
    struct stage *s = edge_stage_new();
    s->ports.mapping = map;
    s->ports.mapping_ctx = s;
    edge_stage_start(s);
    *state = s;
    return 0;
}

/* Off-path: the address that the agent has connected to says where. */
static void mapping(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_call_with(s, &ann, AGENT, "");
    talk_asked_first(s, &bob, FAR, "INVITE");
    assert_string_equal(s->taken->hop.host, "b.example");
    talk_accept(&ann, &bob);
    talk_bye(&ann, &bob);
    s->media_full = true; /* no mapping, too */
    expect_refusal(s, AGENT, "", "403", 144, &stage_counters(s)->refused_mapping, "edge.mapping.failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(ticket_missing),
        CASE(ticket_altered),
        CASE(ticket_expired),
        CASE(ticket_of_another_number),
        CASE(ticket_of_another_domain),
        CASE(ticket_of_a_second_name),
        CASE(ticket_revoked),
        CASE(ticket_of_an_old_epoch),
        CASE(nobody_learns_where_the_inside_is),
        CASE(no_keys),
        CASE(target_is_not_ours),
        CASE(method_not_allowed),
        CASE(no_certificate),
        CASE(stranger_inside),
        CASE(no_hops_left),
        CASE(too_many),
        CASE(too_busy),
        CASE(stopping),
        CASE(log_is_bounded),
        CASE(route_is_checked),
        CASE(way_of_our_own_is_skipped),
        CASE(calling_domain),
        cmocka_unit_test_setup_teardown(mapping, setup_mapping, edge_stage_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
