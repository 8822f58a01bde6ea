/* The relay as time goes by: keys that change, sources that move, silence, quality, and a session that moves to another relay. */
#include "unit/media/relaying.h"

/* Voice for so many milliseconds, a packet of each side every 20 ms; of what comes from the far end every so many are lost (0: none). */
static void talk(struct relaying *t, uint16_t *seq, int64_t ms, unsigned lose)
{
    for (int64_t i = 0; i < ms; i += 20) {
        uint16_t n = (*seq)++;
        assert_true(from_phone(t, rtp(1, n)));
        if (!lose || n % lose)
            assert_true(from_far(t, FAR, rtp(2, n)));
        wait_ms(t, 20);
    }
}

/* ---- keys ---- */

static void the_key_before_is_taken_for_a_while(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    assert_true(from_far(&t, FAR, rtp(2, 1)));
    struct srtp *before = t.far_sends;
    t.far_sends = NULL;
    outside_keys(&t, SUITE_AEAD_AES_128_GCM, 21, 22);
    set(&t);
    struct media_flow *port = t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP];
    struct octets late = protect(before, rtp(2, 2)), later = protect(before, rtp(2, 4)),
                  latest = protect(before, rtp(2, 5));
    wait_ms(&t, 500);
    assert_true(give(&t, port, FAR, &late));
    assert_true(from_far(&t, FAR, rtp(2, 3)));
    wait_ms(&t, 1400);
    assert_true(give(&t, port, FAR, &later));
    assert_false(give(&t, port, FAR, &later)); /* a replay is one under the key before, too */
    wait_ms(&t, 200);
    assert_false(give(&t, port, FAR, &latest)); /* 2 s are over */
    assert_int_equal(refused(&t, 0, MEDIA_OUTSIDE, MEDIA_REFUSED_forged), 2);
    srtp_free(before);
    relaying_fini(&t);
}

/* Only the new key may say that the far end has moved: what comes from its old place is late. */
static void the_key_before_moves_nothing(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    assert_true(from_far(&t, "203.0.113.1:1000", rtp(2, 1)));
    struct srtp *before = t.far_sends;
    t.far_sends = NULL;
    outside_keys(&t, SUITE_AES_CM_128_HMAC_SHA1_80, 21, 22);
    set(&t);
    struct octets stolen = protect(before, rtp(2, 2)), late = protect(before, rtp(2, 3));
    assert_true(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], "198.51.100.66:6666", &stolen));
    assert_true(from_phone(&t, rtp(1, 1)));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, "203.0.113.1:1000");
    assert_true(from_far(&t, "203.0.113.2:2000", rtp(2, 4))); /* moved with the new key */
    assert_false(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], "203.0.113.1:1000", &late));
    assert_true(from_phone(&t, rtp(1, 2)));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, "203.0.113.2:2000");
    srtp_free(before);
    relaying_fini(&t);
}

/* ---- sources ---- */

static void a_source_that_fell_silent_gives_way(void **state)
{
    (void)state;
    struct relaying t;
    struct media_event event;
    relaying_init(&t);
    assert_true(from_far(&t, FAR, rtp(2, 1)));
    wait_ms(&t, 999);
    assert_false(from_far(&t, "203.0.113.2:2000", rtp(2, 2)));
    wait_ms(&t, 1);
    struct octets forged = protect(t.far_sends, rtp(2, 3));
    forged.p[30] ^= 1;
    assert_false(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], "198.51.100.66:6666", &forged));
    while (next_event(&t, MEDIA_LATCHED, &event))
        continue;
    assert_true(from_far(&t, "203.0.113.2:2000", rtp(2, 4))); /* the NAT has a new mapping for it */
    assert_true(next_event(&t, MEDIA_LATCHED, &event));
    struct addr moved = address("203.0.113.2:2000");
    assert_true(addr_eq(&event.source, &moved));
    assert_false(from_far(&t, FAR, rtp(2, 5)));
    /* Inside it is the negotiated host in any case. */
    assert_true(from_phone(&t, rtp(1, 1)));
    wait_ms(&t, 5000);
    struct octets o = rtp(1, 2);
    assert_false(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTP], "10.0.0.66:4000", &o));
    assert_true(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTP], "10.0.0.5:4002", &o));
    relaying_fini(&t);
}

