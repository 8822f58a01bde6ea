/* Negotiation of session timers, and the deadlines that follow from it. */
#include "sip/session_timer.h"

#include "base/text.h"

/* The session ends that much before its interval does, or a third of it (section 10). */
#define END_EARLY_S 32

static uint32_t at_least(uint32_t value, uint32_t low)
{
    return value > low ? value : low;
}

static uint32_t at_most(uint32_t value, uint32_t high)
{
    return value < high ? value : high;
}

/* ---- messages ---- */

/* delta-seconds of one field, if there is one; 0 is no interval. */
static int read_delta(const struct sip_message *m, enum sip_header header, struct sip_delta *ret_delta,
                      struct fault *ret_fault)
{
    const struct sip_field *f = sip_field_first(m, header);
    struct sip_delta delta = {0};
    if (f) {
        struct sip_cursor c = sip_field_cursor(m, f);
        if (sip_read_delta(&c, &delta) < 0) {
            if (ret_fault)
                *ret_fault = c.fault;
            return c.err;
        }
    }
    *ret_delta = delta;
    return 0;
}

int sip_session_read(const struct sip_message *m, struct sip_session_said *ret_said, struct fault *ret_fault)
{
    struct sip_session_said said = {0};
    struct sip_delta expires, min_se;
    struct slice refresher;
    int err = read_delta(m, SIP_SESSION_EXPIRES, &expires, ret_fault);
    if (!err)
        err = read_delta(m, SIP_MIN_SE, &min_se, ret_fault);
    if (err)
        return err;
    said.expires_s = expires.seconds;
    said.min_se_s = min_se.seconds;
    if (sip_param_find(expires.params, "refresher", &refresher))
        said.refresher = text_equal_nocase(refresher, slice_str("uac"))   ? SIP_REFRESHER_UAC
                         : text_equal_nocase(refresher, slice_str("uas")) ? SIP_REFRESHER_UAS
                                                                          : SIP_REFRESHER_NONE;
    said.supported = sip_lists(m, SIP_SUPPORTED, "timer") || sip_lists(m, SIP_REQUIRE, "timer");
    *ret_said = said;
    return 0;
}

void sip_session_expires_put(uint32_t expires_s, enum sip_refresher refresher, struct buf *out)
{
    buf_printf(out, "%u", expires_s);
    if (refresher)
        buf_str(out, refresher == SIP_REFRESHER_UAC ? ";refresher=uac" : ";refresher=uas");
}

/* ---- UAC ---- */

void sip_session_ask(const struct sip_session_wish *wish, struct sip_session_said *ret_asked)
{
    *ret_asked = (struct sip_session_said){
        .expires_s = wish->expires_s ? at_least(wish->expires_s, wish->min_se_s) : 0,
        .refresher = wish->expires_s ? wish->refresher : SIP_REFRESHER_NONE,
        .min_se_s = wish->min_se_s > SIP_MIN_SE_S ? wish->min_se_s : 0,
        .supported = true,
    };
}

/* 7.3: Min-SE is the highest that anybody demanded. */
bool sip_session_ask_longer(struct sip_session_said *asked, const struct sip_session_said *response)
{
    if (response->min_se_s <= asked->expires_s)
        return false;
    asked->min_se_s = at_least(response->min_se_s, asked->min_se_s);
    asked->expires_s = at_least(asked->expires_s, asked->min_se_s);
    return true;
}

void sip_session_agreed(const struct sip_session_said *response, struct sip_session_terms *ret_terms)
{
    *ret_terms = (struct sip_session_terms){.expires_s = response->expires_s};
    if (!response->expires_s)
        return;
    /* Nobody named: rather twice than not at all. */
    ret_terms->refresher = response->refresher ? response->refresher : SIP_REFRESHER_UAC;
    ret_terms->require = true;
}

/* ---- UAS ---- */

