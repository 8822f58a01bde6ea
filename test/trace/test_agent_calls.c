/* Calls between a PBX and the phone network: what the other side sees of them, and how they end. */
#include "agent_stage.h"

#include <stdio.h>
#include <string.h>

static void outbound(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    /* What names a hop or a dialog is ours; the rest is as it came. */
    assert_slice_text(s->message.uri, "sip:+49302000001@carrier-1;user=phone");
    assert_string_equal(stage_field(s, SIP_MAX_FORWARDS), "69");
    assert_non_null(strstr(stage_field(s, SIP_FROM), "\"Ann\" <sip:+49301001234@carrier-1;user=phone>;tag="));
    assert_non_null(strstr(stage_text(s), "\r\nX-Unknown:  kept  as it is\r\n"));
    assert_non_null(strstr(stage_text(s), "\r\nm=audio 4000 RTP/AVP 0\r\n"));
    assert_null(strstr(stage_text(s), "10.0.0.1")); /* nothing of the inside */
    assert_null(strstr(stage_text(s), ann.call_id));
    talk_ring(&ann, &bob);
    assert_non_null(strstr(stage_field(s, SIP_CONTACT), "@10.0.0.9:5060>;+sip.instance"));
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    stage_quiet(s); /* the ACK is the caller's */
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    stage_run(s, 60000);
    stage_quiet(s);
    talk_request(&ann, "BYE", "Reason: Q.850;cause=16\r\n", NULL);
    talk_heard(&ann, "200");
    talk_asked(&bob, "BYE");
    assert_string_equal(stage_field(s, SIP_REASON), "Q.850;cause=16");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);

    struct call_record r = stage_record(s);
    assert_int_equal(r.direction, CALL_OUTBOUND);
    assert_int_equal(r.to, AGENT_PSTN);
    assert_string_equal(r.called.text, "+49302000001");
    assert_string_equal(r.calling.text, "+49301001234");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.ended_at.ms - r.answered_at.ms, 60000);
    assert_string_equal(r.ended_by, "the caller");
    struct vap_vcr vcr;
    uint64_t token;
    assert_true(agent_records_take(s->parts.records, s->now, 0, &vcr, &token));
    assert_int_equal(vcr.direction, VAP_SENT);
    assert_string_equal(vcr.called.text, "+49302000001");
    assert_int_equal(wall_from_ntp(vcr.stop_ntp).ms - wall_from_ntp(vcr.start_ntp).ms, 60000);
}

static void inbound(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_connect(s, &bob, CARRIER_2, "+49301001234", &ann, PBX);
    talk_request(&ann, "BYE", NULL, NULL);
    talk_heard(&ann, "200");
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
    struct call_record r = stage_record(s);
    assert_int_equal(r.direction, CALL_INBOUND);
    assert_string_equal(r.called.text, "+49301001234");
    assert_string_equal(r.ended_by, "the called side");
    struct vap_vcr vcr;
    uint64_t token;
    assert_true(agent_records_take(s->parts.records, s->now, 0, &vcr, &token));
    assert_int_equal(vcr.direction, VAP_RECEIVED);
    assert_string_equal(vcr.calling.text, "+49302000001");
}

static void busy(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_answer(&bob, 486, "Reason: Q.850;cause=17\r\n");
    talk_asked(&bob, "ACK");
    talk_heard(&ann, "486");
    assert_string_equal(stage_field(s, SIP_REASON), "Q.850;cause=17");
    talk_ack(&ann);
    stage_quiet(s);
    assert_int_equal(stage_record(s).status, 486);
}

static void next_carrier_when_the_first_is_ill(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, bob2;
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_answer(&bob, 503, NULL);
    talk_asked(&bob, "ACK");
    talk_called(s, &bob2, CARRIER_2);
    talk_answer(&bob2, 200, NULL);
    talk_heard(&ann, "200"); /* one call for the caller */
    talk_ack(&ann);
    talk_asked(&bob2, "ACK");
    stage_quiet(s);
}

static void next_carrier_when_the_first_is_silent(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    s->deaf[CARRIER_1] = true;
    talk_call(s, &ann, PBX, "0302000001");
    talk_heard(&ann, "100");
    stage_run(s, 3999);
    stage_quiet(s);
    stage_run(s, 1);
    talk_called(s, &bob, CARRIER_2);
    talk_accept(&ann, &bob);
}

