/* Number records: known answers, and what does not open. */
#include "numbers/record.h"

#include "base/text.h"
#include "testing.h"
#include "tlv/tlv.h"

static const struct e164 number = {"+13475551212"};
static const struct numbers_profile sha1_profile = {.overlay = {(const uint8_t *)"ring.example", 12},
                                                    .hash = CONFIG_HASH_SHA1};
static const struct numbers_profile argon2id_profile = {.overlay = {(const uint8_t *)"ring.example", 12},
                                                        .hash = CONFIG_HASH_ARGON2ID,
                                                        .cost = {.passes = 1, .memory_kib = 64, .lanes = 1}};

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

static void assert_slot(const struct numbers_slot *slot, const char *resource, const char *key)
{
    char text[2 * AEAD_KEY_OCTETS + 1];
    assert_true(id_eq(slot->resource, id_of(resource)));
    hex_format(slice_of(slot->key, AEAD_KEY_OCTETS), text);
    assert_string_equal(text, key);
}

/* Computed with Python's hashlib and hmac. */
#define FAST_KEY "8078d8fa31aeed7e194da17e56b0fd93c040464079f5fd8543380ef5c052b169"

static void test_slots_by_sha1(void **state)
{
    (void)state;
    struct numbers_slot slots[NUMBERS_COPIES];
    assert_int_equal(numbers_slots_derive(&sha1_profile, &number, slots), 0);
    assert_slot(&slots[0], "e81eacbf697508b21c252f15432e540b", FAST_KEY);
    assert_slot(&slots[1], "b138561f641b0e5c732c729a80760222", FAST_KEY);
    assert_slot(&slots[2], "a27cf9f06749e669299540d5c2f0603e", FAST_KEY);
}

/* Computed with Python's hmac and the Argon2id of its `cryptography` package, which is OpenSSL's: with salt.ljust(8, b"\0"),
 *     h = Argon2id(salt=…, length=48, iterations=1, lanes=1, memory_cost=64).derive(text)
 *     prk = hmac.digest(overlay, h[:32], "sha256"); key = hmac.digest(prk, b"ime number record 2\1", "sha256"); resource = h[32:] */
static void test_slots_by_argon2id(void **state)
{
    (void)state;
    struct numbers_slot slots[NUMBERS_COPIES];
    assert_int_equal(numbers_slots_derive(&argon2id_profile, &number, slots), 0);
    assert_slot(&slots[0], "6e5df4741dae087541c8f6cda3345c4b",
                "2be76dc0e47784070d4f525cd06afe3c2c5a49acec9fa2e8b541c35aeecb1fe9");
    assert_slot(&slots[1], "27d4639c73e446b2cf8027d39aef0d25",
                "43f52fd4a5b2908ae410b100c069a0e58674db76716d9a9b054ad101f5e4f0cd");
    assert_slot(&slots[2], "c59faf113d2a4311ee4cd94af0d63344",
                "1c0397c696a4ca191811d7851c65086535bf1a89170f991ecd1c1de17ffebfaf");

    /* A salt shorter than 8 octets is filled up with zeros; HKDF's is not. */
    struct numbers_profile profile = argon2id_profile;
    profile.overlay = slice_str("ring");
    assert_int_equal(numbers_slots_derive(&profile, &number, slots), 0);
    assert_slot(&slots[0], "595294beeb8e33c899c431750fe4dd9b",
                "1eb6fe426dc37ac75e834b11fd51637888754f7ab211d82bbce842420a398fc9");
    assert_slot(&slots[2], "4093a287a010ea3e7be33f3b4fd8abe0",
                "2b3e63158ff1e201ff96ba1c05b8bd7173195683cfe7cbeea97dcf42a20a21ed");

    profile.cost.memory_kib = 1;
    assert_int_equal(numbers_slots_derive(&profile, &number, slots), ERR_RANGE);
    assert_true(id_eq(slots[0].resource, id_of("595294beeb8e33c899c431750fe4dd9b"))); /* untouched */
}

