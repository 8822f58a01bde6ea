/* Publication of VServices and numbers, and call records (sections 9.4, 9.5, 9.8). */
#include "base/mem.h"
#include "ticket/valinfo.h"
#include "vap/server_core.h"

#include <stdio.h>

struct vservice *vap_vservice_find(const struct vap_server *s, uint64_t id)
{
    return map_get(&s->vservices, key_of(&id));
}

static struct instance *latest_instance(const struct vservice *v)
{
    return CONTAINER_OF(v->instances.prev, struct instance, of_vservice);
}

static struct instance *instance_find(const struct vservice *v, uint64_t id)
{
    LIST_EACH(it, &v->instances) {
        struct instance *instance = CONTAINER_OF(it, struct instance, of_vservice);
        if (instance->id == id)
            return instance;
    }
    return NULL;
}

static void instance_free(struct instance *instance)
{
    vap_description_fini(&instance->description);
    buf_fini(&instance->content);
    mem_free(instance);
}

void vap_instance_destroy(struct instance *instance)
{
    struct vservice *v = instance->vservice;
    struct vap_server *s = instance->client->conn->server;
    list_remove(&instance->of_vservice);
    list_remove(&instance->of_client);
    instance->client->instance_count--;
    instance_free(instance);
    if (--v->instance_count)
        return;
    map_remove(&s->vservices, key_of(&v->id));
    vap_effect_push(s, v->gone);
    mem_free(v);
}

uint32_t vap_server_quota_used(const struct vap_server *s, const char *dht)
{
    struct map_iter it;
    uint64_t used = 0;
    map_iter_init(&it);
    while (map_iter_next(&s->vservices, &it)) {
        const struct vservice *v = it.value;
        if (strcmp(v->dht->name, dht) == 0)
            used += latest_instance(v)->description.did_count;
    }
    return used > UINT32_MAX ? UINT32_MAX : (uint32_t)used;
}

static struct instance *instance_new(const struct vap_message *m)
{
    struct instance *instance = mem_alloc(sizeof *instance);
    if (!instance)
        return NULL;
    list_init(&instance->of_vservice);
    list_init(&instance->of_client);
    instance->id = m->service.instance;
    instance->version = m->service_version;
    buf_init(&instance->content, 8 * VAP_CONTENT_OCTETS_MAX);
    return instance;
}

static struct vservice *vservice_new(struct vap_server *s, uint64_t id)
{
    struct vservice *v = mem_alloc(sizeof *v);
    if (!v)
        return NULL;
    v->id = id;
    list_init(&v->instances);
    v->gone = vap_effect_new(VAP_SERVER_VSERVICE_GONE);
    if (!v->gone || map_set(&s->vservices, key_of(&v->id), v) < 0) {
        mem_free(v->gone);
        mem_free(v);
        return NULL;
    }
    v->gone->e.vservice_id = id;
    return v;
}

/* Puts the new instance in the place of the old one, if there is one, and links it with the client. The old one may be that of an
 * earlier connection of the same agent, which has not been missed yet. */
static void instance_link(struct vservice *v, struct client *client, struct instance *instance, struct instance *old)
{
    instance->vservice = v;
    instance->client = client;
    list_append(&v->instances, &instance->of_vservice);
    list_append(&client->instances, &instance->of_client);
    v->instance_count++;
    client->instance_count++;
    if (old)
        vap_instance_destroy(old);
}

static void reply_published(struct conn *c, const struct vap_message *m, const struct dht *dht)
{
    size_t mark = vap_reply_begin(c, m->method, VAP_SUCCESS, &m->transaction);
    vap_put_quota(&c->out, dht->quota_limit, vap_server_quota_used(c->server, dht->name));
    tlv_put_u32(&c->out, TLV_DHT_LIFETIME, dht->lifetime_s);
    vap_reply_end(c, mark);
}

/* Whether the publication may replace what is there; 0 or the error code. A version must rise with each change, and only then need it
 * (8.4). */
static unsigned version_code(const struct instance *old, const struct instance *instance)
{
    if (!old || instance->version > old->version)
        return 0;
    bool same = instance->version == old->version && slice_eq(buf_slice(&instance->content), buf_slice(&old->content));
    return same ? 0 : VAP_VERSION_TOO_LOW;
}

