/* The quota of stored numbers against a ring that changes, as timed traces: it limits who stores too much, and never stands in the way of
 * a server that joins, comes back or takes over from another. */
#include "testing.h"
#include "trace/scene.h"

#include <stdio.h>

#define NUMBERS 40
#define COPIES (NUMBERS * 3)

static void publish(struct company *c, unsigned first, unsigned count)
{
    char number[24];
    for (unsigned i = first; i < first + count; i++) {
        snprintf(number, sizeof number, "+4922110%02u", i);
        agent_publishes(c, number);
    }
}

static uint64_t refused_by_all(struct scene *scene)
{
    uint64_t n = 0;
    for (unsigned i = 1; i <= scene->company_count; i++)
        if (scene->companies[i].server)
            n += company_counter(&scene->companies[i], "storage.refused_quota");
    return n;
}

static bool all_in(struct scene *scene)
{
    for (unsigned i = 1; i <= scene->company_count; i++)
        if (!scene->companies[i].server || peer_state(server_peer(scene->companies[i].server)) != PEER_JOINED)
            return false;
    return true;
}

/* What is handed over to a node before it is a member is measured by the share that it is about to have. */
static void test_a_server_joins_where_much_is_stored(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct scene *scene = scene_new(4, seed);
        for (char letter = 'A'; letter <= 'C'; letter++) {
            company_start(scene_company(scene, letter));
            agent_start(scene_company(scene, letter));
        }
        scene_run(scene, 60000);
        publish(scene_company(scene, 'B'), 0, NUMBERS);
        company_start(scene_company(scene, 'D'));
        assert_true(scene_run_until(scene, all_in, 15000));
        scene_run(scene, SCENE_MINUTE);
        assert_int_equal(refused_by_all(scene), 0);
        scene_free(scene);
    }
}

/* New numbers of one publisher were stored while it was away. */
static void test_a_server_comes_back_where_much_was_stored(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct scene *scene = scene_of(6, seed);
        scene_run(scene, 60000);
        publish(scene_company(scene, 'B'), 0, NUMBERS / 2);
        company_crash(scene_company(scene, 'D'));
        scene_run(scene, 20000);
        publish(scene_company(scene, 'B'), NUMBERS / 2, NUMBERS / 2);
        company_start(scene_company(scene, 'D'));
        assert_true(scene_run_until(scene, all_in, 15000));
        scene_run(scene, SCENE_MINUTE);
        assert_int_equal(refused_by_all(scene), 0);
        scene_free(scene);
    }
}

static void lower_quota(struct scene *scene, struct config *config)
{
    (void)scene;
    config->quota = 1;
}

/* The quota was lowered after much had been stored: what a newcomer does not take stays where it was, and it is let in all the same. */
static void test_a_server_joins_where_too_much_is_stored(void **state)
{
    (void)state;
    struct scene *scene = scene_new(4, 1);
    for (char letter = 'A'; letter <= 'C'; letter++) {
        company_start(scene_company(scene, letter));
        agent_start(scene_company(scene, letter));
    }
    scene_run(scene, 60000);
    publish(scene_company(scene, 'B'), 0, NUMBERS);
    scene_configure(scene, lower_quota);
    company_start(scene_company(scene, 'D'));
    assert_true(scene_run_until(scene, all_in, 15000));
    scene_run(scene, SCENE_MINUTE);
    assert_true(refused_by_all(scene) > 0);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_joins_where_much_is_stored),
        cmocka_unit_test(test_a_server_comes_back_where_much_was_stored),
        cmocka_unit_test(test_a_server_joins_where_too_much_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
