/* The relay: who may send to a port, what comes out where and under which key, and what is refused. */
#include "relaying.h"

static void plain_inside_is_protected_outside(void **state)
{
    (void)state;
    struct relaying t;
    for (enum srtp_suite suite = SUITE_AES_CM_128_HMAC_SHA1_80; suite < SUITE_COUNT; suite++) {
        relaying_init(&t);
        outside_keys(&t, suite, 5, 6);
        set(&t);
        struct octets out = rtp(1, 100), in = rtp(2, 200);
        assert_true(from_phone(&t, out));
        assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, FAR);
        assert_far_reads(&t, out);
        assert_true(from_far(&t, FAR, in));
        assert_sent_to(&t, 0, MEDIA_INSIDE, MEDIA_COMPONENT_RTP, PHONE);
        assert_sent_octets(&t, in);
        relaying_fini(&t);
    }
}

static void protected_inside_too(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    struct media_end *inside = &t.session.streams[0].ends[MEDIA_INSIDE];
    inside->in = key_of(SUITE_AEAD_AES_128_GCM, 30);
    inside->out = key_of(SUITE_AEAD_AES_128_GCM, 40);
    set(&t);
    struct srtp *phone_sends = srtp_of(&inside->in, SRTP_PROTECTS),
                *phone_receives = srtp_of(&inside->out, SRTP_UNPROTECTS);
    struct octets o = rtp(1, 100);
    assert_false(from_phone(&t, o));
    assert_int_equal(refused(&t, 0, MEDIA_INSIDE, MEDIA_REFUSED_forged), 1);
    assert_true(from_phone(&t, protect(phone_sends, o)));
    assert_far_reads(&t, o);
    assert_true(from_far(&t, FAR, o));
    size_t n = t.packet.octets;
    assert_int_equal(srtp_rtp_unprotect(phone_receives, t.octets, &n), SRTP_GOOD);
    assert_memory_equal(t.octets, o.p, n);
    srtp_free(phone_sends);
    srtp_free(phone_receives);
    relaying_fini(&t);
}

static void several_senders_in_one_stream(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    for (uint16_t seq = 1; seq < 4; seq++)
        for (uint32_t ssrc = 10; ssrc < 13; ssrc++) {
            struct octets o = rtp(ssrc, seq);
            assert_true(from_phone(&t, o));
            assert_far_reads(&t, o);
            assert_true(from_far(&t, FAR, o));
            assert_sent_octets(&t, o);
        }
    relaying_fini(&t);
}

static void without_a_key_nothing_passes_outside(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    struct media_end *outside = &t.session.streams[0].ends[MEDIA_OUTSIDE];
    outside->in.suite = outside->out.suite = SUITE_NONE;
    set(&t);
    struct octets o = rtp(1, 1);
    assert_false(from_phone(&t, o));
    assert_false(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], FAR, &o));
    assert_int_equal(refused(&t, 0, MEDIA_INSIDE, MEDIA_REFUSED_no_key), 1);
    assert_int_equal(refused(&t, 0, MEDIA_OUTSIDE, MEDIA_REFUSED_no_key), 1);
    assert_int_equal(media_relay_counters(t.relay)->refused_no_key, 2);
    assert_int_equal(media_relay_counters(t.relay)->packets_out, 0);
    relaying_fini(&t);
}

/* ---- sources ---- */

static void inside_only_the_negotiated_host_may_send(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    struct media_flow *port = t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTP];
    struct octets o = rtp(1, 1);
    assert_false(give(&t, port, "10.0.0.6:4000", &o));
    o = rtp(1, 2);
    assert_true(give(&t, port, "10.0.0.5:4444", &o)); /* its first packet says the port */
    o = rtp(1, 3);
    assert_false(give(&t, port, PHONE, &o));
    assert_int_equal(refused(&t, 0, MEDIA_INSIDE, MEDIA_REFUSED_foreign), 2);
    assert_true(from_far(&t, FAR, rtp(2, 1)));
    assert_sent_to(&t, 0, MEDIA_INSIDE, MEDIA_COMPONENT_RTP, "10.0.0.5:4444");
    relaying_fini(&t);
}

