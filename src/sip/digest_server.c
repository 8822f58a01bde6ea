/* Digest of the server: nonces that nobody has to remember, and counts that are used once. */
#include "sip/digest.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypt/digest.h"

#define ID_OCTETS 8
#define MAC_OCTETS 16
#define NONCE_DIGITS ((size_t)2 * (ID_OCTETS + MAC_OCTETS))
#define ID_MS_SHIFT 16 /* so many nonces of one millisecond differ without running ahead of time */
#define WINDOW 32      /* counts may come so far out of order */

/* The nonce that has the slot, and which of its counts were used: newest, and as bits the 32 before it. */
struct sip_digest_used {
    uint64_t id; /* 0: none */
    uint32_t newest;
    uint32_t before;
};

int sip_digest_server_init(struct sip_digest_server *s, const char *realm, const uint8_t key[SIP_DIGEST_KEY_OCTETS],
                           int64_t nonce_ms, size_t slots)
{
    if (!slots || (slots & (slots - 1)) || slots > SIZE_MAX / sizeof *s->used || nonce_ms <= 0)
        return ERR_RANGE;
    struct sip_digest_used *used = mem_alloc(slots * sizeof *used);
    if (!used)
        return ERR_NO_MEMORY;
    *s = (struct sip_digest_server){.realm = realm, .nonce_ms = nonce_ms, .used = used, .slots = slots};
    memcpy(s->key, key, sizeof s->key);
    return 0;
}

void sip_digest_server_fini(struct sip_digest_server *s)
{
    mem_wipe(s->key, sizeof s->key);
    mem_free(s->used);
    *s = (struct sip_digest_server){0};
}

/* ---- nonces ---- */

static uint64_t id_of(struct now now)
{
    return (uint64_t)(now.mono.us / 1000 + 1) << ID_MS_SHIFT;
}

static void sign(const struct sip_digest_server *s, uint64_t id, uint8_t ret_octets[ID_OCTETS + MAC_OCTETS])
{
    uint8_t mac[SHA256_OCTETS];
    for (unsigned i = 0; i < ID_OCTETS; i++)
        ret_octets[i] = (uint8_t)(id >> (56 - 8 * i));
    hmac_sha256(slice_of(s->key, sizeof s->key), slice_of(ret_octets, ID_OCTETS), mac);
    memcpy(ret_octets + ID_OCTETS, mac, MAC_OCTETS);
}

/* The number in a nonce of ours, and the slot that it wants: false if it is none of ours. */
static bool read_nonce(const struct sip_digest_server *s, struct slice nonce, uint64_t *ret_id, size_t *ret_slot)
{
    uint8_t octets[ID_OCTETS + MAC_OCTETS], wanted[ID_OCTETS + MAC_OCTETS];
    uint64_t id = 0;
    if (nonce.n != NONCE_DIGITS || hex_parse(nonce, octets) < 0)
        return false;
    for (unsigned i = 0; i < ID_OCTETS; i++)
        id = id << 8 | octets[i];
    sign(s, id, wanted);
    if (!mem_equal_secret(octets, wanted, sizeof wanted))
        return false;
    size_t slot = 0;
    for (unsigned i = 0; i < 4; i++)
        slot = slot << 8 | wanted[ID_OCTETS + i];
    *ret_id = id;
    *ret_slot = slot & (s->slots - 1);
    return true;
}

void sip_digest_put_challenge(struct sip_digest_server *s, struct now now, enum sip_header header,
                              enum sip_digest_algorithm algorithm, bool stale, struct buf *out)
{
    uint8_t octets[ID_OCTETS + MAC_OCTETS];
    uint64_t id = id_of(now);
    s->last_id = id > s->last_id ? id : s->last_id + 1;
    sign(s, s->last_id, octets);
    buf_str(out, sip_header_name(header));
    buf_str(out, ": Digest realm=");
    sip_quote(slice_str(s->realm), out);
    buf_str(out, ", qop=\"auth,auth-int\", nonce=\"");
    hex_append(out, slice_of(octets, sizeof octets));
    buf_str(out, "\", algorithm=");
    buf_str(out, sip_digest_name(algorithm));
    buf_str(out, stale ? ", stale=true" : "");
    buf_str(out, ", userhash=true\r\n");
}

void sip_digest_put_challenges(struct sip_digest_server *s, struct now now, enum sip_header header, bool stale,
                               struct buf *out)
{
    sip_digest_put_challenge(s, now, header, SIP_DIGEST_SHA_256, stale, out);
    sip_digest_put_challenge(s, now, header, SIP_DIGEST_MD5, stale, out);
}

/* Takes the count out of those that are good. */
static bool use_count(struct sip_digest_used *used, uint64_t id, uint32_t count)
{
    if (used->id > id)
        return false; /* a newer nonce has its place */
    if (used->id < id)
        *used = (struct sip_digest_used){.id = id};
    if (count > used->newest) {
        uint32_t step = count - used->newest;
        uint32_t before = step < WINDOW ? used->before << step : 0;
        if (used->newest && step <= WINDOW)
            before |= UINT32_C(1) << (step - 1);
        used->newest = count;
        used->before = before;
        return true;
    }
    uint32_t age = used->newest - count;
    if (age == 0 || age > WINDOW)
        return false;
    uint32_t bit = UINT32_C(1) << (age - 1);
    bool is_new = !(used->before & bit);
    used->before |= bit;
    return is_new;
}

/* Without qop there is no count: such a nonce is good for one request. */
static bool use_nonce(struct sip_digest_server *s, struct now now, struct slice nonce, uint32_t count)
{
    uint64_t id;
    size_t slot;
    if (!read_nonce(s, nonce, &id, &slot))
        return false;
    uint64_t oldest = (uint64_t)s->nonce_ms << ID_MS_SHIFT;
    if (id > s->last_id || id + oldest < id_of(now))
        return false;
    return use_count(&s->used[slot], id, count ? count : 1);
}

