/* The world itself: it repeats, its network keeps order and holds what a partition stops, its disks forget what was not synced. */
#include "conn.h"
#include "scenario.h"
#include "testing.h"

static struct sim_options options;
static struct sim_nature nature;

static struct sim_world *world_of(uint32_t nodes, uint64_t seed, enum sim_signatures signatures)
{
    sim_options_default(&options);
    options.seed = seed;
    options.nodes = nodes;
    options.numbers = 2;
    options.lookups = 20;
    options.signatures = signatures;
    sim_options_settle(&options);
    sim_nature_draw(&nature, seed);
    return sim_world_new(&options, &nature);
}

/* ---- it repeats ---- */

static uint64_t hash_of(uint64_t seed, enum sim_signatures signatures)
{
    struct sim_world *world = world_of(6, seed, signatures);
    sim_calm_run(world);
    const struct sim_result *result = sim_world_result(world);
    uint64_t hash = result->trace_hash;
    assert_int_equal(result->violation_count, 0);
    assert_int_equal(result->lookups, options.lookups);
    assert_int_equal(result->failed, 0);
    assert_int_equal(result->latency_us.n, options.lookups);
    assert_int_equal(result->records_live, 6 * 2 * 3);
    assert_int_equal(result->records_lost, 0);
    sim_world_free(world);
    return hash;
}

static void test_same_seed_same_trace(void **state)
{
    (void)state;
    uint64_t real = hash_of(3, SIM_SIGNATURES_REAL), stand_in = hash_of(3, SIM_SIGNATURES_STAND_IN);
    assert_true(real == hash_of(3, SIM_SIGNATURES_REAL));
    assert_true(stand_in == hash_of(3, SIM_SIGNATURES_STAND_IN));
    assert_true(stand_in != hash_of(4, SIM_SIGNATURES_STAND_IN));
}

/* ---- places and addresses ---- */

static void test_latency_is_that_of_light_in_cables(void **state)
{
    (void)state;
    struct sim_world *world = world_of(40, 5, SIM_SIGNATURES_STAND_IN);
    for (uint32_t a = 0; a < 40; a++)
        for (uint32_t b = 0; b < 40; b++) {
            const struct sim_place *x = &world->nodes[a].place, *y = &world->nodes[b].place;
            double km = sim_city_distance_km(x->city, y->city);
            int64_t rest = sim_network_rest_us(world, a, b);
            assert_true(rest == sim_network_rest_us(world, b, a));
            assert_true(km >= 0 && km < 20038); /* half of the equator */
            if (a == b)
                assert_int_equal(rest, 0);
            else
                assert_in_range(rest, (int64_t)(km * 5 * nature.path_factor) + x->access_us + y->access_us - 2,
                                (int64_t)(km * 5 * nature.path_factor) + x->access_us + y->access_us + 2);
            if (a != b)
                assert_true(sim_network_delay_us(world, a, b) >= rest);
        }
    sim_world_free(world);
}

static void test_addresses_are_arithmetic(void **state)
{
    (void)state;
    struct sim_world *world = world_of(20, 6, SIM_SIGNATURES_STAND_IN);
    uint32_t found;
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(sim_address_node(world, &world->nodes[i].ring_address, &found));
        assert_int_equal(found, i);
        assert_true(sim_address_node(world, &world->nodes[i].pvp_address, &found));
        assert_int_equal(found, i);
    }
    struct addr nobody = sim_address(20, false, SIM_RING_PORT);
    assert_false(sim_address_node(world, &nobody, &found));
    sim_world_free(world);
}

static void test_numbers_have_owners(void **state)
{
    (void)state;
    uint32_t company, k;
    char domain[SIM_DOMAIN_OCTETS];
    struct e164 number = sim_number(999999, 999), foreign;
    assert_true(sim_number_owner(&number, &company, &k));
    assert_int_equal(company, 999999);
    assert_int_equal(k, 999);
    assert_true(e164_parse(slice_str("+4930123456"), &foreign));
    assert_false(sim_number_owner(&foreign, &company, &k));
    assert_true(sim_domain_owner(sim_domain(77, domain), &company));
    assert_int_equal(company, 77);
    assert_false(sim_domain_owner("c77.example.org", &company));
}

