/* What was acknowledged stays: crashes at every moment of validations, full disks, short memory, copies that cannot be stored. */
#include "testing.h"
#include "trace/scene.h"

#include "base/mem.h"

#include <stdio.h>

static const char *const numbers[] = {"+492211001", "+492211002", "+492211003"};
#define N1 numbers[0]
#define CALLER "+4930555"

/* Three calls of A's to B's numbers; their records are with the agents, which see that they are acknowledged. */
static void upload_three_calls(struct scene *scene)
{
    for (unsigned i = 0; i < 3; i++) {
        struct call call = {.from = 'A', .to = 'B', .calling = CALLER, .called = numbers[i]};
        agent_upload(scene_company(scene, 'B'), &call, VAP_RECEIVED);
        agent_upload(scene_company(scene, 'A'), &call, VAP_SENT);
    }
}

static struct scene *three_calls(uint64_t seed)
{
    struct scene *scene = scene_of(3, seed);
    for (unsigned i = 0; i < 3; i++)
        agent_publishes(scene_company(scene, 'B'), numbers[i]);
    upload_three_calls(scene);
    return scene;
}

/* The same, and C claims one of the numbers. */
static struct scene *three_calls_and_a_false_claim(uint64_t seed)
{
    struct scene *scene = scene_of(3, seed);
    agent_publishes(scene_company(scene, 'C'), N1);
    for (unsigned i = 0; i < 3; i++)
        agent_publishes(scene_company(scene, 'B'), numbers[i]);
    upload_three_calls(scene);
    return scene;
}

static bool all_told(struct scene *scene)
{
    return scene_company(scene, 'A')->agent.told_count >= 3;
}

static void assert_told(const struct company *c, const char *number)
{
    for (size_t i = 0; i < c->agent.told_count; i++)
        if (strcmp(c->agent.told[i].number, number) == 0)
            return;
    fail_msg("the agent was not told of %s", number);
}

static void assert_ticket_is_good(struct company *at, const struct told *told, const char *domain)
{
    char arguments[1024];
    snprintf(arguments, sizeof arguments, "{\"ticket\":\"%s\",\"domain\":\"%s\",\"number\":\"%s\"}", told->ticket,
             domain, told->number);
    json_t *verdict = company_ask(at, "ticket verify", arguments);
    if (!json_is_true(json_object_get(verdict, "good")))
        fail_msg("%s: %s", told->number, json_string_value(json_object_get(verdict, "verdict")));
    json_decref(verdict);
}

/* Everything that three proved calls lead to is there, once. */
static void assert_three_routes(struct scene *scene)
{
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(company_routes(a, numbers[i]), 1);
        assert_string_equal(company_vcr(a, numbers[i], PVP_ORIGINATING), "done");
        assert_string_equal(company_vcr(b, numbers[i], PVP_TERMINATING), "done");
        assert_told(a, numbers[i]);
    }
    for (size_t i = 0; i < 6; i++) {
        const struct agent *of = i < 3 ? &a->agent : &b->agent;
        assert_true(of->uploads[i % 3].came);
        assert_int_equal(of->uploads[i % 3].err, 0);
    }
    assert_int_equal(company_pool(a, "b.example", "default"), 0);
    assert_int_equal(memory_store_count(a->disk, KV_PVP_POOL), 0);
    assert_int_equal(memory_store_count(a->disk, KV_ROUTE), 3);
    assert_int_equal(scene_count(scene, "A pool.penalty node=98", ""), 0); /* B has done nothing */
    for (size_t i = 0; i < a->agent.told_count; i++)
        assert_ticket_is_good(b, &a->agent.told[i], "a.example");
}

/* One run with a crash of the victim at this mark. False if the mark was not reached. */
static bool run_with_crash(struct scene *(*begin)(uint64_t seed), char victim, uint64_t mark)
{
    struct scene *scene = begin(100);
    struct company *c = scene_company(scene, victim);
    scene->victim = c;
    scene->crash_at = scene->marks + mark;
    while (c->server && !all_told(scene))
        assert_true(scene_step(scene));
    bool crashed = !c->server;
    scene->victim = NULL;
    if (crashed) {
        scene_run(scene, 500);
        company_start(c);
    }
    if (!scene_run_until(scene, all_told, 20 * SCENE_MINUTE)) {
        fprintf(stderr, "%s", scene_trace(scene));
        fail_msg("%c crashed at mark %u: the routes are not learned", victim, (unsigned)mark);
    }
    scene_run(scene, 1000);
    assert_three_routes(scene);
    assert_int_equal(memory_store_count(scene_company(scene, 'A')->disk, KV_PVP_PENALTY),
                     begin == three_calls_and_a_false_claim);
    scene_free(scene);
    return crashed;
}

