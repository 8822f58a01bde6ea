/* What happens in a run: a scenario by its name. main makes the world, calls the scenario, reports the result. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "world.h"

struct sim_scenario {
    const char *name;
    const char *summary; /* one line, for --help */
    /* Changes what was drawn, before the world is made; may be NULL. */
    void (*prepare)(struct sim_options *options, struct sim_nature *nature);
    /* The world has no node running yet. Violations go to sim_world_violation; result.end says why it ended early. */
    void (*run)(struct sim_world *world);
};

/* Ends with a NULL name. */
extern const struct sim_scenario sim_scenarios[];

/* NULL: there is none. */
const struct sim_scenario *sim_scenario_find(const char *name);

/* calm.c: grows, publishes, looks up; nothing goes wrong. */
void sim_calm_run(struct sim_world *world);

#endif
