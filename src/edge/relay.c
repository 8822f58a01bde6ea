/* A request that comes in at one side goes out at the other, and its responses go back: those that answer it, from where it went, and nothing else. */
#include "edge/internal.h"

#include <stdio.h>

static void relay_heard(struct edge *e, void *owner, unsigned status, const struct sip_message *response);

/* ---- life ---- */

static void linger_due(struct edge *e, void *owner)
{
    struct edge_relay *r = owner;
    struct edge_call *c = r->call;
    (void)e;
    edge_relay_free(r);
    edge_call_check(c);
}

int edge_relay_new(struct edge_call *c, const struct sip_event *event, struct edge_relay **ret_relay)
{
    struct edge_relay *r = mem_alloc(sizeof *r);
    if (!r)
        return ERR_NO_MEMORY;
    r->call = c;
    r->from = edge_side_of(event->flow->side);
    r->server = event->server;
    r->method = event->message->method;
    r->cseq = r->sent_cseq = event->message->cseq.number;
    r->timer = (struct edge_timer){.fire = linger_due, .owner = r};
    edge_client_init(&r->client, c, relay_heard, r);
    if (r->method == SIP_INVITE && map_set(&c->edge->servers, slice_of(&r->server, sizeof r->server), r) < 0) {
        mem_free(r);
        return ERR_NO_MEMORY;
    }
    list_append(&c->relays, &r->link);
    c->relay_count++;
    *ret_relay = r;
    return 0;
}

/* It has its final answer. */
static void relay_close(struct edge_relay *r)
{
    if (r->server && r->method == SIP_INVITE)
        map_remove(&r->call->edge->servers, slice_of(&r->server, sizeof r->server));
    r->server = 0;
}

void edge_relay_free(struct edge_relay *r)
{
    struct edge_call *c = r->call;
    relay_close(r);
    edge_client_drop(c->edge, &r->client);
    edge_timer_stop(c->edge, &r->timer);
    if (c->first == r)
        c->first = NULL;
    list_remove(&r->link);
    c->relay_count--;
    mem_free(r->target);
    mem_free(r);
}

struct edge_relay *edge_relay_pending(const struct edge_dialog *d, enum sip_method method, enum edge_side from)
{
    LIST_EACH(it, &d->call->relays) {
        struct edge_relay *r = CONTAINER_OF(it, struct edge_relay, link);
        if (r->method == method && r->from == from && r->server && (r->dialog == d || r == d->call->first))
            return r;
    }
    return NULL;
}

/* ---- back ---- */

void edge_relay_fail(struct edge_relay *r, unsigned status, enum edge_cause cause, const char *text)
{
    if (r->server)
        edge_refuse(r->call->edge, r->server, status, cause, text);
    relay_close(r);
}

static bool forms_dialog(const struct edge_relay *r, const struct sip_message *response)
{
    return !r->dialog && r->call->kind != EDGE_SINGLE && response->to.tag.n && response->status > 100 &&
           response->status < 300;
}

/* Whether it answers what was sent: the branch says which transaction it is of, and its sender could say anything else. */
static bool is_answer_to(const struct edge_relay *r, const struct sip_message *m)
{
    const struct edge_call *c = r->call;
    if (m->cseq.number != r->sent_cseq || !slice_eq_str(m->call_id, c->call_id))
        return false;
    if (!r->dialog)
        return slice_eq_str(m->from.tag, c->tag);
    return slice_eq_str(m->from.tag, r->from == c->from ? c->tag : r->dialog->tag) &&
           (!m->to.tag.n || slice_eq_str(m->to.tag, r->from == c->from ? r->dialog->tag : c->tag));
}

static void note_reliable(struct edge_dialog *d, const struct sip_message *m)
{
    const struct sip_field *f = sip_field_first(m, SIP_RSEQ);
    uint32_t rseq;
    if (!f || m->status >= 200 || !sip_lists(m, SIP_REQUIRE, "100rel"))
        return;
    struct sip_cursor c = sip_field_cursor(m, f);
    if (!sip_read_number(&c, INT32_MAX, &rseq))
        d->rseq = rseq;
}

/* RFC 4028: who refreshes it does so before it ends; a while more, for what is late. */
static void note_session(struct edge_dialog *d, const struct sip_message *m)
{
    const struct sip_field *f = sip_field_first(m, SIP_SESSION_EXPIRES);
    struct sip_delta delta;
    d->session_end = MONO_NEVER;
    if (!f)
        return;
    struct sip_cursor c = sip_field_cursor(m, f);
    if (!sip_read_delta(&c, &delta))
        d->session_end = mono_after_ms(d->call->edge->now.mono, delta.seconds * INT64_C(1000) + LINGER_MS);
}

