/* Requests of our own in the dialogs of others: BYE when the edge ends a call, OPTIONS to ask whether an end is still there, REFER to tell the agent how a call
 * sounds. Each takes a number; what the other end sends afterwards is shifted by it (dialog.c). */
#include "edge/internal.h"

#define PATIENCE_MS 10000 /* for an end outside to answer: the agents there keep a call whose way has gone for 30 s */
#define UNASKED_MAX 3     /* times in a row that an end could not be asked: no memory, or no numbers left */

static const char *const methods[] = {[EDGE_ERRAND_BYE] = "BYE",
                                      [EDGE_ERRAND_PROBE] = "OPTIONS",
                                      [EDGE_ERRAND_QUALITY] = "REFER",
                                      [EDGE_ERRAND_GONE] = "REFER"};

void edge_errand_free(struct edge_errand *errand)
{
    edge_client_drop(errand->call->edge, &errand->client);
    edge_timer_stop(errand->call->edge, &errand->patience);
    list_remove(&errand->link);
    mem_free(errand);
}

/* No answer at all, or another edge says that its agent does not answer. */
static bool is_silence(unsigned status, const struct sip_message *response)
{
    const struct sip_field *reason = response ? sip_field_first(response, SIP_REASON) : NULL;
    static const char ours[] = "X-IME";
    return !response || status == 408 ||
           (status == 503 && reason && reason->value.n > sizeof ours &&
            sip_token_eq_str(slice_of(reason->value.p, sizeof ours - 1), ours));
}

/* 481: it does not know of the call, which is over. No answer: from inside it is over, too; outside something may have broken, and come back. */
static void probed(struct edge_dialog *d, enum edge_side side, unsigned status, const struct sip_message *response)
{
    struct edge_call *c = d->call;
    struct edge *e = c->edge;
    d->ends[side].probing = false;
    d->ends[side].heard = e->now.mono;
    if (c->state != EDGE_UP)
        return;
    const bool is_silent = is_silence(status, response);
    if (side == EDGE_OUTSIDE && is_silent) {
        edge_far_gone(c);
        return;
    }
    if (!is_silent && status != 481) {
        if (side == EDGE_OUTSIDE)
            edge_far_back(c);
        return;
    }
    e->counters.calls_stuck++;
    edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_CALL_STUCK, "gone=%s domain=%s call_id=\"%s\"",
                side == EDGE_INSIDE ? "inside" : "outside", c->trunk->domain, c->call_id);
    edge_call_end(c, 408, EDGE_CAUSE_NONE,
                  side == c->from ? "the edge: the caller had gone" : "the edge: the called side had gone");
}

/* Timer F would take 32 s, in which nobody looks for another way, and an edge that was started anew and does not know the call says nothing. */
static void patience_over(struct edge *e, void *owner)
{
    struct edge_errand *errand = owner;
    (void)e;
    errand->is_late = true;
    errand->dialog->ends[errand->to].probing = false;
    if (errand->call->state == EDGE_UP)
        edge_far_gone(errand->call);
}

static void errand_heard(struct edge *e, void *owner, unsigned status, const struct sip_message *response)
{
    struct edge_errand *errand = owner;
    struct edge_call *c = errand->call;
    struct edge_dialog *d = errand->dialog;
    const enum edge_side to = errand->to;
    const enum edge_errand_kind kind = errand->kind;
    const bool is_known = errand->is_late && is_silence(status, response);
    (void)e;
    if (status < 200)
        return;
    edge_errand_free(errand);
    if (kind == EDGE_ERRAND_PROBE && !is_known)
        probed(d, to, status, response);
    else if (kind == EDGE_ERRAND_GONE && status >= 300 && c->is_gone)
        edge_call_end(c, 408, EDGE_CAUSE_CONNECTION_TIMEOUT, "the edge: nobody outside was there");
    edge_call_check(c);
}

bool edge_errand_send(struct edge_dialog *d, enum edge_side to, enum edge_errand_kind kind,
                      const struct edge_field *fields, size_t count)
{
    struct edge_call *c = d->call;
    struct edge *e = c->edge;
    struct edge_errand *errand = mem_alloc(sizeof *errand);
    if (!errand)
        return false;
    const struct sip_hop hop = edge_dialog_hop(d, to);
    errand->call = c;
    errand->dialog = d;
    errand->to = to;
    errand->kind = kind;
    errand->patience = (struct edge_timer){.fire = patience_over, .owner = errand};
    edge_client_init(&errand->client, c, errand_heard, errand);
    list_append(&c->errands, &errand->link);
    if (edge_patch_own(d, to, methods[kind], edge_dialog_own_cseq(d, to), fields, count) ||
        edge_client_send(e, &errand->client, &hop, buf_slice(&e->octets)) < 0) {
        edge_errand_free(errand);
        return false;
    }
    if (kind == EDGE_ERRAND_PROBE)
        d->ends[to].probing = true;
    if (kind == EDGE_ERRAND_PROBE && to == EDGE_OUTSIDE)
        edge_timer_set(e, &errand->patience, PATIENCE_MS); /* no memory: timer F */
    return true;
}

void edge_dialog_ask(struct edge_dialog *d, enum edge_side to)
{
    struct edge *e = d->call->edge;
    struct edge_end *end = &d->ends[to];
    end->heard = e->now.mono; /* from now on its silence is another one */
    if (d->state != EDGE_CONFIRMED || end->probing || !end->target)
        return;
    e->counters.probes++;
    if (edge_errand_send(d, to, EDGE_ERRAND_PROBE, NULL, 0)) {
        end->unasked = 0;
    } else if (++end->unasked >= UNASKED_MAX) {
        e->counters.calls_stuck++;
        edge_call_end(d->call, 500, EDGE_CAUSE_NONE, "the edge: an end could not be asked whether it is there");
    }
}

void edge_dialog_probe(struct edge_dialog *d, enum edge_side to)
{
    const struct edge *e = d->call->edge;
    if (mono_since_us(e->now.mono, d->ends[to].heard) >= e->options->idle_ms * 1000)
        edge_dialog_ask(d, to);
}

void edge_dialog_goodbye(struct edge_dialog *d, enum edge_side to, const char *reason)
{
    struct edge *e = d->call->edge;
    if (!d->ends[to].target)
        return;
    if (d->awaits_ack && d->answered_to != to) { /* it has answered an INVITE, and waits */
        const struct sip_hop hop = edge_dialog_hop(d, to);
        if (!edge_patch_own(d, to, "ACK", d->answered_sent, NULL, 0))
            sip_layer_send_ack(e->layer, e->now, &hop, edge_point(e, to, hop.transport), buf_slice(&e->octets));
        d->awaits_ack = false;
    }
    const struct slice value = edge_reason(e, EDGE_CAUSE_UNKNOWN, reason);
    const char *text = value.n ? region_text(&e->scratch, value) : NULL;
    const struct edge_field field = {"Reason", text};
    edge_errand_send(d, to, EDGE_ERRAND_BYE, &field, text != NULL);
}
