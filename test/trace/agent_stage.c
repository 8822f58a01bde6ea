/* The stage of the call agent's traces. */
#include "agent_stage.h"

#include "agent/internal.h"
#include "ticket/ticket.h"
#include "ticket/valinfo.h"

#include <stdio.h>
#include <stdlib.h>

static const struct peer_info {
    const char *name;
    const char *address;
    enum agent_side side;
    enum sip_transport transport;
} peers[PEERS] = {
    {"pbx", "10.0.0.1:5060", AGENT_PBX, SIP_UDP},
    {"carrier-1", "198.51.100.1:5060", AGENT_PSTN, SIP_UDP},
    {"carrier-2", "198.51.100.2:5060", AGENT_PSTN, SIP_UDP},
    {"far", "203.0.113.9:5061", AGENT_IME, SIP_TLS},
};

#define SDP "v=0\r\no=- 1 1 IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"

static struct addr address_of(enum peer peer)
{
    struct addr addr;
    assert_int_equal(addr_parse(slice_str(peers[peer].address), 0, &addr), 0);
    return addr;
}

/* ---- the agent's side ---- */

static void add_trunk(struct stage *s, enum peer peer)
{
    struct agent_trunk_options o = {.name = (char *)(uintptr_t)peers[peer].name,
                                    .side = peers[peer].side,
                                    .transport = SIP_UDP,
                                    .host = (char *)(uintptr_t)peers[peer].name};
    agent_dial_plan_init(&o.plan);
    assert_int_equal(agent_dial_plan_set_country(&o.plan, slice_str("49")), 0);
    assert_int_equal(agent_options_trunk(&s->options, &o), 0);
}

struct stage *agent_stage_new(void)
{
    struct stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->now = (struct now){{1000000}, {INT64_C(1700000000000)}};
    s->seeded.state = 7;
    s->entropy = seeded_entropy_port(&s->seeded);
    s->far_domain = "b.example";
    assert_int_equal(memory_store_new(&s->store), 0);
    agent_options_default(&s->options);
    s->options.domain = mem_strdup("a.example");
    s->options.keepalive_ms = 0;
    add_trunk(s, PBX);
    add_trunk(s, CARRIER_1);
    add_trunk(s, CARRIER_2);
    agent_options_point(&s->options, AGENT_PBX, SIP_UDP, "10.0.0.9:5060");
    agent_options_point(&s->options, AGENT_PSTN, SIP_UDP, "198.51.100.9:5060");
    agent_options_point(&s->options, AGENT_IME, SIP_TLS, "ime.a.example:5061");
    size_t group;
    struct agent_fallback_profile profile;
    agent_fallback_profile_init(&profile);
    snprintf(profile.name, sizeof profile.name, "p");
    assert_int_equal(agent_enrolled_new(&s->enrolled), 0);
    assert_int_equal(agent_enrolled_add_profile(s->enrolled, &profile), 0);
    assert_int_equal(agent_enrolled_add_group(s->enrolled, "g", "p", &group), 0);
    assert_int_equal(agent_enrolled_add_pattern(s->enrolled, group, slice_str("+4930100XXXX")), 0);
    assert_int_equal(agent_trust_add_domain(s->enrolled, slice_str("evil.example"), false), 0);
    for (unsigned i = 0; i < PEERS; i++)
        list_init(&s->inbox[i]);
    region_init(&s->region, 1 << 20);
    return s;
}

/* ---- sound ---- */

static int open_sound(void *ctx, enum agent_side side, uint8_t family, uint64_t *ret_id, struct addr *ret_local)
{
    struct stage *s = ctx;
    static const char *const places[AGENT_SIDES] = {"10.0.0.9", "198.51.100.9", "203.0.113.1"};
    assert_int_not_equal(family, 6);
    if (s->sounds_max && stage_sounds_open(s) >= s->sounds_max)
        return ERR_LIMIT;
    assert_true(s->sound_count < STAGE_SOUNDS_MAX);
    struct stage_sound *sound = &s->sounds[s->sound_count++];
    *sound = (struct stage_sound){.is_open = true, .side = side};
    assert_int_equal(addr_parse(slice_str(places[side]), (uint16_t)(20000 + 2 * s->sound_count), &sound->local), 0);
    tone_receiver_init(&sound->receiver, 101);
    *ret_id = s->sound_count;
    *ret_local = sound->local;
    return 0;
}

