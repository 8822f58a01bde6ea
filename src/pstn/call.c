/* Calls of the phone network: two legs, and what lies between them. */
#include "pstn/network_private.h"

#include "base/mem.h"

#include <stdio.h>

#define TEXTS_OCTETS_MAX (256 * 1024)
#define CHECK_MS 900000         /* between two questions whether both sides are still there */
#define CHECK_COOKIE UINT64_MAX /* no request of a side has it */

static void call_due(void *owner);

/* ---- the record ---- */

static void note(const struct pstn_call *c)
{
    struct pstn_network *n = c->network;
    struct pstn_record *slot = &n->records[(c->record.number - 1) % n->options->records_max];
    if (slot->number <= c->record.number) /* a long call may have outlived its place */
        *slot = c->record;
}

static struct wall now_of(const struct pstn_call *c)
{
    return c->network->ua.now.wall;
}

static void charge(struct pstn_call *c)
{
    struct pstn_record *r = &c->record;
    struct pstn_account *account = &c->network->accounts[r->carrier];
    const struct pstn_tariff *tariff = &c->network->options->carriers[r->carrier].tariff;
    if (!r->answered_at[CALLER].ms)
        return;
    const int64_t talk_ms = r->ended_at[CALLER].ms - r->answered_at[CALLER].ms;
    r->price = tariff->per_call + tariff->per_minute * ((talk_ms + 59999) / 60000);
    account->answered++;
    account->talk_ms += talk_ms;
    account->price += r->price;
}

static void count(struct pstn_counters *n, enum pstn_cause cause)
{
    n->calls_answered += cause == PSTN_CAUSE_ENDED;
    n->calls_busy += cause == PSTN_CAUSE_BUSY;
    n->calls_unanswered += cause == PSTN_CAUSE_NO_ANSWER;
    n->calls_cancelled += cause == PSTN_CAUSE_CANCELLED;
    n->calls_no_number += cause == PSTN_CAUSE_NO_NUMBER;
    n->calls_unreachable += cause == PSTN_CAUSE_UNREACHABLE;
    n->calls_refused += cause == PSTN_CAUSE_REFUSED;
    n->calls_lost += cause == PSTN_CAUSE_LOST;
}

/* ---- the end ---- */

void pstn_call_free(struct pstn_call *c)
{
    pstn_gateway_end(c);
    ua_timer_stop(&c->network->ua, &c->timer);
    list_remove(&c->link);
    c->network->call_count--;
    region_fini(&c->texts);
    mem_free(c);
}

/* Whoever is still there is told: status is for a caller that has no answer yet. */
static void finish(struct pstn_call *c, enum pstn_cause cause, unsigned status)
{
    struct pstn_record *r = &c->record;
    r->cause = cause;
    if (!r->answered_at[CALLER].ms)
        r->status = status;
    for (unsigned i = 0; i < 2; i++) {
        struct leg *l = c->legs[i];
        c->legs[i] = NULL;
        if (!r->ended_at[i].ms)
            r->ended_at[i] = now_of(c);
        if (l && i == CALLER && l->state == LEG_CALLED)
            leg_refuse(l, status);
        else if (l)
            leg_end(l);
    }
    charge(c);
    note(c);
    count(&c->network->counters, cause);
    log_event(c->network->log, LEVEL_INFO, "pstn.call.over",
              "number=%llu from=%s to=%s cause=%s status=%u talk_ms=%lld price=%lld", (unsigned long long)r->number,
              *r->from ? r->from : "unknown", *r->to ? r->to : "unknown", pstn_cause_word(cause), r->status,
              r->answered_at[0].ms ? (long long)(r->ended_at[0].ms - r->answered_at[0].ms) : 0LL, (long long)r->price);
    pstn_call_free(c);
}

void pstn_call_stop(struct pstn_call *c)
{
    finish(c, PSTN_CAUSE_STOPPED, 503);
}

/* ---- begin ---- */

static bool is_among(const struct pstn_numbers *numbers, const char *number)
{
    for (size_t i = 0; i < numbers->n; i++) {
        if (!strcmp(numbers->numbers[i].text, number))
            return true;
    }
    return false;
}

