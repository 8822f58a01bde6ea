/* Formats events and keeps them to one clean line. */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Behind a value: the next one, the end, or the words of a sentence. */
static bool ends_value(const char *p)
{
    return !*p || *p == ' ' || ((*p == ':' || *p == ';') && p[1] == ' ');
}

static void clean(char *text)
{
    bool in_quotes = false;
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
        if (*p != '"')
            continue;
        if (!in_quotes)
            in_quotes = p > text && p[-1] == '=';
        else if (ends_value(p + 1))
            in_quotes = false;
        else
            *p = '\'';
    }
}

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
    clean(text);
    log->write(log->ctx, level, event, text);
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
    return (size_t)level < sizeof names / sizeof names[0] ? names[level] : "unknown";
}
