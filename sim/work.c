/* What the world has its companies do: publish, look up; and what is counted at the end. */
#include "world.h"

#include "alloc.h"
#include "base/map.h"
#include "base/mem.h"

#define PUBLISH_SPREAD_US (10 * SIM_SECOND)
#define ASKED_US (200 * SIM_MS)
#define LOOKUPS_END_US (2 * SIM_MINUTE) /* requests live 15 s, and are tried again */
#define DRAWS_MAX 64
#define COPIES_WANTED 3 /* the responsible peer and two replicas */

/* ---- publishing ---- */

static void publish_all(void *ctx, struct sim_world *world)
{
    struct sim_node *node = ctx;
    for (uint32_t k = 0; k < world->options->numbers; k++)
        sim_agent_publish(node, k);
}

static void retry(void *ctx, struct sim_world *world)
{
    struct sim_node *node = ctx;
    for (uint32_t k = 0; k < world->options->numbers; k++)
        if (node->agent->numbers[k] == SIM_NUMBER_FAILED)
            sim_agent_publish(node, k);
}

static bool all_published(void *ctx, struct sim_world *world)
{
    bool all = true;
    (void)ctx;
    for (uint32_t i = 0; i < world->options->agents; i++) {
        const struct sim_agent *agent = world->nodes[i].agent;
        bool failed = false;
        if (!agent->client)
            continue;
        for (uint32_t k = 0; k < world->options->numbers; k++) {
            all = all && agent->numbers[k] == SIM_NUMBER_PUBLISHED;
            failed = failed || agent->numbers[k] == SIM_NUMBER_FAILED;
        }
        if (failed)
            retry(&world->nodes[i], world);
    }
    return all;
}

bool sim_world_publish(struct sim_world *world, int64_t for_us)
{
    uint32_t n = world->options->agents;
    for (uint32_t i = 0; i < n; i++)
        sim_world_at(world, world->now_us + PUBLISH_SPREAD_US * i / n, publish_all, &world->nodes[i]);
    return sim_world_run_until(world, all_published, NULL, ASKED_US, for_us);
}

/* ---- looking up ---- */

struct lookups {
    uint32_t left;
    int64_t every_us;
};

/* A member to ask, and a number to ask for. False: there was none among those drawn. */
static bool draw(struct sim_world *world, struct sim_node **ret_node, struct e164 *ret_number)
{
    uint32_t n;
    struct sim_node *const *ring = sim_world_ring(world, &n);
    if (!n)
        return false;
    *ret_node = ring[entropy_below(&world->entropy, n)];
    for (unsigned i = 0; i < DRAWS_MAX; i++) {
        uint32_t company = (uint32_t)entropy_below(&world->entropy, world->options->agents);
        uint32_t k = (uint32_t)entropy_below(&world->entropy, world->options->numbers);
        *ret_number = sim_number(company, k);
        if (world->nodes[company].agent->numbers[k] == SIM_NUMBER_PUBLISHED)
            return true;
    }
    return false;
}

static void next_lookup(void *ctx, struct sim_world *world)
{
    struct lookups *lookups = ctx;
    struct sim_node *node;
    struct e164 number;
    uint64_t token;
    if (!draw(world, &node, &number) || sim_node_look_up(node, &number, &token) != 0) {
        world->result.lookups++;
        world->result.failed++;
    }
    if (--lookups->left)
        sim_world_at(world, world->now_us + lookups->every_us, next_lookup, lookups);
}

static bool lookups_done(void *ctx, struct sim_world *world)
{
    const struct lookups *lookups = ctx;
    return !lookups->left && !world->lookups_under_way;
}

void sim_world_look_up(struct sim_world *world, uint32_t count, int64_t over_us)
{
    struct lookups lookups = {count, count ? over_us / count : 0};
    if (!count)
        return;
    world->measuring = true;
    sim_world_at(world, world->now_us, next_lookup, &lookups);
    while (lookups.left && sim_world_step(world))
        continue;
    sim_world_run_until(world, lookups_done, &lookups, ASKED_US, LOOKUPS_END_US);
    world->measuring = false;
    world->result.failed += world->lookups_under_way;
    world->result.lookups += world->lookups_under_way;
}

