/* Key pairs: generation, PEM, signing and verifying. */
#include "crypt/key.h"

#include "base/mem.h"
#include "crypt/library.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#define CURVE "prime256v1" /* OpenSSL's name of P-256 */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192 /* verification gets slow beyond, and a peer chooses the key */
#define SIGNATURE_OCTETS_MAX (RSA_BITS_MAX / 8)
#define PEM_OCTETS_MAX 16384

struct key {
    EVP_PKEY *pkey;
    enum key_type type;
};

static bool is_p256(const EVP_PKEY *pkey)
{
    char curve[32];
    int explicit_parameters = 0;
    /* Explicit curve parameters are refused even when they spell out P-256 (RFC 5480 2.1.1: must not be used). */
    return EVP_PKEY_is_a(pkey, "EC") &&
           EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof curve, NULL) == 1 &&
           strcmp(curve, CURVE) == 0 &&
           (EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_parameters) != 1 ||
            explicit_parameters == 0);
}

static int type_of(const EVP_PKEY *pkey, enum key_type *ret_type)
{
    if (is_p256(pkey)) {
        *ret_type = KEY_EC_P256;
        return 0;
    }
    int bits = EVP_PKEY_get_bits(pkey);
    if (EVP_PKEY_is_a(pkey, "RSA") && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX) {
        *ret_type = KEY_RSA_2048;
        return 0;
    }
    return ERR_UNSUPPORTED;
}

int key_adopt(EVP_PKEY *pkey, struct key **ret_key)
{
    enum key_type type;
    int err = pkey ? type_of(pkey, &type) : ERR_UNSUPPORTED;
    struct key *key = err ? NULL : mem_alloc(sizeof *key);
    if (!key) {
        EVP_PKEY_free(pkey);
        return err ? err : ERR_NO_MEMORY;
    }
    *key = (struct key){pkey, type};
    *ret_key = key;
    return 0;
}

int key_generate(enum key_type type, struct key **ret_key)
{
    EVP_PKEY *pkey = type == KEY_EC_P256 ? EVP_EC_gen(CURVE) : EVP_RSA_gen(2048);
    return pkey ? key_adopt(pkey, ret_key) : ERR_CRYPTO;
}

void key_free(struct key *key)
{
    if (key)
        EVP_PKEY_free(key->pkey);
    mem_free(key);
}

enum key_type key_type(const struct key *key)
{
    return key->type;
}

bool key_equal(const struct key *a, const struct key *b)
{
    return EVP_PKEY_eq(a->pkey, b->pkey) == 1;
}

EVP_PKEY *key_native(const struct key *key)
{
    return key->pkey;
}

int key_to_pem(const struct key *key, struct buf *ret_pem)
{
    ERR_set_mark();
    BIO *bio = BIO_new(BIO_s_secmem());
    int err = ERR_CRYPTO;
    if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1)
        err = library_append_bio(bio, ret_pem);
    BIO_free(bio);
    ERR_pop_to_mark();
    return err;
}

/* Encrypted keys are refused; without this, the library would ask on the terminal. */
static int no_password(char *password, int size, int encrypt, void *arg)
{
    (void)password, (void)size, (void)encrypt, (void)arg;
    return -1;
}

int key_from_pem(struct slice pem, struct key **ret_key)
{
    if (pem.n > PEM_OCTETS_MAX)
        return ERR_LIMIT;
    ERR_set_mark();
    BIO *bio = BIO_new_mem_buf(pem.n ? (const void *)pem.p : "", (int)pem.n);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    int err = pkey ? key_adopt(pkey, ret_key) : ERR_SYNTAX;
    ERR_pop_to_mark();
    return err;
}

int key_sign(const struct key *key, struct slice data, struct buf *ret_signature)
{
    uint8_t signature[SIGNATURE_OCTETS_MAX];
    size_t n = sizeof signature;
    ERR_set_mark();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    /* RSA: PKCS#1 v1.5 is the library's default padding. */
    int ok = ctx && EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key->pkey, NULL) == 1 &&
             EVP_DigestSign(ctx, signature, &n, data.p, data.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_pop_to_mark();
    if (!ok)
        return ERR_CRYPTO;
    buf_put(ret_signature, signature, n);
    return ret_signature->err;
}

int key_verify(const struct key *key, struct slice data, struct slice signature)
{
    if (signature.n == 0 || signature.n > SIGNATURE_OCTETS_MAX)
        return ERR_AUTH;
    ERR_set_mark();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key->pkey, NULL) == 1 &&
             EVP_DigestVerify(ctx, signature.p, signature.n, data.p, data.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_pop_to_mark();
    return ok ? 0 : ERR_AUTH;
}
