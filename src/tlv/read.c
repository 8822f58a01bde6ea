/* Reads attributes and their values. */
#include "base/text.h"
#include "tlv/tlv.h"

bool tlv_next(struct reader *r, enum tlv_padding padding, struct tlv_attr *ret_attr)
{
    if (r->err || r->at == r->end)
        return false;
    struct tlv_attr a = {.octet = r->at};
    a.type = read_u16(r, "attribute type, VAP 4");
    size_t length_at = r->at;
    uint16_t octets = read_u16(r, "attribute length, VAP 4");
    if (!r->err && octets > r->end - r->at)
        reader_fail_at(r, ERR_TRUNCATED, length_at, "attribute length goes beyond the end, VAP 4");
    a.value = read_slice(r, octets, "attribute value, VAP 4");
    size_t padding_at = r->at;
    a.padding = read_slice(r, (4 - octets % 4u) % 4u, "attribute padding to 4 octets, VAP 4");
    for (size_t i = 0; padding == TLV_PADDING_ZERO && i < a.padding.n; i++)
        if (a.padding.p[i])
            reader_fail_at(r, ERR_SYNTAX, padding_at + i, "attribute padding is zero, VAP 4");
    if (r->err)
        return false;
    *ret_attr = a;
    return true;
}

bool tlv_find(struct slice attrs, uint16_t type, struct tlv_attr *ret_attr)
{
    struct reader r;
    struct tlv_attr a;
    reader_init(&r, attrs);
    while (tlv_next(&r, TLV_PADDING_ANY, &a)) {
        if (a.type == type) {
            *ret_attr = a;
            return true;
        }
    }
    return false;
}

static bool has_octets(struct reader *r, const struct tlv_attr *a, size_t min, size_t max, const char *rule)
{
    if (!r->err && (a->value.n < min || a->value.n > max))
        reader_fail_at(r, ERR_RANGE, a->octet + 2, rule);
    return !r->err;
}

static uint64_t read_number(struct reader *r, const struct tlv_attr *a, size_t octets, const char *rule)
{
    uint64_t v = 0;
    if (!has_octets(r, a, octets, octets, rule))
        return 0;
    for (size_t i = 0; i < octets; i++)
        v = v << 8 | a->value.p[i];
    return v;
}

uint8_t tlv_read_u8(struct reader *r, const struct tlv_attr *a, const char *rule)
{
    return (uint8_t)read_number(r, a, 1, rule);
}

uint16_t tlv_read_u16(struct reader *r, const struct tlv_attr *a, const char *rule)
{
    return (uint16_t)read_number(r, a, 2, rule);
}

uint32_t tlv_read_u32(struct reader *r, const struct tlv_attr *a, const char *rule)
{
    return (uint32_t)read_number(r, a, 4, rule);
}

uint64_t tlv_read_u64(struct reader *r, const struct tlv_attr *a, const char *rule)
{
    return read_number(r, a, 8, rule);
}

struct slice tlv_read_octets(struct reader *r, const struct tlv_attr *a, size_t min, size_t max, const char *rule)
{
    return has_octets(r, a, min, max, rule) ? a->value : (struct slice){0};
}

struct slice tlv_read_text(struct reader *r, const struct tlv_attr *a, size_t min, size_t max, const char *rule)
{
    if (!has_octets(r, a, min, max, rule))
        return (struct slice){0};
    if (!text_is_utf8(a->value)) {
        reader_fail_at(r, ERR_SYNTAX, a->octet + TLV_HEADER_OCTETS, rule);
        return (struct slice){0};
    }
    return a->value;
}

struct wall tlv_read_time(struct reader *r, const struct tlv_attr *a, const char *rule)
{
    uint64_t ntp = tlv_read_u64(r, a, rule);
    return r->err ? (struct wall){0} : wall_from_ntp(ntp);
}

struct e164 tlv_read_e164(struct reader *r, const struct tlv_attr *a, const char *rule)
{
    struct e164 number = {0};
    if (!r->err && !e164_parse(a->value, &number))
        reader_fail_at(r, ERR_SYNTAX, a->octet + TLV_HEADER_OCTETS, rule);
    return number;
}

struct id tlv_read_id(struct reader *r, const struct tlv_attr *a, const char *rule)
{
    struct id id = {{0}};
    if (has_octets(r, a, ID_OCTETS, ID_OCTETS, rule))
        memcpy(id.octets, a->value.p, ID_OCTETS);
    return id;
}

struct service_identity tlv_read_service(struct reader *r, const struct tlv_attr *a, const char *rule)
{
    struct service_identity s = {0};
    if (!has_octets(r, a, SERVICE_IDENTITY_OCTETS, SERVICE_IDENTITY_OCTETS, rule))
        return s;
    struct reader value;
    reader_init(&value, a->value);
    s.service = read_u16(&value, rule);
    s.subservice = read_u16(&value, rule);
    s.vservice_id = read_u64(&value, rule);
    s.instance = read_u64(&value, rule);
    return s;
}
