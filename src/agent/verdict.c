/* What a failed attempt means: its cause code, whether the call goes another way, and how the two sides tell each other why. */
#include "agent/internal.h"

#include "base/text.h"

/* The protocol of our own Reason values: the other side's code is better than a guess from a status. */
#define REASON_PROTOCOL "X-IME"

struct slice verdict_reason(struct agent *a, enum agent_cause cause)
{
    return agent_print(a, REASON_PROTOCOL " ;cause=%d ;text=\"%s\"", (int)cause, agent_cause_text(cause));
}

/* The first Reason of ours that passes `any`, or has one of our codes. */
static bool find_reason(const struct sip_message *m, bool any, struct sip_reason *ret_reason)
{
    for (const struct sip_field *f = sip_field_first(m, SIP_REASON); f; f = sip_field_next(m, f)) {
        struct sip_cursor c;
        struct sip_reason reason;
        sip_cursor_init(&c, m->octets, f->value);
        while (sip_read_reason(&c, &reason)) {
            if (!sip_token_eq_str(reason.protocol, REASON_PROTOCOL) ||
                (!any && (reason.cause < AGENT_CAUSE_QOS_FALLBACK || reason.cause > AGENT_CAUSE_UNKNOWN)))
                continue;
            *ret_reason = reason;
            return true;
        }
    }
    return false;
}

enum agent_cause verdict_told(const struct sip_message *m)
{
    struct sip_reason reason;
    return find_reason(m, false, &reason) ? (enum agent_cause)reason.cause : AGENT_CAUSE_NONE;
}

void verdict_words(const struct sip_message *m, struct buf *out)
{
    struct sip_reason reason;
    buf_clear(out);
    if (!find_reason(m, false, &reason) || !reason.text.n)
        return;
    sip_unquote(reason.text, out);
    if (!out->err && (slice_eq_str(buf_slice(out), agent_cause_text((enum agent_cause)reason.cause)) ||
                      !text_is_printable(buf_slice(out))))
        buf_clear(out);
}

bool verdict_is_told(const struct sip_message *m)
{
    struct sip_reason reason;
    return find_reason(m, true, &reason);
}

static enum agent_cause cause_of_status(unsigned status)
{
    switch (status) {
    case 401:
    case 403:
    case 407:
        return AGENT_CAUSE_INVALID_TICKET;
    case 404:
    case 410:
    case 604:
        return AGENT_CAUSE_REMOTE_UNAVAILABLE;
    case 408:
        return AGENT_CAUSE_CONNECTION_TIMEOUT;
    case 416:
    case 484:
    case 485:
        return AGENT_CAUSE_REMOTE_NOT_E164;
    case 500:
    case 503:
        return AGENT_CAUSE_REMOTE_DISABLED;
    case 502:
    case 504:
        return AGENT_CAUSE_REMOTE_UNREGISTERED;
    default:
        return AGENT_CAUSE_UNKNOWN;
    }
}

/* The called person's own answer: busy, declined, not there. Another way would only ring the same phone again. And what the caller's phone will
 * ask again in another way: extensions (420, 421), a longer session timer (422). */
static bool is_answer_of_the_called(unsigned status, bool rang)
{
    return status == 486 || status == 600 || status == 603 || status == 480 || status == 487 ||
           (status >= 420 && status <= 422) || (rang && status < 500);
}

static struct verdict direct(const struct attempt *at, unsigned status, const struct sip_message *response)
{
    if (!response)
        return (struct verdict){true,
                                at->client.unreachable ? AGENT_CAUSE_SOCKET_ERROR : AGENT_CAUSE_CONNECTION_TIMEOUT};
    enum agent_cause told = verdict_told(response);
    if (told != AGENT_CAUSE_NONE)
        return (struct verdict){true, told};
    if (is_answer_of_the_called(status, at->rang))
        return (struct verdict){false, AGENT_CAUSE_NONE};
    return (struct verdict){true, cause_of_status(status)};
}

struct verdict verdict_of(const struct attempt *at, unsigned status, const struct sip_message *response)
{
    if (at->side == AGENT_IME)
        return direct(at, status, response);
    /* A trunk or PBX: another one helps if this one is ill, not if the called side has answered. */
    bool ill = !response || status == 401 || status == 407 || (status == 408 && !at->rang) ||
               (status >= 500 && status < 600 && status != 501 && status != 505);
    return (struct verdict){ill, AGENT_CAUSE_NONE};
}
