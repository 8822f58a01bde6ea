/* TLS-SRP (RFC 5054): TLS 1.2 with SRP-AES-128-CBC-SHA and the 2048-bit group, authenticated by a password alone, without certificates.
 * SRP is deprecated in OpenSSL 3; everything that touches it is in tls_srp.c.
 *
 * The extended master secret (RFC 7627) is demanded, since validations sign the exporter value of the connection. */
#ifndef IO_TLS_SRP_H
#define IO_TLS_SRP_H

#include "base/buf.h"
#include "io/tls.h"

#define TLS_SRP_USERNAME_OCTETS_MAX 255 /* RFC 5054 2.8.1 */
#define TLS_SRP_PASSWORD_OCTETS_MAX 255
#define TLS_SRP_MASK_KEY_OCTETS 32

struct stream;

/* The password of a username, appended to ret_password; ERR_NOT_FOUND if there is none. Any other error aborts the handshake. Called in
 * the middle of the handshake, at most once per stream, with the stream's peer address known: the stream may not be closed in it. */
typedef int tls_srp_password_fn(void *arg, struct stream *stream, struct slice username, struct buf *ret_password);

/* A username without password goes through the same computation with a password derived from the mask key (random, kept for the life of
 * the data directory); salts are derived from it for all usernames: an unknown username looks like a wrong password in octets and in
 * time (RFC 5054 2.5.1.3). */
int tls_srp_server_new(const uint8_t mask_key[TLS_SRP_MASK_KEY_OCTETS], tls_srp_password_fn *password, void *arg,
                       struct tls_context **ret_context);

/* Username and password are given with each connection (struct stream_connect_options). */
int tls_srp_client_new(struct tls_context **ret_context);

#endif