/* The phone network may take long before it rings, and its 180 may be lost: a carrier that has said 100 has the call. */
static void carrier_takes_its_time(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_call(s, &ann, PBX, "0302000001");
    talk_heard(&ann, "100");
    talk_called(s, &bob, CARRIER_1);
    talk_answer(&bob, 100, NULL);
    stage_run(s, 40000);
    stage_quiet(s);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    stage_quiet(s);
}

static void nobody_there(void **state)
{
    struct stage *s = *state;
    struct talk ann;
    s->deaf[CARRIER_1] = s->deaf[CARRIER_2] = true;
    talk_call(s, &ann, PBX, "0302000001");
    talk_heard(&ann, "100");
    stage_run(s, 36000); /* 4 s for the first, 32 s for the last */
    talk_heard(&ann, "408");
    talk_ack(&ann);
    stage_quiet(s);
    assert_string_equal(stage_record(s).ended_by, "the agent: no way was left");
}

static void cancel(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_ring(&ann, &bob);
    talk_cancel(&ann);
    stage_take(s, PBX, "200");
    talk_heard(&ann, "487");
    talk_ack(&ann);
    stage_take(s, CARRIER_1, "CANCEL");
    talk_answer(&bob, 487, NULL);
    talk_asked(&bob, "ACK");
    stage_quiet(s);
    assert_string_equal(stage_record(s).ended_by, "the caller");
}

/* The answer is on its way when the caller gives up: acknowledged and ended, as often as it is repeated, without the caller. */
static void answer_crosses_cancel(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_ring(&ann, &bob);
    char invite[STAGE_MESSAGE_OCTETS];
    strcpy(invite, bob.request);
    talk_cancel(&ann);
    stage_take(s, PBX, "200");
    talk_heard(&ann, "487");
    talk_ack(&ann);
    stage_take(s, CARRIER_1, "CANCEL");
    talk_answer(&bob, 200, NULL);
    talk_asked(&bob, "ACK");
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    strcpy(bob.request, invite);
    talk_answer(&bob, 200, NULL);
    talk_asked(&bob, "ACK");
    stage_quiet(s);
    assert_int_equal(agent_counters(s->agent)->answers_late, 2);
}

/* The phone is up for nobody: it is told so, however late, and once. */
static void expect_late_answer_ended(struct stage *s, struct talk *bob)
{
    char invite[STAGE_MESSAGE_OCTETS];
    strcpy(invite, bob->request);
    talk_answer(bob, 200, NULL);
    talk_asked(bob, "ACK");
    assert_int_equal(s->message.cseq.number, bob->invite_cseq);
    talk_asked(bob, "BYE");
    assert_int_equal(s->message.cseq.number, bob->invite_cseq + 1);
    talk_answer(bob, 200, NULL);
    strcpy(bob->request, invite);
    talk_answer(bob, 200, NULL);
    talk_asked(bob, "ACK");
    stage_quiet(s);
}

static void answer_long_after_the_timeout(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    s->deaf[CARRIER_1] = true;
    talk_call(s, &ann, PBX, "0302000001");
    talk_heard(&ann, "100");
    stage_run(s, 4000);
    talk_called(s, &bob, CARRIER_2);
    s->deaf[CARRIER_2] = true; /* its repetitions */
    stage_run(s, 32000);
    s->deaf[CARRIER_2] = false;
    talk_heard(&ann, "408");
    talk_ack(&ann);
    stage_run(s, 20000);
    assert_int_equal(agent_calls(s->agent), 0);
    expect_late_answer_ended(s, &bob);
}

static void answer_long_after_cancel(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_ring(&ann, &bob);
    talk_cancel(&ann);
    stage_take(s, PBX, "200");
    talk_heard(&ann, "487");
    talk_ack(&ann);
    s->deaf[CARRIER_1] = true;
    stage_take(s, CARRIER_1, "CANCEL");
    stage_run(s, 60000);
    s->deaf[CARRIER_1] = false;
    assert_int_equal(agent_calls(s->agent), 0);
    expect_late_answer_ended(s, &bob);
}

/* A proxy behind the carrier had two phones ring: one declined for all, the other had been picked up before it knew. */
static void answer_after_a_refusal(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    char invite[STAGE_MESSAGE_OCTETS];
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    strcpy(invite, bob.request);
    talk_refuse(&ann, &bob, 603);
    strcpy(bob.request, invite);
    strcpy(bob.tag, "other");
    expect_late_answer_ended(s, &bob);
}

