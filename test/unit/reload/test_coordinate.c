/* Network coordinates: they come to foretell round trips that were never measured; what others say cannot break them. */
#include "reload/coordinate.h"
#include "testing.h"

#include <math.h>

#define NODES 40

/* A flat world: nodes on a square of 200 ms, each with a way of its own to the net. */
struct place {
    double x, y, access;
};

static double true_rtt(const struct place *a, const struct place *b)
{
    return hypot(a->x - b->x, a->y - b->y) + a->access + b->access;
}

static void test_round_trips_are_foretold(void **state)
{
    (void)state;
    struct seeded_entropy seed = {1};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct place places[NODES];
    struct coordinate points[NODES];
    for (unsigned i = 0; i < NODES; i++) {
        places[i] = (struct place){(double)entropy_below(&entropy, 200), (double)entropy_below(&entropy, 200),
                                   (double)entropy_below(&entropy, 10)};
        points[i] = coordinate_origin();
    }
    /* Each measures the same few others. */
    for (unsigned round = 0; round < 500; round++)
        for (unsigned i = 0; i < NODES; i++) {
            unsigned other = (i + 1 + (unsigned)entropy_below(&entropy, 16)) % NODES;
            coordinate_observe(&points[i], &points[other], (float)true_rtt(&places[i], &places[other]), &entropy);
        }
    double off = 0;
    unsigned n = 0;
    for (unsigned i = 0; i < NODES; i++)
        for (unsigned k = 0; k < NODES; k++) {
            if (k == i || (NODES + k - i) % NODES <= 16 || (NODES + i - k) % NODES <= 16)
                continue; /* may have been measured */
            double rtt = true_rtt(&places[i], &places[k]);
            off += fabs((double)coordinate_rtt_ms(&points[i], &points[k]) - rtt) / rtt;
            n++;
        }
    assert_true(off / n < 0.25);
    for (unsigned i = 0; i < NODES; i++)
        assert_true(points[i].error < 0.5f);
}

static void test_nonsense_moves_nothing(void **state)
{
    (void)state;
    struct seeded_entropy seed = {2};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct coordinate self = {{10, 20, 30}, 1, 0.2f}, before = self, other = {{0, 0, 0}, 1, 0.1f};
    struct coordinate unknown = coordinate_unknown();
    assert_false(coordinate_is_known(&unknown));
    coordinate_observe(&self, &unknown, 50, &entropy);
    coordinate_observe(&self, &other, 0, &entropy);
    coordinate_observe(&self, &other, -3, &entropy);
    coordinate_observe(&self, &other, 1e9f, &entropy);
    coordinate_observe(&self, &other, (float)NAN, &entropy);
    assert_memory_equal(&self, &before, sizeof self);
    coordinate_observe(&unknown, &other, 50, &entropy);
    assert_false(coordinate_is_known(&unknown));
}

static void test_a_liar_moves_us_by_a_bounded_step(void **state)
{
    (void)state;
    struct seeded_entropy seed = {3};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct coordinate self = coordinate_origin(), liar = {{1000, 1000, 1000}, 1000, 0};
    for (unsigned i = 0; i < 1000; i++) {
        struct coordinate before = self;
        coordinate_observe(&self, &liar, 4999, &entropy);
        for (unsigned k = 0; k < 3; k++)
            assert_true(fabs((double)self.axis[k] - (double)before.axis[k]) <= 100 &&
                        fabs((double)self.axis[k]) <= 1000);
        assert_true(self.height > 0 && self.height <= 1000 && self.error >= 0 && self.error <= 1);
    }
}

static void test_same_point_is_left(void **state)
{
    (void)state;
    struct seeded_entropy seed = {4};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct coordinate self = coordinate_origin(), other = coordinate_origin();
    coordinate_observe(&self, &other, 100, &entropy);
    assert_true(coordinate_rtt_ms(&self, &other) > 5);
}

static int decode(struct slice octets, struct coordinate *ret_coordinate)
{
    struct reader r;
    reader_init(&r, octets);
    return coordinate_decode(&r, ret_coordinate);
}

static void test_wire(void **state)
{
    (void)state;
    struct coordinate c = {{-123.45f, 0, 999.95f}, 12.35f, 0.5f}, back, unknown = coordinate_unknown();
    struct buf b;
    buf_init(&b, 100);
    coordinate_encode(&c, &b);
    assert_int_equal(b.n, COORDINATE_OCTETS);
    assert_int_equal(decode(buf_slice(&b), &back), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(fabs((double)(c.axis[i] - back.axis[i])) <= 0.026);
    assert_true(fabs((double)(c.height - back.height)) <= 0.026 && fabs((double)(c.error - back.error)) < 0.003);
    buf_clear(&b);
    coordinate_encode(&unknown, &b);
    assert_int_equal(decode(buf_slice(&b), &back), 0);
    assert_false(coordinate_is_known(&back));
    buf_fini(&b);
    back = c;
    static const uint8_t far[COORDINATE_OCTETS] = {0x7f, 0xff, 0, 0, 0, 0, 0, 0, 10};
    static const uint8_t high[COORDINATE_OCTETS] = {0, 0, 0, 0, 0, 0, 0xff, 0xff, 10};
    assert_int_equal(decode(slice_of(far, sizeof far), &back), ERR_RANGE);
    assert_int_equal(decode(slice_of(high, sizeof high), &back), ERR_RANGE);
    assert_int_equal(decode(slice_of(far, 8), &back), ERR_RANGE);
    assert_int_equal(decode(slice_of(high, 5), &back), ERR_TRUNCATED);
    assert_memory_equal(&back, &c, sizeof c); /* untouched on failure */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips_are_foretold),
        cmocka_unit_test(test_nonsense_moves_nothing),
        cmocka_unit_test(test_a_liar_moves_us_by_a_bounded_step),
        cmocka_unit_test(test_same_point_is_left),
        cmocka_unit_test(test_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
