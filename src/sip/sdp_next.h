/* How a next description of a session is written: whose name goes on, whose m-lines are kept, what stands in the place of the audio. Private to the
 * files sdp_*.c that carry audio (sdp_carry.h). */
#ifndef SIP_SDP_NEXT_H
#define SIP_SDP_NEXT_H

#include "sip/sdp_carry.h"

struct sdp_next {
    const struct sip_sdp *named;  /* whose o=, s= and t= are taken; NULL: of our own */
    bool goes_on;                 /* that was told: the version counts on */
    uint64_t session_id;          /* of our own */
    const struct sip_sdp *layout; /* whose m-lines are kept, all but the audio refused; NULL: the audio alone */
    int audio;                    /* its place there */
    struct slice connection;      /* "IN IP4 192.0.2.1", for all */
    struct slice section;         /* the audio, from m= to its last line end */
};

/* Writes it and notes it in t. 0, ERR_LIMIT, ERR_NO_MEMORY: neither `out` nor t has changed. */
int sip_sdp_next_write(struct sip_sdp_told *t, const struct sdp_next *next, struct buf *out);

/* m=, refused: "m=video 0 RTP/AVP 96" */
void sip_sdp_refused_put(const struct sip_sdp_media *m, struct buf *out);

/* What was told, read again. ERR_WRONG_STATE: nothing yet. */
int sip_sdp_told_read(const struct sip_sdp_told *t, struct region *region, struct sip_sdp *ret_sdp);

/* "IN IP4 192.0.2.1" */
struct slice sip_sdp_connection_text(struct region *region, const struct addr *address);

/* How media is protected, by the protocol of its m-line. */
enum sdp_protection { SDP_CLEAR, SDP_CRYPTO, SDP_DTLS, SDP_UNKNOWN };
enum sdp_protection sip_sdp_protection_of(struct slice protocol, bool *ret_feedback);

/* The direction of an answer whose writer would rather have `wanted`. */
enum sip_sdp_direction sip_sdp_direction_fitting(enum sip_sdp_direction offered, enum sip_sdp_direction wanted);

/* The fault is of the description's section (SIP_SDP_SESSION: of its beginning). Returns err. */
int sip_sdp_refuse(const struct sip_sdp *sdp, int media, int err, const char *rule, struct fault *ret_fault);

/* A payload type and what it means; false: a format that is none, or means nothing we know. Events and comfort noise have names, too. */
bool sip_sdp_codec_of(const struct sip_sdp *sdp, int media, struct slice format, struct sip_sdp_codec *ret_codec);
bool sip_sdp_codec_is(const struct sip_sdp_codec *c, const char *name);
bool sip_sdp_codec_same(const struct sip_sdp_codec *a, const struct sip_sdp_codec *b);
bool sip_sdp_codec_is_audio(const struct sip_sdp_codec *c); /* neither events nor comfort noise */

#endif
