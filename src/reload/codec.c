/* Pieces of structures that stand in several messages: lists, identifiers, Booleans. */
#include "reload/codec.h"

/* Arrays have room for 4, 8, 16 … elements, so the count alone tells when one is full. */
#define ARRAY_FIRST 4

void *reload_array_next(struct reload_array *array, struct reader *r, struct region *region, size_t element_octets,
                        size_t max, const char *rule)
{
    if (r->err)
        return NULL;
    if (array->count >= max) {
        reader_fail(r, ERR_LIMIT, rule);
        return NULL;
    }
    size_t n = array->count;
    if (n == 0 || (n >= ARRAY_FIRST && (n & (n - 1)) == 0)) {
        void *items = region_array(region, n ? 2 * n : ARRAY_FIRST, element_octets);
        if (!items) {
            reader_fail(r, ERR_NO_MEMORY, rule);
            return NULL;
        }
        if (n)
            memcpy(items, array->items, n * element_octets);
        array->items = items;
    }
    array->count++;
    return (uint8_t *)array->items + n * element_octets;
}

bool reload_read_bool(struct reader *r, const char *rule)
{
    size_t at = r->at;
    uint8_t value = read_u8(r, rule);
    if (value > 1)
        reader_fail_at(r, ERR_RANGE, at, rule);
    return value == 1;
}

struct slice reload_read_resource(struct reader *r, const char *rule)
{
    size_t at = r->at;
    struct slice resource = read_opaque(r, 1, rule);
    if (resource.n > RELOAD_RESOURCE_OCTETS_MAX)
        reader_fail_at(r, ERR_RANGE, at, rule);
    return resource;
}

void reload_put_resource(struct buf *out, struct slice resource)
{
    if (resource.n > RELOAD_RESOURCE_OCTETS_MAX && !out->err)
        out->err = ERR_RANGE;
    buf_opaque(out, 1, resource);
}

struct id reload_read_id(struct reader *r, const char *rule)
{
    struct id id = {{0}};
    read_copy(r, id.octets, ID_OCTETS, rule);
    return id;
}

void reload_put_id(struct buf *out, struct id id)
{
    buf_put(out, id.octets, ID_OCTETS);
}

struct reload_ids reload_read_ids(struct reader *r, const char *rule)
{
    size_t at = r->at;
    struct slice list = read_opaque(r, 2, rule);
    if (list.n % ID_OCTETS)
        reader_fail_at(r, ERR_SYNTAX, at, rule);
    if (r->err)
        return (struct reload_ids){0};
    return (struct reload_ids){(const struct id *)list.p, list.n / ID_OCTETS};
}

void reload_put_ids(struct buf *out, struct reload_ids ids)
{
    buf_opaque(out, 2, slice_of(ids.items, ids.count * ID_OCTETS));
}

const uint32_t *reload_read_kinds(struct reader *r, unsigned length_octets, struct region *region, size_t *ret_count,
                                  const char *rule)
{
    size_t at = r->at;
    struct reader list = read_sub_opaque(r, length_octets, rule);
    size_t count = reader_left(&list) / 4;
    if (reader_left(&list) % 4) {
        reader_fail_at(r, ERR_SYNTAX, at, rule);
        return NULL;
    }
    if (count > RELOAD_KINDS_MAX) {
        reader_fail_at(r, ERR_LIMIT, at, rule);
        return NULL;
    }
    uint32_t *kinds = region_array(region, count, sizeof *kinds);
    if (!kinds) {
        reader_fail_at(r, ERR_NO_MEMORY, at, rule);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        kinds[i] = read_u32(&list, rule);
    reader_close(r, &list, rule);
    *ret_count = r->err ? 0 : count;
    return kinds;
}

void reload_put_kinds(struct buf *out, unsigned length_octets, const uint32_t *kinds, size_t count)
{
    size_t mark = buf_open(out, length_octets);
    for (size_t i = 0; i < count; i++)
        buf_u32(out, kinds[i]);
    buf_close(out, mark, length_octets);
}

const struct slice *reload_read_opaques(struct reader *r, unsigned length_octets, struct region *region, size_t max,
                                        size_t *ret_count, const char *rule)
{
    struct reader list = read_sub_opaque(r, length_octets, rule);
    struct reload_array items = {0};
    while (reader_left(&list)) {
        struct slice *item = reload_array_next(&items, &list, region, sizeof *item, max, rule);
        if (item)
            *item = read_opaque(&list, 2, rule);
    }
    reader_close(r, &list, rule);
    *ret_count = items.count;
    return items.items;
}

void reload_put_opaques(struct buf *out, unsigned length_octets, const struct slice *items, size_t count)
{
    size_t mark = buf_open(out, length_octets);
    for (size_t i = 0; i < count; i++)
        buf_opaque(out, 2, items[i]);
    buf_close(out, mark, length_octets);
}
