/* Kinds of packets, and the header of RTP. */
#include "media/rtp.h"

#define RTP_VERSION 2
#define RTCP_SHORTEST 8

static const char *const kind_names[] = {
    [RTP_MEDIA] = "rtp", [RTP_RTCP] = "rtcp", [RTP_STUN] = "stun",   [RTP_DTLS] = "dtls",
    [RTP_ZRTP] = "zrtp", [RTP_TURN] = "turn", [RTP_OTHER] = "other",
};

const char *rtp_kind_name(enum rtp_kind kind)
{
    return kind_names[kind];
}

enum rtp_kind rtp_classify(struct slice octets)
{
    if (octets.n < 2)
        return RTP_OTHER;
    uint8_t first = octets.p[0], second = octets.p[1];
    if (first >= 128 && first <= 191) {
        /* RFC 5761 4: payload types 64 to 95 are not used where RTCP may come. */
        if (second >= 192 && second <= 223)
            return octets.n >= RTCP_SHORTEST ? RTP_RTCP : RTP_OTHER;
        return octets.n >= RTP_HEADER_OCTETS ? RTP_MEDIA : RTP_OTHER;
    }
    if (first <= 3)
        return RTP_STUN;
    if (first >= 16 && first <= 19)
        return RTP_ZRTP;
    if (first >= 20 && first <= 63)
        return RTP_DTLS;
    return first >= 64 && first <= 79 ? RTP_TURN : RTP_OTHER;
}

static uint16_t u16_at(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int fail(struct fault *ret_fault, int err, size_t octet, const char *rule)
{
    if (ret_fault)
        *ret_fault = (struct fault){octet, rule};
    return err;
}

int rtp_read_header(struct slice octets, struct rtp_view *ret_view, struct fault *ret_fault)
{
    const uint8_t *p = octets.p;
    if (octets.n < RTP_HEADER_OCTETS)
        return fail(ret_fault, ERR_TRUNCATED, octets.n, "RTP header, RFC 3550 5.1");
    if (p[0] >> 6 != RTP_VERSION)
        return fail(ret_fault, ERR_SYNTAX, 0, "RTP version, RFC 3550 5.1");
    struct rtp_view v = {
        .payload_type = p[1] & 0x7f,
        .marker = p[1] >> 7,
        .has_padding = p[0] & 0x20,
        .has_extension = p[0] & 0x10,
        .csrc_count = p[0] & 0x0f,
        .sequence = u16_at(p + 2),
        .timestamp = u32_at(p + 4),
        .ssrc = u32_at(p + 8),
    };
    size_t at = RTP_HEADER_OCTETS;
    size_t csrc_octets = 4 * (size_t)v.csrc_count;
    if (octets.n - at < csrc_octets)
        return fail(ret_fault, ERR_TRUNCATED, 0, "CSRC count, RFC 3550 5.1");
    v.csrc = slice_of(p + at, csrc_octets);
    at += csrc_octets;
    if (v.has_extension) {
        if (octets.n - at < 4)
            return fail(ret_fault, ERR_TRUNCATED, at, "header extension, RFC 3550 5.3.1");
        size_t extension_octets = 4 * (size_t)u16_at(p + at + 2);
        if (octets.n - at - 4 < extension_octets)
            return fail(ret_fault, ERR_TRUNCATED, at + 2, "length of the header extension, RFC 3550 5.3.1");
        v.extension_profile = u16_at(p + at);
        v.extension = slice_of(p + at + 4, extension_octets);
        at += 4 + extension_octets;
    }
    v.payload = slice_of(p + at, octets.n - at);
    *ret_view = v;
    return 0;
}

int rtp_read(struct slice octets, struct rtp_view *ret_view, struct fault *ret_fault)
{
    struct rtp_view v;
    int err = rtp_read_header(octets, &v, ret_fault);
    if (err)
        return err;
    if (v.has_padding) {
        size_t padding = v.payload.n ? v.payload.p[v.payload.n - 1] : 0;
        if (padding == 0 || padding > v.payload.n)
            return fail(ret_fault, ERR_RANGE, octets.n - 1, "length of the padding, RFC 3550 5.1");
        v.payload.n -= padding;
    }
    *ret_view = v;
    return 0;
}

/* ---- elements of a header extension ---- */

#define PROFILE_ONE_BYTE 0xbede
#define PROFILE_TWO_BYTES 0x1000 /* the lower four bits are the application's */
#define ONE_BYTE_ID_STOP 15

int rtp_element_next(const struct rtp_view *view, size_t *position, struct rtp_element *ret_element)
{
    bool one_byte = view->extension_profile == PROFILE_ONE_BYTE;
    if (!view->has_extension || (!one_byte && (view->extension_profile & 0xfff0) != PROFILE_TWO_BYTES))
        return 0;
    struct slice ext = view->extension;
    size_t at = *position;
    while (at < ext.n && ext.p[at] == 0) /* padding between elements */
        at++;
    if (at >= ext.n) {
        *position = ext.n;
        return 0;
    }
    uint8_t id, header_octets;
    size_t n;
    if (one_byte) {
        id = ext.p[at] >> 4;
        n = (size_t)(ext.p[at] & 0x0f) + 1;
        header_octets = 1;
        if (id == ONE_BYTE_ID_STOP) { /* 4.2: nothing from here on is to be read */
            *position = ext.n;
            return 0;
        }
    } else {
        if (ext.n - at < 2)
            return ERR_TRUNCATED;
        id = ext.p[at];
        n = ext.p[at + 1];
        header_octets = 2;
    }
    if (ext.n - at - header_octets < n)
        return ERR_TRUNCATED;
    *ret_element = (struct rtp_element){id, slice_of(ext.p + at + header_octets, n)};
    *position = at + header_octets + n;
    return 1;
}
