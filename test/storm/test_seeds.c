/* Storms by their seeds: each grows a ring, breaks what its plan says, heals it, and has no violation. A failing one prints the command that
 * repeats it.
 *
 *     test_seeds FIRST COUNT [SCENARIO]      one seed after the other
 *     test_seeds kept                        seeds that once found something
 *     test_seeds same                        the same seed gives the same trace hash, another one another */
#include "scenario.h"
#include "testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const char *scenario;
    uint64_t seed;
    const char *why; /* it is kept; NULL: it is one of many */
};

/* What they found, in one line each. */
static const struct run kept[] = {
    {"storm", 7, "the node that speaks for the configuration's signer was itself the one to be banned"},
    {"storm", 8, "an answer to a node that nobody reaches went to and fro between two peers until its TTL ended"},
    {"storm", 23, "the same, between others"},
    {"storm", 51, "a replica whose messages had not verified was left without its copies"},
    {"storm", 126, "a flood of real signatures"},
    {"storm", 154,
     "an answer to a node that was gone went around the ring, past a place whose owner two saw differently"},
    {"storm", 428, "who routed to a peer that had lost the ring kept all others from beginning it"},
    {"storm", 505, "answers sent back to the owner came to one that was still joining, and went in small circles"},
    {"storm", 541, "a machine was gone without a word: who is no neighbor may keep its link for five minutes"},
    {"storm", 570, "the same as 505, between others"},
    {"proofs", 1, "the first words in a proof's channel came before the news that it stood"},
    {"waves", 4, "a joining node is handed its values before it is a member: its share counts then"},
};

static struct sim_options options_of(const struct run *run, struct sim_nature *ret_nature)
{
    struct sim_options options;
    const struct sim_scenario *scenario = sim_scenario_find(run->scenario);
    assert_non_null(scenario);
    sim_options_default(&options);
    options.seed = run->seed;
    options.scenario = run->scenario;
    sim_nature_draw(ret_nature, run->seed);
    if (scenario->prepare)
        scenario->prepare(&options, ret_nature);
    sim_options_settle(&options);
    return options;
}

static void print_violations(const struct sim_options *options, const struct sim_result *result)
{
    printf("# ");
    sim_options_print_command(stdout, options);
    putchar('\n');
    for (size_t i = 0; i < result->violation_count && i < SIM_VIOLATIONS_MAX; i++)
        printf("#   %.3f s  %s: %s\n", (double)result->violations[i].at_ms / 1000, result->violations[i].rule,
               result->violations[i].text);
}

/* Returns the trace hash. */
static uint64_t run_one(const struct run *run, size_t *ret_violations)
{
    struct sim_nature nature;
    struct sim_options options = options_of(run, &nature);
    struct sim_world *world = sim_world_new(&options, &nature);
    sim_scenario_find(run->scenario)->run(world);
    const struct sim_result *result = sim_world_result(world);
    if (result->violation_count)
        print_violations(&options, result);
    uint64_t hash = result->trace_hash;
    *ret_violations = result->violation_count;
    sim_world_free(world);
    return hash;
}

static void test_run(void **state)
{
    size_t violations;
    run_one(*state, &violations);
    assert_int_equal(violations, 0);
}

static void test_same(void **state)
{
    size_t violations;
    (void)state;
    struct run run = {"storm", 7, NULL}, other = {"storm", 8, NULL}, real = {"storm", 3, NULL};
    uint64_t first = run_one(&run, &violations), second = run_one(&run, &violations);
    assert_true(first == second);
    assert_true(first != run_one(&other, &violations));
    assert_true(run_one(&real, &violations) == run_one(&real, &violations));
}

static int run_all(const struct run *runs, size_t count)
{
    struct CMUnitTest *tests = calloc(count + 1, sizeof *tests);
    char(*names)[64] = calloc(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "%s %" PRIu64, runs[i].scenario, runs[i].seed);
        tests[i] = (struct CMUnitTest){.name = names[i], .test_func = test_run, .initial_state = (void *)&runs[i]};
    }
    int failed = _cmocka_run_group_tests("seeds", tests, count, NULL, NULL);
    free(tests);
    free(names);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "same") == 0) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_same)};
        return cmocka_run_group_tests(tests, NULL, NULL);
    }
    if (argc == 2 && strcmp(argv[1], "kept") == 0)
        return run_all(kept, sizeof kept / sizeof kept[0]);
    if (argc < 3)
        return 2;
    uint64_t first = strtoull(argv[1], NULL, 10);
    size_t count = strtoul(argv[2], NULL, 10);
    struct run *runs = calloc(count + 1, sizeof *runs);
    for (size_t i = 0; i < count; i++)
        runs[i] = (struct run){argc > 3 ? argv[3] : "storm", first + i, NULL};
    int failed = run_all(runs, count);
    free(runs);
    return failed;
}
