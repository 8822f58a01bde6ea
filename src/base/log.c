/* Formats events and keeps them to one clean line. */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

void log_event(const struct log *log, enum log_level level, const char *event, const char *format, ...)
{
    if (!log || !log->write || level > log->level)
        return;
    char text[LOG_TEXT_OCTETS];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0)
        return;
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
    log->write(log->ctx, level, event, text);
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
    return (size_t)level < sizeof names / sizeof names[0] ? names[level] : "unknown";
}
