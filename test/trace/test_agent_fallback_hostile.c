/* A far company, or a phone network, that makes calls move against our will: what it may cost us is bounded. */
#include "fallback_scene.h"

#include <stdio.h>
#include <string.h>

#define OFFER "IME-Fallback: offered;number=" FALLBACK_NUMBER ";caller-id=5\r\n"
#define OFFER_RETURN "IME-Fallback: offered;number=" FALLBACK_NUMBER ";caller-id=5;return=30\r\n"

static struct scene direct(struct stage *s, const char *offer)
{
    struct scene c = {.s = s};
    talk_begin(s, &c.ann, PBX, "0302000001", &c.bob, FAR);
    talk_answer(&c.bob, 200, offer);
    talk_heard(&c.ann, "200");
    talk_ack(&c.ann);
    talk_asked(&c.bob, "ACK");
    return c;
}

/* A company that is called does not say whom we call abroad, at a price that we do not pay, or in our own house. */
static void strange_numbers(void **state)
{
    static const char *const numbers[] = {"+4930200000",  "+43900123456", "+8821234567",      "+35212345",
                                          "+12025550100", OUR_NUMBER,     OUR_FALLBACK_NUMBER};
    struct stage *s = *state;
    assert_int_equal(agent_trust_add_prefix(s->enrolled, slice_str("+49900!"), false), 0);
    for (unsigned i = 0; i < 1 + sizeof numbers / sizeof *numbers; i++) {
        struct scene c = {.s = s};
        char offer[128];
        snprintf(offer, sizeof offer, "IME-Fallback: offered;number=%s\r\n",
                 i < sizeof numbers / sizeof *numbers ? numbers[i] : "+49900555");
        talk_begin(s, &c.ann, PBX, "0302000001", &c.bob, FAR);
        talk_answer(&c.bob, 200, offer);
        talk_heard(&c.ann, "200");
        talk_ack(&c.ann);
        talk_asked(&c.bob, "ACK");
        scene_quality(&c, "bad;loss=0.2");
        talk_heard(&c.bob, "202");
        if (i == 0) {
            scene_far_is_told(&c, "calling", NULL);
            talk_called(s, &c.carl, CARRIER_1);
            talk_answer(&c.carl, 486, NULL);
            talk_asked(&c.carl, "ACK");
            talk_called(s, &c.carl, CARRIER_2);
            talk_answer(&c.carl, 486, NULL);
            talk_asked(&c.carl, "ACK");
            scene_far_is_told(&c, "failed;cause=132", NULL);
        }
        stage_quiet(s); /* nobody else is called */
        scene_hang_up(&c, &c.ann, &c.bob, NULL);
        scene_is_over(&c);
    }
    assert_int_equal(agent_counters(s->agent)->fallback_numbers_refused, 7);
}

static void try_fails(struct scene *c)
{
    scene_far_is_told(c, "calling", NULL);
    talk_called(c->s, &c->carl, CARRIER_1);
    talk_answer(&c->carl, 404, "Reason: X-IME ;cause=133\r\n");
    talk_asked(&c->carl, "ACK");
    scene_far_is_told(c, "failed;cause=133", NULL);
}

static void wants(struct scene *c, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        scene_far_says(c, i % 2 ? "quality;good" : "wanted;why=quality");
        talk_heard(&c->bob, "200");
    }
}

/* It wants the phone network again and again, and refuses each call: we call no more often than for a bad line of our own. */
static void wants_all_the_time(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    int64_t wait_ms = 10000;
    wants(&c, 1);
    for (unsigned try = 0; try < 5; try++) {
        try_fails(&c);
        wants(&c, 7);
        stage_run(s, wait_ms - 1);
        stage_quiet(s);
        stage_run(s, 1);
        wait_ms *= 2;
    }
    try_fails(&c);
    scene_quality(&c, "bad;why=gone"); /* our own edge says that it is more than bad: that does not wait */
    talk_heard(&c.bob, "202");
    try_fails(&c);
    scene_hang_up(&c, &c.ann, &c.bob, NULL);
    scene_is_over(&c);
}

/* Words without an end: after sixty within a minute it is heard no longer, and the call goes on. */
static void talks_too_much(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    for (unsigned i = 0; i < 100; i++) {
        scene_far_says(&c, "quality;good");
        talk_heard(&c.bob, i < 60 ? "200" : "503");
    }
    stage_run(s, 60000);
    wants(&c, 1);
    try_fails(&c);
    scene_hang_up(&c, &c.ann, &c.bob, NULL);
    scene_is_over(&c);
}

static void moves_there(struct scene *c, bool returns)
{
    scene_far_is_told(c, "calling", NULL);
    talk_called(c->s, &c->carl, CARRIER_1);
    talk_answer(&c->carl, 200, NULL);
    talk_asked(&c->carl, "ACK");
    scene_far_says(c, "joined");
    talk_heard(&c->bob, "200");
    scene_moves(&c->ann, "c=IN IP4 198.51.100.50");
    scene_moves(&c->carl, "c=IN IP4 10.0.0.7");
    if (returns) {
        talk_asked(&c->bob, "INVITE");
        assert_slice_text(sip_field_named(&c->s->message, "IME-Fallback")->value, "kept");
        talk_answer(&c->bob, 200, NULL);
        talk_asked(&c->bob, "ACK");
    }
}

/* The phones speak by the direct way again. */
static void is_forced_back(struct scene *c, bool returns)
{
    if (!returns) {
        scene_moves(&c->ann, "c=IN IP4 203.0.113.77");
        return;
    }
    talk_asked(&c->ann, "INVITE");
    talk_answer(&c->ann, 200, NULL);
    scene_told(&c->bob, "m=audio 4000 ", "m=video 4002 ");
    talk_answer(&c->bob, 200, NULL);
    talk_asked(&c->bob, "ACK");
    talk_asked(&c->ann, "ACK");
}

/* A carrier that takes each move and drops the call right after it: the phones do not go to and fro every ten seconds for as long as the line is bad. */
static void moves_do_not_last(struct stage *s, bool returns)
{
    struct scene c = direct(s, returns ? OFFER_RETURN : OFFER);
    int64_t wait_ms = 10000;
    scene_quality(&c, "bad;loss=0.2");
    talk_heard(&c.bob, "202");
    for (unsigned try = 0; try < 4; try++) {
        moves_there(&c, returns);
        talk_request(&c.carl, "BYE", NULL, NULL);
        talk_heard(&c.carl, "200");
        scene_far_is_told(&c, "failed;cause=132", NULL);
        is_forced_back(&c, returns);
        stage_run(s, wait_ms - 1);
        stage_quiet(s);
        stage_run(s, 1);
        wait_ms *= 2;
    }
    moves_there(&c, returns);
    scene_hang_up(&c, &c.ann, &c.carl, &c.bob);
    scene_is_over(&c);
}

static void moves_do_not_last_without_return(void **state)
{
    moves_do_not_last(*state, false);
}

static void moves_do_not_last_with_return(void **state)
{
    moves_do_not_last(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(strange_numbers, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(wants_all_the_time, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(talks_too_much, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(moves_do_not_last_without_return, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(moves_do_not_last_with_return, scene_setup, agent_stage_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
