/* An IME service: what the VAP client wants and tells, joined with routes, records and numbers. */
#include "agent/service.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

COUNTERS_DEFINE(agent_service_counters, AGENT_SERVICE_COUNTERS)

#define FEED_PAUSE_MS 10000     /* after numbers could not be handed over for lack of memory */
#define LIST_OCTETS_MAX 24000   /* of the domains in a description */
#define LISTED_DOMAIN_OCTETS 20 /* of its element */
#define CLIENT_QUEUE 256        /* records with the client; the others wait in their queue, on disk as in memory */

struct server {
    char *name;
    bool online;
    bool given_up;
    struct wall since;
    enum agent_service_failure failure; /* of the last connection */
    char reason[160];
};

struct agent_service {
    char *name;
    char *domain;
    char *dht;
    char *routes[AGENT_SERVICE_ROUTES_MAX];
    size_t route_count;
    uint64_t vservice_id;
    unsigned server_count;
    struct server servers[VAP_SERVERS_MAX];
    struct agent_service_parts parts;
    struct vap_client *client;
    struct agent_publish *publish;
    struct agent_service_counters counters;
    struct now now;       /* of the current event: completions of the store have no other */
    struct list learning; /* routes that are being written */
    struct mono feed_at;  /* when numbers are to be handed over: MONO_NEVER when all are */
    bool stopping;
    uint32_t quota_limit;
    uint32_t quota_current;
};

const char *agent_service_status_name(enum agent_service_status status)
{
    static const char *const names[] = {"unknown", "healthy", "unhealthy"};
    return names[status];
}

/* ---- life ---- */

/* As many as a description can hold: it has 32 KiB in all. What is left out is still checked by us. */
static size_t cut_list(const struct agent_service *s, const char *const *domains, size_t n)
{
    size_t octets = 0, kept = 0;
    while (kept < n && (octets += strlen(domains[kept]) + LISTED_DOMAIN_OCTETS) <= LIST_OCTETS_MAX)
        kept++;
    if (kept < n)
        log_event(s->parts.log, LEVEL_WARNING, "agent.service.list_cut", "service=%s domains=%zu told=%zu", s->name, n,
                  kept);
    return kept;
}

/* What the VService says of itself (VAP 10.1). The arrays are of VAP_LIST_DOMAINS_MAX and AGENT_SERVICE_ROUTES_MAX. */
static void describe(const struct agent_service *s, const char **domains, const char **routes,
                     struct vap_description *ret_description)
{
    bool white;
    size_t listed = agent_trust_domains(s->parts.enrolled, &white, domains, VAP_LIST_DOMAINS_MAX);
    size_t numbers = agent_enrolled_count(s->parts.enrolled);
    listed = cut_list(s, domains, listed);
    for (size_t i = 0; i < s->route_count; i++)
        routes[i] = s->routes[i];
    *ret_description = (struct vap_description){
        .id = s->name,
        .schema_version = "1.0",
        .dht_name = s->dht,
        .did_count = (uint32_t)numbers,
        .domain = s->domain,
        .list_kind = !listed ? VAP_LIST_NONE
                     : white ? VAP_LIST_WHITE
                             : VAP_LIST_BLACK,
        .list_domains = domains,
        .list_count = listed,
        .routes = routes,
        .route_count = s->route_count,
    };
}

static int check_config(const struct agent_service_config *c)
{
    if (!c->route_count || c->route_count > AGENT_SERVICE_ROUTES_MAX || !c->servers || c->servers > VAP_SERVERS_MAX)
        return ERR_RANGE;
    for (size_t i = 0; i < c->route_count; i++) {
        struct route_uri uri;
        if (route_uri_parse(slice_str(c->routes[i]), &uri, NULL) < 0)
            return ERR_RANGE;
    }
    return domain_is_valid(slice_str(c->domain)) ? 0 : ERR_RANGE;
}

static int copy_texts(struct agent_service *s, const struct agent_service_config *c)
{
    bool good = true;
    s->name = mem_strdup(c->name);
    s->domain = mem_strdup(c->domain);
    s->dht = mem_strdup(c->dht ? c->dht : VAP_PUBLIC_DHT);
    for (size_t i = 0; i < c->route_count; i++)
        good = (s->routes[i] = mem_strdup(c->routes[i])) && good;
    for (unsigned i = 0; i < c->servers; i++)
        good = (s->servers[i].name = mem_strdup(c->server_names[i])) && good;
    s->route_count = c->route_count;
    s->server_count = c->servers;
    return good && s->name && s->domain && s->dht ? 0 : ERR_NO_MEMORY;
}

