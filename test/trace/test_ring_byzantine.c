/* Certified peers that do what they should not: copies out of place, counters pushed, claims of duty, digests that lie. */
#include "testing.h"
#include "trace/world.h"

#include <stdio.h>

/* A copy of a value of the sender's own, signed well, sent straight to `to`. Returns the name of the answer's kind or error in the trace. */
static void send_copy(struct world *world, unsigned from, unsigned to, struct id place, uint64_t generation)
{
    struct world_node *node = &world->nodes[from];
    struct region region;
    struct buf message;
    char key[64], hex[ID_HEX_OCTETS];
    snprintf(key, sizeof key, "%s+00000000000000aa", id_format(node->id, hex));
    struct reload_stored_data value = {
        .storage_time_ms = (uint64_t)world->now.wall.ms,
        .lifetime_s = 3600,
        .value = {RELOAD_MODEL_DICTIONARY, 0, slice_str(key), true, slice_str("planted")},
    };
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    assert_int_equal(security_sign_value(node->security, id_slice(&place), WORLD_KIND, &value, &region), 0);
    struct reload_kind_data data = {WORLD_KIND, generation, RELOAD_MODEL_DICTIONARY, &value, 1};
    struct reload_body body = {.code = RELOAD_STORE_REQ, .store_req = {id_slice(&place), 1, &data, 1}};
    struct reload_destination destination = reload_destination_node(world->nodes[to].id);
    struct reload_header header = {.ttl = 100, .destinations = &destination, .destination_count = 1};
    world_craft(world, from, &header, &body, &message);
    world_forget_trace(world);
    world_inject(world, from, to, buf_slice(&message));
    world_run(world, 200);
    buf_fini(&message);
    region_fini(&region);
}

/* Of what another one is responsible for, a copy comes from a peer between the place and us: its peer, or who takes itself for it. */
static void test_copies_come_from_where_they_make_sense(void **state)
{
    (void)state;
    struct world *world = world_of(8, 401);
    struct id place = world_place(3, 16); /* of node 3; copies at 4 and 5 */
    assert_int_equal(world_owner(world, place), 3);
    send_copy(world, 6, 5, place, 1); /* behind it */
    assert_true(world_saw(world, "5 > Error_Forbidden 6"));
    send_copy(world, 2, 5, place, 1); /* before the place */
    assert_true(world_saw(world, "5 > Error_Forbidden 2"));
    send_copy(world, 3, 6, place, 1); /* no duty of 6 */
    assert_true(world_saw(world, "6 > Error_Forbidden 3"));
    assert_int_equal(world_holds(world, 5, place) + world_holds(world, 6, place), 0);
    send_copy(world, 3, 5, place, 1);
    assert_true(world_saw(world, "5 > store_ans 3"));
    assert_int_equal(world_holds(world, 5, place), 1);
    world_free(world);
}

/* The counter of a resource is pushed to its end by a copy: its owner goes on storing. */
static void test_pushed_generation_stops_nobody(void **state)
{
    (void)state;
    struct world *world = world_of(8, 402);
    struct id place = world_place(3, 16);
    assert_int_equal(world_store(world, 7, place, "one")->err, 0);
    send_copy(world, 4, 3, place, UINT64_MAX);
    const struct peer_result *result = world_store(world, 7, place, "two");
    assert_int_equal(result->err, 0);
    assert_true(result->generation < 10);
    world_run(world, 5000);
    for (unsigned node = 3; node <= 5; node++)
        assert_int_equal(world_holds(world, node, place), 2);
    assert_string_equal(world_value(world_fetch(world, 1, place), world->nodes[7].id), "two");
    world_free(world);
}

/* What an answer to a comparison says, a peer may make up. It can refuse copies for itself so, and nothing else. */
static bool lie_about_digests(void *ctx, struct world *world, unsigned from, unsigned to, struct slice message,
                              struct buf *ret_instead)
{
    (void)ctx, (void)to;
    struct region region;
    struct reload_message decoded;
    struct fault fault;
    bool lied = false;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    if (from == 4 && reload_message_decode(message, &region, &decoded, &fault) == 0 &&
        decoded.contents.code == RELOAD_PING_ANS && decoded.contents.extension_count) {
        /* A digest of other octets, signed by itself: everything differs. */
        struct reload_extension extension = decoded.contents.extensions[0];
        struct reload_contents contents = decoded.contents;
        struct reload_security block;
        struct buf octets;
        uint8_t *copy = (uint8_t *)(uintptr_t)region_copy(&region, extension.contents).p;
        for (size_t i = 0; i < extension.contents.n; i++)
            copy[i] ^= 0xff;
        extension.contents.p = copy;
        contents.extensions = &extension;
        buf_init(&octets, RELOAD_MESSAGE_OCTETS_MAX);
        assert_int_equal(reload_contents_encode(&contents, &octets), 0);
        assert_int_equal(security_sign_message(world->nodes[4].security, decoded.header.overlay,
                                               decoded.header.transaction_id, buf_slice(&octets), NULL, 0, &region,
                                               &block),
                         0);
        assert_int_equal(reload_message_encode_signed(&decoded.header, buf_slice(&octets), &block, ret_instead), 0);
        buf_fini(&octets);
        lied = true;
    }
    region_fini(&region);
    return lied;
}

static void test_digests_that_lie_end(void **state)
{
    (void)state;
    struct world *world = world_of(6, 403);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(world_store(world, 1, world_place(2 * i + 1, 121), "kept")->err, 0);
    world->tap = lie_about_digests;
    world_kill(world, 3); /* what it had is copied anew, to 4 among others */
    uint64_t messages = world->messages;
    world_run(world, 60000);
    assert_true(world->messages - messages < 3000);
    assert_true(world_is_right(world));
    for (unsigned i = 0; i < 60; i++)
        assert_string_equal(world_value(world_fetch(world, 5, world_place(2 * i + 1, 121)), world->nodes[1].id),
                            "kept");
    world_free(world);
}

/* An argument selects tests by name, with * and ?. */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_come_from_where_they_make_sense),
        cmocka_unit_test(test_pushed_generation_stops_nobody),
        cmocka_unit_test(test_digests_that_lie_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
