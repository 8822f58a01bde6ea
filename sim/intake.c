/* What connections bring to a server or an agent: as the listeners and streams of the programs would tell it. */
#include "conn.h"

#include "hops.h"

#define EPHEMERAL_PORT 40000
#define PASSWORD_OCTETS_MAX 256

static struct sim_node *node_at(const struct sim_world *world, const struct sim_conn_end *end)
{
    return &world->nodes[end->node];
}

/* From where a connection comes: by IPv6 if both have it. */
static struct addr source_of(const struct sim_node *from, const struct sim_node *to)
{
    return sim_address(from->index, from->ipv6 && to->ipv6, EPHEMERAL_PORT);
}

/* ---- accepting ---- */

static bool accept_ring(struct sim_world *world, struct sim_conn *conn, struct sim_node *node,
                        const struct sim_node *from)
{
    uint64_t link;
    struct addr source = source_of(from, node);
    if (peer_link_accept(server_peer(node->server), sim_node_now(node), &source, sim_node_certificate(from), &link))
        return false;
    sim_conn_name(world, &conn->ends[1], link);
    return true;
}

static bool accept_vap(struct sim_world *world, struct sim_conn *conn, struct sim_node *node)
{
    uint64_t id = ++world->network->next_vap;
    if (vap_server_open(server_vap(node->server), sim_node_now(node), id, true, "192.0.2.1:40000") != 0)
        return false;
    sim_conn_name(world, &conn->ends[1], id);
    return true;
}

/* A connection comes, with its username. */
static bool accept_pvp(struct sim_world *world, struct sim_conn *conn, struct sim_node *node,
                       const struct sim_node *from)
{
    uint64_t id;
    struct addr source = source_of(from, node);
    struct now now = sim_node_now(node);
    if (server_pvp_accept(node->server, now, &source, &id))
        return false;
    struct buf password;
    buf_init(&password, PASSWORD_OCTETS_MAX);
    int err = server_pvp_password(node->server, now, id, slice_str(conn->pvp->username), &password);
    if (err) {
        server_pvp_closed(node->server, now, id);
    } else {
        conn->pvp->asked = true;
        conn->pvp->proved = slice_eq_str(buf_slice(&password), conn->pvp->password);
        sim_conn_name(world, &conn->ends[1], id);
    }
    buf_fini_secret(&password);
    return !err;
}

bool sim_intake_accept(struct sim_world *world, struct sim_conn *conn)
{
    struct sim_node *node = node_at(world, &conn->ends[1]);
    const struct sim_node *from = node_at(world, &conn->ends[0]);
    bool good = conn->kind == SIM_CONN_RING  ? accept_ring(world, conn, node, from)
                : conn->kind == SIM_CONN_VAP ? accept_vap(world, conn, node)
                                             : accept_pvp(world, conn, node, from);
    sim_node_settle(node);
    return good;
}

void sim_intake_shaken(struct sim_world *world, struct sim_conn *conn)
{
    struct sim_node *node = node_at(world, &conn->ends[1]);
    const struct sim_pvp *pvp = conn->pvp;
    uint64_t id = conn->ends[1].id;
    server_pvp_handshake(node->server, sim_node_now(node), id, pvp->proved ? PVP_HANDSHAKE_GOOD : PVP_HANDSHAKE_BAD,
                         pvp->proved ? pvp->exporter : NULL);
    if (!pvp->proved)
        server_pvp_closed(node->server, sim_node_now(node), id);
    sim_node_settle(node);
}

/* ---- what speaks VAP with the server ---- */

static void settle_client(struct sim_node *node)
{
    if (node->vap)
        node->vap->settle(node->vap->ctx);
    else
        sim_agent_settle(node);
}

static void client_connected(struct sim_node *node, unsigned server)
{
    if (node->vap)
        node->vap->connected(node->vap->ctx, server);
    else
        vap_client_connected(node->agent->client, sim_node_now(node), server);
    settle_client(node);
}

static void client_closed(struct sim_node *node, unsigned server, const char *why)
{
    if (node->vap)
        node->vap->closed(node->vap->ctx, server);
    else
        vap_client_closed(node->agent->client, sim_node_now(node), server, why);
    settle_client(node);
}

