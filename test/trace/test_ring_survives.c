/* What the ring lives through without losing an acknowledged value or failing a look-up: adjacent failures, empty and stale disks, leaving,
 * silent machines, partitions. The times are those that src/reload/README.md states. */
#include "testing.h"
#include "trace/world.h"

#include <stdio.h>

#define VALUES 48
#define REPAIR_MS 45000 /* from a failure to three copies of everything */

static int64_t elapsed_ms(const struct world *world, struct mono since)
{
    return mono_since_us(world->now.mono, since) / 1000;
}

static struct id place_of(unsigned i)
{
    return world_place(2 * i + 1, 2 * VALUES + 1);
}

/* Acknowledged, everywhere on the ring, written by this node. */
static void store_values(struct world *world, unsigned writer, const char *text)
{
    for (unsigned i = 0; i < VALUES; i++) {
        char value[32];
        snprintf(value, sizeof value, "%s %u", text, i);
        assert_int_equal(world_store(world, writer, place_of(i), value)->err, 0);
    }
}

static void expect_values(struct world *world, unsigned reader, unsigned writer, const char *text)
{
    for (unsigned i = 0; i < VALUES; i++) {
        char value[32];
        snprintf(value, sizeof value, "%s %u", text, i);
        const struct peer_result *result = world_fetch(world, reader, place_of(i));
        assert_int_equal(result->err, 0);
        assert_string_equal(world_value(result, world->nodes[writer].id), value);
    }
}

/* Whether everything lies where it should: at its peer and the next two. */
static bool all_have_three_copies(struct world *world)
{
    for (unsigned i = 0; i < VALUES; i++) {
        struct id at = place_of(i);
        unsigned running = 0;
        for (unsigned k = 1; k <= world->node_count; k++)
            running += world->nodes[k].peer && !world->nodes[k].frozen;
        for (unsigned copy = 0; copy < 3 && copy < running; copy++) {
            unsigned holder = world_owner(world, at);
            if (world_holds(world, holder, place_of(i)) == 0)
                return false;
            at = id_add(world->nodes[holder].id, id_power_of_two(0));
        }
    }
    return true;
}

static bool is_whole(struct world *world)
{
    return world_is_right(world) && all_have_three_copies(world);
}

/* The n-th running node behind this one on the ring. */
static unsigned behind(const struct world *world, unsigned node, unsigned n)
{
    for (; n; n--)
        node = world_owner(world, id_add(world->nodes[node].id, id_power_of_two(0)));
    return node;
}

/* ---- fewer than three adjacent peers fail between repairs ---- */

static void fail_adjacent(unsigned first, unsigned count, bool silent)
{
    struct world *world = world_of(8, 200 + first);
    unsigned writer = 1 + (first + 3) % 8, dead[2];
    store_values(world, writer, "kept");
    for (unsigned k = 0; k < count; k++)
        dead[k] = 1 + (first + k) % 8;
    for (unsigned k = 0; k < count; k++)
        if (silent)
            world->nodes[dead[k]].frozen = true;
        else
            world_kill(world, dead[k]);
    struct mono began = world->now.mono;
    assert_true(world_run_until(world, is_whole, REPAIR_MS));
    (void)began;
    expect_values(world, writer, writer, "kept");
    expect_values(world, 1 + (first + 5) % 8, writer, "kept");
    /* Repaired: the next two may go. */
    unsigned next[2] = {behind(world, writer, 1), behind(world, writer, 2)};
    world_kill(world, next[0]);
    world_kill(world, next[1]);
    assert_true(world_run_until(world, is_whole, REPAIR_MS));
    expect_values(world, writer, writer, "kept");
    world_free(world);
}

static void test_two_adjacent_peers_fail_anywhere(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 8; first++)
        fail_adjacent(first, 2, false);
}

static void test_two_adjacent_peers_hang_anywhere(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 8; first++)
        fail_adjacent(first, 2, true);
}

