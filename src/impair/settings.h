/* What a way does to what passes, as words: "loss=10%", "jitter=80ms". */
#ifndef IMPAIR_SETTINGS_H
#define IMPAIR_SETTINGS_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define IMPAIR_MILLION UINT32_C(1000000)
#define IMPAIR_TIME_MS_MAX (60 * 1000)
#define IMPAIR_EVERY_MS_MAX (60 * 60 * 1000)
#define IMPAIR_RATE_MIN 8000 /* bits per second */
#define IMPAIR_RATE_MAX UINT64_C(10000000000)

/* All zero: a good network. */
struct impair_settings {
    uint32_t loss;     /* of a million packets so many are lost, each on its own */
    uint32_t reorder;  /* of a million packets so many are overtaken by those behind them */
    int64_t burst_ms;  /* now and then nothing arrives for so long, on average; 0: no bursts */
    int64_t every_ms;  /* so much lies between two bursts, on average */
    int64_t delay_ms;  /* of every packet */
    int64_t jitter_ms; /* drawn for each packet from 0 up to this, on top of the delay */
    uint64_t rate;     /* bits per second; 0: as fast as they come */
    bool cut;          /* nothing passes */
};

/* One of: loss=P% reorder=P% delay=TIME jitter=TIME burst=TIME/TIME (how long, how often) rate=NUMBER with k or M (bits per second) cut=yes|no.
 * A value of 0 takes it off. ERR_SYNTAX or ERR_RANGE with a sentence in why, and nothing is changed. */
int impair_settings_set(struct impair_settings *s, struct slice word, struct buf *why);

/* Words that make these settings of none; "good" for none. */
void impair_settings_format(const struct impair_settings *s, struct buf *out);

#endif
