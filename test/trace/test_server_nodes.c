/* Servers with several Node-IDs, as timed traces: they take more of the ring, store, crash, come back, grow, shrink and leave. */
#include "testing.h"
#include "trace/scene.h"

#include <stdio.h>

#define NUMBERS 12
#define COPIES (NUMBERS * 3)
#define SETTLED_MS (2 * SCENE_HOUR) /* stabilization has come round, copies that are not needed are dropped */

static bool is_in(const struct company *c, unsigned nodes)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SCENE_NODES_MAX; i++)
        n += server_node_peer(c->server, i) && peer_state(server_node_peer(c->server, i)) == PEER_JOINED;
    return n == nodes;
}

static bool d_has_three(struct scene *scene)
{
    return is_in(scene_company(scene, 'D'), 3);
}

static bool d_has_one(struct scene *scene)
{
    const struct company *d = scene_company(scene, 'D');
    return is_in(d, 1) && !d->has_node[1] && !d->has_node[2];
}

/* A, B, C with one Node-ID each and D with three. */
static struct scene *six_nodes(uint64_t seed)
{
    struct scene *scene = scene_new(4, seed);
    scene_company(scene, 'D')->node_count = 3;
    for (unsigned i = 1; i <= scene->company_count; i++) {
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
    assert_true(scene_run_until(scene, d_has_three, 60000));
    scene_run(scene, 60000); /* neighbors everywhere */
    return scene;
}

static double owned(const struct company *c)
{
    double sum = 0;
    for (unsigned i = 0; i < SCENE_NODES_MAX; i++)
        if (server_node_peer(c->server, i))
            sum += peer_share_owned(server_node_peer(c->server, i));
    return sum;
}

static void publish_all(struct company *c)
{
    char number[24];
    for (unsigned i = 0; i < NUMBERS; i++) {
        snprintf(number, sizeof number, "+4922110%02u", i);
        agent_publishes(c, number);
    }
}

/* Every number that B publishes is found by A when A has made a call to it. */
static void assert_found(struct scene *scene)
{
    char number[24], text[96];
    for (unsigned i = 0; i < NUMBERS; i += 3) {
        snprintf(number, sizeof number, "+4922110%02u", i);
        scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = "+4930555", .called = number});
        snprintf(text, sizeof text, "number=%s", number);
        scene_expect(scene, 60000, "A validation.proved", text);
        assert_int_equal(scene_count(scene, "A numbers.found", " claimants=1"), i / 3 + 1);
    }
}

static json_int_t stored(struct company *c)
{
    json_t *status = company_ask(c, "show status", NULL);
    json_int_t n = json_integer_value(json_object_get(status, "ring_records_stored"));
    json_decref(status);
    return n;
}

static json_int_t stored_everywhere(struct scene *scene)
{
    json_int_t n = 0;
    for (unsigned i = 1; i <= scene->company_count; i++)
        if (scene->companies[i].server)
            n += stored(&scene->companies[i]);
    return n;
}

static void test_three_node_ids_share_the_ring(void **state)
{
    (void)state;
    struct scene *scene = six_nodes(1);
    struct company *d = scene_company(scene, 'D');
    double sum = 0;
    for (char letter = 'A'; letter <= 'D'; letter++)
        sum += owned(scene_company(scene, letter));
    assert_true(sum > 0.999 && sum < 1.001);
    for (unsigned i = 0; i < 3; i++) /* every node knows the five others */
        assert_true(peer_ring_size(server_node_peer(d->server, i)) > 5.5);

    publish_all(scene_company(scene, 'B'));
    scene_run(scene, 60000);
    assert_int_equal(stored_everywhere(scene), 3 * COPIES); /* each with two replicas */
    assert_true(stored(d) > COPIES / 2);
    assert_found(scene);

    json_t *ring = company_ask(d, "show ring", NULL);
    json_t *nodes = json_object_get(ring, "nodes");
    assert_int_equal(json_array_size(nodes), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *node = json_array_get(nodes, i);
        assert_int_equal(json_integer_value(json_object_get(node, "number")), i);
        assert_string_equal(json_string_value(json_object_get(node, "state")), "joined");
    }
    json_decref(ring);
    company_shows(d, "+492211001");
    scene_free(scene);
}

