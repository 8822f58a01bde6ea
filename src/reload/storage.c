/* The storage as a whole: making and freeing, Kinds, lifetimes, hand-over, figures. */
#include "reload/storage_impl.h"

#define EXPIRE_PER_TICK_MAX 4096u
#define EXPIRE_BUSY_RETRY_MS 100

COUNTERS_DEFINE(storage_counters, STORAGE_COUNTERS)

void storage_options_default(struct storage_options *options)
{
    *options = (struct storage_options){
        .entries_max = 4u << 20,
        .octets_max = 2ull << 30,
        .certificates_max = 65536,
        .removed_per_slot_max = 64,
        .node_slot_max = 16,
        .pending_max = 4096,
        .waiting_max = 1024,
        .lifetime_max_s = 30 * 24 * 3600,
    };
}

int storage_new(const struct storage_options *options, const struct storage_ports *ports,
                const struct kind_table *kinds, struct storage **ret_storage)
{
    struct storage *s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->options = *options;
    s->ports = *ports;
    s->kinds = *kinds;
    s->seed[0] = options->seed;
    s->seed[1] = ~options->seed;
    heap_init(&s->expiries);
    map_init(&s->signers, options->certificates_max, options->seed);
    map_init(&s->owners, (size_t)options->certificates_max * CERT_NODE_IDS_MAX, options->seed);
    map_init(&s->busy, options->pending_max, options->seed);
    list_init(&s->pending);
    *ret_storage = s;
    return 0;
}

/* Frees a tree without recursion: the left part is rotated up. */
static void free_slots(struct slot *root)
{
    while (root) {
        if (root->left) {
            struct slot *left = root->left;
            root->left = left->right;
            left->right = root;
            root = left;
            continue;
        }
        struct slot *next = root->right;
        struct entry *after;
        for (struct entry *e = root->first; e; e = after) {
            after = e->next;
            mem_free(e);
        }
        mem_free(root);
        root = next;
    }
}

void storage_free(struct storage *s)
{
    if (!s)
        return;
    storage_operations_free(s);
    heap_fini(&s->expiries); /* while its nodes are still there */
    for (size_t i = 0; i < s->tree_count; i++)
        free_slots(s->trees[i].root);
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&s->signers, &it))
        storage_signer_free(s, it.value);
    map_fini(&s->signers);
    map_fini(&s->owners);
    map_fini(&s->busy);
    mem_free(s);
}

void storage_set_lifetime_max(struct storage *s, uint32_t lifetime_max_s)
{
    s->options.lifetime_max_s = lifetime_max_s;
}

void storage_set_duty(struct storage *s, const struct storage_duty *duty)
{
    s->duty = *duty;
}

void storage_set_quota(struct storage *s, const struct storage_quota *quota)
{
    s->quota = *quota;
}

/* ---- what an entry looks like outside ---- */

uint32_t storage_lifetime_left(const struct entry *e, struct mono now)
{
    int64_t us = mono_since_us(e->expiry.due, now);
    return us <= 0 ? 0 : (uint32_t)((us + 999999) / 1000000);
}

void storage_entry_data(const struct entry *e, enum reload_model model, struct mono now,
                        struct reload_stored_data *ret_data)
{
    *ret_data = (struct reload_stored_data){
        .storage_time_ms = e->storage_time_ms,
        .lifetime_s = storage_lifetime_left(e, now),
        .value = {.model = model,
                  .index = e->index,
                  .key = entry_key(e),
                  .exists = e->flags & ENTRY_EXISTS,
                  .octets = entry_value(e)},
        .signature = {.hash_algorithm = RELOAD_HASH_SHA256,
                      .signature_algorithm = e->signature_algorithm,
                      .identity = {.type = e->signer->node_count > 1 ? RELOAD_IDENTITY_CERT_HASH_NODE_ID
                                                                     : RELOAD_IDENTITY_CERT_HASH,
                                   .hash_algorithm = RELOAD_HASH_SHA256,
                                   .hash = slice_of(e->signer->nodes[e->node].identity_hash, SECURITY_HASH_OCTETS)},
                      .value = entry_signature(e)},
    };
}

/* ---- removal ---- */

void storage_commit_removals(struct storage *s)
{
    if (s->floor_raised && storage_row_put_floor(s) == 0)
        s->floor_raised = false;
    kv_commit(&s->ports.kv, NULL, NULL);
}

/* A row that cannot be removed now is not lost track of: it is expired or without a signer at the next start, or it is handed over once
 * more, which changes nothing. */
void storage_entry_drop(struct storage *s, struct entry *e)
{
    struct slot *slot = e->slot;
    storage_row_remove(s, slot->resource, slot->kind, e);
    storage_entry_unlink(s, e);
    storage_entry_free(s, e);
    if (!slot->first) {
        storage_row_remove_generation(s, slot->resource, slot->kind);
        storage_slot_remove(s, slot);
    }
}

