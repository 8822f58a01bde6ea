/* Days of phone calls in virtual time, short ones: everything that must hold of calls holds, and the same seed is the same day. A whole one is
 * `ime-sim --scenario calls`. */
#include "calls/result.h"
#include "scenario.h"
#include "testing.h"

#include <inttypes.h>
#include <stdio.h>

#define HOURS 1.5
#define CALLS 450
#define COMPANIES 4

struct outcome {
    uint64_t hash;
    size_t violations;
    uint64_t answered, direct, pstn, routes, records, troubles;
};

static struct outcome live(uint64_t seed)
{
    const struct sim_scenario *scenario = sim_scenario_find("calls");
    struct sim_options options;
    struct sim_nature nature;
    sim_options_default(&options);
    options.seed = seed;
    options.scenario = "calls";
    options.hours = HOURS;
    options.calls = CALLS;
    options.companies = COMPANIES;
    sim_nature_draw(&nature, seed);
    scenario->prepare(&options, &nature);
    sim_options_settle(&options);
    struct sim_world *world = sim_world_new(&options, &nature);
    scenario->run(world);
    const struct sim_result *r = sim_world_result(world);
    const struct sim_calls_result *c = r->calls;
    struct outcome o = {
        r->trace_hash, r->violation_count, c->ends[SIM_CALL_ANSWERED], c->direct, c->pstn, c->routes_learned,
        c->vcrs,       c->troubles};
    if (r->violation_count) {
        printf("# ");
        sim_options_print_command(stdout, &options);
        putchar('\n');
    }
    for (size_t i = 0; i < r->violation_count && i < SIM_VIOLATIONS_MAX; i++)
        printf("#   %.3f s  %s: %s\n", (double)r->violations[i].at_ms / 1000, r->violations[i].rule,
               r->violations[i].text);
    sim_world_free(world);
    return o;
}

/* Most calls are answered; numbers that are called again go direct; both sides send a record of each call over the phone network. */
static void check(const struct outcome *o)
{
    assert_int_equal(o->violations, 0);
    assert_true(o->answered > CALLS / 2);
    assert_true(o->direct > CALLS / 20 && o->pstn > CALLS / 20);
    assert_int_equal(o->direct + o->pstn, o->answered);
    assert_true(o->routes > 0 && o->routes <= COMPANIES * (COMPANIES - 1) * SIM_CALLS_NUMBERS_DEFAULT);
    assert_true(o->records >= o->pstn);
}

static void days(void **state)
{
    (void)state;
    const struct outcome one = live(1), again = live(1), other = live(3); /* with edges, and without */
    check(&one);
    check(&other);
    assert_true(again.hash == one.hash && other.hash != one.hash);
    assert_true(one.troubles + other.troubles > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(days)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
