/* The walk over compound RTCP packets, report blocks, round trip. */
#include "media/rtcp.h"

#define RTCP_VERSION 2
#define SENDER_OCTETS 20
#define REPORT_OCTETS 24

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void rtcp_walk_init(struct rtcp_walk *w, struct slice octets, bool reduced)
{
    *w = (struct rtcp_walk){.octets = octets, .reduced = reduced};
}

static int fail(struct rtcp_walk *w, struct fault *ret_fault, int err, size_t octet, const char *rule)
{
    w->at = w->octets.n;
    if (ret_fault)
        *ret_fault = (struct fault){octet, rule};
    return err;
}

/* 6.5: chunks of an SSRC and items, each chunk ended by a zero and filled up to 32 bits. */
static bool chunks_fit(struct slice body, unsigned count)
{
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        if (body.n - at < 5)
            return false;
        at += 4;
        while (body.p[at] != 0) {
            if (body.n - at < 2 || body.n - at - 2 <= body.p[at + 1])
                return false;
            at += 2 + (size_t)body.p[at + 1];
        }
        at = (at + 4) & ~(size_t)3; /* at least one zero */
        if (at > body.n)
            return false;
    }
    return true;
}

/* RFC 3611 3: blocks of a header of 4 octets and as many words as it says. */
static bool blocks_fit(struct slice body)
{
    size_t at = 4;
    while (at < body.n) {
        if (body.n - at < 4)
            return false;
        size_t octets = 4 + 4 * (size_t)(body.p[at + 2] << 8 | body.p[at + 3]);
        if (body.n - at < octets)
            return false;
        at += octets;
    }
    return true;
}

/* What the type needs is there; the rule that is broken if not. */
static const char *check_body(const struct rtcp_packet *p)
{
    size_t n = p->body.n;
    switch (p->type) {
    case RTCP_SR:
        return n < 4 + SENDER_OCTETS + REPORT_OCTETS * (size_t)p->count ? "sender report, RFC 3550 6.4.1" : NULL;
    case RTCP_RR:
        return n < 4 + REPORT_OCTETS * (size_t)p->count ? "receiver report, RFC 3550 6.4.2" : NULL;
    case RTCP_SDES:
        return chunks_fit(p->body, p->count) ? NULL : "source description, RFC 3550 6.5";
    case RTCP_BYE: {
        size_t sources = 4 * (size_t)p->count;
        bool fits = n == sources || (n > sources && n - sources > p->body.p[sources]);
        return fits ? NULL : "goodbye, RFC 3550 6.6";
    }
    case RTCP_APP:
        return n < 8 ? "APP, RFC 3550 6.7" : NULL;
    case RTCP_RTPFB:
    case RTCP_PSFB:
        return n < 8 ? "feedback, RFC 4585 6.1" : NULL;
    case RTCP_XR:
        return n >= 4 && blocks_fit(p->body) ? NULL : "extended report, RFC 3611 2";
    default:
        return NULL;
    }
}

int rtcp_next(struct rtcp_walk *w, struct rtcp_packet *ret_packet, struct fault *ret_fault)
{
    size_t left = w->octets.n - w->at;
    const uint8_t *p = w->octets.p + w->at;
    if (left == 0)
        return 0;
    if (w->count >= RTCP_PACKETS_MAX)
        return fail(w, ret_fault, ERR_LIMIT, w->at, "number of RTCP packets in one datagram");
    if (left < 4)
        return fail(w, ret_fault, ERR_TRUNCATED, w->at, "RTCP header, RFC 3550 6.4");
    if (p[0] >> 6 != RTCP_VERSION)
        return fail(w, ret_fault, ERR_SYNTAX, w->at, "RTCP version, RFC 3550 A.2");
    size_t octets = 4 + 4 * (size_t)(p[2] << 8 | p[3]);
    if (octets > left)
        return fail(w, ret_fault, ERR_TRUNCATED, w->at + 2, "RTCP length, RFC 3550 6.4");
    struct rtcp_packet packet = {p[1], p[0] & 0x1f, 0, w->at, slice_of(p + 4, octets - 4)};
    if (w->count == 0 && !w->reduced && packet.type != RTCP_SR && packet.type != RTCP_RR)
        return fail(w, ret_fault, ERR_SYNTAX, 1, "a report comes first, RFC 3550 6.1");
    if (p[0] & 0x20) {
        /* 6.4.1: only the last packet is padded, and A.2: the first of several never. */
        size_t padding = packet.body.n ? packet.body.p[packet.body.n - 1] : 0;
        if (octets < left)
            return fail(w, ret_fault, ERR_SYNTAX, w->at, "padding of a packet that is not the last, RFC 3550 6.4.1");
        if (padding == 0 || padding % 4 != 0 || padding > packet.body.n)
            return fail(w, ret_fault, ERR_RANGE, w->at + octets - 1, "length of the padding, RFC 3550 6.4.1");
        packet.body.n -= padding;
    }
    const char *rule = check_body(&packet);
    if (rule)
        return fail(w, ret_fault, ERR_TRUNCATED, w->at, rule);
    if (packet.body.n >= 4)
        packet.ssrc = u32_at(packet.body.p);
    w->at += octets;
    w->count++;
    *ret_packet = packet;
    return 1;
}

