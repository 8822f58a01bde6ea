/* The 2xx until its ACK, and the ACK for each 2xx. */
#include "sip/session.h"

void sip_accepted_init(struct sip_accepted *a)
{
    *a = (struct sip_accepted){0};
    sip_resend_init(&a->resend);
}

void sip_accepted_fini(struct sip_accepted *a)
{
    sip_resend_fini(&a->resend);
}

int sip_accepted_start(struct sip_accepted *a, struct now now, const struct sip_message *invite, struct slice response,
                       int64_t t1_ms, int64_t t2_ms)
{
    int err = sip_resend_start(&a->resend, now, response, t1_ms, t2_ms);
    if (!err)
        a->cseq = invite->cseq.number;
    return err;
}

bool sip_accepted_acked(struct sip_accepted *a, const struct sip_message *ack)
{
    if (!sip_resend_runs(&a->resend) || ack->method != SIP_ACK || ack->cseq.number != a->cseq)
        return false;
    sip_resend_stop(&a->resend);
    return true;
}

void sip_confirmed_init(struct sip_confirmed *c)
{
    *c = (struct sip_confirmed){0};
    buf_init(&c->ack, SIP_MESSAGE_OCTETS_MAX);
}

void sip_confirmed_fini(struct sip_confirmed *c)
{
    buf_fini(&c->ack);
}

int sip_confirmed_keep(struct sip_confirmed *c, uint32_t cseq, struct slice ack)
{
    struct buf copy;
    buf_init(&copy, SIP_MESSAGE_OCTETS_MAX);
    buf_slice_put(&copy, ack);
    if (copy.err)
        return copy.err;
    buf_fini(&c->ack);
    c->ack = copy;
    c->cseq = cseq;
    return 0;
}

struct slice sip_confirmed_ack(const struct sip_confirmed *c, const struct sip_message *response)
{
    bool again = c->ack.n && response->cseq.number == c->cseq && response->method == SIP_INVITE;
    return again ? buf_slice(&c->ack) : slice_of(NULL, 0);
}