/* ---- silence ---- */

static void silence_is_told_once_and_again(void **state)
{
    (void)state;
    struct relaying t;
    struct media_event event;
    uint16_t seq = 1;
    relaying_init(&t);
    talk(&t, &seq, 1000, 0);
    assert_false(next_event(&t, MEDIA_SILENT, &event));
    /* The phone goes on, the far end does not. */
    int64_t silent_ms = 0;
    unsigned told = 0;
    int64_t first_ms = 0, second_ms = 0;
    for (; silent_ms < 130000; silent_ms += 20) {
        from_phone(&t, rtp(1, seq++));
        wait_ms(&t, 20);
        if (next_event(&t, MEDIA_SILENT, &event)) {
            assert_int_equal(event.side, MEDIA_OUTSIDE);
            *(told++ ? &second_ms : &first_ms) = silent_ms;
        }
    }
    assert_int_equal(told, 2);
    assert_in_range(first_ms, 59940, 60020);
    assert_in_range(second_ms, 119940, 120040);
    relaying_fini(&t);
}

static void nobody_wonders_before_the_answer_or_on_hold(void **state)
{
    (void)state;
    struct relaying t;
    struct media_event event;
    relaying_init(&t);
    t.session.is_early = true;
    set(&t);
    for (unsigned i = 0; i < 200; i++)
        wait_ms(&t, 1000);
    assert_false(next_event(&t, MEDIA_SILENT, &event));
    assert_false(next_event(&t, MEDIA_QUALITY, &event));
    t.session.is_early = false;
    t.session.streams[0].ends[MEDIA_INSIDE].may_send = false;
    t.session.streams[0].ends[MEDIA_OUTSIDE].may_send = false;
    set(&t);
    for (unsigned i = 0; i < 200; i++)
        wait_ms(&t, 1000);
    assert_false(next_event(&t, MEDIA_SILENT, &event));
    t.session.streams[0].ends[MEDIA_INSIDE].may_send = true;
    set(&t);
    for (unsigned i = 0; i < 61; i++)
        wait_ms(&t, 1000);
    assert_true(next_event(&t, MEDIA_SILENT, &event));
    assert_int_equal(event.side, MEDIA_INSIDE);
    assert_false(next_event(&t, MEDIA_SILENT, &event));
    relaying_fini(&t);
}

static void rtcp_is_a_sign_of_life(void **state)
{
    (void)state;
    struct relaying t;
    struct media_event event;
    relaying_init(&t);
    for (unsigned i = 0; i < 30; i++) {
        struct octets o = protect(t.far_sends, rtcp(2)), inside = rtcp(1);
        assert_true(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTCP], "192.0.2.9:5001", &o));
        assert_true(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTCP], "10.0.0.5:4001", &inside));
        wait_ms(&t, 5000);
    }
    assert_false(next_event(&t, MEDIA_SILENT, &event));
    relaying_fini(&t);
}

/* ---- quality ---- */

