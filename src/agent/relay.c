/* Requests inside of dialogs, passed on, and responses passed back; the ACKs of 2xx. */
#include "agent/internal.h"

static void relay_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response);

int relay_new(struct call *c, const struct sip_event *event, struct relay **ret_relay)
{
    struct relay *r = mem_alloc(sizeof *r);
    if (!r)
        return ERR_NO_MEMORY;
    *r = (struct relay){.call = c,
                        .server = event->server,
                        .method = event->message->method,
                        .transport = event->flow->transport,
                        .cseq = event->message->cseq.number};
    client_init(&r->client, relay_heard, r, NULL, NULL);
    if (r->method == SIP_INVITE && map_set(&c->agent->servers, slice_of(&r->server, sizeof r->server), r) < 0) {
        mem_free(r);
        return ERR_NO_MEMORY;
    }
    list_append(&c->relays, &r->link);
    c->relay_count++;
    *ret_relay = r;
    return 0;
}

/* It has its final answer. */
static void relay_close(struct relay *r)
{
    if (r->server)
        map_remove(&r->call->agent->servers, slice_of(&r->server, sizeof r->server));
    r->server = 0;
}

void relay_free(struct relay *r)
{
    struct call *c = r->call;
    relay_close(r);
    client_drop(c->agent, &r->client);
    if (c->first == r)
        c->first = NULL;
    list_remove(&r->link);
    c->relay_count--;
    mem_free(r);
}

/* ---- back ---- */

/* The 2xx is ours to repeat until it is acknowledged; the ACK will be for the other end's INVITE, which was sent by that client. */
static void relay_accepted(struct relay *r, struct end *end, const struct client *client,
                           const struct sip_message *request, struct slice answer)
{
    struct agent *a = r->call->agent;
    struct end *other = end_other(end);
    struct slice credentials = client ? client_credentials_shown(a, client) : (struct slice){0};
    end->accepted_server = r->server;
    end->accepted_cseq = r->out_cseq;
    other->owes_ack = r->out_cseq;
    mem_free(other->credentials);
    other->credentials = NULL;
    if (credentials.n) {
        char *text = region_text(&a->scratch, credentials);
        other->credentials = text ? mem_strdup(text) : NULL;
    }
    if (!sip_accepted_start(&end->accepted, a->now, request, answer, SIP_T1_MS, SIP_T2_MS))
        heap_set(&a->timers, &end->timer.node, sip_accepted_deadline(&end->accepted));
}

void relay_respond(struct relay *r, struct pair *pair, const struct sip_message *response)
{
    struct call *c = r->call;
    struct agent *a = c->agent;
    const struct sip_message *request = sip_server_request(a->layer, r->server);
    struct end *end = r->pair ? &r->pair->ends[r->from] : pair ? &pair->ends[0] : NULL;
    const unsigned status = response->status;
    if (!request) {
        relay_close(r);
        return;
    }
    struct slice tag = end ? slice_str(end->tag) : sip_server_tag(a->layer, r->server);
    char text[TAG_OCTETS] = "ime";
    if (end)
        memcpy(text, end->tag, sizeof text);
    struct slice contact = end_contact(a, end ? end->side : c->from, r->transport, text);
    const struct identity_path people = r->pair ? (struct identity_path){end_other(end)->trunk, end->trunk}
                                                : (struct identity_path){r->heard_from, c->from_trunk};
    if (patch_response(a, response, request, tag, contact, &people, &a->octets) < 0 ||
        sip_server_respond(a->layer, a->now, r->server, buf_slice(&a->octets)) < 0) {
        if (status >= 200)
            relay_fail(r, 500);
        return;
    }
    if (status < 200)
        return;
    if (status < 300 && r->method == SIP_INVITE && end)
        relay_accepted(r, end,
                       r->pair      ? &r->client
                       : c->current ? &c->current->client
                                    : NULL,
                       request, buf_slice(&a->octets));
    relay_close(r);
}

void relay_fail(struct relay *r, unsigned status)
{
    if (r->server)
        agent_answer(r->call->agent, r->server, status, NULL, (struct slice){0});
    relay_close(r);
}

static void relay_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct relay *r = owner;
    struct call *c = r->call;
    struct end *other = &r->pair->ends[!r->from];
    if (response)
        other->heard = a->now.mono;
    if (status == 100)
        return;
    if (status >= 200 && status < 300 && other->ready) {
        sip_dialog_answered(&other->dialog, response);
        if (r->method == SIP_INVITE || r->method == SIP_UPDATE) /* both targets may have changed */
            call_keep(c);
    }
    if (response)
        relay_respond(r, NULL, response);
    else
        relay_fail(r, status);
    if (status < 200)
        return;
    if (r->method == SIP_SUBSCRIBE && c->kind == CALL_SUBSCRIPTION && c->state == CALL_UP && status < 300)
        call_refreshed(c, response);
    if (r->ends_call && c->state == CALL_UP)
        call_over(c, "the notifier");
    relay_free(r);
    call_check(c);
}

/* ---- on ---- */

/* The number that the request which a PRACK is about has at the other end. */
static uint32_t relay_rack(const struct end *end, const struct sip_message *m)
{
    const struct sip_field *f = sip_field_first(m, SIP_RACK);
    struct sip_cursor cursor;
    struct sip_rack rack;
    sip_cursor_init(&cursor, m->octets, f ? f->value : (struct slice){0});
    if (m->method != SIP_PRACK || !f || sip_read_rack(&cursor, &rack) < 0)
        return 0;
    LIST_EACH(it, &end->pair->call->relays) {
        const struct relay *r = CONTAINER_OF(it, struct relay, link);
        if (r->method != SIP_INVITE || r->from != end_index(end) || r->cseq != rack.cseq.number)
            continue;
        return r->pair ? r->out_cseq : end->pair->attempt ? end->pair->attempt->cseq : 0;
    }
    return end->accepted.cseq == rack.cseq.number ? end->accepted_cseq : 0;
}

