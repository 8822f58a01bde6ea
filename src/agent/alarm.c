/* Alarms: logged once an hour for each subject, counted always, the last ones kept. */
#include "agent/alarm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum log_level level;
    enum agent_alarm_kind kind;
    const char *remedy;
} alarms[] = {
#define ROW(name, text, level, kind, remedy) {text, level, AGENT_ALARM_##kind, remedy},
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

enum agent_alarm_kind agent_alarm_kind(enum agent_alarm alarm)
{
    return alarms[alarm].kind;
}

const char *agent_alarm_remedy(enum agent_alarm alarm)
{
    return alarms[alarm].remedy;
}

bool agent_alarm_rings(const struct agent_alarm_entry *e)
{
    return agent_alarm_kind(e->alarm) == AGENT_ALARM_STATE && !e->cleared_at.ms;
}

void agent_alarms_init(struct agent_alarms *a, const struct log *log)
{
    *a = (struct agent_alarms){.log = log};
    list_init(&a->kept);
}

static bool is_about(const struct agent_alarm_entry *e, enum agent_alarm alarm, const char *subject)
{
    return e->alarm == alarm && strncmp(e->subject, subject, sizeof e->subject - 1) == 0;
}

/* One that rings about the same, or an event of which the last one was told a short while ago. */
static struct agent_alarm_entry *find_known(struct agent_alarms *a, struct now now, enum agent_alarm alarm,
                                            const char *subject)
{
    LIST_EACH(it, &a->kept) {
        struct agent_alarm_entry *e = CONTAINER_OF(it, struct agent_alarm_entry, link);
        bool recent =
            agent_alarm_kind(alarm) == AGENT_ALARM_EVENT && now.wall.ms - e->first_at.ms < AGENT_ALARM_QUIET_MS;
        if (is_about(e, alarm, subject) && (recent || agent_alarm_rings(e)))
            return e;
    }
    return NULL;
}

/* The oldest one that does not ring gives way. */
static struct agent_alarm_entry *take_place(struct agent_alarms *a)
{
    struct list *place = a->kept.next;
    if (a->count < AGENT_ALARMS_KEPT)
        return &a->entries[a->count++];
    for (struct list *it = a->kept.next; it != &a->kept; it = it->next) {
        if (!agent_alarm_rings(CONTAINER_OF(it, struct agent_alarm_entry, link))) {
            place = it;
            break;
        }
    }
    struct agent_alarm_entry *e = CONTAINER_OF(place, struct agent_alarm_entry, link);
    a->ringing -= agent_alarm_rings(e);
    list_remove(place);
    return e;
}

static struct agent_alarm_entry *add(struct agent_alarms *a, struct now now, enum agent_alarm alarm,
                                     const char *subject)
{
    struct agent_alarm_entry *e = take_place(a);
    *e = (struct agent_alarm_entry){.alarm = alarm, .first_at = now.wall};
    snprintf(e->subject, sizeof e->subject, "%s", subject);
    list_append(&a->kept, &e->link);
    a->ringing += agent_alarm_rings(e);
    return e;
}

void agent_alarm_raise(struct agent_alarms *a, struct now now, enum agent_alarm alarm, const char *subject,
                       const char *format, ...)
{
    struct agent_alarm_entry *e = find_known(a, now, alarm, subject);
    bool again = e && now.wall.ms - e->logged_at.ms < AGENT_ALARM_QUIET_MS;
    va_list args;
    a->counts[alarm]++;
    if (!e)
        e = add(a, now, alarm, subject);
    e->times++;
    e->last_at = now.wall;
    if (!again)
        e->logged_at = now.wall;
    va_start(args, format);
    vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    log_event(a->log, again ? LEVEL_DEBUG : agent_alarm_level(alarm), "agent.alarm",
              "alarm=%s subject=\"%s\" text=\"%s\"", agent_alarm_name(alarm), e->subject, e->text);
}

void agent_alarm_clear(struct agent_alarms *a, struct now now, enum agent_alarm alarm, const char *subject)
{
    if (!a->ringing)
        return;
    LIST_EACH(it, &a->kept) {
        struct agent_alarm_entry *e = CONTAINER_OF(it, struct agent_alarm_entry, link);
        if (e->alarm != alarm || !agent_alarm_rings(e) || (subject && !is_about(e, alarm, subject)))
            continue;
        e->cleared_at = now.wall;
        a->ringing--;
        log_event(a->log, LEVEL_NOTICE, "agent.alarm.cleared", "alarm=%s subject=\"%s\"", agent_alarm_name(alarm),
                  e->subject);
    }
}

const struct agent_alarm_entry *agent_alarm_at(const struct agent_alarms *a, size_t i)
{
    for (unsigned ringing = 2; ringing-- > 0;) {
        for (const struct list *it = a->kept.prev; it != &a->kept; it = it->prev) {
            const struct agent_alarm_entry *e = CONTAINER_OF(it, struct agent_alarm_entry, link);
            if (agent_alarm_rings(e) == (ringing == 1) && i-- == 0)
                return e;
        }
    }
    return NULL;
}
