/* X.509 certificates as the ring uses them (RFC 6940 section 11.3): reload:// URIs with Node-IDs, one rfc822Name, issued by one of the
 * overlay's authorities. */
#ifndef CRYPT_CERT_H
#define CRYPT_CERT_H

#include "base/buf.h"
#include "base/id.h"
#include "base/time.h"
#include "crypt/key.h"

#define CERT_NODE_IDS_MAX 16
#define CERT_DER_OCTETS_MAX 8192
#define CERT_USER_OCTETS_MAX 64 /* the upper bound of a common name, RFC 5280 appendix A */

struct cert; /* immutable after parsing */

/* ERR_LIMIT (too long, or more than CERT_NODE_IDS_MAX reload URIs), ERR_SYNTAX (also octets after the end; two user names), or
 * ERR_UNSUPPORTED (a key that key.h does not name). Nothing is verified: that is trust_verify. */
int cert_from_der(struct slice der, struct cert **ret_cert);
/* The first certificate of the text. */
int cert_from_pem(struct slice pem, struct cert **ret_cert);
void cert_free(struct cert *cert);

/* Valid as long as the certificate. */
struct slice cert_der(const struct cert *cert);
int cert_to_pem(const struct cert *cert, struct buf *ret_pem);

/* Node-IDs from all reload URIs of this overlay, in certificate order. Returns how many (0: none, or another overlay only). A URI holds
 * a destination list of exactly one Node-ID (each its own URI); one that holds anything else counts as absent. The overlay's name is
 * compared octet by octet. */
size_t cert_node_ids(const struct cert *cert, struct slice overlay, struct id *ret_ids, size_t max);

/* The index-th of them, of whatever overlay, for display: its Node-ID and the name of its overlay, which lives as long as the
 * certificate. False beyond the last. */
bool cert_node_name(const struct cert *cert, size_t index, struct id *ret_id, struct slice *ret_overlay);

/* The rfc822Name ("" if none): the server's user name. */
const char *cert_user(const struct cert *cert);

/* Serial number in lower-case hexadecimal, without leading zero octets. */
const char *cert_serial(const struct cert *cert);

struct wall cert_not_before(const struct cert *cert);
struct wall cert_not_after(const struct cert *cert);
const struct key *cert_key(const struct cert *cert);

/* SHA-256 of the DER, as SignerIdentity cert_hash wants it. */
const uint8_t *cert_hash_sha256(const struct cert *cert);

/* The domains that a certificate speaks for in SIP (RFC 5922 7.1): the hosts of URIs "sip:domain" without a user part; if there is no such URI, its
 * dNSName entries without wildcards; if there is no subjectAltName at all, the last common name, if that is a domain name with a dot. In lower
 * case, in their order, each once, separated by single spaces, appended; nothing if there are none. Any X.509 certificate is read, not only
 * such of the ring. ERR_SYNTAX, ERR_LIMIT. */
int cert_domains(struct slice der, struct buf *ret_domains);

/* Whether it is one of the domains, case-insensitive and as a whole (RFC 5922 7.2). domains: as cert_domains writes them. */
bool cert_domains_have(const char *domains, const char *domain);

/* Whether its extended key usage lets a certificate stand for a SIP domain (RFC 5924 4): there is none, or it has id-kp-sipDomain,
 * anyExtendedKeyUsage, or that of a TLS server, which a domain is toward others; of a client that of TLS clients will do too. Public authorities give the
 * first to nobody, and the last ever more seldom. */
enum cert_sip_role { CERT_SIP_SERVER, CERT_SIP_CLIENT };
bool cert_is_for_sip(struct slice der, enum cert_sip_role role);

/* Key identifiers (RFC 5280 4.2.1.1, 4.2.1.2), at most so many octets of them; all zero: the certificate has none. They tell authorities of
 * one name apart, and prove nothing. */
#define CERT_KEY_ID_OCTETS 20
struct cert_key_id {
    uint8_t octets[CERT_KEY_ID_OCTETS];
};
struct cert_key_id cert_key_id(const struct cert *cert);           /* of its own key */
struct cert_key_id cert_authority_key_id(const struct cert *cert); /* of the key that signed it */

static inline bool cert_key_id_eq(struct cert_key_id a, struct cert_key_id b)
{
    return memcmp(a.octets, b.octets, sizeof a.octets) == 0;
}

static inline bool cert_key_id_is_none(struct cert_key_id id)
{
    return cert_key_id_eq(id, (struct cert_key_id){{0}});
}

/* Authorities that are trusted: the root-cert elements of the configuration. */
struct trust;
int trust_new(struct trust **ret_trust);
void trust_free(struct trust *trust);

/* Errors as cert_from_der, and ERR_FORBIDDEN: not an authority by its basic constraints. */
int trust_add_der(struct trust *trust, struct slice der);

/* Chain, signature, validity at this time, basic constraints. 0, ERR_EXPIRED (expired or not yet valid) or ERR_AUTH. Signatures with
 * SHA-1 or MD5 are refused. */
int trust_verify(const struct trust *trust, const struct cert *cert, struct wall now);

/* Certificate signing requests (PKCS#10, DER). The subject is the user name as common name.
 * ERR_SYNTAX: the name is empty or not printable ASCII; ERR_LIMIT: it is over CERT_USER_OCTETS_MAX. */
int csr_create(const struct key *key, const char *user, struct buf *ret_der);
/* Checks the request's own signature and gives its public key (RFC 6940 ignores all other fields). ERR_SYNTAX, ERR_AUTH,
 * ERR_UNSUPPORTED for other key types or sizes. Accepts DER or PEM. */
int csr_parse(struct slice octets, struct key **ret_public_key);

/* What an authority puts into a certificate. With Node-IDs the subject is empty (RFC 6940 11.3); without, it is the user name. */
struct cert_request {
    const struct key *public_key;
    struct slice overlay;
    const struct id *node_ids;
    size_t node_id_count;
    const char *user; /* rfc822Name; NULL: none */
    const char *const *
        names; /* dNSName or iPAddress entries, for HTTPS and VAP; "sip:domain" is a URI (RFC 5922); a node's certificate should have none (11.3) */
    size_t name_count;
    const char *usage; /* extended key usages, OIDs separated by spaces; NULL: TLS server and client; "": all */
    struct wall not_before;
    struct wall not_after;
    uint8_t serial[16]; /* random, not zero; the top bit is cleared */
};

/* ERR_WRONG_STATE: the key is not the authority's. ERR_SYNTAX, ERR_LIMIT, ERR_RANGE: the request's names, overlay, dates or serial number. */
int cert_issue(const struct key *authority_key, const struct cert *authority, const struct cert_request *request,
               struct cert **ret_cert);

/* A self-signed authority (CA:TRUE, keyCertSign, cRLSign). */
int cert_issue_authority(const struct key *key, const char *name, struct wall not_before, struct wall not_after,
                         const uint8_t serial[16], struct cert **ret_cert);

#endif
