/* Transactions of the server: who asks, may it, what is answered (section 5.3). */
#include "base/mem.h"
#include "vap/server_core.h"

#include <stdio.h>

#define STRANGER_WARNING_MS 1000

size_t vap_reply_begin(struct conn *c, uint16_t method, enum vap_class kind, const struct vap_transaction *transaction)
{
    size_t mark = vap_begin(&c->out, (enum vap_method)method, kind, transaction);
    vap_put_realm(&c->out);
    return mark;
}

void vap_reply_end(struct conn *c, size_t mark)
{
    vap_end_signed(&c->out, mark, c->key);
    c->server->counters.messages_sent++;
    vap_conn_flush(c);
}

void vap_reply_success(struct conn *c, const struct vap_message *m)
{
    vap_reply_end(c, vap_reply_begin(c, m->method, VAP_SUCCESS, &m->transaction));
}

static size_t begin_error(struct conn *c, uint16_t method, const struct vap_transaction *transaction, unsigned code,
                          const char *reason)
{
    size_t mark = vap_reply_begin(c, method, VAP_ERROR, transaction);
    vap_put_error(&c->out, code, reason ? reason : vap_code_reason(code));
    c->server->counters.errors_sent++;
    if (c->client)
        c->client->errors++;
    return mark;
}

static void log_refusal(const struct conn *c, enum log_level level, uint16_t method, unsigned code, const char *reason)
{
    log_event(c->server->log, level, "vap.request.refused", "peer=%s user=%s method=%s code=%u reason=\"%s\"", c->peer,
              c->client ? c->client->account->user : "-", vap_method_name(method) ? vap_method_name(method) : "unknown",
              code, reason ? reason : vap_code_reason(code));
}

void vap_reply_error(struct conn *c, uint16_t method, const struct vap_transaction *transaction, unsigned code,
                     const char *reason)
{
    size_t mark = begin_error(c, method, transaction, code, reason);
    /* A client over its limits is counted, and our own troubles are told once by who has them: not for each request. */
    bool counted = code == VAP_OVERLOADED || code == VAP_SERVER_ERROR;
    log_refusal(c, counted ? LEVEL_DEBUG : LEVEL_INFO, method, code, reason);
    if (code == VAP_UNSUPPORTED_VERSION)
        vap_put_version(&c->out, VAP_VERSION_MAJOR, VAP_VERSION_MINOR);
    vap_reply_end(c, mark);
}

void vap_reply_error_unsigned(struct conn *c, uint16_t method, const struct vap_transaction *transaction, unsigned code,
                              const char *reason)
{
    vap_end(&c->out, begin_error(c, method, transaction, code, reason));
    c->server->counters.messages_sent++;
    vap_conn_flush(c);
}

/* An answer to somebody who has not shown that he knows the password: never signed, or it would be material to guess it from. */
static void refuse_stranger(struct conn *c, struct now now, const struct vap_message *m, unsigned code,
                            const char *reason)
{
    struct vap_server *s = c->server;
    /* Whoever tries many passwords may not fill the log; the counters go on. */
    bool loud = mono_due(s->next_warning, now.mono);
    if (loud)
        s->next_warning = mono_after_ms(now.mono, STRANGER_WARNING_MS);
    log_event(s->log, loud ? LEVEL_WARNING : LEVEL_DEBUG, "vap.stranger.refused",
              "peer=%s user=\"%.*s\" code=%u reason=\"%s\"", c->peer, SLICE_PRINT(m->username), code,
              reason ? reason : vap_code_reason(code));
    vap_reply_error_unsigned(c, m->method, &m->transaction, code, reason);
    if (++c->auth_failures >= c->server->config.auth_failures_max)
        vap_conn_close(c, "too many requests without good integrity");
}

/* The account behind a request; NULL when it was refused. */
static struct account *authenticate(struct conn *c, struct now now, const struct vap_message *m, int err,
                                    const char *reason)
{
    struct vap_server *s = c->server;
    if (!(m->has & VAP_HAS_USERNAME)) {
        refuse_stranger(c, now, m, VAP_BAD_REQUEST, err ? reason : "USERNAME is missing");
        return NULL;
    }
    struct account *account = map_get(&s->accounts, m->username);
    if (!account) {
        s->counters.unknown_user++;
        refuse_stranger(c, now, m, VAP_UNKNOWN_USERNAME, NULL);
        return NULL;
    }
    if (!(m->has & VAP_HAS_INTEGRITY)) {
        s->counters.missing_integrity++;
        refuse_stranger(c, now, m, VAP_BAD_REQUEST, err ? reason : "MESSAGE-INTEGRITY is missing");
        return NULL;
    }
    if (vap_check_integrity(m, &account->key) < 0) {
        s->counters.bad_integrity++;
        refuse_stranger(c, now, m, VAP_INTEGRITY_CHECK_FAILURE, NULL);
        return NULL;
    }
    return account;
}

