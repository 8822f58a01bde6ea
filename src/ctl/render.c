/* Results for people. What a value is follows from the end of its key (command.h), so that a daemon can add a member to a result and it
 * is shown well without a change here. */
#include "ctl/answer.h"

#include "base/duration.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"

#include <jansson.h>

enum { COLUMNS_MAX = 16, CELL_OCTETS_MAX = 4096, GAP = 2 };

struct render {
    ctl_local_time_fn *local_time;
    struct buf *out;
};

static bool ends_with(const char *key, const char *ending)
{
    size_t n = strlen(key), e = strlen(ending);
    return n > e && strcmp(key + n - e, ending) == 0;
}

/* Text without what could move a terminal's cursor: C0, DEL, and C1 (U+0080 to U+009F). */
static void put_clean(struct buf *out, const char *text)
{
    for (const uint8_t *p = (const uint8_t *)text; *p; p++) {
        if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
            buf_u8(out, '?');
            p++;
        } else {
            buf_u8(out, *p < 0x20 || *p == 0x7f ? '?' : *p);
        }
    }
}

/* Text that has lines already. */
static void put_lines(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        char one[3] = {*p};
        if (*p == '\n' || *p == '\t') {
            buf_u8(out, (uint8_t)*p);
            continue;
        }
        if ((uint8_t)*p == 0xc2 && p[1])
            one[1] = *++p;
        put_clean(out, one);
    }
}

/* Two digits at each of the places of "YYYY-MM-DDTHH:MM:SSZ". */
static bool parse_time(const char *text, int64_t *ret_seconds)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
    int fields[6] = {0};
    size_t field = 0;
    if (strlen(text) != sizeof shape - 1)
        return false;
    for (size_t i = 0; shape[i]; i++) {
        if (shape[i] != 'd') {
            if (text[i] != shape[i])
                return false;
            field++;
            continue;
        }
        if (text[i] < '0' || text[i] > '9')
            return false;
        fields[field] = fields[field] * 10 + (text[i] - '0');
    }
    *ret_seconds = calendar_seconds(fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]);
    return true;
}

/* The two largest units are enough for people: "2d3h", "45m10s", "1s250ms". */
static void put_duration(struct buf *out, int64_t ms)
{
    static const int64_t units[] = {INT64_C(365) * 86400000, 86400000, 3600000, 60000, 1000};
    char text[DURATION_TEXT_OCTETS];
    for (size_t i = 0; i + 1 < sizeof units / sizeof units[0]; i++) {
        if (ms >= units[i] || -ms >= units[i]) {
            ms -= ms % units[i + 1];
            break;
        }
    }
    buf_str(out, duration_format(ms, text));
}

