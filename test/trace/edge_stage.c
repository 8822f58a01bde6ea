/* The stage of the edge's traces. */
#include "edge_stage.h"

#include "ticket/keyring.h"

#include <stdio.h>
#include <stdlib.h>

static const struct peer_info {
    const char *name;
    const char *address;
    unsigned side;
    enum sip_transport transport;
} peers[PEERS] = {
    {"agent", "10.0.0.1:5060", EDGE_INSIDE, SIP_TCP},
    {"spare", "10.0.0.2:5060", EDGE_INSIDE, SIP_TCP},
    {"far", "203.0.113.9:5061", EDGE_OUTSIDE, SIP_TLS},
    {"other", "203.0.113.77:5061", EDGE_OUTSIDE, SIP_TLS},
};

#define PLAIN(address, port)                                                                                      \
    "v=0\r\no=- 1 1 IN IP4 " address "\r\ns=-\r\nc=IN IP4 " address "\r\nt=0 0\r\nm=audio " port " RTP/AVP 0\r\n" \
    "a=rtpmap:0 PCMU/8000\r\n"
const char *const stage_plain_sdp = PLAIN("10.0.0.77", "4000");
const char *const stage_secure_sdp =
    "v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\nm=audio 20000 RTP/SAVP 0\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";

static struct addr address_of(enum peer peer)
{
    struct addr addr;
    assert_int_equal(addr_parse(slice_str(peers[peer].address), 0, &addr), 0);
    return addr;
}

/* ---- media ---- */

static struct stage_session *session_of(struct stage *s, uint64_t id)
{
    for (unsigned i = 0; i < s->session_count; i++) {
        if (s->sessions[i].id == id)
            return &s->sessions[i];
    }
    return NULL;
}

static int media_open(void *ctx, uint64_t id)
{
    struct stage *s = ctx;
    if (s->media_full)
        return ERR_LIMIT;
    assert_null(session_of(s, id));
    assert_true(s->session_count < STAGE_SESSIONS);
    s->sessions[s->session_count++] = (struct stage_session){.id = id, .is_open = true};
    s->open_count++;
    return 0;
}

static int media_bind(void *ctx, uint64_t id, unsigned stream, enum media_side side, uint8_t family,
                      struct addr *ret_local)
{
    struct stage *s = ctx;
    const struct stage_session *session = session_of(s, id);
    assert_non_null(session);
    assert_true(session->is_open);
    assert_true(stream < MEDIA_STREAMS_MAX && family == 4);
    char text[64];
    const unsigned port = 16384 + (s->session_count * 32) + stream * 4 + (side == MEDIA_OUTSIDE ? 2 : 0);
    snprintf(text, sizeof text, "%s:%u", side == MEDIA_INSIDE ? "10.0.0.9" : "203.0.113.1", port);
    return addr_parse(slice_str(text), 0, ret_local);
}

static void media_set(void *ctx, const struct media_session *session)
{
    struct stage *s = ctx;
    struct stage_session *known = session_of(s, session->id);
    assert_non_null(known);
    assert_true(known->is_open);
    known->sets++;
    known->last = *session;
}

static void media_close(void *ctx, uint64_t id)
{
    struct stage *s = ctx;
    struct stage_session *session = session_of(s, id);
    assert_non_null(session);
    assert_true(session->is_open);
    session->is_open = false;
    s->open_count--;
    s->closed[s->closed_count++] = id;
}

static int media_figures(void *ctx, uint64_t id, struct media_summary *ret_summary)
{
    struct stage *s = ctx;
    if (!session_of(s, id))
        return ERR_NOT_FOUND;
    *ret_summary = (struct media_summary){.stream_count = 1};
    return 0;
}

/* ---- the edge's side ---- */

static void written(void *ctx, enum log_level level, const char *event, const char *text)
{
    struct stage *s = ctx;
    (void)level;
    s->notices++;
    memcpy(s->event_before, s->last_event, sizeof s->last_event);
    memcpy(s->line_before, s->last_line, sizeof s->last_line);
    snprintf(s->last_event, sizeof s->last_event, "%s", event);
    snprintf(s->last_line, sizeof s->last_line, "%s", text);
}

