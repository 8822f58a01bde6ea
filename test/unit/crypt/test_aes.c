/* AES in counter and Galois/counter mode: published answers, every length, tampering; HMAC-SHA-1 with a prepared key. */
#include "crypt/aes.h"
#include "crypt/hmac.h"
#include "octets.h"

/* NIST SP 800-38A appendix F.5.1 (AES-128) and F.5.5 (AES-256): the same counter and plaintext. */
static void check_ctr(const char *key_hex, const char *ciphertext_hex)
{
    struct octets key = unhex(key_hex), counter = unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    struct octets expected = unhex(ciphertext_hex);
    struct octets data = unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                               "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
    struct aes_ctr *c;
    assert_int_equal(aes_ctr_new(OCTETS(key), &c), 0);
    assert_int_equal(aes_ctr_apply(c, counter.p, data.p, data.n), 0);
    assert_slice_equal(OCTETS(data), OCTETS(expected));
    aes_ctr_free(c);
}

static void test_counter_mode(void **state)
{
    (void)state;
    check_ctr("2b7e151628aed2a6abf7158809cf4f3c", "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
                                                  "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee");
    check_ctr("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
              "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
              "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6");
}

/* However many octets are asked for, each is the one of that place, and none behind them is touched. */
static void test_counter_mode_has_no_seams(void **state)
{
    (void)state;
    enum { OCTETS_MAX = 2500 };
    const uint8_t key[16] = {1}, counter[AES_BLOCK_OCTETS] = {2};
    static uint8_t whole[OCTETS_MAX], part[OCTETS_MAX];
    struct aes_ctr *c;
    assert_int_equal(aes_ctr_new(slice_of(key, sizeof key), &c), 0);
    /* The whole, block by block. */
    for (unsigned i = 0; i * AES_BLOCK_OCTETS < OCTETS_MAX; i++) {
        uint8_t block_counter[AES_BLOCK_OCTETS] = {2, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i};
        size_t left = OCTETS_MAX - i * AES_BLOCK_OCTETS;
        assert_int_equal(aes_ctr_apply(c, block_counter, whole + i * AES_BLOCK_OCTETS, left < 16 ? left : 16), 0);
    }
    for (size_t n = 0; n < OCTETS_MAX; n += n < 40 ? 1 : 123) {
        memset(part, 0, sizeof part);
        assert_int_equal(aes_ctr_apply(c, counter, part, n), 0);
        assert_memory_equal(part, whole, n);
        for (size_t i = n; i < OCTETS_MAX; i++)
            assert_int_equal(part[i], 0);
    }
    aes_ctr_free(c);
}

/* Test case 4 of the GCM specification (McGrew and Viega), appendix B; the associated data in one piece and in two. */
static void test_gcm(void **state)
{
    (void)state;
    struct octets key = unhex("feffe9928665731c6d6a8f9467308308"), nonce = unhex("cafebabefacedbaddecaf888");
    struct octets associated = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    struct octets plaintext = unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532f"
                                    "cf0e2449a6b525b16aedf5aa0de657ba637b39");
    struct octets expected = unhex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8"
                                   "f6a5aac84aa051ba30b396a0aac973d58e091");
    struct aes_gcm *seal, *open;
    uint8_t tag[AES_GCM_TAG_OCTETS];
    assert_int_equal(aes_gcm_new(OCTETS(key), true, &seal), 0);
    assert_int_equal(aes_gcm_new(OCTETS(key), false, &open), 0);
    for (size_t cut = 0; cut <= associated.n; cut++) {
        struct octets data = plaintext;
        struct slice first = slice_of(associated.p, cut), second = slice_of(associated.p + cut, associated.n - cut);
        assert_int_equal(aes_gcm_seal(seal, nonce.p, first, second, data.p, data.n, tag), 0);
        assert_slice_equal(OCTETS(data), OCTETS(expected));
        assert_hex(tag, "5bc94fbc3221a5db94fae95ae7121a47");
        assert_int_equal(aes_gcm_open(open, nonce.p, first, second, data.p, data.n, tag), 0);
        assert_slice_equal(OCTETS(data), OCTETS(plaintext));
    }
    aes_gcm_free(seal);
    aes_gcm_free(open);
}

