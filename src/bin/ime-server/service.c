/* The connections of one service, by the numbers under which the core knows them. */
#include "host.h"

#include "base/mem.h"

#define LINKS_MAX 100000

void service_init(struct service *service, struct host *h, const char *name, const struct stream_handler *handler)
{
    *service = (struct service){.host = h, .name = name, .handler = handler};
    map_init(&service->links, LINKS_MAX, entropy_u64(&h->daemon.entropy));
}

void service_fini(struct service *service)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&service->links, &it)) {
        struct link *l = it.value;
        stream_close(l->stream);
        mem_free(l);
    }
    map_fini(&service->links);
}

struct link *link_new(struct service *service, bool incoming)
{
    struct link *l = mem_alloc(sizeof *l);
    if (!l)
        return NULL;
    l->service = service;
    l->incoming = incoming;
    return l;
}

void link_set_stream(struct link *l, struct stream *stream)
{
    l->stream = stream;
    stream_set_handler(stream, l->service->handler, l);
}

int link_register(struct link *l, uint64_t id)
{
    l->id = id;
    int err = map_set(&l->service->links, slice_of(&l->id, sizeof l->id), l);
    if (err)
        l->id = 0;
    return err;
}

struct link *service_find(const struct service *service, uint64_t id)
{
    return map_get(&service->links, slice_of(&id, sizeof id));
}

void link_drop(struct link *l, bool finish)
{
    if (l->id)
        map_remove(&l->service->links, slice_of(&l->id, sizeof l->id));
    if (l->stream && finish)
        stream_finish(l->stream);
    else if (l->stream)
        stream_close(l->stream);
    mem_free(l);
}

struct service *service_of(struct host *h, const struct server_effect *e)
{
    switch (e->kind) {
    case SERVER_RING_CONNECT:
    case SERVER_RING_SEND:
    case SERVER_RING_CLOSE:
        return &h->nodes[e->node].links;
    case SERVER_VAP_SEND:
    case SERVER_VAP_CLOSE:
        return &h->vap;
    default:
        return &h->pvp;
    }
}

/* A receiver that is too slow for its queue loses the connection, and the core is told as of any other end. */
void service_send(struct host *h, const struct server_effect *e)
{
    struct service *service = service_of(h, e);
    struct link *l = service_find(service, e->conn);
    if (!l || !l->stream || stream_write(l->stream, e->octets) == 0)
        return;
    uint64_t id = l->id;
    log_event(&h->daemon.log, LEVEL_WARNING, "connection.dropped",
              "service=%s conn=%llu queued=%zu: the other side does not read what it is sent", service->name,
              (unsigned long long)id, stream_queued(l->stream));
    link_drop(l, false);
    struct now now = daemon_now(&h->daemon);
    if (e->kind == SERVER_RING_SEND)
        peer_link_down(server_node_peer(h->server, e->node), now, id);
    else if (service == &h->vap)
        vap_server_closed(server_vap(h->server), id);
    else
        server_pvp_closed(h->server, now, id);
}
