/* A crowd of ring peers for measuring routing: hundreds or thousands of real peers under virtual time, on a globe with latencies, with signatures that
 * cost nothing. What a request costs in hops and in time, what the ring costs in links and messages. Nodes are numbered from 0; node 0 is
 * the bootstrap node. */
#ifndef TRACE_CROWD_H
#define TRACE_CROWD_H

#include "base/heap.h"
#include "reload/peer.h"
#include "store/memory.h"

struct crowd;

struct crowd_pipe;

struct crowd_node {
    struct crowd *crowd;
    struct heap_node tick;
    struct id id;
    struct addr addr;
    struct security security;
    struct security_cert cert;
    uint8_t der[1 + ID_OCTETS];
    double place[3];  /* on the unit sphere */
    double access_ms; /* from the node to its city's exchange */
    struct memory_store *kv;
    struct storage *storage;
    struct peer *peer;         /* NULL: not running */
    struct crowd_pipe **pipes; /* of which the peer knows this end */
    size_t pipe_count;
    size_t pipe_capacity;
};

/* Sees every data message as it is sent and may put another one in its place. Returns true if it did. */
typedef bool crowd_tap_fn(void *ctx, struct crowd *crowd, unsigned from, unsigned to, struct slice message,
                          struct buf *ret_instead);

#define CROWD_CODES 64 /* message codes that are counted apart; errors are the last */

struct crowd {
    struct now now;
    struct heap events; /* and the ticks of the nodes */
    struct seeded_entropy seed;
    struct entropy entropy;
    struct config config;
    struct crowd_node *nodes;
    unsigned *sorted; /* numbers of all nodes, by Node-ID */
    unsigned count;
    unsigned started;
    void (*tune)(struct peer_options *options); /* of a node before it starts */
    crowd_tap_fn *tap;
    void *tap_ctx;

    uint64_t messages; /* data frames sent */
    uint64_t octets;
    uint64_t messages_of[CROWD_CODES];
    uint64_t connects;
    uint64_t hops; /* of the present look-up */
};

/* What look-ups and the ring cost. Times in milliseconds. */
struct crowd_measure {
    unsigned lookups;
    unsigned failed;
    double hops_mean;
    unsigned hops_max;
    double time_mean;
    double direct_mean; /* of a round trip between who asked and who answered */
    double links_mean;
    unsigned links_max; /* but for the bootstrap node */
};

struct crowd *crowd_new(uint64_t seed, unsigned nodes);
void crowd_free(struct crowd *crowd);

/* Starts the next n nodes, one every gap_ms, and lets that time pass. */
void crowd_grow(struct crowd *crowd, unsigned n, int64_t gap_ms);
void crowd_run(struct crowd *crowd, int64_t ms);

/* The node is gone; its links break. */
void crowd_kill(struct crowd *crowd, unsigned node);

bool crowd_all_joined(const struct crowd *crowd);

/* All running nodes have the right successors and predecessors. Prints the first that has not to stderr. */
bool crowd_is_right(struct crowd *crowd);

/* Looks up random places from random nodes, one after the other. */
struct crowd_measure crowd_measure(struct crowd *crowd, unsigned lookups);

/* Carries out what a node's peer wants after it was given a request, and lets time pass until there is a result. Of all nodes one request is
 * under way at the most. The effect is the caller's. */
struct peer_effect *crowd_result(struct crowd *crowd, unsigned node);

/* One of those that run. */
unsigned crowd_random_node(struct crowd *crowd);

/* One way between two nodes at rest. */
double crowd_latency_ms(const struct crowd *crowd, unsigned a, unsigned b);

/* The number of the node with this Node-ID; crowd->count if there is none. */
unsigned crowd_find(const struct crowd *crowd, struct id id);

#endif
