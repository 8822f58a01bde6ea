/* Stored values, their metadata and their specifiers, RFC 6940 sections 7.2 and 7.4. */
#include "reload/data.h"

#include "reload/codec.h"

const char *reload_model_name(enum reload_model model)
{
    switch (model) {
    case RELOAD_MODEL_SINGLE:
        return "SINGLE";
    case RELOAD_MODEL_ARRAY:
        return "ARRAY";
    case RELOAD_MODEL_DICTIONARY:
        return "DICTIONARY";
    case RELOAD_MODEL_UNKNOWN:
        break;
    }
    return "unknown";
}

static enum reload_model default_model(void *ctx, uint32_t kind)
{
    (void)ctx;
    switch (kind) {
    case RELOAD_KIND_TURN_SERVICE:
        return RELOAD_MODEL_SINGLE;
    case RELOAD_KIND_CERTIFICATE_BY_NODE:
    case RELOAD_KIND_CERTIFICATE_BY_USER:
        return RELOAD_MODEL_ARRAY;
    case RELOAD_KIND_VIPR_REGISTRATION:
        return RELOAD_MODEL_DICTIONARY;
    default:
        return RELOAD_MODEL_UNKNOWN;
    }
}

struct reload_models reload_models_default(void)
{
    return (struct reload_models){default_model, NULL};
}

/* ---- StoredData ---- */

static void read_value(struct reader *r, enum reload_model model, struct reload_value *v)
{
    v->model = model;
    if (model == RELOAD_MODEL_ARRAY)
        v->index = read_u32(r, "ArrayEntry index, RFC 6940 7.2.2");
    if (model == RELOAD_MODEL_DICTIONARY)
        v->key = read_opaque(r, 2, "DictionaryEntry key, RFC 6940 7.2.3");
    v->exists = reload_read_bool(r, "DataValue exists, RFC 6940 7.2");
    v->octets = read_opaque(r, 4, "DataValue value, RFC 6940 7.2");
}

static void put_value(struct buf *out, const struct reload_value *v, uint32_t index)
{
    if (v->model == RELOAD_MODEL_ARRAY)
        buf_u32(out, index);
    if (v->model == RELOAD_MODEL_DICTIONARY)
        buf_opaque(out, 2, v->key);
    buf_u8(out, v->exists);
    buf_opaque(out, 4, v->octets);
}

int reload_value_encode(const struct reload_value *value, struct buf *out)
{
    put_value(out, value, value->index);
    return out->err;
}

int reload_value_hashed_octets(const struct reload_value *value, struct buf *out)
{
    buf_opaque(out, 4, value->octets);
    return out->err;
}

static void read_stored_data(struct reader *r, enum reload_model model, struct reload_stored_data *d)
{
    struct reader body = read_sub_opaque(r, 4, "StoredData length, RFC 6940 7");
    d->storage_time_ms = read_u64(&body, "storage_time, RFC 6940 7");
    d->lifetime_s = read_u32(&body, "lifetime, RFC 6940 7");
    if (model == RELOAD_MODEL_UNKNOWN) {
        d->opaque = read_slice(&body, reader_left(&body), "StoredDataValue, RFC 6940 7");
    } else {
        read_value(&body, model, &d->value);
        reload_read_signature(&body, &d->signature);
    }
    reader_close(r, &body, "StoredData length, RFC 6940 7");
}

int reload_stored_data_decode(struct slice octets, enum reload_model model, struct reload_stored_data *ret_data,
                              struct fault *ret_fault)
{
    struct reader r;
    reader_init(&r, octets);
    struct reload_stored_data data = {0};
    read_stored_data(&r, model, &data);
    if (reader_end(&r, "octets behind StoredData, RFC 6940 7"))
        return reload_fault(&r, ret_fault);
    *ret_data = data;
    return 0;
}

