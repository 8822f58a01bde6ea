/* AES-256-GCM: sealing of small values. */
#ifndef CRYPT_AEAD_H
#define CRYPT_AEAD_H

#include "base/buf.h"

#define AEAD_KEY_OCTETS 32
#define AEAD_NONCE_OCTETS 12
#define AEAD_TAG_OCTETS 16

/* Appends ciphertext and tag. The nonce must never repeat under one key; it is not written. 0, ERR_CRYPTO or the buffer's error. */
int aead_seal(const uint8_t key[AEAD_KEY_OCTETS], const uint8_t nonce[AEAD_NONCE_OCTETS], struct slice associated,
              struct slice plaintext, struct buf *ret_sealed);

/* Appends the plaintext. ERR_AUTH if anything does not match, and then nothing is appended. */
int aead_open(const uint8_t key[AEAD_KEY_OCTETS], const uint8_t nonce[AEAD_NONCE_OCTETS], struct slice associated,
              struct slice sealed, struct buf *ret_plaintext);

#endif
