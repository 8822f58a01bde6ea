/* The server's outside: its life, accounts, rings, connections, time and effects. */
#include "base/mem.h"
#include "vap/server_core.h"

#include <stdio.h>

COUNTERS_DEFINE(vap_server_counters, VAP_SERVER_COUNTERS)

#define OUTPUT_OCTETS_MAX (4u << 20)
#define ACCOUNTS_MAX 10000
#define DHTS_MAX 16
#define MAP_MAX ((size_t)1 << 24)

void vap_server_config_init(struct vap_server_config *config)
{
    *config = (struct vap_server_config){
        .keepalive_ms = 60000,
        .transaction_ms = 39500,
        .unregister_close_ms = 30000,
        .message_octets_max = 40 * 1024,
        .connections_max = 1024,
        .connections_per_user_max = 64,
        .in_flight_max = 1024,
        .publishes_queued_max = 4096,
        .notifies_max = 256,
        .subscriptions_max = 64,
        .instances_max = 64,
        .vcrs_per_second = 10000,
        .vcr_burst = 20000,
        .auth_failures_max = 5,
    };
}

int vap_server_new(const struct vap_server_config *config, const struct entropy *entropy, const struct log *log,
                   struct vap_server **ret_server)
{
    struct vap_server *s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->config = *config;
    s->entropy = entropy;
    s->log = log;
    map_init(&s->accounts, ACCOUNTS_MAX, entropy_u64(entropy));
    map_init(&s->conns, config->connections_max, entropy_u64(entropy));
    map_init(&s->clients, MAP_MAX, entropy_u64(entropy));
    map_init(&s->vservices, MAP_MAX, entropy_u64(entropy));
    map_init(&s->requests, MAP_MAX, entropy_u64(entropy));
    list_init(&s->dhts);
    list_init(&s->key_domains);
    list_init(&s->effects);
    heap_init(&s->conn_timers);
    heap_init(&s->call_timers);
    buf_init(&s->lent, OUTPUT_OCTETS_MAX);
    buf_init(&s->routes, OUTPUT_OCTETS_MAX);
    *ret_server = s;
    return 0;
}

static void conn_free(struct conn *c)
{
    if (!c)
        return;
    heap_remove(&c->server->conn_timers, &c->timer);
    vap_framer_fini(&c->framer);
    buf_fini_secret(&c->out); /* keys of tickets may have gone through it */
    mem_free(c->send);
    mem_free(c->close);
    mem_free(c);
}

/* Detaches from the connection whatever outlives it, ends whatever does not. */
static void conn_detach(struct conn *c)
{
    LIST_EACH(it, &c->calls)
        vap_call_finish(CONTAINER_OF(it, struct call, link), ERR_CLOSED, 0);
    if (c->client)
        vap_client_destroy(c->client);
    LIST_EACH(it, &c->requests) {
        struct request *request = CONTAINER_OF(it, struct request, link);
        list_remove(&request->link);
        request->conn = NULL;
    }
    c->in_flight = 0;
    heap_remove(&c->server->conn_timers, &c->timer);
    map_remove(&c->server->conns, key_of(&c->id));
}

static void effects_drop(struct vap_server *s, const struct conn *of)
{
    LIST_EACH(it, &s->effects) {
        struct effect *effect = CONTAINER_OF(it, struct effect, link);
        if (of && effect->conn != of)
            continue;
        if (!of && effect->e.kind == VAP_SERVER_CLOSE)
            conn_free(effect->conn);
        list_remove(&effect->link);
        mem_free(effect);
    }
}

static void accounts_free(struct vap_server *s)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&s->accounts, &it)) {
        struct account *account = it.value;
        mem_wipe(&account->key, sizeof account->key);
        mem_free(account->user);
        mem_free(account);
    }
    map_fini(&s->accounts);
}

void vap_server_free(struct vap_server *s)
{
    struct map_iter it;
    struct list *dht;
    if (!s)
        return;
    map_iter_init(&it);
    while (map_iter_next(&s->conns, &it)) {
        struct conn *c = it.value;
        conn_detach(c);
        effects_drop(s, c);
        conn_free(c);
    }
    effects_drop(s, NULL);
    conn_free(s->closed);
    map_iter_init(&it);
    while (map_iter_next(&s->requests, &it))
        mem_free(it.value);
    accounts_free(s);
    while ((dht = list_pop(&s->dhts)))
        mem_free(CONTAINER_OF(dht, struct dht, link));
    vap_keys_free(s);
    map_fini(&s->conns);
    map_fini(&s->clients);
    map_fini(&s->vservices);
    map_fini(&s->requests);
    heap_fini(&s->conn_timers);
    heap_fini(&s->call_timers);
    buf_fini_secret(&s->lent);
    buf_fini(&s->routes);
    mem_free(s);
}

void vap_server_set_config(struct vap_server *s, const struct vap_server_config *config)
{
    s->config = *config;
    s->conns.limit = config->connections_max;
}