static void test_three_node_ids_crash_and_come_back(void **state)
{
    (void)state;
    struct scene *scene = six_nodes(2);
    struct company *d = scene_company(scene, 'D');
    publish_all(scene_company(scene, 'B'));
    scene_run(scene, 60000);
    json_int_t before = stored(d);
    company_crash(d);
    scene_run(scene, 5000);
    company_start(d);
    assert_true(stored(d) > 0); /* what was acknowledged is on the disk, of every node */
    assert_true(scene_run_until(scene, d_has_three, 120000));
    scene_run(scene, SETTLED_MS);
    assert_int_equal(stored(d), before);
    assert_int_equal(stored_everywhere(scene), 3 * COPIES);
    assert_found(scene);
    scene_free(scene);
}

static void test_three_node_ids_leave(void **state)
{
    (void)state;
    struct scene *scene = six_nodes(3);
    struct company *d = scene_company(scene, 'D');
    publish_all(scene_company(scene, 'B'));
    scene_run(scene, 60000);
    json_decref(company_ask(d, "leave", NULL));
    scene_expect(scene, 60000, "D left", "");
    company_stop(d);
    scene_run(scene, 60000);
    assert_int_equal(stored_everywhere(scene), 3 * COPIES);
    assert_found(scene);
    scene_free(scene);
}

static void test_a_server_grows_and_shrinks(void **state)
{
    (void)state;
    struct scene *scene = scene_of(4, 4);
    struct company *d = scene_company(scene, 'D');
    publish_all(scene_company(scene, 'B'));
    json_int_t small = stored(d);
    company_stop(d);
    d->node_count = 3;
    company_start(d);
    assert_true(scene_run_until(scene, d_has_three, 120000));
    scene_run(scene, SETTLED_MS);
    assert_true(stored(d) > small);
    assert_int_equal(stored_everywhere(scene), 3 * COPIES);

    company_stop(d);
    d->node_count = 1;
    company_start(d);
    assert_true(scene_run_until(scene, d_has_one, 300000));
    assert_int_equal(scene_count(scene, "D node.retired", ""), 2);
    assert_true(scene_saw(scene, "D node left", ""));
    scene_run(scene, SETTLED_MS);
    assert_true(stored_everywhere(scene) >= 3 * COPIES);
    company_stop(d);
    assert_int_equal(memory_store_count(d->disk, KV_RELOAD_NODES_DATA), 0);
    assert_int_equal(memory_store_count(d->disk, KV_RELOAD_NODES_META), 0);
    company_start(d);
    scene_run(scene, 60000);
    assert_true(is_in(d, 1));
    assert_found(scene);
    scene_free(scene);
}

static void test_a_configuration_reaches_every_node(void **state)
{
    (void)state;
    struct scene *scene = six_nodes(5);
    struct company *d = scene_company(scene, 'D');
    unsigned before = d->configurations;
    scene_configure(scene, NULL);
    company_stop(scene_company(scene, 'C'));
    scene_company(scene, 'C')->fetches = true;
    company_start(scene_company(scene, 'C'));
    scene_expect(scene, 600000, "D configured", "sequence=2");
    scene_run(scene, 60000);
    assert_int_equal(d->configurations, before + 1);
    for (unsigned i = 0; i < 3; i++) {
        struct region region;
        struct peer_view view;
        region_init(&region, 1u << 20);
        assert_int_equal(peer_view(server_node_peer(d->server, i), scene->now, &region, &view), 0);
        assert_int_equal(view.config_sequence, 2);
        region_fini(&region);
    }
    scene_free(scene);
}

static void quota_of_two(struct scene *scene, struct config *config)
{
    (void)scene;
    config->quota = 2;
}

static void quota_of_three(struct scene *scene, struct config *config)
{
    (void)scene;
    config->quota = 3;
}

