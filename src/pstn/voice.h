/* What a phone says and hears in a lab: a tone each way, in G.711 over RTP (RFC 3550, 3551), 20 ms in a packet. */
#ifndef PSTN_VOICE_H
#define PSTN_VOICE_H

#include "base/entropy.h"
#include "base/slice.h"
#include "pstn/ear.h"
#include "pstn/g711.h"

#define PSTN_VOICE_SAMPLES 160 /* of a packet: 20 ms */
#define PSTN_VOICE_MS 20
#define PSTN_VOICE_OCTETS (12 + PSTN_VOICE_SAMPLES)

struct pstn_voice {
    enum pstn_tone says;
    uint8_t payload[PSTN_LAWS][PSTN_VOICE_SAMPLES]; /* each packet holds whole periods, so all are the same */
    uint16_t sequence;
    uint32_t timestamp, ssrc;
    uint64_t sent;

    uint64_t received;             /* packets that hold G.711 */
    uint64_t strange;              /* others */
    uint64_t heard[PSTN_TONES];    /* packets, by what is to be heard in them */
    uint16_t first_in, highest_in; /* sequence numbers; valid if any was received */
    uint32_t wraps;
    struct pstn_ear ear;
};

void pstn_voice_init(struct pstn_voice *v, enum pstn_tone tone, const struct entropy *entropy);

/* The call was answered: the ear expects the other one's tone. */
void pstn_voice_begin(struct pstn_voice *v, struct now now);

void pstn_voice_write(struct pstn_voice *v, enum pstn_law law,
                      uint8_t ret_packet[PSTN_VOICE_OCTETS]); /* the next one */
void pstn_voice_take(struct pstn_voice *v, struct now now, struct slice datagram);

/* What more than half of the packets had in them. */
enum pstn_tone pstn_voice_heard(const struct pstn_voice *v);
uint64_t pstn_voice_lost(const struct pstn_voice *v); /* by their numbers */

#endif
