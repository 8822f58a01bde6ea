/* Authorities and certificates for tests, made at run time. */
#ifndef TEST_PKI_H
#define TEST_PKI_H

#include "base/buf.h"
#include "crypt/crl.h"
#include "io/tls.h"

#define PKI_OVERLAY "overlay.example"
#define PKI_DAY_MS INT64_C(86400000)

struct authority {
    struct key *key;
    struct cert *cert;
};

struct identity {
    struct buf certificate_pem;
    struct buf key_pem;
    struct cert *cert;
};

struct wall pki_now(void);

void authority_init(struct authority *authority, const char *name);
void authority_fini(struct authority *authority);

/* Valid from and until so many days from now; for the names (DNS or IP) given, NULL: none. */
void identity_init(struct identity *identity, const struct authority *authority, const char *user, const char *name,
                   int from_days, int until_days);
/* Valid now, for all these names. */
void identity_init_names(struct identity *identity, const struct authority *authority, const char *const *names,
                         size_t name_count);
/* The same, good for these purposes only: as cert_request.usage. */
void identity_init_usage(struct identity *identity, const struct authority *authority, const char *name,
                         const char *usage);
/* Signed by its own key, not by an authority. */
void identity_init_self_signed(struct identity *identity);
void identity_fini(struct identity *identity);

/* A revocation list of the authority, valid from and until so many days from now, with this certificate; NULL: with none. */
void pki_crl(const struct authority *authority, const struct cert *revoked, int from_days, int until_days,
             struct buf *ret_der);

/* A context with this identity (NULL: none) and this authority trusted (NULL: none). */
struct tls_context *pki_context(enum tls_role role, enum tls_peer peer, const struct identity *identity,
                                const struct authority *trust);
struct tls_options pki_options(enum tls_role role, enum tls_peer peer, const struct identity *identity,
                               const struct slice *trust);

#endif
