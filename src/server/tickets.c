/* Tickets are granted in the name of a domain, the one that a VService publishes: one key ring each, made when it is first needed. */
#include "server/internal.h"

#include "base/mem.h"
#include "base/text.h"

/* The rows that remember which domains have a key ring. */
#define DOMAIN_PREFIX "domain "

static struct keyring_slot *add_keyring(struct server *s, struct slice domain);

static int load_domain(void *arg, struct slice key, struct slice value)
{
    struct server *s = arg;
    size_t n = strlen(DOMAIN_PREFIX);
    (void)value;
    if (key.n <= n || memcmp(key.p, DOMAIN_PREFIX, n) != 0)
        return 0;
    return add_keyring(s, slice_of(key.p + n, key.n - n)) ? 0 : ERR_NO_MEMORY;
}

int tickets_init(struct server *s)
{
    return kv_scan(s->ports.kv, KV_SERVER_META, load_domain, s);
}

void tickets_fini(struct server *s)
{
    for (size_t i = 0; i < s->keyring_count; i++) {
        keyring_free(s->keyrings[i].keyring);
        mem_free(s->keyrings[i].domain);
    }
    s->keyring_count = 0;
}

struct generation {
    struct server *server;
    struct keyring_slot *slot;
};

static void generated(void *arg, int err)
{
    struct generation *g = arg;
    g->slot->generating = false;
    log_event(g->server->ports.log, err ? LEVEL_ERROR : LEVEL_NOTICE, err ? "ticket.key.failed" : "ticket.key.made",
              "domain=%s epoch=%u%s%s", g->slot->domain, keyring_epoch(g->slot->keyring), err ? " error=" : "",
              err ? err_name(err) : "");
    mem_free(g);
}

/* The first key of a domain is random. */
static void generate(struct server *s, struct keyring_slot *slot)
{
    struct generation *g = mem_alloc(sizeof *g);
    if (!g)
        return;
    *g = (struct generation){s, slot};
    slot->generating = true;
    int err = keyring_generate(slot->keyring, 0, s->now.wall, generated, g);
    if (err)
        generated(g, err);
}

struct keyring_slot *tickets_slot(struct server *s, struct slice domain)
{
    for (size_t i = 0; i < s->keyring_count; i++)
        if (text_equal_nocase(slice_str(s->keyrings[i].domain), domain))
            return &s->keyrings[i];
    return NULL;
}

static struct keyring_slot *add_keyring(struct server *s, struct slice domain)
{
    if (s->keyring_count == KEYRINGS_MAX)
        return NULL;
    struct keyring_slot *slot = &s->keyrings[s->keyring_count];
    struct keyring_config config = {
        .granting_domain = domain,
        .granting_node = s->self,
        .grace_ms = s->options->ticket_grace_ms,
        .revocations_max = KEYRING_REVOCATIONS_MAX_DEFAULT,
        .is_passed_on = true,
        .hash_seed = entropy_u64(s->ports.entropy),
        .kv = s->ports.kv,
        .entropy = s->ports.entropy,
        .log = s->ports.log,
    };
    char *name = mem_alloc(domain.n + 1);
    if (!name)
        return NULL;
    memcpy(name, domain.p, domain.n);
    int err = keyring_new(&config, s->now.wall, &slot->keyring);
    if (err) {
        log_event(s->ports.log, LEVEL_ERROR, "ticket.keyring.failed", "domain=%s error=%s", name, err_name(err));
        mem_free(name);
        return NULL;
    }
    slot->domain = name;
    slot->generating = false;
    keys_slot_made(s, slot);
    s->keyring_count++;
    return slot;
}

/* So that tickets can be checked after a restart before the domain's call agent is back. */
static void remember(struct server *s, const struct keyring_slot *slot)
{
    struct buf key;
    buf_init(&key, 512);
    buf_printf(&key, DOMAIN_PREFIX "%s", slot->domain);
    if (!key.err && kv_put(s->ports.kv, KV_SERVER_META, buf_slice(&key), (struct slice){NULL, 0}) == 0)
        kv_commit(s->ports.kv, NULL, NULL);
    buf_fini(&key);
}

struct keyring *tickets_keyring_known(struct server *s, struct slice domain)
{
    struct keyring_slot *slot = tickets_slot(s, domain);
    return slot ? slot->keyring : NULL;
}

struct keyring *tickets_keyring(struct server *s, struct slice domain)
{
    struct keyring_slot *slot = tickets_slot(s, domain);
    if (!slot) {
        slot = add_keyring(s, domain);
        if (!slot)
            return NULL;
        remember(s, slot);
    }
    if (keyring_epoch(slot->keyring) == 0 && !slot->generating)
        generate(s, slot);
    return slot->keyring;
}

/* ---- keys that all servers of a company share ---- */

int tickets_install(struct server *s, struct derivation *d)
{
    struct generation *g = mem_alloc(sizeof *g);
    if (!g)
        return ERR_NO_MEMORY;
    *g = (struct generation){s, d->slot};
    int err = keyring_install(d->slot->keyring, d->job, s->now.wall, generated, g);
    if (err)
        generated(g, err);
    return err;
}

static int derive(struct server *s, struct keyring_slot *slot, uint8_t epoch, const char *password)
{
    struct derivation *d = mem_alloc(sizeof *d);
    int err = d ? keyring_prepare(slot->keyring, epoch, slice_str(password), &d->job) : ERR_NO_MEMORY;
    struct out *o = err ? NULL : server_out(s, SERVER_DERIVE, 0, (struct slice){NULL, 0});
    if (!o) {
        if (!err)
            keyring_job_free(d->job);
        mem_free(d);
        return err ? err : ERR_NO_MEMORY;
    }
    o->effect.job = d->job;
    d->slot = slot;
    slot->generating = true; /* no random key meanwhile */
    list_append(&s->derivations, &d->link);
    return 0;
}

int server_ticket_password(struct server *s, struct now now, const char *domain, uint8_t epoch, const char *password)
{
    s->now = now;
    struct keyring_slot *slot = tickets_slot(s, slice_str(domain));
    if (!slot) {
        slot = add_keyring(s, slice_str(domain));
        if (!slot)
            return ERR_NO_MEMORY;
        remember(s, slot);
    }
    if (keyring_key(slot->keyring, epoch, now.wall))
        return 0;
    if (keyring_epoch(slot->keyring) > epoch) {
        log_event(s->ports.log, LEVEL_WARNING, "ticket.password.old", "domain=%s epoch=%u current=%u: give a later one",
                  domain, epoch, keyring_epoch(slot->keyring));
        return 0;
    }
    return derive(s, slot, epoch, password);
}

void tickets_expire(struct server *s)
{
    for (size_t i = 0; i < s->keyring_count; i++)
        keyring_expire(s->keyrings[i].keyring, s->now.wall);
}
