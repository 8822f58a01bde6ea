/* The bodies of Store, Fetch, Stat and Find, RFC 6940 7.4. */
#include "reload/codec.h"

/* "The same Kind-ID MUST NOT be used twice": 7.4.1.1 for Store, 7.4.4.1 for Find. */
static void refuse_twice(struct reader *r, size_t octet, const uint32_t *kinds, size_t count, const char *rule)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; k < count; k++)
            if (kinds[i] == kinds[k])
                reader_fail_at(r, ERR_SYNTAX, octet, rule);
}

static void read_store_req(struct reader *r, const struct reload_models *models, struct region *region,
                           struct reload_store_req *s)
{
    s->resource = reload_read_resource(r, "StoreReq resource, RFC 6940 7.4.1.1");
    s->replica_number = read_u8(r, "StoreReq replica_number, RFC 6940 7.4.1.1");
    size_t at = r->at;
    s->kinds = reload_read_kind_data(r, models, region, &s->kind_count);
    uint32_t ids[RELOAD_KINDS_MAX];
    for (size_t i = 0; i < s->kind_count; i++)
        ids[i] = s->kinds[i].kind;
    refuse_twice(r, at, ids, s->kind_count, "StoreReq has a Kind twice, RFC 6940 7.4.1.1");
}

static void read_store_ans(struct reader *r, struct region *region, struct reload_store_ans *s)
{
    struct reader list = read_sub_opaque(r, 2, "StoreAns kind_responses, RFC 6940 7.4.1.2");
    struct reload_array array = {0};
    while (reader_left(&list)) {
        struct reload_store_kind_response *k =
            reload_array_next(&array, &list, region, sizeof *k, RELOAD_KINDS_MAX, "number of Kinds, RFC 6940 7.4.1.2");
        if (!k)
            break;
        k->kind = read_u32(&list, "StoreKindResponse kind, RFC 6940 7.4.1.2");
        k->generation_counter = read_u64(&list, "StoreKindResponse generation_counter, RFC 6940 7.4.1.2");
        k->replicas = reload_read_ids(&list, "StoreKindResponse replicas, RFC 6940 7.4.1.2");
    }
    reader_close(r, &list, "StoreAns kind_responses, RFC 6940 7.4.1.2");
    s->kinds = array.items;
    s->kind_count = array.count;
}

int reload_store_ans_decode(struct slice octets, struct region *region, struct reload_store_ans *ret_answer,
                            struct fault *ret_fault)
{
    struct reader r;
    reader_init(&r, octets);
    struct reload_store_ans answer = {0};
    read_store_ans(&r, region, &answer);
    if (reader_end(&r, "octets behind StoreAns, RFC 6940 7.4.1.2"))
        return reload_fault(&r, ret_fault);
    *ret_answer = answer;
    return 0;
}

int reload_store_ans_encode(const struct reload_store_ans *s, struct buf *out)
{
    size_t mark = buf_open(out, 2);
    for (size_t i = 0; i < s->kind_count; i++) {
        buf_u32(out, s->kinds[i].kind);
        buf_u64(out, s->kinds[i].generation_counter);
        reload_put_ids(out, s->kinds[i].replicas);
    }
    buf_close(out, mark, 2);
    return out->err;
}

int reload_unknown_kinds_decode(struct slice octets, struct region *region, const uint32_t **ret_kinds,
                                size_t *ret_count, struct fault *ret_fault)
{
    struct reader r;
    reader_init(&r, octets);
    size_t count = 0;
    const uint32_t *kinds = reload_read_kinds(&r, 1, region, &count, "unknown_kinds, RFC 6940 7.4.1.2");
    if (reader_end(&r, "octets behind unknown_kinds, RFC 6940 7.4.1.2"))
        return reload_fault(&r, ret_fault);
    *ret_kinds = kinds;
    *ret_count = count;
    return 0;
}

int reload_unknown_kinds_encode(const uint32_t *kinds, size_t count, struct buf *out)
{
    reload_put_kinds(out, 1, kinds, count);
    return out->err;
}

