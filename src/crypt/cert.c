/* Certificates: parsing once, so that everything asked for later is a look into memory. */
#include "crypt/cert.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypt/cert_names.h"
#include "crypt/digest.h"
#include "crypt/library.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define PEM_OCTETS_MAX (256 * 1024) /* a file of certificates */
#define SERIAL_OCTETS_MAX 20        /* RFC 5280 4.1.2.2 */

struct cert {
    X509 *x509;
    uint8_t *der;
    size_t der_octets;
    struct key *key;
    struct cert_names names;
    struct wall not_before;
    struct wall not_after;
    char serial[2 * SERIAL_OCTETS_MAX + 1];
    uint8_t hash[SHA256_OCTETS];
};

static int read_time(const ASN1_TIME *t, struct wall *ret_wall)
{
    struct tm tm;
    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return ERR_SYNTAX;
    ret_wall->ms =
        1000 * calendar_seconds(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return 0;
}

static int read_serial(const X509 *x509, char *ret_serial)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
    int n = ASN1_STRING_length(serial);
    if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || n <= 0 || n > SERIAL_OCTETS_MAX)
        return ERR_SYNTAX;
    hex_format(slice_of(ASN1_STRING_get0_data(serial), (size_t)n), ret_serial);
    return 0;
}

static int read_key(const X509 *x509, struct key **ret_key)
{
    EVP_PKEY *pkey = X509_get0_pubkey(x509);
    if (!pkey || EVP_PKEY_up_ref(pkey) != 1)
        return ERR_UNSUPPORTED;
    return key_adopt(pkey, ret_key);
}

/* Fills a zeroed certificate, which the caller frees on failure. */
static int read_cert(struct cert *cert, struct slice der)
{
    cert->der = mem_alloc(der.n);
    if (!cert->der)
        return ERR_NO_MEMORY;
    memcpy(cert->der, der.p, der.n);
    cert->der_octets = der.n;
    digest_sha256(der, cert->hash);

    const unsigned char *at = cert->der;
    cert->x509 = d2i_X509(NULL, &at, (long)der.n);
    if (!cert->x509 || at != cert->der + der.n)
        return ERR_SYNTAX;
    int err = read_time(X509_get0_notBefore(cert->x509), &cert->not_before);
    if (!err)
        err = read_time(X509_get0_notAfter(cert->x509), &cert->not_after);
    if (!err)
        err = read_serial(cert->x509, cert->serial);
    if (!err)
        err = cert_names_read(cert->x509, &cert->names);
    if (!err)
        err = read_key(cert->x509, &cert->key);
    return err;
}

int cert_from_der(struct slice der, struct cert **ret_cert)
{
    if (der.n > CERT_DER_OCTETS_MAX)
        return ERR_LIMIT;
    if (der.n == 0)
        return ERR_SYNTAX;
    struct cert *cert = mem_alloc(sizeof *cert);
    if (!cert)
        return ERR_NO_MEMORY;
    ERR_set_mark();
    int err = read_cert(cert, der);
    ERR_pop_to_mark();
    if (err) {
        cert_free(cert);
        return err;
    }
    *ret_cert = cert;
    return 0;
}

int cert_from_pem(struct slice pem, struct cert **ret_cert)
{
    if (pem.n > PEM_OCTETS_MAX)
        return ERR_LIMIT;
    struct buf der;
    buf_init(&der, CERT_DER_OCTETS_MAX);
    ERR_set_mark();
    int err = library_read_pem(pem, PEM_STRING_X509, PEM_STRING_X509_OLD, &der);
    ERR_pop_to_mark();
    if (!err)
        err = cert_from_der(buf_slice(&der), ret_cert);
    buf_fini(&der);
    return err;
}

void cert_free(struct cert *cert)
{
    if (!cert)
        return;
    key_free(cert->key);
    cert_names_fini(&cert->names);
    X509_free(cert->x509);
    mem_free(cert->der);
    mem_free(cert);
}

struct slice cert_der(const struct cert *cert)
{
    return slice_of(cert->der, cert->der_octets);
}

int cert_to_pem(const struct cert *cert, struct buf *ret_pem)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int err = ERR_CRYPTO;
    if (bio && PEM_write_bio_X509(bio, cert->x509) == 1)
        err = library_append_bio(bio, ret_pem);
    BIO_free(bio);
    return err;
}

size_t cert_node_ids(const struct cert *cert, struct slice overlay, struct id *ret_ids, size_t max)
{
    return cert_names_node_ids(&cert->names, overlay, ret_ids, max);
}

bool cert_node_name(const struct cert *cert, size_t index, struct id *ret_id, struct slice *ret_overlay)
{
    if (index >= cert->names.node_count)
        return false;
    const struct node_name *name = &cert->names.nodes[index];
    *ret_id = name->id;
    *ret_overlay = slice_of(name->overlay, name->overlay_octets);
    return true;
}

const char *cert_user(const struct cert *cert)
{
    return cert->names.user;
}

const char *cert_serial(const struct cert *cert)
{
    return cert->serial;
}

struct wall cert_not_before(const struct cert *cert)
{
    return cert->not_before;
}

struct wall cert_not_after(const struct cert *cert)
{
    return cert->not_after;
}

const struct key *cert_key(const struct cert *cert)
{
    return cert->key;
}

static struct cert_key_id key_id_of(const ASN1_OCTET_STRING *octets)
{
    struct cert_key_id id = {{0}};
    int n = octets ? ASN1_STRING_length(octets) : 0;
    if (n > 0)
        memcpy(id.octets, ASN1_STRING_get0_data(octets), n < CERT_KEY_ID_OCTETS ? (size_t)n : CERT_KEY_ID_OCTETS);
    return id;
}

struct cert_key_id cert_key_id(const struct cert *cert)
{
    return key_id_of(X509_get0_subject_key_id(cert->x509));
}

struct cert_key_id cert_authority_key_id(const struct cert *cert)
{
    return key_id_of(X509_get0_authority_key_id(cert->x509));
}

const uint8_t *cert_hash_sha256(const struct cert *cert)
{
    return cert->hash;
}

X509 *cert_native(const struct cert *cert)
{
    return cert->x509;
}
