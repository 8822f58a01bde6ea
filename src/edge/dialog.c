/* The dialogs of others, one for each fork of the called side: where their ends are, how their numbers run, and what their state allows. */
#include "edge/internal.h"

#include "base/text.h"

#include <stdio.h>

/* ---- what is learned from messages ---- */

static char *copy(struct slice text)
{
    char *s = mem_alloc(text.n + 1);
    if (s && text.n)
        memcpy(s, text.p, text.n);
    return s;
}

char *edge_contact_of(const struct sip_message *m)
{
    const struct sip_field *f = sip_field_first(m, SIP_CONTACT);
    struct sip_address contact;
    if (!f)
        return NULL;
    struct sip_cursor c = sip_field_cursor(m, f);
    return sip_read_address(&c, &contact) && !contact.is_star ? copy(contact.uri) : NULL;
}

#define ROUTES_MAX 16
#define ROUTES_OCTETS_MAX 4096

char *edge_routes_of(const struct sip_message *m, bool reverse)
{
    struct slice values[ROUTES_MAX];
    size_t n = 0, octets = 0;
    for (const struct sip_field *f = sip_field_first(m, SIP_RECORD_ROUTE); f; f = sip_field_next(m, f)) {
        struct sip_cursor c = sip_field_cursor(m, f);
        struct sip_address route;
        while (sip_read_address(&c, &route) && n < ROUTES_MAX && octets + route.whole.n + 2 < ROUTES_OCTETS_MAX) {
            values[n++] = route.whole;
            octets += route.whole.n + 2;
        }
    }
    char *text = n ? mem_alloc(octets + 1) : NULL;
    for (size_t i = 0, at = 0; text && i < n; i++) {
        const struct slice value = values[reverse ? n - 1 - i : i];
        if (i) {
            memcpy(text + at, ", ", 2);
            at += 2;
        }
        memcpy(text + at, value.p, value.n);
        at += value.n;
    }
    return text;
}

void edge_end_set_target(struct edge_end *end, char **target)
{
    if (!*target)
        return;
    mem_free(end->target);
    end->target = *target;
    *target = NULL;
}

/* ---- life ---- */

static void forget_answer(struct edge *e, void *owner)
{
    struct edge_dialog *d = owner;
    (void)e;
    d->awaits_ack = false;
    buf_fini(&d->answer);
    buf_fini(&d->ack);
    buf_init(&d->answer, SIP_MESSAGE_OCTETS_MAX);
    buf_init(&d->ack, SIP_MESSAGE_OCTETS_MAX);
    if (d->sdp)
        alg_sdp_settle(d->sdp);
}

struct edge_dialog *edge_dialog_find(const struct edge_call *c, struct slice called_tag)
{
    LIST_EACH(it, &c->dialogs) {
        struct edge_dialog *d = CONTAINER_OF(it, struct edge_dialog, link);
        if (slice_eq_str(called_tag, d->tag))
            return d;
    }
    return NULL;
}

static bool copy_caller(struct edge_dialog *d)
{
    const struct edge_call *c = d->call;
    struct edge_end *caller = &d->ends[c->from], *called = &d->ends[edge_other(c->from)];
    caller->target = c->target ? mem_strdup(c->target) : NULL;
    caller->routes = c->routes ? mem_strdup(c->routes) : NULL;
    caller->cseq = called->sent = c->cseq;
    caller->has_cseq = true;
    caller->heard = called->heard = c->edge->now.mono;
    return !c->target == !caller->target && !c->routes == !caller->routes;
}

struct edge_dialog *edge_dialog_of(struct edge_call *c, struct slice called_tag)
{
    struct edge_dialog *d = edge_dialog_find(c, called_tag);
    if (d || c->dialog_count >= FORKS_MAX || c->state == EDGE_OVER)
        return d;
    d = mem_alloc(sizeof *d);
    if (!d)
        return NULL;
    d->call = c;
    d->tag = copy(called_tag);
    d->session_end = MONO_NEVER;
    d->forget = (struct edge_timer){.fire = forget_answer, .owner = d};
    buf_init(&d->answer, SIP_MESSAGE_OCTETS_MAX);
    buf_init(&d->ack, SIP_MESSAGE_OCTETS_MAX);
    list_append(&c->dialogs, &d->link);
    c->dialog_count++;
    c->edge->dialog_count++;
    if (d->tag && copy_caller(d))
        return d;
    edge_dialog_free(d);
    return NULL;
}

