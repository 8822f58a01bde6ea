/* Two real call agents, of two companies, whose calls move to the phone network and come back: both halves agree. Between them an Internet and a phone
 * network that passes everything on with a delay, and takes caller IDs away; behind them phones that do what they are told. */
#include "agent/fallback_private.h"
#include "store/memory.h"
#include "testing.h"
#include "ticket/valinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_MAX 200
#define SOUNDS_MAX 4096
#define FALLBACK_NUMBER "+4930200999"
#define NUMBER "+49302000001"

enum place { PLACE_AGENT, PLACE_PHONES };

struct mail {
    struct list link;
    struct mono due;
    unsigned office;
    enum place place;
    struct sip_flow flow;
    size_t n;
    uint8_t octets[];
};

struct phone {
    char call_id[80];
    char target[256], from[300], to[300]; /* of its own requests */
    unsigned cseq;
    unsigned told_port; /* of the audio that it was told last */
    char version[24];
    unsigned streams; /* in use */
    unsigned invites; /* in its dialog */
    bool up, refuses;
};

struct office {
    struct world *world;
    unsigned index;
    struct memory_store *store;
    struct agent_options options;
    struct agent_ports ports;
    struct agent_parts parts;
    struct agent_alarms alarms;
    struct agent_enrolled *enrolled;
    struct agent *agent;
    struct agent_sound sound;
    struct {
        bool is_open;
        struct addr local;
    } sounds[SOUNDS_MAX];
    unsigned sound_count;
    struct phone phones[CALLS_MAX];
    unsigned phone_count, rings;
};

struct world {
    struct now now;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct list post;
    struct office offices[2];
    unsigned hide_every; /* each so many-th caller has no caller ID on the phone network; 0: all have one */
    unsigned hidden;
    bool internet_is_down;
    struct log log;
    struct buf said, tokens; /* what was logged; the tokens that went by, each with a line end */
};

static const char *const trunk_addresses[2] = {"198.51.100.1:5060", "198.51.100.2:5060"};
static const char *const pbx_addresses[2] = {"10.0.0.1:5060", "10.1.0.1:5060"};
static const char *const ime_addresses[2] = {"203.0.113.1:5061", "203.0.113.2:5061"};
static const char *const domains[2] = {"a.example", "b.example"};

static struct addr address(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_str(text), 0, &a), 0);
    return a;
}

/* ---- the networks ---- */

static void logged(void *ctx, enum log_level level, const char *event, const char *text)
{
    struct world *w = ctx;
    (void)level;
    buf_printf(&w->said, "%s %s\n", event, text);
}

static void note_token(struct world *w, struct slice octets)
{
    const char *at = memmem(octets.p, octets.n, ";token=", 7);
    size_t n = 0;
    if (!at)
        return;
    at += 7;
    while (at + n < (const char *)octets.p + octets.n && at[n] >= '0' && at[n] <= '9')
        n++;
    buf_printf(&w->tokens, "%.*s\n", (int)n, at);
}

static void post(struct world *w, unsigned office, enum place place, const struct sip_flow *flow, struct slice octets,
                 int64_t delay_ms)
{
    struct mail *m = malloc(sizeof *m + octets.n);
    assert_non_null(m);
    note_token(w, octets);
    m->due = mono_after_ms(w->now.mono, delay_ms);
    m->office = office;
    m->place = place;
    m->flow = *flow;
    m->n = octets.n;
    memcpy(m->octets, octets.p, octets.n);
    struct list *before = w->post.prev;
    while (before != &w->post && CONTAINER_OF(before, struct mail, link)->due.us > m->due.us)
        before = before->prev;
    list_prepend(before, &m->link);
}

