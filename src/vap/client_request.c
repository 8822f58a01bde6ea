/* Transactions of the client: requests under way, and what their answers mean (section 5.2). */
#include "base/mem.h"
#include "vap/client_core.h"

#include <stdio.h>

#define HOLD_FIRST_MS 500
#define HOLD_MAX_MS 30000

struct request *vap_request_begin(struct session *s, struct now now, enum vap_method method, enum request_kind kind,
                                  size_t *ret_mark)
{
    const struct vap_client *c = s->client;
    struct request *request = mem_alloc(sizeof *request);
    if (!request)
        return NULL;
    request->kind = kind;
    request->deadline = mono_after_ms(now.mono, c->config.transaction_ms);
    entropy_fill(c->entropy, request->transaction.octets, sizeof request->transaction.octets);
    list_append(&s->requests, &request->link);
    s->in_flight++;
    *ret_mark = vap_begin(&s->out, method, VAP_REQUEST, &request->transaction);
    tlv_put_text(&s->out, TLV_USERNAME, c->user);
    vap_put_realm(&s->out);
    return request;
}

/* What could not be written for lack of memory leaves the connection in an unknown state: the deadline of the request will end it. */
void vap_request_send(struct session *s, size_t mark)
{
    vap_end_signed(&s->out, mark, &s->client->key);
    if (list_empty(&s->send.link))
        vap_note_push(s->client, &s->send, NULL);
}

void vap_request_put_service(struct session *s, uint16_t subservice, uint64_t instance)
{
    tlv_put_service(&s->out, TLV_SERVICE_IDENTITY,
                    &(struct service_identity){SERVICE_VIPR, subservice, s->client->config.vservice_id, instance});
}

bool vap_session_has_room(const struct session *s)
{
    return s->state == SESSION_ONLINE && s->in_flight < s->client->config.window && !s->holding;
}

/* The server asked for patience: nothing new for a while, which grows as long as it goes on. */
void vap_session_hold(struct session *s, struct now now)
{
    if (s->holding)
        return; /* one of many answers to what was sent before */
    s->holding = true;
    s->hold_ms = s->hold_ms ? s->hold_ms * 2 : HOLD_FIRST_MS;
    if (s->hold_ms > HOLD_MAX_MS)
        s->hold_ms = HOLD_MAX_MS;
    s->hold_until = mono_after_ms(now.mono, s->hold_ms);
}

static void request_remove(struct session *s, struct request *request)
{
    list_remove(&request->link);
    s->in_flight--;
    if (request->kind == REQUEST_NUMBER)
        s->numbers_in_flight--;
}

void vap_request_drop_all(struct session *s, struct now now)
{
    /* From the last, so that call records return to the head of the queue in their order. */
    while (!list_empty(&s->requests)) {
        struct request *request = CONTAINER_OF(s->requests.prev, struct request, link);
        request_remove(s, request);
        if (request->upload)
            vap_upload_lost(s->client, request->upload, false);
        if (request->number)
            vap_number_lost(s, now, request->number);
        mem_free(request);
    }
}

void vap_request_timeout(struct session *s, struct now now)
{
    if (list_empty(&s->requests))
        return;
    struct request *first = CONTAINER_OF(s->requests.next, struct request, link);
    if (!mono_due(first->deadline, now.mono))
        return;
    s->client->counters.timeouts++;
    if (s->state == SESSION_UNREGISTERING) {
        vap_session_end(s, "stopped");
        return;
    }
    if (first->upload) {
        vap_upload_lost(s->client, first->upload, true);
        first->upload = NULL;
    }
    vap_session_fail(s, now, "no answer in time");
}

static void register_refused(struct session *s, struct now now, const struct vap_message *m, unsigned code,
                             const char *reason)
{
    struct vap_client *c = s->client;
    c->counters.register_failures++;
    if (code == VAP_UNSUPPORTED_VERSION) {
        /* Ours is the first major version: there is no earlier one to fall back to (section 7). */
        if (m->has & VAP_HAS_VERSION && m->version_major == VAP_VERSION_MAJOR && m->version_minor < s->version_minor) {
            s->version_minor = m->version_minor;
            vap_session_fail(s, now, reason);
            return;
        }
        vap_alarm_raise(s, VAP_ALARM_UNSUPPORTED_VERSION, reason);
        vap_session_end(s, reason);
        return;
    }
    if (code == VAP_ALREADY_REGISTERED || code == VAP_BAD_CLIENT_HANDLE || code == VAP_UNREGISTERED)
        vap_alarm_raise(s, VAP_ALARM_OUT_OF_STEP, reason);
    else if (code == VAP_BAD_REQUEST || code == VAP_FORBIDDEN)
        vap_alarm_raise(s, code == VAP_FORBIDDEN ? VAP_ALARM_FORBIDDEN : VAP_ALARM_BAD_REQUEST, reason);
    vap_session_fail(s, now, reason);
}

