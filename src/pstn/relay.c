/* Media through a carrier: each side of a call is told of a port of the carrier, and what comes to one goes out of the other. One audio stream of a
 * call; others, and what is said of control packets and of further ways, are not changed or taken away. */
#include "pstn/audio.h"
#include "pstn/network_private.h"

#define DESCRIPTION_OCTETS_MAX 65536

struct addr pstn_media_addr(const struct pstn_carrier_options *carrier, size_t port)
{
    struct addr at = carrier->media;
    at.port = (uint16_t)(at.port + 2 * port); /* RFC 3550 11: even ones */
    return at;
}

bool pstn_relay_begin(struct pstn_call *c)
{
    struct pstn_network *n = c->network;
    const struct pstn_carrier_options *o = &n->options->carriers[c->from->options->carrier];
    struct pstn_call **calls = n->media[c->from->options->carrier];
    if (!o->media.family)
        return true;
    for (size_t i = 0; i < o->media_calls; i++) {
        if (calls[i])
            continue;
        calls[i] = c;
        c->media = i + 1;
        return true;
    }
    return false;
}

void pstn_relay_end(struct pstn_call *c)
{
    if (c->media)
        c->network->media[c->from->options->carrier][c->media - 1] = NULL;
    c->media = 0;
}

void pstn_relay_describe(struct pstn_call *c, unsigned side, struct carried *carried)
{
    static const char *const away[] = {"rtcp", "candidate", "rtcp-mux"};
    struct region *region = &c->network->ua.scratch;
    const struct pstn_carrier_options *o = &c->network->options->carriers[c->from->options->carrier];
    struct pstn_audio audio;
    struct buf out;
    if (!c->media || !sip_token_eq_str(carried->type, "application/sdp") ||
        !pstn_audio_read(region, carried->body, &audio))
        return;
    struct sip_sdp_edit *e = sip_sdp_edit_new(region, &audio.sdp);
    if (!e)
        return;
    const struct addr ours = pstn_media_addr(o, 2 * (c->media - 1) + !side);
    c->hears_at[side] = audio.at;
    sip_sdp_edit_connection(e, audio.media, &ours);
    sip_sdp_edit_port(e, audio.media, ours.port);
    for (size_t i = 0; i < sizeof away / sizeof away[0]; i++)
        sip_sdp_edit_remove(e, audio.media, away[i]);
    buf_init(&out, DESCRIPTION_OCTETS_MAX);
    if (!sip_sdp_edit_write(e, &out)) {
        struct slice body = region_copy(region, buf_slice(&out));
        if (body.p)
            carried->body = body;
    }
    buf_fini(&out);
}

bool pstn_network_relay(struct pstn_network *n, unsigned carrier, size_t port, const struct addr *from,
                        size_t *ret_port, struct addr *ret_to)
{
    const struct pstn_carrier_options *o = &n->options->carriers[carrier];
    const unsigned side = port % 2;
    struct pstn_call *c = port / 2 < o->media_calls ? n->media[carrier][port / 2] : NULL;
    if (!c || !addr_eq(&c->hears_at[side], from) || !c->hears_at[!side].family) {
        n->counters.media_refused++;
        return false;
    }
    if (pstn_draws(n, o->media_lost_percent)) {
        n->counters.media_lost++;
        return false;
    }
    c->record.packets[side]++;
    n->counters.media_relayed++;
    *ret_port = port ^ 1;
    *ret_to = c->hears_at[!side];
    return true;
}
