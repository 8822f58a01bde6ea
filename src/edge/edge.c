/* Life and time of the edge; events of the transaction layer; effects. */
#include "edge/internal.h"

#include "base/text.h"

#include <stdio.h>

#define MESSAGE_OCTETS_MAX (SIP_MESSAGE_OCTETS_MAX + 8192)
#define SCRATCH_OCTETS_MAX (1024 * 1024)
#define STOP_MS 5000
#define TRUNKS_EVERY_MS 5000

COUNTERS_DEFINE(edge_counters, EDGE_COUNTERS)

/* ---- small things that all files use ---- */

int edge_timer_set(struct edge *e, struct edge_timer *t, int64_t after_ms)
{
    return heap_set(&e->timers, &t->node, mono_after_ms(e->now.mono, after_ms));
}

void edge_timer_stop(struct edge *e, struct edge_timer *t)
{
    heap_remove(&e->timers, &t->node);
}

struct slice edge_print(struct edge *e, const char *format, ...)
{
    va_list args;
    buf_clear(&e->text);
    va_start(args, format);
    buf_vprintf(&e->text, format, args);
    va_end(args);
    return e->text.err ? (struct slice){0} : region_copy(&e->scratch, buf_slice(&e->text));
}

const char *edge_point(const struct edge *e, enum edge_side side, enum sip_transport transport)
{
    const char *point = e->options->points[side][transport];
    for (unsigned other = SIP_TCP; !point && other <= SIP_TLS; other++)
        point = e->options->points[side][other];
    return point ? point : "edge.invalid";
}

void edge_answer(struct edge *e, uint64_t server, unsigned status, const char *name, struct slice value)
{
    const struct sip_message *request = sip_server_request(e->layer, server);
    if (!request)
        return;
    buf_clear(&e->octets);
    sip_begin_answer(&e->octets, request, status, NULL, sip_server_tag(e->layer, server));
    if (name)
        sip_put_named(&e->octets, name, value);
    sip_end(&e->octets, (struct slice){0});
    if (e->octets.err || sip_server_respond(e->layer, e->now, server, buf_slice(&e->octets)) < 0)
        sip_server_forget(e->layer, server); /* no memory: whoever asked asks again */
}

struct slice edge_reason(struct edge *e, enum edge_cause cause, const char *text)
{
    return edge_print(e, "X-IME ;cause=%d ;text=\"%s\"", (int)cause, text ? text : "");
}

/* What is wrong with a message. Not of what is to be asked once more in another way: extensions (420), glare (491). */
static bool is_told_why(unsigned status)
{
    return status >= 400 && status < 500 && status != 420 && status != 491;
}

void edge_refuse(struct edge *e, uint64_t server, unsigned status, enum edge_cause cause, const char *text)
{
    if (cause == EDGE_CAUSE_NONE && e->rule && is_told_why(status))
        edge_answer(e, server, status, "Reason", edge_reason(e, EDGE_CAUSE_UNKNOWN, e->rule));
    else if (cause == EDGE_CAUSE_NONE)
        edge_answer(e, server, status, status == 503 || status == 500 ? "Retry-After" : NULL, slice_str("5"));
    else
        edge_answer(e, server, status, "Reason", edge_reason(e, cause, text));
}

void edge_drop(struct edge *e, const struct sip_event *event)
{
    sip_server_forget(e->layer, event->server);
}

void edge_close_conn(struct edge *e, uint64_t conn)
{
    edge_conn_lost(e, conn);
    if (conn && e->close_count < sizeof e->close_conns / sizeof e->close_conns[0])
        e->close_conns[e->close_count++] = conn;
}

/* ---- life ---- */

/* Far domains that were quiet for long: their connections end. */
static void trunks_due(struct edge *e, void *owner)
{
    uint64_t conns[EDGE_TRUNK_CONNS_MAX];
    size_t n;
    (void)owner;
    while (e->close_count + EDGE_TRUNK_CONNS_MAX <= sizeof e->close_conns / sizeof e->close_conns[0] &&
           edge_trunk_expire(&e->trunks, e->now, e->options->trunk_idle_ms, conns, &n)) {
        for (size_t i = 0; i < n; i++)
            edge_close_conn(e, conns[i]);
    }
    edge_timer_set(e, &e->trunk_timer, TRUNKS_EVERY_MS);
}

