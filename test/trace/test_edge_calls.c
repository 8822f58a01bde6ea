/* Calls through the edge, both ways: what is told to whom, forks, refusals, CANCEL, answers that are late or come again. */
#include "edge_stage.h"

#include <stdio.h>
#include <string.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, edge_stage_setup, edge_stage_teardown)

/* ---- set-up ---- */

static void out(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    assert_slice_text(s->message.uri, "sip:" THEIRS "@b.example;user=phone");
    assert_string_equal(stage_field(s, SIP_ROUTE), "");
    assert_string_equal(stage_field(s, SIP_MAX_FORWARDS), "69");
    assert_string_equal(stage_field(s, SIP_CONTACT), "<sip:agent@edge.a.example:5061;transport=tls>");
    assert_int_equal(s->taken->hop.side, EDGE_FIRST_DOMAIN);
    assert_string_equal(s->taken->hop.host, "b.example");
    talk_answer(&bob, 180, NULL);
    talk_heard(&ann, "180");
    assert_string_equal(stage_field(s, SIP_CONTACT), "<sip:far@10.0.0.9:5060;transport=tcp>");
    talk_accept(&ann, &bob);
    assert_slice_text(s->message.uri, "sip:far@203.0.113.9:5061;transport=tls");
    talk_bye(&ann, &bob);
    assert_int_equal(stage_counters(s)->calls_out, 1);
    assert_int_equal(stage_counters(s)->calls_answered, 1);
    assert_int_equal(stage_counters(s)->calls_ended, 1);
    assert_string_equal(s->last_event, "edge.call.over");
    assert_non_null(strstr(s->last_line, "direction=out domain=b.example number=" THEIRS " status=200"));
    assert_non_null(strstr(s->last_line, "by=\"the caller\""));
}

static void in(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_begin(s, &bob, FAR, &ann, AGENT);
    assert_slice_text(s->message.uri, "sip:" OURS "@a.example;user=phone");
    assert_non_null(strstr(stage_text(s), "X-IME-Domain: b.example\r\n"));
    talk_answer(&ann, 180, NULL);
    talk_heard(&bob, "180");
    assert_string_equal(stage_field(s, SIP_CONTACT), "<sip:agent@edge.a.example:5061;transport=tls>");
    talk_accept(&bob, &ann);
    talk_bye(&ann, &bob);
    assert_int_equal(stage_counters(s)->tickets_good, 1);
    assert_int_equal(stage_counters(s)->calls_in, 1);
    assert_non_null(strstr(s->last_line, "by=\"the called side\""));
}

/* Nobody else's word is taken for ours. */
static void agent_hears_the_certificate(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    char more[2048];
    snprintf(more, sizeof more, "%sX-IME-Domain: c.example\r\nX-IME-Quality: bad\r\nX-Other:  as   it is\r\n",
             stage_good_ticket(s));
    talk_call_with(s, &bob, FAR, more);
    talk_asked_first(s, &ann, AGENT, "INVITE");
    assert_null(strstr(stage_text(s), "c.example"));
    assert_null(strstr(stage_text(s), "X-IME-Quality"));
    assert_non_null(strstr(stage_text(s), "X-IME-Domain: b.example\r\n"));
    assert_non_null(strstr(stage_text(s), "X-Other:  as   it is\r\n"));
    talk_accept(&bob, &ann);
    talk_bye(&bob, &ann);
}

/* Proxies inside and outside want to stay on the way; the other side never hears of them. */
static void route_sets(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_call_with(s, &ann, AGENT, WAY "Record-Route: <sip:10.0.0.3;lr>, <sip:10.0.0.4;lr>\r\n");
    talk_asked_first(s, &bob, FAR, "INVITE");
    assert_string_equal(stage_field(s, SIP_RECORD_ROUTE), "");
    talk_answer(&bob, 200, "Record-Route: <sip:p1.b.example;lr>\r\nRecord-Route: <sip:p2.b.example;lr>\r\n");
    talk_heard(&ann, "200");
    assert_non_null(strstr(stage_field(s, SIP_RECORD_ROUTE), "10.0.0.3"));
    assert_null(strstr(stage_text(s), "p1.b.example"));
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    assert_string_equal(stage_field(s, SIP_ROUTE), "<sip:p2.b.example;lr>, <sip:p1.b.example;lr>");
    talk_request(&bob, "BYE", NULL, NULL);
    talk_asked(&ann, "BYE");
    assert_string_equal(stage_field(s, SIP_ROUTE), "<sip:10.0.0.3;lr>, <sip:10.0.0.4;lr>");
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
}

static void refused(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer(&bob, 486, "X-Why: busy\r\n");
    talk_asked(&bob, "ACK");
    talk_heard(&ann, "486");
    assert_non_null(strstr(stage_text(s), "X-Why: busy\r\n"));
    talk_ack(&ann);
    stage_quiet(s);
    assert_non_null(strstr(s->last_line, "status=486"));
}

