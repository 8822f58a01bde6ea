/* Looking for the ring from outside of it (RFC 6940 11.4): bootstrap nodes are connected to and asked one after the other. A node that is
 * outside itself says so at once, so that nobody waits for it; when nobody is in a ring, one of those that may begins it (4.5.2).
 *
 * A round ends when every address has been tried; the next one begins after a rest that grows. Whoever becomes a member meanwhile tells
 * us by its Update. */
#include "reload/peer_internal.h"

#define CONNECT_MS 3000 /* for one address, before the next one is tried too */
#define REST_MS 500     /* doubled with each round */
#define REST_MAX_MS 15000
#define PATIENCE_WITH_GREATER 3 /* times first_wait_ms: it begins the ring, unless it hangs */

static bool is_own(const struct peer *peer, const struct bootstrap *b)
{
    return peer_is_own_address(peer, &b->addr);
}

static struct bootstrap *bootstrap_of(struct peer *peer, uint64_t link)
{
    for (size_t i = 0; link && i < peer->join.bootstrap_count; i++)
        if (peer->join.bootstraps[i].link == link)
            return &peer->join.bootstraps[i];
    return NULL;
}

struct link *chord_bootstrap_link(const struct peer *peer, const struct bootstrap *b)
{
    return id_is_zero(b->node) ? NULL : peer_link_to(peer, b->node);
}

static bool is_connecting(const struct peer *peer, const struct bootstrap *b)
{
    const struct link *link = b->link ? peer_link_find(peer, b->link) : NULL;
    return link && (link->state == LINK_CONNECTING || link->state == LINK_NAMELESS);
}

bool chord_bootstrap_connect(struct peer *peer, struct now now, struct bootstrap *b)
{
    struct link *link = peer_link_connect(peer, now, &b->addr, (struct id){{0}}, true);
    b->link = link ? link->number : 0;
    return link != NULL;
}

/* ---- what they say ---- */

void chord_bootstrap_met(struct peer *peer, const struct link *link)
{
    struct bootstrap *b = bootstrap_of(peer, link->number);
    if (!b)
        return;
    b->node = link->node;
    b->word = BOOTSTRAP_SILENT;
}

void chord_bootstrap_lost(struct peer *peer, uint64_t link)
{
    struct bootstrap *b = bootstrap_of(peer, link);
    if (!b)
        return;
    b->link = 0;
    if (!chord_bootstrap_link(peer, b))
        b->word = BOOTSTRAP_GONE;
}

void chord_bootstrap_answered(struct peer *peer, struct id node, int err)
{
    for (size_t i = 0; i < peer->join.bootstrap_count; i++) {
        struct bootstrap *b = &peer->join.bootstraps[i];
        if (!id_eq(b->node, node))
            continue;
        if (err == ERR_WRONG_STATE)
            b->word = BOOTSTRAP_LOOKING;
        else if (err == ERR_NOT_FOUND)
            b->word = BOOTSTRAP_OUTSIDE;
    }
}

void chord_bootstrap_claimed(struct peer *peer, struct id node, const struct reload_attach *attach)
{
    for (size_t i = 0; i < attach->candidate_count; i++)
        for (size_t k = 0; k < peer->join.bootstrap_count; k++)
            if (addr_eq(&attach->candidates[i].address.addr, &peer->join.bootstraps[k].addr))
                peer->join.bootstraps[k].claimed = node;
}

/* ---- beginning a ring ---- */

/* For how long a `first` node has to look at least; INT64_MAX: there is a ring. Of several that look, the one with the greatest Node-ID
 * begins, at once when all have said that they are outside. */
static int64_t patience_ms(const struct peer *peer)
{
    int64_t wait_ms = 0;
    for (size_t i = 0; i < peer->by_node_count; i++)
        if (peer->by_node[i]->member)
            return INT64_MAX;
    for (size_t i = 0; i < peer->join.bootstrap_count; i++) {
        const struct bootstrap *b = &peer->join.bootstraps[i];
        int64_t ms = 0;
        if (is_own(peer, b))
            continue;
        if (b->word == BOOTSTRAP_SILENT)
            ms = peer->options.first_wait_ms;
        else if (b->word == BOOTSTRAP_LOOKING && id_cmp(b->node, peer->options.self) > 0)
            ms = PATIENCE_WITH_GREATER * peer->options.first_wait_ms;
        wait_ms = ms > wait_ms ? ms : wait_ms;
    }
    return wait_ms;
}

static int64_t looked_us(const struct peer *peer, struct now now)
{
    return mono_since_us(now.mono, peer->join.began);
}

static bool may_begin(const struct peer *peer, struct now now)
{
    if (!peer->options.first)
        return false;
    int64_t ms = patience_ms(peer);
    return ms != INT64_MAX && looked_us(peer, now) >= ms * 1000;
}

