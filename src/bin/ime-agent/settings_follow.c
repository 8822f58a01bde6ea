/* SIGHUP: which of the configuration may change while calls go on: who takes part, whom we trust, and how numbers are written. */
#include "settings.h"

#include "base/text.h"

#include <stdio.h>

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

static bool is_same(const struct conf_group *a, const struct conf_group *b, const struct conf_key *key)
{
    if (conf_has(a, key->name) != conf_has(b, key->name))
        return false;
    if (!conf_has(a, key->name))
        return true;
    if (!(key->flags & CONF_LIST))
        return strcmp(conf_text(a, key->name), conf_text(b, key->name)) == 0;
    size_t n = conf_count(a, key->name);
    if (n != conf_count(b, key->name))
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(conf_text_at(a, key->name, i), conf_text_at(b, key->name, i)) != 0)
            return false;
    return true;
}

/* The first key of a section that differs and must not; NULL: none. */
static const struct conf_key *changed_key(const struct conf_section *section, const struct conf_group *a,
                                          const struct conf_group *b)
{
    for (size_t i = 0; i < settings_table.key_count; i++) {
        const struct conf_key *key = &settings_table.keys[i];
        if (strcmp(key->section, section->name) == 0 && !may_change(key->section, key->name) && !is_same(a, b, key))
            return key;
    }
    return NULL;
}

/* The same for all sections of a name; in a row, since their order counts. */
static bool has_changed(const struct conf_section *section, const struct conf *a, const struct conf *b, char *why,
                        size_t octets)
{
    const struct conf_group *x = section->named ? conf_next(a, section->name, NULL) : conf_section(a, section->name);
    const struct conf_group *y = section->named ? conf_next(b, section->name, NULL) : conf_section(b, section->name);
    while (x && y) {
        const struct conf_key *key = changed_key(section, x, y);
        if (section->named && strcmp(conf_group_name(x), conf_group_name(y)) != 0) {
            snprintf(why, octets, "which sections [%s …] there are", section->name);
            return true;
        }
        if (key) {
            snprintf(why, octets, "%s of [%s%s%s]", key->name, section->name, section->named ? " " : "",
                     section->named ? conf_group_name(x) : "");
            return true;
        }
        x = section->named ? conf_next(a, section->name, x) : NULL;
        y = section->named ? conf_next(b, section->name, y) : NULL;
    }
    if (x || y)
        snprintf(why, octets, "how many sections [%s …] there are", section->name);
    return x || y;
}

bool settings_may_follow(const struct settings *now, const struct settings *next, const char **ret_key)
{
    static char why[160];
    for (size_t i = 0; i < settings_table.section_count; i++) {
        const struct conf_section *section = &settings_table.sections[i];
        if (!may_change(section->name, "") && has_changed(section, now->conf, next->conf, why, sizeof why)) {
            *ret_key = why;
            return false;
        }
    }
    return true;
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
