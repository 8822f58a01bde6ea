/* Fetch, Stat and Find (RFC 6940 sections 7.4.2 … 7.4.4). */
#include "crypt/digest.h"
#include "storage_fixture.h"

#define T0 ((uint64_t)NOON_MS)

/* Decodes the answer's body. */
static struct reload_body decode(struct fixture *f, uint16_t code, const struct buf *octets)
{
    struct reload_message message = {.contents = {.code = code, .body = region_copy(&f->region, buf_slice(octets))}};
    struct reload_models models = kind_models(&f->kinds);
    struct reload_body body;
    struct fault fault;
    assert_int_equal(reload_body_decode(&message, &models, &f->region, &body, &fault), 0);
    return body;
}

static struct reload_kind_data fetch(struct fixture *f, struct id resource, const struct reload_specifier *specifier,
                                     size_t *ret_certs)
{
    struct reload_fetch_req request = {id_slice(&resource), specifier, 1};
    struct storage_certs certs;
    struct buf octets;
    buf_init(&octets, 65536);
    assert_int_equal(storage_fetch(f->storage, f->now, &request, &f->region, &octets, &certs), 0);
    struct reload_body body = decode(f, RELOAD_FETCH_ANS, &octets);
    buf_fini(&octets);
    if (ret_certs)
        *ret_certs = certs.n;
    assert_int_equal(body.fetch_ans.kind_count, 1);
    return body.fetch_ans.kinds[0];
}

static void store_array(struct fixture *f)
{
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_ARRAY, 0, indexed(1, "one"), T0), 0);
    assert_int_equal(store_one(f, f->alice, home_of(f->alice), KIND_TEST_ARRAY, 0, indexed(4, "four"), T0), 0);
}

static struct reload_kind_data fetch_range(struct fixture *f, uint32_t first, uint32_t last)
{
    struct reload_range range = {first, last};
    struct reload_specifier specifier = {
        .kind = KIND_TEST_ARRAY, .model = RELOAD_MODEL_ARRAY, .indices = &range, .index_count = 1};
    return fetch(f, home_of(f->alice), &specifier, NULL);
}

static void test_array_ranges(void **state)
{
    struct fixture *f = *state;
    store_array(f);
    struct reload_kind_data data = fetch_range(f, 0, RELOAD_ARRAY_END);
    assert_int_equal(data.value_count, 5);
    assert_string_equal(text_at(f, &data, 1), "one");
    assert_string_equal(text_at(f, &data, 4), "four");
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(data.values[i].value.index, i);
        assert_int_equal(reload_stored_data_is_unsigned(&data.values[i]), i != 1 && i != 4);
    }
    data = fetch_range(f, 1, 2);
    assert_int_equal(data.value_count, 2);
    assert_string_equal(text_at(f, &data, 0), "one");
    assert_string_equal(text_at(f, &data, 1), "-");
    data = fetch_range(f, RELOAD_ARRAY_END, RELOAD_ARRAY_END); /* the final element */
    assert_int_equal(data.value_count, 1);
    assert_string_equal(text_at(f, &data, 0), "four");
    data = fetch_range(f, 6, 7); /* asked for by number, behind the end */
    assert_int_equal(data.value_count, 2);
    data = fetch_range(f, 5, RELOAD_ARRAY_END - 1); /* a range that no array can fill is not made up */
    assert_int_equal(data.value_count, 3);
    assert_int_equal(fetch_range(f, 9, 4000000000u).value_count, 0);
}

static void test_open_range_of_an_empty_array_is_empty(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fetch_range(f, 0, RELOAD_ARRAY_END).value_count, 0);
    assert_int_equal(fetch_range(f, 0, 0).value_count, 1);
}

