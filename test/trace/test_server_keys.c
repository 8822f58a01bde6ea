/* Keys of tickets at a border element: told at once and at each change, kept while the server is away, and never later than the first
 * ticket that needs them. */
#include "testing.h"
#include "trace/scene.h"

#include <stdio.h>

#define N1 "+492211001"
#define CALLER "+4930555"

/* Company B has a server and an edge; A's agent learns a route to B. */
static struct scene *scene_with_edge(unsigned companies)
{
    struct scene *scene = scene_new(companies, 31);
    scene_grant_edge(scene_company(scene, (char)('A' + companies - 1)));
    for (char letter = 'A'; letter < (char)('A' + companies); letter++)
        company_start(scene_company(scene, letter));
    scene_run(scene, 30000);
    return scene;
}

static void ask(struct company *c, const char *command, const char *arguments)
{
    json_decref(company_ask(c, command, arguments));
}

/* The text of the current epoch in `show tickets`. */
static void assert_current(struct company *c, const char *key, const char *expected)
{
    size_t index;
    json_t *row, *answer = company_ask(c, "show tickets", NULL);
    const char *found = NULL;
    json_array_foreach(json_object_get(answer, "epochs"), index, row)
        if (json_object_get(row, "edges"))
            found = json_string_value(json_object_get(row, key));
    assert_non_null(found);
    assert_string_equal(found, expected);
    json_decref(answer);
}

static void test_told_at_once_and_at_each_change(void **state)
{
    (void)state;
    struct scene *scene = scene_with_edge(1);
    struct company *a = scene_company(scene, 'A');
    edge_start(a);
    scene_expect(scene, 5000, "A edge.keys", "epoch=1 revoked=0");
    scene_run(scene, 1000);
    assert_current(a, "edges", "1 of 1");
    ask(a, "ticket revoke domain", "{\"domain\": \"bad.example\"}");
    scene_expect(scene, 5000, "A edge.keys", "epoch=1 revoked=1");
    ask(a, "ticket revoke number", "{\"number\": \"+4911\"}");
    scene_expect(scene, 5000, "A edge.keys", "epoch=1 revoked=2");
    ask(a, "ticket rotate", NULL);
    scene_expect(scene, 5000, "A edge.keys", "epoch=2 revoked=2");
    edge_stop(a);
    scene_free(scene);
}

/* The edge has the key before a ticket can be sealed with it. */
static void test_rotation_waits_for_the_edge(void **state)
{
    (void)state;
    struct scene *scene = scene_with_edge(1);
    struct company *a = scene_company(scene, 'A');
    edge_start(a);
    scene_expect(scene, 5000, "A edge.keys", "epoch=1");
    scene_forget_trace(scene);
    ask(a, "ticket rotate", NULL);
    assert_current(a, "state", "waits for edges");
    scene_expect(scene, 5000, "A edge.keys", "epoch=2");
    assert_false(scene_saw(scene, "A ticket.epoch.used", ""));
    scene_expect(scene, 5000, "A ticket.epoch.used", "epoch=2");
    assert_current(a, "state", "current");
    edge_stop(a);
    scene_free(scene);
}

/* It is waited for, but not for ever; a restart of the server does not end the wait. */
static void test_edge_that_is_away(void **state)
{
    (void)state;
    struct scene *scene = scene_with_edge(1);
    struct company *a = scene_company(scene, 'A');
    edge_start(a);
    scene_expect(scene, 5000, "A edge.keys", "epoch=1");
    edge_stop(a);
    scene_run(scene, 1000);
    ask(a, "ticket rotate", NULL);
    scene_run(scene, 5 * SCENE_MINUTE);
    assert_current(a, "state", "waits for edges");
    assert_current(a, "edges", "0 of 1");
    company_crash(a);
    company_start(a);
    scene_run(scene, 2 * SCENE_MINUTE);
    assert_current(a, "state", "waits for edges");
    assert_false(scene_saw(scene, "A ticket.edges.behind", ""));
    scene_run(scene, 4 * SCENE_MINUTE);
    assert_true(scene_saw(scene, "A ticket.edges.behind", "epoch=2 edges=0 of 1"));
    assert_current(a, "state", "current");
    edge_start(a);
    scene_expect(scene, 5000, "A edge.keys", "epoch=2");
    edge_stop(a);
    scene_free(scene);
}

static enum ticket_verdict check(struct company *c, const char *ticket)
{
    const struct ticket_use use = {company_now(c).wall, slice_str(N1), slice_str("a.example")};
    return keyring_verify(c->agent.copy, slice_str(ticket), &use, NULL);
}

/* A learns a route to B; B's edge checks its ticket: with B's server there, away, and after a restart of its own. */
static void test_checks_while_the_server_is_away(void **state)
{
    (void)state;
    struct scene *scene = scene_with_edge(2);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    agent_start(a);
    agent_start(b);
    scene_expect(scene, 60000, "B agent.subscribed", "");
    agent_publishes(b, N1);
    for (int i = 0; i < 3; i++) {
        scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
        scene_run(scene, 75 * SCENE_MINUTE);
    }
    assert_int_equal(a->agent.told_count, 1);
    const char *ticket = a->agent.told[0].ticket;
    agent_stop(b);
    edge_start(b);
    scene_expect(scene, 60000, "B edge.keys", "epoch=1");
    assert_int_equal(check(b, ticket), TICKET_GOOD);

    company_crash(b);
    scene_run(scene, SCENE_HOUR);
    assert_int_equal(check(b, ticket), TICKET_GOOD);
    edge_stop(b);
    edge_start(b);
    scene_run(scene, SCENE_MINUTE);
    assert_int_equal(check(b, ticket), TICKET_GOOD);

    /* What was decided while the edge was away bites as soon as it is back. */
    edge_stop(b);
    company_start(b);
    scene_run(scene, SCENE_MINUTE);
    ask(b, "ticket revoke domain", "{\"domain\": \"a.example\"}");
    scene_run(scene, 1000);
    edge_start(b);
    scene_expect(scene, 2 * SCENE_MINUTE, "B edge.keys", "epoch=1 revoked=1");
    assert_int_equal(check(b, ticket), TICKET_REVOKED);
    edge_stop(b);
    scene_free(scene);
}

static void test_account_that_may_not(void **state)
{
    (void)state;
    struct scene *scene = scene_new(1, 33);
    struct company *a = scene_company(scene, 'A');
    assert_int_equal(server_options_account(&a->options, "edge", "edge", "s3cret-of-edges"), 0);
    company_start(a);
    scene_run(scene, 30000);
    edge_start(a);
    scene_expect(scene, 5000, "A edge.refused", "403");
    assert_true(company_counter(a, "vap.keys_refused") > 0);
    edge_stop(a);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told_at_once_and_at_each_change),
        cmocka_unit_test(test_rotation_waits_for_the_edge),
        cmocka_unit_test(test_edge_that_is_away),
        cmocka_unit_test(test_checks_while_the_server_is_away),
        cmocka_unit_test(test_account_that_may_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