/* The disk of a peer that fails is in its process: stored and acknowledged, and at the same moment the responsible peer dies. */
static void test_acknowledged_at_the_moment_of_a_crash(void **state)
{
    (void)state;
    unsigned lost = 0;
    for (unsigned owner = 1; owner <= 8; owner++) {
        struct world *world = world_of(8, 220 + owner);
        struct id place = id_sub(world->nodes[owner].id, id_power_of_two(3));
        unsigned writer = 1 + owner % 8 + (owner < 4 ? 3 : 0);
        writer = writer > 8 || writer == owner ? behind(world, owner, 4) : writer;
        assert_int_equal(world_store(world, writer, place, "just stored")->err, 0);
        world_kill(world, owner);
        world_run(world, 30000);
        lost += world_fetch(world, writer, place)->item_count == 0;
        world_free(world);
    }
    assert_int_equal(lost, 0);
}

/* ---- disks ---- */

static void empty_disk(struct world *world, unsigned node)
{
    memory_store_free(world->nodes[node].kv);
    assert_int_equal(memory_store_new(&world->nodes[node].kv), 0);
}

static void test_peers_return_with_empty_disks(void **state)
{
    (void)state;
    for (unsigned first = 1; first <= 8; first++) {
        struct world *world = world_of(8, 230 + first);
        unsigned second = behind(world, first, 1), writer = behind(world, first, 4);
        store_values(world, writer, "kept");
        world_kill(world, first);
        world_kill(world, second);
        empty_disk(world, first);
        empty_disk(world, second);
        world_run(world, first * 60);
        world->nodes[first].knows = world->nodes[second].knows = writer;
        world_start(world, first);
        world_start(world, second);
        struct mono began = world->now.mono;
        assert_true(world_run_until(world, is_whole, REPAIR_MS));
        assert_true(elapsed_ms(world, began) <= REPAIR_MS);
        expect_values(world, first, writer, "kept");
        world_free(world);
    }
}

/* All copies but one are lost: the one that is left becomes three again, wherever it is. */
static void test_the_only_copy_left_comes_back(void **state)
{
    (void)state;
    for (unsigned first = 1; first <= 8; first += 2)
        for (unsigned left = 0; left < 3; left++) {
            struct world *world = world_of(8, 295 + first);
            struct id place = id_sub(world->nodes[first].id, id_power_of_two(3));
            unsigned holders[3] = {first, behind(world, first, 1), behind(world, first, 2)};
            unsigned writer = behind(world, first, 4);
            assert_int_equal(world_store(world, writer, place, "only one")->err, 0);
            world_run(world, 1000);
            for (unsigned i = 0; i < 3; i++)
                world_kill(world, holders[i]);
            for (unsigned i = 0; i < 3; i++)
                if (i != left)
                    empty_disk(world, holders[i]);
            world_run(world, 30000);
            for (unsigned i = 0; i < 3; i++) {
                world->nodes[holders[i]].knows = writer;
                world_start(world, holders[i]);
                world_run(world, 400);
            }
            assert_true(world_run_until(world, world_is_right, 60000));
            world_run(world, REPAIR_MS);
            for (unsigned i = 0; i < 3; i++)
                assert_int_equal(world_holds(world, holders[i], place), 1);
            world_free(world);
        }
}

/* Its disk is full for longer than anybody waits: when it has room again, it is given the copies that it should hold. */
static void test_a_replica_whose_disk_was_full(void **state)
{
    (void)state;
    struct world *world = world_of(8, 260);
    unsigned full = 3, owned = 0, others = 0;
    memory_store_refuse(world->nodes[full].kv, ERR_NO_SPACE);
    for (unsigned i = 0; i < VALUES; i++) {
        bool own = world_owner(world, place_of(i)) == full;
        assert_int_equal(world_store(world, 6, place_of(i), "kept")->err != 0, own);
        owned += own;
        others += !own && !world_holds(world, full, place_of(i));
    }
    assert_true(owned > 0 && others > 0);
    world_run(world, 300000);
    memory_store_refuse(world->nodes[full].kv, 0);
    for (unsigned i = 0; i < VALUES; i++)
        if (world_owner(world, place_of(i)) == full)
            assert_int_equal(world_store(world, 6, place_of(i), "kept")->err, 0);
    assert_true(world_run_until(world, is_whole, 180000));
    world_free(world);
}

