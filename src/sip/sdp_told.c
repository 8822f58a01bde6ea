/* What an end has been told of its session, and how that goes on: the same o=, versions that only grow, m-lines that never go away. */
#include "base/mem.h"
#include "base/text.h"
#include "sip/sdp_next.h"

#include <stdio.h>

void sip_sdp_told_init(struct sip_sdp_told *t)
{
    *t = (struct sip_sdp_told){0};
}

void sip_sdp_told_fini(struct sip_sdp_told *t)
{
    mem_free(t->octets);
    sip_sdp_told_init(t);
}

int sip_sdp_told_note(struct sip_sdp_told *t, struct slice octets)
{
    if (slice_eq(octets, sip_sdp_told_text(t)))
        return 0;
    if (!octets.n || octets.n > SIP_SDP_TOLD_OCTETS_MAX)
        return ERR_LIMIT;
    uint8_t *copy = mem_alloc(octets.n);
    if (!copy)
        return ERR_NO_MEMORY;
    memcpy(copy, octets.p, octets.n);
    mem_free(t->octets);
    t->octets = copy;
    t->n = octets.n;
    return 0;
}

int sip_sdp_told_read(const struct sip_sdp_told *t, struct region *region, struct sip_sdp *ret_sdp)
{
    int err = t->octets ? sip_sdp_parse(region, sip_sdp_told_text(t), ret_sdp, NULL) : ERR_WRONG_STATE;
    return err == ERR_NO_MEMORY || !err ? err : ERR_WRONG_STATE;
}

/* ---- writing ---- */

#define NEW_VERSION 1

static void put_line(struct buf *out, char type, struct slice value)
{
    buf_printf(out, "%c=", type);
    buf_slice_put(out, value);
    buf_str(out, "\r\n");
}

static void put_origin(const struct sip_sdp_origin *o, uint64_t version, struct buf *out)
{
    const struct slice words[] = {o->nettype, o->addrtype, o->address};
    buf_slice_put(out, o->username);
    buf_str(out, " ");
    buf_slice_put(out, o->session_id);
    buf_printf(out, " %llu", (unsigned long long)version);
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        buf_str(out, " ");
        buf_slice_put(out, words[i]);
    }
}

/* The first line of that type before the first m=. */
static struct slice session_value(const struct sip_sdp *sdp, char type)
{
    for (size_t i = 0; i < sdp->session_lines; i++)
        if (sdp->lines[i].type == type)
            return sdp->lines[i].value;
    return (struct slice){NULL, 0};
}

void sip_sdp_refused_put(const struct sip_sdp_media *m, struct buf *out)
{
    struct slice formats = m->formats;
    struct slice format = text_cut(&formats, ' ');
    buf_str(out, "m=");
    buf_slice_put(out, m->media);
    buf_str(out, " 0 ");
    buf_slice_put(out, m->protocol);
    buf_str(out, " ");
    buf_slice_put(out, format);
    buf_str(out, "\r\n");
}

static void put_next(const struct sdp_next *next, uint64_t version, struct buf *out)
{
    const size_t count = next->layout ? next->layout->media_count : 1;
    buf_str(out, "v=0\r\no=");
    if (next->named) {
        put_origin(&next->named->origin, version, out);
    } else {
        buf_printf(out, "- %llu %llu ", (unsigned long long)next->session_id, (unsigned long long)version);
        buf_slice_put(out, next->connection);
    }
    buf_str(out, "\r\n");
    put_line(out, 's', next->named ? session_value(next->named, 's') : slice_str("-"));
    put_line(out, 'c', next->connection);
    put_line(out, 't', next->named ? session_value(next->named, 't') : slice_str("0 0"));
    for (size_t i = 0; i < count; i++) {
        if (!next->layout || (int)i == next->audio)
            buf_slice_put(out, next->section);
        else
            sip_sdp_refused_put(&next->layout->media[i], out);
    }
}

/* Notes what was written from there on. */
static int note_or_undo(struct sip_sdp_told *t, size_t begin, struct buf *out)
{
    int err = out->err;
    if (!err)
        err = sip_sdp_told_note(t, slice_of(out->p + begin, out->n - begin));
    if (err)
        out->n = begin;
    return err;
}

int sip_sdp_next_write(struct sip_sdp_told *t, const struct sdp_next *next, struct buf *out)
{
    const size_t begin = out->n;
    const uint64_t version = next->named ? next->named->origin.version_number : NEW_VERSION;
    put_next(next, version, out);
    if (!out->err && next->goes_on && !slice_eq(slice_of(out->p + begin, out->n - begin), sip_sdp_told_text(t))) {
        out->n = begin;
        if (version == UINT64_MAX)
            return ERR_LIMIT;
        put_next(next, version + 1, out);
    }
    int err = note_or_undo(t, begin, out);
    if (!err)
        t->diverged = true;
    return err;
}

