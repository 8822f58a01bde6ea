/* The enrollment server's core: an authority that gives certificates to the servers that its operator has accepted, and the signed
 * configuration of their ring (RFC 6940 11.1 to 11.3).
 *
 * An operator accepts a server by making a token for its server ID. The server shows the token once, with its certificate request, and
 * gets a certificate with random Node-IDs. If the answer is lost, the same key gets the same certificate again; for any other key the
 * token is spent. A server that holds a certificate renews it without token and keeps its Node-IDs; so does one that is given a new
 * token. Whose certificate has expired, not long ago, shows it in the form's field `certificate` instead of by TLS, and the key stays the same.
 *
 * A server with more capacity has several Node-IDs: with any certificate that it holds it asks for the one of its Node-ID number n (the
 * form's field `node`), as far as the operator lets it: each Node-ID gets a certificate of its own. Further requests, a token and
 * `nodeids` greater than one, serve implementations that want all Node-IDs in one certificate.
 *
 * Durable before it is acknowledged: whatever is answered with success is in the store. */
#ifndef ENROLL_ENROLL_H
#define ENROLL_ENROLL_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/entropy.h"
#include "base/kv.h"
#include "base/log.h"
#include "crypt/cert.h"
#include "ctl/session.h"
#include "reload/config.h"

#define ENROLL_NAMES_MAX 16 /* further names in one certificate */
#define ENROLL_TOKENS_MAX 100000
#define ENROLL_SERVER_ID_OCTETS_MAX CERT_USER_OCTETS_MAX
#define ENROLL_BACKDATE_MS INT64_C(3600000) /* certificates begin so much earlier, for clocks that are behind */
/* A renewal with the same key within this time, or an eighth of the certificates' lifetime, gets the same certificate. */
#define ENROLL_REPEAT_MS INT64_C(60000)

/* What the operator has said about one server. */
struct enroll_allowance {
    const char *server_id;
    unsigned node_ids;
};

struct enroll_options {
    const char *overlay; /* must outlive the core */
    int64_t certificate_lifetime_ms;
    int64_t authority_lifetime_ms;
    int64_t token_lifetime_ms; /* unless said otherwise */
    int64_t renew_grace_ms;    /* behind its end a certificate can be renewed for so long */
    unsigned node_ids;         /* that a server may have, unless its allowance or its token say more; 0 is 1 */
    const struct enroll_allowance *allowances; /* must outlive the core, or be replaced */
    size_t allowance_count;
    unsigned failures_max; /* wrong tokens from one source at once */
    int64_t failures_refill_ms;
};

struct enroll_ports {
    const struct kv *kv;
    const struct entropy *entropy;
    const struct log *log; /* may be NULL */
    /* A fresh key for another authority. NULL: there will be no other one. */
    int (*make_key)(void *arg, struct key **ret_key);
    void *make_key_arg;
};

#define ENROLL_COUNTERS(X)                                                 \
    X(requests)                                                            \
    X(certificates_issued)                                                 \
    X(certificates_repeated) /* the same one again, after a lost answer */ \
    X(certificates_renewed)                                                \
    X(certificates_renewed_late) /* behind their end */                    \
    X(refused_malformed)                                                   \
    X(refused_authentication)                                              \
    X(refused_rate)                                                        \
    X(refused_node_ids)                                                    \
    X(refused_csr)                                                         \
    X(refused_ban)                                                         \
    X(refused_authority) /* of an authority that was removed */            \
    X(failed_store)                                                        \
    X(configurations_served)                                               \
    X(configurations_unchanged) /* asked for by somebody who has it */     \
    X(tokens_added)
COUNTERS_DECLARE(enroll_counters, ENROLL_COUNTERS)

struct enroll;

/* Reads what the store holds. The ports must outlive the core. 0, ERR_SYNTAX (a damaged row; the log says which), ERR_NO_MEMORY. */
int enroll_new(const struct enroll_options *options, const struct enroll_ports *ports, struct now now,
               struct enroll **ret_enroll);
void enroll_free(struct enroll *enroll);

/* Other lifetimes and limits; the overlay must be the same. */
void enroll_set_options(struct enroll *enroll, const struct enroll_options *options);

/* Before every call that does not say the time itself: handlers of control commands. */
void enroll_set_now(struct enroll *enroll, struct now now);

/* A fresh authority, if the store has none: its key and that of the configuration signer. Copies of both are written; nothing else may be
 * asked until enroll_settled. ERR_EXISTS, ERR_CRYPTO, the store's error. */
bool enroll_has_authority(const struct enroll *enroll);
int enroll_found(struct enroll *enroll, struct now now, const struct key *authority, const struct key *signer);

/* The ring's configuration. The core adds the authority, the signer, the sequence and the Kinds; a document that differs from the last one
 * in content gets the next sequence and a new signature. Served once it is durable. What the configuration points to is not kept. */
int enroll_set_ring(struct enroll *enroll, struct now now, const struct config *ring);

/* Whether writing what enroll_found and enroll_set_ring began is over, and how it ended. */
bool enroll_settled(const struct enroll *enroll, int *ret_err);

/* The one that issues. Valid until the next change of the authorities. */
const struct cert *enroll_authority(const struct enroll *enroll);

/* What servers trust, DER: the root-certs of the configuration, the one that issues first. The same as long as enroll_sequence. */
const struct slice *enroll_roots(const struct enroll *enroll, size_t *ret_count);

/* Valid as long as enroll_sequence stays the same. */
struct slice enroll_document(const struct enroll *enroll); /* empty: not built yet */
uint16_t enroll_sequence(const struct enroll *enroll);     /* of it */

/* A certificate for the enrollment server's own HTTPS: no Node-ID, for these names. Not kept. */
int enroll_issue_server(struct enroll *enroll, struct now now, const struct key *public_key, const char *const *names,
                        size_t name_count, struct cert **ret_cert);

/* One POST. */
struct enroll_question {
    const char *content_type; /* NULL: none */
    struct slice body;
    struct slice client_certificate; /* DER, verified by TLS; empty: none */
    struct addr source;
};

struct enroll_answer {
    int status; /* of HTTP */
    const char *content_type;
    struct slice body;
};

/* Called once, at once or when the certificate is durable. */
typedef void enroll_answer_fn(void *arg, const struct enroll_answer *answer);
void enroll_ask(struct enroll *enroll, struct now now, const struct enroll_question *question, enroll_answer_fn *fn,
                void *arg);

struct enroll_counters *enroll_counters(struct enroll *enroll);

/* Counters from outside that `show counters` shows as well. They must live until they are taken away with NULL. */
void enroll_show_counters(struct enroll *enroll, const char *prefix, const char *const *names, const uint64_t *values);

/* Handlers for the control socket; their context is the core. `shutdown` is answered, then enroll_wants_shutdown. */
extern const struct ctl_handler enroll_handlers[];
extern const size_t enroll_handler_count;
bool enroll_wants_shutdown(const struct enroll *enroll);

#endif
