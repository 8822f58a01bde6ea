/* Time, events, and who is told of them: world.h. */
#include "world.h"

#include "alloc.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "conn.h"
#include "hops.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SAME_TIME_EVENTS_MAX 50000000u /* events at one moment: beyond it, time has stopped */
#define CERTIFICATE_DAYS 365
#define DAY_MS INT64_C(86400000)
#define MOMENT_US (10 * SIM_SECOND)

/* ---- random numbers ---- */

void sim_entropy_init(struct seeded_entropy *stream, uint64_t seed, const char *concern, uint64_t index)
{
    uint64_t key[2] = {seed, index};
    stream->state = siphash(key, slice_str(concern));
}

/* ---- events ---- */

struct sim_event *sim_event_new(enum sim_event_type type, size_t octets)
{
    struct sim_event *event = sim_resize(NULL, sizeof *event + octets);
    memset(event, 0, sizeof *event);
    event->type = (uint8_t)type;
    event->octet_count = (uint32_t)octets;
    return event;
}

void sim_event_schedule(struct sim_world *world, struct sim_event *event, int64_t due_us)
{
    sim_queue_add(&world->queue, due_us < world->now_us ? world->now_us : due_us, event);
}

void sim_event_free(struct sim_event *event)
{
    for (struct sim_event *more; event; event = more) {
        more = event->more;
        mem_free(event);
    }
}

void sim_world_at(struct sim_world *world, int64_t at_us, sim_world_fn *fn, void *ctx)
{
    struct sim_event *event = sim_event_new(SIM_EVENT_CALL, 0);
    event->call.fn = fn;
    event->call.ctx = ctx;
    sim_event_schedule(world, event, at_us);
}

/* To whom it happens; NULL: to nobody in particular. */
static struct sim_node *node_of(const struct sim_world *world, uint8_t type, void *event)
{
    struct sim_event *e = event;
    if (type == SIM_EVENT_TICK || type == SIM_EVENT_AGENT)
        return ((struct sim_tick *)event)->node;
    if (type >= SIM_EVENT_FIRST_OF_CONN)
        return &world->nodes[e->conn->ends[e->end].node];
    return type == SIM_EVENT_CALL ? NULL : e->node;
}

/* What happens to a node that hangs waits. True if it does. */
static bool put_off(struct sim_world *world, uint8_t type, void *event)
{
    struct sim_node *node = node_of(world, type, event);
    if (!node || node->hangs_until_us <= world->now_us)
        return false;
    if (type == SIM_EVENT_TICK && node->armed_us != world->now_us)
        return true;
    if (type == SIM_EVENT_AGENT && node->agent->armed_us != world->now_us)
        return true;
    if (type == SIM_EVENT_TICK)
        node->armed_us = node->hangs_until_us;
    if (type == SIM_EVENT_AGENT)
        node->agent->armed_us = node->hangs_until_us;
    sim_queue_add(&world->queue, node->hangs_until_us, event);
    return true;
}

static void happen(struct sim_world *world, void *event)
{
    uint8_t type = *(const uint8_t *)event;
    if (put_off(world, type, event))
        return;
    if (type == SIM_EVENT_TICK) {
        sim_node_tick(((struct sim_tick *)event)->node);
    } else if (type == SIM_EVENT_AGENT) {
        sim_agent_happen(((struct sim_tick *)event)->node);
    } else if (type == SIM_EVENT_CALL) {
        struct sim_event *e = event;
        sim_world_fn *fn = e->call.fn;
        void *ctx = e->call.ctx;
        sim_event_free(e);
        fn(ctx, world);
    } else if (type >= SIM_EVENT_FIRST_OF_CONN) {
        sim_network_happen(world, event);
    } else {
        struct sim_event *e = event;
        sim_node_happen(e->node, e);
    }
}

/* The memory of a large world is far away, and an event leads from one place in it to the next: event, connection, node, server, peer. Each is
 * fetched while other events are worked on, one per level that the event rises. */
static void fetch(void *ctx, void *event, unsigned level)
{
    const struct sim_event *e = event;
    if (level == SIM_QUEUE_SIGHT) {
        __builtin_prefetch(event);
        return;
    }
    uint8_t type = *(const uint8_t *)event;
    if (level == SIM_QUEUE_SIGHT - 1) {
        if (type >= SIM_EVENT_FIRST_OF_CONN)
            __builtin_prefetch(&e->conn->ends[e->end].node);
        return;
    }
    const struct sim_node *node = node_of(ctx, type, event);
    if (!node)
        return;
    if (level) {
        __builtin_prefetch(&node->hangs_until_us);
        __builtin_prefetch(&node->server);
    } else if (node->server) {
        __builtin_prefetch(server_peer(node->server));
    }
}

