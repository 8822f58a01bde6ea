/* The whole core of the edge under whatever two call agents, two other companies and their media do, in virtual time; keys and tickets are real. The input is
 * a list of steps, each ended by an octet 0; N is a peer: 0 and 1 the agents, 2 and 3 the companies.
 *
 *     T500         so many milliseconds pass
 *     CNINVITE…    the peer sends this first request, in good order and (a company) with a good ticket; what follows a line end goes into the header
 *     DN…          the same INVITE with this body
 *     AN180…       it answers the last request that it was sent, with these further octets in the header
 *     BN200…       the same with this body
 *     QNBYE…       it sends a request inside the dialog that it last heard of, likewise
 *     ON…          it sends a re-INVITE with this body
 *     KN, XN       it acknowledges, cancels its last INVITE
 *     IN…          it sends these octets
 *     UN, LN       what was last sent to it could not be; its connection ends
 *     M1           media: quality, silence, a worker that dies
 *     F3           the third allocation of the next step fails
 *
 * Whoever is outside hears nothing of the inside; in the end every call is over, every port is closed, and nothing is left of any. */
#include "edge/internal.h"

#include "base/siphash.h"

#include "store/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define PEERS 4
#define TICKS_MAX 100000 /* in one step: more is a timer that never goes away */
#define SESSIONS_MAX 256
#define MESSAGE_OCTETS_MAX (256 * 1024)
#define HOUR_MS INT64_C(3600000)
#define PLAIN "v=0\r\no=- 1 1 IN IP4 10.0.0.7\r\ns=-\r\nc=IN IP4 10.0.0.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
#define SECURE                                                                                                 \
    "v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n" \
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *name, *address, *domain, *number;
    unsigned side;
    enum sip_transport transport;
} peers[PEERS] = {
    {"agent", "10.0.0.1:5060", NULL, "+49301001234@a.example", EDGE_INSIDE, SIP_TCP},
    {"spare", "10.0.0.2:5060", NULL, "+49301001234@a.example", EDGE_INSIDE, SIP_TCP},
    {"far", "203.0.113.9:5061", "b.example", "+49302000001@b.example", EDGE_OUTSIDE, SIP_TLS},
    {"other", "203.0.113.77:5061", "c.example", "+49303000001@c.example", EDGE_OUTSIDE, SIP_TLS},
};

/* What a peer remembers, as texts. */
struct peer {
    struct buf asked; /* the last request that it was sent, for its answers */
    struct sip_hop hop;
    bool was_sent;
    uint64_t conn;
    struct buf call_id, local, remote, target; /* of the dialog that it last heard of */
    unsigned cseq, invite_cseq;
    char branch[40]; /* of its last INVITE */
};

struct run {
    struct now now;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct memory_store *store;
    struct keyring *keyring;
    struct buf tickets[PEERS];
    struct edge_options options;
    struct media_port media;
    struct edge *edge;
    struct peer peers[PEERS];
    uint64_t secret; /* in what this file writes, so that the input cannot have it by chance */
    unsigned fail_at;
    unsigned requests, calls;
    uint64_t open[SESSIONS_MAX], closed[SESSIONS_MAX];
    size_t open_count, closed_count;
    bool stopped;
};

static void need(bool condition)
{
    if (!condition)
        abort();
}

