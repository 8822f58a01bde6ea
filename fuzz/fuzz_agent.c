/* A whole call agent under whatever a PBX, a carrier, another company, a stranger and its IME server do, in virtual time. The input is a list of
 * steps, each ended by an octet 0; N is a peer: 0 the PBX, 1 the carrier, 2 the other company, 3 a stranger.
 *
 *     T500         so many milliseconds pass
 *     CN030…       the peer calls that number; what follows a line end goes into the header
 *     AN180…       it answers the last request that it was sent, with these further octets in the header
 *     QNBYE…       it sends a request inside the dialog that it last heard of, likewise
 *     KN, XN       it acknowledges, cancels its last INVITE
 *     IN…          it sends these octets
 *     UN           what was last sent to it could not be
 *     L            a route to the other company is learned
 *     V            tickets that were good are bad from now on, and the reverse
 *     SC, SD, S…   the connection to the IME server is up, ends, has these octets
 *     P…           these call records are posted
 *     B2           the next so many transactions of the store fail
 *     M3           the third allocation of the next step fails
 *     Z            crash and restart
 *     E            as the very first step: the other company is reached by an edge, which may tell of quality
 *     F, G         an operator moves the last call that was placed to the phone network, and back
 *     H            the digits of the token that was offered last come in at the port that was opened last
 *     O…           these octets do
 *
 * A call placed in good order has one final answer; in the end every call is over, and nothing is left of any. */
#include "agent/fallback_word.h"

#include "agent/internal.h"
#include "base/siphash.h"

#include "store/memory.h"
#include "ticket/valinfo.h"

#include <stdio.h>
#include <stdlib.h>

#define PEERS 4
#define PLACED_MAX 64
#define TICKS_MAX 100000 /* in one step: more is a timer that never goes away */
#define MESSAGE_OCTETS_MAX (256 * 1024)
#define SOUNDS_MAX 64  /* ports, one after the other; then there are none left */
#define COARSE_MS 1000 /* steps of time while sound is sent for long: the agent is late */
#define HOUR_MS INT64_C(3600000)
#define OFFER                                                                                                 \
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n" \
    "a=rtpmap:101 telephone-event/8000\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *name, *address;
    enum agent_side side;
    enum sip_transport transport;
} peers[PEERS] = {
    {"pbx", "10.0.0.1:5060", AGENT_PBX, SIP_UDP},
    {"carrier", "198.51.100.1:5060", AGENT_PSTN, SIP_UDP},
    {"far", "203.0.113.9:5061", AGENT_IME, SIP_TLS},
    {"stranger", "10.0.0.66:5060", AGENT_PBX, SIP_UDP},
};

/* What a peer remembers, as texts. */
struct peer {
    struct buf asked; /* the last request that it was sent, for its answers */
    struct sip_hop hop;
    bool was_sent;
    struct buf call_id, local, remote, target; /* of the dialog that it last heard of */
    unsigned cseq, invite_cseq;
    char branch[40]; /* of its last INVITE */
};

struct run {
    struct now now;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct memory_store *store;
    struct agent_enrolled *enrolled;
    struct agent_options options;
    struct agent_parts parts;
    struct agent_service *service;
    struct agent_alarms alarms;
    struct agent *agent;
    struct peer peers[PEERS];
    uint64_t secret; /* in what this file writes, so that the input cannot have it by chance */
    bool good_tickets, stopped;
    bool store_failed; /* rows that were to go may have stayed */
    unsigned fail_at;  /* 0: never */
    unsigned requests;
    unsigned posts, posted;
    struct agent_sound sound;
    struct {
        bool is_open;
        struct addr local;
    } sounds[SOUNDS_MAX];
    unsigned sound_count, sounds_open;
    bool with_edge;
    char token[FALLBACK_TOKEN_DIGITS_MAX + 1];
    struct {
        unsigned finals; /* different ones */
        unsigned status;
        bool is_lost; /* nobody promises an answer: memory ran out, or the agent crashed */
    } placed[PLACED_MAX];
    unsigned placed_count;
};

static void need(bool condition)
{
    if (!condition)
        abort();
}

/* Around what the agent does: the harness itself has memory. */
static void scarce(struct run *r)
{
    if (r->fail_at) {
        for (unsigned i = 0; i < r->placed_count; i++)
            r->placed[i].is_lost = true;
    }
    mem_fail_at(r->fail_at);
    r->fail_at = 0;
}