static int start_client(struct agent_service *s, const struct agent_service_config *c)
{
    const char *domains[VAP_LIST_DOMAINS_MAX];
    const char *routes[AGENT_SERVICE_ROUTES_MAX];
    struct vap_description description;
    struct vap_client_config config;
    vap_client_config_init(&config);
    describe(s, domains, routes, &description);
    config.name = "OpenIME/ime-agent/" IME_VERSION;
    config.label = s->name;
    config.user = c->user;
    config.password = c->password;
    config.servers = c->servers;
    config.vservice_id = c->vservice_id;
    config.description = &description;
    config.subscribe = true;
    config.queue_max = CLIENT_QUEUE;
    config.numbers_max = AGENT_ENROLLED_NUMBERS_MAX;
    config.report_refreshes = true;
    if (c->reconnect_ms)
        config.reconnect_ms = c->reconnect_ms;
    return vap_client_new(&config, s->parts.entropy, s->parts.log, s->now, &s->client);
}

int agent_service_new(const struct agent_service_config *config, const struct agent_service_parts *parts,
                      struct now now, struct agent_service **ret_service)
{
    int err = check_config(config);
    struct agent_service *s = err ? NULL : mem_alloc(sizeof *s);
    if (!s)
        return err ? err : ERR_NO_MEMORY;
    s->parts = *parts;
    s->now = now;
    s->vservice_id = config->vservice_id;
    s->feed_at = now.mono;
    list_init(&s->learning);
    for (unsigned i = 0; i < VAP_SERVERS_MAX; i++) {
        s->servers[i].since = now.wall;
        snprintf(s->servers[i].reason, sizeof s->servers[i].reason, "not connected yet");
    }
    err = copy_texts(s, config);
    if (!err)
        err = agent_publish_new(&s->publish);
    if (!err)
        err = agent_publish_set(s->publish, now, parts->enrolled);
    if (!err)
        err = start_client(s, config);
    if (err) {
        agent_service_free(s);
        return err;
    }
    *ret_service = s;
    return 0;
}

int agent_service_set_enrolled(struct agent_service *s, struct now now, const struct agent_enrolled *enrolled)
{
    const char *domains[VAP_LIST_DOMAINS_MAX];
    const char *routes[AGENT_SERVICE_ROUTES_MAX];
    struct vap_description description;
    s->now = now;
    s->parts.enrolled = enrolled; /* the old one may go, whatever happens */
    s->feed_at = now.mono;
    describe(s, domains, routes, &description);
    int err = agent_publish_set(s->publish, now, enrolled);
    int failed = vap_client_set_description(s->client, now, &description);
    return err ? err : failed;
}

/* ---- routes ---- */

/* A Notify whose route is being written. */
struct learning {
    struct list link;
    struct agent_service *service; /* NULL: it is gone */
    uint64_t notify;
    struct e164 number;
};

static void learned(void *arg, int err)
{
    struct learning *l = arg;
    struct agent_service *s = l->service;
    list_remove(&l->link);
    if (s) {
        *(err ? &s->counters.routes_not_stored : &s->counters.RoutesLearned) += 1;
        if (err)
            agent_alarm_raise(s->parts.alarms, s->now, AGENT_ALARM_ROUTE_NOT_STORED, l->number.text,
                              "the route to %s could not be stored: %s", l->number.text, err_text(err));
        vap_client_notify_done(s->client, s->now, l->notify, err == 0);
    }
    mem_free(l);
}

static void reject(struct agent_service *s, const struct e164 *number, int err, const char *reason)
{
    bool refused = err == ERR_SYNTAX || err == ERR_RANGE || err == ERR_EXPIRED || err == ERR_FORBIDDEN;
    *(refused ? &s->counters.RoutesRejected : &s->counters.routes_not_stored) += 1;
    agent_alarm_raise(s->parts.alarms, s->now, refused ? AGENT_ALARM_REJECTED_ROUTES : AGENT_ALARM_ROUTE_NOT_STORED,
                      number->text, "the route to %s was not learned: %s", number->text[0] ? number->text : "a number",
                      reason);
}

