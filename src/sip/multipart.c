/* Parts of bodies: delimiters, the header fields behind them, and a search through all. */
#include "sip/multipart.h"

#include "base/text.h"
#include "sip/scan.h"

/* ---- lines ---- */

/* Takes one line off the rest; without its end. */
static struct slice take_line(struct slice *rest)
{
    const uint8_t *end = memchr(rest->p, '\n', rest->n);
    size_t n = end ? (size_t)(end - rest->p) + 1 : rest->n, text = end ? n - 1 : n;
    struct slice line = slice_of(rest->p, text && end && rest->p[text - 1] == '\r' ? text - 1 : text);
    *rest = slice_of(rest->p + n, rest->n - n);
    return line;
}

/* From a begin to an end, without the line end before it, which belongs to the delimiter. */
static struct slice until_delimiter(const uint8_t *begin, const uint8_t *end)
{
    if (end > begin && end[-1] == '\n')
        end -= end - begin > 1 && end[-2] == '\r' ? 2 : 1;
    return slice_of(begin, (size_t)(end - begin));
}

enum delimiter { DELIMITER_NONE, DELIMITER_NEXT, DELIMITER_CLOSE };

/* "--" boundary, "--" at the last one, and white space (transport-padding). */
static enum delimiter delimiter_of(struct slice line, struct slice boundary)
{
    size_t n = boundary.n + 2;
    enum delimiter found = DELIMITER_NEXT;
    if (line.n < n || memcmp(line.p, "--", 2) || memcmp(line.p + 2, boundary.p, boundary.n))
        return DELIMITER_NONE;
    if (line.n >= n + 2 && !memcmp(line.p + n, "--", 2)) {
        found = DELIMITER_CLOSE;
        n += 2;
    }
    return text_trim(slice_of(line.p + n, line.n - n)).n ? DELIMITER_NONE : found;
}

/* ---- parts ---- */

static bool is_plain(struct slice encoding)
{
    return text_equal_nocase(encoding, slice_str("binary")) || text_equal_nocase(encoding, slice_str("8bit")) ||
           text_equal_nocase(encoding, slice_str("7bit")) || text_equal_nocase(encoding, slice_str("identity"));
}

static void note_field(struct sip_part *part, struct slice name, struct slice value)
{
    enum sip_header header = sip_header_find(name);
    if (header == SIP_CONTENT_TYPE)
        part->type = value;
    else if (header == SIP_CONTENT_DISPOSITION)
        part->disposition = value;
    else if (header == SIP_CONTENT_LENGTH)
        part->length = value;
    else if (header == SIP_CONTENT_ENCODING || text_equal_nocase(name, slice_str("Content-Transfer-Encoding")))
        part->encoded |= !is_plain(value);
}

static struct slice without_space(const uint8_t *begin, const uint8_t *end)
{
    begin = sip_skip_space(begin, end);
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r' || end[-1] == '\n'))
        end--;
    return slice_of(begin, (size_t)(end - begin));
}

/* Header fields up to an empty line, then the body; without an empty line there is no body. */
static int read_part(struct slice octets, struct sip_part *ret_part, const uint8_t **ret_wrong)
{
    struct sip_part part = {0};
    struct slice rest = octets;
    const uint8_t *head_end = octets.p + octets.n;
    while (rest.n) {
        struct slice line = take_line(&rest);
        if (line.n == 0) {
            head_end = line.p;
            part.body = rest;
            break;
        }
        while (rest.n && (*rest.p == ' ' || *rest.p == '\t'))
            take_line(&rest);
        const uint8_t *end = sip_span(line.p, line.p + line.n, CHAR_TOKEN), *colon = end;
        while (colon < line.p + line.n && (*colon == ' ' || *colon == '\t'))
            colon++;
        *ret_wrong = colon;
        if (end == line.p || colon == line.p + line.n || *colon != ':')
            return ERR_SYNTAX;
        note_field(&part, slice_of(line.p, (size_t)(end - line.p)), without_space(colon + 1, rest.p));
    }
    part.head = slice_of(octets.p, (size_t)(head_end - octets.p));
    *ret_part = part;
    return 0;
}