static void bad_quality_is_told_after_the_hold_down_and_good_again(void **state)
{
    (void)state;
    struct relaying t;
    struct media_event event;
    uint16_t seq = 1;
    relaying_init(&t);
    talk(&t, &seq, 10000, 0);
    assert_false(next_event(&t, MEDIA_QUALITY, &event));
    talk(&t, &seq, 19000, 3); /* a third is lost */
    assert_false(next_event(&t, MEDIA_QUALITY, &event));
    talk(&t, &seq, 5000, 3);
    assert_true(next_event(&t, MEDIA_QUALITY, &event));
    assert_int_equal(event.side, MEDIA_OUTSIDE);
    assert_true(event.figures.is_bad);
    assert_true(event.figures.reasons & QUALITY_BY_LOSS);
    assert_in_range(event.figures.worst_loss_ppm, 250000, 400000);
    assert_true(event.figures.worst_mos_hundredths < 300);
    assert_false(next_event(&t, MEDIA_QUALITY, &event));
    talk(&t, &seq, 60000, 0);
    assert_true(next_event(&t, MEDIA_QUALITY, &event));
    assert_false(event.figures.is_bad);
    assert_int_equal(event.figures.impairments, 1);

    /* Level 0 measures, and tells nothing. */
    t.session.sensitivity = 0;
    set(&t);
    talk(&t, &seq, 60000, 3);
    assert_false(next_event(&t, MEDIA_QUALITY, &event));
    relaying_fini(&t);
}

/* Nothing comes any more, or nothing has ever come since the answer: the hold-down, and it is bad. */
static void silence_is_bad_after_the_hold_down(void **state)
{
    (void)state;
    for (unsigned spoke = 0; spoke < 2; spoke++) {
        struct relaying t;
        struct media_event event;
        uint16_t seq = 1;
        relaying_init(&t);
        if (spoke)
            talk(&t, &seq, 10000, 0);
        for (unsigned i = 0; i < 19900; i += 100) /* the inside goes on talking */
            wait_ms(&t, 100);
        assert_false(next_event(&t, MEDIA_QUALITY, &event));
        for (unsigned i = 0; i < 3000; i += 100)
            wait_ms(&t, 100);
        assert_true(next_event(&t, MEDIA_QUALITY, &event));
        assert_true(event.figures.is_bad);
        assert_true(event.figures.reasons & QUALITY_BY_SILENCE);
        talk(&t, &seq, 30000, 0);
        assert_true(next_event(&t, MEDIA_QUALITY, &event));
        assert_false(event.figures.is_bad);
        relaying_fini(&t);
    }
}

/* The agent takes the phone's place, audio alone: what was bad is told good when the new way has been good for the recovery time, and nothing of before
 * counts. */
static void other_ends_are_judged_anew(void **state)
{
    (void)state;
    struct relaying t;
    struct media_event event;
    struct media_summary summary;
    uint16_t seq = 1;
    relaying_init(&t);
    talk(&t, &seq, 30000, 3);
    assert_true(next_event(&t, MEDIA_QUALITY, &event));
    assert_true(event.figures.is_bad);
    talk(&t, &seq, 10000, 0); /* half of the recovery time */
    t.session.streams[0].ends[MEDIA_OUTSIDE].remote = address("192.0.2.9:6000");
    set(&t);
    talk(&t, &seq, 19000, 0);
    assert_false(next_event(&t, MEDIA_QUALITY, &event));
    talk(&t, &seq, 2000, 0);
    assert_true(next_event(&t, MEDIA_QUALITY, &event));
    assert_false(event.figures.is_bad);
    talk(&t, &seq, 15000, 3); /* most of the hold-down */
    t.session.streams[0].ends[MEDIA_OUTSIDE].remote = address("192.0.2.9:7000");
    set(&t);
    set(&t); /* described again is nothing new */
    talk(&t, &seq, 15000, 3);
    assert_false(next_event(&t, MEDIA_QUALITY, &event));
    set(&t);
    talk(&t, &seq, 6000, 3);
    assert_true(next_event(&t, MEDIA_QUALITY, &event));
    assert_true(event.figures.is_bad);
    assert_int_equal(media_relay_figures(t.relay, t.now, SESSION, &summary), 0); /* the whole call is still known */
    assert_true(summary.streams[0][MEDIA_OUTSIDE].expected > 95 * 50);
    t.session.streams[0].kind = MEDIA_OFF; /* what is off is good when the recovery time is over */
    set(&t);
    for (unsigned i = 0; i < 19500; i += 100)
        wait_ms(&t, 100);
    assert_false(next_event(&t, MEDIA_QUALITY, &event));
    for (unsigned i = 0; i < 1000; i += 100)
        wait_ms(&t, 100);
    assert_true(next_event(&t, MEDIA_QUALITY, &event));
    assert_false(event.figures.is_bad);
    relaying_fini(&t);
}

