/* What a run is told on the command line, and what it draws from the seed instead. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SIM_NODES_MAX 1000000u
#define SIM_NODES_DEFAULT 64u
#define SIM_NUMBERS_DEFAULT 4u
#define SIM_REAL_SIGNATURES_MAX \
    64u /* nodes: above it signatures are the stand-in unless the command line says otherwise */
#define SIM_AGENTS_DEFAULT_MAX 1000u
#define SIM_COMPANIES_DEFAULT 6u
#define SIM_COMPANIES_MAX 30u /* two trunks each at the phone network (PSTN_TRUNKS_MAX) */
#define SIM_CALLS_MAX 2000000u
#define SIM_CALLS_NUMBERS_DEFAULT 12u
#define SIM_CALLS_NUMBERS_MAX 999u
#define SIM_SEED_MAX ((UINT64_C(1) << 53) - 1)

enum sim_signatures {
    SIM_SIGNATURES_BY_SIZE, /* before sim_options_settle only */
    SIM_SIGNATURES_REAL,    /* X.509, ECDSA P-256 */
    SIM_SIGNATURES_STAND_IN /* identity.h */
};

const char *sim_signatures_name(enum sim_signatures signatures); /* as in the result */

/* Texts belong to whoever made the options (argv). */
struct sim_options {
    uint64_t seed;
    uint32_t nodes;       /* 0, before sim_options_settle only: as the scenario has it */
    const char *scenario; /* "calm": nothing goes wrong */
    double hours;         /* of virtual time, behind the growth of the ring; 0: as long as the work takes */
    uint32_t lookups;     /* UINT32_MAX: as many as there are nodes */
    uint32_t numbers;     /* that each company publishes; 0 as above */
    uint32_t agents;      /* companies with a call agent: the nodes 0 to agents - 1 */
    uint32_t companies;   /* with PBX and call agent, of the scenario "calls"; 0: of another one, or as it has it */
    uint32_t calls;       /* the same, of all companies together */
    enum sim_signatures signatures;
    bool json;
    bool progress;
    bool verbose;
    const char *pcap; /* files; NULL: none */
    const char *plot;
};

/* What of the world nobody orders: drawn from the seed, printed first, and changed by scenarios before the world is made. */
struct sim_nature {
    double path_factor;    /* cables are longer than great circles */
    int64_t access_us_min; /* one way, from a server to its city's exchange */
    int64_t access_us_max;
    double jitter;           /* mean, as a fraction of the latency; exponential */
    double loss;             /* of a segment, which TCP then sends again */
    double ipv6;             /* share of the nodes with IPv6 besides IPv4 */
    int64_t clock_offset_ms; /* clocks are off by up to so much, either way */
    double clock_drift_ppm;  /* and run fast or slow by up to so much */
    int64_t disk_us_min;     /* from a commit to its completion: each node has a mean between these */
    int64_t disk_us_max;
    int64_t handshake_us;       /* CPU time of each side of a TLS handshake */
    uint32_t number_lifetime_s; /* of the ring; 0: a week, so that no run sees numbers refreshed or expire */
};

/* The defaults, without a seed (0: main takes one from the clock). */
void sim_options_default(struct sim_options *options);

/* 0; 1: there is nothing more to do (--help, --version were answered); 2: usage, told on stderr. */
int sim_options_parse(struct sim_options *options, int argc, char **argv);

/* Fills in what depends on other options. */
void sim_options_settle(struct sim_options *options);

void sim_nature_draw(struct sim_nature *nature, uint64_t seed);

/* What is about to happen, so that the run can be repeated: one line per subject. */
void sim_options_print(FILE *out, const struct sim_options *options, const struct sim_nature *nature);

/* The command that repeats the run, without newline. */
void sim_options_print_command(FILE *out, const struct sim_options *options);

#endif
