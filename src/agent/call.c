/* Calls, and whatever else begins with a request outside of a dialog: begun, sent one way after the other, answered, ended. */
#include "agent/internal.h"

#include "base/text.h"

#define RETRY_AFTER "10"
#define EXPIRES_DEFAULT_S 3600

/* A BYE of ours on its way. */
struct farewell {
    struct list link; /* in call.farewells */
    struct call *call;
    struct client client;
    uint32_t cseq;
};

/* ---- begin ---- */

static enum call_kind kind_of(enum sip_method method)
{
    switch (method) {
    case SIP_INVITE:
        return CALL_VOICE;
    case SIP_SUBSCRIBE:
    case SIP_REFER:
        return CALL_SUBSCRIPTION;
    default:
        return CALL_SINGLE;
    }
}

static void call_due(struct agent *a, void *owner);

static void call_describe(struct call *c, const struct sip_message *m)
{
    struct call_record *r = &c->record;
    struct sip_uri uri;
    r->direction = c->from == AGENT_PBX ? CALL_OUTBOUND : CALL_INBOUND;
    r->from = r->to = c->from;
    r->begun_at = c->agent->now.wall;
    text_keep(m->call_id, r->call_id, sizeof r->call_id);
    if (!sip_uri_parse(m->uri, &uri, NULL))
        text_keep(uri.user, r->dialed, sizeof r->dialed);
}

static struct call *call_new(struct agent *a, const struct sip_event *event, struct trunk *trunk)
{
    struct call *c = mem_alloc(sizeof *c);
    if (!c)
        return NULL;
    c->agent = a;
    c->kind = kind_of(event->message->method);
    c->from = (enum agent_side)event->flow->side;
    c->from_trunk = trunk;
    c->from_hop = agent_hop(event->flow);
    region_init(&c->texts, CALL_TEXTS_OCTETS_MAX);
    list_init(&c->closing_link);
    list_init(&c->keep_link);
    list_init(&c->attempts);
    list_init(&c->pairs);
    list_init(&c->relays);
    list_init(&c->farewells);
    c->timer = (struct timer){.fire = call_due, .owner = c};
    if (relay_new(c, event, &c->first) < 0 || agent_timer(a, &c->timer, a->options->ring_ms) < 0) {
        if (c->first)
            relay_free(c->first);
        mem_free(c);
        return NULL;
    }
    list_append(&a->calls, &c->link);
    *(c->kind == CALL_VOICE ? &a->call_count : &a->request_count) += 1;
    if (trunk && c->kind == CALL_VOICE)
        trunk->calls++;
    call_describe(c, event->message);
    return c;
}

/* Without it no answer could ever be acknowledged (RFC 3261 8.1.1.8). */
static bool has_contact(const struct sip_message *m)
{
    const struct sip_field *f = sip_field_first(m, SIP_CONTACT);
    struct sip_cursor c;
    struct sip_address contact;
    struct sip_uri uri;
    if (!f)
        return false;
    sip_cursor_init(&c, m->octets, f->value);
    return sip_read_address(&c, &contact) && !contact.is_star && !sip_uri_parse(contact.uri, &uri, NULL);
}

void call_begin(struct agent *a, const struct sip_event *event, struct trunk *trunk)
{
    const bool voice = event->message->method == SIP_INVITE;
    if (voice && !has_contact(event->message)) {
        a->counters.requests_refused++;
        agent_answer(a, event->server, 400, NULL, (struct slice){0});
        return;
    }
    const bool full = voice ? a->call_count >= a->options->calls_max : a->request_count >= a->options->requests_max;
    const bool greedy = voice && trunk && trunk->options->calls_max && trunk->calls >= trunk->options->calls_max;
    if (greedy && !full)
        a->counters.calls_refused_peer++;
    struct call *c = full || greedy || a->stopping ? NULL : call_new(a, event, trunk);
    if (!c) {
        a->counters.calls_refused_limit += !greedy || full;
        agent_answer(a, event->server, 503, "Retry-After", slice_str(RETRY_AFTER));
        return;
    }
    if (voice && c->from == AGENT_IME)
        a->counters.CallsReceived++;
    if (a->options->redirect && voice && c->from == AGENT_PBX) {
        plan_redirect(c);
        return;
    }
    unsigned status = plan_call(c);
    if (voice)
        agent_note(a, &c->record);
    call_next_way(c, status, NULL);
}

