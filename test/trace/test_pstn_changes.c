/* What is asked for in the middle of calls, in virtual time: other addresses, other codecs, hold, all at once; of carriers that relay media and answer
 * themselves, of phones, and through a network that passes it on. */
#include "pstn_stage.h"

#define HEAD(version) "v=0\r\no=- 1 " version " IN IP4 10.0.0.4\r\ns=-\r\nc=IN IP4 10.0.0.4\r\nt=0 0\r\n"
#define AUDIO(port, types) "m=audio " port " RTP/AVP " types "\r\na=rtpmap:96 telephone-event/8000\r\n"

static void give_ports(struct stage *s, unsigned phone)
{
    struct pstn_phone_options *o = &s->ends[phone].options;
    o->ports[0] = o->video_ports[0] = address(phone_points[phone]);
    o->ports[0].port = 4000;
    o->video_ports[0].port = 4002;
    o->port_count = 1;
}

static void relay(struct stage *s)
{
    s->options.carriers[0].media = address("198.51.100.1:20000");
    s->options.carriers[0].media_calls = 4;
}

/* The PBX calls BOB, who answers. */
struct dialog {
    char to[512], target[512];
};
static struct dialog call_bob(struct stage *s, const char *offer)
{
    struct dialog d;
    give_ports(s, BOB);
    add_trunk(s, "d", 0, PBX_POINT, "+49301009999");
    stage_start(s);
    pbx_requests(s, "INVITE", "sip:+49302005678@carrier", "<sip:+49302005678@carrier>", 1, "", offer);
    stage_run(s, 5000);
    pbx_expect(s, "SIP/2.0 200 ");
    pbx_dialog(s, d.to, d.target);
    pbx_requests(s, "ACK", d.target, d.to, 1, "", "");
    stage_run(s, 100);
    return d;
}

/* The ACK of a refusal belongs to the transaction of its INVITE (RFC 3261 17.1.1.3). */
static void ack_refusal(struct stage *s, const struct dialog *d, unsigned cseq)
{
    char text[1024];
    const int n = snprintf(text, sizeof text,
                           "ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP " PBX_POINT ";branch=z9hG4bKINVITE%u\r\n"
                           "From: <sip:+49301009999@pbx>;tag=pbx\r\nTo: %s\r\nCall-ID: pbx-call\r\nCSeq: %u ACK\r\n"
                           "Content-Length: 0\r\n\r\n",
                           d->target, cseq, d->to, cseq);
    pbx_sends(s, slice_of(text, (size_t)n));
}

static void hang_up(struct stage *s, const struct dialog *d, unsigned cseq)
{
    pbx_requests(s, "BYE", d->target, d->to, cseq, "", "");
    pbx_expect(s, "SIP/2.0 200 ");
    stage_run(s, 1000);
    assert_true(s->ends[BOB].last.in_order);
}

