/* The call agent behind an edge: where the edge is told to go, whom it says that calls are from, what it tells of a call's quality, and that none of
 * it reaches a phone. */
#include "agent_stage.h"

#include <stdio.h>
#include <string.h>

#define NUMBER "+49302000001"
#define EDGE "203.0.113.9:5061"

static int setup(void **state)
{
    struct stage *s = agent_stage_new();
    assert_int_equal(addr_parse(slice_str(EDGE), 0, &s->options.edge), 0);
    s->far_domain = NULL; /* the edge's connection: nobody else's certificate is seen */
    s->ports.ticket = NULL;
    s->unchecked = true;
    agent_stage_start(s);
    stage_learn(s, NUMBER, "b.example");
    *state = s;
    return 0;
}

static void edge_is_told_the_way(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, FAR);
    assert_slice_text(s->message.uri, "sip:" NUMBER "@b.example;user=phone");
    assert_string_equal(stage_field(s, SIP_ROUTE), "<sip:b.example:5061;maddr=203.0.113.9;transport=tls;lr>");
    assert_string_equal(stage_hop(s)->host, "");
    talk_accept(&ann, &bob);
    talk_request(&ann, "BYE", NULL, NULL);
    talk_heard(&ann, "200");
    talk_asked(&bob, "BYE");
    assert_string_equal(stage_field(s, SIP_ROUTE), "");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
}

/* The edge could not connect: the call is at the carrier at once, and another route to the same place is not tried. */
static void edge_cannot_connect(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, carrier;
    stage_learn_from(s, NUMBER, "b.example", 2);
    talk_begin(s, &ann, PBX, "0302000001", &bob, FAR);
    talk_answer(&bob, 100, NULL);
    talk_answer(&bob, 503, "Reason: X-IME ;cause=137 ;text=\"no connection\"\r\n");
    talk_asked(&bob, "ACK");
    talk_called(s, &carrier, CARRIER_1);
    assert_string_equal(stage_field(s, SIP_ROUTE), "");
    talk_accept(&ann, &carrier);
    stage_quiet(s);
    assert_int_equal(stage_record(s).steps[0].cause, AGENT_CAUSE_SOCKET_ERROR);
    assert_string_equal(stage_record(s).steps[1].text, "b.example: another route, to the same place: not tried");
}

static void receive(struct stage *s, struct talk *bob, const char *more)
{
    talk_call_with(s, bob, FAR, "+49301001234", more);
    talk_heard(bob, "100");
}

static void edge_says_who_calls(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    receive(s, &bob, "X-IME-Domain: b.example\r\n");
    talk_called(s, &ann, PBX);
    assert_null(strstr(stage_text(s), "X-IME"));
    talk_refuse(&bob, &ann, 486);
    receive(s, &bob, "X-IME-Domain: evil.example\r\n");
    stage_take(s, FAR, "403");
    assert_non_null(strstr(stage_field(s, SIP_REASON), "X-IME ;cause=138"));
    talk_ack(&bob);
    stage_quiet(s);
}

/* What a phone says in the edge's words is not passed on. */
static void phone_speaks_for_the_edge(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_call_with(s, &ann, PBX, "0302000001", "x-ime-domain: c.example\r\nX-IME-Quality: bad\r\nX-Imetoo: 1\r\n");
    talk_heard(&ann, "100");
    talk_called(s, &bob, FAR);
    assert_null(strstr(stage_text(s), "c.example"));
    assert_null(strstr(stage_text(s), "X-IME-Quality"));
    assert_non_null(strstr(stage_text(s), "X-Imetoo: 1\r\n"));
    talk_accept(&ann, &bob);
    talk_request(&ann, "REFER", "Refer-To: <sip:x@10.0.0.1>\r\nX-IME-Quality: bad\r\n", NULL);
    talk_asked(&bob, "REFER"); /* as any other */
    assert_null(strstr(stage_text(s), "X-IME"));
    talk_answer(&bob, 603, NULL);
    talk_heard(&ann, "603");
    stage_quiet(s);
    assert_int_equal(agent_counters(s->agent)->quality_bad, 0);
}

