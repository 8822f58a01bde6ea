/* Making the composed server, its clockwork, and the queue of what it wants done. */
#include "server/internal.h"

#include "base/mem.h"
#include "crypt/cert.h"

#define SWEEP_MS 5000
#define CONFIG_KEY "config"

COUNTERS_DEFINE(server_counters, SERVER_COUNTERS)

/* ---- identity for validations ---- */

static int identity_sign(void *ctx, struct slice data, struct buf *ret_signature)
{
    struct security *security = ctx;
    return security->ops->sign(security->ctx, data, ret_signature);
}

static int identity_verify(void *ctx, struct slice certificate, const struct id *node_id, struct slice data,
                           struct slice signature, struct wall now)
{
    struct security *security = ctx;
    const struct security_cert *cert;
    int err = security_admit(security, certificate, now, &cert);
    if (err)
        return err == ERR_EXPIRED || err == ERR_FORBIDDEN ? err : ERR_AUTH;
    for (size_t i = 0; i < cert->node_id_count; i++)
        if (id_eq(cert->node_ids[i], *node_id))
            return security->ops->verify(security->ctx, cert, data, signature);
    return ERR_AUTH;
}

static struct pvp_identity identity_of(struct security *security, struct id node)
{
    return (struct pvp_identity){
        .ctx = security,
        .node_id = node,
        .certificate = security_own(security).cert->der,
        .sign = identity_sign,
        .verify = identity_verify,
    };
}

void node_identity(struct node *n)
{
    n->identity = identity_of(n->security, n->self);
}

/* What security lends of our certificate is another after each change of it or of the configuration. */
void server_identity_refresh(struct server *s)
{
    s->identity = identity_of(s->ports.security, s->self);
    for (unsigned i = 1; i < SERVER_NODES_MAX; i++)
        if (s->nodes[i])
            node_identity(s->nodes[i]);
}

void server_certificate_renewed(struct server *s, struct now now, struct wall certificate_end)
{
    s->now = now;
    s->certificate_end = certificate_end;
    server_identity_refresh(s);
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++)
        if (s->nodes[i])
            alert_store(s, signing_check(s->nodes[i]));
    kv_commit(s->ports.kv, NULL, NULL);
    alerts_check(s);
}

/* ---- making it ---- */

static int make_ring(struct server *s)
{
    int err = nodes_add_own(s);
    if (!err)
        err = ring_init(s);
    return err;
}

static int make_validation(struct server *s)
{
    const struct server_options *o = s->options;
    const struct kv *kv = s->ports.kv;
    const struct entropy *entropy = s->ports.entropy;
    int64_t delay_max = setting(s, SETTING_MAXIMUM_DELAY);

    struct pvp_vcr_config vcr = PVP_VCR_CONFIG_DEFAULT;
    vcr.records_max = o->vcrs_max;
    vcr.records_per_client_max = o->vcrs_max;
    vcr.min_call_ms = setting(s, SETTING_MINIMUM_CALL);
    vcr.tv_min_ms = o->delay_min_ms < delay_max ? o->delay_min_ms : delay_max;
    vcr.tv_max_ms = delay_max;
    vcr.keep_terminating_ms = o->vcr_lifetime_ms;
    vcr.tries_max = o->retries_max;
    vcr.hash_seed = entropy_u64(entropy);
    int err = pvp_vcr_table_new(&vcr, kv, entropy, s->ports.log, s->now, &s->vcrs);
    if (err)
        return err;

    struct pvp_pool_config pool = PVP_POOL_CONFIG_DEFAULT;
    struct pvp_pool_port port = validate_pool_port(s);
    pool.bucketentropy = (unsigned)setting(s, SETTING_BUCKETENTROPY);
    pool.hash_seed = entropy_u64(entropy);
    err = pvp_pools_new(&pool, kv, &port, s->ports.log, &s->pools);
    if (err)
        return err;

    err = pvp_spacing_new(setting(s, SETTING_MINIMUM_INTERVAL), o->vcrs_max, entropy_u64(entropy), kv, s->now.wall,
                          &s->spacing);
    if (err)
        return err;

    struct pvp_terminator_config terminator = PVP_TERMINATOR_CONFIG_DEFAULT;
    terminator.lattice_ms = s->config->lattice_ms;
    terminator.interval_ms = setting(s, SETTING_MINIMUM_INTERVAL);
    terminator.connections_max = (size_t)setting(s, SETTING_MAX_TERMINATING);
    terminator.ticket_ms = o->ticket_lifetime_ms;
    terminator.hash_seed = entropy_u64(entropy);
    struct pvp_terminator_ports ports = {
        .vcrs = s->vcrs,
        .identity = &s->identity,
        .service = answer_service_port(s),
        .kv = kv,
        .entropy = entropy,
        .log = s->ports.log,
    };
    return pvp_terminator_new(&terminator, &ports, s->now, &s->terminator);
}

