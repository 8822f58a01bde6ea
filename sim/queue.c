/* A heap whose entries have four children each and hold what they are ordered by: fewer and nearer memory accesses than with two, and none
 * to the events themselves. */
#include "queue.h"

#include "alloc.h"
#include "base/mem.h"

#include <stdbool.h>

#define CHILDREN 4

void sim_queue_init(struct sim_queue *queue)
{
    *queue = (struct sim_queue){0};
}

void sim_queue_fini(struct sim_queue *queue)
{
    mem_free(queue->entries);
    *queue = (struct sim_queue){0};
}

static bool before(const struct sim_queue_entry *a, const struct sim_queue_entry *b)
{
    return a->due_us < b->due_us || (a->due_us == b->due_us && a->order < b->order);
}

void sim_queue_add(struct sim_queue *queue, int64_t due_us, void *event)
{
    if (queue->n == queue->capacity) {
        queue->capacity = queue->capacity ? 2 * queue->capacity : 1024;
        queue->entries = sim_resize(queue->entries, queue->capacity * sizeof *queue->entries);
    }
    struct sim_queue_entry added = {due_us, queue->next_order++, event};
    size_t at = queue->n++;
    while (at > 0) {
        size_t parent = (at - 1) / CHILDREN;
        if (!before(&added, &queue->entries[parent]))
            break;
        queue->entries[at] = queue->entries[parent];
        at = parent;
    }
    queue->entries[at] = added;
}

int64_t sim_queue_due(const struct sim_queue *queue)
{
    return queue->n ? queue->entries[0].due_us : INT64_MAX;
}

/* The earliest of the children from `first` on. */
static size_t earliest(const struct sim_queue *queue, size_t first)
{
    size_t end = first + CHILDREN < queue->n ? first + CHILDREN : queue->n;
    size_t best = first;
    for (size_t i = first + 1; i < end; i++)
        if (before(&queue->entries[i], &queue->entries[best]))
            best = i;
    return best;
}

/* Most events rise level by level, as those before them are taken. */
static void tell_near(const struct sim_queue *queue, size_t at)
{
    size_t end = 1, size = 1;
    if (!queue->near)
        return;
    for (unsigned level = 0; level <= SIM_QUEUE_SIGHT; level++) {
        if (at < end) {
            queue->near(queue->ctx, queue->entries[at].event, level);
            return;
        }
        size *= CHILDREN;
        end += size;
    }
}

void *sim_queue_take(struct sim_queue *queue, int64_t *ret_due_us)
{
    if (!queue->n)
        return NULL;
    struct sim_queue_entry taken = queue->entries[0], moved = queue->entries[--queue->n];
    size_t at = 0;
    for (size_t first; (first = CHILDREN * at + 1) < queue->n;) {
        size_t child = earliest(queue, first);
        if (!before(&queue->entries[child], &moved))
            break;
        queue->entries[at] = queue->entries[child];
        tell_near(queue, at);
        at = child;
    }
    if (queue->n)
        queue->entries[at] = moved;
    *ret_due_us = taken.due_us;
    return taken.event;
}
