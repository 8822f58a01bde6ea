/* Fingers in a crowd: how many hops and how much time a look-up takes, how many links a node keeps, what joining and upkeep cost; what liars and
 * failures do to it. */
#include "base/mem.h"
#include "reload/chord_cells.h"
#include "testing.h"
#include "trace/crowd.h"

#include <math.h>
#include <stdio.h>

#define NODES 200
#define GAP_MS 500
#define COORDINATES_EXTENSION 0xf001

static uint64_t sum(struct crowd *crowd, size_t counter_offset)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < crowd->started; i++)
        if (crowd->nodes[i].peer)
            total += *(const uint64_t *)((const char *)peer_counters(crowd->nodes[i].peer) + counter_offset);
    return total;
}

#define SUM(crowd, counter) sum(crowd, offsetof(struct peer_counters, counter))

static struct crowd *grown(uint64_t seed, unsigned nodes)
{
    struct crowd *crowd = crowd_new(seed, nodes);
    crowd_grow(crowd, nodes, GAP_MS);
    crowd_run(crowd, 60000);
    assert_true(crowd_all_joined(crowd));
    assert_true(crowd_is_right(crowd));
    return crowd;
}

static void say(const struct crowd_measure *m)
{
    print_message("# hops %.2f, at most %u; %.0f ms, direct %.0f ms; links %.1f, at most %u\n", m->hops_mean,
                  m->hops_max, m->time_mean, m->direct_mean, m->links_mean, m->links_max);
}

/* What the ring promises: hops, time, links; and that a join costs few messages. */
static void test_ways_are_short_and_near(void **state)
{
    (void)state;
    struct crowd *crowd = grown(1, NODES);
    double per_join = (double)crowd->messages / NODES;
    struct crowd_measure m = crowd_measure(crowd, 1000);
    say(&m);
    print_message("# %.0f messages for each join\n", per_join);
    double bits = log2(NODES);
    assert_int_equal(m.failed, 0);
    assert_true(m.hops_max <= bits);
    assert_true(m.hops_mean <= 0.33 * bits);
    assert_true(m.time_mean <= 2 * m.direct_mean);
    assert_true(m.links_mean <= 50);
    assert_true(per_join < 600);
    assert_true(SUM(crowd, fingers_improved) > 0);
    crowd_free(crowd);
}

/* An hour of nothing: keepalives, stabilization, a search for nearer fingers. Nothing flaps, links do not get more, ways do not get worse. */
static void test_quiet_ring_is_quiet(void **state)
{
    (void)state;
    struct crowd *crowd = grown(2, 100);
    crowd_run(crowd, 1200000);
    uint64_t messages = crowd->messages, connects = crowd->connects, updates = SUM(crowd, updates_sent);
    struct crowd_measure before = crowd_measure(crowd, 500);
    crowd_run(crowd, 3600000);
    struct crowd_measure after = crowd_measure(crowd, 500);
    say(&after);
    print_message("# %.0f messages, %.1f connections, %.1f updates per node and hour\n",
                  (double)(crowd->messages - messages) / crowd->started,
                  (double)(crowd->connects - connects) / crowd->started,
                  (double)(SUM(crowd, updates_sent) - updates) / crowd->started);
    assert_true((double)(crowd->messages - messages) / crowd->started < 3500);
    /* Six times to eight neighbors, twice with each new connection, and a few that were asked for. */
    assert_true((double)(SUM(crowd, updates_sent) - updates) <
                60.0 * crowd->started + 3 * (double)(crowd->connects - connects));
    /* The partition check connects now and then; fingers hardly ever. */
    uint64_t improved = SUM(crowd, fingers_improved);
    crowd_run(crowd, 3600000);
    assert_true((double)(SUM(crowd, fingers_improved) - improved) / crowd->started < 2);
    assert_true(after.time_mean < before.time_mean * 1.1);
    assert_true(after.links_mean < before.links_mean + 2);
    assert_true(crowd_is_right(crowd));
    crowd_free(crowd);
}

/* ---- at the limit ---- */

static void tune_tight(struct peer_options *options)
{
    options->links_wanted = 24;
}

/* Who has all the links that it wants declines, and who wants one takes another; neighbors are always admitted. */
static void test_full_nodes_decline(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_new(3, 100);
    crowd->tune = tune_tight;
    crowd_grow(crowd, 100, GAP_MS);
    crowd_run(crowd, 300000);
    assert_true(crowd_all_joined(crowd) && crowd_is_right(crowd));
    assert_true(SUM(crowd, attaches_declined) > 0);
    struct crowd_measure m = crowd_measure(crowd, 500);
    say(&m);
    assert_int_equal(m.failed, 0);
    assert_true(m.links_mean <= 24);
    assert_true(m.links_max <= 24 + 8);
    assert_true(m.hops_max <= log2(100));
    crowd_free(crowd);
}