/* A packet from the PBX into the carrier's port for its side. */
static void pbx_speaks(struct stage *s, uint16_t port, uint8_t type, uint32_t timestamp)
{
    struct addr from = address("10.0.0.4:1");
    uint8_t packet[16] = {0x80, type, 0, 1};
    for (unsigned i = 0; i < 4; i++)
        packet[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
    from.port = port;
    memset(s->relayed, 0, sizeof s->relayed);
    pstn_network_take(s->network, s->now, 0, 0, &from, slice_of(packet, sizeof packet));
    stage_run(s, 0);
}

/* ---- a carrier that relays media ---- */

static void carrier_answers_a_change(void **state)
{
    struct stage *s = *state;
    relay(s);
    struct dialog d = call_bob(s, HEAD("1") AUDIO("4000", "0 96"));
    assert_non_null(strstr(s->to_pbx, "\r\nm=audio 20000 RTP/AVP 0 96\r\n"));
    stage_run(s, 20);
    assert_int_equal(s->relayed_to.port, 4000);
    assert_int_equal(s->relayed[1] & 0x7f, 0); /* BOB says A-law, the carrier makes the other one of it */
    memset(s->to_bob, 0, sizeof s->to_bob);
    pbx_requests(s, "INVITE", d.target, d.to, 2, "", HEAD("2") AUDIO("4010", "8 96"));
    pbx_expect(s, "SIP/2.0 200 ");
    assert_non_null(strstr(s->to_pbx, "\r\nm=audio 20000 RTP/AVP 8 96\r\n"));
    stage_run(s, 20); /* not even acknowledged yet */
    assert_int_equal(s->relayed_to.port, 4010);
    assert_int_equal(s->relayed[1] & 0x7f, 8);
    pbx_requests(s, "ACK", d.target, d.to, 2, "", "");
    assert_string_equal(s->to_bob, "");
    assert_int_equal(pstn_network_counters(s->network)->requests_answered, 1);
    pbx_requests(s, "UPDATE", d.target, d.to, 3, "", HEAD("3") AUDIO("4020", "8 96"));
    pbx_expect(s, "SIP/2.0 200 ");
    stage_run(s, 20);
    assert_int_equal(s->relayed_to.port, 4020);
    hang_up(s, &d, 4);
    assert_int_equal(pstn_network_counters(s->network)->descriptions_wrong, 0);
}

/* An offer of the carrier's, and its answer in the ACK; then nothing that it could talk over, and no session description at all. */
static void carrier_offers(void **state)
{
    struct stage *s = *state;
    relay(s);
    struct dialog d = call_bob(s, HEAD("1") AUDIO("4000", "0 96"));
    pbx_requests(s, "INVITE", d.target, d.to, 2, "", "");
    pbx_expect(s, "SIP/2.0 200 ");
    assert_non_null(strstr(s->to_pbx, "\r\nm=audio 20000 RTP/AVP 8 0 96\r\n"));
    pbx_requests(s, "ACK", d.target, d.to, 2, "", HEAD("2") AUDIO("4010", "8 96"));
    stage_run(s, 20);
    assert_int_equal(s->relayed_to.port, 4010);
    pbx_requests(s, "INVITE", d.target, d.to, 3, "", HEAD("3") "m=image 4000 udptl t38\r\n");
    pbx_expect(s, "SIP/2.0 488 ");
    ack_refusal(s, &d, 3);
    pbx_requests(s, "INFO", d.target, d.to, 4, "", "");
    pbx_expect(s, "SIP/2.0 200 ");
    stage_run(s, 20);
    assert_int_equal(s->relayed_to.port, 4010);
    hang_up(s, &d, 5);
}

static void carrier_bears_session_timers(void **state)
{
    struct stage *s = *state;
    relay(s);
    struct dialog d = call_bob(s, HEAD("1") AUDIO("4000", "0 96"));
    pbx_requests(s, "INVITE", d.target, d.to, 2, "Session-Expires: 1800\r\nSupported: timer\r\n",
                 HEAD("1") AUDIO("4000", "0 96"));
    pbx_expect(s, "SIP/2.0 200 ");
    assert_string_equal(pbx_field(s, SIP_SESSION_EXPIRES), "1800;refresher=uac");
    assert_string_equal(pbx_field(s, SIP_REQUIRE), "timer");
    pbx_requests(s, "ACK", d.target, d.to, 2, "", "");
    pbx_requests(s, "UPDATE", d.target, d.to, 3, "Session-Expires: 90;refresher=uac\r\nSupported: timer\r\n", "");
    assert_string_equal(pbx_field(s, SIP_SESSION_EXPIRES), "90;refresher=uac");
    assert_null(strstr(s->to_pbx, "m=audio"));
    pbx_requests(s, "INVITE", d.target, d.to, 4, "", HEAD("2") AUDIO("4002", "0 96")); /* it is left off */
    pbx_expect(s, "SIP/2.0 200 ");
    assert_string_equal(pbx_field(s, SIP_SESSION_EXPIRES), "");
    pbx_requests(s, "ACK", d.target, d.to, 4, "", "");
    hang_up(s, &d, 5);
}

/* The other side hears of hold, and of its end; not of a change of address meanwhile. */
static void carrier_passes_hold_on(void **state)
{
    struct stage *s = *state;
    relay(s);
    struct dialog d = call_bob(s, HEAD("1") AUDIO("4000", "8 96"));
    pbx_requests(s, "INVITE", d.target, d.to, 2, "", HEAD("2") AUDIO("4000", "8 96") "a=sendonly\r\n");
    assert_non_null(strstr(s->to_pbx, "\r\na=recvonly\r\n"));
    pbx_requests(s, "ACK", d.target, d.to, 2, "", "");
    stage_run(s, 100);
    assert_non_null(strstr(s->to_bob, "\r\na=sendonly\r\n"));
    assert_non_null(strstr(s->to_bob, " 2 IN IP4 198.51.100.1\r\n"));
    uint64_t voices = s->voices;
    stage_run(s, 1000);
    assert_int_equal(s->voices, voices);
    memset(s->to_bob, 0, sizeof s->to_bob);
    pbx_requests(s, "INVITE", d.target, d.to, 3, "", HEAD("3") AUDIO("4010", "8 96") "a=sendonly\r\n");
    pbx_requests(s, "ACK", d.target, d.to, 3, "", "");
    assert_string_equal(s->to_bob, "");
    pbx_requests(s, "INVITE", d.target, d.to, 4, "", HEAD("4") AUDIO("4010", "8 96"));
    pbx_requests(s, "ACK", d.target, d.to, 4, "", "");
    stage_run(s, 1000);
    assert_non_null(strstr(s->to_bob, "\r\na=sendrecv\r\n"));
    assert_true(s->voices > voices + 40);
    assert_int_equal(s->relayed_to.port, 4010);
    hang_up(s, &d, 5);
    assert_int_equal(s->ends[BOB].last.faults, 0);
}

/* RFC 4733: each side has its own payload type; a digit is many packets. */
static void carrier_relays_digits(void **state)
{
    struct stage *s = *state;
    relay(s);
    struct dialog d = call_bob(s, HEAD("1") AUDIO("4000", "8 96"));
    assert_non_null(strstr(s->to_bob, "\r\na=rtpmap:101 telephone-event/8000\r\n"));
    for (unsigned i = 0; i < 3; i++) {
        pbx_speaks(s, 4000, 0x80 | 96, 800);
        assert_int_equal(s->relayed[1], 0x80 | 101);
    }
    pbx_speaks(s, 4000, 96, 1600);
    assert_int_equal(s->relayed[1], 101);
    assert_int_equal(newest(s)->number, 1);
    pbx_speaks(s, 4000, 97, 1600); /* what was not agreed */
    assert_int_equal(s->relayed[1], 0);
    hang_up(s, &d, 2);
    assert_int_equal(newest(s)->digits[0], 2);
}

static void carrier_loses_digits(void **state)
{
    struct stage *s = *state;
    relay(s);
    s->options.carriers[0].digits_lost_percent = 50;
    struct dialog d = call_bob(s, HEAD("1") AUDIO("4000", "8 96"));
    for (unsigned i = 0; i < 100; i++) {
        pbx_speaks(s, 4000, 96, 800 * i);
        const bool arrived = s->relayed[1] == 101;
        pbx_speaks(s, 4000, 96, 800 * i);
        assert_int_equal(s->relayed[1] == 101, arrived); /* as a whole */
    }
    const uint64_t lost = pstn_network_counters(s->network)->digits_lost;
    assert_in_range(lost, 30, 70);
    hang_up(s, &d, 2);
    assert_int_equal(newest(s)->digits[0], 100 - lost);
}

/* No side asks for what the other one wants; there is no video. */
static void carrier_refuses_video(void **state)
{
    struct stage *s = *state;
    relay(s);
    struct dialog d =
        call_bob(s, HEAD("1") AUDIO("4000", "8 96") "m=video 4002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n");
    assert_non_null(strstr(s->to_pbx, "\r\nm=video 0 RTP/AVP 97\r\n"));
    assert_null(strstr(s->to_bob, "m=video"));
    hang_up(s, &d, 2);
}

static void carrier_without_media_refuses_video(void **state)
{
    struct stage *s = *state;
    s->ends[BOB].options.has_video = true;
    struct dialog d =
        call_bob(s, HEAD("1") AUDIO("4000", "8 96") "m=video 4002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n");
    assert_non_null(strstr(s->to_bob, "\r\nm=video 0 RTP/AVP 97\r\n"));
    assert_non_null(strstr(s->to_pbx, "\r\nm=video 0 RTP/AVP 97\r\n"));
    hang_up(s, &d, 2);
}

static void carrier_delays_media(void **state)
{
    struct stage *s = *state;
    relay(s);
    s->options.carriers[0].media_delay_ms = 120;
    give_ports(s, ANN);
    give_ports(s, BOB);
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 5000);
    stage_run(s, 20000);
    /* ANN speaks 30 ms after BOB has answered. */
    assert_in_range(s->ends[BOB].last.heard.first_ms, 150 + PSTN_EAR_PLAYOUT_MS, 150 + PSTN_EAR_PLAYOUT_MS + 20);
    assert_int_equal(s->ends[ANN].last.heard.gap_count, 0);
    assert_int_equal(s->ends[BOB].last.heard.gap_count, 0);
}

