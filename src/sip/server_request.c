/* The server transaction of every other request: RFC 3261 17.2.2, figure 8.
 *
 *     PROCEEDING   a request that comes again gets the last provisional response, if there is one (else this is Trying)
 *     COMPLETED    a request that comes again gets the final response until timer J
 *
 * A request that its user never answers is forgotten when its client has given up (timer F): no answer could help (RFC 4320 4.2). */
#include "sip/transaction_core.h"

void sip_server_request_begin(struct server *s, struct now now)
{
    s->state = SERVER_PROCEEDING;
    sip_transaction_schedule(&s->t, MONO_NEVER, mono_after_ms(now.mono, 64 * s->t.layer->config.t1_ms));
}

void sip_server_request_repeated(struct server *s)
{
    if (s->t.packet)
        sip_transaction_repeat(&s->t);
}

/* Timer J is 0 on streams. */
int sip_server_request_respond(struct server *s, struct now now, unsigned status, struct packet *response)
{
    struct transaction *t = &s->t;
    if (s->state != SERVER_PROCEEDING)
        return ERR_WRONG_STATE;
    sip_server_send(s, response);
    if (status < 200)
        return 0;
    s->state = SERVER_COMPLETED;
    sip_server_settled(s);
    if (t->is_reliable)
        sip_transaction_end(t);
    else
        sip_transaction_linger(t, now);
    return 0;
}
