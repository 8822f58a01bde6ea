/* How a configuration spreads in a ring of fifty, how often it travels, and what a ban and its end do to a peer. */
#include "world.h"

#include "testing.h"

#define NODES 50

static void slower(struct world *world, struct config *config)
{
    (void)world;
    config->chord_update_interval_s = 900;
}

static uint16_t wanted;

static bool everybody_has_it(struct world *world)
{
    for (unsigned i = 1; i <= world->node_count; i++)
        if (world->nodes[i].peer && world->nodes[i].config->sequence != wanted)
            return false;
    return true;
}

struct spread {
    int64_t ms;
    unsigned documents; /* ConfigUpdate requests that arrived */
    unsigned most;      /* at one node */
    uint64_t messages;
};

static struct spread spread_from(struct world *world, unsigned node, void (*change)(struct world *, struct config *))
{
    struct spread s = {0};
    uint64_t before[WORLD_NODES_MAX + 1];
    for (unsigned i = 1; i <= world->node_count; i++)
        before[i] = world_counters(world, i)->config_updates_received;
    struct mono began = world->now.mono;
    uint64_t messages = world->messages;
    wanted = config_sequence_next(world->nodes[node].config->sequence);
    world_configure(world, node, change);
    assert_true(world_run_until(world, everybody_has_it, 60000));
    s.ms = mono_since_us(world->now.mono, began) / 1000;
    s.messages = world->messages - messages;
    world_run(world, 20000); /* who comes late still counts */
    for (unsigned i = 1; i <= world->node_count; i++) {
        unsigned n = (unsigned)(world_counters(world, i)->config_updates_received - before[i]);
        s.documents += n;
        s.most = n > s.most ? n : s.most;
    }
    return s;
}

/* 50 ms from node to node. With the links of a ring of fifty, and with as few as if it were much larger. */
static void assert_spreads(struct world *world, int64_t ms_max)
{
    world->latency_us = 50000;
    for (unsigned from = 1; from <= NODES; from += 24) {
        struct spread s = spread_from(world, from, slower);
        print_message("from node %u: all after %lld ms; the document was sent %u times, at most %u times to one node; "
                      "%llu messages\n",
                      from, (long long)s.ms, s.documents, s.most, (unsigned long long)s.messages);
        assert_true(s.ms <= ms_max);
        assert_true(s.documents >= NODES - 1 && s.documents <= NODES + NODES / 20);
        assert_true(s.most <= 2);
    }
}

static void test_fifty_nodes_have_it_within_half_a_second(void **state)
{
    (void)state;
    struct world *world = world_of(NODES, 31);
    assert_spreads(world, 500);
    world_free(world);
}

static void few_links(struct peer_options *options)
{
    options->neighbors = 3;
    options->fingers = 1;
    options->links_wanted = options->links_max = 4 * options->neighbors + 4;
}

static void test_few_links_take_a_little_longer(void **state)
{
    (void)state;
    struct world *world = world_new(32);
    world->tune = few_links;
    for (unsigned i = 0; i < NODES; i++) {
        unsigned node = world_add(world, world_place(i, NODES));
        world_start(world, node);
        assert_true(world_run_until(world, world_all_joined, 60000));
    }
    assert_spreads(world, 2000);
    world_free(world);
}

/* The offers of a node have been taken when it dies: nobody waits for it, and who offers next is heard at once. */
static void test_a_neighbor_dies_while_it_sends(void **state)
{
    (void)state;
    struct world *world = world_of(8, 33);
    world->latency_us = 50000;
    wanted = 2;
    world_configure(world, 1, slower);
    world_run(world, 70);
    world_kill(world, 1);
    world_run(world, 200);
    assert_false(everybody_has_it(world));
    world_configure(world, 5, slower);
    assert_true(world_run_until(world, everybody_has_it, 500));
    world_free(world);
}

/* It hangs instead: they wait for some seconds, then take another's offer. */
static void test_a_neighbor_hangs_while_it_sends(void **state)
{
    (void)state;
    struct world *world = world_of(8, 34);
    world->latency_us = 50000;
    wanted = 2;
    world_configure(world, 1, slower);
    world_run(world, 90);
    world->nodes[1].frozen = true;
    world_run(world, 200);
    assert_false(everybody_has_it(world));
    world_configure(world, 5, slower);
    assert_true(world_run_until(world, everybody_has_it, 10000));
    uint64_t held = 0;
    for (unsigned i = 2; i <= 8; i++)
        held += world_counters(world, i)->config_offers_held;
    assert_true(held > 0);
    world_free(world);
}

