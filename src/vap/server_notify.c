/* Subscriptions, and the requests that the server sends: Notify and PublishRevoke (sections 9.6, 9.7, 9.9, 9.10). */
#include "base/mem.h"
#include "vap/server_core.h"

static struct subscription *subscription_find(const struct client *client, uint32_t id)
{
    LIST_EACH(it, &client->subscriptions) {
        struct subscription *subscription = CONTAINER_OF(it, struct subscription, link);
        if (subscription->id == id)
            return subscription;
    }
    return NULL;
}

static struct subscription *subscription_to(const struct client *client, uint64_t vservice_id, const char *key_domain)
{
    LIST_EACH(it, &client->subscriptions) {
        struct subscription *subscription = CONTAINER_OF(it, struct subscription, link);
        if (subscription->vservice_id == vservice_id && subscription->key_domain == key_domain)
            return subscription;
    }
    return NULL;
}

static void set_subscription(struct effect *effect, const struct subscription *subscription)
{
    effect->e.client = subscription->client->handle;
    effect->e.subscription_id = subscription->id;
    effect->e.vservice_id = subscription->vservice_id;
    effect->e.key_domain = subscription->key_domain;
}

static struct subscription *subscription_new(struct client *client, uint64_t vservice_id, const char *key_domain)
{
    struct subscription *subscription = mem_alloc(sizeof *subscription);
    if (!subscription)
        return NULL;
    subscription->gone = vap_effect_new(key_domain ? VAP_SERVER_KEYS_UNWANTED : VAP_SERVER_UNSUBSCRIBED);
    if (!subscription->gone) {
        mem_free(subscription);
        return NULL;
    }
    subscription->id = ++client->next_subscription_id;
    subscription->vservice_id = vservice_id;
    subscription->key_domain = key_domain;
    subscription->client = client;
    list_append(&client->subscriptions, &subscription->link);
    client->subscription_count++;
    set_subscription(subscription->gone, subscription);
    return subscription;
}

void vap_subscription_destroy(struct subscription *subscription)
{
    struct vap_server *s = subscription->client->conn->server;
    list_remove(&subscription->link);
    subscription->client->subscription_count--;
    vap_effect_push(s, subscription->gone);
    mem_free(subscription);
}

/* "It is not permitted for there to be multiple subscriptions from a client with identical VServices": asking again gives the same one
 * (9.6). The answer is written; NULL if it is an error. */
struct subscription *vap_subscription_begin(struct conn *c, const struct vap_message *m, uint64_t vservice_id,
                                            const char *key_domain)
{
    struct vap_server *s = c->server;
    struct subscription *subscription = subscription_to(c->client, vservice_id, key_domain);
    if (!subscription && c->client->subscription_count >= s->config.subscriptions_max) {
        s->counters.limit_subscriptions++;
        vap_reply_error(c, m->method, &m->transaction, VAP_OVERLOADED, "too many subscriptions of one client");
        return NULL;
    }
    struct effect *subscribed = vap_effect_new(key_domain ? VAP_SERVER_KEYS_WANTED : VAP_SERVER_SUBSCRIBED);
    if (!subscription && subscribed)
        subscription = subscription_new(c->client, vservice_id, key_domain);
    if (!subscription || !subscribed) {
        mem_free(subscribed);
        vap_reply_error(c, m->method, &m->transaction, VAP_SERVER_ERROR, "out of memory");
        return NULL;
    }
    size_t mark = vap_reply_begin(c, m->method, VAP_SUCCESS, &m->transaction);
    tlv_put_u32(&c->out, TLV_SUBSCRIPTION_ID, subscription->id);
    vap_reply_end(c, mark);
    set_subscription(subscribed, subscription);
    subscribed->e.user = c->client->account->user;
    vap_effect_push(s, subscribed);
    return subscription;
}

void vap_subscription_add(struct conn *c, const struct vap_message *m)
{
    if (!c->client)
        vap_reply_error(c, m->method, &m->transaction, VAP_UNREGISTERED, NULL);
    else if (m->has & VAP_HAS_SERVICE && service_is_vipr(&m->service) &&
             m->service.subservice == SUBSERVICE_TICKET_KEYS)
        vap_keys_subscribe(c, m);
    else if (!(m->has & VAP_HAS_SERVICE) || !service_is_vipr(&m->service) || m->service.subservice != SUBSERVICE_NUMBER)
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST, "only the number service can be subscribed to");
    else if (vap_subscription_begin(c, m, m->service.vservice_id, NULL))
        c->server->counters.subscribed++;
}

void vap_subscription_remove(struct conn *c, const struct vap_message *m)
{
    if (!c->client) {
        vap_reply_error(c, m->method, &m->transaction, VAP_UNREGISTERED, NULL);
        return;
    }
    if (!(m->has & VAP_HAS_SUBSCRIPTION)) {
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST, "SubscriptionID is missing");
        return;
    }
    struct subscription *subscription = subscription_find(c->client, m->subscription_id);
    if (!subscription) {
        vap_reply_error(c, m->method, &m->transaction, VAP_UNKNOWN_SUBSCRIPTION, NULL);
        return;
    }
    vap_subscription_destroy(subscription);
    c->server->counters.unsubscribed++;
    vap_reply_success(c, m);
}

void vap_call_finish(struct call *call, int err, unsigned code)
{
    struct conn *c = call->conn;
    struct vap_server *s = c->server;
    list_remove(&call->link);
    heap_remove(&s->call_timers, &call->timer);
    c->call_count--;
    if (call->done) {
        s->counters.notifies_acked += err == 0;
        s->counters.notifies_failed += err != 0;
        call->done->e.err = err;
        call->done->e.code = code;
        vap_effect_push(s, call->done);
    }
    mem_free(call);
}

