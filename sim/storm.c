/* Before the storm, the storm, and after it. */
#include "storm.h"

#include "alloc.h"
#include "fault.h"

#include <inttypes.h>
#include <stdio.h>

#define GROW_US (20 * SIM_MINUTE)
#define REST_US (30 * SIM_SECOND)
#define LEARN_US (5 * SIM_MINUTE) /* after the last call, for validations that were postponed */
#define QUIET_US SIM_MINUTE       /* for requests to end */
#define ASKERS 3u                 /* of each number, at the end */

/* What goes on in the storm besides. */
struct work {
    struct sim_world *world;
    struct sim_truth *truth;
    struct seeded_entropy seed;
    struct entropy entropy;
    int64_t until_us;
    int64_t every_us; /* a look-up, on the average; 0: none */
    bool open;        /* one of them is scheduled */
};

static struct sim_node *any_member(struct work *work)
{
    uint32_t n;
    struct sim_node *const *ring = sim_world_ring(work->world, &n);
    return n ? ring[entropy_below(&work->entropy, n)] : NULL;
}

static void look_up(void *ctx, struct sim_world *world)
{
    struct work *work = ctx;
    struct sim_node *node = any_member(work);
    size_t n = sim_truth_publications(work->truth);
    uint64_t token;
    if (world->now_us >= work->until_us)
        return;
    if (node && n)
        sim_node_look_up(node, &sim_truth_publication(work->truth, entropy_below(&work->entropy, n))->number, &token);
    sim_world_at(world, world->now_us + entropy_between(&work->entropy, 0, 2 * work->every_us), look_up, work);
}

/* ---- the plan ---- */

void sim_storm_plan(const struct sim_recipe *recipe, const struct sim_options *options, struct sim_plan *ret_plan)
{
    struct seeded_entropy seed;
    sim_entropy_init(&seed, options->seed, "plan", 0);
    struct entropy entropy = seeded_entropy_port(&seed);
    uint32_t joining = options->nodes * recipe->joining / 100, nodes = options->nodes - joining;
    struct sim_mix mix = recipe->mix;
    if (options->hours > 0)
        mix.storm_us = (int64_t)(options->hours * (double)SIM_HOUR);
    sim_plan_init(ret_plan, nodes, joining, options->agents < nodes ? options->agents : nodes, options->numbers);
    sim_plan_draw(ret_plan, &mix, &entropy);
    if (recipe->add)
        recipe->add(ret_plan, &entropy);
}

/* ---- with --verbose ---- */

static void print_log(void *ctx, struct sim_node *node, enum log_level level, const char *event, const char *text)
{
    (void)ctx;
    fprintf(stderr, "%10.3f s  %" PRIu32 " %s %s %s\n", (double)node->world->now_us / (double)SIM_SECOND, node->index,
            log_level_name(level), event, text);
}

static void print_event(void *ctx, struct sim_node *node, enum sim_node_event event)
{
    static const char *const names[] = {"started", "joined", "left", "banned", "configured", "ended"};
    (void)ctx;
    fprintf(stderr, "%10.3f s  %" PRIu32 " %s\n", (double)node->world->now_us / (double)SIM_SECOND, node->index,
            names[event]);
}

static const struct sim_observer printer = {.log = print_log, .node = print_event};

/* ---- what must come back ---- */

struct waiting {
    struct sim_check *check;
    size_t (*wrong)(struct sim_check *check, char *text, size_t octets);
    char text[160];
};

static bool is_right(void *ctx, struct sim_world *world)
{
    struct waiting *waiting = ctx;
    (void)world;
    return waiting->wrong(waiting->check, waiting->text, sizeof waiting->text) == 0;
}

static bool wait_for(struct sim_check *check, const char *rule, size_t (*wrong)(struct sim_check *, char *, size_t),
                     struct sim_world *world, int64_t for_us)
{
    struct waiting waiting = {.check = check, .wrong = wrong};
    if (sim_world_run_until(world, is_right, &waiting, SIM_SECOND, for_us))
        return true;
    sim_world_violation(world, rule, "not %" PRId64 " s after the storm, %zu wrong: %s", for_us / SIM_SECOND,
                        wrong(check, waiting.text, sizeof waiting.text), waiting.text);
    return false;
}

