/* Legs: calls of our own by the phone network, for a call that moves there, placed or taken. A leg has a port for sound of its own until it belongs to a
 * call, and outlives that only to say goodbye. */
#include "agent/fallback_private.h"

#include "base/text.h"

#include <stdio.h>

static const char anonymous[] = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

static void detour_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response);

static void detour_due(struct agent *a, void *owner)
{
    (void)a;
    match_due(owner);
}

static void digit_heard(struct voice *v, char digit)
{
    struct detour *l = v->owner;
    if (l->fallback) {
        fallback_leg_digit(l->fallback, digit);
        return;
    }
    if (l->state != DETOUR_DIGITS || digit < '0' || digit > '9' || l->digit_count >= l->digits_wanted)
        return;
    l->digits[l->digit_count++] = digit;
    match_digits(l);
}

static void digits_sent(struct voice *v)
{
    struct detour *l = v->owner;
    if (l->fallback)
        fallback_leg_spoke(l->fallback);
}

static struct detour *detour_new(struct agent *a, struct trunk *trunk, const struct sip_hop *hop)
{
    struct detour *l = mem_alloc(sizeof *l);
    if (!l)
        return NULL;
    l->agent = a;
    l->trunk = trunk;
    agent_tag(a, l->tag);
    end_init(&l->end, a, NULL, AGENT_PSTN, trunk, hop);
    memcpy(l->end.tag, l->tag, sizeof l->tag);
    party_init(&l->party, a, NULL);
    l->party.end = &l->end;
    client_init(&l->client, detour_heard, l, trunk, &l->cseq);
    voice_init(&l->voice, a, l, digit_heard, digits_sent);
    l->timer = (struct timer){.fire = detour_due, .owner = l};
    list_append(&a->legs, &l->link);
    a->leg_count++;
    return l;
}

void detour_free(struct detour *l)
{
    struct agent *a = l->agent;
    relay_forget(&l->end);
    if (l->fallback && l->fallback->leg == l)
        l->fallback->leg = NULL;
    party_fini(&l->party);
    end_fini(a, &l->end);
    client_drop(a, &l->client);
    voice_close(&l->voice);
    agent_timer_stop(a, &l->timer);
    list_remove(&l->link);
    mem_free(l->record);
    mem_free(l);
    a->leg_count--;
}

/* ---- its end ---- */

/* When the event is over. */
static void detour_close(struct detour *l)
{
    list_remove(&l->link);
    list_append(&l->agent->legs_closing, &l->link);
}

static void detour_record(struct detour *l, const char *by)
{
    struct agent *a = l->agent;
    if (l->answered_at.ms)
        agent_upload(a, l->is_ours ? VAP_SENT : VAP_RECEIVED, &l->calling, &l->called, l->answered_at, l->call_id);
    l->answered_at.ms = 0;
    if (!l->record || l->record->ended_at.ms)
        return;
    l->record->ended_at = a->now.wall;
    snprintf(l->record->ended_by, sizeof l->record->ended_by, "%s", by);
    agent_note(a, l->record);
}

/* It is no longer of any call, and silent. */
static void detour_detach(struct detour *l, const char *by)
{
    struct agent *a = l->agent;
    detour_record(l, by);
    voice_close(&l->voice);
    agent_timer_stop(a, &l->timer);
    agent_timer_stop(a, &l->end.timer);
    sip_resend_stop(&l->end.accepted.resend);
    party_ask_no_more(&l->party);
    end_probe_drop(&l->end);
    if (l->fallback && l->fallback->leg == l)
        l->fallback->leg = NULL;
    l->fallback = l->party.fallback = NULL;
    relay_forget(&l->end);
    l->end.call = NULL;
    l->state = DETOUR_ENDING;
}

static void detour_bye(struct detour *l, enum agent_cause cause)
{
    struct agent *a = l->agent;
    struct end *end = &l->end;
    struct sip_hop hop = end_hop(end);
    relay_acknowledge(end, (struct slice){0});
    end->gone = true;
    buf_clear(&a->octets);
    sip_dialog_begin_request(&end->dialog, "BYE", 0, &a->octets);
    if (cause != AGENT_CAUSE_NONE)
        sip_put(&a->octets, SIP_REASON, verdict_reason(a, cause));
    sip_end(&a->octets, (struct slice){0});
    l->client.cseq = &end->dialog.local_cseq;
    if (a->octets.err || client_send(a, &l->client, &hop, buf_slice(&a->octets)) < 0)
        detour_close(l);
}

