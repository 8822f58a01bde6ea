/* A call that is up as octets, and back: its dialogs with targets, route sets and numbers, the shifts that requests of our own have made, what was agreed about
 * its media. So a stand-by can go on with it. The octets hold keys of media: they are secret.
 *
 * The format is our own, and of one version: lengths before texts, all numbers in network order. Decoding believes nothing. */
#include "edge/internal.h"

#include "base/reader.h"
#include "base/text.h"
#include "sip/scan.h"

#define ROW_VERSION 1
#define TEXT_OCTETS_MAX 16384
#define ROW_OCTETS_MAX (512 * 1024)

/* ---- out ---- */

static void put_text(struct buf *out, const char *text)
{
    buf_opaque(out, 2, slice_str(text ? text : ""));
}

static void put_addr(struct buf *out, const struct addr *a)
{
    buf_u8(out, a->family);
    buf_u16(out, a->port);
    buf_put(out, a->ip, sizeof a->ip);
}

static void put_way(struct buf *out, const struct edge_way *way)
{
    buf_u8(out, (uint8_t)way->hop.transport);
    /* A connection that the far side made does not come along; one of ours is made again. */
    buf_u8(out, (way->conn && way->hop.side < EDGE_FIRST_DOMAIN) || way->is_stale);
    put_addr(out, &way->hop.addr);
    put_text(out, way->hop.host);
}

static void put_end(struct buf *out, const struct edge_end *end)
{
    put_text(out, end->target);
    put_text(out, end->routes);
    buf_u32(out, end->cseq);
    buf_u8(out, end->has_cseq);
    buf_u32(out, end->sent);
    buf_u32(out, end->shift);
    buf_u8(out, end->subscribed);
}

static void put_dialog(struct buf *out, const struct edge_dialog *d, struct mono now)
{
    const int64_t left_us = d->session_end.us == INT64_MAX ? -1 : mono_since_us(d->session_end, now);
    put_text(out, d->tag);
    buf_u8(out, (uint8_t)d->state);
    for (unsigned side = 0; side < EDGE_SIDES; side++)
        put_end(out, &d->ends[side]);
    buf_u32(out, d->rseq);
    buf_u64(out, left_us < 0 ? UINT64_MAX : (uint64_t)left_us);
    const size_t mark = buf_open(out, 4);
    if (d->sdp) {
        const int err = alg_sdp_encode(d->sdp, out);
        out->err = out->err ? out->err : err;
    }
    buf_close(out, mark, 4);
}

static int call_encode(const struct edge_call *c, struct buf *out)
{
    const struct edge *e = c->edge;
    const char *texts[] = {
        e->options->domains[c->domain].name, c->trunk->domain, c->call_id, c->tag, c->from_text, c->to_text, c->number};
    buf_u8(out, ROW_VERSION);
    buf_u8(out, (uint8_t)c->from);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        put_text(out, texts[i]);
    for (unsigned side = 0; side < EDGE_SIDES; side++)
        put_way(out, &c->ways[side]);
    buf_u64(out, (uint64_t)c->begun_at.ms);
    buf_u64(out, (uint64_t)c->answered_at.ms);
    buf_u16(out, (uint16_t)c->status);
    buf_u64(out, c->session);
    put_dialog(out, c->confirmed, e->now.mono);
    return out->err;
}

static bool is_up(const struct edge_call *c)
{
    return c->kind == EDGE_CALL && c->state == EDGE_UP && c->confirmed && c->confirmed->state == EDGE_CONFIRMED &&
           c->domain < c->edge->options->domain_count;
}

int edge_each_call(struct edge *e, struct now now, edge_call_row_fn *row, void *ctx)
{
    int err = 0;
    e->now = now;
    LIST_EACH(it, &e->calls) {
        const struct edge_call *c = CONTAINER_OF(it, const struct edge_call, link);
        struct buf out;
        if (!is_up(c))
            continue;
        buf_init(&out, ROW_OCTETS_MAX);
        const int failed = call_encode(c, &out);
        if (!failed)
            row(ctx, buf_slice(&out));
        err = err ? err : failed;
        buf_fini_secret(&out);
    }
    return err;
}

/* ---- in ---- */

/* Texts go back into header fields: nothing may end a line. */
static struct slice get_text(struct reader *r, bool may_be_empty, const char *rule)
{
    const struct slice text = read_opaque(r, 2, rule);
    if (r->err)
        return (struct slice){0};
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < ' ' && text.p[i] != '\t')
            reader_fail(r, ERR_SYNTAX, rule);
    }
    if (text.n > TEXT_OCTETS_MAX || (!text.n && !may_be_empty))
        reader_fail(r, ERR_RANGE, rule);
    return text;
}

/* One value as From and To have it, with this tag. */
static void check_address(struct reader *r, struct slice text, struct slice tag, const char *rule)
{
    struct sip_cursor c;
    struct sip_address address;
    struct sip_uri uri;
    if (r->err)
        return;
    sip_cursor_init(&c, text, text);
    if (!sip_read_address(&c, &address) || c.p != c.end || !slice_eq(address.tag, tag) ||
        sip_uri_parse(address.uri, &uri, NULL) < 0)
        reader_fail(r, ERR_SYNTAX, rule);
}

