/* Requests from inside, outside of dialogs: where they go. Inline the call agent says so with a Route, which stands for the route that was learned; off-path
 * the address of ours that it has connected to stands for one outside. Both must point outside, and the certificate there must be that of the called
 * domain. On the way there we are the calling domain. */
#include "edge/internal.h"

#include "base/text.h"

#include <stdio.h>

bool edge_address_is_outside(const struct edge *e, const struct addr *addr)
{
    return addr->family && addr->port && alg_place_of(e->options, addr) == ALG_FAR;
}

bool edge_may_call(const struct edge *e, const struct addr *far)
{
    return edge_address_is_outside(e, far);
}

static int refuse(struct edge *e, const struct sip_event *event, uint64_t *counter, enum edge_notice notice,
                  unsigned status, enum edge_cause cause, const char *text)
{
    *counter += 1;
    edge_notice(&e->notices, e->ports.log, e->now, notice, "why=\"%s\" method=%.*s call_id=\"%.*s\"", text,
                SLICE_PRINT(event->message->method_text), SLICE_PRINT(event->message->call_id));
    edge_refuse(e, event->server, status, cause, text);
    return ERR_FORBIDDEN;
}

static int refuse_route(struct edge *e, const struct sip_event *event, const char *text)
{
    return refuse(e, event, &e->counters.refused_route, EDGE_NOTICE_ROUTE_REFUSED, 403, EDGE_CAUSE_REMOTE_TRUNK_URI,
                  text);
}

/* ---- Route ---- */

static bool host_addr(struct slice host, bool is_ipv6, uint16_t port, struct addr *ret_addr)
{
    char text[ADDR_TEXT_OCTETS];
    if (!is_ipv6)
        return !addr_parse(host, port, ret_addr);
    if (host.n > sizeof text - 3)
        return false;
    int n = snprintf(text, sizeof text, "[%.*s]", SLICE_PRINT(host));
    return !addr_parse(slice_of(text, (size_t)n), port, ret_addr);
}

/* The brackets around an IPv6 address are its own. */
static bool maddr_addr(struct slice maddr, uint16_t port, struct addr *ret_addr)
{
    return !addr_parse(maddr, port, ret_addr) || host_addr(maddr, true, port, ret_addr);
}

/* The only Route, but for one that is for ourselves (16.4: whoever sent it has us as a proxy). NULL: good. */
static const char *read_route(const struct edge *e, const struct sip_message *m, struct sip_uri *ret_uri)
{
    bool found = false;
    for (const struct sip_field *f = sip_field_first(m, SIP_ROUTE); f; f = sip_field_next(m, f)) {
        struct sip_cursor c = sip_field_cursor(m, f);
        struct sip_address route;
        while (sip_read_address(&c, &route)) {
            struct sip_uri uri;
            struct slice value;
            if (!route.in_brackets || sip_uri_parse(route.uri, &uri, NULL) < 0 ||
                (uri.scheme != SIP_SCHEME_SIP && uri.scheme != SIP_SCHEME_SIPS))
                return "the Route cannot be read";
            if (!found && alg_is_point(e->options, EDGE_INSIDE, uri.host) && !sip_uri_param(&uri, "maddr", &value))
                continue;
            if (found)
                return "there is more than one Route";
            found = true;
            *ret_uri = uri;
        }
        if (c.err)
            return "the Route cannot be read";
    }
    return found ? NULL : "there is no Route";
}

static const char *check_route(const struct edge *e, const struct sip_uri *route, const struct sip_uri *target,
                               struct addr *ret_addr)
{
    struct slice value;
    const uint16_t port = route->port ? route->port : SIP_TLS_PORT;
    if (!sip_uri_param(route, "lr", &value))
        return "the Route is of a strict router";
    if (route->scheme != SIP_SCHEME_SIPS &&
        !(sip_uri_param(route, "transport", &value) && sip_token_eq_str(value, "tls")))
        return "the Route is not for TLS";
    if (route->user.n || route->headers.n)
        return "the Route has a user or headers";
    if (!sip_token_eq(route->host, target->host))
        return "the Route is for another domain than the call";
    if (!sip_uri_param(route, "maddr", &value) || !maddr_addr(value, port, ret_addr))
        return "the Route has no address";
    if (!edge_address_is_outside(e, ret_addr))
        return "the Route does not lead outside";
    return NULL;
}

/* ---- who calls ---- */

/* By From; who does not want to be known calls with a ticket that was granted to one of our domains. -1: none of them. */
static int calling_domain(const struct edge *e, const struct sip_message *m)
{
    struct sip_uri from;
    struct ticket ticket;
    int domain = sip_uri_parse(m->from.uri, &from, NULL) < 0 ? -1 : edge_options_find_domain(e->options, from.host);
    if (domain >= 0)
        return domain;
    const struct sip_field *f = sip_field_first(m, SIP_X_CISCO_VIPR_TICKET);
    if (f && !ticket_parse(f->value, &ticket, NULL))
        return edge_options_find_domain(e->options, slice_str(ticket.granted_to));
    return e->options->domain_count == 1 ? 0 : -1;
}

/* ---- all of it ---- */

static int find_way(struct edge *e, const struct sip_event *event, const struct sip_uri *target, struct addr *ret_addr)
{
    struct sip_uri route;
    if (!sip_field_first(event->message, SIP_ROUTE) && e->ports.mapping) {
        if (e->ports.mapping(e->ports.mapping_ctx, e->now, &event->flow->local, ret_addr) &&
            edge_address_is_outside(e, ret_addr))
            return 0;
        return refuse(e, event, &e->counters.refused_mapping, EDGE_NOTICE_MAPPING_FAILED, 403,
                      EDGE_CAUSE_REMOTE_TRUNK_URI, "this address stands for none outside");
    }
    const char *wrong = read_route(e, event->message, &route);
    if (!wrong)
        wrong = check_route(e, &route, target, ret_addr);
    return wrong ? refuse_route(e, event, wrong) : 0;
}

int edge_outbound(struct edge *e, const struct sip_event *event, unsigned *ret_domain, struct edge_trunk **ret_trunk,
                  struct sip_hop *ret_hop)
{
    const struct sip_message *m = event->message;
    struct sip_uri target;
    struct addr addr;
    int err = edge_room(e, event);
    if (!err)
        err = edge_check(e, event);
    if (err)
        return err;
    if (sip_uri_parse(m->uri, &target, NULL) < 0 || !domain_is_valid(target.host) ||
        edge_options_find_domain(e->options, target.host) >= 0)
        return refuse_route(e, event, "the Request-URI has no domain of another company");
    err = find_way(e, event, &target, &addr);
    if (err)
        return err;
    const int domain = calling_domain(e, m);
    if (domain < 0)
        return refuse(e, event, &e->counters.refused_calling_domain, EDGE_NOTICE_REQUEST_REFUSED, 403,
                      EDGE_CAUSE_INVALID_TICKET, "the caller is of no domain that is served here");
    *ret_trunk = edge_trunk_of(&e->trunks, e->now, target.host);
    err = edge_trunk_room(e, event, *ret_trunk);
    if (err)
        return err;
    *ret_domain = (unsigned)domain;
    *ret_hop = (struct sip_hop){.transport = SIP_TLS, .side = EDGE_FIRST_DOMAIN + (unsigned)domain, .addr = addr};
    snprintf(ret_hop->host, sizeof ret_hop->host, "%s", (*ret_trunk)->domain);
    return 0;
}