static void plenty(void)
{
    mem_fail_at(0);
}

static void set(struct buf *b, struct slice text)
{
    buf_clear(b);
    buf_slice_put(b, text);
}

static struct addr address_of(unsigned peer)
{
    struct addr addr;
    need(addr_parse(slice_str(peers[peer].address), 0, &addr) == 0);
    return addr;
}

/* ---- what the agent does ---- */

static void keep_target(struct peer *p, const struct sip_message *m)
{
    const struct sip_field *f = sip_field_first(m, SIP_CONTACT);
    struct sip_cursor c;
    struct sip_address address;
    if (!f)
        return;
    sip_cursor_init(&c, m->octets, f->value);
    if (sip_read_address(&c, &address))
        set(&p->target, address.uri);
}

static void told(struct run *r, const struct sip_message *m)
{
    char call_id[40];
    if (m->method != SIP_INVITE || m->status < 200)
        return;
    for (unsigned i = 0; i < r->placed_count; i++) {
        snprintf(call_id, sizeof call_id, "%016llx-%u", (unsigned long long)r->secret, i);
        if (!slice_eq_str(m->call_id, call_id) || m->cseq.number != 1 || r->placed[i].status == m->status)
            continue;
        r->placed[i].status = m->status;
        r->placed[i].finals++;
        need(r->placed[i].finals == 1);
    }
}

static void take_token(struct run *r, const struct sip_message *m)
{
    const struct sip_field *f = sip_field_named(m, FALLBACK_HEADER);
    struct fallback_word word;
    if (f && fallback_word_parse(f->value, &word) == 0 && word.token[0])
        memcpy(r->token, word.token, sizeof r->token);
}

static void hear(struct run *r, struct peer *p, struct slice octets)
{
    struct region region;
    struct sip_message m;
    unsigned status;
    region_init(&region, 4 * MESSAGE_OCTETS_MAX);
    if (sip_parse(&region, octets, SIP_DATAGRAM, &m, NULL) == 0 && sip_check(&m, &status, NULL) == 0) {
        const struct sip_field *from = sip_field_first(&m, SIP_FROM), *to = sip_field_first(&m, SIP_TO);
        need(p == &r->peers[2] || !sip_field_named(&m, FALLBACK_HEADER)); /* it is for agents alone */
        take_token(r, &m);
        if (m.is_request && m.method != SIP_ACK)
            set(&p->asked, octets);
        if (m.is_request && m.method == SIP_INVITE && !m.to.tag.n) {
            set(&p->call_id, m.call_id);
            set(&p->local, to->value);
            buf_str(&p->local, ";tag=called");
            set(&p->remote, from->value);
            keep_target(p, &m);
        } else if (!m.is_request && m.status > 100 && slice_eq(m.call_id, buf_slice(&p->call_id))) {
            set(&p->remote, to->value);
            keep_target(p, &m);
        }
        if (!m.is_request)
            told(r, &m);
    }
    region_fini(&region);
}

static void sent(struct run *r, const struct agent_effect *e)
{
    need(e->octets.n > 0 && e->hop->side < AGENT_SIDES);
    for (unsigned i = 0; i < PEERS; i++) {
        struct addr addr = address_of(i);
        if (!addr_eq(&addr, &e->hop->addr) || peers[i].side != (enum agent_side)e->hop->side)
            continue;
        r->peers[i].hop = *e->hop;
        r->peers[i].was_sent = true;
        hear(r, &r->peers[i], e->octets);
    }
}

static void locate(struct run *r, unsigned trunk)
{
    struct sip_hop hop = {.transport = SIP_UDP, .side = peers[trunk].side, .addr = address_of(trunk)};
    agent_located(r->agent, r->now, trunk, &hop, 1);
}

static void drain(struct run *r)
{
    struct agent_effect e;
    do {
        for (unsigned n = 0; agent_next(r->agent, r->now, &e); n++) {
            need(n < TICKS_MAX);
            if (e.kind == AGENT_SEND)
                sent(r, &e);
            else if (e.kind == AGENT_LOCATE)
                locate(r, e.trunk);
            else if (e.kind == AGENT_SOUND)
                need(e.sound && e.sound <= r->sound_count && r->sounds[e.sound - 1].is_open && e.octets.n);
            else if (e.kind == AGENT_STOPPED)
                r->stopped = true;
        }
    } while (memory_store_waits(r->store) && (memory_store_turn(r->store), true));
    need(agent_calls(r->agent) <= r->options.calls_max);
    need(agent_requests(r->agent) <= r->options.requests_max);
}

