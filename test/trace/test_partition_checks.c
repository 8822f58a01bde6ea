/* The checks for another ring (RFC 6940 10.7.4.4) while there is none, and while somebody would like to hide one. */
#include "testing.h"
#include "trace/world.h"

#define NODES 8
#define BOOTSTRAPS 3
#define FOUND_MS 120000

static uint64_t sum(const struct world *world, size_t counter_offset)
{
    uint64_t total = 0;
    for (unsigned i = 1; i <= world->node_count; i++)
        total += *(const uint64_t *)((const char *)world_counters(world, i) + counter_offset);
    return total;
}

#define SUM(world, counter) sum(world, offsetof(struct peer_counters, counter))

static struct world *world_with_bootstraps(unsigned bootstraps, uint64_t seed)
{
    struct world *world = world_new(seed);
    world->firsts = bootstraps;
    world->setup_us = 4 * world->latency_us; /* TCP and TLS: answers by way of others are there first */
    for (unsigned i = 0; i < NODES; i++)
        world_add(world, world_place(i, NODES));
    return world;
}

/* Everybody is linked to everybody, also to bootstrap nodes that it did not join by: the checks go over these links, however they came to be. */
static void test_checks_open_no_second_links(void **state)
{
    (void)state;
    for (uint64_t seed = 500; seed < 504; seed++) {
        struct world *world = world_with_bootstraps(BOOTSTRAPS, seed);
        for (unsigned i = 1; i <= NODES; i++) {
            world_start(world, i);
            world_run(world, 1000);
        }
        assert_true(world_run_until(world, world_is_right, 60000));
        world_run(world, 20000);
        uint64_t opened = SUM(world, links_opened), closed = SUM(world, links_closed);
        uint64_t duplicates = SUM(world, link_duplicate), sent = SUM(world, requests_sent);
        world_run(world, 900000);
        assert_true(SUM(world, requests_sent) > sent + NODES * 15);
        assert_int_equal(SUM(world, links_opened), opened);
        assert_int_equal(SUM(world, links_closed), closed);
        assert_int_equal(SUM(world, link_duplicate), duplicates);
        assert_true(world_is_right(world));
        world_free(world);
    }
}

/* ---- who says that a bootstrap node's address is its own ---- */

#define HIDDEN 2 /* the bootstrap node with a ring of its own */

/* Only the first one looks for other rings: it has to find the hidden one. */
static void tune_hidden(struct peer_options *options)
{
    if (options->address.ip[2] != 1)
        options->partition_check_ms = 0;
}

/* The first of those that have connected to this node. */
static unsigned who_connected(struct world *world, unsigned node)
{
    struct region region;
    struct peer_view view;
    unsigned found = 0;
    region_init(&region, 1u << 20);
    assert_int_equal(peer_view(world->nodes[node].peer, world->now, &region, &view), 0);
    for (size_t i = 0; i < view.link_count && !found; i++)
        for (unsigned k = 1; k <= world->node_count && view.links[i].incoming; k++)
            if (id_eq(world->nodes[k].id, view.links[i].node))
                found = k;
    region_fini(&region);
    assert_int_not_equal(found, 0);
    return found;
}

/* An Attach over the link that there is: it comes to nothing, but says where its sender listens. */
static void claim_address(struct world *world, unsigned from, unsigned to, const struct addr *addr)
{
    struct reload_destination place = reload_destination_node(world->nodes[to].id);
    struct reload_header header = {.ttl = 100, .destinations = &place, .destination_count = 1};
    struct reload_candidate candidate = {
        .address = reload_address_of(addr),
        .link = RELOAD_LINK_TLS_TCP_FH_NO_ICE,
        .foundation = slice_str("1"),
        .priority = 1,
        .type = RELOAD_CANDIDATE_HOST,
    };
    struct reload_body body = {.code = RELOAD_ATTACH_REQ};
    struct buf message;
    body.attach.role = slice_str("passive");
    body.attach.candidates = &candidate;
    body.attach.candidate_count = 1;
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    world_craft(world, from, &header, &body, &message);
    world_inject(world, from, to, buf_slice(&message));
    buf_fini(&message);
}

static void test_a_false_address_hides_no_ring(void **state)
{
    (void)state;
    struct world *world = world_with_bootstraps(HIDDEN, 510);
    world->tune = tune_hidden;
    world->nodes[HIDDEN].side = 1;
    for (unsigned i = 1; i <= NODES; i++) {
        world_start(world, i);
        world_run(world, 1000);
    }
    assert_true(world_run_until(world, world_all_joined, 60000));
    assert_false(world_is_right(world));
    claim_address(world, who_connected(world, 1), 1, &world->nodes[HIDDEN].addr);
    world_run(world, 1000);
    world->nodes[HIDDEN].side = 0;
    assert_true(world_run_until(world, world_is_right, FOUND_MS));
    world_free(world);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks_open_no_second_links),
        cmocka_unit_test(test_a_false_address_hides_no_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
