/* The phone network, or a PBX, as a daemon. */
#include "bin/daemon/daemon.h"
#include "io/sip_host.h"
#include "program.h"

#include <stdio.h>

/* A port that media comes to. */
struct media_port {
    struct host *host;
    unsigned carrier;
    size_t port;
    struct udp *udp; /* NULL: not opened */
};

struct host {
    struct daemon daemon;
    struct seeded_entropy seeded;
    struct entropy entropy; /* of the network: the kernel's, or that of a seed */
    struct pstn_network *network;
    struct sip_host *sip;
    struct media_port media[PSTN_CARRIERS_MAX][2 * PSTN_MEDIA_CALLS_MAX];
    struct tls_context *tls_server[PSTN_CARRIERS_MAX], *tls_client[PSTN_CARRIERS_MAX];
    bool ending;
};

/* ---- messages ---- */

static void on_message(void *arg, const struct sip_flow *flow, struct slice octets)
{
    struct host *h = arg;
    pstn_network_input(h->network, daemon_now(&h->daemon), flow, octets);
    daemon_wake(&h->daemon);
}

static void on_unreachable(void *arg, const struct sip_hop *hop)
{
    struct host *h = arg;
    pstn_network_unreachable(h->network, daemon_now(&h->daemon), hop);
    daemon_wake(&h->daemon);
}

static void on_located(void *arg, uint64_t token, const struct sip_hops *hops)
{
    (void)arg; /* trunks have addresses */
    (void)token;
    (void)hops;
}

static int open_tls(struct host *h, unsigned carrier)
{
    const struct tls_files *files = &h->daemon.settings->tls[carrier];
    int err = 0;
    if (files->certificate)
        err = daemon_tls(&h->daemon, files, TLS_SERVER, TLS_PEER_NONE, &h->tls_server[carrier]);
    if (!err && files->ca)
        err = daemon_tls(&h->daemon, files, TLS_CLIENT, TLS_PEER_REQUIRED, &h->tls_client[carrier]);
    return err;
}

static int open_carrier(struct host *h, unsigned carrier)
{
    const struct settings *s = h->daemon.settings;
    struct addr from = {0};
    char service[64];
    int err = open_tls(h, carrier);
    if (err)
        return err;
    for (unsigned transport = SIP_UDP; transport <= SIP_TLS; transport++) {
        const struct addr *listen = &s->listen[carrier][transport];
        if (!listen->family)
            continue;
        snprintf(service, sizeof service, "%s %s", s->network.carriers[carrier].name,
                 sip_transport_name((enum sip_transport)transport));
        err = sip_host_listen(h->sip, carrier, (enum sip_transport)transport, listen,
                              transport == SIP_TLS ? h->tls_server[carrier] : NULL);
        if (daemon_log_listening(&h->daemon, service, listen, err))
            return err;
        from = *listen;
    }
    from.port = 0;
    sip_host_connect_from(h->sip, carrier, &from, h->tls_client[carrier]);
    return 0;
}

/* ---- media ---- */

static void send_media(struct host *h, struct now now)
{
    struct pstn_packet p;
    while (pstn_network_give(h->network, now, &p))
        udp_send(h->media[p.carrier][p.port].udp, &p.to, p.octets);
}

/* Without a delay the packet goes on at once. */
static void on_media(void *arg, struct udp *udp, const struct addr *peer, const struct addr *local, struct slice octets)
{
    struct media_port *m = arg;
    struct host *h = m->host;
    const struct now now = daemon_now(&h->daemon);
    (void)udp;
    (void)local;
    pstn_network_take(h->network, now, m->carrier, m->port, peer, octets);
    if (h->daemon.settings->network.carriers[m->carrier].media_delay_ms)
        daemon_wake(&h->daemon);
    else
        send_media(h, now);
}

static int open_media(struct host *h, unsigned carrier)
{
    static const struct udp_handler handler = {.input = on_media};
    const struct pstn_carrier_options *o = &h->daemon.settings->network.carriers[carrier];
    struct udp_options options = {.log = &h->daemon.log};
    const size_t count = o->media.family ? 2 * (size_t)o->media_calls : 0;
    int err = 0;
    udp_limits_init(&options.limits);
    for (size_t i = 0; !err && i < count; i++) {
        struct media_port *m = &h->media[carrier][i];
        *m = (struct media_port){.host = h, .carrier = carrier, .port = i};
        options.bind = pstn_media_addr(o, i);
        err = udp_open(h->daemon.loop, &options, &handler, m, &m->udp);
        if (err || i == 0)
            daemon_log_listening(&h->daemon, "media", &options.bind, err);
    }
    return err;
}

