/* Session timers (RFC 4028): how long a session lasts unless somebody refreshes it, who does that, and when. Negotiation as functions over what
 * messages say, for the three parts that one can play; then a passive object that knows when to refresh and when to give up. Intervals are
 * seconds, as in the header fields. */
#ifndef SIP_SESSION_TIMER_H
#define SIP_SESSION_TIMER_H

#include "base/time.h"
#include "sip/message.h"

#define SIP_MIN_SE_S 90           /* the smallest Min-SE, 5 */
#define SIP_SESSION_TIMER_422 422 /* Session Interval Too Small, 6 */

enum sip_refresher { SIP_REFRESHER_NONE, SIP_REFRESHER_UAC, SIP_REFRESHER_UAS };

/* What we want. */
struct sip_session_wish {
    uint32_t expires_s;           /* 0: no timer, unless others want one */
    uint32_t min_se_s;            /* at least SIP_MIN_SE_S: shorter ones are refused */
    enum sip_refresher refresher; /* if it is ours to choose; NONE: the UAC */
};

/* What a message says. */
struct sip_session_said {
    uint32_t expires_s;           /* Session-Expires; 0: none */
    enum sip_refresher refresher; /* its parameter */
    uint32_t min_se_s;            /* Min-SE; 0: none */
    bool supported;               /* "timer" is in Supported or Require */
};
/* 0, or ERR_SYNTAX, ERR_RANGE with the fault, which may be NULL. */
int sip_session_read(const struct sip_message *m, struct sip_session_said *ret_said, struct fault *ret_fault);

/* What holds for the session. */
struct sip_session_terms {
    uint32_t expires_s; /* 0: it does not expire */
    enum sip_refresher refresher;
    bool require; /* the 2xx says Require: timer */
};

/* Appends "1800" or "1800;refresher=uac". */
void sip_session_expires_put(uint32_t expires_s, enum sip_refresher refresher, struct buf *out);

/* ---- UAC (7) ---- */

/* A request's fields: what we want, raised by what we were told in a 422 before. */
void sip_session_ask(const struct sip_session_wish *wish, struct sip_session_said *ret_asked);

/* A 422 to it: asks for the longer interval that it demands. False: it demands no longer one than we asked for, so trying again is of no use. */
bool sip_session_ask_longer(struct sip_session_said *asked, const struct sip_session_said *response);

/* The terms of a 2xx. Without Session-Expires the session does not expire. */
void sip_session_agreed(const struct sip_session_said *response, struct sip_session_terms *ret_terms);

/* ---- UAS (9): 0 with the terms for the 2xx, or 422, to be sent with wish->min_se_s in Min-SE ---- */

unsigned sip_session_accept(const struct sip_session_wish *wish, const struct sip_session_said *request,
                            struct sip_session_terms *ret_terms);

/* ---- proxy (8), and whoever passes on what two others negotiate ---- */

/* What the request says when it goes on: 0, or 422 as above. Only Session-Expires and Min-SE may differ. */
unsigned sip_session_forward(const struct sip_session_wish *wish, const struct sip_session_said *request,
                             struct sip_session_said *ret_forwarded);

/* A 2xx comes back. True: it is without Session-Expires though the UAC can do it, so these terms are put in. */
bool sip_session_forward_answer(const struct sip_session_said *forwarded, const struct sip_session_said *response,
                                struct sip_session_terms *ret_terms);

/* ---- the timer (10) ---- */

struct sip_session_timer {
    struct mono refresh_at; /* MONO_NEVER: not ours, or asked for already */
    struct mono end_at;
};

/* Stopped: never due. */
void sip_session_timer_init(struct sip_session_timer *t);

/* A 2xx with these terms was sent or received: from now on. Refreshes are negotiated and started anew in the same way. */
void sip_session_timer_start(struct sip_session_timer *t, struct now now, const struct sip_session_terms *terms,
                             bool we_are_uac);

enum sip_session_step {
    SIP_SESSION_NOTHING,
    SIP_SESSION_REFRESH, /* send an UPDATE or a re-INVITE: half of the interval is over, and it is ours to refresh */
    SIP_SESSION_END      /* send BYE: no refresh came, or none of ours was answered; the timer has stopped */
};
enum sip_session_step sip_session_timer_tick(struct sip_session_timer *t, struct now now);

static inline struct mono sip_session_timer_deadline(const struct sip_session_timer *t)
{
    return mono_min(t->refresh_at, t->end_at);
}

#endif
