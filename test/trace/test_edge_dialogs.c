/* What passes inside of dialogs, and what their state does not allow: each block, its answer, its counter. */
#include "edge_stage.h"

#include <stdio.h>
#include <string.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, edge_stage_setup, edge_stage_teardown)

/* ---- whose dialog ---- */

/* A goodbye for a call of others: by another company, and by nobody's dialog. */
static void spoofed_bye(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, thief;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    thief = bob;
    thief.peer = OTHER;
    talk_request(&thief, "BYE", NULL, NULL);
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->dropped_peer, 1);
    assert_string_equal(s->last_event, "edge.dialog.foreign");
    thief = bob;
    snprintf(thief.remote, sizeof thief.remote, "<sip:" OURS "@a.example>;tag=guessed");
    talk_request(&thief, "BYE", NULL, NULL);
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->dropped_dialog, 1);
    assert_string_equal(s->last_event, "edge.dialog.unknown");
    thief = ann; /* inside it is told */
    snprintf(thief.local, sizeof thief.local, "<sip:x@a.example>;tag=guessed");
    talk_request(&thief, "BYE", NULL, NULL);
    stage_take(s, AGENT, "481");
    talk_bye(&bob, &ann);
}

/* Who knows all of a request, its branch included, but has the certificate of another company, does not answer it: the true answer still counts. */
static void spoofed_answer(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, thief;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    thief = bob;
    thief.peer = OTHER;
    talk_answer(&thief, 180, NULL);
    talk_answer(&thief, 200, NULL);
    talk_answer(&thief, 486, NULL);
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->blocked_response, 3);
    assert_string_equal(s->last_event, "edge.dialog.foreign");
    assert_non_null(strstr(s->last_line, "from=c.example of=b.example"));
    talk_answer(&bob, 180, NULL);
    talk_heard(&ann, "180");
    talk_accept(&ann, &bob);
    talk_request(&ann, "INFO", NULL, NULL);
    talk_asked(&bob, "INFO");
    thief = bob;
    thief.peer = OTHER;
    talk_answer(&thief, 481, NULL);
    stage_quiet(s);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_bye(&ann, &bob);
}

/* Nor does it cancel one. */
static void spoofed_cancel(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    char text[8192];
    talk_begin(s, &ann, FAR, &bob, AGENT);
    talk_answer(&bob, 180, NULL);
    talk_heard(&ann, "180");
    snprintf(text, sizeof text,
             "CANCEL %s SIP/2.0\r\nVia: SIP/2.0/TLS 203.0.113.9:5061;branch=%s\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: "
             "<sip:" OURS "@a.example>\r\nCall-ID: %s\r\nCSeq: %u CANCEL\r\nContent-Length: 0\r\n\r\n",
             ann.target, ann.invite_branch, ann.local, ann.call_id, ann.invite_cseq);
    stage_send(s, OTHER, text);
    stage_take(s, OTHER, "200"); /* of the transaction layer, which knows of no companies */
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->blocked_cancel, 1);
    assert_string_equal(s->last_event, "edge.dialog.foreign");
    talk_accept(&ann, &bob);
    talk_bye(&ann, &bob);
}

static void outside_of_dialogs(void **state)
{
    static const char *const methods[] = {"BYE", "PRACK", "UPDATE", "NOTIFY", "INFO"};
    struct stage *s = *state;
    struct talk t;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        talk_ask(s, &t, FAR, methods[i], stage_good_ticket(s), NULL);
        stage_quiet(s);
        talk_ask(s, &t, AGENT, methods[i], WAY, NULL);
        talk_heard(&t, "481");
    }
    assert_int_equal(stage_counters(s)->dropped_dialog, 10);
    stage_quiet(s);
}

static void ack_of_nothing(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer(&bob, 180, NULL);
    talk_heard(&ann, "180");
    talk_ack(&ann); /* before any answer */
    talk_ack(&bob); /* of the side that has no INVITE to acknowledge */
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->blocked_ack, 2);
    talk_accept(&ann, &bob);
    ann.invite_cseq++;
    talk_ack(&ann);
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->blocked_ack, 3);
    talk_bye(&ann, &bob);
}

