/* The connections that calls came over. What goes back takes the same one while it lives, named exactly as the transport does, so that its loss is
 * heard of; later requests inside of a dialog may come over another one. One that a company's edge has made may take our calls to that company, too. */
#include "edge/internal.h"

static struct edge_conn *hold(struct edge *e, uint64_t number)
{
    const struct slice key = slice_of(&number, sizeof number);
    struct edge_conn *conn = map_get(&e->conns, key);
    if (!conn) {
        conn = mem_alloc(sizeof *conn);
        if (!conn)
            return NULL;
        conn->number = number;
        if (map_set(&e->conns, key, conn) < 0) {
            mem_free(conn);
            return NULL;
        }
        if (e->ports.hold)
            e->ports.hold(e->ports.hold_ctx, number, true);
    }
    conn->users++;
    return conn;
}

static void let_go(struct edge *e, struct edge_conn *conn)
{
    if (--conn->users)
        return;
    if (!conn->gone) {
        map_remove(&e->conns, slice_of(&conn->number, sizeof conn->number));
        if (e->ports.hold)
            e->ports.hold(e->ports.hold_ctx, conn->number, false);
    }
    mem_free(conn);
}

int edge_way_set(struct edge *e, struct edge_way *way, const struct sip_flow *flow)
{
    if (way->conn && !way->conn->gone && way->conn->number == flow->conn)
        return 0;
    struct edge_conn *conn = flow->conn ? hold(e, flow->conn) : NULL;
    if (flow->conn && !conn)
        return ERR_NO_MEMORY;
    if (way->conn)
        let_go(e, way->conn);
    way->conn = conn;
    way->is_stale = false;
    way->hop.transport = flow->transport;
    way->hop.side = flow->side;
    way->hop.addr = flow->peer;
    way->hop.conn = flow->conn;
    if (flow->side < EDGE_FIRST_DOMAIN) /* else it is a connection of ours: made to that name again when it has ended */
        way->hop.host[0] = 0;
    return 0;
}

void edge_way_clear(struct edge *e, struct edge_way *way)
{
    if (way->conn)
        let_go(e, way->conn);
    way->conn = NULL;
}

/* Whoever wants requests of ours over its connection (RFC 5923 9.1, ;alias) is at the address that this comes from, by the port that it names: there a route of its
 * domain must lead for the connection to be used. That its certificate is for the domain, and that it was shown the certificate of ours that these
 * requests will be from, makes both sides as sure as if we had connected. */
void edge_conn_share(struct edge *e, const struct edge_call *c, const struct sip_event *event)
{
    const struct sip_flow *flow = event->flow;
    const struct sip_via *via = &event->message->via;
    struct edge_conn *conn = c->ways[EDGE_OUTSIDE].conn;
    struct slice value;
    struct addr sent_by, target = flow->peer;
    if (!e->ports.share || !conn || conn->is_shared || flow->side != EDGE_OUTSIDE ||
        !sip_param_find(via->params, "alias", &value))
        return;
    conn->is_shared = true;
    target.port = via->port ? via->port : SIP_TLS_PORT;
    const bool is_elsewhere = addr_parse(via->host, target.port, &sent_by) == 0 && !addr_eq_ip(&sent_by, &target);
    if (!is_elsewhere && flow->identity < e->options->domain_count && edge_address_is_outside(e, &target) &&
        e->ports.share(e->ports.share_ctx, conn->number, EDGE_FIRST_DOMAIN + flow->identity, c->trunk->domain,
                       &target) == 0)
        e->counters.shares++;
    else
        e->counters.shares_refused++;
}

bool edge_conn_lost(struct edge *e, uint64_t number)
{
    const struct slice key = slice_of(&number, sizeof number);
    struct edge_conn *conn = map_get(&e->conns, key);
    if (!conn)
        return false;
    conn->gone = true;
    map_remove(&e->conns, key);
    return true;
}
