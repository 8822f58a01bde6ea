/* SIP messages in and out, and the addresses of PBXs and trunks. */
#include "host.h"

#include "io/process.h"

#include <stdio.h>

#define LOCATE_AGAIN_MS 30000
#define DESCRIPTORS_OF_OTHERS 256 /* the store, control sessions, IME servers, posted records */

static void on_message(void *arg, const struct sip_flow *flow, struct slice octets)
{
    struct host *h = arg;
    agent_input(h->agent, daemon_now(&h->daemon), flow, octets);
    daemon_wake(&h->daemon);
}

static void on_unreachable(void *arg, const struct sip_hop *hop)
{
    struct host *h = arg;
    agent_unreachable(h->agent, daemon_now(&h->daemon), hop);
    daemon_wake(&h->daemon);
}

static void on_lost(void *arg, const struct sip_hop *hop)
{
    struct host *h = arg;
    agent_lost(h->agent, daemon_now(&h->daemon), hop);
    daemon_wake(&h->daemon);
}

static bool is_known(void *arg, unsigned side, const struct addr *peer)
{
    struct host *h = arg;
    return agent_knows(h->agent, side, peer);
}

/* ---- where trunks are ---- */

static void located(struct host *h, unsigned trunk, const struct sip_hops *hops)
{
    const struct now now = daemon_now(&h->daemon);
    h->locate_at[trunk] = hops->n ? hops->expires : mono_after_ms(now.mono, LOCATE_AGAIN_MS);
    agent_located(h->agent, now, trunk, hops->hop, hops->n);
    daemon_wake(&h->daemon);
}

static void on_located(void *arg, uint64_t token, const struct sip_hops *hops)
{
    if (token < AGENT_TRUNKS_MAX)
        located(arg, (unsigned)token, hops);
}

void sip_locate_trunk(struct host *h, unsigned trunk)
{
    const struct agent_trunk_options *t = &h->daemon.settings->agent.trunks[trunk];
    struct sip_hops hops;
    struct sip_target target = {.side = t->side,
                                .port = t->port,
                                .has_transport = !t->any_transport,
                                .transport = t->transport,
                                .secure = !t->any_transport && t->transport == SIP_TLS};
    snprintf(target.host, sizeof target.host, "%s", t->host);
    h->locate_at[trunk] = MONO_NEVER;
    int result = sip_host_locate(h->sip, &target, trunk, &hops);
    if (result == 1)
        return;
    if (result < 0)
        hops = (struct sip_hops){0};
    located(h, trunk, &hops);
}

struct mono sip_relocate(struct host *h, struct now now)
{
    struct mono due = MONO_NEVER;
    for (unsigned i = 0; i < h->daemon.settings->agent.trunk_count; i++) {
        if (mono_due(h->locate_at[i], now.mono))
            sip_locate_trunk(h, i);
        due = mono_min(due, h->locate_at[i]);
    }
    return due;
}

/* ---- start and end ---- */

static int open_side(struct host *h, enum agent_side side)
{
    const struct side_settings *s = &h->daemon.settings->sides[side];
    struct addr from = {0};
    char service[32];
    int err = tls_open_side(h, side);
    for (unsigned transport = SIP_UDP; !err && transport <= SIP_TLS; transport++) {
        if (!s->listen[transport].family)
            continue;
        snprintf(service, sizeof service, "%s %s", agent_side_name(side),
                 sip_transport_name((enum sip_transport)transport));
        err = sip_host_listen(h->sip, side, (enum sip_transport)transport, &s->listen[transport],
                              transport == SIP_TLS ? h->tls_server[side] : NULL);
        daemon_log_listening(&h->daemon, service, &s->listen[transport], err);
        from = s->listen[transport];
    }
    from.port = 0;
    if (!err)
        sip_host_connect_from(h->sip, side, &from, h->tls_client[side]);
    return err;
}

/* Connections that there are no descriptors for would keep everybody out for a while: better fewer. */
static void fit_descriptors(struct host *h, struct sip_net_config *net)
{
    const size_t files = process_files_max();
    const size_t others = DESCRIPTORS_OF_OTHERS + sound_sockets_max(h->daemon.settings);
    const size_t max = files > 2 * others ? files - others : files / 2;
    if (net->conns_max <= max)
        return;
    log_event(&h->daemon.log, LEVEL_WARNING, "sip.connections.fewer",
              "connections=%zu instead of %zu: the limit of open files is %zu", max, net->conns_max, files);
    net->conns_reserved = net->conns_reserved * max / net->conns_max;
    net->conns_max = max;
}

int sip_open(struct host *h)
{
    static const struct sip_host_handler handler = {.message = on_message,
                                                    .unreachable = on_unreachable,
                                                    .lost = on_lost,
                                                    .located = on_located,
                                                    .is_known = is_known};
    struct sip_host_options options;
    sip_host_options_init(&options);
    options.net = h->daemon.settings->net;
    options.stream_queue_octets_max = h->daemon.settings->queue_octets_max;
    fit_descriptors(h, &options.net);
    options.entropy = &h->daemon.entropy;
    options.log = &h->daemon.log;
    options.dns.server_count = h->daemon.settings->dns_server_count;
    memcpy(options.dns.servers, h->daemon.settings->dns_servers, sizeof h->daemon.settings->dns_servers);
    for (unsigned i = 0; i < AGENT_TRUNKS_MAX; i++)
        h->locate_at[i] = MONO_NEVER;
    int err = sip_host_new(h->daemon.loop, &options, &handler, h, &h->sip);
    for (unsigned side = 0; !err && side < AGENT_SIDES; side++)
        err = open_side(h, (enum agent_side)side);
    if (err)
        return err;
    agent_add_counters(h->agent, "net", sip_net_counters_names, COUNTERS_VALUES(sip_host_net_counters(h->sip)));
    agent_add_counters(h->agent, "udp", udp_counters_names, COUNTERS_VALUES(sip_host_udp_counters(h->sip)));
    agent_add_counters(h->agent, "connections", stream_counters_names,
                       COUNTERS_VALUES(sip_host_stream_counters(h->sip)));
    return 0;
}

void sip_close(struct host *h)
{
    sip_host_free(h->sip);
    h->sip = NULL;
}

void sip_fini(struct host *h)
{
    for (unsigned side = 0; side < AGENT_SIDES; side++) {
        tls_context_free(h->tls_server[side]);
        tls_context_free(h->tls_client[side]);
    }
}

void sip_send(struct host *h, const struct agent_effect *e)
{
    sip_host_send(h->sip, e->hop, e->octets);
}
