/* Session descriptions: lines, and what they say. */
#include "sip/sdp.h"

#include "base/text.h"

#include <limits.h>

/* ---- the order of lines ----
 * Types stand in a fixed order, some may be repeated, and t= with its r= and z= may come again. */

#define ORDER "order of lines, RFC 8866 9"

struct order {
    const char *sequence;
    const char *repeated;
    const char *place; /* in the sequence: the last line's */
    bool has_place;
    unsigned seen; /* bits of "vost", which a session must have */
};

static const char mandatory[] = "vost";

static void order_begin(struct order *o, bool is_media)
{
    o->sequence = is_media ? "icbka" : "vosiuepcbtrzka";
    o->repeated = is_media ? "cba" : "epbtra";
    o->has_place = false;
}

static bool order_take(struct order *o, char type)
{
    const char *place = strchr(o->sequence, type);
    if (!place)
        return false;
    bool again = o->has_place && type == 't' && strchr("rz", *o->place);
    if (o->has_place && !again && (place < o->place || (place == o->place && !strchr(o->repeated, type))))
        return false;
    const char *bit = strchr(mandatory, type);
    if (bit)
        o->seen |= 1U << (bit - mandatory);
    /* What is left out before it must not be mandatory. */
    for (const char *p = o->has_place ? o->place : o->sequence; p < place; p++) {
        bit = strchr(mandatory, *p);
        if (bit && !(o->seen & 1U << (bit - mandatory)))
            return false;
    }
    o->place = place;
    o->has_place = true;
    return true;
}

static bool order_is_complete(const struct order *o)
{
    return o->seen == (1U << (sizeof mandatory - 1)) - 1;
}

/* ---- reading lines ---- */

struct reading {
    struct region *region;
    struct slice octets;
    struct sip_sdp_line *lines;
    struct sip_sdp_media *media;
    struct sip_sdp sdp;
    struct order order;
    int err;
    struct fault fault;
};

static void fail(struct reading *r, int err, const uint8_t *at, const char *rule)
{
    if (r->err)
        return;
    r->err = err;
    r->fault = (struct fault){at ? (size_t)(at - r->octets.p) : 0, rule};
}

/* The next part up to a single space. False: it is empty. */
static bool cut_word(struct slice *rest, struct slice *ret_word)
{
    *ret_word = text_cut(rest, ' ');
    return ret_word->n > 0;
}

/* Of any length. */
static bool is_number(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
    }
    return text.n > 0;
}

static void read_origin(struct reading *r, struct slice value)
{
    struct sip_sdp_origin *o = &r->sdp.origin;
    struct slice rest = value;
    if (!cut_word(&rest, &o->username) || !cut_word(&rest, &o->session_id) || !cut_word(&rest, &o->version) ||
        !cut_word(&rest, &o->nettype) || !cut_word(&rest, &o->addrtype) || !cut_word(&rest, &o->address) || rest.p) {
        fail(r, ERR_SYNTAX, value.p, "o=, RFC 8866 5.2");
        return;
    }
    if (!is_number(o->session_id))
        fail(r, ERR_SYNTAX, o->session_id.p, "sess-id, RFC 8866 5.2");
    int err = u64_parse(o->version, UINT64_MAX, &o->version_number);
    if (err)
        fail(r, err, o->version.p, "sess-version, RFC 8866 5.2");
}

static bool read_connection(struct slice value, struct sip_sdp_connection *ret_connection)
{
    struct sip_sdp_connection c;
    struct slice rest = value;
    if (!cut_word(&rest, &c.nettype) || !cut_word(&rest, &c.addrtype) || !cut_word(&rest, &c.address) || rest.p)
        return false;
    struct slice behind = c.address;
    c.address = text_cut(&behind, '/');
    if (!c.address.n)
        return false;
    *ret_connection = c;
    return true;
}

/* m=<media> <port>["/"<count>] <proto> <fmt> … The line may be of the edit, too. */
static int read_media(struct slice value, struct sip_sdp_media *ret_media, struct slice *ret_wrong)
{
    struct sip_sdp_media m = {.port_count = 1};
    struct slice rest = value, count;
    uint64_t number;
    *ret_wrong = value;
    if (!cut_word(&rest, &m.media) || !cut_word(&rest, &m.port_text) || !cut_word(&rest, &m.protocol) || !rest.n)
        return ERR_SYNTAX;
    m.formats = rest;
    for (struct slice format; rest.p;)
        if (!cut_word(&rest, &format))
            return ERR_SYNTAX;
    count = m.port_text;
    *ret_wrong = count;
    m.port_text = text_cut(&count, '/');
    int err = u64_parse(m.port_text, UINT16_MAX, &number);
    if (err)
        return err;
    m.port = (uint16_t)number;
    if (count.p) {
        err = u64_parse(count, UINT16_MAX, &number);
        if (err || number == 0)
            return err ? err : ERR_RANGE;
        m.port_count = (uint16_t)number;
    }
    *ret_media = m;
    return 0;
}