/* As companies do: one number is shown for all. */
static void callers_are_shown_as_one(void **state)
{
    struct stage *s = *state;
    assert_true(e164_parse(slice_str("+49301000000"), &s->options.trunks[ANN].shown_as));
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 10000);
    assert_string_equal(s->ends[BOB].last.from, "0301000000");
    assert_string_equal(newest(s)->from, "+49301001234");
}

/* ---- phones ---- */

/* The network passes on what the PBX wants, for media goes past it. */
static void phone_moves(void **state)
{
    struct stage *s = *state;
    struct dialog d = call_bob(s, HEAD("1") AUDIO("4000", "8 96"));
    struct pstn_phone_call *bob = &s->ends[BOB].last;
    assert_int_equal(bob->towards.port, 4000);
    pbx_requests(s, "INVITE", d.target, d.to, 2, "", HEAD("2") AUDIO("4010", "0 96"));
    assert_non_null(strstr(s->to_pbx, "\r\nm=audio 4000 RTP/AVP 0 96\r\n")); /* its port stays */
    assert_int_equal(bob->event, PSTN_PHONE_MOVED);
    assert_int_equal(bob->towards.port, 4010);
    pbx_requests(s, "ACK", d.target, d.to, 2, "", "");
    pbx_requests(s, "INVITE", d.target, d.to, 3, "", HEAD("2") AUDIO("4020", "0 96")); /* no new version */
    pbx_requests(s, "ACK", d.target, d.to, 3, "", "");
    assert_int_equal(bob->towards.port, 4010);
    pbx_requests(s, "INVITE", d.target, d.to, 4, "", ""); /* what does it have? */
    assert_non_null(strstr(s->to_pbx, "\r\nm=audio 4000 RTP/AVP 8 0 96\r\n"));
    pbx_requests(s, "ACK", d.target, d.to, 4, "", HEAD("3") AUDIO("4030", "8 96"));
    assert_int_equal(bob->towards.port, 4030);
    hang_up(s, &d, 5);
    assert_int_equal(bob->moves, 2);
    assert_int_equal(bob->changes, 3);
    assert_int_equal(bob->faults, 1);
}

