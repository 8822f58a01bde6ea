/* Digits as named events: a stream of packets in slots of 20 ms, and the events of a stream told once. */
#include "media/tone.h"

#include "base/text.h"
#include "media/rtp.h"

#define SLOT_US (TONE_PACKET_MS * INT64_C(1000))
#define ON_SLOTS (TONE_ON_MS / TONE_PACKET_MS)
#define OFF_SLOTS (TONE_OFF_MS / TONE_PACKET_MS)
#define LATE_SLOTS 5 /* beyond, they are left out */
#define ENDS 3       /* RFC 4733 2.5.1.4: what ends an event is sent three times */
#define VOLUME 10    /* RFC 4733 2.3: -10 dBm0, as a telephone's keys sound */
#define END_BIT 0x80
#define EVENT_OCTETS 4
#define PAYLOAD_TYPE_MAX 127

static const char digits_by_event[] = "0123456789*#ABCD";

bool tone_event_of_digit(char digit, uint8_t *ret_event)
{
    char upper = (char)(digit >= 'a' && digit <= 'd' ? digit - 'a' + 'A' : digit);
    const char *at = upper ? strchr(digits_by_event, upper) : NULL;
    if (!at)
        return false;
    *ret_event = (uint8_t)(at - digits_by_event);
    return true;
}

char tone_digit_of_event(uint8_t event)
{
    return event < sizeof digits_by_event - 1 ? digits_by_event[event] : '\0';
}

/* ---- sender ---- */

static int check(const struct tone_format *f)
{
    bool types = f->codec_type <= PAYLOAD_TYPE_MAX && f->event_type <= PAYLOAD_TYPE_MAX;
    return types && f->clock_hz >= 8000 && f->clock_hz <= 96000 ? 0 : ERR_RANGE;
}

/* 20 ms of it, in each codec where it is the same octets every time. */
static void use(struct tone_sender *s, const struct tone_format *format)
{
    static const uint8_t opus[] = {0xf8, 0xff, 0xfe}; /* RFC 6716 3.1: one frame of CELT, and its flag of silence */
    const struct slice name = slice_str(format->codec);
    s->format = *format;
    s->silence_octets = 0;
    if (format->clock_hz == 8000 && text_equal_nocase(name, slice_str("PCMU")))
        memset(s->silence, 0xff, s->silence_octets = sizeof s->silence);
    else if (format->clock_hz == 8000 && text_equal_nocase(name, slice_str("PCMA")))
        memset(s->silence, 0xd5, s->silence_octets = sizeof s->silence);
    else if (text_equal_nocase(name, slice_str("opus")))
        memcpy(s->silence, opus, s->silence_octets = sizeof opus);
}

int tone_sender_init(struct tone_sender *s, const struct tone_format *format, const struct entropy *entropy,
                     struct mono now)
{
    int err = check(format);
    if (err)
        return err;
    *s = (struct tone_sender){.began = now, .marks = true};
    use(s, format);
    entropy_fill(entropy, &s->ssrc, sizeof s->ssrc);
    entropy_fill(entropy, &s->sequence, sizeof s->sequence);
    entropy_fill(entropy, &s->first_timestamp, sizeof s->first_timestamp);
    return 0;
}

int tone_sender_change(struct tone_sender *s, const struct tone_format *format)
{
    int err = check(format);
    if (!err && format->clock_hz != s->format.clock_hz)
        err = ERR_CONFLICT;
    if (err)
        return err;
    use(s, format);
    if (!format->has_events) {
        s->digit_count = 0;
        s->in_event = false;
    }
    return 0;
}

int tone_sender_digits(struct tone_sender *s, struct slice digits)
{
    uint8_t event;
    if (!s->format.has_events)
        return ERR_UNSUPPORTED;
    if (digits.n > TONE_DIGITS_MAX - s->digit_count)
        return ERR_LIMIT;
    for (size_t i = 0; i < digits.n; i++)
        if (!tone_event_of_digit((char)digits.p[i], &event))
            return ERR_SYNTAX;
    if (digits.n)
        memcpy(s->digits + s->digit_count, digits.p, digits.n);
    s->digit_count += (unsigned)digits.n;
    return 0;
}

