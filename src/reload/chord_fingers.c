/* Fingers (RFC 6940 10.5, 10.7.4.2, 10.7.4.3): every cell of the finger table (reload/chord_cells.h) wants one, the nearest in time of those that
 * are known. They are looked for in rounds: soon after joining, then at growing intervals up to chord-ping-interval, and soon again
 * when a finger has failed. A link that has become useless to us, and that the other side never asked for, is closed. */
#include "reload/peer_internal.h"

#define ROUND_MS \
    5000 /* between the first and the second round; each pause is three times as long as the one before … */
#define ROUND_FACTOR 3        /* … up to chord-ping-interval */
#define ROUND_ANSWERS_MS 2000 /* the Updates that were asked for are there */
#define ROUND_AFTER_LOSS_MS 3000
#define ROUND_CROWDED_MS 30000
#define NEAR_FIRST 2        /* candidates that are attached to before all others */
#define NEAR_LINKS 6        /* of which these are asked */
#define BETTER_PER_ROUND 12 /* fingers that are replaced by nearer ones */
#define SHED_PER_ROUND 4
#define SHOWN_FIRST_ROUND 2 /* fewer fingers than there will be are not worth to be told of at once */
#define SHOWN_ROUND 3       /* those of a new node change all the time: from then on they are shown anew … */
#define SHOWN_PART 2        /* … when one in so many is new */
#define TRIM_PER_ROUND 16
#define NEARER 0.75f /* of the present round trip, and so many milliseconds less: worth a link */
#define NEARER_MS 6.0f
#define POPULOUS 8                    /* nodes that a cell holds for a place in it to be asked for unseen */
#define SURPLUS_QUIET_MS 5000         /* that long nothing came over a link that is useless */
#define SURPLUS_HURRIED_QUIET_MS 3000 /* … when there are too many */

/* ---- what is there ---- */

/* As long as nothing is measured, what the coordinates foretell; else so long that everything is better. */
static float round_trip_ms(const struct peer *peer, const struct link *link)
{
    if (link->srtt_us)
        return (float)link->srtt_us / 1000;
    return coordinate_is_known(&link->coordinate) ? coordinate_rtt_ms(&peer->coordinate, &link->coordinate)
                                                  : FINGER_UNKNOWN_MS;
}

/* A bootstrap node that we came in through, or who came in through us, may go at any time. */
static bool is_kept(const struct link *link)
{
    return link->asked_by_us || link->asked_by_them;
}

static unsigned cell_of_entry(const struct peer *peer, size_t i)
{
    return chord_cells_of(&peer->cells, peer->options.self, peer->table.nodes[i]);
}

/* Where the entries of a cell begin: the farther an entry, the smaller its cell's number. */
static size_t cell_begin(const struct peer *peer, unsigned cell)
{
    size_t low = 0, high = peer->table.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cell_of_entry(peer, middle) > cell)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The nearest entry of a cell. NULL: it is empty. */
static struct link *nearest_in_cell(const struct peer *peer, unsigned cell)
{
    struct link *nearest = NULL;
    for (size_t i = cell_begin(peer, cell); i < peer->table.n && cell_of_entry(peer, i) == cell; i++) {
        struct link *link = peer_link_to(peer, peer->table.nodes[i]);
        if (!link || !is_kept(link))
            continue;
        if (!nearest || round_trip_ms(peer, link) < round_trip_ms(peer, nearest))
            nearest = link;
    }
    return nearest;
}

bool chord_is_finger(const struct peer *peer, struct id node)
{
    unsigned cell = chord_cells_of(&peer->cells, peer->options.self, node);
    if (cell >= peer->cells.count || !chord_table_has(&peer->table, node))
        return false;
    struct link *nearest = nearest_in_cell(peer, cell);
    return nearest && id_eq(nearest->node, node);
}

/* All peers in the table that are no neighbors, in numerical order: the table begins in the middle of it. Returns how many. */
size_t chord_fingers(const struct peer *peer, struct id *ret_fingers, size_t max)
{
    const struct chord_table *table = &peer->table;
    size_t neighbors = chord_neighbor_count(peer), n = 0;
    if (table->n <= 2 * neighbors)
        return 0;
    size_t first = neighbors, end = table->n - neighbors, least = first;
    while (least < end && id_cmp(table->nodes[least], peer->options.self) > 0)
        least++;
    for (size_t i = least; i < end && n < max; i++)
        ret_fingers[n++] = table->nodes[i];
    for (size_t i = first; i < least && n < max; i++)
        ret_fingers[n++] = table->nodes[i];
    return n;
}

