/* Views for people and programs: what imectl's `show` commands answer. Keys are those of the columns in src/ctl/commands.c. */
#include "server/show.h"

#include "base/mem.h"
#include "crypt/cert.h"
#include "server/internal.h"

#include <stdio.h>

const char *show_health_name(enum peer_health health)
{
    static const char *const names[] = {"red", "yellow", "green"};
    return names[health];
}

/* The worst of ring and alerts. Nobody believes what is signed with a certificate that has ended. */
static enum peer_health health_of(const struct server *s)
{
    if (s->certificate_end.ms <= s->now.wall.ms)
        return PEER_RED;
    enum peer_health health = peer_health(s->peer);
    for (size_t i = 0; i < ALERTS; i++)
        if (s->alerts[i].raised && health == PEER_GREEN)
            health = PEER_YELLOW;
    return s->alerts[ALERT_STORE_FAILURE].raised || s->alerts[ALERT_BANNED].raised ||
                   s->alerts[ALERT_INVALID_CERTIFICATE].raised
               ? PEER_RED
               : health;
}

static void put_own_ban(const struct server *s, struct ctl_writer *w)
{
    bool banned;
    const struct config_ban *ban = configuration_own_ban(s, &banned);
    if (!banned)
        return;
    ctl_put_time(w, "banned_since_at", ban ? ban->at : (struct wall){0});
    ctl_put_slice(w, "ban_reason", ban ? ban->reason : slice_str("not given"));
}

