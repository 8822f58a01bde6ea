/* The INVITE server transaction: RFC 3261 17.2.1 and figure 7, as RFC 6026 8.5 and figure 7.1 amend it.
 *
 *     PROCEEDING   100 when the user is slow; an INVITE that comes again gets the last provisional response
 *     COMPLETED    300 to 699: timer G repeats it on UDP until the ACK, timer H ends waiting
 *     CONFIRMED    absorbs ACKs until timer I
 *     ACCEPTED     2xx: the user repeats it; INVITEs that come again are absorbed until timer L */
#include "sip/transaction_core.h"

static struct mono after_64_t1(const struct server *s, struct now now)
{
    return mono_after_ms(now.mono, 64 * s->t.layer->config.t1_ms);
}

/* Without memory: when the INVITE comes again. */
static void send_trying(struct server *s, struct now now)
{
    sip_transaction_schedule(&s->t, MONO_NEVER, MONO_NEVER);
    sip_server_answer(s, now, 100, slice_of(NULL, 0));
}

void sip_server_invite_begin(struct server *s, struct now now)
{
    int64_t trying_ms = s->t.layer->config.trying_ms;
    s->state = SERVER_PROCEEDING;
    if (trying_ms)
        sip_transaction_schedule(&s->t, mono_after_ms(now.mono, trying_ms), MONO_NEVER);
    else
        send_trying(s, now);
}

void sip_server_invite_repeated(struct server *s, struct now now)
{
    if (s->t.packet && (s->state == SERVER_PROCEEDING || s->state == SERVER_COMPLETED))
        sip_transaction_repeat(&s->t);
    else if (s->state == SERVER_PROCEEDING && s->t.resend_at.us == INT64_MAX)
        send_trying(s, now);
}

/* Timer I is 0 on streams. */
bool sip_server_invite_acked(struct server *s, struct now now)
{
    struct transaction *t = &s->t;
    if (s->state == SERVER_ACCEPTED)
        return true;
    if (s->state == SERVER_PROCEEDING)
        t->layer->counters.acks_stray++;
    if (s->state != SERVER_COMPLETED)
        return false;
    s->state = SERVER_CONFIRMED;
    if (t->is_reliable)
        sip_transaction_end(t);
    else
        sip_transaction_schedule(t, MONO_NEVER, mono_after_ms(now.mono, t->layer->config.t4_ms));
    return false;
}

static void respond_finally(struct server *s, struct now now, unsigned status)
{
    const struct sip_layer_config *config = &s->t.layer->config;
    struct mono resend_at = MONO_NEVER;
    s->state = status < 300 ? SERVER_ACCEPTED : SERVER_COMPLETED;
    if (s->state == SERVER_COMPLETED && !s->t.is_reliable)
        resend_at = mono_after_ms(now.mono, config->t1_ms);
    s->t.interval_ms = config->t1_ms;
    sip_server_settled(s);
    if (s->state == SERVER_ACCEPTED)
        sip_transaction_linger(&s->t, now);
    else
        sip_transaction_schedule(&s->t, resend_at, after_64_t1(s, now));
}

int sip_server_invite_respond(struct server *s, struct now now, unsigned status, struct packet *response)
{
    bool again = s->state == SERVER_ACCEPTED && status >= 200 && status < 300;
    if (s->state != SERVER_PROCEEDING && !again)
        return ERR_WRONG_STATE;
    sip_server_send(s, response);
    if (status >= 200 && !again)
        respond_finally(s, now, status);
    else if (!again)
        sip_transaction_schedule(&s->t, MONO_NEVER, MONO_NEVER);
    return 0;
}

/* Timer G, or the time for a 100 */
void sip_server_invite_resend(struct server *s, struct now now)
{
    int64_t t2_ms = s->t.layer->config.t2_ms;
    if (s->state == SERVER_PROCEEDING) {
        send_trying(s, now);
        return;
    }
    sip_transaction_repeat(&s->t);
    s->t.interval_ms = 2 * s->t.interval_ms < t2_ms ? 2 * s->t.interval_ms : t2_ms;
    sip_transaction_schedule(&s->t, mono_after_ms(now.mono, s->t.interval_ms), s->t.end_at);
}

/* Timers H, I, L */
void sip_server_invite_expire(struct server *s)
{
    if (s->state == SERVER_COMPLETED && !s->t.is_internal)
        sip_transaction_report_end(&s->t, (struct sip_event){.kind = SIP_ACK_MISSING, .server = s->t.id});
    sip_transaction_end(&s->t);
}