/* Everything that chance decides about a call. */
static void draw(struct pstn_call *c)
{
    struct pstn_network *n = c->network;
    const struct pstn_carrier_options *carrier = &n->options->carriers[c->record.carrier];
    c->setup_ms = pstn_draw_ms(n, &carrier->setup);
    c->answer_ms = pstn_draw_ms(n, &carrier->answer);
    c->release_ms = pstn_draw_ms(n, &carrier->release);
    c->is_withheld = pstn_draws(n, carrier->withheld_percent);
    c->is_lost = pstn_draws(n, carrier->lost_percent);
    c->is_busy = pstn_draws(n, carrier->busy_percent) || is_among(&n->options->busy, c->record.to);
    c->is_unanswered = pstn_draws(n, carrier->unanswered_percent) || is_among(&n->options->unanswered, c->record.to);
    c->is_shortened = pstn_draws(n, carrier->shortened_percent);
    c->is_rewritten = pstn_draws(n, carrier->rewritten_percent);
}

/* What the called side is going to be told. 0, or the status of a refusal. */
static unsigned describe(struct pstn_call *c, const struct sip_message *m)
{
    struct carried offer;
    struct pstn_record *r = &c->record;
    r->carrier = c->from->options->carrier;
    r->from_trunk = c->from->options->name;
    r->begun_at = now_of(c);
    pstn_route_read(c, m);
    c->max_forwards = m->max_forwards - 1;
    if (c->media)
        return pstn_gateway_call(c, m);
    carried_read(m, &offer);
    pstn_gateway_without_video(c, &offer);
    c->has_offer = offer.body.n > 0;
    return carried_copy(&c->texts, &offer, &c->carried) ? 500 : 0;
}

/* 0, or the status of a refusal. */
static unsigned begin(struct pstn_call *c, const struct sip_event *event)
{
    if (!pstn_gateway_begin(c)) {
        c->network->counters.calls_refused_limit++;
        return 503;
    }
    const unsigned status = describe(c, event->message);
    if (status)
        return status;
    int err = leg_take(&c->network->ua, event, c, &c->legs[CALLER]);
    c->network->counters.calls_refused_limit += err == ERR_LIMIT;
    return !err ? 0 : err == ERR_SYNTAX ? 400 : 503;
}

void pstn_call_begin(struct pstn_network *n, const struct sip_event *event, struct pstn_trunk *from)
{
    struct pstn_call *c = mem_alloc(sizeof *c);
    if (!c) {
        ua_answer(&n->ua, event->server, 500, NULL, (struct slice){0});
        return;
    }
    c->network = n;
    c->from = from;
    c->timer = (struct ua_timer){.fire = call_due, .owner = c};
    region_init(&c->texts, TEXTS_OCTETS_MAX);
    list_append(&n->calls, &c->link);
    n->call_count++;
    c->record.number = n->last_number + 1;
    const unsigned status = begin(c, event);
    if (status) {
        ua_answer(&n->ua, event->server, status, NULL, (struct slice){0});
        pstn_call_free(c);
        return;
    }
    c->legs[CALLER]->stays = !from->options->addr.family;
    n->last_number++;
    n->counters.calls++;
    n->accounts[c->record.carrier].calls++;
    from->calls_in++;
    note(c);
    draw(c);
    if (ua_timer(&n->ua, &c->timer, c->setup_ms) < 0)
        finish(c, PSTN_CAUSE_REFUSED, 500);
}

/* ---- set-up ---- */

/* A phone is called by what it registered as. */
static struct slice called_uri(struct pstn_call *c)
{
    struct ua *u = &c->network->ua;
    const struct pstn_trunk *to = c->to;
    char point[ADDR_TEXT_OCTETS];
    if (*to->contact)
        return slice_str(to->contact);
    addr_format(&to->hop.addr, point);
    return ua_print(u, "sip:%s@%s%s", c->sent, point, c->network->options->pbx ? "" : ";user=phone");
}

static void call_on(struct pstn_call *c)
{
    struct pstn_network *n = c->network;
    struct leg_invite invite = {.hop = c->to->hop,
                                .stays = !c->to->options->addr.family,
                                .uri = called_uri(c),
                                .max_forwards = c->max_forwards,
                                .password = c->to->options->registers ? &c->to->password : NULL,
                                .carried = &c->carried};
    invite.to = ua_print(&n->ua, "<%.*s>", SLICE_PRINT(invite.uri));
    pstn_route_show_caller(c, &invite);
    c->to->calls_out++;
    if (leg_call(&n->ua, &invite, c, &c->legs[CALLED]) < 0)
        finish(c, PSTN_CAUSE_UNREACHABLE, 503);
    else
        note(c);
}

