/* Phones that follow a script. */
#include "pstn/phone.h"

#include "base/mem.h"
#include "base/text.h"
#include "pstn/leg.h"

#include <stdio.h>

#define LEGS_PER_CALL 2
#define RING_MS 180000
#define SDP_OCTETS_MAX 8192

struct phone_call {
    struct list link;
    struct pstn_phone *phone;
    struct leg *leg; /* NULL: gone */
    struct ua_timer timer;
    int64_t talk_ms;
    struct pstn_phone_call facts;
};

struct pstn_phone {
    const struct pstn_phone_options *options;
    pstn_phone_fn *news;
    void *arg;
    struct ua ua;
    struct list calls;
    size_t call_count;
    uint64_t session; /* of the next description */
    struct buf sdp;
};

/* ---- descriptions (RFC 8866, 3264): one audio stream, inactive ---- */

static void sdp_begin(struct pstn_phone *p)
{
    const struct addr *media = &p->options->media;
    char ip[ADDR_TEXT_OCTETS];
    const char *family = media->family == 6 ? "IP6" : "IP4";
    addr_format_ip(media, ip);
    buf_clear(&p->sdp);
    buf_printf(&p->sdp, "v=0\r\no=- %llu 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n",
               (unsigned long long)++p->session, family, ip, family, ip);
}

static void sdp_offer(struct pstn_phone *p)
{
    sdp_begin(p);
    buf_printf(&p->sdp,
               "m=audio %u RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
               "a=rtpmap:101 telephone-event/8000\r\na=inactive\r\n",
               p->options->media.port);
}

static bool begins(struct slice s, const char *with)
{
    const size_t n = strlen(with);
    return s.n >= n && !memcmp(s.p, with, n);
}

/* Every stream of the offer has its answer, in its place: the first audio is taken with the formats that it came with, others are refused. */
static void sdp_answer(struct pstn_phone *p, struct slice offer)
{
    bool taken = false, in_taken = false;
    sdp_begin(p);
    while (offer.p) {
        struct slice line = text_cut(&offer, '\n');
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (begins(line, "m=")) {
            struct slice rest = line, media = text_cut(&rest, ' ');
            text_cut(&rest, ' '); /* its port */
            if (in_taken)
                buf_str(&p->sdp, "a=inactive\r\n");
            in_taken = !taken && slice_eq_str(media, "m=audio") && begins(rest, "RTP/AVP ");
            taken = taken || in_taken;
            buf_printf(&p->sdp, "%.*s %u %.*s\r\n", SLICE_PRINT(media), in_taken ? p->options->media.port : 0u,
                       SLICE_PRINT(rest));
        } else if (in_taken && (begins(line, "a=rtpmap:") || begins(line, "a=fmtp:"))) {
            buf_printf(&p->sdp, "%.*s\r\n", SLICE_PRINT(line));
        }
    }
    if (in_taken)
        buf_str(&p->sdp, "a=inactive\r\n");
}

static struct carried sdp_carried(const struct pstn_phone *p)
{
    return (struct carried){.type = slice_str("application/sdp"), .body = buf_slice(&p->sdp)};
}

/* The answer to what the message offers; an offer if it has none. */
static struct carried sdp_for(struct pstn_phone *p, const struct sip_message *m)
{
    if (m && m->body.n)
        sdp_answer(p, m->body);
    else
        sdp_offer(p);
    return sdp_carried(p);
}

/* ---- calls ---- */

static void call_due(void *owner);

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
    c->timer = (struct ua_timer){.fire = call_due, .owner = c};
    c->facts.is_ours = is_ours;
    c->facts.begun_at = now_of(c);
    snprintf(c->facts.from, sizeof c->facts.from, "%.*s", SLICE_PRINT(from));
    snprintf(c->facts.to, sizeof c->facts.to, "%.*s", SLICE_PRINT(to));
    list_append(&p->calls, &c->link);
    p->call_count++;
    return c;
}

static void call_free(struct phone_call *c)
{
    ua_timer_stop(&c->phone->ua, &c->timer);
    list_remove(&c->link);
    c->phone->call_count--;
    mem_free(c);
}

