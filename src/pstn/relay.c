/* Media through a carrier: what comes to the port of one side goes out of the other's, as that side wants it: in its law, with its payload type for
 * digits, after the time that it takes. */
#include "pstn/network_private.h"

#include "base/mem.h"
#include "media/rtp.h"

#define PARCELS_MAX 16384
#define MARKER 0x80

struct addr pstn_media_addr(const struct pstn_carrier_options *carrier, size_t port)
{
    struct addr at = carrier->media;
    at.port = (uint16_t)(at.port + 2 * port); /* RFC 3550 11: even ones */
    return at;
}

/* ---- life ---- */

void pstn_relay_init(struct pstn_network *n)
{
    for (unsigned i = 0; i < PSTN_CARRIERS_MAX; i++)
        list_init(&n->parcels[i]);
}

void pstn_relay_fini(struct pstn_network *n)
{
    for (unsigned i = 0; i < PSTN_CARRIERS_MAX; i++) {
        LIST_EACH(it, &n->parcels[i])
            mem_free(CONTAINER_OF(it, struct pstn_parcel, link));
    }
    mem_free(n->given);
}

static struct pstn_parcel *first_of(const struct pstn_network *n, unsigned carrier)
{
    const struct list *l = &n->parcels[carrier];
    return list_empty(l) ? NULL : CONTAINER_OF(l->next, struct pstn_parcel, link);
}

struct mono pstn_relay_deadline(const struct pstn_network *n)
{
    struct mono due = MONO_NEVER;
    for (unsigned i = 0; i < n->options->carrier_count; i++) {
        const struct pstn_parcel *p = first_of(n, i);
        if (p)
            due = mono_min(due, p->due);
    }
    return due;
}

/* ---- in ---- */

/* A digit is many packets with one timestamp (RFC 4733 2.5.1.2), and is lost as a whole. */
static bool digit_is_lost(struct pstn_call *c, unsigned side, uint32_t timestamp)
{
    struct pstn_network *n = c->network;
    if (!c->digits[side].is_known || c->digits[side].timestamp != timestamp) {
        c->digits[side].is_known = true;
        c->digits[side].timestamp = timestamp;
        c->digits[side].is_lost = pstn_draws(n, n->options->carriers[c->from->options->carrier].digits_lost_percent);
        n->counters.digits_lost += c->digits[side].is_lost;
        c->record.digits[side] += !c->digits[side].is_lost;
    }
    return c->digits[side].is_lost;
}

/* The packet as the other side wants it. False: that side does not get it. */
static bool translate(struct pstn_call *c, unsigned side, const struct rtp_view *rtp, uint8_t *octets)
{
    const struct pstn_party *from = &c->parties[side], *to = &c->parties[!side];
    struct pstn_counters *counters = &c->network->counters;
    enum pstn_law law;
    uint8_t type;
    if (pstn_law_find(rtp->payload_type, &law)) {
        const size_t begin = RTP_HEADER_OCTETS + rtp->csrc.n + (rtp->has_extension ? 4 + rtp->extension.n : 0);
        for (size_t i = begin; law != to->law && i < begin + rtp->payload.n; i++)
            octets[i] = pstn_g711_encode(to->law, pstn_g711_decode(law, octets[i]));
        type = pstn_law_payload_type(to->law);
    } else if ((rtp->payload_type == from->events || rtp->payload_type == from->far_events) &&
               to->far_events != PSTN_TYPE_NONE) {
        if (digit_is_lost(c, side, rtp->timestamp))
            return false;
        type = to->far_events;
    } else {
        counters->media_refused++;
        return false;
    }
    octets[1] = (uint8_t)((octets[1] & MARKER) | type);
    return true;
}

void pstn_network_take(struct pstn_network *n, struct now now, unsigned carrier, size_t port, const struct addr *from,
                       struct slice octets)
{
    const struct pstn_carrier_options *o = &n->options->carriers[carrier];
    const unsigned side = port % 2;
    struct pstn_call *c = port / 2 < o->media_calls ? n->media[carrier][port / 2] : NULL;
    struct rtp_view rtp;
    if (!c || !addr_eq(&c->parties[side].far.at, from) || octets.n > PSTN_PACKET_OCTETS_MAX ||
        rtp_read(octets, &rtp, NULL) < 0 || !rtp.payload.n) {
        n->counters.media_refused++;
        return;
    }
    if (!pstn_party_listens(&c->parties[side]) || !pstn_party_speaks(&c->parties[!side])) {
        n->counters.media_held++;
        return;
    }
    struct pstn_parcel *p = n->parcel_count < PARCELS_MAX ? mem_alloc(sizeof *p + octets.n) : NULL;
    if (!p || pstn_draws(n, o->media_lost_percent)) {
        n->counters.media_lost++;
        mem_free(p);
        return;
    }
    *p = (struct pstn_parcel){.due = mono_after_ms(now.mono, o->media_delay_ms),
                              .carrier = carrier,
                              .port = port ^ 1,
                              .call = c->record.number,
                              .n = octets.n};
    memcpy(p->octets, octets.p, octets.n);
    if (!translate(c, side, &rtp, p->octets)) {
        mem_free(p);
        return;
    }
    c->record.packets[side]++;
    n->parcel_count++;
    list_append(&n->parcels[carrier], &p->link);
}

/* ---- out ---- */

static struct pstn_parcel *due_parcel(struct pstn_network *n, struct now now)
{
    for (unsigned i = 0; i < n->options->carrier_count; i++) {
        struct pstn_parcel *p = first_of(n, i);
        if (!p || !mono_due(p->due, now.mono))
            continue;
        list_remove(&p->link);
        n->parcel_count--;
        return p;
    }
    return NULL;
}

/* It goes to where that side wants it by now. */
bool pstn_network_give(struct pstn_network *n, struct now now, struct pstn_packet *ret_packet)
{
    mem_free(n->given);
    while ((n->given = due_parcel(n, now))) {
        const struct pstn_parcel *p = n->given;
        const struct pstn_call *c = n->media[p->carrier][p->port / 2];
        if (c && c->record.number == p->call && pstn_party_speaks(&c->parties[p->port % 2])) {
            n->counters.media_relayed++;
            *ret_packet =
                (struct pstn_packet){p->carrier, p->port, c->parties[p->port % 2].far.at, slice_of(p->octets, p->n)};
            return true;
        }
        n->counters.media_held++;
        mem_free(n->given);
    }
    return false;
}
