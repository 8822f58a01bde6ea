/* Links: who is at the other end, one per node, framing with acknowledgements, and finding out that a link has died (RFC 6940 6.6). */
#include "reload/peer_internal.h"

#include "reload/frame.h"

#define FAR_NEIGHBOR_PATIENCE \
    5 /* halves: how much longer the silence of a neighbor that is not the next one may last */
#define BOOTSTRAP_QUIET_MS 10000

/* ---- the tables of links ---- */

struct link *peer_link_find(const struct peer *peer, uint64_t number)
{
    size_t slot = number & 0xffff;
    struct link *link = slot < peer->slot_count ? peer->slots[slot] : NULL;
    return link && link->number == number ? link : NULL;
}

static size_t by_node_position(const struct peer *peer, struct id node)
{
    size_t low = 0, high = peer->by_node_count;
    uint64_t wanted_high = id_high(node), wanted_low = id_low(node);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t at = id_high(peer->by_node_ids[middle]);
        if (at < wanted_high || (at == wanted_high && id_low(peer->by_node_ids[middle]) < wanted_low))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct link *peer_link_to(const struct peer *peer, struct id node)
{
    size_t at = by_node_position(peer, node);
    return at < peer->by_node_count && id_eq(peer->by_node_ids[at], node) ? peer->by_node[at] : NULL;
}

static int by_node_insert(struct peer *peer, struct link *link)
{
    if (peer->by_node_count == peer->by_node_capacity) {
        size_t capacity = peer->by_node_capacity ? peer->by_node_capacity * 2 : 8;
        struct link **grown = mem_resize(peer->by_node, capacity * sizeof *grown);
        if (!grown)
            return ERR_NO_MEMORY;
        peer->by_node = grown;
        struct id *ids = mem_resize(peer->by_node_ids, capacity * sizeof *ids);
        if (!ids)
            return ERR_NO_MEMORY;
        peer->by_node_ids = ids;
        peer->by_node_capacity = capacity;
    }
    size_t at = by_node_position(peer, link->node), behind = peer->by_node_count - at;
    memmove(peer->by_node + at + 1, peer->by_node + at, behind * sizeof *peer->by_node);
    memmove(peer->by_node_ids + at + 1, peer->by_node_ids + at, behind * sizeof *peer->by_node_ids);
    peer->by_node[at] = link;
    peer->by_node_ids[at] = link->node;
    peer->by_node_count++;
    return 0;
}

static void by_node_remove(struct peer *peer, const struct link *link)
{
    size_t at = by_node_position(peer, link->node);
    if (at == peer->by_node_count || peer->by_node[at] != link)
        return;
    size_t behind = --peer->by_node_count - at;
    memmove(peer->by_node + at, peer->by_node + at + 1, behind * sizeof *peer->by_node);
    memmove(peer->by_node_ids + at, peer->by_node_ids + at + 1, behind * sizeof *peer->by_node_ids);
}

static int free_slot(struct peer *peer, size_t *ret_slot)
{
    for (size_t i = 0; i < peer->slot_count; i++)
        if (!peer->slots[i]) {
            *ret_slot = i;
            return 0;
        }
    if (peer->slot_count >= 0x10000)
        return ERR_LIMIT;
    size_t count = peer->slot_count ? peer->slot_count * 2 : 8;
    struct link **grown = mem_resize(peer->slots, count * sizeof *grown);
    if (!grown)
        return ERR_NO_MEMORY;
    memset(grown + peer->slot_count, 0, (count - peer->slot_count) * sizeof *grown);
    *ret_slot = peer->slot_count;
    peer->slots = grown;
    peer->slot_count = count;
    return 0;
}

static timer_fn link_timer_fire;

static struct link *link_new(struct peer *peer, struct now now, const struct addr *addr, bool incoming)
{
    size_t slot;
    struct link *link = free_slot(peer, &slot) ? NULL : mem_alloc(sizeof *link);
    if (!link) {
        peer->counters.memory_refused++;
        return NULL;
    }
    link->number = ++peer->next_link << 16 | slot;
    link->addr = *addr;
    link->incoming = incoming;
    link->config_sequence = CONFIG_SEQUENCE_ANY;
    link->coordinate = coordinate_unknown();
    link->since = link->heard = now.mono;
    link->timer.fire = link_timer_fire;
    peer->slots[slot] = link;
    peer->link_count++;
    return link;
}

static void link_free(struct peer *peer, struct link *link)
{
    heap_remove(&peer->timers, &link->timer.node);
    by_node_remove(peer, link);
    peer->slots[link->number & 0xffff] = NULL;
    peer->link_count--;
    buf_fini(&link->input);
    mem_free(link->sent);
    chord_reach_fini(&link->reach);
    mem_free(link);
}

/* ---- opening and closing ---- */

/* The link is gone; everybody who relied on it hears of it. */
static void link_lost(struct peer *peer, struct now now, struct link *link)
{
    struct id node = link->node;
    uint64_t number = link->number;
    enum link_state state = link->state;
    bool asked = link->asked_by_us || link->asked_by_them;
    peer->counters.links_closed++;
    link_free(peer, link);
    if (state == LINK_UP) {
        chord_node_lost(peer, now, node, true);
        if (asked)
            chord_finger_lost(peer, now, node);
        chord_admit_node_lost(peer, now, node);
        peer_transfers_stop(peer, now, node, ERR_CLOSED);
    }
    if (state == LINK_CONNECTING)
        chord_partition_connect_failed(peer, now, number);
    if (state != LINK_DRAINING) {
        peer_attach_link_failed(peer, now, node);
        chord_join_link_lost(peer, now, number, node);
    }
}

void peer_link_close(struct peer *peer, struct now now, struct link *link, const char *reason)
{
    char hex[ID_HEX_OCTETS];
    log_event(peer->ports.log, LEVEL_INFO, "ring.link.closed", "node=%s reason=\"%s\"", id_format(link->node, hex),
              reason);
    peer_effect_close(peer, link->number, reason);
    link_lost(peer, now, link);
}

/* An idle link that is neither neighbor nor finger gives way to a new one. */
static bool link_make_room(struct peer *peer, struct now now)
{
    if (peer->link_count < peer->options.links_max)
        return true;
    struct link *victim = NULL;
    for (size_t i = 0; i < peer->by_node_count; i++) {
        struct link *link = peer->by_node[i];
        if ((victim && link->heard.us >= victim->heard.us) || link->sent_count || /* what costs least first */
            chord_is_neighbor(peer, link->node) || chord_is_finger(peer, link->node))
            continue;
        victim = link;
    }
    peer->counters.link_refused_limit++;
    if (!victim)
        return false;
    peer_link_close(peer, now, victim, "gives way: the limit of links is reached");
    return true;
}

struct link *peer_link_connect(struct peer *peer, struct now now, const struct addr *addr, struct id node,
                               bool bootstrap)
{
    if (!link_make_room(peer, now))
        return NULL;
    struct link *link = link_new(peer, now, addr, false);
    if (!link)
        return NULL;
    link->state = LINK_CONNECTING;
    link->node = node;
    link->bootstrap = bootstrap;
    peer_effect_connect(peer, link->number, addr, node);
    peer_link_schedule(peer, link);
    return link;
}

bool peer_link_connecting(const struct peer *peer, struct id node)
{
    for (size_t i = 0; i < peer->slot_count; i++) {
        const struct link *link = peer->slots[i];
        if (link && link->state == LINK_CONNECTING && id_eq(link->node, node))
            return true;
    }
    return false;
}

bool peer_link_has_bootstrap(const struct peer *peer, const struct addr *addr)
{
    for (size_t i = 0; i < peer->slot_count; i++) {
        const struct link *link = peer->slots[i];
        if (link && link->bootstrap && addr_eq(&link->addr, addr))
            return true;
    }
    return false;
}

static void link_drain(struct peer *peer, struct now now, struct link *link)
{
    by_node_remove(peer, link);
    link->state = LINK_DRAINING;
    link->since = now.mono;
    peer_link_schedule(peer, link);
}

/* Two links to one node. Both sides decide alike: of a simultaneous connect, the one that the greater Node-ID opened stays (as in 6.5.1.2); else
 * the newer one, because the node has lost the other. Returns true if the new link is the one. */
static bool settle_duplicate(struct peer *peer, struct now now, struct link *link)
{
    struct link *old = peer_link_to(peer, link->node);
    if (!old)
        return true;
    peer->counters.link_duplicate++;
    bool young = mono_since_us(now.mono, old->since) < (int64_t)LINK_YOUNG_MS * 1000;
    if (!young || old->incoming == link->incoming) {
        peer_link_close(peer, now, old, "the node has connected anew");
        return true;
    }
    bool self_is_greater = id_cmp(peer->options.self, link->node) > 0;
    if (link->incoming == self_is_greater) {
        old->bootstrap |= link->bootstrap;
        link_drain(peer, now, link);
        return false;
    }
    link->member = old->member;
    link->bootstrap |= old->bootstrap;
    link->update_wanted |= old->update_wanted;
    link->asked_by_us |= old->asked_by_us;
    link->asked_by_them |= old->asked_by_them;
    link->config_sequence = old->config_sequence;
    link_drain(peer, now, old);
    return true;
}

/* The link is the way to its node from now on. */
static int link_establish(struct peer *peer, struct now now, struct link *link)
{
    link->since = link->heard = now.mono;
    chord_bootstrap_met(peer, link);
    if (!settle_duplicate(peer, now, link)) {
        struct link *stays = peer_link_to(peer, link->node);
        if (stays)
            chord_join_link_up(peer, now, stays);
        return 0;
    }
    link->state = LINK_UP;
    int err = by_node_insert(peer, link);
    if (err)
        return err;
    peer_node_unshun(peer, link->node);
    peer_link_schedule(peer, link);
    char hex[ID_HEX_OCTETS], text[ADDR_TEXT_OCTETS];
    log_event(peer->ports.log, LEVEL_INFO, "ring.link.up", "node=%s addr=%s direction=%s", id_format(link->node, hex),
              addr_format(&link->addr, text), link->incoming ? "in" : "out");
    uint64_t number = link->number;
    struct id node = link->node;
    if (peer->state == PEER_JOINED) {
        /* A peer says so to whom it is connected to, asked (6.5.1.1: send_update) or not: until then nobody may route through it. */
        bool wanted = link->update_wanted || chord_is_worth_showing(peer, link);
        link->update_wanted = false;
        chord_update_send(peer, now, node, wanted ? RELOAD_CHORD_FULL : RELOAD_CHORD_NEIGHBORS);
    }
    peer_attach_link_up(peer, now, node);
    if ((link = peer_link_find(peer, number)) != NULL)
        chord_join_link_up(peer, now, link);
    if ((link = peer_link_find(peer, number)) != NULL)
        chord_partition_link_up(peer, now, link);
    return 0;
}

static bool is_closed_for_links(const struct peer *peer)
{
    return peer->state == PEER_IDLE || peer->state == PEER_LEAVING || peer->state == PEER_LEFT ||
           peer->state == PEER_SHUT_OUT;
}

/* Its node is the one that signs the first message. */
static void link_leave_nameless(struct peer *peer, struct link *link, const struct link_identity *identity)
{
    link->state = LINK_NAMELESS;
    link->must_attach = link->incoming;
    memcpy(link->certificate_hash, identity->certificate_hash, sizeof link->certificate_hash);
    peer_link_schedule(peer, link);
}

static void ignore_answer(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    (void)peer, (void)now, (void)ctx, (void)outcome; /* that it comes is what counts */
}

/* A bootstrap node with several Node-IDs in its certificate: whoever is at the other end (6.1.2: the wildcard) answers in its name. */
static void link_ask_name(struct peer *peer, struct now now, struct link *link, const struct link_identity *identity)
{
    link->since = now.mono;
    link_leave_nameless(peer, link, identity);
    struct route route = {.is_node = true, .id = id_wildcard(), .first_link = link->number};
    struct reload_body body = {.code = RELOAD_PING_REQ};
    peer_transaction_start(peer, now, &route, &body, ignore_answer, NULL); /* else the link's timer ends it */
}

int peer_link_up(struct peer *peer, struct now now, uint64_t number, struct slice certificate)
{
    struct link *link = peer_link_find(peer, number);
    peer->now = now;
    if (!link || link->state != LINK_CONNECTING)
        return ERR_NOT_FOUND;
    struct link_identity identity;
    int err = is_closed_for_links(peer)
                  ? ERR_WRONG_STATE
                  : peer_link_identify(peer, now, &link->addr, certificate, link->node, &identity);
    if (!err) {
        peer->counters.links_opened++;
        link->node = identity.node;
        memcpy(link->certificate_hash, identity.certificate_hash, sizeof link->certificate_hash);
        if (id_is_zero(identity.node))
            link_ask_name(peer, now, link, &identity);
        else
            err = link_establish(peer, now, link);
    }
    if (err)
        link_lost(peer, now, link);
    peer_settle(peer, now);
    return err;
}

int peer_link_accept(struct peer *peer, struct now now, const struct addr *remote, struct slice certificate,
                     uint64_t *ret_link)
{
    struct link_identity identity;
    peer->now = now;
    int err = is_closed_for_links(peer)
                  ? ERR_WRONG_STATE
                  : peer_link_identify(peer, now, remote, certificate, (struct id){{0}}, &identity);
    if (!err && !link_make_room(peer, now))
        err = ERR_LIMIT;
    struct link *link = err ? NULL : link_new(peer, now, remote, true);
    if (!err && !link)
        err = ERR_NO_MEMORY;
    if (!err) {
        peer->counters.links_accepted++;
        link->node = identity.node;
        memcpy(link->certificate_hash, identity.certificate_hash, sizeof link->certificate_hash);
        uint64_t number = link->number;
        if (id_is_zero(identity.node))
            link_leave_nameless(peer, link, &identity);
        else
            err = link_establish(peer, now, link);
        if (err)
            link_lost(peer, now, link);
        else
            *ret_link = number;
    }
    peer_settle(peer, now);
    return err;
}

void peer_link_connect_failed(struct peer *peer, struct now now, uint64_t number, int err)
{
    struct link *link = peer_link_find(peer, number);
    peer->now = now;
    if (!link)
        return;
    if (err == ERR_AUTH || err == ERR_EXPIRED)
        peer->counters.link_refused_certificate++;
    link_lost(peer, now, link);
    peer_settle(peer, now);
}

void peer_link_down(struct peer *peer, struct now now, uint64_t number)
{
    struct link *link = peer_link_find(peer, number);
    peer->now = now;
    if (!link)
        return;
    char hex[ID_HEX_OCTETS];
    log_event(peer->ports.log, LEVEL_INFO, "ring.link.down", "node=%s", id_format(link->node, hex));
    link_lost(peer, now, link);
    peer_settle(peer, now);
}

/* Whether the authority of the link's certificate has been taken out. One that has ended, or is not known any longer, is no reason: links
 * outlive the certificates that they began with. */
static bool is_of_no_authority(const struct peer *peer, struct now now, const struct link *link)
{
    const struct security *security = peer->ports.security;
    const struct security_cert *cert;
    return link->state == LINK_UP &&
           security->ops->lookup(security->ctx, link->certificate_hash, now.wall, &cert) == ERR_AUTH;
}

void peer_links_judge(struct peer *peer, struct now now)
{
    for (size_t i = 0; i < peer->slot_count; i++) {
        struct link *link = peer->slots[i];
        if (link && config_is_bad_node(peer->config, link->node)) {
            peer->counters.link_refused_banned++;
            if (link->state == LINK_UP)
                config_push(peer, now, link->node); /* so that its operator learns why */
            peer_link_close(peer, now, link, "the configuration bans the node");
        } else if (link && is_of_no_authority(peer, now, link)) {
            peer->counters.link_refused_certificate++;
            config_push(peer, now, link->node);
            peer_link_close(peer, now, link, "the authority of its certificate was removed");
        }
    }
}

void peer_links_close(struct peer *peer, struct now now, const char *reason)
{
    for (size_t i = 0; i < peer->slot_count; i++)
        if (peer->slots[i])
            peer_link_close(peer, now, peer->slots[i], reason);
}

void peer_links_fini(struct peer *peer)
{
    for (size_t i = 0; i < peer->slot_count; i++)
        if (peer->slots[i])
            link_free(peer, peer->slots[i]);
    mem_free(peer->slots);
    mem_free(peer->by_node);
    mem_free(peer->by_node_ids);
}

/* ---- round trips (RFC 6298 section 2) ---- */

static int64_t rto_us(const struct link *link)
{
    if (!link->srtt_us)
        return LINK_RTO_INITIAL_US;
    int64_t rto = (int64_t)link->srtt_us + 4 * (int64_t)link->rttvar_us;
    if (rto < LINK_RTO_MIN_US)
        return LINK_RTO_MIN_US;
    return rto > LINK_RTO_MAX_US ? LINK_RTO_MAX_US : rto;
}

static void rtt_sample(struct link *link, int64_t rtt_us)
{
    int32_t r = rtt_us < 1 ? 1 : rtt_us > LINK_RTO_MAX_US ? LINK_RTO_MAX_US : (int32_t)rtt_us;
    if (!link->srtt_us) {
        link->srtt_us = r;
        link->rttvar_us = r / 2;
        return;
    }
    int32_t off = link->srtt_us > r ? link->srtt_us - r : r - link->srtt_us;
    link->rttvar_us += (off - link->rttvar_us) / 4;
    link->srtt_us += (r - link->srtt_us) / 8;
    if (link->srtt_us < 1)
        link->srtt_us = 1;
}

/* ---- time ---- */

/* Links to neighbors are watched more closely, most of all those to the next ones: the ring hangs on them. Both ends of a link see the same silence:
 * the jitter lets one of them be first, and the other one need not ask. */
static struct mono keepalive_due(const struct peer *peer, const struct link *link)
{
    int64_t quiet_ms = peer->options.link_keepalive_ms;
    if (peer->state == PEER_JOINED && !link->member)
        return mono_after_ms(mono_max(link->since, link->asked_update), UPDATE_MISSED_MS);
    if (chord_table_would_be_neighbor(&peer->table, link->node, 1))
        quiet_ms = peer->options.neighbor_keepalive_ms;
    else if (chord_is_neighbor(peer, link->node))
        quiet_ms = peer->options.neighbor_keepalive_ms * FAR_NEIGHBOR_PATIENCE / 2;
    uint32_t jitter = (uint32_t)(link->number >> 16) * 2654435761u ^ peer->options.self.octets[ID_OCTETS - 1] * 40503u;
    if (!quiet_ms)
        return MONO_NEVER;
    quiet_ms -= quiet_ms / 4 * (jitter >> 24) / 256;
    /* A bootstrap node's link was for one question. */
    if (link->bootstrap && quiet_ms > BOOTSTRAP_QUIET_MS)
        quiet_ms = BOOTSTRAP_QUIET_MS;
    return mono_after_ms(link->heard, quiet_ms);
}

void peer_link_schedule(struct peer *peer, struct link *link)
{
    struct mono due;
    if (link->doomed) {
        due = peer->now.mono;
    } else if (link->state == LINK_CONNECTING || link->state == LINK_NAMELESS) {
        due = mono_after_ms(link->since, LINK_CONNECT_MS);
    } else if (link->state == LINK_DRAINING) {
        due = mono_after_ms(link->since, LINK_DRAIN_MS);
    } else if (link->suspect) {
        due = mono_after_ms(link->suspected, link->sent_count ? LINK_SUSPECT_MS : LINK_SLOW_PROBE_MS);
    } else if (link->sent_count) {
        due = mono_after_us(link->sent[0].at, rto_us(link));
    } else {
        due = keepalive_due(peer, link);
    }
    if (heap_set(&peer->timers, &link->timer.node, due))
        peer->counters.memory_refused++;
}

static void link_suspect(struct peer *peer, struct now now, struct link *link)
{
    char hex[ID_HEX_OCTETS];
    log_event(peer->ports.log, LEVEL_NOTICE, "ring.link.silent", "node=%s rto_ms=%lld", id_format(link->node, hex),
              (long long)(rto_us(link) / 1000));
    peer->counters.link_ack_timeout++;
    link->suspect = true;
    link->suspected = now.mono;
    peer_link_schedule(peer, link);
    struct id node = link->node;
    chord_node_lost(peer, now, node, true);
    chord_finger_lost(peer, now, node);
}

/* A Ping. From who is connected and has never said that it is a peer, an Update is asked for: it may have been lost. */
static void link_probe(struct peer *peer, struct now now, struct link *link)
{
    struct route route = {.is_node = true, .id = link->node, .first_link = link->number};
    struct reload_body body = {.code = RELOAD_PING_REQ};
    uint64_t number = link->number;
    if (peer->state == PEER_JOINED && !link->member) {
        body.code = RELOAD_ROUTE_QUERY_REQ;
        body.route_query.send_update = true;
        body.route_query.destination = reload_destination_node(peer->options.self);
        link->asked_update = now.mono;
    }
    if (peer_transaction_start(peer, now, &route, &body, ignore_answer, NULL))
        link->heard = now.mono; /* out of memory or transactions: the next interval tries again */
    if ((link = peer_link_find(peer, number)) != NULL)
        peer_link_schedule(peer, link);
}

static void link_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    struct link *link = CONTAINER_OF(timer, struct link, timer);
    if (link->doomed) {
        peer_link_close(peer, now, link, link->doomed);
    } else if (link->state == LINK_CONNECTING) {
        peer_link_close(peer, now, link, "no connection in time");
    } else if (link->state == LINK_NAMELESS) {
        peer_link_close(peer, now, link, "no message in time that says which node of the certificate it is");
    } else if (link->state == LINK_DRAINING) {
        peer_link_close(peer, now, link, "there is another link to the node");
    } else if (link->suspect && link->sent_count) {
        peer_link_close(peer, now, link, "no acknowledgement");
    } else if (link->suspect) {
        link->suspected = now.mono;
        link_probe(peer, now, link); /* it answered, too late: whether it is quick again */
    } else if (link->sent_count) {
        link_suspect(peer, now, link);
    } else if (!mono_due(keepalive_due(peer, link), now.mono)) {
        peer_link_schedule(peer, link); /* octets came meanwhile */
    } else if (chord_link_is_surplus(peer, now, link, 0)) {
        chord_link_close_surplus(peer, now, link);
    } else {
        link_probe(peer, now, link);
    }
}

