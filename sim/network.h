/* What lies between the nodes: connections with latency, jitter, loss as TCP shows it, set-up cost; partitions; slow and hanging nodes.
 *
 * A connection delivers in order and without loss, or dies. Octets that a partition stops are held, as TCP would send them again, and go on
 * when it heals; after SIM_DEAD_AFTER_US the side that waits for them gives the connection up. Nothing else tells an end that the other one
 * is gone: a machine without power says nothing, a process that died sends a reset. */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "base/addr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_world;
struct sim_node;
struct sim_conn;

#define SIM_SIDES_MAX 16
#define SIM_DEAD_AFTER_US INT64_C(60000000)      /* octets under way for so long: the connection is given up */
#define SIM_CONNECT_TIMEOUT_US INT64_C(10000000) /* as io/connect.c */

enum sim_conn_kind { SIM_CONN_RING, SIM_CONN_VAP, SIM_CONN_PVP };

enum sim_conn_closed {
    SIM_CLOSED,   /* in good order, by one end */
    SIM_RESET,    /* by one end: refused, or its process died */
    SIM_FORGOTTEN /* nobody was told: the other machine is gone, or the time was up */
};

/* ---- addresses: by arithmetic ---- */

/* IPv4 nodes in 10.0.0.0/8, IPv6 nodes in 2001:db8::/32; ring port 6084, validation port 8470. */
struct addr sim_address(uint32_t node, bool ipv6, uint16_t port);

/* The node that has this address (of whatever port); false: none of this world. */
bool sim_address_node(const struct sim_world *world, const struct addr *addr, uint32_t *ret_node);

/* ---- latency ---- */

/* One way between two nodes at rest: no jitter, no loss, nobody slow. 0 from a node to itself. */
int64_t sim_network_rest_us(const struct sim_world *world, uint32_t from, uint32_t to);

/* ---- partitions ---- */

/* Every node stands on a side, at first on side 0. What is blocked from side a to side b does not arrive; the other way is another matter. */
void sim_network_put(struct sim_world *world, uint32_t node, unsigned side);
void sim_network_block(struct sim_world *world, unsigned from_side, unsigned to_side, bool blocked);

/* Nothing is blocked any more, everybody is on side 0; what was held goes on. */
void sim_network_heal(struct sim_world *world);

bool sim_network_reaches(const struct sim_world *world, uint32_t from, uint32_t to);

/* ---- single connections ---- */

/* Resets the ring connections between two nodes, both ends hear of it. Returns how many there were. */
unsigned sim_network_cut(struct sim_world *world, uint32_t a, uint32_t b);

/* Ring connections that a node has open. */
unsigned sim_network_links(const struct sim_world *world, uint32_t node);

#endif
