/* An authority's side: making certificates (RFC 5280 profile). */
#include "crypt/issue.h"

#include "base/text.h"
#include "crypt/cert.h"
#include "crypt/cert_names.h"
#include "crypt/library.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define SERIAL_OCTETS 16

int issue_set_common_name(X509_NAME *subject, const char *name)
{
    struct slice text = slice_str(name);
    if (text.n > CERT_USER_OCTETS_MAX)
        return ERR_LIMIT;
    if (text.n == 0 || !text_is_printable(text))
        return ERR_SYNTAX;
    int ok = X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, text.p, (int)text.n, -1, 0);
    return ok == 1 ? 0 : ERR_CRYPTO;
}

static int set_serial(X509 *x509, const uint8_t serial[SERIAL_OCTETS])
{
    uint8_t octets[SERIAL_OCTETS];
    memcpy(octets, serial, sizeof octets);
    octets[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(octets, sizeof octets, NULL);
    int err = ERR_CRYPTO;
    if (number && BN_is_zero(number))
        err = ERR_RANGE;
    else if (number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)))
        err = 0;
    BN_free(number);
    return err;
}

static int set_validity(X509 *x509, struct wall not_before, struct wall not_after)
{
    if (not_before.ms > not_after.ms)
        return ERR_RANGE;
    bool ok = ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)(not_before.ms / 1000)) &&
              ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)(not_after.ms / 1000));
    return ok ? 0 : ERR_CRYPTO;
}

static int add_extension(X509 *x509, int nid, void *value, int critical)
{
    return X509_add1_ext_i2d(x509, nid, value, critical, X509V3_ADD_DEFAULT) == 1 ? 0 : ERR_CRYPTO;
}

static int add_basic_constraints(X509 *x509, bool authority)
{
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    if (!constraints)
        return ERR_NO_MEMORY;
    constraints->ca = authority ? 0xff : 0;
    int err = add_extension(x509, NID_basic_constraints, constraints, 1);
    BASIC_CONSTRAINTS_free(constraints);
    return err;
}

/* Bits are numbered as in RFC 5280 4.2.1.3. */
static int add_key_usage(X509 *x509, const int *bits, size_t n)
{
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    int err = usage ? 0 : ERR_NO_MEMORY;
    for (size_t i = 0; !err && i < n; i++)
        if (ASN1_BIT_STRING_set_bit(usage, bits[i], 1) != 1)
            err = ERR_NO_MEMORY;
    if (!err)
        err = add_extension(x509, NID_key_usage, usage, 1);
    ASN1_BIT_STRING_free(usage);
    return err;
}

/* A peer of the ring is both TLS server and TLS client. */
#define USAGE_DEFAULT "1.3.6.1.5.5.7.3.1 1.3.6.1.5.5.7.3.2"
#define OID_OCTETS_MAX 64

static int push_usage(EXTENDED_KEY_USAGE *usage, struct slice oid)
{
    char text[OID_OCTETS_MAX + 1];
    if (oid.n > OID_OCTETS_MAX)
        return ERR_LIMIT;
    ASN1_OBJECT *object = OBJ_txt2obj(text_lower(oid, text), 1);
    if (!object)
        return ERR_SYNTAX;
    if (sk_ASN1_OBJECT_push(usage, object) > 0)
        return 0;
    ASN1_OBJECT_free(object);
    return ERR_NO_MEMORY;
}

static int add_extended_key_usage(X509 *x509, const char *oids)
{
    struct slice rest = slice_str(oids ? oids : USAGE_DEFAULT);
    EXTENDED_KEY_USAGE *usage = sk_ASN1_OBJECT_new_null();
    int err = usage ? 0 : ERR_NO_MEMORY;
    if (!rest.n)
        rest.p = NULL;
    while (!err && rest.p)
        err = push_usage(usage, text_cut(&rest, ' '));
    if (!err && sk_ASN1_OBJECT_num(usage) > 0)
        err = add_extension(x509, NID_ext_key_usage, usage, 0);
    EXTENDED_KEY_USAGE_free(usage);
    return err;
}

/* SHA-1 of the public key, method 1 of RFC 5280 4.2.1.2. Not a matter of security: it only tells authorities of one name apart. */
static ASN1_OCTET_STRING *key_identifier(const X509 *x509)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    ASN1_OCTET_STRING *identifier = ASN1_OCTET_STRING_new();
    if (identifier && X509_pubkey_digest(x509, library_sha1(), digest, &n) == 1 &&
        ASN1_OCTET_STRING_set(identifier, digest, (int)n) == 1)
        return identifier;
    ASN1_OCTET_STRING_free(identifier);
    return NULL;
}

