/* The table of SSRCs under one key, and its way to another process. */
#include "base/mem.h"
#include "base/reader.h"
#include "media/srtp_private.h"

#define ROOM_FIRST 2

struct srtp_source *srtp_sources_get(struct srtp_sources *t, uint32_t ssrc)
{
    if (t->last < t->count && t->all[t->last].ssrc == ssrc)
        return &t->all[t->last];
    for (unsigned i = 0; i < t->count; i++) {
        if (t->all[i].ssrc == ssrc) {
            t->last = i;
            return &t->all[i];
        }
    }
    if (t->count == t->room) {
        unsigned room = t->room ? 2 * t->room : ROOM_FIRST;
        struct srtp_source *all = room <= SRTP_SSRCS_MAX ? mem_resize(t->all, room * sizeof *all) : NULL;
        if (!all)
            return NULL;
        t->all = all;
        t->room = room;
    }
    struct srtp_source *blank = &t->all[t->count];
    *blank = (struct srtp_source){.ssrc = ssrc};
    return blank;
}

void srtp_sources_keep(struct srtp_sources *t, struct srtp_source *source)
{
    if (source == &t->all[t->count])
        t->last = t->count++;
}

void srtp_sources_fini(struct srtp_sources *t)
{
    mem_free(t->all);
    *t = (struct srtp_sources){NULL, 0, 0, 0};
}

/* Version, suite, direction, packets of RTP and of RTCP, first index of RTCP, number of sources, and for each its SSRC and two windows:
 * newest, two words of what was seen; then what of both follows another key. */
#define STATE_VERSION 1
enum { RTP_FOLLOWS = 1, RTCP_FOLLOWS = 2 };

static void export_window(struct buf *b, const struct srtp_window *w)
{
    buf_u64(b, w->newest);
    buf_u64(b, w->seen[0]);
    buf_u64(b, w->seen[1]);
}

int srtp_export(const struct srtp *s, struct buf *ret_state)
{
    if (!s->ops->gives_state)
        return ERR_UNSUPPORTED;
    buf_u8(ret_state, STATE_VERSION);
    buf_u8(ret_state, (uint8_t)s->suite);
    buf_u8(ret_state, (uint8_t)s->direction);
    buf_u64(ret_state, s->rtp_packets);
    buf_u64(ret_state, s->rtcp_packets);
    buf_u32(ret_state, s->rtcp_first);
    buf_u8(ret_state, (uint8_t)s->sources.count);
    for (unsigned i = 0; i < s->sources.count; i++) {
        const struct srtp_source *source = &s->sources.all[i];
        buf_u32(ret_state, source->ssrc);
        export_window(ret_state, &source->rtp);
        export_window(ret_state, &source->rtcp);
        buf_u8(ret_state,
               (uint8_t)((source->rtp_follows ? RTP_FOLLOWS : 0) | (source->rtcp_follows ? RTCP_FOLLOWS : 0)));
    }
    return ret_state->err;
}

/* A window of nothing is all zero; else the newest was seen. */
static void import_window(struct reader *r, uint64_t newest_max, struct srtp_window *ret_window)
{
    ret_window->newest = read_u64(r, "newest index");
    ret_window->seen[0] = read_u64(r, "window");
    ret_window->seen[1] = read_u64(r, "window");
    if (ret_window->newest > newest_max)
        reader_fail(r, ERR_SYNTAX, "newest index beyond its range");
    if (!srtp_window_begun(ret_window) && (ret_window->newest || ret_window->seen[0] || ret_window->seen[1]))
        reader_fail(r, ERR_SYNTAX, "window without its newest packet");
}

static void import_sources(struct reader *r, struct srtp_sources *ret_sources)
{
    unsigned count = read_u8(r, "number of sources");
    if (count > SRTP_SSRCS_MAX)
        reader_fail(r, ERR_SYNTAX, "too many sources");
    for (unsigned i = 0; i < count && !r->err; i++) {
        struct srtp_source *source = srtp_sources_get(ret_sources, read_u32(r, "SSRC"));
        if (!source)
            reader_fail(r, ERR_NO_MEMORY, "memory for the sources");
        else if (source != &ret_sources->all[ret_sources->count])
            reader_fail(r, ERR_SYNTAX, "SSRC twice");
        if (r->err)
            return;
        import_window(r, SRTP_RTP_INDEX_MAX, &source->rtp);
        import_window(r, SRTP_RTCP_INDEX_MAX, &source->rtcp);
        uint8_t follows = read_u8(r, "what follows another key");
        if (follows > (RTP_FOLLOWS | RTCP_FOLLOWS))
            reader_fail(r, ERR_SYNTAX, "what follows another key");
        source->rtp_follows = follows & RTP_FOLLOWS;
        source->rtcp_follows = follows & RTCP_FOLLOWS;
        srtp_sources_keep(ret_sources, source);
    }
}

