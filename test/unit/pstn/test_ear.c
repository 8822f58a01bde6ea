/* Pauses in a tone, known to the millisecond before they are measured. */
#include "pstn/voice.h"
#include "testing.h"

#define SOON_MS 20 /* how right a measurement must be */

/* A line from a phone to an ear, whose delay the test changes. Packets that are under way arrive when they are due, whatever became of later ones. */
#define UNDER_WAY 64
struct line {
    struct now now;
    struct pstn_ear ear;
    int16_t samples[PSTN_VOICE_SAMPLES];
    uint32_t ssrc, timestamp;
    int64_t delay_ms;
    bool is_cut;
    struct {
        int64_t at_ms;
        uint32_t ssrc, timestamp;
    } under_way[UNDER_WAY];
    unsigned count;
    int64_t ms; /* since the answer */
};

static void line_open(struct line *l)
{
    memset(l, 0, sizeof *l);
    l->now = (struct now){{5000000}, {INT64_C(1700000000000)}};
    l->timestamp = UINT32_MAX - 4000; /* it wraps soon */
    l->delay_ms = 30;
    pstn_tone_make(PSTN_TONE_CALLED, l->samples, PSTN_VOICE_SAMPLES);
    pstn_ear_open(&l->ear, l->now, PSTN_TONE_CALLED);
}

static void arrive(struct line *l)
{
    for (unsigned i = 0; i < l->count;) {
        if (l->under_way[i].at_ms > l->ms) {
            i++;
            continue;
        }
        pstn_ear_take(&l->ear, l->now, l->under_way[i].ssrc, l->under_way[i].timestamp, l->samples, PSTN_VOICE_SAMPLES);
        l->count--;
        memmove(&l->under_way[i], &l->under_way[i + 1], (l->count - i) * sizeof l->under_way[0]);
    }
}

static void run(struct line *l, int64_t ms)
{
    for (; ms--; l->ms++, l->now.mono.us += 1000) {
        if (l->ms % PSTN_VOICE_MS == 7) {
            if (!l->is_cut) {
                assert_in_range(l->count, 0, UNDER_WAY - 1);
                l->under_way[l->count].at_ms = l->ms + l->delay_ms;
                l->under_way[l->count].ssrc = l->ssrc;
                l->under_way[l->count++].timestamp = l->timestamp;
            }
            l->timestamp += PSTN_VOICE_SAMPLES;
        }
        arrive(l);
    }
}

static void expect_gap(struct line *l, unsigned i, int64_t at_ms, int64_t ms)
{
    assert_true(i < l->ear.heard.kept);
    assert_in_range(l->ear.heard.gaps[i].at_ms, at_ms < SOON_MS ? 0 : at_ms - SOON_MS, at_ms + SOON_MS);
    assert_in_range(l->ear.heard.gaps[i].ms, ms - SOON_MS, ms + SOON_MS);
}

static void continuous(void **state)
{
    struct line l;
    (void)state;
    line_open(&l);
    run(&l, 60000);
    pstn_ear_close(&l.ear, l.now);
    const struct pstn_heard *h = &l.ear.heard;
    assert_int_equal(h->gap_count, 0);
    assert_int_equal(h->late, 0);
    assert_int_equal(h->begun, 1);
    assert_in_range(h->first_ms, 7 + 30 + 60, 7 + 30 + 60 + PSTN_EAR_FRAME_MS);
    assert_int_equal(h->end_ms, 0);
}

/* Packets of so many milliseconds are missing: that is what is not heard. */
static void missing(void **state)
{
    static const int64_t gaps_ms[] = {20, 40, 100, 180, 200, 500, 2000, 30000};
    struct line l;
    int64_t sum = 0;
    (void)state;
    line_open(&l);
    for (unsigned i = 0; i < sizeof gaps_ms / sizeof gaps_ms[0]; i++) {
        run(&l, 1000);
        const int64_t at = l.ms + l.delay_ms + PSTN_EAR_PLAYOUT_MS;
        l.is_cut = true;
        run(&l, gaps_ms[i]);
        l.is_cut = false;
        run(&l, 1000);
        expect_gap(&l, i, at, gaps_ms[i]);
        sum += gaps_ms[i];
    }
    pstn_ear_close(&l.ear, l.now);
    assert_int_equal(l.ear.heard.gap_count, 8);
    assert_int_equal(l.ear.heard.gaps_ms, sum);
    assert_int_equal(l.ear.heard.longest.ms, 30000);
    assert_int_equal(l.ear.heard.longest.at_ms, l.ear.heard.gaps[7].at_ms);
}

/* The call goes another way, which takes longer: that is how long nothing is heard. Back again it is shorter: nothing is missing. */
static void longer_way_and_back(void **state)
{
    struct line l;
    (void)state;
    line_open(&l);
    for (unsigned i = 0; i < 3; i++) {
        run(&l, 5000);
        const int64_t at = l.ms + l.delay_ms + PSTN_EAR_PLAYOUT_MS;
        l.delay_ms += 120;
        run(&l, 5000);
        expect_gap(&l, i, at, 120);
        l.delay_ms -= 120;
        run(&l, 5000);
    }
    pstn_ear_close(&l.ear, l.now);
    assert_int_equal(l.ear.heard.gap_count, 3); /* it has not put packets off for ever, either */
    assert_int_equal(l.ear.heard.begun, 4);
}