static int add_key_identifiers(X509 *x509, const X509 *authority)
{
    ASN1_OCTET_STRING *own = key_identifier(x509);
    AUTHORITY_KEYID *issuer = AUTHORITY_KEYID_new();
    int err = ERR_CRYPTO;
    if (own && issuer && (issuer->keyid = key_identifier(authority)) != NULL) {
        err = add_extension(x509, NID_subject_key_identifier, own, 0);
        if (!err)
            err = add_extension(x509, NID_authority_key_identifier, issuer, 0);
    }
    ASN1_OCTET_STRING_free(own);
    AUTHORITY_KEYID_free(issuer);
    return err;
}

static int encode_cert(const void *x509, unsigned char **out)
{
    return i2d_X509(x509, out);
}

/* Signs, and parses what came out: the issuer sees exactly what others will see. */
static int sign(X509 *x509, const struct key *authority_key, struct cert **ret_cert)
{
    if (X509_sign(x509, key_native(authority_key), library_sha256()) <= 0)
        return ERR_CRYPTO;
    struct buf der;
    buf_init(&der, CERT_DER_OCTETS_MAX);
    int err = library_append_der(encode_cert, x509, &der);
    if (!err)
        err = cert_from_der(buf_slice(&der), ret_cert);
    buf_fini(&der);
    return err;
}

/* RFC 6940 11.3: the subject of a node's certificate is empty, its names are alternative names. Others carry a common name too. */
static int fill_leaf(X509 *x509, const X509 *authority, const struct cert_request *request)
{
    const int usage[] = {0}; /* digitalSignature */
    bool is_node = request->node_id_count > 0;
    if (request->node_id_count > CERT_NODE_IDS_MAX)
        return ERR_LIMIT;
    /* A scratch name checks the user name by the same rules, whether it becomes the subject or not. */
    X509_NAME *subject = X509_NAME_new();
    int err = subject ? 0 : ERR_NO_MEMORY;
    if (!err && request->user)
        err = issue_set_common_name(subject, request->user);
    if (!err && !is_node && X509_set_subject_name(x509, subject) != 1)
        err = ERR_CRYPTO;
    X509_NAME_free(subject);
    if (!err && X509_set_issuer_name(x509, X509_get_subject_name(authority)) != 1)
        err = ERR_CRYPTO;
    if (!err && X509_set_pubkey(x509, key_native(request->public_key)) != 1)
        err = ERR_CRYPTO;
    if (!err)
        err = set_serial(x509, request->serial);
    if (!err)
        err = set_validity(x509, request->not_before, request->not_after);
    if (!err)
        err = add_basic_constraints(x509, false);
    if (!err)
        err = add_key_usage(x509, usage, 1);
    if (!err)
        err = add_extended_key_usage(x509, request->usage);
    if (!err)
        err = add_key_identifiers(x509, authority);
    if (!err)
        err = cert_names_write(request, is_node || !request->user, x509);
    return err;
}

int cert_issue(const struct key *authority_key, const struct cert *authority, const struct cert_request *request,
               struct cert **ret_cert)
{
    if (!key_equal(authority_key, cert_key(authority)))
        return ERR_WRONG_STATE;
    ERR_set_mark();
    X509 *x509 = X509_new();
    int err = x509 && X509_set_version(x509, X509_VERSION_3) == 1 ? 0 : ERR_NO_MEMORY;
    if (!err)
        err = fill_leaf(x509, cert_native(authority), request);
    if (!err)
        err = sign(x509, authority_key, ret_cert);
    X509_free(x509);
    ERR_pop_to_mark();
    return err;
}

static int fill_authority(X509 *x509, const struct key *key, const char *name)
{
    const int usage[] = {5, 6}; /* keyCertSign, cRLSign */
    int err = issue_set_common_name(X509_get_subject_name(x509), name);
    if (!err &&
        (X509_set_issuer_name(x509, X509_get_subject_name(x509)) != 1 || X509_set_pubkey(x509, key_native(key)) != 1))
        err = ERR_CRYPTO;
    if (!err)
        err = add_basic_constraints(x509, true);
    if (!err)
        err = add_key_usage(x509, usage, 2);
    if (!err)
        err = add_key_identifiers(x509, x509);
    return err;
}

int cert_issue_authority(const struct key *key, const char *name, struct wall not_before, struct wall not_after,
                         const uint8_t serial[16], struct cert **ret_cert)
{
    ERR_set_mark();
    X509 *x509 = X509_new();
    int err = x509 && X509_set_version(x509, X509_VERSION_3) == 1 ? 0 : ERR_NO_MEMORY;
    if (!err)
        err = fill_authority(x509, key, name);
    if (!err)
        err = set_serial(x509, serial);
    if (!err)
        err = set_validity(x509, not_before, not_after);
    if (!err)
        err = sign(x509, key, ret_cert);
    X509_free(x509);
    ERR_pop_to_mark();
    return err;
}
