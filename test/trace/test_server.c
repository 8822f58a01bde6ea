/* Companies learn each other's routes, as timed traces: proofs, pools, the penalty box, lists, spacing. Times are milliseconds. */
#include "testing.h"
#include "trace/scene.h"

#include <stdio.h>

#define N1 "+492211001"
#define N2 "+492211002"
#define N3 "+492211003"
#define CALLER "+4930555"
#define RATE_MS 4000 /* R, the lattice's width: default of the ring */

/* ---- proofs ---- */

static void test_proof_by_a(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 1);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    agent_publishes(b, N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_expect(scene, 10000, "A numbers.found", "answered=2 claimants=1");
    scene_expect(scene, 1000, "A validation.proved", "number=" N1);
    scene_expect(scene, 1000, "A pool.credited", "domain=b.example fill=12 threshold=24");
    assert_true(scene_saw(scene, "B pvp.inbound", "event=proved number=" N1));
    assert_int_equal(scene_count(scene, "A connects", "to=B username=1;A;"), 1);
    assert_int_equal(scene_count(scene, "A connects", ""), 1);
    assert_int_equal(company_pool(a, "b.example", "default"), 12);
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "done");
    assert_string_equal(company_vcr(b, N1, PVP_TERMINATING), "done");
    assert_true(company_explains(a, N1, "b.example proved the call by method A (with caller ID), worth 12"));
    assert_true(company_explains(a, N1, "b.example has proved 12 of more than 24"));
    assert_true(company_explains(b, N1, "a.example proved a call to this number to us: ticket granted"));
    company_shows(a, N1);
    company_shows(b, N1);
    company_shows(scene_company(scene, 'C'), N1);
    scene_free(scene);
}

static void test_proof_by_b_after_a_lost_caller(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 2);
    struct company *a = scene_company(scene, 'A');
    agent_publishes(scene_company(scene, 'B'), N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1, .caller_lost = true});
    scene_expect(scene, 10000, "A pool.credited", "domain=b.example fill=8 threshold=24");
    assert_true(scene_saw(scene, "A connects", "to=B username=1;A;"));
    assert_int_equal(scene_count(scene, "A connects", "to=B username=1;B;"), 1);
    assert_true(scene_saw(scene, "A validation.proved", "method=B"));
    assert_int_equal(company_pool(a, "b.example", "default"), 8);
    assert_true(company_explains(a, N1, "by method B (without caller ID), worth 8"));
    scene_free(scene);
}

static void test_a_call_without_a_caller_begins_with_b(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 3);
    agent_publishes(scene_company(scene, 'B'), N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .called = N1});
    scene_expect(scene, 10000, "A pool.credited", "fill=8");
    assert_int_equal(scene_count(scene, "A connects", "username=1;B;"), 1);
    assert_int_equal(scene_count(scene, "A connects", ""), 1);
    scene_free(scene);
}

/* Start and stop as measured by both sides may be apart by anything below R/2, in either direction. */
static void test_times_apart_by_just_under_half_a_lattice(void **state)
{
    (void)state;
    static const int64_t offs[][2] = {{1999, 1999}, {-1999, -1999}, {1999, -1999}, {-1999, 1999}, {0, 1999}};
    for (size_t i = 0; i < sizeof offs / sizeof offs[0]; i++) {
        struct scene *scene = scene_of(3, 10 + i);
        agent_publishes(scene_company(scene, 'B'), N1);
        scene_call(scene, &(struct call){.from = 'A',
                                         .to = 'B',
                                         .calling = CALLER,
                                         .called = N1,
                                         .start_off_ms = offs[i][0],
                                         .stop_off_ms = offs[i][1]});
        scene_expect(scene, 10000, "A pool.credited", "fill=12");
        assert_int_equal(scene_count(scene, "A connects", ""), 1);
        scene_free(scene);
    }
}

