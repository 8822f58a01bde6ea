/* From sim_node_look_up to what observers and the result are told. */
#include "lookup.h"

#include "alloc.h"
#include "base/list.h"
#include "base/mem.h"

struct pending {
    struct list link;
    struct sim_lookup lookup;
};

int sim_node_look_up(struct sim_node *node, const struct e164 *number, uint64_t *ret_token)
{
    struct sim_world *world = node->world;
    uint64_t token = world->next_token + 1;
    int err = node->server ? server_look_up(node->server, sim_node_now(node), number, token) : ERR_WRONG_STATE;
    if (err)
        return err;
    struct pending *p = sim_alloc(sizeof *p);
    p->lookup = (struct sim_lookup){.node = node, .token = token, .number = *number, .begun_us = world->now_us};
    list_append(&world->lookups, &p->link);
    world->lookups_under_way++;
    world->next_token = token;
    *ret_token = token;
    for (unsigned i = 0; i < world->observer_count; i++)
        if (world->observers[i]->lookup_begun)
            world->observers[i]->lookup_begun(world->observers[i]->ctx, &p->lookup);
    sim_node_settle(node);
    return 0;
}

/* Among the claimants is the company whose number it is. */
static bool is_right(const struct sim_lookup *lookup)
{
    const struct sim_world *world = lookup->node->world;
    uint32_t company, k;
    if (lookup->err || !sim_number_owner(&lookup->number, &company, &k) || company >= world->node_count)
        return false;
    for (size_t i = 0; i < lookup->claimant_count; i++)
        if (id_eq(lookup->claimants[i].node_id, world->nodes[company].id) &&
            lookup->claimants[i].vservice_id == sim_vservice(company))
            return true;
    return false;
}

static void measure(struct sim_world *world, const struct sim_lookup *lookup)
{
    struct sim_result *r = &world->result;
    bool right = is_right(lookup);
    world->moment_lookups++;
    world->moment_failed += !right;
    if (!world->measuring)
        return;
    r->lookups++;
    r->failed += !right;
    if (!right)
        return;
    sim_samples_add(&r->latency_us, (uint32_t)(world->now_us - lookup->begun_us));
    sim_samples_add(&r->direct_us, (uint32_t)lookup->direct_us);
}

static void end(struct sim_world *world, struct pending *p)
{
    list_remove(&p->link);
    world->lookups_under_way--;
    measure(world, &p->lookup);
    for (unsigned i = 0; i < world->observer_count; i++)
        if (world->observers[i]->lookup_ended)
            world->observers[i]->lookup_ended(world->observers[i]->ctx, &p->lookup);
    mem_free(p);
}

/* The peer that gave the answer which completed it, if that came over the network at all. */
static int64_t direct_us(const struct sim_node *node)
{
    const struct sim_world *world = node->world;
    if (!world->answerer)
        return 0;
    return sim_network_rest_us(world, node->index, world->answerer->index) +
           sim_network_rest_us(world, world->answerer->index, node->index);
}

void sim_lookup_ended(struct sim_node *node, const struct server_lookup *ended)
{
    LIST_EACH(it, &node->world->lookups) {
        struct pending *p = CONTAINER_OF(it, struct pending, link);
        if (p->lookup.token != ended->token)
            continue;
        p->lookup.err = ended->err;
        p->lookup.claimants = ended->claimants;
        p->lookup.claimant_count = ended->claimant_count;
        p->lookup.answered = ended->answered;
        p->lookup.discarded = ended->discarded;
        p->lookup.direct_us = direct_us(node);
        end(node->world, p);
        return;
    }
    sim_world_violation(node->world, "request ends once", "node %u: a look-up that had ended, or never began, ends",
                        node->index);
}

void sim_lookup_drop(struct sim_node *node)
{
    LIST_EACH(it, &node->world->lookups) {
        struct pending *p = CONTAINER_OF(it, struct pending, link);
        if (p->lookup.node != node)
            continue;
        p->lookup.err = ERR_CLOSED;
        end(node->world, p);
    }
}
