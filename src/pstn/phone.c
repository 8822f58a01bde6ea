/* Phones that follow a script. */
#include "pstn/phone.h"

#include "base/mem.h"
#include "base/text.h"
#include "pstn/audio.h"
#include "pstn/registration.h"

#include <stdio.h>

#define LEGS_PER_CALL 2
#define RING_MS 180000
#define SDP_OCTETS_MAX 8192
#define VOICE_LATE_MS 200
#define REGISTER_ASK_MS 60000 /* a PBX that was away finds its phones again soon */

struct phone_call {
    struct list link;
    struct pstn_phone *phone;
    struct leg *leg; /* NULL: gone */
    struct ua_timer timer;
    int64_t talk_ms;
    size_t port; /* of its voice, counted from 1; 0: it has none */
    struct pstn_voice voice;
    struct addr hears_at; /* the other side; family 0: nowhere yet */
    struct ua_timer voice_timer;
    struct mono speaks_at; /* when that is due */
    unsigned speaks;       /* packets that are to be sent now */
    struct pstn_phone_call facts;
};

/* A number that is registered somewhere. */
struct line {
    struct ua_password password;
    struct ua_registration registration;
};

struct pstn_phone {
    const struct pstn_phone_options *options;
    pstn_phone_fn *news;
    void *arg;
    struct ua ua;
    struct list calls;
    size_t call_count;
    uint64_t session;            /* of the next description */
    struct line *lines;          /* as many as there are numbers, if they are registered */
    struct ua_password password; /* for calls */
    struct buf sdp;
    uint8_t packet[PSTN_VOICE_OCTETS];
};

/* ---- descriptions (RFC 8866, 3264): one audio stream ---- */

static const struct addr *media_of(const struct phone_call *c)
{
    const struct pstn_phone_options *o = c->phone->options;
    return c->port ? &o->ports[c->port - 1] : &o->media;
}

static const char *direction_of(const struct phone_call *c)
{
    return c->port ? "a=sendrecv\r\n" : "a=inactive\r\n";
}

static struct buf *sdp_begin(struct phone_call *c)
{
    struct buf *out = &c->phone->sdp;
    const struct addr *media = media_of(c);
    char ip[ADDR_TEXT_OCTETS];
    const char *family = media->family == 6 ? "IP6" : "IP4";
    addr_format_ip(media, ip);
    buf_clear(out);
    buf_printf(out, "v=0\r\no=- %llu 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n",
               (unsigned long long)++c->phone->session, family, ip, family, ip);
    return out;
}

static void sdp_offer(struct phone_call *c)
{
    buf_printf(sdp_begin(c),
               "m=audio %u RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
               "a=rtpmap:101 telephone-event/8000\r\n%s",
               media_of(c)->port, direction_of(c));
}

static bool begins(struct slice s, const char *with)
{
    const size_t n = strlen(with);
    return s.n >= n && !memcmp(s.p, with, n);
}

/* Every stream of the offer has its answer, in its place: the first audio is taken with the formats that it came with, others are refused. */
static void sdp_answer(struct phone_call *c, struct slice offer)
{
    struct buf *out = sdp_begin(c);
    bool taken = false, in_taken = false;
    while (offer.p) {
        struct slice line = text_cut(&offer, '\n');
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (begins(line, "m=")) {
            struct slice rest = line, media = text_cut(&rest, ' ');
            text_cut(&rest, ' '); /* its port */
            if (in_taken)
                buf_str(out, direction_of(c));
            in_taken = !taken && slice_eq_str(media, "m=audio") && begins(rest, "RTP/AVP ");
            taken = taken || in_taken;
            buf_printf(out, "%.*s %u %.*s\r\n", SLICE_PRINT(media), in_taken ? media_of(c)->port : 0u,
                       SLICE_PRINT(rest));
        } else if (in_taken && (begins(line, "a=rtpmap:") || begins(line, "a=fmtp:"))) {
            buf_printf(out, "%.*s\r\n", SLICE_PRINT(line));
        }
    }
    if (in_taken)
        buf_str(out, direction_of(c));
}

static struct carried sdp_carried(const struct pstn_phone *p)
{
    return (struct carried){.type = slice_str("application/sdp"), .body = buf_slice(&p->sdp)};
}

/* The answer to what the message offers; an offer if it has none. */
static struct carried sdp_for(struct phone_call *c, const struct sip_message *m)
{
    if (m && m->body.n)
        sdp_answer(c, m->body);
    else
        sdp_offer(c);
    return sdp_carried(c->phone);
}

/* ---- voice ---- */

