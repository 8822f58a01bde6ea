/* imectl's commands. Keys of the answers are those of the columns in src/ctl/commands_agent.c. */
#include "agent/internal.h"
#include "agent/show.h"

#include <stdio.h>

/* ---- status and counters ---- */

static unsigned trunks_down(const struct agent *a, enum agent_side side, unsigned *ret_all)
{
    unsigned down = 0;
    *ret_all = 0;
    for (size_t i = 0; i < a->trunk_count; i++) {
        const struct trunk *t = &a->trunks[i];
        if (t->options->side != side)
            continue;
        *ret_all += 1;
        down += !trunk_is_usable(t);
    }
    return down;
}

static void put_warning(struct ctl_writer *w, const char *severity, const char *name, struct wall since,
                        const char *text)
{
    ctl_open_object(w, NULL);
    ctl_put_text(w, "severity", severity);
    ctl_put_text(w, "name", name);
    ctl_put_time(w, "since_at", since);
    ctl_put_text(w, "text", text);
    ctl_close(w);
}

/* What rings, except for what the lines before say of all PBXs, trunks and services together. */
static void put_ringing(struct ctl_writer *w, const struct agent *a)
{
    const struct agent_alarm_entry *e;
    for (size_t i = 0; a->parts.alarms && (e = agent_alarm_at(a->parts.alarms, i)) && agent_alarm_rings(e); i++) {
        if (e->alarm != AGENT_ALARM_TRUNK_NOT_REACHABLE && e->alarm != AGENT_ALARM_PBX_NOT_REACHABLE)
            put_warning(w, log_level_name(agent_alarm_level(e->alarm)), agent_alarm_name(e->alarm), e->first_at,
                        e->text);
    }
}

static void show_status(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    unsigned pbxs, trunks, healthy = 0;
    const unsigned pbxs_down = trunks_down(a, AGENT_PBX, &pbxs), trunks_out = trunks_down(a, AGENT_PSTN, &trunks);
    for (size_t i = 0; i < a->parts.service_count; i++) {
        struct agent_service_view view;
        agent_service_view(a->parts.services[i], &view);
        healthy += view.status == AGENT_SERVICE_HEALTHY;
    }
    const bool red = (pbxs && pbxs_down == pbxs) || (trunks && trunks_out == trunks);
    const bool yellow = pbxs_down || trunks_out || healthy < a->parts.service_count;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_text(w, "domain", a->options->domain);
    ctl_put_text(w, "version", IME_VERSION);
    ctl_put_text(w, "health", red ? "red" : yellow ? "yellow" : "green");
    ctl_put_time(w, "started_at", a->started_at);
    ctl_put_unsigned(w, "calls", a->call_count);
    ctl_put_unsigned(w, "direct_calls_being_set_up", a->direct_count);
    ctl_put_unsigned(w, "other_requests", a->request_count);
    ctl_put_unsigned(w, "call_records", call_journal_count(a->journal));
    if (a->parts.routes)
        ctl_put_unsigned(w, "routes", agent_routes_count(a->parts.routes));
    ctl_open_array(w, "warnings");
    if (pbxs_down)
        put_warning(w, pbxs_down == pbxs ? "critical" : "warning", "PBXNotReachable", (struct wall){0},
                    "a PBX does not answer or has not registered: `imectl agent trunks`");
    if (trunks_out)
        put_warning(w, trunks_out == trunks ? "critical" : "warning", "TrunkNotReachable", (struct wall){0},
                    "a trunk to the phone network does not answer: `imectl agent trunks`");
    if (healthy < a->parts.service_count)
        put_warning(w, "warning", "IMEServiceUnhealthy", (struct wall){0},
                    "no IME server takes us: calls go by known routes only");
    put_ringing(w, a);
    ctl_close(w);
    ctl_reply_end(request);
}

static void put_set(struct ctl_writer *w, const struct ctl_args *args, const struct counter_set *set)
{
    const char *prefix = ctl_args_has(args, "prefix") ? ctl_args_text(args, "prefix") : "";
    const bool all = ctl_args_has(args, "all");
    for (size_t i = 0; set->names[i]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s.%s", set->prefix, set->names[i]);
        if (strncmp(name, prefix, strlen(prefix)) != 0 || (!all && !set->values[i]))
            continue;
        ctl_open_object(w, NULL);
        ctl_put_text(w, "name", name);
        ctl_put_unsigned(w, "value", set->values[i]);
        ctl_close(w);
    }
}

