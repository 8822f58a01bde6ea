/* When packets come: jitter of known distributions, clocks that run at another speed, ways that become longer; and what must not look like loss: pauses,
 * events, comfort noise, other codecs, video. */
#include "testing.h"

#include "stream.h"

/* RFC 3550 A.8 in floating point, over what is given in the order of arrival. */
struct jitter {
    double jitter_us, last_us;
    bool has_last;
};

static void jitter_add(struct jitter *j, double arrival_us, double sent_us)
{
    double transit_us = arrival_us - sent_us;
    if (j->has_last)
        j->jitter_us += (fabs(transit_us - j->last_us) - j->jitter_us) / 16;
    j->last_us = transit_us;
    j->has_last = true;
}

static double exponential(struct stream *s, double mean_us)
{
    return -mean_us * log(1 - chance(s));
}

/* ---- jitter ---- */

/* Uniform up to 20 ms: nothing overtakes, so that the trace can be followed packet by packet. */
static void test_uniform_jitter(void **state)
{
    (void)state;
    struct stream *s = stream_new(3);
    struct jitter j = {0};
    struct quality_figures f;
    double sum = 0;
    for (unsigned i = 0; i < 6000; i++) {
        int64_t sent_us = (int64_t)i * PTIME_US, delay_us = (int64_t)(chance(s) * 19999);
        stream_next(s, false, sent_us + delay_us);
        if (i > 0)
            jitter_add(&j, (double)(sent_us + delay_us), (double)sent_us);
        stream_give(s, sent_us + delay_us);
        quality_sample(&s->q, at(sent_us + delay_us), &f);
        assert_near(f.jitter_us, j.jitter_us, 12); /* whole microseconds */
        sum += f.jitter_us;
    }
    assert_near(sum / 6000, 20000.0 / 3, 300); /* two uniform delays differ by a third of their range on average */
    assert_near(f.variation_mean_us, 10000, 1500);
    assert_in_range(f.variation_max_us, 18000, 20000);
    assert_near(f.loss_ratio + f.late_ratio, 0, 1e-9);
    assert_int_equal(f.depth_us, QUALITY_DEPTH_MIN_US);
    free(s);
}

/* Exponential delays, mean 15 ms. The receiver that is assumed, written down again: a buffer of four jitters, 40 to 200 ms, behind the fastest packets;
 * they are so many that their delay is next to none. */
static void test_exponential_jitter(void **state)
{
    (void)state;
    struct stream *s = stream_new(11);
    struct jitter j = {0};
    double mean_us = 15000;
    for (unsigned i = 0; i < 20000; i++)
        stream_next(s, false, (int64_t)i * PTIME_US + (int64_t)exponential(s, mean_us));
    stream_give(s, -1); /* put in order */
    qsort(s->packets, s->count, sizeof s->packets[0], stream_compare);
    unsigned late = 0;
    for (unsigned i = 0; i < s->count; i++) {
        double at_us = (double)s->packets[i].at_us, sent_us = (double)s->packets[i].order * PTIME_US;
        double depth_us = fmin(fmax(4 * j.jitter_us, 40000), 200000);
        late += at_us - sent_us > depth_us;
        jitter_add(&j, at_us, sent_us);
    }
    stream_give_all(s);
    const struct quality_totals *t = &s->q.totals;
    assert_int_equal(quality_lost(t), 0);
    assert_true(late > 100);
    assert_near((double)t->late / late, 1, 0.1);
    assert_near((double)t->variation_sum_us / (double)t->variation_count, mean_us, mean_us * 0.05);
    free(s);
}

/* ---- clocks and ways ---- */

/* 200 ppm are 24 ms after two minutes, more than what a buffer leaves: nothing may come of it, in either direction. */
static void test_skew(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        struct stream *s = stream_new(5);
        struct quality_figures f;
        int64_t now_us = 0;
        for (unsigned i = 0; i < 30000; i++) { /* ten minutes: 120 ms */
            double sent_us = (double)i * PTIME_US * (1 + sign * 200e-6);
            now_us = (int64_t)(sent_us + chance(s) * 2000);
            stream_next(s, false, now_us);
        }
        stream_give_all(s);
        quality_sample(&s->q, at(now_us), &f);
        assert_near(f.loss_ratio + f.late_ratio, 0, 1e-9);
        assert_near(f.jitter_us, 2000.0 / 3, 300);
        assert_near(f.variation_mean_us, 1000 + (sign > 0 ? 500 : 0), 600); /* the base is up to four seconds old */
        assert_in_range(s->q.totals.variation_max_us, 1900, 2900);
        assert_int_equal(s->q.totals.late, 0);
        assert_int_equal(s->q.totals.reroutes, 0);
        free(s);
    }
}