static void bye_before_the_answer(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer(&bob, 180, NULL);
    talk_heard(&ann, "180");
    talk_request(&bob, "BYE", NULL, NULL);
    talk_heard(&bob, "481");
    assert_int_equal(stage_counters(s)->blocked_bye, 1);
    talk_request(&ann, "BYE", NULL, NULL); /* the caller may */
    struct talk invited = bob;
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_answer(&invited, 487, NULL);
    talk_asked(&invited, "ACK");
    talk_heard(&ann, "487");
    talk_ack(&ann);
    stage_quiet(s);
}

static void after_the_end(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_request(&ann, "BYE", NULL, NULL);
    talk_asked(&bob, "BYE");
    talk_request(&ann, "INFO", NULL, NULL);
    talk_heard(&ann, "481");
    assert_int_equal(stage_counters(s)->blocked_request, 1);
    talk_request(&ann, "BYE", NULL, NULL);
    talk_heard(&ann, "481");
    assert_int_equal(stage_counters(s)->blocked_bye, 1);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
}

static void numbers(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_pass(&ann, &bob, "INFO", "X: 1\r\n", 200);
    ann.cseq -= 1;
    talk_request(&ann, "INFO", NULL, NULL);
    talk_heard(&ann, "500");
    ann.cseq -= 50;
    talk_request(&ann, "INFO", NULL, NULL);
    talk_heard(&ann, "500");
    assert_int_equal(stage_counters(s)->blocked_cseq, 2);
    ann.cseq += 100;
    talk_pass(&ann, &bob, "INFO", NULL, 200);
    talk_bye(&bob, &ann);
}

/* ---- INVITE inside ---- */

static void invite_again(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_request(&bob, "INVITE", NULL, stage_secure_sdp);
    talk_asked(&ann, "INVITE");
    assert_slice_text(s->message.uri, "sip:agent@10.0.0.1:5060;transport=tcp");
    talk_request(&ann, "INVITE", NULL, stage_plain_sdp); /* glare */
    talk_heard(&ann, "491");
    talk_ack(&ann);
    talk_request(&bob, "INVITE", NULL, stage_secure_sdp);
    struct talk first = bob;
    talk_heard(&bob, "500");
    assert_int_equal(stage_counters(s)->blocked_invite, 2);
    talk_ack(&bob);
    first.invite_cseq--;
    first.failed = false;
    talk_answer(&ann, 200, NULL);
    talk_heard(&first, "200");
    talk_request(&ann, "INVITE", NULL, stage_plain_sdp); /* its ACK is not there yet */
    talk_heard(&ann, "491");
    talk_ack(&ann);
    talk_ack(&first);
    talk_asked(&ann, "ACK");
    talk_bye(&ann, &bob);
}

static void invite_again_refused(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_request(&ann, "INVITE", NULL, stage_plain_sdp);
    talk_asked(&bob, "INVITE");
    talk_answer(&bob, 488, NULL);
    talk_asked(&bob, "ACK");
    talk_heard(&ann, "488");
    talk_ack(&ann);
    talk_bye(&ann, &bob); /* the call is as it was */
}

/* Targets move with it. */
static void target_refresh(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    bob.contact = "sip:elsewhere@203.0.113.9:5061;transport=tls";
    talk_request(&bob, "UPDATE", NULL, NULL);
    talk_asked(&ann, "UPDATE");
    talk_answer(&ann, 491, NULL);
    talk_heard(&bob, "491");
    talk_pass(&ann, &bob, "INFO", NULL, 200);
    talk_request(&bob, "UPDATE", NULL, NULL);
    talk_asked(&ann, "UPDATE");
    ann.contact = "sip:moved@10.0.0.1:5060;transport=tcp";
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    talk_request(&ann, "INFO", NULL, NULL);
    talk_asked(&bob, "INFO");
    assert_slice_text(s->message.uri, "sip:elsewhere@203.0.113.9:5061;transport=tls");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_request(&bob, "INFO", NULL, NULL);
    talk_asked(&ann, "INFO");
    assert_slice_text(s->message.uri, "sip:moved@10.0.0.1:5060;transport=tcp");
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    talk_bye(&ann, &bob);
}

/* ---- early ---- */

