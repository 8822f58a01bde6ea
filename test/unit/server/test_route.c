/* Learned routes: rows, replacement, expiry, what the call agents still have to be told. */
#include "base/buf.h"
#include "base/mem.h"
#include "server/route.h"
#include "store/memory.h"
#include "testing.h"

#include <stdio.h>

#define CONTENT "<valinfo>of no matter here</valinfo>"

struct world {
    struct memory_store *store;
    const struct kv *kv;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct route_table *table;
};

static int setup(void **state)
{
    static struct world w;
    w = (struct world){.seed = {6}};
    w.entropy = seeded_entropy_port(&w.seed);
    assert_int_equal(memory_store_new(&w.store), 0);
    w.kv = memory_store_kv(w.store);
    assert_int_equal(route_table_new(w.kv, &w.entropy, &w.table), 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    route_table_free(w->table);
    memory_store_free(w->store);
    return 0;
}

static void restart(struct world *w)
{
    route_table_free(w->table);
    assert_int_equal(route_table_new(w->kv, &w->entropy, &w->table), 0);
}

static struct route sample(uint64_t vservice_id, const char *number, uint8_t node)
{
    struct route r = {.vservice_id = vservice_id,
                      .node_id = {{node}},
                      .domain = "b.example",
                      .learned_at = {1772366400123},
                      .expires_at = {1803902400456},
                      .content = (char *)(uintptr_t)CONTENT,
                      .content_octets = strlen(CONTENT)};
    assert_true(e164_parse(slice_str(number), &r.number));
    return r;
}

/* As the server does it: written, committed, then applied. */
static void learn(struct world *w, const struct route *r)
{
    struct route *copy = route_copy(r);
    assert_non_null(copy);
    assert_int_equal(route_table_write(w->table, r), 0);
    kv_commit(w->kv, NULL, NULL);
    memory_store_turn(w->store);
    assert_int_equal(route_table_apply(w->table, copy), 0);
}

static struct route *find(const struct world *w, const struct route *r)
{
    return route_table_find(w->table, r->vservice_id, &r->number, r->node_id);
}

static int count_one(void *ctx, struct route *r)
{
    (void)r;
    ++*(unsigned *)ctx;
    return 0;
}

static unsigned undelivered(struct world *w)
{
    unsigned n = 0;
    route_table_each_undelivered(w->table, count_one, &n);
    return n;
}

static void test_a_route_survives(void **state)
{
    struct world *w = *state;
    struct route r = sample(7, "+4911", 1);
    learn(w, &r);
    for (unsigned i = 0; i < 2; i++) {
        const struct route *found = find(w, &r);
        assert_non_null(found);
        assert_string_equal(found->domain, "b.example");
        assert_int_equal(found->learned_at.ms, r.learned_at.ms);
        assert_int_equal(found->expires_at.ms, r.expires_at.ms);
        assert_int_equal(found->content_octets, r.content_octets);
        assert_string_equal(found->content, CONTENT);
        assert_false(found->delivered);
        assert_int_equal(undelivered(w), 1);
        restart(w);
    }
}

static void test_what_makes_a_route(void **state)
{
    struct world *w = *state;
    const struct route routes[] = {sample(7, "+4911", 1), sample(8, "+4911", 1), sample(7, "+4912", 1),
                                   sample(7, "+4911", 2), sample(7, "+49111", 1)};
    for (size_t i = 0; i < 5; i++)
        learn(w, &routes[i]);
    assert_int_equal(route_table_count(w->table), 5);
    for (size_t i = 0; i < 5; i++)
        assert_non_null(find(w, &routes[i]));
    struct route other = sample(7, "+4913", 1);
    assert_null(find(w, &other));
    restart(w);
    assert_int_equal(route_table_count(w->table), 5);
    assert_int_equal(memory_store_count(w->store, KV_ROUTE), 5);
}

/* Learned again with another ticket: told again. */
static void test_a_route_is_replaced(void **state)
{
    struct world *w = *state;
    struct route r = sample(7, "+4911", 1);
    learn(w, &r);
    route_table_delivered(w->table, find(w, &r));
    assert_int_equal(undelivered(w), 0);
    find(w, &r)->delivery = 99;
    r.expires_at.ms += 1000;
    learn(w, &r);
    assert_int_equal(route_table_count(w->table), 1);
    assert_int_equal(find(w, &r)->expires_at.ms, r.expires_at.ms);
    assert_int_equal(find(w, &r)->delivery, 0);
    assert_int_equal(undelivered(w), 1);
}

static void test_delivery_is_remembered(void **state)
{
    struct world *w = *state;
    struct route r = sample(7, "+4911", 1), other = sample(7, "+4912", 1);
    learn(w, &r);
    learn(w, &other);
    route_table_delivered(w->table, find(w, &r));
    memory_store_turn(w->store);
    assert_int_equal(undelivered(w), 1);
    restart(w);
    assert_true(find(w, &r)->delivered);
    assert_false(find(w, &other)->delivered);
    assert_int_equal(undelivered(w), 1);
    route_table_delivered(w->table, find(w, &other)); /* a lost mark only repeats a Notify */
    memory_store_crash(w->store);
    restart(w);
    assert_int_equal(undelivered(w), 1);
}

static void test_routes_expire(void **state)
{
    struct world *w = *state;
    struct route r = sample(7, "+4911", 1), later = sample(7, "+4912", 1);
    later.expires_at.ms++;
    learn(w, &r);
    learn(w, &later);
    assert_int_equal(route_table_expire(w->table, (struct wall){r.expires_at.ms - 1}), 0);
    assert_int_equal(route_table_expire(w->table, r.expires_at), 1);
    assert_null(find(w, &r));
    assert_non_null(find(w, &later));
    assert_int_equal(undelivered(w), 1);
    memory_store_turn(w->store);
    restart(w);
    assert_int_equal(route_table_count(w->table), 1);
}

static void test_nothing_is_applied_before_it_is_durable(void **state)
{
    struct world *w = *state;
    struct route r = sample(7, "+4911", 1);
    assert_int_equal(route_table_write(w->table, &r), 0);
    assert_int_equal(route_table_count(w->table), 0);
    memory_store_crash(w->store);
    restart(w);
    assert_int_equal(route_table_count(w->table), 0);
    memory_store_refuse(w->store, ERR_NO_SPACE);
    assert_int_equal(route_table_write(w->table, &r), ERR_NO_SPACE);
}

static void test_bounds(void **state)
{
    struct world *w = *state;
    struct route r = sample(7, "+491234567890123", 1);
    memset(r.domain, 'd', ROUTE_DOMAIN_OCTETS_MAX);
    r.content = mem_alloc(ROUTE_CONTENT_OCTETS_MAX + 1);
    memset(r.content, 'x', ROUTE_CONTENT_OCTETS_MAX + 1);
    r.content_octets = ROUTE_CONTENT_OCTETS_MAX + 1;
    assert_null(route_copy(&r));
    r.content_octets = ROUTE_CONTENT_OCTETS_MAX;
    learn(w, &r);
    restart(w);
    assert_int_equal(route_table_corrupt(w->table), 0);
    assert_int_equal(find(w, &r)->content_octets, ROUTE_CONTENT_OCTETS_MAX);
    assert_int_equal(strlen(find(w, &r)->domain), ROUTE_DOMAIN_OCTETS_MAX);
    mem_free(r.content);
}

static int keep_value(void *arg, struct slice key, struct slice value)
{
    struct buf *b = arg;
    (void)key;
    buf_slice_put(b, value);
    return 0;
}

static void put(struct world *w, struct slice key, struct slice value)
{
    assert_int_equal(kv_put(w->kv, KV_ROUTE, key, value), 0);
    kv_commit(w->kv, NULL, NULL);
    memory_store_turn(w->store);
}

/* Any octets as key and value of a row: left out and counted, or a route; never more. */
static void test_damaged_rows(void **state)
{
    struct world *w = *state;
    struct route r = sample(7, "+4911", 1);
    struct buf value;
    buf_init(&value, 65536);
    learn(w, &r);
    assert_int_equal(kv_scan(w->kv, KV_ROUTE, keep_value, &value), 0);
    put(w, slice_str("short"), buf_slice(&value));
    put(w, slice_str("12345678nonumber\0001234567890123456"), buf_slice(&value));
    restart(w);
    assert_int_equal(route_table_count(w->table), 1);
    assert_int_equal(route_table_corrupt(w->table), 2);
    for (size_t n = 0; n < value.n; n++) { /* cut anywhere */
        uint8_t key[8 + 3 + 1 + 16] = "12345678+42";
        put(w, slice_of(key, sizeof key), slice_of(value.p, n));
        restart(w);
        assert_int_equal(route_table_count(w->table), 1);
        assert_int_equal(route_table_corrupt(w->table), 3);
    }
    buf_fini(&value);
}

static void test_short_memory(void **state)
{
    struct world *w = *state;
    struct route r = sample(7, "+4911", 1);
    learn(w, &r);
    for (unsigned long nth = 1;; nth++) {
        struct route_table *again = NULL;
        mem_fail_at(nth);
        int err = route_table_new(w->kv, &w->entropy, &again);
        mem_fail_at(0);
        route_table_free(again);
        if (!err)
            break;
        assert_int_equal(err, ERR_NO_MEMORY);
        assert_null(again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_route_survives, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_makes_a_route, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_route_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delivery_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_routes_expire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_applied_before_it_is_durable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
