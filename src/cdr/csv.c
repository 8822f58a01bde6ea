/* The streaming reader of comma-separated values. */
#include "cdr/csv.h"

#include "base/err.h"

void csv_init(struct csv *c, enum csv_quoting quoting, uint64_t offset, uint64_t line)
{
    *c = (struct csv){.quoting = quoting, .offset = offset, .line = line};
    buf_init(&c->octets, CSV_RECORD_OCTETS_MAX + CSV_FEED_OCTETS_MAX);
    buf_init(&c->text, CSV_RECORD_OCTETS_MAX);
}

void csv_fini(struct csv *c)
{
    buf_fini(&c->octets);
    buf_fini(&c->text);
}

int csv_feed(struct csv *c, struct slice octets)
{
    buf_drop(&c->octets, c->at);
    c->at = 0;
    buf_slice_put(&c->octets, octets);
    return c->octets.err;
}

void csv_end(struct csv *c)
{
    c->ended = true;
}

/* A record being taken apart. Its octets are those of the reader from `at`. */
struct scan {
    const uint8_t *p;
    size_t n;       /* octets at hand */
    size_t i;       /* the next one */
    uint64_t lines; /* ends of lines passed */
    struct buf *text;
    size_t starts[CSV_FIELDS_MAX + 1]; /* in text */
    size_t field_count;
    const char *rule;
};

enum outcome { RECORD, MORE, BAD };

static enum outcome bad(struct scan *s, const char *rule)
{
    s->rule = rule;
    return BAD;
}

static bool at_end_of_line(const struct scan *s, size_t i)
{
    return i == s->n || s->p[i] == '\n' || (s->p[i] == '\r' && (i + 1 == s->n || s->p[i + 1] == '\n'));
}

/* The text within quotes, up to and with the closing one. */
static enum outcome scan_quoted(struct scan *s, enum csv_quoting quoting)
{
    for (;;) {
        if (s->i == s->n)
            return MORE;
        uint8_t c = s->p[s->i++];
        if (c == 0)
            return bad(s, "a line has no NUL");
        if (c == '\n')
            s->lines++;
        if (c != '"') {
            buf_u8(s->text, c);
            continue;
        }
        bool closes = at_end_of_line(s, s->i) || s->p[s->i] == ',';
        if (s->i < s->n && s->p[s->i] == '"' && !(quoting == CSV_LOOSE && closes)) {
            buf_u8(s->text, '"');
            s->i++;
        } else if (closes) {
            return RECORD;
        } else if (quoting == CSV_LOOSE) {
            buf_u8(s->text, '"');
        } else {
            return bad(s, "a comma or the end of the line follows a closing quote");
        }
    }
}

static enum outcome scan_plain(struct scan *s)
{
    while (s->i < s->n && s->p[s->i] != ',' && !at_end_of_line(s, s->i)) {
        if (s->p[s->i] == 0)
            return bad(s, "a line has no NUL");
        buf_u8(s->text, s->p[s->i++]);
    }
    return RECORD;
}

/* One field, without what separates it from the next one. */
static enum outcome scan_field(struct scan *s, enum csv_quoting quoting)
{
    size_t first = s->i;
    if (s->field_count == CSV_FIELDS_MAX)
        return bad(s, "a line has at most 64 fields");
    s->starts[s->field_count++] = s->text->n;
    while (first < s->n && s->p[first] == ' ')
        first++;
    if (first == s->n || s->p[first] != '"')
        return scan_plain(s);
    s->i = first + 1;
    return scan_quoted(s, quoting);
}

static enum outcome scan_record(struct scan *s, enum csv_quoting quoting, bool ended)
{
    for (;;) {
        enum outcome outcome = scan_field(s, quoting);
        if (outcome != RECORD)
            return outcome;
        if (s->i < s->n && s->p[s->i] == ',') {
            s->i++;
            continue;
        }
        if (s->i < s->n && s->p[s->i] == '\r')
            s->i++;
        if (s->i == s->n)
            return ended ? RECORD : MORE;
        s->i++;
        s->lines++;
        return RECORD;
    }
}

static bool is_empty(const struct scan *s)
{
    return s->field_count == 1 && s->text->n == s->starts[0];
}

/* Goes on behind so many octets. */
static void advance(struct csv *c, size_t octets, uint64_t lines, struct csv_record *r)
{
    c->at += octets;
    c->offset += octets;
    c->line += lines;
    r->end_line = c->line;
    r->end_offset = c->offset;
}

/* Goes on behind the line in which the bad record began. Without its end at hand, 0: the rest of the line is skipped first. */
static int give_bad(struct csv *c, const struct scan *s, int err, const char *rule, struct csv_record *r)
{
    const uint8_t *end = memchr(s->p, '\n', s->n);
    if (!end && !c->ended) {
        c->skipping = true;
        c->bad_line = r->line;
        c->bad_offset = r->offset;
        c->bad_err = err;
        c->bad_rule = rule;
    }
    r->rule = rule;
    advance(c, end ? (size_t)(end - s->p) + 1 : s->n, end != NULL, r);
    return c->skipping ? 0 : err;
}

/* The rest of a bad line; the error when it has ended. */
static int skip_line(struct csv *c, struct csv_record *r)
{
    size_t n = c->octets.n - c->at;
    const uint8_t *end = n ? memchr(c->octets.p + c->at, '\n', n) : NULL;
    *r = (struct csv_record){.line = c->bad_line, .offset = c->bad_offset, .rule = c->bad_rule};
    advance(c, end ? (size_t)(end - (c->octets.p + c->at)) + 1 : n, end != NULL, r);
    c->skipping = !end && !c->ended;
    return c->skipping ? 0 : c->bad_err;
}

static int give_record(struct csv *c, struct scan *s, struct csv_record *r)
{
    s->starts[s->field_count] = s->text->n;
    for (size_t i = 0; i < s->field_count; i++)
        c->fields[i] = slice_of(s->text->p ? s->text->p + s->starts[i] : NULL, s->starts[i + 1] - s->starts[i]);
    r->fields = c->fields;
    r->field_count = s->field_count;
    advance(c, s->i, s->lines, r);
    return 1;
}

int csv_next(struct csv *c, struct csv_record *ret_record)
{
    struct csv_record r = {0};
    int result = c->skipping ? skip_line(c, &r) : 0;
    while (result == 0 && c->at < c->octets.n) {
        struct scan s = {.p = c->octets.p + c->at, .n = c->octets.n - c->at, .text = &c->text};
        r = (struct csv_record){.line = c->line, .offset = c->offset};
        buf_clear(&c->text);
        enum outcome outcome = scan_record(&s, c->quoting, c->ended);
        bool full = s.n >= CSV_RECORD_OCTETS_MAX;
        if (c->text.err == ERR_NO_MEMORY)
            return ERR_NO_MEMORY;
        if (c->text.err || (outcome == MORE && full))
            result = give_bad(c, &s, ERR_LIMIT, "a record has at most 64 KiB", &r);
        else if (outcome == BAD)
            result = give_bad(c, &s, ERR_SYNTAX, s.rule, &r);
        else if (outcome == MORE && c->ended)
            result = give_bad(c, &s, ERR_SYNTAX, "a quote is not closed", &r);
        else if (outcome == MORE)
            return 0;
        else if (is_empty(&s))
            advance(c, s.i, s.lines, &r);
        else
            result = give_record(c, &s, &r);
    }
    if (result)
        *ret_record = r;
    return result;
}
