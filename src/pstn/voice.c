/* Tones, and an ear for them. */
#include "pstn/voice.h"

#include <string.h>

#define RTP_HEADER_OCTETS 12
#define VERSION_2 0x80
#define MARKER 0x80
#define LOUDNESS 10000.0 /* of 32768 */
#define SILENCE 100.0    /* below this loudness nothing is heard */
#define PURE 0.8         /* share of a packet's energy that is the tone's */
#define SAMPLES_MAX 480  /* 60 ms: as much of a packet is listened to */

/* Cosine and sine of the angle from one sample to the next. */
static const struct {
    unsigned hz;
    double cosine, sine;
} tones[PSTN_TONES] = {
    [PSTN_TONE_CALLER] = {800, 0.80901699437494745, 0.58778525229247314},
    [PSTN_TONE_CALLED] = {1300, 0.52249856471594880, 0.85264016435409221},
};

unsigned pstn_tone_hz(enum pstn_tone tone)
{
    return tones[tone].hz;
}

/* ---- G.711: sign, segment, and four bits within the segment; every other bit inverted ---- */

uint8_t pstn_alaw_encode(int sample)
{
    const bool negative = sample < 0;
    unsigned m = (unsigned)(negative ? -(sample + 1) : sample) >> 3, segment = 0;
    if (m > 4095)
        m = 4095;
    while (m >> (segment + 5))
        segment++;
    const unsigned bits = m >> (segment ? segment : 1) & 15;
    return (uint8_t)((negative ? 0 : 0x80) | segment << 4 | bits) ^ 0x55;
}

int pstn_alaw_decode(uint8_t code)
{
    code ^= 0x55;
    const unsigned segment = code >> 4 & 7, bits = code & 15;
    const unsigned m = segment ? ((bits | 16) << 1 | 1) << (segment - 1) : bits << 1 | 1;
    return (code & 0x80) ? (int)(m << 3) : -(int)(m << 3);
}

/* ---- saying ---- */

void pstn_voice_init(struct pstn_voice *v, enum pstn_tone tone, const struct entropy *entropy)
{
    double x = 0, y = LOUDNESS; /* a vector that turns */
    memset(v, 0, sizeof *v);
    for (size_t i = 0; i < PSTN_VOICE_SAMPLES; i++) {
        const double turned = x * tones[tone].cosine + y * tones[tone].sine;
        v->says[i] = pstn_alaw_encode((int)x);
        y = y * tones[tone].cosine - x * tones[tone].sine;
        x = turned;
    }
    entropy_fill(entropy, &v->ssrc, sizeof v->ssrc);
    entropy_fill(entropy, &v->timestamp, sizeof v->timestamp);
    entropy_fill(entropy, &v->sequence, sizeof v->sequence);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

void pstn_voice_write(struct pstn_voice *v, uint8_t ret_packet[PSTN_VOICE_OCTETS])
{
    ret_packet[0] = VERSION_2;
    ret_packet[1] = PSTN_VOICE_PAYLOAD_TYPE | (v->sent ? 0 : MARKER); /* RFC 3551 4.1: the first one after silence */
    ret_packet[2] = (uint8_t)(v->sequence >> 8);
    ret_packet[3] = (uint8_t)v->sequence;
    put_u32(ret_packet + 4, v->timestamp);
    put_u32(ret_packet + 8, v->ssrc);
    memcpy(ret_packet + RTP_HEADER_OCTETS, v->says, PSTN_VOICE_SAMPLES);
    v->sequence++;
    v->timestamp += PSTN_VOICE_SAMPLES;
    v->sent++;
}

/* ---- hearing ---- */

/* Goertzel's algorithm: how much of the energy is of that tone, from 0 to 1. */
static double share_of(const int *samples, size_t n, double energy, enum pstn_tone tone)
{
    const double twice = 2 * tones[tone].cosine;
    double last = 0, before = 0;
    for (size_t i = 0; i < n; i++) {
        const double next = (double)samples[i] + twice * last - before;
        before = last;
        last = next;
    }
    const double power = last * last + before * before - twice * last * before;
    return 2 * power / ((double)n * energy);
}

static enum pstn_tone recognize(struct slice payload)
{
    int samples[SAMPLES_MAX];
    const size_t n = payload.n < SAMPLES_MAX ? payload.n : SAMPLES_MAX;
    double energy = 0;
    for (size_t i = 0; i < n; i++) {
        samples[i] = pstn_alaw_decode(payload.p[i]);
        energy += (double)samples[i] * samples[i];
    }
    if (energy < SILENCE * SILENCE * (double)n)
        return PSTN_TONE_NONE;
    for (unsigned tone = PSTN_TONE_CALLER; tone < PSTN_TONES; tone++) {
        if (share_of(samples, n, energy, (enum pstn_tone)tone) > PURE)
            return (enum pstn_tone)tone;
    }
    return PSTN_TONE_NONE;
}

/* RFC 3550 5.1: what follows the header, its contributing sources and its extension, without the padding. n 0: it is no RTP, or empty. */
static struct slice payload_of(struct slice d)
{
    const struct slice none = {0};
    if (d.n < RTP_HEADER_OCTETS || d.p[0] >> 6 != 2)
        return none;
    size_t begin = RTP_HEADER_OCTETS + 4 * (size_t)(d.p[0] & 15), padding = 0;
    if (d.p[0] & 0x10) {
        if (begin + 4 > d.n)
            return none;
        begin += 4 + 4 * ((size_t)d.p[begin + 2] << 8 | d.p[begin + 3]);
    }
    if (d.p[0] & 0x20)
        padding = d.p[d.n - 1];
    return begin + padding < d.n ? slice_of(d.p + begin, d.n - begin - padding) : none;
}

void pstn_voice_take(struct pstn_voice *v, struct slice datagram)
{
    struct slice payload = payload_of(datagram);
    if (!payload.n || (datagram.p[1] & 0x7f) != PSTN_VOICE_PAYLOAD_TYPE) {
        v->strange++;
        return;
    }
    const uint16_t sequence = (uint16_t)(datagram.p[2] << 8 | datagram.p[3]);
    if (!v->received)
        v->first_in = v->highest_in = sequence;
    if ((uint16_t)(sequence - v->highest_in) < 0x8000) { /* not one that was overtaken */
        v->wraps += sequence < v->highest_in;
        v->highest_in = sequence;
    }
    v->received++;
    v->heard[recognize(payload)]++;
}

enum pstn_tone pstn_voice_heard(const struct pstn_voice *v)
{
    for (unsigned tone = PSTN_TONE_CALLER; tone < PSTN_TONES; tone++) {
        if (2 * v->heard[tone] > v->received)
            return (enum pstn_tone)tone;
    }
    return PSTN_TONE_NONE;
}

uint64_t pstn_voice_lost(const struct pstn_voice *v)
{
    const uint64_t expected = ((uint64_t)v->wraps << 16) + v->highest_in - v->first_in + 1;
    return v->received && expected > v->received ? expected - v->received : 0;
}
