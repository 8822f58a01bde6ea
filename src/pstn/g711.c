/* ITU-T G.711: sign, segment, and four bits within the segment. */
#include "pstn/g711.h"

#define ULAW_BIAS 33 /* of 14 bits: so the segments' bounds become powers of two */
#define ULAW_MAX 0x1fff
#define ALAW_MAX 0x0fff

uint8_t pstn_law_payload_type(enum pstn_law law)
{
    return law == PSTN_ALAW ? 8 : 0;
}

bool pstn_law_find(uint8_t payload_type, enum pstn_law *ret_law)
{
    if (payload_type != 8 && payload_type != 0)
        return false;
    *ret_law = payload_type ? PSTN_ALAW : PSTN_ULAW;
    return true;
}

/* A-law takes 13 bits, and inverts every other bit of the code. */
static uint8_t alaw_encode(int sample)
{
    const bool negative = sample < 0;
    unsigned m = (unsigned)(negative ? -(sample + 1) : sample) >> 3, segment = 0;
    if (m > ALAW_MAX)
        m = ALAW_MAX;
    while (m >> (segment + 5))
        segment++;
    const unsigned bits = m >> (segment ? segment : 1) & 15;
    return (uint8_t)((negative ? 0 : 0x80) | segment << 4 | bits) ^ 0x55;
}

static int alaw_decode(uint8_t code)
{
    code ^= 0x55;
    const unsigned segment = code >> 4 & 7, bits = code & 15;
    const unsigned m = segment ? ((bits | 16) << 1 | 1) << (segment - 1) : bits << 1 | 1;
    return (code & 0x80) ? (int)(m << 3) : -(int)(m << 3);
}

/* µ-law takes 14 bits, and inverts all bits of the code. */
static uint8_t ulaw_encode(int sample)
{
    const bool negative = sample < 0;
    unsigned m = ((unsigned)(negative ? -sample : sample) >> 2) + ULAW_BIAS, segment = 0;
    if (m > ULAW_MAX)
        m = ULAW_MAX;
    while (m >> (segment + 6))
        segment++;
    return (uint8_t) ~((negative ? 0x80u : 0u) | segment << 4 | (m >> (segment + 1) & 15));
}

static int ulaw_decode(uint8_t code)
{
    code = (uint8_t)~code;
    const unsigned segment = code >> 4 & 7, bits = code & 15;
    const int m = (int)((((bits << 1) | ULAW_BIAS) << segment) - ULAW_BIAS);
    return (code & 0x80) ? -(m * 4) : m * 4;
}

uint8_t pstn_g711_encode(enum pstn_law law, int sample)
{
    return law == PSTN_ALAW ? alaw_encode(sample) : ulaw_encode(sample);
}

int pstn_g711_decode(enum pstn_law law, uint8_t code)
{
    return law == PSTN_ALAW ? alaw_decode(code) : ulaw_decode(code);
}
