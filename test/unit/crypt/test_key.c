/* Keys: which are accepted, and signatures. Keys that the module itself would not make are made by OpenSSL here. */
#include "crypt/key.h"
#include "octets.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static void pem_of(EVP_PKEY *pkey, const EVP_CIPHER *cipher, struct buf *ret_pem)
{
    unsigned char password[] = "password";
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    assert_non_null(pkey);
    assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, cipher, password, cipher ? 8 : 0, NULL, NULL), 1);
    long n = BIO_get_mem_data(bio, &text);
    buf_put(ret_pem, text, (size_t)n);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

static void assert_refused(EVP_PKEY *pkey, const EVP_CIPHER *cipher, int err)
{
    struct buf pem;
    struct key *key = NULL;
    buf_init(&pem, 8192);
    pem_of(pkey, cipher, &pem);
    assert_int_equal(key_from_pem(buf_slice(&pem), &key), err);
    assert_null(key);
    buf_fini(&pem);
}

static EVP_PKEY *p256_with_explicit_parameters(void)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1), 1);
    assert_int_equal(EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_EXPLICIT_CURVE), 1);
    assert_int_equal(EVP_PKEY_keygen(ctx, &pkey), 1);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static void test_other_curves_sizes_and_types_are_refused(void **state)
{
    (void)state;
    assert_refused(EVP_EC_gen("P-384"), NULL, ERR_UNSUPPORTED);
    assert_refused(EVP_EC_gen("secp256k1"), NULL, ERR_UNSUPPORTED);
    assert_refused(p256_with_explicit_parameters(), NULL, ERR_UNSUPPORTED);
    assert_refused(EVP_RSA_gen(1024), NULL, ERR_UNSUPPORTED);
    assert_refused(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, ERR_UNSUPPORTED);
    assert_refused(EVP_EC_gen("P-256"), EVP_aes_128_cbc(), ERR_SYNTAX);
}

static void test_text_that_is_no_key_is_refused(void **state)
{
    (void)state;
    struct key *key = NULL;
    static const char long_text[20000];
    assert_int_equal(key_from_pem(slice_of(NULL, 0), &key), ERR_SYNTAX);
    assert_int_equal(key_from_pem(slice_str("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), &key),
                     ERR_SYNTAX);
    assert_int_equal(key_from_pem(slice_of(long_text, sizeof long_text), &key), ERR_LIMIT);
    assert_null(key);
}

static void round_trip(enum key_type type)
{
    struct key *key, *copy, *other;
    struct buf pem, signature;
    buf_init(&pem, 8192);
    buf_init(&signature, 1024);
    assert_int_equal(key_generate(type, &key), 0);
    assert_int_equal(key_generate(type, &other), 0);
    assert_int_equal(key_type(key), type);
    assert_int_equal(key_to_pem(key, &pem), 0);
    assert_memory_equal(pem.p, "-----BEGIN PRIVATE KEY-----\n", 28);
    assert_int_equal(key_from_pem(buf_slice(&pem), &copy), 0);
    assert_true(key_equal(key, copy));
    assert_false(key_equal(key, other));

    assert_int_equal(key_sign(key, slice_str("data"), &signature), 0);
    assert_int_equal(key_verify(copy, slice_str("data"), buf_slice(&signature)), 0);
    assert_int_equal(key_verify(copy, slice_str("date"), buf_slice(&signature)), ERR_AUTH);
    assert_int_equal(key_verify(other, slice_str("data"), buf_slice(&signature)), ERR_AUTH);
    assert_int_equal(key_verify(copy, slice_str("data"), slice_of(signature.p, signature.n - 1)), ERR_AUTH);
    assert_int_equal(key_verify(copy, slice_str("data"), slice_of(signature.p, 0)), ERR_AUTH);
    signature.p[signature.n - 1] ^= 1;
    assert_int_equal(key_verify(copy, slice_str("data"), buf_slice(&signature)), ERR_AUTH);

    key_free(key);
    key_free(copy);
    key_free(other);
    buf_fini_secret(&pem);
    buf_fini(&signature);
}

static void test_ec_round_trip(void **state)
{
    (void)state;
    round_trip(KEY_EC_P256);
}

static void test_rsa_round_trip(void **state)
{
    (void)state;
    round_trip(KEY_RSA_2048);
}

/* RFC 6979 A.2.5: the key, and its signature of "sample" with SHA-256, as an ECDSA-Sig-Value of r and s. */
static void test_ecdsa_known_answer(void **state)
{
    (void)state;
    struct octets der = unhex("30770201010420c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
                              "a00a06082a8648ce3d030107a14403420004"
                              "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                              "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
    struct octets signature = unhex("3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
                                    "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
    struct buf pem;
    struct key *key;
    buf_init(&pem, 1024);
    buf_str(&pem, "-----BEGIN EC PRIVATE KEY-----\n");
    for (size_t i = 0; i < der.n; i += 48) {
        base64_append(&pem, slice_of(der.p + i, der.n - i < 48 ? der.n - i : 48));
        buf_str(&pem, "\n");
    }
    buf_str(&pem, "-----END EC PRIVATE KEY-----\n");
    assert_int_equal(key_from_pem(buf_slice(&pem), &key), 0);
    assert_int_equal(key_verify(key, slice_str("sample"), OCTETS(signature)), 0);
    assert_int_equal(key_verify(key, slice_str("Sample"), OCTETS(signature)), ERR_AUTH);
    key_free(key);
    buf_fini(&pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_curves_sizes_and_types_are_refused),
        cmocka_unit_test(test_text_that_is_no_key_is_refused),
        cmocka_unit_test(test_ec_round_trip),
        cmocka_unit_test(test_rsa_round_trip),
        cmocka_unit_test(test_ecdsa_known_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