/* ---- frames ---- */

/* Remembers a frame until it is acknowledged. False: it could not be. */
static bool sent_push(struct link *link, struct mono at, uint32_t sequence, uint32_t octets)
{
    if (link->sent_count == link->sent_capacity) {
        uint32_t capacity = link->sent_capacity ? link->sent_capacity * 2 : 2;
        struct sent_frame *grown = mem_resize(link->sent, capacity * sizeof *grown);
        if (!grown)
            return false;
        link->sent = grown;
        link->sent_capacity = capacity;
    }
    link->sent[link->sent_count++] = (struct sent_frame){at, sequence, octets};
    link->sent_octets += octets;
    return true;
}

static void link_doom(struct peer *peer, struct link *link, const char *reason)
{
    link->doomed = reason;
    peer_link_schedule(peer, link);
}

void peer_link_send(struct peer *peer, struct now now, struct link *link, struct slice message)
{
    uint32_t octets = (uint32_t)message.n + RELOAD_FRAME_DATA_HEAD_OCTETS;
    if (link->doomed)
        return;
    if (link->sent_octets + octets > peer->options.link_queue_octets_max ||
        link->sent_count >= FRAMES_UNACKNOWLEDGED_MAX) {
        peer->counters.link_queue_overflow++;
        link_doom(peer, link, "too slow: its queue is full");
        return;
    }
    struct buf frame;
    buf_init(&frame, octets);
    reload_frame_encode(&(struct reload_frame){RELOAD_FRAME_DATA, link->next_sequence, 0, message}, &frame);
    if (frame.err || !sent_push(link, now.mono, link->next_sequence, octets)) {
        peer->counters.memory_refused++;
        buf_fini(&frame);
        return;
    }
    link->next_sequence++;
    peer->counters.frames_sent++;
    peer->counters.octets_sent += octets;
    if (peer_effect_send(peer, link->number, &frame))
        link_doom(peer, link, "out of memory"); /* a gap in the sequence would never be acknowledged */
    else if (link->sent_count == 1)
        peer_link_schedule(peer, link);
}