/* ---- clocks ---- */

static void test_clocks_drift(void **state)
{
    (void)state;
    struct sim_world *world = world_of(1, 7, SIM_SIGNATURES_STAND_IN);
    struct sim_node *node = &world->nodes[0];
    sim_node_set_clock(node, 500, 1000000); /* twice as fast */
    struct now before = sim_node_now(node);
    sim_world_run(world, 10 * SIM_SECOND);
    struct now after = sim_node_now(node);
    assert_int_equal(mono_since_us(after.mono, before.mono), 20 * SIM_SECOND);
    assert_int_equal(after.wall.ms - before.wall.ms, 20000);
    assert_in_range(sim_node_world_us(node, mono_after_us(after.mono, 2 * SIM_SECOND)), world->now_us + SIM_SECOND,
                    world->now_us + SIM_SECOND + 1);
    sim_node_set_clock(node, 0, 0);
    assert_int_equal(mono_since_us(sim_node_now(node).mono, after.mono), 0); /* it never jumps */
    assert_int_equal(sim_node_world_us(node, (struct mono){INT64_MIN}), world->now_us);
    assert_int_equal(sim_node_world_us(node, MONO_NEVER), INT64_MAX);
    sim_world_free(world);
}

/* ---- links: what comes, when, and in which order ---- */

struct seen {
    struct sim_observer observer;
    struct sim_world *world;
    uint32_t to;
    unsigned came, closed;
};

static void on_message(void *ctx, const struct sim_message *message)
{
    struct seen *seen = ctx;
    if (message->to->index == seen->to)
        seen->came++;
}

static void on_closed(void *ctx, uint64_t conn, unsigned by, enum sim_conn_closed how)
{
    struct seen *seen = ctx;
    (void)conn, (void)by, (void)how;
    seen->closed++;
}

static struct sim_world *pair(struct seen *seen, uint64_t seed)
{
    struct sim_world *world = world_of(2, seed, SIM_SIGNATURES_STAND_IN);
    *seen = (struct seen){.world = world, .to = 1};
    seen->observer = (struct sim_observer){.ctx = seen, .message = on_message, .link_closed = on_closed};
    sim_world_observe(world, &seen->observer);
    assert_true(sim_world_grow(world, 0, 2, SIM_MINUTE));
    sim_world_run(world, 10 * SIM_SECOND);
    return world;
}

static bool one_ring(void *ctx, struct sim_world *world)
{
    (void)ctx;
    return sim_world_is_right(world, NULL);
}

static void test_partitions_hold_octets(void **state)
{
    (void)state;
    struct seen seen;
    struct sim_world *world = pair(&seen, 8);
    assert_non_null(sim_conn_between(world, 0, 1));
    sim_network_put(world, 1, 1);
    sim_network_block(world, 0, 1, true); /* one way */
    sim_world_run(world, 2 * SIM_SECOND); /* what is on its way arrives */
    unsigned came = seen.came;
    assert_int_equal(sim_node_send_message(&world->nodes[0], &world->nodes[1], slice_str("one")), 0);
    assert_int_equal(sim_node_send_message(&world->nodes[0], &world->nodes[1], slice_str("two")), 0);
    sim_world_run(world, 5 * SIM_SECOND);
    assert_int_equal(seen.came, came);
    assert_false(sim_network_reaches(world, 0, 1));
    assert_true(sim_network_reaches(world, 1, 0));
    sim_network_heal(world);
    sim_world_run(world, 10 * SIM_SECOND);
    assert_true(seen.came >= came + 2);
    assert_true(sim_world_run_until(world, one_ring, NULL, SIM_SECOND, 3 * SIM_MINUTE));
    sim_world_free(world);
}