void sim_world_idle(struct sim_world *world, int64_t for_us)
{
    uint64_t octets = world->result.octets;
    sim_world_run(world, for_us);
    world->idle_us += for_us;
    world->idle_octets += world->result.octets - octets;
}

/* ---- what is known at the end ---- */

/* A copy that must be somewhere, and on how many nodes it is. */
struct copy {
    struct id resource;
    uint32_t held;
};

struct census {
    struct map copies; /* by resource */
    struct copy *all;
    uint32_t count;
};

static void expect(struct census *census, struct sim_world *world, uint32_t company, uint32_t k,
                   const struct numbers_profile *profile)
{
    struct numbers_slot slots[NUMBERS_COPIES];
    struct e164 number = sim_number(company, k);
    if (world->nodes[company].agent->numbers[k] != SIM_NUMBER_PUBLISHED ||
        numbers_slots_derive(profile, &number, slots) != 0)
        return;
    for (unsigned i = 0; i < NUMBERS_COPIES; i++) {
        struct copy *copy = &census->all[census->count++];
        *copy = (struct copy){slots[i].resource, 0};
        if (map_set(&census->copies, id_slice(&copy->resource), copy) != 0)
            sim_die("no memory for a census");
    }
}

/* The key of a row begins with the resource. */
static int count_row(void *arg, struct slice key, struct slice value)
{
    struct census *census = arg;
    struct copy *copy = key.n >= ID_OCTETS ? map_get(&census->copies, slice_of(key.p, ID_OCTETS)) : NULL;
    (void)value;
    if (copy)
        copy->held++;
    return 0;
}

static void take_census(struct sim_world *world)
{
    struct sim_result *r = &world->result;
    struct census census = {.count = 0};
    uint32_t members;
    struct sim_node *const *ring = sim_world_ring(world, &members);
    const struct config *config = members ? server_config_of(ring[0]->server) : NULL;
    if (!config)
        return;
    struct numbers_profile profile = {config->instance_name, config->number_hash, config->number_hash_cost};
    census.all =
        sim_alloc((size_t)world->options->agents * world->options->numbers * NUMBERS_COPIES * sizeof *census.all);
    map_init(&census.copies, SIZE_MAX, 0);
    for (uint32_t i = 0; i < world->options->agents; i++)
        for (uint32_t k = 0; k < world->options->numbers; k++)
            expect(&census, world, i, k, &profile);
    for (uint32_t i = 0; i < members; i++)
        kv_scan(memory_store_kv(ring[i]->disk.store), KV_RELOAD_DATA, count_row, &census);
    uint32_t wanted = members < COPIES_WANTED ? members : COPIES_WANTED;
    r->records_live = census.count;
    r->records_lost = r->records_under_replicated = 0;
    for (uint32_t i = 0; i < census.count; i++) {
        r->records_lost += census.all[i].held == 0;
        r->records_under_replicated += census.all[i].held > 0 && census.all[i].held < wanted;
    }
    map_fini(&census.copies);
    mem_free(census.all);
}

struct sim_result *sim_world_result(struct sim_world *world)
{
    struct sim_result *r = &world->result;
    double hours = (double)world->now_us / (double)SIM_HOUR, node_hours = hours * world->node_count;
    sim_samples_fini(&r->links);
    sim_samples_fini(&r->records_held);
    sim_samples_fini(&r->node_octets);
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct sim_node *node = &world->nodes[i];
        if (!node->life)
            continue;
        sim_samples_add(&r->node_octets, node->octets_sent < UINT32_MAX ? (uint32_t)node->octets_sent : UINT32_MAX);
        if (!node->server)
            continue;
        sim_samples_add(&r->links, sim_network_links(world, i));
        sim_samples_add(&r->records_held, (uint32_t)sim_node_records(node));
    }
    take_census(world);
    r->virtual_hours = hours;
    r->messages_per_node_hour = node_hours > 0 ? (double)r->messages / node_hours : 0;
    r->octets_per_node_hour = node_hours > 0 ? (double)r->octets / node_hours : 0;
    if (world->idle_us)
        r->octets_per_node_hour_idle =
            (double)world->idle_octets / ((double)world->idle_us / (double)SIM_HOUR * world->node_count);
    r->join_messages = world->joins ? (double)world->join_messages / (double)world->joins : 0;
    r->trace_hash = world->trace_hash;
    r->events = world->events;
    return r;
}
