/* The publisher: requests, the queue of copies, stores and their ends. */
#include "numbers/publisher.h"

#include "base/mem.h"
#include "numbers/publication.h"
#include "reload/codes.h"

#define PUBLICATIONS_MAX 1000000 /* whatever the quota says */
#define LIFETIME_S_MIN 60        /* of a copy that is stored shortly before the publication ends */
#define VALUE_OCTETS_MAX 64
#define JITTER_PERCENT 20

COUNTERS_DEFINE(numbers_publisher_counters, NUMBERS_PUBLISHER_COUNTERS)

static const struct mono at_once = {INT64_MIN};

/* ---- making one ---- */

static bool config_is_good(const struct numbers_publisher_config *c)
{
    return c->lifetime_s && c->hold_s && c->in_flight_max && c->waiters_max && c->answer_attempts && c->answer_ms > 0 &&
           c->retry_min_ms > 0 && c->retry_max_ms >= c->retry_min_ms;
}

int numbers_publisher_new(const struct numbers_publisher_config *config, const struct numbers_publisher_ports *ports,
                          struct numbers_publisher **ret_publisher)
{
    if (!config_is_good(config))
        return ERR_RANGE;
    struct numbers_publisher *p = mem_alloc(sizeof *p);
    if (!p)
        return ERR_NO_MEMORY;
    p->stores = mem_alloc(config->in_flight_max * sizeof *p->stores);
    if (!p->stores) {
        mem_free(p);
        return ERR_NO_MEMORY;
    }
    p->config = *config;
    p->ports = *ports;
    p->nodes[0] = config->self;
    p->has_node[0] = true;
    p->generation = numbers_resolver_generation(ports->resolver);
    map_init(&p->publications, PUBLICATIONS_MAX, config->hash_seed);
    heap_init(&p->timers);
    list_init(&p->urgent);
    list_init(&p->routine);
    list_init(&p->unused);
    list_init(&p->unsent);
    list_init(&p->results);
    list_init(&p->saves);
    pace_init(&p->pace, config->stores_per_s);
    for (uint32_t i = 0; i < config->in_flight_max; i++) {
        list_append(&p->unused, &p->stores[i].link);
        buf_init(&p->stores[i].value, VALUE_OCTETS_MAX);
    }
    *ret_publisher = p;
    return 0;
}

static void free_waiters(struct list *waiters)
{
    LIST_EACH(it, waiters)
        mem_free(CONTAINER_OF(it, struct waiter, link));
}

void numbers_publisher_free(struct numbers_publisher *publisher)
{
    if (!publisher)
        return;
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&publisher->publications, &it)) {
        struct publication *pub = it.value;
        free_waiters(&pub->waiters);
        publication_free(pub);
    }
    map_fini(&publisher->publications);
    heap_fini(&publisher->timers);
    save_forget_all(publisher);
    free_waiters(&publisher->results);
    for (uint32_t i = 0; i < publisher->config.in_flight_max; i++)
        buf_fini(&publisher->stores[i].value);
    mem_free(publisher->stores);
    mem_free(publisher);
}

/* ---- answers ---- */

static void answer(struct numbers_publisher *p, struct waiter *waiter, enum numbers_outcome outcome, unsigned copies)
{
    waiter->outcome = outcome;
    waiter->copies = copies;
    if (outcome == NUMBERS_PUBLISHED)
        p->counters.published++;
    else if (outcome == NUMBERS_REMOVED)
        p->counters.removed++;
    else
        p->counters.failed++;
    log_event(p->ports.log, outcome == NUMBERS_PUBLISHED || outcome == NUMBERS_REMOVED ? LEVEL_INFO : LEVEL_WARNING,
              "numbers.done", "number=%s vservice=%016llx outcome=%s copies=%u", waiter->number.text,
              (unsigned long long)waiter->vservice_id, numbers_outcome_name(outcome), copies);
    list_append(&p->results, &waiter->link);
}

static void answer_all(struct publication *pub, struct wall now, enum numbers_outcome outcome)
{
    struct list *link;
    while ((link = list_pop(&pub->waiters)) != NULL) {
        pub->waiter_count--;
        answer(pub->publisher, CONTAINER_OF(link, struct waiter, link), outcome, publication_copies(pub, now));
    }
    timer_set(pub->publisher, &pub->answer, MONO_NEVER);
}