/* Only those that we would call may have us send something. */
static void late_answer_from_a_stranger(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    char text[STAGE_MESSAGE_OCTETS];
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    snprintf(text, sizeof text,
             "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 "
             "INVITE\r\nContact: <sip:e@203.0.113.1>\r\nContent-Length: 0\r\n\r\n",
             stage_field(s, SIP_VIA));
    talk_refuse(&ann, &bob, 486);
    stage_run(s, 60000);
    stage_send_from(s, AGENT_PSTN, "198.51.100.66:5060", text);
    assert_string_equal(s->to_strangers, "");
    stage_quiet(s);
}

/* Requests inside of the call go where the other end says that it is by now. */
static void target_is_refreshed(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    char text[STAGE_MESSAGE_OCTETS];
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    snprintf(text, sizeof text,
             "UPDATE %s SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK-moves\r\nMax-Forwards: 70\r\n"
             "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u UPDATE\r\nContact: <sip:bob@198.51.100.2:5060>\r\n"
             "Content-Length: 0\r\n\r\n",
             bob.target, bob.local, bob.remote, bob.call_id, ++bob.cseq);
    stage_send(s, CARRIER_1, text);
    talk_asked(&ann, "UPDATE");
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    bob.peer = CARRIER_2;
    talk_request(&ann, "INFO", NULL, NULL);
    talk_asked(&bob, "INFO");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_request(&ann, "BYE", NULL, NULL);
    talk_heard(&ann, "200");
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
}

/* Nobody waits for the answer to the re-INVITE any longer; the call may go on, so it is not ended. */
static void late_answer_in_a_call(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_request(&ann, "INVITE", NULL, "v=0\r\n");
    talk_heard(&ann, "100");
    talk_asked(&bob, "INVITE");
    s->deaf[CARRIER_1] = true;
    stage_run(s, 32000);
    s->deaf[CARRIER_1] = false;
    talk_heard(&ann, "408");
    talk_ack(&ann);
    talk_answer(&bob, 200, NULL);
    talk_asked(&bob, "ACK");
    stage_quiet(s);
    assert_int_equal(agent_calls(s->agent), 1);
    assert_int_equal(agent_counters(s->agent)->answers_late, 0);
}

static void answer_is_repeated_until_acknowledged(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    stage_run(s, 500);
    talk_heard(&ann, "200");
    stage_run(s, 1000);
    talk_heard(&ann, "200");
    stage_quiet(s);
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    stage_run(s, 10000);
    stage_quiet(s);
}

/* The network brings a request before the ACK: the called phone is acknowledged first, by us, and the ACK that follows is not needed any more. */
static void request_overtakes_ack(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_request(&ann, "INFO", NULL, NULL);
    talk_asked(&bob, "ACK");
    talk_asked(&bob, "INFO");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_ack(&ann);
    stage_run(s, 60000);
    stage_quiet(s);
    assert_int_equal(agent_calls(s->agent), 1);
}

/* The same, when the called phone has made the offer: only the caller can answer it. */
static void request_overtakes_answer(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_request(&ann, "INVITE", NULL, NULL);
    talk_heard(&ann, "100");
    talk_asked(&bob, "INVITE");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_request(&ann, "INFO", NULL, NULL);
    talk_asked(&bob, "INFO");
    stage_quiet(s);
}

static void repeated_answer_is_acknowledged_again(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_answer(&bob, 200, NULL); /* before there is an ACK: nothing to say yet */
    stage_quiet(s);
    char invite[STAGE_MESSAGE_OCTETS];
    strcpy(invite, bob.request);
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    strcpy(bob.request, invite);
    talk_answer(&bob, 200, NULL);
    talk_asked(&bob, "ACK");
    stage_quiet(s);
}

static void answer_never_acknowledged(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_answer(&bob, 200, NULL);
    stage_run(s, 32000);
    while (!stage_is_quiet(s, PBX))
        stage_skip(s, PBX);
    talk_asked(&bob, "ACK"); /* of our own, then goodbye */
    talk_asked(&bob, "BYE");
    assert_int_equal(agent_counters(s->agent)->answers_unacknowledged, 1);
}

