/* Offers and answers: what is relayed, with which keys and ports, and what both sides have agreed on in the end. */
#include "edge/alg_sdp_private.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

static int refuse(struct alg_exchange *k, enum alg_refusal refusal, unsigned status, struct slice at, const char *rule)
{
    k->refused = (struct alg_refused){refusal, status, at.p, rule};
    return ERR_FORBIDDEN;
}

/* The octet that a check of src/sip counts. */
static int refuse_fault(struct alg_exchange *k, const struct fault *fault)
{
    const struct slice octets = k->sdp->octets;
    const size_t octet = fault->octet < octets.n ? fault->octet : octets.n;
    return refuse(k, ALG_REFUSED_SDP, 488, slice_of(octets.p + octet, 0), fault->rule);
}

static struct alg_offer *new_offer(size_t count)
{
    struct alg_offer *offer = mem_alloc(sizeof *offer + count * sizeof offer->lines[0]);
    if (offer)
        offer->count = count;
    return offer;
}

size_t alg_offer_octets(const struct alg_offer *offer)
{
    return sizeof *offer + offer->count * sizeof offer->lines[0];
}

void alg_offer_free(struct alg_offer *offer)
{
    if (!offer)
        return;
    mem_free(offer->told);
    mem_wipe(offer, alg_offer_octets(offer));
    mem_free(offer);
}

/* ---- lines and sessions ---- */

/* RFC 3264 8: no line goes away. What a line is may change: voice becomes fax in one line (8.3.3). */
static int check_lines(struct alg_exchange *k)
{
    if (k->sdp->media_count >= k->x->line_count)
        return 0;
    return refuse(k, ALG_REFUSED_SDP, 488, slice_of(k->sdp->octets.p + k->sdp->octets.n, 0), "m= gone, RFC 3264 8");
}

static bool copy_text(char *to, size_t octets, struct slice text)
{
    if (text.n >= octets)
        return false;
    memset(to, 0, octets);
    if (text.n)
        memcpy(to, text.p, text.n);
    return true;
}

/* ---- ports ---- */

/* As the other side is to see it. */
static int bind_port(struct alg_exchange *k, unsigned stream, enum edge_side side, uint8_t family,
                     struct addr *ret_addr)
{
    const struct alg_sdp_ports *ports = k->ports;
    struct addr local;
    if (!ports->media || !ports->options->media_families[side][family == 6])
        return ERR_RANGE;
    int err = ports->media->bind(ports->media->ctx, k->x->agreed.id, stream,
                                 side == EDGE_INSIDE ? MEDIA_INSIDE : MEDIA_OUTSIDE, family, &local);
    if (err)
        return err;
    const struct addr *advertised = &ports->options->media_advertised[side][family == 6];
    if (advertised->family)
        memcpy(local.ip, advertised->ip, sizeof local.ip);
    *ret_addr = local;
    return 0;
}

/* Where nobody has said yet which family is wanted: that of before, that of the signalling, any. */
static int bind_any(struct alg_exchange *k, unsigned stream, enum edge_side side, struct addr *ret_addr)
{
    const struct media_session *agreed = &k->x->agreed;
    uint8_t family = k->ports->families[side];
    if (stream < agreed->stream_count && agreed->streams[stream].ends[side].remote.family)
        family = agreed->streams[stream].ends[side].remote.family;
    if (family != 6)
        family = 4;
    int err = bind_port(k, stream, side, family, ret_addr);
    return err == ERR_RANGE ? bind_port(k, stream, side, family == 4 ? 6 : 4, ret_addr) : err;
}

static int refuse_port(struct alg_exchange *k, size_t line, int err)
{
    if (err == ERR_NO_MEMORY)
        return err;
    if (err == ERR_RANGE)
        return refuse(k, ALG_REFUSED_MEDIA, 488, k->sdp->media[line].media, "no address of ours for this media");
    return refuse(k, ALG_REFUSED_MEDIA, 503, k->sdp->media[line].media, "no port of ours for this media");
}

/* ---- keys ---- */

static const struct media_end *agreed_end(const struct alg_sdp *x, size_t stream, enum edge_side side)
{
    return stream < x->agreed.stream_count ? &x->agreed.streams[stream].ends[side] : NULL;
}

