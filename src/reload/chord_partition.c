/* Finding out that the ring has fallen apart, and healing it (RFC 6940 10.7.4.4): now and then a Ping goes through a bootstrap node to the place
 * behind our own. Who answers is our successor, or there is another ring: then an Attach makes the two of us neighbors, and their Updates
 * do the rest. */
#include "reload/peer_internal.h"

#define CHECK_NODES 64    /* rings of more nodes check less often, so that bootstrap nodes see the same load */
#define AGAIN_PER_CHECK 4 /* while a bootstrap node cannot be reached: that may be the partition */

static void schedule(struct peer *peer, struct now now, int64_t interval_ms)
{
    if (!interval_ms)
        return;
    double crowd = peer_ring_size(peer) / CHECK_NODES;
    int64_t ms = (int64_t)((double)interval_ms * (crowd > 1 ? crowd : 1));
    ms = entropy_between(&peer->ports.entropy, ms * 3 / 4, ms * 5 / 4);
    heap_set(&peer->timers, &peer->partition_timer.node, mono_after_ms(now.mono, ms));
}

static struct id place_behind_us(const struct peer *peer)
{
    return id_add(peer->options.self, id_power_of_two(0));
}

static void ping_answered(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    (void)ctx;
    struct id node = outcome->responder;
    if (outcome->err || peer->state != PEER_JOINED || id_eq(node, peer->options.self) || peer_link_to(peer, node))
        return;
    /* A stranger. It may be a successor that is quite new, which would do no harm. */
    bool nearer_exists =
        peer->table.n && id_in_open_open(peer->options.self, chord_table_successor(&peer->table, 0), node);
    if (nearer_exists || !peer->table.n) {
        char hex[ID_HEX_OCTETS];
        peer->counters.partition_found++;
        log_event(peer->ports.log, LEVEL_WARNING, "ring.partition", "another ring has node=%s in our successor's place",
                  id_format(node, hex));
    }
    struct link *bootstrap = peer_link_to(peer, peer->partition_bootstrap);
    struct route route = {.is_node = true, .id = node, .has_via = bootstrap != NULL, .via = peer->partition_bootstrap};
    peer_attach_start(peer, now, &route, NULL, NULL);
}

static void ping_through(struct peer *peer, struct now now, struct link *bootstrap)
{
    peer->partition_bootstrap = bootstrap->node;
    struct route route = {.id = place_behind_us(peer), .first_link = bootstrap->number};
    struct reload_body body = {.code = RELOAD_PING_REQ};
    peer_transaction_start(peer, now, &route, &body, ping_answered, NULL);
}

/* The link was opened for the check, or it is one to a bootstrap node anyway. */
void chord_partition_link_up(struct peer *peer, struct now now, struct link *link)
{
    if (peer->state == PEER_JOINED && link->bootstrap)
        ping_through(peer, now, link);
}

/* Not ourselves; the one that could not be reached last time is asked again. */
static struct bootstrap *choose(struct peer *peer)
{
    struct join *join = &peer->join;
    if (!peer->partition_unreachable)
        peer->partition_at = (size_t)entropy_below(&peer->ports.entropy, join->bootstrap_count);
    peer->partition_unreachable = false;
    for (size_t i = 0; i < join->bootstrap_count; i++, peer->partition_at++) {
        struct bootstrap *b = &join->bootstraps[peer->partition_at % join->bootstrap_count];
        if (!peer_is_own_address(peer, &b->addr))
            return b;
    }
    return NULL;
}

/* What a node says of its address is believed if its connection came from there: else it would be asked in the bootstrap node's place, and could
 * hide another ring. */
static bool leads_to(const struct link *link, const struct bootstrap *b)
{
    if (!link->incoming)
        return addr_eq(&link->addr, &b->addr);
    return id_eq(link->node, b->claimed) && addr_eq_ip(&link->addr, &b->addr);
}

/* The link that there is to this bootstrap node, whoever opened it and for what reason. A second one would take its place, and nobody would route
 * by it before the Updates have gone over it. */
static struct link *link_to(const struct peer *peer, const struct bootstrap *b)
{
    struct link *known = chord_bootstrap_link(peer, b);
    for (size_t i = 0; !known && i < peer->by_node_count; i++) {
        struct link *link = peer->by_node[i];
        if (link->member && !link->suspect && leads_to(link, b))
            known = link;
    }
    return known;
}

static void check(struct peer *peer, struct now now, struct bootstrap *b);

static void address_told(struct peer *peer, struct now now, void *ctx, int err, struct id node)
{
    const struct join *join = &peer->join;
    (void)ctx, (void)err, (void)node;
    if (peer->state == PEER_JOINED && join->bootstrap_count)
        check(peer, now, &join->bootstraps[peer->partition_at % join->bootstrap_count]);
}

/* Who connected to us from the bootstrap node's IP address, and never had to say where it listens, is asked, once: by an Attach, which comes to
 * nothing else since there is a link. */
static bool ask_address(struct peer *peer, struct now now, const struct bootstrap *b)
{
    for (size_t i = 0; i < peer->by_node_count; i++) {
        struct link *link = peer->by_node[i];
        struct route route = {.is_node = true, .id = link->node, .first_link = link->number};
        if (!link->incoming || !link->member || link->suspect || link->asked_by_us ||
            !addr_eq_ip(&link->addr, &b->addr))
            continue;
        link->asked_by_us = true;
        return peer_attach_finger(peer, now, &route, address_told) == 0;
    }
    return false;
}

static void check(struct peer *peer, struct now now, struct bootstrap *b)
{
    struct link *link = link_to(peer, b);
    if (link)
        ping_through(peer, now, link);
    else if (!ask_address(peer, now, b) && !peer_link_has_bootstrap(peer, &b->addr))
        chord_bootstrap_connect(peer, now, b);
}

static void partition_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    (void)timer;
    if (peer->state != PEER_JOINED)
        return;
    schedule(peer, now, peer->options.partition_check_ms);
    struct bootstrap *b = choose(peer);
    if (b)
        check(peer, now, b);
}

void chord_partition_connect_failed(struct peer *peer, struct now now, uint64_t link)
{
    const struct join *join = &peer->join;
    if (peer->state != PEER_JOINED || !join->bootstrap_count ||
        join->bootstraps[peer->partition_at % join->bootstrap_count].link != link)
        return;
    peer->partition_unreachable = true;
    schedule(peer, now, peer->options.partition_check_ms / AGAIN_PER_CHECK);
}

void chord_partition_start(struct peer *peer, struct now now)
{
    peer->partition_timer.fire = partition_timer_fire;
    schedule(peer, now, peer->options.partition_check_ms);
}

void chord_partition_stop(struct peer *peer)
{
    heap_remove(&peer->timers, &peer->partition_timer.node);
}
