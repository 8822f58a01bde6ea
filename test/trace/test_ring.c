/* The ring as timed traces: joining, storing with replicas, routing, failure, leaving. */
#include "testing.h"
#include "trace/world.h"

static struct peer_target target_node(struct id id)
{
    return (struct peer_target){true, id};
}

/* ---- joining ---- */

static void test_second_to_fifth_node_join(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    for (unsigned i = 0; i < 5; i++)
        world_add(world, world_place(i, 5));
    world_start(world, 1);
    world_run(world, 100);
    assert_int_equal(peer_state(world->nodes[1].peer), PEER_JOINED); /* the first node is a ring by itself */
    assert_int_equal(peer_health(world->nodes[1].peer), PEER_GREEN);
    for (unsigned i = 2; i <= 5; i++) {
        world_start(world, i);
        assert_true(world_run_until(world, world_is_right, 3000));
        assert_int_equal(peer_health(world->nodes[i].peer), PEER_GREEN);
    }
    /* [110] 1 hears of 2; 2 attaches to the admitting peer, joins, and is named its predecessor. */
    assert_true(world_saw(world, "2 > attach_req 1"));
    assert_true(world_saw(world, "1 > attach_ans 2"));
    assert_true(world_saw(world, "2 > join_req 1"));
    assert_true(world_saw(world, "1 > join_ans 2"));
    assert_true(world_saw(world, "1 > update_req 2"));
    assert_true(world_saw(world, "2 is joined"));
    /* 3 attached to 2 through 1, and 2 connected to it: it was the one that was asked. */
    assert_true(world_saw(world, "1 > attach_req 2"));
    assert_int_equal(world_counters(world, 1)->joins_admitted, 4);
    double shares = 0;
    for (unsigned i = 1; i <= 5; i++)
        shares += peer_share_owned(world->nodes[i].peer);
    assert_true(shares > 0.999 && shares < 1.001);
    world_free(world);
}

static void test_joining_node_gets_the_data_that_is_its(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world_add(world, world_place(0, 4));
    world_add(world, world_place(2, 4));
    world_start(world, 1);
    assert_true(world_run_until(world, world_is_right, 1000));
    struct id a = world_place(1, 8), b = world_place(3, 8), c = world_place(5, 8);
    assert_int_equal(world_store(world, 1, a, "a")->err, 0);
    assert_int_equal(world_store(world, 1, b, "b")->err, 0);
    assert_int_equal(world_store(world, 1, c, "c")->err, 0);
    world_start(world, 2);
    assert_true(world_run_until(world, world_is_right, 3000));
    assert_true(world_saw(world, "1 > store_req 2")); /* before 2 is a peer: 10.5, step 6 */
    assert_true(world_holds(world, 2, a) && world_holds(world, 2, b));
    assert_string_equal(world_value(world_fetch(world, 2, a), world->nodes[1].id), "a");
    assert_true(id_eq(world_fetch(world, 2, a)->responder, world->nodes[2].id));
    assert_true(id_eq(world_fetch(world, 2, c)->responder, world->nodes[1].id));
    world_run(world, 1000);
    assert_true(world_holds(world, 2, c)); /* as a copy */
    world_free(world);
}

static void test_ten_nodes_join_at_once(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    world_add(world, world_place(3, 10));
    for (unsigned i = 0; i < 10; i++)
        world_add(world, world_place(10 * i + 1, 103));
    world_start(world, 1);
    world_run(world, 50);
    for (unsigned i = 2; i <= 11; i++)
        world_start(world, i);
    assert_true(world_run_until(world, world_is_right, 60000));
    world_free(world);
}

static void test_nodes_start_before_the_bootstrap_node(void **state)
{
    (void)state;
    struct world *world = world_new(4);
    for (unsigned i = 0; i < 4; i++)
        world_add(world, world_place(i, 4));
    for (unsigned i = 2; i <= 4; i++)
        world_start(world, i);
    world_run(world, 20000);
    for (unsigned i = 2; i <= 4; i++) {
        assert_int_equal(peer_state(world->nodes[i].peer), PEER_CONNECTING); /* none of them starts a ring */
        assert_int_equal(peer_health(world->nodes[i].peer), PEER_RED);
    }
    world_start(world, 1);
    assert_true(world_run_until(world, world_is_right, 40000));
    world_free(world);
}

