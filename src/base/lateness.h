/* Whether a machine is too busy, as the timers of a core show it. A timer that is told late shows a pause, which may be over: of the disk, of the
 * virtual machine, of a neighbor's. If those that fell due after it come late as well, there is more to do than the machine can. */
#ifndef BASE_LATENESS_H
#define BASE_LATENESS_H

#include "base/time.h"

struct lateness {
    struct mono
        noticed; /* when timers were last told late; 0: those after it were in time, or there was no such time */
    struct mono busy_until;
};

/* Timers are told at `now`; the earliest of them is due at `due`, which may still be to come. More than `late_us` behind is late. */
void lateness_tick(struct lateness *l, struct mono now, struct mono due, int64_t late_us);

/* For a second after each time that showed it. */
bool lateness_is_busy(const struct lateness *l, struct mono now);

#endif
