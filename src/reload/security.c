/* What every implementation of the security port shares: which octets are signed, how identities name certificates, what a security
 * block carries (RFC 6940 sections 6.3.4, 7.1). */
#include "reload/security.h"

#include "crypt/digest.h"

#define SIGNATURE_OCTETS_MAX 1024u
#define SIGNED_OCTETS_MAX (RELOAD_MESSAGE_OCTETS_MAX + 1024u)

COUNTERS_DEFINE(security_counters, SECURITY_COUNTERS)

/* ---- identities ---- */

/* H(NodeId || certificate), for a certificate with several Node-IDs. */
static void node_identity_hash(const struct security_cert *cert, struct id node, uint8_t ret_hash[SECURITY_HASH_OCTETS])
{
    uint8_t octets[ID_OCTETS + CERT_DER_OCTETS_MAX];
    memcpy(octets, node.octets, ID_OCTETS);
    memcpy(octets + ID_OCTETS, cert->der.p, cert->der.n);
    digest_sha256(slice_of(octets, ID_OCTETS + cert->der.n), ret_hash);
}

void security_identity(const struct security_signer *signer, uint8_t ret_hash[SECURITY_HASH_OCTETS],
                       struct reload_identity *ret_identity)
{
    bool several = signer->cert->node_id_count > 1;
    if (several)
        node_identity_hash(signer->cert, signer->node, ret_hash);
    else
        memcpy(ret_hash, signer->cert->hash, SECURITY_HASH_OCTETS);
    *ret_identity = (struct reload_identity){
        .type = several ? RELOAD_IDENTITY_CERT_HASH_NODE_ID : RELOAD_IDENTITY_CERT_HASH,
        .hash_algorithm = RELOAD_HASH_SHA256,
        .hash = slice_of(ret_hash, SECURITY_HASH_OCTETS),
    };
}

bool security_identity_matches(const struct security_cert *cert, const struct reload_identity *identity,
                               struct id *ret_node)
{
    if (identity->hash_algorithm != RELOAD_HASH_SHA256 || identity->hash.n != SECURITY_HASH_OCTETS)
        return false;
    if (cert->node_id_count == 1) {
        if (identity->type != RELOAD_IDENTITY_CERT_HASH ||
            memcmp(identity->hash.p, cert->hash, SECURITY_HASH_OCTETS) != 0)
            return false;
        *ret_node = cert->node_ids[0];
        return true;
    }
    if (identity->type != RELOAD_IDENTITY_CERT_HASH_NODE_ID)
        return false;
    for (size_t i = 0; i < cert->node_id_count; i++) {
        uint8_t hash[SECURITY_HASH_OCTETS];
        node_identity_hash(cert, cert->node_ids[i], hash);
        if (memcmp(identity->hash.p, hash, sizeof hash) == 0) {
            *ret_node = cert->node_ids[i];
            return true;
        }
    }
    return false;
}

/* ---- refusals ---- */

static int refuse(struct security *s, int err)
{
    switch (err) {
    case ERR_NOT_FOUND:
        s->counters.refused_unknown++;
        break;
    case ERR_UNSUPPORTED:
        s->counters.refused_algorithm++;
        break;
    case ERR_AUTH:
        s->counters.refused_authority++;
        break;
    case ERR_EXPIRED:
        s->counters.refused_expired++;
        break;
    case ERR_FORBIDDEN:
        s->counters.refused_banned++;
        break;
    case ERR_RANGE:
        s->counters.refused_overlay++;
        break;
    case ERR_NO_MEMORY:
        s->counters.refused_memory++;
        break;
    default:
        s->counters.refused_malformed++;
    }
    return err;
}

int security_admit(struct security *s, struct slice der, struct wall now, const struct security_cert **ret_cert)
{
    int err = s->ops->admit(s->ctx, der, now, ret_cert);
    return err ? refuse(s, err) : 0;
}

/* ---- who signed ---- */

/* The certificate of a cert_hash is known by its hash, so that no other one needs to be looked into. */
static int find_by_hash(struct security *s, const struct reload_security *block, const struct reload_identity *identity,
                        struct wall now, const struct security_cert **ret_cert)
{
    for (size_t i = 0; i < block->certificate_count; i++) {
        uint8_t hash[SECURITY_HASH_OCTETS];
        if (block->certificates[i].type != RELOAD_CERTIFICATE_X509)
            continue;
        digest_sha256(block->certificates[i].octets, hash);
        if (memcmp(hash, identity->hash.p, sizeof hash) == 0)
            return s->ops->admit(s->ctx, block->certificates[i].octets, now, ret_cert);
    }
    return ERR_NOT_FOUND;
}