static void test_dictionary_keys(void **state)
{
    struct fixture *f = *state;
    struct id resource = {{7}};
    struct slice a = vipr_key(f, f->alice, 1), b = vipr_key(f, f->bob, 1), none = slice_str("none");
    size_t certs;
    assert_int_equal(store_one(f, f->alice, resource, RELOAD_KIND_VIPR_REGISTRATION, 0, keyed(a, "A"), T0), 0);
    assert_int_equal(store_one(f, f->bob, resource, RELOAD_KIND_VIPR_REGISTRATION, 0, keyed(b, "B"), T0), 0);
    assert_int_equal(
        store_one(f, f->bob, resource, RELOAD_KIND_VIPR_REGISTRATION, 0, keyed(vipr_key(f, f->bob, 2), "B2"), T0), 0);
    struct reload_specifier specifier = {.kind = RELOAD_KIND_VIPR_REGISTRATION, .model = RELOAD_MODEL_DICTIONARY};
    struct reload_kind_data data = fetch(f, resource, &specifier, &certs);
    assert_int_equal(data.value_count, 3);
    assert_int_equal(certs, 2); /* bob's once */
    struct slice keys[] = {b, none};
    specifier.keys = keys;
    specifier.key_count = 2;
    data = fetch(f, resource, &specifier, &certs);
    assert_int_equal(data.value_count, 2);
    assert_string_equal(text_at(f, &data, 0), "B");
    assert_string_equal(text_at(f, &data, 1), "-");
    assert_slice_equal(data.values[1].value.key, none);
    assert_true(reload_stored_data_is_unsigned(&data.values[1]));
    assert_int_equal(certs, 1);
}

static void test_single_value_that_is_not_there_is_synthetic(void **state)
{
    struct fixture *f = *state;
    struct reload_kind_data data = fetch_all(f, home_of(f->alice), KIND_TEST_SINGLE);
    assert_int_equal(data.generation_counter, 0);
    assert_int_equal(data.value_count, 1);
    assert_false(data.values[0].value.exists);
    assert_true(reload_stored_data_is_unsigned(&data.values[0]));
    assert_int_equal(data.values[0].signature.value.n, 0);
}

static void test_known_generation_gets_no_values(void **state)
{
    struct fixture *f = *state;
    store_array(f);
    struct reload_range range = {0, RELOAD_ARRAY_END};
    struct reload_specifier specifier = {
        .kind = KIND_TEST_ARRAY, .model = RELOAD_MODEL_ARRAY, .generation = 2, .indices = &range, .index_count = 1};
    struct reload_kind_data data = fetch(f, home_of(f->alice), &specifier, NULL);
    assert_int_equal(data.generation_counter, 2);
    assert_int_equal(data.value_count, 0);
    specifier.generation = 1;
    assert_int_equal(fetch(f, home_of(f->alice), &specifier, NULL).value_count, 5);
}

static void test_unknown_kinds_and_bad_resources(void **state)
{
    struct fixture *f = *state;
    struct id resource = {{7}};
    struct reload_specifier specifiers[] = {{.kind = KIND_TEST_SINGLE, .model = RELOAD_MODEL_SINGLE},
                                            {.kind = KIND_TEST_UNKNOWN}};
    struct reload_fetch_req request = {id_slice(&resource), specifiers, 2};
    struct storage_certs certs;
    struct fault fault;
    const uint32_t *kinds;
    size_t n;
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(storage_fetch(f->storage, f->now, &request, &f->region, &out, &certs), RELOAD_ERROR_UNKNOWN_KIND);
    assert_int_equal(reload_unknown_kinds_decode(buf_slice(&out), &f->region, &kinds, &n, &fault), 0);
    assert_int_equal(n, 1);
    assert_int_equal(kinds[0], KIND_TEST_UNKNOWN);
    buf_clear(&out);
    assert_int_equal(storage_stat(f->storage, f->now, &request, &f->region, &out), RELOAD_ERROR_UNKNOWN_KIND);
    request.resource.n = 3;
    buf_clear(&out);
    assert_int_equal(storage_stat(f->storage, f->now, &request, &f->region, &out), RELOAD_ERROR_INVALID_MESSAGE);
    buf_fini(&out);
}

static void test_too_large_an_answer(void **state)
{
    struct fixture *f = *state;
    struct id resource = home_of(f->alice);
    assert_int_equal(store_one(f, f->alice, resource, KIND_TEST_SINGLE, 0, single("0123456789"), T0), 0);
    struct reload_specifier specifier = {.kind = KIND_TEST_SINGLE, .model = RELOAD_MODEL_SINGLE};
    struct reload_fetch_req request = {id_slice(&resource), &specifier, 1};
    struct storage_certs certs;
    struct buf out;
    buf_init(&out, 60);
    assert_int_equal(storage_fetch(f->storage, f->now, &request, &f->region, &out, &certs),
                     RELOAD_ERROR_RESPONSE_TOO_LARGE);
    assert_int_equal(out.n, 0);
    assert_int_equal(out.err, 0);
    buf_fini(&out);
}