/* Each Node-ID has a quota: with three a server publishes three times as many numbers, each of which is proved by the one that claims it. */
static void test_the_quota_grows(void **state)
{
    (void)state;
    static const char *const numbers[] = {"+49100", "+49101", "+49102", "+49103", "+49104", "+49105"};
    struct scene *scene = scene_new(4, 6);
    struct company *a = scene_company(scene, 'A'), *d = scene_company(scene, 'D');
    scene_configure(scene, quota_of_two);
    d->node_count = 3;
    for (unsigned i = 1; i <= scene->company_count; i++) {
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
    assert_true(scene_run_until(scene, d_has_three, 60000));
    scene_run(scene, 60000);
    for (unsigned i = 0; i < 6; i++)
        agent_publishes(d, numbers[i]);
    size_t beyond = agent_publish(d, "+49106");
    scene_run(scene, 10000);
    assert_true(d->agent.numbers[beyond].came && d->agent.numbers[beyond].err);

    for (unsigned round = 0; round < 2; round++) {
        char text[64];
        for (unsigned i = 0; i < 6; i++) {
            scene_call(scene, &(struct call){.from = 'A', .to = 'D', .calling = "+4930555", .called = numbers[i]});
            snprintf(text, sizeof text, "number=%s", numbers[i]);
            scene_expect_count(scene, 60000, "A validation.proved", text, round + 1);
            scene_run(scene, 15000);
        }
        company_crash(d); /* the claims outlive it, and so does who made them */
        scene_run(scene, 5000);
        company_start(d);
        assert_true(scene_run_until(scene, d_has_three, 120000));
        scene_run(scene, 60000);
    }
    assert_int_equal(company_counter(a, "server.validations_failed"), 0);
    scene_free(scene);
}

/* Numbers of a Node-ID that goes move to those that stay. */
static void test_numbers_of_a_node_id_that_goes(void **state)
{
    (void)state;
    struct scene *scene = scene_new(4, 7);
    struct company *a = scene_company(scene, 'A'), *d = scene_company(scene, 'D');
    scene_configure(scene, quota_of_two);
    d->node_count = 2;
    for (unsigned i = 1; i <= scene->company_count; i++) {
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
    scene_run(scene, 120000);
    agent_publishes(d, "+49100");
    agent_publishes(d, "+49101");
    agent_publishes(d, "+49102");
    json_t *answer = company_ask(a, "ring lookup", "{\"number\":\"+49102\"}");
    char hex[ID_HEX_OCTETS];
    id_format(d->id, hex);
    const json_t *claimant = json_array_get(json_object_get(answer, "claimants"), 0);
    assert_string_not_equal(json_string_value(json_object_get(claimant, "node_id")), hex);
    json_decref(answer);

    company_stop(d);
    d->node_count = 1;
    scene_configure(scene, quota_of_three); /* so that there is room where they move to */
    d->fetches = true;
    company_start(d);
    scene_run(scene, 5 * SCENE_MINUTE);
    answer = company_ask(a, "ring lookup", "{\"number\":\"+49102\"}");
    bool own = false;
    size_t i;
    json_t *each;
    json_array_foreach(json_object_get(answer, "claimants"), i, each)
        own = own || strcmp(json_string_value(json_object_get(each, "node_id")), hex) == 0;
    assert_true(own);
    json_decref(answer);
    scene_call(scene, &(struct call){.from = 'A', .to = 'D', .calling = "+4930555", .called = "+49102"});
    scene_expect(scene, 120000, "A validation.proved", "number=+49102");
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_node_ids_share_the_ring),
        cmocka_unit_test(test_three_node_ids_crash_and_come_back),
        cmocka_unit_test(test_three_node_ids_leave),
        cmocka_unit_test(test_a_server_grows_and_shrinks),
        cmocka_unit_test(test_a_configuration_reaches_every_node),
        cmocka_unit_test(test_the_quota_grows),
        cmocka_unit_test(test_numbers_of_a_node_id_that_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
