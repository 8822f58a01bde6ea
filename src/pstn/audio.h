/* The audio stream of a description (RFC 8866): what phones talk over, and what a carrier relays. */
#ifndef PSTN_AUDIO_H
#define PSTN_AUDIO_H

#include "sip/sdp.h"

struct pstn_audio {
    struct sip_sdp sdp;
    int media;      /* its index there */
    struct addr at; /* where it is wanted */
    bool is_held;   /* nothing is wanted at the moment */
    bool takes_alaw;
};

/* The first one that is in use. Borrows the body, lives in the region. False: there is none, or it cannot be read. */
bool pstn_audio_read(struct region *region, struct slice body, struct pstn_audio *ret_audio);

#endif