/* What does not authenticate is left as it was, and the context goes on. */
static void test_gcm_leaves_what_is_forged(void **state)
{
    (void)state;
    const uint8_t key[32] = {7}, nonce[AES_GCM_NONCE_OCTETS] = {9};
    struct octets plaintext = repeat('x', 100), data = plaintext;
    struct slice associated = slice_str("header"), none = slice_of(NULL, 0);
    struct aes_gcm *seal, *open;
    uint8_t tag[AES_GCM_TAG_OCTETS];
    assert_int_equal(aes_gcm_new(slice_of(key, sizeof key), true, &seal), 0);
    assert_int_equal(aes_gcm_new(slice_of(key, sizeof key), false, &open), 0);
    assert_int_equal(aes_gcm_seal(seal, nonce, associated, none, data.p, data.n, tag), 0);
    const struct octets sealed = data;
    for (size_t i = 0; i < 8 * data.n; i += 37) {
        data.p[i / 8] ^= (uint8_t)(1 << i % 8);
        const struct octets forged = data;
        assert_int_equal(aes_gcm_open(open, nonce, associated, none, data.p, data.n, tag), ERR_AUTH);
        assert_slice_equal(OCTETS(data), OCTETS(forged));
        data = sealed;
    }
    for (size_t i = 0; i < 8 * sizeof tag; i++) {
        tag[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(aes_gcm_open(open, nonce, associated, none, data.p, data.n, tag), ERR_AUTH);
        tag[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    assert_int_equal(aes_gcm_open(open, nonce, slice_str("Header"), none, data.p, data.n, tag), ERR_AUTH);
    assert_slice_equal(OCTETS(data), OCTETS(sealed));
    assert_int_equal(aes_gcm_open(open, nonce, associated, none, data.p, data.n, tag), 0);
    assert_slice_equal(OCTETS(data), OCTETS(plaintext));
    /* A context goes one way only. */
    assert_int_equal(aes_gcm_open(seal, nonce, associated, none, data.p, data.n, tag), ERR_CRYPTO);
    assert_int_equal(aes_gcm_seal(open, nonce, associated, none, data.p, data.n, tag), ERR_CRYPTO);
    aes_gcm_free(seal);
    aes_gcm_free(open);
}

static void test_keys_of_other_lengths(void **state)
{
    (void)state;
    const uint8_t key[64] = {0};
    for (size_t n = 0; n <= sizeof key; n++) {
        struct aes_ctr *c = NULL;
        struct aes_gcm *g = NULL;
        int expected = n == 16 || n == 32 ? 0 : ERR_RANGE;
        assert_int_equal(aes_ctr_new(slice_of(key, n), &c), expected);
        assert_int_equal(aes_gcm_new(slice_of(key, n), true, &g), expected);
        aes_ctr_free(c);
        aes_gcm_free(g);
    }
}

/* The prepared key gives what the one-shot function gives, for every length of key and of data, cut anywhere. */
static void test_hmac_with_a_prepared_key(void **state)
{
    (void)state;
    struct octets key = count_up(3, 66), data = count_up(0, 255);
    for (size_t key_octets = 0; key_octets <= 64; key_octets += 4) {
        struct hmac_sha1_key prepared;
        assert_int_equal(hmac_sha1_key_init(slice_of(key.p, key_octets), &prepared), 0);
        for (size_t n = 0; n <= data.n; n += 1 + key_octets / 4) {
            uint8_t expected[SHA1_OCTETS], mac[SHA1_OCTETS];
            size_t cut = n * key_octets / 64;
            hmac_sha1(slice_of(key.p, key_octets), slice_of(data.p, n), expected);
            hmac_sha1_keyed(&prepared, slice_of(data.p, cut), slice_of(data.p + cut, n - cut), mac);
            assert_memory_equal(mac, expected, sizeof mac);
        }
    }
    struct hmac_sha1_key prepared;
    struct octets longer = count_up(0, 64);
    assert_int_equal(hmac_sha1_key_init(OCTETS(longer), &prepared), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_mode),
        cmocka_unit_test(test_counter_mode_has_no_seams),
        cmocka_unit_test(test_gcm),
        cmocka_unit_test(test_gcm_leaves_what_is_forged),
        cmocka_unit_test(test_keys_of_other_lengths),
        cmocka_unit_test(test_hmac_with_a_prepared_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