static void close_sound(void *ctx, uint64_t id)
{
    struct stage *s = ctx;
    assert_true(id && id <= s->sound_count && s->sounds[id - 1].is_open);
    s->sounds[id - 1].is_open = false;
}

size_t stage_sounds_open(const struct stage *s)
{
    size_t n = 0;
    for (unsigned i = 0; i < s->sound_count; i++)
        n += s->sounds[i].is_open;
    return n;
}

struct stage_sound *stage_sound(struct stage *s, enum agent_side side)
{
    for (unsigned i = s->sound_count; i; i--) {
        if (s->sounds[i - 1].is_open && s->sounds[i - 1].side == side)
            return &s->sounds[i - 1];
    }
    fail_msg("no port is open on the side %s", agent_side_name(side));
    return NULL;
}

static void sounded(struct stage *s, const struct agent_effect *e)
{
    assert_true(e->sound && e->sound <= s->sound_count);
    struct stage_sound *sound = &s->sounds[e->sound - 1];
    char digit;
    assert_true(sound->is_open);
    sound->packets++;
    sound->to = e->to;
    if (tone_receiver_input(&sound->receiver, s->now.mono, &sound->local, e->octets, &digit) &&
        sound->digit_count < sizeof sound->digits - 1)
        sound->digits[sound->digit_count++] = digit;
}

void stage_tones(struct stage *s, const struct stage_sound *sound, const char *digits)
{
    struct tone_format format = {
        .codec = "PCMU", .codec_type = 0, .clock_hz = 8000, .has_events = true, .event_type = 101};
    const uint64_t id = (uint64_t)(sound - s->sounds) + 1;
    struct tone_sender sender;
    struct addr from;
    assert_int_equal(addr_parse(slice_str("192.0.2.77:4000"), 0, &from), 0);
    assert_int_equal(tone_sender_init(&sender, &format, &s->entropy, s->now.mono), 0);
    assert_int_equal(tone_sender_digits(&sender, slice_str(digits)), 0);
    while (!tone_sender_is_idle(&sender)) {
        uint8_t octets[TONE_PACKET_OCTETS_MAX];
        size_t n;
        stage_run(s, 20);
        while (tone_sender_next(&sender, s->now.mono, octets, &n)) {
            if (sound->is_open)
                agent_sound_input(s->agent, s->now, id, &from, slice_of(octets, n));
        }
    }
    stage_run(s, 0);
}

void agent_stage_fallback(struct stage *s, const struct agent_fallback_profile *profile)
{
    size_t group;
    struct agent_fallback_profile p = *profile;
    agent_enrolled_free(s->enrolled);
    snprintf(p.name, sizeof p.name, "p");
    assert_int_equal(agent_enrolled_new(&s->enrolled), 0);
    assert_int_equal(agent_enrolled_add_profile(s->enrolled, &p), 0);
    assert_int_equal(agent_enrolled_add_group(s->enrolled, "g", "p", &group), 0);
    assert_int_equal(agent_enrolled_add_pattern(s->enrolled, group, slice_str("+4930100XXXX")), 0);
    s->sound = (struct agent_sound){s, open_sound, close_sound};
    s->ports.sound = &s->sound;
}

static enum peer peer_of(const struct sip_hop *hop)
{
    for (unsigned i = 0; i < PEERS; i++) {
        struct addr addr = address_of((enum peer)i);
        if (addr_eq(&addr, &hop->addr) && peers[i].side == (enum agent_side)hop->side)
            return (enum peer)i;
    }
    return PEERS;
}