static void test_node_returns_with_the_same_id(void **state)
{
    (void)state;
    struct world *world = world_of(5, 5);
    struct id place = world_place(5, 16);
    unsigned owner = world_owner(world, place);
    assert_int_equal(world_store(world, 1, place, "kept")->err, 0);
    world_kill(world, owner);
    world_start(world, owner); /* at once: the others have hardly noticed */
    assert_true(world_run_until(world, world_is_right, 20000));
    assert_string_equal(world_value(world_fetch(world, 1, place), world->nodes[1].id), "kept");
    world_free(world);
}

/* One node after the other that copies go to is lost, before they are there. */
static void test_successors_die_in_a_row(void **state)
{
    (void)state;
    struct world *world = world_of(6, 26);
    struct id place = world_place(7, 16);
    unsigned owner = world_owner(world, place);
    assert_int_equal(world_store(world, owner, place, "kept")->err, 0);
    unsigned dead[3];
    for (unsigned i = 0; i < 3; i++) {
        struct id behind = i ? world->nodes[dead[i - 1]].id : world->nodes[owner].id;
        dead[i] = world_owner(world, id_add(behind, id_power_of_two(0)));
        assert_int_not_equal(dead[i], owner);
        world_kill(world, dead[i]);
    }
    assert_true(world_run_until(world, world_is_right, 120000));
    world_run(world, 60000); /* successors in others' places get their copies after a while (10.7.1) */
    for (unsigned node = 1; node <= 6; node++)
        if (node != dead[0] && node != dead[1] && node != dead[2])
            assert_int_equal(world_holds(world, node, place), 1);
    world_free(world);
}

static void test_bootstrap_node_returns(void **state)
{
    (void)state;
    struct world *world = world_of(5, 6);
    world_kill(world, 1);
    world_run(world, 5000);
    assert_true(world_is_right(world));
    world_start(world, 1); /* it knows no other address than its own: it takes itself for the first */
    world_run(world, 1000);
    assert_int_equal(peer_state(world->nodes[1].peer), PEER_JOINED);
    assert_false(world_is_right(world));
    assert_true(world_run_until(world, world_is_right, 200000)); /* until the others look for it (10.7.4.4) */
    world_free(world);
}

/* Several that may start the ring, at the same moment: one does, the others join it. */
static void test_several_first_nodes_start_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 34; seed++) {
        struct world *world = world_new(seed);
        world->firsts = 3;
        for (unsigned i = 1; i <= 5; i++)
            world_add(world, world_place(1 + i * 7 % 5 + (unsigned)(seed % 3) * 5, 16));
        for (unsigned i = 1; i <= 5; i++)
            world_start(world, i);
        assert_true(world_run_until(world, world_is_right, 60000));
        world_run(world, 60000);
        assert_true(world_is_right(world));
        world_free(world);
    }
}

static void test_two_rings_become_one(void **state)
{
    (void)state;
    struct world *world = world_of(10, 19);
    struct id a = world_place(33, 100), b = world_place(55, 100);
    for (unsigned i = 1; i <= 10; i += 2)
        world->nodes[i].side = 1;
    world_split(world);
    world_run(world, 60000);
    for (unsigned i = 1; i <= 10; i++)
        assert_int_equal(peer_state(world->nodes[i].peer), PEER_JOINED);
    assert_int_equal(world_store(world, 1, a, "one")->err, 0);
    assert_int_equal(world_store(world, 2, b, "other")->err, 0);
    assert_int_equal(world_fetch(world, 2, a)->item_count, 0);
    for (unsigned i = 1; i <= 10; i++)
        world->nodes[i].side = 0;
    assert_true(world_run_until(world, world_is_right, 300000));
    world_run(world, 60000);
    for (unsigned i = 1; i <= 10; i++) {
        assert_string_equal(world_value(world_fetch(world, i, a), world->nodes[1].id), "one");
        assert_string_equal(world_value(world_fetch(world, i, b), world->nodes[2].id), "other");
    }
    world_free(world);
}

/* ---- storing ---- */