/* ---- credentials ---- */

int sip_digest_find(const struct sip_digest_server *s, const struct sip_message *request, enum sip_header header,
                    struct sip_digest_params *ret_credentials, struct fault *ret_fault)
{
    struct buf realm;
    int err = ERR_NOT_FOUND;
    buf_init(&realm, SIP_DIGEST_VALUE_OCTETS_MAX);
    for (const struct sip_field *f = sip_field_first(request, header); f; f = sip_field_next(request, f)) {
        struct sip_cursor c = sip_field_cursor(request, f);
        struct sip_digest_params params;
        int read = sip_read_credentials(&c, &params);
        if (read == ERR_UNSUPPORTED)
            continue;
        if (read < 0) {
            if (ret_fault)
                *ret_fault = c.fault;
            err = read;
            break;
        }
        buf_clear(&realm);
        sip_unquote(params.realm, &realm);
        err = realm.err ? realm.err : ERR_NOT_FOUND;
        if (realm.err)
            break;
        if (!slice_eq(buf_slice(&realm), slice_str(s->realm)))
            continue;
        *ret_credentials = params;
        err = 0;
        break;
    }
    buf_fini(&realm);
    return err;
}

/* 0, ERR_AUTH or ERR_NO_MEMORY. */
static int check_user(const struct sip_digest_server *s, const struct sip_digest_params *credentials, struct slice user)
{
    char hash[SIP_DIGEST_TEXT_OCTETS];
    struct buf name;
    buf_init(&name, SIP_DIGEST_VALUE_OCTETS_MAX);
    sip_unquote(credentials->username, &name);
    int err = name.err;
    if (!err && credentials->userhash)
        err = sip_digest_hash_user(credentials->algorithm, user, slice_str(s->realm), hash);
    if (!err && !(credentials->userhash ? text_equal_nocase(buf_slice(&name), slice_str(hash))
                                        : slice_eq(buf_slice(&name), user)))
        err = ERR_AUTH;
    buf_fini(&name);
    return err;
}

bool sip_digest_is_user(const struct sip_digest_server *s, const struct sip_digest_params *credentials,
                        struct slice user)
{
    return check_user(s, credentials, user) == 0;
}

/* RFC 7616 3.4.6: both name the same resource. Proxies and PBXs may write ports and parameters in one of them only. */
static bool same_resource(struct slice uri, struct slice request_uri)
{
    struct sip_uri a, b;
    if (slice_eq(uri, request_uri))
        return true;
    if (sip_uri_parse(uri, &a, NULL) < 0 || sip_uri_parse(request_uri, &b, NULL) < 0)
        return false;
    return a.scheme == b.scheme && slice_eq(a.user, b.user) && text_equal_nocase(a.host, b.host);
}

/* The parameters without quotes, in one buffer that is given to the terms. */
struct unquoted {
    struct buf text;
    size_t ends[4];
};

static int unquote_all(const struct sip_digest_params *params, struct unquoted *u)
{
    const struct slice all[] = {params->nonce, params->nc, params->cnonce, params->uri};
    buf_init(&u->text, sizeof all / sizeof *all * SIP_DIGEST_VALUE_OCTETS_MAX);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        sip_unquote(all[i], &u->text);
        u->ends[i] = u->text.n;
    }
    return u->text.err;
}

static struct slice part(const struct unquoted *u, unsigned i)
{
    size_t begin = i ? u->ends[i - 1] : 0;
    return u->ends[i] > begin ? slice_of(u->text.p + begin, u->ends[i] - begin) : (struct slice){NULL, 0};
}

/* Only what we offer: no -sess. */
static int check_response(const struct sip_digest_server *s, const struct sip_message *request,
                          const struct sip_digest_params *params, const struct unquoted *u, struct slice user,
                          struct slice password)
{
    struct slice text = params->response;
    char wanted[SIP_DIGEST_TEXT_OCTETS], got[SIP_DIGEST_TEXT_OCTETS];
    if (params->algorithm != SIP_DIGEST_SHA_256 && params->algorithm != SIP_DIGEST_MD5)
        return ERR_AUTH;
    if (!same_resource(part(u, 3), request->uri))
        return ERR_AUTH;
    const struct sip_digest_terms terms = {
        .algorithm = params->algorithm,
        .qop = (enum sip_qop)params->qop,
        .user = user,
        .realm = slice_str(s->realm),
        .password = password,
        .nonce = part(u, 0),
        .nc = part(u, 1),
        .cnonce = part(u, 2),
        .method = request->method_text,
        .uri = part(u, 3),
        .body = request->body,
    };
    int err = sip_digest_compute(&terms, wanted);
    if (err)
        return err;
    if (text.p[0] == '"')
        text = slice_of(text.p + 1, text.n - 2);
    if (text.n != strlen(wanted))
        return ERR_AUTH;
    text_lower(text, got);
    bool same = mem_equal_secret(got, wanted, text.n);
    mem_wipe(wanted, sizeof wanted);
    return same ? 0 : ERR_AUTH;
}

int sip_digest_check(struct sip_digest_server *s, struct now now, const struct sip_message *request,
                     const struct sip_digest_params *credentials, struct slice user, struct slice password)
{
    struct unquoted u;
    int err = unquote_all(credentials, &u);
    if (!err)
        err = check_user(s, credentials, user);
    if (!err)
        err = check_response(s, request, credentials, &u, user, password);
    if (!err && !use_nonce(s, now, part(&u, 0), credentials->count))
        err = ERR_EXPIRED;
    buf_fini(&u.text);
    return err;
}