/* The way becomes longer by 150 ms: a short stretch is late, then playout has moved. Shorter again: nothing is lost. */
static void test_route_change(void **state)
{
    (void)state;
    struct stream *s = stream_new(5);
    struct quality_figures f;
    for (unsigned i = 0; i < 2000; i++)
        stream_next(s, false, (int64_t)i * PTIME_US + (i >= 500 && i < 1500 ? 150000 : 0));
    stream_give_all(s);
    assert_int_equal(s->q.totals.reroutes, 1);
    assert_int_equal(s->q.totals.late, QUALITY_REROUTED_US / PTIME_US);
    assert_int_equal(quality_lost(&s->q.totals), 0);
    quality_sample(&s->q, at(2000 * PTIME_US), &f);
    assert_near(f.late_ratio, 0, 1e-9);
    assert_in_range(f.jitter_us, 0, 10);
    quality_end(&s->q, at(2000 * PTIME_US));
    assert_in_range(s->q.totals.severely_concealed_s, 1, 2);
    free(s);
}

/* Everything stands still for 600 ms and then comes at once: what is older than the buffer was not heard. */
static void test_stall(void **state)
{
    (void)state;
    struct stream *s = stream_new(5);
    for (unsigned i = 0; i < 1000; i++) {
        int64_t sent_us = (int64_t)i * PTIME_US;
        stream_next(s, false, i >= 500 && i < 530 ? 530 * PTIME_US : sent_us);
    }
    stream_give_all(s);
    quality_end(&s->q, at(1000 * PTIME_US));
    /* The first to come adds 600/16 ms to the jitter, the second 20 ms, and so on: the buffer becomes as deep as 200 ms at most. */
    assert_in_range(s->q.totals.late, (600 - 200) / 20, (600 - 40) / 20);
    assert_int_equal(s->q.totals.reroutes, 0);
    assert_int_equal(quality_lost(&s->q.totals), 0);
    free(s);
}

/* ---- what is not loss ---- */

static void expect_clean(struct stream *s, int64_t now_us)
{
    struct quality_figures f;
    stream_give_all(s);
    quality_sample(&s->q, at(now_us), &f);
    assert_near(f.loss_ratio + f.late_ratio, 0, 1e-9);
    assert_int_equal(f.silent_us, 0);
    quality_end(&s->q, at(now_us));
    assert_int_equal(quality_lost(&s->q.totals), 0);
    assert_int_equal(s->q.totals.late, 0);
    assert_int_equal(s->q.totals.concealed_s, 0);
    assert_int_equal(s->q.totals.starved_us, 0);
    assert_int_equal(s->q.totals.restarts, 0);
    assert_int_equal(s->q.totals.reroutes, 0);
}

/* Speech for a second, silence for three, timestamps going on (RFC 3551 4.1). comfort: with a packet of comfort noise at its beginning. */
static int64_t talk(struct stream *s, int64_t t, unsigned times, bool comfort)
{
    for (unsigned i = 0; i < times; i++) {
        unsigned first = s->count;
        t = stream_clean(s, t, 50);
        s->packets[first].view.marker = true;
        unsigned silent = 150;
        if (comfort) {
            stream_add(s, t)->payload_type = NOISE;
            s->sequence++;
        }
        s->timestamp += silent * PTIME_TICKS;
        t += (int64_t)silent * PTIME_US;
    }
    return t;
}

static void test_pauses(void **state)
{
    (void)state;
    for (unsigned comfort = 0; comfort < 2; comfort++) {
        struct stream *s = stream_new(5);
        int64_t t = talk(s, 0, 20, comfort);
        stream_give_all(s);
        assert_true(s->q.pauses);
        assert_in_range(s->q.sources[0].jitter16 >> 4, 0, 10);
        expect_clean(s, t);
        assert_int_equal(s->q.totals.total_s, comfort ? 20 : 19);
        free(s);
    }
}

