/* What signalling says about the media of a call: streams, both ends of each, keys. A value without pointers, so that it can be handed to
 * another process and kept for a stand-by. It holds keys: wipe what is not needed anymore. */
#ifndef MEDIA_SESSION_H
#define MEDIA_SESSION_H

#include "base/addr.h"
#include "media/suite.h"

#define MEDIA_STREAMS_MAX 8
#define MEDIA_FORMATS_MAX 16
#define MEDIA_FORMAT_NAME_OCTETS 16

enum media_side { MEDIA_INSIDE, MEDIA_OUTSIDE };
#define MEDIA_SIDES 2

static inline enum media_side media_other_side(enum media_side side)
{
    return side == MEDIA_INSIDE ? MEDIA_OUTSIDE : MEDIA_INSIDE;
}

/* MEDIA_OFF: the m-line is there, but refused or ended (port 0); nothing passes, its ports are given back. MEDIA_UDPTL: fax over IP (T.38),
 * neither RTP nor protected. */
enum media_kind { MEDIA_OFF, MEDIA_RTP, MEDIA_UDPTL };

/* A payload type and what it stands for (a=rtpmap, or the static table of RFC 3551). */
struct media_format {
    uint8_t payload_type;
    uint32_t clock_hz;
    char name[MEDIA_FORMAT_NAME_OCTETS]; /* terminated; cut if longer */
};

/* One end of a stream: the PBX or phone inside, the other company's edge outside. */
struct media_end {
    struct addr remote; /* where it wants its media, as negotiated; family 0: not known yet, nothing is sent there */
    struct addr remote_rtcp; /* a=rtcp; family 0: the port after remote's, or remote itself with rtcp_mux */
    bool rtcp_mux;           /* RFC 5761: RTP and RTCP share a port with this end, whatever the other end does */
    bool may_send;           /* false: its RTP is dropped (hold, recvonly, inactive); RTCP always passes */
    struct srtp_master
        in; /* protects what comes from this end; SUITE_NONE: nothing does. Outside RTP without protection is never accepted */
    struct srtp_master out; /* protects what goes to this end */
};

struct media_stream {
    enum media_kind kind;
    bool is_audio; /* judged for quality as a listener would */
    uint16_t ptime_ms;
    uint8_t format_count;
    struct media_format formats[MEDIA_FORMATS_MAX];
    struct media_end ends[MEDIA_SIDES];
};

struct media_session {
    uint64_t id;          /* never used twice by one signalling process; never 0 */
    unsigned sensitivity; /* 0 (quality is measured, never reported) to 5 */
    bool is_early;        /* not answered yet: media may flow, but nobody wonders if none does */
    unsigned stream_count;
    struct media_stream streams[MEDIA_STREAMS_MAX]; /* in the order of the m-lines, which never changes */
};

#endif
