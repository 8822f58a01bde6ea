/* Digests, message authentication and key derivation. All outputs are written whole or not at all. Library failure (out of memory)
 * ends as ERR_CRYPTO where the function can fail; one-shot digests of memory cannot fail in practice and abort if they do. */
#ifndef CRYPT_DIGEST_H
#define CRYPT_DIGEST_H

#include "base/err.h"
#include "base/slice.h"

#define MD5_OCTETS 16
#define SHA1_OCTETS 20
#define SHA256_OCTETS 32

void digest_md5(struct slice data, uint8_t ret_digest[MD5_OCTETS]);
void digest_sha1(struct slice data, uint8_t ret_digest[SHA1_OCTETS]);
void digest_sha256(struct slice data, uint8_t ret_digest[SHA256_OCTETS]);

void hmac_sha1(struct slice key, struct slice data, uint8_t ret_mac[SHA1_OCTETS]);
void hmac_sha256(struct slice key, struct slice data, uint8_t ret_mac[SHA256_OCTETS]);

/* RFC 5869, extract and expand. ret_key of at most 255 * 32 octets. */
int hkdf_sha256(struct slice secret, struct slice salt, struct slice info, uint8_t *ret_key, size_t octets);

/* RFC 8018 PBKDF2. Slow on purpose. */
int pbkdf2_sha256(struct slice password, struct slice salt, unsigned rounds, uint8_t *ret_key, size_t octets);

/* Argon2id, RFC 9106, version 0x13, computed in the calling thread. memory_kib >= 8 * lanes, salt of at least 8 octets, hash of at
 * least 4. ERR_RANGE outside of these or of the limits, which keep a configuration from stopping a machine. */
#define ARGON2_PASSES_MAX 64
#define ARGON2_MEMORY_KIB_MAX (1024 * 1024)
#define ARGON2_LANES_MAX 16
struct argon2_cost {
    uint32_t passes;
    uint32_t memory_kib;
    uint32_t lanes;
};
int argon2id(struct slice password, struct slice salt, struct argon2_cost cost, uint8_t *ret_hash, size_t octets);

#endif
