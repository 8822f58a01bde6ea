/* What the checkers' files share. */
#ifndef SIM_CHECK_INTERNAL_H
#define SIM_CHECK_INTERNAL_H

#include "base/map.h"
#include "check.h"

struct sim_check {
    struct sim_world *world;
    struct sim_truth *truth;
    struct sim_observer observer;
    bool storm;
    int64_t calm_us;   /* since when it is not; bounds of a healthy ring hold a while later */
    int64_t parted_us; /* the network was parted the last time */
    int64_t next_scan_us;
    int64_t *lost_us;    /* per node: when it was first seen to be lost; 0: it is not */
    double *share_owned; /* per node, the greatest share of the ring since the storm, or the calm, began */
    double *share_duty;
    struct map certificates; /* hash → struct sim_node */
    struct map verified;     /* hashes of rows that were looked at → themselves */
    struct map places;       /* Resource-ID → struct place */
    struct map requests;     /* kind, node, token → struct request */
    struct map begun;        /* node, number → struct request: publications that were ever asked for */
    struct map calls;        /* of company a with number → struct dialed */
    uint64_t requests_open;
    struct asked *asked; /* look-ups of sim_check_find_all */
    size_t asked_count;
    size_t asked_open;
    struct asked *asking; /* one of them, while it begins */
};

/* A Resource-ID that a number has. */
struct place {
    struct e164 number;
    uint32_t company;
    unsigned copy;
};

struct request {
    uint32_t open;
    uint32_t ended;
};

/* One look-up of sim_check_find_all. */
struct asked {
    uint32_t node;
    uint64_t token;
    struct e164 number;
    struct id owner;
    bool ended;
};

/* Whether the node is to be held to the rules: it is not and never was a liar. */
bool sim_check_honest(const struct sim_check *check, const struct sim_node *node);

/* Whether its disk is gone for good. */
bool sim_check_is_lost(const struct sim_check *check, const struct sim_node *node);

/* The node whose certificate has this hash; NULL: nobody's. */
struct sim_node *sim_check_signer(struct sim_check *check, const uint8_t hash[32]);

/* Which number lies at this Resource-ID; NULL: none of this world. */
const struct place *sim_check_place(struct sim_check *check, struct id resource);

/* Whether octets hold a telephone number or a domain of this world in clear. */
bool sim_check_shows_number(struct slice octets);

/* check_rows.c */

/* One value as a node keeps it (reload/storage_row.c writes it so; read here without that module). */
struct sim_row {
    struct id resource;
    uint32_t kind;
    uint32_t index;
    struct slice key;
    uint64_t storage_time_ms;
    int64_t expires_ms;
    bool exists;
    bool replica;
    uint8_t algorithm;
    const uint8_t *certificate; /* 32 octets: hash */
    struct slice signature;
    struct slice value;
};

/* False: it is not such a row. */
bool sim_row_parse(struct slice key, struct slice row, struct sim_row *ret_row);

/* All values at a node, in the order of the ring. */
typedef void sim_row_fn(void *ctx, struct sim_node *node, const struct sim_row *row);
void sim_check_each_row(struct sim_node *node, sim_row_fn *fn, void *ctx);

/* The most values that a peer with this share of the ring may hold of one node (the rule: numbers/quota.h, reckoned anew). */
uint32_t sim_quota_bound(uint32_t quota_numbers, double share);

#endif
