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
    assert_true(strcmp(event, "agent.alarm") == 0 || strcmp(event, "agent.alarm.cleared") == 0);
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

static void clear_at(int64_t ms, enum agent_alarm alarm, const char *subject)
{
    struct now now = {{ms * 1000}, {1767225600000 + ms}};
    agent_alarm_clear(&alarms, now, alarm, subject);
}

static void test_a_state_rings_until_it_is_over(void **state)
{
    char subject[32];
    (void)state;
    clear_at(0, AGENT_ALARM_TCP_SETUP_FAILED, "ime1"); /* it does not ring */
    raise_at(1000, AGENT_ALARM_TCP_SETUP_FAILED, "ime1");
    raise_at(2000, AGENT_ALARM_TCP_SETUP_FAILED, "ime2");
    assert_int_equal(alarms.ringing, 2);
    for (unsigned i = 0; i < 3 * AGENT_ALARMS_KEPT; i++) { /* events do not push it out, nor stand before it */
        snprintf(subject, sizeof subject, "+4930%u", i);
        raise_at(3000 + i, AGENT_ALARM_ROUTE_REMOVED, subject);
    }
    assert_string_equal(agent_alarm_at(&alarms, 0)->subject, "ime2");
    assert_string_equal(agent_alarm_at(&alarms, 1)->subject, "ime1");
    assert_int_equal(agent_alarm_at(&alarms, 2)->alarm, AGENT_ALARM_ROUTE_REMOVED);
    raise_at(5 * AGENT_ALARM_QUIET_MS, AGENT_ALARM_TCP_SETUP_FAILED, "ime1"); /* the same, told again after hours */
    assert_int_equal(agent_alarm_at(&alarms, 1)->times, 2);
    assert_int_equal(agent_alarm_at(&alarms, 1)->first_at.ms, 1767225600000 + 1000);
    loud = 0;
    clear_at(6 * AGENT_ALARM_QUIET_MS, AGENT_ALARM_TCP_SETUP_FAILED, "ime1");
    clear_at(6 * AGENT_ALARM_QUIET_MS, AGENT_ALARM_TLS_CONNECTION_FAILED, NULL);
    assert_int_equal(loud, 1);
    assert_string_equal(last, "alarm=TCPSetupToIMEFailed subject=\"ime1\"");
    assert_int_equal(alarms.ringing, 1);
    assert_false(agent_alarm_rings(agent_alarm_at(&alarms, AGENT_ALARMS_KEPT - 1)));
    raise_at(6 * AGENT_ALARM_QUIET_MS + 1, AGENT_ALARM_TCP_SETUP_FAILED, "ime1"); /* a new one */
    assert_int_equal(agent_alarm_at(&alarms, 0)->times, 1);
    assert_int_equal(loud, 2);
    clear_at(6 * AGENT_ALARM_QUIET_MS + 2, AGENT_ALARM_TCP_SETUP_FAILED, NULL);
    assert_int_equal(alarms.ringing, 0);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AGENT_ALARM_KINDS; i++) {
        assert_true(agent_alarm_name((enum agent_alarm)i)[0] != 0);
        assert_true(strlen(agent_alarm_remedy((enum agent_alarm)i)) > 10);
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
        cmocka_unit_test_setup(test_a_state_rings_until_it_is_over, setup),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
