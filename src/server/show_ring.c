/* The view of the ring that `show ring` gives: our place or places in it, and the links. Keys are those of the columns in
 * src/ctl/commands.c. */
#include "server/internal.h"
#include "server/show.h"

#define VIEW_REGION_OCTETS (4u << 20)

static bool is_among(struct id node, const struct id *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (id_eq(node, ids[i]))
            return true;
    return false;
}

static const char *relation(const struct peer_view *v, struct id node)
{
    bool before = is_among(node, v->predecessors, v->predecessor_count);
    bool after = is_among(node, v->successors, v->successor_count);
    if (before && after)
        return "both";
    if (before)
        return "predecessor";
    if (after)
        return "successor";
    return is_among(node, v->fingers, v->finger_count) ? "finger" : "other";
}

static void put_ids(struct ctl_writer *w, const char *key, const struct id *ids, size_t n)
{
    ctl_open_array(w, key);
    for (size_t i = 0; i < n; i++)
        ctl_put_id(w, NULL, ids[i]);
    ctl_close(w);
}

/* All Node-IDs of a server that has several. */
static void put_nodes(struct server *s, struct ctl_writer *w)
{
    ctl_open_array(w, "nodes");
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        const struct node *n = s->nodes[i];
        struct storage_view stored;
        if (!n)
            continue;
        storage_view(n->storage, &stored);
        ctl_open_object(w, NULL);
        ctl_put_unsigned(w, "number", n->number);
        ctl_put_id(w, "node_id", n->self);
        ctl_put_addr(w, "address", &n->address);
        if (n->other_address.family)
            ctl_put_addr(w, "other_address", &n->other_address);
        ctl_put_text(w, "state", n->retires && !n->gone ? "retiring" : peer_state_name(peer_state(n->peer)));
        ctl_put_text(w, "health", show_health_name(peer_health(n->peer)));
        ctl_put_printf(w, "share_owned", "%.4f", peer_share_owned(n->peer));
        ctl_put_printf(w, "share_with_replicas", "%.4f", peer_share_duty(n->peer));
        ctl_put_unsigned(w, "records_stored", stored.entries);
        ctl_put_time(w, "certificate_ends_at", security_own(n->security).cert->not_after);
        ctl_close(w);
    }
    ctl_close(w);
}

/* The links of one of our nodes; in a region of its own, for there may be many. */
static void put_peers(struct server *s, const struct node *n, struct ctl_writer *w)
{
    struct region region;
    struct peer_view v;
    region_init(&region, VIEW_REGION_OCTETS);
    if (peer_view(n->peer, s->now, &region, &v) == 0)
        for (size_t i = 0; i < v.link_count; i++) {
            const struct peer_link_view *l = &v.links[i];
            ctl_open_object(w, NULL);
            ctl_put_id(w, "node_id", l->node);
            ctl_put_text(w, "relation", relation(&v, l->node));
            ctl_put_addr(w, "address", &l->addr);
            ctl_put_text(w, "state", l->state);
            ctl_put_time(w, "since_at", wall_after_ms(s->now.wall, -(l->age_us / 1000)));
            ctl_put_boolean(w, "incoming", l->incoming);
            ctl_put_integer(w, "rtt_us", l->rtt_us);
            ctl_put_unsigned(w, "of", n->number);
            ctl_close(w);
        }
    region_fini(&region);
}

/* Nodes that ask for too much, and are slowed by it. */
static void put_slowed(struct server *s, const struct peer_view *v, struct ctl_writer *w)
{
    ctl_open_array(w, "slowed");
    for (size_t i = 0; i < v->slowed_count; i++) {
        ctl_open_object(w, NULL);
        ctl_put_id(w, "node_id", v->slowed[i].node);
        ctl_put_unsigned(w, "requests_dropped", v->slowed[i].requests);
        ctl_put_time(w, "last_at", wall_after_ms(s->now.wall, -(v->slowed[i].since_us / 1000)));
        ctl_close(w);
    }
    ctl_close(w);
}