/* ---- passing on ---- */

/* The session of the description, but for its name, with so many m-lines: those of `more` that it has not are put in as refused. */
static int put_passed(struct region *region, const struct sip_sdp *sdp, const struct sip_sdp *before, uint64_t version,
                      const struct sip_sdp *more, size_t count, struct buf *out)
{
    struct sip_sdp cut = *sdp;
    struct buf origin;
    size_t line = 0;
    cut.tail = (struct slice){NULL, 0};
    if (count < cut.media_count) {
        cut.line_count = cut.media[count].first;
        cut.media_count = count;
    }
    while (cut.lines[line].type != 'o')
        line++;
    struct sip_sdp_edit *e = sip_sdp_edit_new(region, &cut);
    if (!e)
        return ERR_NO_MEMORY;
    buf_init(&origin, SIP_SDP_TOLD_OCTETS_MAX);
    put_origin(&before->origin, version, &origin);
    int err = origin.err;
    if (!err) {
        sip_sdp_edit_line(e, &cut.lines[line], buf_slice(&origin));
        err = sip_sdp_edit_write(e, out);
    }
    buf_fini(&origin);
    if (!err && out->p[out->n - 1] != '\n')
        buf_str(out, "\r\n");
    for (size_t i = cut.media_count; i < count && !err; i++)
        sip_sdp_refused_put(&more->media[i], out);
    return err ? err : out->err;
}

static int pass_anew(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *sdp,
                     const struct sip_sdp *offer, struct buf *out, struct fault *ret_fault)
{
    struct sip_sdp before;
    const size_t begin = out->n;
    int err = sip_sdp_told_read(t, region, &before);
    if (err)
        return err;
    const struct sip_sdp *more = offer ? offer : &before;
    size_t count = sdp->media_count;
    if (offer || count < before.media_count)
        count = more->media_count;
    for (size_t i = count; i < sdp->media_count; i++)
        if (sdp->media[i].port)
            return sip_sdp_refuse(sdp, (int)i, ERR_CONFLICT, "an m= that was not offered, RFC 3264 6", ret_fault);
    uint64_t version = before.origin.version_number;
    err = put_passed(region, sdp, &before, version, more, count, out);
    if (!err && !slice_eq(slice_of(out->p + begin, out->n - begin), sip_sdp_told_text(t))) {
        out->n = begin;
        err = version == UINT64_MAX ? ERR_LIMIT : put_passed(region, sdp, &before, version + 1, more, count, out);
    }
    if (err) {
        out->n = begin;
        return err;
    }
    return note_or_undo(t, begin, out);
}

int sip_sdp_told_pass(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *sdp,
                      const struct sip_sdp *offer, struct buf *out, struct fault *ret_fault)
{
    if (t->diverged)
        return pass_anew(t, region, sdp, offer, out, ret_fault);
    const size_t begin = out->n;
    buf_slice_put(out, sdp->octets);
    if (out->err) {
        out->n = begin;
        return out->err;
    }
    if (sip_sdp_told_note(t, sdp->octets) <
        0) /* too long: it is passed on, but the session cannot be written anew later */
        sip_sdp_told_fini(t);
    return 0;
}

/* ---- small things ---- */

int sip_sdp_refuse(const struct sip_sdp *sdp, int media, int err, const char *rule, struct fault *ret_fault)
{
    const uint8_t *at = media == SIP_SDP_SESSION ? sdp->octets.p : sdp->lines[sdp->media[media].first].line.p;
    if (ret_fault)
        *ret_fault = (struct fault){(size_t)(at - sdp->octets.p), rule};
    return err;
}

struct slice sip_sdp_connection_text(struct region *region, const struct addr *address)
{
    char ip[ADDR_TEXT_OCTETS], text[ADDR_TEXT_OCTETS + 16];
    snprintf(text, sizeof text, "IN IP%u %s", address->family, addr_format_ip(address, ip));
    return region_copy(region, slice_str(text));
}

enum sip_sdp_direction sip_sdp_direction_fitting(enum sip_sdp_direction offered, enum sip_sdp_direction wanted)
{
    bool sends = (wanted == SIP_SDP_SENDRECV || wanted == SIP_SDP_SENDONLY) &&
                 (offered == SIP_SDP_SENDRECV || offered == SIP_SDP_RECVONLY);
    bool receives = (wanted == SIP_SDP_SENDRECV || wanted == SIP_SDP_RECVONLY) &&
                    (offered == SIP_SDP_SENDRECV || offered == SIP_SDP_SENDONLY);
    return sends ? receives ? SIP_SDP_SENDRECV : SIP_SDP_SENDONLY : receives ? SIP_SDP_RECVONLY : SIP_SDP_INACTIVE;
}
