/* What packets and reports say about a stream: sequence numbers (RFC 3550 A.1), senders, formats. */
#include "media/quality.h"

#include "media/emodel.h"
#include "media/quality_core.h"

#include <strings.h>

#define FORMAT_UNKNOWN MEDIA_FORMATS_MAX
#define PAYLOAD_TYPE_NONE 0xff

void quality_init(struct quality *q, struct mono now)
{
    *q = (struct quality){.now_us = now.us, .began_us = now.us, .heard_us = now.us, .heard_rtcp_us = now.us};
    q->slot_until_us = now.us + QUALITY_SLOT_US;
    q->last_format = FORMAT_UNKNOWN;
    quality_set_formats(q, true, NULL, 0, 0);
}

/* ---- formats ---- */

/* RFC 3551 6, for descriptions that leave out what everybody knows. */
static uint32_t usual_clock_hz(uint8_t payload_type, bool is_audio)
{
    if (payload_type == 6)
        return 16000;
    if (payload_type == 10 || payload_type == 11)
        return 44100;
    if (payload_type == 14 || (payload_type >= 25 && payload_type <= 34))
        return 90000;
    return is_audio ? 8000 : 90000;
}

static uint8_t kind_of(const char *name)
{
    static const struct {
        const char *name;
        uint8_t kind;
    } kinds[] = {
        {"telephone-event", QUALITY_EVENT},
        {"tone", QUALITY_EVENT},
        {"CN", QUALITY_NOISE},
        {"rtx", QUALITY_REPAIR},
        {"ulpfec", QUALITY_REPAIR},
        {"flexfec", QUALITY_REPAIR},
        {"flexfec-03", QUALITY_REPAIR},
        {"parityfec", QUALITY_REPAIR},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcasecmp(kinds[i].name, name) == 0)
            return kinds[i].kind;
    return QUALITY_MEDIA;
}

void quality_set_formats(struct quality *q, bool is_audio, const struct media_format *formats, unsigned count,
                         unsigned ptime_ms)
{
    q->is_audio = is_audio;
    memset(q->format_of, FORMAT_UNKNOWN, sizeof q->format_of);
    q->formats[FORMAT_UNKNOWN] = (struct quality_format){.kind = QUALITY_OTHER, .negotiated = FORMAT_UNKNOWN};
    for (unsigned i = 0; i < count && i < MEDIA_FORMATS_MAX; i++) {
        const struct media_format *f = &formats[i];
        uint8_t payload_type = f->payload_type & 0x7f;
        uint32_t clock_hz = f->clock_hz ? f->clock_hz : usual_clock_hz(payload_type, is_audio);
        q->formats[i] = (struct quality_format){
            .tick = (UINT64_C(1000000) << 32) / clock_hz,
            .kind = kind_of(f->name),
            .codec = (uint8_t)emodel_find(f->name, clock_hz),
            .negotiated = (uint8_t)i,
        };
        q->format_of[payload_type] = (uint8_t)i;
    }
    if (ptime_ms && ptime_ms <= 1000)
        q->packet_us = ptime_ms * 1000;
    q->last_format = q->format_of[q->payload_type & 0x7f];
    for (unsigned i = 0; i < QUALITY_SOURCES; i++)
        q->sources[i].payload_type = PAYLOAD_TYPE_NONE;
}

/* ---- time ---- */

static void next_slots(struct quality *q)
{
    int64_t passed = (q->now_us - q->slot_until_us) / QUALITY_SLOT_US + 1;
    for (int64_t i = 0; i < passed && i < QUALITY_SLOTS; i++) {
        q->newest = (uint8_t)((q->newest + 1) % QUALITY_SLOTS);
        q->slots[q->newest] = q->slot;
        q->slot = (struct quality_slot){0};
    }
    q->slot_until_us += passed * QUALITY_SLOT_US;
}

static void come_to(struct quality *q, struct mono now)
{
    if (now.us > q->now_us)
        q->now_us = now.us;
    if (q->now_us >= q->slot_until_us)
        next_slots(q);
}

/* ---- sources ---- */

/* The one of that SSRC; a new one takes a free place, or that of the one that was heard the longest ago. */
static struct quality_source *find_source(struct quality *q, const struct rtp_view *p)
{
    struct quality_source *oldest = &q->sources[0];
    for (unsigned i = 0; i < QUALITY_SOURCES; i++) {
        struct quality_source *s = &q->sources[i];
        if (s->is_used && s->ssrc == p->ssrc)
            return s;
        if (oldest->is_used && (!s->is_used || s->heard_us < oldest->heard_us))
            oldest = s;
    }
    quality_settle_rest(q, oldest);
    *oldest = (struct quality_source){
        .ssrc = p->ssrc,
        .is_used = true,
        .probation = QUALITY_MIN_SEQUENTIAL,
        .highest = (uint16_t)(p->sequence - 1),
        .payload_type = PAYLOAD_TYPE_NONE,
        .unlikely = QUALITY_NO_SEQUENCE,
        .heard_us = q->now_us,
    };
    return oldest;
}

