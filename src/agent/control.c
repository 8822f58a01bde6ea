/* imectl's commands. Keys of the answers are those of the columns in src/ctl/commands_agent.c. */
#include "agent/internal.h"
#include "agent/show.h"

#include <stdio.h>

#define CALLS_DEFAULT 50
#define EXPLAINED_DEFAULT 3
#define EXPLANATION_OCTETS_MAX (256 * 1024)

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

/* ---- calls ---- */

struct listing {
    struct ctl_writer *w;
    struct buf *text;
    int64_t left;
    unsigned found;
};

/* Why it did not go direct, if that was tried. */
static enum agent_cause first_cause(const struct call_record *r)
{
    for (unsigned i = 0; i < r->step_count; i++) {
        if (r->steps[i].cause != AGENT_CAUSE_NONE)
            return r->steps[i].cause;
    }
    return AGENT_CAUSE_NONE;
}

static bool list_call(void *ctx, const struct call_record *r)
{
    struct listing *l = ctx;
    enum agent_cause cause = first_cause(r);
    ctl_open_object(l->w, NULL);
    ctl_put_time(l->w, "begun_at", r->begun_at);
    ctl_put_text(l->w, "calling", r->calling.text[0] ? r->calling.text : "-");
    ctl_put_text(l->w, "called", r->called.text[0] ? r->called.text : r->dialed);
    ctl_put_text(l->w, "from", agent_side_name(r->from));
    ctl_put_text(l->w, "to", r->answered_at.ms || r->to != r->from ? agent_side_name(r->to) : "-");
    if (cause != AGENT_CAUSE_NONE)
        ctl_put_unsigned(l->w, "cause", (uint64_t)cause);
    else
        ctl_put_text(l->w, "cause", "-");
    ctl_put_unsigned(l->w, "status", r->status);
    ctl_put_time(l->w, "answered_at", r->answered_at);
    ctl_put_time(l->w, "ended_at", r->ended_at);
    ctl_put_integer(l->w, "talk_ms", r->answered_at.ms && r->ended_at.ms ? r->ended_at.ms - r->answered_at.ms : 0);
    ctl_put_text(l->w, "ended_by", r->ended_at.ms ? r->ended_by : "in progress");
    ctl_put_text(l->w, "call_id", r->call_id);
    ctl_put_text(l->w, "other_call_id", r->other_call_id);
    ctl_close(l->w);
    return --l->left > 0;
}

static void show_calls(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    struct listing l = {.left = ctl_args_has(args, "limit") ? ctl_args_integer(args, "limit") : CALLS_DEFAULT};
    l.w = ctl_reply_begin(request);
    ctl_open_array(l.w, "calls");
    if (ctl_args_has(args, "number"))
        call_journal_find(a->journal, slice_str(ctl_args_text(args, "number")), list_call, &l);
    else
        call_journal_each(a->journal, list_call, &l);
    ctl_close(l.w);
    ctl_reply_end(request);
}

static bool explain_call(void *ctx, const struct call_record *r)
{
    struct listing *l = ctx;
    if (l->found++)
        buf_str(l->text, "\n");
    call_record_explain(r, l->text);
    return --l->left > 0;
}

static void explain(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    const char *sought = ctl_args_text(args, "call");
    struct buf text;
    struct listing l = {.text = &text,
                        .left = ctl_args_has(args, "limit") ? ctl_args_integer(args, "limit") : EXPLAINED_DEFAULT};
    buf_init(&text, EXPLANATION_OCTETS_MAX);
    call_journal_find(a->journal, slice_str(sought), explain_call, &l);
    if (!l.found) {
        ctl_refuse(request, ERR_NOT_FOUND, "no call from or to this number, nor with this Call-ID, is on record",
                   "imectl agent calls");
    } else {
        struct ctl_writer *w = ctl_reply_begin(request);
        ctl_put_text(w, "explanation", buf_text(&text));
        ctl_reply_end(request);
    }
    buf_fini(&text);
}

static void show_causes(void *ctx, struct ctl_request *request)
{
    struct buf text;
    (void)ctx;
    buf_init(&text, EXPLANATION_OCTETS_MAX);
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "causes");
    for (int code = AGENT_CAUSE_QOS_FALLBACK; code <= AGENT_CAUSE_UNKNOWN; code++) {
        const char *what = agent_cause_text((enum agent_cause)code),
                   *advice = agent_cause_advice((enum agent_cause)code);
        ctl_open_object(w, NULL);
        ctl_put_integer(w, "cause", code);
        ctl_put_text(w, "text", what);
        ctl_put_text(w, "advice", advice);
        ctl_close(w);
        buf_printf(&text, "%s%d: %s\n  %s\n", text.n ? "\n" : "", code, what, advice);
    }
    ctl_close(w);
    ctl_put_text(w, "explanation", buf_text(&text));
    ctl_reply_end(request);
    buf_fini(&text);
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
    {"agent calls", show_calls},
    {"agent explain", explain},
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
    {"agent causes", show_causes},
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
