/* Digests, HMAC and the key derivations built on them. */
#include "crypt/digest.h"

#include "base/mem.h"
#include "crypt/library.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stdatomic.h>

static void digest(const EVP_MD *md, struct slice data, uint8_t *ret_digest)
{
    if (EVP_Digest(data.p, data.n, ret_digest, NULL, md, NULL) != 1)
        library_failed();
}

void digest_md5(struct slice data, uint8_t ret_digest[MD5_OCTETS])
{
    digest(library_md5(), data, ret_digest);
}

void digest_sha1(struct slice data, uint8_t ret_digest[SHA1_OCTETS])
{
    digest(library_sha1(), data, ret_digest);
}

void digest_sha256(struct slice data, uint8_t ret_digest[SHA256_OCTETS])
{
    digest(library_sha256(), data, ret_digest);
}

typedef EVP_MAC_CTX *_Atomic mac_slot;

/* A new context for HMAC with this digest. Making one costs as much as the HMAC of a ticket; hence the slots below. */
static EVP_MAC_CTX *new_hmac(const char *digest_name)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac); /* the context keeps its own reference */
    union {
        const char *in;
        char *param; /* OSSL_PARAM has no const, and the library only reads it */
    } name = {digest_name};
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.param, 0),
                           OSSL_PARAM_construct_end()};
    if (!ctx || EVP_MAC_CTX_set_params(ctx, params) != 1)
        library_failed();
    return ctx;
}

/* One context waits in the slot between calls. Whoever finds the slot empty (another thread is using it) makes its own, and whoever
 * comes back to a full slot frees its own. */
static void hmac(mac_slot *slot, const char *digest_name, struct slice key, struct slice data, uint8_t *ret_mac,
                 size_t octets)
{
    EVP_MAC_CTX *ctx = atomic_exchange(slot, NULL);
    if (!ctx)
        ctx = new_hmac(digest_name);
    /* A NULL key would mean "the key of the last call". */
    const uint8_t *key_octets = key.n ? key.p : (const uint8_t *)"";
    size_t n = 0;
    if (EVP_MAC_init(ctx, key_octets, key.n, NULL) != 1 || EVP_MAC_update(ctx, data.p, data.n) != 1 ||
        EVP_MAC_final(ctx, ret_mac, &n, octets) != 1 || n != octets)
        library_failed();
    EVP_MAC_CTX_free(atomic_exchange(slot, ctx));
}

void hmac_sha1(struct slice key, struct slice data, uint8_t ret_mac[SHA1_OCTETS])
{
    static mac_slot slot;
    hmac(&slot, "SHA1", key, data, ret_mac, SHA1_OCTETS);
}

void hmac_sha256(struct slice key, struct slice data, uint8_t ret_mac[SHA256_OCTETS])
{
    static mac_slot slot;
    hmac(&slot, "SHA256", key, data, ret_mac, SHA256_OCTETS);
}

int hkdf_sha256(struct slice secret, struct slice salt, struct slice info, uint8_t *ret_key, size_t octets)
{
    if (octets > (size_t)255 * SHA256_OCTETS)
        return ERR_RANGE;
    /* Section 2.2: an absent salt is as many zeros as the digest is long; HMAC pads an empty key to the same. */
    uint8_t extracted[SHA256_OCTETS];
    hmac_sha256(salt, secret, extracted);

    /* Section 2.3: T(n) = HMAC(PRK, T(n-1) | info | n). */
    int err = 0;
    uint8_t block[SHA256_OCTETS];
    struct buf input;
    buf_init(&input, SHA256_OCTETS + info.n + 1);
    for (size_t done = 0, n = 1; done < octets; done += SHA256_OCTETS, n++) {
        buf_clear(&input);
        if (n > 1)
            buf_put(&input, block, sizeof block);
        buf_slice_put(&input, info);
        buf_u8(&input, (uint8_t)n);
        err = input.err;
        if (err)
            break;
        hmac_sha256(slice_of(extracted, sizeof extracted), buf_slice(&input), block);
        size_t left = octets - done;
        memcpy(ret_key + done, block, left < sizeof block ? left : sizeof block);
    }
    buf_fini_secret(&input);
    mem_wipe(extracted, sizeof extracted);
    mem_wipe(block, sizeof block);
    return err;
}

int pbkdf2_sha256(struct slice password, struct slice salt, unsigned rounds, uint8_t *ret_key, size_t octets)
{
    if (password.n > INT_MAX || salt.n > INT_MAX || octets > INT_MAX || rounds == 0 || rounds > INT_MAX)
        return ERR_RANGE;
    int ok = PKCS5_PBKDF2_HMAC((const char *)password.p, (int)password.n, salt.p, (int)salt.n, (int)rounds,
                               library_sha256(), (int)octets, ret_key);
    return ok == 1 ? 0 : ERR_CRYPTO;
}