static void begin_media(struct reading *r, const struct sip_sdp_line *line)
{
    struct sip_sdp_media *m = &r->media[r->sdp.media_count];
    struct slice wrong;
    if (r->sdp.media_count >= SIP_SDP_MEDIA_MAX) {
        fail(r, ERR_LIMIT, line->line.p, "number of m=");
        return;
    }
    if (!order_is_complete(&r->order)) {
        fail(r, ERR_TRUNCATED, line->line.p, "v=, o=, s= and t= before m=, RFC 8866 5");
        return;
    }
    int err = read_media(line->value, m, &wrong);
    if (err)
        fail(r, err, wrong.p, "m=, RFC 8866 5.14");
    order_begin(&r->order, true);
    m->first = r->sdp.line_count;
    m->count = 0;
    r->sdp.media_count++;
}

static void read_line(struct reading *r, const struct sip_sdp_line *line)
{
    struct sip_sdp_connection connection;
    if (line->type == 'm')
        begin_media(r, line);
    else if (!order_take(&r->order, line->type))
        fail(r, ERR_SYNTAX, line->line.p, ORDER);
    else if (line->type == 'v' && !slice_eq_str(line->value, "0"))
        fail(r, ERR_SYNTAX, line->value.p, "v=0, RFC 8866 5.1");
    else if (line->type == 'o')
        read_origin(r, line->value);
    else if (line->type == 'c' && !read_connection(line->value, &connection))
        fail(r, ERR_SYNTAX, line->value.p, "c=, RFC 8866 5.7");
    else if (line->type == 'a' && (line->value.n == 0 || line->value.p[0] == ':'))
        fail(r, ERR_SYNTAX, line->value.p, "a=, RFC 8866 5.13");
    if (r->sdp.media_count)
        r->media[r->sdp.media_count - 1].count++;
    else
        r->sdp.session_lines++;
    r->lines[r->sdp.line_count++] = *line;
}

/* One line from the octets: 0 or the error. */
static struct slice take_line(struct reading *r, struct slice rest, struct sip_sdp_line *ret_line)
{
    const uint8_t *end = memchr(rest.p, '\n', rest.n);
    size_t n = end ? (size_t)(end - rest.p) + 1 : rest.n, text = n;
    if (end)
        text -= n > 1 && end[-1] == '\r' ? 2 : 1;
    const uint8_t *cr = memchr(rest.p, '\r', text), *nul = memchr(rest.p, 0, text);
    if (cr || nul)
        fail(r, ERR_SYNTAX, cr ? cr : nul, "CR or NUL within a line, RFC 8866 9");
    else if (text < 2 || rest.p[1] != '=')
        fail(r, ERR_SYNTAX, rest.p, "line without a type, RFC 8866 5");
    else
        *ret_line = (struct sip_sdp_line){(char)rest.p[0], slice_of(rest.p, n), slice_of(rest.p + 2, text - 2)};
    return slice_of(rest.p + n, rest.n - n);
}

/* Lines, and those of them that begin with m; an unfinished one counts. */
static void count_lines(struct slice s, size_t *ret_lines, size_t *ret_media)
{
    const uint8_t *p = s.p, *end = s.n ? s.p + s.n : s.p;
    size_t lines = 0, media = 0;
    while (p < end) {
        const uint8_t *next = memchr(p, '\n', (size_t)(end - p));
        lines++;
        media += *p == 'm';
        p = next ? next + 1 : end;
    }
    *ret_lines = lines;
    *ret_media = media;
}

/* The line ends behind the last line's own. */
static struct slice tail_of(struct slice octets)
{
    size_t n = octets.n;
    while (n && (octets.p[n - 1] == '\r' || octets.p[n - 1] == '\n'))
        n--;
    if (octets.n - n > 1 && octets.p[n] == '\r' && octets.p[n + 1] == '\n')
        n += 2;
    else if (octets.n > n && octets.p[n] == '\n')
        n++;
    return octets.n > n ? slice_of(octets.p + n, octets.n - n) : (struct slice){NULL, 0};
}

int sip_sdp_parse(struct region *region, struct slice octets, struct sip_sdp *ret_sdp, struct fault *ret_fault)
{
    struct reading r = {.region = region, .octets = octets};
    size_t lines, media;
    count_lines(octets, &lines, &media);
    r.sdp.octets = octets;
    r.sdp.tail = tail_of(octets);
    if (lines > SIP_SDP_LINES_MAX) {
        fail(&r, ERR_LIMIT, octets.p, "number of lines");
    } else {
        r.lines = region_array(region, lines, sizeof *r.lines);
        r.media = region_array(region, media < SIP_SDP_MEDIA_MAX ? media + 1 : SIP_SDP_MEDIA_MAX + 1, sizeof *r.media);
        if (!r.lines || !r.media)
            return ERR_NO_MEMORY;
    }
    order_begin(&r.order, false);
    for (struct slice rest = slice_of(octets.p, octets.n - r.sdp.tail.n); !r.err && rest.n;) {
        struct sip_sdp_line line;
        rest = take_line(&r, rest, &line);
        if (!r.err)
            read_line(&r, &line);
    }
    if (!r.sdp.media_count && !order_is_complete(&r.order))
        fail(&r, ERR_TRUNCATED, octets.n ? octets.p + octets.n : NULL, "v=, o=, s= and t=, RFC 8866 5");
    if (r.err) {
        if (ret_fault)
            *ret_fault = r.fault;
        return r.err;
    }
    r.sdp.lines = r.lines;
    r.sdp.media = r.media;
    *ret_sdp = r.sdp;
    return 0;
}

