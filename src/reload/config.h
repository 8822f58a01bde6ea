/* The overlay's configuration document (RFC 6940 section 11.1): parsed from XML, verified, and built and signed by the enrollment server.
 *
 * A document is hostile until config_verify has said otherwise: it is parsed under limits, without a document type, entities or the
 * network. A parsed configuration never changes; a newer one replaces it as a whole. */
#ifndef RELOAD_CONFIG_H
#define RELOAD_CONFIG_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/log.h"
#include "base/region.h"
#include "base/time.h"
#include "crypt/cert.h"
#include "crypt/digest.h"
#include "reload/kind.h"

#define CONFIG_DOCUMENT_OCTETS_MAX (256u << 10)
#define CONFIG_DEPTH_MAX 16
#define CONFIG_ELEMENTS_MAX 20000u   /* of one document, of all its configurations */
#define CONFIG_LIST_MAX 4096u        /* of one kind of repeated element: bootstrap-node, bad-node … */
#define CONFIG_TEXT_OCTETS_MAX 1024u /* of one text value; certificates: CERT_DER_OCTETS_MAX */
#define CONFIG_BAN_REASON_OCTETS_MAX 200u
#define CONFIG_SIGNATURES_MAX 4            /* of one configuration: one that verifies is enough */
#define CONFIG_SIGNATURE_OCTETS_MAX 65536u /* a SecurityBlock */

/* 0 … 65534; 65535 is never a document's sequence (6.3.2.1). */
#define CONFIG_SEQUENCE_COUNT 65535u
#define CONFIG_SEQUENCE_ANY 65535u

/* Bounds of our own elements. */
#define CONFIG_ARGON2_PASSES_MIN 1u
#define CONFIG_ARGON2_PASSES_MAX 64u
#define CONFIG_ARGON2_LANES_MIN 1u
#define CONFIG_ARGON2_LANES_MAX 16u
#define CONFIG_ARGON2_KIB_MIN 8u
#define CONFIG_ARGON2_KIB_MAX (1u << 20)
#define CONFIG_LATTICE_MS_MIN 1000u
#define CONFIG_LATTICE_MS_MAX 16000u
#define CONFIG_QUOTA_MAX 100000000u
#define CONFIG_NUMBER_LIFETIME_S_MIN 10u
#define CONFIG_NUMBER_LIFETIME_S_MAX (90u * 24 * 3600)

/* How a number becomes a Resource-ID: element `number-hash` of our namespace. */
enum config_number_hash { CONFIG_HASH_SHA1, CONFIG_HASH_ARGON2ID };

/* Namespaces that we understand, as in mandatory-extension. */
#define CONFIG_NS_BASE "urn:ietf:params:xml:ns:p2p:config-base"
#define CONFIG_NS_CHORD "urn:ietf:params:xml:ns:p2p:config-chord"
#define CONFIG_NS_IME "urn:openime:config:1"

/* Why a node is a bad-node, and of which server it is: element `ban` of our namespace. It explains; the bad-node element bans. */
struct config_ban {
    struct id node;
    struct slice server_id; /* empty: not known */
    struct slice reason;    /* printable ASCII, at most CONFIG_BAN_REASON_OCTETS_MAX */
    struct wall at;         /* 0: not known */
};

struct config {
    /* Attributes of `configuration`. */
    struct slice instance_name; /* the overlay's name */
    uint16_t sequence;
    bool has_sequence; /* it was given; if not, it is 0 */
    bool expires;
    struct wall expiration;

    /* Elements of the RFC. Lists are in document order. */
    struct slice topology_plugin;
    uint32_t node_id_length;
    struct slice *root_certs; /* DER */
    size_t root_cert_count;
    struct slice *enrollment_servers;
    size_t enrollment_server_count;
    bool self_signed_permitted;
    struct slice self_signed_digest; /* "sha1" or "sha256" */
    struct addr *bootstrap_nodes;
    size_t bootstrap_node_count;
    uint32_t turn_density;
    bool clients_permitted;
    bool no_ice;
    uint32_t chord_update_interval_s;
    uint32_t chord_ping_interval_s;
    bool chord_reactive;
    struct slice shared_secret; /* a secret: never log it; empty if absent */
    uint32_t max_message_size;
    uint32_t initial_ttl;
    uint32_t overlay_reliability_timer_ms;
    struct slice *link_protocols;
    size_t link_protocol_count;
    struct id *configuration_signers;
    size_t configuration_signer_count;
    struct id *kind_signers;
    size_t kind_signer_count;
    struct id *bad_nodes; /* sorted */
    size_t bad_node_count;
    struct slice *mandatory_extensions;
    size_t mandatory_extension_count;
    struct kind_table kinds; /* of required-kinds */

    /* Elements of ours, in CONFIG_NS_IME. */
    enum config_number_hash number_hash;
    struct argon2_cost number_hash_cost; /* ARGON2ID only */
    uint32_t lattice_ms;                 /* R of the secure sketch, 1000 … 16000 */
    uint32_t quota;                      /* Q: numbers per server, ring-wide */
    uint32_t number_lifetime_s;          /* of number records in the ring */
    struct slice message_of_the_day;     /* empty: none */
    struct slice required_version;       /* of the software; empty: any */
    struct wall required_version_by;     /* until when servers should have it; 0: as soon as possible */
    struct config_ban *bans;             /* sorted by node */
    size_t ban_count;

