/* The connections that calls came over. What goes back takes the same one while it lives, named exactly as the transport does, so that its loss is
 * heard of; later requests inside of a dialog may come over another one. */
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
    way->hop =
        (struct sip_hop){.transport = flow->transport, .side = flow->side, .addr = flow->peer, .conn = flow->conn};
    return 0;
}

void edge_way_clear(struct edge *e, struct edge_way *way)
{
    if (way->conn)
        let_go(e, way->conn);
    way->conn = NULL;
}

void edge_conn_lost(struct edge *e, uint64_t number)
{
    const struct slice key = slice_of(&number, sizeof number);
    struct edge_conn *conn = map_get(&e->conns, key);
    if (!conn)
        return;
    conn->gone = true;
    map_remove(&e->conns, key);
}
