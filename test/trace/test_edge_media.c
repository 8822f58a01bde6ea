/* The media of calls: what is told to each side, when ports open and close, and what ends a call whose media cannot be. */
#include "edge_stage.h"

#include <stdio.h>
#include <string.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, edge_stage_setup, edge_stage_teardown)

static const struct stage_session *session(const struct stage *s)
{
    assert_true(s->session_count > 0);
    return &s->sessions[s->session_count - 1];
}

static void assert_addr(const struct addr *addr, const char *text)
{
    char got[ADDR_TEXT_OCTETS];
    assert_string_equal(addr_format(addr, got), text);
}

static void assert_plain(struct stage *s)
{
    assert_non_null(strstr(stage_text(s), "c=IN IP4 10.0.0.9\r\n"));
    assert_non_null(strstr(stage_text(s), " RTP/AVP 0\r\n"));
    assert_null(strstr(stage_text(s), "a=crypto"));
    assert_null(strstr(stage_text(s), "203.0.113."));
}

static void assert_secure(struct stage *s)
{
    assert_non_null(strstr(stage_text(s), "c=IN IP4 203.0.113.1\r\n"));
    assert_non_null(strstr(stage_text(s), " RTP/SAVP 0\r\n"));
    assert_non_null(strstr(stage_text(s), "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
}

/* ---- offers and answers ---- */

static void out(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    assert_secure(s);
    assert_int_equal(s->open_count, 1);
    assert_int_equal(session(s)->sets, 0); /* nothing passes before the answer */
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    assert_plain(s);
    assert_int_equal(session(s)->sets, 1);
    const struct media_stream *stream = &session(s)->last.streams[0];
    assert_int_equal(session(s)->last.stream_count, 1);
    assert_int_equal(stream->kind, MEDIA_RTP);
    assert_addr(&stream->ends[MEDIA_INSIDE].remote, "10.0.0.77:4000");
    assert_addr(&stream->ends[MEDIA_OUTSIDE].remote, "203.0.113.9:20000");
    assert_int_equal(stream->ends[MEDIA_INSIDE].in.suite, SUITE_NONE);
    assert_int_equal(stream->ends[MEDIA_OUTSIDE].in.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    assert_int_equal(stream->ends[MEDIA_OUTSIDE].out.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    talk_bye(&bob, &ann);
    assert_int_equal(s->open_count, 0);
}

static void in(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_begin(s, &bob, FAR, &ann, AGENT);
    assert_plain(s);
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    assert_secure(s);
    talk_ack(&bob);
    talk_asked(&ann, "ACK");
    assert_addr(&session(s)->last.streams[0].ends[MEDIA_INSIDE].remote, "10.0.0.77:4000");
    talk_bye(&bob, &ann);
    assert_int_equal(s->open_count, 0);
}

/* The offer comes with the answer, and its answer with the ACK. */
static void offer_comes_late(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_ask(s, &ann, AGENT, "INVITE", WAY, NULL);
    talk_asked_first(s, &bob, FAR, "INVITE");
    assert_int_equal(s->open_count, 0);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    assert_plain(s);
    assert_int_equal(session(s)->sets, 0);
    talk_ack_with(&ann, stage_plain_sdp);
    talk_asked(&bob, "ACK");
    assert_secure(s);
    assert_int_equal(session(s)->sets, 1);
    talk_bye(&ann, &bob);
    assert_int_equal(s->open_count, 0);
}

/* Nothing is described at first, as by those who only want to know whether somebody is there. */
static void described_later(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_ask(s, &ann, AGENT, "INVITE", WAY, NULL);
    talk_asked_first(s, &bob, FAR, "INVITE");
    const char *const sdp = bob.sdp;
    bob.sdp = NULL;
    talk_accept(&ann, &bob);
    assert_int_equal(s->open_count, 0);
    bob.sdp = sdp;
    talk_request(&bob, "INVITE", NULL, stage_secure_sdp);
    talk_asked(&ann, "INVITE");
    assert_plain(s);
    talk_accept(&bob, &ann);
    assert_int_equal(session(s)->sets, 1);
    assert_int_equal(s->open_count, 1);
    talk_bye(&ann, &bob);
    assert_int_equal(s->open_count, 0);
}

static void answer_in_ack_is_wrong(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_ask(s, &bob, FAR, "INVITE", stage_good_ticket(s), NULL);
    talk_asked_first(s, &ann, AGENT, "INVITE");
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    talk_ack_with(&bob, stage_plain_sdp); /* no SRTP */
    stage_take(s, AGENT, "ACK");
    talk_asked(&ann, "BYE");
    talk_answer(&ann, 200, NULL);
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
    assert_int_equal(s->open_count, 0);
    assert_int_equal(stage_counters(s)->refused_sdp, 1); /* not what was offered */
}

/* What one phone rings with and another one answers with: the last word counts, and in the end the answer's. */
static void early_media_of_forks(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    static const char second[] =
        "v=0\r\no=- 2 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\nm=audio 22222 RTP/SAVP 0\r\n"
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAcmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJS\r\n";
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer_as(&bob, 183, "one", NULL);
    talk_heard(&ann, "183");
    assert_plain(s);
    assert_addr(&session(s)->last.streams[0].ends[MEDIA_OUTSIDE].remote, "203.0.113.9:20000");
    bob.sdp = second;
    talk_answer_as(&bob, 183, "two", NULL);
    talk_heard(&ann, "183");
    assert_addr(&session(s)->last.streams[0].ends[MEDIA_OUTSIDE].remote, "203.0.113.9:22222");
    bob.sdp = stage_secure_sdp;
    talk_answer_as(&bob, 200, "one", NULL);
    talk_heard(&ann, "200");
    assert_addr(&session(s)->last.streams[0].ends[MEDIA_OUTSIDE].remote, "203.0.113.9:20000");
    assert_int_equal(s->session_count, 1);
    talk_ack(&ann);
    stage_take(s, FAR, "ACK");
    snprintf(bob.tag, sizeof bob.tag, "one");
    talk_bye(&ann, &bob);
    assert_int_equal(s->open_count, 0);
}

static void hold(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    char held[512];
    talk_connect(s, &ann, AGENT, &bob, FAR);
    assert_true(session(s)->last.streams[0].ends[MEDIA_OUTSIDE].may_send);
    snprintf(held, sizeof held, "%s", stage_plain_sdp);
    memcpy(strstr(held, "- 1 1"), "- 1 2", 5);
    strcat(held, "a=sendonly\r\n");
    talk_request(&ann, "INVITE", NULL, held);
    talk_asked(&bob, "INVITE");
    assert_non_null(strstr(stage_text(s), "a=sendonly\r\n"));
    assert_secure(s);
    char holds[512];
    snprintf(holds, sizeof holds, "%sa=recvonly\r\n", stage_secure_sdp);
    memcpy(strstr(holds, "- 1 1"), "- 1 2", 5);
    bob.sdp = holds;
    talk_accept(&ann, &bob);
    assert_false(session(s)->last.streams[0].ends[MEDIA_OUTSIDE].may_send);
    assert_true(session(s)->last.streams[0].ends[MEDIA_INSIDE].may_send);
    assert_int_equal(s->session_count, 1);
    talk_bye(&bob, &ann);
}

static void change_is_refused(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    char moved[512];
    talk_connect(s, &ann, AGENT, &bob, FAR);
    const unsigned sets = session(s)->sets;
    snprintf(moved, sizeof moved, "%s", stage_plain_sdp);
    memcpy(strstr(moved, "- 1 1"), "- 1 2", 5);
    memcpy(strstr(moved, "4000"), "4400", 4);
    talk_request(&ann, "INVITE", NULL, moved);
    talk_asked(&bob, "INVITE");
    talk_answer(&bob, 488, NULL);
    talk_asked(&bob, "ACK");
    talk_heard(&ann, "488");
    talk_ack(&ann);
    assert_addr(&session(s)->last.streams[0].ends[MEDIA_INSIDE].remote, "10.0.0.77:4000");
    assert_true(session(s)->sets - sets <= 1);
    talk_request(&ann, "UPDATE", NULL, moved); /* the offer is over: another one may be made */
    talk_asked(&bob, "UPDATE");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    assert_addr(&session(s)->last.streams[0].ends[MEDIA_INSIDE].remote, "10.0.0.77:4400");
    talk_bye(&ann, &bob);
}

/* Both offer at once. */
static void glare(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_request(&ann, "UPDATE", NULL, stage_plain_sdp);
    talk_asked(&bob, "UPDATE");
    talk_request(&bob, "UPDATE", NULL, stage_secure_sdp);
    talk_heard(&bob, "491");
    assert_int_equal(stage_counters(s)->blocked_offer, 1);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_bye(&ann, &bob);
}

/* ---- refusals ---- */

static void expect_refused(struct stage *s, const char *sdp, const char *status, const uint64_t *counter,
                           const char *event)
{
    struct talk t;
    const uint64_t before = *counter;
    talk_ask(s, &t, FAR, "INVITE", stage_good_ticket(s), sdp);
    talk_heard(&t, status);
    if (strcmp(status, "503") != 0) /* what is wrong with the message; else there is nothing wrong with it */
        assert_non_null(strstr(stage_field(s, SIP_REASON), "X-IME ;cause=148 ;text=\""));
    talk_ack(&t);
    stage_quiet(s);
    assert_int_equal(*counter, before + 1);
    assert_int_equal(s->open_count, 0);
    assert_string_equal(s->last_event, "edge.call.over");
    assert_string_equal(s->event_before, event);
}

#define SECURE_AT(address)                                                         \
    "v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 " address                \
    "\r\nt=0 0\r\nm=audio 20000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 " \
    "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"

static void far_offers(void **state)
{
    struct stage *s = *state;
    static const char plain[] = "v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\n"
                                "m=audio 20000 RTP/AVP 0\r\n";
    expect_refused(s, plain, "488", &stage_counters(s)->refused_srtp, "edge.srtp.missing");
    static const char *const bad[] = {SECURE_AT("127.0.0.1"), SECURE_AT("10.0.0.1"), SECURE_AT("192.168.1.1"),
                                      SECURE_AT("224.0.0.9"), SECURE_AT("169.254.1.1")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refused(s, bad[i], "488", &stage_counters(s)->refused_address, "edge.sdp.refused");
    expect_refused(s, "v=0\r\nnonsense\r\n", "400", &stage_counters(s)->refused_sdp, "edge.sdp.refused");
}

static void no_worker(void **state)
{
    struct stage *s = *state;
    s->media_full = true;
    expect_refused(s, stage_secure_sdp, "503", &stage_counters(s)->refused_media, "edge.sdp.refused");
}

/* Whoever answers without SRTP has agreed to nothing: the caller hears so, and the answer is taken back. */
static void far_answers_without_srtp(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    bob.sdp = stage_plain_sdp;
    talk_answer(&bob, 200, NULL);
    stage_take(s, AGENT, "488");
    assert_string_equal(s->event_before, "edge.sdp.refused");
    assert_non_null(strstr(s->line_before, " answer=200 ")); /* and not in the far side's words */
    ann.failed = true;
    talk_ack(&ann);
    stage_take(s, FAR, "ACK");
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
    assert_int_equal(s->open_count, 0);
    assert_int_equal(stage_counters(s)->refused_sdp, 1); /* not what was offered */
}

static void no_ports_stay(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer(&bob, 183, NULL);
    talk_heard(&ann, "183");
    talk_answer(&bob, 486, NULL);
    talk_asked(&bob, "ACK");
    talk_heard(&ann, "486");
    talk_ack(&ann);
    assert_int_equal(s->open_count, 0);
    talk_call_with(s, &ann, AGENT, WAY);
    assert_int_equal(s->open_count, 1);
    stage_unreachable(s, FAR);
    talk_heard(&ann, "503");
    talk_ack(&ann);
    assert_int_equal(s->open_count, 0);
}

/* ---- workers ---- */

static void worker_dies(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct media_event event = {.kind = MEDIA_LOST};
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_media(s, &event);
    talk_asked(&ann, "BYE");
    assert_non_null(strstr(stage_field(s, SIP_REASON), "X-IME ;cause=148"));
    talk_answer(&ann, 200, NULL);
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->media_lost, 1);
    talk_connect(s, &ann, AGENT, &bob, FAR); /* others are there */
    talk_bye(&ann, &bob);
}

static void worker_dies_before_the_answer(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct media_event event = {.kind = MEDIA_LOST};
    talk_begin(s, &ann, AGENT, &bob, FAR);
    talk_answer(&bob, 180, NULL);
    talk_heard(&ann, "180");
    stage_media(s, &event);
    talk_heard(&ann, "503"); /* the agent goes by the phone network */
    talk_ack(&ann);
    stage_take(s, FAR, "CANCEL");
    talk_answer(&bob, 487, NULL);
    talk_asked(&bob, "ACK");
    stage_quiet(s);
}

static void silence(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct media_event event = {.kind = MEDIA_SILENT, .side = MEDIA_OUTSIDE};
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_media(s, &event);
    talk_asked(&bob, "OPTIONS");
    talk_answer(&bob, 200, NULL); /* it is there, and has nothing to say */
    stage_quiet(s);
    stage_media(s, &event);
    talk_asked(&bob, "OPTIONS");
    stage_media(s, &event); /* once at a time */
    talk_answer(&bob, 481, NULL);
    talk_asked(&ann, "BYE");
    talk_answer(&ann, 200, NULL);
    talk_asked(&bob, "BYE");
    talk_answer(&bob, 481, NULL);
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->media_silent, 3);
}

static void summary(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    s->summary.stream_count = 1;
    s->summary.streams[0][MEDIA_OUTSIDE] = (struct media_figures){.packets = 500,
                                                                  .codec = "PCMU",
                                                                  .ptime_ms = 20,
                                                                  .worst_loss_ppm = 125000,
                                                                  .impairments = 2,
                                                                  .longest_burst = 7,
                                                                  .delay_variation_mean_us = 4000,
                                                                  .total_s = 10,
                                                                  .concealed_s = 2,
                                                                  .severely_concealed_s = 1,
                                                                  .mos_hundredths = 314};
    talk_bye(&ann, &bob);
    assert_string_equal(s->last_event, "edge.media.summary");
    assert_non_null(strstr(s->last_line, "from=outside fallback=good codec=PCMU ptime_ms=20 packets=500"));
    assert_non_null(strstr(s->last_line, "worst_loss=0.1250 impairments=2 longest_burst=7"));
    assert_non_null(strstr(s->last_line, "concealed_s=10/2/1 mos=3.14"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(out),
        CASE(in),
        CASE(offer_comes_late),
        CASE(described_later),
        CASE(answer_in_ack_is_wrong),
        CASE(early_media_of_forks),
        CASE(hold),
        CASE(change_is_refused),
        CASE(glare),
        CASE(far_offers),
        CASE(no_worker),
        CASE(far_answers_without_srtp),
        CASE(no_ports_stay),
        CASE(worker_dies),
        CASE(worker_dies_before_the_answer),
        CASE(silence),
        CASE(summary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