static void quality(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, FAR);
    talk_request(&bob, "REFER",
                 "Refer-To: <sip:quality@edge.a.example;ime-quality=bad>\r\nRefer-Sub: false\r\n"
                 "X-IME-Quality: bad;loss=0.08;mos=1.9\r\n",
                 NULL);
    talk_heard(&bob, "202");
    stage_quiet(s); /* the phone hears nothing */
    talk_request(&bob, "REFER", "Refer-To: <sip:x@y>\r\nX-IME-Quality: odd\r\n", NULL);
    talk_heard(&bob, "400");
    talk_request(&bob, "REFER", "Refer-To: <sip:x@y>\r\nX-IME-Quality: good\r\n", NULL);
    talk_heard(&bob, "202");
    struct call_record r = stage_record(s);
    assert_int_equal(r.step_count, 3);
    assert_string_equal(r.steps[1].text, "the edge: the quality of the call is bad;loss=0.08;mos=1.9");
    assert_string_equal(r.steps[2].text, "the edge: the quality of the call is good");
    assert_int_equal(agent_counters(s->agent)->quality_bad, 1);
    assert_int_equal(agent_counters(s->agent)->quality_good, 1);
    talk_request(&ann, "INFO", NULL, NULL); /* the call goes on */
    talk_asked(&bob, "INFO");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    stage_quiet(s);
}

/* ---- off-path ---- */

/* Whom the mapping service was asked for, as the last; and what it does. */
static struct {
    enum { ANSWERS, REFUSES, IS_SILENT, IS_AWAY } does;
    unsigned asked, connects;
    struct addr far;
} service;

static void map(struct stage *s, const struct mapping_client_effect *e)
{
    struct mapping_message m;
    struct buf out;
    if (e->kind == MAPPING_CLIENT_CONNECT) {
        service.connects++;
        if (service.does == IS_AWAY)
            agent_mapping_closed(s->agent, s->now);
        else
            agent_mapping_connected(s->agent, s->now);
    }
    if (e->kind != MAPPING_CLIENT_SEND)
        return;
    service.asked++;
    assert_int_equal(mapping_decode(e->octets, &m, NULL), 0);
    service.far = m.far;
    m.kind = service.does == REFUSES ? MAPPING_ERROR : MAPPING_SUCCESS;
    m.code = MAPPING_OVERLOADED;
    m.lifetime_s = 600;
    assert_int_equal(addr_parse(slice_str("203.0.113.9:5061"), 0, &m.inside), 0);
    buf_init(&out, MAPPING_MESSAGE_OCTETS_MAX);
    mapping_encode(&m, &out);
    if (service.does != IS_SILENT)
        agent_mapping_input(s->agent, s->now, buf_slice(&out));
    buf_fini(&out);
}

static int setup_off_path(void **state)
{
    struct stage *s;
    memset(&service, 0, sizeof service);
    setup(state);
    s = *state;
    assert_int_equal(addr_parse(slice_str("203.0.113.9:8060"), 0, &s->options.mapping_service), 0);
    s->mapping = map;
    agent_stage_restart(s, false);
    return 0;
}

/* The call goes to the address that stands for the far company, and inside of the call to the edge, where that has ended. */
static void mapped(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    for (unsigned i = 0; i < 2; i++) {
        talk_begin(s, &ann, PBX, "0302000001", &bob, FAR);
        assert_string_equal(stage_field(s, SIP_ROUTE), "");
        assert_int_equal(stage_hop(s)->addr.port, 5061);
        assert_int_equal(service.far.port, 5061);
        talk_accept(&ann, &bob);
        talk_request(&bob, "BYE", NULL, NULL);
        talk_heard(&bob, "200");
        talk_asked(&ann, "BYE");
        talk_answer(&ann, 200, NULL);
        stage_quiet(s);
    }
    assert_int_equal(service.asked, 1); /* the answer is remembered */
    talk_connect(s, &ann, PBX, "0302000001", &bob, FAR);
    s->options.edge.port = 5070;
    talk_request(&ann, "INFO", NULL, NULL);
    assert_int_equal(s->stranger.addr.port, 5070);
    assert_non_null(strstr(s->to_strangers, "INFO "));
}

