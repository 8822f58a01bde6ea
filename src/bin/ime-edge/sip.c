/* SIP messages of both sides, in and out. */
#include "host.h"

#include "io/process.h"

#include <stdio.h>

#define DESCRIPTORS_OF_OTHERS 256 /* the store, control sessions, IME servers, workers */

static void on_message(void *arg, const struct sip_flow *flow, struct slice octets)
{
    struct host *h = arg;
    edge_input(h->edge, daemon_now(&h->daemon), flow, octets);
    daemon_wake(&h->daemon);
}

static void on_unreachable(void *arg, const struct sip_hop *hop)
{
    struct host *h = arg;
    edge_unreachable(h->edge, daemon_now(&h->daemon), hop);
    daemon_wake(&h->daemon);
}

static void on_lost(void *arg, const struct sip_hop *hop)
{
    struct host *h = arg;
    edge_lost(h->edge, daemon_now(&h->daemon), hop);
    daemon_wake(&h->daemon);
}

static bool is_known(void *arg, unsigned side, const struct addr *peer)
{
    struct host *h = arg;
    return edge_knows(h->edge, side, peer);
}

static int listen_at(struct host *h, enum edge_side side, enum sip_transport transport, const struct addr *addr,
                     struct tls_context *tls)
{
    char service[32];
    snprintf(service, sizeof service, "%s %s", side == EDGE_INSIDE ? "inside" : "outside",
             sip_transport_name(transport));
    return daemon_log_listening(&h->daemon, service, addr, sip_host_listen(h->sip, side, transport, addr, tls));
}

static int listen_all(struct host *h, enum edge_side side, struct tls_context *tls)
{
    const struct side_settings *s = &h->daemon.settings->sides[side];
    int err = 0;
    for (size_t i = 0; !err && i < s->tcp_count; i++)
        err = listen_at(h, side, SIP_TCP, &s->tcp[i], NULL);
    for (size_t i = 0; !err && i < s->tls_count; i++)
        err = listen_at(h, side, SIP_TLS, &s->tls[i], tls);
    return err;
}

/* Connections of a side come from where it listens. */
static struct addr connects_from(const struct side_settings *s)
{
    struct addr from = s->tcp_count ? s->tcp[0] : s->tls[0];
    from.port = 0;
    return from;
}

static int open_sides(struct host *h)
{
    const struct settings *s = h->daemon.settings;
    int err = listen_all(h, EDGE_INSIDE, h->tls_inside_server);
    if (!err)
        err = listen_all(h, EDGE_OUTSIDE, h->tls_outside);
    if (err)
        return err;
    struct addr from = connects_from(&s->sides[EDGE_INSIDE]);
    sip_host_connect_from(h->sip, EDGE_INSIDE, &from, h->tls_inside_client);
    from = connects_from(&s->sides[EDGE_OUTSIDE]);
    for (unsigned i = 0; i < s->edge.domain_count; i++)
        sip_host_connect_from(h->sip, EDGE_FIRST_DOMAIN + i, &from, h->tls_domains[i]);
    return 0;
}

/* Connections that there are no descriptors for would keep everybody out for a while: better fewer. */
static void fit_descriptors(struct host *h, struct sip_net_config *net)
{
    const size_t files = process_files_max(), others = DESCRIPTORS_OF_OTHERS;
    const size_t max = files > 2 * others ? files - others : others;
    if (net->conns_max <= max)
        return;
    log_event(&h->daemon.log, LEVEL_WARNING, "sip.connections.fewer",
              "connections=%zu instead of %zu: the limit of open files is %zu", max, net->conns_max, files);
    net->conns_reserved = net->conns_reserved * max / net->conns_max;
    net->conns_max = max;
}

int sip_open(struct host *h)
{
    static const struct sip_host_handler handler = {
        .message = on_message, .unreachable = on_unreachable, .lost = on_lost, .is_known = is_known};
    struct sip_host_options options;
    sip_host_options_init(&options);
    options.net = h->daemon.settings->net;
    options.handshakes = h->daemon.settings->handshakes;
    options.stream_queue_octets_max = h->daemon.settings->queue_octets_max;
    fit_descriptors(h, &options.net);
    options.entropy = &h->daemon.entropy;
    options.log = &h->daemon.log;
    int err = sip_host_new(h->daemon.loop, &options, &handler, h, &h->sip);
    if (!err)
        err = open_sides(h);
    if (err)
        return err;
    edge_add_counters(h->edge, "net", sip_net_counters_names, COUNTERS_VALUES(sip_host_net_counters(h->sip)));
    edge_add_counters(h->edge, "connections", stream_counters_names, COUNTERS_VALUES(sip_host_stream_counters(h->sip)));
    return 0;
}

void sip_close(struct host *h)
{
    sip_host_free(h->sip);
    h->sip = NULL;
}

void sip_perform(struct host *h, const struct edge_effect *e)
{
    switch (e->kind) {
    case EDGE_SEND:
        sip_host_send(h->sip, e->hop, e->octets);
        break;
    case EDGE_CLOSE:
        sip_host_close(h->sip, e->conn);
        break;
    default: /* main.c */
        break;
    }
}