static void set_up(struct pstn_call *c)
{
    struct pstn_network *n = c->network;
    c->to = *c->record.to ? pstn_route_find(c) : NULL;
    c->record.to_trunk = c->to ? c->to->options->name : NULL;
    if (!c->to) {
        finish(c, PSTN_CAUSE_NO_NUMBER, 404);
    } else if (c->is_busy) {
        finish(c, PSTN_CAUSE_BUSY, 486);
    } else if (!c->to->is_there && !c->is_unanswered) {
        finish(c, PSTN_CAUSE_UNREACHABLE, 480);
    } else {
        c->state = PSTN_RINGING;
        if (ua_timer(&n->ua, &c->timer, n->options->ring_ms) < 0)
            finish(c, PSTN_CAUSE_REFUSED, 500);
        else if (c->is_unanswered)
            leg_ring(c->legs[CALLER], 180, NULL);
        else
            call_on(c);
    }
}

/* ---- the state's time has come ---- */

static void answer_caller(struct pstn_call *c)
{
    c->state = PSTN_UP;
    c->record.status = 200;
    c->record.answered_at[CALLER] = now_of(c);
    leg_answer(c->legs[CALLER], &c->carried);
    ua_timer(&c->network->ua, &c->timer, CHECK_MS);
    note(c);
}

/* RFC 3261 says nothing of a side that vanishes; OPTIONS inside of the dialog does: 481, or no answer at all. */
static void check_sides(struct pstn_call *c)
{
    ua_timer(&c->network->ua, &c->timer, CHECK_MS);
    for (unsigned i = 0; i < 2; i++)
        leg_request(c->legs[i], SIP_OPTIONS, NULL, CHECK_COOKIE);
}

static void call_due(void *owner)
{
    struct pstn_call *c = owner;
    switch (c->state) {
    case PSTN_BEFORE_SETUP:
        set_up(c);
        break;
    case PSTN_RINGING:
        finish(c, PSTN_CAUSE_NO_ANSWER, 480);
        break;
    case PSTN_ANSWERED:
        answer_caller(c);
        break;
    case PSTN_RELEASING:
        finish(c, PSTN_CAUSE_ENDED, 200);
        break;
    case PSTN_UP:
        check_sides(c);
        break;
    }
}

/* ---- what legs tell ---- */

static unsigned index_of(const struct pstn_call *c, const struct leg *l)
{
    return l == c->legs[CALLED];
}

static void ringing(void *owner, struct leg *l, const struct sip_message *response)
{
    struct pstn_call *c = owner;
    struct carried carried;
    (void)l;
    carried_read(response, &carried);
    if (c->media) {
        pstn_gateway_hear(c, CALLED, carried.body);
        carried = carried.body.n && c->has_offer
                      ? (struct carried){.type = c->for_caller.type, .body = c->for_caller.body}
                      : (struct carried){0};
    } else {
        pstn_gateway_without_video(c, &carried);
    }
    leg_ring(c->legs[CALLER], response->status, &carried);
}

static void answered(void *owner, struct leg *l, const struct sip_message *response)
{
    struct pstn_call *c = owner;
    struct pstn_network *n = c->network;
    struct carried carried;
    if (c->has_offer || c->media) /* else the caller's ACK has the answer to the offer in this 2xx */
        leg_ack(l, NULL);
    c->state = PSTN_ANSWERED;
    c->record.answered_at[CALLED] = now_of(c);
    if (c->media) {
        pstn_gateway_hear(c, CALLED, response->body);
        carried = c->for_caller;
    } else {
        carried_read(response, &carried);
        pstn_gateway_without_video(c, &carried);
    }
    if (carried_copy(&c->texts, &carried, &c->carried) < 0 || ua_timer(&n->ua, &c->timer, c->answer_ms) < 0)
        finish(c, PSTN_CAUSE_REFUSED, 500);
}

