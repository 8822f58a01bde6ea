/* A session with one server: connect, register, publish the VService, keep alive, fail, try again (sections 8.2–8.5). */
#include "base/mem.h"
#include "vap/client_core.h"

#include <stdio.h>

#define PAUSE_FIRST_MS 1000
#define PUBLISH_PAUSE_MS 30000
#define OUTPUT_OCTETS_MAX (4u << 20)

static void note_init(struct note *note, enum vap_client_effect_kind kind, unsigned server)
{
    *note = (struct note){.e = {.kind = kind, .server = server}};
    list_init(&note->link);
}

void vap_session_init(struct session *s, struct vap_client *c, unsigned index, struct now now)
{
    *s = (struct session){
        .client = c,
        .index = index,
        .state = SESSION_IDLE,
        .deadline = now.mono,
        .refresh_at = MONO_NEVER,
        .publish_at = MONO_NEVER,
        .pause_ms = PAUSE_FIRST_MS,
        .version_minor = VAP_VERSION_MINOR,
    };
    vap_framer_init(&s->framer, VAP_MESSAGE_OCTETS_MAX);
    buf_init(&s->out, OUTPUT_OCTETS_MAX);
    list_init(&s->requests);
    list_init(&s->notifies);
    heap_init(&s->numbers);
    note_init(&s->connect, VAP_CLIENT_CONNECT, index);
    note_init(&s->send, VAP_CLIENT_SEND, index);
    note_init(&s->disconnect, VAP_CLIENT_DISCONNECT, index);
    note_init(&s->online, VAP_CLIENT_ONLINE, index);
    note_init(&s->offline, VAP_CLIENT_OFFLINE, index);
    note_init(&s->subscription, VAP_CLIENT_SUBSCRIBED, index);
    note_init(&s->revoked, VAP_CLIENT_REVOKED, index);
}

void vap_session_fini(struct session *s)
{
    LIST_EACH(it, &s->requests) {
        struct request *request = CONTAINER_OF(it, struct request, link);
        if (request->number) {
            request->number->at[s->index].in_flight = false;
            vap_number_free_forgotten(request->number);
        }
        mem_free(request->upload);
        mem_free(request);
    }
    vap_notify_drop_all(s);
    vap_framer_fini(&s->framer);
    buf_fini(&s->out);
    heap_fini(&s->numbers);
}

bool vap_session_is_registered(const struct session *s)
{
    return s->state == SESSION_PUBLISHING || s->state == SESSION_ONLINE;
}

/* Forgets all that the server forgets when the connection ends. */
static void reset(struct session *s, struct now now)
{
    vap_request_drop_all(s, now);
    vap_notify_drop_all(s);
    vap_framer_fini(&s->framer);
    vap_framer_init(&s->framer, VAP_MESSAGE_OCTETS_MAX);
    s->publishing = false;
    s->subscribed = false;
    s->subscribing = false;
    vap_keys_reset(s);
    s->refresh_at = MONO_NEVER;
    s->publish_at = MONO_NEVER;
}

static void connect_now(struct session *s, struct now now)
{
    s->client->counters.connects++;
    s->state = SESSION_CONNECTING;
    s->deadline = mono_after_ms(now.mono, s->client->config.transaction_ms);
    buf_clear(&s->out);
    list_remove(&s->send.link);
    vap_note_push(s->client, &s->connect, NULL);
}

static bool is_connected(const struct session *s)
{
    return s->state != SESSION_IDLE && s->state != SESSION_FINAL;
}

static void disconnect(struct session *s)
{
    bool asked = list_empty(&s->connect.link); /* otherwise CONNECT has not even been taken */
    list_remove(&s->connect.link);
    if (is_connected(s) && asked)
        vap_note_push(s->client, &s->disconnect, NULL);
}

void vap_session_fail(struct session *s, struct now now, const char *reason)
{
    struct vap_client *c = s->client;
    char why[REASON_OCTETS];
    if (!is_connected(s))
        return;
    snprintf(why, sizeof why, "%s", reason); /* it may be part of what is reset */
    disconnect(s);
    if (vap_session_is_registered(s))
        c->counters.connections_lost++;
    else
        c->counters.connect_failures++;
    s->state = c->stopping ? SESSION_FINAL : SESSION_IDLE;
    s->failed = true;
    reset(s, now);
    /* Spread, so that the clients of a server that restarts do not come back all at once. */
    int64_t pause_ms = s->pause_ms + (int64_t)entropy_below(c->entropy, (uint64_t)s->pause_ms / 4 + 1);
    s->deadline = mono_after_ms(now.mono, pause_ms);
    s->pause_ms = s->pause_ms * 2 < c->config.reconnect_ms ? s->pause_ms * 2 : c->config.reconnect_ms;
    list_remove(&s->online.link);
    s->offline.e.final = s->state == SESSION_FINAL;
    s->offline.e.retry_ms = pause_ms;
    vap_note_push(c, &s->offline, why);
    log_event(c->log, LEVEL_NOTICE, "vap.client.offline", "server=%u reason=\"%s\"", s->index, why);
}

