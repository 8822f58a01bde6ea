/* Fates of packets in virtual time: shares, delays, order, bursts, rates, and TCP that loses nothing. */
#include "impair/path.h"
#include "testing.h"

#define INTERVAL_US 20000 /* of voice */
#define OCTETS 172
#define PACKETS 20000

struct scene {
    struct impair_path path;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct now now;
};

static void scene_init(struct scene *s, const struct impair_settings *settings)
{
    s->seeded.state = 7;
    s->entropy = seeded_entropy_port(&s->seeded);
    s->now = (struct now){{1000000}, {0}};
    impair_path_init(&s->path);
    impair_path_set(&s->path, s->now, settings);
}

/* The next packet of a voice: how many microseconds it takes, or -1. */
static int64_t next(struct scene *s)
{
    struct mono at;
    s->now.mono = mono_after_us(s->now.mono, INTERVAL_US);
    return impair_packet(&s->path, s->now, OCTETS, &s->entropy, &at) ? mono_since_us(at, s->now.mono) : -1;
}

static void test_a_good_network_passes_everything_at_once(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, &(struct impair_settings){0});
    for (unsigned i = 0; i < PACKETS; i++)
        assert_int_equal(next(&s), 0);
    assert_int_equal(s.path.counters.packets, PACKETS);
    assert_int_equal(s.path.counters.octets, PACKETS * OCTETS);
    assert_int_equal(s.path.counters.delayed, 0);
}

static void test_losses_are_as_many_as_set(void **state)
{
    (void)state;
    struct scene s;
    unsigned lost = 0;
    scene_init(&s, &(struct impair_settings){.loss = 100000});
    for (unsigned i = 0; i < PACKETS; i++)
        lost += next(&s) < 0;
    assert_in_range(lost, PACKETS / 10 - 200, PACKETS / 10 + 200); /* five standard deviations */
    assert_int_equal(s.path.counters.lost, lost);
}

static void test_jitter_is_within_bounds_and_keeps_the_order(void **state)
{
    (void)state;
    struct scene s;
    int64_t last = 0, least = INT64_MAX, most = 0;
    scene_init(&s, &(struct impair_settings){.delay_ms = 50, .jitter_ms = 80});
    for (unsigned i = 0; i < PACKETS; i++) {
        int64_t us = next(&s);
        assert_in_range(us, 50000, 130000);
        assert_true(s.now.mono.us + us >= last);
        last = s.now.mono.us + us;
        least = us < least ? us : least;
        most = us > most ? us : most;
    }
    assert_true(most - least > 60000);
    assert_int_equal(s.path.counters.delayed, PACKETS);
}

static void test_what_is_reordered_is_overtaken(void **state)
{
    (void)state;
    struct scene s;
    unsigned overtaken = 0;
    scene_init(&s, &(struct impair_settings){.reorder = 50000});
    for (unsigned i = 0; i < PACKETS; i++) {
        int64_t us = next(&s);
        assert_true(us == 0 || us == IMPAIR_REORDER_US);
        overtaken += us > INTERVAL_US;
    }
    assert_int_equal(overtaken, s.path.counters.reordered);
    assert_in_range(overtaken, 800, 1200);
}

static void test_bursts_take_everything_for_their_time(void **state)
{
    (void)state;
    struct scene s;
    unsigned lost = 0, bursts = 0, run = 0;
    scene_init(&s, &(struct impair_settings){.burst_ms = 300, .every_ms = 3000});
    for (unsigned i = 0; i < PACKETS; i++) {
        if (next(&s) < 0) {
            lost++;
            run++;
            assert_true(run <= 450 / 20 + 1);
        } else {
            bursts += run > 0;
            assert_true(!run || run >= 150 / 20 - 1);
            run = 0;
        }
    }
    assert_in_range(lost, PACKETS / 10 - PACKETS / 50, PACKETS / 10 + PACKETS / 50);
    assert_in_range(bursts, 400 / 3 - 20, 400 / 3 + 20);
    assert_int_equal(s.path.counters.lost_in_bursts, lost);
}

