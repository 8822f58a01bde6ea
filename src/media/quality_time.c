/* When packets come: delays against the fastest ones, jitter, and whether a listener would still have heard them. */
#include "media/quality_core.h"

#include <stdlib.h>

#define PACKET_MAX_US 200000
#define VARIATION_MAX_US 60000000 /* more is nonsense */

static int64_t ticks_us(int64_t ticks, uint64_t tick)
{
    return (int64_t)(((__int128)ticks * tick + (UINT32_C(1) << 31)) >> 32);
}

/* Delays are counted from this packet on. */
static void set_anchor(const struct quality *q, struct quality_source *s, const struct rtp_view *p)
{
    s->is_anchored = true;
    s->is_unclocked = false;
    s->timestamp = p->timestamp;
    s->step = 0;
    s->ticks = 0;
    s->anchor_us = q->now_us;
    s->delay_us = 0;
    s->base_us = s->base_before_us = 0;
    s->base_until_us = q->now_us + QUALITY_BASE_US;
    s->late_since_us = INT64_MAX;
}

uint32_t quality_depth_us(const struct quality *q, const struct quality_source *s)
{
    int64_t least = q->is_audio ? QUALITY_DEPTH_MIN_US : QUALITY_DEPTH_MIN_VIDEO_US;
    int64_t most = q->is_audio ? QUALITY_DEPTH_MAX_US : QUALITY_DEPTH_MAX_VIDEO_US;
    int64_t depth = s->jitter16 >> 2; /* four times the jitter */
    return (uint32_t)(depth < least ? least : depth > most ? most : depth);
}

/* What a packet stands for. Audio: what timestamps say twice in a row; a long step after a long time is a pause. Video, where many packets make a frame:
 * the mean time between packets. */
static void learn_packet(struct quality *q, struct quality_source *s, uint32_t step)
{
    int64_t apart_us = q->now_us - s->heard_us;
    if (!q->is_audio) {
        if (apart_us <= PACKET_MAX_US)
            q->packet_us = (uint32_t)(q->packet_us + (apart_us - q->packet_us) / 16);
        return;
    }
    int64_t us = ticks_us((int32_t)step, s->tick);
    if (step != s->step)
        s->step = step;
    else if (us > 0 && us <= PACKET_MAX_US)
        q->packet_us = (uint32_t)us;
    if (us > QUALITY_STARVED_US && apart_us > QUALITY_STARVED_US / 2)
        q->pauses = true;
}

/* A sender that counts in another clock than the one negotiated seems to come later and later, or earlier. What it says about time is worth nothing. */
static void doubt_clock(const struct quality *q, struct quality_source *s)
{
    int64_t elapsed_us = q->now_us - s->anchor_us;
    if (elapsed_us < QUALITY_CLOCK_US || llabs(s->delay_us) <= elapsed_us / QUALITY_CLOCK_PART)
        return;
    s->is_unclocked = true;
    s->jitter16 = 0;
}

/* The smallest delay of this stretch of QUALITY_BASE_US or the one before: old enough to be robust, young enough to follow a clock that runs at another
 * speed. */
static int64_t follow_base(const struct quality *q, struct quality_source *s)
{
    if (q->now_us >= s->base_until_us) {
        bool is_stale = q->now_us - s->base_until_us >= QUALITY_BASE_US;
        s->base_before_us = is_stale ? s->delay_us : s->base_us;
        s->base_us = s->delay_us;
        s->base_until_us = q->now_us + QUALITY_BASE_US;
        doubt_clock(q, s);
    } else if (s->delay_us < s->base_us) {
        s->base_us = s->delay_us;
    }
    return s->base_us < s->base_before_us ? s->base_us : s->base_before_us;
}

/* How far behind its place in the playout buffer. That is counted from the stretch before: a receiver does not play faster at once because packets come
 * earlier. */
static int64_t behind_playout_us(const struct quality_source *s, int64_t delay_us, int64_t depth_us)
{
    return delay_us - s->base_before_us - depth_us;
}

static void note_variation(struct quality *q, int64_t variation_us)
{
    uint32_t us = (uint32_t)(variation_us < VARIATION_MAX_US ? variation_us : VARIATION_MAX_US);
    struct quality_slot *slot = &q->slot;
    struct quality_totals *t = &q->totals;
    slot->variation_count++;
    slot->variation_sum_us += us;
    if (us > slot->variation_max_us)
        slot->variation_max_us = us;
    if (t->variation_count == 0 || us < t->variation_min_us)
        t->variation_min_us = us;
    if (us > t->variation_max_us)
        t->variation_max_us = us;
    t->variation_count++;
    t->variation_sum_us += us;
}

/* Everything has been late for a while: playout moves to where packets come now. A queue that empties after a stall is shorter than that. */
static bool is_still_late(struct quality *q, struct quality_source *s, int64_t depth_us)
{
    if (s->late_since_us == INT64_MAX) {
        s->late_since_us = q->now_us;
        s->late_fastest_us = s->delay_us;
        return true;
    }
    if (s->delay_us < s->late_fastest_us)
        s->late_fastest_us = s->delay_us;
    if (q->now_us - s->late_since_us < QUALITY_REROUTED_US)
        return true;
    s->base_us = s->base_before_us = s->late_fastest_us;
    s->base_until_us = q->now_us + QUALITY_BASE_US;
    s->late_since_us = INT64_MAX;
    q->totals.reroutes++;
    doubt_clock(q, s);
    return !s->is_unclocked && behind_playout_us(s, s->delay_us, depth_us) > 0;
}

/* The timestamp does not go on from the last one. A marker says that the sender knows: it was silent without counting time. Otherwise packets were held
 * up for longer than anybody waits. */
static void begin_anew(struct quality *q, struct quality_source *s, const struct rtp_view *p, int64_t by_us,
                       bool in_order)
{
    if (by_us > QUALITY_STEP_MAX_US && in_order && !p->marker && q->flows &&
        q->now_us - s->heard_us > QUALITY_STARVED_US) {
        quality_settle_rest(q, s); /* what came before the silence is before it */
        quality_starved(q, q->now_us - s->heard_us);
    }
    set_anchor(q, s, p);
}

bool quality_is_late(struct quality *q, struct quality_source *s, const struct rtp_view *p, bool in_order)
{
    if (s->is_unclocked)
        return false;
    if (!s->is_anchored) {
        set_anchor(q, s, p);
        return false;
    }
    uint32_t step = p->timestamp - s->timestamp;
    int64_t ticks = s->ticks + (int32_t)step;
    int64_t delay_us = q->now_us - s->anchor_us - ticks_us(ticks, s->tick);
    int64_t by_us = delay_us - s->delay_us;
    if (llabs(by_us) > QUALITY_STEP_MAX_US || (p->marker && q->is_audio && by_us > QUALITY_STARVED_US)) {
        begin_anew(q, s, p, by_us, in_order);
        return false;
    }
    int64_t depth_us = quality_depth_us(q, s);
    if (in_order)
        learn_packet(q, s, step);
    if (step == 0) /* one more packet of the same frame */
        return behind_playout_us(s, delay_us, depth_us) > 0;
    s->timestamp = p->timestamp;
    s->ticks = ticks;
    s->delay_us = delay_us;
    s->jitter16 += (uint32_t)llabs(by_us) - ((s->jitter16 + 8) >> 4); /* by at most QUALITY_STEP_MAX_US */
    note_variation(q, delay_us - follow_base(q, s));
    if (behind_playout_us(s, delay_us, depth_us) > 0)
        return is_still_late(q, s, depth_us);
    s->late_since_us = INT64_MAX;
    return false;
}