/* What to tell who waits, when it did not work: the gravest reason among the missing copies. */
static enum numbers_outcome worst_outcome(const struct publication *pub)
{
    enum numbers_outcome worst = pub->known ? NUMBERS_RING_UNAVAILABLE : NUMBERS_HASH_FAILED;
    for (size_t i = 0; i < NUMBERS_COPIES; i++) {
        const struct copy *copy = &pub->copies[i];
        if (!copy->fresh && copy->failed && copy->outcome < worst)
            worst = copy->outcome;
    }
    return worst;
}

/* ---- the queue ---- */

static void enqueue(struct copy *copy)
{
    struct numbers_publisher *p = copy->owner->publisher;
    if (copy->state == COPY_STORING)
        return;
    timer_set(p, &copy->timer, MONO_NEVER);
    if (copy->state == COPY_IDLE)
        p->queued++;
    copy->state = COPY_QUEUED;
    list_remove(&copy->link);
    list_append(list_empty(&copy->owner->waiters) ? &p->routine : &p->urgent, &copy->link);
}

static struct copy *dequeue(struct numbers_publisher *p)
{
    struct list *link = list_pop(list_empty(&p->urgent) ? &p->routine : &p->urgent);
    struct copy *copy = CONTAINER_OF(link, struct copy, link);
    p->queued--;
    copy->state = COPY_IDLE;
    return copy;
}

static void enqueue_all(struct publication *pub)
{
    for (size_t i = 0; i < NUMBERS_COPIES; i++)
        enqueue(&pub->copies[i]);
}

static int64_t with_jitter(const struct numbers_publisher *p, int64_t ms)
{
    return ms + entropy_between(&p->ports.entropy, -ms * JITTER_PERCENT / 100, ms * JITTER_PERCENT / 100);
}

static void retry_later(struct copy *copy, struct now now)
{
    struct numbers_publisher *p = copy->owner->publisher;
    int64_t ms = p->config.retry_min_ms;
    for (unsigned i = 1; i < copy->attempts && ms < p->config.retry_max_ms; i++)
        ms *= 2;
    if (ms > p->config.retry_max_ms)
        ms = p->config.retry_max_ms;
    timer_set(p, &copy->timer, mono_after_ms(now.mono, with_jitter(p, ms)));
}

/* ---- what happens to a publication ---- */

static void end(struct publication *pub)
{
    pub->publisher->counters.publications_ended++;
    save_end(pub);
    publication_free(pub);
}

static bool all_fresh(const struct publication *pub)
{
    return pub->copies[0].fresh && pub->copies[1].fresh && pub->copies[2].fresh;
}

static bool is_removed(const struct publication *pub)
{
    return !pub->wanted && !pub->asked && all_fresh(pub);
}

/* All copies done: tell who waits. Each failed often enough: tell them, too, and go on trying. May free the publication. */
static void settle(struct publication *pub, struct now now)
{
    const struct numbers_publisher *p = pub->publisher;
    bool settled = true;
    for (size_t i = 0; i < NUMBERS_COPIES; i++)
        settled = settled && (pub->copies[i].fresh || pub->copies[i].attempts >= p->config.answer_attempts);
    if (!settled)
        return;
    if (!all_fresh(pub)) {
        answer_all(pub, now.wall, worst_outcome(pub));
        return;
    }
    answer_all(pub, now.wall, pub->wanted ? NUMBERS_PUBLISHED : NUMBERS_REMOVED);
    if (pub->wanted)
        save_stored_at(pub);
    else if (pub->saves == 0)
        end(pub);
}

static void copy_failed(struct copy *copy, struct now now, enum numbers_outcome outcome, uint16_t error_code)
{
    copy->failed = true;
    copy->outcome = outcome;
    copy->error_code = error_code;
    copy->attempts++;
    copy->fresh = false;
    retry_later(copy, now);
    settle(copy->owner, now);
}

static void copy_done(struct copy *copy, struct now now, uint32_t lifetime_s)
{
    struct publication *pub = copy->owner;
    struct numbers_publisher *p = pub->publisher;
    int64_t lifetime_ms = (int64_t)lifetime_s * 1000;
    copy->failed = false;
    copy->attempts = 0;
    copy->error_code = 0;
    copy->fresh = true;
    copy->stored_at = pub->wanted ? now.wall : (struct wall){0};
    copy->expires = wall_after_ms(now.wall, pub->wanted ? lifetime_ms : 0);
    /* Refreshed at a random time between one half and three quarters of its life, so that stores spread out. */
    if (pub->wanted && copy->expires.ms < pub->held_until.ms)
        timer_set(p, &copy->timer,
                  mono_after_ms(now.mono, entropy_between(&p->ports.entropy, lifetime_ms / 2, lifetime_ms * 3 / 4)));
    if (copy->again)
        timer_set(p, &copy->timer, now.mono);
    copy->again = false;
    settle(pub, now);
}

