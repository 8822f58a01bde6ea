/* multipart/form-data: the boundary, the header lines of each part, the values. */
#include "enroll/form.h"

#include "base/text.h"

struct cursor {
    struct slice body;
    size_t at;
    struct slice boundary;
    struct fault *fault;
};

static int fail(struct cursor *c, int err, size_t octet, const char *rule)
{
    *c->fault = (struct fault){octet, rule};
    return err;
}

/* The value of a parameter ("; name=value" or "; name=\"value\""), RFC 2045 5.1. False if it is not there or not well-formed. */
static bool parameter(struct slice header, const char *name, struct slice *ret_value)
{
    struct slice rest = header;
    text_cut(&rest, ';');
    while (rest.p) {
        rest = text_trim(rest);
        struct slice key = text_trim(text_cut(&rest, '='));
        if (!rest.p)
            return false;
        struct slice value;
        if (rest.n && rest.p[0] == '"') {
            const uint8_t *end = memchr(rest.p + 1, '"', rest.n - 1);
            if (!end || memchr(rest.p, '\\', (size_t)(end - rest.p)))
                return false;
            value = slice_of(rest.p + 1, (size_t)(end - rest.p - 1));
            rest = slice_of(end + 1, rest.n - value.n - 2);
            struct slice between = text_cut(&rest, ';');
            if (text_trim(between).n)
                return false;
        } else {
            value = text_trim(text_cut(&rest, ';'));
        }
        if (text_equal_nocase(key, slice_str(name))) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool is_type(struct slice header, const char *type)
{
    struct slice rest = header;
    return text_equal_nocase(text_trim(text_cut(&rest, ';')), slice_str(type));
}

/* bchars of RFC 2046 5.1.1; a space may not be last. */
static bool boundary_is_valid(struct slice s)
{
    static const char allowed[] = "'()+_,-./:=? ";
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!alphanumeric && !(c && strchr(allowed, c)))
            return false;
    }
    return s.n >= 1 && s.n <= FORM_BOUNDARY_OCTETS_MAX && s.p[s.n - 1] != ' ';
}

static struct slice rest_of(const struct cursor *c)
{
    return slice_of(c->body.p + c->at, c->body.n - c->at);
}

static bool starts_with(struct slice s, struct slice start)
{
    return s.n >= start.n && memcmp(s.p, start.p, start.n) == 0;
}

/* One line of a part's header, without its end. */
static int header_line(struct cursor *c, size_t limit, struct slice *ret_line)
{
    struct slice rest = rest_of(c);
    const uint8_t *end = memmem(rest.p, rest.n < limit ? rest.n : limit, "\r\n", 2);
    if (!end)
        return rest.n < limit ? fail(c, ERR_SYNTAX, c->at, "header line, RFC 2046 5.1")
                              : fail(c, ERR_LIMIT, c->at, "header lines of a field");
    *ret_line = slice_of(rest.p, (size_t)(end - rest.p));
    c->at += ret_line->n + 2;
    return 0;
}

static int headers(struct cursor *c, struct form_field *field)
{
    size_t begin = c->at;
    for (;;) {
        struct slice line;
        int err = header_line(c, FORM_HEADER_OCTETS_MAX - (c->at - begin), &line);
        if (err)
            return err;
        if (line.n == 0)
            break;
        struct slice value = line;
        struct slice name = text_cut(&value, ':');
        if (!value.p)
            return fail(c, ERR_SYNTAX, c->at, "header line, RFC 2046 5.1");
        value = text_trim(value);
        if (text_equal_nocase(name, slice_str("Content-Disposition"))) {
            if (!is_type(value, "form-data") || !parameter(value, "name", &field->name))
                return fail(c, ERR_SYNTAX, c->at, "Content-Disposition, RFC 2388 3");
        } else if (text_equal_nocase(name, slice_str("Content-Type"))) {
            field->content_type = value;
        }
    }
    return field->name.p ? 0 : fail(c, ERR_SYNTAX, begin, "Content-Disposition is missing, RFC 2388 3");
}

/* The value ends where a line begins with the boundary; moves to behind it. */
static int value(struct cursor *c, struct form_field *field)
{
    uint8_t delimiter[4 + FORM_BOUNDARY_OCTETS_MAX] = "\r\n--";
    memcpy(delimiter + 4, c->boundary.p, c->boundary.n);
    struct slice rest = rest_of(c);
    const uint8_t *end = memmem(rest.p, rest.n, delimiter, 4 + c->boundary.n);
    if (!end)
        return fail(c, ERR_SYNTAX, c->at, "the boundary is missing, RFC 2046 5.1.1");
    field->value = slice_of(rest.p, (size_t)(end - rest.p));
    c->at += field->value.n + 4 + c->boundary.n;
    return 0;
}

/* Behind a boundary: "--" ends the form, the end of the line begins a field. */
static int after_boundary(struct cursor *c, bool *ret_last)
{
    struct slice rest = rest_of(c);
    *ret_last = starts_with(rest, slice_str("--"));
    if (*ret_last)
        return 0;
    while (rest.n && (rest.p[0] == ' ' || rest.p[0] == '\t')) { /* transport padding */
        rest = slice_of(rest.p + 1, rest.n - 1);
        c->at++;
    }
    if (!starts_with(rest, slice_str("\r\n")))
        return fail(c, ERR_SYNTAX, c->at, "end of the boundary's line, RFC 2046 5.1.1");
    c->at += 2;
    return 0;
}

static int first_boundary(struct cursor *c)
{
    uint8_t opening[2 + FORM_BOUNDARY_OCTETS_MAX] = "--";
    memcpy(opening + 2, c->boundary.p, c->boundary.n);
    struct slice line = slice_of(opening, 2 + c->boundary.n);
    /* What is in front of the first boundary is a preamble, and a line of its own. */
    for (;;) {
        struct slice rest = rest_of(c);
        if (starts_with(rest, line)) {
            c->at += line.n;
            return 0;
        }
        const uint8_t *end = memmem(rest.p, rest.n, "\r\n", 2);
        if (!end)
            return fail(c, ERR_SYNTAX, c->at, "the boundary is missing, RFC 2046 5.1.1");
        c->at += (size_t)(end - rest.p) + 2;
    }
}

int form_parse(struct slice content_type, struct slice body, struct form *ret_form, struct fault *ret_fault)
{
    struct cursor c = {.body = body, .fault = ret_fault};
    struct form form = {.n = 0};
    bool last;
    if (!is_type(content_type, "multipart/form-data"))
        return fail(&c, ERR_UNSUPPORTED, 0, "Content-Type is not multipart/form-data, RFC 6940 11.3");
    if (!parameter(content_type, "boundary", &c.boundary) || !boundary_is_valid(c.boundary))
        return fail(&c, ERR_SYNTAX, 0, "boundary parameter, RFC 2046 5.1.1");
    int err = first_boundary(&c);
    if (!err)
        err = after_boundary(&c, &last);
    while (!err && !last) {
        if (form.n == FORM_FIELDS_MAX)
            return fail(&c, ERR_LIMIT, c.at, "number of fields");
        struct form_field *field = &form.fields[form.n++];
        *field = (struct form_field){.value = {NULL, 0}};
        err = headers(&c, field);
        if (!err)
            err = value(&c, field);
        if (!err)
            err = after_boundary(&c, &last);
    }
    if (!err)
        *ret_form = form;
    return err;
}

const struct form_field *form_find(const struct form *form, const char *name)
{
    for (size_t i = 0; i < form->n; i++)
        if (slice_eq_str(form->fields[i].name, name))
            return &form->fields[i];
    return NULL;
}