static void take_notify(struct agent_service *s, const struct vap_client_effect *e)
{
    const struct agent_route_terms terms = {slice_str(s->domain), s->parts.enrolled};
    const char *reason = err_text(ERR_NO_MEMORY);
    struct e164 number = {""};
    struct learning *l = mem_alloc(sizeof *l);
    int err = l ? 0 : ERR_NO_MEMORY;
    s->counters.notifies++;
    if (!err) {
        l->service = s;
        l->notify = e->notify;
        list_append(&s->learning, &l->link);
        err = agent_routes_learn(s->parts.routes, s->now, e->octets, &terms, learned, l, &reason, &l->number);
        number = l->number;
    }
    if (!err)
        return;
    if (l)
        list_remove(&l->link);
    mem_free(l);
    reject(s, &number, err, reason);
    vap_client_notify_done(s->client, s->now, e->notify, false);
}

void agent_service_free(struct agent_service *s)
{
    struct list *first;
    if (!s)
        return;
    while ((first = list_pop(&s->learning)))
        CONTAINER_OF(first, struct learning, link)->service = NULL; /* freed by its completion */
    vap_client_free(s->client);
    agent_publish_free(s->publish);
    for (size_t i = 0; i < s->route_count; i++)
        mem_free(s->routes[i]);
    for (unsigned i = 0; i < s->server_count; i++)
        mem_free(s->servers[i].name);
    mem_free(s->name);
    mem_free(s->domain);
    mem_free(s->dht);
    mem_free(s);
}

void agent_service_route_removed(void *alarms, struct now now, const struct agent_route *route,
                                 enum agent_route_end end)
{
    char learned_at[WALL_TEXT_OCTETS];
    agent_alarm_raise(alarms, now, AGENT_ALARM_ROUTE_REMOVED, route->number.text,
                      "the route to %s by %s, learned at %s, is gone: %s", route->number.text, route->domain,
                      wall_format(route->learned_at, learned_at), agent_route_end_name(end));
}

/* ---- records ---- */

static void send_records(struct agent_service *s)
{
    struct vap_vcr vcr;
    uint64_t token;
    while (vap_client_queued(s->client) < CLIENT_QUEUE &&
           agent_records_take(s->parts.records, s->now, s->vservice_id, &vcr, &token)) {
        if (vap_client_upload(s->client, s->now, &vcr, token) < 0) {
            agent_records_put_back(s->parts.records, token);
            return;
        }
        s->counters.VCRUploadRequests++;
    }
}

static void take_upload_result(struct agent_service *s, const struct vap_client_effect *e)
{
    struct agent_records *records = s->parts.records;
    /* Refused for what it is; all else may pass. */
    bool for_good = e->err == ERR_FORBIDDEN && (e->code == VAP_BAD_REQUEST || e->code == VAP_TOO_LARGE);
    if (!e->err) {
        s->counters.vcrs_acknowledged++;
        agent_records_acknowledged(records, e->token);
    } else if (for_good) {
        s->counters.vcrs_refused++;
        agent_records_refused(records, e->token);
        agent_alarm_raise(s->parts.alarms, s->now, AGENT_ALARM_RECORD_LOST, s->name,
                          "the server refused a call record: %s", e->reason);
    } else {
        agent_records_failed(records, s->now, e->token);
    }
}

/* ---- servers ---- */

static void set_online(struct agent_service *s, unsigned server, bool online, const char *reason)
{
    struct server *at = &s->servers[server];
    if (at->online != online)
        at->since = s->now.wall;
    at->online = online;
    snprintf(at->reason, sizeof at->reason, "%s", reason);
}

static void take_offline(struct agent_service *s, const struct vap_client_effect *e)
{
    struct server *at = &s->servers[e->server];
    set_online(s, e->server, false, e->reason);
    at->given_up = e->final;
    if (s->stopping)
        return;
    const bool tls = at->failure == AGENT_SERVICE_TLS_FAILED;
    agent_alarm_raise(s->parts.alarms, s->now, tls ? AGENT_ALARM_TLS_CONNECTION_FAILED : AGENT_ALARM_TCP_SETUP_FAILED,
                      at->name, "%s: %s", at->name, e->reason);
    if (tls) /* it is there */
        agent_alarm_clear(s->parts.alarms, s->now, AGENT_ALARM_TCP_SETUP_FAILED, at->name);
}

