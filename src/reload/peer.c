/* The peer as a whole: making it, starting it, its time. */
#include "reload/peer_internal.h"

COUNTERS_DEFINE(peer_counters, PEER_COUNTERS)

#define LOOPED_PER_EVENT_MAX 1000 /* messages to ourselves; what is beyond waits for the next event */

void peer_options_default(struct peer_options *options)
{
    *options = (struct peer_options){
        .neighbors = 4,
        .fingers = 24,
        .replicas = 2,
        .links_max = 512,
        .links_wanted = 64,
        .link_queue_octets_max = 4u << 20,
        .transactions_max = 4096,
        .requests_per_s = 500,
        .requests_burst = 5000,
        .via_octets_max = 20 * (ID_OCTETS + 2),
        .neighbor_keepalive_ms = 10000,
        .link_keepalive_ms = 300000,
        .partition_check_ms = 60000,
        .replacement_hold_down_ms = 15000,
        .first_wait_ms = 3000,
    };
}

static bool options_are_good(const struct peer_options *o)
{
    return !id_is_zero(o->self) && !id_is_wildcard(o->self) && o->address.family && o->neighbors >= 3 &&
           o->neighbors <= PEER_NEIGHBORS_MAX && o->fingers >= 1 && o->fingers <= 128 && o->replicas <= o->neighbors &&
           o->links_wanted > 4 * o->neighbors && o->links_max >= o->links_wanted && o->links_max <= 0x10000 &&
           o->link_queue_octets_max >= RELOAD_MESSAGE_OCTETS_DEFAULT && o->transactions_max >= 16;
}

int peer_new(const struct peer_options *options, const struct peer_ports *ports, const struct config *config,
             struct now now, struct peer **ret_peer)
{
    if (!options_are_good(options))
        return ERR_RANGE;
    struct peer *peer = mem_alloc(sizeof *peer);
    if (!peer)
        return ERR_NO_MEMORY;
    peer->options = *options;
    peer->ports = *ports;
    peer->config = config;
    peer->overlay = config_overlay_hash(config);
    peer->now = now;
    peer->started = now.mono;
    heap_init(&peer->timers);
    list_init(&peer->effects);
    list_init(&peer->loopback);
    list_init(&peer->early);
    list_init(&peer->transaction_order);
    list_init(&peer->attaches);
    list_init(&peer->transfers);
    list_init(&peer->newer);
    list_init(&peer->admissions);
    list_init(&peer->pending_stores);
    list_init(&peer->uppers);
    map_init(&peer->transactions, options->transactions_max, entropy_u64(&ports->entropy));
    peer_served_init(peer);
    peer_rates_init(peer);
    peer_opaque_init(peer);
    peer_reassembly_init(peer);
    chord_table_init(&peer->table, options->self);
    peer->coordinate = coordinate_origin();
    chord_take_duty(peer);
    *ret_peer = peer;
    return 0;
}

void peer_free(struct peer *peer)
{
    if (!peer)
        return;
    storage_set_duty(peer->ports.storage, &(struct storage_duty){0});
    peer_values_fini(peer);
    peer_transfers_fini(peer);
    chord_admissions_fini(peer);
    peer_attaches_fini(peer);
    peer_transactions_fini(peer);
    peer_requests_fini(peer);
    peer_served_fini(peer);
    peer_rates_fini(peer);
    peer_opaque_fini(peer);
    reload_reassembly_fini(&peer->reassembly);
    peer_links_fini(peer);
    chord_table_fini(&peer->table);
    peer_loopback_fini(peer);
    peer_early_drop(peer);
    peer_effects_fini(peer);
    mem_free(peer->join.bootstraps);
    mem_free(peer->candidates);
    mem_free(peer->config_pushes);
    heap_fini(&peer->timers);
    mem_free(peer);
}

static struct bootstrap *bootstrap_at(struct peer *peer, const struct addr *addr)
{
    for (size_t i = 0; i < peer->join.bootstrap_count; i++)
        if (addr_eq(&peer->join.bootstraps[i].addr, addr))
            return &peer->join.bootstraps[i];
    return NULL;
}

