/* The scenarios by name. */
#include "scenario.h"

#include <string.h>

const struct sim_scenario sim_scenarios[] = {
    {"calm", "the ring grows, companies publish, numbers are looked up; nothing goes wrong", NULL, sim_calm_run},
    {NULL, NULL, NULL, NULL},
};

const struct sim_scenario *sim_scenario_find(const char *name)
{
    for (const struct sim_scenario *s = sim_scenarios; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}
