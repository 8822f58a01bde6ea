/* imectl agent service show, agent record add, show alarms. */
#include "agent/internal.h"
#include "agent/show.h"

static void put_server(struct ctl_writer *w, const struct agent_service_view *v, unsigned i)
{
    const struct agent_service_server_view *server = &v->server[i];
    ctl_open_object(w, NULL);
    ctl_put_text(w, "service", v->name);
    ctl_put_text(w, "domain", v->domain);
    ctl_put_printf(w, "vservice_id", "%016llx", (unsigned long long)v->vservice_id);
    ctl_put_text(w, "server", server->name);
    ctl_put_text(w, "role", i == VAP_PRIMARY ? "primary" : "backup");
    ctl_put_text(w, "state", server->online ? "online" : server->given_up ? "given up" : "offline");
    ctl_put_time(w, "since_at", server->since);
    ctl_put_text(w, "reason", server->reason);
    ctl_close(w);
}

static void put_records(struct ctl_writer *w, const struct agent_records *records)
{
    struct agent_records_view view;
    agent_records_view(records, &view);
    ctl_put_unsigned(w, "call_records_waiting", view.kept);
    ctl_put_unsigned(w, "call_records_under_way", view.under_way);
    ctl_put_time(w, "oldest_call_record_at", view.oldest_at);
}

void agent_show_services(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    struct agent_service_view view;
    struct ctl_writer *w = ctl_reply_begin(request);
    if (a->parts.routes) {
        ctl_put_unsigned(w, "routes", agent_routes_count(a->parts.routes));
        ctl_put_unsigned(w, "numbers_with_routes", agent_routes_numbers(a->parts.routes));
        ctl_put_unsigned(w, "domains_with_routes", agent_routes_domains(a->parts.routes));
        ctl_put_unsigned(w, "memory_of_routes_octets", agent_routes_octets(a->parts.routes));
    }
    if (a->parts.records)
        put_records(w, a->parts.records);
    for (size_t i = 0; i < a->parts.service_count; i++) {
        agent_service_view(a->parts.services[i], &view);
        ctl_put_printf(w, view.name, "%s; %u of %u numbers of the quota used", agent_service_status_name(view.status),
                       view.quota_current, view.quota_limit);
    }
    ctl_open_array(w, "servers");
    for (size_t i = 0; i < a->parts.service_count; i++) {
        agent_service_view(a->parts.services[i], &view);
        for (unsigned k = 0; k < view.servers; k++)
            put_server(w, &view, k);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

static void added(void *arg, const struct agent_post_answer *answer)
{
    if (answer->error)
        ctl_refuse(arg, answer->status == 503 ? ERR_LIMIT : ERR_SYNTAX, answer->error, NULL);
    else
        ctl_reply_done(arg, "%zu records kept, on their way to the IME server", answer->kept);
}

void agent_show_record_add(void *ctx, struct ctl_request *request)
{
    agent_post_records(ctx, slice_str(ctl_args_text(ctl_request_args(request), "file")), added, request);
}

/* ---- alarms ---- */

#define LISTING_OCTETS_MAX (256 * 1024)

static const char *alarm_state(const struct agent_alarm_entry *e)
{
    return agent_alarm_rings(e) ? "rings" : agent_alarm_kind(e->alarm) == AGENT_ALARM_STATE ? "over" : "event";
}

static void put_alarm(struct ctl_writer *w, const struct agent_alarm_entry *e)
{
    ctl_open_object(w, NULL);
    ctl_put_text(w, "state", alarm_state(e));
    ctl_put_text(w, "severity", log_level_name(agent_alarm_level(e->alarm)));
    ctl_put_text(w, "alarm", agent_alarm_name(e->alarm));
    ctl_put_text(w, "subject", e->subject);
    ctl_put_time(w, "first_at", e->first_at);
    ctl_put_time(w, "last_at", e->last_at);
    ctl_put_time(w, "cleared_at", e->cleared_at);
    ctl_put_unsigned(w, "times", e->times);
    ctl_put_text(w, "text", e->text);
    ctl_put_text(w, "remedy", agent_alarm_remedy(e->alarm));
    ctl_close(w);
}

/* For people: what, since when, why, and, while it rings, what to do. */
static void list_alarm(struct buf *out, const struct agent_alarm_entry *e)
{
    char first[WALL_TEXT_OCTETS], last[WALL_TEXT_OCTETS];
    buf_printf(out, "%s%s (%s), %s, %s", out->n ? "\n" : "", agent_alarm_name(e->alarm),
               log_level_name(agent_alarm_level(e->alarm)), alarm_state(e), wall_format(e->first_at, first));
    if (e->times > 1)
        buf_printf(out, ", %u times, the last one %s", e->times, wall_format(e->last_at, last));
    if (e->cleared_at.ms)
        buf_printf(out, ", until %s", wall_format(e->cleared_at, last));
    buf_printf(out, "\n  %s\n", e->text);
    if (agent_alarm_rings(e))
        buf_printf(out, "  What to do: %s\n", agent_alarm_remedy(e->alarm));
}

void agent_show_alarms(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    const bool ringing_only = ctl_args_has(ctl_request_args(request), "ringing");
    const struct agent_alarm_entry *e;
    struct buf text;
    buf_init(&text, LISTING_OCTETS_MAX);
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_unsigned(w, "ringing", a->parts.alarms ? a->parts.alarms->ringing : 0);
    ctl_open_array(w, "alarms");
    for (size_t i = 0; a->parts.alarms && (e = agent_alarm_at(a->parts.alarms, i)); i++) {
        if (ringing_only && !agent_alarm_rings(e))
            break; /* those that ring come first */
        put_alarm(w, e);
        list_alarm(&text, e);
    }
    ctl_close(w);
    ctl_put_text(w, "listing", text.n ? buf_text(&text) : ringing_only ? "nothing rings\n" : "no alarms\n");
    ctl_reply_end(request);
    buf_fini(&text);
}
