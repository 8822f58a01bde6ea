/* imectl's commands. Keys of the answers are those of the columns in src/ctl/commands_edge.c. */
#include "edge/internal.h"

#include "base/text.h"

#include <stdio.h>

#define CALLS_DEFAULT 100
#define REPORT_OCTETS_MAX (64 * 1024)

/* ---- status and counters ---- */

void edge_put_warning(struct ctl_writer *w, const char *severity, const char *name, struct wall since, const char *text)
{
    ctl_open_object(w, NULL);
    ctl_put_text(w, "severity", severity);
    ctl_put_text(w, "name", name);
    ctl_put_time(w, "since_at", since);
    ctl_put_text(w, "text", text);
    ctl_close(w);
}

static size_t agents_down(const struct edge *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->options->agent_count; i++)
        n += !mono_due(e->agents_down_until[i], e->now.mono);
    return n;
}

static size_t domains_without_keys(const struct edge *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->options->domain_count; i++) {
        const struct keyring *k = e->ports.keyring ? e->ports.keyring(e->ports.keyring_ctx, i) : NULL;
        n += !k || !keyring_epoch(k);
    }
    return n;
}

static void show_status(void *ctx, struct ctl_request *request)
{
    const struct edge *e = ctx;
    const size_t down = agents_down(e), keyless = domains_without_keys(e);
    const size_t others = e->ports.warnings ? e->ports.warnings(e->ports.show_ctx, NULL) : 0;
    const bool busy = lateness_is_busy(&e->lateness, e->now.mono);
    const bool red = (down && down == e->options->agent_count) || (keyless && keyless == e->options->domain_count) ||
                     !e->ports.media;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_text(w, "version", IME_VERSION);
    ctl_put_text(w, "health", red ? "red" : down || keyless || busy || others ? "yellow" : "green");
    ctl_put_time(w, "started_at", e->started_at);
    ctl_put_unsigned(w, "calls", e->call_count);
    ctl_put_unsigned(w, "subscriptions", e->subscription_count);
    ctl_put_unsigned(w, "other_requests", e->request_count);
    ctl_put_unsigned(w, "media_sessions", e->sessions.n);
    ctl_put_unsigned(w, "far_domains", e->trunks.by_domain.n);
    ctl_open_array(w, "warnings");
    if (down)
        edge_put_warning(
            w, "warning", "AgentNotReachable", e->now.wall,
            "calls from outside do not reach all call agents: see whether ime-agent runs where edge.conf says");
    if (keyless)
        edge_put_warning(
            w, "error", "NoTicketKeys", e->started_at,
            "there are served domains without keys, whose tickets are all refused: `imectl edge show tickets`");
    if (busy)
        edge_put_warning(w, "warning", "Overloaded", e->now.wall,
                         "calls from outside are refused until this machine keeps up");
    if (!e->ports.media)
        edge_put_warning(w, "error", "NoMedia", e->started_at, "no media can be relayed: calls are refused");
    if (others)
        e->ports.warnings(e->ports.show_ctx, w);
    ctl_close(w);
    ctl_reply_end(request);
}

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void put_set(struct ctl_writer *w, const struct ctl_args *args, const struct edge_counter_set *set)
{
    const char *prefix = ctl_args_text(args, "prefix");
    const bool all = ctl_args_has(args, "all");
    for (size_t i = 0; set->names[i]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s.%s", set->prefix, set->names[i]);
        if ((!all && !set->values[i]) || (prefix && !begins_with(name, prefix)))
            continue;
        ctl_open_object(w, NULL);
        ctl_put_text(w, "name", name);
        ctl_put_unsigned(w, "value", set->values[i]);
        ctl_close(w);
    }
}

static void show_counters(void *ctx, struct ctl_request *request)
{
    const struct edge *e = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    const struct edge_counter_set own[] = {
        {"edge", edge_counters_names, COUNTERS_VALUES(&e->counters)},
        {"sip", sip_layer_counters_names, COUNTERS_VALUES(sip_layer_counters(e->layer))},
    };
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "counters");
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        put_set(w, args, &own[i]);
    for (size_t i = 0; i < e->counter_set_count; i++)
        put_set(w, args, &e->counter_sets[i]);
    ctl_close(w);
    ctl_reply_end(request);
}

/* ---- calls ---- */

