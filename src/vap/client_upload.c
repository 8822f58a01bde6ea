/* Call records on their way (section 8.6): to the acting server; those of received calls to the other one, too. */
#include "base/mem.h"
#include "vap/client_core.h"

int vap_client_upload(struct vap_client *c, struct now now, const struct vap_vcr *vcr, uint64_t token)
{
    if (c->stopping)
        return ERR_CLOSED;
    if (c->uploads >= c->config.queue_max)
        return ERR_LIMIT;
    struct upload *upload = mem_alloc(sizeof *upload);
    if (!upload)
        return ERR_NO_MEMORY;
    upload->vcr = *vcr;
    upload->token = token;
    list_init(&upload->result.link);
    list_append(&c->queue, &upload->link);
    c->uploads++;
    vap_upload_dispatch(c, now);
    return 0;
}

void vap_upload_finish(struct vap_client *c, struct upload *upload, int err, unsigned code, const char *reason)
{
    c->uploads--;
    c->counters.vcrs_acked += err == 0;
    c->counters.vcrs_failed += err != 0;
    upload->result.e = (struct vap_client_effect){
        .kind = VAP_CLIENT_UPLOADED,
        .token = upload->token,
        .err = err,
        .code = code,
    };
    vap_note_push(c, &upload->result, reason);
}

static bool send_upload(struct session *s, struct now now, struct upload *upload, enum request_kind kind)
{
    const struct vap_vcr *vcr = &upload->vcr;
    size_t mark;
    struct request *request = vap_request_begin(s, now, VAP_UPLOAD_VCR, kind, &mark);
    if (!request)
        return false;
    if (kind == REQUEST_UPLOAD)
        request->upload = upload;
    vap_request_put_service(s, SUBSERVICE_NUMBER, SERVICE_INSTANCE_ALL);
    tlv_put_u32(&s->out, TLV_CALL_DIRECTION, vcr->direction);
    tlv_put_u64(&s->out, TLV_START_TIME, vcr->start_ntp);
    tlv_put_u64(&s->out, TLV_STOP_TIME, vcr->stop_ntp);
    tlv_put_e164(&s->out, TLV_CALLING_NUM, &vcr->calling);
    tlv_put_e164(&s->out, TLV_CALLED_NUM, &vcr->called);
    vap_request_send(s, mark);
    return true;
}

void vap_upload_dispatch(struct vap_client *c, struct now now)
{
    struct session *acting = vap_client_acting(c);
    if (!acting)
        return;
    struct session *other = &c->sessions[acting->index == VAP_PRIMARY ? VAP_BACKUP : VAP_PRIMARY];
    bool copying = c->config.servers == VAP_SERVERS_MAX && other->state == SESSION_ONLINE;
    while (!list_empty(&c->queue) && vap_session_has_room(acting)) {
        struct upload *upload = CONTAINER_OF(c->queue.next, struct upload, link);
        bool copy = copying && upload->vcr.direction == VAP_RECEIVED;
        /* Both in step, so that the other server misses none; a server that answers nothing ends its session in time. */
        if (copy && !vap_session_has_room(other))
            return;
        if (!send_upload(acting, now, upload, REQUEST_UPLOAD))
            return;
        list_remove(&upload->link);
        if (copy)
            send_upload(other, now, upload, REQUEST_COPY);
    }
}

void vap_upload_lost(struct vap_client *c, struct upload *upload, bool timed_out)
{
    upload->attempts += timed_out;
    if (upload->attempts >= c->config.attempts_max) {
        vap_upload_finish(c, upload, ERR_TIMEOUT, 0, "no answer in time");
        return;
    }
    c->counters.vcrs_retried++;
    list_prepend(&c->queue, &upload->link);
}

/* Sends it again later, unless that was tried often enough. */
static void try_again(struct session *s, struct upload *upload, unsigned code, const char *reason)
{
    struct vap_client *c = s->client;
    if (++upload->attempts >= c->config.attempts_max) {
        vap_upload_finish(c, upload, ERR_FORBIDDEN, code, reason);
        return;
    }
    c->counters.vcrs_retried++;
    list_prepend(&c->queue, &upload->link);
}

void vap_upload_answered(struct session *s, struct now now, struct upload *upload, unsigned code, const char *reason)
{
    struct vap_client *c = s->client;
    switch (code) {
    case 0:
        s->hold_ms = 0; /* a server that takes some is not asked for growing patience */
        vap_upload_finish(c, upload, 0, 0, NULL);
        break;
    case VAP_OVERLOADED: /* not this record's fault: it waits as long as it takes */
        vap_session_hold(s, now);
        c->counters.vcrs_retried++;
        list_prepend(&c->queue, &upload->link);
        break;
    case VAP_SERVER_ERROR:
        vap_session_hold(s, now);
        try_again(s, upload, code, reason);
        break;
    case VAP_UNREGISTERED:
        if (!c->version) { /* nobody publishes the VService, and we cannot */
            vap_upload_finish(c, upload, ERR_FORBIDDEN, code, reason);
            break;
        }
        /* "it MUST disconnect, generate a new register and a new VService publication" (8.6) */
        vap_alarm_raise(s, VAP_ALARM_OUT_OF_STEP, reason);
        try_again(s, upload, code, reason);
        vap_session_fail(s, now, reason);
        break;
    default:
        vap_alarm_raise(s, VAP_ALARM_BAD_REQUEST, reason);
        vap_upload_finish(c, upload, ERR_FORBIDDEN, code, reason);
    }
}
