/* The call agent of a company: the VAP client core (vap/client.h) beside the company's server. It publishes the VService and numbers,
 * subscribes, uploads call records, and is told of routes. Nodes 0 to options.agents - 1 have one.
 *
 * Which number belongs to whom is arithmetic: the world, and whoever checks it, knows it without asking. */
#ifndef SIM_AGENT_H
#define SIM_AGENT_H

#include "node.h"

#include "base/e164.h"
#include "vap/client.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_NUMBERS_MAX 1000u /* of one company */

/* What all numbers of the first thousand companies begin with, and what all domains end in: one look finds any of them where none may be. */
#define SIM_NUMBER_DIGITS "883510000"
#define SIM_DOMAIN_SUFFIX ".example"

/* The k-th number of a company, and back. False: nobody's. */
struct e164 sim_number(uint32_t company, uint32_t k);
bool sim_number_owner(const struct e164 *number, uint32_t *ret_company, uint32_t *ret_k);

/* "c17.example" */
#define SIM_DOMAIN_OCTETS 32
const char *sim_domain(uint32_t company, char *text);
bool sim_domain_owner(const char *domain, uint32_t *ret_company);
uint64_t sim_vservice(uint32_t company);

enum sim_number_state {
    SIM_NUMBER_NONE,      /* not published */
    SIM_NUMBER_ASKED,     /* the request is under way */
    SIM_NUMBER_PUBLISHED, /* acknowledged: from now on it must be found */
    SIM_NUMBER_FAILED     /* refused; may be published again */
};

struct sim_agent {
    struct sim_node *node;
    struct vap_client *client; /* NULL: stopped */
    bool online;
    struct sim_tick tick;
    int64_t armed_us; /* when the world calls next; INT64_MAX: never */
    uint8_t *numbers; /* options.numbers of enum sim_number_state; owned */
    bool *wanted; /* of the same; owned. What a company wants outlives its agent's restarts, where numbers live short */
    uint32_t uploads_under_way;
    uint64_t routes_told;
};

/* For the world. */
void sim_agent_init(struct sim_node *node);
void sim_agent_fini(struct sim_node *node);

/* It appears: connects and goes on trying, publishes its VService, subscribes. Or goes away without a word. */
void sim_agent_start(struct sim_node *node);
void sim_agent_stop(struct sim_node *node);

/* To be called after calling the client directly: carries out what it wants. */
void sim_agent_settle(struct sim_node *node);

/* One publish_begun and one publish_ended. Again after a failure; one that is under way or acknowledged is left alone. */
void sim_agent_publish(struct sim_node *node, uint32_t k);

/* It no longer claims the number, and lets the ring forget it. */
void sim_agent_forget(struct sim_node *node, uint32_t k);

/* A phone call over the PSTN between two companies with agents, as both sides saw it; both upload it (or only the caller's). */
struct sim_call {
    uint32_t from;
    uint32_t to;
    uint32_t k;       /* of the called company's numbers */
    int64_t ended_us; /* true time of the world, in the past */
    int64_t lasted_us;
    int64_t start_off_ms; /* what the called side measured more */
    int64_t stop_off_ms;
    bool caller_lost; /* on the way */
    bool one_sided;   /* the called company uploads nothing */
};
void sim_agent_call(struct sim_world *world, const struct sim_call *call);

/* This company says that the number is its own, and that it took the call; the times are the call's with its offsets. No observer is told of
 * the publication: it is no honest one. */
void sim_agent_claim(struct sim_node *node, const struct sim_call *call);

#endif
