/* A company with two servers, as timed traces: its call agent is connected to both, both claim its numbers and prove its calls, and the tickets
 * of each are good at the other. */
#include "testing.h"
#include "trace/scene.h"

#include <stdio.h>

#define NUMBER "+492211001"
#define CALLER "+4930555"
#define PASSWORD "{\"password\":\"correct-horse-battery\",\"epoch\":7,\"as\":\"b.example\"}"

/* A, and the servers B and C of company B: one domain, one VService, the same numbers. */
static struct scene *two_servers(uint64_t seed)
{
    struct scene *scene = scene_new(3, seed);
    struct company *b = scene_company(scene, 'B'), *c = scene_company(scene, 'C');
    c->agent.vservice_id = b->agent.vservice_id;
    memcpy(c->agent.domain, b->agent.domain, sizeof c->agent.domain);
    memcpy(c->agent.uri, b->agent.uri, sizeof c->agent.uri);
    for (unsigned i = 1; i <= 3; i++) {
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
    scene_expect_count(scene, 60000, "", "agent.subscribed", 3);
    scene_run(scene, 30000);
    agent_publishes(b, NUMBER);
    agent_publishes(c, NUMBER);
    return scene;
}

/* The call agent uploads the record of a received call to both of its servers (VAP 8.6). */
static void call(struct scene *scene)
{
    const struct call call = {.from = 'A', .to = 'B', .calling = CALLER, .called = NUMBER};
    agent_upload(scene_company(scene, 'C'), &call, VAP_RECEIVED);
    scene_call(scene, &call);
}

static void share_a_password(struct scene *scene)
{
    json_decref(company_ask(scene_company(scene, 'B'), "set ime ticket password", PASSWORD));
    json_decref(company_ask(scene_company(scene, 'C'), "set ime ticket password", PASSWORD));
}

static void assert_good(struct company *c, const char *ticket)
{
    char arguments[640];
    snprintf(arguments, sizeof arguments, "{\"ticket\":\"%s\",\"number\":\"%s\",\"domain\":\"a.example\"}", ticket,
             NUMBER);
    json_t *answer = company_ask(c, "ticket verify", arguments);
    assert_string_equal(json_string_value(json_object_get(answer, "verdict")), "good");
    json_decref(answer);
}

static void test_both_prove_and_grant(void **state)
{
    (void)state;
    struct scene *scene = two_servers(1);
    struct company *a = scene_company(scene, 'A');
    share_a_password(scene);
    for (unsigned i = 1; i <= 3; i++) {
        call(scene);
        scene_expect_count(scene, 60000, "A validation.proved", "", 2 * i);
        scene_run(scene, 20000);
    }
    assert_true(scene_saw(scene, "A numbers.found", "claimants=2"));
    assert_int_equal(company_counter(a, "server.validations_failed"), 0);

    /* One route by each server, with a ticket that the other one takes, too. */
    assert_int_equal(company_routes(a, NUMBER), 2);
    assert_int_equal(a->agent.told_count, 2);
    for (size_t i = 0; i < a->agent.told_count; i++) {
        assert_string_equal(a->agent.told[i].uri, scene_company(scene, 'B')->agent.uri);
        assert_good(scene_company(scene, 'B'), a->agent.told[i].ticket);
        assert_good(scene_company(scene, 'C'), a->agent.told[i].ticket);
    }
    scene_free(scene);
}

/* One of them is away: the other one proves alone, and A is not told that the company lies. */
static void test_one_is_enough(void **state)
{
    (void)state;
    struct scene *scene = two_servers(2);
    struct company *a = scene_company(scene, 'A');
    agent_stop(scene_company(scene, 'B'));
    company_crash(scene_company(scene, 'B'));
    scene_run(scene, 60000);
    for (unsigned i = 1; i <= 3; i++) {
        const struct call call = {.from = 'A', .to = 'C', .calling = CALLER, .called = NUMBER};
        scene_call(scene, &call);
        scene_expect_count(scene, 120000, "A validation.proved", "", i);
        scene_run(scene, 20000);
    }
    assert_int_equal(company_counter(a, "server.validations_failed"), 0);
    assert_int_equal(company_routes(a, NUMBER), 1);
    scene_free(scene);
}

/* Two originating servers of one company prove on their own: what one has learned the other one does not need. */
static void test_each_learns_on_its_own(void **state)
{
    (void)state;
    struct scene *scene = two_servers(3);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B'), *c = scene_company(scene, 'C');
    agent_publishes(a, "+4922110");
    for (unsigned i = 1; i <= 3; i++) {
        const struct call call = {.from = 'B', .to = 'A', .calling = CALLER, .called = "+4922110"};
        scene_call(scene, &call);
        scene_expect_count(scene, 60000, "B validation.proved", "", i);
        scene_run(scene, 20000);
    }
    assert_int_equal(company_routes(b, "+4922110"), 1);
    assert_int_equal(company_routes(c, "+4922110"), 0);
    scene_free(scene);
}

/* The password stands in the configuration file of both servers: there is never another key. */
static void test_a_password_of_the_configuration(void **state)
{
    (void)state;
    struct scene *scene = scene_new(3, 4);
    for (unsigned i = 1; i <= 3; i++)
        company_start(&scene->companies[i]);
    for (char letter = 'B'; letter <= 'C'; letter++) {
        struct company *c = scene_company(scene, letter);
        assert_int_equal(server_ticket_password(c->server, company_now(c), "b.example", 3, "correct-horse-battery"), 0);
        company_drain(c);
    }
    agent_start(scene_company(scene, 'B')); /* publishes the domain before the key is there */
    scene_run(scene, 60000);
    char fingerprints[2][80] = {"", ""};
    for (unsigned i = 0; i < 2; i++) {
        struct company *c = scene_company(scene, (char)('B' + i));
        company_stop(c);
        company_start(c);
        assert_int_equal(server_ticket_password(c->server, company_now(c), "B.example", 3, "another-password"), 0);
        json_t *tickets = company_ask(c, "show tickets", NULL);
        json_t *epochs = json_object_get(tickets, "epochs");
        assert_int_equal(json_array_size(epochs), 1);
        const json_t *epoch = json_array_get(epochs, 0);
        assert_int_equal(json_integer_value(json_object_get(epoch, "epoch")), 3);
        assert_string_equal(json_string_value(json_object_get(epoch, "origin")), "password");
        snprintf(fingerprints[i], sizeof fingerprints[i], "%s",
                 json_string_value(json_object_get(epoch, "fingerprint")));
        json_decref(tickets);
        assert_int_equal(server_ticket_password(c->server, company_now(c), "b.example", 2, "another-password"), 0);
        assert_true(scene_saw(scene, "", "ticket.password.old"));
        assert_int_equal(server_ticket_password(c->server, company_now(c), "b.example", 4, "short"), ERR_RANGE);
    }
    assert_string_equal(fingerprints[0], fingerprints[1]);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_prove_and_grant),
        cmocka_unit_test(test_one_is_enough),
        cmocka_unit_test(test_each_learns_on_its_own),
        cmocka_unit_test(test_a_password_of_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