static void prack(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, invited;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    bob.sdp = NULL;
    talk_answer(&bob, 180, NULL);
    talk_heard(&ann, "180");
    talk_request(&ann, "PRACK", "RAck: 9 102 INVITE\r\n", NULL); /* nothing reliable has passed */
    talk_heard(&ann, "481");
    assert_int_equal(stage_counters(s)->blocked_prack, 1);
    talk_answer(&bob, 183, "Require: 100rel\r\nRSeq: 9\r\n");
    talk_heard(&ann, "183");
    assert_string_equal(stage_field(s, SIP_RSEQ), "9");
    talk_request(&ann, "PRACK", "RAck: 10 102 INVITE\r\n", NULL);
    talk_heard(&ann, "481");
    talk_request(&ann, "PRACK", "RAck: 9 101 INVITE\r\n", NULL);
    talk_heard(&ann, "481");
    invited = bob;
    talk_request(&ann, "PRACK", "RAck: 9 102 INVITE\r\n", NULL);
    talk_asked(&bob, "PRACK");
    assert_string_equal(stage_field(s, SIP_RACK), "9 102 INVITE");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_request(&bob, "PRACK", "RAck: 9 102 INVITE\r\n", NULL); /* it has invited nobody */
    talk_heard(&bob, "481");
    invited.sdp = stage_secure_sdp;
    talk_answer(&invited, 200, NULL);
    talk_heard(&ann, "200");
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    talk_bye(&ann, &bob);
}

static void update(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, invited;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer(&bob, 180, NULL);
    talk_heard(&ann, "180");
    invited = bob;
    talk_pass(&ann, &bob, "UPDATE", "X-Early: yes\r\n", 200);
    talk_request(&ann, "UPDATE", NULL, NULL);
    talk_asked(&bob, "UPDATE");
    talk_request(&ann, "UPDATE", NULL, NULL);
    talk_heard(&ann, "500");
    assert_int_equal(stage_counters(s)->blocked_update, 1);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_accept(&ann, &invited);
    talk_bye(&ann, &bob);
}

/* ---- transfers and subscriptions ---- */

static void refer(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_request(&bob, "NOTIFY", "Event: refer\r\nSubscription-State: active\r\n", NULL);
    talk_heard(&bob, "481");
    assert_int_equal(stage_counters(s)->blocked_notify, 1);
    talk_pass(&ann, &bob, "REFER", "Refer-To: <sip:+49303000001@c.example;user=phone>\r\n", 202);
    talk_pass(&bob, &ann, "NOTIFY", "Event: refer\r\nSubscription-State: active;expires=60\r\n", 200);
    talk_request(&ann, "NOTIFY", "Event: refer\r\nSubscription-State: active\r\n", NULL); /* it was not asked */
    talk_heard(&ann, "481");
    talk_bye(&ann, &bob); /* what becomes of the transfer is told after the call */
    talk_pass(&bob, &ann, "NOTIFY", "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n", 200);
    talk_request(&bob, "NOTIFY", "Event: refer\r\nSubscription-State: terminated\r\n", NULL);
    stage_quiet(s); /* the dialog is gone */
}

static void refer_refused(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_pass(&ann, &bob, "REFER", "Refer-To: <sip:x@c.example>\r\n", 603);
    talk_request(&bob, "NOTIFY", "Event: refer\r\nSubscription-State: active\r\n", NULL);
    talk_heard(&bob, "481");
    talk_pass(&ann, &bob, "REFER", "Refer-To: <sip:x@c.example>\r\nRefer-Sub: false\r\n", 202);
    talk_request(&bob, "NOTIFY", "Event: refer\r\nSubscription-State: active\r\n", NULL);
    talk_heard(&bob, "481");
    talk_bye(&ann, &bob);
}

static void subscription(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    char more[2048];
    snprintf(more, sizeof more, "%sEvent: presence\r\nExpires: 600\r\n", stage_good_ticket(s));
    talk_ask(s, &bob, FAR, "SUBSCRIBE", more, NULL);
    talk_asked_first(s, &ann, AGENT, "SUBSCRIBE");
    talk_answer(&ann, 200, "Expires: 600\r\n");
    talk_heard(&bob, "200");
    talk_pass(&ann, &bob, "NOTIFY", "Event: presence\r\nSubscription-State: active;expires=600\r\n", 200);
    stage_run(s, 500000);
    talk_request(&bob, "SUBSCRIBE", "Event: presence\r\nExpires: 600\r\n", NULL); /* refreshed */
    talk_asked(&ann, "SUBSCRIBE");
    talk_answer(&ann, 200, "Expires: 600\r\n");
    talk_heard(&bob, "200");
    stage_run(s, 500000);
    talk_pass(&ann, &bob, "NOTIFY", "Event: presence\r\nSubscription-State: active;expires=100\r\n", 200);
    talk_request(&bob, "INVITE", NULL, stage_secure_sdp); /* that is another kind of dialog */
    talk_heard(&bob, "481");
    talk_ack(&bob);
    talk_pass(&ann, &bob, "NOTIFY", "Event: presence\r\nSubscription-State: terminated;reason=timeout\r\n", 200);
    struct edge_left left;
    edge_left(s->edge, &left);
    assert_int_equal(left.subscriptions, 0);
    assert_int_equal(stage_counters(s)->subscriptions, 1);
}