    unsigned unknown_line; /* of the first element that this version does not know and ignores; 0: there is none */

    /* Of a parsed document; empty in one that is yet to be built. */
    struct slice document;      /* all of it, as received: what ConfigUpdate passes on */
    struct slice signed_octets; /* from `<configuration` to `</configuration>` */
    struct slice *signatures;   /* SecurityBlocks (6.3.4), decoded from base64 */
    size_t signature_count;
    struct config_kind_block {
        struct slice signed_octets; /* from `<kind` to `</kind>` */
        struct slice signature;     /* SecurityBlock; empty: none */
    } * kind_blocks;
    size_t kind_block_count;
    unsigned shares;      /* owners besides the first: config_share */
    struct region region; /* owns what all of this points to */
};

/* All defaults of the RFC and of the product, nothing else set. For config_build. */
void config_init(struct config *config);

struct config_fault {
    unsigned line;    /* of the document, from 1; 0: unknown */
    const char *rule; /* static */
};

/* Parses the configuration of this overlay (an empty name: the first one); the document is copied. Elements that are not known are ignored,
 * those that stand where one is allowed are not allowed twice. 0, or ERR_LIMIT, ERR_SYNTAX, ERR_RANGE, ERR_UNSUPPORTED (a mandatory extension, a topology, a Node-ID length or an encoding
 * that we do not have), ERR_NOT_FOUND (no such overlay in the document), ERR_NO_MEMORY; then the fault says where and why. */
int config_parse(struct slice document, struct slice overlay, struct config **ret_config,
                 struct config_fault *ret_fault);

/* NULL is allowed. */
void config_free(struct config *config);

/* One owner more, who frees it as well: it never changes. Returns it. For owners in one thread. */
struct config *config_share(struct config *config);

/* Checks the document's signature over the exact octets and the kind-signatures in it: the signer's certificate chains to a root-cert of
 * `authority`, is valid now, and names a configuration-signer of `authority` (11.1). `authority` is the configuration in use; for a first
 * document fetched from the enrollment server itself over HTTPS, the document's own. ERR_AUTH, ERR_EXPIRED, ERR_FORBIDDEN (signed by
 * somebody who may not), ERR_SYNTAX. */
int config_verify(const struct config *config, const struct config *authority, struct wall now);

/* One kind-block as ConfigUpdate carries it (6.5.4): parsed, and its signature verified as that of a kind-signer of `authority`. Errors as
 * config_parse and config_verify. */
int config_verify_kind_block(struct slice block, const struct config *authority, struct wall now,
                             struct kind *ret_kind);

/* Whether `next` may follow `current`: same overlay, greater sequence. 0, ERR_CONFLICT (same or older), ERR_FORBIDDEN (another overlay). */
int config_may_follow(const struct config *current, const struct config *next);

/* Sequence numbers compare modulo 65535, as TCP's do modulo 2^32 (6.3.2.1): < 0, 0, > 0. */
int config_sequence_cmp(uint16_t a, uint16_t b);
uint16_t config_sequence_next(uint16_t sequence);

static inline bool config_expired(const struct config *config, struct wall now)
{
    return config->expires && config->expiration.ms <= now.ms;
}

/* Servers ask for a certificate of the first root-cert when they have one of another. What they have in the ring is signed anew by then: an
 * eighth of its lifetime. */
static inline int64_t config_sign_again_ms(const struct config *config)
{
    return INT64_C(1000) * config->number_lifetime_s / 8;
}

bool config_is_bad_node(const struct config *config, struct id node);

/* What the document says about a ban; NULL: nothing. */
const struct config_ban *config_ban_of(const struct config *config, struct id node);

/* An event for each node that the one bans and the other does not: ring.ban, ring.unban. log may be NULL. */
void config_log_bans(const struct log *log, const struct config *old, const struct config *next);

/* Whether software of this version ("0.1.0", numbers between dots; what follows them does not count) is older than what is required. */
bool config_wants_newer(const struct config *config, const char *version);

/* The overlay's name as the 32 bits of the forwarding header: low 32 bits of SHA-1 (6.3.2). */
uint32_t config_overlay_hash(const struct config *config);

/* Writes a document with the configuration, signed by a configuration-signer (also its Kinds: the same key must be a kind-signer).
 * The result is what config_parse accepts. 0, ERR_RANGE (values that config_parse would refuse), ERR_CRYPTO or the buffer's error. */
int config_build(const struct config *config, const struct key *key, const struct cert *certificate,
                 struct buf *ret_document);

/* The same with a signature for each of these certificates of the key, for readers who trust the authority of one of them only. The
 * first one's signs the Kinds. */
int config_build_for(const struct config *config, const struct key *key, const struct cert *const *certificates,
                     size_t count, struct buf *ret_document);

/* The same without sequence and signatures: what people edit. */
int config_format(const struct config *config, struct buf *ret_document);

#endif