static struct id banned_id;

static void ban(struct world *world, struct config *config)
{
    (void)world;
    config->bad_nodes = &banned_id;
    config->bad_node_count = 1;
}

static size_t links_of(struct world *world, unsigned node)
{
    struct region region;
    struct peer_view view;
    region_init(&region, 1u << 20);
    assert_int_equal(peer_view(world->nodes[node].peer, world->now, &region, &view), 0);
    size_t n = view.link_count;
    region_fini(&region);
    return n;
}

/* A banned peer is out, stays quiet, and comes back when a configuration says so. */
/* What node 3 answers when it is behind never arrives. */
static bool mute(void *ctx, struct world *world, unsigned from, unsigned to, struct slice message,
                 struct buf *ret_instead)
{
    (void)ctx, (void)to;
    struct region region;
    struct reload_header header;
    struct fault fault;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    bool error = from == 3 && !reload_header_peek(message, &region, &header, &fault) &&
                 message.n >= header.octets + 2 && message.p[header.octets] == 0xff &&
                 message.p[header.octets + 1] == 0xff;
    region_fini(&region);
    (void)world;
    if (error)
        buf_slice_put(ret_instead, slice_str("?"));
    return error;
}

/* An implementation that leaves unanswered what it takes for too new: it is sent the document when its neighbors have asked for long enough. */
static void test_a_node_that_does_not_answer_offers(void **state)
{
    (void)state;
    struct world *world = world_of(6, 36);
    wanted = 2;
    world->tap = mute;
    world_configure(world, 1, slower);
    assert_false(world_run_until(world, everybody_has_it, 10000));
    assert_true(world_run_until(world, everybody_has_it, 15000));
    world_free(world);
}

static void test_a_ban_and_its_end(void **state)
{
    (void)state;
    struct world *world = world_of(6, 35);
    struct id place = world_place(7, 13);
    assert_int_equal(world_store(world, 4, place, "theirs")->err, 0);
    banned_id = world->nodes[4].id;
    wanted = 2;
    world_configure(world, 2, ban);
    assert_true(world_run_until(world, everybody_has_it, 2000)); /* the banned one, too: it is told why */
    world_run(world, 1000);
    assert_int_equal(peer_state(world->nodes[4].peer), PEER_SHUT_OUT);
    assert_true(world->nodes[4].banned);
    assert_int_equal(links_of(world, 4), 0);
    assert_string_equal(world_value(world_fetch(world, 2, place), banned_id), "");
    for (unsigned i = 1; i <= 6; i++)
        assert_int_equal(i == 4 ? 0 : world_holds(world, i, place), 0);
    world_forget_trace(world);
    world_run(world, 120000);
    assert_false(world_saw(world, "4 > "));
    assert_int_equal(world_store(world, 4, place, "again")->err, ERR_WRONG_STATE);

    world_configure(world, 2, NULL);
    wanted = 3;
    world_run(world, 1000);
    world_configure(world, 4, NULL); /* it has looked at the enrollment server */
    assert_true(world_run_until(world, world_is_right, 30000));
    assert_true(everybody_has_it(world));
    assert_int_equal(world_store(world, 4, place, "again")->err, 0);
    assert_string_equal(world_value(world_fetch(world, 2, place), banned_id), "again");
    world_free(world);
}

/* A peer whose configuration bans it when it starts tries nothing. */
static void test_a_banned_peer_starts(void **state)
{
    (void)state;
    struct world *world = world_of(4, 36);
    banned_id = world->nodes[3].id;
    wanted = 2;
    world_configure(world, 2, ban);
    assert_true(world_run_until(world, everybody_has_it, 2000));
    world_kill(world, 3);
    world_forget_trace(world);
    world_start(world, 3);
    world_run(world, 60000);
    assert_int_equal(peer_state(world->nodes[3].peer), PEER_SHUT_OUT);
    assert_false(world_saw(world, "3 > "));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fifty_nodes_have_it_within_half_a_second),
        cmocka_unit_test(test_few_links_take_a_little_longer),
        cmocka_unit_test(test_a_neighbor_dies_while_it_sends),
        cmocka_unit_test(test_a_neighbor_hangs_while_it_sends),
        cmocka_unit_test(test_a_node_that_does_not_answer_offers),
        cmocka_unit_test(test_a_ban_and_its_end),
        cmocka_unit_test(test_a_banned_peer_starts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
