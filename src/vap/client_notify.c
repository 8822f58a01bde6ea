/* The subscription, and what the server asks of the client: Notify and PublishRevoke (sections 8.7–8.10). */
#include "base/mem.h"
#include "vap/client_core.h"

#define NOTIFIES_MAX 256

void vap_subscription_update(struct session *s, struct now now, bool wanted)
{
    size_t mark;
    if (s->state != SESSION_ONLINE || s->subscribing || wanted == s->subscribed)
        return;
    enum vap_method method = wanted ? VAP_SUBSCRIBE : VAP_UNSUBSCRIBE;
    if (!vap_request_begin(s, now, method, wanted ? REQUEST_SUBSCRIBE : REQUEST_UNSUBSCRIBE, &mark))
        return;
    s->subscribing = true;
    if (wanted)
        vap_request_put_service(s, SUBSERVICE_NUMBER, SERVICE_INSTANCE_ALL);
    else
        tlv_put_u32(&s->out, TLV_SUBSCRIPTION_ID, s->subscription_id);
    vap_request_send(s, mark);
}

static size_t answer_begin(struct session *s, uint16_t method, enum vap_class kind,
                           const struct vap_transaction *transaction)
{
    size_t mark = vap_begin(&s->out, (enum vap_method)method, kind, transaction);
    vap_put_realm(&s->out);
    return mark;
}

void vap_notify_refuse(struct session *s, const struct vap_message *m, unsigned code, const char *reason)
{
    size_t mark = answer_begin(s, m->method, VAP_ERROR, &m->transaction);
    vap_put_error(&s->out, code, reason ? reason : vap_code_reason(code));
    vap_request_send(s, mark);
    s->client->counters.requests_refused++;
}

/* To somebody whose integrity is not good: not signed. */
static void refuse_stranger(struct session *s, const struct vap_message *m, unsigned code)
{
    size_t mark = answer_begin(s, m->method, VAP_ERROR, &m->transaction);
    vap_put_error(&s->out, code, vap_code_reason(code));
    vap_end(&s->out, mark);
    if (list_empty(&s->send.link))
        vap_note_push(s->client, &s->send, NULL);
    s->client->counters.requests_refused++;
}

static struct notify *notify_new(struct session *s, const struct vap_message *m, enum vap_client_effect_kind kind,
                                 size_t domain)
{
    struct notify *notify = mem_alloc(sizeof *notify);
    if (!notify)
        return NULL;
    notify->transaction = m->transaction;
    notify->id = ++s->client->next_notify;
    list_init(&notify->note.link);
    buf_init(&notify->content, VAP_CONTENT_OCTETS_MAX);
    buf_slice_put(&notify->content, m->content);
    if (notify->content.err) {
        mem_free(notify);
        return NULL;
    }
    notify->note.e = (struct vap_client_effect){
        .kind = kind,
        .server = s->index,
        .domain = domain,
        .notify = notify->id,
        .octets = buf_slice(&notify->content),
    };
    return notify;
}

static void notify_free(struct notify *notify)
{
    list_remove(&notify->note.link);
    buf_fini_secret(&notify->content);
    mem_free(notify);
}

void vap_notify_pass(struct session *s, const struct vap_message *m, enum vap_client_effect_kind kind, size_t domain)
{
    struct vap_client *c = s->client;
    struct notify *notify = s->notify_count < NOTIFIES_MAX ? notify_new(s, m, kind, domain) : NULL;
    if (!notify) {
        c->counters.notifies_refused++;
        vap_notify_refuse(s, m, VAP_OVERLOADED, NULL);
        return;
    }
    c->counters.notifies++;
    s->notify_count++;
    list_append(&s->notifies, &notify->link);
    vap_note_push(c, &notify->note, NULL);
}

