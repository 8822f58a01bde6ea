/* The messages of the mapping service (doc/mapping.md): a header of 12 octets and attributes of VAP's shape. Pure functions on octets. */
#ifndef MAPPING_MESSAGE_H
#define MAPPING_MESSAGE_H

#include "base/addr.h"
#include "base/buf.h"

#define MAPPING_PORT 8060
#define MAPPING_HEADER_OCTETS 12
#define MAPPING_MAGIC 0x494d4550u /* "IMEP" */
#define MAPPING_VERSION 1
#define MAPPING_MESSAGE_OCTETS_MAX 512
#define MAPPING_LIFETIME_S_MAX 86400

enum mapping_kind { MAPPING_REQUEST = 1, MAPPING_SUCCESS = 2, MAPPING_ERROR = 3 };

/* Attribute types: a range that neither VAP nor tickets use. */
enum mapping_attr {
    MAPPING_ATTR_FAR = 0x6101,      /* family (4 or 6), zero, port, address: whom the agent wants to call */
    MAPPING_ATTR_INSIDE = 0x6102,   /* the same: where to call instead */
    MAPPING_ATTR_LIFETIME = 0x6103, /* u32, seconds: how long that is good, from now */
    MAPPING_ATTR_CODE = 0x6104      /* u16 */
};

/* In the sense that RFC 3261 gives them. */
enum mapping_code {
    MAPPING_BAD_REQUEST = 400,
    MAPPING_FORBIDDEN = 403,  /* nobody may be called there */
    MAPPING_OVERLOADED = 503, /* no inside address is free */
    MAPPING_UNSUPPORTED_VERSION = 505
};

struct mapping_message {
    enum mapping_kind kind;
    uint32_t transaction; /* chosen by who asks, repeated in the answer */
    struct addr far;      /* REQUEST, SUCCESS */
    struct addr inside;   /* SUCCESS */
    uint32_t lifetime_s;  /* SUCCESS: 1 to MAPPING_LIFETIME_S_MAX */
    uint16_t code;        /* ERROR */
};

/* How many octets of a stream the message takes that begins there: 0: the header is not whole yet; ERR_SYNTAX: this is no such protocol, and
 * nothing behind it can be read; ERR_LIMIT. */
int mapping_message_octets(struct slice stream);

/* Exactly one message. Attributes that are not known are skipped if their type is 0x8000 or above. ERR_SYNTAX, ERR_RANGE, ERR_TRUNCATED,
 * ERR_UNSUPPORTED (another version; the transaction is set all the same). ret_fault may be NULL. */
int mapping_decode(struct slice octets, struct mapping_message *ret_message, struct fault *ret_fault);

/* Appends it. */
void mapping_encode(const struct mapping_message *message, struct buf *out);

#endif