void edge_dialog_free(struct edge_dialog *d)
{
    struct edge *e = d->call->edge;
    edge_timer_stop(e, &d->forget);
    list_remove(&d->link);
    d->call->dialog_count--;
    e->dialog_count--;
    if (d->call->confirmed == d)
        d->call->confirmed = NULL;
    for (unsigned side = 0; side < EDGE_SIDES; side++) {
        mem_free(d->ends[side].target);
        mem_free(d->ends[side].routes);
    }
    alg_sdp_free(d->sdp);
    buf_fini(&d->answer);
    buf_fini(&d->ack);
    mem_free(d->tag);
    mem_free(d);
}

void edge_dialog_end(struct edge_dialog *d, const char *by)
{
    struct edge_call *c = d->call;
    if (d->state == EDGE_ENDED)
        return;
    d->state = EDGE_ENDED;
    edge_call_settle(c, by);
}

/* The Record-Route counts in the answer that confirms it, too (12.1.2, 13.2.2.4). */
void edge_dialog_learn(struct edge_dialog *d, enum edge_side from, const struct sip_message *response)
{
    struct edge_end *end = &d->ends[from];
    char *target = edge_contact_of(response);
    if (d->state == EDGE_EARLY && from != d->call->from) {
        char *routes = edge_routes_of(response, true);
        if (routes || response->status >= 200) {
            mem_free(end->routes);
            end->routes = routes;
        }
    }
    edge_end_set_target(end, &target);
}

void edge_dialog_answered(struct edge_dialog *d, const struct edge_relay *r, struct slice answer)
{
    struct edge *e = d->call->edge;
    forget_answer(e, d);
    d->answered_server = r->server;
    d->answered_to = r->from;
    d->answered_cseq = r->cseq;
    d->answered_sent = r->sent_cseq;
    d->awaits_ack = true;
    buf_slice_put(&d->answer, answer);
    edge_timer_set(e, &d->forget, LINGER_MS);
}

/* ---- look-up ---- */

struct edge_dialog *edge_dialog_of_request(struct edge *e, const struct sip_message *m, enum edge_side side)
{
    struct edge_call *c = edge_call_find(e, m->call_id, m->from.tag);
    if (c && c->from == side)
        return edge_dialog_find(c, m->to.tag);
    c = edge_call_find(e, m->call_id, m->to.tag);
    if (!c || c->from == side)
        return NULL;
    struct edge_dialog *d = edge_dialog_find(c, m->from.tag);
    if (d || m->method != SIP_NOTIFY || c->kind != EDGE_SUBSCRIPTION || c->state == EDGE_OVER)
        return d;
    d = edge_dialog_of(c, m->from.tag); /* RFC 6665 4.1.2.4 */
    if (d) {
        d->ends[c->from].subscribed = 1;
        d->ends[side].target = edge_contact_of(m);
        d->ends[side].routes = edge_routes_of(m, false);
    }
    return d;
}

/* ---- where requests go ---- */

static bool target_addr(const struct edge_end *end, struct addr *ret_addr, uint16_t *ret_port)
{
    struct sip_uri uri;
    char text[ADDR_TEXT_OCTETS];
    const struct slice host = slice_str(end->target ? end->target : "");
    if (sip_uri_parse(host, &uri, NULL) < 0)
        return false;
    *ret_port = uri.port ? uri.port : SIP_TLS_PORT;
    if (!uri.host_is_ipv6)
        return !addr_parse(uri.host, *ret_port, ret_addr);
    if (uri.host.n > sizeof text - 3)
        return false;
    int n = snprintf(text, sizeof text, "[%.*s]", SLICE_PRINT(uri.host));
    return !addr_parse(slice_of(text, (size_t)n), *ret_port, ret_addr);
}

