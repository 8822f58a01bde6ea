/* Data that we hold and are not responsible for any more goes to who is (RFC 6940 6.4.2.3, 10.7.3): what was our range before others turned
 * up in it, also when two parts of the ring that had grown apart become one; and whatever else lies here, before it is dropped.
 *
 * Our neighbors are offered theirs at once, and again when the ring has settled, since more peers may have turned up in between; what is
 * alike costs one comparison. Who is responsible for what lies beyond them is asked, place by place. */
#include "reload/peer_internal.h"

#define RUNS 3
#define RUN_AGAIN_MS 3000 /* times the runs so far, squared */
#define FAILED_RUNS_MAX 10
#define DROP_AFTER_MS 60000 /* nothing has changed for so long */
#define DROP_PORTION 256    /* resources */

static void offered(struct peer *peer, struct now now, void *ctx, int err)
{
    (void)now, (void)ctx;
    if (err)
        peer->handover.failed = true;
}

static void offer(struct peer *peer, struct now now, struct id owner, struct id from, struct id to)
{
    struct id any;
    if (!storage_first_resource(peer->ports.storage, from, to, &any))
        return;
    if (peer_transfer_start(peer, now, TRANSFER_OWNER, owner, from, to, 1, 0, offered, NULL))
        peer->handover.failed = true;
}

/* ---- beyond our neighbors ---- */

static void seek(struct peer *peer, struct now now, struct id from);

/* Who answers for the first place is responsible for all up to its own. */
static void owner_found(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    struct handover *h = &peer->handover;
    struct id owner = outcome->responder;
    (void)ctx;
    h->seeking = false;
    if (peer->state != PEER_JOINED)
        return;
    if (outcome->err) {
        h->failed = true;
        return;
    }
    struct id before = id_sub(h->sought, id_power_of_two(0));
    bool last = id_eq(owner, peer->options.self) || !id_in_open_open(before, owner, h->beyond);
    if (!id_eq(owner, peer->options.self))
        offer(peer, now, owner, before, last ? h->beyond : owner);
    if (!last)
        seek(peer, now, owner);
}

/* Goes on from a place to the last one that our neighbors do not tell of. */
static void seek(struct peer *peer, struct now now, struct id from)
{
    struct handover *h = &peer->handover;
    if (!storage_first_resource(peer->ports.storage, from, h->beyond, &h->sought))
        return;
    struct route route = {.id = h->sought};
    struct reload_body body = {.code = RELOAD_PING_REQ};
    if (peer_transaction_start(peer, now, &route, &body, owner_found, h))
        h->failed = true;
    else
        h->seeking = true;
}

/* ---- a run over all ---- */

/* How far below us. Ourselves, all around the ring, is farther than all others. */
static struct id depth(const struct peer *peer, struct id place)
{
    return id_sub(id_sub(peer->options.self, place), id_power_of_two(0));
}

static void run(struct peer *peer, struct now now)
{
    struct handover *h = &peer->handover;
    size_t n = chord_neighbor_count(peer);
    bool knows_all = peer->table.n <= peer->options.neighbors;
    h->failed = false;
    for (size_t i = 0; i < n; i++) {
        struct id owner = chord_table_predecessor(&peer->table, i);
        struct id lower = i + 1 < n ? chord_table_predecessor(&peer->table, i + 1) : peer->options.self;
        if (id_cmp(depth(peer, h->from), depth(peer, owner)) <= 0)
            return;
        if (i + 1 == n && !knows_all) {
            h->beyond = owner;
            if (!h->seeking)
                seek(peer, now, h->from);
            return;
        }
        if (id_cmp(depth(peer, h->from), depth(peer, lower)) < 0)
            lower = h->from;
        if (i >= h->skip)
            offer(peer, now, owner, lower, owner);
    }
}

static void handover_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    struct handover *h = &peer->handover;
    if (peer->state != PEER_JOINED)
        return;
    bool again = h->failed && h->runs < FAILED_RUNS_MAX;
    if (h->runs >= RUNS && !again) {
        h->pending = false;
        h->all_offered = !h->failed && id_eq(h->from, peer->options.self);
        return;
    }
    h->runs++;
    heap_set(&peer->timers, &timer->node, mono_after_ms(now.mono, RUN_AGAIN_MS * (int64_t)h->runs * h->runs));
    run(peer, now);
}

static void begin(struct peer *peer, struct now now, struct id from, size_t skip)
{
    struct handover *h = &peer->handover;
    if (!h->pending || id_cmp(depth(peer, from), depth(peer, h->from)) > 0)
        h->from = from;
    if (!h->pending || skip < h->skip)
        h->skip = skip;
    h->pending = true;
    h->runs = 0;
    h->failed = false;
    h->offered = peer->neighbors_changed;
    h->all_offered = false;
    h->timer.fire = handover_timer_fire;
    heap_set(&peer->timers, &h->timer.node, now.mono);
}

void chord_handover(struct peer *peer, struct now now, struct id from)
{
    begin(peer, now, from, 0);
}

/* Data of which three peers before us are nearer to its owner's duty than we is dropped (10.7.3), when things have been quiet, and when all of it
 * has been offered to its owners. */
void chord_handover_drop(struct peer *peer, struct now now)
{
    struct handover *h = &peer->handover;
    struct id self = peer->options.self, any;
    if (peer->table.n <= peer->options.replicas + 1 || !peer_transfers_idle(peer) || h->pending || h->seeking ||
        mono_since_us(now.mono, peer->neighbors_changed) < (int64_t)DROP_AFTER_MS * 1000)
        return;
    struct id from = chord_table_predecessor(&peer->table, peer->options.replicas);
    if (!storage_first_resource(peer->ports.storage, self, from, &any))
        return;
    if (h->all_offered && h->offered.us == peer->neighbors_changed.us)
        storage_keep_only(peer->ports.storage, now, from, self, DROP_PORTION);
    else
        begin(peer, now, self, peer->options.replicas);
}

void chord_handover_stop(struct peer *peer)
{
    peer_transactions_forget(peer, &peer->handover);
    heap_remove(&peer->timers, &peer->handover.timer.node);
    peer->handover.pending = peer->handover.seeking = false;
}
