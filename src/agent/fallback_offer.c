/* At set-up the two sides find out whether a call may move: the caller's says that it is ready, the called one offers a number and a token. From then on each
 * keeps what was described at both ends. */
#include "agent/fallback_private.h"

#include <stdio.h>

static void set_word(struct agent *a, struct sip_edit *e, const struct fallback_word *word)
{
    const struct slice text = fallback_text(a, word);
    if (text.n)
        sip_edit_set_named(e, FALLBACK_HEADER, text);
}

static void set_sensitivity(struct agent *a, struct sip_edit *e, const struct agent_fallback_profile *profile)
{
    if (a->options->edge.family)
        sip_edit_set_named(e, EDGE_SENSITIVITY_HEADER, agent_print(a, "%u", (unsigned)profile->quality));
}

static bool wants_privacy(const struct sip_message *m)
{
    const struct sip_field *f = sip_field_first(m, SIP_PRIVACY);
    return f && !sip_token_eq_str(f->value, "none");
}

/* What the word of the other side says of coming back, with what we want. */
static int64_t agreed_return_ms(const struct agent_fallback_profile *profile, const struct fallback_word *word)
{
    const int64_t theirs_ms = (int64_t)word->return_s * 1000;
    if (!profile->return_ms || !theirs_ms)
        return 0;
    return theirs_ms > profile->return_ms ? theirs_ms : profile->return_ms;
}

static unsigned return_s(const struct agent_fallback_profile *profile)
{
    return (unsigned)((profile->return_ms + 999) / 1000);
}

/* ---- the caller's side ---- */

void fallback_offer_invite(struct attempt *at, struct sip_edit *e)
{
    struct call *c = at->call;
    struct agent *a = c->agent;
    struct agent_enrollment ours;
    const struct sip_message *m = c->first ? sip_server_request(a->layer, c->first->server) : NULL;
    if (c->kind != CALL_VOICE || !m || !agent_enrolled_find(a->parts.enrolled, &c->record.calling, &ours))
        return;
    set_sensitivity(a, e, ours.profile);
    if (!a->ports.sound || ours.profile->quality == AGENT_QUALITY_OFF || c->from != AGENT_PBX)
        return;
    struct fallback *f = c->fallback ? c->fallback : fallback_new(c, ours.profile, true);
    if (!f)
        return;
    f->is_private = wants_privacy(m);
    set_word(a, e, &(struct fallback_word){.verb = FALLBACK_READY, .return_s = return_s(ours.profile)});
}

/* E.164 country codes: 1 and 7 have one digit, these have two, all others three. */
static size_t country_digits(const char *digits)
{
    static const char two[] =
        "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 "
        "64 65 66 81 82 84 86 90 91 92 93 94 95 98 ";
    if (digits[0] == '1' || digits[0] == '7')
        return 1;
    for (const char *code = two; *code; code += 3) {
        if (!strncmp(code, digits, 2))
            return 2;
    }
    return 3;
}

/* Whoever is called tells us whom to call at our cost: nobody abroad, nobody whom the trust groups block, and no phone of ours. NULL: may be called. */
static const char *why_not(const struct fallback *f, const struct e164 *number)
{
    const struct agent_enrolled *e = f->agent->parts.enrolled;
    const struct e164 *called = &f->call->record.called;
    struct agent_enrollment ours;
    if (!called->text[0] || strncmp(called->text, number->text, 1 + country_digits(called->text + 1)) != 0)
        return "of another country than the one that was called";
    if (agent_trust_check(e, (struct slice){0}, number) == AGENT_CAUSE_PREFIX_BLOCKED)
        return "blocked by the trust groups";
    if (agent_enrolled_find(e, number, &ours) || agent_enrolled_fallback(e, number))
        return "one of ours";
    return NULL;
}

static bool may_be_called(struct fallback *f, const struct e164 *number)
{
    const char *why = why_not(f, number);
    if (!why)
        return true;
    fallback_note(f, AGENT_PSTN, AGENT_CAUSE_NONE, "it cannot move: the fallback number %s is %s", number->text, why);
    f->agent->counters.fallback_numbers_refused++;
    return false;
}

static void take_offer(struct fallback *f, const struct sip_message *response)
{
    const struct sip_field *field = sip_field_named(response, FALLBACK_HEADER);
    struct fallback_word word;
    if (!field || fallback_word_parse(field->value, &word) < 0 || word.verb != FALLBACK_OFFERED ||
        !may_be_called(f, &word.number))
        return;
    f->is_agreed = true;
    f->number = word.number;
    memcpy(f->token, word.token, sizeof f->token);
    f->return_ms = agreed_return_ms(&f->profile, &word);
}

/* ---- the called side ---- */

