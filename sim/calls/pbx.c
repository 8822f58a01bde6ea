/* Phones: pbx.h. */
#include "calls/pbx.h"

#include "alloc.h"
#include "base/mem.h"
#include "calls/exchange.h"
#include "calls/ledger.h"
#include "calls/script.h"
#include "calls/talk.h"

#include <stdio.h>

#define LEGS_MAX 20000
#define RING_MS 180000
#define LOCAL_US_MIN 50
#define LOCAL_US_MAX 400
#define MUTE_US (70 * SIM_SECOND) /* longer than BYE is repeated */
#define KEYS_MS 1500              /* after the answer */
#define AGAIN_MIN_MS 2100         /* RFC 3261 14.1: who made the Call-ID waits longer */
#define AGAIN_MAX_MS 4000
#define TRIES_MAX 4
#define COOKIE_HOLD 1
#define COOKIE_KEYS 2
#define COOKIE_REFRESH 3
#define BUSY_MS 5
#define NO_ANSWER_MS 180000 /* a PBX does not let a phone ring for ever */
#define REFRESH_MS 900000   /* as session timers do (RFC 4028): asks whether the other side is still there */
#define COUNTRY_OCTETS 3    /* "+49" */
#define PORT_MIN 10000
#define PORT_MAX 60000
#define PORTS_PER_PHONE 4 /* sound and pictures, each with its RTCP */
#define INFO_BODY "Signal=5\r\nDuration=160\r\n"

enum act { ACT_ANSWER, ACT_GIVE_UP, ACT_KEYS, ACT_HOLD, ACT_RESUME, ACT_HANG_UP, ACT_REFRESH };

struct phone {
    struct list link;
    struct sim_pbx *pbx;
    struct leg *leg; /* NULL: gone */
    uint32_t call;
    unsigned nth; /* of a called phone: how many times it rang for the same call */
    bool is_caller;
    bool is_up;
    bool has_hung_up;
    struct sim_talk talk;
    uint8_t act; /* what the timer is for */
    uint8_t step, tries;
    int64_t up_us;
    struct ua_timer timer;
};

static void due(void *owner);

static const struct sim_script *script_of(const struct phone *p)
{
    return &p->pbx->day->scripts[p->call];
}

static int64_t now_us(const struct phone *p)
{
    return p->pbx->day->world->now_us;
}

/* ---- life of a phone in a call ---- */

static struct phone *phone_new(struct sim_pbx *pbx, uint32_t call, bool is_caller, unsigned nth)
{
    struct phone *p = sim_alloc(sizeof *p);
    p->pbx = pbx;
    p->call = call;
    p->nth = nth;
    p->is_caller = is_caller;
    pbx->next_port = pbx->next_port >= PORT_MAX ? PORT_MIN : (uint16_t)(pbx->next_port + PORTS_PER_PHONE);
    sim_talk_init(&p->talk, pbx->day, call, is_caller, nth, pbx->next_port);
    p->timer = (struct ua_timer){.fire = due, .owner = p};
    list_append(&pbx->phones, &p->link);
    pbx->phone_count++;
    return p;
}

static void phone_free(struct phone *p)
{
    ua_timer_stop(&p->pbx->ua, &p->timer);
    sim_talk_fini(&p->talk);
    list_remove(&p->link);
    p->pbx->phone_count--;
    mem_free(p);
}

static void over(struct phone *p, unsigned status)
{
    sim_ledger_ended(p->pbx->day->ledger, p->call, p->is_caller, p->nth, status);
    phone_free(p);
}

static void wait_for(struct phone *p, enum act act, int64_t ms)
{
    p->act = (uint8_t)act;
    if (ua_timer(&p->pbx->ua, &p->timer, ms < 0 ? 0 : ms) < 0)
        sim_die("no memory for a timer");
}

