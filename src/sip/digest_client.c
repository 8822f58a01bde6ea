/* Digest of the client: the best challenge, and the answer to it. */
#include "sip/digest.h"

#include "base/mem.h"
#include "base/text.h"
#include "sip/write.h"

#include <stdio.h>

#define CNONCE_OCTETS 16

static const struct side {
    enum sip_header challenge, answer;
} sides[2] = {
    {SIP_WWW_AUTHENTICATE, SIP_AUTHORIZATION},
    {SIP_PROXY_AUTHENTICATE, SIP_PROXY_AUTHORIZATION},
};

void sip_digest_client_init(struct sip_digest_client *c)
{
    *c = (struct sip_digest_client){0};
    for (unsigned i = 0; i < 2; i++)
        buf_init(&c->asked[i].challenge, SIP_HEADER_OCTETS_MAX);
}

void sip_digest_client_fini(struct sip_digest_client *c)
{
    for (unsigned i = 0; i < 2; i++)
        buf_fini(&c->asked[i].challenge);
}

static void forget(struct sip_digest_asked *asked)
{
    buf_clear(&asked->challenge);
    asked->count = 0;
    asked->proven = false;
}

void sip_digest_forget(struct sip_digest_client *c)
{
    for (unsigned i = 0; i < 2; i++)
        forget(&c->asked[i]);
}

void sip_digest_accepted(struct sip_digest_client *c)
{
    for (unsigned i = 0; i < 2; i++)
        c->asked[i].proven |= c->asked[i].count > 0;
}

/* The best of one header: by algorithm, the first of equals. ERR_NOT_FOUND, ERR_UNSUPPORTED. */
static int find_best(const struct sip_message *response, enum sip_header header, const struct sip_field **ret_field,
                     struct sip_digest_params *ret_best)
{
    int err = ERR_NOT_FOUND;
    for (const struct sip_field *f = sip_field_first(response, header); f; f = sip_field_next(response, f)) {
        struct sip_cursor c = sip_field_cursor(response, f);
        struct sip_digest_params params;
        if (sip_read_challenge(&c, &params) < 0) {
            err = err ? ERR_UNSUPPORTED : 0;
        } else if (err || params.algorithm < ret_best->algorithm) {
            err = 0;
            *ret_field = f;
            *ret_best = params;
        }
    }
    return err;
}

static struct slice bare(struct slice value)
{
    return value.n >= 2 && value.p[0] == '"' ? slice_of(value.p + 1, value.n - 2) : value;
}

/* True if the request came with credentials for the nonce of the challenge that is kept. */
static bool has_answer(const struct sip_digest_asked *asked, const struct sip_message *request, enum sip_header header)
{
    struct slice challenge = buf_slice(&asked->challenge);
    struct sip_digest_params kept, sent;
    struct sip_cursor c;
    sip_cursor_init(&c, challenge, challenge);
    if (!challenge.n || sip_read_challenge(&c, &kept) < 0)
        return false;
    for (const struct sip_field *f = sip_field_first(request, header); f; f = sip_field_next(request, f)) {
        c = sip_field_cursor(request, f);
        if (!sip_read_credentials(&c, &sent) && slice_eq(bare(sent.nonce), bare(kept.nonce)))
            return true;
    }
    return false;
}

/* A nonce that was good before may have become old without a word of it. One that was never good means the password. */
static int take(struct sip_digest_asked *asked, const struct side *side, const struct sip_message *request,
                const struct sip_message *response)
{
    const struct sip_field *field = NULL;
    struct sip_digest_params best;
    int err = find_best(response, side->challenge, &field, &best);
    if (err)
        return err;
    if (!asked->proven && !best.stale && has_answer(asked, request, side->answer))
        return ERR_AUTH;
    forget(asked);
    buf_slice_put(&asked->challenge, field->value);
    return asked->challenge.err;
}

int sip_digest_challenged(struct sip_digest_client *c, const struct sip_message *request,
                          const struct sip_message *response)
{
    int errs[2];
    for (unsigned i = 0; i < 2; i++) {
        errs[i] = take(&c->asked[i], &sides[i], request, response);
        if (errs[i] && errs[i] != ERR_NOT_FOUND)
            return errs[i];
    }
    return errs[0] && errs[1] ? ERR_NOT_FOUND : 0;
}