static void check_routes(struct reader *r, struct slice text)
{
    struct sip_cursor c;
    struct sip_address route;
    sip_cursor_init(&c, text, text);
    while (!r->err && text.n && sip_read_address(&c, &route))
        continue;
    if (!r->err && text.n && c.err)
        reader_fail(r, ERR_SYNTAX, "route set of an end");
}

static void check_call_id(struct reader *r, struct slice text)
{
    struct sip_cursor c;
    struct slice call_id;
    if (r->err)
        return;
    sip_cursor_init(&c, text, text);
    if (sip_read_call_id(&c, &call_id) < 0 || call_id.n != text.n)
        reader_fail(r, ERR_SYNTAX, "Call-ID");
}

static uint8_t get_below(struct reader *r, unsigned bound, const char *rule)
{
    const uint8_t value = read_u8(r, rule);
    if (!r->err && value >= bound)
        reader_fail(r, ERR_RANGE, rule);
    return value;
}

static struct wall get_wall(struct reader *r, const char *rule)
{
    const uint64_t ms = read_u64(r, rule);
    if (!r->err && ms > INT64_MAX / 1000000)
        reader_fail(r, ERR_RANGE, rule);
    return (struct wall){r->err ? 0 : (int64_t)ms};
}

static void get_addr(struct reader *r, struct addr *ret_addr)
{
    ret_addr->family = read_u8(r, "family of an address");
    ret_addr->port = read_u16(r, "port of an address");
    read_copy(r, ret_addr->ip, sizeof ret_addr->ip, "octets of an address");
    if (!r->err && ret_addr->family != 4 && ret_addr->family != 6)
        reader_fail(r, ERR_RANGE, "family of an address");
    static const uint8_t zeros[12];
    if (!r->err && ret_addr->family == 4 && memcmp(ret_addr->ip + 4, zeros, sizeof zeros) != 0)
        reader_fail(r, ERR_SYNTAX, "octets of an address");
}

static void get_way(struct reader *r, struct edge_way *ret_way)
{
    ret_way->hop.transport = (enum sip_transport)get_below(r, SIP_TLS + 1, "transport of a way");
    ret_way->is_stale = get_below(r, 2, "connection of a way");
    get_addr(r, &ret_way->hop.addr);
    const struct slice host = get_text(r, true, "host of a way");
    if (host.n > SIP_HOST_OCTETS_MAX)
        reader_fail(r, ERR_RANGE, "host of a way");
    else if (host.n)
        memcpy(ret_way->hop.host, host.p, host.n);
}

static char *keep(struct reader *r, struct slice text)
{
    char *copy = r->err || !text.n ? NULL : mem_alloc(text.n + 1);
    if (copy)
        memcpy(copy, text.p, text.n);
    else if (!r->err && text.n)
        reader_fail(r, ERR_NO_MEMORY, "memory");
    return copy;
}

static void get_end(struct reader *r, struct edge_end *ret_end)
{
    const struct slice target = get_text(r, false, "target of an end");
    const struct slice routes = get_text(r, true, "route set of an end");
    struct sip_uri uri;
    if (!r->err && (sip_uri_parse(target, &uri, NULL) < 0 || uri.scheme == SIP_SCHEME_OTHER))
        reader_fail(r, ERR_SYNTAX, "target of an end");
    check_routes(r, routes);
    ret_end->target = keep(r, target);
    ret_end->routes = keep(r, routes);
    ret_end->cseq = read_u32(r, "number of an end");
    ret_end->has_cseq = get_below(r, 2, "whether an end has a number");
    ret_end->sent = read_u32(r, "number sent to an end");
    ret_end->shift = read_u32(r, "shift of an end");
    ret_end->subscribed = read_u8(r, "subscriptions of an end");
    const uint32_t max = INT32_MAX; /* RFC 3261 8.1.1.5 */
    if (!r->err && (ret_end->cseq > max || ret_end->sent > max || ret_end->shift > max))
        reader_fail(r, ERR_RANGE, "number of an end");
}

