/* ime-agent: what the core wants done, and the order of its start and end. */
#include "host.h"

static void perform(struct host *h, const struct agent_effect *e)
{
    switch (e->kind) {
    case AGENT_SEND:
        sip_send(h, e);
        break;
    case AGENT_LOCATE:
        sip_locate_trunk(h, e->trunk);
        break;
    case AGENT_MAPPING:
        mapping_perform(h, e->mapping);
        break;
    case AGENT_SOUND:
        sound_host_send(h->sound, e->sound, &e->to, e->octets);
        break;
    case AGENT_VAP:
        vap_perform(h, e);
        break;
    case AGENT_STOPPED:
        daemon_stop(&h->daemon);
        break;
    }
}

static struct mono turn(struct host *h, struct now now)
{
    struct agent_effect e;
    if (agent_wants_shutdown(h->agent))
        agent_stop(h->agent, now);
    while (agent_next(h->agent, now, &e))
        perform(h, &e);
    struct mono due = sip_relocate(h, now); /* what it finds out wakes the daemon */
    due = mono_min(due, tls_watch(h, now));
    return mono_min(due, agent_deadline(h->agent));
}

static void tick(struct host *h, struct now now)
{
    agent_tick(h->agent, now);
}

static void set_now(struct host *h, struct now now)
{
    agent_set_now(h->agent, now);
}

static void end(struct host *h)
{
    agent_stop(h->agent, daemon_now(&h->daemon));
    daemon_wake(&h->daemon);
}

/* ---- start and end ---- */

static int make_parts(struct host *h)
{
    const struct kv *kv = sqlite_store_kv(h->daemon.store);
    const struct settings *s = h->daemon.settings;
    const struct agent_route_watch watch = {agent_service_route_removed, &h->alarms};
    agent_alarms_init(&h->alarms, &h->daemon.log);
    int err = agent_routes_new(&s->routes, kv, &h->daemon.entropy, &watch, &h->routes);
    if (!err)
        err = agent_records_new(&s->records, kv, daemon_now(&h->daemon), &h->records);
    if (!err)
        err = agent_provision_new(kv, s->enrolled, &h->daemon.log, &h->provision);
    return err;
}

static int read_again(void *ctx, struct buf *report)
{
    struct host *h = ctx;
    return daemon_reload(&h->daemon, report);
}

static int make_agent(struct host *h)
{
    const struct settings *s = h->daemon.settings;
    const struct agent_ports ports = {.entropy = &h->daemon.entropy,
                                      .log = &h->daemon.log,
                                      .kv = sqlite_store_kv(h->daemon.store),
                                      .ticket = h->keyring ? ticket_check_call : NULL,
                                      .ticket_ctx = h,
                                      .reload = read_again,
                                      .reload_ctx = h,
                                      .sound = h->sound ? &h->sound_port : NULL};
    const struct agent_parts parts = {.enrolled = agent_provision_enrolled(h->provision),
                                      .provision = h->provision,
                                      .routes = h->routes,
                                      .records = h->records,
                                      .alarms = &h->alarms,
                                      .services = h->service_list,
                                      .service_count = s->service_count};
    h->options = s->agent;
    int err = agent_new(&h->options, &ports, &parts, daemon_now(&h->daemon), &h->agent);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "agent.failed", "error=%s", err_name(err));
    else
        agent_add_counters(h->agent, "vap", stream_counters_names, COUNTERS_VALUES(&h->vap_counters));
    if (!err && h->sound)
        agent_add_counters(h->agent, "sound", sound_host_counters_names,
                           COUNTERS_VALUES(sound_host_counters(h->sound)));
    if (!err && s->agent.mapping_service.family)
        agent_add_counters(h->agent, "mapping", stream_counters_names, COUNTERS_VALUES(&h->mapping_counters));
    return err;
}

static int start(struct host *h)
{
    struct daemon *d = &h->daemon;
    int err = daemon_open_store(d, "agent.db");
    if (!err)
        err = make_parts(h);
    if (!err)
        err = ticket_open(h);
    if (!err)
        err = vap_open(h);
    if (!err)
        err = sound_open(h);
    if (!err)
        err = make_agent(h);
    if (!err)
        err = sip_open(h);
    if (!err)
        err = post_open(h);
    if (err)
        return err;
    log_event(&d->log, LEVEL_NOTICE, "starts", "version=%s domain=%s routes=%zu", IME_VERSION,
              d->settings->agent.domain, agent_routes_count(h->routes));
    agent_start(h->agent, daemon_now(d));
    return daemon_open_control(d, agent_handlers, agent_handler_count, h->agent);
}

/* Who takes part, whom we trust, how numbers are written, renewed certificates: calls go on. */
static int reload(struct host *h, const struct settings *old)
{
    settings_follow(h->daemon.settings, (struct settings *)old, &h->options);
    int failed = tls_read_again(h);
    int err = agent_set_enrolled(h->agent, daemon_now(&h->daemon), h->daemon.settings->enrolled);
    return err ? err : failed;
}

static void stop(struct host *h)
{
    sip_close(h);
    mapping_close(h);
    agent_free(h->agent);
    h->agent = NULL;
    sound_close(h);
    vap_close(h);
    ticket_close(h);
    agent_records_free(h->records);
    post_close(h);
    agent_routes_free(h->routes);
    agent_provision_free(h->provision);
}

static void fini(struct host *h)
{
    sip_fini(h);
    vap_fini(h);
    post_fini(h);
}

/* Each call leaves half a dozen transactions and timers behind, which end half a minute later, unnoticed. */
#define SLACK_US 10000

/* What a crash may cost of the records of a busy time. */
#define COMMIT_GAP_MAX_US 200000

/* A call has a row while it lasts, and another until an IME server has its record: those of short calls never get into the table. */
#define RECENT_OCTETS_MAX (4u << 20)

static const struct daemon_program program = {
    .name = "ime-agent",
    .word = "agent",
    .about = "Runs a call agent: a back-to-back user agent between a PBX, its trunks to the phone network, and other "
             "companies. Calls to\n"
             "numbers with a learned route go direct; all others, and all that fail on the way, go over the phone "
             "network.\n",
    .ctl = CTL_AGENT,
    .table = &settings_table,
    .load = settings_load,
    .unload = settings_free,
    .may_follow = settings_may_follow,
    .reload = reload,
    .start = start,
    .stop = stop,
    .fini = fini,
    .slack_us = SLACK_US,
    .commit_gap_max_us = COMMIT_GAP_MAX_US,
    .recent_octets_max = RECENT_OCTETS_MAX,
    .large_pages = true,
    .turn = turn,
    .tick = tick,
    .set_now = set_now,
    .end = end,
};

int main(int argc, char **argv)
{
    static struct host host;
    return daemon_main(&host.daemon, &program, &host, argc, argv);
}
