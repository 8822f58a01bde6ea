/* Edits of session descriptions: what stands in place of each line, and what is put in behind it. */
#include "sip/sdp.h"

#include "base/text.h"

#include <stdio.h>

struct added {
    struct added *next;
    struct slice name; /* of the attribute; empty: none */
    struct slice text; /* of the line, without its end */
};

struct place {
    bool removed;
    bool changed;
    struct slice text; /* without the end; as long as it is not changed, that of the line */
    struct slice end;
    struct added *behind; /* in their order */
};

struct sip_sdp_edit {
    struct region *region;
    const struct sip_sdp *sdp;
    struct place *places; /* one for each line */
    struct slice line_end;
    int err;
};

struct sip_sdp_edit *sip_sdp_edit_new(struct region *region, const struct sip_sdp *sdp)
{
    struct sip_sdp_edit *e = region_alloc(region, sizeof *e);
    struct place *places = region_array(region, sdp->line_count, sizeof *places);
    if (!e || !places)
        return NULL;
    for (size_t i = 0; i < sdp->line_count; i++) {
        struct slice line = sdp->lines[i].line, value = sdp->lines[i].value;
        places[i].text = slice_of(line.p, 2 + value.n);
        places[i].end = slice_of(line.p + 2 + value.n, line.n - 2 - value.n);
    }
    *e = (struct sip_sdp_edit){.region = region, .sdp = sdp, .places = places, .line_end = places[0].end};
    return e;
}

static void fail(struct sip_sdp_edit *e, int err)
{
    if (!e->err)
        e->err = err;
}

static bool is_good(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == 0)
            return false;
    return true;
}

/* The parts one behind the other; empty with an error. */
static struct slice join(struct sip_sdp_edit *e, const struct slice *parts, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += parts[i].n;
        if (!is_good(parts[i]))
            fail(e, ERR_RANGE);
    }
    uint8_t *text = e->err ? NULL : region_alloc(e->region, n), *p = text;
    if (!text) {
        fail(e, ERR_NO_MEMORY);
        return (struct slice){NULL, 0};
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n)
            memcpy(p, parts[i].p, parts[i].n);
        p += parts[i].n;
    }
    return slice_of(text, n);
}

#define JOIN(e, ...) \
    join(e, (const struct slice[]){__VA_ARGS__}, sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice))

static void change(struct sip_sdp_edit *e, size_t line, struct slice text)
{
    if (e->err)
        return;
    e->places[line].text = text;
    e->places[line].changed = true;
}

/* Other octets for a part of what a line is now. */
static void splice(struct sip_sdp_edit *e, size_t line, struct slice old, struct slice octets)
{
    struct slice text = e->places[line].text;
    size_t before = (size_t)(old.p - text.p);
    change(e, line, JOIN(e, slice_of(text.p, before), octets, slice_of(old.p + old.n, text.n - before - old.n)));
}

static void add_behind(struct sip_sdp_edit *e, size_t line, struct slice name, struct slice text)
{
    struct added *added = e->err ? NULL : region_alloc(e->region, sizeof *added);
    struct added **at = &e->places[line].behind;
    if (!added) {
        fail(e, ERR_NO_MEMORY);
        return;
    }
    *added = (struct added){.name = name, .text = text};
    while (*at)
        at = &(*at)->next;
    *at = added;
}

/* The lines of a section. False, with the error: there is no such. */
static bool section(struct sip_sdp_edit *e, int media, size_t *ret_first, size_t *ret_end)
{
    bool known = media >= 0 && (size_t)media < e->sdp->media_count;
    if (!known && media != SIP_SDP_SESSION)
        fail(e, ERR_RANGE);
    if (e->err)
        return false;
    *ret_first = known ? e->sdp->media[media].first : 0;
    *ret_end = known ? *ret_first + e->sdp->media[media].count : e->sdp->session_lines;
    return true;
}

/* The nth word of a line's text behind its type. Empty: it has fewer. */
static struct slice word(const struct place *place, unsigned n)
{
    struct slice rest = slice_of(place->text.p + 2, place->text.n - 2), found = {NULL, 0};
    for (unsigned i = 0; i <= n; i++)
        found = rest.p ? text_cut(&rest, ' ') : (struct slice){NULL, 0};
    return found;
}

/* ---- o=, c= ---- */

static size_t origin_line(const struct sip_sdp_edit *e)
{
    size_t i = 0;
    while (e->sdp->lines[i].type != 'o')
        i++;
    return i;
}

void sip_sdp_edit_version(struct sip_sdp_edit *e, uint64_t version)
{
    char text[24];
    size_t line = origin_line(e);
    snprintf(text, sizeof text, "%llu", (unsigned long long)version);
    splice(e, line, word(&e->places[line], 2), slice_str(text));
}