/* What a success changes in its dialog. */
static void relay_succeeded(struct edge_relay *r, struct edge_dialog *d, const struct sip_message *m)
{
    switch (r->method) {
    case SIP_INVITE:
    case SIP_UPDATE:
        note_session(d, m);
        break;
    case SIP_SUBSCRIBE:
        if (r->dialog)
            edge_call_refreshed(r->call, m);
        break;
    case SIP_NOTIFY:
        break;
    default:
        return; /* no target refresh */
    }
    edge_end_set_target(&d->ends[r->from], &r->target);
    edge_dialog_learn(d, edge_other(r->from), m);
}

/* It has its final answer, which was passed on, or none. It may be gone afterwards. */
static void relay_ended(struct edge_relay *r, unsigned status)
{
    struct edge_call *c = r->call;
    struct edge_dialog *d = r->dialog;
    struct edge_end *end = d ? &d->ends[r->from] : NULL;
    const enum sip_method method = r->method;
    const bool ends_subscription = r->ends_subscription;
    const char *by = r->from == c->from ? "the caller" : "the called side";
    const enum edge_side other = edge_other(r->from);
    edge_relay_free(r);
    if (d && method == SIP_BYE)
        edge_dialog_end(d, by);
    else if (d && method == SIP_NOTIFY && ends_subscription && d->ends[other].subscribed) {
        d->ends[other].subscribed--;
        edge_call_settle(c, "the notifier");
    } else if (d && (method == SIP_REFER || method == SIP_SUBSCRIBE) && status >= 300 && end->subscribed &&
               c->kind == EDGE_CALL) {
        end->subscribed--;
    }
    edge_call_check(c);
}

/* An INVITE is answered: only further answers to it can come. */
static void relay_linger(struct edge_relay *r)
{
    relay_close(r);
    r->lingers = true;
    if (r->call->first == r)
        r->call->first = NULL;
    if (edge_timer_set(r->call->edge, &r->timer, LINGER_MS) < 0)
        edge_relay_free(r);
}

/* What was agreed elsewhere cannot be said to the one who asked. */
static void answer_refused(struct edge_relay *r, struct edge_dialog *d, const struct sip_message *m, unsigned status)
{
    struct edge_call *c = r->call;
    if (m->status < 200)
        return;
    edge_relay_fail(r, status, EDGE_CAUSE_NONE, NULL);
    if (r->method == SIP_INVITE && m->status < 300 && d) {
        d->answered_to = r->from;
        d->answered_sent = r->sent_cseq;
        d->awaits_ack = true;
        const enum edge_side answered = edge_other(r->from);
        edge_relay_free(r);
        if (c->state == EDGE_SETTING_UP) {
            c->status = status;
            edge_dialog_goodbye(d, answered, "the answer was refused");
            edge_call_over(c, "the edge: the answer was refused");
        } else {
            edge_call_end(c, status, EDGE_CAUSE_NONE, "the edge: the answer was refused");
        }
        return;
    }
    if (!r->dialog)
        edge_call_over(c, "the edge: the answer was refused");
    relay_ended(r, status);
}

static void relay_respond(struct edge_relay *r, struct edge_dialog *d, const struct sip_message *m)
{
    struct edge_call *c = r->call;
    struct edge *e = c->edge;
    const struct sip_message *request = r->server ? sip_server_request(e->layer, r->server) : NULL;
    if (!request) { /* who asked has had another answer: only the other side's end is of interest */
        if (m->status >= 200 && m->status < 300 && r->method == SIP_INVITE)
            edge_answered_late(e, NULL, m);
        if (m->status >= 200)
            relay_ended(r, m->status);
        return;
    }
    if (d && !r->dialog && d->state == EDGE_EARLY)
        edge_dialog_learn(d, edge_other(r->from), m);
    const unsigned refused = edge_patch_response(r, d, m, request);
    if (refused) {
        answer_refused(r, d, m, refused);
        return;
    }
    const struct slice answer = buf_slice(&e->octets);
    if (sip_server_respond(e->layer, e->now, r->server, answer) < 0 && m->status >= 200)
        sip_server_forget(e->layer, r->server); /* no memory: whoever asked asks again */
    if (d)
        note_reliable(d, m);
    if (m->status < 200)
        return;
    if (d && m->status < 300) {
        if (r->method == SIP_INVITE)
            edge_dialog_answered(d, r, answer);
        relay_succeeded(r, d, m);
    }
    if (!r->dialog)
        edge_call_answered(c, d, m);
    if (r->method == SIP_INVITE && m->status < 300 && c->state == EDGE_UP)
        relay_linger(r);
    else
        relay_ended(r, m->status);
}