/* The next thing that it does in a call that is up; step counts those that are done. */
static void plan_next(struct phone *p)
{
    const struct sim_script *s = script_of(p);
    const int64_t since_ms = (now_us(p) - p->up_us) / 1000;
    const int64_t left_ms = s->talk_ms - since_ms;
    const bool holds = s->holder == SIM_HOLDS_BOTH || s->holder == (p->is_caller ? SIM_HOLDS_CALLER : SIM_HOLDS_CALLED);
    if (p->step == 0 && p->is_caller && s->presses_keys && s->talk_ms > KEYS_MS)
        wait_for(p, ACT_KEYS, KEYS_MS - since_ms);
    else if (p->step <= 1 && holds)
        wait_for(p, ACT_HOLD, s->hold_ms - since_ms);
    else if (p->step == 2)
        wait_for(p, ACT_RESUME, s->hold_ms + (int64_t)s->held_ms - since_ms);
    else if (s->caller_hangs_up == p->is_caller && left_ms < REFRESH_MS)
        wait_for(p, ACT_HANG_UP, left_ms);
    else
        wait_for(p, ACT_REFRESH, REFRESH_MS);
}

static void came_up(struct phone *p)
{
    p->is_up = true;
    p->up_us = now_us(p);
    sim_ledger_answered(p->pbx->day->ledger, p->call, p->is_caller, p->nth);
    sim_talk_up(&p->talk);
    if (p->talk.has_port)
        sim_waker_set(&p->pbx->clock, now_us(p));
    plan_next(p);
}

static void mute(struct phone *p)
{
    struct sim_pbx *pbx = p->pbx;
    struct sim_mute *m = &pbx->mutes[pbx->next_mute++ % SIM_MUTES_MAX];
    snprintf(m->call_id, sizeof m->call_id, "%s", p->leg->dialog.call_id);
    m->until_us = now_us(p) + MUTE_US;
}

static void hang_up(struct phone *p)
{
    struct leg *l = p->leg;
    const bool up = l->state == LEG_UP;
    p->leg = NULL;
    p->has_hung_up = true;
    p->talk.is_up = false;
    ua_timer_stop(&p->pbx->ua, &p->timer);
    sim_ledger_hung_up(p->pbx->day->ledger, p->call, p->is_caller, p->nth);
    leg_end(l);
    if (!up)
        over(p, p->is_caller ? 487 : 480);
}

static void answer(struct phone *p)
{
    static const unsigned refusals[] = {
        [SIM_IS_BUSY] = 486, [SIM_DECLINES] = 603, [SIM_IS_AWAY] = 480, [SIM_DOES_NOTHING] = 480};
    const struct sim_script *s = script_of(p);
    if (s->answer == SIM_ANSWERS) {
        const struct carried c = sim_talk_answer(&p->talk);
        leg_answer(p->leg, &c);
        came_up(p);
        return;
    }
    struct leg *l = p->leg;
    p->leg = NULL;
    leg_refuse(l, refusals[s->answer]);
    over(p, refusals[s->answer]);
}

/* Sends a re-INVITE; what becomes of it comes as `reply`. */
static void offer(struct phone *p, bool hold)
{
    p->talk.holds = hold;
    const struct carried c = sim_talk_offer(&p->talk);
    if (leg_request(p->leg, SIP_INVITE, &c, COOKIE_HOLD) != 0)
        hang_up(p);
}

static void press(struct phone *p)
{
    const struct carried keys = {.type = slice_str("application/dtmf-relay"), .body = slice_str(INFO_BODY)};
    if (leg_request(p->leg, SIP_INFO, &keys, COOKIE_KEYS) != 0)
        hang_up(p);
}

static void due(void *owner)
{
    struct phone *p = owner;
    if (!p->leg)
        return;
    switch ((enum act)p->act) {
    case ACT_ANSWER:
        answer(p);
        break;
    case ACT_KEYS:
        p->step = 1;
        press(p);
        break;
    case ACT_HOLD:
        p->step = 2;
        offer(p, true);
        break;
    case ACT_RESUME:
        p->step = 3;
        offer(p, false);
        break;
    case ACT_GIVE_UP:
        hang_up(p);
        break;
    case ACT_HANG_UP:
        if (script_of(p)->bye_is_lost)
            mute(p);
        hang_up(p);
        break;
    case ACT_REFRESH:
        if (leg_request(p->leg, SIP_UPDATE, &(struct carried){0}, COOKIE_REFRESH) != 0)
            hang_up(p);
        break;
    }
}

