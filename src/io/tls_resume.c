/* Session resumption: tickets of a server, under keys that change, and what a client keeps for the next time. Both remember until when the
 * certificates that once were shown may be believed; keys and memory end with the SSL_CTX, so nothing outlives a reload. */
#include "io/tls_private.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "io/process.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <stdio.h>

#define NAME_OCTETS 16
#define AES_KEY_OCTETS 32
#define MAC_KEY_OCTETS 32
#define SESSIONS_MAX 1024
#define KEY_OCTETS_MAX (256 + ADDR_TEXT_OCTETS + 1)
#define NOTE_OCTETS 9 /* in a ticket: until when, and what identity was shown */

/* A server's keys for tickets. */
struct ticket_key {
    uint8_t name[NAME_OCTETS];
    uint8_t aes[AES_KEY_OCTETS];
    uint8_t mac[MAC_KEY_OCTETS];
    struct mono since; /* 0: none */
};

/* A client's session for the next time. */
struct kept {
    struct list link; /* the one that was kept longest ago first */
    SSL_SESSION *session;
    struct wall until;
    char key[KEY_OCTETS_MAX];
};

struct tls_resume {
    struct tls_state *state;
    int64_t resume_ms;
    struct ticket_key keys[2]; /* the present one, and the one before it */
    EVP_CIPHER *cipher;
    struct map kept; /* key → struct kept */
    struct list order;
};

/* With the SSL of a client. */
struct far {
    char *domain;      /* of SIP, that the certificate must be for; NULL: none */
    struct wall until; /* of the session that it goes on with */
    char key[KEY_OCTETS_MAX];
};

/* ---- what was once verified ---- */

static struct wall until_of(const struct tls_resume *r, const SSL *ssl)
{
    struct wall resumable = wall_after_ms(tls_wall(), r->resume_ms);
    struct wall verified = tls_verified_until(r->state, SSL_get0_verified_chain(ssl));
    return resumable.ms < verified.ms ? resumable : verified;
}

static void put_note(struct wall until, unsigned identity, uint8_t note[NOTE_OCTETS])
{
    for (int i = 0; i < 8; i++)
        note[i] = (uint8_t)((uint64_t)until.ms >> (56 - 8 * i));
    note[8] = (uint8_t)identity;
}

static bool get_note(SSL_SESSION *session, struct wall *ret_until, unsigned *ret_identity)
{
    void *data;
    size_t n;
    uint64_t ms = 0;
    if (SSL_SESSION_get0_ticket_appdata(session, &data, &n) != 1 || n != NOTE_OCTETS)
        return false;
    const uint8_t *note = data;
    for (int i = 0; i < 8; i++)
        ms = ms << 8 | note[i];
    *ret_until = (struct wall){(int64_t)ms};
    *ret_identity = note[8];
    return true;
}

bool tls_resumed_identity(SSL *ssl, unsigned *ret_identity)
{
    struct wall until;
    return get_note(SSL_get_session(ssl), &until, ret_identity);
}

/* ---- a server's tickets ---- */

/* A ticket that is given out within a resumed session says what the first one said: it does not make it live longer. */
static int ticket_made(SSL *ssl, void *arg)
{
    const struct tls_resume *r = arg;
    SSL_SESSION *session = SSL_get_session(ssl);
    struct wall until;
    unsigned identity;
    uint8_t note[NOTE_OCTETS];
    if (SSL_session_reused(ssl) && get_note(session, &until, &identity))
        return 1;
    put_note(until_of(r, ssl), tls_identity_shown(ssl), note);
    return SSL_SESSION_set1_ticket_appdata(session, note, sizeof note);
}

