/* The objects of a phone. Private to phone.c and phone_media.c. */
#ifndef PSTN_PHONE_PRIVATE_H
#define PSTN_PHONE_PRIVATE_H

#include "pstn/leg.h"
#include "pstn/party.h"
#include "pstn/phone.h"
#include "pstn/registration.h"
#include "pstn/video.h"

struct phone_call {
    struct list link;
    struct pstn_phone *phone;
    struct leg *leg; /* NULL: gone */
    struct ua_timer timer;
    int64_t talk_ms;
    size_t port;             /* of its voice, counted from 1; 0: it has none */
    struct pstn_party party; /* what it says of its media, and the other side of its own */
    struct addr before;      /* where the other side was before it moved; family 0: it did not */
    struct mono moved_at;
    struct pstn_voice voice;
    struct pstn_video video;
    struct ua_timer voice_timer, video_timer;
    struct mono speaks_at, shows_at; /* when that is due */
    unsigned speaks, shows;          /* packets that are to be sent now */
    uint64_t gaps_told;
    bool holds;     /* we have put it on hold, or want to */
    bool is_asking; /* our re-INVITE is under way */
    bool is_to_ask; /* one is due */
    struct ua_timer ask_timer;
    struct pstn_phone_call facts;
};

/* A number that is registered somewhere. */
struct line {
    struct ua_password password;
    struct ua_registration registration;
};

struct pstn_phone {
    const struct pstn_phone_options *options;
    pstn_phone_fn *news;
    void *arg;
    struct ua ua;
    struct list calls;
    size_t call_count;
    struct line *lines;          /* as many as there are numbers, if they are registered */
    struct ua_password password; /* for calls */
    struct buf sdp;
    uint8_t packet[PSTN_VIDEO_OCTETS];
};

/* phone.c */
void phone_tell(struct phone_call *c, enum pstn_phone_event event);

/* phone_media.c */
size_t phone_port(const struct pstn_phone *p); /* a free one, from 1; 0: none */
void phone_media_init(struct phone_call *c);
void phone_media_fini(struct phone_call *c);
void phone_media_begin(struct phone_call *c); /* the call was answered */
void phone_media_stop(struct phone_call *c);  /* it is over */

/* The answer to what the message offers; an offer if it has none. 0, or the status of a refusal. */
unsigned phone_media_describe(struct phone_call *c, const struct sip_message *m, struct carried *ret_carried);
void phone_media_hear(struct phone_call *c, struct slice answer);
void phone_media_note(struct phone_call *c); /* into the facts */

#endif