static void expect_carrier(struct stage *s, struct talk *ann)
{
    struct talk carrier;
    talk_called(s, &carrier, CARRIER_1);
    talk_accept(ann, &carrier);
    assert_int_equal(stage_record(s).steps[0].cause, AGENT_CAUSE_SOCKET_ERROR);
    assert_int_equal(s->alarms.counts[AGENT_ALARM_MAPPING_FAILED], 1);
    stage_quiet(s);
}

static void dial(struct stage *s, struct talk *ann)
{
    talk_call(s, ann, PBX, "0302000001");
    talk_heard(ann, "100");
}

static void mapping_refused(void **state)
{
    struct talk ann;
    service.does = REFUSES;
    dial(*state, &ann);
    expect_carrier(*state, &ann);
}

static void mapping_service_away(void **state)
{
    struct talk ann;
    service.does = IS_AWAY;
    dial(*state, &ann);
    expect_carrier(*state, &ann);
    dial(*state, &ann); /* at once, without another connection */
    struct talk carrier;
    talk_called(*state, &carrier, CARRIER_1);
    talk_accept(&ann, &carrier);
    assert_int_equal(service.connects, 1);
}

static void mapping_service_hangs(void **state)
{
    struct stage *s = *state;
    struct talk ann, carrier;
    service.does = IS_SILENT;
    dial(s, &ann);
    stage_run(s, s->options.connect_ms - 1);
    stage_quiet(s);
    stage_run(s, 1);
    talk_called(s, &carrier, CARRIER_1);
    talk_accept(&ann, &carrier);
}

/* Who gives up while the service is asked is not called later. */
static void cancelled_while_asked(void **state)
{
    struct stage *s = *state;
    struct talk ann;
    service.does = IS_SILENT;
    dial(s, &ann);
    talk_cancel(&ann);
    talk_heard(&ann, "200");
    talk_heard(&ann, "487");
    talk_ack(&ann);
    stage_run(s, 10000);
    stage_quiet(s);
}

static int setup_redirect(void **state)
{
    setup(state);
    ((struct stage *)*state)->options.redirect = true;
    return 0;
}

/* A proxy that follows the answer shows the edge the ticket and the way. */
static void redirect(void **state)
{
    struct stage *s = *state;
    struct talk ann;
    talk_call(s, &ann, PBX, "0302000001");
    talk_heard(&ann, "100");
    stage_take(s, PBX, "302");
    assert_string_equal(stage_field(s, SIP_CONTACT),
                        "<sip:" NUMBER "@" EDGE ";transport=tls?X-Cisco-ViPR-Ticket=dGlja2V0"
                        "&Route=%3Csip:b.example:5061%3Bmaddr%3D203.0.113.9%3Btransport%3Dtls%3Blr%3E>");
    talk_ack(&ann);
    stage_quiet(s);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, agent_stage_teardown)
#define OFF_PATH(name) cmocka_unit_test_setup_teardown(name, setup_off_path, agent_stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(edge_is_told_the_way),
        CASE(edge_cannot_connect),
        CASE(edge_says_who_calls),
        CASE(phone_speaks_for_the_edge),
        CASE(quality),
        OFF_PATH(mapped),
        OFF_PATH(mapping_refused),
        OFF_PATH(mapping_service_away),
        OFF_PATH(mapping_service_hangs),
        OFF_PATH(cancelled_while_asked),
        cmocka_unit_test_setup_teardown(redirect, setup_redirect, agent_stage_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
