/* Keys, certificates and the ring's document: identity.h. */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method: what replaces it cannot be seeded for the whole library */
#include "identity.h"

#include "alloc.h"
#include "base/mem.h"
#include "crypt/cert.h"
#include "stand_in.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>

#define DAY_MS INT64_C(86400000)
#define AUTHORITY_DAYS 3650
#define USER_OCTETS 48

struct identity {
    struct key *key;   /* real ones only */
    struct cert *cert; /* real ones only */
    uint32_t number;   /* of the stand-in's certificate */
    bool issued;
    struct id id;
    struct wall not_after;
};

struct sim_identities {
    enum sim_signatures kind;
    const struct entropy *entropy;
    struct wall began;
    struct key *authority_key, *signer_key;
    struct cert *authority, *signer;
    struct id signer_id;
    struct identity *identities;
    uint32_t count;
    struct sim_stand_in *stand_in;
    struct config *config; /* of the newest document, which it owns; NULL: none yet */
    const RAND_METHOD *former;
};

/* ---- OpenSSL's random octets, while there are identities ---- */

static const struct entropy *library_entropy;

static int library_bytes(unsigned char *octets, int n)
{
    entropy_fill(library_entropy, octets, (size_t)n);
    return 1;
}

static int library_seed(const void *octets, int n)
{
    (void)octets, (void)n;
    return 1;
}

static int library_add(const void *octets, int n, double randomness)
{
    (void)octets, (void)n, (void)randomness;
    return 1;
}

static int library_status(void)
{
    return 1;
}

static const RAND_METHOD library_method = {
    .seed = library_seed,
    .bytes = library_bytes,
    .add = library_add,
    .pseudorand = library_bytes,
    .status = library_status,
};

/* ---- certificates ---- */

static void must(int err, const char *what)
{
    if (err)
        sim_die("%s: %s", what, err_text(err));
}

static struct cert *issue(struct sim_identities *all, const struct key *key, struct id id, const char *user,
                          struct wall not_before, struct wall not_after)
{
    struct cert *cert;
    struct cert_request request = {
        .public_key = key,
        .overlay = slice_str(SIM_OVERLAY),
        .node_ids = &id,
        .node_id_count = 1,
        .user = user,
        .not_before = not_before,
        .not_after = not_after,
    };
    entropy_fill(all->entropy, request.serial, sizeof request.serial);
    request.serial[0] |= 1;
    must(cert_issue(all->authority_key, all->authority, &request, &cert), "issuing a certificate");
    return cert;
}

static void user_of(uint32_t index, char user[USER_OCTETS])
{
    snprintf(user, USER_OCTETS, "ime%06" PRIu32 "@%s", index, SIM_OVERLAY);
}

static void make_authority(struct sim_identities *all)
{
    uint8_t serial[16] = {1};
    struct wall from = wall_after_ms(all->began, -DAY_MS), until = wall_after_ms(all->began, AUTHORITY_DAYS * DAY_MS);
    must(key_generate(KEY_EC_P256, &all->authority_key), "making a key");
    must(cert_issue_authority(all->authority_key, "simulated authority", from, until, serial, &all->authority),
         "making the authority");
    must(key_generate(KEY_EC_P256, &all->signer_key), "making a key");
    memset(all->signer_id.octets, 0xab, ID_OCTETS);
    all->signer = issue(all, all->signer_key, all->signer_id, "signer@" SIM_OVERLAY, from, until);
}

/* How long a node's real certificate would be. */
static size_t certificate_octets(struct sim_identities *all)
{
    char user[USER_OCTETS];
    user_of(0, user);
    struct cert *sample =
        issue(all, all->signer_key, all->signer_id, user, all->began, wall_after_ms(all->began, 365 * DAY_MS));
    size_t octets = cert_der(sample).n;
    cert_free(sample);
    return octets;
}

struct sim_identities *sim_identities_new(enum sim_signatures kind, uint32_t nodes, const struct entropy *entropy,
                                          struct wall began)
{
    struct sim_identities *all = sim_alloc(sizeof *all);
    *all = (struct sim_identities){.kind = kind, .entropy = entropy, .began = began, .count = nodes};
    all->former = RAND_get_rand_method();
    library_entropy = entropy;
    RAND_set_rand_method(&library_method);
    all->identities = sim_alloc(nodes * sizeof *all->identities);
    make_authority(all);
    if (kind == SIM_SIGNATURES_STAND_IN)
        all->stand_in = sim_stand_in_new(certificate_octets(all), entropy);
    return all;
}

void sim_identities_free(struct sim_identities *all)
{
    if (!all)
        return;
    for (uint32_t i = 0; i < all->count; i++) {
        cert_free(all->identities[i].cert);
        key_free(all->identities[i].key);
    }
    mem_free(all->identities);
    sim_stand_in_free(all->stand_in);
    config_free(all->config);
    cert_free(all->signer);
    key_free(all->signer_key);
    cert_free(all->authority);
    key_free(all->authority_key);
    RAND_set_rand_method(all->former);
    mem_free(all);
}

