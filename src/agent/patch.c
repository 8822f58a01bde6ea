/* What is changed in a message that goes from one leg to the other: what names a hop, a dialog or an address of one side. All else goes out
 * octet for octet as it came: bodies, unknown header fields, their order, display names, parameters. */
#include "agent/internal.h"

static bool is_readable(const struct sip_message *m, const struct sip_field *f)
{
    struct sip_cursor c;
    struct sip_address address;
    sip_cursor_init(&c, m->octets, f->value);
    while (sip_read_address(&c, &address))
        ;
    return !c.err;
}

/* The URI of each Contact becomes ours; display names and parameters (feature tags, expiry) stay. What cannot be read would tell the other side an
 * address of this one: it is left out. */
static void patch_contacts(struct sip_edit *e, const struct sip_message *m, struct slice contact,
                           struct slice bracketed)
{
    for (const struct sip_field *f = sip_field_first(m, SIP_CONTACT); f; f = sip_field_next(m, f)) {
        struct sip_cursor c;
        struct sip_address address;
        if (!is_readable(m, f)) {
            sip_edit_remove(e, f);
            continue;
        }
        sip_cursor_init(&c, m->octets, f->value);
        while (sip_read_address(&c, &address)) {
            if (!address.is_star)
                sip_edit_replace(e, address.uri, address.in_brackets ? contact : bracketed);
        }
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
    buf_clear(&a->text);
    for (; f; f = sip_field_next(from, f)) {
        if (a->text.n)
            buf_str(&a->text, ", ");
        buf_slice_put(&a->text, f->value);
    }
    sip_edit_set(e, header, region_copy(&a->scratch, buf_slice(&a->text)));
}

/* A datagram may have come without it; a stream needs it. */
static void patch_length(struct agent *a, struct sip_edit *e, const struct sip_message *m)
{
    if (!sip_field_first(m, SIP_CONTENT_LENGTH))
        sip_edit_set(e, SIP_CONTENT_LENGTH, agent_print(a, "%zu", m->body.n));
}

/* ---- identities of first requests ---- */

/* The number that a URI of the caller's side stands for, written as the other side wants it; false: leave it as it is. */
static bool identity_user(const struct call *c, const struct way *way, struct slice uri, struct agent_dialed *ret_user)
{
    struct sip_uri parsed;
    struct e164 number;
    const struct agent_short_numbers *shorts = &c->agent->options->shorts;
    if (sip_uri_parse(uri, &parsed, NULL) < 0)
        return false;
    if (c->from_trunk) {
        agent_dial_in(&c->from_trunk->options->plan, shorts, parsed.user, NULL, ret_user);
        if (ret_user->verdict != AGENT_DIAL_E164)
            return false;
        number = ret_user->number;
    } else if (!sip_uri_number(&parsed, &number)) {
        return false;
    }
    if (way->trunk)
        agent_dial_out(&way->trunk->options->plan, shorts, &number, NULL, ret_user);
    else
        memcpy(ret_user->text, number.text, sizeof number.text);
    return true;
}

/* The URI of an identity on the other side. A host that is nobody's ("anonymous.invalid") stays. */
static struct slice identity(const struct call *c, const struct way *way, struct slice uri)
{
    struct agent *a = c->agent;
    struct agent_dialed user;
    struct sip_uri parsed;
    const char *host = way->trunk ? way->domain : a->options->domain;
    if (identity_user(c, way, uri, &user))
        return agent_print(a, "sip:%s@%s;user=phone", user.text, host);
    if (sip_uri_parse(uri, &parsed, NULL) < 0 || parsed.scheme != SIP_SCHEME_SIP || !parsed.has_user ||
        (parsed.host.n > 8 && !memcmp(parsed.host.p + parsed.host.n - 8, ".invalid", 8)))
        return uri;
    return agent_print(a, "sip:%.*s@%s", SLICE_PRINT(parsed.user), host);
}

static void patch_identities(struct agent *a, struct sip_edit *e, const struct sip_message *m, const struct patch *p,
                             enum sip_header header)
{
    for (const struct sip_field *f = sip_field_first(m, header); f; f = sip_field_next(m, f)) {
        struct sip_cursor c;
        struct sip_address address;
        sip_cursor_init(&c, m->octets, f->value);
        while (sip_read_address(&c, &address)) {
            struct slice uri = identity(p->first, p->way, address.uri);
            sip_edit_replace(e, address.uri, address.in_brackets ? uri : agent_print(a, "<%.*s>", SLICE_PRINT(uri)));
        }
    }
}

/* RFC 3325 section 7: who wants to be unknown stays so where the network of the companies ends. */
static bool is_private(const struct sip_message *m)
{
    for (const struct sip_field *f = sip_field_first(m, SIP_PRIVACY); f; f = sip_field_next(m, f)) {
        for (struct slice rest = f->value; rest.n;) {
            size_t n = 0;
            while (n < rest.n && rest.p[n] != ';' && rest.p[n] != ' ')
                n++;
            if (sip_token_eq_str(slice_of(rest.p, n), "id"))
                return true;
            n += n < rest.n;
            rest = slice_of(rest.p + n, rest.n - n);
        }
    }
    return false;
}

static void patch_first_request(struct agent *a, struct sip_edit *e, const struct sip_message *m, const struct patch *p)
{
    if (p->side == AGENT_IME && is_private(m))
        sip_edit_remove_all(e, SIP_P_ASSERTED_IDENTITY);
    else
        patch_identities(a, e, m, p, SIP_P_ASSERTED_IDENTITY);
    patch_identities(a, e, m, p, SIP_P_PREFERRED_IDENTITY);
}

/* ---- dialogs that a message names ---- */

static struct slice until(struct slice s, char separator)
{
    const void *at = s.n ? memchr(s.p, separator, s.n) : NULL;
    return at ? slice_of(s.p, (size_t)((const uint8_t *)at - s.p)) : s;
}

/* Replaces (RFC 3891) that names a dialog with us is about the one at the other end. */
static void patch_replaces(struct agent *a, struct sip_edit *e, const struct sip_message *m)
{
    const struct sip_field *f = sip_field_first(m, SIP_REPLACES);
    struct slice call_id, params, to_tag, from_tag;
    struct end *end, *other;
    if (!f)
        return;
    call_id = until(f->value, ';');
    params = slice_of(f->value.p + call_id.n, f->value.n - call_id.n);
    while (call_id.n && (call_id.p[call_id.n - 1] == ' ' || call_id.p[call_id.n - 1] == '\t'))
        call_id.n--;
    if (!sip_param_find(params, "to-tag", &to_tag) || !sip_param_find(params, "from-tag", &from_tag))
        return;
    end = end_find(a, call_id, to_tag, from_tag);
    other = end ? end_other(end) : NULL;
    if (other && other->ready)
        sip_edit_value(e, f,
                       agent_print(a, "%s;to-tag=%s;from-tag=%s%s", other->dialog.call_id, other->dialog.remote_tag,
                                   other->dialog.local_tag,
                                   sip_param_find(params, "early-only", &to_tag) ? ";early-only" : ""));
}

/* Refer-To that names us is to name us as the other side reaches us; the dialog in its Replaces is mapped when the call comes. */
static void patch_refer_to(struct agent *a, struct sip_edit *e, const struct sip_message *m, const struct patch *p,
                           const char *from_point)
{
    const struct sip_field *f = sip_field_first(m, SIP_REFER_TO);
    struct sip_cursor c;
    struct sip_address address;
    struct sip_uri uri;
    if (!f)
        return;
    sip_cursor_init(&c, m->octets, f->value);
    if (!sip_read_address(&c, &address) || sip_uri_parse(address.uri, &uri, NULL) < 0 || !uri.has_user ||
        uri.scheme != SIP_SCHEME_SIP)
        return;
    struct slice ours = *from_point == '[' ? until(slice_str(from_point + 1), ']') : until(slice_str(from_point), ':');
    if (sip_token_eq(uri.host, ours))
        sip_edit_replace(
            e, address.uri,
            agent_print(a, "sip:%.*s@%.*s%s%.*s", SLICE_PRINT(uri.user),
                        SLICE_PRINT(until(slice_of(p->contact.p + 4 + TAG_OCTETS, p->contact.n - 4 - TAG_OCTETS), ';')),
                        uri.headers.n ? "?" : "", SLICE_PRINT(uri.headers)));
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
    if (p->first)
        patch_first_request(a, e, m, p);
    if (m->method == SIP_INVITE)
        patch_replaces(a, e, m);
    if (m->method == SIP_PRACK && p->rack_cseq) {
        const struct sip_field *f = sip_field_first(m, SIP_RACK);
        struct sip_cursor c;
        struct sip_rack rack;
        sip_cursor_init(&c, m->octets, f ? f->value : (struct slice){0});
        if (f && !sip_read_rack(&c, &rack))
            sip_edit_value(e, f, agent_print(a, "%u %u %.*s", rack.rseq, p->rack_cseq, SLICE_PRINT(rack.cseq.method)));
    }
    if (m->method == SIP_REFER && p->refer_point)
        patch_refer_to(a, e, m, p, p->refer_point);
    patch_length(a, e, m);
    int err = sip_edit_write(e, out);
    return err ? err : out->err;
}

int patch_inside(struct agent *a, const struct sip_message *m, const struct end *to, uint32_t cseq, uint32_t rack_cseq,
                 struct buf *out)
{
    const struct sip_dialog *d = &to->dialog;
    const struct end *from = &to->pair->ends[to == &to->pair->ends[0]];
    struct patch p = {
        .side = to->side,
        .uri = slice_str(d->remote_target),
        .from = agent_print(a, "%s;tag=%s", d->local_address, d->local_tag),
        .to = *d->remote_tag ? agent_print(a, "%s;tag=%s", d->remote_address, d->remote_tag)
                             : slice_str(d->remote_address),
        .call_id = d->call_id,
        .cseq = cseq,
        .routes = d->routes,
        .contact = end_contact(a, to->side, to->hop.transport, to->tag),
        .rack_cseq = rack_cseq,
        .refer_point = agent_point(a, from->side, from->hop.transport),
    };
    return patch_request(a, m, &p, out);
}

int patch_first(struct attempt *at, const struct sip_message *m, const struct way *way, struct buf *out)
{
    struct agent *a = at->call->agent;
    struct slice from = identity(at->call, way, m->from.uri);
    struct patch p = {
        .side = way->side,
        .uri = slice_str(way->uri),
        .from = agent_print(a, "%.*s%s<%.*s>;tag=%s", SLICE_PRINT(m->from.display), m->from.display.n ? " " : "",
                            SLICE_PRINT(from), at->tag),
        .to = agent_print(a, "<%s>", way->uri),
        .call_id = at->call_id,
        .cseq = at->cseq,
        .contact = end_contact(a, way->side, way->hop.transport, at->tag),
        .ticket = way->route ? way->route->ticket : NULL,
        .first = at->call,
        .way = way,
    };
    return patch_request(a, m, &p, out);
}

/* ---- responses ---- */

int patch_response(struct agent *a, const struct sip_message *m, const struct sip_message *request, struct slice tag,
                   struct slice contact, struct buf *out)
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
    if (request->to.tag.n || !tag.n)
        sip_edit_set(e, SIP_TO, to->value);
    else
        sip_edit_set(e, SIP_TO, agent_print(a, "%.*s;tag=%.*s", SLICE_PRINT(to->value), SLICE_PRINT(tag)));
    if (m->status < 300 || m->status >= 400)
        patch_contacts(e, m, contact, agent_print(a, "<%.*s>", SLICE_PRINT(contact)));
    sip_edit_remove_all(e, SIP_X_CISCO_VIPR_TICKET);
    patch_length(a, e, m);
    int err = sip_edit_write(e, out);
    return err ? err : out->err;
}