void detour_end(struct detour *l, enum agent_cause cause)
{
    struct agent *a = l->agent;
    const enum detour_state state = l->state;
    if (state == DETOUR_ENDING)
        return;
    if (l->server) {
        detour_refuse(l, cause == AGENT_CAUSE_NONE ? 480 : 404, cause);
        return;
    }
    detour_detach(l, "the agent");
    if (l->end.ready && !l->end.gone)
        detour_bye(l, cause);
    else if (state == DETOUR_CALLING && l->client.token)
        sip_client_cancel(a->layer, a->now, l->client.id, slice_str("SIP ;cause=487"));
    else
        detour_close(l);
}

void detour_gone(struct detour *l)
{
    l->end.gone = true;
    detour_detach(l, l->is_ours ? "the called side" : "the caller");
    detour_close(l);
}

void detour_refuse(struct detour *l, unsigned status, enum agent_cause cause)
{
    struct agent *a = l->agent;
    if (l->record)
        l->record->status = status;
    if (cause == AGENT_CAUSE_NONE)
        agent_answer(a, l->server, status, NULL, (struct slice){0});
    else
        agent_answer(a, l->server, status, "Reason", verdict_reason(a, cause));
    l->server = 0;
    detour_detach(l, "the agent");
    detour_close(l);
}

/* ---- placed ---- */

static void put_caller(struct detour *l, bool is_private, struct buf *out)
{
    struct agent *a = l->agent;
    struct agent_dialed dialed;
    const char *domain = trunk_domain(l->trunk);
    const bool known = l->calling.text[0];
    if (known)
        agent_dial_out(&l->trunk->options->plan, &a->options->shorts, &l->calling, NULL, &dialed);
    if (!known || is_private)
        sip_put_text(out, SIP_FROM, "%s;tag=%s", anonymous, l->tag);
    else
        sip_put_text(out, SIP_FROM, "<sip:%s@%s;user=phone>;tag=%s", dialed.text, domain, l->tag);
    if (known)
        sip_put_text(out, SIP_P_ASSERTED_IDENTITY, "<sip:%s@%s;user=phone>", dialed.text, domain);
    if (is_private)
        sip_put(out, SIP_PRIVACY, slice_str("id;user"));
}

static int detour_invite(struct detour *l, bool is_private, struct slice offer)
{
    struct agent *a = l->agent;
    struct agent_dialed dialed;
    struct buf *out = &a->octets;
    const struct sip_hop *hop = &l->end.hop;
    agent_dial_out(&l->trunk->options->plan, &a->options->shorts, &l->called, NULL, &dialed);
    struct slice uri = agent_print(a, "sip:%s@%s;user=phone", dialed.text, trunk_domain(l->trunk));
    struct slice contact = end_contact(a, AGENT_PSTN, hop->transport, l->tag);
    buf_clear(out);
    sip_begin_request(out, "INVITE", uri);
    sip_put(out, SIP_MAX_FORWARDS, slice_str("70"));
    put_caller(l, is_private, out);
    sip_put_text(out, SIP_TO, "<%.*s>", SLICE_PRINT(uri));
    sip_put(out, SIP_CALL_ID, slice_str(l->call_id));
    sip_put_text(out, SIP_CSEQ, "%u INVITE", l->cseq);
    sip_put_text(out, SIP_CONTACT, "<%.*s>", SLICE_PRINT(contact));
    sip_put(out, SIP_ALLOW, slice_str(AGENT_ALLOW));
    sip_put_text(out, SIP_CONTENT_TYPE, "application/sdp");
    sip_end(out, offer);
    return out->err ? out->err : client_send(a, &l->client, hop, buf_slice(out));
}

