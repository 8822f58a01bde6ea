/* Certificates of ours: read, checked against their keys, and picked by the name that a client asks for. */
#include "io/tls_private.h"

#include "base/mem.h"
#include "crypt/native.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#define CHAIN_MAX 16
#define DOMAINS_OCTETS_MAX 16384

static bool is_pem(struct slice octets)
{
    static const char begin[] = "-----BEGIN";
    return octets.n > sizeof begin && memmem(octets.p, octets.n, begin, sizeof begin - 1);
}

int tls_each_certificate(struct slice octets, size_t max, tls_certificate_fn *fn, void *arg)
{
    if (octets.n > INT32_MAX)
        return ERR_LIMIT;
    BIO *bio = BIO_new_mem_buf(octets.p, (int)octets.n);
    if (!bio)
        return ERR_NO_MEMORY;
    bool pem = is_pem(octets);
    int err = 0;
    size_t n = 0;
    for (; !err; n++) {
        X509 *certificate = pem ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : n == 0 ? d2i_X509_bio(bio, NULL) : NULL;
        if (!certificate)
            break;
        err = n < max ? fn(arg, n, certificate) : ERR_LIMIT;
        X509_free(certificate);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the text is an error to the reader */
    return err ? err : n ? 0 : ERR_SYNTAX;
}

static int take_certificate(void *arg, size_t index, X509 *certificate)
{
    struct tls_shown *shown = arg;
    if (X509_up_ref(certificate) != 1)
        return ERR_NO_MEMORY;
    if (index == 0)
        shown->certificate = certificate;
    else if (sk_X509_push(shown->chain, certificate) <= 0) {
        X509_free(certificate);
        return ERR_NO_MEMORY;
    }
    return 0;
}

static int no_passphrase(char *text, int size, int writing, void *arg)
{
    (void)text, (void)size, (void)writing, (void)arg;
    return 0;
}

static int read_key(struct slice pem, EVP_PKEY **ret_key)
{
    if (pem.n > INT32_MAX)
        return ERR_LIMIT;
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (!bio)
        return ERR_NO_MEMORY;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (!key)
        return ERR_SYNTAX;
    *ret_key = key;
    return 0;
}

/* The names that pick it. */
static int read_domains(const X509 *certificate, char **ret_domains)
{
    struct buf domains;
    buf_init(&domains, DOMAINS_OCTETS_MAX);
    int err = cert_native_domains(certificate, &domains);
    if (!err && !(*ret_domains = mem_strdup(buf_text(&domains))))
        err = ERR_NO_MEMORY;
    buf_fini(&domains);
    return err;
}

/* Fills a zeroed one, which tls_identities_fini frees, also on failure. */
static int read_identity(struct slice certificate, struct slice key_pem, struct tls_shown *shown)
{
    shown->chain = sk_X509_new_null();
    int err = shown->chain ? tls_each_certificate(certificate, CHAIN_MAX, take_certificate, shown) : ERR_NO_MEMORY;
    if (!err)
        err = read_key(key_pem, &shown->key);
    if (!err && X509_check_private_key(shown->certificate, shown->key) != 1)
        err = ERR_CONFLICT;
    if (!err)
        err = read_domains(shown->certificate, &shown->domains);
    ERR_clear_error();
    return err;
}

unsigned tls_identity_for(const struct tls_state *s, const char *name)
{
    for (unsigned i = 0; name && i < s->shown_count; i++)
        if (cert_domains_have(s->shown[i].domains, name))
            return i;
    return 0;
}

unsigned tls_identity_shown(SSL *ssl)
{
    const struct tls_state *s = tls_state_of(SSL_get_SSL_CTX(ssl));
    unsigned identity;
    if (!s || s->role != TLS_SERVER)
        return 0;
    if (SSL_session_reused(ssl) && tls_resumed_identity(ssl, &identity))
        return identity;
    return tls_identity_for(s, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
}

/* OpenSSL asks when it has read what the client wants. */
static int pick(SSL *ssl, void *arg)
{
    const struct tls_state *s = arg;
    unsigned i = tls_identity_for(s, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    const struct tls_shown *shown = &s->shown[i];
    return i == 0 || SSL_use_cert_and_key(ssl, shown->certificate, shown->key, shown->chain, 1) == 1;
}

int tls_identities_set(struct tls_state *s, const struct tls_options *options, SSL_CTX *context)
{
    if (options->identity_count >= TLS_IDENTITIES_MAX)
        return ERR_LIMIT;
    if (!options->certificate.n)
        return options->identity_count ? ERR_SYNTAX : 0;
    int err = read_identity(options->certificate, options->key_pem, &s->shown[s->shown_count++]);
    for (size_t i = 0; !err && i < options->identity_count; i++)
        err = read_identity(options->identities[i].certificate, options->identities[i].key_pem,
                            &s->shown[s->shown_count++]);
    if (!err && SSL_CTX_use_cert_and_key(context, s->shown[0].certificate, s->shown[0].key, s->shown[0].chain, 1) != 1)
        err = ERR_CRYPTO;
    if (!err && s->shown_count > 1)
        SSL_CTX_set_cert_cb(context, pick, s);
    ERR_clear_error();
    return err;
}

void tls_identities_fini(struct tls_state *s)
{
    for (unsigned i = 0; i < s->shown_count; i++) {
        X509_free(s->shown[i].certificate);
        sk_X509_pop_free(s->shown[i].chain, X509_free);
        EVP_PKEY_free(s->shown[i].key);
        mem_free(s->shown[i].domains);
    }
}