/* Two phones ring, each with its own early dialog; the second answers. */
static void forks(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, bob2;
    char first[STAGE_TEXT_OCTETS];
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    bob2 = bob;
    strcpy(bob2.tag, "other");
    talk_ring(&ann, &bob);
    strcpy(first, ann.remote);
    talk_answer(&bob2, 183, NULL);
    talk_heard(&ann, "183");
    assert_string_not_equal(first, ann.remote);
    talk_answer(&bob2, 200, NULL);
    talk_heard(&ann, "200");
    assert_string_not_equal(first, ann.remote);
    talk_ack(&ann);
    stage_take(s, CARRIER_1, "ACK");
    assert_slice_text(s->message.to.tag, "other");
    /* The first one was as fast: it is acknowledged and ended, the caller hears nothing of it. */
    talk_answer(&bob, 200, NULL);
    talk_asked(&bob, "ACK");
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
}

static void reinvite(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_request(&bob, "INVITE", NULL, "v=0\r\nhold\r\n");
    talk_heard(&bob, "100");
    talk_asked(&ann, "INVITE");
    assert_non_null(strstr(stage_text(s), "\r\n\r\nv=0\r\nhold\r\n"));
    talk_accept(&bob, &ann);
    stage_quiet(s);
    /* And by the other side, refused: the call goes on. */
    talk_request(&ann, "INVITE", NULL, "v=0\r\nvideo\r\n");
    talk_heard(&ann, "100");
    talk_asked(&bob, "INVITE");
    talk_refuse(&ann, &bob, 488);
    stage_quiet(s);
    assert_int_equal(agent_calls(s->agent), 1);
}

/* Hold, resume, video: offers and answers go through octet for octet. */
static void offers_pass(void **state)
{
    static const char *const offers[] = {
        "v=0\r\no=- 1 2 IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendonly\r\n",
        "v=0\r\no=- 1 3 IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n",
        "v=0\r\no=- 1 4 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n"
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"
        "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=42e01f\r\n"};
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        struct talk *from = i % 2 ? &ann : &bob, *to = i % 2 ? &bob : &ann;
        talk_request(from, "INVITE", NULL, offers[i]);
        talk_heard(from, "100");
        talk_asked(to, "INVITE");
        assert_slice_text(s->message.body, offers[i]);
        talk_accept(from, to);
    }
    stage_quiet(s);
}

/* A re-INVITE that is given up: its CANCEL goes on, and the call, too. */
static void reinvite_cancelled(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_request(&ann, "INVITE", NULL, "v=0\r\n");
    talk_heard(&ann, "100");
    talk_asked(&bob, "INVITE");
    talk_answer(&bob, 183, NULL);
    talk_heard(&ann, "183");
    talk_cancel(&ann);
    stage_take(s, PBX, "200");
    stage_take(s, CARRIER_1, "CANCEL");
    talk_refuse(&ann, &bob, 487);
    stage_quiet(s);
    assert_int_equal(agent_calls(s->agent), 1);
}

/* Digits in INFO, whatever their form; those in the audio are none of ours. */
static void digits(void **state)
{
    static const char *const forms[] = {"application/dtmf-relay", "application/dtmf", "application/vnd.example"};
    struct stage *s = *state;
    struct talk ann, bob;
    char more[128];
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        snprintf(more, sizeof more, "Info-Package: x\r\nX-Form: %s\r\n", forms[i]);
        talk_request(&bob, "INFO", more, "Signal=5\r\nDuration=160\r\n");
        talk_asked(&ann, "INFO");
        assert_slice_text(s->message.body, "Signal=5\r\nDuration=160\r\n");
        assert_non_null(strstr(stage_text(s), more));
        talk_answer(&ann, 200, NULL);
        talk_heard(&bob, "200");
    }
    stage_quiet(s);
}

/* Both ends send one at the same time: each hears of it, refuses it with 491, and tries again when its time has come. */
static void glare(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_request(&bob, "INVITE", NULL, "v=0\r\n");
    talk_request(&ann, "INVITE", NULL, "v=0\r\n");
    talk_heard(&bob, "100");
    talk_asked(&ann, "INVITE");
    talk_heard(&ann, "100");
    talk_answer(&ann, 491, NULL);
    talk_asked(&ann, "ACK");
    talk_asked(&bob, "INVITE");
    talk_heard(&bob, "491");
    talk_ack(&bob);
    talk_refuse(&ann, &bob, 491);
    stage_quiet(s);
}

