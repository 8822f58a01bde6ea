/* Messages of the exchange, and the signatures that bind the channel to Node-IDs. */
#include "pvp/exchange.h"

#include "tlv/tlv.h"

#define PVP_MAGIC 0x70767031u /* "pvp1" */

/* Besides attributes of VAP: a private range. */
enum pvp_attr { PVP_ATTR_CERTIFICATE = 0x6101, PVP_ATTR_SIGNATURE = 0x6102, PVP_ATTR_DOMAIN = 0x6103 };

enum { DOMAIN_OCTETS_MAX = 253, VALINFO_OCTETS_LIMIT = 32767, REASON_OCTETS_MAX = 128 };

/* Fields of a message: each at most once, and exactly those that its type has. */
enum field {
    FIELD_NODE_ID = 1,
    FIELD_CERTIFICATE = 2,
    FIELD_SIGNATURE = 4,
    FIELD_VERSION = 8,
    FIELD_DOMAIN = 16,
    FIELD_CALLED = 32,
    FIELD_VALINFO = 64,
    FIELD_CODE = 128
};

static const unsigned fields_of[] = {
    [PVP_HELLO] = FIELD_NODE_ID | FIELD_CERTIFICATE | FIELD_SIGNATURE | FIELD_VERSION,
    [PVP_REQUEST] = FIELD_VERSION | FIELD_DOMAIN | FIELD_CALLED,
    [PVP_ANSWER] = FIELD_DOMAIN | FIELD_VALINFO,
    [PVP_REFUSAL] = FIELD_CODE,
};

/* Codes, their words, and the phrases that travel. */
static const struct {
    unsigned code;
    const char *name;
    const char *phrase;
} refusals[] = {
    {PVP_REFUSED_MALFORMED, "malformed", "Bad Request"},
    {PVP_REFUSED_DOMAIN, "domain_refused", "Domain Refused"},
    {PVP_REFUSED_NUMBER, "number_not_served", "Number Not Served"},
    {PVP_REFUSED_IDENTITY, "identity", "Identity Not Proved"},
    {PVP_REFUSED_VERSION, "version", "Unsupported Protocol Version"},
    {PVP_REFUSED_LATER, "try_later", "Try Later"},
};

const char *pvp_refusal_name(unsigned code)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (refusals[i].code == code)
            return refusals[i].name;
    return "unknown";
}

static const char *refusal_phrase(unsigned code)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (refusals[i].code == code)
            return refusals[i].phrase;
    return "";
}

/* draft-jennings-vipr-vap-02 section 10.3.4: 16 zero bits, class, number, phrase. */
static void put_code(struct buf *b, unsigned code)
{
    size_t mark = tlv_open(b, TLV_ERROR_CODE);
    buf_u16(b, 0);
    buf_u8(b, (uint8_t)(code / 100));
    buf_u8(b, (uint8_t)(code % 100));
    buf_str(b, refusal_phrase(code));
    tlv_close(b, mark);
}

int pvp_message_encode(const struct pvp_message *m, struct buf *ret_octets)
{
    struct buf *b = ret_octets;
    unsigned fields = fields_of[m->type];
    buf_u16(b, (uint16_t)m->type);
    /* The length stands before the magic, but counts what comes after it. */
    size_t length_at = b->n;
    buf_u16(b, 0);
    buf_u32(b, PVP_MAGIC);
    size_t start = b->n;
    if (fields & FIELD_NODE_ID)
        tlv_put_id(b, TLV_PEER_ID, &m->node_id);
    if (fields & FIELD_CERTIFICATE)
        tlv_put(b, PVP_ATTR_CERTIFICATE, m->certificate);
    if (fields & FIELD_SIGNATURE)
        tlv_put(b, PVP_ATTR_SIGNATURE, m->signature);
    if (fields & FIELD_VERSION)
        tlv_put_u32(b, TLV_PROTOCOL_VERSION, (uint32_t)m->major << 16 | m->minor);
    if (fields & FIELD_DOMAIN)
        tlv_put(b, PVP_ATTR_DOMAIN, m->domain);
    if (fields & FIELD_CALLED)
        tlv_put_e164(b, TLV_CALLED_NUM, &m->called);
    if (fields & FIELD_VALINFO)
        tlv_put(b, TLV_SERVICE_CONTENT, m->valinfo);
    if (fields & FIELD_CODE)
        put_code(b, m->code);
    if (b->err)
        return b->err;
    size_t octets = b->n - start;
    if (octets > PVP_MESSAGE_OCTETS_MAX - PVP_HEADER_OCTETS)
        return b->err = ERR_RANGE;
    b->p[length_at] = (uint8_t)(octets >> 8);
    b->p[length_at + 1] = (uint8_t)octets;
    return 0;
}