/* ---- what its leg tells ---- */

static void ringing(void *owner, struct leg *leg, const struct sip_message *response)
{
    const struct phone *p = owner;
    (void)leg, (void)response;
    sim_ledger_rang(p->pbx->day->ledger, p->call);
}

static void answered(void *owner, struct leg *leg, const struct sip_message *response)
{
    struct phone *p = owner;
    leg_ack(leg, NULL);
    if (response)
        sim_talk_heard(&p->talk, response->body);
    came_up(p);
}

static void failed(void *owner, struct leg *leg, unsigned status, const struct sip_message *response)
{
    struct phone *p = owner;
    (void)leg, (void)response;
    p->leg = NULL;
    over(p, status);
}

static void acked(void *owner, struct leg *leg, const struct sip_message *ack)
{
    struct phone *p = owner;
    (void)leg;
    if (ack) /* the answer to an offer that we were asked for */
        sim_talk_heard(&p->talk, ack->body);
}

/* Who offers nothing is offered something. */
static void request(void *owner, struct leg *leg, uint64_t server, const struct sip_message *m)
{
    struct phone *p = owner;
    struct carried c = {0};
    sim_talk_heard(&p->talk, m->method == SIP_INFO ? (struct slice){0} : m->body);
    if (m->method != SIP_INFO && m->body.n)
        c = sim_talk_answer(&p->talk);
    else if (m->method == SIP_INVITE)
        c = sim_talk_offer(&p->talk);
    leg_reply(leg, server, 200, &c);
}

static void cancelled(void *owner, struct leg *leg, uint64_t server)
{
    (void)owner;
    leg_reply(leg, server, 487, NULL);
}

static void reply(void *owner, struct leg *leg, uint64_t cookie, unsigned status, const struct sip_message *response)
{
    struct phone *p = owner;
    leg_ack(leg, NULL);
    if (response && status >= 200 && status < 300)
        sim_talk_heard(&p->talk, response->body);
    if (status == 481 || status == 408) { /* the other side knows no such call (RFC 3261 12.2.1.2) */
        hang_up(p);
        return;
    }
    if (cookie == COOKIE_HOLD)
        sim_ledger_held(p->pbx->day->ledger, p->call, status);
    if (cookie == COOKIE_HOLD && status == 491 && p->tries++ < TRIES_MAX) { /* both at once: one of both is slower */
        p->step--;
        p->talk.holds = !p->talk.holds;
        wait_for(p, p->step == 1 ? ACT_HOLD : ACT_RESUME,
                 p->is_caller ? entropy_between(&p->pbx->entropy, AGAIN_MIN_MS, AGAIN_MAX_MS)
                              : entropy_between(&p->pbx->entropy, 0, AGAIN_MIN_MS - 100));
        return;
    }
    plan_next(p);
}

static void ended(void *owner, struct leg *leg, const struct sip_message *m)
{
    struct phone *p = owner;
    (void)leg;
    p->leg = NULL;
    over(p, !m ? 408 : p->is_up ? 200 : 487);
}

static void closed(void *owner, unsigned status)
{
    over(owner, status);
}

/* ---- calls that come in ---- */

static void take(struct sim_pbx *pbx, const struct sip_event *event, uint32_t call)
{
    struct phone *p = phone_new(pbx, call, false, sim_ledger_called(pbx->day->ledger, call, pbx->company));
    sim_talk_heard(&p->talk, event->message->body);
    if (leg_take(&pbx->ua, event, p, &p->leg) != 0) {
        ua_answer(&pbx->ua, event->server, 500, NULL, (struct slice){0});
        over(p, 500);
        return;
    }
    const struct sim_script *s = script_of(p);
    if (s->answer != SIM_IS_BUSY)
        leg_ring(p->leg, 180, NULL);
    wait_for(p, ACT_ANSWER,
             s->answer == SIM_IS_BUSY        ? BUSY_MS
             : s->answer == SIM_DOES_NOTHING ? NO_ANSWER_MS
                                             : s->ring_ms);
}

