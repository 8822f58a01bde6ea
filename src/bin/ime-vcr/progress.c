/* The progress bar. */
#include "progress.h"

#include "base/duration.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR 30
#define PAUSE_MS 100
#define MEASURE_US 2000000 /* before that nothing is said of the time that is left */

void progress_init(struct progress *p, bool wanted)
{
    *p = (struct progress){.on = wanted && isatty(STDERR_FILENO)};
}

/* ", 1m20s left", at the pace so far. */
static void put_left(struct progress *p, struct mono now, uint64_t done, uint64_t total)
{
    char text[DURATION_TEXT_OCTETS];
    if (!p->measured) {
        p->measured = true;
        p->began = now;
        p->first = done;
    }
    int64_t passed_us = mono_since_us(now, p->began);
    if (passed_us < MEASURE_US || done <= p->first || done >= total)
        return;
    double left_s = (double)passed_us / 1e6 * (double)(total - done) / (double)(done - p->first);
    if (left_s < 86400)
        fprintf(stderr, ", %s left", duration_format(((int64_t)left_s + 1) * 1000, text));
}

void progress_show(struct progress *p, struct mono now, uint64_t done, uint64_t total, const char *text)
{
    char bar[BAR + 1];
    if (!p->on || !mono_due(p->next, now))
        return;
    p->next = mono_after_ms(now, PAUSE_MS);
    p->drawn = true;
    if (!total) {
        fprintf(stderr, "\r\033[K%s", text);
        return;
    }
    unsigned part = done >= total ? 100 : (unsigned)((double)done * 100 / (double)total);
    memset(bar, ' ', BAR);
    memset(bar, '#', part * BAR / 100);
    bar[BAR] = 0;
    fprintf(stderr, "\r\033[K[%s] %3u%%  %s", bar, part, text);
    put_left(p, now, done, total);
}

void progress_clear(struct progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
    p->next = (struct mono){0};
}
