/* What came of each call, written down apart from the programs: by phones (what they did and heard), from the wire (which way an INVITE took), from
 * the VAP connections (which routes an agent has acknowledged, which records it has sent). In the end the books are closed: each rule by the name
 * that a violation carries.
 *
 *     calls end                       each call that was begun ends once at each end, with a cause; both ends within SIM_ENDS_US of each other, when
 *                                     nothing went wrong within SIM_ENDS_CLEAN_US
 *     calls become what people want   when nothing is in the way: answered, refused or given up as the script has it
 *     one call                        a called phone rings once for a call, when nothing is in the way; two ends of it are never up for long; whatever is in
 *                                     the way, nothing rings for it once it has been answered
 *     no route, no direct call        an agent sends nobody a call to whom it has acknowledged no route
 *     a good route is used            and the phone network is not asked
 *     calls fall back                 to the phone network when the other company is away
 *     records are of calls            a voice call record has the numbers and times of a call over the phone network, and there is one per side
 *     calls have records              each such call, unless the agent was killed before it was over
 *     records arrive                  what was sent is acknowledged in the end
 *     routes stay                     what an agent has acknowledged it still has, whatever happened to it
 *     calls have an account           each call that reached an agent stands in its journal, with an end and a cause
 *     calls are kept                  a direct call that nobody hung up goes on while one of the two networks can carry it
 *     calls are heard                 and its phones hear each other, after a time that a fallback takes
 *     moves are not heard             from one network to the other, both being well: no gap of 200 ms, beyond the difference of their delays
 *     returns take their time         more of it each time
 *     nobody hears others             nothing of another call
 *     no phone rings for a fallback   a PBX gets no call to the fallback number, nor one that no phone has placed
 *     descriptions go on              each dialog has one session, whose version counts up (RFC 3264 8)
 *     nothing is left                 no call, transaction, dialog, timer, connection
 *     nothing leaks                   an agent at the end of the day is no larger than one that begins with the same disk */
#ifndef SIM_CALLS_LEDGER_H
#define SIM_CALLS_LEDGER_H

#include "calls/day.h"

#define SIM_ENDS_US \
    (60 *           \
     SIM_MINUTE) /* an end that falls silent is asked after 15 minutes; both agents and the phone network may have to */
#define SIM_ENDS_CLEAN_US (6 * SIM_SECOND)

struct sim_ledger *sim_ledger_new(struct sim_day *day);
void sim_ledger_free(struct sim_ledger *l);

/* ---- phones ---- */

void sim_ledger_begun(struct sim_ledger *l, uint32_t call);
unsigned sim_ledger_called(struct sim_ledger *l, uint32_t call, uint32_t company); /* how many times before */
void sim_ledger_rang(struct sim_ledger *l, uint32_t call);
void sim_ledger_answered(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth);
void sim_ledger_held(struct sim_ledger *l, uint32_t call, unsigned status);
void sim_ledger_hung_up(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth);
void sim_ledger_ended(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth, unsigned status);
void sim_ledger_gone(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth); /* with its PBX */

/* The phone should hear the other one, or no longer; it heard what was said at said_us; it heard another call. */
void sim_ledger_expects(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth, bool expects);
void sim_ledger_heard(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth, const struct addr *from,
                      int64_t said_us);
void sim_ledger_wrong_join(struct sim_ledger *l, uint32_t call, uint32_t said);
void sim_ledger_wrong_description(struct sim_ledger *l, uint32_t call, bool is_caller, const char *how);
void sim_ledger_rang_for_fallback(struct sim_ledger *l, uint32_t company);

/* ---- the wire and VAP ---- */

void sim_ledger_sent(void *ledger, const struct sim_wire_socket *from, const struct sim_wire_socket *to,
                     struct slice octets);
void sim_ledger_vap_begins(struct sim_ledger *l, uint32_t company, unsigned server);
void sim_ledger_vap(struct sim_ledger *l, uint32_t company, unsigned server, bool from_agent, struct slice octets);

/* ---- the end ---- */

uint32_t sim_ledger_at_once(const struct sim_ledger *l); /* calls that have not ended */

/* Ends that are silent for too long. May be asked at any time. */
void sim_ledger_look(struct sim_ledger *l);

/* Everybody has gone home, and nothing goes wrong any more. */
void sim_ledger_close(struct sim_ledger *l);

#endif
