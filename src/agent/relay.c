/* Requests inside of dialogs, passed on, and responses passed back; the ACKs of 2xx. */
#include "agent/internal.h"
#include "sip/multipart.h"

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
    struct end *other = end->other;
    struct slice credentials = client ? client_credentials_shown(a, client) : (struct slice){0};
    struct sip_body offer;
    end->accepted_server = r->server;
    end->accepted_cseq = r->out_cseq;
    end->answers_by_ack = sip_body_find(&a->scratch, request, "application", "sdp", &offer, NULL) < 0;
    other->owes_ack = r->out_cseq;
    mem_free(other->credentials);
    other->credentials = NULL;
    if (credentials.n) {
        char *text = region_text(&a->scratch, credentials);
        other->credentials = text ? mem_strdup(text) : NULL;
    }
    if (end->gone)
        relay_acknowledge_for(end);
    else if (!sip_accepted_start(&end->accepted, a->now, request, answer, SIP_T1_MS, SIP_T2_MS))
        heap_set(&a->timers, &end->timer.node, sip_accepted_deadline(&end->accepted));
}

void relay_respond(struct relay *r, struct pair *pair, const struct sip_message *response)
{
    struct call *c = r->call;
    struct agent *a = c->agent;
    const struct sip_message *request = sip_server_request(a->layer, r->server);
    struct end *end = r->from ? r->from : pair ? &pair->ends[0] : NULL;
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
    struct patch_back back = {.tag = tag, .contact = contact, .first = r->from ? NULL : c};
    back.people = r->from ? (struct identity_path){r->to->trunk, end->trunk}
                          : (struct identity_path){r->heard_from, c->from_trunk};
    if (!r->from)
        fallback_offer_prepare(c, status, request);
    if (fallback_pass(c, r->to, r->from, response, request, &back.body) < 0 ||
        patch_response(a, response, request, &back, &a->octets) < 0 ||
        sip_server_respond(a->layer, a->now, r->server, buf_slice(&a->octets)) < 0) {
        if (status >= 200)
            relay_fail(r, 500);
        return;
    }
    if (status < 200)
        return;
    if (status < 300 && r->method == SIP_INVITE && end)
        relay_accepted(r, end,
                       r->from      ? &r->client
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
    struct end *other = r->to;
    if (response)
        other->heard = a->now.mono;
    if (status == 100)
        return;
    if (status >= 200 && status < 300 && other->ready) {
        sip_dialog_answered(&other->dialog, response);
        if (r->method == SIP_INVITE || r->method == SIP_UPDATE) /* both targets may have changed */
            call_keep(c);
    }
    const bool hides = fallback_hides(other, status);
    if (hides)
        relay_fail(r, 500);
    else if (response)
        relay_respond(r, NULL, response);
    else
        relay_fail(r, status);
    if (status < 200)
        return;
    if (r->method == SIP_SUBSCRIBE && c->kind == CALL_SUBSCRIPTION && c->state == CALL_UP && status < 300)
        call_refreshed(c, response);
    if (r->ends_call && c->state == CALL_UP)
        call_over(c, "the notifier");
    fallback_passed(other, r->method, status);
    relay_free(r);
    if (hides)
        fallback_suspect(other);
    fallback_stirred(c);
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
    LIST_EACH(it, &end->call->relays) {
        const struct relay *r = CONTAINER_OF(it, struct relay, link);
        if (r->method != SIP_INVITE || (r->from ? r->from != end : end->is_called) || r->cseq != rack.cseq.number)
            continue;
        return r->from ? r->out_cseq : end->pair && end->pair->attempt ? end->pair->attempt->cseq : 0;
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
    struct call *c = end->call;
    struct agent *a = c->agent;
    struct end *other = end->other;
    struct relay *r;
    unsigned status = sip_dialog_receive(&end->dialog, event->message);
    end->heard = a->now.mono;
    if (event->flow->transport == end->hop.transport && event->flow->conn)
        end->hop.conn = event->flow->conn;
    if (!status && (!other->ready || other->gone || end->gone || c->state == CALL_OVER))
        status = fallback_between(end) ? fallback_not_now(event->message->method) : 481;
    if (!status && (relay_quality_told(end, event) || fallback_takes(end, event)))
        return;
    if (!status && (c->relay_count >= CALL_RELAYS_MAX || relay_new(c, event, &r) < 0))
        status = 500;
    if (status) {
        relay_refuse(a, event, status);
        return;
    }
    if (!end->answers_by_ack) /* a datagram may overtake the ACK, and who was not acknowledged yet refuses what it brings */
        relay_acknowledge_for(end);
    r->from = end;
    r->to = other;
    r->out_cseq = ++other->dialog.local_cseq;
    r->ends_call = c->kind == CALL_SUBSCRIPTION && relay_is_last_notify(event->message);
    r->client.trunk = other->trunk;
    r->client.cseq = &other->dialog.local_cseq;
    r->client.sent_as = &r->out_cseq;
    struct sip_hop hop = end_hop(other);
    int err = patch_inside(event->message, end, other, r->out_cseq, relay_rack(end, event->message), &a->octets);
    if (!err)
        err = client_send(a, &r->client, &hop, buf_slice(&a->octets));
    if (err) {
        relay_fail(r, err == ERR_CONFLICT || err == ERR_NOT_FOUND ? 488 : 500);
        relay_free(r);
        return;
    }
    a->counters.requests_relayed++;
}

/* ---- ACK ---- */

/* What is in a->octets. */
static void relay_send_ack(struct end *to, uint32_t cseq)
{
    struct agent *a = to->agent;
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
static void relay_make_ack(struct end *to, uint32_t cseq, struct slice description)
{
    struct agent *a = to->agent;
    buf_clear(&a->octets);
    sip_dialog_begin_request(&to->dialog, "ACK", cseq, &a->octets);
    if (description.n)
        sip_put_text(&a->octets, SIP_CONTENT_TYPE, "application/sdp");
    sip_end(&a->octets, description);
    relay_send_ack(to, cseq);
}

void relay_acked(struct end *end, const struct sip_message *ack)
{
    struct agent *a = end->agent;
    struct end *other = end->other;
    end->heard = a->now.mono;
    if (!sip_accepted_acked(&end->accepted, ack))
        return;
    agent_timer_stop(a, &end->timer);
    if (end->accepted_cseq && other->ready && !other->gone && other->owes_ack == end->accepted_cseq &&
        !patch_inside(ack, end, other, end->accepted_cseq, 0, &a->octets))
        relay_send_ack(other, end->accepted_cseq);
    fallback_acked(end);
}

void relay_acknowledge_for(struct end *end)
{
    if (end->accepted_cseq && end->other && end->other->owes_ack == end->accepted_cseq)
        relay_acknowledge(end->other, (struct slice){0});
}

void relay_acknowledge(struct end *end, struct slice description)
{
    if (end->owes_ack && end->ready)
        relay_make_ack(end, end->owes_ack, description);
}

void agent_accept(struct end *end, uint64_t server, struct slice description)
{
    struct agent *a = end->agent;
    const struct sip_message *request = sip_server_request(a->layer, server);
    const struct sip_flow *flow = sip_server_flow(a->layer, server);
    struct buf *out = &a->octets;
    if (!request || !flow)
        return;
    const struct slice contact = end_contact(a, end->side, flow->transport, end->tag);
    buf_clear(out);
    sip_begin_answer(out, request, 200, NULL, slice_str(end->tag));
    sip_put_text(out, SIP_CONTACT, "<%.*s>", SLICE_PRINT(contact));
    sip_put(out, SIP_ALLOW, slice_str(AGENT_ALLOW));
    sip_put_text(out, SIP_CONTENT_TYPE, "application/sdp");
    sip_end(out, description);
    if (out->err)
        return;
    end->accepted_server = server;
    end->accepted_cseq = 0; /* there is no other end */
    if (!sip_accepted_start(&end->accepted, a->now, request, buf_slice(out), SIP_T1_MS, SIP_T2_MS))
        heap_set(&a->timers, &end->timer.node, sip_accepted_deadline(&end->accepted));
    sip_server_respond(a->layer, a->now, server, buf_slice(out));
}

void relay_forget(struct end *end)
{
    if (!end->call)
        return;
    LIST_EACH(it, &end->call->relays) {
        struct relay *r = CONTAINER_OF(it, struct relay, link);
        if (r->from != end && r->to != end)
            continue;
        relay_fail(r, 500);
        relay_free(r);
    }
}

void relay_give_up(struct end *to)
{
    struct agent *a = to->agent;
    if (!to->call)
        return;
    LIST_EACH(it, &to->call->relays) {
        struct relay *r = CONTAINER_OF(it, struct relay, link);
        if (r->to != to || !r->from)
            continue;
        if (r->method == SIP_INVITE && r->client.token)
            sip_client_cancel(a->layer, a->now, r->client.id, (struct slice){0});
        relay_fail(r, fallback_not_now(r->method));
        relay_free(r);
    }
}

/* A 2xx in a dialog of ours: one that comes again gets its ACK again; one that nobody waits for any longer (the re-INVITE has timed out) its
 * first, for the call may go on. False: the dialog is closed, and has no ACK for it. */
static bool relay_acknowledge_again(struct end *end, const struct sip_message *response)
{
    struct agent *a = end->agent;
    struct slice ack = sip_confirmed_ack(&end->confirmed, response);
    struct sip_hop hop = end_hop(end);
    if (end->owes_ack == response->cseq.number)
        return true; /* the other side's is on its way */
    if (ack.n)
        sip_layer_send_ack(a->layer, a->now, &hop, agent_point(a, end->side, hop.transport), ack);
    else if (!end->gone)
        relay_make_ack(end, response->cseq.number, (struct slice){0});
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