/* Neighbors-to-be count as neighbors: in a changing ring they come and go. */
static bool is_near_self(const struct peer *peer, struct id node)
{
    return chord_table_would_be_neighbor(&peer->table, node, peer->options.neighbors + 2);
}

bool chord_link_is_surplus(const struct peer *peer, struct now now, const struct link *link, int64_t quiet_ms)
{
    struct mono quiet_since = mono_max(link->since, link->heard);
    return peer->state == PEER_JOINED && link->state == LINK_UP && (link->asked_by_us || link->bootstrap) &&
           !link->asked_by_them && !link->sent_count && mono_since_us(now.mono, quiet_since) >= quiet_ms * 1000 &&
           !is_near_self(peer, link->node) && !chord_is_finger(peer, link->node);
}

/* ---- candidates that turned out not to be better ---- */

static uint32_t mark_of(struct id node)
{
    return (uint32_t)node.octets[12] << 24 | (uint32_t)node.octets[13] << 16 | (uint32_t)node.octets[14] << 8 |
           node.octets[15];
}

static void reject(struct peer *peer, struct id node)
{
    peer->rejected[peer->rejected_next++ % FINGERS_REJECTED_MAX] = mark_of(node);
}

static bool is_rejected(const struct peer *peer, struct id node)
{
    for (unsigned i = 0; i < FINGERS_REJECTED_MAX; i++)
        if (peer->rejected[i] == mark_of(node))
            return true;
    return false;
}

/* ---- what is not needed any more ---- */

static void links_trim(struct peer *peer, struct now now, int64_t quiet_ms)
{
    struct id surplus[TRIM_PER_ROUND];
    size_t n = 0;
    for (size_t i = 0; i < peer->by_node_count && n < TRIM_PER_ROUND; i++)
        if (chord_link_is_surplus(peer, now, peer->by_node[i], quiet_ms))
            surplus[n++] = peer->by_node[i]->node;
    for (size_t i = 0; i < n; i++)
        chord_link_close_surplus(peer, now, peer_link_to(peer, surplus[i]));
}

void chord_link_close_surplus(struct peer *peer, struct now now, struct link *link)
{
    peer->counters.links_surplus++;
    reject(peer, link->node);
    peer_link_close(peer, now, link, "neither neighbor nor finger any more");
}

/* More links than we want, because neighbors came, or others asked while we were few: those who asked for the rest look for somebody else. */
static void links_shed(struct peer *peer, struct now now)
{
    for (unsigned i = 0; i < SHED_PER_ROUND && peer->link_count > peer->options.links_wanted; i++) {
        struct link *quietest = NULL;
        for (size_t k = 0; k < peer->by_node_count; k++) {
            struct link *link = peer->by_node[k];
            if (!link->bootstrap && !link->sent_count && (!quietest || link->heard.us < quietest->heard.us) &&
                mono_since_us(now.mono, mono_max(link->since, link->heard)) >=
                    (int64_t)SURPLUS_HURRIED_QUIET_MS * 1000 &&
                !is_near_self(peer, link->node) && !chord_is_finger(peer, link->node))
                quietest = link;
        }
        if (!quietest)
            return;
        chord_link_close_surplus(peer, now, quietest);
    }
}

static bool has_room(const struct peer *peer)
{
    return peer->link_count + peer->attach_count + peer->options.neighbors < peer->options.links_wanted;
}

bool chord_make_room_for(struct peer *peer, struct now now, struct id node)
{
    if (peer->state != PEER_JOINED || is_near_self(peer, node) || has_room(peer))
        return true;
    links_trim(peer, now, SURPLUS_HURRIED_QUIET_MS);
    return has_room(peer);
}

/* ---- candidates ---- */

static bool is_possible(const struct peer *peer, struct now now, struct id node)
{
    return !id_is_zero(node) && !id_is_wildcard(node) && !id_eq(node, peer->options.self) &&
           !peer_link_to(peer, node) && !chord_table_would_be_neighbor(&peer->table, node, peer->options.neighbors) &&
           !is_rejected(peer, node) && !peer_node_is_shunned(peer, now, node) &&
           !config_is_bad_node(peer->config, node);
}

static float foretold_ms(const struct peer *peer, const struct coordinate *coordinate)
{
    return coordinate_is_known(coordinate) && coordinate_is_known(&peer->coordinate)
               ? coordinate_rtt_ms(&peer->coordinate, coordinate)
               : FINGER_UNKNOWN_MS;
}

/* Whether a node that is foretold to be so near would be a gain for its cell. */
static bool is_gain(const struct peer *peer, unsigned cell, float foretold)
{
    const struct link *present = nearest_in_cell(peer, cell);
    if (!present)
        return true;
    float ms = round_trip_ms(peer, present);
    return foretold < ms * NEARER && foretold + NEARER_MS < ms;
}