static const struct keyring *keyring_of(void *ctx, size_t domain)
{
    struct stage *s = ctx;
    return domain == 0 ? s->keyring : NULL;
}

static void stored(void *arg, int err)
{
    (void)arg;
    assert_int_equal(err, 0);
}

static void make_keys(struct stage *s)
{
    const struct keyring_config config = {.granting_domain = slice_str("a.example"),
                                          .grace_ms = KEYRING_GRACE_MS_DEFAULT,
                                          .revocations_max = 100,
                                          .kv = memory_store_kv(s->store),
                                          .entropy = &s->entropy};
    assert_int_equal(keyring_new(&config, s->now.wall, &s->keyring), 0);
    assert_int_equal(keyring_generate(s->keyring, 1, s->now.wall, stored, NULL), 0);
    memory_store_turn(s->store);
}

static void add_agent(struct stage *s, enum peer peer)
{
    const struct edge_agent agent = {
        .name = (char *)(uintptr_t)peers[peer].name, .addr = address_of(peer), .transport = SIP_TCP};
    assert_int_equal(edge_options_agent(&s->options, &agent), 0);
}

struct stage *edge_stage_new(void)
{
    struct stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->now = (struct now){{1000000}, {INT64_C(1700000000000)}};
    s->seeded.state = 7;
    s->entropy = seeded_entropy_port(&s->seeded);
    assert_int_equal(memory_store_new(&s->store), 0);
    make_keys(s);
    edge_options_default(&s->options);
    assert_int_equal(edge_options_domain(&s->options, "a.example"), 0);
    assert_int_equal(edge_options_domain(&s->options, "second.example"), 0);
    add_agent(s, AGENT);
    add_agent(s, SPARE);
    edge_options_point(&s->options, EDGE_INSIDE, SIP_TCP, "10.0.0.9:5060");
    edge_options_point(&s->options, EDGE_OUTSIDE, SIP_TLS, "edge.a.example:5061");
    struct addr own;
    assert_int_equal(addr_parse(slice_str("203.0.113.1:5061"), 0, &own), 0);
    edge_options_own(&s->options, &own);
    s->options.suites[0] = SUITE_AES_CM_128_HMAC_SHA1_80; /* the only one, so that all offers have the same tag */
    s->options.suite_count = 1;
    s->domains[FAR] = "b.example";
    s->domains[OTHER] = "c.example";
    for (unsigned i = 0; i < PEERS; i++) {
        list_init(&s->inbox[i]);
        s->conns[i] = 100 + i;
    }
    region_init(&s->region, 1 << 20);
    s->media = (struct media_port){s, media_open, media_bind, media_set, media_close, media_figures};
    s->log = (struct log){written, s, LEVEL_INFO};
    return s;
}

static void let_go(struct stage *s, uint64_t conn)
{
    for (unsigned i = 0; i < s->held_count; i++)
        if (s->held[i] == conn)
            s->held[i--] = s->held[--s->held_count];
}

static void hold(void *ctx, uint64_t conn, bool is_needed)
{
    struct stage *s = ctx;
    const unsigned before = s->held_count;
    let_go(s, conn);
    assert_int_equal(s->held_count, is_needed ? before : before - 1);
    if (is_needed)
        s->held[s->held_count++] = conn;
}

static int share(void *ctx, uint64_t conn, unsigned side, const char *domain, const struct addr *target)
{
    struct stage *s = ctx;
    s->share.count++;
    s->share.conn = conn;
    s->share.side = side;
    snprintf(s->share.domain, sizeof s->share.domain, "%s", domain);
    addr_format(target, s->share.target);
    return s->share.err;
}

bool stage_holds(const struct stage *s, enum peer peer)
{
    for (unsigned i = 0; i < s->held_count; i++)
        if (s->held[i] == s->conns[peer])
            return true;
    return false;
}