/* No agent, or no far edge, took it. True: another agent does. */
static bool goes_elsewhere(struct edge_relay *r, unsigned status, const struct sip_message *response)
{
    struct edge_call *c = r->call;
    struct edge *e = c->edge;
    if (r->dialog || c->from == EDGE_INSIDE || !r->server || status != 503)
        return false;
    edge_agent_failed(e, c->agent);
    const struct sip_message *request = sip_server_request(e->layer, r->server);
    if ((r->heard && !response) || !request || c->dialog_count || e->stopping || !edge_has_agent(c))
        return false;
    edge_relay_first(r, request);
    return true;
}

static void relay_unanswered(struct edge_relay *r, unsigned status)
{
    struct edge_call *c = r->call;
    struct edge *e = c->edge;
    const bool to_outside = r->from == EDGE_INSIDE;
    const enum edge_cause cause = status == 408 ? EDGE_CAUSE_CONNECTION_TIMEOUT
                                  : to_outside  ? EDGE_CAUSE_SOCKET_ERROR
                                                : EDGE_CAUSE_REMOTE_UNREGISTERED;
    if (to_outside) {
        e->counters.far_unreachable++;
        c->trunk->failed = true;
        edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_FAR_UNREACHABLE,
                    "domain=%s status=%u call_id=\"%s\"", c->trunk->domain, status, c->call_id);
    }
    edge_media_withdraw(c, r->dialog);
    edge_relay_fail(r, status, cause,
                    status == 408 ? "no answer in time"
                    : to_outside  ? "no connection to the other side"
                                  : "no call agent is there");
    if (!r->dialog) {
        c->status = status;
        edge_call_over(c, "the edge: nobody answered");
    } else if (to_outside && r->method != SIP_BYE && c->kind == EDGE_CALL && c->state == EDGE_UP) {
        edge_dialog_ask(r->dialog, EDGE_OUTSIDE);
    }
    relay_ended(r, status);
}

static void relay_heard(struct edge *e, void *owner, unsigned status, const struct sip_message *response)
{
    struct edge_relay *r = owner;
    struct edge_call *c = r->call;
    struct edge_dialog *d = r->dialog;
    const enum edge_side side = edge_other(r->from);
    struct alg_verdict verdict;
    if (status >= 200 && !r->lingers && r->method != SIP_INVITE)
        edge_client_drop(e, &r->client); /* an INVITE may be answered once more */
    if (!response) {
        edge_client_drop(e, &r->client);
        if (!r->lingers && !goes_elsewhere(r, status, NULL))
            relay_unanswered(r, status);
        return;
    }
    if (!is_answer_to(r, response)) {
        e->counters.blocked_response++;
        edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_STATE_BLOCKED,
                    "from=%s answer=%u why=\"it does not belong to the request\" call_id=\"%s\"",
                    side == EDGE_INSIDE ? "inside" : c->trunk->domain, status, c->call_id);
        if (status >= 200 && !r->lingers)
            relay_unanswered(r, 408);
        return;
    }
    if (status == 100) {
        r->heard = true;
        return;
    }
    if (r->lingers) {
        d = d ? d : edge_dialog_find(c, response->to.tag);
        if (status >= 200 && status < 300 && d && d->answered_server && d->answered_sent == response->cseq.number)
            edge_answered_again(d, response);
        else if (status >= 200 && status < 300)
            edge_answered_late(e, NULL, response);
        return;
    }
    if (goes_elsewhere(r, status, response))
        return;
    r->heard = true;
    if (!r->dialog && c->from == EDGE_OUTSIDE)
        edge_agent_worked(e, c->agent);
    else if (!r->dialog)
        c->trunk->failed = false;
    if (alg_check_response(e->options, &e->limits, response, side, &verdict)) {
        answer_refused(r, d, response,
                       edge_judge(e, response, side == EDGE_INSIDE ? "inside" : c->trunk->domain, &verdict));
        return;
    }
    if (forms_dialog(r, response))
        d = edge_dialog_of(c, response->to.tag);
    if (d)
        d->ends[side].heard = e->now.mono;
    if (side == EDGE_OUTSIDE)
        edge_far_back(c);
    relay_respond(r, d, response);
}

