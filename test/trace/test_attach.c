/* Attach from both sides at once (RFC 6940 6.5.1.2), in every order in which the messages can pass each other. */
#include "testing.h"
#include "trace/world.h"

#define SMALLER 2 /* which connects in the end, */
#define GREATER 3 /* for it gives way to the greater Node-ID */

/* Takes the first Attach that reaches the smaller node out of its way. A Ping is sent in its place. */
struct delay {
    struct buf attach;
    unsigned from;
};

static bool is_attach(struct slice message)
{
    struct region region;
    struct reload_header header;
    struct fault fault;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    bool good = reload_header_decode(message, &region, &header, &fault) == 0;
    size_t at = header.octets;
    region_fini(&region);
    return good && (message.p[at] << 8 | message.p[at + 1]) == RELOAD_ATTACH_REQ;
}

static bool delay_tap(void *ctx, struct world *world, unsigned from, unsigned to, struct slice message,
                      struct buf *ret_instead)
{
    struct delay *delay = ctx;
    if (delay->from || to != SMALLER || !is_attach(message))
        return false;
    delay->from = from;
    buf_slice_put(&delay->attach, message);
    struct reload_destination place = reload_destination_node(world->nodes[to].id);
    struct reload_header header = {.destinations = &place, .destination_count = 1};
    struct reload_body body = {.code = RELOAD_PING_REQ};
    world_craft(world, from, &header, &body, ret_instead);
    return true;
}

static bool smaller_was_told(struct world *world)
{
    return world_saw(world, "1 > Error_In_Progress 2") || world_saw(world, "4 > Error_In_Progress 2");
}

static struct world *both_ask(uint64_t seed)
{
    struct world *world = world_of(4, seed);
    assert_true(id_cmp(world->nodes[SMALLER].id, world->nodes[GREATER].id) < 0);
    world_run(world, 20000);
    return world;
}

static void test_both_attach_at_once(void **state)
{
    (void)state;
    struct world *world = both_ask(1);
    world_forget_trace(world);
    assert_true(world_cut(world, SMALLER, GREATER));
    assert_true(world_run_until(world, smaller_was_told, 1000));
    assert_true(world_run_until(world, world_is_right, 1000));
    world_free(world);
}

/* The smaller one is told that the other's Attach is under way before it comes: it must not answer the same, or both wait. */
static void test_the_greater_one_s_attach_comes_late(void **state)
{
    (void)state;
    struct world *world = both_ask(2);
    struct delay delay = {.from = 0};
    buf_init(&delay.attach, RELOAD_MESSAGE_OCTETS_MAX);
    world->tap = delay_tap;
    world->tap_ctx = &delay;
    world_forget_trace(world);
    assert_true(world_cut(world, SMALLER, GREATER));
    assert_true(world_run_until(world, smaller_was_told, 1000));
    assert_int_not_equal(delay.from, 0);
    assert_false(world_saw(world, "Error_In_Progress 3"));
    world_inject(world, delay.from, SMALLER, buf_slice(&delay.attach));
    assert_true(world_run_until(world, world_is_right, 1000));
    assert_false(world_saw(world, "Error_In_Progress 3"));
    world->tap = NULL;
    buf_fini(&delay.attach);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_attach_at_once),
        cmocka_unit_test(test_the_greater_one_s_attach_comes_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