static void crash_at_every_moment(struct scene *(*begin)(uint64_t seed), char victim)
{
    uint64_t mark = 1;
    while (run_with_crash(begin, victim, mark))
        mark++;
    print_message("# %u crashes of %c\n", (unsigned)mark - 1, victim);
    assert_true(mark > 50);
}

static void test_the_originator_crashes_at_any_moment(void **state)
{
    (void)state;
    crash_at_every_moment(three_calls, 'A');
}

static void test_the_terminator_crashes_at_any_moment(void **state)
{
    (void)state;
    crash_at_every_moment(three_calls, 'B');
}

static void test_the_originator_crashes_while_a_claim_fails(void **state)
{
    (void)state;
    crash_at_every_moment(three_calls_and_a_false_claim, 'A');
}

/* B crashes while its agent publishes VService and numbers, and while its first ticket key is made. */
static void test_the_terminator_crashes_while_it_is_set_up(void **state)
{
    (void)state;
    bool crashed = true;
    for (uint64_t mark = 1; crashed; mark++) {
        struct scene *scene = scene_new(3, 102);
        struct company *b = scene_company(scene, 'B');
        for (unsigned i = 1; i <= 3; i++) {
            company_start(&scene->companies[i]);
            agent_start(&scene->companies[i]);
        }
        for (unsigned i = 0; i < 3; i++)
            agent_publish(b, numbers[i]);
        scene->victim = b;
        scene->crash_at = mark;
        scene_run(scene, 3000);
        scene->victim = NULL;
        crashed = !b->server;
        if (crashed)
            company_start(b);
        for (unsigned i = 0; i < 3; i++)
            while (!b->agent.numbers[i].came)
                assert_true(scene_step(scene));
        upload_three_calls(scene);
        assert_true(scene_run_until(scene, all_told, 20 * SCENE_MINUTE));
        scene_run(scene, 1000);
        assert_three_routes(scene);
        assert_int_equal(memory_store_count(b->disk, KV_TICKET_EPOCH), 1);
        scene_free(scene);
    }
}

/* It begins the ring, others join, and it ends before it has done anything by the clock: it comes back to them, and begins no other ring. */
static void test_a_bootstrap_server_ends_right_after_its_first_start(void **state)
{
    (void)state;
    struct scene *scene = scene_new(3, 290);
    for (char letter = 'A'; letter <= 'C'; letter++)
        company_start(scene_company(scene, letter));
    scene_expect(scene, 3000, "A ring.first", "");
    scene_expect(scene, 3000, "C ring.state", "state=joined");
    scene_run(scene, 500);
    company_crash(scene_company(scene, 'A'));
    scene_run(scene, 500);
    scene_forget_trace(scene);
    company_start(scene_company(scene, 'A'));
    scene_expect(scene, 3000, "A ring.state", "state=joined");
    assert_false(scene_saw(scene, "A ring.first", ""));
    scene_free(scene);
}

/* Ended in good order at any moment, and both at once. */
static void test_both_restart_again_and_again(void **state)
{
    (void)state;
    struct scene *scene = three_calls(101);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    for (unsigned i = 0; i < 20; i++) {
        scene_run(scene, 700 + 37 * i);
        company_stop(a);
        if (i % 2)
            company_stop(b);
        scene_run(scene, 50);
        company_start(a);
        if (i % 2)
            company_start(b);
    }
    assert_true(scene_run_until(scene, all_told, 30 * SCENE_MINUTE));
    scene_run(scene, 1000);
    assert_three_routes(scene);
    scene_free(scene);
}

/* ---- full disks ---- */

static bool has_warning(struct company *c, const char *name)
{
    size_t index;
    json_t *row;
    bool found = false;
    json_t *status = company_ask(c, "show status", NULL);
    json_array_foreach(json_object_get(status, "warnings"), index, row)
        found = found || strcmp(json_string_value(json_object_get(row, "name")), name) == 0;
    json_decref(status);
    return found;
}

/* Writes fail when they are committed, or, when the store knows that it is unwritable, at once. */
static void disk_full(struct company *c, bool at_once)
{
    if (at_once)
        memory_store_refuse(c->disk, ERR_NO_SPACE);
    else
        memory_store_fail(c->disk, SIZE_MAX, ERR_NO_SPACE);
}

static void disk_has_room(struct company *c)
{
    memory_store_refuse(c->disk, 0);
    memory_store_fail(c->disk, 0, 0);
}

static const struct answer *wait_for(struct scene *scene, const struct answer *answer)
{
    for (unsigned i = 0; !answer->came && i < 6000; i++)
        scene_run(scene, 10);
    assert_true(answer->came);
    return answer;
}