/* It takes us: what was wrong with it is over. */
static void take_online(struct agent_service *s, const struct vap_client_effect *e)
{
    static const enum agent_alarm over[] = {AGENT_ALARM_TCP_SETUP_FAILED,    AGENT_ALARM_TLS_CONNECTION_FAILED,
                                            AGENT_ALARM_INVALID_CREDENTIALS, AGENT_ALARM_RING_INACTIVE,
                                            AGENT_ALARM_BAD_REQUEST,         AGENT_ALARM_UNSUPPORTED_VERSION};
    const struct server *at = &s->servers[e->server];
    set_online(s, e->server, true, "");
    s->quota_limit = e->quota_limit;
    s->quota_current = e->quota_current;
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++)
        agent_alarm_clear(s->parts.alarms, s->now, over[i], at->name);
}

static enum agent_alarm alarm_of(enum vap_alarm alarm)
{
    switch (alarm) {
    case VAP_ALARM_INVALID_CREDENTIALS:
        return AGENT_ALARM_INVALID_CREDENTIALS;
    case VAP_ALARM_OUT_OF_STEP:
        return AGENT_ALARM_INVALID_SUBSCRIPTION;
    case VAP_ALARM_OVER_QUOTA:
        return AGENT_ALARM_OVER_QUOTA;
    case VAP_ALARM_PUBLISH_FAILED:
        return AGENT_ALARM_PUBLISH_FAILED;
    case VAP_ALARM_RING_INACTIVE:
        return AGENT_ALARM_RING_INACTIVE;
    case VAP_ALARM_UNSUPPORTED_VERSION:
        return AGENT_ALARM_UNSUPPORTED_VERSION;
    default:
        return AGENT_ALARM_BAD_REQUEST;
    }
}

/* A run through all numbers without a failure: there is room, and they are published. */
static void publication_is_good(struct agent_service *s)
{
    static const enum agent_alarm over[] = {AGENT_ALARM_OVER_QUOTA, AGENT_ALARM_PUBLISH_OVER_QUOTA,
                                            AGENT_ALARM_PUBLISH_FAILED};
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
        agent_alarm_clear(s->parts.alarms, s->now, over[i], s->name);
        for (unsigned k = 0; k < s->server_count; k++)
            agent_alarm_clear(s->parts.alarms, s->now, over[i], s->servers[k].name);
    }
}

static void take_publication(struct agent_service *s, const struct vap_client_effect *e)
{
    s->counters.RoutesPublished += e->err == 0;
    agent_publish_result(s->publish, s->now, e);
    if (!agent_publish_completed(s->publish))
        return;
    const struct agent_publish_report *r = agent_publish_report(s->publish);
    char start[WALL_TEXT_OCTETS], end[WALL_TEXT_OCTETS];
    bool over = r->failed && s->quota_limit && s->quota_current >= s->quota_limit;
    agent_alarm_raise(s->parts.alarms, s->now, AGENT_ALARM_PUBLICATION_COMPLETED, start,
                      "from %s to %s: %zu numbers, %zu failed%s%s%s", wall_format(r->start, start),
                      wall_format(r->end, end), r->count, r->failed, r->failed ? ", the first is " : "",
                      r->failed ? r->failed_numbers[0].text : "", r->failed > 1 ? " (`agent publish report`)" : "");
    if (r->failed)
        agent_alarm_raise(s->parts.alarms, s->now, over ? AGENT_ALARM_PUBLISH_OVER_QUOTA : AGENT_ALARM_PUBLISH_FAILED,
                          s->name, "%zu of %zu numbers: %s", r->failed, r->count, r->reason);
    else
        publication_is_good(s);
}

/* ---- effects ---- */

