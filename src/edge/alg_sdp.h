/* Offers and answers (RFC 3264) that pass through the edge, by which media is led through us: each description that a message carries is read, checked
 * and written anew for the other side, and what both sides have agreed becomes a media session.
 *
 * What changes: addresses and ports (c=, o=, m=, a=rtcp) become ours, RTP/AVP becomes RTP/SAVP outside and the other way, a=crypto is between each
 * side and us, and what would lead media past us goes (ICE, DTLS fingerprints, BUNDLE, capability negotiation of transports). The session keeps the name (o=) that it was
 * first told by, and its version counts what we changed as well. All else stays as it came.
 *
 * One struct alg_sdp is one dialog's; a fork of an INVITE gets its own (alg_sdp_clone). Ports belong to the session of the call: forks share them. */
#ifndef EDGE_ALG_SDP_H
#define EDGE_ALG_SDP_H

#include "base/entropy.h"
#include "edge/alg_check.h"
#include "edge/alg_place.h"
#include "media/port.h"
#include "media/session.h"
#include "sip/edit.h"

struct alg_sdp;

/* What it needs of the world. Borrowed, for one call of alg_sdp_pass. */
struct alg_sdp_ports {
    const struct edge_options *options;
    const struct entropy *entropy;
    const struct media_port *media; /* open for the session already; only bind is used. NULL: no media is let through */
    uint8_t families[EDGE_SIDES]; /* which addresses a side likes: 4 or 6, that of its signalling; 0: any that it has */
};

/* session: as media_port has it. 0 or ERR_NO_MEMORY. */
int alg_sdp_new(uint64_t session, unsigned sensitivity, struct alg_sdp **ret_sdp);
/* From 0 (never told) to 5; told to media with the next alg_sdp_session. */
void alg_sdp_set_sensitivity(struct alg_sdp *x, unsigned sensitivity);
struct alg_sdp *alg_sdp_clone(const struct alg_sdp *x); /* NULL: no memory */
void alg_sdp_free(struct alg_sdp *x);                   /* wipes its keys; NULL is allowed */

enum alg_sdp_kind {
    ALG_SDP_NONE,   /* no description in it: nothing changed */
    ALG_SDP_TAKEN,  /* one that means nothing there (RFC 3261 13.2.1): taken out of the message */
    ALG_SDP_OFFER,  /* rewritten; media as it was */
    ALG_SDP_ANSWER, /* alg_sdp_session has changed, and is for media_port.set: an answer, or the 2xx to an INVITE that was answered before */
    ALG_SDP_ENDED   /* the offer was refused by this message, or left without its answer: media as it was */
};

/* A message passes, from that side; request is NULL if it is one itself, else the one that it answers, as it came from the other side. Call it for each
 * INVITE, ACK, PRACK, UPDATE and their responses, repeated ones included (they come out the same), and for all else that may have a body: what is no
 * offer or answer is taken out. x NULL: outside of calls. The description and its place in a body of several parts are replaced in the edit, whose head
 * others change. 0; ERR_FORBIDDEN with the verdict: nothing has changed, but a response or ACK that is refused ends the call, since whoever sent it takes it for agreed;
 * ERR_NO_MEMORY (verdict too). */
int alg_sdp_pass(struct alg_sdp *x, const struct alg_sdp_ports *ports, enum edge_side from, const struct sip_message *m,
                 const struct sip_message *request, struct region *region, struct sip_edit *e,
                 enum alg_sdp_kind *ret_kind, struct alg_verdict *ret_verdict);

/* An offer was not answered and never will be: the request that carried it ended without a response. Nothing if there is none. */
void alg_sdp_withdraw(struct alg_sdp *x);

/* Nothing of the last offer will be repeated anymore (its ACK or final response was seen): what is kept for that is given back. */
void alg_sdp_settle(struct alg_sdp *x);

/* What is agreed; its stream_count is 0 until the first answer. Valid until the next pass. */
const struct media_session *alg_sdp_session(const struct alg_sdp *x);

bool alg_sdp_waits(const struct alg_sdp *x);    /* an offer is not answered yet */
size_t alg_sdp_memory(const struct alg_sdp *x); /* octets, for limits */

/* For a stand-by: what is agreed, keys included, so that the octets are secret. An offer that waits is not in it: its negotiation ends with the
 * process. Appends. Decoding checks all of it: ERR_SYNTAX, ERR_TRUNCATED, ERR_RANGE, ERR_UNSUPPORTED, ERR_NO_MEMORY. */
int alg_sdp_encode(const struct alg_sdp *x, struct buf *out);
int alg_sdp_decode(struct slice octets, struct alg_sdp **ret_sdp, struct fault *ret_fault);

#endif
