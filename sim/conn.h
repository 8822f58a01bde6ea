/* Connections from the inside: what network, node and agent share. */
#ifndef SIM_CONN_H
#define SIM_CONN_H

#include "event.h"

/* Whose an end is, and what its id counts: node and id alone do not name it. */
enum sim_port {
    SIM_PORT_RING,
    SIM_PORT_PVP,
    SIM_PORT_VAP,  /* of the server */
    SIM_PORT_AGENT /* of the call agent */
};

/* One end: [0] connected, [1] accepted. */
struct sim_conn_end {
    struct sim_conn_end *next, *prev; /* open ends of the node */
    uint64_t id;                      /* as the node or agent calls it */
    struct sim_event
        *last; /* octets sent at sent_us: what is sent at the same time goes with them, as in one segment */
    int64_t sent_us;
    int64_t last_us;                    /* when what it sent last arrives: the order is kept */
    struct sim_event *held, *held_last; /* what it sent and cannot arrive now */
    int64_t held_us;                    /* since when */
    uint64_t held_number;
    uint32_t node;
    uint32_t sequence; /* of the last data frame that it sent */
    uint8_t port;
    uint8_t end;
    bool open;  /* the node has this end and has not closed it */
    bool heard; /* it knows that the other end is gone, or will */
};

/* How a validation's handshake goes: TLS-SRP succeeds if both have the same password. */
struct sim_pvp {
    bool asked;
    bool proved;
    uint8_t exporter[PVP_EXPORTER_OCTETS];
    char username[PVP_USERNAME_OCTETS_MAX + 1];
    char password[PVP_PASSWORD_OCTETS_MAX + 1];
};

struct sim_conn {
    struct sim_conn_end ends[2];
    uint64_t number; /* in the world */
    struct sim_pvp *pvp;
    uint32_t events; /* in the queue, or held */
    uint8_t kind;    /* enum sim_conn_kind */
    bool up;         /* the connecting end knows that it stands */
    bool shown_closed;
};

static inline struct sim_conn *sim_conn_of(struct sim_conn_end *end)
{
    return (struct sim_conn *)(void *)((char *)end - end->end * sizeof *end);
}

/* ---- ends by name (conn_table.c): open addressing ---- */

struct sim_conn_slot {
    uint64_t hash; /* 0: free */
    struct sim_conn_end *end;
};

struct sim_conn_table {
    struct sim_conn_slot *slots;
    size_t capacity; /* a power of two */
    size_t n;
};

void sim_conn_table_fini(struct sim_conn_table *table);
void sim_conn_table_add(struct sim_conn_table *table, struct sim_conn_end *end);
void sim_conn_table_remove(struct sim_conn_table *table, const struct sim_conn_end *end);
struct sim_conn_end *sim_conn_table_find(const struct sim_conn_table *table, uint32_t node, enum sim_port port,
                                         uint64_t id);

/* ---- the network ---- */

struct sim_network {
    struct sim_conn_table ends;
    uint64_t next_number;
    uint64_t next_vap;
    uint64_t next_held;
    struct seeded_entropy seed;
    int32_t *latency_us; /* between cities */
    struct sim_place *places;
    bool partitioned;                /* something is blocked, or a machine is dark */
    uint16_t blocked[SIM_SIDES_MAX]; /* by the side that sends: bits of sides that it does not reach */
    uint32_t dark;                   /* machines without power */
    struct sim_conn_end **held;      /* ends with octets that cannot arrive now */
    size_t held_count;
    size_t held_capacity;
};

void sim_network_init(struct sim_world *world);
void sim_network_fini(struct sim_world *world);
/* A machine loses its power, or has it again. */
void sim_network_darken(struct sim_world *world, struct sim_node *node, bool dark);
void sim_network_place(struct sim_world *world, uint32_t node, struct sim_place place);

/* What was held and can go now goes. */
void sim_network_release(struct sim_world *world);

/* How long something takes now, jitter and loss included. */
int64_t sim_network_delay_us(struct sim_world *world, uint32_t from, uint32_t to);

/* Sends an event from one end to the other, in order; or holds it. The event is the network's. */
void sim_conn_transmit(struct sim_world *world, struct sim_conn_end *from, struct sim_event *event, int64_t extra_us);

/* ---- what nodes and agents want ---- */

/* A connection; nobody: to an address where there is no node. The caller sets `pvp`. */
struct sim_conn *sim_conn_open(struct sim_world *world, enum sim_conn_kind kind, uint32_t from, uint64_t id,
                               bool somebody, uint32_t to);
void sim_conn_send(struct sim_world *world, struct sim_conn_end *end, struct slice octets);

/* After what was sent. The end is gone for its owner. */
void sim_conn_close(struct sim_world *world, struct sim_conn_end *end, enum sim_conn_closed how);

/* All ends of a node, of the server or of the agent. */
void sim_conn_close_all(struct sim_world *world, uint32_t node, bool agent, enum sim_conn_closed how);

struct sim_conn_end *sim_conn_find(const struct sim_world *world, uint32_t node, enum sim_port port, uint64_t id);

/* At the end of the world, when an event of it is dropped. */
void sim_conn_forget(struct sim_conn *conn);

/* An end is given its name, which it keeps until it is closed. */
void sim_conn_name(struct sim_world *world, struct sim_conn_end *end, uint64_t id);

/* The node's ring link to another node that stands; NULL: there is none. */
struct sim_conn_end *sim_conn_between(const struct sim_world *world, uint32_t from, uint32_t to);

/* ---- what comes to a node (intake.c); false: it does not want the connection ---- */

bool sim_intake_accept(struct sim_world *world, struct sim_conn *conn);
void sim_intake_up(struct sim_world *world, struct sim_conn *conn);
void sim_intake_failed(struct sim_world *world, struct sim_conn *conn, int err);
void sim_intake_shaken(struct sim_world *world, struct sim_conn *conn);
void sim_intake_octets(struct sim_world *world, struct sim_conn_end *to, struct slice octets);
void sim_intake_settle(struct sim_world *world, const struct sim_conn_end *to); /* after octets */
void sim_intake_down(struct sim_world *world, struct sim_conn_end *at);

#endif
