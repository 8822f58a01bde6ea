/* A plan: what goes wrong when, as data. Drawn from the seed by a mix (which faults, how often), printed for people, carried out by fault.c.
 * Times are microseconds since the storm began. */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "base/entropy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Faults: of the nodes named, beginning at a time, undone after another. What has no end of its own ends with the storm. */
#define SIM_FAULTS(X)                                                                                              \
    X(CRASH, "crash")               /* the process is killed; it is started again after for_us, 0: never */        \
    X(POWER, "power failure")       /* the same, but the machine says nothing */                                   \
    X(RESTART, "restart")           /* stopped in good order, and started again */                                 \
    X(LEAVE, "leave")               /* in good order, with hand-over; comes back after for_us, 0: never */         \
    X(JOIN, "join")                 /* new nodes */                                                                \
    X(PARTITION, "partition")       /* these and the others do not reach each other */                             \
    X(ONE_WAY, "one-way partition") /* the others do not hear these */                                             \
    X(CUT, "cut links")             /* connections between these are reset */                                      \
    X(SLOW, "slow")                 /* everything of these takes amount microseconds more */                       \
    X(HANG, "hang")                 /* nothing happens in these for a while */                                     \
    X(DISK_FULL, "disk full")       /* writes are refused */                                                       \
    X(DISK_BROKEN, "disk broken")   /* writes are refused as failed */                                             \
    X(DISK_HANGS, "disk hangs")     /* writes are not completed */                                                 \
    X(DISK_FAILS, "disk fails")     /* the next `amount` transactions fail */                                      \
    X(CLOCK, "clock")               /* wall clocks are off by amount milliseconds (two's complement) and drift */  \
    X(BYZANTINE, "byzantine")       /* they lie: amount is enum sim_behavior */                                    \
    X(BAN, "ban")                   /* a new configuration shuts them out; taken back after for_us, 0: never */    \
    X(CALL, "call")                 /* nodes[0]'s company calls nodes[1]'s, its number `amount` */                 \
    X(CLAIM, "false claim")   /* nodes[0] publishes a number of nodes[1]'s company, and says that it was called */ \
    X(CONFIGURE, "configure") /* another configuration that shuts nobody out */                                    \
    X(FORGET, "let go")       /* nodes[0]'s company refreshes its number `amount` no longer */

enum sim_fault_kind {
#define SIM_FAULT_NAME_(name, text) SIM_FAULT_##name,
    SIM_FAULTS(SIM_FAULT_NAME_)
#undef SIM_FAULT_NAME_
        SIM_FAULT_KINDS
};
const char *sim_fault_name(enum sim_fault_kind kind);

struct sim_fault {
    int64_t at_us;
    int64_t for_us;
    enum sim_fault_kind kind;
    uint32_t *nodes; /* by index; owned by the plan */
    uint32_t node_count;
    uint64_t amount;
};

/* How to draw: a scenario in numbers. */
struct sim_mix {
    int64_t storm_us;
    double faults_per_minute; /* … and per SIM_MIX_NODES nodes, but of calls and claims */
    double calls_per_minute;  /* between any two companies */
    double claims_per_minute;
    uint8_t weights[SIM_FAULT_KINDS]; /* of the others, compared with one another */
    uint8_t nodes_min;                /* of one fault */
    double share_max;                 /* of all nodes, that one fault hits at most */
    double lost_max;                  /* share of all nodes that may go for good, all faults together */
    double byzantine_max;             /* share of all nodes that ever lie */
    uint16_t behaviors;               /* bits by enum sim_behavior that may be drawn */
};
#define SIM_MIX_NODES 12

struct sim_plan {
    struct sim_fault *faults; /* in order of time */
    size_t count;
    size_t capacity;
    int64_t storm_us;
    uint32_t nodes;     /* that the world has when the storm begins */
    uint32_t joining;   /* that come later: the indices from `nodes` on */
    uint32_t companies; /* nodes 0 to companies - 1 have agents */
    uint32_t numbers;   /* of each */
};

/* `nodes`, `companies` and `numbers` are set; `joining` says how many may be used for JOIN. What one plan does to a node does not overlap:
 * a node that is down or lies is not hit again before it is well. Node 0 publishes configurations and is never lost, wiped, banned or a liar.
 * Aborts when out of memory. */
void sim_plan_init(struct sim_plan *plan, uint32_t nodes, uint32_t joining, uint32_t companies, uint32_t numbers);
void sim_plan_draw(struct sim_plan *plan, const struct sim_mix *mix, const struct entropy *entropy);
void sim_plan_fini(struct sim_plan *plan);

/* Some companies let one of their numbers go. */
void sim_plan_draw_forgotten(struct sim_plan *plan, const struct entropy *entropy);

/* One fault of one's own making. The nodes are copied. */
void sim_plan_add(struct sim_plan *plan, const struct sim_fault *fault);

/* One line per fault. */
void sim_plan_print(FILE *out, const struct sim_plan *plan);

#endif
