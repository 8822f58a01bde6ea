/* What nodes store: whether it verifies, stands where it may, shows nothing, and keeps to the quotas. */
#include "check_internal.h"

#include "alloc.h"
#include "base/mem.h"
#include "base/reader.h"
#include "crypt/digest.h"
#include "numbers/record.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define ROW_VERSION 1
#define ROW_EXISTS 1
#define ROW_REPLICA 2
#define IDENTITY_CERT_HASH 1
#define HASH_SHA256 4

bool sim_row_parse(struct slice key, struct slice row, struct sim_row *ret_row)
{
    struct reader r;
    struct sim_row out = {0};
    reader_init(&r, key);
    read_copy(&r, out.resource.octets, ID_OCTETS, "resource");
    out.kind = read_u32(&r, "kind");
    out.index = read_u32(&r, "index");
    out.key = read_slice(&r, reader_left(&r), "key");
    if (r.err)
        return false;
    reader_init(&r, row);
    uint8_t version = read_u8(&r, "version");
    out.storage_time_ms = read_u64(&r, "storage time");
    out.expires_ms = (int64_t)read_u64(&r, "end of life");
    uint8_t flags = read_u8(&r, "flags");
    read_u8(&r, "node");
    out.algorithm = read_u8(&r, "algorithm");
    out.certificate = read_slice(&r, SHA256_OCTETS, "certificate hash").p;
    out.signature = read_opaque(&r, 2, "signature");
    out.value = read_opaque(&r, 4, "value");
    if (reader_end(&r, "row") != 0 || version != ROW_VERSION)
        return false;
    out.exists = flags & ROW_EXISTS;
    out.replica = flags & ROW_REPLICA;
    *ret_row = out;
    return true;
}

struct rows {
    struct sim_node *node;
    sim_row_fn *fn;
    void *ctx;
};

static int take_row(void *arg, struct slice key, struct slice value)
{
    struct rows *rows = arg;
    struct sim_row row;
    if (sim_row_parse(key, value, &row))
        rows->fn(rows->ctx, rows->node, &row);
    else
        sim_world_violation(rows->node->world, "stored values verify",
                            "node %" PRIu32 " has a row that nobody can read", rows->node->index);
    return 0;
}

void sim_check_each_row(struct sim_node *node, sim_row_fn *fn, void *ctx)
{
    struct rows rows = {node, fn, ctx};
    if (kv_scan(memory_store_kv(node->disk.store), KV_RELOAD_DATA, take_row, &rows) != 0)
        sim_die("the rows of node %" PRIu32 " cannot be read", node->index);
}

/* ---- one value ---- */

/* RFC 6940 7.1: resource_id || kind || storage_time || StoredDataValue || SignerIdentity. */
static void signed_octets(const struct sim_row *row, struct buf *out)
{
    buf_u8(out, ID_OCTETS);
    buf_put(out, row->resource.octets, ID_OCTETS);
    buf_u32(out, row->kind);
    buf_u64(out, row->storage_time_ms);
    buf_opaque(out, 2, row->key);
    buf_u8(out, row->exists);
    buf_opaque(out, 4, row->value);
    buf_u8(out, IDENTITY_CERT_HASH);
    buf_u16(out, 1 + 1 + SHA256_OCTETS);
    buf_u8(out, HASH_SHA256);
    buf_opaque(out, 1, slice_of(row->certificate, SHA256_OCTETS));
}

static bool verifies(struct sim_check *check, const struct sim_row *row, const struct sim_node *signer)
{
    struct buf octets;
    buf_init(&octets, 1u << 20);
    signed_octets(row, &octets);
    bool good = !octets.err &&
                sim_identity_verifies(check->world->identities, signer->index, buf_slice(&octets), row->signature);
    buf_fini(&octets);
    return good;
}

static int open_as(const struct sim_row *row, const struct sim_node *signer, const struct e164 *number, unsigned copy)
{
    struct numbers_slot slots[NUMBERS_COPIES];
    const struct config *config = signer->server ? server_config_of(signer->server) : NULL;
    struct numbers_profile profile = {slice_str(SIM_OVERLAY), config ? config->number_hash : CONFIG_HASH_SHA1,
                                      config ? config->number_hash_cost : (struct argon2_cost){0}};
    struct numbers_place place = {row->resource, signer->id, sim_vservice(signer->index)};
    int err = numbers_slots_derive(&profile, number, slots);
    if (!err)
        err = numbers_open(slots[copy].key, &place, row->value);
    numbers_slots_wipe(slots);
    return err;
}

/* The value of somebody honest: it stands where one of his numbers is, opens with that and not with another one. */
static void check_honest_value(struct sim_check *check, const struct sim_node *node, const struct sim_row *row,
                               const struct sim_node *signer)
{
    const struct place *place = sim_check_place(check, row->resource);
    if (!place || place->company != signer->index) {
        sim_world_violation(check->world, "stored values verify",
                            "node %" PRIu32 " has a value of node %" PRIu32 " where none of its numbers is",
                            node->index, signer->index);
        return;
    }
    if (!row->exists || !signer->server)
        return;
    struct e164 other = sim_number(place->company + 1, 0);
    if (open_as(row, signer, &place->number, place->copy) != 0)
        sim_world_violation(check->world, "stored values verify",
                            "node %" PRIu32 " has a value of node %" PRIu32 " that does not open with its number",
                            node->index, signer->index);
    if (open_as(row, signer, &other, place->copy) == 0)
        sim_world_violation(check->world, "a wrong number opens nothing",
                            "%s opens the value of node %" PRIu32 " for %s", other.text, signer->index,
                            place->number.text);
}

