/* What waits in the queue of the world: private to world, network, node and agent. */
#ifndef SIM_EVENT_H
#define SIM_EVENT_H

#include "network.h"
#include "world.h"

enum sim_event_type {
    SIM_EVENT_TICK,   /* struct sim_tick of a node: its deadline */
    SIM_EVENT_AGENT,  /* struct sim_tick of an agent */
    SIM_EVENT_DISK,   /* node, life: what was written is complete */
    SIM_EVENT_HASH,   /* node, life: a job of the hasher; behind it struct sim_hash_job */
    SIM_EVENT_DERIVE, /* node, life, job */
    SIM_EVENT_CALL,   /* call: of sim_world_at */

    SIM_EVENT_SYN,    /* conn: a wish to connect comes to the other end */
    SIM_EVENT_ACCEPT, /* conn: the handshake is done at the accepting end */
    SIM_EVENT_UP,     /* conn: at the connecting end */
    SIM_EVENT_FAILED, /* conn: at the connecting end; `code` says why */
    SIM_EVENT_SHAKEN, /* conn: the accepting end of a PVP connection knows how the handshake came out */
    SIM_EVENT_OCTETS, /* conn, end */
    SIM_EVENT_DOWN,   /* conn, end: the other end closed it, or does not know it */
    SIM_EVENT_GIVE_UP, /* conn, end: what it sent has been under way for too long, if `number` is still that of the held octets */

    SIM_EVENT_FIRST_OF_CONN = SIM_EVENT_SYN
};

struct sim_event {
    uint8_t type;
    uint8_t end; /* of conn: to which it happens */
    int16_t code;
    uint32_t life; /* of the node when it was scheduled */
    union {
        struct sim_node *node;
        struct sim_conn *conn;
        struct {
            sim_world_fn *fn;
            void *ctx;
        } call;
    };
    struct sim_event *next; /* while it is held */
    struct sim_event *more; /* octets that come with these */
    union {
        uint64_t number;
        struct keyring_job *job;
    };
    uint32_t octet_count;
    _Alignas(8) uint8_t octets[]; /* or a struct */
};

/* With room for so many octets, which the caller fills. */
struct sim_event *sim_event_new(enum sim_event_type type, size_t octets);

void sim_event_schedule(struct sim_world *world, struct sim_event *event, int64_t due_us);
void sim_event_free(struct sim_event *event);

/* network.c: what happens to a connection. The event is the callee's. */
void sim_network_happen(struct sim_world *world, struct sim_event *event);

/* node.c, agent.c */
void sim_node_tick(struct sim_node *node);
void sim_node_happen(struct sim_node *node, struct sim_event *event);
void sim_agent_happen(struct sim_node *node);

#endif