static void phone_refuses(void **state)
{
    struct stage *s = *state;
    s->ends[BOB].options.refuses_changes = true;
    struct dialog d = call_bob(s, HEAD("1") AUDIO("4000", "8 96"));
    pbx_requests(s, "INVITE", d.target, d.to, 2, "", HEAD("2") AUDIO("4010", "8 96"));
    pbx_expect(s, "SIP/2.0 488 ");
    ack_refusal(s, &d, 2);
    pbx_requests(s, "UPDATE", d.target, d.to, 3, "", "");
    pbx_expect(s, "SIP/2.0 200 ");
    hang_up(s, &d, 4);
    assert_int_equal(s->ends[BOB].last.refused, 1);
    assert_int_equal(s->ends[BOB].last.towards.port, 4000);
    assert_int_equal(s->ends[BOB].last.moves, 0);
}

static void phone_takes_no_call_that_it_cannot_hear(void **state)
{
    struct stage *s = *state;
    give_ports(s, BOB);
    add_trunk(s, "d", 0, PBX_POINT, "+49301009999");
    stage_start(s);
    pbx_requests(s, "INVITE", "sip:+49302005678@carrier", "<sip:+49302005678@carrier>", 1, "",
                 HEAD("1") AUDIO("4000", "18"));
    stage_run(s, 5000);
    pbx_expect(s, "SIP/2.0 488 ");
    assert_int_equal(s->ends[BOB].last.status, 488);
    assert_int_equal(s->ends[BOB].last.event, PSTN_PHONE_OVER);
}

