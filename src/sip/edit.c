/* An edit: a list of pieces, each of which takes the place of some octets of the message. */
#include "sip/edit.h"

#include "base/text.h"
#include "sip/write.h"

#include <stdio.h>

#define PIECES_FIRST 16 /* most messages need no more */
#define PIECES_MAX 4096

/* In the order of their places. What is put in between octets replaces none of them. */
struct piece {
    size_t at;
    size_t octets; /* of the message that it replaces */
    struct slice text;
    size_t name_octets; /* it is a field that is put in: its name are the first octets of the text; 0: it is none */
};

struct sip_edit {
    struct region *region;
    const struct sip_message *message;
    struct piece *pieces;
    size_t count;
    size_t added; /* of these are fields that are put in */
    size_t room;
    bool body_changed;
    struct slice body;
    int err;
};

struct sip_edit *sip_edit_new(struct region *region, const struct sip_message *message)
{
    struct sip_edit *e = region_alloc(region, sizeof *e);
    if (e)
        *e = (struct sip_edit){.region = region, .message = message};
    return e;
}

__attribute__((cold)) static void fail(struct sip_edit *e, int err)
{
    if (!e->err)
        e->err = err;
}

static size_t octet_of(const struct sip_edit *e, const uint8_t *p)
{
    return (size_t)(p - e->message->octets.p);
}

static void remove_pieces(struct sip_edit *e, size_t first, size_t count)
{
    if (!count)
        return;
    for (size_t i = first; i < first + count; i++)
        e->added -= e->pieces[i].name_octets > 0;
    memmove(&e->pieces[first], &e->pieces[first + count], (e->count - first - count) * sizeof *e->pieces);
    e->count -= count;
}

static bool make_room(struct sip_edit *e)
{
    if (e->err || e->count < e->room)
        return !e->err;
    size_t room = e->room ? 2 * e->room : PIECES_FIRST;
    struct piece *more =
        room > PIECES_MAX ? NULL : (struct piece *)(void *)region_octets(e->region, room * sizeof *more);
    if (!more) {
        fail(e, room > PIECES_MAX ? ERR_LIMIT : ERR_NO_MEMORY);
        return false;
    }
    if (e->count)
        memcpy(more, e->pieces, e->count * sizeof *more);
    e->pieces = more;
    e->room = room;
    return true;
}

static void insert_piece(struct sip_edit *e, size_t index, struct piece piece)
{
    if (!make_room(e))
        return;
    memmove(&e->pieces[index + 1], &e->pieces[index], (e->count - index) * sizeof *e->pieces);
    e->pieces[index] = piece;
    e->added += piece.name_octets > 0;
    e->count++;
}

/* The first piece at or behind that octet. */
static size_t find_place(const struct sip_edit *e, size_t at)
{
    size_t i = e->count;
    while (i > 0 && e->pieces[i - 1].at >= at)
        i--;
    return i;
}

static size_t end_of(const struct piece *piece)
{
    return piece->at + piece->octets;
}

/* Replaces octets of the head. Pieces within them are superseded; what lies within a larger piece is gone already. */
static void replace(struct sip_edit *e, struct slice old, struct slice text)
{
    size_t at = octet_of(e, old.p), end = at + old.n;
    if (end > octet_of(e, e->message->body.p))
        fail(e, ERR_RANGE);
    if (e->err)
        return;
    size_t first = find_place(e, at);
    if (first > 0 && end_of(&e->pieces[first - 1]) > at) {
        if (end_of(&e->pieces[first - 1]) < end)
            fail(e, ERR_CONFLICT);
        return;
    }
    while (first < e->count && e->pieces[first].at == at && e->pieces[first].name_octets)
        first++; /* a field that is put in before it stays there */
    size_t last = first;
    for (; last < e->count && (e->pieces[last].at < end || e->pieces[last].at == at); last++) {
        if (end_of(&e->pieces[last]) <= end)
            continue;
        if (e->pieces[last].at != at)
            fail(e, ERR_CONFLICT);
        return;
    }
    remove_pieces(e, first, last - first);
    insert_piece(e, first, (struct piece){at, old.n, text, 0});
}

