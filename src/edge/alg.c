/* Heads of messages on their way through the edge: each field by the rule of its header. */
#include "edge/alg_private.h"

#include "base/text.h"

struct passing {
    const struct alg_way *way;
    const struct sip_message *m;
    struct sip_edit *e;
    struct slice point; /* ours, on the side that it goes to */
    bool is_redirection;
    int err;
};

static struct slice checked(struct passing *p, struct slice text)
{
    if (!text.p)
        p->err = ERR_NO_MEMORY;
    return text;
}

static void put_uri(struct passing *p, const struct sip_address *address, struct slice uri)
{
    if (checked(p, uri).p)
        sip_edit_replace(p->e, address->uri,
                         address->in_brackets ? uri : checked(p, alg_print(p->way, "<%.*s>", SLICE_PRINT(uri))));
}

static void mask(struct passing *p, struct slice text)
{
    struct slice masked = alg_masked(p->way, text);
    if (masked.p != text.p)
        sip_edit_replace(p->e, text, checked(p, masked));
}

/* Parameters of a field that say something hidden go, each with its semicolon. Tags are names of the ends, whatever they look like. */
static void clean_params(struct passing *p, struct slice params)
{
    struct sip_cursor c;
    struct sip_param param;
    const uint8_t *begin = params.p;
    sip_cursor_init(&c, p->m->octets, params);
    while (sip_param_next(&c, &param)) {
        const struct slice last = param.has_value ? param.value : param.name;
        const uint8_t *end = last.p + last.n;
        if (!sip_token_eq_str(param.name, "tag") &&
            (alg_value_is_hidden(p->way, param.value) || alg_value_is_hidden(p->way, param.name)))
            sip_edit_replace(p->e, slice_of(begin, (size_t)(end - begin)), (struct slice){0});
        begin = end;
    }
}

static bool leaves(const struct passing *p)
{
    return p->way->to == EDGE_OUTSIDE;
}

/* A URI that is none of SIP's: a phone number may have a context that is hidden; of others nothing is left that would be one. */
static void pass_other(struct passing *p, const struct sip_address *address)
{
    struct sip_uri uri;
    if (sip_uri_parse(address->uri, &uri, NULL) == 0 && uri.scheme == SIP_SCHEME_TEL)
        mask(p, address->uri);
    else if (alg_value_is_hidden(p->way, address->uri))
        put_uri(p, address, alg_print(p->way, "sip:%s", p->way->domain));
}

/* ---- who ---- */

static void pass_identity(struct passing *p, const struct sip_address *address)
{
    struct sip_uri uri;
    mask(p, address->display);
    clean_params(p, address->params);
    const bool is_sip = sip_uri_parse(address->uri, &uri, NULL) == 0 && alg_is_sip(&uri);
    if (!is_sip)
        pass_other(p, address);
    else if (alg_hides_host(p->way->options, uri.host))
        put_uri(p, address, alg_uri_at(p->way, &uri, slice_str(p->way->domain), false));
    else if (alg_uri_is_hidden(p->way, &uri))
        put_uri(p, address, alg_uri_at(p->way, &uri, alg_host_port(p->way, &uri), false));
}

/* ---- where to ---- */

/* Hidden when it leaves, or ours as the other side knows us. */
static bool is_for_us(const struct passing *p, const struct sip_uri *uri)
{
    if (alg_is_point(p->way->options, p->way->from, uri->host))
        return true;
    return leaves(p) && alg_hides_host(p->way->options, uri->host);
}

static void pass_target(struct passing *p, const struct sip_address *address)
{
    struct sip_uri uri;
    if (leaves(p)) {
        mask(p, address->display);
        clean_params(p, address->params);
    }
    const bool is_sip = sip_uri_parse(address->uri, &uri, NULL) == 0 && alg_is_sip(&uri);
    if (is_sip && is_for_us(p, &uri))
        put_uri(p, address, alg_uri_at(p->way, &uri, p->point, true));
    else if (is_sip && leaves(p) && alg_uri_is_hidden(p->way, &uri))
        put_uri(p, address, alg_uri_at(p->way, &uri, alg_host_port(p->way, &uri), false));
    else if (!is_sip && leaves(p))
        pass_other(p, address);
}