/* That at this address and port, else one at this address. NULL: none. */
static const struct edge_agent *agent_at(const struct edge_options *o, const struct addr *addr)
{
    const struct edge_agent *found = NULL;
    for (size_t i = 0; i < o->agent_count; i++) {
        if (addr_eq(&o->agents[i].addr, addr))
            return &o->agents[i];
        if (!found && addr_eq_ip(&o->agents[i].addr, addr))
            found = &o->agents[i];
    }
    return found;
}

/* The connection that it came over has ended: an agent is where the options say; a far edge where we connected to, or where its Contact says, by an
 * address of outside, and with the certificate that it has shown. */
static struct sip_hop hop_anew(const struct edge_dialog *d, enum edge_side to)
{
    const struct edge_call *c = d->call;
    struct sip_hop hop = c->ways[to].hop;
    struct addr addr;
    uint16_t port = SIP_TLS_PORT;
    hop.conn = 0;
    if (to == EDGE_INSIDE) {
        const struct edge_agent *agent = agent_at(c->edge->options, &hop.addr);
        if (!agent)
            return hop;
        hop.addr = agent->addr;
        hop.transport = agent->transport;
        snprintf(hop.host, sizeof hop.host, "%s", agent->host ? agent->host : "");
        return hop;
    }
    const bool is_ours = hop.side >= EDGE_FIRST_DOMAIN && !c->ways[to].is_stale;
    hop.side = EDGE_FIRST_DOMAIN + c->domain;
    hop.transport = SIP_TLS;
    if (!is_ours && target_addr(&d->ends[to], &addr, &port) && edge_address_is_outside(c->edge, &addr))
        hop.addr = addr;
    else if (!is_ours)
        hop.addr.port = port;
    snprintf(hop.host, sizeof hop.host, "%s", c->trunk->domain);
    return hop;
}

struct sip_hop edge_dialog_hop(const struct edge_dialog *d, enum edge_side to)
{
    const struct edge_way *way = &d->call->ways[to];
    return way->is_stale || (way->conn && way->conn->gone) ? hop_anew(d, to) : way->hop;
}

/* ---- numbers ---- */

uint32_t edge_dialog_shifted(const struct edge_dialog *d, enum edge_side to, uint32_t cseq)
{
    return cseq + d->ends[to].shift;
}

/* One more than the last; what the other end sends afterwards follows it. */
uint32_t edge_dialog_own_cseq(struct edge_dialog *d, enum edge_side to)
{
    struct edge_end *end = &d->ends[to];
    const struct edge_end *other = &d->ends[edge_other(to)];
    const uint32_t next = other->has_cseq ? other->cseq + end->shift + 1 : 0; /* if the other end sent it */
    const uint32_t cseq = next > end->sent ? next : end->sent + 1;
    end->sent = cseq;
    end->shift = other->has_cseq ? cseq - other->cseq : cseq + 1; /* its first number may be 0 */
    return cseq;
}

/* ---- state ---- */

static unsigned block(const struct edge_dialog *d, const struct sip_message *m, enum edge_side from, uint64_t *counter,
                      unsigned status, const char *why)
{
    struct edge *e = d->call->edge;
    *counter += 1;
    edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_STATE_BLOCKED,
                "from=%s method=%.*s why=\"%s\" status=%u call_id=\"%.*s\"",
                from == EDGE_INSIDE ? "inside" : d->call->trunk->domain, SLICE_PRINT(m->method_text), why, status,
                SLICE_PRINT(m->call_id));
    return status;
}

/* It acknowledges a reliable response that has passed, to an INVITE of its sender. */
static bool pracks(const struct edge_dialog *d, const struct sip_message *m, enum edge_side from)
{
    const struct sip_field *f = sip_field_first(m, SIP_RACK);
    struct sip_rack rack;
    if (!f || !d->rseq)
        return false;
    struct sip_cursor c = sip_field_cursor(m, f);
    if (sip_read_rack(&c, &rack) < 0 || rack.rseq > d->rseq || !slice_eq_str(rack.cseq.method, "INVITE"))
        return false;
    const struct edge_relay *r = edge_relay_pending(d, SIP_INVITE, from);
    return (r && r->cseq == rack.cseq.number) ||
           (d->answered_server && d->answered_to == from && d->answered_cseq == rack.cseq.number);
}

