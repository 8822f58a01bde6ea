/* What challenges and credentials say, and the hash that both sides compute. */
#include "sip/digest.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypt/digest.h"
#include "sip/cursor.h"
#include "sip/scan.h"

#define RULE "digest, RFC 7616 3.4"

static const struct algorithm {
    const char *name;
    size_t octets;
    void (*hash)(struct slice data, uint8_t *ret_digest);
    bool sess;
} algorithms[SIP_DIGEST_ALGORITHMS] = {
    [SIP_DIGEST_SHA_256] = {"SHA-256", SHA256_OCTETS, digest_sha256, false},
    [SIP_DIGEST_SHA_256_SESS] = {"SHA-256-sess", SHA256_OCTETS, digest_sha256, true},
    [SIP_DIGEST_MD5] = {"MD5", MD5_OCTETS, digest_md5, false},
    [SIP_DIGEST_MD5_SESS] = {"MD5-sess", MD5_OCTETS, digest_md5, true},
};

const char *sip_digest_name(enum sip_digest_algorithm algorithm)
{
    return algorithms[algorithm].name;
}

/* ---- reading ---- */

static const struct place {
    const char *name;
    size_t offset;
} places[] = {
    {"realm", offsetof(struct sip_digest_params, realm)},
    {"nonce", offsetof(struct sip_digest_params, nonce)},
    {"opaque", offsetof(struct sip_digest_params, opaque)},
    {"algorithm", offsetof(struct sip_digest_params, algorithm_text)},
    {"qop", offsetof(struct sip_digest_params, qop_text)},
    {"stale", offsetof(struct sip_digest_params, stale_text)},
    {"domain", offsetof(struct sip_digest_params, domain)},
    {"username", offsetof(struct sip_digest_params, username)},
    {"uri", offsetof(struct sip_digest_params, uri)},
    {"response", offsetof(struct sip_digest_params, response)},
    {"cnonce", offsetof(struct sip_digest_params, cnonce)},
    {"nc", offsetof(struct sip_digest_params, nc)},
    {"userhash", offsetof(struct sip_digest_params, userhash_text)},
};

/* Where a parameter of that name is kept; NULL: nowhere (auth-param). */
static struct slice *place_of(struct sip_digest_params *params, struct slice name)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (text_equal_nocase(name, slice_str(places[i].name)))
            return (struct slice *)(void *)((uint8_t *)params + places[i].offset);
    return NULL;
}

/* A token or a quoted string. What is hashed cannot be folded: nobody would agree with whom on what to hash. */
static struct slice read_value(struct sip_cursor *c)
{
    const uint8_t *begin = c->p, *wrong = c->p;
    if (begin == c->end || *begin != '"')
        return sip_cursor_span(c, CHAR_TOKEN, "auth-param's value, RFC 3261 25.1");
    const uint8_t *next = sip_skip_quoted(begin, c->end, &wrong);
    if (!next || memchr(begin, '\r', (size_t)(next - begin))) {
        sip_cursor_fail_at(c, ERR_SYNTAX, wrong, "quoted string, RFC 3261 25.1");
        return slice_of(begin, 0);
    }
    c->p = next;
    return slice_of(begin, (size_t)(next - begin));
}

static void read_param(struct sip_cursor *c, struct sip_digest_params *params)
{
    const uint8_t *begin = c->p;
    struct slice name = sip_cursor_span(c, CHAR_TOKEN, "auth-param's name, RFC 3261 25.1");
    if (!c->err && !sip_cursor_take(c, '='))
        sip_cursor_fail(c, ERR_SYNTAX, "auth-param without a value, RFC 3261 25.1");
    if (c->err)
        return;
    struct slice value = read_value(c);
    struct slice *place = place_of(params, name);
    if (c->err || !place)
        return;
    if (place->p)
        sip_cursor_fail_at(c, ERR_SYNTAX, begin, "parameter given twice, " RULE);
    else if (value.n > SIP_DIGEST_VALUE_OCTETS_MAX)
        sip_cursor_fail_at(c, ERR_LIMIT, begin, "octets of a parameter, " RULE);
    *place = value;
}