/* BOB puts the call on hold in the moment in which the PBX wants something, too: both have to wait, and BOB asks again. */
static void phone_holds_and_meets_another_change(void **state)
{
    struct stage *s = *state;
    s->ends[BOB].options.hold_after_ms = 3000;
    s->ends[BOB].options.resume_after_ms = 10000;
    struct dialog d = call_bob(s, HEAD("1") AUDIO("4000", "8 96"));
    stage_run(s, 2000);
    pbx_expect(s, "INVITE ");
    assert_non_null(strstr(s->to_pbx, "\r\na=sendonly\r\n"));
    char held[4096];
    memcpy(held, s->to_pbx, sizeof held);
    pbx_requests(s, "INVITE", d.target, d.to, 2, "", HEAD("2") AUDIO("4010", "8 96"));
    pbx_expect(s, "SIP/2.0 491 ");
    ack_refusal(s, &d, 2);
    memcpy(s->to_pbx, held, sizeof held);
    pbx_responds(s, "491 Request Pending", "");
    uint64_t voices = s->voices;
    stage_run(s, 2000);
    pbx_expect(s, "ACK ");               /* and is patient */
    assert_int_equal(s->voices, voices); /* who holds says nothing, whether that was agreed or not */
    stage_run(s, 2100);
    pbx_expect(s, "INVITE ");
    pbx_responds(s, "200 OK", "Contact: <sip:pbx@" PBX_POINT ">\r\n");
    pbx_expect(s, "ACK ");
    stage_run(s, 5000);
    assert_int_equal(s->voices, voices);
    stage_run(s, 5000);
    pbx_expect(s, "INVITE "); /* the call is taken up again */
    assert_non_null(strstr(s->to_pbx, "\r\na=sendrecv\r\n"));
    pbx_responds(s, "200 OK", "Contact: <sip:pbx@" PBX_POINT ">\r\n");
    stage_run(s, 1000);
    assert_true(s->voices > voices + 40);
    hang_up(s, &d, 3);
}

/* A second one before the first has its answer. */
static void one_change_at_a_time(void **state)
{
    struct stage *s = *state;
    struct dialog d = call_bob(s, HEAD("1") AUDIO("4000", "8 96"));
    s->swallow = 2; /* BOB's answer, which comes again half a second later */
    pbx_requests(s, "INVITE", d.target, d.to, 2, "", HEAD("2") AUDIO("4010", "8 96"));
    pbx_requests(s, "INVITE", d.target, d.to, 3, "", HEAD("3") AUDIO("4020", "8 96"));
    pbx_expect(s, "SIP/2.0 500 ");
    assert_string_not_equal(pbx_field(s, SIP_RETRY_AFTER), "");
    ack_refusal(s, &d, 3);
    stage_run(s, 1000);
    pbx_expect(s, "SIP/2.0 200 ");
    pbx_requests(s, "ACK", d.target, d.to, 2, "", "");
    assert_int_equal(s->ends[BOB].last.towards.port, 4010);
    hang_up(s, &d, 4);
}