int server_new(const struct server_options *options, const struct server_ports *ports, struct config *config,
               struct id self, struct wall certificate_end, struct now now, struct server **ret_server)
{
    struct server *s = mem_alloc(sizeof *s);
    if (!s) {
        config_free(config);
        return ERR_NO_MEMORY;
    }
    s->options = options;
    s->ports = *ports;
    s->config = config;
    s->self = self;
    s->certificate_end = certificate_end;
    s->started_at = now.wall;
    s->now = now;
    s->next_conn = 1;
    s->next_token = 1;
    list_init(&s->validations);
    list_init(&s->lookups);
    list_init(&s->waiters);
    list_init(&s->derivations);
    list_init(&s->key_edges);
    list_init(&s->out);
    region_init(&s->scratch, 1u << 20);
    map_init(&s->conns, CONNS_MAX, entropy_u64(ports->entropy));
    map_init(&s->deliveries, DELIVERIES_MAX, entropy_u64(ports->entropy));
    server_identity_refresh(s);

    int err = setting_load(s);
    if (!err)
        err = journal_new(ports->kv, ports->entropy, &s->journal);
    if (!err)
        err = route_table_new(ports->kv, ports->entropy, &s->routes);
    if (!err)
        err = tickets_init(s);
    if (!err)
        err = make_ring(s);
    if (!err)
        err = clients_init(s);
    if (!err)
        err = make_validation(s);
    if (!err)
        err = signing_check(s->nodes[0]);
    if (!err)
        err = kv_put(ports->kv, KV_SERVER_META, slice_str(CONFIG_KEY), config->document);
    if (err) {
        server_free(s);
        return err;
    }
    kv_commit(ports->kv, NULL, NULL);
    *ret_server = s;
    return 0;
}

static void out_free(struct out *o)
{
    if (!o)
        return;
    mem_wipe(o->password, sizeof o->password);
    mem_free(o);
}

void server_free(struct server *s)
{
    if (!s)
        return;
    server_control_drop(s);
    lookup_drop_all(s);
    if (s->held)
        peer_effect_free(s->held);
    out_free(s->held_out);
    LIST_EACH(it, &s->out)
        out_free(CONTAINER_OF(it, struct out, link));
    validate_free_all(s);
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&s->conns, &it)) {
        struct conn *c = it.value;
        if (c->inbound)
            pvp_inbound_closed(c->inbound, s->now);
        mem_free(c);
    }
    map_fini(&s->conns);
    map_iter_init(&it);
    while (map_iter_next(&s->deliveries, &it))
        mem_free(it.value);
    map_fini(&s->deliveries);

    pvp_terminator_free(s->terminator);
    pvp_spacing_free(s->spacing);
    pvp_pools_free(s->pools);
    pvp_vcr_table_free(s->vcrs);
    vap_server_free(s->vap);
    ring_fini(s);
    nodes_free(s);
    keys_fini(s);
    tickets_fini(s);
    route_table_free(s->routes);
    journal_free(s->journal);
    region_fini(&s->scratch);
    config_free(s->next_config);
    config_free(s->config);
    mem_free(s);
}

int server_stored_config(const struct kv *kv, struct slice *ret_document)
{
    return kv_get(kv, KV_SERVER_META, slice_str(CONFIG_KEY), ret_document);
}

/* ---- small things ---- */