/* Which certificate a cert_hash_node_id means, and which node, shows only after parsing. */
static int find_by_node_hash(struct security *s, const struct reload_security *block,
                             const struct reload_identity *identity, struct wall now,
                             const struct security_cert **ret_cert)
{
    int first_err = ERR_NOT_FOUND;
    for (size_t i = 0; i < block->certificate_count; i++) {
        const struct security_cert *cert;
        struct id node;
        if (block->certificates[i].type != RELOAD_CERTIFICATE_X509)
            continue;
        int err = s->ops->admit(s->ctx, block->certificates[i].octets, now, &cert);
        if (err) {
            first_err = first_err == ERR_NOT_FOUND ? err : first_err;
        } else if (security_identity_matches(cert, identity, &node)) {
            *ret_cert = cert;
            return 0;
        }
    }
    return first_err;
}

static int find_signer(struct security *s, const struct reload_security *block, const struct reload_identity *identity,
                       struct wall now, struct security_signer *ret_signer)
{
    if (identity->type != RELOAD_IDENTITY_CERT_HASH && identity->type != RELOAD_IDENTITY_CERT_HASH_NODE_ID)
        return refuse(s, ERR_SYNTAX);
    if (identity->hash_algorithm != RELOAD_HASH_SHA256)
        return refuse(s, ERR_UNSUPPORTED);
    if (identity->hash.n != SECURITY_HASH_OCTETS)
        return refuse(s, ERR_SYNTAX);
    const struct security_cert *cert;
    int err = s->ops->lookup(s->ctx, identity->hash.p, now, &cert);
    if (err == ERR_NOT_FOUND)
        err = identity->type == RELOAD_IDENTITY_CERT_HASH ? find_by_hash(s, block, identity, now, &cert)
                                                          : find_by_node_hash(s, block, identity, now, &cert);
    if (err)
        return refuse(s, err);
    struct id node;
    if (!security_identity_matches(cert, identity, &node))
        return refuse(s, ERR_SYNTAX);
    *ret_signer = (struct security_signer){node, cert};
    return 0;
}

/* The signature itself, over octets that the buffer holds; frees the buffer. */
static int check_signature(struct security *s, const struct security_signer *signer,
                           const struct reload_signature *signature, int build_err, struct buf *signed_octets)
{
    int err = build_err;
    if (!err)
        err = s->ops->verify(s->ctx, signer->cert, buf_slice(signed_octets), signature->value);
    buf_fini(signed_octets);
    if (err == ERR_AUTH) {
        s->counters.refused_signature++;
        return err;
    }
    return err ? refuse(s, err) : 0;
}

static bool algorithms_fit(const struct security_cert *cert, const struct reload_signature *signature)
{
    return signature->hash_algorithm == RELOAD_HASH_SHA256 &&
           signature->signature_algorithm == cert->signature_algorithm;
}

int security_verify_message(struct security *s, const struct reload_message *message, struct wall now,
                            struct security_signer *ret_signer)
{
    const struct reload_signature *signature = &message->security.signature;
    struct security_signer signer;
    int err = find_signer(s, &message->security, &signature->identity, now, &signer);
    if (err)
        return err;
    if (!algorithms_fit(signer.cert, signature))
        return refuse(s, ERR_UNSUPPORTED);
    struct buf octets;
    buf_init(&octets, SIGNED_OCTETS_MAX);
    err = reload_message_signed_octets(message->header.overlay, message->header.transaction_id,
                                       message->contents_octets, &signature->identity, &octets);
    err = check_signature(s, &signer, signature, err, &octets);
    if (err)
        return err;
    s->counters.verified_messages++;
    *ret_signer = signer;
    return 0;
}

