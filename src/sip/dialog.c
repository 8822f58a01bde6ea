/* Dialogs: RFC 3261 section 12. */
#include "sip/dialog.h"

#include "base/mem.h"

/* ---- texts ---- */

/* An address without its tag, folding undone: what From and To of our requests begin with. */
static void put_address(struct buf *out, struct slice message, const struct sip_address *address)
{
    struct slice head = address->whole;
    struct sip_cursor c;
    struct sip_param param;
    if (address->params.n)
        head.n = (size_t)(address->params.p - head.p);
    while (head.n && strchr("; \t\r\n", head.p[head.n - 1]))
        head.n--;
    sip_unfold(head, out);
    sip_cursor_init(&c, message, address->params);
    while (sip_param_next(&c, &param)) {
        if (sip_token_eq_str(param.name, "tag"))
            continue;
        buf_str(out, ";");
        buf_slice_put(out, param.name);
        if (param.has_value) {
            buf_str(out, "=");
            buf_slice_put(out, param.value);
        }
    }
}

static char *keep_address(struct region *texts, const struct sip_message *m, const struct sip_address *address)
{
    struct buf text;
    char *kept = NULL;
    buf_init(&text, SIP_DIALOG_OCTETS_MAX);
    put_address(&text, m->octets, address);
    if (!text.err)
        kept = region_text(texts, buf_slice(&text));
    buf_fini(&text);
    return kept;
}

static char *copy(struct slice text)
{
    char *p = mem_alloc(text.n + 1);
    if (p && text.n)
        memcpy(p, text.p, text.n);
    return p;
}

static void replace(struct sip_dialog *d, char **text, char *by)
{
    mem_free(*text);
    *text = by;
    d->changes++;
}

/* ---- route set and target ---- */

/* The values of Record-Route, in this order or the other way round (12.1.1, 12.1.2). */
static int read_routes(const struct sip_message *m, bool reversed, char **ret_routes)
{
    struct slice routes[SIP_ROUTES_MAX];
    size_t count = 0;
    struct buf text;
    for (const struct sip_field *f = sip_field_first(m, SIP_RECORD_ROUTE); f; f = sip_field_next(m, f)) {
        struct sip_cursor c;
        struct sip_address address;
        sip_cursor_init(&c, m->octets, f->value);
        while (sip_read_address(&c, &address)) {
            if (count == SIP_ROUTES_MAX)
                return ERR_LIMIT;
            routes[count++] = address.whole;
        }
        if (c.err)
            return c.err;
    }
    if (!count) {
        *ret_routes = NULL;
        return 0;
    }
    buf_init(&text, SIP_DIALOG_OCTETS_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_str(&text, i ? ", " : "");
        sip_unfold(routes[reversed ? count - 1 - i : i], &text);
    }
    char *kept = text.err ? NULL : copy(buf_slice(&text));
    int err = kept ? 0 : text.err ? text.err : ERR_NO_MEMORY;
    buf_fini(&text);
    if (!err)
        *ret_routes = kept;
    return err;
}

/* ERR_NOT_FOUND: there is no Contact. */
static int read_target(const struct sip_message *m, char **ret_target)
{
    const struct sip_field *field = sip_field_first(m, SIP_CONTACT);
    struct sip_cursor c;
    struct sip_address contact;
    if (!field)
        return ERR_NOT_FOUND;
    sip_cursor_init(&c, m->octets, field->value);
    if (!sip_read_address(&c, &contact) || contact.is_star)
        return ERR_SYNTAX;
    if (contact.uri.n > SIP_DIALOG_OCTETS_MAX)
        return ERR_LIMIT;
    char *kept = copy(contact.uri);
    if (!kept)
        return ERR_NO_MEMORY;
    *ret_target = kept;
    return 0;
}

static bool refreshes_target(enum sip_method method)
{
    return method == SIP_INVITE || method == SIP_UPDATE || method == SIP_SUBSCRIBE || method == SIP_NOTIFY ||
           method == SIP_REFER;
}

/* ---- life ---- */

#define TEXTS 5
#define TEXT_OVERHEAD 16 /* its NUL, and alignment */

