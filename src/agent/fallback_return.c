/* While a call is away its direct way is kept: for a moment, or, when both sides want calls back, for as long as the call, with silence of the agents in it,
 * so that the edges go on measuring. When it has been good for long enough the phones speak there again: each time the call had to leave, it has to be good for
 * twice as long. */
#include "agent/fallback_private.h"

#define LINGER_LEG_MS 10000 /* who has called ends the call by the phone network; if it does not, we do */
#define KEEP_RETRY_MS 10000

static void returns_phone(struct party *p, unsigned status, const struct sip_message *response);
static void returns_direct(struct party *p, unsigned status, const struct sip_message *response);
static void kept(struct party *p, unsigned status, const struct sip_message *response);

/* ---- silence ---- */

static void own(struct fallback *f, struct sip_sdp_own *ret_own)
{
    *ret_own = (struct sip_sdp_own){.address = &f->voice.local,
                                    .session_id = entropy_u64(f->agent->ports.entropy) >> 2,
                                    .direction = SIP_SDP_SENDRECV};
}

static int offer_silence(struct fallback *f)
{
    struct agent *a = f->agent;
    struct sip_sdp theirs;
    struct sip_sdp_own ours;
    struct buf offer;
    const struct fallback_word word = {.verb = FALLBACK_KEPT};
    int err = voice_open(&f->voice, AGENT_IME, f->direct.end->hop.addr.family);
    if (err)
        return err;
    own(f, &ours);
    buf_init(&offer, SIP_SDP_TOLD_OCTETS_MAX);
    err = sip_sdp_parse(&a->scratch, buf_slice(&f->direct.said), &theirs, NULL);
    if (!err)
        err = sip_sdp_own_offer(&f->direct.told, &a->scratch, &theirs, &ours, &offer, NULL);
    char *text = region_text(&a->scratch, fallback_text(a, &word));
    if (!err)
        err = text ? party_ask(&f->direct, buf_slice(&offer), text, kept) : ERR_NO_MEMORY;
    buf_fini(&offer);
    return err;
}

static void release(struct fallback *f)
{
    f->return_ms = 0;
    agent_timer(f->agent, &f->release, f->profile.release_ms);
}

void fallback_keep(struct fallback *f)
{
    if (f->path == PATH_GONE)
        return;
    if (!f->return_ms) {
        if (f->acts)
            release(f);
    } else if (f->acts) {
        f->direct.pending = true;
        fallback_return_on(f);
    }
}

static void kept(struct party *p, unsigned status, const struct sip_message *response)
{
    struct fallback *f = p->fallback;
    if (f->state != FALLBACK_AWAY)
        return;
    if (response && status < 300) {
        f->path = PATH_SILENT;
        voice_agree(&f->voice, sip_sdp_told_text(&p->told), buf_slice(&p->said));
        fallback_return_wait(f);
    } else if (!response || status == 481 || status == 408) {
        fallback_path_gone(f, "the other side has left it");
    } else { /* without measurements nobody knows whether it is good */
        voice_close(&f->voice);
        release(f);
    }
}

/* The far agent offers silence: it gets ours. */
void fallback_kept_invite(struct fallback *f, const struct sip_event *event)
{
    struct agent *a = f->agent;
    struct sip_sdp offer;
    struct sip_sdp_own ours;
    struct buf answer;
    int err = f->state == FALLBACK_AWAY || f->state == FALLBACK_MOVING ? 0 : ERR_WRONG_STATE;
    if (err || party_is_busy(&f->direct)) {
        agent_answer(a, event->server, 491, NULL, (struct slice){0});
        return;
    }
    buf_init(&answer, SIP_SDP_TOLD_OCTETS_MAX);
    err = voice_open(&f->voice, AGENT_IME, f->direct.end->hop.addr.family);
    own(f, &ours);
    if (!err)
        err = sip_sdp_parse(&a->scratch, event->message->body, &offer, NULL);
    if (!err)
        err = sip_sdp_own_answer(&f->direct.told, &a->scratch, &offer, &ours, &answer, NULL);
    if (!err)
        err = party_said(&f->direct, event->message->body);
    if (!err) {
        f->path = PATH_SILENT;
        agent_accept(f->direct.end, event->server, buf_slice(&answer));
        voice_agree(&f->voice, buf_slice(&answer), buf_slice(&f->direct.said));
    } else {
        agent_answer(a, event->server, 488, NULL, (struct slice){0});
    }
    buf_fini(&answer);
    if (!err)
        fallback_move_now(f); /* it has moved already */
}

/* ---- when ---- */

