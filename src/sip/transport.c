/* Messages to and from connections and datagrams, and the deadlines of connections. */
#include "sip/transport_private.h"

#define OUT_OCTETS_MAX (64u << 20)
#define DATAGRAM_PAYLOAD_OCTETS_MAX 65507
#define BREAKS "\r\n\r\n"

COUNTERS_DEFINE(sip_net_counters, SIP_NET_COUNTERS)

void sip_net_config_init(struct sip_net_config *config)
{
    *config = (struct sip_net_config){
        .conns_max = 8192,
        .conns_reserved = 1024,
        .conns_per_source_max = 64,
        .conns_per_peer_max = 1024,
        .queue_octets_max = 256u << 10,
        .waiting_octets_max = 8u << 20,
        .partial_octets_max = 32u << 20,
        .connect_ms = 5000,
        .accept_ms = 10000,
        .first_ms = 30000,
        .message_ms = 10000,
        .idle_ms = 600000,
        .keepalive_ms = 15000,
        .pong_ms = 10000,
        .no_tcp_ms = 600000,
        .spare_ms = 60000,
    };
}

int sip_net_new(const struct sip_net_config *config, const struct log *log, struct sip_net **ret_net)
{
    struct sip_net *n = mem_alloc(sizeof *n);
    if (!n)
        return ERR_NO_MEMORY;
    n->config = *config;
    if (n->config.conns_max > SIP_CONNS_MAX)
        n->config.conns_max = SIP_CONNS_MAX;
    if (n->config.conns_reserved > n->config.conns_max)
        n->config.conns_reserved = n->config.conns_max;
    n->log = log;
    map_init(&n->by_hop, 2 * n->config.conns_max, config->seed); /* each may have an alias */
    map_init(&n->sources, n->config.conns_max, config->seed);
    list_init(&n->quiet[0]);
    list_init(&n->quiet[1]);
    list_init(&n->held);
    list_init(&n->dead);
    heap_init(&n->deadlines);
    buf_init(&n->out, OUT_OCTETS_MAX);
    buf_init(&n->scratch, SIP_MESSAGE_OCTETS_MAX);
    map_init(&n->no_tcp, SIZE_MAX, config->seed);
    *ret_net = n;
    return 0;
}

void sip_net_free(struct sip_net *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->slot_count; i++)
        if (n->slots[i])
            sip_conn_end(n, n->slots[i]);
    sip_conn_free_dead(n);
    sip_large_fini(n);
    map_fini(&n->by_hop);
    map_fini(&n->sources);
    heap_fini(&n->deadlines);
    buf_fini(&n->out);
    buf_fini(&n->scratch);
    mem_free(n->slots);
    mem_free(n->free_slots);
    mem_free(n->effects);
    mem_free(n);
}

size_t sip_net_conns(const struct sip_net *n)
{
    return n->conn_count;
}

const struct sip_net_counters *sip_net_counters(const struct sip_net *n)
{
    return &n->counters;
}

/* ---- effects ---- */

static int grow_effects(struct sip_net *n)
{
    size_t capacity = n->effect_capacity ? n->effect_capacity * 2 : 16;
    struct effect *effects = mem_alloc(capacity * sizeof *effects);
    if (!effects)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < n->effect_count; i++)
        effects[i] = n->effects[(n->effect_first + i) % n->effect_capacity];
    mem_free(n->effects);
    n->effects = effects;
    n->effect_capacity = capacity;
    n->effect_first = 0;
    return 0;
}

static struct effect *effect_at(struct sip_net *n, size_t i)
{
    return &n->effects[(n->effect_first + i) % n->effect_capacity];
}

