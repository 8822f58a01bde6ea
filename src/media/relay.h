/* The relay of media as one passive object: sessions, the ports of their streams, packets in, packets out. One worker process has one.
 *
 *     media_relay_set(relay, now, &session);                     new, or described anew
 *     flow = media_relay_flow(relay, id, stream, side, component) for each port; what comes to it:
 *     if (media_relay_packet(relay, now, flow, &peer, octets, &packet)) send it from packet.flow to packet.to
 *     media_relay_tick(relay, now) at media_relay_deadline(relay), then media_relay_next for events
 *
 * Sources. Inside, a stream is taken from the host that was negotiated, and from the port that its first packet came from. Outside, from wherever the
 * first packet came that verifies under the stream's key, for the other end may be behind a NAT. That address is latched: packets from
 * elsewhere are foreign, and answers go there (RFC 4961). It is let go when a new description names another address or another key, and
 * an address that has been silent for relatch_ms gives way to another one, again by a packet that verifies. Nothing that does not verify
 * moves anything. */
#ifndef MEDIA_RELAY_H
#define MEDIA_RELAY_H

#include "base/buf.h"
#include "base/counter.h"
#include "base/time.h"
#include "media/event.h"
#include "media/judge.h"
#include "media/srtp.h"

struct media_relay;

/* One port of one side of a stream. RTP: that of RTP, and of RTCP too with rtcp_mux. RTCP: the next one. Lives as long as its session. */
struct media_flow;
enum media_component { MEDIA_COMPONENT_RTP, MEDIA_COMPONENT_RTCP };
#define MEDIA_COMPONENTS 2

/* Protection makes packets longer: so many octets must be writable behind what was received. */
#define MEDIA_PACKET_ROOM SRTP_OVERHEAD_OCTETS_MAX

struct media_relay_options {
    uint32_t sessions_max;
    uint32_t silence_ms;     /* 0: silence is not told; before a call is answered it never is */
    uint32_t relatch_ms;     /* see above */
    uint32_t rekey_grace_ms; /* what is protected by the key before is taken for so long */
    uint32_t figures_ms; /* MEDIA_FIGURES and MEDIA_STATE that often, the latter at each description, too; 0: never */
    enum srtp_backend backend;
    struct quality_policy quality;
};
void media_relay_options_init(struct media_relay_options *options);

/* The seed keeps a peer from choosing identifiers that collide in tables. */
int media_relay_new(const struct media_relay_options *options, uint64_t seed, struct media_relay **ret_relay);
void media_relay_free(struct media_relay *r); /* NULL is allowed */

/* For sessions, and for what is not known yet, from the next packet on. */
void media_relay_set_options(struct media_relay *r, const struct media_relay_options *options);

/* ---- sessions ---- */

/* The whole description, new or changed: streams, addresses, keys. Keys that stay go on with their counters. Nothing of the session changes on
 * failure: ERR_RANGE (id 0, more streams than there can be), ERR_LIMIT, ERR_NO_MEMORY, ERR_CRYPTO, ERR_UNSUPPORTED. */
int media_relay_set(struct media_relay *r, struct now now, const struct media_session *session);

/* The port's flow; a session that is not there yet is made, with all streams off. ERR_RANGE, ERR_LIMIT, ERR_NO_MEMORY. */
int media_relay_flow(struct media_relay *r, struct now now, uint64_t session, unsigned stream, enum media_side side,
                     enum media_component component, struct media_flow **ret_flow);

/* The port is there (with what the caller knows it by), or not there anymore: NULL. What would go out of it is dropped then, and what has
 * latched is let go. */
void media_flow_set_port(struct media_flow *flow, void *port);
void *media_flow_port(const struct media_flow *flow);
unsigned media_flow_stream(const struct media_flow *flow);
enum media_component media_flow_component(const struct media_flow *flow);

/* Ends the session; its flows are gone. MEDIA_SUMMARY follows. ERR_NOT_FOUND. */
int media_relay_remove(struct media_relay *r, struct now now, uint64_t session);

bool media_relay_has(const struct media_relay *r, uint64_t session);

/* The description that holds now; NULL for a stream that was never described. Valid until the next set. */
const struct media_stream *media_relay_stream(const struct media_relay *r, uint64_t session, unsigned stream);

/* ---- packets ---- */

struct media_packet {
    struct media_flow *flow; /* its port is never NULL */
    struct addr to;
    size_t octets; /* at the place of what was received */
};

/* Takes what came to a flow, in place: MEDIA_PACKET_ROOM octets behind it may be written. True: send ret_packet, and then the octets are changed. */
bool media_relay_packet(struct media_relay *r, struct mono now, struct media_flow *flow, const struct addr *peer,
                        uint8_t *packet, size_t octets, struct media_packet *ret_packet);

/* ---- time and events ---- */

void media_relay_tick(struct media_relay *r, struct now now);
struct mono media_relay_deadline(const struct media_relay *r);

/* True: media_relay_next has something to tell. */
bool media_relay_has_news(const struct media_relay *r);

/* What has happened; false: nothing more. Never more waits than each session has to say: what was not fetched is told as it is later. */
bool media_relay_next(struct media_relay *r, struct now now, struct media_event *ret_event);

/* ERR_NOT_FOUND. */
int media_relay_figures(struct media_relay *r, struct now now, uint64_t session, struct media_summary *ret_summary);

/* ---- a session as octets, for a stand-by or another process ---- */

/* Description, keys, counters of SRTP, latched addresses, figures: all but the ports. Secret: buf_fini_secret. 0, ERR_NOT_FOUND,
 * ERR_UNSUPPORTED (by the backend), or the buffer's error. */
int media_relay_export(struct media_relay *r, struct now now, uint64_t session, struct buf *ret_state);

/* Makes the session go on where the export was made: its ports follow (media_relay_flow). ERR_EXISTS, ERR_LIMIT, ERR_NO_MEMORY, or
 * ERR_SYNTAX, ERR_RANGE, ERR_TRUNCATED with ret_fault. */
int media_relay_import(struct media_relay *r, struct now now, struct slice state, uint64_t *ret_session,
                       struct fault *ret_fault);

/* ---- counters ---- */

/* clang-format off */
#define MEDIA_COUNTERS(X) \
    X(sessions) /* now */ \
    X(packets_in) X(packets_out) X(octets_in) X(octets_out) \
    X(refused_foreign) X(refused_forged) X(refused_replayed) X(refused_malformed) X(refused_no_key) X(refused_not_sending) X(refused_no_way) \
    X(refused_closed)
/* clang-format on */
COUNTERS_DECLARE(media_counters, MEDIA_COUNTERS)

const struct media_counters *media_relay_counters(const struct media_relay *r);

#endif