/* A new call by the phone network, seen by the called side: some have no caller ID. */
static struct slice through_carrier(struct world *w, struct slice octets, char *out, size_t room)
{
    char text[8192];
    snprintf(text, sizeof text, "%.*s", SLICE_PRINT(octets));
    char *tag = strstr(text, ";tag="), *from = strstr(text, "\r\nFrom: ");
    char *asserted = strstr(text, "\r\nP-Asserted-Identity: ");
    const char *to = strstr(text, "\r\nTo: "), *to_end = to ? strstr(to + 2, "\r\n") : NULL;
    const char *to_tag = to ? strstr(to, ";tag=") : NULL;
    if (strncmp(text, "INVITE ", 7) != 0 || (to_tag && to_tag < to_end))
        return octets;
    if (!w->hide_every || w->hidden++ % w->hide_every || !tag || !from || !asserted)
        return octets;
    char *end = strstr(asserted + 2, "\r\n");
    memmove(asserted, end, strlen(end) + 1);
    *from = 0;
    int n = snprintf(out, room, "%s\r\nFrom: <sip:anonymous@anonymous.invalid>%s", text, tag);
    return slice_of(out, (size_t)n);
}

static void sent(struct office *o, const struct agent_effect *e)
{
    struct world *w = o->world;
    const unsigned other = !o->index;
    struct sip_flow flow = {.transport = SIP_UDP, .side = e->hop->side};
    char text[8192];
    switch ((enum agent_side)e->hop->side) {
    case AGENT_PBX:
        post(w, o->index, PLACE_PHONES, &flow, e->octets, 1);
        break;
    case AGENT_PSTN:
        flow.peer = address(trunk_addresses[other]);
        post(w, other, PLACE_AGENT, &flow, through_carrier(w, e->octets, text, sizeof text), 60);
        break;
    case AGENT_IME:
        flow.transport = SIP_TLS;
        flow.peer = address(ime_addresses[o->index]);
        flow.conn = 1;
        flow.peer_domain = flow.peer_domains = domains[o->index];
        if (!w->internet_is_down)
            post(w, other, PLACE_AGENT, &flow, e->octets, 40);
        break;
    }
}

static void sounded(struct office *o, const struct agent_effect *e)
{
    for (unsigned i = 0; i < 2; i++) {
        struct office *to = &o->world->offices[i];
        for (unsigned k = 0; k < to->sound_count; k++) {
            if (to->sounds[k].is_open && addr_eq(&to->sounds[k].local, &e->to))
                agent_sound_input(to->agent, o->world->now, k + 1, &o->sounds[e->sound - 1].local, e->octets);
        }
    }
}

static int open_sound(void *ctx, enum agent_side side, uint8_t family, uint64_t *ret_id, struct addr *ret_local)
{
    struct office *o = ctx;
    char text[40];
    (void)family, (void)side;
    assert_true(o->sound_count < SOUNDS_MAX);
    snprintf(text, sizeof text, "192.0.2.%u:%u", 1 + o->index, 20000 + 2 * o->sound_count);
    o->sounds[o->sound_count].is_open = true;
    o->sounds[o->sound_count].local = *ret_local = address(text);
    *ret_id = ++o->sound_count;
    return 0;
}

static void close_sound(void *ctx, uint64_t id)
{
    struct office *o = ctx;
    assert_true(o->sounds[id - 1].is_open);
    o->sounds[id - 1].is_open = false;
}

/* ---- phones ---- */

static unsigned port_of(const struct office *o, const struct phone *p)
{
    return 10000 + 20000 * o->index + 4 * (unsigned)(p - o->phones);
}

static const char *describe(const struct office *o, const struct phone *p)
{
    static char text[512];
    const unsigned port = port_of(o, p);
    snprintf(text, sizeof text,
             "v=0\r\no=p 1 %u IN IP4 10.%u.0.7\r\ns=-\r\nc=IN IP4 10.%u.0.7\r\nt=0 0\r\nm=audio %u RTP/AVP 8 101\r\n"
             "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\nm=video %u RTP/AVP 96\r\na=rtpmap:96 "
             "H264/90000\r\n",
             1 + p->invites, o->index, o->index, port, port + 2);
    return text;
}

static struct phone *phone_of(struct office *o, struct slice call_id)
{
    for (unsigned i = 0; i < o->phone_count; i++) {
        if (slice_eq_str(call_id, o->phones[i].call_id))
            return &o->phones[i];
    }
    return NULL;
}