static struct slice bare(struct slice value)
{
    return value.n >= 2 && value.p[0] == '"' ? slice_of(value.p + 1, value.n - 2) : value;
}

static void read_algorithm(struct sip_cursor *c, struct sip_digest_params *params)
{
    struct slice text = bare(params->algorithm_text);
    params->algorithm = SIP_DIGEST_MD5; /* RFC 7616 3.3: where none is given */
    if (!params->algorithm_text.p)
        return;
    for (int i = 0; i < SIP_DIGEST_ALGORITHMS; i++)
        if (text_equal_nocase(text, slice_str(algorithms[i].name))) {
            params->algorithm = (enum sip_digest_algorithm)i;
            return;
        }
    sip_cursor_fail_at(c, ERR_UNSUPPORTED, params->algorithm_text.p, "algorithm, RFC 7616 3.3");
}

/* qop-options: tokens, separated by commas. Those that nobody knows do not count. */
static void read_qop(struct sip_cursor *c, struct sip_digest_params *params)
{
    struct slice rest = bare(params->qop_text);
    while (rest.n) {
        struct slice option = text_trim(text_cut(&rest, ','));
        if (text_equal_nocase(option, slice_str("auth")))
            params->qop |= SIP_QOP_AUTH;
        else if (text_equal_nocase(option, slice_str("auth-int")))
            params->qop |= SIP_QOP_AUTH_INT;
    }
    if (params->qop_text.p && !params->qop)
        sip_cursor_fail_at(c, ERR_UNSUPPORTED, params->qop_text.p, "qop, RFC 7616 3.3");
}

static void read_params(struct sip_cursor *c, struct sip_digest_params *params)
{
    sip_cursor_space(c);
    const uint8_t *begin = c->p;
    struct slice scheme = sip_cursor_span(c, CHAR_TOKEN, "auth-scheme, RFC 3261 25.1");
    if (!c->err && !text_equal_nocase(scheme, slice_str("Digest")))
        sip_cursor_fail_at(c, ERR_UNSUPPORTED, begin, "auth-scheme, RFC 3261 22.4");
    const uint8_t *first = c->p;
    sip_cursor_space(c);
    if (!c->err && c->p == first)
        sip_cursor_fail(c, ERR_SYNTAX, "space behind the auth-scheme, RFC 3261 25.1");
    if (c->err)
        return;
    do
        read_param(c, params);
    while (!c->err && sip_cursor_take(c, ','));
    sip_cursor_end(c, "behind an auth-param, RFC 3261 25.1");
    if (c->err)
        return;
    read_algorithm(c, params);
    read_qop(c, params);
    params->stale = text_equal_nocase(bare(params->stale_text), slice_str("true"));
    params->userhash = text_equal_nocase(bare(params->userhash_text), slice_str("true"));
}

int sip_read_challenge(struct sip_cursor *c, struct sip_digest_params *ret_challenge)
{
    struct sip_digest_params params = {0};
    read_params(c, &params);
    if (!c->err && (!params.realm.p || !params.nonce.p))
        sip_cursor_fail(c, ERR_SYNTAX, "challenge without realm or nonce, RFC 7616 3.3");
    if (!c->err)
        *ret_challenge = params;
    return c->err;
}

static bool is_hex(struct slice text, size_t digits)
{
    return text.n == digits && sip_span(text.p, sip_end_of(text), CHAR_HEX) == sip_end_of(text);
}

