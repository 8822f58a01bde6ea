/* A machine that is late, and late again. */
#include "base/lateness.h"

#define BUSY_US 1000000

void lateness_tick(struct lateness *l, struct mono now, struct mono due, int64_t late_us)
{
    /* What fell due before the pause was over says nothing about the time after it. */
    if (!mono_due(due, now) || (l->noticed.us && mono_due(due, l->noticed)))
        return;
    if (mono_since_us(now, due) <= late_us) {
        l->noticed = (struct mono){0};
        return;
    }
    if (l->noticed.us && mono_since_us(due, l->noticed) <= BUSY_US)
        l->busy_until = mono_after_us(now, BUSY_US);
    l->noticed = now;
}

bool lateness_is_busy(const struct lateness *l, struct mono now)
{
    return !mono_due(l->busy_until, now);
}
