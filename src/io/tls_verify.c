/* What is thought of the other side's certificate: the chain to an authority, what it may be used for, whose name it has, and whether it was
 * revoked. In this order: what costs most is only asked of chains that are genuine. */
#include "io/tls_private.h"

#include "base/mem.h"
#include "crypt/native.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define CHAIN_DEPTH_MAX 6 /* between a certificate and its authority */
#define SEEN_MAX 64
#define DOMAINS_OCTETS_MAX 16384

/* ---- whom we believe ---- */

static int trust_certificate(void *arg, size_t index, X509 *certificate)
{
    struct tls_trust *t = arg;
    (void)index;
    if (t->count++ >= TLS_TRUST_MAX)
        return ERR_LIMIT;
    return X509_STORE_add_cert(t->store, certificate) == 1 ? 0 : ERR_CRYPTO;
}

static int read_lists(struct tls_trust *t, const struct tls_options *options)
{
    if (!options->crl_count)
        return 0;
    int err = crl_set_new(&t->crls);
    for (size_t i = 0; !err && i < options->crl_count; i++)
        err = crl_set_add(t->crls, options->crls[i]);
    return err;
}

int tls_trust_new(const struct tls_options *options, struct tls_trust **ret_trust)
{
    struct tls_trust *t = mem_alloc(sizeof *t);
    if (!t)
        return ERR_NO_MEMORY;
    t->uses = 1;
    t->store = X509_STORE_new();
    t->crl_demanded = options->crl_demanded;
    t->crl_stale_taken = options->crl_stale_taken;
    int err = t->store ? 0 : ERR_NO_MEMORY;
    for (size_t i = 0; !err && i < options->trust_count; i++)
        err = tls_each_certificate(options->trust[i], TLS_TRUST_MAX, trust_certificate, t);
    if (!err)
        err = read_lists(t, options);
    if (err) {
        tls_trust_free(t);
        return err;
    }
    *ret_trust = t;
    return 0;
}

struct tls_trust *tls_trust_use(struct tls_trust *t)
{
    t->uses++;
    return t;
}

void tls_trust_free(struct tls_trust *t)
{
    if (!t || --t->uses)
        return;
    X509_STORE_free(t->store);
    crl_set_free(t->crls);
    mem_free(t);
}

/* ---- chains ---- */

/* A list of the leaf's authority is demanded, or of all authorities in the chain. The authority's own word on itself proves nothing. */
static long judge_revocation(const struct tls_trust *t, const STACK_OF(X509) * chain, int *ret_depth)
{
    const struct wall now = tls_wall();
    for (int i = 0; i + 1 < sk_X509_num(chain); i++) {
        enum crl_verdict verdict =
            t->crls ? crl_set_judge(t->crls, sk_X509_value(chain, i), sk_X509_value(chain, i + 1), now) : CRL_NONE;
        *ret_depth = i;
        if (verdict == CRL_REVOKED)
            return X509_V_ERR_CERT_REVOKED;
        if (verdict == CRL_STALE && !t->crl_stale_taken)
            return X509_V_ERR_CRL_HAS_EXPIRED;
        if (verdict == CRL_NONE && t->crl_demanded)
            return X509_V_ERR_UNABLE_TO_GET_CRL;
    }
    return X509_V_OK;
}

/* The authority itself may do all that it vouches for; those between may have been given less. */
static long judge_purpose(enum tls_role role, const STACK_OF(X509) * chain, int *ret_depth)
{
    const enum cert_sip_role theirs = role == TLS_SERVER ? CERT_SIP_CLIENT : CERT_SIP_SERVER;
    X509 *leaf = sk_X509_value(chain, 0);
    *ret_depth = 0;
    if (!(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE)) /* without the extension all bits are set */
        return X509_V_ERR_INVALID_PURPOSE;
    for (int i = 0; i == 0 || i + 1 < sk_X509_num(chain); i++) {
        *ret_depth = i;
        if (!cert_native_is_for_sip(sk_X509_value(chain, i), theirs))
            return X509_V_ERR_INVALID_PURPOSE;
    }
    return X509_V_OK;
}

static long judge_name(X509 *leaf, const char *name)
{
    struct buf domains;
    buf_init(&domains, DOMAINS_OCTETS_MAX);
    bool is_it = cert_native_domains(leaf, &domains) == 0 && cert_domains_have(buf_text(&domains), name);
    buf_fini(&domains);
    return is_it ? X509_V_OK : X509_V_ERR_HOSTNAME_MISMATCH;
}

/* What OpenSSL does not judge. name: of a SIP domain; NULL: any. */
static long judge(const struct tls_state *s, const STACK_OF(X509) * chain, const char *name, int *ret_depth)
{
    long result = s->purpose == TLS_PURPOSE_SIP ? judge_purpose(s->role, chain, ret_depth) : X509_V_OK;
    if (result == X509_V_OK && name) {
        *ret_depth = 0;
        result = judge_name(sk_X509_value(chain, 0), name);
    }
    return result == X509_V_OK ? judge_revocation(s->trust, chain, ret_depth) : result;
}

