/* Asymmetric keys: ECDSA P-256 (default) and RSA 2048 or larger (RSASSA-PKCS1-v1_5), both with SHA-256. */
#ifndef CRYPT_KEY_H
#define CRYPT_KEY_H

#include "base/buf.h"

struct key; /* a private or a public key */

enum key_type { KEY_EC_P256, KEY_RSA_2048 };

/* Uses the library's own random source (key generation happens in programs, never in a core). */
int key_generate(enum key_type type, struct key **ret_key);
void key_free(struct key *key);

/* PKCS#8 PEM, not encrypted: the file's mode protects it. The buffer holds a secret: buf_fini_secret. */
int key_to_pem(const struct key *key, struct buf *ret_pem);

/* A private key; also the older forms of PEM, but never encrypted. ERR_SYNTAX, ERR_LIMIT, or ERR_UNSUPPORTED (another curve, less than
 * 2048 bits, another type). */
int key_from_pem(struct slice pem, struct key **ret_key);

/* EC or RSA. */
enum key_type key_type(const struct key *key);

/* True if their public halves are the same. */
bool key_equal(const struct key *a, const struct key *b);

/* Over SHA-256 of the data. ECDSA signatures are DER (RFC 6940 uses them as in TLS). */
int key_sign(const struct key *key, struct slice data, struct buf *ret_signature);

/* 0, or ERR_AUTH. */
int key_verify(const struct key *key, struct slice data, struct slice signature);

#endif
