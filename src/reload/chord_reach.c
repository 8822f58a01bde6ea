/* Looking one hop ahead: reload/chord_reach.h. */
#include "reload/chord_reach.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

/* From a node with so many others between it and the place, of whom it may know some. Fitted to what look-ups take in rings of 2,048 to
 * 16,384 nodes on the Earth; half of it or twice as much make a look-up three in a hundred longer. */
#define REST_MS 150.0f
#define REST_PER_DOUBLING_MS 80.0f

void chord_reach_fini(struct chord_reach *reach)
{
    mem_free(reach->ahead);
    *reach = (struct chord_reach){0};
}

static uint32_t distance(struct id from, struct id place)
{
    return (uint32_t)(id_high(id_sub(place, from)) >> 32);
}

struct chord_reached chord_reached_of(struct id from, struct id node, float round_trip_ms)
{
    float units = roundf(round_trip_ms / CHORD_REACH_UNIT_MS);
    return (struct chord_reached){distance(from, node), units < UINT8_MAX ? (uint8_t)units : UINT8_MAX};
}

static int by_distance(const void *a, const void *b)
{
    uint32_t x = ((const struct chord_reached *)a)->ahead, y = ((const struct chord_reached *)b)->ahead;
    return (x > y) - (x < y);
}

/* Sorted, and each once: the same node may be a neighbor on both sides. Returns how many there are. */
static size_t sort(struct chord_reached *nodes, size_t count)
{
    size_t n = 0;
    qsort(nodes, count, sizeof *nodes, by_distance);
    for (size_t i = 0; i < count; i++)
        if (!n || nodes[i].ahead != nodes[n - 1].ahead)
            nodes[n++] = nodes[i];
    return n;
}

/* What was told before and lies beyond the neighbors that are told now, who are sorted. */
static size_t keep_fingers(const struct chord_reach *reach, struct chord_reached *nodes, size_t count,
                           size_t successors)
{
    size_t n = count;
    uint32_t low = successors && successors <= count ? nodes[successors - 1].ahead : 0;
    uint32_t high = successors < count ? nodes[successors].ahead : UINT32_MAX;
    for (size_t i = 0; i < reach->count && n < CHORD_REACH_MAX; i++)
        if (reach->ahead[i] > low && reach->ahead[i] < high)
            nodes[n++] = (struct chord_reached){reach->ahead[i], reach->way[i]};
    return n;
}

bool chord_reach_learn(struct chord_reach *reach, const struct chord_reached *nodes, size_t count, size_t successors,
                       size_t predecessors, bool full)
{
    struct chord_reached sorted[CHORD_REACH_MAX];
    size_t n = count < CHORD_REACH_MAX ? count : CHORD_REACH_MAX;
    memcpy(sorted, nodes, n * sizeof *sorted);
    n = sort(sorted, n);
    if (!full)
        n = sort(sorted, keep_fingers(reach, sorted, n, successors));
    if (!n) {
        chord_reach_fini(reach);
        return true;
    }
    uint32_t *ahead = mem_resize(reach->ahead, n * (sizeof *ahead + 1));
    if (!ahead)
        return false;
    *reach = (struct chord_reach){ahead, (uint8_t *)(ahead + n), (uint8_t)n, (uint8_t)(successors < n ? successors : n),
                                  (uint8_t)(predecessors < n ? predecessors : n)};
    for (size_t i = 0; i < n; i++) {
        reach->ahead[i] = sorted[i].ahead;
        reach->way[i] = sorted[i].way;
    }
    return true;
}

static size_t entries_before(const struct chord_reach *reach, uint32_t place)
{
    size_t low = 0, high = reach->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reach->ahead[middle] < place)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Of two neighbors that stand one behind the other, the second answers for what lies between; any node for its own place. */
static bool owns(const struct chord_reach *reach, size_t at, uint32_t place)
{
    return at < reach->count &&
           (reach->ahead[at] == place || at < reach->successors || at > (size_t)reach->count - reach->predecessors);
}

static float rest_ms(uint32_t distance, double ring_size)
{
    return REST_MS + REST_PER_DOUBLING_MS * log2f(1 + (float)(distance * 0x1p-32 * ring_size));
}

static float hop_ms(const struct chord_reach *reach, size_t i)
{
    return CHORD_HOP_MS + (float)(reach->way[i] * CHORD_REACH_UNIT_MS);
}

/* The least time, and who is next on that way; 0 if that is none of those in the reach. */
static float best_way(const struct chord_reach *reach, uint32_t whole, double ring_size, uint32_t *ret_next)
{
    size_t at = entries_before(reach, whole);
    float best = rest_ms(whole, ring_size);
    *ret_next = 0;
    if (owns(reach, at, whole) && hop_ms(reach, at) < best) {
        best = hop_ms(reach, at);
        *ret_next = reach->ahead[at];
    }
    while (at-- > 0) {
        float rest = rest_ms(whole - reach->ahead[at], ring_size);
        if (CHORD_HOP_MS + rest >= best)
            break; /* those before are farther away */
        if (hop_ms(reach, at) + rest < best) {
            best = hop_ms(reach, at) + rest;
            *ret_next = reach->ahead[at];
        }
    }
    return best;
}

float chord_reach_ms(const struct chord_reach *reach, struct id from, struct id place, double ring_size)
{
    uint32_t next;
    return best_way(reach, distance(from, place), ring_size, &next);
}

bool chord_reach_leads_to(const struct chord_reach *reach, struct id from, struct id place, double ring_size,
                          struct id node)
{
    uint32_t next;
    best_way(reach, distance(from, place), ring_size, &next);
    return next && next == distance(from, node);
}