static unsigned allows_invite(const struct edge_dialog *d, const struct sip_message *m, enum edge_side from)
{
    uint64_t *counter = &d->call->edge->counters.blocked_invite;
    if (d->call->kind != EDGE_CALL)
        return block(d, m, from, counter, 481, "it is no call");
    if (edge_relay_pending(d, SIP_INVITE, edge_other(from)))
        return block(d, m, from, counter, 491, "an INVITE of the other side waits for its answer");
    if (edge_relay_pending(d, SIP_INVITE, from))
        return block(d, m, from, counter, 500, "its last INVITE waits for its answer");
    if (d->awaits_ack)
        return block(d, m, from, counter, d->answered_to == from ? 500 : 491, "an answer waits for its ACK");
    return d->state == EDGE_CONFIRMED ? 0 : block(d, m, from, counter, 481, "the call is not answered");
}

static unsigned allows_bye(const struct edge_dialog *d, const struct sip_message *m, enum edge_side from)
{
    uint64_t *counter = &d->call->edge->counters.blocked_bye;
    if (d->call->kind != EDGE_CALL)
        return block(d, m, from, counter, 481, "it is no call");
    if (d->state == EDGE_EARLY && from != d->call->from)
        return block(d, m, from, counter, 481, "the called side refuses with a response (RFC 3261 15)");
    if (edge_relay_pending(d, SIP_BYE, from))
        return block(d, m, from, counter, 481, "it has said BYE already");
    return 0;
}

static unsigned allows(const struct edge_dialog *d, const struct sip_message *m, enum edge_side from)
{
    struct edge_counters *n = &d->call->edge->counters;
    const bool is_over = d->state == EDGE_ENDED || d->call->state == EDGE_OVER;
    switch (m->method) {
    case SIP_NOTIFY:
        return d->ends[edge_other(from)].subscribed
                   ? 0
                   : block(d, m, from, &n->blocked_notify, 481, "nobody has asked for it");
    case SIP_BYE:
        return is_over ? block(d, m, from, &n->blocked_bye, 481, "the dialog is over") : allows_bye(d, m, from);
    default:
        break;
    }
    if (is_over || d->state == EDGE_ENDING)
        return block(d, m, from, &n->blocked_request, 481, "the dialog is over");
    switch (m->method) {
    case SIP_INVITE:
        return allows_invite(d, m, from);
    case SIP_PRACK:
        return pracks(d, m, from) ? 0 : block(d, m, from, &n->blocked_prack, 481, "no reliable response waits for it");
    case SIP_UPDATE:
        if (d->call->kind != EDGE_CALL)
            return block(d, m, from, &n->blocked_update, 481, "it is no call");
        return edge_relay_pending(d, SIP_UPDATE, from)
                   ? block(d, m, from, &n->blocked_update, 500, "its last UPDATE waits for its answer")
                   : 0;
    case SIP_PUBLISH:
        return block(d, m, from, &n->blocked_request, 481, "it belongs to no dialog");
    default:
        return 0;
    }
}

unsigned edge_dialog_allows(struct edge_dialog *d, const struct sip_message *m, enum edge_side from)
{
    struct edge *e = d->call->edge;
    struct edge_end *end = &d->ends[from];
    if (end->has_cseq && m->cseq.number <= end->cseq)
        return block(d, m, from, &e->counters.blocked_cseq, 500, "its CSeq is not above the last one");
    if (m->cseq.number > INT32_MAX - d->ends[edge_other(from)].shift)
        return block(d, m, from, &e->counters.blocked_cseq, 500, "its CSeq is out of range");
    const unsigned status = allows(d, m, from);
    if (status != 481) { /* 12.2.2: also of one that is refused */
        end->cseq = m->cseq.number;
        end->has_cseq = true;
    }
    return status;
}
