/* Does a message that was written for the outside tell of the inside? Reads the finished text, without the rules by which it was made. */
#include "edge/alg.h"

#include "base/text.h"
#include "sip/multipart.h"
#include "sip/sdp.h"

struct search {
    const struct edge_options *options;
    struct region *region;
    struct slice found;
};

static void look_host(struct search *s, struct slice host)
{
    if (!s->found.n && host.n && alg_hides_host(s->options, host))
        s->found = host;
}

static bool is_behind(const uint8_t *begin, const uint8_t *p, const char *word)
{
    const size_t n = strlen(word);
    return (size_t)(p - begin) >= n && text_equal_nocase(slice_of(p - n, n), slice_str(word));
}

/* Of "Replaces=…" in a URI's headers: behind it. */
static const uint8_t *skip_dialog(const uint8_t *p, const uint8_t *end)
{
    static const char *const names[] = {"Replaces=", "Join=", "Target-Dialog=", "In-Reply-To=", "Call-ID="};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t n = strlen(names[i]);
        if ((size_t)(end - p) > n && text_equal_nocase(slice_of(p + 1, n), slice_str(names[i]))) {
            for (p += n; p < end && *p != '&' && *p != '>' && *p != '"' && *p > ' ';)
                p++;
            return p;
        }
    }
    return p;
}

/* Of ";tag=…": behind it. */
static const uint8_t *skip_tag(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *q = p + 1;
    while (q < end && (*q == ' ' || *q == '\t' || *q == '\r' || *q == '\n'))
        q++;
    if (end - q < 3 || !text_equal_nocase(slice_of(q, 3), slice_str("tag")))
        return p;
    while (q < end && *q != ';' && *q != ',')
        q++;
    return q;
}

/* The "@" behind a user part that begins here; NULL: there is none. */
static const uint8_t *end_of_user(const uint8_t *p, const uint8_t *end)
{
    while (p<end && * p> ' ' && !strchr("@<>\"", *p))
        p++;
    return p < end && *p == '@' ? p : NULL;
}

/* All but user parts and names of dialogs, tags included: these are made unreadable. */
static void look_at_value(struct search *s, struct slice value)
{
    uint8_t *copy = region_alloc(s->region, value.n);
    if (!copy || !value.n)
        return;
    memcpy(copy, value.p, value.n);
    const uint8_t *end = copy + value.n;
    for (const uint8_t *p = copy; p < end; p++) {
        const uint8_t *next = NULL;
        if (*p == ':' && (is_behind(copy, p, "sip") || is_behind(copy, p, "sips")))
            next = end_of_user(p + 1, end);
        else if (*p == '?' || *p == '&')
            next = skip_dialog(p, end);
        else if (*p == ';')
            next = skip_tag(p, end);
        if (next && next > p + 1)
            memset(copy + (p + 1 - copy), 'x', (size_t)(next - p - 1));
    }
    struct slice found = alg_find_hidden(s->options, slice_of(copy, value.n));
    if (found.n && !s->found.n)
        s->found = slice_of(value.p + (found.p - copy), found.n);
}

static void look_at_vias(struct search *s, const struct sip_message *m, const struct sip_field *f)
{
    struct sip_cursor c = sip_field_cursor(m, f);
    struct sip_via via;
    while (sip_read_via(&c, &via))
        look_host(s, via.host);
}

/* What a response gives back as the outside said it. */
static bool is_theirs(const struct sip_message *m, const struct sip_field *f)
{
    return !m->is_request &&
           (f->header == SIP_VIA || f->header == SIP_RECORD_ROUTE || f->header == SIP_FROM || f->header == SIP_TO);
}

/* Or names the delimiter of a body. */
static bool repeats_call_id(const struct sip_field *f)
{
    return f->header == SIP_CALL_ID || f->header == SIP_REPLACES || f->header == SIP_CONTENT_TYPE ||
           sip_token_eq_str(f->name, "Join") || sip_token_eq_str(f->name, "In-Reply-To") ||
           sip_token_eq_str(f->name, "Target-Dialog");
}

static void look_at_sdp(struct search *s, const struct sip_message *m)
{
    struct sip_body body;
    struct sip_sdp sdp;
    if (sip_body_find(s->region, m, "application", "sdp", &body, NULL) < 0)
        return;
    if (!s->found.n)
        s->found = alg_find_hidden_in_sdp(s->options, body.octets);
    if (sip_sdp_parse(s->region, body.octets, &sdp, NULL) < 0) {
        s->found = s->found.n ? s->found : body.octets;
        return;
    }
    look_host(s, sdp.origin.address);
    for (int media = SIP_SDP_SESSION; media < (int)sdp.media_count; media++) {
        struct sip_sdp_connection c;
        if (sip_sdp_connection(&sdp, media, &c))
            look_host(s, c.address);
    }
}

struct slice alg_find_leak(const struct edge_options *options, struct region *region, struct slice octets)
{
    struct sip_message m;
    struct search s = {.options = options, .region = region};
    if (sip_parse(region, octets, SIP_STREAM, &m, NULL) < 0)
        return octets; /* who knows */
    look_at_value(&s, m.is_request ? m.uri : m.reason);
    for (size_t i = 0; i < m.field_count; i++) {
        const struct sip_field *f = &m.fields[i];
        if (repeats_call_id(f) || is_theirs(&m, f))
            continue;
        look_at_value(&s, f->value);
        if (f->header == SIP_VIA)
            look_at_vias(&s, &m, f);
    }
    look_at_sdp(&s, &m);
    return s.found;
}
