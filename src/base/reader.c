/* The sticky-error cursor of all decoders. */
#include "base/reader.h"

void reader_init(struct reader *r, struct slice input)
{
    *r = (struct reader){.base = input.p, .end = input.n};
}

size_t reader_left(const struct reader *r)
{
    return r->err ? 0 : r->end - r->at;
}

int reader_fail_at(struct reader *r, int err, size_t octet, const char *rule)
{
    if (!r->err) {
        r->err = err;
        r->fault = (struct fault){octet, rule};
    }
    return r->err;
}

int reader_fail(struct reader *r, int err, const char *rule)
{
    return reader_fail_at(r, err, r->at, rule);
}

struct slice read_slice(struct reader *r, size_t octets, const char *rule)
{
    if (r->err)
        return (struct slice){0};
    if (r->end - r->at < octets) {
        reader_fail(r, ERR_TRUNCATED, rule);
        return (struct slice){0};
    }
    struct slice s = {r->base ? r->base + r->at : NULL, octets};
    r->at += octets;
    return s;
}

static uint64_t read_number(struct reader *r, unsigned octets, const char *rule)
{
    struct slice s = read_slice(r, octets, rule);
    uint64_t value = 0;
    for (size_t i = 0; i < s.n; i++)
        value = value << 8 | s.p[i];
    return value;
}

uint8_t read_u8(struct reader *r, const char *rule)
{
    return (uint8_t)read_number(r, 1, rule);
}

uint16_t read_u16(struct reader *r, const char *rule)
{
    return (uint16_t)read_number(r, 2, rule);
}

uint32_t read_u24(struct reader *r, const char *rule)
{
    return (uint32_t)read_number(r, 3, rule);
}

uint32_t read_u32(struct reader *r, const char *rule)
{
    return (uint32_t)read_number(r, 4, rule);
}

uint64_t read_u64(struct reader *r, const char *rule)
{
    return read_number(r, 8, rule);
}

void read_copy(struct reader *r, void *ret_octets, size_t octets, const char *rule)
{
    struct slice s = read_slice(r, octets, rule);
    if (s.n)
        memcpy(ret_octets, s.p, s.n);
}

/* A length that goes beyond the input is blamed on the length field itself. */
static size_t read_length(struct reader *r, unsigned length_octets, const char *rule)
{
    size_t at = r->at;
    size_t n = (size_t)read_number(r, length_octets, rule);
    if (!r->err && r->end - r->at < n)
        reader_fail_at(r, ERR_TRUNCATED, at, rule);
    return n;
}

struct slice read_opaque(struct reader *r, unsigned length_octets, const char *rule)
{
    size_t n = read_length(r, length_octets, rule);
    return read_slice(r, n, rule);
}

struct reader read_sub(struct reader *r, size_t octets, const char *rule)
{
    size_t at = r->at;
    struct slice s = read_slice(r, octets, rule);
    return (struct reader){.base = r->base, .at = at, .end = at + s.n, .err = r->err, .fault = r->fault};
}

struct reader read_sub_opaque(struct reader *r, unsigned length_octets, const char *rule)
{
    size_t n = read_length(r, length_octets, rule);
    return read_sub(r, n, rule);
}

void reader_close(struct reader *parent, struct reader *child, const char *rule)
{
    reader_end(child, rule);
    if (child->err)
        reader_fail_at(parent, child->err, child->fault.octet, child->fault.rule);
}

int reader_end(struct reader *r, const char *rule)
{
    if (!r->err && r->at != r->end)
        reader_fail(r, ERR_SYNTAX, rule);
    return r->err;
}
