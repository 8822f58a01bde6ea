/* The in-memory network between a client core and its servers. */
#include "pair.h"

#include <stdio.h>

static struct pair the_pair;

static void new_server(struct pair *p, struct side *side)
{
    assert_int_equal(vap_server_new(&p->server_config, &p->entropy, NULL, &side->server), 0);
    assert_int_equal(vap_server_set_account(side->server, slice_str("alice"), slice_str("wonder")), 0);
    assert_int_equal(vap_server_set_dht(side->server, VAP_PUBLIC_DHT, 1000, 86400), 0);
}

int pair_setup(void **state)
{
    static const char *routes[] = {"sip:x@a.example:5060;maddr=192.0.2.9;transport=tcp"};
    struct pair *p = &the_pair;
    *p = (struct pair){0};
    vap_server_config_init(&p->server_config);
    vap_client_config_init(&p->config);
    p->description = (struct vap_description){
        .id = "x",
        .schema_version = "1.0",
        .dht_name = VAP_PUBLIC_DHT,
        .did_count = 3,
        .domain = "a.example",
        .routes = routes,
        .route_count = 1,
    };
    p->config.user = "alice";
    p->config.password = "wonder";
    p->config.vservice_id = VSERVICE;
    p->config.description = &p->description;
    p->config.subscribe = true;
    p->keep_routes = true;
    p->seeded.state = 7;
    p->entropy = seeded_entropy_port(&p->seeded);
    p->now = (struct now){{5000000}, {1767225600000}};
    for (size_t i = 0; i < SERVERS; i++) {
        p->sides[i].reachable = true;
        new_server(p, &p->sides[i]);
    }
    *state = p;
    return 0;
}

int pair_teardown(void **state)
{
    struct pair *p = *state;
    vap_client_free(p->client);
    for (size_t i = 0; i < SERVERS; i++)
        vap_server_free(p->sides[i].server);
    return 0;
}

void pair_start(struct pair *p, unsigned servers)
{
    p->config.servers = servers;
    assert_int_equal(vap_client_new(&p->config, &p->entropy, NULL, p->now, &p->client), 0);
    pair_settle(p);
}

static struct slice piece(struct pair *p, struct slice *octets)
{
    size_t n = 1 + (size_t)entropy_below(&p->entropy, octets->n);
    if (entropy_below(&p->entropy, 2))
        n = octets->n;
    struct slice s = slice_of(octets->p, n);
    *octets = slice_of(octets->p + n, octets->n - n);
    return s;
}

static void client_effect(struct pair *p, struct vap_client_effect *e)
{
    struct side *side = &p->sides[e->server];
    switch (e->kind) {
    case VAP_CLIENT_CONNECT:
        p->connects[e->server]++;
        side->conn = 0;
        if (side->reachable) {
            side->conn = ++side->next_conn;
            assert_int_equal(vap_server_open(side->server, p->now, side->conn, !p->plain, "pipe"), 0);
            vap_client_connected(p->client, p->now, e->server);
        } else {
            vap_client_closed(p->client, p->now, e->server, "refused");
        }
        break;
    case VAP_CLIENT_SEND:
        assert_true(side->conn != 0);
        while (e->octets.n && !side->mute)
            vap_server_input(side->server, p->now, side->conn, piece(p, &e->octets));
        break;
    case VAP_CLIENT_DISCONNECT:
        vap_server_closed(side->server, side->conn);
        side->conn = 0;
        break;
    case VAP_CLIENT_ONLINE:
        p->online[e->server]++;
        break;
    case VAP_CLIENT_OFFLINE:
        assert_true(e->reason[0] != 0);
        p->offline[e->server]++;
        p->final[e->server] = e->final;
        break;
    case VAP_CLIENT_UPLOADED:
    case VAP_CLIENT_PUBLISHED:
        p->results[e->token]++;
        p->errs[e->token] = e->err;
        p->codes[e->token] = e->code;
        if (e->kind == VAP_CLIENT_UPLOADED)
            *(e->err ? &p->bad : &p->good) += 1;
        else
            *(e->err ? &p->unpublished : &p->published) += 1;
        break;
    case VAP_CLIENT_SUBSCRIBED:
        p->subscribed[e->server]++;
        break;
    case VAP_CLIENT_NOTIFY:
        snprintf(p->route, sizeof p->route, "%.*s", SLICE_PRINT(e->octets));
        vap_client_notify_done(p->client, p->now, e->notify, p->keep_routes);
        break;
    case VAP_CLIENT_KEYS_SUBSCRIBED:
        p->keys_subscribed[e->domain]++;
        break;
    case VAP_CLIENT_KEYS_REFUSED:
        p->keys_refused[e->domain]++;
        snprintf(p->keys_reason, sizeof p->keys_reason, "%s", e->reason);
        break;
    case VAP_CLIENT_KEYS:
        snprintf(p->keys[e->domain], sizeof p->keys[0], "%.*s", SLICE_PRINT(e->octets));
        vap_client_notify_done(p->client, p->now, e->notify, p->keep_routes);
        break;
    case VAP_CLIENT_REVOKED:
        p->revoked++;
        break;
    case VAP_CLIENT_ALARM:
        p->alarms[e->alarm]++;
        break;
    case VAP_CLIENT_STOPPED:
        p->stopped++;
        break;
    }
}

