/* The layer's outside, and what client and server transactions have in common: identity, timer, life. */
#include "base/mem.h"
#include "base/siphash.h"
#include "sip/transaction_core.h"

COUNTERS_DEFINE(sip_layer_counters, SIP_LAYER_COUNTERS)

void sip_layer_config_init(struct sip_layer_config *config)
{
    *config = (struct sip_layer_config){
        .t1_ms = SIP_T1_MS,
        .t2_ms = SIP_T2_MS,
        .t4_ms = SIP_T4_MS,
        .timer_b_ms = 64 * SIP_T1_MS,
        .timer_c_ms = 200000,
        .timer_d_ms = 32000,
        .trying_ms = 200,
        .clients_max = 200000,
        .servers_max = 200000,
        .servers_per_source_max = 20000,
        .octets_max = (size_t)512 << 20,
        .retry_after_s = 5,
        .refuse_merged = true,
        .shares_from_side = UINT32_MAX,
    };
}

static bool config_is_good(const struct sip_layer_config *c)
{
    return c->t1_ms > 0 && c->t2_ms >= c->t1_ms && c->t4_ms > 0 && c->timer_b_ms > 0 && c->timer_c_ms > 0 &&
           c->timer_d_ms > 0 && c->trying_ms >= 0;
}

int sip_layer_new(const struct sip_layer_config *config, const struct entropy *entropy, const struct log *log,
                  struct sip_layer **ret_layer)
{
    if (!config_is_good(config))
        return ERR_RANGE;
    struct sip_layer *l = mem_alloc(sizeof *l);
    if (!l)
        return ERR_NO_MEMORY;
    l->config = *config;
    l->log = log;
    entropy_fill(entropy, l->secret, sizeof l->secret);
    l->seed[0] = config->seed;
    l->seed[1] = ~config->seed;
    heap_init(&l->timers);
    list_init(&l->lingering);
    list_init(&l->notes);
    list_init(&l->spent);
    buf_init(&l->scratch, SIP_MESSAGE_OCTETS_MAX);
    buf_init(&l->key, SIP_MESSAGE_OCTETS_MAX);
    buf_init(&l->merge, SIP_MESSAGE_OCTETS_MAX);
    struct table *const tables[] = {&l->ids, &l->keys, &l->hops, &l->merges, &l->sources};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (sip_table_init(tables[i])) {
            sip_layer_free(l);
            return ERR_NO_MEMORY;
        }
    *ret_layer = l;
    return 0;
}

void sip_layer_free(struct sip_layer *l)
{
    struct sip_event e;
    struct heap_node *node;
    if (!l)
        return;
    while (sip_layer_next(l, &e))
        continue;
    while ((node = heap_first(&l->timers)))
        sip_transaction_end(CONTAINER_OF(node, struct transaction, timer));
    while (!list_empty(&l->lingering))
        sip_transaction_end(CONTAINER_OF(l->lingering.next, struct transaction, by_end));
    sip_layer_next(l, &e); /* frees what these gave up */
    heap_fini(&l->timers);
    sip_table_fini(&l->ids);
    sip_table_fini(&l->keys);
    sip_table_fini(&l->hops);
    sip_table_fini(&l->merges);
    sip_table_fini(&l->sources);
    buf_fini(&l->scratch);
    buf_fini(&l->key);
    buf_fini(&l->merge);
    mem_wipe(l->secret, sizeof l->secret);
    mem_free(l);
}

uint64_t sip_layer_hash(const struct sip_layer *l, struct slice key)
{
    return siphash_quick(l->seed, key);
}

/* ---- transactions ---- */

