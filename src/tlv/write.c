/* Writes attributes. */
#include "tlv/tlv.h"

static void put_header(struct buf *b, uint16_t type, uint16_t octets)
{
    buf_u16(b, type);
    buf_u16(b, octets);
}

static void put_padding(struct buf *b, size_t value_octets)
{
    static const uint8_t zeros[3];
    buf_put(b, zeros, (4 - value_octets % 4) % 4);
}

void tlv_put(struct buf *b, uint16_t type, struct slice value)
{
    if (value.n > TLV_VALUE_OCTETS_MAX) {
        if (!b->err)
            b->err = ERR_RANGE;
        return;
    }
    put_header(b, type, (uint16_t)value.n);
    buf_slice_put(b, value);
    put_padding(b, value.n);
}

void tlv_put_u8(struct buf *b, uint16_t type, uint8_t v)
{
    put_header(b, type, 1);
    buf_u8(b, v);
    put_padding(b, 1);
}

void tlv_put_u16(struct buf *b, uint16_t type, uint16_t v)
{
    put_header(b, type, 2);
    buf_u16(b, v);
    put_padding(b, 2);
}

void tlv_put_u32(struct buf *b, uint16_t type, uint32_t v)
{
    put_header(b, type, 4);
    buf_u32(b, v);
}

void tlv_put_u64(struct buf *b, uint16_t type, uint64_t v)
{
    put_header(b, type, 8);
    buf_u64(b, v);
}

void tlv_put_text(struct buf *b, uint16_t type, const char *text)
{
    tlv_put(b, type, slice_str(text));
}

void tlv_put_time(struct buf *b, uint16_t type, struct wall t)
{
    tlv_put_u64(b, type, wall_to_ntp(t));
}

void tlv_put_e164(struct buf *b, uint16_t type, const struct e164 *number)
{
    tlv_put(b, type, e164_slice(number));
}

void tlv_put_id(struct buf *b, uint16_t type, const struct id *id)
{
    tlv_put(b, type, id_slice(id));
}

void tlv_put_service(struct buf *b, uint16_t type, const struct service_identity *service)
{
    put_header(b, type, SERVICE_IDENTITY_OCTETS);
    buf_u16(b, service->service);
    buf_u16(b, service->subservice);
    buf_u64(b, service->vservice_id);
    buf_u64(b, service->instance);
}

size_t tlv_open(struct buf *b, uint16_t type)
{
    buf_u16(b, type);
    return buf_open(b, 2);
}

void tlv_close(struct buf *b, size_t mark)
{
    buf_close(b, mark, 2);
    if (!b->err)
        put_padding(b, b->n - mark - 2);
}