void fallback_return_wait(struct fallback *f)
{
    struct agent *a = f->agent;
    int64_t wait_ms = f->return_ms;
    if (f->state != FALLBACK_AWAY || !f->acts || f->path != PATH_SILENT || !f->return_ms)
        return;
    if (f->bad_here || f->bad_there) {
        agent_timer_stop(a, &f->later);
        return;
    }
    for (unsigned i = 1; i < f->moves && wait_ms < RETURN_MAX_MS; i++)
        wait_ms *= 2;
    if (!f->later.node.index)
        agent_timer(a, &f->later, wait_ms < RETURN_MAX_MS ? wait_ms : RETURN_MAX_MS);
}

void fallback_return_due(struct fallback *f)
{
    if (f->return_asked || f->path != PATH_SILENT)
        return;
    f->return_asked = true;
    fallback_say_verb(f, FALLBACK_RETURN);
}

void fallback_return_by_hand(struct fallback *f)
{
    f->bad_here = f->bad_there = false;
    fallback_note(f, AGENT_IME, AGENT_CAUSE_NONE, "an operator wants the call to be direct again");
    if (f->path == PATH_SILENT) {
        fallback_return_due(f);
    } else { /* the other side has kept it as it was */
        fallback_say_verb(f, FALLBACK_FAILED);
        fallback_back(f, AGENT_CAUSE_NONE, "as was wished");
    }
}

/* The called side is asked. */
unsigned fallback_return_allowed(struct fallback *f)
{
    if (!f->return_ms || f->path == PATH_GONE)
        return 603;
    if (f->state != FALLBACK_AWAY || f->path != PATH_SILENT || f->bad_here)
        return 480;
    fallback_set(f, FALLBACK_RETURNING);
    f->phone_returned = false;
    agent_timer(f->agent, &f->timer, MOVE_MS);
    return 200;
}

static unsigned retry_after_s(const struct sip_message *response)
{
    const struct sip_field *f = response ? sip_field_first(response, SIP_RETRY_AFTER) : NULL;
    struct sip_cursor c;
    uint32_t seconds = 30;
    if (f) {
        sip_cursor_init(&c, response->octets, f->value);
        sip_read_number(&c, 3600, &seconds);
    }
    return seconds ? seconds : 1;
}

void fallback_return_answered(struct fallback *f, unsigned status, const struct sip_message *response)
{
    f->return_asked = false;
    if (f->state != FALLBACK_AWAY)
        return;
    if (response && status < 300) {
        f->failures = 0;
        fallback_set(f, FALLBACK_RETURNING);
        agent_timer(f->agent, &f->timer, MOVE_MS);
        f->phone.pending = true;
        fallback_return_on(f);
    } else if (status == 603) {
        voice_close(&f->voice);
        release(f);
    } else if (!response || status == 481 || status == 408) {
        fallback_check_path(f, 0);
    } else {
        agent_timer(f->agent, &f->later, (int64_t)retry_after_s(response) * 1000);
    }
}

/* ---- how ---- */

void fallback_return_on(struct fallback *f)
{
    if (f->state == FALLBACK_AWAY && f->direct.pending && !party_is_busy(&f->direct)) {
        f->direct.pending = false;
        if (offer_silence(f) < 0)
            release(f);
    }
    if (f->state == FALLBACK_RETURNING && f->phone.pending && !party_is_busy(&f->phone) && !party_is_busy(&f->direct)) {
        f->phone.pending = false;
        if (party_ask(&f->phone, (struct slice){0}, NULL, returns_phone) < 0)
            fallback_return_failed(f, "the phone could not be asked");
    }
}

/* Our phone offers what it has, video included. */
static void returns_phone(struct party *p, unsigned status, const struct sip_message *response)
{
    struct fallback *f = p->fallback;
    struct agent *a = f->agent;
    struct sip_sdp offer;
    struct buf out;
    if (!response || status >= 300) {
        if (f->state == FALLBACK_RETURNING)
            fallback_return_failed(f, "the phone refused");
        return;
    }
    if (f->state != FALLBACK_RETURNING) {
        fallback_stay(f);
        return;
    }
    buf_init(&out, SIP_SDP_TOLD_OCTETS_MAX);
    int err = sip_sdp_parse(&a->scratch, buf_slice(&p->said), &offer, NULL);
    if (!err)
        err = sip_sdp_told_pass(&f->direct.told, &a->scratch, &offer, NULL, &out, NULL);
    if (!err)
        err = party_ask(&f->direct, buf_slice(&out), NULL, returns_direct);
    buf_fini(&out);
    if (err)
        fallback_return_failed(f, "what the phone offers cannot be passed on");
}

static void done(struct fallback *f)
{
    struct agent *a = f->agent;
    fallback_link(f, f->direct.end);
    voice_close(&f->voice);
    f->path = PATH_OWN;
    f->phone_is_away = false;
    fallback_set(f, FALLBACK_DIRECT);
    a->counters.fallbacks_returned++;
    fallback_note(f, AGENT_IME, AGENT_CAUSE_NONE, "the call has come back from the phone network");
    if (f->acts && f->leg)
        detour_end(f->leg, AGENT_CAUSE_NONE);
    else if (f->leg)
        agent_timer(a, &f->timer, LINGER_LEG_MS);
    if (f->acts && (f->failures || f->bad_here || f->bad_there))
        fallback_retry(f);
}

