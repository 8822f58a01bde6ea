/* What is no call between two people: messages, subscriptions, options, transfers, registrations, redirects, keep-alive; limits; a restart; the
 * end. */
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

/* ---- requests that are no calls ---- */

static void options(void **state)
{
    struct stage *s = *state;
    struct talk t;
    talk_ask(s, &t, CARRIER_1, "OPTIONS", "ping", NULL, NULL);
    stage_take(s, CARRIER_1, "200");
    assert_non_null(strstr(stage_field(s, SIP_ALLOW), "PRACK"));
    stage_quiet(s);
}

static void message(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_ask(s, &ann, PBX, "MESSAGE", "0302000001", NULL, "hello");
    const struct sip_message *m = stage_take(s, FAR, "MESSAGE");
    assert_slice_text(m->body, "hello");
    assert_slice_text(m->uri, "sip:" NUMBER "@b.example;user=phone");
    assert_string_equal(stage_field(s, SIP_X_CISCO_VIPR_TICKET), "dGlja2V0");
    bob = ann;
    bob.peer = FAR;
    snprintf(bob.request, sizeof bob.request, "%s", stage_text(s));
    talk_answer(&bob, 202, NULL);
    stage_take(s, PBX, "202");
    stage_quiet(s);
    assert_int_equal(agent_requests(s->agent), 0);
}

static void message_to_who_is_not_learned(void **state)
{
    struct stage *s = *state;
    struct talk ann;
    talk_ask(s, &ann, PBX, "MESSAGE", "0302000002", NULL, "hello");
    stage_take(s, PBX, "404");
    stage_quiet(s); /* the phone network has no messages */
}

static void message_received(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    talk_ask(s, &bob, FAR, "MESSAGE", "+49301001234", NULL, "hello");
    assert_slice_text(stage_take(s, PBX, "MESSAGE")->body, "hello");
    talk_ask(s, &bob, FAR, "MESSAGE", NUMBER, NULL, "hello");
    stage_take(s, FAR, "404");
}

/* A NOTIFY of that state comes to the subscriber, and is answered. */
static void notify(struct talk *notifier, struct talk *subscriber, const char *state, const char *body)
{
    struct stage *s = notifier->stage;
    char more[128];
    snprintf(more, sizeof more, "Event: presence\r\nSubscription-State: %s\r\n", state);
    talk_request(notifier, "NOTIFY", more, body);
    assert_slice_text(stage_take(s, subscriber->peer, "NOTIFY")->body, body);
    assert_slice_text(s->message.call_id, subscriber->call_id);
    snprintf(subscriber->request, sizeof subscriber->request, "%s", stage_text(s));
    talk_answer(subscriber, 200, NULL);
    stage_take(s, notifier->peer, "200");
}

static void subscribe(struct stage *s, struct talk *ann, struct talk *bob)
{
    talk_ask(s, ann, PBX, "SUBSCRIBE", "0302000001", "Event: presence\r\nExpires: 600\r\n", NULL);
    talk_is_asked(s, bob, FAR, "SUBSCRIBE");
}

/* Presence between companies: the first NOTIFY is faster than the answer; refreshed; ended by the notifier. */
static void subscription(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    subscribe(s, &ann, &bob);
    notify(&bob, &ann, "active", "open");
    talk_answer(&bob, 200, "Expires: 600\r\n");
    talk_heard(&ann, "200");
    assert_int_equal(agent_requests(s->agent), 1);
    /* It goes both ways as long as it lasts. */
    for (unsigned i = 0; i < 3; i++) {
        stage_run(s, 500000);
        talk_request(&ann, "SUBSCRIBE", "Event: presence\r\nExpires: 600\r\n", NULL);
        talk_asked(&bob, "SUBSCRIBE");
        talk_answer(&bob, 200, "Expires: 600\r\n");
        stage_take(s, PBX, "200");
        notify(&bob, &ann, "active;expires=600", "busy");
    }
    notify(&bob, &ann, "terminated;reason=timeout", "closed");
    stage_quiet(s);
    stage_run(s, 1);
    assert_int_equal(agent_requests(s->agent), 0);
}

/* Two devices answer one SUBSCRIBE: there is one subscription, that of the 200; the other one ends by 481 (RFC 3856 6.9). */
static void forked_subscription(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, bob2;
    subscribe(s, &ann, &bob);
    bob2 = bob;
    strcpy(bob2.tag, "other");
    *strstr(bob2.local, ";tag=") = 0;
    strcat(bob2.local, ";tag=other");
    notify(&bob, &ann, "active", "open");
    talk_answer(&bob, 200, "Expires: 600\r\n");
    talk_heard(&ann, "200");
    talk_request(&bob2, "NOTIFY", "Event: presence\r\nSubscription-State: active\r\n", "closed");
    stage_take(s, FAR, "481");
    notify(&bob, &ann, "active", "busy");
    stage_quiet(s);
}

