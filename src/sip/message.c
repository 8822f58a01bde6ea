/* The parts of a message: start line, header fields, body. */
#include "sip/message.h"

#include "base/text.h"
#include "sip/cursor.h"
#include "sip/scan.h"

#define FIELDS_FIRST 24 /* room to begin with; most messages need no more */

/* ---- parsing ---- */

struct parser {
    struct region *region;
    struct sip_message *m;
    const uint8_t *p;
    const uint8_t *end;
    struct sip_field *fields;
    size_t room;
    uint16_t last[SIP_HEADER_COUNT];
    int err;
    struct fault fault;
};

__attribute__((cold)) static int fail(struct parser *r, int err, const uint8_t *at, const char *rule)
{
    if (!r->err) {
        r->err = err;
        r->fault = (struct fault){(size_t)(at - r->m->octets.p), rule};
    }
    return r->err;
}

/* What can be answered: kept for sip_check; the first counts. */
__attribute__((cold)) static void flaw(struct parser *r, int err, const uint8_t *at, const char *rule)
{
    if (!r->m->flaw_err) {
        r->m->flaw_err = err;
        r->m->flaw = (struct fault){(size_t)(at - r->m->octets.p), rule};
    }
}

/* True if the octet at p is the second of a quoted-pair: an odd number of backslashes before it. */
static bool is_escaped(const uint8_t *begin, const uint8_t *p)
{
    const uint8_t *first = p;
    while (first > begin && first[-1] == '\\')
        first--;
    return (p - first) % 2 != 0;
}

/* The CR of the line end (CR LF) that closes what begins at p, folded lines included if that is allowed; NULL on an error. Control characters
 * stand nowhere else, but for tabs and escaped ones: whatever is in a field that nobody reads goes on to others, who must not see another end
 * of the line in it. */
static const uint8_t *find_end(struct parser *r, const uint8_t *p, bool may_fold, const char *control_rule,
                               const char *missing_rule)
{
    const uint8_t *begin = p;
    for (; (p = sip_next_control(p, r->end)) < r->end; p++) {
        if (*p == '\r' && r->end - p >= 2 && p[1] == '\n') {
            bool folded = may_fold && r->end - p > 2 && (p[2] == ' ' || p[2] == '\t');
            if (!folded)
                return p;
            p += 2;
        } else if (*p == '\r' && r->end - p == 1) {
            break;
        } else if (*p != '\t' && (*p == '\r' || *p == '\n' || !is_escaped(begin, p))) {
            fail(r, ERR_SYNTAX, p, control_rule);
            return NULL;
        }
    }
    fail(r, ERR_TRUNCATED, r->end, missing_rule);
    return NULL;
}

#define START_RULE "start line, RFC 3261 7"

static int read_status_line(struct parser *r, const uint8_t *end)
{
    struct sip_message *m = r->m;
    const uint8_t *p = m->start_line.p + m->version.n;
    uint32_t status = 0;
    bool good;
    const uint8_t *next = sip_read_digits(p + 1, end, 699, &status, &good);
    if (next - p != 4 || !good || status < 100)
        return fail(r, ERR_RANGE, p + 1, "status, RFC 3261 7.2");
    if (next < end && *next != ' ') /* some leave out the space before an empty reason */
        return fail(r, ERR_SYNTAX, next, START_RULE);
    m->status = status;
    m->reason = next < end ? slice_of(next + 1, (size_t)(end - next - 1)) : slice_of(end, 0);
    return 0;
}

/* Method SP Request-URI SP SIP-Version. The URI is what stands between the outer spaces: white space in it is for sip_check to refuse. */
static int read_request_line(struct parser *r, const uint8_t *end)
{
    struct sip_message *m = r->m;
    const uint8_t *begin = m->start_line.p;
    const uint8_t *method_end = sip_span(begin, end, CHAR_TOKEN);
    if (method_end == begin || method_end == end || *method_end != ' ')
        return fail(r, ERR_SYNTAX, method_end, "method, RFC 3261 7.1");
    m->is_request = true;
    m->method_text = slice_of(begin, (size_t)(method_end - begin));
    m->method = sip_method_find(m->method_text);
    while (end[-1] == ' ' || end[-1] == '\t') {
        flaw(r, ERR_SYNTAX, end - 1, "white space behind the version, RFC 3261 7.1");
        end--;
    }
    const uint8_t *version = end;
    while (version > method_end && version[-1] != ' ')
        version--;
    if (version <= method_end + 1)
        return fail(r, ERR_SYNTAX, method_end, START_RULE);
    m->uri = slice_of(method_end + 1, (size_t)(version - 1 - (method_end + 1)));
    m->version = slice_of(version, (size_t)(end - version));
    return 0;
}