static void take_request(struct side *side, const struct vap_server_effect *e)
{
    switch (side->manner) {
    case STORE:
        if (e->kind == VAP_SERVER_UPLOAD_VCR)
            side->vcrs[e->vcr.direction]++;
        else
            side->numbers++;
        vap_server_complete(side->server, e->request, 0, NULL);
        break;
    case REFUSE:
        vap_server_complete(side->server, e->request, side->refuse_err, "refused here");
        break;
    case SIT:
        assert_true(side->waiting_count < 64);
        side->waiting[side->waiting_count++] = e->request;
        break;
    }
}

static void server_effect(struct pair *p, unsigned server, struct vap_server_effect *e)
{
    struct side *side = &p->sides[server];
    switch (e->kind) {
    case VAP_SERVER_SEND:
        while (e->octets.n && side->conn == e->conn)
            vap_client_input(p->client, p->now, server, piece(p, &e->octets));
        break;
    case VAP_SERVER_CLOSE:
        if (side->conn == e->conn) {
            side->conn = 0;
            vap_client_closed(p->client, p->now, server, e->reason);
        }
        break;
    case VAP_SERVER_PUBLISH_NUMBER:
    case VAP_SERVER_UPLOAD_VCR:
        take_request(side, e);
        break;
    case VAP_SERVER_SUBSCRIBED:
        side->subscriptions++;
        break;
    case VAP_SERVER_UNSUBSCRIBED:
        side->subscriptions--;
        break;
    case VAP_SERVER_KEYS_WANTED:
        side->keys_client = e->client;
        side->keys_subscription[side->keys_wanted++] = e->subscription_id;
        snprintf(side->keys_domain, sizeof side->keys_domain, "%s %s", e->user, e->key_domain);
        break;
    case VAP_SERVER_KEYS_UNWANTED:
        side->keys_wanted--;
        break;
    case VAP_SERVER_NOTIFY_DONE:
        assert_true((e->key_domain != NULL) == side->tells_keys);
        *(e->err ? &side->notify_failures : &side->notified) += 1;
        break;
    default:
        break;
    }
}

void pair_settle(struct pair *p)
{
    for (int round = 0; p->client && round < 10000; round++) {
        struct vap_client_effect ce;
        struct vap_server_effect se;
        bool quiet = true;
        while (vap_client_next(p->client, &ce)) {
            client_effect(p, &ce);
            quiet = false;
        }
        for (unsigned i = 0; i < SERVERS; i++) {
            while (vap_server_next(p->sides[i].server, &se)) {
                server_effect(p, i, &se);
                quiet = false;
            }
        }
        if (quiet)
            return;
    }
    if (p->client)
        fail_msg("client and server do not come to rest");
}

void pair_pass_ms(struct pair *p, int64_t ms)
{
    struct mono end = mono_after_ms(p->now.mono, ms);
    for (int steps = 0; steps < 100000; steps++) {
        struct mono due = vap_client_deadline(p->client);
        for (size_t i = 0; i < SERVERS; i++)
            due = mono_min(due, vap_server_deadline(p->sides[i].server));
        if (!mono_due(due, end)) {
            p->now.wall.ms += mono_since_us(end, p->now.mono) / 1000;
            p->now.mono = end;
            return;
        }
        if (due.us > p->now.mono.us) {
            p->now.wall.ms += mono_since_us(due, p->now.mono) / 1000;
            p->now.mono = due;
        }
        vap_client_tick(p->client, p->now);
        for (size_t i = 0; i < SERVERS; i++)
            vap_server_tick(p->sides[i].server, p->now);
        pair_settle(p);
    }
    fail_msg("a deadline does not move on");
}

void pair_break(struct pair *p, unsigned server)
{
    struct side *side = &p->sides[server];
    if (side->conn) {
        vap_server_closed(side->server, side->conn);
        side->conn = 0;
        vap_client_closed(p->client, p->now, server, "reset");
    }
    pair_settle(p);
}

void pair_restart_server(struct pair *p, unsigned server)
{
    struct side *side = &p->sides[server];
    vap_server_free(side->server);
    new_server(p, side);
    side->subscriptions = side->keys_wanted = 0;
    side->waiting_count = 0;
    if (side->conn) {
        side->conn = 0;
        vap_client_closed(p->client, p->now, server, "reset");
    }
    pair_settle(p);
}

void pair_upload(struct pair *p, enum vap_direction direction, uint64_t token)
{
    const struct vap_vcr vcr = {
        .vservice_id = VSERVICE,
        .direction = direction,
        .calling = {"+4989123"},
        .called = {"+17325552496"},
        .start_ntp = 0xed00378080000000,
        .stop_ntp = 0xed0037c080000000,
    };
    assert_int_equal(vap_client_upload(p->client, p->now, &vcr, token), 0);
}