/* Numbers that follow one another fall into different buckets by themselves. */
int sip_transaction_start(struct sip_layer *l, struct transaction *t, struct slice key)
{
    t->layer = l;
    t->resend_at = t->end_at = MONO_NEVER;
    list_init(&t->by_end);
    int err = heap_set(&l->timers, &t->timer, MONO_NEVER);
    if (err)
        return err;
    t->is_alive = true;
    t->key = key;
    t->end.owner = NOTE_OF_TRANSACTION;
    sip_table_add(&l->ids, &t->by_id, t->id);
    sip_table_add(&l->keys, &t->by_key, sip_layer_hash(l, key));
    *(t->is_server ? &l->servers : &l->clients) += 1;
    return 0;
}

void sip_transaction_end(struct transaction *t)
{
    struct sip_layer *l = t->layer;
    heap_remove(&l->timers, &t->timer);
    list_remove(&t->by_end);
    sip_table_remove(&l->ids, &t->by_id);
    sip_table_remove(&l->keys, &t->by_key);
    *(t->is_server ? &l->servers : &l->clients) -= 1;
    t->is_alive = false;
    if (t->is_server)
        sip_server_leave(CONTAINER_OF(t, struct server, t));
    else
        sip_client_wait_no_more(CONTAINER_OF(t, struct client, t));
    sip_transaction_free_unused(t);
}

void sip_transaction_free_unused(struct transaction *t)
{
    if (t->is_alive || t->notes)
        return;
    if (t->is_server)
        sip_server_free(CONTAINER_OF(t, struct server, t));
    else
        sip_client_free(CONTAINER_OF(t, struct client, t));
}

/* The note is the transaction's own, and there is one end of each. */
void sip_transaction_report_end(struct transaction *t, struct sip_event e)
{
    t->end.e = e;
    t->notes++;
    sip_note_push(t->layer, &t->end);
}

void sip_transaction_schedule(struct transaction *t, struct mono resend_at, struct mono end_at)
{
    t->resend_at = resend_at;
    t->end_at = end_at;
    heap_set(&t->layer->timers, &t->timer, mono_min(resend_at, end_at)); /* it is in the heap: needs no memory */
}

void sip_transaction_linger(struct transaction *t, struct now now)
{
    struct sip_layer *l = t->layer;
    heap_remove(&l->timers, &t->timer);
    list_remove(&t->by_end);
    struct list *before = l->lingering.prev; /* which it is but for a clock that goes back */
    t->resend_at = MONO_NEVER;
    t->end_at = mono_after_ms(now.mono, 64 * l->config.t1_ms);
    while (before != &l->lingering && CONTAINER_OF(before, struct transaction, by_end)->end_at.us > t->end_at.us)
        before = before->prev;
    list_prepend(before, &t->by_end);
}

void sip_transaction_repeat(struct transaction *t)
{
    t->layer->counters.retransmissions_out++;
    sip_packet_send(t->packet);
}

struct transaction *sip_transaction_find(const struct sip_layer *l, uint64_t id)
{
    for (struct link *at = sip_table_first(&l->ids, id); at; at = sip_table_next(at)) {
        struct transaction *t = CONTAINER_OF(at, struct transaction, by_id);
        if (t->id == id)
            return t;
    }
    return NULL;
}

struct transaction *sip_transaction_find_key(const struct sip_layer *l, struct slice key)
{
    for (struct link *at = sip_table_first(&l->keys, sip_layer_hash(l, key)); at; at = sip_table_next(at)) {
        struct transaction *t = CONTAINER_OF(at, struct transaction, by_key);
        if (slice_eq(t->key, key))
            return t;
    }
    return NULL;
}

/* ---- time ---- */

/* NULL: none. */
static struct transaction *first_lingering(const struct sip_layer *l)
{
    return list_empty(&l->lingering) ? NULL : CONTAINER_OF(l->lingering.next, struct transaction, by_end);
}

static void wake(struct transaction *t, struct now now)
{
    if (t->is_server)
        sip_server_tick(CONTAINER_OF(t, struct server, t), now);
    else
        sip_client_tick(CONTAINER_OF(t, struct client, t), now);
}

