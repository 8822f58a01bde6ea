/* Cause codes in words: a phrase, and what can be done. */
#include "agent/cause.h"

struct words {
    const char *text;
    const char *advice;
};

#define FIRST AGENT_CAUSE_QOS_FALLBACK
#define LAST AGENT_CAUSE_UNKNOWN

static const struct words words[LAST - FIRST + 1] = {
    [AGENT_CAUSE_QOS_FALLBACK - FIRST] = {"fallback to the phone network",
                                          "The call was direct and moved to the phone network, or was to and stayed: "
                                          "the line says which. Too much of what was said got lost on the way, the "
                                          "way broke, or an operator wanted it. If it happens often, look at the "
                                          "Internet access of both sides; the sensitivity of the fallback profile "
                                          "says how much is too much. If it stayed, the lines before say what the "
                                          "phone network or a phone has answered."},
    [AGENT_CAUSE_FALLBACK_CALL_UNKNOWN -
        FIRST] = {"the fallback call did not find its call",
                  "A call was to move to the phone network, but the side that took the call there could not tell which "
                  "one it belonged to; it stayed direct. "
                  "Carriers that change caller IDs need correlation-digits in the fallback profile."},
    [AGENT_CAUSE_FALLBACK_DTMF_TIMEOUT - FIRST] = {"the digits of the fallback call did not come",
                                                   "A call was to move to the phone network, but the tones that tell "
                                                   "it apart were not heard in time; it stayed direct. See whether the "
                                                   "carrier passes tones on."},
    [AGENT_CAUSE_CONNECTION_TIMEOUT -
        FIRST] = {"no answer from the other side in time",
                  "Something at the other side was reached or seemed to be, but did not answer the call before "
                  "connect-timeout or setup-timeout. If all "
                  "calls to this company end so, its edge or a firewall in between drops them."},
    [AGENT_CAUSE_NOT_ENROLLED -
        FIRST] = {"the other side does not offer this number",
                  "The called number is not among those that its company lets be called directly. A route to it is "
                  "forgotten, and comes back when calls "
                  "over the phone network prove it again. If the number is ours: `imectl agent enrolled list`."},
    [AGENT_CAUSE_SOCKET_ERROR - FIRST] = {"no connection to the other side",
                                          "No connection could be made to our edge or to the other side: nobody "
                                          "listens there, the network has no way, or TLS was refused. "
                                          "The line of the attempt says what it was; see that the edge runs and that "
                                          "the certificates of both sides are of authorities that the "
                                          "other one believes."},
    [AGENT_CAUSE_DOMAIN_BLOCKED - FIRST] = {"the other side's domain is blocked",
                                            "A trust group is against calls with this domain, or none of the trusted "
                                            "groups has it: here `imectl agent trust test DOMAIN` says, at "
                                            "the other side its operator."},
    [AGENT_CAUSE_PREFIX_BLOCKED - FIRST] = {"the number's prefix is blocked",
                                            "A trust group is against calls with numbers that begin so, or "
                                            "none of the trusted groups has them: `imectl agent trust list`."},
    [AGENT_CAUSE_EXPIRED_TICKET - FIRST] = {"the ticket has expired",
                                            "The permission to call this number was granted for a time that is over, "
                                            "or the clock of one side is wrong. The next calls over the "
                                            "phone network bring a new one."},
    [AGENT_CAUSE_NO_MATCHING_ROUTE - FIRST] = {"the other side has no way to this number",
                                               "The other side took the call and does not know where to send it: its "
                                               "PBX or trunk for the number is not set up. The route is forgotten."},
    [AGENT_CAUSE_REMOTE_UNREGISTERED - FIRST] = {"the other side's PBX is not there",
                                                 "The other side took the call, but its PBX does not answer or has not "
                                                 "registered. That is for its operator; the call went by the phone "
                                                 "network."},
    [AGENT_CAUSE_REMOTE_DISABLED - FIRST] =
        {"the other side takes no direct calls now",
         "The other side is overloaded, being stopped, or has direct calls switched off. Nothing has to be done here."},
    [AGENT_CAUSE_REMOTE_TRUNK_URI - FIRST] = {"the other side's address is not valid",
                                              "The route that was learned names a place that no call can be sent to. "
                                              "Its owner publishes a wrong external-address; `imectl agent route "
                                              "delete NUMBER` forgets it."},
    [AGENT_CAUSE_REMOTE_NOT_E164 - FIRST] = {"the other side does not take the number's form",
                                             "The called number was no +E.164 number where it arrived. See with "
                                             "`imectl agent number test DIALED` what our rules make of it; else the "
                                             "other side changes it on its way."},
    [AGENT_CAUSE_REMOTE_UNAVAILABLE - FIRST] = {"the other side does not know this number",
                                                "The called number does not exist, or not any longer, at the other "
                                                "side's PBX: it may have moved to another company. The route is "
                                                "forgotten, and the call went by the phone network, which knows."},
    [AGENT_CAUSE_INVALID_TICKET - FIRST] = {"the other side did not take the ticket",
                                            "The permission to call this number was not accepted: its ticket password "
                                            "was changed, the ticket was revoked, or our certificate is for "
                                            "another domain than the one that it was granted to. The route is tried "
                                            "last for a day (ticket-retry); a new ticket comes with the next "
                                            "calls over the phone network."},
    [AGENT_CAUSE_UNKNOWN - FIRST] = {"another reason",
                                     "The direct way failed for a reason that has no code of its own: the line of the "
                                     "attempt has the status of the answer, and what whoever gave it says. If it says "
                                     "nothing, the log of our edge comes first, then the other side's operator."},
};

const char *agent_cause_text(enum agent_cause cause)
{
    if (cause == AGENT_CAUSE_NONE)
        return "no failure";
    return words[(cause >= FIRST && cause <= LAST ? cause : LAST) - FIRST].text;
}

const char *agent_cause_advice(enum agent_cause cause)
{
    if (cause == AGENT_CAUSE_NONE)
        return "";
    return words[(cause >= FIRST && cause <= LAST ? cause : LAST) - FIRST].advice;
}