/* One that does not count makes for a handshake with certificates, not for a failure. */
static SSL_TICKET_RETURN ticket_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_octets,
                                     SSL_TICKET_STATUS status, void *arg)
{
    const struct tls_resume *r = arg;
    struct wall until;
    unsigned identity;
    (void)name, (void)name_octets;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (!get_note(session, &until, &identity) || until.ms <= tls_wall().ms)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (r->state->peer == TLS_PEER_REQUIRED && !SSL_SESSION_get0_peer(session))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    /* Under TLS 1.3 clients use a ticket once and need another. */
    return status == SSL_TICKET_SUCCESS && SSL_version(ssl) < TLS1_3_VERSION ? SSL_TICKET_RETURN_USE
                                                                             : SSL_TICKET_RETURN_USE_RENEW;
}

/* A key makes tickets for as long as they last, and reads them for as long again. */
static void change_keys(struct tls_resume *r, struct mono now)
{
    struct ticket_key *k = r->keys;
    if (k[0].since.us && !mono_due(mono_after_ms(k[0].since, r->resume_ms), now))
        return;
    const struct entropy entropy = kernel_entropy();
    k[1] = k[0];
    if (k[1].since.us && mono_due(mono_after_ms(k[1].since, 2 * r->resume_ms), now))
        mem_wipe(&k[1], sizeof k[1]);
    entropy_fill(&entropy, k[0].name, sizeof k[0].name);
    entropy_fill(&entropy, k[0].aes, sizeof k[0].aes);
    entropy_fill(&entropy, k[0].mac, sizeof k[0].mac);
    k[0].since = now;
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
                           OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
                           OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb wants it: 1: done, 2: done, and a new ticket is due, 0: no such key. */
static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                      int encrypt)
{
    struct tls_resume *r = tls_state_of(SSL_get_SSL_CTX(ssl))->resume;
    change_keys(r, loop_clock());
    if (encrypt) {
        struct ticket_key *key = &r->keys[0];
        const struct entropy entropy = kernel_entropy();
        memcpy(name, key->name, NAME_OCTETS);
        entropy_fill(&entropy, iv, (size_t)EVP_CIPHER_get_iv_length(r->cipher));
        return EVP_EncryptInit_ex2(cipher, r->cipher, key->aes, iv, NULL) == 1 && set_mac(mac, key) ? 1 : -1;
    }
    for (int i = 0; i < 2; i++) {
        struct ticket_key *key = &r->keys[i];
        if (!key->since.us || memcmp(name, key->name, NAME_OCTETS) != 0)
            continue;
        if (EVP_DecryptInit_ex2(cipher, r->cipher, key->aes, iv, NULL) != 1 || !set_mac(mac, key))
            return -1;
        return i == 0 ? 1 : 2;
    }
    return 0;
}

/* ---- what a client keeps ---- */

static int far_index = -1;

static void far_free(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long n, void *arg)
{
    struct far *far = value;
    (void)parent, (void)data, (void)index, (void)n, (void)arg;
    if (far)
        mem_free(far->domain);
    mem_free(far);
}

static struct far *far_of(const SSL *ssl)
{
    return far_index < 0 ? NULL : SSL_get_ex_data(ssl, far_index);
}

const char *tls_expected_domain(const SSL *ssl)
{
    const struct far *far = far_of(ssl);
    return far ? far->domain : NULL;
}

static void forget(struct tls_resume *r, struct kept *kept)
{
    map_remove(&r->kept, slice_str(kept->key));
    list_remove(&kept->link);
    SSL_SESSION_free(kept->session);
    mem_free(kept);
}

static struct kept *find(const struct tls_resume *r, const char *key)
{
    return map_get(&r->kept, slice_str(key));
}