static void phone_says(struct office *o, struct slice octets)
{
    const struct sip_flow flow = {.transport = SIP_UDP, .side = AGENT_PBX, .peer = address(pbx_addresses[o->index])};
    post(o->world, o->index, PLACE_AGENT, &flow, octets, 1);
}

static void phone_requests(struct office *o, struct phone *p, const char *method, unsigned cseq, const char *body)
{
    static unsigned branch;
    char text[4096];
    int n = snprintf(text, sizeof text,
                     "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKp%u\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: "
                     "%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\nContact: <sip:phone@%s>\r\n%sContent-Length: %zu\r\n\r\n%s",
                     method, p->target, pbx_addresses[o->index], ++branch, p->from, p->to, p->call_id, cseq, method,
                     pbx_addresses[o->index], body ? "Content-Type: application/sdp\r\n" : "", body ? strlen(body) : 0,
                     body ? body : "");
    phone_says(o, slice_of(text, (size_t)n));
}

/* It is told where the other one is: its session goes on, whoever that is. */
static void phone_told(struct phone *p, struct region *region, struct slice body)
{
    struct sip_sdp sdp;
    if (!body.n)
        return;
    assert_int_equal(sip_sdp_parse(region, body, &sdp, NULL), 0);
    if (p->version[0])
        assert_true(sdp.origin.version_number >= strtoull(p->version, NULL, 10));
    snprintf(p->version, sizeof p->version, "%.*s", SLICE_PRINT(sdp.origin.version));
    p->streams = 0;
    assert_int_equal(sdp.media_count, 2);
    p->told_port = sdp.media[0].port;
    for (size_t i = 0; i < sdp.media_count; i++)
        p->streams += sdp.media[i].port != 0;
}

static void phone_asked(struct office *o, const struct sip_message *m, struct region *region)
{
    struct phone *p = phone_of(o, m->call_id);
    struct buf out;
    if (m->method == SIP_INVITE && !m->to.tag.n) {
        assert_null(p);
        assert_true(o->phone_count < CALLS_MAX);
        p = &o->phones[o->phone_count++];
        o->rings++;
        snprintf(p->call_id, sizeof p->call_id, "%.*s", SLICE_PRINT(m->call_id));
        snprintf(p->target, sizeof p->target, "sip:agent@%s", "10.0.0.9:5060");
        struct sip_cursor c = sip_field_cursor(m, sip_field_first(m, SIP_CONTACT));
        struct sip_address contact;
        assert_true(sip_read_address(&c, &contact));
        snprintf(p->target, sizeof p->target, "%.*s", SLICE_PRINT(contact.uri));
        snprintf(p->from, sizeof p->from, "%.*s;tag=phone", SLICE_PRINT(m->to.whole));
        snprintf(p->to, sizeof p->to, "%.*s", SLICE_PRINT(m->from.whole));
    }
    if (m->method == SIP_ACK) {
        if (p)
            phone_told(p, region, m->body);
        return;
    }
    const bool refuses = m->method == SIP_INVITE && p && p->up && p->refuses;
    buf_init(&out, 8192);
    sip_begin_answer(&out, m, !p ? 481 : refuses ? 488 : 200, NULL, slice_str("phone"));
    sip_put_text(&out, SIP_CONTACT, "<sip:phone@%s>", pbx_addresses[o->index]);
    if (p && m->method == SIP_INVITE && !refuses) {
        if (p->up)
            p->invites++;
        p->up = true;
        phone_told(p, region, m->body);
        sip_put_text(&out, SIP_CONTENT_TYPE, "application/sdp");
        sip_end(&out, slice_str(describe(o, p)));
    } else {
        if (p && m->method == SIP_BYE)
            p->up = false;
        sip_end(&out, (struct slice){0});
    }
    phone_says(o, buf_slice(&out));
    buf_fini(&out);
}

