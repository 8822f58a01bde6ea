/* What VAP clients ask for, and what they are told. */
#include "server/internal.h"

#include "base/mem.h"

#define DELIVERY_RETRY_MS 600000 /* a route that a client did not take is told again */

struct upload {
    struct server *server;
    uint64_t request;
    struct e164 called;
    struct e164 calling;
    enum pvp_direction direction;
};

static int add_account(struct server *s, const struct server_account *account)
{
    struct slice user = slice_str(account->user);
    int err = vap_server_set_account(s->vap, user, slice_str(account->password));
    for (size_t i = 0; !err && i < account->key_domain_count; i++)
        err = vap_server_grant_keys(s->vap, user, slice_str(account->key_domains[i]));
    return err;
}

int clients_init(struct server *s)
{
    const struct server_options *o = s->options;
    struct vap_server_config config;
    vap_server_config_init(&config);
    config.keepalive_ms = o->vap_keepalive_ms;
    config.transaction_ms = o->vap_transaction_ms;
    config.connections_max = o->vap_connections_max;
    config.vcrs_per_second = o->vap_vcrs_per_second;
    config.vcr_burst = 4 * o->vap_vcrs_per_second;
    config.publishes_queued_max = o->vap_publishes_queued_max;
    int err = vap_server_new(&config, s->ports.entropy, s->ports.log, &s->vap);
    for (size_t i = 0; !err && i < o->account_count; i++)
        err = add_account(s, &o->accounts[i]);
    return err;
}

/* ---- call records ---- */

static void uploaded(void *arg, int err)
{
    struct upload *u = arg;
    struct server *s = u->server;
    vap_server_complete(s->vap, u->request, err, err ? err_text(err) : NULL);
    if (!err && u->direction == PVP_ORIGINATING)
        journal_note(s->journal, s->now, &u->called, "call from %s recorded: to be validated at a random time",
                     u->calling.text[0] ? u->calling.text : "an unknown number");
    else if (!err)
        journal_note(s->journal, s->now, &u->called, "call received and recorded: waits for the caller's proof");
    alert_store(s, err);
    mem_free(u);
}

static void upload(struct server *s, const struct vap_server_effect *e)
{
    struct pvp_vcr_record record = {
        .direction = e->vcr.direction == VAP_SENT ? PVP_ORIGINATING : PVP_TERMINATING,
        .called = e->vcr.called,
        .calling = e->vcr.calling,
        .start = wall_from_ntp(e->vcr.start_ntp),
        .stop = wall_from_ntp(e->vcr.stop_ntp),
        .vservice_id = e->vcr.vservice_id,
        .client = slice_str(e->user),
    };
    struct upload *u = mem_alloc(sizeof *u);
    int err = ERR_NO_MEMORY;
    if (u) {
        *u = (struct upload){s, e->request, record.called, record.calling, record.direction};
        err = pvp_vcr_upload(s->vcrs, s->now, &record, uploaded, u);
    }
    if (err) {
        mem_free(u);
        alert_store(s, err);
        vap_server_complete(s->vap, e->request, err, err_text(err));
    }
}

/* ---- routes ---- */

static void delivery_free(struct server *s, struct delivery *d)
{
    map_remove(&s->deliveries, slice_of(&d->token, sizeof d->token));
    mem_free(d);
}

static struct delivery *delivery_new(struct server *s, const struct route *r)
{
    struct delivery *d = mem_alloc(sizeof *d);
    if (!d)
        return NULL;
    *d = (struct delivery){
        .token = server_token(s), .vservice_id = r->vservice_id, .number = r->number, .node_id = r->node_id};
    if (map_set(&s->deliveries, slice_of(&d->token, sizeof d->token), d) < 0) {
        mem_free(d);
        return NULL;
    }
    return d;
}

struct deliver {
    struct server *server;
    uint64_t vservice_id;
};

