/* AES for packets: a context is keyed once and then serves any number of them, so that a packet costs little more than its octets.
 * Contexts belong to who made them and to one thread at a time. */
#ifndef CRYPT_AES_H
#define CRYPT_AES_H

#include "base/err.h"
#include "base/slice.h"

#define AES_BLOCK_OCTETS 16
#define AES_GCM_NONCE_OCTETS 12
#define AES_GCM_TAG_OCTETS 16

struct aes_ctr;
struct aes_gcm;

/* Counter mode, NIST SP 800-38A section 6.5. A key of 16 or 32 octets, else ERR_RANGE; ERR_NO_MEMORY, ERR_CRYPTO. */
int aes_ctr_new(struct slice key, struct aes_ctr **ret_ctr);
void aes_ctr_free(struct aes_ctr *c); /* wipes the key; NULL is allowed */

/* XORs key stream into the data. The last 32 bits of the first counter block count; they wrap. 0 or ERR_CRYPTO (the data is then
 * undefined). */
int aes_ctr_apply(struct aes_ctr *c, const uint8_t counter[AES_BLOCK_OCTETS], uint8_t *data, size_t octets);

/* Galois/counter mode, NIST SP 800-38D, with a nonce of 96 bits and a tag of 128. A context seals or opens, never both. */
int aes_gcm_new(struct slice key, bool seals, struct aes_gcm **ret_gcm);
void aes_gcm_free(struct aes_gcm *g);

/* In place. What is authenticated only may come in two pieces; data of at most INT_MAX octets. 0 or ERR_CRYPTO. The nonce must never
 * repeat under one key. */
int aes_gcm_seal(struct aes_gcm *g, const uint8_t nonce[AES_GCM_NONCE_OCTETS], struct slice associated,
                 struct slice more, uint8_t *data, size_t octets, uint8_t ret_tag[AES_GCM_TAG_OCTETS]);

/* In place. ERR_AUTH when anything does not match; the data is then as it was. */
int aes_gcm_open(struct aes_gcm *g, const uint8_t nonce[AES_GCM_NONCE_OCTETS], struct slice associated,
                 struct slice more, uint8_t *data, size_t octets, const uint8_t tag[AES_GCM_TAG_OCTETS]);

#endif