static void prepare_offer(struct call *c, const struct agent_fallback_profile *profile,
                          const struct sip_message *request)
{
    struct agent *a = c->agent;
    const struct sip_field *field = sip_field_named(request, FALLBACK_HEADER);
    struct fallback_word word;
    if (!field || fallback_word_parse(field->value, &word) < 0 || word.verb != FALLBACK_READY || !a->ports.sound ||
        !profile->number.text[0] || profile->quality == AGENT_QUALITY_OFF)
        return;
    struct fallback *f = fallback_new(c, profile, false);
    if (!f)
        return;
    f->number = profile->number;
    f->return_ms = agreed_return_ms(profile, &word);
    if (fallback_make_token(f) < 0)
        log_event(a->ports.log, LEVEL_WARNING, "fallback.no_token", "call=%s", c->record.call_id);
}

static bool is_offering(const struct call *c, unsigned status, struct agent_enrollment *ret_ours)
{
    return c->kind == CALL_VOICE && c->from == AGENT_IME && status > 100 && status < 300 &&
           agent_enrolled_find(c->agent->parts.enrolled, &c->record.called, ret_ours);
}

void fallback_offer_prepare(struct call *c, unsigned status, const struct sip_message *request)
{
    struct agent_enrollment ours;
    if (!c->fallback && is_offering(c, status, &ours))
        prepare_offer(c, ours.profile, request);
}

void fallback_offer_answer(struct call *c, unsigned status, struct sip_edit *e)
{
    struct agent *a = c->agent;
    struct agent_enrollment ours;
    struct fallback *f = c->fallback;
    if (!is_offering(c, status, &ours))
        return;
    set_sensitivity(a, e, ours.profile);
    if (!f || status < 200)
        return;
    struct fallback_word word = {.verb = FALLBACK_OFFERED,
                                 .number = f->number,
                                 .caller_id_digits = f->profile.caller_id_digits,
                                 .return_s = return_s(&f->profile)};
    memcpy(word.token, f->token, sizeof word.token);
    set_word(a, e, &word);
    f->is_agreed = true;
}

/* ---- answered ---- */

void fallback_answered(struct call *c, struct pair *pair, const struct sip_message *request,
                       const struct sip_message *response)
{
    struct fallback *f = c->fallback;
    if (!f)
        return;
    if (f->acts && pair && pair->ends[1].side == AGENT_IME)
        take_offer(f, response);
    if (!pair || !f->is_agreed || pair->ends[f->acts].side != AGENT_IME || pair->ends[!f->acts].side != AGENT_PBX) {
        f->is_agreed = false;
        fallback_free(c);
        return;
    }
    struct party *caller = f->acts ? &f->phone : &f->direct, *called = f->acts ? &f->direct : &f->phone;
    if (request && request->body.n && !caller->said.n)
        party_said(caller, request->body);
    if (request && request->body.n && !called->told.n)
        sip_sdp_told_note(&called->told, request->body);
    f->phone.end = &pair->ends[!f->acts];
    f->direct.end = &pair->ends[f->acts];
    f->state_since = c->agent->now.wall;
    list_append(&c->agent->fallbacks, &f->link);
    c->agent->fallback_count++;
    c->agent->counters.fallbacks_agreed++;
}

/* ---- descriptions that pass ---- */

struct passing {
    struct fallback *f;
    struct party *from, *to;
    const struct sip_message *m;
    struct slice offer; /* that it answers; empty: it is an offer */
    bool is_answer;
};

static bool has_description(const struct sip_message *m)
{
    const struct sip_field *type = sip_field_first(m, SIP_CONTENT_TYPE);
    return m->body.n && type && type->value.n >= 15 && sip_token_eq_str(slice_of(type->value.p, 15), "application/sdp");
}

static bool crosses_networks(const struct passing *p)
{
    const struct detour *l = p->f->leg;
    return l && (p->from == &l->party || p->to == &l->party);
}

static int rewrite(const struct passing *p, struct buf *out)
{
    struct agent *a = p->f->agent;
    struct sip_sdp sdp, offer;
    int err = sip_sdp_parse(&a->scratch, p->m->body, &sdp, NULL);
    if (!err && p->is_answer)
        err = sip_sdp_parse(&a->scratch, p->offer, &offer, NULL);
    if (err)
        return err;
    if (!crosses_networks(p))
        return sip_sdp_told_pass(&p->to->told, &a->scratch, &sdp, p->is_answer ? &offer : NULL, out, NULL);
    return p->is_answer ? sip_sdp_carry_answer(&p->to->told, &a->scratch, &offer, &sdp, out, NULL)
                        : sip_sdp_carry_offer(&p->to->told, &a->scratch, &sdp, out, NULL);
}

/* Offers count once they are answered. */
static void remember(const struct passing *p, const struct sip_message *request)
{
    if (p->m->is_request && !p->is_answer) {
        buf_clear(&p->from->offered);
        buf_slice_put(&p->from->offered, p->m->body);
        return;
    }
    if (p->is_answer && request)
        party_said(p->to, request->body);
    party_said(p->from, p->m->body);
}