static int keep_texts(struct sip_dialog *d, const struct sip_message *m, const struct sip_address *local,
                      const struct sip_address *remote, struct slice local_tag, struct slice remote_tag)
{
    struct region *texts = &d->texts;
    size_t octets = m->call_id.n + local_tag.n + remote_tag.n + local->whole.n + remote->whole.n;
    region_init(texts, SIP_DIALOG_OCTETS_MAX);
    int err = region_reserve(texts, octets + TEXTS * TEXT_OVERHEAD);
    if (err)
        return err;
    d->call_id = region_text(texts, m->call_id);
    d->local_tag = region_text(texts, local_tag);
    d->remote_tag = region_text(texts, remote_tag);
    d->local_address = keep_address(texts, m, local);
    d->remote_address = keep_address(texts, m, remote);
    return d->local_address && d->remote_address ? 0 : ERR_NO_MEMORY; /* the others fit */
}

static int finish(struct sip_dialog *d, struct sip_dialog *built, int err)
{
    if (err)
        sip_dialog_fini(built);
    else
        *d = *built;
    return err;
}

int sip_dialog_init_uac(struct sip_dialog *d, const struct sip_message *request, const struct sip_message *response)
{
    struct sip_dialog built = {.changes = 1, .is_uac = true, .local_cseq = request->cseq.number};
    bool confirmed = response->status >= 200;
    built.state = confirmed ? SIP_DIALOG_CONFIRMED : SIP_DIALOG_EARLY;
    int err = keep_texts(&built, request, &request->from, &request->to, request->from.tag, response->to.tag);
    if (!err)
        err = read_routes(response, true, &built.routes);
    if (!err)
        err = read_target(response, &built.remote_target);
    if (err == ERR_NOT_FOUND && !confirmed)
        err = (built.remote_target = copy(request->uri)) ? 0 : ERR_NO_MEMORY;
    return finish(d, &built, err == ERR_NOT_FOUND ? ERR_SYNTAX : err);
}

int sip_dialog_init_uas(struct sip_dialog *d, const struct sip_message *request, struct slice local_tag, bool confirmed)
{
    struct sip_dialog built = {.changes = 1, .remote_cseq = request->cseq.number, .has_remote_cseq = true};
    built.state = confirmed ? SIP_DIALOG_CONFIRMED : SIP_DIALOG_EARLY;
    int err = keep_texts(&built, request, &request->to, &request->from, local_tag, request->from.tag);
    if (!err)
        err = read_routes(request, false, &built.routes);
    if (!err)
        err = read_target(request, &built.remote_target);
    return finish(d, &built, err == ERR_NOT_FOUND ? ERR_SYNTAX : err);
}

void sip_dialog_fini(struct sip_dialog *d)
{
    mem_free(d->remote_target);
    mem_free(d->routes);
    region_fini(&d->texts);
    *d = (struct sip_dialog){.state = SIP_DIALOG_ENDED};
}

void sip_dialog_confirm(struct sip_dialog *d)
{
    if (d->state == SIP_DIALOG_EARLY)
        d->state = SIP_DIALOG_CONFIRMED;
}

/* ---- what belongs to it ---- */

void sip_dialog_key(struct slice call_id, struct slice local_tag, struct slice remote_tag, struct buf *out)
{
    buf_slice_put(out, call_id);
    buf_u8(out, 0);
    buf_slice_put(out, local_tag);
    buf_u8(out, 0);
    buf_slice_put(out, remote_tag);
}

bool sip_dialog_matches(const struct sip_dialog *d, const struct sip_message *message)
{
    struct slice local = message->is_request ? message->to.tag : message->from.tag;
    struct slice remote = message->is_request ? message->from.tag : message->to.tag;
    return d->call_id && slice_eq_str(message->call_id, d->call_id) && slice_eq_str(local, d->local_tag) &&
           slice_eq_str(remote, d->remote_tag);
}

/* ---- requests and responses inside it ---- */