/* Our key towards a side: the same as long as the suite is, so that what is protected with it goes on. */
static void make_key(struct alg_exchange *k, size_t stream, enum edge_side side, enum srtp_suite suite,
                     struct srtp_master *ret_master)
{
    const struct media_end *end = agreed_end(k->x, stream, side);
    if (end && end->out.suite == suite)
        *ret_master = end->out;
    else
        sdes_make(k->ports->entropy, suite, ret_master);
}

static const struct sdes_crypto *made_before(const struct alg_offered *old, enum srtp_suite suite)
{
    for (size_t i = 0; old && i < old->made_count; i++) {
        if (old->made[i].master.suite == suite)
            return &old->made[i];
    }
    return NULL;
}

/* All suites, in order of preference, for the other side to choose from; once it has chosen, that one with the same key, so that what is offered again to
 * refresh a session is the same. */
static void make_keys(struct alg_exchange *k, size_t stream, const struct alg_offered *old, struct alg_offered *line)
{
    enum srtp_suite suites[ALG_SUITES_MAX];
    const struct media_end *agreed = agreed_end(k->x, stream, k->to);
    line->made_count = alg_suites(k->ports->options, suites);
    if (agreed && agreed->out.suite != SUITE_NONE) {
        suites[0] = agreed->out.suite;
        line->made_count = 1;
    }
    for (size_t i = 0; i < line->made_count; i++) {
        const struct sdes_crypto *before = made_before(old, suites[i]);
        if (before)
            line->made[i].master = before->master;
        else
            make_key(k, stream, k->to, suites[i], &line->made[i].master);
        line->made[i].tag = (uint32_t)i + 1;
    }
}

/* What the offerer says of keys. *ret_relayed false: nothing that we speak. */
static int choose_key(struct alg_exchange *k, size_t stream, const struct alg_said *said, const struct alg_offered *old,
                      struct alg_offered *line, bool *ret_relayed)
{
    enum srtp_suite suites[ALG_SUITES_MAX];
    const size_t count = alg_suites(k->ports->options, suites);
    struct fault fault = {0};
    int err = said->crypto_count ? sdes_choose(said->cryptos, said->crypto_count, suites, count, &line->chosen, &fault)
                                 : ERR_NOT_FOUND;
    if (err == ERR_SYNTAX)
        return refuse(k, ALG_REFUSED_SDP, 488, said->cryptos[0], fault.rule);
    *ret_relayed = !err || (k->from == EDGE_INSIDE && !said->is_secure);
    if (err)
        line->chosen = (struct sdes_crypto){0};
    else if (old && old->out.suite == line->chosen.master.suite)
        line->out = old->out;
    else
        make_key(k, stream, k->from, line->chosen.master.suite, &line->out);
    return 0;
}

/* ---- telling ---- */

static uint64_t hash_of(struct slice text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.n; i++)
        hash = (hash ^ text.p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static bool has_controls(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= ' ' || text.p[i] == 0x7f)
            return true;
    }
    return false;
}

/* The name under which a side knows the session, from the first description that it is told. */
static void name_session(struct alg_exchange *k, struct alg_told *told, const struct alg_sdp_out *out)
{
    const struct sip_sdp_origin *o = &k->sdp->origin;
    const bool hidden = k->to == EDGE_OUTSIDE && alg_find_hidden(k->ports->options, o->username).n;
    const struct slice user = hidden || has_controls(o->username) ? slice_str("-") : o->username;
    if (user.n + 1 + o->session_id.n < sizeof told->name)
        snprintf(told->name, sizeof told->name, "%.*s %.*s", SLICE_PRINT(user), SLICE_PRINT(o->session_id));
    else
        snprintf(told->name, sizeof told->name, "- %llu", (unsigned long long)hash_of(k->sdp->octets) >> 1);
    told->version = o->version_number < UINT64_MAX / 2 ? o->version_number : 1;
    told->address = (struct addr){.family = 4};
    for (size_t i = k->sdp->media_count; i-- > 0;) {
        if (out->lines[i].is_relayed)
            told->address = out->lines[i].local;
    }
    told->address.port = 0;
}

