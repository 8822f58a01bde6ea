/* Verification against the authorities of the ring's configuration, at a time that is handed in. */
#include "base/mem.h"
#include "crypt/cert.h"
#include "crypt/library.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

/* Certificates between a peer's and the authority's: none are sent in RELOAD, but authorities may certify each other. */
#define CHAIN_DEPTH_MAX 4
/* OpenSSL's level of 112 bits: no SHA-1 or MD5 in signatures, RSA from 2048. */
#define SECURITY_LEVEL 2

struct trust {
    X509_STORE *store;
};

int trust_new(struct trust **ret_trust)
{
    struct trust *trust = mem_alloc(sizeof *trust);
    if (!trust)
        return ERR_NO_MEMORY;
    trust->store = X509_STORE_new();
    if (!trust->store) {
        mem_free(trust);
        return ERR_NO_MEMORY;
    }
    *ret_trust = trust;
    return 0;
}

void trust_free(struct trust *trust)
{
    if (trust)
        X509_STORE_free(trust->store);
    mem_free(trust);
}

int trust_add_der(struct trust *trust, struct slice der)
{
    struct cert *cert;
    int err = cert_from_der(der, &cert);
    if (err)
        return err;
    ERR_set_mark();
    /* 1: basicConstraints says CA; the other values are guesses from the days before it. */
    if (X509_check_ca(cert_native(cert)) != 1)
        err = ERR_FORBIDDEN;
    else if (X509_STORE_add_cert(trust->store, cert_native(cert)) != 1)
        err = ERR_NO_MEMORY;
    ERR_pop_to_mark();
    cert_free(cert);
    return err;
}

X509_STORE *trust_native(const struct trust *trust)
{
    return trust->store;
}

static int verdict(int code)
{
    switch (code) {
    case X509_V_OK:
        return 0;
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return ERR_EXPIRED;
    case X509_V_ERR_OUT_OF_MEM:
        return ERR_NO_MEMORY;
    default:
        return ERR_AUTH;
    }
}

int trust_verify(const struct trust *trust, const struct cert *cert, struct wall now)
{
    ERR_set_mark();
    int err = ERR_NO_MEMORY;
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (ctx && X509_STORE_CTX_init(ctx, trust->store, cert_native(cert), NULL) == 1) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_time(param, (time_t)(now.ms / 1000));
        X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
        X509_VERIFY_PARAM_set_depth(param, CHAIN_DEPTH_MAX);
        X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
        if (X509_verify_cert(ctx) == 1) {
            err = 0;
        } else {
            err = verdict(X509_STORE_CTX_get_error(ctx));
            if (!err)
                err = ERR_AUTH; /* a failure without a reason is still one */
        }
    }
    X509_STORE_CTX_free(ctx);
    ERR_pop_to_mark();
    return err;
}