static void reliable_provisional(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    char rack[64];
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    unsigned cseq = bob.invite_cseq;
    assert_int_not_equal(cseq, ann.invite_cseq);
    char invite[STAGE_MESSAGE_OCTETS];
    strcpy(invite, bob.request);
    talk_answer(&bob, 183, "Require: 100rel\r\nRSeq: 5\r\n");
    talk_heard(&ann, "183");
    assert_string_equal(stage_field(s, SIP_RSEQ), "5");
    talk_request(&ann, "PRACK", "RAck: 5 101 INVITE\r\n", NULL);
    talk_asked(&bob, "PRACK");
    snprintf(rack, sizeof rack, "5 %u INVITE", cseq); /* as the called side numbers it */
    assert_string_equal(stage_field(s, SIP_RACK), rack);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_request(&ann, "UPDATE", NULL, "v=0\r\n");
    talk_asked(&bob, "UPDATE");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    strcpy(bob.request, invite);
    talk_accept(&ann, &bob);
    stage_quiet(s);
}

static void byes_cross(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_request(&ann, "BYE", NULL, NULL);
    talk_request(&bob, "BYE", NULL, NULL);
    talk_heard(&ann, "200");
    talk_asked(&bob, "BYE");
    talk_heard(&bob, "200");
    talk_answer(&bob, 481, NULL);
    stage_quiet(s);
}

/* A side that went away without a word is asked, and the call ends. */
static void lost_bye(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    stage_run(s, 15 * 60000);
    talk_asked(&ann, "OPTIONS");
    talk_answer(&ann, 200, NULL);
    talk_asked(&bob, "OPTIONS");
    talk_answer(&bob, 481, NULL);
    talk_asked(&ann, "BYE");
    talk_answer(&ann, 200, NULL);
    stage_quiet(s);
    assert_int_equal(agent_counters(s->agent)->calls_stuck, 1);
    assert_string_equal(stage_record(s).ended_by, "the agent: the called side had gone");
}

/* Nobody is left who could say goodbye, with or without a session timer. */
static void both_gone(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    s->deaf[PBX] = s->deaf[CARRIER_1] = true;
    stage_run(s, 15 * 60000 + 31999);
    assert_int_equal(agent_calls(s->agent), 1);
    stage_run(s, 1);
    assert_string_not_equal(stage_record(s).ended_by, "");
    struct vap_vcr vcr;
    uint64_t token;
    assert_true(agent_records_take(s->parts.records, s->now, 0, &vcr, &token));
    stage_run(s, 32000); /* the BYE to the other one */
    assert_int_equal(agent_calls(s->agent), 0);
}

/* The session timer is between the two ends (RFC 4028): what they negotiate, and their refreshes, pass. */
static void session_timer(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_call_with(s, &ann, PBX, "0302000001", "Supported: timer\r\nSession-Expires: 1800\r\nMin-SE: 90\r\n");
    talk_heard(&ann, "100");
    talk_called(s, &bob, CARRIER_1);
    assert_string_equal(stage_field(s, SIP_SESSION_EXPIRES), "1800");
    assert_string_equal(stage_field(s, SIP_MIN_SE), "90");
    talk_answer(&bob, 200, "Require: timer\r\nSession-Expires: 1800;refresher=uac\r\n");
    talk_heard(&ann, "200");
    assert_string_equal(stage_field(s, SIP_SESSION_EXPIRES), "1800;refresher=uac");
    assert_string_equal(stage_field(s, SIP_REQUIRE), "timer");
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    for (unsigned i = 0; i < 4; i++) {
        stage_run(s, 14 * 60000); /* nobody needs to be asked whether he is there */
        stage_quiet(s);
        talk_request(&ann, "UPDATE", "Session-Expires: 1800;refresher=uac\r\n", NULL);
        talk_asked(&bob, "UPDATE");
        assert_string_equal(stage_field(s, SIP_SESSION_EXPIRES), "1800;refresher=uac");
        talk_answer(&bob, 200, "Session-Expires: 1800;refresher=uac\r\n");
        talk_heard(&ann, "200");
    }
    assert_int_equal(agent_calls(s->agent), 1);
}

static void long_calls_live(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    for (unsigned i = 0; i < 8; i++) {
        stage_run(s, 15 * 60000);
        talk_asked(&ann, "OPTIONS");
        talk_answer(&ann, 200, NULL);
        talk_asked(&bob, "OPTIONS");
        talk_answer(&bob, 405, NULL);
        stage_quiet(s);
    }
    assert_int_equal(agent_calls(s->agent), 1);
}