/* Some send what they think is wanted without having been asked. */
static void notify_without_subscription(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_ask(s, &bob, FAR, "NOTIFY", "+49301001234", "Event: message-summary\r\nSubscription-State: active\r\n",
             "Messages-Waiting: yes\r\n");
    talk_is_asked(s, &ann, PBX, "NOTIFY");
    assert_slice_text(s->message.body, "Messages-Waiting: yes\r\n");
    talk_answer(&ann, 200, NULL);
    stage_take(s, FAR, "200");
    stage_quiet(s);
    assert_int_equal(agent_requests(s->agent), 0);
}

static void publish(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_ask(s, &ann, PBX, "PUBLISH", "0302000001", "Event: presence\r\nExpires: 600\r\nSIP-If-Match: x\r\n",
             "<presence/>");
    talk_is_asked(s, &bob, FAR, "PUBLISH");
    assert_slice_text(s->message.uri, "sip:" NUMBER "@b.example;user=phone");
    assert_slice_text(s->message.body, "<presence/>");
    assert_string_equal(stage_field(s, SIP_EVENT), "presence");
    assert_non_null(strstr(stage_text(s), "\r\nSIP-If-Match: x\r\n"));
    talk_answer(&bob, 200, "SIP-ETag: y\r\n");
    stage_take(s, PBX, "200");
    assert_non_null(strstr(stage_text(s), "\r\nSIP-ETag: y\r\n"));
    stage_quiet(s);
}

static void info_outside_of_calls(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_ask(s, &ann, PBX, "INFO", "0302000001", NULL, "hello");
    talk_is_asked(s, &bob, FAR, "INFO");
    talk_answer(&bob, 200, NULL);
    stage_take(s, PBX, "200");
}

static void forgotten_subscription(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_ask(s, &ann, PBX, "SUBSCRIBE", "0302000001", "Event: presence\r\nExpires: 600\r\n", NULL);
    stage_take(s, FAR, "SUBSCRIBE");
    bob = ann;
    bob.peer = FAR;
    snprintf(bob.request, sizeof bob.request, "%s", stage_text(s));
    talk_answer(&bob, 200, "Expires: 60\r\n");
    stage_take(s, PBX, "200");
    stage_run(s, 60000 + 32000 - 1);
    assert_int_equal(agent_requests(s->agent), 1);
    stage_run(s, 1);
    assert_int_equal(agent_requests(s->agent), 0);
}

/* ---- inside of calls ---- */

static void lower_cseq(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    ann.cseq -= 10;
    talk_request(&ann, "INFO", NULL, NULL);
    stage_take(s, PBX, "500");
    stage_quiet(s);
}

/* ---- limits ---- */

static void too_many_calls(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, ann2;
    s->options.calls_max = 1;
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    talk_call(s, &ann2, PBX, "0309999998");
    talk_heard(&ann2, "100");
    talk_heard(&ann2, "503");
    assert_string_equal(stage_field(s, SIP_RETRY_AFTER), "10");
    talk_ack(&ann2);
    talk_request(&ann, "INFO", NULL, NULL); /* calls in progress are untouched */
    talk_asked(&bob, "INFO");
    assert_int_equal(agent_counters(s->agent)->calls_refused_limit, 1);
}

static void no_hops_left(void **state)
{
    struct stage *s = *state;
    stage_send(s, PBX,
               "INVITE sip:0302000001@agent SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKloop\r\n"
               "Max-Forwards: 0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: loop\r\nCSeq: 1 INVITE\r\n"
               "Contact: <sip:a@10.0.0.1>\r\nContent-Length: 0\r\n\r\n");
    stage_take(s, PBX, "100");
    stage_take(s, PBX, "483");
    stage_quiet(s);
}

/* ---- redirect ---- */

static int setup_redirect(void **state)
{
    struct stage *s = agent_stage_new();
    s->options.redirect = true;
    agent_stage_start(s);
    stage_learn(s, NUMBER, "b.example");
    *state = s;
    return 0;
}

static void redirect(void **state)
{
    struct stage *s = *state;
    struct talk ann;
    talk_call(s, &ann, PBX, "0302000001");
    talk_heard(&ann, "100");
    stage_take(s, PBX, "302");
    assert_string_equal(stage_field(s, SIP_CONTACT),
                        "<sip:" NUMBER "@203.0.113.9:5061;transport=tls?X-Cisco-ViPR-Ticket=dGlja2V0>");
    talk_ack(&ann);
    talk_call(s, &ann, PBX, "0309999999");
    talk_heard(&ann, "100");
    stage_take(s, PBX, "404");
    talk_ack(&ann);
    stage_quiet(s);
}

