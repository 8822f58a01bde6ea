/* A carrier that relays media is the party that each side talks to: it describes ports of its own, answers what a side wants to change, and sends to
 * where it said at once. The other side hears of it only when the call is put on hold or is taken up again. */
#include "pstn/network_private.h"

#include "base/text.h"

#define DESCRIPTION_OCTETS_MAX 65536
#define AGAIN_LOW_MS 2100 /* RFC 3261 14.1: two that ask each other wait for different times */
#define AGAIN_HIGH_MS 4000

static void tell(struct pstn_call *c, unsigned side);

/* ---- ports ---- */

static void tell_due(void *owner)
{
    struct pstn_call *c = owner;
    tell(c, CALLER);
    tell(c, CALLED);
}

bool pstn_gateway_begin(struct pstn_call *c)
{
    struct pstn_network *n = c->network;
    const struct pstn_carrier_options *o = &n->options->carriers[c->from->options->carrier];
    struct pstn_call **calls = n->media[c->from->options->carrier];
    c->tell_timer = (struct ua_timer){.fire = tell_due, .owner = c};
    if (!o->media.family)
        return true;
    for (size_t tries = 0; tries < o->media_calls; tries++) {
        size_t *next = &n->media_next[c->from->options->carrier];
        const size_t i = (*next)++ % o->media_calls;
        if (calls[i])
            continue;
        calls[i] = c;
        c->media = i + 1;
        for (unsigned side = CALLER; side <= CALLED; side++) {
            const struct addr at = pstn_media_addr(o, 2 * i + side);
            pstn_party_init(&c->parties[side], &at, NULL, entropy_below(n->entropy, INT64_MAX));
        }
        return true;
    }
    return false;
}

void pstn_gateway_end(struct pstn_call *c)
{
    ua_timer_stop(&c->network->ua, &c->tell_timer);
    if (!c->media)
        return;
    c->network->media[c->from->options->carrier][c->media - 1] = NULL;
    c->media = 0;
    for (unsigned side = CALLER; side <= CALLED; side++) {
        c->network->counters.descriptions_wrong += c->parties[side].faults;
        pstn_party_fini(&c->parties[side]);
    }
}

/* ---- descriptions ---- */

static unsigned status_of(int err)
{
    return err == ERR_SYNTAX || err == ERR_RANGE || err == ERR_TRUNCATED ? 400 : err == ERR_NO_MEMORY ? 500 : 488;
}

/* Our offer to a side, or our answer to what it offers; lives in the region. 0, or a status. */
static unsigned describe(struct pstn_call *c, unsigned side, struct slice offer, struct region *region,
                         struct carried *ret_carried)
{
    struct buf out;
    buf_init(&out, DESCRIPTION_OCTETS_MAX);
    int err = offer.n ? pstn_party_answer(&c->parties[side], &c->network->ua.scratch, offer, &out)
                      : pstn_party_offer(&c->parties[side], &out);
    if (!err) {
        *ret_carried =
            (struct carried){.type = slice_str("application/sdp"), .body = region_copy(region, buf_slice(&out))};
        err = ret_carried->body.p ? 0 : ERR_NO_MEMORY;
    }
    buf_fini(&out);
    return err ? status_of(err) : 0;
}

/* A session timer (RFC 4028) is each side's own: who asks for one refreshes, and we bear it. */
static void put_timer(struct region *region, const struct sip_message *request, struct carried *carried)
{
    struct carried asked;
    carried_read(request, &asked);
    struct slice rest = asked.session_expires, seconds = text_trim(text_cut(&rest, ';'));
    if (!asked.has_timer || !seconds.n || (rest.n && memmem(rest.p, rest.n, "uas", 3)))
        return;
    char *text = region_alloc(region, seconds.n + sizeof ";refresher=uac");
    if (!text)
        return;
    memcpy(text, seconds.p, seconds.n);
    memcpy(text + seconds.n, ";refresher=uac", sizeof ";refresher=uac");
    carried->session_expires = slice_str(text);
    carried->has_timer = carried->needs_timer = true;
}

