/* The world: virtual time, the queue of events, all nodes, and who watches.
 *
 *     world = sim_world_new(&options, &nature);
 *     sim_world_observe(world, &checker);
 *     sim_world_grow(world, 0, options.nodes);          joins in waves, through the protocol
 *     sim_world_run(world, 60 * SIM_SECOND);
 *     sim_world_result(world, &result);
 *
 * One step is one event and all the effects that it has at once. Same seed, options and calls: same steps. Everything here aborts when the
 * machine has no memory left: that is no fault of the world.
 *
 * Random numbers come from streams by concern (sim_entropy_init), so that drawing more of one does not shift another: faults must never take
 * theirs from the streams of world and nodes. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "agent.h"
#include "identity.h"
#include "measure.h"
#include "network.h"
#include "node.h"
#include "options.h"
#include "queue.h"

#include "base/list.h"

#define SIM_MS INT64_C(1000) /* times of the world are microseconds since its beginning */
#define SIM_SECOND (1000 * SIM_MS)
#define SIM_MINUTE (60 * SIM_SECOND)
#define SIM_HOUR (60 * SIM_MINUTE)
#define SIM_BEGAN_MS INT64_C(1772366400000) /* 2026-03-01T12:00:00Z */
#define SIM_OBSERVERS_MAX 8
#define SIM_BOOTSTRAPS_MAX 8 /* as many as a server tries of its configuration */
#define SIM_NODES_PER_BOOTSTRAP 8u

/* ---- who watches ---- */

/* A message of the ring (without its frame) that has come over a link. */
struct sim_message {
    struct sim_node *from; /* of the link, not of the message */
    struct sim_node *to;
    struct slice octets;
};

struct sim_lookup {
    struct sim_node *node; /* who asks */
    uint64_t token;
    struct e164 number;
    int64_t begun_us;

    /* When it has ended. */
    int err; /* 0; ERR_UNREACHABLE …; ERR_CLOSED: the node went down before */
    const struct numbers_claimant *claimants;
    size_t claimant_count;
    unsigned answered;  /* copies */
    uint32_t discarded; /* entries that did not verify or open */
    int64_t direct_us;  /* round trip at rest to the peer whose answer completed it */
};

enum sim_node_event {
    SIM_NODE_STARTED,
    SIM_NODE_JOINED,
    SIM_NODE_LEFT,
    SIM_NODE_BANNED,
    SIM_NODE_CONFIGURED, /* another configuration is in use */
    SIM_NODE_ENDED       /* its process, in whatever way */
};

/* All may be NULL. An observer may order faults and requests from `step` and from callbacks of sim_world_at; in the others it only looks. */
struct sim_observer {
    void *ctx;
    void (*step)(void *ctx, struct sim_world *world); /* after each event with all its effects */
    void (*node)(void *ctx, struct sim_node *node, enum sim_node_event event);
    void (*message)(void *ctx, const struct sim_message *message); /* before the node is given it */
    void (*lookup_begun)(void *ctx, const struct sim_lookup *lookup);
    void (*lookup_ended)(void *ctx, const struct sim_lookup *lookup);
    void (*publish_begun)(void *ctx, struct sim_node *node, uint32_t k);
    void (*publish_ended)(void *ctx, struct sim_node *node, uint32_t k, int err, unsigned code); /* 0: acknowledged */
    void (*publish_refreshed)(void *ctx, struct sim_node *node, uint32_t k); /* acknowledged once more */
    void (*call_uploaded)(void *ctx, struct sim_node *node, uint64_t token, int err);
    void (*route_learned)(void *ctx, struct sim_node *node, const struct e164 *number, struct slice uri,
                          struct slice ticket); /* by the node's agent, in a Notify */
    void (*log)(void *ctx, struct sim_node *node, enum log_level level, const char *event, const char *text);

    /* The links themselves: for the capture. `conn` is the same from connect to gone; `by` and `from`: 0 who connected, 1 who accepted.
     * Octets are shown when they are sent. */
    void (*link_connect)(void *ctx, uint64_t conn, struct sim_node *from, struct sim_node *to);
    void (*link_accepted)(void *ctx, uint64_t conn);
    void (*link_octets)(void *ctx, uint64_t conn, unsigned from, struct slice octets);
    void (*link_closed)(void *ctx, uint64_t conn, unsigned by,
                        enum sim_conn_closed how); /* the other end may still send */
    void (*link_gone)(void *ctx, uint64_t conn);   /* both ends have closed, and nothing is under way */
};

/* ---- the world ---- */

struct sim_hops;
struct sim_network;

struct sim_world {
    const struct sim_options *options;
    struct sim_nature nature;
    int64_t now_us;
    struct sim_queue queue;
    struct sim_node *nodes;
    uint32_t node_count;
    uint32_t up;     /* nodes that run */
    uint32_t joined; /* … and are members */
    struct sim_network *network;
    struct sim_identities *identities;
    struct seeded_entropy seed; /* of the world's own draws */
    struct entropy entropy;
    const struct sim_observer *observers[SIM_OBSERVERS_MAX];
    unsigned observer_count;
    enum log_level log_level;  /* of the nodes' logs, for observers: LEVEL_ERROR when nobody watches them */
    struct sim_node *answerer; /* who gave the answer that is being delivered; NULL */
    struct sim_hops *hops;
    uint64_t next_token;
    struct list lookups; /* under way */
    uint32_t lookups_under_way;
    bool measuring; /* look-ups, and the hops of requests, go into the result */
    uint64_t events;
    uint64_t same_time; /* events since the time last moved */
    uint64_t trace_hash;
    struct seeded_entropy identity_seed;
    struct entropy identity_entropy;

