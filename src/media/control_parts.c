/* Sessions, addresses, keys and figures as octets. */
#include "base/buf.h"
#include "media/control_private.h"
#include "media/judge.h"

unsigned media_read_below(struct reader *r, unsigned bound, const char *rule)
{
    unsigned v = read_u8(r, rule);
    if (v < bound)
        return v;
    reader_fail(r, ERR_RANGE, rule);
    return 0;
}

uint64_t media_read_id(struct reader *r)
{
    uint64_t id = read_u64(r, "session");
    if (!r->err && id == 0)
        reader_fail(r, ERR_RANGE, "session");
    return id;
}

static bool read_bool(struct reader *r, const char *rule)
{
    return media_read_below(r, 2, rule);
}

/* ---- addresses and keys ---- */

static size_t ip_octets(unsigned family)
{
    return family == 4 ? 4 : 16;
}

void media_addr_encode(const struct addr *a, struct buf *b)
{
    buf_u8(b, a->family);
    if (a->family == 0)
        return;
    buf_u16(b, a->port);
    buf_put(b, a->ip, ip_octets(a->family));
}

void media_addr_read(struct reader *r, struct addr *ret_addr)
{
    struct addr a = {.family = read_u8(r, "address: family")};
    if (a.family != 0 && a.family != 4 && a.family != 6)
        reader_fail(r, ERR_RANGE, "address: family");
    if (a.family && !r->err) {
        a.port = read_u16(r, "address: port");
        read_copy(r, a.ip, ip_octets(a.family), "address");
    }
    *ret_addr = r->err ? (struct addr){0} : a;
}

static size_t master_octets(enum srtp_suite suite)
{
    return srtp_suite_key_octets(suite) + srtp_suite_salt_octets(suite);
}

void media_master_encode(const struct srtp_master *master, struct buf *b)
{
    buf_u8(b, (uint8_t)master->suite);
    if (master->suite == SUITE_NONE)
        return;
    buf_put(b, master->octets, master_octets(master->suite));
    buf_u64(b, master->lifetime);
}

void media_master_read(struct reader *r, struct srtp_master *ret_master)
{
    *ret_master = (struct srtp_master){.suite = (enum srtp_suite)media_read_below(r, SUITE_COUNT, "key: suite")};
    if (ret_master->suite == SUITE_NONE)
        return;
    read_copy(r, ret_master->octets, master_octets(ret_master->suite), "key");
    ret_master->lifetime = read_u64(r, "key: lifetime");
}

/* ---- sessions ---- */

static bool is_end_encodable(const struct media_end *end)
{
    return (unsigned)end->in.suite < SUITE_COUNT && (unsigned)end->out.suite < SUITE_COUNT &&
           (end->remote.family == 0 || end->remote.family == 4 || end->remote.family == 6) &&
           (end->remote_rtcp.family == 0 || end->remote_rtcp.family == 4 || end->remote_rtcp.family == 6);
}

bool media_session_is_encodable(const struct media_session *session)
{
    if (session->id == 0 || session->stream_count > MEDIA_STREAMS_MAX || session->sensitivity >= QUALITY_LEVELS)
        return false;
    for (unsigned i = 0; i < session->stream_count; i++) {
        const struct media_stream *s = &session->streams[i];
        if ((unsigned)s->kind > MEDIA_UDPTL || s->format_count > MEDIA_FORMATS_MAX ||
            !is_end_encodable(&s->ends[MEDIA_INSIDE]) || !is_end_encodable(&s->ends[MEDIA_OUTSIDE]))
            return false;
    }
    return true;
}

/* Text in a field of fixed length, behind its length. */
static void encode_name(const char *name, struct buf *b)
{
    buf_opaque(b, 1, slice_of(name, strnlen(name, MEDIA_FORMAT_NAME_OCTETS - 1)));
}

static void read_name(struct reader *r, char *ret_name)
{
    struct slice name = read_opaque(r, 1, "format: name");
    if (name.n >= MEDIA_FORMAT_NAME_OCTETS)
        reader_fail(r, ERR_RANGE, "format: name");
    for (size_t i = 0; i < name.n && !r->err; i++)
        if (name.p[i] < 0x21 || name.p[i] > 0x7e)
            reader_fail(r, ERR_SYNTAX, "format: name");
    if (!r->err && name.n)
        memcpy(ret_name, name.p, name.n);
}

static void encode_end(const struct media_end *end, struct buf *b)
{
    media_addr_encode(&end->remote, b);
    media_addr_encode(&end->remote_rtcp, b);
    buf_u8(b, end->rtcp_mux);
    buf_u8(b, end->may_send);
    media_master_encode(&end->in, b);
    media_master_encode(&end->out, b);
}

static void read_end(struct reader *r, struct media_end *end)
{
    media_addr_read(r, &end->remote);
    media_addr_read(r, &end->remote_rtcp);
    end->rtcp_mux = read_bool(r, "end: rtcp-mux");
    end->may_send = read_bool(r, "end: may send");
    media_master_read(r, &end->in);
    media_master_read(r, &end->out);
}

