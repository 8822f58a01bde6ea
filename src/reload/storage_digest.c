/* Comparing what two peers store without sending it: a range of the ring as one number. The numbers of its values are added up, so their
 * order does not matter; each is a keyed hash under a key that is drawn for every comparison, so nobody can prepare values that make two
 * different ranges look alike. */
#include "reload/storage_impl.h"

#include "base/siphash.h"

typedef void visit_fn(void *ctx, const struct slot *slot);

/* In order, ends included. The depth of the tree is logarithmic: its priorities are secret. */
static void visit_linear(const struct slot *at, struct id low, struct id high, visit_fn *visit, void *ctx)
{
    if (!at)
        return;
    bool above = id_cmp(at->resource, low) >= 0, below = id_cmp(at->resource, high) <= 0;
    if (above)
        visit_linear(at->left, low, high, visit, ctx);
    if (above && below)
        visit(ctx, at);
    if (below)
        visit_linear(at->right, low, high, visit, ctx);
}

/* (from, to], in the order of the ring. */
static void visit_range(const struct kind_tree *tree, struct id from, struct id to, visit_fn *visit, void *ctx)
{
    struct id first = id_add(from, id_power_of_two(0)), none = {{0}};
    if (id_eq(from, to)) {
        visit_linear(tree->root, none, id_wildcard(), visit, ctx);
    } else if (id_cmp(first, to) <= 0) {
        visit_linear(tree->root, first, to, visit, ctx);
    } else {
        visit_linear(tree->root, first, id_wildcard(), visit, ctx);
        visit_linear(tree->root, none, to, visit, ctx);
    }
}

struct summing {
    uint64_t key[2];
    struct mono now;
    struct storage_digest digest;
};

static void put_u32(uint8_t *p, uint32_t n)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(n >> (24 - 8 * i));
}

/* What tells a value from another one, and an older from a newer: not its lifetime, which runs. */
static void sum_slot(void *ctx, const struct slot *slot)
{
    struct summing *sum = ctx;
    uint8_t text[4 + ID_OCTETS + 4 + 8 + 1 + STORAGE_KEY_OCTETS_MAX];
    put_u32(text, slot->kind);
    memcpy(text + 4, slot->resource.octets, ID_OCTETS);
    for (const struct entry *e = slot->first; e; e = e->next) {
        if (storage_lifetime_left(e, sum->now) == 0)
            continue;
        put_u32(text + 20, e->index);
        put_u32(text + 24, (uint32_t)(e->storage_time_ms >> 32));
        put_u32(text + 28, (uint32_t)e->storage_time_ms);
        text[32] = (e->flags & ENTRY_EXISTS) != 0;
        memcpy(text + 33, e->octets, e->key_octets);
        sum->digest.sum += siphash(sum->key, slice_of(text, 33 + (size_t)e->key_octets));
        sum->digest.values++;
    }
}

void storage_digest(const struct storage *s, struct now now, struct id from, struct id to, const uint64_t key[2],
                    struct storage_digest *ret_digest)
{
    struct summing sum = {.key = {key[0], key[1]}, .now = now.mono};
    for (size_t i = 0; i < s->tree_count; i++)
        visit_range(&s->trees[i], from, to, sum_slot, &sum);
    *ret_digest = sum.digest;
}

struct dividing {
    size_t resources;
    size_t every; /* 0: only counted */
    size_t left;
    struct id *places;
    size_t n;
    size_t max;
};

static void divide_slot(void *ctx, const struct slot *slot)
{
    struct dividing *d = ctx;
    d->resources++;
    if (!d->every || --d->left || d->n == d->max)
        return;
    d->places[d->n++] = slot->resource;
    d->left = d->every;
}

size_t storage_divide(const struct storage *s, struct id from, struct id to, struct id *ret_places, size_t max)
{
    const struct kind_tree *largest = NULL;
    size_t most = 0;
    for (size_t i = 0; i < s->tree_count; i++) {
        struct dividing count = {0};
        visit_range(&s->trees[i], from, to, divide_slot, &count);
        if (count.resources > most) {
            most = count.resources;
            largest = &s->trees[i];
        }
    }
    if (!max || most < 2)
        return 0;
    struct dividing d = {.every = (most + max) / (max + 1), .places = ret_places, .max = max};
    d.left = d.every;
    visit_range(largest, from, to, divide_slot, &d);
    if (d.n && id_eq(ret_places[d.n - 1], to))
        d.n--;
    return d.n;
}

bool storage_first_resource(const struct storage *s, struct id from, struct id to, struct id *ret_resource)
{
    struct id one = id_power_of_two(0), start = id_add(from, one), nearest = id_sub(to, start);
    bool found = false;
    for (size_t i = 0; i < s->tree_count; i++) {
        const struct slot *slot = storage_slot_at_or_after(s, s->trees[i].kind, start);
        if (!slot)
            slot = storage_slot_at_or_after(s, s->trees[i].kind, (struct id){{0}}); /* around the end of the numbers */
        if (!slot || id_cmp(id_sub(slot->resource, start), nearest) > 0)
            continue;
        nearest = id_sub(slot->resource, start);
        found = true;
    }
    if (found)
        *ret_resource = id_add(start, nearest);
    return found;
}
