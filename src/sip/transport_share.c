/* Who may use a connection beside those who made it, who needs it, and how it is shown. */
#include "sip/transport_private.h"

void sip_net_set_identity(struct sip_net *n, uint64_t conn, unsigned identity)
{
    struct conn *c = sip_conn_find(n, conn);
    if (c)
        c->identity = identity;
}

/* ---- holding ---- */

static void held_by(struct sip_net *n, struct now now, struct conn *c, unsigned holds)
{
    c->holds = holds;
    sip_conn_use(n, now, c);
    sip_conn_schedule(n, c);
}

void sip_net_hold(struct sip_net *n, struct now now, uint64_t conn)
{
    struct conn *c = sip_conn_find(n, conn);
    if (c)
        held_by(n, now, c, c->holds + 1);
}

void sip_net_release(struct sip_net *n, struct now now, uint64_t conn)
{
    struct conn *c = sip_conn_find(n, conn);
    if (c && c->holds)
        held_by(n, now, c, c->holds - 1);
}

/* ---- sharing ---- */

static bool is_from(const struct conn *c, const char *domain)
{
    const struct sip_flow flow = {.peer_domains = c->peer_domains};
    return sip_flow_is_from(&flow, domain);
}

int sip_net_alias(struct sip_net *n, uint64_t conn, unsigned side, const char *domain, const struct addr *target)
{
    struct conn *c = sip_conn_find(n, conn);
    struct addr from = *target;
    if (!c || c->state != CONN_UP)
        return ERR_NOT_FOUND;
    from.port = c->hop.addr.port;
    if (!c->accepted || c->hop.transport != SIP_TLS || !is_from(c, domain) || !addr_eq(&from, &c->hop.addr) ||
        strlen(domain) > SIP_HOST_OCTETS_MAX)
        return ERR_FORBIDDEN;
    struct sip_hop hop = {.transport = SIP_TLS, .side = side, .addr = *target};
    memcpy(hop.host, domain, strlen(domain) + 1);
    if (sip_conn_for(n, &hop) == c)
        return 0;
    if (c->alias)
        return ERR_EXISTS;
    struct sip_hop *alias = mem_alloc(sizeof *alias);
    int err = alias ? sip_conn_lead(n, c, &hop) : ERR_NO_MEMORY;
    if (err) {
        mem_free(alias);
        return err;
    }
    *alias = hop;
    c->alias = alias;
    return 0;
}

/* ---- showing ---- */

static void tell(const struct conn *c, struct sip_conn_info *ret_info)
{
    *ret_info = (struct sip_conn_info){
        .conn = c->hop.conn,
        .transport = c->hop.transport,
        .side = c->hop.side,
        .accepted = c->accepted,
        .is_up = c->state == CONN_UP,
        .is_known = c->is_known,
        .identity = c->identity,
        .peer = c->hop.addr,
        .local = c->local,
        .host = c->hop.host,
        .peer_domains = c->peer_domains,
        .alias = c->alias ? c->alias->host : NULL,
        .holds = c->holds,
        .since = c->since,
        .used = c->used,
        .messages_in = c->messages_in,
        .messages_out = c->messages_out,
        .octets_in = c->octets_in,
        .octets_out = c->octets_out,
    };
}

bool sip_net_conn(const struct sip_net *n, uint64_t conn, struct sip_conn_info *ret_info)
{
    const struct conn *c = sip_conn_find(n, conn);
    if (c)
        tell(c, ret_info);
    return c != NULL;
}

bool sip_net_next_conn(const struct sip_net *n, size_t *at, struct sip_conn_info *ret_info)
{
    while (*at < n->slot_count) {
        const struct conn *c = n->slots[(*at)++];
        if (c) {
            tell(c, ret_info);
            return true;
        }
    }
    return false;
}
