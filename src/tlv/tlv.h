/* Attributes of STUN's shape (draft-jennings-vipr-vap-02 section 4): type and length of 16 bits each, the value, zero to three octets of
 * padding that the length does not count. VAP messages, PVP exchanges, tickets and ring records are sequences of them.
 *
 * Readers work on a struct reader: faults carry the octet of the whole input, errors stick. Writers append to a struct buf, whose error
 * is asked for at the end. Values read are slices of the input. */
#ifndef TLV_TLV_H
#define TLV_TLV_H

#include "base/buf.h"
#include "base/e164.h"
#include "base/id.h"
#include "base/reader.h"
#include "base/time.h"
#include "tlv/service.h"

#define TLV_HEADER_OCTETS 4
#define TLV_VALUE_OCTETS_MAX 65535

/* Attribute types of VAP (section 10.3, figure 11). PVP and tickets have types of their own in their modules. */
enum tlv_type {
    TLV_USERNAME = 0x0006,
    TLV_MESSAGE_INTEGRITY = 0x0008,
    TLV_ERROR_CODE = 0x0009,
    TLV_REALM = 0x0014,
    TLV_CLIENT_NAME = 0x1001,
    TLV_CLIENT_HANDLE = 0x1002,
    TLV_PROTOCOL_VERSION = 0x1003,
    TLV_CLIENT_LABEL = 0x1005,
    TLV_KEEPALIVE = 0x1006,
    TLV_SERVICE_IDENTITY = 0x1007,
    TLV_SERVICE_VERSION = 0x100b,
    TLV_SERVICE_CONTENT = 0x100c,
    TLV_SUBSCRIPTION_ID = 0x100e,
    TLV_CALL_DIRECTION = 0x2001,
    TLV_START_TIME = 0x2002,
    TLV_STOP_TIME = 0x2003,
    TLV_CALLING_NUM = 0x2004,
    TLV_CALLED_NUM = 0x2005,
    TLV_PEER_ID = 0x2008,
    TLV_QUOTA = 0x200a,
    TLV_DHT_LIFETIME = 0x200b
};

/* The draft's name of a type ("CalledNum"), or NULL. Static storage. */
const char *tlv_type_name(uint16_t type);

/* A receiver must understand types below 0x8000 (RFC 5389 section 15), where the protocol in question does not say otherwise. */
static inline bool tlv_is_required(uint16_t type)
{
    return type < 0x8000;
}

struct tlv_attr {
    uint16_t type;
    size_t octet;         /* where its type stands in the whole input; the value begins TLV_HEADER_OCTETS later */
    struct slice value;   /* without the padding */
    struct slice padding; /* 0 to 3 octets */
};

/* VAP lets a sender pad with anything (section 10.3.12); what is signed or compared octet by octet must be padded with zeros. */
enum tlv_padding { TLV_PADDING_ANY, TLV_PADDING_ZERO };

/* The next attribute up to the reader's end. False at the end (no error) or on a fault (reader->err). */
bool tlv_next(struct reader *r, enum tlv_padding padding, struct tlv_attr *ret_attr);

/* The first attribute of a type in a well-formed sequence; false when absent or when a fault comes before it. */
bool tlv_find(struct slice attrs, uint16_t type, struct tlv_attr *ret_attr);

/* The value of an attribute; a wrong length or content is a fault of the reader at its octet, and gives 0. */
uint8_t tlv_read_u8(struct reader *r, const struct tlv_attr *a, const char *rule);
uint16_t tlv_read_u16(struct reader *r, const struct tlv_attr *a, const char *rule);
uint32_t tlv_read_u32(struct reader *r, const struct tlv_attr *a, const char *rule);
uint64_t tlv_read_u64(struct reader *r, const struct tlv_attr *a, const char *rule);

/* Opaque octets, their number within bounds. */
struct slice tlv_read_octets(struct reader *r, const struct tlv_attr *a, size_t min, size_t max, const char *rule);

/* The same, and UTF-8 without NUL. */
struct slice tlv_read_text(struct reader *r, const struct tlv_attr *a, size_t min, size_t max, const char *rule);

/* A 64-bit NTP time (section 10.3.15). */
struct wall tlv_read_time(struct reader *r, const struct tlv_attr *a, const char *rule);

/* "+" and 1 to 15 digits (section 10.3.17). */
struct e164 tlv_read_e164(struct reader *r, const struct tlv_attr *a, const char *rule);

struct id tlv_read_id(struct reader *r, const struct tlv_attr *a, const char *rule);
struct service_identity tlv_read_service(struct reader *r, const struct tlv_attr *a, const char *rule);

/* Appends one attribute with zero padding. A value above TLV_VALUE_OCTETS_MAX sets the buffer's error ERR_RANGE. */
void tlv_put(struct buf *b, uint16_t type, struct slice value);
void tlv_put_u8(struct buf *b, uint16_t type, uint8_t v);
void tlv_put_u16(struct buf *b, uint16_t type, uint16_t v);
void tlv_put_u32(struct buf *b, uint16_t type, uint32_t v);
void tlv_put_u64(struct buf *b, uint16_t type, uint64_t v);
void tlv_put_text(struct buf *b, uint16_t type, const char *text);
void tlv_put_time(struct buf *b, uint16_t type, struct wall t);
void tlv_put_e164(struct buf *b, uint16_t type, const struct e164 *number);
void tlv_put_id(struct buf *b, uint16_t type, const struct id *id);
void tlv_put_service(struct buf *b, uint16_t type, const struct service_identity *service);

/* An attribute whose value is written in between: open gives the mark for close, which sets the length and pads. */
size_t tlv_open(struct buf *b, uint16_t type);
void tlv_close(struct buf *b, size_t mark);

/* What an attribute with such a value takes, padding included. */
static inline size_t tlv_octets(size_t value_octets)
{
    return TLV_HEADER_OCTETS + (value_octets + 3) / 4 * 4;
}

#endif