/* ---- looking ---- */

static void wait_ms(struct peer *peer, struct now now, int64_t ms)
{
    heap_set(&peer->timers, &peer->join.timer.node, mono_after_ms(now.mono, ms));
}

void chord_bootstrap_rest(struct peer *peer, struct now now)
{
    struct join *join = &peer->join;
    int64_t ms = REST_MS;
    for (unsigned i = 0; i < join->failures && ms < REST_MAX_MS; i++)
        ms *= 2;
    if (ms > REST_MAX_MS)
        ms = REST_MAX_MS;
    join->failures++;
    join->resting = true;
    ms = entropy_between(&peer->ports.entropy, ms / 2, ms);
    if (peer->options.first && ms > peer->options.first_wait_ms / 2)
        ms = peer->options.first_wait_ms / 2; /* others wait for it */
    wait_ms(peer, now, ms);
}

/* There is a link to it, and it has not been asked in this round. */
static struct link *next_to_ask(struct peer *peer)
{
    for (size_t i = 0; i < peer->join.bootstrap_count; i++) {
        struct bootstrap *b = &peer->join.bootstraps[i];
        struct link *link = is_own(peer, b) ? NULL : chord_bootstrap_link(peer, b);
        if (!link || b->asked)
            continue;
        b->tried = b->asked = true;
        return link;
    }
    return NULL;
}

static struct bootstrap *next_untried(struct peer *peer)
{
    struct join *join = &peer->join;
    for (size_t i = 0; i < join->bootstrap_count; i++) {
        struct bootstrap *b = &join->bootstraps[(join->next + i) % join->bootstrap_count];
        if (!b->tried && !is_own(peer, b))
            return b;
    }
    return NULL;
}

static bool any_connecting(const struct peer *peer)
{
    for (size_t i = 0; i < peer->join.bootstrap_count; i++)
        if (is_connecting(peer, &peer->join.bootstraps[i]))
            return true;
    return false;
}

/* A `first` node has to hear from all of them; others try one more when the one before has failed, or takes long. */
static void connect_more(struct peer *peer, struct now now, bool one_more)
{
    struct bootstrap *b;
    while ((b = next_untried(peer)) != NULL) {
        if (!peer->options.first && !one_more && any_connecting(peer))
            return;
        one_more = false;
        b->tried = true;
        if (!is_connecting(peer, b) && !chord_bootstrap_link(peer, b))
            chord_bootstrap_connect(peer, now, b);
    }
}

static void look(struct peer *peer, struct now now, bool one_more)
{
    struct join *join = &peer->join;
    if (peer->state != PEER_CONNECTING || join->resting)
        return;
    struct link *link = next_to_ask(peer);
    if (link) {
        chord_join_ask(peer, now, link);
        return;
    }
    connect_more(peer, now, one_more);
    if (peer->state != PEER_CONNECTING || join->resting)
        return; /* making room for a link may have closed another one */
    if (may_begin(peer, now)) {
        log_event(peer->ports.log, LEVEL_NOTICE, "ring.first", "no ring answers: starting it");
        chord_became_member(peer, now);
        return;
    }
    if (!any_connecting(peer) && !next_untried(peer)) {
        chord_bootstrap_rest(peer, now);
        return;
    }
    int64_t ms = CONNECT_MS;
    if (peer->options.first && patience_ms(peer) != INT64_MAX)
        ms = patience_ms(peer) - looked_us(peer, now) / 1000;
    wait_ms(peer, now, ms > 0 ? ms : 0);
}

void chord_bootstrap_look(struct peer *peer, struct now now)
{
    look(peer, now, false);
}

/* Members of the ring that are connected to us know the way better than any bootstrap node. */
static struct link *any_member(struct peer *peer)
{
    size_t first = (size_t)entropy_below(&peer->ports.entropy, peer->by_node_count);
    for (size_t i = 0; i < peer->by_node_count; i++) {
        struct link *link = peer->by_node[(first + i) % peer->by_node_count];
        if (link->member && !link->suspect)
            return link;
    }
    return NULL;
}

void chord_bootstrap_round(struct peer *peer, struct now now)
{
    struct join *join = &peer->join;
    join->admitting = (struct id){{0}};
    join->resting = false;
    join->next = (size_t)entropy_below(&peer->ports.entropy, join->bootstrap_count);
    for (size_t i = 0; i < join->bootstrap_count; i++)
        join->bootstraps[i].tried = join->bootstraps[i].asked = false;
    chord_set_state(peer, PEER_CONNECTING);
    struct link *link = any_member(peer);
    if (link)
        chord_join_ask(peer, now, link);
    else
        look(peer, now, false);
}

void chord_bootstrap_timer(struct peer *peer, struct now now)
{
    if (peer->join.resting)
        chord_bootstrap_round(peer, now);
    else
        look(peer, now, true);
}