/* The version counts on when anything is different from what that side was told last. */
static int tell(struct alg_exchange *k, struct alg_sdp_out *out, struct slice *ret_text)
{
    struct alg_told told = k->x->told[k->to];
    struct slice text;
    const bool first = !told.name[0];
    if (first)
        name_session(k, &told, out);
    out->options = k->ports->options;
    out->to = k->to;
    out->name = told.name;
    out->version = told.version;
    out->address = told.address;
    int err = alg_sdp_write(out, k->sdp, k->region, &text);
    if (!err && !first && hash_of(text) != told.hash) {
        out->version = ++told.version;
        err = alg_sdp_write(out, k->sdp, k->region, &text);
    }
    if (err == ERR_FORBIDDEN)
        return refuse(k, ALG_REFUSED_ADDRESS, 488, k->sdp->octets, "description that tells of the inside");
    if (err)
        return err == ERR_NO_MEMORY ? err : refuse(k, ALG_REFUSED_SDP, 488, k->sdp->octets, "description too large");
    told.hash = hash_of(text);
    k->x->told[k->to] = told;
    *ret_text = text;
    return 0;
}

static const char *protocol_of(bool is_secure, bool has_feedback)
{
    if (is_secure)
        return has_feedback ? "RTP/SAVPF" : "RTP/SAVP";
    return has_feedback ? "RTP/AVPF" : "RTP/AVP";
}

/* ---- offers ---- */

/* Why lines were left out, for the case that nothing is left. */
struct left_out {
    bool active;  /* there was one in use */
    bool relayed; /* and one is */
    bool srtp;
    struct slice at;
};

static int offer_media(struct alg_exchange *k, size_t i, const struct alg_said *said, const struct alg_offered *old,
                       struct alg_offered *line, struct left_out *left_out)
{
    bool relayed = true;
    int err = said->kind == MEDIA_RTP ? choose_key(k, i, said, old, line, &relayed) : 0;
    if (err)
        return err;
    if (!relayed) {
        left_out->srtp = true;
        left_out->at = k->sdp->media[i].protocol;
        return 0;
    }
    err = bind_port(k, (unsigned)i, k->from, said->family, &line->local[k->from]);
    if (!err)
        err = bind_any(k, (unsigned)i, k->to, &line->local[k->to]);
    if (err)
        return refuse_port(k, i, err);
    if (said->kind == MEDIA_RTP && (k->to == EDGE_OUTSIDE || k->ports->options->inside_srtp))
        make_keys(k, i, old, line);
    line->is_relayed = true;
    left_out->relayed = true;
    return 0;
}

static int offer_line(struct alg_exchange *k, size_t i, const struct alg_offered *old, struct alg_offered *line,
                      struct left_out *left_out)
{
    const struct sip_sdp_media *m = &k->sdp->media[i];
    struct alg_said said;
    if (!alg_said_read(k->ports->options, k->from, k->sdp, i, &said, &k->refused))
        return ERR_FORBIDDEN;
    left_out->active |= said.is_active;
    if (said.is_active && !left_out->at.p)
        left_out->at = m->media;
    int err = said.kind == MEDIA_OFF ? 0 : offer_media(k, i, &said, old, line, left_out);
    copy_text(line->protocol, sizeof line->protocol, m->protocol);
    said.crypto_count = 0;
    memset(said.cryptos, 0, sizeof said.cryptos);
    line->said = said;
    return err;
}

static void plan_offer(const struct alg_exchange *k, const struct alg_offer *offer, struct alg_sdp_out *out)
{
    for (size_t i = 0; i < offer->count; i++) {
        const struct alg_offered *line = &offer->lines[i];
        struct alg_line_out *o = &out->lines[i];
        if (!line->is_relayed)
            continue;
        *o = (struct alg_line_out){
            .is_relayed = true,
            .local = line->local[k->to],
            .is_held = line->said.is_held,
            .rtcp_mux = line->said.rtcp_mux,
            .cryptos = line->made,
            .crypto_count = line->made_count,
        };
        const bool secure = line->made_count > 0;
        if (line->said.kind == MEDIA_RTP && secure != line->said.is_secure)
            o->protocol = protocol_of(secure, line->said.has_feedback);
    }
}