/* RFC 6665 4.1.2.4 */
static void notify_is_faster(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, notifier;
    talk_ask(s, &ann, AGENT, "SUBSCRIBE", WAY "Event: presence\r\nExpires: 600\r\n", NULL);
    talk_asked_first(s, &bob, FAR, "SUBSCRIBE");
    notifier = bob;
    talk_request(&notifier, "NOTIFY", "Event: presence\r\nSubscription-State: active;expires=600\r\n", NULL);
    stage_take(s, AGENT, "NOTIFY");
    struct talk notified = ann;
    snprintf(notified.request, sizeof notified.request, "%s", stage_text(s));
    talk_answer(&notified, 200, NULL);
    stage_take(s, FAR, "200");
    talk_answer(&bob, 200, "Expires: 600\r\n");
    talk_heard(&ann, "200");
    bob.cseq = notifier.cseq;
    talk_pass(&bob, &ann, "NOTIFY", "Event: presence\r\nSubscription-State: terminated\r\n", 481);
}

static void subscription_is_forgotten(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct edge_left left;
    talk_ask(s, &ann, AGENT, "SUBSCRIBE", WAY "Event: presence\r\nExpires: 60\r\n", NULL);
    talk_asked_first(s, &bob, FAR, "SUBSCRIBE");
    talk_answer(&bob, 200, "Expires: 60\r\n");
    talk_heard(&ann, "200");
    stage_run(s, 60000 + 32000 - 1000);
    edge_left(s->edge, &left);
    assert_int_equal(left.subscriptions, 1);
    stage_run(s, 1000);
    edge_left(s->edge, &left);
    assert_int_equal(left.subscriptions, 0);
}

static void single_requests(void **state)
{
    static const char *const methods[] = {"MESSAGE", "PUBLISH", "OPTIONS"};
    struct stage *s = *state;
    struct talk a, b;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        talk_ask(s, &a, AGENT, methods[i], WAY "Event: presence\r\n", NULL);
        talk_asked_first(s, &b, FAR, methods[i]);
        talk_answer(&b, 200, NULL);
        talk_heard(&a, "200");
        char more[2048];
        snprintf(more, sizeof more, "%sEvent: presence\r\n", stage_good_ticket(s));
        talk_ask(s, &b, FAR, methods[i], more, NULL);
        talk_asked_first(s, &a, AGENT, methods[i]);
        talk_answer(&a, 404, NULL);
        talk_heard(&b, "404");
    }
    stage_quiet(s);
}

/* ---- requests of our own ---- */