void edge_stage_start(struct stage *s)
{
    s->ports.entropy = &s->entropy;
    s->ports.log = &s->log;
    s->ports.keyring = keyring_of;
    s->ports.keyring_ctx = s;
    s->ports.media = &s->media;
    s->ports.hold = hold;
    s->ports.hold_ctx = s;
    s->ports.share = share;
    s->ports.share_ctx = s;
    assert_int_equal(edge_new(&s->options, &s->ports, s->now, &s->edge), 0);
}

int edge_stage_setup(void **state)
{
    struct stage *s = edge_stage_new();
    edge_stage_start(s);
    *state = s;
    return 0;
}

static enum peer peer_of(const struct stage *s, const struct sip_hop *hop)
{
    for (unsigned i = 0; i < PEERS; i++) {
        struct addr addr = address_of((enum peer)i);
        if (hop->conn ? hop->conn == s->conns[i] : addr_eq(&addr, &hop->addr))
            return (enum peer)i;
    }
    return PEERS;
}

static void sent(struct stage *s, const struct edge_effect *e)
{
    enum peer peer = peer_of(s, e->hop);
    if (peer == PEERS)
        fail_msg("sent to nobody:\n%.*s", SLICE_PRINT(e->octets));
    struct sent *m = calloc(1, sizeof *m);
    assert_non_null(m);
    assert_true(e->octets.n < sizeof m->text);
    m->hop = *e->hop;
    memcpy(m->text, e->octets.p, e->octets.n);
    list_append(&s->inbox[peer], &m->link);
}

static void drain(struct stage *s)
{
    struct edge_effect e;
    do {
        while (edge_next(s->edge, s->now, &e)) {
            if (e.kind == EDGE_SEND)
                sent(s, &e);
            else if (e.kind == EDGE_CLOSE)
                s->last_closed_conn = e.conn;
            else
                s->stopped = true;
        }
        if (s->closed_count) {
            struct media_event event = {
                .kind = MEDIA_SUMMARY, .session = s->closed[--s->closed_count], .summary = s->summary};
            edge_media(s->edge, s->now, &event);
            continue;
        }
        return;
    } while (true);
}

int edge_stage_teardown(void **state)
{
    struct stage *s = *state;
    struct edge_left left;
    stage_run(s, 400000); /* whatever may still come */
    edge_left(s->edge, &left);
    assert_int_equal(left.calls, 0);
    assert_int_equal(left.dialogs, 0);
    assert_int_equal(left.subscriptions, 0);
    assert_int_equal(left.requests, 0);
    assert_int_equal(left.clients, 0);
    assert_int_equal(left.servers, 0);
    assert_int_equal(left.sessions, 0);
    assert_int_equal(left.timers, 0);
    assert_int_equal(s->open_count, 0);
    assert_int_equal(s->held_count, 0);
    edge_free(s->edge);
    keyring_free(s->keyring);
    edge_options_fini(&s->options);
    memory_store_free(s->store);
    free(s->taken);
    for (unsigned i = 0; i < PEERS; i++) {
        LIST_EACH(it, &s->inbox[i])
            free(CONTAINER_OF(it, struct sent, link));
    }
    region_fini(&s->region);
    free(s);
    return 0;
}

/* ---- what happens ---- */

void stage_run(struct stage *s, int64_t ms)
{
    const struct mono end = mono_after_ms(s->now.mono, ms);
    drain(s);
    for (;;) {
        struct mono due = mono_min(edge_deadline(s->edge), end);
        if (due.us > s->now.mono.us) {
            s->now.wall.ms += due.us / 1000 - s->now.mono.us / 1000;
            s->now.mono = due;
        }
        edge_tick(s->edge, s->now);
        drain(s);
        if (mono_due(end, s->now.mono))
            return;
    }
}

