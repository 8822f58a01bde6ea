/* The ordered index of the routes, against a plain sorted array. */
#include "agent/number_key.h"
#include "agent/route_index.h"
#include "base/entropy.h"
#include "base/mem.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 4000

struct model {
    bool there[KEYS];
    uint32_t values[KEYS];
    size_t n;
};

static void check(const struct agent_index *x, const struct model *m)
{
    uint64_t from = 0, key;
    uint32_t value;
    size_t seen = 0;
    assert_int_equal(x->n, m->n);
    for (size_t i = 0; i < KEYS; i++) {
        const uint32_t *at = agent_index_get(x, 10 * i);
        assert_int_equal(at != NULL, m->there[i]);
        if (at)
            assert_int_equal(*at, m->values[i]);
        assert_null(agent_index_get(x, 10 * i + 5));
    }
    for (size_t i = 0; i < KEYS; i++) {
        if (!m->there[i])
            continue;
        assert_true(agent_index_seek(x, from, &key, &value));
        assert_int_equal(key, 10 * i);
        assert_int_equal(value, m->values[i]);
        from = key + 1 + seen++ % 9; /* what lies between two keys finds the next one as well */
    }
    assert_false(agent_index_seek(x, from, &key, &value));
}

static void put(struct agent_index *x, struct model *m, size_t i, uint32_t value)
{
    uint32_t *at = agent_index_put(x, 10 * i);
    assert_non_null(at);
    if (m->there[i])
        assert_int_equal(*at, m->values[i]);
    else
        m->n++;
    *at = m->values[i] = value;
    m->there[i] = true;
}

static void test_against_a_model(void **state)
{
    static struct model m;
    struct seeded_entropy seed = {3};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct agent_index x;
    (void)state;
    agent_index_init(&x);
    for (size_t round = 0; round < 8; round++) {
        /* By turns it grows and shrinks to nothing. */
        bool growing = round % 2 == 0;
        for (size_t i = 0; i < 3 * KEYS; i++) {
            size_t k = (size_t)entropy_below(&entropy, KEYS);
            if (growing == (entropy_below(&entropy, 10) > 0)) {
                put(&x, &m, k, (uint32_t)entropy_u64(&entropy));
            } else {
                agent_index_remove(&x, 10 * k);
                m.n -= m.there[k];
                m.there[k] = false;
            }
        }
        check(&x, &m);
    }
    for (size_t k = 0; k < KEYS; k++)
        agent_index_remove(&x, 10 * k);
    assert_int_equal(x.n, 0);
    assert_int_equal(x.octets, 0);
    agent_index_fini(&x);
}

static void test_sorted_input_fills_its_nodes(void **state)
{
    struct agent_index x;
    (void)state;
    agent_index_init(&x);
    for (uint64_t i = 0; i < 1000000; i++)
        *agent_index_put(&x, i * 16) = (uint32_t)i;
    assert_true(x.octets < 14 * 1000000);
    for (uint64_t i = 0; i < 1000000; i += 777)
        assert_int_equal(*agent_index_get(&x, i * 16), i);
    agent_index_fini(&x);
    assert_int_equal(x.octets, 0);
}

static void test_lack_of_memory_changes_nothing(void **state)
{
    static struct model m;
    struct agent_index x;
    unsigned failures = 0;
    (void)state;
    memset(&m, 0, sizeof m);
    agent_index_init(&x);
    for (size_t i = 0; i < KEYS; i++) {
        size_t k = i * 1009 % KEYS;
        for (unsigned long nth = 1; nth <= 2; nth++) { /* a split of the root takes two */
            mem_fail_at(nth);
            uint32_t *at = agent_index_put(&x, 10 * k);
            mem_fail_at(0);
            if (at) {
                *at = m.values[k] = (uint32_t)i;
                m.n += !m.there[k];
                m.there[k] = true;
                break;
            }
            failures++;
            assert_int_equal(x.n, m.n);
        }
        put(&x, &m, k, (uint32_t)i);
    }
    assert_true(failures > 50);
    check(&x, &m);
    agent_index_fini(&x);
}

static void test_keys_of_numbers(void **state)
{
    static const char *const sorted[] = {"+1",           "+10",           "+12125550100", "+4",
                                         "+49",          "+4930",         "+49300",       "+4930200000",
                                         "+49302000000", "+493020000001", "+4931",        "+999999999999999"};
    (void)state;
    for (size_t i = 0; i < sizeof sorted / sizeof sorted[0]; i++) {
        uint64_t key = agent_number_key(slice_str(sorted[i]));
        assert_string_equal(agent_number_of_key(key).text, sorted[i]);
        for (size_t k = 0; k < sizeof sorted / sizeof sorted[0]; k++) {
            uint64_t other = agent_number_key(slice_str(sorted[k]));
            assert_int_equal(k < i, other < key);
            bool begins = strncmp(sorted[k], sorted[i], strlen(sorted[i])) == 0;
            assert_int_equal(other >= key && other < agent_number_key_end(key), begins);
        }
    }
    assert_int_equal(agent_number_key(slice_str("")), 0);
    assert_string_equal(agent_number_of_key(0).text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_sorted_input_fills_its_nodes),
        cmocka_unit_test(test_lack_of_memory_changes_nothing),
        cmocka_unit_test(test_keys_of_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