static void cancelled(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer(&bob, 180, NULL);
    talk_heard(&ann, "180");
    talk_cancel(&ann);
    stage_take(s, AGENT, "200");
    stage_take(s, FAR, "CANCEL");
    talk_answer(&bob, 487, NULL);
    talk_asked(&bob, "ACK");
    talk_heard(&ann, "487");
    talk_ack(&ann);
    stage_quiet(s);
}

/* The answer was faster: the caller takes it, and says goodbye itself. */
static void cancel_crosses_answer(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer(&bob, 180, NULL);
    talk_heard(&ann, "180");
    talk_cancel(&ann);
    stage_take(s, AGENT, "200");
    stage_take(s, FAR, "CANCEL");
    talk_accept(&ann, &bob);
    talk_bye(&ann, &bob);
}

/* ---- forks ---- */

static void forks(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer_as(&bob, 180, "one", NULL);
    talk_heard(&ann, "180");
    assert_slice_text(s->message.to.tag, "one");
    talk_answer_as(&bob, 183, "two", NULL);
    talk_heard(&ann, "183");
    assert_slice_text(s->message.to.tag, "two");
    struct edge_left left;
    edge_left(s->edge, &left);
    assert_int_equal(left.dialogs, 2 + 1); /* and the call by its name */
    talk_answer_as(&bob, 200, "one", NULL);
    talk_heard(&ann, "200");
    talk_ack(&ann);
    stage_take(s, FAR, "ACK");
    assert_slice_text(s->message.to.tag, "one");
    /* The second phone was picked up, too: it is told goodbye. */
    talk_answer_as(&bob, 200, "two", NULL);
    stage_take(s, FAR, "ACK");
    assert_slice_text(s->message.to.tag, "two");
    stage_take(s, FAR, "BYE");
    assert_slice_text(s->message.to.tag, "two");
    assert_int_equal(stage_counters(s)->answers_late, 1);
    snprintf(bob.request, sizeof bob.request, "%s", stage_text(s));
    talk_answer_as(&bob, 200, "two", NULL);
    stage_quiet(s);
    snprintf(bob.tag, sizeof bob.tag, "one");
    talk_bye(&ann, &bob);
}

/* Whoever has seen one branch of ours could have us say goodbye for ever, each time with a transaction that others would need. */
static void answers_without_end(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, late;
    char tag[16];
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer_as(&bob, 200, "one", NULL);
    talk_heard(&ann, "200");
    talk_ack(&ann);
    stage_take(s, FAR, "ACK");
    for (unsigned round = 1; round <= 2; round++) {
        for (unsigned i = 0; i < 200; i++) {
            late = bob;
            snprintf(tag, sizeof tag, "late-%u-%u", round, i);
            talk_answer_as(&late, 200, tag, NULL);
        }
        for (unsigned i = 0; i < 20; i++) {
            stage_take(s, FAR, "ACK");
            stage_take(s, FAR, "BYE");
            late = bob;
            snprintf(late.request, sizeof late.request, "%s", stage_text(s));
            snprintf(tag, sizeof tag, "late-%u-%u", round, i);
            talk_answer_as(&late, 200, tag, NULL);
        }
        stage_quiet(s);
        assert_int_equal(stage_counters(s)->answers_late, 20 * round);
        assert_int_equal(stage_counters(s)->blocked_response, 180 * round);
        stage_run(s, 1000);
    }
    snprintf(bob.tag, sizeof bob.tag, "one");
    talk_bye(&ann, &bob);
}

static void too_many_forks(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    char tag[16];
    talk_begin(s, &ann, AGENT, &bob, FAR);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(tag, sizeof tag, "fork%u", i);
        talk_answer_as(&bob, 180, tag, NULL);
        talk_heard(&ann, "180");
    }
    struct edge_left left;
    edge_left(s->edge, &left);
    assert_int_equal(left.dialogs, 16 + 1);
    talk_answer_as(&bob, 486, "fork1", NULL);
    stage_take(s, FAR, "ACK");
    talk_heard(&ann, "486");
    talk_ack(&ann);
}

/* ---- answers that come again, or late ---- */

static void answer_again(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_answer(&bob, 200, NULL); /* no ACK in 500 ms */
    talk_heard(&ann, "200");
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    talk_answer(&bob, 200, NULL); /* it crossed */
    talk_asked(&bob, "ACK");
    talk_ack(&ann); /* to the second one */
    talk_asked(&bob, "ACK");
    stage_quiet(s);
    talk_bye(&bob, &ann);
}