static void pass(struct run *r, int64_t ms)
{
    struct mono end = mono_after_ms(r->now.mono, ms);
    unsigned ticks = 0;
    while (mono_due(agent_deadline(r->agent), end)) {
        struct mono due = mono_max(r->now.mono, agent_deadline(r->agent));
        if (r->sounds_open && ms > 10 * COARSE_MS)
            due = mono_min(mono_max(due, mono_after_ms(r->now.mono, COARSE_MS)), end);
        r->now.wall.ms += (due.us - r->now.mono.us) / 1000;
        r->now.mono = due;
        need(++ticks < TICKS_MAX);
        scarce(r);
        agent_tick(r->agent, r->now);
        plenty();
        drain(r);
    }
    r->now.wall.ms += (end.us - r->now.mono.us) / 1000;
    r->now.mono = end;
}

/* ---- what peers do ---- */

static void deliver(struct run *r, unsigned peer, struct slice octets)
{
    struct sip_flow flow = {.transport = peers[peer].transport, .side = peers[peer].side, .peer = address_of(peer)};
    flow.conn = flow.transport == SIP_UDP ? 0 : 7;
    flow.peer_domain = flow.peer_domains = peer == 2 ? "b.example" : NULL;
    uint8_t *copy = malloc(octets.n + 1); /* exactly as long as it must be valid */
    memcpy(copy, octets.p, octets.n);
    scarce(r);
    agent_input(r->agent, r->now, &flow, slice_of(copy, octets.n));
    plenty();
    free(copy);
    drain(r);
}

static void put_via(struct run *r, unsigned peer, const char *branch, struct buf *out)
{
    (void)r;
    buf_printf(out, "Via: SIP/2.0/%s %s;branch=%s\r\n", sip_transport_name(peers[peer].transport), peers[peer].address,
               branch);
}

static void new_branch(struct run *r, char branch[40])
{
    snprintf(branch, 40, "z9hG4bK%016llx-%u", (unsigned long long)r->secret, ++r->requests);
}

/* A request of the dialog that the peer knows. */
static void request(struct run *r, unsigned peer, struct slice method, unsigned cseq, const char *branch,
                    struct slice more, const char *body)
{
    struct peer *p = &r->peers[peer];
    struct buf out;
    if (!p->call_id.n)
        return;
    buf_init(&out, MESSAGE_OCTETS_MAX);
    buf_slice_put(&out, method);
    buf_printf(&out, " %.*s SIP/2.0\r\n", SLICE_PRINT(buf_slice(&p->target)));
    put_via(r, peer, branch, &out);
    buf_printf(&out, "Max-Forwards: 70\r\nFrom: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n",
               SLICE_PRINT(buf_slice(&p->local)), SLICE_PRINT(buf_slice(&p->remote)),
               SLICE_PRINT(buf_slice(&p->call_id)), cseq, SLICE_PRINT(method));
    buf_printf(&out, "Contact: <sip:%s@%s>\r\n", peers[peer].name, peers[peer].address);
    buf_slice_put(&out, more);
    buf_printf(&out, "%sContent-Length: %zu\r\n\r\n%s", *body ? "Content-Type: application/sdp\r\n" : "", strlen(body),
               body);
    if (!out.err)
        deliver(r, peer, buf_slice(&out));
    buf_fini(&out);
}

static void call(struct run *r, unsigned peer, struct slice number, struct slice more)
{
    struct peer *p = &r->peers[peer];
    char call_id[40];
    if (r->placed_count == PLACED_MAX)
        return;
    snprintf(call_id, sizeof call_id, "%016llx-%u", (unsigned long long)r->secret, r->placed_count);
    /* What the input writes may make it another request, or none; strangers may be ignored. */
    r->placed[r->placed_count].is_lost = more.n || peer == 3 || !number.n || number.n > 20;
    for (size_t i = 0; i < number.n; i++)
        r->placed[r->placed_count].is_lost |= number.p[i] < '0' || number.p[i] > '9';
    r->placed_count++;
    set(&p->call_id, slice_str(call_id));
    set(&p->local, slice_str(""));
    buf_printf(&p->local, "<sip:%s@%s>;tag=calling", peer == 0 ? "+49301001234" : "+49302000001", peers[peer].name);
    set(&p->remote, slice_str("<sip:"));
    buf_slice_put(&p->remote, number);
    buf_str(&p->remote, "@agent>");
    set(&p->target, slice_str("sip:"));
    buf_slice_put(&p->target, number);
    buf_str(&p->target, "@agent");
    p->cseq = p->invite_cseq = 1;
    new_branch(r, p->branch);
    request(r, peer, slice_str("INVITE"), 1, p->branch, more, OFFER);
}

