/* A progress bar on standard error, if that is a terminal. */
#ifndef IME_VCR_PROGRESS_H
#define IME_VCR_PROGRESS_H

#include "base/time.h"

struct progress {
    bool on;
    bool drawn;
    bool measured;
    struct mono next;  /* when it may be drawn again */
    struct mono began; /* when it was drawn first, */
    uint64_t first;    /* with so much done */
};

void progress_init(struct progress *p, bool wanted);

/* Draws "[#####     ]  45%  text, 1m20s left", at most ten times a second; a total of 0: only the text. */
void progress_show(struct progress *p, struct mono now, uint64_t done, uint64_t total, const char *text);

/* Takes the bar away, before anything else is written. */
void progress_clear(struct progress *p);

#endif