static void test_connections_die_of_silence(void **state)
{
    (void)state;
    struct seen seen;
    struct sim_world *world = pair(&seen, 9);
    sim_network_put(world, 1, 1);
    sim_network_block(world, 0, 1, true);
    sim_network_block(world, 1, 0, true);
    sim_world_run(world, SIM_DEAD_AFTER_US + SIM_MINUTE);
    assert_null(sim_conn_between(world, 0, 1));
    assert_null(sim_conn_between(world, 1, 0));
    assert_true(seen.closed > 0);
    assert_int_equal(sim_network_links(world, 0), 0);
    sim_network_heal(world);
    assert_true(sim_world_run_until(world, one_ring, NULL, SIM_SECOND, 10 * SIM_MINUTE));
    sim_world_free(world);
}

static void test_a_machine_without_power_says_nothing(void **state)
{
    (void)state;
    struct seen seen;
    struct sim_world *world = pair(&seen, 10);
    sim_node_end(&world->nodes[1], SIM_END_CRASH);
    sim_world_run(world, SIM_SECOND);
    assert_null(sim_conn_between(world, 0, 1)); /* its kernel has told */
    assert_int_equal(sim_node_start(&world->nodes[1]), 0);
    assert_true(sim_world_run_until(world, one_ring, NULL, SIM_SECOND, 2 * SIM_MINUTE));
    sim_node_end(&world->nodes[1], SIM_END_POWER);
    assert_false(sim_network_reaches(world, 0, 1));
    sim_world_run(world, SIM_SECOND / 2);
    assert_non_null(sim_conn_between(world, 0, 1)); /* nobody has */
    assert_int_equal(sim_node_start(&world->nodes[1]), 0);
    assert_true(sim_world_run_until(world, one_ring, NULL, SIM_SECOND, 5 * SIM_MINUTE));
    sim_world_free(world);
}

static void test_cut_links_are_made_again(void **state)
{
    (void)state;
    struct seen seen;
    struct sim_world *world = pair(&seen, 11);
    assert_int_equal(sim_network_cut(world, 0, 1), 1);
    sim_world_run(world, SIM_SECOND);
    assert_int_equal(seen.closed, 1);
    assert_true(sim_world_run_until(world, one_ring, NULL, SIM_SECOND, 5 * SIM_MINUTE));
    assert_non_null(sim_conn_between(world, 0, 1));
    sim_world_free(world);
}

static void test_a_node_hangs(void **state)
{
    (void)state;
    struct seen seen;
    struct sim_world *world = pair(&seen, 12);
    sim_node_hang(&world->nodes[1], 3 * SIM_SECOND);
    unsigned came = seen.came;
    assert_int_equal(sim_node_send_message(&world->nodes[0], &world->nodes[1], slice_str("x")), 0);
    sim_world_run(world, 2 * SIM_SECOND);
    assert_int_equal(seen.came, came);
    sim_world_run(world, 2 * SIM_SECOND);
    assert_true(seen.came > came);
    sim_world_free(world);
}

/* ---- configuration ---- */

static void test_a_node_is_banned_and_let_in_again(void **state)
{
    (void)state;
    struct sim_world *world = world_of(5, 14, SIM_SIGNATURES_STAND_IN);
    assert_true(sim_world_grow(world, 0, 5, SIM_MINUTE));
    sim_world_run(world, 10 * SIM_SECOND);
    sim_world_ban(world, &world->nodes[0], &world->nodes[3], true);
    sim_world_run(world, SIM_MINUTE);
    assert_true(world->nodes[3].banned);
    assert_int_equal(sim_network_links(world, 3), 0);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(server_config_of(world->nodes[i].server)->sequence, 2);
    sim_world_ban(world, &world->nodes[0], &world->nodes[3], false);
    sim_node_end(&world->nodes[3], SIM_END_STOP);
    assert_int_equal(sim_node_start(&world->nodes[3]), 0);
    sim_world_run(world, SIM_MINUTE);
    assert_true(world->nodes[3].joined);
    sim_world_free(world);
}

