/* Phones that follow a script. */
#include "pstn/phone_private.h"

#include "base/mem.h"

#include <stdio.h>

#define LEGS_PER_CALL 2
#define RING_MS 180000
#define SDP_OCTETS_MAX 8192
#define REGISTER_ASK_MS 60000 /* a PBX that was away finds its phones again soon */
#define AGAIN_LOW_MS 2100     /* RFC 3261 14.1: two that ask each other wait for different times */
#define AGAIN_HIGH_MS 4000

/* ---- calls ---- */

static void call_due(void *owner);
static void ask_due(void *owner);

static struct wall now_of(const struct phone_call *c)
{
    return c->phone->ua.now.wall;
}

static struct phone_call *call_new(struct pstn_phone *p, bool is_ours, struct slice from, struct slice to)
{
    struct phone_call *c = mem_alloc(sizeof *c);
    if (!c)
        return NULL;
    c->phone = p;
    c->facts.is_ours = is_ours;
    phone_media_init(c);
    c->timer = (struct ua_timer){.fire = call_due, .owner = c};
    c->ask_timer = (struct ua_timer){.fire = ask_due, .owner = c};
    c->facts.begun_at = now_of(c);
    snprintf(c->facts.from, sizeof c->facts.from, "%.*s", SLICE_PRINT(from));
    snprintf(c->facts.to, sizeof c->facts.to, "%.*s", SLICE_PRINT(to));
    list_append(&p->calls, &c->link);
    p->call_count++;
    return c;
}

static void call_free(struct phone_call *c)
{
    phone_media_fini(c);
    ua_timer_stop(&c->phone->ua, &c->ask_timer);
    ua_timer_stop(&c->phone->ua, &c->timer);
    list_remove(&c->link);
    c->phone->call_count--;
    mem_free(c);
}

void phone_tell(struct phone_call *c, enum pstn_phone_event event)
{
    c->facts.event = event;
    phone_media_note(c);
    c->phone->news(c->phone->arg, &c->facts);
}

static void over(struct phone_call *c)
{
    if (!c->facts.ended_at.ms)
        c->facts.ended_at = now_of(c);
    phone_tell(c, PSTN_PHONE_OVER);
    call_free(c);
}

/* The BYE's answer is waited for; what was never answered is over at once. */
static void hang_up(struct phone_call *c)
{
    struct leg *l = c->leg;
    const bool up = l->state == LEG_UP;
    c->leg = NULL;
    phone_media_stop(c);
    c->facts.ended_by_us = true;
    c->facts.ended_at = now_of(c);
    ua_timer_stop(&c->phone->ua, &c->timer);
    ua_timer_stop(&c->phone->ua, &c->ask_timer);
    leg_end(l);
    if (up)
        return;
    c->facts.status = c->facts.is_ours ? 487 : 480;
    over(c);
}

/* It was answered, by whomever. */
static void begin(struct phone_call *c)
{
    struct pstn_phone *p = c->phone;
    phone_media_begin(c);
    phone_tell(c, PSTN_PHONE_ANSWERED);
    if (p->options->hold_after_ms)
        ua_timer(&p->ua, &c->ask_timer, p->options->hold_after_ms);
    if (!c->talk_ms)
        ua_timer_stop(&p->ua, &c->timer);
    else if (ua_timer(&p->ua, &c->timer, c->talk_ms) < 0)
        hang_up(c);
}

static void answer(struct phone_call *c)
{
    struct leg *l = c->leg;
    struct carried sdp;
    const unsigned status = phone_media_describe(c, sip_server_request(c->phone->ua.layer, l->server), &sdp);
    if (status) {
        c->leg = NULL;
        c->facts.status = status;
        leg_refuse(l, status);
        over(c);
        return;
    }
    c->facts.status = 200;
    c->facts.answered_at = now_of(c);
    leg_answer(l, &sdp);
    begin(c);
}

static void call_due(void *owner)
{
    struct phone_call *c = owner;
    if (c->leg && c->leg->state == LEG_CALLED)
        answer(c);
    else if (c->leg)
        hang_up(c);
}

