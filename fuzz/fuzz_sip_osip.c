/* SIP messages beside libosip2's parser, an independent reading of RFC 3261. What both take must have the same parts. What only we take must be one of
 * the cases below. That it takes much that we refuse says nothing: it leaves most of the grammar unchecked (src/sip/README.md has the list). */
#include "sip/message.h"

#include <osipparser2/osip_parser.h>

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define OCTETS_MAX 4096

static _Noreturn void differ(const char *what)
{
    fprintf(stderr, "differs from libosip2: %s\n", what);
    abort();
}

/* ---- what only we take ---- */

/* It knows no scheme of one letter, and none with digits, "+", "-" or "." (RFC 3986 3.1); it takes all that begin with "sip" for SIP's; it wants two
 * octets behind the scheme, and of a password at least one (25.1). */
static bool is_strange_to_it(struct slice text)
{
    struct sip_uri uri;
    if (sip_uri_parse(text, &uri, NULL) < 0)
        return false;
    bool sip =
        uri.scheme == SIP_SCHEME_OTHER && uri.scheme_text.n > 3 && strncasecmp((const char *)text.p, "sip", 3) == 0;
    bool strange = sip || uri.scheme_text.n == 1 || text.n - uri.scheme_text.n < 3;
    for (size_t i = 0; i < uri.scheme_text.n; i++)
        strange |= memchr("+-.0123456789", uri.scheme_text.p[i], 13) != NULL;
    return strange || (uri.host.n && uri.user.n && uri.user.p[uri.user.n] == ':' && !uri.password.n);
}

static bool has_strange_uri(const struct sip_message *m, enum sip_header header)
{
    bool found = false;
    for (const struct sip_field *f = sip_field_first(m, header); f; f = sip_field_next(m, f)) {
        struct sip_cursor c = sip_field_cursor(m, f);
        for (struct sip_address a; sip_read_address(&c, &a);)
            found |= is_strange_to_it(a.uri);
    }
    return found;
}

/* It refuses folding whose line has nothing but white space. */
static bool has_empty_folding(struct slice head)
{
    const uint8_t *end = head.p + head.n;
    for (const uint8_t *p = head.p; (p = memmem(p, (size_t)(end - p), "\r\n", 2)) != NULL;) {
        const uint8_t *text = p += 2;
        while (text < end && (*text == ' ' || *text == '\t'))
            text++;
        if (text > p && end - text >= 2 && memcmp(text, "\r\n", 2) == 0)
            return true;
    }
    return false;
}

static bool is_only_ours(const struct sip_message *m)
{
    return !slice_eq_str(m->version, "SIP/2.0") /* in other cases of its letters, 7.1 */
           || has_empty_folding(slice_of(m->octets.p, m->octets.n - m->body.n)) || has_strange_uri(m, SIP_FROM) ||
           has_strange_uri(m, SIP_TO) || has_strange_uri(m, SIP_CONTACT) || has_strange_uri(m, SIP_ROUTE) ||
           has_strange_uri(m, SIP_RECORD_ROUTE);
}

/* ---- what both take ---- */

static void compare_text(const char *what, struct slice ours, const char *theirs)
{
    size_t n = theirs ? strlen(theirs) : 0;
    if (n != ours.n || (n && memcmp(theirs, ours.p, n) != 0)) {
        fprintf(stderr, "ours \"%.*s\", theirs \"%s\"\n", SLICE_PRINT(ours), theirs ? theirs : "(none)");
        differ(what);
    }
}

static void compare_address(const char *what, const struct sip_address *ours, osip_from_t *theirs)
{
    struct sip_uri uri;
    static char tag_name[] = "tag";
    osip_generic_param_t *tag = NULL;
    if (!theirs || !theirs->url || sip_uri_parse(ours->uri, &uri, NULL) < 0)
        differ(what);
    osip_generic_param_get_byname(&theirs->gen_params, tag_name, &tag);
    compare_text(what, ours->tag, tag ? tag->gvalue : NULL);
    if (uri.scheme == SIP_SCHEME_SIP || uri.scheme == SIP_SCHEME_SIPS)
        compare_text(what, uri.host, theirs->url->host);
}

static size_t count_vias(const struct sip_message *m)
{
    size_t n = 0;
    for (const struct sip_field *f = sip_field_first(m, SIP_VIA); f; f = sip_field_next(m, f)) {
        struct sip_cursor c = sip_field_cursor(m, f);
        struct sip_via via;
        while (sip_read_via(&c, &via))
            n++;
    }
    return n;
}

static void compare(const struct sip_message *m, const osip_message_t *o)
{
    if (m->is_request) {
        compare_text("method", m->method_text, o->sip_method);
    } else {
        if ((int)m->status != o->status_code)
            differ("status");
        compare_text("reason", m->reason, o->reason_phrase);
    }
    if (!o->cseq || (uint32_t)strtoul(o->cseq->number, NULL, 10) != m->cseq.number)
        differ("CSeq");
    compare_text("method of CSeq", m->cseq.method, o->cseq->method);
    const osip_via_t *via = osip_list_get(&o->vias, 0);
    if (!via)
        differ("Via");
    compare_text("host of Via", m->via.host, via->host);
    compare_text("transport of Via", m->via.transport, via->protocol);
    if (count_vias(m) != (size_t)osip_list_size(&o->vias))
        differ("how many Via");
    compare_address("From", &m->from, o->from);
    compare_address("To", &m->to, o->to);
}

/* To the end of every field: libosip2 reads them all, too. */
static bool parse_ours(struct region *region, struct slice octets, struct sip_message *m)
{
    bool good = sip_parse(region, octets, SIP_DATAGRAM, m, NULL) == 0 && sip_check(m, NULL, NULL) == 0;
    for (size_t i = 0; good && i < m->field_count; i++)
        good = sip_check_field(m, &m->fields[i], NULL) == 0;
    return good;
}

/* In place of its reports to standard output. */
static void say_nothing(const char *file, int line, osip_trace_level_t level, const char *text, va_list args)
{
    (void)file, (void)line, (void)level, (void)text, (void)args;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    if (!started) {
        osip_trace_initialize_func(TRACE_LEVEL0, say_nothing);
        if (parser_init() != 0)
            abort();
        started = true;
    }
    if (size > OCTETS_MAX || memchr(data, 0, size)) /* its strings end at a NUL */
        return 0;
    char text[OCTETS_MAX + 1];
    memcpy(text, data, size);
    text[size] = 0;
    struct region region;
    struct sip_message m;
    osip_message_t *o;
    region_init(&region, (size_t)1 << 20);
    bool ours = parse_ours(&region, slice_of(data, size), &m);
    if (osip_message_init(&o) != 0)
        abort();
    bool theirs = osip_message_parse(o, text, size) == 0;
    if (ours && theirs)
        compare(&m, o);
    else if (ours && !is_only_ours(&m))
        differ("it refuses what we take");
    osip_message_free(o);
    region_fini(&region);
    return 0;
}
