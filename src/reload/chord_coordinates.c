/* Network coordinates in Updates: a MessageExtension (RFC 6940 6.3.3), not critical, that says where the sender is and where those are whom the Update
 * lists. Who does not know it loses nothing. */
#include "reload/peer_internal.h"

#define SETTLE_PASSES 20 /* over all links, while we know little of where we are */
#define SETTLED_PASSES 4 /* … and later */
#define SETTLED_ERROR 0.3f
#define FETCHED_AT_ONCE 64
#define GAP_LATELY_MS 60000   /* what fingers said when we met them holds so long; neighbors go on telling */
#define WAY_UNKNOWN_MS 200.0f /* a round trip of others */
#define GAP_DOUBT 8           /* times: nobody's neighborhood is believed to be denser or thinner than ours by more */

/* Most links lie in memory that was not touched for long: all are found, and on their way, before the first is read. */
static void encode_list(const struct peer *peer, const struct reload_ids *nodes, struct buf *out)
{
    struct coordinate unknown = coordinate_unknown();
    const struct coordinate *found[FETCHED_AT_ONCE];
    for (size_t i = 0, n; i < nodes->count; i += n) {
        for (n = 0; n < FETCHED_AT_ONCE && i + n < nodes->count; n++) {
            const struct link *link = peer_link_to(peer, nodes->items[i + n]);
            found[n] = link ? &link->coordinate : &unknown;
            __builtin_prefetch(found[n]);
        }
        for (size_t k = 0; k < n; k++)
            coordinate_encode(found[k], out);
    }
}

/* The sender, predecessors, successors, fingers: in the order of the body. */
void chord_coordinates_encode(const struct peer *peer, const struct reload_update_req *update, struct buf *out)
{
    coordinate_encode(&peer->coordinate, out);
    encode_list(peer, &update->predecessors, out);
    encode_list(peer, &update->successors, out);
    encode_list(peer, &update->fingers, out);
}

static float round_trip_ms(const struct link *link)
{
    return (float)link->srtt_us / 1000;
}

void chord_coordinates_settle(struct peer *peer)
{
    unsigned passes = peer->coordinate.error > SETTLED_ERROR ? SETTLE_PASSES : SETTLED_PASSES;
    for (unsigned pass = 0; pass < passes; pass++)
        for (size_t i = 0; i < peer->by_node_count; i++)
            coordinate_observe(&peer->coordinate, &peer->by_node[i]->coordinate, round_trip_ms(peer->by_node[i]),
                               &peer->ports.entropy);
}

/* How far apart nodes stand where the sender is, as a fraction of the ring: many such figures say how large the ring is. And from where on it is
 * responsible: a lie or an error of more than a few shares is not believed later. */
static void learn_gap(struct now now, struct link *link, const struct reload_update_req *update)
{
    size_t before = update->predecessors.count, behind = update->successors.count;
    if (before)
        link->begins = update->predecessors.items[0];
    if (before < 3 || behind < 3)
        return;
    double span = id_fraction(update->predecessors.items[before - 1], update->successors.items[behind - 1]);
    link->told = now.mono;
    link->gap = (float)(span / (double)(before + behind));
}

/* Of an Update, while it is read. */
struct lesson {
    struct peer *peer;
    struct now now;
    struct link *link;
    struct reader coordinates; /* those that are left */
    struct chord_reached reached[CHORD_REACH_MAX];
    size_t reached_count;
};

static void learn_list(struct lesson *lesson, const struct reload_ids *nodes)
{
    struct link *link = lesson->link;
    for (size_t i = 0; i < nodes->count; i++) {
        struct coordinate coordinate = coordinate_unknown();
        float ms = WAY_UNKNOWN_MS;
        if (reader_left(&lesson->coordinates))
            coordinate_decode(&lesson->coordinates, &coordinate);
        if (coordinate_is_known(&link->coordinate) && coordinate_is_known(&coordinate))
            ms = coordinate_rtt_ms(&link->coordinate, &coordinate);
        if (lesson->reached_count < CHORD_REACH_MAX)
            lesson->reached[lesson->reached_count++] = chord_reached_of(link->node, nodes->items[i], ms);
        chord_finger_offer(lesson->peer, lesson->now, nodes->items[i], link->node, &coordinate);
    }
}

void chord_coordinates_learn(struct peer *peer, struct now now, struct link *link, const struct request *request)
{
    const struct reload_contents *contents = &request->message->contents;
    const struct reload_update_req *update = &request->body.update_req;
    struct reader r;
    reader_init(&r, slice_of(NULL, 0));
    for (size_t i = 0; i < contents->extension_count; i++)
        if (contents->extensions[i].type == EXTENSION_COORDINATES)
            reader_init(&r, contents->extensions[i].contents);
    size_t listed = update->predecessors.count + update->successors.count + update->fingers.count;
    if (reader_left(&r) && reader_left(&r) != (listed + 1) * COORDINATE_OCTETS) {
        peer->counters.coordinates_refused++;
        reader_init(&r, slice_of(NULL, 0));
    }
    if (reader_left(&r)) {
        struct coordinate coordinate;
        struct reader all = r;
        for (size_t i = 0; i <= listed; i++)
            coordinate_decode(&all, &coordinate);
        if (all.err) {
            peer->counters.coordinates_refused++;
            reader_init(&r, slice_of(NULL, 0));
        } else {
            coordinate_decode(&r, &link->coordinate);
            coordinate_observe(&peer->coordinate, &link->coordinate, round_trip_ms(link), &peer->ports.entropy);
        }
    }
    learn_gap(now, link, update);
    struct lesson lesson = {.peer = peer, .now = now, .link = link, .coordinates = r};
    learn_list(&lesson, &update->predecessors);
    learn_list(&lesson, &update->successors);
    learn_list(&lesson, &update->fingers);
    if (!chord_reach_learn(&link->reach, lesson.reached, lesson.reached_count, update->successors.count,
                           update->predecessors.count, update->type == RELOAD_CHORD_FULL))
        peer->counters.memory_refused++;
}

double peer_ring_size(const struct peer *peer)
{
    double own = chord_table_ring_size(&peer->table, peer->options.neighbors);
    if (peer->table.n <= 2 * (size_t)peer->options.neighbors)
        return own;
    double gap = 1 / own, sum = gap;
    size_t n = 1;
    for (size_t i = 0; i < peer->by_node_count; i++) {
        const struct link *link = peer->by_node[i];
        double g = (double)link->gap;
        bool lately = mono_since_us(peer->now.mono, link->told) < (int64_t)GAP_LATELY_MS * 1000;
        if (g <= 0 || (!lately && !chord_is_neighbor(peer, link->node)))
            continue;
        sum += g > gap * GAP_DOUBT ? gap * GAP_DOUBT : g < gap / GAP_DOUBT ? gap / GAP_DOUBT : g;
        n++;
    }
    double size = (double)n / sum;
    return size > (double)peer->table.n + 1 ? size : (double)peer->table.n + 1;
}
