/* Private: what srtp.c and the libraries behind it share. srtp.c checks form and limits and keeps the table of SSRCs; a library does one
 * packet that has passed there. */
#ifndef MEDIA_SRTP_PRIVATE_H
#define MEDIA_SRTP_PRIVATE_H

#include "media/srtp.h"
#include "media/srtp_window.h"

#define SRTP_PACKET_OCTETS_MAX 65535
#define SRTP_RTP_HEADER_OCTETS 12 /* RFC 3550 section 5.1, without CSRCs */
#define SRTP_RTCP_HEADER_OCTETS 8 /* RFC 3711 section 3.4: what is never encrypted */
#define SRTP_RTCP_INDEX_OCTETS 4  /* E flag and index */
#define SRTP_RTCP_INDEX_MAX 0x7fffffff
#define SRTP_RTCP_E_FLAG 0x80000000
#define SRTP_RTP_INDEX_MAX (((uint64_t)1 << 48) - 1)
#define SRTP_SALT_OCTETS_MAX 14
#define SRTP_AUTH_OCTETS 20 /* RFC 3711 section 5.2: n_a of HMAC-SHA1 is 160 */

/* What is remembered of an SSRC. */
struct srtp_source {
    uint32_t ssrc;
    /* On the way in: the window is that of the key before; under this one nothing was seen yet. */
    bool rtp_follows;
    bool rtcp_follows;
    struct srtp_window rtp;
    struct srtp_window rtcp;
};

/* The SSRCs of one key, in the order in which they came. */
struct srtp_sources {
    struct srtp_source *all;
    unsigned count;
    unsigned room;
    unsigned last; /* the one that was asked for last */
};

/* The source, or a blank one that becomes one when its packet was good (srtp_sources_keep). NULL: no room. Valid until the next call. */
struct srtp_source *srtp_sources_get(struct srtp_sources *t, uint32_t ssrc);
void srtp_sources_keep(struct srtp_sources *t, struct srtp_source *source);
void srtp_sources_fini(struct srtp_sources *t);

/* RFC 3711 section 4.3: what RTP, or RTCP, uses. */
struct srtp_keys {
    uint8_t key[32];
    uint8_t salt[SRTP_SALT_OCTETS_MAX];
    uint8_t auth[SRTP_AUTH_OCTETS]; /* of the AES_CM suites */
};

/* Both sets from the master key; key derivation rate 0. ERR_UNSUPPORTED, ERR_NO_MEMORY, ERR_CRYPTO. */
int srtp_derive(const struct srtp_master *master, struct srtp_keys *ret_rtp, struct srtp_keys *ret_rtcp);

/* What a library does. Packets have passed the checks of srtp.c: the header is whole, there is room for tag and index, and on the way in
 * they are long enough to have these. Sources may be blank; the library marks their windows when a packet is good. */
struct srtp_ops {
    enum srtp_result (*rtp_protect)(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t header_octets,
                                    size_t *octets);
    enum srtp_result (*rtp_unprotect)(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t header_octets,
                                      size_t *octets);
    enum srtp_result (*rtcp_protect)(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t *octets);
    enum srtp_result (*rtcp_unprotect)(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t *octets);
    void (*free)(struct srtp *s);
    bool gives_state; /* all of it is in the sources */
};

/* The head of each library's own struct. */
struct srtp {
    const struct srtp_ops *ops;
    enum srtp_suite suite;
    enum srtp_direction direction;
    size_t rtp_overhead;
    size_t rtcp_overhead;
    struct srtp_sources sources;
    uint64_t rtp_packets;
    uint64_t rtp_packets_max;
    uint64_t rtcp_packets;
    uint64_t rtcp_packets_max;
    uint32_t rtcp_first; /* index of the first RTCP packet of a new source */
};

/* srtp_new for each library. The head is filled by srtp.c. */
int srtp_openssl_new(const struct srtp_master *master, enum srtp_direction direction, struct srtp **ret_srtp);
int srtp_libsrtp_new(const struct srtp_master *master, enum srtp_direction direction, struct srtp **ret_srtp);

/* With session keys as they are, as the test vectors of RFC 7714 have them. */
int srtp_openssl_keyed(enum srtp_suite suite, enum srtp_direction direction, const struct srtp_keys *rtp,
                       const struct srtp_keys *rtcp, struct srtp **ret_srtp);

/* Fills the head; lifetime as in struct srtp_master. */
void srtp_begin(struct srtp *s, const struct srtp_ops *ops, enum srtp_suite suite, enum srtp_direction direction,
                uint64_t lifetime);

static inline uint16_t srtp_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t srtp_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void srtp_put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

#endif
