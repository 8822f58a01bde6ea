/* Days in which calls move to the phone network and come back, in virtual time, agents and edges together: nothing that must hold is broken, calls do
 * move both ways, and nobody hears it. Most seeds once found something; more of them: `tools/run-sim build/bin/ime-sim --seeds 100 --scenario fallback`.
 *
 *     test_fallback COUNT */
#include "calls/result.h"
#include "scenario.h"
#include "testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define GAP_MAX_US 500000 /* 200 ms, and the difference of two delays */

static const struct kept {
    uint64_t seed;
    const char *why;
} kept[] = {
    {2, "who was called moved before its # was said whole"},
    {5, "a refused re-INVITE ended the leg before it was answered"},
    {6, "an answer that met the caller's goodbye has a record, too"},
    {10, "nothing was found"},
};

static struct {
    uint64_t to_pstn, to_ime, fallback_calls, by_caller, by_digits, spoiled;
    size_t gaps;
} sum;

static void print_violations(const struct sim_options *options, const struct sim_result *r)
{
    printf("# ");
    sim_options_print_command(stdout, options);
    putchar('\n');
    for (size_t i = 0; i < r->violation_count && i < SIM_VIOLATIONS_MAX; i++)
        printf("#   %.3f s  %s: %s\n", (double)r->violations[i].at_ms / 1000, r->violations[i].rule,
               r->violations[i].text);
}

static void add(struct sim_calls_result *c)
{
    sum.to_pstn += c->moves_to_pstn;
    sum.to_ime += c->moves_to_ime;
    sum.fallback_calls += c->fallback_calls;
    sum.by_caller += c->found_by_caller;
    sum.by_digits += c->found_by_digits;
    sum.spoiled += c->callers_spoiled;
    sum.gaps += c->gaps.n;
    if (c->gaps.n)
        assert_true(sim_samples_max(&c->gaps) < GAP_MAX_US);
}

static void day(void **state)
{
    const struct kept *k = *state;
    const struct sim_scenario *scenario = sim_scenario_find("fallback");
    struct sim_options options;
    struct sim_nature nature;
    sim_options_default(&options);
    options.seed = k->seed;
    options.scenario = "fallback";
    sim_nature_draw(&nature, k->seed);
    scenario->prepare(&options, &nature);
    sim_options_settle(&options);
    struct sim_world *world = sim_world_new(&options, &nature);
    scenario->run(world);
    const struct sim_result *r = sim_world_result(world);
    if (r->violation_count)
        print_violations(&options, r);
    assert_int_equal(r->violation_count, 0);
    assert_true(r->calls->packets_heard > 0);
    add(r->calls);
    sim_world_free(world);
}

/* Both ways, and measured; found by callers and by digits, where carriers show them and where they do not. */
static void they_moved(void **state)
{
    (void)state;
    assert_true(sum.fallback_calls > 0);
    assert_true(sum.to_pstn > 0 && sum.to_ime > 0);
    assert_true(sum.gaps > 0);
    assert_true(sum.by_caller > 0 && sum.by_digits > 0);
}

int main(int argc, char **argv)
{
    const size_t all = sizeof kept / sizeof kept[0];
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : all;
    struct CMUnitTest tests[sizeof kept / sizeof kept[0] + 1];
    count = count > all ? all : count;
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){
            .name = kept[i].why, .test_func = day, .initial_state = (void *)(uintptr_t)(const void *)&kept[i]};
    tests[count] = (struct CMUnitTest)cmocka_unit_test(they_moved);
    return _cmocka_run_group_tests("fallback", tests, count + 1, NULL, NULL);
}