/* Each transaction that is woken sets a later deadline or ends, so this does. */
void sip_layer_tick(struct sip_layer *l, struct now now)
{
    struct heap_node *node;
    struct transaction *t;
    while ((node = heap_first(&l->timers)) && mono_due(node->due, now.mono))
        wake(CONTAINER_OF(node, struct transaction, timer), now);
    while ((t = first_lingering(l)) && mono_due(t->end_at, now.mono))
        wake(t, now);
}

struct mono sip_layer_deadline(const struct sip_layer *l)
{
    const struct transaction *t = first_lingering(l);
    return mono_min(heap_deadline(&l->timers), t ? t->end_at : MONO_NEVER);
}

/* ---- what came in ---- */

/* Keeps connections and address translations open (RFC 5626 3.5.1). */
static bool is_keepalive(struct slice octets)
{
    for (size_t i = 0; i < octets.n; i++)
        if (octets.p[i] != '\r' && octets.p[i] != '\n')
            return false;
    return true;
}

__attribute__((cold)) static void refuse_malformed(struct sip_layer *l, const struct inbound *in, unsigned status,
                                                   const struct fault *fault)
{
    char peer[ADDR_TEXT_OCTETS];
    log_event(l->log, LEVEL_DEBUG, "sip.refused", "from=%s octet=%zu rule=\"%s\" status=%u",
              addr_format(&in->flow.peer, peer), fault->octet, fault->rule ? fault->rule : "", status);
    if (status == 505)
        l->counters.refused_version++;
    else
        l->counters.refused_syntax++;
    if (status && in->message.is_request && in->message.method != SIP_ACK)
        sip_server_refuse(l, in, status, 0);
}

/* True if it is a message that can be worked with. */
static bool read_message(struct sip_layer *l, struct inbound *in)
{
    enum sip_carrier carrier = sip_transport_is_reliable(in->flow.transport) ? SIP_STREAM : SIP_DATAGRAM;
    struct fault fault = {0};
    unsigned status = 0;
    int err = sip_parse(&in->region, in->message.octets, carrier, &in->message, &fault);
    if (!err && sip_check(&in->message, &status, &fault) == 0)
        return true;
    if (err == ERR_NO_MEMORY)
        l->counters.refused_memory++;
    else
        refuse_malformed(l, in, status, &fault);
    return false;
}

/* NULL: there is nothing to work with, and that has been counted and answered. */
static struct inbound *take_message(struct sip_layer *l, const struct sip_flow *flow, struct slice octets)
{
    if (is_keepalive(octets))
        return NULL;
    if (octets.n > SIP_MESSAGE_OCTETS_MAX) {
        l->counters.refused_limit++;
        return NULL;
    }
    struct inbound *in = sip_inbound_new(flow, octets);
    if (!in) {
        l->counters.refused_memory++;
        return NULL;
    }
    if (!read_message(l, in)) {
        sip_inbound_drop(in);
        return NULL;
    }
    *(in->message.is_request ? &l->counters.requests_in : &l->counters.responses_in) += 1;
    return in;
}

void sip_layer_input(struct sip_layer *l, struct now now, const struct sip_flow *flow, struct slice octets)
{
    struct inbound *in = take_message(l, flow, octets);
    if (in && in->message.is_request)
        sip_server_receive(l, now, in);
    else if (in)
        sip_client_receive(l, now, in);
}

void sip_layer_refuse(struct sip_layer *l, const struct sip_flow *flow, struct slice octets, unsigned status)
{
    struct inbound *in = take_message(l, flow, octets);
    if (!in)
        return;
    if (in->message.is_request && in->message.method != SIP_ACK)
        sip_server_refuse(l, in, status, 0);
    sip_inbound_drop(in);
}

size_t sip_layer_clients(const struct sip_layer *l)
{
    return l->clients;
}

size_t sip_layer_servers(const struct sip_layer *l)
{
    return l->servers;
}

const struct sip_layer_counters *sip_layer_counters(const struct sip_layer *l)
{
    return &l->counters;
}
