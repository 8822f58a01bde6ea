/* Life and time of the call agent; events of the transaction layer; effects. */
#include "agent/internal.h"

#include "base/text.h"

#include <stdio.h>

#define MESSAGE_OCTETS_MAX (SIP_MESSAGE_OCTETS_MAX + 8192)
#define SCRATCH_OCTETS_MAX (1024 * 1024)
#define STOP_MS 5000
#define FLUSH_MS 1000
#define DIGEST_SLOTS 1024 /* nonces in use: far more than PBXs */

COUNTERS_DEFINE(agent_counters, AGENT_COUNTERS)

const char *agent_side_name(enum agent_side side)
{
    static const char *const names[] = {"PBX", "PSTN", "IME"};
    return names[side];
}

/* ---- small things that all files use ---- */

void agent_tag(struct agent *a, char tag[TAG_OCTETS])
{
    uint8_t octets[(TAG_OCTETS - 1) / 2];
    entropy_fill(a->ports.entropy, octets, sizeof octets);
    hex_format(slice_of(octets, sizeof octets), tag);
}

void agent_call_id(struct agent *a, char call_id[2 * TAG_OCTETS])
{
    agent_tag(a, call_id);
    agent_tag(a, call_id + TAG_OCTETS - 1);
}

int agent_timer(struct agent *a, struct timer *t, int64_t after_ms)
{
    return heap_set(&a->timers, &t->node, mono_after_ms(a->now.mono, after_ms));
}

void agent_timer_stop(struct agent *a, struct timer *t)
{
    heap_remove(&a->timers, &t->node);
}

struct slice agent_print(struct agent *a, const char *format, ...)
{
    va_list args;
    buf_clear(&a->text);
    va_start(args, format);
    buf_vprintf(&a->text, format, args);
    va_end(args);
    return a->text.err ? (struct slice){0} : region_copy(&a->scratch, buf_slice(&a->text));
}

const char *agent_point(const struct agent *a, enum agent_side side, enum sip_transport transport)
{
    const char *point = a->options->points[side][transport];
    for (unsigned other = SIP_UDP; !point && other <= SIP_TLS; other++)
        point = a->options->points[side][other];
    return point ? point : a->options->domain;
}

void agent_answer(struct agent *a, uint64_t server, unsigned status, const char *name, struct slice value)
{
    const struct sip_message *request = sip_server_request(a->layer, server);
    if (!request)
        return;
    buf_clear(&a->octets);
    sip_begin_answer(&a->octets, request, status, NULL, sip_server_tag(a->layer, server));
    if (name)
        sip_put_named(&a->octets, name, value);
    sip_end(&a->octets, (struct slice){0});
    if (!a->octets.err)
        sip_server_respond(a->layer, a->now, server, buf_slice(&a->octets));
}

struct sip_hop agent_hop(const struct sip_flow *flow)
{
    struct sip_hop hop = {.transport = flow->transport, .side = flow->side, .addr = flow->peer, .conn = flow->conn};
    if (flow->side == AGENT_IME && flow->peer_domain)
        snprintf(hop.host, sizeof hop.host, "%s", flow->peer_domain);
    return hop;
}

/* ---- life ---- */

static void flush_due(struct agent *a, void *owner)
{
    (void)owner;
    call_journal_flush(a->journal);
}

/* Records of a second go to the disk together. */
void agent_note(struct agent *a, struct call_record *record)
{
    call_journal_write(a->journal, record);
    if (!heap_has(&a->timers, &a->flush_timer.node))
        agent_timer(a, &a->flush_timer, FLUSH_MS);
}

