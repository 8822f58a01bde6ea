/* AES for packets over OpenSSL's EVP. */
#include "crypt/aes.h"

#include "base/mem.h"
#include "crypt/library.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

/* Counter blocks that are encrypted at once: more than a packet of voice has, and most of one of video. */
#define BLOCKS 64

struct aes_ctr {
    EVP_CIPHER_CTX *ctx;
};

struct aes_gcm {
    EVP_CIPHER_CTX *ctx;
    bool seals;
};

typedef const EVP_CIPHER *cipher_fn(void);

/* A context with its key, of the algorithm for this length of key. */
static int new_keyed(struct slice key, cipher_fn *cipher_128, cipher_fn *cipher_256, bool encrypts,
                     EVP_CIPHER_CTX **ret_ctx)
{
    if (key.n != 16 && key.n != 32)
        return ERR_RANGE;
    const EVP_CIPHER *cipher = key.n == 16 ? cipher_128() : cipher_256();
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int err = !ctx ? ERR_NO_MEMORY : 0;
    if (!err && EVP_CipherInit_ex2(ctx, cipher, key.p, NULL, encrypts, NULL) != 1)
        err = ERR_CRYPTO;
    if (err)
        EVP_CIPHER_CTX_free(ctx);
    else
        *ret_ctx = ctx;
    return err;
}

/* ECB of counter blocks instead of EVP's CTR: setting an IV costs EVP four times what it costs AES to encrypt 20 ms of voice. */
int aes_ctr_new(struct slice key, struct aes_ctr **ret_ctr)
{
    struct aes_ctr *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    int err = new_keyed(key, library_aes_128_ecb, library_aes_256_ecb, true, &c->ctx);
    if (!err && EVP_CIPHER_CTX_set_padding(c->ctx, 0) != 1)
        err = ERR_CRYPTO;
    if (err)
        aes_ctr_free(c);
    else
        *ret_ctr = c;
    return err;
}

void aes_ctr_free(struct aes_ctr *c)
{
    if (!c)
        return;
    EVP_CIPHER_CTX_free(c->ctx);
    mem_free(c);
}

static void put_u32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof v);
}

static uint32_t get_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static void xor_octets(uint8_t *data, const uint8_t *with, size_t octets)
{
    for (; octets >= 8; octets -= 8, data += 8, with += 8) {
        uint64_t a, b;
        memcpy(&a, data, 8);
        memcpy(&b, with, 8);
        a ^= b;
        memcpy(data, &a, 8);
    }
    for (size_t i = 0; i < octets; i++)
        data[i] ^= with[i];
}

int aes_ctr_apply(struct aes_ctr *c, const uint8_t counter[AES_BLOCK_OCTETS], uint8_t *data, size_t octets)
{
    uint8_t stream[BLOCKS * AES_BLOCK_OCTETS];
    uint32_t count = get_u32(counter + 12);
    while (octets) {
        size_t piece = octets < sizeof stream ? octets : sizeof stream;
        size_t blocks = (piece + AES_BLOCK_OCTETS - 1) / AES_BLOCK_OCTETS;
        for (size_t i = 0; i < blocks; i++) {
            memcpy(stream + i * AES_BLOCK_OCTETS, counter, 12);
            put_u32(stream + i * AES_BLOCK_OCTETS + 12, count++);
        }
        int n;
        if (EVP_EncryptUpdate(c->ctx, stream, &n, stream, (int)(blocks * AES_BLOCK_OCTETS)) != 1)
            return ERR_CRYPTO;
        xor_octets(data, stream, piece);
        data += piece;
        octets -= piece;
    }
    return 0;
}

int aes_gcm_new(struct slice key, bool seals, struct aes_gcm **ret_gcm)
{
    struct aes_gcm *g = mem_alloc(sizeof *g);
    if (!g)
        return ERR_NO_MEMORY;
    g->seals = seals;
    int err = new_keyed(key, library_aes_128_gcm, library_aes_256_gcm, seals, &g->ctx);
    if (err)
        aes_gcm_free(g);
    else
        *ret_gcm = g;
    return err;
}

void aes_gcm_free(struct aes_gcm *g)
{
    if (!g)
        return;
    EVP_CIPHER_CTX_free(g->ctx);
    mem_free(g);
}

/* The nonce, what is authenticated only, and the data: all but the tag. */
static bool pass(struct aes_gcm *g, const uint8_t *nonce, struct slice associated, struct slice more, uint8_t *data,
                 size_t octets)
{
    int n;
    return EVP_CipherInit_ex2(g->ctx, NULL, NULL, nonce, g->seals, NULL) == 1 &&
           (associated.n == 0 || EVP_CipherUpdate(g->ctx, NULL, &n, associated.p, (int)associated.n) == 1) &&
           (more.n == 0 || EVP_CipherUpdate(g->ctx, NULL, &n, more.p, (int)more.n) == 1) &&
           (octets == 0 || EVP_CipherUpdate(g->ctx, data, &n, data, (int)octets) == 1);
}

int aes_gcm_seal(struct aes_gcm *g, const uint8_t nonce[AES_GCM_NONCE_OCTETS], struct slice associated,
                 struct slice more, uint8_t *data, size_t octets, uint8_t ret_tag[AES_GCM_TAG_OCTETS])
{
    uint8_t none[AES_BLOCK_OCTETS], tag[AES_GCM_TAG_OCTETS];
    int n;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, sizeof tag),
                           OSSL_PARAM_construct_end()};
    if (!g->seals || !pass(g, nonce, associated, more, data, octets) || EVP_EncryptFinal_ex(g->ctx, none, &n) != 1 ||
        EVP_CIPHER_CTX_get_params(g->ctx, params) != 1)
        return ERR_CRYPTO;
    memcpy(ret_tag, tag, sizeof tag);
    return 0;
}

int aes_gcm_open(struct aes_gcm *g, const uint8_t nonce[AES_GCM_NONCE_OCTETS], struct slice associated,
                 struct slice more, uint8_t *data, size_t octets, const uint8_t tag[AES_GCM_TAG_OCTETS])
{
    uint8_t none[AES_BLOCK_OCTETS], expected[AES_GCM_TAG_OCTETS];
    int n;
    memcpy(expected, tag, sizeof expected);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, expected, sizeof expected),
                           OSSL_PARAM_construct_end()};
    if (g->seals || !pass(g, nonce, associated, more, data, octets) || EVP_CIPHER_CTX_set_params(g->ctx, params) != 1)
        return ERR_CRYPTO;
    if (EVP_DecryptFinal_ex(g->ctx, none, &n) == 1)
        return 0;
    /* It was decrypted on the way to its tag: the same key stream once more makes it what it was. */
    return pass(g, nonce, slice_of(NULL, 0), slice_of(NULL, 0), data, octets) ? ERR_AUTH : ERR_CRYPTO;
}
