/* Two dialogs that are one for those who speak in them: every early dialog of the called side has one of its own towards the caller. */
#include "agent/internal.h"

#include <stdio.h>

static struct slice tag_of(const struct end *e)
{
    return slice_of(e->tag, TAG_OCTETS - 1);
}

int end_register(struct agent *a, struct end *e)
{
    struct end *alike = map_get(&a->ends, tag_of(e));
    int err = map_set(&a->ends, tag_of(e), e);
    if (err)
        sip_dialog_fini(&e->dialog);
    else
        e->alike = alike;
    e->ready = !err;
    return err;
}

int end_open(struct end *e, const char *call_id, uint32_t cseq, const char *uri, const struct sip_message *response)
{
    struct sip_message sent = *response;
    sent.call_id = slice_str(call_id);
    sent.from.tag = tag_of(e);
    sent.cseq.number = cseq;
    sent.uri = slice_str(uri);
    int err = sip_dialog_init_uac(&e->dialog, &sent, response);
    return err ? err : end_register(e->agent, e);
}

static void end_unregister(struct agent *a, struct end *e)
{
    if (!e->ready)
        return;
    struct end *first = map_get(&a->ends, tag_of(e)), **at = &first;
    while (*at != e)
        at = &(*at)->alike;
    *at = e->alike;
    if (!first)
        map_remove(&a->ends, tag_of(e));
    else if (first == e->alike)
        map_set(&a->ends, tag_of(e), first); /* in the place of e: it needs no memory */
    sip_dialog_fini(&e->dialog);
    e->ready = false;
}

struct end *end_find(const struct agent *a, struct slice call_id, struct slice local_tag, struct slice remote_tag)
{
    struct end *e = map_get(&a->ends, local_tag);
    while (e && !(slice_eq_str(call_id, e->dialog.call_id) && slice_eq_str(remote_tag, e->dialog.remote_tag)))
        e = e->alike;
    return e;
}

/* The 2xx is repeated until it is acknowledged; if it never is, the call has no sense (RFC 3261 13.3.1.4). */
static void accepted_due(struct agent *a, void *owner)
{
    struct end *e = owner;
    switch (sip_accepted_tick(&e->accepted, a->now)) {
    case SIP_RESEND_AGAIN:
        sip_server_respond(a->layer, a->now, e->accepted_server, buf_slice(&e->accepted.resend.octets));
        break;
    case SIP_RESEND_GIVE_UP:
        a->counters.answers_unacknowledged++;
        if (fallback_unacknowledged(e))
            return;
        call_end(e->call, 408, "the agent: the answer was never acknowledged");
        return;
    case SIP_RESEND_WAIT:
        break;
    }
    heap_set(&a->timers, &e->timer.node, sip_accepted_deadline(&e->accepted));
}

/* RFC 3261 says nothing of a party that is gone; OPTIONS inside the dialog does: 481, or no answer at all. */
static void probed(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct end *e = owner;
    struct call *c = e->call;
    if (status < 200)
        return;
    end_probe_drop(e);
    e->heard = a->now.mono;
    if ((response && status != 481 && status != 408) || c->state != CALL_UP) {
        call_check(c);
        return;
    }
    a->counters.calls_stuck++;
    if (fallback_survives(e))
        return;
    e->gone = true;
    call_end(c, 408, e->is_called ? "the agent: the called side had gone" : "the agent: the caller had gone");
}

void end_probe(struct end *e)
{
    struct agent *a = e->agent;
    if (e->probe || !e->ready)
        return;
    struct sip_hop hop = end_hop(e);
    buf_clear(&a->octets);
    sip_dialog_begin_request(&e->dialog, "OPTIONS", 0, &a->octets);
    struct slice contact = end_contact(a, e->side, hop.transport, e->tag);
    sip_put_text(&a->octets, SIP_CONTACT, "<%.*s>", SLICE_PRINT(contact));
    sip_end(&a->octets, (struct slice){0});
    e->probe = a->octets.err ? NULL : mem_alloc(sizeof *e->probe);
    if (!e->probe)
        return;
    client_init(e->probe, probed, e, e->trunk, &e->dialog.local_cseq);
    if (client_send(a, e->probe, &hop, buf_slice(&a->octets)) < 0)
        end_probe_drop(e);
}

