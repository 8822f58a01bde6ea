/* The queue of events of the world: what is due first comes first, and of what is due at the same time, what was scheduled first. */
#ifndef SIM_QUEUE_H
#define SIM_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct sim_queue_entry {
    int64_t due_us;
    uint64_t order;
    void *event;
};

/* An event comes near: it is on this level of the heap, from SIM_QUEUE_SIGHT to 0, which is taken next. A hint: most events are seen on each level,
 * some on none. */
typedef void sim_queue_near_fn(void *ctx, void *event, unsigned level);

#define SIM_QUEUE_SIGHT 3

struct sim_queue {
    struct sim_queue_entry *entries; /* a heap of four children per entry */
    size_t n;
    size_t capacity;
    uint64_t next_order;
    sim_queue_near_fn *near; /* NULL: nobody wants to know */
    void *ctx;
};

void sim_queue_init(struct sim_queue *queue);
void sim_queue_fini(struct sim_queue *queue);

void sim_queue_add(struct sim_queue *queue, int64_t due_us, void *event);

/* INT64_MAX when it is empty. */
int64_t sim_queue_due(const struct sim_queue *queue);

/* The first event, and when it was due. NULL when it is empty. */
void *sim_queue_take(struct sim_queue *queue, int64_t *ret_due_us);

#endif
