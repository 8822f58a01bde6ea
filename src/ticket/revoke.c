/* The revocation list of a key ring: unique ids, domains and numbers, durable, and checked in memory. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/text.h"
#include "ticket/keyring_private.h"

static bool is_value(enum keyring_revocation kind, struct slice value)
{
    switch (kind) {
    case REVOKED_ID:
        return value.n == TICKET_UNIQUE_ID_OCTETS;
    case REVOKED_DOMAIN:
        return domain_is_valid(value);
    case REVOKED_NUMBER:
        return e164_is_valid(value);
    }
    return false;
}

int keyring_name_make(enum keyring_revocation kind, struct slice value, struct keyring_name *ret_name)
{
    if (!is_value(kind, value))
        return ERR_SYNTAX;
    ret_name->n = value.n + 1;
    ret_name->octets[0] = (uint8_t)kind;
    if (kind == REVOKED_DOMAIN) {
        char domain[TICKET_DOMAIN_OCTETS_MAX + 1];
        text_lower(value, domain);
        memcpy(ret_name->octets + 1, domain, value.n);
    } else {
        memcpy(ret_name->octets + 1, value.p, value.n);
    }
    return 0;
}

static struct revocation *revocation_new(struct slice name, struct wall since)
{
    struct revocation *r = mem_alloc(sizeof *r + name.n);
    if (!r)
        return NULL;
    r->since = since;
    r->octets = name.n;
    memcpy(r->name, name.p, name.n);
    return r;
}

int keyring_revocation_insert(struct keyring *k, struct slice name, struct wall since)
{
    struct revocation *old = map_get(&k->revoked, name);
    if (old) {
        old->since = since;
        return 0;
    }
    struct revocation *r = revocation_new(name, since);
    int err = r ? keyring_changes_make_room(k) : ERR_NO_MEMORY;
    if (!err)
        err = map_set(&k->revoked, name, r);
    if (err)
        mem_free(r);
    else
        keyring_changes_append(k, r);
    return err;
}

void keyring_revocation_remove(struct keyring *k, struct slice name)
{
    struct revocation *r = map_remove(&k->revoked, name);
    if (r)
        keyring_changes_withdraw(k, r);
}

static int load_row(void *arg, struct slice row_key, struct slice value)
{
    struct keyring *k = arg;
    struct slice name;
    if (!keyring_row_is_ours(k, row_key, &name))
        return 0;
    struct reader r;
    reader_init(&r, value);
    struct wall since = {(int64_t)read_u64(&r, "revocation time")};
    if (reader_end(&r, "revocation end") || name.n < 1 || name.n > KEYRING_NAME_OCTETS_MAX ||
        !is_value((enum keyring_revocation)name.p[0], slice_of(name.p + 1, name.n - 1)))
        return ERR_SYNTAX;
    return keyring_revocation_insert(k, name, since);
}

void keyring_revocations_init(struct keyring *k, uint64_t hash_seed)
{
    list_init(&k->changes);
    map_init(&k->revoked, SIZE_MAX, hash_seed); /* what is stored is loaded whole; keyring_revoke keeps the limit */
}

int keyring_revocations_load(struct keyring *k)
{
    return kv_scan(k->kv, KV_TICKET_REVOKED, load_row, k);
}

/* A change of the list being written. */
struct change {
    struct list link;
    struct keyring *keyring;
    bool is_revocation;
    struct keyring_name name;
    struct wall since;
    kv_done_fn *done;
    void *arg;
};

void keyring_revocations_free(struct keyring *k)
{
    struct map_iter it;
    keyring_changes_free(k); /* looks at what is in the map */
    map_iter_init(&it);
    while (map_iter_next(&k->revoked, &it))
        mem_free(it.value);
    map_fini(&k->revoked);
    LIST_EACH(at, &k->changes)
        mem_free(CONTAINER_OF(at, struct change, link));
}