/* Of all services together. */
static void add_services(const struct agent *a, struct agent_service_counters *sum)
{
    uint64_t *values = (uint64_t *)(void *)sum;
    for (size_t i = 0; i < a->parts.service_count; i++) {
        struct agent_service_view view;
        agent_service_view(a->parts.services[i], &view);
        for (size_t k = 0; k < COUNTERS_COUNT(agent_service_counters); k++)
            values[k] += COUNTERS_VALUES(view.counters)[k];
    }
}

static void show_counters(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    struct agent_service_counters services = {0};
    struct counter_set parts[5 + COUNTER_SETS_MAX] = {
        {"agent", agent_counters_names, COUNTERS_VALUES(&a->counters)},
        {"sip", sip_layer_counters_names, COUNTERS_VALUES(sip_layer_counters(a->layer))},
    };
    size_t n = 2;
    if (a->parts.routes)
        parts[n++] = (struct counter_set){"route", agent_route_counters_names,
                                          COUNTERS_VALUES(agent_routes_counters(a->parts.routes))};
    if (a->parts.records)
        parts[n++] = (struct counter_set){"vcr", agent_record_counters_names,
                                          COUNTERS_VALUES(agent_records_counters(a->parts.records))};
    add_services(a, &services);
    parts[n++] = (struct counter_set){"service", agent_service_counters_names, COUNTERS_VALUES(&services)};
    for (size_t i = 0; i < a->counter_set_count; i++)
        parts[n++] = a->counter_sets[i];
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "counters");
    for (size_t i = 0; i < n; i++)
        put_set(w, args, &parts[i]);
    ctl_close(w);
    ctl_reply_end(request);
}

/* ---- trunks ---- */

static void show_trunks(void *ctx, struct ctl_request *request)
{
    static const char *const registrations[] = {"-", "trying", "registered", "refused"};
    struct agent *a = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "trunks");
    for (size_t i = 0; i < a->trunk_count; i++) {
        const struct trunk *t = &a->trunks[i];
        const struct sip_hop *hop = &t->hops[0];
        ctl_open_object(w, NULL);
        ctl_put_text(w, "name", t->options->name);
        ctl_put_text(w, "side", agent_side_name(t->options->side));
        ctl_put_text(w, "state", !t->hop_count ? "not located" : t->down ? "down" : "up");
        ctl_put_text(w, "registration", registrations[t->registration]);
        ctl_put_text(w, "transport", sip_transport_name(t->hop_count ? hop->transport : t->options->transport));
        ctl_put_addr(w, "address", t->hop_count ? &hop->addr : &(struct addr){0});
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

static void shutdown_now(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    a->wants_shutdown = true;
    ctl_reply_done(request, "ime-agent ends the calls in progress and itself");
}

const struct ctl_handler agent_handlers[] = {
    {"show status", show_status},
    {"show counters", show_counters},
    {"agent calls", agent_show_calls},
    {"agent explain", agent_show_explanation},
    {"agent fallback", agent_show_fallback},
    {"agent return", agent_show_return},
    {"agent trunks", show_trunks},
    {"shutdown", shutdown_now},
    {"agent route list", agent_show_route_list},
    {"agent route search", agent_show_route_search},
    {"agent route show", agent_show_route},
    {"agent route disable", agent_show_route_disable},
    {"agent route enable", agent_show_route_enable},
    {"agent route delete", agent_show_route_delete},
    {"agent route export", agent_show_route_export},
    {"agent number test", agent_show_number_test},
    {"agent causes", agent_show_causes},
    {"agent enrolled list", agent_show_enrolled},
    {"agent enrolled add", agent_show_enrolled_add},
    {"agent enrolled load", agent_show_enrolled_load},
    {"agent enrolled remove", agent_show_enrolled_remove},
    {"agent excluded list", agent_show_excluded},
    {"agent excluded add", agent_show_excluded_add},
    {"agent excluded load", agent_show_excluded_load},
    {"agent excluded remove", agent_show_excluded_remove},
    {"agent trust list", agent_show_trust},
    {"agent trust allow", agent_show_trust_allow},
    {"agent trust block", agent_show_trust_block},
    {"agent trust load", agent_show_trust_load},
    {"agent trust remove", agent_show_trust_remove},
    {"agent trust test", agent_show_trust_test},
    {"agent provision list", agent_show_provision},
    {"agent provision export", agent_show_provision_export},
    {"agent reload", agent_show_reload},
    {"agent publish report", agent_show_publish_report},
    {"agent service show", agent_show_services},
    {"agent record add", agent_show_record_add},
    {"show alarms", agent_show_alarms},
};
const size_t agent_handler_count = sizeof agent_handlers / sizeof agent_handlers[0];
