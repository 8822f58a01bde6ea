/* Taking over a description, new or changed: all that can fail happens before anything changes. */
#include "base/mem.h"
#include "media/relay_private.h"

/* The keys that a description brings for one end; srtp is NULL where none is new. */
struct fresh {
    struct srtp *in;
    struct srtp *out;
};

void media_key_clear(struct relay_key *key)
{
    srtp_free(key->srtp);
    mem_wipe(key, sizeof *key);
}

/* Whether the key has been in use and goes on where it stopped. */
static bool is_known(const struct relay_key *now, const struct relay_key *before, const struct srtp_master *master)
{
    return srtp_master_equal(&now->master, master) || (before->srtp && srtp_master_equal(&before->master, master));
}

static int prepare_key(const struct media_relay *r, const struct relay_key *now, const struct relay_key *before,
                       const struct srtp_master *master, enum srtp_direction direction, struct srtp **ret_srtp)
{
    if (master->suite == SUITE_NONE || is_known(now, before, master))
        return 0;
    return srtp_new(master, direction, r->options.backend, ret_srtp);
}

static int prepare_stream(struct relay_session *s, struct now now, unsigned index, const struct media_stream *is,
                          struct fresh fresh[MEDIA_SIDES])
{
    struct relay_stream *stream;
    if (is->format_count > MEDIA_FORMATS_MAX)
        return ERR_RANGE;
    int err = media_stream_ensure(s, now, index, &stream);
    for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES && !err && is->kind == MEDIA_RTP; side++) {
        const struct relay_way *way = &stream->ways[side];
        const struct media_end *end = &is->ends[side];
        err = prepare_key(s->relay, &way->in, &way->in_before, &end->in, SRTP_UNPROTECTS, &fresh[side].in);
        if (!err)
            err = prepare_key(s->relay, &way->out, &way->out_before, &end->out, SRTP_PROTECTS, &fresh[side].out);
    }
    return err;
}

/* True: it is another key than until now. */
static bool take_key(struct relay_key *now, struct relay_key *before, const struct srtp_master *master,
                     struct srtp *fresh)
{
    if (srtp_master_equal(&now->master, master))
        return false;
    struct relay_key next = {*master, fresh};
    if (!fresh && master->suite != SUITE_NONE) {
        next = *before;
        *before = (struct relay_key){0};
    }
    /* A pause without a key does not make the last one forgotten. */
    if (now->srtp) {
        media_key_clear(before);
        *before = *now;
    }
    *now = next;
    mem_wipe(&next, sizeof next);
    return true;
}

static void let_go(struct media_flow *flow)
{
    flow->latched = (struct addr){0};
    flow->is_loose = false;
}

/* True: it is somewhere else than it was. */
static bool take_end(struct relay_stream *stream, enum media_side side, const struct media_end *end,
                     const struct fresh *fresh, struct now now)
{
    struct relay_way *way = &stream->ways[side];
    const struct media_end *old = &stream->is.ends[side];
    struct media_flow *rtp = &way->flows[MEDIA_COMPONENT_RTP];
    struct media_flow *rtcp = &way->flows[MEDIA_COMPONENT_RTCP];
    if (take_key(&way->in, &way->in_before, &end->in, fresh->in)) {
        way->before_until = mono_after_ms(now.mono, stream->session->relay->options.rekey_grace_ms);
        rtp->is_loose = rtcp->is_loose = true;
    }
    take_key(&way->out, &way->out_before, &end->out, fresh->out);
    bool moved = !addr_eq(&old->remote, &end->remote);
    if (moved)
        let_go(rtp);
    if (moved || !addr_eq(&old->remote_rtcp, &end->remote_rtcp) || old->rtcp_mux != end->rtcp_mux)
        let_go(rtcp);
    return moved && old->remote.family && end->remote.family;
}

static void take_stream(struct relay_stream *stream, const struct media_stream *is,
                        const struct fresh fresh[MEDIA_SIDES], struct now now)
{
    /* What is off keeps its keys: if it returns with the same, it goes on where it stopped. */
    bool moved = false;
    if (is->kind == MEDIA_RTP)
        for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++)
            moved |= take_end(stream, side, &is->ends[side], &fresh[side], now);
    else
        for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++)
            if (is->kind != stream->is.kind || !addr_eq(&stream->is.ends[side].remote, &is->ends[side].remote))
                for (unsigned i = 0; i < MEDIA_COMPONENTS; i++)
                    let_go(&stream->ways[side].flows[i]);
    if (moved) {
        quality_renew(&stream->ways[MEDIA_OUTSIDE].quality, now.mono);
        quality_judge_renew(&stream->ways[MEDIA_OUTSIDE].judge);
    }
    stream->is = *is;
    for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++) {
        /* Keys are kept in one place only. */
        mem_wipe(&stream->is.ends[side].in, sizeof stream->is.ends[side].in);
        mem_wipe(&stream->is.ends[side].out, sizeof stream->is.ends[side].out);
    }
}

int media_relay_set(struct media_relay *r, struct now now, const struct media_session *session)
{
    struct fresh fresh[MEDIA_STREAMS_MAX][MEDIA_SIDES] = {0};
    bool is_new = !media_session_find(r, session->id);
    struct relay_session *s = NULL;
    if (session->stream_count > MEDIA_STREAMS_MAX)
        return ERR_RANGE;
    int err = media_session_ensure(r, now, session->id, &s);
    for (unsigned i = 0; i < session->stream_count && !err; i++)
        err = prepare_stream(s, now, i, &session->streams[i], fresh[i]);
    if (err)
        goto out;
    s->sensitivity = session->sensitivity;
    s->is_early = session->is_early;
    for (unsigned i = 0; i < session->stream_count; i++)
        take_stream(s->streams[i], &session->streams[i], fresh[i], now);
    for (unsigned i = session->stream_count; i < s->stream_count; i++)
        s->streams[i]->is.kind = MEDIA_OFF; /* m-lines do not go away; whoever forgets one closes it */
    if (session->stream_count > s->stream_count)
        s->stream_count = session->stream_count;
    media_session_described(s, now);
    return 0;
out:
    for (unsigned i = 0; i < MEDIA_STREAMS_MAX; i++)
        for (unsigned side = 0; side < MEDIA_SIDES; side++) {
            srtp_free(fresh[i][side].in);
            srtp_free(fresh[i][side].out);
        }
    if (is_new && s)
        media_session_drop(s);
    return err;
}
