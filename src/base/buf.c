/* The growing buffer of all encoders. */
#include "base/buf.h"

#include "base/mem.h"

#include <stdio.h>

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_fini(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){.limit = b->limit};
}

void buf_fini_secret(struct buf *b)
{
    if (b->p)
        mem_wipe(b->p, b->capacity);
    buf_fini(b);
}

void buf_clear_secret(struct buf *b)
{
    if (b->n)
        mem_wipe(b->p, b->n);
    buf_clear(b);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->err = 0;
}

/* Room beyond n, not counting towards the limit by itself; the terminating NUL of buf_text needs it. */
static bool reserve(struct buf *b, size_t octets)
{
    if (b->p && b->capacity - b->n >= octets)
        return true;
    size_t want = b->n + octets;
    size_t grown = b->capacity + b->capacity / 2;
    if (grown > b->limit)
        grown = b->limit;
    size_t capacity = want > grown ? want : grown;
    if (capacity < 64 && b->limit >= 64)
        capacity = 64;
    uint8_t *p = mem_resize(b->p, capacity);
    if (!p) {
        b->err = ERR_NO_MEMORY;
        return false;
    }
    b->p = p;
    b->capacity = capacity;
    return true;
}

__attribute__((cold)) static uint8_t *grow(struct buf *b, size_t octets)
{
    if (b->err)
        return NULL;
    if (octets > b->limit || b->n > b->limit - octets) {
        b->err = ERR_LIMIT;
        return NULL;
    }
    if (!reserve(b, octets))
        return NULL;
    uint8_t *p = b->p + b->n;
    b->n += octets;
    return p;
}

/* Mostly there is room. */
static inline uint8_t *extend(struct buf *b, size_t octets)
{
    if (b->err || !b->p || octets > b->capacity - b->n || octets > b->limit - b->n)
        return grow(b, octets);
    uint8_t *p = b->p + b->n;
    b->n += octets;
    return p;
}

uint8_t *buf_extend(struct buf *b, size_t octets)
{
    return extend(b, octets);
}

static void put_number(struct buf *b, uint64_t v, unsigned octets)
{
    uint8_t *p = extend(b, octets);
    if (!p)
        return;
    for (unsigned i = 0; i < octets; i++)
        p[i] = (uint8_t)(v >> (8 * (octets - 1 - i)));
}

void buf_u8(struct buf *b, uint8_t v)
{
    uint8_t *p = extend(b, 1);
    if (p)
        *p = v;
}

void buf_u16(struct buf *b, uint16_t v)
{
    put_number(b, v, 2);
}

void buf_u24(struct buf *b, uint32_t v)
{
    if (v > 0xffffff && !b->err)
        b->err = ERR_RANGE;
    put_number(b, v, 3);
}

void buf_u32(struct buf *b, uint32_t v)
{
    put_number(b, v, 4);
}

void buf_u64(struct buf *b, uint64_t v)
{
    put_number(b, v, 8);
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    uint8_t *room = extend(b, n);
    if (room && n)
        memcpy(room, p, n);
}

void buf_slice_put(struct buf *b, struct slice s)
{
    buf_put(b, s.p, s.n);
}

void buf_str(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

static bool fits(size_t n, unsigned length_octets)
{
    return length_octets >= sizeof n || n >> (8 * length_octets) == 0;
}

void buf_opaque(struct buf *b, unsigned length_octets, struct slice s)
{
    if (!b->err && !fits(s.n, length_octets))
        b->err = ERR_RANGE;
    put_number(b, s.n, length_octets);
    buf_slice_put(b, s);
}

size_t buf_open(struct buf *b, unsigned length_octets)
{
    size_t mark = b->n;
    put_number(b, 0, length_octets);
    return mark;
}

void buf_close(struct buf *b, size_t mark, unsigned length_octets)
{
    if (b->err)
        return;
    size_t n = b->n - mark - length_octets;
    if (!fits(n, length_octets)) {
        b->err = ERR_RANGE;
        return;
    }
    for (unsigned i = 0; i < length_octets; i++)
        b->p[mark + i] = (uint8_t)(n >> (8 * (length_octets - 1 - i)));
}

void buf_drop(struct buf *b, size_t octets)
{
    if (octets >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + octets, b->n - octets);
    b->n -= octets;
}

static void put_decimal(struct buf *b, unsigned v)
{
    char digits[3 * sizeof v];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    buf_put(b, digits + at, sizeof digits - at);
}

/* Formats of %s, %.*s and %u, as nearly all of messages are: without the C library's printf, which takes longer than the rest of a text's making. False, and
 * nothing printed, for others. */
static bool print_plain(struct buf *b, const char *format, va_list args)
{
    const size_t begun = b->n;
    while (*format) {
        const char *text_end = format;
        while (*text_end && *text_end != '%')
            text_end++; /* mostly one octet or two */
        if (text_end > format)
            buf_put(b, format, (size_t)(text_end - format));
        format = text_end;
        if (!*format)
            break;
        const bool is_cut = format[1] == '.' && format[2] == '*' && format[3] == 's';
        if (format[1] == 'u') {
            put_decimal(b, va_arg(args, unsigned));
        } else if (format[1] == 's' || is_cut) {
            const int most = is_cut ? va_arg(args, int) : -1;
            const char *text = va_arg(args, const char *);
            if (most) /* else it may be NULL */
                buf_put(b, text, most < 0 ? strlen(text) : strnlen(text, (size_t)most));
        } else {
            b->n = begun;
            b->err = 0;
            return false;
        }
        format += is_cut ? 4 : 2;
    }
    if (b->err)
        b->n = begun;
    return true;
}

/* Straight into the room that there is; most texts fit. vsnprintf wants room for a NUL, too. */
static bool print_here(struct buf *b, const char *format, va_list args, size_t *ret_octets)
{
    size_t room = b->p ? b->capacity - b->n : 0;
    int n = vsnprintf(room ? (char *)b->p + b->n : NULL, room, format, args);
    if (n < 0)
        b->err = ERR_RANGE;
    *ret_octets = n < 0 ? 0 : (size_t)n;
    return n >= 0 && (size_t)n < room && (size_t)n <= b->limit - b->n;
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    size_t n;
    if (b->err)
        return;
    va_copy(again, args);
    bool printed = print_plain(b, format, again);
    va_end(again);
    if (printed)
        return;
    va_copy(again, args);
    printed = print_here(b, format, again, &n);
    va_end(again);
    if (!printed) {
        if (b->err || !buf_extend(b, n))
            return;
        b->n -= n; /* the NUL is given back */
        if (!reserve(b, n + 1))
            return;
        vsnprintf((char *)b->p + b->n, n + 1, format, args);
    }
    b->n += n;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

const char *buf_text(struct buf *b)
{
    if (b->err || !reserve(b, 1))
        return "";
    b->p[b->n] = 0;
    return (const char *)b->p;
}