static void get_dialog(struct reader *r, struct edge_call *c)
{
    struct edge *e = c->edge;
    const struct slice tag = get_text(r, false, "tag of the called side");
    if (!r->err && sip_span(tag.p, tag.p + tag.n, CHAR_TOKEN) != tag.p + tag.n)
        reader_fail(r, ERR_SYNTAX, "tag of the called side");
    struct edge_dialog *d = r->err ? NULL : edge_dialog_of(c, tag);
    if (!d) {
        reader_fail(r, ERR_NO_MEMORY, "memory");
        return;
    }
    for (unsigned side = 0; side < EDGE_SIDES; side++)
        d->ends[side] = (struct edge_end){.heard = e->now.mono};
    if (read_u8(r, "state of a dialog") != EDGE_CONFIRMED)
        reader_fail(r, ERR_RANGE, "state of a dialog");
    d->state = EDGE_CONFIRMED;
    for (unsigned side = 0; side < EDGE_SIDES; side++)
        get_end(r, &d->ends[side]);
    d->rseq = read_u32(r, "RSeq of a dialog");
    const uint64_t left = read_u64(r, "end of a session");
    if (left != UINT64_MAX && left > INT64_MAX / 2)
        reader_fail(r, ERR_RANGE, "end of a session");
    else if (left != UINT64_MAX)
        d->session_end = mono_after_us(e->now.mono, (int64_t)left);
    const size_t at = r->at;
    const struct slice sdp = read_opaque(r, 4, "description of media");
    struct fault fault = {0};
    const int err = r->err || !sdp.n ? 0 : alg_sdp_decode(sdp, &d->sdp, &fault);
    if (err)
        reader_fail_at(r, err, at + 4 + fault.octet, fault.rule);
    if (!r->err && d->sdp && c->session && alg_sdp_session(d->sdp)->id != c->session)
        reader_fail(r, ERR_SYNTAX, "session of media");
    c->is_described = d->sdp != NULL;
    c->sensitivity = (uint8_t)(d->sdp ? alg_sdp_session(d->sdp)->sensitivity : e->options->sensitivity);
    c->confirmed = d;
}

/* Served still, and a far domain that there is room for. */
static void find_domains(struct reader *r, struct edge_call *c, struct slice served, struct slice far)
{
    struct edge *e = c->edge;
    const int domain = r->err ? 0 : edge_options_find_domain(e->options, served);
    if (domain < 0)
        reader_fail(r, ERR_NOT_FOUND, "served domain");
    else if (!r->err && !slice_eq_str(served, e->options->domains[domain].name))
        reader_fail(r, ERR_SYNTAX, "served domain");
    if (!r->err && !domain_is_valid(far))
        reader_fail(r, ERR_SYNTAX, "far domain");
    c->domain = (unsigned)(domain < 0 ? 0 : domain);
    c->trunk = r->err ? NULL : edge_trunk_of(&e->trunks, e->now, far);
    if (!r->err && !c->trunk)
        reader_fail(r, ERR_LIMIT, "number of far domains");
    else if (!r->err && !slice_eq_str(far, c->trunk->domain))
        reader_fail(r, ERR_SYNTAX, "far domain");
}

static void call_decode(struct reader *r, struct edge_call *c)
{
    struct edge *e = c->edge;
    if (read_u8(r, "version of a call") != ROW_VERSION)
        reader_fail(r, ERR_UNSUPPORTED, "version of a call");
    c->from = (enum edge_side)get_below(r, EDGE_SIDES, "side of the caller");
    const struct slice served = get_text(r, false, "served domain"), far = get_text(r, false, "far domain");
    const struct slice call_id = get_text(r, false, "Call-ID"), tag = get_text(r, false, "tag of the caller");
    const struct slice from = get_text(r, false, "From"), to = get_text(r, false, "To");
    const struct slice number = get_text(r, true, "called number");
    check_call_id(r, call_id);
    check_address(r, from, tag, "From");
    check_address(r, to, (struct slice){0}, "To");
    if (number.n >= sizeof c->number)
        reader_fail(r, ERR_RANGE, "called number");
    else if (number.n)
        memcpy(c->number, number.p, number.n);
    find_domains(r, c, served, far);
    for (unsigned side = 0; side < EDGE_SIDES; side++)
        get_way(r, &c->ways[side]);
    c->ways[EDGE_INSIDE].hop.side = EDGE_INSIDE;
    c->ways[EDGE_OUTSIDE].hop.side = EDGE_FIRST_DOMAIN + c->domain;
    c->begun_at = get_wall(r, "begin of a call");
    c->answered_at = get_wall(r, "answer of a call");
    c->status = read_u16(r, "status of a call");
    c->session = read_u64(r, "session of media");
    if (!r->err && edge_call_find(e, call_id, tag))
        reader_fail(r, ERR_EXISTS, "Call-ID");
    if (!r->err && edge_call_name(c, call_id, tag, from, to) < 0)
        reader_fail(r, ERR_NO_MEMORY, "memory");
    if (!r->err)
        get_dialog(r, c);
    reader_end(r, "end of a call");
}

int edge_take_call(struct edge *e, struct now now, struct slice row, struct fault *ret_fault)
{
    struct reader r;
    e->now = now;
    if (e->call_count >= e->options->calls_max)
        return ERR_LIMIT;
    struct edge_call *c = edge_call_alloc(e, EDGE_CALL);
    if (!c)
        return ERR_NO_MEMORY;
    reader_init(&r, row);
    call_decode(&r, c);
    const uint64_t session = c->session;
    c->session = 0; /* until it is in the table */
    if (!r.err && session && map_get(&e->sessions, slice_of(&session, sizeof session)))
        reader_fail(&r, ERR_EXISTS, "session of media");
    if (!r.err && session && map_set(&e->sessions, slice_of(&session, sizeof session), c) < 0)
        reader_fail(&r, ERR_NO_MEMORY, "memory");
    if (r.err) {
        if (ret_fault)
            *ret_fault = r.fault;
        edge_call_free(c);
        return r.err;
    }
    c->session = session;
    c->state = EDGE_UP;
    edge_call_count(c);
    edge_call_wait(c);
    return 0;
}