static void ack_send(struct peer *peer, struct link *link, uint32_t sequence)
{
    /* The mask tells of the frames before this one: bit k is sequence - k (6.6.2). */
    uint32_t ahead = sequence - link->received_last;
    if (!link->heard_any)
        link->received_mask = 0;
    else if (ahead && ahead < 0x80000000u)
        link->received_mask = ahead > 31 ? 0 : (link->received_mask | 1u) << ahead;
    link->heard_any = true;
    link->received_last = sequence;
    struct buf frame;
    buf_init(&frame, RELOAD_FRAME_ACK_OCTETS);
    reload_frame_encode(&(struct reload_frame){RELOAD_FRAME_ACK, sequence, link->received_mask & ~1u, {0}}, &frame);
    peer->counters.octets_sent += frame.n;
    peer_effect_send(peer, link->number, &frame);
}

/* The stream keeps order: what is acknowledged, and all before it, has arrived. */
static void ack_input(struct peer *peer, struct now now, struct link *link, uint32_t sequence)
{
    uint32_t done = 0;
    bool quick = false;
    while (done < link->sent_count && (int32_t)(sequence - link->sent[done].sequence) >= 0) {
        if (link->sent[done].sequence == sequence) {
            int64_t rtt_us = mono_since_us(now.mono, link->sent[done].at);
            rtt_sample(link, rtt_us);
            quick = rtt_us <= LINK_BACK_US;
        }
        link->sent_octets -= link->sent[done].octets;
        done++;
    }
    if (!done)
        return;
    link->sent_count -= done;
    if (link->sent_count) {
        memmove(link->sent, link->sent + done, link->sent_count * sizeof *link->sent);
    } else {
        mem_free(link->sent); /* an idle link costs little */
        link->sent = NULL;
        link->sent_capacity = 0;
    }
    /* A link that is alive and slow does not come and go with every acknowledgement. */
    bool back = link->suspect && quick;
    link->suspect &= !quick;
    link->suspected = now.mono;
    peer_link_schedule(peer, link);
    if (back && link->member)
        chord_node_ready(peer, now, link->node, false);
}