/* May go down to Min-SE, never up. */
static uint32_t lower(uint32_t asked_s, uint32_t wish_s, uint32_t min_se_s)
{
    uint32_t low = at_least(min_se_s, SIP_MIN_SE_S);
    return at_most(at_least(at_most(wish_s, asked_s), low), asked_s);
}

unsigned sip_session_accept(const struct sip_session_wish *wish, const struct sip_session_said *request,
                            struct sip_session_terms *ret_terms)
{
    struct sip_session_terms terms = {0};
    if (request->expires_s && request->expires_s < wish->min_se_s && request->supported)
        return SIP_SESSION_TIMER_422;
    if (request->expires_s)
        terms.expires_s =
            wish->expires_s ? lower(request->expires_s, wish->expires_s, request->min_se_s) : request->expires_s;
    else if (wish->expires_s)
        terms.expires_s = at_least(at_least(wish->expires_s, wish->min_se_s), request->min_se_s);
    if (terms.expires_s) {
        /* Table 2: who cannot do it does not refresh. */
        if (!request->supported)
            terms.refresher = SIP_REFRESHER_UAS;
        else if (request->expires_s && request->refresher)
            terms.refresher = request->refresher;
        else
            terms.refresher = wish->refresher ? wish->refresher : SIP_REFRESHER_UAC;
        terms.require = request->supported;
    }
    *ret_terms = terms;
    return 0;
}

/* ---- proxy ---- */

unsigned sip_session_forward(const struct sip_session_wish *wish, const struct sip_session_said *request,
                             struct sip_session_said *ret_forwarded)
{
    struct sip_session_said forwarded = *request;
    if (request->expires_s && request->expires_s < wish->min_se_s) {
        if (request->supported)
            return SIP_SESSION_TIMER_422;
        /* 8.1: whoever cannot understand the 422 gets a longer interval instead. */
        forwarded.min_se_s = at_least(wish->min_se_s, request->min_se_s);
        forwarded.expires_s = forwarded.min_se_s;
    } else if (!request->expires_s && wish->expires_s) {
        forwarded.expires_s = at_least(at_least(wish->expires_s, wish->min_se_s), request->min_se_s);
    } else if (wish->expires_s) {
        forwarded.expires_s = lower(request->expires_s, at_least(wish->expires_s, wish->min_se_s), request->min_se_s);
    }
    *ret_forwarded = forwarded;
    return 0;
}

bool sip_session_forward_answer(const struct sip_session_said *forwarded, const struct sip_session_said *response,
                                struct sip_session_terms *ret_terms)
{
    if (response->expires_s || !forwarded->expires_s || !forwarded->supported)
        return false;
    *ret_terms = (struct sip_session_terms){forwarded->expires_s, SIP_REFRESHER_UAC, true};
    return true;
}

/* ---- the timer ---- */

void sip_session_timer_init(struct sip_session_timer *t)
{
    t->refresh_at = t->end_at = MONO_NEVER;
}

void sip_session_timer_start(struct sip_session_timer *t, struct now now, const struct sip_session_terms *terms,
                             bool we_are_uac)
{
    const int64_t interval_ms = terms->expires_s * INT64_C(1000);
    const int64_t early_ms =
        interval_ms / 3 < END_EARLY_S * INT64_C(1000) ? interval_ms / 3 : END_EARLY_S * INT64_C(1000);
    sip_session_timer_init(t);
    if (!interval_ms)
        return;
    t->end_at = mono_after_ms(now.mono, interval_ms - early_ms);
    if (terms->refresher == (we_are_uac ? SIP_REFRESHER_UAC : SIP_REFRESHER_UAS))
        t->refresh_at = mono_after_ms(now.mono, interval_ms / 2);
}

enum sip_session_step sip_session_timer_tick(struct sip_session_timer *t, struct now now)
{
    if (mono_due(t->end_at, now.mono)) {
        sip_session_timer_init(t);
        return SIP_SESSION_END;
    }
    if (!mono_due(t->refresh_at, now.mono))
        return SIP_SESSION_NOTHING;
    t->refresh_at = MONO_NEVER;
    return SIP_SESSION_REFRESH;
}
