/* The OpenSSL objects inside of keys and certificates, for src/io, which hands them to TLS. Nobody else includes this. All of them stay
 * owned by the object they come from; TLS takes its own reference. */
#ifndef CRYPT_NATIVE_H
#define CRYPT_NATIVE_H

#include "crypt/cert.h"

struct evp_pkey_st;
struct x509_st;
struct x509_store_st;

struct evp_pkey_st *key_native(const struct key *key);
struct x509_st *cert_native(const struct cert *cert);
struct x509_store_st *trust_native(const struct trust *trust);

/* As cert_domains and cert_is_for_sip. */
int cert_native_domains(const struct x509_st *certificate, struct buf *ret_domains);
bool cert_native_is_for_sip(const struct x509_st *certificate, enum cert_sip_role role);

#endif
