/* Plans: drawn within their limits, the same each time. */
#include "plan.h"

#include "byzantine.h"
#include "scenario.h"
#include "storm.h"
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#define NODES 12u
#define JOINING 3u

static struct sim_mix everything(void)
{
    struct sim_mix mix = {
        .storm_us = 10 * SIM_MINUTE,
        .faults_per_minute = 6,
        .calls_per_minute = 2,
        .claims_per_minute = 1,
        .share_max = 0.25,
        .lost_max = 0.25,
        .byzantine_max = 0.2,
        .behaviors = SIM_BEHAVIORS_ALL,
    };
    for (unsigned kind = 0; kind < SIM_FAULT_CALL; kind++)
        mix.weights[kind] = 3;
    mix.weights[SIM_FAULT_CONFIGURE] = 1;
    return mix;
}

static void draw(struct sim_plan *plan, uint64_t seed)
{
    struct sim_mix mix = everything();
    struct seeded_entropy stream = {seed};
    struct entropy entropy = seeded_entropy_port(&stream);
    sim_plan_init(plan, NODES, JOINING, NODES, 2);
    sim_plan_draw(plan, &mix, &entropy);
    sim_plan_draw_forgotten(plan, &entropy);
}

static char *text_of(const struct sim_plan *plan)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    sim_plan_print(out, plan);
    fclose(out);
    return text;
}

static void test_same_seed_same_plan(void **state)
{
    struct sim_plan a, b, c;
    (void)state;
    draw(&a, 5);
    draw(&b, 5);
    draw(&c, 6);
    char *first = text_of(&a), *second = text_of(&b), *other = text_of(&c);
    assert_string_equal(first, second);
    assert_string_not_equal(first, other);
    free(first);
    free(second);
    free(other);
    sim_plan_fini(&a);
    sim_plan_fini(&b);
    sim_plan_fini(&c);
}

static bool ends_lives(const struct sim_fault *fault)
{
    return fault->for_us == 0 && (fault->kind == SIM_FAULT_CRASH || fault->kind == SIM_FAULT_POWER ||
                                  fault->kind == SIM_FAULT_LEAVE || fault->kind == SIM_FAULT_BAN);
}

static void check_limits(const struct sim_plan *plan)
{
    unsigned lost = 0, liars = 0, joined = 0;
    int64_t last_us = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct sim_fault *fault = &plan->faults[i];
        assert_in_range(fault->at_us, last_us, plan->storm_us);
        last_us = fault->at_us;
        for (uint32_t k = 0; k < fault->node_count; k++) {
            assert_true(fault->nodes[k] < NODES + JOINING);
            for (uint32_t other = 0; other < k; other++)
                assert_int_not_equal(fault->nodes[k], fault->nodes[other]);
            if (ends_lives(fault) || fault->kind == SIM_FAULT_BYZANTINE || fault->kind == SIM_FAULT_BAN)
                assert_int_not_equal(fault->nodes[k], 0);
        }
        lost += ends_lives(fault) ? fault->node_count : 0;
        liars += fault->kind == SIM_FAULT_BYZANTINE ? fault->node_count : 0;
        joined += fault->kind == SIM_FAULT_JOIN ? fault->node_count : 0;
        if (fault->kind == SIM_FAULT_BYZANTINE)
            assert_true(fault->amount < SIM_BEHAVIOR_COUNT);
    }
    assert_true(lost <= NODES / 4);
    assert_true(liars <= NODES / 5);
    assert_true(joined <= JOINING);
}

static bool hits_nodes(enum sim_fault_kind kind)
{
    return kind != SIM_FAULT_CALL && kind != SIM_FAULT_CLAIM && kind != SIM_FAULT_FORGET &&
           kind != SIM_FAULT_PARTITION && kind != SIM_FAULT_ONE_WAY;
}

/* What is down or gone is not hit again before it is well. */
static void check_overlaps(const struct sim_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct sim_fault *first = &plan->faults[i];
        bool hurts = first->kind <= SIM_FAULT_LEAVE || first->kind == SIM_FAULT_BYZANTINE;
        for (size_t k = i + 1; hurts && k < plan->count; k++) {
            const struct sim_fault *second = &plan->faults[k];
            bool over = !ends_lives(first) && second->at_us >= first->at_us + first->for_us;
            if (over || !hits_nodes(second->kind))
                continue;
            for (uint32_t a = 0; a < first->node_count; a++)
                for (uint32_t b = 0; b < second->node_count; b++)
                    assert_int_not_equal(first->nodes[a], second->nodes[b]);
        }
    }
}

static void test_limits_hold(void **state)
{
    (void)state;
    bool kinds[SIM_FAULT_KINDS] = {false};
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct sim_plan plan;
        draw(&plan, seed);
        check_limits(&plan);
        check_overlaps(&plan);
        for (size_t i = 0; i < plan.count; i++)
            kinds[plan.faults[i].kind] = true;
        sim_plan_fini(&plan);
    }
    for (unsigned kind = 0; kind < SIM_FAULT_KINDS; kind++)
        assert_true(kinds[kind]); /* each of them happens */
}

/* Each scenario is known by its name and has a plan in which something happens. */
static void test_companies_let_numbers_go(void **state)
{
    struct sim_plan plan;
    struct seeded_entropy stream = {3};
    struct entropy entropy = seeded_entropy_port(&stream);
    (void)state;
    sim_plan_init(&plan, 400, 0, 400, 2);
    plan.storm_us = 1000;
    sim_plan_draw_forgotten(&plan, &entropy);
    assert_true(plan.count > 60 && plan.count < 140);
    for (size_t i = 0; i < plan.count; i++) {
        const struct sim_fault *fault = &plan.faults[i];
        assert_int_equal(fault->kind, SIM_FAULT_FORGET);
        assert_true(fault->at_us >= 0 && fault->at_us <= 1000 && fault->node_count == 1);
        assert_true(fault->nodes[0] < 400 && fault->amount < 2 && fault->for_us == 0);
    }
    sim_plan_fini(&plan);
}

static void test_scenarios(void **state)
{
    (void)state;
    assert_null(sim_scenario_find("picnic"));
    for (const struct sim_scenario *s = sim_scenarios; s->name; s++) {
        struct sim_options options;
        struct sim_nature nature;
        struct sim_plan plan;
        assert_ptr_equal(sim_scenario_find(s->name), s);
        if (!sim_recipe_find(s->name))
            continue;
        sim_options_default(&options);
        options.scenario = s->name;
        options.seed = 11;
        options.nodes = 12;
        sim_nature_draw(&nature, options.seed);
        s->prepare(&options, &nature);
        sim_storm_plan(sim_recipe_find(s->name), &options, &plan);
        assert_true(plan.count > 0);
        assert_true(options.agents <= plan.nodes);
        sim_plan_fini(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_plan),
        cmocka_unit_test(test_limits_hold),
        cmocka_unit_test(test_companies_let_numbers_go),
        cmocka_unit_test(test_scenarios),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