/* NULL: no memory; the message or the notice is lost, as the network might have lost it. */
static struct effect *effect_add(struct sip_net *n, enum sip_net_effect_kind kind, uint64_t conn, struct slice octets)
{
    size_t at = n->out.n;
    buf_slice_put(&n->out, octets);
    if (n->out.err || (n->effect_count == n->effect_capacity && grow_effects(n))) {
        n->out.err = 0;
        n->out.n = at;
        n->counters.memory_refused++;
        return NULL;
    }
    struct effect *e = effect_at(n, n->effect_count++);
    e->kind = kind;
    e->conn = conn;
    e->at = at;
    e->octets = octets.n;
    return e;
}

/* Of the host only what is there. */
static void copy_hop(struct sip_hop *to, const struct sip_hop *from)
{
    memcpy(to, from, offsetof(struct sip_hop, host));
    memcpy(to->host, from->host, strlen(from->host) + 1);
}

static struct effect *add_hop(struct sip_net *n, enum sip_net_effect_kind kind, const struct sip_hop *hop,
                              struct slice octets)
{
    struct effect *e = effect_add(n, kind, hop->conn, octets);
    if (e) {
        copy_hop(&e->hop, hop);
        e->is_away = false;
    }
    return e;
}

static bool hop_eq(const struct sip_hop *a, const struct sip_hop *b)
{
    return a->transport == b->transport && a->side == b->side && a->conn == b->conn && addr_eq(&a->addr, &b->addr) &&
           strcmp(a->host, b->host) == 0;
}

static struct effect *tell_of(struct sip_net *n, enum sip_net_effect_kind kind, const struct sip_hop *hop)
{
    struct effect *e = n->effect_count ? effect_at(n, n->effect_count - 1) : NULL;
    if (e && e->kind == kind && hop_eq(&e->hop, hop))
        return e;
    n->counters.unreachable++;
    return add_hop(n, kind, hop, (struct slice){0});
}

static void unreachable(struct sip_net *n, const struct sip_hop *hop, bool is_away)
{
    struct effect *e = tell_of(n, SIP_NET_UNREACHABLE, hop);
    if (e && is_away)
        e->is_away = true;
}

/* ---- the end of connections ---- */

/* The connection is gone. Whoever waits for something from it hears of it, by whichever hop it was that led there. */
static void lost(struct sip_net *n, struct now now, struct conn *c)
{
    struct sip_hop hop = c->hop;
    const struct sip_hop *alias = c->alias;
    uint64_t asked_for = c->asked_for;
    bool was_up = c->state != CONN_OPENING;
    bool accepted = c->accepted;
    if (c->is_for_large && !was_up)
        sip_large_fall_back(n, now, c);
    sip_conn_end(n, c);
    if (!was_up) {
        hop.conn = asked_for;
        if (asked_for)
            unreachable(n, &hop, true);
        hop.conn = 0;
        if (!accepted)
            unreachable(n, &hop, true);
        return;
    }
    n->counters.lost++;
    tell_of(n, SIP_NET_LOST, &hop);
    hop.conn = asked_for;
    if (asked_for)
        tell_of(n, SIP_NET_LOST, &hop);
    hop.conn = 0;
    tell_of(n, SIP_NET_LOST, &hop);
    if (alias)
        tell_of(n, SIP_NET_LOST, alias);
}

static void end(struct sip_net *n, struct now now, struct conn *c, const char *why)
{
    char peer[ADDR_TEXT_OCTETS];
    log_event(n->log, LEVEL_DEBUG, "sip.connection.end", "transport=%s peer=%s reason=\"%s\"",
              sip_transport_name(c->hop.transport), addr_format(&c->hop.addr, peer), why);
    effect_add(n, SIP_NET_CLOSE, c->hop.conn, (struct slice){0});
    lost(n, now, c);
}

/* Nothing is read from it anymore; an answer may still be sent. */
static void drain(struct sip_net *n, struct now now, struct conn *c)
{
    sip_conn_hide(n, c);
    c->state = CONN_DRAINING;
    c->since = now.mono;
    sip_conn_schedule(n, c);
}

/* ---- room for further ones ---- */