static int make(struct agent *a)
{
    struct sip_layer_config config;
    sip_layer_config_init(&config);
    config.clients_max = 8 * a->options->calls_max + 1024;
    config.servers_max = 8 * a->options->calls_max + 1024;
    config.timer_c_ms = a->options->ring_ms + LINGER_MS;
    config.trying_ms = 0;
    config.seed = entropy_u64(a->ports.entropy);
    uint8_t key[SIP_DIGEST_KEY_OCTETS];
    entropy_fill(a->ports.entropy, key, sizeof key);
    int err = sip_digest_server_init(&a->digest, a->options->domain, key, SIP_DIGEST_NONCE_MS, DIGEST_SLOTS);
    mem_wipe(key, sizeof key);
    if (!err)
        err = sip_layer_new(&config, a->ports.entropy, a->ports.log, &a->layer);
    if (!err)
        err = call_journal_new(a->ports.kv, a->options->journal_max, a->now, &a->journal);
    if (!err)
        err = mapped_init(a);
    if (!err)
        err = call_leftovers_init(a);
    if (!err)
        err = registrar_load(a);
    return err;
}

/* What imectl has added and the file is against. */
static void ring_for_idle(struct agent *a)
{
    size_t idle = agent_provision_idle(a->parts.provision);
    if (!a->parts.alarms)
        return;
    if (idle)
        agent_alarm_raise(a->parts.alarms, a->now, AGENT_ALARM_PROVISIONING_IDLE, "",
                          "%zu of the entries that imectl has added have no effect beside agent.conf", idle);
    else
        agent_alarm_clear(a->parts.alarms, a->now, AGENT_ALARM_PROVISIONING_IDLE, NULL);
}

/* Other numbers take part, or others are trusted. */
static int use_enrolled(void *ctx, const struct agent_enrolled *enrolled)
{
    struct agent *a = ctx;
    int err = 0;
    a->parts.enrolled = enrolled;
    for (size_t i = 0; i < a->parts.service_count; i++) {
        int failed = agent_service_set_enrolled(a->parts.services[i], a->now, enrolled);
        err = err ? err : failed;
    }
    if (a->parts.provision)
        ring_for_idle(a);
    return err;
}

int agent_new(const struct agent_options *options, const struct agent_ports *ports, const struct agent_parts *parts,
              struct now now, struct agent **ret_agent)
{
    struct agent *a = mem_alloc(sizeof *a);
    if (!a)
        return ERR_NO_MEMORY;
    const size_t ends_max = 2 * FORKS_MAX * options->calls_max;
    a->options = options;
    a->ports = *ports;
    a->parts = *parts;
    a->now = now;
    a->started_at = now.wall;
    heap_init(&a->timers);
    list_init(&a->calls);
    list_init(&a->closing);
    list_init(&a->unkept);
    list_init(&a->leftovers);
    list_init(&a->asking);
    fallbacks_init(a);
    map_init(&a->clients, SIZE_MAX, entropy_u64(ports->entropy));
    map_init(&a->servers, SIZE_MAX, entropy_u64(ports->entropy));
    map_init(&a->ends, ends_max, entropy_u64(ports->entropy));
    map_init(&a->attempts, SIZE_MAX, entropy_u64(ports->entropy));
    map_init(&a->late, LATE_ANSWERS_MAX, entropy_u64(ports->entropy));
    region_init(&a->scratch, SCRATCH_OCTETS_MAX);
    buf_init(&a->octets, MESSAGE_OCTETS_MAX);
    buf_init(&a->text, MESSAGE_OCTETS_MAX);
    a->flush_timer.fire = flush_due;
    trunks_init(a);
    agent_strangers_init(a);
    if (parts->service_count) {
        struct agent_service_view view;
        agent_service_view(parts->services[0], &view);
        a->vservice_id = view.vservice_id;
    }
    int err = make(a);
    if (err) {
        agent_free(a);
        return err;
    }
    if (parts->provision) {
        agent_provision_watch(parts->provision, use_enrolled, a);
        ring_for_idle(a);
    }
    *ret_agent = a;
    return 0;
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    if (a->parts.provision)
        agent_provision_watch(a->parts.provision, NULL, NULL);
    LIST_EACH(it, &a->calls)
        call_free(CONTAINER_OF(it, struct call, link));
    fallbacks_fini(a);
    late_free_all(a);
    mapped_fini(a);
    trunks_fini(a);
    call_leftovers_fini(a);
    agent_timer_stop(a, &a->stop_timer);
    agent_timer_stop(a, &a->flush_timer);
    call_journal_free(a->journal);
    sip_digest_server_fini(&a->digest);
    sip_layer_free(a->layer);
    heap_fini(&a->timers);
    map_fini(&a->clients);
    map_fini(&a->servers);
    map_fini(&a->ends);
    map_fini(&a->attempts);
    map_fini(&a->late);
    region_fini(&a->scratch);
    buf_fini(&a->octets);
    buf_fini(&a->text);
    mem_free(a);
}