bool keyring_is_revoked(const struct keyring *k, enum keyring_revocation kind, struct slice value)
{
    struct keyring_name name;
    return k->revoked.n && keyring_name_make(kind, value, &name) == 0 &&
           map_get(&k->revoked, keyring_name_slice(&name));
}

static void changed(void *arg, int err)
{
    struct change *c = arg;
    struct keyring *k = c->keyring;
    if (c->is_revocation) {
        k->revocations_pending--;
        if (!err)
            err = keyring_revocation_insert(k, keyring_name_slice(&c->name), c->since);
    } else if (!err) {
        keyring_revocation_remove(k, keyring_name_slice(&c->name));
    }
    if (err)
        log_event(k->log, LEVEL_ERROR, "ticket.revocation.lost", "domain=%s error=%s", k->domain, err_name(err));
    if (c->done)
        c->done(c->arg, err);
    list_remove(&c->link);
    mem_free(c);
}

static void row_key(const struct keyring *k, struct slice name, struct buf *key)
{
    buf_init(key, 2 * KEYRING_NAME_OCTETS_MAX);
    keyring_row_prefix(k, key);
    buf_slice_put(key, name);
}

int keyring_revocation_put(const struct keyring *k, struct slice name, struct wall since)
{
    struct buf key;
    struct buf value;
    row_key(k, name, &key);
    buf_init(&value, 8);
    buf_u64(&value, (uint64_t)since.ms);
    int err = key.err ? key.err : value.err;
    if (!err)
        err = kv_put(k->kv, KV_TICKET_REVOKED, buf_slice(&key), buf_slice(&value));
    buf_fini(&key);
    buf_fini(&value);
    return err;
}

int keyring_revocation_delete(const struct keyring *k, struct slice name)
{
    struct buf key;
    row_key(k, name, &key);
    int err = key.err ? key.err : kv_remove(k->kv, KV_TICKET_REVOKED, buf_slice(&key));
    buf_fini(&key);
    return err;
}

static int write_change(struct keyring *k, const struct change *change)
{
    struct change *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    *c = *change;
    struct slice name = keyring_name_slice(&c->name);
    int err = c->is_revocation ? keyring_revocation_put(k, name, c->since) : keyring_revocation_delete(k, name);
    if (err) {
        mem_free(c);
        return err;
    }
    k->revocations_pending += c->is_revocation;
    list_append(&k->changes, &c->link);
    kv_commit(k->kv, changed, c);
    return 0;
}

int keyring_revoke(struct keyring *k, enum keyring_revocation kind, struct slice value, struct wall now,
                   kv_done_fn *done, void *arg)
{
    struct change c = {.keyring = k, .is_revocation = true, .since = now, .done = done, .arg = arg};
    int err = keyring_name_make(kind, value, &c.name);
    if (err)
        return err;
    if (map_get(&k->revoked, keyring_name_slice(&c.name)))
        return ERR_EXISTS;
    if (k->revoked.n + k->revocations_pending >= k->revocations_max)
        return ERR_LIMIT;
    return write_change(k, &c);
}

int keyring_unrevoke(struct keyring *k, enum keyring_revocation kind, struct slice value, kv_done_fn *done, void *arg)
{
    struct change c = {.keyring = k, .done = done, .arg = arg};
    int err = keyring_name_make(kind, value, &c.name);
    if (err)
        return err;
    if (!map_get(&k->revoked, keyring_name_slice(&c.name)))
        return ERR_NOT_FOUND;
    return write_change(k, &c);
}

size_t keyring_revoked_count(const struct keyring *k)
{
    return k->revoked.n;
}

void keyring_each_revoked(const struct keyring *k, keyring_revoked_fn *each, void *arg)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&k->revoked, &it)) {
        const struct revocation *r = it.value;
        each(arg, (enum keyring_revocation)r->name[0], slice_of(r->name + 1, r->octets - 1), r->since);
    }
}