/* A copy of what the caller hands in, which may be gone before the message is written. */
static struct slice keep(struct sip_edit *e, struct slice s)
{
    struct slice kept = e->err ? (struct slice){NULL, 0} : region_copy(e->region, s);
    if (s.n && !kept.p)
        fail(e, ERR_NO_MEMORY);
    return s.n ? kept : s;
}

static struct slice keep_value(struct sip_edit *e, struct slice value)
{
    if (!sip_value_is_good(value))
        fail(e, ERR_RANGE);
    return keep(e, value);
}

/* "Name: value" and the line end. */
static struct slice keep_field(struct sip_edit *e, struct slice name, struct slice value)
{
    if (!sip_value_is_good(value))
        fail(e, ERR_RANGE);
    uint8_t *p = e->err ? NULL : region_octets(e->region, name.n + value.n + 4);
    if (!p) {
        fail(e, ERR_NO_MEMORY);
        return (struct slice){NULL, 0};
    }
    memcpy(p, name.p, name.n);
    memcpy(p + name.n, ": ", 2);
    if (value.n)
        memcpy(p + name.n + 2, value.p, value.n);
    memcpy(p + name.n + 2 + value.n, "\r\n", 2);
    return slice_of(p, name.n + value.n + 4);
}

/* ---- the start line ---- */

void sip_edit_uri(struct sip_edit *e, struct slice uri)
{
    if (!e->message->is_request)
        fail(e, ERR_WRONG_STATE);
    else
        replace(e, e->message->uri, keep_value(e, uri));
}

void sip_edit_status(struct sip_edit *e, unsigned status, const char *reason)
{
    struct slice line = e->message->start_line;
    char text[160];
    if (e->message->is_request || status < 100 || status > 699) {
        fail(e, e->message->is_request ? ERR_WRONG_STATE : ERR_RANGE);
        return;
    }
    snprintf(text, sizeof text, "%u %s", status, reason ? reason : sip_status_reason(status));
    replace(e, slice_of(line.p + 8, line.n - 8), keep_value(e, slice_str(text)));
}

/* ---- fields ---- */

void sip_edit_remove(struct sip_edit *e, const struct sip_field *field)
{
    replace(e, field->line, (struct slice){NULL, 0});
}

void sip_edit_value(struct sip_edit *e, const struct sip_field *field, struct slice value)
{
    replace(e, field->value, keep_value(e, value));
}

void sip_edit_replace(struct sip_edit *e, struct slice old, struct slice octets)
{
    replace(e, old, keep_value(e, octets));
}

/* Fields of that name which the edit has put in. */
static void remove_added(struct sip_edit *e, const char *name)
{
    for (size_t i = e->added ? e->count : 0; i-- > 0;) {
        struct slice added = slice_of(e->pieces[i].text.p, e->pieces[i].name_octets);
        if (added.n && text_equal_nocase(added, slice_str(name)))
            remove_pieces(e, i, 1);
    }
}

static void remove_from(struct sip_edit *e, const struct sip_field *first)
{
    for (const struct sip_field *f = first; f; f = sip_field_next(e->message, f))
        sip_edit_remove(e, f);
}

void sip_edit_remove_all(struct sip_edit *e, enum sip_header header)
{
    remove_added(e, sip_header_name(header));
    remove_from(e, sip_field_first(e->message, header));
}

/* Behind all that is put in at the same place, or before it. */
static void add(struct sip_edit *e, size_t at, bool behind, const char *name, struct slice value)
{
    size_t i = find_place(e, at);
    while (behind && i < e->count && e->pieces[i].at == at && e->pieces[i].name_octets)
        i++;
    insert_piece(e, i, (struct piece){at, 0, keep_field(e, slice_str(name), value), strlen(name)});
}

/* The empty line behind the fields. */
static size_t fields_end(const struct sip_edit *e)
{
    return octet_of(e, e->message->body.p) - 2;
}

static size_t fields_begin(const struct sip_edit *e)
{
    return octet_of(e, e->message->start_line.p) + e->message->start_line.n + 2;
}

