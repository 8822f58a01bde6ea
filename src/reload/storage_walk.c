/* Walking through what is stored, for replication and hand-over (RFC 6940 sections 7.4.1.1, 10.4, 10.7.3). */
#include "reload/storage_impl.h"

void storage_walk_init(struct storage_walk *walk, struct id from, struct id to, uint64_t since)
{
    *walk = (struct storage_walk){.from = from, .to = to, .since = since};
}

void storage_walk_resource(struct storage_walk *walk, struct id resource, uint64_t since)
{
    storage_walk_init(walk, id_sub(resource, id_power_of_two(0)), resource, since);
}

/* The next slot of the walk's Kind: the first one, or the one that it stands in, or the one after that. Ids are compared by their distance
 * from the beginning, which makes the range straight. */
static struct slot *slot_onward(const struct storage *s, const struct storage_walk *walk)
{
    struct id one = id_power_of_two(0);
    struct id start = walk->in_kind && walk->in_slot ? walk->resource
                      : walk->in_kind                ? id_add(walk->resource, one)
                                                     : id_add(walk->from, one);
    if (walk->in_kind && !walk->in_slot && id_eq(walk->resource, walk->to))
        return NULL;
    struct slot *slot = storage_slot_at_or_after(s, (uint32_t)walk->kind, start);
    if (!slot && id_cmp(walk->to, start) < 0) /* around the end of the numbers */
        slot = storage_slot_at_or_after(s, (uint32_t)walk->kind, (struct id){{0}});
    if (!slot || id_cmp(id_sub(slot->resource, start), id_sub(walk->to, start)) > 0)
        return NULL;
    return slot;
}

static struct entry *entry_onward(const struct storage_walk *walk, const struct slot *slot)
{
    if (!walk->in_slot || !id_eq(walk->resource, slot->resource))
        return slot->first;
    struct place last = {walk->index, slice_of(walk->key, walk->key_octets)};
    struct entry *e = storage_entry_from(slot, last);
    return e && storage_place_cmp(entry_place(e), last) == 0 ? e->next : e;
}

/* The next value on the way, whose slot is given too; NULL at the end of all Kinds. */
static struct entry *next_entry(const struct storage *s, struct storage_walk *walk, struct mono now,
                                struct slot **ret_slot)
{
    for (size_t i = 0; i < s->tree_count; i++) {
        if (s->trees[i].kind < walk->kind)
            continue;
        if (s->trees[i].kind > walk->kind || !walk->in_kind) {
            walk->kind = s->trees[i].kind;
            walk->in_kind = walk->in_slot = false;
        }
        struct slot *slot;
        while ((slot = slot_onward(s, walk))) {
            for (struct entry *e = entry_onward(walk, slot); e; e = e->next)
                if (e->revision >= walk->since && storage_lifetime_left(e, now) > 0) {
                    *ret_slot = slot;
                    return e;
                }
            walk->in_kind = true;
            walk->in_slot = false;
            walk->resource = slot->resource;
        }
        walk->kind = (uint64_t)s->trees[i].kind + 1;
        walk->in_kind = walk->in_slot = false;
    }
    return NULL;
}

/* About what a value takes in a message. */
static size_t wire_octets(const struct entry *e)
{
    return (size_t)entry_octets(e) + 80;
}

static bool bag_has(const struct cert_bag *bag, const struct signer *signer)
{
    for (size_t i = 0; i < bag->n; i++)
        if (bag->signers[i] == signer)
            return true;
    return false;
}

/* Values of one slot, as many as fit. */
static size_t count_portion(const struct storage_walk *walk, const struct entry *first, struct mono now,
                            size_t octets_max, struct cert_bag *bag, const struct entry **ret_last, int *ret_err)
{
    size_t n = 0, octets = 0;
    for (const struct entry *e = first; e; e = e->next) {
        if (e->revision < walk->since || storage_lifetime_left(e, now) == 0)
            continue;
        octets += wire_octets(e) + (bag_has(bag, e->signer) ? 0 : e->signer->der_octets + 3);
        if (n && (octets > octets_max || (bag->n == RELOAD_CERTIFICATES_MAX - 1 && !bag_has(bag, e->signer))))
            break;
        *ret_err = storage_bag_add(bag, e->signer);
        if (*ret_err)
            return 0;
        *ret_last = e;
        n++;
    }
    return n;
}

static int fill_portion(const struct storage_walk *walk, const struct slot *slot, const struct entry *first,
                        struct now now, uint8_t replica_number, size_t octets_max, struct region *region,
                        struct storage_portion *ret_portion, const struct entry **ret_last)
{
    struct cert_bag bag = {.region = region};
    int err = 0;
    size_t n = count_portion(walk, first, now.mono, octets_max, &bag, ret_last, &err);
    struct reload_stored_data *values = region_array(region, n, sizeof *values);
    struct reload_kind_data *kind = region_alloc(region, sizeof *kind);
    struct slice resource = region_copy(region, id_slice(&slot->resource));
    if (err || !values || !kind || !resource.p)
        return ERR_NO_MEMORY;
    size_t i = 0;
    for (const struct entry *e = first; i < n; e = e->next)
        if (e->revision >= walk->since && storage_lifetime_left(e, now.mono) > 0)
            storage_entry_data(e, slot->model, now.mono, &values[i++]);
    *kind = (struct reload_kind_data){
        .kind = slot->kind,
        .generation_counter = slot->generation,
        .model = slot->model,
        .values = values,
        .value_count = n,
    };
    ret_portion->store = (struct reload_store_req){resource, replica_number, kind, 1};
    ret_portion->resource = slot->resource;
    return storage_bag_finish(&bag, &ret_portion->certs);
}

int storage_walk_next(const struct storage *s, struct storage_walk *walk, struct now now, uint8_t replica_number,
                      size_t octets_max, struct region *region, struct storage_portion *ret_portion)
{
    struct slot *slot;
    const struct entry *last = NULL;
    struct entry *first = walk->finished ? NULL : next_entry(s, walk, now.mono, &slot);
    if (!first) {
        walk->finished = true;
        return ERR_NOT_FOUND;
    }
    int err = fill_portion(walk, slot, first, now, replica_number, octets_max, region, ret_portion, &last);
    if (err)
        return err;
    walk->in_kind = walk->in_slot = true;
    walk->resource = slot->resource;
    walk->index = last->index;
    walk->key_octets = last->key_octets;
    if (last->key_octets)
        memcpy(walk->key, last->octets, last->key_octets);
    return 0;
}