/* While they were away everything was stored anew, a part of it was removed: what they kept is old. */
static void test_peers_return_with_stale_disks(void **state)
{
    (void)state;
    for (unsigned first = 1; first <= 8; first++) {
        struct world *world = world_of(8, 240 + first);
        unsigned second = behind(world, first, 1), writer = behind(world, first, 4);
        store_values(world, writer, "old");
        world_kill(world, first);
        world_kill(world, second);
        assert_true(world_run_until(world, is_whole, REPAIR_MS));
        store_values(world, writer, "new");
        world->nodes[first].knows = world->nodes[second].knows = writer;
        world_start(world, first);
        world_run(world, first * 40);
        world_start(world, second);
        assert_true(world_run_until(world, is_whole, REPAIR_MS));
        world_run(world, 5000);
        for (unsigned reader = 1; reader <= 8; reader += 3)
            expect_values(world, reader, writer, "new");
        /* And not only as they are read: the copies are the new ones as well. */
        world_kill(world, behind(world, first, 7));
        world_run(world, 3000);
        expect_values(world, writer, writer, "new");
        world_free(world);
    }
}

static uint64_t copies_sent(const struct world *world)
{
    uint64_t n = 0;
    for (unsigned i = 1; i <= world->node_count; i++)
        n += world->nodes[i].peer ? world_counters(world, i)->replicas_sent : 0;
    return n;
}

/* It was away for a moment, or until the others had repaired what it left, and comes back with its disk: what it has is not sent again. */
static void test_peer_that_returns_with_its_disk_is_sent_what_changed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool empty = i == 3;
        struct world *world = world_of(8, 290 + i);
        store_values(world, 1, "kept");
        world_run(world, 5000);
        world->nodes[5].knows = 2;
        world_kill(world, 5);
        if (i)
            assert_true(world_run_until(world, is_whole, REPAIR_MS));
        if (i == 2)
            for (unsigned k = 0; k < VALUES; k += 8)
                assert_int_equal(world_store(world, 2, place_of(k), "changed")->err, 0);
        if (empty)
            empty_disk(world, 5);
        world_run(world, 20000);
        uint64_t copies = copies_sent(world), messages = world->messages;
        world_start(world, 5);
        assert_true(world_run_until(world, is_whole, REPAIR_MS));
        world_run(world, 30000);
        copies = copies_sent(world) - copies;
        messages = world->messages - messages;
        print_message("%u: %d copies, %d messages\n", i, (int)copies, (int)messages);
        if (empty)
            assert_true(copies >= VALUES / 8 * 3); /* it holds three of eight parts */
        else
            assert_true(copies <= (i == 2 ? VALUES / 8 + 4 : 4));
        expect_values(world, 5, 1, "kept");
        world_free(world);
    }
}

/* ---- leaving ---- */

static void test_look_ups_go_on_while_peers_leave(void **state)
{
    (void)state;
    struct world *world = world_of(9, 250);
    store_values(world, 1, "kept");
    for (unsigned leaving = 3; leaving <= 7; leaving += 2) {
        peer_leave(world->nodes[leaving].peer, world->now);
        for (unsigned i = 0; i < VALUES; i++) {
            unsigned reader = i % 2 ? 2 : 8;
            const struct peer_result *result = world_fetch(world, reader, place_of(i));
            assert_int_equal(result->err, 0);
            assert_true(result->item_count == 1);
            assert_true(result->elapsed_us < 1000000); /* nothing had to be sent again */
        }
        assert_true(world_run_until(world, world_all_joined, 1) || true);
        world_run(world, 3000);
        assert_int_equal(peer_state(world->nodes[leaving].peer), PEER_LEFT);
        world_kill(world, leaving);
        assert_true(world_is_right(world));
        assert_true(world_run_until(world, all_have_three_copies, 10000));
    }
    expect_values(world, 8, 1, "kept");
    world_free(world);
}

