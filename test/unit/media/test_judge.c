/* When a call is told to be bad or good: timed traces, sampled every 100 ms as the relay does. */
#include "testing.h"

#include "stream.h"

#define CALL_EVENTS_MAX 16

struct call {
    struct stream *s;
    struct quality_judge judge;
    struct quality_policy policy;
    unsigned level;
    int64_t now_us; /* when the next packet is due */
    int64_t sampled_us;
    struct {
        enum quality_verdict verdict;
        int64_t at_us;
        unsigned reasons;
    } events[CALL_EVENTS_MAX];
    unsigned count;
};

static void call_init(struct call *c, uint64_t seed, unsigned level)
{
    *c = (struct call){.s = stream_new(seed), .policy = quality_policy_default, .level = level};
    quality_judge_init(&c->judge);
}

static void call_fini(struct call *c)
{
    free(c->s);
}

static void sample(struct call *c, int64_t at_us)
{
    stream_give(c->s, at_us);
    enum quality_verdict v = quality_judge_sample(&c->judge, &c->policy, c->level, &c->s->q, at(at_us));
    if (v == QUALITY_UNCHANGED)
        return;
    assert_true(c->count < CALL_EVENTS_MAX);
    c->events[c->count].verdict = v;
    c->events[c->count].reasons = c->judge.reasons;
    c->events[c->count++].at_us = at_us;
}

static void sample_until(struct call *c, int64_t until_us)
{
    for (; c->sampled_us <= until_us; c->sampled_us += (int64_t)c->policy.interval_ms * 1000)
        sample(c, c->sampled_us);
}

/* So many seconds with random loss, runs of `run` packets. */
static void talk(struct call *c, unsigned seconds, double loss_ratio, unsigned run)
{
    unsigned losing = 0;
    for (unsigned i = 0; i < seconds * 50; i++, c->now_us += PTIME_US) {
        if (losing == 0 && chance(c->s) < loss_ratio / run)
            losing = run;
        stream_next(c->s, losing > 0, c->now_us);
        losing -= losing > 0;
    }
    sample_until(c, c->now_us - 1);
}

static void be_silent(struct call *c, unsigned seconds)
{
    c->now_us += seconds * SECOND;
    c->s->sequence = (uint16_t)(c->s->sequence + seconds * 50);
    c->s->timestamp += seconds * 8000;
    sample_until(c, c->now_us - 1);
}

static void expect_event(const struct call *c, unsigned index, enum quality_verdict verdict, double from_s, double to_s)
{
    assert_true(index < c->count);
    assert_int_equal(c->events[index].verdict, verdict);
    double at_s = (double)c->events[index].at_us / SECOND;
    if (at_s < from_s || at_s > to_s)
        fail_msg("event %u came at %.1f s, not within %.1f to %.1f", index, at_s, from_s, to_s);
}

/* Loss that each level bears for a whole minute, and loss that it does not. */
static void test_levels(void **state)
{
    (void)state;
    static const struct {
        unsigned level;
        double borne, not_borne;
    } rows[] = {{0, 0.9, 1}, {1, 0.10, 0.30}, {2, 0.05, 0.16}, {3, 0.02, 0.10}, {4, 0.008, 0.06}, {5, 0.001, 0.04}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct call c;
            call_init(&c, seed, rows[i].level);
            talk(&c, 10, 0, 1);
            talk(&c, 60, rows[i].borne, 1);
            talk(&c, 10, 0, 1);
            assert_int_equal(c.count, 0);
            if (rows[i].level > 0) {
                talk(&c, 60, rows[i].not_borne, 1);
                assert_int_equal(c.count, 1);
                expect_event(&c, 0, QUALITY_BAD, 80 + 20, 80 + 28);
            }
            call_fini(&c);
        }
    }
}