static bool candidates_grow(struct peer *peer)
{
    if (peer->candidate_count == peer->candidate_capacity) {
        size_t capacity = peer->candidate_capacity ? 2 * peer->candidate_capacity : 8;
        struct candidate *grown = mem_resize(peer->candidates, capacity * sizeof *grown);
        if (!grown) {
            peer->counters.memory_refused++;
            return false;
        }
        peer->candidates = grown;
        peer->candidate_capacity = capacity;
    }
    peer->candidate_count++;
    return true;
}

void chord_finger_offer(struct peer *peer, struct now now, struct id node, struct id via,
                        const struct coordinate *coordinate)
{
    if (!is_possible(peer, now, node))
        return;
    if (peer->state == PEER_JOINED && peer->finger_round) {
        unsigned cell = chord_cells_of(&peer->cells, peer->options.self, node);
        if (cell >= peer->cells.count || !is_gain(peer, cell, foretold_ms(peer, coordinate)))
            return;
    }
    size_t at = 0;
    while (at < peer->candidate_count && !id_eq(peer->candidates[at].node, node))
        at++;
    if (at == CANDIDATES_MAX)
        at = (size_t)entropy_below(&peer->ports.entropy, CANDIDATES_MAX);
    else if (at == peer->candidate_count && !candidates_grow(peer))
        return;
    peer->candidates[at] = (struct candidate){node, via, *coordinate};
}

static void candidates_drop(struct peer *peer)
{
    mem_free(peer->candidates);
    peer->candidates = NULL;
    peer->candidate_count = peer->candidate_capacity = 0;
}

/* The candidate of a cell that is foretold to be the nearest; of those of whom nothing is known any one. */
static const struct candidate *best_candidate(struct peer *peer, struct now now, unsigned cell, float *ret_ms)
{
    const struct candidate *best = NULL;
    float best_ms = FINGER_UNKNOWN_MS;
    unsigned unknown = 0;
    for (size_t i = 0; i < peer->candidate_count; i++) {
        const struct candidate *c = &peer->candidates[i];
        if (chord_cells_of(&peer->cells, peer->options.self, c->node) != cell || !is_possible(peer, now, c->node) ||
            peer_attach_pending(peer, c->node))
            continue;
        float ms = foretold_ms(peer, &c->coordinate);
        bool pick = ms < best_ms;
        if (best_ms >= FINGER_UNKNOWN_MS && ms >= FINGER_UNKNOWN_MS)
            pick = entropy_below(&peer->ports.entropy, ++unknown) == 0;
        if (pick) {
            best = c;
            best_ms = ms;
        }
    }
    *ret_ms = best_ms;
    return best;
}

/* ---- attaching ---- */

static void finger_attached(struct peer *peer, struct now now, void *ctx, int err, struct id node)
{
    (void)now, (void)ctx;
    if (err && !id_is_zero(node))
        reject(peer, node);
}

/* Through who told us of it, whose link we have: two hops, where the way through the ring takes more (10.6 wants it for neighbors). */
static struct route route_to_candidate(const struct peer *peer, const struct candidate *c)
{
    return (struct route){.is_node = true, .id = c->node, .has_via = peer_link_to(peer, c->via) != NULL, .via = c->via};
}

static void attach_candidate(struct peer *peer, struct now now, const struct candidate *c)
{
    struct route route = route_to_candidate(peer, c);
    peer_attach_finger(peer, now, &route, finger_attached);
}

/* Somebody stands where a finger was missing: attach to it if it is in a cell that is still empty. */
static void finger_found(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    (void)ctx;
    struct id node = outcome->responder;
    if (outcome->err || peer->state != PEER_JOINED || !is_possible(peer, now, node) || peer_attach_pending(peer, node))
        return;
    unsigned cell = chord_cells_of(&peer->cells, peer->options.self, node);
    if (cell < peer->cells.count && !nearest_in_cell(peer, cell))
        peer_attach_finger(peer, now, &(struct route){.is_node = true, .id = node}, finger_attached);
}

/* A place at random in a cell of which we know nobody: whoever is there, when there surely is somebody; else a Ping first. True if it was one. */
static bool search(struct peer *peer, struct now now, unsigned cell, bool may_ping)
{
    double part = (double)entropy_below(&peer->ports.entropy, 1000) / 1000;
    struct route route = {.id = chord_cells_place(&peer->cells, peer->options.self, cell, part)};
    if (chord_cells_population(&peer->cells, peer->ring_size, cell) >= POPULOUS) {
        peer_attach_finger(peer, now, &route, finger_attached);
        return false;
    }
    if (!may_ping || entropy_below(&peer->ports.entropy, 2))
        return false;
    struct reload_body body = {.code = RELOAD_PING_REQ};
    return peer_transaction_start(peer, now, &route, &body, finger_found, NULL) == 0;
}

