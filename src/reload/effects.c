/* The queue of effects: what the peer wants its environment to do, oldest first. */
#include "reload/peer_internal.h"

struct peer_effect *peer_effect_new(struct peer *peer, enum peer_effect_type type)
{
    struct queued_effect *queued = mem_alloc(sizeof *queued);
    if (!queued) {
        peer->counters.memory_refused++;
        return NULL;
    }
    list_init(&queued->link);
    queued->effect.type = type;
    return &queued->effect;
}

static struct queued_effect *queued_of(struct peer_effect *effect)
{
    return CONTAINER_OF(effect, struct queued_effect, effect);
}

void peer_effect_queue(struct peer *peer, struct peer_effect *effect)
{
    list_append(&peer->effects, &queued_of(effect)->link);
}

int peer_effect_take(struct peer_effect *effect, struct buf *octets)
{
    struct queued_effect *queued = queued_of(effect);
    if (octets->err)
        return octets->err;
    queued->octets = *octets;
    effect->octets = buf_slice(octets);
    *octets = (struct buf){.limit = octets->limit};
    return 0;
}

struct region *peer_effect_region(struct peer_effect *effect)
{
    struct queued_effect *queued = queued_of(effect);
    if (!queued->region.limit)
        region_init(&queued->region, RELOAD_REGION_OCTETS_MAX);
    return &queued->region;
}

/* Every request has a result, also one for which there was no memory. */
static void tell_refused(struct peer *peer)
{
    while (peer->refused_count) {
        struct peer_effect *effect = peer_effect_new(peer, PEER_RESULT);
        if (effect)
            effect->result = region_alloc(peer_effect_region(effect), sizeof *effect->result);
        if (!effect || !effect->result) {
            peer_effect_free(effect);
            return;
        }
        effect->result->token = peer->refused[--peer->refused_count];
        effect->result->err = ERR_NO_MEMORY;
        peer_effect_queue(peer, effect);
    }
}

struct peer_effect *peer_effect_next(struct peer *peer)
{
    if (peer->refused_count)
        tell_refused(peer);
    struct list *first = list_pop(&peer->effects);
    return first ? &CONTAINER_OF(first, struct queued_effect, link)->effect : NULL;
}

void peer_effect_free(struct peer_effect *effect)
{
    if (!effect)
        return;
    struct queued_effect *queued = queued_of(effect);
    buf_fini(&queued->octets);
    if (queued->region.limit)
        region_fini(&queued->region);
    mem_free(queued);
}

void peer_effects_fini(struct peer *peer)
{
    struct peer_effect *effect;
    while ((effect = peer_effect_next(peer)) != NULL)
        peer_effect_free(effect);
}

void peer_effect_connect(struct peer *peer, uint64_t link, const struct addr *addr, struct id node)
{
    struct peer_effect *effect = peer_effect_new(peer, PEER_CONNECT);
    if (!effect)
        return;
    effect->link = link;
    effect->addr = *addr;
    effect->node = node;
    peer_effect_queue(peer, effect);
}

void peer_effect_close(struct peer *peer, uint64_t link, const char *reason)
{
    struct peer_effect *effect = peer_effect_new(peer, PEER_CLOSE);
    if (!effect)
        return;
    effect->link = link;
    effect->reason = reason;
    peer_effect_queue(peer, effect);
}

int peer_effect_send(struct peer *peer, uint64_t link, struct buf *octets)
{
    struct peer_effect *effect = octets->err ? NULL : peer_effect_new(peer, PEER_SEND);
    if (!effect) {
        buf_fini(octets);
        return ERR_NO_MEMORY;
    }
    effect->link = link;
    peer_effect_take(effect, octets);
    peer_effect_queue(peer, effect);
    return 0;
}

void peer_effect_state(struct peer *peer)
{
    struct peer_effect *effect = peer_effect_new(peer, PEER_STATE);
    if (!effect)
        return;
    effect->state = peer->state;
    effect->health = peer->told_health;
    peer_effect_queue(peer, effect);
}