/* Everything but the XML: 0, or the code to refuse with. Takes the instance over on success. */
static unsigned publish_instance(struct conn *c, const struct vap_message *m, struct instance *instance,
                                 const char **ret_reason)
{
    struct vap_server *s = c->server;
    struct vservice *v = vap_vservice_find(s, m->service.vservice_id);
    struct instance *old = v ? instance_find(v, m->service.instance) : NULL;
    struct dht *dht = vap_dht_find(s, instance->description.dht_name);
    if (!dht || !dht->available) {
        *ret_reason = "this ring is not available here";
        return VAP_PUBLICATION_FAILED;
    }
    if (old && old->client->account != c->client->account) {
        *ret_reason = "this instance is published by another user";
        return VAP_BAD_REQUEST;
    }
    unsigned code = version_code(old, instance);
    if (code)
        return code;
    if ((!old || old->client != c->client) && c->client->instance_count >= s->config.instances_max) {
        s->counters.limit_instances++;
        *ret_reason = "too many instances of one client";
        return VAP_OVERLOADED;
    }
    struct effect *changed = vap_effect_new(VAP_SERVER_VSERVICE);
    if (!v)
        v = vservice_new(s, m->service.vservice_id);
    if (!v || !changed) {
        if (v && !v->instance_count) {
            map_remove(&s->vservices, key_of(&v->id));
            mem_free(v->gone);
            mem_free(v);
        }
        mem_free(changed);
        *ret_reason = "out of memory";
        return VAP_SERVER_ERROR;
    }
    v->dht = dht;
    instance_link(v, c->client, instance, old);
    changed->e.vservice_id = v->id;
    vap_effect_push(s, changed);
    s->counters.vservices_published++;
    return 0;
}

/* A route that no originator would take is refused while somebody looks. */
static bool routes_are_good(const struct vap_description *d, struct fault *ret_fault)
{
    struct route_uri uri;
    for (size_t i = 0; i < d->route_count; i++)
        if (route_uri_parse(slice_str(d->routes[i]), &uri, ret_fault) < 0)
            return false;
    return true;
}

static void publish_vservice(struct conn *c, const struct vap_message *m)
{
    char text[VAP_REASON_OCTETS_MAX + 1];
    const char *reason = NULL;
    struct fault fault;
    if (!(m->has & VAP_HAS_CONTENT) || !(m->has & VAP_HAS_SERVICE_VERSION)) {
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST, "ServiceVersion or ServiceContent is missing");
        return;
    }
    struct instance *instance = instance_new(m);
    if (!instance) {
        vap_reply_error(c, m->method, &m->transaction, VAP_SERVER_ERROR, "out of memory");
        return;
    }
    unsigned code = 0;
    if (vap_description_parse(m->content, &instance->description, &fault) < 0) {
        snprintf(text, sizeof text, "ServiceContent, octet %zu: %s", fault.octet, fault.rule);
        reason = text;
        code = VAP_BAD_REQUEST;
    } else if (!routes_are_good(&instance->description, &fault)) {
        snprintf(text, sizeof text, "SIPURI, octet %zu: %s", fault.octet, fault.rule);
        reason = text;
        code = VAP_BAD_REQUEST;
    } else {
        vap_description_format(&instance->description, &instance->content);
        code = instance->content.err ? VAP_SERVER_ERROR : publish_instance(c, m, instance, &reason);
    }
    if (code) {
        instance_free(instance);
        vap_reply_error(c, m->method, &m->transaction, code, reason);
        return;
    }
    reply_published(c, m, instance->vservice->dht);
}

/* A request to be answered by vap_server_complete, with its effect; NULL when a limit or the memory forbids: then it has been answered. */
static struct effect *request_new(struct conn *c, const struct vap_message *m, enum vap_server_effect_kind kind)
{
    struct vap_server *s = c->server;
    if (c->in_flight >= s->config.in_flight_max) {
        s->counters.limit_in_flight++;
        vap_reply_error(c, m->method, &m->transaction, VAP_OVERLOADED, "too many requests in flight");
        return NULL;
    }
    struct request *request = mem_alloc(sizeof *request);
    struct effect *effect = vap_effect_new(kind);
    if (request)
        request->id = ++s->next_request;
    if (!request || !effect || map_set(&s->requests, key_of(&request->id), request) < 0) {
        mem_free(request);
        mem_free(effect);
        vap_reply_error(c, m->method, &m->transaction, VAP_SERVER_ERROR, "out of memory");
        return NULL;
    }
    request->conn = c;
    request->method = m->method;
    request->transaction = m->transaction;
    list_append(&c->requests, &request->link);
    c->in_flight++;
    effect->e.request = request->id;
    effect->e.client = c->client->handle;
    effect->e.vservice_id = m->service.vservice_id;
    vap_effect_push(s, effect);
    return effect;
}