static void test_store_with_replicas(void **state)
{
    (void)state;
    struct world *world = world_of(5, 7);
    struct id place = world_place(9, 40); /* between 2 (8/40) and 3 (16/40) */
    assert_int_equal(world_owner(world, place), 3);
    world_forget_trace(world);
    const struct peer_result *result = world_store(world, 1, place, "value");
    assert_int_equal(result->err, 0);
    assert_true(id_eq(result->responder, world->nodes[3].id));
    assert_int_equal(result->generation, 1);
    assert_int_equal(result->replica_count, 2);
    assert_true(id_eq(result->replicas[0], world->nodes[4].id));
    assert_true(id_eq(result->replicas[1], world->nodes[5].id));
    world_run(world, 1000);
    assert_true(
        world_saw(world, "1 > store_req 3")); /* who has said that it is responsible, not the one before the place */
    assert_true(world_saw(world, "3 > store_ans 1"));
    assert_true(world_saw(world, "3 > store_req 4"));
    assert_true(world_saw(world, "3 > store_req 5"));
    assert_int_equal(world_holds(world, 3, place), 1);
    assert_int_equal(world_holds(world, 4, place), 1);
    assert_int_equal(world_holds(world, 5, place), 1);
    assert_int_equal(world_holds(world, 1, place) + world_holds(world, 2, place), 0);
    assert_string_equal(world_value(world_fetch(world, 4, place), world->nodes[1].id), "value");
    world_free(world);
}

static void test_own_resource_is_stored_without_a_link(void **state)
{
    (void)state;
    struct world *world = world_of(1, 8);
    assert_int_equal(world_store(world, 1, world_place(1, 3), "mine")->err, 0);
    assert_string_equal(world_value(world_fetch(world, 1, world_place(1, 3)), world->nodes[1].id), "mine");
    assert_string_equal(world_trace(world), "[0] 1 is connecting\n[0] 1 is joined\n");
    world_free(world);
}

static void test_stat_find_and_probe(void **state)
{
    (void)state;
    struct world *world = world_of(4, 9);
    struct id place = world_place(5, 16);
    struct peer *peer = world->nodes[1].peer;
    assert_int_equal(world_store(world, 1, place, "12345")->err, 0);
    peer_stat(peer, world->now, 100, place, WORLD_KIND);
    const struct peer_result *result = world_wait(world, 1, 100);
    assert_int_equal(result->err, 0);
    assert_int_equal(result->item_count, 1);
    assert_int_equal(result->items[0].value_octets, 5);
    peer_find(peer, world->now, 101, world_place(9, 32), WORLD_KIND);
    result = world_wait(world, 1, 101);
    assert_int_equal(result->err, 0);
    assert_int_equal(result->item_count, 1);
    assert_true(id_eq(result->items[0].resource, place));
    peer_probe(peer, world->now, 102, (struct peer_target){false, place});
    result = world_wait(world, 1, 102);
    assert_int_equal(result->err, 0);
    assert_int_equal(result->num_resources, 1);
    assert_int_equal(result->responsible_ppb, 250000000);
    peer_fetch(peer, world->now, 103, place, 0x7777);
    assert_int_equal(world_wait(world, 1, 103)->err, ERR_UNSUPPORTED);
    world_free(world);
}

/* ---- routing ---- */

/* Few neighbors and fingers, so that a ring of 20 has ways of several hops. */
static void tune_narrow(struct peer_options *options)
{
    options->neighbors = 3;
    options->fingers = 1;
    options->links_wanted = 13;
}

static struct world *narrow_world(unsigned n, uint64_t seed)
{
    struct world *world = world_new(seed);
    world->tune = tune_narrow;
    for (unsigned i = 0; i < n; i++)
        world_add(world, world_place(i, n));
    for (unsigned i = 1; i <= n; i++) {
        world_start(world, i);
        assert_true(world_run_until(world, world_is_right, 30000));
    }
    world_run(world, 10000);
    return world;
}

static void test_fetch_through_several_hops(void **state)
{
    (void)state;
    struct world *world = narrow_world(20, 10);
    struct id place = world_place(21, 40); /* of node 12 */
    assert_int_equal(world_owner(world, place), 12);
    assert_int_equal(world_store(world, 12, place, "far")->err, 0);
    unsigned far = 0;
    for (unsigned i = 2; i <= 20 && !far; i++) {
        uint64_t before = 0, after = 0;
        for (unsigned k = 1; k <= 20; k++)
            before += world_counters(world, k)->forwarded;
        world_forget_trace(world);
        const struct peer_result *result = world_fetch(world, i, place);
        assert_int_equal(result->err, 0);
        assert_string_equal(world_value(result, world->nodes[12].id), "far");
        for (unsigned k = 1; k <= 20; k++)
            after += world_counters(world, k)->forwarded;
        if (after - before >= 4)
            far = i; /* two hops there and two back at least are passed on */
    }
    assert_true(far);
    /* The answer took the way of the request backwards (6.2.2): as many of the one as of the other. */
    unsigned requests = 0, answers = 0;
    for (const char *at = world_trace(world); (at = strstr(at, "> fetch_")) != NULL; at++)
        strncmp(at, "> fetch_req", 11) == 0 ? requests++ : answers++;
    assert_true(requests >= 3);
    assert_int_equal(requests, answers);
    world_free(world);
}