static void client_input(struct sim_node *node, unsigned server, struct slice octets)
{
    if (node->vap)
        node->vap->input(node->vap->ctx, server, octets);
    else
        vap_client_input(node->agent->client, sim_node_now(node), server, octets);
}

/* ---- the connecting end ---- */

void sim_intake_up(struct sim_world *world, struct sim_conn *conn)
{
    struct sim_conn_end *end = &conn->ends[0];
    struct sim_node *node = node_at(world, end);
    struct now now = sim_node_now(node);
    if (conn->kind == SIM_CONN_VAP) {
        client_connected(node, (unsigned)end->id);
        return;
    }
    if (conn->kind == SIM_CONN_PVP)
        server_pvp_connected(node->server, now, end->id, PVP_CONNECT_GOOD, conn->pvp->exporter);
    else if (peer_link_up(server_peer(node->server), now, end->id,
                          sim_node_certificate(node_at(world, &conn->ends[1]))) != 0)
        sim_conn_close(world, end, SIM_CLOSED);
    sim_node_settle(node);
}

void sim_intake_failed(struct sim_world *world, struct sim_conn *conn, int err)
{
    const struct sim_conn_end *end = &conn->ends[0];
    struct sim_node *node = node_at(world, end);
    struct now now = sim_node_now(node);
    if (conn->kind == SIM_CONN_VAP) {
        client_closed(node, (unsigned)end->id, "refused");
        return;
    }
    if (conn->kind == SIM_CONN_RING)
        peer_link_connect_failed(server_peer(node->server), now, end->id, err);
    else
        server_pvp_connected(node->server, now, end->id,
                             err == ERR_AUTH ? PVP_CONNECT_NOT_PROVED : PVP_CONNECT_UNREACHABLE, NULL);
    sim_node_settle(node);
}

/* ---- either ---- */

void sim_intake_octets(struct sim_world *world, struct sim_conn_end *to, struct slice octets)
{
    struct sim_node *node = node_at(world, to);
    struct now now = sim_node_now(node);
    sim_world_hash(world, &sim_conn_of(to)->ends[!to->end].node, sizeof to->node);
    sim_world_hash(world, &to->node, sizeof to->node);
    sim_world_hash(world, octets.p, octets.n);
    switch ((enum sim_port)to->port) {
    case SIM_PORT_RING:
        sim_hops_delivered(world, node_at(world, &sim_conn_of(to)->ends[!to->end]), node, octets);
        peer_link_input(server_peer(node->server), now, to->id, octets);
        break;
    case SIM_PORT_PVP:
        server_pvp_input(node->server, now, to->id, octets);
        break;
    case SIM_PORT_VAP:
        vap_server_input(server_vap(node->server), now, to->id, octets);
        break;
    case SIM_PORT_AGENT:
        client_input(node, (unsigned)to->id, octets);
        break;
    }
}

void sim_intake_settle(struct sim_world *world, const struct sim_conn_end *to)
{
    if (to->port == SIM_PORT_AGENT)
        settle_client(node_at(world, to));
    else
        sim_node_settle(node_at(world, to));
    world->answerer = NULL;
}

void sim_intake_down(struct sim_world *world, struct sim_conn_end *at)
{
    struct sim_node *node = node_at(world, at);
    struct now now = sim_node_now(node);
    switch ((enum sim_port)at->port) {
    case SIM_PORT_RING:
        peer_link_down(server_peer(node->server), now, at->id);
        break;
    case SIM_PORT_PVP:
        if (at->end == 1 && !sim_conn_of(at)->pvp->proved) /* it ended in the middle of the handshake */
            server_pvp_handshake(node->server, now, at->id, PVP_HANDSHAKE_BAD, NULL);
        server_pvp_closed(node->server, now, at->id);
        break;
    case SIM_PORT_VAP:
        vap_server_closed(server_vap(node->server), at->id);
        break;
    case SIM_PORT_AGENT:
        client_closed(node, (unsigned)at->id, "closed");
        return;
    }
    sim_node_settle(node);
}
