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

/* A request outside of dialogs by a peer; its talk, for responses and what follows. */
static void ask(struct stage *s, struct talk *t, enum peer peer, const char *method, const char *user, const char *more,
                const char *body)
{
    static unsigned calls;
    memset(t, 0, sizeof *t);
    t->stage = s;
    t->peer = peer;
    snprintf(t->tag, sizeof t->tag, "tag%u", ++calls);
    snprintf(t->call_id, sizeof t->call_id, "request-%u", calls);
    snprintf(t->local, sizeof t->local, "<sip:%s@x>;tag=%s", peer == PBX ? "+49301001234" : NUMBER, t->tag);
    snprintf(t->remote, sizeof t->remote, "<sip:%s@agent>", user);
    snprintf(t->target, sizeof t->target, "sip:%s@agent", user);
    talk_request(t, method, more, body);
}

/* ---- requests that are no calls ---- */

static void options(void **state)
{
    struct stage *s = *state;
    struct talk t;
    ask(s, &t, CARRIER_1, "OPTIONS", "ping", NULL, NULL);
    stage_take(s, CARRIER_1, "200");
    assert_non_null(strstr(stage_field(s, SIP_ALLOW), "PRACK"));
    stage_quiet(s);
}

static void message(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    ask(s, &ann, PBX, "MESSAGE", "0302000001", NULL, "hello");
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
    ask(s, &ann, PBX, "MESSAGE", "0302000002", NULL, "hello");
    stage_take(s, PBX, "404");
    stage_quiet(s); /* the phone network has no messages */
}

static void message_received(void **state)
{
    struct stage *s = *state;
    struct talk bob;
    ask(s, &bob, FAR, "MESSAGE", "+49301001234", NULL, "hello");
    assert_slice_text(stage_take(s, PBX, "MESSAGE")->body, "hello");
    ask(s, &bob, FAR, "MESSAGE", NUMBER, NULL, "hello");
    stage_take(s, FAR, "404");
}

/* Presence between companies: the first NOTIFY is faster than the answer; refreshed; ended by the notifier. */
static void subscription(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, again;
    ask(s, &ann, PBX, "SUBSCRIBE", "0302000001", "Event: presence\r\nExpires: 600\r\n", NULL);
    const struct sip_message *m = stage_take(s, FAR, "SUBSCRIBE");
    bob = ann;
    bob.peer = FAR;
    strcpy(bob.tag, "bob");
    snprintf(bob.call_id, sizeof bob.call_id, "%.*s", SLICE_PRINT(m->call_id));
    snprintf(bob.request, sizeof bob.request, "%s", stage_text(s));
    snprintf(bob.local, sizeof bob.local, "%.300s;tag=bob", stage_field(s, SIP_TO));
    snprintf(bob.remote, sizeof bob.remote, "%.300s", stage_field(s, SIP_FROM));
    snprintf(bob.target, sizeof bob.target, "sip:x@ime.a.example:5061");
    again = bob;
    talk_request(&again, "NOTIFY", "Event: presence\r\nSubscription-State: active\r\n", "open");
    assert_slice_text(stage_take(s, PBX, "NOTIFY")->body, "open");
    snprintf(ann.request, sizeof ann.request, "%s", stage_text(s));
    assert_slice_text(s->message.call_id, ann.call_id);
    talk_answer(&ann, 200, NULL);
    stage_take(s, FAR, "200");
    talk_answer(&bob, 200, "Expires: 600\r\n");
    talk_heard(&ann, "200");
    assert_int_equal(agent_requests(s->agent), 1);
    /* It goes both ways as long as it lasts. */
    talk_request(&ann, "SUBSCRIBE", "Event: presence\r\nExpires: 600\r\n", NULL);
    talk_asked(&bob, "SUBSCRIBE");
    talk_answer(&bob, 200, "Expires: 600\r\n");
    stage_take(s, PBX, "200");
    bob.cseq = again.cseq;
    talk_request(&bob, "NOTIFY", "Event: presence\r\nSubscription-State: terminated;reason=timeout\r\n", "closed");
    stage_take(s, PBX, "NOTIFY");
    snprintf(ann.request, sizeof ann.request, "%s", stage_text(s));
    talk_answer(&ann, 200, NULL);
    stage_take(s, FAR, "200");
    stage_quiet(s);
    stage_run(s, 1);
    assert_int_equal(agent_requests(s->agent), 0);
}