static void scarce(struct run *r)
{
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

/* ---- media ---- */

static size_t place_of(const struct run *r, uint64_t id)
{
    size_t i = 0;
    while (i < r->open_count && r->open[i] != id)
        i++;
    return i;
}

static int media_open(void *ctx, uint64_t id)
{
    struct run *r = ctx;
    need(place_of(r, id) == r->open_count);
    if (r->open_count == SESSIONS_MAX)
        return ERR_LIMIT;
    r->open[r->open_count++] = id;
    return 0;
}

static int media_bind(void *ctx, uint64_t id, unsigned stream, enum media_side side, uint8_t family,
                      struct addr *ret_local)
{
    struct run *r = ctx;
    char text[64];
    need(place_of(r, id) < r->open_count && stream < MEDIA_STREAMS_MAX);
    if (family != 4)
        return ERR_RANGE;
    snprintf(text, sizeof text, "%s:%u", side == MEDIA_INSIDE ? "10.0.0.9" : "203.0.113.1", 20000 + stream * 2);
    return addr_parse(slice_str(text), 0, ret_local);
}

static void media_set(void *ctx, const struct media_session *session)
{
    struct run *r = ctx;
    need(place_of(r, session->id) < r->open_count && session->stream_count <= MEDIA_STREAMS_MAX);
    need(session->sensitivity <= 5);
    for (unsigned i = 0; i < session->stream_count; i++) {
        const struct media_stream *s = &session->streams[i];
        if (s->kind != MEDIA_RTP)
            continue;
        const struct media_end *outside = &s->ends[MEDIA_OUTSIDE];
        need(outside->in.suite != SUITE_NONE && outside->out.suite != SUITE_NONE);
        need(!outside->remote.family || alg_place_of(&r->options, &outside->remote) == ALG_FAR ||
             alg_is_unspecified(&outside->remote));
    }
}

static void take_out(struct run *r, uint64_t id)
{
    const size_t i = place_of(r, id);
    need(i < r->open_count);
    r->open[i] = r->open[--r->open_count];
}

static void media_close(void *ctx, uint64_t id)
{
    struct run *r = ctx;
    take_out(r, id);
    if (r->closed_count < SESSIONS_MAX)
        r->closed[r->closed_count++] = id;
}

/* ---- connections ---- */

/* Only with who has shown that it is of that domain, at the address that it comes from. */
static int share(void *ctx, uint64_t conn, unsigned side, const char *domain, const struct addr *target)
{
    const struct run *r = ctx;
    for (unsigned i = 0; i < PEERS; i++) {
        const struct addr addr = address_of(i);
        if (peers[i].side == EDGE_OUTSIDE && r->peers[i].conn == conn) {
            need(side == EDGE_FIRST_DOMAIN && strcmp(domain, peers[i].domain) == 0 && addr_eq_ip(&addr, target));
            return conn % 2 ? 0 : ERR_FORBIDDEN;
        }
    }
    abort();
}

/* ---- what the edge does ---- */

static void keep_target(struct peer *p, const struct sip_message *m)
{
    const struct sip_field *f = sip_field_first(m, SIP_CONTACT);
    struct sip_address address;
    if (!f)
        return;
    struct sip_cursor c = sip_field_cursor(m, f);
    if (sip_read_address(&c, &address))
        set(&p->target, address.uri);
}

static void hear(struct run *r, unsigned peer, struct slice octets)
{
    struct peer *p = &r->peers[peer];
    struct region region;
    struct sip_message m;
    unsigned status;
    region_init(&region, 8 * MESSAGE_OCTETS_MAX);
    if (sip_parse(&region, octets, SIP_STREAM, &m, NULL) || sip_check(&m, &status, NULL)) {
        static const char version[] = "SIP/2.0 "; /* a refusal repeats what cannot be read: 4xx, 505 */
        const size_t n = sizeof version - 1;
        need(octets.n > n && memcmp(octets.p, version, n) == 0 && (octets.p[n] == '4' || octets.p[n] == '5'));
        region_fini(&region);
        return;
    }
    if (peers[peer].side == EDGE_OUTSIDE)
        need(alg_find_leak(&r->options, &region, octets).n == 0);
    const struct sip_field *from = sip_field_first(&m, SIP_FROM), *to = sip_field_first(&m, SIP_TO);
    if (m.is_request && m.method != SIP_ACK && m.method != SIP_CANCEL)
        set(&p->asked, octets);
    if (m.is_request && !m.to.tag.n && m.method != SIP_CANCEL) {
        set(&p->call_id, m.call_id);
        set(&p->local, to->value);
        buf_str(&p->local, ";tag=called");
        set(&p->remote, from->value);
        keep_target(p, &m);
    } else if (!m.is_request && m.status > 100 && slice_eq(m.call_id, buf_slice(&p->call_id))) {
        set(&p->remote, to->value);
        keep_target(p, &m);
    }
    region_fini(&region);
}

static void sent(struct run *r, const struct edge_effect *e)
{
    for (unsigned i = 0; i < PEERS; i++) {
        struct addr addr = address_of(i);
        if (e->hop->conn ? e->hop->conn != r->peers[i].conn : !addr_eq(&addr, &e->hop->addr))
            continue;
        need(edge_side_of(e->hop->side) == peers[i].side);
        r->peers[i].hop = *e->hop;
        r->peers[i].was_sent = true;
        hear(r, i, e->octets);
    }
}

static void drain(struct run *r)
{
    struct edge_effect e;
    for (unsigned n = 0;; n++) {
        need(n < TICKS_MAX);
        scarce(r);
        const bool any = edge_next(r->edge, r->now, &e);
        plenty();
        if (any && e.kind == EDGE_SEND) {
            sent(r, &e);
        } else if (any) {
            r->stopped |= e.kind == EDGE_STOPPED;
        } else if (r->closed_count) {
            struct media_event event = {.kind = MEDIA_SUMMARY, .session = r->closed[--r->closed_count]};
            edge_media(r->edge, r->now, &event);
        } else {
            return;
        }
    }
}

static void pass(struct run *r, int64_t ms)
{
    struct mono end = mono_after_ms(r->now.mono, ms);
    unsigned ticks = 0;
    while (mono_due(edge_deadline(r->edge), end)) {
        struct mono due = mono_max(r->now.mono, edge_deadline(r->edge));
        r->now.wall.ms += (due.us - r->now.mono.us) / 1000;
        r->now.mono = due;
        need(++ticks < TICKS_MAX);
        scarce(r);
        edge_tick(r->edge, r->now);
        plenty();
        drain(r);
    }
    r->now.wall.ms += (end.us - r->now.mono.us) / 1000;
    r->now.mono = end;
}

/* ---- what peers do ---- */

static void deliver(struct run *r, unsigned peer, struct slice octets)
{
    const struct sip_flow flow = {.transport = peers[peer].transport,
                                  .side = peers[peer].side,
                                  .peer = address_of(peer),
                                  .conn = r->peers[peer].conn,
                                  .peer_domain = peers[peer].domain,
                                  .peer_domains = peers[peer].domain};
    uint8_t *copy = malloc(octets.n + 1); /* exactly as long as it must be valid */
    need(copy != NULL);
    memcpy(copy, octets.p, octets.n);
    scarce(r);
    edge_input(r->edge, r->now, &flow, slice_of(copy, octets.n));
    plenty();
    free(copy);
    drain(r);
}

static void new_branch(struct run *r, char branch[40])
{
    snprintf(branch, 40, "z9hG4bK%016llx-%u", (unsigned long long)r->secret, ++r->requests);
}

/* A request of the dialog that the peer knows. */
static void request(struct run *r, unsigned peer, struct slice method, unsigned cseq, const char *branch,
                    struct slice more, struct slice body)
{
    struct peer *p = &r->peers[peer];
    struct buf out;
    if (!p->call_id.n)
        return;
    buf_init(&out, MESSAGE_OCTETS_MAX);
    buf_slice_put(&out, method);
    buf_printf(&out, " %.*s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=%s%s\r\n", SLICE_PRINT(buf_slice(&p->target)),
               sip_transport_name(peers[peer].transport), peers[peer].address, branch,
               peers[peer].side == EDGE_OUTSIDE ? ";alias" : "");
    buf_printf(&out, "Max-Forwards: 70\r\nFrom: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n",
               SLICE_PRINT(buf_slice(&p->local)), SLICE_PRINT(buf_slice(&p->remote)),
               SLICE_PRINT(buf_slice(&p->call_id)), cseq, SLICE_PRINT(method));
    buf_printf(&out, "Contact: <sip:%s@%s>\r\n", peers[peer].name, peers[peer].address);
    buf_slice_put(&out, more);
    buf_printf(&out, "%sContent-Length: %zu\r\n\r\n", body.n ? "Content-Type: application/sdp\r\n" : "", body.n);
    buf_slice_put(&out, body);
    if (!out.err)
        deliver(r, peer, buf_slice(&out));
    buf_fini(&out);
}

static struct slice usual_body(unsigned peer)
{
    return slice_str(peers[peer].side == EDGE_INSIDE ? PLAIN : SECURE);
}

static void begin_call(struct run *r, unsigned peer, struct slice method, struct slice more, struct slice body)
{
    struct peer *p = &r->peers[peer];
    const bool is_inside = peers[peer].side == EDGE_INSIDE;
    const char *called = peers[is_inside ? 2 : 0].number;
    struct buf fields;
    set(&p->call_id, slice_of(NULL, 0));
    buf_printf(&p->call_id, "%016llx-%u", (unsigned long long)r->secret, r->calls++);
    buf_clear(&p->local);
    buf_printf(&p->local, "<sip:%s>;tag=calling", peers[peer].number);
    buf_clear(&p->remote);
    buf_printf(&p->remote, "<sip:%s>", called);
    buf_clear(&p->target);
    buf_printf(&p->target, "sip:%s;user=phone", called);
    p->cseq = p->invite_cseq = 1;
    new_branch(r, p->branch);
    buf_init(&fields, MESSAGE_OCTETS_MAX);
    if (is_inside)
        buf_str(&fields, "Route: <sip:b.example:5061;maddr=203.0.113.9;transport=tls;lr>\r\n");
    else
        buf_slice_put(&fields, buf_slice(&r->tickets[peer]));
    buf_slice_put(&fields, more);
    request(r, peer, method, 1, p->branch, buf_slice(&fields), body);
    buf_fini(&fields);
}

static void inside(struct run *r, unsigned peer, struct slice method, struct slice more, struct slice body)
{
    struct peer *p = &r->peers[peer];
    char branch[40];
    new_branch(r, branch);
    p->cseq++;
    if (slice_eq_str(method, "INVITE")) {
        p->invite_cseq = p->cseq;
        memcpy(p->branch, branch, sizeof branch);
    }
    request(r, peer, method, p->cseq, branch, more, body);
}

static void answer(struct run *r, unsigned peer, unsigned status, struct slice more, struct slice body)
{
    const struct peer *p = &r->peers[peer];
    struct region region;
    struct sip_message m;
    unsigned refused;
    struct buf out;
    if (!p->asked.n)
        return;
    region_init(&region, 8 * MESSAGE_OCTETS_MAX);
    buf_init(&out, MESSAGE_OCTETS_MAX);
    if (sip_parse(&region, buf_slice(&p->asked), SIP_STREAM, &m, NULL) == 0 && sip_check(&m, &refused, NULL) == 0) {
        if (!body.n && m.method == SIP_INVITE && status > 180 && status < 300)
            body = usual_body(peer);
        sip_begin_answer(&out, &m, status, NULL, slice_str("called"));
        buf_printf(&out, "Contact: <sip:%s@%s>\r\n", peers[peer].name, peers[peer].address);
        buf_slice_put(&out, more);
        if (body.n)
            buf_str(&out, "Content-Type: application/sdp\r\n");
        sip_end(&out, body);
    }
    if (out.n && !out.err)
        deliver(r, peer, buf_slice(&out));
    buf_fini(&out);
    region_fini(&region);
}

static void acknowledge(struct run *r, unsigned peer)
{
    char branch[40];
    new_branch(r, branch);
    request(r, peer, slice_str("ACK"), r->peers[peer].invite_cseq, branch, slice_of(NULL, 0), slice_of(NULL, 0));
}

static void cancel(struct run *r, unsigned peer)
{
    request(r, peer, slice_str("CANCEL"), r->peers[peer].invite_cseq, r->peers[peer].branch, slice_of(NULL, 0),
            slice_of(NULL, 0));
}

static void unreachable(struct run *r, unsigned peer)
{
    if (!r->peers[peer].was_sent)
        return;
    scarce(r);
    edge_unreachable(r->edge, r->now, &r->peers[peer].hop);
    plenty();
    drain(r);
}

static void lose(struct run *r, unsigned peer)
{
    const struct sip_hop hop = {.transport = peers[peer].transport,
                                .side = peers[peer].side,
                                .addr = address_of(peer),
                                .conn = r->peers[peer].conn};
    scarce(r);
    edge_lost(r->edge, r->now, &hop);
    plenty();
    r->peers[peer].conn += 100;
    drain(r);
}

static void media(struct run *r, unsigned what)
{
    if (!r->open_count)
        return;
    const uint64_t id = r->open[what % r->open_count];
    struct media_event event = {.session = id, .side = what & 8 ? MEDIA_INSIDE : MEDIA_OUTSIDE};
    switch (what % 4) {
    case 0:
        event.kind = MEDIA_LOST;
        take_out(r, id);
        break;
    case 1:
        event.kind = MEDIA_SILENT;
        break;
    default:
        event.kind = MEDIA_QUALITY;
        event.figures.is_bad = what & 1;
        event.stream = what / 16 % MEDIA_STREAMS_MAX;
    }
    scarce(r);
    edge_media(r->edge, r->now, &event);
    plenty();
    drain(r);
}

/* ---- life ---- */

static void stored(void *arg, int err)
{
    (void)arg;
    need(err == 0);
}

static const struct keyring *keyring_of(void *ctx, size_t domain)
{
    const struct run *r = ctx;
    (void)domain;
    return r->keyring;
}

static void make_keys(struct run *r)
{
    const struct keyring_config config = {.granting_domain = slice_str("a.example"),
                                          .grace_ms = KEYRING_GRACE_MS_DEFAULT,
                                          .revocations_max = 100,
                                          .kv = memory_store_kv(r->store),
                                          .entropy = &r->entropy};
    struct e164 number;
    need(keyring_new(&config, r->now.wall, &r->keyring) == 0);
    need(keyring_generate(r->keyring, 1, r->now.wall, stored, NULL) == 0);
    memory_store_turn(r->store);
    need(e164_parse(slice_str("+49301001234"), &number));
    for (unsigned i = 2; i < PEERS; i++) {
        buf_str(&r->tickets[i], "X-Cisco-ViPR-Ticket: ");
        need(keyring_issue(r->keyring, &number, slice_str(peers[i].domain), r->now.wall,
                           wall_after_ms(r->now.wall, 1000 * HOUR_MS), &r->tickets[i], NULL) == 0);
        buf_str(&r->tickets[i], "\r\n");
    }
}

static void configure(struct run *r)
{
    struct edge_options *o = &r->options;
    edge_options_default(o);
    o->calls_max = 20;
    o->subscriptions_max = 10;
    o->requests_max = 20;
    o->trunks_max = 4;
    o->suites[0] = SUITE_AES_CM_128_HMAC_SHA1_80;
    o->suite_count = 1;
    need(edge_options_domain(o, "a.example") == 0);
    for (unsigned i = 0; i < 2; i++) {
        const struct edge_agent agent = {
            .name = (char *)(uintptr_t)peers[i].name, .addr = address_of(i), .transport = SIP_TCP};
        need(edge_options_agent(o, &agent) == 0);
    }
    edge_options_point(o, EDGE_INSIDE, SIP_TCP, "10.0.0.9:5060");
    edge_options_point(o, EDGE_OUTSIDE, SIP_TLS, "edge.a.example:5061");
}

static void texts(struct run *r, bool init)
{
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *p = &r->peers[i];
        struct buf *const all[] = {&p->asked, &p->call_id, &p->local, &p->remote, &p->target, &r->tickets[i]};
        for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
            if (init)
                buf_init(all[k], MESSAGE_OCTETS_MAX);
            else
                buf_fini(all[k]);
        }
        p->conn = 10 + i;
    }
}

