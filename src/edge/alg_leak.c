/* Does a message that was written for the outside tell of the inside? Reads the finished text, without the rules by which it was made. */
#include "edge/alg.h"

#include "base/text.h"
#include "sip/multipart.h"
#include "sip/sdp.h"

struct search {
    const struct edge_options *options;
    struct slice found;
};

static void look(struct search *s, struct slice text)
{
    if (!s->found.n)
        s->found = alg_find_hidden(s->options, text);
}

static void look_host(struct search *s, struct slice host)
{
    if (!s->found.n && host.n && alg_hides_host(s->options, host))
        s->found = host;
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

/* The "@" behind a user part that begins here; NULL: there is none. */
static const uint8_t *end_of_user(const uint8_t *p, const uint8_t *end)
{
    while (p<end && * p> ' ' && !strchr("@<>\"", *p))
        p++;
    return p < end && *p == '@' ? p : NULL;
}

/* All but user parts and names of dialogs. */
static void look_at_value(struct search *s, struct slice value)
{
    const uint8_t *end = value.n ? value.p + value.n : value.p, *begin = value.p;
    for (const uint8_t *p = value.p; p < end; p++) {
        const uint8_t *next = NULL;
        if (*p == ':' && p - value.p >= 3 &&
            (!memcmp(p - 3, "sip", 3) || (p - value.p >= 4 && !memcmp(p - 4, "sips", 4))))
            next = end_of_user(p + 1, end);
        else if (*p == '?' || *p == '&')
            next = skip_dialog(p, end);
        if (!next || next == p)
            continue;
        look(s, slice_of(begin, (size_t)(p - begin)));
        begin = p = next;
        if (p == end)
            break;
    }
    look(s, slice_of(begin, (size_t)(end - begin)));
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

static void look_at_sdp(struct search *s, struct region *region, const struct sip_message *m)
{
    struct sip_body body;
    struct sip_sdp sdp;
    if (sip_body_find(region, m, "application", "sdp", &body, NULL) < 0)
        return;
    if (!s->found.n)
        s->found = alg_find_hidden_in_sdp(s->options, body.octets);
    if (sip_sdp_parse(region, body.octets, &sdp, NULL) < 0) {
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
    struct search s = {.options = options};
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
    look_at_sdp(&s, region, &m);
    return s.found;
}
