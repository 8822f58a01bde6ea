/* The ring as it must be, from lists of nodes; rows as they are stored; the bound of quotas. */
#include "check_internal.h"
#include "numbers/quota.h"
#include "testing.h"

#include <stdio.h>
#include <string.h>

#define NODES 6u
#define SIDE 3u

/* A ring whose nodes all see it as it is; Node-IDs 10, 20, 30 … */
struct ring {
    struct sim_ring_node nodes[NODES];
    struct id before[NODES][SIDE];
    struct id behind[NODES][SIDE];
};

static struct id id_at(size_t i)
{
    struct id id = {{0}};
    id.octets[0] = (uint8_t)(10 * (i + 1));
    return id;
}

static void make(struct ring *ring)
{
    for (size_t i = 0; i < NODES; i++) {
        for (size_t k = 0; k < SIDE; k++) {
            ring->before[i][k] = id_at((i + NODES - k - 1) % NODES);
            ring->behind[i][k] = id_at((i + k + 1) % NODES);
        }
        ring->nodes[i] = (struct sim_ring_node){
            .id = id_at(i),
            .joined = true,
            .predecessor = ring->before[i][0],
            .predecessors = ring->before[i],
            .predecessor_count = SIDE,
            .successors = ring->behind[i],
            .successor_count = SIDE,
        };
    }
}

static void test_a_right_ring_is_right(void **state)
{
    struct ring ring;
    char text[120] = "";
    (void)state;
    make(&ring);
    assert_int_equal(sim_ring_wrong(ring.nodes, NODES, SIDE, text, sizeof text), 0);
    struct sim_ring_node first = ring.nodes[0]; /* in any order */
    ring.nodes[0] = ring.nodes[4];
    ring.nodes[4] = first;
    assert_int_equal(sim_ring_wrong(ring.nodes, NODES, SIDE, text, sizeof text), 0);
    assert_int_equal(sim_ring_wrong(ring.nodes, 0, SIDE, text, sizeof text), 0);
    assert_string_equal(text, "");
}

static void test_what_is_wrong_is_named(void **state)
{
    struct ring ring;
    char text[120];
    (void)state;

    make(&ring);
    ring.nodes[2].joined = false;
    assert_int_equal(sim_ring_wrong(ring.nodes, NODES, SIDE, text, sizeof text), 1);
    assert_non_null(strstr(text, "has not joined"));

    make(&ring);
    ring.nodes[2].predecessor = id_at(0);
    assert_int_equal(sim_ring_wrong(ring.nodes, NODES, SIDE, text, sizeof text), 1);
    assert_non_null(strstr(text, "owns from 0a000000 on, 14000000 is right"));

    make(&ring);
    ring.behind[5][2] = id_at(1); /* around the ring's end */
    assert_int_equal(sim_ring_wrong(ring.nodes, NODES, SIDE, text, sizeof text), 1);
    assert_non_null(strstr(text, "successor 3 of node 3c000000 is 14000000, 1e000000 is right"));

    make(&ring);
    ring.nodes[0].predecessor_count = 1;
    assert_int_equal(sim_ring_wrong(ring.nodes, NODES, SIDE, text, sizeof text), 1);
    assert_non_null(strstr(text, "predecessor 2 of node 0a000000 is missing"));
}

/* Two rings of half of the nodes each, right for themselves: wrong everywhere. */
static void test_two_rings_are_not_one(void **state)
{
    struct ring ring;
    char text[120];
    (void)state;
    make(&ring);
    for (size_t i = 0; i < NODES; i++) {
        size_t half = i / 3 * 3;
        for (size_t k = 0; k < SIDE; k++) {
            ring.before[i][k] = id_at(half + (i + 3 - (k + 1) % 3) % 3);
            ring.behind[i][k] = id_at(half + (i + k + 1) % 3);
        }
        ring.nodes[i].predecessor = ring.before[i][0];
        ring.nodes[i].predecessor_count = ring.nodes[i].successor_count = 2;
    }
    assert_int_equal(sim_ring_wrong(ring.nodes, NODES, SIDE, text, sizeof text), NODES);
}

