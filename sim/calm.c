/* Nothing goes wrong: the ring grows through its own protocol, companies publish, numbers are looked up. What the ring costs and how it
 * answers at rest, at any size. */
#include "scenario.h"

#include <stdio.h>

#define GROW_US (4 * SIM_HOUR) /* ample: a wave takes seconds */
#define RIGHT_US (10 * SIM_MINUTE)
#define RIGHT_ASKED_US (2 * SIM_SECOND)
#define PUBLISH_US (10 * SIM_MINUTE)
#define SETTLE_US (10 * SIM_MINUTE) /* fingers are compared a few times: what a ring that lives on is like … */
#define CALM_NODES 16384            /* … and shorter with more nodes */
#define LOOKUP_EVERY_US (5 * SIM_MS)
#define LOOKUPS_OVER_MIN_US (10 * SIM_SECOND)
#define IDLE_US (2 * SIM_MINUTE)

static bool is_right(void *ctx, struct sim_world *world)
{
    (void)ctx;
    return sim_world_is_right(world, NULL);
}

/* Costs as much with more than CALM_NODES as with so many. */
static int64_t idle_us(const struct sim_options *options)
{
    return options->nodes > CALM_NODES ? IDLE_US * CALM_NODES / options->nodes : IDLE_US;
}

/* Falls with the square: a ring that has just grown compares fingers all the time, and rest would cost more than all else. Time for the
 * early rounds is left to 100,000. */
static int64_t settle_us(const struct sim_options *options)
{
    return options->nodes > CALM_NODES ? SETTLE_US * CALM_NODES / options->nodes * CALM_NODES / options->nodes
                                       : SETTLE_US;
}

void sim_calm_run(struct sim_world *world)
{
    const struct sim_options *o = world->options;
    struct sim_result *r = &world->result;
    uint32_t wrong;
    if (!sim_world_grow(world, 0, o->nodes, GROW_US)) {
        sim_world_violation(world, "all nodes join", "%u of %u are members after %lld s", world->joined, o->nodes,
                            (long long)(world->now_us / SIM_SECOND));
        r->end = "not all nodes joined";
        return;
    }
    int64_t grown_us = world->now_us;
    if (!sim_world_run_until(world, is_right, NULL, RIGHT_ASKED_US, RIGHT_US)) {
        sim_world_is_right(world, &wrong);
        sim_world_violation(world, "one right ring", "%u nodes have wrong neighbors %lld s after the last join", wrong,
                            (long long)((world->now_us - grown_us) / SIM_SECOND));
    }
    r->converge_s = (double)(world->now_us - grown_us) / (double)SIM_SECOND;
    if (!sim_world_publish(world, PUBLISH_US))
        sim_world_violation(world, "every publish is acknowledged", "not all were within %lld s",
                            (long long)(PUBLISH_US / SIM_SECOND));
    sim_world_run(world, settle_us(o));
    int64_t over_us = o->lookups * LOOKUP_EVERY_US;
    sim_world_look_up(world, o->lookups, over_us > LOOKUPS_OVER_MIN_US ? over_us : LOOKUPS_OVER_MIN_US);
    int64_t left_us = (int64_t)(o->hours * (double)SIM_HOUR) - (world->now_us - grown_us);
    sim_world_idle(world, left_us > idle_us(o) ? left_us : idle_us(o));
}
