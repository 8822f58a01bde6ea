/* What media says about a call while it lasts and at its end. Values without pointers. */
#ifndef MEDIA_EVENT_H
#define MEDIA_EVENT_H

#include "media/session.h"

/* Why a packet was not relayed. */
/* clang-format off */
#define MEDIA_REFUSALS(X) \
    X(foreign)     /* from another address than the stream's */ \
    X(forged)      /* does not verify under the stream's key */ \
    X(replayed)    /* verifies, but came before, or is too old to tell */ \
    X(malformed)   /* neither RTP nor RTCP, or too long */ \
    X(no_key)      /* from outside before a key was negotiated, or the key is used up */ \
    X(not_sending) /* from an end that is on hold */ \
    X(no_way)      /* nobody is known to send it to */ \
    X(closed)      /* the stream is off */
/* clang-format on */
enum media_refusal {
#define MEDIA_REFUSAL_CODE_(name) MEDIA_REFUSED_##name,
    MEDIA_REFUSALS(MEDIA_REFUSAL_CODE_) MEDIA_REFUSAL_COUNT
};
extern const char *const media_refusal_names[MEDIA_REFUSAL_COUNT];

/* What was received from one side in one stream, from the beginning on. RTP only, after it was verified, unless said otherwise. */
struct media_figures {
    struct addr source; /* where it comes from; family 0: nothing has been accepted yet */
    uint64_t packets, octets;
    uint64_t rtcp_packets; /* RTCP that was relayed; for UDPTL packets counts the datagrams */
    uint64_t refused[MEDIA_REFUSAL_COUNT];
    uint8_t payload_type; /* of the last packet */
    uint16_t ptime_ms;    /* measured; 0: not known */
    char codec[MEDIA_FORMAT_NAME_OCTETS];
    uint64_t expected, lost; /* packets; without duplicates */
    uint32_t loss_ppm,
        worst_loss_ppm;     /* of the whole, and of the worst judged stretch of time (lost and late), in millionths */
    uint32_t longest_burst; /* packets lost or late in a row */
    uint32_t jitter_us;     /* interarrival jitter, RFC 3550 6.4.1, now */
    uint32_t delay_variation_min_us, delay_variation_mean_us, delay_variation_max_us;
    uint64_t variation_count; /* packets that the three are about; 0: they say nothing */
    uint32_t total_s, concealed_s, severely_concealed_s;
    uint32_t round_trip_us; /* from RTCP; 0: not known */
    uint32_t mos_hundredths,
        worst_mos_hundredths; /* estimate for a listener of what came from this side; 0: not known */
    uint32_t impairments;     /* how many times quality became bad, for however short */
    bool is_bad;              /* now, after the hold-down: the state of fallback */
    uint8_t reasons;          /* why, when it became bad the last time: bits of enum quality_reason (media/judge.h) */
};

struct media_summary {
    unsigned stream_count;
    struct media_figures streams[MEDIA_STREAMS_MAX][MEDIA_SIDES];
};

enum media_event_kind {
    MEDIA_LATCHED, /* the first accepted packet of a stream from a side, and whenever its source moves */
    MEDIA_QUALITY, /* of what comes from outside: bad for the length of the hold-down, or good again */
    MEDIA_SILENT, /* nothing accepted from a side in all streams that may send, for silence_ms; told again after each further stretch */
    MEDIA_FIGURES, /* figures now and then: they are kept for media_port.figures, and not passed on */
    MEDIA_SUMMARY, /* final figures; the last event of a session */
    MEDIA_LOST, /* the session is gone with the process that relayed it, and could not go on in another: no summary follows */
    MEDIA_STATE /* to the relay's owner alone: what media_relay_export gives now is worth keeping, should this process die */
};

struct media_event {
    enum media_event_kind kind;
    uint64_t session;
    unsigned stream;              /* of LATCHED and QUALITY */
    enum media_side side;         /* of LATCHED and SILENT */
    struct addr source;           /* of LATCHED */
    struct media_figures figures; /* of QUALITY: is_bad tells which */
    struct media_summary summary; /* of FIGURES and SUMMARY */
};

#endif