struct peer *server_peer(struct server *s)
{
    return s->peer;
}

struct vap_server *server_vap(struct server *s)
{
    return s->vap;
}

const struct config *server_config_of(const struct server *s)
{
    return s->config;
}

bool server_wants_shutdown(const struct server *s)
{
    return s->wants_shutdown;
}

void server_set_now(struct server *s, struct now now)
{
    s->now = now;
}

void server_add_counters(struct server *s, const char *prefix, const char *const *names, const uint64_t *values)
{
    if (s->counter_set_count < COUNTER_SETS_MAX)
        s->counter_sets[s->counter_set_count++] = (struct counter_set){prefix, names, values};
}

uint64_t server_token(struct server *s)
{
    return s->next_token++;
}

struct conn *conn_new(struct server *s)
{
    struct conn *c = mem_alloc(sizeof *c);
    if (!c)
        return NULL;
    c->id = s->next_conn++;
    if (map_set(&s->conns, slice_of(&c->id, sizeof c->id), c) < 0) {
        mem_free(c);
        return NULL;
    }
    return c;
}

struct conn *conn_find(const struct server *s, uint64_t id)
{
    return map_get(&s->conns, slice_of(&id, sizeof id));
}

void conn_free(struct server *s, struct conn *c)
{
    map_remove(&s->conns, slice_of(&c->id, sizeof c->id));
    mem_free(c);
}

struct out *server_out(struct server *s, enum server_effect_kind kind, uint64_t conn, struct slice octets)
{
    struct out *o = mem_alloc(sizeof *o + octets.n);
    if (!o)
        return NULL;
    o->effect = (struct server_effect){.kind = kind, .conn = conn, .username = o->username, .password = o->password};
    o->octet_count = octets.n;
    if (octets.n)
        memcpy(o->octets, octets.p, octets.n);
    o->effect.octets = slice_of(o->octets, octets.n);
    list_append(&s->out, &o->link);
    return o;
}

/* ---- validation connections ---- */

int server_pvp_accept(struct server *s, struct now now, const struct addr *source, uint64_t *ret_conn)
{
    s->now = now;
    struct conn *c = conn_new(s);
    if (!c)
        return ERR_NO_MEMORY;
    int err = pvp_inbound_new(s->terminator, now, source, c, &c->inbound);
    if (err) {
        s->counters.blocked_validation_term_tls_limit++;
        conn_free(s, c);
        return err;
    }
    *ret_conn = c->id;
    return 0;
}

int server_pvp_password(struct server *s, struct now now, uint64_t conn, struct slice username,
                        struct buf *ret_password)
{
    struct conn *c = conn_find(s, conn);
    struct pvp_credential credential;
    s->now = now;
    if (!c || !c->inbound)
        return ERR_CLOSED;
    int err = pvp_inbound_lookup(c->inbound, now, username, &credential);
    if (err)
        return err;
    buf_str(ret_password, credential.password);
    mem_wipe(&credential, sizeof credential);
    return ret_password->err;
}

void server_pvp_handshake(struct server *s, struct now now, uint64_t conn, enum pvp_handshake result,
                          const uint8_t exporter[PVP_EXPORTER_OCTETS])
{
    struct conn *c = conn_find(s, conn);
    s->now = now;
    if (c && c->inbound)
        pvp_inbound_handshake(c->inbound, now, result, exporter);
}

void server_pvp_connected(struct server *s, struct now now, uint64_t conn, enum pvp_connect result,
                          const uint8_t exporter[PVP_EXPORTER_OCTETS])
{
    struct conn *c = conn_find(s, conn);
    s->now = now;
    if (c && c->validation)
        validate_connected(s, c->validation, result, exporter);
}

void server_pvp_input(struct server *s, struct now now, uint64_t conn, struct slice octets)
{
    struct conn *c = conn_find(s, conn);
    s->now = now;
    if (c && c->inbound)
        pvp_inbound_input(c->inbound, now, octets);
    else if (c)
        validate_input(s, c->validation, octets);
}