static bool happens(const struct stage *s, unsigned percent)
{
    return s->trouble && entropy_below(s->trouble, 100) < percent;
}

/* Around each call of the agent. */
static void starve(const struct stage *s)
{
    if (happens(s, s->starve_percent))
        mem_fail_at(1 + (unsigned long)entropy_below(s->trouble, 100));
}

static void feed(const struct stage *s)
{
    if (s->trouble)
        mem_fail_at(0);
}

static bool next_effect(struct stage *s, struct agent_effect *ret_effect)
{
    starve(s);
    bool any = agent_next(s->agent, s->now, ret_effect);
    feed(s);
    return any;
}

static void sent(struct stage *s, const struct agent_effect *e)
{
    enum peer peer = happens(s, s->lose_percent) ? PEERS : peer_of(e->hop);
    if (peer == PEERS) {
        snprintf(s->to_strangers, sizeof s->to_strangers, "%.*s", SLICE_PRINT(e->octets));
        s->stranger = *e->hop;
    }
    if (peer == PEERS || s->deaf[peer])
        return;
    struct sent *m = calloc(1, sizeof *m);
    assert_non_null(m);
    assert_true(e->octets.n < sizeof m->text);
    m->hop = *e->hop;
    m->at = s->now.mono;
    memcpy(m->text, e->octets.p, e->octets.n);
    list_append(&s->inbox[peer], &m->link);
}

static void locate(struct stage *s, unsigned trunk)
{
    const enum peer peer = (enum peer)trunk; /* the trunks are the first peers */
    struct sip_hop hop = {.transport = SIP_UDP, .side = peers[peer].side, .addr = address_of(peer)};
    agent_located(s->agent, s->now, trunk, &hop, 1);
}

static void drain(struct stage *s)
{
    struct agent_effect e;
    do {
        while (next_effect(s, &e)) {
            if (e.kind == AGENT_SEND)
                sent(s, &e);
            else if (e.kind == AGENT_LOCATE)
                locate(s, e.trunk);
            else if (e.kind == AGENT_STOPPED)
                s->stopped = true;
            else if (e.kind == AGENT_SOUND)
                sounded(s, &e);
            else if (e.kind == AGENT_MAPPING)
                s->mapping(s, e.mapping);
        }
    } while (!s->disk_waits && memory_store_waits(s->store) && (memory_store_turn(s->store), true));
}

static enum agent_cause every_ticket_is_good(void *ctx, struct now now, struct slice domain, const struct e164 *number,
                                             struct slice ticket)
{
    (void)ctx, (void)now, (void)domain, (void)number, (void)ticket;
    return AGENT_CAUSE_NONE;
}

void agent_stage_start(struct stage *s)
{
    struct agent_routes_config routes;
    struct agent_records_config records;
    const struct kv *kv = memory_store_kv(s->store);
    agent_routes_config_init(&routes);
    routes.routes_max = 1000;
    agent_records_config_init(&records);
    agent_alarms_init(&s->alarms, NULL);
    s->parts = (struct agent_parts){.enrolled = s->enrolled, .alarms = &s->alarms};
    assert_int_equal(agent_routes_new(&routes, kv, &s->entropy, NULL, &s->parts.routes), 0);
    assert_int_equal(agent_records_new(&records, kv, s->now, &s->parts.records), 0);
    s->ports.entropy = &s->entropy;
    s->ports.ticket = s->ports.ticket ? s->ports.ticket : s->unchecked ? NULL : every_ticket_is_good;
    s->ports.kv = kv;
    assert_int_equal(agent_new(&s->options, &s->ports, &s->parts, s->now, &s->agent), 0);
    agent_start(s->agent, s->now);
    drain(s);
}

static void clear(struct stage *s)
{
    struct list *it;
    for (unsigned i = 0; i < PEERS; i++) {
        while ((it = list_pop(&s->inbox[i])))
            free(CONTAINER_OF(it, struct sent, link));
    }
    free(s->taken);
    s->taken = NULL;
}

