/* The two tones of a lab's phones: who called says one, who was called the other, so that each side knows whether it hears the other one, itself,
 * or nothing. 10 ms hold whole periods of both. */
#ifndef PSTN_TONE_H
#define PSTN_TONE_H

#include <stddef.h>
#include <stdint.h>

#define PSTN_SAMPLES_PER_MS 8

enum pstn_tone { PSTN_TONE_NONE, PSTN_TONE_CALLER, PSTN_TONE_CALLED, PSTN_TONES };
unsigned pstn_tone_hz(enum pstn_tone tone); /* 0, 800, 1300 */

/* So many samples from the beginning of a period. */
void pstn_tone_make(enum pstn_tone tone, int16_t *ret_samples, size_t n);

/* Which one the samples hold: at least four fifths of their energy are that tone's, and they are not too quiet. */
enum pstn_tone pstn_tone_find(const int16_t *samples, size_t n);

#endif
