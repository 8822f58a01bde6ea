/* What a run of the simulator counts, and its result. The world and the checkers fill it in, report and plot read it. Times are virtual
 * unless the name says wall. */
#ifndef SIM_MEASURE_H
#define SIM_MEASURE_H

#include "traffic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Samples that are all kept (4 octets each), so that the median and the 99th percentile are exact. Owned. */
struct sim_samples {
    uint32_t *values;
    size_t n;
    size_t capacity;
    bool sorted;
};

void sim_samples_fini(struct sim_samples *s);
void sim_samples_add(struct sim_samples *s, uint32_t value);

/* All of them 0 when there is no sample. The percentile is that of the nearest rank; it sorts. */
double sim_samples_mean(const struct sim_samples *s);
uint32_t sim_samples_percentile(struct sim_samples *s, double percent);
uint32_t sim_samples_max(const struct sim_samples *s);

#define SIM_VIOLATIONS_MAX 64 /* more are counted only */
#define SIM_VIOLATION_OCTETS 240

/* Something that must hold did not. */
struct sim_violation {
    const char *rule; /* the checker's name, static: "request ends once" */
    int64_t at_ms;
    char text[SIM_VIOLATION_OCTETS];
};

/* How many nodes there were, and what they did, over the time of the run: for the plots. One row per interval. */
struct sim_moment {
    int64_t at_ms;
    uint32_t nodes_up;
    uint32_t nodes_joined;
    uint64_t messages; /* sent since the last row */
    uint64_t octets;
    uint32_t lookups_done; /* since the last row */
    uint32_t lookups_failed;
};

struct sim_calls_result;

struct sim_result {
    uint64_t seed; /* below 2^53, so that every reader of JSON keeps it */
    const char *scenario;
    uint32_t nodes;
    double virtual_hours;
    const char *signatures; /* "ecdsa-p256" or "stand-in" */
    const char *end;        /* why the run ended, if not because it was done: NULL */

    uint64_t lookups;
    uint64_t failed;
    struct sim_samples hops;       /* of each request to a responsible peer: links it went over */
    struct sim_samples latency_us; /* of each look-up, from the question to the answer */
    struct sim_samples direct_us;  /* round trip between who asked and who answered, as the network has it at rest */

    uint64_t messages; /* of all nodes, as sent */
    uint64_t octets;
    double messages_per_node_hour;
    double octets_per_node_hour;
    double octets_per_node_hour_idle; /* when nothing happens but upkeep; 0: not measured */
    struct sim_traffic traffic;       /* the same messages and octets by kind */
    struct sim_samples node_octets;   /* sent by each node: the load */
    struct sim_samples links;         /* per node, at the end */
    struct sim_samples records_held;  /* values that each node holds, copies included */

    uint64_t records_live; /* published numbers, times three copies */
    uint64_t records_lost; /* copies of which nothing is left */
    uint64_t records_under_replicated;

    uint64_t memory_per_node; /* octets of the process by nodes, at the most */
    double converge_s;        /* from the end of the last fault, or the last join, to one right ring */
    double join_messages;     /* per node that joined, mean */

    struct sim_violation violations[SIM_VIOLATIONS_MAX];
    size_t violation_count; /* may be more than are kept */

    struct sim_moment *moments; /* owned */
    size_t moment_count;

    struct sim_calls_result *calls; /* of the scenario "calls" (calls/result.h); owned; NULL: of another one */

    uint64_t trace_hash;
    uint64_t events;
    double wall_s;
};

void sim_result_fini(struct sim_result *result);

#endif