/* ---- hold ---- */

static void ask(struct phone_call *c)
{
    struct carried sdp;
    if (!c->is_to_ask || c->is_asking || !c->leg || c->leg->state != LEG_UP)
        return;
    c->is_to_ask = false;
    c->party.wants = (struct pstn_way){.sends = c->port > 0, .receives = c->port > 0 && !c->holds};
    c->is_asking = !phone_media_describe(c, NULL, &sdp) && !leg_request(c->leg, SIP_INVITE, &sdp, 1);
}

static void hold(struct phone_call *c, bool holds)
{
    c->holds = holds;
    c->is_to_ask = true;
    ask(c);
}

/* The script's time has come, or that to ask once more. */
static void ask_due(void *owner)
{
    struct phone_call *c = owner;
    const struct pstn_phone_options *o = c->phone->options;
    if (c->is_to_ask)
        ask(c);
    else
        hold(c, !c->holds);
    if (c->holds && o->resume_after_ms)
        ua_timer(&c->phone->ua, &c->ask_timer, o->resume_after_ms);
}

void pstn_phone_hold(struct pstn_phone *p, struct now now, bool holds)
{
    p->ua.now = now;
    LIST_EACH(it, &p->calls)
        hold(CONTAINER_OF(it, struct phone_call, link), holds);
}

/* ---- what the leg tells ---- */

static void ringing(void *owner, struct leg *l, const struct sip_message *response)
{
    struct phone_call *c = owner;
    (void)l;
    (void)response;
    if (c->facts.rang)
        return;
    c->facts.rang = true;
    c->facts.rang_at = now_of(c);
    phone_tell(c, PSTN_PHONE_RINGING);
}

static void answered(void *owner, struct leg *l, const struct sip_message *response)
{
    struct phone_call *c = owner;
    leg_ack(l, NULL); /* our INVITE had the offer */
    phone_media_hear(c, response->body);
    c->facts.status = response->status;
    c->facts.answered_at = now_of(c);
    begin(c);
}

static void failed(void *owner, struct leg *l, unsigned status, const struct sip_message *response)
{
    struct phone_call *c = owner;
    (void)l;
    (void)response;
    c->leg = NULL;
    c->facts.status = status;
    over(c);
}

static void acked(void *owner, struct leg *l, const struct sip_message *ack)
{
    (void)l;
    phone_media_hear(owner, ack->body); /* it answers an offer of ours */
}

static void request(void *owner, struct leg *l, uint64_t server, const struct sip_message *m)
{
    struct phone_call *c = owner;
    struct carried sdp = {0};
    unsigned status = 0;
    if (m->method == SIP_INVITE || (m->method == SIP_UPDATE && m->body.n)) {
        status = c->phone->options->refuses_changes ? 488 : phone_media_describe(c, m, &sdp);
        c->facts.changes++;
        c->facts.refused += status != 0;
    }
    leg_reply(l, server, status ? status : 200, status ? NULL : &sdp);
}

static void cancelled(void *owner, struct leg *l, uint64_t server)
{
    (void)owner;
    leg_reply(l, server, 487, NULL);
}

/* To our re-INVITE. */
static void reply(void *owner, struct leg *l, uint64_t cookie, unsigned status, const struct sip_message *response)
{
    struct phone_call *c = owner;
    (void)cookie;
    leg_ack(l, NULL);
    c->is_asking = false;
    if (status >= 200 && status < 300)
        phone_media_hear(c, response->body);
    if (status == 491)
        c->is_to_ask = true;
    if (c->is_to_ask)
        ua_timer(&c->phone->ua, &c->ask_timer, entropy_between(c->phone->ua.entropy, AGAIN_LOW_MS, AGAIN_HIGH_MS));
}

static void ended(void *owner, struct leg *l, const struct sip_message *m)
{
    struct phone_call *c = owner;
    (void)l;
    c->leg = NULL;
    phone_media_stop(c);
    ua_timer_stop(&c->phone->ua, &c->ask_timer);
    if (!c->facts.answered_at.ms)
        c->facts.status = 487;
    c->facts.in_order = m && c->facts.answered_at.ms;
    over(c);
}