static void outside_the_first_packet_that_verifies_says_where(void **state)
{
    (void)state;
    struct relaying t;
    struct media_event event;
    relaying_init(&t);
    struct media_flow *port = t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP];
    struct octets forged = protect(t.far_sends, rtp(2, 1));
    forged.p[20] ^= 1;
    assert_false(give(&t, port, "198.51.100.7:1111", &forged));
    assert_int_equal(refused(&t, 0, MEDIA_OUTSIDE, MEDIA_REFUSED_forged), 1);
    assert_true(from_phone(&t, rtp(1, 1)));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, FAR); /* nobody has moved it */

    assert_true(from_far(&t, "203.0.113.80:61000", rtp(2, 2))); /* behind a NAT */
    assert_true(next_event(&t, MEDIA_LATCHED, &event));
    assert_int_equal(event.side, MEDIA_INSIDE);
    assert_true(next_event(&t, MEDIA_LATCHED, &event));
    struct addr nat = address("203.0.113.80:61000");
    assert_int_equal(event.side, MEDIA_OUTSIDE);
    assert_true(addr_eq(&event.source, &nat));
    assert_true(from_phone(&t, rtp(1, 2)));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, "203.0.113.80:61000");

    /* Even what verifies is foreign from elsewhere: it may be a copy that overtook the packet itself. */
    assert_false(from_far(&t, "198.51.100.7:1111", rtp(2, 3)));
    assert_int_equal(refused(&t, 0, MEDIA_OUTSIDE, MEDIA_REFUSED_foreign), 1);
    assert_true(from_phone(&t, rtp(1, 3)));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, "203.0.113.80:61000");
    relaying_fini(&t);
}

static void replayed_and_forged_packets_are_counted(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    struct media_flow *port = t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP];
    struct octets o = protect(t.far_sends, rtp(2, 1)), forged = o;
    assert_true(give(&t, port, FAR, &o));
    for (unsigned i = 0; i < 3; i++)
        assert_false(give(&t, port, FAR, &o));
    forged.p[3] = 2;
    assert_false(give(&t, port, FAR, &forged));
    assert_int_equal(refused(&t, 0, MEDIA_OUTSIDE, MEDIA_REFUSED_replayed), 3);
    assert_int_equal(refused(&t, 0, MEDIA_OUTSIDE, MEDIA_REFUSED_forged), 1);
    struct media_summary summary;
    assert_int_equal(media_relay_figures(t.relay, t.now, SESSION, &summary), 0);
    assert_int_equal(summary.streams[0][MEDIA_OUTSIDE].packets, 1);
    relaying_fini(&t);
}

static void what_is_neither_is_malformed(void **state)
{
    (void)state;
    static const struct octets bad[] = {
        {.p = {0}, .n = 0},
        {.p = {0x80}, .n = 1},
        {.p = {0x80, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0}, .n = 11},
        {.p = {0x00, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, .n = 20},   /* STUN */
        {.p = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0}, .n = 13}, /* DTLS */
        {.p = {0x8f, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, .n = 20},   /* 15 CSRCs in 8 octets */
        {.p = {0x90, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
         .n = 20},                                    /* a header extension beyond the end */
        {.p = {0x80, 201, 0, 1, 0, 0, 0, 1}, .n = 8}, /* RTCP where no RTCP was negotiated */
    };
    struct relaying t;
    relaying_init(&t);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTP], PHONE, &bad[i]));
    assert_int_equal(refused(&t, 0, MEDIA_INSIDE, MEDIA_REFUSED_malformed), sizeof bad / sizeof bad[0]);
    struct octets o = rtp(1, 1);
    assert_false(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTCP], PHONE, &o));
    relaying_fini(&t);
}

/* ---- RTCP ---- */

static void rtcp_has_its_own_ports(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    struct octets o = rtcp(1), protected = protect(t.far_sends, rtcp(2));
    assert_true(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTCP], "10.0.0.5:4001", &o));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTCP, "192.0.2.9:5001");
    assert_far_reads(&t, o);
    assert_true(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTCP], "192.0.2.9:5001", &protected));
    assert_sent_to(&t, 0, MEDIA_INSIDE, MEDIA_COMPONENT_RTCP, "10.0.0.5:4001");
    o = rtcp(2);
    assert_sent_octets(&t, o);
    relaying_fini(&t);
}