static void test_times_apart_by_just_over_half_a_lattice(void **state)
{
    (void)state;
    static const int64_t offs[][2] = {{RATE_MS / 2 + 1, 0}, {0, -RATE_MS / 2 - 1}, {-RATE_MS / 2 - 1, RATE_MS / 2 + 1}};
    for (size_t i = 0; i < sizeof offs / sizeof offs[0]; i++) {
        struct scene *scene = scene_of(3, 20 + i);
        struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
        agent_publishes(b, N1);
        scene_call(scene, &(struct call){.from = 'A',
                                         .to = 'B',
                                         .calling = CALLER,
                                         .called = N1,
                                         .start_off_ms = offs[i][0],
                                         .stop_off_ms = offs[i][1]});
        scene_expect(scene, 20000, "A validation.failed", "number=" N1);
        scene_expect(scene, 1000, "A pool.penalty", "number=" N1);
        assert_int_equal(scene_count(scene, "A connects", ""), 6); /* A 0, 1, 2, then B 0, 1, 2 */
        assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "failed");
        assert_string_equal(company_vcr(b, N1, PVP_TERMINATING),
                            "waiting"); /* A's server has used up its guesses only */
        assert_true(company_explains(a, N1, "could not prove the call"));
        scene_free(scene);
    }
}

/* What both servers think of the time of day does not matter as long as calls are measured right. */
static void test_servers_whose_clocks_are_wrong(void **state)
{
    (void)state;
    struct scene *scene = scene_new(3, 4);
    scene_company(scene, 'A')->clock_ms = -1100;
    scene_company(scene, 'B')->clock_ms = 800;
    for (unsigned i = 1; i <= 3; i++) {
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
    scene_expect(scene, 20000, "B agent.online", "");
    scene_expect(scene, 20000, "C joined", "");
    agent_publishes(scene_company(scene, 'B'), N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_expect(scene, 10000, "A pool.credited", "fill=12"); /* the times of the records are 1900 apart */
    scene_free(scene);
}

static void test_two_calls_to_one_number_each_prove_themselves(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 5);
    struct company *a = scene_company(scene, 'A');
    agent_publishes(scene_company(scene, 'B'), N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1, .ended_ms = 200000});
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_expect(scene, 10000, "A pool.credited", "fill=12");
    scene_expect(scene, 30000, "A pool.credited", "fill=24");
    assert_int_equal(company_pool(a, "b.example", "default"), 24);
    scene_free(scene);
}

/* ---- pools ---- */

/* Three calls to three numbers of B's, each proved. */
static void three_calls(struct scene *scene)
{
    static const char *const numbers[] = {N1, N2, N3};
    for (unsigned i = 0; i < 3; i++)
        agent_publishes(scene_company(scene, 'B'), numbers[i]);
    for (unsigned i = 0; i < 3; i++)
        scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = numbers[i]});
}

static void test_the_third_proof_makes_routes(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 6);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    three_calls(scene);
    scene_expect(scene, 10000, "A pool.credited", "fill=12 threshold=24");
    assert_false(scene_saw(scene, "A route.learned", ""));
    scene_expect(scene, 10000, "A pool.credited", "fill=24 threshold=24");
    assert_false(scene_saw(scene, "A route.learned", "")); /* it must be exceeded */
    scene_expect(scene, 10000, "A pool.credited", "fill=36 threshold=24");
    scene_expect_count(scene, 1000, "A agent.told",
                       "number=" N1 " uri=sip:pbx@b.example:5061;maddr=127.1.2.9;transport=tcp", 1);
    scene_run(scene, 1000);
    assert_int_equal(scene_count(scene, "A route.learned", "domain=b.example"), 3);
    assert_int_equal(scene_count(scene, "A agent.told", ""), 3);
    assert_int_equal(scene_count(scene, "A agent.told", "number=" N2), 1);
    assert_int_equal(company_pool(a, "b.example", "default"), 0); /* emptied */
    assert_int_equal(company_routes(a, N2), 1);
    assert_int_equal(company_counter(a, "server.routes_delivered"), 3);
    assert_true(company_explains(a, N1, "call agent told of the route"));
    company_shows(a, N1);

    /* The ticket is good at B for A's domain and this number, and for no other. */
    const struct told *told = &a->agent.told[0];
    char arguments[1024];
    static const struct {
        const char *domain, *number;
        bool good;
    } uses[] = {{"a.example", NULL, true}, {"c.example", NULL, false}, {"a.example", "+492219999", false}};
    for (size_t i = 0; i < 3; i++) {
        snprintf(arguments, sizeof arguments, "{\"ticket\":\"%s\",\"domain\":\"%s\",\"number\":\"%s\"}", told->ticket,
                 uses[i].domain, uses[i].number ? uses[i].number : told->number);
        json_t *verdict = company_ask(b, "ticket verify", arguments);
        assert_int_equal(json_is_true(json_object_get(verdict, "good")), uses[i].good);
        json_decref(verdict);
    }
    scene_free(scene);
}

