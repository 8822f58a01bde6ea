/* What is no request with a response: the ACK of a 2xx, CANCEL; and answers that come again, or that nobody waits for any longer. */
#include "edge/internal.h"

static void block_ack(struct edge *e, const struct sip_event *event, const char *why)
{
    e->counters.blocked_ack++;
    edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_STATE_BLOCKED,
                "from=%s method=ACK why=\"%s\" call_id=\"%.*s\"", edge_far_name(event->flow), why,
                SLICE_PRINT(event->message->call_id));
}

static void send_ack(struct edge_dialog *d, enum edge_side to, struct slice ack)
{
    struct edge *e = d->call->edge;
    const struct sip_hop hop = edge_dialog_hop(d, to);
    sip_layer_send_ack(e->layer, e->now, &hop, edge_point(e, to, hop.transport), ack);
}

void edge_acked(struct edge *e, const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    const enum edge_side from = edge_side_of(event->flow->side), to = edge_other(from);
    struct edge_dialog *d = edge_dialog_of_request(e, m, from);
    struct alg_verdict verdict;
    if (!d || (from == EDGE_OUTSIDE && !sip_flow_is_from(event->flow, d->call->trunk->domain))) {
        block_ack(e, event, "there is no such dialog");
        return;
    }
    if (!d->answered_server || d->answered_to != from || d->answered_cseq != m->cseq.number) {
        block_ack(e, event, "no INVITE of it was answered");
        return;
    }
    if (!d->awaits_ack) {
        if (d->ack.n)
            send_ack(d, to, buf_slice(&d->ack));
        return;
    }
    if (alg_check_request(e->options, &e->limits, m, from, &verdict)) {
        edge_judge(e, m, edge_far_name(event->flow), &verdict);
        return;
    }
    d->ends[from].heard = e->now.mono;
    if (edge_patch_ack(d, m, from)) { /* the answer in it would be none: both sides would wait for media */
        edge_call_end(d->call, 488, EDGE_CAUSE_NONE, "the edge: the answer in ACK was refused");
        return;
    }
    d->awaits_ack = false;
    buf_fini(&d->answer);
    buf_init(&d->answer, SIP_MESSAGE_OCTETS_MAX);
    buf_slice_put(&d->ack, buf_slice(&e->octets));
    send_ack(d, to, buf_slice(&e->octets));
}

/* The request is answered when the other side has answered: mostly with 487. */
void edge_cancelled(struct edge *e, const struct sip_event *event)
{
    struct edge_relay *r = map_get(&e->servers, slice_of(&event->server, sizeof event->server));
    const struct sip_field *reason = sip_field_first(event->message, SIP_REASON);
    if (!r || edge_side_of(event->flow->side) != r->from ||
        (r->from == EDGE_OUTSIDE && !sip_flow_is_from(event->flow, r->call->trunk->domain))) {
        e->counters.blocked_cancel++;
        edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_PEER_FOREIGN,
                    "from=%s method=CANCEL call_id=\"%.*s\"", edge_far_name(event->flow),
                    SLICE_PRINT(event->message->call_id));
        return;
    }
    if (r->client.token)
        sip_client_cancel(e->layer, e->now, r->client.id, reason ? reason->value : (struct slice){0});
}

/* Its ACK has passed, or is still on its way here. */
void edge_answered_again(struct edge_dialog *d, const struct sip_message *response)
{
    struct edge *e = d->call->edge;
    (void)response;
    if (d->ack.n)
        send_ack(d, edge_other(d->answered_to), buf_slice(&d->ack));
    else if (d->awaits_ack && d->answer.n)
        sip_server_respond(e->layer, e->now, d->answered_server, buf_slice(&d->answer));
}

/* Goodbyes to phones that nobody waits for, each with a transaction of its own, are bounded: who once had a request of ours could ask for them without
 * end. A phone that is up says so again (13.3.1.4), so that none of the few that there should be is left out. */
#define LATE_PER_SECOND_MAX 20

static bool has_room_for_late(struct edge *e)
{
    if (mono_due(e->late_until, e->now.mono)) {
        e->late_until = mono_after_ms(e->now.mono, 1000);
        e->late_count = 0;
    }
    if (e->late_count >= LATE_PER_SECOND_MAX)
        return false;
    e->late_count++;
    return true;
}

/* A phone is up for nobody: one that crossed a CANCEL, a second one, one that was too late. It is acknowledged and told goodbye (13.2.2.4). What that takes
 * stands in the answer, but for the way: flow NULL, that of the call. */
void edge_answered_late(struct edge *e, const struct sip_flow *flow, const struct sip_message *response)
{
    struct sip_dialog d;
    struct sip_hop hop;
    uint64_t client;
    struct edge_call *c = edge_call_find(e, response->call_id, response->from.tag);
    if (!has_room_for_late(e)) {
        e->counters.blocked_response++;
        return;
    }
    e->counters.answers_late++;
    if (flow)
        hop =
            (struct sip_hop){.transport = flow->transport, .side = flow->side, .addr = flow->peer, .conn = flow->conn};
    else if (c)
        hop = c->ways[edge_other(c->from)].hop;
    else
        return;
    if (sip_dialog_init_uac(&d, response, response) < 0)
        return;
    const char *point = edge_point(e, edge_side_of(hop.side), hop.transport);
    buf_clear(&e->octets);
    sip_dialog_begin_request(&d, "ACK", response->cseq.number, &e->octets);
    sip_end(&e->octets, (struct slice){0});
    if (!e->octets.err)
        sip_layer_send_ack(e->layer, e->now, &hop, point, buf_slice(&e->octets));
    buf_clear(&e->octets);
    sip_dialog_begin_request(&d, "BYE", response->cseq.number + 1, &e->octets);
    sip_put_named(&e->octets, "Reason", edge_reason(e, EDGE_CAUSE_UNKNOWN, "nobody waited for this answer any longer"));
    sip_end(&e->octets, (struct slice){0});
    if (!e->octets.err) /* nobody waits for what comes back: the number is of no request that is kept */
        sip_client_request(e->layer, e->now, &hop, point, buf_slice(&e->octets), ++e->next_token, &client);
    sip_dialog_fini(&d);
}

void edge_stray(struct edge *e, const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    if (m->method != SIP_INVITE || m->status < 200 || m->status >= 300)
        return;
    struct edge_call *c = edge_call_find(e, m->call_id, m->from.tag);
    struct edge_dialog *d = c ? edge_dialog_find(c, m->to.tag) : NULL;
    if (d && d->answered_server && d->answered_sent == m->cseq.number)
        edge_answered_again(d, m);
    else
        edge_answered_late(e, event->flow, m);
}
