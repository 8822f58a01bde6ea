/* The relay's own structures. */
#ifndef MEDIA_RELAY_PRIVATE_H
#define MEDIA_RELAY_PRIVATE_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "media/relay.h"

struct relay_stream;

struct media_flow {
    struct relay_stream *stream;
    enum media_side side;
    enum media_component component;
    void *port;          /* NULL: not open */
    struct addr latched; /* where it comes from and where answers go; family 0: not known yet */
    bool is_loose;       /* the next packet that verifies may move it */
    struct mono heard;   /* when a packet was last accepted from there */
};

/* A key and what has been done with it. */
struct relay_key {
    struct srtp_master master;
    struct srtp *srtp; /* NULL for SUITE_NONE */
};

/* What comes from one side of a stream, and the keys both ways. The key before is still taken for a while, and is there to return to, with its
 * counters, when a change of description is taken back. */
struct relay_way {
    struct media_flow flows[MEDIA_COMPONENTS];
    struct relay_key in, in_before;
    struct mono before_until;
    struct relay_key out, out_before;
    struct mono heard; /* anything accepted */
    uint64_t packets, octets, rtcp_packets;
    uint64_t refused[MEDIA_REFUSAL_COUNT];
    struct quality quality;
    struct quality_judge judge;
    struct media_figures *carried; /* from before the session was imported; NULL: it was not */
    bool tell_latched;
};

struct relay_stream {
    struct relay_session *session;
    unsigned index;
    struct media_stream is; /* the description that holds */
    struct relay_way ways[MEDIA_SIDES];
    bool tell_quality;
};

struct relay_session {
    struct media_relay *relay;
    uint64_t id;
    unsigned sensitivity;
    bool is_early;
    unsigned samples; /* of quality, so far */
    unsigned stream_count;
    struct relay_stream *streams[MEDIA_STREAMS_MAX]; /* NULL: neither described nor with ports */
    struct heap_node timer;
    struct list tells;                     /* in the relay's list of those that have something to say */
    struct mono quiet_since[MEDIA_SIDES];  /* described anew, or silence told; never before that */
    struct mono next_sample, next_figures; /* MONO_NEVER: none */
    bool tell_silent[MEDIA_SIDES];
    bool tell_figures, tell_state;
    bool is_over; /* only its summary is left */
};

struct media_relay {
    struct media_relay_options options;
    struct map sessions;
    struct heap timers;
    struct list telling;
    struct media_counters counters;
};

/* relay.c */
struct relay_session *media_session_find(const struct media_relay *r, uint64_t id);
int media_session_ensure(struct media_relay *r, struct now now, uint64_t id, struct relay_session **ret_session);
int media_stream_ensure(struct relay_session *s, struct now now, unsigned index, struct relay_stream **ret_stream);
void media_session_tell(struct relay_session *s);
void media_session_free(struct relay_session *s);
void media_session_drop(struct relay_session *s); /* out of the table, and freed, without a word */

/* relay_describe.c */
void media_key_clear(struct relay_key *key);

/* relay_time.c */
void media_session_described(struct relay_session *s, struct now now);
void media_session_wait(struct relay_session *s); /* sets its timer */

/* relay_figures.c */
void media_stream_figures(struct relay_stream *stream, enum media_side side, struct now now,
                          struct media_figures *ret_figures);
void media_session_summary(struct relay_session *s, struct now now, struct media_summary *ret_summary);
void media_session_end_figures(struct relay_session *s, struct now now); /* counts what was not certain yet */

#endif