/* Another payload type than the packet before. Delays cannot be compared across clocks of different speeds. */
static void change_format(const struct quality *q, struct quality_source *s, uint8_t payload_type)
{
    s->payload_type = payload_type;
    s->format = q->format_of[payload_type & 0x7f];
    s->kind = q->formats[s->format].kind;
    if (s->kind != QUALITY_MEDIA || s->tick == q->formats[s->format].tick)
        return;
    s->tick = q->formats[s->format].tick;
    s->is_anchored = s->is_unclocked = false;
}

/* Counting begins with this packet. What was silence before it cannot be told in packets. */
static void begin_sequence(struct quality *q, struct quality_source *s, const struct rtp_view *p)
{
    int64_t silent_us = q->totals.sources > 0 ? quality_silence_us(q, q->now_us) : 0;
    quality_settle_rest(q, s);
    if (silent_us > 0)
        quality_starved(q, silent_us);
    s->highest = p->sequence;
    s->unlikely = QUALITY_NO_SEQUENCE;
    s->filled = 0;
    s->in_time = s->came = 0;
    s->run_now = 0;
    s->is_anchored = s->is_unclocked = false;
    s->is_repair = s->kind == QUALITY_REPAIR;
    q->pauses = false;
}

/* A.1: a source counts as soon as QUALITY_MIN_SEQUENTIAL packets have come in sequence. */
static bool passes_probation(struct quality *q, struct quality_source *s, const struct rtp_view *p)
{
    bool follows = p->sequence == (uint16_t)(s->highest + 1);
    s->probation = follows ? (uint8_t)(s->probation - 1) : QUALITY_MIN_SEQUENTIAL - 1;
    s->highest = p->sequence;
    s->heard_us = q->now_us;
    if (s->probation > 0)
        return false;
    begin_sequence(q, s, p);
    q->totals.sources += !s->is_known;
    s->is_known = true;
    return true;
}

/* While nothing was expected packets may have been kept from here: counting begins anew. */
void quality_set_flows(struct quality *q, struct mono now, bool flows)
{
    if (flows == q->flows)
        return;
    come_to(q, now);
    q->flows = flows;
    q->heard_us = q->now_us;
    for (unsigned i = 0; i < QUALITY_SOURCES; i++)
        q->sources[i].probation = QUALITY_MIN_SEQUENTIAL;
}

void quality_renew(struct quality *q, struct mono now)
{
    come_to(q, now);
    q->slot = (struct quality_slot){0};
    memset(q->slots, 0, sizeof q->slots);
    q->heard_us = q->now_us;
    q->pauses = q->is_paused = false;
    for (unsigned i = 0; i < QUALITY_SOURCES; i++)
        q->sources[i].probation = QUALITY_MIN_SEQUENTIAL;
}

/* ---- sequence ---- */

/* Room for so many newer packets; as many of the oldest become certain. */
static void make_room(struct quality *q, struct quality_source *s, uint32_t count)
{
    uint32_t shifts = count < QUALITY_SETTLED ? count : QUALITY_SETTLED;
    for (uint32_t i = 0; i < shifts; i++) {
        if (s->filled < QUALITY_SETTLED)
            s->filled++;
        else if (s->in_time >> (QUALITY_SETTLED - 1))
            quality_settle_in_time(q, s);
        else
            quality_settle_lost(q, s, 1);
        s->in_time <<= 1;
        s->came <<= 1;
    }
    if (count > QUALITY_SETTLED)
        quality_settle_lost(q, s, count - QUALITY_SETTLED);
}

static void note_run(struct quality *q, struct quality_source *s, uint32_t count)
{
    struct quality_slot *slot = &q->slot;
    s->run_now += count;
    if (s->run_now > slot->longest_run)
        slot->longest_run = s->run_now;
}

/* step packets behind the highest: what lies between is missing. */
static void take_next(struct quality *q, struct quality_source *s, const struct rtp_view *p, uint16_t step)
{
    struct quality_slot *slot = &q->slot;
    bool is_late = s->kind == QUALITY_MEDIA && quality_is_late(q, s, p, step == 1);
    make_room(q, s, step);
    s->highest = p->sequence;
    s->came |= 1;
    s->in_time |= !is_late;
    q->totals.expected += step;
    q->totals.received++;
    q->totals.late += is_late;
    if (s->is_repair)
        return;
    if (step > 1) {
        note_run(q, s, step - 1u);
        quality_slots_lost(q, step - 1u, q->now_us - s->heard_us);
    }
    if (is_late)
        note_run(q, s, 1);
    else
        s->run_now = 0;
    slot->expected++;
    slot->in_time += !is_late;
    slot->late += is_late;
}