static void deliver(struct stage *s, enum peer peer, struct slice octets)
{
    char first[256];
    struct sip_flow flow = {.transport = peers[peer].transport,
                            .side = peers[peer].side,
                            .peer = address_of(peer),
                            .conn = s->conns[peer],
                            .peer_domains = s->domains[peer]};
    if (s->domains[peer]) {
        snprintf(first, sizeof first, "%s", s->domains[peer]);
        first[strcspn(first, " ")] = 0;
        flow.peer_domain = first;
    }
    edge_input(s->edge, s->now, &flow, octets);
    drain(s);
}

void stage_send(struct stage *s, enum peer peer, const char *text)
{
    deliver(s, peer, slice_str(text));
}

void stage_lose(struct stage *s, enum peer peer)
{
    struct sip_hop hop = {.transport = peers[peer].transport, .side = peers[peer].side, .addr = address_of(peer)};
    hop.conn = s->conns[peer];
    let_go(s, hop.conn); /* it is gone: nobody releases it */
    edge_lost(s->edge, s->now, &hop);
    hop.conn = 0;
    edge_lost(s->edge, s->now, &hop);
    s->conns[peer] += 100;
    drain(s);
}

void stage_unreachable(struct stage *s, enum peer peer)
{
    struct list *it = list_pop(&s->inbox[peer]);
    assert_non_null(it);
    struct sent *lost = CONTAINER_OF(it, struct sent, link);
    struct sip_hop hop = lost->hop;
    free(lost);
    edge_unreachable(s->edge, s->now, &hop);
    drain(s);
}

void stage_media(struct stage *s, struct media_event *event)
{
    assert_true(s->session_count > 0);
    event->session = s->sessions[s->session_count - 1].id;
    if (event->kind == MEDIA_LOST) {
        s->sessions[s->session_count - 1].is_open = false;
        s->open_count--;
    }
    edge_media(s->edge, s->now, event);
    drain(s);
}

const struct sip_message *stage_take(struct stage *s, enum peer peer, const char *what)
{
    struct list *it = list_pop(&s->inbox[peer]);
    free(s->taken);
    s->taken = NULL;
    region_fini(&s->region);
    region_init(&s->region, 1 << 20);
    if (!it)
        fail_msg("%s was sent nothing, not %s; last event: %s %s", peers[peer].name, what, s->last_event, s->last_line);
    s->taken = CONTAINER_OF(it, struct sent, link);
    struct fault fault;
    unsigned status;
    assert_int_equal(sip_parse(&s->region, slice_str(s->taken->text), SIP_DATAGRAM, &s->message, &fault), 0);
    if (sip_check(&s->message, &status, &fault) < 0)
        fail_msg("octet %zu: %s in\n%s", fault.octet, fault.rule, s->taken->text);
    char got[16];
    snprintf(got, sizeof got, "%u", s->message.status);
    if (s->message.is_request ? !slice_eq_str(s->message.method_text, what) : strcmp(got, what) != 0)
        fail_msg("%s was sent, not %s:\n%s\nlast event: %s %s", peers[peer].name, what, s->taken->text, s->last_event,
                 s->last_line);
    if (peers[peer].side == EDGE_OUTSIDE) {
        const struct slice leak = alg_find_leak(&s->options, &s->region, slice_str(s->taken->text));
        if (leak.n)
            fail_msg("%.*s is told to the outside:\n%s", SLICE_PRINT(leak), s->taken->text);
    }
    return &s->message;
}