static bool is_full(const struct sip_net *n, bool for_known)
{
    const struct sip_net_config *config = &n->config;
    return n->conn_count >= config->conns_max ||
           (!for_known && n->stranger_count >= config->conns_max - config->conns_reserved);
}

/* The one that gives way: it was quiet for longest. Those of strangers come first, and no other gives way to a stranger's. NULL: none. */
static struct conn *spare(const struct sip_net *n, struct now now, bool for_known)
{
    for (unsigned known = 0; known <= (unsigned)for_known; known++) {
        const struct list *quiet = &n->quiet[known];
        struct conn *c = list_empty(quiet) ? NULL : CONTAINER_OF(quiet->next, struct conn, link);
        if (c && mono_due(mono_after_ms(c->used, n->config.spare_ms), now.mono))
            return c;
    }
    return NULL;
}

/* False: there is none, which is counted. */
static bool make_room(struct sip_net *n, struct now now, bool for_known)
{
    struct conn *c;
    if (!is_full(n, for_known))
        return true;
    if (!(c = spare(n, now, for_known))) {
        n->counters.refused_connections++;
        return false;
    }
    n->counters.closed_spare++;
    end(n, now, c, "gives way to another");
    return true;
}

enum sip_net_room sip_net_room(struct sip_net *n, struct now now, const struct addr *peer, bool is_known)
{
    const size_t same = sip_conn_source_count(n, peer);
    if (same >= (is_known ? n->config.conns_per_peer_max : n->config.conns_per_source_max)) {
        *(is_known ? &n->counters.refused_peer : &n->counters.refused_source) += 1;
        return SIP_NET_SOURCE_FULL;
    }
    if (!is_full(n, is_known) || spare(n, now, is_known))
        return SIP_NET_ROOM;
    n->counters.refused_connections++;
    return SIP_NET_FULL;
}

/* ---- time ---- */

/* What has run out for this connection, if anything. */
static const char *overdue(struct sip_net *n, struct now now, const struct conn *c)
{
    const struct sip_net_config *config = &n->config;
    if (c->state == CONN_DRAINING)
        return "after its last message";
    if (c->state == CONN_OPENING && !c->accepted) {
        n->counters.connect_timeouts++;
        return "does not come up";
    }
    if (c->state == CONN_OPENING) {
        n->counters.closed_half_open++;
        return "half-open";
    }
    if (sip_framer_begun(&c->framer) && mono_due(mono_after_ms(c->begun, config->message_ms), now.mono)) {
        n->counters.closed_slow++;
        return "its message does not end";
    }
    if (c->accepted && !c->spoken && mono_due(mono_after_ms(c->since, config->first_ms), now.mono)) {
        n->counters.closed_silent++;
        return "nothing came";
    }
    if (!c->holds && mono_due(mono_after_ms(c->used, config->idle_ms), now.mono)) {
        n->counters.closed_idle++;
        return "idle";
    }
    if (c->pinged && c->answers_pings) {
        n->counters.closed_no_pong++;
        return "keep-alive not answered";
    }
    return NULL;
}

/* RFC 5626 3.5.1. A side that has never answered may ignore line ends (RFC 3261 7.5): it is asked again the next time. */
static void keep_alive(struct sip_net *n, struct now now, struct conn *c)
{
    if (!c->pinged) {
        n->counters.pings_out++;
        effect_add(n, SIP_NET_WRITE, c->hop.conn, slice_str(BREAKS));
    }
    c->pinged = !c->pinged;
    c->heard = now.mono;
    sip_conn_schedule(n, c);
}

void sip_net_tick(struct sip_net *n, struct now now)
{
    struct heap_node *node;
    while ((node = heap_pop_due(&n->deadlines, now.mono))) {
        struct conn *c = CONTAINER_OF(node, struct conn, timer);
        if (!mono_due(sip_conn_due(n, c), now.mono)) {
            sip_conn_schedule(n, c);
            continue;
        }
        const char *why = overdue(n, now, c);
        if (why)
            end(n, now, c, why);
        else
            keep_alive(n, now, c);
    }
}