static void come_back(struct sim_world *world, struct sim_check *check)
{
    int64_t from_us = world->now_us;
    if (wait_for(check, "one ring", sim_check_ring, world, SIM_RING_US))
        world->result.converge_s = (double)(world->now_us - from_us) / (double)SIM_SECOND;
    wait_for(check, "copies come back", sim_check_copies, world, SIM_COPIES_US);
}

/* ---- the life ---- */

static bool grow(struct sim_world *world, const struct sim_plan *plan)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct server_options *o = &sim_world_node(world, i)->options;
        o->delay_min_ms = 1000;
        o->delay_max_ms = 20000;
        o->minimum_interval_ms = 30000;
        o->retry_ms = 30000;
    }
    if (!sim_world_grow(world, 0, plan->nodes, GROW_US)) {
        sim_world_violation(world, "one ring", "not all nodes have joined within %" PRId64 " s", GROW_US / SIM_SECOND);
        return false;
    }
    if (!sim_world_publish(world, GROW_US)) {
        sim_world_violation(world, "copies come back", "not everything is published within %" PRId64 " s",
                            GROW_US / SIM_SECOND);
        return false;
    }
    return true;
}

static void rage(struct sim_world *world, struct sim_check *check, struct sim_storm *storm, struct work *work,
                 int64_t storm_us)
{
    sim_check_storm(check, true);
    sim_storm_begin(storm);
    work->until_us = world->now_us + storm_us;
    if (world->options->lookups) {
        work->every_us = storm_us / world->options->lookups;
        sim_world_at(world, world->now_us, look_up, work);
    }
    sim_world_run(world, storm_us);
    sim_storm_heal(storm);
    sim_check_storm(check, false);
}

static void live(struct sim_world *world, const struct sim_recipe *recipe, const struct sim_plan *plan,
                 struct sim_check *check, struct sim_storm *storm, struct work *work)
{
    struct sim_level before, after;
    if (!grow(world, plan))
        return;
    sim_world_run(world, REST_US);
    come_back(world, check); /* a healthy ring is one, too */
    sim_check_level(check, &before);
    rage(world, check, storm, work, plan->storm_us);
    come_back(world, check);
    if (recipe->learns)
        sim_world_run(world, LEARN_US);
    sim_world_run(world, QUIET_US);
    if (world->nature.number_lifetime_s) { /* everything is refreshed once, or ends */
        sim_world_run(world, (int64_t)world->nature.number_lifetime_s * SIM_SECOND + SIM_GONE_US);
        sim_check_lifetimes(check);
    }
    sim_check_find_all(check, ASKERS);
    sim_world_run(world, QUIET_US);
    if (recipe->learns)
        sim_check_learned(check);
    sim_check_scan(check);
    sim_check_kept(check);
    sim_check_banned(check);
    sim_check_ended(check);
    sim_check_level(check, &after);
    sim_check_leaks(check, &before, &after);
}

static void let_go(const struct sim_options *options, struct sim_plan *plan)
{
    struct seeded_entropy seed;
    sim_entropy_init(&seed, options->seed, "forgotten", 0);
    struct entropy entropy = seeded_entropy_port(&seed);
    sim_plan_draw_forgotten(plan, &entropy);
}

void sim_storm_run(struct sim_world *world, const struct sim_recipe *recipe)
{
    struct sim_plan plan;
    struct sim_truth *truth;
    sim_storm_plan(recipe, world->options, &plan);
    if (world->nature.number_lifetime_s)
        let_go(world->options, &plan);
    if (world->options->verbose) {
        sim_plan_print(stderr, &plan);
        sim_world_observe(world, &printer);
        world->log_level = LEVEL_INFO;
    }
    if (sim_truth_new(&truth) != 0)
        sim_die("no memory for a storm");
    struct sim_check *check = sim_check_new(world, truth);
    struct sim_storm *storm = sim_storm_new(world, &plan, truth, check);
    struct work work = {.world = world, .truth = truth};
    sim_entropy_init(&work.seed, world->options->seed, "work", 0);
    work.entropy = seeded_entropy_port(&work.seed);
    live(world, recipe, &plan, check, storm, &work);
    sim_storm_free(storm);
    sim_check_free(check);
    sim_truth_free(truth);
    sim_plan_fini(&plan);
}