static void dispatch(struct conn *c, struct now now, const struct vap_message *m, struct account *account)
{
    switch (m->method) {
    case VAP_REGISTER:
        vap_client_register(c, now, m, account);
        break;
    case VAP_UNREGISTER:
        vap_client_unregister(c, now, m);
        break;
    case VAP_PUBLISH:
        vap_service_publish(c, m);
        break;
    case VAP_UNPUBLISH:
        vap_service_unpublish(c, m);
        break;
    case VAP_SUBSCRIBE:
        vap_subscription_add(c, m);
        break;
    case VAP_UNSUBSCRIBE:
        vap_subscription_remove(c, m);
        break;
    case VAP_UPLOAD_VCR:
        vap_service_upload(c, now, m);
        break;
    default:
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST, "no such method at a server");
    }
}

void vap_request_receive(struct conn *c, struct now now, const struct vap_message *m, int err,
                         const struct fault *fault)
{
    char reason[VAP_REASON_OCTETS_MAX + 1];
    if (err)
        snprintf(reason, sizeof reason, "octet %zu: %s", fault->octet, fault->rule);
    struct account *account = authenticate(c, now, m, err, reason);
    if (!account)
        return;
    c->key = &account->key;
    if (c->client && c->client->account != account) {
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST,
                        "this connection is registered by another user");
        c->key = &c->client->account->key;
        return;
    }
    c->last_seen = now.mono;
    const char *forbidden;
    if (err)
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST, reason);
    else if (!vap_keys_may_ask(c, account, m, &forbidden))
        vap_reply_error(c, m->method, &m->transaction, VAP_FORBIDDEN, forbidden);
    else if (!vap_realm_is_good(m->realm))
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST, "REALM is \"ViPR\", VAP 10.3.2");
    else if (m->has & VAP_HAS_HANDLE && m->method != VAP_REGISTER && c->client && m->client_handle != c->client->handle)
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_CLIENT_HANDLE, NULL);
    else
        dispatch(c, now, m, account);
}

/* The total table of what a completion means on the wire. */
static unsigned completion_code(const struct request *request, int err)
{
    if (request->dht)
        return VAP_PUBLICATION_FAILED;
    switch (err) {
    case ERR_LIMIT:
        return VAP_OVERLOADED;
    case ERR_NOT_FOUND:
        return VAP_UNREGISTERED;
    case ERR_RANGE:
    case ERR_SYNTAX:
        return VAP_BAD_REQUEST;
    default:
        return VAP_SERVER_ERROR;
    }
}

static void answer(struct conn *c, const struct request *request, int err, const char *reason)
{
    struct vap_server *s = c->server;
    if (err) {
        vap_reply_error(c, request->method, &request->transaction, completion_code(request, err), reason);
        return;
    }
    size_t mark = vap_reply_begin(c, request->method, VAP_SUCCESS, &request->transaction);
    if (request->dht) {
        vap_put_quota(&c->out, request->dht->quota_limit, vap_server_quota_used(s, request->dht->name));
        tlv_put_u32(&c->out, TLV_DHT_LIFETIME, request->dht->lifetime_s);
    }
    vap_reply_end(c, mark);
    if (c->client) {
        c->client->numbers += request->dht != NULL;
        c->client->vcrs += request->dht == NULL;
    }
}

void vap_server_complete(struct vap_server *s, uint64_t request_id, int err, const char *reason)
{
    struct request *request = map_remove(&s->requests, key_of(&request_id));
    if (!request)
        return;
    if (request->dht) {
        s->publishes_queued--;
        s->counters.numbers_published += err == 0;
        s->counters.numbers_failed += err != 0;
    } else {
        s->counters.vcrs_uploaded += err == 0;
        s->counters.vcrs_failed += err != 0;
    }
    struct conn *c = request->conn;
    if (c) {
        list_remove(&request->link);
        c->in_flight--;
        answer(c, request, err, reason);
        if (c->out.err)
            vap_conn_close(c, "too much to send");
    } else {
        s->counters.completions_late++;
    }
    mem_free(request);
}
