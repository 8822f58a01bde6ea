/* Addresses in Attach and AppAttach (RFC 6940 6.5.1, 6.5.2) without ICE: one candidate for each family of addresses that we have. Two nodes can
 * be linked if they have a family in common; of several, the first one that the other side names is taken. */
#include "reload/peer_internal.h"

static struct reload_candidate candidate_of(const struct addr *addr, uint32_t priority, struct slice foundation)
{
    return (struct reload_candidate){
        .address = reload_address_of(addr),
        .link = RELOAD_LINK_TLS_TCP_FH_NO_ICE,
        .foundation = foundation,
        .priority = priority,
        .type = RELOAD_CANDIDATE_HOST,
    };
}

size_t peer_candidates(const struct addr *addr, const struct addr *other, struct reload_candidate ret_candidates[2])
{
    size_t n = 0;
    if (addr->family)
        ret_candidates[n++] = candidate_of(addr, CANDIDATE_PRIORITY, slice_str("1"));
    if (other->family)
        ret_candidates[n++] = candidate_of(other, CANDIDATE_PRIORITY_OTHER, slice_str("2"));
    return n;
}

bool peer_has_family(const struct peer *peer, uint8_t family)
{
    const struct peer_options *o = &peer->options;
    return !o->address.family || o->address.family == family || o->other_address.family == family;
}

bool peer_is_own_address(const struct peer *peer, const struct addr *addr)
{
    return addr_eq(addr, &peer->options.address) || addr_eq(addr, &peer->options.other_address);
}

enum candidate_choice peer_candidate_choose(const struct peer *peer, const struct reload_attach *attach, bool ring_link,
                                            struct addr *ret_addr)
{
    enum candidate_choice choice = CANDIDATE_NONE;
    for (size_t i = 0; i < attach->candidate_count; i++) {
        const struct reload_candidate *c = &attach->candidates[i];
        if (ring_link && (c->link != RELOAD_LINK_TLS_TCP_FH_NO_ICE || c->type != RELOAD_CANDIDATE_HOST))
            continue;
        if (!c->address.addr.family || !c->address.addr.port)
            continue;
        choice = CANDIDATE_OTHER_FAMILY;
        if (!peer_has_family(peer, c->address.addr.family))
            continue;
        *ret_addr = c->address.addr;
        return CANDIDATE_CHOSEN;
    }
    return choice;
}
