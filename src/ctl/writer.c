/* JSON output (RFC 8259). */
#include "ctl/writer.h"

#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <math.h>

/* The octets of the well-formed UTF-8 sequence at p (RFC 3629 section 4), 0 if there is none. */
static size_t utf8_sequence(const uint8_t *p, size_t n)
{
    uint8_t first = p[0];
    size_t octets = first < 0x80                    ? 1
                    : first >= 0xc2 && first < 0xe0 ? 2
                    : (first & 0xf0) == 0xe0        ? 3
                    : first >= 0xf0 && first < 0xf5 ? 4
                                                    : 0;
    if (octets == 0 || octets > n)
        return 0;
    for (size_t i = 1; i < octets; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (first == 0xe0 && p[1] < 0xa0) || (first == 0xf0 && p[1] < 0x90);
    bool beyond = (first == 0xed && p[1] >= 0xa0) || (first == 0xf4 && p[1] >= 0x90);
    return overlong || beyond ? 0 : octets;
}

static void put_string(struct buf *out, struct slice s)
{
    buf_u8(out, '"');
    for (size_t i = 0; i < s.n;) {
        uint8_t c = s.p[i];
        size_t octets = utf8_sequence(s.p + i, s.n - i);
        if (octets == 0)
            buf_str(out, "\xef\xbf\xbd"); /* U+FFFD stands for what is no text */
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", c);
        else
            buf_put(out, s.p + i, octets);
        i += octets ? octets : 1;
    }
    buf_u8(out, '"');
}

/* The comma and the key of the next element. */
static void begin_element(struct ctl_writer *w, const char *key)
{
    assert(w->depth > 0 && "elements lie in the document's object");
    unsigned level = w->depth - 1;
    if (w->filled[level])
        buf_u8(w->out, ',');
    w->filled[level] = true;
    assert((key != NULL) == (w->closer[level] == '}') && "members have a key, elements of arrays none");
    if (key) {
        put_string(w->out, slice_str(key));
        buf_u8(w->out, ':');
    }
}

static void open_level(struct ctl_writer *w, char opener, char closer)
{
    assert(w->depth < CTL_DEPTH_MAX);
    buf_u8(w->out, (uint8_t)opener);
    w->filled[w->depth] = false;
    w->closer[w->depth] = closer;
    w->depth++;
}

void ctl_writer_init(struct ctl_writer *w, struct buf *out)
{
    *w = (struct ctl_writer){.out = out};
    open_level(w, '{', '}');
}

int ctl_writer_end(struct ctl_writer *w)
{
    while (w->depth)
        ctl_close(w);
    return w->out->err;
}

void ctl_open_object(struct ctl_writer *w, const char *key)
{
    begin_element(w, key);
    open_level(w, '{', '}');
}

void ctl_open_array(struct ctl_writer *w, const char *key)
{
    begin_element(w, key);
    open_level(w, '[', ']');
}

void ctl_close(struct ctl_writer *w)
{
    assert(w->depth > 0);
    buf_u8(w->out, (uint8_t)w->closer[--w->depth]);
}

void ctl_put_slice(struct ctl_writer *w, const char *key, struct slice text)
{
    begin_element(w, key);
    put_string(w->out, text);
}

static void put_null(struct ctl_writer *w, const char *key)
{
    begin_element(w, key);
    buf_str(w->out, "null");
}

void ctl_put_text(struct ctl_writer *w, const char *key, const char *text)
{
    if (text)
        ctl_put_slice(w, key, slice_str(text));
    else
        put_null(w, key);
}

void ctl_put_integer(struct ctl_writer *w, const char *key, int64_t value)
{
    begin_element(w, key);
    buf_printf(w->out, "%lld", (long long)value);
}

/* jansson and many other readers have signed 64-bit integers: a counter stays at the largest of these. */
void ctl_put_unsigned(struct ctl_writer *w, const char *key, uint64_t value)
{
    ctl_put_integer(w, key, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

void ctl_put_boolean(struct ctl_writer *w, const char *key, bool value)
{
    begin_element(w, key);
    buf_str(w->out, value ? "true" : "false");
}

void ctl_put_real(struct ctl_writer *w, const char *key, double value)
{
    if (!isfinite(value)) {
        put_null(w, key);
        return;
    }
    begin_element(w, key);
    buf_printf(w->out, "%.9g", value);
}

void ctl_put_hex(struct ctl_writer *w, const char *key, struct slice octets)
{
    begin_element(w, key);
    buf_u8(w->out, '"');
    hex_append(w->out, octets);
    buf_u8(w->out, '"');
}

void ctl_put_id(struct ctl_writer *w, const char *key, struct id id)
{
    ctl_put_hex(w, key, id_slice(&id));
}

void ctl_put_addr(struct ctl_writer *w, const char *key, const struct addr *a)
{
    char text[ADDR_TEXT_OCTETS];
    ctl_put_text(w, key, a->family ? addr_format(a, text) : NULL);
}

void ctl_put_time(struct ctl_writer *w, const char *key, struct wall t)
{
    char text[WALL_TEXT_OCTETS];
    ctl_put_text(w, key, t.ms ? wall_format(t, text) : NULL);
}

void ctl_put_printf(struct ctl_writer *w, const char *key, const char *format, ...)
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if (text.err && !w->out->err)
        w->out->err = text.err;
    ctl_put_slice(w, key, buf_slice(&text));
    buf_fini(&text);
}

void ctl_put_counters(struct ctl_writer *w, const char *prefix, const char *const *names, const uint64_t *values)
{
    for (size_t i = 0; names[i]; i++) {
        ctl_open_object(w, NULL);
        ctl_put_printf(w, "name", "%s.%s", prefix, names[i]);
        ctl_put_unsigned(w, "value", values[i]);
        ctl_close(w);
    }
}
