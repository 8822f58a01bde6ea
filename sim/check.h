/* What must hold, reckoned apart from the code that is checked: from the octets on the links, the rows on the disks, what agents and
 * whoever looks up were told, and the truth (truth.h). A checker never asks a server whether it is right.
 *
 * Safety, all the time (each rule by the name that a violation carries):
 *     stored values verify         each value at an honest node is signed by the node that its key names, and stands where that may write
 *     numbers stay hidden          no number and no domain in the ring's messages, or in what a node stores for others
 *     a wrong number opens nothing a sealed value opens for its number, and for no other
 *     claims are real              a look-up names nobody who is honest and has not published the number
 *     routes are proven            a company learns a domain for a number only if that domain's company took a call to it from there
 *     requests end once            look-ups, publications, call records: never twice, and at the end none is open
 *     hops are bounded             in a storm by SIM_HOPS_STORM, in a healthy ring by log2 N, rounded up
 *     quotas hold                  values of one node at another, by Chernoff's bound and the greatest share that it has had
 *     nobody is refused wrongly    a node under its quota
 *     what was acknowledged stays  of each copy of a published number something is left, unless more nodes were lost than it had holders
 *     refreshed numbers stay       no copy of one ends by its lifetime, but in a storm
 * Liveness, when the storm is over and its damage undone:
 *     one ring                     right predecessors and successors within SIM_RING_US
 *     copies come back             each live record at its owner and the next two within SIM_COPIES_US after that
 *     every number is found        by everybody who asks, with its owner
 *     refreshed numbers stay       whose company has not let it go was acknowledged within its lifetime
 *     what is let go goes          within the lifetime that it had at most
 *     the banned are out           no links to them, and no values of theirs
 *     calls are learned            three proofs of calls between honest companies lead to a route (if the scenario promises so)
 *     nothing leaks                transactions, links and memory return to the level of before */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "truth.h"
#include "world.h"

#define SIM_HOPS_STORM 32u
#define SIM_RING_US (5 * SIM_MINUTE)
#define SIM_COPIES_US (5 * SIM_MINUTE)
#define SIM_SCAN_US (5 * SIM_SECOND) /* how often rows and shares are looked at */
#define SIM_REPAIR_US \
    (2 * SIM_MINUTE)   /* losses within this time count as one; what was stored later need not have copies */
#define SIM_REPLICAS 3 /* owner included */

struct sim_check;

/* Watches from now on until it is freed, which must be before the world is. Tells the truth of the ring's profile. Aborts when out of memory. */
struct sim_check *sim_check_new(struct sim_world *world, struct sim_truth *truth);
void sim_check_free(struct sim_check *check);

/* Whether things go wrong right now: what holds in a healthy ring only is then not demanded. */
void sim_check_storm(struct sim_check *check, bool storm);

/* The network was parted, or is whole again: who publishes in a small part has fewer holders. */
void sim_check_parted(struct sim_check *check, bool parted);

/* ---- safety: check_rows.c ---- */

/* All rows of all honest nodes, now. */
void sim_check_scan(struct sim_check *check);

/* Of every copy of what was published something is left, or enough was lost to excuse it. */
void sim_check_kept(struct sim_check *check);

/* ---- liveness: check_ring.c ---- */

/* One node as it sees the ring, nearest neighbors first. */
struct sim_ring_node {
    struct id id;
    bool joined;
    struct id predecessor;
    const struct id *predecessors;
    size_t predecessor_count;
    const struct id *successors;
    size_t successor_count;
};

/* These are all nodes, in any order; `neighbors` on each side are to be right. Puts what is wrong first into the text, and returns how many
 * nodes are wrong. Pure. */
size_t sim_ring_wrong(const struct sim_ring_node *nodes, size_t count, unsigned neighbors, char *text, size_t octets);

/* The same for the world's running nodes without the banned. */
size_t sim_check_ring(struct sim_check *check, char *text, size_t octets);

/* Copies that are not where they belong; what is wrong first goes into the text. The world's result gets live, lost and under-replicated. */
size_t sim_check_copies(struct sim_check *check, char *text, size_t octets);

/* Everybody (at most `askers` nodes per number) looks up everything that is published; waits for the answers. */
void sim_check_find_all(struct sim_check *check, unsigned askers);

/* No request is open that should have ended. */
void sim_check_ended(struct sim_check *check);

/* Each honest company that called another one's number so often that it must have been proven has learned the route. */
void sim_check_learned(struct sim_check *check);

/* What companies want is acknowledged; what they have let go for so long that nobody may have it is gone. */
#define SIM_GONE_US (2 * SIM_MINUTE) /* behind its lifetime: requests that were under way, clocks that were off */
void sim_check_lifetimes(struct sim_check *check);

/* No links to the banned, no values of theirs. */
void sim_check_banned(struct sim_check *check);

/* What a quiet world uses. */
struct sim_level {
    uint64_t transactions; /* the fewest seen within some seconds */
    uint64_t links;  /* of the node with the most; without those to who is gone, until it must have been noticed */
    uint64_t memory; /* octets allocated by the process; 0: unknown */
    uint32_t nodes;
};

/* Lets some seconds pass. */
void sim_check_level(struct sim_check *check, struct sim_level *ret_level);
void sim_check_leaks(struct sim_check *check, const struct sim_level *before, const struct sim_level *after);

#endif
