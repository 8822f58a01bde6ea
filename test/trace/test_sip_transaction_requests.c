/* Requests as they come in: which are the same (RFC 3261 17.2.3, 8.2.2.2), where their answers go (18.2, RFC 3581), and what is refused without
 * state. */
#include "sip_stage.h"

#include <stdio.h>

static const char *response_to(struct sip_stage *s)
{
    static char text[ADDR_TEXT_OCTETS];
    return addr_format(&s->answer.addr, text);
}

/* ---- the same request ---- */

/* By branch, sent-by and method. */
static void test_match_by_branch(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive_as(s, &(struct arrival){.method = "OPTIONS", .via = "SIP/2.0/UDP a.example.com;branch=z9hG4bKx"});
    static const struct arrival same[] = {
        {.method = "OPTIONS", .via = "SIP/2.0/UDP a.example.com;branch=z9hG4bKx"},
        {.method = "OPTIONS", .via = "SIP/2.0/UDP A.Example.COM:5060 ; branch=z9hG4bKx", .call_id = "other", .cseq = 9},
    };
    static const struct arrival other[] = {
        {.method = "OPTIONS", .via = "SIP/2.0/UDP a.example.com;branch=z9hG4bKy", .cseq = 2},
        {.method = "OPTIONS", .via = "SIP/2.0/UDP b.example.com;branch=z9hG4bKx", .cseq = 3},
        {.method = "OPTIONS", .via = "SIP/2.0/UDP a.example.com:5070;branch=z9hG4bKx", .cseq = 4},
        {.method = "MESSAGE", .via = "SIP/2.0/UDP a.example.com;branch=z9hG4bKx", .cseq = 5},
        {.method = "PING", .via = "SIP/2.0/UDP a.example.com;branch=z9hG4bKx", .cseq = 6},
        {.method = "PONG", .via = "SIP/2.0/UDP a.example.com;branch=z9hG4bKx", .cseq = 7},
    };
    stage_trace(s);
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        stage_arrive_as(s, &same[i]);
        stage_expect(s, "");
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        char text[64];
        stage_arrive_as(s, &other[i]);
        snprintf(text, sizeof text, "     0 ! %s\n", other[i].method);
        stage_expect(s, text);
    }
    assert_int_equal(sip_layer_servers(s->layer), 7);
}

/* A peer of RFC 2543: no cookie; its retransmissions are what is the same in URI, tags, Call-ID, CSeq and topmost Via. */
static void test_match_without_a_cookie(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    static const struct arrival first = {.method = "INVITE", .via = "SIP/2.0/UDP old.example.com;branch=1"};
    stage_arrive_as(s, &first);
    stage_arrive_as(s, &first);
    stage_arrive_as(s, &(struct arrival){.method = "INVITE", .via = first.via, .cseq = 2});
    stage_expect(s, "     0 ! INVITE\n"
                    "     0 ! INVITE\n");
    stage_arrive_as(s, &(struct arrival){.method = "CANCEL", .via = first.via, .cseq = 2});
    stage_respond(s, 487);
    stage_arrive_as(s, &(struct arrival){
                           .method = "ACK", .via = first.via, .cseq = 2, .to = "<sip:+4930123456@example.org>;tag=z"});
    stage_expect(s, "     0 > 200\n"
                    "     0 ! CANCEL\n"
                    "     0 > 487\n");
    stage_run(s, 4000);
    stage_expect(s, "   200 > 100\n"); /* the first one still waits; the second is acknowledged */
}

static void test_the_same_by_another_way(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "INVITE");
    stage_arrive_as(s, &(struct arrival){.method = "INVITE", .via = "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-merged"});
    stage_run(s, 100);
    stage_arrive_as(s, &(struct arrival){.method = "ACK", .via = "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-merged"});
    stage_respond(s, 180);
    stage_run(s, 60000);
    stage_expect(s, "     0 ! INVITE\n"
                    "     0 > 482\n"
                    "   100 > 180\n");
    assert_int_equal(sip_layer_counters(s->layer)->merged, 1);
    assert_int_equal(sip_layer_servers(s->layer), 1);

    /* Inside of a dialog it is no copy; and a proxy passes both on. */
    stage_arrive_as(s, &(struct arrival){.method = "INVITE",
                                         .via = "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-re",
                                         .to = "<sip:+4930123456@example.org>;tag=x"});
    stage_expect(s, " 60100 ! INVITE\n");
    s->config.refuse_merged = false;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "OPTIONS");
    stage_arrive_as(s, &(struct arrival){.method = "OPTIONS", .via = "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-2"});
    stage_expect(s, "     0 ! OPTIONS\n"
                    "     0 ! OPTIONS\n");
}

/* The copy's 482 is repeated like any other failure, and the user hears nothing of its end. */
static void test_copies_that_nobody_acknowledges(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "INVITE");
    stage_respond(s, 200);
    stage_arrive_as(s, &(struct arrival){.method = "INVITE", .via = "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-merged"});
    stage_run(s, 2000);
    stage_expect(s, "     0 ! INVITE\n"
                    "     0 > 200\n"
                    "     0 > 482\n"
                    "   500 > 482\n"
                    "  1500 > 482\n");
    stage_run(s, 60000);
    assert_null(strstr(stage_trace(s), "ACK_MISSING"));
    assert_int_equal(sip_layer_servers(s->layer), 0);
}

