/* Answers on their way through the ring: they end in it, whatever the nodes on the way believe, and are answered by nobody. */
#include "testing.h"
#include "trace/world.h"

#include <stdio.h>
#include <string.h>

static void test_nothing_answers_an_answer(void **state)
{
    (void)state;
    struct world *world = world_of(4, 2);
    struct reload_destination place = reload_destination_node(world->nodes[3].id);
    struct reload_header header = {.ttl = 0, .destinations = &place, .destination_count = 1};
    struct reload_body body = {.code = RELOAD_PING_ANS};
    struct buf message;
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    world_craft(world, 1, &header, &body, &message);
    world_forget_trace(world);
    world_inject(world, 1, 2, buf_slice(&message));
    world_run(world, 100);
    assert_string_equal(world_trace(world), "");
    buf_clear(&message);
    body = (struct reload_body){.code = RELOAD_ERROR, .error = {RELOAD_ERROR_TTL_EXCEEDED, {0}}};
    world_craft(world, 1, &header, &body, &message);
    world_inject(world, 1, 2, buf_slice(&message));
    world_run(world, 100);
    assert_string_equal(world_trace(world), "");
    buf_fini(&message);
    world_free(world);
}

/* Links that answers sent by send_answer have gone over. */
static unsigned answers_seen(struct world *world)
{
    unsigned n = 0;
    for (const char *at = world_trace(world); (at = strstr(at, "> Error_Not_Found")) != NULL; at++)
        n++;
    return n;
}

/* Delivers an answer of `from` to `to`, which is for these nodes one after the other. */
static void send_answer(struct world *world, unsigned from, unsigned to, const struct id *nodes, unsigned count)
{
    struct reload_destination places[2];
    struct reload_header header = {.ttl = 100, .destinations = places, .destination_count = count};
    struct reload_body body = {.code = RELOAD_ERROR, .error = {RELOAD_ERROR_NOT_FOUND, {0}}};
    struct buf message;
    assert_true(count <= 2);
    for (unsigned i = 0; i < count; i++)
        places[i] = reload_destination_node(nodes[i]);
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    world_craft(world, from, &header, &body, &message);
    world_forget_trace(world);
    world_inject(world, from, to, buf_slice(&message));
    world_run(world, 100);
    buf_fini(&message);
}

/* To a node between 4 and 1 that nobody has: who sent it to us, of these two, does not know the way either. */
static void test_no_answer_goes_to_and_fro(void **state)
{
    (void)state;
    struct world *world = world_of(4, 2);
    struct id nobody = world_place(60, 64);
    uint64_t before = world_counters(world, 2)->forward_no_route;
    for (unsigned from = 1; from <= 4; from += 3) {
        char back[40];
        snprintf(back, sizeof back, "2 > Error_Not_Found %u", from);
        send_answer(world, from, 2, &nobody, 1);
        assert_false(world_saw(world, back));
    }
    assert_int_equal(world_counters(world, 2)->forward_no_route, before + 1);
    world_free(world);
}

/* Eight nodes, and a ninth one right before 2 that 3 cannot reach: 3 takes 2 for the first one behind a place before both, 2 does not. */
static struct world *world_of_two_views(void)
{
    struct world *world = world_of(8, 2);
    unsigned hidden = world_add(world, id_sub(world->nodes[2].id, id_power_of_two(64)));
    assert_int_equal(hidden, 9);
    world->apart[0] = 3;
    world->apart[1] = hidden;
    world_start(world, hidden);
    world_run(world, 30000);
    assert_int_equal(peer_state(world->nodes[hidden].peer), PEER_JOINED);
    return world;
}

/* To a node between 1 and 9 that nobody has: 9 is the owner. */
static void test_an_answer_past_its_place_goes_to_the_owner(void **state)
{
    (void)state;
    struct world *world = world_of_two_views();
    struct id nobody = id_sub(world->nodes[2].id, id_power_of_two(100));
    send_answer(world, 8, 3, &nobody, 1);
    assert_true(world_saw(world, "3 > Error_Not_Found 2"));
    assert_true(world_saw(world, "2 > Error_Not_Found 9"));
    assert_int_equal(answers_seen(world), 2);
    world_free(world);
}

/* The same, where 3 stands in the Destination List: it has not come past anything, and is on its way from here. */
static void test_an_answer_by_way_of_a_node_is_not_past_its_place(void **state)
{
    (void)state;
    struct world *world = world_of_two_views();
    struct id way[2] = {world->nodes[3].id, id_sub(world->nodes[2].id, id_power_of_two(100))};
    send_answer(world, 8, 3, way, 2);
    assert_false(world_saw(world, "3 > Error_Not_Found 2"));
    assert_in_range(answers_seen(world), 1, 4);
    world_free(world);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_answers_an_answer),
        cmocka_unit_test(test_no_answer_goes_to_and_fro),
        cmocka_unit_test(test_an_answer_past_its_place_goes_to_the_owner),
        cmocka_unit_test(test_an_answer_by_way_of_a_node_is_not_past_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