int vap_server_set_account(struct vap_server *s, struct slice user, struct slice password)
{
    struct account *account = map_get(&s->accounts, user);
    if (!user.n || user.n > VAP_USERNAME_OCTETS_MAX)
        return ERR_RANGE;
    if (account)
        return vap_key_derive(user, slice_str(VAP_REALM), password, &account->key);
    account = mem_alloc(sizeof *account);
    char *name = mem_alloc(user.n + 1);
    int err = account && name ? vap_key_derive(user, slice_str(VAP_REALM), password, &account->key) : ERR_NO_MEMORY;
    if (!err) {
        memcpy(name, user.p, user.n);
        account->user = name;
        err = map_set(&s->accounts, user, account);
    }
    if (err) {
        mem_free(name);
        mem_free(account);
    }
    return err;
}

void vap_server_remove_account(struct vap_server *s, struct slice user)
{
    struct map_iter it;
    struct account *account = map_get(&s->accounts, user);
    if (!account)
        return;
    map_iter_init(&it);
    while (map_iter_next(&s->conns, &it)) {
        struct conn *c = it.value;
        if (c->key == &account->key)
            vap_conn_close(c, "the account was removed");
    }
    map_remove(&s->accounts, user);
    mem_wipe(&account->key, sizeof account->key);
    mem_free(account->user);
    mem_free(account);
}

struct dht *vap_dht_find(struct vap_server *s, const char *name)
{
    LIST_EACH(it, &s->dhts) {
        struct dht *dht = CONTAINER_OF(it, struct dht, link);
        if (strcmp(dht->name, name) == 0)
            return dht;
    }
    return NULL;
}

int vap_server_set_dht(struct vap_server *s, const char *name, uint32_t quota_limit, uint32_t lifetime_s)
{
    struct dht *dht = vap_dht_find(s, name);
    if (!dht) {
        size_t count = 0;
        LIST_EACH(it, &s->dhts)
            count++;
        if (count == DHTS_MAX || strlen(name) > VAP_DHT_NAME_OCTETS_MAX)
            return ERR_LIMIT;
        dht = mem_alloc(sizeof *dht);
        if (!dht)
            return ERR_NO_MEMORY;
        strcpy(dht->name, name);
        list_append(&s->dhts, &dht->link);
    }
    dht->available = true;
    dht->quota_limit = quota_limit;
    dht->lifetime_s = lifetime_s;
    return 0;
}

void vap_server_revoke_dht(struct vap_server *s, struct now now, const char *name)
{
    struct dht *dht = vap_dht_find(s, name);
    struct map_iter it;
    if (!dht)
        return;
    dht->available = false;
    map_iter_init(&it);
    while (map_iter_next(&s->vservices, &it)) {
        struct vservice *vservice = it.value;
        if (vservice->dht != dht)
            continue;
        /* The last instance takes the VService with it. */
        for (size_t left = vservice->instance_count; left; left--) {
            struct instance *instance = CONTAINER_OF(vservice->instances.next, struct instance, of_vservice);
            vap_call_revoke(instance, now);
            vap_instance_destroy(instance);
        }
    }
}

struct effect *vap_effect_new(enum vap_server_effect_kind kind)
{
    struct effect *effect = mem_alloc(sizeof *effect);
    if (!effect)
        return NULL;
    list_init(&effect->link);
    effect->e.kind = kind;
    return effect;
}

void vap_effect_push(struct vap_server *s, struct effect *effect)
{
    list_append(&s->effects, &effect->link);
}

int vap_server_open(struct vap_server *s, struct now now, uint64_t conn, bool tls, const char *peer)
{
    if (map_get(&s->conns, key_of(&conn)))
        return ERR_EXISTS;
    struct conn *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    c->server = s;
    c->id = conn;
    c->tls = tls;
    snprintf(c->peer, sizeof c->peer, "%s", peer);
    vap_framer_init(&c->framer, s->config.message_octets_max);
    list_init(&c->requests);
    list_init(&c->calls);
    buf_init(&c->out, OUTPUT_OCTETS_MAX);
    c->last_seen = now.mono;
    c->send = vap_effect_new(VAP_SERVER_SEND);
    c->close = vap_effect_new(VAP_SERVER_CLOSE);
    int err = c->send && c->close ? map_set(&s->conns, key_of(&c->id), c) : ERR_NO_MEMORY;
    if (!err && (err = heap_set(&s->conn_timers, &c->timer, mono_after_ms(now.mono, s->config.transaction_ms))) < 0)
        map_remove(&s->conns, key_of(&c->id));
    if (err) {
        s->counters.connections_refused++;
        conn_free(c);
        return err;
    }
    c->send->conn = c->close->conn = c;
    s->counters.connections++;
    return 0;
}

/* Queues what was written to out. */
void vap_conn_flush(struct conn *c)
{
    if (!c->send || !c->out.n)
        return;
    vap_effect_push(c->server, c->send);
    c->send = NULL;
}