/* The request that began it has its final answer. */
static void call_forget_first(struct call *c)
{
    if (c->first)
        relay_free(c->first);
    LIST_EACH(it, &c->attempts)
        CONTAINER_OF(it, struct attempt, link)->way = NULL;
    c->ways = NULL;
    c->way_count = c->way_room = c->next_way = 0;
    region_fini(&c->texts);
    region_init(&c->texts, CALL_TEXTS_OCTETS_MAX);
}

/* The next way that works; when there is none left the caller hears how the last one failed. */
void call_next_way(struct call *c, unsigned status, const struct sip_message *response)
{
    while (!c->agent->stopping && c->next_way < c->way_count) {
        const struct way *way = &c->ways[c->next_way++];
        if (!attempt_begin(c, way))
            return;
        status = 503;
        response = NULL;
    }
    if (!c->first)
        return;
    if (!status)
        status = 503;
    if (response && (status == 401 || status == 407)) { /* a password that the caller does not have */
        status = 503;
        response = NULL;
    }
    c->record.status = status;
    if (response)
        relay_respond(c->first, NULL, response);
    else
        relay_fail(c->first, status);
    c->agent->counters.FallbackCallsFailed += c->tried_direct && c->record.to == AGENT_PSTN;
    call_over(c, response ? "the called side" : "the agent: no way was left");
}

/* ---- answered ---- */

static void count_answered(struct call *c)
{
    struct agent_counters *n = &c->agent->counters;
    n->CallsSetup += c->record.to == AGENT_IME;
    n->CallsAccepted += c->from == AGENT_IME;
    n->calls_pstn_out += c->record.to == AGENT_PSTN;
    n->calls_pstn_in += c->from == AGENT_PSTN;
    n->FallbackCallsSuccessful += c->tried_direct && c->record.to == AGENT_PSTN;
}

/* How long a subscription lasts that is not refreshed. */
static int64_t expires_ms(const struct sip_message *response)
{
    const struct sip_field *f = sip_field_first(response, SIP_EXPIRES);
    struct sip_cursor c;
    uint32_t seconds = EXPIRES_DEFAULT_S;
    if (f) {
        sip_cursor_init(&c, response->octets, f->value);
        sip_read_number(&c, UINT32_MAX, &seconds);
    }
    return seconds * INT64_C(1000) + LINGER_MS;
}

void call_refreshed(struct call *c, const struct sip_message *response)
{
    agent_timer(c->agent, &c->timer, expires_ms(response));
}

void call_answered(struct call *c, struct pair *pair, const struct sip_message *response)
{
    struct agent *a = c->agent;
    c->record.status = response->status;
    if (c->kind != CALL_SINGLE && pair && pair->ends[1].ready)
        pair_confirm(pair, response);
    if (c->first) {
        const struct sip_message *request = sip_server_request(a->layer, c->first->server);
        c->first->out_cseq = c->current ? c->current->cseq : 1;
        relay_respond(c->first, pair, response);
        fallback_answered(c, pair, request, response);
    }
    c->confirmed = pair;
    call_forget_first(c);
    if (c->kind == CALL_SINGLE || !pair) {
        call_over(c, "the called side");
        return;
    }
    c->state = CALL_UP;
    LIST_EACH(it, &c->pairs) {
        struct pair *other = CONTAINER_OF(it, struct pair, link);
        if (other != pair && c->kind == CALL_VOICE)
            other->ends[0].gone = other->ends[1].gone = true;
    }
    if (c->kind == CALL_SUBSCRIPTION) {
        call_refreshed(c, response);
        return;
    }
    c->record.answered_at = a->now.wall;
    count_answered(c);
    agent_note(a, &c->record);
    call_keep(c);
    call_wait(c);
}

/* ---- time ---- */

void call_wait(struct call *c)
{
    struct agent *a = c->agent;
    struct mono heard = mono_min(c->confirmed->ends[0].heard, c->confirmed->ends[1].heard);
    heap_set(&a->timers, &c->timer.node, mono_after_ms(heard, a->options->idle_ms));
}

