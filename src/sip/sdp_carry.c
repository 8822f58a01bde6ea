/* The audio of one description in the place of another session's audio. What goes along is what the media itself needs; what belongs to the session that
 * it comes from (groups, ICE, header extensions, preconditions) stays behind. */
#include "sip/sdp_carry.h"

#include "base/text.h"
#include "sip/sdp_next.h"

int sip_sdp_audio(const struct sip_sdp *sdp)
{
    int found = -1;
    for (size_t i = 0; i < sdp->media_count; i++) {
        if (!text_equal_nocase(sdp->media[i].media, slice_str("audio")))
            continue;
        if (sdp->media[i].port)
            return (int)i;
        if (found < 0)
            found = (int)i;
    }
    return found;
}

enum sdp_protection sip_sdp_protection_of(struct slice protocol, bool *ret_feedback)
{
    static const struct {
        const char *name;
        enum sdp_protection protection;
        bool feedback;
    } known[] = {
        {"RTP/AVP", SDP_CLEAR, false},   {"RTP/AVPF", SDP_CLEAR, true},         {"RTP/SAVP", SDP_CRYPTO, false},
        {"RTP/SAVPF", SDP_CRYPTO, true}, {"UDP/TLS/RTP/SAVP", SDP_DTLS, false}, {"UDP/TLS/RTP/SAVPF", SDP_DTLS, true},
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (text_equal_nocase(protocol, slice_str(known[i].name))) {
            *ret_feedback = known[i].feedback;
            return known[i].protection;
        }
    return SDP_UNKNOWN;
}

/* ---- the audio section ---- */

/* What goes along: always, with feedback only (RTP/AVPF), or with the protection that it is about. */
enum goes { ALWAYS, WITH_FEEDBACK, WITH_CRYPTO, WITH_DTLS, WITH_OFFERED_MUX };
static const struct {
    const char *name;
    enum goes goes;
} attributes[] = {
    {"rtpmap", ALWAYS},         {"fmtp", ALWAYS},        {"ptime", ALWAYS},          {"maxptime", ALWAYS},
    {"rtcp", ALWAYS},           {"silenceSupp", ALWAYS}, {"ssrc", ALWAYS},           {"rtcp-mux", WITH_OFFERED_MUX},
    {"rtcp-fb", WITH_FEEDBACK}, {"crypto", WITH_CRYPTO}, {"fingerprint", WITH_DTLS}, {"setup", WITH_DTLS},
    {"tls-id", WITH_DTLS},
};

struct carrying {
    const struct sip_sdp *from;
    int from_media;
    const struct sip_sdp *offer; /* that is answered; NULL: it becomes an offer */
    int offer_media;
    struct slice protocol; /* that is written */
    enum sdp_protection protection;
    bool feedback;
};

static bool goes_along(const struct carrying *c, struct slice name)
{
    struct sip_sdp_attribute a;
    for (unsigned i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (!slice_eq_str(name, attributes[i].name))
            continue;
        switch (attributes[i].goes) {
        case ALWAYS:
            return true;
        case WITH_FEEDBACK:
            return c->feedback;
        case WITH_CRYPTO:
            return c->protection == SDP_CRYPTO;
        case WITH_DTLS:
            return c->protection == SDP_DTLS;
        case WITH_OFFERED_MUX:
            return !c->offer || sip_sdp_attribute_first(c->offer, c->offer_media, "rtcp-mux", &a);
        }
    }
    return false;
}

static void put_attribute(const struct sip_sdp_attribute *a, struct buf *out)
{
    buf_str(out, "a=");
    buf_slice_put(out, a->line->value);
    buf_str(out, "\r\n");
}

/* What is said for all sections counts in this one, too. */
static void put_dtls_of_session(const struct carrying *c, struct buf *out)
{
    static const char *const names[] = {"fingerprint", "setup", "tls-id"};
    struct sip_sdp_attribute a;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        size_t position = 0;
        if (sip_sdp_attribute_first(c->from, c->from_media, names[i], &a))
            continue;
        while (sip_sdp_attribute_next(c->from, SIP_SDP_SESSION, names[i], &position, &a))
            put_attribute(&a, out);
    }
}

static void put_audio(const struct carrying *c, struct buf *out)
{
    const struct sip_sdp_media *m = &c->from->media[c->from_media];
    enum sip_sdp_direction direction = sip_sdp_direction(c->from, c->from_media);
    struct sip_sdp_attribute a;
    buf_printf(out, "m=audio %u ", m->port);
    buf_slice_put(out, c->protocol);
    buf_str(out, " ");
    buf_slice_put(out, m->formats);
    buf_str(out, "\r\n");
    for (size_t i = m->first; i < m->first + m->count; i++)
        if (c->from->lines[i].type == 'b') {
            buf_str(out, "b=");
            buf_slice_put(out, c->from->lines[i].value);
            buf_str(out, "\r\n");
        }
    for (size_t position = 0; sip_sdp_attribute_next(c->from, c->from_media, NULL, &position, &a);)
        if (goes_along(c, a.name))
            put_attribute(&a, out);
    if (c->protection == SDP_DTLS)
        put_dtls_of_session(c, out);
    if (c->offer) {
        direction = sip_sdp_direction_fitting(sip_sdp_direction(c->offer, c->offer_media), direction);
        if (sip_sdp_attribute_first(c->offer, c->offer_media, "mid", &a))
            put_attribute(&a, out);
    }
    buf_printf(out, "a=%s\r\n", sip_sdp_direction_name(direction));
}

