/* Calls over learned routes, and how they fall back to the phone network: at each point of failure the caller hears one call only. */
#include "agent_stage.h"

#include <stdio.h>
#include <string.h>

#define NUMBER "+49302000001"

static int setup(void **state)
{
    agent_stage_setup(state);
    stage_learn(*state, NUMBER, "b.example");
    return 0;
}

/* The PBX calls; the attempt at the far side becomes `bob`. */
static void begin(struct stage *s, struct talk *ann, struct talk *bob)
{
    talk_begin(s, ann, PBX, "0302000001", bob, FAR);
}

/* The call is now at the carrier, is answered there, and the record says why. */
static void expect_fallback(struct stage *s, struct talk *ann, enum agent_cause cause)
{
    struct talk bob;
    talk_called(s, &bob, CARRIER_1);
    assert_string_equal(stage_field(s, SIP_X_CISCO_VIPR_TICKET), "");
    talk_accept(ann, &bob);
    stage_quiet(s);
    struct call_record r = stage_record(s);
    assert_int_equal(r.to, AGENT_PSTN);
    assert_int_equal(r.steps[0].side, AGENT_IME);
    assert_int_equal(r.steps[0].cause, cause);
    assert_int_equal(r.status, 200);
    assert_int_equal(agent_counters(s->agent)->IMESetupsFailed, 1);
    assert_int_equal(agent_counters(s->agent)->FallbackCallsSuccessful, 1);
}

static void direct(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    begin(s, &ann, &bob);
    assert_slice_text(s->message.uri, "sip:" NUMBER "@b.example;user=phone");
    assert_string_equal(stage_field(s, SIP_X_CISCO_VIPR_TICKET), "dGlja2V0");
    assert_non_null(strstr(stage_field(s, SIP_FROM), "\"Ann\" <sip:+49301001234@a.example;user=phone>;tag="));
    assert_non_null(strstr(stage_field(s, SIP_CONTACT), "@ime.a.example:5061;transport=tls>"));
    talk_ring(&ann, &bob);
    talk_accept(&ann, &bob);
    talk_request(&bob, "BYE", NULL, NULL);
    talk_heard(&bob, "200");
    talk_asked(&ann, "BYE");
    talk_answer(&ann, 200, NULL);
    stage_quiet(s);
    struct call_record r = stage_record(s);
    struct vap_vcr vcr;
    uint64_t token;
    assert_int_equal(r.to, AGENT_IME);
    assert_false(agent_records_take(s->parts.records, s->now, 0, &vcr, &token)); /* not over the phone network */
    assert_int_equal(agent_counters(s->agent)->CallsAttempted, 1);
    assert_int_equal(agent_counters(s->agent)->CallsSetup, 1);
}

/* ---- points of failure ---- */

static void no_connection(void **state)
{
    struct stage *s = *state;
    struct talk ann;
    talk_call(s, &ann, PBX, "0302000001");
    talk_heard(&ann, "100");
    stage_unreachable(s, FAR);
    expect_fallback(s, &ann, AGENT_CAUSE_SOCKET_ERROR);
}

/* The other side had closed the connection just before: over a new one, once. Whoever did get the first takes it for a repetition. */
static void connection_closed_before_the_call(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    char via[STAGE_TEXT_OCTETS];
    begin(s, &ann, &bob);
    struct sip_hop hop = *stage_hop(s);
    snprintf(via, sizeof via, "%.500s", stage_field(s, SIP_VIA));
    agent_lost(s->agent, s->now, &hop);
    stage_run(s, 0);
    talk_called(s, &bob, FAR);
    assert_string_equal(stage_field(s, SIP_VIA), via);
    agent_lost(s->agent, s->now, &hop);
    stage_run(s, 0);
    expect_fallback(s, &ann, AGENT_CAUSE_SOCKET_ERROR);
}

static void no_connection_in_time(void **state)
{
    struct stage *s = *state;
    struct talk ann;
    s->deaf[FAR] = true;
    talk_call(s, &ann, PBX, "0302000001");
    talk_heard(&ann, "100");
    stage_run(s, 4000);
    expect_fallback(s, &ann, AGENT_CAUSE_CONNECTION_TIMEOUT);
}

