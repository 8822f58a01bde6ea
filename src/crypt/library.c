/* Algorithms fetched once, and the ways into and out of OpenSSL's encodings. */
#include "crypt/library.h"

#include "base/mem.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdlib.h>

_Noreturn void library_failed(void)
{
    abort();
}

/* Two threads may fetch at once; the second one's object is freed again. */
static const EVP_MD *fetch_md(EVP_MD *_Atomic *slot, const char *name)
{
    EVP_MD *md = atomic_load_explicit(slot, memory_order_acquire);
    if (md)
        return md;
    md = EVP_MD_fetch(NULL, name, NULL);
    if (!md)
        library_failed();
    EVP_MD *expected = NULL;
    if (atomic_compare_exchange_strong(slot, &expected, md))
        return md;
    EVP_MD_free(md);
    return expected;
}

const EVP_MD *library_md5(void)
{
    static EVP_MD *_Atomic md5;
    return fetch_md(&md5, "MD5");
}

const EVP_MD *library_sha1(void)
{
    static EVP_MD *_Atomic sha1;
    return fetch_md(&sha1, "SHA1");
}

const EVP_MD *library_sha256(void)
{
    static EVP_MD *_Atomic sha256;
    return fetch_md(&sha256, "SHA256");
}

static const EVP_CIPHER *fetch_cipher(EVP_CIPHER *_Atomic *slot, const char *name)
{
    EVP_CIPHER *cipher = atomic_load_explicit(slot, memory_order_acquire);
    if (cipher)
        return cipher;
    cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    if (!cipher)
        library_failed();
    EVP_CIPHER *expected = NULL;
    if (atomic_compare_exchange_strong(slot, &expected, cipher))
        return cipher;
    EVP_CIPHER_free(cipher);
    return expected;
}

const EVP_CIPHER *library_aes_128_ecb(void)
{
    static EVP_CIPHER *_Atomic slot;
    return fetch_cipher(&slot, "AES-128-ECB");
}

const EVP_CIPHER *library_aes_256_ecb(void)
{
    static EVP_CIPHER *_Atomic slot;
    return fetch_cipher(&slot, "AES-256-ECB");
}

const EVP_CIPHER *library_aes_128_gcm(void)
{
    static EVP_CIPHER *_Atomic slot;
    return fetch_cipher(&slot, "AES-128-GCM");
}

const EVP_CIPHER *library_aes_256_gcm(void)
{
    static EVP_CIPHER *_Atomic slot;
    return fetch_cipher(&slot, "AES-256-GCM");
}

int library_append_der(library_i2d_fn *encode, const void *object, struct buf *ret_der)
{
    unsigned char *octets = NULL;
    int n = encode(object, &octets);
    if (n < 0)
        return ERR_CRYPTO;
    buf_put(ret_der, octets, (size_t)n);
    OPENSSL_free(octets);
    return ret_der->err;
}

int library_append_bio(BIO *bio, struct buf *ret)
{
    char *octets = NULL;
    long n = BIO_get_mem_data(bio, &octets);
    if (n < 0)
        return ERR_CRYPTO;
    buf_put(ret, octets, (size_t)n);
    return ret->err;
}

int library_read_pem(struct slice pem, const char *label, const char *other_label, struct buf *ret_der)
{
    if (pem.n > INT_MAX)
        return ERR_LIMIT;
    BIO *bio = BIO_new_mem_buf(pem.n ? (const void *)pem.p : "", (int)pem.n);
    if (!bio)
        return ERR_NO_MEMORY;
    int err = ERR_SYNTAX;
    char *name, *header;
    unsigned char *octets;
    long n;
    /* Each turn consumes a block, so the text bounds the loop. */
    while (err == ERR_SYNTAX && PEM_read_bio(bio, &name, &header, &octets, &n) == 1) {
        if (strcmp(name, label) == 0 || (other_label && strcmp(name, other_label) == 0)) {
            buf_put(ret_der, octets, (size_t)n);
            err = ret_der->err;
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(octets);
    }
    BIO_free(bio);
    return err;
}
