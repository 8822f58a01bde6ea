/* Events in the log, so many a second of a kind. */
#include "edge/notice.h"

#include <stdarg.h>
#include <stdio.h>

#define PER_SECOND_MAX 20

static const struct {
    const char *name;
    enum log_level level;
} kinds[EDGE_NOTICE_COUNT] = {
#define EDGE_NOTICE_KIND_(code, name, level) {name, level},
    EDGE_NOTICES(EDGE_NOTICE_KIND_)};

void edge_notice(struct edge_notices *n, const struct log *log, struct now now, enum edge_notice notice,
                 const char *format, ...)
{
    struct edge_notice_window *w = &n->windows[notice];
    char text[LOG_TEXT_OCTETS];
    va_list args;
    if (!log || log->level < kinds[notice].level)
        return;
    if (mono_due(w->end, now.mono)) {
        w->end = mono_after_ms(now.mono, 1000);
        w->told = 0;
    }
    if (w->told >= PER_SECOND_MAX) {
        w->left_out++;
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (w->left_out)
        log_event(log, kinds[notice].level, kinds[notice].name, "%s left_out=%llu", text,
                  (unsigned long long)w->left_out);
    else
        log_event(log, kinds[notice].level, kinds[notice].name, "%s", text);
    w->told++;
    w->left_out = 0;
}
