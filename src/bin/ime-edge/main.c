/* ime-edge: what the core wants done, and the order of its start and end. */
#include "host.h"

#include "io/media_worker.h"

#include <string.h>

static struct mono turn(struct host *h, struct now now)
{
    struct edge_effect e;
    if (edge_wants_shutdown(h->edge))
        edge_stop(h->edge, now);
    struct mono due = vap_turn(h, now);
    while (edge_next(h->edge, now, &e)) {
        if (e.kind == EDGE_STOPPED)
            daemon_stop(&h->daemon);
        else
            sip_perform(h, &e);
    }
    due = mono_min(due, mapping_turn(h, now));
    due = mono_min(due, tls_watch(h, now));
    due = mono_min(due, keys_watch(h, now));
    return mono_min(due, edge_deadline(h->edge));
}

static void tick(struct host *h, struct now now)
{
    edge_tick(h->edge, now);
}

static void set_now(struct host *h, struct now now)
{
    edge_set_now(h->edge, now);
}

static void end(struct host *h)
{
    edge_stop(h->edge, daemon_now(&h->daemon));
    daemon_wake(&h->daemon);
}

/* ---- start and end ---- */

static int read_again(void *ctx, struct buf *report)
{
    struct host *h = ctx;
    return daemon_reload(&h->daemon, report);
}

static void show_certificates(void *ctx, struct ctl_writer *w)
{
    tls_show(ctx, w);
}

static void show_mappings(void *ctx, struct ctl_writer *w)
{
    mapping_show(ctx, w);
}

static void show_tickets(void *ctx, struct ctl_writer *w)
{
    keys_show(ctx, w);
}

/* The core ends after the connections do. */
static void hold(void *ctx, uint64_t conn, bool is_needed)
{
    struct host *h = ctx;
    if (h->sip && is_needed)
        sip_host_hold(h->sip, conn);
    else if (h->sip)
        sip_host_release(h->sip, conn);
}

static int share(void *ctx, uint64_t conn, unsigned side, const char *domain, const struct addr *target)
{
    struct host *h = ctx;
    return h->sip ? sip_host_alias(h->sip, conn, side, domain, target) : ERR_WRONG_STATE;
}

static size_t warnings(void *ctx, struct ctl_writer *w)
{
    return keys_warnings(ctx, w);
}

static int make_edge(struct host *h)
{
    const struct edge_ports ports = {.entropy = &h->daemon.entropy,
                                     .log = &h->daemon.log,
                                     .keyring = keys_of_domain,
                                     .keyring_ctx = h,
                                     .media = media_host_port(h->media),
                                     .hold = hold,
                                     .hold_ctx = h,
                                     .share = share,
                                     .share_ctx = h,
                                     .mapping = h->daemon.settings->mapping.count ? mapping_find : NULL,
                                     .mapping_ctx = h,
                                     .reload = read_again,
                                     .reload_ctx = h,
                                     .show_mappings = show_mappings,
                                     .show_certificates = show_certificates,
                                     .show_tickets = show_tickets,
                                     .warnings = warnings,
                                     .show_ctx = h};
    int err = edge_new(&h->daemon.settings->edge, &ports, daemon_now(&h->daemon), &h->edge);
    if (err) {
        log_event(&h->daemon.log, LEVEL_ERROR, "edge.failed", "error=%s", err_name(err));
        return err;
    }
    edge_add_counters(h->edge, "vap", stream_counters_names, COUNTERS_VALUES(&h->vap_counters));
    edge_add_counters(h->edge, "media", media_host_counters_names, COUNTERS_VALUES(media_host_counters(h->media)));
    edge_add_counters(h->edge, "relay", media_counters_names, COUNTERS_VALUES(media_host_relay_counters(h->media)));
    edge_add_counters(h->edge, "workers", media_worker_counters_names,
                      COUNTERS_VALUES(media_host_worker_counters(h->media)));
    return 0;
}

static int start(struct host *h)
{
    struct daemon *d = &h->daemon;
    int err = daemon_open_store(d, "edge.db");
    if (!err)
        err = keys_open(h);
    if (!err)
        err = tls_open(h);
    if (!err)
        err = media_open(h);
    if (!err)
        err = make_edge(h);
    if (!err)
        err = vap_open(h);
    if (!err)
        err = sip_open(h);
    if (!err)
        err = mapping_open(h);
    if (err)
        return err;
    log_event(&d->log, LEVEL_NOTICE, "starts", "version=%s domains=%zu agents=%zu", IME_VERSION,
              d->settings->edge.domain_count, d->settings->edge.agent_count);
    return daemon_open_control(d, edge_handlers, edge_handler_count, h->edge);
}

/* Agents, networks, limits, thresholds, certificates and revocation lists: calls go on. */
static int reload(struct host *h, const struct settings *old)
{
    struct settings *s = h->daemon.settings;
    (void)old;
    edge_set_options(h->edge, daemon_now(&h->daemon), &s->edge);
    media_host_set_relay_options(h->media, &s->media.relay);
    return tls_read_again(h);
}

static void stop(struct host *h)
{
    mapping_close(h);
    sip_close(h);
    edge_free(h->edge);
    h->edge = NULL;
    media_close(h);
    vap_close(h);
    keys_close(h);
}

static void fini(struct host *h)
{
    tls_fini(h);
}

/* Each call leaves transactions and timers behind, which end half a minute later, unnoticed. */
#define SLACK_US 10000

static const struct daemon_program program = {
    .name = "ime-edge",
    .word = "edge",
    .about =
        "Runs the border element: SIP over TLS and SRTP outside, call agents inside. It lets no request in that does "
        "not carry a\ngood ticket, hides the inside, relays media and watches its quality.\n",
    .ctl = CTL_EDGE,
    .table = &settings_table,
    .load = settings_load,
    .unload = settings_free,
    .check = settings_check,
    .may_follow = settings_may_follow,
    .reload = reload,
    .start = start,
    .stop = stop,
    .fini = fini,
    .slack_us = SLACK_US,
    .large_pages = true,
    .turn = turn,
    .tick = tick,
    .set_now = set_now,
    .end = end,
};

int main(int argc, char **argv)
{
    static struct host host;
    if (argc == 2 && strcmp(argv[1], MEDIA_WORKER_ARGUMENT) == 0)
        return media_worker_main();
    return daemon_main(&host.daemon, &program, &host, argc, argv);
}
