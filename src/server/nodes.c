/* The Node-IDs of this server: each with a peer, a storage and rows of its own. Node 0 is the server itself; further ones
 * take more of the ring's load, and numbers beyond its quota. They join when they are added and leave one after the other. */
#include "server/internal.h"

#include "base/mem.h"

#define BOOTSTRAPS_MAX PEER_BOOTSTRAPS_MAX

static int make_storage(struct node *n, const struct kv *kv)
{
    struct server *s = n->server;
    struct storage_options options;
    struct storage_ports ports = {*kv, n->security, s->ports.log};
    storage_options_default(&options);
    options.seed = entropy_u64(s->ports.entropy);
    int err = storage_new(&options, &ports, &s->config->kinds, &n->storage);
    return err ? err : storage_load(n->storage, s->now);
}

static int make_peer(struct node *n, bool first)
{
    struct server *s = n->server;
    struct peer_options options;
    struct peer_ports ports = {*s->ports.entropy, s->ports.log, n->security, n->storage};
    peer_options_default(&options);
    options.self = n->self;
    options.address = n->address;
    options.other_address = n->other_address;
    options.first = first;
    return peer_new(&options, &ports, s->config, s->now, &n->peer);
}

/* Numbers may be published under any of our Node-IDs: each tells where their claims are proved. */
static int register_application(struct node *n)
{
    const struct server_options *o = n->server->options;
    if (n->retires) /* it claims nothing any more */
        return 0;
    int err = peer_app_register(n->peer, PVP_APPLICATION_ID, o->pvp_address);
    if (!err && o->pvp_other_address.family)
        err = peer_app_register(n->peer, PVP_APPLICATION_ID, o->pvp_other_address);
    return err;
}

static void node_free(struct node *n)
{
    if (!n)
        return;
    peer_free(n->peer);
    storage_free(n->storage);
    mem_free(n);
}

static struct node *node_new(struct server *s, unsigned number)
{
    struct node *n = mem_alloc(sizeof *n);
    if (!n)
        return NULL;
    n->server = s;
    n->number = number;
    return n;
}

int nodes_add_own(struct server *s)
{
    struct node *n = node_new(s, 0);
    if (!n)
        return ERR_NO_MEMORY;
    s->nodes[0] = n;
    n->self = s->self;
    n->address = s->options->ring_address;
    n->other_address = s->options->ring_other_address;
    n->security = s->ports.security;
    int err = make_storage(n, s->ports.kv);
    if (!err)
        err = make_peer(n, s->options->bootstrap);
    if (!err)
        err = register_application(n);
    s->storage = n->storage;
    s->peer = n->peer;
    return err;
}

static size_t bootstraps_of(struct node *n, struct addr addrs[BOOTSTRAPS_MAX])
{
    size_t count = ring_bootstraps(n->server, addrs, n->number ? BOOTSTRAPS_MAX - 1 : BOOTSTRAPS_MAX);
    if (n->number)
        addrs[count++] = n->server->options->ring_address; /* in the ring like any other, or soon */
    return count;
}

static void node_start(struct node *n)
{
    struct addr addrs[BOOTSTRAPS_MAX];
    size_t count = bootstraps_of(n, addrs);
    peer_start(n->peer, n->server->now, addrs, count);
}

int server_node_add(struct server *s, struct now now, const struct server_node *node)
{
    char hex[ID_HEX_OCTETS];
    s->now = now;
    if (node->number < 1 || node->number >= SERVER_NODES_MAX)
        return ERR_RANGE;
    if (s->nodes[node->number])
        return ERR_EXISTS;
    struct node *n = node_new(s, node->number);
    if (!n)
        return ERR_NO_MEMORY;
    n->self = node->self;
    n->address = node->address;
    n->other_address = node->other_address;
    n->security = node->security;
    n->retires = node->retires;
    node_rows_init(&n->rows, s->ports.kv, (uint8_t)n->number);
    int err = make_storage(n, &n->rows.kv);
    if (!err)
        err = make_peer(n, false);
    if (!err)
        err = register_application(n);
    if (err) {
        node_free(n);
        return err;
    }
    ring_quota(n);
    s->nodes[n->number] = n;
    node_identity(n);
    numbers_publisher_set_node(s->publisher, now, n->number, n->retires ? NULL : &n->self);
    log_event(s->ports.log, LEVEL_NOTICE, n->retires ? "node.retires" : "node.added", "number=%u node=%s", n->number,
              id_format(n->self, hex));
    alert_store(s, signing_check(n));
    kv_commit(s->ports.kv, NULL, NULL);
    if (s->started && !s->leaving)
        node_start(n);
    return 0;
}

struct peer *server_node_peer(struct server *s, unsigned number)
{
    struct node *n = number < SERVER_NODES_MAX ? s->nodes[number] : NULL;
    return n ? n->peer : NULL;
}

void nodes_start(struct server *s)
{
    s->started = true;
    for (unsigned i = 1; i < SERVER_NODES_MAX; i++)
        if (s->nodes[i])
            node_start(s->nodes[i]);
        else if (i >= s->options->node_ids)
            numbers_publisher_set_node(s->publisher, s->now, i, NULL); /* what it may have had is the others' now */
}

void nodes_free(struct server *s)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++)
        node_free(s->nodes[i]);
    memset(s->nodes, 0, sizeof s->nodes);
    s->peer = NULL;
    s->storage = NULL;
}