unsigned pstn_gateway_call(struct pstn_call *c, const struct sip_message *invite)
{
    c->has_offer = invite->body.n > 0;
    unsigned status = describe(c, CALLER, invite->body, &c->texts, &c->for_caller);
    if (status)
        return status;
    put_timer(&c->texts, invite, &c->for_caller);
    c->parties[CALLED].wants = c->has_offer ? c->parties[CALLER].far.way : c->parties[CALLED].wants;
    return describe(c, CALLED, (struct slice){0}, &c->texts, &c->carried);
}

void pstn_gateway_hear(struct pstn_call *c, unsigned side, struct slice body)
{
    if (body.n && pstn_party_hear(&c->parties[side], &c->network->ua.scratch, body) < 0)
        c->network->counters.descriptions_wrong++;
}

/* ---- in the middle of a call ---- */

/* What one side does now, the other one is told: that it is on hold, or is not any more. */
static void tell(struct pstn_call *c, unsigned side)
{
    struct carried offer;
    struct leg *leg = c->legs[side];
    if (!c->is_to_be_told[side] || c->is_told[side] || !leg || leg->state != LEG_UP)
        return;
    if (!describe(c, side, (struct slice){0}, &c->network->ua.scratch, &offer) &&
        !leg_request(leg, SIP_INVITE, &offer, PSTN_TOLD_COOKIE))
        c->is_told[side] = true;
    c->is_to_be_told[side] = false;
}

void pstn_gateway_told(struct pstn_call *c, unsigned side, unsigned status, const struct sip_message *response)
{
    struct ua *u = &c->network->ua;
    c->is_told[side] = false;
    if (c->legs[side])
        leg_ack(c->legs[side], NULL);
    if (status >= 200 && status < 300)
        pstn_gateway_hear(c, side, response->body);
    if (status == 491)
        c->is_to_be_told[side] = true;
    if (c->is_to_be_told[side])
        ua_timer(u, &c->tell_timer, entropy_between(u->entropy, AGAIN_LOW_MS, AGAIN_HIGH_MS));
}

static void pass_on_hold(struct pstn_call *c, unsigned from)
{
    struct pstn_party *to = &c->parties[!from];
    const struct pstn_way way = c->parties[from].far.way;
    if (way.sends == to->wants.sends && way.receives == to->wants.receives)
        return;
    to->wants = way;
    c->is_to_be_told[!from] = true;
    tell(c, !from);
}

void pstn_gateway_asked(struct pstn_call *c, unsigned side, uint64_t server, const struct sip_message *m)
{
    struct carried carried = {0};
    struct region *region = &c->network->ua.scratch;
    unsigned status = 0;
    if (m->method != SIP_INFO && m->body.n) {
        const struct sip_field *type = sip_field_first(m, SIP_CONTENT_TYPE);
        status = type && sip_token_eq_str(type->value, "application/sdp") ? describe(c, side, m->body, region, &carried)
                                                                          : 415;
    } else if (m->method == SIP_INVITE) {
        status = describe(c, side, (struct slice){0}, region, &carried);
    }
    if (!status && m->method != SIP_INFO)
        put_timer(region, m, &carried);
    leg_reply(c->legs[side], server, status ? status : 200, status ? NULL : &carried);
    if (!status && m->body.n)
        pass_on_hold(c, side);
}

/* ---- a carrier whose customers talk past it ---- */

void pstn_gateway_without_video(struct pstn_call *c, struct carried *carried)
{
    struct region *region = &c->network->ua.scratch;
    struct sip_sdp sdp;
    struct buf out;
    if (c->network->options->pbx || !sip_token_eq_str(carried->type, "application/sdp") ||
        sip_sdp_parse(region, carried->body, &sdp, NULL) < 0)
        return;
    struct sip_sdp_edit *e = sip_sdp_edit_new(region, &sdp);
    for (int i = 0; e && i < (int)sdp.media_count; i++) {
        if (slice_eq_str(sdp.media[i].media, "video"))
            sip_sdp_edit_port(e, i, 0);
    }
    buf_init(&out, DESCRIPTION_OCTETS_MAX);
    if (e && !sip_sdp_edit_write(e, &out)) {
        struct slice body = region_copy(region, buf_slice(&out));
        if (body.p)
            carried->body = body;
    }
    buf_fini(&out);
}
