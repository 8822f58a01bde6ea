/* The durable form: one row per value, one per signer's certificate, one per generation counter.
 *
 *     KV_RELOAD_DATA   resource, Kind, index or key   → version, storage time, end of life, flags, node, algorithm, certificate hash,
 *                                                       signature, value
 *     KV_RELOAD_META   "sc", certificate hash         → certificate
 *                      "sg", resource, Kind           → generation counter
 *                      "sf"                           → generation floor
 *
 * Values are not verified again when they are read: what is in the tables has been. */
#include "base/reader.h"
#include "crypt/digest.h"
#include "reload/storage_impl.h"

#define ROW_VERSION 1
#define ROW_OCTETS_MAX (KIND_SIZE_MAX + 4096u)
#define META_KEY_OCTETS_MAX (2 + SECURITY_HASH_OCTETS)

struct row_key {
    uint8_t octets[ROW_KEY_OCTETS_MAX];
    size_t n;
};

static void key_u32(struct row_key *key, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        key->octets[key->n++] = (uint8_t)(v >> shift);
}

static void key_put(struct row_key *key, const void *p, size_t n)
{
    if (n)
        memcpy(key->octets + key->n, p, n);
    key->n += n;
}

/* An index stands with 4 octets; a dictionary key as it is. Single values have neither, and read as index 0 without a key. */
static struct slice data_key(struct row_key *key, struct id resource, uint32_t kind, const struct entry *e)
{
    key->n = 0;
    key_put(key, resource.octets, ID_OCTETS);
    key_u32(key, kind);
    key_u32(key, e->index);
    key_put(key, e->octets, e->key_octets);
    return slice_of(key->octets, key->n);
}

static struct slice generation_key(struct row_key *key, struct id resource, uint32_t kind)
{
    key->n = 0;
    key_put(key, "sg", 2);
    key_put(key, resource.octets, ID_OCTETS);
    key_u32(key, kind);
    return slice_of(key->octets, key->n);
}

static struct slice signer_key(struct row_key *key, const uint8_t hash[SECURITY_HASH_OCTETS])
{
    key->n = 0;
    key_put(key, "sc", 2);
    key_put(key, hash, SECURITY_HASH_OCTETS);
    return slice_of(key->octets, key->n);
}

int storage_row_put(struct storage *s, struct id resource, uint32_t kind, const struct entry *e, struct wall expires)
{
    struct row_key key;
    struct buf row;
    buf_init(&row, ROW_OCTETS_MAX);
    buf_u8(&row, ROW_VERSION);
    buf_u64(&row, e->storage_time_ms);
    buf_u64(&row, (uint64_t)expires.ms);
    buf_u8(&row, e->flags);
    buf_u8(&row, e->node);
    buf_u8(&row, e->signature_algorithm);
    buf_put(&row, e->signer->hash, sizeof e->signer->hash);
    buf_opaque(&row, 2, entry_signature(e));
    buf_opaque(&row, 4, entry_value(e));
    int err = row.err;
    if (!err)
        err = kv_put(&s->ports.kv, KV_RELOAD_DATA, data_key(&key, resource, kind, e), buf_slice(&row));
    buf_fini(&row);
    return err;
}

int storage_row_remove(struct storage *s, struct id resource, uint32_t kind, const struct entry *e)
{
    struct row_key key;
    return kv_remove(&s->ports.kv, KV_RELOAD_DATA, data_key(&key, resource, kind, e));
}

static void u64_octets(uint64_t v, uint8_t ret_octets[8])
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        ret_octets[i] = (uint8_t)v;
}

int storage_row_put_generation(struct storage *s, struct id resource, uint32_t kind, uint64_t generation)
{
    struct row_key key;
    uint8_t octets[8];
    u64_octets(generation, octets);
    return kv_put(&s->ports.kv, KV_RELOAD_META, generation_key(&key, resource, kind), slice_of(octets, sizeof octets));
}

int storage_row_remove_generation(struct storage *s, struct id resource, uint32_t kind)
{
    struct row_key key;
    return kv_remove(&s->ports.kv, KV_RELOAD_META, generation_key(&key, resource, kind));
}

int storage_row_put_floor(struct storage *s)
{
    uint8_t octets[8];
    u64_octets(s->generation_floor, octets);
    return kv_put(&s->ports.kv, KV_RELOAD_META, slice_str("sf"), slice_of(octets, sizeof octets));
}

int storage_row_put_signer(struct storage *s, const struct signer *signer)
{
    struct row_key key;
    return kv_put(&s->ports.kv, KV_RELOAD_META, signer_key(&key, signer->hash),
                  slice_of(signer->der, signer->der_octets));
}

