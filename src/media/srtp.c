/* Protection of RTP and RTCP: form and limits of a packet are checked here, then the chosen library does it. */
#include "media/srtp.h"

#include "base/mem.h"
#include "media/srtp_private.h"

void srtp_begin(struct srtp *s, const struct srtp_ops *ops, enum srtp_suite suite, enum srtp_direction direction,
                uint64_t lifetime)
{
    s->ops = ops;
    s->suite = suite;
    s->direction = direction;
    s->rtp_overhead = srtp_suite_rtp_overhead(suite);
    s->rtcp_overhead = srtp_suite_rtcp_overhead(suite);
    /* RFC 3711 section 9.2; a lifetime counts each kind (RFC 4568 section 6.1). */
    s->rtp_packets_max = (uint64_t)1 << 48;
    s->rtcp_packets_max = (uint64_t)1 << 31;
    if (lifetime && lifetime < s->rtp_packets_max)
        s->rtp_packets_max = lifetime;
    if (lifetime && lifetime < s->rtcp_packets_max)
        s->rtcp_packets_max = lifetime;
}

int srtp_new(const struct srtp_master *master, enum srtp_direction direction, enum srtp_backend backend,
             struct srtp **ret_srtp)
{
    return backend == SRTP_BACKEND_LIBSRTP ? srtp_libsrtp_new(master, direction, ret_srtp)
                                           : srtp_openssl_new(master, direction, ret_srtp);
}

void srtp_free(struct srtp *s)
{
    if (!s)
        return;
    srtp_sources_fini(&s->sources);
    s->ops->free(s);
}

/* Octets of the header with CSRCs and extension (RFC 3550 sections 5.1 and 5.3.1), or 0 when they are not all there. */
static size_t rtp_header_octets(const uint8_t *packet, size_t octets)
{
    if (octets < SRTP_RTP_HEADER_OCTETS || packet[0] >> 6 != 2)
        return 0;
    size_t header = SRTP_RTP_HEADER_OCTETS + (size_t)4 * (packet[0] & 0x0f);
    if (packet[0] & 0x10) {
        if (octets < header + 4)
            return 0;
        header += 4 + (size_t)4 * srtp_get_u16(packet + header + 2);
    }
    return header <= octets ? header : 0;
}

enum srtp_result srtp_rtp_protect(struct srtp *s, uint8_t *packet, size_t room, size_t *octets)
{
    size_t header = rtp_header_octets(packet, *octets);
    if (!header || *octets + s->rtp_overhead > room || *octets + s->rtp_overhead > SRTP_PACKET_OCTETS_MAX)
        return SRTP_MALFORMED;
    if (s->rtp_packets >= s->rtp_packets_max)
        return SRTP_OVER;
    struct srtp_source *source = srtp_sources_get(&s->sources, srtp_get_u32(packet + 8));
    if (!source)
        return SRTP_FULL;
    enum srtp_result result = s->ops->rtp_protect(s, source, packet, header, octets);
    if (result == SRTP_GOOD) {
        srtp_sources_keep(&s->sources, source);
        s->rtp_packets++;
    }
    return result;
}

enum srtp_result srtp_rtp_unprotect(struct srtp *s, uint8_t *packet, size_t *octets)
{
    if (*octets < s->rtp_overhead || *octets > SRTP_PACKET_OCTETS_MAX)
        return SRTP_MALFORMED;
    size_t header = rtp_header_octets(packet, *octets - s->rtp_overhead);
    if (!header)
        return SRTP_MALFORMED;
    if (s->rtp_packets >= s->rtp_packets_max)
        return SRTP_OVER;
    struct srtp_source *source = srtp_sources_get(&s->sources, srtp_get_u32(packet + 8));
    if (!source)
        return SRTP_FULL;
    enum srtp_result result = s->ops->rtp_unprotect(s, source, packet, header, octets);
    if (result == SRTP_GOOD) {
        srtp_sources_keep(&s->sources, source);
        s->rtp_packets++;
    }
    return result;
}

enum srtp_result srtp_rtcp_protect(struct srtp *s, uint8_t *packet, size_t room, size_t *octets)
{
    if (*octets < SRTP_RTCP_HEADER_OCTETS || packet[0] >> 6 != 2 || *octets + s->rtcp_overhead > room ||
        *octets + s->rtcp_overhead > SRTP_PACKET_OCTETS_MAX)
        return SRTP_MALFORMED;
    if (s->rtcp_packets >= s->rtcp_packets_max)
        return SRTP_OVER;
    struct srtp_source *source = srtp_sources_get(&s->sources, srtp_get_u32(packet + 4));
    if (!source)
        return SRTP_FULL;
    enum srtp_result result = s->ops->rtcp_protect(s, source, packet, octets);
    if (result == SRTP_GOOD) {
        srtp_sources_keep(&s->sources, source);
        s->rtcp_packets++;
    }
    return result;
}

enum srtp_result srtp_rtcp_unprotect(struct srtp *s, uint8_t *packet, size_t *octets)
{
    if (*octets < SRTP_RTCP_HEADER_OCTETS + s->rtcp_overhead || packet[0] >> 6 != 2 || *octets > SRTP_PACKET_OCTETS_MAX)
        return SRTP_MALFORMED;
    if (s->rtcp_packets >= s->rtcp_packets_max)
        return SRTP_OVER;
    struct srtp_source *source = srtp_sources_get(&s->sources, srtp_get_u32(packet + 4));
    if (!source)
        return SRTP_FULL;
    enum srtp_result result = s->ops->rtcp_unprotect(s, source, packet, octets);
    if (result == SRTP_GOOD) {
        srtp_sources_keep(&s->sources, source);
        s->rtcp_packets++;
    }
    return result;
}

const char *srtp_result_name(enum srtp_result result)
{
    static const char *const names[SRTP_RESULTS] = {"good", "malformed", "replayed", "forged",
                                                    "over", "full",      "failed"};
    return (unsigned)result < SRTP_RESULTS ? names[result] : "unknown";
}