/* True if it is one for the owner. */
static bool take_effect(struct agent_service *s, const struct vap_client_effect *e,
                        struct agent_service_effect *ret_effect)
{
    switch (e->kind) {
    case VAP_CLIENT_CONNECT:
        *ret_effect = (struct agent_service_effect){.kind = AGENT_SERVICE_CONNECT, .server = e->server};
        return true;
    case VAP_CLIENT_SEND:
        *ret_effect =
            (struct agent_service_effect){.kind = AGENT_SERVICE_SEND, .server = e->server, .octets = e->octets};
        return true;
    case VAP_CLIENT_DISCONNECT:
        *ret_effect = (struct agent_service_effect){.kind = AGENT_SERVICE_DISCONNECT, .server = e->server};
        return true;
    case VAP_CLIENT_KEYS_SUBSCRIBED: /* of border elements */
    case VAP_CLIENT_KEYS_REFUSED:
    case VAP_CLIENT_KEYS:
        break;
    case VAP_CLIENT_STOPPED:
        *ret_effect = (struct agent_service_effect){.kind = AGENT_SERVICE_STOPPED};
        return true;
    case VAP_CLIENT_ONLINE:
        take_online(s, e);
        break;
    case VAP_CLIENT_OFFLINE:
        take_offline(s, e);
        break;
    case VAP_CLIENT_UPLOADED:
        take_upload_result(s, e);
        break;
    case VAP_CLIENT_PUBLISHED:
        take_publication(s, e);
        break;
    case VAP_CLIENT_SUBSCRIBED:
        agent_alarm_clear(s->parts.alarms, s->now, AGENT_ALARM_INVALID_SUBSCRIPTION, s->servers[e->server].name);
        break;
    case VAP_CLIENT_NOTIFY:
        take_notify(s, e);
        break;
    case VAP_CLIENT_REVOKED:
        s->counters.ring_lost++;
        set_online(s, e->server, false, "the server's ring is not available");
        break;
    case VAP_CLIENT_ALARM:
        agent_alarm_raise(s->parts.alarms, s->now, alarm_of(e->alarm), s->servers[e->server].name, "%s: %s",
                          s->servers[e->server].name, e->reason);
        break;
    }
    return false;
}

static void feed(struct agent_service *s)
{
    int more = agent_publish_feed(s->publish, s->now, s->client);
    s->feed_at = more < 0 ? mono_after_ms(s->now.mono, FEED_PAUSE_MS) : more ? s->now.mono : MONO_NEVER;
}

bool agent_service_next(struct agent_service *s, struct now now, struct agent_service_effect *ret_effect)
{
    struct vap_client_effect e;
    s->now = now;
    if (!s->stopping) {
        send_records(s);
        if (mono_due(s->feed_at, now.mono))
            feed(s);
    }
    while (vap_client_next(s->client, &e)) {
        if (take_effect(s, &e, ret_effect))
            return true;
        if (!s->stopping && e.kind == VAP_CLIENT_UPLOADED)
            send_records(s);
    }
    return false;
}

/* ---- events ---- */

void agent_service_connected(struct agent_service *s, struct now now, unsigned server)
{
    s->now = now;
    s->servers[server].failure = AGENT_SERVICE_CLOSED;
    vap_client_connected(s->client, now, server);
}

void agent_service_input(struct agent_service *s, struct now now, unsigned server, struct slice octets)
{
    s->now = now;
    vap_client_input(s->client, now, server, octets);
}

void agent_service_closed(struct agent_service *s, struct now now, unsigned server, enum agent_service_failure failure,
                          const char *why)
{
    s->now = now;
    s->servers[server].failure = failure;
    vap_client_closed(s->client, now, server, why);
}

void agent_service_tick(struct agent_service *s, struct now now)
{
    s->now = now;
    agent_records_tick(s->parts.records, now);
    vap_client_tick(s->client, now);
}

struct mono agent_service_deadline(const struct agent_service *s)
{
    struct mono deadline = mono_min(vap_client_deadline(s->client), agent_records_deadline(s->parts.records));
    return s->stopping ? deadline : mono_min(deadline, s->feed_at);
}

void agent_service_stop(struct agent_service *s, struct now now)
{
    s->now = now;
    s->stopping = true;
    vap_client_stop(s->client, now);
}

/* ---- views ---- */

void agent_service_view(const struct agent_service *s, struct agent_service_view *ret_view)
{
    bool any_online = false, any_tried = false;
    *ret_view = (struct agent_service_view){
        .name = s->name,
        .domain = s->domain,
        .vservice_id = s->vservice_id,
        .servers = s->server_count,
        .uploads = vap_client_queued(s->client),
        .quota_limit = s->quota_limit,
        .quota_current = s->quota_current,
        .publish = s->publish,
        .counters = &s->counters,
    };
    for (unsigned i = 0; i < s->server_count; i++) {
        const struct server *at = &s->servers[i];
        struct agent_service_server_view *view = &ret_view->server[i];
        *view = (struct agent_service_server_view){
            .name = at->name, .online = at->online, .given_up = at->given_up, .since = at->since};
        memcpy(view->reason, at->reason, sizeof view->reason);
        any_online = any_online || at->online;
        any_tried = any_tried || strcmp(at->reason, "not connected yet") != 0;
    }
    ret_view->status = any_online ? AGENT_SERVICE_HEALTHY : any_tried ? AGENT_SERVICE_UNHEALTHY : AGENT_SERVICE_UNKNOWN;
}
