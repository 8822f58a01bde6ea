/* Encoding and decoding of what the signalling process and a media worker say to each other. */
#include "media/control.h"

#include "media/control_private.h"

COUNTERS_DEFINE(media_worker_counters, MEDIA_WORKER_COUNTERS)

/* Ratios and MOS values as millionths. */
#define MILLIONTHS 1e6

static void encode_ratio(double v, struct buf *b)
{
    buf_u32(b, v > 0 && v < 4000 ? (uint32_t)(v * MILLIONTHS + 0.5) : 0);
}

static double read_ratio(struct reader *r, const char *rule)
{
    return read_u32(r, rule) / MILLIONTHS;
}

/* ---- options ---- */

static void encode_options(const struct media_relay_options *o, struct buf *b)
{
    buf_u32(b, o->sessions_max);
    buf_u32(b, o->silence_ms);
    buf_u32(b, o->relatch_ms);
    buf_u32(b, o->rekey_grace_ms);
    buf_u32(b, o->figures_ms);
    buf_u8(b, (uint8_t)o->backend);
    buf_u32(b, o->quality.interval_ms);
    buf_u32(b, o->quality.hold_down_ms);
    buf_u32(b, o->quality.recovery_ms);
    for (unsigned i = 0; i < QUALITY_LEVELS; i++) {
        const struct quality_thresholds *t = &o->quality.levels[i];
        encode_ratio(t->loss_ratio, b);
        buf_u32(b, t->run_us);
        buf_u32(b, t->jitter_us);
        encode_ratio(t->mos, b);
    }
}

static void read_options(struct reader *r, struct media_relay_options *o)
{
    o->sessions_max = read_u32(r, "options: sessions");
    o->silence_ms = read_u32(r, "options: silence");
    o->relatch_ms = read_u32(r, "options: relatch");
    o->rekey_grace_ms = read_u32(r, "options: grace");
    o->figures_ms = read_u32(r, "options: figures");
    uint8_t backend = read_u8(r, "options: backend");
    if (backend > SRTP_BACKEND_LIBSRTP)
        reader_fail(r, ERR_RANGE, "options: backend");
    o->backend = (enum srtp_backend)backend;
    o->quality.interval_ms = read_u32(r, "options: interval");
    o->quality.hold_down_ms = read_u32(r, "options: hold-down");
    o->quality.recovery_ms = read_u32(r, "options: recovery");
    for (unsigned i = 0; i < QUALITY_LEVELS; i++) {
        struct quality_thresholds *t = &o->quality.levels[i];
        t->loss_ratio = read_ratio(r, "options: loss");
        t->run_us = read_u32(r, "options: run");
        t->jitter_us = read_u32(r, "options: jitter");
        t->mos = read_ratio(r, "options: MOS");
    }
}

/* ---- events ---- */

static void encode_event(const struct media_event *e, struct buf *b)
{
    buf_u8(b, (uint8_t)e->kind);
    buf_u64(b, e->session);
    buf_u8(b, (uint8_t)e->stream);
    buf_u8(b, (uint8_t)e->side);
    switch (e->kind) {
    case MEDIA_LATCHED:
        media_addr_encode(&e->source, b);
        break;
    case MEDIA_QUALITY:
        media_figures_encode(&e->figures, b);
        break;
    case MEDIA_FIGURES:
    case MEDIA_SUMMARY:
        buf_u8(b, (uint8_t)e->summary.stream_count);
        for (unsigned i = 0; i < e->summary.stream_count; i++)
            for (unsigned side = 0; side < MEDIA_SIDES; side++)
                media_figures_encode(&e->summary.streams[i][side], b);
        break;
    default:
        break;
    }
}

static void read_summary(struct reader *r, struct media_summary *summary)
{
    summary->stream_count = media_read_below(r, MEDIA_STREAMS_MAX + 1, "summary: streams");
    for (unsigned i = 0; i < summary->stream_count; i++)
        for (unsigned side = 0; side < MEDIA_SIDES; side++)
            media_figures_read(r, &summary->streams[i][side]);
}

static void read_event(struct reader *r, struct media_event *e)
{
    e->kind = (enum media_event_kind)media_read_below(r, MEDIA_LOST, "event: kind");
    e->session = media_read_id(r);
    e->stream = media_read_below(r, MEDIA_STREAMS_MAX, "event: stream");
    e->side = (enum media_side)media_read_below(r, MEDIA_SIDES, "event: side");
    if (e->kind == MEDIA_LATCHED)
        media_addr_read(r, &e->source);
    else if (e->kind == MEDIA_QUALITY)
        media_figures_read(r, &e->figures);
    else if (e->kind == MEDIA_FIGURES || e->kind == MEDIA_SUMMARY)
        read_summary(r, &e->summary);
}

/* ---- counters ---- */

static void encode_counters(const uint64_t *values, size_t count, struct buf *b)
{
    for (size_t i = 0; i < count; i++)
        buf_u64(b, values[i]);
}

static void read_counters(struct reader *r, uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = read_u64(r, "counters");
}

