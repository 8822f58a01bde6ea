/* What streams and HTTPS need of a TLS context, and its insides: contexts and sessions (tls.c), certificates of ours (tls_identity.c), what is thought
 * of others' (tls_verify.c), resumption (tls_resume.c), the names of failures (tls_failure.c). */
#ifndef IO_TLS_PRIVATE_H
#define IO_TLS_PRIVATE_H

#include "crypt/crl.h"
#include "io/stream.h"
#include "io/tls.h"
#include "io/tls_srp.h"

#include <openssl/ssl.h>

struct tls_context {
    enum tls_role role;
    SSL_CTX *ssl_context; /* replaced by a reload; connections hold the one that they began with */
    bool srp;
    tls_srp_password_fn *srp_password;
    void *srp_arg;
    uint8_t srp_mask_key[TLS_SRP_MASK_KEY_OCTETS];
};

/* A session for one connection, without socket. peer_name and remote: as in struct stream_connect_options; servers: NULL. */
int tls_session_new(const struct tls_context *context, const char *peer_name, const struct addr *remote, SSL **ret_ssl);

/* The same for TLS-SRP. The stream is what the password is asked for; its username and password are those of the options (clients). */
int tls_srp_session_new(const struct tls_context *context, struct stream *stream, const char *username, SSL **ret_ssl);

/* What stream.c tells tls_srp.c: the password that a client gave. */
const char *stream_srp_password(const struct stream *stream);

/* The peer's certificate as DER, appended; nothing if there is none. */
int tls_peer_certificate(SSL *ssl, struct buf *ret_der);

/* An SSL_CTX with what all of this module's connections have in common. */
int tls_ssl_context_new(enum tls_role role, SSL_CTX **ret_context);

/* ---- tls_failure.c ---- */

/* Why the last call on the session failed, from SSL_get_error's code, OpenSSL's error queue (which is emptied) and the result of the
 * certificate's verification. established: the handshake was over. Writes a sentence part. */
enum stream_reason tls_failure(SSL *ssl, int ssl_error, bool srp, bool established, char *detail, size_t octets);

/* What a verification that ended with this X509_V_ERR code is called. */
enum stream_reason tls_verification_failure(long result);

/* ---- the state of an SSL_CTX, which lives as long as that and its connections ---- */

/* Whom we believe. Contexts may have it in common. */
struct tls_trust {
    unsigned uses;
    X509_STORE *store;
    size_t count;
    struct crl_set *crls; /* NULL: none */
    bool crl_demanded;
    bool crl_stale_taken;
};

/* A certificate of ours. */
struct tls_shown {
    X509 *certificate;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    char *domains; /* as cert_domains */
};

struct tls_resume;

struct tls_state {
    enum tls_role role;
    enum tls_peer peer;
    enum tls_purpose purpose;
    struct tls_trust *trust;
    struct tls_shown shown[TLS_IDENTITIES_MAX];
    unsigned shown_count;
    STACK_OF(X509) *
        seen; /* certificates between those of others and the authorities: verified in this state; the last ones */
    struct tls_resume *resume; /* NULL: no resumption */
};

/* NULL: an SSL_CTX of TLS-SRP. */
struct tls_state *tls_state_of(const SSL_CTX *context);

struct wall tls_wall(void);
struct wall tls_time(const ASN1_TIME *t); /* 0: it cannot be read */

/* ---- tls_identity.c ---- */

typedef int tls_certificate_fn(void *arg, size_t index, X509 *certificate);

/* Each certificate of PEM or DER octets. ERR_SYNTAX: none, ERR_LIMIT: more than max. */
int tls_each_certificate(struct slice octets, size_t max, tls_certificate_fn *fn, void *arg);

/* Reads all of the options into the state and has the SSL_CTX show them. */
int tls_identities_set(struct tls_state *s, const struct tls_options *options, SSL_CTX *context);
void tls_identities_fini(struct tls_state *s);

/* What that name asks for; NULL: none. */
unsigned tls_identity_for(const struct tls_state *s, const char *name);

/* What the other side of an established session of a server was shown, now or when it was first agreed on. */
unsigned tls_identity_shown(SSL *ssl);

/* ---- tls_verify.c ---- */

int tls_trust_new(const struct tls_options *options, struct tls_trust **ret_trust);
struct tls_trust *tls_trust_use(struct tls_trust *t);
void tls_trust_free(struct tls_trust *t);

/* Has all certificates of others verified with what the state says. */
void tls_verify_set(struct tls_state *s, SSL_CTX *context);

/* Until when what was verified may be believed without looking again. */
struct wall tls_verified_until(const struct tls_state *s, const STACK_OF(X509) * chain);

/* As stream_verify_again. */
bool tls_verify_again(SSL *ssl, const struct tls_context *context, enum stream_reason *ret_reason);

/* ---- tls_resume.c ---- */

int tls_resume_set(struct tls_state *s, const struct tls_options *options, SSL_CTX *context);
void tls_resume_free(struct tls_resume *r);

/* A client's session begins: notes who is to be there, for the verification and for the next time, and takes up what there is from the last. domain: of SIP, that
 * the certificate must be for; NULL: OpenSSL compares the name itself, or there is none. */
int tls_resume_begin(const struct tls_state *s, SSL *ssl, const char *peer_name, const char *domain,
                     const struct addr *remote);

/* That domain; NULL: none, or a server. */
const char *tls_expected_domain(const SSL *ssl);

/* Of an established session of a server that goes on with an earlier one: what that one was shown. */
bool tls_resumed_identity(SSL *ssl, unsigned *ret_identity);

#endif