/* Two IME servers of the company granted routes to its one edge: it is not tried, and waited for, twice. */
static void no_connection_to_one_place(void **state)
{
    stage_learn_from(*state, NUMBER, "b.example", 2);
    no_connection_in_time(state);
    assert_string_equal(stage_record(*state).steps[1].text, "b.example: another route, to the same place: not tried");
}

/* A ticket that is refused says nothing of the other one. */
static void one_ticket_refused(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, bob2;
    stage_learn_from(s, NUMBER, "b.example", 2);
    begin(s, &ann, &bob);
    talk_answer(&bob, 403, NULL);
    talk_asked(&bob, "ACK");
    talk_called(s, &bob2, FAR);
    talk_refuse(&ann, &bob2, 486);
    stage_quiet(s);
}

static void neither_ringing_nor_answer(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    begin(s, &ann, &bob);
    talk_answer(&bob, 100, NULL);
    stage_run(s, 7999);
    stage_quiet(s);
    stage_run(s, 1);
    stage_take(s, FAR, "CANCEL");
    talk_answer(&bob, 487, NULL);
    talk_asked(&bob, "ACK");
    expect_fallback(s, &ann, AGENT_CAUSE_CONNECTION_TIMEOUT);
}

static void refused(struct stage *s, unsigned status, const char *more, enum agent_cause cause)
{
    struct talk ann, bob;
    begin(s, &ann, &bob);
    talk_answer(&bob, status, more);
    talk_asked(&bob, "ACK");
    expect_fallback(s, &ann, cause);
}

static void ticket_refused(void **state)
{
    refused(*state, 403, NULL, AGENT_CAUSE_INVALID_TICKET);
}

static void ticket_expired(void **state)
{
    refused(*state, 403, "Reason: X-IME ;cause=140 ;text=\"the ticket has expired\"\r\n", AGENT_CAUSE_EXPIRED_TICKET);
    assert_string_equal(stage_record(*state).steps[0].text, "b.example"); /* the cause says it */
}

static void far_side_is_ill(void **state)
{
    refused(*state, 503, NULL, AGENT_CAUSE_REMOTE_DISABLED);
}

static void far_pbx_is_away(void **state)
{
    refused(*state, 504, NULL, AGENT_CAUSE_REMOTE_UNREGISTERED);
}

static void media_not_acceptable(void **state)
{
    refused(*state, 488, NULL, AGENT_CAUSE_UNKNOWN);
}

/* An edge says what it does not like. The other route leads to the same one, which would not like it again. */
static void edge_says_why(void **state)
{
    stage_learn_from(*state, NUMBER, "b.example", 2);
    refused(*state, 488, "Reason: X-IME ;cause=148 ;text=\"address where no \\\"media\\\" may go\"\r\n",
            AGENT_CAUSE_UNKNOWN);
    const struct call_record r = stage_record(*state);
    assert_string_equal(r.steps[0].text, "b.example: address where no \"media\" may go");
    assert_int_equal(r.steps[0].status, 488);
    assert_string_equal(r.steps[1].text, "b.example: another route, to the same place: not tried");
}

static void edge_says_what_cannot_be_shown(void **state)
{
    refused(*state, 488, "Reason: X-IME ;cause=148 ;text=\"a\xc3\xa4\"\r\n", AGENT_CAUSE_UNKNOWN);
    assert_string_equal(stage_record(*state).steps[0].text, "b.example");
}

static void edge_says_too_much(void **state)
{
    char more[400];
    snprintf(more, sizeof more, "Reason: X-IME ;cause=148 ;text=\"%0300d\"\r\n", 0);
    refused(*state, 488, more, AGENT_CAUSE_UNKNOWN);
    assert_int_equal(strlen(stage_record(*state).steps[0].text), CALL_STEP_TEXT_OCTETS);
}

static void nowhere_acceptable(void **state)
{
    refused(*state, 606, NULL, AGENT_CAUSE_UNKNOWN);
}

