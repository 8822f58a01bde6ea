/* AES-256-GCM: the test cases of the GCM specification (McGrew and Viega), appendix B, and every kind of tampering. */
#include "crypt/aead.h"
#include "octets.h"

static void check(const char *key_hex, const char *nonce_hex, const char *associated_hex, const char *plaintext_hex,
                  const char *sealed_hex)
{
    struct octets key = unhex(key_hex), nonce = unhex(nonce_hex), associated = unhex(associated_hex);
    struct octets plaintext = unhex(plaintext_hex), expected = unhex(sealed_hex);
    struct buf sealed, opened;
    buf_init(&sealed, 256);
    buf_init(&opened, 256);
    assert_int_equal(aead_seal(key.p, nonce.p, OCTETS(associated), OCTETS(plaintext), &sealed), 0);
    assert_slice_equal(buf_slice(&sealed), OCTETS(expected));
    assert_int_equal(aead_open(key.p, nonce.p, OCTETS(associated), buf_slice(&sealed), &opened), 0);
    assert_slice_equal(buf_slice(&opened), OCTETS(plaintext));
    buf_fini(&sealed);
    buf_fini(&opened);
}

#define ZERO_KEY "0000000000000000000000000000000000000000000000000000000000000000"
#define ZERO_NONCE "000000000000000000000000"

static void test_known_answers(void **state)
{
    (void)state;
    check(ZERO_KEY, ZERO_NONCE, "", "", "530f8afbc74536b9a963b4f1c4cb738b"); /* case 13 */
    check(ZERO_KEY, ZERO_NONCE, "", "00000000000000000000000000000000",      /* case 14 */
          "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    check("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", /* case 16 */
          "feedfacedeadbeeffeedfacedeadbeefabaddad2",
          "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0d"
          "e657"
          "ba637b39",
          "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba"
          "7a0a"
          "bcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
}

static void test_one_flipped_bit_anywhere_opens_nothing(void **state)
{
    (void)state;
    uint8_t key[AEAD_KEY_OCTETS] = {1}, nonce[AEAD_NONCE_OCTETS] = {2};
    struct buf sealed, opened;
    buf_init(&sealed, 64);
    buf_init(&opened, 64);
    buf_str(&opened, "before");
    assert_int_equal(aead_seal(key, nonce, slice_str("to"), slice_str("secret"), &sealed), 0);
    for (size_t bit = 0; bit < 8 * sealed.n; bit++) {
        sealed.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(aead_open(key, nonce, slice_str("to"), buf_slice(&sealed), &opened), ERR_AUTH);
        sealed.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(aead_open(key, nonce, slice_str("ta"), buf_slice(&sealed), &opened), ERR_AUTH);
    for (size_t n = 0; n < sealed.n; n++)
        assert_int_equal(aead_open(key, nonce, slice_str("to"), slice_of(sealed.p, n), &opened), ERR_AUTH);
    assert_slice_text(buf_slice(&opened), "before");
    assert_int_equal(aead_open(key, nonce, slice_str("to"), buf_slice(&sealed), &opened), 0);
    assert_slice_text(buf_slice(&opened), "beforesecret");
    buf_fini(&sealed);
    buf_fini(&opened);
}

static void test_full_buffer_is_an_error(void **state)
{
    (void)state;
    uint8_t key[AEAD_KEY_OCTETS] = {1}, nonce[AEAD_NONCE_OCTETS] = {2};
    struct buf sealed;
    buf_init(&sealed, 6 + AEAD_TAG_OCTETS - 1);
    assert_int_equal(aead_seal(key, nonce, slice_str(""), slice_str("secret"), &sealed), ERR_LIMIT);
    assert_int_equal(sealed.n, 0);
    buf_fini(&sealed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_one_flipped_bit_anywhere_opens_nothing),
        cmocka_unit_test(test_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
