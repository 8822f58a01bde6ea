/* The Node-IDs of this server: their security, TLS, listeners, and when they come and go. */
#include "base/mem.h"
#include "identity.h"

void host_init_nodes(struct host *h)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        struct node *n = &h->nodes[i];
        *n = (struct node){.host = h, .number = i};
        buf_init(&n->certificate_pem, 64u << 10);
        service_init(&n->links, h, "ring", &ring_handler);
        n->links.node = i;
    }
}

static void node_deafen(struct node *n)
{
    for (unsigned i = 0; i < 2; i++) {
        listener_close(n->listeners[i]);
        n->listeners[i] = NULL;
    }
}

void host_close_nodes(struct host *h)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        node_deafen(&h->nodes[i]);
        service_fini(&h->nodes[i].links);
    }
}

static void node_fini(struct node *n)
{
    certificate_unwatch(n);
    security_x509_free(n->security);
    tls_context_free(n->tls_server);
    tls_context_free(n->tls_client);
    cert_free(n->certificate);
    buf_fini(&n->certificate_pem);
}

void host_fini_nodes(struct host *h)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++)
        node_fini(&h->nodes[i]);
}

/* ---- what is made of a certificate ---- */

static int reload_or_new(struct tls_context **context, const struct tls_options *options)
{
    return *context ? tls_context_reload(*context, options) : tls_context_new(options, context);
}

/* Connections that stand stay as they are: only new ones see a renewed certificate. */
int node_tls(struct node *n, const struct config *config)
{
    struct host *h = n->host;
    struct tls_options options = {
        .role = TLS_SERVER,
        .peer = TLS_PEER_REQUIRED,
        .certificate = buf_slice(&n->certificate_pem),
        .key_pem = buf_slice(&h->key_pem),
        .trust = config->root_certs,
        .trust_count = config->root_cert_count,
    };
    int err = reload_or_new(&n->tls_server, &options);
    options.role = TLS_CLIENT;
    if (!err)
        err = reload_or_new(&n->tls_client, &options);
    options.role = TLS_SERVER;
    options.peer = TLS_PEER_NONE;
    if (!err && n->number == 0)
        err = reload_or_new(&h->vap_tls, &options);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "tls.failed", "node=%u error=%s", n->number, err_name(err));
    return err;
}

int node_security(struct node *n, const struct config *config)
{
    struct host *h = n->host;
    struct security_options options;
    security_options_default(&options);
    options.seed = entropy_u64(&h->daemon.entropy);
    return security_x509_new(&options, config, h->key, n->certificate, n->id, daemon_now(&h->daemon).wall,
                             &n->security);
}

void identity_config(struct host *h, const struct config *config)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        struct node *n = &h->nodes[i];
        if (!n->security)
            continue;
        int err = security_x509_set_config(n->security, config, daemon_now(&h->daemon).wall);
        if (err)
            log_event(&h->daemon.log, LEVEL_ERROR, "config.security", "node=%u error=%s", i, err_name(err));
        node_tls(n, config);
        certificate_follow(n, config);
    }
}

/* ---- coming and going ---- */

int node_run(struct node *n)
{
    struct host *h = n->host;
    const struct config *config = server_config_of(h->server);
    int err = node_tls(n, config);
    if (!err && !n->security)
        err = node_security(n, config);
    if (!err)
        err = ring_listen(n);
    if (!err) {
        const struct server_node node = {
            .number = n->number,
            .self = n->id,
            .address = settings_behind(h->daemon.settings->server.ring_address, n->number),
            .other_address = settings_behind(h->daemon.settings->server.ring_other_address, n->number),
            .security = n->security,
            .retires = n->retires,
        };
        err = server_node_add(h->server, daemon_now(&h->daemon), &node);
    }
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "node.failed", "number=%u error=%s; tried again later", n->number,
                  err_name(err));
    n->running = !err;
    daemon_wake(&h->daemon);
    return err;
}

void node_left(struct node *n)
{
    node_deafen(n);
    certificate_unwatch(n);
    certificate_forget(n);
}

int host_start_nodes(struct host *h)
{
    int err = 0;
    h->nodes[0].running = true;
    for (unsigned i = 1; !err && i < SERVER_NODES_MAX; i++) {
        struct node *n = &h->nodes[i];
        bool there = certificate_load(n, server_config_of(h->server));
        n->retires = i >= h->daemon.settings->node_ids;
        if (there)
            node_run(n);
        if (there || !n->retires)
            err = certificate_watch(n);
    }
    return err ? err : certificate_watch(&h->nodes[0]);
}
