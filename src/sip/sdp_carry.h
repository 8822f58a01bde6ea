/* Descriptions (RFC 8866) for media that moves from one session to another: a call's audio goes to the phone network and comes back while the
 * phone's own session lasts. What is said to a phone then is a next description of the session that it knows (RFC 3264 8): the same o= with a
 * higher version, as many m-lines as before, the audio in its place, all others refused.
 *
 * All functions write into `out` and leave it as it was when they fail. Errors, with octet and rule in ret_fault (may be NULL; of the description that
 * is carried): ERR_NOT_FOUND (it has no audio), ERR_CONFLICT (it cannot be said there: no audio in that session, encrypted where the session is
 * not, no codec in common), ERR_WRONG_STATE (nothing has been told yet), ERR_LIMIT, ERR_NO_MEMORY. */
#ifndef SIP_SDP_CARRY_H
#define SIP_SDP_CARRY_H

#include "sip/sdp.h"

#define SIP_SDP_TOLD_OCTETS_MAX 16384

/* ---- what one end of a dialog has been told ----
 * One per end, from its first description on. Once something else was said to it than the other end's own descriptions (carried, or of ours), all
 * later ones are written anew by sip_sdp_told_pass, which keeps o= and the count of m-lines. */

struct sip_sdp_told {
    uint8_t *octets; /* the last description; NULL: none yet */
    size_t n;
    bool diverged; /* something was said that was not passed on */
};

void sip_sdp_told_init(struct sip_sdp_told *t);
void sip_sdp_told_fini(struct sip_sdp_told *t);
static inline struct slice sip_sdp_told_text(const struct sip_sdp_told *t)
{
    return slice_of(t->octets, t->n);
}

/* It was told that, as it is. The version never goes back: see sip_sdp_told_pass. ERR_LIMIT (too long), ERR_NO_MEMORY: what was told before stays. */
int sip_sdp_told_note(struct sip_sdp_told *t, struct slice octets);

/* A description of the other end is passed on whole. As it is before the session has diverged; else with the o= that is known there, the version
 * higher by one if anything differs from what was told last. offer: NULL for an offer, which gets refused m-lines at its end where the session has
 * had more; for an answer the offer that it answers, as it came from there: m-lines that were put in on the way are taken off, ERR_CONFLICT if
 * one of them is in use. Noted; what is too long for that before it has diverged is passed on and the session forgotten. */
int sip_sdp_told_pass(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *sdp,
                      const struct sip_sdp *offer, struct buf *out, struct fault *ret_fault);

/* ---- carrying audio ---- */

/* The audio that a description is about: the first m=audio in use, else the first one. -1: none. */
int sip_sdp_audio(const struct sip_sdp *sdp);

/* The audio of `from` as an offer to that end: in the place of its session's audio, other m-lines refused. `from` may be an offer or an answer of another
 * session. Noted. */
int sip_sdp_carry_offer(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *from, struct buf *out,
                        struct fault *ret_fault);

/* The audio of `from` as the answer to an offer of that end: as many m-lines as the offer, others than the audio refused. An offer whose audio is refused
 * or absent: all are refused. `t` may be empty: then `from`'s o= is the session's name. Noted. */
int sip_sdp_carry_answer(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *offer,
                         const struct sip_sdp *from, struct buf *out, struct fault *ret_fault);

/* ---- descriptions of our own ---- */

struct sip_sdp_own {
    const struct addr *address; /* where we take media: c= and the port */
    uint64_t session_id;        /* of a session that is new; else o= goes on */
    enum sip_sdp_direction direction;
};

/* An offer of audio with the codecs of a description's audio (NULL: PCMA and PCMU), their payload types kept, and with telephone-event in each of their clock rates, put
 * in where it is missing. In the clear. Where the end was told something before: a next description of that session. Noted. */
int sip_sdp_own_offer(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *codecs,
                      const struct sip_sdp_own *own, struct buf *out, struct fault *ret_fault);

/* The answer of our own to an offer: of its audio's codecs the first that we can be silent in (PCMA, PCMU), else the first, and its telephone-event.
 * ERR_CONFLICT also for audio that is encrypted. Noted. */
int sip_sdp_own_answer(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *offer,
                       const struct sip_sdp_own *own, struct buf *out, struct fault *ret_fault);

/* ---- what was agreed ---- */

struct sip_sdp_codec {
    uint8_t type; /* payload type */
    char name[16];
    uint32_t clock_hz;
    unsigned channels;
};

/* The codecs of a section in its order, telephone-event, CN and what is unknown left out; at most `max`. Returns how many. */
size_t sip_sdp_codecs(const struct sip_sdp *sdp, int media, struct sip_sdp_codec *ret_codecs, size_t max);

/* Of the audio of two descriptions: how many codecs are in both, by name, clock and channels. */
size_t sip_sdp_codecs_in_common(const struct sip_sdp *a, const struct sip_sdp *b);

/* How we send audio to the writer of `theirs` after it and `ours` were agreed on. */
struct sip_sdp_stream {
    struct addr to;             /* family 0: nowhere, or to a name */
    bool sends, receives;       /* we, by both directions and addresses */
    struct sip_sdp_codec codec; /* the first of theirs that is in ours; types as they take them */
    bool has_events;
    uint8_t event_type;     /* that they take, at the codec's clock; else at any */
    uint8_t own_event_type; /* that we take */
    bool own_has_events;
};
/* ERR_NOT_FOUND: no audio is agreed on. ERR_CONFLICT: no codec is in common. */
int sip_sdp_stream(const struct sip_sdp *ours, const struct sip_sdp *theirs, struct sip_sdp_stream *ret_stream);

#endif
