/* The connections of one service, by the numbers under which the core knows them. */
#include "daemon.h"

#include "base/mem.h"

#define LINKS_MAX 100000

void service_init(struct service *service, struct daemon *d, const char *name, const struct stream_handler *handler)
{
    *service = (struct service){.daemon = d, .name = name, .handler = handler};
    map_init(&service->links, LINKS_MAX, entropy_u64(&d->entropy));
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

struct service *service_of(struct daemon *d, const struct server_effect *e)
{
    switch (e->kind) {
    case SERVER_RING_CONNECT:
    case SERVER_RING_SEND:
    case SERVER_RING_CLOSE:
        return &d->nodes[e->node].links;
    case SERVER_VAP_SEND:
    case SERVER_VAP_CLOSE:
        return &d->vap;
    default:
        return &d->pvp;
    }
}

/* A receiver that is too slow for its queue loses the connection, and the core is told as of any other end. */
void service_send(struct daemon *d, const struct server_effect *e)
{
    struct service *service = service_of(d, e);
    struct link *l = service_find(service, e->conn);
    if (!l || !l->stream || stream_write(l->stream, e->octets) == 0)
        return;
    uint64_t id = l->id;
    log_event(&d->log, LEVEL_WARNING, "connection.dropped",
              "service=%s conn=%llu queued=%zu: the other side does not read what it is sent", service->name,
              (unsigned long long)id, stream_queued(l->stream));
    link_drop(l, false);
    struct now now = loop_now(d->loop);
    if (e->kind == SERVER_RING_SEND)
        peer_link_down(server_node_peer(d->server, e->node), now, id);
    else if (service == &d->vap)
        vap_server_closed(server_vap(d->server), id);
    else
        server_pvp_closed(d->server, now, id);
}
