/* What happens by itself: quality is sampled, figures are told, silence is noticed. */
#include "media/relay_private.h"

static bool expects(const struct relay_session *s, const struct relay_stream *stream, enum media_side side)
{
    const struct media_end *end = &stream->is.ends[side];
    return stream->is.kind != MEDIA_OFF && !s->is_early && end->may_send && end->remote.family &&
           stream->is.ends[media_other_side(side)].remote.family;
}

/* ---- quality ---- */

/* The inside is sampled once for so many samples of the outside. */
#define INSIDE_SAMPLES 8

static void tell_quality(struct relay_stream *stream)
{
    stream->tell_quality = true;
    media_session_tell(stream->session);
}

static void sample(struct relay_session *s, struct now now)
{
    s->samples++;
    const struct quality_policy *policy = &s->relay->options.quality;
    for (unsigned i = 0; i < s->stream_count; i++) {
        struct relay_stream *stream = s->streams[i];
        struct relay_way *inside = &stream->ways[MEDIA_INSIDE];
        struct relay_way *outside = &stream->ways[MEDIA_OUTSIDE];
        if (stream->is.kind != MEDIA_RTP) {
            if (outside->judge.is_bad && quality_judge_off(&outside->judge, policy, now.mono) != QUALITY_UNCHANGED)
                tell_quality(stream);
            continue;
        }
        /* What comes from inside is measured for the summary, and never reported: the PBX knows about its own network. */
        if (s->samples % INSIDE_SAMPLES == 0)
            quality_judge_sample(&inside->judge, policy, 0, &inside->quality, now.mono);
        if (quality_judge_sample(&outside->judge, policy, s->sensitivity, &outside->quality, now.mono) !=
            QUALITY_UNCHANGED)
            tell_quality(stream);
    }
}

/* ---- silence ---- */

/* Since when a side has been silent that should send; MONO_NEVER: it is not. */
static struct mono silent_since(const struct relay_session *s, enum media_side side)
{
    struct mono since = s->quiet_since[side];
    bool expected = false;
    for (unsigned i = 0; i < s->stream_count; i++) {
        const struct relay_stream *stream = s->streams[i];
        if (!expects(s, stream, side))
            continue;
        expected = true;
        since = mono_max(since, stream->ways[side].heard);
    }
    return expected ? since : MONO_NEVER;
}

static struct mono silence_due(const struct relay_session *s, enum media_side side)
{
    uint32_t silence_ms = s->relay->options.silence_ms;
    struct mono since = silent_since(s, side);
    return silence_ms && since.us != MONO_NEVER.us ? mono_after_ms(since, silence_ms) : MONO_NEVER;
}

static void notice_silence(struct relay_session *s, struct now now)
{
    for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++) {
        if (!mono_due(silence_due(s, side), now.mono))
            continue;
        s->quiet_since[side] = now.mono;
        s->tell_silent[side] = true;
        media_session_tell(s);
    }
}

/* ---- the session's timer ---- */

void media_session_wait(struct relay_session *s)
{
    struct mono due = mono_min(s->next_sample, s->next_figures);
    for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++)
        due = mono_min(due, silence_due(s, side));
    /* It has been in the heap since it was made: nothing is allocated. */
    heap_set(&s->relay->timers, &s->timer, due);
}

void media_session_described(struct relay_session *s, struct now now)
{
    const struct media_relay_options *options = &s->relay->options;
    bool has_rtp = false;
    for (unsigned i = 0; i < s->stream_count; i++) {
        struct relay_stream *stream = s->streams[i];
        const struct media_stream *is = &stream->is;
        has_rtp = has_rtp || is->kind == MEDIA_RTP || stream->ways[MEDIA_OUTSIDE].judge.is_bad;
        for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++) {
            struct quality *q = &stream->ways[side].quality;
            if (is->kind == MEDIA_RTP)
                quality_set_formats(q, is->is_audio, is->formats, is->format_count, is->ptime_ms);
            quality_set_flows(q, now.mono, is->kind == MEDIA_RTP && expects(s, stream, side));
        }
    }
    s->quiet_since[MEDIA_INSIDE] = s->quiet_since[MEDIA_OUTSIDE] = now.mono;
    if (!has_rtp)
        s->next_sample = MONO_NEVER;
    else if (s->next_sample.us == MONO_NEVER.us)
        s->next_sample = mono_after_ms(now.mono, options->quality.interval_ms);
    if (s->next_figures.us == MONO_NEVER.us && options->figures_ms)
        s->next_figures = mono_after_ms(now.mono, options->figures_ms);
    if (options->figures_ms) { /* before the first packet under a new key */
        s->tell_state = true;
        media_session_tell(s);
    }
    media_session_wait(s);
}

static void tick(struct relay_session *s, struct now now)
{
    const struct media_relay_options *options = &s->relay->options;
    if (mono_due(s->next_sample, now.mono)) {
        sample(s, now);
        /* What was missed while the worker was busy is not made up for. */
        s->next_sample = mono_max(mono_after_ms(s->next_sample, options->quality.interval_ms), now.mono);
    }
    if (mono_due(s->next_figures, now.mono)) {
        s->tell_figures = s->tell_state = true;
        media_session_tell(s);
        s->next_figures = options->figures_ms ? mono_after_ms(now.mono, options->figures_ms) : MONO_NEVER;
    }
    notice_silence(s, now);
    media_session_wait(s);
}

void media_relay_tick(struct media_relay *r, struct now now)
{
    struct heap_node *node = heap_first(&r->timers);
    while (node && mono_due(node->due, now.mono)) {
        tick(CONTAINER_OF(node, struct relay_session, timer), now);
        node = heap_first(&r->timers);
    }
}

struct mono media_relay_deadline(const struct media_relay *r)
{
    return heap_deadline(&r->timers);
}