static unsigned read_code(struct reader *r, const struct tlv_attr *a)
{
    struct slice s = tlv_read_octets(r, a, 4, 4 + REASON_OCTETS_MAX, "ERROR-CODE, VAP 10.3.4");
    if (r->err)
        return 0;
    if (s.p[0] || s.p[1] || s.p[2] < 1 || s.p[2] > 6 || s.p[3] > 99)
        reader_fail_at(r, ERR_RANGE, a->octet + TLV_HEADER_OCTETS, "ERROR-CODE class 1 to 6 and number below 100");
    return 100u * s.p[2] + s.p[3];
}

/* Takes one attribute in. Returns its field; 0 if it may be skipped or on a fault. */
static unsigned take(struct reader *r, const struct tlv_attr *a, struct pvp_message *m)
{
    switch (a->type) {
    case TLV_PEER_ID:
        m->node_id = tlv_read_id(r, a, "peerID of 16 octets");
        return FIELD_NODE_ID;
    case PVP_ATTR_CERTIFICATE:
        m->certificate = tlv_read_octets(r, a, 1, PVP_CERTIFICATE_OCTETS_MAX, "certificate length");
        return FIELD_CERTIFICATE;
    case PVP_ATTR_SIGNATURE:
        m->signature = tlv_read_octets(r, a, 1, PVP_SIGNATURE_OCTETS_MAX, "signature length");
        return FIELD_SIGNATURE;
    case TLV_PROTOCOL_VERSION: {
        uint32_t version = tlv_read_u32(r, a, "Protocol-Version of 4 octets");
        m->major = (uint16_t)(version >> 16);
        m->minor = (uint16_t)version;
        return FIELD_VERSION;
    }
    case PVP_ATTR_DOMAIN:
        m->domain = tlv_read_text(r, a, 1, DOMAIN_OCTETS_MAX, "domain of 1 to 253 octets");
        return FIELD_DOMAIN;
    case TLV_CALLED_NUM:
        m->called = tlv_read_e164(r, a, "CalledNum, E.164");
        return FIELD_CALLED;
    case TLV_SERVICE_CONTENT:
        m->valinfo = tlv_read_octets(r, a, 1, VALINFO_OCTETS_LIMIT, "ServiceContent under 32 KiB");
        return FIELD_VALINFO;
    case TLV_ERROR_CODE:
        m->code = read_code(r, a);
        return FIELD_CODE;
    default:
        if (tlv_is_required(a->type))
            reader_fail_at(r, ERR_UNSUPPORTED, a->octet, "attribute that must be understood");
        return 0;
    }
}

static void read_attributes(struct reader *r, struct pvp_message *m)
{
    struct tlv_attr a;
    unsigned seen = 0;
    while (tlv_next(r, TLV_PADDING_ANY, &a)) {
        unsigned field = take(r, &a, m);
        if (field & seen)
            reader_fail_at(r, ERR_SYNTAX, a.octet, "attribute comes once");
        if (field & ~fields_of[m->type])
            reader_fail_at(r, ERR_SYNTAX, a.octet, "attribute belongs to this message");
        seen |= field;
    }
    if (!r->err && seen != fields_of[m->type])
        reader_fail(r, ERR_SYNTAX, "mandatory attribute is there");
}

