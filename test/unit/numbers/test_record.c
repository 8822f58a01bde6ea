/* Number records: known answers, and what does not open. */
#include "numbers/record.h"

#include "base/text.h"
#include "testing.h"
#include "tlv/tlv.h"

static const struct e164 number = {"+13475551212"};
static const struct numbers_profile sha1_profile = {.overlay = {(const uint8_t *)"ring.example", 12},
                                                    .hash = CONFIG_HASH_SHA1};

/* The identifiers of the draft's example (VAP 9.4.2). */
#define NODE_ID "8e60f5fab753037f64ab6c53947fd532"
#define VSERVICE_ID UINT64_C(0x7eeb6a7036478351)
#define KEY NODE_ID "+7eeb6a7036478351"

static struct id id_of(const char *hex)
{
    struct id id;
    assert_int_equal(id_parse(slice_str(hex), &id), 0);
    return id;
}

static struct numbers_place place_of(const char *resource)
{
    return (struct numbers_place){id_of(resource), id_of(NODE_ID), VSERVICE_ID};
}

static void fill_with_24(void *ctx, void *octets, size_t n)
{
    (void)ctx;
    memset(octets, 0x24, n);
}

static const struct entropy constant = {fill_with_24, NULL};

/* The last 16 octets of SHA-1, computed with Python's hashlib. */
static void test_resource_ids_by_sha1(void **state)
{
    (void)state;
    struct id ids[NUMBERS_COPIES];
    assert_int_equal(numbers_resource_ids(&sha1_profile, &number, ids), 0);
    assert_true(id_eq(ids[0], id_of("e81eacbf697508b21c252f15432e540b")));
    assert_true(id_eq(ids[1], id_of("b138561f641b0e5c732c729a80760222")));
    assert_true(id_eq(ids[2], id_of("a27cf9f06749e669299540d5c2f0603e")));
}

static void test_resource_ids_by_argon2id(void **state)
{
    (void)state;
    const struct argon2_cost cost = {.passes = 1, .memory_kib = 64, .lanes = 1};
    struct numbers_profile profile = {.overlay = slice_str("ring.example"), .hash = CONFIG_HASH_ARGON2ID, .cost = cost};
    struct id ids[NUMBERS_COPIES], expected;
    assert_int_equal(numbers_resource_ids(&profile, &number, ids), 0);
    assert_int_equal(argon2id(slice_str("COPY2+13475551212"), slice_str("ring.example"), cost, expected.octets, 16), 0);
    assert_true(id_eq(ids[2], expected));

    /* A salt shorter than 8 octets is filled up with zeros. */
    profile.overlay = slice_str("ring");
    assert_int_equal(numbers_resource_ids(&profile, &number, ids), 0);
    assert_int_equal(argon2id(slice_str("+13475551212"), slice_of("ring\0\0\0\0", 8), cost, expected.octets, 16), 0);
    assert_true(id_eq(ids[0], expected));

    profile.cost.memory_kib = 1;
    assert_int_equal(numbers_resource_ids(&profile, &number, ids), ERR_RANGE);
    assert_true(id_eq(ids[0], expected));
}

static void test_key_is_the_drafts_example(void **state)
{
    (void)state;
    char text[NUMBERS_KEY_OCTETS + 1];
    struct id node_id;
    uint64_t vservice_id;
    assert_string_equal(numbers_key_format(id_of(NODE_ID), VSERVICE_ID, text), KEY);
    assert_int_equal(numbers_key_parse(slice_str(KEY), &node_id, &vservice_id), 0);
    assert_true(id_eq(node_id, id_of(NODE_ID)));
    assert_int_equal(vservice_id, VSERVICE_ID);
    assert_string_equal(numbers_key_format(id_of(NODE_ID), 1, text), NODE_ID "+0000000000000001");
}

static void test_malformed_keys(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        NODE_ID,
        NODE_ID "+7eeb6a703647835",
        NODE_ID "+7eeb6a70364783511",
        NODE_ID "-7eeb6a7036478351",
        NODE_ID "+7EEB6A7036478351", /* one entry must not have two keys */
        NODE_ID "+7eeb6a703647835g",
        "8E60f5fab753037f64ab6c53947fd532+7eeb6a7036478351",
        "xe60f5fab753037f64ab6c53947fd532+7eeb6a7036478351",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct id node_id;
        uint64_t vservice_id;
        assert_int_equal(numbers_key_parse(slice_str(bad[i]), &node_id, &vservice_id), ERR_SYNTAX);
    }
}

static void seal(const struct e164 *n, const struct numbers_place *place, struct buf *ret_value)
{
    uint8_t key[AEAD_KEY_OCTETS];
    buf_init(ret_value, 256);
    assert_int_equal(numbers_record_key(&sha1_profile, n, key), 0);
    assert_int_equal(numbers_seal(key, place, &constant, ret_value), 0);
}

