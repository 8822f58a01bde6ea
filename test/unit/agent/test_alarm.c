/* Alarms: counted always, logged once an hour for each subject, the last ones kept. */
#include "agent/alarm.h"
#include "testing.h"

#include <stdio.h>

static struct agent_alarms alarms;
static unsigned loud, quiet;
static char last[512];

static void write_line(void *ctx, enum log_level level, const char *event, const char *text)
{
    (void)ctx;
    assert_string_equal(event, "agent.alarm");
    *(level == LEVEL_DEBUG ? &quiet : &loud) += 1;
    snprintf(last, sizeof last, "%s", text);
}

static const struct log the_log = {write_line, NULL, LEVEL_DEBUG};

static int setup(void **state)
{
    (void)state;
    loud = quiet = 0;
    agent_alarms_init(&alarms, &the_log);
    return 0;
}

static void raise_at(int64_t ms, enum agent_alarm alarm, const char *subject)
{
    struct now now = {{ms * 1000}, {1767225600000 + ms}};
    agent_alarm_raise(&alarms, now, alarm, subject, "at %lld", (long long)ms);
}

static void test_the_same_again_is_only_counted(void **state)
{
    (void)state;
    raise_at(0, AGENT_ALARM_RING_INACTIVE, "ime1");
    raise_at(1000, AGENT_ALARM_RING_INACTIVE, "ime1");
    raise_at(2000, AGENT_ALARM_RING_INACTIVE, "ime2");
    raise_at(3000, AGENT_ALARM_OVER_QUOTA, "ime1");
    assert_int_equal(loud, 3);
    assert_int_equal(quiet, 1);
    assert_int_equal(alarms.counts[AGENT_ALARM_RING_INACTIVE], 3);
    const struct agent_alarm_entry *e = agent_alarm_at(&alarms, 2);
    assert_int_equal(e->times, 2);
    assert_string_equal(e->subject, "ime1");
    assert_string_equal(e->text, "at 1000");
    assert_int_equal(e->last_at.ms - e->first_at.ms, 1000);
    assert_int_equal(agent_alarm_at(&alarms, 0)->alarm, AGENT_ALARM_OVER_QUOTA);
    assert_null(agent_alarm_at(&alarms, 3));
    assert_string_equal(last, "alarm=IMEOverQuota subject=\"ime1\" text=\"at 3000\"");
    raise_at(AGENT_ALARM_QUIET_MS, AGENT_ALARM_RING_INACTIVE, "ime1"); /* after an hour it is told again */
    assert_int_equal(loud, 4);
}

static void test_the_last_ones_are_kept(void **state)
{
    char subject[400];
    (void)state;
    for (unsigned i = 0; i < 3 * AGENT_ALARMS_KEPT; i++) {
        snprintf(subject, sizeof subject, "+4930%u", i);
        raise_at(i, AGENT_ALARM_ROUTE_REMOVED, subject);
    }
    for (unsigned i = 0; i < AGENT_ALARMS_KEPT; i++) {
        snprintf(subject, sizeof subject, "+4930%u", 3 * AGENT_ALARMS_KEPT - 1 - i);
        assert_string_equal(agent_alarm_at(&alarms, i)->subject, subject);
    }
    assert_null(agent_alarm_at(&alarms, AGENT_ALARMS_KEPT));
    assert_int_equal(alarms.counts[AGENT_ALARM_ROUTE_REMOVED], 3 * AGENT_ALARMS_KEPT);
    /* Long subjects are cut, and still the same. */
    memset(subject, 'x', sizeof subject - 1);
    subject[sizeof subject - 1] = 0;
    raise_at(0, AGENT_ALARM_PUBLISH_FAILED, subject);
    raise_at(1, AGENT_ALARM_PUBLISH_FAILED, subject);
    assert_int_equal(agent_alarm_at(&alarms, 0)->times, 2);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AGENT_ALARM_KINDS; i++) {
        assert_true(agent_alarm_name((enum agent_alarm)i)[0] != 0);
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(agent_alarm_name((enum agent_alarm)i), agent_alarm_name((enum agent_alarm)k));
    }
    assert_string_equal(agent_alarm_name(AGENT_ALARM_ROUTE_NOT_STORED), "DbInsertValidatedDIDFailure");
    assert_int_equal(agent_alarm_level(AGENT_ALARM_INVALID_CREDENTIALS), LEVEL_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_same_again_is_only_counted, setup),
        cmocka_unit_test_setup(test_the_last_ones_are_kept, setup),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
