/* What is read off the links themselves, apart from the code that is measured: how many links a request to a resource went over, and who
 * answered it. A request is told by its transaction id; its TTL says how often it was forwarded. */
#ifndef SIM_HOPS_H
#define SIM_HOPS_H

#include "world.h"

/* Octets that a node hands to a ring link: counted, and answers that begin here noted. */
void sim_hops_sent(struct sim_world *world, struct sim_node *node, struct slice octets);

/* Octets that have come over a ring link. Observers are shown each message in them. If it is the answer to a request of this node's own,
 * world->answerer says whose. */
void sim_hops_delivered(struct sim_world *world, struct sim_node *from, struct sim_node *to, struct slice octets);

/* Requests seen so far; they are remembered by the last bits of their transaction id, later ones in the place of earlier ones. */
struct sim_hops;
struct sim_hops *sim_hops_new(void);
void sim_hops_free(struct sim_hops *hops);

#endif
