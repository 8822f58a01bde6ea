/* Far domains: made when they are needed, gone when they are idle, never while something of them is under way. */
#include "edge/trunk.h"

#include "testing.h"

#include <stdio.h>

static struct now at(int64_t ms)
{
    return (struct now){{ms * 1000}, {INT64_C(1700000000000) + ms}};
}

static const struct addr peer = {.family = 4, .port = 5061, .ip = {203, 0, 113, 9}};

static void names_have_no_case(void **state)
{
    struct edge_trunks t;
    char longest[300];
    (void)state;
    edge_trunks_init(&t, 4, 1);
    struct edge_trunk *b = edge_trunk_of(&t, at(0), slice_str("B.Example"));
    assert_non_null(b);
    assert_string_equal(b->domain, "b.example");
    assert_ptr_equal(edge_trunk_of(&t, at(0), slice_str("b.example")), b);
    assert_ptr_equal(edge_trunk_find(&t, slice_str("b.EXAMPLE")), b);
    assert_null(edge_trunk_find(&t, slice_str("c.example")));
    memset(longest, 'a', sizeof longest);
    assert_null(edge_trunk_of(&t, at(0), slice_of(longest, 254)));
    assert_null(edge_trunk_of(&t, at(0), slice_of(NULL, 0)));
    edge_trunks_fini(&t);
}

/* The one without calls that was quiet for longest gives way; with calls on all there is no room. */
static void limit(void **state)
{
    struct edge_trunks t;
    (void)state;
    edge_trunks_init(&t, 3, 1);
    struct edge_trunk *a = edge_trunk_of(&t, at(0), slice_str("a.example"));
    struct edge_trunk *b = edge_trunk_of(&t, at(1), slice_str("b.example"));
    edge_trunk_of(&t, at(2), slice_str("c.example"));
    a->uses = 1;
    edge_trunk_used(&t, b, at(3), &peer, 0);
    assert_non_null(edge_trunk_of(&t, at(4), slice_str("d.example")));
    assert_null(edge_trunk_find(&t, slice_str("c.example")));
    assert_ptr_equal(edge_trunk_find(&t, slice_str("a.example")), a);
    b->uses = 1;
    edge_trunk_find(&t, slice_str("d.example"))->uses = 1;
    assert_null(edge_trunk_of(&t, at(5), slice_str("e.example")));
    assert_ptr_equal(edge_trunk_of(&t, at(5), slice_str("b.example")), b);
    edge_trunks_fini(&t);
}

static void idle_ones_go(void **state)
{
    struct edge_trunks t;
    uint64_t conns[EDGE_TRUNK_CONNS_MAX];
    size_t n;
    (void)state;
    edge_trunks_init(&t, 4, 1);
    struct edge_trunk *a = edge_trunk_of(&t, at(0), slice_str("a.example"));
    struct edge_trunk *b = edge_trunk_of(&t, at(0), slice_str("b.example"));
    edge_trunk_used(&t, a, at(0), &peer, 7);
    edge_trunk_used(&t, a, at(100), &peer, 7);
    edge_trunk_used(&t, a, at(100), &peer, 8);
    edge_trunk_used(&t, b, at(200), &peer, 9);
    edge_trunk_lost(&t, 8);
    assert_false(edge_trunk_expire(&t, at(1099), 1000, conns, &n));
    assert_true(edge_trunk_expire(&t, at(1100), 1000, conns, &n));
    assert_int_equal(n, 1);
    assert_int_equal(conns[0], 7);
    assert_null(edge_trunk_find(&t, slice_str("a.example")));
    b->uses = 1;
    assert_false(edge_trunk_expire(&t, at(100000), 1000, conns, &n));
    edge_trunks_fini(&t);
}

/* A peer that connects again and again: the newest connections are known. */
static void connections(void **state)
{
    struct edge_trunks t;
    (void)state;
    edge_trunks_init(&t, 4, 1);
    struct edge_trunk *a = edge_trunk_of(&t, at(0), slice_str("a.example"));
    for (uint64_t conn = 1; conn <= EDGE_TRUNK_CONNS_MAX + 3; conn++)
        edge_trunk_used(&t, a, at(0), &peer, conn);
    assert_int_equal(a->conn_count, EDGE_TRUNK_CONNS_MAX);
    assert_int_equal(a->conns[0], 4);
    assert_int_equal(a->conns[EDGE_TRUNK_CONNS_MAX - 1], EDGE_TRUNK_CONNS_MAX + 3);
    edge_trunk_lost(&t, 1);
    assert_int_equal(a->conn_count, EDGE_TRUNK_CONNS_MAX);
    edge_trunks_fini(&t);
}

static void rate(void **state)
{
    struct edge_trunks t;
    (void)state;
    edge_trunks_init(&t, 4, 1);
    struct edge_trunk *a = edge_trunk_of(&t, at(0), slice_str("a.example"));
    for (unsigned second = 0; second < 3; second++) {
        for (unsigned i = 0; i < 10; i++)
            assert_int_equal(edge_trunk_asks(a, at(second * 1000 + i), 5), i < 5);
    }
    edge_trunks_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_no_case), cmocka_unit_test(limit), cmocka_unit_test(idle_ones_go),
        cmocka_unit_test(connections),        cmocka_unit_test(rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