/* ---- messages ---- */

static bool is_encodable(const struct media_control *m)
{
    switch (m->kind) {
    case MEDIA_CONTROL_PAIR:
    case MEDIA_CONTROL_CLOSE:
        return m->pair != 0;
    case MEDIA_CONTROL_SET:
        return media_session_is_encodable(&m->set.session);
    case MEDIA_CONTROL_EVENT:
        return m->event.kind < MEDIA_LOST && m->event.stream < MEDIA_STREAMS_MAX &&
               m->event.summary.stream_count <= MEDIA_STREAMS_MAX;
    default:
        return true;
    }
}

int media_control_encode(const struct media_control *m, struct buf *b)
{
    if (!is_encodable(m))
        return ERR_RANGE;
    buf_u8(b, MEDIA_CONTROL_VERSION);
    buf_u8(b, (uint8_t)m->kind);
    switch (m->kind) {
    case MEDIA_CONTROL_CONFIGURE:
        encode_options(&m->options, b);
        break;
    case MEDIA_CONTROL_PAIR:
    case MEDIA_CONTROL_CLOSE:
        buf_u32(b, m->pair);
        break;
    case MEDIA_CONTROL_SET:
        media_session_encode(&m->set.session, b);
        for (unsigned i = 0; i < m->set.session.stream_count; i++)
            for (unsigned side = 0; side < MEDIA_SIDES; side++)
                buf_u32(b, m->set.pairs[i][side]);
        break;
    case MEDIA_CONTROL_REMOVE:
        buf_u64(b, m->id);
        break;
    case MEDIA_CONTROL_READY:
        break;
    case MEDIA_CONTROL_EVENT:
        encode_event(&m->event, b);
        break;
    case MEDIA_CONTROL_COUNTERS:
        encode_counters(COUNTERS_VALUES(&m->counters.relay), COUNTERS_COUNT(media_counters), b);
        encode_counters(COUNTERS_VALUES(&m->counters.worker), COUNTERS_COUNT(media_worker_counters), b);
        break;
    case MEDIA_CONTROL_REFUSED:
        buf_u64(b, m->refused.session);
        buf_u8(b, (uint8_t)-m->refused.err);
        break;
    case MEDIA_CONTROL_RESUME:
    case MEDIA_CONTROL_STATE:
        buf_u64(b, m->state.session);
        buf_opaque(b, 4, m->state.octets);
        break;
    }
    return b->err;
}

static void read_body(struct reader *r, struct media_control *m)
{
    switch (m->kind) {
    case MEDIA_CONTROL_CONFIGURE:
        read_options(r, &m->options);
        break;
    case MEDIA_CONTROL_PAIR:
    case MEDIA_CONTROL_CLOSE:
        m->pair = read_u32(r, "pair");
        if (!m->pair)
            reader_fail(r, ERR_RANGE, "pair");
        break;
    case MEDIA_CONTROL_SET:
        media_session_read(r, &m->set.session);
        for (unsigned i = 0; i < m->set.session.stream_count && i < MEDIA_STREAMS_MAX; i++)
            for (unsigned side = 0; side < MEDIA_SIDES; side++)
                m->set.pairs[i][side] = read_u32(r, "pair");
        break;
    case MEDIA_CONTROL_REMOVE:
        m->id = media_read_id(r);
        break;
    case MEDIA_CONTROL_READY:
        break;
    case MEDIA_CONTROL_EVENT:
        read_event(r, &m->event);
        break;
    case MEDIA_CONTROL_COUNTERS:
        read_counters(r, (uint64_t *)(void *)&m->counters.relay, COUNTERS_COUNT(media_counters));
        read_counters(r, (uint64_t *)(void *)&m->counters.worker, COUNTERS_COUNT(media_worker_counters));
        break;
    case MEDIA_CONTROL_REFUSED:
        m->refused.session = media_read_id(r);
        m->refused.err = -(int)media_read_below(r, 128, "refused: error");
        break;
    case MEDIA_CONTROL_RESUME:
    case MEDIA_CONTROL_STATE:
        m->state.session = media_read_id(r);
        m->state.octets = read_opaque(r, 4, "state");
        break;
    default:
        reader_fail(r, ERR_UNSUPPORTED, "kind of message");
    }
}

int media_control_decode(struct slice octets, struct media_control *ret_message, struct fault *ret_fault)
{
    struct reader r;
    reader_init(&r, octets);
    memset(ret_message, 0, sizeof *ret_message);
    if (octets.n > MEDIA_CONTROL_OCTETS_MAX)
        reader_fail(&r, ERR_RANGE, "length of message");
    if (read_u8(&r, "version") != MEDIA_CONTROL_VERSION)
        reader_fail_at(&r, ERR_UNSUPPORTED, 0, "version");
    ret_message->kind = (enum media_control_kind)read_u8(&r, "kind of message");
    if (!r.err)
        read_body(&r, ret_message);
    int err = reader_end(&r, "end of message");
    if (err && ret_fault)
        *ret_fault = r.fault;
    return err;
}
