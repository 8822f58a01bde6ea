/* What never came, or came too late: runs, bursts and gaps (RFC 3611 4.7.2), and seconds in which something had to be made up. */
#include "media/quality_core.h"

static void end_second(struct quality *q)
{
    q->totals.total_s++;
    q->totals.concealed_s += q->second_concealed_us > 0;
    q->totals.severely_concealed_s += q->second_concealed_us > QUALITY_SEVERE_US;
    q->second_us = 0;
    q->second_concealed_us = 0;
}

/* Media time goes on. A packet on the border of two seconds belongs to the one in which it begins. */
static void pass_sound(struct quality *q, uint32_t us)
{
    uint32_t second_us = q->second_us + us;
    if (second_us < QUALITY_SECOND_US) {
        q->second_us = second_us;
        return;
    }
    end_second(q);
    q->second_us = second_us - QUALITY_SECOND_US;
}

static void pass_concealed(struct quality *q, uint64_t us)
{
    uint32_t left_us = QUALITY_SECOND_US - q->second_us;
    if (us >= left_us) {
        q->second_concealed_us += left_us;
        end_second(q);
        us -= left_us;
        q->totals.total_s += us / QUALITY_SECOND_US;
        q->totals.concealed_s += us / QUALITY_SECOND_US;
        q->totals.severely_concealed_s += us / QUALITY_SECOND_US;
        us %= QUALITY_SECOND_US;
    }
    q->second_us += (uint32_t)us;
    q->second_concealed_us += (uint32_t)us;
}

void quality_settle_in_time(struct quality *q, struct quality_source *s)
{
    q->totals.settled++;
    s->run = 0;
    s->since_loss++;
    if (!s->is_repair)
        pass_sound(q, quality_packet_us(q));
}

/* A single loss with at least Gmin packets on both sides belongs to a gap, whatever is closer together to a burst. */
static void end_burst(struct quality *q, struct quality_source *s)
{
    if (s->burst_lost > 1) {
        q->totals.bursts++;
        q->totals.burst_packets += s->burst_span;
        q->totals.burst_lost += s->burst_lost;
        if (s->burst_span > q->totals.longest_burst)
            q->totals.longest_burst = s->burst_span;
    } else {
        q->totals.gap_lost += s->burst_lost;
    }
    s->burst_lost = 0;
    s->burst_span = 0;
}

void quality_settle_lost(struct quality *q, struct quality_source *s, uint32_t count)
{
    struct quality_slot *slot = &q->slot;
    if (s->run == 0) {
        slot->runs++;
        q->totals.runs++;
    }
    s->run += count;
    slot->run_packets += count;
    q->totals.run_packets += count;
    q->totals.settled += count;
    if (s->run > q->totals.longest_run)
        q->totals.longest_run = s->run;

    if (s->since_loss >= QUALITY_GMIN)
        end_burst(q, s);
    if (s->burst_lost > 0)
        s->burst_span += s->since_loss;
    s->burst_lost += count;
    s->burst_span += count;
    s->since_loss = 0;
    if (!s->is_repair)
        pass_concealed(q, (uint64_t)count * quality_packet_us(q));
}

void quality_settle_rest(struct quality *q, struct quality_source *s)
{
    while (s->filled > 0) {
        s->filled--;
        if (s->in_time >> s->filled & 1)
            quality_settle_in_time(q, s);
        else
            quality_settle_lost(q, s, 1);
    }
    end_burst(q, s);
    s->run = 0;
    s->since_loss = 0;
}

void quality_slots_lost(struct quality *q, uint32_t count, int64_t silent_us)
{
    unsigned slots = 1;
    if (silent_us >= QUALITY_WINDOW_US) { /* the rest is out of sight already */
        count = (uint32_t)(count * (uint64_t)QUALITY_WINDOW_US / (uint64_t)silent_us);
        slots = QUALITY_SLOTS;
    } else if (silent_us > QUALITY_SLOT_US) {
        slots = (unsigned)(silent_us / QUALITY_SLOT_US);
    }
    q->slot.expected += count / slots + count % slots;
    for (unsigned i = 1; i < slots; i++)
        q->slots[quality_slot_before(q, i)].expected += count / slots;
}

int64_t quality_silence_us(const struct quality *q, int64_t now_us)
{
    int64_t silent_us = now_us - q->heard_us;
    int64_t rtcp_us = now_us - q->heard_rtcp_us;
    if (!q->flows || !q->is_audio || silent_us < QUALITY_STARVED_US)
        return 0;
    if (q->totals.sources == 0)
        return silent_us < QUALITY_FIRST_US ? 0 : silent_us;
    if ((q->pauses || q->is_paused) && (silent_us < QUALITY_PAUSED_US || rtcp_us < QUALITY_PAUSED_US))
        return 0;
    return silent_us;
}

void quality_starved(struct quality *q, int64_t us)
{
    struct quality_slot *slot = &q->slot;
    uint64_t packets = (uint64_t)us / quality_packet_us(q);
    uint32_t count = (uint32_t)(packets < UINT32_MAX / 2 ? packets : UINT32_MAX / 2);
    quality_slots_lost(q, count, us);
    if (count > slot->longest_run)
        slot->longest_run = count;
    if (count > q->totals.longest_run)
        q->totals.longest_run = count;
    q->totals.starved_us += (uint64_t)us;
    pass_concealed(q, (uint64_t)us);
}

double quality_burst_density(const struct quality_totals *t)
{
    return t->burst_packets ? (double)t->burst_lost / (double)t->burst_packets : 0;
}

double quality_gap_density(const struct quality_totals *t)
{
    return t->settled > t->burst_packets ? (double)t->gap_lost / (double)(t->settled - t->burst_packets) : 0;
}
