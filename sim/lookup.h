/* Look-ups under way: what they asked for, and what became of them. */
#ifndef SIM_LOOKUP_H
#define SIM_LOOKUP_H

#include "world.h"

void sim_lookup_ended(struct sim_node *node, const struct server_lookup *ended);

/* The node is gone: its look-ups end with ERR_CLOSED. */
void sim_lookup_drop(struct sim_node *node);

#endif