/* Ends the session for good. */
void vap_session_end(struct session *s, const char *reason)
{
    struct vap_client *c = s->client;
    char why[REASON_OCTETS];
    if (s->state == SESSION_FINAL)
        return;
    snprintf(why, sizeof why, "%s", reason);
    disconnect(s);
    s->state = SESSION_FINAL;
    s->failed = true;
    reset(s, (struct now){0});
    list_remove(&s->online.link);
    s->offline.e.final = true;
    vap_note_push(c, &s->offline, why);
}

static void register_first(struct session *s, struct now now)
{
    const struct vap_client *c = s->client;
    size_t mark;
    s->state = SESSION_REGISTERING;
    if (!vap_request_begin(s, now, VAP_REGISTER, REQUEST_REGISTER, &mark)) {
        vap_session_fail(s, now, "out of memory");
        return;
    }
    tlv_put_text(&s->out, TLV_CLIENT_NAME, c->name);
    tlv_put_text(&s->out, TLV_CLIENT_LABEL, c->label);
    vap_put_version(&s->out, VAP_VERSION_MAJOR, s->version_minor);
    vap_request_send(s, mark);
}

void vap_client_connected(struct vap_client *c, struct now now, unsigned server)
{
    struct session *s = &c->sessions[server];
    if (s->state != SESSION_CONNECTING)
        return;
    register_first(s, now);
}

void vap_client_closed(struct vap_client *c, struct now now, unsigned server, const char *why)
{
    struct session *s = &c->sessions[server];
    if (!is_connected(s))
        return;
    if (s->state == SESSION_UNREGISTERING)
        vap_session_end(s, "stopped");
    else
        vap_session_fail(s, now, why ? why : "the connection was closed");
    /* There is nothing left to disconnect. */
    list_remove(&s->disconnect.link);
    list_remove(&s->send.link);
    vap_client_tick(c, now);
}

static void receive(struct session *s, struct now now, struct slice octets)
{
    struct vap_message m;
    struct fault fault;
    int err = vap_decode(octets, &m, &fault);
    if (m.header && m.kind == VAP_REQUEST)
        vap_server_request_receive(s, now, &m, err);
    else if (m.header && !err)
        vap_response_receive(s, now, &m);
    else
        s->client->counters.responses_discarded++;
}

void vap_client_input(struct vap_client *c, struct now now, unsigned server, struct slice octets)
{
    struct session *s = &c->sessions[server];
    struct slice message;
    while (is_connected(s) && s->state != SESSION_CONNECTING) {
        int n = vap_framer_next(&s->framer, &octets, &message);
        if (n == 0)
            break;
        if (n == 1)
            receive(s, now, message);
        else
            vap_session_fail(s, now, n == ERR_NO_MEMORY ? "out of memory" : "the server does not speak VAP");
    }
    vap_client_tick(c, now);
}

static void set_refresh(struct session *s, struct now now)
{
    int64_t half = s->keepalive_ms / 2;
    s->refresh_at = mono_after_ms(now.mono, half > 1000 ? half : 1000);
}

void vap_session_refresh(struct session *s, struct now now)
{
    size_t mark;
    set_refresh(s, now);
    if (!vap_request_begin(s, now, VAP_REGISTER, REQUEST_REFRESH, &mark)) {
        vap_session_fail(s, now, "out of memory");
        return;
    }
    tlv_put_u32(&s->out, TLV_CLIENT_HANDLE, s->handle);
    tlv_put_text(&s->out, TLV_CLIENT_NAME, s->client->name);
    tlv_put_text(&s->out, TLV_CLIENT_LABEL, s->client->label);
    vap_request_send(s, mark);
}

static void go_online(struct session *s)
{
    struct vap_client *c = s->client;
    if (s->state == SESSION_ONLINE)
        return;
    s->state = SESSION_ONLINE;
    s->failed = false;
    s->pause_ms = PAUSE_FIRST_MS;
    list_remove(&s->offline.link);
    vap_note_push(c, &s->online, NULL);
    log_event(c->log, LEVEL_INFO, "vap.client.online", "server=%u handle=%u", s->index, s->handle);
}