static void hash_failed(struct publication *pub, struct now now)
{
    struct numbers_publisher *p = pub->publisher;
    p->counters.hash_failed++;
    answer_all(pub, now.wall, NUMBERS_HASH_FAILED);
    timer_set(p, &pub->begin, mono_after_ms(now.mono, with_jitter(p, p->config.retry_max_ms)));
}

static void pump(struct numbers_publisher *p, struct now now);

static void resolved(struct numbers_wait *wait, struct now now, int err, const struct numbers_slot *slots)
{
    struct publication *pub = CONTAINER_OF(wait, struct publication, wait);
    pub->hashing = false;
    if (err) {
        hash_failed(pub, now);
        return;
    }
    memcpy(pub->slots, slots, sizeof pub->slots);
    pub->known = true;
    enqueue_all(pub);
    pump(pub->publisher, now);
}

/* A new wish, or time to look after an old one. */
static void begin(struct publication *pub, struct now now)
{
    struct numbers_publisher *p = pub->publisher;
    if (pub->asked) {
        pub->asked = false;
        timer_set(p, &pub->hold, mono_after_ms(now.mono, pub->held_until.ms - now.wall.ms));
        if (!list_empty(&pub->waiters) && pub->answer.node.due.us == MONO_NEVER.us)
            timer_set(p, &pub->answer, mono_after_ms(now.mono, p->config.answer_ms));
        for (size_t i = 0; i < NUMBERS_COPIES; i++) {
            pub->copies[i].fresh = false;
            pub->copies[i].attempts = 0;
        }
    }
    if (pub->known) {
        enqueue_all(pub);
        return;
    }
    if (pub->hashing)
        return;
    pub->hashing = true;
    numbers_wait_init(&pub->wait, resolved);
    int err = numbers_resolve(p->ports.resolver, now, &pub->number, &pub->wait, pub->slots);
    if (err == NUMBERS_LATER)
        return;
    pub->hashing = false;
    if (err) {
        hash_failed(pub, now);
        return;
    }
    pub->known = true;
    enqueue_all(pub);
}

void publisher_saved(struct publication *pub, struct waiter *waiter, struct wall held_until, int err)
{
    struct numbers_publisher *p = pub->publisher;
    if (err) {
        p->counters.write_failed++;
        pub->waiter_count--;
        answer(p, waiter, NUMBERS_NOT_SAVED, 0);
        if (pub->saves == 0 && !pub->saved)
            publication_free(pub);
        else if (pub->saves == 0 && is_removed(pub))
            end(pub);
        return;
    }
    LIST_EACH(it, &pub->waiters) {
        struct waiter *other = CONTAINER_OF(it, struct waiter, link);
        if (other->wants == waiter->wants)
            continue;
        list_remove(it);
        pub->waiter_count--;
        answer(p, other, NUMBERS_SUPERSEDED, 0);
    }
    pub->saved = true;
    pub->asked = true;
    pub->wanted = waiter->wants;
    pub->held_until = held_until;
    list_append(&pub->waiters, &waiter->link);
    /* The store's completion does not know the time: the next tick goes on. */
    timer_set(p, &pub->begin, at_once);
}

/* ---- requests ---- */

static void request(struct numbers_publisher *p, struct publication *pub, struct waiter *waiter, struct now now)
{
    if (pub->waiter_count >= p->config.waiters_max) {
        p->counters.refused_waiters++;
        answer(p, waiter, NUMBERS_BUSY, publication_copies(pub, now.wall));
        return;
    }
    pub->waiter_count++;
    save_wish(pub, waiter, wall_after_ms(now.wall, (int64_t)p->config.hold_s * 1000));
}

static struct waiter *new_waiter(uint64_t token, bool wants, const struct e164 *number, uint64_t vservice_id)
{
    struct waiter *waiter = mem_alloc(sizeof *waiter);
    if (!waiter)
        return NULL;
    *waiter = (struct waiter){.token = token, .wants = wants, .number = *number, .vservice_id = vservice_id};
    list_init(&waiter->link);
    return waiter;
}

