/* A company's edge as a process: the very cores that ime-edge wires together (edge, transport, key ring, relay of media), between the company's agent
 * and the edges of others. Its keys are those that the agent's key ring has; they stay on its disk. */
#ifndef SIM_CALLS_BORDER_H
#define SIM_CALLS_BORDER_H

#include "calls/day.h"

#include "disk.h"
#include "edge/edge.h"
#include "media/port.h"
#include "media/relay.h"
#include "sip/transport.h"

struct sim_border {
    struct sim_day *day;
    uint32_t company;
    struct sim_node *node; /* where it stands: its clock */
    struct seeded_entropy seed;
    struct entropy entropy;
    struct sim_disk disk; /* of the keys */
    char domain[SIM_DOMAIN_OCTETS];
    struct edge_options options;
    struct sim_wire_host host;
    struct sim_wire_socket sockets[EDGE_SIDES];
    struct sim_waker waker;
    struct media_port media;
    uint16_t next_port[MEDIA_SIDES];
    struct list ports;  /* open, of media */
    struct list states; /* of sessions, should the relay die */
    int64_t paused_until_us;
    bool refuses;    /* connections from other companies */
    int64_t back_us; /* when it is to be started again; 0: it runs */
    uint64_t lives, packets;
    struct log log; /* with --verbose */

    /* While it runs; else NULL. */
    struct keyring *keyring;
    struct sip_net *net;
    struct edge *edge;
    struct media_relay *relay;
};

void sim_border_init(struct sim_border *b, struct sim_day *day, uint32_t company);
void sim_border_fini(struct sim_border *b);

/* The first time after its agent. */
void sim_border_start(struct sim_border *b);
void sim_border_crash(struct sim_border *b, bool silent, int64_t back_us); /* and starts again then */

/* The worker that relays media dies. Its sessions go on in another one at once, or are lost until it is started again. */
void sim_border_crash_worker(struct sim_border *b, bool goes_on);
void sim_border_start_worker(struct sim_border *b);

/* What is left in it of calls that are over: all of it should be 0. */
struct sim_border_left {
    struct edge_left edge;
    size_t conns, sessions, ports; /* of media: the latter two */
};
void sim_border_left(const struct sim_border *b, struct sim_border_left *ret_left);

/* border_media.c: the relay behind the edge's port */
void sim_border_media_init(struct sim_border *b);
void sim_border_media_open(struct sim_border *b);
void sim_border_media_close(struct sim_border *b);
bool sim_border_media_turn(struct sim_border *b); /* tells the edge what happened; false: nothing */

/* border.c: after anything that happened */
void sim_border_settle(struct sim_border *b);

#endif