void media_session_encode(const struct media_session *session, struct buf *b)
{
    buf_u64(b, session->id);
    buf_u8(b, (uint8_t)session->sensitivity);
    buf_u8(b, session->is_early);
    buf_u8(b, (uint8_t)session->stream_count);
    for (unsigned i = 0; i < session->stream_count; i++) {
        const struct media_stream *s = &session->streams[i];
        buf_u8(b, (uint8_t)s->kind);
        buf_u8(b, s->is_audio);
        buf_u16(b, s->ptime_ms);
        buf_u8(b, s->format_count);
        for (unsigned k = 0; k < s->format_count; k++) {
            buf_u8(b, s->formats[k].payload_type);
            buf_u32(b, s->formats[k].clock_hz);
            encode_name(s->formats[k].name, b);
        }
        encode_end(&s->ends[MEDIA_INSIDE], b);
        encode_end(&s->ends[MEDIA_OUTSIDE], b);
    }
}

static void read_stream(struct reader *r, struct media_stream *s)
{
    s->kind = (enum media_kind)media_read_below(r, MEDIA_UDPTL + 1, "stream: kind");
    s->is_audio = read_bool(r, "stream: audio");
    s->ptime_ms = read_u16(r, "stream: packet time");
    s->format_count = (uint8_t)media_read_below(r, MEDIA_FORMATS_MAX + 1, "stream: formats");
    for (unsigned k = 0; k < s->format_count; k++) {
        s->formats[k].payload_type = (uint8_t)media_read_below(r, 128, "format: payload type");
        s->formats[k].clock_hz = read_u32(r, "format: clock");
        read_name(r, s->formats[k].name);
    }
    read_end(r, &s->ends[MEDIA_INSIDE]);
    read_end(r, &s->ends[MEDIA_OUTSIDE]);
}

void media_session_read(struct reader *r, struct media_session *ret_session)
{
    memset(ret_session, 0, sizeof *ret_session);
    ret_session->id = media_read_id(r);
    ret_session->sensitivity = media_read_below(r, QUALITY_LEVELS, "session: sensitivity");
    ret_session->is_early = read_bool(r, "session: early");
    ret_session->stream_count = media_read_below(r, MEDIA_STREAMS_MAX + 1, "session: streams");
    for (unsigned i = 0; i < ret_session->stream_count; i++)
        read_stream(r, &ret_session->streams[i]);
}

/* ---- figures ---- */

void media_figures_encode(const struct media_figures *f, struct buf *b)
{
    media_addr_encode(&f->source, b);
    buf_u64(b, f->packets);
    buf_u64(b, f->octets);
    buf_u64(b, f->rtcp_packets);
    for (unsigned i = 0; i < MEDIA_REFUSAL_COUNT; i++)
        buf_u64(b, f->refused[i]);
    buf_u8(b, f->payload_type & 0x7f);
    buf_u16(b, f->ptime_ms);
    encode_name(f->codec, b);
    buf_u64(b, f->expected);
    buf_u64(b, f->lost);
    buf_u32(b, f->loss_ppm);
    buf_u32(b, f->worst_loss_ppm);
    buf_u32(b, f->longest_burst);
    buf_u32(b, f->jitter_us);
    buf_u32(b, f->delay_variation_min_us);
    buf_u32(b, f->delay_variation_mean_us);
    buf_u32(b, f->delay_variation_max_us);
    buf_u64(b, f->variation_count);
    buf_u32(b, f->total_s);
    buf_u32(b, f->concealed_s);
    buf_u32(b, f->severely_concealed_s);
    buf_u32(b, f->round_trip_us);
    buf_u32(b, f->mos_hundredths);
    buf_u32(b, f->worst_mos_hundredths);
    buf_u32(b, f->impairments);
    buf_u8(b, f->is_bad);
    buf_u8(b, f->reasons);
}

void media_figures_read(struct reader *r, struct media_figures *ret_figures)
{
    struct media_figures *f = ret_figures;
    memset(f, 0, sizeof *f);
    media_addr_read(r, &f->source);
    f->packets = read_u64(r, "figures: packets");
    f->octets = read_u64(r, "figures: octets");
    f->rtcp_packets = read_u64(r, "figures: RTCP");
    for (unsigned i = 0; i < MEDIA_REFUSAL_COUNT; i++)
        f->refused[i] = read_u64(r, "figures: refused");
    f->payload_type = (uint8_t)media_read_below(r, 128, "figures: payload type");
    f->ptime_ms = read_u16(r, "figures: packet time");
    read_name(r, f->codec);
    f->expected = read_u64(r, "figures: expected");
    f->lost = read_u64(r, "figures: lost");
    f->loss_ppm = read_u32(r, "figures: loss");
    f->worst_loss_ppm = read_u32(r, "figures: worst loss");
    f->longest_burst = read_u32(r, "figures: burst");
    f->jitter_us = read_u32(r, "figures: jitter");
    f->delay_variation_min_us = read_u32(r, "figures: delay variation");
    f->delay_variation_mean_us = read_u32(r, "figures: delay variation");
    f->delay_variation_max_us = read_u32(r, "figures: delay variation");
    f->variation_count = read_u64(r, "figures: delay variation");
    f->total_s = read_u32(r, "figures: seconds");
    f->concealed_s = read_u32(r, "figures: concealed");
    f->severely_concealed_s = read_u32(r, "figures: severely concealed");
    f->round_trip_us = read_u32(r, "figures: round trip");
    f->mos_hundredths = read_u32(r, "figures: MOS");
    f->worst_mos_hundredths = read_u32(r, "figures: worst MOS");
    f->impairments = read_u32(r, "figures: impairments");
    f->is_bad = read_bool(r, "figures: bad");
    f->reasons = read_u8(r, "figures: reasons");
}