static void inside(struct run *r, unsigned peer, struct slice method, struct slice more)
{
    struct peer *p = &r->peers[peer];
    char branch[40];
    const bool invites = slice_eq_str(method, "INVITE");
    new_branch(r, branch);
    p->cseq++;
    if (invites) {
        p->invite_cseq = p->cseq;
        memcpy(p->branch, branch, sizeof branch);
    }
    request(r, peer, method, p->cseq, branch, more, invites ? OFFER : "");
}

static void acknowledge(struct run *r, unsigned peer)
{
    char branch[40];
    new_branch(r, branch);
    request(r, peer, slice_str("ACK"), r->peers[peer].invite_cseq, branch, slice_of(NULL, 0), "");
}

static void cancel(struct run *r, unsigned peer)
{
    request(r, peer, slice_str("CANCEL"), r->peers[peer].invite_cseq, r->peers[peer].branch, slice_of(NULL, 0), "");
}

static void answer(struct run *r, unsigned peer, unsigned status, struct slice more)
{
    struct region region;
    struct sip_message m;
    struct buf out;
    unsigned refused;
    region_init(&region, 4 * MESSAGE_OCTETS_MAX);
    buf_init(&out, MESSAGE_OCTETS_MAX);
    if (sip_parse(&region, buf_slice(&r->peers[peer].asked), SIP_DATAGRAM, &m, NULL) == 0 &&
        sip_check(&m, &refused, NULL) == 0) {
        const bool offers = m.method == SIP_INVITE && status > 180 && status < 300;
        sip_begin_answer(&out, &m, status, NULL, slice_str("called"));
        if (status > 100 && status < 300)
            sip_put_text(&out, SIP_CONTACT, "<sip:%s@%s>", peers[peer].name, peers[peer].address);
        buf_slice_put(&out, more);
        if (offers)
            sip_put_text(&out, SIP_CONTENT_TYPE, "application/sdp");
        sip_end(&out, offers ? slice_str(OFFER) : (struct slice){0});
        if (!out.err)
            deliver(r, peer, buf_slice(&out));
    }
    buf_fini(&out);
    region_fini(&region);
}

static void unreachable(struct run *r, unsigned peer)
{
    if (!r->peers[peer].was_sent)
        return;
    scarce(r);
    agent_unreachable(r->agent, r->now, &r->peers[peer].hop);
    plenty();
    drain(r);
}

/* ---- sound ---- */

static int open_sound(void *ctx, enum agent_side side, uint8_t family, uint64_t *ret_id, struct addr *ret_local)
{
    struct run *r = ctx;
    char text[40];
    if (r->sound_count == SOUNDS_MAX || family == 6)
        return ERR_LIMIT;
    snprintf(text, sizeof text, "192.0.2.%u:%u", 1 + (unsigned)side, 20000 + 2 * r->sound_count);
    need(addr_parse(slice_str(text), 0, ret_local) == 0);
    r->sounds[r->sound_count].is_open = true;
    r->sounds[r->sound_count].local = *ret_local;
    *ret_id = ++r->sound_count;
    r->sounds_open++;
    return 0;
}

static void close_sound(void *ctx, uint64_t id)
{
    struct run *r = ctx;
    need(id && id <= r->sound_count && r->sounds[id - 1].is_open);
    r->sounds[id - 1].is_open = false;
    r->sounds_open--;
}

static void sound(struct run *r, struct slice octets)
{
    const struct addr from = address_of(1);
    uint8_t *copy = malloc(octets.n + 1);
    memcpy(copy, octets.p ? octets.p : (const uint8_t *)"", octets.n);
    scarce(r);
    agent_sound_input(r->agent, r->now, r->sound_count, &from, slice_of(copy, octets.n));
    plenty();
    free(copy);
    drain(r);
}