static void closed(void *owner, unsigned status)
{
    struct phone_call *c = owner;
    c->facts.in_order = status >= 200 && status < 300;
    over(c);
}

/* ---- calls that come in ---- */

static bool has_number(const struct pstn_phone *p, struct slice user)
{
    for (size_t i = 0; i < p->options->number_count; i++) {
        if (slice_eq_str(user, p->options->numbers[i]))
            return true;
    }
    return !p->options->number_count;
}

static void asked(void *ctx, const struct sip_event *event)
{
    struct pstn_phone *p = ctx;
    const struct sip_message *m = event->message;
    struct sip_uri from, to;
    if (m->method != SIP_INVITE) {
        ua_answer(&p->ua, event->server, 405, "Allow", slice_str(UA_ALLOW));
    } else if (sip_uri_parse(m->uri, &to, NULL) < 0 || !has_number(p, to.user)) {
        ua_answer(&p->ua, event->server, 404, NULL, (struct slice){0});
    } else if (p->options->is_busy || p->call_count >= p->options->calls_max ||
               (p->options->port_count && !phone_port(p))) {
        ua_answer(&p->ua, event->server, 486, NULL, (struct slice){0});
    } else {
        struct slice user = sip_uri_parse(m->from.uri, &from, NULL) ? (struct slice){0} : from.user;
        struct phone_call *c = call_new(p, false, user, to.user);
        int err = c ? leg_take(&p->ua, event, c, &c->leg) : ERR_NO_MEMORY;
        if (!err)
            err = ua_timer(&p->ua, &c->timer,
                           entropy_between(p->ua.entropy, p->options->ring.low_ms, p->options->ring.high_ms));
        if (err) {
            ua_answer(&p->ua, event->server, err == ERR_SYNTAX ? 400 : 500, NULL, (struct slice){0});
            if (c)
                call_free(c);
            return;
        }
        c->talk_ms = p->options->talk_ms;
        c->facts.rang = true;
        c->facts.rang_at = now_of(c);
        leg_ring(c->leg, 180, NULL);
        phone_tell(c, PSTN_PHONE_RINGING);
    }
}

/* ---- life ---- */

static const char *point(const void *ctx, unsigned side, enum sip_transport transport)
{
    const struct pstn_phone *p = ctx;
    (void)side;
    return transport == SIP_TLS ? "" : p->options->point;
}

static void lines_fini(struct pstn_phone *p)
{
    for (size_t i = 0; p->lines && i < p->options->number_count; i++) {
        ua_registration_fini(&p->lines[i].registration);
        ua_password_fini(&p->lines[i].password);
    }
    mem_free(p->lines);
    p->lines = NULL;
}

static int lines_start(struct pstn_phone *p)
{
    const struct pstn_phone_options *o = p->options;
    if (!o->registrar)
        return 0;
    p->lines = mem_alloc((o->number_count + 1) * sizeof *p->lines);
    if (!p->lines)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < o->number_count; i++) {
        struct line *l = &p->lines[i];
        const struct ua_registration_options registration = {.hop = *o->registrar,
                                                             .domain = o->domain,
                                                             .user = o->numbers[i],
                                                             .password = &l->password,
                                                             .expires_ms = REGISTER_ASK_MS};
        ua_password_init(&l->password, o->numbers[i], o->password);
        ua_registration_init(&l->registration, &p->ua, &registration);
        ua_registration_start(&l->registration);
    }
    return 0;
}

bool pstn_phone_is_registered(const struct pstn_phone *p)
{
    for (size_t i = 0; p->lines && i < p->options->number_count; i++) {
        if (!p->lines[i].registration.is_good)
            return false;
    }
    return p->lines != NULL;
}