static void put_size(struct buf *out, int64_t octets)
{
    static const char *const units[] = {"octets", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)octets;
    size_t unit = 0;
    while (size >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        size /= 1024;
        unit++;
    }
    buf_printf(out, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

static void put_value(struct render *r, struct buf *out, const char *key, const json_t *value)
{
    char local[64];
    int64_t seconds;
    size_t i;
    json_t *element;
    switch (json_typeof(value)) {
    case JSON_STRING:
        if ((strcmp(key, "at") == 0 || ends_with(key, "_at")) && parse_time(json_string_value(value), &seconds)) {
            r->local_time(seconds, local, sizeof local);
            buf_str(out, local);
        } else {
            put_clean(out, json_string_value(value));
        }
        break;
    case JSON_INTEGER:
        if (ends_with(key, "_ms"))
            put_duration(out, json_integer_value(value));
        else if (ends_with(key, "_octets"))
            put_size(out, json_integer_value(value));
        else
            buf_printf(out, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        buf_printf(out, "%.6g", json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        buf_str(out, json_is_true(value) ? "yes" : "no");
        break;
    case JSON_ARRAY:
        json_array_foreach(value, i, element) {
            buf_str(out, i ? ", " : "");
            put_value(r, out, key, element);
        }
        if (json_array_size(value) == 0)
            buf_u8(out, '-');
        break;
    case JSON_NULL:
    case JSON_OBJECT:
        buf_u8(out, '-');
        break;
    }
}

/* Columns that a terminal uses for UTF-8 text, taking each character as one wide. */
static size_t width_of(struct slice text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.n; i++)
        width += (text.p[i] & 0xc0) != 0x80;
    return width;
}

static void put_padding(struct buf *out, size_t n)
{
    while (n--)
        buf_u8(out, ' ');
}

/* Words of labels that are not written as they are spelled. */
static const char *spelling_of(struct slice word)
{
    static const char *const words[][2] = {
        {"id", "ID"},   {"ids", "IDs"}, {"uri", "URI"}, {"url", "URL"}, {"vcr", "VCR"}, {"vcrs", "VCRs"},
        {"vap", "VAP"}, {"pvp", "PVP"}, {"ca", "CA"},   {"tls", "TLS"}, {"ip", "IP"},   {"sha256", "SHA-256"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_eq_str(word, words[i][0]))
            return words[i][1];
    return NULL;
}

/* "certificate_expires_at" → "Certificate expires". */
static void put_label(struct buf *out, const char *key)
{
    static const char *const endings[] = {"_at", "_ms", "_octets"};
    struct slice rest = slice_str(key);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (ends_with(key, endings[i]))
            rest.n -= strlen(endings[i]);
    for (bool first = true; rest.p; first = false) {
        struct slice word = text_cut(&rest, '_');
        const char *spelling = spelling_of(word);
        buf_str(out, first ? "" : " ");
        if (spelling) {
            buf_str(out, spelling);
            continue;
        }
        bool upper = first && word.n && word.p[0] >= 'a' && word.p[0] <= 'z';
        if (upper)
            buf_u8(out, (uint8_t)(word.p[0] - 'a' + 'A'));
        buf_slice_put(out, slice_of(word.p + upper, word.n - upper));
    }
}

static size_t label_width(const char *key)
{
    struct buf label;
    buf_init(&label, CELL_OCTETS_MAX);
    put_label(&label, key);
    size_t width = width_of(buf_slice(&label));
    buf_fini(&label);
    return width;
}

static bool is_table(const json_t *value)
{
    return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

/* Tables come after the other members. */
static bool is_apart(const char *key, const json_t *value, const char *rows)
{
    return (rows && strcmp(key, rows) == 0) || is_table(value);
}

static void put_fields(struct render *r, const json_t *object, const char *rows, unsigned indent)
{
    const char *key;
    json_t *value;
    size_t widest = 0;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (is_apart(key, value, rows))
            continue;
        size_t width = label_width(key);
        widest = width > widest ? width : widest;
    }
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (is_apart(key, value, rows))
            continue;
        put_padding(r->out, indent);
        if (strcmp(key, "message") != 0) {
            put_label(r->out, key);
            buf_u8(r->out, ':');
            put_padding(r->out, json_is_object(value) ? 0 : widest - label_width(key) + 1);
        }
        if (json_is_object(value)) {
            buf_u8(r->out, '\n');
            put_fields(r, value, NULL, indent + 2);
        } else {
            put_value(r, r->out, key, value);
            buf_u8(r->out, '\n');
        }
    }
}

/* Walks the cells of a table twice: for the widths, then for the text. */
struct table {
    const struct ctl_column *columns;
    size_t count;
    size_t widths[COLUMNS_MAX];
    bool right[COLUMNS_MAX]; /* numbers are aligned at their end */
    struct buf cell;
};

static struct slice fill_cell(struct render *r, struct table *t, const json_t *row, size_t column)
{
    const char *key = t->columns[column].key;
    const json_t *value = json_object_get(row, key);
    buf_clear(&t->cell);
    if (value)
        put_value(r, &t->cell, key, value);
    else
        buf_u8(&t->cell, '-');
    return buf_slice(&t->cell);
}

static void measure(struct render *r, struct table *t, const json_t *rows)
{
    size_t i;
    json_t *row;
    for (size_t c = 0; c < t->count; c++) {
        bool numbers = false, others = false;
        t->widths[c] = strlen(t->columns[c].title);
        json_array_foreach(rows, i, row) {
            size_t width = width_of(fill_cell(r, t, row, c));
            const json_t *value = json_object_get(row, t->columns[c].key);
            t->widths[c] = width > t->widths[c] ? width : t->widths[c];
            numbers = numbers || json_is_number(value);
            others = others || !(json_is_number(value) || json_is_null(value) || !value);
        }
        t->right[c] = numbers && !others;
    }
}

static void put_cell(struct render *r, const struct table *t, size_t c, struct slice text)
{
    size_t padding = t->widths[c] - width_of(text);
    if (t->right[c])
        put_padding(r->out, padding);
    buf_slice_put(r->out, text);
    if (c + 1 == t->count) {
        buf_u8(r->out, '\n');
        return;
    }
    put_padding(r->out, (t->right[c] ? 0 : padding) + GAP);
}

static void put_table(struct render *r, const struct ctl_column *columns, const json_t *rows)
{
    struct table t = {.columns = columns};
    size_t i;
    json_t *row;
    while (t.count < COLUMNS_MAX && columns[t.count].key)
        t.count++;
    buf_init(&t.cell, CELL_OCTETS_MAX);
    measure(r, &t, rows);
    for (size_t c = 0; c < t.count; c++)
        put_cell(r, &t, c, slice_str(columns[c].title));
    json_array_foreach(rows, i, row) {
        for (size_t c = 0; c < t.count; c++)
            put_cell(r, &t, c, fill_cell(r, &t, row, c));
    }
    buf_fini(&t.cell);
}

/* A table that the command does not describe: its first row's keys are the titles. */
static void put_plain_table(struct render *r, const json_t *rows)
{
    struct ctl_column columns[COLUMNS_MAX + 1] = {{0}};
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach(json_array_get(rows, 0), key, value) {
        if (n == COLUMNS_MAX)
            break;
        columns[n++] = (struct ctl_column){key, key};
    }
    put_table(r, columns, rows);
}

static void separate(struct buf *out, size_t start)
{
    if (out->n > start)
        buf_u8(out, '\n');
}

void ctl_render(const struct ctl_command *command, const struct json_t *result, ctl_local_time_fn *local_time,
                struct buf *out)
{
    struct render r = {local_time, out};
    size_t start = out->n;
    const char *key;
    json_t *value;
    if (command->raw && json_is_string(json_object_get(result, command->raw))) {
        put_lines(out, json_string_value(json_object_get(result, command->raw)));
        return;
    }
    put_fields(&r, result, command->rows, 0);
    const json_t *rows = command->rows ? json_object_get(result, command->rows) : NULL;
    if (json_is_array(rows)) {
        separate(out, start);
        if (json_array_size(rows) && command->columns)
            put_table(&r, command->columns, rows);
        else if (command->empty)
            buf_printf(out, "%s\n", command->empty);
    }
    json_object_foreach((json_t *)(uintptr_t)result, key, value) {
        if (value == rows || !is_table(value))
            continue;
        separate(out, start);
        put_label(out, key);
        buf_str(out, ":\n");
        put_plain_table(&r, value);
    }
}

static int append(const char *text, size_t n, void *out)
{
    buf_put(out, text, n);
    return ((struct buf *)out)->err ? -1 : 0;
}

void ctl_render_json(const struct json_t *result, struct buf *out)
{
    json_dump_callback(result, append, out, JSON_INDENT(2) | JSON_ENCODE_ANY);
    buf_u8(out, '\n');
}