static int make(struct edge *e)
{
    struct sip_layer_config config;
    sip_layer_config_init(&config);
    const size_t requests = 4 * e->options->calls_max + e->options->requests_max + 1024;
    config.clients_max = requests;
    config.servers_max = requests;
    config.timer_c_ms = e->options->ring_ms + LINGER_MS;
    config.octets_max = e->options->octets_max;
    config.refuse_merged = false;
    config.shares_from_side = EDGE_OUTSIDE;
    config.may_answer = edge_client_may_hear;
    config.may_answer_ctx = e;
    /* Whoever is there has shown a certificate, and is held to a rate (trunk.h): as many as that allows in the time that they are kept. */
    const size_t at_rate = (size_t)e->options->requests_per_domain_max * (LINGER_MS / 1000 + 1) * 2;
    if (config.servers_per_source_max < at_rate)
        config.servers_per_source_max = at_rate;
    config.seed = entropy_u64(e->ports.entropy);
    int err = sip_layer_new(&config, e->ports.entropy, e->ports.log, &e->layer);
    return err ? err : edge_timer_set(e, &e->trunk_timer, TRUNKS_EVERY_MS);
}

int edge_new(const struct edge_options *options, const struct edge_ports *ports, struct now now, struct edge **ret_edge)
{
    struct edge *e = mem_alloc(sizeof *e);
    if (!e)
        return ERR_NO_MEMORY;
    e->options = options;
    e->ports = *ports;
    e->now = now;
    e->started_at = now.wall;
    heap_init(&e->timers);
    list_init(&e->calls);
    list_init(&e->closing);
    struct map *const maps[] = {&e->clients, &e->servers, &e->by_dialog, &e->sessions, &e->conns};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        map_init(maps[i], SIZE_MAX, entropy_u64(ports->entropy));
    edge_trunks_init(&e->trunks, options->trunks_max, entropy_u64(ports->entropy));
    region_init(&e->scratch, SCRATCH_OCTETS_MAX);
    buf_init(&e->octets, MESSAGE_OCTETS_MAX);
    buf_init(&e->text, MESSAGE_OCTETS_MAX);
    buf_init(&e->key, MESSAGE_OCTETS_MAX);
    /* Media workers and this process may start at different times: sessions of before are never meant by numbers of now. */
    e->next_session = (uint64_t)now.wall.ms << 20;
    e->trunk_timer.fire = trunks_due;
    alg_limits_default(&e->limits);
    int err = make(e);
    if (err) {
        edge_free(e);
        return err;
    }
    *ret_edge = e;
    return 0;
}

void edge_free(struct edge *e)
{
    if (!e)
        return;
    LIST_EACH(it, &e->calls)
        edge_call_free(CONTAINER_OF(it, struct edge_call, link));
    edge_trunks_fini(&e->trunks);
    sip_layer_free(e->layer);
    heap_fini(&e->timers);
    map_fini(&e->clients);
    map_fini(&e->servers);
    map_fini(&e->by_dialog);
    map_fini(&e->sessions);
    map_fini(&e->conns);
    region_fini(&e->scratch);
    buf_fini(&e->octets);
    buf_fini(&e->text);
    buf_fini(&e->key);
    mem_free(e);
}

/* What was needed for one event only. */
static void sweep(struct edge *e)
{
    struct list *it;
    while ((it = list_pop(&e->closing)))
        edge_call_free(CONTAINER_OF(it, struct edge_call, closing_link));
    e->rule = NULL;
    if (e->scratch.used)
        region_clear(&e->scratch);
}

void edge_set_options(struct edge *e, struct now now, const struct edge_options *options)
{
    e->now = now;
    e->options = options;
    e->trunks.max = options->trunks_max;
    memset(e->agents_down_until, 0, sizeof e->agents_down_until);
}

static void stop_now(struct edge *e, void *owner)
{
    (void)owner;
    e->stopped = true;
}

void edge_stop(struct edge *e, struct now now)
{
    e->now = now;
    if (e->stopping)
        return;
    e->stopping = true;
    LIST_EACH(it, &e->calls)
        edge_call_end(CONTAINER_OF(it, struct edge_call, link), 503, EDGE_CAUSE_REMOTE_DISABLED,
                      "the edge: it was stopped");
    e->stop_timer.fire = stop_now;
    if (edge_timer_set(e, &e->stop_timer, STOP_MS) < 0)
        e->stopped = true;
    sweep(e);
}

/* ---- what came in ---- */

