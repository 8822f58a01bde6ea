/* What imectl says of a call that may move, and moving it by hand. */
#include "ctl/request.h"
#include "fallback_scene.h"

#include <jansson.h>
#include <stdio.h>

#define OFFER "IME-Fallback: offered;number=" FALLBACK_NUMBER ";caller-id=5;return=30\r\n"

struct operator
{
    struct ctl_server server;
    struct ctl_session *session;
    json_t *answer;
};

static void ready(void *arg)
{
    (void)arg;
}

/* A command of ime-agent. Its result, or its error. */
static json_t *ask(struct operator* o, struct stage *s, const char *line)
{
    char storage[256];
    const char *words[CTL_WORDS_MAX], *file;
    struct ctl_args args;
    struct buf why, out;
    size_t n;
    buf_init(&why, 1000);
    buf_init(&out, 1000);
    assert_int_equal(ctl_split_line(line, storage, words, CTL_WORDS_MAX, &n), 0);
    assert_int_equal(ctl_args_from_words(&args, words, n, CTL_AGENT, &file, &why), 0);
    assert_int_equal(ctl_request_encode(1, &args, &out), 0);
    buf_u8(&out, '\n');
    agent_set_now(s->agent, s->now);
    assert_int_equal(ctl_session_input(o->session, buf_slice(&out)), 0);
    struct slice answer = ctl_session_output(o->session);
    json_decref(o->answer);
    o->answer = json_loadb((const char *)answer.p, answer.n, 0, NULL);
    ctl_session_sent(o->session, answer.n);
    ctl_args_fini(&args);
    buf_fini(&why);
    buf_fini(&out);
    stage_run(s, 0);
    json_t *result = json_object_get(o->answer, "result");
    return result ? result : json_object_get(o->answer, "error");
}

static const json_t *of_the_call(struct operator* o, struct stage *s, const char *key)
{
    const json_t *calls = json_object_get(ask(o, s, "agent calls"), "calls");
    assert_int_equal(json_array_size(calls), 1);
    return json_object_get(json_array_get(calls, 0), key);
}

static const char *call_says(struct operator* o, struct stage *s, const char *key)
{
    const char *text = json_string_value(of_the_call(o, s, key));
    return text ? text : "";
}

static void test_by_hand(void **state)
{
    struct stage *s = *state;
    struct operator o = {.answer = NULL};
    struct scene c = {.s = s};
    const char *words;
    assert_int_equal(ctl_server_init(&o.server, CTL_AGENT, agent_handlers, agent_handler_count, s->agent, &words), 0);
    o.session = ctl_session_new(&o.server, ready, NULL);
    talk_begin(s, &c.ann, PBX, "0302000001", &c.bob, FAR);
    talk_answer(&c.bob, 200, OFFER);
    talk_heard(&c.ann, "200");
    talk_ack(&c.ann);
    talk_asked(&c.bob, "ACK");
    assert_string_equal(call_says(&o, s, "fallback"), "direct");
    stage_run(s, 1500);
    assert_int_equal(json_integer_value(of_the_call(&o, s, "talk_ms")), 1500);
    assert_string_equal(call_says(&o, s, "fallback_number"), FALLBACK_NUMBER);
    assert_string_equal(json_string_value(json_object_get(ask(&o, s, "agent return " NUMBER), "code")), "wrong_state");
    assert_string_equal(json_string_value(json_object_get(ask(&o, s, "agent fallback +4999"), "code")), "not_found");

    words = json_string_value(json_object_get(ask(&o, s, "agent fallback " NUMBER), "message"));
    assert_non_null(strstr(words, "the phone network is being called for it"));
    scene_far_is_told(&c, "calling", NULL);
    talk_called(s, &c.carl, CARRIER_1);
    assert_string_equal(call_says(&o, s, "fallback"), "calling the phone network");
    assert_string_equal(json_string_value(json_object_get(ask(&o, s, "agent fallback " NUMBER), "code")),
                        "wrong_state");
    talk_answer(&c.carl, 200, NULL);
    talk_asked(&c.carl, "ACK");
    scene_far_says(&c, "joined");
    talk_heard(&c.bob, "200");
    scene_moves(&c.ann, "198.51.100.50");
    scene_moves(&c.carl, "10.0.0.7");
    assert_string_equal(call_says(&o, s, "fallback"), "phone network");
    assert_non_null(strstr(call_says(&o, s, "fallback_why"), "moved to the phone network"));
    assert_int_equal(
        json_integer_value(json_object_get(
            json_array_get(json_object_get(json_object_get(o.answer, "result"), "calls"), 0), "fallbacks")),
        1);

    talk_request(&c.ann, "BYE", NULL, NULL);
    talk_heard(&c.ann, "200");
    stage_run(s, 60000); /* nobody of the others says anything: it ends all the same */
    assert_string_equal(call_says(&o, s, "fallback"), "-");
    ctl_session_free(o.session);
    json_decref(o.answer);
}

/* Some numbers have a profile of their own. */
static int aggressive_setup(void **state)
{
    struct stage *s = scene_stage(30000, 0);
    struct agent_fallback_profile p;
    size_t group;
    agent_fallback_profile_init(&p);
    snprintf(p.name, sizeof p.name, "hotline");
    p.quality = AGENT_QUALITY_AGGRESSIVE;
    assert_int_equal(agent_enrolled_add_profile(s->enrolled, &p), 0);
    assert_int_equal(agent_enrolled_add_group(s->enrolled, "hotline", "hotline", &group), 0);
    assert_int_equal(agent_enrolled_add_pattern(s->enrolled, group, slice_str("+493010012XX")), 0);
    agent_stage_start(s);
    stage_learn(s, NUMBER, "b.example");
    *state = s;
    return 0;
}

/* The edge is told of the level of the number that calls: here that of its group, not of all other numbers. */
static void test_sensitivity_of_a_pattern(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, PBX, "0302000001", &bob, FAR);
    assert_slice_text(sip_field_named(&s->message, "X-IME-Sensitivity")->value, "5");
    talk_refuse(&ann, &bob, 486);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sensitivity_of_a_pattern, aggressive_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(test_by_hand, scene_setup, agent_stage_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
