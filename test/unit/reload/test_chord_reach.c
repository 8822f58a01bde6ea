/* Looking one hop ahead: who is nearer and who is on the way, what neighbors own, what is kept of what was told before. */
#include "base/entropy.h"
#include "reload/chord_reach.h"
#include "testing.h"

#define RING_SIZE 1000
#define NO_REACH_MS 1e6f

static struct id id_at(double fraction)
{
    struct id id = {{0}};
    for (unsigned i = 0; i < 6; i++) {
        fraction *= 256;
        id.octets[i] = (uint8_t)fraction;
        fraction -= id.octets[i];
    }
    return id;
}

/* The node at 0.9 of the ring: its distances go round the end. */
#define NODE 0.9

static struct chord_reached reached(double ahead, float ms)
{
    double place = NODE + ahead;
    return chord_reached_of(id_at(NODE), id_at(place < 1 ? place : place - 1), ms);
}

static float ms_to(const struct chord_reach *reach, double ahead)
{
    double place = NODE + ahead;
    return chord_reach_ms(reach, id_at(NODE), id_at(place < 1 ? place : place - 1), RING_SIZE);
}

static void test_nearer_is_shorter(void **state)
{
    (void)state;
    struct chord_reach nothing = {0}, one = {0}, more = {0};
    struct chord_reached nodes[] = {reached(0.499, 40), reached(0.25, 40)};
    assert_true(chord_reach_learn(&one, nodes + 1, 1, 0, 0, true));
    assert_true(chord_reach_learn(&more, nodes, 2, 0, 0, true));
    assert_true(ms_to(&nothing, 0.5) < ms_to(&nothing, 0.7));
    assert_true(ms_to(&nothing, 0.001) < ms_to(&nothing, 0.002));
    assert_true(ms_to(&more, 0.5) < ms_to(&one, 0.5));
    assert_true(ms_to(&one, 0.5) <= ms_to(&nothing, 0.5));
    /* Who stands behind the place is of no use. */
    assert_true(ms_to(&more, 0.24) == ms_to(&nothing, 0.24));
    chord_reach_fini(&one);
    chord_reach_fini(&more);
}

static void test_the_near_one_of_two_is_taken(void **state)
{
    (void)state;
    struct chord_reach far = {0}, both = {0};
    struct chord_reached nodes[] = {reached(0.49, 20), reached(0.492, 300)};
    assert_true(chord_reach_learn(&far, nodes + 1, 1, 0, 0, true));
    assert_true(chord_reach_learn(&both, nodes, 2, 0, 0, true));
    assert_true(ms_to(&both, 0.5) < ms_to(&far, 0.5));
    chord_reach_fini(&far);
    chord_reach_fini(&both);
}

static bool leads_to(const struct chord_reach *reach, double ahead, double node)
{
    return chord_reach_leads_to(reach, id_at(NODE), id_at(NODE + ahead - 1), RING_SIZE, id_at(NODE + node - 1));
}

static void test_whom_it_leads_to(void **state)
{
    (void)state;
    struct chord_reach nothing = {0}, both = {0};
    struct chord_reached nodes[] = {reached(0.49, 20), reached(0.492, 300)};
    assert_true(chord_reach_learn(&both, nodes, 2, 0, 0, true));
    assert_true(leads_to(&both, 0.5, 0.49));
    assert_false(leads_to(&both, 0.5, 0.492));
    assert_true(leads_to(&both, 0.49, 0.49)); /* its own place */
    assert_false(leads_to(&both, 0.3, 0.49)); /* behind the place */
    assert_false(leads_to(&nothing, 0.5, 0.49));
    chord_reach_fini(&both);
}

/* Of three predecessors the farthest one's range is not known, nor that of a finger. */
static void test_neighbors_own_what_lies_between(void **state)
{
    (void)state;
    struct chord_reach reach = {0};
    struct chord_reached nodes[] = {reached(0.997, 30), reached(0.998, 30), reached(0.999, 30), reached(0.001, 30),
                                    reached(0.002, 30), reached(0.003, 30), reached(0.5, 30)};
    assert_true(chord_reach_learn(&reach, nodes, 7, 3, 3, true));
    float owner = CHORD_HOP_MS + 30;
    assert_true(ms_to(&reach, 0.0005) == owner);
    assert_true(ms_to(&reach, 0.0025) == owner);
    assert_true(ms_to(&reach, 0.9985) == owner);
    assert_true(ms_to(&reach, 0.9975) == owner);
    assert_true(ms_to(&reach, 0.9965) > owner);
    assert_true(ms_to(&reach, 0.0031) > owner);
    assert_true(ms_to(&reach, 0.4999) > owner);
    /* … but every node is the owner of its own place. */
    assert_true(ms_to(&reach, 0.5) == owner);
    chord_reach_fini(&reach);
}

static void test_news_of_neighbors_leave_fingers(void **state)
{
    (void)state;
    struct chord_reach reach = {0};
    struct chord_reached full[] = {reached(0.99, 30), reached(0.01, 30), reached(0.02, 30), reached(0.5, 30)};
    struct chord_reached news[] = {reached(0.995, 30), reached(0.01, 30), reached(0.015, 30)};
    assert_true(chord_reach_learn(&reach, full, 4, 2, 1, true));
    assert_true(chord_reach_learn(&reach, news, 3, 2, 1, false));
    /* 0.02 and 0.99 are farther away than the neighbors that are told now: they are fingers. */
    assert_int_equal(reach.count, 6);
    assert_true(ms_to(&reach, 0.015) == CHORD_HOP_MS + 30);
    assert_true(ms_to(&reach, 0.5) == CHORD_HOP_MS + 30);
    assert_true(chord_reach_learn(&reach, news, 3, 2, 1, true));
    assert_int_equal(reach.count, 3);
    assert_true(chord_reach_learn(&reach, news, 0, 0, 0, true));
    assert_int_equal(reach.count, 0);
    assert_null(reach.ahead);
}

/* Each node twice, as in a ring that is smaller than its neighbor tables, or from somebody who lies. */
static void test_any_list_is_taken(void **state)
{
    (void)state;
    struct seeded_entropy seed = {3};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct chord_reach reach = {0};
    for (unsigned run = 0; run < 200; run++) {
        struct chord_reached nodes[CHORD_REACH_MAX + 20];
        size_t n = (size_t)entropy_below(&entropy, CHORD_REACH_MAX + 21);
        for (size_t i = 0; i < n; i++)
            nodes[i] = reached((double)entropy_below(&entropy, 100) / 100, (float)entropy_below(&entropy, 2000));
        assert_true(chord_reach_learn(&reach, nodes, n, (size_t)entropy_below(&entropy, 300),
                                      (size_t)entropy_below(&entropy, 300), entropy_below(&entropy, 2)));
        for (size_t i = 1; i < reach.count; i++)
            assert_true(reach.ahead[i - 1] < reach.ahead[i]);
        assert_true(reach.successors <= reach.count && reach.predecessors <= reach.count);
        for (unsigned k = 0; k < 50; k++) {
            float ms = ms_to(&reach, (double)entropy_below(&entropy, 1000) / 1000);
            assert_true(ms > 0 && ms < NO_REACH_MS);
        }
    }
    chord_reach_fini(&reach);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearer_is_shorter),
        cmocka_unit_test(test_the_near_one_of_two_is_taken),
        cmocka_unit_test(test_whom_it_leads_to),
        cmocka_unit_test(test_neighbors_own_what_lies_between),
        cmocka_unit_test(test_news_of_neighbors_leave_fingers),
        cmocka_unit_test(test_any_list_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
