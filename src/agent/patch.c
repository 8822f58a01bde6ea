/* What is changed in a message that goes from one leg to the other: what names a hop, a dialog or an address of one side. All else goes out
 * octet for octet as it came: bodies, unknown header fields, their order, display names, parameters. Who is named in it: identity.c; which dialogs:
 * refer.c. */
#include "agent/fallback_word.h"
#include "agent/internal.h"

#include "base/text.h"

/* The URI of each Contact becomes ours; display names and parameters (feature tags, expiry) stay. What cannot be read would tell the other side an
 * address of this one: it is left out. */
static void patch_contacts(struct sip_edit *e, const struct sip_message *m, struct slice contact,
                           struct slice bracketed)
{
    for (const struct sip_field *f = sip_field_first(m, SIP_CONTACT); f; f = sip_field_next(m, f)) {
        struct sip_cursor c = sip_field_cursor(m, f);
        struct sip_address address;
        while (sip_read_address(&c, &address)) {
            if (!address.is_star)
                sip_edit_replace(e, address.uri, address.in_brackets ? contact : bracketed);
        }
        if (c.err)
            sip_edit_remove(e, f); /* with what has just been changed in it */
    }
}

/* All values of a header of another message, as one field; nothing if it has none. */
static void patch_copy(struct agent *a, struct sip_edit *e, const struct sip_message *from, enum sip_header header)
{
    const struct sip_field *f = sip_field_first(from, header);
    if (!f) {
        sip_edit_remove_all(e, header);
        return;
    }
    if (!sip_field_next(from, f)) {
        sip_edit_set(e, header, f->value);
        return;
    }
    buf_clear(&a->text);
    for (; f; f = sip_field_next(from, f)) {
        if (a->text.n)
            buf_str(&a->text, ", ");
        buf_slice_put(&a->text, f->value);
    }
    sip_edit_set(e, header, region_copy(&a->scratch, buf_slice(&a->text)));
}

/* What is between the edge and us goes nowhere else, and nobody else's word is taken for the edge's. */
/* Nor do the words of agents reach anybody else, or come from anybody else: those that are to go are put in afterwards. */
static void patch_out_edge(struct sip_edit *e, const struct sip_message *m)
{
    const size_t n = sizeof EDGE_HEADERS - 1;
    for (size_t i = 0; i < m->field_count; i++) {
        const struct sip_field *f = &m->fields[i];
        if (f->header != SIP_OTHER_HEADER)
            continue;
        if ((f->name.n > n && text_equal_nocase(slice_of(f->name.p, n), slice_str(EDGE_HEADERS))) ||
            text_equal_nocase(f->name, slice_str(FALLBACK_HEADER)))
            sip_edit_remove(e, f);
    }
}

/* A datagram may have come without it; a stream needs it. */
static void patch_length(struct agent *a, struct sip_edit *e, const struct sip_message *m)
{
    if (!sip_field_first(m, SIP_CONTENT_LENGTH))
        sip_edit_set(e, SIP_CONTENT_LENGTH, agent_print(a, "%zu", m->body.n));
}

static void patch_body(struct agent *a, struct sip_edit *e, const struct sip_message *m, struct slice body)
{
    if (body.n)
        sip_edit_body(e, body, (struct slice){0});
    else
        patch_length(a, e, m);
}

/* ---- requests ---- */

int patch_request(struct agent *a, const struct sip_message *m, const struct patch *p, struct buf *out)
{
    struct sip_edit *e = sip_edit_new(&a->scratch, m);
    if (!e)
        return ERR_NO_MEMORY;
    buf_clear(out);
    sip_edit_uri(e, p->uri);
    sip_edit_remove_all(e, SIP_VIA);
    sip_edit_remove_all(e, SIP_RECORD_ROUTE);
    if (p->routes && *p->routes)
        sip_edit_set(e, SIP_ROUTE, slice_str(p->routes));
    else
        sip_edit_remove_all(e, SIP_ROUTE);
    sip_edit_set(e, SIP_MAX_FORWARDS, agent_print(a, "%u", m->max_forwards ? m->max_forwards - 1 : 0));
    sip_edit_set(e, SIP_FROM, p->from);
    sip_edit_set(e, SIP_TO, p->to);
    sip_edit_set(e, SIP_CALL_ID, slice_str(p->call_id));
    sip_edit_set(e, SIP_CSEQ, agent_print(a, "%u %.*s", p->cseq, SLICE_PRINT(m->method_text)));
    patch_contacts(e, m, p->contact, agent_print(a, "<%.*s>", SLICE_PRINT(p->contact)));
    sip_edit_remove_all(e, SIP_AUTHORIZATION); /* the password is between that side and us */
    sip_edit_remove_all(e, SIP_PROXY_AUTHORIZATION);
    if (p->ticket)
        sip_edit_set(e, SIP_X_CISCO_VIPR_TICKET, slice_str(p->ticket));
    else
        sip_edit_remove_all(e, SIP_X_CISCO_VIPR_TICKET);
    patch_out_edge(e, m);
    identity_patch(a, e, m, &p->path.people);
    refer_patch_replaces(a, e, m);
    if (m->method == SIP_REFER)
        refer_patch_to(a, e, m, &p->path);
    if (m->method == SIP_PRACK && p->rack_cseq) {
        const struct sip_field *f = sip_field_first(m, SIP_RACK);
        struct sip_cursor c;
        struct sip_rack rack;
        sip_cursor_init(&c, m->octets, f ? f->value : (struct slice){0});
        if (f && !sip_read_rack(&c, &rack))
            sip_edit_value(e, f, agent_print(a, "%u %u %.*s", rack.rseq, p->rack_cseq, SLICE_PRINT(rack.cseq.method)));
    }
    if (p->direct)
        fallback_offer_invite(p->direct, e);
    patch_body(a, e, m, p->body);
    int err = sip_edit_write(e, out);
    return err ? err : out->err;
}

