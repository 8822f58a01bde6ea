/* The names of all the ways in which a handshake fails, and a connection after it. */
#include "io/tls_private.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum stream_reason tls_verification_failure(long result)
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
    case X509_V_ERR_INVALID_PURPOSE:
        return STREAM_TLS_WRONG_PURPOSE;
    case X509_V_ERR_CERT_REVOKED:
        return STREAM_TLS_REVOKED;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_HAS_EXPIRED:
        return STREAM_TLS_NO_CRL;
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
        return tls_verification_failure(result);
    }
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return STREAM_TLS_NO_CERTIFICATE;
    if (is_certificate_alert(reason))
        return STREAM_TLS_REFUSED_BY_PEER;
    if (srp && !established && is_wrong_password(reason))
        return STREAM_SRP_FAILED;
    return STREAM_TLS_PROTOCOL;
}