/* The number is gone there: the route is removed, the next call goes straight to the phone network. */
static void number_is_gone(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    refused(s, 404, "Reason: X-IME ;cause=136\r\n", AGENT_CAUSE_NOT_ENROLLED);
    stage_run(s, 1);
    assert_int_equal(agent_routes_count(s->parts.routes), 0);
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    assert_string_equal(stage_record(s).steps[0].text, "no route to this number has been learned");
}

/* It rang there, and then it failed: the phone network rings again, on an early dialog of its own. */
static void fails_while_ringing(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    begin(s, &ann, &bob);
    talk_ring(&ann, &bob);
    talk_answer(&bob, 500, NULL);
    talk_asked(&bob, "ACK");
    expect_fallback(s, &ann, AGENT_CAUSE_REMOTE_DISABLED);
}

static void connection_breaks_while_ringing(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    begin(s, &ann, &bob);
    struct sip_hop hop = s->taken->hop;
    talk_ring(&ann, &bob);
    agent_unreachable(s->agent, s->now, &hop);
    stage_run(s, 0);
    stage_take(s, FAR, "CANCEL"); /* over a new connection, if there is one */
    expect_fallback(s, &ann, AGENT_CAUSE_SOCKET_ERROR);
}

/* What the called person has decided holds for every way. */
static void passes(struct stage *s, unsigned status)
{
    struct talk ann, bob;
    char text[8];
    snprintf(text, sizeof text, "%u", status);
    begin(s, &ann, &bob);
    talk_ring(&ann, &bob);
    talk_answer(&bob, status, NULL);
    talk_asked(&bob, "ACK");
    talk_heard(&ann, text);
    talk_ack(&ann);
    stage_quiet(s);
    assert_int_equal(stage_record(s).status, status);
}

static void busy(void **state)
{
    passes(*state, 486);
}

static void busy_everywhere(void **state)
{
    passes(*state, 600);
}

static void declined(void **state)
{
    passes(*state, 603);
}

static void not_available(void **state)
{
    passes(*state, 480);
}

/* The caller's phone asks again, with a longer session timer. */
static void session_timer_too_short(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    begin(s, &ann, &bob);
    talk_answer(&bob, 422, "Min-SE: 600\r\n");
    talk_asked(&bob, "ACK");
    talk_heard(&ann, "422");
    assert_string_equal(stage_field(s, SIP_MIN_SE), "600");
    talk_ack(&ann);
    stage_quiet(s);
}

/* The answer comes after the call went to the phone network: it is ended, the caller hears nothing of it. */
static void late_answer(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, bob2;
    begin(s, &ann, &bob);
    stage_run(s, 4000);
    talk_called(s, &bob2, CARRIER_1);
    talk_ring(&ann, &bob2);
    while (!stage_is_quiet(s, FAR))
        stage_skip(s, FAR);
    talk_answer(&bob, 200, NULL);
    talk_asked(&bob, "ACK");
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    talk_accept(&ann, &bob2);
    stage_quiet(s);
    assert_int_equal(stage_record(s).to, AGENT_PSTN);
}

static void cancelled_on_the_direct_way(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    begin(s, &ann, &bob);
    talk_ring(&ann, &bob);
    talk_cancel(&ann);
    stage_take(s, PBX, "200");
    stage_take(s, PBX, "487");
    talk_ack(&ann);
    stage_take(s, FAR, "CANCEL");
    talk_answer(&bob, 487, NULL);
    talk_asked(&bob, "ACK");
    stage_quiet(s);
}

static void all_ways_fail(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, bob2, bob3;
    begin(s, &ann, &bob);
    talk_answer(&bob, 503, NULL);
    talk_asked(&bob, "ACK");
    talk_called(s, &bob2, CARRIER_1);
    talk_answer(&bob2, 503, NULL);
    talk_asked(&bob2, "ACK");
    talk_called(s, &bob3, CARRIER_2);
    talk_refuse(&ann, &bob3, 502);
    stage_quiet(s);
    assert_int_equal(agent_counters(s->agent)->FallbackCallsFailed, 1);
}

