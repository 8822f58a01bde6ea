/* What is changed in a message that passes. How each header is rewritten is the ALG's (alg.h, alg_sdp.h); here is what only the dialog knows: targets, route
 * sets, numbers, and what is between edge and agent. */
#include "edge/internal.h"

/* The company that a request is from, by its certificate, for the agent. */
#define DOMAIN_HEADER "X-IME-Domain"

static struct alg_way way_of(const struct edge_call *c, const struct sip_hop *hop, enum edge_side to)
{
    const struct edge *e = c->edge;
    return (struct alg_way){.options = e->options,
                            .from = edge_other(to),
                            .to = to,
                            .transport = hop->transport,
                            .domain = c->domain < e->options->domain_count ? e->options->domains[c->domain].name : "",
                            .region = &c->edge->scratch};
}

static unsigned written(struct edge *e, const struct sip_edit *edit)
{
    buf_clear(&e->octets);
    if (!sip_edit_write(edit, &e->octets) && !e->octets.err)
        return 0;
    e->counters.refused_memory++;
    return 500;
}

static void set_cseq(struct edge *e, struct sip_edit *edit, uint32_t cseq, struct slice method)
{
    sip_edit_set(edit, SIP_CSEQ, edge_print(e, "%u %.*s", (unsigned)cseq, SLICE_PRINT(method)));
}

/* The number that the INVITE which a PRACK is about has at the other end. */
static void set_rack(const struct edge_dialog *d, const struct sip_message *m, enum edge_side from,
                     struct sip_edit *edit)
{
    struct edge *e = d->call->edge;
    const struct sip_field *f = sip_field_first(m, SIP_RACK);
    const struct edge_relay *r = edge_relay_pending(d, SIP_INVITE, from);
    const uint32_t sent = r ? r->sent_cseq : d->answered_sent;
    struct sip_rack rack;
    struct sip_cursor c = sip_field_cursor(m, f);
    if (sip_read_rack(&c, &rack) < 0 || rack.cseq.number == sent)
        return;
    sip_edit_value(edit, f,
                   edge_print(e, "%u %u %.*s", (unsigned)rack.rseq, (unsigned)sent, SLICE_PRINT(rack.cseq.method)));
}

/* In a dialog: to its target, by its route set. NULL: no memory. */
static struct sip_edit *begin_inside(const struct edge_dialog *d, const struct sip_message *m, enum edge_side from,
                                     uint32_t cseq)
{
    struct edge *e = d->call->edge;
    const enum edge_side to = edge_other(from);
    const struct edge_end *end = &d->ends[to];
    const struct sip_hop hop = edge_dialog_hop(d, to);
    const struct alg_way way = way_of(d->call, &hop, to);
    struct sip_edit *edit = sip_edit_new(&e->scratch, m);
    if (!edit || alg_edit_request(&way, m, slice_str(end->target), edit) < 0)
        return NULL;
    if (end->routes)
        sip_edit_prepend(edit, SIP_ROUTE, slice_str(end->routes));
    if (cseq != m->cseq.number)
        set_cseq(e, edit, cseq, m->cseq.method);
    return edit;
}

static unsigned no_memory(struct edge *e)
{
    e->counters.refused_memory++;
    return 500;
}

static unsigned patch_first(struct edge_relay *r, const struct sip_message *m)
{
    struct edge_call *c = r->call;
    struct edge *e = c->edge;
    const enum edge_side to = edge_other(r->from);
    const struct alg_way way = way_of(c, &c->ways[to].hop, to);
    struct sip_edit *edit = sip_edit_new(&e->scratch, m);
    if (!edit || alg_edit_request(&way, m, (struct slice){0}, edit) < 0)
        return no_memory(e);
    if (to == EDGE_INSIDE)
        sip_edit_append_named(edit, DOMAIN_HEADER, slice_str(c->trunk->domain));
    const unsigned status = edge_media_pass(c, NULL, r->from, m, NULL, edit);
    return status ? status : written(e, edit);
}

