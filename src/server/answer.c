/* Calls of others: the terminator asks which VService serves a number, and tells how proofs came out. */
#include "server/internal.h"

static int find_service(void *ctx, const struct e164 *called, uint64_t vservice_id, struct pvp_service *ret_service)
{
    struct server *s = ctx;
    struct vap_vservice_view view;
    (void)called;
    if (!vap_server_vservice(s->vap, vservice_id, &view))
        return ERR_LIMIT; /* its client is not connected at the moment: later, rather than never */
    const struct vap_description *d = view.description;
    const struct keyring *keyring = tickets_keyring(s, slice_str(d->domain));
    if (!keyring || keyring_epoch(keyring) == 0)
        return ERR_LIMIT;
    region_fini(&s->scratch);
    struct slice *routes = region_array(&s->scratch, view.route_count, sizeof *routes);
    struct slice *domains = region_array(&s->scratch, d->list_count, sizeof *domains);
    if (!routes || !domains)
        return ERR_LIMIT;
    for (size_t i = 0; i < view.route_count; i++)
        routes[i] = slice_str(view.routes[i]);
    for (size_t i = 0; i < d->list_count; i++)
        domains[i] = slice_str(d->list_domains[i]);
    struct pvp_service service = {
        .domain = slice_str(d->domain),
        .routes = routes,
        .route_count = view.route_count,
        .list = {d->list_kind == VAP_LIST_NONE    ? PVP_LIST_NONE
                 : d->list_kind == VAP_LIST_WHITE ? PVP_LIST_WHITE
                                                  : PVP_LIST_BLACK,
                 domains, d->list_count},
        .keyring = keyring,
    };
    *ret_service = service;
    return 0;
}

static const struct pvp_identity *find_identity(void *ctx, const struct e164 *called, uint64_t vservice_id)
{
    const struct server *s = ctx;
    unsigned number;
    if (!numbers_publisher_node_of(s->publisher, called, vservice_id, &number) || !number || !s->nodes[number])
        return NULL;
    return &s->nodes[number]->identity;
}

struct pvp_service_port answer_service_port(struct server *s)
{
    return (struct pvp_service_port){s, find_service, find_identity};
}

static void report(struct server *s, const struct pvp_inbound_report *r)
{
    char node[ID_HEX_OCTETS];
    const char *who = id_is_zero(r->node_id) ? "somebody unannounced" : id_format(r->node_id, node);
    log_event(s->ports.log, LEVEL_INFO, "pvp.inbound", "event=%s number=%s node=%s", pvp_inbound_event_name(r->event),
              r->called.text, who);
    if (!r->called.text[0])
        return;
    switch (r->event) {
    case PVP_INBOUND_PROVED:
        s->counters.tickets_granted++;
        journal_note(s->journal, s->now, &r->called, "%s proved a call to this number to us: ticket granted",
                     r->domain);
        break;
    case PVP_INBOUND_NOT_PROVED:
        journal_note(s->journal, s->now, &r->called, "%s tried to prove a call to this number and failed", who);
        break;
    case PVP_INBOUND_BURNT:
        journal_note(s->journal, s->now, &r->called, "a call record of this number is burnt: too many failed proofs");
        break;
    case PVP_INBOUND_REFUSED:
        journal_note(s->journal, s->now, &r->called, "refused %s: %s", r->domain[0] ? r->domain : who,
                     pvp_refusal_name(r->code));
        break;
    case PVP_INBOUND_BAD_IDENTITY:
        journal_note(s->journal, s->now, &r->called, "%s proved the call but not who it is: nothing granted", who);
        break;
    }
}

bool answer_effect(struct server *s)
{
    struct pvp_terminator_effect e;
    if (!pvp_terminator_next(s->terminator, &e))
        return false;
    struct conn *c = e.user;
    switch (e.kind) {
    case PVP_INBOUND_SEND:
        server_out(s, SERVER_PVP_SEND, c->id, e.octets);
        break;
    case PVP_INBOUND_CLOSE:
        server_out(s, SERVER_PVP_CLOSE, c->id, (struct slice){NULL, 0});
        pvp_inbound_closed(c->inbound, s->now);
        conn_free(s, c);
        break;
    case PVP_INBOUND_REPORT:
        report(s, &e.report);
        break;
    }
    return true;
}