static void nobody_answers(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_ring(&ann, &bob);
    stage_run(s, 180000);
    talk_heard(&ann, "480");
    talk_ack(&ann);
    stage_take(s, CARRIER_1, "CANCEL");
    talk_answer(&bob, 487, NULL);
    talk_asked(&bob, "ACK");
    stage_quiet(s);
}

static void emergency_number(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "112", &bob, CARRIER_1);
    assert_slice_text(s->message.uri, "sip:112@carrier-1");
    talk_refuse(&ann, &bob, 486);
}

/* Our code for an outside line is no business of the carrier's; one carrier has a code of its own. */
static void emergency_number_behind_an_outside_line(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    for (size_t i = 0; i < s->options.trunk_count; i++) {
        struct agent_trunk_options *o = &s->options.trunks[i];
        const char *code = o->side == AGENT_PBX ? "0" : strcmp(o->name, "carrier-2") == 0 ? "9" : "";
        strcpy(o->plan.outside_line, code);
    }
    talk_begin(s, &ann, PBX, "0112", &bob, CARRIER_1);
    assert_slice_text(s->message.uri, "sip:112@carrier-1");
    talk_answer(&bob, 503, NULL);
    talk_asked(&bob, "ACK");
    stage_take(s, CARRIER_2, "INVITE");
    assert_slice_text(s->message.uri, "sip:9112@carrier-2");
}

#define STRANGER                                                                                     \
    "INVITE sip:+49301001234@agent SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.66;branch=z9hG4bKx\r\n"        \
    "Max-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n" \
    "Contact: <sip:a@10.0.0.66>\r\nContent-Length: 0\r\n\r\n"

static void strangers(void **state)
{
    static const char *const addresses[AGENT_SIDES] = {"10.0.0.66:5060", "198.51.100.3:5060", "203.0.113.1:5061"};
    struct stage *s = *state;
    for (unsigned side = 0; side < AGENT_SIDES; side++) {
        stage_send_from(s, (enum agent_side)side, addresses[side], STRANGER);
        assert_non_null(strstr(s->to_strangers, "SIP/2.0 403"));
        s->to_strangers[0] = 0;
        stage_run(s, 60000);
    }
    assert_int_equal(agent_counters(s->agent)->calls_refused_source, 3);
    assert_int_equal(agent_calls(s->agent), 0);
    stage_quiet(s);
}

static void unknown_dialog(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    struct talk stranger = ann;
    strcpy(stranger.call_id, "another");
    talk_request(&stranger, "BYE", NULL, NULL);
    stage_take(s, PBX, "481");
    stage_quiet(s);
}

/* Who knows the tags of a dialog cannot speak in it from another side. */
static void other_side(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    struct talk stranger = ann;
    stranger.peer = CARRIER_2;
    talk_request(&stranger, "BYE", NULL, NULL);
    stage_take(s, CARRIER_2, "481");
    stage_quiet(s);
    assert_int_equal(agent_calls(s->agent), 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, agent_stage_setup, agent_stage_teardown)
    const struct CMUnitTest tests[] = {
        CASE(outbound),
        CASE(inbound),
        CASE(busy),
        CASE(next_carrier_when_the_first_is_ill),
        CASE(next_carrier_when_the_first_is_silent),
        CASE(carrier_takes_its_time),
        CASE(nobody_there),
        CASE(cancel),
        CASE(answer_crosses_cancel),
        CASE(answer_long_after_the_timeout),
        CASE(answer_long_after_cancel),
        CASE(answer_after_a_refusal),
        CASE(late_answer_from_a_stranger),
        CASE(target_is_refreshed),
        CASE(late_answer_in_a_call),
        CASE(answer_is_repeated_until_acknowledged),
        CASE(request_overtakes_ack),
        CASE(request_overtakes_answer),
        CASE(repeated_answer_is_acknowledged_again),
        CASE(answer_never_acknowledged),
        CASE(forks),
        CASE(reinvite),
        CASE(offers_pass),
        CASE(reinvite_cancelled),
        CASE(digits),
        CASE(glare),
        CASE(reliable_provisional),
        CASE(byes_cross),
        CASE(lost_bye),
        CASE(both_gone),
        CASE(session_timer),
        CASE(long_calls_live),
        CASE(nobody_answers),
        CASE(emergency_number),
        CASE(emergency_number_behind_an_outside_line),
        CASE(strangers),
        CASE(unknown_dialog),
        CASE(other_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
