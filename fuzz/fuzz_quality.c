/* Packets, reports, time and changes of a stream in any order, eight octets for each step. Whatever comes: ratios are ratios, a MOS lies between 1 and 4.5,
 * nothing is counted twice, and a verdict is never told twice in a row. */
#include "media/judge.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEP_OCTETS 8

static const struct media_format formats[] = {{8, 8000, "PCMA"},   {101, 8000, "telephone-event"},
                                              {13, 8000, "CN"},    {111, 48000, "opus"},
                                              {96, 90000, "H264"}, {97, 90000, "rtx"},
                                              {5, 1, "odd"},       {6, UINT32_MAX, "odd"}};

struct world {
    struct quality q;
    struct quality_judge judge;
    struct quality_policy policy;
    struct mono now;
    struct rtp_view view;
    unsigned level;
    enum quality_verdict last;
};

static void need(bool good)
{
    if (!good)
        abort();
}

static void check_ratio(double ratio)
{
    need(ratio >= 0 && ratio <= 1);
}

static void check_figures(const struct quality *q, const struct quality_figures *f)
{
    check_ratio(f->loss_ratio);
    check_ratio(f->late_ratio);
    need(f->loss_ratio + f->late_ratio <= 1 + 1e-9);
    need(f->burst_ratio >= 1 && f->burst_ratio <= 8);
    need(f->rating >= 0 && f->rating <= 100);
    need(f->mos <= 4.5 && (f->is_known && q->is_audio ? f->mos >= 1 : f->mos >= 0));
    need(f->span_us >= 0 && f->span_us <= QUALITY_WINDOW_US);
    need(f->depth_us >= QUALITY_DEPTH_MIN_US && f->depth_us <= QUALITY_DEPTH_MAX_VIDEO_US);
    need(f->variation_mean_us <= f->variation_max_us);
    need(q->flows || f->silent_us == 0);
}

static void check_totals(const struct quality_totals *t)
{
    need(t->received <= t->expected && t->late <= t->received);
    need(t->settled <= t->expected);
    need(t->run_packets <= t->settled && t->runs <= t->run_packets);
    need(t->burst_lost + t->gap_lost <= t->run_packets && t->burst_lost <= t->burst_packets);
    need(t->burst_packets <= t->settled);
    need(t->severely_concealed_s <= t->concealed_s && t->concealed_s <= t->total_s);
    need(t->variation_min_us <= t->variation_max_us);
    check_ratio(quality_burst_density(t));
    check_ratio(quality_gap_density(t));
}

static void sample(struct world *w)
{
    struct quality_figures f;
    char text[QUALITY_TEXT_OCTETS];
    quality_sample(&w->q, w->now, &f);
    check_figures(&w->q, &f);
    quality_sample_recent(&w->q, w->now, &f);
    check_figures(&w->q, &f);
    check_totals(&w->q.totals);
    enum quality_verdict v = quality_judge_sample(&w->judge, &w->policy, w->level, &w->q, w->now);
    if (v == QUALITY_UNCHANGED)
        return;
    need(v != w->last && v == (w->judge.is_bad ? QUALITY_BAD : QUALITY_GOOD));
    w->last = v;
    need(strnlen(quality_judge_format(&w->judge, text), sizeof text) < sizeof text - 1);
}

static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The packet that a sender would send next, 20 ms later, but for what the step changes. */
static void send_packet(struct world *w, const uint8_t *p)
{
    w->view.sequence = (uint16_t)(w->view.sequence + 1 + (int8_t)p[1]);
    w->view.timestamp += 160 + (uint32_t)((int32_t)(int8_t)p[2] * 160);
    w->now.us += 20000 + (int64_t)(int8_t)p[3] * 1000;
    w->view.marker = p[4] & 1;
    if (p[4] & 2)
        w->view.payload_type = p[5] & 0x7f;
    if (p[4] & 4)
        w->view.ssrc = p[6] & 7;
    for (unsigned i = 0; i < 1u + (p[7] & 0x3f); i++) {
        quality_packet(&w->q, w->now, &w->view);
        if (p[7] & 0x40)
            w->now.us += 20000;
        if (p[7] & 0x80) {
            w->view.sequence++;
            w->view.timestamp += 160;
        }
    }
}

static void take_step(struct world *w, const uint8_t *p, size_t left)
{
    switch (p[0] % 10) {
    default:
        send_packet(w, p);
        break;
    case 5: /* anything at all */
        w->view.sequence = (uint16_t)u32(p);
        w->view.timestamp = u32(p + 4);
        quality_packet(&w->q, w->now, &w->view);
        break;
    case 6: /* time, also backwards */
        w->now.us += (int64_t)(int32_t)u32(p + 4) * (p[1] & 1 ? 1000 : 1);
        break;
    case 7:
        quality_set_flows(&w->q, w->now, p[1] & 1);
        if (p[1] & 2)
            quality_set_formats(&w->q, p[1] & 4, formats + (p[2] & 3), p[2] >> 2 & 3, p[3]);
        if (p[1] & 8)
            w->level = p[2] % QUALITY_LEVELS;
        break;
    case 8: {
        size_t n = p[1] < left ? p[1] : left;
        if (p[2] & 1)
            quality_rtcp_from(&w->q, w->now, slice_of(p, n));
        else
            quality_rtcp_to(&w->q, w->now, slice_of(p, n));
        break;
    }
    case 9:
        for (unsigned i = 0; i < p[1]; i++) {
            w->now.us += 100000;
            sample(w);
        }
        if (p[2] & 1)
            quality_end(&w->q, w->now);
        break;
    }
    sample(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.policy = quality_policy_default, .level = 5, .last = QUALITY_GOOD};
    w.now.us = 1000000;
    w.view.payload_type = 8;
    quality_init(&w.q, w.now);
    quality_judge_init(&w.judge);
    quality_set_formats(&w.q, true, formats, sizeof formats / sizeof formats[0], 20);
    quality_set_flows(&w.q, w.now, true);
    for (size_t at = 0; size - at >= STEP_OCTETS; at += STEP_OCTETS)
        take_step(&w, data + at, size - at);
    quality_end(&w.q, w.now);
    check_totals(&w.q.totals);
    need(w.q.totals.settled == w.q.totals.expected);
    return 0;
}
