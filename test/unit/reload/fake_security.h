/* A security port without cryptography, for tests of what stands above it: certificates are a list of Node-IDs and a user name,
 * signatures are a digest that anybody could make. Identities, admission, bans and expiry behave as the real ones do. */
#ifndef TEST_RELOAD_FAKE_SECURITY_H
#define TEST_RELOAD_FAKE_SECURITY_H

#include "reload/security.h"

/* The certificate of these nodes; the validity is that of fake_security_expire or unlimited. Appends. */
void fake_cert_der(const struct id *nodes, size_t count, const char *user, struct buf *out);

/* Signs as the node of a certificate with `count` Node-IDs of which it is the first. */
struct security *fake_security_new(const struct id *nodes, size_t count, const char *user);
void fake_security_free(struct security *security);

/* Certificates that name this node are refused from now on. */
void fake_security_ban(struct security *security, struct id node);

/* Certificates end at this time of day. */
void fake_security_expire(struct security *security, struct wall not_after);

#endif