/* ---- a look-up on its way when a peer dies ---- */

static void tune_narrow(struct peer_options *options)
{
    options->neighbors = 3;
    options->fingers = 1;
}

static void look_up_through_a_dying_peer(unsigned victim, bool silent)
{
    struct world *world = world_new(260);
    world->tune = tune_narrow;
    for (unsigned i = 0; i < 16; i++)
        world_add(world, world_place(i, 16));
    for (unsigned i = 1; i <= 16; i++) {
        world_start(world, i);
        assert_true(world_run_until(world, world_is_right, 30000));
    }
    struct id place = world_place(21, 32);
    assert_int_equal(world_store(world, 12, place, "kept")->err, 0);
    world_run(world, 10000);
    peer_fetch(world->nodes[1].peer, world->now, 7777, place, WORLD_KIND);
    world_run(world, 11); /* on its way */
    if (silent)
        world->nodes[victim].frozen = true;
    else
        world_kill(world, victim);
    const struct peer_result *result = world_wait(world, 1, 7777);
    assert_int_equal(result->err, 0);
    assert_string_equal(world_value(result, world->nodes[12].id), "kept");
    assert_true(result->elapsed_us < 15000000);
    world_free(world);
}

static void test_look_up_survives_any_peer_on_its_way(void **state)
{
    (void)state;
    for (unsigned victim = 2; victim <= 16; victim++) {
        look_up_through_a_dying_peer(victim, false);
        look_up_through_a_dying_peer(victim, true);
    }
}

/* Two neighbors cannot reach each other, and everybody else can reach both: look-ups find a way around, and do not go in circles. */
static void two_are_apart(unsigned a, unsigned b)
{
    struct world *world = world_of(10, 320);
    store_values(world, 1, "kept");
    world->apart[0] = a;
    world->apart[1] = b;
    world_cut(world, a, b);
    world_run(world, 30000);
    for (unsigned reader = 1; reader <= 10; reader++)
        for (unsigned i = 0; i < VALUES; i++) {
            const struct peer_result *result = world_fetch(world, reader, place_of(i));
            assert_int_equal(result->err, 0);
            assert_int_equal(result->item_count, 1);
            assert_true(result->elapsed_us < 1000000);
        }
    store_values(world, 5, "stored meanwhile");
    for (unsigned reader = 1; reader <= 10; reader++)
        if (reader != a && reader != b) /* which take themselves for neighbors of others */
            expect_values(world, reader, 5, "stored meanwhile");
    world->apart[0] = world->apart[1] = 0;
    assert_true(world_run_until(world, is_whole, 120000));
    world_run(world, 30000);
    for (unsigned reader = 1; reader <= 10; reader++)
        expect_values(world, reader, 5, "stored meanwhile");
    world_free(world);
}

static void test_neighbors_that_cannot_reach_each_other(void **state)
{
    (void)state;
    two_are_apart(2, 3);
    two_are_apart(3, 2);
    two_are_apart(6, 7);
    two_are_apart(6, 8);
    two_are_apart(10, 1);
}

/* ---- floods ---- */

static void tune_slow(struct peer_options *options)
{
    options->requests_per_s = 50;
    options->requests_burst = 200;
}

static uint64_t slowed_by(struct world *world, unsigned node, unsigned flooder)
{
    struct region region;
    struct peer_view view;
    uint64_t requests = 0;
    region_init(&region, 1u << 20);
    assert_int_equal(peer_view(world->nodes[node].peer, world->now, &region, &view), 0);
    for (size_t i = 0; i < view.slowed_count; i++) {
        assert_true(id_eq(view.slowed[i].node, world->nodes[flooder].id));
        requests += view.slowed[i].requests;
    }
    region_fini(&region);
    return requests;
}