/* ---- on ---- */

static void relay_send(struct edge_relay *r, const struct sip_hop *hop, const struct sip_message *m)
{
    struct edge_call *c = r->call;
    struct edge *e = c->edge;
    const bool is_first = !r->dialog;
    unsigned status = edge_patch_request(r, m);
    if (!status && edge_client_send(e, &r->client, hop, buf_slice(&e->octets)) < 0) {
        e->counters.refused_requests++;
        status = 503;
        edge_media_withdraw(c, r->dialog);
    }
    if (!status)
        return;
    edge_relay_fail(r, status, EDGE_CAUSE_NONE, NULL);
    if (is_first) {
        c->status = status;
        edge_call_over(c, "the edge: it was refused");
    }
    relay_ended(r, status);
}

void edge_relay_first(struct edge_relay *r, const struct sip_message *m)
{
    struct edge_call *c = r->call;
    struct sip_hop hop;
    if (c->from == EDGE_INSIDE) {
        hop = c->ways[EDGE_OUTSIDE].hop;
    } else if (edge_next_agent(c, &hop)) {
        edge_way_clear(c->edge, &c->ways[EDGE_INSIDE]);
        c->ways[EDGE_INSIDE].hop = hop;
    } else {
        relay_unanswered(r, 503);
        return;
    }
    relay_send(r, &hop, m);
}

/* The first value, "terminated", says that there is nothing more to come (RFC 6665 4.2.2). */
static bool is_last_notify(const struct sip_message *m)
{
    static const char word[] = "terminated";
    const struct sip_field *f = m->method == SIP_NOTIFY ? sip_field_first(m, SIP_SUBSCRIPTION_STATE) : NULL;
    return f && f->value.n >= sizeof word - 1 && sip_token_eq_str(slice_of(f->value.p, sizeof word - 1), word);
}

/* Whoever asks may be notified at once, before the answer is there. */
static void note_subscriber(struct edge_dialog *d, const struct sip_message *m, enum edge_side from)
{
    struct edge_end *end = &d->ends[from];
    const struct sip_field *f;
    if (m->method == SIP_SUBSCRIBE && !end->subscribed)
        end->subscribed = 1;
    if (m->method != SIP_REFER || end->subscribed == UINT8_MAX)
        return;
    f = sip_field_named(m, "Refer-Sub");
    if (!f || !sip_token_eq_str(f->value, "false"))
        end->subscribed++;
}

void edge_relay_inside(struct edge_dialog *d, const struct sip_event *event)
{
    struct edge_call *c = d->call;
    struct edge *e = c->edge;
    const struct sip_message *m = event->message;
    const enum edge_side from = edge_side_of(event->flow->side), to = edge_other(from);
    struct edge_relay *r;
    if (edge_check(e, event) < 0)
        return;
    unsigned status = edge_dialog_allows(d, m, from);
    if (!status && !d->ends[to].target)
        status = 481;
    if (!status && (c->relay_count >= CALL_RELAYS_MAX || edge_way_set(e, &c->ways[from], event->flow) < 0 ||
                    edge_relay_new(c, event, &r) < 0)) {
        e->counters.refused_requests++;
        status = 500;
    }
    if (status) {
        edge_refuse(e, event->server, status, EDGE_CAUSE_NONE, NULL);
        return;
    }
    d->ends[from].heard = e->now.mono;
    if (from == EDGE_OUTSIDE && m->method != SIP_BYE)
        edge_far_back(c);
    edge_trunk_used(&e->trunks, c->trunk, e->now, &event->flow->peer, from == EDGE_OUTSIDE ? event->flow->conn : 0);
    r->dialog = d;
    r->sent_cseq = d->ends[to].sent = edge_dialog_shifted(d, to, r->cseq);
    r->ends_subscription = is_last_notify(m);
    r->target = edge_contact_of(m);
    note_subscriber(d, m, from);
    if (m->method == SIP_BYE && d->state != EDGE_ENDED)
        d->state = EDGE_ENDING;
    const struct sip_hop hop = edge_dialog_hop(d, to);
    relay_send(r, &hop, m);
}
