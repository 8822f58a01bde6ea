/* The stand-in refuses what the real signatures would refuse. */
#include "stand_in.h"
#include "testing.h"

#define BEGAN INT64_C(1772366400000)
#define DAY INT64_C(86400000)
#define OCTETS 600

static struct seeded_entropy seeded = {11};
static struct entropy entropy;
static struct sim_stand_in *table;
static struct security *a, *b;

static struct id id_of(uint8_t last)
{
    struct id id = {{0}};
    id.octets[15] = last;
    return id;
}

static int make(void **state)
{
    (void)state;
    struct config config;
    config_init(&config);
    entropy = seeded_entropy_port(&seeded);
    table = sim_stand_in_new(OCTETS, &entropy);
    for (uint8_t i = 0; i < 3; i++)
        assert_int_equal(sim_stand_in_issue(table, id_of((uint8_t)(i + 1)), "ime@ring.sim", (struct wall){BEGAN},
                                            (struct wall){BEGAN + DAY}),
                         i);
    assert_int_equal(sim_stand_in_security_new(table, 0, &config, (struct wall){BEGAN + 1}, &a), 0);
    assert_int_equal(sim_stand_in_security_new(table, 1, &config, (struct wall){BEGAN + 1}, &b), 0);
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    sim_stand_in_security_free(a);
    sim_stand_in_security_free(b);
    sim_stand_in_free(table);
    return 0;
}

static void test_signatures(void **state)
{
    (void)state;
    const struct security_cert *cert;
    struct buf signature;
    buf_init(&signature, 200);
    assert_int_equal(a->ops->sign(a->ctx, slice_str("what is said"), &signature), 0);
    assert_in_range(signature.n, 70, 72);
    assert_int_equal(b->ops->admit(b->ctx, sim_stand_in_cert(table, 0)->der, (struct wall){BEGAN + 1}, &cert), 0);
    assert_int_equal(b->ops->verify(b->ctx, cert, slice_str("what is said"), buf_slice(&signature)), 0);
    assert_int_equal(b->ops->verify(b->ctx, cert, slice_str("what is sayd"), buf_slice(&signature)), ERR_AUTH);
    assert_true(sim_stand_in_verifies(table, 0, slice_str("what is said"), buf_slice(&signature)));
    assert_false(sim_stand_in_verifies(table, 1, slice_str("what is said"), buf_slice(&signature)));
    for (size_t i = 0; i < signature.n; i++) {
        signature.p[i] ^= 1;
        assert_int_equal(b->ops->verify(b->ctx, cert, slice_str("what is said"), buf_slice(&signature)), ERR_AUTH);
        signature.p[i] ^= 1;
    }
    buf_fini(&signature);
}

static void test_admission(void **state)
{
    (void)state;
    const struct security_cert *cert;
    uint8_t forged[OCTETS];
    struct slice der = sim_stand_in_cert(table, 2)->der;
    const uint8_t *hash = sim_stand_in_cert(table, 2)->hash;
    struct wall now = {BEGAN + 1};
    assert_int_equal(a->ops->lookup(a->ctx, hash, now, &cert), ERR_NOT_FOUND); /* not shown yet */
    memcpy(forged, der.p, der.n);
    forged[OCTETS - 1] ^= 1;
    assert_int_equal(a->ops->admit(a->ctx, slice_of(forged, der.n), now, &cert), ERR_AUTH);
    forged[0] ^= 1;
    assert_int_equal(a->ops->admit(a->ctx, slice_of(forged, der.n), now, &cert), ERR_SYNTAX);
    assert_int_equal(a->ops->admit(a->ctx, slice_of(forged, 3), now, &cert), ERR_SYNTAX);
    assert_int_equal(a->ops->admit(a->ctx, der, (struct wall){BEGAN + 2 * DAY}, &cert), ERR_EXPIRED);
    assert_int_equal(a->ops->admit(a->ctx, der, (struct wall){BEGAN - 1}, &cert), ERR_EXPIRED);
    assert_int_equal(a->ops->admit(a->ctx, der, now, &cert), 0);
    assert_true(id_eq(cert->node_ids[0], id_of(3)));
    assert_int_equal(a->ops->lookup(a->ctx, hash, now, &cert), 0);
    assert_int_equal(a->ops->lookup(a->ctx, hash, (struct wall){BEGAN + 2 * DAY}, &cert), ERR_EXPIRED);
}

static void test_bans(void **state)
{
    (void)state;
    const struct security_cert *cert;
    struct config config;
    struct id banned[] = {id_of(2), id_of(3)};
    struct wall now = {BEGAN + 1};
    config_init(&config);
    config.bad_nodes = banned;
    config.bad_node_count = 2;
    assert_int_equal(sim_stand_in_set_config(b, &config, now), ERR_FORBIDDEN); /* itself: as it was */
    assert_int_equal(b->ops->admit(b->ctx, sim_stand_in_cert(table, 2)->der, now, &cert), 0);
    assert_int_equal(sim_stand_in_set_config(a, &config, now), 0);
    assert_int_equal(a->ops->admit(a->ctx, sim_stand_in_cert(table, 2)->der, now, &cert), ERR_FORBIDDEN);
    assert_int_equal(a->ops->admit(a->ctx, sim_stand_in_cert(table, 0)->der, now, &cert), 0);
    config.bad_node_count = 0;
    assert_int_equal(sim_stand_in_set_config(a, &config, now), 0);
    assert_int_equal(a->ops->lookup(a->ctx, sim_stand_in_cert(table, 2)->hash, now, &cert), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_signatures, make, unmake),
        cmocka_unit_test_setup_teardown(test_admission, make, unmake),
        cmocka_unit_test_setup_teardown(test_bans, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
