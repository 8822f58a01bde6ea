/* Connections of call agents. */
#include "host.h"

static void vap_ready(void *arg, struct stream *stream)
{
    struct link *l = arg;
    struct host *h = l->service->host;
    struct addr remote = stream_peer_addr(stream);
    char text[ADDR_TEXT_OCTETS];
    static uint64_t next_id = 1;
    if (link_register(l, next_id++) < 0) {
        link_drop(l, false);
        return;
    }
    addr_format(&remote, text);
    int err = vap_server_open(server_vap(h->server), daemon_now(&h->daemon), l->id, l->tls, text);
    if (err) {
        log_event(&h->daemon.log, LEVEL_NOTICE, "vap.refused", "peer=%s reason=%s", text, err_name(err));
        link_drop(l, false);
        return;
    }
    daemon_wake(&h->daemon);
}

static void vap_input(void *arg, struct stream *stream, struct slice octets)
{
    struct link *l = arg;
    struct host *h = l->service->host;
    (void)stream;
    vap_server_input(server_vap(h->server), daemon_now(&h->daemon), l->id, octets);
    daemon_wake(&h->daemon);
}

static void vap_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    struct link *l = arg;
    struct host *h = l->service->host;
    (void)stream;
    if (!stream_reason_is_refusal(reason))
        log_event(&h->daemon.log, LEVEL_DEBUG, "vap.closed", "conn=%llu reason=%s detail=\"%s\"",
                  (unsigned long long)l->id, stream_reason_name(reason), detail);
    l->stream = NULL;
    if (l->id)
        vap_server_closed(server_vap(h->server), l->id);
    link_drop(l, false);
    daemon_wake(&h->daemon);
}

const struct stream_handler vap_handler = {vap_ready, vap_input, NULL, vap_closed};

static void accept_stream(struct host *h, struct stream *stream, bool tls)
{
    struct link *l = link_new(&h->vap, true);
    if (!l) {
        stream_close(stream);
        return;
    }
    l->tls = tls;
    link_set_stream(l, stream);
}

static void vap_accept_tls(void *arg, struct stream *stream)
{
    accept_stream(arg, stream, true);
}

static void vap_accept_plain(void *arg, struct stream *stream)
{
    accept_stream(arg, stream, false);
}

int vap_listen(struct host *h)
{
    struct listener_options options = {
        .connections_max = h->daemon.settings->server.vap_connections_max,
        .stream = {.tls = h->vap_tls, .counters = &h->vap.counters, .service = "vap", .log = &h->daemon.log},
    };
    int err = 0;
    for (size_t i = 0; !err && i < h->daemon.settings->vap_listen_count; i++) {
        options.bind = settings_vap_listen(h->daemon.settings, i);
        err = daemon_listen(&h->daemon, "vap", &options, vap_accept_tls, h);
    }
    options.stream.tls = NULL;
    for (size_t i = 0; !err && i < h->daemon.settings->vap_plain_count; i++) {
        options.bind = settings_vap_plain(h->daemon.settings, i);
        err = daemon_listen(&h->daemon, "vap, plain", &options, vap_accept_plain, h);
    }
    return err;
}
