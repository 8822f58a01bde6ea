/* Messages that come while we join, from peers that take us for a member already (they were told a moment before us): kept until we are one,
 * instead of leaving it to their senders to repeat them after seconds. */
#include "reload/peer_internal.h"

#define EARLY_MAX 32

struct early {
    struct list order;
    uint64_t link;  /* that it came by */
    struct mono at; /* when: once its sender repeats it, it is of no use */
    struct buf message;
};

static void early_free(struct peer *peer, struct early *early)
{
    list_remove(&early->order);
    peer->early_count--;
    buf_fini(&early->message);
    mem_free(early);
}

bool peer_early_keep(struct peer *peer, const struct link *from, struct slice message)
{
    bool joining = peer->state == PEER_CONNECTING || peer->state == PEER_ATTACHING || peer->state == PEER_JOINING;
    if (!joining || peer->early_count == EARLY_MAX)
        return false;
    struct early *early = mem_alloc(sizeof *early);
    if (!early)
        return false;
    early->link = from->number;
    early->at = peer->now.mono;
    buf_init(&early->message, RELOAD_MESSAGE_OCTETS_MAX);
    buf_slice_put(&early->message, message);
    list_append(&peer->early, &early->order);
    peer->early_count++;
    if (early->message.err) {
        early_free(peer, early);
        return false;
    }
    peer->counters.messages_early++;
    return true;
}

void peer_early_take(struct peer *peer, struct now now)
{
    while (!list_empty(&peer->early)) {
        struct early *early = CONTAINER_OF(peer->early.next, struct early, order);
        struct buf message = early->message;
        struct link *from = peer_link_find(peer, early->link);
        int64_t age_us = mono_since_us(now.mono, early->at);
        buf_init(&early->message, 0);
        early_free(peer, early);
        bool fresh = age_us < INT64_C(1000) * peer->config->overlay_reliability_timer_ms;
        if (fresh && from && from->state == LINK_UP)
            peer_forward_input(peer, now, from, buf_slice(&message));
        buf_fini(&message);
    }
}

void peer_early_drop(struct peer *peer)
{
    LIST_EACH(it, &peer->early)
        early_free(peer, CONTAINER_OF(it, struct early, order));
}
