/* Requests of strangers: of peers that are no PBX, trunk or edge, nor a company that has shown its certificate. They are refused, and nothing is kept
 * of them (RFC 3261 8.2.7): neither can they fill our memory, nor make us repeat answers to an address that is not theirs. So many a second are
 * read at all, so many of one source. The log has a line of them once in a while. */
#ifndef AGENT_STRANGER_H
#define AGENT_STRANGER_H

#include "base/time.h"
#include "sip/flow.h"

struct agent;

#define STRANGER_SOURCES 1024

/* What they have asked in this second, and what the log was not told of yet. */
struct strangers {
    uint64_t seed[2];
    struct mono window; /* its end */
    unsigned asked;
    unsigned asked_of[STRANGER_SOURCES]; /* by a hash of the source */
    struct mono quiet_until;             /* the log has a line of late */
    unsigned refused, dropped;           /* since that line */
};

void agent_strangers_init(struct agent *a);

/* A message of somebody whom we do not know came in. True: that was all; false: it may be what the transaction layer expects. */
bool agent_stranger_input(struct agent *a, const struct sip_flow *flow, struct slice octets);

#endif