/* Once a sender is known to pause, or has said so, its silence is not held against it; of one that is not, and of one from which not even RTCP
 * comes any more, it is. */
static void test_silence(void **state)
{
    (void)state;
    struct quality_figures f;
    struct stream *s = stream_new(5);
    int64_t t = talk(s, 0, 2, false);
    stream_give_all(s);
    quality_sample(&s->q, at(t + 10 * SECOND), &f);
    assert_int_equal(f.silent_us, 0);
    assert_false(f.is_known);
    int64_t heard_us = t - 151 * PTIME_US; /* the last packet */
    quality_sample(&s->q, at(heard_us + QUALITY_PAUSED_US), &f);
    assert_int_equal(f.silent_us, QUALITY_PAUSED_US);
    assert_near(f.loss_ratio, 1, 1e-9);
    free(s);

    s = stream_new(5);
    t = stream_clean(s, 0, 500);
    stream_give_all(s);
    quality_sample(&s->q, at(t + 100000), &f);
    assert_int_equal(f.silent_us, 0);
    quality_sample(&s->q, at(t - PTIME_US + 2500000), &f);
    assert_int_equal(f.silent_us, 2500000);
    assert_near(f.loss_ratio, 0.5, 0.05); /* half of the window */
    assert_int_equal(f.run_us, 2500000);
    assert_true(f.mos < 2);
    quality_sample(&s->q, at(t + 60 * SECOND), &f);
    assert_near(f.loss_ratio, 1, 1e-9);
    assert_near(f.mos, 1, 0.3);

    quality_set_flows(&s->q, at(t + 60 * SECOND), false);
    quality_sample(&s->q, at(t + 70 * SECOND), &f);
    assert_int_equal(f.silent_us, 0);
    assert_false(f.is_known);
    free(s);
}

/* Nothing has ever come: silence after a while, but no figure of the call's end counts it as made up. */
static void test_never(void **state)
{
    (void)state;
    struct quality_figures f;
    struct stream *s = stream_new(5);
    quality_sample(&s->q, at(QUALITY_FIRST_US - 1), &f);
    assert_false(f.is_known);
    quality_sample(&s->q, at(QUALITY_FIRST_US), &f);
    assert_true(f.is_known);
    assert_near(f.loss_ratio, 1, 1e-9);
    int64_t t = stream_clean(s, 5 * SECOND, 200);
    expect_clean(s, t);
    free(s);
}

/* The first pause of a sender looks like silence until the packet behind it says what it was. */
static void test_first_pause(void **state)
{
    (void)state;
    struct quality_figures f;
    struct stream *s = stream_new(5);
    int64_t t = stream_clean(s, 0, 250);
    stream_give_all(s);
    quality_sample(&s->q, at(t + SECOND), &f);
    assert_in_range(f.silent_us, SECOND, SECOND + PTIME_US);
    s->timestamp += 150 * PTIME_TICKS;
    t = stream_clean(s, t + 150 * PTIME_US, 250);
    expect_clean(s, t);
    free(s);
}

/* Comfort noise, however short, says that this sender pauses. Another sender is another matter. */
static void test_who_pauses(void **state)
{
    (void)state;
    struct quality_figures f;
    struct stream *s = stream_new(5);
    int64_t t = stream_clean(s, 0, 100);
    stream_add(s, t)->payload_type = NOISE;
    s->sequence++;
    s->timestamp += 5 * PTIME_TICKS;
    t = stream_clean(s, t + 5 * PTIME_US, 100);
    stream_give_all(s);
    quality_sample(&s->q, at(t + 5 * SECOND), &f);
    assert_int_equal(f.silent_us, 0);
    s->ssrc++;
    t = stream_clean(s, t, 100);
    stream_give_all(s);
    quality_sample(&s->q, at(t + 5 * SECOND), &f);
    assert_true(f.silent_us > 0);
    free(s);
}

/* While nothing came the way has become longer: playout begins anew behind a pause. */
static void test_pause_and_route(void **state)
{
    (void)state;
    struct stream *s = stream_new(5);
    int64_t t = talk(s, 0, 3, false) + 10 * SECOND;
    s->timestamp += 80000;
    t = stream_clean(s, t + 150000, 250);
    expect_clean(s, t);
    free(s);
}