/* The REFER takes a number of the far end's; all that the far end sends afterwards has a higher one, and hears its own. */
static void quality_shifts_numbers(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct media_event event = {
        .kind = MEDIA_QUALITY, .stream = 1, .figures = {.loss_ppm = 50000, .mos_hundredths = 210, .is_bad = true}};
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_media(s, &event);
    talk_asked(&ann, "REFER");
    assert_string_equal(stage_field(s, SIP_REFER_TO), "<sip:quality@10.0.0.9:5060;ime-quality=bad>");
    assert_non_null(strstr(stage_text(s), "Refer-Sub: false\r\n"));
    assert_non_null(strstr(stage_text(s), "X-IME-Quality: bad;loss=0.0500;mos=2.1;stream=1\r\n"));
    const unsigned taken = s->message.cseq.number;
    talk_answer(&ann, 202, NULL);
    stage_quiet(s);
    event.figures.is_bad = false;
    stage_media(s, &event);
    talk_asked(&ann, "REFER");
    assert_int_equal(s->message.cseq.number, taken + 1);
    talk_answer(&ann, 202, NULL);
    bob.cseq = 0; /* it may begin with any number */
    talk_request(&bob, "INFO", NULL, NULL);
    talk_asked(&ann, "INFO");
    assert_true(s->message.cseq.number > taken + 1);
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    assert_int_equal(s->message.cseq.number, 1);
    event.figures.is_bad = true;
    stage_media(s, &event);
    talk_asked(&ann, "REFER");
    talk_answer(&ann, 202, NULL);
    talk_request(&bob, "INVITE", NULL, stage_secure_sdp);
    talk_asked(&ann, "INVITE");
    const unsigned invite = s->message.cseq.number;
    struct talk invited = ann;
    ann.sdp = NULL;
    talk_answer(&ann, 183, "Require: 100rel\r\nRSeq: 4\r\n");
    talk_heard(&bob, "183");
    char rack[64], expected[64];
    snprintf(rack, sizeof rack, "RAck: 4 %u INVITE\r\n", bob.invite_cseq);
    talk_request(&bob, "PRACK", rack, NULL);
    talk_asked(&ann, "PRACK");
    snprintf(expected, sizeof expected, "4 %u INVITE", invite);
    assert_string_equal(stage_field(s, SIP_RACK), expected);
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    talk_answer(&invited, 200, NULL);
    talk_heard(&bob, "200");
    assert_int_equal(s->message.cseq.number, bob.invite_cseq);
    talk_ack(&bob);
    talk_asked(&ann, "ACK");
    assert_int_equal(s->message.cseq.number, invite);
    talk_pass(&ann, &bob, "INFO", NULL, 200); /* the other way nothing is shifted */
    assert_int_equal(stage_counters(s)->quality_bad, 2);
    assert_int_equal(stage_counters(s)->quality_good, 1);
    talk_bye(&bob, &ann);
}

/* Both ends are asked after a long silence; one that has gone ends the call for the other. */
static void both_are_there(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_run(s, s->options.idle_ms + 1000);
    talk_asked(&ann, "OPTIONS");
    talk_answer(&ann, 200, NULL);
    talk_asked(&bob, "OPTIONS");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
    talk_pass(&ann, &bob, "INFO", NULL, 200);
    talk_pass(&bob, &ann, "INFO", NULL, 200);
    assert_int_equal(stage_counters(s)->probes, 2);
    talk_bye(&ann, &bob);
}

static void one_has_gone(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_run(s, s->options.idle_ms + 1000);
    talk_asked(&ann, "OPTIONS");
    talk_answer(&ann, 200, NULL);
    talk_asked(&bob, "OPTIONS");
    talk_answer(&bob, 481, NULL);
    talk_asked(&ann, "BYE");
    talk_answer(&ann, 200, NULL);
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 481, NULL);
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->calls_stuck, 1);
    assert_non_null(strstr(s->last_line, "the called side had gone"));
}

static void both_have_gone(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct edge_left left;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_run(s, s->options.idle_ms + 34000); /* no answer to OPTIONS */
    edge_left(s->edge, &left);
    assert_int_equal(s->open_count, 0);
    stage_run(s, 33000); /* nor to BYE */
    edge_left(s->edge, &left);
    assert_int_equal(left.calls, 0);
}

/* RFC 4028: who promised to refresh it did not. */
static void session_expires(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer(&bob, 200, "Session-Expires: 120;refresher=uac\r\n");
    talk_heard(&ann, "200");
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    stage_run(s, 100000);
    talk_request(&ann, "UPDATE", "Session-Expires: 120\r\n", NULL);
    talk_asked(&bob, "UPDATE");
    talk_answer(&bob, 200, "Session-Expires: 120;refresher=uac\r\n");
    talk_heard(&ann, "200");
    stage_run(s, 150000);
    stage_quiet(s);
    stage_run(s, 3000);
    talk_asked(&ann, "BYE");
    talk_answer(&ann, 200, NULL);
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    assert_int_equal(stage_counters(s)->calls_stuck, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(spoofed_bye),      CASE(spoofed_answer),
        CASE(spoofed_cancel),   CASE(outside_of_dialogs),
        CASE(ack_of_nothing),   CASE(bye_before_the_answer),
        CASE(after_the_end),    CASE(numbers),
        CASE(invite_again),     CASE(invite_again_refused),
        CASE(target_refresh),   CASE(prack),
        CASE(update),           CASE(refer),
        CASE(refer_refused),    CASE(subscription),
        CASE(notify_is_faster), CASE(subscription_is_forgotten),
        CASE(single_requests),  CASE(quality_shifts_numbers),
        CASE(both_are_there),   CASE(one_has_gone),
        CASE(both_have_gone),   CASE(session_expires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