/* Past any network, for there is video then. */
static void call_directly(struct stage *s, int64_t talk_ms)
{
    const struct sip_hop via = {.transport = SIP_UDP, .addr = address(phone_points[BOB])};
    assert_int_equal(pstn_phone_call(s->ends[ANN].phone, s->now, &via, phone_points[BOB], "1", "2", talk_ms, 60000), 0);
}

static void phones_show_pictures(void **state)
{
    struct stage *s = *state;
    for (unsigned i = ANN; i <= BOB; i++) {
        give_ports(s, i);
        s->ends[i].options.has_video = true;
    }
    stage_start(s);
    call_directly(s, 10000);
    stage_run(s, 20000);
    for (unsigned i = ANN; i <= BOB; i++) {
        const struct pstn_phone_call *c = &s->ends[i].last;
        assert_true(c->in_order);
        assert_in_range(c->pictures, 299, 301); /* 30 in a second */
        assert_in_range(c->video_received, 3 * c->pictures, 3 * c->pictures + 2);
        assert_int_equal(c->heard.gap_count, 0);
        assert_int_equal(c->moves, 0);
    }
}

static void only_one_has_video(void **state)
{
    struct stage *s = *state;
    give_ports(s, ANN);
    give_ports(s, BOB);
    s->ends[ANN].options.has_video = true;
    stage_start(s);
    call_directly(s, 2000);
    stage_run(s, 20000);
    assert_non_null(strstr(s->to_bob, "\r\nm=video 4002 RTP/AVP 99\r\n"));
    assert_int_equal(s->ends[ANN].last.video_sent, 0);
    assert_int_equal(s->ends[ANN].last.tone, PSTN_TONE_CALLED);
}

/* Nothing arrives for a while: both know when, and for how long. */
static void a_pause_is_noticed(void **state)
{
    struct stage *s = *state;
    relay(s);
    give_ports(s, ANN);
    give_ports(s, BOB);
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 20000);
    stage_run(s, 3200 + 30);
    const int64_t answered_ms[] = {s->ends[ANN].last.answered_at.ms, s->ends[BOB].last.answered_at.ms};
    stage_run(s, 5000);
    const int64_t at_ms = s->now.wall.ms + PSTN_EAR_PLAYOUT_MS;
    s->voices_stop = true;
    stage_run(s, 300);
    s->voices_stop = false;
    stage_run(s, 200);
    assert_int_equal(s->ends[ANN].last.event, PSTN_PHONE_GAP); /* it was told at once */
    stage_run(s, 20000);
    for (unsigned i = ANN; i <= BOB; i++) {
        const struct pstn_heard *h = &s->ends[i].last.heard;
        assert_int_equal(h->gap_count, 1);
        assert_in_range(h->longest.ms, 280, 320);
        assert_in_range(h->longest.at_ms, at_ms - answered_ms[i] - 20, at_ms - answered_ms[i] + 20);
        assert_true(h->end_ms < 100);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(carrier_answers_a_change),
        CASE(carrier_offers),
        CASE(carrier_bears_session_timers),
        CASE(carrier_passes_hold_on),
        CASE(carrier_relays_digits),
        CASE(carrier_loses_digits),
        CASE(carrier_refuses_video),
        CASE(carrier_without_media_refuses_video),
        CASE(carrier_delays_media),
        CASE(callers_are_shown_as_one),
        CASE(phone_moves),
        CASE(phone_refuses),
        CASE(phone_takes_no_call_that_it_cannot_hear),
        CASE(phone_holds_and_meets_another_change),
        CASE(one_change_at_a_time),
        CASE(phones_show_pictures),
        CASE(only_one_has_video),
        CASE(a_pause_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