/* Sessions that are resumed come without the certificates between: those that were seen stand in when they are verified again. */
static void remember_between(struct tls_state *s, const STACK_OF(X509) * chain)
{
    for (int i = 1; i + 1 < sk_X509_num(chain); i++) {
        X509 *between = sk_X509_value(chain, i);
        bool known = false;
        for (int k = 0; k < sk_X509_num(s->seen) && !known; k++)
            known = X509_cmp(sk_X509_value(s->seen, k), between) == 0;
        if (known || X509_up_ref(between) != 1)
            continue;
        if (sk_X509_num(s->seen) >= SEEN_MAX)
            X509_free(sk_X509_shift(s->seen));
        if (sk_X509_push(s->seen, between) <= 0)
            X509_free(between);
    }
}

static bool verify_chain(const struct tls_state *s, X509_STORE_CTX *ctx, const char *name)
{
    int depth = 0;
    if (s->purpose == TLS_PURPOSE_SIP)
        X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(ctx), X509_PURPOSE_ANY);
    if (X509_verify_cert(ctx) != 1)
        return false;
    long result = judge(s, X509_STORE_CTX_get0_chain(ctx), name, &depth);
    if (result == X509_V_OK)
        return true;
    X509_STORE_CTX_set_error(ctx, (int)result);
    X509_STORE_CTX_set_error_depth(ctx, depth);
    return false;
}

static int verify(X509_STORE_CTX *ctx, void *arg)
{
    struct tls_state *s = arg;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    if (!verify_chain(s, ctx, tls_expected_domain(ssl)))
        return 0;
    remember_between(s, X509_STORE_CTX_get0_chain(ctx));
    return 1;
}

/* A server tells clients which authorities it takes, so that they can choose a certificate. */
static void name_authorities(const struct tls_trust *t, SSL_CTX *context)
{
    STACK_OF(X509) *all = t->count <= TLS_TRUST_NAMED_MAX ? X509_STORE_get1_all_certs(t->store) : NULL;
    for (int i = 0; i < sk_X509_num(all); i++)
        (void)SSL_CTX_add_client_CA(context, sk_X509_value(all, i)); /* without memory they go by what they have */
    sk_X509_pop_free(all, X509_free);
}

void tls_verify_set(struct tls_state *s, SSL_CTX *context)
{
    int mode = SSL_VERIFY_PEER;
    if (s->role == TLS_SERVER && s->peer == TLS_PEER_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    else if (s->role == TLS_SERVER && s->peer == TLS_PEER_NONE)
        mode = SSL_VERIFY_NONE;
    SSL_CTX_set1_cert_store(context, s->trust->store);
    SSL_CTX_set_verify(context, mode, NULL);
    SSL_CTX_set_verify_depth(context, CHAIN_DEPTH_MAX);
    SSL_CTX_set_cert_verify_callback(context, verify, s);
    if (s->role == TLS_SERVER)
        name_authorities(s->trust, context);
}

struct wall tls_verified_until(const struct tls_state *s, const STACK_OF(X509) * chain)
{
    struct wall until = {INT64_MAX};
    for (int i = 0; i < sk_X509_num(chain); i++) {
        struct wall end = tls_time(X509_get0_notAfter(sk_X509_value(chain, i)));
        until.ms = end.ms < until.ms ? end.ms : until.ms;
    }
    struct wall lists_end = s->trust->crls ? crl_set_ends_at(s->trust->crls) : (struct wall){0};
    if (lists_end.ms && !s->trust->crl_stale_taken && lists_end.ms < until.ms)
        until = lists_end;
    return until;
}

/* ---- again ---- */

/* All that may lie between: what came with the certificate, and what was seen with others. */
static STACK_OF(X509) * between(SSL *ssl)
{
    const struct tls_state *s = tls_state_of(SSL_get_SSL_CTX(ssl));
    const STACK_OF(X509) *shown = SSL_get_peer_cert_chain(ssl);
    STACK_OF(X509) *all = shown ? sk_X509_dup(shown) : sk_X509_new_null();
    for (int i = 0; all && s && i < sk_X509_num(s->seen); i++)
        if (sk_X509_push(all, sk_X509_value(s->seen, i)) <= 0)
            break; /* one that is missing makes for a chain that does not verify */
    return all;
}

static int prepare(X509_STORE_CTX *ctx, const struct tls_context *context, X509 *certificate, STACK_OF(X509) * others)
{
    const struct tls_state *s = tls_state_of(context->ssl_context);
    if (X509_STORE_CTX_init(ctx, s->trust->store, certificate, others) != 1 ||
        X509_STORE_CTX_set_default(ctx, s->role == TLS_SERVER ? "ssl_client" : "ssl_server") != 1)
        return ERR_NO_MEMORY;
    X509_STORE_CTX_set_depth(ctx, CHAIN_DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), SSL_CTX_get_security_level(context->ssl_context));
    return 0;
}

bool tls_verify_again(SSL *ssl, const struct tls_context *context, enum stream_reason *ret_reason)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (!certificate || context->srp)
        return true;
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *others = between(ssl);
    bool is_good = false;
    enum stream_reason reason = STREAM_LOCAL_FAILURE;
    ERR_set_mark();
    if (ctx && others && prepare(ctx, context, certificate, others) == 0) {
        is_good = verify_chain(tls_state_of(context->ssl_context), ctx, NULL);
        if (!is_good)
            reason = tls_verification_failure(X509_STORE_CTX_get_error(ctx));
    }
    ERR_pop_to_mark();
    sk_X509_free(others);
    X509_STORE_CTX_free(ctx);
    if (!is_good)
        *ret_reason = reason;
    return is_good;
}