int pvp_message_decode(struct slice input, struct pvp_message *ret_message, size_t *ret_octets, struct fault *ret_fault)
{
    struct pvp_message m = {0};
    struct reader r;
    reader_init(&r, input);
    uint16_t type = read_u16(&r, "message type");
    size_t length_at = r.at;
    uint16_t length = read_u16(&r, "message length");
    size_t magic_at = r.at;
    uint32_t magic = read_u32(&r, "message magic");
    if (!r.err && magic != PVP_MAGIC)
        reader_fail_at(&r, ERR_SYNTAX, magic_at, "message magic is pvp1");
    if (!r.err && (type < PVP_HELLO || type > PVP_REFUSAL))
        reader_fail_at(&r, ERR_UNSUPPORTED, 0, "message type is 1 to 4");
    if (!r.err && (length % 4 || length > PVP_MESSAGE_OCTETS_MAX - PVP_HEADER_OCTETS))
        reader_fail_at(&r, ERR_LIMIT, length_at, "message length, a multiple of 4");
    struct reader body = read_sub(&r, length, "message body");
    int err = r.err;
    if (!err) {
        m.type = (enum pvp_message_type)type;
        read_attributes(&body, &m);
        /* The message is all there: more octets would not help. */
        err = body.err == ERR_TRUNCATED ? ERR_SYNTAX : body.err;
        r.fault = body.fault;
    }
    if (err) {
        if (ret_fault)
            *ret_fault = r.fault;
        return err;
    }
    *ret_message = m;
    *ret_octets = PVP_HEADER_OCTETS + (size_t)length;
    return 0;
}

struct slice pvp_signed_octets(enum pvp_role role, const struct id *node_id,
                               const uint8_t exporter[PVP_EXPORTER_OCTETS], uint8_t octets[PVP_SIGNED_OCTETS])
{
    /* Two texts of the same length: neither side's signature can be returned to it as the other's. */
    enum { CONTEXT_OCTETS = PVP_SIGNED_OCTETS - ID_OCTETS - PVP_EXPORTER_OCTETS };
    memcpy(octets, role == PVP_ROLE_ORIGINATOR ? "ime pvp 1 caller" : "ime pvp 1 callee", CONTEXT_OCTETS);
    memcpy(octets + CONTEXT_OCTETS, node_id->octets, ID_OCTETS);
    memcpy(octets + CONTEXT_OCTETS + ID_OCTETS, exporter, PVP_EXPORTER_OCTETS);
    return slice_of(octets, PVP_SIGNED_OCTETS);
}

int pvp_hello_write(const struct pvp_identity *identity, enum pvp_role role,
                    const uint8_t exporter[PVP_EXPORTER_OCTETS], struct buf *ret_octets)
{
    uint8_t octets[PVP_SIGNED_OCTETS];
    struct buf signature;
    buf_init(&signature, PVP_SIGNATURE_OCTETS_MAX);
    struct slice data = pvp_signed_octets(role, &identity->node_id, exporter, octets);
    int err = identity->sign(identity->ctx, data, &signature);
    if (!err) {
        struct pvp_message hello = {.type = PVP_HELLO,
                                    .node_id = identity->node_id,
                                    .certificate = identity->certificate,
                                    .signature = buf_slice(&signature),
                                    .major = PVP_VERSION_MAJOR,
                                    .minor = PVP_VERSION_MINOR};
        err = pvp_message_encode(&hello, ret_octets);
    }
    buf_fini(&signature);
    return err;
}

int pvp_hello_check(const struct pvp_identity *identity, enum pvp_role role_of_sender, const struct pvp_message *hello,
                    const uint8_t exporter[PVP_EXPORTER_OCTETS], struct wall now)
{
    uint8_t octets[PVP_SIGNED_OCTETS];
    struct slice data = pvp_signed_octets(role_of_sender, &hello->node_id, exporter, octets);
    return identity->verify(identity->ctx, hello->certificate, &hello->node_id, data, hello->signature, now);
}
