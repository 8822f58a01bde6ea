/* Revocation lists: read once, verified when a chain first asks for them, then looked into. */
#include "crypt/crl.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypt/digest.h"
#include "crypt/library.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* The digest of a public key, once one is known. */
struct signer {
    bool is_known;
    uint8_t key[SHA256_OCTETS];
};

struct list_of {
    X509_CRL *crl;
    struct wall this_update;
    struct wall next_update;         /* 0: not said */
    struct signer signed_by, not_by; /* the last that was asked with */
};

struct crl_set {
    struct list_of lists[CRL_SET_MAX];
    size_t n;
};

int crl_set_new(struct crl_set **ret_set)
{
    struct crl_set *set = mem_alloc(sizeof *set);
    if (!set)
        return ERR_NO_MEMORY;
    *ret_set = set;
    return 0;
}

void crl_set_free(struct crl_set *set)
{
    for (size_t i = 0; set && i < set->n; i++)
        X509_CRL_free(set->lists[i].crl);
    mem_free(set);
}

size_t crl_set_count(const struct crl_set *set)
{
    return set->n;
}

struct wall crl_set_ends_at(const struct crl_set *set)
{
    struct wall end = {0};
    for (size_t i = 0; i < set->n; i++) {
        struct wall next = set->lists[i].next_update;
        if (next.ms && (!end.ms || next.ms < end.ms))
            end = next;
    }
    return end;
}

/* ---- reading ---- */

static int read_time(const ASN1_TIME *t, struct wall *ret_wall)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return ERR_SYNTAX;
    ret_wall->ms =
        1000 * calendar_seconds(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return 0;
}

static bool has_critical_extension(const X509_CRL *crl)
{
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
        if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i)))
            return true;
    return false;
}

/* Takes over the list, also on failure. */
static int add(struct crl_set *set, X509_CRL *crl)
{
    struct list_of list = {.crl = crl};
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    int err = set->n < CRL_SET_MAX ? read_time(X509_CRL_get0_lastUpdate(crl), &list.this_update) : ERR_LIMIT;
    if (!err && next)
        err = read_time(next, &list.next_update);
    if (!err && has_critical_extension(crl))
        err = ERR_UNSUPPORTED;
    if (err)
        X509_CRL_free(crl);
    else
        set->lists[set->n++] = list;
    return err;
}

static int add_pem(struct crl_set *set, BIO *bio)
{
    X509_CRL *crl;
    int err = 0, n = 0;
    /* Each turn consumes a block of the text. */
    for (; !err && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)); n++)
        err = add(set, crl);
    if (err)
        return err;
    return n && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? 0 : ERR_SYNTAX;
}

static int add_der(struct crl_set *set, struct slice der)
{
    const unsigned char *at = der.p;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)der.n);
    if (crl && at == der.p + der.n)
        return add(set, crl);
    X509_CRL_free(crl);
    return ERR_SYNTAX;
}

int crl_set_add(struct crl_set *set, struct slice octets)
{
    if (octets.n == 0)
        return ERR_SYNTAX;
    if (octets.n > CRL_OCTETS_MAX)
        return ERR_LIMIT;
    int err = ERR_NO_MEMORY;
    ERR_set_mark();
    /* DER begins with the tag of a SEQUENCE; nothing readable does. */
    if (octets.p[0] == 0x30) {
        err = add_der(set, octets);
    } else {
        BIO *bio = BIO_new_mem_buf(octets.p, (int)octets.n);
        if (bio)
            err = add_pem(set, bio);
        BIO_free(bio);
    }
    ERR_pop_to_mark();
    return err;
}

/* ---- judging ---- */

static bool is_same(const struct signer *s, const uint8_t key[SHA256_OCTETS])
{
    return s->is_known && memcmp(s->key, key, SHA256_OCTETS) == 0;
}

static void remember(struct signer *s, const uint8_t key[SHA256_OCTETS])
{
    s->is_known = true;
    memcpy(s->key, key, SHA256_OCTETS);
}

/* A long list takes long to digest: that is done once for a key. */
static bool is_signed_by(struct list_of *list, const X509 *authority, const uint8_t key[SHA256_OCTETS])
{
    if (is_same(&list->signed_by, key))
        return true;
    if (is_same(&list->not_by, key))
        return false;
    ERR_set_mark();
    bool is_signed = X509_CRL_verify(list->crl, X509_get0_pubkey(authority)) == 1;
    ERR_pop_to_mark();
    remember(is_signed ? &list->signed_by : &list->not_by, key);
    return is_signed;
}

/* RFC 5280 6.3.3 (f) */
static bool may_sign_lists(const X509 *authority)
{
    return X509_get_key_usage((X509 *)authority) & KU_CRL_SIGN; /* without the extension all bits are set */
}

static bool has(const struct list_of *list, const X509 *certificate)
{
    X509_REVOKED *revoked;
    return X509_CRL_get0_by_cert(list->crl, &revoked, (X509 *)certificate) == 1; /* 2: taken off the list again */
}