static void subscribe_answered(struct session *s, struct now now, const struct vap_message *m, unsigned code,
                               const char *reason)
{
    s->subscribing = false;
    if (code || !(m->has & VAP_HAS_SUBSCRIPTION)) {
        vap_alarm_raise(s, VAP_ALARM_OUT_OF_STEP, code ? reason : "no SubscriptionID came");
        vap_session_fail(s, now, code ? reason : "no SubscriptionID came");
        return;
    }
    s->subscribed = true;
    s->subscription_id = m->subscription_id;
    s->client->counters.subscribed++;
    vap_note_push(s->client, &s->subscription, NULL);
}

/* The request is off the list; the session may end in here. */
static void answered(struct session *s, struct now now, const struct request *request, const struct vap_message *m,
                     unsigned code, const char *reason)
{
    struct vap_client *c = s->client;
    switch (request->kind) {
    case REQUEST_REGISTER:
        if (code)
            register_refused(s, now, m, code, reason);
        else
            vap_session_registered(s, now, m);
        break;
    case REQUEST_REFRESH:
        c->counters.refreshed += code == 0;
        if (code)
            register_refused(s, now, m, code, reason);
        break;
    case REQUEST_UNREGISTER:
        vap_session_end(s, "stopped");
        break;
    case REQUEST_VSERVICE:
        if (code)
            vap_session_publish_refused(s, now, code, reason);
        else
            vap_session_published(s, m);
        break;
    case REQUEST_SUBSCRIBE:
        subscribe_answered(s, now, m, code, reason);
        break;
    case REQUEST_UNSUBSCRIBE: /* 476 is as good as success (8.8) */
        s->subscribing = false;
        s->subscribed = false;
        break;
    case REQUEST_KEYS:
    case REQUEST_KEYS_NO_MORE:
        vap_keys_answered(s, now, request, m, code, reason);
        break;
    case REQUEST_UPLOAD:
        vap_upload_answered(s, now, request->upload, code, reason);
        break;
    case REQUEST_COPY:
        c->counters.vcrs_copied += code == 0;
        if (code == VAP_OVERLOADED)
            vap_session_hold(s, now);
        break;
    case REQUEST_NUMBER:
        vap_number_answered(s, now, request->number, code, reason, m);
        break;
    }
}

/* The error code of an answer, 0 for success; the reason goes to text. */
static unsigned answer_code(const struct vap_message *m, char *text, size_t octets)
{
    unsigned code = m->has & VAP_HAS_ERROR ? m->error_code : VAP_BAD_REQUEST;
    if (m->kind == VAP_SUCCESS) {
        text[0] = 0;
        return 0;
    }
    if (m->reason.n)
        snprintf(text, octets, "%u %.*s", code, SLICE_PRINT(m->reason));
    else
        snprintf(text, octets, "%u %s", code, vap_code_reason(code));
    return code;
}

static struct request *find(const struct session *s, const struct vap_transaction *transaction)
{
    LIST_EACH(it, &s->requests) {
        struct request *request = CONTAINER_OF(it, struct request, link);
        if (memcmp(&request->transaction, transaction, sizeof *transaction) == 0)
            return request;
    }
    return NULL;
}

void vap_response_receive(struct session *s, struct now now, const struct vap_message *m)
{
    struct vap_client *c = s->client;
    char reason[REASON_OCTETS];
    struct request *request = find(s, &m->transaction);
    unsigned code = answer_code(m, reason, sizeof reason);
    bool stranger = code == VAP_INTEGRITY_CHECK_FAILURE || code == VAP_UNKNOWN_USERNAME;
    /* Only these two errors may come without integrity (5.2.2). */
    bool bare = stranger && !(m->has & VAP_HAS_INTEGRITY);
    if (!request || (!bare && vap_check_integrity(m, &c->key) < 0)) {
        c->counters.responses_discarded++;
        return;
    }
    if (stranger) { /* "The requestor SHOULD generate an alarm and SHOULD NOT retry." */
        vap_alarm_raise(s, VAP_ALARM_INVALID_CREDENTIALS, reason);
        vap_session_end(s, reason);
        return;
    }
    request_remove(s, request);
    answered(s, now, request, m, code, reason);
    mem_free(request);
}