/* A ring smaller than the neighborhoods. */
static void test_small_rings(void **state)
{
    struct ring ring;
    char text[120];
    (void)state;
    make(&ring);
    for (size_t i = 0; i < 2; i++) {
        ring.before[i][0] = ring.behind[i][0] = ring.nodes[i].predecessor = id_at(1 - i);
        ring.nodes[i].predecessor_count = ring.nodes[i].successor_count = 1;
    }
    assert_int_equal(sim_ring_wrong(ring.nodes, 2, SIDE, text, sizeof text), 0);
    ring.nodes[0].predecessor = ring.nodes[0].id;
    ring.nodes[0].predecessor_count = ring.nodes[0].successor_count = 0;
    assert_int_equal(sim_ring_wrong(ring.nodes, 1, SIDE, text, sizeof text), 0);
}

static void test_rows_are_read(void **state)
{
    struct buf key, value;
    struct sim_row row;
    static const uint8_t hash[32] = {1, 2, 3};
    (void)state;
    buf_init(&key, 1000);
    buf_init(&value, 1000);
    struct id resource = id_at(3);
    buf_put(&key, resource.octets, ID_OCTETS);
    buf_u32(&key, RELOAD_KIND_VIPR_REGISTRATION);
    buf_u32(&key, 0);
    buf_str(&key, "name");
    buf_u8(&value, 1);
    buf_u64(&value, 1234);
    buf_u64(&value, 5678);
    buf_u8(&value, 3);
    buf_u8(&value, 0);
    buf_u8(&value, 3);
    buf_put(&value, hash, sizeof hash);
    buf_opaque(&value, 2, slice_str("signature"));
    buf_opaque(&value, 4, slice_str("value"));
    assert_true(sim_row_parse(buf_slice(&key), buf_slice(&value), &row));
    assert_true(id_eq(row.resource, resource));
    assert_int_equal(row.kind, RELOAD_KIND_VIPR_REGISTRATION);
    assert_slice_text(row.key, "name");
    assert_int_equal(row.storage_time_ms, 1234);
    assert_int_equal(row.expires_ms, 5678);
    assert_true(row.exists && row.replica);
    assert_memory_equal(row.certificate, hash, sizeof hash);
    assert_slice_text(row.signature, "signature");
    assert_slice_text(row.value, "value");
    for (size_t n = 0; n < value.n; n++)
        assert_false(sim_row_parse(buf_slice(&key), slice_of(value.p, n), &row));
    assert_false(sim_row_parse(slice_of(key.p, 23), buf_slice(&value), &row));
    value.p[0] = 2;
    assert_false(sim_row_parse(buf_slice(&key), buf_slice(&value), &row));
    buf_fini(&key);
    buf_fini(&value);
}

/* Reckoned twice, and the same. */
static void test_quotas_are_those_of_the_rule(void **state)
{
    (void)state;
    for (uint32_t quota = 1; quota < 20000; quota = quota * 3 + 1)
        for (double share = 1e-6; share < 1; share *= 2.7)
            assert_int_equal(sim_quota_bound(quota, share), numbers_quota_entries(quota, share));
    assert_int_equal(sim_quota_bound(100, 1), 300);
}

static void test_what_shows_a_number(void **state)
{
    struct e164 number = sim_number(3, 1);
    char domain[SIM_DOMAIN_OCTETS], text[100];
    (void)state;
    snprintf(text, sizeof text, "\x01\x02%s\x03", number.text);
    assert_true(sim_check_shows_number(slice_str(text)));
    snprintf(text, sizeof text, "sip:x@%s:5061", sim_domain(12, domain));
    assert_true(sim_check_shows_number(slice_str(text)));
    assert_false(sim_check_shows_number(slice_str("0123456789abcdef0123456789abcdef+5600000000000001")));
    assert_false(sim_check_shows_number(slice_str(SIM_OVERLAY)));
    assert_false(sim_check_shows_number((struct slice){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_right_ring_is_right), cmocka_unit_test(test_what_is_wrong_is_named),
        cmocka_unit_test(test_two_rings_are_not_one), cmocka_unit_test(test_small_rings),
        cmocka_unit_test(test_rows_are_read),         cmocka_unit_test(test_quotas_are_those_of_the_rule),
        cmocka_unit_test(test_what_shows_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