/* What is wrong, and where: in the type, or in the body. */
struct wrong {
    const uint8_t *at;
    const char *rule;
};

static int refuse(struct wrong *ret_wrong, int err, const uint8_t *at, const char *rule)
{
    *ret_wrong = (struct wrong){at, rule};
    return err;
}

/* The boundary of a type, without quotes; it has no escapes. */
static int read_boundary(struct slice type, struct slice *ret_boundary, struct wrong *ret_wrong)
{
    struct sip_cursor c;
    struct sip_media_type t;
    struct slice b;
    sip_cursor_init(&c, type, type);
    if (sip_read_media_type(&c, &t) < 0)
        return refuse(ret_wrong, c.err, type.p + c.fault.octet, c.fault.rule);
    if (!text_equal_nocase(t.type, slice_str("multipart")))
        return ERR_NOT_FOUND;
    if (!sip_param_find(t.params, "boundary", &b) || !b.p)
        return refuse(ret_wrong, ERR_SYNTAX, type.p + type.n, "multipart without a boundary, RFC 2046 5.1.1");
    if (b.n >= 2 && b.p[0] == '"')
        b = slice_of(b.p + 1, b.n - 2);
    if (!b.n || b.n > SIP_BOUNDARY_OCTETS_MAX || memchr(b.p, '\\', b.n) || memchr(b.p, '\r', b.n) ||
        b.p[b.n - 1] == ' ')
        return refuse(ret_wrong, ERR_SYNTAX, b.p, "boundary, RFC 2046 5.1.1");
    *ret_boundary = b;
    return 0;
}

/* Keeps a part that ends where the delimiter's line begins. */
static int add_part(struct sip_part *parts, size_t *count, const uint8_t *begin, const uint8_t *end,
                    struct wrong *ret_wrong)
{
    const uint8_t *at = begin;
    if (*count >= SIP_PARTS_MAX)
        return refuse(ret_wrong, ERR_LIMIT, begin, "number of parts");
    if (read_part(until_delimiter(begin, end), &parts[*count], &at) < 0)
        return refuse(ret_wrong, ERR_SYNTAX, at, "header field of a part, RFC 2046 5.1");
    *count += 1;
    return 0;
}

static int parse(struct region *region, struct slice type, struct slice body, struct sip_multipart *ret_multipart,
                 struct wrong *ret_wrong)
{
    struct slice boundary, rest = body;
    const uint8_t *begin = NULL; /* of the part that is being read; NULL: before the first delimiter */
    enum delimiter found = DELIMITER_NONE;
    size_t count = 0;
    int err = read_boundary(type, &boundary, ret_wrong);
    if (err)
        return err;
    struct sip_part *parts = region_array(region, SIP_PARTS_MAX, sizeof *parts);
    if (!parts)
        return ERR_NO_MEMORY;
    while (rest.n && found != DELIMITER_CLOSE) {
        struct slice line = take_line(&rest);
        found = delimiter_of(line, boundary);
        if (found == DELIMITER_NONE)
            continue;
        if (begin)
            err = add_part(parts, &count, begin, line.p, ret_wrong);
        if (err)
            return err;
        begin = rest.p;
    }
    if (found != DELIMITER_CLOSE)
        return refuse(ret_wrong, ERR_TRUNCATED, sip_end_of(body), "closing delimiter, RFC 2046 5.1.1");
    if (!count)
        return refuse(ret_wrong, ERR_SYNTAX, body.p, "at least one part, RFC 2046 5.1.1");
    *ret_multipart = (struct sip_multipart){boundary, parts, count};
    return 0;
}

int sip_multipart_parse(struct region *region, struct slice type, struct slice body,
                        struct sip_multipart *ret_multipart, struct fault *ret_fault)
{
    struct wrong wrong = {0};
    int err = parse(region, type, body, ret_multipart, &wrong);
    if (wrong.rule && ret_fault) {
        bool in_type = wrong.at >= type.p && wrong.at <= sip_end_of(type);
        *ret_fault = (struct fault){wrong.at ? (size_t)(wrong.at - (in_type ? type.p : body.p)) : 0, wrong.rule};
    }
    return err;
}

