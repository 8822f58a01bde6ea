/* One direction between two ends of a bad network: when what is sent arrives, or that it does not. */
#ifndef IMPAIR_PATH_H
#define IMPAIR_PATH_H

#include "base/counter.h"
#include "base/entropy.h"
#include "base/time.h"
#include "impair/settings.h"

#include <stddef.h>

#define IMPAIR_QUEUE_US (INT64_C(500) * 1000)  /* what waits longer than this for a slow way is lost */
#define IMPAIR_REORDER_US (INT64_C(50) * 1000) /* so much later comes what is overtaken */
#define IMPAIR_RTO_US (INT64_C(200) * 1000)    /* of TCP, the first time; it doubles (RFC 6298 5.5) */
#define IMPAIR_RETRIES_MAX 5                   /* of a segment: at the latest the one after them arrives */
#define IMPAIR_SEGMENT_OCTETS 1448
#define IMPAIR_HEADER_OCTETS 28 /* of IPv4 and UDP: they take their share of the rate */

/* clang-format off */
#define IMPAIR_COUNTERS(X) \
    X(packets) X(octets) /* came from the sender */ \
    X(lost) /* each on its own */ X(lost_in_bursts) X(lost_in_queue) X(lost_in_cut) \
    X(reordered) X(delayed) /* by jitter, delay or rate */ \
    X(segments) X(segments_lost) /* of TCP: they came later */
/* clang-format on */
COUNTERS_DECLARE(impair_counters, IMPAIR_COUNTERS)

struct impair_path {
    struct impair_settings settings;
    struct mono last;      /* nothing arrives before it, but what is reordered */
    struct mono free;      /* a slow way is busy until then */
    struct mono burst_end; /* a burst lasts until then, or the time between two bursts does; 0: neither has begun */
    bool in_burst;
    struct impair_counters counters;
};

void impair_path_init(struct impair_path *p);

/* For what is sent from now on. What is under way arrives as it was to, except that a cut is for whoever carries packets to heed. */
void impair_path_set(struct impair_path *p, struct now now, const struct impair_settings *settings);

/* A packet of UDP with so many octets is sent now. True with the time at which it arrives; false: it never does. */
bool impair_packet(struct impair_path *p, struct now now, size_t octets, const struct entropy *entropy,
                   struct mono *ret_at);

/* Octets of a TCP stream are sent now: when the last of them can be read at the other end. The stream's own order is the carrier's to keep: nothing
 * arrives before what was sent before it. During a cut nothing may be delivered. */
struct mono impair_segments(struct impair_path *p, struct now now, size_t octets, const struct entropy *entropy);

#endif