static void test_two_proofs_without_a_caller_are_not_enough_nor_three(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 7);
    struct company *a = scene_company(scene, 'A');
    static const char *const numbers[] = {N1, N2, N3, "+492211004"};
    for (unsigned i = 0; i < 4; i++) {
        agent_publishes(scene_company(scene, 'B'), numbers[i]);
        scene_call(scene, &(struct call){.from = 'A', .to = 'B', .called = numbers[i]});
        scene_run(scene, 5000);
        assert_int_equal(company_pool(a, "b.example", "default"), i < 3 ? 8 * (i + 1) : 0);
        assert_int_equal(scene_count(scene, "A route.learned", ""), i < 3 ? 0 : 4);
    }
    scene_free(scene);
}

/* C claims B's numbers, too. It cannot prove the calls and lands in the penalty box; B's routes are learned all the same. */
static void test_a_false_claim_lands_in_the_penalty_box(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 8);
    struct company *a = scene_company(scene, 'A'), *c = scene_company(scene, 'C');
    agent_publishes(c, N1);
    agent_publishes(c, N2);
    three_calls(scene);
    scene_expect(scene, 20000, "A pool.credited", "domain=b.example fill=36");
    scene_run(scene, 20000);
    assert_true(scene_saw(scene, "A numbers.found", "number=" N1 " err=ok answered=2 claimants=2"));
    assert_true(scene_saw(scene, "A pool.penalty", "number=" N1 " lost=0"));
    assert_true(scene_saw(scene, "A pool.penalty", "number=" N2 " lost=0"));
    assert_int_equal(scene_count(scene, "A agent.told", "uri=sip:pbx@b.example"), 3);
    assert_int_equal(scene_count(scene, "A agent.told", ""), 3);
    assert_int_equal(scene_count(scene, "A pool.penalty", ""), 2);
    assert_true(scene_saw(scene, "A connects", "to=C"));
    assert_true(company_explains(a, N1, "goes into the penalty box for this number"));
    assert_true(company_explains(a, N1, "a claimant of this number is in the penalty box"));
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "done"); /* B has proved it */
    company_shows(a, N1);
    company_shows(c, N1);
    scene_free(scene);
}

/* What a peer had proved is void when it fails once; from then on the number counts in a bucket of its own. */
static void test_a_failure_voids_what_was_proved(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 9);
    struct company *a = scene_company(scene, 'A');
    agent_publishes(scene_company(scene, 'B'), N1);
    agent_publishes(scene_company(scene, 'B'), N2);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_expect(scene, 10000, "A pool.credited", "fill=12");
    scene_call(scene, &(struct call){.from = 'A', .calling = CALLER, .called = N2}); /* B knows nothing of it */
    scene_expect(scene, 10000, "A pool.penalty", "number=" N2 " lost=1");
    assert_int_equal(company_pool(a, "b.example", "default"), 0);
    scene_run(scene, 15000);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N2});
    scene_expect(scene, 30000, "A pool.credited", "fill=12");
    assert_int_equal(company_pool(a, "b.example", N2), 12); /* in the penalty box */
    assert_int_equal(company_pool(a, "b.example", "default"), 0);
    company_shows(a, N2);
    scene_free(scene);
}

/* ---- guesses ---- */