static void answer_when_nobody_waits(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    stage_run(s, 40000);
    stage_take(s, AGENT, "100");
    talk_heard(&ann, "408");
    assert_non_null(strstr(stage_field(s, SIP_REASON), "cause=135"));
    talk_ack(&ann);
    stage_quiet(s);
    talk_answer(&bob, 200, NULL);
    stage_take(s, FAR, "ACK");
    stage_take(s, FAR, "BYE");
    snprintf(bob.request, sizeof bob.request, "%s", stage_text(s));
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
}

/* It rings, and goes on ringing: both sides are told. */
static void nobody_answers(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer(&bob, 180, NULL);
    talk_heard(&ann, "180");
    stage_run(s, s->options.ring_ms + 1000);
    talk_heard(&ann, "408");
    talk_ack(&ann);
    stage_take(s, FAR, "CANCEL");
    talk_answer(&bob, 487, NULL);
    talk_asked(&bob, "ACK");
    stage_quiet(s);
}

/* ---- answers that are none ---- */

static void answers_of_others(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    char wrong[STAGE_MESSAGE_OCTETS];
    snprintf(wrong, sizeof wrong, "%s", bob.request);
    char *tag = strstr(wrong, ";tag=from");
    memcpy(tag, ";tag=fr0m", 9);
    struct talk liar = bob;
    snprintf(liar.request, sizeof liar.request, "%s", wrong);
    talk_answer(&liar, 180, NULL); /* another dialog's From */
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->blocked_response, 1);
    liar = bob;
    liar.peer = AGENT; /* from the side where the request came from */
    talk_answer(&liar, 200, NULL);
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->blocked_response, 2);
    talk_accept(&ann, &bob);
    talk_bye(&ann, &bob);
}

/* The same Call-ID and tag again, by whomever. */
static void name_is_taken(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann, thief;
    char more[2048];
    talk_connect(s, &bob, FAR, &ann, AGENT);
    s->domains[OTHER] = "c.example";
    snprintf(more, sizeof more, "%s", stage_ticket(s, OURS, "c.example", -1000, 3600000));
    thief = bob;
    thief.peer = OTHER;
    snprintf(thief.remote, sizeof thief.remote, "<sip:" OURS "@a.example>");
    snprintf(thief.target, sizeof thief.target, "sip:" OURS "@a.example;user=phone");
    talk_request(&thief, "INVITE", more, stage_secure_sdp);
    stage_take(s, OTHER, "482");
    thief.failed = true;
    talk_ack(&thief);
    stage_quiet(s);
    talk_bye(&bob, &ann);
}

/* ---- which agent ---- */

static void second_agent(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_call_with(s, &bob, FAR, stage_good_ticket(s));
    stage_unreachable(s, AGENT);
    talk_asked_first(s, &ann, SPARE, "INVITE");
    talk_accept(&bob, &ann);
    talk_bye(&bob, &ann);
    assert_int_equal(stage_counters(s)->agents_unreachable, 1);
    talk_connect(s, &bob, FAR, &ann, SPARE); /* the first one is not tried at once again */
    talk_bye(&bob, &ann);
    stage_run(s, s->options.retry_agent_ms);
    talk_begin(s, &bob, FAR, &ann, AGENT);
    talk_answer(&ann, 503, NULL); /* it is there, and has no room */
    talk_asked(&ann, "ACK");
    talk_asked_first(s, &ann, SPARE, "INVITE");
    talk_accept(&bob, &ann);
    talk_bye(&ann, &bob);
}

static void no_agent(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    talk_call_with(s, &bob, FAR, stage_good_ticket(s));
    stage_unreachable(s, AGENT);
    stage_unreachable(s, SPARE);
    talk_heard(&bob, "503");
    assert_non_null(strstr(stage_field(s, SIP_REASON), "X-IME ;cause=142"));
    talk_ack(&bob);
    stage_quiet(s);
}

static void far_side_not_reached(void **state)
{
    struct stage *s = *state;
    struct talk ann;
    talk_call_with(s, &ann, AGENT, WAY);
    stage_unreachable(s, FAR);
    talk_heard(&ann, "503");
    assert_non_null(strstr(stage_field(s, SIP_REASON), "X-IME ;cause=137"));
    talk_ack(&ann);
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->far_unreachable, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(out),
        CASE(in),
        CASE(agent_hears_the_certificate),
        CASE(route_sets),
        CASE(refused),
        CASE(cancelled),
        CASE(cancel_crosses_answer),
        CASE(forks),
        CASE(answers_without_end),
        CASE(too_many_forks),
        CASE(answer_again),
        CASE(answer_when_nobody_waits),
        CASE(nobody_answers),
        CASE(answers_of_others),
        CASE(name_is_taken),
        CASE(second_agent),
        CASE(no_agent),
        CASE(far_side_not_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
