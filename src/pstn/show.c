/* imectl's commands. Keys of the answers are those of the columns in src/ctl/commands_pstn.c. */
#include "pstn/network_private.h"

#include <stdio.h>

#define CALLS_DEFAULT 50

static unsigned trunks_away(const struct pstn_network *n)
{
    unsigned away = 0;
    for (size_t i = 0; i < n->options->trunk_count; i++)
        away += !pstn_trunk_is_usable(&n->trunks[i]);
    return away;
}

static void put_warning(struct ctl_writer *w, const struct pstn_trunk *t)
{
    const struct pstn_trunk_options *o = t->options;
    ctl_open_object(w, NULL);
    ctl_put_text(w, "severity", "warning");
    ctl_put_text(w, "name", "TrunkNotRegistered");
    ctl_put_time(w, "since_at", (struct wall){0});
    if (o->extension)
        ctl_put_printf(w, "text", "no phone has registered as extension %s", o->extension);
    else if (o->registers)
        ctl_put_printf(w, "text", "trunk %s does not let us register as %s", o->name, o->user);
    else
        ctl_put_printf(w, "text", "the PBX of trunk %s has not registered as %s", o->name, o->user);
    ctl_close(w);
}

static void show_status(void *ctx, struct ctl_request *request)
{
    const struct pstn_network *n = ctx;
    const unsigned away = trunks_away(n);
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_text(w, "version", IME_VERSION);
    ctl_put_text(w, "health", away ? "yellow" : "green");
    ctl_put_time(w, "started_at", n->started_at);
    ctl_put_unsigned(w, "calls", n->call_count);
    ctl_put_unsigned(w, "carriers", n->options->carrier_count);
    ctl_put_unsigned(w, "trunks", n->options->trunk_count);
    ctl_open_array(w, "warnings");
    for (size_t i = 0; i < n->options->trunk_count; i++) {
        if (!pstn_trunk_is_usable(&n->trunks[i]))
            put_warning(w, &n->trunks[i]);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

static void put_set(struct ctl_writer *w, const struct ctl_args *args, const char *set, const char *const *names,
                    const uint64_t *values)
{
    const char *prefix = ctl_args_has(args, "prefix") ? ctl_args_text(args, "prefix") : "";
    for (size_t i = 0; names[i]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s.%s", set, names[i]);
        if (strncmp(name, prefix, strlen(prefix)) != 0 || (!ctl_args_has(args, "all") && !values[i]))
            continue;
        ctl_open_object(w, NULL);
        ctl_put_text(w, "name", name);
        ctl_put_unsigned(w, "value", values[i]);
        ctl_close(w);
    }
}

static void show_counters(void *ctx, struct ctl_request *request)
{
    const struct pstn_network *n = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "counters");
    put_set(w, args, "pstn", pstn_counters_names, COUNTERS_VALUES(&n->counters));
    put_set(w, args, "sip", sip_layer_counters_names, COUNTERS_VALUES(sip_layer_counters(n->ua.layer)));
    ctl_close(w);
    ctl_reply_end(request);
}

static int64_t talk_ms(const struct pstn_record *r, unsigned side)
{
    return r->answered_at[side].ms && r->ended_at[side].ms ? r->ended_at[side].ms - r->answered_at[side].ms : 0;
}

static void show_calls(void *ctx, struct ctl_request *request)
{
    const struct pstn_network *n = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    const size_t limit = ctl_args_has(args, "limit") ? (size_t)ctl_args_integer(args, "limit") : CALLS_DEFAULT;
    const struct pstn_record *r;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "calls");
    for (size_t i = 0; i < limit && (r = pstn_network_record(n, i)); i++) {
        ctl_open_object(w, NULL);
        ctl_put_unsigned(w, "number", r->number);
        ctl_put_time(w, "begun_at", r->begun_at);
        ctl_put_text(w, "from", r->from);
        ctl_put_text(w, "shown", r->shown);
        ctl_put_text(w, "to", r->to);
        ctl_put_text(w, "from_trunk", r->from_trunk);
        ctl_put_text(w, "to_trunk", r->to_trunk);
        ctl_put_text(w, "carrier", n->options->carriers[r->carrier].name);
        ctl_put_text(w, "cause", pstn_cause_word(r->cause));
        ctl_put_unsigned(w, "status", r->status);
        ctl_put_integer(w, "caller_talk_ms", talk_ms(r, CALLER));
        ctl_put_integer(w, "called_talk_ms", talk_ms(r, CALLED));
        ctl_put_integer(w, "price", r->price);
        ctl_put_unsigned(w, "caller_packets", r->packets[CALLER]);
        ctl_put_unsigned(w, "called_packets", r->packets[CALLED]);
        ctl_put_unsigned(w, "caller_digits", r->digits[CALLER]);
        ctl_put_unsigned(w, "called_digits", r->digits[CALLED]);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

static const char *state_of(const struct pstn_trunk *t)
{
    if (t->options->registers)
        return t->registration.is_good ? "we are registered" : "we are not registered";
    if (!t->options->addr.family)
        return t->is_there ? "registered" : "not registered";
    return "by address";
}

static void show_trunks(void *ctx, struct ctl_request *request)
{
    const struct pstn_network *n = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "trunks");
    for (size_t i = 0; i < n->options->trunk_count; i++) {
        const struct pstn_trunk *t = &n->trunks[i];
        const struct pstn_trunk_options *o = t->options;
        ctl_open_object(w, NULL);
        ctl_put_text(w, "name", o->name);
        ctl_put_text(w, "kind", o->extension ? "extension" : "trunk");
        ctl_put_text(w, "carrier", n->options->carriers[o->carrier].name);
        ctl_put_text(w, "number", *o->number.text ? o->number.text : NULL);
        ctl_put_text(w, "state", state_of(t));
        ctl_put_addr(w, "address", &t->hop.addr);
        ctl_put_text(w, "transport", sip_transport_name(t->hop.transport));
        ctl_put_time(w, "registered_at", t->registered_at);
        ctl_put_unsigned(w, "calls_in", t->calls_in);
        ctl_put_unsigned(w, "calls_out", t->calls_out);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

static void show_prices(void *ctx, struct ctl_request *request)
{
    const struct pstn_network *n = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "carriers");
    for (size_t i = 0; i < n->options->carrier_count; i++) {
        const struct pstn_account *a = &n->accounts[i];
        ctl_open_object(w, NULL);
        ctl_put_text(w, "carrier", n->options->carriers[i].name);
        ctl_put_unsigned(w, "calls", a->calls);
        ctl_put_unsigned(w, "answered", a->answered);
        ctl_put_integer(w, "talk_ms", a->talk_ms);
        ctl_put_integer(w, "price", a->price);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

static void shutdown_now(void *ctx, struct ctl_request *request)
{
    struct pstn_network *n = ctx;
    n->wants_shutdown = true;
    ctl_reply_done(request, "ime-pstn ends the calls in progress and itself");
}

const struct ctl_handler pstn_handlers[] = {
    {"show status", show_status}, {"show counters", show_counters}, {"show calls", show_calls},
    {"show trunks", show_trunks}, {"show prices", show_prices},     {"shutdown", shutdown_now},
};
const size_t pstn_handler_count = sizeof pstn_handlers / sizeof pstn_handlers[0];