static void test_hold(void **state)
{
    (void)state;
    struct stream *s = stream_new(5);
    int64_t t = stream_clean(s, 0, 250);
    stream_give_all(s);
    quality_set_flows(&s->q, at(t), false);
    s->sequence = (uint16_t)(s->sequence + 400); /* it went on for a while, and nobody passed it on */
    s->timestamp += 400 * PTIME_TICKS;
    t += 30 * SECOND;
    quality_set_flows(&s->q, at(t), true);
    t = stream_clean(s, t + 100000, 250);
    expect_clean(s, t);
    assert_int_equal(s->q.totals.sources, 1);
    assert_int_equal(s->q.totals.expected, 249 + 249);
    free(s);
}

/* The sender stops without a word and goes on with the next timestamp, marked: it was on hold at its own side. */
static void test_timestamp_stops(void **state)
{
    (void)state;
    for (unsigned seconds = 1; seconds <= 4; seconds += 3) {
        struct stream *s = stream_new(5);
        int64_t t = stream_clean(s, 0, 250);
        unsigned first = s->count;
        t = stream_clean(s, t + seconds * SECOND, 250);
        s->packets[first].view.marker = true;
        expect_clean(s, t);
        free(s);
    }
}

/* The same without a marker is a way on which everything stands still: four and a half seconds had to be made up. 249 packets before (the first was on
 * probation) leave 20 ms of their fifth second. */
static void test_long_stall(void **state)
{
    (void)state;
    struct stream *s = stream_new(5);
    int64_t t = stream_clean(s, 0, 250);
    t = stream_clean(s, t + 4500000, 250);
    stream_give_all(s);
    quality_end(&s->q, at(t));
    assert_int_equal(s->q.totals.starved_us, 4500000 + PTIME_US);
    assert_int_equal(s->q.totals.total_s, 14); /* 4.98 + 4.52 + 5 */
    assert_int_equal(s->q.totals.concealed_s, 6);
    assert_int_equal(s->q.totals.severely_concealed_s, 5);
    free(s);
}

/* A key held for a second: one timestamp, a packet each 20 ms, the end three times (RFC 4733 2.5). */
static void test_events(void **state)
{
    (void)state;
    struct stream *s = stream_new(5);
    int64_t t = 0;
    for (unsigned key = 0; key < 10; key++) {
        t = stream_clean(s, t, 50);
        for (unsigned i = 0; i < 52; i++) {
            struct rtp_view *v = stream_add(s, i < 50 ? t + i * PTIME_US : t + 49 * PTIME_US);
            v->payload_type = EVENT;
            v->marker = i == 0;
            s->sequence++;
        }
        s->timestamp += 50 * PTIME_TICKS;
        t += 50 * PTIME_US;
    }
    stream_give_all(s);
    assert_in_range(s->q.sources[0].jitter16 >> 4, 0, 10);
    expect_clean(s, t);
    assert_int_equal(s->q.payload_type, PCMA);
    free(s);
}

/* Another codec with another clock in the same numbering, and packets of another length. */
static void test_codec_change(void **state)
{
    (void)state;
    struct stream *s = stream_new(5);
    struct quality_figures f;
    int64_t t = 0;
    for (unsigned i = 0; i < 10; i++) {
        t = stream_clean(s, t, 100);
        s->payload_type = OPUS;
        for (unsigned j = 0; j < 50; j++, t += 2 * PTIME_US) {
            stream_add(s, t);
            s->sequence++;
            s->timestamp += 1920;
        }
        s->payload_type = PCMA;
    }
    stream_give_all(s);
    quality_sample(&s->q, at(t), &f);
    assert_int_equal(s->q.packet_us, 2 * PTIME_US);
    assert_in_range(f.jitter_us, 0, 10);
    expect_clean(s, t);
    free(s);
}