static void test_stat_tells_length_time_and_hash(void **state)
{
    struct fixture *f = *state;
    struct id resource = home_of(f->alice);
    assert_int_equal(store_one(f, f->alice, resource, KIND_TEST_SINGLE, 0, single("abc"), T0), 0);
    struct reload_specifier specifiers[] = {{.kind = KIND_TEST_SINGLE, .model = RELOAD_MODEL_SINGLE},
                                            {.kind = RELOAD_KIND_TURN_SERVICE, .model = RELOAD_MODEL_SINGLE}};
    struct reload_fetch_req request = {id_slice(&resource), specifiers, 2};
    struct buf out;
    buf_init(&out, 1000);
    fixture_advance(f, 600 * 1000);
    assert_int_equal(storage_stat(f->storage, f->now, &request, &f->region, &out), 0);
    struct reload_body body = decode(f, RELOAD_STAT_ANS, &out);
    buf_fini(&out);
    assert_int_equal(body.stat_ans.kind_count, 2);
    const struct reload_stored_meta *meta = body.stat_ans.kinds[0].values;
    assert_int_equal(body.stat_ans.kinds[0].generation, 1);
    assert_true(meta->exists);
    assert_int_equal(meta->value_length, 3);
    assert_int_equal(meta->storage_time_ms, T0);
    assert_int_equal(meta->lifetime_s, 3000);
    assert_int_equal(meta->hash_algorithm, RELOAD_HASH_SHA256);
    uint8_t expected[SHA256_OCTETS];
    digest_sha256(slice_of("\0\0\0\3abc", 7), expected); /* "including its 4 leading length bytes" */
    assert_slice_equal(meta->hash, slice_of(expected, sizeof expected));
    assert_false(body.stat_ans.kinds[1].values[0].exists);
}

static struct slice find(struct fixture *f, struct id at, uint32_t kind)
{
    struct reload_find_req request = {id_slice(&at), &kind, 1};
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(storage_find(f->storage, f->now, &request, &f->region, &out), 0);
    struct reload_body body = decode(f, RELOAD_FIND_ANS, &out);
    buf_fini(&out);
    assert_int_equal(body.find_ans.count, 1);
    assert_int_equal(body.find_ans.results[0].kind, kind);
    return body.find_ans.results[0].closest;
}

static void test_find_walks_around_the_ring(void **state)
{
    struct fixture *f = *state;
    struct id places[] = {{{0x10}}, {{0x30}}, {{0xf0}}};
    struct id at = {{0}}, one = id_power_of_two(0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(store_one(f, f->alice, places[i], RELOAD_KIND_VIPR_REGISTRATION, 0,
                                   keyed(vipr_key(f, f->alice, 1), "x"), T0),
                         0);
    for (size_t i = 0; i < 7; i++) {
        struct slice found = find(f, at, RELOAD_KIND_VIPR_REGISTRATION);
        assert_slice_equal(found, id_slice(&places[i % 3]));
        at = id_add(places[i % 3], one);
    }
    struct slice none = find(f, at, KIND_TEST_SINGLE);
    assert_true(none.n <= 1 && (none.n == 0 || none.p[0] == 0));
    assert_int_equal(store_one(f, f->alice, places[1], RELOAD_KIND_VIPR_REGISTRATION, 0,
                               removed(keyed(vipr_key(f, f->alice, 1), "")), T0 + 1),
                     0);
    struct slice found = find(f, (struct id){{0x20}}, RELOAD_KIND_VIPR_REGISTRATION);
    assert_slice_equal(found, id_slice(&places[2])); /* what was removed is not found */
}

static void test_find_refusals(void **state)
{
    struct fixture *f = *state;
    struct id at = {{1}};
    uint32_t kinds[] = {KIND_TEST_SINGLE, KIND_TEST_SINGLE};
    struct reload_find_req request = {id_slice(&at), kinds, 2};
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(storage_find(f->storage, f->now, &request, &f->region, &out), RELOAD_ERROR_INVALID_MESSAGE);
    request.kind_count = 1;
    f->responsible = false;
    buf_clear(&out);
    assert_int_equal(storage_find(f->storage, f->now, &request, &f->region, &out), RELOAD_ERROR_NOT_FOUND);
    buf_fini(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_array_ranges),
        TEST(test_open_range_of_an_empty_array_is_empty),
        TEST(test_dictionary_keys),
        TEST(test_single_value_that_is_not_there_is_synthetic),
        TEST(test_known_generation_gets_no_values),
        TEST(test_unknown_kinds_and_bad_resources),
        TEST(test_too_large_an_answer),
        TEST(test_stat_tells_length_time_and_hash),
        TEST(test_find_walks_around_the_ring),
        TEST(test_find_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