void show_status(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct numbers_publisher_view published;
    struct pvp_vcr_totals vcrs;
    uint64_t entries = 0, octets = 0;
    unsigned in_ring;
    unsigned nodes = nodes_count(s, &in_ring);
    struct wall end = nodes_certificate_end(s);
    nodes_stored(s, &entries, &octets);
    numbers_publisher_view(s->publisher, s->now, &published);
    pvp_vcr_table_totals(s->vcrs, &vcrs);

    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_text(w, "server_id", s->options->server_id);
    ctl_put_id(w, "node_id", s->self);
    if (nodes > 1) {
        ctl_put_unsigned(w, "node_ids", nodes);
        ctl_put_unsigned(w, "node_ids_in_ring", in_ring);
    }
    ctl_put_text(w, "version", IME_VERSION);
    ctl_put_text(w, "health", show_health_name(health_of(s)));
    ctl_put_text(w, "state", peer_state_name(peer_state(s->peer)));
    put_own_ban(s, w);
    ctl_put_slice(w, "overlay", s->config->instance_name);
    ctl_put_integer(w, "configuration_sequence", s->config->sequence);
    ctl_put_printf(w, "node_count_estimate", "%.0f", peer_ring_size(s->peer));
    ctl_put_time(w, "started_at", s->started_at);
    ctl_put_time(w, "certificate_ends_at", end);
    ctl_put_unsigned(w, "days_until_cert_expiry",
                     end.ms > s->now.wall.ms ? (uint64_t)(end.ms - s->now.wall.ms) / 86400000 : 0);
    ctl_put_integer(w, "clients_registered", (int64_t)vap_server_client_count(s->vap));
    ctl_put_unsigned(w, "numbers_published", published.stored);
    ctl_put_unsigned(w, "numbers_pending", published.publications - published.stored);
    ctl_put_unsigned(w, "quota", s->config->quota);
    ctl_put_unsigned(w, "ring_records_stored", entries);
    ctl_put_unsigned(w, "ring_records_octets", octets);
    ctl_put_unsigned(w, "vcrs", vcrs.records);
    ctl_put_unsigned(w, "terminating_vcrs", vcrs.terminating);
    ctl_put_unsigned(w, "validations_pending", vcrs.pending);
    ctl_put_unsigned(w, "validations_running", s->validation_count);
    ctl_put_unsigned(w, "routes", route_table_count(s->routes));
    if (s->config->message_of_the_day.n)
        ctl_put_slice(w, "message_of_the_day", s->config->message_of_the_day);
    if (s->config->required_version.n)
        ctl_put_slice(w, "required_version", s->config->required_version);
    ctl_open_array(w, "warnings");
    for (enum alert a = 0; a < ALERTS; a++) {
        char text[ALERT_TEXT_OCTETS] = "";
        if (!s->alerts[a].raised)
            continue;
        alert_text(s, a, text, sizeof text);
        ctl_open_object(w, NULL);
        ctl_put_text(w, "severity", alert_severity(a));
        ctl_put_text(w, "name", alert_name(a));
        ctl_put_time(w, "since_at", s->alerts[a].since);
        ctl_put_text(w, "text", text);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

/* ---- numbers ---- */

static void put_hex64(struct ctl_writer *w, const char *key, uint64_t v)
{
    ctl_put_printf(w, key, "%016llx", (unsigned long long)v);
}

static void put_number(void *arg, const struct numbers_info *info)
{
    struct ctl_writer *w = arg;
    ctl_open_object(w, NULL);
    ctl_put_text(w, "number", info->number.text);
    put_hex64(w, "vservice_id", info->vservice_id);
    ctl_put_text(w, "state", numbers_state_name(info->state));
    ctl_put_unsigned(w, "copies", info->copies);
    ctl_put_time(w, "expires_at", info->held_until);
    ctl_open_array(w, "resources");
    for (size_t i = 0; i < NUMBERS_COPIES; i++) {
        const struct numbers_copy_info *c = &info->copy[i];
        ctl_open_object(w, NULL);
        if (c->known)
            ctl_put_id(w, "resource_id", c->resource);
        ctl_put_boolean(w, "stored", c->stored);
        ctl_put_time(w, "stored_at", c->stored_at);
        if (c->failed)
            ctl_put_text(w, "problem", numbers_outcome_text(c->outcome));
        ctl_close(w);
    }
    ctl_close(w);
    ctl_close(w);
}

void show_numbers(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    struct ctl_writer *w = ctl_reply_begin(request);
    struct e164 number;
    uint32_t limit, current;
    numbers_publisher_quota(s->publisher, &limit, &current);
    ctl_put_unsigned(w, "quota", limit);
    ctl_put_unsigned(w, "quota_used", current);
    ctl_open_array(w, "numbers");
    if (!ctl_args_has(args, "number"))
        numbers_publisher_each(s->publisher, s->now, put_number, w);
    else if (e164_parse(slice_str(ctl_args_text(args, "number")), &number))
        numbers_publisher_each_of(s->publisher, s->now, &number, put_number, w);
    ctl_close(w);
    ctl_reply_end(request);
}

/* ---- call records and validations ---- */

/* The newest records, collected before they are written. */
struct vcr_list {
    const struct pvp_vcr **vcrs;
    size_t n, max;
    const char *number;
    bool pending_only;
};

static int64_t start_of(const struct pvp_vcr *v)
{
    struct pvp_vcr_record r;
    pvp_vcr_get(v, &r);
    return r.start.ms;
}

/* Keeps the list sorted, the newest first, and drops what does not fit. */
static int collect_vcr(void *arg, const struct pvp_vcr *v)
{
    struct vcr_list *list = arg;
    struct pvp_vcr_record r;
    pvp_vcr_get(v, &r);
    if (list->number && strcmp(r.called.text, list->number) != 0 && strcmp(r.calling.text, list->number) != 0)
        return 0;
    if (list->pending_only && r.direction != PVP_ORIGINATING)
        return 0;
    size_t low = 0, high = list->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (start_of(list->vcrs[middle]) >= r.start.ms)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == list->max)
        return 0;
    if (list->n == list->max)
        list->n--;
    memmove(&list->vcrs[low + 1], &list->vcrs[low], (list->n - low) * sizeof *list->vcrs);
    list->vcrs[low] = v;
    list->n++;
    return 0;
}

static int collect(struct server *s, struct vcr_list *list, size_t max)
{
    list->vcrs = mem_alloc((max + 1) * sizeof *list->vcrs);
    list->max = max;
    return list->vcrs ? pvp_vcr_each(s->vcrs, NULL, collect_vcr, list) : ERR_NO_MEMORY;
}

void show_vcrs(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    struct vcr_list list = {.number = ctl_args_text(args, "number")};
    int err = collect(s, &list, ctl_args_has(args, "limit") ? (size_t)ctl_args_integer(args, "limit") : 100);
    if (err) {
        ctl_refuse(request, err, NULL, NULL);
        return;
    }
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "vcrs");
    for (size_t i = 0; i < list.n; i++) {
        struct pvp_vcr_record r;
        const struct pvp_vcr *v = list.vcrs[i];
        enum pvp_vcr_reason reason = pvp_vcr_reason(v);
        pvp_vcr_get(v, &r);
        ctl_open_object(w, NULL);
        ctl_put_text(w, "direction", r.direction == PVP_ORIGINATING ? "originating" : "terminating");
        ctl_put_text(w, "called", r.called.text);
        ctl_put_text(w, "calling", r.calling.text);
        ctl_put_time(w, "start_at", r.start);
        ctl_put_time(w, "stop_at", r.stop);
        ctl_put_text(w, "state", pvp_vcr_state_name(pvp_vcr_state(v)));
        ctl_put_text(w, "reason", reason == PVP_REASON_NONE ? NULL : pvp_vcr_reason_name(reason));
        ctl_put_slice(w, "client", r.client);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
    mem_free(list.vcrs);
}

static const char *phase_name(enum validation_phase phase)
{
    static const char *const names[] = {"looking up", "asking for the address", "proving", "storing the result"};
    return names[phase];
}

static void put_running(struct ctl_writer *w, const struct validation *v)
{
    ctl_open_object(w, NULL);
    ctl_put_text(w, "number", v->record.called.text);
    ctl_put_text(w, "state", phase_name(v->phase));
    ctl_put_text(w, "method", v->proof ? pvp_validation_stage(v->proof) : NULL);
    if (v->current < v->claimant_count)
        ctl_put_id(w, "node_id", v->claimants[v->current].node_id);
    ctl_put_time(w, "due_at", v->began);
    ctl_put_text(w, "reason", v->why);
    ctl_close(w);
}

void show_validations(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct vcr_list list = {.pending_only = true};
    int err = collect(s, &list, 1000);
    if (err) {
        ctl_refuse(request, err, NULL, NULL);
        return;
    }
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "validations");
    LIST_EACH(it, &s->validations)
        put_running(w, CONTAINER_OF(it, struct validation, link));
    for (size_t i = 0; i < list.n; i++) {
        struct pvp_vcr_record r;
        const struct pvp_vcr *v = list.vcrs[i];
        enum pvp_vcr_state state = pvp_vcr_state(v);
        enum pvp_vcr_reason reason = pvp_vcr_reason(v);
        if (state == PVP_VCR_LOOKING_UP || state == PVP_VCR_VALIDATING)
            continue;
        pvp_vcr_get(v, &r);
        ctl_open_object(w, NULL);
        ctl_put_text(w, "number", r.called.text);
        ctl_put_text(w, "state", pvp_vcr_state_name(state));
        ctl_put_time(w, "due_at", state == PVP_VCR_WAITING ? pvp_vcr_due(v) : (struct wall){0});
        ctl_put_text(w, "reason", reason == PVP_REASON_NONE ? NULL : pvp_vcr_reason_name(reason));
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
    mem_free(list.vcrs);
}

/* ---- pools and routes ---- */

static int put_bucket(void *arg, const struct pvp_bucket_info *info)
{
    struct ctl_writer *w = arg;
    ctl_open_object(w, NULL);
    if (info->domain.n) /* a failure proves no domain */
        ctl_put_slice(w, "domain", info->domain);
    ctl_put_id(w, "node_id", info->node_id);
    ctl_put_text(w, "bucket", info->number.text[0] ? info->number.text : "default");
    ctl_put_unsigned(w, "entropy", info->fill);
    ctl_put_unsigned(w, "threshold", info->threshold);
    ctl_put_unsigned(w, "results", info->result_count);
    ctl_put_boolean(w, "penalty", info->number.text[0] != 0);
    ctl_put_time(w, "penalty_since_at", info->penalty_since);
    ctl_open_array(w, "numbers");
    for (size_t i = 0; i < info->result_count; i++)
        ctl_put_text(w, NULL, info->results[i]->called.text);
    ctl_close(w);
    ctl_close(w);
    return 0;
}

void show_pools(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "pools");
    pvp_pools_each(s->pools, put_bucket, w);
    ctl_close(w);
    ctl_reply_end(request);
}