int alg_sdp_offer(struct alg_exchange *k, const struct alg_offer *old, struct alg_offer **ret_offer,
                  struct slice *ret_text)
{
    struct left_out left_out = {0};
    struct alg_sdp_out out = {0};
    struct slice text;
    int err = check_lines(k);
    const size_t lines = k->sdp->media_count < MEDIA_STREAMS_MAX ? k->sdp->media_count : MEDIA_STREAMS_MAX;
    struct alg_offer *offer = err ? NULL : new_offer(lines);
    if (!offer)
        return err ? err : ERR_NO_MEMORY;
    for (size_t i = 0; i < offer->count && !err; i++)
        err = offer_line(k, i, old && i < old->count ? &old->lines[i] : NULL, &offer->lines[i], &left_out);
    if (!err && left_out.active && !left_out.relayed)
        err = refuse(k, left_out.srtp ? ALG_REFUSED_SRTP : ALG_REFUSED_MEDIA, 488, left_out.at,
                     left_out.srtp ? "no SRTP offered, RFC 4568" : "no media that can be relayed");
    plan_offer(k, offer, &out);
    if (!err)
        err = tell(k, &out, &text);
    if (!err) {
        offer->told = mem_alloc(text.n);
        offer->told_octets = text.n;
        err = offer->told ? 0 : ERR_NO_MEMORY;
    }
    if (err) {
        alg_offer_free(offer);
        return err;
    }
    memcpy(offer->told, text.p, text.n);
    *ret_offer = offer;
    *ret_text = text;
    return 0;
}

/* ---- answers ---- */

/* The keys that the answerer has chosen from what we offered. */
static int answer_key(struct alg_exchange *k, size_t i, const struct alg_said *said, const struct alg_offered *line,
                      struct media_end *end)
{
    struct sdes_crypto theirs;
    struct fault fault = {0};
    size_t index;
    if (!line->made_count)
        return 0;
    if (!said->crypto_count)
        return refuse(k, k->from == EDGE_OUTSIDE ? ALG_REFUSED_SRTP : ALG_REFUSED_SDP, 488, k->sdp->media[i].protocol,
                      "no SRTP answered, RFC 4568 5.1.2");
    if (said->crypto_count > 1)
        return refuse(k, ALG_REFUSED_SDP, 488, said->cryptos[1], "more than one a=crypto answered, RFC 4568 5.1.2");
    int err = sdes_check_answer(line->made, line->made_count, said->cryptos[0], &index, &theirs, &fault);
    if (err)
        return refuse(k, ALG_REFUSED_SDP, 488, said->cryptos[0],
                      fault.rule ? fault.rule : "a=crypto that was not offered, RFC 4568 5.1.3");
    end->in = theirs.master;
    end->out = line->made[index].master;
    mem_wipe(&theirs, sizeof theirs);
    return 0;
}

/* Formats of the answer, then others of the offer: each side may use numbers of its own. */
static void agree_formats(struct media_stream *stream, const struct alg_said *answered, const struct alg_said *offered)
{
    memcpy(stream->formats, answered->formats, sizeof stream->formats);
    stream->format_count = answered->format_count;
    for (size_t i = 0; i < offered->format_count && stream->format_count < MEDIA_FORMATS_MAX; i++) {
        size_t j = 0;
        while (j < stream->format_count && stream->formats[j].payload_type != offered->formats[i].payload_type)
            j++;
        if (j == stream->format_count)
            stream->formats[stream->format_count++] = offered->formats[i];
    }
    stream->ptime_ms = answered->ptime_ms ? answered->ptime_ms : offered->ptime_ms;
}

static bool sends(enum sip_sdp_direction direction)
{
    return direction == SIP_SDP_SENDRECV || direction == SIP_SDP_SENDONLY;
}

static bool receives(enum sip_sdp_direction direction)
{
    return direction == SIP_SDP_SENDRECV || direction == SIP_SDP_RECVONLY;
}

/* Many answer a hold as if it were none: nobody may send to who does not receive. */
static void narrow(const struct alg_said *said, const struct alg_said *offered, struct alg_line_out *out)
{
    const bool may_send = sends(said->direction) && receives(offered->direction);
    const bool may_receive = receives(said->direction) && sends(offered->direction);
    out->direction = may_send ? (may_receive ? SIP_SDP_SENDRECV : SIP_SDP_SENDONLY)
                              : (may_receive ? SIP_SDP_RECVONLY : SIP_SDP_INACTIVE);
    out->narrows = out->direction != said->direction;
}

