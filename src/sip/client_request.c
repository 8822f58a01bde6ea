/* The client transaction of every other request: RFC 3261 17.1.2, figure 6.
 *
 *     CALLING      (Trying) timer E repeats the request on UDP, ever more slowly; timer F ends it
 *     PROCEEDING   timer E is T2; timer F goes on
 *     COMPLETED    absorbs repeated responses until timer K */
#include "sip/transaction_core.h"

void sip_client_request_begin(struct client *c, struct now now)
{
    const struct sip_layer_config *config = &c->t.layer->config;
    c->state = CLIENT_CALLING;
    c->t.interval_ms = config->t1_ms;
    sip_transaction_schedule(&c->t, c->t.is_reliable ? MONO_NEVER : mono_after_ms(now.mono, config->t1_ms),
                             mono_after_ms(now.mono, 64 * config->t1_ms));
}

/* Timer E */
void sip_client_request_resend(struct client *c, struct now now)
{
    int64_t t2_ms = c->t.layer->config.t2_ms;
    c->t.interval_ms = c->state == CLIENT_PROCEEDING || 2 * c->t.interval_ms > t2_ms ? t2_ms : 2 * c->t.interval_ms;
    sip_transaction_schedule(&c->t, mono_after_ms(now.mono, c->t.interval_ms), c->t.end_at);
}

void sip_client_request_receive(struct client *c, struct now now, struct inbound *in)
{
    struct transaction *t = &c->t;
    if (c->state == CLIENT_COMPLETED) {
        t->layer->counters.retransmissions_in++;
        sip_inbound_drop(in);
        return;
    }
    if (in->message.status < 200) {
        c->state = CLIENT_PROCEEDING;
        sip_client_report(c, in);
        return;
    }
    c->state = CLIENT_COMPLETED;
    sip_client_settled(c);
    sip_client_report(c, in);
    if (t->is_reliable)
        sip_transaction_end(t); /* timer K is 0 */
    else
        sip_transaction_schedule(t, MONO_NEVER, mono_after_ms(now.mono, t->layer->config.t4_ms));
}

/* Timers F, K */
void sip_client_request_expire(struct client *c)
{
    if (c->state == CLIENT_COMPLETED)
        sip_transaction_end(&c->t);
    else
        sip_client_give_up(c, SIP_TIMEOUT);
}
