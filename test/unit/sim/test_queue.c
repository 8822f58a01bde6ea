/* The queue against a search through all of it. */
#include "queue.h"
#include "testing.h"

#include "base/entropy.h"

enum { ENTRIES = 500, STEPS = 20000 };

struct waiting {
    int64_t due_us; /* -1: not in the queue */
    uint64_t order;
};

static struct waiting *first_of(struct waiting *all)
{
    struct waiting *best = NULL;
    for (size_t i = 0; i < ENTRIES; i++) {
        struct waiting *w = &all[i];
        if (w->due_us >= 0 &&
            (!best || w->due_us < best->due_us || (w->due_us == best->due_us && w->order < best->order)))
            best = w;
    }
    return best;
}

static void test_against_search(void **state)
{
    (void)state;
    static struct waiting all[ENTRIES];
    struct seeded_entropy seeded = {7};
    struct entropy e = seeded_entropy_port(&seeded);
    struct sim_queue queue;
    int64_t due;
    sim_queue_init(&queue);
    for (size_t i = 0; i < ENTRIES; i++)
        all[i].due_us = -1;
    for (uint64_t step = 0; step < STEPS; step++) {
        struct waiting *w = &all[entropy_below(&e, ENTRIES)];
        if (w->due_us < 0) {
            *w = (struct waiting){(int64_t)entropy_below(&e, 100), step};
            sim_queue_add(&queue, w->due_us, w);
        }
        struct waiting *first = first_of(all);
        assert_int_equal(sim_queue_due(&queue), first->due_us);
        if (entropy_below(&e, 2)) {
            assert_ptr_equal(sim_queue_take(&queue, &due), first);
            assert_int_equal(due, first->due_us);
            first->due_us = -1;
        }
        if (!first_of(all))
            assert_int_equal(sim_queue_due(&queue), INT64_MAX);
    }
    while (first_of(all)) {
        struct waiting *first = first_of(all);
        assert_ptr_equal(sim_queue_take(&queue, &due), first);
        first->due_us = -1;
    }
    assert_null(sim_queue_take(&queue, &due));
    sim_queue_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
