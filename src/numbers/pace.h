/* A fixed rate (VAP 9.4.2: stores are paced): so many steps a second, evenly spaced. Time missed is made up for up to a tenth of a second,
 * so that a late timer does not lower the rate. */
#ifndef NUMBERS_PACE_H
#define NUMBERS_PACE_H

#include "base/time.h"

#define PACE_CATCH_UP_US 100000

struct pace {
    int64_t interval_us;
    struct mono next;
};

/* rate 0: no limit. */
static inline void pace_init(struct pace *pace, uint32_t per_second)
{
    pace->interval_us = per_second ? 1000000 / per_second : 0;
    pace->next = (struct mono){INT64_MIN};
}

/* True if a step may be made now, which is then counted. */
static inline bool pace_step(struct pace *pace, struct mono now)
{
    if (!mono_due(pace->next, now))
        return false;
    struct mono earliest = {now.us - PACE_CATCH_UP_US};
    if (pace->next.us < earliest.us)
        pace->next = pace->next.us == INT64_MIN ? now : earliest;
    pace->next = mono_after_us(pace->next, pace->interval_us);
    return true;
}

#endif
