/* The Node-IDs of this server: their security, TLS, listeners, and when they come and go. */
#include "base/mem.h"
#include "identity.h"

void daemon_init_nodes(struct daemon *d)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        struct node *n = &d->nodes[i];
        *n = (struct node){.daemon = d, .number = i};
        buf_init(&n->certificate_pem, 64u << 10);
        service_init(&n->links, d, "ring", &ring_handler);
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

void daemon_close_nodes(struct daemon *d)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        node_deafen(&d->nodes[i]);
        service_fini(&d->nodes[i].links);
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

void daemon_fini_nodes(struct daemon *d)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++)
        node_fini(&d->nodes[i]);
}

/* ---- what is made of a certificate ---- */

static int reload_or_new(struct tls_context **context, const struct tls_options *options)
{
    return *context ? tls_context_reload(*context, options) : tls_context_new(options, context);
}

/* Connections that stand stay as they are: only new ones see a renewed certificate. */
int node_tls(struct node *n, const struct config *config)
{
    struct daemon *d = n->daemon;
    struct tls_options options = {
        .role = TLS_SERVER,
        .peer = TLS_PEER_REQUIRED,
        .certificate = buf_slice(&n->certificate_pem),
        .key_pem = buf_slice(&d->key_pem),
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
        err = reload_or_new(&d->vap_tls, &options);
    if (err)
        log_event(&d->log, LEVEL_ERROR, "tls.failed", "node=%u error=%s", n->number, err_name(err));
    return err;
}

int node_security(struct node *n, const struct config *config)
{
    struct daemon *d = n->daemon;
    struct security_options options;
    security_options_default(&options);
    options.seed = entropy_u64(&d->entropy);
    return security_x509_new(&options, config, d->key, n->certificate, n->id, loop_now(d->loop).wall, &n->security);
}

void identity_config(struct daemon *d, const struct config *config)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        struct node *n = &d->nodes[i];
        if (!n->security)
            continue;
        int err = security_x509_set_config(n->security, config, loop_now(d->loop).wall);
        if (err)
            log_event(&d->log, LEVEL_ERROR, "config.security", "node=%u error=%s", i, err_name(err));
        node_tls(n, config);
    }
}

/* ---- coming and going ---- */

int node_run(struct node *n)
{
    struct daemon *d = n->daemon;
    const struct config *config = server_config_of(d->server);
    int err = node_tls(n, config);
    if (!err && !n->security)
        err = node_security(n, config);
    if (!err)
        err = ring_listen(n);
    if (!err) {
        const struct server_node node = {
            .number = n->number,
            .self = n->id,
            .address = settings_behind(d->settings.server.ring_address, n->number),
            .other_address = settings_behind(d->settings.server.ring_other_address, n->number),
            .security = n->security,
            .retires = n->retires,
        };
        err = server_node_add(d->server, loop_now(d->loop), &node);
    }
    if (err)
        log_event(&d->log, LEVEL_ERROR, "node.failed", "number=%u error=%s; tried again later", n->number,
                  err_name(err));
    n->running = !err;
    daemon_wake(d);
    return err;
}

void node_left(struct node *n)
{
    node_deafen(n);
    certificate_unwatch(n);
    certificate_forget(n);
}

int daemon_start_nodes(struct daemon *d)
{
    int err = 0;
    d->nodes[0].running = true;
    for (unsigned i = 1; !err && i < SERVER_NODES_MAX; i++) {
        struct node *n = &d->nodes[i];
        bool there = certificate_load(n, server_config_of(d->server));
        n->retires = i >= d->settings.node_ids;
        if (there)
            node_run(n);
        if (there || !n->retires)
            err = certificate_watch(n);
    }
    return err ? err : certificate_watch(&d->nodes[0]);
}
