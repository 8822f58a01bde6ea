/* Publication of our numbers, and the report on each run through them. */
#include "agent/publish.h"

#include "agent/number_key.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define FEED_MAX 512 /* numbers handed over in one turn */

enum item_state { ITEM_NEW, ITEM_WAITING, ITEM_GOOD, ITEM_BAD };

/* A number; millions are possible. */
struct item {
    uint64_t key; /* number_key.h; also the token */
    uint8_t state;
    bool handed; /* to the client */
    bool in_run; /* it has had its result in the run under way */
};

struct agent_publish {
    struct item *items; /* by key */
    size_t count;
    size_t next; /* from here on numbers may be still to be handed over */
    uint64_t *forget;
    size_t forget_count; /* still to be told to the client, from the last */
    size_t states[ITEM_BAD + 1];
    bool running;
    size_t run_waiting;
    struct agent_publish_report run;  /* under way */
    struct agent_publish_report last; /* ended */
    bool has_last;
    bool completed; /* not told yet */
};

int agent_publish_new(struct agent_publish **ret_publish)
{
    struct agent_publish *p = mem_alloc(sizeof *p);
    if (!p)
        return ERR_NO_MEMORY;
    *ret_publish = p;
    return 0;
}

void agent_publish_free(struct agent_publish *p)
{
    if (!p)
        return;
    mem_free(p->items);
    mem_free(p->forget);
    mem_free(p);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = ((const struct item *)a)->key, y = ((const struct item *)b)->key;
    return (x > y) - (x < y);
}

static struct item *find(const struct agent_publish *p, uint64_t key)
{
    const struct item wanted = {.key = key};
    return p->count ? bsearch(&wanted, p->items, p->count, sizeof *p->items, compare) : NULL;
}

static void set_state(struct agent_publish *p, struct item *item, enum item_state state)
{
    p->states[item->state]--;
    p->states[state]++;
    item->state = (uint8_t)state;
}

/* ---- runs ---- */

static void end_run(struct agent_publish *p, struct now now);

/* afresh: those that are published already have had their result. */
static void begin_run(struct agent_publish *p, struct now now, bool afresh)
{
    p->run = (struct agent_publish_report){.start = now.wall, .count = p->count};
    p->run_waiting = 0;
    p->running = p->count > 0;
    for (size_t i = 0; i < p->count; i++) {
        p->items[i].in_run = afresh && p->items[i].state == ITEM_GOOD;
        p->run_waiting += !p->items[i].in_run;
    }
    if (p->running && !p->run_waiting)
        end_run(p, now);
}

static void end_run(struct agent_publish *p, struct now now)
{
    p->run.end = now.wall;
    p->last = p->run;
    p->has_last = true;
    p->completed = true;
    begin_run(p, now, false);
}

static void count_failure(struct agent_publish *p, const struct item *item, const char *reason)
{
    struct agent_publish_report *r = &p->run;
    if (!r->failed)
        snprintf(r->reason, sizeof r->reason, "%s", reason);
    r->failed++;
    if (r->named < AGENT_PUBLISH_FAILED_MAX)
        r->failed_numbers[r->named++] = agent_number_of_key(item->key);
}

static void settle(struct agent_publish *p, struct now now, struct item *item, bool good, const char *reason)
{
    set_state(p, item, good ? ITEM_GOOD : ITEM_BAD);
    if (!p->running || item->in_run)
        return;
    item->in_run = true;
    if (!good)
        count_failure(p, item, reason);
    if (--p->run_waiting == 0)
        end_run(p, now);
}

/* ---- numbers ---- */

/* All enrolled numbers, sorted, with what is known of them. */
static int collect(const struct agent_publish *p, const struct agent_enrolled *enrolled, struct item **ret_items,
                   size_t *ret_count)
{
    size_t max = agent_enrolled_count(enrolled);
    struct item *items = mem_alloc((max + 1) * sizeof *items);
    struct agent_enrolled_iter it = {0};
    struct e164 number;
    size_t n = 0;
    if (!items)
        return ERR_NO_MEMORY;
    while (n < max && agent_enrolled_next(enrolled, &it, &number)) {
        uint64_t key = agent_number_key(e164_slice(&number));
        const struct item *known = find(p, key);
        items[n++] = known ? *known : (struct item){.key = key, .state = ITEM_NEW};
    }
    if (n)
        qsort(items, n, sizeof *items, compare);
    *ret_items = items;
    *ret_count = n;
    return 0;
}

/* Those that were handed over and are not in the new list, behind those that are to be forgotten already. */
static int collect_forgotten(struct agent_publish *p, const struct item *items, size_t count)
{
    uint64_t *forget = mem_resize(p->forget, (p->forget_count + p->count + 1) * sizeof *forget);
    if (!forget)
        return ERR_NO_MEMORY;
    p->forget = forget;
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].handed && (!count || !bsearch(&p->items[i], items, count, sizeof *items, compare)))
            forget[p->forget_count++] = p->items[i].key;
    return 0;
}

int agent_publish_set(struct agent_publish *p, struct now now, const struct agent_enrolled *enrolled)
{
    struct item *items;
    size_t count;
    int err = collect(p, enrolled, &items, &count);
    if (err)
        return err;
    err = collect_forgotten(p, items, count);
    if (err) {
        mem_free(items);
        return err;
    }
    mem_free(p->items);
    p->items = items;
    p->count = count;
    p->next = 0;
    memset(p->states, 0, sizeof p->states);
    for (size_t i = 0; i < count; i++)
        p->states[items[i].state]++;
    begin_run(p, now, true);
    return 0;
}

static int hand_over(struct agent_publish *p, struct now now, struct vap_client *client, struct item *item)
{
    struct e164 number = agent_number_of_key(item->key);
    int err = vap_client_publish_number(client, now, &number, item->key);
    if (err && err != ERR_EXISTS)
        return err;
    item->handed = true;
    set_state(p, item, ITEM_WAITING);
    return 0;
}

int agent_publish_feed(struct agent_publish *p, struct now now, struct vap_client *client)
{
    for (unsigned i = 0; i < FEED_MAX; i++) {
        if (p->forget_count) {
            struct e164 number = agent_number_of_key(p->forget[--p->forget_count]);
            vap_client_forget_number(client, &number);
            continue;
        }
        while (p->next < p->count && p->items[p->next].state != ITEM_NEW)
            p->next++;
        if (p->next == p->count)
            return 0;
        int err = hand_over(p, now, client, &p->items[p->next]);
        if (err)
            return err == ERR_CLOSED ? 0 : ERR_NO_MEMORY;
    }
    return p->forget_count || p->next < p->count;
}

void agent_publish_result(struct agent_publish *p, struct now now, const struct vap_client_effect *effect)
{
    struct item *item = find(p, effect->token);
    if (item && item->handed && effect->err != ERR_CLOSED)
        settle(p, now, item, effect->err == 0, effect->reason);
}

/* ---- views ---- */

const struct agent_publish_report *agent_publish_report(const struct agent_publish *p)
{
    return p->has_last ? &p->last : NULL;
}

bool agent_publish_completed(struct agent_publish *p)
{
    bool completed = p->completed;
    p->completed = false;
    return completed;
}

void agent_publish_view(const struct agent_publish *p, struct agent_publish_view *ret_view)
{
    *ret_view = (struct agent_publish_view){
        .count = p->count,
        .published = p->states[ITEM_GOOD],
        .failing = p->states[ITEM_BAD],
        .waiting = p->states[ITEM_NEW] + p->states[ITEM_WAITING],
        .run_start = p->run.start,
        .run_waiting = p->run_waiting,
    };
}
