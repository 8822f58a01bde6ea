/* The INVITE client transaction: RFC 3261 17.1.1 and figure 5, as RFC 6026 8.4 and figure 7.2 amend it.
 *
 *     CALLING      timer A repeats the INVITE on UDP; timer B ends it
 *     PROCEEDING   timer C: a CANCEL is sent, and 64 * T1 later it is over (16.8, 9.1)
 *     COMPLETED    300 to 699: acknowledged here, again and again until timer D; a proxy may pass on a 2xx after it (16.7), the user ends that
 *     ACCEPTED     2xx: each goes to the user, who acknowledges it, until timer M */
#include "sip/transaction_core.h"

void sip_client_invite_begin(struct client *c, struct now now)
{
    const struct sip_layer_config *config = &c->t.layer->config;
    c->state = CLIENT_CALLING;
    c->t.interval_ms = config->t1_ms;
    sip_transaction_schedule(&c->t, c->t.is_reliable ? MONO_NEVER : mono_after_ms(now.mono, config->t1_ms),
                             mono_after_ms(now.mono, config->timer_b_ms));
}

/* Timer A */
void sip_client_invite_resend(struct client *c, struct now now)
{
    c->t.interval_ms *= 2;
    sip_transaction_schedule(&c->t, mono_after_ms(now.mono, c->t.interval_ms), c->t.end_at);
}

int sip_client_invite_cancel(struct client *c, struct now now)
{
    int err = sip_client_send_cancel(c, now);
    if (!err)
        sip_transaction_schedule(&c->t, MONO_NEVER, mono_after_ms(now.mono, 64 * c->t.layer->config.t1_ms));
    return err;
}

static void receive_provisional(struct client *c, struct now now)
{
    c->state = CLIENT_PROCEEDING;
    if (c->is_cancelled)
        return;
    sip_transaction_schedule(&c->t, MONO_NEVER, mono_after_ms(now.mono, c->t.layer->config.timer_c_ms));
    if (c->cancel)
        sip_client_invite_cancel(c, now); /* without memory: at the next provisional response, or with timer C */
}

static void acknowledge(struct client *c, const struct sip_message *response)
{
    if (c->ack || sip_client_derive_ack(c, response, &c->ack) == 0)
        sip_packet_send(c->ack);
}

static void receive_failure(struct client *c, struct now now, const struct sip_message *response)
{
    acknowledge(c, response);
    c->state = CLIENT_COMPLETED;
    sip_client_settled(c);
    sip_transaction_schedule(&c->t, MONO_NEVER, mono_after_ms(now.mono, c->t.layer->config.timer_d_ms));
}

static void receive_success(struct client *c, struct now now)
{
    c->state = CLIENT_ACCEPTED;
    sip_client_settled(c);
    sip_transaction_linger(&c->t, now);
}

/* While there is no final response. */
static void receive_first(struct client *c, struct now now, struct inbound *in)
{
    unsigned status = in->message.status;
    if (status < 200)
        receive_provisional(c, now);
    else if (status < 300)
        receive_success(c, now);
    else
        receive_failure(c, now, &in->message);
    sip_client_report(c, in);
    if (c->state == CLIENT_COMPLETED && c->t.is_reliable)
        sip_transaction_end(&c->t); /* timer D is 0 */
}

void sip_client_invite_receive(struct client *c, struct now now, struct inbound *in)
{
    unsigned status = in->message.status;
    if (c->state <= CLIENT_PROCEEDING) {
        receive_first(c, now, in);
    } else if (c->state == CLIENT_ACCEPTED && status >= 200 && status < 300) {
        sip_client_report(c, in);
    } else {
        c->t.layer->counters.retransmissions_in++;
        if (c->state == CLIENT_COMPLETED && status >= 300)
            acknowledge(c, &in->message);
        sip_client_report_late(c->t.layer, in);
    }
}

/* Timers B, C, D, M */
void sip_client_invite_expire(struct client *c, struct now now)
{
    if (c->state > CLIENT_PROCEEDING)
        sip_transaction_end(&c->t);
    else if (c->state == CLIENT_CALLING || c->is_cancelled || sip_client_invite_cancel(c, now))
        sip_client_give_up(c, SIP_TIMEOUT);
}
