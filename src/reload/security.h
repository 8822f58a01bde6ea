/* Signatures and certificates of the ring (RFC 6940 sections 6.3.4, 7.1, 13.3): who signed this message or this value?
 *
 * struct security is a port: the real one (security_x509_new) verifies with X.509 and ECDSA or RSA; a simulation hands in something
 * cheaper. What both share is here: which octets are signed, how a SignerIdentity names a certificate and one of its Node-IDs, and which
 * certificates a message carries.
 *
 * Errors of everything that verifies, each with its counter: ERR_NOT_FOUND (no certificate for this signer in the message, nor known
 * here), ERR_SYNTAX (not a certificate, or an identity that breaks 6.3.4), ERR_UNSUPPORTED (algorithms), ERR_AUTH (a wrong signature, or a
 * certificate that none of the overlay's authorities issued), ERR_EXPIRED, ERR_FORBIDDEN (bad-node), ERR_RANGE (no Node-ID of this
 * overlay), ERR_NO_MEMORY. On the wire all of them are Error_Forbidden for a stored value; a message is dropped (6.3.4). */
#ifndef RELOAD_SECURITY_H
#define RELOAD_SECURITY_H

#include "base/counter.h"
#include "base/region.h"
#include "base/time.h"
#include "crypt/cert.h"
#include "crypt/key.h"
#include "reload/data.h"
#include "reload/message.h"

struct config;

#define SECURITY_HASH_OCTETS 32 /* SHA-256: the only hash of identities that is accepted and sent */

/* A certificate that has been admitted: parsed, issued by an authority of the overlay, with Node-IDs of it, not banned. Immutable. */
struct security_cert {
    uint8_t hash[SECURITY_HASH_OCTETS]; /* of the DER */
    struct slice der;
    struct id node_ids[CERT_NODE_IDS_MAX];
    size_t node_id_count; /* at least 1 */
    const char *user;     /* rfc822Name, "" if none */
    struct wall not_before;
    struct wall not_after;
    uint8_t signature_algorithm;  /* enum reload_signature_algorithm of its key */
    struct cert_key_id authority; /* that issued it; none where certificates are no X.509 */
};

/* Who signed: one Node-ID of one certificate. The certificate belongs to the security object; it stays valid until RELOAD_CERTIFICATES_MAX
 * others have been admitted, or the configuration or the own certificate changed: use it at once or copy what is needed. */
struct security_signer {
    struct id node;
    const struct security_cert *cert;
};

struct security_ops {
    /* Gives the admitted certificate. Known ones are not parsed or verified again, but their validity period is checked against now. */
    int (*admit)(void *ctx, struct slice der, struct wall now, const struct security_cert **ret_cert);
    /* A certificate admitted before, by the hash of one of its SignerIdentities: ERR_NOT_FOUND, ERR_EXPIRED; ERR_AUTH, ERR_FORBIDDEN: the
     * configuration of today does not admit it any longer. */
    int (*lookup)(void *ctx, const uint8_t hash[SECURITY_HASH_OCTETS], struct wall now,
                  const struct security_cert **ret_cert);
    /* 0 or ERR_AUTH. */
    int (*verify)(void *ctx, const struct security_cert *cert, struct slice octets, struct slice signature);
    /* Appends our signature. */
    int (*sign)(void *ctx, struct slice octets, struct buf *ret_signature);
    /* Which node of which certificate signs here. */
    void (*own)(void *ctx, struct security_signer *ret_signer);
};

#define SECURITY_COUNTERS(X)                                                    \
    X(signed_messages)                                                          \
    X(signed_values)                                                            \
    X(verified_messages)                                                        \
    X(verified_values)                                                          \
    X(certificates_admitted) /* parsed and verified: known ones do not count */ \
    X(refused_signature)     /* the signature does not fit */                   \
    X(refused_unknown)       /* no certificate for the signer */                \
    X(refused_malformed)     /* certificate or identity */                      \
    X(refused_algorithm)                                                        \
    X(refused_authority) /* issued by nobody we trust */                        \
    X(refused_expired)                                                          \
    X(refused_banned)                                                           \
    X(refused_overlay) /* no Node-ID of this overlay in it */                   \
    X(refused_memory)

COUNTERS_DECLARE(security_counters, SECURITY_COUNTERS)

struct security {
    const struct security_ops *ops;
    void *ctx;
    struct security_counters counters;
};

/* ---- messages ---- */

/* Signs the contents with our key and gathers the security block: our certificate and those of the values that the message carries, each
 * once. Everything is allocated in the region. 0, ERR_LIMIT (more than RELOAD_CERTIFICATES_MAX), ERR_CRYPTO or ERR_NO_MEMORY. */
int security_sign_message(struct security *security, uint32_t overlay, uint64_t transaction_id, struct slice contents,
                          const struct slice *value_certs, size_t value_cert_count, struct region *region,
                          struct reload_security *ret_block);

/* Verifies a decoded message whose contents_octets are those received. */
int security_verify_message(struct security *security, const struct reload_message *message, struct wall now,
                            struct security_signer *ret_signer);

/* ---- stored values (7.1) ---- */

/* Fills in the signature over resource, Kind, storage time and value. Its octets are allocated in the region. */
int security_sign_value(struct security *security, struct slice resource, uint32_t kind,
                        struct reload_stored_data *data, struct region *region);

/* The block is that of the message which carried the value. An unsigned (synthetic) value is ERR_AUTH. */
int security_verify_value(struct security *security, const struct reload_security *block, struct slice resource,
                          uint32_t kind, const struct reload_stored_data *data, struct wall now,
                          struct security_signer *ret_signer);

/* ---- identities ---- */

/* The SignerIdentity of a node: cert_hash if its certificate has one Node-ID, else cert_hash_node_id. The hash is written to ret_hash, to
 * which the identity points. */
void security_identity(const struct security_signer *signer, uint8_t ret_hash[SECURITY_HASH_OCTETS],
                       struct reload_identity *ret_identity);

/* Whether the identity names this certificate, and if so as which node. */
bool security_identity_matches(const struct security_cert *cert, const struct reload_identity *identity,
                               struct id *ret_node);

static inline struct security_signer security_own(const struct security *security)
{
    struct security_signer signer;
    security->ops->own(security->ctx, &signer);
    return signer;
}

int security_admit(struct security *security, struct slice der, struct wall now, const struct security_cert **ret_cert);

/* ---- the real one ---- */

struct security_options {
    uint32_t
        certificates_max; /* in the cache: least recently used ones give way; default 4096, at least 2 * RELOAD_CERTIFICATES_MAX */
    uint64_t seed; /* for its hash table, from the entropy port */
};

void security_options_default(struct security_options *options);

/* Trusts the root-certs of the configuration and signs with this key as this node of this certificate (which must be admissible itself).
 * Key and certificate are not owned and must outlive it or be replaced; the configuration is only read. 0, ERR_NO_MEMORY, or why the
 * own certificate is not admitted. */
int security_x509_new(const struct security_options *options, const struct config *config, const struct key *key,
                      const struct cert *cert, struct id node, struct wall now, struct security **ret_security);
void security_x509_free(struct security *security);

/* Another configuration of the overlay (authorities, bad-node): everything known is judged anew when it is used again. An own certificate
 * that has ended, or that its authorities did not issue, stays until it is replaced. On failure the former configuration stays in
 * force. */
int security_x509_set_config(struct security *security, const struct config *config, struct wall now);

/* A renewed certificate. On failure the former one stays. */
int security_x509_set_own(struct security *security, const struct key *key, const struct cert *cert, struct id node,
                          struct wall now);

#endif
