/* A company's call agent as a process: the very cores that ime-agent wires together (agent, routes, records, service, key ring, transport), with a
 * disk that keeps what is durable, over the wire to PBX, carriers and other companies, and by VAP to the company's IME server. */
#ifndef SIM_CALLS_OFFICE_H
#define SIM_CALLS_OFFICE_H

#include "calls/day.h"

#include "agent/agent.h"
#include "sip/transport.h"
#include "ticket/keyring.h"

#define SIM_OFFICE_USER "agent"
#define SIM_OFFICE_PASSWORD "s3cret-of-agents"
#define SIM_TICKET_PASSWORD "a-password-of-tickets"
#define SIM_TRUNK_LOSS_PPM 500 /* when nothing is wrong */
#define SIM_TICKET_EPOCH 200   /* behind whatever the server has drawn for itself */

struct sim_office {
    struct sim_day *day;
    uint32_t company;
    struct sim_node *node; /* where it stands: its clock, its IME server */
    struct sim_disk disk;
    struct seeded_entropy seed;
    struct entropy entropy;
    char domain[SIM_DOMAIN_OCTETS];
    struct agent_options options;
    struct agent_enrolled *enrolled;
    struct sim_wire_host host;
    struct sim_wire_socket sockets[AGENT_SIDES];
    struct agent_sound sound; /* the agent's port to media */
    struct list sounds;       /* its ports that are open */
    uint64_t next_sound;
    struct sim_vap_port vap; /* what the node's VAP connections bring here */
    struct sim_waker waker;
    bool disk_turns; /* a completion is scheduled */
    int64_t back_us; /* when it is to be started again; 0: it runs */
    bool stopping;   /* in good order */
    bool stopped;    /* that is done */
    bool refuses;    /* connections from other companies */
    uint64_t lives;
    struct log log;                         /* with --verbose */
    uint64_t weighed_calls, weighed_octets; /* calls in which it was killed, and the memory that it had for them */

    /* While it runs; else NULL. */
    struct agent_alarms alarms;
    struct agent_routes *routes;
    struct agent_records *records;
    struct agent_service *service;
    struct agent_service *service_list[1];
    struct keyring *keyring;
    struct agent *agent;
    struct sip_net *net;
};

/* The company's node must not have started yet. Nothing runs. */
void sim_office_init(struct sim_office *office, struct sim_day *day, uint32_t company);
void sim_office_fini(struct sim_office *office);

/* The company's IME server has the password of tickets, too; it runs. */
void sim_office_set_tickets(struct sim_office *office);
void sim_office_start_server(struct sim_office *office);

void sim_office_start(struct sim_office *office);
void sim_office_crash(struct sim_office *office, bool silent, int64_t back_us); /* and starts again then */
void sim_office_restart(struct sim_office *office, int64_t back_us);            /* says goodbye first */

/* What is left in it of calls that are over: all of it should be 0. */
struct sim_office_left {
    struct agent_left agent;
    size_t conns;
    size_t sounds; /* ports of media */
};
void sim_office_left(const struct sim_office *office, struct sim_office_left *ret_left);

/* office_sound.c: what the agent itself says and hears */
void sim_office_sound_init(struct sim_office *office);
void sim_office_sound_send(struct sim_office *office, uint64_t id, const struct addr *to, struct slice octets);
void sim_office_sound_close(struct sim_office *office); /* all of them */

/* After anything that happened to the agent. */
void sim_office_settle(struct sim_office *office);

/* How many octets less a process has that begins with the same disk. */
int64_t sim_office_grown(struct sim_office *office);

#endif