static void test_a_long_silence_does_not_cost_time(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, &(struct impair_settings){.burst_ms = 1, .every_ms = 2});
    next(&s);
    s.now.mono = mono_after_ms(s.now.mono, INT64_C(1000) * 3600 * 24 * 365);
    next(&s);
    assert_true(s.path.burst_end.us > s.now.mono.us - INTERVAL_US);
}

static void test_a_slow_way_queues_and_then_drops(void **state)
{
    (void)state;
    struct scene s;
    uint64_t arrived = 0;
    scene_init(&s, &(struct impair_settings){.rate = 40000}); /* half of what is sent */
    for (unsigned i = 0; i < PACKETS; i++) {
        int64_t us = next(&s);
        assert_true(us < IMPAIR_QUEUE_US + 50000);
        arrived += us >= 0;
    }
    uint64_t bits = arrived * (OCTETS + IMPAIR_HEADER_OCTETS) * 8, seconds = PACKETS / 50;
    assert_in_range(bits / seconds, 39000, 41000);
    assert_int_equal(s.path.counters.lost_in_queue, PACKETS - arrived);
}

static void test_nothing_passes_a_cut(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, &(struct impair_settings){.cut = true});
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(next(&s), -1);
    assert_int_equal(s.path.counters.lost_in_cut, 100);
    impair_path_set(&s.path, s.now, &(struct impair_settings){0});
    assert_int_equal(next(&s), 0);
}

static void test_streams_lose_nothing_and_wait_for_timeouts(void **state)
{
    (void)state;
    struct scene s;
    unsigned held = 0, twice = 0;
    scene_init(&s, &(struct impair_settings){.loss = 200000, .delay_ms = 10});
    for (unsigned i = 0; i < PACKETS; i++) {
        int64_t us = mono_since_us(impair_segments(&s.path, s.now, 500, &s.entropy), s.now.mono);
        assert_true(us == 10000 || us == 210000 || us == 610000 || us == 1410000 || us == 3010000 || us == 6210000);
        held += us > 10000;
        twice += us > 210000;
    }
    assert_in_range(held, PACKETS / 5 - 300, PACKETS / 5 + 300);
    assert_in_range(twice, PACKETS / 25 - 200, PACKETS / 25 + 200);
    assert_int_equal(s.path.counters.segments, PACKETS);
}

static void test_a_long_piece_is_many_segments(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, &(struct impair_settings){.rate = 1000000});
    int64_t us = mono_since_us(impair_segments(&s.path, s.now, 10 * IMPAIR_SEGMENT_OCTETS, &s.entropy), s.now.mono);
    assert_int_equal(s.path.counters.segments, 10);
    assert_in_range(us, 115840, 122000); /* their bits at that rate, with heads */
    impair_segments(&s.path, s.now, 0, &s.entropy);
    assert_int_equal(s.path.counters.segments, 11); /* the end of a stream is a segment */
}

static void test_the_same_seed_gives_the_same_fates(void **state)
{
    (void)state;
    const struct impair_settings settings = {
        .loss = 50000, .reorder = 20000, .burst_ms = 100, .every_ms = 2000, .delay_ms = 20, .jitter_ms = 30};
    struct scene a, b;
    scene_init(&a, &settings);
    scene_init(&b, &settings);
    for (unsigned i = 0; i < PACKETS; i++)
        assert_int_equal(next(&a), next(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_network_passes_everything_at_once),
        cmocka_unit_test(test_losses_are_as_many_as_set),
        cmocka_unit_test(test_jitter_is_within_bounds_and_keeps_the_order),
        cmocka_unit_test(test_what_is_reordered_is_overtaken),
        cmocka_unit_test(test_bursts_take_everything_for_their_time),
        cmocka_unit_test(test_a_long_silence_does_not_cost_time),
        cmocka_unit_test(test_a_slow_way_queues_and_then_drops),
        cmocka_unit_test(test_nothing_passes_a_cut),
        cmocka_unit_test(test_streams_lose_nothing_and_wait_for_timeouts),
        cmocka_unit_test(test_a_long_piece_is_many_segments),
        cmocka_unit_test(test_the_same_seed_gives_the_same_fates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
