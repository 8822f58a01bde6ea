/* How much strangers may ask, and what they are told. */
#include "agent/internal.h"

#include "base/siphash.h"

#define WINDOW_MS 1000
#define QUIET_MS 10000

void agent_strangers_init(struct agent *a)
{
    a->strangers.seed[0] = entropy_u64(a->ports.entropy);
    a->strangers.seed[1] = entropy_u64(a->ports.entropy);
}

/* IPv6 users have a /64 each, at least. Sources that have a place in common share what one may ask. */
static unsigned *asked_of(struct agent *a, const struct addr *peer)
{
    struct strangers *s = &a->strangers;
    return &s->asked_of[siphash_quick(s->seed, slice_of(peer->ip, peer->family == 4 ? 4 : 8)) % STRANGER_SOURCES];
}

static bool may_ask(struct agent *a, const struct addr *peer)
{
    struct strangers *s = &a->strangers;
    if (mono_due(s->window, a->now.mono)) {
        memset(s->asked_of, 0, sizeof s->asked_of);
        s->asked = 0;
        s->window = mono_after_ms(a->now.mono, WINDOW_MS);
    }
    unsigned *of = asked_of(a, peer);
    if (*of >= a->options->strangers_per_source_max || s->asked >= a->options->strangers_max)
        return false;
    *of += 1;
    s->asked += 1;
    return true;
}

static void tell(struct agent *a, const struct sip_flow *flow)
{
    struct strangers *s = &a->strangers;
    char peer[ADDR_TEXT_OCTETS];
    if (!mono_due(s->quiet_until, a->now.mono))
        return;
    log_event(a->ports.log, LEVEL_NOTICE, "agent.strangers", "side=%s refused=%u dropped=%u last=%s",
              agent_side_name((enum agent_side)flow->side), s->refused, s->dropped, addr_format(&flow->peer, peer));
    s->quiet_until = mono_after_ms(a->now.mono, QUIET_MS);
    s->refused = s->dropped = 0;
}

static bool begins(struct slice octets, const char *text)
{
    const size_t n = strlen(text);
    return octets.n >= n && memcmp(octets.p, text, n) == 0;
}

bool agent_stranger_input(struct agent *a, const struct sip_flow *flow, struct slice octets)
{
    if (begins(octets, "SIP/2.0 ")) /* only who has seen our request knows its branch */
        return false;
    if (begins(octets, "ACK ")) /* of an answer that we have forgotten */
        return true;
    const bool asks = may_ask(a, &flow->peer);
    if (asks && flow->side == AGENT_PBX && begins(octets, "REGISTER "))
        return false;
    if (asks) {
        a->counters.calls_refused_source++;
        a->strangers.refused++;
        sip_layer_refuse(a->layer, flow, octets, 403);
    } else {
        a->counters.strangers_dropped++;
        a->strangers.dropped++;
    }
    tell(a, flow);
    return true;
}
