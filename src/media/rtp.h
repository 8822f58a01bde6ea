/* What arrives on a media port, told apart (RFC 7983, RFC 5761), and the header of an RTP packet (RFC 3550 5.1, RFC 8285) as a view in place:
 * nothing is copied, nothing outside of the octets is looked at. */
#ifndef MEDIA_RTP_H
#define MEDIA_RTP_H

#include "base/err.h"
#include "base/slice.h"

#define RTP_HEADER_OCTETS 12

/* RFC 7983 7 by the first octet, RFC 5761 4 by the second. RTP is at least a header, RTCP at least a header and an SSRC, whether protected or not;
 * anything shorter is PACKET_OTHER. Only the first two octets and the length are looked at. */
enum rtp_kind { RTP_MEDIA, RTP_RTCP, RTP_STUN, RTP_DTLS, RTP_ZRTP, RTP_TURN, RTP_OTHER };
enum rtp_kind rtp_classify(struct slice octets);
const char *rtp_kind_name(enum rtp_kind kind); /* "rtp", "rtcp", "stun", … */

struct rtp_view {
    uint8_t payload_type; /* 0 to 127 */
    bool marker;
    bool has_padding;
    bool has_extension;
    uint8_t csrc_count;
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;
    uint16_t extension_profile;
    struct slice csrc;      /* 4 octets each */
    struct slice extension; /* behind its header of 4 octets */
    struct slice payload;   /* rtp_read: without padding; rtp_read_header: all that follows the header */
};

/* The part of the packet that SRTP leaves readable. 0, ERR_TRUNCATED, ERR_SYNTAX (not version 2). ret_fault may be NULL. */
int rtp_read_header(struct slice octets, struct rtp_view *ret_view, struct fault *ret_fault);

/* The same for a packet that is not protected: padding is checked and taken off. ERR_RANGE: more padding than payload, or none at all. */
int rtp_read(struct slice octets, struct rtp_view *ret_view, struct fault *ret_fault);

/* An element of a header extension, RFC 8285 4.2 and 4.3. */
struct rtp_element {
    uint8_t id;
    struct slice value;
};

/* The next one; position begins at 0. 1: there is one, 0: no more (also for an extension of another profile), ERR_TRUNCATED: the element goes
 * beyond the extension. */
int rtp_element_next(const struct rtp_view *view, size_t *position, struct rtp_element *ret_element);

#endif
