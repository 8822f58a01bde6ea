/* IMEQualityAlertEntry and Exit: so many of the direct calls are not where they should be that the network is to blame, not a call. */
#include "agent/fallback_private.h"

#define ALERT_CALLS_MIN 4 /* with fewer calls one bad line would ring */

static void tell(struct agent *a, enum agent_alarm alarm)
{
    const struct agent_counters *n = &a->counters;
    agent_alarm_raise(a->parts.alarms, a->now, alarm, "",
                      "%zu of %zu calls have left the Internet (%llu moved so far, %llu set up, %llu failed to move)",
                      a->away_count, a->fallback_count, (unsigned long long)n->fallbacks_moved,
                      (unsigned long long)n->CallsSetup, (unsigned long long)n->fallbacks_failed);
}

void fallback_alert(struct agent *a)
{
    const size_t calls = a->fallback_count, away = a->away_count;
    if (!a->parts.alarms)
        return;
    if (!a->quality_rings && away >= ALERT_CALLS_MIN && 4 * away >= calls) {
        a->quality_rings = true;
        tell(a, AGENT_ALARM_QUALITY_ENTRY);
    } else if (a->quality_rings && (8 * away <= calls || !away)) {
        a->quality_rings = false;
        agent_alarm_clear(a->parts.alarms, a->now, AGENT_ALARM_QUALITY_ENTRY, NULL);
        tell(a, AGENT_ALARM_QUALITY_EXIT);
    }
}