/* The first message of a link with several possible nodes. False: it says nothing, or the link is gone. */
static bool link_name(struct peer *peer, struct now now, struct link *link, struct slice message)
{
    struct id node;
    uint64_t number = link->number;
    if (peer_link_signer(peer, now, link, message, &node))
        return false;
    link->node = node;
    if (link_establish(peer, now, link))
        peer_link_close(peer, now, link, "out of memory");
    return peer_link_find(peer, number) != NULL;
}

/* One frame. The link may be gone afterwards. */
static void frame_input(struct peer *peer, struct now now, struct link *link, const struct reload_frame *frame)
{
    if (frame->type == RELOAD_FRAME_ACK) {
        ack_input(peer, now, link, frame->sequence);
        return;
    }
    peer->counters.frames_received++;
    ack_send(peer, link, frame->sequence);
    if (link->state != LINK_NAMELESS || link_name(peer, now, link, frame->message))
        peer_forward_input(peer, now, link, frame->message);
}

/* Takes whole frames off the stream. Returns how many octets are done; all of them if the link is gone. */
static size_t frames_input(struct peer *peer, struct now now, uint64_t number, struct slice stream)
{
    size_t done = 0;
    while (done < stream.n) {
        struct link *link = peer_link_find(peer, number);
        if (!link)
            return stream.n;
        struct reload_frame frame;
        struct fault fault;
        size_t octets;
        struct slice left = slice_of(stream.p + done, stream.n - done);
        int err = reload_frame_decode(left, peer->config->max_message_size, &frame, &octets, &fault);
        if (err == ERR_TRUNCATED)
            break;
        if (err) {
            if (err == ERR_LIMIT) {
                peer->counters.message_too_large++;
                peer_forward_too_large(peer, now, link, frame.message);
            } else {
                peer->counters.frame_bad++;
            }
            if ((link = peer_link_find(peer, number)) != NULL)
                peer_link_close(peer, now, link, err == ERR_LIMIT ? "message too large" : "bad frame");
            return stream.n;
        }
        done += octets;
        frame_input(peer, now, link, &frame);
    }
    return done;
}

void peer_link_input(struct peer *peer, struct now now, uint64_t number, struct slice octets)
{
    struct link *link = peer_link_find(peer, number);
    peer->now = now;
    if (!link || link->state == LINK_CONNECTING)
        return;
    peer->counters.octets_received += octets.n;
    link->heard = now.mono;
    struct buf input = link->input;
    buf_init(&link->input, 0); /* ours while frames are worked on: the link may go meanwhile */
    if (input.n) {
        buf_slice_put(&input, octets);
        octets = buf_slice(&input);
    }
    size_t done = input.err ? 0 : frames_input(peer, now, number, octets);
    link = peer_link_find(peer, number);
    if (link && done < octets.n && !input.err) {
        struct slice rest = slice_of(octets.p + done, octets.n - done);
        if (input.n) {
            buf_drop(&input, done);
        } else {
            buf_init(&input, SIZE_MAX); /* frames_input bounds it: a frame is never longer than the limit of messages */
            buf_slice_put(&input, rest);
        }
        link->input = input;
        buf_init(&input, 0);
    }
    if (link && (input.err || link->input.err)) {
        peer->counters.memory_refused++;
        peer_link_close(peer, now, link, "out of memory");
    }
    buf_fini(&input);
    peer_settle(peer, now);
}