static void upload_to_a_full_disk(bool at_once)
{
    struct scene *scene = scene_of(3, 110);
    struct company *a = scene_company(scene, 'A');
    struct call call = {.from = 'A', .calling = CALLER, .called = N1};
    scene_run(scene, 1000);
    disk_full(a, at_once);
    const struct answer *answer = wait_for(scene, &a->agent.uploads[agent_upload(a, &call, VAP_SENT)]);
    assert_int_equal(answer->err, ERR_FORBIDDEN);
    assert_int_equal(answer->code, VAP_SERVER_ERROR);
    assert_non_null(strstr(answer->reason, "disk is full"));
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "none");
    assert_true(has_warning(a, "StoreFailure"));
    json_t *status = company_ask(a, "show status", NULL);
    assert_string_equal(json_string_value(json_object_get(status, "health")), "red");
    json_decref(status);
    company_shows(a, N1);
    disk_has_room(a);
    answer = wait_for(scene, &a->agent.uploads[agent_upload(a, &call, VAP_SENT)]);
    assert_int_equal(answer->err, 0);
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "waiting");
    assert_false(has_warning(a, "StoreFailure"));
    scene_free(scene);
}

static void test_a_record_meets_a_full_disk(void **state)
{
    (void)state;
    upload_to_a_full_disk(false);
    upload_to_a_full_disk(true);
}

/* The disk of one side is full from this line of the trace on, for a while; then everything comes to its end. */
static void validate_with_a_full_disk(char which, const char *from, bool at_once, uint64_t seed)
{
    struct scene *scene = three_calls(seed);
    struct company *a = scene_company(scene, 'A'), *c = scene_company(scene, which);
    scene_expect(scene, 20000, from, "");
    assert_int_equal(a->agent.uploads[2].err, 0);
    disk_full(c, at_once);
    scene_run(scene, 45000);
    company_shows(a, N1);
    company_shows(c, N1);
    assert_false(scene_saw(scene, "A route.learned", ""));
    disk_has_room(c);
    assert_true(scene_run_until(scene, all_told, 30 * SCENE_MINUTE));
    scene_run(scene, 1000);
    assert_three_routes(scene);
    company_crash(a); /* and it is as it seems */
    company_start(a);
    assert_int_equal(company_routes(a, N1), 1);
    scene_free(scene);
}

static void test_validations_meet_a_full_disk(void **state)
{
    (void)state;
    for (unsigned at_once = 0; at_once < 2; at_once++) {
        validate_with_a_full_disk('A', "A connects", at_once, 120);
        validate_with_a_full_disk('A', "A pool.credited", at_once, 121);
        validate_with_a_full_disk('B', "A connects", at_once, 122);
        validate_with_a_full_disk('B', "A numbers.found", at_once, 123);
    }
}

static void test_a_number_meets_a_full_disk(void **state)
{
    (void)state;
    for (unsigned at_once = 0; at_once < 2; at_once++) {
        struct scene *scene = scene_of(3, 130 + at_once);
        struct company *b = scene_company(scene, 'B');
        disk_full(b, at_once);
        const struct answer *answer = wait_for(scene, &b->agent.numbers[agent_publish(b, N1)]);
        assert_int_equal(answer->code, VAP_PUBLICATION_FAILED);
        assert_true(has_warning(b, "StoreFailure"));
        assert_int_equal(memory_store_count(b->disk, KV_NUMBERS), 0);
        company_shows(b, N1);
        disk_has_room(b);
        agent_publishes(b, numbers[1]);
        assert_false(has_warning(b, "StoreFailure"));
        scene_free(scene);
    }
}

static void test_a_setting_meets_a_full_disk(void **state)
{
    (void)state;
    for (unsigned at_once = 0; at_once < 2; at_once++) {
        struct scene *scene = scene_of(1, 140 + at_once);
        struct company *a = scene_company(scene, 'A');
        disk_full(a, at_once);
        json_t *error = company_ask_refused(a, "set ime validator local bucketentropy", "{\"value\":48}");
        assert_string_equal(json_string_value(json_object_get(error, "code")), "no_space");
        json_decref(error);
        error = company_ask_refused(a, "ticket rotate", NULL);
        assert_string_equal(json_string_value(json_object_get(error, "code")), "no_space");
        json_decref(error);
        error = company_ask_refused(a, "ticket revoke number", "{\"number\":\"+4911\"}");
        assert_string_equal(json_string_value(json_object_get(error, "code")), "no_space");
        json_decref(error);
        disk_has_room(a);
        json_decref(company_ask(a, "set ime validator local bucketentropy", "{\"value\":48}"));
        json_decref(company_ask(a, "ticket rotate", NULL));
        json_decref(company_ask(a, "ticket revoke number", "{\"number\":\"+4911\"}"));
        scene_free(scene);
    }
}