static int deliver_one(void *ctx, struct route *r)
{
    struct deliver *what = ctx;
    struct server *s = what->server;
    if (r->vservice_id != what->vservice_id || r->delivery)
        return 0;
    struct delivery *d = delivery_new(s, r);
    if (!d)
        return ERR_NO_MEMORY;
    d->expected = vap_server_notify(s->vap, s->now, r->vservice_id, slice_of(r->content, r->content_octets), d->token);
    if (!d->expected) {
        delivery_free(s, d);
        return ERR_LIMIT; /* nobody listens, or too many are under way: the next event goes on */
    }
    r->delivery = d->token;
    return 0;
}

void clients_deliver(struct server *s, uint64_t vservice_id)
{
    struct deliver what = {s, vservice_id};
    route_table_each_undelivered(s->routes, deliver_one, &what);
}

static void deliver_of_vservice(void *arg, const struct vap_vservice_view *view)
{
    clients_deliver(arg, view->id);
}

void clients_deliver_again(struct server *s)
{
    if (!mono_due(s->next_delivery, s->now.mono))
        return;
    s->next_delivery = mono_after_ms(s->now.mono, DELIVERY_RETRY_MS);
    vap_server_each_vservice(s->vap, deliver_of_vservice, s);
}

static void notified(struct server *s, const struct vap_server_effect *e)
{
    struct delivery *d = map_get(&s->deliveries, slice_of(&e->token, sizeof e->token));
    if (!d)
        return;
    struct route *r = route_table_find(s->routes, d->vservice_id, &d->number, d->node_id);
    if (r && r->delivery != d->token)
        r = NULL; /* another one, learned meanwhile */
    if (e->err == 0) {
        s->counters.routes_delivered++;
        if (r && !r->delivered) {
            journal_note(s->journal, s->now, &d->number, "call agent told of the route");
            route_table_delivered(s->routes, r);
        }
    } else if (e->err == ERR_FORBIDDEN) {
        s->counters.routes_refused_by_client++;
        log_event(s->ports.log, LEVEL_WARNING, "route.refused_by_client", "number=%s code=%u", d->number.text, e->code);
    }
    if (--d->expected)
        return;
    uint64_t vservice_id = d->vservice_id;
    if (r)
        r->delivery = 0;
    delivery_free(s, d);
    if (e->err == 0)
        clients_deliver(s, vservice_id); /* what a limit held back */
}

/* ---- numbers ---- */

/* The answer comes from the publisher: ring.c. */
static void publish(struct server *s, const struct vap_server_effect *e)
{
    numbers_publish(s->publisher, s->now, e->request, &e->number, e->vservice_id);
}

void clients_effect(struct server *s, const struct vap_server_effect *e)
{
    switch (e->kind) {
    case VAP_SERVER_SEND:
    case VAP_SERVER_CLOSE:
        break; /* for the kernel */
    case VAP_SERVER_PUBLISH_NUMBER:
        publish(s, e);
        break;
    case VAP_SERVER_UPLOAD_VCR:
        upload(s, e);
        break;
    case VAP_SERVER_SUBSCRIBED:
        clients_deliver(s, e->vservice_id);
        break;
    case VAP_SERVER_KEYS_WANTED:
        keys_wanted(s, e);
        break;
    case VAP_SERVER_KEYS_UNWANTED:
        keys_unwanted(s, e);
        break;
    case VAP_SERVER_NOTIFY_DONE:
        if (!keys_answered(s, e))
            notified(s, e);
        break;
    case VAP_SERVER_VSERVICE: {
        struct vap_vservice_view view;
        if (vap_server_vservice(s->vap, e->vservice_id, &view))
            tickets_keyring(s, slice_str(view.description->domain)); /* its key is made now, not at the first proof */
        break;
    }
    case VAP_SERVER_REGISTERED:
        alert_set(s, ALERT_INVALID_CREDENTIALS, false);
        break;
    case VAP_SERVER_UNREGISTERED:
    case VAP_SERVER_VSERVICE_GONE:
    case VAP_SERVER_UNSUBSCRIBED:
        break;
    }
}
