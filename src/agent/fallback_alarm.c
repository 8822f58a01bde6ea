/* IMEQualityAlertEntry and Exit: so many of the direct calls are not where they should be that the network is to blame, not a call. */
#include "agent/fallback_private.h"

#define ALERT_CALLS_MIN 4 /* with fewer calls one bad line would ring */

void fallback_alert(struct agent *a)
{
    const size_t calls = a->fallback_count, away = a->away_count;
    if (!a->parts.alarms)
        return;
    const struct agent_counters *n = &a->counters;
    if (!a->quality_rings && away >= ALERT_CALLS_MIN && 4 * away >= calls) {
        a->quality_rings = true;
        agent_alarm_raise(
            a->parts.alarms, a->now, AGENT_ALARM_QUALITY_ENTRY, "",
            "%zu of %zu calls have left the Internet (%llu moved so far, %llu set up, %llu failed to move)", away,
            calls, (unsigned long long)n->fallbacks_moved, (unsigned long long)n->CallsSetup,
            (unsigned long long)n->fallbacks_failed);
    } else if (a->quality_rings && (8 * away <= calls || !away)) {
        a->quality_rings = false;
        agent_alarm_clear(a->parts.alarms, a->now, AGENT_ALARM_QUALITY_ENTRY, NULL);
        agent_alarm_raise(a->parts.alarms, a->now, AGENT_ALARM_QUALITY_EXIT, "",
                          "%zu of %zu calls are off the Internet", away, calls);
    }
}
