/* Private: what certificates and requests have in common when they are made. */
#ifndef CRYPT_ISSUE_H
#define CRYPT_ISSUE_H

#include <openssl/x509.h>

/* ERR_SYNTAX: empty or not printable ASCII; ERR_LIMIT: over CERT_USER_OCTETS_MAX. */
int issue_set_common_name(X509_NAME *subject, const char *name);

#endif