static void phone_answered(struct office *o, const struct sip_message *m, struct region *region)
{
    struct phone *p = phone_of(o, m->call_id);
    if (!p || m->status < 200 || m->method != SIP_INVITE)
        return;
    assert_int_equal(m->status, 200);
    snprintf(p->to, sizeof p->to, "%.*s", SLICE_PRINT(m->to.whole));
    struct sip_cursor c = sip_field_cursor(m, sip_field_first(m, SIP_CONTACT));
    struct sip_address contact;
    assert_true(sip_read_address(&c, &contact));
    snprintf(p->target, sizeof p->target, "%.*s", SLICE_PRINT(contact.uri));
    if (!p->up)
        phone_told(p, region, m->body);
    p->up = true;
    phone_requests(o, p, "ACK", m->cseq.number, NULL);
}

static void phone_heard(struct office *o, struct slice octets)
{
    struct region region;
    struct sip_message m;
    region_init(&region, 1 << 20);
    assert_int_equal(sip_parse(&region, octets, SIP_DATAGRAM, &m, NULL), 0);
    assert_int_equal(sip_check(&m, NULL, NULL), 0);
    if (m.is_request)
        phone_asked(o, &m, &region);
    else
        phone_answered(o, &m, &region);
    region_fini(&region);
}

static struct phone *phone_calls(struct office *o)
{
    struct phone *p = &o->phones[o->phone_count++];
    const unsigned i = (unsigned)(p - o->phones);
    snprintf(p->call_id, sizeof p->call_id, "call-%u", i);
    snprintf(p->from, sizeof p->from, "<sip:+4930100%04u@pbx>;tag=phone", 1000 + i);
    snprintf(p->to, sizeof p->to, "<sip:0302000001@agent>");
    snprintf(p->target, sizeof p->target, "sip:0302000001@agent");
    p->cseq = 1;
    phone_requests(o, p, "INVITE", p->cseq, describe(o, p));
    return p;
}

static void phone_hangs_up(struct office *o, struct phone *p)
{
    phone_requests(o, p, "BYE", ++p->cseq, NULL);
    p->up = false;
}

/* ---- the offices ---- */

static void drain(struct office *o)
{
    struct agent_effect e;
    do {
        while (agent_next(o->agent, o->world->now, &e)) {
            if (e.kind == AGENT_SEND)
                sent(o, &e);
            else if (e.kind == AGENT_SOUND)
                sounded(o, &e);
            else if (e.kind == AGENT_LOCATE) {
                struct sip_hop hop = {.transport = SIP_UDP, .side = e.trunk};
                hop.addr = address(e.trunk ? trunk_addresses[o->index] : pbx_addresses[o->index]);
                agent_located(o->agent, o->world->now, e.trunk, &hop, 1);
            }
        }
    } while (memory_store_waits(o->store) && (memory_store_turn(o->store), true));
}

static enum agent_cause good_ticket(void *ctx, struct now now, struct slice domain, const struct e164 *number,
                                    struct slice ticket)
{
    (void)ctx, (void)now, (void)domain, (void)number, (void)ticket;
    return AGENT_CAUSE_NONE;
}

static void add_trunk(struct office *o, const char *name, enum agent_side side)
{
    struct agent_trunk_options t = {
        .name = (char *)(uintptr_t)name, .side = side, .transport = SIP_UDP, .host = (char *)(uintptr_t)name};
    agent_dial_plan_init(&t.plan);
    assert_int_equal(agent_dial_plan_set_country(&t.plan, slice_str("49")), 0);
    assert_int_equal(agent_options_trunk(&o->options, &t), 0);
}

