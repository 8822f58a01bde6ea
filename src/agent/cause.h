/* Cause codes of call records: why a call did not go direct, or not any longer. The numbers are those that the users of such products
 * know. */
#ifndef AGENT_CAUSE_H
#define AGENT_CAUSE_H

#include <stdbool.h>

enum agent_cause {
    AGENT_CAUSE_NONE = 0,
    AGENT_CAUSE_QOS_FALLBACK = 132,
    AGENT_CAUSE_FALLBACK_CALL_UNKNOWN = 133, /* the fallback call cannot be matched with the call that it is for */
    AGENT_CAUSE_FALLBACK_DTMF_TIMEOUT = 134,
    AGENT_CAUSE_CONNECTION_TIMEOUT = 135,
    AGENT_CAUSE_NOT_ENROLLED = 136,
    AGENT_CAUSE_SOCKET_ERROR = 137,
    AGENT_CAUSE_DOMAIN_BLOCKED = 138,
    AGENT_CAUSE_PREFIX_BLOCKED = 139,
    AGENT_CAUSE_EXPIRED_TICKET = 140,
    AGENT_CAUSE_NO_MATCHING_ROUTE = 141,
    AGENT_CAUSE_REMOTE_UNREGISTERED = 142,
    AGENT_CAUSE_REMOTE_DISABLED = 143,
    AGENT_CAUSE_REMOTE_TRUNK_URI = 144,
    AGENT_CAUSE_REMOTE_NOT_E164 = 145,
    AGENT_CAUSE_REMOTE_UNAVAILABLE = 146,
    AGENT_CAUSE_INVALID_TICKET = 147,
    AGENT_CAUSE_UNKNOWN = 148
};

const char *agent_cause_text(enum agent_cause cause); /* a phrase for people */

/* What became of such a call, and what an operator can do about it: sentences. "" for AGENT_CAUSE_NONE. */
const char *agent_cause_advice(enum agent_cause cause);

/* The far side does not serve the number (any more): its route is worth nothing. */
static inline bool agent_cause_is_gone(enum agent_cause cause)
{
    return cause == AGENT_CAUSE_NO_MATCHING_ROUTE || cause == AGENT_CAUSE_REMOTE_UNAVAILABLE ||
           cause == AGENT_CAUSE_NOT_ENROLLED;
}

/* The far side does not take the ticket: the next call with it will fail in the same way. */
static inline bool agent_cause_is_ticket(enum agent_cause cause)
{
    return cause == AGENT_CAUSE_EXPIRED_TICKET || cause == AGENT_CAUSE_INVALID_TICKET;
}

#endif