static int agree_stream(struct alg_exchange *k, size_t i, const struct alg_said *said, const struct alg_offered *line,
                        struct media_stream *stream)
{
    const struct alg_said *offered = &line->said;
    struct media_end *offerer = &stream->ends[k->to], *answerer = &stream->ends[k->from];
    if (said->kind != offered->kind)
        return refuse(k, ALG_REFUSED_SDP, 488, k->sdp->media[i].protocol, "another kind of media than offered");
    stream->kind = said->kind;
    stream->is_audio = said->is_audio;
    agree_formats(stream, said, offered);
    *offerer = (struct media_end){
        .remote = offered->remote,
        .remote_rtcp = offered->remote_rtcp,
        .rtcp_mux = offered->rtcp_mux,
        .may_send = sends(offered->direction) && receives(said->direction),
        .in = line->chosen.master,
        .out = line->out,
    };
    *answerer = (struct media_end){
        .remote = said->remote,
        .remote_rtcp = said->remote_rtcp,
        .rtcp_mux = said->rtcp_mux && offered->rtcp_mux,
        .may_send = sends(said->direction) && receives(offered->direction),
    };
    return answer_key(k, i, said, line, answerer);
}

/* A line that is refused keeps our keys: what comes back goes on with them. */
static void end_stream(struct media_stream *stream)
{
    struct media_stream ended = {.is_audio = stream->is_audio};
    for (unsigned side = 0; side < MEDIA_SIDES; side++)
        ended.ends[side].out = stream->ends[side].out;
    *stream = ended;
    mem_wipe(&ended, sizeof ended);
}

static int answer_line(struct alg_exchange *k, size_t i, struct media_session *next, struct alg_line_out *out,
                       struct sdes_crypto *crypto)
{
    const struct alg_offered *line = &k->x->offer->lines[i];
    struct alg_said said;
    *out = (struct alg_line_out){.protocol = line->protocol[0] ? line->protocol : NULL};
    if (!line->is_relayed || !k->sdp->media[i].port) {
        end_stream(&next->streams[i]);
        return 0;
    }
    if (!alg_said_read(k->ports->options, k->from, k->sdp, i, &said, &k->refused))
        return ERR_FORBIDDEN;
    int err = agree_stream(k, i, &said, line, &next->streams[i]);
    if (!err && k->x->offer->lines[i].local[k->from].family != said.family && !said.is_held)
        err =
            refuse(k, ALG_REFUSED_MEDIA, 488, k->sdp->media[i].media, "answer of another address family than offered");
    if (err)
        return err;
    out->is_relayed = true;
    out->local = line->local[k->to];
    out->is_held = said.is_held;
    out->rtcp_mux = line->said.rtcp_mux;
    narrow(&said, &line->said, out);
    if (line->chosen.master.suite != SUITE_NONE) {
        *crypto = (struct sdes_crypto){line->chosen.tag, line->out};
        out->cryptos = crypto;
        out->crypto_count = 1;
    }
    return 0;
}

/* The offer as it was told, which the answer must fit (RFC 3264 6); where its directions do not, they are narrowed. */
static int check_fits(struct alg_exchange *k)
{
    const struct alg_offer *offer = k->x->offer;
    struct sip_sdp told;
    struct fault fault = {0};
    int err = sip_sdp_parse(k->region, slice_of(offer->told, offer->told_octets), &told, &fault);
    if (err)
        return err;
    return sip_sdp_check_streams(&told, k->sdp, &fault) < 0 ? refuse_fault(k, &fault) : 0;
}

int alg_sdp_answer(struct alg_exchange *k, struct slice *ret_text)
{
    struct sdes_crypto cryptos[MEDIA_STREAMS_MAX] = {0};
    struct alg_sdp_out out = {.is_answer = true};
    struct media_session next = k->x->agreed;
    const struct alg_offer *offer = k->x->offer;
    int err = check_fits(k);
    for (size_t i = 0; i < offer->count && !err; i++)
        err = answer_line(k, i, &next, &out.lines[i], &cryptos[i]);
    if (!err)
        err = tell(k, &out, ret_text);
    if (!err) {
        next.stream_count = (unsigned)offer->count;
        k->x->agreed = next;
        k->x->line_count = k->sdp->media_count;
    }
    mem_wipe(next.streams, offer->count * sizeof next.streams[0]);
    mem_wipe(cryptos, offer->count * sizeof cryptos[0]);
    return err;
}
