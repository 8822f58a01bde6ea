/* How well a stream arrives: one struct quality for what one side sends in one m-line, fed with every verified packet and the RTCP beside it, asked
 * for figures every monitoring interval. No allocation, no pointers inside: a value that may be copied and kept. doc/quality.md says for operators what
 * each figure means.
 *
 * Time is handed in, monotonic, of the moment of arrival; a time before the last one counts as the last one. */
#ifndef MEDIA_QUALITY_H
#define MEDIA_QUALITY_H

#include "media/rtcp.h"
#include "media/rtp.h"
#include "media/session.h"

/* Figures are those of the last QUALITY_WINDOW_US, which is cut into slots: the oldest slot leaves as a whole. */
#define QUALITY_SLOT_US 250000
#define QUALITY_SLOTS 20
#define QUALITY_WINDOW_US (QUALITY_SLOTS * QUALITY_SLOT_US)
#define QUALITY_RECENT_SLOTS 4

/* With fewer packets in the window nothing is said about the stream. */
#define QUALITY_PACKETS_MIN 10

/* Senders (SSRC) of one stream at a time; the one that was silent the longest gives way. */
#define QUALITY_SOURCES 4

/* RFC 3550 A.1 */
#define QUALITY_MIN_SEQUENTIAL 2
#define QUALITY_MAX_DROPOUT 3000
#define QUALITY_MAX_MISORDER 100

/* RFC 3611 4.7.2: so many packets in a row must arrive for a burst to have ended. */
#define QUALITY_GMIN 16

/* The receiver that is assumed: a playout buffer whose depth is four times the interarrival jitter within these bounds, counted from the fastest packets of
 * the last two to four seconds. What comes later than that is lost to the listener. */
#define QUALITY_DEPTH_MIN_US 40000
#define QUALITY_DEPTH_MIN_VIDEO_US 200000
#define QUALITY_DEPTH_MAX_US 200000
#define QUALITY_DEPTH_MAX_VIDEO_US 400000
#define QUALITY_BASE_US 2000000

/* When everything comes too late for so long, the way has become longer, and the buffer with it. A step of the delay beyond the second bound is no
 * delay: the sender began to count anew. */
#define QUALITY_REROUTED_US 200000
#define QUALITY_STEP_MAX_US 2000000

/* A stream that should flow and does not counts as lost after this time; one that is known to pause when nobody speaks, or whose RTCP says that it sends
 * nothing, only after the second one without RTP and RTCP. */
#define QUALITY_STARVED_US 200000
#define QUALITY_PAUSED_US 20000000

/* ITU-T and Cisco alike: a second is severely concealed when more than 50 ms of it, 5 %, are made up by the receiver. */
#define QUALITY_SEVERE_US 50000

enum quality_payload {
    QUALITY_MEDIA,  /* audio or video: timing counts */
    QUALITY_EVENT,  /* telephone-event, tone (RFC 4733): one timestamp for many packets */
    QUALITY_NOISE,  /* comfort noise (RFC 3389): silence follows */
    QUALITY_REPAIR, /* retransmission, forward error correction: comes when it must */
    QUALITY_OTHER   /* not negotiated */
};

struct quality_format {
    uint8_t kind;  /* enum quality_payload */
    uint8_t codec; /* index of emodel.h */
    uint8_t media; /* its place among the formats that were negotiated */
    uint32_t clock_hz;
    uint64_t tick; /* microseconds per unit of the timestamp, 32 bits behind the point */
};

/* One sender. */
struct quality_source {
    uint32_t ssrc;
    bool is_used;
    uint8_t probation; /* packets in sequence still wanted, A.1 */
    uint8_t filled;    /* bits of `arrived` that stand for packets */
    uint8_t format;    /* index of the format that timing is kept in; QUALITY_FORMAT_NONE: none yet */
    bool is_anchored;
    uint16_t highest;
    uint32_t unlikely; /* the sequence number that would confirm a restart; beyond 16 bits: none */
    uint64_t arrived;  /* bit i: highest - i came in time */

    int64_t heard_us;        /* last packet */
    uint32_t timestamp;      /* of the last packet whose timing counts */
    uint32_t step;           /* between the two before */
    int64_t ticks;           /* since the anchor, in units of the timestamp */
    int64_t anchor_us;       /* arrival of the packet that delays are counted from */
    int64_t delay_us;        /* of the last packet, against the anchor's */
    int64_t base_us;         /* the fastest of this stretch of time */
    int64_t base_before_us;  /* and of the one before */
    int64_t base_until_us;   /* when this stretch ends */
    int64_t late_since_us;   /* everything is late since then; INT64_MAX: no */
    int64_t late_fastest_us; /* delay of the fastest one since then */
    uint32_t jitter16;       /* RFC 3550 A.8, in microseconds, times 16 */
};

struct quality_slot {
    uint32_t expected, arrived, late; /* packets; arrived ones in time */
    uint32_t runs, run_packets;       /* stretches of loss that ended here, and their packets */
    uint32_t longest_run;
    uint32_t variation_count;
    int32_t variation_max_us;
    int64_t variation_sum_us;
};

/* Since the beginning. Loss patterns and seconds lag behind by 64 packets until quality_end. */
struct quality_totals {
    uint64_t expected, received; /* packets; received ones without duplicates */
    uint64_t late;               /* of those received: after their time of playout */
    uint64_t duplicates;
    uint32_t sources;  /* senders that were heard */
    uint32_t restarts; /* of the same sender's counting */
    uint32_t reroutes; /* the way became longer */