/* NUMBERS_NODES_MAX: none has. */
static unsigned node_with_room(const struct numbers_publisher *p)
{
    unsigned node = 0;
    while (node < NUMBERS_NODES_MAX && (!p->has_node[node] || p->node_counts[node] >= p->config.quota))
        node++;
    return node;
}

int numbers_publish(struct numbers_publisher *publisher, struct now now, uint64_t token, const struct e164 *number,
                    uint64_t vservice_id)
{
    struct numbers_publisher *p = publisher;
    struct waiter *waiter = new_waiter(token, true, number, vservice_id);
    if (!waiter)
        return ERR_NO_MEMORY;
    p->counters.publish_requests++;
    struct publication *pub = publication_find(p, vservice_id, number);
    unsigned node = node_with_room(p);
    if (!pub && node == NUMBERS_NODES_MAX) {
        p->counters.over_quota++;
        answer(p, waiter, NUMBERS_OVER_QUOTA, 0);
        return 0;
    }
    if (!pub)
        pub = publication_new(p, node, vservice_id, number);
    if (pub)
        request(p, pub, waiter, now);
    else
        answer(p, waiter, NUMBERS_BUSY, 0);
    return 0;
}

int numbers_unpublish(struct numbers_publisher *publisher, struct now now, uint64_t token, const struct e164 *number,
                      uint64_t vservice_id)
{
    struct waiter *waiter = new_waiter(token, false, number, vservice_id);
    if (!waiter)
        return ERR_NO_MEMORY;
    publisher->counters.unpublish_requests++;
    struct publication *pub = publication_find(publisher, vservice_id, number);
    if (pub)
        request(publisher, pub, waiter, now);
    else
        answer(publisher, waiter, NUMBERS_UNKNOWN, 0);
    return 0;
}

/* ---- stores ---- */

static uint32_t copy_lifetime_s(const struct publication *pub, struct wall now)
{
    uint32_t lifetime_s = pub->publisher->config.lifetime_s;
    int64_t held_s = (pub->held_until.ms - now.ms + 999) / 1000;
    if (!pub->wanted || held_s >= lifetime_s)
        return lifetime_s;
    return held_s > LIFETIME_S_MIN ? (uint32_t)held_s : LIFETIME_S_MIN;
}

static int seal(const struct publication *pub, const struct numbers_slot *slot, struct buf *ret_value)
{
    const struct numbers_publisher *p = pub->publisher;
    const struct numbers_place place = {slot->resource, p->nodes[pub->node], pub->vservice_id};
    return numbers_seal(slot->key, &place, &p->ports.entropy, ret_value);
}

static void start_store(struct copy *copy, struct now now)
{
    struct publication *pub = copy->owner;
    struct numbers_publisher *p = pub->publisher;
    struct store *store = CONTAINER_OF(p->unused.next, struct store, link);
    const struct numbers_slot *slot = &pub->slots[copy - pub->copies];
    if (!p->has_node[pub->node]) { /* not there yet: set_node begins anew */
        copy_failed(copy, now, NUMBERS_RING_UNAVAILABLE, 0);
        return;
    }
    store->resource = slot->resource;
    store->exists = pub->wanted;
    store->lifetime_s = copy_lifetime_s(pub, now.wall);
    store->node = pub->node;
    numbers_key_format(p->nodes[pub->node], pub->vservice_id, store->key);
    buf_clear(&store->value);
    if (store->exists && seal(pub, slot, &store->value)) {
        p->counters.seal_failed++;
        copy_failed(copy, now, NUMBERS_BUSY, 0);
        return;
    }
    p->counters.stores++;
    p->counters.retries += copy->attempts > 0;
    p->counters.refreshes += copy->attempts == 0 && copy->fresh;
    /* The number of the place, and a serial number by which an answer that comes too late is known. */
    store->id = ++p->store_serial * p->config.in_flight_max + (uint64_t)(store - p->stores);
    store->copy = copy;
    copy->state = COPY_STORING;
    p->in_flight++;
    list_remove(&store->link);
    list_append(&p->unsent, &store->link);
}

static bool can_start(const struct numbers_publisher *p)
{
    return p->queued && !list_empty(&p->unused);
}

static void pump(struct numbers_publisher *p, struct now now)
{
    while (can_start(p) && pace_step(&p->pace, now.mono))
        start_store(dequeue(p), now);
}