/* ---- where answers go ---- */

struct way {
    const char *via;
    const char *stamped;
    const char *to;
    bool on_stream;
};

static void test_answers_go_where_the_via_says(void **state)
{
    struct sip_stage *s = *state;
    static const struct way ways[] = {
        {"SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1", "192.0.2.9:5070",
         false},
        {"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1", "192.0.2.9:5060", false},
        {"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=192.0.2.9",
         "192.0.2.9:5060", false},
        {"SIP/2.0/UDP pbx.example.com:5070 ;branch=z9hG4bK1 , SIP/2.0/TCP far.example.com",
         "SIP/2.0/UDP pbx.example.com:5070 ;branch=z9hG4bK1;received=192.0.2.9 , SIP/2.0/TCP far.example.com",
         "192.0.2.9:5070", false},
        {"SIP/2.0/UDP 10.0.0.1:5070;rport;branch=z9hG4bK1",
         "SIP/2.0/UDP 10.0.0.1:5070;rport=49152;received=192.0.2.9;branch=z9hG4bK1", "192.0.2.9:49152", false},
        {"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1;RPORT",
         "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1;RPORT=49152;received=192.0.2.9", "192.0.2.9:49152", false},
        {"SIP/2.0/UDP 10.0.0.1;maddr=224.0.1.75;branch=z9hG4bK1",
         "SIP/2.0/UDP 10.0.0.1;maddr=224.0.1.75;branch=z9hG4bK1;received=192.0.2.9", "224.0.1.75:5060", false},
        {"SIP/2.0/UDP 10.0.0.1;maddr=10.9.9.9;branch=z9hG4bK1",
         "SIP/2.0/UDP 10.0.0.1;maddr=10.9.9.9;branch=z9hG4bK1;received=192.0.2.9", "192.0.2.9:5060", false},
        {"SIP/2.0/TLS 10.0.0.1;branch=z9hG4bK1", "SIP/2.0/TLS 10.0.0.1;branch=z9hG4bK1;received=192.0.2.9",
         "192.0.2.9:5061", true},
        {"SIP/2.0/TLS edge.example.com:5099;branch=z9hG4bK1;rport",
         "SIP/2.0/TLS edge.example.com:5099;branch=z9hG4bK1;rport=49152;received=192.0.2.9", "192.0.2.9:5099", true},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        stage_start(s, ways[i].on_stream ? SIP_TLS : SIP_UDP);
        s->flow.peer.port = 49152;
        stage_arrive_as(s, &(struct arrival){.method = "OPTIONS", .via = ways[i].via});
        stage_respond(s, 200);
        assert_string_equal(response_to(s), ways[i].to);
        assert_string_equal(stage_field(buf_slice(&s->response), SIP_VIA), ways[i].stamped);
        assert_int_equal(s->answer.conn, ways[i].on_stream ? 7 : 0);
        assert_string_equal(s->answer.host, i == 9 ? "edge.example.com" : "");
    }
}

static void test_ipv6(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    assert_int_equal(addr_parse(slice_str("[2001:db8::9]:5080"), 0, &s->flow.peer), 0);
    stage_arrive_as(s, &(struct arrival){.method = "OPTIONS", .via = "SIP/2.0/UDP [2001:db8::1]:5090;branch=z9hG4bK1"});
    stage_respond(s, 200);
    assert_string_equal(response_to(s), "[2001:db8::9]:5090");
    assert_string_equal(stage_field(buf_slice(&s->response), SIP_VIA),
                        "SIP/2.0/UDP [2001:db8::1]:5090;branch=z9hG4bK1;received=2001:db8::9");
}

/* ---- refused without state ---- */

#define TOP "OPTIONS sip:a@example.org SIP/2.0\r\n"
#define VIA "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n"
#define FROM "From: <sip:b@example.com>;tag=1\r\n"
#define TO "To: <sip:a@example.org>\r\n"
#define REST "Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"

static void test_malformed_requests(void **state)
{
    struct sip_stage *s = *state;
    static const struct {
        const char *text;
        const char *answer;
    } cases[] = {
        {TOP VIA FROM TO "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", "     0 > 400\n"}, /* no Call-ID */
        {TOP VIA FROM TO "Call-ID: 1\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
         "     0 > 400\n"},                                                           /* another method */
        {TOP VIA TO REST, "     0 > 400\n"},                                          /* no From */
        {"OPTIONS sip:a@example.org SIP/7.0\r\n" VIA FROM TO REST, "     0 > 505\n"}, /* version */
        {TOP FROM TO REST, ""},                                                       /* nowhere to send it */
        {"ACK sip:a@example.org SIP/2.0\r\n" VIA TO REST, ""},                        /* ACK has no answer */
        {"SIP/2.0 200 OK\r\n" VIA TO REST, ""},                                       /* a response neither */
        {"\r\n\r\n", ""},
        {"", ""},
        {"nonsense", ""},
    };
    stage_start(s, SIP_UDP);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stage_arrive_text(s, cases[i].text);
        stage_expect(s, cases[i].answer);
    }
    assert_int_equal(sip_layer_servers(s->layer), 0);
    assert_int_equal(sip_layer_counters(s->layer)->refused_syntax, 7);
    assert_int_equal(sip_layer_counters(s->layer)->refused_version, 1);
}

