/* What is different between two readings of a file, for who has changed it. */
#include "conf/internal.h"

/* "[enrolled berlin]" */
static void put_section(struct buf *out, const struct conf_group *g)
{
    buf_printf(out, "[%s%s%s]", g->section->name, *g->name ? " " : "", g->name);
}

static void put_key(struct buf *out, const struct conf_group *g, const struct conf_key *key)
{
    put_section(out, g);
    buf_printf(out, " %s: ", key->name);
}

/* The section of that kind and name; NULL: there is none. */
static const struct conf_group *same_group(const struct conf *c, const struct conf_group *g)
{
    for (const struct conf_group *it = c->first; it; it = it->next)
        if (strcmp(it->section->name, g->section->name) == 0 && strcmp(it->name, g->name) == 0)
            return it;
    return NULL;
}

static bool has_value(const struct conf_entry *e, const char *text)
{
    for (const struct conf_value *v = e ? e->first : NULL; v; v = v->next)
        if (strcmp(v->text, text) == 0)
            return true;
    return false;
}

/* The values of a list that the other one has not. */
static void put_missing(struct buf *out, const struct conf_group *g, const struct conf_entry *e,
                        const struct conf_entry *other, const char *what)
{
    for (const struct conf_value *v = e ? e->first : NULL; v; v = v->next) {
        if (has_value(other, v->text))
            continue;
        put_key(out, g, e->key);
        buf_printf(out, "%s %s\n", e->key->flags & CONF_SECRET ? "a value" : v->text, what);
    }
}

static void put_single(struct buf *out, const struct conf_group *g, const struct conf_entry *before,
                       const struct conf_entry *after)
{
    const char *old = before && before->n ? before->first->text : NULL;
    const char *new = after && after->n ? after->first->text : NULL;
    if (old == new || (old && new &&strcmp(old, new) == 0))
        return;
    const struct conf_key *key = before ? before->key : after->key;
    put_key(out, g, key);
    if (!new)
        buf_str(out, "not set any more\n");
    else if (key->flags & CONF_SECRET)
        buf_str(out, old ? "another one\n" : "is set\n");
    else if (old)
        buf_printf(out, "%s instead of %s\n", new, old);
    else
        buf_printf(out, "%s\n", new);
}

static void put_group(struct buf *out, const struct conf_group *before, const struct conf_group *after)
{
    const struct conf_group *g = after ? after : before;
    for (size_t i = 0; i < g->entry_count; i++) {
        const char *name = g->entries[i].key->name;
        const struct conf_entry *old = before ? conf_entry_find(before, name) : NULL;
        const struct conf_entry *new = after ? conf_entry_find(after, name) : NULL;
        if (g->entries[i].key->flags & CONF_LIST) {
            put_missing(out, g, new, old, "is new");
            put_missing(out, g, old, new, "is gone");
        } else {
            put_single(out, g, old, new);
        }
    }
}

void conf_print_differences(const struct conf *before, const struct conf *after, struct buf *out)
{
    for (const struct conf_group *g = after->first; g; g = g->next) {
        const struct conf_group *old = same_group(before, g);
        if (!old) {
            put_section(out, g);
            buf_str(out, ": the section is new\n");
        }
        put_group(out, old, g);
    }
    for (const struct conf_group *g = before->first; g; g = g->next) {
        if (same_group(after, g))
            continue;
        put_section(out, g);
        buf_str(out, ": the section is gone\n");
    }
}