/* Of a redirection only what is ours or hidden changes: its contacts are others. */
static void pass_contact(struct passing *p, const struct sip_address *address)
{
    struct sip_uri uri;
    if (address->is_star)
        return;
    if (p->is_redirection || sip_uri_parse(address->uri, &uri, NULL) < 0 || !alg_is_sip(&uri)) {
        pass_target(p, address);
        return;
    }
    if (leaves(p)) {
        mask(p, address->display);
        clean_params(p, address->params);
    }
    put_uri(p, address, alg_uri_at(p->way, &uri, p->point, true));
}

/* ---- what to fetch ---- */

/* Something in it says where a machine of the inside is, or where the inside is to go to. */
static bool link_is_hidden(const struct passing *p, const struct sip_address *address)
{
    struct sip_uri uri;
    if (alg_value_is_hidden(p->way, address->whole))
        return true;
    return sip_uri_parse(address->uri, &uri, NULL) == 0 && uri.host.n && alg_hides_host(p->way->options, uri.host);
}

/* ---- fields ---- */

/* What is left of a list, when something has to go. */
static void keep_links(struct passing *p, const struct sip_field *f)
{
    struct sip_cursor c = sip_field_cursor(p->m, f);
    struct sip_address address;
    struct buf kept;
    bool any_hidden = false;
    buf_init(&kept, ALG_TEXT_OCTETS_MAX);
    while (sip_read_address(&c, &address)) {
        if (link_is_hidden(p, &address)) {
            any_hidden = true;
            continue;
        }
        buf_str(&kept, kept.n ? ", " : "");
        buf_slice_put(&kept, address.whole);
    }
    if (kept.err)
        p->err = ERR_NO_MEMORY;
    if (c.err || (any_hidden && !kept.n))
        sip_edit_remove(p->e, f);
    else if (any_hidden)
        sip_edit_value(p->e, f, buf_slice(&kept));
    buf_fini(&kept);
}

/* A field that cannot be read is not let through: nobody knows what it tells. */
static void pass_addresses(struct passing *p, const struct sip_field *f, enum alg_rule rule)
{
    struct sip_cursor c = sip_field_cursor(p->m, f);
    struct sip_address address;
    while (sip_read_address(&c, &address)) {
        if (rule == ALG_CONTACT)
            pass_contact(p, &address);
        else if (rule == ALG_IDENTITY)
            pass_identity(p, &address);
        else
            pass_target(p, &address);
    }
    if (c.err)
        sip_edit_remove(p->e, f);
}

static void pass_field(struct passing *p, const struct sip_field *f)
{
    const enum alg_rule rule = alg_rule_of(f);
    if (rule == ALG_REMOVE || (rule == ALG_KEEP_IN && leaves(p)))
        sip_edit_remove(p->e, f);
    else if (rule == ALG_CONTACT || rule == ALG_TARGET || (rule == ALG_IDENTITY && leaves(p)))
        pass_addresses(p, f, rule);
    else if (rule == ALG_LINK)
        keep_links(p, f);
    else if (rule == ALG_TEXT && leaves(p))
        mask(p, f->value);
}

static int begin(struct passing *p, const struct alg_way *way, const struct sip_message *m, struct sip_edit *e)
{
    *p = (struct passing){.way = way, .m = m, .e = e, .point = alg_point(way->options, way->to, way->transport)};
    p->is_redirection = !m->is_request && (m->status / 100 == 3 || m->status == 485);
    return p->point.p ? 0 : ERR_NOT_FOUND;
}

/* ---- requests ---- */