/* ---- failures ---- */

static void test_fingers_that_fail_are_replaced(void **state)
{
    (void)state;
    struct crowd *crowd = grown(4, 120);
    struct crowd_measure before = crowd_measure(crowd, 500);
    for (unsigned i = 1; i < 120; i += 3) { /* a third, one after the other: the bootstrap node stays */
        crowd_kill(crowd, i);
        crowd_run(crowd, 2000);
    }
    crowd_run(crowd, 120000);
    assert_true(crowd_is_right(crowd));
    struct crowd_measure after = crowd_measure(crowd, 500);
    say(&after);
    assert_int_equal(after.failed, 0);
    assert_true(after.hops_mean < before.hops_mean + 0.2);
    assert_true(after.links_mean > before.links_mean * 0.7);
    crowd_free(crowd);
}

/* ---- liars ---- */

/* The contents of the extension, within a message. NULL: it has none. */
static struct slice extension_in(struct slice message, struct region *region)
{
    struct reload_message m;
    struct fault fault;
    if (reload_message_decode(message, region, &m, &fault))
        return slice_of(NULL, 0);
    for (size_t i = 0; i < m.contents.extension_count; i++)
        if (m.contents.extensions[i].type == COORDINATES_EXTENSION)
            return m.contents.extensions[i].contents;
    return slice_of(NULL, 0);
}

struct lie {
    unsigned among; /* nodes with a number that it divides lie */
    bool off_the_earth;
    uint64_t told;
};

/* Every liar says that it, and everybody whom it lists, is right here, or nowhere. A signature covers nothing in a crowd. */
static bool lie(void *ctx, struct crowd *crowd, unsigned from, unsigned to, struct slice message,
                struct buf *ret_instead)
{
    struct lie *l = ctx;
    (void)to, (void)crowd;
    if (from % l->among != 0)
        return false;
    struct region region;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    struct slice contents = extension_in(message, &region);
    buf_init(ret_instead, RELOAD_MESSAGE_OCTETS_MAX);
    buf_slice_put(ret_instead, message);
    uint8_t *octets = contents.n ? ret_instead->p + (contents.p - message.p) : NULL;
    for (size_t i = 0; i < contents.n; i++)
        octets[i] = l->off_the_earth ? 0x7f : 0;
    l->told += contents.n > 0;
    region_fini(&region);
    return contents.n > 0;
}

static struct crowd_measure measure_with(struct lie *l, uint64_t *ret_refused)
{
    struct crowd *crowd = crowd_new(5, 120);
    if (l) {
        crowd->tap = lie;
        crowd->tap_ctx = l;
    }
    crowd_grow(crowd, 120, GAP_MS);
    crowd_run(crowd, 120000);
    assert_true(crowd_all_joined(crowd) && crowd_is_right(crowd));
    struct crowd_measure m = crowd_measure(crowd, 1000);
    *ret_refused = SUM(crowd, coordinates_refused);
    say(&m);
    assert_int_equal(m.failed, 0);
    assert_true(m.hops_max <= log2(120));
    crowd_free(crowd);
    return m;
}

static void test_false_coordinates_cost_time_only(void **state)
{
    (void)state;
    uint64_t refused;
    struct crowd_measure honest = measure_with(NULL, &refused);
    assert_int_equal(refused, 0);
    struct lie near = {.among = 5}, nowhere = {.among = 5, .off_the_earth = true};
    struct crowd_measure m = measure_with(&near, &refused);
    assert_true(near.told > 0);
    assert_int_equal(refused, 0); /* they are well formed */
    assert_true(m.time_mean < honest.time_mean * 1.5);
    assert_true(m.hops_mean < honest.hops_mean + 0.2);
    m = measure_with(&nowhere, &refused);
    assert_true(refused > 0 && refused <= nowhere.told);
    assert_true(m.time_mean < honest.time_mean * 1.5);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways_are_short_and_near),
        cmocka_unit_test(test_quiet_ring_is_quiet),
        cmocka_unit_test(test_full_nodes_decline),
        cmocka_unit_test(test_fingers_that_fail_are_replaced),
        cmocka_unit_test(test_false_coordinates_cost_time_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