void show_ring(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct region region;
    struct peer_view v;
    unsigned in_ring;
    region_init(&region, VIEW_REGION_OCTETS);
    int err = peer_view(s->peer, s->now, &region, &v);
    if (err) {
        region_fini(&region);
        ctl_refuse(request, err, NULL, NULL);
        return;
    }
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_id(w, "node_id", v.self);
    ctl_put_text(w, "state", peer_state_name(v.state));
    ctl_put_text(w, "health", show_health_name(v.health));
    ctl_put_slice(w, "overlay", s->config->instance_name);
    ctl_put_integer(w, "configuration_sequence", v.config_sequence);
    ctl_put_printf(w, "node_count_estimate", "%.0f", v.ring_size);
    ctl_put_printf(w, "share_owned", "%.4f", v.owned);
    ctl_put_printf(w, "share_with_replicas", "%.4f", v.duty);
    ctl_put_id(w, "owned_from", v.predecessor);
    ctl_put_id(w, "owned_to", v.self);
    put_ids(w, "predecessors", v.predecessors, v.predecessor_count);
    put_ids(w, "successors", v.successors, v.successor_count);
    put_ids(w, "fingers", v.fingers, v.finger_count);
    if (nodes_count(s, &in_ring) > 1)
        put_nodes(s, w);
    put_slowed(s, &v, w);
    ctl_open_array(w, "peers");
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++)
        if (s->nodes[i])
            put_peers(s, s->nodes[i], w);
    ctl_close(w);
    ctl_reply_end(request);
    region_fini(&region);
}

/* ---- show peers ---- */

static void put_live_peer(struct ctl_writer *w, const struct server *s, const struct peer_view *v,
                          const struct peer_link_view *l)
{
    /* "ime1.example.com@ring.example.net": the server ID is an account of the overlay. */
    size_t n = strcspn(l->user, "@");
    ctl_open_object(w, NULL);
    ctl_put_id(w, "node_id", l->node);
    if (n)
        ctl_put_slice(w, "server_id", slice_of(l->user, n));
    ctl_put_addr(w, "address", &l->addr);
    ctl_put_text(w, "relation", relation(v, l->node));
    ctl_put_text(w, "state", l->state);
    ctl_put_time(w, "since_at", wall_after_ms(s->now.wall, -(l->age_us / 1000)));
    if (l->rtt_us)
        ctl_put_integer(w, "round_trip_ms", (l->rtt_us + 999) / 1000);
    if (l->config_sequence != CONFIG_SEQUENCE_ANY)
        ctl_put_integer(w, "configuration_sequence", l->config_sequence);
    ctl_close(w);
}

static void put_live_peers(struct ctl_writer *w, const struct server *s, const struct node *node)
{
    struct region region;
    struct peer_view v;
    region_init(&region, VIEW_REGION_OCTETS);
    if (peer_view(node->peer, s->now, &region, &v) == 0)
        for (size_t i = 0; i < v.link_count; i++)
            if (!id_is_zero(v.links[i].node))
                put_live_peer(w, s, &v, &v.links[i]);
    region_fini(&region);
}

void show_peers(void *ctx, struct ctl_request *request)
{
    const struct server *s = ctx;
    const struct peer_counters *c = peer_counters(s->peer);
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_boolean(w, "bootstrap", s->options->bootstrap);
    ctl_put_text(w, "state", peer_state_name(peer_state(s->peer)));
    ctl_put_integer(w, "configuration_sequence", s->config->sequence);
    ctl_put_unsigned(w, "links_accepted", c->links_accepted);
    ctl_put_unsigned(w, "refused_banned", c->link_refused_banned);
    ctl_put_unsigned(w, "refused_certificate", c->link_refused_certificate + c->link_refused_overlay);
    ctl_open_array(w, "peers");
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++)
        if (s->nodes[i])
            put_live_peers(w, s, s->nodes[i]);
    ctl_close(w);
    ctl_reply_end(request);
}