/* ---- offers and answers ---- */

/* The audio that is to be carried, and whether it can be said where the audio is of that protocol. */
static int begin(struct carrying *c, const struct sip_sdp *from, struct slice there, struct fault *ret_fault)
{
    bool feedback_there;
    c->from = from;
    c->from_media = sip_sdp_audio(from);
    if (c->from_media < 0 || !from->media[c->from_media].port)
        return sip_sdp_refuse(from, c->from_media < 0 ? SIP_SDP_SESSION : c->from_media, ERR_NOT_FOUND, "m=audio",
                              ret_fault);
    const struct slice protocol = from->media[c->from_media].protocol;
    c->protection = sip_sdp_protection_of(protocol, &c->feedback);
    if (c->protection == SDP_UNKNOWN)
        return sip_sdp_refuse(from, c->from_media, ERR_CONFLICT, "a transport protocol of audio", ret_fault);
    enum sdp_protection protection_there = sip_sdp_protection_of(there, &feedback_there);
    bool fits = c->protection == protection_there || (c->protection == SDP_CLEAR && !c->offer);
    if (!fits)
        return sip_sdp_refuse(from, c->from_media, ERR_CONFLICT, "media protected as on the other side", ret_fault);
    c->protocol = protocol;
    if (c->offer || (c->protection == protection_there && c->feedback && !feedback_there)) {
        c->protocol = there; /* RFC 3264 6; with feedback is without, but for the feedback */
        c->feedback = c->feedback && feedback_there;
    }
    return 0;
}

static int connection_of(struct region *region, const struct carrying *c, struct slice *ret_text,
                         struct fault *ret_fault)
{
    struct sip_sdp_connection n;
    struct buf text;
    if (!sip_sdp_connection(c->from, c->from_media, &n))
        return sip_sdp_refuse(c->from, c->from_media, ERR_CONFLICT, "c=, RFC 8866 5.7", ret_fault);
    buf_init(&text, c->from->octets.n);
    buf_slice_put(&text, n.nettype);
    buf_str(&text, " ");
    buf_slice_put(&text, n.addrtype);
    buf_str(&text, " ");
    buf_slice_put(&text, n.address);
    struct slice copy = text.err ? (struct slice){NULL, 0} : region_copy(region, buf_slice(&text));
    buf_fini(&text);
    if (!copy.p)
        return ERR_NO_MEMORY;
    *ret_text = copy;
    return 0;
}

static int carry(struct sip_sdp_told *t, struct region *region, const struct carrying *c, struct sdp_next *next,
                 struct buf *out, struct fault *ret_fault)
{
    struct buf section;
    int err = connection_of(region, c, &next->connection, ret_fault);
    if (err)
        return err;
    buf_init(&section, 2 * SIP_SDP_TOLD_OCTETS_MAX);
    put_audio(c, &section);
    next->section = buf_slice(&section);
    err = section.err ? section.err : sip_sdp_next_write(t, next, out);
    buf_fini(&section);
    return err;
}

int sip_sdp_carry_offer(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *from, struct buf *out,
                        struct fault *ret_fault)
{
    struct sip_sdp before;
    struct carrying c = {0};
    int err = sip_sdp_told_read(t, region, &before);
    if (err)
        return err;
    int audio = sip_sdp_audio(&before);
    if (audio < 0)
        return sip_sdp_refuse(from, SIP_SDP_SESSION, ERR_CONFLICT, "m=audio on the other side", ret_fault);
    err = begin(&c, from, before.media[audio].protocol, ret_fault);
    if (err)
        return err;
    struct sdp_next next = {.named = &before, .goes_on = true, .layout = &before, .audio = audio};
    return carry(t, region, &c, &next, out, ret_fault);
}

/* An offer of which nothing can be taken: as many m-lines, all refused. */
static int refuse_all(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *offer, struct sdp_next *next,
                      struct buf *out)
{
    static const struct addr nowhere = {.family = 4};
    next->audio = -1;
    next->layout = offer;
    next->connection = sip_sdp_connection_text(region, &nowhere);
    return next->connection.p ? sip_sdp_next_write(t, next, out) : ERR_NO_MEMORY;
}

int sip_sdp_carry_answer(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *offer,
                         const struct sip_sdp *from, struct buf *out, struct fault *ret_fault)
{
    struct sip_sdp before;
    struct carrying c = {.offer = offer, .offer_media = sip_sdp_audio(offer)};
    int err = sip_sdp_told_read(t, region, &before);
    if (err && t->octets)
        return err;
    struct sdp_next next = {.named = err ? from : &before, .goes_on = !err, .layout = offer, .audio = c.offer_media};
    if (c.offer_media < 0 || !offer->media[c.offer_media].port)
        return refuse_all(t, region, offer, &next, out);
    err = begin(&c, from, offer->media[c.offer_media].protocol, ret_fault);
    if (err)
        return err;
    if (!sip_sdp_codecs_in_common(offer, from))
        return sip_sdp_refuse(from, c.from_media, ERR_CONFLICT, "a codec in common", ret_fault);
    return carry(t, region, &c, &next, out, ret_fault);
}
