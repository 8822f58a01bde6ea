/* The progress bar. */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR 30
#define PAUSE_MS 100

void progress_init(struct progress *p, bool wanted)
{
    *p = (struct progress){.on = wanted && isatty(STDERR_FILENO)};
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
}

void progress_clear(struct progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
    p->next = (struct mono){0};
}