/* For the agent alone. */
static bool is_fallback(const struct sim_pbx *pbx, const struct sip_message *m)
{
    const struct e164 number = sim_phone_fallback(pbx->day, pbx->company);
    const char *digits = number.text + COUNTRY_OCTETS; /* however they are written */
    return memmem(m->uri.p, m->uri.n, digits, strlen(digits)) != NULL;
}

static void asked(void *ctx, const struct sip_event *event)
{
    struct sim_pbx *pbx = ctx;
    const struct sip_message *m = event->message;
    uint32_t call;
    if (m->method != SIP_INVITE) {
        ua_answer(&pbx->ua, event->server, 405, "Allow", slice_str(UA_ALLOW));
        return;
    }
    const bool is_known = (sim_call_marked(m->body, &call) && call < pbx->day->script_count) ||
                          sim_exchange_whose(pbx->day->exchange, m->octets, &call);
    const bool is_somebodys = is_known || sim_exchange_was(pbx->day->exchange, m->octets);
    if (!m->to.tag.n && (!is_somebodys || is_fallback(pbx, m)))
        sim_ledger_rang_for_fallback(pbx->day->ledger, pbx->company);
    if (is_known)
        take(pbx, event, call);
    else
        ua_answer(&pbx->ua, event->server, 404, NULL, (struct slice){0});
}

static const struct ua_user ua_user = {
    .asked = asked,
    .ringing = ringing,
    .answered = answered,
    .failed = failed,
    .acked = acked,
    .request = request,
    .cancelled = cancelled,
    .reply = reply,
    .ended = ended,
    .closed = closed,
};

/* ---- calls that go out ---- */

static void drain(struct sim_pbx *pbx);

void sim_pbx_call(struct sim_pbx *pbx, uint32_t call)
{
    const struct sim_script *s = &pbx->day->scripts[call];
    char from[SIM_PHONE_OCTETS], to[SIM_PHONE_OCTETS], uri[128], caller[128], called[160];
    if (!pbx->up)
        return;
    sim_ledger_begun(pbx->day->ledger, call);
    struct phone *p = phone_new(pbx, call, true, 0);
    const struct carried c = sim_talk_offer(&p->talk);
    snprintf(uri, sizeof uri, "sip:%s@agent", sim_phone_dialed(s->to, s->to_k, to));
    snprintf(caller, sizeof caller, "<sip:%s@pbx>", sim_phone_dialed(s->from, s->from_k, from));
    snprintf(called, sizeof called, "<%s>", uri);
    const struct leg_invite invite = {.hop = pbx->agent,
                                      .uri = slice_str(uri),
                                      .from = slice_str(caller),
                                      .to = slice_str(called),
                                      .max_forwards = 70,
                                      .carried = &c};
    pbx->ua.now = sim_day_now(pbx->day);
    wait_for(p, ACT_GIVE_UP, s->patience_ms);
    if (leg_call(&pbx->ua, &invite, p, &p->leg) != 0)
        over(p, 500);
    drain(pbx);
}

/* ---- the process ---- */

static bool is_muted(const struct sim_pbx *pbx, struct slice octets)
{
    for (unsigned i = 0; i < SIM_MUTES_MAX; i++) {
        const struct sim_mute *m = &pbx->mutes[i];
        if (m->until_us > pbx->day->world->now_us && memmem(octets.p, octets.n, m->call_id, strlen(m->call_id)))
            return true;
    }
    return false;
}

static void drain(struct sim_pbx *pbx)
{
    const struct sip_hop *hop;
    struct slice octets;
    while (ua_next(&pbx->ua, sim_day_now(pbx->day), &hop, &octets))
        if (!is_muted(pbx, octets))
            sim_wire_datagram(&pbx->day->wire, &pbx->socket, &hop->addr, octets);
    sim_waker_set(&pbx->waker, sim_day_world_us(pbx->day, ua_deadline(&pbx->ua)));
}