/* Asks an end that was not heard for long whether it is still there; what becomes of it: pair.c. */
static void call_probe(struct end *e)
{
    const struct agent *a = e->agent;
    if (mono_since_us(a->now.mono, e->heard) < a->options->idle_ms * 1000)
        return;
    e->heard = a->now.mono; /* from now on its silence is another one */
    end_probe(e);
}

static void call_due(struct agent *a, void *owner)
{
    struct call *c = owner;
    (void)a;
    if (c->state == CALL_SETTING_UP) {
        call_end(c, 480, "the agent: nobody answered for too long");
    } else if (c->kind == CALL_SUBSCRIPTION) {
        call_end(c, 481, "the agent: it was not refreshed");
    } else {
        call_probe(&c->confirmed->ends[0]);
        call_probe(&c->confirmed->ends[1]);
        struct end *leg = fallback_leg(c);
        if (leg && leg->call) /* not one that is still to find its call */
            call_probe(leg);
        call_wait(c);
    }
}

/* ---- the end ---- */

static void farewell_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct farewell *f = owner;
    struct call *c = f->call;
    (void)response;
    if (status < 200)
        return;
    client_drop(a, &f->client);
    list_remove(&f->link);
    mem_free(f);
    call_check(c);
}

void call_goodbye(struct call *c, struct trunk *trunk, const struct sip_hop *hop, uint32_t cseq, struct slice octets)
{
    struct farewell *f = mem_alloc(sizeof *f);
    if (!f)
        return;
    f->call = c;
    f->cseq = cseq;
    client_init(&f->client, farewell_heard, f, trunk, &f->cseq);
    list_append(&c->farewells, &f->link);
    if (client_send(c->agent, &f->client, hop, octets) < 0) {
        list_remove(&f->link);
        mem_free(f);
    }
}

void call_farewell(struct end *end, const struct sip_message *bye)
{
    struct call *c = end->call;
    struct agent *a = c->agent;
    struct sip_hop hop;
    if (end->gone || !end->ready)
        return;
    relay_acknowledge(end, (struct slice){0});
    end->gone = true;
    hop = end_hop(end);
    if (!bye || patch_inside(bye, end->other, end, end->dialog.local_cseq + 1, 0, &a->octets) < 0) {
        buf_clear(&a->octets);
        sip_dialog_begin_request(&end->dialog, "BYE", 0, &a->octets);
        sip_end(&a->octets, (struct slice){0});
    } else {
        end->dialog.local_cseq++;
    }
    if (!a->octets.err)
        call_goodbye(c, end->trunk, &hop, end->dialog.local_cseq, buf_slice(&a->octets));
}

void call_bye(struct end *end, const struct sip_event *event)
{
    struct call *c = end->call;
    const bool counts = !end->gone && c->state != CALL_OVER;
    agent_answer(c->agent, event->server, 200, NULL, (struct slice){0});
    end->gone = true;
    if (!counts || fallback_goes_on(end, event->message))
        return;
    if (c->state == CALL_UP && (!end->pair || end->pair == c->confirmed)) {
        call_farewell(end->other, event->message);
        call_over(c, end->is_called ? "the called side" : "the caller");
    } else if (c->state == CALL_SETTING_UP && !end->is_called) {
        call_cancelled(c); /* a caller may end an early dialog with BYE as well (RFC 3261 15) */
    }
}

void call_cancelled(struct call *c)
{
    if (c->state != CALL_SETTING_UP)
        return;
    c->record.status = 487;
    if (c->first)
        relay_fail(c->first, 487);
    call_over(c, "the caller");
}

void call_end(struct call *c, unsigned status, const char *by)
{
    if (c->state == CALL_OVER)
        return;
    if (c->state == CALL_SETTING_UP && c->first) {
        c->record.status = status;
        relay_fail(c->first, status);
    } else if (c->state == CALL_UP && c->kind == CALL_VOICE) {
        call_farewell(&c->confirmed->ends[0], NULL);
        call_farewell(&c->confirmed->ends[1], NULL);
    }
    call_over(c, by);
}

