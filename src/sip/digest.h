/* Digest authentication: RFC 7616 (SHA-256, MD5), RFC 2617 (MD5), as SIP uses them (RFC 3261 22, RFC 8760). Reading and answering challenges on
 * the client's side, giving and checking them on the server's. Passive objects: keys, random octets and time are handed in.
 *
 * Passwords are borrowed for one call; what is made out of them is wiped. Values that stand in quotes are read and hashed without quotes and
 * escapes, and go back as they came. */
#ifndef SIP_DIGEST_H
#define SIP_DIGEST_H

#include "base/entropy.h"
#include "base/time.h"
#include "sip/message.h"

#define SIP_DIGEST_VALUE_OCTETS_MAX 1024 /* of one parameter of a challenge or of credentials */
#define SIP_DIGEST_TEXT_OCTETS 65        /* a response in hexadecimal, and a NUL */

/* The better one first. With -sess the password is hashed once for a nonce and cnonce (RFC 7616 3.4.2). */
enum sip_digest_algorithm { SIP_DIGEST_SHA_256, SIP_DIGEST_SHA_256_SESS, SIP_DIGEST_MD5, SIP_DIGEST_MD5_SESS };
#define SIP_DIGEST_ALGORITHMS 4
const char *sip_digest_name(enum sip_digest_algorithm algorithm); /* "SHA-256" */

/* Bits: a challenge may offer both. None: RFC 2069, without cnonce and nc. */
enum sip_qop { SIP_QOP_NONE = 0, SIP_QOP_AUTH = 1, SIP_QOP_AUTH_INT = 2 };

/* ---- what stands in WWW-Authenticate, Proxy-Authenticate, Authorization, Proxy-Authorization ---- */

/* Slices as written, with their quotes; none where the parameter is missing. */
struct sip_digest_params {
    struct slice realm, nonce, opaque, algorithm_text, qop_text; /* of both */
    struct slice stale_text, domain;                             /* of challenges */
    struct slice username, uri, response, cnonce, nc;            /* of credentials */
    struct slice userhash_text;
    enum sip_digest_algorithm algorithm;
    unsigned qop;   /* bits of enum sip_qop; in credentials one of them */
    uint32_t count; /* nc; 0: none */
    bool stale;
    bool userhash; /* username is hashed, or may be */
};

/* One value each. 0, ERR_SYNTAX, ERR_LIMIT, or ERR_UNSUPPORTED (another scheme, algorithm or qop), with the cursor's fault. */
int sip_read_challenge(struct sip_cursor *c, struct sip_digest_params *ret_challenge);
int sip_read_credentials(struct sip_cursor *c, struct sip_digest_params *ret_credentials);

/* ---- the hash itself ---- */

/* Without quotes. nc as written. */
struct sip_digest_terms {
    enum sip_digest_algorithm algorithm;
    enum sip_qop qop;
    struct slice user, realm, password;
    struct slice nonce, nc, cnonce;
    struct slice method, uri;
    struct slice body; /* for SIP_QOP_AUTH_INT */
};

/* request-digest, RFC 7616 3.4.1. 0 or ERR_NO_MEMORY. */
int sip_digest_compute(const struct sip_digest_terms *terms, char ret_text[SIP_DIGEST_TEXT_OCTETS]);

/* The username of userhash, RFC 7616 3.4.4. 0 or ERR_NO_MEMORY. */
int sip_digest_hash_user(enum sip_digest_algorithm algorithm, struct slice user, struct slice realm,
                         char ret_text[SIP_DIGEST_TEXT_OCTETS]);

/* ---- server ---- */

#define SIP_DIGEST_KEY_OCTETS 32
#define SIP_DIGEST_NONCE_MS INT64_C(300000) /* how long a nonce may be used, unless told otherwise */

/* A nonce is a number, unique and in the order of time, with an HMAC: nothing is kept for those that were given out. A table of fixed size
 * keeps which counts (nc) were used up, for nonces that a right password was used with: no request counts twice. When two nonces want the
 * same slot, the older one is not accepted any longer (stale). */
struct sip_digest_used;
struct sip_digest_server {
    const char *realm; /* borrowed */
    uint8_t key[SIP_DIGEST_KEY_OCTETS];
    int64_t nonce_ms;
    uint64_t last_id;
    struct sip_digest_used *used;
    size_t slots;
};