/* Cells that are empty first, from the far side on (10.7.4.2); then nearer ones for those that are not. */
static void cells_fill(struct peer *peer, struct now now)
{
    bool may_ping = true;
    unsigned better = 0;
    float ms;
    for (unsigned cell = 0; cell < peer->cells.count && has_room(peer); cell++) {
        if (nearest_in_cell(peer, cell))
            continue;
        const struct candidate *c = best_candidate(peer, now, cell, &ms);
        if (c)
            attach_candidate(peer, now, c);
        else if (search(peer, now, cell, may_ping))
            may_ping = false;
    }
    for (unsigned cell = 0; cell < peer->cells.count && has_room(peer) && better < BETTER_PER_ROUND; cell++) {
        const struct candidate *c = nearest_in_cell(peer, cell) ? best_candidate(peer, now, cell, &ms) : NULL;
        if (!c || !is_gain(peer, cell, ms))
            continue;
        peer->counters.fingers_improved++;
        attach_candidate(peer, now, c);
        better++;
    }
}

/* ---- our table for others ---- */

/* Who is linked to us looks through our table as through its own (reload/chord_reach.h): it is shown when much of it is new, but not to who only
 * looks for another ring through us. */
void chord_table_grew(struct peer *peer, struct id node)
{
    const struct link *link = peer_link_to(peer, node);
    peer->table_additions += link && is_kept(link);
}

bool chord_is_worth_showing(const struct peer *peer, const struct link *link)
{
    return peer->finger_round >= SHOWN_FIRST_ROUND && (is_kept(link) || peer_attach_pending(peer, link->node));
}

static void show_table(struct peer *peer, struct now now)
{
    for (size_t i = 0; i < peer->by_node_count; i++) {
        const struct link *link = peer->by_node[i];
        uint32_t news = peer->table_additions - link->shown;
        if (link->member && is_kept(link) && news > 0 && news >= peer->table.n / SHOWN_PART)
            chord_update_send(peer, now, link->node, RELOAD_CHORD_FULL);
    }
}

/* ---- rounds ---- */

static void round_schedule(struct peer *peer, struct now now, int64_t ms)
{
    ms = entropy_between(&peer->ports.entropy, ms * 3 / 4, ms * 5 / 4);
    heap_set(&peer->timers, &peer->finger_timer.node, mono_after_ms(now.mono, ms));
}

static int64_t round_interval_ms(const struct peer *peer)
{
    if (peer->link_count > peer->options.links_wanted)
        return ROUND_CROWDED_MS;
    int64_t ms = ROUND_MS, longest = (int64_t)peer->config->chord_ping_interval_s * 1000;
    for (unsigned i = 1; i < peer->finger_round && ms < longest; i++)
        ms *= ROUND_FACTOR;
    return ms < longest ? ms : longest;
}

static void ignore_answer(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    (void)peer, (void)now, (void)ctx, (void)outcome; /* the Update that it brings is what counts */
}

static void ask(struct peer *peer, struct now now, struct id node)
{
    struct route route = {.is_node = true, .id = node};
    struct reload_body body = {.code = RELOAD_ROUTE_QUERY_REQ};
    body.route_query.send_update = true;
    body.route_query.destination = reload_destination_node(peer->options.self);
    peer_transaction_start(peer, now, &route, &body, ignore_answer, NULL);
}

/* A node that is near in time is asked for its full table: what is near to it is near to us, wherever in the ring it stands. */
static void ask_near_link(struct peer *peer, struct now now)
{
    struct link *near[NEAR_LINKS];
    size_t n = 0;
    for (size_t i = 0; i < peer->table.n; i++) {
        struct link *link = peer_link_to(peer, peer->table.nodes[i]);
        if (!link || !link->srtt_us)
            continue;
        size_t at = n < NEAR_LINKS ? n++ : NEAR_LINKS;
        for (; at > 0 && link->srtt_us < near[at - 1]->srtt_us; at--)
            if (at < NEAR_LINKS)
                near[at] = near[at - 1];
        if (at < NEAR_LINKS)
            near[at] = link;
    }
    if (n)
        ask(peer, now, near[entropy_below(&peer->ports.entropy, n)]->node);
}