static void tune_short_via(struct peer_options *options)
{
    tune_narrow(options);
    options->via_octets_max = 18; /* one Node-ID */
}

static void test_via_lists_are_kept_behind_opaque_ids(void **state)
{
    (void)state;
    struct world *world = narrow_world(20, 11);
    world_free(world);
    world = world_new(11);
    world->tune = tune_short_via;
    for (unsigned i = 0; i < 20; i++)
        world_add(world, world_place(i, 20));
    for (unsigned i = 1; i <= 20; i++) {
        world_start(world, i);
        assert_true(world_run_until(world, world_is_right, 30000));
    }
    world_run(world, 60000);
    uint64_t made = 0, unknown = 0;
    for (unsigned i = 1; i <= 20; i++)
        for (unsigned k = 1; k <= 20; k++)
            assert_int_equal(world_ping(world, i, target_node(world->nodes[k].id))->err, 0);
    for (unsigned i = 1; i <= 20; i++) {
        made += world_counters(world, i)->opaque_ids_made;
        unknown += world_counters(world, i)->opaque_id_unknown;
    }
    assert_true(made > 0);
    assert_int_equal(unknown, 0);
    world_free(world);
}

static void test_node_that_is_not_there(void **state)
{
    (void)state;
    struct world *world = world_of(4, 12);
    uint64_t before = world_counters(world, 1)->requests_retransmitted;
    const struct peer_result *result = world_ping(world, 1, target_node(world_place(5, 16)));
    assert_int_equal(result->err, ERR_TIMEOUT);
    assert_int_equal(result->elapsed_us, 15000000); /* five transmissions, 3 s each */
    assert_int_equal(world_counters(world, 1)->requests_retransmitted - before, 4);
    world_free(world);
}

/* ---- failure and leaving ---- */

static void test_owner_fails(void **state)
{
    (void)state;
    struct world *world = world_of(6, 13);
    struct id place = world_place(13, 48);
    unsigned owner = world_owner(world, place);
    assert_int_equal(owner, 3);
    assert_int_equal(world_store(world, 1, place, "survives")->err, 0);
    world_run(world, 1000);
    assert_int_equal(world_holds(world, 6, place), 0);
    world_kill(world, owner);
    world_run(world, 200);
    const struct peer_result *result = world_fetch(world, 1, place);
    assert_string_equal(world_value(result, world->nodes[1].id), "survives");
    assert_true(id_eq(result->responder, world->nodes[4].id)); /* its successor had a copy and answers for it now */
    world_run(world, 30000);
    assert_int_equal(world_holds(world, 6, place), 1); /* there are three copies again */
    assert_true(world_is_right(world));
    world_free(world);
}

static void test_owner_hangs(void **state)
{
    (void)state;
    struct world *world = world_of(6, 14);
    struct id place = world_place(13, 48);
    assert_int_equal(world_store(world, 1, place, "survives")->err, 0);
    world->nodes[3].frozen = true;
    assert_true(world_run_until(world, world_is_right, 30000)); /* no connection was lost: silence told */
    assert_true(world_counters(world, 4)->link_ack_timeout > 0);
    assert_string_equal(world_value(world_fetch(world, 1, place), world->nodes[1].id), "survives");
    world_run(world, 60000);
    assert_int_equal(world_holds(world, 6, place), 1);
    world_free(world);
}

static void test_graceful_leave_hands_over(void **state)
{
    (void)state;
    struct world *world = world_of(6, 15);
    struct id place = world_place(13, 48);
    assert_int_equal(world_store(world, 1, place, "handed over")->err, 0);
    world_forget_trace(world);
    peer_leave(world->nodes[3].peer, world->now);
    world_run(world, 3000);
    assert_int_equal(peer_state(world->nodes[3].peer), PEER_LEFT);
    assert_true(world_saw(world, "3 > leave_req 2"));
    assert_true(world_saw(world, "3 > leave_req 4"));
    assert_true(world_saw(world, "3 is left"));
    world_kill(world, 3);
    assert_true(world_run_until(world, world_is_right, 1000));
    assert_string_equal(world_value(world_fetch(world, 1, place), world->nodes[1].id), "handed over");
    world_run(world, 2000);
    assert_int_equal(world_holds(world, 6, place), 1);
    world_free(world);
}