int reload_stored_data_encode(const struct reload_stored_data *d, struct buf *out)
{
    size_t mark = buf_open(out, 4);
    buf_u64(out, d->storage_time_ms);
    buf_u32(out, d->lifetime_s);
    if (d->value.model == RELOAD_MODEL_UNKNOWN) {
        buf_slice_put(out, d->opaque);
    } else {
        reload_value_encode(&d->value, out);
        reload_signature_encode(&d->signature, out);
    }
    buf_close(out, mark, 4);
    return out->err;
}

int reload_stored_data_signed_octets(struct slice resource, uint32_t kind, const struct reload_stored_data *d,
                                     struct buf *out)
{
    reload_put_resource(out, resource);
    buf_u32(out, kind);
    buf_u64(out, d->storage_time_ms);
    put_value(out, &d->value, 0);
    return reload_identity_encode(&d->signature.identity, out);
}

struct reload_stored_data reload_stored_data_synthetic(enum reload_model model, uint32_t index, struct slice key)
{
    return (struct reload_stored_data){
        .value = {.model = model, .index = index, .key = key},
        .signature = {.hash_algorithm = RELOAD_HASH_NONE,
                      .signature_algorithm = RELOAD_SIGNATURE_ANONYMOUS,
                      .identity = {.type = RELOAD_IDENTITY_NONE}},
    };
}

bool reload_stored_data_is_unsigned(const struct reload_stored_data *d)
{
    const struct reload_signature *s = &d->signature;
    return s->identity.type == RELOAD_IDENTITY_NONE || (s->hash_algorithm == 0 && s->signature_algorithm == 0);
}

const struct reload_kind_data *reload_read_kind_data(struct reader *r, const struct reload_models *models,
                                                     struct region *region, size_t *ret_count)
{
    struct reader list = read_sub_opaque(r, 4, "list of Kinds, RFC 6940 7.4");
    struct reload_array kinds = {0};
    while (reader_left(&list)) {
        struct reload_kind_data *k =
            reload_array_next(&kinds, &list, region, sizeof *k, RELOAD_KINDS_MAX, "number of Kinds, RFC 6940 7.4");
        if (!k)
            break;
        k->kind = read_u32(&list, "kind, RFC 6940 7.4");
        k->generation_counter = read_u64(&list, "generation_counter, RFC 6940 7.4");
        k->model = models->model_of(models->ctx, k->kind);
        struct reader values = read_sub_opaque(&list, 4, "values of a Kind, RFC 6940 7.4");
        struct reload_array array = {0};
        while (reader_left(&values)) {
            struct reload_stored_data *d = reload_array_next(&array, &values, region, sizeof *d, RELOAD_VALUES_MAX,
                                                             "number of values, RFC 6940 7.4");
            if (d)
                read_stored_data(&values, k->model, d);
        }
        reader_close(&list, &values, "values of a Kind, RFC 6940 7.4");
        k->values = array.items;
        k->value_count = array.count;
    }
    reader_close(r, &list, "list of Kinds, RFC 6940 7.4");
    *ret_count = kinds.count;
    return kinds.items;
}

void reload_put_kind_data(struct buf *out, const struct reload_kind_data *kinds, size_t count)
{
    size_t mark = buf_open(out, 4);
    for (size_t i = 0; i < count; i++) {
        buf_u32(out, kinds[i].kind);
        buf_u64(out, kinds[i].generation_counter);
        size_t values = buf_open(out, 4);
        for (size_t k = 0; k < kinds[i].value_count; k++)
            reload_stored_data_encode(&kinds[i].values[k], out);
        buf_close(out, values, 4);
    }
    buf_close(out, mark, 4);
}

/* ---- StoredDataSpecifier ---- */

static bool overlap(struct reload_range a, struct reload_range b)
{
    return a.first <= b.last && b.first <= a.last;
}

