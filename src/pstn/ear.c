/* Playing out what arrives, and noting pauses. */
#include "pstn/ear.h"

#include <string.h>

#define FRAME ((uint64_t)PSTN_EAR_FRAME_MS * PSTN_SAMPLES_PER_MS)
#define PLAYOUT ((uint64_t)PSTN_EAR_PLAYOUT_MS * PSTN_SAMPLES_PER_MS)
#define SPARE_MIN (3 * FRAME) /* what packets wait for longer than they must, before that is too long */
#define NONE UINT64_MAX

_Static_assert(PSTN_EAR_SAMPLES % (PSTN_EAR_FRAME_MS * PSTN_SAMPLES_PER_MS) == 0, "a frame lies in one piece");

/* ---- pauses ---- */

static int64_t ms_of(uint64_t frames)
{
    return (int64_t)frames * PSTN_EAR_FRAME_MS;
}

/* The shortest gives way when there is no place left. */
static void keep(struct pstn_heard *h, const struct pstn_gap *gap)
{
    unsigned shortest = 0;
    if (h->kept == PSTN_EAR_GAPS_MAX) {
        for (unsigned i = 1; i < h->kept; i++) {
            if (h->gaps[i].ms < h->gaps[shortest].ms)
                shortest = i;
        }
        if (h->gaps[shortest].ms >= gap->ms)
            return;
        h->kept--;
        memmove(&h->gaps[shortest], &h->gaps[shortest + 1], (h->kept - shortest) * sizeof *h->gaps);
    }
    h->gaps[h->kept++] = *gap;
}

static void note(struct pstn_heard *h, uint64_t from, uint64_t to)
{
    const struct pstn_gap gap = {ms_of(from), ms_of(to - from)};
    h->gap_count++;
    h->gaps_ms += gap.ms;
    if (gap.ms > h->longest.ms)
        h->longest = gap;
    keep(h, &gap);
}

/* The pause that lasts ends before that frame. At the edges of a call it may be none. */
static void pause_ends(struct pstn_ear *e, uint64_t frame, bool is_edge)
{
    if (e->silent != NONE && frame > e->silent && (!is_edge || ms_of(frame - e->silent) > PSTN_EAR_EDGE_MS))
        note(&e->heard, e->silent, frame);
    e->silent = NONE;
}

/* The frame has been played. */
static void judge(struct pstn_ear *e)
{
    int16_t *samples = &e->samples[e->judged * FRAME % PSTN_EAR_SAMPLES];
    const bool is_heard = pstn_tone_find(samples, FRAME) == e->expected;
    memset(samples, 0, FRAME * sizeof *samples);
    if (!e->listens)
        return;
    if (!is_heard && e->silent == NONE) {
        e->silent = e->judged;
    } else if (is_heard) {
        pause_ends(e, e->judged, e->heard.first_ms < 0);
        if (e->heard.first_ms < 0)
            e->heard.first_ms = ms_of(e->judged);
    }
}

/* Plays until now. Silence is not looked at one by one. */
static void play(struct pstn_ear *e, struct now now)
{
    const uint64_t frames = (uint64_t)(mono_since_us(now.mono, e->since) / (PSTN_EAR_FRAME_MS * 1000));
    while (e->judged < frames) {
        if (e->judged * FRAME >= e->end && e->silent != NONE)
            e->judged = frames;
        else
            judge(e), e->judged++;
    }
}

/* ---- what arrives ---- */

/* Playing begins anew with that. */
static void begin(struct pstn_ear *e, uint64_t now, uint32_t ssrc, uint32_t timestamp)
{
    if (e->end > now + PLAYOUT) { /* what the old stream had for later */
        for (uint64_t at = now + PLAYOUT; at < e->end; at++)
            e->samples[at % PSTN_EAR_SAMPLES] = 0;
        e->end = now + PLAYOUT;
    }
    e->has_stream = true;
    e->ssrc = ssrc;
    e->timestamp = timestamp;
    e->position = now + PLAYOUT;
    e->spare = 0;
    e->heard.begun++;
}

/* Packets that wait for long are brought forward when all of them did for a while. */
static void catch_up(struct pstn_ear *e, uint64_t now, uint64_t position)
{
    const uint64_t waits = position - now, spare = waits > PLAYOUT ? (waits - PLAYOUT) / FRAME * FRAME : 0;
    if (spare < SPARE_MIN) {
        e->spare = 0;
        return;
    }
    if (!e->spare || spare < e->spare) {
        e->calm_from = e->spare ? e->calm_from : e->judged;
        e->spare = spare;
    }
    if (ms_of(e->judged - e->calm_from) >= PSTN_EAR_CALM_MS) {
        e->position -= e->spare;
        e->spare = 0;
    }
}

void pstn_ear_take(struct pstn_ear *e, struct now now, uint32_t ssrc, uint32_t timestamp, const int16_t *samples,
                   size_t n)
{
    if (!e->is_open || n > PSTN_EAR_SAMPLES / 2)
        return;
    play(e, now);
    const bool on_time = mono_since_us(now.mono, e->since) % (PSTN_EAR_FRAME_MS * 1000) == 0;
    const uint64_t here = (e->judged + !on_time) * FRAME;
    if (!e->has_stream || ssrc != e->ssrc)
        begin(e, here, ssrc, timestamp);
    const int64_t offset = (int32_t)(timestamp - e->timestamp), at = (int64_t)e->position + offset;
    uint64_t position = at < 0 ? 0 : (uint64_t)at;
    if (position < here && e->end > here) { /* others are there */
        e->heard.late++;
        return;
    }
    if (position < here || position + n > here + PSTN_EAR_SAMPLES - FRAME) {
        begin(e, here, ssrc, timestamp);
        position = e->position;
    }
    catch_up(e, here, position);
    for (size_t i = 0; i < n; i++)
        e->samples[(position + i) % PSTN_EAR_SAMPLES] = samples[i];
    if (position + n > e->end)
        e->end = position + n;
}

/* ---- life ---- */

void pstn_ear_open(struct pstn_ear *e, struct now now, enum pstn_tone expected)
{
    memset(e, 0, sizeof *e);
    e->expected = expected;
    e->is_open = e->listens = true;
    e->since = now.mono;
    e->silent = NONE;
    e->heard.first_ms = -1;
}

void pstn_ear_listen(struct pstn_ear *e, struct now now, bool listens)
{
    if (!e->is_open || listens == e->listens)
        return;
    play(e, now);
    pause_ends(e, e->judged, e->heard.first_ms < 0);
    e->listens = listens;
}

void pstn_ear_close(struct pstn_ear *e, struct now now)
{
    if (!e->is_open)
        return;
    play(e, now);
    e->heard.end_ms = e->silent == NONE ? 0 : ms_of(e->judged - e->silent);
    pause_ends(e, e->judged, true);
    e->is_open = false;
}
