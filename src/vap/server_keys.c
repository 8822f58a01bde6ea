/* The keys of tickets, a service of its own that border elements subscribe to (doc/profile.md): which accounts may have whose, and over what. */
#include "base/mem.h"
#include "base/text.h"
#include "ticket/ticket.h"
#include "vap/server_core.h"

static struct key_domain *find(struct vap_server *s, const char *name)
{
    LIST_EACH(it, &s->key_domains) {
        struct key_domain *domain = CONTAINER_OF(it, struct key_domain, link);
        if (strcmp(domain->name, name) == 0)
            return domain;
    }
    return NULL;
}

static struct key_domain *add(struct vap_server *s, const char *name)
{
    struct key_domain *domain = mem_alloc(sizeof *domain + strlen(name) + 1);
    if (!domain)
        return NULL;
    strcpy(domain->name, name);
    list_append(&s->key_domains, &domain->link);
    return domain;
}

void vap_keys_free(struct vap_server *s)
{
    struct list *first;
    while ((first = list_pop(&s->key_domains)))
        mem_free(CONTAINER_OF(first, struct key_domain, link));
}

static bool may_have(const struct account *account, const char *name)
{
    for (size_t i = 0; i < account->key_domain_count; i++)
        if (account->key_domains[i] == name)
            return true;
    return false;
}

int vap_server_grant_keys(struct vap_server *s, struct slice user, struct slice domain)
{
    struct account *account = map_get(&s->accounts, user);
    char name[TICKET_DOMAIN_OCTETS_MAX + 1];
    if (!account)
        return ERR_NOT_FOUND;
    if (!domain_is_valid(domain))
        return ERR_RANGE;
    text_lower(domain, name);
    struct key_domain *known = find(s, name);
    if (!known)
        known = add(s, name);
    if (!known)
        return ERR_NO_MEMORY;
    if (may_have(account, known->name))
        return 0;
    if (account->key_domain_count == VAP_KEY_DOMAINS_MAX)
        return ERR_LIMIT;
    account->key_domains[account->key_domain_count++] = known->name;
    return 0;
}

/* A border element stands where attacks come in: whoever takes it over shall get nothing with its account but what it has anyway. */
bool vap_keys_may_ask(const struct conn *c, const struct account *account, const struct vap_message *m,
                      const char **ret_reason)
{
    if (!account->key_domain_count)
        return true;
    if (!c->tls) {
        c->server->counters.account_not_over_tls++;
        *ret_reason = "keys of tickets are given over TLS only";
        return false;
    }
    if (m->method == VAP_REGISTER || m->method == VAP_UNREGISTER || m->method == VAP_UNSUBSCRIBE ||
        (m->method == VAP_SUBSCRIBE && m->has & VAP_HAS_SERVICE && m->service.subservice == SUBSERVICE_TICKET_KEYS))
        return true;
    *ret_reason = "this account may have the keys of tickets, and nothing else";
    return false;
}

/* The domain that a Subscribe names; NULL if it names none that anybody may have. */
static const char *domain_asked(const struct conn *c, const struct vap_message *m)
{
    char name[TICKET_DOMAIN_OCTETS_MAX + 1];
    for (size_t i = 0; i < m->attr_count; i++) {
        if (m->attrs[i].type != TICKET_ATTR_GRANTING_DOMAIN || !domain_is_valid(m->attrs[i].value))
            continue;
        text_lower(m->attrs[i].value, name);
        const struct key_domain *known = find(c->server, name);
        return known ? known->name : NULL;
    }
    return NULL;
}

void vap_keys_subscribe(struct conn *c, const struct vap_message *m)
{
    struct vap_server *s = c->server;
    const char *domain = domain_asked(c, m);
    if (!domain || !c->tls || !may_have(c->client->account, domain)) {
        s->counters.keys_refused++;
        log_event(s->log, LEVEL_WARNING, "vap.keys.refused", "peer=%s user=%s", c->peer, c->client->account->user);
        vap_reply_error(c, m->method, &m->transaction, VAP_FORBIDDEN,
                        "this account may not have the keys of that domain's tickets");
        return;
    }
    if (vap_subscription_begin(c, m, 0, domain))
        s->counters.keys_subscribed++;
}
