/* Digests of ranges, by which peers compare what they store before they copy it. */
#include "base/mem.h"
#include "storage_fixture.h"

#define T0 ((uint64_t)NOON_MS)

static const uint64_t key[2] = {1, 2};

static struct id place(uint8_t first)
{
    return (struct id){{first}};
}

static void store_at(struct fixture *f, uint8_t first, uint64_t service, uint64_t time)
{
    assert_int_equal(store_one(f, f->alice, place(first), RELOAD_KIND_VIPR_REGISTRATION, 0,
                               keyed(vipr_key(f, f->alice, service), "value"), time),
                     0);
}

static struct storage_digest digest_of(struct fixture *f, uint8_t from, uint8_t to)
{
    struct storage_digest digest;
    storage_digest(f->storage, f->now, place(from), place(to), key, &digest);
    return digest;
}

static void test_digest_tells_of_what_is_there(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(digest_of(f, 0, 0).values, 0);
    store_at(f, 0x10, 1, T0);
    store_at(f, 0x20, 1, T0);
    store_at(f, 0x20, 2, T0);
    struct storage_digest all = digest_of(f, 0, 0), left = digest_of(f, 0x05, 0x10), right = digest_of(f, 0x10, 0x05);
    assert_int_equal(all.values, 3);
    assert_int_equal(left.values, 1);
    assert_int_equal(right.values, 2); /* open at its beginning; around the end of the numbers */
    assert_true(all.sum == left.sum + right.sum);
    store_at(f, 0x10, 1, T0 + 1); /* a newer value */
    assert_true(digest_of(f, 0x05, 0x10).sum != left.sum);
    assert_true(digest_of(f, 0x10, 0x05).sum == right.sum);
    assert_int_equal(store_one(f, f->alice, place(0x20), RELOAD_KIND_VIPR_REGISTRATION, 0,
                               removed(keyed(vipr_key(f, f->alice, 2), "")), T0 + 2),
                     0);
    assert_int_equal(digest_of(f, 0x10, 0x05).values, 2); /* a removed value counts, and makes a difference */
    assert_true(digest_of(f, 0x10, 0x05).sum != right.sum);
    struct storage_digest other;
    storage_digest(f->storage, f->now, place(0), place(0), (uint64_t[]){1, 3}, &other);
    assert_true(other.sum != digest_of(f, 0, 0).sum);
}

static void test_expired_values_do_not_count(void **state)
{
    struct fixture *f = *state;
    store_at(f, 0x10, 1, T0);
    fixture_advance(f, 3601000);
    assert_int_equal(digest_of(f, 0, 0).values, 0);
}

static void test_range_is_divided_where_the_resources_are(void **state)
{
    struct fixture *f = *state;
    struct id places[15];
    for (unsigned i = 1; i <= 40; i++)
        store_at(f, (uint8_t)(0x40 + i), 1, T0);
    size_t n = storage_divide(f->storage, place(0x40), place(0x70), places, 7);
    assert_true(n >= 6 && n <= 7);
    uint8_t before = 0x40;
    uint32_t values = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(places[i].octets[0] > before && places[i].octets[0] < 0x70);
        assert_true(digest_of(f, before, places[i].octets[0]).values <= 7);
        values += digest_of(f, before, places[i].octets[0]).values;
        before = places[i].octets[0];
    }
    assert_int_equal(values + digest_of(f, before, 0x70).values, 40);
    assert_int_equal(storage_divide(f->storage, place(0x70), place(0x40), places, 7), 0);
    assert_int_equal(storage_divide(f->storage, place(0x40), place(0x41), places, 7), 0);
}

static void test_first_resource_of_a_range(void **state)
{
    struct fixture *f = *state;
    struct id found;
    assert_false(storage_first_resource(f->storage, place(0), place(0), &found));
    store_at(f, 0x30, 1, T0);
    store_at(f, 0x50, 1, T0);
    assert_true(storage_first_resource(f->storage, place(0x20), place(0x60), &found));
    assert_true(id_eq(found, place(0x30)));
    assert_true(storage_first_resource(f->storage, place(0x30), place(0x20), &found));
    assert_true(id_eq(found, place(0x50)));
    assert_true(storage_first_resource(f->storage, place(0x50), place(0x40), &found)); /* around */
    assert_true(id_eq(found, place(0x30)));
    assert_false(storage_first_resource(f->storage, place(0x50), place(0x20), &found));
    assert_true(storage_first_resource(f->storage, place(0x30), place(0x30), &found)); /* the whole ring */
    assert_true(id_eq(found, place(0x50)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_digest_tells_of_what_is_there),
        TEST(test_expired_values_do_not_count),
        TEST(test_range_is_divided_where_the_resources_are),
        TEST(test_first_resource_of_a_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