    struct sim_node **ring; /* running members, by Node-ID; made anew when it is asked for and `ring_stale` */
    uint32_t ring_count;
    bool ring_stale;

    struct sim_result result; /* filled in as it goes; finished by sim_world_result */
    int64_t moment_us;        /* length of the result's rows */
    int64_t next_moment_us;
    size_t moment_capacity;
    uint64_t moment_messages, moment_octets;
    uint32_t moment_lookups, moment_failed;
    uint64_t joins; /* and the messages that were sent while the ring grew */
    uint64_t join_messages;
    int64_t idle_us; /* time in which nothing was asked of the ring, and the octets sent in it */
    uint64_t idle_octets;
};

/* Options and nature are settled (options.h). The options must outlive the world; the nature is copied. */
struct sim_world *sim_world_new(const struct sim_options *options, const struct sim_nature *nature);
void sim_world_free(struct sim_world *world);

/* The observer is borrowed. Asserts that there are not too many. */
void sim_world_observe(struct sim_world *world, const struct sim_observer *observer);
void sim_world_unobserve(struct sim_world *world, const struct sim_observer *observer);

/* A stream of random numbers of its own for this concern ("fault") and index. */
void sim_entropy_init(struct seeded_entropy *stream, uint64_t seed, const char *concern, uint64_t index);

/* ---- time ---- */

/* Calls back at this time (at the earliest now). In order of time, and of the calls. */
typedef void sim_world_fn(void *ctx, struct sim_world *world);
void sim_world_at(struct sim_world *world, int64_t at_us, sim_world_fn *fn, void *ctx);

/* One event. False: nothing is left to happen. */
bool sim_world_step(struct sim_world *world);

/* Lets time pass: all events up to then. */
void sim_world_run(struct sim_world *world, int64_t for_us);

/* … until this is true, asked every `every_us`. False: it was not within for_us. */
typedef bool sim_world_condition_fn(void *ctx, struct sim_world *world);
bool sim_world_run_until(struct sim_world *world, sim_world_condition_fn *condition, void *ctx, int64_t every_us,
                         int64_t for_us);

/* True time as a wall clock without fault would show it. */
struct wall sim_world_wall(const struct sim_world *world);

/* ---- for the parts of the simulator ---- */

/* Goes into the trace hash. */
void sim_world_hash(struct sim_world *world, const void *octets, size_t n);
void sim_world_tell(struct sim_world *world, struct sim_node *node, enum sim_node_event event);

/* A member came or went. */
void sim_world_ring_changed(struct sim_world *world);

/* The nodes 0 … so many - 1 are bootstrap nodes. */
unsigned sim_world_bootstraps(const struct sim_world *world);

/* ---- nodes ---- */

static inline struct sim_node *sim_world_node(const struct sim_world *world, uint32_t index)
{
    return &world->nodes[index];
}

/* Starts nodes from…to-1 in waves, each as large as the ring is already or smaller, and waits until they have joined; agents too. False: not
 * all of them did within a time that should be ample (for_us, virtual). */
bool sim_world_grow(struct sim_world *world, uint32_t from, uint32_t to, int64_t for_us);

/* The running members in the order of the ring, and who of them is responsible for a place: by Node-IDs alone. NULL: there are none. The array
 * belongs to the world, and is valid until a node joins or ends. */
struct sim_node *const *sim_world_ring(struct sim_world *world, uint32_t *ret_count);
struct sim_node *sim_world_owner(struct sim_world *world, struct id place);

/* Every running node is a member, and has as predecessor and first three successors (fewer in a smaller ring) the nodes that the world knows
 * to be that. ret_wrong: how many do not; may be NULL. */
bool sim_world_is_right(struct sim_world *world, uint32_t *ret_wrong);

/* ---- configuration ---- */

/* A newer document, which `node` publishes in the ring (as the operator of the signer's host would); nodes that start from now on have it too. */
void sim_world_configure(struct sim_world *world, struct sim_node *node, sim_configure_fn *change, void *ctx);

/* bad-node for this node, or no longer. */
void sim_world_ban(struct sim_world *world, struct sim_node *publisher, struct sim_node *banned, bool ban);

/* ---- work and result ---- */

/* Every agent publishes its numbers; waits until all are acknowledged, trying failed ones again. */
bool sim_world_publish(struct sim_world *world, int64_t for_us);

/* So many look-ups of published numbers by drawn members, spread over the time, and waits for their ends. They are measured; what is not
 * found counts as failed. */
void sim_world_look_up(struct sim_world *world, uint32_t count, int64_t over_us);

/* Adds a violation to the result. Any number: those beyond the limit are counted. The rule is static. */
void sim_world_violation(struct sim_world *world, const char *rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Nothing is asked of the ring for so long: what its upkeep costs. */
void sim_world_idle(struct sim_world *world, int64_t for_us);

/* What is known at the end: links, records, load, memory, convergence. The result stays the world's. */
struct sim_result *sim_world_result(struct sim_world *world);

#endif
