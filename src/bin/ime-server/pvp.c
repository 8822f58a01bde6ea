/* Validation connections, both ways: TLS-SRP, whose password the core knows. */
#include "host.h"

static bool exporter_of(struct stream *stream, uint8_t exporter[PVP_EXPORTER_OCTETS])
{
    return stream_export(stream, PVP_EXPORTER_LABEL, exporter, PVP_EXPORTER_OCTETS) == 0;
}

static void pvp_ready(void *arg, struct stream *stream)
{
    struct link *l = arg;
    struct host *h = l->service->host;
    struct now now = daemon_now(&h->daemon);
    uint8_t exporter[PVP_EXPORTER_OCTETS];
    bool good = exporter_of(stream, exporter);
    l->up = true;
    if (!good) {
        if (l->incoming)
            server_pvp_closed(h->server, now, l->id);
        else
            server_pvp_connected(h->server, now, l->id, PVP_CONNECT_UNREACHABLE, NULL);
        link_drop(l, false);
    } else if (l->incoming) {
        server_pvp_handshake(h->server, now, l->id, PVP_HANDSHAKE_GOOD, exporter);
    } else {
        server_pvp_connected(h->server, now, l->id, PVP_CONNECT_GOOD, exporter);
    }
    daemon_wake(&h->daemon);
}

static void pvp_input(void *arg, struct stream *stream, struct slice octets)
{
    struct link *l = arg;
    struct host *h = l->service->host;
    (void)stream;
    server_pvp_input(h->server, daemon_now(&h->daemon), l->id, octets);
    daemon_wake(&h->daemon);
}

/* Who goes away in the middle of the handshake has learned nothing; to whom we answered with an alert, has. */
static bool may_have_guessed(enum stream_reason reason)
{
    return reason != STREAM_PEER_CLOSED && reason != STREAM_RESET && reason != STREAM_HANDSHAKE_TIMEOUT;
}

static void pvp_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    struct link *l = arg;
    struct host *h = l->service->host;
    struct now now = daemon_now(&h->daemon);
    (void)stream;
    if (!stream_reason_is_refusal(reason))
        log_event(&h->daemon.log, LEVEL_DEBUG, "pvp.closed", "conn=%llu incoming=%d reason=%s detail=\"%s\"",
                  (unsigned long long)l->id, l->incoming, stream_reason_name(reason), detail);
    l->stream = NULL;
    if (l->incoming) {
        if (!l->up && l->asked && may_have_guessed(reason))
            server_pvp_handshake(h->server, now, l->id, PVP_HANDSHAKE_BAD, NULL);
        server_pvp_closed(h->server, now, l->id);
    } else if (!l->up) {
        server_pvp_connected(h->server, now, l->id,
                             reason == STREAM_SRP_FAILED ? PVP_CONNECT_NOT_PROVED : PVP_CONNECT_UNREACHABLE, NULL);
    } else {
        server_pvp_closed(h->server, now, l->id);
    }
    link_drop(l, false);
    daemon_wake(&h->daemon);
}

const struct stream_handler pvp_handler = {pvp_ready, pvp_input, NULL, pvp_closed};

static int pvp_password(void *arg, struct stream *stream, struct slice username, struct buf *ret_password)
{
    struct host *h = arg;
    struct link *l = stream_arg(stream);
    l->asked = true;
    return server_pvp_password(h->server, daemon_now(&h->daemon), l->id, username, ret_password);
}

static void pvp_accept(void *arg, struct stream *stream)
{
    struct host *h = arg;
    struct link *l = link_new(&h->pvp, true);
    struct addr source = stream_peer_addr(stream);
    uint64_t id = 0;
    int err = l ? server_pvp_accept(h->server, daemon_now(&h->daemon), &source, &id) : ERR_NO_MEMORY;
    if (err || link_register(l, id) < 0) {
        if (!err)
            server_pvp_closed(h->server, daemon_now(&h->daemon), id);
        stream_close(stream);
        if (l)
            link_drop(l, false);
        return;
    }
    link_set_stream(l, stream);
    daemon_wake(&h->daemon);
}

/* A secret of the process: what unknown usernames are answered with need not outlive it, since a restart forgets the connections. */
static int make_contexts(struct host *h)
{
    uint8_t mask_key[TLS_SRP_MASK_KEY_OCTETS];
    entropy_fill(&h->daemon.entropy, mask_key, sizeof mask_key);
    int err = tls_srp_server_new(mask_key, pvp_password, h, &h->pvp_server);
    if (!err)
        err = tls_srp_client_new(&h->pvp_client);
    return err;
}

int pvp_listen(struct host *h)
{
    struct listener_options options = {
        .stream = {.counters = &h->pvp.counters, .service = "pvp", .log = &h->daemon.log},
    };
    int err = make_contexts(h);
    options.stream.tls = h->pvp_server;
    for (unsigned i = 0; !err && i < 2; i++) {
        options.bind = h->daemon.settings->pvp_listen[i];
        if (options.bind.family)
            err = daemon_listen(&h->daemon, "pvp", &options, pvp_accept, h);
    }
    return err;
}

void pvp_connect(struct host *h, const struct server_effect *e)
{
    struct link *l = link_new(&h->pvp, false);
    struct stream_connect_options options = {
        .remote = e->addr,
        .local = local_for(h->daemon.settings->pvp_listen, &e->addr),
        .srp_username = e->username,
        .srp_password = e->password,
        .stream = {.tls = h->pvp_client, .counters = &h->pvp.counters, .service = "pvp", .log = &h->daemon.log},
    };
    int err = l ? link_register(l, e->conn) : ERR_NO_MEMORY;
    if (!err)
        err = stream_connect(h->daemon.loop, &options, &pvp_handler, l, &l->stream);
    if (err) {
        server_pvp_connected(h->server, daemon_now(&h->daemon), e->conn, PVP_CONNECT_UNREACHABLE, NULL);
        if (l)
            link_drop(l, false);
    }
}
