/* Certificate signing requests, PKCS#10 (RFC 2986). */
#include "crypt/cert.h"
#include "crypt/cert_names.h"
#include "crypt/issue.h"
#include "crypt/library.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define PEM_OCTETS_MAX 16384

static int encode_request(const void *request, unsigned char **out)
{
    return i2d_X509_REQ(request, out);
}

int csr_create(const struct key *key, const char *user, struct buf *ret_der)
{
    ERR_set_mark();
    X509_REQ *request = X509_REQ_new();
    int err = request ? 0 : ERR_NO_MEMORY;
    if (!err)
        err = issue_set_common_name(X509_REQ_get_subject_name(request), user);
    if (!err &&
        (X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 || X509_REQ_set_pubkey(request, key_native(key)) != 1 ||
         X509_REQ_sign(request, key_native(key), library_sha256()) <= 0))
        err = ERR_CRYPTO;
    if (!err)
        err = library_append_der(encode_request, request, ret_der);
    X509_REQ_free(request);
    ERR_pop_to_mark();
    return err;
}

static int parse_der(struct slice der, struct key **ret_public_key)
{
    const unsigned char *at = der.p;
    X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der.n);
    int err = request && at == der.p + der.n ? 0 : ERR_SYNTAX;
    struct key *key = NULL;
    if (!err)
        err = key_adopt(X509_REQ_get_pubkey(request), &key);
    if (!err && X509_REQ_verify(request, key_native(key)) != 1)
        err = ERR_AUTH;
    X509_REQ_free(request);
    if (err)
        key_free(key);
    else
        *ret_public_key = key;
    return err;
}

int csr_parse(struct slice octets, struct key **ret_public_key)
{
    if (octets.n == 0)
        return ERR_SYNTAX;
    if (octets.n > PEM_OCTETS_MAX)
        return ERR_LIMIT;
    int err = 0;
    struct buf der;
    buf_init(&der, CERT_DER_OCTETS_MAX);
    ERR_set_mark();
    /* DER begins with the tag of a SEQUENCE; nothing readable does. */
    if (octets.p[0] == 0x30)
        buf_slice_put(&der, octets);
    else
        err = library_read_pem(octets, PEM_STRING_X509_REQ, PEM_STRING_X509_REQ_OLD, &der);
    if (!err)
        err = der.err ? der.err : parse_der(buf_slice(&der), ret_public_key);
    ERR_pop_to_mark();
    buf_fini(&der);
    return err;
}