/* 8LHEX; zero counts nothing. */
static void read_count(struct sip_cursor *c, struct sip_digest_params *params)
{
    struct slice nc = bare(params->nc);
    uint8_t octets[4];
    if (nc.n != 8 || hex_parse(nc, octets) < 0 || !memcmp(octets, "\0\0\0", 4)) {
        sip_cursor_fail(c, ERR_SYNTAX, "nc, RFC 7616 3.4");
        return;
    }
    params->count = (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 | octets[3];
}

int sip_read_credentials(struct sip_cursor *c, struct sip_digest_params *ret_credentials)
{
    struct sip_digest_params params = {0};
    read_params(c, &params);
    if (c->err)
        return c->err;
    if (!params.username.p || !params.realm.p || !params.nonce.p || !params.uri.p || !params.response.p)
        sip_cursor_fail(c, ERR_SYNTAX,
                        "credentials without one of username, realm, nonce, uri, response, RFC 7616 3.4");
    else if (!is_hex(bare(params.response), 2 * algorithms[params.algorithm].octets))
        sip_cursor_fail_at(c, ERR_SYNTAX, params.response.p, "response, RFC 7616 3.4.1");
    else if (params.qop == (SIP_QOP_AUTH | SIP_QOP_AUTH_INT))
        sip_cursor_fail_at(c, ERR_SYNTAX, params.qop_text.p, "one qop only, RFC 7616 3.4");
    else if (params.qop && !params.cnonce.p)
        sip_cursor_fail(c, ERR_SYNTAX, "qop without cnonce, RFC 7616 3.4");
    else if (params.qop)
        read_count(c, &params);
    if (!c->err)
        *ret_credentials = params;
    return c->err;
}

/* ---- the hash ---- */

/* The hash of the parts with colons between them, in hexadecimal. They are joined in one piece, so that no copy of a secret stays behind. */
static int hash_parts(const struct algorithm *algorithm, const struct slice *parts, size_t count,
                      char ret_text[SIP_DIGEST_TEXT_OCTETS])
{
    uint8_t hash[SHA256_OCTETS], near[512];
    size_t n = count - 1, at = 0;
    for (size_t i = 0; i < count; i++)
        n += parts[i].n;
    uint8_t *text = n <= sizeof near ? near : mem_alloc(n);
    if (!text)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (i)
            text[at++] = ':';
        if (parts[i].n)
            memcpy(text + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    algorithm->hash(slice_of(text, n), hash);
    hex_format(slice_of(hash, algorithm->octets), ret_text);
    mem_wipe(hash, sizeof hash);
    mem_wipe(text, n);
    if (text != near)
        mem_free(text);
    return 0;
}

int sip_digest_compute(const struct sip_digest_terms *t, char ret_text[SIP_DIGEST_TEXT_OCTETS])
{
    const struct algorithm *algorithm = &algorithms[t->algorithm];
    char a1[SIP_DIGEST_TEXT_OCTETS], a2[SIP_DIGEST_TEXT_OCTETS], body[SIP_DIGEST_TEXT_OCTETS];
    int err = hash_parts(algorithm, (struct slice[]){t->user, t->realm, t->password}, 3, a1);
    if (!err && algorithm->sess)
        err = hash_parts(algorithm, (struct slice[]){slice_str(a1), t->nonce, t->cnonce}, 3, a1);
    if (!err && t->qop == SIP_QOP_AUTH_INT)
        err = hash_parts(algorithm, &t->body, 1, body);
    if (!err && t->qop == SIP_QOP_AUTH_INT)
        err = hash_parts(algorithm, (struct slice[]){t->method, t->uri, slice_str(body)}, 3, a2);
    else if (!err)
        err = hash_parts(algorithm, (struct slice[]){t->method, t->uri}, 2, a2);
    const char *qop = t->qop == SIP_QOP_AUTH_INT ? "auth-int" : "auth";
    if (!err && t->qop)
        err = hash_parts(algorithm,
                         (struct slice[]){slice_str(a1), t->nonce, t->nc, t->cnonce, slice_str(qop), slice_str(a2)}, 6,
                         ret_text);
    else if (!err)
        err = hash_parts(algorithm, (struct slice[]){slice_str(a1), t->nonce, slice_str(a2)}, 3, ret_text);
    mem_wipe(a1, sizeof a1);
    return err;
}

int sip_digest_hash_user(enum sip_digest_algorithm algorithm, struct slice user, struct slice realm,
                         char ret_text[SIP_DIGEST_TEXT_OCTETS])
{
    return hash_parts(&algorithms[algorithm], (struct slice[]){user, realm}, 2, ret_text);
}
