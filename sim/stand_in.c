/* Keyed hashes in place of signatures: stand_in.h. */
#include "stand_in.h"

#include "alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "crypt/digest.h"

#define MAGIC_OCTETS 8
#define NUMBER_OCTET MAGIC_OCTETS
#define HEAD_OCTETS (NUMBER_OCTET + 4)
#define USER_OCTETS 48
#define SIGNATURE_OCTETS_MIN 70 /* ECDSA P-256 as DER: mostly 70 to 72 */
#define SIGNATURE_OCTETS_MAX 72
#define NOBODY UINT32_MAX

static const uint8_t magic[MAGIC_OCTETS] = "sim cert";

struct issued {
    struct security_cert cert;
    uint64_t secret[2];
    char user[USER_OCTETS];
    uint8_t der[];
};

struct sim_stand_in {
    const struct entropy *entropy;
    size_t octets;
    struct issued **issued;
    uint32_t count;
    uint32_t capacity;
};

struct stand_in {
    struct security port;
    struct sim_stand_in *table;
    const struct issued *own;
    struct id *bad_nodes; /* sorted */
    size_t bad_node_count;
    uint32_t seen[SIM_STAND_IN_SEEN]; /* numbers, by hash: a later one takes the place of an earlier one */
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* ---- the authority's table ---- */

struct sim_stand_in *sim_stand_in_new(size_t certificate_octets, const struct entropy *entropy)
{
    struct sim_stand_in *table = sim_alloc(sizeof *table);
    table->octets = certificate_octets > HEAD_OCTETS ? certificate_octets : HEAD_OCTETS;
    table->entropy = entropy;
    return table;
}

void sim_stand_in_free(struct sim_stand_in *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; i < table->count; i++)
        mem_free(table->issued[i]);
    mem_free(table->issued);
    mem_free(table);
}

static uint32_t number_of(const uint8_t *der)
{
    const uint8_t *p = der + NUMBER_OCTET;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint32_t sim_stand_in_issue(struct sim_stand_in *table, struct id id, const char *user, struct wall not_before,
                            struct wall not_after)
{
    struct issued *made = sim_alloc(sizeof *made + table->octets);
    uint32_t number = table->count;
    entropy_fill(table->entropy, made->der, table->octets);
    memcpy(made->der, magic, sizeof magic);
    for (unsigned i = 0; i < 4; i++)
        made->der[NUMBER_OCTET + i] = (uint8_t)(number >> (24 - 8 * i));
    entropy_fill(table->entropy, made->secret, sizeof made->secret);
    strncpy(made->user, user, sizeof made->user - 1);
    made->cert = (struct security_cert){
        .der = slice_of(made->der, table->octets),
        .node_ids = {id},
        .node_id_count = 1,
        .user = made->user,
        .not_before = not_before,
        .not_after = not_after,
        .signature_algorithm = RELOAD_SIGNATURE_ECDSA,
    };
    digest_sha256(made->cert.der, made->cert.hash);
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? 2 * table->capacity : 256;
        table->issued = sim_resize(table->issued, table->capacity * sizeof(struct issued *));
    }
    table->issued[table->count++] = made;
    return number;
}

const struct security_cert *sim_stand_in_cert(const struct sim_stand_in *table, uint32_t number)
{
    return &table->issued[number]->cert;
}

/* ---- signatures ---- */

/* The tag, drawn out to the length of a signature. */
static size_t make_signature(const struct issued *signer, struct slice octets,
                             uint8_t ret_signature[SIGNATURE_OCTETS_MAX])
{
    uint64_t tag = siphash(signer->secret, octets), word = tag;
    size_t n = SIGNATURE_OCTETS_MIN + (tag & 1) + (tag >> 1 & 1);
    for (size_t at = 0; at < n; at += sizeof word) {
        memcpy(ret_signature + at, &word, n - at < sizeof word ? n - at : sizeof word);
        word = mix(word + tag);
    }
    return n;
}

static bool verifies(const struct issued *signer, struct slice octets, struct slice signature)
{
    uint8_t expected[SIGNATURE_OCTETS_MAX];
    return slice_eq(signature, slice_of(expected, make_signature(signer, octets, expected)));
}

bool sim_stand_in_verifies(const struct sim_stand_in *table, uint32_t number, struct slice octets,
                           struct slice signature)
{
    return verifies(table->issued[number], octets, signature);
}

static int stand_in_verify(void *ctx, const struct security_cert *cert, struct slice octets, struct slice signature)
{
    (void)ctx;
    return verifies(CONTAINER_OF(cert, const struct issued, cert), octets, signature) ? 0 : ERR_AUTH;
}

static int stand_in_sign(void *ctx, struct slice octets, struct buf *ret_signature)
{
    const struct stand_in *s = ctx;
    uint8_t signature[SIGNATURE_OCTETS_MAX];
    buf_put(ret_signature, signature, make_signature(s->own, octets, signature));
    return ret_signature->err;
}