static void office_open(struct world *w, unsigned i, int64_t return_ms, unsigned digits)
{
    static const char *const patterns[2] = {"+4930100XXXX", "+4930200XXXX"};
    struct office *o = &w->offices[i];
    struct agent_fallback_profile p;
    struct agent_routes_config routes;
    struct agent_records_config records;
    size_t group;
    o->world = w;
    o->index = i;
    assert_int_equal(memory_store_new(&o->store), 0);
    agent_options_default(&o->options);
    o->options.domain = mem_strdup(domains[i]);
    o->options.keepalive_ms = 0;
    add_trunk(o, "pbx", AGENT_PBX);
    add_trunk(o, "carrier", AGENT_PSTN);
    agent_options_point(&o->options, AGENT_PBX, SIP_UDP, i ? "10.1.0.9:5060" : "10.0.0.9:5060");
    agent_options_point(&o->options, AGENT_PSTN, SIP_UDP, i ? "198.51.100.12:5060" : "198.51.100.11:5060");
    agent_options_point(&o->options, AGENT_IME, SIP_TLS, ime_addresses[i]);
    agent_fallback_profile_init(&p);
    snprintf(p.name, sizeof p.name, "p");
    p.return_ms = return_ms;
    p.dtmf_digits = digits;
    p.simultaneous_calls = digits < 4 ? 1 : p.simultaneous_calls;
    if (i)
        assert_true(e164_parse(slice_str(FALLBACK_NUMBER), &p.number));
    assert_int_equal(agent_enrolled_new(&o->enrolled), 0);
    assert_int_equal(agent_enrolled_add_profile(o->enrolled, &p), 0);
    assert_int_equal(agent_enrolled_add_group(o->enrolled, "g", "p", &group), 0);
    assert_int_equal(agent_enrolled_add_pattern(o->enrolled, group, slice_str(patterns[i])), 0);
    agent_routes_config_init(&routes);
    routes.routes_max = 10;
    agent_records_config_init(&records);
    const struct kv *kv = memory_store_kv(o->store);
    agent_alarms_init(&o->alarms, NULL);
    o->parts = (struct agent_parts){.enrolled = o->enrolled, .alarms = &o->alarms};
    assert_int_equal(agent_routes_new(&routes, kv, &w->entropy, NULL, &o->parts.routes), 0);
    assert_int_equal(agent_records_new(&records, kv, w->now, &o->parts.records), 0);
    o->sound = (struct agent_sound){o, open_sound, close_sound};
    o->ports = (struct agent_ports){
        .entropy = &w->entropy, .kv = kv, .ticket = good_ticket, .sound = &o->sound, .log = &w->log};
    assert_int_equal(agent_new(&o->options, &o->ports, &o->parts, w->now, &o->agent), 0);
    agent_start(o->agent, w->now);
    drain(o);
}

static void learned(void *arg, int err)
{
    assert_int_equal(err, 0);
    *(bool *)arg = true;
}

static void learn(struct office *o)
{
    struct valinfo v = {.ticket = slice_str("dGlja2V0"), .route_count = 1};
    struct agent_route_terms terms = {.trust = NULL};
    struct e164 of;
    struct buf xml;
    const char *reason;
    bool done = false;
    assert_true(e164_parse(slice_str(NUMBER), &v.number));
    v.routes[0] = slice_str("sip:agent@b.example:5061;maddr=203.0.113.2;transport=tcp");
    buf_init(&xml, VALINFO_OCTETS_MAX);
    assert_int_equal(valinfo_format(&v, &xml), 0);
    assert_int_equal(
        agent_routes_learn(o->parts.routes, o->world->now, buf_slice(&xml), &terms, learned, &done, &reason, &of), 0);
    buf_fini(&xml);
    drain(o);
    assert_true(done);
}

static struct world *world_of(int64_t return_ms, unsigned digits)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->now = (struct now){{1000000}, {INT64_C(1700000000000)}};
    w->seeded.state = 11;
    w->entropy = seeded_entropy_port(&w->seeded);
    list_init(&w->post);
    w->log = (struct log){logged, w, LEVEL_DEBUG};
    buf_init(&w->said, 1 << 24);
    buf_init(&w->tokens, 1 << 16);
    office_open(w, 0, return_ms, digits);
    office_open(w, 1, return_ms, digits);
    learn(&w->offices[0]);
    return w;
}

static struct world *world_new(int64_t return_ms)
{
    return world_of(return_ms, 6);
}

