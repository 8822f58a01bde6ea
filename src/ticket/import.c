/* A key ring that is a copy of another one: changes are prepared, written, and take effect as a whole. */
#include "base/mem.h"
#include "base/reader.h"
#include "ticket/keyring_private.h"
#include "ticket/keyset.h"

enum { CONFIRMED_VERSION = 1 };

struct keyring_import {
    struct keyring *keyring;
    bool is_whole;
    uint8_t current;
    struct keyring_epoch epochs[TICKET_EPOCH_MAX + 1];
    struct map revocations; /* name → struct revocation */
    struct wall confirmed_at;
    kv_done_fn *done;
    void *arg;
};

int keyring_import_new(struct keyring *k, bool is_whole, struct keyring_import **ret_import)
{
    struct keyring_import *i = mem_alloc(sizeof *i);
    if (!i)
        return ERR_NO_MEMORY;
    i->keyring = k;
    i->is_whole = is_whole;
    map_init(&i->revocations, k->revocations_max, entropy_u64(k->entropy));
    *ret_import = i;
    return 0;
}

static void free_map(struct map *m)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(m, &it))
        mem_free(it.value);
    map_fini(m);
}

void keyring_import_free(struct keyring_import *i)
{
    if (!i)
        return;
    free_map(&i->revocations);
    mem_wipe(i, sizeof *i);
    mem_free(i);
}

void keyring_import_drop(struct keyring *k)
{
    keyring_import_free(k->importing);
    k->importing = NULL;
}

void keyring_import_epoch(struct keyring_import *i, const struct keyring_epoch_info *info,
                          const uint8_t key[TICKET_KEY_OCTETS])
{
    struct keyring_epoch *e = &i->epochs[info->epoch];
    *e = (struct keyring_epoch){
        .is_present = true,
        .is_derived = info->is_derived,
        .installed = info->installed,
        .valid_until = info->is_current ? KEYRING_FOREVER : info->valid_until,
    };
    memcpy(e->key, key, sizeof e->key);
    if (info->is_current)
        i->current = info->epoch;
}

int keyring_import_revocation(struct keyring_import *i, enum keyring_revocation kind, struct slice value,
                              struct wall since, bool is_withdrawal)
{
    struct keyring_name name;
    int err = keyring_name_make(kind, value, &name);
    if (err)
        return err;
    struct revocation *r = map_get(&i->revocations, keyring_name_slice(&name));
    if (!r) {
        r = mem_alloc(sizeof *r + name.n);
        if (!r)
            return ERR_NO_MEMORY;
        r->octets = name.n;
        memcpy(r->name, name.octets, name.n);
        err = map_set(&i->revocations, keyring_name_slice(&name), r);
        if (err) {
            mem_free(r);
            return err;
        }
    }
    r->since = since;
    r->is_withdrawal = is_withdrawal;
    return 0;
}

/* ---- what is written ---- */

static bool is_same_epoch(const struct keyring_epoch *a, const struct keyring_epoch *b)
{
    return a->is_present == b->is_present && a->is_derived == b->is_derived && a->installed.ms == b->installed.ms &&
           a->valid_until.ms == b->valid_until.ms && mem_equal_secret(a->key, b->key, sizeof a->key);
}

static int write_epochs(const struct keyring_import *i)
{
    const struct keyring *k = i->keyring;
    int err = 0;
    for (unsigned epoch = TICKET_EPOCH_MIN; !err && epoch <= TICKET_EPOCH_MAX; epoch++) {
        const struct keyring_epoch *old = &k->epochs[epoch], *new = &i->epochs[epoch];
        if (is_same_epoch(old, new))
            continue;
        err = new->is_present ? keyring_epoch_put(k, (uint8_t)epoch, new) : keyring_epoch_delete(k, (uint8_t)epoch);
    }
    return err;
}

/* What is there already costs nothing. */
static int write_revocations(const struct keyring_import *i)
{
    const struct keyring *k = i->keyring;
    struct map_iter it;
    int err = 0;
    map_iter_init(&it);
    while (!err && map_iter_next(&i->revocations, &it)) {
        const struct revocation *new = it.value, *old = map_get(&k->revoked, it.key);
        if (new->is_withdrawal)
            err = old ? keyring_revocation_delete(k, it.key) : 0;
        else if (!old || old->since.ms != new->since.ms)
            err = keyring_revocation_put(k, it.key, new->since);
    }
    map_iter_init(&it);
    while (i->is_whole && !err && map_iter_next(&k->revoked, &it))
        if (!map_get(&i->revocations, it.key))
            err = keyring_revocation_delete(k, it.key);
    return err;
}