void agent_sweep(struct agent *a)
{
    struct list *it;
    fallbacks_sweep(a);
    while ((it = list_pop(&a->closing)))
        call_free(CONTAINER_OF(it, struct call, closing_link));
    if (a->scratch.used)
        region_clear(&a->scratch);
}

int agent_set_enrolled(struct agent *a, struct now now, const struct agent_enrolled *enrolled)
{
    a->now = now;
    return a->parts.provision ? agent_provision_set_file(a->parts.provision, enrolled) : use_enrolled(a, enrolled);
}

void agent_start(struct agent *a, struct now now)
{
    a->now = now;
    trunks_start(a);
    call_leftovers_start(a);
}

static void stop_now(struct agent *a, void *owner)
{
    (void)owner;
    a->stopped = true;
}

void agent_stop(struct agent *a, struct now now)
{
    a->now = now;
    if (a->stopping)
        return;
    a->stopping = true;
    LIST_EACH(it, &a->calls)
        call_end(CONTAINER_OF(it, struct call, link), 503, "the agent: it was stopped");
    fallbacks_stop(a);
    call_journal_flush(a->journal);
    trunks_stop(a);
    for (size_t i = 0; i < a->parts.service_count; i++)
        agent_service_stop(a->parts.services[i], now);
    a->stop_timer.fire = stop_now;
    if (agent_timer(a, &a->stop_timer, STOP_MS) < 0)
        a->stopped = true;
    agent_sweep(a);
}

/* ---- what came in ---- */

/* Whether they are for us is for plan.c to say; here, whether we know the sender, and which dialog it is about. */
static void request(struct agent *a, const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    struct trunk *trunk = NULL;
    struct end *end;
    if (m->method == SIP_REGISTER) {
        registrar_receive(a, event);
        return;
    }
    if (trunk_of_flow(a, event->flow, &trunk) < 0) {
        a->counters.calls_refused_source++;
        agent_answer(a, event->server, 403, NULL, (struct slice){0});
        return;
    }
    if (trunk)
        trunk_heard(trunk);
    if (!m->max_forwards && m->method != SIP_OPTIONS && m->method != SIP_BYE) { /* it would go on */
        agent_answer(a, event->server, 483, NULL, (struct slice){0});
        return;
    }
    if (m->to.tag.n) {
        struct attempt *at;
        end = end_find(a, m->call_id, m->to.tag, m->from.tag);
        if (!end && m->method == SIP_NOTIFY && (at = map_get(&a->attempts, m->to.tag))) {
            struct pair *pair = pair_by_request(at, m);
            end = pair ? &pair->ends[1] : NULL;
        }
        if (!end || end->side != (enum agent_side)event->flow->side) /* nobody speaks for the other side */
            agent_answer(a, event->server, 481, NULL, (struct slice){0});
        else if (!end->call)
            fallback_leg_request(end, event);
        else if (m->method == SIP_BYE)
            call_bye(end, event);
        else
            relay_inside(end, event);
        return;
    }
    switch (m->method) {
    case SIP_OPTIONS:
        agent_answer(a, event->server, 200, "Allow", slice_str(AGENT_ALLOW));
        return;
    case SIP_BYE:
    case SIP_PRACK:
    case SIP_UPDATE:
        agent_answer(a, event->server, 481, NULL, (struct slice){0});
        return;
    default:
        if (!fallback_call_came(a, event, trunk))
            call_begin(a, event, trunk);
    }
}

static void acked(struct agent *a, const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    struct end *end = end_find(a, m->call_id, m->to.tag, m->from.tag);
    if (end && end->side == (enum agent_side)event->flow->side)
        relay_acked(end, m);
}