/* A camera that shows nothing is no bad way. */
static void video_may_be_silent(void **state)
{
    (void)state;
    struct relaying t;
    struct media_event event;
    uint16_t seq = 1;
    relaying_init(&t);
    t.session.stream_count = 2;
    t.session.streams[1] = t.session.streams[0];
    t.session.streams[1].is_audio = false;
    set(&t);
    talk(&t, &seq, 90000, 0);
    assert_false(next_event(&t, MEDIA_QUALITY, &event));
    relaying_fini(&t);
}

static void round_trip_is_seen_in_rtcp(void **state)
{
    (void)state;
    struct relaying t;
    struct media_summary summary;
    uint16_t seq = 1;
    relaying_init(&t);
    talk(&t, &seq, 1000, 0);
    /* The phone's report passes; the far end answers 80 ms later, having held it for 30 ms. */
    struct octets sr = {.p = {0x80, 200, 0, 6, 0, 0, 0, 1, 0xaa, 0xbb, 0x11, 0x22, 0x33, 0x44, 0xcc, 0xdd}, .n = 28};
    struct octets rr = {.p = {0x81, 201, 0, 7, 0, 0, 0, 2, 0,    0,    0,    1,    0, 0, 0,         0,
                              0,    0,   0, 9, 0, 0, 0, 0, 0x11, 0x22, 0x33, 0x44, 0, 0, 1966 >> 8, 1966 & 0xff},
                        .n = 32};
    assert_true(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTCP], "10.0.0.5:4001", &sr));
    wait_ms(&t, 80);
    rr = protect(t.far_sends, rr);
    assert_true(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTCP], "192.0.2.9:5001", &rr));
    assert_int_equal(media_relay_figures(t.relay, t.now, SESSION, &summary), 0);
    assert_in_range(summary.streams[0][MEDIA_OUTSIDE].round_trip_us, 49900, 50100);
    relaying_fini(&t);
}

static void figures_are_told_now_and_then(void **state)
{
    (void)state;
    struct relaying t;
    struct media_event event;
    uint16_t seq = 1;
    relaying_init(&t);
    unsigned told = 0;
    for (unsigned i = 0; i < 20; i++) {
        talk(&t, &seq, 500, 0);
        told += next_event(&t, MEDIA_FIGURES, &event);
    }
    assert_in_range(told, 4, 5);
    assert_true(event.summary.streams[0][MEDIA_INSIDE].packets >= 350);
    relaying_fini(&t);
}

/* ---- a session moves ---- */

static void export(struct relaying *t, struct buf *b)
{
    buf_init(b, 1u << 20);
    assert_int_equal(media_relay_export(t->relay, t->now, SESSION, b), 0);
}

/* Another process takes over: its relay takes the place of the one that the calls had until now. */
static void take_over(struct relaying *t)
{
    struct buf b;
    uint64_t id;
    struct fault fault;
    struct media_relay_options options;
    export(t, &b);
    media_relay_free(t->relay);
    media_relay_options_init(&options);
    assert_int_equal(media_relay_new(&options, 2, &t->relay), 0);
    t->now.mono = (struct mono){5000000}; /* another clock */
    assert_int_equal(media_relay_import(t->relay, t->now, buf_slice(&b), &id, &fault), 0);
    assert_int_equal(id, SESSION);
    assert_int_equal(media_relay_import(t->relay, t->now, buf_slice(&b), &id, &fault), ERR_EXISTS);
    buf_fini_secret(&b);
    open_ports(t, 0);
}

