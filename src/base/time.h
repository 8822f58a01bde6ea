/* Two kinds of time that cannot be mixed up: monotonic microseconds for deadlines, wall-clock milliseconds (Unix epoch, UTC) for what
 * is written down or signed. Cores are handed both and read no clock. */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

struct mono {
    int64_t us;
};

struct wall {
    int64_t ms;
};

struct now {
    struct mono mono;
    struct wall wall;
};

/* A deadline that never comes. */
#define MONO_NEVER ((struct mono){INT64_MAX})

static inline struct mono mono_after_us(struct mono t, int64_t us)
{
    return (struct mono){us > INT64_MAX - t.us ? INT64_MAX : t.us + us};
}

static inline struct mono mono_after_ms(struct mono t, int64_t ms)
{
    return mono_after_us(t, ms > INT64_MAX / 1000 ? INT64_MAX : ms * 1000);
}

static inline int64_t mono_since_us(struct mono later, struct mono earlier)
{
    return later.us - earlier.us;
}

/* True when the deadline has come. */
static inline bool mono_due(struct mono deadline, struct mono now)
{
    return deadline.us <= now.us;
}

static inline struct mono mono_min(struct mono a, struct mono b)
{
    return a.us < b.us ? a : b;
}

static inline struct wall wall_after_ms(struct wall t, int64_t ms)
{
    return (struct wall){t.ms + ms};
}

static inline struct mono mono_max(struct mono a, struct mono b)
{
    return a.us > b.us ? a : b;
}

/* NTP timestamps (RFC 5905): seconds since 1900 in the upper 32 bits, fraction below. Milliseconds survive a round trip. Era 1 begins in
 * 2036: values with a clear top bit are read as of that era. */
uint64_t wall_to_ntp(struct wall t);
struct wall wall_from_ntp(uint64_t ntp);

/* "2026-03-01T12:00:00Z" into WALL_TEXT_OCTETS octets; always terminated. */
#define WALL_TEXT_OCTETS 64
const char *wall_format(struct wall t, char *text);

/* The calendar without the C library's hidden state: seconds since the Unix epoch of a UTC date, proleptic Gregorian. */
int64_t calendar_seconds(int year, int month, int day, int hour, int minute, int second);

#endif
