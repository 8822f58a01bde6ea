/* Fetch, Stat and Find (RFC 6940 sections 7.4.2 … 7.4.4). */
#include "crypt/digest.h"
#include "reload/storage_impl.h"

/* What a specifier asks for, value by value: an entry, or a place where nothing is. Filled by select_values. */
struct selection {
    struct region *region;
    struct selected {
        struct place place;
        const struct entry *entry; /* NULL: a synthetic value */
    } * items;
    size_t n;
    size_t capacity;
};

static int selection_add(struct selection *sel, struct place place, const struct entry *entry)
{
    if (sel->n == sel->capacity) {
        size_t capacity = sel->capacity ? 2 * sel->capacity : 8;
        struct selected *more = region_array(sel->region, capacity, sizeof *more);
        if (!more)
            return ERR_NO_MEMORY;
        if (sel->n)
            memcpy(more, sel->items, sel->n * sizeof *more);
        sel->items = more;
        sel->capacity = capacity;
    }
    sel->items[sel->n++] = (struct selected){place, entry};
    return 0;
}

static int select_all(struct selection *sel, const struct slot *slot)
{
    int err = 0;
    for (const struct entry *e = slot ? slot->first : NULL; e && !err; e = e->next)
        err = selection_add(sel, entry_place(e), e);
    return err;
}

/* Gaps inside the array are answered, and so is what is asked for by its number. Nothing can be at max-count or behind it. */
static int select_range(struct selection *sel, const struct kind *kind, const struct slot *slot,
                        struct reload_range range)
{
    const struct entry *last = slot ? slot->first : NULL;
    while (last && last->next)
        last = last->next;
    if ((range.first == RELOAD_ARRAY_END || range.last == RELOAD_ARRAY_END) && !last)
        return 0;
    uint32_t first = range.first == RELOAD_ARRAY_END ? last->index : range.first;
    uint32_t end = range.last == RELOAD_ARRAY_END ? last->index : range.last;
    if (end >= kind->max_count && (!last || end > last->index))
        end = last && last->index >= kind->max_count ? last->index : kind->max_count - 1;
    const struct entry *e = storage_entry_from(slot, (struct place){.index = first});
    int err = 0;
    for (uint32_t i = first; i <= end && !err; i++) {
        bool there = e && e->index == i;
        err = selection_add(sel, (struct place){.index = i}, there ? e : NULL);
        e = there ? e->next : e;
    }
    return err;
}

static int select_values(struct selection *sel, const struct kind *kind, const struct slot *slot,
                         const struct reload_specifier *specifier)
{
    int err = 0;
    switch (kind->model) {
    case RELOAD_MODEL_SINGLE:
        return selection_add(sel, (struct place){0}, slot ? slot->first : NULL);
    case RELOAD_MODEL_ARRAY:
        for (size_t i = 0; i < specifier->index_count && !err; i++)
            err = select_range(sel, kind, slot, specifier->indices[i]);
        return specifier->index_count ? err : select_all(sel, slot);
    default:
        for (size_t i = 0; i < specifier->key_count && !err; i++) {
            struct place place = {.key = specifier->keys[i]};
            err = selection_add(sel, place, storage_entry_find(slot, place));
        }
        return specifier->key_count ? err : select_all(sel, slot);
    }
}

static uint16_t answer_unknown_kinds(const struct storage *s, const struct reload_fetch_req *request,
                                     struct region *region, struct buf *ret_body)
{
    uint32_t *unknown = region_array(region, request->specifier_count, sizeof *unknown);
    size_t n = 0;
    if (!unknown)
        return RELOAD_ERROR_REQUEST_TIMEOUT;
    for (size_t i = 0; i < request->specifier_count; i++) {
        const struct kind *kind = kind_find(&s->kinds, request->specifiers[i].kind);
        if (!kind || kind->model != request->specifiers[i].model)
            unknown[n++] = request->specifiers[i].kind;
    }
    if (!n)
        return 0;
    return reload_unknown_kinds_encode(unknown, n, ret_body) ? RELOAD_ERROR_REQUEST_TIMEOUT : RELOAD_ERROR_UNKNOWN_KIND;
}

/* "If the generation counter in the request matches the stored counter, then … no StoredData values" (7.4.2.1); 0 means none was seen. */
static bool is_unchanged(const struct slot *slot, const struct reload_specifier *specifier)
{
    return slot && specifier->generation != 0 && specifier->generation == slot->generation;
}