/* ACK and CANCEL have the number of their INVITE, which may not be the last. */
unsigned sip_dialog_receive(struct sip_dialog *d, const struct sip_message *request)
{
    char *target = NULL;
    if (request->method == SIP_ACK || request->method == SIP_CANCEL)
        return 0;
    if (d->has_remote_cseq && request->cseq.number < d->remote_cseq)
        return 500;
    if (refreshes_target(request->method)) {
        int err = read_target(request, &target);
        if (err && err != ERR_NOT_FOUND)
            return err == ERR_SYNTAX ? 400 : 500;
    }
    if (target)
        replace(d, &d->remote_target, target);
    d->remote_cseq = request->cseq.number;
    d->has_remote_cseq = true;
    return 0;
}

static int succeed(struct sip_dialog *d, const struct sip_message *response)
{
    bool confirms = d->state == SIP_DIALOG_EARLY && d->is_uac && response->method == SIP_INVITE;
    char *routes = NULL, *target = NULL;
    if (confirms) {
        int err = read_routes(response, true, &routes);
        if (err)
            return err;
    }
    if (refreshes_target(response->method)) {
        int err = read_target(response, &target);
        if (err && err != ERR_NOT_FOUND) {
            mem_free(routes);
            return err;
        }
    }
    if (confirms) {
        d->state = SIP_DIALOG_CONFIRMED;
        replace(d, &d->routes, routes);
    }
    if (target)
        replace(d, &d->remote_target, target);
    return 0;
}

int sip_dialog_answered(struct sip_dialog *d, const struct sip_message *response)
{
    unsigned status = response->status;
    if (status >= 200 && status < 300)
        return succeed(d, response);
    bool first_failed = d->state == SIP_DIALOG_EARLY && d->is_uac && response->method == SIP_INVITE && status >= 300;
    if (first_failed || status == 408 || status == 481)
        d->state = SIP_DIALOG_ENDED;
    return 0;
}

/* ---- our requests ---- */

/* The first route; what is behind its comma. */
static bool first_route(const struct sip_dialog *d, struct sip_address *ret_route, struct slice *ret_rest)
{
    struct sip_cursor c;
    if (!d->routes)
        return false;
    const struct slice routes = slice_str(d->routes);
    sip_cursor_init(&c, routes, routes);
    if (!sip_read_address(&c, ret_route))
        return false;
    *ret_rest = slice_of(c.p, (size_t)(c.end - c.p));
    return true;
}

static bool is_loose(const struct sip_address *route)
{
    struct sip_uri uri;
    struct slice value;
    return sip_uri_parse(route->uri, &uri, NULL) == 0 && sip_uri_param(&uri, "lr", &value);
}

/* 12.2.1.1: a strict router finds itself in the Request-URI, and the target at the end of the route. */
static void begin_strict(const struct sip_dialog *d, const char *method, const struct sip_address *router,
                         struct slice rest, struct buf *out)
{
    sip_begin_request(out, method, router->uri);
    sip_put_text(out, SIP_ROUTE, "%.*s%s<%s>", SLICE_PRINT(rest), rest.n ? ", " : "", d->remote_target);
}

void sip_dialog_begin_request(struct sip_dialog *d, const char *method, uint32_t cseq, struct buf *out)
{
    struct sip_address route;
    struct slice rest;
    if (!cseq)
        cseq = ++d->local_cseq;
    if (!first_route(d, &route, &rest)) {
        sip_begin_request(out, method, slice_str(d->remote_target));
    } else if (is_loose(&route)) {
        sip_begin_request(out, method, slice_str(d->remote_target));
        sip_put(out, SIP_ROUTE, slice_str(d->routes));
    } else {
        begin_strict(d, method, &route, rest, out);
    }
    sip_put(out, SIP_MAX_FORWARDS, slice_str("70"));
    sip_put_text(out, SIP_FROM, "%s;tag=%s", d->local_address, d->local_tag);
    if (d->remote_tag[0])
        sip_put_text(out, SIP_TO, "%s;tag=%s", d->remote_address, d->remote_tag);
    else
        sip_put(out, SIP_TO, slice_str(d->remote_address));
    sip_put(out, SIP_CALL_ID, slice_str(d->call_id));
    sip_put_text(out, SIP_CSEQ, "%u %s", cseq, method);
}

struct slice sip_dialog_next_hop(const struct sip_dialog *d)
{
    struct sip_address route;
    struct slice rest;
    return first_route(d, &route, &rest) ? route.uri : slice_str(d->remote_target);
}