void stage_quiet(struct stage *s)
{
    for (unsigned i = 0; i < PEERS; i++) {
        if (!list_empty(&s->inbox[i]))
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

const char *stage_text(struct stage *s)
{
    return s->taken->text;
}

const struct edge_counters *stage_counters(const struct stage *s)
{
    return edge_counters(s->edge);
}

/* ---- tickets ---- */

const char *stage_ticket(struct stage *s, const char *number, const char *granted_to, int64_t from_ms, int64_t to_ms)
{
    static char header[TICKET_TEXT_OCTETS_MAX + 64];
    struct e164 called;
    struct buf text;
    buf_init(&text, TICKET_TEXT_OCTETS_MAX);
    assert_true(e164_parse(slice_str(number), &called));
    assert_int_equal(keyring_issue(s->keyring, &called, slice_str(granted_to), wall_after_ms(s->now.wall, from_ms),
                                   wall_after_ms(s->now.wall, to_ms), &text, NULL),
                     0);
    snprintf(header, sizeof header, "X-Cisco-ViPR-Ticket: %.*s\r\n", SLICE_PRINT(buf_slice(&text)));
    buf_fini(&text);
    return header;
}

const char *stage_good_ticket(struct stage *s)
{
    return stage_ticket(s, OURS, "b.example", -1000, 3600000);
}

/* ---- talks ---- */

static void keep(char out[STAGE_TEXT_OCTETS], struct slice s)
{
    snprintf(out, STAGE_TEXT_OCTETS, "%.*s", SLICE_PRINT(s));
}

static void keep_target(struct talk *t)
{
    const struct sip_field *f = sip_field_first(&t->stage->message, SIP_CONTACT);
    struct sip_address address;
    if (!f)
        return;
    struct sip_cursor c = sip_field_cursor(&t->stage->message, f);
    assert_true(sip_read_address(&c, &address));
    keep(t->target, address.uri);
}

static const char *via_of(const struct talk *t, const char *branch)
{
    static char text[STAGE_TEXT_OCTETS];
    const bool is_outside = peers[t->peer].side == EDGE_OUTSIDE;
    const struct stage *s = t->stage;
    snprintf(text, sizeof text, "Via: SIP/2.0/%s %s;branch=%s%s\r\n", sip_transport_name(peers[t->peer].transport),
             is_outside && s->sent_by ? s->sent_by : peers[t->peer].address, branch,
             is_outside && s->via_params ? s->via_params : "");
    return text;
}

static const char *via(struct talk *t)
{
    char branch[32];
    snprintf(branch, sizeof branch, "z9hG4bK%u", ++t->stage->branch);
    return via_of(t, branch);
}

static const char *invite_via(struct talk *t)
{
    snprintf(t->invite_branch, sizeof t->invite_branch, "z9hG4bK%u", ++t->stage->branch);
    t->failed = false;
    return via_of(t, t->invite_branch);
}

static const char *contact_of(const struct talk *t)
{
    static char text[STAGE_TEXT_OCTETS];
    if (t->contact)
        return t->contact;
    snprintf(text, sizeof text, "sip:%s@%s;transport=%s", peers[t->peer].name, peers[t->peer].address,
             peers[t->peer].transport == SIP_TLS ? "tls" : "tcp");
    return text;
}

static void write_request(struct talk *t, const char *method, unsigned cseq, const char *via_line, const char *more,
                          const char *body)
{
    char text[STAGE_MESSAGE_OCTETS];
    int n = snprintf(text, sizeof text,
                     "%s %s SIP/2.0\r\n%sMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u "
                     "%s\r\nContact: <%s>\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                     method, t->target, via_line, t->local, t->remote, t->call_id, cseq, method, contact_of(t),
                     more ? more : "", body ? "Content-Type: application/sdp\r\n" : "", body ? strlen(body) : 0,
                     body ? body : "");
    assert_true(n > 0 && (size_t)n < sizeof text);
    deliver(t->stage, t->peer, slice_of(text, (size_t)n));
}

static void talk_init(struct stage *s, struct talk *t, enum peer peer)
{
    memset(t, 0, sizeof *t);
    t->stage = s;
    t->peer = peer;
    t->sdp = peers[peer].side == EDGE_INSIDE ? stage_plain_sdp : stage_secure_sdp;
}

void talk_ask(struct stage *s, struct talk *t, enum peer peer, const char *method, const char *more, const char *body)
{
    const bool is_inside = peers[peer].side == EDGE_INSIDE;
    talk_init(s, t, peer);
    snprintf(t->tag, sizeof t->tag, "from%u", s->branch);
    snprintf(t->call_id, sizeof t->call_id, "call-%u", s->branch);
    snprintf(t->local, sizeof t->local, "\"Ann\" <sip:%s>;tag=%s", is_inside ? OURS "@a.example" : THEIRS "@b.example",
             t->tag);
    snprintf(t->remote, sizeof t->remote, "<sip:%s>", is_inside ? THEIRS "@b.example" : OURS "@a.example");
    snprintf(t->target, sizeof t->target, "sip:%s;user=phone", is_inside ? THEIRS "@b.example" : OURS "@a.example");
    t->cseq = 101;
    t->invite_cseq = 102;
    talk_request(t, method, more, body);
}

void talk_call_with(struct stage *s, struct talk *t, enum peer peer, const char *more)
{
    talk_ask(s, t, peer, "INVITE", more, peers[peer].side == EDGE_INSIDE ? stage_plain_sdp : stage_secure_sdp);
}

void talk_asked_first(struct stage *s, struct talk *t, enum peer peer, const char *method)
{
    talk_init(s, t, peer);
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
    talk_answer_as(t, status, t->tag, more);
}

void talk_answer_as(struct talk *t, unsigned status, const char *tag, const char *more)
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
    sip_begin_answer(&out, &m, status, NULL, slice_str(tag));
    if (status > 100 && status < 300)
        sip_put_text(&out, SIP_CONTACT, "<%s>", contact_of(t));
    if (more)
        buf_str(&out, more);
    const bool describes =
        t->sdp && status > 180 && status < 300 && (m.method == SIP_INVITE || (m.method == SIP_UPDATE && m.body.n));
    if (describes)
        sip_put_text(&out, SIP_CONTENT_TYPE, "application/sdp");
    sip_end(&out, describes ? slice_str(t->sdp) : (struct slice){0});
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
    if (m->method != SIP_ACK)
        snprintf(t->request, sizeof t->request, "%s", stage_text(t->stage));
}

void talk_request(struct talk *t, const char *method, const char *more, const char *body)
{
    const bool invites = !strcmp(method, "INVITE");
    if (invites)
        t->invite_cseq = t->cseq + 1;
    write_request(t, method, ++t->cseq, invites ? invite_via(t) : via(t), more, body);
}

void talk_ack_with(struct talk *t, const char *body)
{
    write_request(t, "ACK", t->invite_cseq, t->failed ? via_of(t, t->invite_branch) : via(t), NULL, body);
}

void talk_ack(struct talk *t)
{
    talk_ack_with(t, NULL);
}

void talk_cancel(struct talk *t)
{
    write_request(t, "CANCEL", t->invite_cseq, via_of(t, t->invite_branch), NULL, NULL);
}

void talk_begin(struct stage *s, struct talk *caller, enum peer from, struct talk *called, enum peer to)
{
    talk_call_with(s, caller, from, peers[from].side == EDGE_INSIDE ? WAY : stage_good_ticket(s));
    talk_asked_first(s, called, to, "INVITE");
}

void talk_accept(struct talk *caller, struct talk *called)
{
    talk_answer(called, 200, NULL);
    talk_heard(caller, "200");
    talk_ack(caller);
    talk_asked(called, "ACK");
}

void talk_connect(struct stage *s, struct talk *caller, enum peer from, struct talk *called, enum peer to)
{
    talk_begin(s, caller, from, called, to);
    talk_answer(called, 180, NULL);
    talk_heard(caller, "180");
    talk_accept(caller, called);
}

void talk_pass(struct talk *from, struct talk *to, const char *method, const char *more, unsigned status)
{
    char text[8];
    snprintf(text, sizeof text, "%u", status);
    talk_request(from, method, more, NULL);
    talk_asked(to, method);
    talk_answer(to, status, NULL);
    talk_heard(from, text);
}

void talk_bye(struct talk *from, struct talk *to)
{
    talk_pass(from, to, "BYE", NULL, 200);
    stage_quiet(from->stage);
}