void sim_identity_issue(struct sim_identities *all, uint32_t index, struct id id, struct wall not_before,
                        struct wall not_after)
{
    struct identity *identity = &all->identities[index];
    char user[USER_OCTETS];
    user_of(index, user);
    identity->issued = true;
    identity->id = id;
    identity->not_after = not_after;
    if (all->kind == SIM_SIGNATURES_STAND_IN) {
        identity->number = sim_stand_in_issue(all->stand_in, id, user, not_before, not_after);
        return;
    }
    if (!identity->key)
        must(key_generate(KEY_EC_P256, &identity->key), "making a key");
    cert_free(identity->cert);
    identity->cert = issue(all, identity->key, id, user, not_before, not_after);
}

struct slice sim_identity_certificate(const struct sim_identities *all, uint32_t index)
{
    const struct identity *identity = &all->identities[index];
    return all->stand_in ? sim_stand_in_cert(all->stand_in, identity->number)->der : cert_der(identity->cert);
}

struct wall sim_identity_certificate_end(const struct sim_identities *all, uint32_t index)
{
    return all->identities[index].not_after;
}

/* ---- the port of a node ---- */

int sim_identity_security_new(struct sim_identities *all, uint32_t index, const struct config *config, struct wall now,
                              struct security **ret_security)
{
    const struct identity *identity = &all->identities[index];
    if (all->stand_in)
        return sim_stand_in_security_new(all->stand_in, identity->number, config, now, ret_security);
    struct security_options options;
    security_options_default(&options);
    options.seed = entropy_u64(all->entropy);
    return security_x509_new(&options, config, identity->key, identity->cert, identity->id, now, ret_security);
}

void sim_identity_security_free(struct sim_identities *all, struct security *security)
{
    if (all->stand_in)
        sim_stand_in_security_free(security);
    else
        security_x509_free(security);
}

int sim_identity_set_config(struct sim_identities *all, struct security *security, const struct config *config,
                            struct wall now)
{
    return all->stand_in ? sim_stand_in_set_config(security, config, now)
                         : security_x509_set_config(security, config, now);
}

bool sim_identity_verifies(const struct sim_identities *all, uint32_t index, struct slice octets,
                           struct slice signature)
{
    const struct identity *identity = &all->identities[index];
    if (all->stand_in)
        return sim_stand_in_verifies(all->stand_in, identity->number, octets, signature);
    return key_verify(cert_key(identity->cert), octets, signature) == 0;
}

/* ---- the document ---- */

static void first_config(struct sim_identities *all, struct region *region, struct config *ret_config)
{
    struct kind kind;
    struct slice *texts = region_array(region, 2, sizeof *texts);
    struct id *signer = region_array(region, 1, sizeof *signer);
    if (!texts || !signer)
        sim_die("no memory for a configuration");
    config_init(ret_config);
    texts[0] = cert_der(all->authority);
    texts[1] = slice_str("TLS");
    *signer = all->signer_id;
    ret_config->instance_name = slice_str(SIM_OVERLAY);
    ret_config->root_certs = &texts[0];
    ret_config->root_cert_count = 1;
    ret_config->no_ice = true;
    ret_config->clients_permitted = false;
    ret_config->max_message_size = 16384;
    ret_config->link_protocols = &texts[1];
    ret_config->link_protocol_count = 1;
    ret_config->configuration_signers = signer;
    ret_config->configuration_signer_count = 1;
    ret_config->kind_signers = signer;
    ret_config->kind_signer_count = 1;
    ret_config->number_hash = CONFIG_HASH_ARGON2ID;
    ret_config->number_hash_cost = (struct argon2_cost){.passes = 1, .memory_kib = 8, .lanes = 1};
    must(kind_registered(slice_str("VIPR-REGISTRATION"), &kind), "the Kind of number records");
    must(kind_add(&ret_config->kinds, &kind), "the Kind of number records");
}

struct slice sim_identities_configure(struct sim_identities *all, sim_configure_fn *change, void *ctx)
{
    struct config next, *parsed;
    struct config_fault fault = {0};
    struct region region;
    struct buf document;
    region_init(&region, 4u << 20);
    if (all->config)
        next = *all->config;
    else
        first_config(all, &region, &next);
    next.sequence = all->config ? config_sequence_next(all->config->sequence) : 1;
    if (change)
        change(ctx, &next, &region);
    buf_init(&document, CONFIG_DOCUMENT_OCTETS_MAX);
    must(config_build(&next, all->signer_key, all->signer, &document), "writing the configuration");
    if (config_parse(buf_slice(&document), slice_str(SIM_OVERLAY), &parsed, &fault) != 0)
        sim_die("the configuration has a fault in line %u: %s", fault.line, fault.rule ? fault.rule : "?");
    buf_fini(&document);
    region_fini(&region);
    config_free(all->config);
    all->config = parsed;
    return parsed->document;
}

struct config *sim_identities_config(const struct sim_identities *all)
{
    return all->config;
}

struct slice sim_identities_document(const struct sim_identities *all)
{
    return all->config ? all->config->document : slice_of(NULL, 0);
}