bool edge_knows(const struct edge *e, unsigned side, const struct addr *peer)
{
    if (side == EDGE_INSIDE)
        return edge_is_agent(e, peer);
    LIST_EACH(it, &e->trunks.all) {
        const struct edge_trunk *t = CONTAINER_OF(it, const struct edge_trunk, link);
        if (t->uses && addr_eq_ip(&t->peer, peer))
            return true;
    }
    return false;
}

static void inside_dialog(struct edge *e, const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    const enum edge_side side = edge_side_of(event->flow->side);
    struct edge_dialog *d = edge_dialog_of_request(e, m, side);
    if (!d) {
        e->counters.dropped_dialog++;
        edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_DIALOG_UNKNOWN,
                    "from=%s method=%.*s call_id=\"%.*s\"", edge_far_name(event->flow), SLICE_PRINT(m->method_text),
                    SLICE_PRINT(m->call_id));
        if (side == EDGE_INSIDE)
            edge_answer(e, event->server, 481, NULL, (struct slice){0});
        else
            edge_drop(e, event);
        return;
    }
    if (side == EDGE_OUTSIDE && !sip_flow_is_from(event->flow, d->call->trunk->domain)) {
        e->counters.dropped_peer++;
        edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_PEER_FOREIGN,
                    "from=%s method=%.*s of=%s call_id=\"%.*s\"", edge_far_name(event->flow),
                    SLICE_PRINT(m->method_text), d->call->trunk->domain, SLICE_PRINT(m->call_id));
        edge_drop(e, event);
        return;
    }
    edge_relay_inside(d, event);
}

/* Without a way on, or back, it is answered here. */
static bool answered_here(struct edge *e, const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    const enum edge_side side = edge_side_of(event->flow->side);
    const bool is_allowed = e->limits.methods[side] & UINT32_C(1) << m->method;
    const bool asks_us = !m->to.tag.n && m->method == SIP_OPTIONS && side == EDGE_INSIDE &&
                         !sip_field_first(m, SIP_ROUTE) && (!m->max_forwards || !e->ports.mapping);
    if (!is_allowed || asks_us) { /* an agent may ask whether we are there */
        buf_clear(&e->text);
        alg_allow(&e->limits, side, &e->text);
        e->counters.refused_method += !is_allowed;
        edge_answer(e, event->server, is_allowed ? 200 : 405, "Allow", region_copy(&e->scratch, buf_slice(&e->text)));
        return true;
    }
    if (!m->max_forwards) {
        e->counters.refused_hops++;
        edge_answer(e, event->server, 483, NULL, (struct slice){0});
        return true;
    }
    return false;
}

static void request(struct edge *e, const struct sip_event *event)
{
    *(event->flow->side == EDGE_INSIDE ? &e->counters.requests_out : &e->counters.requests_in) += 1;
    if (answered_here(e, event))
        return;
    if (event->message->to.tag.n)
        inside_dialog(e, event);
    else
        edge_call_begin(e, event);
}

static void heard(struct edge *e, const struct sip_event *event)
{
    switch (event->kind) {
    case SIP_REQUEST:
        request(e, event);
        break;
    case SIP_ACKED:
        edge_acked(e, event);
        break;
    case SIP_CANCELLED:
        edge_cancelled(e, event);
        break;
    case SIP_RESPONSE:
        *(event->flow->side == EDGE_INSIDE ? &e->counters.responses_out : &e->counters.responses_in) += 1;
        if (!edge_client_event(e, event))
            edge_stray(e, event);
        break;
    case SIP_TIMEOUT:
    case SIP_UNREACHABLE:
        edge_client_event(e, event);
        break;
    case SIP_ANSWERED_LATE:
        edge_stray(e, event);
        break;
    case SIP_ACK_MISSING:
    case SIP_SEND:
        break;
    }
}

void edge_input(struct edge *e, struct now now, const struct sip_flow *flow, struct slice octets)
{
    struct sip_flow known = *flow;
    e->now = now;
    if (flow->side == EDGE_INSIDE) {
        if (!edge_is_agent(e, &flow->peer)) {
            char peer[ADDR_TEXT_OCTETS];
            e->counters.dropped_strangers++;
            edge_notice(&e->notices, e->ports.log, now, EDGE_NOTICE_STRANGER, "from=%s side=inside",
                        addr_format(&flow->peer, peer));
            edge_close_conn(e, flow->conn);
            return;
        }
        known.is_configured = true;
    } else if (flow->transport != SIP_TLS || !flow->peer_domains || !*flow->peer_domains) {
        e->counters.refused_certificate++;
        edge_close_conn(e, flow->conn);
        return;
    }
    sip_layer_input(e->layer, now, &known, octets);
}

