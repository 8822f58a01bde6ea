/* Connections to the IME servers that the keys of tickets come from: looked up, made, and told. */
#include "host.h"

#include <stdio.h>

static struct now now_of(const struct vap_link *l)
{
    return daemon_now(&l->host->daemon);
}

static void tell_closed(struct vap_link *l, const char *why)
{
    l->up = false;
    vap_client_closed(l->host->vap, now_of(l), l->server, why);
    daemon_wake(&l->host->daemon);
}

static void on_ready(void *arg, struct stream *stream)
{
    struct vap_link *l = arg;
    (void)stream;
    l->up = true;
    vap_client_connected(l->host->vap, now_of(l), l->server);
    daemon_wake(&l->host->daemon);
}

static void on_input(void *arg, struct stream *stream, struct slice octets)
{
    struct vap_link *l = arg;
    (void)stream;
    vap_client_input(l->host->vap, now_of(l), l->server, octets);
    daemon_wake(&l->host->daemon);
}

static void on_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    struct vap_link *l = arg;
    (void)stream;
    l->stream = NULL;
    tell_closed(l, *detail ? detail : stream_reason_name(reason));
}

static const struct stream_handler vap_handler = {.ready = on_ready, .input = on_input, .closed = on_closed};

static void connect_to(struct vap_link *l, struct addr addr)
{
    struct host *h = l->host;
    const struct server_settings *s = &h->daemon.settings->server;
    addr.port = s->ports[l->server];
    const struct stream_connect_options options = {
        .remote = addr,
        .peer_name = s->tls_name ? s->tls_name : s->hosts[l->server],
        .stream = {.tls = h->vap_tls, .counters = &h->vap_counters, .service = "vap", .log = &h->daemon.log},
    };
    int err = stream_connect(h->daemon.loop, &options, &vap_handler, l, &l->stream);
    if (err)
        tell_closed(l, err_text(err));
}

static void on_answer(void *arg, struct dns_query *query, const struct sip_dns_answer *answer)
{
    struct vap_link *l = arg;
    (void)query;
    l->query = NULL;
    if (!answer->err && answer->count)
        connect_to(l, answer->records[0].addr);
    else
        tell_closed(l, "its name has no address");
}

static void link_open(struct vap_link *l)
{
    const struct server_settings *s = &l->host->daemon.settings->server;
    struct addr addr;
    char text[SIP_HOST_OCTETS_MAX + 3];
    if (l->stream || l->query)
        return;
    snprintf(text, sizeof text, strchr(s->hosts[l->server], ':') ? "[%s]" : "%s", s->hosts[l->server]);
    if (!addr_parse(slice_str(text), s->ports[l->server], &addr)) {
        connect_to(l, addr);
        return;
    }
    int err = dns_ask(l->host->dns, SIP_DNS_A, s->hosts[l->server], on_answer, l, &l->query);
    if (err)
        tell_closed(l, err_text(err));
}

static void link_close(struct vap_link *l)
{
    if (l->query)
        dns_cancel(l->query);
    if (l->stream)
        stream_finish(l->stream);
    l->query = NULL;
    l->stream = NULL;
    l->up = false;
}

static void link_send(struct vap_link *l, struct slice octets)
{
    if (!l->stream || stream_write(l->stream, octets) == 0)
        return;
    stream_close(l->stream);
    l->stream = NULL;
    tell_closed(l, "it does not take what we send");
}

/* Loss is told once, and again when there is another reason. */
static void set_online(struct vap_link *l, bool online, const char *reason)
{
    struct host *h = l->host;
    const char *name = h->daemon.settings->server.names[l->server];
    if (online == l->online && strcmp(reason, l->reason) == 0)
        return;
    if (online)
        log_event(&h->daemon.log, LEVEL_NOTICE, "ime_server.online", "server=%s", name);
    else
        log_event(&h->daemon.log, LEVEL_WARNING, "ime_server.away",
                  "server=%s reason=\"%s\": tickets are checked with the keys that it has told last", name, reason);
    if (online != l->online)
        l->since = now_of(l).wall;
    l->online = online;
    snprintf(l->reason, sizeof l->reason, "%s", reason);
    if (!online)
        keys_server_lost(h, l->server);
}

