/* Known answers of the digests, HMACs and key derivations. */
#include "crypt/digest.h"
#include "octets.h"

/* RFC 1321 A.5, FIPS 180-4 examples. */
static void test_digests(void **state)
{
    (void)state;
    uint8_t md5[MD5_OCTETS], sha1[SHA1_OCTETS], sha256[SHA256_OCTETS];
    digest_md5(slice_str("abc"), md5);
    assert_hex(md5, "900150983cd24fb0d6963f7d28e17f72");
    digest_sha1(slice_str("abc"), sha1);
    assert_hex(sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    digest_sha256(slice_str("abc"), sha256);
    assert_hex(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256(slice_of(NULL, 0), sha256);
    assert_hex(sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 2202 section 3, cases 1, 2, 6. */
static void test_hmac_sha1(void **state)
{
    (void)state;
    uint8_t mac[SHA1_OCTETS];
    struct octets key = repeat(0x0b, 20);
    hmac_sha1(OCTETS(key), slice_str("Hi There"), mac);
    assert_hex(mac, "b617318655057264e28bc0b6fb378c8ef146be00");
    hmac_sha1(slice_str("Jefe"), slice_str("what do ya want for nothing?"), mac);
    assert_hex(mac, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    key = repeat(0xaa, 80);
    hmac_sha1(OCTETS(key), slice_str("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    assert_hex(mac, "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

/* RFC 4231 section 4, cases 1, 2, 6. */
static void test_hmac_sha256(void **state)
{
    (void)state;
    uint8_t mac[SHA256_OCTETS];
    struct octets key = repeat(0x0b, 20);
    hmac_sha256(OCTETS(key), slice_str("Hi There"), mac);
    assert_hex(mac, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256(slice_str("Jefe"), slice_str("what do ya want for nothing?"), mac);
    assert_hex(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    key = repeat(0xaa, 131);
    hmac_sha256(OCTETS(key), slice_str("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    assert_hex(mac, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* The context is kept between calls: an empty key must not be taken for "the key of the last call". An empty key is the same as one of
 * zeros (RFC 2104 section 2). */
static void test_hmac_with_an_empty_key_forgets_the_last_one(void **state)
{
    (void)state;
    uint8_t with_empty[SHA256_OCTETS], with_zeros[SHA256_OCTETS];
    struct octets zeros = repeat(0, 64);
    hmac_sha256(slice_str("another key"), slice_str("data"), with_empty);
    hmac_sha256(slice_of(NULL, 0), slice_str("data"), with_empty);
    hmac_sha256(OCTETS(zeros), slice_str("data"), with_zeros);
    assert_memory_equal(with_empty, with_zeros, SHA256_OCTETS);
    hmac_sha256(slice_str("another key"), slice_of(NULL, 0), with_zeros);
    assert_memory_not_equal(with_empty, with_zeros, SHA256_OCTETS);
}

/* RFC 5869 appendix A, cases 1 to 3. */
static void test_hkdf(void **state)
{
    (void)state;
    uint8_t key[42];
    struct octets secret = repeat(0x0b, 22);
    struct octets salt = count_up(0x00, 0x0c);
    struct octets info = count_up(0xf0, 0xf9);
    assert_int_equal(hkdf_sha256(OCTETS(secret), OCTETS(salt), OCTETS(info), key, sizeof key), 0);
    assert_hex(key, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");

    uint8_t long_key[82];
    struct octets long_secret = count_up(0x00, 0x4f);
    salt = count_up(0x60, 0xaf);
    info = count_up(0xb0, 0xff);
    assert_int_equal(hkdf_sha256(OCTETS(long_secret), OCTETS(salt), OCTETS(info), long_key, sizeof long_key), 0);
    assert_hex(long_key, "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e59"
                         "0e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");

    struct slice none = slice_of(NULL, 0);
    assert_int_equal(hkdf_sha256(OCTETS(secret), none, none, key, sizeof key), 0);
    assert_hex(key, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

static void test_hkdf_refuses_more_than_it_can_give(void **state)
{
    (void)state;
    static uint8_t key[255 * SHA256_OCTETS + 1];
    struct slice none = slice_of(NULL, 0);
    assert_int_equal(hkdf_sha256(none, none, none, key, sizeof key - 1), 0);
    assert_int_equal(hkdf_sha256(none, none, none, key, sizeof key), ERR_RANGE);
}

/* RFC 7914 section 11. */
static void test_pbkdf2(void **state)
{
    (void)state;
    uint8_t key[64];
    assert_int_equal(pbkdf2_sha256(slice_str("passwd"), slice_str("salt"), 1, key, sizeof key), 0);
    assert_hex(key, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
                    "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
    key[0] = 1;
    assert_int_equal(pbkdf2_sha256(slice_str("passwd"), slice_str("salt"), 0, key, sizeof key), ERR_RANGE);
    assert_int_equal(key[0], 1);
}

/* src/test.c of the reference implementation (the example of RFC 9106 needs a secret and associated data, which are not used here). */
static void test_argon2id(void **state)
{
    (void)state;
    uint8_t hash[32];
    struct argon2_cost cost = {.passes = 2, .memory_kib = 256, .lanes = 1};
    assert_int_equal(argon2id(slice_str("password"), slice_str("somesalt"), cost, hash, sizeof hash), 0);
    assert_hex(hash, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe");
    cost.lanes = 2;
    assert_int_equal(argon2id(slice_str("password"), slice_str("somesalt"), cost, hash, sizeof hash), 0);
    assert_hex(hash, "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037");
}

static void test_argon2id_refuses_costs_out_of_range(void **state)
{
    (void)state;
    uint8_t hash[16];
    const struct argon2_cost costs[] = {
        {.passes = 0, .memory_kib = 256, .lanes = 1},
        {.passes = ARGON2_PASSES_MAX + 1, .memory_kib = 256, .lanes = 1},
        {.passes = 1, .memory_kib = 7, .lanes = 1},
        {.passes = 1, .memory_kib = 15, .lanes = 2},
        {.passes = 1, .memory_kib = ARGON2_MEMORY_KIB_MAX + 1, .lanes = 1},
        {.passes = 1, .memory_kib = 256, .lanes = 0},
        {.passes = 1, .memory_kib = 256, .lanes = ARGON2_LANES_MAX + 1},
    };
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++)
        assert_int_equal(argon2id(slice_str("password"), slice_str("somesalt"), costs[i], hash, sizeof hash),
                         ERR_RANGE);
    const struct argon2_cost good = {.passes = 1, .memory_kib = 8, .lanes = 1};
    assert_int_equal(argon2id(slice_str("password"), slice_str("shorter"), good, hash, sizeof hash), ERR_RANGE);
    assert_int_equal(argon2id(slice_str("password"), slice_str("somesalt"), good, hash, 3), ERR_RANGE);
    assert_int_equal(argon2id(slice_of(NULL, 0), slice_str("somesalt"), good, hash, sizeof hash), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_hmac_sha1),
        cmocka_unit_test(test_hmac_sha256),
        cmocka_unit_test(test_hmac_with_an_empty_key_forgets_the_last_one),
        cmocka_unit_test(test_hkdf),
        cmocka_unit_test(test_hkdf_refuses_more_than_it_can_give),
        cmocka_unit_test(test_pbkdf2),
        cmocka_unit_test(test_argon2id),
        cmocka_unit_test(test_argon2id_refuses_costs_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
