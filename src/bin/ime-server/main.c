/* ime-server: what the core wants done, and the order of its start and end. */
#include "identity.h"

/* ---- what the core wants ---- */

static void perform(struct host *h, const struct server_effect *e)
{
    struct link *l;
    switch (e->kind) {
    case SERVER_RING_CONNECT:
        ring_connect(h, e);
        break;
    case SERVER_PVP_CONNECT:
        pvp_connect(h, e);
        break;
    case SERVER_RING_SEND:
    case SERVER_VAP_SEND:
    case SERVER_PVP_SEND:
        service_send(h, e);
        break;
    case SERVER_RING_CLOSE:
    case SERVER_VAP_CLOSE:
    case SERVER_PVP_CLOSE:
        l = service_find(service_of(h, e), e->conn);
        if (l) {
            log_event(&h->daemon.log, LEVEL_DEBUG, "close", "service=%s conn=%llu reason=\"%s\"", l->service->name,
                      (unsigned long long)e->conn, e->reason ? e->reason : "");
            link_drop(l, true);
        }
        break;
    case SERVER_DERIVE:
        derive_ticket_key(h, e->job);
        break;
    case SERVER_CONFIG:
        identity_config(h, e->config);
        config_poll_again(h);
        break;
    case SERVER_JOINED: /* the peer has logged it */
    case SERVER_LOOKED_UP:
        break;
    case SERVER_LEFT:
        daemon_stop(&h->daemon);
        break;
    case SERVER_NODE_LEFT:
        node_left(&h->nodes[e->node]);
        break;
    case SERVER_BANNED:
        config_poll_again(h); /* the core has raised the alert */
        break;
    }
}

static struct mono turn(struct host *h, struct now now)
{
    struct server_effect e;
    while (server_next(h->server, now, &e))
        perform(h, &e);
    if (server_wants_shutdown(h->server))
        daemon_stop(&h->daemon);
    return server_deadline(h->server);
}

static void tick(struct host *h, struct now now)
{
    server_tick(h->server, now);
}

static void set_now(struct host *h, struct now now)
{
    server_set_now(h->server, now);
}

/* ---- start and end ---- */

static int make_server(struct host *h, struct config *config)
{
    struct server_ports ports = {
        .entropy = &h->daemon.entropy,
        .log = &h->daemon.log,
        .kv = sqlite_store_kv(h->daemon.store),
        .security = h->nodes[0].security,
        .hasher = &h->hasher,
    };
    int err = server_new(&h->daemon.settings->server, &ports, config, h->nodes[0].id,
                         cert_not_after(h->nodes[0].certificate), daemon_now(&h->daemon), &h->server);
    if (err) {
        log_event(&h->daemon.log, LEVEL_ERROR, "server.failed", "error=%s%s", err_name(err),
                  err == ERR_NO_SPACE ? "; the disk of [server] data is full or read-only: make room" : "");
        return err;
    }
    server_add_counters(h->server, "ring.links", stream_counters_names, COUNTERS_VALUES(&h->nodes[0].links.counters));
    server_add_counters(h->server, "vap.connections", stream_counters_names, COUNTERS_VALUES(&h->vap.counters));
    server_add_counters(h->server, "pvp.connections", stream_counters_names, COUNTERS_VALUES(&h->pvp.counters));
    return 0;
}

/* Everything that can be opened or read; nobody is told yet that we are there. */
static int open_all(struct host *h)
{
    struct daemon *d = &h->daemon;
    struct config *config = NULL;
    int err = worker_pool_new(d->loop, 0, 100000, &h->workers);
    if (!err)
        err = daemon_open_store(d, "ime.db");
    if (!err)
        err = identity_prepare(h, &config);
    if (!err)
        err = make_server(h, config);
    if (!err)
        err = ring_listen(&h->nodes[0]);
    if (!err)
        err = vap_listen(h);
    if (!err)
        err = pvp_listen(h);
    if (!err)
        err = daemon_open_control(d, server_handlers, server_handler_count, h->server);
    if (!err)
        err = config_poll_start(h);
    return err;
}

static int derive_ticket_keys(struct host *h)
{
    const struct settings *s = h->daemon.settings;
    int err = 0;
    for (size_t i = 0; !err && i < s->domain_count; i++) {
        const struct domain_password *p = &s->domains[i];
        err = server_ticket_password(h->server, daemon_now(&h->daemon), p->domain, p->ticket_epoch, p->password);
        if (err)
            log_event(&h->daemon.log, LEVEL_ERROR, "ticket.password.failed", "domain=%s error=%s", p->domain,
                      err_name(err));
    }
    return err;
}

static int start(struct host *h)
{
    host_init_nodes(h);
    service_init(&h->vap, h, "vap", &vap_handler);
    service_init(&h->pvp, h, "pvp", &pvp_handler);
    hasher_init(h);
    int err = open_all(h);
    if (err)
        return err;
    char node[ID_HEX_OCTETS];
    log_event(&h->daemon.log, LEVEL_NOTICE, "starts", "version=%s server_id=%s node=%s overlay=%.*s", IME_VERSION,
              h->daemon.settings->server.server_id, id_format(h->nodes[0].id, node),
              SLICE_PRINT(server_config_of(h->server)->instance_name));
    err = derive_ticket_keys(h);
    if (err)
        return err;
    server_start(h->server, daemon_now(&h->daemon));
    return host_start_nodes(h);
}

static void stop(struct host *h)
{
    host_close_nodes(h);
    service_fini(&h->vap);
    service_fini(&h->pvp);
    config_poll_stop(h);
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++)
        certificate_unwatch(&h->nodes[i]);
    worker_pool_free(h->workers);
    hasher_fini(h);
    server_free(h->server);
    h->server = NULL;
}

static const struct daemon_program program = {
    .name = "ime-server",
    .word = "server",
    .about =
        "Runs an IME server: a peer of the ring, a VAP server for call agents, a validator and a granter of tickets.\n",
    .ctl = CTL_SERVER,
    .table = &settings_table,
    .load = settings_load,
    .unload = settings_free,
    .check = settings_check,
    .start = start,
    .stop = stop,
    .fini = identity_fini,
    .turn = turn,
    .tick = tick,
    .set_now = set_now,
};

int main(int argc, char **argv)
{
    static struct host host;
    return daemon_main(&host.daemon, &program, &host, argc, argv);
}