/* 30 frames a second, eight packets each over 10 ms, every 60th frame 60 packets over 30 ms. The first packet of each frame comes on time. */
static void test_video(void **state)
{
    (void)state;
    static const struct media_format formats[] = {{96, 90000, "H264"}, {97, 90000, "rtx"}};
    struct stream *s = stream_new(5);
    quality_set_formats(&s->q, false, formats, 2, 0);
    s->payload_type = 96;
    int64_t t = 0;
    for (unsigned frame = 0; frame < 600; frame++) {
        bool is_key = frame % 60 == 0;
        unsigned packets = is_key ? 60 : 8;
        for (unsigned i = 0; i < packets; i++) {
            struct rtp_view *v = stream_add(s, t + (is_key ? 30000 : 10000) * (int64_t)i / packets);
            v->marker = i == packets - 1;
            s->sequence++;
        }
        s->timestamp += 3000;
        t += 33333;
    }
    stream_give_all(s);
    struct quality_figures f;
    quality_sample(&s->q, at(t), &f);
    assert_in_range(f.jitter_us, 0, 10);
    assert_near(f.mos, 0, 0);
    expect_clean(s, t);
    assert_in_range(s->q.totals.total_s, 18, 22);
    free(s);
}

/* Retransmissions on an SSRC of their own come when they must, and half of them are lost: nothing that anybody would see. */
static void test_repair(void **state)
{
    (void)state;
    static const struct media_format formats[] = {{96, 90000, "VP8"}, {97, 90000, "rtx"}};
    struct stream *s = stream_new(5);
    struct quality_figures f;
    quality_set_formats(&s->q, false, formats, 2, 0);
    s->payload_type = 96;
    uint16_t repair = 500;
    int64_t t = 0;
    for (unsigned i = 0; i < 1500; i++, t += 10000) {
        stream_add(s, t);
        s->sequence++;
        s->timestamp += 900;
        if (i % 5 != 0)
            continue;
        struct rtp_view *v = stream_add(s, t + (int64_t)(chance(s) * 5000));
        v->payload_type = 97;
        v->ssrc = 4321;
        v->timestamp -= 9000;
        v->sequence = repair++;
        repair = (uint16_t)(repair + (i % 50 == 45 ? 9 : 0)); /* ten arrive, nine are lost */
    }
    stream_give_all(s);
    quality_sample(&s->q, at(t), &f);
    assert_near(f.loss_ratio + f.late_ratio, 0, 1e-9);
    assert_int_equal(f.run_us, 0);
    assert_in_range(s->q.sources[0].jitter16 >> 4, 0, 10);
    quality_end(&s->q, at(t));
    assert_int_equal(s->q.totals.concealed_s, 0);
    assert_int_equal(s->q.totals.late, 0);
    assert_int_equal(quality_lost(&s->q.totals), 29 * 9);
    free(s);
}

/* Half or twice as many ticks as were negotiated: for a while it looks as if everything came too late, or ever earlier; then it is not believed any more. */
static void test_wrong_clock(void **state)
{
    (void)state;
    for (unsigned ticks = 80; ticks <= 320; ticks *= 4) {
        struct stream *s = stream_new(5);
        struct quality_figures f;
        int64_t t = 0;
        for (unsigned i = 0; i < 1500; i++, t += PTIME_US) {
            stream_add(s, t);
            s->sequence++;
            s->timestamp += ticks;
        }
        stream_give(s, 700 * PTIME_US);
        uint64_t late = s->q.totals.late;
        stream_give_all(s);
        assert_int_equal(s->q.totals.late, late);
        quality_sample(&s->q, at(t), &f);
        assert_near(f.loss_ratio + f.late_ratio, 0, 1e-9);
        assert_int_equal(f.jitter_us, 0);
        /* with the right clock again it is measured as ever */
        static const struct media_format narrow = {PCMA, 4000, "PCMA"}, wide = {PCMA, 16000, "PCMA"};
        quality_set_formats(&s->q, true, ticks == 80 ? &narrow : &wide, 1, 20);
        for (unsigned i = 0; i < 500; i++, t += PTIME_US) {
            stream_add(s, t + (int64_t)(chance(s) * 15000));
            s->sequence++;
            s->timestamp += ticks;
        }
        stream_give_all(s);
        quality_sample(&s->q, at(t), &f);
        assert_in_range(f.jitter_us, 2000, 9000);
        assert_near(f.loss_ratio + f.late_ratio, 0, 1e-9);
        free(s);
    }
}

/* ---- reports ---- */

