/* What a phone shows in a lab: pictures that are made up, 30 in a second, each in three packets of RTP (RFC 3550, 6184), whose payload says which
 * picture and which part of it that is. */
#ifndef PSTN_VIDEO_H
#define PSTN_VIDEO_H

#include "base/entropy.h"
#include "base/slice.h"

#include <stdbool.h>

#define PSTN_VIDEO_PICTURE_US 33333
#define PSTN_VIDEO_PARTS 3
#define PSTN_VIDEO_OCTETS (12 + 600)

struct pstn_video {
    uint16_t sequence;
    uint32_t timestamp, ssrc;
    uint32_t picture;
    unsigned part; /* of the picture: what comes next */
    uint64_t sent; /* packets */

    uint64_t received; /* packets that hold parts of pictures */
    uint64_t strange;  /* others */
    uint64_t whole;    /* pictures all of whose parts arrived */
    uint32_t shown;    /* the picture whose parts come in … */
    unsigned parts;    /* … of which these are there, a bit each */
};

void pstn_video_init(struct pstn_video *v, const struct entropy *entropy);
void pstn_video_write(struct pstn_video *v, uint8_t payload_type, uint8_t ret_packet[PSTN_VIDEO_OCTETS]); /* the next */
void pstn_video_take(struct pstn_video *v, struct slice datagram);

#endif