/* Two routes: the second one is tried before the phone network. */
static void second_route(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, bob2;
    stage_run(s, 1000);
    stage_learn(s, NUMBER, "c.example");
    begin(s, &ann, &bob);
    assert_slice_text(s->message.uri, "sip:" NUMBER "@c.example;user=phone");
    talk_answer(&bob, 503, NULL);
    talk_asked(&bob, "ACK");
    talk_called(s, &bob2, FAR);
    assert_slice_text(s->message.uri, "sip:" NUMBER "@b.example;user=phone");
    talk_refuse(&ann, &bob2, 486);
    stage_quiet(s);
}

static void straight_to_the_phone_network(struct stage *s, const char *user, const char *why, enum agent_cause cause)
{
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, user, &bob, CARRIER_1);
    stage_quiet(s);
    struct call_record r = stage_record(s);
    assert_non_null(strstr(r.steps[0].text, why));
    assert_int_equal(r.steps[0].cause, cause);
}

static void shed(void **state)
{
    struct stage *s = *state;
    s->options.direct_max = 0;
    straight_to_the_phone_network(s, "0302000001", "too many direct calls", AGENT_CAUSE_NONE);
    assert_int_equal(agent_counters(s->agent)->calls_shed, 1);
}

/* Those beyond the limit go to the phone network in the same moment; when there is room again, calls go direct again. */
static void shed_before_delayed(void **state)
{
    struct stage *s = *state;
    struct talk ann[20], bob;
    s->options.direct_max = 5;
    s->deaf[FAR] = true;
    const struct mono begun = s->now.mono;
    for (unsigned i = 0; i < 20; i++) {
        talk_call(s, &ann[i], PBX, "0302000001");
        talk_heard(&ann[i], "100");
        assert_int_equal(stage_is_quiet(s, CARRIER_1), i < 5);
        if (i >= 5)
            talk_called(s, &bob, CARRIER_1);
    }
    assert_int_equal(s->now.mono.us, begun.us);
    assert_int_equal(agent_counters(s->agent)->calls_shed, 15);
    talk_accept(&ann[19], &bob); /* who goes there is served as ever */
    s->deaf[CARRIER_1] = true;
    stage_run(s, 4000);
    s->deaf[FAR] = s->deaf[CARRIER_1] = false;
    begin(s, &ann[0], &bob); /* the five have fallen back */
    assert_int_equal(agent_counters(s->agent)->calls_shed, 15);
}

/* The machine stands still for so long, and tells what is due then. */
static void stand_still(struct stage *s, int64_t ms)
{
    s->now.mono = mono_after_ms(s->now.mono, ms);
    stage_run(s, 0);
}

/* A pause of the machine costs nobody the direct way. If it comes late to its timers again, calls take the way that is sure for a second. */
static void busy_machine(void **state)
{
    struct stage *s = *state;
    struct talk deaf[3], ann, bob;
    stage_run(s, 0);
    s->deaf[FAR] = s->deaf[CARRIER_1] = true; /* these have something due after 4, 4.5 and 5 s */
    for (unsigned i = 0; i < 3; i++) {
        talk_call(s, &deaf[i], PBX, "0302000001");
        talk_heard(&deaf[i], "100");
        stage_run(s, 500);
    }
    stage_run(s, 2400);
    stand_still(s, 400); /* 4.3 s: 4 was late */
    s->deaf[FAR] = false;
    begin(s, &ann, &bob);
    talk_refuse(&ann, &bob, 486);
    stand_still(s, 900); /* 5.2 s: 4.5 was late, too */
    for (unsigned i = 1; i <= 2; i++) {
        talk_call(s, &ann, PBX, "0302000001");
        talk_heard(&ann, "100");
        assert_true(stage_is_quiet(s, FAR));
        assert_int_equal(agent_counters(s->agent)->calls_shed, i);
        stage_run(s, i == 1 ? 999 : 1);
    }
    begin(s, &ann, &bob);
}

