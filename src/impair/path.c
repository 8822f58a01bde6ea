/* What becomes of packets and of pieces of streams. */
#include "impair/path.h"

#define SPANS_MAX 1000 /* bursts that may have passed unseen between two packets; beyond, they begin anew */

COUNTERS_DEFINE(impair_counters, IMPAIR_COUNTERS)

void impair_path_init(struct impair_path *p)
{
    *p = (struct impair_path){0};
}

void impair_path_set(struct impair_path *p, struct now now, const struct impair_settings *settings)
{
    p->settings = *settings;
    p->in_burst = false;
    p->burst_end = (struct mono){0};
    p->free = mono_min(p->free, now.mono);
}

static bool drawn(const struct entropy *entropy, uint32_t of_a_million)
{
    return of_a_million && entropy_below(entropy, IMPAIR_MILLION) < of_a_million;
}

/* From half to one and a half of the mean. */
static int64_t draw_span_us(const struct entropy *entropy, int64_t mean_ms)
{
    return entropy_between(entropy, mean_ms * 500, mean_ms * 1500);
}

/* Bursts and what lies between them come one after the other, whether anything is sent or not. */
static bool in_burst(struct impair_path *p, struct mono now, const struct entropy *entropy)
{
    const struct impair_settings *s = &p->settings;
    if (!s->burst_ms)
        return false;
    for (unsigned i = 0; mono_due(p->burst_end, now); i++) {
        if (i == SPANS_MAX || p->burst_end.us == 0)
            p->burst_end = now;
        else
            p->in_burst = !p->in_burst;
        int64_t mean_ms = p->in_burst ? s->burst_ms : s->every_ms - s->burst_ms;
        p->burst_end = mono_after_us(p->burst_end, draw_span_us(entropy, mean_ms) + 1);
    }
    return p->in_burst;
}

/* When the last octet has left on a way of that rate. */
static struct mono leave(struct impair_path *p, struct mono now, size_t octets)
{
    if (!p->settings.rate)
        return now;
    int64_t us = (int64_t)((uint64_t)octets * 8 * 1000000 / p->settings.rate);
    p->free = mono_after_us(mono_max(p->free, now), us);
    return p->free;
}

static struct mono travel(const struct impair_path *p, struct mono left, const struct entropy *entropy)
{
    const struct impair_settings *s = &p->settings;
    int64_t jitter_us = s->jitter_ms ? entropy_between(entropy, 0, s->jitter_ms * 1000) : 0;
    return mono_after_us(left, s->delay_ms * 1000 + jitter_us);
}

bool impair_packet(struct impair_path *p, struct now now, size_t octets, const struct entropy *entropy,
                   struct mono *ret_at)
{
    const struct impair_settings *s = &p->settings;
    const bool burst = in_burst(p, now.mono, entropy);
    p->counters.packets++;
    p->counters.octets += octets;
    if (s->cut || burst) {
        p->counters.lost_in_cut += s->cut;
        p->counters.lost_in_bursts += !s->cut;
        return false;
    }
    if (s->rate && mono_since_us(p->free, now.mono) > IMPAIR_QUEUE_US) {
        p->counters.lost_in_queue++;
        return false;
    }
    struct mono left = leave(p, now.mono, octets + IMPAIR_HEADER_OCTETS);
    if (drawn(entropy, s->loss)) {
        p->counters.lost++;
        return false;
    }
    struct mono at = mono_max(travel(p, left, entropy), p->last);
    if (drawn(entropy, s->reorder)) {
        at = mono_after_us(at, IMPAIR_REORDER_US);
        p->counters.reordered++;
    } else {
        p->last = at;
    }
    p->counters.delayed += at.us > now.mono.us;
    *ret_at = at;
    return true;
}

/* How much later a segment comes that is lost so many times in a row as is drawn. */
static int64_t hold_us(struct impair_path *p, const struct entropy *entropy)
{
    int64_t us = 0;
    for (unsigned i = 0; i < IMPAIR_RETRIES_MAX && drawn(entropy, p->settings.loss); i++) {
        us += IMPAIR_RTO_US << i;
        p->counters.segments_lost++;
    }
    return us;
}

struct mono impair_segments(struct impair_path *p, struct now now, size_t octets, const struct entropy *entropy)
{
    int64_t longest_us = 0;
    struct mono left = now.mono;
    for (size_t sent = 0; sent < octets || !sent; sent += IMPAIR_SEGMENT_OCTETS) {
        size_t n = octets - sent < IMPAIR_SEGMENT_OCTETS ? octets - sent : IMPAIR_SEGMENT_OCTETS;
        int64_t held_us = hold_us(p, entropy);
        p->counters.segments++;
        left = leave(p, now.mono, n + IMPAIR_HEADER_OCTETS);
        if (in_burst(p, now.mono, entropy)) {
            held_us += mono_since_us(p->burst_end, now.mono) + IMPAIR_RTO_US;
            p->counters.segments_lost++;
        }
        longest_us = held_us > longest_us ? held_us : longest_us;
    }
    return mono_after_us(travel(p, left, entropy), longest_us);
}
