/* The phone network as a process: the network core of ime-pstn with two carriers; each company has a trunk at both, and its numbers are at one. */
#ifndef SIM_CALLS_EXCHANGE_H
#define SIM_CALLS_EXCHANGE_H

#include "calls/day.h"

#include "pstn/network.h"

struct sim_exchange_port {
    struct sim_exchange *exchange;
    unsigned carrier;
    size_t number;
    struct sim_media_port port;
};

#define SIM_CALLS_SEEN 512u
#define SIM_CARRIER_CALLS 64u /* with sound, at a time */

/* A call that was sent to a carrier. */
struct sim_seen_call {
    uint64_t call_id; /* hashed */
    uint32_t call;
};

struct sim_exchange {
    struct sim_day *day;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct pstn_options options;
    struct pstn_network *network;
    struct sim_wire_host host;
    struct sim_wire_socket sockets[SIM_CARRIERS];
    struct sim_waker waker;
    struct sim_exchange_port *ports; /* of media, of all carriers */
    size_t port_count;
    struct sim_seen_call seen[SIM_CALLS_SEEN]; /* the last ones */
    size_t seen_count;
    bool lately[SIM_CARRIERS][SIM_CARRIER_CALLS]; /* the last call at these ports was a phone's */
};

struct sim_exchange *sim_exchange_new(struct sim_day *day);
void sim_exchange_free(struct sim_exchange *x);

/* Carriers that relay sound describe it themselves, and do not say which call it is. So each INVITE that is sent to one is shown here; whose an INVITE from
 * one is follows from the carrier's port in it. False: nobody's. */
void sim_exchange_saw(struct sim_exchange *x, struct slice invite, uint32_t call);
bool sim_exchange_whose(struct sim_exchange *x, struct slice invite, uint32_t *ret_call);

/* It was somebody's, who has given it up since. */
bool sim_exchange_was(const struct sim_exchange *x, struct slice invite);

/* All that pass, or a few as ever; callers are spoiled by half, or not at all. */
void sim_exchange_lose(struct sim_exchange *x, bool callers, bool digits, bool spoils);

#endif