static uint16_t resource_of(struct slice octets, struct buf *ret_info, struct id *ret_resource)
{
    if (octets.n != ID_OCTETS) {
        buf_str(ret_info, "a Resource-ID has 16 octets");
        return RELOAD_ERROR_INVALID_MESSAGE;
    }
    memcpy(ret_resource->octets, octets.p, ID_OCTETS);
    return 0;
}

static uint16_t encode(const struct reload_body *body, struct buf *ret_body)
{
    size_t before = ret_body->n;
    int err = reload_body_encode(body, ret_body);
    if (!err)
        return 0;
    bool too_large = ret_body->err == ERR_LIMIT;
    if (ret_body->err) {
        ret_body->err = 0;
        ret_body->n = before;
    }
    return too_large ? RELOAD_ERROR_RESPONSE_TOO_LARGE : RELOAD_ERROR_REQUEST_TIMEOUT;
}

/* ---- Fetch ---- */

static int fetch_kind(struct storage *s, struct mono now, const struct reload_specifier *specifier, struct id resource,
                      struct cert_bag *bag, struct reload_kind_data *ret_data)
{
    const struct kind *kind = kind_find(&s->kinds, specifier->kind);
    const struct slot *slot = storage_slot_find(s, kind->id, resource);
    struct selection sel = {.region = bag->region};
    int err = is_unchanged(slot, specifier) ? 0 : select_values(&sel, kind, slot, specifier);
    struct reload_stored_data *values = region_array(bag->region, sel.n, sizeof *values);
    if (!err && !values)
        err = ERR_NO_MEMORY;
    for (size_t i = 0; !err && i < sel.n; i++) {
        const struct selected *item = &sel.items[i];
        if (item->entry) {
            storage_entry_data(item->entry, kind->model, now, &values[i]);
            err = storage_bag_add(bag, item->entry->signer);
        } else {
            values[i] = reload_stored_data_synthetic(kind->model, item->place.index, item->place.key);
        }
    }
    *ret_data = (struct reload_kind_data){
        .kind = kind->id,
        .generation_counter = slot ? slot->generation : 0,
        .model = kind->model,
        .values = values,
        .value_count = sel.n,
    };
    return err;
}

uint16_t storage_fetch(struct storage *s, struct now now, const struct reload_fetch_req *request, struct region *region,
                       struct buf *ret_body, struct storage_certs *ret_certs)
{
    struct id resource;
    struct cert_bag bag = {.region = region};
    uint16_t code = resource_of(request->resource, ret_body, &resource);
    if (!code)
        code = answer_unknown_kinds(s, request, region, ret_body);
    if (code)
        return code;
    struct reload_kind_data *kinds = region_array(region, request->specifier_count, sizeof *kinds);
    int err = kinds ? 0 : ERR_NO_MEMORY;
    for (size_t i = 0; !err && i < request->specifier_count; i++)
        err = fetch_kind(s, now.mono, &request->specifiers[i], resource, &bag, &kinds[i]);
    struct storage_certs certs;
    if (!err)
        err = storage_bag_finish(&bag, &certs);
    if (err)
        return RELOAD_ERROR_REQUEST_TIMEOUT;
    struct reload_body body = {.code = RELOAD_FETCH_ANS, .fetch_ans = {kinds, request->specifier_count}};
    code = encode(&body, ret_body);
    if (code)
        return code;
    s->counters.fetches++;
    *ret_certs = certs;
    return 0;
}

/* ---- Stat ---- */

static int hash_value(const struct entry *e, struct region *region, struct slice *ret_hash)
{
    uint8_t digest[SHA256_OCTETS];
    struct reload_value value = {.exists = e->flags & ENTRY_EXISTS, .octets = entry_value(e)};
    struct buf octets;
    buf_init(&octets, KIND_SIZE_MAX + 4);
    int err = reload_value_hashed_octets(&value, &octets);
    if (!err) {
        digest_sha256(buf_slice(&octets), digest);
        *ret_hash = region_copy(region, slice_of(digest, sizeof digest));
        err = ret_hash->p ? 0 : ERR_NO_MEMORY;
    }
    buf_fini(&octets);
    return err;
}

/* What is not there has no hash. */
static int stat_value(const struct selected *item, enum reload_model model, struct mono now, struct region *region,
                      struct reload_stored_meta *ret_meta)
{
    const struct entry *e = item->entry;
    *ret_meta = (struct reload_stored_meta){
        .model = model, .index = item->place.index, .key = item->place.key, .hash_algorithm = RELOAD_HASH_NONE};
    if (!e)
        return 0;
    ret_meta->storage_time_ms = e->storage_time_ms;
    ret_meta->lifetime_s = storage_lifetime_left(e, now);
    ret_meta->exists = e->flags & ENTRY_EXISTS;
    ret_meta->value_length = e->value_octets;
    ret_meta->hash_algorithm = RELOAD_HASH_SHA256;
    return hash_value(e, region, &ret_meta->hash);
}