/* BAD once after the hold-down, GOOD once after recovery, whatever goes on in between. */
static void test_once(void **state)
{
    (void)state;
    struct call c;
    char text[QUALITY_TEXT_OCTETS];
    call_init(&c, 1, 3);
    talk(&c, 30, 0, 1);
    talk(&c, 120, 0.10, 1);
    assert_int_equal(c.count, 1);
    expect_event(&c, 0, QUALITY_BAD, 50, 54);
    assert_true(c.events[0].reasons & QUALITY_BY_LOSS);
    assert_near(c.judge.figures.loss_ratio, 0.10, 0.06);
    quality_judge_format(&c.judge, text);
    assert_memory_equal(text, "loss=0.", 7);
    assert_non_null(strstr(text, ";why=loss"));
    talk(&c, 120, 0, 1);
    assert_int_equal(c.count, 2);
    expect_event(&c, 1, QUALITY_GOOD, 150 + 20, 150 + 26); /* recovery, and the window */
    talk(&c, 60, 0, 1);
    assert_int_equal(c.count, 2);
    assert_int_equal(c.judge.bad_count, 1);
    assert_near(c.judge.worst_loss_ratio, 0.14, 0.08);
    call_fini(&c);
}

/* Bad for 19 s is not bad for 20 s, however long the window remembers it. */
static void test_hold_down(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct call c;
        call_init(&c, seed, 3);
        for (unsigned i = 0; i < 5; i++) {
            talk(&c, 15, 0, 1);
            talk(&c, 19, 0.20, 1);
        }
        talk(&c, 15, 0, 1);
        assert_int_equal(c.count, 0);
        assert_true(c.judge.impaired_count >= 5);
        call_fini(&c);
    }
    /* and as configured */
    struct call c;
    call_init(&c, 1, 3);
    c.policy.hold_down_ms = 60000;
    c.policy.recovery_ms = 10000;
    talk(&c, 10, 0, 1);
    talk(&c, 59, 0.20, 1);
    assert_int_equal(c.count, 0);
    talk(&c, 5, 0.20, 1);
    expect_event(&c, 0, QUALITY_BAD, 70, 73);
    talk(&c, 30, 0, 1);
    expect_event(&c, 1, QUALITY_GOOD, 74 + 10, 74 + 16);
    call_fini(&c);
}

/* Quality that goes up and down around the thresholds does not make verdicts flap. */
static void test_flapping(void **state)
{
    (void)state;
    struct call c;
    call_init(&c, 4, 3);
    for (unsigned i = 0; i < 40; i++) {
        talk(&c, 8, 0.12, 1);
        talk(&c, 8, 0.01, 1);
    }
    assert_int_equal(c.count, 0);
    talk(&c, 40, 0.12, 1);
    assert_int_equal(c.count, 1);
    for (unsigned i = 0; i < 40; i++) {
        talk(&c, 8, 0.01, 1);
        talk(&c, 8, 0.12, 1);
    }
    assert_int_equal(c.count, 1);
    talk(&c, 40, 0, 1);
    assert_int_equal(c.count, 2);
    call_fini(&c);
    /* exactly at the threshold: whatever it says, it says it once */
    call_init(&c, 4, 3);
    talk(&c, 600, 0.05, 1);
    assert_true(c.count <= 2);
    call_fini(&c);
}

/* A dropout of 600 ms every four seconds is bad at the level that bears 500 ms; one of 300 ms, once, at no level. */
static void test_dropouts(void **state)
{
    (void)state;
    struct call c;
    call_init(&c, 1, 3);
    for (unsigned i = 0; i < 12; i++) {
        talk(&c, 3, 0, 1);
        for (unsigned j = 0; j < 50; j++, c.now_us += PTIME_US)
            stream_next(c.s, j < 30, c.now_us);
        sample_until(&c, c.now_us - 1);
    }
    assert_int_equal(c.count, 1);
    expect_event(&c, 0, QUALITY_BAD, 23, 29);
    assert_true(c.events[0].reasons & QUALITY_BY_RUN);
    call_fini(&c);

    call_init(&c, 1, 5);
    talk(&c, 10, 0, 1);
    for (unsigned j = 0; j < 15; j++, c.now_us += PTIME_US)
        stream_next(c.s, true, 0);
    talk(&c, 60, 0, 1);
    assert_int_equal(c.count, 0);
    assert_int_equal(c.judge.impaired_count, 1);
    call_fini(&c);
}

