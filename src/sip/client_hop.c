/* Who waits for a final response of which hop: asked when a way is gone. Clients of one hop are in one list, since there may be thousands. */
#include "base/mem.h"
#include "base/siphash.h"
#include "sip/transaction_core.h"

struct hop_group {
    struct link link;
    struct sip_hop hop;
    struct list clients;
};

static uint64_t hash_hop(const struct sip_layer *l, const struct sip_hop *hop)
{
    uint64_t words[5] = {hop->conn, (uint64_t)hop->transport << 48 | (uint64_t)hop->addr.port << 32 | hop->side,
                         hop->addr.family};
    memcpy(&words[3], hop->addr.ip, sizeof hop->addr.ip);
    return siphash_quick(l->seed, slice_of(words, sizeof words));
}

static bool same_hop(const struct sip_hop *a, const struct sip_hop *b)
{
    return a->transport == b->transport && a->side == b->side && a->conn == b->conn && addr_eq(&a->addr, &b->addr) &&
           strcmp(a->host, b->host) == 0;
}

static struct hop_group *find(const struct sip_layer *l, const struct sip_hop *hop, uint64_t hash)
{
    for (struct link *at = sip_table_first(&l->hops, hash); at; at = sip_table_next(at)) {
        struct hop_group *group = CONTAINER_OF(at, struct hop_group, link);
        if (same_hop(&group->hop, hop))
            return group;
    }
    return NULL;
}

int sip_client_wait(struct client *c, const struct sip_hop *hop)
{
    struct sip_layer *l = c->t.layer;
    uint64_t hash = hash_hop(l, hop);
    struct hop_group *group = find(l, hop, hash);
    if (!group) {
        group = mem_alloc(sizeof *group);
        if (!group)
            return ERR_NO_MEMORY;
        group->hop = *hop;
        list_init(&group->clients);
        sip_table_add(&l->hops, &group->link, hash);
    }
    c->group = group;
    l->clients_open++;
    list_append(&group->clients, &c->by_hop);
    return 0;
}

void sip_client_wait_no_more(struct client *c)
{
    struct hop_group *group = c->group;
    if (!group)
        return;
    c->group = NULL;
    c->t.layer->clients_open--;
    list_remove(&c->by_hop);
    if (list_empty(&group->clients)) {
        sip_table_remove(&c->t.layer->hops, &group->link);
        mem_free(group);
    }
}

/* On streams a server forgets requests other than INVITE as soon as it has answered them: should only that answer have been lost, they are new
 * to it. For these there is no harm in that; a message or a digit would be there twice. */
static bool may_come_twice(const struct client *c)
{
    switch (sip_method_find(slice_of(c->t.key.p + c->branch_octets + 1, c->t.key.n - c->branch_octets - 1))) {
    case SIP_INVITE:
    case SIP_CANCEL:
    case SIP_BYE:
    case SIP_OPTIONS:
    case SIP_PRACK:
    case SIP_UPDATE:
    case SIP_REGISTER:
    case SIP_SUBSCRIBE:
    case SIP_NOTIFY:
    case SIP_PUBLISH:
        return true;
    default:
        return false;
    }
}

/* It waits for the same hop again, in a new group. What was to be cancelled is not wanted any more. */
static bool send_again(struct client *c)
{
    if (!c->t.is_reliable || c->state != CLIENT_CALLING || c->is_sent_again || c->cancel || !may_come_twice(c))
        return false;
    c->is_sent_again = true;
    sip_client_wait_no_more(c);
    if (sip_client_wait(c, &c->t.packet->hop))
        return false;
    sip_transaction_repeat(&c->t);
    return true;
}

/* The far side may be back soon, and is not to ring for nobody until then. Where nothing was heard of it and CANCEL had to wait, the connection
 * may have brought the INVITE before it ended: a CANCEL that finds none does no harm. */
static void give_up(struct client *c, struct now now, bool was_up)
{
    const bool may_ring = c->state == CLIENT_PROCEEDING || (was_up && c->state == CLIENT_CALLING && c->cancel);
    if (c->t.is_invite && may_ring && !c->is_cancelled)
        sip_client_send_cancel(c, now);
    sip_client_give_up(c, SIP_UNREACHABLE);
}

/* Those that wait for a final response; the others have what they wanted. The group leaves the table first: what is sent begins a new one. */
static void tell_group(struct sip_layer *l, struct now now, const struct sip_hop *hop, bool was_up)
{
    struct hop_group *group = find(l, hop, hash_hop(l, hop));
    bool is_last = !group;
    if (group)
        sip_table_remove(&l->hops, &group->link);
    while (!is_last) {
        struct client *c = CONTAINER_OF(group->clients.next, struct client, by_hop);
        is_last = group->clients.next == group->clients.prev;
        if (!was_up || !send_again(c))
            give_up(c, now, was_up);
    }
}

void sip_layer_unreachable(struct sip_layer *l, struct now now, const struct sip_hop *hop)
{
    tell_group(l, now, hop, false);
}

void sip_layer_lost(struct sip_layer *l, struct now now, const struct sip_hop *hop)
{
    tell_group(l, now, hop, true);
}