static void test_wiped_slots_hold_nothing(void **state)
{
    (void)state;
    static const struct numbers_slot nothing[NUMBERS_COPIES];
    struct numbers_slot slots[NUMBERS_COPIES];
    assert_int_equal(numbers_slots_derive(&sha1_profile, &number, slots), 0);
    numbers_slots_wipe(slots);
    assert_memory_equal(slots, nothing, sizeof slots);
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

/* The first slot's key. */
static void derive_key(const struct numbers_profile *profile, const struct e164 *n, uint8_t ret_key[AEAD_KEY_OCTETS])
{
    struct numbers_slot slots[NUMBERS_COPIES];
    assert_int_equal(numbers_slots_derive(profile, n, slots), 0);
    memcpy(ret_key, slots[0].key, AEAD_KEY_OCTETS);
}

static void seal(const struct e164 *n, const struct numbers_place *place, struct buf *ret_value)
{
    uint8_t key[AEAD_KEY_OCTETS];
    buf_init(ret_value, 256);
    derive_key(&sha1_profile, n, key);
    assert_int_equal(numbers_seal(key, place, &constant, ret_value), 0);
}

static int open(const struct e164 *n, const struct numbers_place *place, struct slice value)
{
    uint8_t key[AEAD_KEY_OCTETS];
    derive_key(&sha1_profile, n, key);
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

/* As above, with the keys of test_slots_by_argon2id. The fast hash of the number opens none of them, nor does another slot's key. */
static void test_sealed_values_by_argon2id(void **state)
{
    (void)state;
    static const char *const known[NUMBERS_COPIES] = {
        "242424242424242424242424b08a75263cdd3259252347c9f70848ddb16dca0fb523a82ecd3db44a4712754fb7f44cf2",
        "24242424242424242424242473771e173622b45ba9f1c2d03d0b2cdd25774317a361e1a8407a519d1163b1f454fe9a39",
        "242424242424242424242424553eb95cfeb79b3cc283b0c1aa253e9249fcf960ace9ec209000e617ace85604fc1e854d",
    };
    struct numbers_slot slots[NUMBERS_COPIES];
    uint8_t fast_key[AEAD_KEY_OCTETS], fast_key_2[AEAD_KEY_OCTETS];
    assert_int_equal(numbers_slots_derive(&argon2id_profile, &number, slots), 0);
    derive_key(&sha1_profile, &number, fast_key);
    assert_int_equal(hkdf_sha256(e164_slice(&number), argon2id_profile.overlay, slice_str("ime number record 2"),
                                 fast_key_2, sizeof fast_key_2),
                     0);
    for (size_t i = 0; i < NUMBERS_COPIES; i++) {
        struct numbers_place place = place_of(RESOURCE);
        place.resource = slots[i].resource;
        struct buf value, expected;
        buf_init(&value, 256);
        buf_init(&expected, 256);
        assert_int_equal(numbers_seal(slots[i].key, &place, &constant, &value), 0);
        assert_int_equal(hex_decode(slice_str(known[i]), &expected), 0);
        assert_slice_equal(buf_slice(&value), buf_slice(&expected));
        assert_int_equal(numbers_open(slots[i].key, &place, buf_slice(&value)), 0);
        assert_int_equal(numbers_open(slots[(i + 1) % NUMBERS_COPIES].key, &place, buf_slice(&value)), ERR_AUTH);
        assert_int_equal(numbers_open(fast_key, &place, buf_slice(&value)), ERR_AUTH);
        assert_int_equal(numbers_open(fast_key_2, &place, buf_slice(&value)), ERR_AUTH);
        buf_fini(&value);
        buf_fini(&expected);
    }
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
    derive_key(&sha1_profile, &number, key);
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
        cmocka_unit_test(test_slots_by_sha1),
        cmocka_unit_test(test_slots_by_argon2id),
        cmocka_unit_test(test_wiped_slots_hold_nothing),
        cmocka_unit_test(test_key_is_the_drafts_example),
        cmocka_unit_test(test_malformed_keys),
        cmocka_unit_test(test_sealed_value),
        cmocka_unit_test(test_sealed_values_by_argon2id),
        cmocka_unit_test(test_value_opens_only_in_its_place),
        cmocka_unit_test(test_attributes_inside),
        cmocka_unit_test(test_too_long_values_are_not_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