    uint32_t longest_run; /* packets in a row that were lost or late */
    uint32_t runs;
    uint64_t run_packets;
    uint32_t bursts; /* RFC 3611 4.7.2 */
    uint64_t burst_packets, burst_lost;
    uint32_t longest_burst;         /* packets from its first lost one to its last */
    uint64_t gap_packets, gap_lost; /* what is not in bursts */

    uint32_t total_s, concealed_s, severely_concealed_s; /* of media time: pauses do not count */
    uint64_t starved_us; /* nothing came, and nobody could say how many packets were missing */

    uint64_t variation_count;
    int64_t variation_sum_us;
    int32_t variation_min_us, variation_max_us;
};

struct quality {
    bool is_audio;
    bool flows;      /* packets are expected */
    bool pauses;     /* this sender has been seen to pause when nobody speaks */
    bool is_paused;  /* by comfort noise or RTCP: it sends nothing at the moment, and nothing is wrong */
    uint8_t current; /* the source that was heard last */
    uint8_t slot;
    uint8_t format_count;
    uint8_t last_format;   /* of the last media packet */
    uint8_t payload_type;  /* of that packet */
    int64_t now_us;        /* the latest time that was handed in */
    int64_t slot_until_us; /* end of the current slot */
    int64_t began_us;      /* of what the window covers */
    int64_t heard_us;      /* last packet of any source, or since when packets are expected */
    int64_t heard_rtcp_us;
    uint32_t packet_us; /* what one packet stands for; 0: not known yet */

    uint32_t second_us, second_concealed_us; /* of the second of media time that is under way */
    uint32_t run;                            /* lost in a row, at the end of what is certain */
    uint64_t since_loss;                     /* arrived in a row since the last loss */
    uint32_t burst_lost, burst_span;         /* of a burst that may go on */

    uint32_t sender_ssrc, sender_packets; /* of the last SR */
    bool has_sender;
    uint32_t round_trip_us; /* 0: not known */
    uint8_t far_fraction;   /* what the other end reports about what it gets from us */
    uint32_t far_jitter;
    bool has_far;
    struct rtcp_round_trip round_trip;

    struct quality_totals totals;
    struct quality_slot slots[QUALITY_SLOTS];
    struct quality_source sources[QUALITY_SOURCES];
    struct quality_format formats[MEDIA_FORMATS_MAX + 1]; /* the last one is for what was not negotiated */
    uint8_t format_of[128];
};

/* A stream of which nothing has been heard. It does not flow yet. */
void quality_init(struct quality *q, struct mono now);

/* What was negotiated, the first time and again; figures go on. ptime_ms 0: measured. At most MEDIA_FORMATS_MAX formats are looked at; a clock of 0 is that
 * of RFC 3551's static payload types or what the kind of stream usually has. */
void quality_set_formats(struct quality *q, bool is_audio, const struct media_format *formats, unsigned count,
                         unsigned ptime_ms);

/* Whether packets are expected from now on: not while the stream is on hold, inactive, or not answered yet. */
void quality_set_flows(struct quality *q, struct mono now, bool flows);

/* A packet that was verified. The view needs no more than rtp_read_header gives. */
void quality_packet(struct quality *q, struct mono now, const struct rtp_view *packet);

/* RTCP that comes from the sender of this stream, and RTCP that goes to it. Checked before (rtcp_check): a broken rest is ignored. */
void quality_rtcp_from(struct quality *q, struct mono now, struct slice compound);
void quality_rtcp_to(struct quality *q, struct mono now, struct slice compound);

/* Figures of a stretch of time up to now. */
struct quality_figures {
    bool is_known;                                /* enough packets, or enough silence where packets were expected */
    int64_t span_us;                              /* that they are about */
    uint32_t expected;                            /* packets, those of a silence that should not be included */
    double loss_ratio;                            /* 0 to 1: never arrived */
    double late_ratio;                            /* 0 to 1: after their time */
    double burst_ratio;                           /* G.107: 1 if loss is random, more if it comes in bursts */
    uint32_t longest_run_us;                      /* without sound: lost or late in a row, or silence */
    uint32_t silent_us;                           /* the silence that should not be, up to now; 0: none */
    uint32_t jitter_us;                           /* RFC 3550 A.8 */
    uint32_t variation_mean_us, variation_max_us; /* delay beyond the fastest packets of the last seconds */
    uint32_t depth_us;                            /* of the playout buffer */
    uint32_t delay_us;      /* one way as far as known: half of the round trip, playout, packets, codec */
    uint32_t round_trip_us; /* 0: not known */
    double rating;          /* R of the E-model, 0 to 100; 0 for video */
    double mos;             /* 1 to 4.5; 0 for video or if nothing is known */
};

void quality_sample(struct quality *q, struct mono now, struct quality_figures *ret_figures);

/* The same for the last second only. */
void quality_sample_recent(struct quality *q, struct mono now, struct quality_figures *ret_figures);

/* The stream ends, or is looked at for the last time: what was not certain yet is counted. Packets may come again afterwards. */
void quality_end(struct quality *q, struct mono now);

/* Packets lost for good: expected ones that never came. Duplicates do not hide losses. */
static inline uint64_t quality_lost(const struct quality_totals *t)
{
    return t->expected > t->received ? t->expected - t->received : 0;
}

#endif
