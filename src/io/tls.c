/* TLS contexts and sessions on OpenSSL. */
#include "io/tls_private.h"

#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

#define SECURITY_LEVEL 2                  /* OpenSSL's level of 112 bits: no SHA-1 in signatures, RSA from 2048 */
#define CHAIN_SHOWN_OCTETS_MAX (32 << 10) /* that the other side may show us */

int tls_ssl_context_new(enum tls_role role, SSL_CTX **ret_context)
{
    SSL_CTX *context = SSL_CTX_new(role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
    if (!context)
        return ERR_NO_MEMORY;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    /* Buffers come from a queue that grows, is refilled and given back when idle; those of TLS are given back by it, unless the stream is busy
     * (stream_tls.c). */
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    *ret_context = context;
    return 0;
}

/* ---- the state of an SSL_CTX ---- */

static int state_index = -1;

static void state_free(struct tls_state *s)
{
    tls_resume_free(s->resume);
    tls_identities_fini(s);
    tls_trust_free(s->trust);
    sk_X509_pop_free(s->seen, X509_free);
    mem_free(s);
}

static void state_gone(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long n, void *arg)
{
    (void)parent, (void)data, (void)index, (void)n, (void)arg;
    if (value)
        state_free(value);
}

struct tls_state *tls_state_of(const SSL_CTX *context)
{
    return state_index < 0 ? NULL : SSL_CTX_get_ex_data(context, state_index);
}

/* The SSL_CTX owns it. */
static int state_new(const struct tls_options *options, SSL_CTX *context, struct tls_state **ret_state)
{
    struct tls_state *s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->role = options->role;
    s->peer = options->peer;
    s->purpose = options->purpose;
    s->seen = sk_X509_new_null();
    if (state_index < 0)
        state_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, state_gone);
    if (!s->seen || SSL_CTX_set_ex_data(context, state_index, s) != 1) {
        state_free(s);
        return ERR_NO_MEMORY;
    }
    *ret_state = s;
    return 0;
}

struct wall tls_wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (struct wall){(int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000};
}

struct wall tls_time(const ASN1_TIME *t)
{
    struct tm tm;
    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return (struct wall){0};
    return (struct wall){
        1000 * calendar_seconds(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec)};
}

/* ---- contexts ---- */

static int fill(SSL_CTX *context, const struct tls_options *options)
{
    struct tls_state *s;
    int err = state_new(options, context, &s);
    /* TLS 1.2 only with forward secrecy and AEAD; 1.3 has nothing else. */
    if (!err && (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
                 SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
                 SSL_CTX_set1_groups_list(context, "X25519:P-256") != 1))
        err = ERR_CRYPTO;
    if (err)
        return err;
    SSL_CTX_set_security_level(context, SECURITY_LEVEL);
    SSL_CTX_set_max_cert_list(context, CHAIN_SHOWN_OCTETS_MAX);
    err = tls_identities_set(s, options, context);
    if (!err && options->trust_of)
        s->trust = tls_trust_use(tls_state_of(options->trust_of->ssl_context)->trust);
    else if (!err)
        err = tls_trust_new(options, &s->trust);
    if (!err)
        err = tls_resume_set(s, options, context);
    if (!err)
        tls_verify_set(s, context);
    return err;
}

static int ssl_context_build(const struct tls_options *options, SSL_CTX **ret_context)
{
    SSL_CTX *context;
    int err = tls_ssl_context_new(options->role, &context);
    if (err)
        return err;
    err = fill(context, options);
    ERR_clear_error();
    if (err) {
        SSL_CTX_free(context);
        return err;
    }
    *ret_context = context;
    return 0;
}

int tls_context_new(const struct tls_options *options, struct tls_context **ret_context)
{
    struct tls_context *context = mem_alloc(sizeof *context);
    if (!context)
        return ERR_NO_MEMORY;
    context->role = options->role;
    int err = ssl_context_build(options, &context->ssl_context);
    if (err) {
        mem_free(context);
        return err;
    }
    *ret_context = context;
    return 0;
}

int tls_context_reload(struct tls_context *context, const struct tls_options *options)
{
    SSL_CTX *fresh;
    int err = options->role == context->role ? ssl_context_build(options, &fresh) : ERR_WRONG_STATE;
    if (err)
        return err;
    SSL_CTX_free(context->ssl_context);
    context->ssl_context = fresh;
    return 0;
}

struct wall tls_context_ends_at(const struct tls_context *context)
{
    const struct tls_state *s = tls_state_of(context->ssl_context);
    struct wall first = {0};
    for (unsigned i = 0; s && i < s->shown_count; i++) {
        struct wall end = tls_time(X509_get0_notAfter(s->shown[i].certificate));
        if (!first.ms || end.ms < first.ms)
            first = end;
    }
    return first;
}

struct wall tls_context_crl_ends_at(const struct tls_context *context)
{
    const struct tls_state *s = tls_state_of(context->ssl_context);
    return s && s->trust->crls ? crl_set_ends_at(s->trust->crls) : (struct wall){0};
}

void tls_context_free(struct tls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->ssl_context);
    mem_wipe(context->srp_mask_key, sizeof context->srp_mask_key);
    mem_free(context);
}

/* ---- sessions ---- */

/* The certificate must be for this name; addresses are compared as addresses. A domain of SIP is given back: it is for
 * tls_verify.c to look for. */
static bool expect_name(const struct tls_state *s, SSL *ssl, const char *name, const char **ret_domain)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    *ret_domain = NULL;
    if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
        return true;
    ERR_clear_error();
    if (SSL_set_tlsext_host_name(ssl, name) != 1)
        return false;
    if (s->purpose == TLS_PURPOSE_SIP) {
        *ret_domain = name;
        return true;
    }
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
}

static int begin_client(const struct tls_state *s, SSL *ssl, const char *peer_name, const struct addr *remote)
{
    const char *domain = NULL;
    SSL_set_connect_state(ssl);
    if (!s) /* TLS-SRP */
        return 0;
    if (peer_name && !expect_name(s, ssl, peer_name, &domain))
        return ERR_RANGE;
    return tls_resume_begin(s, ssl, peer_name, domain, remote);
}

int tls_session_new(const struct tls_context *context, const char *peer_name, const struct addr *remote, SSL **ret_ssl)
{
    SSL *ssl = SSL_new(context->ssl_context);
    int err = ssl ? 0 : ERR_NO_MEMORY;
    if (ssl && context->role == TLS_SERVER)
        SSL_set_accept_state(ssl);
    else if (ssl)
        err = begin_client(tls_state_of(context->ssl_context), ssl, peer_name, remote);
    if (err) {
        SSL_free(ssl);
        return err;
    }
    *ret_ssl = ssl;
    return 0;
}

int tls_peer_certificate(SSL *ssl, struct buf *ret_der)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (!certificate)
        return 0;
    unsigned char *der = NULL;
    int n = i2d_X509(certificate, &der);
    if (n > 0)
        buf_put(ret_der, der, (size_t)n);
    OPENSSL_free(der);
    return n > 0 ? ret_der->err : ERR_CRYPTO;
}
