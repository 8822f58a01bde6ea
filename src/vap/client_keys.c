/* Subscriptions of a border element to the keys of tickets (doc/profile.md): one for each granting domain, at the acting server. */
#include "base/mem.h"
#include "ticket/ticket.h"
#include "vap/client_core.h"

#define RETRY_MS 60000

int vap_keys_init(struct vap_client *c, const struct vap_client_config *config)
{
    const size_t n = config->key_domain_count;
    c->config.key_domains = NULL; /* the caller's; ours are copies */
    c->config.key_domain_count = 0;
    if (!n)
        return 0;
    c->key_domains = mem_alloc(n * sizeof *c->key_domains);
    if (!c->key_domains)
        return ERR_NO_MEMORY;
    c->config.key_domain_count = n;
    for (size_t i = 0; i < n; i++)
        if (!(c->key_domains[i] = mem_strdup(config->key_domains[i])))
            return ERR_NO_MEMORY;
    for (unsigned i = 0; i < c->config.servers; i++) {
        struct session *s = &c->sessions[i];
        s->keys = mem_alloc(n * sizeof *s->keys);
        if (!s->keys)
            return ERR_NO_MEMORY;
        for (size_t k = 0; k < n; k++) {
            list_init(&s->keys[k].subscription.link);
            list_init(&s->keys[k].refused.link);
            s->keys[k].subscription.e =
                (struct vap_client_effect){.kind = VAP_CLIENT_KEYS_SUBSCRIBED, .server = i, .domain = k};
            s->keys[k].refused.e =
                (struct vap_client_effect){.kind = VAP_CLIENT_KEYS_REFUSED, .server = i, .domain = k};
        }
    }
    return 0;
}

void vap_keys_fini(struct vap_client *c)
{
    for (unsigned i = 0; i < VAP_SERVERS_MAX; i++) {
        mem_free(c->sessions[i].keys);
        c->sessions[i].keys = NULL;
    }
    for (size_t i = 0; i < c->config.key_domain_count; i++)
        mem_free(c->key_domains[i]);
    mem_free(c->key_domains);
}

/* The server has forgotten its subscriptions. */
void vap_keys_reset(struct session *s)
{
    for (size_t i = 0; s->keys && i < s->client->config.key_domain_count; i++) {
        struct key_subscription *k = &s->keys[i];
        list_remove(&k->subscription.link);
        k->subscribed = k->asking = false;
        k->retry_at = (struct mono){0};
    }
}

static void ask(struct session *s, struct now now, size_t which, bool wanted)
{
    struct key_subscription *k = &s->keys[which];
    size_t mark;
    struct request *request = vap_request_begin(s, now, wanted ? VAP_SUBSCRIBE : VAP_UNSUBSCRIBE,
                                                wanted ? REQUEST_KEYS : REQUEST_KEYS_NO_MORE, &mark);
    if (!request)
        return;
    request->key = which;
    k->asking = true;
    if (wanted) {
        tlv_put_service(&s->out, TLV_SERVICE_IDENTITY,
                        &(struct service_identity){SERVICE_VIPR, SUBSERVICE_TICKET_KEYS, 0, SERVICE_INSTANCE_ALL});
        tlv_put_text(&s->out, TICKET_ATTR_GRANTING_DOMAIN, s->client->key_domains[which]);
    } else {
        tlv_put_u32(&s->out, TLV_SUBSCRIPTION_ID, k->id);
    }
    vap_request_send(s, mark);
}

void vap_keys_update(struct session *s, struct now now, bool wanted)
{
    for (size_t i = 0; s->state == SESSION_ONLINE && i < s->client->config.key_domain_count; i++) {
        struct key_subscription *k = &s->keys[i];
        if (!wanted)
            k->retry_at = (struct mono){0};
        if (!k->asking && wanted != k->subscribed && (!wanted || mono_due(k->retry_at, now.mono)))
            ask(s, now, i, wanted);
    }
}

void vap_keys_answered(struct session *s, struct now now, const struct request *request, const struct vap_message *m,
                       unsigned code, const char *reason)
{
    struct vap_client *c = s->client;
    struct key_subscription *k = &s->keys[request->key];
    k->asking = false;
    k->subscribed = false;
    if (request->kind == REQUEST_KEYS_NO_MORE)
        return;
    if (!code && m->has & VAP_HAS_SUBSCRIPTION) {
        k->subscribed = true;
        k->id = m->subscription_id;
        c->counters.keys_subscribed++;
        vap_note_push(c, &k->subscription, NULL);
        return;
    }
    /* The other domains' keys go on; the operator of the server may mend this one. */
    if (!code)
        reason = "no SubscriptionID came";
    c->counters.keys_refused++;
    k->retry_at = mono_after_ms(now.mono, RETRY_MS);
    if (code == VAP_FORBIDDEN)
        vap_alarm_raise(s, VAP_ALARM_FORBIDDEN, reason);
    vap_note_push(c, &k->refused, reason);
}

/* The notification has all that one must have. */
void vap_keys_receive(struct session *s, const struct vap_message *m)
{
    for (size_t i = 0; i < s->client->config.key_domain_count; i++) {
        if (!s->keys[i].subscribed || s->keys[i].id != m->subscription_id)
            continue;
        vap_notify_pass(s, m, VAP_CLIENT_KEYS, i);
        return;
    }
    vap_notify_refuse(s, m, VAP_UNKNOWN_SUBSCRIPTION, NULL);
}

struct mono vap_keys_deadline(const struct session *s)
{
    struct mono deadline = MONO_NEVER;
    for (size_t i = 0; s->state == SESSION_ONLINE && i < s->client->config.key_domain_count; i++)
        if (!s->keys[i].asking && !s->keys[i].subscribed && s->keys[i].retry_at.us)
            deadline = mono_min(deadline, s->keys[i].retry_at);
    return deadline;
}
