/* Map, heap, list and region, each against a simple model of itself. */
#include "base/entropy.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/region.h"
#include "base/sanitized.h"
#include "base/siphash.h"
#include "testing.h"

/* The vectors of the SipHash paper, appendix A (15 octets), and of its reference implementation (none); of SipHash-1-3 what Python 3.11 says with
 * PYTHONHASHSEED=0, whose key is zeros: hash(b"abc"), hash(b"abcdefghijklmno"). */
static void test_hash_is_siphash(void **state)
{
    (void)state;
    static const uint64_t seed[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t octets[15];
    for (size_t i = 0; i < sizeof octets; i++)
        octets[i] = (uint8_t)i;
    assert_true(siphash(seed, slice_of(octets, sizeof octets)) == UINT64_C(0xa129ca6149be45e5));
    assert_true(siphash(seed, slice_of(octets, 0)) == UINT64_C(0x726fdb47dd0e0e31));
    static const uint64_t zeros[2];
    assert_true(siphash_quick(zeros, slice_str("abc")) == UINT64_C(0xc03bc3a0042630f2));
    assert_true(siphash_quick(zeros, slice_str("abcdefghijklmno")) == UINT64_C(0x1fd27a29b0e9dc7a));
}

enum { KEYS = 200 };

static struct slice key_of(const uint8_t *n)
{
    return slice_of(n, 1);
}

static void test_map_against_array(void **state)
{
    (void)state;
    struct seeded_entropy seeded = {7};
    struct entropy e = seeded_entropy_port(&seeded);
    void *model[KEYS] = {0};
    size_t count = 0;
    struct map m;
    map_init(&m, KEYS, 42);
    for (int step = 0; step < 20000; step++) {
        uint8_t k = (uint8_t)entropy_below(&e, KEYS);
        if (entropy_below(&e, 2)) {
            void *value = &model[entropy_below(&e, KEYS)];
            assert_int_equal(map_set(&m, key_of(&k), value), 0);
            count += !model[k];
            model[k] = value;
        } else if (entropy_below(&e, 2)) {
            void *value = &model[entropy_below(&e, 2) ? k : KEYS]; /* its own, now and then; never that */
            map_remove_value(&m, key_of(&k), value);
            count -= model[k] == value;
            model[k] = model[k] == value ? NULL : model[k];
        } else {
            assert_ptr_equal(map_remove(&m, key_of(&k)), model[k]);
            count -= model[k] != NULL;
            model[k] = NULL;
        }
        assert_int_equal(m.n, count);
    }
    struct map_iter it;
    map_iter_init(&it);
    size_t seen = 0;
    while (map_iter_next(&m, &it)) {
        assert_ptr_equal(it.value, model[it.key.p[0]]);
        uint8_t k = it.key.p[0];
        map_remove(&m, key_of(&k));
        seen++;
    }
    assert_int_equal(seen, count);
    assert_int_equal(m.n, 0);
    map_fini(&m);
}

static void test_map_limits(void **state)
{
    (void)state;
    struct map m;
    int value;
    map_init(&m, 2, 1);
    mem_fail_at(1);
    assert_int_equal(map_set(&m, slice_str("a"), &value), ERR_NO_MEMORY);
    mem_fail_at(0);
    assert_int_equal(map_set(&m, slice_str("a"), &value), 0);
    assert_int_equal(map_set(&m, slice_str(""), &value), 0);
    assert_int_equal(map_set(&m, slice_str("c"), &value), ERR_LIMIT);
    assert_int_equal(map_set(&m, slice_str("a"), &m), 0);
    assert_ptr_equal(map_get(&m, slice_str("a")), &m);
    assert_ptr_equal(map_get(&m, slice_str("")), &value);
    assert_null(map_get(&m, slice_str("c")));
    map_fini(&m);
}

enum { NODES = 300 };

/* The earliest of those that are set, first set first among equals. */
static struct heap_node *earliest(struct heap_node *nodes, const int *set_at)
{
    struct heap_node *best = NULL;
    for (size_t i = 0; i < NODES; i++) {
        struct heap_node *n = &nodes[i];
        if (n->index &&
            (!best || n->due.us < best->due.us || (n->due.us == best->due.us && set_at[i] < set_at[best - nodes])))
            best = n;
    }
    return best;
}

static void test_heap_against_search(void **state)
{
    (void)state;
    struct seeded_entropy seeded = {3};
    struct entropy e = seeded_entropy_port(&seeded);
    static struct heap_node nodes[NODES];
    static int set_at[NODES];
    struct heap h, other;
    heap_init(&h);
    heap_init(&other);
    for (int step = 0; step < 20000; step++) {
        struct heap_node *n = &nodes[entropy_below(&e, NODES)];
        struct heap_node *first = earliest(nodes, set_at);
        switch (entropy_below(&e, 4)) {
        case 0:
            heap_remove(&h, n);
            assert_int_equal(n->index, 0);
            break;
        case 1:
            if (first) {
                assert_null(heap_pop_due(&h, (struct mono){first->due.us - 1}));
                assert_ptr_equal(heap_pop_due(&h, first->due), first);
            }
            break;
        default:
            assert_int_equal(heap_set(&h, n, (struct mono){(int64_t)entropy_below(&e, 50)}), 0);
            set_at[n - nodes] = step;
        }
        assert_true(heap_has(&h, n) == (n->index != 0));
        assert_false(heap_has(&other, n));
        first = earliest(nodes, set_at);
        assert_ptr_equal(heap_first(&h), first);
        assert_true(heap_deadline(&h).us == (first ? first->due.us : MONO_NEVER.us));
    }
    heap_fini(&h);
    assert_null(earliest(nodes, set_at));
}

struct element {
    int value;
    struct list link;
};

static void test_list(void **state)
{
    (void)state;
    struct list head;
    struct element elements[4];
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_pop(&head));
    for (int i = 0; i < 4; i++) {
        elements[i].value = i;
        list_append(&head, &elements[i].link);
    }
    int next = 0;
    LIST_EACH(it, &head) {
        struct element *element = CONTAINER_OF(it, struct element, link);
        assert_int_equal(element->value, next++);
        if (element->value % 2)
            list_remove(it);
    }
    assert_int_equal(next, 4);
    list_remove(&elements[1].link);
    list_prepend(&head, &elements[3].link);
    assert_ptr_equal(list_pop(&head), &elements[3].link);
    assert_ptr_equal(list_pop(&head), &elements[0].link);
    assert_ptr_equal(list_pop(&head), &elements[2].link);
    assert_true(list_empty(&head));
}

