/* The scenarios by name. Each storm is a recipe: what may go wrong, how often, for how long. */
#include "scenario.h"

#include "byzantine.h"
#include "calls/scenario_calls.h"
#include "storm.h"

#include <string.h>

#define NODES_MIN 8
#define NODES_MAX 16
#define NUMBERS_MIN 1
#define NUMBERS_MAX 3
#define REAL_OF 10 /* one in so many small storms signs with ECDSA */
#define THIRD 3
#define SHORT_LIVES_OF 3 /* in one in so many storms numbers live so short that they are refreshed, or expire */
#define LIFETIME_S_MIN 300
#define LIFETIME_S_MAX 900
#define CALLS_OF_A_PAIR 5
#define CALL_EVERY_US (70 * SIM_SECOND)

/* ---- what a mix cannot say ---- */

/* A third of the nodes lose their power at once; every second one of them for good. */
static void add_third(struct sim_plan *plan, const struct entropy *entropy)
{
    uint32_t count = plan->nodes / THIRD, first = 1 + (uint32_t)entropy_below(entropy, THIRD);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = 1 + (first + i * THIRD) % (plan->nodes - 1);
        struct sim_fault fault = {
            .at_us = 30 * SIM_SECOND,
            .for_us = i % 2 ? entropy_between(entropy, 60, 180) * SIM_SECOND : 0,
            .kind = SIM_FAULT_POWER,
            .nodes = &node,
            .node_count = 1,
        };
        sim_plan_add(plan, &fault);
    }
}

/* Some pairs of companies phone each other again and again: often enough for a route. */
static void add_calls(struct sim_plan *plan, const struct entropy *entropy)
{
    for (uint32_t from = 0; from < plan->companies && plan->companies > 1 && plan->numbers; from++) {
        uint32_t to = (from + 1 + (uint32_t)entropy_below(entropy, plan->companies - 1)) % plan->companies;
        uint32_t pair[2] = {from, to};
        uint64_t number = entropy_below(entropy, plan->numbers);
        for (unsigned i = 0; i < CALLS_OF_A_PAIR; i++) {
            struct sim_fault fault = {
                .at_us = i * CALL_EVERY_US + entropy_between(entropy, 0, 20) * SIM_SECOND,
                .kind = SIM_FAULT_CALL,
                .nodes = pair,
                .node_count = 2,
                .amount = number,
            };
            sim_plan_add(plan, &fault);
        }
    }
}

/* ---- the recipes ---- */

#define CHURN_WEIGHTS [SIM_FAULT_CRASH] = 10, [SIM_FAULT_POWER] = 6, [SIM_FAULT_RESTART] = 4, [SIM_FAULT_CUT] = 3

static const struct sim_recipe recipes[] = {
    {
        .name = "waves",
        .joining = 50,
        .mix = {.storm_us = 8 * SIM_MINUTE,
                .faults_per_minute = 2,
                .weights = {[SIM_FAULT_JOIN] = 3, [SIM_FAULT_LEAVE] = 3},
                .share_max = 0.4,
                .lost_max = 0.4},
    },
    {
        .name = "churn",
        .joining = 20,
        .short_lives = true,
        .mix = {.storm_us = 10 * SIM_MINUTE,
                .faults_per_minute = 3,
                .weights = {CHURN_WEIGHTS, [SIM_FAULT_JOIN] = 3, [SIM_FAULT_LEAVE] = 3, [SIM_FAULT_HANG] = 3},
                .share_max = 0.2,
                .lost_max = 0.25},
    },
    {
        .name = "third",
        .mix = {.storm_us = 5 * SIM_MINUTE, .weights = {[SIM_FAULT_CRASH] = 1}},
        .add = add_third,
    },
    {
        .name = "partition",
        .short_lives = true,
        .mix =
            {.storm_us = 10 * SIM_MINUTE,
             .faults_per_minute = 0.7,
             .weights = {[SIM_FAULT_PARTITION] = 5, [SIM_FAULT_ONE_WAY] = 3, [SIM_FAULT_CUT] = 2, [SIM_FAULT_SLOW] = 2},
             .nodes_min = 1,
             .share_max = 0.5},
    },
    {
        .name = "disk",
        .short_lives = true,
        .mix = {.storm_us = 8 * SIM_MINUTE,
                .faults_per_minute = 3,
                .weights = {[SIM_FAULT_DISK_FULL] = 3,
                            [SIM_FAULT_DISK_BROKEN] = 3,
                            [SIM_FAULT_DISK_HANGS] = 3,
                            [SIM_FAULT_DISK_FAILS] = 3,
                            [SIM_FAULT_POWER] = 4,
                            [SIM_FAULT_CRASH] = 2},
                .share_max = 0.2,
                .lost_max = 0.1,
                .calls_per_minute = 4},
    },
    {
        .name = "byzantine",
        .mix = {.storm_us = 10 * SIM_MINUTE,
                .faults_per_minute = 1.5,
                .weights = {[SIM_FAULT_BYZANTINE] = 8, [SIM_FAULT_CRASH] = 1},
                .share_max = 0.1,
                .byzantine_max = 0.34,
                .behaviors = SIM_BEHAVIORS_ALL,
                .calls_per_minute = 2,
                .claims_per_minute = 1},
    },
    {
        .name = "clocks",
        .mix = {.storm_us = 8 * SIM_MINUTE,
                .faults_per_minute = 3,
                .weights = {[SIM_FAULT_CLOCK] = 5, [SIM_FAULT_CRASH] = 1, [SIM_FAULT_HANG] = 1},
                .share_max = 0.3,
                .calls_per_minute = 4},
    },
    {
        .name = "proofs",
        .mix = {.storm_us = 7 * SIM_MINUTE, .weights = {[SIM_FAULT_CALL] = 1}, .claims_per_minute = 1},
        .add = add_calls,
        .learns = true,
    },
    {
        .name = "ban",
        .mix = {.storm_us = 8 * SIM_MINUTE,
                .faults_per_minute = 1,
                .weights = {[SIM_FAULT_BAN] = 4, [SIM_FAULT_CONFIGURE] = 2, [SIM_FAULT_CRASH] = 2},
                .lost_max = 0.2,
                .calls_per_minute = 1},
    },
    {
        .name = "storm",
        .joining = 20,
        .short_lives = true,
        .mix = {.storm_us = 8 * SIM_MINUTE,
                .faults_per_minute = 3,
                .weights =
                    {CHURN_WEIGHTS, [SIM_FAULT_JOIN] = 4, [SIM_FAULT_LEAVE] = 3, [SIM_FAULT_PARTITION] = 2,
                     [SIM_FAULT_ONE_WAY] = 1, [SIM_FAULT_SLOW] = 2, [SIM_FAULT_HANG] = 3, [SIM_FAULT_DISK_FULL] = 2,
                     [SIM_FAULT_DISK_BROKEN] = 1, [SIM_FAULT_DISK_HANGS] = 2, [SIM_FAULT_DISK_FAILS] = 2,
                     [SIM_FAULT_CLOCK] = 2, [SIM_FAULT_BYZANTINE] = 2, [SIM_FAULT_BAN] = 1, [SIM_FAULT_CONFIGURE] = 1},
                .share_max = 0.2,
                .lost_max = 0.2,
                .byzantine_max = 0.2,
                .behaviors = SIM_BEHAVIORS_ALL,
                .calls_per_minute = 1,
                .claims_per_minute = 0.2},
    },
};