static void read_find_req(struct reader *r, struct region *region, struct reload_find_req *f)
{
    f->resource = reload_read_resource(r, "FindReq resource, RFC 6940 7.4.4.1");
    size_t at = r->at;
    f->kinds = reload_read_kinds(r, 1, region, &f->kind_count, "FindReq kinds, RFC 6940 7.4.4.1");
    refuse_twice(r, at, f->kinds, f->kind_count, "FindReq has a Kind twice, RFC 6940 7.4.4.1");
}

static void read_find_ans(struct reader *r, struct region *region, struct reload_find_ans *f)
{
    struct reader list = read_sub_opaque(r, 2, "FindAns results, RFC 6940 7.4.4.2");
    struct reload_array array = {0};
    while (reader_left(&list)) {
        struct reload_find_kind *k =
            reload_array_next(&array, &list, region, sizeof *k, RELOAD_KINDS_MAX, "number of Kinds, RFC 6940 7.4.4.2");
        if (!k)
            break;
        k->kind = read_u32(&list, "FindKindData kind, RFC 6940 7.4.4.2");
        k->closest = reload_read_resource(&list, "FindKindData closest, RFC 6940 7.4.4.2");
    }
    reader_close(r, &list, "FindAns results, RFC 6940 7.4.4.2");
    f->results = array.items;
    f->count = array.count;
}

static void put_find_ans(struct buf *out, const struct reload_find_ans *f)
{
    size_t mark = buf_open(out, 2);
    for (size_t i = 0; i < f->count; i++) {
        buf_u32(out, f->results[i].kind);
        reload_put_resource(out, f->results[i].closest);
    }
    buf_close(out, mark, 2);
}

void reload_read_data_body(struct reader *r, const struct reload_models *models, struct region *region,
                           struct reload_body *body)
{
    switch (body->code) {
    case RELOAD_STORE_REQ:
        read_store_req(r, models, region, &body->store_req);
        break;
    case RELOAD_STORE_ANS:
        read_store_ans(r, region, &body->store_ans);
        break;
    case RELOAD_FETCH_REQ:
    case RELOAD_STAT_REQ:
        body->fetch_req.resource = reload_read_resource(r, "resource, RFC 6940 7.4.2.1");
        body->fetch_req.specifiers = reload_read_specifiers(r, models, region, &body->fetch_req.specifier_count);
        break;
    case RELOAD_FETCH_ANS:
        body->fetch_ans.kinds = reload_read_kind_data(r, models, region, &body->fetch_ans.kind_count);
        break;
    case RELOAD_STAT_ANS:
        body->stat_ans.kinds = reload_read_kind_meta(r, models, region, &body->stat_ans.kind_count);
        break;
    case RELOAD_FIND_REQ:
        read_find_req(r, region, &body->find_req);
        break;
    case RELOAD_FIND_ANS:
        read_find_ans(r, region, &body->find_ans);
        break;
    }
}

void reload_put_data_body(struct buf *out, const struct reload_body *body)
{
    switch (body->code) {
    case RELOAD_STORE_REQ:
        reload_put_resource(out, body->store_req.resource);
        buf_u8(out, body->store_req.replica_number);
        reload_put_kind_data(out, body->store_req.kinds, body->store_req.kind_count);
        break;
    case RELOAD_STORE_ANS:
        reload_store_ans_encode(&body->store_ans, out);
        break;
    case RELOAD_FETCH_REQ:
    case RELOAD_STAT_REQ:
        reload_put_resource(out, body->fetch_req.resource);
        reload_put_specifiers(out, body->fetch_req.specifiers, body->fetch_req.specifier_count);
        break;
    case RELOAD_FETCH_ANS:
        reload_put_kind_data(out, body->fetch_ans.kinds, body->fetch_ans.kind_count);
        break;
    case RELOAD_STAT_ANS:
        reload_put_kind_meta(out, body->stat_ans.kinds, body->stat_ans.kind_count);
        break;
    case RELOAD_FIND_REQ:
        reload_put_resource(out, body->find_req.resource);
        reload_put_kinds(out, 1, body->find_req.kinds, body->find_req.kind_count);
        break;
    case RELOAD_FIND_ANS:
        put_find_ans(out, &body->find_ans);
        break;
    }
}