static void tell(const struct phone_call *c)
{
    c->phone->news(c->phone->arg, &c->facts);
}

static void over(struct phone_call *c)
{
    if (!c->facts.ended_at.ms)
        c->facts.ended_at = now_of(c);
    tell(c);
    call_free(c);
}

/* The BYE's answer is waited for; what was never answered is over at once. */
static void hang_up(struct phone_call *c)
{
    struct leg *l = c->leg;
    const bool up = l->state == LEG_UP;
    c->leg = NULL;
    c->facts.ended_by_us = true;
    c->facts.ended_at = now_of(c);
    ua_timer_stop(&c->phone->ua, &c->timer);
    leg_end(l);
    if (up)
        return;
    c->facts.status = c->facts.is_ours ? 487 : 480;
    over(c);
}

static void answer(struct phone_call *c)
{
    struct pstn_phone *p = c->phone;
    const struct sip_message *invite = sip_server_request(p->ua.layer, c->leg->server);
    struct carried sdp = sdp_for(p, invite);
    c->facts.status = 200;
    c->facts.answered_at = now_of(c);
    leg_answer(c->leg, &sdp);
    tell(c);
    if (c->talk_ms && ua_timer(&p->ua, &c->timer, c->talk_ms) < 0)
        hang_up(c);
}

static void call_due(void *owner)
{
    struct phone_call *c = owner;
    if (c->leg && c->leg->state == LEG_CALLED)
        answer(c);
    else if (c->leg)
        hang_up(c);
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
    tell(c);
}

static void answered(void *owner, struct leg *l, const struct sip_message *response)
{
    struct phone_call *c = owner;
    leg_ack(l, NULL); /* our INVITE had the offer */
    c->facts.status = response->status;
    c->facts.answered_at = now_of(c);
    tell(c);
    if (c->talk_ms)
        ua_timer(&c->phone->ua, &c->timer, c->talk_ms);
    else
        ua_timer_stop(&c->phone->ua, &c->timer);
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
    (void)owner;
    (void)l;
    (void)ack;
}

static void request(void *owner, struct leg *l, uint64_t server, const struct sip_message *m)
{
    struct phone_call *c = owner;
    const bool describes = m->method == SIP_INVITE || m->body.n;
    struct carried sdp = {0};
    if (m->method != SIP_INFO && describes)
        sdp = sdp_for(c->phone, m);
    leg_reply(l, server, 200, &sdp);
}

static void cancelled(void *owner, struct leg *l, uint64_t server)
{
    (void)owner;
    leg_reply(l, server, 487, NULL);
}

static void reply(void *owner, struct leg *l, uint64_t cookie, unsigned status, const struct sip_message *response)
{
    (void)owner;
    (void)cookie;
    (void)status;
    (void)response;
    leg_ack(l, NULL);
}

static void ended(void *owner, struct leg *l, const struct sip_message *m)
{
    struct phone_call *c = owner;
    (void)l;
    c->leg = NULL;
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
    } else if (p->options->is_busy || p->call_count >= p->options->calls_max) {
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
        tell(c);
    }
}

/* ---- life ---- */

static const char *point(const void *ctx, unsigned side, enum sip_transport transport)
{
    const struct pstn_phone *p = ctx;
    (void)side;
    return transport == SIP_TLS ? "" : p->options->point;
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
    int err = ua_init(&p->ua, &ua, &user, p, point, entropy, log, now);
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
    ua_fini(&p->ua);
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
    if (p->call_count >= p->options->calls_max)
        return ERR_LIMIT;
    p->ua.now = now;
    struct phone_call *c = call_new(p, true, slice_str(from), slice_str(to));
    if (!c)
        return ERR_NO_MEMORY;
    sdp_offer(p);
    struct carried sdp = sdp_carried(p);
    struct leg_invite invite = {.hop = *via,
                                .uri = ua_print(&p->ua, "sip:%s@%s", to, domain),
                                .from = ua_print(&p->ua, "<sip:%s@%s>", from, domain),
                                .max_forwards = 70,
                                .carried = &sdp};
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
}

bool pstn_phone_is_quiet(const struct pstn_phone *p)
{
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
