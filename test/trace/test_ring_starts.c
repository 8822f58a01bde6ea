/* How the ring begins, and begins again: `first` nodes (bootstrap servers) alone, together, and after they have been away. The times are
 * those that src/reload/README.md states. */
#include "testing.h"
#include "trace/world.h"

static int64_t elapsed_ms(const struct world *world, struct mono since)
{
    return mono_since_us(world->now.mono, since) / 1000;
}

/* Both are outside; only one of them may begin a ring. It is told so at once by the other one, whose address it remembers. */
static void test_bootstrap_of_two_servers_restarts(void **state)
{
    (void)state;
    struct world *world = world_of(2, 101);
    struct id place = world_place(1, 3);
    assert_int_equal(world_store(world, 2, place, "kept")->err, 0);
    world_kill(world, 1);
    world_run(world, 2000);
    assert_int_equal(peer_state(world->nodes[2].peer), PEER_CONNECTING);
    world->nodes[1].knows = 2;
    world_forget_trace(world);
    world_start(world, 1);
    struct mono began = world->now.mono;
    assert_true(world_run_until(world, world_is_right, 500));
    assert_true(elapsed_ms(world, began) <= 300); /* latency 10 ms: some fifteen messages one after the other */
    assert_true(world_saw(world, "2 > Error_Not_Found 1"));
    world_run(world, 3000);
    assert_true(world_is_right(world));
    assert_string_equal(world_value(world_fetch(world, 1, place), world->nodes[2].id), "kept");
    world_free(world);
}

/* The same with the other one's Node-ID on either side, and the two started in either order, a moment apart. */
static void test_two_servers_start_in_any_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct world *world = world_new(110 + i);
        world_add(world, world_place(i & 1 ? 1 : 3, 4));
        world_add(world, world_place(2, 4));
        world->nodes[1].knows = 2;
        unsigned early = i & 2 ? 1 : 2;
        world_start(world, early);
        world_run(world, (int64_t)(i / 4) * 15);
        world_start(world, 3 - early);
        assert_true(world_run_until(world, world_is_right, 1000));
        world_run(world, 100000);
        assert_true(world_is_right(world));
        world_free(world);
    }
}

/* Three that may begin the ring, at the same moment or up to 100 ms apart, and two that may not. */
static void test_several_first_nodes_start_together(void **state)
{
    (void)state;
    int64_t longest = 0;
    for (unsigned i = 0; i < 20; i++) {
        struct world *world = world_new(130 + i);
        unsigned order[5] = {1, 2, 3, 4, 5};
        world->firsts = 3;
        for (unsigned k = 0; k < 5; k++) {
            struct id id;
            entropy_fill(&world->entropy, id.octets, sizeof id.octets);
            world_add(world, id);
        }
        for (unsigned k = 5; k > 1; k--) {
            unsigned other = (unsigned)entropy_below(&world->entropy, k), swapped = order[k - 1];
            order[k - 1] = order[other];
            order[other] = swapped;
        }
        for (unsigned k = 0; k < 5; k++) {
            world_start(world, order[k]);
            if (i % 4)
                world_run(world, (int64_t)entropy_below(&world->entropy, 25));
        }
        struct mono began = world->now.mono;
        assert_true(world_run_until(world, world_is_right, 5000));
        longest = elapsed_ms(world, began) > longest ? elapsed_ms(world, began) : longest;
        world_run(world, 120000);
        assert_true(world_is_right(world));
        world_free(world);
    }
    print_message("several first nodes: one ring after %d ms at most\n", (int)longest);
    assert_true(longest <= 3000);
}

static bool first_and_third_joined(struct world *world)
{
    return peer_state(world->nodes[1].peer) == PEER_JOINED && peer_state(world->nodes[3].peer) == PEER_JOINED;
}

