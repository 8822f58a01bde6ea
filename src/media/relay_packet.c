/* The way of a packet: what is it, may it come from there, does it verify, who gets it, under which key. Cheapest checks first; nothing changes before a
 * packet has been accepted. */
#include "media/relay_private.h"
#include "media/udptl.h"

_Static_assert(MEDIA_REFUSED_foreign == 0 && MEDIA_REFUSED_closed == MEDIA_REFUSAL_COUNT - 1,
               "the order of the counters");

static bool refuse(struct media_flow *flow, enum media_refusal why)
{
    struct relay_stream *stream = flow->stream;
    stream->ways[flow->side].refused[why]++;
    /* The counters of refusals stand in the order of the reasons. */
    (&stream->session->relay->counters.refused_foreign)[why]++;
    return false;
}

/* ---- where from ---- */

enum origin { ORIGIN_FOREIGN, ORIGIN_LATCHED, ORIGIN_CANDIDATE };

/* Where a packet comes from. A candidate becomes the source if the packet is accepted. */
static enum origin origin_of(const struct media_flow *flow, struct mono now, const struct addr *peer, bool is_protected)
{
    const struct relay_stream *stream = flow->stream;
    const struct media_end *end = &stream->is.ends[flow->side];
    if (flow->latched.family) {
        if (addr_eq(&flow->latched, peer))
            return ORIGIN_LATCHED;
        int64_t relatch_us = (int64_t)stream->session->relay->options.relatch_ms * 1000;
        if (!flow->is_loose && mono_since_us(now, flow->heard) < relatch_us)
            return ORIGIN_FOREIGN;
    }
    if (is_protected)
        return ORIGIN_CANDIDATE;
    const struct addr *negotiated =
        flow->component == MEDIA_COMPONENT_RTCP && end->remote_rtcp.family ? &end->remote_rtcp : &end->remote;
    return addr_eq_ip(negotiated, peer) ? ORIGIN_CANDIDATE : ORIGIN_FOREIGN;
}

static void accept_origin(struct media_flow *flow, struct mono now, const struct addr *peer, enum origin origin,
                          bool is_current_key)
{
    struct relay_way *way = &flow->stream->ways[flow->side];
    way->heard = now;
    if (origin == ORIGIN_LATCHED) {
        flow->heard = now;
        if (is_current_key)
            flow->is_loose = false;
    } else if (is_current_key) {
        /* What is protected by the key before moves nothing: it may be late. */
        flow->heard = now;
        flow->latched = *peer;
        flow->is_loose = false;
        if (flow->component == MEDIA_COMPONENT_RTP) {
            way->tell_latched = true;
            media_session_tell(flow->stream->session);
        }
    }
}

/* ---- verified? ---- */

static enum srtp_result unprotect(struct relay_way *way, struct mono now, bool is_rtcp, uint8_t *packet, size_t *octets,
                                  bool *ret_is_current)
{
    bool has_before = way->in_before.srtp && !mono_due(way->before_until, now);
    enum srtp_result result =
        is_rtcp ? srtp_rtcp_unprotect(way->in.srtp, packet, octets) : srtp_rtp_unprotect(way->in.srtp, packet, octets);
    *ret_is_current = true;
    if (result == SRTP_GOOD || !has_before)
        return result;
    enum srtp_result before = is_rtcp ? srtp_rtcp_unprotect(way->in_before.srtp, packet, octets)
                                      : srtp_rtp_unprotect(way->in_before.srtp, packet, octets);
    if (before == SRTP_GOOD)
        *ret_is_current = false;
    return before == SRTP_GOOD ? before : result;
}

static enum media_refusal refusal_of(enum srtp_result result)
{
    switch (result) {
    case SRTP_MALFORMED:
        return MEDIA_REFUSED_malformed;
    case SRTP_REPLAYED:
        return MEDIA_REFUSED_replayed;
    case SRTP_FORGED:
        return MEDIA_REFUSED_forged;
    default:
        return MEDIA_REFUSED_no_key;
    }
}

/* ---- where to ---- */

/* The port from which RTCP or RTP goes to a side, and where to. False: there is no way. */
static bool way_to(struct relay_stream *stream, enum media_side side, bool is_rtcp, struct media_packet *packet)
{
    struct relay_way *way = &stream->ways[side];
    const struct media_end *end = &stream->is.ends[side];
    bool apart = is_rtcp && !end->rtcp_mux;
    packet->flow = &way->flows[apart ? MEDIA_COMPONENT_RTCP : MEDIA_COMPONENT_RTP];
    if (!packet->flow->port)
        return false;
    if (packet->flow->latched.family) {
        packet->to = packet->flow->latched;
        return true;
    }
    packet->to = end->remote;
    if (apart && end->remote_rtcp.family)
        packet->to = end->remote_rtcp;
    else if (apart)
        packet->to.port = (uint16_t)(packet->to.port + 1);
    return end->remote.family && packet->to.port;
}

/* ---- the kinds ---- */