void server_pvp_closed(struct server *s, struct now now, uint64_t conn)
{
    struct conn *c = conn_find(s, conn);
    s->now = now;
    if (c && c->inbound) {
        pvp_inbound_closed(c->inbound, now);
        conn_free(s, c);
    } else if (c) {
        validate_closed(s, c->validation);
    }
}

/* ---- time and effects ---- */

static void sweep(struct server *s)
{
    if (!mono_due(s->next_sweep, s->now.mono))
        return;
    s->next_sweep = mono_after_ms(s->now.mono, SWEEP_MS);
    pvp_vcr_table_expire(s->vcrs, s->now);
    s->counters.routes_expired += route_table_expire(s->routes, s->now.wall);
    pvp_spacing_sweep(s->spacing, s->now.wall);
    pvp_vcr_table_expire(s->vcrs, s->now);
    clients_deliver_again(s);
    tickets_expire(s);
    ring_watch(s);
    alerts_check(s);
}

void server_tick(struct server *s, struct now now)
{
    s->now = now;
    nodes_tick(s);
    ring_tick(s);
    numbers_publisher_tick(s->publisher, now);
    vap_server_tick(s->vap, now);
    pvp_terminator_tick(s->terminator, now);
    validate_tick(s);
    sweep(s);
    server_control_waiters(s);
}

struct mono server_deadline(const struct server *s)
{
    struct mono due = s->next_sweep;
    due = mono_min(due, nodes_deadline(s));
    due = mono_min(due, numbers_publisher_deadline(s->publisher));
    due = mono_min(due, vap_server_deadline(s->vap));
    due = mono_min(due, pvp_terminator_deadline(s->terminator));
    due = mono_min(due, server_control_deadline(s));
    due = mono_min(due, keys_deadline(s));
    return mono_min(due, validate_deadline(s));
}

/* The next effect of VAP. ret_inside: it was none for the kernel, and is dealt with. */
static bool next_of_vap(struct server *s, struct server_effect *ret_effect, bool *ret_inside)
{
    struct vap_server_effect e;
    if (!vap_server_next(s->vap, &e))
        return false;
    *ret_inside = e.kind != VAP_SERVER_SEND && e.kind != VAP_SERVER_CLOSE;
    if (*ret_inside)
        clients_effect(s, &e);
    else
        *ret_effect = (struct server_effect){
            .kind = e.kind == VAP_SERVER_SEND ? SERVER_VAP_SEND : SERVER_VAP_CLOSE,
            .conn = e.conn,
            .octets = e.octets,
            .reason = e.reason,
        };
    return true;
}

static bool next_of_ours(struct server *s, struct server_effect *ret_effect)
{
    struct list *first = list_pop(&s->out);
    if (!first)
        return false;
    s->held_out = CONTAINER_OF(first, struct out, link);
    *ret_effect = s->held_out->effect;
    if (ret_effect->kind == SERVER_CONFIG)
        s->config_pending = true;
    return true;
}

bool server_next(struct server *s, struct now now, struct server_effect *ret_effect)
{
    s->now = now;
    if (s->held) {
        peer_effect_free(s->held);
        s->held = NULL;
    }
    out_free(s->held_out);
    s->held_out = NULL;
    if (s->config_pending) {
        s->config_pending = false;
        configuration_apply(s);
    }
    for (;;) {
        bool inside = false;
        if (nodes_effect(s, ret_effect)) {
            if (s->held)
                return true;
        } else if (next_of_vap(s, ret_effect, &inside)) {
            if (!inside)
                return true;
        } else if (!answer_effect(s) && !ring_numbers(s) && !keys_run(s)) {
            return next_of_ours(s, ret_effect);
        }
    }
}

void server_start(struct server *s, struct now now)
{
    s->now = now;
    s->next_sweep = now.mono;
    configuration_start(s);
    ring_start(s);
    nodes_start(s);
}

void server_leave(struct server *s, struct now now)
{
    s->now = now;
    nodes_leave(s);
}

void server_hashed(struct server *s, struct now now, uint64_t job, int err,
                   const struct numbers_slot slots[NUMBERS_COPIES])
{
    s->now = now;
    numbers_resolver_done(s->resolver, now, job, err, slots);
}