static void forgotten_subscription(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    ask(s, &ann, PBX, "SUBSCRIBE", "0302000001", "Event: presence\r\nExpires: 600\r\n", NULL);
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

static void info_and_refer(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    talk_request(&ann, "INFO", NULL, "Signal=5");
    talk_asked(&bob, "INFO");
    assert_non_null(strstr(stage_text(s), "\r\n\r\nSignal=5"));
    talk_answer(&bob, 200, NULL);
    stage_take(s, PBX, "200");
    talk_request(&ann, "REFER", "Refer-To: <sip:+49303333333@10.0.0.9:5060>\r\n", NULL);
    talk_asked(&bob, "REFER");
    assert_string_equal(stage_field(s, SIP_REFER_TO), "<sip:+49303333333@198.51.100.9:5060>"); /* as it reaches us */
    talk_answer(&bob, 202, NULL);
    stage_take(s, PBX, "202");
    talk_request(&bob, "NOTIFY", "Event: refer\r\nSubscription-State: terminated\r\n", "SIP/2.0 200 OK");
    talk_asked(&ann, "NOTIFY");
    talk_answer(&ann, 200, NULL);
    stage_take(s, CARRIER_1, "200");
    stage_quiet(s);
    assert_int_equal(agent_calls(s->agent), 1); /* the end of that subscription is not the end of the call */
}

/* Ann has a call with Bob and one with Cher; she connects them. Bob's call replaces hers with Cher, who must hear of her own dialog. */
static void attended_transfer(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, ann2, cher, bob2;
    char more[1024], replaces[256];
    talk_connect(s, &ann, PBX, "0308888888", &bob, CARRIER_1);
    talk_connect(s, &ann2, PBX, "0309999999", &cher, CARRIER_1);
    char *tag = strstr(ann2.remote, ";tag=") + 5;
    snprintf(more, sizeof more, "Refer-To: <%.300s?Replaces=x>\r\n", ann2.target);
    talk_request(&ann, "REFER", more, NULL);
    talk_asked(&bob, "REFER");
    const char *refer_to = stage_field(s, SIP_REFER_TO);
    assert_non_null(strstr(refer_to, "@198.51.100.9:5060"));
    char user[64];
    sscanf(refer_to, "<sip:%63[^@]", user);
    snprintf(more, sizeof more, "Replaces: %.200s;to-tag=%s;from-tag=%s\r\n", ann2.call_id, tag, ann2.tag);
    talk_call_with(s, &bob2, CARRIER_1, user, more);
    talk_heard(&bob2, "100");
    stage_take(s, CARRIER_1, "INVITE");
    assert_slice_text(s->message.uri, "sip:carrier-1@198.51.100.1:5060");
    snprintf(replaces, sizeof replaces, "%.100s;to-tag=%s;from-tag=", cher.call_id, cher.tag);
    assert_memory_equal(stage_field(s, SIP_REPLACES), replaces, strlen(replaces));
}

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
    talk_call(s, &ann, PBX, "0302000001");
    talk_heard(&ann, "100");
    talk_called(s, &bob, CARRIER_2);
    talk_answer(&bob, 503, NULL);
    talk_asked(&bob, "ACK");
    talk_called(s, &bob, CARRIER_1);
    talk_answer(&bob, 200, NULL); /* it lives */
    talk_heard(&ann, "200");
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    talk_call(s, &ann, PBX, "0302000001");
    talk_heard(&ann, "100");
    talk_called(s, &bob, CARRIER_1);
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
    talk_call(s, &ann2, PBX, "0308888888");
    talk_heard(&ann2, "100");
    talk_called(s, &bob2, CARRIER_1);
    talk_answer(&bob2, 180, NULL);
    talk_heard(&ann2, "180");
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
        CASE(forgotten_subscription),
        CASE(info_and_refer),
        CASE(attended_transfer),
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
