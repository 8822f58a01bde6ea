/* What the server shows of its state. */
#include "vap/server_core.h"

/* Collects the routes of all instances into memory of the server. */
static bool view_of(struct vap_server *s, const struct vservice *v, struct vap_vservice_view *ret_view)
{
    size_t count = 0;
    LIST_EACH(it, &v->instances)
        count += CONTAINER_OF(it, struct instance, of_vservice)->description.route_count;
    buf_clear(&s->routes);
    const char **routes = (const char **)(void *)buf_extend(&s->routes, count * sizeof *routes);
    if (!routes)
        return false;
    size_t at = 0;
    const struct instance *latest = NULL;
    LIST_EACH(it, &v->instances) {
        latest = CONTAINER_OF(it, struct instance, of_vservice);
        for (size_t i = 0; i < latest->description.route_count; i++)
            routes[at++] = latest->description.routes[i];
    }
    *ret_view = (struct vap_vservice_view){
        .id = v->id,
        .description = &latest->description,
        .instance_count = v->instance_count,
        .routes = routes,
        .route_count = count,
    };
    return true;
}

bool vap_server_vservice(struct vap_server *s, uint64_t vservice_id, struct vap_vservice_view *ret_view)
{
    const struct vservice *v = vap_vservice_find(s, vservice_id);
    return v && view_of(s, v, ret_view);
}

void vap_server_each_vservice(struct vap_server *s, vap_vservice_fn *each, void *arg)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&s->vservices, &it)) {
        struct vap_vservice_view view;
        if (view_of(s, it.value, &view))
            each(arg, &view);
    }
}

void vap_server_each_client(struct vap_server *s, struct now now, vap_client_fn *each, void *arg)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&s->clients, &it)) {
        const struct client *client = it.value;
        const struct conn *c = client->conn;
        each(arg, &(struct vap_client_view){
                      .handle = client->handle,
                      .conn = c->id,
                      .peer = c->peer,
                      .tls = c->tls,
                      .user = client->account->user,
                      .name = client->name,
                      .label = client->label,
                      .registered_at = client->registered_at,
                      .silent_ms = mono_since_us(now.mono, c->last_seen) / 1000,
                      .in_flight = c->in_flight,
                      .notifies = c->call_count,
                      .subscriptions = client->subscription_count,
                      .instances = client->instance_count,
                      .vcrs = client->vcrs,
                      .numbers = client->numbers,
                      .errors = client->errors,
                  });
    }
}

size_t vap_server_client_count(const struct vap_server *s)
{
    return s->clients.n;
}