void sim_world_hash(struct sim_world *world, const void *octets, size_t n)
{
    const uint8_t *p = octets;
    uint64_t h = world->trace_hash;
    for (; n >= sizeof h; p += sizeof h, n -= sizeof h) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    uint64_t last = n;
    memcpy(&last, p, n);
    h = (h ^ last ^ (uint64_t)n << 56) * UINT64_C(0x9e3779b97f4a7c15);
    world->trace_hash = h ^ h >> 32;
}

static void new_moment(struct sim_world *world)
{
    struct sim_result *r = &world->result;
    if (r->moment_count == world->moment_capacity) {
        world->moment_capacity = world->moment_capacity ? 2 * world->moment_capacity : 64;
        r->moments = sim_resize(r->moments, world->moment_capacity * sizeof *r->moments);
    }
    r->moments[r->moment_count++] = (struct sim_moment){
        .at_ms = world->next_moment_us / 1000,
        .nodes_up = world->up,
        .nodes_joined = world->joined,
        .messages = world->moment_messages,
        .octets = world->moment_octets,
        .lookups_done = world->moment_lookups,
        .lookups_failed = world->moment_failed,
    };
    world->moment_messages = world->moment_octets = 0;
    world->moment_lookups = world->moment_failed = 0;
    world->next_moment_us += world->moment_us;
}

bool sim_world_step(struct sim_world *world)
{
    int64_t due;
    void *event = sim_queue_take(&world->queue, &due);
    if (!event)
        return false;
    while (due >= world->next_moment_us)
        new_moment(world);
    world->same_time = due == world->now_us ? world->same_time + 1 : 0;
    if (world->same_time > SAME_TIME_EVENTS_MAX)
        sim_die("time stands still at %" PRId64 " us", due);
    world->now_us = due;
    world->events++;
    sim_world_hash(world, &due, sizeof due);
    happen(world, event);
    for (unsigned i = 0; i < world->observer_count; i++)
        if (world->observers[i]->step)
            world->observers[i]->step(world->observers[i]->ctx, world);
    return true;
}

void sim_world_run(struct sim_world *world, int64_t for_us)
{
    int64_t until = world->now_us + for_us;
    while (sim_queue_due(&world->queue) <= until)
        sim_world_step(world);
    while (until >= world->next_moment_us)
        new_moment(world);
    world->now_us = until;
}

bool sim_world_run_until(struct sim_world *world, sim_world_condition_fn *condition, void *ctx, int64_t every_us,
                         int64_t for_us)
{
    int64_t until = world->now_us + for_us;
    while (!condition(ctx, world)) {
        if (world->now_us >= until)
            return false;
        int64_t left = until - world->now_us;
        sim_world_run(world, left < every_us ? left : every_us);
    }
    return true;
}

struct wall sim_world_wall(const struct sim_world *world)
{
    return (struct wall){SIM_BEGAN_MS + world->now_us / 1000};
}

/* ---- who watches ---- */

void sim_world_observe(struct sim_world *world, const struct sim_observer *observer)
{
    if (world->observer_count == SIM_OBSERVERS_MAX)
        sim_die("too many observers");
    world->observers[world->observer_count++] = observer;
    if (observer->log && world->log_level < LEVEL_NOTICE)
        world->log_level = LEVEL_NOTICE;
}

void sim_world_unobserve(struct sim_world *world, const struct sim_observer *observer)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < world->observer_count; i++)
        if (world->observers[i] != observer)
            world->observers[kept++] = world->observers[i];
    world->observer_count = kept;
}

void sim_world_tell(struct sim_world *world, struct sim_node *node, enum sim_node_event event)
{
    for (unsigned i = 0; i < world->observer_count; i++)
        if (world->observers[i]->node)
            world->observers[i]->node(world->observers[i]->ctx, node, event);
}

void sim_world_violation(struct sim_world *world, const char *rule, const char *format, ...)
{
    struct sim_result *r = &world->result;
    size_t n = r->violation_count++;
    if (n >= SIM_VIOLATIONS_MAX)
        return;
    va_list args;
    va_start(args, format);
    r->violations[n].rule = rule;
    r->violations[n].at_ms = world->now_us / 1000;
    vsnprintf(r->violations[n].text, sizeof r->violations[n].text, format, args);
    va_end(args);
}

