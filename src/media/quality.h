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

/* The receiver that is assumed: a playout buffer whose depth is four times the interarrival jitter within these bounds, counted from the fastest packet of
 * the last whole stretch of QUALITY_BASE_US. What comes later than that is lost to the listener. */
#define QUALITY_DEPTH_MIN_US 40000
#define QUALITY_DEPTH_MIN_VIDEO_US 200000
#define QUALITY_DEPTH_MAX_US 200000
#define QUALITY_DEPTH_MAX_VIDEO_US 400000
#define QUALITY_BASE_US 2000000

/* When everything comes too late for so long, the way has become longer, and the buffer with it. A step of the delay beyond the second bound is no
 * delay: the sender began to count anew. */
#define QUALITY_REROUTED_US 200000
#define QUALITY_STEP_MAX_US 2000000

/* Timestamps that are wrong by more than an eighth after ten seconds count in another clock than was negotiated: such a sender is measured by its sequence
 * numbers alone. */
#define QUALITY_CLOCK_US 10000000
#define QUALITY_CLOCK_PART 8

/* Nothing has ever come: not worth mentioning for so long. */
#define QUALITY_FIRST_US 2000000

/* Audio that should flow and does not counts as lost after this time (video may end whenever somebody covers the camera: what is lost of it shows by its
 * numbers); one that is known to pause when nobody speaks, or whose RTCP says that it sends
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
    uint64_t tick;      /* microseconds per unit of the timestamp, 32 bits behind the point; 0: not known */
    uint8_t kind;       /* enum quality_payload */
    uint8_t codec;      /* index of emodel.h */
    uint8_t negotiated; /* its place among the formats that were negotiated */
};

/* One sender. Losses become certain QUALITY_SETTLED packets later, when nothing in time can fill them any more. What every packet needs comes first: streams
 * are many, and memory is slow. */
#define QUALITY_SETTLED 64
struct quality_source {
    uint32_t ssrc;
    uint16_t highest; /* sequence number */
    bool is_used;
    bool is_known; /* was counted among the sources */
    bool is_repair;
    bool is_anchored;
    bool is_unclocked;      /* its timestamps keep another time than was negotiated */
    uint8_t probation;      /* packets in sequence still wanted, A.1 */
    uint8_t filled;         /* bits of the maps that stand for packets */
    uint8_t payload_type;   /* of the last packet, and what that is: */
    uint8_t format;         /* index */
    uint8_t kind;           /* enum quality_payload */
    uint32_t timestamp;     /* of the last packet whose timing counts */
    uint32_t step;          /* between the two before */
    uint32_t jitter16;      /* RFC 3550 A.8, in microseconds, times 16 */
    uint64_t in_time;       /* bit i: highest - i came before its time of playout */
    uint64_t came;          /* the same, at any time */
    uint64_t tick;          /* of what delays are counted in */
    int64_t heard_us;       /* last packet */
    int64_t ticks;          /* since the anchor, in units of the timestamp */
    int64_t anchor_us;      /* arrival of the packet that delays are counted from */
    int64_t delay_us;       /* of the last packet, beyond the anchor's */
    int64_t base_us;        /* the smallest of this stretch of time */
    int64_t base_before_us; /* and of the one before */
    int64_t base_until_us;  /* when this stretch ends */
    int64_t late_since_us;  /* everything is late since then; INT64_MAX: no */
    uint32_t run;           /* lost in a row, up to the packet that became certain last */
    uint32_t run_now;       /* lost in a row, as it looks now */
    uint32_t since_loss;    /* arrived in a row since the last loss */
    uint32_t burst_lost;    /* of a burst that may go on, 0: none */
    uint32_t burst_span;
    uint32_t unlikely;       /* the sequence number that would confirm a restart; beyond 16 bits: none */
    int64_t late_fastest_us; /* smallest delay since everything is late */
};

struct quality_slot {
    uint32_t expected, in_time, late; /* packets */
    uint32_t runs, run_packets;       /* stretches of loss that became certain, and their packets */
    uint32_t longest_run;
    uint32_t variation_count;
    uint32_t variation_max_us;
    uint64_t variation_sum_us;
};

/* Since the beginning. Runs, bursts and seconds lag behind by QUALITY_SETTLED packets until quality_end. */
struct quality_totals {
    uint64_t expected, received; /* packets; received ones without duplicates */
    uint64_t settled;            /* of which it is certain whether they came in time */
    uint64_t variation_count, variation_sum_us;
    uint32_t variation_min_us, variation_max_us;
    uint64_t total_s, concealed_s, severely_concealed_s; /* whole ones, of media time: pauses do not count */
    uint64_t starved_us;                                 /* silence that no sequence number tells about */

    uint64_t late;       /* of those received: after their time of playout */
    uint64_t duplicates; /* or too old to tell */
    uint64_t runs, run_packets;
    uint64_t bursts, burst_packets, burst_lost; /* RFC 3611 4.7.2 */
    uint64_t gap_lost;                          /* losses that are not in bursts */
    uint32_t longest_run;                       /* packets in a row that did not come in time */
    uint32_t longest_burst;                     /* packets from its first lost one to its last */
    uint32_t sources;                           /* senders that were heard */
    uint32_t restarts;                          /* of one sender's counting */
    uint32_t reroutes;                          /* the way became longer */
};

