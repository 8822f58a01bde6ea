/* Pictures that are made up. */
#include "pstn/video.h"

#include "media/rtp.h"

#include <string.h>

#define VERSION_2 0x80
#define MARKER 0x80
#define TICKS 3000      /* of 90 kHz, from one picture to the next */
#define NAL_HEADER 0x41 /* RFC 6184 5.3: a slice of a picture that others refer to */
#define HEAD_OCTETS 6   /* that header, the picture's number, the part's */
#define FILLER 0x5a

void pstn_video_init(struct pstn_video *v, const struct entropy *entropy)
{
    memset(v, 0, sizeof *v);
    entropy_fill(entropy, &v->ssrc, sizeof v->ssrc);
    entropy_fill(entropy, &v->timestamp, sizeof v->timestamp);
    entropy_fill(entropy, &v->sequence, sizeof v->sequence);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

void pstn_video_write(struct pstn_video *v, uint8_t payload_type, uint8_t ret_packet[PSTN_VIDEO_OCTETS])
{
    const bool is_last = v->part == PSTN_VIDEO_PARTS - 1;
    uint8_t *payload = ret_packet + RTP_HEADER_OCTETS;
    ret_packet[0] = VERSION_2;
    ret_packet[1] = payload_type;
    if (is_last)
        ret_packet[1] |= MARKER;
    ret_packet[2] = (uint8_t)(v->sequence >> 8);
    ret_packet[3] = (uint8_t)v->sequence;
    put_u32(ret_packet + 4, v->timestamp);
    put_u32(ret_packet + 8, v->ssrc);
    payload[0] = NAL_HEADER;
    put_u32(payload + 1, v->picture);
    payload[5] = (uint8_t)v->part;
    memset(payload + HEAD_OCTETS, FILLER, PSTN_VIDEO_OCTETS - RTP_HEADER_OCTETS - HEAD_OCTETS);
    v->sequence++;
    v->sent++;
    v->part = is_last ? 0 : v->part + 1;
    v->picture += is_last;
    v->timestamp += is_last ? TICKS : 0;
}

void pstn_video_take(struct pstn_video *v, struct slice datagram)
{
    struct rtp_view rtp;
    if (rtp_read(datagram, &rtp, NULL) < 0 || rtp.payload.n < HEAD_OCTETS || rtp.payload.p[0] != NAL_HEADER ||
        rtp.payload.p[5] >= PSTN_VIDEO_PARTS) {
        v->strange++;
        return;
    }
    const uint8_t *p = rtp.payload.p;
    const uint32_t picture = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    const unsigned all = (1u << PSTN_VIDEO_PARTS) - 1, part = 1u << p[5];
    v->received++;
    if (picture != v->shown || v->parts == all)
        v->parts = 0;
    v->shown = picture;
    v->parts |= part;
    v->whole += v->parts == all;
}