/* ---- publishing ---- */

static unsigned copies_of(struct company *c, const char *number)
{
    char arguments[64];
    snprintf(arguments, sizeof arguments, "{\"number\":\"%s\"}", number);
    json_t *answer = company_ask(c, "show numbers", arguments);
    json_t *row = json_array_get(json_object_get(answer, "numbers"), 0);
    unsigned copies = (unsigned)json_integer_value(json_object_get(row, "copies"));
    json_decref(answer);
    return copies;
}

/* One storing peer cannot store: the agent hears of it, the other copies stand, and the missing one is stored when that is possible. */
static void publish_with_a_storing_peer_that(void (*fails)(struct company *), void (*recovers)(struct company *),
                                             uint64_t seed)
{
    struct scene *scene = scene_of(3, seed);
    struct company *b = scene_company(scene, 'B'), *c = scene_company(scene, 'C');
    char number[24];
    unsigned partly = 0;
    fails(c);
    for (unsigned i = 0; !partly && i < 20; i++) {
        snprintf(number, sizeof number, "+4922120%02u", i);
        const struct answer *answer = wait_for(scene, &b->agent.numbers[agent_publish(b, number)]);
        unsigned copies = copies_of(b, number);
        if (answer->err == 0) {
            assert_int_equal(copies, 3);
            continue;
        }
        assert_int_equal(answer->code, VAP_PUBLICATION_FAILED);
        assert_true(strlen(answer->reason) > 0);
        assert_true(copies < 3);
        partly = copies == 2 ? 1 : 0;
    }
    assert_true(partly);
    assert_true(company_explains(b, number, "not published"));
    company_shows(b, number);
    recovers(c);
    for (unsigned i = 0; copies_of(b, number) < 3 && i < 40; i++)
        scene_run(scene, SCENE_MINUTE);
    assert_int_equal(copies_of(b, number), 3);
    scene_free(scene);
}

static void refuse_to_store(struct company *c)
{
    memory_store_refuse(c->disk, ERR_NO_SPACE);
}

static void hang(struct company *c)
{
    c->disk_hangs = true;
}

static void wake_up(struct company *c)
{
    c->disk_hangs = false;
    company_drain(c);
}

static void test_a_copy_is_refused(void **state)
{
    (void)state;
    publish_with_a_storing_peer_that(refuse_to_store, disk_has_room, 150);
}

static void test_a_copy_is_not_answered(void **state)
{
    (void)state;
    publish_with_a_storing_peer_that(hang, wake_up, 151);
}

/* ---- memory ---- */

/* One allocation fails somewhere in the life of a validation: nothing breaks, and it ends well, if later. */
static bool run_short_of_memory(unsigned long nth)
{
    struct scene *scene = three_calls(160);
    scene_expect_count(scene, 5000, "A agent.uploaded", "acknowledged", 3);
    scene_expect_count(scene, 5000, "B agent.uploaded", "acknowledged", 3);
    mem_fail_at(nth);
    bool told = scene_run_until(scene, all_told, 30 * SCENE_MINUTE);
    void *probe = mem_alloc(1);
    bool failed = probe != NULL; /* else it has not come to that many allocations */
    mem_free(probe);
    mem_fail_at(0);
    if (scene_saw(scene, "A route.not_kept", "")) { /* it is on the disk, and found at the next start */
        company_crash(scene_company(scene, 'A'));
        company_start(scene_company(scene, 'A'));
    }
    if (!told)
        told = scene_run_until(scene, all_told, 30 * SCENE_MINUTE);
    if (!told) {
        fprintf(stderr, "%s", scene_trace(scene));
        fail_msg("allocation %lu: the routes are not learned", nth);
    }
    scene_free(scene);
    return failed;
}

static void test_an_allocation_fails(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 400; i++)
        if (!run_short_of_memory(1 + 47 * i))
            break;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_originator_crashes_at_any_moment),
        cmocka_unit_test(test_the_terminator_crashes_at_any_moment),
        cmocka_unit_test(test_the_originator_crashes_while_a_claim_fails),
        cmocka_unit_test(test_the_terminator_crashes_while_it_is_set_up),
        cmocka_unit_test(test_a_bootstrap_server_ends_right_after_its_first_start),
        cmocka_unit_test(test_both_restart_again_and_again),
        cmocka_unit_test(test_a_record_meets_a_full_disk),
        cmocka_unit_test(test_validations_meet_a_full_disk),
        cmocka_unit_test(test_a_number_meets_a_full_disk),
        cmocka_unit_test(test_a_setting_meets_a_full_disk),
        cmocka_unit_test(test_a_copy_is_refused),
        cmocka_unit_test(test_a_copy_is_not_answered),
        cmocka_unit_test(test_an_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
