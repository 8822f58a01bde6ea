/* What is different between two configurations, and must not be. */
#include "bin/daemon/follow.h"

#include <stdio.h>

struct comparison {
    const struct conf_table *table;
    const struct conf *now, *next;
    daemon_may_change_fn *may_change;
};

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
static const struct conf_key *changed_key(const struct comparison *c, const struct conf_section *section,
                                          const struct conf_group *a, const struct conf_group *b)
{
    for (size_t i = 0; i < c->table->key_count; i++) {
        const struct conf_key *key = &c->table->keys[i];
        if (strcmp(key->section, section->name) == 0 && !c->may_change(key->section, key->name) && !is_same(a, b, key))
            return key;
    }
    return NULL;
}

/* The same for all sections of a name; in a row, since their order counts. */
static bool has_changed(const struct comparison *c, const struct conf_section *section, char *why, size_t octets)
{
    const struct conf *a = c->now, *b = c->next;
    const struct conf_group *x = section->named ? conf_next(a, section->name, NULL) : conf_section(a, section->name);
    const struct conf_group *y = section->named ? conf_next(b, section->name, NULL) : conf_section(b, section->name);
    while (x && y) {
        const struct conf_key *key = changed_key(c, section, x, y);
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

bool daemon_may_follow(const struct conf_table *table, const struct conf *now, const struct conf *next,
                       daemon_may_change_fn *may_change, const char **ret_key)
{
    static char why[160];
    const struct comparison c = {table, now, next, may_change};
    for (size_t i = 0; i < table->section_count; i++) {
        const struct conf_section *section = &table->sections[i];
        if (!may_change(section->name, "") && has_changed(&c, section, why, sizeof why)) {
            *ret_key = why;
            return false;
        }
    }
    return true;
}