static void run(struct world *w, int64_t ms)
{
    const struct mono end = mono_after_ms(w->now.mono, ms);
    for (;;) {
        struct mono due = end;
        for (unsigned i = 0; i < 2; i++) {
            drain(&w->offices[i]);
            due = mono_min(due, agent_deadline(w->offices[i].agent));
        }
        if (!list_empty(&w->post))
            due = mono_min(due, CONTAINER_OF(w->post.next, struct mail, link)->due);
        if (due.us > w->now.mono.us) {
            w->now.wall.ms += due.us / 1000 - w->now.mono.us / 1000;
            w->now.mono = due;
        }
        while (!list_empty(&w->post) && CONTAINER_OF(w->post.next, struct mail, link)->due.us <= w->now.mono.us) {
            struct mail *m = CONTAINER_OF(list_pop(&w->post), struct mail, link);
            struct office *o = &w->offices[m->office];
            if (m->place == PLACE_PHONES)
                phone_heard(o, slice_of(m->octets, m->n));
            else
                agent_input(o->agent, w->now, &m->flow, slice_of(m->octets, m->n));
            drain(o);
            free(m);
        }
        for (unsigned i = 0; i < 2; i++)
            agent_tick(w->offices[i].agent, w->now);
        if (mono_due(end, w->now.mono) && (list_empty(&w->post) || ms))
            break;
    }
}

/* After all calls: nothing is left in either office. */
static void world_free(struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        struct office *o = &w->offices[i];
        struct agent_left left;
        agent_left(o->agent, &left);
        assert_int_equal(left.calls + left.attempts + left.dialogs + left.legs + left.sounds + left.tokens, 0);
        for (unsigned k = 0; k < o->phone_count; k++)
            assert_false(o->phones[k].up);
        agent_free(o->agent);
        agent_records_free(o->parts.records);
        agent_routes_free(o->parts.routes);
        agent_enrolled_free(o->enrolled);
        agent_options_fini(&o->options);
        memory_store_free(o->store);
    }
    while (!list_empty(&w->post))
        free(CONTAINER_OF(list_pop(&w->post), struct mail, link));
    buf_fini(&w->said);
    buf_fini(&w->tokens);
    free(w);
}

/* Both phones of each call hear each other, by the phone network (their audio alone) or direct. */
static void assert_connected(struct world *w, unsigned streams)
{
    struct office *a = &w->offices[0], *b = &w->offices[1];
    assert_int_equal(a->phone_count, b->phone_count);
    for (unsigned i = 0; i < a->phone_count; i++) {
        assert_int_equal(a->phones[i].told_port, port_of(b, &b->phones[i]));
        assert_int_equal(b->phones[i].told_port, port_of(a, &a->phones[i]));
        assert_int_equal(a->phones[i].streams, streams);
        assert_int_equal(b->phones[i].streams, streams);
    }
}

static void call_all(struct world *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        phone_calls(&w->offices[0]);
        run(w, 200);
    }
    assert_int_equal(w->offices[1].rings, n);
    assert_connected(w, 2);
}

static void hang_up_all(struct world *w, unsigned office)
{
    for (unsigned i = 0; i < w->offices[office].phone_count; i++)
        phone_hangs_up(&w->offices[office], &w->offices[office].phones[i]);
    run(w, 120000);
}

static void all_move(struct world *w)
{
    char call_id[80];
    for (unsigned i = 0; i < w->offices[0].phone_count; i++) {
        snprintf(call_id, sizeof call_id, "call-%u", i);
        assert_int_equal(agent_fallback_begin(w->offices[0].agent, w->now, slice_str(call_id)), 0);
    }
    run(w, 15000);
}

static void one_moves_and_returns(void **state)
{
    struct world *w = world_new(30000);
    (void)state;
    call_all(w, 1);
    all_move(w);
    assert_int_equal(agent_counters(w->offices[0].agent)->fallbacks_moved, 1);
    assert_int_equal(agent_counters(w->offices[1].agent)->fallbacks_moved, 1);
    assert_connected(w, 1);
    run(w, 60000); /* there is no edge that would call it bad */
    assert_int_equal(agent_counters(w->offices[0].agent)->fallbacks_returned, 1);
    assert_int_equal(agent_counters(w->offices[1].agent)->fallbacks_returned, 1);
    assert_connected(w, 2);
    assert_int_equal(w->offices[1].rings, 1);
    hang_up_all(w, 1);
    world_free(w);
}