void edge_unreachable(struct edge *e, struct now now, const struct sip_hop *hop)
{
    e->now = now;
    sip_layer_unreachable(e->layer, now, hop);
}

void edge_lost(struct edge *e, struct now now, const struct sip_hop *hop)
{
    e->now = now;
    if (hop->conn && hop->side != EDGE_INSIDE)
        edge_trunk_lost(&e->trunks, hop->conn);
    if (hop->conn && edge_conn_lost(e, hop->conn) && hop->side != EDGE_INSIDE)
        edge_far_lost(e, hop->conn);
    sip_layer_lost(e->layer, now, hop);
}

/* ---- time and effects ---- */

/* Calls that are being set up would wait longer and longer: new ones from outside go first. */
static void notice_lateness(struct edge *e)
{
    struct mono due = mono_min(heap_deadline(&e->timers), sip_layer_deadline(e->layer));
    lateness_tick(&e->lateness, e->now.mono, due, e->options->late_ms * 1000);
}

void edge_tick(struct edge *e, struct now now)
{
    struct heap_node *node;
    e->now = now;
    notice_lateness(e);
    sip_layer_tick(e->layer, now);
    while ((node = heap_pop_due(&e->timers, now.mono))) {
        struct edge_timer *t = CONTAINER_OF(node, struct edge_timer, node);
        t->fire(e, t->owner);
        sweep(e);
    }
}

struct mono edge_deadline(const struct edge *e)
{
    return mono_min(heap_deadline(&e->timers), sip_layer_deadline(e->layer));
}

bool edge_next(struct edge *e, struct now now, struct edge_effect *ret_effect)
{
    struct sip_event event;
    e->now = now;
    while (sip_layer_next(e->layer, &event)) {
        if (event.kind == SIP_SEND) {
            *ret_effect = (struct edge_effect){.kind = EDGE_SEND, .hop = event.hop, .octets = event.octets};
            return true;
        }
        heard(e, &event);
        sweep(e);
    }
    if (e->close_count) {
        *ret_effect = (struct edge_effect){.kind = EDGE_CLOSE, .conn = e->close_conns[--e->close_count]};
        return true;
    }
    if (e->stopping && !e->stop_told && (e->stopped || list_empty(&e->calls))) {
        e->stop_told = true;
        *ret_effect = (struct edge_effect){.kind = EDGE_STOPPED};
        return true;
    }
    return false;
}

/* ---- what media workers say ---- */

void edge_media(struct edge *e, struct now now, const struct media_event *event)
{
    e->now = now;
    struct edge_call *c = map_get(&e->sessions, slice_of(&event->session, sizeof event->session));
    if (c)
        edge_media_event(c, event);
    sweep(e);
}

/* ---- counters ---- */

const struct edge_counters *edge_counters(const struct edge *e)
{
    return &e->counters;
}

const struct sip_layer *edge_layer(const struct edge *e)
{
    return e->layer;
}

void edge_left(const struct edge *e, struct edge_left *ret_left)
{
    const size_t own = heap_has(&e->timers, &e->trunk_timer.node) + heap_has(&e->timers, &e->stop_timer.node);
    *ret_left = (struct edge_left){.calls = e->call_count,
                                   .dialogs = e->dialog_count + e->by_dialog.n,
                                   .subscriptions = e->subscription_count,
                                   .requests = e->request_count,
                                   .clients = sip_layer_clients(e->layer) + e->clients.n,
                                   .servers = sip_layer_servers(e->layer) + e->servers.n,
                                   .sessions = e->sessions.n,
                                   .timers = e->timers.n - own};
}

void edge_set_now(struct edge *e, struct now now)
{
    e->now = now;
}

bool edge_wants_shutdown(const struct edge *e)
{
    return e->wants_shutdown;
}

void edge_add_counters(struct edge *e, const char *prefix, const char *const *names, const uint64_t *values)
{
    if (e->counter_set_count < COUNTER_SETS_MAX)
        e->counter_sets[e->counter_set_count++] = (struct edge_counter_set){prefix, names, values};
}