static void rtcp_goes_where_its_attribute_says(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    t.session.streams[0].ends[MEDIA_INSIDE].remote_rtcp = address("10.0.0.7:9001");
    set(&t);
    struct octets o = protect(t.far_sends, rtcp(2));
    assert_true(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTCP], "192.0.2.9:5001", &o));
    assert_sent_to(&t, 0, MEDIA_INSIDE, MEDIA_COMPONENT_RTCP, "10.0.0.7:9001");
    o = rtcp(1);
    assert_true(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTCP], "10.0.0.7:9001", &o));
    relaying_fini(&t);
}

static void either_side_may_multiplex_alone(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    t.session.streams[0].ends[MEDIA_OUTSIDE].rtcp_mux = true;
    set(&t);
    struct octets o = rtcp(1);
    assert_true(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTCP], "10.0.0.5:4001", &o));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, FAR);
    assert_far_reads(&t, o);
    assert_true(from_far(&t, FAR, rtcp(2)));
    assert_sent_to(&t, 0, MEDIA_INSIDE, MEDIA_COMPONENT_RTCP, "10.0.0.5:4001");
    o = protect(t.far_sends, rtcp(2));
    assert_false(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTCP], "192.0.2.9:5001", &o));
    assert_int_equal(refused(&t, 0, MEDIA_OUTSIDE, MEDIA_REFUSED_closed), 1);

    t.session.streams[0].ends[MEDIA_OUTSIDE].rtcp_mux = false;
    t.session.streams[0].ends[MEDIA_INSIDE].rtcp_mux = true;
    set(&t);
    assert_true(from_phone(&t, rtcp(1)));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTCP, "192.0.2.9:5001");
    o = protect(t.far_sends, rtcp(2));
    assert_true(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTCP], "192.0.2.9:5001", &o));
    assert_sent_to(&t, 0, MEDIA_INSIDE, MEDIA_COMPONENT_RTP, PHONE);
    relaying_fini(&t);
}

/* ---- descriptions ---- */

static void a_call_on_hold_is_silent_and_stays_in_step(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    assert_true(from_far(&t, FAR, rtp(2, 65530)));
    t.session.streams[0].ends[MEDIA_OUTSIDE].may_send = false;
    set(&t);
    /* The far end goes on all the same, and its sequence numbers wrap twice. */
    for (uint32_t i = 1; i < 140000; i++)
        assert_false(from_far(&t, FAR, rtp(2, (uint16_t)(65530 + i))));
    assert_int_equal(refused(&t, 0, MEDIA_OUTSIDE, MEDIA_REFUSED_not_sending), 139999);
    struct octets o = rtcp(2);
    o = protect(t.far_sends, o);
    assert_true(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTCP], "192.0.2.9:5001", &o));
    t.session.streams[0].ends[MEDIA_OUTSIDE].may_send = true;
    set(&t);
    assert_true(from_far(&t, FAR, rtp(2, (uint16_t)(65530 + 140000))));
    relaying_fini(&t);
}

static void nothing_goes_to_an_address_that_is_not_known(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    t.session.streams[0].ends[MEDIA_OUTSIDE].remote = (struct addr){0};
    set(&t);
    assert_false(from_phone(&t, rtp(1, 1)));
    assert_int_equal(refused(&t, 0, MEDIA_INSIDE, MEDIA_REFUSED_no_way), 1);
    media_flow_set_port(t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], NULL);
    t.session.streams[0].ends[MEDIA_OUTSIDE].remote = address(FAR);
    set(&t);
    assert_false(from_phone(&t, rtp(1, 2))); /* and none out of a port that is not there */
    relaying_fini(&t);
}

static void a_new_address_is_latched_anew(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    assert_true(from_far(&t, "203.0.113.80:61000", rtp(2, 1)));
    t.session.streams[0].ends[MEDIA_OUTSIDE].remote = address("192.0.2.10:7000");
    set(&t);
    assert_true(from_phone(&t, rtp(1, 1)));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, "192.0.2.10:7000");
    assert_true(from_far(&t, "203.0.113.90:62000", rtp(2, 2)));
    assert_false(from_far(&t, "203.0.113.80:61000", rtp(2, 3)));
    assert_true(from_phone(&t, rtp(1, 2)));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, "203.0.113.90:62000");
    relaying_fini(&t);
}