static bool is_current(const struct list_of *list, struct wall now)
{
    return list->this_update.ms <= now.ms && (!list->next_update.ms || now.ms < list->next_update.ms);
}

enum crl_verdict crl_set_judge(struct crl_set *set, const X509 *certificate, const X509 *authority, struct wall now)
{
    uint8_t key[EVP_MAX_MD_SIZE];
    const struct list_of *newest = NULL;
    if (!set->n || !may_sign_lists(authority) || X509_pubkey_digest(authority, library_sha256(), key, NULL) != 1)
        return CRL_NONE;
    for (size_t i = 0; i < set->n; i++) {
        struct list_of *list = &set->lists[i];
        if (X509_NAME_cmp(X509_CRL_get_issuer(list->crl), X509_get_issuer_name(certificate)) != 0 ||
            !is_signed_by(list, authority, key))
            continue;
        if (has(list, certificate))
            return CRL_REVOKED;
        if (!newest || list->this_update.ms > newest->this_update.ms)
            newest = list;
    }
    if (!newest)
        return CRL_NONE;
    return is_current(newest, now) ? CRL_GOOD : CRL_STALE;
}

/* ---- issuing ---- */

static int add_revoked(X509_CRL *crl, const char *serial, const ASN1_TIME *at)
{
    BIGNUM *number = NULL;
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_INTEGER *integer = NULL;
    int err = revoked ? 0 : ERR_NO_MEMORY;
    if (!err && (BN_hex2bn(&number, serial) != (int)strlen(serial) || !*serial))
        err = ERR_SYNTAX;
    if (!err && !(integer = BN_to_ASN1_INTEGER(number, NULL)))
        err = ERR_NO_MEMORY;
    if (!err && (X509_REVOKED_set_serialNumber(revoked, integer) != 1 ||
                 X509_REVOKED_set_revocationDate(revoked, (ASN1_TIME *)at) != 1))
        err = ERR_CRYPTO;
    if (!err && X509_CRL_add0_revoked(crl, revoked) == 1)
        revoked = NULL; /* the list's now */
    else if (!err)
        err = ERR_NO_MEMORY;
    ASN1_INTEGER_free(integer);
    BN_free(number);
    X509_REVOKED_free(revoked);
    return err;
}

static int set_times(X509_CRL *crl, const struct crl_request *request)
{
    ASN1_TIME *this_update = ASN1_TIME_set(NULL, (time_t)(request->this_update.ms / 1000));
    ASN1_TIME *next = request->next_update.ms ? ASN1_TIME_set(NULL, (time_t)(request->next_update.ms / 1000)) : NULL;
    int err = this_update && (next || !request->next_update.ms) ? 0 : ERR_NO_MEMORY;
    if (!err && (X509_CRL_set1_lastUpdate(crl, this_update) != 1 || (next && X509_CRL_set1_nextUpdate(crl, next) != 1)))
        err = ERR_CRYPTO;
    for (size_t i = 0; !err && i < request->serial_count; i++)
        err = add_revoked(crl, request->serials[i], this_update);
    ASN1_TIME_free(this_update);
    ASN1_TIME_free(next);
    return err;
}

static int set_number(X509_CRL *crl, uint64_t number)
{
    ASN1_INTEGER *integer = ASN1_INTEGER_new();
    int err = integer && ASN1_INTEGER_set_uint64(integer, number) == 1 &&
                      X509_CRL_add1_ext_i2d(crl, NID_crl_number, integer, 0, X509V3_ADD_DEFAULT) == 1
                  ? 0
                  : ERR_CRYPTO;
    ASN1_INTEGER_free(integer);
    return err;
}

static int encode(const void *crl, unsigned char **out)
{
    return i2d_X509_CRL(crl, out);
}

int crl_issue(const struct key *authority_key, const struct cert *authority, const struct crl_request *request,
              struct buf *ret_der)
{
    if (!key_equal(authority_key, cert_key(authority)))
        return ERR_WRONG_STATE;
    ERR_set_mark();
    X509_CRL *crl = X509_CRL_new();
    int err = crl && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 ? 0 : ERR_NO_MEMORY;
    if (!err && X509_CRL_set_issuer_name(crl, X509_get_subject_name(cert_native(authority))) != 1)
        err = ERR_CRYPTO;
    if (!err)
        err = set_times(crl, request);
    if (!err)
        err = set_number(crl, request->number);
    if (!err && X509_CRL_sort(crl) != 1)
        err = ERR_CRYPTO;
    if (!err && X509_CRL_sign(crl, key_native(authority_key), library_sha256()) <= 0)
        err = ERR_CRYPTO;
    if (!err)
        err = library_append_der(encode, crl, ret_der);
    X509_CRL_free(crl);
    ERR_pop_to_mark();
    return err;
}