static void a_session_goes_on_in_another_process(void **state)
{
    (void)state;
    struct relaying t;
    uint16_t seq = 65000; /* the rollover counters are not 0 when it moves */
    relaying_init(&t);
    assert_true(from_far(&t, "203.0.113.2:2000", rtp(2, (uint16_t)(seq - 1))));
    for (unsigned i = 0; i < 1000; i++) {
        struct octets o = rtp(1, seq);
        assert_true(from_phone(&t, o));
        assert_far_reads(&t, o);
        assert_true(from_far(&t, "203.0.113.2:2000", rtp(2, seq++)));
        wait_ms(&t, 20);
    }
    struct octets control = protect(t.far_sends, rtcp(2)), last = protect(t.far_sends, rtp(2, seq));
    struct media_flow *port = t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP];
    assert_true(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTCP], "203.0.113.2:2001", &control));
    assert_true(give(&t, port, "203.0.113.2:2000", &last));
    struct octets sent = rtp(1, seq), report = rtcp(1);
    assert_true(from_phone(&t, sent));
    assert_far_reads(&t, sent);
    assert_true(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTCP], "10.0.0.5:4001", &report));
    assert_far_reads(&t, report);

    take_over(&t);
    port = t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP];
    assert_false(give(&t, port, "203.0.113.2:2000", &last)); /* replays are still replays */
    assert_false(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTCP], "203.0.113.2:2001", &control));
    assert_int_equal(refused(&t, 0, MEDIA_OUTSIDE, MEDIA_REFUSED_replayed), 2);
    assert_false(from_phone(&t, sent)); /* no key stream twice */
    seq++;
    for (unsigned i = 0; i < 100; i++) {
        struct octets o = rtp(1, seq);
        assert_true(from_phone(&t, o));
        assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, "203.0.113.2:2000");
        assert_far_reads(&t, o);
        assert_true(from_far(&t, "203.0.113.2:2000", rtp(2, seq++)));
        wait_ms(&t, 20);
    }
    assert_true(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTCP], "10.0.0.5:4001", &report));
    assert_far_reads(&t, report);
    struct media_event event;
    assert_int_equal(media_relay_remove(t.relay, t.now, SESSION), 0);
    assert_true(next_event(&t, MEDIA_SUMMARY, &event));
    assert_int_equal(event.summary.streams[0][MEDIA_OUTSIDE].packets, 1102);
    assert_int_equal(event.summary.streams[0][MEDIA_INSIDE].packets,
                     1101 + 1); /* the one that was refused on its way out came in */
    assert_in_range(event.summary.streams[0][MEDIA_OUTSIDE].total_s, 18, 22); /* not whole seconds of both parts */
    relaying_fini(&t);
}

/* What was told to be bad before is told to be good afterwards. */
static void a_verdict_moves_with_it(void **state)
{
    (void)state;
    struct relaying t;
    struct media_event event;
    uint16_t seq = 1;
    relaying_init(&t);
    talk(&t, &seq, 30000, 3);
    assert_true(next_event(&t, MEDIA_QUALITY, &event));
    take_over(&t);
    talk(&t, &seq, 19000, 0);
    assert_false(next_event(&t, MEDIA_QUALITY, &event));
    talk(&t, &seq, 2000, 0);
    assert_true(next_event(&t, MEDIA_QUALITY, &event));
    assert_false(event.figures.is_bad);
    relaying_fini(&t);
}

