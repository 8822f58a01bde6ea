/* What a byzantine node sends in place of what its server wants to send, and besides (node.h). */
#include "tap.h"

#include "alloc.h"
#include "reload/frame.h"

#define MESSAGE_OCTETS_MAX (2u << 20)

void sim_node_set_tap(struct sim_node *node, const struct sim_tap *tap)
{
    node->tap = tap;
}

static void send_frame(struct sim_world *world, struct sim_conn_end *end, uint32_t sequence, struct slice message)
{
    struct buf frame;
    buf_init(&frame, MESSAGE_OCTETS_MAX);
    reload_frame_encode(&(struct reload_frame){RELOAD_FRAME_DATA, sequence, 0, message}, &frame);
    if (frame.err)
        sim_die("a frame of %zu octets cannot be made", message.n);
    sim_conn_send(world, end, buf_slice(&frame));
    buf_fini(&frame);
}

/* A dropped message is acknowledged all the same, so that the link of the node that lies does not fail: who lies is not slow. */
static void acknowledge(struct sim_node *node, const struct sim_conn_end *end, uint32_t sequence)
{
    struct buf frame;
    buf_init(&frame, RELOAD_FRAME_ACK_OCTETS);
    reload_frame_encode(&(struct reload_frame){RELOAD_FRAME_ACK, sequence, 0, {NULL, 0}}, &frame);
    peer_link_input(server_peer(node->server), sim_node_now(node), end->id, buf_slice(&frame));
    buf_fini(&frame);
}

void sim_tap_send(struct sim_node *node, struct sim_conn_end *end, struct slice octets)
{
    struct sim_world *world = node->world;
    struct sim_node *to = &world->nodes[sim_conn_of(end)->ends[!end->end].node];
    while (octets.n) {
        struct reload_frame frame;
        struct fault fault;
        size_t taken;
        if (reload_frame_decode(octets, MESSAGE_OCTETS_MAX, &frame, &taken, &fault) != 0)
            sim_die("node %u sends what is no frame", node->index);
        struct slice whole = slice_of(octets.p, taken);
        octets = slice_of(octets.p + taken, octets.n - taken);
        if (frame.type != RELOAD_FRAME_DATA) {
            sim_conn_send(world, end, whole);
            continue;
        }
        struct buf instead;
        buf_init(&instead, MESSAGE_OCTETS_MAX);
        switch (node->tap->message(node->tap->ctx, node, to, frame.message, &instead)) {
        case SIM_TAP_PASS:
            sim_conn_send(world, end, whole);
            break;
        case SIM_TAP_DROP:
            acknowledge(node, end, frame.sequence);
            break;
        case SIM_TAP_REPLACE:
            send_frame(world, end, frame.sequence, buf_slice(&instead));
            break;
        }
        buf_fini(&instead);
    }
}

int sim_node_send_octets(struct sim_node *from, struct sim_node *to, struct slice octets)
{
    struct sim_conn_end *end = sim_conn_between(from->world, from->index, to->index);
    if (!end)
        return ERR_NOT_FOUND;
    sim_conn_send(from->world, end, octets);
    return 0;
}

/* With the number of the frame before: the other side acknowledges it once more, which does no harm. */
int sim_node_send_message(struct sim_node *from, struct sim_node *to, struct slice message)
{
    struct sim_conn_end *end = sim_conn_between(from->world, from->index, to->index);
    if (!end)
        return ERR_NOT_FOUND;
    send_frame(from->world, end, end->sequence, message);
    return 0;
}

bool sim_node_neighbor(const struct sim_node *node, unsigned nth, struct sim_node **ret_node)
{
    for (struct sim_conn_end *end = node->conns; end; end = end->next)
        if (end->port == SIM_PORT_RING && sim_conn_of(end)->up && nth-- == 0) {
            *ret_node = &node->world->nodes[sim_conn_of(end)->ends[!end->end].node];
            return true;
        }
    return false;
}