static void check_value(struct sim_check *check, const struct sim_node *node, const struct sim_row *row)
{
    char key[SIM_KEY_OCTETS_MAX + 1];
    const struct sim_node *signer = sim_check_signer(check, row->certificate);
    if (row->kind != RELOAD_KIND_VIPR_REGISTRATION)
        return;
    if (!signer) {
        sim_world_violation(check->world, "stored values verify", "node %" PRIu32 " has a value of an unknown signer",
                            node->index);
        return;
    }
    sim_truth_key(signer->id, 0, key);
    if (row->key.n < 33 || memcmp(row->key.p, key, 33) != 0) {
        sim_world_violation(check->world, "stored values verify",
                            "node %" PRIu32 " has a value signed by node %" PRIu32 " under another's key", node->index,
                            signer->index);
        return;
    }
    if (!verifies(check, row, signer)) {
        sim_world_violation(check->world, "stored values verify",
                            "node %" PRIu32 " has a value with a bad signature of node %" PRIu32, node->index,
                            signer->index);
        return;
    }
    if (sim_check_honest(check, signer))
        check_honest_value(check, node, row, signer);
}

/* ---- all of a node's ---- */

struct holding {
    uint32_t entries;
    uint32_t replicas;
};

struct scan {
    struct sim_check *check;
    struct holding *held; /* per signer */
};

/* What was looked at once is not looked at again: rows hold still. */
static bool seen(struct sim_check *check, const struct sim_node *node, const struct sim_row *row)
{
    uint8_t digest[SHA256_OCTETS];
    struct buf all;
    buf_init(&all, 1u << 20);
    signed_octets(row, &all);
    buf_slice_put(&all, row->signature);
    buf_u32(&all, node->index);
    digest_sha256(buf_slice(&all), digest);
    buf_fini(&all);
    struct slice key = slice_of(digest, sizeof digest);
    if (map_get(&check->verified, key))
        return true;
    if (map_set(&check->verified, key, check) != 0)
        sim_die("no memory for checks");
    return false;
}

static void scan_row(void *ctx, struct sim_node *node, const struct sim_row *row)
{
    struct scan *scan = ctx;
    const struct sim_node *signer = sim_check_signer(scan->check, row->certificate);
    if (signer && row->exists && row->replica)
        scan->held[signer->index].replicas++;
    else if (signer && row->exists)
        scan->held[signer->index].entries++;
    if (seen(scan->check, node, row))
        return;
    check_value(scan->check, node, row);
    if (sim_check_shows_number(row->key) || sim_check_shows_number(row->value))
        sim_world_violation(scan->check->world, "numbers stay hidden", "node %" PRIu32 " stores one in clear",
                            node->index);
}

uint32_t sim_quota_bound(uint32_t quota_numbers, double share)
{
    double n = (double)quota_numbers * SIM_COPIES, f = share;
    if (f >= 1)
        return (uint32_t)n;
    if (f <= 0)
        f = 0x1p-64;
    /* Upwards from the mean: exp(-n D(k + 1 / n || f)) <= f / 3 * 1e-6. */
    for (double k = floor(n * f);; k++) {
        double a = (k + 1) / n;
        if (a > 1)
            return (uint32_t)n;
        double d = a * log(a / f) + (a < 1 ? (1 - a) * log((1 - a) / (1 - f)) : 0);
        if (-n * d <= log(f / 3 * 1e-6))
            return (uint32_t)k;
    }
}

static void check_quotas(struct sim_check *check, const struct sim_node *node, const struct holding *held)
{
    uint32_t quota = server_config_of(node->server)->quota;
    double owned = check->share_owned[node->index], duty = check->share_duty[node->index];
    uint32_t entries = sim_quota_bound(quota, owned), replicas = sim_quota_bound(quota, duty);
    for (uint32_t i = 0; i < check->world->node_count; i++)
        if (held[i].entries > entries + replicas || held[i].replicas > entries + replicas)
            sim_world_violation(check->world, "quotas hold",
                                "node %" PRIu32 " with %.3f of the ring holds %" PRIu32 " and %" PRIu32
                                " values of node %" PRIu32 ", %" PRIu32 " and %" PRIu32 " are due",
                                node->index, owned, held[i].entries, held[i].replicas, i, entries, replicas);
}

/* By Node-IDs alone; also of those who are about to join. */
static void note_shares(struct sim_check *check)
{
    uint32_t n;
    struct sim_node *const *ring = sim_world_ring(check->world, &n);
    for (uint32_t i = 0; i < check->world->node_count; i++) {
        const struct sim_node *node = sim_world_node(check->world, i);
        uint32_t at = 0;
        if (!node->server)
            continue;
        while (at < n && id_cmp(ring[at]->id, node->id) < 0)
            at++;
        double owned = n > 1 ? id_fraction(ring[(at + n - 1) % n]->id, node->id) : 1;
        double duty = n > SIM_REPLICAS ? id_fraction(ring[(at + n - SIM_REPLICAS) % n]->id, node->id) : 1;
        check->share_owned[i] = fmax(check->share_owned[i], owned);
        check->share_duty[i] = fmax(check->share_duty[i], duty);
    }
}

void sim_check_scan(struct sim_check *check)
{
    uint32_t n = check->world->node_count;
    struct scan scan = {check, sim_alloc((n + 1) * sizeof *scan.held)};
    note_shares(check);
    for (uint32_t i = 0; i < n; i++) {
        struct sim_node *node = sim_world_node(check->world, i);
        if (!node->server || !sim_check_honest(check, node))
            continue;
        memset(scan.held, 0, n * sizeof *scan.held);
        sim_check_each_row(node, scan_row, &scan);
        check_quotas(check, node, scan.held);
    }
    mem_free(scan.held);
}