static void cancelled(struct agent *a, const struct sip_event *event)
{
    struct relay *r = map_get(&a->servers, slice_of(&event->server, sizeof event->server));
    if (!r)
        fallback_call_cancelled(a, event->server);
    else if (!r->from)
        call_cancelled(r->call);
    else if (r->client.token)
        sip_client_cancel(a->layer, a->now, r->client.id, (struct slice){0}); /* its end is passed back */
}

static void heard(struct agent *a, const struct sip_event *event)
{
    switch (event->kind) {
    case SIP_REQUEST:
        request(a, event);
        break;
    case SIP_ACKED:
        acked(a, event);
        break;
    case SIP_CANCELLED:
        cancelled(a, event);
        break;
    case SIP_RESPONSE:
    case SIP_TIMEOUT:
    case SIP_UNREACHABLE:
        if (!client_event(a, event) && event->kind == SIP_RESPONSE)
            relay_stray(a, event);
        break;
    case SIP_ANSWERED_LATE:
        relay_stray(a, event);
        break;
    case SIP_ACK_MISSING:
    case SIP_SEND:
        break;
    }
}

void agent_input(struct agent *a, struct now now, const struct sip_flow *flow, struct slice octets)
{
    struct sip_flow known = *flow;
    struct trunk *trunk;
    a->now = now;
    if (!trunk_of_flow(a, flow, &trunk))
        known.is_configured = flow->side != AGENT_IME || a->options->edge.family;
    else if (agent_stranger_input(a, flow, octets))
        return;
    sip_layer_input(a->layer, now, &known, octets);
}

void agent_unreachable(struct agent *a, struct now now, const struct sip_hop *hop)
{
    a->now = now;
    sip_layer_unreachable(a->layer, now, hop);
    fallback_connection_lost(a, hop);
}

void agent_lost(struct agent *a, struct now now, const struct sip_hop *hop)
{
    a->now = now;
    sip_layer_lost(a->layer, now, hop);
    fallback_connection_lost(a, hop);
}

void agent_mapping_connected(struct agent *a, struct now now)
{
    a->now = now;
    if (a->mapper)
        mapping_client_connected(a->mapper, now);
}

void agent_mapping_input(struct agent *a, struct now now, struct slice octets)
{
    a->now = now;
    if (a->mapper)
        mapping_client_input(a->mapper, now, octets);
}

void agent_mapping_closed(struct agent *a, struct now now)
{
    a->now = now;
    if (a->mapper)
        mapping_client_closed(a->mapper, now);
}

void agent_located(struct agent *a, struct now now, unsigned trunk, const struct sip_hop *hops, size_t n)
{
    a->now = now;
    if (trunk < a->trunk_count)
        trunk_located(&a->trunks[trunk], hops, n);
    agent_sweep(a);
}

/* ---- time and effects ---- */

/* Calls that are being set up would wait longer and longer: direct ways, which only may be quicker, go first. */
static void notice_lateness(struct agent *a)
{
    struct mono due = mono_min(heap_deadline(&a->timers), sip_layer_deadline(a->layer));
    lateness_tick(&a->lateness, a->now.mono, due, a->options->late_ms * 1000);
}

void agent_tick(struct agent *a, struct now now)
{
    struct heap_node *node;
    a->now = now;
    notice_lateness(a);
    sip_layer_tick(a->layer, now);
    if (a->mapper)
        mapping_client_tick(a->mapper, now);
    while ((node = heap_pop_due(&a->timers, now.mono))) {
        struct timer *t = CONTAINER_OF(node, struct timer, node);
        t->fire(a, t->owner);
        agent_sweep(a);
    }
    if (a->parts.routes)
        agent_routes_tick(a->parts.routes, now);
    if (a->parts.records)
        agent_records_tick(a->parts.records, now);
    for (size_t i = 0; i < a->parts.service_count; i++)
        agent_service_tick(a->parts.services[i], now);
}

