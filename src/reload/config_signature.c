/* Verifying and making the signatures of the configuration document. */
#include "reload/config_signature.h"

#define BLOCK_REGION_OCTETS_MAX (1u << 20)

static void describe(const struct cert *cert, struct slice overlay, struct security_cert *ret_cert)
{
    *ret_cert = (struct security_cert){.der = cert_der(cert), .user = cert_user(cert)};
    memcpy(ret_cert->hash, cert_hash_sha256(cert), SECURITY_HASH_OCTETS);
    ret_cert->node_id_count = cert_node_ids(cert, overlay, ret_cert->node_ids, CERT_NODE_IDS_MAX);
    ret_cert->signature_algorithm =
        key_type(cert_key(cert)) == KEY_EC_P256 ? RELOAD_SIGNATURE_ECDSA : RELOAD_SIGNATURE_RSA;
}

static bool may_sign(const struct config_signers *signers, struct id node)
{
    for (size_t i = 0; i < signers->node_count; i++)
        if (id_eq(signers->nodes[i], node))
            return true;
    return false;
}

/* The signature by a certificate of the block. ERR_NOT_FOUND: it is not this certificate's. */
static int verify_with(const struct config_signers *signers, const struct cert *cert, struct slice octets,
                       const struct reload_signature *signature, struct wall now)
{
    struct security_cert described;
    struct id node;
    describe(cert, signers->overlay, &described);
    if (!security_identity_matches(&described, &signature->identity, &node))
        return ERR_NOT_FOUND;
    if (signature->hash_algorithm != RELOAD_HASH_SHA256 ||
        signature->signature_algorithm != described.signature_algorithm)
        return ERR_UNSUPPORTED;
    int err = trust_verify(signers->trust, cert, now);
    if (err)
        return err;
    if (!may_sign(signers, node) || config_is_bad_node(signers->bans, node))
        return ERR_FORBIDDEN;
    return key_verify(cert_key(cert), octets, signature->value);
}

int config_signature_verify(const struct config_signers *signers, struct slice octets, struct slice block,
                            struct wall now)
{
    struct region region;
    struct reload_security security;
    struct fault fault;
    region_init(&region, BLOCK_REGION_OCTETS_MAX);
    int err = reload_security_decode(block, &region, &security, &fault);
    if (!err)
        err = ERR_NOT_FOUND;
    else if (err != ERR_NO_MEMORY)
        err = ERR_SYNTAX;
    for (size_t i = 0; err == ERR_NOT_FOUND && i < security.certificate_count; i++) {
        struct cert *cert;
        if (security.certificates[i].type != RELOAD_CERTIFICATE_X509 ||
            security.certificates[i].octets.n > CERT_DER_OCTETS_MAX ||
            cert_from_der(security.certificates[i].octets, &cert))
            continue;
        err = verify_with(signers, cert, octets, &security.signature, now);
        cert_free(cert);
    }
    region_fini(&region);
    return err;
}

int config_signature_make(const struct config_signers *signers, struct slice octets, const struct key *key,
                          const struct cert *certificate, struct buf *ret_block)
{
    struct security_cert described;
    uint8_t hash[SECURITY_HASH_OCTETS];
    size_t i = 0;
    describe(certificate, signers->overlay, &described);
    while (i < described.node_id_count && !may_sign(signers, described.node_ids[i]))
        i++;
    if (i == described.node_id_count)
        return ERR_FORBIDDEN;
    struct reload_certificate own = {RELOAD_CERTIFICATE_X509, described.der};
    struct reload_security block = {
        .certificates = &own,
        .certificate_count = 1,
        .signature = {.hash_algorithm = RELOAD_HASH_SHA256, .signature_algorithm = described.signature_algorithm},
    };
    security_identity(&(struct security_signer){described.node_ids[i], &described}, hash, &block.signature.identity);
    struct buf value;
    buf_init(&value, 1024);
    int err = key_sign(key, octets, &value);
    block.signature.value = buf_slice(&value);
    if (!err)
        err = reload_security_encode(&block, ret_block);
    buf_fini(&value);
    return err;
}

