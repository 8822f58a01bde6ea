/* TLS contexts: who we are, whom we trust, what we demand of the other side. Streams and HTTPS are given one. TLS 1.2 and 1.3, no
 * renegotiation; session resumption where it is asked for. */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "base/err.h"
#include "base/slice.h"
#include "base/time.h"

struct tls_context;

enum tls_role { TLS_CLIENT, TLS_SERVER };

/* What is demanded of the other side's certificate. Chains are verified by TLS against the trust handed in, at the current time; which
 * Node-ID or domain the certificate names is for the caller to check. */
enum tls_peer {
    TLS_PEER_REQUIRED, /* must be there and verify (what a client always demands of a server) */
    TLS_PEER_OPTIONAL, /* servers only: must verify if it is there */
    TLS_PEER_NONE      /* servers only: not asked for */
};

/* What the other side's certificate must be good for, by its extended key usage, and how the name that a client expects is looked for in it. */
enum tls_purpose {
    TLS_PURPOSE_HOST, /* a TLS server or client; names of hosts (RFC 6125), the first label may be a wildcard */
    /* A SIP domain: cert_is_for_sip and cert_domains (RFC 5922, 5924; crypt/cert.h). No wildcards; expected addresses as for hosts. */
    TLS_PURPOSE_SIP
};

/* Further certificates of a server. Which one a client is shown follows from the name that it asks for (SNI): the first whose certificate has that
 * very dNSName or sip URI (cert_domains; wildcards stand for nothing here); if there is none, or the client names none, the one of the options. */
struct tls_identity {
    struct slice certificate;
    struct slice key_pem;
};
#define TLS_IDENTITIES_MAX 64 /* with the one of the options */

/* Certificates are PEM (one or more, own one first) or DER (one). */
struct tls_options {
    enum tls_role role;
    enum tls_peer peer;
    enum tls_purpose purpose;
    struct slice certificate; /* empty: none (clients only) */
    struct slice key_pem;     /* the private key, PKCS#8 or traditional PEM */
    const struct tls_identity *identities;
    size_t identity_count;
    /* Not NULL: trust and lists are those of this context, as they are now; the fields about them do not count. */
    const struct tls_context *trust_of;
    /* Up to TLS_TRUST_MAX certificates in all. Servers name up to TLS_TRUST_NAMED_MAX of them to clients, else none. */
    const struct slice *trust;
    size_t trust_count;
    /* Revocation lists, PEM (one or more) or DER (one) each; crypt/crl.h says which are understood. All certificates of a chain are looked for. */
    const struct slice *crls;
    size_t crl_count;
    bool crl_demanded; /* a certificate is refused whose authority has no list among them; else it is taken */
    bool
        crl_stale_taken; /* a list past its nextUpdate counts on; else what it is to judge is refused until there is a new one */
    /* Connections may go on with what an earlier one has agreed on for so long, without certificates and signatures; 0: never. The earlier
     * one's certificate counts as shown. Not beyond the end of any certificate or list that vouched for it, and not after a reload. */
    int64_t resume_ms;
};
#define TLS_TRUST_MAX 1024
#define TLS_TRUST_NAMED_MAX 16
#define TLS_RESUME_MS_DEFAULT 3600000

/* 0, ERR_SYNTAX (a certificate, key or list cannot be read), ERR_CONFLICT (key and certificate do not fit), ERR_LIMIT (too many), ERR_UNSUPPORTED (a
 * list of a kind that crypt/crl.h does not understand), ERR_CRYPTO, ERR_NO_MEMORY. The octets are not referred to afterwards. */
int tls_context_new(const struct tls_options *options, struct tls_context **ret_context);

/* Replaces all but the role, for connections made from then on: a renewed certificate, a new list. No connection ends by that: stream_verify_again
 * tells which of them should. On failure everything stays as it was. */
int tls_context_reload(struct tls_context *context, const struct tls_options *options);

/* When the first of our certificates in it ends; 0: there is none. */
struct wall tls_context_ends_at(const struct tls_context *context);

/* When the first of its revocation lists is due to be replaced; 0: there is none, or none says. */
struct wall tls_context_crl_ends_at(const struct tls_context *context);

/* Connections that use the context keep what they need of it. NULL is allowed. */
void tls_context_free(struct tls_context *context);

#endif
