/* What it costs to measure a stream: per packet, beside the least that a receiver does (RFC 3550 A.1 and A.8: sequence numbers and jitter) and beside taking
 * SRTP off the same packet, which comes before it; then what a sample costs, ten times a second for each stream. */
#include "bench.h"

#include "media/judge.h"
#include "media/srtp.h"

#include <stdlib.h>

#define PACKET 172
#define PTIME_US 20000

struct stream {
    struct quality q;
    struct quality_judge judge;
    struct rtp_view view;
    int64_t sent_us;
    uint32_t chance;
    unsigned losses; /* of 256 */
};

static void start(struct stream *s, unsigned losses)
{
    static const struct media_format formats[] = {{8, 8000, "PCMA"}, {101, 8000, "telephone-event"}};
    *s = (struct stream){.view = {.payload_type = 8, .ssrc = 1}, .chance = 1, .losses = losses};
    quality_init(&s->q, (struct mono){0});
    quality_judge_init(&s->judge);
    quality_set_formats(&s->q, true, formats, 2, 20);
    quality_set_flows(&s->q, (struct mono){0}, true);
}

/* The next packet and when it comes, up to 4 ms late. False: it is lost. */
static bool next_packet(struct stream *s, struct mono *ret_at)
{
    s->view.sequence++;
    s->view.timestamp += 160;
    s->sent_us += PTIME_US;
    s->chance = s->chance * 1664525 + 1013904223;
    *ret_at = (struct mono){s->sent_us + (s->chance >> 20)};
    return s->losses == 0 || s->chance >> 24 >= s->losses;
}

static void measure(void *arg, unsigned long times)
{
    struct stream *s = arg;
    struct mono at;
    for (unsigned long i = 0; i < times;) {
        if (!next_packet(s, &at))
            continue;
        quality_packet(&s->q, at, &s->view);
        i++;
    }
}

/* With some packets between two samples, so that there is something to see. */
static void judge(void *arg, unsigned long times)
{
    struct stream *s = arg;
    for (unsigned long i = 0; i < times; i++)
        quality_judge_sample(&s->judge, &quality_policy_default, 3, &s->q, (struct mono){s->sent_us});
}

/* ---- the least ---- */

struct least {
    struct stream stream;
    uint32_t cycles, received;
    uint16_t highest;
    int64_t transit, jitter;
};

static void count(struct least *l, struct mono at, const struct rtp_view *p)
{
    uint16_t step = (uint16_t)(p->sequence - l->highest);
    if (step < QUALITY_MAX_DROPOUT) {
        if (p->sequence < l->highest)
            l->cycles += 65536;
        l->highest = p->sequence;
    }
    l->received++;
    int64_t transit = at.us * 8 / 1000 - p->timestamp;
    int64_t d = llabs(transit - l->transit);
    l->transit = transit;
    l->jitter += d - ((l->jitter + 8) >> 4);
}

static void measure_least(void *arg, unsigned long times)
{
    struct least *l = arg;
    struct mono at;
    for (unsigned long i = 0; i < times; i++) {
        next_packet(&l->stream, &at);
        count(l, at, &l->stream.view);
    }
    bench_need(l->received > 0 && l->jitter >= 0, "counting");
}

/* ---- what comes before ---- */

struct protected
{
    struct srtp_master master;
    struct srtp *sends, *takes;
    uint16_t sequence;
};

/* Protected and taken off again, for a packet is good only once: twice the work that a packet from outside needs. */
static void there_and_back(void *arg, unsigned long times)
{
    struct protected *p = arg;
    for (unsigned long i = 0; i < times; i++) {
        uint8_t packet[256] = {0x80, 8, (uint8_t)(p->sequence >> 8), (uint8_t)p->sequence, 0, 0, 0, 0, 1};
        size_t n = PACKET;
        p->sequence++;
        bench_need(srtp_rtp_protect(p->sends, packet, sizeof packet, &n) == SRTP_GOOD &&
                       srtp_rtp_unprotect(p->takes, packet, &n) == SRTP_GOOD,
                   "SRTP");
    }
}

int main(void)
{
    static struct stream clean, lossy;
    static struct least least;
    struct protected srtp = {.master = {.suite = SUITE_AES_CM_128_HMAC_SHA1_80}};
    start(&clean, 0);
    start(&lossy, 13);
    start(&least.stream, 0);
    bench_need(srtp_new(&srtp.master, SRTP_PROTECTS, SRTP_BACKEND_DEFAULT, &srtp.sends) == 0 &&
                   srtp_new(&srtp.master, SRTP_UNPROTECTS, SRTP_BACKEND_DEFAULT, &srtp.takes) == 0,
               "keys");
    struct bench_side ours = {"packets measured", measure, &clean, 1};
    struct bench_side ours_lossy = {"packets measured, 5 % lost", measure, &lossy, 1};
    struct bench_side bare = {"RFC 3550 A.1 and A.8 alone", measure_least, &least, 1};
    struct bench_side crypto = {"SRTP on and off", there_and_back, &srtp, 1};
    struct bench_side judged = {"streams sampled and judged", judge, &lossy, 1};
    bool good = bench_compare(&ours, &bare, COST_AT_MOST, 20, 2);
    good &= bench_compare(&ours_lossy, &ours, COST_AT_MOST, 2, 2);
    good &= bench_compare(&ours, &crypto, COST_AT_MOST, 0.1, 2);
    good &= bench_compare(&judged, &ours, COST_AT_MOST, 15, 2);
    srtp_free(srtp.sends);
    srtp_free(srtp.takes);
    return !good;
}
