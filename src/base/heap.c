/* Sift-up, sift-down, nothing else. */
#include "base/heap.h"

#include "base/err.h"
#include "base/mem.h"

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_fini(struct heap *h)
{
    for (size_t i = 0; i < h->n; i++)
        h->nodes[i]->index = 0;
    mem_free(h->nodes);
    *h = (struct heap){0};
}

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->due.us != b->due.us ? a->due.us < b->due.us : a->order < b->order;
}

static void place(struct heap *h, size_t i, struct heap_node *node)
{
    h->nodes[i] = node;
    node->index = i + 1;
}

static void sift(struct heap *h, size_t i)
{
    struct heap_node *node = h->nodes[i];
    while (i && before(node, h->nodes[(i - 1) / 2])) {
        place(h, i, h->nodes[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->n)
            break;
        if (child + 1 < h->n && before(h->nodes[child + 1], h->nodes[child]))
            child++;
        if (!before(h->nodes[child], node))
            break;
        place(h, i, h->nodes[child]);
        i = child;
    }
    place(h, i, node);
}

int heap_set(struct heap *h, struct heap_node *node, struct mono due)
{
    if (!node->index) {
        if (h->n == h->capacity) {
            size_t capacity = h->capacity ? 2 * h->capacity : 16;
            struct heap_node **nodes = mem_resize(h->nodes, capacity * sizeof(struct heap_node *));
            if (!nodes)
                return ERR_NO_MEMORY;
            h->nodes = nodes;
            h->capacity = capacity;
        }
        place(h, h->n++, node);
    }
    node->due = due;
    node->order = h->next_order++;
    sift(h, node->index - 1);
    return 0;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (!node->index)
        return;
    size_t i = node->index - 1;
    struct heap_node *last = h->nodes[--h->n];
    node->index = 0;
    if (last != node) {
        place(h, i, last);
        sift(h, i);
    }
}

struct mono heap_deadline(const struct heap *h)
{
    return h->n ? h->nodes[0]->due : MONO_NEVER;
}

struct heap_node *heap_pop_due(struct heap *h, struct mono now)
{
    if (!h->n || !mono_due(h->nodes[0]->due, now))
        return NULL;
    struct heap_node *node = h->nodes[0];
    heap_remove(h, node);
    return node;
}