static void stop(struct stage *s)
{
    agent_free(s->agent);
    agent_records_free(s->parts.records);
    agent_routes_free(s->parts.routes);
    s->agent = NULL;
}

void agent_stage_restart(struct stage *s, bool crash)
{
    if (crash)
        memory_store_crash(s->store);
    stop(s);
    clear(s);
    agent_stage_start(s);
}

void agent_stage_free(struct stage *s)
{
    if (s->agent)
        stop(s);
    clear(s);
    agent_enrolled_free(s->enrolled);
    agent_options_fini(&s->options);
    memory_store_free(s->store);
    region_fini(&s->region);
    free(s);
}

int agent_stage_setup(void **state)
{
    struct stage *s = agent_stage_new();
    agent_stage_start(s);
    *state = s;
    return 0;
}

/* Whatever a test did, after a while nothing is left of it. */
int agent_stage_teardown(void **state)
{
    struct stage *s = *state;
    for (unsigned i = 0; i < PEERS; i++)
        s->deaf[i] = true;
    agent_stop(s->agent, s->now);
    stage_run(s, 300000);
    assert_int_equal(agent_calls(s->agent), 0);
    assert_int_equal(agent_requests(s->agent), 0);
    assert_int_equal(sip_layer_clients(s->agent->layer), 0);
    assert_int_equal(sip_layer_servers(s->agent->layer), 0);
    assert_int_equal(s->agent->clients.n, 0);
    assert_int_equal(s->agent->servers.n, 0);
    assert_int_equal(s->agent->ends.n, 0);
    assert_int_equal(s->agent->attempts.n, 0);
    assert_int_equal(s->agent->late.n, 0);
    assert_int_equal(s->agent->direct_count, 0);
    assert_int_equal(s->agent->leg_count, 0);
    assert_int_equal(s->agent->voices.n, 0);
    assert_int_equal(s->agent->tokens.n, 0);
    assert_int_equal(s->agent->fallback_count + s->agent->away_count, 0);
    assert_int_equal(stage_sounds_open(s), 0);
    agent_stage_free(s);
    return 0;
}

static void learned(void *arg, int err)
{
    assert_int_equal(err, 0);
    *(bool *)arg = true;
}

static void learn(struct stage *s, const char *number, const char *domain, struct slice ticket)
{
    struct valinfo v = {.ticket = ticket, .route_count = 1};
    char uri[STAGE_TEXT_OCTETS];
    struct buf xml;
    const char *reason;
    bool done = false;
    assert_true(e164_parse(slice_str(number), &v.number));
    snprintf(uri, sizeof uri, "sip:agent@%s:5061;maddr=203.0.113.9;transport=tcp", domain);
    v.routes[0] = slice_str(uri);
    buf_init(&xml, VALINFO_OCTETS_MAX);
    assert_int_equal(valinfo_format(&v, &xml), 0);
    struct agent_route_terms terms = {.trust = NULL};
    struct e164 of;
    assert_int_equal(agent_routes_learn(s->parts.routes, s->now, buf_slice(&xml), &terms, learned, &done, &reason, &of),
                     0);
    buf_fini(&xml);
    drain(s);
    assert_true(done);
}

void stage_learn(struct stage *s, const char *number, const char *domain)
{
    learn(s, number, domain, slice_str("dGlja2V0"));
}

void stage_learn_from(struct stage *s, const char *number, const char *domain, uint8_t node)
{
    static const uint8_t key[TICKET_KEY_OCTETS] = {1};
    struct ticket_grant grant = {
        .granting_node = {{node}},
        .granting_domain = slice_str(domain),
        .granted_to = slice_str("a.example"),
        .not_before = s->now.wall,
        .not_after = wall_after_ms(s->now.wall, 86400000),
    };
    struct ticket ticket;
    struct buf text;
    assert_true(e164_parse(slice_str(number), &grant.number));
    assert_int_equal(ticket_make(&grant, 1, key, &s->entropy, &ticket), 0);
    buf_init(&text, 2000);
    assert_int_equal(ticket_format(&ticket, &text), 0);
    learn(s, number, domain, buf_slice(&text));
    buf_fini(&text);
}