static void receive_notify(struct session *s, const struct vap_message *m)
{
    struct vap_client *c = s->client;
    const uint32_t needed = VAP_HAS_SUBSCRIPTION | VAP_HAS_SERVICE | VAP_HAS_CONTENT;
    if ((m->has & needed) != needed) {
        vap_notify_refuse(s, m, VAP_BAD_REQUEST, "SubscriptionID, ServiceIdentity or ServiceContent is missing");
        return;
    }
    if (c->config.key_domain_count && m->service.subservice == SUBSERVICE_TICKET_KEYS) {
        vap_keys_receive(s, m);
        return;
    }
    if (!s->subscribed || m->subscription_id != s->subscription_id) {
        vap_alarm_raise(s, VAP_ALARM_OUT_OF_STEP, "Notify for an unknown subscription");
        vap_notify_refuse(s, m, VAP_UNKNOWN_SUBSCRIPTION, NULL);
        return;
    }
    if (!service_is_vipr(&m->service) || m->service.subservice != SUBSERVICE_NUMBER ||
        m->service.vservice_id != c->config.vservice_id) {
        vap_notify_refuse(s, m, VAP_BAD_REQUEST, "ServiceIdentity is not what was subscribed to");
        return;
    }
    vap_notify_pass(s, m, VAP_CLIENT_NOTIFY, 0);
}

void vap_notify_drop_all(struct session *s)
{
    struct list *first;
    while ((first = list_pop(&s->notifies)))
        notify_free(CONTAINER_OF(first, struct notify, link));
    s->notify_count = 0;
}

void vap_client_notify_done(struct vap_client *c, struct now now, uint64_t notify_id, bool good)
{
    (void)now;
    for (unsigned i = 0; i < c->config.servers; i++) {
        struct session *s = &c->sessions[i];
        LIST_EACH(it, &s->notifies) {
            struct notify *notify = CONTAINER_OF(it, struct notify, link);
            if (notify->id != notify_id)
                continue;
            size_t mark = answer_begin(s, VAP_NOTIFY, good ? VAP_SUCCESS : VAP_ERROR, &notify->transaction);
            if (!good)
                vap_put_error(&s->out, VAP_SERVER_ERROR, "it was not kept");
            vap_request_send(s, mark);
            s->notify_count--;
            list_remove(&notify->link);
            notify_free(notify);
            return;
        }
    }
}

/* "the client should consider that service deactivated, and periodically try to republish it" (8.10) */
static void receive_revoke(struct session *s, struct now now, const struct vap_message *m)
{
    struct vap_client *c = s->client;
    if (!(m->has & VAP_HAS_SERVICE)) {
        vap_notify_refuse(s, m, VAP_BAD_REQUEST, "ServiceIdentity is missing");
        return;
    }
    if (m->service.vservice_id != c->config.vservice_id || m->service.instance != c->instance || !c->version) {
        vap_notify_refuse(s, m, VAP_UNREGISTERED, "no such VService");
        return;
    }
    vap_request_send(s, answer_begin(s, m->method, VAP_SUCCESS, &m->transaction));
    c->counters.vservice_revoked++;
    vap_alarm_raise(s, VAP_ALARM_RING_INACTIVE, "the server withdrew the VService: its ring is not available");
    s->state = SESSION_PUBLISHING;
    s->failed = true; /* the other server acts meanwhile */
    s->publish_at = mono_after_ms(now.mono, c->config.reconnect_ms);
    list_remove(&s->online.link);
    vap_note_push(c, &s->revoked, NULL);
}

void vap_server_request_receive(struct session *s, struct now now, const struct vap_message *m, int err)
{
    int integrity = vap_check_integrity(m, &s->client->key);
    if (integrity == ERR_NOT_FOUND)
        refuse_stranger(s, m, VAP_BAD_REQUEST);
    else if (integrity < 0)
        refuse_stranger(s, m, VAP_INTEGRITY_CHECK_FAILURE);
    else if (err)
        vap_notify_refuse(s, m, VAP_BAD_REQUEST, NULL);
    else if (m->method == VAP_NOTIFY)
        receive_notify(s, m);
    else if (m->method == VAP_PUBLISH_REVOKE)
        receive_revoke(s, now, m);
    else
        vap_notify_refuse(s, m, VAP_BAD_REQUEST, "no such method at a client");
}