/* Who stands last before an empty cell knows its own successors: they may be in it. */
static void ask_before_empty(struct peer *peer, struct now now)
{
    unsigned empty[CHORD_CELLS_MAX], n = 0;
    for (unsigned cell = 0; cell < peer->cells.count; cell++)
        if (!nearest_in_cell(peer, cell))
            empty[n++] = cell;
    struct id place, node;
    if (!n)
        return;
    place = chord_cells_place(&peer->cells, peer->options.self, empty[entropy_below(&peer->ports.entropy, n)], 0);
    if (chord_table_next_hop(&peer->table, place, &node))
        ask(peer, now, node);
}

/* Before the first fingers there are the tables of our neighbors, who stand anywhere on Earth. The nearest of those whom they list come first, and say
 * whom they know. */
static void ask_near_candidates(struct peer *peer, struct now now)
{
    for (unsigned i = 0; i < NEAR_FIRST; i++) {
        const struct candidate *nearest = NULL;
        float nearest_ms = FINGER_UNKNOWN_MS;
        for (size_t k = 0; k < peer->candidate_count; k++) {
            const struct candidate *c = &peer->candidates[k];
            float ms = foretold_ms(peer, &c->coordinate);
            if (ms < nearest_ms && is_possible(peer, now, c->node) && !peer_attach_pending(peer, c->node)) {
                nearest = c;
                nearest_ms = ms;
            }
        }
        if (!nearest)
            return;
        struct route route = route_to_candidate(peer, nearest);
        peer_attach_start(peer, now, &route, NULL, NULL);
    }
}

/* A round: questions, and a little later what comes of the answers. */
static void finger_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    (void)timer;
    if (peer->state != PEER_JOINED)
        return;
    peer->ring_size = peer_ring_size(peer);
    chord_cells_choose(&peer->cells, peer->ring_size, peer->options.neighbors, peer->options.fingers);
    chord_coordinates_settle(peer);
    links_trim(peer, now, SURPLUS_QUIET_MS);
    links_shed(peer, now);
    bool alone = peer->table.n <= 2 * (size_t)peer->options.neighbors && !peer->candidate_count;
    if (!peer->fingers_asked && !alone) {
        peer->fingers_asked = true;
        if (peer->finger_round >= SHOWN_ROUND)
            show_table(peer, now);
        if (peer->finger_round) {
            ask_near_link(peer, now);
            ask_before_empty(peer, now);
        } else {
            ask_near_candidates(peer, now);
        }
        round_schedule(peer, now, ROUND_ANSWERS_MS);
        return;
    }
    peer->fingers_asked = false;
    peer->finger_round++;
    if (!alone)
        cells_fill(peer, now);
    candidates_drop(peer);
    round_schedule(peer, now, round_interval_ms(peer));
}

/* The first time soon after joining, when the neighbors are known. */
void chord_fingers_start(struct peer *peer, struct now now)
{
    peer->finger_timer.fire = finger_timer_fire;
    peer->finger_round = 0;
    peer->fingers_asked = false;
    heap_set(&peer->timers, &peer->finger_timer.node, mono_after_ms(now.mono, FINGERS_AFTER_MS));
}

void chord_fingers_stop(struct peer *peer)
{
    heap_remove(&peer->timers, &peer->finger_timer.node);
    candidates_drop(peer);
}

/* "If using reactive recovery, the peer MUST initiate a search for a new Finger Table entry" (10.7.2). */
void chord_finger_lost(struct peer *peer, struct now now, struct id node)
{
    unsigned cell = chord_cells_of(&peer->cells, peer->options.self, node);
    struct mono soon = mono_after_ms(now.mono, ROUND_AFTER_LOSS_MS);
    if (peer->state == PEER_JOINED && peer->config->chord_reactive && peer->finger_round && cell < peer->cells.count &&
        !nearest_in_cell(peer, cell) && soon.us < peer->finger_timer.node.due.us)
        round_schedule(peer, now, ROUND_AFTER_LOSS_MS);
}

/* 6.4.2.4, 10.8. */
void chord_route_query_serve(struct peer *peer, struct now now, struct request *request)
{
    const struct reload_route_query_req *query = &request->body.route_query;
    struct reload_body answer = {.code = RELOAD_ROUTE_QUERY_ANS};
    if (!peer_forward_next_hop(peer, &query->destination, &answer.route_query_ans)) {
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_NOT_FOUND, "no way there");
        return;
    }
    peer_answer_body(peer, now, request->reply, &answer);
    if (query->send_update && peer->state == PEER_JOINED && peer_link_to(peer, request->signer->node))
        chord_update_send(peer, now, request->signer->node, RELOAD_CHORD_FULL);
}