/* Six companies guess at a call that they did not make, once with a caller and once without: then its record is burnt, for its owner, too. */
static void test_a_burnt_record(void **state)
{
    (void)state;
    struct scene *scene = scene_of(8, 30);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    agent_publishes(b, N1);
    struct call call = {.from = 'A', .to = 'B', .calling = CALLER, .called = N1, .ended_ms = 60000};
    struct mono uploaded = scene->now.mono;
    agent_upload(b, &call, VAP_RECEIVED);
    for (char guesser = 'C'; guesser <= 'H'; guesser++) {
        struct call guess = call;
        guess.from = guesser;
        guess.to = 0;
        guess.ended_ms += 30000; /* inside of the call, but neither its start nor its stop */
        guess.lasted_ms = 60000;
        scene_call(scene, &guess);
    }
    scene_expect(scene, 30000, "B pvp.record.burnt", "called=" N1);
    for (char guesser = 'C'; guesser <= 'H'; guesser++) {
        char event[32];
        snprintf(event, sizeof event, "%c validation.failed", guesser);
        scene_expect_count(scene, 30000, event, "number=" N1, 1);
    }
    assert_string_equal(company_vcr(b, N1, PVP_TERMINATING), "failed");
    assert_true(company_explains(b, N1, "a call record of this number is burnt: too many failed proofs"));
    assert_int_equal(company_counter(b, "pvp.records_burnt"), 1);
    company_shows(b, N1);
    call.ended_ms += mono_since_us(scene->now.mono, uploaded) / 1000;
    agent_upload(a, &call, VAP_SENT);
    scene_expect(scene, 30000, "A validation.failed", "number=" N1);
    scene_free(scene);
}

/* ---- lists ---- */

static void test_a_blacklisted_domain_is_refused(void **state)
{
    (void)state;
    struct scene *scene = scene_new(3, 31);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    b->agent.list_kind = VAP_LIST_BLACK;
    b->agent.listed = "a.example";
    for (unsigned i = 1; i <= 3; i++) {
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
    scene_expect(scene, 20000, "C joined", "");
    agent_publishes(b, N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_expect(scene, 10000, "B pvp.inbound", "event=refused number=" N1);
    scene_run(scene, 20000);
    assert_false(scene_saw(scene, "A pool.credited", ""));
    assert_false(scene_saw(scene, "A pool.penalty", ""));
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "failed");
    assert_true(company_explains(a, N1, "refused"));
    assert_true(company_explains(b, N1, "refused a.example: domain_refused"));
    company_shows(a, N1);
    scene_free(scene);
}

static void test_our_own_list_refuses_their_domain(void **state)
{
    (void)state;
    struct scene *scene = scene_new(3, 32);
    struct company *a = scene_company(scene, 'A');
    a->agent.list_kind = VAP_LIST_WHITE;
    a->agent.listed = "c.example";
    for (unsigned i = 1; i <= 3; i++) {
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
    scene_expect(scene, 20000, "C joined", "");
    agent_publishes(scene_company(scene, 'B'), N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_expect(scene, 10000, "B pvp.inbound", "event=proved");
    scene_run(scene, 20000);
    assert_false(scene_saw(scene, "A pool.credited", ""));
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "failed");
    scene_free(scene);
}

/* ---- who is not there ---- */

/* B's call agent is away: try later. The record is kept, and proved when it is back. */
static void test_the_far_vservice_is_away(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 33);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    agent_publishes(b, N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    agent_stop(b);
    scene_expect(scene, 10000, "B pvp.inbound", "event=refused number=" N1);
    scene_run(scene, 1000);
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "waiting");
    assert_string_equal(company_vcr(b, N1, PVP_TERMINATING), "waiting");
    assert_true(company_explains(a, N1, "a call record waits: the claimant could not be reached"));
    assert_true(company_explains(b, N1, "later"));
    company_shows(a, N1);
    company_shows(b, N1);
    agent_start(b);
    scene_expect(scene, 60000, "A pool.credited", "fill=12");
    assert_false(scene_saw(scene, "A pool.penalty", ""));
    scene_free(scene);
}

static void test_our_vservice_is_away(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 34);
    struct company *a = scene_company(scene, 'A');
    agent_publishes(scene_company(scene, 'B'), N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    agent_stop(a);
    scene_run(scene, 60000);
    assert_false(scene_saw(scene, "A connects", ""));
    assert_true(company_explains(a, N1, "waits until the call agent has published its VService here again"));
    company_shows(a, N1);
    agent_start(a);
    scene_expect(scene, 20000, "A pool.credited", "fill=12");
    scene_free(scene);
}

/* The far server is down: neither success nor failure. */
static void test_the_far_server_is_down(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 35);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    agent_publishes(b, N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    company_crash(b);
    scene_run(scene, 25000);
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "waiting");
    assert_false(scene_saw(scene, "A pool.penalty", ""));
    company_shows(a, N1);
    company_start(b);
    scene_expect(scene, 3 * SCENE_MINUTE, "A pool.credited", "fill=12");
    scene_free(scene);
}