/* "IN IP4 192.0.2.1" */
static struct slice address_text(struct sip_sdp_edit *e, const struct addr *address)
{
    char text[64];
    if (address->family != 4 && address->family != 6)
        fail(e, ERR_RANGE);
    return JOIN(e, slice_str(address->family == 6 ? "IN IP6 " : "IN IP4 "), slice_str(addr_format_ip(address, text)));
}

void sip_sdp_edit_origin_address(struct sip_sdp_edit *e, const struct addr *address)
{
    size_t line = origin_line(e);
    struct slice nettype = word(&e->places[line], 3), last = word(&e->places[line], 5);
    splice(e, line, slice_of(nettype.p, (size_t)(last.p + last.n - nettype.p)), address_text(e, address));
}

void sip_sdp_edit_connection(struct sip_sdp_edit *e, int media, const struct addr *address)
{
    size_t first, end;
    if (!section(e, media, &first, &end))
        return;
    struct slice text = JOIN(e, slice_str("c="), address_text(e, address));
    bool placed = false;
    for (size_t i = first; i < end; i++) {
        if (e->sdp->lines[i].type != 'c')
            continue;
        e->places[i].removed = placed;
        if (!placed)
            change(e, i, text);
        placed = true;
    }
    if (placed)
        return;
    /* Behind the last of those that stand before it. */
    size_t at = first;
    while (at + 1 < end && strchr(media == SIP_SDP_SESSION ? "vosiuep" : "i", e->sdp->lines[at + 1].type))
        at++;
    for (struct added *a = e->places[at].behind; a; a = a->next)
        if (a->text.n && a->text.p[0] == 'c') {
            a->text = text;
            return;
        }
    struct added *others = e->places[at].behind;
    e->places[at].behind = NULL;
    add_behind(e, at, (struct slice){NULL, 0}, text);
    if (e->places[at].behind)
        e->places[at].behind->next = others;
}

/* ---- m= ---- */

/* Its line now; false, with the error: there is no such. */
static bool media_line(struct sip_sdp_edit *e, int media, size_t *ret_line)
{
    size_t end;
    if (media == SIP_SDP_SESSION)
        fail(e, ERR_RANGE);
    return section(e, media, ret_line, &end);
}

void sip_sdp_edit_port(struct sip_sdp_edit *e, int media, uint16_t port)
{
    size_t line;
    char text[8];
    if (!media_line(e, media, &line))
        return;
    struct slice behind = word(&e->places[line], 1);
    snprintf(text, sizeof text, "%u", port);
    splice(e, line, text_cut(&behind, '/'), slice_str(text));
}

void sip_sdp_edit_protocol(struct sip_sdp_edit *e, int media, struct slice protocol)
{
    size_t line;
    if (!protocol.n || (protocol.n && memchr(protocol.p, ' ', protocol.n)))
        fail(e, ERR_RANGE);
    if (media_line(e, media, &line))
        splice(e, line, word(&e->places[line], 2), protocol);
}

/* The attribute is about this format. */
static bool is_about(struct slice text, const char *name, struct slice format)
{
    size_t n = strlen(name);
    struct slice rest = text;
    if (text.n < n + 3 || memcmp(text.p, "a=", 2) || memcmp(text.p + 2, name, n) || text.p[n + 2] != ':')
        return false;
    rest = slice_of(text.p + n + 3, text.n - n - 3);
    return slice_eq(text_cut(&rest, ' '), format);
}

void sip_sdp_edit_remove_format(struct sip_sdp_edit *e, int media, struct slice format)
{
    static const char *const about[] = {"rtpmap", "fmtp", "rtcp-fb"};
    size_t line, end;
    if (!media_line(e, media, &line))
        return;
    section(e, media, &line, &end);
    struct place *place = &e->places[line];
    unsigned n = 3;
    while (word(place, n).n && !slice_eq(word(place, n), format))
        n++;
    struct slice found = word(place, n);
    if (!found.n)
        return;
    if (n == 3 && !word(place, 4).n) {
        fail(e, ERR_CONFLICT);
        return;
    }
    splice(e, line, slice_of(found.p - 1, found.n + 1), (struct slice){NULL, 0});
    for (size_t i = line + 1; i < end; i++)
        for (size_t j = 0; j < sizeof about / sizeof *about; j++)
            e->places[i].removed |= is_about(e->places[i].text, about[j], format);
}

/* ---- a= ---- */

static struct slice attribute_text(struct sip_sdp_edit *e, struct slice name, struct slice value)
{
    return JOIN(e, slice_str("a="), name, slice_str(value.p ? ":" : ""), value);
}