/* The key is random, secret, and for one run of the program only. slots: a power of two. 0, ERR_RANGE, ERR_NO_MEMORY. */
int sip_digest_server_init(struct sip_digest_server *s, const char *realm, const uint8_t key[SIP_DIGEST_KEY_OCTETS],
                           int64_t nonce_ms, size_t slots);
void sip_digest_server_fini(struct sip_digest_server *s); /* wipes the key */

/* Appends the field of one algorithm; the others of a 401 or 407 may follow, the best first (RFC 8760 2.3). */
void sip_digest_put_challenge(struct sip_digest_server *s, struct now now, enum sip_header header,
                              enum sip_digest_algorithm algorithm, bool stale, struct buf *out);

/* Appends the fields of a 401 (SIP_WWW_AUTHENTICATE) or 407 (SIP_PROXY_AUTHENTICATE), SHA-256 before MD5 (RFC 8760 2.3). stale: the password
 * was right, only the nonce is not good any longer. */
void sip_digest_put_challenges(struct sip_digest_server *s, struct now now, enum sip_header header, bool stale,
                               struct buf *out);

/* The credentials for our realm in a request, of SIP_AUTHORIZATION or SIP_PROXY_AUTHORIZATION. 0; ERR_NOT_FOUND: there are none, to be
 * challenged; ERR_SYNTAX, ERR_LIMIT: to be answered with 400; ret_fault may be NULL. */
int sip_digest_find(const struct sip_digest_server *s, const struct sip_message *request, enum sip_header header,
                    struct sip_digest_params *ret_credentials, struct fault *ret_fault);

/* True if they are this user's, by name or by hash of the name. */
bool sip_digest_is_user(const struct sip_digest_server *s, const struct sip_digest_params *credentials,
                        struct slice user);

/* 0: it is who it says, and said so for this request only. ERR_EXPIRED: the password is right, the nonce is not good (any longer), or was used with
 * that count before: challenge with stale. ERR_AUTH: not this password, or for another request: challenge without stale, or refuse. ERR_NO_MEMORY. */
int sip_digest_check(struct sip_digest_server *s, struct now now, const struct sip_message *request,
                     const struct sip_digest_params *credentials, struct slice user, struct slice password);

/* ---- client ---- */

/* What one peer has asked for: the best challenge of its WWW-Authenticate, and of Proxy-Authenticate. Kept for all requests to it, so that later ones
 * carry credentials from the beginning, with counts that go up. */
struct sip_digest_asked {
    struct buf challenge; /* as it came; empty: none */
    uint32_t count;       /* the last nc sent with this nonce */
    bool proven;          /* a request with this nonce was accepted */
};
struct sip_digest_client {
    struct sip_digest_asked asked[2];
};

void sip_digest_client_init(struct sip_digest_client *c);
void sip_digest_client_fini(struct sip_digest_client *c);

/* A 401 or 407 came in answer to that request: takes the best challenge. 0: send the request again with sip_digest_answer, but not more often than
 * a few times, whatever the peer says. ERR_AUTH: the password that the request came with was refused; ERR_UNSUPPORTED: no challenge that we can
 * answer; ERR_NOT_FOUND: none at all; ERR_NO_MEMORY. */
int sip_digest_challenged(struct sip_digest_client *c, const struct sip_message *request,
                          const struct sip_message *response);

/* Any other final response to a request with credentials. */
void sip_digest_accepted(struct sip_digest_client *c);

/* Starts over, for another peer or password. */
void sip_digest_forget(struct sip_digest_client *c);

/* Gives the value of a field for the request, by header: SIP_AUTHORIZATION or SIP_PROXY_AUTHORIZATION. Appends nothing and returns ERR_NOT_FOUND if
 * nobody has asked for it. uri: the Request-URI. 0, ERR_NO_MEMORY, ERR_LIMIT, and ERR_RANGE for a user or URI with a line end. */
int sip_digest_answer(struct sip_digest_client *c, const struct entropy *entropy, enum sip_header header,
                      struct slice user, struct slice password, struct slice method, struct slice uri,
                      struct slice body, struct buf *out);

#endif