static int stat_kind(struct storage *s, struct mono now, const struct reload_specifier *specifier, struct id resource,
                     struct region *region, struct reload_kind_meta *ret_meta)
{
    const struct kind *kind = kind_find(&s->kinds, specifier->kind);
    const struct slot *slot = storage_slot_find(s, kind->id, resource);
    struct selection sel = {.region = region};
    int err = is_unchanged(slot, specifier) ? 0 : select_values(&sel, kind, slot, specifier);
    struct reload_stored_meta *values = region_array(region, sel.n, sizeof *values);
    if (!err && !values)
        err = ERR_NO_MEMORY;
    for (size_t i = 0; !err && i < sel.n; i++)
        err = stat_value(&sel.items[i], kind->model, now, region, &values[i]);
    *ret_meta = (struct reload_kind_meta){
        .kind = kind->id,
        .generation = slot ? slot->generation : 0,
        .model = kind->model,
        .values = values,
        .value_count = sel.n,
    };
    return err;
}

uint16_t storage_stat(struct storage *s, struct now now, const struct reload_fetch_req *request, struct region *region,
                      struct buf *ret_body)
{
    struct id resource;
    uint16_t code = resource_of(request->resource, ret_body, &resource);
    if (!code)
        code = answer_unknown_kinds(s, request, region, ret_body);
    if (code)
        return code;
    struct reload_kind_meta *kinds = region_array(region, request->specifier_count, sizeof *kinds);
    int err = kinds ? 0 : ERR_NO_MEMORY;
    for (size_t i = 0; !err && i < request->specifier_count; i++)
        err = stat_kind(s, now.mono, &request->specifiers[i], resource, region, &kinds[i]);
    if (err)
        return RELOAD_ERROR_REQUEST_TIMEOUT;
    struct reload_body body = {.code = RELOAD_STAT_ANS, .stat_ans = {kinds, request->specifier_count}};
    code = encode(&body, ret_body);
    s->counters.stats += !code;
    return code;
}

/* ---- Find ---- */

/* "Closest" is the first one at or after the place, going around the ring: only so does nearest(1 + R) walk through them all (7.4.4).
 * Resources of which only removed values are remembered are passed by. */
static const struct slot *find_closest(const struct storage *s, uint32_t kind, struct id resource)
{
    const struct slot *first = NULL;
    struct id at = resource;
    for (;;) {
        const struct slot *slot = storage_slot_at_or_after(s, kind, at);
        if (!slot)
            slot = storage_slot_at_or_after(s, kind, (struct id){{0}});
        if (!slot || slot == first)
            return NULL;
        if (slot->existing)
            return slot;
        first = first ? first : slot;
        at = id_add(slot->resource, id_power_of_two(0));
    }
}

uint16_t storage_find(struct storage *s, struct now now, const struct reload_find_req *request, struct region *region,
                      struct buf *ret_body)
{
    static const uint8_t none[] = {0};
    struct id resource;
    (void)now;
    uint16_t code = resource_of(request->resource, ret_body, &resource);
    if (code)
        return code;
    for (size_t i = 0; i < request->kind_count; i++)
        for (size_t j = 0; j < i; j++)
            if (request->kinds[i] == request->kinds[j]) {
                buf_str(ret_body, "a Kind stands twice");
                return RELOAD_ERROR_INVALID_MESSAGE;
            }
    if (!s->duty.responsible || !s->duty.responsible(s->duty.ctx, resource)) {
        buf_str(ret_body, "not responsible");
        return RELOAD_ERROR_NOT_FOUND;
    }
    struct reload_find_kind *results = region_array(region, request->kind_count, sizeof *results);
    if (!results)
        return RELOAD_ERROR_REQUEST_TIMEOUT;
    for (size_t i = 0; i < request->kind_count; i++) {
        const struct slot *slot = find_closest(s, request->kinds[i], resource);
        results[i] = (struct reload_find_kind){request->kinds[i],
                                               slot ? id_slice(&slot->resource) : slice_of(none, sizeof none)};
    }
    struct reload_body body = {.code = RELOAD_FIND_ANS, .find_ans = {results, request->kind_count}};
    code = encode(&body, ret_body);
    s->counters.finds += !code;
    return code;
}