static void sort(struct passing *p, const struct sip_message *request)
{
    if (p->m->is_request) {
        p->is_answer = p->m->method == SIP_ACK;
        p->offer = buf_slice(&p->to->said);
    } else {
        p->is_answer = request && request->body.n;
        p->offer = p->is_answer ? request->body : (struct slice){0};
    }
}

int fallback_pass(struct call *c, struct end *from, struct end *to, const struct sip_message *m,
                  const struct sip_message *request, struct slice *ret_body)
{
    struct fallback *f = c ? c->fallback : NULL;
    struct passing p = {.f = f, .m = m};
    struct buf out;
    if (!f || f->state == FALLBACK_OVER || !has_description(m) || (!m->is_request && m->status >= 300))
        return 0;
    if (f->is_agreed && f->phone.end && from && to) {
        p.from = fallback_party(f, from);
        p.to = fallback_party(f, to);
    } else { /* still ringing: by who called */
        const bool from_called = from ? from->is_called : !m->is_request;
        p.from = from_called == f->acts ? &f->direct : &f->phone;
        p.to = from_called == f->acts ? &f->phone : &f->direct;
    }
    sort(&p, request);
    buf_init(&out, SIP_SDP_TOLD_OCTETS_MAX);
    int err = rewrite(&p, &out);
    if (!err && !slice_eq(buf_slice(&out), m->body)) {
        *ret_body = region_copy(&f->agent->scratch, buf_slice(&out));
        err = ret_body->n ? 0 : ERR_NO_MEMORY;
    }
    buf_fini(&out);
    if (err && !crosses_networks(&p) && !p.to->told.diverged) /* strange, but so far nobody's concern */
        err = 0;
    if (!err)
        remember(&p, request);
    return err;
}

/* ---- requests that are not for the other end ---- */

bool fallback_takes(struct end *end, const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    struct call *c = end->call;
    struct fallback *f = c->fallback;
    struct agent *a = c->agent;
    const struct sip_field *field = end->side == AGENT_IME ? sip_field_named(m, FALLBACK_HEADER) : NULL;
    const bool describes = m->method == SIP_INVITE || m->method == SIP_UPDATE;
    const bool is_ours = f && f->is_agreed && f->state != FALLBACK_OVER && c->state == CALL_UP;
    if (field && m->method == SIP_INFO) {
        if (is_ours)
            fallback_hear(f, event);
        else
            agent_answer(a, event->server, 488, NULL, (struct slice){0});
        return true;
    }
    if (!is_ours || !describes)
        return false;
    if (field && m->method == SIP_INVITE) {
        fallback_kept_invite(f, event);
        return true;
    }
    const struct party *p = fallback_party(f, end);
    const bool elsewhere = end == f->direct.end ? f->state == FALLBACK_AWAY || f->state == FALLBACK_MOVING
                                                : f->state == FALLBACK_RETURNING;
    if (elsewhere || f->state == FALLBACK_BACK || (f->state == FALLBACK_MOVING && end != f->direct.end) ||
        p->invite.token || p->waits_for_ack) {
        agent_answer(a, event->server, 491, NULL, (struct slice){0});
        return true;
    }
    return false;
}

bool fallback_between(const struct end *end)
{
    const struct call *c = end->call;
    const struct fallback *f = c->fallback;
    return f && f->is_agreed && c->state == CALL_UP && end == f->phone.end && end->other == f->direct.end &&
           !end->gone && f->path == PATH_GONE;
}

unsigned fallback_not_now(enum sip_method method)
{
    return method == SIP_INVITE || method == SIP_UPDATE ? 491 : 500;
}

void fallback_acked(struct end *end)
{
    struct detour *l = end->call ? NULL : CONTAINER_OF(end, struct detour, end);
    struct fallback *f = end->call ? end->call->fallback : l->fallback;
    if (!f || !f->is_agreed || f->state == FALLBACK_OVER)
        return;
    if (end == f->direct.end)
        fallback_return_acked(f);
    fallback_stirred(f->call);
}

bool fallback_hides(const struct end *end, unsigned status)
{
    const struct call *c = end->call;
    const struct fallback *f = c ? c->fallback : NULL;
    return f && f->is_agreed && c->state == CALL_UP && end != f->phone.end && (status == 481 || status == 408) &&
           (end == f->direct.end || (f->state == FALLBACK_AWAY && f->path != PATH_GONE));
}

void fallback_suspect(struct end *end)
{
    struct fallback *f = end->call ? end->call->fallback : NULL;
    if (f && end == f->direct.end)
        fallback_check_path(f, 0);
    else if (f)
        fallback_survives(end);
}