int storage_row_remove_signer(struct storage *s, const struct signer *signer)
{
    struct row_key key;
    return kv_remove(&s->ports.kv, KV_RELOAD_META, signer_key(&key, signer->hash));
}

/* ---- reading it all back ---- */

struct load {
    struct storage *storage;
    struct now now;
    struct buf bad_data; /* keys of rows to remove, each behind 2 octets of length */
    struct buf bad_meta;
    bool orphans; /* a generation counter without values may be left */
};

/* A scan must not change its table: keys are gathered and removed afterwards. What does not fit stays for the next start. */
static void remember_bad(struct buf *bad, struct slice key)
{
    struct buf saved = *bad;
    buf_opaque(bad, 2, key);
    if (bad->err) {
        bad->err = 0;
        bad->n = saved.n;
    }
}

static int corrupt(struct load *load, struct buf *bad, struct slice key)
{
    load->storage->counters.rows_corrupt++;
    remember_bad(bad, key);
    return 0;
}

/* Certificates first: values need them. An expired or foreign one leaves its values without a signer. */
static int load_signer(struct load *load, struct slice key, struct slice value)
{
    struct storage *s = load->storage;
    const struct security_cert *cert;
    struct signer *signer;
    uint8_t hash[SECURITY_HASH_OCTETS];
    digest_sha256(value, hash);
    if (key.n != 2 + sizeof hash || memcmp(key.p + 2, hash, sizeof hash) != 0)
        return corrupt(load, &load->bad_meta, key);
    int err = security_admit(s->ports.security, value, load->now.wall, &cert);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err) {
        remember_bad(&load->bad_meta, key);
        return 0;
    }
    err = storage_signer_get(s, cert, &signer);
    if (!err)
        signer->written = true;
    return err;
}

static int load_meta_row(void *arg, struct slice key, struct slice value)
{
    struct load *load = arg;
    if (key.n >= 2 && memcmp(key.p, "sc", 2) == 0)
        return load_signer(load, key, value);
    if (slice_eq_str(key, "sf")) {
        struct reader r;
        reader_init(&r, value);
        uint64_t floor = read_u64(&r, "generation floor");
        if (reader_end(&r, "generation floor"))
            return corrupt(load, &load->bad_meta, key);
        load->storage->generation_floor = floor;
    }
    return 0;
}

/* The fields of a data row, and whether they hold together. */
struct data_row {
    struct id resource;
    uint32_t kind;
    struct place place;
    uint64_t storage_time_ms;
    struct wall expires;
    uint8_t flags;
    uint8_t node;
    uint8_t algorithm;
    struct slice hash;
    struct slice signature;
    struct slice value;
};

static bool parse_data_row(struct slice key, struct slice value, struct data_row *ret_row)
{
    struct reader k, v;
    reader_init(&k, key);
    read_copy(&k, ret_row->resource.octets, ID_OCTETS, "resource");
    ret_row->kind = read_u32(&k, "kind");
    ret_row->place.index = read_u32(&k, "index");
    ret_row->place.key = read_slice(&k, reader_left(&k), "key");
    reader_init(&v, value);
    uint8_t version = read_u8(&v, "version");
    ret_row->storage_time_ms = read_u64(&v, "storage time");
    ret_row->expires.ms = (int64_t)read_u64(&v, "end of life");
    ret_row->flags = read_u8(&v, "flags");
    ret_row->node = read_u8(&v, "node");
    ret_row->algorithm = read_u8(&v, "algorithm");
    ret_row->hash = read_slice(&v, SECURITY_HASH_OCTETS, "certificate hash");
    ret_row->signature = read_opaque(&v, 2, "signature");
    ret_row->value = read_opaque(&v, 4, "value");
    return !reader_end(&k, "key") && !reader_end(&v, "value") && version == ROW_VERSION &&
           ret_row->place.key.n <= STORAGE_KEY_OCTETS_MAX && !(ret_row->flags & ~(ENTRY_EXISTS | ENTRY_REPLICA)) &&
           ret_row->signature.n > 0;
}

/* Whether the value fits its Kind as it is configured now. */
static bool row_fits_kind(const struct data_row *row, const struct kind *kind)
{
    bool indexed = row->place.index != 0, keyed = row->place.key.n != 0;
    switch (kind->model) {
    case RELOAD_MODEL_SINGLE:
        return !indexed && !keyed;
    case RELOAD_MODEL_ARRAY:
        return !keyed && row->place.index != RELOAD_ARRAY_END;
    case RELOAD_MODEL_DICTIONARY:
        return !indexed;
    default:
        return false;
    }
}

