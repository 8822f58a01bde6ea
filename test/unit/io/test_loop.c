/* Turns: the order of stages, tasks that post tasks, timers that are never early, signals. */
#include "base/err.h"
#include "io/loop.h"
#include "testing.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct trace {
    struct loop *loop;
    char text[256];
    struct loop_task tasks[4];
    struct loop_timer *timer;
    struct mono deadline;
    unsigned calls;
};

static int set_up(void **state)
{
    struct trace *trace = calloc(1, sizeof *trace);
    assert_int_equal(loop_new(&trace->loop), 0);
    *state = trace;
    return 0;
}

static int tear_down(void **state)
{
    struct trace *trace = *state;
    loop_timer_free(trace->timer);
    loop_free(trace->loop);
    free(trace);
    return 0;
}

static void note(struct trace *trace, const char *what)
{
    strncat(trace->text, what, sizeof trace->text - strlen(trace->text) - 1);
}

static void flush(void *arg)
{
    note(arg, "flush ");
}

static void commit(void *arg)
{
    struct trace *trace = arg;
    note(trace, "commit ");
    loop_post(trace->loop, &trace->tasks[2], LOOP_STAGE_FLUSH);
}

static void work(void *arg)
{
    struct trace *trace = arg;
    note(trace, "work ");
    loop_post(trace->loop, &trace->tasks[1], LOOP_STAGE_COMMIT);
    loop_post(trace->loop, &trace->tasks[1], LOOP_STAGE_COMMIT);
}

static void test_stages_in_one_turn(void **state)
{
    struct trace *trace = *state;
    loop_task_init(&trace->tasks[0], work, trace);
    loop_task_init(&trace->tasks[1], commit, trace);
    loop_task_init(&trace->tasks[2], flush, trace);
    loop_post(trace->loop, &trace->tasks[0], LOOP_STAGE_WORK);
    assert_int_equal(loop_turn(trace->loop, true), 0);
    assert_string_equal(trace->text, "work commit flush ");
}

static void work_again(void *arg)
{
    struct trace *trace = arg;
    note(trace, "again ");
    if (++trace->calls < 3)
        loop_post(trace->loop, &trace->tasks[0], LOOP_STAGE_WORK);
}

static void test_posted_to_a_running_stage_is_next_turn(void **state)
{
    struct trace *trace = *state;
    loop_task_init(&trace->tasks[0], work_again, trace);
    loop_task_init(&trace->tasks[2], flush, trace);
    loop_post(trace->loop, &trace->tasks[0], LOOP_STAGE_WORK);
    loop_post(trace->loop, &trace->tasks[2], LOOP_STAGE_FLUSH);
    /* None of these turns may wait: nothing would ever wake them. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(loop_turn(trace->loop, true), 0);
    assert_string_equal(trace->text, "again flush again again ");
}

static void cancel_the_next(void *arg)
{
    struct trace *trace = arg;
    note(trace, "first ");
    loop_task_cancel(&trace->tasks[1]);
}

static void test_cancel_within_a_stage(void **state)
{
    struct trace *trace = *state;
    loop_task_init(&trace->tasks[0], cancel_the_next, trace);
    loop_task_init(&trace->tasks[1], commit, trace);
    loop_task_init(&trace->tasks[2], flush, trace);
    for (int i = 0; i < 3; i++)
        loop_post(trace->loop, &trace->tasks[i], LOOP_STAGE_WORK);
    assert_int_equal(loop_turn(trace->loop, true), 0);
    assert_string_equal(trace->text, "first flush ");
}

static void timer_due(void *arg)
{
    struct trace *trace = arg;
    trace->calls++;
    assert_true(mono_due(trace->deadline, loop_now(trace->loop).mono));
    if (trace->calls < 20) {
        trace->deadline = mono_after_us(loop_now(trace->loop).mono, 700 * trace->calls);
        loop_timer_set(trace->timer, trace->deadline);
    } else {
        loop_stop(trace->loop, 5);
    }
}

static void test_timer_is_never_early(void **state)
{
    struct trace *trace = *state;
    assert_int_equal(loop_timer_new(trace->loop, timer_due, trace, &trace->timer), 0);
    trace->deadline = mono_after_us(loop_now(trace->loop).mono, -1000); /* long due */
    loop_timer_set(trace->timer, trace->deadline);
    assert_int_equal(loop_run(trace->loop), 5);
    assert_int_equal(trace->calls, 20);
}

static void test_disarmed_timer(void **state)
{
    struct trace *trace = *state;
    assert_int_equal(loop_timer_new(trace->loop, timer_due, trace, &trace->timer), 0);
    loop_timer_set(trace->timer, loop_now(trace->loop).mono);
    loop_timer_set(trace->timer, MONO_NEVER);
    for (int i = 0; i < 5; i++)
        assert_int_equal(loop_turn(trace->loop, false), 0);
    assert_int_equal(trace->calls, 0);
}

static void test_time_stands_still_in_a_turn(void **state)
{
    struct trace *trace = *state;
    struct now first = loop_now(trace->loop);
    assert_true(first.wall.ms > INT64_C(1700000000000));
    for (int i = 0; i < 100000; i++)
        assert_int_equal(loop_now(trace->loop).mono.us, first.mono.us);
    assert_int_equal(loop_turn(trace->loop, false), 0);
    assert_true(loop_now(trace->loop).mono.us > first.mono.us);
}

static void signaled(void *arg, int number)
{
    struct trace *trace = arg;
    note(trace, number == SIGHUP ? "hup " : "other ");
    if (++trace->calls == 2)
        loop_stop(trace->loop, 0);
}

static void test_signals(void **state)
{
    struct trace *trace = *state;
    assert_int_equal(loop_on_signal(trace->loop, SIGHUP, signaled, trace), 0);
    assert_int_equal(loop_on_signal(trace->loop, SIGTERM, signaled, trace), 0);
    assert_int_equal(raise(SIGHUP), 0);
    assert_int_equal(loop_turn(trace->loop, true), 0);
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(loop_run(trace->loop), 0);
    assert_string_equal(trace->text, "hup other ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stages_in_one_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_posted_to_a_running_stage_is_next_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_within_a_stage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timer_is_never_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_disarmed_timer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time_stands_still_in_a_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signals, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
