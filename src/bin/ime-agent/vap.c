/* Connections to the IME servers of the services: looked up, made, and told. */
#include "host.h"

#include <stdio.h>

static struct agent_conf_service *conf_of(const struct vap_link *l)
{
    return &l->host->daemon.settings->services[l->service].service;
}

static struct agent_service *service_of(const struct vap_link *l)
{
    return l->host->services[l->service].service;
}

static void tell_closed(struct vap_link *l, enum agent_service_failure failure, const char *why)
{
    struct host *h = l->host;
    l->up = false;
    agent_service_closed(service_of(l), daemon_now(&h->daemon), l->server, failure, why);
    daemon_wake(&h->daemon);
}

static void on_ready(void *arg, struct stream *stream)
{
    struct vap_link *l = arg;
    (void)stream;
    l->up = true;
    agent_service_connected(service_of(l), daemon_now(&l->host->daemon), l->server);
    daemon_wake(&l->host->daemon);
}

static void on_input(void *arg, struct stream *stream, struct slice octets)
{
    struct vap_link *l = arg;
    (void)stream;
    agent_service_input(service_of(l), daemon_now(&l->host->daemon), l->server, octets);
    daemon_wake(&l->host->daemon);
}

static void on_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    struct vap_link *l = arg;
    const bool tls =
        reason == STREAM_HANDSHAKE_TIMEOUT || (reason >= STREAM_TLS_NO_CERTIFICATE && reason <= STREAM_TLS_PROTOCOL);
    (void)stream;
    l->stream = NULL;
    tell_closed(l, l->up ? AGENT_SERVICE_CLOSED : tls ? AGENT_SERVICE_TLS_FAILED : AGENT_SERVICE_TCP_FAILED, detail);
}

static const struct stream_handler vap_handler = {.ready = on_ready, .input = on_input, .closed = on_closed};

static void connect_to(struct vap_link *l, struct addr addr)
{
    struct host *h = l->host;
    const struct agent_conf_service *c = conf_of(l);
    addr.port = c->ports[l->server];
    const struct stream_connect_options options = {
        .remote = addr,
        .peer_name = c->tls_name ? c->tls_name : c->hosts[l->server],
        .stream = {.tls = h->services[l->service].tls,
                   .counters = &h->vap_counters,
                   .service = "vap",
                   .log = &h->daemon.log},
    };
    int err = stream_connect(h->daemon.loop, &options, &vap_handler, l, &l->stream);
    if (err)
        tell_closed(l, AGENT_SERVICE_TCP_FAILED, err_text(err));
}

static void on_answer(void *arg, struct dns_query *query, const struct sip_dns_answer *answer)
{
    struct vap_link *l = arg;
    (void)query;
    l->query = NULL;
    if (!answer->err && answer->count)
        connect_to(l, answer->records[0].addr);
    else
        tell_closed(l, AGENT_SERVICE_TCP_FAILED, "the server's name has no address");
}

static void link_open(struct vap_link *l)
{
    const struct agent_conf_service *c = conf_of(l);
    struct addr addr;
    char text[SIP_HOST_OCTETS_MAX + 3];
    if (l->stream || l->query)
        return;
    snprintf(text, sizeof text, strchr(c->hosts[l->server], ':') ? "[%s]" : "%s", c->hosts[l->server]);
    if (!addr_parse(slice_str(text), c->ports[l->server], &addr)) {
        connect_to(l, addr);
        return;
    }
    int err = dns_ask(l->host->dns, SIP_DNS_A, c->hosts[l->server], on_answer, l, &l->query);
    if (err)
        tell_closed(l, AGENT_SERVICE_TCP_FAILED, err_text(err));
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

void vap_perform(struct host *h, const struct agent_effect *e)
{
    struct vap_link *l = &h->services[e->service].links[e->vap->server];
    switch (e->vap->kind) {
    case AGENT_SERVICE_CONNECT:
        link_open(l);
        break;
    case AGENT_SERVICE_SEND:
        if (l->stream && stream_write(l->stream, e->vap->octets) < 0) {
            stream_close(l->stream);
            l->stream = NULL;
            tell_closed(l, AGENT_SERVICE_CLOSED, "it does not take what we send");
        }
        break;
    case AGENT_SERVICE_DISCONNECT:
        link_close(l);
        break;
    case AGENT_SERVICE_STOPPED:
        break;
    }
}

/* ---- start and end ---- */

static int open_service(struct host *h, unsigned i)
{
    const struct agent_conf_service *c = &h->daemon.settings->services[i].service;
    const struct agent_service_parts parts = {.enrolled = agent_provision_enrolled(h->provision),
                                              .routes = h->routes,
                                              .records = h->records,
                                              .alarms = &h->alarms,
                                              .entropy = &h->daemon.entropy,
                                              .log = &h->daemon.log};
    struct vap_service *s = &h->services[i];
    for (unsigned server = 0; server < VAP_SERVERS_MAX; server++)
        s->links[server] = (struct vap_link){.host = h, .service = i, .server = server};
    int err = c->ca ? tls_of_authority(h, c->ca, &s->tls) : 0;
    if (!err)
        err = agent_service_new(&c->config, &parts, daemon_now(&h->daemon), &s->service);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "service.failed", "name=%s error=%s", c->config.name, err_name(err));
    h->service_list[i] = s->service;
    return err;
}

int vap_open(struct host *h)
{
    struct dns_options options;
    dns_options_init(&options);
    options.log = &h->daemon.log;
    int err = dns_new(h->daemon.loop, &options, &h->dns);
    for (unsigned i = 0; !err && i < h->daemon.settings->service_count; i++)
        err = open_service(h, i);
    return err;
}

void vap_close(struct host *h)
{
    for (unsigned i = 0; i < SERVICES_MAX; i++) {
        for (unsigned server = 0; server < VAP_SERVERS_MAX; server++) {
            if (h->services[i].links[server].host)
                link_close(&h->services[i].links[server]);
        }
        agent_service_free(h->services[i].service);
        h->services[i].service = NULL;
    }
    dns_free(h->dns);
    h->dns = NULL;
}

void vap_fini(struct host *h)
{
    for (unsigned i = 0; i < SERVICES_MAX; i++)
        tls_context_free(h->services[i].tls);
}
