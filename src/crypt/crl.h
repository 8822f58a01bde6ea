/* Certificate revocation lists (RFC 5280 section 5): complete ones, each of one authority about the certificates that it issued itself. */
#ifndef CRYPT_CRL_H
#define CRYPT_CRL_H

#include "crypt/cert.h"

struct crl_set;

#define CRL_SET_MAX 256            /* lists */
#define CRL_OCTETS_MAX (64u << 20) /* of one file */

int crl_set_new(struct crl_set **ret_set);
void crl_set_free(struct crl_set *set); /* NULL is allowed */

/* Adds the lists of PEM text, or one in DER. Their signatures are verified when they are asked, by the key of the authority in the chain. ERR_SYNTAX; ERR_LIMIT;
 * ERR_UNSUPPORTED: a list with a critical extension, which changes what it is about (deltas, lists of other authorities, parts). On failure
 * those before it in the text are there. */
int crl_set_add(struct crl_set *set, struct slice octets);

size_t crl_set_count(const struct crl_set *set);

/* The earliest nextUpdate; 0: no list has one. */
struct wall crl_set_ends_at(const struct crl_set *set);

enum crl_verdict {
    CRL_GOOD,    /* a valid list of its authority does not have it */
    CRL_REVOKED, /* some list of its authority has it, an old one as well */
    CRL_STALE,   /* the newest list of its authority is past its nextUpdate, or not yet valid */
    CRL_NONE     /* there is no list of its authority */
};

struct x509_st;

/* authority: whose key signed the certificate; it is verified already. Lists that this key did not sign, or whose issuer may not sign lists by its key usage,
 * do not count. */
enum crl_verdict crl_set_judge(struct crl_set *set, const struct x509_st *certificate, const struct x509_st *authority,
                               struct wall now);

/* For tests and authorities of our own: a list, DER. */
struct crl_request {
    const char *const *serials; /* revoked: lower-case hexadecimal, as cert_serial */
    size_t serial_count;
    struct wall this_update;
    struct wall next_update; /* 0: not said */
    uint64_t number;
};
int crl_issue(const struct key *authority_key, const struct cert *authority, const struct crl_request *request,
              struct buf *ret_der);

#endif
