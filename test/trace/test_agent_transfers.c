/* Transfers (RFC 3515, 3891) between sides that know the same dialogs by different names. */
#include "agent_stage.h"

#include <stdio.h>
#include <string.h>

#define NUMBER "+49302000001"

static int setup(void **state)
{
    struct stage *s = agent_stage_new();
    s->options.trunks[PBX].plan.plus = false;
    agent_stage_start(s);
    stage_learn(s, NUMBER, "b.example");
    *state = s;
    return 0;
}

/* One refers the other, who sees this in Refer-To. */
static void refers(struct talk *from, const char *refer_to, struct talk *to, const char *expected)
{
    struct stage *s = from->stage;
    char more[STAGE_TEXT_OCTETS * 2];
    snprintf(more, sizeof more, "Refer-To: %s\r\nReferred-By: <sip:x@y.example>\r\n", refer_to);
    talk_request(from, "REFER", more, NULL);
    talk_asked(to, "REFER");
    assert_string_equal(stage_field(s, SIP_REFER_TO), expected);
    talk_answer(to, 202, NULL);
    talk_heard(from, "202");
}

/* How far it has come; the end of that subscription is not the end of the call. */
static void reports(struct talk *from, struct talk *to)
{
    struct stage *s = from->stage;
    talk_request(from, "NOTIFY", "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n",
                 "SIP/2.0 200 OK");
    talk_asked(to, "NOTIFY");
    assert_slice_text(s->message.body, "SIP/2.0 200 OK");
    talk_answer(to, 200, NULL);
    talk_heard(from, "200");
}

/* ---- to a number ---- */

static void to_a_number(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    refers(&ann, "<sip:0303333333@10.0.0.9:5060>", &bob, "<sip:+49303333333@198.51.100.9:5060;user=phone>");
    reports(&bob, &ann);
    refers(&bob, "<sip:+49303333333@carrier-1>", &ann, "<sip:0303333333@10.0.0.9:5060;user=phone>");
    refers(&bob, "tel:+15551234", &ann, "<sip:0015551234@10.0.0.9:5060;user=phone>");
    refers(&bob, "<sip:cher@c.example>", &ann, "<sip:cher@c.example>"); /* no concern of ours */
    refers(&bob, "<sip:1234@c.example>", &ann, "<sip:1234@c.example>");
    reports(&ann, &bob);
    stage_quiet(s);
    assert_int_equal(agent_calls(s->agent), 1);
}

static void to_a_number_between_companies(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, FAR);
    refers(&ann, "<sip:0303333333@10.0.0.9>", &bob, "<sip:+49303333333@ime.a.example:5061;transport=tls;user=phone>");
    refers(&bob, "<sip:+49304444444@ime.b.example:5061;user=phone>", &ann, "<sip:0304444444@10.0.0.9:5060;user=phone>");
    refers(&bob, "<sip:cher@c.example>", &ann, "<sip:cher@c.example>"); /* of neither company */
}

/* ---- to somebody who is on the line ---- */

/* Ann's dialog with Cher, as Ann names it in Replaces. */
static void name_dialog(const struct talk *t, char text[STAGE_TEXT_OCTETS])
{
    snprintf(text, STAGE_TEXT_OCTETS, "%.200s;to-tag=%.32s;from-tag=%.32s", t->call_id, strstr(t->remote, ";tag=") + 5,
             t->tag);
}

/* The same, as Cher names it. */
static void expect_cher(struct stage *s, const struct talk *cher)
{
    char expected[STAGE_TEXT_OCTETS];
    const char *from_tag = strstr(cher->remote, ";tag=") + 5;
    snprintf(expected, sizeof expected, "%.200s;to-tag=%.32s;from-tag=%.32s", cher->call_id, cher->tag, from_tag);
    assert_string_equal(stage_field(s, SIP_REPLACES), expected);
}

/* Ann has a call with Bob and one with Cher; she connects them. Bob's call replaces hers with Cher, who must hear of her own dialog. */
static void attended(struct stage *s, enum peer bob_at, const char *bob_number, enum peer cher_at,
                     const char *cher_number, const char *point)
{
    struct talk ann, bob, ann2, cher, bob2;
    char user[64], replaces[STAGE_TEXT_OCTETS], refer_to[2 * STAGE_TEXT_OCTETS], expected[2 * STAGE_TEXT_OCTETS];
    char more[2 * STAGE_TEXT_OCTETS];
    talk_connect(s, &ann, PBX, bob_number, &bob, bob_at);
    talk_connect(s, &ann2, PBX, cher_number, &cher, cher_at);
    assert_int_equal(sscanf(ann2.target, "sip:%63[^@]", user), 1);
    snprintf(refer_to, sizeof refer_to, "<%.300s?Replaces=x%%40y%%3Bto-tag%%3D1%%3Bfrom-tag%%3D2>", ann2.target);
    snprintf(expected, sizeof expected, "<sip:%s@%s?Replaces=x%%40y%%3Bto-tag%%3D1%%3Bfrom-tag%%3D2>", user, point);
    refers(&ann, refer_to, &bob, expected);
    name_dialog(&ann2, replaces);
    snprintf(more, sizeof more, "Replaces: %s\r\n", replaces);
    talk_call_with(s, &bob2, bob_at, user, more);
    talk_heard(&bob2, "100");
    struct talk cher2;
    talk_called(s, &cher2, cher_at);
    assert_slice_text(s->message.uri, cher_at == FAR ? "sip:far@203.0.113.9:5061" : "sip:carrier-1@198.51.100.1:5060");
    expect_cher(s, &cher);
    talk_accept(&bob2, &cher2);
    talk_request(&cher, "BYE", NULL, NULL); /* what was replaced */
    talk_heard(&cher, "200");
    talk_asked(&ann2, "BYE");
    talk_answer(&ann2, 200, NULL);
    reports(&bob, &ann);
    talk_request(&ann, "BYE", NULL, NULL);
    talk_heard(&ann, "200");
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
    stage_run(s, 1);
    assert_int_equal(agent_calls(s->agent), 1); /* Bob and Cher */
}

