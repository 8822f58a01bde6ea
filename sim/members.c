/* The ring as the world knows it, by Node-IDs alone; how it grows; whether the nodes see it so. */
#include "world.h"

#include "alloc.h"
#include "base/mem.h"
#include "base/region.h"

#include <stdlib.h>
#include <string.h>

#define WAVE_MAX 2000u
#define WAVE_SPREAD_US (500 * SIM_MS)
#define ALL_JOINED_US (100 * SIM_MS) /* asked so often */
#define STRAGGLERS_PERCENT 5
#define SUCCESSORS 3
#define OFFER_AGAIN_US (5 * SIM_SECOND)
#define VIEW_OCTETS_MAX (4u << 20)

/* ---- the ring ---- */

static int by_id(const void *a, const void *b)
{
    const struct sim_node *const *x = a, *const *y = b;
    return id_cmp((*x)->id, (*y)->id);
}

void sim_world_ring_changed(struct sim_world *world)
{
    world->ring_stale = true;
}

struct sim_node *const *sim_world_ring(struct sim_world *world, uint32_t *ret_count)
{
    if (!world->ring)
        world->ring = sim_alloc(world->node_count * sizeof(struct sim_node *));
    if (world->ring_stale) {
        world->ring_count = 0;
        for (uint32_t i = 0; i < world->node_count; i++)
            if (world->nodes[i].server && world->nodes[i].joined && !world->nodes[i].banned &&
                !world->nodes[i].shut_out)
                world->ring[world->ring_count++] = &world->nodes[i];
        qsort(world->ring, world->ring_count, sizeof(struct sim_node *), by_id);
        world->ring_stale = false;
    }
    *ret_count = world->ring_count;
    return world->ring;
}

/* The first member at or behind a place. */
static uint32_t index_of(struct sim_node *const *ring, uint32_t n, struct id place)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (id_cmp(ring[middle]->id, place) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low == n ? 0 : low;
}

struct sim_node *sim_world_owner(struct sim_world *world, struct id place)
{
    uint32_t n;
    struct sim_node *const *ring = sim_world_ring(world, &n);
    return n ? ring[index_of(ring, n, place)] : NULL;
}

static bool sees_it_right(const struct peer_view *view, struct sim_node *const *ring, uint32_t n, uint32_t i)
{
    uint32_t others = n - 1, wanted = others < SUCCESSORS ? others : SUCCESSORS;
    if (view->state != PEER_JOINED || view->successor_count < wanted)
        return false;
    for (uint32_t k = 0; k < wanted; k++)
        if (!id_eq(view->successors[k], ring[(i + 1 + k) % n]->id))
            return false;
    return !others || (view->predecessor_count && id_eq(view->predecessors[0], ring[(i + n - 1) % n]->id));
}

bool sim_world_is_right(struct sim_world *world, uint32_t *ret_wrong)
{
    uint32_t n, wrong = 0;
    struct sim_node *const *ring = sim_world_ring(world, &n);
    for (uint32_t i = 0; i < n; i++) {
        struct region region;
        struct peer_view view;
        region_init(&region, VIEW_OCTETS_MAX);
        if (peer_view(server_peer(ring[i]->server), sim_node_now(ring[i]), &region, &view) != 0)
            sim_die("no memory for a view");
        if (!sees_it_right(&view, ring, n, i))
            wrong++;
        region_fini(&region);
    }
    for (uint32_t i = 0; i < world->node_count; i++)
        if (world->nodes[i].server && !world->nodes[i].joined && !world->nodes[i].banned)
            wrong++;
    if (ret_wrong)
        *ret_wrong = wrong;
    return wrong == 0;
}

/* ---- growing ---- */

static bool all_joined(void *ctx, struct sim_world *world)
{
    (void)ctx;
    return world->joined == world->up;
}

static bool most_joined(void *ctx, struct sim_world *world)
{
    (void)ctx;
    return world->joined + world->up * STRAGGLERS_PERCENT / 100 >= world->up;
}

static void start(void *ctx, struct sim_world *world)
{
    struct sim_node *node = ctx;
    (void)world;
    if (sim_node_start(node) != 0)
        sim_die("node %u cannot be started", node->index);
    sim_agent_start(node);
}

static uint32_t wave_after(const struct sim_world *world, uint32_t from, uint32_t to)
{
    uint32_t n = world->joined ? world->joined : 1;
    n = n < WAVE_MAX ? n : WAVE_MAX;
    return n < to - from ? n : to - from;
}

bool sim_world_grow(struct sim_world *world, uint32_t from, uint32_t to, int64_t for_us)
{
    int64_t until = world->now_us + for_us;
    uint64_t messages = world->result.messages;
    uint32_t joined = world->joined;
    for (uint32_t next = from; next < to && world->now_us < until;) {
        uint32_t n = wave_after(world, next, to);
        for (uint32_t i = 0; i < n; i++)
            sim_world_at(world, world->now_us + WAVE_SPREAD_US * i / n, start, &world->nodes[next + i]);
        next += n;
        sim_world_run(world, WAVE_SPREAD_US);
        sim_world_run_until(world, most_joined, NULL, ALL_JOINED_US, until - world->now_us);
    }
    bool all = sim_world_run_until(world, all_joined, NULL, ALL_JOINED_US, until - world->now_us);
    world->joins += world->joined - joined;
    world->join_messages += world->result.messages - messages;
    return all;
}

/* ---- configuration ---- */

/* As `imectl ring config publish` does; again when the server could not take it (its disk, another one that is being written). A node that is
 * down has it when it starts. */
static void offer(void *ctx, struct sim_world *world)
{
    struct sim_node *node = ctx;
    const struct config *newest = sim_identities_config(world->identities);
    char why[SERVER_WHY_OCTETS];
    if (!node->server || config_may_follow(server_config_of(node->server), newest) != 0)
        return;
    int err = server_config_offer(node->server, sim_node_now(node), newest->document, why);
    sim_node_settle(node);
    if (err)
        sim_world_at(world, world->now_us + OFFER_AGAIN_US, offer, node);
}

void sim_world_configure(struct sim_world *world, struct sim_node *node, sim_configure_fn *change, void *ctx)
{
    sim_identities_configure(world->identities, change, ctx);
    offer(node, world);
}

struct ban {
    struct id node;
    bool ban;
};

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, ID_OCTETS);
}

static void change_bans(void *ctx, struct config *config, struct region *region)
{
    const struct ban *ban = ctx;
    struct id *nodes = region_array(region, config->bad_node_count + 1, sizeof *nodes);
    size_t n = 0;
    if (!nodes)
        sim_die("no memory for a configuration");
    for (size_t i = 0; i < config->bad_node_count; i++)
        if (!id_eq(config->bad_nodes[i], ban->node))
            nodes[n++] = config->bad_nodes[i];
    if (ban->ban)
        nodes[n++] = ban->node;
    qsort(nodes, n, sizeof *nodes, compare_ids);
    config->bad_nodes = nodes;
    config->bad_node_count = n;
}

void sim_world_ban(struct sim_world *world, struct sim_node *publisher, struct sim_node *banned, bool ban)
{
    banned->shut_out = ban;
    sim_world_ring_changed(world);
    sim_world_configure(world, publisher, change_bans, &(struct ban){banned->id, ban});
}
