/* What a day of calls came to. */
#ifndef SIM_CALLS_RESULT_H
#define SIM_CALLS_RESULT_H

#include "measure.h"

/* Why a call was not answered, as its caller was told; in the order of the report. */
/* clang-format off */
#define SIM_CALL_ENDS(X) \
    X(ANSWERED, "answered") X(CANCELLED, "cancelled") X(BUSY, "busy") X(DECLINED, "declined") X(UNAVAILABLE, "unavailable") \
    X(NOT_FOUND, "not_found") X(TIMEOUT, "timeout") X(SERVICE, "no_service") X(FORBIDDEN, "refused") X(PHONE_GONE, "phone_gone") \
    X(OTHER, "other")
/* clang-format on */
enum sim_call_end {
#define SIM_CALL_END_ENUM_(name, text) SIM_CALL_##name,
    SIM_CALL_ENDS(SIM_CALL_END_ENUM_)
#undef SIM_CALL_END_ENUM_
        SIM_CALL_ENDS_COUNT
};
const char *sim_call_end_name(enum sim_call_end end);
enum sim_call_end sim_call_end_of(unsigned status);

struct sim_calls_result {
    uint32_t companies;
    uint64_t calls;                     /* begun */
    uint64_t ends[SIM_CALL_ENDS_COUNT]; /* of these */
    uint64_t direct, pstn;              /* answered, by their way */
    uint64_t fallback;                  /* answered over the PSTN after a direct attempt */
    uint64_t expected_direct;           /* had a good route and nothing in the way */
    uint64_t ringing_lost;              /* of these: went over the PSTN, for a lost 180 */
    uint64_t routes_learned;
    uint64_t vcrs;                 /* different ones, uploaded */
    uint64_t vcrs_again;           /* uploaded once more, since no answer had come */
    uint64_t holds, glares, races; /* re-INVITEs that were taken; that crossed; calls ended while they were answered */
    uint64_t troubles;
    uint64_t restarts; /* of agents, crashes included */
    uint64_t datagrams, datagrams_lost;
    uint32_t at_once_max;     /* calls */
    int64_t grown_max;        /* octets that an agent has at the end beyond one that begins with the same disk */
    uint64_t memory_per_call; /* octets of an agent, where it was killed in mid-call; 0: it never was */
    uint64_t packets, packets_lost, packets_heard; /* of sound */
    uint64_t moves_to_pstn, moves_to_ime;          /* of direct calls, as each of their phones hears it */
    uint64_t fallback_calls;                       /* to fallback numbers, that were answered */
    uint64_t found_by_caller, found_by_digits;     /* of these: which call they are to take over */
    uint64_t callers_spoiled;                      /* calls whose callers were shortened or rewritten by carriers */
    uint64_t lost;                   /* direct calls that ended though nobody hung up, and no process was away */
    struct sim_samples gaps;         /* microseconds without sound, at moves while both networks were well */
    struct sim_samples setup_direct; /* microseconds from the INVITE of a phone to its ringing */
    struct sim_samples setup_pstn;
};

void sim_calls_result_fini(struct sim_calls_result *result);

#endif