int security_verify_value(struct security *s, const struct reload_security *block, struct slice resource, uint32_t kind,
                          const struct reload_stored_data *data, struct wall now, struct security_signer *ret_signer)
{
    struct security_signer signer;
    if (reload_stored_data_is_unsigned(data)) {
        s->counters.refused_signature++;
        return ERR_AUTH;
    }
    int err = find_signer(s, block, &data->signature.identity, now, &signer);
    if (err)
        return err;
    if (!algorithms_fit(signer.cert, &data->signature))
        return refuse(s, ERR_UNSUPPORTED);
    struct buf octets;
    buf_init(&octets, SIGNED_OCTETS_MAX);
    err = reload_stored_data_signed_octets(resource, kind, data, &octets);
    err = check_signature(s, &signer, &data->signature, err, &octets);
    if (err)
        return err;
    s->counters.verified_values++;
    *ret_signer = signer;
    return 0;
}

/* ---- signing ---- */

/* Our identity, its hash in the region, and no value yet. */
static int begin_signature(struct security *s, struct region *region, struct reload_signature *ret_signature)
{
    struct security_signer own = security_own(s);
    uint8_t *hash = region_alloc(region, SECURITY_HASH_OCTETS);
    if (!hash)
        return ERR_NO_MEMORY;
    *ret_signature = (struct reload_signature){
        .hash_algorithm = RELOAD_HASH_SHA256,
        .signature_algorithm = own.cert->signature_algorithm,
    };
    security_identity(&own, hash, &ret_signature->identity);
    return 0;
}

/* Signs what the buffer holds and frees it. */
static int finish_signature(struct security *s, struct region *region, int build_err, struct buf *signed_octets,
                            struct reload_signature *signature)
{
    struct buf value;
    buf_init(&value, SIGNATURE_OCTETS_MAX);
    int err = build_err;
    if (!err)
        err = s->ops->sign(s->ctx, buf_slice(signed_octets), &value);
    if (!err) {
        signature->value = region_copy(region, buf_slice(&value));
        err = signature->value.p ? 0 : ERR_NO_MEMORY;
    }
    buf_fini(&value);
    buf_fini(signed_octets);
    return err;
}

/* Each certificate once: ours first. */
static int gather_certificates(const struct slice *certs, size_t count, struct slice own, struct region *region,
                               struct reload_security *block)
{
    size_t room = count < RELOAD_CERTIFICATES_MAX ? count + 1 : RELOAD_CERTIFICATES_MAX;
    struct reload_certificate *all = region_array(region, room, sizeof *all);
    if (!all)
        return ERR_NO_MEMORY;
    size_t n = 0;
    all[n++] = (struct reload_certificate){RELOAD_CERTIFICATE_X509, own};
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t j = 0; j < n && !known; j++)
            known = slice_eq(all[j].octets, certs[i]);
        if (known)
            continue;
        if (n == room)
            return ERR_LIMIT;
        all[n++] = (struct reload_certificate){RELOAD_CERTIFICATE_X509, certs[i]};
    }
    block->certificates = all;
    block->certificate_count = n;
    return 0;
}

int security_sign_message(struct security *s, uint32_t overlay, uint64_t transaction_id, struct slice contents,
                          const struct slice *value_certs, size_t value_cert_count, struct region *region,
                          struct reload_security *ret_block)
{
    struct reload_security block = {0};
    struct slice own = region_copy(region, security_own(s).cert->der);
    if (!own.p)
        return ERR_NO_MEMORY;
    int err = gather_certificates(value_certs, value_cert_count, own, region, &block);
    if (!err)
        err = begin_signature(s, region, &block.signature);
    if (err)
        return err;
    struct buf octets;
    buf_init(&octets, SIGNED_OCTETS_MAX);
    err = reload_message_signed_octets(overlay, transaction_id, contents, &block.signature.identity, &octets);
    err = finish_signature(s, region, err, &octets, &block.signature);
    if (err)
        return err;
    s->counters.signed_messages++;
    *ret_block = block;
    return 0;
}

int security_sign_value(struct security *s, struct slice resource, uint32_t kind, struct reload_stored_data *data,
                        struct region *region)
{
    struct reload_stored_data copy = *data;
    int err = begin_signature(s, region, &copy.signature);
    if (err)
        return err;
    struct buf octets;
    buf_init(&octets, SIGNED_OCTETS_MAX);
    err = reload_stored_data_signed_octets(resource, kind, &copy, &octets);
    err = finish_signature(s, region, err, &octets, &copy.signature);
    if (err)
        return err;
    s->counters.signed_values++;
    data->signature = copy.signature;
    return 0;
}