static const char *state_of(const struct edge_call *c)
{
    return c->state == EDGE_SETTING_UP ? "setting up" : c->state == EDGE_UP ? "up" : "ending";
}

/* What the stream is outside: that is where it is protected. */
static void put_stream(struct ctl_writer *w, const struct media_stream *stream, const struct media_figures sides[],
                       bool is_gone)
{
    static const char *const kinds[] = {"off", "rtp", "fax"};
    const struct media_figures *worse =
        sides[MEDIA_OUTSIDE].mos_hundredths && sides[MEDIA_OUTSIDE].mos_hundredths < sides[MEDIA_INSIDE].mos_hundredths
            ? &sides[MEDIA_OUTSIDE]
        : sides[MEDIA_INSIDE].mos_hundredths ? &sides[MEDIA_INSIDE]
                                             : &sides[MEDIA_OUTSIDE];
    const char *codec = worse->codec[0] ? worse->codec : stream->format_count ? stream->formats[0].name : "-";
    ctl_put_text(w, "media", stream->kind == MEDIA_RTP && stream->is_audio ? "audio" : kinds[stream->kind]);
    ctl_put_text(w, "codec", codec);
    ctl_put_text(w, "suite", srtp_suite_name(stream->ends[MEDIA_OUTSIDE].out.suite));
    ctl_put_printf(w, "loss_percent", "%.2f / %.2f", sides[MEDIA_OUTSIDE].loss_ppm / 1e4,
                   sides[MEDIA_INSIDE].loss_ppm / 1e4);
    ctl_put_printf(w, "jitter_ms", "%.1f / %.1f", sides[MEDIA_OUTSIDE].jitter_us / 1e3,
                   sides[MEDIA_INSIDE].jitter_us / 1e3);
    ctl_put_integer(w, "round_trip_ms", sides[MEDIA_OUTSIDE].round_trip_us / 1000);
    ctl_put_printf(w, "mos", "%.1f / %.1f", sides[MEDIA_OUTSIDE].mos_hundredths / 100.0,
                   sides[MEDIA_INSIDE].mos_hundredths / 100.0);
    ctl_put_text(w, "quality",
                 is_gone                                                     ? "gone"
                 : sides[MEDIA_OUTSIDE].is_bad || sides[MEDIA_INSIDE].is_bad ? "bad"
                                                                             : "good");
}

static void put_call(struct ctl_writer *w, const struct edge_call *c, const struct media_stream *stream,
                     const struct media_figures *figures)
{
    const bool out = c->from == EDGE_INSIDE;
    struct sip_uri uri;
    struct sip_cursor cursor;
    struct sip_address from;
    struct slice user = {0};
    sip_cursor_init(&cursor, slice_str(c->from_text), slice_str(c->from_text));
    if (sip_read_address(&cursor, &from) && !sip_uri_parse(from.uri, &uri, NULL))
        user = uri.user;
    ctl_open_object(w, NULL);
    ctl_put_time(w, "begun_at", c->begun_at);
    ctl_put_text(w, "direction", out ? "out" : "in");
    ctl_put_slice(w, "from", user.n ? user : slice_str("-"));
    ctl_put_text(w, "to", c->number);
    ctl_put_text(w, "domain", c->trunk->domain);
    ctl_put_text(w, "state", state_of(c));
    if (stream)
        put_stream(w, stream, figures, c->is_gone);
    ctl_put_text(w, "call_id", c->call_id);
    ctl_close(w);
}

static bool is_wanted(const struct edge_call *c, const char *wanted)
{
    return !wanted || !strcmp(c->number, wanted) || !strcmp(c->call_id, wanted) ||
           text_equal_nocase(slice_str(c->trunk->domain), slice_str(wanted)) || strstr(c->from_text, wanted);
}

static void put_streams(struct ctl_writer *w, const struct edge_call *c)
{
    const struct media_port *port = c->edge->ports.media;
    const struct alg_sdp *sdp = c->confirmed ? c->confirmed->sdp : NULL;
    const struct media_session *session = sdp ? alg_sdp_session(sdp) : NULL;
    struct media_summary summary = {0};
    if (!session || !session->stream_count) {
        put_call(w, c, NULL, NULL);
        return;
    }
    if (c->session && port->figures)
        (void)port->figures(port->ctx, c->session, &summary);
    for (unsigned i = 0; i < session->stream_count; i++)
        put_call(w, c, &session->streams[i], summary.streams[i]);
}

