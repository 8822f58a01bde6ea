/* A response that its sender repeats, each time after twice as long, until the other side says that it has it: 2xx to INVITE until the ACK
 * (RFC 3261 13.3.1.4), reliable provisional responses until the PRACK (RFC 3262 section 3). A passive object: it says when. */
#ifndef SIP_RESEND_H
#define SIP_RESEND_H

#include "base/buf.h"
#include "base/time.h"

struct sip_resend {
    struct buf octets;   /* what is repeated; empty: nothing */
    int64_t interval_ms; /* until the next time */
    int64_t interval_max_ms;
    struct mono at;
    struct mono give_up_at; /* 64 * T1 after the first time */
};

enum sip_resend_step {
    SIP_RESEND_WAIT,
    SIP_RESEND_AGAIN,  /* send the octets again now */
    SIP_RESEND_GIVE_UP /* never acknowledged; it has stopped */
};

/* Nothing to repeat. */
void sip_resend_init(struct sip_resend *r);
void sip_resend_fini(struct sip_resend *r);

/* It was sent for the first time. Replaces what was repeated before. interval_max_ms 0: no bound (RFC 3262). 0 or ERR_NO_MEMORY. */
int sip_resend_start(struct sip_resend *r, struct now now, struct slice octets, int64_t t1_ms, int64_t interval_max_ms);
void sip_resend_stop(struct sip_resend *r);

static inline bool sip_resend_runs(const struct sip_resend *r)
{
    return r->octets.n > 0;
}

struct mono sip_resend_deadline(const struct sip_resend *r);
enum sip_resend_step sip_resend_tick(struct sip_resend *r, struct now now);

#endif
