/* What is known about what was received, as figures for people. */
#include "media/relay_private.h"

static uint32_t ppm(uint64_t part, uint64_t whole)
{
    return whole ? (uint32_t)(part * 1000000 / whole) : 0;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void add_quality(struct relay_way *way, struct now now, struct media_figures *f)
{
    struct quality *q = &way->quality;
    const struct quality_judge *judge = &way->judge;
    struct quality_figures last;
    quality_sample(q, now.mono, &last);
    const struct quality_totals *t = &q->totals;
    f->payload_type = q->payload_type;
    f->ptime_ms = (uint16_t)((q->packet_us + 500) / 1000);
    f->expected = t->expected;
    f->lost = quality_lost(t);
    f->worst_loss_ppm = (uint32_t)(judge->worst_loss_ratio * 1e6);
    f->longest_burst = t->longest_run;
    f->jitter_us = last.jitter_us;
    f->variation_count = t->variation_count;
    if (t->variation_count) {
        f->delay_variation_min_us = t->variation_min_us;
        f->delay_variation_mean_us = (uint32_t)((uint64_t)t->variation_sum_us / t->variation_count);
        f->delay_variation_max_us = t->variation_max_us;
    }
    f->total_s = (uint32_t)t->total_s;
    f->concealed_s = (uint32_t)t->concealed_s;
    f->severely_concealed_s = (uint32_t)t->severely_concealed_s;
    f->round_trip_us = last.round_trip_us;
    f->mos_hundredths = (uint32_t)(last.mos * 100 + 0.5);
    f->worst_mos_hundredths = (uint32_t)(judge->worst_mos * 100 + 0.5);
    f->impairments = judge->impaired_count;
    f->is_bad = judge->is_bad;
    f->reasons = (uint8_t)judge->reasons;
}

/* What another process had counted of the same stream before. */
static void add_carried(const struct media_figures *carried, struct media_figures *f)
{
    f->packets += carried->packets;
    f->octets += carried->octets;
    f->rtcp_packets += carried->rtcp_packets;
    for (unsigned i = 0; i < MEDIA_REFUSAL_COUNT; i++)
        f->refused[i] += carried->refused[i];
    f->expected += carried->expected;
    f->lost += carried->lost;
    f->worst_loss_ppm = larger(f->worst_loss_ppm, carried->worst_loss_ppm);
    f->longest_burst = larger(f->longest_burst, carried->longest_burst);
    f->total_s += carried->total_s;
    f->concealed_s += carried->concealed_s;
    f->severely_concealed_s += carried->severely_concealed_s;
    f->impairments += carried->impairments;
    if (carried->worst_mos_hundredths &&
        (!f->worst_mos_hundredths || carried->worst_mos_hundredths < f->worst_mos_hundredths))
        f->worst_mos_hundredths = carried->worst_mos_hundredths;
    if (!f->variation_count) {
        f->delay_variation_min_us = carried->delay_variation_min_us;
        f->delay_variation_mean_us = carried->delay_variation_mean_us;
        f->delay_variation_max_us = carried->delay_variation_max_us;
    } else if (carried->variation_count) {
        double here = (double)f->variation_count, there = (double)carried->variation_count;
        f->delay_variation_mean_us =
            (uint32_t)((f->delay_variation_mean_us * here + carried->delay_variation_mean_us * there) / (here + there));
        if (carried->delay_variation_min_us < f->delay_variation_min_us)
            f->delay_variation_min_us = carried->delay_variation_min_us;
        if (carried->delay_variation_max_us > f->delay_variation_max_us)
            f->delay_variation_max_us = carried->delay_variation_max_us;
    }
    f->variation_count += carried->variation_count;
}

static void name_codec(const struct media_stream *is, struct media_figures *f)
{
    for (unsigned i = 0; i < is->format_count; i++)
        if (is->formats[i].payload_type == f->payload_type)
            memcpy(f->codec, is->formats[i].name, sizeof f->codec - 1);
}

void media_stream_figures(struct relay_stream *stream, enum media_side side, struct now now,
                          struct media_figures *ret_figures)
{
    struct relay_way *way = &stream->ways[side];
    struct media_figures f = {
        .source = way->flows[MEDIA_COMPONENT_RTP].latched,
        .packets = way->packets,
        .octets = way->octets,
        .rtcp_packets = way->rtcp_packets,
    };
    memcpy(f.refused, way->refused, sizeof f.refused);
    add_quality(way, now, &f);
    if (way->carried)
        add_carried(way->carried, &f);
    f.loss_ppm = ppm(f.lost, f.expected);
    if (f.packets && stream->is.kind != MEDIA_UDPTL)
        name_codec(&stream->is, &f);
    *ret_figures = f;
}

void media_session_summary(struct relay_session *s, struct now now, struct media_summary *ret_summary)
{
    memset(ret_summary, 0, sizeof *ret_summary);
    ret_summary->stream_count = s->stream_count;
    for (unsigned i = 0; i < s->stream_count; i++)
        for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++)
            media_stream_figures(s->streams[i], side, now, &ret_summary->streams[i][side]);
}

void media_session_end_figures(struct relay_session *s, struct now now)
{
    for (unsigned i = 0; i < s->stream_count; i++)
        for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++)
            quality_end(&s->streams[i]->ways[side].quality, now.mono);
}

int media_relay_figures(struct media_relay *r, struct now now, uint64_t session, struct media_summary *ret_summary)
{
    struct relay_session *s = media_session_find(r, session);
    if (!s)
        return ERR_NOT_FOUND;
    media_session_summary(s, now, ret_summary);
    return 0;
}
