/* The scenarios "calls" and "fallback": a day of calls between companies (day.h). In the second one phones are heard, each company has an edge, and
 * the ways of sound are impaired: calls move to the phone network and come back. */
#ifndef SIM_CALLS_SCENARIO_H
#define SIM_CALLS_SCENARIO_H

#include "options.h"

struct sim_world;

/* Changes options and nature before there is a world. */
void sim_calls_prepare(struct sim_options *options, struct sim_nature *nature);
void sim_fallback_prepare(struct sim_options *options, struct sim_nature *nature);

/* Violations and result go to the world. */
void sim_calls_run(struct sim_world *world);

#endif