unsigned edge_patch_request(struct edge_relay *r, const struct sip_message *m)
{
    struct edge_dialog *d = r->dialog;
    struct edge *e = r->call->edge;
    if (!d)
        return patch_first(r, m);
    struct sip_edit *edit = begin_inside(d, m, r->from, r->sent_cseq);
    if (!edit)
        return no_memory(e);
    if (m->method == SIP_PRACK)
        set_rack(d, m, r->from, edit);
    const unsigned status = edge_media_pass(d->call, d, r->from, m, NULL, edit);
    return status ? status : written(e, edit);
}

unsigned edge_patch_ack(struct edge_dialog *d, const struct sip_message *m, enum edge_side from)
{
    struct edge *e = d->call->edge;
    struct sip_edit *edit = d->ends[edge_other(from)].target ? begin_inside(d, m, from, d->answered_sent) : NULL;
    if (!edit)
        return no_memory(e);
    const unsigned status = edge_media_pass(d->call, d, from, m, NULL, edit);
    return status ? status : written(e, edit);
}

unsigned edge_patch_response(struct edge_relay *r, struct edge_dialog *d, const struct sip_message *m,
                             const struct sip_message *request)
{
    struct edge_call *c = r->call;
    struct edge *e = c->edge;
    const struct alg_way way = way_of(c, &c->ways[r->from].hop, r->from);
    struct sip_edit *edit = sip_edit_new(&e->scratch, m);
    if (!edit || alg_edit_response(&way, m, request, edit) < 0)
        return no_memory(e);
    if (m->cseq.number != r->cseq)
        set_cseq(e, edit, r->cseq, m->cseq.method);
    const unsigned status = edge_media_pass(c, d, edge_other(r->from), m, request, edit);
    return status ? status : written(e, edit);
}

/* ---- our own ---- */

static void put_people(const struct edge_dialog *d, enum edge_side to, struct buf *out)
{
    const struct edge_call *c = d->call;
    const bool to_caller = to == c->from;
    sip_put_text(out, to_caller ? SIP_TO : SIP_FROM, "%s", c->from_text);
    sip_put_text(out, to_caller ? SIP_FROM : SIP_TO, "%s;tag=%s", c->to_text, d->tag);
    sip_put(out, SIP_CALL_ID, slice_str(c->call_id));
}

/* As the other end would have sent it; then it passes like any other. */
static struct slice draft(const struct edge_dialog *d, enum edge_side to, const char *method, uint32_t cseq)
{
    struct edge *e = d->call->edge;
    const char *target = d->ends[to].target, *contact = d->ends[edge_other(to)].target;
    const bool needs_contact = strcmp(method, "BYE") != 0 && strcmp(method, "ACK") != 0;
    buf_clear(&e->octets);
    sip_begin_request(&e->octets, method, slice_str(target));
    sip_put(&e->octets, SIP_VIA, slice_str("SIP/2.0/TLS edge.invalid;branch=z9hG4bK0"));
    sip_put(&e->octets, SIP_MAX_FORWARDS, slice_str("70"));
    put_people(d, to, &e->octets);
    sip_put_text(&e->octets, SIP_CSEQ, "%u %s", (unsigned)cseq, method);
    if (contact && needs_contact)
        sip_put_text(&e->octets, SIP_CONTACT, "<%s>", contact);
    sip_end(&e->octets, (struct slice){0});
    return e->octets.err ? (struct slice){0} : region_copy(&e->scratch, buf_slice(&e->octets));
}

unsigned edge_patch_own(struct edge_dialog *d, enum edge_side to, const char *method, uint32_t cseq,
                        const struct edge_field *fields, size_t count)
{
    struct edge *e = d->call->edge;
    struct sip_message m;
    const struct slice octets = d->ends[to].target ? draft(d, to, method, cseq) : (struct slice){0};
    if (!octets.n || sip_parse(&e->scratch, octets, SIP_STREAM, &m, NULL) < 0 || sip_check(&m, NULL, NULL) < 0)
        return no_memory(e);
    struct sip_edit *edit = begin_inside(d, &m, edge_other(to), cseq);
    if (!edit)
        return no_memory(e);
    for (size_t i = 0; i < count; i++)
        sip_edit_append_named(edit, fields[i].name, slice_str(fields[i].value));
    return written(e, edit);
}