/* Digits, as packets of RFC 4733. */
static void tones(struct run *r)
{
    const struct tone_format format = {.codec = "PCMU", .clock_hz = 8000, .has_events = true, .event_type = 101};
    struct tone_sender sender;
    need(tone_sender_init(&sender, &format, &r->entropy, r->now.mono) == 0);
    need(tone_sender_digits(&sender, slice_str(r->token)) == 0);
    while (!tone_sender_is_idle(&sender)) {
        uint8_t octets[TONE_PACKET_OCTETS_MAX];
        size_t n;
        pass(r, TONE_PACKET_MS);
        while (tone_sender_next(&sender, r->now.mono, octets, &n))
            sound(r, slice_of(octets, n));
    }
}

static void by_hand(struct run *r, bool returns)
{
    char call_id[40];
    snprintf(call_id, sizeof call_id, "%016llx-%u", (unsigned long long)r->secret, r->placed_count - 1);
    scarce(r);
    if (returns)
        agent_return_begin(r->agent, r->now, slice_str(call_id));
    else
        agent_fallback_begin(r->agent, r->now, slice_str(call_id));
    plenty();
    drain(r);
}

/* ---- around the agent ---- */

static void learned(void *arg, int err)
{
    (void)arg, (void)err;
}

static void learn(struct run *r)
{
    struct valinfo v = {.ticket = slice_str("dGlja2V0"), .route_count = 1};
    const struct agent_route_terms terms = {.trust = NULL};
    const char *reason;
    struct e164 of;
    struct buf xml;
    need(e164_parse(slice_str("+49302000001"), &v.number));
    v.routes[0] = slice_str("sip:agent@b.example:5061;maddr=203.0.113.9;transport=tcp");
    buf_init(&xml, VALINFO_OCTETS_MAX);
    need(valinfo_format(&v, &xml) == 0);
    scarce(r);
    agent_routes_learn(r->parts.routes, r->now, buf_slice(&xml), &terms, learned, NULL, &reason, &of);
    plenty();
    buf_fini(&xml);
    drain(r);
}

static void service(struct run *r, struct slice octets)
{
    scarce(r);
    if (slice_eq_str(octets, "C"))
        agent_service_connected(r->service, r->now, 0);
    else if (slice_eq_str(octets, "D"))
        agent_service_closed(r->service, r->now, 0, AGENT_SERVICE_CLOSED, "it was closed");
    else
        agent_service_input(r->service, r->now, 0, octets);
    plenty();
    drain(r);
}

static void posted(void *arg, const struct agent_post_answer *a)
{
    struct run *r = arg;
    (void)a;
    r->posted++;
}

static void post(struct run *r, struct slice json)
{
    r->posts++;
    scarce(r);
    agent_post_records(r->agent, json, posted, r);
    plenty();
    drain(r);
}

static enum agent_cause judge(void *ctx, struct now now, struct slice domain, const struct e164 *number,
                              struct slice ticket)
{
    const struct run *r = ctx;
    (void)now, (void)domain, (void)number, (void)ticket;
    return r->good_tickets ? AGENT_CAUSE_NONE : AGENT_CAUSE_INVALID_TICKET;
}

/* ---- life ---- */

static void configure(struct run *r)
{
    size_t group;
    struct agent_fallback_profile profile;
    agent_options_default(&r->options);
    r->options.domain = mem_strdup("a.example");
    r->options.keepalive_ms = 0;
    r->options.calls_max = 20;
    r->options.requests_max = 10;
    r->options.journal_max = 100;
    for (unsigned i = 0; i < 2; i++) {
        struct agent_trunk_options o = {.name = (char *)(uintptr_t)peers[i].name, .side = peers[i].side};
        o.host = o.name;
        o.user = i ? (char *)(uintptr_t) "user" : NULL;
        o.password = i ? (char *)(uintptr_t) "password" : NULL;
        agent_dial_plan_init(&o.plan);
        need(agent_dial_plan_set_country(&o.plan, slice_str("49")) == 0);
        need(agent_options_trunk(&r->options, &o) == 0);
    }
    agent_options_point(&r->options, AGENT_PBX, SIP_UDP, "10.0.0.9:5060");
    agent_options_point(&r->options, AGENT_PSTN, SIP_UDP, "198.51.100.9:5060");
    agent_options_point(&r->options, AGENT_IME, SIP_TLS, "ime.a.example:5061");
    agent_fallback_profile_init(&profile);
    strcpy(profile.name, "p");
    need(e164_parse(slice_str("+4930100999"), &profile.number));
    if (r->with_edge)
        r->options.edge = address_of(2);
    r->sound = (struct agent_sound){r, open_sound, close_sound};
    need(agent_enrolled_new(&r->enrolled) == 0);
    need(agent_enrolled_add_profile(r->enrolled, &profile) == 0);
    need(agent_enrolled_add_group(r->enrolled, "g", "p", &group) == 0);
    need(agent_enrolled_add_pattern(r->enrolled, group, slice_str("+493010012XX")) == 0);
}