int pstn_phone_new(const struct pstn_phone_options *options, const struct entropy *entropy, const struct log *log,
                   struct now now, pstn_phone_fn *news, void *arg, struct pstn_phone **ret_phone)
{
    static const struct ua_user user = {
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
    const struct ua_options ua = {.legs_max = LEGS_PER_CALL * options->calls_max, .ring_ms = RING_MS};
    struct pstn_phone *p = mem_alloc(sizeof *p);
    if (!p)
        return ERR_NO_MEMORY;
    p->options = options;
    p->news = news;
    p->arg = arg;
    list_init(&p->calls);
    buf_init(&p->sdp, SDP_OCTETS_MAX);
    ua_password_init(&p->password, NULL, options->password);
    int err = ua_init(&p->ua, &ua, &user, p, point, entropy, log, now);
    if (!err)
        err = lines_start(p);
    if (err)
        pstn_phone_free(p);
    else
        *ret_phone = p;
    return err;
}

void pstn_phone_free(struct pstn_phone *p)
{
    if (!p)
        return;
    LIST_EACH(it, &p->calls)
        call_free(CONTAINER_OF(it, struct phone_call, link));
    lines_fini(p);
    ua_fini(&p->ua);
    ua_password_fini(&p->password);
    buf_fini(&p->sdp);
    mem_free(p);
}

static bool is_good_user(const char *text)
{
    return *text && !text[strspn(text, "+0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.*")];
}

int pstn_phone_call(struct pstn_phone *p, struct now now, const struct sip_hop *via, const char *domain,
                    const char *from, const char *to, int64_t talk_ms, int64_t patience_ms)
{
    if (!is_good_user(from) || !is_good_user(to))
        return ERR_RANGE;
    if (p->call_count >= p->options->calls_max || (p->options->port_count && !phone_port(p)))
        return ERR_LIMIT;
    p->ua.now = now;
    struct phone_call *c = call_new(p, true, slice_str(from), slice_str(to));
    if (!c)
        return ERR_NO_MEMORY;
    struct carried sdp;
    if (phone_media_describe(c, NULL, &sdp)) {
        call_free(c);
        return ERR_NO_MEMORY;
    }
    struct leg_invite invite = {.hop = *via,
                                .uri = ua_print(&p->ua, "sip:%s@%s", to, domain),
                                .from = ua_print(&p->ua, "<sip:%s@%s>", from, domain),
                                .max_forwards = 70,
                                .password = &p->password,
                                .carried = &sdp};
    p->password.user = p->options->user ? p->options->user : from;
    invite.to = ua_print(&p->ua, "<%.*s>", SLICE_PRINT(invite.uri));
    c->talk_ms = talk_ms;
    int err = ua_timer(&p->ua, &c->timer, patience_ms);
    if (!err)
        err = leg_call(&p->ua, &invite, c, &c->leg);
    if (err)
        call_free(c);
    return err;
}

void pstn_phone_stop(struct pstn_phone *p, struct now now)
{
    p->ua.now = now;
    LIST_EACH(it, &p->calls) {
        struct phone_call *c = CONTAINER_OF(it, struct phone_call, link);
        if (c->leg)
            hang_up(c);
    }
    for (size_t i = 0; p->lines && i < p->options->number_count; i++)
        ua_registration_stop(&p->lines[i].registration);
}

bool pstn_phone_is_quiet(const struct pstn_phone *p)
{
    for (size_t i = 0; p->lines && i < p->options->number_count; i++) {
        if (!ua_registration_is_quiet(&p->lines[i].registration))
            return false;
    }
    return !p->call_count && !p->ua.leg_count;
}

/* ---- events, effects ---- */

void pstn_phone_input(struct pstn_phone *p, struct now now, const struct sip_flow *flow, struct slice octets)
{
    ua_input(&p->ua, now, flow, octets);
}

void pstn_phone_unreachable(struct pstn_phone *p, struct now now, const struct sip_hop *hop)
{
    ua_unreachable(&p->ua, now, hop);
}

void pstn_phone_tick(struct pstn_phone *p, struct now now)
{
    ua_tick(&p->ua, now);
}

struct mono pstn_phone_deadline(const struct pstn_phone *p)
{
    return ua_deadline(&p->ua);
}

bool pstn_phone_next(struct pstn_phone *p, struct now now, struct pstn_effect *ret_effect)
{
    return ua_next(&p->ua, now, &ret_effect->hop, &ret_effect->octets);
}