/* ---- leaving ---- */

/* Those above have left. */
void nodes_leave(struct server *s)
{
    s->leaving = true;
    for (unsigned i = SERVER_NODES_MAX; i-- > 0;) {
        struct node *n = s->nodes[i];
        if (!n || peer_state(n->peer) == PEER_LEFT)
            continue;
        if (peer_state(n->peer) != PEER_LEAVING)
            peer_leave(n->peer, s->now);
        return;
    }
    server_out(s, SERVER_LEFT, 0, (struct slice){NULL, 0});
}

/* What it stored lies with its successors now. */
static void retired(struct server *s, struct node *n)
{
    struct out *o = server_out(s, SERVER_NODE_LEFT, 0, (struct slice){NULL, 0});
    if (o)
        o->effect.node = n->number;
    n->gone = true;
    int err = node_rows_clear(&n->rows);
    if (err)
        alert_store(s, err);
    kv_commit(s->ports.kv, NULL, NULL);
    log_event(s->ports.log, LEVEL_NOTICE, "node.retired", "number=%u", n->number);
}

void nodes_state_changed(struct server *s, struct node *n, enum peer_state state)
{
    if (n->retires && state == PEER_JOINED)
        peer_leave(n->peer, s->now);
    if (state != PEER_LEFT)
        return;
    if (n->retires && !n->gone)
        retired(s, n);
    if (s->leaving)
        nodes_leave(s);
}

/* ---- time, effects, configuration ---- */

bool nodes_effect(struct server *s, struct server_effect *ret_effect)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        struct peer_effect *e = s->nodes[i] ? peer_effect_next(s->nodes[i]->peer) : NULL;
        if (!e)
            continue;
        if (!ring_effect_is_for_kernel(e)) {
            ring_effect(s, s->nodes[i], e);
            peer_effect_free(e);
            return true;
        }
        s->held = e;
        *ret_effect = (struct server_effect){
            .kind = e->type == PEER_CONNECT ? SERVER_RING_CONNECT
                    : e->type == PEER_SEND  ? SERVER_RING_SEND
                                            : SERVER_RING_CLOSE,
            .node = i,
            .conn = e->link,
            .addr = e->addr,
            .octets = e->octets,
            .reason = e->reason,
        };
        return true;
    }
    return false;
}

void nodes_tick(struct server *s)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        if (!s->nodes[i])
            continue;
        peer_tick(s->nodes[i]->peer, s->now);
        storage_tick(s->nodes[i]->storage, s->now);
    }
}

struct mono nodes_deadline(const struct server *s)
{
    struct mono due = MONO_NEVER;
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        if (!s->nodes[i])
            continue;
        due = mono_min(due, peer_deadline(s->nodes[i]->peer));
        due = mono_min(due, storage_deadline(s->nodes[i]->storage));
    }
    return due;
}

static bool same_addresses(const struct config *a, const struct config *b)
{
    bool same = a->bootstrap_node_count == b->bootstrap_node_count;
    for (size_t i = 0; same && i < a->bootstrap_node_count; i++)
        same = addr_eq(&a->bootstrap_nodes[i], &b->bootstrap_nodes[i]);
    return same;
}

void nodes_config_apply(struct server *s, const struct config *old, const struct config *config)
{
    bool same_bootstraps = same_addresses(old, config);
    struct addr addrs[BOOTSTRAPS_MAX];
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        if (!s->nodes[i])
            continue;
        storage_set_kinds(s->nodes[i]->storage, s->now, &config->kinds);
        storage_set_lifetime_max(s->nodes[i]->storage, config->number_lifetime_s);
        if (!same_bootstraps) {
            size_t count = bootstraps_of(s->nodes[i], addrs);
            peer_bootstraps_set(s->nodes[i]->peer, addrs, count);
        }
        peer_config_set(s->nodes[i]->peer, s->now, config);
    }
}

unsigned nodes_count(const struct server *s, unsigned *ret_in_ring)
{
    unsigned n = 0, in_ring = 0;
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        if (!s->nodes[i] || s->nodes[i]->retires)
            continue;
        n++;
        in_ring += peer_state(s->nodes[i]->peer) == PEER_JOINED;
    }
    *ret_in_ring = in_ring;
    return n;
}

bool nodes_is_own(const struct server *s, struct id node)
{
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++)
        if (s->nodes[i] && id_eq(s->nodes[i]->self, node))
            return true;
    return false;
}

uint64_t nodes_without_family(const struct server *s)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++)
        if (s->nodes[i])
            n += peer_counters(s->nodes[i]->peer)->attach_no_family;
    return n;
}

struct wall nodes_certificate_end(const struct server *s)
{
    struct wall end = s->certificate_end;
    for (unsigned i = 1; i < SERVER_NODES_MAX; i++) {
        if (!s->nodes[i] || s->nodes[i]->gone)
            continue;
        struct wall other = security_own(s->nodes[i]->security).cert->not_after;
        if (other.ms < end.ms)
            end = other;
    }
    return end;
}

void nodes_stored(const struct server *s, uint64_t *ret_entries, uint64_t *ret_octets)
{
    *ret_entries = *ret_octets = 0;
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++) {
        struct storage_view view;
        if (!s->nodes[i] || s->nodes[i]->gone)
            continue;
        storage_view(s->nodes[i]->storage, &view);
        *ret_entries += view.entries;
        *ret_octets += view.octets;
    }
}