int config_trust(const struct config *config, struct trust **ret_trust)
{
    struct trust *trust;
    int err = trust_new(&trust);
    if (err)
        return err;
    for (size_t i = 0; i < config->root_cert_count && !err; i++)
        err = trust_add_der(trust, config->root_certs[i]);
    if (err) {
        trust_free(trust);
        return err == ERR_NO_MEMORY ? err : ERR_SYNTAX;
    }
    *ret_trust = trust;
    return 0;
}

/* ---- documents ---- */

static int verify_any(const struct config *config, const struct config_signers *signers, struct wall now)
{
    int err = ERR_AUTH; /* of a document without a signature */
    for (size_t i = 0; i < config->signature_count; i++) {
        err = config_signature_verify(signers, config->signed_octets, config->signatures[i], now);
        if (!err || err == ERR_NO_MEMORY)
            return err;
    }
    return err == ERR_NOT_FOUND ? ERR_AUTH : err;
}

/* "kind-block elements MUST be signed by a node listed in the kind-signers block of the current configuration": which is this one. */
static int verify_kinds(const struct config *config, const struct config_signers *signers, struct wall now)
{
    for (size_t i = 0; i < config->kind_block_count; i++) {
        const struct config_kind_block *block = &config->kind_blocks[i];
        int err = block->signature.n ? config_signature_verify(signers, block->signed_octets, block->signature, now)
                                     : ERR_AUTH;
        if (err)
            return err == ERR_NOT_FOUND ? ERR_AUTH : err;
    }
    return 0;
}

int config_verify(const struct config *config, const struct config *authority, struct wall now)
{
    struct trust *old_trust, *new_trust;
    if (!slice_eq(config->instance_name, authority->instance_name))
        return ERR_FORBIDDEN;
    int err = config_trust(authority, &old_trust);
    if (err)
        return err;
    struct config_signers signers = {
        .trust = old_trust,
        .overlay = authority->instance_name,
        .nodes = authority->configuration_signers,
        .node_count = authority->configuration_signer_count,
        .bans = authority,
    };
    err = verify_any(config, &signers, now);
    trust_free(old_trust);
    if (!err)
        err = config_trust(config, &new_trust);
    if (err)
        return err;
    signers = (struct config_signers){
        .trust = new_trust,
        .overlay = config->instance_name,
        .nodes = config->kind_signers,
        .node_count = config->kind_signer_count,
        .bans = config,
    };
    err = verify_kinds(config, &signers, now);
    trust_free(new_trust);
    return err;
}

/* The block becomes the only Kind of a document; its octets stay what they are. */
static int parse_block_alone(struct slice block, struct config **ret_config)
{
    static const char before[] = "<overlay xmlns=\"" CONFIG_NS_BASE "\"><configuration instance-name=\"kind\">"
                                 "<required-kinds>";
    static const char after[] = "</required-kinds></configuration></overlay>";
    struct config_fault fault;
    struct buf document;
    buf_init(&document, CONFIG_DOCUMENT_OCTETS_MAX);
    buf_str(&document, before);
    buf_slice_put(&document, block);
    buf_str(&document, after);
    int err = document.err;
    if (!err)
        err = config_parse(buf_slice(&document), slice_str("kind"), ret_config, &fault);
    buf_fini(&document);
    return err;
}

int config_verify_kind_block(struct slice block, const struct config *authority, struct wall now, struct kind *ret_kind)
{
    struct config *alone;
    struct trust *trust;
    int err = parse_block_alone(block, &alone);
    if (err)
        return err;
    err = alone->kind_block_count == 1 ? config_trust(authority, &trust) : ERR_SYNTAX;
    if (err) {
        config_free(alone);
        return err;
    }
    struct config_signers signers = {
        .trust = trust,
        .overlay = authority->instance_name,
        .nodes = authority->kind_signers,
        .node_count = authority->kind_signer_count,
        .bans = authority,
    };
    err = verify_kinds(alone, &signers, now);
    if (!err)
        *ret_kind = alone->kinds.kinds[0];
    trust_free(trust);
    config_free(alone);
    return err;
}