/* 8.2.7: the same To tag whenever it comes. */
static void test_answers_without_state_are_the_same(void **state)
{
    struct sip_stage *s = *state;
    char first[2048];
    s->config.servers_max = 0;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "INVITE");
    snprintf(first, sizeof first, "%s", buf_text(&s->response));
    stage_arrive(s, "INVITE");
    assert_string_equal(buf_text(&s->response), first);
    assert_string_equal(stage_field(buf_slice(&s->response), SIP_RETRY_AFTER), "5");
    assert_non_null(strstr(first, ">;tag="));
    stage_arrive(s, "CANCEL");
    stage_expect(s, "     0 > 503\n"
                    "     0 > 503\n"
                    "     0 > 481\n");
    assert_int_equal(sip_layer_counters(s->layer)->refused_limit, 2);
}

static void arrive_many(struct sip_stage *s, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        char via[128];
        snprintf(via, sizeof via, "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-%u", i);
        stage_arrive_as(s, &(struct arrival){.method = "INVITE", .via = via, .cseq = i});
    }
}

/* What is in progress is not touched, and a CANCEL is always taken; calls in progress may go on: an eighth is for requests inside of dialogs. */
static void test_limits(void **state)
{
    struct sip_stage *s = *state;
    s->config.servers_max = 11;
    s->config.trying_ms = 1000;
    stage_start(s, SIP_UDP);
    arrive_many(s, 1, 15);
    assert_int_equal(sip_layer_servers(s->layer), 10);
    assert_int_equal(sip_layer_counters(s->layer)->refused_limit, 5);
    stage_trace(s);
    stage_arrive_as(
        s, &(struct arrival){.method = "CANCEL", .via = "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-10", .cseq = 10});
    stage_respond(s, 487);
    stage_expect(s, "     0 > 200\n"
                    "     0 ! CANCEL\n"
                    "     0 > 487\n");
    arrive_many(s, 20, 2); /* one place is free again */
    stage_expect(s, "     0 ! INVITE\n"
                    "     0 > 503\n");
    for (unsigned i = 30; i < 32; i++) {
        char via[64];
        snprintf(via, sizeof via, "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-%u", i);
        stage_arrive_as(
            s, &(struct arrival){.method = "UPDATE", .via = via, .to = "<sip:b@example.com>;tag=inside", .cseq = i});
    }
    stage_expect(s, "     0 ! UPDATE\n"
                    "     0 > 503\n");
}

static void test_limit_of_a_source(void **state)
{
    struct sip_stage *s = *state;
    s->config.servers_per_source_max = 3;
    s->config.trying_ms = 1000;
    stage_start(s, SIP_UDP);
    arrive_many(s, 1, 5);
    assert_int_equal(sip_layer_servers(s->layer), 3);
    s->flow.peer.port++; /* the same source */
    arrive_many(s, 6, 1);
    assert_int_equal(sip_layer_servers(s->layer), 3);
    s->flow.peer.ip[3]++;
    arrive_many(s, 7, 5);
    assert_int_equal(sip_layer_servers(s->layer), 6);
    s->flow.is_configured = true;
    arrive_many(s, 20, 5);
    assert_int_equal(sip_layer_servers(s->layer), 11);
    s->flow.is_configured = false;
    assert_int_equal(addr_parse(slice_str("[2001:db8::1]:5060"), 0, &s->flow.peer), 0);
    arrive_many(s, 30, 2);
    s->flow.peer.ip[15]++; /* the same /64 */
    arrive_many(s, 32, 2);
    assert_int_equal(sip_layer_servers(s->layer), 14);
    s->flow.peer.ip[7]++;
    arrive_many(s, 34, 1);
    assert_int_equal(sip_layer_servers(s->layer), 15);
}

static void test_limit_of_memory(void **state)
{
    struct sip_stage *s = *state;
    s->config.octets_max = 20000;
    stage_start(s, SIP_UDP);
    arrive_many(s, 1, 20);
    assert_true(sip_layer_servers(s->layer) > 2 && sip_layer_servers(s->layer) < 10);
    assert_int_equal(sip_layer_counters(s->layer)->refused_limit, 20 - sip_layer_servers(s->layer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_match_by_branch, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_match_without_a_cookie, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_the_same_by_another_way, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_copies_that_nobody_acknowledges, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_answers_go_where_the_via_says, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_ipv6, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_malformed_requests, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_answers_without_state_are_the_same, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_limits, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_limit_of_a_source, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_limit_of_memory, stage_setup, stage_teardown),
    };
    return cmocka_run_group_tests_name("sip requests", tests, NULL, NULL);
}
