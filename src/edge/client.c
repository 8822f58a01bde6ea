/* Requests that went out: which of ours an event of the transaction layer is about. */
#include "edge/internal.h"

void edge_client_init(struct edge_client *c, struct edge_call *call, edge_client_fn *heard, void *owner)
{
    *c = (struct edge_client){.call = call, .heard = heard, .owner = owner};
}

int edge_client_send(struct edge *e, struct edge_client *c, const struct sip_hop *hop, struct slice octets)
{
    const uint64_t token = ++e->next_token;
    edge_client_drop(e, c);
    int err = map_set(&e->clients, slice_of(&token, sizeof token), c);
    if (err)
        return err;
    c->token = token;
    c->side = edge_side_of(hop->side);
    err = sip_client_request(e->layer, e->now, hop, edge_point(e, c->side, hop->transport), octets, token, &c->id);
    if (err)
        edge_client_drop(e, c);
    return err;
}

void edge_client_drop(struct edge *e, struct edge_client *c)
{
    if (c->token)
        map_remove(&e->clients, slice_of(&c->token, sizeof c->token));
    c->token = 0;
}

/* From the side that was asked, and outside from the company that was: others would have to know the branch. */
bool edge_client_may_hear(void *ctx, uint64_t token, const struct sip_flow *flow)
{
    struct edge *e = ctx;
    const struct edge_client *c = map_get(&e->clients, slice_of(&token, sizeof token));
    if (!c || (edge_side_of(flow->side) == c->side &&
               (c->side == EDGE_INSIDE || sip_flow_is_from(flow, c->call->trunk->domain))))
        return true;
    e->counters.blocked_response++;
    edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_PEER_FOREIGN,
                "from=%s of=%s call_id=\"%s\" why=\"an answer in place of the other side\"", edge_far_name(flow),
                c->side == EDGE_INSIDE ? "inside" : c->call->trunk->domain, c->call->call_id);
    return false;
}

/* The connection that an answer came over is that of its side, which may not have sent a request yet. */
static void note_way(struct edge *e, const struct edge_client *c, const struct sip_event *event)
{
    struct edge_call *call = c->call;
    if (event->kind != SIP_RESPONSE || event->message->status <= 100)
        return;
    if (c->side == EDGE_OUTSIDE)
        edge_trunk_used(&e->trunks, call->trunk, e->now, &event->flow->peer, event->flow->conn);
    if (event->message->status < 300 && call->kind != EDGE_SINGLE)
        edge_way_set(e, &call->ways[c->side], event->flow); /* no memory: as it was */
}

bool edge_client_event(struct edge *e, const struct sip_event *event)
{
    struct edge_client *c = map_get(&e->clients, slice_of(&event->token, sizeof event->token));
    if (!c)
        return false;
    note_way(e, c, event);
    const unsigned status = event->kind == SIP_RESPONSE  ? event->message->status
                            : event->kind == SIP_TIMEOUT ? 408
                                                         : 503;
    c->heard(e, c->owner, status, event->kind == SIP_RESPONSE ? event->message : NULL);
    return true;
}
