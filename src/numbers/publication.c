/* Birth and end of a publication, and how it is found. */
#include "numbers/publication.h"

#include "base/mem.h"

struct slice publication_key(uint64_t vservice_id, const struct e164 *number, uint8_t octets[PUBLICATION_KEY_OCTETS])
{
    for (unsigned i = 0; i < 8; i++)
        octets[i] = (uint8_t)(vservice_id >> (56 - 8 * i));
    struct slice digits = e164_slice(number);
    memcpy(octets + 8, digits.p, digits.n);
    return slice_of(octets, 8 + digits.n);
}

struct publication *publication_find(const struct numbers_publisher *p, uint64_t vservice_id, const struct e164 *number)
{
    uint8_t octets[PUBLICATION_KEY_OCTETS];
    return map_get(&p->publications, publication_key(vservice_id, number, octets));
}

void timer_set(struct numbers_publisher *p, struct timer *timer, struct mono due)
{
    /* Cannot fail: the node is in the heap. */
    heap_set(&p->timers, &timer->node, due);
}

static int timer_add(struct numbers_publisher *p, struct timer *timer, enum timer_kind kind, void *owner)
{
    timer->kind = kind;
    timer->owner = owner;
    return heap_set(&p->timers, &timer->node, MONO_NEVER);
}

static int add_timers(struct publication *pub)
{
    struct numbers_publisher *p = pub->publisher;
    int err = timer_add(p, &pub->begin, TIMER_BEGIN, pub);
    if (!err)
        err = timer_add(p, &pub->answer, TIMER_ANSWER, pub);
    if (!err)
        err = timer_add(p, &pub->hold, TIMER_HOLD, pub);
    for (size_t i = 0; !err && i < NUMBERS_COPIES; i++)
        err = timer_add(p, &pub->copies[i].timer, TIMER_COPY, &pub->copies[i]);
    return err;
}

static void remove_timers(struct publication *pub)
{
    struct heap *timers = &pub->publisher->timers;
    heap_remove(timers, &pub->begin.node);
    heap_remove(timers, &pub->answer.node);
    heap_remove(timers, &pub->hold.node);
    for (size_t i = 0; i < NUMBERS_COPIES; i++)
        heap_remove(timers, &pub->copies[i].timer.node);
}

void publication_move(struct publication *pub, unsigned node)
{
    pub->publisher->node_counts[pub->node]--;
    pub->node = node;
    pub->publisher->node_counts[node]++;
}

struct publication *publication_new(struct numbers_publisher *p, unsigned node, uint64_t vservice_id,
                                    const struct e164 *number)
{
    uint8_t octets[PUBLICATION_KEY_OCTETS];
    struct publication *pub = mem_alloc(sizeof *pub);
    if (!pub)
        return NULL;
    pub->publisher = p;
    pub->number = *number;
    pub->vservice_id = vservice_id;
    pub->node = node;
    list_init(&pub->waiters);
    numbers_wait_init(&pub->wait, NULL);
    for (size_t i = 0; i < NUMBERS_COPIES; i++) {
        pub->copies[i].owner = pub;
        list_init(&pub->copies[i].link);
    }
    if (add_timers(pub) || map_set(&p->publications, publication_key(vservice_id, number, octets), pub)) {
        remove_timers(pub);
        mem_free(pub);
        return NULL;
    }
    p->publication_count++;
    p->node_counts[node]++;
    return pub;
}

void publication_free(struct publication *pub)
{
    struct numbers_publisher *p = pub->publisher;
    uint8_t octets[PUBLICATION_KEY_OCTETS];
    map_remove(&p->publications, publication_key(pub->vservice_id, &pub->number, octets));
    p->publication_count--;
    p->node_counts[pub->node]--;
    remove_timers(pub);
    numbers_wait_cancel(&pub->wait);
    for (size_t i = 0; i < NUMBERS_COPIES; i++) {
        p->queued -= pub->copies[i].state == COPY_QUEUED;
        list_remove(&pub->copies[i].link);
    }
    for (uint32_t i = 0; i < p->config.in_flight_max; i++)
        if (p->stores[i].copy && p->stores[i].copy->owner == pub)
            p->stores[i].copy = NULL;
    numbers_slots_wipe(pub->slots);
    mem_free(pub);
}

unsigned publication_copies(const struct publication *pub, struct wall now)
{
    unsigned n = 0;
    for (size_t i = 0; i < NUMBERS_COPIES; i++)
        n += copy_is_stored(&pub->copies[i], now);
    return n;
}