/* The server has given a ticket: takes over the session if it returns 1. */
static int session_made(SSL *ssl, SSL_SESSION *session)
{
    struct tls_resume *r = tls_state_of(SSL_get_SSL_CTX(ssl))->resume;
    const struct far *far = far_of(ssl);
    if (!far || !far->key[0])
        return 0;
    struct kept *kept = find(r, far->key);
    if (kept)
        forget(r, kept);
    else if (r->kept.n >= SESSIONS_MAX)
        forget(r, CONTAINER_OF(r->order.next, struct kept, link));
    kept = mem_alloc(sizeof *kept);
    if (!kept)
        return 0;
    memcpy(kept->key, far->key, sizeof kept->key);
    if (map_set(&r->kept, slice_str(kept->key), kept) != 0) {
        mem_free(kept);
        return 0;
    }
    kept->session = session;
    kept->until = SSL_session_reused(ssl) ? far->until : until_of(r, ssl);
    list_append(&r->order, &kept->link);
    return 1;
}

/* A ticket of TLS 1.3 is used once, so that nobody who watches can tell connections belong together (RFC 8446 C.4). */
static void take_up(struct tls_resume *r, SSL *ssl, struct far *far)
{
    struct kept *kept = find(r, far->key);
    if (!kept)
        return;
    far->until = kept->until;
    bool is_over = kept->until.ms <= tls_wall().ms;
    if (!is_over)
        (void)SSL_set_session(ssl, kept->session); /* else certificates are shown */
    if (is_over || SSL_SESSION_get_protocol_version(kept->session) >= TLS1_3_VERSION)
        forget(r, kept);
}

int tls_resume_begin(const struct tls_state *s, SSL *ssl, const char *peer_name, const char *domain,
                     const struct addr *remote)
{
    char text[ADDR_TEXT_OCTETS];
    struct far *far = mem_alloc(sizeof *far);
    if (!far)
        return ERR_NO_MEMORY;
    if (far_index < 0)
        far_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, far_free);
    if (SSL_set_ex_data(ssl, far_index, far) != 1) {
        mem_free(far);
        return ERR_NO_MEMORY;
    }
    if (domain && !(far->domain = mem_strdup(domain)))
        return ERR_NO_MEMORY;
    if (!s->resume || !remote || !remote->family)
        return 0;
    int n = snprintf(far->key, sizeof far->key, "%s %s", addr_format(remote, text), peer_name ? peer_name : "");
    if (n < 0 || (size_t)n >= sizeof far->key)
        far->key[0] = 0; /* a name of that length is nobody's: nothing is kept */
    else
        take_up(s->resume, ssl, far);
    return 0;
}

/* ---- both ---- */

static int set_server(struct tls_resume *r, SSL_CTX *context)
{
    uint8_t id[16];
    const struct entropy entropy = kernel_entropy();
    entropy_fill(&entropy, id, sizeof id);
    r->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (!r->cipher || SSL_CTX_set_session_id_context(context, id, sizeof id) != 1 ||
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key) != 1 ||
        SSL_CTX_set_session_ticket_cb(context, ticket_made, ticket_read, r) != 1)
        return ERR_CRYPTO;
    SSL_CTX_set_num_tickets(context, 1);
    return 0;
}

int tls_resume_set(struct tls_state *s, const struct tls_options *options, SSL_CTX *context)
{
    if (options->resume_ms <= 0)
        return 0;
    const struct entropy entropy = kernel_entropy();
    struct tls_resume *r = mem_alloc(sizeof *r);
    if (!r)
        return ERR_NO_MEMORY;
    s->resume = r; /* which frees it */
    r->state = s;
    r->resume_ms = options->resume_ms;
    map_init(&r->kept, SESSIONS_MAX, entropy_u64(&entropy));
    list_init(&r->order);
    SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_timeout(context, (long)((options->resume_ms + 999) / 1000));
    if (s->role == TLS_SERVER)
        return set_server(r, context);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, session_made);
    return 0;
}

void tls_resume_free(struct tls_resume *r)
{
    if (!r)
        return;
    LIST_EACH(it, &r->order)
        forget(r, CONTAINER_OF(it, struct kept, link));
    map_fini(&r->kept);
    EVP_CIPHER_free(r->cipher);
    mem_wipe(r->keys, sizeof r->keys);
    mem_free(r);
}
