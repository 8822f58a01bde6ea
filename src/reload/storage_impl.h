/* The inside of the storage, shared by its files only.
 *
 *     storage ── tree per Kind ── slot per resource ── chain of entries (values), sorted by index or key
 *        │                                                  │
 *        ├─ signers (certificates kept for the values) ◄────┤
 *        │     └─ owners (Node-IDs, what each has here) ◄───┘
 *        └─ operations: stores being written, and those that wait for them
 *
 * Entries come into a slot, and leave it, only through storage_entry_link and storage_entry_unlink, which keep all the counts. */
#ifndef RELOAD_STORAGE_IMPL_H
#define RELOAD_STORAGE_IMPL_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "reload/storage.h"

/* A Node-ID that has signed something here. */
struct owner {
    struct id node;
    uint32_t refs;             /* signers that name it */
    struct storage_usage used; /* of linked entries */
    uint32_t asked_entries;    /* scratch of the quota check */
    uint64_t asked_octets;
};

/* A certificate, kept as long as there are values that it signed (6.3.4: "a peer storing data is obligated to retain certificates"). */
struct signer {
    uint8_t hash[SECURITY_HASH_OCTETS];
    uint32_t refs;
    bool written; /* its row has been put */
    bool gone;    /* not admitted any more: its values go */
    uint8_t node_count;
    struct signer_node {
        struct owner *owner;
        uint8_t identity_hash[SECURITY_HASH_OCTETS];
    } * nodes; /* behind the DER */
    size_t der_octets;
    uint8_t der[];
};

/* The values of one Kind at one resource. Nodes of a treap: a search tree by id that is a heap by (secret, random) priority. */
struct slot {
    struct slot *left;
    struct slot *right;
    struct id resource;
    uint32_t priority;
    uint32_t kind;
    enum reload_model model;
    uint64_t generation;
    struct entry *first;
    uint32_t existing;
    uint32_t removed; /* entries with exists false */
};

enum { ENTRY_EXISTS = 1, ENTRY_REPLICA = 2 };

struct entry {
    struct heap_node expiry; /* due: when its lifetime ends; never while it is not linked */
    struct slot *slot;       /* NULL while not linked */
    struct entry *next;
    struct signer *signer;
    uint64_t storage_time_ms;
    uint64_t revision;
    uint32_t index;
    uint32_t value_octets;
    uint16_t key_octets;
    uint16_t signature_octets;
    uint8_t flags;
    uint8_t node; /* of the signer's nodes */
    uint8_t signature_algorithm;
    uint8_t octets[]; /* key, value, signature */
};

struct kind_tree {
    uint32_t kind;
    size_t n;
    struct slot *root;
};

struct storage {
    struct storage_options options;
    struct storage_ports ports;
    struct kind_table kinds;
    struct storage_duty duty;
    struct storage_quota quota;
    struct storage_counters counters;
    struct kind_tree trees[KINDS_MAX]; /* ascending by Kind; none without slots */
    size_t tree_count;
    struct heap expiries;
    struct map signers;  /* certificate hash → struct signer */
    struct map owners;   /* Node-ID → struct owner */
    struct map busy;     /* resource → struct operation that is being written */
    struct list pending; /* operations being written */
    size_t pending_count;
    size_t waiting_count;
    uint64_t seed[2];
    uint64_t entries; /* linked */
    uint64_t octets;
    uint64_t pending_entries; /* prepared */
    uint64_t pending_octets;
    uint64_t revision;
    uint64_t
        generation_floor; /* the greatest generation counter that a vanished slot had: new slots go on from there */
    bool floor_raised;    /* and not yet written */
};

/* ---- storage_index.c: slots and entries ---- */

static inline struct slice entry_key(const struct entry *e)
{
    return slice_of(e->octets, e->key_octets);
}

static inline struct slice entry_value(const struct entry *e)
{
    return slice_of(e->octets + e->key_octets, e->value_octets);
}

static inline struct slice entry_signature(const struct entry *e)
{
    return slice_of(e->octets + e->key_octets + e->value_octets, e->signature_octets);
}

static inline uint64_t entry_octets(const struct entry *e)
{
    return (uint64_t)e->key_octets + e->value_octets + e->signature_octets;
}

static inline struct owner *entry_owner(const struct entry *e)
{
    return e->signer->nodes[e->node].owner;
}

/* Where a value stands: its index or its key (empty for single values). */
struct place {
    uint32_t index;
    struct slice key;
};

static inline struct place entry_place(const struct entry *e)
{
    return (struct place){e->index, entry_key(e)};
}

