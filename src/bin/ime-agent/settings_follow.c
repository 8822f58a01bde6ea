/* SIGHUP: which of the configuration may change while calls go on: who takes part, whom we trust, and how numbers are written. */
#include "settings.h"

#include "bin/daemon/follow.h"

/* Sections that may change as a whole. */
static const char *const free_sections[] = {"numbers", "fallback", "enrolled", "excluded", "trust"};

/* Keys that may change in the sections of PBXs and trunks. */
static const struct conf_key dialing_keys[] = {AGENT_CONF_DIALING_KEYS("")};

static bool may_change(const char *section, const char *key)
{
    for (size_t i = 0; i < sizeof free_sections / sizeof free_sections[0]; i++)
        if (strcmp(free_sections[i], section) == 0)
            return true;
    for (size_t i = 0; i < sizeof dialing_keys / sizeof dialing_keys[0]; i++)
        if (strcmp(dialing_keys[i].name, key) == 0)
            return strcmp(section, "pbx") == 0 || strcmp(section, "trunk") == 0;
    return strcmp(section, "agent") == 0 && strcmp(key, "log-level") == 0; /* the daemon sees to it */
}

bool settings_may_follow(const struct settings *now, const struct settings *next, const char **ret_key)
{
    return daemon_may_follow(&settings_table, now->conf, next->conf, may_change, ret_key);
}

void settings_follow(struct settings *now, struct settings *old, struct agent_options *used)
{
    struct agent_options from_file = now->agent;
    for (size_t i = 0; i < used->trunk_count; i++)
        used->trunks[i].plan = from_file.trunks[i].plan;
    used->shorts = from_file.shorts;
    /* The texts that are in use stay with the settings that stay. */
    now->agent = *used;
    old->agent = from_file;
}