/* Whoever is silent for so long is found to be gone, whatever happened before. */
static void finish(struct run *r)
{
    struct edge_left left;
    r->fail_at = 0;
    pass(r, 3 * HOUR_MS);
    edge_left(r->edge, &left);
    need(left.calls == 0 && left.dialogs == 0 && left.subscriptions == 0 && left.requests == 0);
    need(left.clients == 0 && left.servers == 0 && left.sessions == 0 && left.timers == 0);
    need(r->open_count == 0 && r->edge->conns.n == 0);
    edge_stop(r->edge, r->now);
    drain(r);
    need(r->stopped);
}

/* ---- the input ---- */

static unsigned number_of(struct slice *text)
{
    unsigned value = 0;
    while (text->n && *text->p >= '0' && *text->p <= '9' && value < 1000000) {
        value = 10 * value + (unsigned)(*text->p - '0');
        *text = slice_of(text->p + 1, text->n - 1);
    }
    return value;
}

static struct slice word(struct slice *text)
{
    size_t n = 0;
    while (n < text->n && text->p[n] >= 'A' && text->p[n] <= 'Z')
        n++;
    struct slice found = slice_of(text->p, n);
    *text = slice_of(text->p + n, text->n - n);
    return found;
}

/* What goes into a header begins with a line end, and ends with one. */
static struct slice fields(struct slice text)
{
    return text.n > 2 ? slice_of(text.p + 2, text.n - 2) : slice_of(NULL, 0);
}

