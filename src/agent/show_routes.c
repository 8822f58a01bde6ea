/* imectl agent route …: what was learned, and what an operator does with it. */
#include "agent/internal.h"
#include "agent/show.h"

#include <stdio.h>

#define ROWS_DEFAULT 100
#define EXPORT_DEFAULT 10000
#define EXPORT_OCTETS_MAX (8 * 1024 * 1024)

struct listing {
    const struct agent *agent;
    struct ctl_writer *w;
    struct buf csv;
    unsigned rows;
};

static const char *state_of(const struct agent *a, const struct agent_route *r)
{
    if (!r->enabled)
        return "disabled";
    if (r->expires_at.ms <= a->now.wall.ms)
        return "ended";
    return r->failed_at.ms ? "failed" : "good";
}

static void put_row(void *ctx, const struct agent_route *r)
{
    struct listing *l = ctx;
    l->rows++;
    ctl_open_object(l->w, NULL);
    ctl_put_text(l->w, "number", r->number.text);
    ctl_put_text(l->w, "domain", r->domain);
    ctl_put_text(l->w, "uri", r->uri);
    ctl_put_text(l->w, "state", state_of(l->agent, r));
    ctl_put_time(l->w, "learned_at", r->learned_at);
    ctl_put_time(l->w, "expires_at", r->expires_at);
    ctl_put_time(l->w, "failed_at", r->failed_at);
    if (!id_is_zero(r->node))
        ctl_put_id(l->w, "node_id", r->node);
    ctl_close(l->w);
}

/* What --after and --limit say. */
static void read_query(struct ctl_request *request, int64_t limit, struct agent_route_query *ret_query)
{
    const struct ctl_args *args = ctl_request_args(request);
    ret_query->limit = (size_t)(ctl_args_has(args, "limit") ? ctl_args_integer(args, "limit") : limit);
    if (ctl_args_has(args, "after"))
        e164_parse(slice_str(ctl_args_text(args, "after")), &ret_query->after);
}

static void put_page(struct agent *a, struct ctl_request *request, const struct agent_route_query *query)
{
    struct listing l = {.agent = a, .w = ctl_reply_begin(request)};
    struct e164 after;
    ctl_put_unsigned(l.w, "routes_in_all", agent_routes_count(a->parts.routes));
    ctl_open_array(l.w, "routes");
    bool more = agent_routes_list(a->parts.routes, query, put_row, &l, &after);
    ctl_close(l.w);
    if (more)
        ctl_put_text(l.w, "go_on_with_after", after.text);
    ctl_reply_end(request);
}

void agent_show_route_list(void *ctx, struct ctl_request *request)
{
    struct agent_route_query query = {.limit = 0};
    read_query(request, ROWS_DEFAULT, &query);
    put_page(ctx, request, &query);
}

/* "+4930", "4930": numbers that begin so; anything else is a domain. */
static bool set_sought(struct agent_route_query *query, const char *sought, char prefix[E164_OCTETS_MAX + 1])
{
    const char *digits = sought + (sought[0] == '+');
    size_t n = strlen(digits);
    if (n && strspn(digits, "0123456789") == n) {
        snprintf(prefix, E164_OCTETS_MAX + 1, "+%s", digits);
        query->prefix = slice_str(prefix);
        return n < E164_OCTETS_MAX;
    }
    query->domain = slice_str(sought);
    return true;
}

void agent_show_route_search(void *ctx, struct ctl_request *request)
{
    struct agent_route_query query = {.limit = 0};
    char prefix[E164_OCTETS_MAX + 1];
    read_query(request, ROWS_DEFAULT, &query);
    if (set_sought(&query, ctl_args_text(ctl_request_args(request), "sought"), prefix))
        put_page(ctx, request, &query);
    else
        ctl_refuse(request, ERR_RANGE, "no number is that long", NULL);
}

static struct e164 number_of(struct ctl_request *request)
{
    struct e164 number = {""};
    e164_parse(slice_str(ctl_args_text(ctl_request_args(request), "number")), &number);
    return number;
}

static void refuse_unknown(struct ctl_request *request)
{
    ctl_refuse(request, ERR_NOT_FOUND, "no route to this number was learned",
               "imectl agent explain NUMBER, or at the IME server: imectl explain NUMBER");
}

