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

static struct keyring_slot *find_keyring(struct server *s, struct slice domain)
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
    struct keyring_slot *slot = find_keyring(s, domain);
    return slot ? slot->keyring : NULL;
}

struct keyring *tickets_keyring(struct server *s, struct slice domain)
{
    struct keyring_slot *slot = find_keyring(s, domain);
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

void tickets_expire(struct server *s)
{
    for (size_t i = 0; i < s->keyring_count; i++)
        keyring_expire(s->keyrings[i].keyring, s->now.wall);
}