static enum numbers_outcome store_outcome(struct numbers_publisher *p, uint16_t error_code)
{
    switch (error_code) {
    case RELOAD_ERROR_DATA_TOO_LARGE:
        p->counters.stores_refused_quota++;
        return NUMBERS_REFUSED_QUOTA;
    case 0:
    case RELOAD_ERROR_NOT_FOUND: /* the ring is being rearranged: whom we asked is not responsible */
    case RELOAD_ERROR_REQUEST_TIMEOUT:
    case RELOAD_ERROR_TTL_EXCEEDED:
        p->counters.stores_unavailable++;
        return NUMBERS_RING_UNAVAILABLE;
    default:
        p->counters.stores_refused++;
        return NUMBERS_REFUSED;
    }
}

void numbers_store_done(struct numbers_publisher *publisher, struct now now, uint64_t store_id, int err,
                        uint16_t error_code)
{
    struct numbers_publisher *p = publisher;
    struct store *store = &p->stores[store_id % p->config.in_flight_max];
    if (store_id == 0 || store->id != store_id) /* 0: nothing is under way here */
        return;
    struct copy *copy = store->copy;
    store->id = 0;
    store->copy = NULL;
    p->in_flight--;
    list_remove(&store->link);
    list_append(&p->unused, &store->link);
    if (copy) {
        struct publication *pub = copy->owner;
        bool stale = store->exists != pub->wanted || !pub->known ||
                     !id_eq(store->resource, pub->slots[copy - pub->copies].resource);
        copy->state = COPY_IDLE;
        if (err || error_code) {
            enum numbers_outcome outcome = store_outcome(p, error_code);
            if (!stale)
                copy_failed(copy, now, outcome, error_code);
        } else {
            p->counters.stores_good++;
            if (!stale)
                copy_done(copy, now, store->lifetime_s);
        }
        if (stale && pub->known)
            enqueue(copy);
    }
    pump(p, now);
}

/* ---- time ---- */

static void hold_is_over(struct publication *pub, struct now now)
{
    if (pub->saves || now.wall.ms < pub->held_until.ms) {
        /* Renewed at this very moment, or the clock was set back. */
        int64_t left_ms = pub->held_until.ms - now.wall.ms;
        timer_set(pub->publisher, &pub->hold, mono_after_ms(now.mono, left_ms > 1000 ? left_ms : 1000));
        return;
    }
    answer_all(pub, now.wall, worst_outcome(pub));
    end(pub);
}

static void fire(struct timer *timer, struct now now)
{
    switch (timer->kind) {
    case TIMER_COPY:
        enqueue(timer->owner);
        break;
    case TIMER_BEGIN:
        begin(timer->owner, now);
        break;
    case TIMER_ANSWER:
        answer_all(timer->owner, now.wall, worst_outcome(timer->owner));
        break;
    case TIMER_HOLD:
        hold_is_over(timer->owner, now);
        break;
    }
}

void numbers_publisher_tick(struct numbers_publisher *publisher, struct now now)
{
    struct heap_node *node;
    while ((node = heap_pop_due(&publisher->timers, now.mono)) != NULL) {
        struct timer *timer = CONTAINER_OF(node, struct timer, node);
        timer_set(publisher, timer, MONO_NEVER); /* back at once: its place cannot be lost */
        fire(timer, now);
    }
    pump(publisher, now);
}

struct mono numbers_publisher_deadline(const struct numbers_publisher *publisher)
{
    struct mono deadline = heap_deadline(&publisher->timers);
    return can_start(publisher) ? mono_min(deadline, publisher->pace.next) : deadline;
}

/* What lies under the old Resource-IDs is nobody's any more. */
static void start_over(struct publication *pub, struct now now)
{
    struct numbers_publisher *p = pub->publisher;
    pub->known = false;
    numbers_slots_wipe(pub->slots);
    for (size_t i = 0; i < NUMBERS_COPIES; i++) {
        struct copy *copy = &pub->copies[i];
        copy->stored_at = (struct wall){0};
        timer_set(p, &copy->timer, MONO_NEVER);
        if (copy->state != COPY_QUEUED)
            continue;
        list_remove(&copy->link);
        copy->state = COPY_IDLE;
        p->queued--;
    }
    if (pub->saved)
        timer_set(p, &pub->begin, now.mono);
}

void numbers_publisher_again(struct numbers_publisher *publisher, struct now now)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&publisher->publications, &it))
        start_over(it.value, now);
    numbers_publisher_tick(publisher, now);
}