void agent_show_route(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    struct e164 number = number_of(request);
    struct agent_route_list list;
    if (!agent_routes_knows(a->parts.routes, &number)) {
        refuse_unknown(request);
        return;
    }
    struct listing l = {.agent = a, .w = ctl_reply_begin(request)};
    bool usable = agent_routes_find(a->parts.routes, a->now, &number, &list);
    ctl_put_text(l.w, "number", number.text);
    ctl_put_text(l.w, "tried_first", usable ? list.routes[0].uri : "none: the phone network is used");
    ctl_open_array(l.w, "routes");
    agent_routes_show(a->parts.routes, a->now, &number, put_row, &l);
    ctl_close(l.w);
    ctl_reply_end(request);
}

/* ---- changes ---- */

static void changed(void *arg, int err)
{
    struct ctl_request *request = arg;
    const struct ctl_args *args = ctl_request_args(request);
    struct slice verb = ctl_command_word(args->command, 2);
    if (err)
        ctl_refuse(request, err, "it could not be written, and nothing has changed", NULL);
    else
        ctl_reply_done(request, "routes to %s: %.*s done, durably", ctl_args_text(args, "number"), SLICE_PRINT(verb));
}

/* What failed at once is answered at once. */
static void refuse_change(struct ctl_request *request, int err)
{
    if (err == ERR_NOT_FOUND)
        refuse_unknown(request);
    else if (err == ERR_CONFLICT)
        ctl_refuse(request, err, "another change of this number is being written", "try again");
    else if (err)
        ctl_refuse(request, err, NULL, NULL);
}

static struct slice domain_of(struct ctl_request *request)
{
    const char *domain = ctl_args_text(ctl_request_args(request), "domain");
    return slice_str(domain ? domain : "");
}

static void set_enabled(struct agent *a, struct ctl_request *request, bool enabled)
{
    struct e164 number = number_of(request);
    refuse_change(request, agent_routes_set_enabled(a->parts.routes, a->now, &number, domain_of(request), enabled,
                                                    changed, request));
}

void agent_show_route_disable(void *ctx, struct ctl_request *request)
{
    set_enabled(ctx, request, false);
}

void agent_show_route_enable(void *ctx, struct ctl_request *request)
{
    set_enabled(ctx, request, true);
}

void agent_show_route_delete(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    struct e164 number = number_of(request);
    refuse_change(request, agent_routes_delete(a->parts.routes, a->now, &number, domain_of(request), changed, request));
}

/* ---- export ---- */

static void put_field(struct buf *b, const char *text, char end)
{
    bool quoted = strpbrk(text, ",\"") != NULL;
    if (quoted)
        buf_u8(b, '"');
    for (; *text; text++) {
        if (*text == '"')
            buf_u8(b, '"');
        buf_u8(b, (uint8_t)*text);
    }
    if (quoted)
        buf_u8(b, '"');
    buf_u8(b, (uint8_t)end);
}

static void put_line(void *ctx, const struct agent_route *r)
{
    struct listing *l = ctx;
    char text[WALL_TEXT_OCTETS], id[ID_HEX_OCTETS];
    l->rows++;
    put_field(&l->csv, r->number.text, ',');
    put_field(&l->csv, r->domain, ',');
    put_field(&l->csv, id_is_zero(r->node) ? "" : id_format(r->node, id), ',');
    put_field(&l->csv, wall_format(r->learned_at, text), ',');
    put_field(&l->csv, wall_format(r->expires_at, text), ',');
    put_field(&l->csv, r->enabled ? "yes" : "no", ',');
    put_field(&l->csv, r->uri, ',');
    put_field(&l->csv, r->ticket, '\n');
}

void agent_show_route_export(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    struct agent_route_query query = {.tickets = true};
    struct listing l = {.agent = a};
    struct e164 after;
    read_query(request, EXPORT_DEFAULT, &query);
    buf_init(&l.csv, EXPORT_OCTETS_MAX);
    if (!query.after.text[0])
        buf_str(&l.csv, "number,domain,node_id,learned_at,expires_at,enabled,uri,ticket\n");
    bool more = agent_routes_list(a->parts.routes, &query, put_line, &l, &after);
    if (l.csv.err) {
        ctl_refuse(request, l.csv.err, "so many routes do not fit into one answer", "--limit with fewer");
    } else {
        struct ctl_writer *w = ctl_reply_begin(request);
        ctl_put_text(w, "csv", buf_text(&l.csv));
        ctl_put_unsigned(w, "rows", l.rows);
        ctl_put_text(w, "after", more ? after.text : NULL);
        ctl_reply_end(request);
    }
    buf_fini(&l.csv);
}