/* ---- admission ---- */

static int judge(const struct stand_in *s, const struct security_cert *cert, struct wall now)
{
    size_t low = 0, high = s->bad_node_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = id_cmp(cert->node_ids[0], s->bad_nodes[middle]);
        if (order == 0)
            return ERR_FORBIDDEN;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return now.ms < cert->not_before.ms || now.ms > cert->not_after.ms ? ERR_EXPIRED : 0;
}

static unsigned place_of(const uint8_t hash[SECURITY_HASH_OCTETS])
{
    return ((unsigned)hash[0] << 8 | hash[1]) % SIM_STAND_IN_SEEN;
}

static int stand_in_admit(void *ctx, struct slice der, struct wall now, const struct security_cert **ret_cert)
{
    struct stand_in *s = ctx;
    if (der.n < HEAD_OCTETS || memcmp(der.p, magic, sizeof magic) != 0)
        return ERR_SYNTAX;
    uint32_t number = number_of(der.p);
    if (number >= s->table->count || !slice_eq(der, s->table->issued[number]->cert.der))
        return ERR_AUTH;
    const struct security_cert *cert = &s->table->issued[number]->cert;
    int err = judge(s, cert, now);
    if (err)
        return err;
    uint32_t *seen = &s->seen[place_of(cert->hash)];
    if (*seen != number)
        s->port.counters.certificates_admitted++;
    *seen = number;
    *ret_cert = cert;
    return 0;
}

static int stand_in_lookup(void *ctx, const uint8_t hash[SECURITY_HASH_OCTETS], struct wall now,
                           const struct security_cert **ret_cert)
{
    const struct stand_in *s = ctx;
    const struct issued *issued = s->own;
    if (memcmp(issued->cert.hash, hash, SECURITY_HASH_OCTETS) != 0) {
        uint32_t number = s->seen[place_of(hash)];
        if (number == NOBODY)
            return ERR_NOT_FOUND;
        issued = s->table->issued[number];
        if (memcmp(issued->cert.hash, hash, SECURITY_HASH_OCTETS) != 0)
            return ERR_NOT_FOUND;
    }
    int err = judge(s, &issued->cert, now);
    if (!err)
        *ret_cert = &issued->cert;
    return err;
}

static void stand_in_own(void *ctx, struct security_signer *ret_signer)
{
    const struct stand_in *s = ctx;
    *ret_signer = (struct security_signer){s->own->cert.node_ids[0], &s->own->cert};
}

static const struct security_ops stand_in_ops = {stand_in_admit, stand_in_lookup, stand_in_verify, stand_in_sign,
                                                 stand_in_own};

/* ---- the port ---- */

static void copy_bans(struct stand_in *s, const struct config *config)
{
    s->bad_node_count = config->bad_node_count;
    s->bad_nodes = NULL;
    if (!config->bad_node_count)
        return;
    s->bad_nodes = sim_alloc(config->bad_node_count * sizeof *s->bad_nodes);
    memcpy(s->bad_nodes, config->bad_nodes, config->bad_node_count * sizeof *s->bad_nodes);
}

int sim_stand_in_security_new(struct sim_stand_in *table, uint32_t number, const struct config *config, struct wall now,
                              struct security **ret_security)
{
    struct stand_in *s = sim_alloc(sizeof *s);
    s->port = (struct security){.ops = &stand_in_ops, .ctx = s};
    s->table = table;
    s->own = table->issued[number];
    for (unsigned i = 0; i < SIM_STAND_IN_SEEN; i++)
        s->seen[i] = NOBODY;
    copy_bans(s, config);
    int err = judge(s, &s->own->cert, now);
    if (err)
        sim_stand_in_security_free(&s->port);
    else
        *ret_security = &s->port;
    return err;
}

void sim_stand_in_security_free(struct security *security)
{
    if (!security)
        return;
    struct stand_in *s = security->ctx;
    mem_free(s->bad_nodes);
    mem_free(s);
}

/* As the real one: everything known is forgotten, and admitted anew when it is seen again. */
int sim_stand_in_set_config(struct security *security, const struct config *config, struct wall now)
{
    struct stand_in *s = security->ctx, fresh = {.own = s->own};
    copy_bans(&fresh, config);
    int err = judge(&fresh, &s->own->cert, now);
    if (err) {
        mem_free(fresh.bad_nodes);
        return err;
    }
    mem_free(s->bad_nodes);
    s->bad_nodes = fresh.bad_nodes;
    s->bad_node_count = fresh.bad_node_count;
    for (unsigned i = 0; i < SIM_STAND_IN_SEEN; i++)
        s->seen[i] = NOBODY;
    return 0;
}