int storage_place_cmp(struct place a, struct place b);

struct slot *storage_slot_find(const struct storage *s, uint32_t kind, struct id resource);

/* The first slot of this Kind at or after this place, without wrapping; NULL if none. */
struct slot *storage_slot_at_or_after(const struct storage *s, uint32_t kind, struct id resource);

/* A slot that is in no tree yet. */
struct slot *storage_slot_new(const struct storage *s, const struct kind *kind, struct id resource);
void storage_slot_insert(struct storage *s, struct slot *slot);

/* The slot must have no entries. Its generation counter lives on in generation_floor. */
void storage_slot_remove(struct storage *s, struct slot *slot);

/* Entries from this place on; NULL at the end. */
struct entry *storage_entry_from(const struct slot *slot, struct place place);
struct entry *storage_entry_find(const struct slot *slot, struct place place);

/* Takes its own place in the expiry heap, so that linking cannot fail. Takes a reference of the signer. NULL without memory. */
struct entry *storage_entry_new(struct storage *s, struct place place, struct slice value, struct slice signature,
                                struct signer *signer);
/* Of an entry that is not linked. */
void storage_entry_free(struct storage *s, struct entry *e);

/* The place must be free. */
void storage_entry_link(struct storage *s, struct slot *slot, struct entry *e, struct mono due);
void storage_entry_unlink(struct storage *s, struct entry *e);

/* ---- storage_signer.c ---- */

/* Finds or makes the signer of an admitted certificate; the new one has no references. ERR_LIMIT or ERR_NO_MEMORY. */
int storage_signer_get(struct storage *s, const struct security_cert *cert, struct signer **ret_signer);
struct signer *storage_signer_find(const struct storage *s, const uint8_t hash[SECURITY_HASH_OCTETS]);

/* Which of its nodes. */
bool storage_signer_node(const struct signer *signer, struct id node, uint8_t *ret_node);

/* Frees it, and removes its row, if nothing refers to it. */
void storage_signer_sweep(struct storage *s, struct signer *signer);
void storage_signer_free(struct storage *s, struct signer *signer);

/* ---- storage_row.c: the tables ---- */

#define ROW_KEY_OCTETS_MAX (ID_OCTETS + 4 + STORAGE_KEY_OCTETS_MAX)

/* Puts the entry's row; the lifetime ends at this time of day. */
int storage_row_put(struct storage *s, struct id resource, uint32_t kind, const struct entry *e, struct wall expires);
int storage_row_remove(struct storage *s, struct id resource, uint32_t kind, const struct entry *e);
int storage_row_put_generation(struct storage *s, struct id resource, uint32_t kind, uint64_t generation);
int storage_row_remove_generation(struct storage *s, struct id resource, uint32_t kind);
int storage_row_put_floor(struct storage *s);
int storage_row_put_signer(struct storage *s, const struct signer *signer);
int storage_row_remove_signer(struct storage *s, const struct signer *signer);

/* ---- storage.c ---- */

/* Removes an entry for good, with its row, and its slot if it was the last. The caller commits. */
void storage_entry_drop(struct storage *s, struct entry *e);

/* Drops what set_kinds has found to be gone, of all slots of this resource or of one. The caller commits. */
size_t storage_slot_sweep(struct storage *s, struct slot *slot);

/* Writes a raised generation floor and commits without waiting. */
void storage_commit_removals(struct storage *s);

/* The monotonic time of a wall time, and back, by the same now. */
static inline struct wall storage_wall_of(struct now now, struct mono due)
{
    return (struct wall){now.wall.ms + (due.us - now.mono.us) / 1000};
}

/* Whole seconds left, rounded up. */
uint32_t storage_lifetime_left(const struct entry *e, struct mono now);

/* The entry as it travels. Points into it; the identity into its signer. */
void storage_entry_data(const struct entry *e, enum reload_model model, struct mono now,
                        struct reload_stored_data *ret_data);

/* Collects certificates, each once, in the region. */
struct cert_bag {
    struct region *region;
    const struct signer **signers;
    size_t n;
    size_t capacity;
};
int storage_bag_add(struct cert_bag *bag, const struct signer *signer);
int storage_bag_finish(const struct cert_bag *bag, struct storage_certs *ret_certs);

/* ---- storage_store.c ---- */

static inline bool storage_is_busy(const struct storage *s, struct id resource)
{
    return map_get(&s->busy, id_slice(&resource)) != NULL;
}

void storage_operations_free(struct storage *s);

#endif