/* What is known of those that stay is kept. */
static void take_bootstraps(struct peer *peer, const struct addr *bootstraps, size_t count)
{
    if (count > PEER_BOOTSTRAPS_MAX)
        count = PEER_BOOTSTRAPS_MAX;
    struct bootstrap *fresh = mem_alloc(count * sizeof *fresh);
    if (!fresh) {
        peer->counters.memory_refused++;
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct bootstrap *known = bootstrap_at(peer, &bootstraps[i]);
        if (!peer_has_family(peer, bootstraps[i].family))
            peer->counters.bootstrap_no_family++;
        else if (known)
            fresh[n++] = *known;
        else
            fresh[n++].addr = bootstraps[i];
    }
    mem_free(peer->join.bootstraps);
    peer->join.bootstraps = fresh;
    peer->join.bootstrap_count = n;
    peer->join.next = n ? peer->join.next % n : 0;
    if (count && !n)
        log_event(peer->ports.log, LEVEL_ERROR, "ring.no_bootstrap",
                  "all bootstrap nodes have addresses of a family that this node does not have");
}

void peer_bootstraps_set(struct peer *peer, const struct addr *bootstraps, size_t count)
{
    if (peer->state != PEER_IDLE)
        take_bootstraps(peer, bootstraps, count);
}

void peer_start(struct peer *peer, struct now now, const struct addr *bootstraps, size_t count)
{
    if (peer->state != PEER_IDLE)
        return;
    peer->now = now;
    take_bootstraps(peer, bootstraps, count);
    if (config_is_bad_node(peer->config, peer->options.self))
        peer_shut_out(peer, now);
    else
        chord_join_start(peer, now);
    peer_settle(peer, now);
}

/* ---- messages to ourselves ---- */

void peer_loopback_fini(struct peer *peer)
{
    struct list *first;
    while ((first = list_pop(&peer->loopback)) != NULL) {
        struct looped *looped = CONTAINER_OF(first, struct looped, order);
        buf_fini(&looped->message);
        mem_free(looped);
    }
}

void peer_settle(struct peer *peer, struct now now)
{
    peer->now = now;
    if (peer->settling)
        return;
    peer->settling = true;
    struct list *first = NULL;
    for (unsigned i = 0; i < LOOPED_PER_EVENT_MAX && (first = list_pop(&peer->loopback)) != NULL; i++) {
        struct looped *looped = CONTAINER_OF(first, struct looped, order);
        peer_forward_input(peer, now, NULL, buf_slice(&looped->message));
        buf_fini(&looped->message);
        mem_free(looped);
    }
    if (peer->state == PEER_JOINED)
        peer_early_take(peer, now);
    peer->settling = false;
}

/* ---- time ---- */

static void reassembly_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    (void)timer;
    reload_reassembly_expire(&peer->reassembly, now.mono);
    peer_reassembly_schedule(peer);
}

void peer_reassembly_init(struct peer *peer)
{
    reload_reassembly_init(&peer->reassembly, peer->config->max_message_size);
    peer->reassembly_timer.fire = reassembly_timer_fire;
}

void peer_reassembly_schedule(struct peer *peer)
{
    struct mono due = reload_reassembly_deadline(&peer->reassembly);
    if (due.us == INT64_MAX)
        heap_remove(&peer->timers, &peer->reassembly_timer.node);
    else
        heap_set(&peer->timers, &peer->reassembly_timer.node, due);
}

void peer_tick(struct peer *peer, struct now now)
{
    struct heap_node *due;
    peer->now = now;
    storage_tick(peer->ports.storage, now);
    /* What becomes due by what is done now waits for the next tick: a tick ends. */
    for (size_t n = peer->timers.n; n && (due = heap_pop_due(&peer->timers, now.mono)) != NULL; n--) {
        struct timer *timer = CONTAINER_OF(due, struct timer, node);
        timer->fire(peer, now, timer);
    }
    peer_settle(peer, now);
    chord_tell_state(peer);
}

struct mono peer_deadline(const struct peer *peer)
{
    struct mono due = mono_min(heap_deadline(&peer->timers), storage_deadline(peer->ports.storage));
    return list_empty(&peer->loopback) ? due : mono_min(due, peer->now.mono);
}
