/* What the parts of quality.h share. */
#ifndef MEDIA_QUALITY_CORE_H
#define MEDIA_QUALITY_CORE_H

#include "media/quality.h"

#define QUALITY_NO_SEQUENCE 0x10000u
#define QUALITY_SECOND_US 1000000

/* What a packet stands for, until that has been seen or was negotiated. */
#define QUALITY_PACKET_US 20000
#define QUALITY_PACKET_VIDEO_US 5000

static inline uint32_t quality_packet_us(const struct quality *q)
{
    return q->packet_us ? q->packet_us : q->is_audio ? QUALITY_PACKET_US : QUALITY_PACKET_VIDEO_US;
}

/* The index of the slot before the current one (1), of that before (2), … up to QUALITY_SLOTS. */
static inline unsigned quality_slot_before(const struct quality *q, unsigned back)
{
    return (q->newest + QUALITY_SLOTS + 1u - back) % QUALITY_SLOTS;
}

/* quality_time.c: whether the packet came after its time of playout; keeps delays, jitter and the length of packets. in_order: it follows the last one
 * of its source. */
bool quality_is_late(struct quality *q, struct quality_source *s, const struct rtp_view *p, bool in_order);
uint32_t quality_depth_us(const struct quality *q, const struct quality_source *s);

/* quality_loss.c: the next packets of a source have become certain. */
void quality_settle_in_time(struct quality *q, struct quality_source *s);
void quality_settle_lost(struct quality *q, struct quality_source *s, uint32_t count);
void quality_settle_rest(struct quality *q, struct quality_source *s);

/* Silence ended after which the sender counts anew: how many packets it was is not known. */
void quality_starved(struct quality *q, int64_t us);

/* Packets that are missing after so long without any go into the slots of that time. */
void quality_slots_lost(struct quality *q, uint32_t count, int64_t silent_us);

/* How long nothing has come though it should; 0: all is well. */
int64_t quality_silence_us(const struct quality *q, int64_t now_us);

#endif