static void start_service(struct run *r)
{
    const struct agent_service_config config = {
        .name = "main",
        .domain = "a.example",
        .vservice_id = 1,
        .user = "agent",
        .password = "a password",
        .servers = 1,
        .server_names = {"ime1.a.example:5620"},
        .routes = {"sip:agent@a.example:5061;maddr=192.0.2.1;transport=tcp"},
        .route_count = 1,
    };
    const struct agent_service_parts parts = {.enrolled = r->enrolled,
                                              .routes = r->parts.routes,
                                              .records = r->parts.records,
                                              .alarms = &r->alarms,
                                              .entropy = &r->entropy};
    need(agent_service_new(&config, &parts, r->now, &r->service) == 0);
}

static void start(struct run *r)
{
    struct agent_routes_config routes;
    struct agent_records_config records;
    const struct kv *kv = memory_store_kv(r->store);
    const struct agent_route_watch watch = {agent_service_route_removed, &r->alarms};
    const struct agent_ports ports = {
        .entropy = &r->entropy, .kv = kv, .ticket = judge, .ticket_ctx = r, .sound = &r->sound};
    agent_routes_config_init(&routes);
    routes.routes_max = 100;
    agent_records_config_init(&records);
    records.records_max = 50;
    agent_alarms_init(&r->alarms, NULL);
    r->parts = (struct agent_parts){.enrolled = r->enrolled, .alarms = &r->alarms, .services = &r->service};
    need(agent_routes_new(&routes, kv, &r->entropy, &watch, &r->parts.routes) == 0);
    need(agent_records_new(&records, kv, r->now, &r->parts.records) == 0);
    start_service(r);
    r->parts.service_count = 1;
    need(agent_new(&r->options, &ports, &r->parts, r->now, &r->agent) == 0);
    agent_start(r->agent, r->now);
    drain(r);
}

static void stop(struct run *r)
{
    agent_free(r->agent);
    agent_service_free(r->service);
    agent_records_free(r->parts.records);
    agent_routes_free(r->parts.routes);
}

static void fail_store(struct run *r, unsigned transactions)
{
    r->store_failed = true;
    memory_store_fail(r->store, transactions, ERR_NO_SPACE);
}

static void crash(struct run *r)
{
    memory_store_crash(r->store);
    stop(r);
    for (unsigned i = 0; i < r->placed_count; i++)
        r->placed[i].is_lost = true;
    start(r);
}

/* Whoever is silent for so long is found to be gone, whatever happened before. */
static void finish(struct run *r)
{
    const struct agent *a = r->agent;
    r->fail_at = 0;
    memory_store_fail(r->store, 0, 0);
    pass(r, 3 * HOUR_MS);
    need(agent_calls(a) == 0);
    for (unsigned i = 0; i < r->placed_count; i++)
        need(r->placed[i].finals == 1 || r->placed[i].is_lost);
    agent_stop(r->agent, r->now);
    drain(r);
    pass(r, HOUR_MS / 10);
    need(r->stopped);
    need(!a->leg_count && !a->voices.n && !a->tokens.n && !a->fallback_count && !a->away_count && !r->sounds_open);
    need(agent_requests(a) == 0 && list_empty(&a->calls) && list_empty(&a->leftovers) && list_empty(&a->unkept));
    need(sip_layer_clients(a->layer) == 0 && sip_layer_servers(a->layer) == 0);
    need(!a->clients.n && !a->servers.n && !a->ends.n && !a->attempts.n && !a->direct_count);
    need(memory_store_count(r->store, KV_AGENT_DIALOG) == 0 || r->store_failed);
    for (size_t i = 0; i < a->trunk_count; i++)
        need(a->trunks[i].calls == 0);
    stop(r);
    need(r->posted == r->posts);
}

/* ---- the input ---- */

