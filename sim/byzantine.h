/* Peers that lie: whole servers whose messages are changed on their way out, and which send some of their own. They have one certificate and
 * can sign only with it; what they claim to come from others cannot verify. */
#ifndef SIM_BYZANTINE_H
#define SIM_BYZANTINE_H

#include "world.h"

/* What one of them does. */
#define SIM_BEHAVIORS(X)                                                                                        \
    X(FORGE, "forges signatures")    /* of its own messages, and of others' values in its answers */            \
    X(IMPERSONATE, "wrong Node-IDs") /* signs for others: their Node-ID in Join, Leave, and as a value's key */ \
    X(REPLAY, "replays")             /* what it has sent or passed on before, again */                          \
    X(REFUSE, "refuses")             /* answers requests with errors */                                         \
    X(HIDE, "hides entries")         /* others' values are missing in its answers */                            \
    X(MISROUTE, "wrong routing")     /* neighbors that do not exist, and wrong next hops */                     \
    X(BLACKHOLE, "drops")            /* what it should pass on */                                               \
    X(OVERSIZE, "oversized values")  /* and messages */                                                         \
    X(FLOOD, "floods")               /* requests and values, as many as the link takes */                       \
    X(GARBLE, "garbles")             /* octets that are no message */

enum sim_behavior {
#define SIM_BEHAVIOR_NAME_(name, text) SIM_BEHAVIOR_##name,
    SIM_BEHAVIORS(SIM_BEHAVIOR_NAME_)
#undef SIM_BEHAVIOR_NAME_
        SIM_BEHAVIOR_COUNT
};
#define SIM_BEHAVIORS_ALL ((1u << SIM_BEHAVIOR_COUNT) - 1)
const char *sim_behavior_name(enum sim_behavior behavior);

struct sim_liar;

/* One per node that ever lies; honest until it begins. It outlives the world's next events. Aborts when out of memory. */
struct sim_liar *sim_liar_new(struct sim_node *node, uint64_t seed);
void sim_liar_free(struct sim_liar *liar);

void sim_liar_begin(struct sim_liar *liar, enum sim_behavior behavior);

/* It is honest again, but for what it has already done. */
void sim_liar_end(struct sim_liar *liar);

#endif
