/* imectl agent number test, agent publish report: what becomes of a number, without a call; which numbers are published. */
#include "agent/internal.h"
#include "agent/show.h"

#include <stdio.h>

/* ---- number test ---- */

static const struct agent_trunk_options *find_trunk(const struct agent *a, const char *name)
{
    const struct agent_options *o = a->options;
    for (size_t i = 0; i < o->trunk_count; i++)
        if (name ? strcmp(o->trunks[i].name, name) == 0 : o->trunks[i].side == AGENT_PBX)
            return &o->trunks[i];
    return NULL;
}

static void put_steps(struct ctl_writer *w, const struct agent_dial_trace *trace)
{
    ctl_open_array(w, "steps");
    for (size_t i = 0; i < trace->n; i++) {
        ctl_open_object(w, NULL);
        ctl_put_text(w, "step", trace->steps[i].what);
        ctl_put_text(w, "number", trace->steps[i].number);
        ctl_put_text(w, "why", trace->steps[i].why);
        ctl_close(w);
    }
    ctl_close(w);
}

/* Where a call to the number would go, and why. */
static void put_way(const struct agent *a, struct ctl_writer *w, const struct agent_dialed *d)
{
    struct agent_route_list list;
    struct agent_enrollment ours;
    if (d->verdict != AGENT_DIAL_E164) {
        ctl_put_text(w, "way",
                     d->verdict == AGENT_DIAL_SHORT ? "PSTN, as it is: an emergency or short number"
                                                    : "PSTN, as dialed: no +E.164 number");
        return;
    }
    if (a->parts.enrolled && agent_enrolled_find(a->parts.enrolled, &d->number, &ours))
        ctl_put_printf(w, "enrolled", "by us: pattern %s of group %s, fallback profile %s", ours.pattern, ours.group,
                       ours.profile->name);
    else if (a->parts.enrolled && agent_enrolled_is_excluded(a->parts.enrolled, &d->number))
        ctl_put_text(w, "enrolled", "excluded by us");
    if (!a->parts.routes || !agent_routes_find(a->parts.routes, a->now, &d->number, &list)) {
        ctl_put_text(w, "way", "PSTN: no route was learned that can be used");
        return;
    }
    for (size_t i = 0; i < list.n; i++) {
        const struct agent_route *r = &list.routes[i];
        enum agent_cause cause = a->parts.enrolled
                                     ? agent_trust_check(a->parts.enrolled, slice_str(r->domain), &d->number)
                                     : AGENT_CAUSE_NONE;
        if (cause == AGENT_CAUSE_NONE) {
            ctl_put_printf(w, "way", "direct, to %s: %s", r->domain, r->uri);
            return;
        }
    }
    ctl_put_printf(w, "way", "PSTN: the trust groups block the number or %s", list.routes[0].domain);
}

void agent_show_number_test(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    const char *direction = ctl_args_text(args, "direction");
    const char *dialed = ctl_args_text(args, "dialed");
    const struct agent_trunk_options *trunk = find_trunk(a, ctl_args_text(args, "trunk"));
    bool out = direction && strcmp(direction, "out") == 0;
    struct agent_dial_trace trace;
    struct agent_dialed d;
    struct e164 number;
    if (!trunk) {
        ctl_refuse(request, ERR_NOT_FOUND, "there is no such trunk", "imectl agent trunks");
        return;
    }
    if (direction && !out && strcmp(direction, "in") != 0) {
        ctl_refuse(request, ERR_RANGE, "the direction is in or out", NULL);
        return;
    }
    if (out && !e164_parse(slice_str(dialed), &number)) {
        ctl_refuse(request, ERR_SYNTAX, "what goes out is a +E.164 number: + and up to 15 digits", NULL);
        return;
    }
    if (out)
        agent_dial_out(&trunk->plan, &a->options->shorts, &number, &trace, &d);
    else
        agent_dial_in(&trunk->plan, &a->options->shorts, slice_str(dialed), &trace, &d);
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_text(w, "trunk", trunk->name);
    ctl_put_text(w, "direction",
                 out ? "out: from +E.164 to what the trunk is sent" : "in: from what the trunk or PBX sends to +E.164");
    put_steps(w, &trace);
    ctl_put_text(w, "result", d.verdict == AGENT_DIAL_E164 && !out ? d.number.text : d.text);
    if (!out)
        put_way(a, w, &d);
    ctl_reply_end(request);
}

/* ---- publish report ---- */

static void put_failed(struct ctl_writer *w, const char *service, const struct agent_publish_report *r)
{
    for (size_t i = 0; i < r->named; i++) {
        ctl_open_object(w, NULL);
        ctl_put_text(w, "service", service);
        ctl_put_text(w, "number", r->failed_numbers[i].text);
        ctl_close(w);
    }
}

/* Members of the last run; with several services their names stand before the keys. */
static void put_run(struct ctl_writer *w, const struct agent_service_view *view, bool several)
{
    struct agent_publish_view now;
    char key[128];
    const char *dash = several ? "_" : "";
    const char *name = several ? view->name : "";
    const struct agent_publish_report *r = agent_publish_report(view->publish);
    agent_publish_view(view->publish, &now);
#define KEY(text) (snprintf(key, sizeof key, "%s%s" text, name, dash), key)
    ctl_put_unsigned(w, KEY("numbers"), now.count);
    ctl_put_unsigned(w, KEY("published"), now.published);
    ctl_put_unsigned(w, KEY("failing"), now.failing);
    ctl_put_unsigned(w, KEY("waiting"), now.waiting);
    if (!r)
        return;
    ctl_put_time(w, KEY("last_run_start_at"), r->start);
    ctl_put_time(w, KEY("last_run_end_at"), r->end);
    ctl_put_unsigned(w, KEY("last_run_count"), r->count);
    ctl_put_unsigned(w, KEY("last_run_failed"), r->failed);
    if (r->failed)
        ctl_put_text(w, KEY("last_run_first_reason"), r->reason);
#undef KEY
}

void agent_show_publish_report(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    struct agent_service_view view;
    struct ctl_writer *w = ctl_reply_begin(request);
    if (!a->parts.service_count)
        ctl_put_text(w, "message", "no IME service is configured: nothing is published");
    for (size_t i = 0; i < a->parts.service_count; i++) {
        agent_service_view(a->parts.services[i], &view);
        put_run(w, &view, a->parts.service_count > 1);
    }
    ctl_open_array(w, "failed");
    for (size_t i = 0; i < a->parts.service_count; i++) {
        agent_service_view(a->parts.services[i], &view);
        const struct agent_publish_report *r = agent_publish_report(view.publish);
        if (r)
            put_failed(w, view.name, r);
    }
    ctl_close(w);
    ctl_reply_end(request);
}