/* Begins a request to a client: header and who it is for. NULL without memory; then nothing was written. */
static struct call *call_begin(struct conn *c, struct now now, enum vap_method method, size_t *ret_mark)
{
    struct vap_server *s = c->server;
    struct call *call = mem_alloc(sizeof *call);
    if (!call)
        return NULL;
    if (heap_set(&s->call_timers, &call->timer, mono_after_ms(now.mono, s->config.transaction_ms)) < 0) {
        mem_free(call);
        return NULL;
    }
    call->conn = c;
    entropy_fill(s->entropy, call->transaction.octets, sizeof call->transaction.octets);
    list_append(&c->calls, &call->link);
    c->call_count++;
    *ret_mark = vap_begin(&c->out, method, VAP_REQUEST, &call->transaction);
    tlv_put_text(&c->out, TLV_USERNAME, c->client->account->user);
    vap_put_realm(&c->out);
    return call;
}

static int notify(struct subscription *subscription, struct now now, struct slice content, uint64_t token)
{
    struct conn *c = subscription->client->conn;
    struct vap_server *s = c->server;
    size_t mark;
    if (content.n > VAP_CONTENT_OCTETS_MAX)
        return ERR_RANGE;
    if (c->call_count >= s->config.notifies_max) {
        s->counters.limit_notifies++;
        return ERR_LIMIT;
    }
    struct effect *done = vap_effect_new(VAP_SERVER_NOTIFY_DONE);
    struct call *call = done ? call_begin(c, now, VAP_NOTIFY, &mark) : NULL;
    if (!call) {
        mem_free(done);
        return ERR_NO_MEMORY;
    }
    set_subscription(done, subscription);
    done->e.token = token;
    call->done = done;
    tlv_put_u32(&c->out, TLV_SUBSCRIPTION_ID, subscription->id);
    tlv_put_service(&c->out, TLV_SERVICE_IDENTITY,
                    &(struct service_identity){SERVICE_VIPR,
                                               subscription->key_domain ? SUBSERVICE_TICKET_KEYS : SUBSERVICE_NUMBER,
                                               subscription->vservice_id, SERVICE_INSTANCE_ALL});
    tlv_put(&c->out, TLV_SERVICE_CONTENT, content);
    vap_reply_end(c, mark);
    s->counters.notifies_sent++;
    return 0;
}

size_t vap_server_notify(struct vap_server *s, struct now now, uint64_t vservice_id, struct slice valinfo,
                         uint64_t token)
{
    struct map_iter it;
    size_t sent = 0;
    map_iter_init(&it);
    while (map_iter_next(&s->clients, &it)) {
        struct subscription *subscription = subscription_to(it.value, vservice_id, NULL);
        if (subscription && notify(subscription, now, valinfo, token) == 0)
            sent++;
    }
    return sent;
}

static int notify_one(struct vap_server *s, struct now now, uint32_t client, uint32_t subscription_id, bool is_keys,
                      struct slice content, uint64_t token)
{
    const struct client *of = map_get(&s->clients, slice_of(&client, sizeof client));
    struct subscription *subscription = of ? subscription_find(of, subscription_id) : NULL;
    if (!subscription || (subscription->key_domain != NULL) != is_keys)
        return ERR_NOT_FOUND;
    return notify(subscription, now, content, token);
}

int vap_server_notify_one(struct vap_server *s, struct now now, uint32_t client, uint32_t subscription_id,
                          struct slice valinfo, uint64_t token)
{
    return notify_one(s, now, client, subscription_id, false, valinfo, token);
}

int vap_server_notify_keys(struct vap_server *s, struct now now, uint32_t client, uint32_t subscription_id,
                           struct slice page, uint64_t token)
{
    return notify_one(s, now, client, subscription_id, true, page, token);
}

/* PublishRevoke of one instance. The client need not hear of it for the server to forget the instance, so lack of memory is no error. */
void vap_call_revoke(struct instance *instance, struct now now)
{
    struct conn *c = instance->client->conn;
    size_t mark;
    c->server->counters.vservices_revoked++;
    if (!call_begin(c, now, VAP_PUBLISH_REVOKE, &mark))
        return;
    tlv_put_service(
        &c->out, TLV_SERVICE_IDENTITY,
        &(struct service_identity){SERVICE_VIPR, SUBSERVICE_VSERVICE, instance->vservice->id, instance->id});
    if (instance->content.n <= VAP_CONTENT_OCTETS_MAX)
        tlv_put(&c->out, TLV_SERVICE_CONTENT, buf_slice(&instance->content));
    vap_reply_end(c, mark);
}

void vap_call_answered(struct conn *c, const struct vap_message *m)
{
    bool bare = m->kind == VAP_ERROR && m->has & VAP_HAS_ERROR &&
                (m->error_code == VAP_INTEGRITY_CHECK_FAILURE || m->error_code == VAP_UNKNOWN_USERNAME);
    LIST_EACH(it, &c->calls) {
        struct call *call = CONTAINER_OF(it, struct call, link);
        if (memcmp(&call->transaction, &m->transaction, sizeof m->transaction) != 0)
            continue;
        /* Only these two errors may come without integrity (5.2.2). */
        if (!(bare && !(m->has & VAP_HAS_INTEGRITY)) && vap_check_integrity(m, c->key) < 0)
            break;
        if (m->kind == VAP_SUCCESS)
            vap_call_finish(call, 0, 0);
        else
            vap_call_finish(call, ERR_FORBIDDEN, m->has & VAP_HAS_ERROR ? m->error_code : 0);
        return;
    }
    c->server->counters.responses_discarded++;
}