struct route_listing {
    struct ctl_writer *w;
    const char *number;
};

static void put_valinfo(struct ctl_writer *w, const struct route *r)
{
    struct region region;
    struct valinfo info;
    struct ticket ticket;
    region_init(&region, 4 * VALINFO_OCTETS_MAX);
    if (valinfo_parse(slice_of(r->content, r->content_octets), &region, &info, NULL) == 0) {
        ctl_put_slice(w, "uri", info.route_count ? info.routes[0] : (struct slice){NULL, 0});
        ctl_open_array(w, "uris");
        for (size_t i = 0; i < info.route_count; i++)
            ctl_put_slice(w, NULL, info.routes[i]);
        ctl_close(w);
        ctl_put_slice(w, "ticket", info.ticket);
        if (ticket_parse(info.ticket, &ticket, NULL) == 0) {
            ctl_put_time(w, "ticket_not_before_at", ticket.not_before);
            ctl_put_time(w, "ticket_not_after_at", ticket.not_after);
        }
    }
    region_fini(&region);
}

static int put_route(void *arg, struct route *r)
{
    struct route_listing *list = arg;
    struct ctl_writer *w = list->w;
    if (list->number && strcmp(list->number, r->number.text) != 0)
        return 0;
    ctl_open_object(w, NULL);
    ctl_put_text(w, "number", r->number.text);
    ctl_put_text(w, "domain", r->domain);
    ctl_put_id(w, "node_id", r->node_id);
    put_hex64(w, "vservice_id", r->vservice_id);
    put_valinfo(w, r);
    ctl_put_time(w, "learned_at", r->learned_at);
    ctl_put_time(w, "expires_at", r->expires_at);
    ctl_put_boolean(w, "delivered", r->delivered);
    ctl_close(w);
    return 0;
}

