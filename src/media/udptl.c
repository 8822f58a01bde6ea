/* The frame of a UDPTL datagram: sequence number, primary packet, then earlier packets again or parity. */
#include "media/udptl.h"

#include "base/reader.h"

/* Lengths and counts of the aligned variant: one octet up to 127, two up to 16,383; fragments of more have no place in a datagram. */
static size_t read_length(struct reader *r, const char *rule)
{
    size_t at = r->at;
    size_t n = read_u8(r, rule);
    if (n < 0x80)
        return n;
    if (n >= 0xc0) {
        reader_fail_at(r, ERR_SYNTAX, at, rule);
        return 0;
    }
    return (n & 0x3f) << 8 | read_u8(r, rule);
}

static struct slice read_open(struct reader *r, const char *rule)
{
    size_t n = read_length(r, rule);
    return read_slice(r, n, rule);
}

static void read_recovery(struct reader *r, struct udptl_view *v)
{
    size_t at = r->at;
    uint8_t choice = read_u8(r, "kind of error recovery, T.38 9.1");
    if (choice & 0x7f)
        reader_fail_at(r, ERR_SYNTAX, at, "kind of error recovery, T.38 9.1");
    v->has_fec = choice & 0x80;
    if (v->has_fec) { /* how many packets a parity packet spans: an integer of its own length */
        at = r->at;
        size_t octets = read_length(r, "span of the parity packets, T.38 9.1");
        if (!r->err && (octets < 1 || octets > 4))
            reader_fail_at(r, ERR_RANGE, at, "span of the parity packets, T.38 9.1");
        read_slice(r, octets, "span of the parity packets, T.38 9.1");
    }
    at = r->at;
    size_t count = read_length(r, "number of secondary packets, T.38 9.1");
    if (!r->err && count > UDPTL_SECONDARIES_MAX)
        reader_fail_at(r, ERR_LIMIT, at, "number of secondary packets, T.38 9.1");
    for (size_t i = 0; i < count && !r->err; i++)
        read_open(r, "length of a secondary packet, T.38 9.1");
    v->secondary_count = (unsigned)count;
}

int udptl_read(struct slice octets, struct udptl_view *ret_view, struct fault *ret_fault)
{
    struct reader r;
    struct udptl_view v = {0};
    reader_init(&r, octets);
    v.sequence = read_u16(&r, "UDPTL sequence number, T.38 9.1");
    size_t at = r.at;
    v.primary = read_open(&r, "length of the primary packet, T.38 9.1");
    if (!r.err && v.primary.n == 0)
        reader_fail_at(&r, ERR_RANGE, at, "length of the primary packet, T.38 9.1");
    read_recovery(&r, &v);
    if (reader_end(&r, "end of the UDPTL datagram, T.38 9.1")) {
        if (ret_fault)
            *ret_fault = r.fault;
        return r.err;
    }
    *ret_view = v;
    return 0;
}