static int open(const struct e164 *n, const struct numbers_place *place, struct slice value)
{
    uint8_t key[AEAD_KEY_OCTETS];
    assert_int_equal(numbers_record_key(&sha1_profile, n, key), 0);
    return numbers_open(key, place, value);
}

#define RESOURCE "e81eacbf697508b21c252f15432e540b"

/* Computed with Python's hmac and the `cryptography` package. */
static void test_sealed_value(void **state)
{
    (void)state;
    struct numbers_place place = place_of(RESOURCE);
    struct buf value, expected;
    seal(&number, &place, &value);
    buf_init(&expected, 256);
    assert_int_equal(hex_decode(slice_str("242424242424242424242424d182ebbbdaa3d633b6f8cea2d4ef24ec8e34753de0da273be765"
                                          "133f30e36421da081c31"),
                                &expected),
                     0);
    assert_slice_equal(buf_slice(&value), buf_slice(&expected));
    assert_int_equal(open(&number, &place, buf_slice(&value)), 0);
    buf_fini(&value);
    buf_fini(&expected);
}

static void test_value_opens_only_in_its_place(void **state)
{
    (void)state;
    struct numbers_place place = place_of(RESOURCE), other = place;
    const struct e164 other_number = {"+13475551213"};
    struct buf value;
    seal(&number, &place, &value);
    assert_int_equal(open(&other_number, &place, buf_slice(&value)), ERR_AUTH);
    other.resource.octets[15] ^= 1;
    assert_int_equal(open(&number, &other, buf_slice(&value)), ERR_AUTH);
    other = place;
    other.node_id.octets[0] ^= 1;
    assert_int_equal(open(&number, &other, buf_slice(&value)), ERR_AUTH);
    other = place;
    other.vservice_id++;
    assert_int_equal(open(&number, &other, buf_slice(&value)), ERR_AUTH);
    for (size_t n = 0; n < value.n; n++)
        assert_int_equal(open(&number, &place, slice_of(value.p, n)), ERR_AUTH);
    buf_fini(&value);
}

/* Seals these attributes instead of the usual ones. */
static int open_attributes(const char *hex)
{
    struct numbers_place place = place_of(RESOURCE);
    uint8_t key[AEAD_KEY_OCTETS], nonce[AEAD_NONCE_OCTETS] = {7}, associated[ID_OCTETS + NUMBERS_KEY_OCTETS];
    struct buf attributes, value;
    buf_init(&attributes, 4096);
    buf_init(&value, 4096);
    memcpy(associated, place.resource.octets, ID_OCTETS);
    memcpy(associated + ID_OCTETS, KEY, NUMBERS_KEY_OCTETS);
    assert_int_equal(hex_decode(slice_str(hex), &attributes), 0);
    assert_int_equal(numbers_record_key(&sha1_profile, &number, key), 0);
    buf_put(&value, nonce, sizeof nonce);
    assert_int_equal(aead_seal(key, nonce, slice_of(associated, sizeof associated), buf_slice(&attributes), &value), 0);
    int err = open(&number, &place, buf_slice(&value));
    buf_fini(&attributes);
    buf_fini(&value);
    return err;
}

static void test_attributes_inside(void **state)
{
    (void)state;
    assert_int_equal(open_attributes("20080010" NODE_ID), 0);
    /* Unknown ones before and behind are ignored; the first peerID counts. */
    assert_int_equal(open_attributes("7abc00034142430020080010" NODE_ID "f00100020102ffff"), 0);
    assert_int_equal(open_attributes("20080010" NODE_ID "2008001000000000000000000000000000000000"), 0);
    assert_int_equal(open_attributes("200800100000000000000000000000000000000020080010" NODE_ID), ERR_AUTH);
    assert_int_equal(open_attributes(""), ERR_SYNTAX);
    assert_int_equal(open_attributes("7abc000341424300"), ERR_SYNTAX);
    assert_int_not_equal(open_attributes("2008000f" NODE_ID), 0); /* a wrong length */
    assert_int_not_equal(open_attributes("20080010"
                                         "8e60"),
                         0); /* truncated */
}

static void test_too_long_values_are_not_opened(void **state)
{
    (void)state;
    static uint8_t value[NUMBERS_VALUE_OCTETS_MAX + 1];
    struct numbers_place place = place_of(RESOURCE);
    assert_int_equal(open(&number, &place, slice_of(value, sizeof value)), ERR_LIMIT);
    assert_int_equal(open(&number, &place, slice_of(value, sizeof value - 1)), ERR_AUTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resource_ids_by_sha1),
        cmocka_unit_test(test_resource_ids_by_argon2id),
        cmocka_unit_test(test_key_is_the_drafts_example),
        cmocka_unit_test(test_malformed_keys),
        cmocka_unit_test(test_sealed_value),
        cmocka_unit_test(test_value_opens_only_in_its_place),
        cmocka_unit_test(test_attributes_inside),
        cmocka_unit_test(test_too_long_values_are_not_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