static void pass_uri(struct passing *p, struct slice given)
{
    struct sip_uri uri;
    struct slice maddr;
    if (given.p) {
        sip_edit_uri(p->e, given);
        return;
    }
    if (sip_uri_parse(p->m->uri, &uri, NULL) < 0 || !alg_is_sip(&uri))
        return;
    if (is_for_us(p, &uri))
        sip_edit_uri(p->e, checked(p, alg_uri_at(p->way, &uri, slice_str(p->way->domain), false)));
    else if (sip_uri_param(&uri, "maddr", &maddr) || (leaves(p) && alg_uri_is_hidden(p->way, &uri)))
        sip_edit_uri(p->e, checked(p, alg_uri_at(p->way, &uri, alg_host_port(p->way, &uri), false)));
}

int alg_edit_request(const struct alg_way *way, const struct sip_message *m, struct slice uri, struct sip_edit *e)
{
    struct passing p;
    int err = begin(&p, way, m, e);
    if (err)
        return err;
    pass_uri(&p, uri);
    for (size_t i = 0; i < m->field_count; i++)
        pass_field(&p, &m->fields[i]);
    sip_edit_set(e, SIP_MAX_FORWARDS, checked(&p, alg_print(way, "%u", m->max_forwards ? m->max_forwards - 1 : 0)));
    return p.err;
}

/* ---- responses ---- */

/* All values of a header of the request, in its order. */
static void give_back(struct passing *p, const struct sip_message *request, enum sip_header header)
{
    struct buf all;
    buf_init(&all, ALG_TEXT_OCTETS_MAX);
    for (const struct sip_field *f = sip_field_first(request, header); f; f = sip_field_next(request, f)) {
        buf_str(&all, all.n ? ", " : "");
        buf_slice_put(&all, f->value);
    }
    if (all.err)
        p->err = ERR_NO_MEMORY;
    else if (all.n)
        sip_edit_set(p->e, header, buf_slice(&all));
    buf_fini(&all);
}

/* The same field as in the request; as it came where it is the same. */
static void restore(struct passing *p, const struct sip_message *request, enum sip_header header, struct slice tag)
{
    const struct sip_field *theirs = sip_field_first(request, header), *f = sip_field_first(p->m, header);
    struct slice value = theirs ? theirs->value : (struct slice){0};
    if (!theirs || !f)
        return;
    if (tag.n)
        value = checked(p, alg_print(p->way, "%.*s;tag=%.*s", SLICE_PRINT(value), SLICE_PRINT(tag)));
    if (!slice_eq(value, f->value))
        sip_edit_value(p->e, f, value);
}

int alg_edit_response(const struct alg_way *way, const struct sip_message *m, const struct sip_message *request,
                      struct sip_edit *e)
{
    struct passing p;
    int err = begin(&p, way, m, e);
    if (err)
        return err;
    for (size_t i = 0; i < m->field_count; i++) {
        const enum sip_header header = m->fields[i].header;
        if (header != SIP_FROM && header != SIP_TO)
            pass_field(&p, &m->fields[i]);
    }
    if (leaves(&p))
        mask(&p, m->reason);
    give_back(&p, request, SIP_VIA);
    give_back(&p, request, SIP_RECORD_ROUTE);
    restore(&p, request, SIP_FROM, (struct slice){0});
    restore(&p, request, SIP_CALL_ID, (struct slice){0});
    restore(&p, request, SIP_TO, request->to.tag.n ? (struct slice){0} : m->to.tag);
    return p.err;
}

/* ---- for others ---- */

struct slice alg_contact(const struct alg_way *way, struct slice text)
{
    struct sip_uri uri;
    const struct slice point = alg_point(way->options, way->to, way->transport);
    if (!point.p || sip_uri_parse(text, &uri, NULL) < 0 || !alg_is_sip(&uri))
        return (struct slice){0};
    return alg_uri_at(way, &uri, point, true);
}
