/* A stream as a test writes it down: packets with the time of their arrival, put in order and handed to a struct quality in virtual time; and a source of
 * chance that repeats itself. */
#ifndef TEST_MEDIA_STREAM_H
#define TEST_MEDIA_STREAM_H

#include "media/judge.h"

#include <math.h>
#include <stdlib.h>

#define STREAM_PACKETS_MAX 80000
#define PTIME_US 20000
#define PTIME_TICKS 160
#define PCMA 8
#define EVENT 101
#define NOISE 13
#define OPUS 111
#define START_US INT64_C(5000000000)
#define SECOND INT64_C(1000000)

struct stream_packet {
    int64_t at_us; /* arrival, from START_US on */
    unsigned order;
    struct rtp_view view;
};

struct stream {
    struct quality q;
    struct stream_packet packets[STREAM_PACKETS_MAX];
    unsigned count, sorted, given;
    /* of the next packet that is added */
    uint16_t sequence;
    uint32_t timestamp, ssrc;
    uint8_t payload_type;
    uint64_t chance;
};

static const struct media_format audio_formats[] = {
    {PCMA, 8000, "PCMA"}, {EVENT, 8000, "telephone-event"}, {NOISE, 8000, "CN"}, {OPUS, 48000, "opus"}};

/* splitmix64 */
static inline uint64_t chance_u64(struct stream *s)
{
    uint64_t x = s->chance += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* 0 ≤ x < 1 */
static inline double chance(struct stream *s)
{
    return (double)(chance_u64(s) >> 11) / 9007199254740992.0;
}

static inline struct mono at(int64_t us)
{
    return (struct mono){START_US + us};
}

/* Sequence number and timestamp begin shortly before they wrap. */
static inline struct stream *stream_new(uint64_t seed)
{
    struct stream *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->chance = seed;
    s->sequence = 65500;
    s->timestamp = UINT32_MAX - 4000;
    s->ssrc = 0x1234;
    s->payload_type = PCMA;
    quality_init(&s->q, at(0));
    quality_set_formats(&s->q, true, audio_formats, 4, 20);
    quality_set_flows(&s->q, at(0), true);
    return s;
}

static inline struct rtp_view *stream_add(struct stream *s, int64_t at_us)
{
    assert_true(s->count < STREAM_PACKETS_MAX);
    struct stream_packet *p = &s->packets[s->count];
    *p = (struct stream_packet){
        at_us,
        s->count,
        {.payload_type = s->payload_type, .sequence = s->sequence, .timestamp = s->timestamp, .ssrc = s->ssrc}};
    s->count++;
    return &p->view;
}

/* The next packet of 20 ms is sent: lost, or it arrives then. */
static inline void stream_next(struct stream *s, bool is_lost, int64_t at_us)
{
    if (!is_lost)
        stream_add(s, at_us);
    s->sequence++;
    s->timestamp += PTIME_TICKS;
}

/* Packets without loss, 20 ms apart, from then on; returns when the next one is due. */
static inline int64_t stream_clean(struct stream *s, int64_t from_us, unsigned count)
{
    for (unsigned i = 0; i < count; i++, from_us += PTIME_US)
        stream_next(s, false, from_us);
    return from_us;
}

static inline int stream_compare(const void *a, const void *b)
{
    const struct stream_packet *p = a, *r = b;
    if (p->at_us != r->at_us)
        return p->at_us < r->at_us ? -1 : 1;
    return p->order < r->order ? -1 : 1;
}

/* Hands over what has arrived until then. */
static inline void stream_give(struct stream *s, int64_t until_us)
{
    if (s->sorted != s->count)
        qsort(s->packets + s->given, s->count - s->given, sizeof s->packets[0], stream_compare);
    s->sorted = s->count;
    while (s->given < s->count && s->packets[s->given].at_us <= until_us) {
        const struct stream_packet *p = &s->packets[s->given++];
        quality_packet(&s->q, at(p->at_us), &p->view);
    }
}

static inline void stream_give_all(struct stream *s)
{
    stream_give(s, INT64_MAX / 2);
}

#define assert_near(value, expected, tolerance)                                    \
    do {                                                                           \
        double near_value_ = (double)(value), near_expected_ = (double)(expected); \
        if (!(fabs(near_value_ - near_expected_) <= (double)(tolerance)))          \
            fail_msg("%s is %.6f, not %.6f", #value, near_value_, near_expected_); \
    } while (0)

#endif