void vap_conn_close(struct conn *c, const char *reason)
{
    struct vap_server *s = c->server;
    if (c->closing)
        return;
    c->closing = true;
    conn_detach(c);
    vap_conn_flush(c);
    struct effect *effect = c->close;
    c->close = NULL;
    effect->e.conn = c->id;
    effect->e.reason = reason;
    vap_effect_push(s, effect);
}

void vap_server_closed(struct vap_server *s, uint64_t conn)
{
    struct conn *c = map_get(&s->conns, key_of(&conn));
    if (!c)
        return;
    c->closing = true;
    conn_detach(c);
    effects_drop(s, c);
    conn_free(c);
}

static void receive(struct conn *c, struct now now, struct slice octets)
{
    struct vap_message m;
    struct fault fault = {0};
    c->server->counters.messages_received++;
    int err = vap_decode(octets, &m, &fault);
    if (err)
        c->server->counters.malformed++;
    if (!m.header) /* "so malformed that a response cannot be generated" (5.3.1) */
        return;
    if (m.kind == VAP_REQUEST)
        vap_request_receive(c, now, &m, err, &fault);
    else if (!err)
        vap_call_answered(c, &m);
}

/* A message above the limit: its header alone tells whom to answer. */
static void receive_oversized(struct conn *c, struct slice header)
{
    struct vap_message m;
    struct fault fault;
    c->server->counters.oversized++;
    vap_decode(header, &m, &fault);
    if (m.header && m.kind == VAP_REQUEST)
        vap_reply_error_unsigned(c, m.method, &m.transaction, VAP_TOO_LARGE, vap_code_reason(VAP_TOO_LARGE));
}

void vap_server_input(struct vap_server *s, struct now now, uint64_t conn, struct slice octets)
{
    struct conn *c = map_get(&s->conns, key_of(&conn));
    struct slice message;
    while (c && !c->closing) {
        int n = vap_framer_next(&c->framer, &octets, &message);
        if (n == 0)
            break;
        if (n == 1) {
            receive(c, now, message);
        } else if (n == ERR_LIMIT) {
            receive_oversized(c, message);
        } else if (n == ERR_SYNTAX) {
            s->counters.not_vap++;
            vap_conn_close(c, "this is no VAP");
            return;
        } else {
            vap_conn_close(c, "out of memory");
            return;
        }
        if (!c->closing && c->out.err)
            vap_conn_close(c, "too much to send");
        else if (!c->closing)
            vap_conn_flush(c);
    }
}

/* A registered client has until its keepalive runs out, any other connection until it must have registered or closed. */
static void conn_due(struct conn *c, struct now now)
{
    struct vap_server *s = c->server;
    if (!c->client) {
        vap_conn_close(c, c->lingering ? "unregistered" : "did not register");
        return;
    }
    struct mono due = mono_after_ms(c->last_seen, s->config.keepalive_ms);
    if (!mono_due(due, now.mono)) {
        if (heap_set(&s->conn_timers, &c->timer, due) == 0)
            return;
        vap_conn_close(c, "out of memory");
        return;
    }
    s->counters.expired++;
    log_event(s->log, LEVEL_NOTICE, "vap.client.expired", "client=%u user=%s peer=%s", c->client->handle,
              c->client->account->user, c->peer);
    vap_conn_close(c, "keepalive ran out");
}

void vap_server_tick(struct vap_server *s, struct now now)
{
    struct heap_node *node;
    while ((node = heap_pop_due(&s->call_timers, now.mono)))
        vap_call_finish(CONTAINER_OF(node, struct call, timer), ERR_TIMEOUT, 0);
    while ((node = heap_pop_due(&s->conn_timers, now.mono)))
        conn_due(CONTAINER_OF(node, struct conn, timer), now);
}

struct mono vap_server_deadline(const struct vap_server *s)
{
    return mono_min(heap_deadline(&s->conn_timers), heap_deadline(&s->call_timers));
}

bool vap_server_next(struct vap_server *s, struct vap_server_effect *ret_effect)
{
    conn_free(s->closed);
    s->closed = NULL;
    struct list *first = list_pop(&s->effects);
    if (!first)
        return false;
    struct effect *effect = CONTAINER_OF(first, struct effect, link);
    struct conn *c = effect->conn;
    *ret_effect = effect->e;
    if (effect->e.kind == VAP_SERVER_SEND) {
        /* The connection writes on to the memory that was lent before. */
        struct buf out = c->out;
        buf_clear(&s->lent);
        c->out = s->lent;
        s->lent = out;
        ret_effect->conn = c->id;
        ret_effect->octets = buf_slice(&s->lent);
        c->send = effect;
        return true;
    }
    if (effect->e.kind == VAP_SERVER_CLOSE)
        s->closed = c;
    mem_free(effect);
    return true;
}

const struct vap_server_counters *vap_server_counters(const struct vap_server *s)
{
    return &s->counters;
}