/* It asks one peer for more than it may have: it gets what it may have, and is named; others notice nothing. */
static void test_node_that_floods_is_slowed_and_named(void **state)
{
    (void)state;
    struct world *world = world_new(300);
    world->tune = tune_slow;
    for (unsigned i = 0; i < 6; i++)
        world_add(world, world_place(i, 6));
    for (unsigned i = 1; i <= 6; i++)
        world_start(world, i);
    assert_true(world_run_until(world, world_is_right, 60000));
    store_values(world, 1, "kept");
    world_run(world, 20000); /* all buckets are full again */
    struct id place = id_sub(world->nodes[4].id, id_power_of_two(3));
    struct peer_target target = {true, world->nodes[4].id};
    uint64_t served = world_counters(world, 4)->requests_received;
    for (unsigned i = 0; i < 2000; i++)
        peer_ping(world->nodes[2].peer, world->now, 100000 + i, target);
    world_run(world, 1000);
    served = world_counters(world, 4)->requests_received - served;
    assert_true(served <= 900); /* four times what one node may ask for comes over a link, with others' requests … */
    assert_true(slowed_by(world, 4, 2) >= 1700); /* … of which one node gets its part */
    assert_int_equal(slowed_by(world, 5, 2), 0);
    for (unsigned i = 0; i < 10; i++) {
        const struct peer_result *result = world_fetch(world, 6, place);
        assert_int_equal(result->err, 0);
        assert_true(result->elapsed_us < 500000);
    }
    assert_int_equal(world_counters(world, 5)->requests_slowed, 0);
    expect_values(world, 3, 1, "kept");
    /* It is not cut off for good. */
    world_run(world, 60000);
    assert_int_equal(world_ping(world, 2, target)->err, 0);
    world_free(world);
}

/* What honest nodes do at their worst: everything is handed over, copied and read at once. */
static void test_honest_bursts_are_not_slowed(void **state)
{
    (void)state;
    struct world *world = world_of(4, 301);
    for (unsigned i = 0; i < 8; i++) {
        char text[16];
        snprintf(text, sizeof text, "value %u", i);
        store_values(world, 1 + i % 4, text);
    }
    world_kill(world, 2);
    assert_true(world_run_until(world, is_whole, REPAIR_MS));
    empty_disk(world, 2);
    world_start(world, 2);
    assert_true(world_run_until(world, is_whole, REPAIR_MS));
    for (unsigned i = 0; i < 1000; i++) /* more than a server's pace allows in ten seconds */
        peer_fetch(world->nodes[1].peer, world->now, 200000 + i, place_of(i % VALUES), WORLD_KIND);
    world_run(world, 3000);
    for (unsigned i = 1; i <= 4; i++)
        assert_int_equal(world_counters(world, i)->requests_slowed, 0);
    world_free(world);
}

/* ---- partitions ---- */

struct split {
    unsigned nodes;
    unsigned firsts;
    bool interleaved; /* else, two arcs */
    bool both_have_bootstrap;
};

static void remove_value(struct world *world, unsigned writer, struct id place)
{
    char key[64], hex[ID_HEX_OCTETS];
    snprintf(key, sizeof key, "%s+0123456789abcdef", id_format(world->nodes[writer].id, hex));
    struct peer_item item = {.kind = WORLD_KIND, .key = slice_str(key), .exists = false, .lifetime_s = 3600};
    peer_store(world->nodes[writer].peer, world->now, 8888 + world->messages, place, 0, &item, 1);
    assert_int_equal(world_wait(world, writer, 8888 + world->messages)->err, 0);
}

