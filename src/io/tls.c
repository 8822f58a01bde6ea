/* TLS contexts and sessions on OpenSSL, and the names of all the ways in which a handshake fails. */
#include "io/tls_private.h"

#include "base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define CERTIFICATES_MAX 16

int tls_ssl_context_new(enum tls_role role, SSL_CTX **ret_context)
{
    SSL_CTX *context = SSL_CTX_new(role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
    if (!context)
        return ERR_NO_MEMORY;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    /* Buffers come from a queue that grows, is refilled and given back when idle. */
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    *ret_context = context;
    return 0;
}

static bool is_pem(struct slice octets)
{
    static const char begin[] = "-----BEGIN";
    return octets.n > sizeof begin && memmem(octets.p, octets.n, begin, sizeof begin - 1);
}

typedef int certificate_fn(void *arg, size_t index, X509 *certificate);

/* Each certificate of PEM or DER octets. */
static int each_certificate(struct slice octets, certificate_fn *fn, void *arg)
{
    if (octets.n > INT32_MAX)
        return ERR_LIMIT;
    BIO *bio = BIO_new_mem_buf(octets.p, (int)octets.n);
    if (!bio)
        return ERR_NO_MEMORY;
    bool pem = is_pem(octets);
    int err = 0;
    size_t n = 0;
    for (; n < CERTIFICATES_MAX && !err; n++) {
        X509 *certificate = pem ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : n == 0 ? d2i_X509_bio(bio, NULL) : NULL;
        if (!certificate)
            break;
        err = fn(arg, n, certificate);
        X509_free(certificate);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the text is an error to the reader */
    return err ? err : n ? 0 : ERR_SYNTAX;
}

static int use_certificate(void *arg, size_t index, X509 *certificate)
{
    SSL_CTX *context = arg;
    if (index == 0)
        return SSL_CTX_use_certificate(context, certificate) == 1 ? 0 : ERR_CRYPTO;
    return SSL_CTX_add1_chain_cert(context, certificate) == 1 ? 0 : ERR_CRYPTO;
}

static int trust_certificate(void *arg, size_t index, X509 *certificate)
{
    SSL_CTX *context = arg;
    (void)index;
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate) != 1)
        return ERR_CRYPTO;
    /* A server tells clients which authorities it takes, so that they can choose a certificate. */
    return SSL_CTX_add_client_CA(context, certificate) == 1 ? 0 : ERR_CRYPTO;
}

static int no_passphrase(char *text, int size, int writing, void *arg)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static int use_identity(SSL_CTX *context, const struct tls_options *options)
{
    int err = each_certificate(options->certificate, use_certificate, context);
    if (err)
        return err;
    BIO *bio = BIO_new_mem_buf(options->key_pem.p, (int)options->key_pem.n);
    if (!bio)
        return ERR_NO_MEMORY;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (!key)
        err = ERR_SYNTAX;
    else if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
        err = ERR_CONFLICT;
    EVP_PKEY_free(key);
    ERR_clear_error();
    return err;
}

static int ssl_context_build(const struct tls_options *options, SSL_CTX **ret_context)
{
    SSL_CTX *context;
    int err = tls_ssl_context_new(options->role, &context);
    if (err)
        return err;
    /* TLS 1.2 only with forward secrecy and AEAD; 1.3 has nothing else. */
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
        SSL_CTX_set1_groups_list(context, "X25519:P-256") != 1)
        err = ERR_CRYPTO;
    if (!err && options->certificate.n)
        err = use_identity(context, options);
    for (size_t i = 0; i < options->trust_count && !err; i++)
        err = each_certificate(options->trust[i], trust_certificate, context);
    int mode = SSL_VERIFY_PEER;
    if (options->role == TLS_SERVER && options->peer == TLS_PEER_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    else if (options->role == TLS_SERVER && options->peer == TLS_PEER_NONE)
        mode = SSL_VERIFY_NONE;
    SSL_CTX_set_verify(context, mode, NULL);
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
    const X509 *own = SSL_CTX_get0_certificate(context->ssl_context);
    struct tm tm;
    if (!own || ASN1_TIME_to_tm(X509_get0_notAfter(own), &tm) != 1)
        return (struct wall){0};
    return (struct wall){
        1000 * calendar_seconds(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec)};
}

void tls_context_free(struct tls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->ssl_context);
    mem_wipe(context->srp_mask_key, sizeof context->srp_mask_key);
    mem_free(context);
}

/* The certificate must be for this name; addresses are compared as addresses. */
static bool expect_name(SSL *ssl, const char *peer_name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, peer_name) == 1)
        return true;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, peer_name) == 1 && X509_VERIFY_PARAM_set1_host(param, peer_name, 0) == 1;
}

int tls_session_new(const struct tls_context *context, const char *peer_name, SSL **ret_ssl)
{
    SSL *ssl = SSL_new(context->ssl_context);
    if (!ssl)
        return ERR_NO_MEMORY;
    if (context->role == TLS_SERVER) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
        if (peer_name && !expect_name(ssl, peer_name)) {
            SSL_free(ssl);
            return ERR_RANGE;
        }
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

static enum stream_reason verification_failure(long result)
{
    switch (result) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return STREAM_TLS_SELF_SIGNED;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* an authority of the same name with another key */
    case X509_V_ERR_CERT_UNTRUSTED:
        return STREAM_TLS_UNKNOWN_CA;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return STREAM_TLS_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return STREAM_TLS_WRONG_NAME;
    default:
        return STREAM_TLS_BAD_CERTIFICATE;
    }
}

/* The alerts with which the other side refuses a certificate of ours (RFC 8446 6.2). */
static bool is_certificate_alert(int reason)
{
    switch (reason) {
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return true;
    default:
        return false;
    }
}

/* The handshake got as far as the first message under keys from the password, and that did not decrypt: on either side of the alert. */
static bool is_wrong_password(int reason)
{
    switch (reason) {
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_DIGEST_CHECK_FAILED:
    case SSL_R_SSLV3_ALERT_BAD_RECORD_MAC:
    case SSL_R_TLSV1_ALERT_DECRYPTION_FAILED:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
    case SSL_R_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY:
        return true;
    default:
        return false;
    }
}

enum stream_reason tls_failure(SSL *ssl, int ssl_error, bool srp, bool established, char *detail, size_t octets)
{
    int number = errno;
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    ERR_clear_error();
    if (code == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        bool broken = code == 0 && ssl_error == SSL_ERROR_SYSCALL && number != 0;
        snprintf(detail, octets, "%s",
                 broken        ? strerror(number)
                 : established ? "ended without notice"
                               : "ended in the handshake");
        return broken || established ? STREAM_RESET : STREAM_PEER_CLOSED;
    }
    const char *text = ERR_reason_error_string(code);
    snprintf(detail, octets, "%s", text ? text : "TLS failed");
    if (ERR_GET_LIB(code) == ERR_LIB_SYS)
        return STREAM_RESET;
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        long result = SSL_get_verify_result(ssl);
        snprintf(detail, octets, "%s", X509_verify_cert_error_string(result));
        return verification_failure(result);
    }
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return STREAM_TLS_NO_CERTIFICATE;
    if (is_certificate_alert(reason))
        return STREAM_TLS_REFUSED_BY_PEER;
    if (srp && !established && is_wrong_password(reason))
        return STREAM_SRP_FAILED;
    return STREAM_TLS_PROTOCOL;
}
