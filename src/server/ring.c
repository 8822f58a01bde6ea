/* Between the ring's peer, the storage it serves and the number records that we keep in it. */
#include "server/internal.h"

#include "base/mem.h"
#include "numbers/quota.h"

/* Requests to the peer carry a token; those of number records are marked, the others are ours. */
#define TOKEN_STORE (UINT64_C(1) << 63)
#define TOKEN_FETCH (UINT64_C(1) << 62)
#define TOKEN_MASK (TOKEN_FETCH - 1)

#define KNOWN_PEERS_MAX 8
#define BOOTSTRAPS_MAX 8 /* of the configuration, tried at a start */
#define KNOWN_PEERS_KEY "peers"
#define RING_LOST_MS 60000 /* out of the ring for so long: call agents are told that it is gone */

static struct numbers_profile profile_of(const struct config *config)
{
    return (struct numbers_profile){config->instance_name, config->number_hash, config->number_hash_cost};
}

/* In whichever role: who is responsible and who a replica changes with every neighbor that comes or goes. */
static bool quota_allows(void *ctx, const struct storage_claim *claim)
{
    const struct node *n = ctx;
    return numbers_quota_allows(n->server->config->quota, peer_share_duty(n->peer),
                                claim->usage.entries + claim->usage.replica_entries, claim->adding_entries);
}

void ring_quota(struct node *node)
{
    struct storage_quota quota = {quota_allows, node};
    storage_set_quota(node->storage, &quota);
    storage_set_lifetime_max(node->storage, node->server->config->number_lifetime_s);
}

/* The ring under the names that VServices may use: the draft's public one, and its own. */
static int announce_ring(struct server *s)
{
    char name[VAP_DHT_NAME_OCTETS_MAX + 1] = "";
    int err = vap_server_set_dht(s->vap, VAP_PUBLIC_DHT, s->config->quota, s->config->number_lifetime_s);
    if (err || s->config->instance_name.n > VAP_DHT_NAME_OCTETS_MAX)
        return err;
    memcpy(name, s->config->instance_name.p, s->config->instance_name.n);
    return vap_server_set_dht(s->vap, name, s->config->quota, s->config->number_lifetime_s);
}

static void revoke_ring(struct server *s)
{
    char name[VAP_DHT_NAME_OCTETS_MAX + 1] = "";
    vap_server_revoke_dht(s->vap, s->now, VAP_PUBLIC_DHT);
    if (s->config->instance_name.n > VAP_DHT_NAME_OCTETS_MAX)
        return;
    memcpy(name, s->config->instance_name.p, s->config->instance_name.n);
    vap_server_revoke_dht(s->vap, s->now, name);
}

int ring_init(struct server *s)
{
    struct numbers_profile profile = profile_of(s->config);
    struct numbers_resolver_config resolver = NUMBERS_RESOLVER_CONFIG_DEFAULT;
    resolver.hash_seed = entropy_u64(s->ports.entropy);
    int err = numbers_resolver_new(&resolver, &profile, s->ports.hasher, &s->resolver);
    if (err)
        return err;

    struct numbers_publisher_config publisher = NUMBERS_PUBLISHER_CONFIG_DEFAULT;
    publisher.self = s->self;
    publisher.quota = s->config->quota;
    publisher.lifetime_s = s->config->number_lifetime_s;
    publisher.hold_s = s->config->number_lifetime_s;
    publisher.stores_per_s = s->options->store_rate;
    publisher.hash_seed = entropy_u64(s->ports.entropy);
    struct numbers_publisher_ports ports = {s->resolver, s->ports.kv, *s->ports.entropy, s->ports.log};
    err = numbers_publisher_new(&publisher, &ports, &s->publisher);
    if (!err)
        err = numbers_publisher_load(s->publisher, s->now);
    if (err)
        return err;

    struct numbers_reader_config reader = NUMBERS_READER_CONFIG_DEFAULT;
    reader.hash_seed = entropy_u64(s->ports.entropy);
    err = numbers_reader_new(&reader, s->resolver, s->ports.log, &s->reader);
    if (err)
        return err;

    pace_init(&s->reads, s->options->read_rate);
    ring_quota(s->nodes[0]);
    return 0;
}

void ring_fini(struct server *s)
{
    numbers_reader_free(s->reader);
    numbers_publisher_free(s->publisher);
    numbers_resolver_free(s->resolver);
}

/* ---- addresses of peers, for the next start (RFC 6940 11.4) ---- */

static int read_address(struct reader *r, struct addr *ret_addr)
{
    struct addr a = {.family = read_u8(r, "family")};
    a.port = read_u16(r, "port");
    read_copy(r, a.ip, sizeof a.ip, "address");
    if (!r->err && ((a.family != 4 && a.family != 6) || !a.port))
        reader_fail(r, ERR_RANGE, "address");
    *ret_addr = a;
    return r->err;
}

