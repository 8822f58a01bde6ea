/* Announced peers: by address, for a time, and nobody can push out another. */
#include "pvp/announce.h"
#include "testing.h"

static struct id node(uint8_t n)
{
    return (struct id){{n}};
}

static struct addr address(uint8_t n, uint16_t port)
{
    return (struct addr){.family = 4, .port = port, .ip = {127, 1, 1, n}};
}

static void announce(struct pvp_announcements *a, uint8_t n, uint8_t at, int64_t expires_us)
{
    struct id id = node(n);
    struct addr source = address(at, 1);
    assert_int_equal(pvp_announcements_add(a, &id, &source, (struct mono){expires_us}), 0);
}

static size_t who_is_at(const struct pvp_announcements *a, uint8_t at, int64_t now_us,
                        struct id nodes[PVP_NODES_PER_ADDRESS])
{
    struct addr source = address(at, 999); /* whatever port it connects from */
    return pvp_announcements_of(a, &source, (struct mono){now_us}, nodes);
}

static void test_by_address_until_it_expires(void **state)
{
    (void)state;
    struct pvp_announcements a;
    struct id nodes[PVP_NODES_PER_ADDRESS];
    pvp_announcements_init(&a, 10, 1);
    announce(&a, 1, 7, 100);
    announce(&a, 2, 7, 200);
    assert_int_equal(who_is_at(&a, 8, 0, nodes), 0);
    assert_int_equal(who_is_at(&a, 7, 0, nodes), 2);
    assert_int_equal(who_is_at(&a, 7, 100, nodes), 1);
    assert_true(id_eq(nodes[0], node(2)));
    assert_int_equal(pvp_announcements_deadline(&a).us, 100);
    pvp_announcements_expire(&a, (struct mono){150});
    assert_int_equal(a.n, 1);
    announce(&a, 2, 7, 300); /* again: lives on */
    pvp_announcements_expire(&a, (struct mono){250});
    assert_int_equal(who_is_at(&a, 7, 250, nodes), 1);
    pvp_announcements_expire(&a, (struct mono){300});
    assert_int_equal(a.n, 0);
    assert_int_equal(a.nodes.n + a.addresses.n, 0);
    pvp_announcements_fini(&a);
}

/* One Node-ID holds its last few addresses; the others' stay. */
static void test_a_flood_pushes_out_only_its_own(void **state)
{
    (void)state;
    struct pvp_announcements a;
    struct id nodes[PVP_NODES_PER_ADDRESS];
    pvp_announcements_init(&a, 10, 1);
    announce(&a, 1, 1, 1000);
    for (uint8_t at = 2; at < 100; at++)
        announce(&a, 2, at, 1000);
    assert_int_equal(a.n, 1 + PVP_ADDRESSES_PER_NODE);
    assert_int_equal(who_is_at(&a, 1, 0, nodes), 1);
    assert_int_equal(who_is_at(&a, 99, 0, nodes), 1);
    assert_int_equal(who_is_at(&a, 95, 0, nodes), 0);
    announce(&a, 2, 99, 2000); /* known already: nothing gives way */
    assert_int_equal(who_is_at(&a, 96, 0, nodes), 1);
    pvp_announcements_fini(&a);
}

static void test_a_full_table_drops_the_oldest(void **state)
{
    (void)state;
    struct pvp_announcements a;
    struct id nodes[PVP_NODES_PER_ADDRESS];
    pvp_announcements_init(&a, 3, 1);
    for (uint8_t n = 1; n <= 4; n++)
        announce(&a, n, n, 1000 + n);
    assert_int_equal(a.n, 3);
    assert_int_equal(a.evicted, 1);
    assert_int_equal(who_is_at(&a, 1, 0, nodes), 0);
    assert_int_equal(who_is_at(&a, 4, 0, nodes), 1);
    pvp_announcements_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_address_until_it_expires),
        cmocka_unit_test(test_a_flood_pushes_out_only_its_own),
        cmocka_unit_test(test_a_full_table_drops_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
