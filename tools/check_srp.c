/* Asked when the build is set up: does this OpenSSL still do TLS-SRP? A handshake between two sessions in memory, right and wrong password;
 * exit status 0 if it does. SRP is deprecated since OpenSSL 3.0 and may be left out of a build. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/srp.h>
#include <openssl/ssl.h>

static char username[] = "somebody";

static int server_params(SSL *ssl, int *alert, void *arg)
{
    (void)arg;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_set_srp_server_param_pw(ssl, SSL_get_srp_username(ssl), "right", "2048") == 1 ? SSL_ERROR_NONE
                                                                                             : SSL3_AL_FATAL;
}

static char *client_password(SSL *ssl, void *arg)
{
    (void)ssl;
    return OPENSSL_strdup(arg);
}

static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (context)
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    return context && SSL_CTX_set_cipher_list(context, "SRP-AES-128-CBC-SHA") == 1 ? context : NULL;
}

/* 1 if both sides complete. */
static int handshake(char *password)
{
    SSL_CTX *server_context = context_new(TLS_server_method()), *client_context = context_new(TLS_client_method());
    if (!server_context || !client_context)
        return 0;
    SSL_CTX_set_srp_username_callback(server_context, server_params);
    SSL_CTX_set_srp_cb_arg(client_context, password);
    SSL_CTX_set_srp_client_pwd_callback(client_context, client_password);
    SSL_CTX_set_srp_username(client_context, username);
    SSL *server = SSL_new(server_context), *client = SSL_new(client_context);
    BIO *one, *other;
    if (!server || !client || BIO_new_bio_pair(&one, 0, &other, 0) != 1)
        return 0;
    SSL_set_bio(server, one, one);
    SSL_set_bio(client, other, other);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    int done = 0;
    for (int i = 0; i < 10 && !done; i++) {
        int client_done = SSL_do_handshake(client) == 1;
        int server_done = SSL_do_handshake(server) == 1;
        done = client_done && server_done;
    }
    SSL_free(server);
    SSL_free(client);
    SSL_CTX_free(server_context);
    SSL_CTX_free(client_context);
    return done;
}

int main(void)
{
    static char right[] = "right", wrong[] = "wrong";
    return handshake(right) && !handshake(wrong) ? 0 : 1;
}