/* The stream ends without a word. */
static void test_silence(void **state)
{
    (void)state;
    struct call c;
    call_init(&c, 1, 3);
    talk(&c, 30, 0, 1);
    be_silent(&c, 60);
    assert_int_equal(c.count, 1);
    expect_event(&c, 0, QUALITY_BAD, 50, 51);
    assert_true(c.events[0].reasons & QUALITY_BY_SILENCE);
    assert_near(c.judge.figures.loss_ratio, 1, 1e-9);
    talk(&c, 60, 0, 1);
    assert_int_equal(c.count, 2);
    expect_event(&c, 1, QUALITY_GOOD, 90 + 20, 90 + 26);
    call_fini(&c);
}

/* On hold nothing is expected, however short, and what was bad before does not count on. */
static void test_hold(void **state)
{
    (void)state;
    for (unsigned hold_s = 1; hold_s <= 61; hold_s += 60) {
        struct call c;
        call_init(&c, 1, 3);
        talk(&c, 30, 0, 1);
        talk(&c, 15, 0.2, 1);
        quality_set_flows(&c.s->q, at(c.now_us), false);
        be_silent(&c, hold_s);
        quality_set_flows(&c.s->q, at(c.now_us), true);
        talk(&c, 15, 0.2, 1);
        assert_int_equal(c.count, 0);
        talk(&c, 15, 0.2, 1);
        assert_int_equal(c.count, 1);
        call_fini(&c);
    }
}

/* Silence between words: it neither lets bad time pass nor forgets it. */
static void test_pauses(void **state)
{
    (void)state;
    struct call c;
    call_init(&c, 1, 3);
    for (unsigned i = 0; i < 20; i++) {
        talk(&c, 2, 0, 1);
        c.s->timestamp += 64000;
        c.now_us += 8 * SECOND;
        sample_until(&c, c.now_us - 1);
    }
    assert_int_equal(c.count, 0);
    assert_int_equal(c.judge.impaired_count, 1); /* the first pause, until it was known to be one */
    for (unsigned i = 0; i < 20; i++) {
        talk(&c, 4, 0.15, 1);
        c.s->timestamp += 64000;
        c.now_us += 8 * SECOND;
        sample_until(&c, c.now_us - 1);
    }
    assert_int_equal(c.count, 1);
    call_fini(&c);
}

static void test_jitter(void **state)
{
    (void)state;
    struct call c;
    call_init(&c, 1, 3);
    talk(&c, 10, 0, 1);
    for (unsigned i = 0; i < 50 * 60; i++, c.now_us += PTIME_US) /* uniform up to 300 ms: 100 ms of jitter */
        stream_next(c.s, false, c.now_us + (int64_t)(chance(c.s) * 300000));
    sample_until(&c, c.now_us - 1);
    assert_int_equal(c.count, 1);
    expect_event(&c, 0, QUALITY_BAD, 30, 34);
    assert_true(c.events[0].reasons & QUALITY_BY_JITTER);
    call_fini(&c);
}

/* A verdict never hinges on the monitoring interval. */
static void test_intervals(void **state)
{
    (void)state;
    static const uint32_t intervals_ms[] = {10, 100, 250, 600};
    for (unsigned i = 0; i < 4; i++) {
        struct call c;
        call_init(&c, 1, 3);
        c.policy.interval_ms = intervals_ms[i];
        talk(&c, 30, 0, 1);
        talk(&c, 40, 0.12, 1);
        talk(&c, 40, 0, 1);
        assert_int_equal(c.count, 2);
        expect_event(&c, 0, QUALITY_BAD, 50, 54);
        expect_event(&c, 1, QUALITY_GOOD, 90, 96);
        call_fini(&c);
    }
}

/* A worker that did not look for a minute does not know that all of it was bad. */
static void test_gap_in_samples(void **state)
{
    (void)state;
    struct call c;
    call_init(&c, 1, 3);
    talk(&c, 10, 0, 1);
    talk(&c, 5, 0.3, 1);
    c.sampled_us += 60 * SECOND;
    talk(&c, 60, 0.3, 1);
    talk(&c, 5, 0.3, 1);
    assert_int_equal(c.count, 0);
    talk(&c, 15, 0.3, 1);
    assert_int_equal(c.count, 1);
    call_fini(&c);
}

