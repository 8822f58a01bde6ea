/* The keys of tickets at the company's border elements: who is to have which, who has them, and when a new epoch may be used. */
#include "server/internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "ticket/keyset.h"

#define PAGE_OCTETS_MAX 32000
#define RETRY_MS 30000 /* after a page was refused, or not answered */

/* A border element that has subscribed to the keys of one domain. */
struct key_edge {
    struct list link;
    struct keyring_slot *slot;
    const char *user;
    uint32_t client;
    uint32_t subscription_id;
    uint64_t token; /* of the page that it has not answered; 0: none */
    struct mono not_before;
    struct keyset_sender sender;
};

/* ---- who is to have them ---- */

static bool may_have(const struct server_account *account, const char *domain)
{
    for (size_t i = 0; i < account->key_domain_count; i++)
        if (text_equal_nocase(slice_str(account->key_domains[i]), slice_str(domain)))
            return true;
    return false;
}

static bool is_expected(const struct server *s, const char *domain)
{
    for (size_t i = 0; i < s->options->account_count; i++)
        if (may_have(&s->options->accounts[i], domain))
            return true;
    return false;
}

/* An account has an epoch when all that it has subscribed with have it, and there is one at least. */
static bool account_has_it(const struct server *s, const struct keyring_slot *slot, const char *user)
{
    size_t n = 0;
    LIST_EACH(it, &s->key_edges) {
        const struct key_edge *edge = CONTAINER_OF(it, struct key_edge, link);
        if (edge->slot != slot || strcmp(edge->user, user) != 0)
            continue;
        if (!keyset_sender_knows_epochs(&edge->sender, slot->keyring))
            return false;
        n++;
    }
    return n > 0;
}

void keys_count(const struct server *s, const struct keyring_slot *slot, size_t *ret_have, size_t *ret_expected)
{
    *ret_have = *ret_expected = 0;
    for (size_t i = 0; i < s->options->account_count; i++) {
        const struct server_account *account = &s->options->accounts[i];
        if (!may_have(account, slot->domain))
            continue;
        ++*ret_expected;
        *ret_have += account_has_it(s, slot, account->user);
    }
}

/* ---- a new epoch waits for them ---- */

/* Tickets of the epoch before must outlive the wait. */
void keys_slot_made(struct server *s, struct keyring_slot *slot)
{
    const int64_t wait_ms = s->options->ticket_edge_wait_ms;
    struct keyring_epoch_info infos[TICKET_EPOCH_MAX];
    slot->activate_at = MONO_NEVER;
    if (!wait_ms || s->options->ticket_grace_ms <= wait_ms || !is_expected(s, slot->domain))
        return;
    keyring_set_waits(slot->keyring, true);
    size_t n = keyring_list(slot->keyring, infos, TICKET_EPOCH_MAX);
    for (size_t i = 0; i < n; i++) {
        int64_t left_ms = infos[i].installed.ms + wait_ms - s->now.wall.ms;
        if (!infos[i].is_current || left_ms <= 0)
            continue;
        keyring_hold_back(slot->keyring, s->now.wall);
        slot->activate_at = mono_after_ms(s->now.mono, left_ms < wait_ms ? left_ms : wait_ms);
    }
}

static void check_waiting(struct server *s, struct keyring_slot *slot)
{
    size_t have, expected;
    if (!keyring_is_waiting(slot->keyring)) {
        slot->activate_at = MONO_NEVER;
        return;
    }
    if (slot->activate_at.us == MONO_NEVER.us)
        slot->activate_at = mono_after_ms(s->now.mono, s->options->ticket_edge_wait_ms);
    keys_count(s, slot, &have, &expected);
    if (have < expected && !mono_due(slot->activate_at, s->now.mono))
        return;
    if (have < expected)
        log_event(s->ports.log, LEVEL_WARNING, "ticket.edges.behind",
                  "domain=%s epoch=%u edges=%zu of %zu: tickets of this epoch are granted from now on; the others "
                  "refuse them until they have its key",
                  slot->domain, keyring_epoch(slot->keyring), have, expected);
    keyring_activate(slot->keyring);
    slot->activate_at = MONO_NEVER;
}

/* ---- telling ---- */

static bool is_ready(const struct key_edge *edge)
{
    const struct keyring *k = edge->slot->keyring;
    return !edge->token && keyring_epoch(k) && !keyset_sender_is_done(&edge->sender, k);
}

