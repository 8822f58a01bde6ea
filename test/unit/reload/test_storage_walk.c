/* Walking for replication and hand-over (RFC 6940 sections 7.4.1.1, 10.4, 10.7.3), and a lot of values. */
#include "base/entropy.h"
#include "base/mem.h"
#include "storage_fixture.h"

#define T0 ((uint64_t)NOON_MS)
#define MANY 2000

static struct id place(uint8_t first)
{
    return (struct id){{first}};
}

static void store_at(struct fixture *f, struct id resource, struct security *signer, uint64_t service)
{
    assert_int_equal(store_one(f, signer, resource, RELOAD_KIND_VIPR_REGISTRATION, 0,
                               keyed(vipr_key(f, signer, service), "value"), T0),
                     0);
}

/* Walks to the end and notes the first octet of each resource. */
static size_t walk_all(struct fixture *f, struct storage_walk *walk, size_t octets_max, uint8_t *ret_first, size_t max)
{
    size_t n = 0;
    for (;;) {
        struct storage_portion portion;
        struct region region;
        region_init(&region, 1 << 20);
        int err = storage_walk_next(f->storage, walk, f->now, 1, octets_max, &region, &portion);
        if (err) {
            assert_int_equal(err, ERR_NOT_FOUND);
            region_fini(&region);
            return n;
        }
        assert_int_equal(portion.store.replica_number, 1);
        assert_int_equal(portion.store.kind_count, 1);
        assert_true(portion.store.kinds[0].value_count > 0);
        assert_true(portion.certs.n > 0);
        assert_true(n < max);
        ret_first[n++] = portion.resource.octets[0];
        region_fini(&region);
    }
}

static void test_range_is_open_at_its_beginning_and_wraps(void **state)
{
    struct fixture *f = *state;
    static const uint8_t all[] = {0x10, 0x20, 0x30, 0x40};
    struct storage_walk walk;
    uint8_t seen[8];
    for (size_t i = 0; i < 4; i++)
        store_at(f, place(all[i]), f->alice, 1);

    storage_walk_init(&walk, place(0x10), place(0x30), 0);
    assert_int_equal(walk_all(f, &walk, 10000, seen, 8), 2);
    assert_memory_equal(seen, ((uint8_t[]){0x20, 0x30}), 2);

    storage_walk_init(&walk, place(0x30), place(0x10), 0);
    assert_int_equal(walk_all(f, &walk, 10000, seen, 8), 2);
    assert_memory_equal(seen, ((uint8_t[]){0x40, 0x10}), 2);

    storage_walk_init(&walk, place(0x20), place(0x20), 0);
    assert_int_equal(walk_all(f, &walk, 10000, seen, 8), 4);
    assert_memory_equal(seen, ((uint8_t[]){0x30, 0x40, 0x10, 0x20}), 4);

    storage_walk_resource(&walk, place(0x40), 0);
    assert_int_equal(walk_all(f, &walk, 10000, seen, 8), 1);
    assert_int_equal(seen[0], 0x40);

    storage_walk_init(&walk, place(0x41), place(0x42), 0);
    assert_int_equal(walk_all(f, &walk, 10000, seen, 8), 0);
}

static void test_values_of_one_resource_are_cut_into_portions(void **state)
{
    struct fixture *f = *state;
    struct storage_walk walk;
    uint8_t seen[16];
    for (uint64_t i = 0; i < 10; i++)
        store_at(f, place(0x10), f->alice, i);
    storage_walk_init(&walk, place(0), place(0), 0);
    assert_int_equal(walk_all(f, &walk, 1, seen, 16), 10); /* at least one value each */
    storage_walk_init(&walk, place(0), place(0), 0);
    assert_int_equal(walk_all(f, &walk, 100000, seen, 16), 1);
    storage_walk_init(&walk, place(0), place(0), 0);
    size_t n = walk_all(f, &walk, 600, seen, 16);
    assert_true(n > 1 && n < 10);
}