const struct sim_recipe *sim_recipe_find(const char *name)
{
    for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++)
        if (strcmp(recipes[i].name, name) == 0)
            return &recipes[i];
    return NULL;
}

static void run(struct sim_world *world)
{
    sim_storm_run(world, sim_recipe_find(world->options->scenario));
}

/* ---- what is drawn before there is a world ---- */

static void prepare(struct sim_options *options, struct sim_nature *nature)
{
    struct seeded_entropy seed;
    const struct sim_recipe *recipe = sim_recipe_find(options->scenario);
    if (recipe->short_lives) {
        sim_entropy_init(&seed, options->seed, "lifetime", 0);
        struct entropy lifetime = seeded_entropy_port(&seed);
        if (entropy_below(&lifetime, SHORT_LIVES_OF) == 0)
            nature->number_lifetime_s = (uint32_t)entropy_between(&lifetime, LIFETIME_S_MIN, LIFETIME_S_MAX);
    }
    sim_entropy_init(&seed, options->seed, "scenario", 0);
    struct entropy entropy = seeded_entropy_port(&seed);
    uint32_t nodes = (uint32_t)entropy_between(&entropy, NODES_MIN, NODES_MAX);
    uint32_t numbers = (uint32_t)entropy_between(&entropy, NUMBERS_MIN, NUMBERS_MAX);
    bool real = entropy_below(&entropy, REAL_OF) == 0;
    if (!options->nodes)
        options->nodes = nodes;
    if (!options->numbers)
        options->numbers = numbers;
    uint32_t first = options->nodes - options->nodes * recipe->joining / 100;
    if (!options->agents || options->agents > first)
        options->agents = first;
    if (options->signatures == SIM_SIGNATURES_BY_SIZE)
        options->signatures = real && options->nodes <= NODES_MAX ? SIM_SIGNATURES_REAL : SIM_SIGNATURES_STAND_IN;
}

/* Proofs need clocks that are less than half a lattice apart. */
static void prepare_proofs(struct sim_options *options, struct sim_nature *nature)
{
    prepare(options, nature);
    nature->clock_offset_ms = 400;
}

const struct sim_scenario sim_scenarios[] = {
    {"calm", "grows, publishes, looks up; nothing goes wrong", NULL, sim_calm_run},
    {"waves", "nodes join and leave in waves, with hand-over", prepare, run},
    {"churn", "crashes with and without restart, joins, leaves", prepare, run},
    {"third", "a third of the ring is gone at once", prepare, run},
    {"partition", "parts of the network do not reach each other, then do again", prepare, run},
    {"disk", "full, slow and failing disks, lost writes", prepare, run},
    {"byzantine", "peers that lie", prepare, run},
    {"clocks", "clocks that are off and drift", prepare, run},
    {"proofs", "companies call each other; others claim their numbers", prepare_proofs, run},
    {"ban", "nodes are banned by new configurations, and let in again", prepare, run},
    {"calls", "a day of phone calls through PBXs, call agents and the phone network", sim_calls_prepare, sim_calls_run},
    {"fallback", "such a day with edges and sound; calls move to the phone network and back", sim_fallback_prepare,
     sim_calls_run},
    {"storm", "all of it, as the seed has it", prepare, run},
    {0},
};

const struct sim_scenario *sim_scenario_find(const char *name)
{
    for (const struct sim_scenario *s = sim_scenarios; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}