/* ---- a node that lies ---- */

static enum sim_tap_verdict drop_all(void *ctx, struct sim_node *from, struct sim_node *to, struct slice message,
                                     struct buf *ret_instead)
{
    unsigned *dropped = ctx;
    (void)from, (void)to, (void)message, (void)ret_instead;
    ++*dropped;
    return SIM_TAP_DROP;
}

static void test_a_tap_drops_messages(void **state)
{
    (void)state;
    struct seen seen;
    unsigned dropped = 0;
    struct sim_world *world = pair(&seen, 13);
    struct sim_tap tap = {&dropped, drop_all};
    sim_node_set_tap(&world->nodes[0], &tap);
    sim_world_run(world, SIM_SECOND);
    unsigned came = seen.came;
    dropped = 0;
    sim_world_run(world, 30 * SIM_SECOND);
    assert_true(dropped > 0);
    assert_int_equal(seen.came, came);
    assert_non_null(sim_conn_between(world, 0, 1)); /* its own link does not notice */
    sim_world_free(world);
}

/* ---- disks ---- */

static void written(void *arg, int err)
{
    *(int *)arg = err;
}

static void test_a_crash_forgets_what_was_not_synced(void **state)
{
    (void)state;
    struct sim_disk disk;
    struct slice value;
    int first = 1, second = 1;
    assert_int_equal(sim_disk_init(&disk, 1000), 0);
    const struct kv *kv = memory_store_kv(disk.store);
    assert_int_equal(kv_put(kv, KV_NUMBERS, slice_str("a"), slice_str("1")), 0);
    kv_commit(kv, written, &first);
    assert_int_equal(first, 1); /* never at once */
    sim_disk_turn(&disk);
    assert_int_equal(first, 0);
    assert_int_equal(kv_put(kv, KV_NUMBERS, slice_str("a"), slice_str("2")), 0);
    kv_commit(kv, written, &second);
    sim_disk_crash(&disk);
    assert_int_equal(second, ERR_IO);
    assert_int_equal(kv_get(kv, KV_NUMBERS, slice_str("a"), &value), 0);
    assert_true(slice_eq_str(value, "1"));
    sim_disk_set_fault(&disk, SIM_DISK_FULL);
    assert_int_equal(kv_put(kv, KV_NUMBERS, slice_str("b"), slice_str("3")), ERR_NO_SPACE);
    sim_disk_set_fault(&disk, SIM_DISK_GOOD);
    assert_int_equal(kv_put(kv, KV_NUMBERS, slice_str("b"), slice_str("3")), 0);
    kv_commit(kv, written, &second);
    sim_disk_sync(&disk);
    assert_int_equal(second, 0);
    assert_int_equal(kv_get(kv, KV_NUMBERS, slice_str("b"), &value), 0);
    sim_disk_fini(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_trace),
        cmocka_unit_test(test_latency_is_that_of_light_in_cables),
        cmocka_unit_test(test_addresses_are_arithmetic),
        cmocka_unit_test(test_numbers_have_owners),
        cmocka_unit_test(test_clocks_drift),
        cmocka_unit_test(test_partitions_hold_octets),
        cmocka_unit_test(test_connections_die_of_silence),
        cmocka_unit_test(test_a_machine_without_power_says_nothing),
        cmocka_unit_test(test_cut_links_are_made_again),
        cmocka_unit_test(test_a_node_hangs),
        cmocka_unit_test(test_a_node_is_banned_and_let_in_again),
        cmocka_unit_test(test_a_tap_drops_messages),
        cmocka_unit_test(test_a_crash_forgets_what_was_not_synced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