static void test_walk_goes_through_all_kinds(void **state)
{
    struct fixture *f = *state;
    struct storage_walk walk;
    uint8_t seen[8];
    store_at(f, place(0x10), f->alice, 1);
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single("s"), T0), 0);
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_ARRAY, 0, indexed(3, "a"), T0), 0);
    storage_walk_init(&walk, place(0), place(0), 0);
    assert_int_equal(walk_all(f, &walk, 10000, seen, 8), 3);
    storage_walk_resource(&walk, home_of(f->alice), 0);
    assert_int_equal(walk_all(f, &walk, 10000, seen, 8), 2);
}

static void test_only_what_a_store_changed(void **state)
{
    struct fixture *f = *state;
    struct storage_walk walk;
    struct storage_portion portion;
    store_at(f, place(0x10), f->alice, 1);
    store_at(f, place(0x10), f->alice, 2);
    uint64_t revision = f->last.revision;
    storage_walk_resource(&walk, place(0x10), revision);
    assert_int_equal(storage_walk_next(f->storage, &walk, f->now, 1, 10000, &f->region, &portion), 0);
    assert_int_equal(portion.store.kinds[0].value_count, 1);
    assert_slice_equal(portion.store.kinds[0].values[0].value.key, vipr_key(f, f->alice, 2));
    assert_int_equal(storage_walk_next(f->storage, &walk, f->now, 1, 10000, &f->region, &portion), ERR_NOT_FOUND);
}

/* A portion is a StoreReq that another peer takes: same generation, lifetimes less the time it lay here, tombstones included. */
static void test_portion_is_a_copy_that_another_peer_takes(void **state)
{
    struct fixture *f = *state, *other;
    struct storage_walk walk;
    struct storage_portion portion;
    assert_int_equal(fixture_set_up((void **)&other), 0);
    store_at(f, place(0x10), f->alice, 1);
    store_at(f, place(0x10), f->carol, 2);
    assert_int_equal(store_one(f, f->alice, place(0x10), RELOAD_KIND_VIPR_REGISTRATION, 0,
                               removed(keyed(vipr_key(f, f->alice, 1), "")), T0 + 1),
                     0);
    fixture_advance(f, 600 * 1000);
    storage_walk_init(&walk, place(0), place(0), 0);
    assert_int_equal(storage_walk_next(f->storage, &walk, f->now, 2, 10000, &f->region, &portion), 0);

    struct reload_certificate certificates[4];
    struct answer answer = {0};
    struct draft d;
    draft_begin(&d, other, place(0x10), 2);
    d.store = portion.store;
    for (size_t i = 0; i < portion.certs.n; i++)
        certificates[i] = (struct reload_certificate){RELOAD_CERTIFICATE_X509, portion.certs.ders[i]};
    d.block = (struct reload_security){.certificates = certificates, .certificate_count = portion.certs.n};
    draft_post(&d, other->carol, &answer);
    memory_store_turn(other->store);
    assert_int_equal(answer.code, 0);
    struct reload_kind_data data = fetch_all(other, place(0x10), RELOAD_KIND_VIPR_REGISTRATION);
    assert_int_equal(data.generation_counter, 3);
    assert_int_equal(data.value_count, 2);
    assert_false(data.values[0].value.exists);
    assert_int_equal(data.values[1].lifetime_s, 3000);
    void *state_of_other = other;
    fixture_tear_down(&state_of_other);
}

