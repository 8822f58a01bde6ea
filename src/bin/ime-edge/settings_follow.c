/* SIGHUP: which of the configuration may change while calls go on. */
#include "bin/daemon/follow.h"
#include "settings.h"

#include <string.h>

static const struct {
    const char *section, *key; /* NULL: all of it */
} free_keys[] = {
    {"agent", NULL},
    {"tls", NULL},
    {"quality", NULL},
    {"level", NULL},
    {"edge", "log-level"}, /* the daemon sees to it */
    {"edge", "ring-timeout"},
    {"edge", "idle-check"},
    {"edge", "trunk-idle"},
    {"edge", "agent-retry"},
    {"inside", "networks"},
    {"inside", "certificate"},
    {"inside", "key"},
    {"inside", "ca"},
    {"outside", "networks"},
    {"outside", "private"},
    {"domain", "certificate"},
    {"domain", "key"},
    {"server", "stale-after"},
    {"media", "suites"},
    {"media", "inside-srtp"},
    {"media", "t38"},
    {"media", "silence"},
    {"limits", "calls-per-domain"},
    {"limits", "requests-per-second"},
    {"limits", "late"},
};

static bool may_change(const char *section, const char *key)
{
    for (size_t i = 0; i < sizeof free_keys / sizeof free_keys[0]; i++)
        if (strcmp(free_keys[i].section, section) == 0 && (!free_keys[i].key || strcmp(free_keys[i].key, key) == 0))
            return true;
    return false;
}

bool settings_may_follow(const struct settings *now, const struct settings *next, const char **ret_key)
{
    return daemon_may_follow(&settings_table, now->conf, next->conf, may_change, ret_key);
}