/* ---- a search through all ---- */

struct search {
    struct region *region;
    const char *type, *subtype;
    struct sip_body body;
    struct wrong wrong;
};

static int search_part(struct search *s, const struct sip_part *part, size_t depth);

static int search_multipart(struct search *s, const struct sip_part *outer, size_t depth)
{
    struct sip_multipart m;
    int err = parse(s->region, outer->type, outer->body, &m, &s->wrong);
    if (err)
        return err;
    if (depth >= SIP_PART_DEPTH_MAX)
        return refuse(&s->wrong, ERR_LIMIT, outer->body.p, "multipart bodies within each other");
    s->body.boundaries[depth] = m.boundary;
    for (size_t i = 0; i < m.part_count; i++) {
        s->body.lengths[depth] = m.parts[i].length;
        err = search_part(s, &m.parts[i], depth + 1);
        if (err != ERR_NOT_FOUND)
            return err;
    }
    return ERR_NOT_FOUND;
}

/* What has no body, or no type that can be read, is not what is looked for. */
static int search_part(struct search *s, const struct sip_part *part, size_t depth)
{
    struct sip_cursor c;
    struct sip_media_type t;
    sip_cursor_init(&c, part->type, part->type);
    if (!part->body.p || sip_read_media_type(&c, &t) < 0)
        return ERR_NOT_FOUND;
    if (!text_equal_nocase(t.type, slice_str(s->type)) || !text_equal_nocase(t.subtype, slice_str(s->subtype)))
        return part->encoded ? ERR_NOT_FOUND : search_multipart(s, part, depth);
    if (part->encoded)
        return ERR_UNSUPPORTED;
    s->body.octets = part->body;
    s->body.depth = depth;
    return 0;
}

int sip_body_find(struct region *region, const struct sip_message *message, const char *type, const char *subtype,
                  struct sip_body *ret_body, struct fault *ret_fault)
{
    const struct sip_field *content = sip_field_first(message, SIP_CONTENT_TYPE);
    const struct sip_field *encoding = sip_field_first(message, SIP_CONTENT_ENCODING);
    struct sip_part all = {.body = message->body};
    struct search s = {.region = region, .type = type, .subtype = subtype};
    if (!content || !message->body.n)
        return ERR_NOT_FOUND;
    all.type = content->value;
    all.encoded = encoding && !is_plain(encoding->value);
    int err = search_part(&s, &all, 0);
    if (!err)
        *ret_body = s.body;
    else if (s.wrong.rule && ret_fault)
        *ret_fault = (struct fault){(size_t)(s.wrong.at - message->octets.p), s.wrong.rule};
    return err;
}

static bool has_delimiter(struct slice octets, struct slice boundary)
{
    while (octets.n)
        if (delimiter_of(take_line(&octets), boundary))
            return true;
    return false;
}

/* A part's Content-Length counts what changes inside of it. Lengths stand in the order of the octets, before the body. */
int sip_body_replace(const struct sip_message *message, const struct sip_body *body, struct slice octets,
                     struct buf *out)
{
    const uint8_t *at = message->body.p, *end = message->body.p + message->body.n;
    for (size_t i = 0; i < body->depth; i++)
        if (has_delimiter(octets, body->boundaries[i]))
            return ERR_CONFLICT;
    for (size_t i = 0; i < body->depth; i++) {
        struct slice length = body->lengths[i];
        uint64_t value;
        if (u64_parse(length, SIP_MESSAGE_OCTETS_MAX, &value) < 0 || value + octets.n < body->octets.n)
            continue;
        buf_put(out, at, (size_t)(length.p - at));
        buf_printf(out, "%llu", (unsigned long long)(value + octets.n - body->octets.n));
        at = length.p + length.n;
    }
    buf_put(out, at, (size_t)(body->octets.p - at));
    buf_slice_put(out, octets);
    at = body->octets.p + body->octets.n;
    buf_put(out, at, (size_t)(end - at));
    return out->err;
}
