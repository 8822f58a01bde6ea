/* What people want to do in a day of calls: who calls whom, when, and how both behave. Drawn before the day begins, with its quiet night and its busy
 * hours. Times of phones are milliseconds after what they wait for. */
#ifndef SIM_CALLS_SCRIPT_H
#define SIM_CALLS_SCRIPT_H

#include "calls/day.h"

enum sim_answer {
    SIM_ANSWERS,
    SIM_IS_BUSY,     /* 486 */
    SIM_DECLINES,    /* 603 */
    SIM_IS_AWAY,     /* 480 */
    SIM_DOES_NOTHING /* it rings, nobody comes */
};

enum sim_holder { SIM_HOLDS_NOBODY, SIM_HOLDS_CALLER, SIM_HOLDS_CALLED, SIM_HOLDS_BOTH /* at the same moment */ };

struct sim_script {
    int64_t at_us; /* the caller dials */
    uint16_t from, from_k, to, to_k;
    uint8_t answer;            /* enum sim_answer */
    uint8_t holder;            /* enum sim_holder */
    bool caller_hangs_up;      /* else the called one does */
    bool bye_is_lost;          /* with all its repetitions */
    bool presses_keys;         /* the caller, once (INFO) */
    bool has_media;            /* something is said; else both phones say that they do not */
    bool has_video;            /* and seen, offered by the caller */
    uint32_t ring_ms;          /* from hearing of the call to the answer */
    uint32_t patience_ms;      /* from dialing to giving up */
    uint32_t talk_ms;          /* from one's own answer to hanging up */
    uint32_t hold_ms, held_ms; /* from the answer; for so long */
};

/* Calls from day->from_us to day->until_us, in order of time. Owned by the day. */
void sim_scripts_draw(struct sim_day *day);

/* The share of a day's calls that begin in this hour of the day. */
double sim_load_of_hour(unsigned hour);

#endif