static bool relay_is_last_notify(const struct sip_message *m)
{
    const struct sip_field *f = m->method == SIP_NOTIFY ? sip_field_first(m, SIP_SUBSCRIPTION_STATE) : NULL;
    return f && f->value.n >= 10 && sip_token_eq_str(slice_of(f->value.p, 10), "terminated");
}

static void relay_refuse(struct agent *a, const struct sip_event *event, unsigned status)
{
    a->counters.requests_refused++;
    agent_answer(a, event->server, status, status == 500 ? "Retry-After" : NULL, slice_str("5"));
}

void relay_inside(struct end *end, const struct sip_event *event)
{
    struct call *c = end->pair->call;
    struct agent *a = c->agent;
    struct end *other = end_other(end);
    struct relay *r;
    unsigned status = sip_dialog_receive(&end->dialog, event->message);
    end->heard = a->now.mono;
    if (event->flow->transport == end->hop.transport && event->flow->conn)
        end->hop.conn = event->flow->conn;
    if (!status && (!other->ready || other->gone || end->gone || c->state == CALL_OVER))
        status = 481;
    if (!status && relay_quality_told(end, event))
        return;
    if (!status && (c->relay_count >= CALL_RELAYS_MAX || relay_new(c, event, &r) < 0))
        status = 500;
    if (status) {
        relay_refuse(a, event, status);
        return;
    }
    r->pair = end->pair;
    r->from = end_index(end);
    r->out_cseq = ++other->dialog.local_cseq;
    r->ends_call = c->kind == CALL_SUBSCRIPTION && relay_is_last_notify(event->message);
    r->client.trunk = other->trunk;
    r->client.cseq = &other->dialog.local_cseq;
    r->client.sent_as = &r->out_cseq;
    struct sip_hop hop = end_hop(other);
    int err = patch_inside(a, event->message, other, r->out_cseq, relay_rack(end, event->message), &a->octets);
    if (!err)
        err = client_send(a, &r->client, &hop, buf_slice(&a->octets));
    if (err) {
        relay_fail(r, 500);
        relay_free(r);
        return;
    }
    a->counters.requests_relayed++;
}

/* ---- ACK ---- */

/* What is in a->octets. */
static void relay_send_ack(struct end *to, uint32_t cseq)
{
    struct agent *a = to->pair->call->agent;
    const bool is_owed = to->owes_ack == cseq;
    struct sip_hop hop = end_hop(to);
    struct slice ack =
        client_send_ack(a, &hop, is_owed && to->credentials ? slice_str(to->credentials) : (struct slice){0});
    if (!ack.n)
        return;
    if (is_owed)
        to->owes_ack = 0;
    sip_confirmed_keep(&to->confirmed, cseq, ack);
}

/* Of our own. */
static void relay_make_ack(struct end *to, uint32_t cseq)
{
    struct agent *a = to->pair->call->agent;
    buf_clear(&a->octets);
    sip_dialog_begin_request(&to->dialog, "ACK", cseq, &a->octets);
    sip_end(&a->octets, (struct slice){0});
    relay_send_ack(to, cseq);
}

void relay_acked(struct end *end, const struct sip_message *ack)
{
    struct agent *a = end->pair->call->agent;
    struct end *other = end_other(end);
    end->heard = a->now.mono;
    if (!sip_accepted_acked(&end->accepted, ack))
        return;
    agent_timer_stop(a, &end->timer);
    if (other->ready && !other->gone && other->owes_ack == end->accepted_cseq &&
        !patch_inside(a, ack, other, end->accepted_cseq, 0, &a->octets))
        relay_send_ack(other, end->accepted_cseq);
}

void relay_acknowledge(struct end *end)
{
    if (end->owes_ack && end->ready)
        relay_make_ack(end, end->owes_ack);
}

/* A 2xx in a dialog of ours: one that comes again gets its ACK again; one that nobody waits for any longer (the re-INVITE has timed out) its
 * first, for the call may go on. False: the dialog is closed, and has no ACK for it. */
static bool relay_acknowledge_again(struct end *end, const struct sip_message *response)
{
    struct agent *a = end->pair->call->agent;
    struct slice ack = sip_confirmed_ack(&end->confirmed, response);
    struct sip_hop hop = end_hop(end);
    if (end->owes_ack == response->cseq.number)
        return true; /* the other side's is on its way */
    if (ack.n)
        sip_layer_send_ack(a->layer, a->now, &hop, agent_point(a, end->side, hop.transport), ack);
    else if (!end->gone)
        relay_make_ack(end, response->cseq.number);
    return ack.n || !end->gone;
}

void relay_stray(struct agent *a, const struct sip_event *event)
{
    const struct sip_message *response = event->message;
    struct sip_hop hop = agent_hop(event->flow);
    struct trunk *trunk;
    if (response->status < 200 || response->status >= 300 || response->method != SIP_INVITE ||
        trunk_of_flow(a, event->flow, &trunk) < 0)
        return;
    struct end *end = end_find(a, response->call_id, response->from.tag, response->to.tag);
    if (!end || end->side != (enum agent_side)event->flow->side || !relay_acknowledge_again(end, response))
        late_answer(a, &hop, trunk, response, (struct slice){0});
}