/* A process that died has sent more than its last state says: none of these numbers is used for anything else. */
static void an_older_state_uses_no_number_twice(void **state)
{
    (void)state;
    struct relaying t;
    struct buf b;
    uint64_t id;
    struct fault fault;
    struct media_relay_options options;
    uint16_t seq = 65400; /* it rolls over between state and death */
    relaying_init(&t);
    talk(&t, &seq, 2000, 0);
    struct octets late = rtp(1, (uint16_t)(seq + 1)), report = rtcp(1);
    seq = (uint16_t)(seq + 2);
    talk(&t, &seq, 200, 0);
    export(&t, &b);
    assert_true(from_phone(&t, late)); /* reordered, and sent after the state was taken */
    assert_far_reads(&t, late);
    for (unsigned i = 0; i < 60; i++) { /* reports as well */
        assert_true(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTCP], "10.0.0.5:4001", &report));
        assert_far_reads(&t, report);
    }
    talk(&t, &seq, 2000, 0);
    media_relay_free(t.relay);
    media_relay_options_init(&options);
    assert_int_equal(media_relay_new(&options, 2, &t.relay), 0);
    assert_int_equal(media_relay_import(t.relay, t.now, buf_slice(&b), &id, &fault), 0);
    buf_fini_secret(&b);
    open_ports(&t, 0);
    set(&t);
    assert_false(from_phone(&t, late));
    talk(&t, &seq, 2000, 0); /* both sides go on, beyond the rollover */
    struct octets o = rtp(1, seq);
    assert_true(from_phone(&t, o));
    assert_far_reads(&t, o);
    assert_true(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTCP], "10.0.0.5:4001", &report));
    assert_far_reads(&t, report); /* it would be a replay at the far end, if its index had been used */
    relaying_fini(&t);
}

static void the_key_before_moves_with_it(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    assert_true(from_far(&t, FAR, rtp(2, 1)));
    struct srtp *before = t.far_sends;
    t.far_sends = NULL;
    struct octets late = protect(before, rtp(2, 2));
    outside_keys(&t, SUITE_AEAD_AES_256_GCM, 21, 22);
    set(&t);
    assert_true(from_far(&t, FAR, rtp(2, 3)));
    take_over(&t);
    assert_true(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], FAR, &late));
    assert_false(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], FAR, &late));
    srtp_free(before);
    relaying_fini(&t);
}

static void no_part_of_a_state_is_taken_for_a_whole(void **state)
{
    (void)state;
    struct relaying t;
    struct buf b;
    uint64_t id;
    relaying_init(&t);
    assert_true(from_far(&t, FAR, rtp(2, 1)));
    export(&t, &b);
    assert_int_equal(media_relay_remove(t.relay, t.now, SESSION), 0);
    for (size_t n = 0; n < b.n; n++) {
        struct fault fault = {0};
        assert_true(media_relay_import(t.relay, t.now, slice_of(b.p, n), &id, &fault) < 0);
        assert_non_null(fault.rule);
        assert_int_equal(media_relay_counters(t.relay)->sessions, 0);
    }
    buf_u8(&b, 0);
    struct fault fault = {0};
    assert_true(media_relay_import(t.relay, t.now, buf_slice(&b), &id, &fault) < 0);
    assert_int_equal(fault.octet, b.n - 1);
    b.n--;
    for (unsigned long nth = 1;; nth++) {
        mem_fail_at(nth);
        int err = media_relay_import(t.relay, t.now, buf_slice(&b), &id, &fault);
        mem_fail_at(0);
        if (!err)
            break;
        assert_int_equal(media_relay_counters(t.relay)->sessions, 0);
    }
    buf_fini_secret(&b);
    relaying_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_before_is_taken_for_a_while),
        cmocka_unit_test(the_key_before_moves_nothing),
        cmocka_unit_test(a_source_that_fell_silent_gives_way),
        cmocka_unit_test(silence_is_told_once_and_again),
        cmocka_unit_test(nobody_wonders_before_the_answer_or_on_hold),
        cmocka_unit_test(rtcp_is_a_sign_of_life),
        cmocka_unit_test(bad_quality_is_told_after_the_hold_down_and_good_again),
        cmocka_unit_test(silence_is_bad_after_the_hold_down),
        cmocka_unit_test(other_ends_are_judged_anew),
        cmocka_unit_test(video_may_be_silent),
        cmocka_unit_test(a_verdict_moves_with_it),
        cmocka_unit_test(an_older_state_uses_no_number_twice),
        cmocka_unit_test(round_trip_is_seen_in_rtcp),
        cmocka_unit_test(figures_are_told_now_and_then),
        cmocka_unit_test(a_session_goes_on_in_another_process),
        cmocka_unit_test(the_key_before_moves_with_it),
        cmocka_unit_test(no_part_of_a_state_is_taken_for_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