/* A description of the other side came: the voice goes there from now on. */
static void voice_towards(struct phone_call *c, struct slice body)
{
    struct ua *u = &c->phone->ua;
    struct pstn_audio audio;
    if (!c->port || !body.n)
        return;
    c->hears_at.family = 0;
    if (pstn_audio_read(&u->scratch, body, &audio) && audio.takes_alaw && !audio.is_held)
        c->hears_at = audio.at;
    c->speaks_at = u->now.mono;
    if (c->hears_at.family)
        heap_set(&u->timers, &c->voice_timer.node, c->speaks_at);
    else
        ua_timer_stop(u, &c->voice_timer);
}

/* The pace is kept, but what was missed for long while others had the machine is not made up for. */
static void voice_due(void *owner)
{
    struct phone_call *c = owner;
    struct ua *u = &c->phone->ua;
    if (mono_since_us(u->now.mono, c->speaks_at) > VOICE_LATE_MS * 1000)
        c->speaks_at = u->now.mono;
    c->speaks++;
    c->speaks_at = mono_after_ms(c->speaks_at, PSTN_VOICE_MS);
    heap_set(&u->timers, &c->voice_timer.node, c->speaks_at);
}

static void voice_stop(struct phone_call *c)
{
    c->speaks = 0;
    c->hears_at.family = 0;
    ua_timer_stop(&c->phone->ua, &c->voice_timer);
}

/* A free port, or 0. */
static size_t voice_port(const struct pstn_phone *p)
{
    bool used[PSTN_PHONE_PORTS_MAX + 1] = {false};
    LIST_EACH(it, &p->calls)
        used[CONTAINER_OF(it, struct phone_call, link)->port] = true;
    for (size_t port = 1; port <= p->options->port_count; port++) {
        if (!used[port])
            return port;
    }
    return 0;
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
    c->port = voice_port(p);
    c->voice_timer = (struct ua_timer){.fire = voice_due, .owner = c};
    if (c->port)
        pstn_voice_init(&c->voice, is_ours ? PSTN_TONE_CALLER : PSTN_TONE_CALLED, p->ua.entropy);
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
    ua_timer_stop(&c->phone->ua, &c->voice_timer);
    ua_timer_stop(&c->phone->ua, &c->timer);
    list_remove(&c->link);
    c->phone->call_count--;
    mem_free(c);
}

static void tell(struct phone_call *c)
{
    struct pstn_phone_call *f = &c->facts;
    f->has_voice = c->port > 0;
    f->sent = c->voice.sent;
    f->received = c->voice.received;
    f->lost = pstn_voice_lost(&c->voice);
    f->heard = pstn_voice_heard(&c->voice);
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
    voice_stop(c);
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
    struct carried sdp = sdp_for(c, invite);
    c->facts.status = 200;
    c->facts.answered_at = now_of(c);
    if (invite)
        voice_towards(c, invite->body);
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
    voice_towards(c, response->body);
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
    (void)l;
    voice_towards(owner, ack->body); /* it answers an offer of ours */
}

static void request(void *owner, struct leg *l, uint64_t server, const struct sip_message *m)
{
    struct phone_call *c = owner;
    const bool describes = m->method == SIP_INVITE || m->body.n;
    struct carried sdp = {0};
    if (m->method != SIP_INFO && describes) {
        sdp = sdp_for(c, m);
        voice_towards(c, m->body);
    }
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
    voice_stop(c);
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
               (p->options->port_count && !voice_port(p))) {
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
    if (p->call_count >= p->options->calls_max || (p->options->port_count && !voice_port(p)))
        return ERR_LIMIT;
    p->ua.now = now;
    struct phone_call *c = call_new(p, true, slice_str(from), slice_str(to));
    if (!c)
        return ERR_NO_MEMORY;
    struct carried sdp = sdp_for(c, NULL);
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

/* ---- voice ---- */

void pstn_phone_take(struct pstn_phone *p, size_t port, const struct addr *from, struct slice packet)
{
    LIST_EACH(it, &p->calls) {
        struct phone_call *c = CONTAINER_OF(it, struct phone_call, link);
        if (c->port == port + 1 && addr_eq(&c->hears_at, from)) /* nobody else is listened to */
            pstn_voice_take(&c->voice, packet);
    }
}

bool pstn_phone_speak(struct pstn_phone *p, size_t *ret_port, struct addr *ret_to, struct slice *ret_packet)
{
    LIST_EACH(it, &p->calls) {
        struct phone_call *c = CONTAINER_OF(it, struct phone_call, link);
        if (!c->speaks)
            continue;
        c->speaks--;
        pstn_voice_write(&c->voice, p->packet);
        *ret_port = c->port - 1;
        *ret_to = c->hears_at;
        *ret_packet = slice_of(p->packet, sizeof p->packet);
        return true;
    }
    return false;
}