/* As it stood in the challenge, in quotes. */
static void put_again(struct buf *out, const char *name, struct slice value)
{
    buf_str(out, name);
    if (value.n && value.p[0] == '"')
        buf_slice_put(out, value);
    else
        sip_quote(value, out);
}

static void put_answer(struct buf *out, const struct sip_digest_params *p, const struct sip_digest_terms *t,
                       struct slice username, const char *response)
{
    buf_str(out, "Digest username=");
    sip_quote(username, out);
    put_again(out, ", realm=", p->realm);
    put_again(out, ", nonce=", p->nonce);
    put_again(out, ", uri=", t->uri);
    buf_printf(out, ", response=\"%s\", algorithm=%s", response, sip_digest_name(t->algorithm));
    if (t->cnonce.n)
        put_again(out, ", cnonce=", t->cnonce);
    if (t->qop)
        buf_printf(out, ", qop=%s, nc=%.*s", t->qop == SIP_QOP_AUTH_INT ? "auth-int" : "auth", SLICE_PRINT(t->nc));
    if (p->opaque.p)
        put_again(out, ", opaque=", p->opaque);
    if (p->userhash)
        buf_str(out, ", userhash=true");
}

/* Fills in what the challenge says and writes the value. */
static int answer(struct sip_digest_asked *asked, const struct sip_digest_params *p, struct sip_digest_terms *t,
                  struct buf *out)
{
    char response[SIP_DIGEST_TEXT_OCTETS], hashed[SIP_DIGEST_TEXT_OCTETS], nc[9];
    struct slice username = t->user;
    struct buf text;
    snprintf(nc, sizeof nc, "%08x", ++asked->count);
    buf_init(&text, (size_t)2 * SIP_DIGEST_VALUE_OCTETS_MAX);
    sip_unquote(p->realm, &text);
    size_t realm_octets = text.n;
    sip_unquote(p->nonce, &text);
    t->algorithm = p->algorithm;
    t->qop = p->qop & SIP_QOP_AUTH ? SIP_QOP_AUTH : (enum sip_qop)p->qop;
    t->nc = slice_str(nc);
    int err = text.err;
    if (!err) {
        t->realm = slice_of(text.p, realm_octets);
        t->nonce = text.n > realm_octets ? slice_of(text.p + realm_octets, text.n - realm_octets) : t->nonce;
        err = sip_digest_compute(t, response);
    }
    if (!err && p->userhash) {
        err = sip_digest_hash_user(t->algorithm, t->user, t->realm, hashed);
        username = slice_str(hashed);
    }
    if (!err)
        put_answer(out, p, t, username, response);
    buf_fini(&text);
    return err ? err : out->err;
}

int sip_digest_answer(struct sip_digest_client *c, const struct entropy *entropy, enum sip_header header,
                      struct slice user, struct slice password, struct slice method, struct slice uri,
                      struct slice body, struct buf *out)
{
    uint8_t random[CNONCE_OCTETS];
    char cnonce[2 * CNONCE_OCTETS + 1];
    struct sip_digest_asked *asked = &c->asked[header == SIP_PROXY_AUTHORIZATION];
    struct sip_digest_params params;
    struct sip_cursor cursor;
    struct slice challenge = buf_slice(&asked->challenge);
    if (!challenge.n)
        return ERR_NOT_FOUND;
    if (!sip_value_is_good(user) || !sip_value_is_good(uri))
        return ERR_RANGE;
    sip_cursor_init(&cursor, challenge, challenge);
    int err = sip_read_challenge(&cursor, &params);
    if (err)
        return err;
    bool needs_cnonce =
        params.qop || params.algorithm == SIP_DIGEST_MD5_SESS || params.algorithm == SIP_DIGEST_SHA_256_SESS;
    entropy_fill(entropy, random, sizeof random);
    hex_format(slice_of(random, sizeof random), cnonce);
    struct sip_digest_terms terms = {
        .user = user,
        .password = password,
        .cnonce = needs_cnonce ? slice_str(cnonce) : (struct slice){NULL, 0},
        .method = method,
        .uri = uri,
        .body = body,
    };
    return answer(asked, &params, &terms, out);
}