/* ---- time and messages ---- */

void stage_run(struct stage *s, int64_t ms)
{
    const struct mono end = mono_after_ms(s->now.mono, ms);
    drain(s);
    for (;;) {
        struct mono due = mono_min(agent_deadline(s->agent), end);
        if (due.us > s->now.mono.us) {
            s->now.wall.ms += due.us / 1000 - s->now.mono.us / 1000;
            s->now.mono = due;
        }
        starve(s);
        agent_tick(s->agent, s->now);
        feed(s);
        drain(s);
        if (mono_due(end, s->now.mono))
            return;
    }
}

/* Octets changed, taken out, doubled; the rest as it was. */
static struct slice mutate(struct stage *s, struct slice octets, char out[STAGE_MESSAGE_OCTETS])
{
    size_t n = octets.n < STAGE_MESSAGE_OCTETS / 2 ? octets.n : STAGE_MESSAGE_OCTETS / 2;
    memcpy(out, octets.p, n);
    for (uint64_t times = 1 + entropy_below(s->trouble, 3); times && n > 1; times--) {
        const size_t at = (size_t)entropy_below(s->trouble, n);
        const size_t span = 1 + (size_t)entropy_below(s->trouble, n - at < 40 ? n - at : 40);
        switch (entropy_below(s->trouble, 3)) {
        case 0:
            out[at] = "\r\n:;,<>@\"=%0 \t\377\0"[entropy_below(s->trouble, 16)];
            break;
        case 1:
            memmove(out + at, out + at + span - 1, n - at - span + 1);
            n -= span - 1;
            break;
        default:
            memmove(out + at + span, out + at, n - at);
            n += span;
        }
    }
    return slice_of(out, n);
}

static void deliver(struct stage *s, enum peer peer, struct slice octets)
{
    struct sip_flow flow = {.transport = peers[peer].transport, .side = peers[peer].side, .peer = address_of(peer)};
    flow.conn = peers[peer].transport == SIP_UDP ? 0 : 100 + (uint64_t)peer;
    flow.peer_domain = flow.peer_domains = peer == FAR ? s->far_domain : NULL;
    if (happens(s, s->lose_percent))
        return;
    char changed[STAGE_MESSAGE_OCTETS];
    if (happens(s, s->mutate_percent))
        octets = mutate(s, octets, changed);
    starve(s);
    agent_input(s->agent, s->now, &flow, octets);
    feed(s);
    drain(s);
}

void stage_send(struct stage *s, enum peer peer, const char *text)
{
    deliver(s, peer, slice_str(text));
}

void stage_send_from(struct stage *s, enum agent_side side, const char *address, const char *text)
{
    struct sip_flow flow = {.transport = side == AGENT_IME ? SIP_TLS : SIP_UDP, .side = side};
    assert_int_equal(addr_parse(slice_str(address), 0, &flow.peer), 0);
    stage_send_over(s, &flow, text);
}

void stage_send_over(struct stage *s, const struct sip_flow *flow, const char *text)
{
    agent_input(s->agent, s->now, flow, slice_str(text));
    drain(s);
}

void stage_unreachable(struct stage *s, enum peer peer)
{
    struct list *it = list_pop(&s->inbox[peer]);
    assert_non_null(it);
    struct sent *lost = CONTAINER_OF(it, struct sent, link);
    struct sip_hop hop = lost->hop;
    free(lost);
    agent_unreachable(s->agent, s->now, &hop);
    drain(s);
}

static struct list *next_message(struct stage *s, enum peer peer)
{
    free(s->taken);
    s->taken = NULL;
    region_fini(&s->region);
    region_init(&s->region, 1 << 20);
    return list_pop(&s->inbox[peer]);
}

