/* Repeats with growing intervals. */
#include "sip/resend.h"

void sip_resend_init(struct sip_resend *r)
{
    *r = (struct sip_resend){.at = MONO_NEVER, .give_up_at = MONO_NEVER};
    buf_init(&r->octets, SIZE_MAX);
}

void sip_resend_fini(struct sip_resend *r)
{
    buf_fini(&r->octets);
}

int sip_resend_start(struct sip_resend *r, struct now now, struct slice octets, int64_t t1_ms, int64_t interval_max_ms)
{
    struct buf copy;
    buf_init(&copy, octets.n);
    buf_slice_put(&copy, octets);
    if (copy.err)
        return copy.err;
    buf_fini(&r->octets);
    r->octets = copy;
    r->interval_ms = t1_ms;
    r->interval_max_ms = interval_max_ms ? interval_max_ms : INT64_MAX;
    r->at = mono_after_ms(now.mono, t1_ms);
    r->give_up_at = mono_after_ms(now.mono, 64 * t1_ms);
    return 0;
}

void sip_resend_stop(struct sip_resend *r)
{
    sip_resend_fini(r);
    sip_resend_init(r);
}

struct mono sip_resend_deadline(const struct sip_resend *r)
{
    return mono_min(r->at, r->give_up_at);
}

enum sip_resend_step sip_resend_tick(struct sip_resend *r, struct now now)
{
    if (mono_due(r->give_up_at, now.mono)) {
        sip_resend_stop(r);
        return SIP_RESEND_GIVE_UP;
    }
    if (!mono_due(r->at, now.mono))
        return SIP_RESEND_WAIT;
    r->interval_ms = 2 * r->interval_ms < r->interval_max_ms ? 2 * r->interval_ms : r->interval_max_ms;
    r->at = mono_after_ms(now.mono, r->interval_ms);
    return SIP_RESEND_AGAIN;
}
