/* The move: phone and leg are told of each other's audio, both at once, and once more where an answer is another than what the other side was told. Back is
 * the same with the direct way in place of the leg. */
#include "agent/fallback_private.h"

static struct party *target(struct fallback *f)
{
    return f->state == FALLBACK_BACK ? &f->direct : f->leg ? &f->leg->party : NULL;
}

static struct party *opposite(struct fallback *f, const struct party *p)
{
    return p == &f->phone ? target(f) : &f->phone;
}

/* ---- whether what was told still holds ---- */

static bool knows_codec(const struct sip_sdp *sdp, int media, const struct sip_sdp_codec *codec)
{
    struct sip_sdp_codec codecs[32];
    const size_t n = sip_sdp_codecs(sdp, media, codecs, 32);
    for (size_t i = 0; i < n; i++) {
        if (codecs[i].type == codec->type && codecs[i].clock_hz == codec->clock_hz &&
            sip_token_eq_str(slice_str(codecs[i].name), codec->name))
            return true;
    }
    return false;
}

static bool same_place(const struct sip_sdp *a, int am, const struct sip_sdp *b, int bm)
{
    struct sip_sdp_connection ac, bc;
    return sip_sdp_connection(a, am, &ac) && sip_sdp_connection(b, bm, &bc) && slice_eq(ac.address, bc.address) &&
           a->media[am].port == b->media[bm].port && sip_sdp_direction(a, am) == sip_sdp_direction(b, bm);
}

/* The other end was told of an offer, or of an earlier answer, of this one: it is still where that says, and sends what that has. */
static bool still_holds(struct agent *a, struct slice said, struct slice told)
{
    struct sip_sdp now, before;
    struct sip_sdp_codec codec;
    if (sip_sdp_parse(&a->scratch, said, &now, NULL) < 0 || sip_sdp_parse(&a->scratch, told, &before, NULL) < 0)
        return true;
    const int nm = sip_sdp_audio(&now), bm = sip_sdp_audio(&before);
    if (nm < 0 || bm < 0)
        return true;
    for (size_t i = 0; now.media_count == before.media_count && i < now.media_count; i++) {
        if (now.media[i].port != before.media[i].port)
            return false;
    }
    return same_place(&now, nm, &before, bm) &&
           (!sip_sdp_codecs(&now, nm, &codec, 1) || knows_codec(&before, bm, &codec));
}

/* ---- asking ---- */

static void heard(struct party *p, unsigned status, const struct sip_message *response);
static void refused(struct fallback *f, struct party *p, unsigned status);

/* Where an answer says less than it could, the other side holds: of that the phone network is told by the other side. What is left is the phone's own wish. */
static int read_wish(struct agent *a, struct slice said, struct sip_sdp *ret_sdp)
{
    struct buf wish;
    int err = sip_sdp_parse(&a->scratch, said, ret_sdp, NULL);
    const int media = err ? -1 : sip_sdp_audio(ret_sdp);
    const enum sip_sdp_direction is = media < 0 ? SIP_SDP_SENDRECV : sip_sdp_direction(ret_sdp, media);
    if (err || is == SIP_SDP_SENDRECV || is == SIP_SDP_SENDONLY)
        return err;
    struct sip_sdp_edit *e = sip_sdp_edit_new(&a->scratch, ret_sdp);
    if (!e)
        return ERR_NO_MEMORY;
    sip_sdp_edit_direction(e, media, is == SIP_SDP_RECVONLY ? SIP_SDP_SENDRECV : SIP_SDP_SENDONLY);
    buf_init(&wish, SIP_SDP_TOLD_OCTETS_MAX);
    err = sip_sdp_edit_write(e, &wish);
    const struct slice text = err ? (struct slice){0} : region_copy(&a->scratch, buf_slice(&wish));
    buf_fini(&wish);
    return err ? err : text.p ? sip_sdp_parse(&a->scratch, text, ret_sdp, NULL) : ERR_NO_MEMORY;
}

static int make_offer(struct fallback *f, struct party *p, const struct party *from, struct buf *out)
{
    struct agent *a = f->agent;
    struct sip_sdp sdp;
    const bool to_leg = f->state == FALLBACK_MOVING && p != &f->phone && p->rounds == 1;
    int err = to_leg ? read_wish(a, buf_slice(&from->said), &sdp)
                     : sip_sdp_parse(&a->scratch, buf_slice(&from->said), &sdp, NULL);
    if (err)
        return err;
    return f->state == FALLBACK_BACK ? sip_sdp_told_pass(&p->told, &a->scratch, &sdp, NULL, out, NULL)
                                     : sip_sdp_carry_offer(&p->told, &a->scratch, &sdp, out, NULL);
}

