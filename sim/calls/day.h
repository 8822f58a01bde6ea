/* A day of calls between companies: each has a PBX with phones, a call agent, and an IME server in the ring; a phone network connects them, and
 * IP. Who calls whom, when, and what goes wrong is drawn before the day begins (script.h, trouble.h); what came of it is written down apart from the
 * programs (ledger.h), from what phones hear and what the wire shows.
 *
 * Which number is whose is arithmetic. Company c has the numbers +49301ccKKK, k from 0 to options.numbers - 1 enrolled, one more that is not, and one for
 * fallback calls. */
#ifndef SIM_CALLS_DAY_H
#define SIM_CALLS_DAY_H

#include "calls/media.h"
#include "calls/result.h"
#include "calls/wire.h"

#include "base/e164.h"

#define SIM_CARRIERS 2u
#define SIM_RETURN_US (30 * SIM_SECOND) /* good for so long, a call comes back to the Internet */

struct sim_border;
struct sim_exchange;
struct sim_ledger;
struct sim_office;
struct sim_pbx;
struct sim_script;
struct sim_trouble;

struct sim_day {
    struct sim_world *world;
    struct sim_calls_result *result;
    uint32_t companies;
    bool has_edges; /* each company has one */
    bool has_media; /* phones are heard */
    struct sim_wire wire;
    struct sim_media media;
    struct sim_office *offices; /* of the companies */
    struct sim_border *borders; /* of the companies; NULL: they have no edges */
    struct sim_pbx *pbxs;       /* of the companies */
    struct sim_exchange *exchange;
    struct sim_script *scripts; /* of all calls, by their time */
    uint32_t script_count;
    uint32_t next_script;
    struct sim_trouble *trouble;
    struct sim_ledger *ledger;
    int64_t from_us, until_us; /* calls begin between these */
};

/* ---- numbers and addresses ---- */

#define SIM_PHONE_OCTETS 24
struct e164 sim_phone_number(uint32_t company, uint32_t k);
const char *sim_phone_dialed(uint32_t company, uint32_t k, char *text);      /* as people there write it: 0301ccKKK */
struct e164 sim_phone_fallback(const struct sim_day *day, uint32_t company); /* where calls to take over come in */
bool sim_phone_owner(const struct e164 *number, uint32_t *ret_company, uint32_t *ret_k);

/* Where the processes of a company, and the carriers, listen; media comes to these addresses, too, at other ports. What is outside of an edge has a
 * network of its own. */
enum sim_place_at {
    SIM_AT_AGENT_PBX,
    SIM_AT_AGENT_PSTN,
    SIM_AT_AGENT_IME,
    SIM_AT_PBX,
    SIM_AT_CARRIER,
    SIM_AT_EDGE_INSIDE,
    SIM_AT_EDGE_OUTSIDE,
    SIM_AT_PHONES /* media only */
};
struct addr sim_calls_addr(enum sim_place_at at, uint32_t index);
struct addr sim_calls_network(bool outside); /* of 16 bits */

/* Groups of the wire's sockets: a trouble keeps one from another. */
#define SIM_GROUP_OF_CARRIER(k) (k)
#define SIM_GROUP_OF_PBX 2u
#define SIM_GROUP_OF_PSTN_SIDE 3u
#define SIM_GROUP_OF_IME(c) (4u + (c))
#define SIM_GROUP_OF_EDGE_SIDE 40u /* between an agent and its edge */

/* ---- time ---- */

/* What wakes a process up: fires once, no later than it was last set to. In its owner's storage, which outlives the world's events. */
struct sim_waker {
    struct sim_world *world;
    int64_t armed_us; /* INT64_MAX: not set */
    void (*fire)(void *ctx);
    void *ctx;
};
void sim_waker_init(struct sim_waker *w, struct sim_world *world, void (*fire)(void *ctx), void *ctx);
void sim_waker_set(struct sim_waker *w, int64_t at_us); /* the earlier one counts */

/* Clocks of phones and of the phone network are right. */
struct now sim_day_now(const struct sim_day *day);
int64_t sim_day_world_us(const struct sim_day *day, struct mono mono);

/* "s=call-17" stands in the description of each call, which nobody on the way changes. False: there is none. */
bool sim_call_marked(struct slice octets, uint32_t *ret_call);

#endif