/* All phones say their packets at once, and none of them anything but at these times. */
static void say(void *ctx)
{
    struct sim_pbx *pbx = ctx;
    bool any = false;
    LIST_EACH(it, &pbx->phones) {
        struct phone *p = CONTAINER_OF(it, struct phone, link);
        if (!p->talk.is_up || !p->talk.has_port)
            continue;
        any = true;
        sim_talk_say(&p->talk);
    }
    if (any)
        sim_waker_set(&pbx->clock, pbx->day->world->now_us + SIM_TALK_MS * SIM_MS);
}

static void tick(void *ctx)
{
    struct sim_pbx *pbx = ctx;
    if (!pbx->up)
        return;
    ua_tick(&pbx->ua, sim_day_now(pbx->day));
    drain(pbx);
}

static void datagram(void *ctx, unsigned side, const struct addr *peer, const struct addr *local, struct slice octets)
{
    struct sim_pbx *pbx = ctx;
    const struct sip_flow flow = {
        .transport = SIP_UDP, .side = side, .peer = *peer, .local = *local, .is_configured = true};
    ua_input(&pbx->ua, sim_day_now(pbx->day), &flow, octets);
    drain(pbx);
}

static void datagram_failed(void *ctx, unsigned side, const struct addr *peer)
{
    struct sim_pbx *pbx = ctx;
    const struct sip_hop hop = {.transport = SIP_UDP, .side = side, .addr = *peer};
    ua_unreachable(&pbx->ua, sim_day_now(pbx->day), &hop);
    drain(pbx);
}

static const struct sim_wire_user wire_user = {.datagram = datagram, .datagram_failed = datagram_failed};

static const char *point(const void *ctx, unsigned side, enum sip_transport transport)
{
    const struct sim_pbx *pbx = ctx;
    (void)side;
    return transport == SIP_UDP ? pbx->point : "";
}

void sim_pbx_start(struct sim_pbx *pbx)
{
    const struct ua_options options = {.legs_max = LEGS_MAX, .ring_ms = RING_MS};
    if (pbx->up)
        return;
    if (ua_init(&pbx->ua, &options, &ua_user, pbx, point, &pbx->entropy, NULL, sim_day_now(pbx->day)) != 0)
        sim_die("no memory for a PBX");
    pbx->up = true;
    sim_wire_start(&pbx->host);
}

void sim_pbx_end(struct sim_pbx *pbx, bool silent)
{
    if (!pbx->up)
        return;
    pbx->up = false;
    sim_wire_end(&pbx->day->wire, &pbx->host, silent);
    LIST_EACH(it, &pbx->phones) {
        struct phone *p = CONTAINER_OF(it, struct phone, link);
        sim_ledger_gone(pbx->day->ledger, p->call, p->is_caller, p->nth);
        phone_free(p);
    }
    ua_fini(&pbx->ua);
}

void sim_pbx_init(struct sim_pbx *pbx, struct sim_day *day, uint32_t company)
{
    *pbx = (struct sim_pbx){.day = day, .company = company};
    sim_entropy_init(&pbx->seed, day->world->options->seed, "pbx", company);
    pbx->entropy = seeded_entropy_port(&pbx->seed);
    pbx->host = (struct sim_wire_host){.user = &wire_user, .ctx = pbx, .node = sim_world_node(day->world, company)};
    pbx->socket = (struct sim_wire_socket){.host = &pbx->host,
                                           .addr = sim_calls_addr(SIM_AT_PBX, company),
                                           .group = SIM_GROUP_OF_PBX,
                                           .delay_us = {LOCAL_US_MIN, LOCAL_US_MAX}};
    addr_format(&pbx->socket.addr, pbx->point);
    pbx->agent = (struct sip_hop){.transport = SIP_UDP, .addr = sim_calls_addr(SIM_AT_AGENT_PBX, company)};
    sim_wire_add(&day->wire, &pbx->socket);
    sim_waker_init(&pbx->waker, day->world, tick, pbx);
    sim_waker_init(&pbx->clock, day->world, say, pbx);
    pbx->next_port = PORT_MAX;
    list_init(&pbx->phones);
}

void sim_pbx_fini(struct sim_pbx *pbx)
{
    sim_pbx_end(pbx, true);
}