const struct sip_message *stage_take(struct stage *s, enum peer peer, const char *what)
{
    struct list *it = next_message(s, peer);
    if (!it)
        fail_msg("%s was sent nothing, not %s", peers[peer].name, what);
    s->taken = CONTAINER_OF(it, struct sent, link);
    struct fault fault;
    unsigned status;
    assert_int_equal(sip_parse(&s->region, slice_str(s->taken->text), SIP_DATAGRAM, &s->message, &fault), 0);
    if (sip_check(&s->message, &status, &fault) < 0)
        fail_msg("octet %zu: %s in\n%s", fault.octet, fault.rule, s->taken->text);
    char got[16];
    snprintf(got, sizeof got, "%u", s->message.status);
    if (s->message.is_request ? !slice_eq_str(s->message.method_text, what) : strcmp(got, what) != 0)
        fail_msg("%s was sent, not %s:\n%s", peers[peer].name, what, s->taken->text);
    return &s->message;
}

void stage_skip(struct stage *s, enum peer peer)
{
    struct list *it = next_message(s, peer);
    if (it)
        s->taken = CONTAINER_OF(it, struct sent, link);
}

bool stage_is_quiet(const struct stage *s, enum peer peer)
{
    return list_empty(&s->inbox[peer]);
}

void stage_quiet(struct stage *s)
{
    for (unsigned i = 0; i < PEERS; i++) {
        if (!stage_is_quiet(s, (enum peer)i))
            fail_msg("%s was sent:\n%s", peers[i].name, CONTAINER_OF(s->inbox[i].next, struct sent, link)->text);
    }
}

const char *stage_field(struct stage *s, enum sip_header header)
{
    static char text[2048];
    const struct sip_field *f = sip_field_first(&s->message, header);
    snprintf(text, sizeof text, "%.*s", f ? (int)f->value.n : 0, f ? (const char *)f->value.p : "");
    return text;
}

const struct sip_hop *stage_hop(struct stage *s)
{
    return &s->taken->hop;
}

const char *stage_text(struct stage *s)
{
    return s->taken->text;
}

const char *stage_body(struct stage *s)
{
    return (const char *)s->message.body.p; /* the end of a text */
}

/* ---- talks ---- */

static void keep(char out[STAGE_TEXT_OCTETS], struct slice s)
{
    snprintf(out, STAGE_TEXT_OCTETS, "%.*s", SLICE_PRINT(s));
}

static void keep_target(struct talk *t)
{
    const struct sip_field *f = sip_field_first(&t->stage->message, SIP_CONTACT);
    struct sip_cursor c;
    struct sip_address address;
    if (!f)
        return;
    sip_cursor_init(&c, t->stage->message.octets, f->value);
    if (sip_read_address(&c, &address))
        keep(t->target, address.uri);
    else
        assert_non_null(t->stage->trouble);
}

static const char *via_of(struct talk *t, const char *branch)
{
    static char text[STAGE_TEXT_OCTETS];
    snprintf(text, sizeof text, "Via: SIP/2.0/%s %s;branch=%s\r\n", sip_transport_name(peers[t->peer].transport),
             peers[t->peer].address, branch);
    return text;
}

static const char *sdp_of(const struct talk *t)
{
    return t->stage->sdp[t->peer] ? t->stage->sdp[t->peer] : SDP;
}

static const char *via(struct talk *t)
{
    char branch[32];
    snprintf(branch, sizeof branch, "z9hG4bK%u", ++t->stage->branch);
    return via_of(t, branch);
}

/* Of an INVITE; its ACK and CANCEL may follow. */
static const char *invite_via(struct talk *t)
{
    snprintf(t->invite_branch, sizeof t->invite_branch, "z9hG4bK%u", ++t->stage->branch);
    t->failed = false;
    return via_of(t, t->invite_branch);
}

