/* Saying a tone, and hearing one, packet by packet. */
#include "pstn/voice.h"

#include "media/rtp.h"

#include <string.h>

#define VERSION_2 0x80
#define MARKER 0x80
#define SAMPLES_MAX 480 /* 60 ms: as much of a packet is listened to */

/* ---- saying ---- */

void pstn_voice_init(struct pstn_voice *v, enum pstn_tone tone, const struct entropy *entropy)
{
    int16_t samples[PSTN_VOICE_SAMPLES];
    memset(v, 0, sizeof *v);
    v->says = tone;
    pstn_tone_make(tone, samples, PSTN_VOICE_SAMPLES);
    for (size_t i = 0; i < PSTN_VOICE_SAMPLES; i++) {
        for (unsigned law = PSTN_ALAW; law < PSTN_LAWS; law++)
            v->payload[law][i] = pstn_g711_encode((enum pstn_law)law, samples[i]);
    }
    entropy_fill(entropy, &v->ssrc, sizeof v->ssrc);
    entropy_fill(entropy, &v->timestamp, sizeof v->timestamp);
    entropy_fill(entropy, &v->sequence, sizeof v->sequence);
}

void pstn_voice_begin(struct pstn_voice *v, struct now now)
{
    pstn_ear_open(&v->ear, now, v->says == PSTN_TONE_CALLER ? PSTN_TONE_CALLED : PSTN_TONE_CALLER);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

void pstn_voice_write(struct pstn_voice *v, enum pstn_law law, uint8_t ret_packet[PSTN_VOICE_OCTETS])
{
    ret_packet[0] = VERSION_2;
    ret_packet[1] = pstn_law_payload_type(law);
    if (!v->sent) /* RFC 3551 4.1: the first one after silence */
        ret_packet[1] |= MARKER;
    ret_packet[2] = (uint8_t)(v->sequence >> 8);
    ret_packet[3] = (uint8_t)v->sequence;
    put_u32(ret_packet + 4, v->timestamp);
    put_u32(ret_packet + 8, v->ssrc);
    memcpy(ret_packet + RTP_HEADER_OCTETS, v->payload[law], PSTN_VOICE_SAMPLES);
    v->sequence++;
    v->timestamp += PSTN_VOICE_SAMPLES;
    v->sent++;
}

/* ---- hearing ---- */

static void count(struct pstn_voice *v, uint16_t sequence)
{
    if (!v->received)
        v->first_in = v->highest_in = sequence;
    if ((uint16_t)(sequence - v->highest_in) < 0x8000) { /* not one that was overtaken */
        v->wraps += sequence < v->highest_in;
        v->highest_in = sequence;
    }
    v->received++;
}

void pstn_voice_take(struct pstn_voice *v, struct now now, struct slice datagram)
{
    int16_t samples[SAMPLES_MAX];
    struct rtp_view rtp;
    enum pstn_law law;
    if (rtp_read(datagram, &rtp, NULL) < 0 || !rtp.payload.n || !pstn_law_find(rtp.payload_type, &law)) {
        v->strange++;
        return;
    }
    const size_t n = rtp.payload.n < SAMPLES_MAX ? rtp.payload.n : SAMPLES_MAX;
    for (size_t i = 0; i < n; i++)
        samples[i] = (int16_t)pstn_g711_decode(law, rtp.payload.p[i]);
    count(v, rtp.sequence);
    v->heard[pstn_tone_find(samples, n)]++;
    pstn_ear_take(&v->ear, now, rtp.ssrc, rtp.timestamp, samples, n);
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
