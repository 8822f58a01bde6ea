/* Provisional answers: plain ones, and reliable ones for callers that demand it (RFC 3262). */
#include "pstn/leg_private.h"

#define GAVE_UP 504 /* section 3: a 5xx when no PRACK comes */

static void due(void *owner)
{
    struct leg *l = owner;
    struct ua *u = l->ua;
    switch (sip_100rel_server_tick(&l->reliable, u->now)) {
    case SIP_RESEND_AGAIN:
        sip_server_respond(u->layer, u->now, l->server, buf_slice(&l->reliable.resend.octets));
        break;
    case SIP_RESEND_GIVE_UP:
        leg_respond(l, l->server, GAVE_UP, NULL);
        leg_server_done(l);
        leg_ended(l, NULL);
        return;
    case SIP_RESEND_WAIT:
        break;
    }
    heap_set(&u->timers, &l->reliable_timer.node, sip_100rel_server_deadline(&l->reliable));
}

void leg_ringing_init(struct leg *l, const struct sip_message *invite)
{
    uint32_t first = 1;
    l->reliable_timer = (struct ua_timer){.fire = due, .owner = l};
    l->is_reliable = invite && sip_lists(invite, SIP_REQUIRE, "100rel");
    if (l->is_reliable)
        first = (uint32_t)entropy_between(l->ua->entropy, 1, SIP_RSEQ_FIRST_MAX);
    sip_100rel_server_init(&l->reliable, invite ? invite->cseq.number : 0, first);
}

void leg_ringing_fini(struct leg *l)
{
    ua_timer_stop(l->ua, &l->reliable_timer);
    sip_100rel_server_fini(&l->reliable);
}

void leg_ringing_put(struct leg *l, struct buf *out)
{
    sip_put(out, SIP_REQUIRE, slice_str("100rel"));
    sip_put_text(out, SIP_RSEQ, "%u", sip_100rel_server_rseq(&l->reliable));
}

void leg_ring(struct leg *l, unsigned status, const struct carried *carried)
{
    struct ua *u = l->ua;
    if (l->state != LEG_CALLED || (l->is_reliable && sip_100rel_server_waits(&l->reliable)))
        return; /* one at a time, and nobody waits for the second */
    if (leg_respond(l, l->server, status, carried) && l->is_reliable &&
        !sip_100rel_server_sent(&l->reliable, u->now, buf_slice(&u->octets), SIP_T1_MS))
        heap_set(&u->timers, &l->reliable_timer.node, sip_100rel_server_deadline(&l->reliable));
}

void leg_ringing_over(struct leg *l)
{
    sip_100rel_server_final(&l->reliable);
    ua_timer_stop(l->ua, &l->reliable_timer);
}

unsigned leg_ringing_pracked(struct leg *l, const struct sip_message *prack)
{
    const unsigned status = sip_100rel_server_pracked(&l->reliable, prack);
    if (status == 200 && !sip_100rel_server_waits(&l->reliable))
        ua_timer_stop(l->ua, &l->reliable_timer);
    return status;
}
