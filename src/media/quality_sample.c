/* Figures of the last seconds, from the slots that they fell into. */
#include "media/emodel.h"
#include "media/quality_core.h"

static void add_slot(struct quality_slot *sum, const struct quality_slot *s)
{
    sum->expected += s->expected;
    sum->in_time += s->in_time;
    sum->late += s->late;
    sum->runs += s->runs;
    sum->run_packets += s->run_packets;
    sum->variation_count += s->variation_count;
    sum->variation_sum_us += s->variation_sum_us;
    if (s->variation_max_us > sum->variation_max_us)
        sum->variation_max_us = s->variation_max_us;
    if (s->longest_run > sum->longest_run)
        sum->longest_run = s->longest_run;
}

/* Of the newest slots, as far as they are not older than that by now: nobody turns slots while nothing comes. */
static struct quality_slot sum_slots(const struct quality *q, int64_t now_us, unsigned slots)
{
    struct quality_slot sum = {0};
    int64_t behind = now_us < q->slot_until_us ? 0 : (now_us - q->slot_until_us) / QUALITY_SLOT_US + 1;
    if (behind >= slots)
        return sum;
    add_slot(&sum, &q->slot);
    for (unsigned i = 1; i < slots - (unsigned)behind; i++)
        add_slot(&sum, &q->slots[quality_slot_before(q, i)]);
    return sum;
}

/* G.107 7.5: how long losses last, against how long they would if they were random. */
static double burst_ratio(const struct quality_slot *sum, double lost_ratio)
{
    if (sum->runs == 0)
        return 1;
    double ratio = (double)sum->run_packets / sum->runs * (1 - lost_ratio);
    return ratio < 1 ? 1 : ratio > EMODEL_BURST_RATIO_MAX ? EMODEL_BURST_RATIO_MAX : ratio;
}

static void rate(const struct quality *q, struct quality_figures *f)
{
    const struct emodel_codec *codec = emodel_codec_at(q->formats[q->last_format].codec);
    f->delay_us = f->round_trip_us / 2 + f->depth_us + quality_packet_us(q) + (uint32_t)(codec->look_ahead_ms * 1000);
    if (!q->is_audio || !f->is_known)
        return;
    f->rating = emodel_rating(codec, f->loss_ratio + f->late_ratio, f->burst_ratio, (double)f->delay_us / 1000);
    f->mos = emodel_mos(f->rating);
}

static void sample(const struct quality *q, struct mono now, unsigned slots, struct quality_figures *ret_figures)
{
    const struct quality_source *s = &q->sources[q->current];
    struct quality_figures f = {.round_trip_us = q->round_trip_us};
    int64_t now_us = now.us > q->now_us ? now.us : q->now_us;
    struct quality_slot sum = sum_slots(q, now_us, slots);
    int64_t span_us = (int64_t)slots * QUALITY_SLOT_US;
    f.span_us = now_us - q->began_us < span_us ? now_us - q->began_us : span_us;

    int64_t silent_us = quality_silence_us(q, now_us);
    f.silent_us = (uint32_t)(silent_us < UINT32_MAX ? silent_us : UINT32_MAX);
    int64_t within_us = silent_us < f.span_us ? silent_us : f.span_us;
    uint32_t silent_packets = (uint32_t)(within_us / quality_packet_us(q));
    uint64_t in_time = sum.in_time < sum.expected ? sum.in_time : sum.expected;
    uint64_t late = sum.late < sum.expected - in_time ? sum.late : sum.expected - in_time;
    uint64_t expected = (uint64_t)sum.expected + silent_packets;
    uint64_t lost = expected - in_time - late;
    f.expected = (uint32_t)(expected < UINT32_MAX ? expected : UINT32_MAX);
    f.is_known = expected >= QUALITY_PACKETS_MIN || silent_us > 0;
    if (expected > 0) {
        f.loss_ratio = (double)lost / (double)expected;
        f.late_ratio = (double)late / (double)expected;
    } else if (silent_us > 0) {
        f.loss_ratio = 1;
    }
    f.burst_ratio = burst_ratio(&sum, f.loss_ratio + f.late_ratio);
    uint64_t run_us = (uint64_t)sum.longest_run * quality_packet_us(q);
    if (run_us < (uint64_t)silent_us)
        run_us = (uint64_t)silent_us;
    f.run_us = (uint32_t)(run_us < UINT32_MAX ? run_us : UINT32_MAX);
    f.jitter_us = (uint32_t)(s->jitter16 >> 4);
    f.variation_max_us = sum.variation_max_us;
    if (sum.variation_count > 0)
        f.variation_mean_us = (uint32_t)(sum.variation_sum_us / sum.variation_count);
    f.depth_us = quality_depth_us(q, s);
    rate(q, &f);
    *ret_figures = f;
}

void quality_sample(const struct quality *q, struct mono now, struct quality_figures *ret_figures)
{
    sample(q, now, QUALITY_SLOTS, ret_figures);
}

void quality_sample_recent(const struct quality *q, struct mono now, struct quality_figures *ret_figures)
{
    sample(q, now, QUALITY_RECENT_SLOTS, ret_figures);
}