void show_routes(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct route_listing list = {ctl_reply_begin(request), ctl_args_text(ctl_request_args(request), "number")};
    ctl_open_array(list.w, "routes");
    route_table_each(s->routes, put_route, &list);
    ctl_close(list.w);
    ctl_reply_end(request);
}

/* ---- clients, certificate, settings, tickets, counters ---- */

static void put_client(void *arg, const struct vap_client_view *v)
{
    struct ctl_writer *w = arg;
    ctl_open_object(w, NULL);
    ctl_put_text(w, "name", v->name);
    ctl_put_text(w, "label", v->label);
    ctl_put_text(w, "user", v->user);
    ctl_put_text(w, "address", v->peer);
    ctl_put_text(w, "security", v->tls ? "TLS" : "authenticated only");
    ctl_put_time(w, "registered_at", v->registered_at);
    ctl_put_unsigned(w, "services", v->instances);
    ctl_put_unsigned(w, "subscriptions", v->subscriptions);
    ctl_put_unsigned(w, "requests", v->in_flight);
    ctl_put_unsigned(w, "vcrs", v->vcrs);
    ctl_put_unsigned(w, "numbers", v->numbers);
    ctl_put_unsigned(w, "errors", v->errors);
    ctl_put_integer(w, "silent_ms", v->silent_ms);
    ctl_close(w);
}

void show_clients(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "clients");
    vap_server_each_client(s->vap, s->now, put_client, w);
    ctl_close(w);
    ctl_reply_end(request);
}

void show_certificate(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct security_signer own = security_own(s->ports.security);
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_text(w, "user", own.cert->user);
    ctl_open_array(w, "node_ids");
    for (size_t i = 0; i < own.cert->node_id_count; i++)
        ctl_put_id(w, NULL, own.cert->node_ids[i]);
    ctl_close(w);
    ctl_put_hex(w, "sha256", slice_of(own.cert->hash, sizeof own.cert->hash));
    ctl_put_time(w, "not_before_at", own.cert->not_before);
    ctl_put_time(w, "not_after_at", own.cert->not_after);
    ctl_put_boolean(w, "expires_soon", s->alerts[ALERT_CERTIFICATE_EXPIRING].raised);
    ctl_reply_end(request);
}

void show_settings(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "settings");
    for (enum setting i = 0; i < SETTINGS; i++) {
        ctl_open_object(w, NULL);
        setting_describe(s, i, w);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

static const char *state_of(const struct keyring *k, const struct keyring_epoch_info *info)
{
    if (info->epoch == keyring_issuing(k))
        return info->is_current ? "current" : "of new tickets, until the edges have the next one";
    return info->is_current ? "waits for edges" : "old, still valid";
}

void show_tickets(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "epochs");
    for (size_t k = 0; k < s->keyring_count; k++) {
        struct keyring_epoch_info infos[255];
        size_t have, expected, n = keyring_list(s->keyrings[k].keyring, infos, 255);
        keys_count(s, &s->keyrings[k], &have, &expected);
        for (size_t i = 0; i < n; i++) {
            ctl_open_object(w, NULL);
            ctl_put_text(w, "domain", s->keyrings[k].domain);
            ctl_put_integer(w, "epoch", infos[i].epoch);
            ctl_put_text(w, "state", state_of(s->keyrings[k].keyring, &infos[i]));
            ctl_put_text(w, "origin", infos[i].is_derived ? "password" : "generated");
            ctl_put_time(w, "installed_at", infos[i].installed);
            ctl_put_time(w, "valid_until_at", infos[i].is_current ? (struct wall){0} : infos[i].valid_until);
            ctl_put_hex(w, "fingerprint", slice_of(infos[i].fingerprint, sizeof infos[i].fingerprint));
            if (expected && infos[i].is_current)
                ctl_put_printf(w, "edges", "%zu of %zu", have, expected);
            ctl_close(w);
        }
    }
    ctl_close(w);
    ctl_reply_end(request);
}