int rtcp_check(struct slice octets, bool reduced, struct fault *ret_fault)
{
    struct rtcp_walk w;
    struct rtcp_packet packet;
    int more;
    rtcp_walk_init(&w, octets, reduced);
    if (octets.n == 0)
        return fail(&w, ret_fault, ERR_TRUNCATED, 0, "RTCP header, RFC 3550 6.4");
    do
        more = rtcp_next(&w, &packet, ret_fault);
    while (more > 0);
    return more;
}

bool rtcp_read_sender(const struct rtcp_packet *p, struct rtcp_sender *ret_sender)
{
    if (p->type != RTCP_SR || p->body.n < 4 + SENDER_OCTETS)
        return false;
    const uint8_t *s = p->body.p + 4;
    *ret_sender =
        (struct rtcp_sender){(uint64_t)u32_at(s) << 32 | u32_at(s + 4), u32_at(s + 8), u32_at(s + 12), u32_at(s + 16)};
    return true;
}

bool rtcp_read_report(const struct rtcp_packet *p, unsigned index, struct rtcp_report *ret_report)
{
    if ((p->type != RTCP_SR && p->type != RTCP_RR) || index >= p->count)
        return false;
    size_t at = (p->type == RTCP_SR ? 4 + SENDER_OCTETS : 4) + REPORT_OCTETS * (size_t)index;
    if (p->body.n < at + REPORT_OCTETS)
        return false;
    const uint8_t *b = p->body.p + at;
    uint32_t lost = u32_at(b + 4) & 0xffffff;
    *ret_report = (struct rtcp_report){
        .ssrc = u32_at(b),
        .fraction = b[4],
        .lost = lost & 0x800000 ? (int32_t)lost - 0x1000000 : (int32_t)lost, /* 24 bits with a sign */
        .highest = u32_at(b + 8),
        .jitter = u32_at(b + 12),
        .last_sr = u32_at(b + 16),
        .delay = u32_at(b + 20),
    };
    return true;
}

void rtcp_round_trip_sent(struct rtcp_round_trip *r, struct mono now, uint64_t ntp)
{
    uint32_t last_sr = (uint32_t)(ntp >> 16);
    if (last_sr == 0) /* what a report says when there was none */
        return;
    r->sent[r->next].last_sr = last_sr;
    r->sent[r->next].passed = now;
    r->next = (r->next + 1) % RTCP_ROUND_TRIPS;
}

bool rtcp_round_trip_answer(const struct rtcp_round_trip *r, struct mono now, const struct rtcp_report *report,
                            int64_t *ret_us)
{
    if (report->last_sr == 0)
        return false;
    for (unsigned i = 1; i <= RTCP_ROUND_TRIPS; i++) { /* the newest first */
        unsigned at = (r->next + RTCP_ROUND_TRIPS - i) % RTCP_ROUND_TRIPS;
        if (r->sent[at].last_sr != report->last_sr)
            continue;
        int64_t us = mono_since_us(now, r->sent[at].passed) - (int64_t)((uint64_t)report->delay * 1000000 >> 16);
        /* A delay that was rounded up by 1/65536 s makes a short way look like less than none. */
        if (us < -16 || us > RTCP_ROUND_TRIP_MAX_US)
            return false;
        *ret_us = us > 0 ? us : 0;
        return true;
    }
    return false;
}
