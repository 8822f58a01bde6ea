/* Where a call may go, in which order, and why not elsewhere. Out: learned routes, then PSTN trunks. In: the PBXs. */
#include "agent/internal.h"

#include "base/text.h"
#include "ticket/valinfo.h"

#include <stdarg.h>
#include <stdio.h>

#define HOPS_PER_TRUNK_MAX 2 /* addresses of one trunk that a call tries */

unsigned plan_note(struct call *c, enum agent_side side, enum agent_cause cause, const char *format, ...)
{
    struct call_record *r = &c->record;
    struct buf *text = &c->agent->text;
    va_list args;
    if (r->step_count >= CALL_STEPS_MAX)
        return CALL_STEPS_MAX;
    struct call_step *step = &r->steps[r->step_count];
    *step = (struct call_step){.side = side, .cause = cause, .at = c->agent->now.wall};
    buf_clear(text);
    va_start(args, format);
    buf_vprintf(text, format, args);
    va_end(args);
    text_keep(buf_slice(text), step->text, sizeof step->text);
    return r->step_count++;
}

static const char *plan_text(struct call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *plan_text(struct call *c, const char *format, ...)
{
    struct buf *b = &c->agent->text;
    va_list args;
    buf_clear(b);
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
    return b->err ? NULL : region_text(&c->texts, buf_slice(b));
}

/* Most calls have one or two; nobody holds a way before all are there. */
static struct way *plan_way(struct call *c)
{
    if (c->way_count == c->way_room) {
        const size_t room = c->way_room ? 2 * c->way_room : 2;
        struct way *ways = room > WAYS_MAX ? NULL : region_array(&c->texts, room, sizeof *ways);
        if (!ways)
            return NULL;
        if (c->way_count)
            memcpy(ways, c->ways, c->way_count * sizeof *ways);
        c->ways = ways;
        c->way_room = room;
    }
    return &c->ways[c->way_count];
}

/* ---- trunks and PBXs ---- */

/* A registered contact with the number in place of its user. */
static const char *plan_contact(struct call *c, const char *contact, const char *user)
{
    struct sip_uri uri;
    if (sip_uri_parse(slice_str(contact), &uri, NULL) < 0 || uri.scheme != SIP_SCHEME_SIP)
        return plan_text(c, "%s", contact);
    const uint8_t *behind = uri.host.p - (uri.host_is_ipv6 ? 1 : 0);
    const size_t n = (size_t)(uri.whole.p + uri.whole.n - behind);
    return plan_text(c, "sip:%s@%.*s", user, (int)n, (const char *)behind);
}

static void plan_trunk(struct call *c, struct trunk *t, const char *user, bool is_number)
{
    for (size_t i = 0; i < t->hop_count; i++) {
        const char *contact = registrar_contact(t, i);
        if (!contact && i == HOPS_PER_TRUNK_MAX)
            return;
        const char *uri = contact ? plan_contact(c, contact, user)
                                  : plan_text(c, "sip:%s@%s%s", user, trunk_domain(t), is_number ? ";user=phone" : "");
        struct way *way = uri ? plan_way(c) : NULL;
        if (!way)
            return;
        *way = (struct way){.side = t->options->side,
                            .trunk = t,
                            .hop = t->hops[i],
                            .uri = uri,
                            .domain = trunk_domain(t),
                            .name = t->options->name};
        c->way_count++;
    }
}

static void plan_trunks_that(struct call *c, enum agent_side side, bool usable, const struct e164 *number,
                             const struct agent_dialed *dialed)
{
    struct agent *a = c->agent;
    for (size_t i = 0; i < a->trunk_count; i++) {
        struct trunk *t = &a->trunks[i];
        struct agent_dialed out;
        if (t->options->side != side || trunk_is_usable(t) != usable)
            continue;
        if (number)
            agent_dial_out(&t->options->plan, &a->options->shorts, number, NULL, &out);
        else
            out = *dialed;
        if (out.verdict == AGENT_DIAL_SHORT && side == AGENT_PSTN)
            agent_dial_out_short(&t->options->plan, &out);
        if (!usable)
            plan_note(c, side, AGENT_CAUSE_NONE, "%s: %s", t->options->name,
                      t->hop_count ? "it has not answered for a while" : "nobody knows where it is");
        plan_trunk(c, t, out.text, number != NULL);
    }
}

/* All trunks of a side in their order; those that seem to be down come last, for a call is worth a try. number NULL: what was
 * dialed. */
static void plan_trunks(struct call *c, enum agent_side side, const struct e164 *number,
                        const struct agent_dialed *dialed)
{
    plan_trunks_that(c, side, true, number, dialed);
    plan_trunks_that(c, side, false, number, dialed);
}

/* ---- learned routes ---- */

/* The edge is told where to go by a Route: connect there, and take no certificate but that company's. Or by the address that the call comes to,
 * which is asked for when the way is tried. */
static bool plan_by_edge(struct call *c, struct way *way)
{
    char text[ADDR_TEXT_OCTETS];
    const bool is_v6 = way->place.family == 6;
    way->hop.addr = c->agent->options->edge;
    if (c->agent->mapper)
        return true;
    way->routes = plan_text(c, "<sip:%s:%u;maddr=%s%s%s;transport=tls;lr>", way->domain, way->place.port,
                            is_v6 ? "[" : "", addr_format_ip(&way->place, text), is_v6 ? "]" : "");
    return way->routes != NULL;
}

static void plan_route(struct call *c, const struct agent_route *route)
{
    struct agent *a = c->agent;
    struct route_uri uri;
    enum agent_cause cause = agent_trust_check(a->parts.enrolled, slice_str(route->domain), &c->record.called);
    struct way *way = plan_way(c);
    if (cause != AGENT_CAUSE_NONE) {
        plan_note(c, AGENT_IME, cause, "%s: %s", route->domain, agent_cause_text(cause));
        return;
    }
    if (route_uri_parse(slice_str(route->uri), &uri, NULL) < 0) {
        plan_note(c, AGENT_IME, AGENT_CAUSE_REMOTE_TRUNK_URI, "%s: %s", route->domain,
                  agent_cause_text(AGENT_CAUSE_REMOTE_TRUNK_URI));
        return;
    }
    struct agent_route *copy = way ? region_alloc(&c->texts, sizeof *copy) : NULL;
    if (!copy)
        return;
    *copy = *route;
    *way = (struct way){.side = AGENT_IME,
                        .hop = {.transport = a->options->ime_transport, .side = AGENT_IME, .addr = uri.address},
                        .place = uri.address,
                        .uri = plan_text(c, "sip:%s@%s;user=phone", c->record.called.text, copy->domain),
                        .domain = copy->domain,
                        .name = copy->domain,
                        .route = copy};
    if (!a->options->edge.family && way->hop.transport == SIP_TLS)
        snprintf(way->hop.host, sizeof way->hop.host, "%s", copy->domain);
    c->way_count += way->uri && (!a->options->edge.family || plan_by_edge(c, way));
}

static void plan_routes(struct call *c)
{
    struct agent *a = c->agent;
    struct agent_enrollment ours;
    if (agent_enrolled_find(a->parts.enrolled, &c->record.called, &ours)) {
        plan_note(c, AGENT_IME, AGENT_CAUSE_NONE, "it is a number of ours");
        return;
    }
    if (a->direct_count >= a->options->direct_max) {
        a->counters.calls_shed++;
        plan_note(c, AGENT_IME, AGENT_CAUSE_NONE, "too many direct calls are being set up at once (%zu)",
                  a->direct_count);
        return;
    }
    if (lateness_is_busy(&a->lateness, a->now.mono)) {
        a->counters.calls_shed++;
        plan_note(c, AGENT_IME, AGENT_CAUSE_NONE, "this machine is too busy for direct calls");
        return;
    }
    if (!agent_routes_find(a->parts.routes, a->now, &c->record.called, &a->found))
        plan_note(c, AGENT_IME, AGENT_CAUSE_NONE, "no route to this number has been learned");
    for (size_t i = 0; i < a->found.n; i++)
        plan_route(c, &a->found.routes[i]);
}

/* ---- directions ---- */

/* What the PBX or the trunk asserts goes before what the phone says. trunk NULL: another company. */
void plan_caller(struct agent *a, const struct trunk *trunk, const struct sip_message *m, struct e164 *ret_calling)
{
    const struct sip_field *asserted = sip_field_first(m, SIP_P_ASSERTED_IDENTITY);
    struct sip_address address = m->from;
    struct agent_dialed dialed;
    struct sip_cursor cursor;
    struct sip_uri uri;
    if (asserted) {
        sip_cursor_init(&cursor, m->octets, asserted->value);
        if (!sip_read_address(&cursor, &address))
            address = m->from;
    }
    if (sip_uri_parse(address.uri, &uri, NULL) < 0)
        return;
    if (!trunk) {
        sip_uri_number(&uri, ret_calling);
        return;
    }
    agent_dial_in(&trunk->options->plan, &a->options->shorts, uri.user, NULL, &dialed);
    if (dialed.verdict == AGENT_DIAL_E164)
        *ret_calling = dialed.number;
}

static unsigned plan_refuse(struct call *c, enum agent_cause cause, unsigned status, const char *text)
{
    struct agent *a = c->agent;
    plan_note(c, c->from, cause, "%s", text);
    if (c->from == AGENT_IME && cause != AGENT_CAUSE_NONE && c->first) {
        agent_answer(a, c->first->server, status, "Reason", verdict_reason(a, cause));
        relay_fail(c->first, status);
    }
    return status;
}

/* Whether the ticket lets any of these domains in, for which the caller has a certificate; that one, or the first. */
static enum agent_cause plan_ticket(struct call *c, const char *domains, const struct sip_message *m,
                                    struct slice *ret_domain)
{
    const struct agent_ports *ports = &c->agent->ports;
    const struct sip_field *field = sip_field_first(m, SIP_X_CISCO_VIPR_TICKET);
    struct slice ticket = field ? field->value : (struct slice){0}, rest = slice_str(domains);
    enum agent_cause first = AGENT_CAUSE_NONE;
    *ret_domain = (struct slice){0};
    while (rest.p) {
        struct slice domain = text_cut(&rest, ' ');
        enum agent_cause cause = c->agent->options->edge.family ? AGENT_CAUSE_NONE : AGENT_CAUSE_INVALID_TICKET;
        if (ports->ticket)
            cause = ports->ticket(ports->ticket_ctx, c->agent->now, domain, &c->record.called, ticket);
        if (!ret_domain->p)
            first = cause;
        if (!ret_domain->p || cause == AGENT_CAUSE_NONE)
            *ret_domain = domain;
        if (cause == AGENT_CAUSE_NONE)
            return cause;
    }
    return first;
}

/* From another company: only to numbers of ours, only from whom we trust, only with a ticket that is good. */
static unsigned plan_from_ime(struct call *c, const char *domains, const struct sip_message *m,
                              const struct sip_uri *uri)
{
    struct agent *a = c->agent;
    struct agent_enrollment found;
    struct slice domain;
    if (!sip_uri_number(uri, &c->record.called))
        return plan_refuse(c, AGENT_CAUSE_REMOTE_NOT_E164, 484, "the called number is none in international form");
    if (!agent_enrolled_find(a->parts.enrolled, &c->record.called, &found)) {
        a->counters.calls_refused_not_enrolled++;
        return plan_refuse(c, AGENT_CAUSE_NOT_ENROLLED, 404, "the called number is not enrolled");
    }
    enum agent_cause by_ticket = plan_ticket(c, domains, m, &domain);
    enum agent_cause cause = agent_trust_check(a->parts.enrolled, domain, &c->record.called);
    if (cause == AGENT_CAUSE_NONE && by_ticket != AGENT_CAUSE_NONE) {
        a->counters.calls_refused_ticket++;
        cause = by_ticket;
    }
    if (cause != AGENT_CAUSE_NONE)
        return plan_refuse(c, cause, 403, agent_cause_text(cause));
    plan_trunks(c, AGENT_PBX, &c->record.called, NULL);
    return 0;
}

/* Nothing that could be passed on: no user part, or one that is too long. */
static unsigned plan_refuse_empty(struct call *c)
{
    return plan_refuse(c, AGENT_CAUSE_NONE, 484,
                       "what was dialed is no number, and too long or too strange to be passed on");
}

static unsigned plan_from_pbx(struct call *c, const struct sip_uri *uri)
{
    struct agent *a = c->agent;
    struct agent_dialed dialed;
    agent_dial_in(&c->from_trunk->options->plan, &a->options->shorts, uri->user, NULL, &dialed);
    if (!dialed.text[0])
        return plan_refuse_empty(c);
    if (dialed.verdict == AGENT_DIAL_E164) {
        c->record.called = dialed.number;
        plan_routes(c);
    } else {
        plan_note(c, AGENT_IME, AGENT_CAUSE_NONE,
                  dialed.verdict == AGENT_DIAL_SHORT ? "emergency and short numbers never go direct"
                                                     : "what was dialed is no international number");
    }
    if (c->kind == CALL_VOICE)
        plan_trunks(c, AGENT_PSTN, c->record.called.text[0] ? &c->record.called : NULL, &dialed);
    return c->way_count || c->kind == CALL_VOICE ? 0 : 404;
}

/* A carrier that we have registered at may send to our Contact: then the number called stands in To. */
static struct slice called_user(const struct trunk *trunk, const struct sip_message *m, const struct sip_uri *uri)
{
    const struct agent_trunk_options *o = trunk->options;
    struct sip_uri to;
    if (!o->registers || !slice_eq_str(uri->user, o->user ? o->user : "") || sip_uri_parse(m->to.uri, &to, NULL) < 0)
        return uri->user;
    return to.user;
}

bool plan_called(struct agent *a, const struct trunk *trunk, const struct sip_message *m, struct e164 *ret_called)
{
    struct agent_dialed dialed;
    struct sip_uri uri;
    if (sip_uri_parse(m->uri, &uri, NULL) < 0)
        return false;
    agent_dial_in(&trunk->options->plan, &a->options->shorts, called_user(trunk, m, &uri), NULL, &dialed);
    if (dialed.verdict == AGENT_DIAL_E164)
        *ret_called = dialed.number;
    return dialed.verdict == AGENT_DIAL_E164;
}

static unsigned plan_from_pstn(struct call *c, const struct sip_message *m, const struct sip_uri *uri)
{
    struct agent_dialed dialed;
    agent_dial_in(&c->from_trunk->options->plan, &c->agent->options->shorts, called_user(c->from_trunk, m, uri), NULL,
                  &dialed);
    if (!dialed.text[0])
        return plan_refuse_empty(c);
    if (dialed.verdict == AGENT_DIAL_E164)
        c->record.called = dialed.number;
    plan_trunks(c, AGENT_PBX, c->record.called.text[0] ? &c->record.called : NULL, &dialed);
    return 0;
}

/* A URI that names one of our dialogs (out of a Refer-To), or Replaces that does: to whoever is at its other end. */
static bool plan_transfer(struct call *c, const struct sip_message *m, const struct sip_uri *uri)
{
    struct slice far_user;
    struct end *to = refer_named(c->agent, uri->user, &far_user);
    to = to ? to : refer_replaced(c->agent, m);
    struct way *way = to ? plan_way(c) : NULL;
    if (!way)
        return false;
    char *user = far_user.n ? region_text(&c->texts, far_user) : NULL;
    if (far_user.n && !user)
        return false;
    *way = (struct way){.side = to->side,
                        .trunk = to->trunk,
                        .hop = end_hop(to),
                        .uri = user ? plan_contact(c, to->dialog.remote_target, user)
                                    : plan_text(c, "%s", to->dialog.remote_target),
                        .domain = to->trunk ? trunk_domain(to->trunk) : c->agent->options->domain,
                        .name = "the other side of a transferred call"};
    c->way_count += way->uri != NULL;
    return way->uri != NULL;
}

/* Whose company calls: as its certificate says, which the edge, if there is one, has seen in our place. */
static const char *plan_domains(struct call *c, const struct sip_message *m, const struct sip_flow *flow)
{
    const struct sip_field *f = sip_field_named(m, EDGE_DOMAIN_HEADER);
    const char *domains = flow->peer_domains;
    if (c->agent->options->edge.family)
        domains = f ? region_text(&c->texts, f->value) : NULL;
    return domains ? domains : "";
}

unsigned plan_call(struct call *c)
{
    struct agent *a = c->agent;
    const struct sip_message *m = sip_server_request(a->layer, c->first->server);
    const struct sip_flow *flow = sip_server_flow(a->layer, c->first->server);
    struct sip_uri uri;
    if (!m || !flow)
        return 500;
    plan_caller(a, c->from_trunk, m, &c->record.calling);
    if (sip_uri_parse(m->uri, &uri, NULL) < 0 ||
        (uri.scheme != SIP_SCHEME_SIP && uri.scheme != SIP_SCHEME_TEL && uri.scheme != SIP_SCHEME_SIPS))
        return plan_refuse(c, AGENT_CAUSE_REMOTE_NOT_E164, 416, "the address called is of a kind that is not known");
    if (plan_transfer(c, m, &uri))
        return 0;
    switch (c->from) {
    case AGENT_PBX:
        return plan_from_pbx(c, &uri);
    case AGENT_PSTN:
        return plan_from_pstn(c, m, &uri);
    case AGENT_IME:
        break;
    }
    return plan_from_ime(c, plan_domains(c, m, flow), m, &uri);
}

/* ---- redirect mode ---- */

/* The value of a header of a URI (RFC 3261 19.1.1): what may not stand there is escaped. */
static void put_escaped(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (strchr("=+/<>;@%&? ", *text))
            buf_printf(b, "%%%02X", (unsigned)(unsigned char)*text);
        else
            buf_u8(b, (uint8_t)*text);
    }
}