static void blocked_domain(void **state)
{
    struct stage *s = *state;
    stage_learn(s, "+49302000002", "evil.example");
    straight_to_the_phone_network(s, "0302000002", "evil.example", AGENT_CAUSE_DOMAIN_BLOCKED);
}

static void our_own_number(void **state)
{
    struct stage *s = *state;
    stage_learn(s, "+49301001111", "b.example");
    straight_to_the_phone_network(s, "0301001111", "a number of ours", AGENT_CAUSE_NONE);
}

/* ---- from the other company ---- */

static void from_far(struct stage *s, struct talk *bob, const char *user, const char *more)
{
    talk_call_with(s, bob, FAR, user, more);
    talk_heard(bob, "100");
}

static void received(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    from_far(s, &bob, "+49301001234", "X-Cisco-ViPR-Ticket: dGlja2V0\r\n");
    talk_called(s, &ann, PBX);
    assert_string_equal(stage_field(s, SIP_X_CISCO_VIPR_TICKET), "");
    talk_accept(&bob, &ann);
    talk_request(&ann, "BYE", NULL, NULL);
    talk_heard(&ann, "200");
    talk_asked(&bob, "BYE");
    assert_int_equal(stage_hop(s)->conn,
                     103); /* over its own connection; if that is gone, to its Contact, as whom it came */
    assert_int_equal(stage_hop(s)->addr.port, 5061);
    assert_string_equal(stage_hop(s)->host, "b.example");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
    assert_int_equal(agent_counters(s->agent)->CallsReceived, 1);
    assert_int_equal(agent_counters(s->agent)->CallsAccepted, 1);
    assert_int_equal(stage_record(s).from, AGENT_IME);
}

static void expect_refused(struct stage *s, const char *user, const char *status, const char *reason)
{
    struct talk bob;
    from_far(s, &bob, user, NULL);
    stage_take(s, FAR, status);
    assert_non_null(strstr(stage_field(s, SIP_REASON), reason));
    talk_ack(&bob);
    stage_quiet(s);
}

static void received_for_nobody(void **state)
{
    expect_refused(*state, "+49302000001", "404", "X-IME ;cause=136");
}

static void received_for_no_number(void **state)
{
    expect_refused(*state, "ann", "484", "X-IME ;cause=145");
}

static void received_from_a_blocked_domain(void **state)
{
    struct stage *s = *state;
    s->far_domain = "evil.example";
    expect_refused(s, "+49301001234", "403", "X-IME ;cause=138");
}

static enum agent_cause no_ticket_is_good(void *ctx, struct now now, struct slice domain, const struct e164 *number,
                                          struct slice ticket)
{
    (void)ctx;
    (void)now;
    assert_slice_text(domain, "b.example");
    assert_string_equal(number->text, "+49301001234");
    return ticket.n ? AGENT_CAUSE_EXPIRED_TICKET : AGENT_CAUSE_INVALID_TICKET;
}

/* With an edge, everything from outside comes through it. */
static void received_past_the_edge(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    assert_int_equal(addr_parse(slice_str("10.0.0.5:5061"), 0, &s->options.edge), 0);
    talk_call(s, &bob, FAR, "+49301001234");
    stage_take(s, FAR, "403");
    talk_ack(&bob);
    stage_quiet(s);
}

static void received_without_a_good_ticket(void **state)
{
    struct stage *s = *state;
    s->ports.ticket = no_ticket_is_good;
    agent_stage_restart(s, false);
    expect_refused(s, "+49301001234", "403", "X-IME ;cause=147");
    assert_int_equal(agent_counters(s->agent)->calls_refused_ticket, 1);
}

/* There is no edge, and the agent was given nobody who knows tickets. */
static void received_where_nobody_checks(void **state)
{
    struct stage *s = *state;
    s->ports.ticket = NULL;
    s->unchecked = true;
    agent_stage_restart(s, false);
    expect_refused(s, "+49301001234", "403", "X-IME ;cause=147");
}

