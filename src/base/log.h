/* The logging port: one line per event, a level, a stable event name ("pvp.proof.failed") and key=value text. Cores are handed a
 * struct log; daemons write to stderr, tests collect. Never pass a secret. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_NOTICE, LEVEL_INFO, LEVEL_DEBUG };

struct log {
    void (*write)(void *ctx, enum log_level level, const char *event, const char *text);
    void *ctx;
    enum log_level level; /* events above it are dropped before they are formatted */
};

/* A NULL log is allowed and drops everything. Control characters in the text are replaced, so that a peer cannot forge a line, and quotation marks within a
 * value in quotes (name="value") become apostrophes, so that it cannot end one: a value of a peer's stands in quotes, and has no blanks in it unless it
 * has no quotation marks either. Lines are cut at LOG_TEXT_OCTETS. */
#define LOG_TEXT_OCTETS 1024
void log_event(const struct log *log, enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

const char *log_level_name(enum log_level level);

#endif