static int read_start_line(struct parser *r)
{
    struct sip_message *m = r->m;
    const uint8_t *end = find_end(r, r->p, false, "control character, RFC 3261 7.1", START_RULE);
    if (!end)
        return r->err;
    m->start_line = slice_of(r->p, (size_t)(end - r->p));
    r->p = end + 2;
    if (m->start_line.n < 10) /* "A a: SIP/2.0" and "SIP/2.0 100" are longer */
        return fail(r, ERR_SYNTAX, m->start_line.p, START_RULE);
    if (text_equal_nocase(slice_of(m->start_line.p, 8), slice_str("SIP/2.0 "))) {
        m->version = slice_of(m->start_line.p, 7);
        return read_status_line(r, end);
    }
    return read_request_line(r, end);
}

static struct sip_field *add_field(struct parser *r, const uint8_t *at)
{
    struct sip_message *m = r->m;
    if (m->field_count == SIP_HEADERS_MAX) {
        fail(r, ERR_LIMIT, at, "more header fields than allowed");
        return NULL;
    }
    if (m->field_count == r->room) {
        size_t room = r->room ? 2 * r->room : FIELDS_FIRST;
        struct sip_field *more = region_array(r->region, room, sizeof *more);
        if (!more) {
            fail(r, ERR_NO_MEMORY, at, NULL);
            return NULL;
        }
        if (r->room)
            memcpy(more, r->fields, r->room * sizeof *more);
        r->fields = more;
        r->room = room;
    }
    return &r->fields[m->field_count++];
}

static void link_field(struct parser *r, struct sip_field *f)
{
    uint16_t number = (uint16_t)r->m->field_count;
    if (f->header == SIP_OTHER_HEADER)
        return;
    if (r->last[f->header])
        r->fields[r->last[f->header] - 1].next = number;
    else
        r->m->first[f->header] = number;
    r->last[f->header] = number;
}

/* field-name HCOLON value CRLF, with the lines that continue it. */
static int read_field(struct parser *r)
{
    const char *missing = "header field without its end, RFC 3261 7.3.1";
    const uint8_t *begin = r->p;
    const uint8_t *name_end = sip_span(begin, r->end, CHAR_TOKEN);
    const uint8_t *colon = name_end;
    while (colon < r->end && (*colon == ' ' || *colon == '\t'))
        colon++;
    if (colon == r->end)
        return fail(r, ERR_TRUNCATED, r->end, missing);
    if (name_end == begin || *colon != ':')
        return fail(r, ERR_SYNTAX, colon, "header field's name, RFC 3261 7.3.1");
    const uint8_t *end = find_end(r, colon + 1, true, "control character in a header field, RFC 3261 25.1", missing);
    if (!end)
        return r->err;
    if ((size_t)(end + 2 - begin) > SIP_HEADER_OCTETS_MAX)
        return fail(r, ERR_LIMIT, begin, "header field longer than allowed");
    struct sip_field *f = add_field(r, begin);
    if (!f)
        return r->err;
    f->name = slice_of(begin, (size_t)(name_end - begin));
    f->header = sip_header_find(f->name);
    const uint8_t *value = sip_skip_space(colon + 1, end);
    const uint8_t *value_end = end;
    while (value_end > value &&
           (value_end[-1] == ' ' || value_end[-1] == '\t' || value_end[-1] == '\r' || value_end[-1] == '\n'))
        value_end--;
    f->value = slice_of(value, (size_t)(value_end - value));
    f->line = slice_of(begin, (size_t)(end + 2 - begin));
    link_field(r, f);
    r->p = end + 2;
    return 0;
}

static int read_fields(struct parser *r)
{
    for (;;) {
        if (r->end - r->p < 2)
            return fail(r, ERR_TRUNCATED, r->end, "empty line behind the header fields, RFC 3261 7");
        if (r->p[0] == '\r' && r->p[1] == '\n')
            break;
        int err = read_field(r);
        if (err < 0)
            return err;
    }
    r->m->fields = r->fields;
    r->p += 2;
    return 0;
}