static void write_request(struct talk *t, const char *method, unsigned cseq, const char *via_line, const char *more,
                          const char *body)
{
    char text[STAGE_MESSAGE_OCTETS];
    int n = snprintf(text, sizeof text,
                     "%s %s SIP/2.0\r\n%sMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u "
                     "%s\r\nContact: <sip:%s@%s>\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                     method, t->target, via_line, t->local, t->remote, t->call_id, cseq, method, peers[t->peer].name,
                     peers[t->peer].address, more ? more : "", body ? "Content-Type: application/sdp\r\n" : "",
                     body ? strlen(body) : 0, body ? body : "");
    assert_true(n > 0 && (size_t)n < sizeof text);
    deliver(t->stage, t->peer, slice_of(text, (size_t)n));
}

void talk_call_with(struct stage *s, struct talk *t, enum peer peer, const char *user, const char *more)
{
    memset(t, 0, sizeof *t);
    t->stage = s;
    t->peer = peer;
    snprintf(t->tag, sizeof t->tag, "from%u", s->branch);
    snprintf(t->call_id, sizeof t->call_id, "call-%u@%s", s->branch, peers[peer].name);
    snprintf(t->local, sizeof t->local, "\"Ann\" <sip:%s@%s>;tag=%s", peer == PBX ? "+49301001234" : "+49302000001",
             peers[peer].name, t->tag);
    snprintf(t->remote, sizeof t->remote, "<sip:%s@agent>", user);
    snprintf(t->target, sizeof t->target, "sip:%s@agent", user);
    t->cseq = t->invite_cseq = 101;
    write_request(t, "INVITE", t->cseq, invite_via(t), more, sdp_of(t));
}

void talk_call(struct stage *s, struct talk *t, enum peer peer, const char *user)
{
    talk_call_with(s, t, peer, user, "X-Unknown:  kept  as it is\r\n");
}

void talk_ask(struct stage *s, struct talk *t, enum peer peer, const char *method, const char *user, const char *more,
              const char *body)
{
    memset(t, 0, sizeof *t);
    t->stage = s;
    t->peer = peer;
    snprintf(t->tag, sizeof t->tag, "from%u", s->branch);
    snprintf(t->call_id, sizeof t->call_id, "request-%u", s->branch);
    snprintf(t->local, sizeof t->local, "<sip:%s@x>;tag=%s", peer == PBX ? "+49301001234" : "+49302000001", t->tag);
    snprintf(t->remote, sizeof t->remote, "<sip:%s@agent>", user);
    snprintf(t->target, sizeof t->target, "sip:%s@agent", user);
    talk_request(t, method, more, body);
}

void talk_called(struct stage *s, struct talk *t, enum peer peer)
{
    talk_is_asked(s, t, peer, "INVITE");
}

void talk_is_asked(struct stage *s, struct talk *t, enum peer peer, const char *method)
{
    memset(t, 0, sizeof *t);
    t->stage = s;
    t->peer = peer;
    const struct sip_message *m = stage_take(s, peer, method);
    snprintf(t->tag, sizeof t->tag, "to%u", s->branch);
    keep(t->call_id, m->call_id);
    snprintf(t->local, sizeof t->local, "%.*s;tag=%s", 400, stage_field(s, SIP_TO), t->tag);
    keep(t->remote, slice_str(stage_field(s, SIP_FROM)));
    keep_target(t);
    t->invite_cseq = m->cseq.number;
    t->cseq = 7000;
    snprintf(t->request, sizeof t->request, "%s", stage_text(s));
}