static bool tell(struct server *s, struct key_edge *edge)
{
    struct buf page;
    buf_init(&page, PAGE_OCTETS_MAX);
    edge->token = server_token(s);
    int err = keyset_write(&edge->sender, edge->slot->keyring, PAGE_OCTETS_MAX, &page);
    if (!err)
        err =
            vap_server_notify_keys(s->vap, s->now, edge->client, edge->subscription_id, buf_slice(&page), edge->token);
    buf_fini_secret(&page);
    if (!err)
        return true;
    edge->token = 0;
    keyset_sender_init(&edge->sender);
    edge->not_before = mono_after_ms(s->now.mono, RETRY_MS);
    return false;
}

bool keys_run(struct server *s)
{
    bool told = false;
    LIST_EACH(it, &s->key_edges) {
        struct key_edge *edge = CONTAINER_OF(it, struct key_edge, link);
        if (is_ready(edge) && mono_due(edge->not_before, s->now.mono))
            told = tell(s, edge) || told;
    }
    for (size_t i = 0; i < s->keyring_count; i++)
        check_waiting(s, &s->keyrings[i]);
    return told;
}

struct mono keys_deadline(const struct server *s)
{
    struct mono due = MONO_NEVER;
    LIST_EACH(it, &s->key_edges) {
        const struct key_edge *edge = CONTAINER_OF(it, struct key_edge, link);
        if (is_ready(edge))
            due = mono_min(due, edge->not_before);
    }
    for (size_t i = 0; i < s->keyring_count; i++)
        due = mono_min(due, s->keyrings[i].activate_at);
    return due;
}

/* ---- what VAP says ---- */

static struct key_edge *find(struct server *s, uint32_t client, uint32_t subscription_id)
{
    LIST_EACH(it, &s->key_edges) {
        struct key_edge *edge = CONTAINER_OF(it, struct key_edge, link);
        if (edge->client == client && edge->subscription_id == subscription_id)
            return edge;
    }
    return NULL;
}

/* Asked again, it has forgotten what it was told. The key is made now if there is none: not when the first ticket is granted. */
void keys_wanted(struct server *s, const struct vap_server_effect *e)
{
    struct key_edge *edge = find(s, e->client, e->subscription_id);
    if (!edge && tickets_keyring(s, slice_str(e->key_domain)))
        edge = mem_alloc(sizeof *edge);
    if (!edge) {
        log_event(s->ports.log, LEVEL_ERROR, "ticket.keys.failed", "domain=%s user=%s", e->key_domain, e->user);
        return;
    }
    if (!edge->client) {
        edge->client = e->client;
        edge->subscription_id = e->subscription_id;
        edge->user = e->user;
        edge->slot = tickets_slot(s, slice_str(e->key_domain));
        list_append(&s->key_edges, &edge->link);
    }
    edge->token = 0;
    keyset_sender_init(&edge->sender);
    log_event(s->ports.log, LEVEL_INFO, "ticket.keys.wanted", "domain=%s user=%s", e->key_domain, e->user);
}

static void drop(struct key_edge *edge)
{
    list_remove(&edge->link);
    mem_free(edge);
}

void keys_unwanted(struct server *s, const struct vap_server_effect *e)
{
    struct key_edge *edge = find(s, e->client, e->subscription_id);
    if (edge)
        drop(edge);
}

bool keys_answered(struct server *s, const struct vap_server_effect *e)
{
    if (!e->key_domain)
        return false;
    struct key_edge *edge = find(s, e->client, e->subscription_id);
    if (!edge || edge->token != e->token)
        return true; /* it is gone, or has asked again meanwhile */
    edge->token = 0;
    if (!e->err) {
        keyset_answered(&edge->sender);
        if (keyset_sender_is_done(&edge->sender, edge->slot->keyring))
            log_event(s->ports.log, LEVEL_INFO, "ticket.keys.told", "domain=%s user=%s epoch=%u", edge->slot->domain,
                      edge->user, keyring_epoch(edge->slot->keyring));
        return true;
    }
    if (e->err != ERR_CLOSED)
        log_event(s->ports.log, LEVEL_WARNING, "ticket.keys.refused_by_edge", "domain=%s user=%s error=%s code=%u",
                  edge->slot->domain, edge->user, err_name(e->err), e->code);
    keyset_sender_init(&edge->sender);
    edge->not_before = mono_after_ms(s->now.mono, RETRY_MS);
    return true;
}

void keys_fini(struct server *s)
{
    LIST_EACH(it, &s->key_edges)
        drop(CONTAINER_OF(it, struct key_edge, link));
}