/* ---- values ---- */

/* The own lines of a section. Of an unknown one: none. */
static void section_of(const struct sip_sdp *sdp, int media, size_t *ret_first, size_t *ret_count)
{
    bool known = media >= 0 && (size_t)media < sdp->media_count;
    *ret_first = known ? sdp->media[media].first : 0;
    *ret_count = known ? sdp->media[media].count : media == SIP_SDP_SESSION ? sdp->session_lines : 0;
}

static bool own_connection(const struct sip_sdp *sdp, int media, struct sip_sdp_connection *ret_connection)
{
    size_t first, count;
    section_of(sdp, media, &first, &count);
    for (size_t i = first; i < first + count; i++)
        if (sdp->lines[i].type == 'c')
            return read_connection(sdp->lines[i].value, ret_connection);
    return false;
}

bool sip_sdp_connection(const struct sip_sdp *sdp, int media, struct sip_sdp_connection *ret_connection)
{
    return own_connection(sdp, media, ret_connection) || own_connection(sdp, SIP_SDP_SESSION, ret_connection);
}

static struct sip_sdp_attribute attribute_of(const struct sip_sdp_line *line)
{
    struct sip_sdp_attribute a = {.line = line, .value = line->value};
    a.name = text_cut(&a.value, ':');
    return a;
}

bool sip_sdp_attribute_next(const struct sip_sdp *sdp, int media, const char *name, size_t *position,
                            struct sip_sdp_attribute *ret_attribute)
{
    size_t first, count;
    section_of(sdp, media, &first, &count);
    while (*position < count) {
        const struct sip_sdp_line *line = &sdp->lines[first + (*position)++];
        if (line->type != 'a')
            continue;
        struct sip_sdp_attribute a = attribute_of(line);
        if (name && !slice_eq_str(a.name, name))
            continue;
        *ret_attribute = a;
        return true;
    }
    return false;
}

bool sip_sdp_attribute_first(const struct sip_sdp *sdp, int media, const char *name,
                             struct sip_sdp_attribute *ret_attribute)
{
    size_t position = 0;
    return sip_sdp_attribute_next(sdp, media, name, &position, ret_attribute);
}

bool sip_sdp_attribute_of_format(const struct sip_sdp *sdp, int media, const char *name, struct slice format,
                                 struct sip_sdp_attribute *ret_attribute)
{
    struct sip_sdp_attribute a;
    for (size_t position = 0; sip_sdp_attribute_next(sdp, media, name, &position, &a);) {
        struct slice about = text_cut(&a.value, ' ');
        if (!slice_eq(about, format))
            continue;
        *ret_attribute = a;
        return true;
    }
    return false;
}

static const char *const directions[] = {"sendrecv", "sendonly", "recvonly", "inactive"};

const char *sip_sdp_direction_name(enum sip_sdp_direction direction)
{
    return directions[direction];
}

static bool own_direction(const struct sip_sdp *sdp, int media, enum sip_sdp_direction *ret_direction)
{
    struct sip_sdp_attribute a;
    for (size_t position = 0; sip_sdp_attribute_next(sdp, media, NULL, &position, &a);)
        for (unsigned i = 0; i < sizeof directions / sizeof *directions; i++)
            if (!a.value.p && slice_eq_str(a.name, directions[i])) {
                *ret_direction = (enum sip_sdp_direction)i;
                return true;
            }
    return false;
}

enum sip_sdp_direction sip_sdp_direction(const struct sip_sdp *sdp, int media)
{
    enum sip_sdp_direction direction = SIP_SDP_SENDRECV;
    if (!own_direction(sdp, media, &direction))
        own_direction(sdp, SIP_SDP_SESSION, &direction);
    return direction;
}

enum sip_sdp_direction sip_sdp_reverse(enum sip_sdp_direction direction)
{
    return direction == SIP_SDP_SENDONLY   ? SIP_SDP_RECVONLY
           : direction == SIP_SDP_RECVONLY ? SIP_SDP_SENDONLY
                                           : direction;
}

bool sip_sdp_holds(const struct sip_sdp *sdp, int media)
{
    struct sip_sdp_connection c;
    enum sip_sdp_direction direction = sip_sdp_direction(sdp, media);
    if (direction == SIP_SDP_SENDONLY || direction == SIP_SDP_INACTIVE)
        return true;
    return sip_sdp_connection(sdp, media, &c) && slice_eq_str(c.address, "0.0.0.0");
}