struct mono sip_net_deadline(const struct sip_net *n)
{
    return heap_deadline(&n->deadlines);
}

/* ---- from above ---- */

/* Until it is up. */
static int wait_for(struct sip_net *n, struct conn *c, struct slice octets)
{
    if (octets.n > n->config.waiting_octets_max - n->waiting_octets)
        return ERR_LIMIT;
    size_t before = c->waiting.n;
    buf_slice_put(&c->waiting, octets);
    if (c->waiting.err) {
        int err = c->waiting.err;
        c->waiting.err = 0;
        c->waiting.n = before;
        return err;
    }
    n->waiting_octets += octets.n;
    return 0;
}

static struct conn *connect_to(struct sip_net *n, struct now now, const struct sip_hop *hop)
{
    struct conn *c;
    if (!make_room(n, now, true) || sip_conn_new(n, now, hop, false, true, &c) != 0)
        return NULL;
    n->counters.connected++;
    c->asked_for = hop->conn;
    add_hop(n, SIP_NET_CONNECT, &c->hop, (struct slice){0});
    return c;
}

/* Over a connection. NULL: there is none, and the hop was told of. */
static struct conn *send_stream(struct sip_net *n, struct now now, const struct sip_hop *hop, struct slice octets)
{
    struct conn *c = sip_conn_for(n, hop);
    if (c)
        n->counters.reused++;
    else if (hop->addr.family && hop->addr.port)
        c = connect_to(n, now, hop);
    if (!c) {
        unreachable(n, hop, false);
        return NULL;
    }
    sip_conn_use(n, now, c);
    c->messages_out++;
    c->octets_out += octets.n;
    if (c->state != CONN_OPENING) {
        effect_add(n, SIP_NET_WRITE, c->hop.conn, octets);
    } else if (wait_for(n, c, octets)) {
        n->counters.refused_waiting++;
        unreachable(n, hop, false);
    }
    return c;
}

void sip_net_send_datagram(struct sip_net *n, const struct sip_hop *hop, struct slice octets)
{
    if (octets.n > DATAGRAM_PAYLOAD_OCTETS_MAX || !hop->addr.family || !hop->addr.port) {
        n->counters.refused_size += octets.n > DATAGRAM_PAYLOAD_OCTETS_MAX;
        unreachable(n, hop, false);
    } else {
        add_hop(n, SIP_NET_DATAGRAM, hop, octets);
    }
}

static void send_large(struct sip_net *n, struct now now, const struct sip_hop *hop, struct slice octets)
{
    struct conn *c = send_stream(n, now, hop, octets);
    n->counters.large_by_tcp++;
    if (c && !c->accepted && !c->is_for_large) {
        c->is_for_large = true;
        n->large_conns++;
    }
}

void sip_net_send(struct sip_net *n, struct now now, const struct sip_hop *hop, struct slice octets)
{
    struct sip_hop tcp_hop;
    struct slice tcp_octets;
    n->counters.messages_out++;
    n->counters.octets_out += octets.n;
    if (hop->transport != SIP_UDP)
        send_stream(n, now, hop, octets);
    else if (sip_large_by_tcp(n, now, hop, octets, &tcp_hop, &tcp_octets))
        send_large(n, now, &tcp_hop, tcp_octets);
    else
        sip_net_send_datagram(n, hop, octets);
}

void sip_net_close(struct sip_net *n, struct now now, uint64_t conn)
{
    struct conn *c = sip_conn_find(n, conn);
    if (c)
        end(n, now, c, "as asked");
}

/* ---- from below ---- */

