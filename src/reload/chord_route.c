/* Where a message goes next (RFC 6940 10.3): to the owner of its place if one of our links is that, else to the entry before the place from
 * which the rest of the way is reckoned to be the shortest. Each hop stands nearer before the place than the one before, so none comes twice. Repeats of our
 * own requests begin elsewhere. */
#include "reload/peer_internal.h"

#define OWNED_MAX 6 /* times the average, that we believe of a node */
#define CORRECTION_PAUSE_MS 1000
#define ROUND_TRIP_UNKNOWN_MS 200.0f

/* Not more than a few times what a node has on average: it may be long ago that it said so. Of neighbors any share: we know ourselves who stands
 * between them. */
static bool is_said_to_own(const struct peer *peer, const struct link *link, struct id place)
{
    return !id_is_zero(link->begins) && id_in_open_closed(link->begins, place, link->node) &&
           (id_fraction(link->begins, link->node) * peer->ring_size < OWNED_MAX || chord_is_neighbor(peer, link->node));
}

static float round_trip_ms(const struct peer *peer, const struct link *link)
{
    if (link->srtt_us)
        return (float)link->srtt_us / 1000;
    return coordinate_is_known(&link->coordinate) ? coordinate_rtt_ms(&peer->coordinate, &link->coordinate)
                                                  : ROUND_TRIP_UNKNOWN_MS;
}

/* The least time for this hop and those after it. */
static struct link *shortest_way(const struct peer *peer, struct id place)
{
    struct link *best = NULL;
    float best_ms = 0;
    for (size_t i = 0; i < peer->table.n; i++) {
        struct id node = peer->table.nodes[i];
        if (!id_in_open_closed(peer->options.self, node, place))
            break;
        struct link *link = peer_link_to(peer, node);
        if (!link)
            continue;
        float ms = round_trip_ms(peer, link) + chord_reach_ms(&link->reach, node, place, peer->ring_size);
        if (!best || ms < best_ms) {
            best = link;
            best_ms = ms;
        }
    }
    return best;
}

static bool was_tried(const struct first_hops *tried, struct id node)
{
    for (size_t i = 0; tried && i < tried->n; i++)
        if (id_eq(tried->nodes[i], node))
            return true;
    return false;
}

static bool leads_back(const struct peer *peer, const struct link *link, struct id place,
                       const struct first_hops *tried)
{
    for (size_t i = 0; i < tried->n; i++)
        if (chord_reach_leads_to(&link->reach, link->node, place, peer->ring_size, tried->nodes[i]))
            return true;
    return false;
}

/* For a repeat: the last entry before the place, every other time the first one behind it, who may know the owner from the other side; and nobody's word
 * about its links speaks for it. Against it speaks that no attempt has reached anything by it, or by whom it is likely to go on. */
static struct link *another_way(const struct peer *peer, struct id place, const struct first_hops *tried)
{
    size_t n = peer->table.n, before = chord_table_before(&peer->table, place);
    struct link *any = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t at = tried->n % 2 ? before + n - 1 - i : before + i;
        struct id node = peer->table.nodes[at % n];
        struct link *link = was_tried(tried, node) ? NULL : peer_link_to(peer, node);
        if (link && !leads_back(peer, link, place, tried))
            return link;
        if (!any)
            any = link;
    }
    return any;
}

/* The table's rule wastes a hop: the last entry before a place is next to the owner, not the owner. When the entry behind the place has said that it
 * is responsible from before it, the message is for that one. */
bool chord_next_hop(const struct peer *peer, struct id place, const struct first_hops *tried, struct link **ret_link)
{
    struct id node;
    struct link *link;
    if (chord_table_at_or_behind(&peer->table, place, &node) && (link = peer_link_to(peer, node)) != NULL &&
        (id_eq(node, place) || is_said_to_own(peer, link, place)) && !was_tried(tried, node)) {
        *ret_link = link;
        return true;
    }
    if (tried && tried->n && (link = another_way(peer, place, tried)) != NULL) {
        *ret_link = link;
        return true;
    }
    if (peer->ring_size > 0 && (link = shortest_way(peer, place)) != NULL) {
        *ret_link = link;
        return true;
    }
    return chord_table_next_hop(&peer->table, place, &node) && (*ret_link = peer_link_to(peer, node)) != NULL;
}

/* By the table's rule nobody sends us what lies between itself and us: it takes us for the owner, who we no longer are. The Update is there before
 * the message can come back. Who came by to look for another ring through us means it so. */
void chord_correct(struct peer *peer, struct now now, struct link *from, struct id place)
{
    bool lately = from->corrected.us && mono_since_us(now.mono, from->corrected) < (int64_t)CORRECTION_PAUSE_MS * 1000;
    if (peer->state != PEER_JOINED || !from->member || !(from->asked_by_us || from->asked_by_them) || lately ||
        !id_in_open_open(from->node, place, peer->options.self))
        return;
    from->corrected = now.mono;
    chord_update_send(peer, now, from->node, RELOAD_CHORD_NEIGHBORS);
}
