/* AES-256-GCM over OpenSSL. */
#include "crypt/aead.h"

#include "crypt/library.h"

#include <limits.h>

static EVP_CIPHER_CTX *start(int encrypt, const uint8_t *key, const uint8_t *nonce, struct slice associated)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;
    if (ctx && EVP_CipherInit_ex2(ctx, library_aes_256_gcm(), key, nonce, encrypt, NULL) == 1 &&
        (associated.n == 0 || EVP_CipherUpdate(ctx, NULL, &n, associated.p, (int)associated.n) == 1))
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

int aead_seal(const uint8_t key[AEAD_KEY_OCTETS], const uint8_t nonce[AEAD_NONCE_OCTETS], struct slice associated,
              struct slice plaintext, struct buf *ret_sealed)
{
    if (associated.n > INT_MAX || plaintext.n > INT_MAX - AEAD_TAG_OCTETS)
        return ERR_RANGE;
    size_t before = ret_sealed->n;
    uint8_t *out = buf_extend(ret_sealed, plaintext.n + AEAD_TAG_OCTETS);
    if (!out)
        return ret_sealed->err;
    EVP_CIPHER_CTX *ctx = start(1, key, nonce, associated);
    int n = 0;
    int ok = ctx && (plaintext.n == 0 || EVP_CipherUpdate(ctx, out, &n, plaintext.p, (int)plaintext.n) == 1) &&
             EVP_CipherFinal_ex(ctx, out + plaintext.n, &n) == 1 &&
             EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_OCTETS, out + plaintext.n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok)
        ret_sealed->n = before;
    return ok ? 0 : ERR_CRYPTO;
}

int aead_open(const uint8_t key[AEAD_KEY_OCTETS], const uint8_t nonce[AEAD_NONCE_OCTETS], struct slice associated,
              struct slice sealed, struct buf *ret_plaintext)
{
    if (sealed.n < AEAD_TAG_OCTETS || sealed.n > INT_MAX || associated.n > INT_MAX)
        return ERR_AUTH;
    size_t octets = sealed.n - AEAD_TAG_OCTETS;
    size_t before = ret_plaintext->n;
    /* One octet of room even for an empty text, so that there is a place to point at. */
    uint8_t *out = buf_extend(ret_plaintext, octets + 1);
    if (!out)
        return ret_plaintext->err;
    uint8_t tag[AEAD_TAG_OCTETS];
    memcpy(tag, sealed.p + octets, sizeof tag);
    EVP_CIPHER_CTX *ctx = start(0, key, nonce, associated);
    int n = 0;
    int ok = ctx && (octets == 0 || EVP_CipherUpdate(ctx, out, &n, sealed.p, (int)octets) == 1) &&
             EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_OCTETS, tag) == 1 &&
             EVP_CipherFinal_ex(ctx, out + octets, &n) == 1;
    int err = ok ? 0 : ctx ? ERR_AUTH : ERR_CRYPTO;
    EVP_CIPHER_CTX_free(ctx);
    if (err)
        OPENSSL_cleanse(out, octets + 1); /* what does not authenticate is nobody's */
    ret_plaintext->n = err ? before : before + octets;
    return err;
}