static void split_and_heal(const struct split *how, uint64_t seed)
{
    struct world *world = world_new(seed);
    unsigned n = how->nodes;
    world->firsts = how->firsts;
    for (unsigned i = 0; i < n; i++) {
        struct id id;
        entropy_fill(&world->entropy, id.octets, sizeof id.octets);
        world_add(world, id);
    }
    for (unsigned i = 1; i <= n; i++) {
        world_start(world, i);
        world_run(world, 200);
    }
    assert_true(world_run_until(world, world_is_right, 60000));
    /* Nodes 1 and 2 are bootstrap nodes: on either side, or both on the first. */
    for (unsigned i = 1; i <= n; i++)
        world->nodes[i].side = how->interleaved ? (i % 2 == 0) : world->nodes[i].id.octets[0] >= 128;
    world->nodes[1].side = 0;
    world->nodes[2].side = how->both_have_bootstrap;
    unsigned a = 3, b = 3;
    while (world->nodes[a].side != 0)
        a++;
    while (world->nodes[b].side != 1)
        b++;
    store_values(world, a, "before");
    world_split(world);
    world_run(world, 120000);
    /* Either side stores something of its own; one removes a value that the other still has; both sides have the rest from before. */
    for (unsigned i = 0; i < VALUES; i += 4)
        assert_int_equal(world_store(world, a, place_of(i), "after")->err, 0);
    for (unsigned i = 1; i < VALUES; i += 4)
        remove_value(world, a, place_of(i));
    for (unsigned i = 2; i < VALUES; i += 4)
        assert_int_equal(world_store(world, b, place_of(i), "other side")->err, 0);
    world_run(world, 60000);
    for (unsigned i = 1; i <= n; i++)
        world->nodes[i].side = 0;
    struct mono healed = world->now.mono;
    uint64_t messages = world->messages;
    assert_true(world_run_until(world, world_is_right, 120000));
    print_message("%u nodes, %s: one ring %d ms after healing, %.1f messages per node\n", n,
                  how->both_have_bootstrap ? "a bootstrap node on either side" : "one side without bootstrap node",
                  (int)elapsed_ms(world, healed), (double)(world->messages - messages) / n);
    assert_true(world_run_until(world, all_have_three_copies, REPAIR_MS));
    world_run(world, 5000);
    for (unsigned reader = 1; reader <= n; reader += 5)
        for (unsigned i = 0; i < VALUES; i++) {
            const struct peer_result *result = world_fetch(world, reader, place_of(i));
            char before[32];
            snprintf(before, sizeof before, "before %u", i);
            assert_int_equal(result->err, 0);
            const char *expected = i % 4 == 0 ? "after" : i % 4 == 1 ? "" : before;
            assert_string_equal(world_value(result, world->nodes[a].id), expected);
            assert_string_equal(world_value(result, world->nodes[b].id), i % 4 == 2 ? "other side" : "");
        }
    world_run(world, 200000);
    assert_true(world_is_right(world));
    world_free(world);
}

static void test_halves_with_a_bootstrap_node_each(void **state)
{
    (void)state;
    split_and_heal(&(struct split){10, 2, true, true}, 270);
    split_and_heal(&(struct split){24, 2, true, true}, 271);
    split_and_heal(&(struct split){24, 2, false, true}, 272);
    split_and_heal(&(struct split){60, 2, true, true}, 273);
}

static void test_half_without_a_bootstrap_node(void **state)
{
    (void)state;
    split_and_heal(&(struct split){10, 2, true, false}, 280);
    split_and_heal(&(struct split){24, 2, true, false}, 281);
    split_and_heal(&(struct split){24, 2, false, false}, 282);
}

/* An argument selects tests by name, with * and ?. */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_adjacent_peers_fail_anywhere),
        cmocka_unit_test(test_two_adjacent_peers_hang_anywhere),
        cmocka_unit_test(test_acknowledged_at_the_moment_of_a_crash),
        cmocka_unit_test(test_peers_return_with_empty_disks),
        cmocka_unit_test(test_the_only_copy_left_comes_back),
        cmocka_unit_test(test_a_replica_whose_disk_was_full),
        cmocka_unit_test(test_peers_return_with_stale_disks),
        cmocka_unit_test(test_peer_that_returns_with_its_disk_is_sent_what_changed),
        cmocka_unit_test(test_look_ups_go_on_while_peers_leave),
        cmocka_unit_test(test_look_up_survives_any_peer_on_its_way),
        cmocka_unit_test(test_neighbors_that_cannot_reach_each_other),
        cmocka_unit_test(test_node_that_floods_is_slowed_and_named),
        cmocka_unit_test(test_honest_bursts_are_not_slowed),
        cmocka_unit_test(test_halves_with_a_bootstrap_node_each),
        cmocka_unit_test(test_half_without_a_bootstrap_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
