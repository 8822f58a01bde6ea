/* A growing buffer that encoders write to. It never exceeds its limit; errors stick and are asked for once, at the end. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"
#include "base/slice.h"

#include <stdarg.h>

struct buf {
    uint8_t *p;
    size_t n;
    size_t capacity;
    size_t limit; /* octets that n may never exceed */
    int err;      /* 0, ERR_LIMIT, ERR_NO_MEMORY or ERR_RANGE (a length that does not fit its field) */
};

/* Nothing is allocated before the first write. */
void buf_init(struct buf *b, size_t limit);
void buf_fini(struct buf *b);

/* Overwrites the contents before freeing them: for secrets. */
void buf_fini_secret(struct buf *b);

/* Empties the buffer and clears the error; keeps the memory. */
void buf_clear(struct buf *b);
void buf_clear_secret(struct buf *b); /* wipes what it held */

/* Valid until the next write. */
static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->p, b->n};
}

/* Room for so many octets, which the caller fills at once; NULL on error. */
uint8_t *buf_extend(struct buf *b, size_t octets);

void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u24(struct buf *b, uint32_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_slice_put(struct buf *b, struct slice s);
void buf_str(struct buf *b, const char *s);

/* A value behind its length of 1 to 4 octets. */
void buf_opaque(struct buf *b, unsigned length_octets, struct slice s);

/* Reserves a length field; buf_close fills it with what was written since. */
size_t buf_open(struct buf *b, unsigned length_octets);
void buf_close(struct buf *b, size_t mark, unsigned length_octets);

/* Drops the first octets (what has been sent or parsed). */
void buf_drop(struct buf *b, size_t octets);

/* Text; no NUL is stored. */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Adds a NUL that does not count and returns the text, or "" on error. Valid until the next write. */
const char *buf_text(struct buf *b);

#endif