static void read_ranges(struct reader *r, struct region *region, struct reload_specifier *s)
{
    struct reader list = read_sub_opaque(r, 2, "indices, RFC 6940 7.4.2.1");
    struct reload_array array = {0};
    while (reader_left(&list)) {
        size_t at = list.at;
        struct reload_range *range = reload_array_next(&array, &list, region, sizeof *range, RELOAD_RANGES_MAX,
                                                       "number of indices, RFC 6940 7.4.2.1");
        if (!range)
            break;
        range->first = read_u32(&list, "ArrayRange first, RFC 6940 7.4.2.1");
        range->last = read_u32(&list, "ArrayRange last, RFC 6940 7.4.2.1");
        if (range->first > range->last)
            reader_fail_at(&list, ERR_RANGE, at, "ArrayRange first behind last, RFC 6940 7.4.2.1");
        for (const struct reload_range *before = array.items; before < range; before++)
            if (overlap(*before, *range))
                reader_fail_at(&list, ERR_SYNTAX, at, "ArrayRanges overlap, RFC 6940 7.4.2.1");
    }
    reader_close(r, &list, "indices, RFC 6940 7.4.2.1");
    s->indices = array.items;
    s->index_count = array.count;
}

const struct reload_specifier *reload_read_specifiers(struct reader *r, const struct reload_models *models,
                                                      struct region *region, size_t *ret_count)
{
    struct reader list = read_sub_opaque(r, 2, "specifiers, RFC 6940 7.4.2.1");
    struct reload_array array = {0};
    while (reader_left(&list)) {
        struct reload_specifier *s = reload_array_next(&array, &list, region, sizeof *s, RELOAD_KINDS_MAX,
                                                       "number of specifiers, RFC 6940 7.4.2.1");
        if (!s)
            break;
        s->kind = read_u32(&list, "specifier kind, RFC 6940 7.4.2.1");
        s->generation = read_u64(&list, "specifier generation, RFC 6940 7.4.2.1");
        s->model = models->model_of(models->ctx, s->kind);
        struct reader rest = read_sub_opaque(&list, 2, "specifier length, RFC 6940 7.4.2.1");
        if (s->model == RELOAD_MODEL_ARRAY)
            read_ranges(&rest, region, s);
        else if (s->model == RELOAD_MODEL_DICTIONARY)
            s->keys = reload_read_opaques(&rest, 2, region, RELOAD_KEYS_MAX, &s->key_count, "keys, RFC 6940 7.4.2.1");
        else if (s->model == RELOAD_MODEL_UNKNOWN)
            s->opaque = read_slice(&rest, reader_left(&rest), "model_specifier, RFC 6940 7.4.2.1");
        reader_close(&list, &rest, "specifier length, RFC 6940 7.4.2.1");
    }
    reader_close(r, &list, "specifiers, RFC 6940 7.4.2.1");
    *ret_count = array.count;
    return array.items;
}

void reload_put_specifiers(struct buf *out, const struct reload_specifier *specifiers, size_t count)
{
    size_t mark = buf_open(out, 2);
    for (size_t k = 0; k < count; k++) {
        const struct reload_specifier *s = &specifiers[k];
        buf_u32(out, s->kind);
        buf_u64(out, s->generation);
        size_t rest = buf_open(out, 2);
        if (s->model == RELOAD_MODEL_ARRAY) {
            size_t indices = buf_open(out, 2);
            for (size_t i = 0; i < s->index_count; i++) {
                buf_u32(out, s->indices[i].first);
                buf_u32(out, s->indices[i].last);
            }
            buf_close(out, indices, 2);
        } else if (s->model == RELOAD_MODEL_DICTIONARY) {
            reload_put_opaques(out, 2, s->keys, s->key_count);
        } else if (s->model == RELOAD_MODEL_UNKNOWN) {
            buf_slice_put(out, s->opaque);
        }
        buf_close(out, rest, 2);
    }
    buf_close(out, mark, 2);
}

/* ---- StoredMetaData ---- */