/* Every so many packets one is lost. */
static void lose_every(struct call *c, unsigned seconds, unsigned packets)
{
    for (unsigned i = 0; i < seconds * 50; i++, c->now_us += PTIME_US)
        stream_next(c->s, i % packets == 0, c->now_us);
    sample_until(c, c->now_us - 1);
}

/* Between the threshold (5 %) and three quarters of it a stream stays what it was. */
static void test_between(void **state)
{
    (void)state;
    struct call c;
    call_init(&c, 1, 3);
    c.policy.levels[3].mos = 0;
    lose_every(&c, 60, 23); /* 4.3 % */
    assert_int_equal(c.judge.impaired_count, 0);
    lose_every(&c, 10, 12); /* 8.3 % */
    assert_int_equal(c.judge.impaired_count, 1);
    lose_every(&c, 15, 23);
    assert_int_equal(c.count, 0);
    lose_every(&c, 3, 10);
    assert_int_equal(c.count, 1);
    lose_every(&c, 60, 23);
    assert_int_equal(c.count, 1);
    lose_every(&c, 40, 40); /* 2.5 % */
    assert_int_equal(c.count, 2);
    assert_int_equal(c.judge.impaired_count, 1);
    call_fini(&c);
}

/* A codec whose best is only just good enough becomes good again. */
static void test_best_of_codec(void **state)
{
    (void)state;
    struct call c;
    call_init(&c, 1, 3);
    c.policy.levels[3].mos = 4.3;
    talk(&c, 10, 0, 1);
    assert_int_equal(c.judge.impaired_count, 0);
    talk(&c, 40, 0.1, 1);
    assert_int_equal(c.count, 1);
    assert_true(c.events[0].reasons & QUALITY_BY_MOS);
    talk(&c, 40, 0, 1);
    assert_true(c.judge.figures.mos < 4.3 + QUALITY_CLEAR_MOS);
    assert_int_equal(c.count, 2);
    call_fini(&c);
}

/* Turned off by configuration: what was told is taken back. */
static void test_off(void **state)
{
    (void)state;
    struct call c;
    call_init(&c, 1, 3);
    talk(&c, 60, 0.3, 1);
    assert_int_equal(c.count, 1);
    c.level = 0;
    talk(&c, 1, 0.3, 1);
    assert_int_equal(c.count, 2);
    assert_int_equal(c.events[1].verdict, QUALITY_GOOD);
    talk(&c, 60, 0.3, 1);
    assert_int_equal(c.count, 2);
    call_fini(&c);
}

static void test_policy(void **state)
{
    (void)state;
    struct quality_policy p = quality_policy_default;
    assert_true(quality_policy_bound(&p));
    assert_memory_equal(&p, &quality_policy_default, sizeof p);
    p.interval_ms = 9;
    p.hold_down_ms = 360001;
    p.recovery_ms = 0;
    p.levels[1].loss_ratio = 1.5;
    p.levels[2].mos = -1;
    p.levels[3].loss_ratio = NAN;
    assert_false(quality_policy_bound(&p));
    assert_int_equal(p.interval_ms, 10);
    assert_int_equal(p.hold_down_ms, 360000);
    assert_int_equal(p.recovery_ms, 10000);
    assert_near(p.levels[1].loss_ratio, 1, 0);
    assert_near(p.levels[2].mos, 0, 0);
    assert_near(p.levels[3].loss_ratio, 0, 0);
    assert_true(quality_policy_bound(&p));
    /* each level is stricter than the one before */
    for (unsigned i = 2; i < QUALITY_LEVELS; i++) {
        const struct quality_thresholds *a = &quality_policy_default.levels[i - 1], *b = a + 1;
        assert_true(b->loss_ratio < a->loss_ratio && b->run_us < a->run_us && b->jitter_us < a->jitter_us &&
                    b->mos > a->mos);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),    cmocka_unit_test(test_once),           cmocka_unit_test(test_hold_down),
        cmocka_unit_test(test_flapping),  cmocka_unit_test(test_dropouts),       cmocka_unit_test(test_silence),
        cmocka_unit_test(test_hold),      cmocka_unit_test(test_pauses),         cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_intervals), cmocka_unit_test(test_gap_in_samples), cmocka_unit_test(test_off),
        cmocka_unit_test(test_policy),    cmocka_unit_test(test_between),        cmocka_unit_test(test_best_of_codec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
