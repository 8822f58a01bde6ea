/* TLS contexts: who we are, whom we trust, what we demand of the other side. Streams and HTTPS are given one. TLS 1.2 and 1.3, no
 * session resumption, no renegotiation. */
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

/* Certificates are PEM (one or more, own one first) or DER (one). */
struct tls_options {
    enum tls_role role;
    enum tls_peer peer;
    struct slice certificate; /* empty: none (clients only) */
    struct slice key_pem;     /* the private key, PKCS#8 or traditional PEM */
    const struct slice *trust;
    size_t trust_count;
};

/* 0, ERR_SYNTAX (a certificate or key cannot be read), ERR_CONFLICT (key and certificate do not fit), ERR_CRYPTO, ERR_NO_MEMORY.
 * The octets are not referred to afterwards. */
int tls_context_new(const struct tls_options *options, struct tls_context **ret_context);

/* Replaces identity and trust, for connections made from then on: a renewed certificate, a new configuration. On failure the old ones
 * stay. */
int tls_context_reload(struct tls_context *context, const struct tls_options *options);

/* When our certificate in it ends; 0: there is none. */
struct wall tls_context_ends_at(const struct tls_context *context);

/* Connections that use the context keep what they need of it. NULL is allowed. */
void tls_context_free(struct tls_context *context);

#endif