/* What varies less than the ear waits is not heard at all. */
static void jitter(void **state)
{
    struct seeded_entropy seeded = {.state = 11};
    const struct entropy entropy = seeded_entropy_port(&seeded);
    struct line l;
    (void)state;
    line_open(&l);
    for (unsigned i = 0; i < 1000; i++) {
        l.delay_ms = entropy_between(&entropy, 30, 70);
        run(&l, 20);
    }
    pstn_ear_close(&l.ear, l.now);
    assert_int_equal(l.ear.heard.gap_count, 0);
}

/* Another source takes over without a pause, in its own time. */
static void another_source(void **state)
{
    struct line l;
    (void)state;
    line_open(&l);
    run(&l, 1000);
    l.ssrc = 7;
    l.timestamp = 0x12345678;
    run(&l, 1000);
    l.timestamp += 80000; /* ten seconds that it did not take */
    run(&l, 1000);
    pstn_ear_close(&l.ear, l.now);
    assert_int_equal(l.ear.heard.gap_count, 0);
    assert_int_equal(l.ear.heard.begun, 3);
}

/* Another tone than the expected one is not what is to be heard. */
static void another_tone(void **state)
{
    struct line l;
    (void)state;
    line_open(&l);
    run(&l, 1000);
    const int64_t at = l.ms + l.delay_ms + PSTN_EAR_PLAYOUT_MS;
    pstn_tone_make(PSTN_TONE_CALLER, l.samples, PSTN_VOICE_SAMPLES);
    run(&l, 300);
    pstn_tone_make(PSTN_TONE_CALLED, l.samples, PSTN_VOICE_SAMPLES);
    run(&l, 1000);
    assert_int_equal(l.ear.heard.gap_count, 1);
    /* The test's line says what stands in its samples when a packet arrives, not when it was sent. */
    assert_in_range(l.ear.heard.gaps[0].at_ms, at - l.delay_ms - SOON_MS, at + SOON_MS);
    assert_in_range(l.ear.heard.gaps[0].ms, 280, 320);
}

static void edges(void **state)
{
    struct line l;
    (void)state;
    line_open(&l); /* nothing for a while, but not for long */
    l.is_cut = true;
    run(&l, 800);
    l.is_cut = false;
    run(&l, 2000);
    l.is_cut = true;
    run(&l, 800);
    pstn_ear_close(&l.ear, l.now);
    assert_int_equal(l.ear.heard.gap_count, 0);
    assert_in_range(l.ear.heard.first_ms, 880, 920);
    assert_in_range(l.ear.heard.end_ms, 690, 730); /* what waited was played */

    line_open(&l);
    l.is_cut = true;
    run(&l, 1200);
    l.is_cut = false;
    run(&l, 2000);
    l.is_cut = true;
    run(&l, 1500);
    pstn_ear_close(&l.ear, l.now);
    assert_int_equal(l.ear.heard.gap_count, 2);
    expect_gap(&l, 0, 0, 1290);
    expect_gap(&l, 1, 3290, 1410);
}

static void never_heard(void **state)
{
    struct line l;
    (void)state;
    line_open(&l);
    l.is_cut = true;
    run(&l, 10000);
    pstn_ear_close(&l.ear, l.now);
    assert_int_equal(l.ear.heard.first_ms, -1);
    assert_int_equal(l.ear.heard.longest.ms, 10000);
}

/* On hold nothing is expected, before and after it is. */
static void hold(void **state)
{
    struct line l;
    (void)state;
    line_open(&l);
    run(&l, 1000);
    l.is_cut = true;
    run(&l, 50);
    pstn_ear_listen(&l.ear, l.now, false);
    run(&l, 5000);
    pstn_ear_listen(&l.ear, l.now, true);
    l.is_cut = false;
    run(&l, 1000);
    pstn_ear_close(&l.ear, l.now);
    assert_int_equal(l.ear.heard.gap_count, 1);
    expect_gap(&l, 0, 6050, 100); /* until the first packet is played */
}

/* The longest are kept, in the order of time. */
static void many(void **state)
{
    struct line l;
    int64_t before = -1;
    (void)state;
    line_open(&l);
    for (unsigned i = 0; i < 100; i++) {
        run(&l, 400);
        l.is_cut = true;
        run(&l, i % 10 == 3 ? 100 + (int64_t)i * 20 : 40);
        l.is_cut = false;
    }
    run(&l, 1000);
    pstn_ear_close(&l.ear, l.now);
    assert_int_equal(l.ear.heard.gap_count, 100);
    assert_int_equal(l.ear.heard.kept, PSTN_EAR_GAPS_MAX);
    unsigned longer = 0;
    for (unsigned i = 0; i < PSTN_EAR_GAPS_MAX; i++) {
        assert_true(l.ear.heard.gaps[i].at_ms > before);
        before = l.ear.heard.gaps[i].at_ms;
        longer += l.ear.heard.gaps[i].ms >= 100;
    }
    assert_int_equal(longer, 10);
}

/* Before the answer there is nothing to be measured. */
static void closed(void **state)
{
    struct pstn_ear ear = {0};
    const struct now now = {{1000000}, {INT64_C(1700000000000)}};
    const int16_t samples[PSTN_VOICE_SAMPLES] = {0};
    (void)state;
    pstn_ear_take(&ear, now, 1, 1, samples, PSTN_VOICE_SAMPLES);
    pstn_ear_close(&ear, now);
    assert_int_equal(ear.heard.begun, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(continuous), cmocka_unit_test(missing),        cmocka_unit_test(longer_way_and_back),
        cmocka_unit_test(jitter),     cmocka_unit_test(another_source), cmocka_unit_test(another_tone),
        cmocka_unit_test(edges),      cmocka_unit_test(never_heard),    cmocka_unit_test(hold),
        cmocka_unit_test(many),       cmocka_unit_test(closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