static bool is_attribute(struct slice text, struct slice name)
{
    if (text.n < 2 || text.p[0] != 'a')
        return false;
    struct slice rest = slice_of(text.p + 2, text.n - 2);
    return slice_eq(text_cut(&rest, ':'), name);
}

static void remove_added(struct sip_sdp_edit *e, size_t line, struct slice name)
{
    for (struct added **at = &e->places[line].behind; *at;) {
        if (slice_eq((*at)->name, name))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
}

void sip_sdp_edit_remove(struct sip_sdp_edit *e, int media, const char *name)
{
    size_t first, end;
    if (!section(e, media, &first, &end))
        return;
    for (size_t i = first; i < end; i++) {
        e->places[i].removed |= is_attribute(e->places[i].text, slice_str(name));
        remove_added(e, i, slice_str(name));
    }
}

void sip_sdp_edit_add(struct sip_sdp_edit *e, int media, const char *name, struct slice value)
{
    size_t first, end;
    if (!section(e, media, &first, &end))
        return;
    struct slice kept = JOIN(e, slice_str(name));
    add_behind(e, end - 1, kept, attribute_text(e, kept, value));
}

void sip_sdp_edit_set(struct sip_sdp_edit *e, int media, const char *name, struct slice value)
{
    size_t first, end;
    if (!section(e, media, &first, &end))
        return;
    size_t at = first;
    while (at < end && (e->places[at].removed || !is_attribute(e->places[at].text, slice_str(name))))
        at++;
    sip_sdp_edit_remove(e, media, name);
    if (at == end) {
        sip_sdp_edit_add(e, media, name, value);
        return;
    }
    e->places[at].removed = false;
    change(e, at, attribute_text(e, slice_str(name), value));
}

static size_t index_of(const struct sip_sdp_edit *e, const struct sip_sdp_line *line)
{
    return (size_t)(line - e->sdp->lines);
}

void sip_sdp_edit_value(struct sip_sdp_edit *e, const struct sip_sdp_attribute *attribute, struct slice value)
{
    change(e, index_of(e, attribute->line), attribute_text(e, attribute->name, value));
}

void sip_sdp_edit_line(struct sip_sdp_edit *e, const struct sip_sdp_line *line, struct slice value)
{
    change(e, index_of(e, line), JOIN(e, slice_of(line->line.p, 2), value));
}

void sip_sdp_edit_remove_line(struct sip_sdp_edit *e, const struct sip_sdp_line *line)
{
    if (strchr("vostm", line->type))
        fail(e, ERR_CONFLICT);
    else
        e->places[index_of(e, line)].removed = true;
}

void sip_sdp_edit_direction(struct sip_sdp_edit *e, int media, enum sip_sdp_direction direction)
{
    for (int i = SIP_SDP_SENDRECV; i <= SIP_SDP_INACTIVE; i++)
        if (i != (int)direction)
            sip_sdp_edit_remove(e, media, sip_sdp_direction_name((enum sip_sdp_direction)i));
    sip_sdp_edit_set(e, media, sip_sdp_direction_name(direction), (struct slice){NULL, 0});
}

/* ---- writing ---- */

/* A line, and before it the end of the last one if that had none. */
static void put_line(const struct sip_sdp_edit *e, struct buf *out, size_t begin, struct slice text, struct slice end)
{
    if (out->n > begin && out->p[out->n - 1] != '\n')
        buf_slice_put(out, e->line_end);
    buf_slice_put(out, text);
    buf_slice_put(out, end);
}

static bool is_untouched(const struct place *place)
{
    return !place->removed && !place->changed && !place->behind;
}

int sip_sdp_edit_write(const struct sip_sdp_edit *e, struct buf *out)
{
    const struct sip_sdp_line *lines = e->sdp->lines;
    size_t begin = out->n;
    if (e->err)
        return e->err;
    for (size_t i = 0; i < e->sdp->line_count; i++) {
        const struct place *place = &e->places[i];
        size_t first = i;
        while (i + 1 < e->sdp->line_count && is_untouched(place) && is_untouched(place + 1))
            place = &e->places[++i];
        if (i > first) /* as they came, in one go; the last of them is put like any other */
            put_line(e, out, begin, slice_of(lines[first].line.p, (size_t)(lines[i].line.p - lines[first].line.p)),
                     (struct slice){NULL, 0});
        if (!place->removed)
            put_line(e, out, begin, place->text, place->end);
        for (const struct added *a = place->behind; a; a = a->next)
            put_line(e, out, begin, a->text, e->line_end);
    }
    buf_slice_put(out, e->sdp->tail);
    return out->err;
}
