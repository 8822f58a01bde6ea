/* Looking at the peer: what `show ring` prints, and the shares of the ring that quotas are reckoned by. */
#include "reload/peer_internal.h"

const struct peer_counters *peer_counters(const struct peer *peer)
{
    return &peer->counters;
}

enum peer_state peer_state(const struct peer *peer)
{
    return peer->state;
}

static double share_behind(const struct peer *peer, size_t predecessors)
{
    if (peer->state != PEER_JOINING && peer->state != PEER_JOINED && peer->state != PEER_LEAVING)
        return 0;
    if (peer->table.n < predecessors)
        return 1; /* so few peers that we hold everything */
    return id_fraction(chord_table_predecessor(&peer->table, predecessors - 1), peer->options.self);
}

double peer_share_owned(const struct peer *peer)
{
    return share_behind(peer, 1);
}

double peer_share_duty(const struct peer *peer)
{
    return share_behind(peer, (size_t)peer->options.replicas + 1);
}

static const char *link_state_name(const struct link *link)
{
    if (link->state == LINK_CONNECTING)
        return "connecting";
    if (link->state == LINK_NAMELESS)
        return "nameless";
    if (link->state == LINK_DRAINING)
        return "closing";
    if (link->suspect)
        return "suspect";
    return link->member ? "peer" : "attached";
}

static const char *user_of(const struct peer *peer, struct now now, const struct link *link, struct region *region)
{
    const struct security_cert *cert;
    const struct security *security = peer->ports.security;
    if (security->ops->lookup(security->ctx, link->certificate_hash, now.wall, &cert) != 0)
        return "";
    struct slice copy = region_copy(region, slice_of(cert->user, strlen(cert->user) + 1));
    return copy.p ? (const char *)copy.p : "";
}

static void link_view(const struct peer *peer, struct now now, const struct link *link, struct region *region,
                      struct peer_link_view *ret_view)
{
    *ret_view = (struct peer_link_view){
        .link = link->number,
        .node = link->node,
        .addr = link->addr,
        .state = link_state_name(link),
        .incoming = link->incoming,
        .age_us = mono_since_us(now.mono, link->since),
        .quiet_us = mono_since_us(now.mono, link->heard),
        .rtt_us = link->srtt_us,
        .user = user_of(peer, now, link, region),
        .config_sequence = link->config_sequence,
        .unacknowledged_octets = link->sent_octets,
    };
}

int peer_view(const struct peer *peer, struct now now, struct region *region, struct peer_view *ret_view)
{
    size_t n = chord_neighbor_count(peer);
    struct peer_view view = {
        .state = peer->state,
        .health = peer_health(peer),
        .self = peer->options.self,
        .predecessor_count = n,
        .successor_count = n,
        .ring_size = peer_ring_size(peer),
        .owned = peer_share_owned(peer),
        .duty = peer_share_duty(peer),
        .uptime_s = peer_uptime_s(peer, now),
        .config_sequence = peer->config->sequence,
        .transactions = peer->transactions.n,
    };
    view.predecessors = region_array(region, n + 1, sizeof *view.predecessors);
    view.successors = region_array(region, n + 1, sizeof *view.successors);
    view.fingers = region_array(region, peer->by_node_count + 1, sizeof *view.fingers);
    view.links = region_array(region, peer->link_count + 1, sizeof *view.links);
    view.slowed = region_array(region, PEER_SLOWED_MAX, sizeof *view.slowed);
    if (!view.predecessors || !view.successors || !view.fingers || !view.links || !view.slowed)
        return ERR_NO_MEMORY;
    view.slowed_count = peer_rates_view(peer, now, view.slowed, PEER_SLOWED_MAX);
    for (size_t i = 0; i < n; i++) {
        view.predecessors[i] = chord_table_predecessor(&peer->table, i);
        view.successors[i] = chord_table_successor(&peer->table, i);
    }
    if (peer->state == PEER_JOINED)
        view.predecessor = chord_predecessor(peer);
    view.finger_count = chord_fingers(peer, view.fingers, peer->by_node_count);
    for (size_t i = 0; i < peer->slot_count; i++)
        if (peer->slots[i])
            link_view(peer, now, peer->slots[i], region, &view.links[view.link_count++]);
    *ret_view = view;
    return 0;
}

size_t peer_known_addresses(const struct peer *peer, struct addr *ret_addrs, size_t max)
{
    size_t n = 0;
    /* What we connected to is an address where the node listens. Of the others we know the address, and guess that they listen at the
     * port at which we do: mostly everybody uses the standard one. */
    for (size_t i = 0; i < peer->by_node_count && n < max; i++) {
        if (!peer->by_node[i]->member)
            continue;
        ret_addrs[n] = peer->by_node[i]->addr;
        if (peer->by_node[i]->incoming)
            ret_addrs[n].port = peer->options.address.port;
        n++;
    }
    return n;
}