static void publish_number(struct conn *c, const struct vap_message *m)
{
    struct vap_server *s = c->server;
    struct vservice *v = vap_vservice_find(s, m->service.vservice_id);
    if (!v) {
        vap_reply_error(c, m->method, &m->transaction, VAP_UNREGISTERED, "no such VService");
        return;
    }
    if (!(m->has & VAP_HAS_CALLED)) {
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST, "CalledNum is missing");
        return;
    }
    if (s->publishes_queued >= s->config.publishes_queued_max) {
        s->counters.limit_publishes++;
        vap_reply_error(c, m->method, &m->transaction, VAP_PUBLICATION_FAILED, "too many numbers are being published");
        return;
    }
    struct effect *effect = request_new(c, m, VAP_SERVER_PUBLISH_NUMBER);
    if (!effect)
        return;
    struct request *request = CONTAINER_OF(c->requests.prev, struct request, link);
    request->dht = v->dht;
    effect->e.dht = v->dht->name;
    effect->e.number = m->called;
    s->publishes_queued++;
}

void vap_service_publish(struct conn *c, const struct vap_message *m)
{
    bool known = m->has & VAP_HAS_SERVICE && service_is_vipr(&m->service) &&
                 (m->service.subservice == SUBSERVICE_NUMBER || m->service.subservice == SUBSERVICE_VSERVICE);
    if (!known)
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST, "ServiceIdentity is of no known service");
    else if (!c->client)
        vap_reply_error(c, m->method, &m->transaction, VAP_UNREGISTERED, NULL);
    else if (m->service.subservice == SUBSERVICE_VSERVICE)
        publish_vservice(c, m);
    else
        publish_number(c, m);
}

/* "The ViPR client can only Unpublish for the VService." (9.5) An instance that is not there is as good as withdrawn. */
void vap_service_unpublish(struct conn *c, const struct vap_message *m)
{
    if (!(m->has & VAP_HAS_SERVICE) || !service_is_vipr(&m->service) || m->service.subservice != SUBSERVICE_VSERVICE) {
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST, "only a VService can be unpublished");
        return;
    }
    if (!c->client) {
        vap_reply_error(c, m->method, &m->transaction, VAP_UNREGISTERED, NULL);
        return;
    }
    struct vservice *v = vap_vservice_find(c->server, m->service.vservice_id);
    struct instance *instance = v ? instance_find(v, m->service.instance) : NULL;
    if (instance && instance->client->account != c->client->account) {
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST, "this instance is published by another user");
        return;
    }
    if (instance) {
        c->server->counters.vservices_unpublished++;
        vap_instance_destroy(instance);
    }
    vap_reply_success(c, m);
}

/* Takes a record's worth out of the client's bucket. */
static bool take_credit(struct client *client, const struct vap_server_config *config, struct mono now)
{
    int64_t cap = (int64_t)config->vcr_burst * 1000000;
    int64_t elapsed = mono_since_us(now, client->vcr_credit_at);
    if (!config->vcrs_per_second)
        return true;
    /* Beyond what fills the bucket, time adds nothing. */
    if (elapsed > cap / config->vcrs_per_second)
        client->vcr_credit_us = cap;
    else
        client->vcr_credit_us += elapsed * config->vcrs_per_second;
    if (client->vcr_credit_us > cap)
        client->vcr_credit_us = cap;
    client->vcr_credit_at = now;
    if (client->vcr_credit_us < 1000000)
        return false;
    client->vcr_credit_us -= 1000000;
    return true;
}

void vap_service_upload(struct conn *c, struct now now, const struct vap_message *m)
{
    const uint32_t needed = VAP_HAS_DIRECTION | VAP_HAS_START | VAP_HAS_STOP | VAP_HAS_CALLED;
    struct vap_server *s = c->server;
    const char *reason = NULL;
    unsigned code = VAP_BAD_REQUEST;
    if (!c->client)
        code = VAP_UNREGISTERED, reason = vap_code_reason(code);
    else if (!(m->has & VAP_HAS_SERVICE) || !service_is_vipr(&m->service))
        reason = "ServiceIdentity is missing or of no known service";
    else if (!vap_vservice_find(s, m->service.vservice_id))
        code = VAP_UNREGISTERED, reason = "no such VService";
    else if ((m->has & needed) != needed)
        reason = "CalledNum, CallDirection, StartTime or StopTime is missing";
    else if (wall_from_ntp(m->stop_ntp).ms < wall_from_ntp(m->start_ntp).ms)
        reason = "StopTime is before StartTime";
    else if (!take_credit(c->client, &s->config, now.mono)) {
        s->counters.limit_vcr_rate++;
        code = VAP_OVERLOADED, reason = "too many call records per second";
    }
    if (reason) {
        vap_reply_error(c, m->method, &m->transaction, code, reason);
        return;
    }
    struct effect *effect = request_new(c, m, VAP_SERVER_UPLOAD_VCR);
    if (!effect)
        return;
    effect->e.user = c->client->account->user;
    effect->e.vcr = (struct vap_vcr){
        .vservice_id = m->service.vservice_id,
        .direction = m->direction,
        .calling = m->calling,
        .called = m->called,
        .start_ntp = m->start_ntp,
        .stop_ntp = m->stop_ntp,
    };
}