/* False: it was refused. */
static bool ask(struct fallback *f, struct party *p)
{
    struct buf offer;
    if (!p->pending || party_is_busy(p))
        return true;
    p->pending = false;
    p->rounds++;
    buf_init(&offer, SIP_SDP_TOLD_OCTETS_MAX);
    int err = make_offer(f, p, opposite(f, p), &offer);
    if (!err)
        err = party_ask(p, buf_slice(&offer), NULL, heard);
    buf_fini(&offer);
    if (err)
        refused(f, p, 488);
    return !err;
}

static void moved(struct fallback *f)
{
    struct agent *a = f->agent;
    if (f->state == FALLBACK_BACK) {
        fallback_link(f, f->direct.end);
        fallback_set(f, FALLBACK_DIRECT);
        fallback_note(f, AGENT_IME, AGENT_CAUSE_NONE, "the call is direct again");
        f->phone_is_away = false;
        fallback_retry(f);
        return;
    }
    voice_close(&f->leg->voice);
    trunk_change_taken(f->leg->trunk);
    fallback_link(f, &f->leg->end);
    f->moves++;
    f->by_hand = false;
    f->moved_at = a->now.mono;
    a->counters.FallbackCallsSuccessful++;
    a->counters.fallbacks_moved++;
    fallback_set(f, FALLBACK_AWAY);
    fallback_note(f, AGENT_PSTN, AGENT_CAUSE_QOS_FALLBACK, "%s: the call has moved to the phone network",
                  f->leg->trunk->options->name);
    fallback_keep(f);
}

void fallback_move_on(struct fallback *f)
{
    struct party *to = target(f);
    const enum fallback_state state = f->state;
    if (!to || ((f->is_telling || f->waits) && state == FALLBACK_MOVING) || !ask(f, &f->phone) || f->state != state ||
        !ask(f, to) || f->state != state)
        return;
    if (!f->phone.pending && !to->pending && !f->phone.heard && !to->heard)
        moved(f);
}

/* What that one has said is told to the other one if it is news. */
static void check_other(struct fallback *f, const struct party *p)
{
    struct party *other = opposite(f, p);
    if (other && !other->pending && other->rounds < MOVE_ROUNDS_MAX &&
        !still_holds(f->agent, buf_slice(&p->said), sip_sdp_told_text(&other->told)))
        other->pending = true;
}

static void heard(struct party *p, unsigned status, const struct sip_message *response)
{
    struct fallback *f = p->fallback;
    if (!f || (f->state != FALLBACK_MOVING && f->state != FALLBACK_BACK))
        return;
    if (!response || status >= 300) {
        if (response && f->leg && p == &f->leg->party)
            trunk_change_refused(f->leg->trunk, status);
        refused(f, p, status);
        return;
    }
    if (p == &f->phone)
        f->phone_is_away = f->state == FALLBACK_MOVING;
    check_other(f, p);
    fallback_move_on(f);
}

/* The phone network is faster than we, or both have crossed: what we were about to say is said in the answer. */
bool fallback_leg_offers(struct fallback *f, const struct sip_event *event)
{
    struct agent *a = f->agent;
    struct party *p = &f->leg->party;
    struct sip_sdp offer, phone;
    struct buf answer;
    if (f->state != FALLBACK_MOVING || p->invite.token || p->end->owes_ack || !event->message->body.n ||
        sip_resend_runs(&p->end->accepted.resend))
        return false;
    buf_init(&answer, SIP_SDP_TOLD_OCTETS_MAX);
    int err = sip_sdp_parse(&a->scratch, event->message->body, &offer, NULL);
    if (!err)
        err = sip_sdp_parse(&a->scratch, buf_slice(&f->phone.said), &phone, NULL);
    if (!err)
        err = sip_sdp_carry_answer(&p->told, &a->scratch, &offer, &phone, &answer, NULL);
    if (!err)
        err = party_said(p, event->message->body);
    if (!err) {
        agent_accept(p->end, event->server, buf_slice(&answer));
        party_ask_no_more(p);
        p->pending = false;
        check_other(f, p);
        fallback_move_on(f);
    }
    buf_fini(&answer);
    return !err;
}