static void peer_step(struct run *r, char kind, unsigned peer, struct slice rest)
{
    const struct slice nothing = slice_of(NULL, 0);
    struct slice text;
    unsigned value;
    switch (kind) {
    case 'C':
        text = word(&rest);
        begin_call(r, peer, text, fields(rest), slice_eq_str(text, "INVITE") ? usual_body(peer) : nothing);
        break;
    case 'D':
        begin_call(r, peer, slice_str("INVITE"), nothing, rest);
        break;
    case 'A':
    case 'B':
        value = number_of(&rest);
        value = value >= 100 && value < 700 ? value : 100 + value % 600;
        answer(r, peer, value, kind == 'A' ? fields(rest) : nothing, kind == 'B' ? rest : nothing);
        break;
    case 'Q':
        text = word(&rest);
        inside(r, peer, text, fields(rest), slice_eq_str(text, "INVITE") ? usual_body(peer) : nothing);
        break;
    case 'O':
        inside(r, peer, slice_str("INVITE"), nothing, rest);
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
    case 'L':
        lose(r, peer);
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
        pass(r, number_of(&rest));
    else if (kind == 'M')
        media(r, number_of(&rest));
    else if (kind == 'F')
        r->fail_at = number_of(&rest);
    else if (rest.n && *rest.p >= '0' && *rest.p < '0' + PEERS)
        peer_step(r, kind, (unsigned)(*rest.p - '0'), slice_of(rest.p + 1, rest.n - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t seed[2] = {1, 2};
    struct run r = {.now = {{1000000}, {INT64_C(1700000000000)}}, .seeded = {7}};
    r.secret = siphash(seed, slice_of(data, size));
    r.entropy = seeded_entropy_port(&r.seeded);
    texts(&r, true);
    need(memory_store_new(&r.store) == 0);
    make_keys(&r);
    configure(&r);
    r.media = (struct media_port){&r, media_open, media_bind, media_set, media_close, NULL};
    const struct edge_ports ports = {.entropy = &r.entropy,
                                     .keyring = keyring_of,
                                     .keyring_ctx = &r,
                                     .media = &r.media,
                                     .share = share,
                                     .share_ctx = &r};
    need(edge_new(&r.options, &ports, r.now, &r.edge) == 0);
    for (size_t at = 0; at < size;) {
        const uint8_t *stop_at = memchr(data + at, 0, size - at);
        size_t n = stop_at ? (size_t)(stop_at - data) - at : size - at;
        if (n)
            step(&r, slice_of(data + at, n));
        at += n + 1;
    }
    finish(&r);
    edge_free(r.edge);
    keyring_free(r.keyring);
    edge_options_fini(&r.options);
    memory_store_free(r.store);
    texts(&r, false);
    return 0;
}