static void test_routes_learned_while_the_agent_is_away(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 36);
    struct company *a = scene_company(scene, 'A');
    three_calls(scene);
    scene_expect_count(scene, 20000, "A connects", "", 3);
    agent_stop(a);
    scene_expect_count(scene, 10000, "A route.learned", "", 3);
    scene_run(scene, 60000);
    assert_int_equal(scene_count(scene, "A agent.told", ""), 0);
    assert_true(company_explains(a, N1, "waits for the call agent to subscribe"));
    company_shows(a, N1);
    company_stop(a); /* and they are kept over a restart */
    company_start(a);
    agent_start(a);
    scene_expect_count(scene, 20000, "A agent.told", "", 3);
    scene_run(scene, 1000);
    agent_stop(a);
    scene_run(scene, 1000);
    agent_start(a);
    scene_run(scene, 20000);
    assert_int_equal(scene_count(scene, "A agent.told", ""), 3); /* each once */
    scene_free(scene);
}

/* An agent that cannot keep a route now is told of it again. */
static void test_an_agent_refuses_a_route(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 37);
    struct company *a = scene_company(scene, 'A');
    a->agent.refuses = true;
    three_calls(scene);
    scene_expect_count(scene, 20000, "A agent.refuses", "", 3);
    scene_run(scene, 60000);
    assert_int_equal(scene_count(scene, "A agent.refuses", ""), 3);
    assert_int_equal(company_counter(a, "server.routes_refused_by_client"), 3);
    a->agent.refuses = false;
    scene_run(scene, 11 * SCENE_MINUTE);
    assert_int_equal(scene_count(scene, "A agent.told", ""), 3);
    scene_free(scene);
}

/* ---- spacing ---- */

static void test_a_number_rests_between_validations(void **state)
{
    (void)state;
    struct scene *scene = scene_new(3, 38);
    struct company *a = scene_company(scene, 'A');
    a->options.minimum_interval_ms = SCENE_HOUR;
    for (unsigned i = 1; i <= 3; i++) {
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
    scene_expect(scene, 20000, "C joined", "");
    agent_publishes(scene_company(scene, 'B'), N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1, .ended_ms = 300000});
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_expect(scene, 10000, "A pool.credited", "fill=12");
    scene_run(scene, 10000);
    assert_true(company_explains(a, N1, "the number was validated too recently"));
    company_stop(a); /* it goes on resting over a restart */
    company_start(a);
    scene_run(scene, SCENE_HOUR - 20000);
    assert_int_equal(scene_count(scene, "A numbers.found", ""), 1);
    assert_int_equal(scene_count(scene, "A validation.proved", ""), 1);
    scene_expect(scene, 60000, "A pool.credited", "fill=24");
    assert_int_equal(scene_count(scene, "A numbers.found", ""), 2);
    scene_free(scene);
}

/* An originator that does not let a number rest is stopped by the terminator. That proves nothing of either. */
static void test_the_terminator_lets_a_number_rest(void **state)
{
    (void)state;
    struct scene *scene = scene_new(3, 39);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    b->options.minimum_interval_ms = SCENE_HOUR;
    a->options.retry_ms = 20 * SCENE_MINUTE;
    for (unsigned i = 1; i <= 3; i++) {
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
    scene_expect(scene, 20000, "C joined", "");
    agent_publishes(b, N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1, .ended_ms = 300000});
    scene_expect(scene, 10000, "A pool.credited", "fill=12");
    scene_run(scene, 3 * SCENE_MINUTE); /* the window in which one validation makes its attempts is over */
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_run(scene, SCENE_MINUTE);
    assert_int_equal(company_counter(b, "pvp.refused_interval"), 1);
    assert_string_equal(company_vcr(b, N1, PVP_TERMINATING), "waiting");
    scene_expect(scene, 90 * SCENE_MINUTE, "A pool.credited", "fill=24");
    assert_false(scene_saw(scene, "A pool.penalty", ""));
    scene_free(scene);
}