void talk_answer(struct talk *t, unsigned status, const char *more)
{
    struct region region;
    struct sip_message m;
    struct fault fault;
    unsigned refused;
    struct buf out;
    region_init(&region, 1 << 20);
    buf_init(&out, STAGE_MESSAGE_OCTETS);
    assert_int_equal(sip_parse(&region, slice_str(t->request), SIP_DATAGRAM, &m, &fault), 0);
    assert_int_equal(sip_check(&m, &refused, &fault), 0);
    sip_begin_answer(&out, &m, status, NULL, slice_str(t->tag));
    if (status > 100 && status < 300)
        sip_put_text(&out, SIP_CONTACT, "<sip:%s@%s>;+sip.instance=\"<urn:uuid:1>\"", peers[t->peer].name,
                     peers[t->peer].address);
    if (more)
        buf_str(&out, more);
    const bool offers = m.method == SIP_INVITE && status > 180 && status < 300;
    if (offers)
        sip_put_text(&out, SIP_CONTENT_TYPE, "application/sdp");
    sip_end(&out, offers ? slice_str(sdp_of(t)) : (struct slice){0});
    assert_int_equal(out.err, 0);
    deliver(t->stage, t->peer, buf_slice(&out));
    buf_fini(&out);
    region_fini(&region);
}

void talk_heard(struct talk *t, const char *status)
{
    stage_take(t->stage, t->peer, status);
    assert_slice_text(t->stage->message.call_id, t->call_id);
    t->failed |= t->stage->message.status >= 300 && t->stage->message.method == SIP_INVITE;
    if (t->stage->message.status > 100) {
        keep(t->remote, slice_str(stage_field(t->stage, SIP_TO)));
        keep_target(t);
    }
}

void talk_asked(struct talk *t, const char *method)
{
    const struct sip_message *m = stage_take(t->stage, t->peer, method);
    assert_slice_text(m->call_id, t->call_id);
    assert_slice_text(m->to.tag, t->tag);
    keep_target(t);
    snprintf(t->request, sizeof t->request, "%s", stage_text(t->stage));
}

void talk_request(struct talk *t, const char *method, const char *more, const char *body)
{
    const bool invites = !strcmp(method, "INVITE");
    if (invites)
        t->invite_cseq = t->cseq + 1;
    write_request(t, method, ++t->cseq, invites ? invite_via(t) : via(t), more, body);
}

void talk_ack(struct talk *t)
{
    write_request(t, "ACK", t->invite_cseq, t->failed ? via_of(t, t->invite_branch) : via(t), NULL, NULL);
}

void talk_cancel(struct talk *t)
{
    write_request(t, "CANCEL", t->invite_cseq, via_of(t, t->invite_branch), NULL, NULL);
}

void talk_begin(struct stage *s, struct talk *caller, enum peer from, const char *user, struct talk *called,
                enum peer to)
{
    talk_call(s, caller, from, user);
    talk_heard(caller, "100");
    talk_called(s, called, to);
}

void talk_ring(struct talk *caller, struct talk *called)
{
    talk_answer(called, 180, NULL);
    talk_heard(caller, "180");
}

void talk_accept(struct talk *caller, struct talk *called)
{
    talk_answer(called, 200, NULL);
    talk_heard(caller, "200");
    talk_ack(caller);
    talk_asked(called, "ACK");
}

void talk_refuse(struct talk *caller, struct talk *called, unsigned status)
{
    char text[8];
    snprintf(text, sizeof text, "%u", status);
    talk_answer(called, status, NULL);
    talk_asked(called, "ACK");
    talk_heard(caller, text);
    talk_ack(caller);
}

void talk_connect(struct stage *s, struct talk *caller, enum peer from, const char *user, struct talk *called,
                  enum peer to)
{
    talk_begin(s, caller, from, user, called, to);
    talk_ring(caller, called);
    talk_accept(caller, called);
}

static bool newest(void *ctx, const struct call_record *r)
{
    *(struct call_record *)ctx = *r;
    return false;
}

struct call_record stage_record(struct stage *s)
{
    struct call_record record = {0};
    call_journal_each(s->agent->journal, newest, &record);
    assert_true(record.sequence > 0);
    return record;
}

bool stage_rings(const struct stage *s, enum agent_alarm alarm)
{
    const struct agent_alarm_entry *e;
    for (size_t i = 0; (e = agent_alarm_at(&s->alarms, i)); i++)
        if (e->alarm == alarm && agent_alarm_rings(e))
            return true;
    return false;
}
