/* The phone network as a process: the network core of ime-pstn with two carriers; each company has a trunk at both, and its numbers are at one. */
#ifndef SIM_CALLS_EXCHANGE_H
#define SIM_CALLS_EXCHANGE_H

#include "calls/day.h"

#include "pstn/network.h"

struct sim_exchange {
    struct sim_day *day;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct pstn_options options;
    struct pstn_network *network;
    struct sim_wire_host host;
    struct sim_wire_socket sockets[SIM_CARRIERS];
    struct sim_waker waker;
};

struct sim_exchange *sim_exchange_new(struct sim_day *day);
void sim_exchange_free(struct sim_exchange *x);

#endif
