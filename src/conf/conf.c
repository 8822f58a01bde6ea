/* A parsed configuration: groups of entries, and the getters. */
#include "base/mem.h"
#include "base/text.h"
#include "conf/internal.h"

#include <assert.h>

/* A list's default holds commas, as it would be written. */
static int add_default(struct conf *c, struct conf_entry *e)
{
    if (!e->key->fallback)
        return 0;
    struct slice rest = slice_str(e->key->fallback);
    while (rest.p) {
        struct slice one = e->key->flags & CONF_LIST ? text_trim(text_cut(&rest, ',')) : rest;
        int err = conf_entry_add(c, e, one);
        assert((err == 0 || err == ERR_NO_MEMORY) && "the table's own default must be valid");
        if (err)
            return err;
        if (!(e->key->flags & CONF_LIST))
            break;
    }
    return 0;
}

int conf_group_add(struct conf *c, const struct conf_section *section, struct slice name, unsigned line,
                   struct conf_group **ret_group)
{
    const struct conf_table *t = c->table;
    struct conf_group *g = region_alloc(&c->region, sizeof *g);
    if (!g || !(g->name = region_text(&c->region, name)))
        return ERR_NO_MEMORY;
    g->section = section;
    g->line = line;
    g->entries = region_array(&c->region, t->key_count, sizeof *g->entries);
    if (!g->entries)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < t->key_count; i++) {
        if (strcmp(t->keys[i].section, section->name) != 0)
            continue;
        struct conf_entry *e = &g->entries[g->entry_count++];
        e->key = &t->keys[i];
        int err = add_default(c, e);
        if (err)
            return err;
    }
    if (c->last)
        c->last->next = g;
    else
        c->first = g;
    c->last = g;
    c->group_count++;
    *ret_group = g;
    return 0;
}

struct conf_entry *conf_entry_find(const struct conf_group *g, const char *key)
{
    for (size_t i = 0; i < g->entry_count; i++)
        if (strcmp(g->entries[i].key->name, key) == 0)
            return &g->entries[i];
    return NULL;
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    for (struct conf_group *g = c->first; g; g = g->next) {
        for (size_t i = 0; i < g->entry_count; i++) {
            if (!(g->entries[i].key->flags & CONF_SECRET))
                continue;
            for (struct conf_value *v = g->entries[i].first; v; v = v->next) {
                mem_wipe((char *)(uintptr_t)v->text, strlen(v->text));
                if (v->octets.n)
                    mem_wipe((uint8_t *)(uintptr_t)v->octets.p, v->octets.n);
            }
        }
    }
    region_fini(&c->region);
    mem_free(c);
}

const struct conf_group *conf_section(const struct conf *c, const char *section)
{
    const struct conf_group *g = conf_next(c, section, NULL);
    assert(g && !g->section->named && "the program asks for a section without a name that its table has");
    return g;
}

const struct conf_group *conf_next(const struct conf *c, const char *section, const struct conf_group *after)
{
    for (const struct conf_group *g = after ? after->next : c->first; g; g = g->next)
        if (strcmp(g->section->name, section) == 0)
            return g;
    return NULL;
}

const char *conf_group_name(const struct conf_group *g)
{
    return g->name;
}

unsigned conf_group_line(const struct conf_group *g)
{
    return g->line;
}

static const struct conf_entry *entry_of(const struct conf_group *g, const char *key)
{
    const struct conf_entry *e = conf_entry_find(g, key);
    assert(e && "the program asks for a key that its table has");
    return e;
}

static const struct conf_value *value_at(const struct conf_group *g, const char *key, size_t i)
{
    const struct conf_value *v = entry_of(g, key)->first;
    while (v && i--)
        v = v->next;
    return v;
}

bool conf_has(const struct conf_group *g, const char *key)
{
    return entry_of(g, key)->n != 0;
}

bool conf_is_set(const struct conf_group *g, const char *key)
{
    return entry_of(g, key)->line != 0;
}

size_t conf_count(const struct conf_group *g, const char *key)
{
    return entry_of(g, key)->n;
}

const char *conf_text_at(const struct conf_group *g, const char *key, size_t i)
{
    const struct conf_value *v = value_at(g, key, i);
    return v ? v->text : NULL;
}

int64_t conf_integer_at(const struct conf_group *g, const char *key, size_t i)
{
    const struct conf_value *v = value_at(g, key, i);
    return v ? v->integer : 0;
}

struct addr conf_addr_at(const struct conf_group *g, const char *key, size_t i)
{
    assert(entry_of(g, key)->key->type == CONF_ADDR);
    const struct conf_value *v = value_at(g, key, i);
    return v ? v->addr : (struct addr){0};
}

struct slice conf_hex_at(const struct conf_group *g, const char *key, size_t i)
{
    assert(entry_of(g, key)->key->type == CONF_HEX);
    const struct conf_value *v = value_at(g, key, i);
    return v ? v->octets : (struct slice){0};
}

const char *conf_text(const struct conf_group *g, const char *key)
{
    return conf_text_at(g, key, 0);
}

static int64_t integer_of_type(const struct conf_group *g, const char *key, enum conf_type type)
{
    assert(entry_of(g, key)->key->type == type);
    return conf_integer_at(g, key, 0);
}

int64_t conf_integer(const struct conf_group *g, const char *key)
{
    enum conf_type type = entry_of(g, key)->key->type;
    assert(type == CONF_INTEGER || type == CONF_OCTETS);
    return conf_integer_at(g, key, 0);
}

int64_t conf_ms(const struct conf_group *g, const char *key)
{
    return integer_of_type(g, key, CONF_DURATION);
}

bool conf_boolean(const struct conf_group *g, const char *key)
{
    return integer_of_type(g, key, CONF_BOOLEAN) != 0;
}

size_t conf_choice(const struct conf_group *g, const char *key)
{
    return (size_t)integer_of_type(g, key, CONF_CHOICE);
}

struct addr conf_addr(const struct conf_group *g, const char *key)
{
    return conf_addr_at(g, key, 0);
}

struct slice conf_hex(const struct conf_group *g, const char *key)
{
    return conf_hex_at(g, key, 0);
}