static int detour_offer(struct detour *l, const struct fallback *f, struct slice *ret_offer)
{
    struct agent *a = l->agent;
    struct sip_sdp phone;
    struct buf out;
    const struct sip_sdp_own own = {
        .address = &l->voice.local, .session_id = entropy_u64(a->ports.entropy) >> 2, .direction = SIP_SDP_SENDRECV};
    int err = sip_sdp_parse(&a->scratch, buf_slice(&f->phone.said), &phone, NULL);
    buf_init(&out, SIP_SDP_TOLD_OCTETS_MAX);
    if (!err)
        err = sip_sdp_own_offer(&l->party.told, &a->scratch, &phone, &own, &out, NULL);
    if (!err)
        *ret_offer = region_copy(&a->scratch, buf_slice(&out));
    buf_fini(&out);
    return err ? err : ret_offer->n ? 0 : ERR_NO_MEMORY;
}

int detour_call(struct fallback *f, struct trunk *trunk, struct detour **ret_leg)
{
    struct agent *a = f->agent;
    struct slice offer = {0};
    if (!trunk->hop_count)
        return ERR_NOT_FOUND;
    struct detour *l = detour_new(a, trunk, &trunk->hops[0]);
    if (!l)
        return ERR_NO_MEMORY;
    l->state = DETOUR_CALLING;
    l->is_ours = true;
    l->cseq = 1;
    l->calling = f->call->record.calling;
    l->called = f->number;
    agent_call_id(a, l->call_id);
    int err = voice_open(&l->voice, AGENT_PSTN, trunk->hops[0].addr.family);
    if (!err)
        err = detour_offer(l, f, &offer);
    if (!err)
        err = detour_invite(l, f->is_private, offer);
    if (err) {
        detour_free(l);
        return err;
    }
    l->fallback = l->party.fallback = f;
    *ret_leg = l;
    return 0;
}

/* The answer to our INVITE. ERR_SYNTAX and others: nobody can use it. */
static int detour_answered(struct detour *l, const struct sip_message *response)
{
    struct agent *a = l->agent;
    int err = end_open(&l->end, l->call_id, l->cseq, "", response);
    if (err)
        return err;
    sip_dialog_answered(&l->end.dialog, response);
    l->end.dialog.local_cseq = response->cseq.number;
    l->end.owes_ack = response->cseq.number;
    const struct slice credentials = client_credentials_shown(a, &l->client);
    char *text = credentials.n ? region_text(&a->scratch, credentials) : NULL;
    l->end.credentials = text ? mem_strdup(text) : NULL;
    relay_acknowledge(&l->end, (struct slice){0});
    l->answered_at = a->now.wall;
    l->state = DETOUR_UP;
    err = party_said(&l->party, response->body);
    return err ? err : voice_agree(&l->voice, sip_sdp_told_text(&l->party.told), buf_slice(&l->party.said));
}

static void detour_called(struct detour *l, unsigned status, const struct sip_message *response)
{
    struct agent *a = l->agent;
    struct fallback *f = l->fallback;
    const bool good = response && status < 300;
    if (response && status != 503)
        trunk_heard(l->trunk);
    if (l->state == DETOUR_ENDING) { /* nobody waits for it */
        if (good)
            late_answer(a, &l->client.hop, l->trunk, response, client_credentials_shown(a, &l->client));
        detour_close(l);
    } else if (good && !detour_answered(l, response)) {
        if (f)
            fallback_leg_answered(f);
    } else if (good) {
        detour_end(l, AGENT_CAUSE_NONE);
        if (f)
            fallback_leg_failed(f, 488, NULL);
    } else {
        detour_detach(l, "the called side");
        detour_close(l);
        if (f)
            fallback_leg_failed(f, status, response);
    }
}

static void detour_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct detour *l = owner;
    (void)a;
    if (status < 200)
        return;
    if (l->end.gone) /* the BYE's answer */
        detour_close(l);
    else
        detour_called(l, status, response);
}

/* ---- taken ---- */

static void detour_describe(struct detour *l, const struct sip_message *m)
{
    struct agent *a = l->agent;
    struct call_record *r = l->record = mem_alloc(sizeof *r);
    if (!r)
        return;
    r->direction = CALL_INBOUND;
    r->from = r->to = AGENT_PSTN;
    r->calling = l->calling;
    r->called = l->called;
    r->begun_at = a->now.wall;
    snprintf(r->call_id, sizeof r->call_id, "%.*s", SLICE_PRINT(m->call_id));
    agent_note(a, r);
}