static int write_confirmed(const struct keyring *k, struct wall at)
{
    struct buf key;
    struct buf value;
    buf_init(&key, 2 * KEYRING_NAME_OCTETS_MAX);
    buf_init(&value, 16);
    keyring_row_prefix(k, &key);
    buf_u8(&value, CONFIRMED_VERSION);
    buf_u64(&value, (uint64_t)at.ms);
    int err = key.err ? key.err : value.err;
    if (!err)
        err = kv_put(k->kv, KV_TICKET_CONFIRMED, buf_slice(&key), buf_slice(&value));
    buf_fini(&key);
    buf_fini(&value);
    return err;
}

/* ---- when it is durable ---- */

/* A whole list takes the place of the old one. */
static void take_whole(struct keyring *k, struct map *revocations)
{
    struct map old = k->revoked;
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(revocations, &it)) {
        const struct revocation *r = it.value;
        if (r->is_withdrawal) {
            map_remove(revocations, it.key);
            mem_free(it.value);
        }
    }
    k->revoked = *revocations;
    k->revoked.limit = SIZE_MAX; /* what is stored is loaded whole */
    *revocations = old;
}

static int take_changes(struct keyring *k, const struct map *revocations)
{
    struct map_iter it;
    int err = 0;
    map_iter_init(&it);
    while (!err && map_iter_next(revocations, &it)) {
        const struct revocation *r = it.value;
        if (r->is_withdrawal)
            keyring_revocation_remove(k, it.key);
        else
            err = keyring_revocation_insert(k, it.key, r->since);
    }
    return err;
}

static void take_epochs(struct keyring *k, const struct keyring_import *i)
{
    if (k->current != i->current)
        log_event(k->log, LEVEL_NOTICE, "ticket.epoch.changed", "domain=%s epoch=%u", k->domain, i->current);
    memcpy(k->epochs, i->epochs, sizeof k->epochs);
    k->current = k->issuing = i->current;
    k->epochs_version++;
}

static void imported(void *arg, int err)
{
    struct keyring_import *i = arg;
    struct keyring *k = i->keyring;
    k->importing = NULL;
    if (!err) {
        take_epochs(k, i);
        if (i->is_whole)
            take_whole(k, &i->revocations);
        else
            err = take_changes(k, &i->revocations);
        k->confirmed_at = i->confirmed_at;
    } else {
        log_event(k->log, LEVEL_ERROR, "ticket.import.lost", "domain=%s error=%s", k->domain, err_name(err));
    }
    kv_done_fn *done = i->done;
    void *done_arg = i->arg;
    keyring_import_free(i);
    if (done)
        done(done_arg, err);
}

int keyring_import_commit(struct keyring_import *i, struct wall now, kv_done_fn *done, void *arg)
{
    struct keyring *k = i->keyring;
    int err = k->importing || k->changing || k->is_passed_on ? ERR_WRONG_STATE : 0;
    /* Should a write fail half-way, what went before makes the stored copy stricter, not laxer. */
    if (!err)
        err = write_revocations(i);
    if (!err)
        err = write_epochs(i);
    if (!err)
        err = write_confirmed(k, now);
    if (err) {
        keyring_import_free(i);
        return err;
    }
    i->confirmed_at = now;
    i->done = done;
    i->arg = arg;
    k->importing = i;
    kv_commit(k->kv, imported, i);
    return 0;
}

/* ---- how old it is ---- */

static int load_confirmed(void *arg, struct slice row_key, struct slice value)
{
    struct keyring *k = arg;
    struct slice rest;
    struct reader r;
    if (!keyring_row_is_ours(k, row_key, &rest) || rest.n)
        return 0;
    reader_init(&r, value);
    uint8_t version = read_u8(&r, "confirmation row version");
    struct wall at = {(int64_t)read_u64(&r, "confirmation row time")};
    if (reader_end(&r, "confirmation row end") || version != CONFIRMED_VERSION)
        return ERR_SYNTAX;
    k->confirmed_at = at;
    return 0;
}

int keyring_confirmed_load(struct keyring *k)
{
    return kv_scan(k->kv, KV_TICKET_CONFIRMED, load_confirmed, k);
}

struct wall keyring_confirmed_at(const struct keyring *k)
{
    return k->confirmed_at;
}

void keyring_confirm(struct keyring *k, struct wall now)
{
    k->confirmed_at = now;
    if (write_confirmed(k, now) == 0)
        kv_commit(k->kv, NULL, NULL);
}