/* The bootstrap nodes of the configuration (of many, some by chance: so all of them get their share of newcomers), then peers that we knew: a
 * bootstrap node that was away finds its ring by them. */
size_t ring_bootstraps(struct server *s, struct addr *ret_addrs, size_t max)
{
    struct slice row;
    struct reader r;
    const struct config *c = s->config;
    size_t wanted = max < BOOTSTRAPS_MAX ? max : BOOTSTRAPS_MAX, n = 0;
    for (size_t i = 0; i < c->bootstrap_node_count && n < wanted; i++) {
        size_t left = c->bootstrap_node_count - i;
        if (left <= wanted - n || entropy_below(s->ports.entropy, left) < wanted - n)
            ret_addrs[n++] = c->bootstrap_nodes[i];
    }
    if (kv_get(s->ports.kv, KV_SERVER_META, slice_str(KNOWN_PEERS_KEY), &row) == 0) {
        reader_init(&r, row);
        while (reader_left(&r) && n < max && read_address(&r, &ret_addrs[n]) == 0)
            n++;
    }
    return n;
}

void ring_start(struct server *s)
{
    struct addr addrs[BOOTSTRAPS_MAX + KNOWN_PEERS_MAX];
    size_t n = ring_bootstraps(s, addrs, BOOTSTRAPS_MAX + KNOWN_PEERS_MAX);
    struct slice row;
    s->peers_kept = kv_get(s->ports.kv, KV_SERVER_META, slice_str(KNOWN_PEERS_KEY), &row) == 0;
    announce_ring(s);
    peer_start(s->peer, s->now, addrs, n);
}

/* A hint only: nobody waits for the write. */
static void keep_known_peers(struct server *s)
{
    struct addr addrs[KNOWN_PEERS_MAX];
    struct slice old;
    struct buf row;
    size_t n = peer_known_addresses(s->peer, addrs, KNOWN_PEERS_MAX);
    buf_init(&row, 1024);
    for (size_t i = 0; i < n; i++) {
        buf_u8(&row, addrs[i].family);
        buf_u16(&row, addrs[i].port);
        buf_put(&row, addrs[i].ip, sizeof addrs[i].ip);
    }
    bool changed =
        kv_get(s->ports.kv, KV_SERVER_META, slice_str(KNOWN_PEERS_KEY), &old) < 0 || !slice_eq(old, buf_slice(&row));
    if (n && changed && !row.err &&
        kv_put(s->ports.kv, KV_SERVER_META, slice_str(KNOWN_PEERS_KEY), buf_slice(&row)) == 0) {
        kv_commit(s->ports.kv, NULL, NULL);
        s->peers_kept = true;
    }
    buf_fini(&row);
}

bool ring_is_up(const struct server *s)
{
    return peer_state(s->peer) == PEER_JOINED;
}

/* The first ones are kept as soon as there are any: a bootstrap server that ends right after its first start must not begin a second ring. */
void ring_tick(struct server *s)
{
    if (!s->peers_kept && ring_is_up(s))
        keep_known_peers(s);
}

/* The ring may be gone for good: VServices are revoked (VAP 9.10), and may be published again when it is back. */
void ring_watch(struct server *s)
{
    if (ring_is_up(s)) {
        s->ring_seen = s->now.mono;
        keep_known_peers(s);
        if (!s->ring_announced && announce_ring(s) == 0)
            s->ring_announced = true;
    } else if (s->ring_announced && mono_since_us(s->now.mono, s->ring_seen) > RING_LOST_MS * INT64_C(1000)) {
        log_event(s->ports.log, LEVEL_ERROR, "ring.lost", "call agents are told");
        revoke_ring(s);
        s->ring_announced = false;
    }
}

/* Another configuration is in use. */
void ring_reconfigure(struct server *s)
{
    struct numbers_profile profile = profile_of(s->config);
    numbers_resolver_set_profile(s->resolver, s->now, &profile);
    numbers_publisher_reconfigure(s->publisher, s->now, s->config->quota, s->config->number_lifetime_s);
    if (s->ring_announced || !s->joined)
        announce_ring(s); /* its quota or lifetime may have changed */
}

/* ---- effects of the peer ---- */

bool ring_effect_is_for_kernel(const struct peer_effect *e)
{
    return e->type == PEER_CONNECT || e->type == PEER_SEND || e->type == PEER_CLOSE;
}