/* value_length corresponds to the length of StoredData (7.4.3.2): the octets that follow it. */
static void read_stored_meta(struct reader *r, enum reload_model model, struct reload_stored_meta *m)
{
    struct reader body = read_sub_opaque(r, 4, "StoredMetaData value_length, RFC 6940 7.4.3.2");
    m->model = model;
    m->storage_time_ms = read_u64(&body, "StoredMetaData storage_time, RFC 6940 7.4.3.2");
    m->lifetime_s = read_u32(&body, "StoredMetaData lifetime, RFC 6940 7.4.3.2");
    if (model == RELOAD_MODEL_UNKNOWN) {
        m->opaque = read_slice(&body, reader_left(&body), "MetaDataValue, RFC 6940 7.4.3.2");
    } else {
        if (model == RELOAD_MODEL_ARRAY)
            m->index = read_u32(&body, "ArrayEntryMeta index, RFC 6940 7.4.3.2");
        if (model == RELOAD_MODEL_DICTIONARY)
            m->key = read_opaque(&body, 2, "DictionaryEntryMeta key, RFC 6940 7.4.3.2");
        m->exists = reload_read_bool(&body, "MetaData exists, RFC 6940 7.4.3.2");
        m->value_length = read_u32(&body, "MetaData value_length, RFC 6940 7.4.3.2");
        m->hash_algorithm = read_u8(&body, "MetaData hash_algorithm, RFC 6940 7.4.3.2");
        m->hash = read_opaque(&body, 1, "MetaData hash_value, RFC 6940 7.4.3.2");
    }
    reader_close(r, &body, "StoredMetaData value_length, RFC 6940 7.4.3.2");
}

static void put_stored_meta(struct buf *out, const struct reload_stored_meta *m)
{
    size_t mark = buf_open(out, 4);
    buf_u64(out, m->storage_time_ms);
    buf_u32(out, m->lifetime_s);
    if (m->model == RELOAD_MODEL_UNKNOWN) {
        buf_slice_put(out, m->opaque);
    } else {
        if (m->model == RELOAD_MODEL_ARRAY)
            buf_u32(out, m->index);
        if (m->model == RELOAD_MODEL_DICTIONARY)
            buf_opaque(out, 2, m->key);
        buf_u8(out, m->exists);
        buf_u32(out, m->value_length);
        buf_u8(out, m->hash_algorithm);
        buf_opaque(out, 1, m->hash);
    }
    buf_close(out, mark, 4);
}

const struct reload_kind_meta *reload_read_kind_meta(struct reader *r, const struct reload_models *models,
                                                     struct region *region, size_t *ret_count)
{
    struct reader list = read_sub_opaque(r, 4, "StatAns kind_responses, RFC 6940 7.4.3.2");
    struct reload_array kinds = {0};
    while (reader_left(&list)) {
        struct reload_kind_meta *k =
            reload_array_next(&kinds, &list, region, sizeof *k, RELOAD_KINDS_MAX, "number of Kinds, RFC 6940 7.4.3.2");
        if (!k)
            break;
        k->kind = read_u32(&list, "StatKindResponse kind, RFC 6940 7.4.3.2");
        k->generation = read_u64(&list, "StatKindResponse generation, RFC 6940 7.4.3.2");
        k->model = models->model_of(models->ctx, k->kind);
        struct reader values = read_sub_opaque(&list, 4, "StatKindResponse values, RFC 6940 7.4.3.2");
        struct reload_array array = {0};
        while (reader_left(&values)) {
            struct reload_stored_meta *m = reload_array_next(&array, &values, region, sizeof *m, RELOAD_VALUES_MAX,
                                                             "number of values, RFC 6940 7.4.3.2");
            if (m)
                read_stored_meta(&values, k->model, m);
        }
        reader_close(&list, &values, "StatKindResponse values, RFC 6940 7.4.3.2");
        k->values = array.items;
        k->value_count = array.count;
    }
    reader_close(r, &list, "StatAns kind_responses, RFC 6940 7.4.3.2");
    *ret_count = kinds.count;
    return kinds.items;
}

void reload_put_kind_meta(struct buf *out, const struct reload_kind_meta *kinds, size_t count)
{
    size_t mark = buf_open(out, 4);
    for (size_t i = 0; i < count; i++) {
        buf_u32(out, kinds[i].kind);
        buf_u64(out, kinds[i].generation);
        size_t values = buf_open(out, 4);
        for (size_t k = 0; k < kinds[i].value_count; k++)
            put_stored_meta(out, &kinds[i].values[k]);
        buf_close(out, values, 4);
    }
    buf_close(out, mark, 4);
}