/* All at once, to one number; half of them can only be told apart by their digits. */
static void many_move_at_once(void **state)
{
    struct world *w = world_new(0);
    (void)state;
    call_all(w, CALLS_MAX);
    w->hide_every = 2;
    all_move(w);
    assert_connected(w, 1);
    assert_int_equal(agent_counters(w->offices[1].agent)->fallbacks_moved, CALLS_MAX);
    assert_int_equal(agent_counters(w->offices[1].agent)->fallback_calls_unmatched, 0);
    assert_int_equal(w->offices[1].rings, CALLS_MAX);
    hang_up_all(w, 0);
    world_free(w);
}

/* Whoever knows the digits can take a call: none of those that were offered, said or offered anew stands in a log. */
static void digits_are_not_logged(void **state)
{
    struct world *w = world_new(0);
    unsigned tokens = 0;
    (void)state;
    w->hide_every = 1;
    call_all(w, 1);
    all_move(w);
    assert_int_equal(agent_counters(w->offices[1].agent)->fallback_calls_by_digits, 1);
    hang_up_all(w, 0);
    assert_int_equal(w->said.err | w->tokens.err, 0);
    assert_non_null(memmem(w->said.p, w->said.n, "found by its digits", 19));
    for (const char *at = (const char *)w->tokens.p, *end = at + w->tokens.n; at < end; tokens++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        assert_int_equal(line_end - at, 6);
        assert_null(memmem(w->said.p, w->said.n, at, 6));
        at = line_end + 1;
    }
    assert_in_range(tokens, 2, 20);
    world_free(w);
}

/* An alarm of office A that rings about this, or was told; "" if there is none. */
static const char *alarm_text(const struct office *o, enum agent_alarm alarm, bool rings)
{
    for (size_t i = 0; i < o->alarms.count; i++) {
        const struct agent_alarm_entry *e = agent_alarm_at(&o->alarms, i);
        if (e->alarm == alarm && agent_alarm_rings(e) == rings)
            return e->text;
    }
    return "";
}

/* A quarter of the calls has left the Internet, until they are over: both alarms tell the same figures. */
static void alarm_tells_figures(void **state)
{
    struct world *w = world_new(0);
    const struct office *o = &w->offices[0];
    (void)state;
    call_all(w, 6);
    assert_int_equal(o->alarms.counts[AGENT_ALARM_QUALITY_ENTRY], 0);
    all_move(w);
    assert_string_equal(alarm_text(o, AGENT_ALARM_QUALITY_ENTRY, true),
                        "4 of 6 calls have left the Internet (0 moved so far, 6 set up, 0 failed to move)");
    assert_int_equal(o->alarms.counts[AGENT_ALARM_QUALITY_EXIT], 0);
    hang_up_all(w, 0);
    assert_string_equal(alarm_text(o, AGENT_ALARM_QUALITY_ENTRY, true), "");
    assert_string_equal(alarm_text(o, AGENT_ALARM_QUALITY_EXIT, false),
                        "0 of 0 calls have left the Internet (6 moved so far, 6 set up, 0 failed to move)");
    world_free(w);
}

/* The called side has more calls at a time than its digits tell apart ten times over: its operator hears so before one of them has to move. */
static void too_few_digits(void **state)
{
    struct world *w = world_of(0, 2);
    const struct office *o = &w->offices[1];
    (void)state;
    call_all(w, 10);
    assert_int_equal(o->alarms.counts[AGENT_ALARM_FEW_FALLBACK_IDENTIFIERS], 0);
    phone_calls(&w->offices[0]);
    run(w, 200);
    assert_int_equal(o->alarms.counts[AGENT_ALARM_FEW_FALLBACK_IDENTIFIERS], 1);
    assert_string_equal(alarm_text(o, AGENT_ALARM_FEW_FALLBACK_IDENTIFIERS, false),
                        "11 calls at a time that may move to " FALLBACK_NUMBER " are too many for 2 digits");
    hang_up_all(w, 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_are_not_logged), cmocka_unit_test(alarm_tells_figures),
        cmocka_unit_test(too_few_digits),        cmocka_unit_test(one_moves_and_returns),
        cmocka_unit_test(many_move_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