void vap_session_registered(struct session *s, struct now now, const struct vap_message *m)
{
    if (!(m->has & VAP_HAS_HANDLE) || !(m->has & VAP_HAS_KEEPALIVE)) {
        vap_session_fail(s, now, "the server's answer to Register is incomplete");
        return;
    }
    s->client->counters.registered++;
    s->handle = m->client_handle;
    s->keepalive_ms = m->keepalive_ms;
    set_refresh(s, now);
    s->state = SESSION_PUBLISHING;
    if (s->client->version)
        s->publish_at = now.mono;
    else
        go_online(s);
}

static void publish_vservice(struct session *s, struct now now)
{
    const struct vap_client *c = s->client;
    size_t mark;
    s->publish_at = MONO_NEVER;
    if (!vap_request_begin(s, now, VAP_PUBLISH, REQUEST_VSERVICE, &mark)) {
        vap_session_fail(s, now, "out of memory");
        return;
    }
    s->publishing = true;
    vap_request_put_service(s, SUBSERVICE_VSERVICE, c->instance);
    tlv_put_u32(&s->out, TLV_SERVICE_VERSION, c->version);
    tlv_put(&s->out, TLV_SERVICE_CONTENT, buf_slice(&c->description));
    vap_request_send(s, mark);
}

void vap_session_published(struct session *s, const struct vap_message *m)
{
    s->publishing = false;
    s->dht_lifetime_s = m->dht_lifetime_s;
    s->client->counters.vservice_published++;
    s->online.e.quota_limit = m->quota_limit;
    s->online.e.quota_current = m->quota_current;
    if (m->has & VAP_HAS_QUOTA && m->quota_current > m->quota_limit) {
        char text[96];
        snprintf(text, sizeof text, "%u numbers are published, %u are allowed", m->quota_current, m->quota_limit);
        vap_alarm_raise(s, VAP_ALARM_OVER_QUOTA, text);
    }
    go_online(s);
}

void vap_session_publish_refused(struct session *s, struct now now, unsigned code, const char *reason)
{
    struct vap_client *c = s->client;
    s->publishing = false;
    c->counters.vservice_failures++;
    switch (code) {
    case VAP_VERSION_TOO_LOW: /* "choose a new instance ID for this service, unregister, reconnect" (8.5) */
        vap_alarm_raise(s, VAP_ALARM_OUT_OF_STEP, reason);
        c->instance = entropy_u64(c->entropy);
        c->version = 1;
        vap_session_fail(s, now, reason);
        break;
    case VAP_UNREGISTERED:
        vap_alarm_raise(s, VAP_ALARM_OUT_OF_STEP, reason);
        vap_session_fail(s, now, reason);
        break;
    case VAP_BAD_REQUEST: /* "MUST NOT retry unless it changes the content" (8.4) */
        vap_alarm_raise(s, VAP_ALARM_BAD_REQUEST, reason);
        vap_session_end(s, reason);
        break;
    default: /* the ring cannot be reached, or the server is overloaded: this passes */
        vap_alarm_raise(s, VAP_ALARM_PUBLISH_FAILED, reason);
        s->publish_at = mono_after_ms(now.mono, PUBLISH_PAUSE_MS);
    }
}

void vap_session_tick(struct session *s, struct now now)
{
    struct vap_client *c = s->client;
    if (s->state == SESSION_IDLE && mono_due(s->deadline, now.mono) && !c->stopping)
        connect_now(s, now);
    else if (s->state == SESSION_CONNECTING && mono_due(s->deadline, now.mono))
        vap_session_fail(s, now, "could not connect in time");
    vap_request_timeout(s, now);
    if (vap_session_is_registered(s) && mono_due(s->refresh_at, now.mono))
        vap_session_refresh(s, now);
    if (vap_session_is_registered(s) && mono_due(s->publish_at, now.mono) && !s->publishing)
        publish_vservice(s, now);
    if (s->holding && mono_due(s->hold_until, now.mono))
        s->holding = false;
}

struct mono vap_session_deadline(const struct session *s)
{
    struct mono deadline = MONO_NEVER;
    if (s->state == SESSION_FINAL)
        return deadline;
    if (s->state == SESSION_IDLE || s->state == SESSION_CONNECTING)
        return s->deadline;
    if (!list_empty(&s->requests))
        deadline = mono_min(deadline, CONTAINER_OF(s->requests.next, struct request, link)->deadline);
    if (!vap_session_is_registered(s))
        return deadline;
    deadline = mono_min(deadline, mono_min(s->refresh_at, vap_keys_deadline(s)));
    if (!s->publishing)
        deadline = mono_min(deadline, s->publish_at);
    if (s->holding)
        deadline = mono_min(deadline, s->hold_until);
    if (vap_number_has_room(s))
        deadline = mono_min(deadline, heap_deadline(&s->numbers));
    return deadline;
}