void detour_came(struct agent *a, const struct sip_event *event, struct trunk *trunk, const struct e164 *called,
                 const struct agent_fallback_profile *profile)
{
    const struct sip_message *m = event->message;
    const struct sip_hop hop = agent_hop(event->flow);
    struct detour *l = a->leg_count < DETOURS_MAX && !a->stopping ? detour_new(a, trunk, &hop) : NULL;
    if (!l) {
        a->counters.calls_refused_limit++;
        agent_answer(a, event->server, 503, "Retry-After", slice_str("10"));
        return;
    }
    l->state = DETOUR_WAITING;
    l->server = event->server;
    l->called = *called;
    plan_caller(a, trunk, m, &l->calling);
    l->profile = profile;
    l->digits_wanted = profile->dtmf_digits;
    l->caller_id_digits = profile->caller_id_digits;
    l->inter_digit_ms = profile->inter_digit_ms;
    snprintf(l->call_id, sizeof l->call_id, "%.*s", SLICE_PRINT(m->call_id));
    detour_describe(l, m);
    if (!m->body.n || party_said(&l->party, m->body) < 0) {
        detour_refuse(l, 488, AGENT_CAUSE_NONE);
        return;
    }
    match_leg(l);
    l->profile = NULL;
}

static int detour_answer_sdp(struct detour *l, struct slice *ret_answer)
{
    struct agent *a = l->agent;
    struct sip_sdp offer;
    struct buf out;
    const struct sip_sdp_own own = {
        .address = &l->voice.local, .session_id = entropy_u64(a->ports.entropy) >> 2, .direction = SIP_SDP_SENDRECV};
    int err = sip_sdp_parse(&a->scratch, buf_slice(&l->party.said), &offer, NULL);
    buf_init(&out, SIP_SDP_TOLD_OCTETS_MAX);
    if (!err)
        err = sip_sdp_own_answer(&l->party.told, &a->scratch, &offer, &own, &out, NULL);
    if (!err)
        *ret_answer = region_copy(&a->scratch, buf_slice(&out));
    buf_fini(&out);
    return err ? err : ret_answer->n ? 0 : ERR_NO_MEMORY;
}

int detour_answer(struct detour *l)
{
    struct agent *a = l->agent;
    struct end *end = &l->end;
    const struct sip_message *request = sip_server_request(a->layer, l->server);
    const struct sip_flow *flow = sip_server_flow(a->layer, l->server);
    struct slice answer = {0};
    int err = request && flow ? voice_open(&l->voice, AGENT_PSTN, end->hop.addr.family) : ERR_WRONG_STATE;
    if (!err)
        err = detour_answer_sdp(l, &answer);
    if (!err)
        err = sip_dialog_init_uas(&end->dialog, request, slice_str(end->tag), true);
    if (!err)
        err = end_register(a, end);
    if (err)
        return err;
    agent_accept(end, l->server, answer);
    l->server = 0;
    l->answered_at = a->now.wall;
    l->state = DETOUR_DIGITS;
    if (l->record) {
        l->record->answered_at = a->now.wall;
        l->record->status = 200;
    }
    a->counters.fallback_calls_in++;
    return voice_agree(&l->voice, answer, buf_slice(&l->party.said));
}

/* ---- requests inside of it, while it belongs to no phone ---- */

bool detour_requested(struct detour *l, const struct sip_event *event)
{
    struct agent *a = l->agent;
    const struct sip_message *m = event->message;
    struct fallback *f = l->fallback;
    unsigned status = sip_dialog_receive(&l->end.dialog, m);
    l->end.heard = a->now.mono;
    if (m->method == SIP_BYE) {
        agent_answer(a, event->server, 200, NULL, (struct slice){0});
        if (l->state == DETOUR_ENDING)
            return true;
        detour_gone(l);
        if (f)
            fallback_leg_ended(f, m);
        return true;
    }
    if (!status && m->method == SIP_INVITE && f && fallback_leg_offers(f, event))
        return true;
    if (!status && (m->method == SIP_INVITE || m->method == SIP_UPDATE || m->method == SIP_REFER))
        status = 491; /* in a moment it is a phone's */
    agent_answer(a, event->server, status ? status : 200, NULL, (struct slice){0});
    return true;
}