static unsigned number(struct slice *text)
{
    unsigned value = 0;
    while (text->n && *text->p >= '0' && *text->p <= '9' && value < 1000000) {
        value = 10 * value + (unsigned)(*text->p - '0');
        *text = slice_of(text->p + 1, text->n - 1);
    }
    return value;
}

/* Up to the first octet that is no letter, digit or plus. */
static struct slice word(struct slice *text)
{
    size_t n = 0;
    while (n < text->n &&
           ((text->p[n] >= '0' && text->p[n] <= '9') || (text->p[n] >= 'A' && text->p[n] <= 'Z') || text->p[n] == '+'))
        n++;
    struct slice word = slice_of(text->p, n);
    *text = slice_of(text->p + n, text->n - n);
    return word;
}

/* What goes into a header begins with a line end, and ends with one. */
static struct slice fields(struct slice text)
{
    return text.n > 2 ? slice_of(text.p + 2, text.n - 2) : slice_of(NULL, 0);
}

static void peer_step(struct run *r, char kind, unsigned peer, struct slice rest)
{
    struct slice text;
    unsigned value;
    switch (kind) {
    case 'C':
        text = word(&rest);
        call(r, peer, text, fields(rest));
        break;
    case 'A':
        value = number(&rest);
        answer(r, peer, value >= 100 && value < 700 ? value : 100 + value % 600, fields(rest));
        break;
    case 'Q':
        text = word(&rest);
        inside(r, peer, text, fields(rest));
        break;
    case 'K':
        acknowledge(r, peer);
        break;
    case 'X':
        cancel(r, peer);
        break;
    case 'I':
        deliver(r, peer, rest);
        break;
    case 'U':
        unreachable(r, peer);
        break;
    default:
        break;
    }
}

static void step(struct run *r, struct slice s)
{
    struct slice rest = slice_of(s.p + 1, s.n - 1);
    const char kind = (char)s.p[0];
    if (kind == 'T')
        pass(r, number(&rest));
    else if (kind == 'L')
        learn(r);
    else if (kind == 'V')
        r->good_tickets = !r->good_tickets;
    else if (kind == 'S')
        service(r, rest);
    else if (kind == 'P')
        post(r, rest);
    else if (kind == 'B')
        fail_store(r, number(&rest) % 8);
    else if (kind == 'M')
        r->fail_at = number(&rest);
    else if (kind == 'Z')
        crash(r);
    else if (kind == 'F' || kind == 'G')
        by_hand(r, kind == 'G');
    else if (kind == 'H')
        tones(r);
    else if (kind == 'O')
        sound(r, rest);
    else if (rest.n && *rest.p >= '0' && *rest.p < '0' + PEERS)
        peer_step(r, kind, *rest.p - '0', slice_of(rest.p + 1, rest.n - 1));
}

static uint64_t hash_of(const uint8_t *data, size_t size)
{
    static const uint64_t seed[2] = {1, 2};
    return siphash(seed, slice_of(data, size));
}

static void begin(struct run *r, const uint8_t *data, size_t size)
{
    *r = (struct run){.now = {{1000000}, {INT64_C(1700000000000)}}, .seeded = {7}, .good_tickets = true};
    r->secret = hash_of(data, size);
    r->with_edge = size && *data == 'E';
    r->entropy = seeded_entropy_port(&r->seeded);
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *p = &r->peers[i];
        struct buf *const texts[] = {&p->asked, &p->call_id, &p->local, &p->remote, &p->target};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
            buf_init(texts[k], MESSAGE_OCTETS_MAX);
    }
    need(memory_store_new(&r->store) == 0);
    configure(r);
    start(r);
}

static void end(struct run *r)
{
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *p = &r->peers[i];
        struct buf *const texts[] = {&p->asked, &p->call_id, &p->local, &p->remote, &p->target};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
            buf_fini(texts[k]);
    }
    agent_enrolled_free(r->enrolled);
    agent_options_fini(&r->options);
    memory_store_free(r->store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r;
    begin(&r, data, size);
    for (size_t at = 0; at < size;) {
        const uint8_t *stop_at = memchr(data + at, 0, size - at);
        size_t n = stop_at ? (size_t)(stop_at - data) - at : size - at;
        if (n)
            step(&r, slice_of(data + at, n));
        at += n + 1;
    }
    finish(&r);
    end(&r);
    return 0;
}