static size_t slot_drop(struct storage *s, struct slot *slot)
{
    struct entry *next;
    size_t n = 0;
    for (struct entry *e = slot->first; e; e = next, n++) {
        next = e->next;
        storage_entry_drop(s, e); /* the last one takes the slot along */
    }
    s->counters.values_dropped += n;
    return n;
}

size_t storage_slot_sweep(struct storage *s, struct slot *slot)
{
    const struct kind *kind = kind_find(&s->kinds, slot->kind);
    if (!kind || kind->model != slot->model)
        return slot_drop(s, slot);
    struct entry *next;
    size_t n = 0;
    for (struct entry *e = slot->first; e; e = next) {
        next = e->next;
        if (e->signer->gone) {
            storage_entry_drop(s, e);
            n++;
        }
    }
    s->counters.values_dropped += n;
    return n;
}

/* The next id on the ring. */
static struct id id_after(struct id id)
{
    return id_add(id, id_power_of_two(0));
}

/* Sweeps all slots of a Kind. If only signers are gone, the busy ones are left to the operation's end: one of their rows may be the
 * next to be written. */
static void sweep_kind(struct storage *s, uint32_t kind, enum reload_model model_before)
{
    const struct kind *after = kind_find(&s->kinds, kind);
    bool gone = !after || after->model != model_before;
    struct id at = {{0}};
    struct slot *slot;
    while ((slot = storage_slot_at_or_after(s, kind, at))) {
        at = id_after(slot->resource);
        if (gone || !storage_is_busy(s, slot->resource))
            storage_slot_sweep(s, slot);
        if (id_is_zero(at))
            return;
    }
}

void storage_set_kinds(struct storage *s, struct now now, const struct kind_table *kinds)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&s->signers, &it)) {
        struct signer *signer = it.value;
        const struct security_cert *cert;
        int err = security_admit(s->ports.security, slice_of(signer->der, signer->der_octets), now.wall, &cert);
        signer->gone = err && err != ERR_NO_MEMORY;
    }
    struct kind_table before = s->kinds;
    s->kinds = *kinds;
    for (size_t i = 0; i < before.n; i++)
        sweep_kind(s, before.kinds[i].id, before.kinds[i].model);
    storage_commit_removals(s);
}

size_t storage_keep_only(struct storage *s, struct now now, struct id from, struct id to, size_t max)
{
    (void)now;
    size_t left = 0;
    bool removed = false;
    for (size_t i = s->tree_count; i > 0; i--) { /* downwards: a tree vanishes with its last slot */
        uint32_t kind = s->trees[i - 1].kind;
        struct id at = {{0}};
        struct slot *slot;
        while ((slot = storage_slot_at_or_after(s, kind, at))) {
            at = id_after(slot->resource);
            if (!id_in_open_closed(from, slot->resource, to)) {
                if (max == 0 || storage_is_busy(s, slot->resource)) {
                    left++;
                } else {
                    slot_drop(s, slot);
                    removed = true;
                    max--;
                }
            } else if (!id_eq(from, to)) {
                at = id_after(to); /* over the rest of what stays */
                if (id_cmp(at, slot->resource) <= 0)
                    break;
            } else {
                break;
            }
            if (id_is_zero(at) || (max == 0 && left))
                break;
        }
    }
    if (removed)
        storage_commit_removals(s);
    return left;
}

/* ---- time ---- */

struct mono storage_deadline(const struct storage *s)
{
    return heap_deadline(&s->expiries);
}

void storage_tick(struct storage *s, struct now now)
{
    bool removed = false;
    for (unsigned i = 0; i < EXPIRE_PER_TICK_MAX; i++) {
        struct heap_node *node = heap_pop_due(&s->expiries, now.mono);
        if (!node)
            break;
        struct entry *e = CONTAINER_OF(node, struct entry, expiry);
        if (storage_is_busy(s, e->slot->resource)) {
            /* A store to this resource is being written, perhaps of this very value: its row must not be removed now. The heap has the
             * room that the node just left. */
            heap_set(&s->expiries, node, mono_after_ms(now.mono, EXPIRE_BUSY_RETRY_MS));
            continue;
        }
        storage_entry_drop(s, e);
        s->counters.values_expired++;
        removed = true;
    }
    if (removed)
        storage_commit_removals(s);
}

/* ---- figures ---- */

const struct storage_counters *storage_counters(const struct storage *s)
{
    return &s->counters;
}

void storage_view(const struct storage *s, struct storage_view *ret_view)
{
    *ret_view = (struct storage_view){
        .entries = s->entries,
        .octets = s->octets,
        .certificates = s->signers.n,
        .pending = s->pending_count,
        .waiting = s->waiting_count,
    };
    for (size_t i = 0; i < s->tree_count; i++)
        ret_view->resources += s->trees[i].n;
}

void storage_usage(const struct storage *s, struct id node, struct storage_usage *ret_usage)
{
    const struct owner *owner = map_get(&s->owners, id_slice(&node));
    *ret_usage = owner ? owner->used : (struct storage_usage){0};
}
