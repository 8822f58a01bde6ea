/* Requests and answers of the mapping service, read and written. */
#include "mapping/message.h"

#include "tlv/tlv.h"

int mapping_message_octets(struct slice stream)
{
    struct reader r;
    if (stream.n < MAPPING_HEADER_OCTETS)
        return 0;
    reader_init(&r, stream);
    const uint32_t magic = read_u32(&r, "magic");
    read_u16(&r, "version and kind");
    const unsigned length = read_u16(&r, "length");
    if (magic != MAPPING_MAGIC || length % 4)
        return ERR_SYNTAX;
    if (MAPPING_HEADER_OCTETS + length > MAPPING_MESSAGE_OCTETS_MAX)
        return ERR_LIMIT;
    return (int)(MAPPING_HEADER_OCTETS + length);
}

/* ---- reading ---- */

static struct addr read_addr(struct reader *r, const struct tlv_attr *a)
{
    static const char rule[] = "an address has 8 or 20 octets by its family, mapping";
    struct slice v = tlv_read_octets(r, a, 8, 20, rule);
    struct addr addr = {0};
    if (r->err)
        return addr;
    addr.family = v.p[0];
    addr.port = (uint16_t)(v.p[2] << 8 | v.p[3]);
    if ((addr.family != 4 && addr.family != 6) || v.n != (addr.family == 4 ? 8u : 20u) || v.p[1])
        reader_fail_at(r, ERR_RANGE, a->octet + TLV_HEADER_OCTETS, rule);
    else if (!addr.port)
        reader_fail_at(r, ERR_RANGE, a->octet + TLV_HEADER_OCTETS + 2, "a port is not 0, mapping");
    else
        memcpy(addr.ip, v.p + 4, v.n - 4);
    return addr;
}

static uint32_t read_lifetime(struct reader *r, const struct tlv_attr *a)
{
    static const char rule[] = "a lifetime is 1 to 86400 seconds, mapping";
    const uint32_t seconds = tlv_read_u32(r, a, rule);
    if (!r->err && (!seconds || seconds > MAPPING_LIFETIME_S_MAX))
        reader_fail_at(r, ERR_RANGE, a->octet + TLV_HEADER_OCTETS, rule);
    return seconds;
}

/* A bit for each attribute that is known. */
enum { HAS_FAR = 1, HAS_INSIDE = 2, HAS_LIFETIME = 4, HAS_CODE = 8 };

static unsigned read_attr(struct reader *r, const struct tlv_attr *a, struct mapping_message *m)
{
    switch (a->type) {
    case MAPPING_ATTR_FAR:
        m->far = read_addr(r, a);
        return HAS_FAR;
    case MAPPING_ATTR_INSIDE:
        m->inside = read_addr(r, a);
        return HAS_INSIDE;
    case MAPPING_ATTR_LIFETIME:
        m->lifetime_s = read_lifetime(r, a);
        return HAS_LIFETIME;
    case MAPPING_ATTR_CODE:
        m->code = tlv_read_u16(r, a, "a code has 2 octets, mapping");
        return HAS_CODE;
    default:
        if (tlv_is_required(a->type))
            reader_fail_at(r, ERR_SYNTAX, a->octet, "an attribute that must be understood is not, mapping");
        return 0;
    }
}

static unsigned wanted(enum mapping_kind kind)
{
    return kind == MAPPING_REQUEST ? HAS_FAR : kind == MAPPING_ERROR ? HAS_CODE : HAS_FAR | HAS_INSIDE | HAS_LIFETIME;
}

static void read_attrs(struct reader *r, struct mapping_message *m)
{
    struct tlv_attr a;
    unsigned seen = 0;
    while (tlv_next(r, TLV_PADDING_ZERO, &a)) {
        const unsigned one = read_attr(r, &a, m);
        if (one && (seen & one || !(wanted(m->kind) & one)))
            reader_fail_at(r, ERR_SYNTAX, a.octet, "an attribute stands once, and where it has a meaning, mapping");
        seen |= one;
    }
    if (!r->err && seen != wanted(m->kind))
        reader_fail(r, ERR_TRUNCATED, "an attribute is missing, mapping");
}

int mapping_decode(struct slice octets, struct mapping_message *ret_message, struct fault *ret_fault)
{
    struct mapping_message m = {0};
    struct reader r;
    reader_init(&r, octets);
    if (read_u32(&r, "magic, mapping") != MAPPING_MAGIC)
        reader_fail_at(&r, ERR_SYNTAX, 0, "magic, mapping");
    const uint8_t version = read_u8(&r, "version, mapping");
    m.kind = (enum mapping_kind)read_u8(&r, "kind, mapping");
    if (!r.err && (m.kind < MAPPING_REQUEST || m.kind > MAPPING_ERROR))
        reader_fail_at(&r, ERR_RANGE, 5, "kind, mapping");
    const unsigned length = read_u16(&r, "length, mapping");
    if (!r.err && length != octets.n - 8 - 4)
        reader_fail_at(&r, ERR_SYNTAX, 6, "the length is that of the attributes, mapping");
    m.transaction = read_u32(&r, "transaction, mapping");
    if (!r.err && version != MAPPING_VERSION) {
        ret_message->transaction = m.transaction;
        reader_fail_at(&r, ERR_UNSUPPORTED, 4, "version, mapping");
    }
    read_attrs(&r, &m);
    if (r.err) {
        if (ret_fault)
            *ret_fault = r.fault;
        return r.err;
    }
    *ret_message = m;
    return 0;
}

/* ---- writing ---- */

static void put_addr(struct buf *b, uint16_t type, const struct addr *addr)
{
    const size_t mark = tlv_open(b, type);
    buf_u8(b, addr->family);
    buf_u8(b, 0);
    buf_u16(b, addr->port);
    buf_put(b, addr->ip, addr->family == 4 ? 4 : 16);
    tlv_close(b, mark);
}

void mapping_encode(const struct mapping_message *m, struct buf *out)
{
    const size_t start = out->n;
    buf_u32(out, MAPPING_MAGIC);
    buf_u8(out, MAPPING_VERSION);
    buf_u8(out, (uint8_t)m->kind);
    buf_u16(out, 0);
    buf_u32(out, m->transaction);
    if (m->kind != MAPPING_ERROR)
        put_addr(out, MAPPING_ATTR_FAR, &m->far);
    if (m->kind == MAPPING_SUCCESS) {
        put_addr(out, MAPPING_ATTR_INSIDE, &m->inside);
        tlv_put_u32(out, MAPPING_ATTR_LIFETIME, m->lifetime_s);
    }
    if (m->kind == MAPPING_ERROR)
        tlv_put_u16(out, MAPPING_ATTR_CODE, m->code);
    if (out->err)
        return;
    const size_t length = out->n - start - MAPPING_HEADER_OCTETS;
    out->p[start + 6] = (uint8_t)(length >> 8);
    out->p[start + 7] = (uint8_t)length;
}