static void put_revoked(void *arg, enum keyring_revocation kind, struct slice value, struct wall since)
{
    struct ctl_writer *w = arg;
    ctl_open_object(w, NULL);
    ctl_put_text(w, "kind", kind == REVOKED_ID ? "id" : kind == REVOKED_DOMAIN ? "domain" : "number");
    if (kind == REVOKED_ID)
        ctl_put_hex(w, "value", value);
    else
        ctl_put_slice(w, "value", value);
    ctl_put_time(w, "revoked_at", since);
    ctl_close(w);
}

void show_revocations(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "revocations");
    for (size_t i = 0; i < s->keyring_count; i++)
        keyring_each_revoked(s->keyrings[i].keyring, put_revoked, w);
    ctl_close(w);
    ctl_reply_end(request);
}

static void put_set(struct ctl_writer *w, const struct ctl_args *args, const struct counter_set *set)
{
    const char *wanted = ctl_args_text(args, "prefix");
    bool all = ctl_args_has(args, "all");
    for (size_t i = 0; set->names[i]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s.%s", set->prefix, set->names[i]);
        if ((!set->values[i] && !all) || (wanted && strncmp(name, wanted, strlen(wanted)) != 0))
            continue;
        ctl_open_object(w, NULL);
        ctl_put_text(w, "name", name);
        ctl_put_unsigned(w, "value", set->values[i]);
        ctl_close(w);
    }
}

/* Of a further Node-ID; those of the first one are the server's. */
static void put_node_counters(const struct node *n, const struct ctl_args *args, struct ctl_writer *w)
{
    char prefixes[3][32];
    snprintf(prefixes[0], sizeof prefixes[0], "node%u.ring", n->number);
    snprintf(prefixes[1], sizeof prefixes[1], "node%u.storage", n->number);
    snprintf(prefixes[2], sizeof prefixes[2], "node%u.security", n->number);
    const struct counter_set sets[] = {
        {prefixes[0], peer_counters_names, COUNTERS_VALUES(peer_counters(n->peer))},
        {prefixes[1], storage_counters_names, COUNTERS_VALUES(storage_counters(n->storage))},
        {prefixes[2], security_counters_names, COUNTERS_VALUES(&n->security->counters)},
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        put_set(w, args, &sets[i]);
}

void show_counters(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    const struct counter_set parts[] = {
        {"server", server_counters_names, COUNTERS_VALUES(&s->counters)},
        {"ring", peer_counters_names, COUNTERS_VALUES(peer_counters(s->peer))},
        {"storage", storage_counters_names, COUNTERS_VALUES(storage_counters(s->storage))},
        {"security", security_counters_names, COUNTERS_VALUES(&s->ports.security->counters)},
        {"numbers", numbers_publisher_counters_names, COUNTERS_VALUES(numbers_publisher_counters(s->publisher))},
        {"lookups", numbers_reader_counters_names, COUNTERS_VALUES(numbers_reader_counters(s->reader))},
        {"vap", vap_server_counters_names, COUNTERS_VALUES(vap_server_counters(s->vap))},
        {"vcrs", pvp_vcr_counters_names, COUNTERS_VALUES(pvp_vcr_table_counters(s->vcrs))},
        {"pools", pvp_pool_counters_names, COUNTERS_VALUES(pvp_pools_counters(s->pools))},
        {"pvp", pvp_terminator_counters_names, COUNTERS_VALUES(pvp_terminator_counters(s->terminator))},
    };
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "counters");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        put_set(w, args, &parts[i]);
    for (unsigned i = 1; i < SERVER_NODES_MAX; i++)
        if (s->nodes[i])
            put_node_counters(s->nodes[i], args, w);
    for (size_t i = 0; i < s->counter_set_count; i++)
        put_set(w, args, &s->counter_sets[i]);
    ctl_close(w);
    ctl_reply_end(request);
}