/* The first of the fields in place, the others away; if there is none, before Content-Length. */
static void set(struct sip_edit *e, const struct sip_field *first, const char *name, struct slice value)
{
    if (first) {
        struct slice kept = keep_field(e, slice_str(name), value);
        replace(e, first->line, kept);
        return;
    }
    const struct sip_field *length = sip_field_first(e->message, SIP_CONTENT_LENGTH);
    add(e, length ? octet_of(e, length->line.p) : fields_end(e), true, name, value);
}

void sip_edit_set(struct sip_edit *e, enum sip_header header, struct slice value)
{
    const struct sip_field *first = sip_field_first(e->message, header);
    remove_added(e, sip_header_name(header));
    if (first)
        remove_from(e, sip_field_next(e->message, first));
    set(e, first, sip_header_name(header), value);
}

void sip_edit_set_named(struct sip_edit *e, const char *name, struct slice value)
{
    enum sip_header header = sip_header_find(slice_str(name));
    if (header != SIP_OTHER_HEADER) {
        sip_edit_set(e, header, value);
        return;
    }
    const struct sip_field *first = sip_field_named(e->message, name);
    const struct sip_field *end = e->message->fields + e->message->field_count;
    remove_added(e, name);
    for (const struct sip_field *f = first; f && f < end; f++)
        if (text_equal_nocase(f->name, slice_str(name)))
            sip_edit_remove(e, f);
    set(e, first, name, value);
}

void sip_edit_prepend(struct sip_edit *e, enum sip_header header, struct slice value)
{
    const struct sip_field *first = sip_field_first(e->message, header);
    add(e, first ? octet_of(e, first->line.p) : fields_begin(e), false, sip_header_name(header), value);
}

void sip_edit_append(struct sip_edit *e, enum sip_header header, struct slice value)
{
    add(e, fields_end(e), true, sip_header_name(header), value);
}

void sip_edit_append_named(struct sip_edit *e, const char *name, struct slice value)
{
    add(e, fields_end(e), true, name, value);
}

void sip_edit_body(struct sip_edit *e, struct slice body, struct slice type)
{
    char text[24];
    const struct sip_field *length = sip_field_first(e->message, SIP_CONTENT_LENGTH);
    e->body = keep(e, body);
    e->body_changed = true;
    snprintf(text, sizeof text, "%zu", body.n);
    if (length && !length->next)
        sip_edit_value(e, length, slice_str(text));
    else
        sip_edit_set(e, SIP_CONTENT_LENGTH, slice_str(text));
    if (body.n == 0) {
        sip_edit_remove_all(e, SIP_CONTENT_TYPE);
        sip_edit_remove_all(e, SIP_CONTENT_DISPOSITION);
        sip_edit_remove_all(e, SIP_CONTENT_ENCODING);
    } else if (type.n) {
        sip_edit_set(e, SIP_CONTENT_TYPE, type);
    }
}

/* ---- writing ---- */

static uint8_t *put(uint8_t *to, const uint8_t *p, size_t n)
{
    if (n)
        memcpy(to, p, n);
    return to + n;
}

int sip_edit_write(const struct sip_edit *e, struct buf *out)
{
    struct slice old = e->message->octets;
    struct slice body = e->body_changed ? e->body : e->message->body;
    size_t head = octet_of(e, e->message->body.p), n = head + body.n;
    if (e->err)
        return e->err;
    for (size_t i = 0; i < e->count; i++)
        n = n - e->pieces[i].octets + e->pieces[i].text.n;
    if (n > SIP_MESSAGE_OCTETS_MAX)
        return ERR_LIMIT;
    uint8_t *to = buf_extend(out, n);
    if (!to)
        return out->err;
    size_t at = 0;
    for (size_t i = 0; i < e->count; i++) {
        const struct piece *piece = &e->pieces[i];
        to = put(to, old.p + at, piece->at - at);
        to = put(to, piece->text.p, piece->text.n);
        at = piece->at + piece->octets;
    }
    to = put(to, old.p + at, head - at);
    put(to, body.p, body.n);
    return 0;
}
