/* What streams and HTTPS need of a TLS context. */
#ifndef IO_TLS_PRIVATE_H
#define IO_TLS_PRIVATE_H

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

/* A session for one connection, without socket. peer_name: as in struct stream_connect_options. */
int tls_session_new(const struct tls_context *context, const char *peer_name, SSL **ret_ssl);

/* The same for TLS-SRP. The stream is what the password is asked for; its username and password are those of the options (clients). */
int tls_srp_session_new(const struct tls_context *context, struct stream *stream, const char *username, SSL **ret_ssl);

/* Why the last call on the session failed, from SSL_get_error's code, OpenSSL's error queue (which is emptied) and the result of the
 * certificate's verification. established: the handshake was over. Writes a sentence part. */
enum stream_reason tls_failure(SSL *ssl, int ssl_error, bool srp, bool established, char *detail, size_t octets);

/* What stream.c tells tls_srp.c: the password that a client gave. */
const char *stream_srp_password(const struct stream *stream);

/* The peer's certificate as DER, appended; nothing if there is none. */
int tls_peer_certificate(SSL *ssl, struct buf *ret_der);

/* An SSL_CTX with what all of this module's connections have in common. */
int tls_ssl_context_new(enum tls_role role, SSL_CTX **ret_context);

#endif