bool tone_sender_is_idle(const struct tone_sender *s)
{
    return !s->digit_count;
}

static struct mono time_of(const struct tone_sender *s, uint64_t slot)
{
    return mono_after_us(s->began, (int64_t)slot * SLOT_US);
}

struct mono tone_sender_deadline(const struct tone_sender *s)
{
    if (s->silence_octets || s->in_event)
        return time_of(s, s->slot);
    if (s->digit_count)
        return time_of(s, s->slot > s->free_slot ? s->slot : s->free_slot);
    return MONO_NEVER;
}

void tone_sender_hurry(struct tone_sender *s, struct mono now)
{
    const struct mono due = tone_sender_deadline(s);
    if (due.us != MONO_NEVER.us && !mono_due(due, now))
        s->began = mono_after_us(s->began, -mono_since_us(due, now));
}

static void put_u16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put_u32(uint8_t *p, uint32_t v)
{
    put_u16(p, v >> 16);
    put_u16(p + 2, v);
}

static void put_header(struct tone_sender *s, uint8_t *octets, uint8_t type, bool marker, uint64_t slot)
{
    octets[0] = 0x80;
    octets[1] = (uint8_t)((marker ? 0x80 : 0) | type);
    put_u16(octets + 2, s->sequence++);
    put_u32(octets + 4, s->first_timestamp + (uint32_t)slot * (s->format.clock_hz * TONE_PACKET_MS / 1000));
    put_u32(octets + 8, s->ssrc);
}

/* Of the event that is being sent: its duration grows, then its end is told three times. */
static size_t put_event(struct tone_sender *s, uint8_t *octets)
{
    uint64_t slots = s->slot - s->event_slot + 1;
    bool ends = slots >= ON_SLOTS;
    uint8_t event = 0;
    if (ends)
        slots = ON_SLOTS;
    tone_event_of_digit(s->digits[0], &event);
    put_header(s, octets, s->format.event_type, !s->ends_sent && s->slot == s->event_slot, s->event_slot);
    octets[RTP_HEADER_OCTETS] = event;
    octets[RTP_HEADER_OCTETS + 1] = (uint8_t)((ends ? END_BIT : 0) | VOLUME);
    put_u16(octets + RTP_HEADER_OCTETS + 2, (uint32_t)slots * (s->format.clock_hz * TONE_PACKET_MS / 1000));
    if (ends && ++s->ends_sent == ENDS) {
        s->in_event = false;
        s->free_slot = s->event_slot + ON_SLOTS + OFF_SLOTS;
        memmove(s->digits, s->digits + 1, --s->digit_count);
    }
    return RTP_HEADER_OCTETS + EVENT_OCTETS;
}

static size_t put_silence(struct tone_sender *s, uint8_t *octets)
{
    put_header(s, octets, s->format.codec_type, s->marks, s->slot);
    memcpy(octets + RTP_HEADER_OCTETS, s->silence, s->silence_octets);
    s->marks = false;
    return RTP_HEADER_OCTETS + s->silence_octets;
}

bool tone_sender_next(struct tone_sender *s, struct mono now, uint8_t ret_octets[TONE_PACKET_OCTETS_MAX], size_t *ret_n)
{
    if (!mono_due(tone_sender_deadline(s), now))
        return false;
    uint64_t slot_now = (uint64_t)(mono_since_us(now, s->began) / SLOT_US);
    if (slot_now > s->slot + LATE_SLOTS) {
        s->slot = slot_now;
        s->marks = true;
    }
    if (!s->silence_octets && !s->in_event && s->slot < s->free_slot)
        s->slot = s->free_slot;
    if (!s->in_event && s->digit_count && s->slot >= s->free_slot) {
        s->in_event = true;
        s->event_slot = s->slot;
        s->ends_sent = 0;
    }
    *ret_n = s->in_event ? put_event(s, ret_octets) : put_silence(s, ret_octets);
    s->slot++;
    return true;
}