void end_probe_drop(struct end *e)
{
    if (e->probe)
        client_drop(e->agent, e->probe);
    mem_free(e->probe);
    e->probe = NULL;
}

void end_init(struct end *e, struct agent *a, struct call *c, enum agent_side side, struct trunk *trunk,
              const struct sip_hop *hop)
{
    e->agent = a;
    e->call = c;
    e->side = side;
    e->trunk = trunk;
    sip_hop_copy(&e->hop, hop);
    e->heard = a->now.mono;
    sip_accepted_init(&e->accepted);
    sip_confirmed_init(&e->confirmed);
    e->timer = (struct timer){.fire = accepted_due, .owner = e};
}

void end_fini(struct agent *a, struct end *e)
{
    end_unregister(a, e);
    end_probe_drop(e);
    agent_timer_stop(a, &e->timer);
    sip_accepted_fini(&e->accepted);
    sip_confirmed_fini(&e->confirmed);
    mem_free(e->credentials);
}

void pair_free(struct pair *p)
{
    struct agent *a = p->call->agent;
    list_remove(&p->link);
    p->call->pair_count--;
    end_fini(a, &p->ends[0]);
    end_fini(a, &p->ends[1]);
    mem_free(p);
}

static struct pair *pair_new(struct attempt *at, struct slice remote_tag)
{
    struct call *c = at->call;
    struct agent *a = c->agent;
    const struct sip_message *first = c->first ? sip_server_request(a->layer, c->first->server) : NULL;
    if (!first || c->pair_count >= FORKS_MAX)
        return NULL;
    struct pair *p = mem_alloc(sizeof *p + remote_tag.n + 1);
    if (!p)
        return NULL;
    if (remote_tag.n)
        memcpy(p->remote_tag, remote_tag.p, remote_tag.n);
    p->call = c;
    p->attempt = at;
    list_append(&c->pairs, &p->link);
    c->pair_count++;
    end_init(&p->ends[0], a, c, c->from, c->from_trunk, &c->from_hop);
    end_init(&p->ends[1], a, c, at->side, at->trunk, &at->client.hop);
    for (unsigned i = 0; i < 2; i++) {
        p->ends[i].pair = p;
        p->ends[i].other = &p->ends[!i];
        p->ends[i].is_called = i == 1;
    }
    agent_tag(a, p->ends[0].tag);
    memcpy(p->ends[1].tag, at->tag, sizeof at->tag);
    if (!sip_dialog_init_uas(&p->ends[0].dialog, first, slice_str(p->ends[0].tag), false) &&
        !end_register(a, &p->ends[0]))
        return p;
    pair_free(p);
    return NULL;
}

struct pair *pair_of(struct attempt *at, const struct sip_message *response)
{
    struct pair *p = NULL;
    LIST_EACH(it, &at->call->pairs) {
        struct pair *known = CONTAINER_OF(it, struct pair, link);
        if (known->attempt == at && slice_eq_str(response->to.tag, known->remote_tag))
            p = known;
    }
    if (!p)
        p = pair_new(at, response->to.tag);
    if (p && !p->ends[1].ready)
        end_open(&p->ends[1], at->call_id, at->cseq, at->way ? at->way->uri : "", response);
    return p;
}

/* NOTIFY may be faster than the response to SUBSCRIBE (RFC 6665 4.1.2.4): it makes the dialog as well. */
struct pair *pair_by_request(struct attempt *at, const struct sip_message *request)
{
    struct agent *a = at->call->agent;
    struct pair *p = at->call->kind == CALL_SUBSCRIPTION ? pair_new(at, request->from.tag) : NULL;
    if (!p)
        return NULL;
    if (!sip_dialog_init_uas(&p->ends[1].dialog, request, slice_str(at->tag), true) && !end_register(a, &p->ends[1])) {
        p->ends[1].dialog.local_cseq = at->cseq;
        p->ends[1].dialog.has_remote_cseq = false;
        return p;
    }
    pair_free(p);
    return NULL;
}

int pair_confirm(struct pair *p, const struct sip_message *response)
{
    struct end *e = &p->ends[1];
    if (!e->ready)
        return ERR_SYNTAX;
    sip_dialog_confirm(&p->ends[0].dialog);
    return sip_dialog_answered(&e->dialog, response);
}