/* ---- failure ---- */

static void stop_asking(struct fallback *f)
{
    party_ask_no_more(&f->phone);
    if (f->leg)
        party_ask_no_more(&f->leg->party);
    if (f->state == FALLBACK_BACK)
        party_ask_no_more(&f->direct);
}

static void refused(struct fallback *f, struct party *p, unsigned status)
{
    if (p == &f->phone && (status == 481 || status == 408)) {
        call_end(f->call, status, "the agent: the phone had gone");
    } else if (f->state == FALLBACK_BACK) {
        stop_asking(f);
        call_end(f->call, 488, "the agent: neither way was left");
    } else {
        const bool is_phone = p == &f->phone;
        fallback_note(f, is_phone ? AGENT_PBX : AGENT_PSTN, AGENT_CAUSE_NONE, "%s has refused the re-INVITE with %u",
                      is_phone || !f->leg ? "the phone" : f->leg->trunk->options->name, status);
        if (p == &f->phone && p->rounds == 1)
            f->phone_is_away = false;
        fallback_back(f, AGENT_CAUSE_QOS_FALLBACK, "it could not be moved");
    }
}

void fallback_move_due(struct fallback *f)
{
    if (f->state == FALLBACK_MOVING)
        fallback_back(f, AGENT_CAUSE_QOS_FALLBACK, "the move took too long");
    else
        call_end(f->call, 408, "the agent: neither way was left");
}

/* Our phone waits for an answer, or for an ACK, by a way that brings none, and may not be asked meanwhile (RFC 3261 14.1): it is to ask again where it is
 * then, and has its ACK from us. */
void fallback_move_stuck(struct fallback *f)
{
    if (f->is_telling || f->waits) {
        agent_timer(f->agent, &f->later, MOVE_WAIT_MS);
    } else if (f->phone.pending) {
        relay_give_up(f->direct.end);
        relay_acknowledge_for(f->direct.end);
        fallback_move_on(f);
    }
}

static void begin(struct fallback *f, enum fallback_state state)
{
    fallback_set(f, state);
    f->phone.rounds = f->direct.rounds = 0;
    f->phone.pending = true;
    f->waits = f->waits && state == FALLBACK_MOVING;
    agent_timer(f->agent, &f->timer, MOVE_MS);
    if (state == FALLBACK_MOVING)
        agent_timer(f->agent, &f->later, MOVE_WAIT_MS);
}

void fallback_move_now(struct fallback *f)
{
    if (!f->waits || f->state != FALLBACK_MOVING)
        return;
    f->waits = false;
    fallback_move_on(f);
}

/* By the direct way, or because the "#" was said whole: a port that is closed before says nothing, and where the direct way is dead nobody else does. While
 * it lives the other side moves when the word gets there, and we when its answer is here. */
void fallback_told(struct fallback *f)
{
    if (!f->is_telling)
        return;
    f->is_telling = false;
    if (f->state == FALLBACK_MOVING)
        fallback_move_on(f);
}

void fallback_move(struct fallback *f)
{
    begin(f, FALLBACK_MOVING);
    f->leg->party.rounds = 0;
    f->leg->party.pending = true;
    fallback_move_on(f);
}

/* From the phone network, or on the way there: what the other side does not know yet it is told. */
void fallback_back(struct fallback *f, enum agent_cause cause, const char *why)
{
    const bool asked = f->phone_is_away || f->phone.heard;
    const enum fallback_state state = f->state;
    stop_asking(f);
    fallback_link(f, f->direct.end);
    if (state == FALLBACK_MOVING || !asked) {
        fallback_failed(f, cause, why);
    } else {
        if (f->leg)
            detour_end(f->leg, AGENT_CAUSE_NONE);
        fallback_note(f, AGENT_IME, cause, "back from the phone network: %s", why);
        if (mono_since_us(f->agent->now.mono, f->moved_at) > (int64_t)RETRY_MAX_MS * 1000)
            f->failures = 0;
        f->failures += cause != AGENT_CAUSE_NONE;
    }
    if (!asked || f->call->state != CALL_UP || f->state == FALLBACK_TRYING)
        return;
    if (f->path == PATH_SILENT) {
        fallback_return_forced(f);
    } else if (f->path == PATH_OWN) {
        begin(f, FALLBACK_BACK);
        f->direct.pending = false;
        fallback_move_on(f);
    }
}
