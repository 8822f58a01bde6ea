/* One party of an exchange of offers and answers (RFC 3264): what a phone says of its media, or a carrier that relays media to one side of a call. One
 * stream of audio in G.711 with telephone events (RFC 4733), and perhaps one of video; whatever else is offered is refused, in its place. The
 * session has one name from beginning to end, and its version goes up by one with each change.
 *
 * What the other party says is held against the same rule: what it gets wrong is counted. If it says something else under the old version, that is
 * not taken: nothing has changed, as phones have it. */
#ifndef PSTN_PARTY_H
#define PSTN_PARTY_H

#include "pstn/g711.h"
#include "sip/sdp.h"

#define PSTN_STREAMS_MAX 16
#define PSTN_TYPE_NONE 255 /* no payload type */

/* As its describer wants it; whoever hears of it goes the other way. */
struct pstn_way {
    bool sends, receives;
};

/* A stream as the other party describes it. */
struct pstn_far {
    struct addr at; /* where it wants to be sent to; family 0: nowhere */
    struct pstn_way way;
    uint8_t type; /* of video */
};

struct pstn_party {
    struct addr audio, video;  /* of ours; video family 0: it has none */
    struct pstn_way wants;     /* what it would do if the other one lets it; may be changed between descriptions */
    uint64_t session, version; /* of the last description; version 0: there was none */
    struct buf said;           /* that, from the second line on */
    char streams[PSTN_STREAMS_MAX][48]; /* of the session: "video 0 RTP/AVP 99" */
    size_t stream_count;
    struct pstn_way does, shows; /* as described last: audio, video */
    uint8_t events, video_type;  /* payload types that we want */

    struct buf heard; /* the other party's last description */
    struct pstn_far far, far_video;
    enum pstn_law law;  /* in which it wants to be spoken to */
    uint8_t far_events; /* PSTN_TYPE_NONE: it takes none */
    uint64_t faults;    /* rules of RFC 3264 that it broke */
};

void pstn_party_init(struct pstn_party *p, const struct addr *audio, const struct addr *video, uint64_t session);
void pstn_party_fini(struct pstn_party *p);

/* Everything that it has, in place of what `out` holds. 0 or the buffer's error. */
int pstn_party_offer(struct pstn_party *p, struct buf *out);

/* Hears an offer, and answers it. ERR_SYNTAX, ERR_CONFLICT (there is nothing in it that it could talk over: 488): nothing has changed then. */
int pstn_party_answer(struct pstn_party *p, struct region *region, struct slice offer, struct buf *out);

/* Hears the answer to its offer. 0, ERR_SYNTAX. */
int pstn_party_hear(struct pstn_party *p, struct region *region, struct slice answer);

/* What is agreed: it is to send there now, and will be sent to. */
bool pstn_party_speaks(const struct pstn_party *p);
bool pstn_party_listens(const struct pstn_party *p);
bool pstn_party_shows(const struct pstn_party *p); /* video */

#endif
