/* The sorted routing table of CHORD-RELOAD: reload/chord_table.h. */
#include "reload/chord_table.h"

#include "base/mem.h"

void chord_table_init(struct chord_table *table, struct id self)
{
    *table = (struct chord_table){.self = self};
}

void chord_table_fini(struct chord_table *table)
{
    mem_free(table->nodes);
    chord_table_init(table, table->self);
}

/* How far up the ring from here. */
static struct id distance(const struct chord_table *table, struct id node)
{
    return id_sub(node, table->self);
}

/* The number of entries that are nearer than this distance. Asked so often that the subtraction is written out. */
static size_t entries_below(const struct chord_table *table, struct id d)
{
    uint64_t self_high = id_high(table->self), self_low = id_low(table->self);
    uint64_t d_high = id_high(d), d_low = id_low(d);
    size_t low = 0, high = table->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t node_low = id_low(table->nodes[middle]), ahead_low = node_low - self_low;
        uint64_t ahead_high = id_high(table->nodes[middle]) - self_high - (node_low < self_low);
        if (ahead_high < d_high || (ahead_high == d_high && ahead_low < d_low))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool chord_table_has(const struct chord_table *table, struct id node)
{
    size_t at = entries_below(table, distance(table, node));
    return at < table->n && id_eq(table->nodes[at], node);
}

int chord_table_add(struct chord_table *table, struct id node)
{
    if (id_eq(node, table->self))
        return ERR_EXISTS;
    size_t at = entries_below(table, distance(table, node));
    if (at < table->n && id_eq(table->nodes[at], node))
        return ERR_EXISTS;
    if (table->n == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 4;
        struct id *nodes = mem_resize(table->nodes, capacity * sizeof *nodes);
        if (!nodes)
            return ERR_NO_MEMORY;
        table->nodes = nodes;
        table->capacity = capacity;
    }
    memmove(table->nodes + at + 1, table->nodes + at, (table->n - at) * sizeof *table->nodes);
    table->nodes[at] = node;
    table->n++;
    return 0;
}

bool chord_table_remove(struct chord_table *table, struct id node)
{
    size_t at = entries_below(table, distance(table, node));
    if (at == table->n || !id_eq(table->nodes[at], node))
        return false;
    table->n--;
    memmove(table->nodes + at, table->nodes + at + 1, (table->n - at) * sizeof *table->nodes);
    return true;
}

bool chord_table_next_hop(const struct chord_table *table, struct id place, struct id *ret_node)
{
    if (!table->n)
        return false;
    size_t below = entries_below(table, distance(table, place));
    if (below < table->n && id_eq(table->nodes[below], place))
        *ret_node = place;
    else
        *ret_node = table->nodes[below ? below - 1 : 0];
    return true;
}

size_t chord_table_before(const struct chord_table *table, struct id place)
{
    size_t below = entries_below(table, distance(table, place));
    return below + (below < table->n && id_eq(table->nodes[below], place));
}

bool chord_table_at_or_behind(const struct chord_table *table, struct id place, struct id *ret_node)
{
    size_t at = entries_below(table, distance(table, place));
    if (at == table->n)
        return false;
    *ret_node = table->nodes[at];
    return true;
}

bool chord_table_in_range(const struct chord_table *table, struct id first, struct id last, struct id *ret_node)
{
    struct id from = distance(table, first), to = distance(table, last);
    size_t at = entries_below(table, from);
    if (at == table->n || id_cmp(distance(table, table->nodes[at]), to) > 0)
        return false;
    *ret_node = table->nodes[at];
    return true;
}

struct id chord_table_responsible(const struct chord_table *table, struct id place)
{
    /* Distance 0 is self; entries_below counts those strictly before the place, so the next one is the first at or behind it. */
    struct id d = distance(table, place);
    if (id_is_zero(d))
        return table->self;
    size_t at = entries_below(table, d);
    return at < table->n ? table->nodes[at] : table->self;
}

size_t chord_table_steps_behind(const struct chord_table *table, struct id place)
{
    struct id d = distance(table, place);
    return id_is_zero(d) ? 0 : table->n - entries_below(table, d);
}

/* Signed position on the ring with self at 0: successors 1, 2 …, predecessors -1, -2 …, whichever is nearer. */
static ptrdiff_t position(const struct chord_table *table, struct id node)
{
    size_t at = entries_below(table, distance(table, node));
    size_t behind = table->n - at;
    return at + 1 <= behind ? (ptrdiff_t)at + 1 : -(ptrdiff_t)behind;
}

size_t chord_table_between(const struct chord_table *table, struct id a, struct id b)
{
    ptrdiff_t steps = position(table, a) - position(table, b);
    size_t apart = (size_t)(steps < 0 ? -steps : steps);
    return apart ? apart - 1 : 0;
}

bool chord_table_would_be_neighbor(const struct chord_table *table, struct id node, size_t wanted)
{
    if (id_eq(node, table->self))
        return false;
    size_t nearer = entries_below(table, distance(table, node));
    size_t there = nearer < table->n && id_eq(table->nodes[nearer], node);
    size_t behind = table->n - nearer - there;
    return nearer < wanted || behind < wanted;
}

void chord_finger_range(struct id self, unsigned i, struct id *ret_first, struct id *ret_last)
{
    struct id size = id_power_of_two(128 - i);
    struct id one = id_power_of_two(0);
    *ret_first = id_add(self, size);
    *ret_last = id_add(*ret_first, id_sub(size, one));
}

double chord_table_ring_size(const struct chord_table *table, size_t wanted)
{
    if (table->n <= 2 * wanted)
        return (double)table->n + 1;
    struct id low = chord_table_predecessor(table, wanted - 1), high = chord_table_successor(table, wanted - 1);
    double fraction = id_fraction(low, high);
    double guess = fraction > 0 ? (double)(2 * wanted) / fraction : 0;
    return guess > (double)table->n + 1 ? guess : (double)table->n + 1;
}