struct mono agent_deadline(const struct agent *a)
{
    struct mono due = mono_min(heap_deadline(&a->timers), sip_layer_deadline(a->layer));
    if (a->mapper)
        due = mono_min(due, mapping_client_deadline(a->mapper));
    if (a->parts.routes)
        due = mono_min(due, agent_routes_deadline(a->parts.routes));
    if (a->parts.records)
        due = mono_min(due, agent_records_deadline(a->parts.records));
    for (size_t i = 0; i < a->parts.service_count; i++)
        due = mono_min(due, agent_service_deadline(a->parts.services[i]));
    return due;
}

static bool next_location(struct agent *a, struct agent_effect *ret_effect)
{
    for (unsigned i = 0; a->locate && i < a->trunk_count; i++) {
        const struct agent_trunk_options *o = a->trunks[i].options;
        if (!(a->locate & UINT32_C(1) << i))
            continue;
        a->locate &= ~(UINT32_C(1) << i);
        *ret_effect = (struct agent_effect){.kind = AGENT_LOCATE, .trunk = i, .host = o->host, .port = o->port};
        return true;
    }
    return false;
}

bool agent_next(struct agent *a, struct now now, struct agent_effect *ret_effect)
{
    struct sip_event event;
    a->now = now;
    do {
        while (sip_layer_next(a->layer, &event)) {
            if (event.kind == SIP_SEND) {
                *ret_effect = (struct agent_effect){.kind = AGENT_SEND, .hop = event.hop, .octets = event.octets};
                return true;
            }
            heard(a, &event);
            agent_sweep(a);
        }
        agent_sweep(a);
        if (mapped_next(a, ret_effect))
            return true;
    } while (mapped_answered(a));
    if (voices_next(a, ret_effect))
        return true;
    if (next_location(a, ret_effect))
        return true;
    for (unsigned i = 0; i < a->parts.service_count; i++) {
        agent_service_tick(a->parts.services[i], now); /* records that have become durable since */
        if (agent_service_next(a->parts.services[i], now, &a->vap)) {
            *ret_effect = (struct agent_effect){.kind = AGENT_VAP, .service = i, .vap = &a->vap};
            return true;
        }
    }
    if (a->stopping && !a->stop_told &&
        (a->stopped || (list_empty(&a->calls) && list_empty(&a->legs) && !late_is_busy(a)))) {
        a->stop_told = true;
        *ret_effect = (struct agent_effect){.kind = AGENT_STOPPED};
        return true;
    }
    return false;
}

/* ---- counters ---- */

const struct agent_counters *agent_counters(const struct agent *a)
{
    return &a->counters;
}

size_t agent_calls(const struct agent *a)
{
    return a->call_count;
}

size_t agent_requests(const struct agent *a)
{
    return a->request_count;
}

const struct sip_layer *agent_layer(const struct agent *a)
{
    return a->layer;
}

void agent_left(const struct agent *a, struct agent_left *ret_left)
{
    size_t own = heap_has(&a->timers, &a->flush_timer.node) + heap_has(&a->timers, &a->stop_timer.node);
    for (size_t i = 0; i < a->trunk_count; i++)
        own += heap_has(&a->timers, &a->trunks[i].keepalive_timer.node) +
               heap_has(&a->timers, &a->trunks[i].register_timer.node);
    *ret_left = (struct agent_left){.calls = a->call_count,
                                    .requests = a->request_count,
                                    .attempts = a->attempts.n,
                                    .legs = a->leg_count,
                                    .sounds = a->voices.n,
                                    .tokens = a->tokens.n,
                                    .dialogs = a->ends.n,
                                    .clients = sip_layer_clients(a->layer) + a->clients.n,
                                    .servers = sip_layer_servers(a->layer) + a->servers.n,
                                    .timers = a->timers.n - own};
}

void agent_set_now(struct agent *a, struct now now)
{
    a->now = now;
}

bool agent_wants_shutdown(const struct agent *a)
{
    return a->wants_shutdown;
}

void agent_add_counters(struct agent *a, const char *prefix, const char *const *names, const uint64_t *values)
{
    if (a->counter_set_count < COUNTER_SETS_MAX)
        a->counter_sets[a->counter_set_count++] = (struct counter_set){prefix, names, values};
}
