/* A phone's ear: it plays out what arrives, as a phone does, and notes when the tone that it expects was not to be heard. The tone is said from the
 * answer to the end of the call, so each pause is one that people would have heard.
 *
 * Playing out: a packet is played so long after it arrived (PSTN_EAR_PLAYOUT_MS, and up to a frame more), the following ones by their timestamps. One that comes
 * too late is lost; when nothing else is left to be played, the way has become longer: playing begins anew with it, with the same delay. When the
 * way has become shorter, packets wait for longer than that: after PSTN_EAR_CALM_MS of it some are skipped. Nothing is made up for what is missing.
 *
 * What is played is judged in frames of 10 ms. At the beginning and at the end silence is no pause unless it lasts for longer than
 * PSTN_EAR_EDGE_MS: news of answer and end take their time. */
#ifndef PSTN_EAR_H
#define PSTN_EAR_H

#include "base/time.h"
#include "pstn/tone.h"

#include <stdbool.h>

#define PSTN_EAR_FRAME_MS 10
#define PSTN_EAR_PLAYOUT_MS 60
#define PSTN_EAR_CALM_MS 500
#define PSTN_EAR_EDGE_MS 1000
#define PSTN_EAR_SAMPLES 8000 /* a second is kept at most */
#define PSTN_EAR_GAPS_MAX 16  /* the longest are kept */

struct pstn_gap {
    int64_t at_ms; /* since the ear was opened */
    int64_t ms;
};

/* Offsets are since the ear was opened. */
struct pstn_heard {
    int64_t first_ms; /* when the tone was first heard; -1: never */
    int64_t end_ms;   /* silence at the end */
    uint64_t gap_count;
    int64_t gaps_ms; /* all together */
    struct pstn_gap longest;
    struct pstn_gap gaps[PSTN_EAR_GAPS_MAX]; /* in the order of time */
    unsigned kept;
    uint64_t late;  /* packets that came too late to be played */
    uint64_t begun; /* so often playing began anew */
};

struct pstn_ear {
    enum pstn_tone expected;
    bool is_open, listens;
    struct mono since;
    uint64_t judged; /* frames */
    uint64_t silent; /* the first frame of the pause that lasts; UINT64_MAX: none */

    bool has_stream;
    uint32_t ssrc, timestamp; /* this is played … */
    uint64_t position;        /* … here, in samples since the ear was opened */
    uint64_t end;             /* behind the last sample that waits */
    uint64_t calm_from;       /* frame since which all packets wait for longer than they must … */
    uint64_t spare;           /* … by so many samples at least; 0: they do not */
    int16_t samples[PSTN_EAR_SAMPLES];
    struct pstn_heard heard;
};

/* The call was answered. It listens. */
void pstn_ear_open(struct pstn_ear *e, struct now now, enum pstn_tone expected);

/* Samples of a packet arrived. Harmless before it was opened. */
void pstn_ear_take(struct pstn_ear *e, struct now now, uint32_t ssrc, uint32_t timestamp, const int16_t *samples,
                   size_t n);

/* On hold nothing is expected. */
void pstn_ear_listen(struct pstn_ear *e, struct now now, bool listens);

/* The call is over. */
void pstn_ear_close(struct pstn_ear *e, struct now now);

#endif