/* ---- making it ---- */

unsigned sim_world_bootstraps(const struct sim_world *world)
{
    unsigned wanted = world->node_count / SIM_NODES_PER_BOOTSTRAP + 1;
    return wanted < SIM_BOOTSTRAPS_MAX ? wanted : SIM_BOOTSTRAPS_MAX;
}

static void set_ring(void *ctx, struct config *config, struct region *region)
{
    const struct sim_world *world = ctx;
    unsigned n = sim_world_bootstraps(world);
    struct addr *addrs = region_array(region, n, sizeof *addrs);
    if (!addrs)
        sim_die("no memory for a configuration");
    for (unsigned i = 0; i < n; i++)
        addrs[i] = sim_address(i, false, SIM_RING_PORT); /* which everybody can reach */
    config->bootstrap_nodes = addrs;
    config->bootstrap_node_count = n;
    if (world->nature.number_lifetime_s)
        config->number_lifetime_s = world->nature.number_lifetime_s;
}

struct sim_world *sim_world_new(const struct sim_options *options, const struct sim_nature *nature)
{
    struct sim_world *world = sim_alloc(sizeof *world);
    world->options = options;
    world->nature = *nature;
    world->node_count = options->nodes;
    world->log_level = LEVEL_ERROR;
    world->moment_us = world->next_moment_us = MOMENT_US;
    world->trace_hash = options->seed;
    sim_entropy_init(&world->seed, options->seed, "world", 0);
    world->entropy = seeded_entropy_port(&world->seed);
    sim_entropy_init(&world->identity_seed, options->seed, "identity", 0);
    world->identity_entropy = seeded_entropy_port(&world->identity_seed);
    list_init(&world->lookups);
    sim_queue_init(&world->queue);
    world->queue.near = fetch;
    world->queue.ctx = world;
    world->hops = sim_hops_new();
    world->nodes = sim_alloc(options->nodes * sizeof *world->nodes);
    world->identities =
        sim_identities_new(options->signatures, options->nodes, &world->identity_entropy, (struct wall){SIM_BEGAN_MS});
    sim_network_init(world);
    for (uint32_t i = 0; i < options->nodes; i++) {
        struct sim_node *node = &world->nodes[i];
        sim_node_init(world, i);
        if (i < options->agents)
            sim_agent_init(node);
        sim_identity_issue(world->identities, i, node->id, (struct wall){SIM_BEGAN_MS - DAY_MS},
                           (struct wall){SIM_BEGAN_MS + CERTIFICATE_DAYS * DAY_MS});
    }
    sim_identities_configure(world->identities, set_ring, world);
    world->result = (struct sim_result){
        .seed = options->seed,
        .scenario = options->scenario,
        .nodes = options->nodes,
        .signatures = sim_signatures_name(options->signatures),
    };
    return world;
}

static void drop_events(struct sim_world *world)
{
    int64_t due;
    void *event;
    while ((event = sim_queue_take(&world->queue, &due))) {
        uint8_t type = *(const uint8_t *)event;
        if (type == SIM_EVENT_TICK || type == SIM_EVENT_AGENT)
            continue;
        if (type >= SIM_EVENT_FIRST_OF_CONN)
            sim_conn_forget(((struct sim_event *)event)->conn);
        sim_event_free(event);
    }
}

void sim_world_free(struct sim_world *world)
{
    if (!world)
        return;
    world->observer_count = 0;
    for (uint32_t i = 0; i < world->node_count; i++) {
        sim_agent_stop(&world->nodes[i]);
        sim_node_end(&world->nodes[i], SIM_END_CRASH);
    }
    sim_network_heal(world);
    for (uint32_t i = 0; i < world->node_count; i++)
        sim_network_darken(world, &world->nodes[i], false);
    drop_events(world);
    for (uint32_t i = 0; i < world->node_count; i++) {
        sim_agent_fini(&world->nodes[i]);
        sim_node_fini(&world->nodes[i]);
    }
    sim_network_fini(world);
    sim_identities_free(world->identities);
    sim_queue_fini(&world->queue);
    sim_hops_free(world->hops);
    mem_free(world->ring);
    mem_free(world->nodes);
    sim_result_fini(&world->result);
    mem_free(world);
}