/* Leaves out indexes that may have been used since. At the end of the numbering nothing is left: the key is over. */
static uint32_t skip(uint64_t index, uint32_t by)
{
    return index + by < SRTP_RTCP_INDEX_MAX ? (uint32_t)(index + by) : SRTP_RTCP_INDEX_MAX;
}

/* What lies behind the newest may have gone out since. */
static void close_window(struct srtp_window *w)
{
    if (srtp_window_begun(w))
        w->seen[0] = w->seen[1] = UINT64_MAX;
}

static void skip_sent(struct srtp *s, uint32_t by)
{
    for (unsigned i = 0; i < s->sources.count; i++) {
        struct srtp_window *w = &s->sources.all[i].rtcp;
        if (srtp_window_begun(w) && skip(w->newest, by) > w->newest)
            srtp_window_mark(w, skip(w->newest, by));
        close_window(w);
        close_window(&s->sources.all[i].rtp);
    }
    s->rtcp_first = skip(s->rtcp_first, by);
}

int srtp_import(struct srtp *s, struct slice state, uint32_t rtcp_skip, struct fault *ret_fault)
{
    if (!s->ops->gives_state)
        return ERR_UNSUPPORTED;
    if (s->sources.count)
        return ERR_WRONG_STATE;
    struct reader r;
    struct srtp_sources sources = {NULL, 0, 0, 0};
    reader_init(&r, state);
    if (read_u8(&r, "version") != STATE_VERSION)
        reader_fail(&r, ERR_UNSUPPORTED, "version");
    if (read_u8(&r, "suite") != s->suite || read_u8(&r, "direction") != s->direction)
        reader_fail(&r, ERR_UNSUPPORTED, "state of another suite or direction");
    uint64_t rtp_packets = read_u64(&r, "packets of RTP");
    uint64_t rtcp_packets = read_u64(&r, "packets of RTCP");
    uint32_t rtcp_first = read_u32(&r, "first index of RTCP");
    if (rtcp_first > SRTP_RTCP_INDEX_MAX)
        reader_fail(&r, ERR_SYNTAX, "first index of RTCP");
    import_sources(&r, &sources);
    int err = reader_end(&r, "octets behind the sources");
    if (err) {
        srtp_sources_fini(&sources);
        if (ret_fault)
            *ret_fault = r.fault;
        return err;
    }
    srtp_sources_fini(&s->sources);
    s->sources = sources;
    s->rtp_packets = rtp_packets;
    s->rtcp_packets = rtcp_packets;
    s->rtcp_first = rtcp_first;
    if (s->direction == SRTP_PROTECTS && rtcp_skip)
        skip_sent(s, rtcp_skip);
    return 0;
}

/* Sources that were not heard under the key before are not passed on to the next but one. */
static bool was_heard(const struct srtp_source *source)
{
    return (srtp_window_begun(&source->rtp) && !source->rtp_follows) ||
           (srtp_window_begun(&source->rtcp) && !source->rtcp_follows);
}

int srtp_follow(struct srtp *s, const struct srtp *before)
{
    if (!s->ops->gives_state || !before->ops->gives_state)
        return ERR_UNSUPPORTED;
    if (s->sources.count || s->direction != before->direction)
        return ERR_WRONG_STATE;
    bool arrives = s->direction == SRTP_UNPROTECTS;
    struct srtp_sources sources = {NULL, 0, 0, 0};
    for (unsigned i = 0; i < before->sources.count; i++) {
        const struct srtp_source *old = &before->sources.all[i];
        if (arrives && !was_heard(old))
            continue;
        struct srtp_source *source = srtp_sources_get(&sources, old->ssrc);
        if (!source) {
            srtp_sources_fini(&sources);
            return ERR_NO_MEMORY;
        }
        *source = *old;
        source->rtp_follows = arrives && srtp_window_begun(&old->rtp);
        source->rtcp_follows = arrives && srtp_window_begun(&old->rtcp);
        srtp_sources_keep(&sources, source);
    }
    srtp_sources_fini(&s->sources);
    s->sources = sources;
    s->rtcp_first = before->rtcp_first;
    return 0;
}