/* The far phone's answer is our phone's. */
static void returns_direct(struct party *p, unsigned status, const struct sip_message *response)
{
    struct fallback *f = p->fallback;
    struct agent *a = f->agent;
    struct sip_sdp offer, answer;
    struct buf out;
    if (f->state != FALLBACK_RETURNING) {
        if (f->state == FALLBACK_AWAY && response &&
            status < 300) /* too late: now both sides differ in where the call is */
            fallback_leave_direct(f);
        return;
    }
    if (!response || status >= 300) {
        fallback_return_failed(f, "the other side refused");
        if (!response || status == 481)
            fallback_check_path(f, 0);
        return;
    }
    buf_init(&out, SIP_SDP_TOLD_OCTETS_MAX);
    int err = sip_sdp_parse(&a->scratch, buf_slice(&f->phone.said), &offer, NULL);
    if (!err)
        err = sip_sdp_parse(&a->scratch, buf_slice(&p->said), &answer, NULL);
    if (!err)
        err = sip_sdp_told_pass(&f->phone.told, &a->scratch, &answer, &offer, &out, NULL);
    if (!err)
        err = party_acknowledge(&f->phone, buf_slice(&out));
    buf_fini(&out);
    if (err)
        fallback_return_failed(f, "what the other side answers cannot be passed on");
    else
        done(f);
}

/* The phone waits for an answer to its offer: what it has. */
void fallback_stay(struct fallback *f)
{
    struct agent *a = f->agent;
    struct sip_sdp offer, leg;
    struct buf out;
    if (!f->phone.waits_for_ack)
        return;
    buf_init(&out, SIP_SDP_TOLD_OCTETS_MAX);
    int err = f->leg ? sip_sdp_parse(&a->scratch, buf_slice(&f->phone.said), &offer, NULL) : ERR_NOT_FOUND;
    if (!err)
        err = sip_sdp_parse(&a->scratch, buf_slice(&f->leg->party.said), &leg, NULL);
    if (!err)
        err = sip_sdp_carry_answer(&f->phone.told, &a->scratch, &offer, &leg, &out, NULL);
    if (!err) {
        party_acknowledge(&f->phone, buf_slice(&out));
    } else {
        f->phone.waits_for_ack = false;
        relay_acknowledge(f->phone.end, (struct slice){0});
    }
    buf_fini(&out);
}

void fallback_return_failed(struct fallback *f, const char *why)
{
    const struct fallback_word word = {.verb = FALLBACK_FAILED};
    const bool had_returned = f->phone_returned;
    f->phone_returned = false;
    party_cancel(&f->phone);
    party_cancel(&f->direct);
    fallback_stay(f);
    fallback_note(f, AGENT_PSTN, AGENT_CAUSE_NONE, "it stays on the phone network: %s", why);
    if (!f->leg) {
        call_end(f->call, 408, "the agent: neither way was left");
        return;
    }
    f->moves++; /* the next time it has to be good for longer */
    fallback_set(f, FALLBACK_AWAY);
    if (f->acts)
        fallback_say(f, &word);
    if (!f->acts && had_returned) { /* the phone speaks where nobody listens */
        sip_resend_stop(&f->direct.end->accepted.resend);
        agent_timer_stop(f->agent, &f->direct.end->timer);
        relay_acknowledge(f->phone.end, (struct slice){0});
        fallback_move(f);
        return;
    }
    fallback_return_wait(f);
}

/* The phone network is gone, and the direct way has only our silence. */
void fallback_return_forced(struct fallback *f)
{
    fallback_set(f, FALLBACK_RETURNING);
    f->phone_returned = false;
    agent_timer(f->agent, &f->timer, MOVE_MS);
    if (!f->acts)
        return;
    f->phone.pending = true;
    fallback_return_on(f);
}

/* ---- the called side ---- */

void fallback_passed(struct end *to, enum sip_method method, unsigned status)
{
    struct fallback *f = to->call ? to->call->fallback : NULL;
    if (f && f->state == FALLBACK_RETURNING && !f->acts && to == f->phone.end && method == SIP_INVITE)
        f->phone_returned = status >= 200 && status < 300;
}

void fallback_return_acked(struct fallback *f)
{
    if (f->acts)
        return;
    if (f->state == FALLBACK_RETURNING && f->phone_returned)
        done(f);
    else if (f->state == FALLBACK_DIRECT && f->path == PATH_SILENT) { /* it had not moved here yet */
        voice_close(&f->voice);
        f->path = PATH_OWN;
    }
}
