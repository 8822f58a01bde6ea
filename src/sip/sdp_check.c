/* Offer and answer (RFC 3264): what one description owes another. */
#include "sip/sdp.h"

#include "base/text.h"

static int refuse(const struct sip_sdp *sdp, const uint8_t *at, const char *rule, struct fault *ret_fault)
{
    if (ret_fault)
        *ret_fault = (struct fault){(size_t)(at - sdp->octets.p), rule};
    return ERR_CONFLICT;
}

static const uint8_t *end_of(const struct sip_sdp *sdp)
{
    return sdp->octets.p + sdp->octets.n;
}

static const uint8_t *line_of(const struct sip_sdp *sdp, const struct sip_sdp_media *m)
{
    return sdp->lines[m->first].line.p;
}

/* 6.1: who is only sent to does not send, and the other way. */
static bool direction_fits(enum sip_sdp_direction offered, enum sip_sdp_direction answered)
{
    return offered == SIP_SDP_SENDRECV || answered == SIP_SDP_INACTIVE || answered == sip_sdp_reverse(offered);
}

static int check_stream(const struct sip_sdp *offer, const struct sip_sdp *answer, size_t i, struct fault *ret_fault)
{
    const struct sip_sdp_media *o = &offer->media[i], *a = &answer->media[i];
    if (!text_equal_nocase(o->media, a->media))
        return refuse(answer, a->media.p, "order of m= in an answer, RFC 3264 6", ret_fault);
    if (a->port == 0)
        return 0; /* refused; nothing else counts */
    if (o->port == 0)
        return refuse(answer, a->port_text.p, "an m= that was not offered, RFC 3264 6", ret_fault);
    if (!text_equal_nocase(o->protocol, a->protocol))
        return refuse(answer, a->protocol.p, "another transport protocol than offered, RFC 3264 6", ret_fault);
    return 0;
}

int sip_sdp_check_streams(const struct sip_sdp *offer, const struct sip_sdp *answer, struct fault *ret_fault)
{
    if (answer->media_count < offer->media_count)
        return refuse(answer, end_of(answer), "fewer m= than offered, RFC 3264 6", ret_fault);
    if (answer->media_count > offer->media_count)
        return refuse(answer, line_of(answer, &answer->media[offer->media_count]), "more m= than offered, RFC 3264 6",
                      ret_fault);
    for (size_t i = 0; i < offer->media_count; i++) {
        int err = check_stream(offer, answer, i, ret_fault);
        if (err)
            return err;
    }
    return 0;
}

int sip_sdp_check_answer(const struct sip_sdp *offer, const struct sip_sdp *answer, struct fault *ret_fault)
{
    int err = sip_sdp_check_streams(offer, answer, ret_fault);
    for (size_t i = 0; i < offer->media_count && !err; i++) {
        const struct sip_sdp_media *a = &answer->media[i];
        if (a->port && !direction_fits(sip_sdp_direction(offer, (int)i), sip_sdp_direction(answer, (int)i)))
            err = refuse(answer, line_of(answer, a), "direction that was not offered, RFC 3264 6.1", ret_fault);
    }
    return err;
}

static bool same_but_version(const struct sip_sdp_origin *a, const struct sip_sdp_origin *b)
{
    return slice_eq(a->username, b->username) && slice_eq(a->session_id, b->session_id) &&
           slice_eq(a->nettype, b->nettype) && slice_eq(a->addrtype, b->addrtype) && slice_eq(a->address, b->address);
}

int sip_sdp_check_next(const struct sip_sdp *before, const struct sip_sdp *next, struct fault *ret_fault)
{
    const struct sip_sdp_origin *o = &before->origin, *n = &next->origin;
    if (!same_but_version(o, n))
        return refuse(next, n->username.p, "o= of another session, RFC 3264 8", ret_fault);
    bool same = slice_eq(before->octets, next->octets);
    if (!same && n->version_number != o->version_number + 1)
        return refuse(next, n->version.p, "sess-version counts changes one by one, RFC 3264 8", ret_fault);
    if (next->media_count < before->media_count)
        return refuse(next, end_of(next), "m= gone, RFC 3264 8", ret_fault);
    return 0;
}
