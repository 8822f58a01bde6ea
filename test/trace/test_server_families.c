/* Rings with addresses of IPv4 and IPv6, as timed traces: servers with one family or both. */
#include "testing.h"
#include "trace/scene.h"

#include <stdio.h>

#define N1 "+492211001"
#define CALLER "+4930555"

static struct addr ipv6(unsigned number, uint16_t port)
{
    struct addr addr = {.family = 6, .port = port, .ip = {0xfd}};
    addr.ip[15] = (uint8_t)number;
    return addr;
}

static void with_both(struct company *c)
{
    c->options.ring_other_address = ipv6(c->number, 6084);
    c->options.pvp_other_address = ipv6(c->number, 8470);
}

static void with_ipv6_only(struct company *c)
{
    c->ring_address = c->options.ring_address = ipv6(c->number, 6084);
    c->pvp_address = c->options.pvp_address = ipv6(c->number, 8470);
}

static struct addr bootstraps[2];

static void both_addresses_of_a(struct scene *scene, struct config *config)
{
    bootstraps[0] = scene->companies[1].ring_address;
    bootstraps[1] = ipv6(1, 6084);
    config->bootstrap_nodes = bootstraps;
    config->bootstrap_node_count = 2;
}

static void start_all(struct scene *scene)
{
    scene_configure(scene, both_addresses_of_a);
    for (unsigned i = 1; i <= scene->company_count; i++) {
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
}

static bool has_warning(struct company *c, const char *name)
{
    json_t *status = company_ask(c, "show status", NULL);
    bool there = false;
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(status, "warnings"), i, warning)
        there = there || strcmp(json_string_value(json_object_get(warning, "name")), name) == 0;
    json_decref(status);
    return there;
}

/* How many of a server's links have an address of this family at the other end. */
static unsigned links(struct company *c, uint8_t family)
{
    struct region region;
    struct peer_view view;
    unsigned n = 0;
    region_init(&region, 1u << 20);
    assert_int_equal(peer_view(server_peer(c->server), c->scene->now, &region, &view), 0);
    for (size_t i = 0; i < view.link_count; i++)
        n += view.links[i].addr.family == family && strcmp(view.links[i].state, "peer") == 0;
    region_fini(&region);
    return n;
}

/* A, B and D have both families, C has IPv6 only: everybody can be linked with everybody. */
static void test_a_mixed_ring(void **state)
{
    (void)state;
    struct scene *scene = scene_new(4, 1);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B'), *c = scene_company(scene, 'C'),
                   *d = scene_company(scene, 'D');
    with_both(a);
    with_both(b);
    with_ipv6_only(c);
    with_both(d);
    start_all(scene);
    scene_expect_count(scene, 60000, "", "joined ", 4);
    scene_run(scene, 5 * SCENE_MINUTE);
    assert_int_equal(links(c, 6), 3);
    assert_int_equal(links(c, 4), 0);
    assert_int_equal(links(a, 4) + links(a, 6), 3);
    assert_true(links(a, 6) >= 1);
    assert_false(has_warning(a, "NoCommonAddressFamily"));
    assert_false(has_warning(c, "NoCommonAddressFamily"));

    /* Numbers of the one are proved to the other over the family that both have. */
    agent_publishes(c, N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'C', .calling = CALLER, .called = N1});
    scene_expect(scene, 60000, "A validation.proved", "number=" N1);
    agent_publishes(a, "+4922110");
    scene_call(scene, &(struct call){.from = 'C', .to = 'A', .calling = CALLER, .called = "+4922110"});
    scene_expect(scene, 60000, "C validation.proved", "number=+4922110");
    agent_publishes(b, "+4922111");
    scene_call(scene, &(struct call){.from = 'D', .to = 'B', .calling = CALLER, .called = "+4922111"});
    scene_expect(scene, 60000, "D validation.proved", "number=+4922111");
    company_shows(c, N1);
    scene_free(scene);
}

/* B has IPv4 only and C IPv6 only: they would be neighbors. Both sides' operators are told, and A works for both. */
static void test_no_family_in_common(void **state)
{
    (void)state;
    struct scene *scene = scene_new(3, 2);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B'), *c = scene_company(scene, 'C');
    with_both(a);
    with_ipv6_only(c);
    start_all(scene);
    scene_run(scene, 5 * SCENE_MINUTE);
    assert_true(has_warning(b, "NoCommonAddressFamily") || has_warning(c, "NoCommonAddressFamily"));
    assert_false(has_warning(a, "NoCommonAddressFamily"));
    assert_int_equal(links(b, 6) + links(c, 4), 0);

    /* Once C has both, all is well, and the warning goes. */
    company_stop(c);
    struct addr address = c->ring_address;
    c->ring_address = c->options.ring_address = (struct addr){.family = 4, .port = 6084, .ip = {127, 1, 3, 1}};
    c->options.ring_other_address = address;
    company_start(c);
    scene_run(scene, 70 * SCENE_MINUTE);
    assert_int_equal(links(b, 4), 2);
    assert_int_equal(links(c, 4) + links(c, 6), 2);
    assert_false(has_warning(b, "NoCommonAddressFamily"));
    assert_false(has_warning(c, "NoCommonAddressFamily"));
    scene_free(scene);
}

/* All bootstrap nodes are of the other family: the log says so. */
static void test_no_bootstrap_of_our_family(void **state)
{
    (void)state;
    struct scene *scene = scene_new(2, 3);
    company_start(scene_company(scene, 'A'));
    with_ipv6_only(scene_company(scene, 'B'));
    company_start(scene_company(scene, 'B'));
    scene_expect(scene, 1000, "B ring.no_bootstrap", "family");
    scene_run(scene, 5 * SCENE_MINUTE);
    assert_true(has_warning(scene_company(scene, 'B'), "DistributedCacheFailure"));
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mixed_ring),
        cmocka_unit_test(test_no_family_in_common),
        cmocka_unit_test(test_no_bootstrap_of_our_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
