/* Sift-up, sift-down, nothing else. */
#include "base/heap.h"

#include "base/err.h"
#include "base/mem.h"

#define CHILDREN 4
#define CAPACITY_MIN 4

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_fini(struct heap *h)
{
    for (size_t i = 0; i < h->n; i++)
        h->entries[i].node->index = 0;
    mem_free(h->entries);
    *h = (struct heap){0};
}

static bool before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->due.us != b->due.us ? a->due.us < b->due.us : a->order < b->order;
}

static void place(struct heap *h, size_t i, struct heap_entry entry)
{
    h->entries[i] = entry;
    entry.node->index = i + 1;
}

static size_t earliest_child(const struct heap *h, size_t first)
{
    size_t end = first + CHILDREN < h->n ? first + CHILDREN : h->n, best = first;
    for (size_t i = first + 1; i < end; i++)
        if (before(&h->entries[i], &h->entries[best]))
            best = i;
    return best;
}

/* Finds the place of an entry from the i-th on, which is free. */
static void sift(struct heap *h, size_t i, struct heap_entry entry)
{
    while (i && before(&entry, &h->entries[(i - 1) / CHILDREN])) {
        place(h, i, h->entries[(i - 1) / CHILDREN]);
        i = (i - 1) / CHILDREN;
    }
    for (size_t first; (first = CHILDREN * i + 1) < h->n;) {
        size_t child = earliest_child(h, first);
        if (!before(&h->entries[child], &entry))
            break;
        place(h, i, h->entries[child]);
        i = child;
    }
    place(h, i, entry);
}

int heap_set(struct heap *h, struct heap_node *node, struct mono due)
{
    if (!node->index) {
        if (h->n == h->capacity) {
            size_t capacity = h->capacity ? 2 * h->capacity : CAPACITY_MIN;
            struct heap_entry *entries = mem_resize(h->entries, capacity * sizeof *entries);
            if (!entries)
                return ERR_NO_MEMORY;
            h->entries = entries;
            h->capacity = capacity;
        }
        node->index = ++h->n;
    }
    node->due = due;
    sift(h, node->index - 1, (struct heap_entry){due, h->next_order++, node});
    return 0;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (!node->index)
        return;
    size_t i = node->index - 1;
    struct heap_entry last = h->entries[--h->n];
    node->index = 0;
    if (last.node != node)
        sift(h, i, last);
}

struct mono heap_deadline(const struct heap *h)
{
    return h->n ? h->entries[0].due : MONO_NEVER;
}

struct heap_node *heap_pop_due(struct heap *h, struct mono now)
{
    if (!h->n || !mono_due(h->entries[0].due, now))
        return NULL;
    struct heap_node *node = h->entries[0].node;
    heap_remove(h, node);
    return node;
}
