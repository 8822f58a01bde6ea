/* The life of a world in which things go wrong: it grows, publishes and comes to rest; then a plan is carried out while look-ups and calls
 * go on; then everything is undone, and must come back: one ring, all copies, every number found, nothing left behind. */
#ifndef SIM_STORM_H
#define SIM_STORM_H

#include "check.h"
#include "plan.h"
#include "scenario.h"

/* A scenario in numbers. */
struct sim_recipe {
    const char *name;
    struct sim_mix mix;
    void (*add)(struct sim_plan *plan, const struct entropy *entropy); /* what the mix cannot say; may be NULL */
    bool learns;                                                       /* its calls must lead to routes */
    bool short_lives; /* numbers may live shorter than the storm and what follows it */
    uint8_t joining;  /* percent of the nodes that are not there at first */
};

/* NULL: there is none of this name. */
const struct sim_recipe *sim_recipe_find(const char *name); /* scenario.c */

/* Draws the plan of this world: the same one each time. To be finished by sim_plan_fini. */
void sim_storm_plan(const struct sim_recipe *recipe, const struct sim_options *options, struct sim_plan *ret_plan);

void sim_storm_run(struct sim_world *world, const struct sim_recipe *recipe);

#endif