static void test_keep_only_drops_the_rest_for_good(void **state)
{
    struct fixture *f = *state;
    struct storage_view view;
    for (unsigned i = 1; i < 16; i++)
        store_at(f, place((uint8_t)(i * 16)), f->alice, 1);
    /* (0xc0, 0x30]: d0 e0 f0 10 20 30 stay; 9 others go, 4 at a time */
    size_t left = storage_keep_only(f->storage, f->now, place(0xc0), place(0x30), 4);
    assert_true(left > 0);
    storage_view(f->storage, &view);
    assert_int_equal(view.resources, 11);
    while (storage_keep_only(f->storage, f->now, place(0xc0), place(0x30), 4))
        continue;
    storage_view(f->storage, &view);
    assert_int_equal(view.resources, 6);
    memory_store_turn(f->store);
    fixture_restart(f);
    uint8_t seen[8];
    struct storage_walk walk;
    storage_walk_init(&walk, place(0xc0), place(0xc0), 0);
    assert_int_equal(walk_all(f, &walk, 10000, seen, 8), 6);
    assert_memory_equal(seen, ((uint8_t[]){0xd0, 0xe0, 0xf0, 0x10, 0x20, 0x30}), 6);
    assert_int_equal(storage_keep_only(f->storage, f->now, place(5), place(5), 100), 0); /* the whole ring is ours */
    storage_view(f->storage, &view);
    assert_int_equal(view.resources, 6);
}

static void test_busy_resources_stay_for_now(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    struct answer answer;
    draft_begin(&d, f, place(0x80), 0);
    draft_kind(&d, RELOAD_KIND_VIPR_REGISTRATION, 0);
    draft_value(&d, f->alice, keyed(vipr_key(f, f->alice, 1), "v1"), T0);
    assert_int_equal(draft_send(&d, f->alice), 0);
    d.kinds[0].value_count = 0;
    draft_value(&d, f->alice, keyed(vipr_key(f, f->alice, 1), "v2"), T0 + 1);
    draft_post(&d, f->alice, &answer);
    assert_int_equal(storage_keep_only(f->storage, f->now, place(1), place(2), 100), 1);
    memory_store_turn(f->store);
    assert_int_equal(answer.code, 0);
    assert_int_equal(storage_keep_only(f->storage, f->now, place(1), place(2), 100), 0);
    struct storage_view view;
    storage_view(f->storage, &view);
    assert_int_equal(view.entries, 0);
}

/* Thousands of resources in random order: each is found, each is walked over once, and half of them can be handed over. */
static void test_many_resources(void **state)
{
    struct fixture *f = *state;
    struct seeded_entropy seeded = {42};
    struct entropy entropy = seeded_entropy_port(&seeded);
    struct id *ids = mem_alloc(MANY * sizeof *ids);
    struct storage_view view;
    assert_non_null(ids);
    for (size_t i = 0; i < MANY; i++) {
        entropy_fill(&entropy, ids[i].octets, ID_OCTETS);
        store_at(f, ids[i], f->alice, 1);
    }
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(fetch_all(f, ids[i], RELOAD_KIND_VIPR_REGISTRATION).value_count, 1);
    struct storage_walk walk;
    uint8_t *seen = mem_alloc(MANY);
    storage_walk_init(&walk, place(0), place(0), 0);
    assert_int_equal(walk_all(f, &walk, 10000, seen, MANY), MANY);
    for (size_t i = 1; i < MANY; i++)
        assert_true(seen[i - 1] <= seen[i]);
    size_t low = 0;
    for (size_t i = 0; i < MANY; i++)
        low += seen[i] < 0x80;
    struct id middle = place(0x80);
    storage_keep_only(f->storage, f->now, middle, id_sub((struct id){{0}}, id_power_of_two(0)), MANY);
    storage_view(f->storage, &view);
    assert_int_equal(view.resources, MANY - low);
    mem_free(seen);
    mem_free(ids);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_range_is_open_at_its_beginning_and_wraps),
        TEST(test_values_of_one_resource_are_cut_into_portions),
        TEST(test_walk_goes_through_all_kinds),
        TEST(test_only_what_a_store_changed),
        TEST(test_portion_is_a_copy_that_another_peer_takes),
        TEST(test_keep_only_drops_the_rest_for_good),
        TEST(test_busy_resources_stay_for_now),
        TEST(test_many_resources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
