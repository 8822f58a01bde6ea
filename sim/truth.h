/* What is the case in the simulated world, noted by those who bring it about (scenario, agents, faults) and never read out of a server:
 * who is honest, who called whom, what was acknowledged and until when. Who really serves a number is arithmetic (agent.h). The checkers
 * compare what servers believe with this. */
#ifndef SIM_TRUTH_H
#define SIM_TRUTH_H

#include "base/e164.h"
#include "base/id.h"
#include "base/time.h"
#include "reload/config.h"

#define SIM_COPIES 3           /* of a number, at as many Resource-IDs (VAP 9.4.2) */
#define SIM_KEY_OCTETS_MAX 127 /* of a dictionary key */

struct sim_truth_node {
    struct id id;
    uint32_t company;
    bool honest; /* it is so, and was all the time */
    bool banned;
    bool lost; /* it crashed, left, or was shut out for good: what was on its disk is gone */
};

/* A number that a node has published and whose agent was told so. */
struct sim_publication {
    struct e164 number;
    struct id node;
    uint32_t company; /* of the node */
    int64_t acknowledged_us;
    int64_t until_us;     /* its lifetime in the ring, if nobody refreshes it */
    int64_t forgotten_us; /* its company has let it go; 0: it has not */
    int64_t
        ends_us[SIM_COPIES]; /* of what its holders had of each copy, when they were last looked at; 0: nobody had it */
    bool excused[SIM_COPIES]; /* lost together with more neighbors at once than there are replicas for */
};

/* Calls of a company to a number, as the phone network saw them, and what came of them. */
struct sim_truth_call {
    struct e164 number;
    uint32_t caller; /* companies */
    uint32_t taker;
    uint32_t times;
    int64_t last_us;
    bool learned; /* the caller's agent was told of a route to the taker's domain */
};

struct sim_truth;

int sim_truth_new(struct sim_truth **ret_truth);
void sim_truth_free(struct sim_truth *truth);

/* How the ring hides numbers; the overlay's name is copied. 0 or ERR_NO_MEMORY. */
int sim_truth_profile(struct sim_truth *truth, struct slice overlay, enum config_number_hash hash,
                      struct argon2_cost cost);

/* All that adds returns 0 or ERR_NO_MEMORY. A node that is known already is changed; who has lied once is not honest any more. */
int sim_truth_node(struct sim_truth *truth, struct id id, uint32_t company, bool honest);
int sim_truth_called(struct sim_truth *truth, const struct e164 *number, uint32_t caller, uint32_t taker,
                     int64_t now_us);
int sim_truth_published(struct sim_truth *truth, const struct e164 *number, struct id node, int64_t now_us,
                        int64_t until_us);

/* The agent was told so once more; or it will not be. Nothing if the number is not known (any longer). */
void sim_truth_refreshed(struct sim_truth *truth, const struct e164 *number, struct id node, int64_t until_us);
void sim_truth_forgotten(struct sim_truth *truth, const struct e164 *number, struct id node, int64_t now_us);

/* A route that nothing refutes. */
void sim_truth_learned(struct sim_truth *truth, const struct e164 *number, uint32_t caller, uint32_t taker);

void sim_truth_banned(struct sim_truth *truth, struct id node, bool banned);
void sim_truth_lost(struct sim_truth *truth, struct id node);

/* What a node published no longer counts: it was banned, and its values are to go. */
void sim_truth_withdrawn(struct sim_truth *truth, struct id node);

/* NULL if unknown. */
const struct sim_truth_node *sim_truth_find(const struct sim_truth *truth, struct id id);

/* May this company have learned that the number is reached at this domain? Only if the domain's company took a call to it from there. NULL,
 * or why not (static). */
const char *sim_truth_refutes(const struct sim_truth *truth, uint32_t learner, const struct e164 *number,
                              const char *domain);

/* In the order in which they first happened. */
size_t sim_truth_calls(const struct sim_truth *truth);
const struct sim_truth_call *sim_truth_call(const struct sim_truth *truth, size_t index);

/* In the order in which they were first acknowledged. */
size_t sim_truth_publications(const struct sim_truth *truth);
struct sim_publication *sim_truth_publication(struct sim_truth *truth, size_t index);
struct sim_publication *sim_truth_find_publication(struct sim_truth *truth, const struct e164 *number, struct id node);

/* Where the copies of a number lie, reckoned by VAP 9.4.2 and the profile without the module that the servers have for it. */
int sim_truth_places(const struct sim_truth *truth, const struct e164 *number, struct id ret_resources[SIM_COPIES]);

/* The dictionary key of a claim, NUL-terminated. Returns text. */
const char *sim_truth_key(struct id node, uint64_t vservice, char text[SIM_KEY_OCTETS_MAX + 1]);

#endif
