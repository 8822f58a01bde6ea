/* The real security port: X.509 certificates of the configuration's authorities, signatures of crypt, and a bounded cache, so that a
 * certificate is parsed and its chain verified once and not per message. */
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "crypt/digest.h"
#include "reload/config.h"
#include "reload/security.h"

/* A chain is verified again after so long: an authority's own certificate may have ended meanwhile. */
#define CHAIN_TRUSTED_MS (24 * 3600 * 1000)

struct known {
    struct security_cert cert; /* what users see */
    struct cert *parsed;
    struct wall verified; /* INT64_MIN: not with the configuration in use */
    struct list link;     /* in x509.recent */
};

struct x509 {
    struct security port;
    struct security_options options;
    struct slice overlay; /* copy */
    struct trust *trust;
    struct id *bad_nodes; /* copy, sorted */
    size_t bad_node_count;
    struct map
        known; /* hash of each SignerIdentity → struct known: one for a single Node-ID, else one more than Node-IDs */
    struct list recent; /* all known, the least recently used first */
    size_t known_count;
    const struct key *key;
    struct known *own; /* not in the cache */
    struct id node;
};

void security_options_default(struct security_options *options)
{
    *options = (struct security_options){.certificates_max = 4096};
}

/* ---- the cache ---- */

static void known_free(struct known *k)
{
    if (!k)
        return;
    cert_free(k->parsed);
    mem_free(k);
}

/* The hash by which the nth identity of a certificate is known: 0 is the certificate's own, then one per Node-ID if there are several. */
static void identity_hash(const struct security_cert *cert, size_t nth, uint8_t ret_hash[SECURITY_HASH_OCTETS])
{
    struct reload_identity identity;
    if (nth == 0)
        memcpy(ret_hash, cert->hash, SECURITY_HASH_OCTETS);
    else
        security_identity(&(struct security_signer){cert->node_ids[nth - 1], cert}, ret_hash, &identity);
}

static size_t identity_count(const struct security_cert *cert)
{
    return cert->node_id_count > 1 ? cert->node_id_count + 1 : 1;
}

static void forget(struct x509 *x, struct known *k)
{
    for (size_t i = 0; i < identity_count(&k->cert); i++) {
        uint8_t hash[SECURITY_HASH_OCTETS];
        identity_hash(&k->cert, i, hash);
        map_remove_value(&x->known, slice_of(hash, sizeof hash), k);
    }
    list_remove(&k->link);
    x->known_count--;
    known_free(k);
}

static void forget_all(struct x509 *x)
{
    while (!list_empty(&x->recent))
        forget(x, CONTAINER_OF(x->recent.next, struct known, link));
}

/* What the configuration before admitted this one may not. */
static void doubt_all(struct x509 *x)
{
    LIST_EACH(link, &x->recent)
        CONTAINER_OF(link, struct known, link)->verified.ms = INT64_MIN;
}

static int remember(struct x509 *x, struct known *k)
{
    while (x->known_count >= x->options.certificates_max)
        forget(x, CONTAINER_OF(x->recent.next, struct known, link));
    list_append(&x->recent, &k->link);
    x->known_count++;
    for (size_t i = 0; i < identity_count(&k->cert); i++) {
        uint8_t hash[SECURITY_HASH_OCTETS];
        identity_hash(&k->cert, i, hash);
        int err = map_set(&x->known, slice_of(hash, sizeof hash), k);
        if (err) {
            forget(x, k);
            return err;
        }
    }
    return 0;
}

/* ---- admission ---- */