/* One of them hangs: it takes connections and never says a word. */
static void test_first_node_does_not_wait_for_one_that_hangs(void **state)
{
    (void)state;
    struct world *world = world_new(150);
    world->firsts = 2;
    for (unsigned i = 0; i < 3; i++)
        world_add(world, world_place(i, 3));
    world_start(world, 2);
    world->nodes[2].frozen = true;
    world_start(world, 1);
    world_start(world, 3);
    struct mono began = world->now.mono;
    assert_true(world_run_until(world, first_and_third_joined, 8000));
    assert_true(elapsed_ms(world, began) >= 2900); /* it was given its time */
    world_free(world);
}

/* It remembers peers: it is back at once, and never a ring of its own. */
static void test_bootstrap_server_restarts_while_the_ring_lives(void **state)
{
    (void)state;
    struct world *world = world_of(8, 151);
    world_kill(world, 1);
    world_run(world, 20000);
    world->nodes[1].knows = 5;
    world_forget_trace(world);
    world_start(world, 1);
    assert_true(world_run_until(world, world_is_right, 1000));
    assert_false(world_saw(world, "1 is leaving"));
    assert_true(world_saw(world, "1 > join_req 2"));
    world_free(world);
}

/* It remembers nothing and begins a ring alone; the others find it. */
static void test_bootstrap_server_forgets_everything(void **state)
{
    (void)state;
    struct world *world = world_of(8, 152);
    struct id place = world_place(15, 16); /* of node 1 when it is there */
    assert_int_equal(world_owner(world, place), 1);
    assert_int_equal(world_store(world, 3, place, "kept")->err, 0);
    world_kill(world, 1);
    world_run(world, 60000);
    memory_store_free(world->nodes[1].kv);
    assert_int_equal(memory_store_new(&world->nodes[1].kv), 0);
    world_start(world, 1);
    struct mono began = world->now.mono;
    assert_true(world_run_until(world, world_is_right, 120000));
    assert_true(elapsed_ms(world, began) <= 30000);
    world_run(world, 60000);
    assert_int_equal(world_holds(world, 1, place), 1);
    for (unsigned i = 1; i <= 8; i++)
        assert_string_equal(world_value(world_fetch(world, i, place), world->nodes[3].id), "kept");
    world_free(world);
}

/* All bootstrap servers are away for a quarter of an hour. Who is in the ring stays; who restarts waits outside, and is back soon. */
static void test_all_bootstrap_servers_are_away_and_return(void **state)
{
    (void)state;
    struct world *world = world_new(153);
    world->firsts = 2;
    for (unsigned i = 0; i < 9; i++)
        world_add(world, world_place(i * 4 % 9, 9));
    for (unsigned i = 1; i <= 9; i++)
        world_start(world, i);
    assert_true(world_run_until(world, world_is_right, 30000));
    world_kill(world, 1);
    world_kill(world, 2);
    assert_true(world_run_until(world, world_is_right, 60000));
    world_kill(world, 5);
    world_kill(world, 6);
    world_start(world, 5);
    world_start(world, 6);
    world_run(world, 900000);
    assert_int_equal(peer_state(world->nodes[5].peer), PEER_CONNECTING);
    assert_int_equal(peer_state(world->nodes[6].peer), PEER_CONNECTING);
    assert_int_equal(peer_state(world->nodes[7].peer), PEER_JOINED);
    world_start(world, 1);
    world_start(world, 2);
    struct mono began = world->now.mono;
    assert_true(world_run_until(world, world_is_right, 120000));
    print_message("all bootstrap servers back: one ring after %d ms\n", (int)elapsed_ms(world, began));
    assert_true(elapsed_ms(world, began) <= 30000);
    world_run(world, 200000);
    assert_true(world_is_right(world));
    world_free(world);
}

/* An argument selects tests by name, with * and ?. */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bootstrap_of_two_servers_restarts),
        cmocka_unit_test(test_two_servers_start_in_any_order),
        cmocka_unit_test(test_several_first_nodes_start_together),
        cmocka_unit_test(test_first_node_does_not_wait_for_one_that_hangs),
        cmocka_unit_test(test_bootstrap_server_restarts_while_the_ring_lives),
        cmocka_unit_test(test_bootstrap_server_forgets_everything),
        cmocka_unit_test(test_all_bootstrap_servers_are_away_and_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
