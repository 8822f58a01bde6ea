/* The forwarding header, RFC 6940 6.3.2: all that a peer reads of a message which it only passes on.
 *
 * Decoded structs hold slices of the input and arrays from the region handed in: they live as long as both. Decoders return 0 or
 * an error and then say in ret_fault at which octet of the input and by which rule (ERR_TRUNCATED, ERR_SYNTAX, ERR_RANGE,
 * ERR_UNSUPPORTED, ERR_LIMIT for a named limit, ERR_NO_MEMORY also when the region is full); outputs are untouched on failure.
 * Encoders append to a buffer and return its (sticky) error. What was decoded encodes to the same octets. */
#ifndef RELOAD_HEADER_H
#define RELOAD_HEADER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/region.h"
#include "reload/codes.h"

#define RELOAD_TOKEN 0xd2454c4fu           /* relo_token: "RELO" with the top bit set */
#define RELOAD_VERSION 0x0a                /* 1.0 */
#define RELOAD_TTL_DEFAULT 100             /* initial-ttl */
#define RELOAD_FRAGMENT_WHOLE 0xc0000000u  /* high bit, last fragment, offset 0 (6.7) */
#define RELOAD_FRAGMENT_HIGH 0x80000000u   /* always set */
#define RELOAD_FRAGMENT_LAST 0x40000000u   /* last or only fragment */
#define RELOAD_FRAGMENT_OFFSET 0x00ffffffu /* octets behind the forwarding header */
#define RELOAD_CONFIG_SEQUENCE_ANY 65535   /* accepted in every ConfigUpdate (6.3.2.1) */

#define RELOAD_MESSAGE_OCTETS_DEFAULT 5000      /* max-message-size unless configured, 11.1 */
#define RELOAD_MESSAGE_OCTETS_MAX (1024 * 1024) /* no configuration goes beyond */
#define RELOAD_REGION_OCTETS_MAX (4096 * 1024)  /* for the structs of one message; most need a few thousand octets */
#define RELOAD_FRAGMENT_OCTET 12                /* where the fragment field stands */
#define RELOAD_LENGTH_OCTET 16                  /* where the length field stands */
#define RELOAD_HEADER_FIXED_OCTETS 38           /* the forwarding header without its lists */
#define RELOAD_RESOURCE_OCTETS_MAX 254          /* Resource-ID, 6.3.1.1 */
#define RELOAD_OPAQUE_ID_OCTETS_MAX 254         /* what a Destination's length leaves for it, 6.3.2.2 */
#define RELOAD_DESTINATIONS_MAX 256             /* entries of a Via List or a Destination List */
#define RELOAD_OPTIONS_MAX 16                   /* forwarding options of a message */

/* Destination, 6.3.2.2. */
struct reload_destination {
    uint8_t type;        /* enum reload_destination_type, or a later one */
    bool compact;        /* opaque id in the 2-octet form: `octets` has 2 octets, the top bit set */
    struct id node;      /* NODE: the Node-ID */
    struct slice octets; /* RESOURCE: the Resource-ID; OPAQUE_ID: the id; other types: destination_data as it stands */
};

struct reload_destination reload_destination_node(struct id node);

/* Keeps the slice. */
struct reload_destination reload_destination_resource(struct slice resource);
struct reload_destination reload_destination_opaque(struct slice opaque_id);

/* The 2-octet form; `id_octets` are kept, and hold 2 octets with the top bit set. */
struct reload_destination reload_destination_compact(const uint8_t id_octets[2]);

bool reload_destination_eq(const struct reload_destination *a, const struct reload_destination *b);

/* ForwardingOption, 6.3.2.3. None is known here: all are carried as they are. */
struct reload_option {
    uint8_t type;
    uint8_t flags; /* enum reload_option_flag */
    struct slice value;
};

struct reload_header {
    uint32_t overlay; /* reload_overlay_hash of the name */
    uint16_t configuration_sequence;
    uint8_t ttl;
    uint32_t fragment; /* RELOAD_FRAGMENT_WHOLE, or high bit, last bit, (ignored) reserved bits and offset */
    uint32_t length;   /* of the whole message with this header; encoders compute it */
    uint64_t transaction_id;
    uint32_t max_response_length; /* octets; 0: no limit */
    const struct reload_destination *via;
    size_t via_count;
    const struct reload_destination
        *destinations; /* the RFC sends no message without one, but a decoded list can be empty */
    size_t destination_count;
    const struct reload_option *options;
    size_t option_count;
    size_t octets; /* of the encoded header as received: where the rest of the message begins; not used by encoders */
};

/* The low 32 bits of SHA-1 of the overlay's name. */
uint32_t reload_overlay_hash(struct slice name);

/* A message (or a fragment of one) of exactly these octets; the rest behind the header is not looked at. Refused: wrong token,
 * version or length, high fragment bit clear, Resource-IDs elsewhere than last in a Destination List, more entries than the
 * limits. TTL, overlay and configuration sequence are for the peer to judge. */
int reload_header_decode(struct slice message, struct region *region, struct reload_header *ret_header,
                         struct fault *ret_fault);

/* The same from the first octets of a message: for an answer to one that is too large to be received. ERR_TRUNCATED when the
 * header itself is not yet there. */
int reload_header_peek(struct slice prefix, struct region *region, struct reload_header *ret_header,
                       struct fault *ret_fault);

/* The same of a message whose version is not ours, in so far as it looks like ours: for the answer that says so (6.1). */
int reload_header_decode_other_version(struct slice message, struct region *region, struct reload_header *ret_header,
                                       struct fault *ret_fault);

/* Writes the header for a rest of so many octets; `length` and `octets` of the struct are not looked at. */
int reload_header_encode(const struct reload_header *header, size_t rest_octets, struct buf *out);

/* Octets that it will take. */
size_t reload_header_encoded_octets(const struct reload_header *header);

static inline bool reload_header_is_whole(const struct reload_header *header)
{
    return (header->fragment & (RELOAD_FRAGMENT_LAST | RELOAD_FRAGMENT_OFFSET)) == RELOAD_FRAGMENT_LAST;
}

/* What forwarding needs (6.1.2). These change the struct alone, never the arrays: a copy of a header is a new header.
 * Append to the Via List: 0, ERR_LIMIT (RELOAD_DESTINATIONS_MAX) or ERR_NO_MEMORY. */
int reload_header_via_append(struct reload_header *header, const struct reload_destination *entry,
                             struct region *region);

/* Removes the first entry of the Destination List, if any. */
void reload_header_destination_pop(struct reload_header *header);

/* Replaces the first entry of the Destination List by these (an opaque id by what it stands for, 6.1.3). */
int reload_header_destination_replace(struct reload_header *header, const struct reload_destination *entries,
                                      size_t count, struct region *region);

/* The Destination List of a response: the Via List of the request in reverse order (6.2.2). */
int reload_header_reverse_via(const struct reload_header *request, struct region *region,
                              const struct reload_destination **ret_destinations, size_t *ret_count);

/* The message with another forwarding header: contents and security block (or the fragment) go out octet by octet as they came.
 * `received` is the header decoded from `message`; `header` is the changed copy. */
int reload_message_forward(struct slice message, const struct reload_header *received,
                           const struct reload_header *header, struct buf *out);

/* A Destination alone, as in RouteQuery and in reload: URIs (14.15). Appends; decodes a list of them that takes all octets. */
int reload_destination_encode(const struct reload_destination *destination, struct buf *out);
int reload_destinations_decode(struct slice octets, struct region *region,
                               const struct reload_destination **ret_destinations, size_t *ret_count,
                               struct fault *ret_fault);

#endif