static void close_media(struct host *h)
{
    for (unsigned carrier = 0; carrier < PSTN_CARRIERS_MAX; carrier++) {
        for (size_t i = 0; i < 2 * PSTN_MEDIA_CALLS_MAX; i++)
            udp_close(h->media[carrier][i].udp);
    }
}

/* ---- life ---- */

static int start(struct host *h)
{
    static const struct sip_host_handler handler = {
        .message = on_message, .unreachable = on_unreachable, .located = on_located};
    struct daemon *d = &h->daemon;
    const struct settings *s = d->settings;
    struct sip_host_options options;
    h->seeded.state = s->seed;
    h->entropy = s->seed ? seeded_entropy_port(&h->seeded) : d->entropy;
    sip_host_options_init(&options);
    options.entropy = &d->entropy;
    options.log = &d->log;
    int err = pstn_network_new(&s->network, &h->entropy, &d->log, daemon_now(d), &h->network);
    if (!err)
        err = sip_host_new(d->loop, &options, &handler, h, &h->sip);
    for (unsigned i = 0; !err && i < s->network.carrier_count; i++)
        err = open_carrier(h, i);
    for (unsigned i = 0; !err && i < s->network.carrier_count; i++)
        err = open_media(h, i);
    if (err) {
        log_event(&d->log, LEVEL_ERROR, "pstn.failed", "error=%s", err_name(err));
        return err;
    }
    log_event(&d->log, LEVEL_NOTICE, "starts", "version=%s carriers=%zu trunks=%zu", IME_VERSION,
              s->network.carrier_count, s->network.trunk_count);
    return daemon_open_control(d, pstn_handlers, pstn_handler_count, h->network);
}

static void stop(struct host *h)
{
    close_media(h);
    sip_host_free(h->sip);
    pstn_network_free(h->network);
}

static void fini(struct host *h)
{
    for (unsigned i = 0; i < PSTN_CARRIERS_MAX; i++) {
        tls_context_free(h->tls_server[i]);
        tls_context_free(h->tls_client[i]);
    }
}

static void end(struct host *h)
{
    h->ending = true;
    pstn_network_stop(h->network, daemon_now(&h->daemon));
    daemon_wake(&h->daemon);
}

static struct mono turn(struct host *h, struct now now)
{
    struct pstn_effect e;
    if (pstn_network_wants_shutdown(h->network) && !h->ending) {
        h->ending = true;
        pstn_network_stop(h->network, now);
    }
    while (pstn_network_next(h->network, now, &e))
        sip_host_send(h->sip, e.hop, e.octets);
    send_media(h, now);
    if (h->ending && pstn_network_is_quiet(h->network))
        daemon_stop(&h->daemon);
    return pstn_network_deadline(h->network);
}

static void tick(struct host *h, struct now now)
{
    pstn_network_tick(h->network, now);
}

static const struct daemon_program network_program = {
    .name = "ime-pstn",
    .word = "pstn",
    .about =
        "Runs a phone network for a lab: carriers with trunks to PBXs and call agents. Calls go from trunk to trunk "
        "with the delays,\n"
        "the caller IDs and the prices of a phone network; media goes between the ends, or through a carrier that "
        "relays it.\n",
    .notes = "It is started with: ime-pstn serve [--config FILE]\n",
    .ctl = CTL_PSTN,
    .table = &settings_table,
    .load = settings_load,
    .unload = settings_free,
    .start = start,
    .stop = stop,
    .fini = fini,
    .turn = turn,
    .tick = tick,
    .end = end,
};

static const struct daemon_program pbx_program = {
    .name = "ime-pstn",
    .word = "pbx",
    .about = "Runs a PBX for a lab: extensions, where phones register, and a trunk to a call agent or a carrier.\n",
    .notes = "It is started with: ime-pstn pbx [--config FILE]\n",
    .ctl = CTL_PSTN,
    .table = &settings_pbx_table,
    .load = settings_load_pbx,
    .unload = settings_free,
    .start = start,
    .stop = stop,
    .fini = fini,
    .turn = turn,
    .tick = tick,
    .end = end,
};

int serve_main(int argc, char **argv)
{
    static struct host host;
    return daemon_main(&host.daemon, &network_program, &host, argc, argv);
}

int pbx_main(int argc, char **argv)
{
    static struct host host;
    return daemon_main(&host.daemon, &pbx_program, &host, argc, argv);
}