static void put_u32(uint8_t *p, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* An SR; with a block if last_sr is not 0. */
static struct slice make_sr(uint8_t *p, uint64_t ntp, uint32_t packets, uint32_t last_sr, uint32_t delay)
{
    size_t n = last_sr ? 52 : 28;
    memset(p, 0, n);
    p[0] = last_sr ? 0x81 : 0x80;
    p[1] = RTCP_SR;
    p[3] = (uint8_t)(n / 4 - 1);
    put_u32(p + 4, 0x1234);
    put_u32(p + 8, (uint32_t)(ntp >> 32));
    put_u32(p + 12, (uint32_t)ntp);
    put_u32(p + 20, packets);
    if (last_sr) {
        put_u32(p + 28, 0x9999);
        p[32] = 26; /* a tenth lost */
        put_u32(p + 44, last_sr);
        put_u32(p + 48, delay);
    }
    return slice_of(p, n);
}

static void test_round_trip(void **state)
{
    (void)state;
    uint8_t octets[64];
    struct stream *s = stream_new(5);
    struct quality_figures f;
    int64_t t = stream_clean(s, 0, 200);
    stream_give_all(s);
    quality_rtcp_to(&s->q, at(t), make_sr(octets, UINT64_C(0xe123456789abcdef), 10, 0, 0));
    quality_rtcp_from(&s->q, at(t + 2200000), make_sr(octets, 77, 10, 0x456789ab, 2 * 65536));
    quality_sample(&s->q, at(t + 2200000), &f);
    assert_near(f.round_trip_us, 200000, 1);
    assert_int_equal(f.delay_us, 100000 + f.depth_us + PTIME_US);
    assert_int_equal(s->q.far_fraction, 26);
    /* one that answers nothing we saw changes nothing */
    quality_rtcp_from(&s->q, at(t + 9 * SECOND), make_sr(octets, 78, 10, 0x456789ac, 65536));
    quality_sample(&s->q, at(t + 9 * SECOND), &f);
    assert_near(f.round_trip_us, 200000, 1);
    free(s);
}

/* RTCP of a sender that is muted: no more packets than before. Its silence is no fault, until RTCP ends as well. */
static void test_muted(void **state)
{
    (void)state;
    uint8_t octets[64];
    struct stream *s = stream_new(5);
    struct quality_figures f;
    int64_t t = stream_clean(s, 0, 200);
    stream_give_all(s);
    quality_rtcp_from(&s->q, at(t + SECOND), make_sr(octets, 1, 200, 0, 0));
    quality_sample(&s->q, at(t + 2 * SECOND), &f);
    assert_true(f.silent_us > 0);
    quality_rtcp_from(&s->q, at(t + 6 * SECOND), make_sr(octets, 2, 200, 0, 0));
    quality_sample(&s->q, at(t + 25 * SECOND), &f);
    assert_int_equal(f.silent_us, 0);
    quality_sample(&s->q, at(t + 27 * SECOND), &f);
    assert_true(f.silent_us > 0);
    /* one whose packets come, though it does not count them */
    int64_t u = t + 27 * SECOND;
    for (unsigned i = 0; i < 3; i++) {
        u = stream_clean(s, u, 10);
        stream_give_all(s);
        quality_rtcp_from(&s->q, at(u), make_sr(octets, 2, 200, 0, 0));
    }
    quality_sample(&s->q, at(u + SECOND / 2), &f);
    assert_true(f.silent_us > 0);
    /* one that sends, but whose packets do not come */
    quality_rtcp_from(&s->q, at(t + 28 * SECOND), make_sr(octets, 3, 300, 0, 0));
    t = stream_clean(s, t + 29 * SECOND, 1);
    stream_give_all(s);
    quality_rtcp_from(&s->q, at(t + 5 * SECOND), make_sr(octets, 4, 400, 0, 0));
    quality_rtcp_from(&s->q, at(t + 10 * SECOND), make_sr(octets, 5, 500, 0, 0));
    quality_sample(&s->q, at(t + 10 * SECOND), &f);
    assert_true(f.silent_us > 0);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform_jitter),
        cmocka_unit_test(test_exponential_jitter),
        cmocka_unit_test(test_skew),
        cmocka_unit_test(test_route_change),
        cmocka_unit_test(test_stall),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_first_pause),
        cmocka_unit_test(test_who_pauses),
        cmocka_unit_test(test_pause_and_route),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_timestamp_stops),
        cmocka_unit_test(test_long_stall),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_codec_change),
        cmocka_unit_test(test_video),
        cmocka_unit_test(test_repair),
        cmocka_unit_test(test_wrong_clock),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_muted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