static void the_same_description_again_changes_nothing(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    struct octets o = protect(t.far_sends, rtp(2, 1));
    assert_true(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], "203.0.113.80:61000", &o));
    assert_true(from_phone(&t, rtp(1, 1)));
    set(&t);
    assert_false(
        give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], "203.0.113.80:61000", &o)); /* still a replay */
    assert_false(from_phone(&t, rtp(1, 1))); /* and no key stream twice */
    assert_true(from_phone(&t, rtp(1, 2)));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, "203.0.113.80:61000");
    relaying_fini(&t);
}

static void a_stream_that_was_off_goes_on_with_its_key(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    struct octets o = rtp(1, 1);
    assert_true(from_phone(&t, o));
    assert_far_reads(&t, o);
    t.session.streams[0].kind = MEDIA_OFF;
    set(&t);
    assert_false(from_phone(&t, rtp(1, 2)));
    assert_false(from_far(&t, FAR, rtp(2, 2)));
    assert_int_equal(media_relay_counters(t.relay)->refused_closed, 2);
    t.session.streams[0].kind = MEDIA_RTP;
    set(&t);
    assert_false(from_phone(&t, o)); /* was sent under this key */
    o = rtp(1, 3);
    assert_true(from_phone(&t, o));
    assert_far_reads(&t, o);
    relaying_fini(&t);
}

static void a_change_of_keys_that_is_taken_back_uses_no_key_stream_twice(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    struct media_session first = t.session;
    struct octets o = rtp(1, 1);
    assert_true(from_phone(&t, o));
    outside_keys(&t, SUITE_AES_CM_128_HMAC_SHA1_80, 11, 12);
    set(&t);
    assert_true(from_phone(&t, o)); /* a new key: a new key stream */
    assert_far_reads(&t, o);
    assert_int_equal(media_relay_set(t.relay, t.now, &first), 0);
    assert_false(from_phone(&t, o));
    assert_int_equal(refused(&t, 0, MEDIA_INSIDE, MEDIA_REFUSED_replayed), 1);
    relaying_fini(&t);
}

static void several_lines_are_kept_apart(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    t.session.stream_count = 3;
    t.session.streams[1] = (struct media_stream){
        .kind = MEDIA_RTP,
        .format_count = 1,
        .formats = {{97, 90000, "H264"}},
        .ends = {{.remote = address("10.0.0.5:4010"), .may_send = true, .rtcp_mux = true},
                 {.remote = address("192.0.2.9:5010"),
                  .may_send = true,
                  .rtcp_mux = true,
                  .in = key_of(SUITE_AEAD_AES_256_GCM, 50),
                  .out = key_of(SUITE_AEAD_AES_256_GCM, 60)}},
    };
    t.session.streams[2].kind = MEDIA_OFF;
    set(&t);
    open_ports(&t, 1);
    struct srtp *far = srtp_of(&t.session.streams[1].ends[MEDIA_OUTSIDE].in, SRTP_PROTECTS);
    struct octets o = protect(far, rtp(7, 1));
    assert_false(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], FAR, &o)); /* another line's key */
    assert_true(give(&t, t.flows[1][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], "192.0.2.9:5010", &o));
    assert_sent_to(&t, 1, MEDIA_INSIDE, MEDIA_COMPONENT_RTP, "10.0.0.5:4010");
    assert_true(from_far(&t, FAR, rtp(2, 1)));
    assert_sent_to(&t, 0, MEDIA_INSIDE, MEDIA_COMPONENT_RTP, PHONE);
    srtp_free(far);
    relaying_fini(&t);
}

static void the_sides_may_be_of_different_families(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    t.session.streams[0].ends[MEDIA_INSIDE].remote = address("[2001:db8::5]:4000");
    set(&t);
    struct octets o = rtp(1, 1);
    assert_true(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTP], "[2001:db8::5]:4000", &o));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, FAR);
    assert_true(from_far(&t, FAR, rtp(2, 1)));
    assert_sent_to(&t, 0, MEDIA_INSIDE, MEDIA_COMPONENT_RTP, "[2001:db8::5]:4000");
    relaying_fini(&t);
}

