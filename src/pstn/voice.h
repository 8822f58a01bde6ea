/* What a phone says and hears in a lab: a tone each way, in G.711 A-law over RTP (RFC 3550, 3551), 20 ms in a packet. The two ends of a call say
 * different tones, so that each knows whether it hears the other one, itself, or nothing. */
#ifndef PSTN_VOICE_H
#define PSTN_VOICE_H

#include "base/entropy.h"
#include "base/slice.h"

#include <stdbool.h>

enum pstn_tone { PSTN_TONE_NONE, PSTN_TONE_CALLER, PSTN_TONE_CALLED, PSTN_TONES };
unsigned pstn_tone_hz(enum pstn_tone tone); /* 0, 800, 1300 */

#define PSTN_VOICE_SAMPLES 160 /* of a packet: 20 ms */
#define PSTN_VOICE_MS 20
#define PSTN_VOICE_OCTETS (12 + PSTN_VOICE_SAMPLES)
#define PSTN_VOICE_PAYLOAD_TYPE 8 /* PCMA, RFC 3551 6 */

struct pstn_voice {
    uint8_t says[PSTN_VOICE_SAMPLES]; /* each packet holds whole periods, so all are the same */
    uint16_t sequence;
    uint32_t timestamp, ssrc;
    uint64_t sent;

    uint64_t received;             /* packets that hold A-law */
    uint64_t strange;              /* others */
    uint64_t heard[PSTN_TONES];    /* packets, by what is to be heard in them */
    uint16_t first_in, highest_in; /* sequence numbers; valid if any was received */
    uint32_t wraps;
};

void pstn_voice_init(struct pstn_voice *v, enum pstn_tone tone, const struct entropy *entropy);
void pstn_voice_write(struct pstn_voice *v, uint8_t ret_packet[PSTN_VOICE_OCTETS]); /* the next packet */
void pstn_voice_take(struct pstn_voice *v, struct slice datagram);

/* What more than half of the packets had in them. */
enum pstn_tone pstn_voice_heard(const struct pstn_voice *v);
uint64_t pstn_voice_lost(const struct pstn_voice *v); /* by their numbers */

/* ITU-T G.711, A-law: 16 bits linear. */
uint8_t pstn_alaw_encode(int sample);
int pstn_alaw_decode(uint8_t code);

#endif