static bool is_bad_node(const struct x509 *x, struct id node)
{
    size_t low = 0, high = x->bad_node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = id_cmp(x->bad_nodes[middle], node);
        if (c == 0)
            return true;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static int check_bans(const struct x509 *x, const struct security_cert *cert)
{
    for (size_t i = 0; i < cert->node_id_count; i++)
        if (is_bad_node(x, cert->node_ids[i]))
            return ERR_FORBIDDEN;
    return 0;
}

/* Parses and judges. Our own may be banned: others judge that, and we go on to see when the ban ends. The caller frees it. */
static int examine(const struct x509 *x, struct slice der, struct wall now, bool own, struct known **ret_known)
{
    struct known *k = mem_alloc(sizeof *k);
    if (!k)
        return ERR_NO_MEMORY;
    list_init(&k->link);
    int err = der.n > CERT_DER_OCTETS_MAX ? ERR_SYNTAX : cert_from_der(der, &k->parsed);
    if (err) {
        mem_free(k);
        return err == ERR_NO_MEMORY ? err : ERR_SYNTAX;
    }
    struct security_cert *c = &k->cert;
    memcpy(c->hash, cert_hash_sha256(k->parsed), SECURITY_HASH_OCTETS);
    c->der = cert_der(k->parsed);
    c->node_id_count = cert_node_ids(k->parsed, x->overlay, c->node_ids, CERT_NODE_IDS_MAX);
    c->user = cert_user(k->parsed);
    c->not_before = cert_not_before(k->parsed);
    c->not_after = cert_not_after(k->parsed);
    c->authority = cert_authority_key_id(k->parsed);
    c->signature_algorithm =
        key_type(cert_key(k->parsed)) == KEY_EC_P256 ? RELOAD_SIGNATURE_ECDSA : RELOAD_SIGNATURE_RSA;
    k->verified = now;
    err = trust_verify(x->trust, k->parsed, now);
    if (!err && c->node_id_count == 0)
        err = ERR_RANGE;
    if (!err && !own)
        err = check_bans(x, c);
    if (err) {
        known_free(k);
        return err;
    }
    *ret_known = k;
    return 0;
}

static int recheck(struct x509 *x, struct known *k, struct wall now)
{
    if (now.ms < k->cert.not_before.ms || now.ms > k->cert.not_after.ms)
        return ERR_EXPIRED;
    if (k->verified.ms != INT64_MIN && now.ms - k->verified.ms <= CHAIN_TRUSTED_MS)
        return 0;
    int err = trust_verify(x->trust, k->parsed, now);
    if (!err)
        err = check_bans(x, &k->cert);
    if (!err)
        k->verified = now;
    return err;
}

static int x509_lookup(void *ctx, const uint8_t hash[SECURITY_HASH_OCTETS], struct wall now,
                       const struct security_cert **ret_cert)
{
    struct x509 *x = ctx;
    struct known *k = map_get(&x->known, slice_of(hash, SECURITY_HASH_OCTETS));
    if (!k)
        return ERR_NOT_FOUND;
    int err = recheck(x, k, now);
    if (err)
        return err;
    list_remove(&k->link);
    list_append(&x->recent, &k->link);
    *ret_cert = &k->cert;
    return 0;
}

static int x509_admit(void *ctx, struct slice der, struct wall now, const struct security_cert **ret_cert)
{
    struct x509 *x = ctx;
    uint8_t hash[SECURITY_HASH_OCTETS];
    digest_sha256(der, hash);
    int err = x509_lookup(ctx, hash, now, ret_cert);
    if (err != ERR_NOT_FOUND)
        return err;
    struct known *k;
    err = examine(x, der, now, false, &k);
    if (err)
        return err;
    err = remember(x, k);
    if (err) /* remember has freed it */
        return err;
    x->port.counters.certificates_admitted++;
    *ret_cert = &k->cert;
    return 0;
}

static int x509_verify(void *ctx, const struct security_cert *cert, struct slice octets, struct slice signature)
{
    (void)ctx;
    const struct known *k = CONTAINER_OF(cert, const struct known, cert);
    return key_verify(cert_key(k->parsed), octets, signature);
}

static int x509_sign(void *ctx, struct slice octets, struct buf *ret_signature)
{
    struct x509 *x = ctx;
    return key_sign(x->key, octets, ret_signature);
}

static void x509_own(void *ctx, struct security_signer *ret_signer)
{
    struct x509 *x = ctx;
    *ret_signer = (struct security_signer){x->node, &x->own->cert};
}

static const struct security_ops x509_ops = {x509_admit, x509_lookup, x509_verify, x509_sign, x509_own};

/* ---- configuration and own identity ---- */

static int copy_config(struct x509 *x, const struct config *config)
{
    x->overlay.n = config->instance_name.n;
    uint8_t *name = mem_alloc(x->overlay.n);
    x->overlay.p = name;
    x->bad_node_count = config->bad_node_count;
    x->bad_nodes = mem_alloc(config->bad_node_count * sizeof *x->bad_nodes);
    if (!name || !x->bad_nodes)
        return ERR_NO_MEMORY;
    memcpy(name, config->instance_name.p, x->overlay.n);
    if (x->bad_node_count)
        memcpy(x->bad_nodes, config->bad_nodes, x->bad_node_count * sizeof *x->bad_nodes);
    int err = trust_new(&x->trust);
    for (size_t i = 0; !err && i < config->root_cert_count; i++)
        err = trust_add_der(x->trust, config->root_certs[i]);
    return err;
}

static void drop_config(struct x509 *x)
{
    mem_free((void *)(uintptr_t)x->overlay.p);
    mem_free(x->bad_nodes);
    trust_free(x->trust);
}

/* Admits the own certificate, of which this must be a node. */
static int examine_own(const struct x509 *x, struct slice der, struct id node, struct wall now, struct known **ret_own)
{
    struct known *own;
    int err = examine(x, der, now, true, &own);
    if (err)
        return err;
    for (size_t i = 0; i < own->cert.node_id_count; i++)
        if (id_eq(own->cert.node_ids[i], node)) {
            *ret_own = own;
            return 0;
        }
    known_free(own);
    return ERR_RANGE;
}

int security_x509_new(const struct security_options *options, const struct config *config, const struct key *key,
                      const struct cert *cert, struct id node, struct wall now, struct security **ret_security)
{
    struct x509 *x = mem_alloc(sizeof *x);
    if (!x)
        return ERR_NO_MEMORY;
    x->port = (struct security){.ops = &x509_ops, .ctx = x};
    x->options = *options;
    if (x->options.certificates_max < 2 * RELOAD_CERTIFICATES_MAX)
        x->options.certificates_max = 2 * RELOAD_CERTIFICATES_MAX;
    map_init(&x->known, (size_t)x->options.certificates_max * (CERT_NODE_IDS_MAX + 1), options->seed);
    list_init(&x->recent);
    x->key = key;
    x->node = node;
    int err = copy_config(x, config);
    if (!err)
        err = examine_own(x, cert_der(cert), node, now, &x->own);
    if (err) {
        security_x509_free(&x->port);
        return err;
    }
    *ret_security = &x->port;
    return 0;
}

void security_x509_free(struct security *security)
{
    if (!security)
        return;
    struct x509 *x = security->ctx;
    forget_all(x);
    map_fini(&x->known);
    known_free(x->own);
    drop_config(x);
    mem_free(x);
}

int security_x509_set_config(struct security *security, const struct config *config, struct wall now)
{
    struct x509 *x = security->ctx;
    struct x509 fresh = {0};
    struct known *own = NULL;
    int err = copy_config(&fresh, config);
    if (!err)
        err = examine_own(&fresh, x->own->cert.der, x->node, now, &own);
    /* Ours has expired, or is of an authority that is not in it: for the others to judge. We may get one that is, by this configuration. */
    bool stale = err == ERR_EXPIRED || err == ERR_AUTH;
    if (err && !stale) {
        drop_config(&fresh);
        return err;
    }
    doubt_all(x);
    drop_config(x);
    x->overlay = fresh.overlay;
    x->trust = fresh.trust;
    x->bad_nodes = fresh.bad_nodes;
    x->bad_node_count = fresh.bad_node_count;
    if (!stale) {
        known_free(x->own);
        x->own = own;
    }
    return 0;
}

int security_x509_set_own(struct security *security, const struct key *key, const struct cert *cert, struct id node,
                          struct wall now)
{
    struct x509 *x = security->ctx;
    struct known *own;
    int err = examine_own(x, cert_der(cert), node, now, &own);
    if (err)
        return err;
    known_free(x->own);
    x->own = own;
    x->key = key;
    x->node = node;
    return 0;
}