/* 302 with a Contact for each way: the edge (or the far side), number, ticket. 404: by the phone network. */
void plan_redirect(struct call *c)
{
    struct agent *a = c->agent;
    const struct sip_message *m = sip_server_request(a->layer, c->first->server);
    struct buf contacts;
    struct sip_uri uri;
    buf_init(&contacts, SIP_MESSAGE_OCTETS_MAX / 2);
    if (m && !sip_uri_parse(m->uri, &uri, NULL))
        plan_from_pbx(c, &uri);
    for (size_t i = 0; i < c->way_count; i++) {
        static const char *const transports[] = {"udp", "tcp", "tls"};
        const struct way *way = &c->ways[i];
        char addr[ADDR_TEXT_OCTETS];
        if (!way->route)
            continue;
        buf_printf(&contacts, "%s<sip:%s@%s;transport=%s?X-Cisco-ViPR-Ticket=", contacts.n ? ", " : "",
                   c->record.called.text, addr_format(&way->hop.addr, addr), transports[way->hop.transport]);
        put_escaped(&contacts, way->route->ticket);
        if (way->routes) {
            buf_str(&contacts, "&Route=");
            put_escaped(&contacts, way->routes);
        }
        buf_str(&contacts, ">");
    }
    c->record.status = contacts.n && !contacts.err ? 302 : 404;
    agent_answer(a, c->first->server, c->record.status, c->record.status == 302 ? "Contact" : NULL,
                 buf_slice(&contacts));
    relay_fail(c->first, c->record.status);
    buf_fini(&contacts);
    call_over(c, c->record.status == 302 ? "the agent: it was redirected" : "the agent: there is no route");
}
