/* Links of the ring: TLS both ways with the Node-ID's own certificate; whom we talk to is for the peer to judge. */
#include "host.h"

static struct peer *peer_of(const struct link *l)
{
    return server_node_peer(l->service->host->server, l->service->node);
}

static void ring_ready(void *arg, struct stream *stream)
{
    struct link *l = arg;
    struct host *h = l->service->host;
    struct peer *peer = peer_of(l);
    struct now now = daemon_now(&h->daemon);
    struct slice certificate = stream_peer_certificate(stream);
    int err;
    if (l->incoming) {
        struct addr remote = stream_peer_addr(stream);
        uint64_t id = 0;
        err = peer_link_accept(peer, now, &remote, certificate, &id);
        if (!err) {
            err = link_register(l, id);
            if (err)
                peer_link_down(peer, now, id);
        }
    } else {
        err = peer_link_up(peer, now, l->id, certificate);
    }
    l->up = true;
    if (err)
        link_drop(l, false);
    daemon_wake(&h->daemon);
}

static void ring_input(void *arg, struct stream *stream, struct slice octets)
{
    struct link *l = arg;
    struct host *h = l->service->host;
    (void)stream;
    peer_link_input(peer_of(l), daemon_now(&h->daemon), l->id, octets);
    daemon_wake(&h->daemon);
}

static int connect_error(enum stream_reason reason)
{
    switch (reason) {
    case STREAM_CONNECT_TIMEOUT:
    case STREAM_HANDSHAKE_TIMEOUT:
        return ERR_TIMEOUT;
    case STREAM_TLS_NO_CERTIFICATE:
    case STREAM_TLS_SELF_SIGNED:
    case STREAM_TLS_UNKNOWN_CA:
    case STREAM_TLS_EXPIRED:
    case STREAM_TLS_WRONG_NAME:
    case STREAM_TLS_BAD_CERTIFICATE:
        return ERR_AUTH;
    default:
        return ERR_UNREACHABLE;
    }
}

static void ring_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    struct link *l = arg;
    struct host *h = l->service->host;
    (void)stream;
    if (!stream_reason_is_refusal(reason))
        log_event(&h->daemon.log, LEVEL_DEBUG, "ring.connection.closed", "link=%llu reason=%s detail=\"%s\"",
                  (unsigned long long)l->id, stream_reason_name(reason), detail);
    l->stream = NULL;
    if (l->id && l->up)
        peer_link_down(peer_of(l), daemon_now(&h->daemon), l->id);
    else if (l->id)
        peer_link_connect_failed(peer_of(l), daemon_now(&h->daemon), l->id, connect_error(reason));
    link_drop(l, false);
    daemon_wake(&h->daemon);
}

const struct stream_handler ring_handler = {ring_ready, ring_input, NULL, ring_closed};

static void ring_accept(void *arg, struct stream *stream)
{
    struct node *n = arg;
    struct link *l = link_new(&n->links, true);
    if (!l) {
        stream_close(stream);
        return;
    }
    link_set_stream(l, stream);
}

/* The connections of all Node-IDs are counted together. */
static struct stream_options stream_of(struct node *n, struct tls_context *tls)
{
    struct host *h = n->host;
    return (struct stream_options){
        .tls = tls, .counters = &h->nodes[0].links.counters, .service = "ring", .log = &h->daemon.log};
}

int ring_listen(struct node *n)
{
    struct listener_options options = {.stream = stream_of(n, n->tls_server)};
    int err = 0;
    for (unsigned i = 0; !err && i < 2; i++) {
        options.bind = settings_behind(n->host->daemon.settings->ring_listen[i], n->number);
        if (options.bind.family && !n->listeners[i])
            err = daemon_open_listener(&n->host->daemon, "ring", &options, ring_accept, n, &n->listeners[i]);
    }
    return err;
}

struct addr local_for(const struct addr listen[2], const struct addr *remote)
{
    struct addr local = {0};
    for (unsigned i = 0; i < 2; i++)
        if (listen[i].family == remote->family)
            local = listen[i];
    local.port = 0;
    return local;
}

void ring_connect(struct host *h, const struct server_effect *e)
{
    struct node *n = &h->nodes[e->node];
    struct link *l = link_new(&n->links, false);
    struct stream_connect_options options = {
        .remote = e->addr,
        .local = local_for(h->daemon.settings->ring_listen, &e->addr),
        .stream = stream_of(n, n->tls_client),
    };
    int err = l ? link_register(l, e->conn) : ERR_NO_MEMORY;
    if (!err)
        err = stream_connect(h->daemon.loop, &options, &ring_handler, l, &l->stream);
    if (err) {
        peer_link_connect_failed(server_node_peer(h->server, e->node), daemon_now(&h->daemon), e->conn, err);
        if (l)
            link_drop(l, false);
    }
}
