/* HMAC-SHA-1 for packets: what depends only on the key is computed once. The key's owner holds it, and wipes it with mem_wipe. */
#ifndef CRYPT_HMAC_H
#define CRYPT_HMAC_H

#include "crypt/digest.h"

struct hmac_sha1_key {
    uint32_t inner[5]; /* SHA-1's state behind the block of key and inner pad, and behind that of key and outer pad */
    uint32_t outer[5];
};

/* A key of at most 64 octets, else ERR_RANGE (RFC 2104 would have longer ones hashed first). */
int hmac_sha1_key_init(struct slice key, struct hmac_sha1_key *ret_key);

/* Over both pieces, one behind the other. */
void hmac_sha1_keyed(const struct hmac_sha1_key *key, struct slice data, struct slice more,
                     uint8_t ret_mac[SHA1_OCTETS]);

#endif