void numbers_publisher_reconfigure(struct numbers_publisher *publisher, struct now now, uint32_t quota,
                                   uint32_t lifetime_s)
{
    struct numbers_publisher *p = publisher;
    p->config.quota = quota;
    p->config.lifetime_s = lifetime_s ? lifetime_s : p->config.lifetime_s;
    if (p->config.hold_s < p->config.lifetime_s)
        p->config.hold_s = p->config.lifetime_s;
    if (p->generation == numbers_resolver_generation(p->ports.resolver))
        return;
    p->generation = numbers_resolver_generation(p->ports.resolver);
    numbers_publisher_again(p, now);
}

/* It moves, or its Node-ID is back: what is not as it should be is done at once. */
static void resume(struct publication *pub, struct now now)
{
    for (size_t i = 0; i < NUMBERS_COPIES; i++) {
        pub->copies[i].attempts = 0;
        pub->copies[i].again = pub->copies[i].state == COPY_STORING;
    }
    if (pub->saved)
        timer_set(pub->publisher, &pub->begin, now.mono);
}

void numbers_publisher_set_node(struct numbers_publisher *publisher, struct now now, unsigned number,
                                const struct id *node)
{
    struct numbers_publisher *p = publisher;
    struct map_iter it;
    p->has_node[number] = node != NULL;
    if (node)
        p->nodes[number] = *node;
    map_iter_init(&it);
    while (map_iter_next(&p->publications, &it)) {
        struct publication *pub = it.value;
        bool failed = pub->copies[0].failed || pub->copies[1].failed || pub->copies[2].failed;
        if (pub->node != number || (node && !failed))
            continue;
        if (!node) {
            unsigned other = node_with_room(p);
            publication_move(pub, other < NUMBERS_NODES_MAX ? other : 0);
            save_moved(pub);
            start_over(pub, now);
        }
        resume(pub, now);
    }
    numbers_publisher_tick(p, now);
}

bool numbers_publisher_node_of(const struct numbers_publisher *publisher, const struct e164 *number,
                               uint64_t vservice_id, unsigned *ret_number)
{
    const struct publication *pub = publication_find(publisher, vservice_id, number);
    if (!pub)
        return false;
    *ret_number = pub->node;
    return true;
}

void numbers_publisher_sign_again(struct numbers_publisher *publisher, struct now now, unsigned node, struct wall since,
                                  struct wall until)
{
    struct numbers_publisher *p = publisher;
    struct map_iter it;
    p->signed_since[node] = since;
    int64_t left_ms = until.ms > now.wall.ms ? until.ms - now.wall.ms : 0;
    map_iter_init(&it);
    while (map_iter_next(&p->publications, &it)) {
        struct publication *pub = it.value;
        for (size_t i = 0; pub->wanted && pub->node == node && i < NUMBERS_COPIES; i++) {
            struct copy *copy = &pub->copies[i];
            copy->again = copy->state == COPY_STORING;
            if (copy->state != COPY_IDLE || !copy->stored_at.ms || copy->stored_at.ms >= since.ms ||
                copy->expires.ms <= until.ms)
                continue;
            p->counters.signed_again++;
            struct mono due = mono_after_ms(now.mono, entropy_between(&p->ports.entropy, 0, left_ms / 2));
            struct timer *timer = pub->known ? &copy->timer : &pub->begin; /* its places are found first */
            timer_set(p, timer, mono_min(timer->node.due, due));
        }
    }
}

/* ---- effects ---- */

static void store_effect(const struct store *store, struct numbers_publisher_effect *ret_effect)
{
    *ret_effect = (struct numbers_publisher_effect){
        .type = NUMBERS_STORE,
        .store = store->id,
        .node = store->node,
        .resource = store->resource,
        .key = slice_of(store->key, NUMBERS_KEY_OCTETS),
        .value = buf_slice(&store->value),
        .exists = store->exists,
        .lifetime_s = store->lifetime_s,
    };
}

bool numbers_publisher_next(struct numbers_publisher *publisher, struct numbers_publisher_effect *ret_effect)
{
    struct list *link = list_pop(&publisher->results);
    if (link) {
        struct waiter *waiter = CONTAINER_OF(link, struct waiter, link);
        *ret_effect = (struct numbers_publisher_effect){
            .type = NUMBERS_DONE,
            .token = waiter->token,
            .outcome = waiter->outcome,
            .number = waiter->number,
            .vservice_id = waiter->vservice_id,
            .copies = waiter->copies,
        };
        mem_free(waiter);
        return true;
    }
    link = list_pop(&publisher->unsent);
    if (!link)
        return false;
    store_effect(CONTAINER_OF(link, struct store, link), ret_effect);
    return true;
}