/* Of Content-Length; all that is left if that cannot be relied on. */
static size_t body_octets(struct parser *r, enum sip_carrier carrier)
{
    struct sip_message *m = r->m;
    size_t left = (size_t)(r->end - r->p);
    const struct sip_field *f = sip_field_first(m, SIP_CONTENT_LENGTH);
    uint32_t octets;
    if (!f) {
        if (carrier == SIP_STREAM)
            flaw(r, ERR_SYNTAX, r->p, "Content-Length missing on a stream, RFC 3261 18.3");
        return left;
    }
    struct sip_cursor c = sip_field_cursor(m, f);
    if (f->next) {
        flaw(r, ERR_SYNTAX, sip_field_next(m, f)->line.p, "more than one Content-Length, RFC 3261 7.3.1");
        return left;
    }
    if (sip_read_number(&c, UINT32_MAX, &octets) < 0) {
        flaw(r, c.err, m->octets.p + c.fault.octet, "Content-Length, RFC 3261 20.14");
        return left;
    }
    if (octets > left) {
        flaw(r, ERR_TRUNCATED, r->end, "body shorter than Content-Length, RFC 3261 18.3");
        return left;
    }
    if (octets < left && carrier == SIP_STREAM)
        flaw(r, ERR_RANGE, r->p + octets, "octets behind the body, RFC 3261 18.3");
    return octets;
}

int sip_parse(struct region *region, struct slice octets, enum sip_carrier carrier, struct sip_message *ret_message,
              struct fault *ret_fault)
{
    while (octets.n >= 2 && octets.p[0] == '\r' && octets.p[1] == '\n') /* 7.5 */
        octets = slice_of(octets.p + 2, octets.n - 2);
    struct sip_message m = {.octets = octets, .max_forwards = 70};
    struct parser r = {.region = region, .m = &m, .p = octets.p, .end = sip_end_of(octets)};
    if (octets.n > SIP_MESSAGE_OCTETS_MAX)
        fail(&r, ERR_LIMIT, octets.p, "message longer than allowed");
    else if (read_start_line(&r) == 0 && read_fields(&r) == 0) {
        m.body = slice_of(r.p, body_octets(&r, carrier));
        m.octets.n = (size_t)(m.body.p + m.body.n - octets.p);
        *ret_message = m;
        return 0;
    }
    if (ret_fault)
        *ret_fault = r.fault;
    return r.err;
}

/* ---- looking up ---- */

const struct sip_field *sip_field_first(const struct sip_message *message, enum sip_header header)
{
    uint16_t number = message->first[header];
    return number ? &message->fields[number - 1] : NULL;
}

const struct sip_field *sip_field_next(const struct sip_message *message, const struct sip_field *after)
{
    return after->next ? &message->fields[after->next - 1] : NULL;
}

const struct sip_field *sip_field_named(const struct sip_message *message, const char *name)
{
    struct slice wanted = slice_str(name);
    for (size_t i = 0; i < message->field_count; i++)
        if (text_equal_nocase(message->fields[i].name, wanted))
            return &message->fields[i];
    return NULL;
}

struct sip_cursor sip_field_cursor(const struct sip_message *message, const struct sip_field *field)
{
    struct sip_cursor c;
    sip_cursor_init(&c, message->octets, field->value);
    return c;
}

bool sip_lists(const struct sip_message *message, enum sip_header header, const char *token)
{
    for (const struct sip_field *f = sip_field_first(message, header); f; f = sip_field_next(message, f)) {
        struct sip_cursor c = sip_field_cursor(message, f);
        struct slice found;
        while (sip_read_token(&c, &found))
            if (text_equal_nocase(found, slice_str(token)))
                return true;
    }
    return false;
}

size_t sip_unsupported(const struct sip_message *message, enum sip_header header, const char *const *supported,
                       size_t supported_count, struct buf *out)
{
    size_t count = 0;
    for (const struct sip_field *f = sip_field_first(message, header); f; f = sip_field_next(message, f)) {
        struct sip_cursor c = sip_field_cursor(message, f);
        struct slice tag;
        while (sip_read_token(&c, &tag)) {
            bool known = false;
            for (size_t i = 0; i < supported_count && !known; i++)
                known = text_equal_nocase(tag, slice_str(supported[i]));
            if (known)
                continue;
            if (count++)
                buf_str(out, ", ");
            buf_slice_put(out, tag);
        }
    }
    return count;
}
