/* The PBX of a company with all its phones, over the ends of calls that src/pstn has (leg.h): it shares nothing with the agent but the transaction
 * layer. Its phones do what the scripts say, and what they hear goes into the ledger. */
#ifndef SIM_CALLS_PBX_H
#define SIM_CALLS_PBX_H

#include "calls/day.h"

#include "pstn/leg.h"

#define SIM_MUTES_MAX 32u

/* Nothing that belongs to this call leaves the PBX any more. */
struct sim_mute {
    char call_id[128];
    int64_t until_us;
};

struct sim_pbx {
    struct sim_day *day;
    uint32_t company;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct sim_wire_host host;
    struct sim_wire_socket socket;
    struct sim_waker waker;
    char point[ADDR_TEXT_OCTETS];
    struct sip_hop agent; /* where its calls go */
    bool up;
    struct ua ua;
    struct list phones; /* in a call */
    size_t phone_count;
    struct sim_mute mutes[SIM_MUTES_MAX];
    unsigned next_mute;
    struct sim_waker clock; /* of what phones say */
    uint16_t next_port;     /* of a phone's media */
};

void sim_pbx_init(struct sim_pbx *pbx, struct sim_day *day, uint32_t company);
void sim_pbx_fini(struct sim_pbx *pbx);

void sim_pbx_start(struct sim_pbx *pbx);
void sim_pbx_end(struct sim_pbx *pbx, bool silent); /* all calls are gone, without a word */

/* A phone dials. */
void sim_pbx_call(struct sim_pbx *pbx, uint32_t call);

#endif