/* How the phone network puts it: what is between us and the called trunk is not the caller's. */
static void failed(void *owner, struct leg *l, unsigned status, const struct sip_message *response)
{
    struct pstn_call *c = owner;
    (void)l;
    c->legs[CALLED] = NULL;
    if (status == 403 && c->to->options->registers) /* perhaps it was started anew, and has forgotten us */
        ua_registration_start(&c->to->registration);
    if (status == 486 || status == 600)
        finish(c, PSTN_CAUSE_BUSY, status);
    else if (response && (status == 480 || status == 408))
        finish(c, PSTN_CAUSE_NO_ANSWER, status);
    else if (!response || status == 503 || status < 400 || status == 401 || status == 407)
        finish(c, PSTN_CAUSE_UNREACHABLE, 503);
    else
        finish(c, status == 404 ? PSTN_CAUSE_NO_NUMBER : PSTN_CAUSE_REFUSED, status);
}

static void acked(void *owner, struct leg *l, const struct sip_message *ack)
{
    struct pstn_call *c = owner;
    struct leg *other = c->legs[!index_of(c, l)];
    struct carried carried;
    if (c->media) {
        pstn_gateway_hear(c, index_of(c, l), ack->body);
        return;
    }
    carried_read(ack, &carried);
    pstn_gateway_without_video(c, &carried);
    if (other)
        leg_ack(other, &carried);
}

static void request(void *owner, struct leg *l, uint64_t server, const struct sip_message *m)
{
    struct pstn_call *c = owner;
    struct leg *other = c->legs[!index_of(c, l)];
    struct carried carried;
    if (c->media) {
        c->network->counters.requests_answered++;
        pstn_gateway_asked(c, index_of(c, l), server, m);
        return;
    }
    carried_read(m, &carried);
    pstn_gateway_without_video(c, &carried);
    if (c->state != PSTN_UP || !other)
        leg_reply(l, server, 491, NULL);
    else if (leg_request(other, m->method, &carried, server) < 0)
        leg_reply(l, server, 500, NULL);
    else
        c->network->counters.requests_passed++;
}

static void cancelled(void *owner, struct leg *l, uint64_t server)
{
    struct pstn_call *c = owner;
    struct leg *other = c->legs[!index_of(c, l)];
    if (other && !c->media)
        leg_cancel(other, server);
}

static void reply(void *owner, struct leg *l, uint64_t cookie, unsigned status, const struct sip_message *response)
{
    struct pstn_call *c = owner;
    struct leg *other = c->legs[!index_of(c, l)];
    const struct sip_message *asked = sip_server_request(c->network->ua.layer, cookie);
    struct carried carried;
    if (cookie == CHECK_COOKIE) {
        if (status == 408 || status == 481 || !response)
            finish(c, PSTN_CAUSE_LOST, 504);
        return;
    }
    if (cookie == PSTN_TOLD_COOKIE) {
        pstn_gateway_told(c, index_of(c, l), status, response);
        return;
    }
    if (!asked || asked->body.n || !other)
        leg_ack(l, NULL);
    if (response) {
        carried_read(response, &carried);
        pstn_gateway_without_video(c, &carried);
    }
    if (other)
        leg_reply(other, cookie, status, response ? &carried : NULL);
}

static void ended(void *owner, struct leg *l, const struct sip_message *m)
{
    struct pstn_call *c = owner;
    struct pstn_network *n = c->network;
    const unsigned who = index_of(c, l);
    c->legs[who] = NULL;
    c->record.ended_at[who] = now_of(c);
    if (!m)
        finish(c, PSTN_CAUSE_LOST, 504);
    else if (c->state == PSTN_RELEASING) /* both at the same time */
        finish(c, PSTN_CAUSE_ENDED, 200);
    else if (c->state != PSTN_UP)
        finish(c, who == CALLER ? PSTN_CAUSE_CANCELLED : PSTN_CAUSE_REFUSED, who == CALLER ? 487 : 480);
    else if (c->state = PSTN_RELEASING, ua_timer(&n->ua, &c->timer, c->release_ms) < 0)
        finish(c, PSTN_CAUSE_ENDED, 200);
}

const struct ua_user pstn_call_user = {
    .asked = pstn_network_asked,
    .ringing = ringing,
    .answered = answered,
    .failed = failed,
    .acked = acked,
    .request = request,
    .cancelled = cancelled,
    .reply = reply,
    .ended = ended,
};
