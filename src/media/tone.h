/* Digits as named events (RFC 4733, telephone-event) in a stream of our own, with silence in between so that the way stays open, and the receiver
 * of such digits. Pure: packets out when they are due, packets in as they come.
 *
 *     while (tone_sender_next(&s, now, octets, &n))
 *         send(octets, n);
 *     sleep until tone_sender_deadline(&s)
 */
#ifndef MEDIA_TONE_H
#define MEDIA_TONE_H

#include "base/addr.h"
#include "base/entropy.h"
#include "base/err.h"
#include "base/time.h"

#define TONE_PACKET_MS 20
#define TONE_ON_MS 100
#define TONE_OFF_MS 60
#define TONE_DIGITS_MAX 32         /* that wait to be sent */
#define TONE_PACKET_OCTETS_MAX 172 /* of a packet of ours: 20 ms of G.711 */
#define TONE_CODEC_OCTETS 16

/* The events 0 to 15 as they are dialed: "0123456789*#ABCD", small letters too. False, or NUL: none. */
bool tone_event_of_digit(char digit, uint8_t *ret_event);
char tone_digit_of_event(uint8_t event);

/* How a stream is agreed to be sent. */
struct tone_format {
    char codec
        [TONE_CODEC_OCTETS]; /* "PCMA": what silence is made of; PCMU, PCMA, CN and opus are known, of others none is sent */
    uint8_t codec_type;      /* payload types, 0 to 127 */
    uint32_t clock_hz;       /* of the codec, and of its events */
    bool has_events;         /* false: no digits can be sent */
    uint8_t event_type;
};

/* ---- sender ---- */

/* Members are the implementation's. */
struct tone_sender {
    struct tone_format format;
    uint8_t silence[TONE_PACKET_OCTETS_MAX - 12];
    size_t silence_octets; /* 0: none is sent */
    uint32_t ssrc;
    uint16_t sequence;
    uint32_t first_timestamp;
    struct mono began;
    uint64_t slot; /* of TONE_PACKET_MS, since it began: the next packet's */
    bool marks;    /* the next packet begins a spurt */
    char digits[TONE_DIGITS_MAX];
    unsigned digit_count; /* that wait; the first is being sent when in_event */
    bool in_event;
    uint64_t event_slot; /* when it began */
    unsigned ends_sent;  /* of its three */
    uint64_t free_slot;  /* the next event begins no sooner */
};

/* A stream with an SSRC of its own that begins now. ERR_RANGE: a payload type above 127, a clock below 8,000 or above 96,000 Hz. */
int tone_sender_init(struct tone_sender *s, const struct tone_format *format, const struct entropy *entropy,
                     struct mono now);

/* The same stream is agreed on anew: SSRC, sequence and time go on. ERR_RANGE as above: nothing has changed. Digits that cannot be sent any longer
 * are dropped. A clock may not change: ERR_CONFLICT. */
int tone_sender_change(struct tone_sender *s, const struct tone_format *format);

/* Digits to be sent, behind those that wait. All or none: ERR_SYNTAX (no digit), ERR_LIMIT, ERR_UNSUPPORTED (no events were agreed). */
int tone_sender_digits(struct tone_sender *s, struct slice digits);

/* What is to be sent next is due at once, and all that follows so much earlier. */
void tone_sender_hurry(struct tone_sender *s, struct mono now);

/* Every digit has been sent, its three ends included. */
bool tone_sender_is_idle(const struct tone_sender *s);

/* When the next packet is due; MONO_NEVER: there is nothing to be sent until there are digits. */
struct mono tone_sender_deadline(const struct tone_sender *s);

/* The next packet that is due. False: none is. What was missed for more than some packets is left out, so that a late caller does not burst. */
bool tone_sender_next(struct tone_sender *s, struct mono now, uint8_t ret_octets[TONE_PACKET_OCTETS_MAX],
                      size_t *ret_n);

/* ---- receiver ----
 * A digit is told once, by whichever of its packets comes first. One source is listened to: the first whose packet is RTP with an event in it, until
 * it has been silent for TONE_SOURCE_SILENT_MS; then another may take its place. A source at the expected address takes the place of one that is
 * elsewhere at once. Events of which every packet was overtaken by the next event's are not told: their place in a row of digits is gone. */

#define TONE_SOURCE_SILENT_MS 1000

struct tone_receiver {
    uint8_t event_type;
    struct addr expected; /* only its address counts; family 0: not known */
    bool has_source;
    struct addr source;
    uint32_t ssrc;
    struct mono heard; /* the source, whatever it sent */
    bool has_event;
    uint8_t event;      /* the last one */
    uint32_t timestamp; /* its beginning, or that of its last segment (RFC 4733 2.5.1.3) */
    uint16_t duration;  /* the longest that was told of it */
    uint64_t packets;   /* of the source */
    uint64_t foreign;   /* of others */
    uint64_t malformed; /* no RTP, or no whole event */
    uint64_t digits;
};

void tone_receiver_init(struct tone_receiver *r, uint8_t event_type);

/* The other side was told to use another payload type, or is now known to be at that address (family 0: unknown). What was heard stays heard. */
void tone_receiver_expect(struct tone_receiver *r, uint8_t event_type, const struct addr *from);

/* A packet came. True: with a digit that was not told before. */
bool tone_receiver_input(struct tone_receiver *r, struct mono now, const struct addr *from, struct slice octets,
                         char *ret_digit);

#endif
