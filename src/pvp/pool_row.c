/* Results and penalties as rows of the store. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/text.h"
#include "pvp/pool_private.h"

enum { ROW_VERSION = 1, KEY_OCTETS_MAX = 2 * ID_OCTETS + POOL_DOMAIN_OCTETS_MAX, VALUE_OCTETS_MAX = 65535 + 64 };

static void result_key(struct buf *key, const struct id *node_id, const char *domain, const struct id *vcr_id)
{
    buf_init(key, KEY_OCTETS_MAX);
    buf_slice_put(key, id_slice(node_id));
    buf_slice_put(key, id_slice(vcr_id));
    buf_str(key, domain);
}

int pvp_pool_row_put(const struct pvp_pools *p, const struct id *node_id, const char *domain,
                     const struct pvp_result *result)
{
    struct buf key;
    struct buf value;
    result_key(&key, node_id, domain, &result->vcr_id);
    buf_init(&value, VALUE_OCTETS_MAX);
    buf_u8(&value, ROW_VERSION);
    buf_opaque(&value, 1, e164_slice(&result->called));
    buf_u64(&value, result->vservice_id);
    buf_u16(&value, (uint16_t)result->worth);
    buf_u64(&value, (uint64_t)result->when.ms);
    buf_opaque(&value, 2, result->valinfo_xml);
    int err = key.err ? key.err : value.err;
    if (!err)
        err = kv_put(p->kv, KV_PVP_POOL, buf_slice(&key), buf_slice(&value));
    buf_fini(&key);
    buf_fini(&value);
    return err;
}

int pvp_pool_row_remove(const struct pvp_pools *p, const struct id *node_id, const char *domain,
                        const struct pvp_result *result)
{
    struct buf key;
    result_key(&key, node_id, domain, &result->vcr_id);
    int err = key.err ? key.err : kv_remove(p->kv, KV_PVP_POOL, buf_slice(&key));
    buf_fini(&key);
    return err;
}

/* Node-ID and number. */
struct penalty_key {
    uint8_t octets[ID_OCTETS + E164_OCTETS_MAX];
};

static struct slice penalty_key(struct penalty_key *key, const struct id *node_id, const struct e164 *called)
{
    size_t n = strlen(called->text);
    memcpy(key->octets, node_id->octets, ID_OCTETS);
    memcpy(key->octets + ID_OCTETS, called->text, n);
    return slice_of(key->octets, ID_OCTETS + n);
}

int pvp_penalty_row_put(const struct pvp_pools *p, const struct id *node_id, const struct e164 *called,
                        struct wall since)
{
    struct penalty_key key;
    uint8_t value[8];
    for (size_t i = 0; i < 8; i++)
        value[i] = (uint8_t)((uint64_t)since.ms >> (56 - 8 * i));
    return kv_put(p->kv, KV_PVP_PENALTY, penalty_key(&key, node_id, called), slice_of(value, sizeof value));
}

int pvp_penalty_row_remove(const struct pvp_pools *p, const struct id *node_id, const struct e164 *called)
{
    struct penalty_key key;
    return kv_remove(p->kv, KV_PVP_PENALTY, penalty_key(&key, node_id, called));
}

static int load_penalty(void *arg, struct slice key, struct slice value)
{
    struct pvp_pools *p = arg;
    struct reader r;
    struct id node_id;
    struct e164 called;
    reader_init(&r, value);
    struct wall since = {(int64_t)read_u64(&r, "penalty time")};
    if (reader_end(&r, "penalty end") || key.n <= ID_OCTETS ||
        !e164_parse(slice_of(key.p + ID_OCTETS, key.n - ID_OCTETS), &called))
        return ERR_SYNTAX;
    memcpy(node_id.octets, key.p, ID_OCTETS);
    struct peer *peer = pvp_peer_hold(p, &node_id);
    return peer ? pvp_penalty_set(p, peer, &called, since) : ERR_NO_MEMORY;
}

/* Rows come in the order of their keys: put where the time says. */
static void insert_by_time(struct pool *pool, struct stored_result *s)
{
    struct list *at = &pool->results;
    while (at->prev != &pool->results &&
           CONTAINER_OF(at->prev, struct stored_result, link)->result.when.ms > s->result.when.ms)
        at = at->prev;
    list_append(at, &s->link);
}

static int load_result(void *arg, struct slice key, struct slice value)
{
    struct pvp_pools *p = arg;
    struct pvp_result result = {0};
    struct id node_id;
    struct reader r;
    reader_init(&r, value);
    uint8_t version = read_u8(&r, "result version");
    struct slice called = read_opaque(&r, 1, "result number");
    result.vservice_id = read_u64(&r, "result VServiceID");
    result.worth = read_u16(&r, "result worth");
    result.when.ms = (int64_t)read_u64(&r, "result time");
    result.valinfo_xml = read_opaque(&r, 2, "result document");
    if (reader_end(&r, "result end") || version != ROW_VERSION || key.n <= 2 * ID_OCTETS ||
        !e164_parse(called, &result.called))
        return ERR_SYNTAX;
    struct slice domain = slice_of(key.p + 2 * ID_OCTETS, key.n - 2 * ID_OCTETS);
    if (!domain_is_valid(domain))
        return ERR_SYNTAX;
    memcpy(node_id.octets, key.p, ID_OCTETS);
    memcpy(result.vcr_id.octets, key.p + ID_OCTETS, ID_OCTETS);

    struct peer *peer = pvp_peer_hold(p, &node_id);
    struct pool *pool = peer ? pvp_pool_hold(p, peer, domain) : NULL;
    struct stored_result *s = pool ? pvp_result_copy(&result) : NULL;
    if (!s)
        return ERR_NO_MEMORY;
    insert_by_time(pool, s);
    return 0;
}

int pvp_pool_rows_load(struct pvp_pools *p)
{
    int err = kv_scan(p->kv, KV_PVP_PENALTY, load_penalty, p);
    return err ? err : kv_scan(p->kv, KV_PVP_POOL, load_result, p);
}