static void test_region(void **state)
{
    (void)state;
    struct region r;
    region_init(&r, 100000);
    uint8_t *last = NULL;
    for (size_t n = 1; n < 300; n++) {
        uint8_t *p = region_alloc(&r, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        assert_ptr_not_equal(p, last);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, n);
        last = p;
    }
    assert_string_equal(region_text(&r, slice_of("text and more", 4)), "text");
    assert_slice_text(region_copy(&r, slice_str("copy")), "copy");
    assert_null(region_array(&r, SIZE_MAX / 2, 4));
    assert_null(region_alloc(&r, 100000));
    assert_non_null(region_alloc(&r, 10000));
    assert_true(r.used <= r.limit);
    region_fini(&r);
    assert_int_equal(r.used, 0);
}

static void test_region_reserve(void **state)
{
    struct region r;
    (void)state;
    region_init(&r, 10000);
    assert_int_equal(region_reserve(&r, 10001), ERR_LIMIT);
    mem_fail_at(1);
    assert_int_equal(region_reserve(&r, 5000), ERR_NO_MEMORY);
    assert_int_equal(region_reserve(&r, 5000), 0);
    assert_int_equal(r.used, 0);
    mem_fail_at(1);
    for (int i = 0; i < 50; i++)
        assert_non_null(region_alloc(&r, 96));
    assert_int_equal(region_reserve(&r, 200), 0);
    assert_int_equal(region_reserve(&r, 201), ERR_NO_MEMORY);
    region_fini(&r);
}

/* As fresh after it as at the beginning, and without asking for memory if what comes next is no more. */
static void test_region_clear(void **state)
{
    struct region r;
    (void)state;
    region_init(&r, 10000);
    region_clear(&r);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 50; i++) {
            uint8_t *p = region_alloc(&r, 64);
            assert_non_null(p);
            for (int k = 0; k < 64; k++)
                assert_int_equal(p[k], 0);
            memset(p, 0xff, 64);
        }
        assert_int_equal(r.used, 3200);
        region_clear(&r);
        assert_int_equal(r.used, 0);
    }
    if (!SANITIZED)
        mem_fail_at(1);
    assert_non_null(region_alloc(&r, 1000));
    mem_fail_at(0);
    assert_null(region_alloc(&r, 9001));
    region_fini(&r);
    assert_null(r.blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_siphash),
        cmocka_unit_test(test_map_against_array),
        cmocka_unit_test(test_map_limits),
        cmocka_unit_test(test_heap_against_search),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_region),
        cmocka_unit_test(test_region_reserve),
        cmocka_unit_test(test_region_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