int sip_net_accepted(struct sip_net *n, struct now now, enum sip_transport transport, unsigned side,
                     const struct addr *peer, const struct addr *local, bool is_known, uint64_t *ret_conn)
{
    struct sip_hop hop = {.transport = transport, .side = side, .addr = *peer};
    struct conn *c;
    if (sip_net_room(n, now, peer, is_known) != SIP_NET_ROOM || !make_room(n, now, is_known))
        return ERR_LIMIT;
    int err = sip_conn_new(n, now, &hop, true, is_known, &c);
    if (err)
        return err;
    n->counters.accepted++;
    c->local = *local;
    *ret_conn = c->hop.conn;
    return 0;
}

static bool keep_domains(struct conn *c, const char *peer_domains)
{
    c->peer_domains = mem_strdup(peer_domains);
    c->peer_domain = mem_strdup(peer_domains);
    if (!c->peer_domains || !c->peer_domain)
        return false;
    c->peer_domain[strcspn(peer_domains, " ")] = 0;
    return true;
}

void sip_net_up(struct sip_net *n, struct now now, uint64_t conn, const struct addr *local, const char *peer_domains)
{
    struct conn *c = sip_conn_find(n, conn);
    if (!c || c->state != CONN_OPENING)
        return;
    if (peer_domains && !keep_domains(c, peer_domains)) {
        n->counters.memory_refused++;
        end(n, now, c, "no memory");
        return;
    }
    c->state = CONN_UP;
    c->since = c->heard = now.mono;
    c->local = *local;
    sip_conn_use(n, now, c);
    if (c->waiting.n) {
        effect_add(n, SIP_NET_WRITE, conn, buf_slice(&c->waiting));
        n->waiting_octets -= c->waiting.n;
        buf_fini(&c->waiting);
    }
    sip_conn_schedule(n, c);
}

void sip_net_down(struct sip_net *n, struct now now, uint64_t conn)
{
    struct conn *c = sip_conn_find(n, conn);
    if (c)
        lost(n, now, c);
}

void sip_net_input(struct sip_net *n, struct now now, uint64_t conn, struct slice octets)
{
    struct conn *c = sip_conn_find(n, conn);
    if (!c || c->state != CONN_UP)
        return;
    n->counters.octets_in += octets.n;
    c->octets_in += octets.n;
    if (c->pinged && octets.n >= 2 && memcmp(octets.p, BREAKS, 2) == 0 && !sip_framer_begun(&c->framer)) {
        c->answers_pings = true;
        octets = slice_of(octets.p + 2, octets.n - 2); /* two answers are no ping, and nothing that was used */
    }
    c->pinged = false;
    c->heard = now.mono;
    n->reading = c;
    n->input = octets;
    n->flow = (struct sip_flow){
        .transport = c->hop.transport,
        .side = c->hop.side,
        .peer = c->hop.addr,
        .local = c->local,
        .conn = conn,
        .peer_domain = c->peer_domain,
        .peer_domains = c->peer_domains,
        .identity = c->identity,
    };
}

/* Some keep the holes of their NATs open with such; they are nobody's message. */
static bool is_keep_alive(struct slice octets)
{
    for (size_t i = 0; i < octets.n; i++)
        if (octets.p[i] != '\r' && octets.p[i] != '\n' && octets.p[i] != 0)
            return false;
    return true;
}

void sip_net_datagram(struct sip_net *n, struct now now, unsigned side, const struct addr *peer,
                      const struct addr *local, struct slice octets)
{
    (void)now;
    n->counters.octets_in += octets.n;
    if (is_keep_alive(octets)) {
        n->counters.pings_in++;
        return;
    }
    n->reading = NULL;
    n->has_datagram = true;
    n->input = octets;
    n->flow = (struct sip_flow){.transport = SIP_UDP, .side = side, .peer = *peer, .local = *local};
}

void sip_net_datagram_failed(struct sip_net *n, struct now now, unsigned side, const struct addr *peer)
{
    struct sip_hop hop = {.transport = SIP_UDP, .side = side, .addr = *peer};
    (void)now;
    unreachable(n, &hop, true);
}

