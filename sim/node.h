/* One IME server of the world: its core (src/server whole), clock, disk, identity, and what it wants of the kernel. A start makes a new
 * life of it with what is durable; whatever was scheduled for an earlier life is dropped. */
#ifndef SIM_NODE_H
#define SIM_NODE_H

#include "disk.h"
#include "place.h"

#include "base/entropy.h"
#include "server/server.h"

struct sim_agent;
struct sim_conn_end;
struct sim_tap;
struct sim_world;

#define SIM_RING_PORT 6084
#define SIM_PVP_PORT 8470
#define SIM_MONO_BEGAN_US INT64_C(1000000) /* what the monotonic clocks show at the beginning of the world */

/* What waits in the queue of the world when a node or its agent has a deadline. */
struct sim_tick {
    uint8_t type; /* enum sim_event_type; every event begins with it */
    struct sim_node *node;
};

enum sim_node_state {
    SIM_NODE_NEW, /* has never run */
    SIM_NODE_UP,  /* its process runs; whether it is a member is `joined` */
    SIM_NODE_DOWN
};

/* How a process ends. */
enum sim_node_end {
    SIM_END_STOP, /* in good order, but without leaving the ring: what was written is completed, connections are closed */
    SIM_END_CRASH, /* killed: what was not durable is lost, connections are reset */
    SIM_END_POWER  /* the machine is gone: as a crash, but nobody is told */
};

/* What speaks VAP at the node's place, if that is no sim_agent (agent.h): told what its connections bring. `server` is what it called the
 * connection in sim_conn_open; afterwards `settle`. */
struct sim_vap_port {
    void *ctx;
    void (*connected)(void *ctx, unsigned server);
    void (*input)(void *ctx, unsigned server, struct slice octets);
    void (*closed)(void *ctx, unsigned server);
    void (*settle)(void *ctx);
};

struct sim_node {
    struct sim_world *world;
    uint32_t index;
    enum sim_node_state state;
    uint32_t life; /* how often it was started */
    bool joined;   /* in this life */
    bool left;     /* sim_node_leave is done: the process has ended */
    bool banned;   /* it says so itself */
    bool shut_out; /* the ring's configuration bans it, whether it has heard of that or not */
    bool dark;     /* its machine has no power: it answers nothing */
    struct id id;
    bool ipv6;                /* it has addresses of both families, and names IPv6 first; all have IPv4 */
    struct addr ring_address; /* the first one */
    struct addr pvp_address;
    struct sim_place place;
    unsigned side; /* network.h */

    int64_t clock_offset_ms; /* of its wall clock: may be changed at any time */
    double clock_drift_ppm;  /* of both clocks: sim_node_set_clock */
    int64_t drift_from_us;   /* since when it is that, and how far the monotonic clock is ahead from before */
    int64_t drift_us;
    int64_t slow_us;        /* added to everything that comes in or goes out; 0: healthy */
    int64_t hangs_until_us; /* nothing happens in it before then */

    struct sim_disk disk;
    struct security *security; /* NULL: not running */
    struct server *server;     /* NULL: not running */
    struct server_options options;
    struct numbers_hasher hasher;
    struct log log;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct sim_agent *agent;        /* NULL: it has none */
    const struct sim_vap_port *vap; /* borrowed; NULL: the agent above */
    const struct sim_tap *tap;

    struct sim_conn_end *conns; /* open ends of this node and its agent, of all kinds: conn.h */
    uint32_t links;             /* of them, ring connections that stand */
    struct sim_tick tick;
    int64_t armed_us; /* when the world calls next; INT64_MAX: never */
    int64_t started_us;
    int64_t joined_us;

    uint64_t messages_sent; /* over ring links, in all lives */
    uint64_t octets_sent;
};

/* ---- life ---- */

/* For the world, which has its options, nature, network and identities already. */
void sim_node_init(struct sim_world *world, uint32_t index);
void sim_node_fini(struct sim_node *node);

/* With what is on its disk; goes on trying to join. Its agent, if it has one, is left alone. Nothing if it runs. 0, or the error of
 * server_new: a damaged store or a certificate that is not admitted; then it is down. */
int sim_node_start(struct sim_node *node);

/* Hands over and leaves; then the process ends (node_left, node_down). */
void sim_node_leave(struct sim_node *node);

/* Nothing if it does not run. */
void sim_node_end(struct sim_node *node, enum sim_node_end how);

/* Its disk is lost as well: the next start begins with nothing. Only when it is down. */
void sim_node_wipe(struct sim_node *node);

/* ---- faults ---- */

void sim_node_set_clock(struct sim_node *node, int64_t offset_ms, double drift_ppm);
void sim_node_set_slow(struct sim_node *node, int64_t slow_us);

/* Nothing happens in it for so long; then everything at once: a machine that swaps, a paused virtual machine. */
void sim_node_hang(struct sim_node *node, int64_t for_us);

/* While it hangs, the disk completes nothing. */
void sim_node_disk_hangs(struct sim_node *node, bool hangs);

/* ---- looking at it ---- */

/* What its clocks say. */
struct now sim_node_now(const struct sim_node *node);

/* When, in the world's time, its monotonic clock will show this. */
int64_t sim_node_world_us(const struct sim_node *node, struct mono mono);

/* Values that it holds for the ring, durable or not. */
size_t sim_node_records(const struct sim_node *node);

/* The certificate with which it starts and signs. */
struct slice sim_node_certificate(const struct sim_node *node);

/* ---- use ---- */

/* Who claims the number? One lookup_begun and one lookup_ended with this token. ERR_WRONG_STATE: it does not run; ERR_LIMIT: as
 * server_look_up. */
int sim_node_look_up(struct sim_node *node, const struct e164 *number, uint64_t *ret_token);

/* To be called after calling the server or its parts directly: carries out what they want. */
void sim_node_settle(struct sim_node *node);

/* ---- what a node that lies may do ---- */

enum sim_tap_verdict { SIM_TAP_PASS, SIM_TAP_DROP, SIM_TAP_REPLACE };

/* Sees every message (without its frame) that the node sends over a ring link; REPLACE: what is in ret_instead is sent in its place. The
 * link of the node itself never notices. The node's own signatures can be made with node->security. */
struct sim_tap {
    void *ctx;
    enum sim_tap_verdict (*message)(void *ctx, struct sim_node *from, struct sim_node *to, struct slice message,
                                    struct buf *ret_instead);
};

/* Borrowed; NULL: honest again. */
void sim_node_set_tap(struct sim_node *node, const struct sim_tap *tap);

/* Sends a message of its own making, in a good frame, over the link that it has to another node. Not shown to the tap. ERR_NOT_FOUND: there
 * is no such link. */
int sim_node_send_message(struct sim_node *from, struct sim_node *to, struct slice message);

/* The same with octets that need be neither message nor frame. */
int sim_node_send_octets(struct sim_node *from, struct sim_node *to, struct slice octets);

/* Any node with an open link from this one, in the order of the links; false when there are no more. For choosing victims. */
bool sim_node_neighbor(const struct sim_node *node, unsigned nth, struct sim_node **ret_node);

#endif
