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
    struct installation *changing;                     /* a new epoch that is being written, or NULL */
    struct map revoked;                                /* kind ‖ value → struct revocation */
    size_t revocations_pending;                        /* being written, not yet in the map */
    struct list changes;                               /* of the revocation list, being written */
};

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