/* ---- what comes out ---- */

static void give(struct sip_net *n, const struct effect *e, struct sip_net_effect *ret_effect)
{
    if (e->kind != SIP_NET_WRITE && e->kind != SIP_NET_CLOSE)
        copy_hop(&n->told_hop, &e->hop);
    *ret_effect = (struct sip_net_effect){
        .kind = e->kind,
        .conn = e->conn,
        .hop = &n->told_hop,
        .is_away = e->is_away,
        .octets = slice_of(n->out.p + e->at, e->octets),
    };
    n->effect_first = (n->effect_first + 1) % n->effect_capacity;
    n->effect_count--;
}

static void give_message(struct sip_net *n, struct slice octets, struct sip_net_effect *ret_effect)
{
    n->counters.messages_in++;
    *ret_effect = (struct sip_net_effect){
        .kind = SIP_NET_MESSAGE,
        .conn = n->flow.conn,
        .flow = &n->flow,
        .octets = octets,
    };
}

/* A quarter is not for strangers. */
static size_t partial_octets_max(const struct sip_net *n, const struct conn *c)
{
    size_t max = n->config.partial_octets_max;
    return c->is_known ? max : max - max / 4;
}

/* All input was looked at: what is kept of it is counted, and must be whole in time. */
static void input_over(struct sip_net *n, struct now now, struct conn *c, bool had_begun)
{
    size_t memory = sip_framer_memory(&c->framer);
    n->reading = NULL;
    n->partial_octets = n->partial_octets - c->partial_octets + memory;
    c->partial_octets = memory;
    if (sip_framer_begun(&c->framer) && n->partial_octets > partial_octets_max(n, c)) {
        n->counters.refused_partial++;
        end(n, now, c, "no room for its message");
        return;
    }
    if (sip_framer_begun(&c->framer) && !had_begun)
        c->begun = now.mono;
    sip_conn_schedule(n, c);
}

/* No further message can be found in what comes. A request whose head is there is answered by those above; then the connection ends. */
__attribute__((cold)) static bool framing_failed(struct sip_net *n, struct now now, struct conn *c, struct slice head,
                                                 struct sip_net_effect *ret_effect)
{
    n->counters.bad_framing++;
    n->reading = NULL;
    if (!head.n) {
        end(n, now, c, "no SIP message");
        return false;
    }
    drain(n, now, c);
    give_message(n, head, ret_effect);
    return true;
}

/* The next message of the connection that is read. False: there is none, but there may be effects. */
static bool next_message(struct sip_net *n, struct now now, struct conn *c, struct sip_net_effect *ret_effect)
{
    struct slice message;
    bool had_begun = sip_framer_begun(&c->framer);
    int framed = sip_framer_next(&c->framer, &n->input, &message);
    if (framed == SIP_FRAMED_NOTHING) {
        input_over(n, now, c, had_begun);
        return false;
    }
    if (framed < 0)
        return framing_failed(n, now, c, message, ret_effect);
    c->spoken = true;
    sip_conn_use(n, now, c);
    if (framed == SIP_FRAMED_PING) {
        n->counters.pings_in++;
        effect_add(n, SIP_NET_WRITE, c->hop.conn, slice_str("\r\n"));
        return false;
    }
    c->messages_in++;
    give_message(n, message, ret_effect);
    return true;
}

bool sip_net_next(struct sip_net *n, struct now now, struct sip_net_effect *ret_effect)
{
    sip_conn_free_dead(n);
    for (;;) {
        if (n->effect_count) {
            give(n, effect_at(n, 0), ret_effect);
            return true;
        }
        buf_clear(&n->out);
        if (n->has_datagram) {
            n->has_datagram = false;
            give_message(n, n->input, ret_effect);
            return true;
        }
        if (!n->reading)
            return false;
        if (next_message(n, now, n->reading, ret_effect))
            return true;
    }
}