/* The ticket says whose certificate counts; it does not make a blocked domain welcome. */
static enum agent_cause ticket_of_the_second(void *ctx, struct now now, struct slice domain, const struct e164 *number,
                                             struct slice ticket)
{
    (void)ctx;
    (void)now;
    (void)number;
    (void)ticket;
    return slice_eq_str(domain, "b.example") ? AGENT_CAUSE_NONE : AGENT_CAUSE_INVALID_TICKET;
}

static void received_by_one_of_several_domains(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    s->ports.ticket = ticket_of_the_second;
    s->far_domain = "edge.b.example b.example";
    agent_stage_restart(s, false);
    from_far(s, &bob, "+49301001234", NULL);
    talk_called(s, &ann, PBX);
    talk_refuse(&bob, &ann, 486);
    s->far_domain = "evil.example c.example";
    expect_refused(s, "+49301001234", "403", "X-IME ;cause=138");
}

/* Who wants to be unknown is so for the other company. */
static void privacy(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_call_with(s, &ann, PBX, "0302000001", "P-Asserted-Identity: <sip:0301001234@pbx>\r\nPrivacy: header;id\r\n");
    talk_heard(&ann, "100");
    talk_called(s, &bob, FAR);
    assert_string_equal(stage_field(s, SIP_P_ASSERTED_IDENTITY), "");
    assert_string_equal(stage_field(s, SIP_PRIVACY), "header;id");
    assert_string_equal(stage_record(s).calling.text, "+49301001234"); /* the record is ours */
}

static void identity(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_call_with(s, &ann, PBX, "0302000001",
                   "P-Asserted-Identity: \"Ann\" <sip:0301001234@pbx>\r\nHistory-Info: <sip:x@y>;index=1\r\n");
    talk_heard(&ann, "100");
    talk_called(s, &bob, FAR);
    assert_string_equal(stage_field(s, SIP_P_ASSERTED_IDENTITY), "\"Ann\" <sip:+49301001234@a.example;user=phone>");
    assert_string_equal(stage_field(s, SIP_HISTORY_INFO), "<sip:x@y>;index=1");
}

static void explained(void **state)
{
    struct stage *s = *state;
    struct buf text;
    refused(s, 403, NULL, AGENT_CAUSE_INVALID_TICKET);
    struct call_record r = stage_record(s);
    buf_init(&text, 65536);
    call_record_explain(&r, &text);
    assert_non_null(strstr(buf_text(&text), "+49301001234 called " NUMBER "; it went by the phone network"));
    assert_non_null(strstr(buf_text(&text), "direct: b.example, answered with 403; cause 147"));
    buf_fini(&text);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, agent_stage_teardown)
    const struct CMUnitTest tests[] = {
        CASE(direct),
        CASE(no_connection),
        CASE(connection_closed_before_the_call),
        CASE(no_connection_in_time),
        CASE(no_connection_to_one_place),
        CASE(one_ticket_refused),
        CASE(neither_ringing_nor_answer),
        CASE(ticket_refused),
        CASE(ticket_expired),
        CASE(far_side_is_ill),
        CASE(far_pbx_is_away),
        CASE(media_not_acceptable),
        CASE(edge_says_why),
        CASE(edge_says_what_cannot_be_shown),
        CASE(edge_says_too_much),
        CASE(nowhere_acceptable),
        CASE(number_is_gone),
        CASE(fails_while_ringing),
        CASE(connection_breaks_while_ringing),
        CASE(busy),
        CASE(busy_everywhere),
        CASE(declined),
        CASE(not_available),
        CASE(session_timer_too_short),
        CASE(late_answer),
        CASE(cancelled_on_the_direct_way),
        CASE(all_ways_fail),
        CASE(second_route),
        CASE(shed),
        CASE(shed_before_delayed),
        CASE(busy_machine),
        CASE(blocked_domain),
        CASE(our_own_number),
        CASE(received),
        CASE(received_for_nobody),
        CASE(received_for_no_number),
        CASE(received_from_a_blocked_domain),
        CASE(received_past_the_edge),
        CASE(received_without_a_good_ticket),
        CASE(received_where_nobody_checks),
        CASE(received_by_one_of_several_domains),
        CASE(privacy),
        CASE(identity),
        CASE(explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