/* behind packets before the highest: reordered, or a duplicate. */
static void take_earlier(struct quality *q, struct quality_source *s, const struct rtp_view *p, uint16_t behind)
{
    struct quality_slot *slot = &q->slot;
    if (behind >= s->filled && s->filled < QUALITY_SETTLED)
        return; /* from before the count began */
    if (behind >= QUALITY_SETTLED || s->came >> behind & 1) {
        q->totals.duplicates++;
        return;
    }
    bool is_late = s->kind == QUALITY_MEDIA && quality_is_late(q, s, p, false);
    s->came |= UINT64_C(1) << behind;
    s->in_time |= (uint64_t)!is_late << behind;
    q->totals.received++;
    q->totals.late += is_late;
    if (s->is_repair)
        return;
    slot->in_time += !is_late;
    slot->late += is_late;
}

void quality_packet(struct quality *q, struct mono now, const struct rtp_view *p)
{
    come_to(q, now);
    struct quality_source *s = &q->sources[q->current];
    if (s->ssrc != p->ssrc || !s->is_used)
        s = find_source(q, p);
    if (s->payload_type != p->payload_type)
        change_format(q, s, p->payload_type);
    uint16_t step = (uint16_t)(p->sequence - s->highest);
    if (s->probation > 0) {
        if (!passes_probation(q, s, p))
            return;
        take_next(q, s, p, 1);
    } else if (step != 0 && step < QUALITY_MAX_DROPOUT) {
        take_next(q, s, p, step);
    } else if (step != 0 && step <= UINT16_MAX + 1 - QUALITY_MAX_MISORDER) {
        /* A jump. Two packets in sequence are a sender that counts anew; one is nothing. */
        if (p->sequence != s->unlikely) {
            s->unlikely = (uint16_t)(p->sequence + 1);
            return;
        }
        q->totals.restarts++;
        begin_sequence(q, s, p);
        take_next(q, s, p, 1);
    } else {
        take_earlier(q, s, p, (uint16_t)-step);
    }
    s->heard_us = q->heard_us = q->now_us;
    q->current = (uint8_t)(s - q->sources);
    q->is_paused = s->kind == QUALITY_NOISE;
    q->pauses |= q->is_paused;
    if (s->kind == QUALITY_MEDIA) {
        q->last_format = s->format;
        q->payload_type = p->payload_type;
    }
}

void quality_end(struct quality *q, struct mono now)
{
    come_to(q, now);
    for (unsigned i = 0; i < QUALITY_SOURCES; i++)
        if (q->sources[i].is_used)
            quality_settle_rest(q, &q->sources[i]);
    int64_t silent_us = q->totals.sources ? quality_silence_us(q, q->now_us) : 0;
    if (silent_us > 0) {
        quality_starved(q, silent_us);
        q->heard_us = q->now_us;
    }
}

/* ---- reports ---- */

/* A sender whose packets have not become more since its last report, and of whom nothing has come meanwhile, sends nothing. */
static void hear_sender(struct quality *q, const struct rtcp_packet *p, const struct rtcp_sender *sender)
{
    if (q->has_sender && q->sender_ssrc == p->ssrc && q->sender_packets == sender->packets &&
        q->heard_us <= q->sender_us)
        q->is_paused = true;
    q->has_sender = true;
    q->sender_ssrc = p->ssrc;
    q->sender_packets = sender->packets;
    q->sender_us = q->now_us;
}

static void hear_report(struct quality *q, const struct rtcp_report *report)
{
    int64_t us;
    q->has_far = true;
    q->far_fraction = report->fraction;
    q->far_jitter = report->jitter;
    if (rtcp_round_trip_answer(&q->round_trip, (struct mono){q->now_us}, report, &us))
        q->round_trip_us = us > 0 ? (uint32_t)us : 1;
}

static void hear_goodbye(struct quality *q, const struct rtcp_packet *p)
{
    for (unsigned i = 0; i < p->count && 4 * i + 4 <= p->body.n; i++) {
        const uint8_t *o = p->body.p + 4 * (size_t)i;
        uint32_t ssrc = (uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 | o[3];
        if (q->sources[q->current].is_used && q->sources[q->current].ssrc == ssrc)
            q->is_paused = true;
    }
}

void quality_rtcp_from(struct quality *q, struct mono now, struct slice compound)
{
    struct rtcp_walk w;
    struct rtcp_packet p;
    struct rtcp_sender sender;
    struct rtcp_report report;
    come_to(q, now);
    q->heard_rtcp_us = q->now_us;
    rtcp_walk_init(&w, compound, true);
    while (rtcp_next(&w, &p, NULL) > 0) {
        if (rtcp_read_sender(&p, &sender))
            hear_sender(q, &p, &sender);
        for (unsigned i = 0; rtcp_read_report(&p, i, &report); i++)
            hear_report(q, &report);
        if (p.type == RTCP_BYE)
            hear_goodbye(q, &p);
    }
}

void quality_rtcp_to(struct quality *q, struct mono now, struct slice compound)
{
    struct rtcp_walk w;
    struct rtcp_packet p;
    struct rtcp_sender sender;
    come_to(q, now);
    rtcp_walk_init(&w, compound, true);
    while (rtcp_next(&w, &p, NULL) > 0)
        if (rtcp_read_sender(&p, &sender))
            rtcp_round_trip_sent(&q->round_trip, (struct mono){q->now_us}, sender.ntp);
}