static void fax_is_relayed_as_it_is(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    t.session.streams[0].kind = MEDIA_UDPTL;
    set(&t);
    struct octets fax = {.p = {0, 1, 1, 6, 0, 0}, .n = 6}, voice_packet = rtp(1, 1);
    assert_true(from_phone(&t, fax));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, FAR);
    assert_sent_octets(&t, fax);
    assert_true(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], "192.0.2.9:5999", &fax));
    assert_false(give(&t, t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], "198.51.100.1:5000", &fax));
    assert_false(from_phone(&t, voice_packet));
    assert_int_equal(refused(&t, 0, MEDIA_OUTSIDE, MEDIA_REFUSED_foreign), 1);
    assert_int_equal(refused(&t, 0, MEDIA_INSIDE, MEDIA_REFUSED_malformed), 1);
    assert_false(give(&t, t.flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTCP], PHONE, &fax));
    relaying_fini(&t);
}

/* RFC 3264 8.3.1: a new offer may move fax as it may move voice. Nothing goes on to where it was, and who was there is a stranger. */
static void fax_that_moves_is_sent_to_where_it_has_gone(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    t.session.streams[0].kind = MEDIA_UDPTL;
    set(&t);
    const struct octets fax = {.p = {0, 1, 1, 6, 0, 0}, .n = 6};
    struct media_flow *outside = t.flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP];
    assert_true(give(&t, outside, FAR, &fax));
    t.session.streams[0].ends[MEDIA_OUTSIDE].remote = address("198.51.100.7:6000");
    set(&t);
    assert_true(from_phone(&t, fax));
    assert_sent_to(&t, 0, MEDIA_OUTSIDE, MEDIA_COMPONENT_RTP, "198.51.100.7:6000");
    assert_false(give(&t, outside, FAR, &fax));
    assert_true(give(&t, outside, "198.51.100.7:6000", &fax));
    relaying_fini(&t);
}

/* ---- sessions ---- */

static void the_summary_is_the_last_word(void **state)
{
    (void)state;
    struct relaying t;
    struct media_event event;
    relaying_init(&t);
    assert_int_equal(media_relay_counters(t.relay)->sessions, 1);
    for (uint16_t seq = 1; seq <= 200; seq++) {
        if (seq % 50) /* the others are lost on their way */
            assert_true(from_far(&t, FAR, rtp(2, seq)));
        wait_ms(&t, 20);
    }
    assert_int_equal(media_relay_remove(t.relay, t.now, SESSION), 0);
    assert_int_equal(media_relay_remove(t.relay, t.now, SESSION), ERR_NOT_FOUND);
    assert_true(next_event(&t, MEDIA_SUMMARY, &event));
    assert_int_equal(event.session, SESSION);
    assert_int_equal(event.summary.stream_count, 1);
    const struct media_figures *f = &event.summary.streams[0][MEDIA_OUTSIDE];
    assert_int_equal(f->packets, 196);
    assert_int_equal(f->octets, 196 * 172);
    assert_int_equal(f->lost, 3); /* the fourth one may still be on its way */
    assert_string_equal(f->codec, "PCMA");
    assert_int_equal(f->ptime_ms, 20);
    assert_int_equal(f->longest_burst, 1);
    assert_int_equal(f->total_s, 3);
    assert_in_range(f->concealed_s, 2, 3);
    assert_true(f->mos_hundredths > 300 && f->mos_hundredths < 450);
    assert_int_equal(event.summary.streams[0][MEDIA_INSIDE].packets, 0);
    assert_false(media_relay_next(t.relay, t.now, &event));
    assert_int_equal(media_relay_counters(t.relay)->sessions, 0);
    assert_int_equal(media_relay_deadline(t.relay).us, MONO_NEVER.us);
    relaying_fini(&t);
}