/* ---- where requests inside of it go ---- */

bool agent_uri_addr(const struct sip_uri *uri, uint16_t port, struct addr *ret_addr)
{
    char host[ADDR_TEXT_OCTETS];
    port = uri->port ? uri->port : port;
    if (!uri->host_is_ipv6)
        return !addr_parse(uri->host, port, ret_addr);
    if (uri->host.n > sizeof host - 3)
        return false;
    int n = snprintf(host, sizeof host, "[%.*s]", SLICE_PRINT(uri->host));
    return !addr_parse(slice_of(host, (size_t)n), port, ret_addr);
}

/* Another company's agent came over a connection of its own. Should that end before the call, it is reached where its Contact says, and must
 * show the certificate that it came with. */
static struct sip_hop far_hop(struct sip_hop hop, const struct sip_uri *uri)
{
    struct addr addr;
    if (!hop.conn)
        return hop;
    if (agent_uri_addr(uri, SIP_TLS_PORT, &addr))
        hop.addr = addr;
    else
        hop.addr.port = uri->port ? uri->port : SIP_TLS_PORT;
    return hop;
}

/* A PBX that has registered over a connection is reached by that, whatever its Contact leaves out. */
static enum sip_transport transport_to(const struct trunk *trunk, const struct sip_hop *hop, const struct sip_uri *uri)
{
    enum sip_transport transport = hop->transport;
    struct slice name;
    if (trunk->options->side == AGENT_PBX && trunk->options->registers && sip_transport_is_reliable(transport))
        return transport;
    if (sip_uri_param(uri, "transport", &name))
        sip_transport_find(name, &transport);
    else if (uri->scheme == SIP_SCHEME_SIP && transport != SIP_TLS)
        transport = SIP_UDP;
    return transport;
}

/* The address in the target or the first route, if it is one; a name is reached as before. The connection stays while it lives. */
struct sip_hop end_hop_by(const struct agent *a, struct trunk *trunk, const struct sip_hop *reached,
                          const struct sip_dialog *d)
{
    struct sip_hop hop = *reached;
    struct sip_uri uri;
    struct addr addr;
    if (sip_uri_parse(sip_dialog_next_hop(d), &uri, NULL) < 0)
        return hop;
    if (!trunk && a->options->edge.family) /* an inside address that it was reached by may have ended */
        hop.addr = a->options->edge;
    if (!trunk)
        return a->options->edge.family ? hop : far_hop(hop, &uri);
    if (registrar_has_translator(trunk, &hop))
        return hop;
    const enum sip_transport transport = transport_to(trunk, &hop, &uri);
    if (!a->options->points[hop.side][transport] || /* we do not speak it there */
        !agent_uri_addr(&uri, transport == SIP_TLS ? SIP_TLS_PORT : SIP_PORT, &addr))
        return hop;
    if (transport != hop.transport)
        hop.conn = 0;
    hop.transport = transport;
    hop.addr = addr;
    return hop;
}

/* Of a trunk's end the URI is read once, until it changes. */
struct sip_hop end_hop(struct end *e)
{
    struct sip_hop hop = e->hop;
    if (!e->trunk || registrar_has_translator(e->trunk, &hop))
        return end_hop_by(e->agent, e->trunk, &hop, &e->dialog);
    if (e->place_of != e->dialog.changes) {
        const struct sip_hop read = end_hop_by(e->agent, e->trunk, &hop, &e->dialog);
        e->place_of = e->dialog.changes;
        e->place_transport = read.transport;
        e->place = read.addr;
    }
    if (e->place_transport != hop.transport)
        hop.conn = 0;
    hop.transport = e->place_transport;
    hop.addr = e->place;
    return hop;
}

static const char *const transport_params[] = {"", ";transport=tcp", ";transport=tls"};

struct slice end_point(struct agent *a, enum agent_side side, enum sip_transport transport)
{
    return agent_print(a, "%s%s", agent_point(a, side, transport), transport_params[transport]);
}

struct slice end_contact(struct agent *a, enum agent_side side, enum sip_transport transport, const char *tag)
{
    return agent_print(a, "sip:%s@%s%s", tag, agent_point(a, side, transport), transport_params[transport]);
}