/* ---- trunks ---- */

static int setup_keepalive(void **state)
{
    struct stage *s = agent_stage_new();
    s->options.keepalive_ms = 10000;
    agent_stage_start(s);
    *state = s;
    return 0;
}

/* Answers OPTIONS of everybody but one. */
static void keep_alive(struct stage *s, enum peer silent, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        stage_run(s, 10000);
        for (unsigned peer = PBX; peer <= CARRIER_2; peer++) {
            while (!stage_is_quiet(s, (enum peer)peer)) {
                struct talk t = {.stage = s, .peer = (enum peer)peer};
                stage_take(s, (enum peer)peer, "OPTIONS");
                snprintf(t.request, sizeof t.request, "%s", stage_text(s));
                if ((enum peer)peer != silent)
                    talk_answer(&t, 200, NULL);
            }
        }
    }
}

static void dead_trunk_is_tried_last(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    keep_alive(s, CARRIER_1, 13); /* three times 32 s without an answer */
    assert_int_equal(agent_counters(s->agent)->trunk_failures, 1);
    assert_true(stage_rings(s, AGENT_ALARM_TRUNK_NOT_REACHABLE));
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_2);
    talk_answer(&bob, 503, NULL);
    talk_asked(&bob, "ACK");
    talk_called(s, &bob, CARRIER_1);
    talk_answer(&bob, 200, NULL); /* it lives */
    assert_false(stage_rings(s, AGENT_ALARM_TRUNK_NOT_REACHABLE));
    talk_heard(&ann, "200");
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
}

/* ---- restart and end ---- */

static void restart(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, ann2, bob2;
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    talk_connect(s, &ann2, PBX, "0308888888", &bob2, CARRIER_1);
    stage_run(s, 2000);
    talk_request(&ann, "BYE", NULL, NULL);
    talk_heard(&ann, "200");
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    stage_run(s, 1000);
    agent_stage_restart(s, true);
    /* Routes and the record of the call that had ended are there; whoever still speaks is told that the call is over. */
    assert_int_equal(agent_routes_count(s->parts.routes), 1);
    struct vap_vcr vcr;
    uint64_t token;
    assert_true(agent_records_take(s->parts.records, s->now, 0, &vcr, &token));
    assert_string_equal(vcr.called.text, "+49309999999");
    struct call_record r = stage_record(s);
    assert_string_equal(r.called.text, "+49308888888");
    assert_string_equal(r.ended_by, "the agent: it was not running any longer");
    talk_request(&ann2, "BYE", NULL, NULL);
    stage_take(s, PBX, "481");
    talk_request(&bob2, "INFO", NULL, NULL);
    stage_take(s, CARRIER_1, "481");
    stage_quiet(s);
}

static void stop(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, ann2, bob2;
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    talk_begin(s, &ann2, PBX, "0308888888", &bob2, CARRIER_1);
    talk_ring(&ann2, &bob2);
    agent_stop(s->agent, s->now);
    stage_run(s, 0);
    talk_asked(&ann, "BYE");
    talk_heard(&ann2, "503");
    talk_ack(&ann2);
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    stage_take(s, CARRIER_1, "CANCEL");
    talk_answer(&bob2, 487, NULL);
    talk_asked(&bob2, "ACK");
    assert_false(s->stopped);
    talk_answer(&ann, 200, NULL);
    assert_true(s->stopped);
    stage_quiet(s);
}

static void stop_without_answers(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    s->deaf[PBX] = s->deaf[CARRIER_1] = true;
    agent_stop(s->agent, s->now);
    stage_run(s, 4999);
    assert_false(s->stopped);
    stage_run(s, 1);
    assert_true(s->stopped);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, agent_stage_teardown)
    const struct CMUnitTest tests[] = {
        CASE(options),
        CASE(message),
        CASE(message_to_who_is_not_learned),
        CASE(message_received),
        CASE(subscription),
        CASE(forked_subscription),
        CASE(notify_without_subscription),
        CASE(publish),
        CASE(info_outside_of_calls),
        CASE(forgotten_subscription),
        CASE(lower_cseq),
        CASE(too_many_calls),
        CASE(no_hops_left),
        cmocka_unit_test_setup_teardown(redirect, setup_redirect, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(dead_trunk_is_tried_last, setup_keepalive, agent_stage_teardown),
        CASE(restart),
        CASE(stop),
        CASE(stop_without_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
