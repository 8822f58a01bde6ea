/* Clients: registration, refresh, moving to another connection, end (sections 9.2, 9.3). */
#include "base/mem.h"
#include "vap/server_core.h"

static char *text_of(struct slice s)
{
    char *text = mem_alloc(s.n + 1);
    if (text && s.n)
        memcpy(text, s.p, s.n);
    return text;
}

static void client_free(struct client *client)
{
    mem_free(client->name);
    mem_free(client->label);
    mem_free(client->gone);
    mem_free(client);
}

/* "The Client-Handle MUST be unique amongst all other Client-Handles known to this server"; random, so that it cannot be guessed. */
static uint32_t fresh_handle(struct vap_server *s)
{
    uint32_t handle;
    do {
        entropy_fill(s->entropy, &handle, sizeof handle);
    } while (!handle || map_get(&s->clients, slice_of(&handle, sizeof handle)));
    return handle;
}

static struct client *client_new(struct conn *c, struct now now, const struct vap_message *m, struct account *account)
{
    struct vap_server *s = c->server;
    struct client *client = mem_alloc(sizeof *client);
    struct effect *registered = vap_effect_new(VAP_SERVER_REGISTERED);
    if (!client || !registered) {
        mem_free(client);
        mem_free(registered);
        return NULL;
    }
    client->handle = fresh_handle(s);
    client->conn = c;
    client->account = account;
    client->name = text_of(m->client_name);
    client->label = text_of(m->client_label);
    client->registered_at = now.wall;
    client->vcr_credit_at = now.mono;
    client->vcr_credit_us = (int64_t)s->config.vcr_burst * 1000000;
    list_init(&client->subscriptions);
    list_init(&client->instances);
    client->gone = vap_effect_new(VAP_SERVER_UNREGISTERED);
    if (!client->name || !client->label || !client->gone ||
        map_set(&s->clients, slice_of(&client->handle, sizeof client->handle), client) < 0) {
        client_free(client);
        mem_free(registered);
        return NULL;
    }
    client->gone->e.client = registered->e.client = client->handle;
    account->clients++;
    vap_effect_push(s, registered);
    return client;
}

void vap_client_destroy(struct client *client)
{
    struct vap_server *s = client->conn->server;
    LIST_EACH(it, &client->subscriptions)
        vap_subscription_destroy(CONTAINER_OF(it, struct subscription, link));
    LIST_EACH(it, &client->instances)
        vap_instance_destroy(CONTAINER_OF(it, struct instance, of_client));
    log_event(s->log, LEVEL_INFO, "vap.client.gone", "client=%u user=%s", client->handle, client->account->user);
    client->account->clients--;
    client->conn->client = NULL;
    map_remove(&s->clients, slice_of(&client->handle, sizeof client->handle));
    vap_effect_push(s, client->gone);
    client->gone = NULL;
    client_free(client);
}

static void reply_registered(struct conn *c, const struct vap_message *m)
{
    size_t mark = vap_reply_begin(c, m->method, VAP_SUCCESS, &m->transaction);
    tlv_put_u32(&c->out, TLV_CLIENT_HANDLE, c->client->handle);
    tlv_put_u32(&c->out, TLV_KEEPALIVE, c->server->config.keepalive_ms);
    vap_reply_end(c, mark);
}

/* Registers with a handle: a refresh, or the same client on a new connection, whose old one is then closed (9.2). */
static void register_again(struct conn *c, const struct vap_message *m, const struct account *account)
{
    struct vap_server *s = c->server;
    struct client *client = map_get(&s->clients, slice_of(&m->client_handle, sizeof m->client_handle));
    /* A handle is no secret: only its own user may take it over. */
    if (!client || client->account != account || (c->client && c->client != client)) {
        log_event(s->log, LEVEL_WARNING, "vap.client.bad_handle", "peer=%s client=%u", c->peer, m->client_handle);
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_CLIENT_HANDLE, NULL);
        return;
    }
    if (client->conn != c) {
        struct conn *old = client->conn;
        old->client = NULL;
        client->conn = c;
        c->client = client;
        vap_conn_close(old, "its client registered on another connection");
    }
    s->counters.refreshed++;
    reply_registered(c, m);
}

static void register_first(struct conn *c, struct now now, const struct vap_message *m, struct account *account)
{
    struct vap_server *s = c->server;
    if (c->client) {
        vap_reply_error(c, m->method, &m->transaction, VAP_ALREADY_REGISTERED, NULL);
        return;
    }
    if (!(m->has & VAP_HAS_VERSION)) {
        vap_reply_error(c, m->method, &m->transaction, VAP_BAD_REQUEST, "Protocol-Version is missing");
        return;
    }
    if (m->version_major != VAP_VERSION_MAJOR) {
        vap_reply_error(c, m->method, &m->transaction, VAP_UNSUPPORTED_VERSION, NULL);
        return;
    }
    if (account->clients >= s->config.connections_per_user_max) {
        vap_reply_error(c, m->method, &m->transaction, VAP_OVERLOADED, "too many connections of this user");
        return;
    }
    c->client = client_new(c, now, m, account);
    if (!c->client || heap_set(&s->conn_timers, &c->timer, mono_after_ms(now.mono, s->config.keepalive_ms)) < 0) {
        if (c->client)
            vap_client_destroy(c->client);
        vap_reply_error(c, m->method, &m->transaction, VAP_SERVER_ERROR, "out of memory");
        return;
    }
    c->lingering = false;
    s->counters.registered++;
    log_event(s->log, LEVEL_INFO, "vap.client.registered", "client=%u user=%s peer=%s tls=%s name=\"%s\"",
              c->client->handle, account->user, c->peer, c->tls ? "yes" : "no", c->client->name);
    reply_registered(c, m);
}

void vap_client_register(struct conn *c, struct now now, const struct vap_message *m, struct account *account)
{
    if (m->has & VAP_HAS_HANDLE)
        register_again(c, m, account);
    else
        register_first(c, now, m, account);
}

void vap_client_unregister(struct conn *c, struct now now, const struct vap_message *m)
{
    struct vap_server *s = c->server;
    if (!c->client) {
        vap_reply_error(c, m->method, &m->transaction, VAP_UNREGISTERED, NULL);
        return;
    }
    s->counters.unregistered++;
    vap_reply_success(c, m);
    LIST_EACH(it, &c->calls)
        vap_call_finish(CONTAINER_OF(it, struct call, link), ERR_CLOSED, 0);
    vap_client_destroy(c->client);
    /* "It then sets a timer equal to thirty seconds" for the client to close (9.3). */
    c->lingering = true;
    if (heap_set(&s->conn_timers, &c->timer, mono_after_ms(now.mono, s->config.unregister_close_ms)) < 0)
        vap_conn_close(c, "unregistered");
}