static void limits_and_ranges(void **state)
{
    (void)state;
    struct relaying t;
    struct media_flow *flow;
    relaying_init(&t);
    struct media_relay_options options;
    media_relay_options_init(&options);
    options.sessions_max = 2;
    media_relay_set_options(t.relay, &options);
    t.session.id = 2;
    set(&t);
    t.session.id = 3;
    assert_int_equal(media_relay_set(t.relay, t.now, &t.session), ERR_LIMIT);
    assert_int_equal(media_relay_flow(t.relay, t.now, 4, 0, MEDIA_INSIDE, MEDIA_COMPONENT_RTP, &flow), ERR_LIMIT);
    t.session.id = 0;
    assert_int_equal(media_relay_set(t.relay, t.now, &t.session), ERR_RANGE);
    t.session.id = 2;
    t.session.stream_count = MEDIA_STREAMS_MAX + 1;
    assert_int_equal(media_relay_set(t.relay, t.now, &t.session), ERR_RANGE);
    t.session.stream_count = 1;
    t.session.streams[0].format_count = MEDIA_FORMATS_MAX + 1;
    assert_int_equal(media_relay_set(t.relay, t.now, &t.session), ERR_RANGE);
    assert_int_equal(media_relay_flow(t.relay, t.now, 2, MEDIA_STREAMS_MAX, MEDIA_INSIDE, MEDIA_COMPONENT_RTP, &flow),
                     ERR_RANGE);
    assert_int_equal(media_relay_counters(t.relay)->sessions, 2);
    relaying_fini(&t);
}

static void without_memory_nothing_changes(void **state)
{
    (void)state;
    struct relaying t;
    relaying_init(&t);
    struct octets o = rtp(1, 1);
    assert_true(from_phone(&t, o));
    assert_far_reads(&t, o);
    struct media_session other = t.session;
    other.stream_count = 2;
    other.streams[0].ends[MEDIA_OUTSIDE].in = key_of(SUITE_AEAD_AES_128_GCM, 90);
    other.streams[0].ends[MEDIA_OUTSIDE].out = key_of(SUITE_AEAD_AES_128_GCM, 91);
    other.streams[1] = voice();
    int err = ERR_NO_MEMORY;
    unsigned long nth = 0;
    while (err == ERR_NO_MEMORY) {
        o = rtp(1, (uint16_t)(nth + 2));
        assert_true(from_phone(&t, o));
        assert_far_reads(&t, o);
        mem_fail_at(++nth);
        err = media_relay_set(t.relay, t.now, &other);
        mem_fail_at(0);
    }
    assert_int_equal(err, 0);
    assert_true(nth > 3);
    other.id = 5; /* and a new session leaves nothing behind */
    for (err = ERR_NO_MEMORY, nth = 0; err == ERR_NO_MEMORY;) {
        assert_int_equal(media_relay_counters(t.relay)->sessions, 1);
        mem_fail_at(++nth);
        err = media_relay_set(t.relay, t.now, &other);
        mem_fail_at(0);
    }
    assert_int_equal(err, 0);
    relaying_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_inside_is_protected_outside),
        cmocka_unit_test(protected_inside_too),
        cmocka_unit_test(several_senders_in_one_stream),
        cmocka_unit_test(without_a_key_nothing_passes_outside),
        cmocka_unit_test(inside_only_the_negotiated_host_may_send),
        cmocka_unit_test(outside_the_first_packet_that_verifies_says_where),
        cmocka_unit_test(replayed_and_forged_packets_are_counted),
        cmocka_unit_test(what_is_neither_is_malformed),
        cmocka_unit_test(rtcp_has_its_own_ports),
        cmocka_unit_test(rtcp_goes_where_its_attribute_says),
        cmocka_unit_test(either_side_may_multiplex_alone),
        cmocka_unit_test(a_call_on_hold_is_silent_and_stays_in_step),
        cmocka_unit_test(nothing_goes_to_an_address_that_is_not_known),
        cmocka_unit_test(a_new_address_is_latched_anew),
        cmocka_unit_test(the_same_description_again_changes_nothing),
        cmocka_unit_test(a_stream_that_was_off_goes_on_with_its_key),
        cmocka_unit_test(a_change_of_keys_that_is_taken_back_uses_no_key_stream_twice),
        cmocka_unit_test(several_lines_are_kept_apart),
        cmocka_unit_test(the_sides_may_be_of_different_families),
        cmocka_unit_test(fax_is_relayed_as_it_is),
        cmocka_unit_test(fax_that_moves_is_sent_to_where_it_has_gone),
        cmocka_unit_test(the_summary_is_the_last_word),
        cmocka_unit_test(limits_and_ranges),
        cmocka_unit_test(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