struct quality {
    bool is_audio;
    bool flows;     /* packets are expected */
    bool pauses;    /* this sender has been seen to pause when nobody speaks */
    bool is_paused; /* it said that it sends nothing at the moment, by comfort noise or RTCP */
    bool has_sender, has_far;
    uint8_t current;                         /* the source that was heard last */
    uint8_t newest;                          /* of the slots that are over */
    uint8_t last_format;                     /* of the last media packet */
    uint8_t payload_type;                    /* of that packet */
    uint8_t far_fraction;                    /* what the other end reports about what it gets from here, in 1/256 */
    uint32_t packet_us;                      /* what one packet stands for */
    uint32_t second_us, second_concealed_us; /* of the second of media time that is under way */
    int64_t now_us;                          /* the latest time that was handed in */
    int64_t heard_us;                        /* last packet of any source, or since when packets are expected */
    int64_t slot_until_us;                   /* end of the current slot */
    struct quality_slot slot;
    struct quality_totals totals;
    struct quality_source sources[QUALITY_SOURCES];
    struct quality_slot slots[QUALITY_SLOTS]; /* a ring of those that are over */

    int64_t began_us;
    int64_t heard_rtcp_us;
    int64_t sender_us; /* of the last SR */
    uint32_t sender_ssrc, sender_packets;
    uint32_t far_jitter;    /* as reported, in units of the timestamp */
    uint32_t round_trip_us; /* 0: not known */
    struct rtcp_round_trip round_trip;
    struct quality_format formats[MEDIA_FORMATS_MAX + 1]; /* the last one is for what was not negotiated */
    uint8_t format_of[128];
};

/* A stream of which nothing has been heard. It does not flow yet. */
void quality_init(struct quality *q, struct mono now);

/* What was negotiated, the first time and again; figures go on. ptime_ms 0: measured. At most MEDIA_FORMATS_MAX formats are looked at; a clock of 0 is that
 * of RFC 3551's static payload types or what the kind of stream usually has. */
void quality_set_formats(struct quality *q, bool is_audio, const struct media_format *formats, unsigned count,
                         unsigned ptime_ms);

/* Whether packets are expected from now on: not before the call was answered, nor while the stream is on hold or inactive. */
void quality_set_flows(struct quality *q, struct mono now, bool flows);

/* An end is somewhere else from now on: what was heard of late is of the past. Figures of the whole go on. */
void quality_renew(struct quality *q, struct mono now);

/* A packet that was verified. The view needs no more than rtp_read_header gives. */
void quality_packet(struct quality *q, struct mono now, const struct rtp_view *packet);

/* RTCP that comes from the sender of this stream, and RTCP that goes to it. Checked before (rtcp_check): a broken rest is ignored. */
void quality_rtcp_from(struct quality *q, struct mono now, struct slice compound);
void quality_rtcp_to(struct quality *q, struct mono now, struct slice compound);

/* Figures of a stretch of time up to now. */
struct quality_figures {
    bool is_known;      /* enough packets, or enough silence where packets were expected */
    int64_t span_us;    /* what they are about */
    uint32_t expected;  /* packets, with those that a silence stands for */
    double loss_ratio;  /* 0 to 1: never arrived */
    double late_ratio;  /* 0 to 1: after their time */
    double burst_ratio; /* G.107: 1 if loss is random, more if it comes in bursts */
    uint32_t run_us;    /* the longest stretch without sound: lost or late in a row, or silence */
    uint32_t silent_us; /* the silence up to now, if there should be none */
    uint32_t jitter_us; /* RFC 3550 A.8 */
    uint32_t variation_mean_us, variation_max_us; /* of the delay, beyond the fastest packets of the last seconds */
    uint32_t depth_us;                            /* of the playout buffer */
    uint32_t delay_us;      /* one way as far as known: half of the round trip, playout, packet, codec */
    uint32_t round_trip_us; /* 0: not known */
    double rating;          /* R of the E-model, 0 to 100; 0 for video or if nothing is known */
    double mos;             /* 1 to 4.5; 0 for video or if nothing is known */
};

void quality_sample(const struct quality *q, struct mono now, struct quality_figures *ret_figures);

/* The same for the last second only (QUALITY_RECENT_SLOTS). */
void quality_sample_recent(const struct quality *q, struct mono now, struct quality_figures *ret_figures);

/* The stream ends, or is looked at for the last time: what was not certain yet is counted. Packets may come again afterwards. */
void quality_end(struct quality *q, struct mono now);

/* Packets that never came. */
static inline uint64_t quality_lost(const struct quality_totals *t)
{
    return t->expected > t->received ? t->expected - t->received : 0;
}

/* RFC 3611 4.7.2: the share of packets that were lost or late in bursts, and between them; 0 to 1. */
double quality_burst_density(const struct quality_totals *t);
double quality_gap_density(const struct quality_totals *t);

#endif
