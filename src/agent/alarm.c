/* Alarms: logged once an hour for each subject, counted always, the last ones kept. */
#include "agent/alarm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum log_level level;
} alarms[] = {
#define ROW(name, text, level) {text, level},
    AGENT_ALARMS(ROW)
#undef ROW
};

const char *agent_alarm_name(enum agent_alarm alarm)
{
    return alarms[alarm].name;
}

enum log_level agent_alarm_level(enum agent_alarm alarm)
{
    return alarms[alarm].level;
}

void agent_alarms_init(struct agent_alarms *a, const struct log *log)
{
    *a = (struct agent_alarms){.log = log};
}

/* One that rang about the same a short while ago. */
static struct agent_alarm_entry *find_recent(struct agent_alarms *a, struct now now, enum agent_alarm alarm,
                                             const char *subject)
{
    for (size_t i = 0; i < a->count; i++) {
        struct agent_alarm_entry *e = &a->kept[i];
        if (e->alarm == alarm && now.wall.ms - e->first_at.ms < AGENT_ALARM_QUIET_MS &&
            strncmp(e->subject, subject, sizeof e->subject - 1) == 0)
            return e;
    }
    return NULL;
}

static struct agent_alarm_entry *take_place(struct agent_alarms *a)
{
    struct agent_alarm_entry *e = &a->kept[a->next];
    a->next = (a->next + 1) % AGENT_ALARMS_KEPT;
    if (a->count < AGENT_ALARMS_KEPT)
        a->count++;
    return e;
}

void agent_alarm_raise(struct agent_alarms *a, struct now now, enum agent_alarm alarm, const char *subject,
                       const char *format, ...)
{
    struct agent_alarm_entry *e = find_recent(a, now, alarm, subject);
    bool again = e != NULL;
    va_list args;
    a->counts[alarm]++;
    if (!again) {
        e = take_place(a);
        *e = (struct agent_alarm_entry){.alarm = alarm, .first_at = now.wall};
        snprintf(e->subject, sizeof e->subject, "%s", subject);
    }
    e->times++;
    e->last_at = now.wall;
    va_start(args, format);
    vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    log_event(a->log, again ? LEVEL_DEBUG : agent_alarm_level(alarm), "agent.alarm",
              "alarm=%s subject=\"%s\" text=\"%s\"", agent_alarm_name(alarm), e->subject, e->text);
}

const struct agent_alarm_entry *agent_alarm_at(const struct agent_alarms *a, size_t i)
{
    if (i >= a->count)
        return NULL;
    return &a->kept[(a->next + AGENT_ALARMS_KEPT - 1 - i) % AGENT_ALARMS_KEPT];
}
