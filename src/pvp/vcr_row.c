/* Records and attempts as rows of the store. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/reader.h"
#include "crypt/digest.h"
#include "pvp/vcr_private.h"

enum { ROW_VERSION = 1, ROW_OCTETS_MAX = 512 };

/* The id is made of what both clients of one company would upload for the same call: who uploaded it does not matter. */
struct id pvp_vcr_digest(const struct pvp_vcr *v)
{
    uint8_t octets[1 + 5 * 8];
    uint8_t digest[SHA256_OCTETS];
    const uint64_t fields[5] = {v->called, v->calling, (uint64_t)v->start.ms, (uint64_t)v->stop.ms, v->vservice_id};
    struct id id;
    octets[0] = v->direction;
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < 8; k++)
            octets[1 + 8 * i + k] = (uint8_t)(fields[i] >> (56 - 8 * k));
    digest_sha256(slice_of(octets, sizeof octets), digest);
    memcpy(id.octets, digest, sizeof id.octets);
    return id;
}

int pvp_vcr_row_put(struct pvp_vcr_table *t, const struct pvp_vcr *v)
{
    struct buf b;
    buf_init(&b, ROW_OCTETS_MAX);
    buf_u8(&b, ROW_VERSION);
    buf_u8(&b, v->direction);
    buf_u8(&b, v->state);
    buf_u8(&b, v->reason);
    buf_u8(&b, v->tries);
    buf_u8(&b, v->failed);
    buf_u8(&b, v->stranger_failed);
    buf_u8(&b, v->answers);
    buf_u64(&b, v->called);
    buf_u64(&b, v->calling);
    buf_u64(&b, v->vservice_id);
    buf_u64(&b, (uint64_t)v->start.ms);
    buf_u64(&b, (uint64_t)v->stop.ms);
    buf_u64(&b, (uint64_t)v->due.ms);
    buf_opaque(&b, 1, slice_of(v->client->name, v->client->octets));
    int err = b.err ? b.err : kv_put(t->kv, KV_PVP_VCR, id_slice(&v->id), buf_slice(&b));
    buf_fini(&b);
    return err;
}

/* An attempt's key: the record's id and the Node-ID. */
struct attempt_key {
    uint8_t octets[2 * ID_OCTETS];
};

static struct slice attempt_key(const struct pvp_vcr *v, const struct pvp_attempt *a, struct attempt_key *key)
{
    memcpy(key->octets, v->id.octets, ID_OCTETS);
    memcpy(key->octets + ID_OCTETS, a->node_id.octets, ID_OCTETS);
    return slice_of(key->octets, sizeof key->octets);
}

int pvp_vcr_attempt_put(struct pvp_vcr_table *t, const struct pvp_vcr *v, const struct pvp_attempt *a)
{
    struct attempt_key key;
    const uint8_t value[3] = {ROW_VERSION, a->failed, a->is_prover};
    return kv_put(t->kv, KV_PVP_ATTEMPTS, attempt_key(v, a, &key), slice_of(value, sizeof value));
}

int pvp_vcr_row_remove(struct pvp_vcr_table *t, const struct pvp_vcr *v)
{
    int err = 0;
    struct attempt_key key;
    for (const struct pvp_attempt *a = v->attempts; a && !err; a = a->next)
        err = kv_remove(t->kv, KV_PVP_ATTEMPTS, attempt_key(v, a, &key));
    return err ? err : kv_remove(t->kv, KV_PVP_VCR, id_slice(&v->id));
}

struct load {
    struct pvp_vcr_table *table;
    struct now now;
};

static int load_vcr(void *arg, struct slice key, struct slice value)
{
    struct load *load = arg;
    struct pvp_vcr_table *t = load->table;
    struct pvp_vcr row = {0};
    struct reader r;
    reader_init(&r, value);
    uint8_t version = read_u8(&r, "record version");
    row.direction = read_u8(&r, "record direction");
    row.state = read_u8(&r, "record state");
    row.reason = read_u8(&r, "record reason");
    row.tries = read_u8(&r, "record tries");
    row.failed = read_u8(&r, "record failed proofs");
    row.stranger_failed = read_u8(&r, "record failed proofs of strangers");
    row.answers = read_u8(&r, "record answers");
    row.called = read_u64(&r, "record called number");
    row.calling = read_u64(&r, "record calling number");
    row.vservice_id = read_u64(&r, "record VServiceID");
    row.start.ms = (int64_t)read_u64(&r, "record start");
    row.stop.ms = (int64_t)read_u64(&r, "record stop");
    row.due.ms = (int64_t)read_u64(&r, "record due");
    struct slice client = read_opaque(&r, 1, "record client");
    if (reader_end(&r, "record end") || version != ROW_VERSION || key.n != ID_OCTETS ||
        row.direction > PVP_ORIGINATING || row.state > PVP_VCR_TOO_SHORT || row.reason >= PVP_REASONS)
        return ERR_SYNTAX;
    memcpy(row.id.octets, key.p, ID_OCTETS);

    int err = pvp_vcr_index_reserve(t);
    struct pvp_vcr *v = err ? NULL : pvp_vcr_alloc(t, client);
    if (!v)
        return ERR_NO_MEMORY;
    row.client = v->client;
    *v = row;
    pvp_vcr_index_add_id(t, v);
    int64_t wait_ms = v->due.ms > load->now.wall.ms ? v->due.ms - load->now.wall.ms : 0;
    return pvp_vcr_make_live(t, v, mono_after_ms(load->now.mono, wait_ms));
}

static int load_attempt(void *arg, struct slice key, struct slice value)
{
    struct load *load = arg;
    if (key.n != 2 * ID_OCTETS || value.n != 3 || value.p[0] != ROW_VERSION)
        return ERR_SYNTAX;
    struct id vcr_id;
    struct id node_id;
    memcpy(vcr_id.octets, key.p, ID_OCTETS);
    memcpy(node_id.octets, key.p + ID_OCTETS, ID_OCTETS);
    struct pvp_vcr *v = pvp_vcr_index_find(load->table, &vcr_id);
    if (!v)
        return 0;
    struct pvp_attempt *a = pvp_vcr_attempt(v, &node_id, true);
    if (!a)
        return ERR_NO_MEMORY;
    a->failed = value.p[1];
    a->is_prover = value.p[2] != 0;
    a->blocked_at = (struct mono){INT64_MIN};
    return 0;
}

int pvp_vcr_rows_load(struct pvp_vcr_table *t, struct now now)
{
    struct load load = {t, now};
    int err = kv_scan(t->kv, KV_PVP_VCR, load_vcr, &load);
    return err ? err : kv_scan(t->kv, KV_PVP_ATTEMPTS, load_attempt, &load);
}