static void fetched(struct server *s, uint64_t token, const struct peer_result *r)
{
    struct numbers_entry *entries = NULL;
    size_t n = 0;
    int err = r->err;
    if (!err && r->item_count) {
        entries = mem_alloc(r->item_count * sizeof *entries);
        err = entries ? 0 : ERR_NO_MEMORY;
    }
    for (size_t i = 0; !err && i < r->item_count; i++) {
        const struct peer_item *item = &r->items[i];
        if (item->exists)
            entries[n++] = (struct numbers_entry){
                .key = item->key, .value = item->value, .signer = item->signer, .storage_time = item->storage_time};
    }
    numbers_fetch_done(s->reader, s->now, token, err, entries, n);
    mem_free(entries);
}

static void result(struct server *s, const struct peer_result *r)
{
    if (r->token & TOKEN_STORE)
        numbers_store_done(s->publisher, s->now, r->token & TOKEN_MASK, r->err, r->error_code);
    else if (r->token & TOKEN_FETCH)
        fetched(s, r->token & TOKEN_MASK, r);
    else
        validate_attached(s, r);
}

static void state_changed(struct server *s, enum peer_state state)
{
    if (state == PEER_JOINED)
        s->joined_at = s->now.mono;
    if (state == PEER_JOINED && s->was_banned) {
        s->was_banned = false;
        numbers_publisher_again(s->publisher, s->now);
    }
    if (state == PEER_JOINED && !s->joined) {
        s->joined = true;
        server_out(s, SERVER_JOINED, 0, (struct slice){NULL, 0});
    }
    ring_watch(s);
    server_control_waiters(s);
}

static void banned(struct server *s, const struct node *node)
{
    char hex[ID_HEX_OCTETS];
    log_event(s->ports.log, LEVEL_ERROR, "node.banned", "number=%u node=%s", node->number, id_format(node->self, hex));
    alert_set(s, ALERT_BANNED, true);
    if (node->number)
        return;
    revoke_ring(s);
    s->ring_announced = false;
    s->was_banned = true;
    server_out(s, SERVER_BANNED, 0, (struct slice){NULL, 0});
}

void ring_effect(struct server *s, struct node *node, struct peer_effect *e)
{
    switch (e->type) {
    case PEER_RESULT:
        result(s, e->result);
        break;
    case PEER_STATE:
        if (node->number == 0)
            state_changed(s, e->state);
        nodes_state_changed(s, node, e->state);
        break;
    case PEER_CONFIG_CHANGED:
        configuration_arrived(s, e->octets);
        break;
    case PEER_APP_ATTACHED:
        if (e->application == PVP_APPLICATION_ID)
            pvp_announce(s->terminator, s->now, &e->node, &e->addr);
        break;
    case PEER_BANNED:
        banned(s, node);
        break;
    case PEER_CONNECT:
    case PEER_SEND:
    case PEER_CLOSE:
        break;
    }
}

/* ---- effects of number records ---- */

static void published(struct server *s, const struct numbers_publisher_effect *e)
{
    bool good = e->outcome == NUMBERS_PUBLISHED;
    if (good || e->outcome == NUMBERS_NOT_SAVED)
        alert_store(s, good ? 0 : ERR_IO);
    if (good) {
        s->counters.publishes++;
        journal_note(s->journal, s->now, &e->number, "published: %u sealed copies in the ring", e->copies);
    } else {
        s->counters.publishes_failed++;
        journal_note(s->journal, s->now, &e->number, "not published: %s (%u of 3 copies)",
                     numbers_outcome_text(e->outcome), e->copies);
    }
    vap_server_complete(s->vap, e->token, good ? 0 : ERR_UNREACHABLE, numbers_outcome_text(e->outcome));
}

static void store(struct server *s, const struct numbers_publisher_effect *e)
{
    struct peer_item item = {
        .kind = RELOAD_KIND_VIPR_REGISTRATION,
        .key = e->key,
        .exists = e->exists,
        .value = e->value,
        .lifetime_s = e->lifetime_s,
    };
    struct peer *peer = server_node_peer(s, e->node);
    if (peer)
        peer_store(peer, s->now, e->store | TOKEN_STORE, e->resource, 0, &item, 1);
    else
        numbers_store_done(s->publisher, s->now, e->store, ERR_WRONG_STATE, 0);
}

bool ring_numbers(struct server *s)
{
    struct numbers_publisher_effect p;
    struct numbers_reader_effect r;
    if (numbers_publisher_next(s->publisher, &p)) {
        if (p.type == NUMBERS_STORE)
            store(s, &p);
        else
            published(s, &p);
        return true;
    }
    if (numbers_reader_next(s->reader, &r)) {
        if (r.type == NUMBERS_FETCH)
            peer_fetch(s->peer, s->now, r.fetch | TOKEN_FETCH, r.resource, RELOAD_KIND_VIPR_REGISTRATION);
        else if (!lookup_ended(s, &r))
            validate_looked_up(s, &r);
        return true;
    }
    return false;
}