/* ---- receiver ---- */

#define SEGMENT_DURATION 0xe000 /* an event of such a length goes on in a further segment, RFC 4733 2.5.1.3 */
#define STALE_TICKS \
    240000 /* 5 s and more: what is older than that is no late packet, but of a stream that began anew */

void tone_receiver_init(struct tone_receiver *r, uint8_t event_type)
{
    *r = (struct tone_receiver){.event_type = event_type};
}

void tone_receiver_expect(struct tone_receiver *r, uint8_t event_type, const struct addr *from)
{
    r->event_type = event_type;
    r->expected = *from;
}

/* Whether it is from the one that is listened to. */
static bool is_source(const struct tone_receiver *r, const struct addr *from, uint32_t ssrc)
{
    return r->has_source && r->ssrc == ssrc && addr_eq(&r->source, from);
}

/* Whether another one may take its place. */
static bool may_follow(const struct tone_receiver *r, struct mono now, const struct addr *from)
{
    if (!r->has_source || mono_since_us(now, r->heard) >= TONE_SOURCE_SILENT_MS * INT64_C(1000))
        return true;
    return r->expected.family && addr_eq_ip(from, &r->expected) && !addr_eq_ip(&r->source, &r->expected);
}

/* Whether this packet is about the event that was told last, or one before it. */
static bool is_told(const struct tone_receiver *r, const struct rtp_view *rtp, uint8_t event)
{
    int32_t ahead = (int32_t)(rtp->timestamp - r->timestamp);
    if (!r->has_event || ahead < -STALE_TICKS)
        return false;
    if (ahead <= 0)
        return true;
    int32_t reach = r->duration >= SEGMENT_DURATION ? UINT16_MAX : r->duration;
    return !rtp->marker && event == r->event && ahead <= reach;
}

static bool take_event(struct tone_receiver *r, const struct rtp_view *rtp, char *ret_digit)
{
    uint8_t event = rtp->payload.p[0];
    uint16_t duration = (uint16_t)(rtp->payload.p[2] << 8 | rtp->payload.p[3]);
    bool told = is_told(r, rtp, event);
    if (!tone_digit_of_event(event) || (told && (int32_t)(rtp->timestamp - r->timestamp) < 0))
        return false;
    if (r->has_event && rtp->timestamp == r->timestamp) {
        r->duration = duration > r->duration ? duration : r->duration;
        return false;
    }
    r->has_event = true;
    r->event = event;
    r->timestamp = rtp->timestamp;
    r->duration = duration;
    if (told)
        return false;
    r->digits++;
    *ret_digit = tone_digit_of_event(event);
    return true;
}

bool tone_receiver_input(struct tone_receiver *r, struct mono now, const struct addr *from, struct slice octets,
                         char *ret_digit)
{
    struct rtp_view rtp;
    enum rtp_kind kind = rtp_classify(octets);
    if (kind == RTP_RTCP)
        return false;
    if (kind != RTP_MEDIA || rtp_read(octets, &rtp, NULL) < 0) {
        r->malformed++;
        return false;
    }
    bool is_event = rtp.payload_type == r->event_type;
    if (is_event && rtp.payload.n < EVENT_OCTETS) {
        r->malformed++;
        return false;
    }
    if (!is_source(r, from, rtp.ssrc)) {
        if (!is_event || !may_follow(r, now, from)) {
            r->foreign++;
            return false;
        }
        r->has_source = true;
        r->has_event = false;
        r->source = *from;
        r->ssrc = rtp.ssrc;
    }
    r->heard = now;
    r->packets++;
    return is_event && take_event(r, &rtp, ret_digit);
}
