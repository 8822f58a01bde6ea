/* A session as octets: version u8, description, then per stream and side latched addresses, keys with the counters of SRTP, figures. The octets come from
 * another process of ours or from its stand-by, and are checked as if they did not. */
#include "base/mem.h"
#include "media/control_private.h"
#include "media/relay_private.h"

#define STATE_VERSION 1

/* RTCP that may have been sent since the state was taken, per sender: many seconds' worth, also of a sender that asks for pictures all the time. */
#define RTCP_SKIP_PACKETS 4096

/* ---- out ---- */

static void encode_key(const struct relay_key *key, struct buf *b, int *err)
{
    media_master_encode(&key->master, b);
    size_t mark = buf_open(b, 2);
    if (key->srtp && !*err)
        *err = srtp_export(key->srtp, b);
    buf_close(b, mark, 2);
}

static void encode_way(struct relay_stream *stream, enum media_side side, struct now now, struct buf *b, int *err)
{
    const struct relay_way *way = &stream->ways[side];
    for (unsigned i = 0; i < MEDIA_COMPONENTS; i++)
        media_addr_encode(&way->flows[i].latched, b);
    encode_key(&way->in, b, err);
    encode_key(&way->in_before, b, err);
    encode_key(&way->out, b, err);
    encode_key(&way->out_before, b, err);
    struct media_figures figures;
    media_stream_figures(stream, side, now, &figures);
    media_figures_encode(&figures, b);
}

/* The description with its keys, which are kept elsewhere. */
static void describe(const struct relay_session *s, struct media_session *session)
{
    *session = (struct media_session){
        .id = s->id, .sensitivity = s->sensitivity, .is_early = s->is_early, .stream_count = s->stream_count};
    for (unsigned i = 0; i < s->stream_count; i++) {
        session->streams[i] = s->streams[i]->is;
        for (unsigned side = 0; side < MEDIA_SIDES; side++) {
            session->streams[i].ends[side].in = s->streams[i]->ways[side].in.master;
            session->streams[i].ends[side].out = s->streams[i]->ways[side].out.master;
        }
    }
}

int media_relay_export(struct media_relay *r, struct now now, uint64_t session, struct buf *ret_state)
{
    const struct relay_session *s = media_session_find(r, session);
    int err = 0;
    if (!s)
        return ERR_NOT_FOUND;
    struct media_session description;
    describe(s, &description);
    buf_u8(ret_state, STATE_VERSION);
    media_session_encode(&description, ret_state);
    mem_wipe(&description, sizeof description);
    for (unsigned i = 0; i < s->stream_count; i++)
        for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++)
            encode_way(s->streams[i], side, now, ret_state, &err);
    return err ? err : ret_state->err;
}

/* ---- in ---- */

static void read_key(struct relay_key *key, enum srtp_direction direction, enum srtp_backend backend, struct reader *r)
{
    struct srtp_master master;
    struct fault fault = {0};
    media_master_read(r, &master);
    size_t at = r->at + 2;
    struct slice state = read_opaque(r, 2, "key: counters");
    if (r->err)
        goto out;
    int err = 0;
    if (!srtp_master_equal(&key->master, &master)) {
        media_key_clear(key);
        key->master = master;
    }
    if (master.suite == SUITE_NONE) {
        if (state.n)
            reader_fail_at(r, ERR_SYNTAX, at, "key: counters without a key");
        goto out;
    }
    if (!key->srtp)
        err = srtp_new(&master, direction, backend, &key->srtp);
    if (!err)
        err = srtp_import(key->srtp, state, direction == SRTP_PROTECTS ? RTCP_SKIP_PACKETS : 0, &fault);
    if (err)
        reader_fail_at(r, err, at + fault.octet, fault.rule ? fault.rule : "key: counters");
out:
    mem_wipe(&master, sizeof master);
}

static void read_way(struct relay_stream *stream, enum media_side side, struct now now, struct reader *r)
{
    struct relay_way *way = &stream->ways[side];
    const struct media_relay_options *options = &stream->session->relay->options;
    for (unsigned i = 0; i < MEDIA_COMPONENTS; i++) {
        media_addr_read(r, &way->flows[i].latched);
        way->flows[i].heard = now.mono;
    }
    read_key(&way->in, SRTP_UNPROTECTS, options->backend, r);
    read_key(&way->in_before, SRTP_UNPROTECTS, options->backend, r);
    read_key(&way->out, SRTP_PROTECTS, options->backend, r);
    read_key(&way->out_before, SRTP_PROTECTS, options->backend, r);
    way->before_until = mono_after_ms(now.mono, options->rekey_grace_ms);
    way->carried = mem_alloc(sizeof *way->carried);
    if (way->carried)
        media_figures_read(r, way->carried);
    else
        reader_fail(r, ERR_NO_MEMORY, "figures");
    if (!r->err) { /* what was told to be bad is bad until it is told to be good */
        way->judge.is_bad = way->carried->is_bad;
        way->judge.reasons = way->carried->reasons;
    }
}

int media_relay_import(struct media_relay *r, struct now now, struct slice state, uint64_t *ret_session,
                       struct fault *ret_fault)
{
    struct media_session description;
    struct reader reader;
    reader_init(&reader, state);
    if (read_u8(&reader, "version of state") != STATE_VERSION)
        reader_fail_at(&reader, ERR_UNSUPPORTED, 0, "version of state");
    media_session_read(&reader, &description);
    if (!reader.err && media_session_find(r, description.id))
        reader_fail_at(&reader, ERR_EXISTS, 1, "session");
    int err = reader.err;
    if (!err) {
        err = media_relay_set(r, now, &description);
        if (!err) {
            struct relay_session *s = media_session_find(r, description.id);
            for (unsigned i = 0; i < s->stream_count && !reader.err; i++)
                for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES && !reader.err; side++)
                    read_way(s->streams[i], side, now, &reader);
            err = reader_end(&reader, "end of state");
            if (err)
                media_session_drop(s);
        }
    }
    if (!err)
        *ret_session = description.id;
    else if (ret_fault)
        *ret_fault = reader.fault;
    mem_wipe(&description, sizeof description);
    return err;
}
