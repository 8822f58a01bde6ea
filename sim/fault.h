/* Carries a plan out: each fault begins at its time and is undone at its end; what is not, when the storm ends. Tells the truth of it. */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

#include "check.h"
#include "plan.h"
#include "truth.h"
#include "world.h"

struct sim_storm;

/* All are borrowed, and must outlive the world's next events: free the world first, or let the storm's time pass. */
struct sim_storm *sim_storm_new(struct sim_world *world, const struct sim_plan *plan, struct sim_truth *truth,
                                struct sim_check *check);
void sim_storm_free(struct sim_storm *storm);

/* From now on. */
void sim_storm_begin(struct sim_storm *storm);

/* All damage is undone: nodes that are not gone for good run, everybody reaches everybody, disks and clocks are good, nobody lies. */
void sim_storm_heal(struct sim_storm *storm);

#endif