static void perform(struct host *h, const struct vap_client_effect *e)
{
    struct vap_link *l = &h->links[e->server];
    switch (e->kind) {
    case VAP_CLIENT_CONNECT:
        link_open(l);
        break;
    case VAP_CLIENT_SEND:
        link_send(l, e->octets);
        break;
    case VAP_CLIENT_DISCONNECT:
        link_close(l);
        break;
    case VAP_CLIENT_ONLINE:
        set_online(l, true, "");
        break;
    case VAP_CLIENT_OFFLINE:
        set_online(l, false, e->reason);
        break;
    case VAP_CLIENT_KEYS_SUBSCRIBED:
    case VAP_CLIENT_KEYS_REFUSED:
    case VAP_CLIENT_KEYS:
        keys_perform(h, e);
        break;
    case VAP_CLIENT_ALARM:
        log_event(&h->daemon.log, LEVEL_ERROR, "ime_server.alarm", "server=%s alarm=%s reason=\"%s\"",
                  h->daemon.settings->server.names[e->server], vap_alarm_name(e->alarm), e->reason);
        break;
    case VAP_CLIENT_NOTIFY: /* nothing of these was asked for */
    case VAP_CLIENT_SUBSCRIBED:
    case VAP_CLIENT_UPLOADED:
    case VAP_CLIENT_PUBLISHED:
    case VAP_CLIENT_REVOKED:
    case VAP_CLIENT_STOPPED:
        break;
    }
}

struct mono vap_turn(struct host *h, struct now now)
{
    struct vap_client_effect e;
    if (!h->vap)
        return MONO_NEVER;
    if (mono_due(vap_client_deadline(h->vap), now.mono))
        vap_client_tick(h->vap, now);
    while (vap_client_next(h->vap, &e))
        perform(h, &e);
    return vap_client_deadline(h->vap);
}

/* ---- start and end ---- */

static int make_client(struct host *h)
{
    const struct settings *s = h->daemon.settings;
    const char *domains[EDGE_DOMAINS_MAX];
    struct vap_client_config config;
    vap_client_config_init(&config);
    config.name = "OpenIME/" IME_VERSION "/ime-edge";
    config.label = "edge";
    config.user = s->server.user;
    config.password = s->server.password;
    config.servers = s->server.count;
    config.reconnect_ms = s->server.reconnect_ms;
    config.transaction_ms = s->server.transaction_ms;
    for (size_t i = 0; i < h->told_count; i++)
        domains[i] = s->edge.domains[h->told[i]].name;
    config.key_domains = domains;
    config.key_domain_count = h->told_count;
    return vap_client_new(&config, &h->daemon.entropy, &h->daemon.log, daemon_now(&h->daemon), &h->vap);
}

int vap_open(struct host *h)
{
    const struct server_settings *s = &h->daemon.settings->server;
    struct dns_options options;
    if (!h->told_count)
        return 0;
    for (unsigned i = 0; i < s->count; i++)
        h->links[i] =
            (struct vap_link){.host = h, .server = i, .since = daemon_now(&h->daemon).wall, .reason = "not tried yet"};
    dns_options_init(&options);
    options.log = &h->daemon.log;
    int err = dns_new(h->daemon.loop, &options, &h->dns);
    if (!err)
        err = make_client(h);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "ime_server.failed", "error=%s", err_name(err));
    return err;
}

void vap_close(struct host *h)
{
    for (unsigned i = 0; i < VAP_SERVERS_MAX; i++)
        link_close(&h->links[i]);
    vap_client_free(h->vap);
    h->vap = NULL;
    dns_free(h->dns);
    h->dns = NULL;
}