static int link_row(struct load *load, const struct data_row *row, const struct kind *kind, struct signer *signer)
{
    struct storage *s = load->storage;
    struct slot *slot = storage_slot_find(s, row->kind, row->resource);
    struct entry *e = storage_entry_new(s, row->place, row->value, row->signature, signer);
    if (!e)
        return ERR_NO_MEMORY;
    if (!slot) {
        slot = storage_slot_new(s, kind, row->resource);
        if (!slot) {
            storage_entry_free(s, e);
            return ERR_NO_MEMORY;
        }
        slot->generation = 1;
        storage_slot_insert(s, slot);
    }
    e->storage_time_ms = row->storage_time_ms;
    e->flags = row->flags;
    e->node = row->node;
    e->signature_algorithm = row->algorithm;
    e->revision = s->revision;
    storage_entry_link(s, slot, e, mono_after_ms(load->now.mono, row->expires.ms - load->now.wall.ms));
    s->counters.rows_loaded++;
    return 0;
}

static int load_data_row(void *arg, struct slice key, struct slice value)
{
    struct load *load = arg;
    struct storage *s = load->storage;
    struct data_row row;
    if (!parse_data_row(key, value, &row))
        return corrupt(load, &load->bad_data, key);
    const struct kind *kind = kind_find(&s->kinds, row.kind);
    if (!kind || !row_fits_kind(&row, kind)) {
        s->counters.values_dropped++;
        remember_bad(&load->bad_data, key);
        return 0;
    }
    if (row.expires.ms <= load->now.wall.ms) {
        s->counters.rows_expired++;
        remember_bad(&load->bad_data, key);
        return 0;
    }
    struct signer *signer = storage_signer_find(s, row.hash.p);
    if (!signer || row.node >= signer->node_count) {
        s->counters.rows_signer_gone++;
        remember_bad(&load->bad_data, key);
        return 0;
    }
    return link_row(load, &row, kind, signer);
}

/* Generation counters last: a counter without values is a leftover, and only raises the floor. */
static int load_generation_row(void *arg, struct slice key, struct slice value)
{
    struct load *load = arg;
    struct storage *s = load->storage;
    struct reader k, v;
    struct id resource = {{0}};
    if (key.n < 2 || memcmp(key.p, "sg", 2) != 0)
        return 0;
    reader_init(&k, slice_of(key.p + 2, key.n - 2));
    read_copy(&k, resource.octets, ID_OCTETS, "resource");
    uint32_t kind = read_u32(&k, "kind");
    reader_init(&v, value);
    uint64_t generation = read_u64(&v, "generation counter");
    if (reader_end(&k, "key") || reader_end(&v, "value"))
        return corrupt(load, &load->bad_meta, key);
    struct slot *slot = storage_slot_find(s, kind, resource);
    if (slot) {
        slot->generation = generation ? generation : 1;
        return 0;
    }
    if (generation > s->generation_floor) {
        s->generation_floor = generation;
        s->floor_raised = true;
    }
    remember_bad(&load->bad_meta, key);
    return 0;
}

static void remove_bad(struct storage *s, enum kv_table table, const struct buf *bad)
{
    struct reader r;
    reader_init(&r, buf_slice(bad));
    while (reader_left(&r))
        kv_remove(&s->ports.kv, table, read_opaque(&r, 2, "key"));
}

/* Certificates of which no value was left. */
static void sweep_signers(struct storage *s)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&s->signers, &it))
        storage_signer_sweep(s, it.value);
}

int storage_load(struct storage *s, struct now now)
{
    struct load load = {.storage = s, .now = now};
    buf_init(&load.bad_data, 64u << 20);
    buf_init(&load.bad_meta, 64u << 20);
    s->revision++;
    int err = kv_scan(&s->ports.kv, KV_RELOAD_META, load_meta_row, &load);
    if (!err)
        err = kv_scan(&s->ports.kv, KV_RELOAD_DATA, load_data_row, &load);
    if (!err)
        err = kv_scan(&s->ports.kv, KV_RELOAD_META, load_generation_row, &load);
    if (!err) {
        remove_bad(s, KV_RELOAD_DATA, &load.bad_data);
        remove_bad(s, KV_RELOAD_META, &load.bad_meta);
        sweep_signers(s);
        storage_commit_removals(s);
        log_event(s->ports.log, LEVEL_INFO, "storage.loaded", "values=%llu corrupt=%llu expired=%llu signer_gone=%llu",
                  (unsigned long long)s->counters.rows_loaded, (unsigned long long)s->counters.rows_corrupt,
                  (unsigned long long)s->counters.rows_expired, (unsigned long long)s->counters.rows_signer_gone);
    }
    buf_fini(&load.bad_data);
    buf_fini(&load.bad_meta);
    return err;
}
