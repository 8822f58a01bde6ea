/* Private: what every file here needs of OpenSSL. Fetched algorithms are kept for the life of the process, because a fetch by name costs
 * more than the digest of a message. */
#ifndef CRYPT_LIBRARY_H
#define CRYPT_LIBRARY_H

#include "base/buf.h"
#include "crypt/native.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* Never NULL: without them nothing here works, and the program ends. */
const EVP_MD *library_md5(void);
const EVP_MD *library_sha1(void);
const EVP_MD *library_sha256(void);
const EVP_CIPHER *library_aes_128_ecb(void);
const EVP_CIPHER *library_aes_256_ecb(void);
const EVP_CIPHER *library_aes_128_gcm(void);
const EVP_CIPHER *library_aes_256_gcm(void);

/* The program cannot go on without its library. Says nothing: there is nobody to tell. */
_Noreturn void library_failed(void);

/* Wraps a key. Takes over pkey, also on failure. ERR_UNSUPPORTED for types, curves and sizes other than key.h names. */
int key_adopt(EVP_PKEY *pkey, struct key **ret_key);

/* Calls the encoder (an i2d function, bound to its object) and appends what it wrote. 0, ERR_CRYPTO or the buffer's error. */
typedef int library_i2d_fn(const void *object, unsigned char **out);
int library_append_der(library_i2d_fn *encode, const void *object, struct buf *ret_der);

/* The octets of the first PEM block with one of these labels, appended. ERR_SYNTAX if there is none. */
int library_read_pem(struct slice pem, const char *label, const char *other_label, struct buf *ret_der);

/* Appends what a memory BIO holds. */
int library_append_bio(BIO *bio, struct buf *ret);

#endif