/* Every call that went over the phone network, as VAP 10.3.15 wants it: from the 200 OK to the BYE. */
void agent_upload(struct agent *a, enum vap_direction direction, const struct e164 *calling, const struct e164 *called,
                  struct wall answered_at, const char *call_id)
{
    if (!a->parts.records)
        return;
    struct vap_vcr vcr = {.vservice_id = a->vservice_id,
                          .direction = direction,
                          .calling = *calling,
                          .called = *called,
                          .start_ntp = wall_to_ntp(answered_at),
                          .stop_ntp = wall_to_ntp(a->now.wall)};
    int err = agent_records_add(a->parts.records, &vcr, NULL, NULL);
    if (!err)
        return;
    log_event(a->ports.log, LEVEL_WARNING, "agent.record.lost", "call=%s error=%s", call_id, err_name(err));
    if (a->parts.alarms)
        agent_alarm_raise(a->parts.alarms, a->now, AGENT_ALARM_RECORD_LOST, "",
                          err == ERR_LIMIT ? "the queue of call records is full" : "a call record could not be kept");
}

static void call_upload(struct call *c)
{
    const struct call_record *r = &c->record;
    if (r->answered_at.ms && r->called.text[0] && (r->from == AGENT_PSTN || r->to == AGENT_PSTN))
        agent_upload(c->agent, r->direction == CALL_OUTBOUND ? VAP_SENT : VAP_RECEIVED, &r->calling, &r->called,
                     r->answered_at, r->call_id);
}

void call_over(struct call *c, const char *by)
{
    struct agent *a = c->agent;
    if (c->state == CALL_OVER)
        return;
    fallback_over(c);
    c->state = CALL_OVER;
    call_keep_no_more(c);
    agent_timer_stop(a, &c->timer);
    call_forget_first(c);
    LIST_EACH(it, &c->attempts)
        attempt_give_up(CONTAINER_OF(it, struct attempt, link), "SIP ;cause=487");
    LIST_EACH(it, &c->relays)
        relay_fail(CONTAINER_OF(it, struct relay, link), 487);
    LIST_EACH(it, &c->pairs) {
        struct pair *p = CONTAINER_OF(it, struct pair, link);
        for (unsigned i = 0; i < 2; i++) {
            p->ends[i].gone = true;
            sip_resend_stop(&p->ends[i].accepted.resend);
            agent_timer_stop(a, &p->ends[i].timer);
        }
    }
    if (c->kind == CALL_VOICE) {
        c->record.ended_at = a->now.wall;
        text_keep(slice_str(by), c->record.ended_by, sizeof c->record.ended_by);
        log_event(a->ports.log, LEVEL_INFO, "call.over", "from=%s way=%s called=%s status=%u call_id=\"%s\" by=\"%s\"",
                  agent_side_name(c->from), agent_side_name(c->record.to),
                  c->record.called.text[0] ? c->record.called.text : c->record.dialed, c->record.status,
                  c->record.call_id, by);
        agent_note(a, &c->record);
        call_upload(c);
    }
    call_check(c);
}

void call_check(struct call *c)
{
    if (c->state != CALL_OVER || !list_empty(&c->attempts) || !list_empty(&c->relays) || !list_empty(&c->farewells) ||
        !list_empty(&c->closing_link))
        return;
    list_append(&c->agent->closing, &c->closing_link);
}

void call_free(struct call *c)
{
    struct agent *a = c->agent;
    fallback_free(c);
    call_forget_first(c);
    LIST_EACH(it, &c->relays)
        relay_free(CONTAINER_OF(it, struct relay, link));
    LIST_EACH(it, &c->attempts) {
        struct attempt *at = CONTAINER_OF(it, struct attempt, link);
        attempt_give_up(at, "SIP ;cause=487");
        attempt_free(at);
    }
    LIST_EACH(it, &c->pairs)
        pair_free(CONTAINER_OF(it, struct pair, link));
    LIST_EACH(it, &c->farewells) {
        struct farewell *f = CONTAINER_OF(it, struct farewell, link);
        client_drop(a, &f->client);
        list_remove(&f->link);
        mem_free(f);
    }
    agent_timer_stop(a, &c->timer);
    list_remove(&c->closing_link);
    list_remove(&c->keep_link);
    list_remove(&c->link);
    *(c->kind == CALL_VOICE ? &a->call_count : &a->request_count) -= 1;
    if (c->from_trunk && c->kind == CALL_VOICE)
        c->from_trunk->calls--;
    region_fini(&c->texts);
    mem_free(c);
}