/* ---- what is no claim ---- */

static void test_nobody_claims_the_number(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 40);
    struct company *a = scene_company(scene, 'A');
    scene_run(scene, 60000);
    scene_call(scene, &(struct call){.from = 'A', .calling = CALLER, .called = N1});
    scene_expect(scene, 10000, "A numbers.found", "claimants=0");
    scene_run(scene, 1000);
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "failed");
    assert_int_equal(company_counter(a, "server.validations_no_claimant"), 1);
    assert_true(company_explains(a, N1, "looked up: 0 claim this number"));
    scene_free(scene);
}

/* A ring that was joined just now may not be whole. */
static void test_nobody_claims_the_number_yet(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 43);
    struct company *a = scene_company(scene, 'A');
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_expect(scene, 10000, "A numbers.found", "claimants=0");
    scene_run(scene, 1000);
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "waiting");
    agent_publishes(scene_company(scene, 'B'), N1);
    scene_expect(scene, 70000, "A pool.credited", "fill=12");
    scene_free(scene);
}

static void test_short_calls_are_not_used(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 41);
    agent_publishes(scene_company(scene, 'B'), N1);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1, .lasted_ms = 9999});
    scene_run(scene, 60000);
    assert_false(scene_saw(scene, "A connects", ""));
    assert_string_equal(company_vcr(scene_company(scene, 'A'), N1, PVP_ORIGINATING), "too_short");
    scene_free(scene);
}

/* Records are not kept for ever: a finished one for a day, one of a received call as configured. */
static void test_records_expire(void **state)
{
    (void)state;
    struct scene *scene = scene_of(2, 42);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    scene_run(scene, 60000);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_run(scene, 23 * SCENE_HOUR);
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "failed");
    scene_run(scene, 2 * SCENE_HOUR);
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "none");
    assert_string_equal(company_vcr(b, N1, PVP_TERMINATING), "waiting");
    scene_run(scene, 24 * SCENE_HOUR);
    assert_string_equal(company_vcr(b, N1, PVP_TERMINATING), "none");
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proof_by_a),
        cmocka_unit_test(test_proof_by_b_after_a_lost_caller),
        cmocka_unit_test(test_a_call_without_a_caller_begins_with_b),
        cmocka_unit_test(test_times_apart_by_just_under_half_a_lattice),
        cmocka_unit_test(test_times_apart_by_just_over_half_a_lattice),
        cmocka_unit_test(test_servers_whose_clocks_are_wrong),
        cmocka_unit_test(test_two_calls_to_one_number_each_prove_themselves),
        cmocka_unit_test(test_the_third_proof_makes_routes),
        cmocka_unit_test(test_two_proofs_without_a_caller_are_not_enough_nor_three),
        cmocka_unit_test(test_a_false_claim_lands_in_the_penalty_box),
        cmocka_unit_test(test_a_failure_voids_what_was_proved),
        cmocka_unit_test(test_a_burnt_record),
        cmocka_unit_test(test_a_blacklisted_domain_is_refused),
        cmocka_unit_test(test_our_own_list_refuses_their_domain),
        cmocka_unit_test(test_the_far_vservice_is_away),
        cmocka_unit_test(test_our_vservice_is_away),
        cmocka_unit_test(test_the_far_server_is_down),
        cmocka_unit_test(test_routes_learned_while_the_agent_is_away),
        cmocka_unit_test(test_an_agent_refuses_a_route),
        cmocka_unit_test(test_a_number_rests_between_validations),
        cmocka_unit_test(test_the_terminator_lets_a_number_rest),
        cmocka_unit_test(test_nobody_claims_the_number),
        cmocka_unit_test(test_nobody_claims_the_number_yet),
        cmocka_unit_test(test_short_calls_are_not_used),
        cmocka_unit_test(test_records_expire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