static void show_calls(void *ctx, struct ctl_request *request)
{
    const struct edge *e = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    int64_t left = ctl_args_has(args, "limit") ? ctl_args_integer(args, "limit") : CALLS_DEFAULT;
    const char *wanted = ctl_args_text(args, "call");
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_unsigned(w, "calls", e->call_count);
    ctl_open_array(w, "streams");
    LIST_EACH(it, &e->calls) {
        const struct edge_call *c = CONTAINER_OF(it, const struct edge_call, link);
        if (left <= 0)
            break;
        if (c->kind != EDGE_CALL || !is_wanted(c, wanted))
            continue;
        put_streams(w, c);
        left--;
    }
    ctl_close(w);
    ctl_reply_end(request);
}

/* ---- trunks ---- */

static void show_trunks(void *ctx, struct ctl_request *request)
{
    const struct edge *e = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "trunks");
    LIST_EACH(it, &e->trunks.all) {
        const struct edge_trunk *t = CONTAINER_OF(it, const struct edge_trunk, link);
        ctl_open_object(w, NULL);
        ctl_put_text(w, "domain", t->domain);
        ctl_put_text(w, "state", t->failed ? "not reached" : t->uses ? "in use" : "idle");
        ctl_put_addr(w, "address", &t->peer);
        ctl_put_unsigned(w, "connections", t->conn_count);
        ctl_put_unsigned(w, "calls", t->calls);
        ctl_put_unsigned(w, "calls_in", t->calls_in);
        ctl_put_unsigned(w, "calls_out", t->calls_out);
        ctl_put_unsigned(w, "refused", t->refused);
        ctl_put_time(w, "used_at", t->used_at);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

/* ---- what the program knows ---- */

static void show_tickets(void *ctx, struct ctl_request *request)
{
    const struct edge *e = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    if (e->ports.show_tickets) {
        e->ports.show_tickets(e->ports.show_ctx, w);
    } else {
        ctl_open_array(w, "epochs");
        ctl_close(w);
    }
    ctl_reply_end(request);
}

static void show_rows(const struct edge *e, struct ctl_request *request, const char *name, edge_show_fn *show)
{
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, name);
    if (show)
        show(e->ports.show_ctx, w);
    ctl_close(w);
    ctl_reply_end(request);
}

static void show_mappings(void *ctx, struct ctl_request *request)
{
    const struct edge *e = ctx;
    show_rows(e, request, "mappings", e->ports.show_mappings);
}

static void show_certificates(void *ctx, struct ctl_request *request)
{
    const struct edge *e = ctx;
    show_rows(e, request, "certificates", e->ports.show_certificates);
}

static void reload(void *ctx, struct ctl_request *request)
{
    struct edge *e = ctx;
    struct buf report;
    if (!e->ports.reload) {
        ctl_refuse(request, ERR_UNSUPPORTED, NULL, NULL);
        return;
    }
    buf_init(&report, REPORT_OCTETS_MAX);
    int err = e->ports.reload(e->ports.reload_ctx, &report);
    const char *text = buf_text(&report);
    if (err) {
        ctl_refuse(request, err, text[0] ? text : NULL, "mend it and say it again");
    } else {
        struct ctl_writer *w = ctl_reply_begin(request);
        ctl_put_text(w, "differences", text[0] ? text : "nothing is different\n");
        ctl_reply_end(request);
    }
    buf_fini(&report);
}

static void shutdown_now(void *ctx, struct ctl_request *request)
{
    struct edge *e = ctx;
    e->wants_shutdown = true;
    ctl_reply_done(request, "ime-edge ends the calls in progress and itself");
}

const struct ctl_handler edge_handlers[] = {
    {"show status", show_status},
    {"show counters", show_counters},
    {"shutdown", shutdown_now},
    {"edge show calls", show_calls},
    {"edge show trunks", show_trunks},
    {"edge show tickets", show_tickets},
    {"edge show mappings", show_mappings},
    {"edge show certificates", show_certificates},
    {"edge reload", reload},
};
const size_t edge_handler_count = sizeof edge_handlers / sizeof edge_handlers[0];
