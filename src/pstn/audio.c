/* Finding the audio stream of a description. */
#include "pstn/audio.h"

#include "base/text.h"

#include <stdio.h>

static bool lists_alaw(struct slice formats)
{
    while (formats.n) {
        if (slice_eq_str(text_cut(&formats, ' '), "8")) /* PCMA, RFC 3551 6 */
            return true;
    }
    return false;
}

/* An address, no name. */
static bool read_address(const struct sip_sdp *sdp, int media, struct addr *ret_at)
{
    struct sip_sdp_connection c;
    char text[ADDR_TEXT_OCTETS];
    const uint16_t port = sdp->media[media].port;
    if (!sip_sdp_connection(sdp, media, &c) || c.address.n > ADDR_TEXT_OCTETS - 3)
        return false;
    const int n =
        snprintf(text, sizeof text, slice_eq_str(c.addrtype, "IP6") ? "[%.*s]" : "%.*s", SLICE_PRINT(c.address));
    return !addr_parse(slice_of(text, (size_t)n), port, ret_at);
}

bool pstn_audio_read(struct region *region, struct slice body, struct pstn_audio *ret_audio)
{
    struct pstn_audio a;
    if (!body.n || sip_sdp_parse(region, body, &a.sdp, NULL) < 0)
        return false;
    for (a.media = 0; a.media < (int)a.sdp.media_count; a.media++) {
        const struct sip_sdp_media *m = &a.sdp.media[a.media];
        if (!slice_eq_str(m->media, "audio") || !m->port)
            continue;
        a.is_held = sip_sdp_holds(&a.sdp, a.media);
        a.takes_alaw = lists_alaw(m->formats);
        if (!read_address(&a.sdp, a.media, &a.at))
            return false;
        *ret_audio = a;
        return true;
    }
    return false;
}