static struct slice refer_point(struct agent *a, const struct sip_message *m, enum agent_side side,
                                enum sip_transport transport)
{
    return m->method == SIP_REFER ? end_point(a, side, transport) : (struct slice){0};
}

int patch_inside(const struct sip_message *m, struct end *from, struct end *to, uint32_t cseq, uint32_t rack_cseq,
                 struct buf *out)
{
    struct agent *a = to->agent;
    const struct sip_dialog *d = &to->dialog;
    struct slice body = {0};
    int err = fallback_pass(to->call, from, to, m, NULL, &body);
    if (err)
        return err;
    struct patch p = {
        .uri = slice_str(d->remote_target),
        .from = agent_print(a, "%s;tag=%s", d->local_address, d->local_tag),
        .to = *d->remote_tag ? agent_print(a, "%s;tag=%s", d->remote_address, d->remote_tag)
                             : slice_str(d->remote_address),
        .call_id = d->call_id,
        .cseq = cseq,
        .routes = d->routes,
        .contact = end_contact(a, to->side, to->hop.transport, to->tag),
        .rack_cseq = rack_cseq,
        .path = {.people = {from->trunk, to->trunk},
                 .from_point = agent_point(a, from->side, from->hop.transport),
                 .to_point = refer_point(a, m, to->side, to->hop.transport),
                 .to_tag = to->tag},
        .body = body,
    };
    return patch_request(a, m, &p, out);
}

int patch_first(struct attempt *at, const struct sip_message *m, const struct way *way, struct buf *out)
{
    struct call *c = at->call;
    struct agent *a = c->agent;
    const struct identity_path people = {c->from_trunk, way->trunk};
    const struct slice from = identity_of_caller(a, &people, m);
    struct patch p = {
        .uri = slice_str(way->uri),
        .from = agent_print(a, "%.*s;tag=%s", SLICE_PRINT(from), at->tag),
        .to = agent_print(a, "<%s>", way->uri),
        .call_id = at->call_id,
        .cseq = at->cseq,
        .contact = end_contact(a, way->side, way->hop.transport, at->tag),
        .routes = way->routes,
        .ticket = way->route ? way->route->ticket : NULL,
        .path = {.people = people,
                 .from_point = agent_point(a, c->from, c->from_hop.transport),
                 .to_point = refer_point(a, m, way->side, way->hop.transport)},
        .direct = way->side == AGENT_IME && m->method == SIP_INVITE ? at : NULL,
    };
    return patch_request(a, m, &p, out);
}

/* ---- responses ---- */

int patch_response(struct agent *a, const struct sip_message *m, const struct sip_message *request,
                   const struct patch_back *p, struct buf *out)
{
    struct sip_edit *e = sip_edit_new(&a->scratch, m);
    const struct sip_field *to = sip_field_first(request, SIP_TO);
    if (!e)
        return ERR_NO_MEMORY;
    buf_clear(out);
    patch_copy(a, e, request, SIP_VIA);
    patch_copy(a, e, request, SIP_FROM);
    patch_copy(a, e, request, SIP_CALL_ID);
    patch_copy(a, e, request, SIP_CSEQ);
    patch_copy(a, e, request, SIP_RECORD_ROUTE);
    sip_edit_remove_all(e, SIP_ROUTE);
    if (request->to.tag.n || !p->tag.n)
        sip_edit_set(e, SIP_TO, to->value);
    else
        sip_edit_set(e, SIP_TO, agent_print(a, "%.*s;tag=%.*s", SLICE_PRINT(to->value), SLICE_PRINT(p->tag)));
    if (m->status < 300 || m->status >= 400)
        patch_contacts(e, m, p->contact, agent_print(a, "<%.*s>", SLICE_PRINT(p->contact)));
    sip_edit_remove_all(e, SIP_X_CISCO_VIPR_TICKET);
    patch_out_edge(e, m);
    identity_patch(a, e, m, &p->people);
    if (p->first)
        fallback_offer_answer(p->first, m->status, e);
    patch_body(a, e, m, p->body);
    int err = sip_edit_write(e, out);
    return err ? err : out->err;
}