static void attended_at_the_carrier(void **state)
{
    attended(*state, CARRIER_1, "0308888888", CARRIER_1, "0309999999", "198.51.100.9:5060");
}

static void attended_from_a_company_to_the_phone_network(void **state)
{
    attended(*state, FAR, "0302000001", CARRIER_1, "0309999999", "ime.a.example:5061;transport=tls");
}

static void attended_from_the_phone_network_to_a_company(void **state)
{
    attended(*state, CARRIER_1, "0309999999", FAR, "0302000001", "198.51.100.9:5060");
}

/* Some refer to a number and Replaces: the number may lead elsewhere, the call is where it is. */
static void replaces_and_a_number(void **state)
{
    static const char *const fields[] = {"Replaces", "Join"};
    struct stage *s = *state;
    struct talk ann, cher, bob, cher2;
    char dialog[STAGE_TEXT_OCTETS], more[2 * STAGE_TEXT_OCTETS];
    talk_connect(s, &ann, PBX, "0302000001", &cher, FAR);
    name_dialog(&ann, dialog);
    for (size_t i = 0; i < 2; i++) {
        snprintf(more, sizeof more, "%s: %s;early-only\r\n", fields[i], dialog);
        talk_call_with(s, &bob, CARRIER_1, "+49301001234", more);
        talk_heard(&bob, "100");
        talk_called(s, &cher2, FAR);
        assert_slice_text(s->message.uri, "sip:far@203.0.113.9:5061");
        snprintf(more, sizeof more, "\r\n%s: %.200s;to-tag=%.32s;from-tag=%.32s;early-only\r\n", fields[i],
                 cher.call_id, cher.tag, strstr(cher.remote, ";tag=") + 5);
        assert_non_null(strstr(stage_text(s), more));
        talk_refuse(&bob, &cher2, 486);
    }
    /* One that is none of ours goes where the number leads, as it is. */
    talk_call_with(s, &bob, CARRIER_1, "+49301001234", "Replaces: x@y;to-tag=1;from-tag=2\r\n");
    talk_heard(&bob, "100");
    talk_called(s, &ann, PBX);
    assert_string_equal(stage_field(s, SIP_REPLACES), "x@y;to-tag=1;from-tag=2");
}

/* Bob, of another company, refers Ann to a dialog of his agent: her PBX cannot know where that is, but we do. The dialog has the same name
 * on both sides of us: his agent translates it. */
static void to_a_dialog_of_another_company(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, ann2, cher;
    char expected[2 * STAGE_TEXT_OCTETS], user[64];
    talk_connect(s, &ann, PBX, "0302000001", &bob, FAR);
    assert_int_equal(sscanf(ann.target, "sip:%63[^@]", user), 1);
    strcat(user, "-0123456789abcdef");
    snprintf(expected, sizeof expected, "<sip:%s@10.0.0.9:5060?Replaces=x>", user);
    refers(&bob, "<sip:0123456789abcdef@ime.b.example:5061;transport=tls?Replaces=x>", &ann, expected);
    talk_call_with(s, &ann2, PBX, user, "Replaces: x@b;to-tag=1;from-tag=2\r\n");
    talk_heard(&ann2, "100");
    talk_called(s, &cher, FAR);
    assert_slice_text(s->message.uri, "sip:0123456789abcdef@203.0.113.9:5061");
    assert_string_equal(stage_field(s, SIP_REPLACES), "x@b;to-tag=1;from-tag=2");
    talk_accept(&ann2, &cher);
    stage_quiet(s);
}

/* The call is over, and its name with it. */
static void to_a_dialog_that_is_gone(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, bob2;
    char user[64];
    talk_connect(s, &ann, PBX, "0302000001", &bob, FAR);
    assert_int_equal(sscanf(bob.target, "sip:%63[^@]", user), 1);
    talk_request(&ann, "BYE", NULL, NULL);
    talk_heard(&ann, "200");
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    stage_run(s, 1);
    talk_call(s, &bob2, FAR, user);
    talk_heard(&bob2, "100");
    talk_heard(&bob2, "484");
    talk_ack(&bob2);
    stage_quiet(s);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, agent_stage_teardown)
    const struct CMUnitTest tests[] = {
        CASE(to_a_number),
        CASE(to_a_number_between_companies),
        CASE(attended_at_the_carrier),
        CASE(attended_from_a_company_to_the_phone_network),
        CASE(attended_from_the_phone_network_to_a_company),
        CASE(replaces_and_a_number),
        CASE(to_a_dialog_of_another_company),
        CASE(to_a_dialog_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
