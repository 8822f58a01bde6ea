/* Lines on standard error, each by itself or some together. */
#include "io/process.h"

#include "base/sanitized.h"
#include "base/time.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_OCTETS (LOG_TEXT_OCTETS + 256)
#define GATHERED_OCTETS (32u << 10)

static char gathered[GATHERED_OCTETS];
static volatile sig_atomic_t gathered_octets;
static void (*waits)(void *arg); /* NULL: each line is written by itself */
static void *waits_arg;

/* One call for whole lines, so that those of several processes do not mix. Whoever cannot log has nobody to tell. */
static void put(const char *lines, size_t octets)
{
    if (octets && write(STDERR_FILENO, lines, octets) < 0)
        return;
}

/* Also called within a signal. */
void stderr_log_flush(void)
{
    const size_t octets = (size_t)gathered_octets;
    gathered_octets = 0;
    put(gathered, octets);
}

/* ---- the end of the process ---- */

/* The signal's own action follows: its handler is gone, and what has caused it is tried again. */
static void dies(int signal_number)
{
    (void)signal_number;
    stderr_log_flush();
}

static void flush_at_the_end(void)
{
    static const int deaths[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
    atexit(stderr_log_flush);
    pthread_atfork(stderr_log_flush, NULL, NULL); /* a child would write them, too */
    struct sigaction action = {.sa_handler = dies, .sa_flags = (int)SA_RESETHAND};
    for (size_t i = 0; !SANITIZED && i < sizeof deaths / sizeof deaths[0]; i++)
        sigaction(deaths[i], &action, NULL);
}

void stderr_log_gather(void (*first_waits)(void *arg), void *arg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (first_waits)
        pthread_once(&once, flush_at_the_end);
    stderr_log_flush();
    waits = first_waits;
    waits_arg = arg;
}

/* ---- lines ---- */

/* The journal sets JOURNAL_STREAM to the device and inode of the stream that it gave to us. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    unsigned long long device, inode;
    return stream && fstat(STDERR_FILENO, &status) == 0 && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           device == status.st_dev && inode == status.st_ino;
}

static size_t format_line(char line[LINE_OCTETS], enum log_level level, const char *event, const char *text)
{
    static const char journal_levels[] = {'3', '4', '5', '6', '7'}; /* syslog severities */
    static int journal = -1;
    int n;
    if (journal < 0)
        journal = stderr_is_journal();
    if (journal) {
        n = snprintf(line, LINE_OCTETS - 1, "<%c>%s %s", journal_levels[level], event, text);
    } else {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        static char date[WALL_TEXT_OCTETS]; /* of the last line: there are many in a second */
        static time_t second = -1;
        if (t.tv_sec != second) {
            wall_format((struct wall){(int64_t)t.tv_sec * 1000}, date);
            date[strcspn(date, "Z")] = '\0';
            second = t.tv_sec;
        }
        n = snprintf(line, LINE_OCTETS - 1, "%s.%03ldZ %-7s %s %s", date, t.tv_nsec / 1000000, log_level_name(level),
                     event, text);
    }
    if (n < 0)
        return 0;
    size_t octets = (size_t)n < LINE_OCTETS - 1 ? (size_t)n : LINE_OCTETS - 2;
    line[octets++] = '\n';
    return octets;
}

static void gather(const char *line, size_t octets)
{
    if (octets > GATHERED_OCTETS - (size_t)gathered_octets)
        stderr_log_flush();
    const bool is_first = !gathered_octets;
    memcpy(gathered + gathered_octets, line, octets);
    gathered_octets += (int)octets;
    if (is_first)
        waits(waits_arg);
}

static void write_line(void *ctx, enum log_level level, const char *event, const char *text)
{
    char line[LINE_OCTETS];
    (void)ctx;
    const size_t octets = format_line(line, level, event, text);
    if (!waits) {
        put(line, octets);
        return;
    }
    gather(line, octets);
    if (level <= LEVEL_WARNING)
        stderr_log_flush();
}

struct log stderr_log(enum log_level level)
{
    return (struct log){write_line, NULL, level};
}
