/* HMAC-SHA-1 from saved states, on OpenSSL's SHA1_ functions. They are deprecated in favor of EVP, which has no way back to a saved state
 * but to copy a context with its memory: that makes the tag of a packet of voice half as expensive again (./run bench srtp). Nothing
 * else in the tree calls them. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypt/hmac.h"

#include "base/mem.h"

#include <openssl/sha.h>

static SHA_CTX resume(const uint32_t state[5])
{
    SHA_CTX ctx;
    ctx.h0 = state[0];
    ctx.h1 = state[1];
    ctx.h2 = state[2];
    ctx.h3 = state[3];
    ctx.h4 = state[4];
    ctx.Nl = SHA_CBLOCK * 8; /* bits hashed so far: the block with the key */
    ctx.Nh = 0;
    ctx.num = 0;
    return ctx;
}

static void save(const uint8_t block[SHA_CBLOCK], uint32_t ret_state[5])
{
    SHA_CTX ctx;
    SHA1_Init(&ctx);
    SHA1_Update(&ctx, block, SHA_CBLOCK);
    const uint32_t state[5] = {ctx.h0, ctx.h1, ctx.h2, ctx.h3, ctx.h4};
    memcpy(ret_state, state, sizeof state);
    mem_wipe(&ctx, sizeof ctx);
}

int hmac_sha1_key_init(struct slice key, struct hmac_sha1_key *ret_key)
{
    if (key.n > SHA_CBLOCK)
        return ERR_RANGE;
    uint8_t inner[SHA_CBLOCK], outer[SHA_CBLOCK];
    for (size_t i = 0; i < SHA_CBLOCK; i++) {
        uint8_t octet = i < key.n ? key.p[i] : 0;
        inner[i] = octet ^ 0x36;
        outer[i] = octet ^ 0x5c;
    }
    save(inner, ret_key->inner);
    save(outer, ret_key->outer);
    mem_wipe(inner, sizeof inner);
    mem_wipe(outer, sizeof outer);
    return 0;
}

void hmac_sha1_keyed(const struct hmac_sha1_key *key, struct slice data, struct slice more,
                     uint8_t ret_mac[SHA1_OCTETS])
{
    uint8_t digest[SHA1_OCTETS];
    SHA_CTX ctx = resume(key->inner);
    if (data.n)
        SHA1_Update(&ctx, data.p, data.n);
    if (more.n)
        SHA1_Update(&ctx, more.p, more.n);
    SHA1_Final(digest, &ctx);
    ctx = resume(key->outer);
    SHA1_Update(&ctx, digest, sizeof digest);
    SHA1_Final(ret_mac, &ctx);
}
