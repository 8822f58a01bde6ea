/* TLS-SRP on OpenSSL's deprecated SRP functions: nothing else in the tree calls them. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "io/tls_srp.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypt/digest.h"
#include "io/tls_private.h"

#include <openssl/err.h>
#include <openssl/srp.h>

#ifdef OPENSSL_NO_SRP
#error "this OpenSSL was built without SRP; Debian's has it"
#endif

#define SALT_OCTETS 16
#define GROUP "2048"
#define GROUP_BITS 2048

/* Two independent values per username: what only the holder of the mask key can tell from random. */
static void mask(const struct tls_context *context, char purpose, struct slice username, uint8_t ret_mac[SHA256_OCTETS])
{
    uint8_t text[1 + TLS_SRP_USERNAME_OCTETS_MAX];
    text[0] = (uint8_t)purpose;
    memcpy(text + 1, username.p, username.n);
    hmac_sha256(slice_of(context->srp_mask_key, sizeof context->srp_mask_key), slice_of(text, 1 + username.n), ret_mac);
}

/* Salt and verifier for the username; the same work whether or not there is a password. */
static int set_verifier(SSL *ssl, const struct tls_context *context, const char *username, const char *password)
{
    uint8_t mac[SHA256_OCTETS];
    mask(context, 's', slice_str(username), mac);
    const SRP_gN *group = SRP_get_default_gN(GROUP);
    BIGNUM *salt = BN_bin2bn(mac, SALT_OCTETS, NULL);
    BIGNUM *verifier = NULL;
    int err = ERR_CRYPTO;
    if (group && salt && SRP_create_verifier_BN(username, password, &salt, &verifier, group->N, group->g) == 1 &&
        SSL_set_srp_server_param(ssl, group->N, group->g, salt, verifier, NULL) == 1)
        err = 0;
    BN_free(salt);
    BN_clear_free(verifier);
    return err;
}

static int username_received(SSL *ssl, int *ret_alert, void *arg)
{
    const struct tls_context *context = arg;
    const char *username = SSL_get_srp_username(ssl);
    size_t n = username ? strlen(username) : 0;
    if (n == 0 || n > TLS_SRP_USERNAME_OCTETS_MAX) {
        *ret_alert = SSL_AD_UNKNOWN_PSK_IDENTITY;
        return SSL3_AL_FATAL;
    }
    uint8_t mac[SHA256_OCTETS];
    char stand_in[2 * SHA256_OCTETS + 1];
    mask(context, 'p', slice_of(username, n), mac);
    hex_format(slice_of(mac, sizeof mac), stand_in);

    struct buf password;
    buf_init(&password, TLS_SRP_PASSWORD_OCTETS_MAX);
    int err = context->srp_password(context->srp_arg, SSL_get_app_data(ssl), slice_of(username, n), &password);
    const char *text = err == ERR_NOT_FOUND ? stand_in : buf_text(&password);
    if (err == ERR_NOT_FOUND || (!err && !(err = password.err)))
        err = set_verifier(ssl, context, username, text);
    buf_fini_secret(&password);
    mem_wipe(stand_in, sizeof stand_in);
    if (!err)
        return SSL_ERROR_NONE;
    *ret_alert = SSL_AD_INTERNAL_ERROR;
    return SSL3_AL_FATAL;
}

static char *give_password(SSL *ssl, void *arg)
{
    (void)arg;
    const char *password = stream_srp_password(SSL_get_app_data(ssl));
    return password ? OPENSSL_strdup(password) : NULL; /* the library wipes and frees it */
}

static int context_new(enum tls_role role, struct tls_context **ret_context)
{
    struct tls_context *context = mem_alloc(sizeof *context);
    if (!context)
        return ERR_NO_MEMORY;
    context->role = role;
    context->srp = true;
    int err = tls_ssl_context_new(role, &context->ssl_context);
    SSL_CTX *ssl_context = context->ssl_context;
    if (!err && (SSL_CTX_set_min_proto_version(ssl_context, TLS1_2_VERSION) != 1 ||
                 SSL_CTX_set_max_proto_version(ssl_context, TLS1_2_VERSION) != 1 ||
                 SSL_CTX_set_cipher_list(ssl_context, "SRP-AES-128-CBC-SHA") != 1 ||
                 SSL_CTX_set_srp_cb_arg(ssl_context, context) != 1))
        err = ERR_CRYPTO;
    if (err) {
        tls_context_free(context);
        return err;
    }
    *ret_context = context;
    return 0;
}

int tls_srp_server_new(const uint8_t mask_key[TLS_SRP_MASK_KEY_OCTETS], tls_srp_password_fn *password, void *arg,
                       struct tls_context **ret_context)
{
    struct tls_context *context;
    int err = context_new(TLS_SERVER, &context);
    if (err)
        return err;
    memcpy(context->srp_mask_key, mask_key, TLS_SRP_MASK_KEY_OCTETS);
    context->srp_password = password;
    context->srp_arg = arg;
    SSL_CTX_set_srp_username_callback(context->ssl_context, username_received);
    SSL_CTX_set_verify(context->ssl_context, SSL_VERIFY_NONE, NULL);
    *ret_context = context;
    return 0;
}

int tls_srp_client_new(struct tls_context **ret_context)
{
    struct tls_context *context;
    int err = context_new(TLS_CLIENT, &context);
    if (err)
        return err;
    SSL_CTX_set_srp_client_pwd_callback(context->ssl_context, give_password);
    SSL_CTX_set_srp_strength(context->ssl_context, GROUP_BITS);
    *ret_context = context;
    return 0;
}

int tls_srp_session_new(const struct tls_context *context, struct stream *stream, const char *username, SSL **ret_ssl)
{
    /* A session copies the username that the context has at that moment. */
    char name[TLS_SRP_USERNAME_OCTETS_MAX + 1];
    if (context->role == TLS_CLIENT) {
        size_t n = username ? strlen(username) : 0;
        if (n == 0 || n > TLS_SRP_USERNAME_OCTETS_MAX)
            return ERR_RANGE;
        memcpy(name, username, n + 1);
        if (SSL_CTX_set_srp_username(context->ssl_context, name) != 1)
            return ERR_CRYPTO;
    }
    SSL *ssl;
    int err = tls_session_new(context, NULL, NULL, &ssl);
    if (err)
        return err;
    SSL_set_app_data(ssl, stream);
    *ret_ssl = ssl;
    return 0;
}