static void test_two_neighbors_fail_at_once(void **state)
{
    (void)state;
    struct world *world = world_of(10, 16);
    struct id place = world_place(41, 100);
    unsigned owner = world_owner(world, place);
    assert_int_equal(world_store(world, 1, place, "survives")->err, 0);
    world_run(world, 1000);
    world_kill(world, owner);
    world_kill(world, owner + 1);
    assert_true(world_run_until(world, world_is_right, 30000));
    assert_string_equal(world_value(world_fetch(world, 1, place), world->nodes[1].id), "survives");
    world_free(world);
}

static void test_links_break_at_random(void **state)
{
    (void)state;
    struct world *world = world_of(10, 17);
    for (unsigned i = 0; i < 40; i++) {
        unsigned a = 1 + (unsigned)entropy_below(&world->entropy, 10),
                 b = 1 + (unsigned)entropy_below(&world->entropy, 10);
        world_cut(world, a, b);
        world_run(world, (int64_t)entropy_below(&world->entropy, 500));
    }
    assert_true(world_run_until(world, world_is_right, 120000));
    for (unsigned i = 1; i <= 10; i++)
        for (unsigned k = 1; k <= 10; k++)
            assert_int_equal(world_ping(world, i, target_node(world->nodes[k].id))->err, 0);
    world_free(world);
}

static void test_forty_nodes(void **state)
{
    (void)state;
    struct world *world = world_new(18);
    for (unsigned i = 0; i < 40; i++) {
        struct id id;
        entropy_fill(&world->entropy, id.octets, sizeof id.octets);
        world_add(world, id);
    }
    for (unsigned i = 1; i <= 40; i++) {
        world_start(world, i);
        world_run(world, 300);
    }
    assert_true(world_run_until(world, world_is_right, 60000));
    world_run(world, 5000); /* fingers */
    for (unsigned i = 0; i < 40; i++) {
        struct id place;
        entropy_fill(&world->entropy, place.octets, sizeof place.octets);
        unsigned writer = 1 + (unsigned)entropy_below(&world->entropy, 40),
                 reader = 1 + (unsigned)entropy_below(&world->entropy, 40);
        const struct peer_result *result = world_store(world, writer, place, "value");
        assert_int_equal(result->err, 0);
        assert_true(id_eq(result->responder, world->nodes[world_owner(world, place)].id));
        assert_string_equal(world_value(world_fetch(world, reader, place), world->nodes[writer].id), "value");
    }
    double size = peer_ring_size(world->nodes[7].peer);
    assert_true(size > 10 && size < 160);
    world_free(world);
}

/* An argument selects tests by name, with * and ?. */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_to_fifth_node_join),
        cmocka_unit_test(test_joining_node_gets_the_data_that_is_its),
        cmocka_unit_test(test_ten_nodes_join_at_once),
        cmocka_unit_test(test_nodes_start_before_the_bootstrap_node),
        cmocka_unit_test(test_node_returns_with_the_same_id),
        cmocka_unit_test(test_successors_die_in_a_row),
        cmocka_unit_test(test_bootstrap_node_returns),
        cmocka_unit_test(test_several_first_nodes_start_at_once),
        cmocka_unit_test(test_two_rings_become_one),
        cmocka_unit_test(test_store_with_replicas),
        cmocka_unit_test(test_own_resource_is_stored_without_a_link),
        cmocka_unit_test(test_stat_find_and_probe),
        cmocka_unit_test(test_fetch_through_several_hops),
        cmocka_unit_test(test_via_lists_are_kept_behind_opaque_ids),
        cmocka_unit_test(test_node_that_is_not_there),
        cmocka_unit_test(test_owner_fails),
        cmocka_unit_test(test_owner_hangs),
        cmocka_unit_test(test_graceful_leave_hands_over),
        cmocka_unit_test(test_two_neighbors_fail_at_once),
        cmocka_unit_test(test_links_break_at_random),
        cmocka_unit_test(test_forty_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