static bool send_on(struct media_flow *flow, uint8_t *packet, size_t octets, bool is_rtcp, struct media_packet *ret)
{
    struct relay_stream *stream = flow->stream;
    struct media_relay *r = stream->session->relay;
    enum media_side to = media_other_side(flow->side);
    struct relay_key *out = &stream->ways[to].out;
    if (!way_to(stream, to, is_rtcp, ret))
        return refuse(flow, MEDIA_REFUSED_no_way);
    if (stream->is.kind == MEDIA_RTP && out->srtp) {
        size_t room = octets + MEDIA_PACKET_ROOM;
        enum srtp_result result = is_rtcp ? srtp_rtcp_protect(out->srtp, packet, room, &octets)
                                          : srtp_rtp_protect(out->srtp, packet, room, &octets);
        if (result != SRTP_GOOD)
            return refuse(flow, refusal_of(result));
    } else if (to == MEDIA_OUTSIDE && stream->is.kind == MEDIA_RTP) {
        return refuse(flow, MEDIA_REFUSED_no_key);
    }
    ret->octets = octets;
    r->counters.packets_out++;
    r->counters.octets_out += octets;
    return true;
}

static bool relay_udptl(struct media_flow *flow, struct mono now, const struct addr *peer, uint8_t *packet,
                        size_t octets, struct media_packet *ret)
{
    struct relay_way *way = &flow->stream->ways[flow->side];
    struct udptl_view view;
    enum origin origin = origin_of(flow, now, peer, false);
    if (flow->component != MEDIA_COMPONENT_RTP)
        return refuse(flow, MEDIA_REFUSED_closed);
    if (origin == ORIGIN_FOREIGN)
        return refuse(flow, MEDIA_REFUSED_foreign);
    if (udptl_read(slice_of(packet, octets), &view, NULL) != 0)
        return refuse(flow, MEDIA_REFUSED_malformed);
    accept_origin(flow, now, peer, origin, true);
    way->packets++;
    way->octets += octets;
    return send_on(flow, packet, octets, false, ret);
}

/* Whether the port is for what came to it. ret: why not. */
static bool is_expected(const struct media_flow *flow, enum rtp_kind kind, enum media_refusal *ret)
{
    bool mux = flow->stream->is.ends[flow->side].rtcp_mux;
    *ret = MEDIA_REFUSED_malformed;
    if (flow->component == MEDIA_COMPONENT_RTP)
        return kind == RTP_MEDIA || (kind == RTP_RTCP && mux);
    if (mux)
        *ret = MEDIA_REFUSED_closed;
    return kind == RTP_RTCP && !mux;
}

static bool relay_rtcp(struct media_flow *flow, struct mono now, uint8_t *packet, size_t octets,
                       struct media_packet *ret)
{
    struct relay_stream *stream = flow->stream;
    struct slice compound = slice_of(packet, octets);
    stream->ways[flow->side].rtcp_packets++;
    quality_rtcp_from(&stream->ways[flow->side].quality, now, compound);
    quality_rtcp_to(&stream->ways[media_other_side(flow->side)].quality, now, compound);
    return send_on(flow, packet, octets, true, ret);
}

static bool relay_rtp(struct media_flow *flow, struct mono now, uint8_t *packet, size_t octets,
                      const struct rtp_view *view, struct media_packet *ret)
{
    struct relay_way *way = &flow->stream->ways[flow->side];
    /* Verified first, so that the rollover counter goes with the sender through a hold. */
    if (!flow->stream->is.ends[flow->side].may_send)
        return refuse(flow, MEDIA_REFUSED_not_sending);
    way->packets++;
    way->octets += octets;
    quality_packet(&way->quality, now, view);
    return send_on(flow, packet, octets, false, ret);
}

bool media_relay_packet(struct media_relay *r, struct mono now, struct media_flow *flow, const struct addr *peer,
                        uint8_t *packet, size_t octets, struct media_packet *ret_packet)
{
    struct relay_stream *stream = flow->stream;
    struct relay_way *way = &stream->ways[flow->side];
    enum media_refusal why;
    r->counters.packets_in++;
    r->counters.octets_in += octets;
    if (stream->is.kind == MEDIA_OFF)
        return refuse(flow, MEDIA_REFUSED_closed);
    if (stream->is.kind == MEDIA_UDPTL)
        return relay_udptl(flow, now, peer, packet, octets, ret_packet);
    enum rtp_kind kind = rtp_classify(slice_of(packet, octets));
    if (!is_expected(flow, kind, &why))
        return refuse(flow, why);
    enum origin origin = origin_of(flow, now, peer, way->in.srtp != NULL);
    if (origin == ORIGIN_FOREIGN)
        return refuse(flow, MEDIA_REFUSED_foreign);
    bool is_current_key = true;
    if (way->in.srtp) {
        enum srtp_result result = unprotect(way, now, kind == RTP_RTCP, packet, &octets, &is_current_key);
        if (result != SRTP_GOOD)
            return refuse(flow, refusal_of(result));
    } else if (flow->side == MEDIA_OUTSIDE) {
        return refuse(flow, MEDIA_REFUSED_no_key);
    }
    struct rtp_view view;
    int err = kind == RTP_RTCP ? rtcp_check(slice_of(packet, octets), true, NULL)
                               : rtp_read_header(slice_of(packet, octets), &view, NULL);
    if (err)
        return refuse(flow, MEDIA_REFUSED_malformed);
    accept_origin(flow, now, peer, origin, is_current_key);
    return kind == RTP_RTCP ? relay_rtcp(flow, now, packet, octets, ret_packet)
                            : relay_rtp(flow, now, packet, octets, &view, ret_packet);
}
