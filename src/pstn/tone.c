/* Tones, and how they are recognized. */
#include "pstn/tone.h"

#define LOUDNESS 10000.0 /* of 32768 */
#define SILENCE 100.0    /* below this loudness nothing is heard */
#define PURE 0.8         /* share of the energy that is the tone's */

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

void pstn_tone_make(enum pstn_tone tone, int16_t *ret_samples, size_t n)
{
    double x = 0, y = LOUDNESS; /* a vector that turns */
    for (size_t i = 0; i < n; i++) {
        const double turned = x * tones[tone].cosine + y * tones[tone].sine;
        ret_samples[i] = (int16_t)x;
        y = y * tones[tone].cosine - x * tones[tone].sine;
        x = turned;
    }
}

/* Goertzel's algorithm: how much of the energy is of that tone, from 0 to 1. */
static double share_of(const int16_t *samples, size_t n, double energy, enum pstn_tone tone)
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

enum pstn_tone pstn_tone_find(const int16_t *samples, size_t n)
{
    double energy = 0;
    for (size_t i = 0; i < n; i++)
        energy += (double)samples[i] * samples[i];
    if (energy < SILENCE * SILENCE * (double)n)
        return PSTN_TONE_NONE;
    for (unsigned tone = PSTN_TONE_CALLER; tone < PSTN_TONES; tone++) {
        if (share_of(samples, n, energy, (enum pstn_tone)tone) > PURE)
            return (enum pstn_tone)tone;
    }
    return PSTN_TONE_NONE;
}
