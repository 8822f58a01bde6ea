/* Slots in a tree per Kind, and the chains of entries in them. */
#include "reload/storage_impl.h"

#include "base/siphash.h"

/* ---- the trees ---- */

static struct kind_tree *tree_find(const struct storage *s, uint32_t kind)
{
    for (size_t i = 0; i < s->tree_count; i++)
        if (s->trees[i].kind == kind)
            return (struct kind_tree *)(uintptr_t)&s->trees[i];
    return NULL;
}

/* There is room: slots exist only of the Kinds in the table, whose trees are swept when it changes. */
static struct kind_tree *tree_make(struct storage *s, uint32_t kind)
{
    struct kind_tree *tree = tree_find(s, kind);
    if (tree)
        return tree;
    size_t at = s->tree_count++;
    for (; at > 0 && s->trees[at - 1].kind > kind; at--)
        s->trees[at] = s->trees[at - 1];
    s->trees[at] = (struct kind_tree){.kind = kind};
    return &s->trees[at];
}

static void tree_forget(struct storage *s, struct kind_tree *tree)
{
    size_t at = (size_t)(tree - s->trees);
    s->tree_count--;
    memmove(tree, tree + 1, (s->tree_count - at) * sizeof *tree);
}

/* Everything before the id goes left, the rest right. */
static void treap_split(struct slot *root, struct id id, struct slot **ret_left, struct slot **ret_right)
{
    if (!root) {
        *ret_left = *ret_right = NULL;
    } else if (id_cmp(root->resource, id) < 0) {
        treap_split(root->right, id, &root->right, ret_right);
        *ret_left = root;
    } else {
        treap_split(root->left, id, ret_left, &root->left);
        *ret_right = root;
    }
}

/* Everything in left is before everything in right. */
static struct slot *treap_merge(struct slot *left, struct slot *right)
{
    if (!left || !right)
        return left ? left : right;
    if (left->priority > right->priority) {
        left->right = treap_merge(left->right, right);
        return left;
    }
    right->left = treap_merge(left, right->left);
    return right;
}

struct slot *storage_slot_at_or_after(const struct storage *s, uint32_t kind, struct id resource)
{
    const struct kind_tree *tree = tree_find(s, kind);
    struct slot *best = NULL;
    for (struct slot *at = tree ? tree->root : NULL; at;) {
        if (id_cmp(at->resource, resource) < 0) {
            at = at->right;
        } else {
            best = at;
            at = at->left;
        }
    }
    return best;
}

struct slot *storage_slot_find(const struct storage *s, uint32_t kind, struct id resource)
{
    struct slot *slot = storage_slot_at_or_after(s, kind, resource);
    return slot && id_eq(slot->resource, resource) ? slot : NULL;
}

struct slot *storage_slot_new(const struct storage *s, const struct kind *kind, struct id resource)
{
    struct slot *slot = mem_alloc(sizeof *slot);
    if (!slot)
        return NULL;
    slot->kind = kind->id;
    slot->model = kind->model;
    slot->resource = resource;
    slot->priority = (uint32_t)siphash(s->seed, id_slice(&resource));
    return slot;
}

void storage_slot_insert(struct storage *s, struct slot *slot)
{
    struct kind_tree *tree = tree_make(s, slot->kind);
    struct slot **at = &tree->root;
    while (*at && (*at)->priority >= slot->priority)
        at = id_cmp(slot->resource, (*at)->resource) < 0 ? &(*at)->left : &(*at)->right;
    treap_split(*at, slot->resource, &slot->left, &slot->right);
    *at = slot;
    tree->n++;
}

void storage_slot_remove(struct storage *s, struct slot *slot)
{
    struct kind_tree *tree = tree_find(s, slot->kind);
    struct slot **at = &tree->root;
    while (*at != slot)
        at = id_cmp(slot->resource, (*at)->resource) < 0 ? &(*at)->left : &(*at)->right;
    *at = treap_merge(slot->left, slot->right);
    if (--tree->n == 0)
        tree_forget(s, tree);
    if (slot->generation > s->generation_floor) {
        s->generation_floor = slot->generation;
        s->floor_raised = true;
    }
    mem_free(slot);
}

/* ---- entries ---- */

int storage_place_cmp(struct place a, struct place b)
{
    if (a.index != b.index)
        return a.index < b.index ? -1 : 1;
    return slice_cmp(a.key, b.key);
}

struct entry *storage_entry_from(const struct slot *slot, struct place place)
{
    struct entry *e = slot ? slot->first : NULL;
    while (e && storage_place_cmp(entry_place(e), place) < 0)
        e = e->next;
    return e;
}

struct entry *storage_entry_find(const struct slot *slot, struct place place)
{
    struct entry *e = storage_entry_from(slot, place);
    return e && storage_place_cmp(entry_place(e), place) == 0 ? e : NULL;
}

struct entry *storage_entry_new(struct storage *s, struct place place, struct slice value, struct slice signature,
                                struct signer *signer)
{
    struct entry *e = mem_alloc(sizeof *e + place.key.n + value.n + signature.n);
    if (!e)
        return NULL;
    if (heap_set(&s->expiries, &e->expiry, MONO_NEVER) != 0) {
        mem_free(e);
        return NULL;
    }
    e->index = place.index;
    e->key_octets = (uint16_t)place.key.n;
    e->value_octets = (uint32_t)value.n;
    e->signature_octets = (uint16_t)signature.n;
    uint8_t *at = e->octets;
    const struct slice parts[] = {place.key, value, signature};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].n)
            memcpy(at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    e->signer = signer;
    signer->refs++;
    return e;
}

void storage_entry_free(struct storage *s, struct entry *e)
{
    struct signer *signer = e->signer;
    heap_remove(&s->expiries, &e->expiry);
    signer->refs--;
    mem_free(e);
    storage_signer_sweep(s, signer);
}

/* Adds or takes away what the entry weighs. */
static void account(struct storage *s, const struct entry *e, bool add)
{
    struct storage_usage *used = &entry_owner(e)->used;
    uint64_t octets = entry_octets(e);
    uint32_t *entries = &used->entries;
    uint64_t *total = &used->octets;
    uint32_t *in_slot = e->flags & ENTRY_EXISTS ? &e->slot->existing : &e->slot->removed;
    if (!(e->flags & ENTRY_EXISTS)) {
        entries = &used->removed_entries;
    } else if (e->flags & ENTRY_REPLICA) {
        entries = &used->replica_entries;
        total = &used->replica_octets;
    }
    if (add) {
        ++*entries;
        ++*in_slot;
        *total += octets;
        s->entries++;
        s->octets += octets;
    } else {
        --*entries;
        --*in_slot;
        *total -= octets;
        s->entries--;
        s->octets -= octets;
    }
}

void storage_entry_link(struct storage *s, struct slot *slot, struct entry *e, struct mono due)
{
    struct entry **at = &slot->first;
    while (*at && storage_place_cmp(entry_place(*at), entry_place(e)) < 0)
        at = &(*at)->next;
    e->next = *at;
    *at = e;
    e->slot = slot;
    heap_set(&s->expiries, &e->expiry, due); /* it has its place already: this only moves it */
    account(s, e, true);
}

void storage_entry_unlink(struct storage *s, struct entry *e)
{
    struct entry **at = &e->slot->first;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    account(s, e, false);
    e->slot = NULL;
    e->next = NULL;
}
