/* Inside of the module: the key ring's memory. */
#ifndef TICKET_KEYRING_PRIVATE_H
#define TICKET_KEYRING_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "ticket/keyring.h"

struct keyring_epoch {
    bool is_present;
    bool is_derived;
    struct wall installed;
    struct wall valid_until; /* KEYRING_FOREVER: the current one */
    uint8_t key[TICKET_KEY_OCTETS];
};

#define KEYRING_FOREVER ((struct wall){INT64_MAX})

struct keyring {
    char domain[TICKET_DOMAIN_OCTETS_MAX + 1]; /* lower case */
    struct id granting_node;
    int64_t grace_ms;
    size_t revocations_max;
    const struct kv *kv;
    const struct entropy *entropy;
    const struct log *log;
    struct keyring_epoch epochs[TICKET_EPOCH_MAX + 1]; /* by number; 0 is not used */
    uint8_t current;                                   /* 0: none */
    uint8_t issuing;                                   /* of new tickets: current, or the one before while that waits */
    bool waits;                                        /* new epochs do */
    uint64_t epochs_version;                           /* rises with each change of the epochs */
    struct wall confirmed_at;                          /* of a copy: when its source said the last time that it holds */
    struct keyring_import *importing;                  /* being written, or NULL */
    struct installation *changing;                     /* a new epoch that is being written, or NULL */
    struct map revoked;                                /* kind ‖ value → struct revocation */
    size_t revocations_pending;                        /* being written, not yet in the map */
    struct list changes;                               /* of the revocation list, being written */

    /* What has happened to the list, in its order, if it is passed on. */
    bool is_passed_on;
    struct keyring_entry {
        uint64_t order;
        struct revocation *what; /* NULL: later overtaken */
    } * entries;
    size_t entry_count, entry_room, entries_empty;
    size_t withdrawal_count,
        withdrawals_from; /* of entries: how many are of that kind, and before which there is none */
    uint64_t order;       /* of the last entry */
    uint64_t forgotten;   /* of the last withdrawal that was dropped */
};

/* A revocation, or, in the order of changes only, that one was taken back. */
struct revocation {
    struct wall since;
    uint64_t order;
    bool is_withdrawal;
    size_t octets;
    uint8_t name[]; /* kind ‖ value */
};

/* Key of the map of revocations: the kind and the value in canonical form. */
#define KEYRING_NAME_OCTETS_MAX (1 + TICKET_DOMAIN_OCTETS_MAX)

struct keyring_name {
    size_t n;
    uint8_t octets[KEYRING_NAME_OCTETS_MAX];
};

/* ERR_SYNTAX for a value that is none of its kind. */
int keyring_name_make(enum keyring_revocation kind, struct slice value, struct keyring_name *ret_name);

static inline struct slice keyring_name_slice(const struct keyring_name *name)
{
    return slice_of(name->octets, name->n);
}

/* Takes the place of an entry of the same name. */
int keyring_revocation_insert(struct keyring *k, struct slice name, struct wall since);
void keyring_revocation_remove(struct keyring *k, struct slice name);

/* Writes, or removes, a row; the commit is the caller's. */
int keyring_revocation_put(const struct keyring *k, struct slice name, struct wall since);
int keyring_revocation_delete(const struct keyring *k, struct slice name);
int keyring_epoch_put(const struct keyring *k, uint8_t epoch, const struct keyring_epoch *e);
int keyring_epoch_delete(const struct keyring *k, uint8_t epoch);

/* changes.c: what has happened to the list, in its order; nothing, if it is not passed on. A revocation taken back is the callee's. */
int keyring_changes_make_room(struct keyring *k);
void keyring_changes_append(struct keyring *k, struct revocation *r); /* room was made */
void keyring_changes_withdraw(struct keyring *k, struct revocation *r);
void keyring_changes_free(struct keyring *k);

/* import.c: its share of keyring_new and _free */
int keyring_confirmed_load(struct keyring *k);
void keyring_import_drop(struct keyring *k);

/* The start of every row's key: the granting domain and a zero octet. */
void keyring_row_prefix(const struct keyring *k, struct buf *b);

/* What follows the prefix; false if the row belongs to another domain. */
bool keyring_row_is_ours(const struct keyring *k, struct slice row_key, struct slice *ret_rest);

/* The revocation list's share of keyring_new, _free and _verify. */
void keyring_revocations_init(struct keyring *k, uint64_t hash_seed);
int keyring_revocations_load(struct keyring *k);
void keyring_revocations_free(struct keyring *k);
bool keyring_is_revoked(const struct keyring *k, enum keyring_revocation kind, struct slice value);

#endif
